package migrate

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Where no admission policy can steer them, pods of a StatefulSet are moved by its template,
// under the strategy OnDelete: its controller then makes anew only what we evict, within the
// budgets, which its own rollout would pass by. In the end its strategy is put back, with the
// partition that leaves the others where they are; where the pods moved are not its last, it
// stays OnDelete, and the plan says so.

// ordinalsChange is how a StatefulSet's fields change so that the members go where placed
// says, and no others.
func ordinalsChange(set *appsv1.StatefulSet, placed Fields, members []int) *Change {
	c := &Change{Before: setFields(set)}
	c.During = c.Before.placed(placed)
	c.During.StatefulSet = &appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
	c.After = c.During
	n := 1
	if set.Spec.Replicas != nil {
		n = int(*set.Spec.Replicas)
	}
	start := 0
	if set.Spec.Ordinals != nil {
		start = int(set.Spec.Ordinals.Start)
	}
	lowest := slices.Min(members)
	if set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType && len(members) == start+n-lowest {
		s := set.Spec.UpdateStrategy.DeepCopy()
		if lowest > start {
			if s.RollingUpdate == nil {
				s.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{}
			}
			partition := int32(lowest)
			s.RollingUpdate.Partition = &partition
		}
		c.After.StatefulSet = s
	}
	return c
}

func setFields(set *appsv1.StatefulSet) Fields {
	f := templateFields(&set.Spec.Template.Spec)
	f.StatefulSet = &set.Spec.UpdateStrategy
	return f
}

// An ordinalsView is what a decision about a StatefulSet rests on: what the API server said
// just now.
type ordinalsView struct {
	aborting bool
	set      *appsv1.StatefulSet    // nil: it is gone, or another one has its name
	pods     map[string]*corev1.Pod // by name; those that live or end
	refused  string                 // what the last eviction was refused with
	still    time.Duration          // how long nothing has moved, as far as this process saw
}

// decideOrdinals says what to do next about a StatefulSet, and of evict and recall to which
// pod. It is pure.
func decideOrdinals(x *Item, v ordinalsView) (action, *corev1.Pod) {
	only := func(a action) (action, *corev1.Pod) { return a, nil }
	if v.set == nil {
		return only(action{verb: end, state: Aborted, reason: "the StatefulSet is gone"})
	}
	live, c := setFields(v.set), x.Change
	back := v.aborting || x.State == Reverting
	reason := x.cause()
	if x.State != Reverting {
		reason = "aborted"
	}
	seen := v.set.Status.ObservedGeneration >= v.set.Generation
	switch {
	case live.placedAs(c.After) && back:
		return only(action{verb: revert, reason: reason})
	case live.placedAs(c.After):
		if !seen {
			return only(action{verb: wait, reason: "its controller has not seen the change yet"})
		}
		a, pod := v.next(x.Members)
		switch {
		case a.verb == revert || a.verb != end:
			return a, pod
		case !live.equal(c.After) && live.equal(c.During):
			return only(action{verb: restore})
		}
		return only(action{verb: end, state: Done, reason: fmt.Sprintf("all %d are where the template says now", len(x.Members))})
	case !live.placedAs(c.Before):
		return only(action{verb: end, state: Failed, reason: "somebody else has changed where its template puts pods: nothing more is done to it; look at its node affinity, tolerations and update strategy"})
	case back && x.State != Reverting:
		return only(action{verb: end, state: Aborted, reason: reason + "; nothing was changed"})
	case back:
		return v.home(x, reason, seen)
	case !live.equal(c.Before):
		return only(action{verb: end, state: Aborted, reason: "its update strategy was changed since the plan: nothing was changed"})
	case x.State == Changed:
		return only(action{verb: end, state: Aborted, reason: "somebody has set the template back"})
	case unready(v.set) != "":
		if v.still > surgeDeadline {
			return only(action{verb: end, state: Aborted, reason: fmt.Sprintf("given up after %s: %s; nothing was changed", surgeDeadline, unready(v.set))})
		}
		return only(action{verb: wait, reason: unready(v.set)})
	}
	return only(action{verb: change})
}

// next is what to do about the members: one at a time, and none while another pod is not
// Ready. The verb end says that all have moved.
func (v ordinalsView) next(members []Ref) (action, *corev1.Pod) {
	moved := func(p *corev1.Pod) bool {
		return p.Labels[appsv1.ControllerRevisionHashLabelKey] == v.set.Status.UpdateRevision
	}
	for _, r := range members {
		p := v.pods[r.Name]
		why, deadline := "", successorDeadline
		switch {
		case p == nil:
			why = "pod " + r.Name + " is to be made anew"
		case p.DeletionTimestamp != nil:
			why, deadline = "pod "+r.Name+" is ending", deadline+graceOf(p)
		case moved(p) && !ready(p):
			if b := broken(p, v.still > roomDeadline); b != "" {
				return action{verb: revert, reason: "pod " + p.Name + " " + b}, nil
			}
			why = "pod " + r.Name + " is not Ready yet: " + condition(p)
		case moved(p):
			continue
		case unready(v.set) != "" && v.refused == "":
			why = unready(v.set)
		default:
			if v.refused != "" && v.still > surgeDeadline {
				return action{verb: revert, reason: v.refused}, nil
			}
			return action{verb: evict, reason: v.refused}, p
		}
		if v.still > deadline {
			return action{verb: revert, reason: fmt.Sprintf("nothing has moved for %s: %s", deadline, why)}, nil
		}
		return action{verb: wait, reason: why}, nil
	}
	return action{verb: end}, nil
}

// home brings back what has moved, once the template is as before. Its controller does so by
// itself, one at a time, but for a pod that never became Ready, for which it would wait for
// ever (https://github.com/kubernetes/kubernetes/issues/67250); under OnDelete it does nothing.
func (v ordinalsView) home(x *Item, reason string, seen bool) (action, *corev1.Pod) {
	if !seen {
		return action{verb: wait, reason: "its controller has not seen the change yet"}, nil
	}
	manual := v.set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType
	for _, r := range x.Members {
		p := v.pods[r.Name]
		late := func(deadline time.Duration, why string) (action, *corev1.Pod) {
			if v.still > deadline {
				return action{verb: end, state: Failed, reason: fmt.Sprintf("the template is as before, and nothing has moved for %s: %s", deadline, why)}, nil
			}
			return action{verb: wait, reason: why}, nil
		}
		switch {
		case p == nil:
			return late(replaceDeadline, "pod "+r.Name+" is to come back")
		case p.DeletionTimestamp != nil:
			return late(replaceDeadline+graceOf(p), "pod "+r.Name+" is ending, and is to come back")
		case p.Labels[appsv1.ControllerRevisionHashLabelKey] == v.set.Status.UpdateRevision && ready(p):
			continue
		case p.Labels[appsv1.ControllerRevisionHashLabelKey] == v.set.Status.UpdateRevision:
			return late(replaceDeadline, "pod "+r.Name+" is not Ready yet: "+condition(p))
		case !ready(p):
			return action{verb: recall, reason: reason}, p
		case manual && v.refused != "" && v.still > surgeDeadline:
			return late(surgeDeadline, v.refused)
		case manual && unready(v.set) == "":
			return action{verb: evict, reason: reason}, p
		default:
			why := "pod " + r.Name + " is to come back"
			if waits := unready(v.set); waits != "" {
				why += ", and waits for the others: " + waits
			}
			return late(replaceDeadline, why)
		}
	}
	return action{verb: end, state: Aborted, reason: reason + "; the template and its pods are as before"}, nil
}

// ordinals makes one step of a StatefulSet's restart by its template.
func (e *Engine) ordinals(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	v := ordinalsView{aborting: e.isAborting(), refused: m.refused, pods: map[string]*corev1.Pod{}}
	var err error
	if v.set, err = e.statefulSet(ctx, x.Workload); err != nil {
		return err
	}
	if v.set != nil {
		call, cancel := context.WithTimeout(ctx, perCall)
		list, err := e.Client.CoreV1().Pods(v.set.Namespace).List(call, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(v.set.Spec.Selector)})
		cancel()
		if err != nil {
			return fmt.Errorf("listing the pods of StatefulSet %s: %w", v.set.Name, err)
		}
		text := fmt.Sprint(x.State, v.set.Generation)
		for n := range list.Items {
			if p := &list.Items[n]; metav1.IsControlledBy(p, v.set) {
				v.pods[p.Name] = p
				text += fmt.Sprint(p.UID, p.DeletionTimestamp != nil, ready(p))
			}
		}
		v.still = m.since2(text)
	}
	a, pod := decideOrdinals(&x, v)
	if m.hurry && a.verb != end {
		return errInterrupted
	}
	if p := v.pods[x.Pod.Name]; p != nil && p.UID != x.Pod.UID && p.UID != x.Surge.UID {
		e.change(i, func(x *Item) { x.Surge = Ref{"Pod", p.Namespace, p.Name, p.UID} })
	}
	switch a.verb {
	case end:
		return e.end(ctx, i, a.state, a.reason)
	case change, restore, revert:
		live := setFields(v.set)
		want := x.Change.During
		switch {
		case a.verb == restore:
			want = x.Change.After
		case a.verb == revert && (live.equal(x.Change.During) || live.equal(x.Change.After)):
			want = x.Change.Before
		case a.verb == revert: // the strategy is somebody else's now
			want = live.placed(x.Change.Before)
		}
		return e.setFields(ctx, i, a, m, func(call context.Context) error {
			_, err := e.Client.AppsV1().StatefulSets(v.set.Namespace).Patch(call, v.set.Name, types.JSONPatchType,
				jsonPatch(v.set.UID, v.set.ResourceVersion, "/spec/template/spec", live, want), metav1.PatchOptions{FieldManager: Manager})
			return err
		})
	case evict:
		e.change(i, func(x *Item) {
			if x.Pod.UID != pod.UID {
				x.Pod, x.Surge = Ref{"Pod", pod.Namespace, pod.Name, pod.UID}, Ref{}
			}
		})
		return e.evictMember(ctx, i, m, a.reason)
	case recall:
		return e.recallMember(ctx, i, Ref{"Pod", pod.Namespace, pod.Name, pod.UID}, a.reason)
	}
	m.next = glance
	return e.waiting(ctx, i, a.reason)
}

// evictMember evicts the item's pod of the moment, and leaves the item in its state: how far
// it has come is in its StatefulSet.
func (e *Engine) evictMember(ctx context.Context, i int, m *memory, reason string) error {
	state := e.get(i).State
	if err := e.evictIn(ctx, i, m, state, reason); err != nil {
		return err
	}
	if m.next == 0 {
		m.next = glance / 2
	}
	return nil
}

// recallMember deletes a pod that never became Ready, by UID.
func (e *Engine) recallMember(ctx context.Context, i int, pod Ref, reason string) error {
	state := e.get(i).State
	if err := e.before(ctx, i, state, reason, "delete", pod); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	err := e.Client.CoreV1().Pods(pod.Namespace).Delete(call, pod.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if lost(err) {
		err = nil // it has gone, which the next look shows
	}
	if written := e.after(ctx, i, err, nil); err == nil {
		return written
	}
	return err
}

// ordinal is the number in the name of a StatefulSet's pod, or -1.
func ordinal(pod *corev1.Pod) int {
	n := 0
	if _, err := fmt.Sscanf(pod.Labels[appsv1.PodIndexLabel], "%d", &n); err == nil {
		return n
	}
	for at := len(pod.Name) - 1; at > 0; at-- {
		if pod.Name[at] == '-' {
			if _, err := fmt.Sscanf(pod.Name[at+1:], "%d", &n); err == nil {
				return n
			}
			break
		}
	}
	return -1
}

// gather makes one item of those that move pods of one StatefulSet by its template.
func gather(items []Item, f *Facts, r Request, node *corev1.Node) []Item {
	var out []Item
	at := map[types.UID]int{}
	for _, x := range items {
		if x.Strategy != Ordinals {
			out = append(out, x)
			continue
		}
		n, has := at[x.Owner.UID]
		if !has {
			at[x.Owner.UID] = len(out)
			x.Members, x.Pods = []Ref{x.Pod}, 1
			out = append(out, x)
			continue
		}
		y := &out[n]
		y.Members, y.Pods, y.Grace = append(y.Members, x.Pod), y.Pods+1, max(y.Grace, x.Grace)
		y.join(&x)
		for _, c := range x.Checks {
			if !slices.Contains(y.Checks, c) {
				y.Checks = append(y.Checks, c)
			}
		}
	}
	for uid, n := range at {
		x, set := &out[n], f.Sets[uid]
		var members []int
		for _, p := range f.Pods {
			if slices.ContainsFunc(x.Members, func(r Ref) bool { return r.UID == p.UID }) {
				members = append(members, ordinal(p))
			}
		}
		placed := off(&set.Spec.Template.Spec)
		if r.To == ToECI {
			placed = onto(&set.Spec.Template.Spec, node)
		}
		x.Change = ordinalsChange(set, placed, members)
		x.Pod, x.From = Ref{}, ""
		if x.Change.After.StatefulSet.Type == appsv1.OnDeleteStatefulSetStrategyType && set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
			x.Checks = append(x.Checks, Check{"strategy", Warn, "the pods are not its last ones, so StatefulSet " + set.Name + " keeps the strategy OnDelete, and whichever of its pods restarts follows the new template", "undo the operation before the next rollout"})
		}
	}
	return out
}
