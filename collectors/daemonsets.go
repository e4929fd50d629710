package collectors

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// DaemonSets watches the DaemonSets.
func DaemonSets(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return controllers(client, scope, probe, "daemonsets", "DaemonSet",
		func(namespace string) lister[*appsv1.DaemonSetList] { return client.AppsV1().DaemonSets(namespace) },
		func(o runtime.Object) *fleet.Controller { return daemonSetRecord(o.(*appsv1.DaemonSet)) })
}

func daemonSetRecord(d *appsv1.DaemonSet) *fleet.Controller {
	c := controllerOf("DaemonSet", d, d.Spec.Template.Labels)
	s := &d.Status
	c.Desired, c.Current, c.Updated = int(s.DesiredNumberScheduled), int(s.CurrentNumberScheduled), int(s.UpdatedNumberScheduled)
	c.Ready, c.Available, c.Observed = int(s.NumberReady), int(s.NumberAvailable), s.ObservedGeneration >= d.Generation
	return c
}
