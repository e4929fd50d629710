package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/ui"
	"github.com/ecideck/ecideck/ui/view"
)

func uidOf(r fleet.Ref) types.UID { return types.UID(r.UID) }

// cordon plans to close nodes to new pods, or to open them.
func (o *operator) cordon(ctx context.Context, order ui.Order) (*ui.Plan, error) {
	on := order.Verb == view.Cordon
	p := &ui.Plan{Title: fmt.Sprintf("%s %d nodes", order.Verb, len(order.Targets)), Undo: "u uncordons"}
	if len(order.Targets) == 1 {
		p.Title = string(order.Verb) + " node " + order.Targets[0].Name
	}
	if !on {
		p.Undo = "c cordons"
	}
	var todo []*corev1.Node
	var objects []migrate.Ref
	for _, t := range order.Targets {
		node, err := o.kube.Client.CoreV1().Nodes().Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("reading node %s: %w", t.Name, err)
		}
		m := view.Move{Name: node.Name, How: string(order.Verb), Why: "no new pods are scheduled there; those that run stay"}
		if !on {
			m.Why = "new pods may be scheduled there again"
		}
		if node.Spec.Unschedulable == on {
			m.Stays, m.Why = true, map[bool]string{true: "it is cordoned already", false: "it is not cordoned"}[on]
		} else {
			todo = append(todo, node)
			objects = append(objects, migrate.Ref{Kind: "Node", Name: node.Name, UID: node.UID})
			p.Commands = append(p.Commands, o.kube.Command("kubectl")+" "+string(order.Verb)+" "+node.Name)
		}
		p.Moves = append(p.Moves, m)
	}
	if len(todo) == 0 {
		p.Blocked = map[bool]string{true: "it is cordoned already", false: "it is not cordoned"}[on]
	} else if err := o.mayPatch(ctx, p, objects); err != nil {
		return nil, err
	}
	p.Handle = planRun(func(ctx context.Context, _ func(*ui.Progress)) error {
		var errs []error
		for _, node := range todo {
			_, err := migrate.SetUnschedulable(ctx, o.kube.Client, node.Name, node.UID, on)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	return p, nil
}

// mayPatch has a plan say what of it the user has no right to do: all of it is blocked then, since
// half of it would be found out halfway.
func (o *operator) mayPatch(ctx context.Context, p *ui.Plan, objects []migrate.Ref) error {
	checks, err := migrate.MayPatch(ctx, o.kube.Client, objects)
	if err != nil {
		return err
	}
	p.Checks = append(p.Checks, checksOf(checks)...)
	for _, c := range checks {
		if c.Level == migrate.Block && p.Blocked == "" {
			p.Blocked = c.Reason + "; " + c.Remedy
		}
	}
	return nil
}

// A template is what of a workload a rolling restart changes, and how it rolls out.
type template struct {
	meta  metav1.ObjectMeta
	pods  int32
	why   string // how it is rolled out
	ends  string // how its pods end before their successors run; "": they don't
	stays string // why it can't be restarted; "": it can
	warns string
}

const eachEnds = "each of its pods ends before its successor runs"

// restart plans rolling restarts.
func (o *operator) restart(ctx context.Context, order ui.Order) (*ui.Plan, error) {
	p := &ui.Plan{Title: fmt.Sprintf("restart %d workloads", len(order.Targets)), Undo: "there is none: the pods are made anew from the same template",
		Manner: "one after the other, as the workload's strategy says"}
	if t := order.Targets[0]; len(order.Targets) == 1 {
		p.Title = "restart " + strings.ToLower(t.Kind) + " " + t.Name + " in " + t.Namespace
	}
	var todo []fleet.Ref
	var objects []migrate.Ref
	var dangers migrate.Plan
	for _, t := range order.Targets {
		x, err := o.template(ctx, t)
		if err != nil {
			return nil, err
		}
		m := view.Move{Name: t.Namespace + "/" + t.Name, How: "restart", Why: fmt.Sprintf("%d pods, %s", x.pods, x.why)}
		if x.warns != "" {
			m.Checks = append(m.Checks, view.Check{Name: "strategy", Level: view.Warns, Reason: x.warns})
		}
		if x.stays != "" {
			m.Stays, m.Why = true, x.stays
		} else {
			todo = append(todo, fleet.Ref{Kind: t.Kind, Namespace: t.Namespace, Name: t.Name, UID: string(x.meta.UID)})
			object := migrate.Ref{Kind: t.Kind, Namespace: t.Namespace, Name: t.Name, UID: x.meta.UID}
			objects = append(objects, object)
			if x.pods > 0 {
				dangers.Items = append(dangers.Items, migrate.Item{Workload: object, Danger: x.ends})
			}
			p.Commands = append(p.Commands, o.kube.Command("kubectl")+" rollout restart -n "+t.Namespace+" "+strings.ToLower(t.Kind)+"/"+t.Name)
		}
		p.Moves = append(p.Moves, m)
	}
	p.Checks = append(p.Checks, view.Check{Name: "budget", Level: view.Tells, Reason: "budgets don't govern a rolling restart; the strategy's maxUnavailable does"})
	p.Danger, p.Confirm = dangers.Danger()
	confirmsAll(p, order.Targets)
	if len(todo) == 0 {
		p.Blocked = p.Moves[0].Why
	} else if err := o.mayPatch(ctx, p, objects); err != nil {
		return nil, err
	}
	p.Handle = planRun(func(ctx context.Context, _ func(*ui.Progress)) error {
		var errs []error
		for _, t := range todo {
			errs = append(errs, o.roll(ctx, t, time.Now()))
		}
		return errors.Join(errs...)
	})
	return p, nil
}

// template reads what a restart of a workload would do.
func (o *operator) template(ctx context.Context, t fleet.Ref) (*template, error) {
	x := &template{}
	apps := o.kube.Client.AppsV1()
	failed := func(err error) error {
		return fmt.Errorf("reading %s %s in %s: %w", strings.ToLower(t.Kind), t.Name, t.Namespace, err)
	}
	switch t.Kind {
	case "Deployment":
		d, err := apps.Deployments(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, failed(err)
		}
		x.meta, x.pods = d.ObjectMeta, d.Status.Replicas
		of := func(v *intstr.IntOrString, up bool) int32 {
			n, err := intstr.GetScaledValueFromIntOrPercent(v, int(x.pods), up)
			if err != nil {
				return 0 // there is none
			}
			return int32(n)
		}
		switch r := d.Spec.Strategy.RollingUpdate; {
		case d.Spec.Paused:
			x.stays = "its rollout is paused: resume that first (kubectl rollout resume)"
		case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
			x.why, x.ends = "all at once: strategy Recreate", "all its pods end before the first new one runs (strategy Recreate)"
		case r != nil:
			x.why = "at most " + r.MaxUnavailable.String() + " missing, " + r.MaxSurge.String() + " more"
			if of(r.MaxUnavailable, false) >= x.pods {
				x.ends = "all its pods may end before the first new one runs"
			} else if of(r.MaxSurge, true) == 0 {
				x.ends = eachEnds
			}
		}
	case "StatefulSet":
		s, err := apps.StatefulSets(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, failed(err)
		}
		x.meta, x.pods, x.why = s.ObjectMeta, s.Status.Replicas, "one at a time"
		x.ends = eachEnds
		if s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
			x.why, x.ends, x.warns = "as they are deleted: strategy OnDelete", "", "with strategy OnDelete nothing happens until its pods are deleted by hand"
		}
	case "DaemonSet":
		d, err := apps.DaemonSets(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, failed(err)
		}
		x.meta, x.pods, x.why = d.ObjectMeta, d.Status.CurrentNumberScheduled, "node by node"
		r := d.Spec.UpdateStrategy.RollingUpdate
		if r == nil || r.MaxSurge == nil || *r.MaxSurge == intstr.FromInt32(0) {
			x.ends = eachEnds
		}
		if d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			x.ends = ""
			x.why, x.warns = "as they are deleted: strategy OnDelete", "with strategy OnDelete nothing happens until its pods are deleted by hand"
		}
	default:
		return nil, fmt.Errorf("a %s has no rolling restart", t.Kind)
	}
	if t.UID != "" && string(x.meta.UID) != t.UID {
		return nil, fmt.Errorf("%s %s in %s is another one than before: it was made anew", strings.ToLower(t.Kind), t.Name, t.Namespace)
	}
	return x, nil
}

// roll restarts a workload as kubectl rollout restart does, the one with this UID only.
func (o *operator) roll(ctx context.Context, t fleet.Ref, now time.Time) error {
	for range 5 {
		x, err := o.template(ctx, t)
		switch {
		case err != nil:
			return err
		case x.stays != "":
			return fmt.Errorf("restarting %s %s: %s", strings.ToLower(t.Kind), t.Name, x.stays)
		}
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"uid": x.meta.UID, "resourceVersion": x.meta.ResourceVersion},
			"spec":     map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]string{restartedAt: now.Format(time.RFC3339)}}}},
		})
		if err != nil {
			return err
		}
		options := metav1.PatchOptions{FieldManager: migrate.Manager}
		apps := o.kube.Client.AppsV1()
		switch t.Kind {
		case "Deployment":
			_, err = apps.Deployments(t.Namespace).Patch(ctx, t.Name, types.MergePatchType, patch, options)
		case "StatefulSet":
			_, err = apps.StatefulSets(t.Namespace).Patch(ctx, t.Name, types.MergePatchType, patch, options)
		default:
			_, err = apps.DaemonSets(t.Namespace).Patch(ctx, t.Name, types.MergePatchType, patch, options)
		}
		if err == nil {
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("restarting %s %s: %w", strings.ToLower(t.Kind), t.Name, err)
		}
	}
	return fmt.Errorf("restarting %s %s: it changes all the time", strings.ToLower(t.Kind), t.Name)
}

// restartedAt is the annotation by which kubectl restarts pods.
const restartedAt = "kubectl.kubernetes.io/restartedAt"
