package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/placement"
)

// toleratedFor is how long the scheduler has to take the virtual node for a pod that
// tolerates it, before the pod is bound there.
const toleratedFor = 15 * time.Second

// reopened is how long a virtual node that was closed since the plan is waited for.
const reopened = 2 * time.Minute

// A placeView is what a decision about a pod without a node rests on.
type placeView struct {
	aborting bool
	pod      *corev1.Pod  // nil: it is gone
	node     *corev1.Node // the virtual node; nil: it is gone
	keeps    string       // what keeps the pod from being bound there; "": nothing
	waited   time.Duration
}

// decidePlace says what to do next about a pod that has no node. It is pure. The toleration
// leaves the choice to the scheduler, which knows more than we; where that does not help, the
// pod is bound.
func decidePlace(x *Item, v placeView) action {
	switch {
	case v.pod == nil || !alive(v.pod):
		return action{verb: end, state: Aborted, reason: "the pod is gone already", gone: true}
	case v.pod.Spec.NodeName != "":
		return action{verb: end, state: Done, reason: "it is on node " + v.pod.Spec.NodeName}
	case v.aborting && x.State != Placing, v.aborting && len(x.Steps) == 0:
		return action{verb: end, state: Aborted, reason: "aborted; nothing was changed"}
	case v.aborting:
		return action{verb: end, state: Aborted, reason: "aborted; it has no node, and may run on ECI now"}
	case v.node == nil:
		return action{verb: end, state: Aborted, reason: "node " + x.Node + " is gone"}
	case len(v.pod.Spec.SchedulingGates) > 0:
		return action{verb: end, state: Aborted, reason: "it is held by the scheduling gate " + v.pod.Spec.SchedulingGates[0].Name}
	}
	opened := v.pod.Spec.DeepCopy()
	open(opened, v.node)
	takes, closed := true, ""
	for i := range v.node.Spec.Taints {
		taint := &v.node.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		takes = takes && toleratesTaint(v.pod.Spec.Tolerations, taint)
		if !toleratesTaint(opened.Tolerations, taint) {
			closed = fmt.Sprintf("node %s has the taint %s, which it does not tolerate", x.Node, taint.ToString())
		}
	}
	switch {
	case closed != "" && v.waited > reopened:
		return action{verb: end, state: Aborted, reason: closed + "; nothing was disrupted"}
	case closed != "":
		return action{verb: wait, reason: closed}
	case !takes && !selected(v.pod, v.node):
		// The toleration would not help, and can't be taken back.
	case !takes:
		return action{verb: admit}
	case v.waited < toleratedFor && len(x.Steps) > 0:
		return action{verb: wait, reason: "the scheduler places it"}
	}
	if v.keeps != "" {
		return action{verb: end, state: Aborted, reason: "it can't be bound to node " + x.Node + ": " + v.keeps}
	}
	return action{verb: bind}
}

// place makes one step for a pod without a node.
func (e *Engine) place(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	e.mu.Lock()
	v := placeView{aborting: e.aborting, waited: time.Since(m.since)}
	e.mu.Unlock()
	var err error
	if v.pod, err = e.pod(ctx, x.Pod); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	if v.node, err = e.Client.CoreV1().Nodes().Get(call, x.Node, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		v.node = nil
	} else if err != nil {
		return fmt.Errorf("reading node %s: %w", x.Node, err)
	}
	if v.pod != nil && v.node != nil && v.pod.Spec.NodeName == "" {
		if v.keeps, err = burst.Volumes(call, e.Client, v.pod, v.node); err != nil {
			return err
		}
	}
	switch a := decidePlace(&x, v); a.verb {
	case end:
		return e.ends(ctx, i, a)
	case admit:
		return e.admit(ctx, i, m, v)
	case bind:
		return e.bind(ctx, i, v)
	default:
		m.next = glance
		return e.waiting(ctx, i, a.reason)
	}
}

// admit adds the tolerations of the virtual node to a live pod, which may only be added to.
func (e *Engine) admit(ctx context.Context, i int, m *memory, v placeView) error {
	x := e.get(i)
	if err := e.before(ctx, i, Placing, "", "tolerate", x.Pod); err != nil {
		return err
	}
	spec := v.pod.Spec.DeepCopy()
	open(spec, v.node)
	patch := mustJSON(map[string]any{"metadata": map[string]any{"uid": v.pod.UID, "resourceVersion": v.pod.ResourceVersion}, "spec": map[string]any{"tolerations": spec.Tolerations}})
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	_, err := e.Client.CoreV1().Pods(v.pod.Namespace).Patch(call, v.pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: Manager})
	m.since = time.Now()
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return e.after(ctx, i, err, nil)
	}
	return e.refusedOr(ctx, i, err, nil)
}

// bind binds the pod to the virtual node, with its UID; a pod that has a node is a conflict.
func (e *Engine) bind(ctx context.Context, i int, v placeView) error {
	x := e.get(i)
	if err := e.before(ctx, i, Placing, "", "bind", x.Pod); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	err := e.Client.CoreV1().Pods(v.pod.Namespace).Bind(call, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: v.pod.Namespace, Name: v.pod.Name, UID: v.pod.UID},
		Target: corev1.ObjectReference{Kind: "Node", Name: v.node.Name}}, metav1.CreateOptions{FieldManager: Manager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return e.after(ctx, i, err, nil)
	}
	return e.refusedOr(ctx, i, err, nil)
}

// refusedOr ends an item whose call was refused for good.
func (e *Engine) refusedOr(ctx context.Context, i int, err error, edit func(*Item)) error {
	if err != nil {
		edit = nil
	}
	written := e.after(ctx, i, err, edit)
	if err != nil && !transient(err) {
		return errors.Join(written, e.end(ctx, i, Aborted, "refused: "+err.Error()))
	}
	return errors.Join(err, written)
}

// virtualNodes are the nodes that run their pods on ECI.
func virtualNodes(ctx context.Context, client kubernetes.Interface) ([]*corev1.Node, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	list, err := client.CoreV1().Nodes().List(call, metav1.ListOptions{LabelSelector: placement.NodeTypeLabel + "=" + placement.NodeType})
	if err != nil {
		return nil, fmt.Errorf("looking for virtual nodes: %w", err)
	}
	var nodes []*corev1.Node
	for i := range list.Items {
		nodes = append(nodes, &list.Items[i])
	}
	return nodes, nil
}
