package collectors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
)

// zonesEvery is how often the zones' stock is read.
const zonesEvery = 2 * time.Minute

// A regionReader is what Zones needs of the ECI client.
type regionReader interface {
	Regions(context.Context) ([]eci.Region, error)
	Region() string
}

// Zones polls which zones of the region have stock, as ECI tells of zones as a whole.
func Zones(client regionReader) Collector {
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
		return part, nil
	})
}
