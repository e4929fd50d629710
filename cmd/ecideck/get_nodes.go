package main

import (
	"strconv"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
)

// A nodeItem is one node as programs read it; null as in podItem.
type nodeItem struct {
	Name         string   `json:"name"`
	UID          string   `json:"uid"`
	Virtual      bool     `json:"virtual"`
	Place        *string  `json:"place"` // ecs, eci, other
	Zone         *string  `json:"zone"`
	InstanceType *string  `json:"instanceType"`
	Status       *string  `json:"status"`
	Schedulable  bool     `json:"schedulable"`
	Version      *string  `json:"version"`
	Pods         *int     `json:"pods"` // that have not ended
	Allocatable  specItem `json:"allocatable"`
	Requested    specItem `json:"requested"`
	Usage        specItem `json:"usage"`
	// Cost is a real node's own price an hour, and what the pods of a virtual one cost.
	Cost        costItem   `json:"cost"`
	IdlePerHour *float64   `json:"idlePerHour"` // of a real one, in its cost's currency
	CreatedAt   *time.Time `json:"createdAt"`
}

const gib = 1 << 30

func nodeTable(s *fleet.Snapshot, o listOptions) table {
	t := table{columns: []column{
		{"NAME", false}, {"STATUS", false}, {"PLACE", false}, {"PODS", false}, {"VCPU-REQ", false}, {"VCPU", false}, {"MEM-REQ-GIB", false}, {"MEM-GIB", false}, {"COST/H", false}, {"AGE", false},
		{"IDLE/H", true}, {"CPU-USE", true}, {"MEM-USE-GIB", true}, {"ZONE", true}, {"TYPE", true}, {"VERSION", true},
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
		if u, ok := s.NodeUsage(n); ok && !n.Virtual {
			item.Usage = newUsageItem(u)
		}
		cost := rateCell(n.Cost.Rate())
		if n.Virtual { // costs nothing itself: what its pods cost
			main := s.Currency()
			cost = format.SumRate(n.Shares, main)
			if r := n.Shares.Rate(main); main != "" && n.Shares.Unknown == 0 {
				item.Cost.Currency, item.Cost.PerHour = known(string(main)), micros(r.MicrosPerHour)
			}
		} else if r := n.Cost.Rate(); r.Known() {
			item.Cost.Currency, item.Cost.PerHour = known(string(r.Currency)), micros(r.MicrosPerHour)
		}
		if idle := n.Idle(); idle.Known() {
			item.IdlePerHour = micros(idle.MicrosPerHour)
		}
		pods := ""
		if podsRead { // a node without pods has 0 of them; one whose pods were not read has null
			count, cpu, memory := n.Pods, float64(n.RequestCPU)/1000, float64(n.RequestMemory)/gib
			item.Pods, item.Requested = &count, specItem{&cpu, &memory}
			pods = strconv.Itoa(count)
		}
		t.rows = append(t.rows, row{item: item, cells: []string{
			n.Name, n.Status, string(n.Place), pods, rounded(item.Requested.VCPU), rounded(item.Allocatable.VCPU),
			rounded(item.Requested.MemoryGiB), rounded(item.Allocatable.MemoryGiB), cost, age(n.Created, o.now),
			rateCell(n.Idle()), rounded(item.Usage.VCPU), rounded(item.Usage.MemoryGiB), n.Zone, n.InstanceType, n.KubeletVersion,
		}, exact: map[int]string{7: number(item.Cost.PerHour), 9: number(item.IdlePerHour)}})
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
