package collectors

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/billing"
)

// NodePrices asks ECS' price API what the instance types of this cluster's ECS nodes cost,
// pay-as-you-go with the system disk that the query has: once per type in half a day. A type that
// it does not price has a note.
func NodePrices(client billing.Caller, region string, latest func() *fleet.Snapshot) Collector {
	known, vain := map[string]fleet.GroupPrice{}, map[string]time.Time{}
	return Poll(pricesEvery, func(ctx context.Context) (fleet.Part, error) {
		now := time.Now()
		next := maps.Clone(known)
		types := map[string]bool{}
		for _, n := range latest().Nodes {
			if n.Place == fleet.PlaceECS && n.InstanceType != "" {
				types[n.InstanceType] = true
			}
		}
		needed := patient(slices.Sorted(maps.Keys(types)), vain)
		maps.DeleteFunc(next, func(name string, _ fleet.GroupPrice) bool { return !types[name] })
		round := priceRound[string]{vain: vain}
		for _, name := range needed {
			have, asked := next[name]
			kept := priceKept
			if have.Note != "" {
				kept = priceRefused
			}
			if asked && now.Sub(have.Read) < kept {
				continue
			}
			if round.full() {
				break
			}
			price, err := billing.InstancePrice(ctx, client, billing.InstanceQuery{Region: region, InstanceType: name})
			switch {
			case err != nil && unpriced(err):
				next[name] = fleet.GroupPrice{Note: err.Error(), Read: now}
			case err != nil:
				round.fails(name, explainCloud("asking for ECS prices", err), now)
				continue
			default:
				next[name] = fleet.GroupPrice{Rate: price.Rate, List: price.List, Read: now}
			}
			round.answers(name)
		}
		if round.calls > 0 || len(next) < len(known) {
			known = next
		}
		part := fleet.Noted{Source: "node-prices", Part: fleet.NodePrices{Types: known}}
		for _, price := range known {
			if price.Note != "" {
				part.Note = price.Note
			}
		}
		if err := round.ended(&part.Note); err != nil {
			return nil, err
		}
		return part, nil
	})
}
