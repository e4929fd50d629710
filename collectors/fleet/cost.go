package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

// MonthHours is the length of the month that projections are for: 365 × 24 / 12, as the
// other tools have it.
const MonthHours = 730

// Billing says whether something is paid for now.
type Billing uint8

// The billings. BillingUnknown is what cannot be told, as for a pod of a node that this user
// may not read; NotBilled is a pod without a node, a group that is not placed yet, one that
// has ended.
const (
	BillingUnknown Billing = iota
	NotBilled
	Billed
)

// PriceSource says where a price was found.
type PriceSource string

// The sources of prices, in the order in which they are asked. PriceShare is a pod's part of
// its node's price.
const (
	PriceAPI    PriceSource = "api"    // ECI's or ECS's own price API
	PriceTable  PriceSource = "list"   // the embedded list prices, which know no discount
	PriceConfig PriceSource = "config" // the config file
	PriceShare  PriceSource = "share"
)

// A Quote is what an hour of something costs and what it would cost elsewhere. Many
// placements share one. A rate that is not known is unknown, never zero.
type Quote struct {
	Rate money.Rate // what is paid
	List money.Rate // the list price, before discounts
	ECS  money.Rate // what the same request takes of an ECS node as this cluster has them
	ECI  money.Rate // what it costs as a container group of the size that ECI rounds it up to
	Spot money.Rate // what it costs as a spot group, at the market's price of now
	// Asked is the part of Rate that was asked for: the rest is what ECI rounded up.
	Asked money.Rate
	From  PriceSource
	Read  time.Time // when the price was read; of an embedded one, the day of its source
	// Track is Rate over time, as far as it is known; nil: only the price of now is.
	Track *PriceTrack
}

// isGroup tells that the quote is a container group's, and no node's or a part of one's.
func (q *Quote) isGroup() bool { return q.ECI.Known() && q.From != PriceShare }

// A Cost is what one placement or node costs. It grows by itself, so it is computed when it
// is read: Rate and Accrued take the time.
type Cost struct {
	State Billing
	Quote *Quote    // nil: no price is known
	Since time.Time // when it began to be paid for; zero: not yet, or not known
	Until time.Time // when it ended; zero: it has not
	Waste bool      // it is paid for nothing: an orphan, a group stuck in Pending, one whose pod has ended
}

// Rate is what is paid an hour now: unknown where it is paid for and has no price, zero
// where it is not paid for but has one. Whether an unknown rate is money at all, State says.
func (c Cost) Rate() money.Rate {
	switch {
	case c.Quote == nil:
		return money.Rate{}
	case c.State == NotBilled && c.Quote.Rate.Known():
		return money.PerHour(0, c.Quote.Rate.Currency)
	case c.State == BillingUnknown:
		return money.Rate{}
	}
	return c.Quote.Rate
}

// Accrued is what was paid for it until now, each hour at its price of then as far as that is
// known, else at the oldest known one; unknown where its price or its beginning is. What never was paid for has accrued nothing, which is known.
func (c Cost) Accrued(now time.Time) money.Money {
	if c.Quote == nil || !c.Quote.Rate.Known() || c.State == BillingUnknown {
		return money.Money{}
	}
	if c.Since.IsZero() {
		if c.State == NotBilled {
			return money.Of(0, c.Quote.Rate.Currency)
		}
		return money.Money{}
	}
	if c.Since.After(now) { // clocks disagree
		return money.Of(0, c.Quote.Rate.Currency)
	}
	var t Tally
	t.Add(c)
	return t.Accrued(c.Quote.Rate.Currency, now)
}

// Month is what it comes to in a month of MonthHours if nothing changes.
func (c Cost) Month() money.Money { return month(c.Rate()) }

func month(r money.Rate) money.Money {
	m, err := r.For(MonthHours * time.Hour)
	if err != nil {
		return money.Money{}
	}
	return m
}

// maxCurrencies is how many currencies a Tally keeps apart: those of ECI's two sites, and
// one for nodes elsewhere. What comes in a fourth counts as unknown.
const maxCurrencies = 3

// A Tally adds up costs. Each currency has its own sums, which are never added to one
// another, and what has no price is counted and in no sum. The zero Tally is empty. Tallies
// are equal (==) when they hold the same costs, in whatever order they came.
type Tally struct {
	Billed  int // costs that are paid for now
	Unknown int // of these, those without a known price, or of which it is unknown whether they are paid for
	Undated int // of the priced ones, those of which it is unknown since when: Accrued lacks them
	// Redated is how many of the priced ones are older than what is known of their price: their
	// accrued is partly reckoned at a later price.
	Redated int
	NoECS   int // of the priced ones, those that can't be compared with ECS
	Groups  int // of the priced ones, container groups: only these can be spot
	NoSpot  int // of these, those of which no spot price is known
	sums    [maxCurrencies]sum
}

// A sum is one currency's. Rates are millionths an hour. What was accrued until now is
// accrued + running × now, in millionths an hour × seconds, and whole until it is shown.
type sum struct {
	currency money.Currency
	n        int // costs in it
	rate     int64
	asked    int64
	waste    int64
	overECS  int64 // what the comparable ones cost, minus what they would on ECS
	overSpot int64 // … minus what they would as spot
	running  int64 // rate of those whose beginning is known
	accrued  int128
}

// Add counts a cost.
func (t *Tally) Add(c Cost) { t.count(c, 1) }

// Remove takes a cost out that was added before.
func (t *Tally) Remove(c Cost) { t.count(c, -1) }

// AddAll counts what another Tally has counted.
func (t *Tally) AddAll(o Tally) {
	t.Billed, t.Unknown, t.Undated = t.Billed+o.Billed, t.Unknown+o.Unknown, t.Undated+o.Undated
	t.Redated += o.Redated
	t.NoECS, t.Groups, t.NoSpot = t.NoECS+o.NoECS, t.Groups+o.Groups, t.NoSpot+o.NoSpot
	for i := range o.sums {
		if from := &o.sums[i]; from.n > 0 {
			to := t.sum(from.currency)
			if to == nil {
				t.Unknown += from.n
				continue
			}
			to.n, to.rate, to.asked, to.waste = to.n+from.n, to.rate+from.rate, to.asked+from.asked, to.waste+from.waste
			to.overECS, to.overSpot = to.overECS+from.overECS, to.overSpot+from.overSpot
			to.running, to.accrued = to.running+from.running, to.accrued.add(from.accrued)
		}
	}
}

func (t *Tally) count(c Cost, by int) {
	if c.State == Billed {
		t.Billed += by
	}
	if c.Quote == nil || !c.Quote.Rate.Known() || c.State == BillingUnknown {
		if c.State != NotBilled {
			t.Unknown += by
		}
		return
	}
	s := t.sum(c.Quote.Rate.Currency)
	if s == nil {
		if c.State == Billed {
			t.Unknown += by
		}
		return
	}
	s.n += by
	q, sign := c.Quote, int64(by)
	if c.State == Billed {
		s.rate += sign * q.Rate.MicrosPerHour
		if c.Waste {
			s.waste += sign * q.Rate.MicrosPerHour
		}
		asked := q.Rate.MicrosPerHour
		if q.Asked.Known() {
			asked = q.Asked.MicrosPerHour
		}
		s.asked += sign * asked
		if q.ECS.Currency == s.currency {
			s.overECS += sign * (q.Rate.MicrosPerHour - q.ECS.MicrosPerHour)
		} else {
			t.NoECS += by
		}
		if q.isGroup() {
			t.Groups += by
			if q.Spot.Currency == s.currency {
				s.overSpot += sign * (q.Rate.MicrosPerHour - q.Spot.MicrosPerHour)
			} else {
				t.NoSpot += by
			}
		}
	}
	rate := sign * q.Rate.MicrosPerHour
	if !c.Since.IsZero() && (c.State == Billed || c.Until.After(c.Since)) && !q.dated(c.Since) {
		t.Redated += by
	}
	switch {
	case c.State == Billed && c.Since.IsZero():
		t.Undated += by
	case c.State == Billed:
		before, from := q.spent(c.Since.Unix(), 0, true)
		s.running += rate
		s.accrued = s.accrued.add(before.signed(by)).add(product(-rate, from))
	case !c.Since.IsZero() && c.Until.After(c.Since):
		all, _ := q.spent(c.Since.Unix(), c.Until.Unix(), false)
		s.accrued = s.accrued.add(all.signed(by))
	}
	t.settle()
}

// sum finds or makes the sums of a currency; nil when there is no room for one more. The
// sums stand in the order of their currencies, so that equal tallies are equal.
func (t *Tally) sum(c money.Currency) *sum {
	for i := range t.sums {
		if t.sums[i].currency == c {
			return &t.sums[i]
		}
	}
	free := slices.IndexFunc(t.sums[:], func(s sum) bool { return s.currency == "" })
	if free < 0 {
		return nil
	}
	t.sums[free].currency = c
	t.order()
	return t.sum(c)
}

// settle drops the currencies that nothing is in any more.
func (t *Tally) settle() {
	gone := false
	for i := range t.sums {
		if t.sums[i].currency != "" && t.sums[i].n == 0 {
			t.sums[i], gone = sum{}, true
		}
	}
	if gone {
		t.order()
	}
}

func (t *Tally) order() {
	slices.SortStableFunc(t.sums[:], func(a, b sum) int {
		if (a.currency == "") != (b.currency == "") {
			return cmp.Compare(b.currency, a.currency) // empty ones last
		}
		return cmp.Compare(a.currency, b.currency)
	})
}

// Currencies are the currencies that something costs in, in order. Most clusters have one.
func (t Tally) Currencies() []money.Currency {
	var out []money.Currency
	for i := range t.sums {
		if t.sums[i].currency != "" {
			out = append(out, t.sums[i].currency)
		}
	}
	return out
}

// of is the sums of a currency, or empty ones.
func (t *Tally) of(c money.Currency) sum {
	for i := range t.sums {
		if t.sums[i].currency == c && c != "" {
			return t.sums[i]
		}
	}
	return sum{currency: c}
}

// Rate is what is paid in a currency an hour now.
func (t Tally) Rate(c money.Currency) money.Rate { return money.PerHour(t.of(c).rate, c) }

// Asked is the part of Rate that was asked for; the rest is what ECI rounded up, and what
// nodes have free.
func (t Tally) Asked(c money.Currency) money.Rate { return money.PerHour(t.of(c).asked, c) }

// Waste is the part of Rate that is paid for nothing.
func (t Tally) Waste(c money.Currency) money.Rate { return money.PerHour(t.of(c).waste, c) }

// OverECS is what ECI costs more than the same requests on ECS nodes, an hour; negative
// where ECI is cheaper. NoECS says how many could not be compared.
func (t Tally) OverECS(c money.Currency) money.Rate { return money.PerHour(t.of(c).overECS, c) }

// OverSpot is what would be saved an hour if all comparable groups ran as spot; pods of real
// nodes are not in it. NoSpot says how many groups could not be compared.
func (t Tally) OverSpot(c money.Currency) money.Rate { return money.PerHour(t.of(c).overSpot, c) }

// Month is what Rate comes to in a month of MonthHours; unknown where it is too large.
func (t Tally) Month(c money.Currency) money.Money { return month(t.Rate(c)) }

// Accrued is what was paid in a currency until now, at the prices of then as far as they are
// known: Redated says of how many they are not.
func (t Tally) Accrued(c money.Currency, now time.Time) money.Money {
	s := t.of(c)
	amount, ok := s.accrued.add(product(s.running, now.Unix())).perHour()
	if !ok {
		return money.Money{}
	}
	return money.Of(amount, c)
}

// String is what is paid an hour now, for texts: "1.06 CNY/h (2 without a price)".
func (t Tally) String() string {
	text := ""
	for _, c := range t.Currencies() {
		if text != "" {
			text += " + "
		}
		text += t.Rate(c).String()
	}
	switch {
	case text == "" && t.Unknown > 0:
		return fmt.Sprintf("unknown (%d without a price)", t.Unknown)
	case text == "":
		return "nothing"
	case t.Unknown > 0:
		text += fmt.Sprintf(" (%d without a price)", t.Unknown)
	}
	return text
}
