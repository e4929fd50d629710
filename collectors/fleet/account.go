package fleet

import (
	"time"

	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
)

// A Quota is what the account uses of its vCPU quota in the region. Max 0: not said.
type Quota struct{ UsedCPU, MaxCPU float64 }

// A VSwitch is a subnet that groups get their addresses from. Free is what ECI can still
// take. Total is 0 where the answer did not say its size.
type VSwitch struct {
	ID, Zone    string
	Free, Total int
}

// A Stock says whether a zone has a size.
type Stock struct {
	Zone        string
	CPU, Memory float64 // vCPU, GiB
	Spot        bool
	Available   bool
}

// A BillDay is what was billed for a day to this cluster's groups, and to others of the account.
type BillDay struct {
	Day    time.Time // its first second
	Final  bool      // false: it may still grow
	Groups []BilledGroup
}

// A BilledGroup is one group's part of a day's bill. ClusterID and Namespace are from the
// tags on the bill; "": it has none.
type BilledGroup struct {
	ID, ClusterID, Namespace string
	Amount                   money.Money // after discounts, before coupons and taxes
}

// A PriceBook is what the config file says about prices.
type PriceBook struct {
	Site   spec.Site // "": china
	Region string    // for the embedded table
	// Discount is the part of ECI's price that is really paid, in thousandths, as with a
	// savings plan that its price API does not know; 0: all of it. Spot has none.
	Discount int64
	// Nodes are the prices of nodes, by instance type or by name (with * at the end for
	// many). The first that fits is taken, before ECS' own price.
	Nodes []NodePrice
	// VCPU and GiB price every real node that has no other price, as on-premises.
	VCPU, GiB money.Rate
}

// A NodePrice prices the nodes that it names.
type NodePrice struct {
	InstanceType, Name string
	Rate               money.Rate
}

// A NodeGroup is a group of nodes that the cluster autoscaler keeps, as its status says.
type NodeGroup struct {
	Name             string
	Min, Max, Target int
	Ready            int
	ScaleUp          string // InProgress, Backoff, NoActivity
	Code, Message    string // why it backs off; "": it does not
	Updated          time.Time
}

// A Policy is the compact record of an ACK ResourcePolicy: where pods go, in order.
type Policy struct {
	Namespace, Name string
	Selector        string // as label selectors are written; "": all pods of the namespace
	Units           string // ecs → eci (max 20)
}

// A Service is the compact record of a Service, with its endpoints.
type Service struct {
	Namespace, Name, Type string
	Selector              string // as label selectors are written; "": none, its endpoints are somebody else's
	Ready, NotReady       int    // endpoints
	Counted               bool   // false: its endpoints are not known, and not zero
}

// A Bill is the month so far as the vendor billed it, a day late, beside what was estimated.
type Bill struct {
	From     time.Time     // the first second of the month, which is China's
	Through  time.Time     // the end of the newest day that is in it; zero: nothing is known
	Ours     []money.Money // for groups of this cluster, one for each currency; empty: nothing is known
	Others   []money.Money // for other groups of the account
	Unsure   []money.Money // for groups of which is not known whose they are: no cluster's tag, and gone
	Unknown  int           // how many items are in Unsure
	Unpriced int           // billed groups without an amount
	// Final is the end of the newest day before which no day may grow any more; zero: there is
	// none. Only as far is there anything to compare.
	Final   time.Time
	Settled []money.Money // the part of Ours until Final
	// Estimated is what this program saw being spent on ECI from From to Final, and Seen the part
	// of that time in which it saw ECI's groups. The difference is meaningful where Seen is whole.
	Estimated  []money.Money
	Partly     bool // something had no price then: Estimated is the least that it can be
	Seen       time.Duration
	namespaces map[string]*money.Sum
}

// Told reports whether Seen is enough of the time until Final to tell a difference: nearly all.
func (b *Bill) Told() bool {
	span := b.Final.Sub(b.From)
	return !b.Final.IsZero() && b.Seen >= span-span/20
}

// Difference is what was billed minus what was seen here in the same time, until Final, in each
// currency of both, and whether that can be told: only where nearly all of that time was seen.
// With Partly it is the most that it can be.
func (b *Bill) Difference() (list []money.Money, known bool) {
	if !b.Told() {
		return nil, false
	}
	for _, billed := range b.Settled {
		for _, seen := range b.Estimated {
			if d, err := billed.Sub(seen); err == nil {
				list = append(list, d)
			}
		}
	}
	return list, true
}

// Namespace is what was billed for a namespace of this cluster, in each currency.
func (b *Bill) Namespace(name string) []money.Money {
	if sum := b.namespaces[name]; sum != nil {
		totals, _ := sum.Totals()
		return totals
	}
	return nil
}

// billZone is where the bill's days and months begin: China's time, on both sites.
func billZone() *time.Location { return time.FixedZone("UTC+8", 8*60*60) }

// account takes over what the cloud says of the account and its month.
func (b *builder) account() {
	s, in := b.s, &b.in
	if in.read("account") {
		s.Quota = &in.Account.Quota
	}
	s.VSwitches, s.Stocks, s.NodeGroups, s.Policies = in.Subnets.Items, in.Zones.Stocks, in.NodeGroups.Items, in.Policies.Items
	s.Namespaces = in.Namespaces.Names
	b.services()
	s.Bill = b.bill()
}

// services counts the endpoints of each Service.
func (b *builder) services() {
	in, old := &b.in, &b.old.built.in
	if b.old.Services != nil && same(in.Services.Items, old.Services.Items) && same(in.Endpoints.Items, old.Endpoints.Items) {
		b.s.Services = b.old.Services
		return
	}
	counts := map[PodName]EndpointSlice{}
	for _, e := range in.Endpoints.Items {
		key := PodName{e.Namespace, e.Service}
		sum := counts[key]
		sum.Ready, sum.NotReady = sum.Ready+e.Ready, sum.NotReady+e.NotReady
		counts[key] = sum
	}
	b.s.Services = make([]*Service, len(in.Services.Items))
	for i, item := range in.Services.Items {
		counted := *item
		sum := counts[PodName{item.Namespace, item.Name}]
		counted.Ready, counted.NotReady, counted.Counted = sum.Ready, sum.NotReady, b.in.read("endpoints")
		b.s.Services[i] = &counted
	}
}

// bill adds up the days of this month. A bill is a day late, and its newest day grows: what
// was estimated is compared with the days that can't grow any more.
func (b *builder) bill() Bill {
	local := b.now.In(billZone())
	bill := Bill{From: time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, billZone()), namespaces: map[string]*money.Sum{}}
	var ours, others, unsure money.Sum
	final := true
	for _, day := range b.in.Bills.Days {
		if day.Day.Before(bill.From) {
			continue
		}
		if final = final && day.Final; !day.Final && len(day.Groups) == 0 {
			continue // not written yet
		}
		bill.Through = day.Day.AddDate(0, 0, 1)
		for _, g := range day.Groups {
			if !g.Amount.Known() {
				bill.Unpriced++
			}
			mine, sure := b.isOurs(g)
			if !sure {
				bill.Unknown++
				unsure.Add(g.Amount)
				continue
			}
			if !mine {
				others.Add(g.Amount)
				continue
			}
			ours.Add(g.Amount)
			if g.Namespace != "" {
				if bill.namespaces[g.Namespace] == nil {
					bill.namespaces[g.Namespace] = &money.Sum{}
				}
				bill.namespaces[g.Namespace].Add(g.Amount)
			}
		}
		if final {
			bill.Final = bill.Through
			bill.Settled, _ = ours.Totals()
		}
	}
	if bill.Through.IsZero() {
		return bill
	}
	bill.Ours, _ = ours.Totals()
	bill.Others, _ = others.Totals()
	bill.Unsure, _ = unsure.Totals()
	bill.Estimated, bill.Seen, bill.Partly = b.s.History.Spent(PlaceECI, bill.From, bill.Final)
	return bill
}

// isOurs says whether a billed group is this cluster's, and whether that is known.
func (b *builder) isOurs(g BilledGroup) (mine, sure bool) {
	k := &b.s.built
	if g.ClusterID != "" {
		return k.ids.has(g.ClusterID), k.ids != (clusterIDs{})
	}
	if here := k.groups.byID[g.ID]; here != nil {
		return here.Relation != Foreign && b.s.Groups[k.groups.position[here]].Relation != Foreign, true
	}
	return false, false
}
