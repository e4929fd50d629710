package ecitest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// An opsTask is a core dump or a packet capture that was asked for.
type opsTask struct {
	Group, Type string
	Created     time.Time
	Closed      bool
}

// opsLife is how long a task stays on.
const opsLife = 12 * time.Hour

type opsAnswer struct{ RequestId, Result string }

// createOpsTask switches a task on or off. A core dump has a result when a container has
// failed since, a capture when it is switched off.
func (e *Emulator) createOpsTask(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.opsGroup(c)
	if refusal != nil {
		return nil, refusal
	}
	value, enable := c.params["OpsValue"], false
	if value == "" {
		return nil, missing("OpsValue")
	}
	if c.params["OpsType"] == "tcpdump" {
		var given struct{ Enable bool }
		if json.Unmarshal([]byte(value), &given) != nil {
			return nil, badRequest("Tcpdump.InvalidValue", "The parameter OpsValue must be a JSON object.")
		}
		enable = given.Enable
	} else if enable = value == "enable"; !enable && value != "disable" {
		return nil, badRequest("InvalidParameter", "The parameter OpsValue must be enable or disable.")
	}
	if status := g.at(now, e.timing).status; status != eci.Running {
		return nil, badRequest("Ops.ExecuteTaskFail", "The container group is "+string(status)+" and not Running.")
	}
	for _, task := range e.ops {
		if task.Group == g.ID && task.Type == c.params["OpsType"] {
			task.Closed = true
		}
	}
	if enable {
		e.ops = append(e.ops, &opsTask{Group: g.ID, Type: c.params["OpsType"], Created: now})
	}
	return opsAnswer{e.requestID(), "success"}, nil
}

// opsGroup is the group that an ops call names; its code for an unknown one is its own.
func (e *Emulator) opsGroup(c *call) (*group, *refusal) {
	id := c.params["ContainerGroupId"]
	if id == "" {
		return nil, missing("ContainerGroupId")
	}
	if e.groups[id] == nil {
		return nil, badRequest("InvalidInstanceId.NotFound", "The container group "+id+" is not found.")
	}
	switch c.params["OpsType"] {
	case "coredump", "tcpdump":
		return e.groups[id], nil
	case "":
		return nil, missing("OpsType")
	}
	return nil, badRequest("Ops.TypeNotSupport", "The parameter OpsType must be coredump or tcpdump.")
}

func (e *Emulator) describeOpsRecords(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.opsGroup(c)
	if refusal != nil {
		return nil, refusal
	}
	records := []map[string]string{}
	for _, task := range e.ops {
		if task.Group != g.ID || task.Type != c.params["OpsType"] {
			continue
		}
		status, typ, content := "Ready", "", ""
		switch {
		case task.Type == "tcpdump" && task.Closed, task.Type == "coredump" && g.failedSince(task.Created, now, e.timing):
			// The name of the type is documented nowhere; the vendor's content is an address too.
			status, typ = "Success", "OSS"
			content = "http" + strings.TrimPrefix(c.socket, "ws") + opsPath + g.ID + "/" + task.Type
		case task.Closed:
			status = "Closed"
		case now.Sub(task.Created) >= opsLife:
			status = "Expired"
		}
		records = append(records, map[string]string{"OpsType": task.Type, "OpsStatus": status, "ResultType": typ, "ResultContent": content,
			"CreateTime": stamp(task.Created), "ExpireTime": stamp(task.Created.Add(opsLife))})
	}
	return map[string]any{"RequestId": e.requestID(), "Records": records}, nil
}

// failedSince reports that a container of the group has failed after a time.
func (g *group) failedSince(at, now time.Time, t Timing) bool {
	return slices.ContainsFunc(g.at(now, t).containers, func(r run) bool {
		return slices.ContainsFunc([]state{r.state, r.previous}, func(s state) bool {
			return s.name == "Terminated" && s.exitCode != 0 && s.finished.After(at)
		})
	})
}

// opsPath is where the emulator serves the results of ops tasks.
const opsPath = "/ops/"

// serveOps answers a result: a text that says what it is of, since nothing runs here that a
// dump or a capture could be taken from.
func serveOps(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// A client that went away can't be told anything.
	_, _ = w.Write([]byte("result of the ops task " + strings.TrimPrefix(r.URL.Path, opsPath) + ", which the emulator has no content for\n"))
}

// A commitTask makes an image of a container.
type commitTask struct {
	ID, Group, Container string
	Created              time.Time
}

func (e *Emulator) commitContainer(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	name := c.params["ContainerName"]
	if name == "" {
		return nil, missing("ContainerName")
	}
	if c.params["Image.Repository"] == "" {
		return nil, missing("Image.Repository")
	}
	x, r := g.container(name, g.at(now, e.timing))
	if x == nil {
		return nil, badRequest("InvalidParameter", "The container group has no container "+name+".")
	}
	if r.state.name != "Running" {
		return nil, badRequest("IncorrectStatus", "The container "+name+" is not running.")
	}
	e.seq++
	task := &commitTask{"cct-" + digest(e.options.Seed, "/cct/", e.seq)[:20], g.ID, name, now}
	e.commits = append(e.commits, task)
	return map[string]string{"RequestId": e.requestID(), "TaskId": task.ID}, nil
}

// describeCommits lists tasks: each commits for as long as an image is pulled, and pushes
// for as long again. The names of statuses and phases are documented nowhere.
func (e *Emulator) describeCommits(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	ids, tasks := c.list("TaskId"), []map[string]any{}
	for _, task := range e.commits {
		committed := task.Created.Add(e.timing.Pull)
		pushed := committed.Add(e.timing.Pull)
		status, progress, finished := "Running", "0%", ""
		phases := []map[string]string{{"Phase": "Commit", "Status": "Running", "Message": "", "RecordTime": stamp(task.Created)}}
		if !now.Before(committed) {
			progress, phases[0]["Status"] = "50%", "Succeeded"
			phases = append(phases, map[string]string{"Phase": "Push", "Status": "Running", "Message": "", "RecordTime": stamp(committed)})
		}
		if !now.Before(pushed) {
			status, progress, finished, phases[1]["Status"] = "Succeeded", "100%", stamp(pushed), "Succeeded"
		}
		if task.Group != g.ID || len(ids) > 0 && !slices.Contains(ids, task.ID) || c.params["TaskStatus"] != "" && c.params["TaskStatus"] != status {
			continue
		}
		tasks = append(tasks, map[string]any{"TaskId": task.ID, "ContainerName": task.Container, "TaskStatus": status, "StatusMessage": "",
			"TaskProgress": progress, "TaskCreationTime": stamp(task.Created), "TaskFinishedTime": finished, "CommitPhaseInfos": phases})
	}
	most := 50
	if _, ok := c.params["MaxResults"]; ok {
		if most = c.integer("MaxResults"); most < 1 || most > 100 {
			return nil, badRequest("InvalidParameter", "The parameter MaxResults must be 1 to 100.")
		}
	}
	begin := 0
	if token := c.params["NextToken"]; token != "" {
		var err error
		if begin, err = strconv.Atoi(token); err != nil || begin < 0 || begin > len(tasks) {
			return nil, badRequest("InvalidParameter", "The parameter NextToken is not one that was given.")
		}
	}
	end, next := min(len(tasks), begin+most), ""
	if end < len(tasks) {
		next = strconv.Itoa(end)
	}
	return map[string]any{"RequestId": e.requestID(), "CommitTasks": tasks[begin:end], "TotalCount": len(tasks), "MaxResults": most, "NextToken": next}, nil
}

// resizeVolume enlarges a cloud disk.
func (e *Emulator) resizeVolume(c *call, _ time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	name, size := c.params["VolumeName"], c.integer("NewSize")
	if name == "" {
		return nil, missing("VolumeName")
	}
	i := slices.IndexFunc(g.Volumes, func(v volume) bool { return v.Name == name })
	switch {
	case i < 0:
		return nil, badRequest("InvalidParameter", "The container group has no volume "+name+".")
	case g.Volumes[i].Type != "DiskVolume" && g.Volumes[i].Params["FlexVolume.Driver"] != "alicloud/disk":
		return nil, forbidden("InvalidVolumeType", "Only volumes on cloud disks can be resized.")
	case size < 20 || size > 32768 || size <= g.Volumes[i].Size:
		return nil, badRequest("InvalidParameter", "The parameter NewSize must be 20 to 32768 GiB and more than now.")
	}
	volumes := slices.Clone(g.Volumes)
	volumes[i].Size = size
	g.Volumes = volumes
	return plainAnswer{e.requestID()}, nil
}

// describeAvailable says what the zones have in stock, by families or types.
func (e *Emulator) describeAvailable(c *call, now time.Time) (any, *refusal) {
	const prefix = "DestinationResource."
	category, value := c.params[prefix+"Category"], c.params[prefix+"Value"]
	var values []string
	switch category {
	case "":
		return nil, missing(prefix + "Category")
	case "InstanceTypeFamily":
		values = []string{"ecs.c6", "ecs.g6", "ecs.r6"}
	case "InstanceType":
		for _, family := range []string{"c", "g", "r"} {
			for _, size := range []string{"large", "xlarge", "2xlarge", "4xlarge"} {
				name := "ecs." + family + "6." + size
				s, _ := ecsSize(name)
				if cores, memory := c.number(prefix+"Cores"), c.number(prefix+"Memory"); (cores == 0 || cores == s.CPU) && (memory == 0 || memory == s.Memory) {
					values = append(values, name)
				}
			}
		}
	default:
		return nil, badRequest("InvalidParameter", "The parameter DestinationResource.Category must be InstanceTypeFamily or InstanceType.")
	}
	if value != "" {
		values = []string{value}
	}
	e.dropFaults(now)
	zones := []map[string]any{}
	for _, zone := range e.Zones() {
		if c.params["ZoneId"] != "" && c.params["ZoneId"] != zone {
			continue
		}
		status := "WithStock"
		if !e.sells(zone) {
			status = "WithoutStock"
		}
		supported := []map[string]string{}
		for _, v := range values {
			supported = append(supported, map[string]string{"Value": v, "StatusCategory": status})
		}
		zones = append(zones, map[string]any{"RegionId": e.options.Region, "ZoneId": zone, "AvailableResources": map[string]any{
			"AvailableResource": []any{map[string]any{"Type": category, "SupportedResources": map[string]any{"SupportedResource": supported}}}}})
	}
	return map[string]any{"RequestId": e.requestID(), "AvailableZones": map[string]any{"AvailableZone": zones}}, nil
}

// sells reports that a zone takes new groups always.
func (e *Emulator) sells(zone string) bool {
	return !slices.ContainsFunc(e.faults, func(f *Fault) bool {
		return (f.Kind == FaultNoStock || f.Kind == FaultNotOnSale) && f.Rate == 1 && (f.Zone == "" || f.Zone == zone)
	})
}
