package ecitest

import (
	"fmt"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/spec"
)

// spotCheck is how often the market is compared with the bids.
// https://help.aliyun.com/zh/eci/user-guide/create-a-preemptible-elastic-container-instance-1
const spotCheck = 5 * time.Minute

// readSpot reads what a group asks for as a spot instance.
func readSpot(c *call, g *group) *refusal {
	limit, duration := c.params["SpotPriceLimit"], c.params["SpotDuration"]
	switch g.SpotStrategy {
	case "":
		g.SpotStrategy = "NoSpot"
	case "NoSpot", "SpotAsPriceGo":
	case "SpotWithPriceLimit":
		if limit == "" {
			return missing("SpotPriceLimit")
		}
		g.SpotLimit = c.number("SpotPriceLimit")
		if _, decimals, _ := strings.Cut(limit, "."); g.SpotLimit <= 0 || len(decimals) > 3 {
			return badRequest("InvalidParameter", "The parameter SpotPriceLimit must be more than 0 and have at most 3 decimals.")
		}
	default:
		return badRequest("InvalidParameter", "The parameter SpotStrategy must be NoSpot, SpotWithPriceLimit or SpotAsPriceGo.")
	}
	if g.SpotStrategy == "NoSpot" {
		return nil
	}
	g.SpotHours = 1
	if duration != "" {
		switch duration {
		case "0", "1":
			g.SpotHours = c.integer("SpotDuration")
		default:
			return badRequest("InvalidInstanceTypeForEciSpotDurationBuy", "The parameter SpotDuration must be 0 or 1: "+duration+" hours of protection are not sold.")
		}
	}
	if len(c.list("ComputeCategory")) > 0 {
		return conflict("ComputeCategory", "spot instances")
	}
	return nil
}

func conflict(a, b string) *refusal {
	return badRequest("FeatureBasedConstraintConflict", "The feature "+a+" can't be combined with "+b+".")
}

// market is what the group's type costs as spot in its zone at a time, an hour.
func (e *Emulator) market(g *group, zone string, at time.Time) float64 {
	size, name := spec.Spec{CPU: g.CPU, Memory: g.Memory}, firstType(g.InstanceType)
	if !strings.HasPrefix(name, "ecs.") {
		name = ecsType(size)
	}
	return e.spotHour(zone, name, size, at)
}

// outbid releases the spot groups whose bid the market has passed since it was looked at last,
// each at the check that found it, whenever that is noticed.
func (e *Emulator) outbid(now time.Time) {
	for _, g := range e.order {
		if g.SpotLimit == 0 || !g.Reclaimed.IsZero() || g.Pinned != "" {
			continue
		}
		v := g.at(now, e.timing)
		if v.status == eci.Scheduling || v.status.Ended() {
			continue
		}
		at := g.Created.Add(e.timing.Schedule + g.protection())
		if g.Checked.After(at) {
			at = g.Checked
		}
		for at = at.Truncate(spotCheck).Add(spotCheck); !at.After(now); at = at.Add(spotCheck) {
			g.Checked = at
			if price := e.market(g, g.Zone, at); price > g.SpotLimit {
				g.struck(FaultSpotReclaim, at, now)
				e.changed()
				break
			}
		}
	}
}

// noBid is the refusal when the market is above the bid in every zone.
func (g *group) noBid() *refusal {
	return forbidden("Spot.NotMatched", fmt.Sprintf("No spot instance of %g vCPU and %g GiB is sold at or below the specified price of %g.", g.CPU, g.Memory, g.SpotLimit))
}
