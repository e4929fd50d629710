package collectors

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/ecideck/ecideck/collectors/fleet"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// Services watches the Services.
func Services(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return &watcher[fleet.Service]{
		kind: "services", scope: scope, client: client, probe: probe, every: objectsEvery,
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.CoreV1().Services(namespace).List(ctx, o)
		},
		watch: func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
			return client.CoreV1().Services(namespace).Watch(ctx, o)
		},
		convert: func(o runtime.Object) *fleet.Service { return serviceRecord(o.(*corev1.Service)) },
		compare: func(a, b *fleet.Service) int { return compareNames(a.Namespace, a.Name, b.Namespace, b.Name) },
		equal:   func(a, b *fleet.Service) bool { return *a == *b },
		part: func(items []*fleet.Service, _ []string) fleet.Part {
			return fleet.Services{Items: items, Sorted: true}
		},
	}
}

func serviceRecord(s *corev1.Service) *fleet.Service {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(s.Spec.Selector)) {
		pairs = append(pairs, key+"="+s.Spec.Selector[key])
	}
	return &fleet.Service{
		Namespace: intern(s.Namespace), Name: s.Name, Type: intern(string(s.Spec.Type)), Selector: intern(strings.Join(pairs, ",")),
	}
}

func compareNames(namespaceA, nameA, namespaceB, nameB string) int {
	if c := strings.Compare(namespaceA, namespaceB); c != 0 {
		return c
	}
	return strings.Compare(nameA, nameB)
}
