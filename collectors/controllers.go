package collectors

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// objectsEvery is the shortest time between two reports of a kind that owns pods or bounds
// them: their statuses follow every pod.
const objectsEvery = time.Second

// A lister is the part of a typed client that a watcher calls.
type lister[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// controllers watches a kind that owns pods.
func controllers[L runtime.Object](client kubernetes.Interface, scope Scope, probe Probe, source, kind string,
	in func(namespace string) lister[L], convert func(runtime.Object) *fleet.Controller,
) Collector {
	return &watcher[fleet.Controller]{
		kind: source, scope: scope, client: client, probe: probe, every: objectsEvery,
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return in(namespace).List(ctx, o)
		},
		watch: func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
			return in(namespace).Watch(ctx, o)
		},
		convert: convert, compare: fleet.CompareControllers,
		equal: func(a, b *fleet.Controller) bool { // other controllers' annotations and labels change the version alone
			renewed := *b
			renewed.ResourceVersion = a.ResourceVersion
			return *a == renewed
		},
		part: func(items []*fleet.Controller, _ []string) fleet.Part {
			return fleet.Controllers{Kind: kind, Items: items, Sorted: true}
		},
	}
}

// controllerOf begins the record of any object that owns pods.
func controllerOf(kind string, o metav1.Object, template map[string]string) *fleet.Controller {
	c := &fleet.Controller{
		Kind: kind, Namespace: intern(o.GetNamespace()), Name: o.GetName(), UID: string(o.GetUID()), ResourceVersion: o.GetResourceVersion(),
		Created: o.GetCreationTimestamp().Time, Labels: labelText(template),
	}
	if owner := metav1.GetControllerOf(o); owner != nil {
		c.Owner = fleet.Owner{Kind: intern(owner.Kind), Name: intern(owner.Name)}
	}
	return c
}

// labelText writes labels as fleet.Controller has them.
func labelText(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return intern(strings.Join(pairs, ","))
}

// selectorText writes a selector as labels.Parse reads it; "" selects nothing, and all
// reports whether it selects everything.
func selectorText(s *metav1.LabelSelector) (text string, all bool) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil || s == nil {
		return "", false
	}
	if selector.Empty() {
		return "", true
	}
	return selector.String(), false
}

func replicas(n *int32) int {
	if n == nil {
		return 1 // the API server's default
	}
	return int(*n)
}

func conditionOf(status, reason, message string, since metav1.Time) fleet.Condition {
	return fleet.Condition{Status: intern(status), Reason: intern(reason), Message: message, Since: since.Time}
}
