package why

import (
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/format"
)

// Cost says what the things that refs name cost together and each, and what they would
// elsewhere. A ref that the Snapshot does not have is said to be gone.
func Cost(s *fleet.Snapshot, refs []fleet.Ref, now time.Time) Answer {
	var a Answer
	var sum fleet.Tally
	for _, ref := range refs {
		lines, t, found := costOf(s, ref, now)
		if !found {
			a.say("%s %s is gone", ref.Kind, ref.Name)
			continue
		}
		sum.AddAll(t)
		if len(refs) == 1 {
			a.Head = name(ref) + ": " + costs(s, t, now)
			a.Lines = append(a.Lines, lines...)
			continue
		}
		a.say("%s: %s/h, %s so far", name(ref), format.SumRate(t, s.Currency()), format.SumAccrued(t, s.Currency(), now))
	}
	if len(refs) > 1 {
		a.Head = fmt.Sprintf("%d selected: %s", len(refs), costs(s, sum, now))
		a.Lines = append(figures(sum), a.Lines...)
	}
	if a.Head == "" {
		a.Head = "nothing that is selected is still there"
	}
	return a
}

func name(ref fleet.Ref) string {
	if ref.Namespace != "" {
		return ref.Namespace + "/" + ref.Name
	}
	return ref.Name
}

func costOf(s *fleet.Snapshot, ref fleet.Ref, now time.Time) (lines []string, t fleet.Tally, found bool) {
	switch ref.Kind {
	case "Pod":
		p := Placement(s, ref)
		if p == nil {
			return nil, t, false
		}
		t.Add(p.Cost)
		return beside(p.Cost, now), t, true
	case fleet.KindGroup:
		for _, p := range s.Placements {
			if p.Group != nil && p.Group.ID == ref.Name {
				t.Add(p.Cost)
				return beside(p.Cost, now), t, true
			}
		}
		for _, g := range s.Groups {
			if g.ID == ref.Name && g.Relation != fleet.Foreign {
				c := s.GroupCost(g)
				t.Add(c)
				return figures(t), t, true
			}
			if g.ID == ref.Name {
				return []string{"what it costs is somebody else's: it is no pod's of this cluster"}, t, true
			}
		}
	case "Node":
		for _, n := range s.Nodes {
			if n.Name != ref.Name {
				continue
			}
			if n.Virtual {
				return figures(n.Shares), n.Shares, true
			}
			t.Add(n.Cost)
			return nodeCost(n), t, true
		}
	case "Namespace":
		for _, row := range s.Costs(fleet.ByNamespace) {
			if row.Target.Name == ref.Name {
				return append(figures(row.Cost), billed(s, ref.Name)...), row.Cost, true
			}
		}
	default:
		if w := Workload(s, ref); w != nil {
			return figures(w.Cost), w.Cost, true
		}
	}
	return nil, t, false
}

// costs is the sentence about a sum: "¥1.06/h now, ¥774 a month if nothing changes, ¥3.20 so far".
func costs(s *fleet.Snapshot, t fleet.Tally, now time.Time) string {
	main := s.Currency()
	if t == (fleet.Tally{}) {
		return "costs nothing now"
	}
	rate := format.SumRate(t, main)
	if rate == format.Unknown {
		return fmt.Sprintf("what it costs is not known (%d without a price)", t.Unknown)
	}
	text := fmt.Sprintf("%s/h now, %s a month of %d h if nothing changes, %s so far", rate, format.SumMonth(t, main), fleet.MonthHours, format.SumAccrued(t, main, now))
	if t.Redated > 0 {
		text += fmt.Sprintf(" (%d partly at a price read later)", t.Redated)
	}
	if t.Unknown > 0 {
		text += fmt.Sprintf("; %d without a price are in no sum", t.Unknown)
	}
	return text
}

// tally is what a sum's row says in an answer.
func tally(s *fleet.Snapshot, t fleet.Tally, now time.Time) []string {
	if t == (fleet.Tally{}) {
		return nil
	}
	return append([]string{"cost: " + costs(s, t, now)}, wasted(t)...)
}

func wasted(t fleet.Tally) (out []string) {
	for _, c := range t.Currencies() {
		if w := t.Waste(c); w.MicrosPerHour > 0 {
			out = append(out, format.Rate(w)+"/h of it is paid for nothing")
		}
	}
	return out
}

// figures are the parts of a sum.
func figures(t fleet.Tally) []string {
	out := wasted(t)
	for _, c := range t.Currencies() {
		rate := t.Rate(c)
		if up := money.PerHour(rate.MicrosPerHour-t.Asked(c).MicrosPerHour, c); up.MicrosPerHour > 0 {
			out = append(out, format.Rate(up)+"/h of it was not asked for: ECI's rounding up, and what nodes have free")
		}
		if t.NoECS < t.Billed {
			out = append(out, compared(t.OverECS(c), "the same requests on ECS nodes as this cluster has them", t.NoECS))
		}
		if spot := t.OverSpot(c); t.NoSpot < t.Groups && spot.MicrosPerHour > 0 {
			out = append(out, format.Rate(spot)+"/h would be saved as spot"+missing(t.NoSpot))
		}
	}
	return out
}

func compared(over money.Rate, with string, without int) string {
	switch {
	case over.MicrosPerHour > 0:
		return format.Rate(over) + "/h dearer than " + with + missing(without)
	case over.MicrosPerHour < 0:
		return format.Rate(money.PerHour(-over.MicrosPerHour, over.Currency)) + "/h cheaper than " + with + missing(without)
	}
	return "as dear as " + with + missing(without)
}

func missing(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d can't be compared)", n)
}

// placed is what a placement's cost says in an answer.
func placed(p *fleet.Placement, now time.Time) []string {
	lines := details(p.Cost, now)
	if len(lines) > 0 {
		lines[0] = "cost: " + lines[0]
	}
	return lines
}

// beside are the details without the sum that stands above them.
func beside(c fleet.Cost, now time.Time) []string {
	lines := details(c, now)
	if c.State == fleet.Billed && c.Quote != nil && c.Quote.Rate.Known() {
		lines = lines[1:]
	}
	return lines
}

// details are what is known of one cost.
func details(c fleet.Cost, now time.Time) []string {
	var out []string
	say := func(form string, args ...any) { out = append(out, fmt.Sprintf(form, args...)) }
	switch {
	case c.State == fleet.BillingUnknown:
		say("it is not known whether it is paid for")
		return out
	case c.State == fleet.NotBilled && c.Since.IsZero():
		say("it is not paid for yet")
		return out
	case c.State == fleet.NotBilled:
		if spent := c.Accrued(now); spent.Known() {
			say("it is not paid for any more; it came to %s", format.Amount(spent))
		}
		return out
	case c.Quote == nil || !c.Quote.Rate.Known():
		say("it is paid for, at a price that is not known")
		return out
	}
	q := c.Quote
	say("%s/h, %s so far, %s a month of %d h", format.Rate(q.Rate), format.Amount(c.Accrued(now)), format.Amount(c.Month()), fleet.MonthHours)
	if c.Waste {
		say("it is paid for nothing")
	}
	if up := money.PerHour(q.Rate.MicrosPerHour-q.Asked.MicrosPerHour, q.Rate.Currency); q.Asked.Currency == q.Rate.Currency && up.MicrosPerHour > 0 {
		say("%s/h of it was not asked for: ECI rounds up", format.Rate(up))
	}
	if q.ECS.Known() && q.From != fleet.PriceShare {
		say("as requests on an ECS node of this cluster: %s/h", format.Rate(q.ECS))
	}
	if q.ECI.Known() && q.From == fleet.PriceShare {
		say("as a container group of its own: %s/h", format.Rate(q.ECI))
	}
	if q.Spot.Known() && q.Spot != q.Rate {
		as := "as spot"
		if q.From == fleet.PriceShare {
			as = "as a spot group of its own"
		}
		say("%s: %s/h", as, format.Rate(q.Spot))
	}
	say("the price is %s", from(q, now))
	return out
}

func from(q *fleet.Quote, now time.Time) string {
	switch q.From {
	case fleet.PriceAPI:
		return "the price API's, asked " + format.Age(q.Read, now) + " ago"
	case fleet.PriceTable:
		text := "the list price of " + q.Read.Format(time.DateOnly) + ", which knows no discount"
		return text
	case fleet.PriceConfig:
		return "from the config file"
	case fleet.PriceShare:
		return "its part of its node's, by what it asks for"
	}
	return "of unknown origin"
}

func nodeCost(n *fleet.Node) []string {
	r := n.Cost.Rate()
	if !r.Known() {
		return []string{"what it costs is not known: the config file can say it"}
	}
	out := []string{fmt.Sprintf("it costs %s/h, %s a month of %d h", format.Rate(r), format.Amount(n.Cost.Month()), fleet.MonthHours)}
	if n.Cost.Quote.From == fleet.PriceAPI {
		out = append(out, "that is ECS' price of its instance type, pay-as-you-go, with a system disk of 40 GiB (cloud_essd): subscriptions and other disks the config file can say")
	}
	if idle := n.Idle(); idle.Known() {
		out = append(out, fmt.Sprintf("%s/h of it no pod asks for", format.Rate(idle)))
	}
	return out
}

func billed(s *fleet.Snapshot, namespace string) []string {
	list := s.Bill.Namespace(namespace)
	if len(list) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("billed for its groups this month until %s: %s", s.Bill.Through.Format(time.DateOnly), format.Amounts(list))}
}
