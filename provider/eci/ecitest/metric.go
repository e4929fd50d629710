package ecitest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// The API's limits for metrics.
const (
	maxRecords  = 50
	keepMetrics = 30 * 24 * time.Hour
)

type metricAnswer struct {
	RequestId, ContainerGroupId string
	Records                     []wireRecord
}

type multiMetricAnswer struct {
	RequestId    string
	MonitorDatas []wireMonitorData
}

type wireMonitorData struct {
	ContainerGroupId string
	Records          []wireRecord
}

type wireRecord struct {
	Timestamp  string
	CPU        wireCPU
	Memory     wireMemory
	Network    struct{ Interfaces []wireInterface }
	Disk       []map[string]any // its keys differ between the two actions
	Filesystem []wireFilesystem
	Containers []wireContainerMetric
}

type wireCPU struct{ UsageNanoCores, UsageCoreNanoSeconds, Load, Limit int64 }

type wireMemory struct{ UsageBytes, WorkingSet, AvailableBytes, Rss, Cache int64 }

type wireInterface struct {
	Name                                  string
	RxBytes, RxPackets, RxErrors, RxDrops int64
	TxBytes, TxPackets, TxErrors, TxDrops int64
}

type wireFilesystem struct {
	FsName                     string
	Capacity, Available, Usage int64
	Category                   string `json:",omitempty"`
}

type wireContainerMetric struct {
	Name   string
	CPU    wireCPU
	Memory wireMemory
}

func (u usage) wireCPU() wireCPU {
	return wireCPU{UsageNanoCores: nanos(u.cpu), UsageCoreNanoSeconds: nanos(u.seconds), Load: int64(u.cpu * 1000), Limit: int64(u.limit * 1000)}
}

func (u usage) wireMemory() wireMemory {
	used := gib(u.memory)
	return wireMemory{UsageBytes: used, WorkingSet: used * 9 / 10, AvailableBytes: gib(u.most) - used*9/10, Rss: used * 8 / 10, Cache: used - used*8/10}
}

// record is what was measured of a group at a time; false: nothing of it ran.
func (g *group) record(at time.Time, t Timing, loads []setLoad, multi bool) (wireRecord, bool) {
	if at.Before(g.Created) {
		return wireRecord{}, false
	}
	v := g.compute(at, t) // not at: the history must not push the present out of its cache
	if v.status.Ended() || v.status == eci.Scheduling || v.status == eci.Restarting {
		return wireRecord{}, false
	}
	loads = loadsOf(g, loads)
	total, running := usage{limit: g.CPU, most: g.Memory}, false
	record := wireRecord{Timestamp: stamp(at), Containers: []wireContainerMetric{}}
	for i := range g.Containers {
		u := g.usage(i, &v.containers[i], at, loads)
		running = running || v.containers[i].state.name == "Running"
		total.add(u)
		record.Containers = append(record.Containers, wireContainerMetric{g.Containers[i].Name, u.wireCPU(), u.wireMemory()})
	}
	record.CPU, record.Memory = total.wireCPU(), total.wireMemory()
	// Traffic and disk follow the work done: counters since the containers started.
	work := int64(total.seconds * 1000)
	record.Network.Interfaces = []wireInterface{{Name: "eth0", RxBytes: work * 2048, RxPackets: work * 2, TxBytes: work * 4096, TxPackets: work * 3}}
	ops := [2]string{"ReadIO", "WriteIO"}
	filesystem := wireFilesystem{FsName: "/", Capacity: 30 << 30, Usage: 2<<30 + work*16, Category: "ephemeral"}
	if multi {
		ops, filesystem.Category = [2]string{"ReadIo", "WriteIo"}, ""
	}
	filesystem.Usage = min(filesystem.Usage, filesystem.Capacity*3/4) // logs are rotated
	filesystem.Available = filesystem.Capacity - filesystem.Usage
	record.Filesystem = []wireFilesystem{filesystem}
	record.Disk = []map[string]any{{"Device": "vda", "ReadBytes": work * 64, "WriteBytes": work * 128, ops[0]: work / 64, ops[1]: work / 32}}
	return record, running
}

// describeMetric answers the newest fifty records of the time asked for.
func (e *Emulator) describeMetric(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	period := 60 * time.Second
	switch given := c.params["Period"]; given {
	case "":
	case "15", "30", "60", "600":
		period = time.Duration(c.integer("Period")) * time.Second
	default:
		return nil, badRequest("InvalidParameter", "The parameter Period must be 15, 30, 60 or 600.")
	}
	end, refusal := c.time("EndTime", now)
	if refusal != nil {
		return nil, refusal
	}
	if end.After(now) {
		end = now
	}
	begin, refusal := c.time("StartTime", end.Add(-maxRecords*period))
	if refusal != nil {
		return nil, refusal
	}
	if begin.After(end) || now.Sub(begin) > keepMetrics+time.Minute {
		return nil, badRequest("InvalidParameter", "The parameter StartTime must be before EndTime and within the last 30 days.")
	}
	last := end.Truncate(period)
	first := last.Add(-(maxRecords - 1) * period)
	answer := metricAnswer{e.requestID(), g.ID, []wireRecord{}}
	for at := first; !at.After(last); at = at.Add(period) {
		if at.Before(begin) {
			continue
		}
		if r, ok := g.record(at, e.timing, e.loads, false); ok {
			answer.Records = append(answer.Records, r)
		}
	}
	return answer, nil
}

// time reads an RFC 3339 parameter.
func (c *call) time(name string, otherwise time.Time) (time.Time, *refusal) {
	s := c.params[name]
	if s == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, badRequest("InvalidParameter", "The parameter "+name+" must be an RFC 3339 time.")
	}
	return t.UTC(), nil
}

// describeMetrics answers each group's latest record. Unknown ids are left out, as they are
// from the other listings.
func (e *Emulator) describeMetrics(c *call, now time.Time) (any, *refusal) {
	ids, refusal := c.ids("ContainerGroupIds")
	if refusal != nil {
		return nil, refusal
	}
	if len(ids) == 0 {
		return nil, missing("ContainerGroupIds")
	}
	if typ := c.params["MetricType"]; typ != "" && typ != "summary" {
		return nil, badRequest("InvalidParameter", "The parameter MetricType must be summary.")
	}
	answer := multiMetricAnswer{e.requestID(), []wireMonitorData{}}
	for _, id := range ids {
		g := e.groups[id]
		if g == nil || c.params["ResourceGroupId"] != "" && c.params["ResourceGroupId"] != g.ResourceGroup {
			continue
		}
		data := wireMonitorData{id, []wireRecord{}}
		if r, ok := g.record(now.Truncate(e.timing.Sample), e.timing, e.loads, true); ok {
			data.Records = append(data.Records, r)
		}
		answer.MonitorDatas = append(answer.MonitorDatas, data)
	}
	return answer, nil
}

// ids reads a JSON list of at most twenty ids.
func (c *call) ids(name string) ([]string, *refusal) {
	list := c.params[name]
	if list == "" {
		return nil, nil
	}
	ids := []string{}
	if err := json.Unmarshal([]byte(list), &ids); err != nil {
		return nil, badRequest("InvalidParameter", "The parameter "+name+" must be a JSON list of strings.")
	}
	if len(ids) > 20 {
		return nil, badRequest("InvalidParameter", fmt.Sprintf("The parameter %s has more than 20 ids.", name))
	}
	return ids, nil
}
