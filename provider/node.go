package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/node"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	corev1informers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

// A VirtualNode is a Provider wired to Virtual Kubelet's pod and node controllers. The
// library's own constructor stacks three throttles, watches every Secret of the cluster and
// hides its queues; this wiring has none of that.
type VirtualNode struct {
	Provider  *Provider
	client    kubernetes.Interface
	spec      NodeSpec
	pods      corev1informers.PodInformer
	factory   informers.SharedInformerFactory
	unused    informers.SharedInformerFactory
	ready     chan struct{}
	recovered chan struct{}
}

// leaseSeconds is a kubelet's own lease duration.
const leaseSeconds = 40

// NewVirtualNode wires a node; it makes no call. Pods of the config is set by it.
func NewVirtualNode(c Config, spec NodeSpec) *VirtualNode {
	v := &VirtualNode{client: c.Client, spec: spec, ready: make(chan struct{}), recovered: make(chan struct{})}
	selector := fields.OneTermEqualSelector("spec.nodeName", spec.Name).String()
	// The resync repeats what a lost notification would have told.
	v.factory = informers.NewSharedInformerFactoryWithOptions(c.Client, time.Minute,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = selector }),
		informers.WithTransform(withoutManagedFields))
	v.pods = v.factory.Core().V1().Pods()
	v.pods.Informer() // registers it with the factory
	// Virtual Kubelet wants informers of Secrets, ConfigMaps and Services. It uses them for
	// what SkipDownwardAPIResolution switches off, so they are never started.
	v.unused = informers.NewSharedInformerFactory(c.Client, 0)
	c.Pods = v.pods.Lister()
	c.Placement.NodeName = spec.Name
	v.Provider = New(c)
	return v
}

func withoutManagedFields(object any) (any, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		pod.ManagedFields = nil
	}
	return object, nil
}

// Pods lists the node's pods; it is filled while Run runs.
func (v *VirtualNode) Pods() corev1listers.PodLister { return v.pods.Lister() }

// PodInformer is the informer of the node's pods, which Run runs; others may listen to it.
func (v *VirtualNode) PodInformer() cache.SharedIndexInformer { return v.pods.Informer() }

// Ready is closed when the node is registered and its pods are being served.
func (v *VirtualNode) Ready() <-chan struct{} { return v.ready }

// Recovered is closed when the node's pods and their groups are known. Who asks for a log before
// that would be told that there is no such pod.
func (v *VirtualNode) Recovered() <-chan struct{} { return v.recovered }

// Run serves the node until the context ends or a controller fails. It registers the node
// only after every group was listed. Groups are left as they are when it returns.
func (v *VirtualNode) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer v.Provider.shutDown() // also where it never came to run
	if m := v.Provider.Metrics; m != nil {
		defer m.watch(v.Provider)()
	}
	v.factory.Start(ctx.Done())
	defer v.factory.Shutdown()
	defer cancel() // before Shutdown, which waits for the informers
	if !cache.WaitForCacheSync(ctx.Done(), v.pods.Informer().HasSynced) {
		return nil // told to stop before it began
	}
	if err := v.Provider.Recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	close(v.recovered)
	if _, err := v.pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(old, current any) { v.Provider.PodChanged(old.(*corev1.Pod), current.(*corev1.Pod)) },
		DeleteFunc: v.removed,
	}); err != nil {
		return fmt.Errorf("watching the node's pods: %w", err)
	}
	pods, err := v.podController()
	if err != nil {
		return err
	}
	status := &nodeStatus{spec: v.spec, provider: v.Provider, started: time.Now(), quota: newQuotaWatch(v.Provider.Quota, v.Provider, v.spec)}
	if v.Provider.Quota != nil {
		if known, err := v.client.CoreV1().Nodes().Get(ctx, v.spec.Name, metav1.GetOptions{}); err == nil {
			status.quota.recall(known)
		}
		status.quota.read(ctx)
		go status.quota.run(ctx)
	}
	// The first object that is registered must not have a zone that no real node has.
	if spec, err := zoned(ctx, v.client.CoreV1().Nodes(), v.spec); err == nil {
		status.now.Store(&spec)
	}
	var wait time.Duration
	if w := v.Provider.Network; w != nil {
		wait = w.recall(ctx, &status.network, v.client.CoreV1().Nodes(), v.spec.Name)
	}
	status.first = status.node()
	nodes, err := node.NewNodeController(status, status.first.DeepCopy(), v.client.CoreV1().Nodes(),
		node.WithNodeEnableLeaseV1(v.client.CoordinationV1().Leases(corev1.NamespaceNodeLease), leaseSeconds),
		node.WithNodeStatusUpdateInterval(30*time.Second),
		node.WithNodeStatusUpdateErrorHandler(status.recreate(v.client.CoreV1().Nodes())))
	if err != nil {
		return fmt.Errorf("wiring the node controller: %w", err)
	}

	var aside sync.WaitGroup
	defer aside.Wait() // a probe deletes its group
	defer cancel()
	ended := make(chan error, 3)
	go func() { v.Provider.Run(ctx); ended <- nil }()
	go func() { ended <- pods.Run(ctx, v.Provider.Workers) }()
	running := 2
	select {
	case <-pods.Ready():
		if err := status.correct(ctx, v.client.CoreV1().Nodes(), v.Provider.log); err != nil {
			v.Provider.log.DebugContext(ctx, "no node to correct yet", "err", err)
		}
		go func() { ended <- nodes.Run(ctx) }()
		running++
		go status.keepSpec(ctx, v.client, v.Provider.log)
		aside.Go(func() { v.announceReady(ctx, nodes, &status.network, wait) })
	case <-pods.Done():
	case <-ctx.Done():
	}
	var failures []error
	for range running {
		failures = append(failures, <-ended) // the first to end, for whatever reason, ends all
		cancel()
	}
	return errors.Join(failures...)
}

func (v *VirtualNode) announceReady(ctx context.Context, nodes *node.NodeController, network *network, wait time.Duration) {
	select {
	case <-nodes.Ready():
		close(v.ready)
		if services := v.spec.ServiceNetwork; services != "" {
			v.Provider.Recorder.Event(v.reference(), corev1.EventTypeNormal, "ServiceNetwork", string(services)+": "+services.Words())
		}
		if w := v.Provider.Network; w != nil {
			say := func(kind, reason, message string) { v.Provider.Recorder.Event(v.reference(), kind, reason, message) }
			w.run(ctx, wait, network, v.client.CoreV1().Nodes(), v.spec.Name, say, v.Provider.log)
		}
	case <-ctx.Done():
	}
}

// reference is the node as events are about it.
func (v *VirtualNode) reference() *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: v.spec.Name, UID: types.UID(v.spec.Name)}} // as kubelets do
}

func (v *VirtualNode) podController() (*node.PodController, error) {
	limiter := func() workqueue.TypedRateLimiter[any] {
		return workqueue.NewTypedItemExponentialFailureRateLimiter[any](5*time.Millisecond, 30*time.Second)
	}
	pods, err := node.NewPodController(node.PodControllerConfig{
		PodClient:         podClient{v.client.CoreV1(), v.pods.Lister(), v.Provider.held},
		PodInformer:       quietPods{v.pods},
		EventRecorder:     truthful{v.Provider.Recorder},
		Provider:          v.Provider,
		ConfigMapInformer: v.unused.Core().V1().ConfigMaps(),
		SecretInformer:    v.unused.Core().V1().Secrets(),
		ServiceInformer:   v.unused.Core().V1().Services(),

		SyncPodsFromKubernetesRateLimiter:        limiter(),
		SyncPodsFromKubernetesShouldRetryFunc:    retryForEver,
		DeletePodsFromKubernetesRateLimiter:      limiter(),
		DeletePodsFromKubernetesShouldRetryFunc:  retryForEver,
		SyncPodStatusFromProviderRateLimiter:     limiter(),
		SyncPodStatusFromProviderShouldRetryFunc: retryForEver,
		SkipDownwardAPIResolution:                true,
	})
	if err != nil {
		return nil, fmt.Errorf("wiring the pod controller: %w", err)
	}
	return pods, nil
}

// truthful drops the library's events of success. They come when the provider has noted
// what is wanted, before ECI was even asked; a change of a running pod, and a change that
// only a stale cache shows, are no successful updates either.
type truthful struct{ record.EventRecorder }

func (r truthful) Event(object runtime.Object, kind, reason, message string) {
	switch reason {
	case "ProviderCreateSuccess", "ProviderUpdateSuccess", "ProviderDeleteSuccess":
		return
	}
	r.EventRecorder.Event(object, kind, reason, message)
}

// retryForEver replaces the library's twenty tries, after which a pod was forgotten.
func retryForEver(context.Context, string, int, time.Time, error) (*time.Duration, error) {
	return nil, nil
}

// removed is told of a pod, or of a tombstone where the watch missed its end.
func (v *VirtualNode) removed(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	if pod, ok := object.(*corev1.Pod); ok {
		v.Provider.PodRemoved(pod)
	}
}
