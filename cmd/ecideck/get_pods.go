package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/format"
)

// A podItem is one pod as programs read it. Its names stay once released; what is not known
// is null, never 0 or "".
type podItem struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	UID       string       `json:"uid"`
	Workload  *workloadRef `json:"workload"` // null: a bare pod
	Place     *string      `json:"place"`    // ecs, eci, acs, other, none
	Node      *string      `json:"node"`
	Zone      *string      `json:"zone"`
	Status    *string      `json:"status"`
	Ready     *string      `json:"ready"` // as kubectl writes it: 1/1
	Restarts  *int         `json:"restarts"`
	Group     *groupRef    `json:"group"`  // null: none, or none known
	Billed    specItem     `json:"billed"` // what ECI rounded the request up to
	Usage     specItem     `json:"usage"`
	Cost      costItem     `json:"cost"`
	StartedAt *time.Time   `json:"startedAt"`
}

type workloadRef struct {
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

func podTable(s *fleet.Snapshot, o listOptions) table {
	t := table{namespaced: true, columns: []column{
		{"NAME", false}, {"READY", false}, {"STATUS", false}, {"RESTARTS", false}, {"PLACE", false}, {"GROUP", false},
		{"COST/H", false}, {"AGE", false},
		{"NODE", true}, {"ZONE", true}, {"GROUP-STATUS", true}, {"VCPU", true}, {"MEMORY-GIB", true}, {"CPU-USE", true}, {"MEM-USE-GIB", true},
		{"ACCRUED", true}, {"CURRENCY", true}, {"IP", true}, {"WORKLOAD", true}, {"REASON", true},
	}}
	for _, p := range s.Placements {
		if p.Pod == nil || o.namespace != "" && p.Pod.Namespace != o.namespace {
			continue
		}
		item := newPodItem(s, p, o.now)
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
			p.Pod.Name, *item.Ready, p.Status, strconv.Itoa(p.Pod.Restarts), string(p.Place), group,
			rateCell(p.Cost.Rate()), age(p.Pod.Created, o.now),
			p.Pod.NodeName, text(item.Zone), status, number(item.Billed.VCPU), number(item.Billed.MemoryGiB), rounded(item.Usage.VCPU), rounded(item.Usage.MemoryGiB),
			amountCell(p.Cost.Accrued(o.now)), text(item.Cost.Currency), p.Pod.IP, workload, p.Reason,
		}, exact: map[int]string{6: number(item.Cost.PerHour), 13: number(item.Usage.VCPU), 14: number(item.Usage.MemoryGiB), 15: number(item.Cost.Accrued)}})
	}
	return t
}

func newPodItem(s *fleet.Snapshot, p *fleet.Placement, now time.Time) podItem {
	ready := fmt.Sprintf("%d/%d", p.Pod.ReadyContainers, p.Pod.TotalContainers)
	restarts := p.Pod.Restarts
	item := podItem{
		Namespace: p.Pod.Namespace, Name: p.Pod.Name, UID: p.Pod.UID,
		Place: known(string(p.Place)), Node: known(p.Pod.NodeName), Status: known(p.Status),
		Ready: &ready, Restarts: &restarts, Cost: newCostItem(p.Cost, now), StartedAt: knownTime(p.Pod.Started),
	}
	if u, ok := s.Usage(p); ok {
		item.Usage = newUsageItem(u)
	}
	if w := p.Pod.Workload; w.Kind != "" {
		item.Workload = &workloadRef{w.Kind, w.Name}
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

// newCostItem is what something costs now and came to. A rate of what is not paid for is 0
// where its price is known.
func newCostItem(c fleet.Cost, now time.Time) costItem {
	item := costItem{}
	if r := c.Rate(); r.Known() {
		item.Currency, item.PerHour = known(string(r.Currency)), micros(r.MicrosPerHour)
	}
	if m := c.Accrued(now); m.Known() {
		item.Currency, item.Accrued = known(string(m.Currency)), micros(m.Micros)
	}
	return item
}

// newUsageItem is what is used now; a use of nothing is 0, not null.
func newUsageItem(u fleet.Usage) specItem {
	cpu, memory := float64(u.CPU)/1000, float64(u.Memory)/gib
	return specItem{&cpu, &memory}
}

// micros is an amount in units of its currency, with all its decimals.
func micros(n int64) *float64 {
	f := float64(n) / 1e6
	return &f
}

// rateCell and amountCell are money as people read it; "" is unknown.
func rateCell(r money.Rate) string {
	if !r.Known() {
		return ""
	}
	return format.Rate(r)
}

func amountCell(m money.Money) string {
	if !m.Known() {
		return ""
	}
	return format.Amount(m)
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
