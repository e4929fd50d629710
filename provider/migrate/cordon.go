package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// errReplaced says that another node has a node's name.
var errReplaced = errors.New("is another machine than before: it was replaced meanwhile")

// SetUnschedulable cordons or uncordons a node, and tells how it was before. uid "" takes
// whichever node has the name.
func SetUnschedulable(ctx context.Context, client kubernetes.Interface, name string, uid types.UID, on bool) (before bool, err error) {
	for range 5 {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		switch {
		case err != nil:
			return false, fmt.Errorf("reading node %s: %w", name, err)
		case uid != "" && node.UID != uid:
			return false, fmt.Errorf("node %s %w", name, errReplaced)
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

// cordon closes the node that is drained, before anything is moved; an undo opens one.
func (e *Engine) cordon(ctx context.Context) error {
	o := e.copy()
	switch {
	case o.State == Aborting:
	case o.Plan.Drain != nil:
		return e.node(ctx, o.Plan.Drain.Node, true)
	case o.Plan.Open != nil:
		return e.node(ctx, *o.Plan.Open, false)
	}
	return nil
}

// uncordon opens the node again where the operation was aborted and had closed it. A drain
// that failed leaves it closed, since somebody is to decide, and so does one that was done
// before the abort was heard.
func (e *Engine) uncordon(ctx context.Context) error {
	o := e.copy()
	if end, _ := o.conclude(); o.Plan.Drain == nil || o.State != Aborting || o.Plan.Drain.Cordoned || end == Done {
		return nil
	}
	return e.node(ctx, o.Plan.Drain.Node, false)
}

// node is a step on the node, written down before and after. An API server that is away is
// waited for as long as with an item. A node that is gone is no failure, nor is one that was
// replaced since the first item began: machines go while their pods are moved, and what was on
// them has to come to its end. Before that, a plan is about another machine than was meant.
func (e *Engine) node(ctx context.Context, node Ref, on bool) error {
	verb := map[bool]string{true: "cordon", false: "uncordon"}[on]
	e.mu.Lock()
	e.op.Steps = append(e.op.Steps[:len(e.op.Steps):len(e.op.Steps)], Step{At: time.Now(), Verb: verb, Object: node})
	e.mu.Unlock()
	try := func(do func(context.Context) error) error {
		return tenacious(ctx, e.Client, patience, e.notice, func(ctx context.Context) error {
			call, cancel := context.WithTimeout(ctx, perCall)
			defer cancel()
			return do(call)
		})
	}
	write := func(ctx context.Context) error { return e.journal.Operation(ctx, e.copy()) }
	if err := try(write); err != nil {
		return err
	}
	err := try(func(ctx context.Context) error {
		_, err := SetUnschedulable(ctx, e.Client, node.Name, node.UID, on)
		return err
	})
	e.mu.Lock()
	begun := slices.ContainsFunc(e.op.Plan.Items, func(x Item) bool { return !x.Began.IsZero() })
	last := &e.op.Steps[len(e.op.Steps)-1]
	if last.Answer = "ok"; err != nil {
		last.Answer = err.Error()
	}
	if apierrors.IsNotFound(err) || errors.Is(err, errReplaced) && (begun || !on) {
		err = nil
	}
	e.mu.Unlock()
	if written := try(write); written != nil && err == nil {
		err = written
	}
	return err
}
