package collectors

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// A subnetReader is what Subnets needs of the ECI client.
type subnetReader interface {
	FreeAddresses(ctx context.Context, vswitchIDs []string) (map[string]int, error)
}

// Subnets polls how many addresses are free in the vSwitches that this cluster's groups are in,
// and in those that its virtual nodes say they take addresses from: there it is known before
// the first group. A vSwitch that the answer lacks is left out: nothing is known of it.
func Subnets(client subnetReader, latest func() *fleet.Snapshot) Collector {
	zones := map[string]string{} // vSwitch id → zone; kept when its last group ends
	return poll{
		every: func() time.Duration {
			if len(zones) == 0 {
				return pricesEvery // nothing to ask for yet
			}
			return accountEvery
		},
		fetch: func(ctx context.Context) (fleet.Part, error) {
			for _, g := range latest().Groups {
				if g.Relation != fleet.Foreign && g.VSwitch != "" {
					zones[g.VSwitch] = g.Zone
				}
			}
			for _, n := range latest().Nodes {
				for id := range strings.SplitSeq(n.VSwitches, ",") {
					if _, known := zones[id]; id != "" && !known {
						zones[id] = "" // a group will tell
					}
				}
			}
			part := fleet.Subnets{}
			if len(zones) == 0 {
				return part, nil
			}
			ids := slices.Sorted(maps.Keys(zones))
			free, err := client.FreeAddresses(ctx, ids)
			if err != nil {
				return nil, explainCloud("reading the free addresses", err)
			}
			for _, id := range ids {
				if n, ok := free[id]; ok {
					part.Items = append(part.Items, fleet.VSwitch{ID: id, Zone: zones[id], Free: n})
				}
			}
			return part, nil
		},
	}
}
