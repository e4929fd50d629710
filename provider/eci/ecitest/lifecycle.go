package ecitest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// A timeline is now, and what it learned on the way there: the last change before it and
// the first one after.
type timeline struct {
	now          time.Time
	last, next   time.Time
	events       []event
	eventsByText map[string]int
}

// reached reports that t is not in the future.
func (l *timeline) reached(t time.Time) bool {
	if !t.After(l.now) {
		if t.After(l.last) {
			l.last = t
		}
		return true
	}
	if l.next.IsZero() || t.Before(l.next) {
		l.next = t
	}
	return false
}

// event records what happened at t, which was reached; the same text again only counts.
func (l *timeline) event(t time.Time, typ, reason, message string) {
	key := reason + "\x00" + message
	if i, ok := l.eventsByText[key]; ok {
		l.events[i].Count++
		l.events[i].Last = t
		return
	}
	l.eventsByText[key] = len(l.events)
	l.events = append(l.events, event{Typ: typ, Reason: reason, Message: message, Count: 1, First: t, Last: t})
}

// compute is a group's life up to now, from its request.
// https://help.aliyun.com/zh/eci/user-guide/lifecycle-of-an-elastic-container-instance
func (g *group) compute(now time.Time, t Timing) *view {
	l := &timeline{now: now, last: g.Created, eventsByText: map[string]int{}}
	reclaimed := !g.Reclaimed.IsZero() && l.reached(g.Reclaimed)
	if reclaimed {
		l.now = g.Reclaimed // nothing happens after it
	}
	v := g.life(l, t)
	if reclaimed && !v.status.Ended() {
		l.now = g.Reclaimed
		g.kill(l, v, "BidFailed")
		v.status = eci.Expired
		v.message = "The pod is spot instance, and have been released at " + stamp(g.Reclaimed)
	}
	l.now = now // a deadline may have set it back
	for _, n := range g.Notices {
		if l.reached(n.First) {
			l.event(n.First, n.Typ, n.Reason, n.Message)
		}
	}
	if v.status.Ended() && !v.ended.IsZero() {
		l.next = time.Time{} // whatever its containers had planned
	}
	if !g.Deleted.IsZero() && l.reached(g.Deleted) {
		v.status = eci.Terminating
		for i := range v.containers {
			v.containers[i].ready = false
		}
		l.event(g.Deleted, "Normal", "Killing", "Stopping container")
		l.reached(g.Gone)
	}
	v.phase = phaseOf(v.status)
	if v.status == eci.Failed && !v.waits.IsZero() && g.RestartPolicy != "Never" {
		v.phase = "Pending" // as the vendor documents it for a group that was Pending too long
	}
	v.changed, v.from, v.until = l.last, l.last, l.next
	if v.from.After(now) {
		v.from = now
	}
	slices.SortStableFunc(l.events, func(a, b event) int { return a.First.Compare(b.First) })
	if over := len(l.events) - 50; over > 0 {
		l.events = l.events[over:]
	}
	v.events = l.events
	return v
}

// phaseOf is the pod phase that the vendor's table gives a status.
func phaseOf(s eci.Status) string {
	switch s {
	case eci.Running, eci.Terminating:
		return "Running"
	case eci.Succeeded:
		return "Succeeded"
	case eci.Failed, eci.Expired, eci.ScheduleFailed:
		return "Failed"
	}
	return "Pending"
}

func (g *group) life(l *timeline, t Timing) *view {
	if g.Pinned != "" {
		return g.pinnedLife(l)
	}
	v := &view{containers: waiting(len(g.Containers), "ContainerCreating"), inits: waiting(len(g.Inits), "PodInitializing")}
	if g.NoStock {
		v.status = eci.Scheduling
		if failed := g.Created.Add(t.NoStock); l.reached(failed) {
			v.status, v.ended = eci.ScheduleFailed, failed
			v.message = "Create ECI failed because the specified instance is out of stock. Zone " + g.Zone
			l.event(failed, "Warning", "NoStock", v.message)
		}
		return v
	}
	begin, pull := g.Created.Add(t.Schedule), t.Pull
	if !g.Restarted.IsZero() && l.reached(g.Restarted) {
		status, again := eci.Restarting, g.Restarted.Add(t.Restart)
		if g.Updating {
			status, again = eci.Updating, g.Restarted.Add(t.Update)
		}
		if !l.reached(again) {
			v.status, v.started = status, begin
			return v
		}
		begin, pull = again, 0 // the images are there
	}
	if !l.reached(begin) {
		v.status = eci.Scheduling
		return v
	}
	v.status, v.started = eci.Pending, begin
	overdue := false
	if g.Deadline > 0 {
		if end := begin.Add(g.Deadline); l.reached(end) {
			overdue = true
			l.now = end // nothing happens after it
		}
	}
	g.runAll(l, v, begin, pull)
	if v.status == eci.Pending && !v.waits.IsZero() && !overdue {
		if end := v.waits.Add(g.pendingLimit()); l.reached(end) {
			v.status, v.ended = eci.Failed, end
			v.message = "The container group was Pending for longer than " + g.pendingLimit().String()
		}
	}
	if v.status != eci.Failed || v.message == "" {
		v.waits = time.Time{}
	}
	if overdue && !v.status.Ended() {
		v.message = "The container group was active on the node longer than the specified deadline"
		g.kill(l, v, "DeadlineExceeded")
		v.status = eci.Failed
		l.event(l.now, "Warning", "DeadlineExceeded", v.message)
	}
	return v
}

// pendingLimit is how long a group may be Pending while none of its init containers runs.
// https://help.aliyun.com/zh/eci/user-guide/customize-the-maximum-pending-duration-of-the-eci-pod
func (g *group) pendingLimit() time.Duration {
	if g.MaxPending > 0 {
		return g.MaxPending
	}
	return 4 * time.Hour
}

// runAll runs the init containers one after the other and then the others at once.
func (g *group) runAll(l *timeline, v *view, begin time.Time, pull time.Duration) {
	at := begin
	for i := range g.Inits {
		policy := g.RestartPolicy
		if policy == "Always" {
			policy = "OnFailure" // an init container that succeeded is done
		}
		v.inits[i] = g.Inits[i].live(l, at, g.pull(&g.Inits[i], pull), policy)
		if !v.inits[i].final {
			v.containers = waiting(len(g.Containers), "PodInitializing")
			if v.inits[i].state.name != "Running" {
				v.waits = at
			}
			return
		}
		at = v.inits[i].endedAt
		if v.inits[i].state.exitCode != 0 {
			v.containers = waiting(len(g.Containers), "PodInitializing")
			v.status, v.ended = eci.Failed, at
			return
		}
	}
	v.initialized, v.waits = true, at
	running, failed, ended := false, false, at
	for i := range g.Containers {
		r := g.Containers[i].live(l, at, g.pull(&g.Containers[i], pull), g.RestartPolicy)
		v.containers[i] = r
		running = running || r.state.name == "Running" || r.previous.name != ""
		if r.final {
			running = true
			failed = failed || r.state.exitCode != 0 && g.Containers[i].lookup("ECI_CONTAINER_IGNORE_EXIT_CODE") != "true"
			if !g.Containers[i].helps() && r.endedAt.After(ended) {
				ended = r.endedAt
			}
		}
	}
	over := g.over(v)
	if over {
		g.endSidecars(v, ended)
	}
	switch {
	case over && failed:
		v.status, v.ended = eci.Failed, ended
	case over:
		v.status, v.ended = eci.Succeeded, ended
	case running:
		v.status = eci.Running
	}
}

// helps reports that the container does not keep its group from ending.
// https://help.aliyun.com/zh/eci/user-guide/declaring-container-types
func (c *container) helps() bool { return c.lookup("ECI_CONTAINER_TYPE") == "sidecar" }

// over reports that the containers which keep the group from ending have ended for good.
func (g *group) over(v *view) bool {
	kept := false
	for i := range g.Containers {
		if g.Containers[i].helps() {
			continue
		}
		kept = true
		if !v.containers[i].final {
			return false
		}
	}
	return kept || !slices.ContainsFunc(v.containers, func(r run) bool { return !r.final })
}

// endSidecars ends those that still run when the others have ended.
func (g *group) endSidecars(v *view, at time.Time) {
	for i := range v.containers {
		r := &v.containers[i]
		if r.final {
			continue
		}
		if r.state.name == "Running" {
			r.state.name, r.state.reason, r.state.finished = "Terminated", "Completed", at
		}
		r.final, r.ready, r.endedAt = true, false, at
	}
}

// pull is how long the container's image takes: a tenth where a cache has it.
func (g *group) pull(c *container, usual time.Duration) time.Duration {
	if slices.Contains(g.Cached, c.Image) {
		return usual / 10
	}
	return usual
}

// kill ends the group's containers at l.now.
func (g *group) kill(l *timeline, v *view, reason string) {
	v.ended = l.now
	for i := range v.containers {
		r := &v.containers[i]
		if r.state.name == "Running" {
			r.state.name, r.state.reason, r.state.exitCode, r.state.finished = "Terminated", reason, 137, l.now
		}
		r.ready = false
	}
}

func waiting(n int, reason string) []run {
	runs := make([]run, n)
	for i := range runs {
		runs[i].state = state{name: "Waiting", reason: reason}
	}
	return runs
}

// The kubelet's back-off between the restarts of a container. The first restart is at once
// there; a second keeps a script of no length from running without end at one moment.
const (
	firstRestart = time.Second
	backOff      = 10 * time.Second
	mostBackOff  = 5 * time.Minute
	resetBackOff = 10 * time.Minute // a run as long as this starts anew
)

// live is a container's life from when its image may be pulled up to now.
func (c *container) live(l *timeline, begin time.Time, pull time.Duration, policy string) run {
	r := run{state: state{name: "Waiting", reason: "ContainerCreating"}}
	l.event(begin, "Normal", "Pulling", fmt.Sprintf("Pulling image %q", c.Image))
	if !c.pullable() {
		if failed := begin.Add(pull); l.reached(failed) {
			message := fmt.Sprintf("Failed to pull image %q: not found", c.Image)
			l.event(failed, "Warning", "Failed", message)
			l.event(failed, "Warning", "BackOff", fmt.Sprintf("Back-off pulling image %q", c.Image))
			r.state.reason, r.state.message = "ImagePullBackOff", message
		}
		return r
	}
	start, quick := begin.Add(pull), 0 // quick: restarts since the last long run
	for n := 0; ; n++ {
		if !l.reached(start) {
			return r
		}
		if n == 0 {
			l.event(start, "Normal", "Pulled", fmt.Sprintf("Successfully pulled image %q", c.Image))
		} else {
			l.event(start, "Normal", "Pulled", fmt.Sprintf("Container image %q already present on machine", c.Image))
		}
		l.event(start, "Normal", "Created", "Created container "+c.Name)
		l.event(start, "Normal", "Started", "Started container "+c.Name)
		length, exitCode, forever := c.behaviour()
		r.restarts = n
		end := start.Add(length)
		if forever || !l.reached(end) {
			r.state = state{name: "Running", reason: "Started", started: start, number: n}
			readyAt, everReady := c.readyAt(start)
			r.ready = everReady && l.reached(readyAt)
			return r
		}
		over := state{name: "Terminated", reason: "Completed", exitCode: exitCode, started: start, finished: end, number: n}
		if exitCode != 0 {
			over.reason = "Error"
		}
		if policy == "Never" || policy == "OnFailure" && exitCode == 0 {
			r.state, r.final, r.endedAt = over, true, end
			return r
		}
		if length >= resetBackOff {
			quick = 0
		}
		delay := restartDelay(quick)
		quick++
		r.previous = over
		r.state = state{name: "Waiting", reason: "CrashLoopBackOff", message: fmt.Sprintf("Back-off %v restarting failed container=%s", delay, c.Name)}
		if delay >= backOff {
			l.event(end, "Warning", "BackOff", "Back-off restarting failed container "+c.Name)
		}
		start = end.Add(delay)
	}
}

// restartDelay is the wait before a restart that quick restarts came before.
func restartDelay(quick int) time.Duration {
	switch {
	case quick == 0:
		return firstRestart
	case quick > 5:
		return mostBackOff
	}
	return min(backOff<<(quick-1), mostBackOff)
}

// pinnedLife is a group that was seeded with a status: it keeps it.
func (g *group) pinnedLife(l *timeline) *view {
	since := g.PinnedSince
	v := &view{status: g.Pinned, started: since, initialized: true,
		containers: waiting(len(g.Containers), "ContainerCreating"), inits: make([]run, len(g.Inits))}
	l.reached(since)
	if g.Pinned.Ended() {
		v.ended = since
	}
	for i := range v.containers {
		r := &v.containers[i]
		switch g.Pinned {
		case eci.Running, eci.Terminating, eci.Updating:
			r.state, r.ready = state{name: "Running", reason: "Started", started: since}, g.Pinned == eci.Running
		case eci.Succeeded, eci.Failed, eci.Expired:
			r.state = state{name: "Terminated", reason: "Completed", started: g.Created, finished: since}
			if g.Pinned != eci.Succeeded {
				r.state.reason, r.state.exitCode = "Error", 1
			}
		}
	}
	if g.Pinned == eci.ScheduleFailed {
		v.message = "Create ECI failed because the specified instance is out of stock. Zone " + g.Zone
		l.event(since, "Warning", "NoStock", v.message)
	}
	return v
}
