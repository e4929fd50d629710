package provider

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// Cloud is what the virtual node asks of ECI; *eci.Client is one.
type Cloud interface {
	CreateGroup(context.Context, *eci.CreateRequest) (string, error)
	Deleter
	Groups(context.Context, eci.GroupQuery) ([]eci.Group, error)
	GroupStatuses(context.Context, eci.StatusQuery) ([]eci.GroupStatus, error)
	Log(context.Context, eci.LogRequest) (string, error)
}

// Deleter deletes groups; the second of its methods does not wait for a grace period.
type Deleter interface {
	DeleteGroup(ctx context.Context, id string) error
	DeleteGroupNow(ctx context.Context, id string) error
}

// Config is what a Provider needs. All fields but the last eleven are required.
type Config struct {
	Cloud     Cloud
	Client    kubernetes.Interface
	Pods      corev1listers.PodLister // the node's pods; synced before Recover is called
	Recorder  record.EventRecorder
	Placement Placement

	PollMin, PollMax time.Duration // between looks at ECI; 0: 1 and 10 seconds
	Workers          int           // creates and deletes at the same time, which mostly wait; 0: 64
	Logger           *slog.Logger  // nil: silent
	Metrics          *Metrics      // nil: none
	Meter            Meter         // resource usage; nil: it is refused
	Shells           Shells        // kubectl exec and cp; nil: they are refused
	Quota            Quota         // what the node may offer; nil: what its NodeSpec says
	Prices           Prices        // what groups cost, for the metrics; nil: the cost rate is unknown
	LastWords        LastWords     // where the ends of pods are kept; nil: nowhere
	Network          *NetworkWatch // finds out what groups reach; nil: nobody does
}

// A Provider runs pods as container groups. It implements Virtual Kubelet's
// node.PodLifecycleHandler and node.PodNotifier: these methods only note what is wanted and
// return at once; the work is done by Run's goroutines, which never give up on a pod. They
// write the pods' statuses too: Virtual Kubelet's own queue for that compares whole pods by
// reflection several times a status, two fifths of what a node did for a burst of pods.
type Provider struct {
	Config
	log      *slog.Logger
	resolver *resolver
	queue    workqueue.TypedRateLimitingInterface[types.UID] // groups to create or delete
	outbox   workqueue.TypedRateLimitingInterface[types.UID] // statuses to tell
	words    workqueue.TypedRateLimitingInterface[types.UID] // ends to keep
	kick     chan struct{}                                   // look at ECI now

	stock *stock

	mu      sync.Mutex
	entries map[types.UID]*entry
	orphans map[string]time.Time // group id → when first seen without a pod
	region  region
	serving bool // Virtual Kubelet serves the pods: statuses may be told
	health  health
	usage   usage
	rates   rates
	reads   allowance // of logs, to keep them
	started time.Time
}

// An entry is a pod that is or was bound to the node, for as long as its group may exist.
// Provider.mu guards all of it; the pod, the group and the request are never changed in
// place.
type entry struct {
	uid             types.UID // these four never change and need no lock
	namespace, name string
	met             time.Time   // when this process first saw the pod
	pod             *corev1.Pod // as Virtual Kubelet handed it over last

	attempt int // the attempt that was announced or, the first, is about to be sent; 0: none yet

	groupID string
	group   *eci.Group // as last seen
	born    time.Time  // when groupID was learned: older listings say nothing about it
	dead    string     // a group that failed to be scheduled and is to be deleted
	deaths  int        // groups that failed to be scheduled, one after the other
	pause   time.Time  // no create before
	busy    bool       // a worker is at it
	ours    bool       // the attempt is this process's own: no group of it can be unknown

	// request was sent and its fate is unknown. It must be repeated unchanged: the same
	// token with other parameters (a fresh service account token) is an error.
	request    *eci.CreateRequest
	mismatched time.Time // since when ECI says that the token was used otherwise; zero: it does not

	refusal *Refusal
	failure *Note // the pod failed for this reason
	waiting *Note // the pod waits for this reason

	settings placement.Settings // of the request last built
	ordered  *order             // what it asks for; nil: this process has built none
	held     bool               // it waits for stock
	degraded bool               // spot had no stock: pay as you go from the next attempt on
	degrade  bool               // that attempt is due

	deleting    bool // the group has to go
	deleteSince time.Time
	deleteBy    time.Time           // when the grace period ends
	hurried     bool                // it has to go without a grace period
	accepted    bool                // ECI accepted the delete
	acceptedAt  time.Time           // when, the last time
	gone        bool                // the group is proven gone
	removed     bool                // the pod's object is gone
	noted       map[string][]string // messages by event reason
	relayed     map[relayKey]int32  // how often the group's events had happened when they were last told
	changed     time.Time           // when its group last changed
	unseen      time.Time           // since when ECI's answers lack its group, without a proof; zero: they do not
	doubted     bool                // that is said on the pod
	lastState   eci.GroupStatus

	kept keptWords

	// told is the pod as the last write of its status left it, while the informer still has over,
	// the one from before: what is known of it is not written a second time.
	told, over *corev1.Pod
}

// mayRun tells that a group of this entry exists or may come to exist.
func (e *entry) mayRun() bool {
	return e.groupID != "" && !e.gone || e.dead != "" || e.busy || e.unknown()
}

// unknown tells that a create was announced or sent whose group nobody knows yet.
func (e *entry) unknown() bool {
	return e.groupID == "" && e.failure == nil && (e.request != nil || !e.mismatched.IsZero() || e.attempt > 0 && !e.ours)
}

// ended tells that the pod's containers have ended for good.
func (e *entry) ended() bool {
	return e.failure != nil || e.group != nil && e.group.Status.Ended()
}

// settled tells that nothing about the entry is expected to change soon.
func (e *entry) settled() bool {
	if e.deleting {
		return false
	}
	if e.ended() || e.refusal != nil {
		return true
	}
	if e.group == nil || e.group.Status != eci.Running {
		return false
	}
	for i := range e.group.Containers {
		if !e.group.Containers[i].Ready {
			return false
		}
	}
	return true
}

// New makes a Provider; it makes no call. Call Recover, then Run.
func New(c Config) *Provider {
	if c.PollMin <= 0 {
		c.PollMin = time.Second
	}
	if c.PollMax < c.PollMin {
		c.PollMax = max(10*time.Second, c.PollMin)
	}
	if c.Workers <= 0 {
		c.Workers = 64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Placement.ClusterDomain == "" {
		c.Placement.ClusterDomain = "cluster.local"
	}
	return &Provider{
		Config: c, log: c.Logger, resolver: newResolver(c.Client),
		queue:  c.newQueue(queueGroups, time.Second, 2*time.Minute),
		outbox: c.newQueue(queueStatuses, 200*time.Millisecond, time.Minute),
		words:  c.newQueue(queueWords, time.Second, time.Minute),
		rates:  rates{known: map[eci.PriceQuery]rate{}},
		kick:   make(chan struct{}, 1), stock: newStock(), entries: map[types.UID]*entry{}, orphans: map[string]time.Time{},
		started: time.Now(),
	}
}

// newQueue makes a queue whose failed keys come back after a pause that doubles each time.
func (c *Config) newQueue(name string, first, longest time.Duration) workqueue.TypedRateLimitingInterface[types.UID] {
	config := workqueue.TypedRateLimitingQueueConfig[types.UID]{Name: name}
	if c.Metrics != nil {
		config.MetricsProvider = c.Metrics.queues
	}
	return workqueue.NewTypedRateLimitingQueueWithConfig(workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](first, longest), config)
}

// CreatePod notes that the pod shall run. It never fails: Virtual Kubelet would make a
// failed pod of a throttled call, and give up after twenty tries.
func (p *Provider) CreatePod(_ context.Context, pod *corev1.Pod) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries[pod.UID] == nil {
		p.newEntry(pod)
	}
	if !finished(pod.Status.Phase) {
		p.queue.Add(pod.UID)
	}
	return nil
}

// newEntry needs p.mu.
func (p *Provider) newEntry(pod *corev1.Pod) *entry {
	e := &entry{uid: pod.UID, namespace: pod.Namespace, name: pod.Name, pod: pod.DeepCopy(), met: time.Now(), attempt: attemptOf(pod), noted: map[string][]string{}}
	p.entries[pod.UID] = e
	return e
}

// attemptOf reads the annotation; what is not a number counts as none.
func attemptOf(pod *corev1.Pod) int {
	n, _ := strconv.Atoi(pod.Annotations[eci.AnnotationAttempt])
	return max(n, 0)
}

// UpdatePod is called when images, ephemeral containers, the deadline or tolerations
// changed. A running group keeps what it was created with, which is said on the pod.
func (p *Provider) UpdatePod(_ context.Context, pod *corev1.Pod) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[pod.UID]
	if e == nil {
		return nil
	}
	if len(pod.Spec.EphemeralContainers) > len(e.pod.Spec.EphemeralContainers) {
		p.Recorder.Event(pod, corev1.EventTypeWarning, "EphemeralContainersIgnored",
			"ephemeral containers can't be added to a container group; use kubectl logs, or debug a copy of the pod on a real node")
	}
	if imagesDiffer(pod, e.pod) {
		p.Recorder.Event(pod, corev1.EventTypeWarning, "ImageChangeIgnored",
			"a running container group keeps its images; delete the pod to run the new image")
	}
	e.pod = pod.DeepCopy()
	return nil
}

func imagesDiffer(a, b *corev1.Pod) bool {
	for i := range a.Spec.Containers {
		if i >= len(b.Spec.Containers) || a.Spec.Containers[i].Image != b.Spec.Containers[i].Image {
			return true
		}
	}
	return false
}

// DeletePod notes that the pod's group shall go. The pod's object follows when its
// containers have ended.
func (p *Provider) DeletePod(_ context.Context, pod *corev1.Pod) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[pod.UID]
	if e == nil {
		return errdefs.NotFoundf("pod %s/%s is not on this node", pod.Namespace, pod.Name)
	}
	p.startDelete(e, pod)
	return nil
}

// startDelete needs p.mu.
func (p *Provider) startDelete(e *entry, pod *corev1.Pod) {
	if !e.deleting {
		e.deleting, e.deleteSince = true, time.Now()
		e.deleteBy = e.deleteSince.Add(gracePeriod(pod))
	}
	if seconds := pod.DeletionGracePeriodSeconds; seconds != nil && *seconds == 0 && !e.hurried {
		e.hurried, e.accepted = true, false // also where a slower delete is under way
	}
	p.stock.leave(pod.UID)
	p.queue.Forget(pod.UID) // do not wait out a create's backoff
	p.queue.Add(pod.UID)
}

func gracePeriod(pod *corev1.Pod) time.Duration {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := pod.DeletionGracePeriodSeconds; s != nil {
		seconds = *s
	} else if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	return time.Duration(seconds) * time.Second
}

// held is asked before Virtual Kubelet removes a pod's object. While its group may run it
// answers yes, and sees to the group's deletion; the object goes afterwards.
func (p *Provider) held(uid types.UID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[uid]
	if e == nil {
		return false
	}
	if !e.mayRun() {
		delete(p.entries, uid)
		return false
	}
	p.startDelete(e, e.pod)
	return true
}

// GetPod answers from memory, and only for the pod that has this name now: a predecessor
// of the same name must not be taken for it. It returns the pod as the group was made from
// it, with the newest labels and annotations, so that only changes which matter to a group
// look like changes.
func (p *Provider) GetPod(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	current, err := p.Pods.Pods(namespace).Get(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		e := p.entries[current.UID]
		if e == nil {
			return nil, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, name)
		}
		pod := e.pod.DeepCopy()
		pod.Labels, pod.Annotations, pod.Spec.Tolerations = current.Labels, current.Annotations, current.Spec.Tolerations
		pod.Status = *current.Status.DeepCopy()
		return pod, nil
	}
	for _, e := range p.entries {
		if e.namespace == namespace && e.name == name && !e.gone {
			return e.pod.DeepCopy(), nil
		}
	}
	return nil, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, name)
}

// GetPodStatus answers what was last told.
func (p *Provider) GetPodStatus(ctx context.Context, namespace, name string) (*corev1.PodStatus, error) {
	pod, err := p.GetPod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	return &pod.Status, nil
}

// GetPods returns the pods that have a group, or may have one, and exist in Kubernetes too.
// Groups without a pod are no business of Virtual Kubelet's, which would delete them at first
// sight.
func (p *Provider) GetPods(ctx context.Context) ([]*corev1.Pod, error) {
	p.mu.Lock()
	known := make([]*corev1.Pod, 0, len(p.entries))
	for _, e := range p.entries {
		if !e.gone && e.refusal == nil && e.failure == nil && (e.groupID != "" || e.request != nil) {
			known = append(known, e.pod)
		}
	}
	p.mu.Unlock()
	var pods []*corev1.Pod
	for _, k := range known {
		if current, err := p.Pods.Pods(k.Namespace).Get(k.Name); err == nil && current.UID == k.UID {
			pods = append(pods, current.DeepCopy())
		}
	}
	return pods, nil
}

// NotifyPods is how Virtual Kubelet says that it is about to serve the pods; its callback is
// not used.
func (p *Provider) NotifyPods(context.Context, func(*corev1.Pod)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = true
	for uid := range p.entries {
		p.outbox.Add(uid)
	}
}

// PodChanged is called by the informer. Virtual Kubelet misses a pod that was replaced by
// one of the same name while the watch was closed.
func (p *Provider) PodChanged(old, current *corev1.Pod) {
	if old.UID != current.UID {
		p.PodRemoved(old)
		if current.DeletionTimestamp == nil {
			_ = p.CreatePod(context.Background(), current) // never fails
		}
		return
	}
	p.outbox.Add(current.UID)
}

// PodRemoved is called by the informer when the object is gone, also when only that is
// known of it (a tombstone, which Virtual Kubelet ignores).
func (p *Provider) PodRemoved(pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.entries[pod.UID]; e != nil {
		e.removed = true
		p.startDelete(e, pod)
	}
}

// current is the pod as the API server has it now, or nil when that one is gone.
func (p *Provider) current(e *entry) *corev1.Pod {
	pod, err := p.Pods.Pods(e.namespace).Get(e.name)
	if err != nil || pod.UID != e.uid {
		return nil
	}
	return pod
}

// maxSaid is how many different messages of one reason become events of a pod. An error of
// the network has another port in it each time, and a retry never ends.
const maxSaid = 10

// say emits an event once a pod and message.
func (p *Provider) say(e *entry, n Note) {
	p.mu.Lock()
	pod, said := e.pod, e.noted[n.Reason]
	_, relayed := e.relayed[relayKey{n.Reason, n.Message}]
	known := relayed || len(said) >= maxSaid || slices.Contains(said, n.Message)
	if !known {
		e.noted[n.Reason] = append(said, n.Message)
	}
	p.mu.Unlock()
	if !known {
		p.Recorder.Event(pod, corev1.EventTypeWarning, n.Reason, n.Message)
	}
}

// look makes the poll loop look at ECI now.
func (p *Provider) look() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// statusWriters is how many statuses are written at the same time: each waits for the API server.
const statusWriters = 16

// Run works until the context ends, then returns; groups are left as they are.
func (p *Provider) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range p.Workers {
		wg.Go(func() { work(ctx, p.queue, p.sync, p.log, "pod") })
	}
	for range min(p.Workers, statusWriters) {
		wg.Go(func() { work(ctx, p.outbox, p.tell, p.log, "status") })
	}
	if p.LastWords != nil {
		for range 2 {
			wg.Go(func() { work(ctx, p.words, p.keepWords, p.log, "last words") })
		}
	}
	wg.Go(func() { p.poll(ctx) })
	if p.Prices != nil {
		wg.Go(func() { p.keepRates(ctx) })
	}
	<-ctx.Done()
	p.shutDown()
	wg.Wait()
}

// shutDown ends the queues' own goroutines and lets the workers go home.
func (p *Provider) shutDown() {
	p.queue.ShutDown()
	p.outbox.ShutDown()
	p.words.ShutDown()
}

// work takes keys until the queue is shut down. A key whose work failed comes back later,
// for as long as it takes.
func work(ctx context.Context, queue workqueue.TypedRateLimitingInterface[types.UID], do func(context.Context, types.UID) error, log *slog.Logger, what string) {
	for {
		uid, done := queue.Get()
		if done {
			return
		}
		if err := do(ctx, uid); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "will be tried again", "what", what, "uid", uid, "tries", queue.NumRequeues(uid)+1, "err", err)
			queue.AddRateLimited(uid)
		} else {
			queue.Forget(uid)
		}
		queue.Done(uid)
	}
}
