package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/placement"
)

// retryEviction is how long after a 429 the eviction is asked for again.
const retryEviction = 5 * time.Second

// swap makes one step of a swap: it looks, decides and acts.
func (e *Engine) swap(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	v, err := e.lookAtSwap(ctx, &x, m)
	if err != nil {
		return err
	}
	x = e.found(i, v.surge)
	a := decideSwap(&x, v)
	if m.hurry && (a.verb == create || a.verb == evict || a.verb == wait && alive(v.old)) {
		return errInterrupted
	}
	switch a.verb {
	case end:
		a.gone = a.state == Aborted && !alive(v.old) && !x.evicted()
		return e.ends(ctx, i, a)
	case create:
		return e.createSurge(ctx, i, &x, v)
	case evict:
		return e.evictPod(ctx, i, m)
	case adopt:
		return e.adopt(ctx, i, &x, v)
	case linger:
		m.next = glance
		switch {
		case a.state != x.State:
			e.change(i, func(x *Item) { x.State, x.Reason = a.state, a.reason })
			return e.save(ctx, i, true)
		case m.hurry:
			return errInterrupted
		}
		return e.waiting(ctx, i, a.reason)
	case settle:
		return e.settle(ctx, i, v.surge)
	case retarget:
		r := v.replacement(&x)
		e.change(i, func(x *Item) {
			x.Pod, x.From, x.State, x.Reason = Ref{"Pod", r.Namespace, r.Name, r.UID}, r.Spec.NodeName, Surging, a.reason
			x.Again++
			if !alive(v.surge) {
				x.Surge, x.Made, x.Try = Ref{}, time.Time{}, x.Try+1
			}
		})
		return e.save(ctx, i, false)
	case remove:
		return e.removePod(ctx, i, Ref{"Pod", v.surge.Namespace, v.surge.Name, v.surge.UID}, a.reason)
	}
	m.next = glance
	if !alive(v.old) {
		m.next = glance / 10
	}
	return e.waiting(ctx, i, a.reason)
}

// waiting says what is waited for, to whoever looks at the operation from elsewhere, too.
func (e *Engine) waiting(ctx context.Context, i int, reason string) error {
	// Why a pod is removed, or a workload's fields are set back, is what the item ends with.
	x := e.get(i)
	if x.State == Reverting {
		reason = x.cause() + wayBack + reason
	}
	if x.Reason != reason && x.State != Removing {
		e.change(i, func(x *Item) { x.Reason = reason })
		e.report()
		return e.save(ctx, i, true)
	}
	return nil
}

// overdue is since when a pod's grace period is over; negative: it isn't; 0: it is not being
// deleted. One whose kubelet is away, or whose node is gone, has had its time sooner: a dead node
// is drained because it is dead.
func (e *Engine) overdue(ctx context.Context, p *corev1.Pod) time.Duration {
	if p == nil || p.DeletionTimestamp == nil {
		return 0
	}
	since := time.Since(p.DeletionTimestamp.Time) + e.ahead // it is dated by the API server
	if since < awayDeadline || since >= endDeadline {
		return since
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	node, err := e.Client.CoreV1().Nodes().Get(call, p.Spec.NodeName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && !burst.NodeReady(node) {
		return endDeadline
	}
	return since // also for who may not read nodes
}

// evicted tells that we may have evicted an item's pod: an eviction was asked for, and not refused
// by a budget.
func (i *Item) evicted() bool {
	return slices.ContainsFunc(i.Steps, func(s Step) bool {
		return s.Verb == "evict" && !strings.HasPrefix(s.Answer, refusedByBudget)
	})
}

// refusedByBudget is how the API server begins when a budget does not allow an eviction.
const refusedByBudget = "Cannot evict pod"

// wayBack follows why an item that is Reverting goes back.
const wayBack = "; back to how it was: "

// cause is why an item goes back, without what it waits for.
func (i *Item) cause() string {
	why, _, _ := strings.Cut(i.Reason, wayBack)
	return why
}

// lookAtSwap reads all that a decision rests on.
func (e *Engine) lookAtSwap(ctx context.Context, x *Item, m *memory) (swapView, error) {
	e.mu.Lock()
	v := swapView{aborting: e.aborting, refused: m.refused, spent: time.Since(m.since)}
	v.anywhere = e.op.Plan.To == Anywhere
	id := e.op.ID
	e.mu.Unlock()
	if x.State == Leaving {
		var err error
		v.old, err = e.pod(ctx, x.Pod)
		v.overdue = e.overdue(ctx, v.old)
		return v, err
	}
	// Between an eviction and the adoption it is in a hurry.
	reads, look := errgroup.WithContext(ctx)
	reads.Go(func() (err error) { v.owner, err = e.replicaSet(look, x.Owner); return err })
	reads.Go(func() (err error) { v.old, err = e.pod(look, x.Pod); return err })
	reads.Go(func() (err error) {
		v.surge, err = e.pod(look, Ref{"Pod", x.Pod.Namespace, surgeName(x.Owner.Name, id, x), x.Surge.UID})
		return err
	})
	err := reads.Wait()
	v.overdue = e.overdue(ctx, v.old)
	if v.surge != nil && v.surge.Labels[placement.LabelOperation] != id {
		v.surge = nil // somebody else's: creating ours will tell
	}
	if err != nil {
		return v, err
	}
	if v.awaited, err = e.awaited(ctx, x, &v); err != nil || v.owner == nil {
		return v, err
	}
	if alive(v.old) {
		if v.changed, err = e.changed(ctx, x, v.owner); err != nil {
			return v, err
		}
	}
	if v.surge == nil && x.handedOver() {
		v.controlled, err = e.controlled(ctx, v.owner)
		return v, err
	}
	if v.surge == nil || !ready(v.surge) && alive(v.old) {
		m.readySince = time.Time{}
		return v, nil
	}
	if m.readySince.IsZero() {
		m.readySince = time.Now()
	}
	v.readyFor = time.Since(m.readySince)
	if v.controlled, err = e.controlled(ctx, v.owner); err != nil {
		return v, err
	}
	if alive(v.old) {
		v.unserved, err = e.unserved(ctx, x, v.surge)
	}
	return v, err
}

// awaited tells that the old pod, which ends, is waited for: in a drain, whose node may be stopped
// when it is done, and where it has the room in a quota that the next surge pod needs.
func (e *Engine) awaited(ctx context.Context, x *Item, v *swapView) (bool, error) {
	if v.old == nil || v.old.DeletionTimestamp == nil {
		return false, nil
	}
	e.mu.Lock()
	drain, next := e.op.Plan.Drain != nil, false
	at := max(1, e.op.Plan.Parallel[x.Key()])
	for i := range e.op.Plan.Items {
		y := &e.op.Plan.Items[i]
		next = next || y.State == Planned && y.Strategy == Swap && y.Pod.Namespace == x.Pod.Namespace
	}
	e.mu.Unlock()
	// What is not handed over yet has no time for another call.
	if over := v.owner != nil && (v.surge == nil || owned(v.surge, v.owner)); drain || !next || !over {
		return drain, nil
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	quotas, err := e.Client.CoreV1().ResourceQuotas(x.Pod.Namespace).List(call, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return false, nil // the plan says that they could not be read
	case err != nil:
		return false, fmt.Errorf("listing the quotas of namespace %s: %w", x.Pod.Namespace, err)
	}
	space := &Space{}
	for i := range quotas.Items {
		space.Quotas = append(space.Quotas, &quotas.Items[i])
	}
	room, _ := quotaRoom(space, v.owner)
	return room >= 0 && room < 2*at, nil
}

func (e *Engine) replicaSet(ctx context.Context, r Ref) (*appsv1.ReplicaSet, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	rs, err := e.Client.AppsV1().ReplicaSets(r.Namespace).Get(call, r.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || err == nil && rs.UID != r.UID:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading ReplicaSet %s: %w", r.Name, err)
	}
	return rs, nil
}

// changed says why a ReplicaSet is not the one to swap in any more, or "".
func (e *Engine) changed(ctx context.Context, x *Item, rs *appsv1.ReplicaSet) (string, error) {
	if replicas(rs) == 0 {
		return "its ReplicaSet was scaled to 0", nil
	}
	if x.Workload.Kind != "Deployment" {
		return "", nil
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	d, err := e.Client.AppsV1().Deployments(x.Workload.Namespace).Get(call, x.Workload.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "its Deployment is gone", nil
	case err != nil:
		return "", fmt.Errorf("reading Deployment %s: %w", x.Workload.Name, err)
	}
	return rolling(d, rs), nil
}

// revision is the annotation by which a Deployment and its newest ReplicaSet are known.
const revision = "deployment.kubernetes.io/revision"

// rolling says that a Deployment is on its way to another ReplicaSet, or "". One that was only
// scaled is not, though its controller may not have seen that yet.
func rolling(d *appsv1.Deployment, rs *appsv1.ReplicaSet) string {
	switch {
	case d.Status.ObservedGeneration < d.Generation && !sameTemplate(&d.Spec.Template, &rs.Spec.Template):
		return "Deployment " + d.Name + " was changed a moment ago"
	case d.Annotations[revision] != rs.Annotations[revision]:
		return "a rollout of Deployment " + d.Name + " has begun"
	}
	return ""
}

// sameTemplate tells, as the Deployment controller does, that a ReplicaSet is of a template.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	plain := func(t *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
		t = t.DeepCopy()
		delete(t.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		return t
	}
	return equality.Semantic.DeepEqual(plain(a), plain(b))
}

// controlled are the living pods of a ReplicaSet.
func (e *Engine) controlled(ctx context.Context, rs *appsv1.ReplicaSet) ([]*corev1.Pod, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	list, err := e.Client.CoreV1().Pods(rs.Namespace).List(call, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(rs.Spec.Selector)})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of ReplicaSet %s: %w", rs.Name, err)
	}
	var pods []*corev1.Pod
	for i := range list.Items {
		if p := &list.Items[i]; alive(p) && metav1.IsControlledBy(p, rs) {
			pods = append(pods, p)
		}
	}
	return pods, nil
}

// unserved is a Service whose endpoints the pod is not among, ready; "": none.
func (e *Engine) unserved(ctx context.Context, x *Item, pod *corev1.Pod) (string, error) {
	for _, service := range x.Services {
		call, cancel := context.WithTimeout(ctx, perCall)
		list, err := e.Client.DiscoveryV1().EndpointSlices(pod.Namespace).List(call, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
		cancel()
		if err != nil {
			return "", fmt.Errorf("listing the endpoints of Service %s: %w", service, err)
		}
		if !serves(list.Items, pod.UID) {
			return service, nil
		}
	}
	return "", nil
}

func serves(slices []discoveryv1.EndpointSlice, uid types.UID) bool {
	for i := range slices {
		for j := range slices[i].Endpoints {
			p := &slices[i].Endpoints[j]
			if p.TargetRef != nil && p.TargetRef.UID == uid && (p.Conditions.Ready == nil || *p.Conditions.Ready) {
				return true
			}
		}
	}
	return false
}

func (e *Engine) createSurge(ctx context.Context, i int, x *Item, v swapView) error {
	o := e.copy()
	virtual, err := virtualNodes(ctx, e.Client)
	if err != nil {
		return err
	}
	pod := SurgePod(v.owner, x, o.Plan.To, o.ID, virtual)
	return e.makePod(ctx, i, pod, "the surge pod", func() error {
		return e.after(ctx, i, errNameTaken, func(x *Item) { x.Try++ })
	})
}

// found notes the pod that takes an item's place, where the answer to its creation was lost.
func (e *Engine) found(i int, pod *corev1.Pod) Item {
	x := e.get(i)
	if pod == nil || x.Surge.UID != "" {
		return x
	}
	return e.change(i, func(x *Item) {
		x.Surge, x.Made = Ref{"Pod", pod.Namespace, pod.Name, pod.UID}, pod.CreationTimestamp.Time
	})
}

var errNameTaken = errors.New("another pod has that name")

// makePod creates the pod that takes an item's place, or finds it where the answer to an earlier
// try was lost. taken is done where the name is another pod's; what names the pod in words.
func (e *Engine) makePod(ctx context.Context, i int, pod *corev1.Pod, what string, taken func() error) error {
	ref := Ref{"Pod", pod.Namespace, pod.Name, ""}
	if err := e.before(ctx, i, Surging, "", "create", ref); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	made, err := e.Client.CoreV1().Pods(pod.Namespace).Create(call, pod, metav1.CreateOptions{FieldManager: Manager})
	cancel()
	if apierrors.IsAlreadyExists(err) {
		found, failed := e.pod(ctx, ref)
		if failed != nil || found == nil {
			return failed
		}
		if found.Labels[placement.LabelOperation] != pod.Labels[placement.LabelOperation] {
			return taken()
		}
		made, err = found, nil
	}
	switch {
	case err == nil:
		return e.after(ctx, i, nil, func(x *Item) {
			x.Surge, x.Made = Ref{"Pod", made.Namespace, made.Name, made.UID}, made.CreationTimestamp.Time
		})
	case transient(err):
		return errors.Join(err, e.after(ctx, i, err, nil))
	}
	return errors.Join(e.after(ctx, i, err, nil), e.end(ctx, i, Aborted, what+" was refused, nothing was disrupted: "+err.Error()))
}

// removePod deletes a pod of this operation.
func (e *Engine) removePod(ctx context.Context, i int, pod Ref, reason string) error {
	if err := e.before(ctx, i, Removing, reason, "delete", pod); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	err := e.Client.CoreV1().Pods(pod.Namespace).Delete(call, pod.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		err = nil // it has gone, which the next look shows
	}
	return errors.Join(e.after(ctx, i, err, nil), err)
}

// evictPod asks for the eviction of the item's pod, and of no other that has its name.
func (e *Engine) evictPod(ctx context.Context, i int, m *memory) error {
	return e.evictIn(ctx, i, m, Evicting, "")
}

// evictIn is evictPod in another state, with a reason to keep.
func (e *Engine) evictIn(ctx context.Context, i int, m *memory, state State, reason string) error {
	x := e.get(i)
	if err := e.before(ctx, i, state, reason, "evict", x.Pod); err != nil {
		return err
	}
	m.state, m.since = state, since(m, state)
	call, cancel := context.WithTimeout(ctx, perCall)
	err := e.Client.CoreV1().Pods(x.Pod.Namespace).EvictV1(call, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: x.Pod.Namespace, Name: x.Pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &x.Pod.UID}}})
	cancel()
	m.refused = ""
	if err == nil && x.Strategy == Swap {
		// What follows is urgent, and is written down with it.
		e.change(i, func(x *Item) { x.answer("ok") })
		return nil
	}
	switch {
	case apierrors.IsTooManyRequests(err):
		m.refused = "its eviction is refused for now: " + refusal(err)
		m.next = retryEviction
		e.change(i, func(x *Item) { x.Reason = m.refused })
		e.report()
		return e.after(ctx, i, err, nil)
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return e.after(ctx, i, err, nil) // another pod, or none: the next look shows
	case err != nil && !transient(err) || apierrors.IsInternalError(err):
		m.refused = "its eviction was refused: " + refusal(err)
		m.next = retryEviction
		if x.Strategy == Ordinals || x.Strategy == Restart { // there is something to put back first
			e.change(i, func(x *Item) {
				x.Reason = m.refused
				if x.State = Reverting; x.Strategy == Restart {
					x.State = Removing
				}
			})
			return e.after(ctx, i, err, nil)
		}
		if (x.Strategy == Swap || x.Strategy == Clone) && x.Surge.UID != "" {
			return errors.Join(e.after(ctx, i, err, nil), e.removePod(ctx, i, x.Surge, m.refused+"; nothing was disrupted"))
		}
		return errors.Join(e.after(ctx, i, err, nil), e.end(ctx, i, Aborted, m.refused))
	}
	return errors.Join(e.after(ctx, i, err, nil), err)
}

func since(m *memory, s State) time.Time {
	if m.state == s {
		return m.since
	}
	return time.Now()
}

// refusal is what the API server says of a refused eviction, with its causes.
func refusal(err error) string {
	text := err.Error()
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, c := range status.Status().Details.Causes {
			text += " " + c.Message
		}
	}
	return strings.TrimSpace(text)
}

// adopt hands the surge pod to its ReplicaSet. That this follows was written down before the
// eviction; nothing is written in between, because until then the ReplicaSet replaces the old
// pod by itself.
func (e *Engine) adopt(ctx context.Context, i int, x *Item, v swapView) error {
	surge := Ref{"Pod", v.surge.Namespace, v.surge.Name, v.surge.UID}
	e.change(i, func(x *Item) {
		x.State, x.Reason = Adopting, ""
		x.begin("adopt", surge, time.Now())
	})
	patch := mustJSON(map[string]any{"metadata": map[string]any{"uid": v.surge.UID, "resourceVersion": v.surge.ResourceVersion,
		"labels": map[string]string{x.Hidden: v.owner.Spec.Selector.MatchLabels[x.Hidden]}}})
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	_, err := e.Client.CoreV1().Pods(surge.Namespace).Patch(call, surge.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: Manager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		// Its status was written meanwhile, or it is gone: look again, at once.
		e.change(i, func(x *Item) { x.State = Evicting; x.answer(err.Error()) })
		return nil
	}
	if err != nil {
		e.change(i, func(x *Item) { x.State = Evicting })
	}
	return errors.Join(e.after(ctx, i, err, nil), err)
}

// settle takes the deletion cost off an adopted pod: from now on it is one like the others.
func (e *Engine) settle(ctx context.Context, i int, pod *corev1.Pod) error {
	surge := Ref{"Pod", pod.Namespace, pod.Name, pod.UID}
	if err := e.before(ctx, i, Adopting, "", "settle", surge); err != nil {
		return err
	}
	patch := mustJSON(map[string]any{"metadata": map[string]any{"uid": pod.UID, "resourceVersion": pod.ResourceVersion,
		"annotations": map[string]any{corev1.PodDeletionCost: nil}}})
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	_, err := e.Client.CoreV1().Pods(pod.Namespace).Patch(call, pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: Manager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return e.after(ctx, i, err, nil) // look again
	}
	return errors.Join(e.after(ctx, i, err, nil), err)
}
