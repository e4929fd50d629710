package collectors

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// An eventRecord is a line of the timeline with the name of its event object, by which it is
// replaced and deleted.
type eventRecord struct {
	namespace, name, version string
	event                    fleet.Event
}

// Events watches Kubernetes' events. The API server forgets them after an hour or so, and so
// do we. ECI's own come with Groups.
func Events(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return &watcher[eventRecord]{
		kind: "events", scope: scope, client: client, probe: probe, every: time.Second,
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.CoreV1().Events(namespace).List(ctx, o)
		},
		watch: func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
			return client.CoreV1().Events(namespace).Watch(ctx, o)
		},
		convert: func(o runtime.Object) *eventRecord { return eventRecordOf(o.(*corev1.Event)) },
		compare: func(a, b *eventRecord) int {
			if c := strings.Compare(a.namespace, b.namespace); c != 0 {
				return c
			}
			return strings.Compare(a.name, b.name)
		},
		equal: func(a, b *eventRecord) bool { return a.version == b.version },
		part: func(items []*eventRecord, _ []string) fleet.Part {
			out := make([]*fleet.Event, len(items))
			for i, item := range items {
				out[i] = &item.event
			}
			slices.SortStableFunc(out, fleet.CompareEvents)
			return fleet.Events{Items: out, Sorted: true}
		},
	}
}

func eventRecordOf(e *corev1.Event) *eventRecord {
	r := &eventRecord{namespace: intern(e.Namespace), name: e.Name, version: e.ResourceVersion, event: fleet.Event{
		Time: e.CreationTimestamp.Time, Count: max(1, int(e.Count)), Source: "k8s",
		Type: intern(e.Type), Reason: intern(e.Reason), Message: e.Message,
		Namespace: intern(e.InvolvedObject.Namespace), Kind: intern(e.InvolvedObject.Kind),
		Name: e.InvolvedObject.Name, UID: string(e.InvolvedObject.UID),
	}}
	r.event.First = e.FirstTimestamp.Time
	if r.event.First.IsZero() {
		r.event.First = r.event.Time
	}
	times := []time.Time{e.FirstTimestamp.Time, e.LastTimestamp.Time, e.EventTime.Time}
	if e.Series != nil {
		times = append(times, e.Series.LastObservedTime.Time)
		r.event.Count = max(1, int(e.Series.Count))
	}
	for _, t := range times {
		if t.After(r.event.Time) {
			r.event.Time = t
		}
	}
	return r
}
