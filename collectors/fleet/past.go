package fleet

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ecideck/ecideck/provider/money"
	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// The rings' sizes. maxGap is how far two looks may be apart for the time between them to
// count as seen: longer, and nobody knows what was paid.
const (
	minutesKept = 180
	hoursKept   = 35 * 24
	maxGap      = 5 * time.Minute
)

// remember adds this Build to the history: a point a minute, and what was spent since the
// last one to its hour.
func (b *builder) remember() {
	h := b.old.History
	b.s.built.past = b.old.built.past
	if kept := b.in.Past.History; !b.s.built.past && !kept.last().IsZero() {
		h, b.s.built.past = merged(kept, h), true
	}
	if !maps.Equal(b.in.Prices.Groups, b.old.built.in.Prices.Groups) || b.s.built.past != b.old.built.past {
		h = h.priced(b.in.Prices.Groups)
	}
	b.s.History = h
	if !b.in.fresh("pods", b.now) {
		return // nothing is known about now
	}
	last := h.last()
	if !last.IsZero() && b.now.Sub(last) < time.Minute {
		return
	}
	p := Point{At: b.now, Groups: b.in.fresh("groups", b.now)}
	for _, place := range b.s.Places {
		if place.Place == PlaceECI {
			p.Unknown = place.Cost.Unknown
		}
		p.Pods.Add(place.Place, place.Pods)
		for _, c := range place.Cost.Currencies() {
			p.Rates = append(p.Rates, PlaceRate{place.Place, place.Cost.Rate(c)})
		}
	}
	b.s.History = h.with(p)
}

func (h *History) last() time.Time {
	if n := len(h.Minutes); n > 0 {
		return h.Minutes[n-1].At
	}
	if n := len(h.Hours); n > 0 {
		return h.Hours[n-1].Last.At
	}
	return time.Time{}
}

// with is the history with one more point; h itself stays.
func (h History) with(p Point) History {
	out := History{Minutes: ring(h.Minutes, p, minutesKept), Hours: h.Hours, Prices: h.Prices}
	var before *Point
	if n := len(h.Minutes); n > 0 {
		before = &h.Minutes[n-1]
	}
	hour := Hour{Start: p.At.Truncate(time.Hour)}
	if n := len(h.Hours); n > 0 && h.Hours[n-1].Start.Equal(hour.Start) {
		hour = h.Hours[n-1]
		out.Hours = h.Hours[:n-1]
	}
	hour.Last = p
	if before != nil && p.At.After(before.At) && p.At.Sub(before.At) <= maxGap {
		from := before.At
		if from.Before(hour.Start) { // the rest of the last hour, at the prices of its last point
			if n := len(out.Hours); n > 0 && out.Hours[n-1].Start.Equal(from.Truncate(time.Hour)) {
				done := out.Hours[n-1]
				done.see(before, from, hour.Start)
				out.Hours = append(slices.Clone(out.Hours[:n-1]), done)
			}
			from = hour.Start
		}
		hour.see(before, from, p.At)
	}
	out.Hours = ring(out.Hours, hour, hoursKept)
	return out
}

// see adds a time in which all was as at a point. Without ECI's groups nothing of ECI's is
// added: what is shown then is as it last was, or nothing.
func (h *Hour) see(at *Point, from, to time.Time) {
	h.Seen += to.Sub(from)
	rates := at.Rates
	if at.Groups {
		h.Groups += to.Sub(from)
		h.Partly = h.Partly || at.Unknown > 0
	} else {
		rates = slices.DeleteFunc(slices.Clone(rates), func(r PlaceRate) bool { return r.Place == PlaceECI })
	}
	// By the clock's seconds, so that the parts of a second at each point are not lost.
	h.Spent = spend(h.Spent, rates, time.Duration(to.Unix()-from.Unix())*time.Second)
}

// ring is list with one more item and no more than kept of them; list itself stays.
func ring[T any](list []T, item T, kept int) []T {
	list = list[max(0, len(list)+1-kept):]
	out := make([]T, 0, len(list)+1)
	return append(append(out, list...), item)
}

// spend adds what rates come to in d; spent itself stays.
func spend(spent []PlaceSpent, rates []PlaceRate, d time.Duration) []PlaceSpent {
	spent = slices.Clone(spent)
	for _, r := range rates {
		amount, err := r.Rate.For(d)
		if err != nil || !amount.Known() {
			continue
		}
		at := slices.IndexFunc(spent, func(s PlaceSpent) bool { return s.Place == r.Place && s.Amount.Currency == amount.Currency })
		if at < 0 {
			spent = append(spent, PlaceSpent{r.Place, amount})
			continue
		}
		if sum, err := spent[at].Amount.Add(amount); err == nil {
			spent[at].Amount = sum
		}
	}
	return spent
}

// merged is an older history continued by a newer one.
func merged(older, newer History) History {
	out := History{Minutes: slices.Clone(older.Minutes), Hours: slices.Clone(older.Hours), Prices: joinedPrices(older.Prices, newer.Prices)}
	for _, p := range newer.Minutes {
		if p.At.After(older.last()) {
			out.Minutes = append(out.Minutes, p)
		}
	}
	for _, hour := range newer.Hours {
		n := len(out.Hours)
		switch {
		case n > 0 && out.Hours[n-1].Start.Equal(hour.Start):
			sum := out.Hours[n-1]
			sum.Seen, sum.Groups, sum.Partly = sum.Seen+hour.Seen, sum.Groups+hour.Groups, sum.Partly || hour.Partly
			sum.Last = hour.Last
			for _, s := range hour.Spent {
				sum.Spent = spend(sum.Spent, []PlaceRate{{s.Place, money.PerHour(s.Amount.Micros, s.Amount.Currency)}}, time.Hour)
			}
			out.Hours[n-1] = sum
		case n == 0 || hour.Start.After(out.Hours[n-1].Start):
			out.Hours = append(out.Hours, hour)
		}
	}
	out.Minutes = out.Minutes[max(0, len(out.Minutes)-minutesKept):]
	out.Hours = out.Hours[max(0, len(out.Hours)-hoursKept):]
	return out
}

// Joined is a history that two processes kept at the same time: of each hour what was looked
// at longer, ECI and the rest each, and the minutes of the one that was there last.
func (h History) Joined(o History) History {
	out := h
	if o.last().After(h.last()) {
		out.Minutes = o.Minutes
	}
	out.Hours, out.Prices = nil, joinedPrices(h.Prices, o.Prices)
	i, j := 0, 0
	for i < len(h.Hours) || j < len(o.Hours) {
		switch {
		case j == len(o.Hours) || i < len(h.Hours) && h.Hours[i].Start.Before(o.Hours[j].Start):
			out.Hours = append(out.Hours, h.Hours[i])
			i++
		case i == len(h.Hours) || o.Hours[j].Start.Before(h.Hours[i].Start):
			out.Hours = append(out.Hours, o.Hours[j])
			j++
		default:
			longer, other := h.Hours[i], o.Hours[j]
			if other.Seen > longer.Seen {
				longer, other = other, longer
			}
			if other.Groups > longer.Groups { // the other one had ECI's credentials
				onECI := func(s PlaceSpent) bool { return s.Place == PlaceECI }
				longer.Spent = slices.DeleteFunc(slices.Clone(longer.Spent), onECI)
				for _, s := range other.Spent {
					if onECI(s) {
						longer.Spent = append(longer.Spent, s)
					}
				}
				longer.Groups, longer.Partly = other.Groups, other.Partly
			}
			out.Hours = append(out.Hours, longer)
			i, j = i+1, j+1
		}
	}
	out.Hours = out.Hours[max(0, len(out.Hours)-hoursKept):]
	return out
}

// Last is when the history's newest point was taken; zero: it is empty.
func (h *History) Last() time.Time { return h.last() }

// Spent is what a place came to from a time on, as far as it was seen, in each currency, and
// how much of that time that is; partly: something had no price then, so that it is the least
// that it can be. Place "" is all of them.
func (h *History) Spent(place Place, from, to time.Time) (amounts []money.Money, seen time.Duration, partly bool) {
	var sum money.Sum
	for _, hour := range h.Hours {
		if hour.Start.Before(from) || !hour.Start.Before(to) {
			continue
		}
		if place == PlaceECI {
			seen += hour.Groups
			partly = partly || hour.Partly
		} else {
			seen += hour.Seen
		}
		for _, s := range hour.Spent {
			if place == "" || s.Place == place {
				sum.Add(s.Amount)
			}
		}
	}
	amounts, _ = sum.Totals()
	return amounts, seen, partly
}

// EncodeHistory writes a History, DecodeHistory reads it: the same versioned encoding as a
// Snapshot's.
func EncodeHistory(w io.Writer, h History) error {
	doc := historyDocument{Kind: historyKind, Version: encodingVersion, History: h}
	if err := json.MarshalWrite(w, &doc, json.OmitZeroStructFields(true), json.Deterministic(true), jsonv1.FormatDurationAsNano(true)); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	return nil
}

// DecodeHistory reads what EncodeHistory wrote.
func DecodeHistory(r io.Reader) (History, error) {
	var doc historyDocument
	err := json.UnmarshalRead(r, &doc, jsonv1.FormatDurationAsNano(true))
	switch {
	case err != nil:
	case doc.Kind != historyKind || doc.Version < 1:
		err = errors.New("this is not a history of ecideck")
	case doc.Version > encodingVersion:
		err = fmt.Errorf("it was written by a newer ecideck (version %d of the encoding, this one reads up to %d)", doc.Version, encodingVersion)
	}
	if err != nil {
		return History{}, fmt.Errorf("reading the history: %w", err)
	}
	return doc.History, nil
}

type historyDocument struct {
	Kind    string
	Version int
	History History
}

const historyKind = "ecideck-history"
