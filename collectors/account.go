package collectors

import (
	"context"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
)

// accountEvery is how often quota and free addresses are read: a burst takes minutes.
const accountEvery = time.Minute

// A quotaReader is what Account needs of the ECI client.
type quotaReader interface {
	Usage(context.Context) (eci.Usage, error)
}

// Account polls the account's vCPU quota in the region.
func Account(client quotaReader) Collector {
	return Poll(accountEvery, func(ctx context.Context) (fleet.Part, error) {
		u, err := client.Usage(ctx)
		if err != nil {
			return nil, explainCloud("reading the quota", err)
		}
		return fleet.Account{Quota: fleet.Quota{UsedCPU: u.UsedCPU, MaxCPU: u.MaxCPU}}, nil
	})
}
