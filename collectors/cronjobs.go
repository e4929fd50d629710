package collectors

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// CronJobs watches the CronJobs.
func CronJobs(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return controllers(client, scope, probe, "cronjobs", "CronJob",
		func(namespace string) lister[*batchv1.CronJobList] { return client.BatchV1().CronJobs(namespace) },
		func(o runtime.Object) *fleet.Controller { return cronJobRecord(o.(*batchv1.CronJob)) })
}

func cronJobRecord(j *batchv1.CronJob) *fleet.Controller {
	c := controllerOf("CronJob", j, j.Spec.JobTemplate.Spec.Template.Labels)
	c.Schedule, c.Active, c.Observed = j.Spec.Schedule, len(j.Status.Active), true
	c.Suspended = j.Spec.Suspend != nil && *j.Spec.Suspend
	if j.Status.LastScheduleTime != nil {
		c.LastSchedule = j.Status.LastScheduleTime.Time
	}
	return c
}
