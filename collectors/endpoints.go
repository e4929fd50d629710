package collectors

import (
	"context"

	"github.com/ecideck/ecideck/collectors/fleet"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// Endpoints watches the EndpointSlices: how many endpoints of each Service are ready.
func Endpoints(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return &watcher[fleet.EndpointSlice]{
		kind: "endpoints", scope: scope, client: client, probe: probe, every: objectsEvery,
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.DiscoveryV1().EndpointSlices(namespace).List(ctx, o)
		},
		watch: func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
			return client.DiscoveryV1().EndpointSlices(namespace).Watch(ctx, o)
		},
		convert: func(o runtime.Object) *fleet.EndpointSlice { return sliceRecord(o.(*discoveryv1.EndpointSlice)) },
		compare: func(a, b *fleet.EndpointSlice) int { return compareNames(a.Namespace, a.Name, b.Namespace, b.Name) },
		equal:   func(a, b *fleet.EndpointSlice) bool { return *a == *b },
		part: func(items []*fleet.EndpointSlice, _ []string) fleet.Part {
			return fleet.Endpoints{Items: items}
		},
	}
}

func sliceRecord(s *discoveryv1.EndpointSlice) *fleet.EndpointSlice {
	r := &fleet.EndpointSlice{Namespace: intern(s.Namespace), Name: s.Name, Service: intern(s.Labels[discoveryv1.LabelServiceName])}
	for i := range s.Endpoints {
		if ready := s.Endpoints[i].Conditions.Ready; ready == nil || *ready { // nil: unknown, to be taken as ready
			r.Ready++
		} else {
			r.NotReady++
		}
	}
	return r
}
