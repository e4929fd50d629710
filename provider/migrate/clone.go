package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/placement"
)

// A pod that has no controller is never made anew, and its name is what it is known by. It is
// moved only where somebody asks for it: a copy under another name serves before it goes.

// cloneSuffix is what a copy's name ends with on ECI; one that comes home loses it.
const cloneSuffix = "-eci"

// cloneName is the name of a pod's copy.
func cloneName(pod string, to Destination) string {
	if base, is := strings.CutSuffix(pod, cloneSuffix); is && to != ToECI && base != "" {
		return base
	}
	if to == ToECI {
		return pod + cloneSuffix
	}
	return pod + "-" + string(to)
}

// cloneOf renders a pod's copy: what it was made with, without what admission and the
// scheduler have added.
func cloneOf(old *corev1.Pod, x *Item, to Destination, operation string, virtual []*corev1.Node) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: old.Namespace, Name: cloneName(old.Name, to), Labels: map[string]string{}, Annotations: map[string]string{}}, Spec: *old.Spec.DeepCopy()}
	for k, v := range old.Labels {
		pod.Labels[k] = v
	}
	pod.Labels[placement.LabelOperation] = operation
	for k, v := range old.Annotations {
		// What virtual nodes have written is about the other pod.
		if !strings.HasPrefix(k, "ecideck.io/") && k != "k8s.aliyun.com/eci-instance-id" && k != "kubectl.kubernetes.io/last-applied-configuration" && k != corev1.PodDeletionCost {
			pod.Annotations[k] = v
		}
	}
	pod.Annotations[AnnotationItem] = x.ID
	s := &pod.Spec
	s.NodeName, s.Priority, s.PreemptionPolicy, s.EphemeralContainers = "", nil, nil, nil
	injected := func(name string) bool { return strings.HasPrefix(name, "kube-api-access-") }
	s.Volumes = slices.DeleteFunc(s.Volumes, func(v corev1.Volume) bool { return injected(v.Name) })
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			list[i].VolumeMounts = slices.DeleteFunc(list[i].VolumeMounts, func(m corev1.VolumeMount) bool { return injected(m.Name) })
		}
	}
	if to == ToECI {
		for _, node := range virtual {
			if node.Name == x.Node {
				open(s, node)
				require(s, nil, []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node.Name}}})
			}
		}
		pod.Annotations[annotationFailStrategy], pod.Annotations[annotationMaxPending] = "fail-fast", "10"
	} else {
		f := off(s)
		s.Tolerations, s.NodeSelector, s.Affinity = f.Tolerations, f.NodeSelector, unpin(f.Affinity, virtual)
		delete(pod.Annotations, annotationFailStrategy)
		delete(pod.Annotations, annotationMaxPending)
	}
	return pod
}

// unpin takes a required virtual node's name out of an affinity.
func unpin(a *corev1.Affinity, virtual []*corev1.Node) *corev1.Affinity {
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return a
	}
	a = a.DeepCopy()
	s := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	free := false
	for i := range s.NodeSelectorTerms {
		t := &s.NodeSelectorTerms[i]
		t.MatchFields = slices.DeleteFunc(t.MatchFields, func(r corev1.NodeSelectorRequirement) bool {
			return r.Key == metav1.ObjectNameField && r.Operator == corev1.NodeSelectorOpIn && len(r.Values) == 1 &&
				slices.ContainsFunc(virtual, func(n *corev1.Node) bool { return n.Name == r.Values[0] })
		})
		free = free || len(t.MatchExpressions) == 0 && len(t.MatchFields) == 0
	}
	if free {
		return unrequired(a)
	}
	return a
}

// A cloneView is what a decision about a copy rests on: what the API server said just now.
type cloneView struct {
	aborting bool
	drain    bool        // whoever drains waits for the old pod to be gone
	old      *corev1.Pod // nil: it is gone, or another pod has its name
	clone    *corev1.Pod // nil: there is none
	unserved string      // a Service whose endpoints the copy is not among yet
	readyFor time.Duration
	refused  string
	overdue  time.Duration // since the old pod's grace period is over, by the API server's clock
	spent    time.Duration
}

// decideClone says what to do next about a pod that is copied. It is pure.
func decideClone(x *Item, v cloneView) action {
	c := v.clone
	switch {
	case c == nil && x.State == Removing:
		return action{verb: end, state: Aborted, reason: x.Reason}
	case c == nil && x.Surge.UID != "" && !alive(v.old):
		return action{verb: end, state: Failed, reason: "the pod and its copy " + x.Surge.Name + " are both gone: its manifest is in the journal"}
	case c == nil && x.Surge.UID != "":
		return action{verb: end, state: Aborted, reason: "somebody has deleted the copy " + x.Surge.Name + "; nothing was disrupted"}
	case c == nil && v.drain && !v.aborting && ending(v.old, v.overdue):
		return action{verb: wait, reason: "it is ending"}
	case c == nil && !alive(v.old):
		return action{verb: end, state: Aborted, reason: "the pod is gone already", gone: true}
	case c == nil && v.aborting:
		return action{verb: end, state: Aborted, reason: "aborted; nothing was disrupted"}
	case c == nil:
		return action{verb: create}
	case c.DeletionTimestamp != nil:
		return action{verb: wait, reason: "the copy is being removed"}
	case v.drain && !v.aborting && ending(v.old, v.overdue):
		return action{verb: wait, reason: "its copy " + c.Name + " serves" + endsItsGrace}
	case !alive(v.old) && !alive(c):
		return action{verb: end, state: Failed, reason: fmt.Sprintf("the pod is gone, and its copy %s has ended (%s): the manifest is in the journal", c.Name, c.Status.Phase)}
	case !alive(v.old):
		done := "its copy is " + c.Name + " on " + c.Spec.NodeName
		if v.old != nil && v.old.DeletionTimestamp != nil && v.drain && !v.aborting {
			done += "; the old pod " + undead(v.old)
		}
		return action{verb: end, state: Done, reason: done}
	case x.State == Removing:
		return action{verb: remove, reason: x.Reason}
	}
	if why := broken(c, x.Node != "" && v.spent > roomDeadline); why != "" {
		return action{verb: remove, reason: "the copy " + c.Name + " " + why + "; nothing was disrupted"}
	}
	why := v.refused
	switch {
	case v.aborting:
		return action{verb: remove, reason: "aborted; nothing was disrupted"}
	case !ready(c):
		why = "the copy " + c.Name + " is not Ready yet: " + condition(c)
	case v.unserved != "":
		why = "the copy is Ready, and not among the endpoints of Service " + v.unserved + " yet"
	case v.readyFor < time.Duration(x.Settle)*time.Second:
		why = fmt.Sprintf("the copy is Ready, and is given %d s to be known everywhere", x.Settle)
	}
	switch {
	case why != "" && v.spent > surgeDeadline:
		return action{verb: remove, reason: fmt.Sprintf("given up after %s: %s; nothing was disrupted", surgeDeadline, why)}
	case why != "" && why != v.refused:
		return action{verb: wait, reason: why}
	}
	return action{verb: evict, reason: why}
}

// clone makes one step of a pod's move by a copy.
func (e *Engine) clone(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	o := e.copy()
	v := cloneView{aborting: e.isAborting(), drain: o.Plan.Drain != nil, refused: m.refused, spent: time.Since(m.since)}
	var err error
	if v.old, err = e.pod(ctx, x.Pod); err != nil {
		return err
	}
	v.overdue = e.overdue(ctx, v.old)
	if v.clone, err = e.pod(ctx, Ref{"Pod", x.Pod.Namespace, cloneName(x.Pod.Name, o.Plan.To), x.Surge.UID}); err != nil {
		return err
	}
	if v.clone != nil && v.clone.Labels[placement.LabelOperation] != o.ID {
		v.clone = nil // somebody else's: creating ours will tell
	}
	if v.clone != nil && ready(v.clone) {
		if m.readySince.IsZero() {
			m.readySince = time.Now()
		}
		v.readyFor = time.Since(m.readySince)
		if v.unserved, err = e.unserved(ctx, &x, v.clone); err != nil {
			return err
		}
	} else {
		m.readySince = time.Time{}
	}
	x = e.found(i, v.clone)
	a := decideClone(&x, v)
	if m.hurry && a.verb != end {
		return errInterrupted
	}
	switch a.verb {
	case end:
		return e.ends(ctx, i, a)
	case create:
		return e.createClone(ctx, i, v.old, o)
	case evict:
		return e.evictPod(ctx, i, m)
	case remove:
		return e.removePod(ctx, i, Ref{"Pod", v.clone.Namespace, v.clone.Name, v.clone.UID}, a.reason)
	}
	m.next = glance
	return e.waiting(ctx, i, a.reason)
}

func (e *Engine) createClone(ctx context.Context, i int, old *corev1.Pod, o *Operation) error {
	x := e.get(i)
	virtual, err := virtualNodes(ctx, e.Client)
	if err != nil {
		return err
	}
	pod := cloneOf(old, &x, o.Plan.To, o.ID, virtual)
	// The pod can't be had back from anywhere else.
	kept := old.DeepCopy()
	kept.ManagedFields, kept.Status = nil, corev1.PodStatus{}
	e.change(i, func(x *Item) { x.Manifest = mustJSON(kept) })
	return e.makePod(ctx, i, pod, "its copy", func() error {
		return errors.Join(e.after(ctx, i, errNameTaken, nil), e.end(ctx, i, Aborted, "there is a pod "+pod.Name+" already; nothing was disrupted"))
	})
}
