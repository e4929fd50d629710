package migrate

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// SetUnschedulable cordons or uncordons a node, and tells how it was before. uid "" takes
// whichever node has the name.
func SetUnschedulable(ctx context.Context, client kubernetes.Interface, name string, uid types.UID, on bool) (before bool, err error) {
	for range 5 {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		switch {
		case err != nil:
			return false, fmt.Errorf("reading node %s: %w", name, err)
		case uid != "" && node.UID != uid:
			return false, fmt.Errorf("node %s is another machine than before: it was replaced meanwhile", name)
		case node.Spec.Unschedulable == on:
			return on, nil
		}
		// No value, and not false: that is how kubectl uncordons, too.
		var value any
		if on {
			value = true
		}
		patch := mustJSON(map[string]any{"metadata": map[string]any{"uid": node.UID, "resourceVersion": node.ResourceVersion}, "spec": map[string]any{"unschedulable": value}})
		_, err = client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: Manager})
		if err == nil {
			return !on, nil
		}
		if !apierrors.IsConflict(err) {
			return !on, fmt.Errorf("%s node %s: %w", map[bool]string{true: "cordoning", false: "uncordoning"}[on], name, err)
		}
	}
	return !on, fmt.Errorf("node %s changes all the time", name)
}

// cordon closes the node that is drained, before anything is moved.
func (e *Engine) cordon(ctx context.Context) error {
	o := e.copy()
	if o.Plan.Drain == nil || o.State == Aborting {
		return nil
	}
	return e.node(ctx, true)
}

// uncordon opens the node again where the operation was aborted and had closed it. A drain
// that failed leaves it closed: somebody is to decide.
func (e *Engine) uncordon(ctx context.Context) error {
	o := e.copy()
	if o.Plan.Drain == nil || o.State != Aborting || o.Plan.Drain.Cordoned {
		return nil
	}
	return e.node(ctx, false)
}

// node is a step on the node, written down before and after.
func (e *Engine) node(ctx context.Context, on bool) error {
	verb := map[bool]string{true: "cordon", false: "uncordon"}[on]
	drained := e.copy().Plan.Drain
	e.mu.Lock()
	e.op.Steps = append(e.op.Steps[:len(e.op.Steps):len(e.op.Steps)], Step{At: time.Now(), Verb: verb, Object: drained.Node})
	e.mu.Unlock()
	if err := e.journal.Operation(ctx, e.copy()); err != nil {
		return err
	}
	_, err := SetUnschedulable(ctx, e.Client, drained.Node.Name, drained.Node.UID, on)
	e.mu.Lock()
	last := &e.op.Steps[len(e.op.Steps)-1]
	if last.Answer = "ok"; err != nil {
		last.Answer = err.Error()
	}
	e.mu.Unlock()
	if written := e.journal.Operation(ctx, e.copy()); written != nil && err == nil {
		err = written
	}
	return err
}
