package provider

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/eci"
)

// What one look at ECI costs: a page of the full listing has 20 groups, of the statuses 200.
const (
	idsPerQuery   = 20
	groupsPerPage = 20
	sinceSeconds  = 60  // the least that DescribeContainerGroupStatus takes
	maxDetails    = 200 // groups whose details are fetched a look, beyond those whose status changed
	// secondsPerPage spaces full listings: 2,000 groups are listed every 100 seconds.
	secondsPerPage = time.Second
	minFull        = 5 * time.Second
	// vanishedAfter is how long after the grace period a group counts as gone whose delete
	// was accepted and that no answer shows, though nothing else proves it.
	vanishedAfter = 30 * time.Second
	// listingLag is how long ECI's listings may not show a new group.
	listingLag = time.Minute
	// unseenAfter is how long a group must be missing before its pod says so.
	unseenAfter = time.Minute
	// quiet is how long nothing is told of a pod whose group is being made or is about to start:
	// one status later says that, and how it went where that was quick.
	quiet = time.Second
	// detailsAfter is how long the containers' ends may come after the group's.
	detailsAfter = 10 * time.Second
	// Between attempts whose groups could not be scheduled, which a create does not show.
	firstPause = 5 * time.Second
	maxPause   = 3 * time.Minute
)

// Recover finds the groups of pods that run already. It returns when a full listing
// succeeded, and tries until then: starting from a failed listing would create every pod a
// second time.
func (p *Provider) Recover(ctx context.Context) error {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		groups, err := p.list(ctx)
		if err == nil {
			p.recover(groups)
			return nil
		}
		p.log.WarnContext(ctx, "the node starts when its groups could be listed", "err", err, "pause", pause)
		if !pauseFor(ctx, pause) {
			return fmt.Errorf("listing the node's groups before the start: %w", err)
		}
	}
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// recover joins the groups with the pods of the lister. A pod with two groups keeps the one
// of its annotation, else the newest attempt; the other becomes an orphan.
func (p *Provider) recover(groups []eci.Group) {
	byUID := map[types.UID][]*eci.Group{}
	for i := range groups {
		if g := &groups[i]; p.owns(g) {
			uid := types.UID(g.Tags[eci.TagPodUID])
			byUID[uid] = append(byUID[uid], g)
		}
	}
	pods, _ := p.Pods.List(labels.Everything()) // a lister's List has no error of its own
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pod := range pods {
		var best *eci.Group
		for _, g := range byUID[pod.UID] {
			if best == nil || g.ID == pod.Annotations[eci.AnnotationInstanceID] ||
				best.ID != pod.Annotations[eci.AnnotationInstanceID] && eci.IdentityOf(g.Tags).Attempt > eci.IdentityOf(best.Tags).Attempt {
				best = g
			}
		}
		if best == nil {
			// The process before may have sent the first attempt, which nobody announces; that
			// group need not be in a listing yet.
			if !finished(pod.Status.Phase) {
				e := p.newEntry(pod)
				e.attempt = max(e.attempt, 1)
				p.queue.Add(pod.UID)
			}
			continue
		}
		e := p.newEntry(pod)
		e.attempt = max(e.attempt, eci.IdentityOf(best.Tags).Attempt)
		if best.Status == eci.ScheduleFailed {
			e.dead, e.ours = best.ID, true
			p.queue.Add(pod.UID)
		} else {
			e.groupID, e.group, e.born = best.ID, best, time.Now()
			p.wordsDue(e, nil, best)
		}
		p.outbox.Add(pod.UID)
	}
	p.log.Info("groups found", "groups", len(groups), "pods", len(p.entries))
}

func (p *Provider) list(ctx context.Context) ([]eci.Group, error) {
	groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{Tags: p.tags(), WithEvents: true})
	p.health.note(err)
	return groups, err
}

// poll looks at ECI: every second while something is about to change, else ever less often.
func (p *Provider) poll(ctx context.Context) {
	interval := p.PollMin
	var nextFull, lastLook time.Time
	for {
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-p.kick:
			timer.Stop()
			// Kicks come in bursts; one look serves them all.
			if since := time.Since(lastLook); since < p.PollMin && !pauseFor(ctx, p.PollMin-since) {
				return
			}
		case <-timer.C:
		}
		start := time.Now()
		var err error
		if start.After(nextFull) || start.Sub(lastLook) > (sinceSeconds-10)*time.Second {
			var pages int
			pages, err = p.lookAtAll(ctx)
			nextFull = time.Now().Add(max(minFull, time.Duration(pages)*secondsPerPage))
			if err != nil {
				nextFull = time.Time{}
			}
		} else {
			err = p.lookAtChanges(ctx)
		}
		if err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "looking at ECI", "err", err)
		}
		if err == nil {
			lastLook = start
		}
		if err == nil && p.unsettled() {
			interval = p.PollMin
		} else {
			interval = min(2*interval, p.PollMax)
		}
	}
}

// unsettled tells that something is expected to change, or changed lately.
func (p *Provider) unsettled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.entries {
		if !e.settled() || time.Since(e.changed) < 15*time.Second {
			return true
		}
	}
	return false
}

// lookAtAll reads every group of the node: the whole truth, and the only look that can
// tell that a group is missing.
func (p *Provider) lookAtAll(ctx context.Context) (pages int, err error) {
	start := time.Now()
	groups, err := p.list(ctx)
	if err != nil {
		return 0, fmt.Errorf("listing the node's groups: %w", err)
	}
	p.see(groups)
	present := map[string]bool{}
	for i := range groups {
		present[groups[i].ID] = true
	}
	var absent []string
	p.mu.Lock()
	for uid, e := range p.entries {
		if !e.removed && e.born.Before(start) && p.current(e) == nil {
			e.removed = true // nobody told of its end
			p.startDelete(e, e.pod)
		}
		switch {
		case e.groupID == "":
		case e.gone || present[e.groupID] || !e.born.Before(start) || !e.deleting && (e.failure != nil || e.group.Status.Ended()):
			e.unseen = time.Time{}
			if e.doubted {
				e.doubted = false
				p.outbox.Add(uid)
			}
		default:
			absent = append(absent, e.groupID)
			p.doubt(e)
		}
	}
	p.mu.Unlock()
	p.collectOrphans(ctx, groups)
	return (len(groups) + groupsPerPage - 1) / groupsPerPage, p.settleAbsent(ctx, absent)
}

// lookAtChanges reads which groups changed in the last minute, then those in detail.
func (p *Provider) lookAtChanges(ctx context.Context) error {
	rows, err := p.Cloud.GroupStatuses(ctx, eci.StatusQuery{Tags: p.tags(), SinceSeconds: sinceSeconds})
	p.health.note(err)
	if err != nil {
		return fmt.Errorf("reading what changed: %w", err)
	}
	var ids []string
	p.mu.Lock()
	byGroup := map[string]*entry{}
	for _, e := range p.entries {
		if e.groupID == "" || e.gone {
			continue
		}
		byGroup[e.groupID] = e
		if e.deleting {
			ids = append(ids, e.groupID)
		}
	}
	var recent []string
	for _, row := range rows {
		e := byGroup[row.ID]
		switch {
		case e == nil || e.deleting:
		case !reflect.DeepEqual(e.lastState, row):
			e.lastState = row
			ids = append(ids, row.ID)
		default:
			recent = append(recent, row.ID) // its containers may have changed
		}
	}
	p.mu.Unlock()
	ids = append(ids, recent[:min(len(recent), maxDetails)]...)

	var absent []string
	for chunk := range slices.Chunk(ids, idsPerQuery) {
		groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{IDs: chunk, WithEvents: true})
		p.health.note(err)
		if err != nil {
			return fmt.Errorf("reading changed groups: %w", err)
		}
		p.see(groups)
		for _, id := range chunk {
			if !slices.ContainsFunc(groups, func(g eci.Group) bool { return g.ID == id }) {
				absent = append(absent, id)
			}
		}
	}
	return p.settleAbsent(ctx, absent)
}

// see takes in what ECI says about groups of ours.
func (p *Provider) see(groups []eci.Group) {
	scarce := map[*entry]*shortage{} // those that failed for want of stock
	var news []relay
	defer func() {
		p.relay(news)
		for e, short := range scarce {
			if short != nil {
				p.say(e, short.said())
			}
			p.fallBack(e)
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range groups {
		g := &groups[i]
		uid := types.UID(g.Tags[eci.TagPodUID])
		e := p.entries[uid]
		if e == nil || e.groupID == "" || e.groupID != g.ID || !p.owns(g) {
			continue
		}
		if e.group != nil && reflect.DeepEqual(e.group, g) {
			continue
		}
		if was := e.group; p.Metrics != nil && was != nil && g.Status == eci.Running && (was.Status == eci.Scheduling || was.Status == eci.Pending) {
			p.Metrics.started.Observe(time.Since(e.pod.CreationTimestamp.Time).Seconds())
		}
		p.wordsDue(e, e.group, g)
		e.group, e.changed = g, time.Now()
		news = append(news, e.news(p.started)...)
		if g.Status != eci.Scheduling && g.Status != eci.ScheduleFailed {
			spec := ""
			if e.ordered != nil {
				spec = e.ordered.spec
			}
			if p.stock.placed(g.VSwitchID, g.ZoneID, spec) {
				p.restocked()
			}
		}
		switch {
		case e.deleting:
			p.queue.Add(uid)
		case g.Status == eci.ScheduleFailed:
			// Nothing ran and nothing is paid: the next attempt follows after a pause.
			_, reason, message := phase(e.pod, g)
			if e.settings.FailFast {
				e.failure = &Note{ReasonScheduleFailed, message}
				p.outbox.Add(uid)
				continue
			}
			e.waiting = &Note{reason, message}
			e.dead, e.groupID, e.group = g.ID, "", nil
			e.deaths++
			wait := min(firstPause<<min(e.deaths-1, 10), maxPause)
			if reason == ReasonNoStock {
				scarce[e] = nil
				if e.ordered != nil {
					short := p.stock.refused(e.ordered, Note{reason, message})
					why := short.status()
					scarce[e], e.waiting, e.held = short, &why, true
					wait = max(wait, time.Until(short.until))
				}
			}
			e.pause = time.Now().Add(wait)
			p.queue.AddAfter(uid, wait)
		}
		p.outbox.Add(uid)
	}
}

// settleAbsent decides about groups that an answer did not contain.
func (p *Provider) settleAbsent(ctx context.Context, ids []string) error {
	p.mu.Lock()
	for _, e := range p.entries {
		if !e.deleting && time.Since(e.born) < listingLag {
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == e.groupID })
		}
	}
	p.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	gone, err := p.provenGone(ctx, ids)
	if err != nil {
		return err
	}
	var failed []*entry
	p.mu.Lock()
	for uid, e := range p.entries {
		if !slices.Contains(ids, e.groupID) || e.gone {
			continue
		}
		switch {
		case gone[e.groupID]:
			e.gone = true
			if e.deleting {
				p.queue.Add(uid)
			} else {
				failed = append(failed, e)
			}
		case e.deleting && e.accepted && time.Now().After(e.deleteBy.Add(vanishedAfter)):
			e.gone = true // deletes are accepted, no answer shows it, and its time is long over
			p.queue.Add(uid)
		case e.deleting && e.accepted:
			// Delete once more, which says NotFound where it is gone.
			e.accepted = false
			p.queue.Add(uid)
		}
	}
	p.mu.Unlock()
	for _, e := range failed {
		p.fail(e, goneNote(e.groupID))
	}
	return nil
}

// provenGone asks for the groups by id, each time together with another group that is
// known to be there. ECI answers an unknown id and a missing right alike, with nothing:
// only an answer that shows the witness proves that the others are gone. The witness is a
// group of ours, else one of the same vSwitch: a vSwitch belongs to one account and region,
// so credentials of another account show none.
func (p *Provider) provenGone(ctx context.Context, ids []string) (map[string]bool, error) {
	gone := map[string]bool{}
	for chunk := range slices.Chunk(ids, idsPerQuery-1) {
		witness, err := p.witness(ctx, ids)
		if witness == "" {
			return gone, err
		}
		groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{IDs: append(slices.Clone(chunk), witness)})
		if err != nil {
			return nil, fmt.Errorf("asking for groups by id: %w", err)
		}
		present := map[string]bool{}
		for i := range groups {
			present[groups[i].ID] = true
		}
		if !present[witness] {
			p.region.forget()
			continue
		}
		for _, id := range chunk {
			gone[id] = !present[id]
		}
	}
	return gone, nil
}

// tell writes the pod's status, if it differs from what the API server has, and with it the
// annotations that name its group and rank it: one write carries all.
func (p *Provider) tell(ctx context.Context, uid types.UID) error {
	p.mu.Lock()
	e := p.entries[uid]
	if e == nil || !p.serving || e.removed {
		p.mu.Unlock()
		return nil
	}
	group, refusal, failure, waiting, doubted := e.group, e.refusal, e.failure, e.waiting, e.doubted
	changed := e.changed
	cached := p.current(e)
	pod := cached
	if e.told != nil && cached == e.over {
		pod = e.told
	} else {
		e.told, e.over = nil, nil
	}
	p.mu.Unlock()
	if pod == nil {
		return nil
	}
	missing := missingAnnotations(pod, group)
	if finished(pod.Status.Phase) {
		return p.annotate(ctx, pod, missing) // what was said of its end is final
	}
	if early := detailsAfter - time.Since(changed); early > 0 && group != nil && contradictory(group) {
		p.outbox.AddAfter(uid, early)
		return p.annotate(ctx, pod, missing) // the first terminal status is final, and has to have the exit codes
	}
	starting := group == nil || group.Status == eci.Scheduling || group.Status == eci.Pending
	nothing := starting && refusal == nil && failure == nil && waiting == nil
	if soon := quiet - time.Since(e.met); nothing && soon > 0 {
		p.outbox.AddAfter(uid, soon)
		return nil
	}
	var status corev1.PodStatus
	switch now := time.Now(); {
	case refusal != nil:
		status = refusedStatus(pod, refusal, now)
	case failure != nil:
		status = failedStatus(pod, failure.Reason, failure.Message, now)
	case waiting != nil && pod.Status.Phase != corev1.PodRunning:
		status = waitingStatus(pod, waiting.Reason, waiting.Message, now)
	case group != nil || pod.Status.Phase != corev1.PodRunning:
		status = Status(pod, group, now)
	default:
		status = *pod.Status.DeepCopy() // it ran, and its group is being looked for
	}
	if doubted && failure == nil {
		n := unseenNote(pod)
		p.say(e, n)
		visible(&status, corev1.ConditionFalse, n.Reason, n.Message, pod.Generation)
	} else if c := condition(&status, ConditionGroupVisible); c != nil && c.Status == corev1.ConditionFalse && failure != nil {
		visible(&status, corev1.ConditionFalse, failure.Reason, failure.Message, pod.Generation)
	} else if c != nil {
		visible(&status, corev1.ConditionTrue, "GroupSeen", "", pod.Generation)
	}
	version := ""
	if c := condition(&status, corev1.PodReady); c != nil && c.Status == corev1.ConditionTrue {
		if cost := deletionCost(pod, group); cost != "" {
			missing[corev1.PodDeletionCost] = cost
			version = pod.ResourceVersion // nothing is written over a value that somebody sets meanwhile
		}
	}
	if len(missing) == 0 && apiequality.Semantic.DeepEqual(pod.Status, status) {
		return nil
	}
	told, err := patchStatus(ctx, p.Client.CoreV1().Pods(pod.Namespace), pod, status, missing, version)
	switch {
	case err == nil && told != pod: // it was written
		told.ManagedFields = nil
		p.mu.Lock()
		e.told, e.over = told, cached
		p.mu.Unlock()
	case err == nil:
	case apierrors.IsNotFound(err):
		return nil // the informer tells what becomes of it
	case apierrors.IsConflict(err):
		// Somebody wrote the pod, or another one has its name by now: the informer shows it soon.
		p.outbox.AddAfter(uid, 100*time.Millisecond)
		return nil
	default:
		return fmt.Errorf("writing the pod's status: %w", err)
	}
	return nil
}

// missingAnnotations say which group runs the pod and what it was rounded up to, as far as
// the pod does not say it yet.
func missingAnnotations(pod *corev1.Pod, g *eci.Group) map[string]string {
	if g == nil {
		return map[string]string{}
	}
	want := map[string]string{eci.AnnotationInstanceID: g.ID}
	if g.ZoneID != "" {
		want[eci.AnnotationZone] = g.ZoneID
	}
	if g.CPU > 0 && g.Memory > 0 {
		cpu, memory := decimal(g.CPU), decimal(g.Memory)
		want[annotationInstanceCPU], want[annotationInstanceMemory] = cpu, memory
		want[eci.AnnotationInstanceSpec] = cpu + "-" + memory + "Gi"
	}
	if g.InstanceType != "" {
		want[eci.AnnotationInstanceSpec] = g.InstanceType
	}
	for key, value := range want {
		if pod.Annotations[key] == value {
			delete(want, key)
		}
	}
	return want
}

// annotate writes annotations that no status goes with.
func (p *Provider) annotate(ctx context.Context, pod *corev1.Pod, missing map[string]string) error {
	if len(missing) == 0 {
		return nil
	}
	err := patchAnnotations(ctx, p.Client.CoreV1().Pods(pod.Namespace), pod, missing)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // another pod has the name by now
	}
	if err != nil {
		return fmt.Errorf("writing the group's id on the pod: %w", err)
	}
	return nil
}

// decimal writes 2 as 2.0, as ACK does.
func decimal(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if v == float64(int64(v)) {
		s += ".0"
	}
	return s
}
