package migrate

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// replaceDeadline is how long a StatefulSet may take until all its pods are Ready again.
const replaceDeadline = 10 * time.Minute

// An evictView is what a decision about a plain eviction rests on.
type evictView struct {
	aborting bool
	asked    bool // the eviction was asked for before
	old      *corev1.Pod
	set      *appsv1.StatefulSet // the pod's, or nil
	refused  string
	overdue  time.Duration // since the old pod's grace period is over, by the API server's clock
	spent    time.Duration // in the item's present state, and since the old pod is gone, as far as this process saw
}

// decideEvict says what to do next about a pod that is evicted and made anew by its
// controller. It is pure.
func decideEvict(v evictView) action {
	unready := ""
	if v.set != nil {
		want := int32(1)
		if v.set.Spec.Replicas != nil {
			want = *v.set.Spec.Replicas
		}
		if v.set.Status.ReadyReplicas < want {
			unready = fmt.Sprintf("%d of %d pods of StatefulSet %s are Ready", v.set.Status.ReadyReplicas, want, v.set.Name)
		}
	}
	switch {
	case v.old == nil && unready != "" && v.asked && v.spent < replaceDeadline:
		return action{verb: wait, reason: unready + ": waiting for its successor"}
	case v.old == nil && unready != "" && v.asked:
		return action{verb: end, state: Failed, reason: fmt.Sprintf("it was evicted, and after %s %s", replaceDeadline, unready)}
	case v.old == nil && v.asked:
		return action{verb: end, state: Done, reason: "it was evicted"}
	case v.old == nil:
		return action{verb: end, state: Aborted, reason: "the pod is gone already", gone: true}
	case v.old.DeletionTimestamp != nil && !ending(v.old, v.overdue):
		return action{verb: end, state: Failed, reason: undead(v.old), stuck: true}
	case v.old.DeletionTimestamp != nil:
		return action{verb: wait, reason: "it is ending"}
	case v.aborting:
		return action{verb: end, state: Aborted, reason: "aborted; nothing was disrupted"}
	}
	why := v.refused
	if why == "" && ready(v.old) {
		why = unready
	}
	if why != "" && v.spent > surgeDeadline {
		return action{verb: end, state: Aborted, reason: fmt.Sprintf("given up after %s: %s; nothing was disrupted", surgeDeadline, why)}
	}
	if why != "" && why != v.refused {
		return action{verb: wait, reason: why}
	}
	return action{verb: evict}
}

// evict makes one step of a plain eviction.
func (e *Engine) evict(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	e.mu.Lock()
	v := evictView{aborting: e.aborting, refused: m.refused, asked: len(x.Steps) > 0}
	e.mu.Unlock()
	var err error
	if v.old, err = e.pod(ctx, x.Pod); err != nil {
		return err
	}
	if v.old != nil && v.old.DeletionTimestamp != nil {
		m.since = time.Now() // its grace period is nobody's delay
	}
	v.spent, v.overdue = time.Since(m.since), e.overdue(ctx, v.old)
	if x.Owner.Kind == "StatefulSet" {
		call, cancel := context.WithTimeout(ctx, perCall)
		set, err := e.Client.AppsV1().StatefulSets(x.Owner.Namespace).Get(call, x.Owner.Name, metav1.GetOptions{})
		cancel()
		if err == nil && set.UID == x.Owner.UID {
			v.set = set
		} else if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading StatefulSet %s: %w", x.Owner.Name, err)
		}
	}
	switch a := decideEvict(v); {
	case a.verb == end:
		return e.ends(ctx, i, a)
	case m.hurry:
		return errInterrupted
	case a.verb == evict:
		if err := e.evictPod(ctx, i, m); err != nil {
			return err
		}
		m.next = max(m.next, glance)
		return nil
	default:
		m.next = glance
		return e.waiting(ctx, i, a.reason)
	}
}
