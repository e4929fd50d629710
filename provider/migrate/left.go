package migrate

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A Left is a pod, or a workload, that was to be moved and was not.
type Left struct {
	Object Ref    `json:"object"`
	Why    string `json:"why"`
}

const (
	// mostLeft is how many of them an operation names: its first ConfigMap has to hold them.
	mostLeft = 100
	// lateBy is how much longer than its grace period a pod that is being deleted is waited for.
	lateBy = 10 * time.Second
)

// remains notes what an operation that is done otherwise leaves where it was. A drain looks at
// its node again for that: what was scheduled there after the plan was made, and before the
// node was closed, is in no plan, and whoever stops the machine would lose it all the same.
func (e *Engine) remains(ctx context.Context) error {
	o := e.copy()
	if end, _ := o.conclude(); end != Done {
		return nil
	}
	var left []Left
	if o.Plan.Drain != nil {
		err := tenacious(ctx, e.Client, patience, e.notice, func(ctx context.Context) (err error) {
			left, err = e.onNode(ctx, o)
			return err
		})
		if err != nil {
			return err
		}
	} else {
		for i := range o.Plan.Items {
			if x := &o.Plan.Items[i]; x.State == Stays && !x.Settled {
				left = append(left, Left{x.Subject(), x.Why})
			}
		}
	}
	e.mu.Lock()
	e.op.Left, e.op.LeftCount = left[:min(len(left), mostLeft)], len(left)
	e.mu.Unlock()
	return nil
}

// onNode is what the node of a drain has now that does not belong to it. What is being deleted
// there is waited for, as long as it may take, but not by who aborts. Of a node that is gone nothing is left, nor is what
// the machine has that was put in its place.
func (e *Engine) onNode(ctx context.Context, o *Operation) ([]Left, error) {
	node := o.Plan.Drain.Node
	items := map[types.UID]*Item{}
	for i := range o.Plan.Items {
		items[o.Plan.Items[i].Pod.UID] = &o.Plan.Items[i]
	}
	for {
		if there, err := stands(ctx, e.Client, node); err != nil || !there {
			return nil, err
		}
		call, cancel := context.WithTimeout(ctx, perCall)
		list, err := e.Client.CoreV1().Pods(metav1.NamespaceAll).List(call, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node.Name})
		cancel()
		if err != nil {
			return nil, fmt.Errorf("looking for what is left on node %s: %w", node.Name, err)
		}
		var left []Left
		ending := "" // what may still end in time
		for i := range list.Items {
			pod := &list.Items[i]
			if pod.Spec.NodeName != node.Name || stationary(pod) || hasEnded(pod) {
				continue
			}
			why := "it came to the node after the plan was made: drain again"
			if x := items[pod.UID]; x != nil {
				why = cmp.Or(x.Reason, x.Why)
			}
			if at := pod.DeletionTimestamp; at != nil {
				why = "it is being deleted, and has not ended"
				if !e.isAborting() && time.Now().Add(e.ahead).Before(at.Add(lateBy)) {
					ending = pod.Name
				}
			}
			left = append(left, Left{Ref{"Pod", pod.Namespace, pod.Name, pod.UID}, why})
		}
		if ending == "" {
			return left, nil
		}
		e.notice("waiting for pod " + ending + " to end, which is being deleted")
		if err := sleep(ctx, glance); err != nil {
			return nil, err
		}
	}
}

// stationary tells that a pod belongs to its node, so that a drain leaves it there.
func stationary(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	return p.Annotations[corev1.MirrorPodAnnotationKey] != "" || owner != nil && kindOf(owner) == "DaemonSet"
}

// hasEnded tells that a pod's containers have ended for good.
func hasEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}
