package fleet

import (
	"slices"
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

// A PriceStep is a price and since when it is known to hold.
type PriceStep struct {
	From time.Time
	Rate money.Rate
}

// A PriceTrack is a price over time: its steps, oldest first, of which the last holds now. It
// is never changed, and all of one currency. What is paid for is reckoned by it at the price of
// its time.
type PriceTrack struct{ Steps []PriceStep }

// stepsKept bounds a track: two days of a spot price that changes whenever the vendor looks.
const stepsKept = 576

// With is the track with a price that was read at a time; the same track where that is no
// other price. t may be nil.
func (t *PriceTrack) With(at time.Time, r money.Rate) *PriceTrack {
	if !r.Known() {
		return t
	}
	if t == nil || len(t.Steps) == 0 || t.Steps[0].Rate.Currency != r.Currency {
		return &PriceTrack{[]PriceStep{{at, r}}}
	}
	last := t.Steps[len(t.Steps)-1]
	if last.Rate == r || !at.After(last.From) {
		return t
	}
	return &PriceTrack{ring(t.Steps, PriceStep{at, r}, stepsKept)}
}

// After is the track with the older steps before it; t may be nil.
func (t *PriceTrack) After(older []PriceStep) *PriceTrack {
	if t == nil || len(t.Steps) == 0 || len(older) == 0 {
		return t
	}
	if older[0].Rate.Currency != t.Steps[0].Rate.Currency {
		return t // the account's site was changed: amounts of two currencies are not added
	}
	n := 0
	for n < len(older) && older[n].From.Before(t.Steps[0].From) {
		n++
	}
	steps, rest := slices.Clone(older[:n]), t.Steps
	if n > 0 && steps[n-1].Rate == rest[0].Rate {
		rest = rest[1:] // it held all the time
	}
	if n == 0 {
		return t
	}
	steps = append(steps, rest...)
	return &PriceTrack{steps[max(0, len(steps)-stepsKept):]}
}

// A PastPrice is what a size cost, kept over restarts.
type PastPrice struct {
	Key   PriceKey
	Steps []PriceStep
}

// pricesKept is how many sizes' prices are kept.
const pricesKept = 64

// Price is what is kept of a size's price.
func (h *History) Price(key PriceKey) []PriceStep {
	for i := range h.Prices {
		if h.Prices[i].Key == key {
			return h.Prices[i].Steps
		}
	}
	return nil
}

// priced is the history with the tracks that prices have now; h itself stays. Of too many
// sizes the ones whose price is known for the shortest time go.
func (h History) priced(prices map[PriceKey]GroupPrice) History {
	h.Prices = slices.Clone(h.Prices)
	for key, p := range prices {
		if p.Track == nil {
			continue
		}
		at := slices.IndexFunc(h.Prices, func(o PastPrice) bool { return o.Key == key })
		if at < 0 {
			h.Prices = append(h.Prices, PastPrice{key, p.Track.Steps})
			continue
		}
		h.Prices[at].Steps = p.Track.After(h.Prices[at].Steps).Steps
	}
	slices.SortFunc(h.Prices, comparePast)
	if len(h.Prices) > pricesKept {
		h.Prices = h.Prices[:pricesKept]
	}
	return h
}

func comparePast(a, b PastPrice) int {
	switch x, y := a.Steps, b.Steps; {
	case len(x) > 0 && len(y) > 0 && !x[0].From.Equal(y[0].From):
		return x[0].From.Compare(y[0].From)
	}
	return comparePriceKeys(a.Key, b.Key)
}

// joinedPrices are the prices of two histories; of the same size those that go back further,
// continued by the others.
func joinedPrices(a, b []PastPrice) []PastPrice {
	out := slices.Clone(a)
	for _, p := range b {
		at := slices.IndexFunc(out, func(o PastPrice) bool { return o.Key == p.Key })
		switch {
		case at < 0:
			out = append(out, p)
		case len(p.Steps) > 0 && len(out[at].Steps) > 0 && p.Steps[0].From.Before(out[at].Steps[0].From):
			out[at].Steps = (&PriceTrack{out[at].Steps}).After(p.Steps).Steps
		case len(p.Steps) > 0:
			out[at].Steps = (&PriceTrack{p.Steps}).After(out[at].Steps).Steps
		}
	}
	slices.SortFunc(out, comparePast)
	return out[:min(len(out), pricesKept)]
}

// spent is what was paid from a time to another, in millionths an hour × seconds, at the prices
// of then; what was before the first known price is reckoned at that one. Where the end is open the
// sum is without the price of now, which runs from last on.
func (q *Quote) spent(since, until int64, open bool) (sum int128, last int64) {
	rate := q.Rate.MicrosPerHour
	if q.Track == nil || len(q.Track.Steps) < 2 {
		if open {
			return int128{}, since
		}
		return product(rate, until-since), 0
	}
	steps := q.Track.Steps
	from := since
	for i := range steps[:len(steps)-1] {
		to := steps[i+1].From.Unix()
		if !open {
			to = min(to, until)
		}
		if to > from {
			sum = sum.add(product(steps[i].Rate.MicrosPerHour, to-from))
			from = to
		}
	}
	if open {
		return sum, from
	}
	if until > from {
		sum = sum.add(product(rate, until-from))
	}
	return sum, 0
}

// dated reports whether the price was known all the time since.
func (q *Quote) dated(since time.Time) bool {
	known := q.Read
	if q.Track != nil && len(q.Track.Steps) > 0 {
		known = q.Track.Steps[0].From
	}
	return !known.IsZero() && !since.Before(known)
}
