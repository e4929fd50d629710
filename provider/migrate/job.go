package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A Job can't be moved while it runs: two of its pods would do the same work. It is suspended,
// which ends its pods, its template is changed, and it is resumed: it starts its work anew.
// Before Kubernetes 1.36 a Job that has ever started can't be changed.

func jobFields(j *batchv1.Job) Fields {
	f := templateFields(&j.Spec.Template.Spec)
	suspended := j.Spec.Suspend != nil && *j.Spec.Suspend
	f.Suspend = &suspended
	return f
}

// jobChange is how a Job's fields change so that its pods go where placed says.
func jobChange(j *batchv1.Job, placed Fields) *Change {
	c, yes := &Change{Before: jobFields(j)}, true
	c.After = c.Before.placed(placed)
	c.During = c.After
	c.During.Suspend = &yes
	return c
}

// A jobView is what a decision about a Job rests on: what the API server said just now.
type jobView struct {
	aborting bool
	job      *batchv1.Job  // nil: it is gone, or another one has its name
	broken   string        // why a pod of it will not run; "": none is known
	waiting  string        // which pod does not run yet; "": all do
	spent    time.Duration // in the item's present state, as far as this process saw
}

// What a decision about a Job wants of the engine, besides change and revert.
const (
	suspend verb = iota + 300
	resume
)

// suspendDeadline is how long a Job's pods may take to end.
const suspendDeadline = 30 * time.Minute

// decideResume says what to do next about a Job. It is pure.
func decideResume(x *Item, v jobView) action {
	if v.job == nil {
		return action{verb: end, state: Aborted, reason: "the Job is gone"}
	}
	live, c := jobFields(v.job), x.Change
	back := v.aborting || x.State == Reverting
	reason := x.cause()
	if x.State != Reverting {
		reason = "aborted"
	}
	suspended := *live.Suspend
	quiet := suspended && v.job.Status.Active == 0 && (v.job.Status.Terminating == nil || *v.job.Status.Terminating == 0)
	said := false
	for _, k := range v.job.Status.Conditions {
		if (k.Type == batchv1.JobComplete || k.Type == batchv1.JobFailed) && k.Status == corev1.ConditionTrue {
			if live.placedAs(c.After) {
				return action{verb: end, state: Done, reason: "the Job has ended: " + string(k.Type)}
			}
			return action{verb: end, state: Aborted, reason: "the Job has ended: " + string(k.Type)}
		}
		said = said || k.Type == batchv1.JobSuspended && k.Status == corev1.ConditionTrue
	}
	// Until its controller has said so, the API server refuses to change the template.
	quiet = quiet && said
	to, from := c.After, c.Before
	if back {
		to, from = c.Before, c.After
	}
	switch {
	case live.placedAs(to) && suspended && !*to.Suspend:
		return action{verb: resume, reason: x.Reason}
	case live.placedAs(to) && back:
		text := reason + "; the template is as before"
		if len(x.Steps) > 0 {
			text += ", and its pods have begun anew"
		}
		return action{verb: end, state: Aborted, reason: text}
	case live.placedAs(to) && *to.Suspend:
		return action{verb: end, state: Done, reason: "its pods go where the template says once it is resumed"}
	case live.placedAs(to) && v.broken != "":
		return action{verb: suspend, state: Reverting, reason: v.broken}
	case live.placedAs(to) && v.waiting != "" && v.spent > surgeDeadline:
		return action{verb: suspend, state: Reverting, reason: fmt.Sprintf("after %s %s", surgeDeadline, v.waiting)}
	case live.placedAs(to) && v.waiting != "":
		return action{verb: wait, reason: v.waiting}
	case live.placedAs(to):
		return action{verb: end, state: Done, reason: "its pods have begun anew where the template says now"}
	case !live.placedAs(from):
		return action{verb: end, state: Failed, reason: "somebody else has changed where its template puts pods: nothing more is done to it; resume it where it is suspended"}
	case back && !suspended:
		return action{verb: suspend, state: Reverting, reason: reason}
	case !suspended:
		return action{verb: suspend, state: Changing}
	case !quiet && v.spent > suspendDeadline && !back:
		return action{verb: resume, state: Reverting, reason: fmt.Sprintf("its pods have not ended after %s", suspendDeadline)}
	case !quiet:
		return action{verb: wait, reason: "its pods are ending"}
	case back:
		return action{verb: revert, reason: reason}
	}
	return action{verb: change}
}

// resume makes one step of a Job's change.
func (e *Engine) resume(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	v := jobView{aborting: e.isAborting(), spent: time.Since(m.since)}
	call, cancel := context.WithTimeout(ctx, perCall)
	job, err := e.Client.BatchV1().Jobs(x.Workload.Namespace).Get(call, x.Workload.Name, metav1.GetOptions{})
	cancel()
	switch {
	case apierrors.IsNotFound(err) || err == nil && job.UID != x.Workload.UID:
		job = nil
	case err != nil:
		return fmt.Errorf("reading Job %s: %w", x.Workload.Name, err)
	}
	if v.job = job; job != nil && jobFields(job).placedAs(x.Change.After) {
		if v.broken, v.waiting, err = e.jobPods(ctx, &x, job, v.spent > roomDeadline); err != nil {
			return err
		}
	}
	a := decideResume(&x, v)
	if a.verb == end {
		return e.end(ctx, i, a.state, a.reason)
	}
	if m.hurry {
		return errInterrupted
	}
	if a.verb == wait {
		m.next = glance
		return e.waiting(ctx, i, a.reason)
	}
	live := jobFields(job)
	want, yes, no := live, true, false
	name, state := "suspend", a.state
	switch a.verb {
	case suspend:
		want.Suspend = &yes
	case resume:
		name, want.Suspend = "resume", &no
	case change:
		name, want, state = "change", live.placed(x.Change.After), Changing
	case revert:
		name, want, state = "revert", live.placed(x.Change.Before), Reverting
	}
	if state == "" {
		state = x.State
		if a.verb == resume && x.State == Changing {
			state = Changed
		}
	}
	if err := e.before(ctx, i, state, a.reason, name, x.Workload); err != nil {
		return err
	}
	call, cancel = context.WithTimeout(ctx, perCall)
	_, err = e.Client.BatchV1().Jobs(job.Namespace).Patch(call, job.Name, types.JSONPatchType,
		jsonPatch(job.UID, job.ResourceVersion, "/spec/template/spec", live, want), metav1.PatchOptions{FieldManager: Manager})
	cancel()
	if a.verb != resume || err == nil {
		m.since = time.Now()
	}
	switch {
	case err == nil, lost(err):
		m.next = glance / 4
		return e.after(ctx, i, err, nil)
	case transient(err):
		return errors.Join(err, e.after(ctx, i, err, nil))
	case a.verb == change:
		// Suspended it must not stay.
		e.change(i, func(x *Item) { x.State, x.Reason = Reverting, "the change of its template was refused: "+err.Error() })
		return e.after(ctx, i, err, nil)
	case a.verb == suspend && state == Changing:
		if written := e.after(ctx, i, err, nil); written != nil {
			return written
		}
		return e.end(ctx, i, Aborted, "refused, nothing was changed: "+err.Error())
	}
	if written := e.after(ctx, i, err, nil); written != nil {
		return written
	}
	return e.end(ctx, i, Failed, "refused, and the Job may be suspended: "+err.Error())
}

// jobPods says what is known of a Job's pods after it was resumed.
func (e *Engine) jobPods(ctx context.Context, x *Item, job *batchv1.Job, late bool) (broke, waiting string, err error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	list, err := e.Client.CoreV1().Pods(job.Namespace).List(call, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(job.Spec.Selector)})
	if err != nil {
		return "", "", fmt.Errorf("listing the pods of Job %s: %w", job.Name, err)
	}
	alives := 0
	for i := range list.Items {
		p := &list.Items[i]
		if !alive(p) || !metav1.IsControlledBy(p, job) {
			continue
		}
		alives++
		if why := broken(p, late && x.Node != ""); why != "" {
			return "pod " + p.Name + " " + why, "", nil
		}
		if p.Status.Phase != corev1.PodRunning {
			waiting = "pod " + p.Name + " does not run yet: " + condition(p)
		}
	}
	if alives == 0 && job.Status.Succeeded == 0 {
		waiting = "its pods are to be made anew"
	}
	return "", waiting, nil
}
