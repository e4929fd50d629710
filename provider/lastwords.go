package provider

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/lastwords"
)

// LastWords keeps how pods ended; *lastwords.Store is one.
type LastWords interface {
	// Keep writes a record over that of the same pod and returns when it is written.
	Keep(context.Context, lastwords.Record) error
	// Of is the record of a pod by its UID; nil: there is none.
	Of(ctx context.Context, namespace, uid string) (*lastwords.Record, error)
}

// What keeping an end may cost.
const (
	// logReads is how many logs are read a minute to keep them: ECI gives 500, and who runs
	// kubectl logs comes first. Beyond it a record is kept without a log, and says so.
	logReads = 200
	// wordsWithin is the most that a deletion waits for its last words.
	wordsWithin = 3 * time.Second
	// restartsEvery is how often the failures of one pod are kept that goes on.
	restartsEvery = 5 * time.Minute
)

// keptWords is what was kept of an entry's group. Provider.mu guards it.
type keptWords struct {
	due   lastwords.Why // what the worker is to keep; "": nothing
	final bool          // its end is kept
	first bool          // it is kept, or was tried, before its group was deleted
	at    time.Time     // of the last restart that was kept
}

// An allowance is so many calls in any minute.
type allowance struct {
	mu   sync.Mutex
	past []time.Time
}

// take reports that n more calls are within the limit, and counts them.
func (a *allowance) take(n, limit int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.past = slices.DeleteFunc(a.past, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(a.past)+n > limit {
		return false
	}
	for range n {
		a.past = append(a.past, now)
	}
	return true
}

// wordsDue has an end, or a failure that a container outlives, kept: now is what ECI shows of
// the entry's group, and was what it showed before. It needs p.mu.
func (p *Provider) wordsDue(e *entry, was, now *eci.Group) {
	if p.LastWords == nil || e.deleting || e.kept.final {
		return
	}
	switch {
	case now.Status.Ended() && now.Status != eci.ScheduleFailed:
		e.kept.due = lastwords.Ended
	case was != nil && failedAgain(was, now) && time.Since(e.kept.at) >= restartsEvery:
		e.kept.due, e.kept.at = lastwords.Restarted, time.Now()
	default:
		return
	}
	p.words.Add(e.uid)
}

// failedAgain tells that a container has failed since and was started again.
func failedAgain(was, now *eci.Group) bool {
	for i := range now.Containers {
		c := &now.Containers[i]
		if old := find(was.Containers, c.Name); old != nil && c.RestartCount > old.RestartCount && (c.Previous.ExitCode != 0 || c.Current.ExitCode != 0) {
			return true
		}
	}
	return false
}

// wordsLost has kept what is known of a group that is gone. It needs p.mu.
func (p *Provider) wordsLost(e *entry) {
	if p.LastWords != nil && !e.kept.final && e.group != nil {
		e.kept.due = lastwords.Gone
		p.words.Add(e.uid)
	}
}

// keepWords keeps what is due of a pod.
func (p *Provider) keepWords(ctx context.Context, uid types.UID) error {
	p.mu.Lock()
	e := p.entries[uid]
	if e == nil || e.kept.due == "" || e.deleting {
		p.mu.Unlock()
		return nil
	}
	why, group, pod, changed := e.kept.due, e.group, e.pod, e.changed
	p.mu.Unlock()
	if early := detailsAfter - time.Since(changed); early > 0 && why == lastwords.Ended && contradictory(group) {
		p.words.AddAfter(uid, early) // the exit codes come
		return nil
	}
	if old, err := p.LastWords.Of(ctx, pod.Namespace, string(uid)); err == nil && old != nil && old.Group == group.ID && old.Why.Final() && why != lastwords.Gone {
		p.wordsKept(e, why) // by the process before this one
		return nil
	}
	record := p.recordOf(pod, group, why)
	if why == lastwords.Gone {
		record.Missing = append(record.Missing, "the log: the group was gone before it could be read")
	} else {
		p.readLogs(ctx, &record)
	}
	if err := p.keep(ctx, e, record); err != nil {
		if p.words.NumRequeues(uid) >= 5 {
			return nil // it was said, and the next end may be kept again
		}
		return err
	}
	p.wordsKept(e, why)
	return nil
}

func (p *Provider) wordsKept(e *entry, why lastwords.Why) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.kept.due == why {
		e.kept.due = ""
	}
	e.kept.final = e.kept.final || why.Final()
}

// wordsBefore keeps the last words of a pod that is deleted: before its group is deleted, when
// they can be read for certain, and once more when its containers have ended, with how. The
// deletion waits for it a few seconds at the most and never fails by it.
func (p *Provider) wordsBefore(ctx context.Context, e *entry, ended bool) {
	p.mu.Lock()
	due := p.LastWords != nil && !e.kept.final && e.group != nil && (ended || !e.kept.first)
	e.kept.first = true
	group, pod := e.group, e.pod
	p.mu.Unlock()
	if !due || group.Status == eci.Scheduling {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wordsWithin)
	defer cancel()
	why := lastwords.Deleted
	if group.Status.Ended() {
		why = lastwords.Ended
	}
	record := p.recordOf(pod, group, why)
	p.readLogs(ctx, &record)
	if _ = p.keep(ctx, e, record); ended { // it was said, and there is nothing more to come
		p.wordsKept(e, why)
	}
}

// wordsOfOrphan keeps what is known of a group whose pod is gone, before it is deleted.
func (p *Provider) wordsOfOrphan(ctx context.Context, g *eci.Group) {
	id := eci.IdentityOf(g.Tags)
	if p.LastWords == nil || g.Status == eci.Scheduling || g.Status == eci.ScheduleFailed || probes(g) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wordsWithin)
	defer cancel()
	if old, err := p.LastWords.Of(ctx, id.Namespace, id.PodUID); err == nil && old != nil && old.Group == g.ID && old.Why.Final() {
		return
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: id.Namespace, Name: id.PodName, UID: types.UID(id.PodUID)}}
	record := p.recordOf(pod, g, lastwords.Orphaned)
	p.readLogs(ctx, &record)
	if err := p.LastWords.Keep(ctx, record); err != nil {
		p.log.WarnContext(ctx, "the last words of a group without a pod are not kept", "group", g.ID, "err", err)
	}
}

// keep writes a record; an error is said on the pod, once.
func (p *Provider) keep(ctx context.Context, e *entry, r lastwords.Record) error {
	err := p.LastWords.Keep(ctx, r)
	if err != nil {
		p.say(e, Note{"LastWordsNotKept", "how the pod ended can't be kept beyond its container group: " + err.Error()})
	}
	return err
}

// recordOf is what a group says of its end, without the logs.
func (p *Provider) recordOf(pod *corev1.Pod, g *eci.Group, why lastwords.Why) lastwords.Record {
	r := lastwords.Record{Namespace: pod.Namespace, Pod: pod.Name, UID: string(pod.UID), Node: p.Placement.NodeName, Group: g.ID,
		At: time.Now().UTC().Truncate(time.Second), Why: why}
	if owner := metav1.GetControllerOf(pod); owner != nil {
		r.Owner = owner.Kind + "/" + owner.Name
	}
	status, reason, message := phase(pod, withoutSidecars(pod, g))
	r.Phase, r.Reason, r.Message = string(status), reason, message
	if why == lastwords.Gone {
		note := goneNote(g.ID)
		r.Phase, r.Reason, r.Message = string(corev1.PodFailed), note.Reason, note.Message
	}
	if r.Reason == "" {
		r.Reason, r.Message = pod.Status.Reason, pod.Status.Message
	}
	for _, list := range []struct {
		containers []eci.Container
		init       bool
	}{{g.InitContainers, true}, {g.Containers, false}} {
		for i := range list.containers {
			c := &list.containers[i]
			s := c.Current
			if s.State == "Waiting" && c.Previous.State == "Terminated" {
				s = c.Previous // between two runs: how the last one ended says more
			}
			r.Containers = append(r.Containers, lastwords.Container{Name: c.Name, Init: list.init, State: s.State, Reason: cmp.Or(s.Reason, s.DetailStatus), Message: s.Message,
				ExitCode: s.ExitCode, Signal: s.Signal, Restarts: c.RestartCount, Started: s.Started.UTC(), Finished: s.Finished.UTC()})
		}
	}
	for i := range g.Events {
		e := &g.Events[i]
		r.Events = append(r.Events, lastwords.Event{Type: e.Type, Reason: e.Reason, Message: e.Message, Count: e.Count, Last: e.Last.UTC()})
	}
	slices.SortStableFunc(r.Events, func(a, b lastwords.Event) int { return a.Last.Compare(b.Last) })
	return r
}

// readLogs adds the last lines of every container that ran; what can't be read is named.
func (p *Provider) readLogs(ctx context.Context, r *lastwords.Record) {
	read := func(c *lastwords.Container, previous bool) string {
		if !p.reads.take(1, logReads) {
			r.Missing = append(r.Missing, "the log of "+c.Name+": too many pods ended at once")
			return ""
		}
		lines := lastwords.Lines
		text, err := p.Cloud.Log(ctx, eci.LogRequest{GroupID: r.Group, Container: c.Name, Tail: &lines, Timestamps: true, Previous: previous})
		if err != nil {
			r.Missing = append(r.Missing, fmt.Sprintf("the log of %s: %s", c.Name, words(err)))
		}
		return text
	}
	for i := range r.Containers {
		c := &r.Containers[i]
		if c.State == "" || c.State == "Waiting" && c.Restarts == 0 || c.Name == proxyName {
			continue
		}
		c.Log = read(c, false)
		c.Cut = strings.Count(c.Log, "\n") >= lastwords.Lines
		if c.Restarts > 0 {
			c.Previous = read(c, true)
			c.PreviousCut = strings.Count(c.Previous, "\n") >= lastwords.Lines
		}
	}
}

// keptLog is the log of a pod whose group is gone, and whether it is kept. A line at its start
// says what is missing.
func (p *Provider) keptLog(ctx context.Context, namespace, name, container string, o api.ContainerLogOpts, none bool) (io.ReadCloser, bool) {
	pod, err := p.Pods.Pods(namespace).Get(name)
	if err != nil || p.LastWords == nil || !finished(pod.Status.Phase) && pod.DeletionTimestamp == nil {
		return nil, false
	}
	record, err := p.LastWords.Of(ctx, namespace, string(pod.UID))
	if err != nil || record == nil {
		return nil, false
	}
	c := record.Container(container)
	if c == nil || o.Previous && c.Previous == "" || !o.Previous && c.Log == "" && c.Started.IsZero() {
		return nil, false
	}
	wanted := lastwords.Selection{Previous: o.Previous, Timestamps: o.Timestamps, Tail: -1, Since: o.SinceTime}
	if o.Tail > 0 || none {
		wanted.Tail = o.Tail
	}
	if o.SinceSeconds > 0 {
		wanted.Since = time.Now().Add(-time.Duration(o.SinceSeconds) * time.Second)
	}
	text, cut := c.Select(wanted)
	if cut {
		text = fmt.Sprintf("[ecideck-node: the group is gone, and of its log only the end was kept at %s]\n", record.At.Format(time.RFC3339)) + text
	}
	return io.NopCloser(strings.NewReader(limitBytes(text, o.LimitBytes))), true
}
