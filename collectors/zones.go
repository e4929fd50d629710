package collectors

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
)

// zonesEvery is how often the zones' stock is read.
const zonesEvery = 2 * time.Minute

// sizesAsked is how many sizes' stock is asked for in one round: the dearest to miss first.
const sizesAsked = 5

// A regionReader is what Zones needs of the ECI client.
type regionReader interface {
	Regions(context.Context) ([]eci.Region, error)
	AvailableResources(context.Context, eci.ResourceQuery) ([]eci.Stock, error)
	Region() string
}

// Zones polls which zones of the region have stock: as ECI tells of zones as a whole, and for
// the sizes that this cluster has most groups of, by the ECS types that they can be made from.
// ECI tells of no type below 2 vCPU, and what it does not tell is left out: it is not known.
func Zones(client regionReader, latest func() *fleet.Snapshot) Collector {
	return Poll(zonesEvery, func(ctx context.Context) (fleet.Part, error) {
		regions, err := client.Regions(ctx)
		if err != nil {
			return nil, explainCloud("reading the zones", err)
		}
		at := slices.IndexFunc(regions, func(r eci.Region) bool { return r.ID == client.Region() })
		if at < 0 {
			return nil, fmt.Errorf("ECI's regions do not include %s: check --region", client.Region())
		}
		part := fleet.Zones{}
		for _, zone := range regions[at].Zones {
			part.Stocks = append(part.Stocks, fleet.Stock{Zone: zone, Available: !slices.Contains(regions[at].Unavailable, zone)})
		}
		note := ""
		for _, size := range sizesInUse(latest()) {
			found, err := client.AvailableResources(ctx, eci.ResourceQuery{Category: "InstanceType", Cores: int32(size.CPU), Memory: size.Memory})
			if err != nil {
				note = "the stock of sizes is not known: " + explainCloud("asking for it", err).Error()
				break
			}
			part.Stocks = append(part.Stocks, stockOf(size.CPU, size.Memory, found)...)
		}
		return fleet.Noted{Source: "zones", Part: part, Note: note}, nil
	})
}

// stockOf says of each zone that the answer names whether it has a type of the size.
func stockOf(cpu, memory float64, found []eci.Stock) []fleet.Stock {
	available := map[string]bool{}
	for _, s := range found {
		available[s.ZoneID] = available[s.ZoneID] || s.Available()
	}
	var out []fleet.Stock
	for _, zone := range slices.Sorted(maps.Keys(available)) {
		out = append(out, fleet.Stock{Zone: zone, CPU: cpu, Memory: memory, Available: available[zone]})
	}
	return out
}

// sizesInUse are the sizes of this cluster's groups that ECI can be asked about, those of the
// most groups first.
func sizesInUse(s *fleet.Snapshot) []fleet.PriceKey {
	count := map[fleet.PriceKey]int{}
	for _, g := range s.Groups {
		if g.Relation != fleet.Foreign && !g.Status.Ended() && g.InstanceType == "" && g.CPU >= 2 && g.CPU <= 1024 && g.CPU == float64(int32(g.CPU)) {
			count[fleet.PriceKey{CPU: g.CPU, Memory: g.Memory}]++
		}
	}
	sizes := slices.SortedFunc(maps.Keys(count), func(a, b fleet.PriceKey) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Memory, b.Memory))
	})
	return sizes[:min(len(sizes), sizesAsked)]
}
