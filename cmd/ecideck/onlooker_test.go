package main

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// An onlooker watches the pods of a namespace, so that waiting costs no calls. What it shows
// is what was so a moment ago: to wait for, not to read one's own writes.
type onlooker struct {
	pods corev1listers.PodLister
}

// look begins to watch until the test ends; each, if any, is told of every state of every pod,
// on one goroutine, before the onlooker shows it.
func look(t testing.TB, client kubernetes.Interface, namespace string, each func(*corev1.Pod)) *onlooker {
	t.Helper()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	pods := factory.Core().V1().Pods()
	if each != nil {
		if _, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { each(o.(*corev1.Pod)) },
			UpdateFunc: func(_, o any) { each(o.(*corev1.Pod)) },
		}); err != nil {
			t.Fatal(err)
		}
	}
	lister := pods.Lister()
	stop := make(chan struct{})
	factory.Start(stop)
	t.Cleanup(func() {
		close(stop)
		factory.Shutdown()
	})
	for _, synced := range factory.WaitForCacheSync(t.Context().Done()) {
		if !synced {
			t.Fatal("the pods can't be watched")
		}
	}
	return &onlooker{lister}
}

// watched are the tenant's pods as an onlooker sees them, from the first call on.
func (x *tenant) watched() *onlooker {
	x.t.Helper()
	if x.pods == nil {
		x.pods = look(x.t, x.client, x.namespace, nil)
	}
	return x.pods
}

// list are the pods with a label, oldest first. They are the cache's: not to be changed.
func (o *onlooker) list(selector string) []*corev1.Pod {
	parsed, err := labels.Parse(selector)
	if err != nil {
		panic(err) // a slip in a test
	}
	list, err := o.pods.List(parsed)
	if err != nil {
		panic(err) // a lister has none
	}
	slices.SortFunc(list, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return list
}

// isUnschedulable tells that the scheduler found no node for the pod.
func isUnschedulable(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable
	})
}

// A firstTimes notes when each pod was first seen in a state.
type firstTimes map[types.UID]time.Time

func (f firstTimes) note(pod metav1.Object, is bool) {
	if _, known := f[pod.GetUID()]; is && !known {
		f[pod.GetUID()] = time.Now()
	}
}

// last is when the last of them was seen.
func (f firstTimes) last() time.Time {
	var last time.Time
	for _, at := range f {
		if at.After(last) {
			last = at
		}
	}
	return last
}
