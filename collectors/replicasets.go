package collectors

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// ReplicaSets watches the ReplicaSets: they say why a Deployment's pods can't be made.
func ReplicaSets(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return controllers(client, scope, probe, "replicasets", "ReplicaSet",
		func(namespace string) lister[*appsv1.ReplicaSetList] { return client.AppsV1().ReplicaSets(namespace) },
		func(o runtime.Object) *fleet.Controller { return replicaSetRecord(o.(*appsv1.ReplicaSet)) })
}

func replicaSetRecord(r *appsv1.ReplicaSet) *fleet.Controller {
	template := r.Spec.Template.Labels
	if metav1.GetControllerOf(r) != nil {
		template = nil // its Deployment has them
	}
	c := controllerOf("ReplicaSet", r, template)
	s := &r.Status
	c.Desired, c.Current, c.Updated, c.Ready, c.Available = replicas(r.Spec.Replicas), int(s.Replicas), int(s.Replicas), int(s.ReadyReplicas), int(s.AvailableReplicas)
	c.Observed = s.ObservedGeneration >= r.Generation
	for i := range s.Conditions {
		if cond := &s.Conditions[i]; cond.Type == appsv1.ReplicaSetReplicaFailure {
			c.Failure = conditionOf(string(cond.Status), cond.Reason, cond.Message, cond.LastTransitionTime)
		}
	}
	return c
}
