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
// pay-as-you-go: once per type in half a day. A type that it does not price has a note.
func NodePrices(client billing.Caller, region string, latest func() *fleet.Snapshot) Collector {
	known := map[string]fleet.GroupPrice{}
	return Poll(pricesEvery, func(ctx context.Context) (fleet.Part, error) {
		now := time.Now()
		next := maps.Clone(known)
		types := map[string]bool{}
		for _, n := range latest().Nodes {
			if n.Place == fleet.PlaceECS && n.InstanceType != "" {
				types[n.InstanceType] = true
			}
		}
		calls := 0
		for _, name := range slices.Sorted(maps.Keys(types)) {
			have, asked := next[name]
			kept := priceKept
			if have.Note != "" {
				kept = priceRefused
			}
			if asked && now.Sub(have.Read) < kept {
				continue
			}
			if calls++; calls > pricesPerRound {
				break
			}
			price, err := billing.InstancePrice(ctx, client, billing.InstanceQuery{Region: region, InstanceType: name})
			switch {
			case err != nil && unpriced(err):
				next[name] = fleet.GroupPrice{Note: err.Error(), Read: now}
			case err != nil:
				return nil, explainCloud("asking for ECS prices", err)
			default:
				next[name] = fleet.GroupPrice{Rate: price.Rate, List: price.List, Read: now}
			}
		}
		if calls > 0 {
			known = next
		}
		part := fleet.Noted{Source: "node-prices", Part: fleet.NodePrices{Types: known}}
		for _, price := range known {
			if price.Note != "" {
				part.Note = price.Note
			}
		}
		return part, nil
	})
}
