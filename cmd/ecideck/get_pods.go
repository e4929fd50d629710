package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// A podItem is one pod as programs read it. Its names stay once released; what is not known
// is null, never 0 or "".
type podItem struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	UID       string        `json:"uid"`
	Workload  *workloadItem `json:"workload"` // null: a bare pod
	Place     *string       `json:"place"`    // ecs, eci, acs, other, none
	Node      *string       `json:"node"`
	Zone      *string       `json:"zone"`
	Status    *string       `json:"status"`
	Ready     *string       `json:"ready"` // as kubectl writes it: 1/1
	Restarts  *int          `json:"restarts"`
	Group     *groupRef     `json:"group"`  // null: none, or none known
	Billed    specItem      `json:"billed"` // what ECI rounded the request up to
	Usage     specItem      `json:"usage"`
	Cost      costItem      `json:"cost"`
	StartedAt *time.Time    `json:"startedAt"`
}

type workloadItem struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type groupRef struct {
	ID     string  `json:"id"`
	Status *string `json:"status"`
}

// A specItem is an amount of the two resources that are billed.
type specItem struct {
	VCPU      *float64 `json:"vcpu"`
	MemoryGiB *float64 `json:"memoryGiB"`
}

// A costItem is money; it is all null where no price is known.
type costItem struct {
	Currency *string  `json:"currency"`
	PerHour  *float64 `json:"perHour"`
	Accrued  *float64 `json:"accrued"`
}

func podTable(s *fleet.Snapshot, namespace string, now time.Time) table {
	t := table{namespaced: true, columns: []column{
		{"NAME", false}, {"READY", false}, {"STATUS", false}, {"RESTARTS", false}, {"PLACE", false}, {"GROUP", false}, {"AGE", false},
		{"NODE", true}, {"ZONE", true}, {"GROUP-STATUS", true}, {"VCPU", true}, {"MEMORY-GIB", true}, {"IP", true}, {"WORKLOAD", true}, {"REASON", true},
	}}
	for _, p := range s.Placements {
		if p.Pod == nil || namespace != "" && p.Pod.Namespace != namespace {
			continue
		}
		item := newPodItem(p)
		workload, status := "", ""
		if w := item.Workload; w != nil {
			workload = w.Kind + "/" + w.Name
		}
		if p.Group != nil {
			status = string(p.Group.Status)
		}
		group := p.Pod.InstanceID
		if item.Group != nil {
			group = item.Group.ID
		}
		t.rows = append(t.rows, row{item: item, namespace: p.Pod.Namespace, cells: []string{
			p.Pod.Name, *item.Ready, p.Status, strconv.Itoa(p.Pod.Restarts), string(p.Place), group, age(p.Pod.Created, now),
			p.Pod.NodeName, text(item.Zone), status, number(item.Billed.VCPU), number(item.Billed.MemoryGiB), p.Pod.IP, workload, p.Reason,
		}})
	}
	return t
}

func newPodItem(p *fleet.Placement) podItem {
	ready := fmt.Sprintf("%d/%d", p.Pod.ReadyContainers, p.Pod.TotalContainers)
	restarts := p.Pod.Restarts
	item := podItem{
		Namespace: p.Pod.Namespace, Name: p.Pod.Name, UID: p.Pod.UID,
		Place: known(string(p.Place)), Node: known(p.Pod.NodeName), Status: known(p.Status),
		Ready: &ready, Restarts: &restarts, StartedAt: knownTime(p.Pod.Started),
	}
	if w := p.Pod.Workload; w.Kind != "" {
		item.Workload = &workloadItem{w.Kind, w.Name}
	}
	if p.Node != nil {
		item.Zone = known(p.Node.Zone)
	}
	if g := p.Group; g != nil {
		item.Group = &groupRef{g.ID, known(string(g.Status))}
		item.Billed = specItem{known(g.CPU), known(g.Memory)}
		if g.Zone != "" {
			item.Zone = known(g.Zone)
		}
	}
	return item
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func number(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', -1, 64)
}
