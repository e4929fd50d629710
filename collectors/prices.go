package collectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
)

// Prices are asked for once per size: they change seldom, but for those of spot groups,
// which the vendor checks every five minutes. What the API refused is asked again later.
const (
	pricesEvery    = 5 * time.Second // how often it is looked whether there is a new size
	priceKept      = 12 * time.Hour
	spotPriceKept  = 10 * time.Minute
	priceRefused   = 30 * time.Minute
	pricesPerRound = 20 // calls; the limit is 1,000 a minute for the whole account
	pricesInVain   = 3  // failures until a round is given up: then it is not about one size
)

// A priceAsker is what Prices needs of the ECI client.
type priceAsker interface {
	Price(context.Context, eci.PriceQuery) (eci.Price, error)
}

// Prices asks ECI's price API what the sizes of this cluster's groups cost, and what they
// would as spot.
func Prices(client priceAsker, latest func() *fleet.Snapshot) Collector {
	c := &priceList{client: client, latest: latest, known: map[fleet.PriceKey]fleet.GroupPrice{}, vain: map[fleet.PriceKey]time.Time{}}
	return Poll(pricesEvery, c.ask)
}

type priceList struct {
	client priceAsker
	latest func() *fleet.Snapshot
	known  map[fleet.PriceKey]fleet.GroupPrice // replaced, never changed
	vain   map[fleet.PriceKey]time.Time        // when what failed was last asked for
}

// A priceRound is one round of questions for prices. One that fails is in no other's way, and
// what was got is kept.
type priceRound[K comparable] struct {
	vain   map[K]time.Time // when what failed was last asked for; it outlives the round
	calls  int
	failed []error
	got    bool
}

// full counts a question, and tells that it is not to be asked in this round.
func (r *priceRound[K]) full() bool {
	r.calls++
	return r.calls > pricesPerRound || len(r.failed) == pricesInVain
}

func (r *priceRound[K]) fails(key K, err error, now time.Time) {
	r.failed, r.vain[key] = append(r.failed, err), now
}

func (r *priceRound[K]) answers(key K) {
	delete(r.vain, key)
	r.got = true
}

// ended gives why nothing could be got, or says in a note that something could not.
func (r *priceRound[K]) ended(note *string) error {
	if len(r.failed) == 0 {
		return nil
	}
	if !r.got {
		return r.failed[0]
	}
	*note = "not all prices could be asked for: " + r.failed[0].Error()
	return nil
}

// patient has what failed last asked for last, so that it is in nobody's way.
func patient[K comparable](keys []K, vain map[K]time.Time) []K {
	maps.DeleteFunc(vain, func(key K, _ time.Time) bool { return !slices.Contains(keys, key) })
	slices.SortStableFunc(keys, func(a, b K) int { return vain[a].Compare(vain[b]) })
	return keys
}

func (c *priceList) ask(ctx context.Context) (fleet.Part, error) {
	now := time.Now()
	known := maps.Clone(c.known)
	past := c.latest().History
	merged := false
	for key, have := range known { // what was kept may be read after the first prices
		if track := have.Track.After(past.Price(key)); track != have.Track && len(track.Steps) > len(have.Track.Steps) {
			have.Track = track
			known[key] = have
			merged = true
		}
	}
	if merged {
		c.known, known = known, maps.Clone(known)
	}
	needed := patient(neededPrices(c.latest()), c.vain)
	maps.DeleteFunc(known, func(key fleet.PriceKey, _ fleet.GroupPrice) bool { return !slices.Contains(needed, key) })
	round := priceRound[fleet.PriceKey]{vain: c.vain}
	for _, key := range needed {
		have, asked := known[key]
		kept := priceKept
		switch {
		case have.Note != "":
			kept = priceRefused
		case key.Spot || have.Spot.Known():
			kept = spotPriceKept
		}
		if asked && now.Sub(have.Read) < kept {
			continue
		}
		if round.full() {
			break
		}
		price, err := c.price(ctx, key)
		if err != nil {
			round.fails(key, err, now)
			continue
		}
		round.answers(key)
		price.Read = now
		before := have.Track
		if before == nil {
			if steps := past.Price(key); len(steps) > 0 {
				before = &fleet.PriceTrack{Steps: steps}
			}
		}
		price.Track = before.With(now, price.Rate)
		known[key] = price
	}
	if round.calls > 0 || len(known) < len(c.known) {
		c.known = known
	}
	part := fleet.Noted{Source: "prices", Part: fleet.Prices{Groups: c.known}}
	refused := 0
	for _, price := range c.known {
		if price.Note != "" {
			refused++
			part.Note = price.Note
		}
	}
	if refused > 1 {
		part.Note = fmt.Sprintf("%d sizes have no price of the API, one because: %s", refused, part.Note)
	}
	if err := round.ended(&part.Note); err != nil {
		return nil, err
	}
	return part, nil
}

// price asks for one size. A size that the API does not price is an answer, not an error:
// the error of one must not hide the prices of the others.
func (c *priceList) price(ctx context.Context, key fleet.PriceKey) (fleet.GroupPrice, error) {
	q := eci.PriceQuery{CPU: key.CPU, Memory: key.Memory, InstanceType: key.InstanceType, ZoneID: key.Zone,
		ComputeCategory: key.Category, EphemeralStorage: int32(min(key.Disk, 1<<30))} //nolint:gosec // bounded
	if key.Spot {
		q.SpotStrategy, q.ComputeCategory = "SpotAsPriceGo", ""
	}
	p, err := c.client.Price(ctx, q)
	switch {
	case err != nil && unpriced(err):
		return fleet.GroupPrice{Note: err.Error()}, nil
	case err != nil:
		return fleet.GroupPrice{}, explainCloud("asking for prices", err)
	}
	out := fleet.GroupPrice{Rate: p.Rate, List: p.List}
	if key.Spot {
		out.Rate, out.List = spotRate(p, key.Zone), p.List
		return out, nil
	}
	// What the same size would cost as spot; sizes below 2 vCPU are not sold so.
	if key.InstanceType == "" && key.CPU >= 2 && slices.Contains(spec.Specs("", true), spec.Spec{CPU: key.CPU, Memory: key.Memory}) {
		spot := q
		spot.SpotStrategy, spot.ComputeCategory = "SpotAsPriceGo", ""
		if p, err := c.client.Price(ctx, spot); err == nil {
			out.Spot = spotRate(p, "")
		}
	}
	return out, nil
}

// spotRate is the zone's spot price; without a zone the cheapest one's.
func spotRate(p eci.Price, zone string) money.Rate {
	prices := slices.DeleteFunc(slices.Clone(p.Spot), func(s eci.SpotPrice) bool {
		return !s.Rate.Known() || zone != "" && s.ZoneID != zone
	})
	if len(prices) > 0 {
		return slices.MinFunc(prices, func(a, b eci.SpotPrice) int { return cmp.Compare(a.Rate.MicrosPerHour, b.Rate.MicrosPerHour) }).Rate
	}
	if len(p.Spot) > 0 {
		return money.Rate{} // other zones' prices say nothing about this one
	}
	return p.Rate
}

// neededPrices are the sizes of this cluster's groups, each once, in a fixed order.
func neededPrices(s *fleet.Snapshot) []fleet.PriceKey {
	seen := map[fleet.PriceKey]bool{}
	for _, g := range s.Groups {
		if g.Relation != fleet.Foreign && (g.CPU > 0 && g.Memory > 0) {
			seen[fleet.PriceKeyOf(g)] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b fleet.PriceKey) int {
		return cmp.Or(cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Memory, b.Memory), cmp.Compare(a.InstanceType, b.InstanceType),
			cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Disk, b.Disk))
	})
}

// unpriced reports that the API does not sell, or does not price, what was asked for: that
// is an answer about it, and no trouble with the API.
func unpriced(err error) bool {
	var e *eci.Error
	if !errors.As(err, &e) || eci.IsThrottled(err) || eci.IsForbidden(err) {
		return false
	}
	for _, code := range []string{"InvalidParam.CpuOrMemorySpec", "InvalidParameter", "TradeBidCommodityNotMatch", "InvalidSpotCpuMemorySpec",
		"FeatureBasedConstraintConflict", "FeatureAccessRestricted", "Spot.NotMatched", "InvalidInstanceType", "PriceNotFound"} {
		if e.Code == code || strings.HasPrefix(e.Code, code+".") {
			return true
		}
	}
	return false
}
