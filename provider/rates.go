package provider

import (
	"context"
	"sync"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

// Prices tells what a group costs; *eci.Client is one.
type Prices interface {
	Price(context.Context, eci.PriceQuery) (eci.Price, error)
}

// How long a price is believed. The list changes seldom, the spot market within the hour.
const (
	ratesEvery   = 30 * time.Second // between looks for sizes without a price
	priceFresh   = 12 * time.Hour
	spotFresh    = 15 * time.Minute
	priceRetry   = 5 * time.Minute
	pricesAtOnce = 100 // of the 1,000 calls a minute that the account has
)

// rates remember what an hour of each size costs: one call for a size, whatever the number
// of pods.
type rates struct {
	mu    sync.Mutex
	known map[eci.PriceQuery]rate
}

type rate struct {
	money.Rate           // unknown where it could not be had
	until      time.Time // when it has to be asked for again
}

// priceOf is what a group's hour is asked by.
func priceOf(g *eci.Group) eci.PriceQuery {
	q := eci.PriceQuery{CPU: g.CPU, Memory: g.Memory, ZoneID: g.ZoneID, ComputeCategory: g.ComputeCategory, EphemeralStorage: g.EphemeralStorage}
	if placementType(g.InstanceType) {
		q.InstanceType = g.InstanceType
	}
	if spot(g) {
		q.SpotStrategy, q.SpotPriceLimit = g.SpotStrategy, g.SpotPriceLimit
	}
	return q
}

func spot(g *eci.Group) bool { return g.SpotStrategy != "" && g.SpotStrategy != "NoSpot" }

// placementType tells an ECS type, by which a group is billed, from a size such as 2.0-4.0Gi.
func placementType(t string) bool { return len(t) > 4 && t[:4] == "ecs." }

// keepRates asks for the prices of the groups that cost money, until the context ends. Only
// the metrics read them: a price that can't be had stops nothing.
func (p *Provider) keepRates(ctx context.Context) {
	for {
		p.renewRates(ctx)
		if !pauseFor(ctx, ratesEvery) {
			return
		}
	}
}

func (p *Provider) renewRates(ctx context.Context) {
	wanted := map[eci.PriceQuery]bool{}
	p.mu.Lock()
	for _, e := range p.entries {
		if e.costs() {
			wanted[priceOf(e.group)] = true
		}
	}
	p.mu.Unlock()
	asked := 0
	for q := range wanted {
		p.rates.mu.Lock()
		last, known := p.rates.known[q]
		p.rates.mu.Unlock()
		if known && time.Now().Before(last.until) {
			continue
		}
		if asked++; asked > pricesAtOnce {
			break
		}
		price, err := p.Prices.Price(ctx, q)
		if ctx.Err() != nil {
			return
		}
		next := rate{price.Rate, time.Now().Add(priceFresh)}
		switch {
		case err != nil || !price.Rate.Known():
			next = rate{last.Rate, time.Now().Add(priceRetry)} // an old price is better than none
			p.log.DebugContext(ctx, "a price can't be had", "of", q.String(), "err", err)
		case q.SpotStrategy != "":
			next.until = time.Now().Add(spotFresh)
		}
		p.rates.mu.Lock()
		p.rates.known[q] = next
		p.rates.mu.Unlock()
	}
	p.rates.mu.Lock()
	defer p.rates.mu.Unlock()
	for q := range p.rates.known {
		if !wanted[q] {
			delete(p.rates.known, q)
		}
	}
}

// costs tells that the entry's group is paid for now. It needs Provider.mu.
func (e *entry) costs() bool { return e.group != nil && !e.gone && e.group.Status.Billed() }

// addCosts adds what the node's groups cost an hour, and how many have no known price. It
// makes no call.
func (p *Provider) addCosts(sum *money.Sum) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rates.mu.Lock()
	defer p.rates.mu.Unlock()
	for _, e := range p.entries {
		if e.costs() {
			sum.AddRate(p.rates.known[priceOf(e.group)].Rate)
		}
	}
}
