package ecitest

import (
	"net/http"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

type plainAnswer struct{ RequestId string }

// find is the group that a call names. No document says how the API answers an unknown
// id; Terraform's provider takes InvalidParameter.NotFound for it.
func (e *Emulator) find(c *call) (*group, *refusal) {
	id := c.params["ContainerGroupId"]
	if id == "" {
		return nil, missing("ContainerGroupId")
	}
	g := e.groups[id]
	if g == nil {
		return nil, &refusal{http.StatusNotFound, "InvalidParameter.NotFound", "The container group " + id + " is not found."}
	}
	return g, nil
}

// deleteGroup removes a group at once when nothing of it runs; otherwise it is Terminating
// until its containers have stopped, or its grace period is over.
func (e *Emulator) deleteGroup(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	v := g.at(now, e.timing)
	if v.status == eci.Terminating && !c.boolean("Force") {
		return plainAnswer{e.requestID()}, nil
	}
	stop := time.Duration(0)
	if v.status != eci.Scheduling && !v.status.Ended() && !c.boolean("Force") {
		stop = e.timing.Stop
		for i := range g.Containers {
			if v.containers[i].state.name == "Running" {
				stop = max(stop, g.Containers[i].stopTime(e.timing.Stop))
			}
		}
		stop = min(stop, g.Grace)
	}
	if stop <= 0 {
		e.remove(now, func(o *group) bool { return o == g })
		return plainAnswer{e.requestID()}, nil
	}
	g.Deleted, g.Gone = now, now.Add(stop)
	if e.nextGone.IsZero() || g.Gone.Before(e.nextGone) {
		e.nextGone = g.Gone
	}
	g.touch()
	return plainAnswer{e.requestID()}, nil
}

func (e *Emulator) restartGroup(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	if s := g.at(now, e.timing).status; s != eci.Pending && s != eci.Running {
		return nil, badRequest("IncorrectStatus", "The container group is "+string(s)+"; only one that is Pending or Running can be restarted.")
	}
	g.restart(now, false)
	return plainAnswer{e.requestID()}, nil
}

type regionsAnswer struct {
	RequestId string
	Regions   []wireRegion
}

type wireRegion struct {
	RegionId, RegionEndpoint                string
	Zones, RecommendZones, UnavailableZones []string
}

func (e *Emulator) describeRegions(_ *call, now time.Time) (any, *refusal) {
	region := wireRegion{RegionId: e.options.Region, RegionEndpoint: "eci." + e.options.Region + ".aliyuncs.com",
		Zones: e.Zones(), RecommendZones: []string{}, UnavailableZones: []string{}}
	e.dropFaults(now)
	for _, zone := range region.Zones {
		if e.sells(zone) {
			region.RecommendZones = append(region.RecommendZones, zone)
		} else {
			region.UnavailableZones = append(region.UnavailableZones, zone)
		}
	}
	return regionsAnswer{e.requestID(), []wireRegion{region}}, nil
}

type usageAnswer struct {
	RequestId  string
	Attributes map[string]float64
}

func (e *Emulator) listUsage(_ *call, now time.Time) (any, *refusal) {
	return usageAnswer{e.requestID(), map[string]float64{
		"UsedCpu": e.usedCPU(now), "MaxCpu": e.options.MaxCPU,
		"UsedImageCacheCount": float64(len(e.of(imageCaches(), now))), "MaxImageCacheCount": 500, "UsedAutoImageCacheCount": 0, "MaxAutoImageCacheCount": 25,
		"UsedDataCacheCount": float64(len(e.of(dataCaches(), now))), "MaxDataCacheCount": 100,
	}}, nil
}
