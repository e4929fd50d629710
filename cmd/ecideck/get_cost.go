package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/view"
)

// A costRow is one part of what the cluster costs, as programs read it. The rows' sum is the
// field total.
type costRow struct {
	Key       string     `json:"key"`
	Kind      *string    `json:"kind"` // what it is; null: no object, as what nodes have free
	Namespace *string    `json:"namespace"`
	Name      *string    `json:"name"`
	Pods      int        `json:"pods"`
	Costs     []sumItem  `json:"costs"`
	Unpriced  int        `json:"unpriced"`
	Redated   int        `json:"accruedAtLaterPrice"` // of how many a part of accrued is reckoned at a price that was read later
	Billed    []moneyRow `json:"billed"`              // of namespaces, this month's bill so far; null: not known
}

// A totalItem is what the cluster costs.
type totalItem struct {
	Costs    []sumItem `json:"costs"`
	Unpriced int       `json:"unpriced"`
	Redated  int       `json:"accruedAtLaterPrice"`
}

// A billItem is the month's bill so far beside what was seen here.
type billItem struct {
	From    time.Time  `json:"from"`
	Through *time.Time `json:"through"` // null: nothing is known of it
	Ours    []moneyRow `json:"ours"`    // for groups of this cluster
	Others  []moneyRow `json:"others"`  // for other groups of the account
	Unsure  []moneyRow `json:"unsure"`  // for groups of which is not known whose they are
	// Final is the end of the days that can't grow any more, which alone are compared; null: none.
	Final     *time.Time `json:"final"`
	Settled   []moneyRow `json:"settled"`         // the part of ours until then
	Estimated []moneyRow `json:"estimated"`       // what was seen here in that time
	Partly    bool       `json:"estimatedPartly"` // something had no price: it is at least that
	Seen      float64    `json:"seenSeconds"`
	// Difference is settled minus estimated; null: too little of that time was seen here.
	Difference []moneyRow `json:"difference"`
}

type moneyRow struct {
	Currency string  `json:"currency"`
	Amount   float64 `json:"amount"`
}

func newMoneyRows(list []money.Money) []moneyRow {
	var out []moneyRow
	for _, m := range list {
		out = append(out, moneyRow{string(m.Currency), *micros(m.Micros)})
	}
	return out
}

func costTable(s *fleet.Snapshot, o listOptions) table {
	t := table{none: "Nothing costs anything.", columns: []column{
		{string(o.by), false}, {"PODS", false}, {"COST/H", false}, {"ACCRUED", false}, {"MONTH", false}, {"WASTE/H", false}, {"UNPRICED", false},
		{"NOT-ASKED/H", true}, {"OVER-ECS/H", true}, {"SPOT-SAVES/H", true}, {"BILLED", true},
	}}
	t.columns[0].title = map[fleet.Grouping]string{
		fleet.ByNamespace: "NAMESPACE", fleet.ByWorkload: "WORKLOAD", fleet.ByNode: "NODE", fleet.BySpec: "SPEC", fleet.ByPlace: "PLACE",
	}[o.by]
	main := s.Currency()
	add := func(name string, r *fleet.CostRow, item any, costs []sumItem, billed []money.Money) {
		over := func(all, without int, of func(money.Currency) money.Rate) string {
			if without >= all {
				return ""
			}
			return format.Sum(r.Cost, main, 0, func(c money.Currency) string { return format.Signed(of(c)) })
		}
		bill := ""
		if len(billed) > 0 {
			bill = format.Amounts(billed)
		}
		accrued := format.SumAccrued(r.Cost, main, o.now)
		if r.Key == fleet.KeyIdle {
			accrued = "" // when it began is not known
		}
		t.rows = append(t.rows, row{item: item, cells: []string{
			name, strconv.Itoa(r.Pods), sumCell(r.Cost, main), accrued, format.SumMonth(r.Cost, main),
			format.Sum(r.Cost, main, 0, func(c money.Currency) string { return format.Rate(r.Cost.Waste(c)) }), strconv.Itoa(r.Cost.Unknown),
			format.Sum(r.Cost, main, 0, func(c money.Currency) string {
				return format.Rate(money.PerHour(r.Cost.Rate(c).MicrosPerHour-r.Cost.Asked(c).MicrosPerHour, c))
			}),
			over(r.Cost.Billed, r.Cost.NoECS, r.Cost.OverECS), over(r.Cost.Groups, r.Cost.NoSpot, r.Cost.OverSpot), bill,
		}, exact: map[int]string{
			2: exactRate(costs), 3: exactKnown(costs, func(s sumItem) *float64 { return s.Accrued }), 4: exactMonth(costs),
			5: exactSums(costs, func(s sumItem) *float64 { return s.WasteHour }),
			7: exactSums(costs, func(s sumItem) *float64 { f := *s.PerHour - *s.AskedHour; return &f }),
			8: exactKnown(costs, func(s sumItem) *float64 { return s.OverECSHour }), 9: exactKnown(costs, func(s sumItem) *float64 { return s.OverSpot }),
		}})
	}
	for _, r := range s.Costs(o.by) {
		itself := r.Target.Kind == "Namespace" && r.Target.Name == o.namespace
		if o.namespace != "" && r.Target.Namespace != o.namespace && !itself {
			continue
		}
		item := costRow{
			Key: r.Key, Kind: known(r.Target.Kind), Namespace: known(r.Target.Namespace), Name: known(r.Target.Name),
			Pods: r.Pods, Costs: newSums(r.Cost, o.now), Unpriced: r.Cost.Unknown, Redated: r.Cost.Redated,
		}
		if r.Key == fleet.KeyIdle {
			for i := range item.Costs {
				item.Costs[i].Accrued = nil
			}
		}
		var billed []money.Money
		if r.Target.Kind == "Namespace" {
			billed = s.Bill.Namespace(r.Target.Name)
			item.Billed = newMoneyRows(billed)
		}
		name := r.Key
		if r.Target.Namespace != "" {
			name = r.Target.Namespace + "/" + r.Key
		}
		add(name, r, item, item.Costs, billed)
	}
	bill := billItem{From: s.Bill.From.UTC(), Through: knownTime(s.Bill.Through), Ours: newMoneyRows(s.Bill.Ours), Others: newMoneyRows(s.Bill.Others),
		Unsure: newMoneyRows(s.Bill.Unsure), Final: knownTime(s.Bill.Final), Settled: newMoneyRows(s.Bill.Settled),
		Estimated: newMoneyRows(s.Bill.Estimated), Partly: s.Bill.Partly, Seen: s.Bill.Seen.Seconds()}
	if differences, ok := s.Bill.Difference(); ok {
		bill.Difference = append([]moneyRow{}, newMoneyRows(differences)...)
	}
	total := totalItem{newSums(s.Cost, o.now), s.Cost.Unknown, s.Cost.Redated}
	t.extra = []field{{"total", total}, {"bill", bill}}
	redated := ""
	if n := s.Cost.Redated; n > 0 {
		redated = fmt.Sprintf(" (%d of them partly at a price that was read later than they began)", n)
	}
	t.footer = []string{"", fmt.Sprintf("all: %s/h, %s in a month of %d h, %s so far%s; %d without a price",
		format.SumRate(s.Cost, main), format.SumMonth(s.Cost, main), fleet.MonthHours, format.SumAccrued(s.Cost, main, o.now), redated, s.Cost.Unknown), view.BillLine(s.Bill)}
	return t
}

// exactKnown is exactSums of what may be unknown.
func exactKnown(sums []sumItem, of func(sumItem) *float64) string {
	var known []sumItem
	for _, s := range sums {
		if of(s) != nil {
			known = append(known, s)
		}
	}
	return exactSums(known, of)
}

// sumCell is a sum an hour as people read it; "" is unknown.
func sumCell(t fleet.Tally, main money.Currency) string {
	if text := format.SumRate(t, main); text != format.Unknown {
		return text
	}
	return ""
}
