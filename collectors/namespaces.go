package collectors

import (
	"context"

	"github.com/ecideck/ecideck/collectors/fleet"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// Namespaces watches the namespaces' names.
func Namespaces(client kubernetes.Interface, probe Probe) Collector {
	return &watcher[string]{
		kind: "namespaces", cluster: true, client: client, probe: probe, every: objectsEvery,
		list: func(ctx context.Context, _ string, o metav1.ListOptions) (runtime.Object, error) {
			return client.CoreV1().Namespaces().List(ctx, o)
		},
		watch: func(ctx context.Context, _ string, o metav1.ListOptions) (watch.Interface, error) {
			return client.CoreV1().Namespaces().Watch(ctx, o)
		},
		convert: func(o runtime.Object) *string { name := intern(o.(*corev1.Namespace).Name); return &name },
		compare: func(a, b *string) int { return compareNames("", *a, "", *b) },
		equal:   func(a, b *string) bool { return *a == *b },
		part: func(items []*string, _ []string) fleet.Part {
			part := fleet.Namespaces{Names: make([]string, 0, len(items))}
			for _, name := range items {
				part.Names = append(part.Names, *name)
			}
			return part
		},
	}
}
