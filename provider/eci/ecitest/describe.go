package ecitest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// How long ended groups stay in the list.
// https://help.aliyun.com/zh/eci/user-guide/lifecycle-of-an-elastic-container-instance
const (
	keepEnded          = time.Hour
	keepEndedMost      = 100
	keepScheduleFailed = 24 * time.Hour
)

// sweep removes the groups that left the list by now, at most once an emulated second.
func (e *Emulator) sweep(now time.Time) {
	if since := now.Sub(e.swept); since >= 0 && since < time.Second && !e.anyGone(now) {
		return
	}
	e.swept = now
	e.strike(now)
	e.outbid(now)
	var old []*group // ended more than an hour ago
	drop := map[*group]bool{}
	for _, g := range e.order {
		v := g.at(now, e.timing)
		switch {
		case !g.Gone.IsZero() && !now.Before(g.Gone):
			drop[g] = true
		case v.status == eci.ScheduleFailed:
			drop[g] = now.Sub(v.ended) >= keepScheduleFailed
		case v.status.Ended() && now.Sub(v.ended) >= keepEnded:
			old = append(old, g)
		}
	}
	if over := len(old) - keepEndedMost; over > 0 {
		slices.SortStableFunc(old, func(a, b *group) int { return a.at(now, e.timing).ended.Compare(b.at(now, e.timing).ended) })
		for _, g := range old[:over] {
			drop[g] = true
		}
	}
	for token, use := range e.tokens {
		if now.Sub(use.At) >= tokenLife {
			delete(e.tokens, token)
		}
	}
	e.remove(now, func(g *group) bool { return drop[g] })
}

func (e *Emulator) anyGone(now time.Time) bool {
	return !e.nextGone.IsZero() && !now.Before(e.nextGone)
}

// remove takes groups off the list; their charges stay.
func (e *Emulator) remove(now time.Time, leaves func(*group) bool) {
	e.nextGone = time.Time{}
	e.order = slices.DeleteFunc(e.order, func(g *group) bool {
		if leaves(g) {
			e.settle(g, now)
			e.changed()
			delete(e.groups, g.ID)
			return true
		}
		if !g.Gone.IsZero() && (e.nextGone.IsZero() || g.Gone.Before(e.nextGone)) {
			e.nextGone = g.Gone
		}
		return false
	})
}

// listing is one page of the groups that a call selects.
type listing struct {
	groups []*group
	next   string
	total  int
}

// list selects groups and cuts a page. The token holds the last group's number and the
// total, so that a page costs what is left to read and not the whole account.
func (e *Emulator) list(c *call, now time.Time, byDefault, most int) (*listing, *refusal) {
	limit := byDefault
	if _, ok := c.params["Limit"]; ok {
		if limit = c.integer("Limit"); limit < 1 || limit > most {
			return nil, badRequest("InvalidParameter", fmt.Sprintf("The parameter Limit must be 1 to %d.", most))
		}
	}
	ids, refusal := c.ids("ContainerGroupIds")
	if refusal != nil {
		return nil, refusal
	}
	after, total := 0, -1
	if token := c.params["NextToken"]; token != "" {
		if _, err := fmt.Sscanf(token, "n%d-t%d", &after, &total); err != nil {
			return nil, badRequest("InvalidParameter", "The parameter NextToken is not one that was given.")
		}
	}
	since := c.integer("SinceSecond")
	if since != 0 && (since < 60 || since > 3600) {
		return nil, badRequest("InvalidParameter", "The parameter SinceSecond must be 60 to 3600.")
	}
	wanted := c.tags()
	selects := func(g *group) bool {
		if ids != nil && !slices.Contains(ids, g.ID) || !g.hasTags(wanted) || !g.matches(c) {
			return false
		}
		v := g.at(now, e.timing)
		return (c.params["Status"] == "" || c.params["Status"] == string(v.status)) &&
			(since == 0 || now.Sub(v.changed) <= time.Duration(since)*time.Second)
	}
	l := &listing{total: total}
	begin, _ := slices.BinarySearchFunc(e.order, after+1, func(g *group, seq int) int { return cmp.Compare(g.Seq, seq) })
	counted := 0
	for _, g := range e.order[begin:] {
		if !selects(g) {
			continue
		}
		counted++
		if len(l.groups) < limit {
			l.groups = append(l.groups, g)
			continue
		}
		l.next = "more"
		if total >= 0 {
			break
		}
	}
	if total < 0 {
		l.total = counted
	}
	if l.next != "" {
		l.next = "n" + strconv.Itoa(l.groups[len(l.groups)-1].Seq) + "-t" + strconv.Itoa(l.total)
	}
	return l, nil
}

func (g *group) hasTags(wanted []tag) bool {
	for _, w := range wanted {
		if value, ok := g.tag(w.Key); !ok || value != w.Value {
			return false
		}
	}
	return true
}

// matches reports that a group has what the plain selectors of a listing say.
func (g *group) matches(c *call) bool {
	for _, s := range []struct{ param, value string }{
		{"ContainerGroupName", g.Name}, {"VSwitchId", g.VSwitch}, {"ZoneId", g.Zone},
		{"SecurityGroupId", g.SecurityGroup}, {"ResourceGroupId", g.ResourceGroup},
	} {
		if want := c.params[s.param]; want != "" && want != s.value {
			return false
		}
	}
	return true
}

// emptyAnswer is what a listing answers to a RAM identity without rights; nil: the action
// is no listing.
func emptyAnswer(action, requestID string) any {
	switch action {
	case "DescribeContainerGroups":
		return groupsAnswer{RequestId: requestID, ContainerGroups: []wireGroup{}}
	case "DescribeContainerGroupStatus":
		return statusAnswer{RequestId: requestID, Data: []wireStatus{}}
	case "DescribeContainerGroupEvents":
		return eventsAnswer{RequestId: requestID, Data: []wireGroupEvents{}}
	}
	return nil
}

type groupsAnswer struct {
	RequestId, NextToken string
	TotalCount           int
	ContainerGroups      []wireGroup
}

func (e *Emulator) describeGroups(c *call, now time.Time) (any, *refusal) {
	l, refusal := e.list(c, now, 20, 20)
	if refusal != nil {
		return nil, refusal
	}
	answer := groupsAnswer{RequestId: e.requestID(), NextToken: l.next, TotalCount: l.total, ContainerGroups: []wireGroup{}}
	for _, g := range l.groups {
		answer.ContainerGroups = append(answer.ContainerGroups, e.shownGroup(c, g.wire(g.at(now, e.timing), e.options.Region, c.boolean("WithEvent"))))
	}
	return answer, nil
}

type wireGroup struct {
	ContainerGroupId, ContainerGroupName, Status, RegionId, ZoneId, VpcId, VSwitchId string
	SecurityGroupId, ResourceGroupId, RamRoleName, RestartPolicy, InstanceType       string
	SpotStrategy, EniInstanceId, IntranetIp, InternetIp, Ipv6Address, DnsPolicy      string
	Cpu, Memory                                                                      float64
	SpotPriceLimit                                                                   float64
	Discount, EphemeralStorage                                                       int
	CreationTime                                                                     string
	SucceededTime, FailedTime, ExpiredTime                                           string        `json:",omitempty"`
	DnsConfig                                                                        *wireDNS      `json:",omitempty"`
	EciSecurityContext                                                               *wireSecurity `json:",omitempty"`
	HostAliases                                                                      []wireAlias   `json:",omitempty"`
	Tags                                                                             []tag
	Events                                                                           []wireEvent
	Containers                                                                       []wireContainer
	InitContainers                                                                   []wireContainer
	Volumes                                                                          []wireVolume
}

type wireEvent struct {
	Count                                                      int
	Type, Name, Message, Reason, FirstTimestamp, LastTimestamp string
}

type wireContainer struct {
	Name, Image, ImagePullPolicy, WorkingDir string
	Cpu, Memory                              float64
	Gpu                                      int
	Commands, Args                           []string // Commands: app containers
	Command                                  []string `json:",omitempty"` // the same, of init containers
	EnvironmentVars                          []wireVariable
	Ports                                    []port
	VolumeMounts                             []mount
	Stdin, StdinOnce, Tty, Ready             bool
	ReadinessProbe, LivenessProbe            *wireProbe             `json:",omitempty"`
	SecurityContext                          *wireContainerSecurity `json:",omitempty"`
	RestartCount                             int
	CurrentState, PreviousState              wireState
}

type wireVariable struct {
	Key, Value string
	ValueFrom  *wireValueFrom `json:",omitempty"`
}

type wireValueFrom struct{ FieldRef struct{ FieldPath string } }

type wireState struct {
	State, DetailStatus, Reason, Message string `json:",omitempty"`
	ExitCode                             *int   `json:",omitempty"`
	Signal                               *int   `json:",omitempty"`
	StartTime, FinishTime                string `json:",omitempty"`
}

// stamp is a time as the API writes it; "" for the zero one.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func (g *group) wire(v *view, region string, withEvents bool) wireGroup {
	w := wireGroup{
		ContainerGroupId: g.ID, ContainerGroupName: g.Name, Status: string(v.status), RegionId: region, ZoneId: g.Zone,
		VpcId: vpcID, VSwitchId: g.VSwitch, SecurityGroupId: g.SecurityGroup, ResourceGroupId: g.ResourceGroup,
		RamRoleName: g.RamRole, RestartPolicy: g.RestartPolicy, InstanceType: g.InstanceType, SpotStrategy: g.SpotStrategy,
		DnsPolicy: g.DnsPolicy, Cpu: g.CPU, Memory: g.Memory, CreationTime: stamp(g.Created),
		EphemeralStorage: g.Disk, SpotPriceLimit: g.SpotLimit, Tags: slices.Clone(g.Tags), Events: []wireEvent{}, Volumes: wireVolumes(g.Volumes),
	}
	if v.status != eci.Scheduling && v.status != eci.ScheduleFailed {
		w.IntranetIp, w.EniInstanceId = g.IP, "eni-"+strings.TrimPrefix(g.ID, "eci-")
	}
	switch v.status {
	case eci.Succeeded:
		w.SucceededTime = stamp(v.ended)
	case eci.Failed, eci.ScheduleFailed:
		w.FailedTime = stamp(v.ended)
	case eci.Expired:
		w.ExpiredTime = stamp(v.ended)
	}
	w.Ipv6Address = g.IPv6
	g.wireGiven(&w)
	if withEvents {
		for i, ev := range v.events {
			w.Events = append(w.Events, wireEvent{Count: ev.Count, Type: ev.Typ, Name: g.Name + "." + digest(g.ID, "/", i)[:16],
				Message: ev.Message, Reason: ev.Reason, FirstTimestamp: stamp(ev.First), LastTimestamp: stamp(ev.Last)})
		}
	}
	w.Containers, w.InitContainers = wireContainers(g.Containers, v.containers), wireContainers(g.Inits, v.inits)
	return w
}

func wireContainers(containers []container, runs []run) []wireContainer {
	out := []wireContainer{}
	for i, c := range containers {
		r := runs[i]
		w := wireContainer{
			Name: c.Name, Image: c.Image, ImagePullPolicy: c.PullPolicy, WorkingDir: c.WorkingDir, Cpu: c.CPU, Memory: c.Memory,
			Commands: c.Command, Args: c.Args, Ports: c.Ports, VolumeMounts: c.Mounts,
			Stdin: c.Stdin, StdinOnce: c.Once, Tty: c.Tty, Ready: r.ready, RestartCount: r.restarts,
			CurrentState: r.state.wire(), PreviousState: r.previous.wire(),
		}
		if c.Init {
			w.Commands, w.Command = nil, c.Command
		}
		c.wireGiven(&w)
		for _, e := range c.Env {
			v := wireVariable{Key: e.Key, Value: e.Value}
			if e.FieldPath != "" {
				v.ValueFrom = &wireValueFrom{}
				v.ValueFrom.FieldRef.FieldPath = e.FieldPath
			}
			w.EnvironmentVars = append(w.EnvironmentVars, v)
		}
		out = append(out, w)
	}
	return out
}

func (s state) wire() wireState {
	w := wireState{State: s.name, Reason: s.reason, Message: s.message, StartTime: stamp(s.started), FinishTime: stamp(s.finished)}
	switch s.name {
	case "Running":
		w.DetailStatus = "working"
	case "Terminated":
		w.ExitCode = &s.exitCode
	}
	return w
}
