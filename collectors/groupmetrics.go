package collectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
)

// What DescribeMultiContainerGroupMetric allows: 20 groups a call, 500 calls a minute for
// the whole account; we take a quarter at most. ECI measures every 15 to 60 seconds.
const (
	groupMetricsEvery    = 30 * time.Second
	groupMetricsPerCall  = 20
	groupMetricsPerRound = 500 / 4 / 2 // calls every 30 seconds
	groupMetricsKept     = 10 * time.Minute
)

// A groupMeter is what GroupMetrics needs of the ECI client.
type groupMeter interface {
	LatestMetrics(ctx context.Context, ids []string) (map[string]eci.Metrics, error)
}

// GroupMetrics polls what ECI measured of the groups whose pods metrics-server does not
// know: those of the vendor's virtual nodes, and orphans. Where they are many, each round
// reads some of them in turn, and what is older than ten minutes is dropped.
func GroupMetrics(client groupMeter, latest func() *fleet.Snapshot) Collector {
	known := map[string]fleet.Usage{}
	var ids []string
	next := 0
	every := func() time.Duration {
		if len(ids) == 0 {
			return pricesEvery // nothing to ask for yet
		}
		return groupMetricsEvery
	}
	return poll{every: every, fetch: func(ctx context.Context) (fleet.Part, error) {
		s := latest()
		ids = nil
		for _, p := range s.Placements {
			if p.Group == nil || p.Group.Status != eci.Running {
				continue
			}
			if u, ok := s.Usage(p); !ok || u.From == "eci" {
				ids = append(ids, p.Group.ID)
			}
		}
		part := fleet.PodUsage{Source: "group-metrics", ByID: map[string]fleet.Usage{}}
		if len(ids) > 0 {
			next %= len(ids)
			ids = append(ids[next:len(ids):len(ids)], ids[:next]...)
			ids = ids[:min(len(ids), groupMetricsPerRound*groupMetricsPerCall)]
			next += len(ids)
			found, err := client.LatestMetrics(ctx, ids)
			if err != nil {
				return nil, explainGroupMetrics(err)
			}
			for id, m := range found {
				known[id] = fleet.Usage{CPU: m.CPU.NanoCores / 1e6, Memory: m.Memory.WorkingSet, Read: m.At, From: "eci"}
			}
		}
		now := time.Now()
		for id, u := range known {
			if now.Sub(u.Read) > groupMetricsKept {
				delete(known, id)
				continue
			}
			part.ByID[id] = u
		}
		return part, nil
	}}
}

func explainGroupMetrics(err error) error {
	var e *eci.Error
	if errors.As(err, &e) && eci.IsForbidden(err) {
		return fmt.Errorf("the RAM identity may not read what groups use (grant it eci:DescribeMultiContainerGroupMetric, as AliyunECIReadOnlyAccess does): %w", e)
	}
	return explainCloud("reading what groups use", err)
}
