package collectors

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
)

// What DescribeContainerGroups allows: 20 groups a call, 2,000 calls a minute for the whole
// account in a region. The console takes a quarter of that at most; the virtual nodes and
// others need the rest.
const (
	groupsPerCall    = 20
	callsPerMinute   = 2000 / 4
	confirmCalls     = 5 // calls per sweep that look for missing groups by id
	sweepPause       = 5 * time.Second
	confirmedPerCall = groupsPerCall - 1 // the other one is the group that must be found
)

// A groupLister is what Groups needs of the ECI client.
type groupLister interface {
	Groups(context.Context, eci.GroupQuery) ([]eci.Group, error)
}

// Groups polls the container groups of a region, with their events: every pause (0: 5
// seconds), or as often as the quota allows where there are many. latest is the newest Snapshot; from it
// comes which groups pods name, so that one missing in the list is looked for by its id.
func Groups(client groupLister, latest func() *fleet.Snapshot, pause time.Duration) Collector {
	if pause == 0 {
		pause = sweepPause
	}
	c := &groupSweep{client: client, latest: latest, pause: pause, every: pause}
	return poll{every: func() time.Duration { return c.every }, fetch: c.sweep}
}

type groupSweep struct {
	client groupLister
	latest func() *fleet.Snapshot
	pause  time.Duration // between sweeps of a small fleet
	every  time.Duration // until the next sweep

	sweeps int
	last   fleet.Groups
}

// awaited reports whether a source has said nothing yet, neither its part nor an error.
func awaited(s *fleet.Snapshot, name string) bool {
	return slices.ContainsFunc(s.Sources, func(source fleet.Source) bool {
		return source.Name == name && source.Read.IsZero() && source.Error == ""
	})
}

func (c *groupSweep) sweep(ctx context.Context) (fleet.Part, error) {
	// What pods named before the listing must be in it: an annotation is written after the
	// group was created.
	snapshot := c.latest()
	named := namedGroups(snapshot)
	listed, err := c.client.Groups(ctx, eci.GroupQuery{WithEvents: true})
	if err != nil {
		return nil, explainGroups(err)
	}
	if len(listed) == 0 && c.sweeps == 0 {
		// Whether an empty list can be believed is known when the pods are.
		for range 50 {
			if snapshot = c.latest(); !awaited(snapshot, "pods") || !pause(ctx, sweepPause/50) {
				break
			}
		}
		named = namedGroups(snapshot)
		if listed, err = c.client.Groups(ctx, eci.GroupQuery{WithEvents: true}); err != nil {
			return nil, explainGroups(err)
		}
	}
	if len(listed) == 0 && len(named) > 0 {
		return nil, fmt.Errorf("ECI lists no container group in this region, but pods name theirs (%d): check the region, and that the RAM identity may call eci:DescribeContainerGroups (ECI answers with an empty list when it may not)", len(named))
	}
	part := c.part(listed)
	if part.Gone, err = c.confirmGone(ctx, named, snapshot, part.Items); err != nil {
		return nil, explainGroups(err)
	}
	pages := (len(listed) + groupsPerCall - 1) / groupsPerCall
	c.every = max(c.pause, time.Duration(pages)*time.Minute/callsPerMinute)
	c.sweeps++
	part.Sweep, part.Every = c.sweeps, c.every
	c.last = part
	return part, nil
}

// explainGroups says first what is wrong and what to do, because a line of 80 cells has no
// room for the road there; ECI's own words stand behind it.
func explainGroups(err error) error {
	if eci.IsForbidden(err) {
		var e *eci.Error
		errors.As(err, &e)
		return fmt.Errorf("the RAM identity may not read container groups (grant it eci:DescribeContainerGroups, as AliyunECIReadOnlyAccess does): %w", e)
	}
	return explainCloud("reading container groups", err)
}

// explainCloud says what is wrong with the way to the cloud, the same for all calls, so that
// sources that fail for one reason have one error.
func explainCloud(doing string, err error) error {
	var e *eci.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	switch {
	case eci.IsForbidden(err):
		return fmt.Errorf("%s: the RAM identity may not (grant it %s): %w", doing, e.Action, e)
	case eci.IsThrottled(err):
		return fmt.Errorf("ECI refuses more calls this minute: %w", e)
	case e.HTTPStatus == 0 && e.Code == "" && e.Err != nil:
		return fmt.Errorf("ECI does not answer: %w (check the network, a proxy, --region and --endpoint)", e.Err)
	case e.HTTPStatus == 0:
		return errors.New(e.Message) // no call was made: the message says why and what to do
	case e.Code == "SignatureDoesNotMatch", strings.HasPrefix(e.Code, "InvalidAccessKeyId."), strings.HasPrefix(e.Code, "InvalidSecurityToken."):
		return fmt.Errorf("ECI does not accept the access key (check its id and secret, or log in again where they are temporary): %w", e)
	case strings.HasPrefix(e.Code, "InvalidRegionId"):
		return fmt.Errorf("ECI does not know the region (check --region or ECIDECK_REGION): %w", e)
	}
	return fmt.Errorf("reading container groups: %w", e)
}

// part makes the compact records. A group that says the same as before is the same pointer,
// and so is a whole list in which nothing changed.
func (c *groupSweep) part(listed []eci.Group) fleet.Groups {
	before := make(map[string]*fleet.Group, len(c.last.Items))
	for _, g := range c.last.Items {
		before[g.ID] = g
	}
	part := fleet.Groups{Sorted: true, Items: make([]*fleet.Group, 0, len(listed))}
	for i := range listed {
		g := groupRecord(&listed[i])
		was := before[g.ID]
		if was != nil && !was.Started.IsZero() && !g.Started.IsZero() {
			g.Started = was.Started // its events are forgotten after a while
		}
		if was != nil && *was == *g {
			g = was
		}
		part.Items = append(part.Items, g)
		for _, e := range listed[i].Events {
			part.Events = append(part.Events, &fleet.Event{
				Time: e.Last, First: e.First, Count: max(1, int(e.Count)), Source: "eci", Type: e.Type, Reason: e.Reason, Message: e.Message,
				Kind: "ContainerGroup", Name: g.ID,
			})
		}
	}
	slices.SortFunc(part.Items, func(a, b *fleet.Group) int { return strings.Compare(a.ID, b.ID) })
	// Pages of a list that changes meanwhile may bring a group twice.
	part.Items = slices.CompactFunc(part.Items, func(a, b *fleet.Group) bool { return a.ID == b.ID })
	slices.SortStableFunc(part.Events, fleet.CompareEvents)
	if slices.Equal(part.Items, c.last.Items) {
		part.Items = c.last.Items
	}
	if slices.EqualFunc(part.Events, c.last.Events, func(a, b *fleet.Event) bool { return *a == *b }) {
		part.Events = c.last.Events
	}
	return part
}

// namedGroups are the ids that pods on virtual nodes name and whose group must exist.
func namedGroups(s *fleet.Snapshot) []string {
	var ids []string
	for _, p := range s.Placements {
		if p.Pod == nil || p.Pod.InstanceID == "" || p.Place != fleet.PlaceECI {
			continue
		}
		if p.Pod.Phase != "Succeeded" && p.Pod.Phase != "Failed" && p.Pod.Deleting.IsZero() {
			ids = append(ids, p.Pod.InstanceID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// confirmGone looks by id for the named groups that the list lacks. A group is gone when it
// is not found in a call that does find another group of ours.
func (c *groupSweep) confirmGone(ctx context.Context, named []string, s *fleet.Snapshot, listed []*fleet.Group) (map[string]bool, error) {
	has := func(id string) bool {
		_, found := slices.BinarySearchFunc(listed, id, func(g *fleet.Group, id string) int { return strings.Compare(g.ID, id) })
		return found
	}
	gone := map[string]bool{}
	var missing []string
	for _, id := range named {
		switch {
		case has(id):
		case c.last.Gone[id]:
			gone[id] = true // ids are never used again
		default:
			missing = append(missing, id)
		}
	}
	witness := ""
	for _, g := range s.Groups {
		if g.Relation == fleet.Joined && has(g.ID) {
			witness = g.ID
			break
		}
	}
	if len(missing) == 0 || witness == "" {
		return gone, nil
	}
	for ids := range slices.Chunk(missing[:min(len(missing), confirmCalls*confirmedPerCall)], confirmedPerCall) {
		found, err := c.client.Groups(ctx, eci.GroupQuery{IDs: append(slices.Clone(ids), witness)})
		if err != nil {
			return nil, err
		}
		there := map[string]bool{}
		for _, g := range found {
			there[g.ID] = true
		}
		if !there[witness] {
			continue
		}
		for _, id := range ids {
			if !there[id] {
				gone[id] = true
			}
		}
	}
	return gone, nil
}

func groupRecord(g *eci.Group) *fleet.Group {
	r := &fleet.Group{
		ID: g.ID, Name: g.Name, Status: g.Status, Zone: intern(g.ZoneID), VSwitch: intern(g.VSwitchID), IP: g.IP,
		CPU: g.CPU, Memory: g.Memory, InstanceType: intern(g.InstanceType), Spot: intern(g.SpotStrategy),
		Category: intern(g.ComputeCategory), Disk: int(g.EphemeralStorage),
		Identity: eci.IdentityOf(g.Tags), Created: g.Created, Started: startedAt(g), Ended: g.Ended(),
	}
	if r.Spot == "NoSpot" {
		r.Spot = ""
	}
	for _, list := range [][]eci.Container{g.InitContainers, g.Containers} {
		for _, c := range list {
			r.Restarts += int(c.RestartCount)
			if r.Reason == "" && c.Current.State == "Waiting" && c.Current.Reason != "" {
				r.Reason, r.Message = intern(c.Current.Reason), c.Current.Message
			}
		}
	}
	var newest time.Time
	for _, e := range g.Events {
		if e.Type == "Warning" && e.Last.After(newest) {
			newest, r.Reason, r.Message = e.Last, intern(e.Reason), e.Message
		}
		if due, announced := noticeOf(&e); announced && !g.Status.Ended() {
			r.Notice, r.Due = intern(e.Reason), due
		}
	}
	return r
}

// startedAt is when a group began to be paid for, as far as its answer tells: it is in
// Pending from when its image is pulled. Scheduling is free; without a trace of the pull the
// group's creation, some seconds before, is the best that is known.
func startedAt(g *eci.Group) time.Time {
	if g.Status == eci.Scheduling || g.Status == eci.ScheduleFailed {
		return time.Time{}
	}
	var first time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && !t.Before(g.Created) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, e := range g.Events {
		switch e.Reason {
		case "SuccessfulMountVolume", "Pulling", "Pulled", "Created", "Started":
			earlier(e.First)
		}
	}
	if first.IsZero() {
		return g.Created
	}
	return first
}

// spotMinutes is in "Spot ECI will be released in 3 minutes".
var spotMinutes = regexp.MustCompile(`in (\d+) minutes`)

// noticeOf reports whether an event announces that the cloud will take or restart a group,
// and when: a spot group some minutes after the event, a machine in maintenance within 48
// hours.
// https://help.aliyun.com/zh/eci/user-guide/custom-events-of-elastic-container-instance
func noticeOf(e *eci.Event) (due time.Time, announced bool) {
	switch e.Reason {
	case "SpotToBeReleased":
		minutes := 3
		if m := spotMinutes.FindStringSubmatch(e.Message); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				minutes = n
			}
		}
		return e.Last.Add(time.Duration(minutes) * time.Minute), true
	case "SystemReboot":
		return e.First.Add(48 * time.Hour), true
	}
	return time.Time{}, false
}
