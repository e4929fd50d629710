package collectors

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// StatefulSets watches the StatefulSets.
func StatefulSets(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return controllers(client, scope, probe, "statefulsets", "StatefulSet",
		func(namespace string) lister[*appsv1.StatefulSetList] { return client.AppsV1().StatefulSets(namespace) },
		func(o runtime.Object) *fleet.Controller { return statefulSetRecord(o.(*appsv1.StatefulSet)) })
}

func statefulSetRecord(d *appsv1.StatefulSet) *fleet.Controller {
	c := controllerOf("StatefulSet", d, d.Spec.Template.Labels)
	s := &d.Status
	c.Desired, c.Current, c.Updated, c.Ready, c.Available = replicas(d.Spec.Replicas), int(s.Replicas), int(s.UpdatedReplicas), int(s.ReadyReplicas), int(s.AvailableReplicas)
	if s.UpdateRevision == s.CurrentRevision {
		c.Updated = c.Current // the count stands still once a rollout is over
	}
	c.Observed = s.ObservedGeneration >= d.Generation
	c.OrderedReady = d.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	if u := d.Spec.UpdateStrategy.RollingUpdate; u != nil && u.Partition != nil {
		c.Partition = int(*u.Partition)
	}
	return c
}
