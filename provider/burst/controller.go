package burst

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"

	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/provider/placement"
)

// A Node is one of the virtual nodes that pods burst to, with the informer of its pods, which
// its owner runs.
type Node struct {
	Name string
	Pods cache.SharedIndexInformer
}

// A Stock knows what the cloud has refused lately; *provider.Provider is one.
type Stock interface {
	// OutOfStock says what is lacking for the pod, or "".
	OutOfStock(*corev1.Pod) string
}

// A Groups says which API groups the server has; client-go's discovery client is one.
type Groups interface {
	ServerGroups() (*metav1.APIGroupList, error)
}

// Config is what a Controller needs. Only the last five may be left out.
type Config struct {
	Client   kubernetes.Interface
	Recorder record.EventRecorder
	Nodes    []Node
	Region   string
	Settings Settings
	Stock    Stock // nil: nothing is known to be lacking
	// Sized is a pod as its group is sized and billed, for the guardrails; nil: as it is.
	Sized   func(*corev1.Pod) *corev1.Pod
	Groups  Groups // where Karpenter is looked for; nil: nowhere
	Workers int    // 0: 256
	Logger  *slog.Logger
}

// Settings are the flags that say who bursts. They are written on the virtual node, so that
// `ecideck why` knows them.
type Settings struct {
	Policy  Policy        `json:"burst"`
	After   time.Duration `json:"after"`   // less than zero: by the autoscaler; in JSON nanoseconds
	MaxPods int           `json:"maxPods"` // less than zero: no limit
	MaxRate money.Rate    `json:"maxRate"` // unknown: no limit
}

// Limits are the cluster's guardrails.
func (s Settings) Limits() Limits {
	return Limits{Pods: max(s.MaxPods, 0), HasPods: s.MaxPods >= 0, Rate: s.MaxRate}
}

// Words are the settings but for the policy, in a line.
func (s Settings) Words() string {
	after, pods, rate := "at once, or after an autoscaler's word", "any number of pods", "at any cost"
	if s.After >= 0 {
		after = "after " + s.After.String()
	}
	if s.MaxPods >= 0 {
		pods = fmt.Sprintf("at most %d pods", s.MaxPods)
	}
	if s.MaxRate.Known() {
		rate = "for at most " + s.MaxRate.String()
	}
	return after + ", " + pods + ", " + rate
}

// AnnotationSettings is where a virtual node says how its controller was started.
const AnnotationSettings = "ecideck.io/burst-settings"

// A Controller lets pods burst. It is to run in one process at a time; a second one does no
// harm, because every change that it makes carries the pod's UID and version.
type Controller struct {
	Config
	log       *slog.Logger
	pods      corev1listers.PodLister // without a node
	nodes     map[string]corev1listers.NodeLister
	spaces    corev1listers.NamespaceLister
	maps      corev1listers.ConfigMapLister
	queue     workqueue.TypedRateLimitingInterface[types.NamespacedName]
	ledger    *ledger
	hearsay   *hearsay
	workloads *workloads
	said      sayings

	mu    sync.Mutex
	bound map[types.UID]assumed // by us, and not seen on the node yet
	letGo map[types.UID]string  // by us, and the version that was judged
}

// An assumed pod counts for its node's room until the node's informer shows it.
type assumed struct {
	node     string
	requests corev1.ResourceList
	until    time.Time
}

// New makes a Controller; it makes no call.
func New(c Config) *Controller {
	if c.Workers <= 0 {
		// All of a crowd's patches are to be with the API server before it is asked for what
		// starts the first of its pods.
		c.Workers = 256
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	x := &Controller{
		Config: c, log: c.Logger, nodes: map[string]corev1listers.NodeLister{}, ledger: newLedger(),
		workloads: &workloads{client: c.Client, known: map[Workload]*knownAnnotations{}},
		// What the API server refuses is tried again, ever more seldom: a policy may change.
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](time.Second, 5*time.Minute)),
		bound: map[types.UID]assumed{}, letGo: map[types.UID]string{},
	}
	x.hearsay = newHearsay(c.Client, x.queue.Add)
	return x
}

// Run lets pods burst until the context ends, which is no error. An error says that it could
// not begin: no informer started.
func (c *Controller) Run(ctx context.Context) error {
	defer c.queue.ShutDown()
	if c.Settings.Policy == Off {
		c.log.InfoContext(ctx, "bursting is off")
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var factories []informers.SharedInformerFactory
	watch := func(selector string, namespace string) informers.SharedInformerFactory {
		f := informers.NewSharedInformerFactoryWithOptions(c.Client, 0, informers.WithNamespace(namespace), informers.WithTransform(slim),
			informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = selector }))
		factories = append(factories, f)
		return f
	}
	var synced []cache.InformerSynced
	var failures []error
	listen := func(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) {
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			failures = append(failures, fmt.Errorf("watching for bursts: %w", err))
			return
		}
		synced = append(synced, registration.HasSynced)
	}

	free := watch("spec.nodeName=", metav1.NamespaceAll).Core().V1().Pods()
	spaces := watch("", metav1.NamespaceAll).Core().V1().Namespaces()
	stop := watch("metadata.name="+SwitchName, metav1.NamespaceSystem).Core().V1().ConfigMaps()
	autoscaler := watch("metadata.name="+clusterAutoscalerStatus, metav1.NamespaceSystem).Core().V1().ConfigMaps()
	c.pods, c.spaces, c.maps = free.Lister(), spaces.Lister(), stop.Lister()

	listen(spaces.Informer(), cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { c.again(o.(*corev1.Namespace).Name) },
		UpdateFunc: func(old, o any) {
			a, b := old.(*corev1.Namespace), o.(*corev1.Namespace)
			if !reflect.DeepEqual(a.Labels, b.Labels) || !reflect.DeepEqual(a.Annotations, b.Annotations) {
				c.again(b.Name)
			}
		},
	})
	every := func(any) { c.again(metav1.NamespaceAll) }
	listen(stop.Informer(), cache.ResourceEventHandlerFuncs{AddFunc: every, UpdateFunc: func(_, o any) { every(o) }, DeleteFunc: every})
	listen(autoscaler.Informer(), cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { c.status(ctx, o.(*corev1.ConfigMap)) },
		UpdateFunc: func(_, o any) { c.status(ctx, o.(*corev1.ConfigMap)) },
		DeleteFunc: func(any) { c.hearsay.clusterAutoscaler(ctx, nil); every(nil) },
	})
	for _, n := range c.Nodes {
		own := watch("metadata.name="+n.Name, metav1.NamespaceAll).Core().V1().Nodes()
		c.nodes[n.Name] = own.Lister()
		listen(own.Informer(), cache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { c.publish(ctx, o.(*corev1.Node)); every(o) },
			UpdateFunc: func(old, o any) {
				if a, b := old.(*corev1.Node), o.(*corev1.Node); matters(a, b) {
					c.publish(ctx, b)
					every(o)
				}
			},
		})
		listen(n.Pods, cache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { c.arrived(o.(*corev1.Pod)) },
			UpdateFunc: func(old, o any) {
				if was := old.(*corev1.Pod); was.UID != o.(*corev1.Pod).UID {
					c.ended(was) // another of the same name, while the watch was closed
				}
				c.arrived(o.(*corev1.Pod))
			},
			DeleteFunc: func(o any) { c.ended(podOf(o)) },
		})
	}
	for _, f := range factories {
		f.Start(ctx.Done())
		defer f.Shutdown()
	}
	defer cancel() // before the shutdowns, which wait for the informers
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return nil
	}
	c.lookForKarpenter(ctx)
	// Last, so that every pod that is seen is decided with all that is known.
	synced = nil
	listen(free.Informer(), cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { c.appears(o.(*corev1.Pod)) },
		UpdateFunc: func(old, o any) {
			if was := old.(*corev1.Pod); was.UID != o.(*corev1.Pod).UID {
				c.left(was) // another of the same name, while the watch was closed
			}
			c.waits(o.(*corev1.Pod))
		},
		DeleteFunc: func(o any) { c.left(podOf(o)) },
	})
	if err := errors.Join(failures...); err != nil || !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return err
	}
	c.log.InfoContext(ctx, "pods may burst", "who", c.Settings.Policy)
	var workers sync.WaitGroup
	for range c.Workers {
		workers.Go(func() { c.work(ctx) })
	}
	<-ctx.Done()
	c.queue.ShutDown()
	workers.Wait()
	return nil
}

// slim drops what no decision needs.
func slim(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	if n, ok := object.(*corev1.Node); ok {
		n.Status.Images = nil
	}
	return object, nil
}

func podOf(object any) *corev1.Pod {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	pod, _ := object.(*corev1.Pod)
	return pod
}

func keyOf(pod *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

// appears is told of a new pod that no node has. What is wrong with its marks is said here,
// since the scheduler may place it before anybody decides about it.
func (c *Controller) appears(pod *corev1.Pod) {
	namespace, _ := c.spaces.Get(pod.Namespace) // not seen yet: then only the pod speaks
	if m := ReadMarks(pod, namespace); pod.Spec.NodeName == "" && !operated(pod) {
		for _, problem := range m.Problems {
			c.say(pod, corev1.EventTypeWarning, ReasonContradictory, problem)
		}
		if m.Mode == RealFirst || m.Mode == ECIOnly {
			if refusal := placement.First(placement.Check(pod, c.Region)); refusal != nil {
				c.hold(pod, ineligible(refusal))
			}
		}
	}
	c.waits(pod)
}

// waits is told of a pod that no node has.
func (c *Controller) waits(pod *corev1.Pod) {
	if pod.Spec.NodeName != "" {
		c.left(pod)
		return
	}
	if pod.Annotations[AnnotationSince] != "" && pod.DeletionTimestamp == nil {
		c.count(pod, false) // let go, by this process or one before it
	}
	c.queue.Add(keyOf(pod))
}

// left is told of a pod that got a node or is gone.
func (c *Controller) left(pod *corev1.Pod) {
	if pod == nil {
		return
	}
	c.mu.Lock()
	delete(c.letGo, pod.UID)
	c.mu.Unlock()
	c.hearsay.forget(pod.UID)
	c.said.forget(pod.UID)
	c.queue.Forget(keyOf(pod))
	if c.ledger.leave(pod.UID, time.Now()) {
		// It may have gone to a real node: then it counts no longer, and another may go.
		time.AfterFunc(settle+time.Second, func() { c.again(metav1.NamespaceAll) })
	}
}

// arrived is told of a pod on a virtual node.
func (c *Controller) arrived(pod *corev1.Pod) {
	c.mu.Lock()
	delete(c.bound, pod.UID)
	c.mu.Unlock()
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		c.ended(pod)
		return
	}
	namespace, _ := c.spaces.Get(pod.Namespace) // gone: then only the pod speaks
	if pod.Annotations[AnnotationSince] != "" || c.Settings.Policy.apply(ReadMarks(pod, namespace), pod).Mode == RealFirst {
		c.count(pod, true)
	}
}

// ended is told of a pod on a virtual node that has ended or is gone: it makes room.
func (c *Controller) ended(pod *corev1.Pod) {
	if pod != nil && c.ledger.drop(pod.UID) {
		c.again(metav1.NamespaceAll)
	}
}

func (c *Controller) count(pod *corev1.Pod, there bool) {
	c.ledger.put(pod.UID, WorkloadOf(pod), there, func() Cost { return c.cost(pod) })
}

// cost is what an hour of a pod's group costs by the list.
func (c *Controller) cost(pod *corev1.Pod) Cost {
	if c.Sized != nil {
		pod = c.Sized(pod)
	}
	return CostOf(pod, c.Region)
}

// again looks anew at the pods of a namespace that wait; at all of them for "".
func (c *Controller) again(namespace string) {
	pods, err := c.pods.Pods(namespace).List(labels.Everything())
	if err != nil {
		return // a lister has none
	}
	for _, pod := range pods {
		c.queue.Add(keyOf(pod))
	}
}

// status is told of the Cluster Autoscaler's.
func (c *Controller) status(ctx context.Context, config *corev1.ConfigMap) {
	if config.Name == clusterAutoscalerStatus {
		c.hearsay.clusterAutoscaler(ctx, config)
	}
}

// lookForKarpenter looks once: its kinds are there before it adds its first node.
func (c *Controller) lookForKarpenter(ctx context.Context) {
	has, err := hasKarpenter(c.Groups)
	if err != nil {
		c.log.WarnContext(ctx, "it is not known whether Karpenter adds nodes here; pods burst without waiting for it", "err", err)
	}
	if has {
		c.hearsay.karpenterWorks(ctx)
	}
}

// matters tells that a node changed in something that decides; heartbeats don't.
func matters(a, b *corev1.Node) bool {
	conditions := func(n *corev1.Node) map[corev1.NodeConditionType]string {
		m := map[corev1.NodeConditionType]string{}
		for _, c := range n.Status.Conditions {
			m[c.Type] = string(c.Status) + c.Message
		}
		return m
	}
	return a.Spec.Unschedulable != b.Spec.Unschedulable || !reflect.DeepEqual(a.Spec.Taints, b.Spec.Taints) || !reflect.DeepEqual(a.Labels, b.Labels) ||
		a.Annotations[AnnotationSettings] != b.Annotations[AnnotationSettings] ||
		!reflect.DeepEqual(conditions(a), conditions(b)) || !sameQuantities(a.Status.Allocatable, b.Status.Allocatable)
}

func sameQuantities(a, b corev1.ResourceList) bool {
	if len(a) != len(b) {
		return false
	}
	for name, q := range a {
		if other, ok := b[name]; !ok || q.Cmp(other) != 0 {
			return false
		}
	}
	return true
}

// publish writes the settings on the node.
func (c *Controller) publish(ctx context.Context, node *corev1.Node) {
	raw, err := json.Marshal(c.Settings)
	if err != nil || node.Annotations[AnnotationSettings] == string(raw) {
		return
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{AnnotationSettings: string(raw)}}})
	if err != nil {
		return
	}
	go func() { // a handler must not wait
		if _, err := c.Client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "writing on the node who bursts", "err", err)
		}
	}()
}

func (c *Controller) work(ctx context.Context) {
	for {
		key, done := c.queue.Get()
		if done {
			return
		}
		if err := c.sync(ctx, key); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "will be tried again", "what", "burst", "pod", key, "tries", c.queue.NumRequeues(key)+1, "err", err)
			c.queue.AddRateLimited(key)
		} else if err == nil {
			c.queue.Forget(key)
		}
		c.queue.Done(key)
	}
}

// lookAgain is how soon a pod is looked at again that a guardrail or a lack of room holds
// back: a workload's annotation may have changed, which nobody watches.
const lookAgain = 30 * time.Second

// sync does what there is to do for one pod.
func (c *Controller) sync(ctx context.Context, key types.NamespacedName) error {
	pod, err := c.pods.Pods(key.Namespace).Get(key.Name)
	if err != nil {
		return nil // it has a node, or is gone
	}
	namespace, err := c.spaces.Get(key.Namespace)
	if err != nil {
		return nil // not seen yet: it comes with its pods
	}
	if c.behind(pod) {
		return nil
	}
	now := time.Now()
	s := Situation{Now: now, Pod: pod, Namespace: namespace, Policy: c.Settings.Policy, After: c.Settings.After, Region: c.Region,
		Nodes: c.virtualNodes(), Switch: c.theSwitch(), Autoscaler: c.hearsay.about(pod.UID, now)}
	d := Decide(s)
	if d.Verb == Tolerate || d.Verb == Bind && ReadMarks(pod, namespace).Mode != ECIOnly {
		// On the virtual node it would wait too, and never get the real node that has room next.
		if d = outOfStock(d, c.Stock, pod); d.Verb == Hold {
			c.queue.AddAfter(key, lookAgain)
		}
	}
	switch d.Verb {
	case Wait:
		c.queue.AddAfter(key, d.Until.Sub(now)+time.Millisecond)
		if d.Reason != "" {
			c.say(pod, corev1.EventTypeNormal, d.Reason, d.Message)
		}
	case Hold:
		c.hold(pod, d)
	case Tolerate:
		return c.tolerate(ctx, pod, d)
	case Bind:
		return c.bind(ctx, pod, namespace, d)
	case Leave:
	}
	return nil
}

// behind tells that the watch has not shown yet what was done to the pod: of a crowd it tells a
// moment later, and whatever has all pods looked at anew comes in between. What it shows brings
// the pod here again.
func (c *Controller) behind(pod *corev1.Pod) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.letGo[pod.UID] == pod.ResourceVersion
}

// acts notes that the pod is about to be let go. Before the call, so that a pod that is gone by
// the answer leaves nothing behind.
func (c *Controller) acts(pod *corev1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.letGo[pod.UID] = pod.ResourceVersion
}

// failed takes back what was noted for a pod that was not let go after all. Where the answer is
// lost nobody knows: it counts as one that was, whatever becomes of its next try.
func (c *Controller) failed(pod *corev1.Pod, err error) {
	var status apierrors.APIStatus
	surely := errors.As(err, &status) && status.Status().Code >= 400 && status.Status().Code < 500
	if surely {
		c.ledger.release(pod.UID)
	} else {
		c.ledger.confirm(pod.UID)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.letGo, pod.UID)
	if surely {
		delete(c.bound, pod.UID)
	}
}

func outOfStock(d Decision, stock Stock, pod *corev1.Pod) Decision {
	if stock != nil {
		if why := stock.OutOfStock(pod); why != "" {
			return Decision{Verb: Hold, Node: d.Node, Reason: ReasonNoStock, Message: "ECI has nothing for it now, and it waits for a real node or for stock: " + why}
		}
	}
	return d
}

func (c *Controller) hold(pod *corev1.Pod, d Decision) {
	kind := corev1.EventTypeWarning
	if d.Reason == ReasonStopped {
		kind = corev1.EventTypeNormal
	}
	c.say(pod, kind, d.Reason, d.Message)
}

func (c *Controller) virtualNodes() []*corev1.Node {
	var nodes []*corev1.Node
	for _, n := range c.Nodes {
		if node, err := c.nodes[n.Name].Get(n.Name); err == nil {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func (c *Controller) theSwitch() Switch {
	config, err := c.maps.ConfigMaps(metav1.NamespaceSystem).Get(SwitchName)
	if err != nil {
		return Switch{} // nobody has touched it
	}
	return ReadSwitch(config)
}

// guard asks the guardrails; a pod that passes counts from then on.
func (c *Controller) guard(ctx context.Context, pod *corev1.Pod) (string, error) {
	w, now := WorkloadOf(pod), time.Now()
	// Not from the watch of namespaces: who sets a limit and then scales up means it.
	var wide, own map[string]string
	var reads errgroup.Group // without a context of its own: what is read is shared with other pods
	reads.Go(func() (err error) {
		wide, err = c.workloads.annotations(ctx, Workload{Namespace: pod.Namespace})
		return err
	})
	reads.Go(func() (err error) {
		own, err = c.workloads.annotations(ctx, w)
		return err
	})
	if err := reads.Wait(); err != nil {
		if apierrors.IsForbidden(err) {
			return "its limits can't be read, so it waits: apply what `ecideck-node manifests` prints (" + err.Error() + ")", nil
		}
		return "", err
	}
	limits := PodLimits(c.Settings.Limits(), wide, w, own, pod)
	return c.ledger.reserve(pod.UID, w, c.cost(pod), limits, now), nil
}

func (c *Controller) tolerate(ctx context.Context, pod *corev1.Pod, d Decision) error {
	why, err := c.guard(ctx, pod)
	if err != nil {
		return err
	}
	if why != "" {
		c.hold(pod, Decision{Reason: ReasonGuard, Message: why})
		c.queue.AddAfter(keyOf(pod), lookAgain)
		return nil
	}
	// With the version of the pod that was judged: one that found a node meanwhile, or has been
	// changed otherwise, comes again by itself.
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID, "resourceVersion": pod.ResourceVersion,
			"annotations": map[string]string{AnnotationSince: time.Now().UTC().Format(time.RFC3339)}},
		"spec": map[string]any{"tolerations": Tolerated(pod)},
	})
	if err != nil {
		return fmt.Errorf("encoding a toleration: %w", err)
	}
	c.acts(pod)
	_, err = c.Client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err == nil {
		c.Recorder.Event(pod, corev1.EventTypeNormal, d.Reason, d.Message)
		c.ledger.confirm(pod.UID)
		c.log.InfoContext(ctx, "bursts", "pod", keyOf(pod), "workload", WorkloadOf(pod).String())
		return nil
	}
	c.failed(pod, err)
	return c.refused(pod, "a toleration", err)
}

// refused sorts the API server's no: another pod by now, a policy, or something that passes.
func (c *Controller) refused(pod *corev1.Pod, what string, err error) error {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return nil
	case apierrors.IsTooManyRequests(err):
	case errors.As(err, &status) && status.Status().Code >= 400 && status.Status().Code < 500: // webhooks choose their own code
		c.say(pod, corev1.EventTypeWarning, ReasonRefused, "the API server refuses "+what+" for ECI, and it is tried again ever more seldom: "+err.Error()+remedy(err))
	}
	return fmt.Errorf("adding %s to pod %s: %w", what, keyOf(pod), err)
}

// remedy is what helps against a refusal: lacking rights have the authorizer's own wording
// ("cannot patch resource"), whatever else refuses is somebody's rule.
func remedy(err error) string {
	if text := err.Error(); apierrors.IsForbidden(err) && strings.Contains(text, " cannot ") && strings.Contains(text, " resource ") {
		return "; apply what `ecideck-node manifests` prints"
	}
	return "; exempt ecideck-node from the rule that says so, or take the pod's mark away"
}

func (c *Controller) bind(ctx context.Context, pod *corev1.Pod, namespace *corev1.Namespace, d Decision) error {
	node, err := c.nodes[d.Node].Get(d.Node)
	if err != nil {
		return nil // it has gone this moment, and comes again with its pods
	}
	only := c.Settings.Policy.apply(ReadMarks(pod, namespace), pod).Mode == ECIOnly
	why, err := Volumes(ctx, c.Client, pod, node)
	if err != nil {
		return err
	}
	if why == "" {
		why = c.assume(pod, node)
	}
	reason := ReasonKept
	if why == "" && !only {
		reason = ReasonGuard
		if why, err = c.guard(ctx, pod); err != nil || why != "" {
			c.unassume(pod.UID)
		}
		if err != nil {
			return err
		}
	}
	if why != "" {
		c.hold(pod, Decision{Reason: reason, Message: why})
		c.queue.AddAfter(keyOf(pod), lookAgain)
		return nil
	}
	since := map[string]string{} // becomes the pod's
	if !only {
		since[AnnotationSince] = time.Now().UTC().Format(time.RFC3339)
	}
	c.acts(pod)
	err = c.Client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, Annotations: since},
		Target:     corev1.ObjectReference{Kind: "Node", Name: d.Node},
	}, metav1.CreateOptions{})
	if err == nil {
		c.Recorder.Event(pod, corev1.EventTypeNormal, d.Reason, d.Message)
		c.ledger.confirm(pod.UID)
		c.log.InfoContext(ctx, "bound to ECI", "pod", keyOf(pod), "workload", WorkloadOf(pod).String(), "node", d.Node)
		return nil
	}
	c.failed(pod, err)
	if only && apierrors.IsConflict(err) {
		if now, err := c.Client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{}); err == nil && now.UID == pod.UID && now.Spec.NodeName != "" && now.Spec.NodeName != d.Node {
			c.say(pod, corev1.EventTypeWarning, ReasonMissed, fmt.Sprintf("it belongs on ECI only, and the scheduler was faster: it is on node %s. Install what `ecideck-node manifests` prints (policies, or the webhook on servers before 1.36), which decides at creation; then delete the pod", now.Spec.NodeName))
		}
	}
	return c.refused(pod, "a binding", err)
}

// assume counts a pod for a node's room before it is bound, so that bindings side by side
// don't overfill it; it says what is lacking, or "".
func (c *Controller) assume(pod *corev1.Pod, node *corev1.Node) string {
	used, count, seen := corev1.ResourceList{}, 0, map[types.UID]bool{}
	add := func(requests corev1.ResourceList) {
		count++
		addRequests(used, requests)
	}
	for _, n := range c.Nodes {
		if n.Name != node.Name {
			continue
		}
		for _, o := range n.Pods.GetStore().List() {
			other := o.(*corev1.Pod)
			if seen[other.UID] = true; other.Status.Phase != corev1.PodSucceeded && other.Status.Phase != corev1.PodFailed {
				add(Requests(other))
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for uid, a := range c.bound {
		switch {
		case now.After(a.until):
			delete(c.bound, uid)
		case a.node == node.Name && uid != pod.UID && !seen[uid]:
			add(a.requests)
		}
	}
	if why := Room(pod, node, used, count); why != "" {
		return why
	}
	c.bound[pod.UID] = assumed{node.Name, Requests(pod), now.Add(time.Minute)}
	return ""
}

func (c *Controller) unassume(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.bound, uid)
}

// say emits an event once a pod and reason, and for the first pods of an owner only: a
// thousand pods of a Deployment have one cause, and so has a DaemonSet's pod on every node.
func (c *Controller) say(pod *corev1.Pod, kind, reason, message string) {
	owner, most := pod.UID, 1
	if o := metav1.GetControllerOf(pod); o != nil {
		if owner = o.UID; o.Kind != "DaemonSet" {
			most = 10
		}
	}
	if c.said.first(pod.UID, owner, reason, message, most) {
		c.Recorder.Event(pod, kind, reason, message)
	}
}

// sayings are the events that were emitted. The zero value has none; it may be used by many
// goroutines.
type sayings struct {
	mu     sync.Mutex
	pods   map[types.UID]map[string]bool
	owners map[types.UID]map[string]int
}

func (s *sayings) first(pod, owner types.UID, reason, message string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pods == nil || len(s.owners) > 10_000 {
		s.pods, s.owners = map[types.UID]map[string]bool{}, map[types.UID]map[string]int{}
	}
	if s.pods[pod] == nil {
		s.pods[pod] = map[string]bool{}
	}
	if s.owners[owner] == nil {
		s.owners[owner] = map[string]int{}
	}
	what := reason
	if reason == ReasonContradictory {
		what += message // a pod may have several
	}
	if s.pods[pod][what] || s.owners[owner][what] >= most {
		return false
	}
	s.pods[pod][what] = true
	s.owners[owner][what]++
	return true
}

func (s *sayings) forget(pod types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pods, pod)
}
