package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/eci/spec"
)

// A Keeper moves pods without being asked for each: home when real nodes have room again
// (return), and into another group before ECI takes theirs (rescue). Both are Operations like
// a person's, swaps only: nothing is ever restarted in place by itself. It is to run in one
// process at a time, its leader; leases keep a second one from harm.
type Keeper struct {
	Client  kubernetes.Interface
	Extra   dynamic.Interface    // see Read; may be nil
	Pods    func() []*corev1.Pod // those of the virtual nodes that it looks after
	Holder  string               // of the leases
	Return  ReturnPolicy
	Site    spec.Site
	Sized   func(*corev1.Pod) *corev1.Pod // a pod as its group is sized and billed; nil: as it is
	Logger  *slog.Logger
	Ended   func(*Operation) // told of each operation that has ended; nil: nobody is
	working sync.WaitGroup

	mu    sync.Mutex
	busy  map[string]bool         // workloads on their way
	later map[string]time.Time    // workloads that could not be moved: not before
	moved []time.Time             // when pods came home
	fits  map[types.UID]time.Time // since when pods would fit on real nodes
	done  map[types.UID]bool      // pods that were rescued, or can't be
	blind map[Ref]bool            // workloads of which was said that their saving is not known
}

const (
	// keepEvery is the pause between looks. A spot group's notice is three minutes ahead.
	keepEvery = 15 * time.Second
	// notAgain is how long a workload is left alone that could not be moved.
	notAgain = 10 * time.Minute
	// byKeeper is who begins its operations.
	byKeeper = "ecideck-node"
)

// Run looks and moves until the context ends, which is no error; operations under way are
// interrupted then, and the next leader goes on with them.
func (k *Keeper) Run(ctx context.Context) error {
	k.mu.Lock()
	k.busy, k.later, k.fits, k.done = map[string]bool{}, map[string]time.Time{}, map[types.UID]time.Time{}, map[types.UID]bool{}
	k.blind = map[Ref]bool{}
	k.mu.Unlock()
	if k.Logger == nil {
		k.Logger = slog.New(slog.DiscardHandler)
	}
	defer k.working.Wait()
	k.goOn(ctx)
	for n := 0; sleep(ctx, keepEvery) == nil; n++ {
		if err := k.round(ctx, time.Now()); err != nil && ctx.Err() == nil {
			k.Logger.Warn("pods on ECI were not looked at for return and rescue", "err", err)
		}
		const often = 240 // an hour
		if n%often == 0 {
			if gone, err := Prune(ctx, k.Client, time.Now()); err != nil && ctx.Err() == nil {
				k.Logger.Warn("journals of old operations were not removed", "err", err)
			} else if gone > 0 {
				k.Logger.Info("journals of old operations were removed", "operations", gone)
			}
		}
	}
	return nil
}

// goOn resumes what an earlier leader has begun and nobody is at work on.
func (k *Keeper) goOn(ctx context.Context) {
	all, err := Load(ctx, k.Client, "", metav1.NamespaceAll)
	if err != nil && ctx.Err() == nil {
		k.Logger.Warn("unfinished operations could not be looked for", "err", err)
	}
	for _, o := range all {
		if o.State.Ended() || !strings.HasPrefix(o.By, byKeeper) {
			continue
		}
		var keys []string
		for i := range o.Plan.Items {
			keys = append(keys, o.Plan.Items[i].Key())
		}
		k.start(ctx, o, keys, func(ctx context.Context, e *Engine) (*Operation, error) { return e.Resume(ctx, o, false) })
	}
}

// round looks once.
func (k *Keeper) round(ctx context.Context, now time.Time) error {
	pods := k.Pods()
	if len(pods) == 0 {
		return nil
	}
	r := &reading{client: k.Client, marks: map[Ref]map[string]string{}, spaces: map[string]*corev1.Namespace{}, sets: map[types.UID]*appsv1.ReplicaSet{}}
	return errors.Join(k.rescue(ctx, r, pods, now), k.home(ctx, r, pods, now))
}

// rescue moves pods whose groups ECI is about to take.
func (k *Keeper) rescue(ctx context.Context, r *reading, pods []*corev1.Pod, now time.Time) error {
	noticed := map[types.UID]string{}
	for _, reason := range []string{"SpotToBeReleased", "SystemReboot"} {
		list, err := k.Client.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason, ResourceVersion: "0"})
		if err != nil {
			return fmt.Errorf("looking for ECI's notices: %w", err)
		}
		for i := range list.Items {
			if e := &list.Items[i]; e.Reason == reason {
				noticed[e.InvolvedObject.UID] = reason
			}
		}
	}
	here := map[types.UID]bool{}
	for _, p := range pods {
		here[p.UID] = true
	}
	k.mu.Lock()
	maps.DeleteFunc(k.done, func(uid types.UID, _ bool) bool { return !here[uid] })
	k.mu.Unlock()
	byWorkload := map[Ref][]Ref{}
	for _, p := range pods {
		k.mu.Lock()
		known := k.done[p.UID]
		k.mu.Unlock()
		if noticed[p.UID] == "" || known || !alive(p) {
			continue
		}
		mark, err := r.mark(ctx, p, AnnotationRescue)
		if err != nil {
			return err
		}
		if mark == valueAuto {
			w := workloadRef(p)
			byWorkload[w] = append(byWorkload[w], Ref{"Pod", p.Namespace, p.Name, p.UID})
		}
	}
	for w, refs := range byWorkload {
		k.propose(ctx, w, Request{To: ToECI, Anew: true, Targets: refs, Site: k.Site}, "rescue", now)
	}
	return nil
}

// home moves pods home that real nodes have had room for.
func (k *Keeper) home(ctx context.Context, r *reading, pods []*corev1.Pod, now time.Time) error {
	if k.Return.Off {
		return nil
	}
	var all []Homebound
	marked := k.Return.All
	for _, p := range pods {
		if !alive(p) || p.Spec.NodeName == "" {
			continue
		}
		if c := metav1.GetControllerOf(p); c == nil || c.Kind != "ReplicaSet" {
			continue // swaps only
		}
		mark, err := r.mark(ctx, p, AnnotationReturn)
		if err != nil {
			return err
		}
		marked = marked || mark == valueAuto
		x := Homebound{Pod: p, Workload: workloadRef(p), Mark: mark, Only: burst.ReadMarks(p, r.spaces[p.Namespace]).Mode == burst.ECIOnly}
		all = append(all, x)
	}
	if !marked {
		return nil // most clusters: nothing more is read
	}
	for i := range all {
		x := &all[i]
		if x.Mark != valueAuto && !k.Return.All {
			continue
		}
		if err := r.around(ctx, x); err != nil {
			return err
		}
		k.mu.Lock()
		if until := k.later[keyOf(x.Workload)]; now.Before(until) {
			x.Busy = "its last move was given up a moment ago"
		} else if k.busy[keyOf(x.Workload)] {
			x.Busy = "others of its workload are on their way"
		}
		k.mu.Unlock()
	}
	nodes, err := k.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return fmt.Errorf("listing the nodes: %w", err)
	}
	for i := range all {
		x := &all[i]
		if n := slices.IndexFunc(nodes.Items, func(n corev1.Node) bool { return n.Name == x.Pod.Spec.NodeName }); n >= 0 {
			pod := x.Pod
			if k.Sized != nil {
				pod = k.Sized(pod)
			}
			x.Saving = price(pod, nodes.Items[n].Labels[corev1.LabelTopologyRegion], k.Site)
		}
	}
	everything, err := k.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return fmt.Errorf("listing the pods of all nodes: %w", err)
	}
	k.mu.Lock()
	k.moved = slices.DeleteFunc(k.moved, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	home, why := k.Return.Decide(all, rooms(pointers(nodes.Items), pointers(everything.Items)), k.fits, len(k.moved), now)
	k.mu.Unlock()
	for _, x := range all {
		switch text := why[x.Pod.UID]; {
		case text == "" || !k.Return.All && x.Mark != valueAuto:
		case text == unknownSaving && !k.blind[x.Workload]:
			k.blind[x.Workload] = true // once: a setting that holds it back for good is not to be guessed from silence
			k.Logger.Warn("a workload does not come home", "workload", x.Workload.String(), "why", text)
		default:
			k.Logger.Debug("a pod does not come home", "pod", x.Pod.Namespace+"/"+x.Pod.Name, "why", text)
		}
	}
	byWorkload := map[Ref][]Ref{}
	for _, x := range home {
		byWorkload[x.Workload] = append(byWorkload[x.Workload], Ref{"Pod", x.Pod.Namespace, x.Pod.Name, x.Pod.UID})
	}
	for w, refs := range byWorkload {
		if n := k.propose(ctx, w, Request{To: ToECS, How: Swap, Targets: refs, Soak: DefaultSoak, Site: k.Site, Hasty: true}, "return", now); n > 0 {
			k.mu.Lock()
			for range n {
				k.moved = append(k.moved, now)
			}
			k.mu.Unlock()
		}
	}
	return nil
}

// propose plans and starts an operation for pods of one workload, and tells how many of them
// it moves.
func (k *Keeper) propose(ctx context.Context, w Ref, r Request, why string, now time.Time) int {
	key := keyOf(w)
	k.mu.Lock()
	skip := k.busy[key] || why != "rescue" && now.Before(k.later[key])
	k.mu.Unlock()
	if skip {
		return 0
	}
	log := k.Logger.With("workload", w.String(), "for", why)
	o, err := Propose(ctx, k.Client, k.Extra, byKeeper+" ("+why+")", r, now)
	if err != nil {
		log.Warn("pods were not moved", "err", err)
		return 0
	}
	// Swaps only: whatever else would interrupt somebody, who has not been asked.
	for i := range o.Plan.Items {
		if x := &o.Plan.Items[i]; x.Strategy != Swap && x.Strategy != Stay {
			*x = x.staying("it would be %s, which nobody has confirmed", x.Strategy)
			x.State = Stays
		}
	}
	if text := o.Plan.Blocked(); text != "" {
		for i := range o.Plan.Items {
			text = cmpOr(o.Plan.Items[i].Why, text)
		}
		log.Info("pods can't be moved", "why", text)
		k.mu.Lock()
		k.later[key] = now.Add(notAgain)
		k.mu.Unlock()
		return 0
	}
	if why == "rescue" {
		k.mu.Lock()
		for _, t := range r.Targets {
			k.done[t.UID] = true
		}
		k.mu.Unlock()
	}
	log.Info("moving pods", "operation", o.ID, "pods", o.Plan.Moves())
	k.start(ctx, o, []string{key}, func(ctx context.Context, e *Engine) (*Operation, error) { return e.Run(ctx, o) })
	return o.Plan.Moves()
}

// start runs an operation in a goroutine of its own.
func (k *Keeper) start(ctx context.Context, o *Operation, keys []string, run func(context.Context, *Engine) (*Operation, error)) {
	k.mu.Lock()
	for _, key := range keys {
		k.busy[key] = true
	}
	k.mu.Unlock()
	k.working.Go(func() {
		got, err := run(ctx, &Engine{Client: k.Client, Holder: k.Holder})
		k.mu.Lock()
		for _, key := range keys {
			delete(k.busy, key)
			if err != nil || got.State != Done {
				k.later[key] = time.Now().Add(notAgain)
			}
		}
		k.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			k.Logger.Warn("an operation was left", "operation", o.ID, "err", err)
		} else if err == nil {
			k.Logger.Info("an operation has ended", "operation", got.ID, "state", got.State, "how", got.Reason)
		}
		if k.Ended != nil {
			k.Ended(got)
		}
	})
}

func keyOf(w Ref) string { return (&Item{Workload: w}).Key() }

func workloadRef(p *corev1.Pod) Ref {
	w := burst.WorkloadOf(p)
	return Ref{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
}

// A reading is what one round has read, each thing once.
type reading struct {
	client kubernetes.Interface
	marks  map[Ref]map[string]string
	spaces map[string]*corev1.Namespace
	sets   map[types.UID]*appsv1.ReplicaSet // nil: gone
}

// mark is what a pod's workload says under a key, or its namespace.
func (r *reading) mark(ctx context.Context, p *corev1.Pod, key string) (string, error) {
	space, known := r.spaces[p.Namespace]
	if !known {
		var err error
		if space, err = r.client.CoreV1().Namespaces().Get(ctx, p.Namespace, metav1.GetOptions{}); err != nil {
			return "", fmt.Errorf("reading namespace %s: %w", p.Namespace, err)
		}
		r.spaces[p.Namespace] = space
	}
	w := workloadRef(p)
	own, known := r.marks[w]
	if !known {
		var err error
		own, err = burst.WorkloadAnnotations(ctx, r.client, burst.WorkloadOf(p))
		if err != nil && !apierrors.IsNotFound(err) {
			return "", fmt.Errorf("reading the annotations of %s: %w", w, err)
		}
		r.marks[w] = own
	}
	return markOf(key, own, space.Annotations), nil
}

// around reads what may keep a workload from being touched now.
func (r *reading) around(ctx context.Context, x *Homebound) error {
	if x.Workload.Kind == "Deployment" {
		d, err := r.client.AppsV1().Deployments(x.Workload.Namespace).Get(ctx, x.Workload.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			x.Busy = "its Deployment is gone"
		case err != nil:
			return fmt.Errorf("reading Deployment %s: %w", x.Workload.Name, err)
		case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
			x.Busy = "its Deployment has the strategy Recreate"
		default:
			if why := rolledOut(d); why != "" {
				x.Busy = "a rollout is under way: " + why
			}
		}
	}
	// A pod that was moved to ECI is pinned there; its template is not.
	owner := metav1.GetControllerOf(x.Pod)
	rs, known := r.sets[owner.UID]
	if !known {
		var err error
		rs, err = r.client.AppsV1().ReplicaSets(x.Pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && rs.UID != owner.UID {
			rs = nil
		} else if err != nil {
			return fmt.Errorf("reading ReplicaSet %s: %w", owner.Name, err)
		}
		r.sets[owner.UID] = rs
	}
	if rs == nil {
		x.Busy = "its ReplicaSet is gone"
	} else {
		x.Next = templated(x.Pod.Namespace, x.Pod.Name, &rs.Spec.Template, templateFields(&rs.Spec.Template.Spec))
		x.Next.UID = x.Pod.UID
	}
	scalers, err := r.client.AutoscalingV2().HorizontalPodAutoscalers(x.Workload.Namespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return fmt.Errorf("reading the autoscalers of namespace %s: %w", x.Workload.Namespace, err)
	}
	for i := range scalers.Items {
		h := &scalers.Items[i]
		if h.Spec.ScaleTargetRef.Kind == x.Workload.Kind && h.Spec.ScaleTargetRef.Name == x.Workload.Name && h.Status.LastScaleTime != nil {
			x.Scaled = h.Status.LastScaleTime.Time
		}
	}
	return nil
}
