package collectors

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// Deployments watches the Deployments.
func Deployments(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return controllers(client, scope, probe, "deployments", "Deployment",
		func(namespace string) lister[*appsv1.DeploymentList] { return client.AppsV1().Deployments(namespace) },
		func(o runtime.Object) *fleet.Controller { return deploymentRecord(o.(*appsv1.Deployment)) })
}

func deploymentRecord(d *appsv1.Deployment) *fleet.Controller {
	c := controllerOf("Deployment", d, d.Spec.Template.Labels)
	s := &d.Status
	c.Desired, c.Current, c.Updated = replicas(d.Spec.Replicas), int(s.Replicas), int(s.UpdatedReplicas)
	c.Ready, c.Available, c.Paused, c.Observed = int(s.ReadyReplicas), int(s.AvailableReplicas), d.Spec.Paused, s.ObservedGeneration >= d.Generation
	if s.TerminatingReplicas != nil {
		c.Terminating = int(*s.TerminatingReplicas)
	}
	for i := range s.Conditions {
		switch cond := &s.Conditions[i]; cond.Type {
		case appsv1.DeploymentProgressing:
			c.Progressing = conditionOf(string(cond.Status), cond.Reason, cond.Message, cond.LastTransitionTime)
		case appsv1.DeploymentReplicaFailure:
			c.Failure = conditionOf(string(cond.Status), cond.Reason, cond.Message, cond.LastTransitionTime)
		}
	}
	if c.Progressing.Status == "True" {
		c.Progressing.Message = "" // it names the newest ReplicaSet, and so changes for nothing
	}
	return c
}
