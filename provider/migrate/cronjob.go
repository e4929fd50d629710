package migrate

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A CronJob's template is for its future runs; what runs is left to end.

func cronJobFields(j *batchv1.CronJob) Fields {
	return templateFields(&j.Spec.JobTemplate.Spec.Template.Spec)
}

// decideTemplate says what to do next about a CronJob; nil: it is gone. It is pure.
func decideTemplate(x *Item, job *batchv1.CronJob, aborting bool) action {
	if job == nil {
		return action{verb: end, state: Aborted, reason: "the CronJob is gone"}
	}
	live := cronJobFields(job)
	switch back := aborting || x.State == Reverting; {
	case live.placedAs(x.Change.After) && back:
		return action{verb: revert, reason: "aborted"}
	case live.placedAs(x.Change.After):
		return action{verb: end, state: Done, reason: "its future runs go where the template says now"}
	case !live.placedAs(x.Change.Before):
		return action{verb: end, state: Aborted, reason: "somebody else has changed where its template puts pods: it was left"}
	case back:
		return action{verb: end, state: Aborted, reason: "aborted; its template is as before"}
	}
	return action{verb: change}
}

// template makes one step of a CronJob's change.
func (e *Engine) template(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	call, cancel := context.WithTimeout(ctx, perCall)
	job, err := e.Client.BatchV1().CronJobs(x.Workload.Namespace).Get(call, x.Workload.Name, metav1.GetOptions{})
	cancel()
	switch {
	case apierrors.IsNotFound(err) || err == nil && job.UID != x.Workload.UID:
		job = nil
	case err != nil:
		return fmt.Errorf("reading CronJob %s: %w", x.Workload.Name, err)
	}
	a := decideTemplate(&x, job, e.isAborting())
	if a.verb == end {
		return e.end(ctx, i, a.state, a.reason)
	}
	live := cronJobFields(job)
	want := x.Change.After
	if a.verb == revert {
		want = x.Change.Before
	}
	return e.setFields(ctx, i, a, m, func(call context.Context) error {
		_, err := e.Client.BatchV1().CronJobs(job.Namespace).Patch(call, job.Name, types.JSONPatchType,
			jsonPatch(job.UID, job.ResourceVersion, "/spec/jobTemplate/spec/template/spec", live, want), metav1.PatchOptions{FieldManager: Manager})
		return err
	})
}
