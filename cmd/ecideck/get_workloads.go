package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/view"
)

// A workloadItem is one workload as programs read it; null as in podItem.
type workloadItem struct {
	Namespace  string          `json:"namespace"`
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	UID        *string         `json:"uid"`
	Desired    *int            `json:"desired"` // replicas wanted
	Ready      int             `json:"ready"`
	Pods       placesItem      `json:"pods"` // that have not ended
	Ended      int             `json:"ended"`
	Rollout    *rolloutItem    `json:"rollout"`    // null: its kind has none, or its object is not known
	Autoscaler *autoscalerItem `json:"autoscaler"` // null: none, or none known
	Budget     *budgetItem     `json:"budget"`     // null: none, or none known
	Usage      usageItem       `json:"usage"`
	Costs      []sumItem       `json:"costs"`    // one for each currency
	Unpriced   int             `json:"unpriced"` // costs that are in no sum
	Scaling    scalingState    `json:"scaling"`
}

// A placesItem counts pods by where they run.
type placesItem struct {
	ECS     int `json:"ecs"`
	ECI     int `json:"eci"`
	ACS     int `json:"acs"`
	Other   int `json:"other"`
	None    int `json:"none"`    // not bound to a node yet
	Unknown int `json:"unknown"` // bound, but where is not known
}

type rolloutItem struct {
	State   string  `json:"state"` // complete, running, stuck, paused
	Message *string `json:"message"`
}

type autoscalerItem struct {
	Kind    string  `json:"kind"`
	Name    string  `json:"name"`
	Min     *int    `json:"min"`
	Max     *int    `json:"max"`
	Current int     `json:"current"`
	Desired int     `json:"desired"`
	Metrics *string `json:"metrics"`
}

type budgetItem struct {
	Name    string `json:"name"`
	Allowed int    `json:"allowed"`
	Healthy int    `json:"healthy"`
	Needed  int    `json:"needed"`
	Of      int    `json:"of"`
}

// A usageItem is what several pods use together; missing counts those that run and whose
// usage is not in it.
type usageItem struct {
	specItem
	Missing int `json:"missing"`
}

// A sumItem is what several things cost in one currency.
type sumItem struct {
	Currency    string   `json:"currency"`
	PerHour     *float64 `json:"perHour"`
	PerMonth    *float64 `json:"perMonth"` // in 730 hours, if nothing changes
	Accrued     *float64 `json:"accrued"`
	WasteHour   *float64 `json:"wastePerHour"`    // paid for nothing
	AskedHour   *float64 `json:"askedPerHour"`    // the rest of perHour was rounded up, or is idle
	OverECSHour *float64 `json:"overEcsPerHour"`  // dearer than on ECS by; null: nothing can be compared
	OverSpot    *float64 `json:"overSpotPerHour"` // saved if its groups were spot; null: none has a known spot price
}

// A scalingState says why a workload is or isn't scaling.
type scalingState struct {
	State  string     `json:"state"` // steady, moving, limited, stuck, unknown
	By     *string    `json:"by"`    // hpa, keda, cron, person, job, nodes
	Layer  *string    `json:"layer"` // the one that does not get on: wants, create, schedule, provider, ready
	Line   *string    `json:"line"`
	Reason *string    `json:"reason"`
	Remedy *string    `json:"remedy"`
	Since  *time.Time `json:"since"` // since when it has not got on
}

func newScalingState(w *fleet.Workload) scalingState {
	c := w.Scaling
	return scalingState{
		State: string(c.State), By: known(c.By), Layer: known(string(c.Layer)), Line: known(c.Line),
		Reason: known(c.Reason), Remedy: known(c.Remedy), Since: knownTime(c.Since),
	}
}

// newSums are a Tally's sums; none where nothing in it has a price.
func newSums(t fleet.Tally, now time.Time) []sumItem {
	out := []sumItem{}
	for _, c := range t.Currencies() {
		item := sumItem{
			Currency: string(c), PerHour: micros(t.Rate(c).MicrosPerHour), WasteHour: micros(t.Waste(c).MicrosPerHour), AskedHour: micros(t.Asked(c).MicrosPerHour),
		}
		if m := t.Month(c); m.Known() {
			item.PerMonth = micros(m.Micros)
		}
		if m := t.Accrued(c, now); m.Known() {
			item.Accrued = micros(m.Micros)
		}
		if t.NoECS < t.Billed {
			item.OverECSHour = micros(t.OverECS(c).MicrosPerHour)
		}
		if t.NoSpot < t.Groups {
			item.OverSpot = micros(t.OverSpot(c).MicrosPerHour)
		}
		out = append(out, item)
	}
	return out
}

func newUsageSum(u fleet.UsageSum) usageItem {
	item := usageItem{Missing: u.Missing}
	if u.Pods > 0 || u.Missing == 0 {
		cpu, memory := float64(u.CPU)/1000, float64(u.Memory)/gib
		item.specItem = specItem{&cpu, &memory}
	}
	return item
}

func newWorkloadItem(w *fleet.Workload, now time.Time) workloadItem {
	item := workloadItem{
		Namespace: w.Namespace, Kind: w.Kind, Name: w.Name, UID: known(w.UID), Ready: w.ReadyPods, Ended: w.Ended,
		Pods: placesItem(w.Pods), Usage: newUsageSum(w.Usage), Costs: newSums(w.Cost, now), Unpriced: w.Cost.Unknown, Scaling: newScalingState(w),
	}
	if w.Desired >= 0 {
		item.Desired = &w.Desired
	}
	if r := w.Rollout; r.State != fleet.RolloutNone {
		item.Rollout = &rolloutItem{string(r.State), known(r.Message)}
	}
	if a := w.Autoscaler; a != nil {
		item.Autoscaler = &autoscalerItem{Kind: a.Kind, Name: a.Name, Current: a.Current, Desired: a.Desired, Metrics: known(a.Metrics)}
		if a.Max > 0 {
			item.Autoscaler.Min, item.Autoscaler.Max = &a.Min, &a.Max
		}
	}
	if b := w.Budget; b != nil {
		item.Budget = &budgetItem{b.Name, b.Allowed, b.Current, b.Desired, b.Expected}
	}
	return item
}

func workloadTable(s *fleet.Snapshot, o listOptions) table {
	t := table{namespaced: true, columns: []column{
		{"KIND", false}, {"NAME", false}, {"READY", false}, {"ECS", false}, {"ECI", false}, {"PENDING", false}, {"ROLLOUT", false}, {"COST/H", false}, {"STUCK", false},
		{"ELSEWHERE", true}, {"AUTOSCALER", true}, {"BUDGET", true}, {"CPU-USE", true}, {"MEM-USE-GIB", true}, {"MONTH", true}, {"UNPRICED", true}, {"SCALING", true}, {"WHY", true},
	}}
	main := s.Currency()
	for _, w := range s.Workloads {
		if o.namespace != "" && w.Namespace != o.namespace {
			continue
		}
		item := newWorkloadItem(w, o.now)
		desired, autoscaler, budget := "?", "", ""
		if item.Desired != nil {
			desired = strconv.Itoa(*item.Desired)
		}
		if a := w.Autoscaler; a != nil {
			autoscaler = a.Name
			if a.Max > 0 {
				autoscaler += fmt.Sprintf(" %d-%d", a.Min, a.Max)
			}
			if a.Metrics != "" {
				autoscaler += " " + a.Metrics
			}
		}
		if w.Budget != nil {
			budget = strconv.Itoa(w.Budget.Allowed)
		}
		t.rows = append(t.rows, row{item: item, namespace: w.Namespace, cells: []string{
			w.Kind, w.Name, fmt.Sprintf("%d/%s", w.ReadyPods, desired), strconv.Itoa(w.Pods.ECS), strconv.Itoa(w.Pods.ECI), strconv.Itoa(w.Pods.None),
			string(w.Rollout.State), sumCell(w.Cost, main), age(w.Scaling.Since, o.now),
			strconv.Itoa(w.Pods.ACS + w.Pods.Other + w.Pods.Unknown), autoscaler, budget, rounded(item.Usage.VCPU), rounded(item.Usage.MemoryGiB),
			format.SumMonth(w.Cost, main), strconv.Itoa(w.Cost.Unknown), string(w.Scaling.State), w.Scaling.Line,
		}, exact: map[int]string{7: exactRate(item.Costs), 14: exactMonth(item.Costs)}})
	}
	return t
}

// exactRate and exactMonth are sums as programs read them, "0.44 CNY"; those of several
// currencies with a space between.
func exactRate(sums []sumItem) string {
	return exactSums(sums, func(s sumItem) *float64 { return s.PerHour })
}

func exactMonth(sums []sumItem) string {
	return exactSums(sums, func(s sumItem) *float64 { return s.PerMonth })
}

func exactSums(sums []sumItem, of func(sumItem) *float64) string {
	out := ""
	for _, s := range sums {
		if out != "" {
			out += " "
		}
		out += number(of(s)) + " " + s.Currency
	}
	return out
}

// A scalingItem is one line of the scaling view.
type scalingItem struct {
	Namespace string      `json:"namespace"`
	Workload  workloadRef `json:"workload"`
	Desired   *int        `json:"desired"`
	Ready     int         `json:"ready"`
	scalingState
}

func scalingTable(s *fleet.Snapshot, o listOptions) table {
	t := table{namespaced: true, columns: []column{
		{"WORKLOAD", false}, {"STATE", false}, {"STUCK", false}, {"BY", false}, {"WHY", false}, {"LAYER", true}, {"REASON", true}, {"REMEDY", true},
	}}
	for _, w := range view.ScalingRows(s) {
		if o.namespace != "" && w.Namespace != o.namespace {
			continue
		}
		item := scalingItem{Namespace: w.Namespace, Workload: workloadRef{w.Kind, w.Name}, Ready: w.ReadyPods, scalingState: newScalingState(w)}
		if w.Desired >= 0 {
			item.Desired = &w.Desired
		}
		c := w.Scaling
		t.rows = append(t.rows, row{item: item, namespace: w.Namespace, cells: []string{
			w.Kind + "/" + w.Name, string(c.State), age(c.Since, o.now), c.By, c.Line, string(c.Layer), c.Reason, c.Remedy,
		}})
	}
	return t
}
