package collectors

import (
	"maps"

	"github.com/ecideck/ecideck/collectors/fleet"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// Jobs watches the Jobs.
func Jobs(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return controllers(client, scope, probe, "jobs", "Job",
		func(namespace string) lister[*batchv1.JobList] { return client.BatchV1().Jobs(namespace) },
		func(o runtime.Object) *fleet.Controller { return jobRecord(o.(*batchv1.Job)) })
}

func jobRecord(j *batchv1.Job) *fleet.Controller {
	template := maps.Clone(j.Spec.Template.Labels)
	for _, key := range []string{"batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"} {
		delete(template, key) // each Job's own: nothing selects by them
	}
	c := controllerOf("Job", j, template)
	c.Desired, c.Completions, c.Observed = replicas(j.Spec.Parallelism), replicas(j.Spec.Completions), true
	c.Current, c.Failed, c.Succeeded = int(j.Status.Active), int(j.Status.Failed), int(j.Status.Succeeded)
	c.Suspended = j.Spec.Suspend != nil && *j.Spec.Suspend
	if j.Status.Ready != nil {
		c.Ready = int(*j.Status.Ready)
	}
	if j.Spec.BackoffLimit != nil {
		c.BackoffLimit = int(*j.Spec.BackoffLimit)
	}
	ended := c.Suspended
	for i := range j.Status.Conditions {
		switch cond := &j.Status.Conditions[i]; {
		case cond.Status != "True":
		case cond.Type == batchv1.JobFailed, cond.Type == batchv1.JobFailureTarget && c.Failure.Status == "":
			c.Failure, ended = conditionOf(string(cond.Status), cond.Reason, cond.Message, cond.LastTransitionTime), true
		case cond.Type == batchv1.JobComplete:
			ended = true
		}
	}
	if ended {
		c.Desired = 0
	}
	return c
}
