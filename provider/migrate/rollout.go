package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A rollout moves a whole Deployment for good, by its template. What Kubernetes' own
// controller does is safe from crashes: a process that is followed, or not, changes nothing
// but when the Deployment's strategy is put back.

// rolloutVerb are what a decision about a workload's fields wants of the engine.
const (
	change  verb = iota + 100 // set During
	restore                   // set After, or Before on the way back
	revert                    // set Before's placement, with During's strategy
)

// unhasty is a Deployment's strategy under which no old pod goes before a new one is
// available.
func unhasty(d *appsv1.Deployment) *appsv1.DeploymentStrategy {
	if recreates(&d.Spec.Strategy) {
		return d.Spec.Strategy.DeepCopy()
	}
	n := int32(1)
	if d.Spec.Replicas != nil {
		n = *d.Spec.Replicas
	}
	none, surge := intstr.FromInt32(0), intstr.FromInt32(max(1, (n+9)/10))
	return &appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &none, MaxSurge: &surge}}
}

// recreates tells a strategy under which all pods end before a new one starts.
func recreates(s *appsv1.DeploymentStrategy) bool {
	return s != nil && s.Type == appsv1.RecreateDeploymentStrategyType
}

// inWords is what a rolling strategy allows.
func inWords(s *appsv1.DeploymentStrategy) string {
	if s == nil || s.RollingUpdate == nil || s.RollingUpdate.MaxUnavailable == nil || s.RollingUpdate.MaxSurge == nil {
		return "what it was"
	}
	return fmt.Sprintf("maxUnavailable %s, maxSurge %s", s.RollingUpdate.MaxUnavailable, s.RollingUpdate.MaxSurge)
}

// rolloutChange is how a Deployment's fields change so that its pods go where placed says.
func rolloutChange(d *appsv1.Deployment, placed Fields) *Change {
	c := &Change{Before: deploymentFields(d)}
	c.After = c.Before.placed(placed)
	c.During = c.After
	c.During.Deployment = unhasty(d)
	return c
}

func deploymentFields(d *appsv1.Deployment) Fields {
	f := templateFields(&d.Spec.Template.Spec)
	f.Deployment = &d.Spec.Strategy
	return f
}

// A rolloutView is what a decision about a rollout rests on: what the API server said just now.
type rolloutView struct {
	aborting bool
	d        *appsv1.Deployment // nil: it is gone, or another one has its name
	broken   string             // why a pod of the newest ReplicaSet will not become Ready; "": none is known
	still    time.Duration      // how long nothing has moved, as far as this process saw
}

// stillDeadline is how long a rollout may stand still before it is taken back.
const stillDeadline = 10 * time.Minute

// decideRollout says what to do next about a Deployment's rollout. It is pure.
func decideRollout(x *Item, v rolloutView) action {
	if v.d == nil {
		return action{verb: end, state: Aborted, reason: "the Deployment is gone"}
	}
	live, c := deploymentFields(v.d), x.Change
	undone := x.State == Changed && live.placedAs(c.Before)
	back := v.aborting || x.State == Reverting || undone
	reason := x.cause()
	if x.State != Reverting {
		reason = "aborted"
		if undone && !v.aborting {
			reason = "somebody has set the template back"
		}
	}
	progress := rolledOut(v.d)
	if progress != "" && v.d.Spec.Paused {
		progress = fmt.Sprintf("somebody has paused the Deployment (kubectl -n %s rollout resume deployment/%s): %s", v.d.Namespace, v.d.Name, progress)
	}
	switch {
	case live.placedAs(c.After) && back:
		return action{verb: revert, reason: reason}
	case live.placedAs(c.After) && v.broken != "":
		return action{verb: revert, reason: "a new pod " + v.broken}
	case live.placedAs(c.After) && progress != "" && v.still > stillDeadline:
		return action{verb: revert, reason: fmt.Sprintf("nothing has moved for %s: %s", stillDeadline, progress)}
	case live.placedAs(c.After) && progress != "":
		return action{verb: wait, reason: progress}
	case live.placedAs(c.After) && !same(live.Deployment, c.After.Deployment) && same(live.Deployment, c.During.Deployment):
		return action{verb: restore}
	case live.placedAs(c.After):
		return action{verb: end, state: Done, reason: fmt.Sprintf("all %d pods are where the template says now", v.d.Status.Replicas)}
	case !live.placedAs(c.Before):
		return action{verb: end, state: Failed, reason: "somebody else has changed where its template puts pods: nothing more is done to it; look at its node affinity, tolerations and strategy"}
	case back && progress != "" && x.State == Reverting && v.still > stillDeadline:
		reason += fmt.Sprintf("; the template is as before, and nothing has moved for %s: %s", stillDeadline, progress)
		if !same(live.Deployment, c.Before.Deployment) && same(live.Deployment, c.During.Deployment) {
			// Under its own more pods might end than may be missing.
			reason += "; its strategy is still the careful one: set back " + inWords(c.Before.Deployment)
		}
		return action{verb: end, state: Failed, reason: reason}
	case back && progress != "" && x.State == Reverting:
		return action{verb: wait, reason: progress}
	case back && !same(live.Deployment, c.Before.Deployment) && same(live.Deployment, c.During.Deployment):
		return action{verb: restore, reason: reason}
	case back && !recreates(c.During.Deployment):
		return action{verb: end, state: Aborted, reason: reason + "; the template is as before, and no pod was missing"}
	case back && len(x.Steps) > 0:
		return action{verb: end, state: Aborted, reason: reason + "; the template is as before, and its pods may have ended and begun anew (strategy Recreate)"}
	case back:
		return action{verb: end, state: Aborted, reason: reason + "; the template is as before"}
	case v.d.Spec.Paused:
		return action{verb: end, state: Aborted, reason: "the Deployment is paused: nothing was changed"}
	case !same(live.Deployment, c.Before.Deployment) && !same(live.Deployment, c.During.Deployment):
		return action{verb: end, state: Aborted, reason: "its strategy was changed since the plan: nothing was changed"}
	case progress != "":
		return action{verb: end, state: Aborted, reason: "a rollout is under way, nothing was changed: " + progress}
	}
	return action{verb: change}
}

// rolledOut says what of a Deployment's rollout is not over yet, or "".
// kubectl/pkg/polymorphichelpers/rollout_status.go has the same order.
func rolledOut(d *appsv1.Deployment) string {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	switch {
	case s.ObservedGeneration < d.Generation:
		return "its controller has not seen the change yet"
	case s.UpdatedReplicas < want:
		return fmt.Sprintf("%d of %d pods are new", s.UpdatedReplicas, want)
	case s.Replicas > s.UpdatedReplicas:
		return fmt.Sprintf("%d old pods are still to end", s.Replicas-s.UpdatedReplicas)
	case s.AvailableReplicas < s.UpdatedReplicas:
		return fmt.Sprintf("%d of %d new pods are available", s.AvailableReplicas, s.UpdatedReplicas)
	}
	return ""
}

// rollout makes one step of a rollout.
func (e *Engine) rollout(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	v := rolloutView{aborting: e.isAborting()}
	var err error
	if v.d, err = e.deployment(ctx, x.Workload); err != nil {
		return err
	}
	if v.d != nil {
		if v.broken, err = e.brokenPod(ctx, &x, v.d, time.Since(m.since) > roomDeadline); err != nil {
			return err
		}
		v.still = m.since2(fmt.Sprint(v.d.Generation, v.d.Status.Replicas, v.d.Status.UpdatedReplicas, v.d.Status.AvailableReplicas))
	}
	a := decideRollout(&x, v)
	switch a.verb {
	case end:
		if v.d != nil {
			e.change(i, func(x *Item) { x.Revision = v.d.Annotations[revision] })
		}
		return e.end(ctx, i, a.state, a.reason)
	case change, restore, revert:
		live := deploymentFields(v.d)
		want := wanted(a.verb, &x, live)
		return e.setFields(ctx, i, a, m, func(call context.Context) error {
			_, err := e.Client.AppsV1().Deployments(v.d.Namespace).Patch(call, v.d.Name, types.JSONPatchType,
				jsonPatch(v.d.UID, v.d.ResourceVersion, "/spec/template/spec", live, want), metav1.PatchOptions{FieldManager: Manager})
			return err
		})
	}
	m.next = glance
	return e.waiting(ctx, i, a.reason)
}

// wanted are the fields that a step sets.
func wanted(v verb, x *Item, live Fields) Fields {
	switch {
	case v == change:
		return x.Change.During
	case v == revert:
		// The way back is as careful as the way there.
		want := x.Change.Before
		want.Deployment = x.Change.During.Deployment
		return want
	case live.placedAs(x.Change.After):
		return x.Change.After
	}
	return x.Change.Before
}

// setFields is a step that patches a workload, written down before and after. What the API
// server refuses for good ends the item where nothing was changed yet.
func (e *Engine) setFields(ctx context.Context, i int, a action, m *memory, patch func(context.Context) error) error {
	x := e.get(i)
	state, name := Changing, "change"
	switch a.verb {
	case revert:
		state, name = Reverting, "revert"
	case restore:
		state, name = x.State, "restore"
	}
	if err := e.before(ctx, i, state, a.reason, name, x.Workload); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	err := patch(call)
	cancel()
	m.since = time.Now()
	switch {
	case err == nil && a.verb == change:
		return e.after(ctx, i, nil, func(x *Item) { x.State = Changed })
	case err == nil || lost(err):
		m.next = glance / 4
		return e.after(ctx, i, err, nil) // the next look shows
	case transient(err):
		return errors.Join(err, e.after(ctx, i, err, nil))
	case a.verb == change:
		return errors.Join(e.after(ctx, i, err, nil), e.end(ctx, i, Aborted, "refused, nothing was changed: "+err.Error()))
	}
	return errors.Join(e.after(ctx, i, err, nil), e.end(ctx, i, Failed, "what was changed can't be set back: "+err.Error()))
}

func (e *Engine) isAborting() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.aborting
}

// deployment reads one; nil where it is gone or another one has its name.
func (e *Engine) deployment(ctx context.Context, r Ref) (*appsv1.Deployment, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	d, err := e.Client.AppsV1().Deployments(r.Namespace).Get(call, r.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || err == nil && r.UID != "" && d.UID != r.UID:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Deployment %s: %w", r.Name, err)
	}
	return d, nil
}

// brokenPod says why a pod of a Deployment's newest ReplicaSet will not become Ready by
// itself, or "".
func (e *Engine) brokenPod(ctx context.Context, x *Item, d *appsv1.Deployment, late bool) (string, error) {
	if x.State != Changed && x.State != Changing || !deploymentFields(d).placedAs(x.Change.After) {
		return "", nil
	}
	selector := metav1.FormatLabelSelector(d.Spec.Selector)
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	sets, err := e.Client.AppsV1().ReplicaSets(d.Namespace).List(call, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", fmt.Errorf("listing the ReplicaSets of Deployment %s: %w", d.Name, err)
	}
	for i := range sets.Items {
		rs := &sets.Items[i]
		// The newest is the one whose template places pods as the Deployment's does.
		if !metav1.IsControlledBy(rs, d) || rs.Annotations[revision] != d.Annotations[revision] || !templateFields(&rs.Spec.Template.Spec).placedAs(x.Change.After) {
			continue
		}
		pods, err := e.controlled(ctx, rs)
		if err != nil {
			return "", err
		}
		for _, p := range pods {
			if why := broken(p, late && x.Node != ""); why != "" && !ready(p) {
				return p.Name + " " + why, nil
			}
		}
		failed := func(c appsv1.ReplicaSetCondition) bool {
			return c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue
		}
		for _, c := range rs.Status.Conditions {
			if failed(c) {
				return "is refused: " + c.Message, nil
			}
		}
	}
	return "", nil
}

// since2 is how long a text has been the same.
func (m *memory) since2(text string) time.Duration {
	if m.seen != text || m.seenSince.IsZero() {
		m.seen, m.seenSince = text, time.Now()
	}
	return time.Since(m.seenSince)
}
