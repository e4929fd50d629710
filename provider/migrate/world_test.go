package migrate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	"github.com/ecideck/ecideck/provider/placement"
)

const (
	realNode    = "ecs-1"
	otherNode   = "ecs-2" // where what is made later goes
	virtualNode = "vk"
)

var (
	podsResource   = corev1.SchemeGroupVersion.WithResource("pods")
	slicesResource = discoveryv1.SchemeGroupVersion.WithResource("endpointslices")
)

// A world is client-go's fake API with what matters of the real control plane, on the clock
// of a synctest bubble: preconditions, evictions under a budget, a ReplicaSet controller that
// ranks as the real one, a scheduler, kubelets that take their time, endpoints. It watches
// the invariants itself, after every change, independent of the engine.
type world struct {
	t    *testing.T
	api  *fakeapi.API
	stop func()

	changed chan struct{}
	home    bool // real nodes are one: nothing goes to the other one

	mu      sync.Mutex
	version int
	rs      *appsv1.ReplicaSet
	budget  int      // pods that must stay healthy; 0: no budget
	pull    string   // what a surge pod's image does; "": it comes
	hold    bool     // the kubelet of the virtual node is away
	minimum int      // Ready pods that served, at the least, since watching began; -1: not watching
	deleted []string // pods that were deleted by somebody, in order: by whom and name
	refused int
	refuse  func(k8stesting.Action) error
	also    []func()      // further controllers
	pods    []*corev1.Pod // all, as list read them last
	read    int           // how many changes of pods there had been then
	settled int           // how many changes there had been when nothing was left to be done
	due     time.Time     // when a kubelet has something to do next; zero: never
	starts  time.Duration // how long pods take to start on real nodes; 0: a second and a half
	grace   time.Duration // how long pods take to end; 0: a second
	rush    int           // how many times what the ReplicaSet has made is Ready when a surge pod is adopted, and no sooner
}

func newWorld(t *testing.T, replicas int32) *world {
	w := &world{t: t, minimum: -1, settled: -1, changed: make(chan struct{}, 1)}
	owner := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "d-web", Controller: ptr(true)}
	set := map[string]string{"app": "web", "pod-template-hash": "6c"}
	w.rs = &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-6c", UID: "rs-web", Labels: set, OwnerReferences: []metav1.OwnerReference{owner}, Annotations: map[string]string{revision: "1"}},
		Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: set},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("2Gi")}}}}}}}}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "d-web", Annotations: map[string]string{revision: "1"}},
		Spec:   appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: w.rs.Spec.Template},
		Status: appsv1.DeploymentStatus{Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas}}
	nodeReady := corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		Allocatable: corev1.ResourceList{"cpu": resource.MustParse("1000"), "memory": resource.MustParse("4000Gi"), "pods": resource.MustParse("1000")}}
	w.api = fakeapi.New(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, w.rs, d,
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: realNode, UID: "n-1", ResourceVersion: "1"}, Status: nodeReady},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: otherNode, UID: "n-2", ResourceVersion: "1"}, Status: nodeReady},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: virtualNode, UID: "n-vk", Labels: map[string]string{placement.NodeTypeLabel: placement.NodeType, corev1.LabelTopologyRegion: "cn-hangzhou"}},
			Spec: corev1.NodeSpec{Taints: placement.Taints()}, Status: nodeReady},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}},
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}})
	w.rules(w.api)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for next := time.Duration(0); ctx.Err() == nil; next = w.tick() {
			// Who changes something is answered in ten milliseconds. Otherwise time alone matters,
			// and only to pods that start or end: ten quiet minutes cost nothing.
			timer := time.NewTimer(next)
			select {
			case <-w.changed:
				_ = sleep(ctx, 10*time.Millisecond) // the loop ends with the context
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	}()
	w.stop = func() { cancel(); <-over }
	w.until("all are Ready", func() bool { return w.serving() == int(replicas) })
	return w
}

func ptr[T any](v T) *T { return &v }

// another is a client of its own, which dies at its last change.
func (w *world) another(l *life) *fakeapi.API {
	api := w.api.Another()
	w.rules(api)
	l.gate(api)
	return api
}

// rules teaches a client the API server's ways.
func (w *world) rules(api *fakeapi.API) {
	api.PrependReactor("get", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if get, ok := a.(k8stesting.GetAction); ok && get.GetName() == "" {
			return true, nil, errors.New("resource name may not be empty") // client-go's own
		}
		return false, nil, nil
	})
	api.PrependReactor("create", "*", w.create)
	api.PrependReactor("patch", "*", w.patch)
	api.PrependReactor("update", "leases", w.update)
	api.PrependReactor("delete", "*", w.delete)
}

func (w *world) next() string {
	w.version++
	select {
	case w.changed <- struct{}{}:
	default: // it is known already
	}
	return strconv.Itoa(w.version)
}

func (w *world) denied(a k8stesting.Action) error {
	if w.refuse == nil {
		return nil
	}
	return w.refuse(a)
}

func (w *world) create(a k8stesting.Action) (bool, runtime.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.denied(a); err != nil {
		return true, nil, err
	}
	c := a.(k8stesting.CreateAction)
	switch o := c.GetObject().(type) {
	case *authorizationv1.SelfSubjectAccessReview:
		o.Status.Allowed = true
		return true, o, nil
	case *policyv1.Eviction:
		if o.DeleteOptions != nil && len(o.DeleteOptions.DryRun) > 0 {
			return true, nil, nil
		}
		return true, nil, w.evict(o)
	case *corev1.Binding:
		pod := w.get(o.Name)
		if pod == nil || pod.UID != o.UID || pod.Spec.NodeName != "" {
			return true, nil, conflict(a)
		}
		pod.Spec.NodeName = o.Target.Name
		w.put(pod)
		return true, o, nil
	}
	if pod, ok := c.GetObject().(*corev1.Pod); ok {
		w.admit(pod)
	}
	if x, ok := a.(k8stesting.CreateActionImpl); ok && len(x.CreateOptions.DryRun) > 0 {
		return true, c.GetObject(), nil
	}
	m, err := meta.Accessor(c.GetObject())
	if err != nil {
		return true, nil, err
	}
	if m.GetName() == "" {
		m.SetName(m.GetGenerateName() + w.next())
	}
	m.SetUID(types.UID("u-" + w.next()))
	m.SetCreationTimestamp(metav1.Now().Rfc3339Copy())
	m.SetResourceVersion(w.next())
	if pod, ok := c.GetObject().(*corev1.Pod); ok {
		pod.Status.Phase = corev1.PodPending
	}
	return true, c.GetObject(), w.api.Tracker().Create(a.GetResource(), c.GetObject(), a.GetNamespace())
}

func conflict(a k8stesting.Action) error {
	return apierrors.NewConflict(a.GetResource().GroupResource(), "it", errors.New("the object has been modified"))
}

// evict is the eviction subresource: the budget first, as the real one has it.
func (w *world) evict(o *policyv1.Eviction) error {
	pod := w.get(o.Name)
	if pod == nil {
		return apierrors.NewNotFound(podsResource.GroupResource(), o.Name)
	}
	if o.DeleteOptions == nil || o.DeleteOptions.Preconditions == nil || o.DeleteOptions.Preconditions.UID == nil {
		w.t.Errorf("an eviction of %s without a UID", o.Name)
		return nil
	}
	if *o.DeleteOptions.Preconditions.UID != pod.UID {
		return apierrors.NewConflict(podsResource.GroupResource(), o.Name, errors.New("the UID in the precondition does not match"))
	}
	if pod.DeletionTimestamp == nil && w.budget > 0 && ready(pod) && w.healthy()-1 < w.budget {
		w.refused++
		return apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	}
	w.kill("eviction", pod)
	if w.rush > 0 {
		w.replicaSet()
	}
	return nil
}

// kill lets a pod end: it takes all of its grace period, and has none without a node.
func (w *world) kill(by string, pod *corev1.Pod) {
	if pod.DeletionTimestamp != nil {
		return
	}
	w.deleted = append(w.deleted, by+" "+pod.Name)
	if pod.Spec.NodeName == "" {
		w.drop(pod)
		return
	}
	grace := cmp.Or(w.grace, time.Second)
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = ptr(metav1.NewTime(time.Now().Add(grace))), ptr(int64(grace/time.Second))
	w.put(pod)
	w.endpoints()
}

func (w *world) drop(pod *corev1.Pod) {
	if err := w.api.Tracker().Delete(podsResource, pod.Namespace, pod.Name); err != nil {
		w.t.Error(err)
	}
}

func (w *world) delete(a k8stesting.Action) (bool, runtime.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := a.(k8stesting.DeleteActionImpl)
	object, err := w.api.Tracker().Get(d.GetResource(), d.Namespace, d.Name)
	if err != nil {
		return true, nil, err
	}
	m, _ := meta.Accessor(object)
	p := d.DeleteOptions.Preconditions
	if p == nil || p.UID == nil {
		w.t.Errorf("%s %s is deleted without a UID", d.GetResource().Resource, d.Name)
		return true, nil, nil
	}
	if *p.UID != m.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != m.GetResourceVersion() {
		return true, nil, conflict(a)
	}
	if pod, ok := object.(*corev1.Pod); ok {
		w.kill("engine", pod.DeepCopy())
		return true, nil, nil
	}
	return false, nil, nil
}

func (w *world) update(a k8stesting.Action) (bool, runtime.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lease := a.(k8stesting.UpdateAction).GetObject().(*coordinationv1.Lease)
	now, err := w.api.Tracker().Get(a.GetResource(), lease.Namespace, lease.Name)
	if err != nil {
		return true, nil, err
	}
	if now.(*coordinationv1.Lease).ResourceVersion != lease.ResourceVersion {
		return true, nil, conflict(a)
	}
	lease.ResourceVersion = w.next()
	return true, lease, w.api.Tracker().Update(a.GetResource(), lease, lease.Namespace)
}

func (w *world) patch(a k8stesting.Action) (bool, runtime.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.denied(a); err != nil {
		return true, nil, err
	}
	p := a.(k8stesting.PatchActionImpl)
	object, err := w.api.Tracker().Get(p.GetResource(), p.Namespace, p.Name)
	if err != nil {
		return true, nil, err
	}
	if config, ok := object.(*corev1.ConfigMap); ok {
		return w.merge(p, config)
	}
	m, _ := meta.Accessor(object)
	resource := p.GetResource().Resource
	if w.rush > 0 && resource == "pods" && strings.Contains(string(p.Patch), "pod-template-hash") {
		w.rush--
		for _, pod := range w.list() {
			if alive(pod) && !ready(pod) {
				pod.Spec.NodeName = otherNode
				pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}}
				w.put(pod)
			}
		}
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return true, nil, err
	}
	uid, version := m.GetUID(), m.GetResourceVersion()
	if p.PatchType == types.JSONPatchType {
		ops, err := jsonpatch.DecodePatch(p.Patch)
		if err == nil {
			raw, err = ops.Apply(raw)
		}
		if err != nil {
			return true, nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", p.GetResource().GroupResource(), p.Name, err.Error(), 0, false)
		}
		if !strings.Contains(string(p.Patch), `"/metadata/uid"`) || !strings.Contains(string(p.Patch), `"/metadata/resourceVersion"`) {
			w.t.Errorf("a patch of %s without preconditions: %s", resource, p.Patch)
		}
	} else {
		var patch struct {
			Metadata struct {
				UID             types.UID
				ResourceVersion string
			}
		}
		if err := json.Unmarshal(p.Patch, &patch); err != nil {
			return true, nil, err
		}
		if patch.Metadata.ResourceVersion == "" || patch.Metadata.UID == "" {
			w.t.Errorf("a patch of %s without preconditions: %s", resource, p.Patch)
		}
		if raw, err = jsonpatch.MergePatch(raw, p.Patch); err != nil {
			return true, nil, err
		}
	}
	out := reflect.New(reflect.TypeOf(object).Elem()).Interface().(runtime.Object)
	if err := json.Unmarshal(raw, out); err != nil {
		return true, nil, err
	}
	o, _ := meta.Accessor(out)
	if o.GetUID() != uid || o.GetResourceVersion() != version {
		return true, nil, conflict(a)
	}
	if err := w.changes(object, out, o); err != nil {
		return true, nil, err
	}
	if len(p.PatchOptions.DryRun) > 0 {
		return true, out, nil
	}
	o.SetResourceVersion(w.next())
	return true, out, w.api.Tracker().Update(p.GetResource(), out, p.Namespace)
}

// merge is patch for a ConfigMap. Most calls of an operation write its journal, and a journal
// is long: it is not made JSON, merged and read again for one key.
func (w *world) merge(p k8stesting.PatchActionImpl, config *corev1.ConfigMap) (bool, runtime.Object, error) {
	var patch struct {
		Metadata struct {
			ResourceVersion string            `json:"resourceVersion"`
			Labels          map[string]string `json:"labels"`
		} `json:"metadata"`
		Data map[string]*string `json:"data"`
	}
	d := json.NewDecoder(bytes.NewReader(p.Patch))
	d.DisallowUnknownFields()
	if err := d.Decode(&patch); err != nil || p.PatchType != types.MergePatchType || len(p.PatchOptions.DryRun) > 0 {
		w.t.Errorf("a patch of a ConfigMap that this world doesn't know: %v %s", err, p.Patch)
		return true, nil, err
	}
	if _, abort := patch.Data[keyAbort]; patch.Metadata.ResourceVersion == "" && !abort {
		w.t.Errorf("a patch of a ConfigMap without preconditions: %s", p.Patch)
	}
	if v := patch.Metadata.ResourceVersion; v != "" && v != config.ResourceVersion {
		return true, nil, conflict(p)
	}
	if config.Data == nil {
		config.Data = map[string]string{}
	}
	for key, value := range patch.Data {
		if delete(config.Data, key); value != nil {
			config.Data[key] = *value
		}
	}
	for key, value := range patch.Metadata.Labels {
		metav1.SetMetaDataLabel(&config.ObjectMeta, key, value)
	}
	config.ResourceVersion = w.next()
	return true, config, w.api.Tracker().Update(p.GetResource(), config, p.Namespace)
}

func (w *world) get(name string) *corev1.Pod {
	o, err := w.api.Tracker().Get(podsResource, "shop", name)
	if err != nil {
		return nil
	}
	return o.(*corev1.Pod).DeepCopy()
}

func (w *world) put(pod *corev1.Pod) {
	pod.ResourceVersion = w.next()
	if err := w.api.Tracker().Update(podsResource, pod, pod.Namespace); err != nil {
		w.t.Error(err)
	}
}

// list are all pods, by name. Who writes to one puts it, or drops it, before the next list.
func (w *world) list() []*corev1.Pod {
	if n := w.api.Changes("pods"); w.pods == nil || n != w.read {
		o, err := w.api.Tracker().List(podsResource, schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, "shop")
		if err != nil {
			w.t.Error(err)
			return nil
		}
		w.pods, w.read = []*corev1.Pod{}, n
		for i := range o.(*corev1.PodList).Items {
			w.pods = append(w.pods, &o.(*corev1.PodList).Items[i]) // the list is a copy
		}
		slices.SortFunc(w.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	}
	return slices.Clone(w.pods)
}

// healthy are the pods that the budget and the Service count.
func (w *world) healthy() int {
	n := 0
	for _, pod := range w.list() {
		if ready(pod) && pod.Labels["app"] == "web" {
			n++
		}
	}
	return n
}

// serving is healthy from outside.
func (w *world) serving() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.healthy()
}

// tick is what controllers, scheduler and kubelets do in ten milliseconds. It says when it is
// to be called again, unless something changes before.
func (w *world) tick() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	wait := func() time.Duration {
		if w.due.IsZero() {
			return time.Hour
		}
		return max(time.Millisecond, time.Until(w.due))
	}
	n := w.writes()
	if n == w.settled && (w.due.IsZero() || time.Now().Before(w.due)) {
		return wait() // what is done follows from what changed, and is done
	}
	o, err := w.api.Tracker().Get(setsResource, "shop", "web-6c")
	if err != nil {
		w.t.Error(err)
		return time.Second
	}
	w.rs = o.(*appsv1.ReplicaSet)
	w.kubelets()
	w.replicaSet()
	for _, controller := range w.also {
		controller()
	}
	w.endpoints()
	if n := w.healthy(); w.minimum >= 0 && n < w.minimum {
		w.minimum = n
	}
	if w.writes() != n {
		return 10 * time.Millisecond
	}
	w.settled = n
	return wait()
}

// writes are how many there were to what controllers, scheduler and kubelets look at.
func (w *world) writes() int {
	return w.api.Changes("pods", "replicasets", "deployments", "statefulsets", "jobs")
}

func (w *world) kubelets() {
	w.due = time.Time{}
	after := func(at time.Time) bool {
		if time.Now().After(at) {
			return true
		}
		if at = at.Add(time.Millisecond); w.due.IsZero() || at.Before(w.due) {
			w.due = at
		}
		return false
	}
	for _, pod := range w.list() {
		starts := map[bool]time.Duration{false: cmp.Or(w.starts, 1500*time.Millisecond), true: 4 * time.Second}[pod.Spec.NodeName == virtualNode]
		switch {
		case pod.DeletionTimestamp != nil:
			if after(pod.DeletionTimestamp.Time) && len(pod.Finalizers) == 0 {
				w.drop(pod)
			}
		case pod.Spec.NodeName == "":
			pod.Spec.NodeName = realNode
			if w.minimum >= 0 && !w.home {
				pod.Spec.NodeName = otherNode
			}
			if a := pod.Spec.Affinity; a != nil {
				term := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0]
				for _, field := range append(term.MatchFields, term.MatchExpressions...) {
					if field.Operator == corev1.NodeSelectorOpIn {
						pod.Spec.NodeName = map[bool]string{false: field.Values[0], true: virtualNode}[field.Key == placement.NodeTypeLabel]
					}
				}
			}
			if pod.Spec.NodeSelector[placement.NodeTypeLabel] == placement.NodeType {
				pod.Spec.NodeName = virtualNode
			}
			w.put(pod)
		case pod.Status.Phase == corev1.PodPending && after(pod.CreationTimestamp.Add(starts)):
			if pod.Spec.NodeName == virtualNode && (w.hold || w.pull != "") {
				if w.pull != "" && len(pod.Status.ContainerStatuses) == 0 {
					pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: w.pull, Message: "no such image"}}}}
					w.put(pod)
				}
				continue
			}
			pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}}
			w.put(pod)
		}
	}
}

// replicaSet adopts, makes and deletes as the real controller does.
func (w *world) replicaSet() {
	selector, _ := metav1.LabelSelectorAsSelector(w.rs.Spec.Selector)
	var active []*corev1.Pod
	for _, pod := range w.list() {
		if !alive(pod) || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		if metav1.GetControllerOf(pod) == nil {
			pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(w.rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
			w.put(pod)
		}
		if metav1.IsControlledBy(pod, w.rs) {
			active = append(active, pod)
		}
	}
	for n := len(active); n < int(*w.rs.Spec.Replicas); n++ {
		pod := &corev1.Pod{ObjectMeta: *w.rs.Spec.Template.ObjectMeta.DeepCopy(), Spec: *w.rs.Spec.Template.Spec.DeepCopy()}
		pod.Namespace, pod.Name, pod.UID, pod.ResourceVersion = "shop", "web-6c-"+w.next(), types.UID("p-"+w.next()), w.next()
		pod.CreationTimestamp = metav1.Now().Rfc3339Copy()
		pod.Status.Phase = corev1.PodPending
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(w.rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
		if err := w.api.Tracker().Create(podsResource, pod, "shop"); err != nil {
			w.t.Error(err)
		}
	}
	for len(active) > int(*w.rs.Spec.Replicas) {
		first := victim(active)
		w.kill("controller", first)
		active = slices.DeleteFunc(active, func(p *corev1.Pod) bool { return p.UID == first.UID })
	}
}

// victim is whom the real controller deletes: among Ready pods it takes those first that share
// their node with the most others, then the youngest. What the engine thinks of it is not asked.
func victim(active []*corev1.Pod) *corev1.Pod {
	together := map[string]int{}
	for _, p := range active {
		together[p.Spec.NodeName]++
	}
	number := func(yes bool) int { return map[bool]int{true: 1}[yes] }
	return slices.MinFunc(active, func(a, b *corev1.Pod) int {
		return cmp.Or(number(a.Spec.NodeName != "")-number(b.Spec.NodeName != ""), number(a.Status.Phase == corev1.PodRunning)-number(b.Status.Phase == corev1.PodRunning),
			number(ready(a))-number(ready(b)), cmp.Compare(cost(a), cost(b)), together[b.Spec.NodeName]-together[a.Spec.NodeName], b.CreationTimestamp.Compare(a.CreationTimestamp.Time))
	})
}

func (w *world) endpoints() {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}}
	for _, pod := range w.list() {
		if pod.Labels["app"] == "web" {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{UID: pod.UID, Name: pod.Name}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(ready(pod))}})
		}
	}
	slice.ResourceVersion = stored[*discoveryv1.EndpointSlice](w, slicesResource, slice.Name).ResourceVersion
	w.update2(slicesResource, slice, slice)
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for start := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) { // the bubble's clock
		if time.Since(start) > 10*time.Minute {
			w.t.Fatalf("never: %s\n%s", what, w)
		}
	}
}

// String is every pod in a line.
func (w *world) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := ""
	for _, pod := range w.list() {
		text += fmt.Sprintf("%s on %s %s ready=%t deleted=%t owner=%v labels=%v\n", pod.Name, pod.Spec.NodeName, pod.Status.Phase, ready(pod), pod.DeletionTimestamp != nil,
			metav1.GetControllerOf(pod) != nil, pod.Labels)
	}
	return text + "deleted: " + strings.Join(w.deleted, ", ")
}

// plan is how to move some of the pods.
func (w *world) plan(to Destination, names ...string) *Operation {
	w.t.Helper()
	r := Request{To: to, Soak: 10 * time.Second}
	for _, name := range names {
		r.Targets = append(r.Targets, Ref{Kind: "Pod", Namespace: "shop", Name: name})
	}
	f, err := Read(w.t.Context(), w.api, nil, r, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	p := Make(f, r)
	if err := Rehearse(w.t.Context(), w.api, f, p); err != nil {
		w.t.Fatal(err)
	}
	return &Operation{ID: NewID(time.Now()), Plan: *p, By: "alice", Began: time.Now()}
}

// watch begins to hold the invariants.
func (w *world) watch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.minimum, w.deleted = w.healthy(), nil
}

// names are the living pods' names, in order.
func (w *world) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, pod := range w.list() {
		if alive(pod) {
			names = append(names, pod.Name)
		}
	}
	return names
}

// An outage makes the API server answer nothing for a while, from one of the changes on, which
// takes effect all the same.
func (w *world) outage(api *fakeapi.API, at int, lasts time.Duration) {
	n, until := 0, time.Time{}
	var mu sync.Mutex
	api.PrependReactor("*", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		if verb := a.GetVerb(); verb != "get" && verb != "list" && a.GetResource().Resource != "events" {
			if n++; n == at {
				until = time.Now().Add(lasts)
				for _, next := range api.ReactionChain[1:] {
					if next.Handles(a) {
						if handled, _, _ := next.React(a.DeepCopy()); handled {
							break
						}
					}
				}
			}
		}
		if time.Now().Before(until) {
			return true, nil, &url.Error{Op: a.GetVerb(), URL: "https://api.lab", Err: errors.New("dial tcp: connection refused")}
		}
		return false, nil, nil
	})
}

// A life is one process, which ends as by kill -9 at one of its calls that change something,
// when it took effect and before its answer is read. Compare provider/kill_test.go.
type life struct {
	end   int    // the call at which it ends, from 1; 0: at none
	at    string // or the call, in words; "": at none
	mu    sync.Mutex
	calls []string
	died  chan struct{}
}

var errDead = errors.New("this process was killed")

func newLife(end int) *life { return &life{end: end, died: make(chan struct{})} }

func (l *life) dead() bool {
	select {
	case <-l.died:
		return true
	default:
		return false
	}
}

func (l *life) gate(api *fakeapi.API) {
	api.PrependReactor("*", "*", func(a k8stesting.Action) (handled bool, object runtime.Object, err error) {
		l.mu.Lock()
		if l.dead() {
			l.mu.Unlock()
			return true, nil, errDead
		}
		last := false
		dry := false
		if c, ok := a.(k8stesting.CreateActionImpl); ok {
			dry = len(c.CreateOptions.DryRun) > 0
		}
		if verb := a.GetVerb(); verb != "get" && verb != "list" && a.GetResource().Resource != "events" && !dry {
			l.calls = append(l.calls, strings.Trim(verb+" "+a.GetResource().Resource+"/"+a.GetSubresource(), "/"))
			if last = len(l.calls) == l.end || l.calls[len(l.calls)-1] == l.at; last {
				close(l.died)
			}
		}
		l.mu.Unlock()
		for _, next := range api.ReactionChain[1:] {
			if !next.Handles(a) {
				continue
			}
			if handled, object, err = next.React(a.DeepCopy()); handled {
				break
			}
		}
		if last {
			return true, nil, errDead
		}
		return handled, object, err
	})
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// pod is one as it is now.
func (w *world) pod(name string) *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.get(name)
}
