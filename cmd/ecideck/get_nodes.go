package main

import (
	"strconv"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// A nodeItem is one node as programs read it; null as in podItem.
type nodeItem struct {
	Name         string     `json:"name"`
	UID          string     `json:"uid"`
	Virtual      bool       `json:"virtual"`
	Place        *string    `json:"place"` // ecs, eci, other
	Zone         *string    `json:"zone"`
	InstanceType *string    `json:"instanceType"`
	Status       *string    `json:"status"`
	Schedulable  bool       `json:"schedulable"`
	Version      *string    `json:"version"`
	Pods         *int       `json:"pods"` // that have not ended
	Allocatable  specItem   `json:"allocatable"`
	Requested    specItem   `json:"requested"`
	Usage        specItem   `json:"usage"`
	Cost         costItem   `json:"cost"`
	CreatedAt    *time.Time `json:"createdAt"`
}

const gib = 1 << 30

func nodeTable(s *fleet.Snapshot, _ string, now time.Time) table {
	t := table{columns: []column{
		{"NAME", false}, {"STATUS", false}, {"PLACE", false}, {"PODS", false}, {"VCPU-REQ", false}, {"VCPU", false}, {"MEM-REQ-GIB", false}, {"MEM-GIB", false}, {"AGE", false},
		{"ZONE", true}, {"TYPE", true}, {"VERSION", true},
	}}
	podsRead := false
	for _, source := range s.Sources {
		podsRead = podsRead || source.Name == "pods" && !source.Read.IsZero()
	}
	for _, n := range s.Nodes {
		item := nodeItem{
			Name: n.Name, UID: n.UID, Virtual: n.Virtual, Place: known(string(n.Place)), Zone: known(n.Zone),
			InstanceType: known(n.InstanceType), Status: known(n.Status), Schedulable: !n.Unschedulable, Version: known(n.KubeletVersion),
			Allocatable: specItem{known(float64(n.AllocatableCPU) / 1000), known(float64(n.AllocatableMemory) / gib)},
			CreatedAt:   knownTime(n.Created),
		}
		pods := ""
		if podsRead { // a node without pods has 0 of them; one whose pods were not read has null
			count, cpu, memory := n.Pods, float64(n.RequestCPU)/1000, float64(n.RequestMemory)/gib
			item.Pods, item.Requested = &count, specItem{&cpu, &memory}
			pods = strconv.Itoa(count)
		}
		t.rows = append(t.rows, row{item: item, cells: []string{
			n.Name, n.Status, string(n.Place), pods, rounded(item.Requested.VCPU), rounded(item.Allocatable.VCPU),
			rounded(item.Requested.MemoryGiB), rounded(item.Allocatable.MemoryGiB), age(n.Created, now),
			n.Zone, n.InstanceType, n.KubeletVersion,
		}})
	}
	return t
}

// rounded is a number for people.
func rounded(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', 2, 64)
}
