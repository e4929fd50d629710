package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// sync brings one pod's group to what is wanted. The queue runs it for a pod in one
// goroutine at a time.
func (p *Provider) sync(ctx context.Context, uid types.UID) error {
	p.mu.Lock()
	e := p.entries[uid]
	if e == nil {
		p.mu.Unlock()
		return nil
	}
	e.busy = true
	deleting := e.deleting
	p.mu.Unlock()

	var err error
	if deleting {
		err = p.syncDelete(ctx, e)
	} else {
		err = p.syncCreate(ctx, e)
	}

	p.mu.Lock()
	e.busy = false
	if e.deleting && !deleting {
		p.queue.Add(uid) // it was deleted while its create was in flight
		err = nil
	}
	p.mu.Unlock()
	return err
}

// syncCreate makes the pod's group, unless there is one or may be one.
func (p *Provider) syncCreate(ctx context.Context, e *entry) error {
	pod := p.current(e)
	if pod == nil || pod.DeletionTimestamp != nil || finished(pod.Status.Phase) {
		return nil // the informer and Virtual Kubelet tell what becomes of it
	}
	p.mu.Lock()
	done := e.groupID != "" || e.refusal != nil || e.failure != nil
	// An attempt that another process announced, or whose call had no answer, may have made
	// a group.
	search := e.dead == "" && e.unknown()
	attempt, dead, request, pause, mismatched := e.attempt, e.dead, e.request, time.Until(e.pause), e.mismatched
	waiting, degrade, held := e.waiting, e.degrade, e.held
	p.mu.Unlock()
	if done {
		return nil
	}
	if dead != "" && waiting != nil && !held {
		p.say(e, *waiting)
	}
	if pause > 0 {
		p.queue.AddAfter(pod.UID, pause)
		return nil
	}
	if search {
		found, err := p.search(ctx, e, pod)
		if found || err != nil {
			return err
		}
	}
	giveUp := false
	if !mismatched.IsZero() && time.Since(mismatched) >= tokenPatience {
		var err error
		if giveUp, err = p.seesOthers(ctx); err != nil {
			return err
		}
	}
	if attempt == 0 || dead != "" || giveUp || degrade {
		attempt++
		request = nil
	}
	if request == nil {
		var err error
		if request, attempt, err = p.request(ctx, e, pod, attempt); request == nil {
			return err
		}
	}
	if err := p.announce(ctx, e, pod, attempt); err != nil {
		return err
	}
	if dead != "" {
		if err := p.Cloud.DeleteGroup(ctx, dead); err != nil && !eci.IsNotFound(err) {
			// It costs nothing, ECI forgets it after a day, and until then it is an orphan.
			p.log.WarnContext(ctx, "deleting a group that could not be scheduled", "group", dead, "err", err)
		}
		p.mu.Lock()
		e.dead = ""
		p.mu.Unlock()
	}
	return p.create(ctx, e, request)
}

// tokenPatience is how long ECI must say that a token was used with other parameters while
// no group with the pod's tags is to be found, before the token is given up: the group of
// that token has ended and been deleted. An answer that shows no other group either proves
// nothing, and the token is kept: giving it up would pay for a second group.
const tokenPatience = 2 * time.Minute

// request builds the create request and says of which attempt it is; nil without an error
// means that the pod was refused, or waits for stock.
func (p *Provider) request(ctx context.Context, e *entry, pod *corev1.Pod, attempt int) (*eci.CreateRequest, int, error) {
	pod, where, err := p.resolver.profiled(ctx, pod, p.Placement)
	if err != nil {
		var broken *Missing
		if errors.As(err, &broken) {
			p.say(e, Note{broken.EventReason, broken.Message})
			p.wait(e, Note{"CreateContainerConfigError", broken.Message})
		}
		return nil, 0, err
	}
	p.mu.Lock()
	e.settings = placement.ReadSettings(pod)
	if e.degraded {
		pod = placement.WithoutSpot(pod)
	}
	p.mu.Unlock()
	ordered, attempt := p.order(e, where.beside(pod), where, attempt)
	if ordered == nil {
		return nil, 0, nil
	}
	data, err := p.resolver.resolve(ctx, pod)
	if err != nil {
		if !apierrors.IsNotFound(err) { // such as a service account that is about to be made
			return nil, 0, err
		}
		p.wait(e, Note{"CreateContainerConfigError", err.Error()})
		return nil, 0, err
	}
	if err := p.resolver.withProxyFiles(ctx, pod, where, &data); err != nil {
		p.wait(e, Note{"CreateContainerConfigError", err.Error()})
		return nil, 0, err
	}
	request, notes, err := Build(pod, data, where, attempt)
	for _, n := range notes {
		p.say(e, n)
	}
	var refusal *Refusal
	var missing *Missing
	switch {
	case errors.As(err, &refusal):
		p.refuse(e, refusal)
		return nil, 0, nil
	case errors.As(err, &missing):
		p.say(e, Note{missing.EventReason, missing.Message})
		p.wait(e, Note{"CreateContainerConfigError", missing.Message})
		return nil, 0, err
	case err == nil && ordered.vswitches[0] != byDefault:
		request.VSwitchId = strings.Join(ordered.vswitches, ",")
	}
	return request, attempt, err
}

// order asks the stock what may be asked for; nil: nothing now, and the pod waits. A pod that
// can't run here is never kept waiting, and one that fails fast asks ECI itself: its failure
// is final. Another list of vSwitches than the attempt was sent with is another attempt, since
// a token belongs to its parameters.
func (p *Provider) order(e *entry, pod *corev1.Pod, where Placement, attempt int) (*order, int) {
	settings := placement.ReadSettings(pod)
	size, _ := placement.SizeOf(pod, where.Region) // what has no size is refused by Build
	spec, vswitches := specOf(size.Spec(), &settings.Request), where.VSwitchIDs
	if ids := settings.Request.VSwitchId; ids != "" {
		vswitches = strings.Split(ids, ",")
	}
	ordered, short := p.stock.admit(e.uid, spec, vswitches)
	if short != nil && !settings.FailFast && placement.First(placement.Check(pod, where.Region)) == nil {
		p.hold(e, short)
		return nil, attempt
	}
	if ordered == nil {
		ordered = &order{spec: spec, vswitches: vswitches}
		if len(vswitches) == 0 {
			ordered.vswitches = []string{byDefault}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.ordered != nil && e.attempt == attempt && !slices.Equal(e.ordered.vswitches, ordered.vswitches) {
		attempt++
	}
	e.ordered = ordered
	return ordered, attempt
}

// OutOfStock says what ECI lacks for the pod at this moment in every vSwitch that it may go to
// (stock, addresses, quota, balance), as far as this process has found out; "" when nothing is
// known to be lacking. It asks ECI nothing; the pod's size is that of Sized.
func (p *Provider) OutOfStock(pod *corev1.Pod) string {
	pod, where := p.sized(pod)
	settings := placement.ReadSettings(pod)
	size, _ := placement.SizeOf(pod, where.Region) // without a size it is refused elsewhere
	vswitches := where.VSwitchIDs
	if ids := settings.Request.VSwitchId; ids != "" {
		vswitches = strings.Split(ids, ",")
	}
	return p.stock.lacking(specOf(size.Spec(), &settings.Request), vswitches)
}

// hold lets the pod wait for stock, until the next try is due or another pod was served.
func (p *Provider) hold(e *entry, short *shortage) {
	p.mu.Lock()
	e.held = true
	p.mu.Unlock()
	p.say(e, short.said())
	p.wait(e, short.status())
	p.queue.AddAfter(e.uid, max(time.Until(short.until), time.Second))
}

// restocked lets the pods go on that wait for stock. It needs p.mu.
func (p *Provider) restocked() {
	for uid, e := range p.entries {
		if e.held {
			e.held, e.pause = false, time.Time{}
			p.queue.Add(uid)
		}
	}
}

// announce writes the attempt on the pod before the call, so that whoever comes after this
// process repeats the same token. The first needs no writing: whoever finds a pod without an
// attempt takes it for sent (recover).
func (p *Provider) announce(ctx context.Context, e *entry, pod *corev1.Pod, attempt int) error {
	if max(attemptOf(pod), 1) != attempt || pod.Annotations[eci.AnnotationInstanceID] != "" {
		err := patchAnnotations(ctx, p.Client.CoreV1().Pods(pod.Namespace), pod, map[string]string{
			eci.AnnotationAttempt: strconv.Itoa(attempt), eci.AnnotationInstanceID: ""})
		if err != nil {
			return fmt.Errorf("announcing attempt %d: %w", attempt, err)
		}
	}
	p.mu.Lock()
	if e.attempt != attempt {
		e.mismatched = time.Time{}
	}
	e.attempt, e.ours, e.degrade = attempt, true, false
	p.mu.Unlock()
	return nil
}

// create makes the call and weighs its answer.
func (p *Provider) create(ctx context.Context, e *entry, request *eci.CreateRequest) error {
	p.mu.Lock()
	if e.deleting {
		p.mu.Unlock()
		return nil
	}
	e.request = request // from here on a group may exist
	p.mu.Unlock()

	id, err := p.Cloud.CreateGroup(ctx, request)
	if err == nil {
		p.adopt(e, &eci.Group{ID: id, Status: eci.Scheduling})
		p.log.InfoContext(ctx, "group created", "pod", e.namespace+"/"+e.name, "group", id)
		return nil
	}
	why, fate := weigh(err)
	if fate != unknownFate && !scarce(why) {
		p.stock.leave(e.uid)
	}
	p.mu.Lock()
	ordered := e.ordered
	switch fate {
	case noGroup, never:
		e.request = nil
	case otherParameters:
		e.request = nil
		if e.mismatched.IsZero() {
			e.mismatched = time.Now()
		}
	}
	p.mu.Unlock()
	if fate == never {
		p.refuse(e, &Refusal{"CreateContainerGroup", why.Message, "correct the pod or the node's settings and create it again"})
		return nil
	}
	if p.failsFast(e) && fate == noGroup && why.Reason != "Throttled" {
		p.fail(e, Note{ReasonScheduleFailed, why.Message})
		return nil
	}
	if fate == noGroup && eci.IsNoStock(err) && p.fallBack(e) {
		p.say(e, why)
		p.wait(e, why)
		return err
	}
	if fate == noGroup && scarce(why) && ordered != nil {
		p.hold(e, p.stock.refused(ordered, why))
		p.log.InfoContext(ctx, "ECI has nothing for the pod now", "pod", e.namespace+"/"+e.name, "err", err)
		return nil
	}
	p.say(e, why)
	p.wait(e, why)
	return err
}

// Reasons of a pod that waits for something that other pods wait for as well.
const (
	reasonQuota     = "QuotaExceeded"
	reasonNoAddress = "NoAddress"
	reasonArrears   = "Arrears"
)

// scarce tells that ECI refused for want of something that other pods will lack as well.
func scarce(why Note) bool {
	switch why.Reason {
	case ReasonNoStock, reasonQuota, reasonNoAddress, reasonArrears:
		return true
	}
	return false
}

// ReasonScheduleFailed is ACK's reason of a pod that fails because its group can't be had.
const ReasonScheduleFailed = "ContainerInstanceScheduleFailed"

// failsFast tells that the pod asks to fail rather than to wait for its group.
func (p *Provider) failsFast(e *entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.settings.FailFast
}

// fallBack lets the next attempt pay as it goes, if the pod asks for that where spot has no
// stock, and tells whether it does.
func (p *Provider) fallBack(e *entry) bool {
	p.mu.Lock()
	due := e.settings.SpotFallback && !e.degraded && e.settings.Request.SpotStrategy != "" && e.settings.Request.SpotStrategy != "NoSpot"
	if due {
		e.degraded, e.degrade = true, true
	}
	p.mu.Unlock()
	if due {
		p.say(e, Note{"SpotDegraded", "spot instances are out of stock; the group is paid as you go, as the annotation k8s.aliyun.com/eci-spot-fallback allows"})
	}
	return due
}

// A fate is what a failed create leaves behind.
type fate int

const (
	unknownFate     fate = iota // perhaps a group
	noGroup                     // certainly none; the same call may succeed later
	never                       // certainly none; the same call will never succeed
	otherParameters             // the token was used before, with other parameters
)

// weigh puts a failed create into words and says what it leaves behind.
func weigh(err error) (Note, fate) {
	why, fate := weighLast(err)
	var api *eci.Error
	if errors.As(err, &api) && api.Uncertain && fate != otherParameters {
		fate = unknownFate // this try made no group, and an earlier one may have
	}
	return why, fate
}

// words is an error as ECI words it, without the request id, which is another each time.
func words(err error) string {
	var api *eci.Error
	if !errors.As(err, &api) || api.Code == "" {
		return err.Error()
	}
	return api.Message + " (" + api.Code + ")"
}

func weighLast(err error) (Note, fate) {
	words := words(err)
	var api *eci.Error
	if !errors.As(err, &api) || api.Code == "" {
		return Note{"CloudUnreachable", "ECI gave no answer, the create is repeated: " + words}, unknownFate
	}
	switch {
	case eci.IsNoStock(err):
		return Note{ReasonNoStock, "no capacity in the zones asked for, it is tried again: " + words}, noGroup
	case eci.IsQuotaExceeded(err):
		return Note{reasonQuota, "the account's quota is used up, it is tried again; ask for more in the quota center: " + words}, noGroup
	case eci.IsNoAddress(err):
		return Note{reasonNoAddress, "the vSwitch has no free address, it is tried again; add a vSwitch to --vswitch-ids: " + words}, noGroup
	case eci.IsThrottled(err):
		return Note{"Throttled", "ECI limits the rate of calls, it is tried again: " + words}, noGroup
	case eci.IsForbidden(err):
		return Note{"Forbidden", "the credentials lack a right, it is tried again; grant eci:CreateContainerGroup: " + words}, noGroup
	case strings.HasPrefix(api.Code, "Account.Arrearage"), strings.HasSuffix(api.Code, "InsufficientBalance"):
		return Note{reasonArrears, "the account can't pay, it is tried again: " + words}, noGroup
	case strings.HasPrefix(api.Code, "IdempotentParameterMismatch"):
		return Note{"TokenReused", "an earlier create of this pod is looked for; if it never shows, delete the pod and create it again: " + words}, otherParameters
	case eci.CauseOf(err) == eci.CauseNode:
		return Note{"NodeSettings", "the virtual node's own settings do not fit, it is tried again; correct the flags of ecideck-node or the pod's annotations: " + words}, noGroup
	case strings.HasSuffix(api.Code, "IncorrectStatus"): // an image cache that is still being made, a disk in use
		return Note{"NotReadyYet", "something that the pod needs is not ready, it is tried again: " + words}, noGroup
	case eci.CauseOf(err) == eci.CauseRequest:
		return Note{ReasonNotSupported, words}, never
	case eci.IsRetryable(err):
		return Note{"CloudUnreachable", "ECI failed, the create is repeated: " + words}, unknownFate
	}
	return Note{"CreateFailed", "ECI refused the group, it is tried again: " + words}, noGroup
}

// search looks for a group with the pod's tags. found also means that the search decided
// otherwise about the pod: it must not be created.
func (p *Provider) search(ctx context.Context, e *entry, pod *corev1.Pod) (found bool, err error) {
	groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{Tags: p.podTags(pod.UID), WithEvents: true})
	if err != nil {
		return false, fmt.Errorf("looking for the pod's group: %w", err)
	}
	var best *eci.Group
	for i := range groups {
		g := &groups[i]
		if !p.owns(g) || g.Tags[eci.TagPodUID] != string(pod.UID) {
			continue
		}
		if best == nil || eci.IdentityOf(g.Tags).Attempt > eci.IdentityOf(best.Tags).Attempt {
			best = g
		}
	}
	switch {
	case best != nil && best.Status == eci.ScheduleFailed:
		p.mu.Lock()
		e.dead, e.request, e.attempt = best.ID, nil, max(e.attempt, eci.IdentityOf(best.Tags).Attempt)
		p.mu.Unlock()
		p.queue.AddAfter(pod.UID, time.Second)
		return true, nil
	case best != nil:
		p.adopt(e, best)
		return true, nil
	}
	// No group. If the pod had one, it is gone or can't be seen; it is never run again.
	id := pod.Annotations[eci.AnnotationInstanceID]
	if id == "" {
		return false, nil
	}
	gone, err := p.provenGone(ctx, []string{id})
	if err != nil {
		return true, err
	}
	if p.missed(e); !gone[id] || p.missedFor(e) < listingLag {
		return true, fmt.Errorf("group %s is not in ECI's answer, which does not prove that it is gone: is a RAM right missing?", id)
	}
	p.fail(e, goneNote(id))
	return true, nil
}

func goneNote(id string) Note {
	return Note{ReasonGroupGone, "the container group " + id + " no longer exists; it was deleted outside of Kubernetes or released by ECI"}
}

// adopt makes the group the pod's own.
func (p *Provider) adopt(e *entry, g *eci.Group) {
	p.mu.Lock()
	e.groupID, e.group, e.born, e.changed = g.ID, g, time.Now(), time.Now()
	e.request, e.waiting, e.gone, e.mismatched = nil, nil, false, time.Time{}
	e.unseen, e.doubted = time.Time{}, false
	p.mu.Unlock()
	p.outbox.Add(e.uid)
	p.look()
}

func (p *Provider) refuse(e *entry, why *Refusal) {
	p.mu.Lock()
	e.refusal = why
	p.mu.Unlock()
	p.say(e, Note{ReasonNotSupported, why.Error()})
	p.outbox.Add(e.uid)
}

func (p *Provider) fail(e *entry, why Note) {
	p.mu.Lock()
	e.failure = &why
	if why.Reason == ReasonGroupGone {
		p.wordsLost(e)
	}
	p.mu.Unlock()
	p.say(e, why)
	p.outbox.Add(e.uid)
}

func (p *Provider) wait(e *entry, why Note) {
	p.mu.Lock()
	e.waiting = &why
	p.mu.Unlock()
	p.outbox.Add(e.uid)
}

// tags select the groups of this node in this cluster; owns checks the same on an answer,
// because nothing may be deleted on the word of a filter that was not applied.
func (p *Provider) tags() map[string]string {
	return map[string]string{
		eci.TagManagedBy: eci.ManagedBy,
		eci.TagClusterID: eci.TagValue(p.Placement.ClusterID),
		eci.TagNodeName:  eci.TagValue(p.Placement.NodeName),
	}
}

func (p *Provider) podTags(uid types.UID) map[string]string {
	tags := p.tags()
	tags[eci.TagPodUID] = string(uid)
	return tags
}

func (p *Provider) owns(g *eci.Group) bool {
	for key, value := range p.tags() {
		if value == "" || g.Tags[key] != value {
			return false
		}
	}
	return true
}
