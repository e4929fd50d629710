// Package fakeapi is client-go's fake API, made fit for tests with informers. Only tests
// import it.
package fakeapi

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/testing"
)

// API is a fake API server with the objects that it was made with. It is safe for
// concurrent use, except that reactors are added before the first call.
type API struct {
	*fake.Clientset
	objects *counted
}

// New differs from fake.NewClientset in three ways. A watch that begins after an object was
// created delivers a copy of it: client-go 0.37 delivers the stored object itself, and an
// informer's transform, which may write to what it gets, then races with every reader. And
// managed fields are not tracked, so server-side apply is a plain merge: the tracker for them
// builds a REST mapper of all kinds in every call, which took a fifth of the tests' time.
func New(objects ...runtime.Object) *API {
	tracker := testing.NewObjectTracker(scheme.Scheme, scheme.Codecs.UniversalDecoder())
	for _, object := range objects {
		if err := tracker.Add(object); err != nil {
			panic(err) // only for a type that no scheme knows
		}
	}
	return over(&counted{ObjectTracker: tracker, changes: map[string]int{}})
}

// counted is a tracker that counts what is written to it.
type counted struct {
	testing.ObjectTracker
	mu      sync.Mutex
	changes map[string]int // by resource
}

func (c *counted) count(r schema.GroupVersionResource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes[r.Resource]++
}

func (c *counted) Create(r schema.GroupVersionResource, o runtime.Object, namespace string, options ...metav1.CreateOptions) error {
	defer c.count(r)
	return c.ObjectTracker.Create(r, o, namespace, options...)
}

func (c *counted) Update(r schema.GroupVersionResource, o runtime.Object, namespace string, options ...metav1.UpdateOptions) error {
	defer c.count(r)
	return c.ObjectTracker.Update(r, o, namespace, options...)
}

func (c *counted) Patch(r schema.GroupVersionResource, o runtime.Object, namespace string, options ...metav1.PatchOptions) error {
	defer c.count(r)
	return c.ObjectTracker.Patch(r, o, namespace, options...)
}

func (c *counted) Apply(r schema.GroupVersionResource, o runtime.Object, namespace string, options ...metav1.PatchOptions) error {
	defer c.count(r)
	return c.ObjectTracker.Apply(r, o, namespace, options...)
}

func (c *counted) Delete(r schema.GroupVersionResource, namespace, name string, options ...metav1.DeleteOptions) error {
	defer c.count(r)
	return c.ObjectTracker.Delete(r, namespace, name, options...)
}

// room is how many events may wait in the tracker's own watch before they are copied. It
// panics beyond, and a hundred are not enough for a busy machine.
const room = 5000

var enlarge sync.Once

func over(tracker *counted) *API {
	enlarge.Do(func() { watch.DefaultChanSize = room })
	a := &API{Clientset: &fake.Clientset{}, objects: tracker}
	a.AddReactor("list", "pods", a.listPods)
	a.AddReactor("*", "*", testing.ObjectReaction(a.objects))
	a.AddWatchReactor("*", a.watch)
	return a
}

// Another is a second client of the same objects, with no reactors yet: what is done to its
// calls is not done to others'.
func (a *API) Another() *API { return over(a.objects) }

// Discovery says which kinds the server has: those in Resources of the embedded Fake, which a
// test sets.
func (a *API) Discovery() discovery.DiscoveryInterfaces {
	return &fakediscovery.FakeDiscovery{Fake: &a.Fake}
}

// Tracker holds the objects: changes made there pass by the reactors.
func (a *API) Tracker() testing.ObjectTracker { return a.objects }

// Changes counts the writes to some resources ("pods"), whoever made them. A list is a deep
// copy of all, so who lists again and again need do so only when this has grown.
func (a *API) Changes(resources ...string) int {
	a.objects.mu.Lock()
	defer a.objects.mu.Unlock()
	n := 0
	for _, r := range resources {
		n += a.objects.changes[r]
	}
	return n
}

func (a *API) listPods(action testing.Action) (bool, runtime.Object, error) {
	handled, list, err := testing.ObjectReaction(a.objects)(action)
	asked, byFields := action.(testing.ListActionImpl)
	pods, ok := list.(*corev1.PodList)
	if err != nil || !byFields || !ok {
		return handled, list, err
	}
	selected := selects(asked.ListRestrictions.Fields)
	pods.Items = slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return !selected(&p) })
	return handled, pods, nil
}

// selects tells which objects a field selector means; all that are no pods.
func selects(selector fields.Selector) func(runtime.Object) bool {
	return func(object runtime.Object) bool {
		pod, ok := object.(*corev1.Pod)
		return !ok || selector == nil || selector.Matches(fields.Set{"metadata.name": pod.Name, "metadata.namespace": pod.Namespace,
			"spec.nodeName": pod.Spec.NodeName, "status.phase": string(pod.Status.Phase)})
	}
}

func (a *API) watch(action testing.Action) (bool, watch.Interface, error) {
	var options metav1.ListOptions
	var selector fields.Selector
	if w, ok := action.(testing.WatchActionImpl); ok {
		options, selector = w.ListOptions, w.WatchRestrictions.Fields
	}
	shared, err := a.objects.Watch(action.GetResource(), action.GetNamespace(), options)
	if err != nil {
		return false, nil, err
	}
	c := &copies{from: shared, selected: selects(selector), out: make(chan watch.Event), ended: make(chan struct{})}
	go c.run()
	return true, c, nil
}

// copies is a watch that delivers copies of another's objects. What its reader has not taken
// yet waits here.
type copies struct {
	from     watch.Interface
	selected func(runtime.Object) bool
	out      chan watch.Event
	once     sync.Once
	ended    chan struct{}
}

func (c *copies) ResultChan() <-chan watch.Event { return c.out }

func (c *copies) Stop() {
	c.once.Do(func() { close(c.ended) })
	c.from.Stop()
}

// run ends with the watch, also where nobody takes the last event.
func (c *copies) run() {
	defer close(c.out)
	in := c.from.ResultChan()
	var waiting []watch.Event
	for in != nil || len(waiting) > 0 {
		var out chan watch.Event
		var next watch.Event
		if len(waiting) > 0 {
			out, next = c.out, waiting[0]
		}
		select {
		case <-c.ended:
			return
		case e, open := <-in:
			if !open {
				in = nil
				continue
			}
			if !c.selected(e.Object) {
				continue
			}
			e.Object = e.Object.DeepCopyObject()
			waiting = append(waiting, e)
		case out <- next:
			waiting = waiting[1:]
		}
	}
}
