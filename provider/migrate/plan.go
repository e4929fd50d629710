package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/provider/placement"
)

// A Request is what somebody wants to be moved.
type Request struct {
	To      Destination
	Targets []Ref    // pods, Deployments, ReplicaSets, StatefulSets, Jobs, CronJobs, namespaces (their pods without a node); one node to drain
	How     Strategy // one of Hows; "": what suits each target
	Soak    time.Duration
	Site    spec.Site // in whose currency it is priced
	// Share is what a request of so many thousandths of a vCPU and bytes takes of the price of
	// a real node, or why that is not known. nil: nobody knows what nodes cost.
	Share func(node string, milliCPU, bytes int64) (money.Rate, string)
	Anew  bool // also what is on ECI already, into another group
	Hasty bool // a surge pod that finds no node is given up at once, before an autoscaler makes one for it
	// Of a drain, with kubectl's meaning.
	Force, IgnoreDaemonSets, DeleteEmptyDirData bool
}

// Facts are what a plan rests on, as the API server says at one moment.
type Facts struct {
	Now         time.Time
	Site        spec.Site                   // in whose currency it is priced
	Pods        []*corev1.Pod               // that are asked for
	Siblings    map[types.UID][]*corev1.Pod // by controller, those that live
	ReplicaSets map[types.UID]*appsv1.ReplicaSet
	Deployments map[string]*appsv1.Deployment // by namespace/name
	Sets        map[types.UID]*appsv1.StatefulSet
	Jobs        map[types.UID]*batchv1.Job      // that are asked for
	CronJobs    map[types.UID]*batchv1.CronJob  // that are asked for
	Whole       []Ref                           // workloads that are asked for as a whole
	Volumes     map[types.UID]map[string]string // why a pod's volumes can't be reached from a virtual node, by its name
	Namespaces  map[string]*Space
	Virtual     []*corev1.Node
	OnVirtual   map[string]int               // how many pods a virtual node has
	Real        []Room                       // real nodes, where something has to fit there before it goes
	NoPolicy    string                       // why no admission policy can be made; "": it can
	Minor       int                          // of the API server's version 1.x; 0: not known
	Agents      []string                     // DaemonSets with a pod on the nodes that are left
	Drained     *corev1.Node                 // the node that is drained, or nil
	Filtered    map[string]string            // of a drain: what kubectl says of namespace/pod that it doesn't evict
	Skipped     map[string]string            // and of those that it leaves without a fuss
	Skew        time.Duration                // how far the API server's clock is ahead of this machine's
	NoStock     time.Time                    // when ECI last lacked something, as events say; zero: not lately
	Lacked      string                       // in its words
	Unread      []string                     // what could not be read, in words
	Withheld    map[types.UID]string         // controllers that are there, or may be, and could not be read, and why
	away        error                        // the API server was not reached for one of them
	profiles    map[string]placement.Profile // by virtual node: its pods' defaults
	sent        map[string]int               // how many pods the plan that is made sends to a virtual node
}

// A Space is what a namespace has around its pods.
type Space struct {
	Object   *corev1.Namespace
	Services []*corev1.Service
	Budgets  []*policyv1.PodDisruptionBudget
	Quotas   []*corev1.ResourceQuota
	Policies []*networkingv1.NetworkPolicy
	HPAs     []*autoscalingv2.HorizontalPodAutoscaler
	Claims   map[string]*corev1.PersistentVolumeClaim
	Ranges   []*corev1.LimitRange
	Scalers  []Scaler
	Placers  []Placer
}

// A Scaler changes a workload's replicas: a KEDA ScaledObject, or a CronHPA.
type Scaler struct {
	Kind, Name string
	Target     Ref       // without a UID
	Next       time.Time // when a CronHPA acts next; zero: it has no schedule that is known
}

// A Placer is somebody else's rule of where pods go and in which order they leave.
type Placer struct {
	Kind, Name string
	Selects    labels.Selector // pods; nil: by Target
	Target     Ref
}

// startup is how long a pod takes to serve where nobody has been seen to.
const startup = 60 * time.Second

// Make turns facts into a plan. It is pure and always gives a plan: what can't be done is a
// Check of it, or an item that stays.
func Make(f *Facts, r Request) *Plan {
	p := &Plan{To: r.To, How: r.How, Parallel: map[string]int{}, Soak: int(r.Soak / time.Second)}
	for _, t := range r.Targets {
		p.Targets = append(p.Targets, t.String())
	}
	if f.Drained != nil {
		p.Drain = &Drained{Node: Ref{Kind: "Node", Name: f.Drained.Name, UID: f.Drained.UID}, Cordoned: f.Drained.Spec.Unschedulable}
		p.Home = metav1.NamespaceSystem
		p.Locks = append(p.Locks, p.Drain.Node)
	}
	whole(p, f, r)
	own := *f
	f, own.sent = &own, map[string]int{} // the caller's facts stay as they are
	items, covered := wholes(f, r)
	ill := unwell(f)
	for _, pod := range ordered(f.Pods) {
		if !covered[pod.UID] {
			items = append(items, consider(f, r, pod, ill))
			f.sends(&items[len(items)-1])
		}
	}
	for n, x := range gather(items, f, r, f.tainted(items)) {
		x.ID, x.Steps = strconv.Itoa(n+1), []Step{}
		x.State = Planned
		if x.Strategy == Stay {
			x.State = Stays
		}
		p.Items = append(p.Items, x)
		if x.Strategy == Stay {
			continue
		}
		p.Home = cmp.Or(p.Home, x.Subject().Namespace)
		if !slices.Contains(p.Locks, x.Workload) {
			p.Locks = append(p.Locks, x.Workload)
		}
		// Of a workload whose pods are moved in several ways, what binds one binds all.
		most := parallel(f, &x)
		if n, has := p.Parallel[x.Key()]; has {
			most = min(most, n)
		}
		p.Parallel[x.Key()] = most
	}
	scarce(p, f)
	// Two operations that want the same locks take them in the same order.
	slices.SortFunc(p.Locks, func(a, b Ref) int { return cmp.Compare(a.Kind+a.Namespace+a.Name, b.Kind+b.Namespace+b.Name) })
	for _, n := range f.Virtual {
		if f.sent[n.Name] > 0 && !full(n, f.OnVirtual[n.Name]) && full(n, f.OnVirtual[n.Name]+f.sent[n.Name]-1) {
			p.Checks = append(p.Checks, Check{"addresses", Warn, fmt.Sprintf("%d pods are to move to node %s, which has %d and takes %d", f.sent[n.Name], n.Name, f.OnVirtual[n.Name], n.Status.Allocatable.Pods().Value()),
				"the last of them stay where they are; a vSwitch more, or a greater one, takes more"})
		}
	}
	budgets(p, f)
	p.sum()
	p.eta(f)
	return p
}

// scarce notes which swaps a quota may have no room for before old pods are gone: their namespace
// has less than all of its swaps take at once, each but for its old pod one, and two on the way.
func scarce(p *Plan, f *Facts) {
	swaps := map[string]int{}
	for i := range p.Items {
		if x := &p.Items[i]; x.Strategy == Swap {
			swaps[x.Pod.Namespace]++
		}
	}
	for i := range p.Items {
		x := &p.Items[i]
		if x.Strategy != Swap {
			continue
		}
		room, _ := quotaRoom(f.space(x.Pod.Namespace), f.ReplicaSets[x.Owner.UID])
		x.Quota = room >= 0 && room < swaps[x.Pod.Namespace]+2*perCluster
	}
}

// ordered puts what is least critical first, and of StatefulSets the highest ordinal.
func ordered(pods []*corev1.Pod) []*corev1.Pod {
	out := slices.Clone(pods)
	rank := func(p *corev1.Pod) int {
		if critical(p) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(len(b.Name), len(a.Name)), cmp.Compare(b.Name, a.Name))
	})
	return out
}

// critical tells that a pod is one that the cluster itself needs.
func critical(p *corev1.Pod) bool { return strings.HasPrefix(p.Spec.PriorityClassName, "system-") }

// consider says how one pod is moved, or why it stays.
func consider(f *Facts, r Request, pod *corev1.Pod, ill map[types.UID]illness) Item {
	x := Item{Pod: Ref{"Pod", pod.Namespace, pod.Name, pod.UID}, From: pod.Spec.NodeName, Strategy: Stay, Critical: critical(pod)}
	w := burst.WorkloadOf(pod)
	x.Workload = Ref{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
	owner := metav1.GetControllerOf(pod)
	if owner != nil {
		x.Owner = Ref{kindOf(owner), pod.Namespace, owner.Name, owner.UID}
	}
	onECI := f.onECI(pod)
	x.costs(f, r, pod)
	if onECI {
		x.Size = f.size(pod)
	}
	stay := func(format string, args ...any) Item {
		x.Why = fmt.Sprintf(format, args...)
		x.Strategy, x.After = Stay, x.Before
		return x
	}
	settled := func(format string, args ...any) Item {
		x = stay(format, args...)
		x.Settled = true
		return x
	}
	drain := f.Drained != nil
	kind := ""
	if owner != nil {
		kind = kindOf(owner)
	}
	fixed := stay
	if drain {
		fixed = settled // the node is empty without them
	}
	switch {
	case pod.Annotations[corev1.MirrorPodAnnotationKey] != "":
		return fixed("it is a static pod: the kubelet of its node runs it, and nobody else can")
	case kind == "DaemonSet":
		return fixed("it belongs to DaemonSet %s, which has one pod on each node", owner.Name)
	case pod.DeletionTimestamp != nil:
		return settled("it is being deleted already")
	case pod.Labels[placement.LabelOperation] != "" && owner == nil && len(pod.OwnerReferences) > 0:
		return stay("it is a surge pod of the operation %s: see `ecideck ops show %[1]s`", pod.Labels[placement.LabelOperation])
	case drain && f.Skipped[pod.Namespace+"/"+pod.Name] != "":
		return settled("%s", f.Skipped[pod.Namespace+"/"+pod.Name])
	case !alive(pod) && (!drain || r.To != Anywhere):
		return settled("it has ended: %s", pod.Status.Phase)
	case !drain && r.To == ToECI && onECI && !r.Anew:
		return settled("it runs on ECI already")
	case r.To == ToECS && !onECI && pod.Spec.NodeName != "":
		return settled("it runs on a real node already")
	case pod.Spec.NodeName == "" && r.To != ToECI:
		return stay("it has no node yet: the scheduler looks for one")
	case drain && f.Filtered[pod.Namespace+"/"+pod.Name] != "":
		return stay("%s", f.Filtered[pod.Namespace+"/"+pod.Name])
	}
	if !alive(pod) {
		x.Dead, x.Strategy, x.Why = true, Evict, fmt.Sprintf("it has ended (%s): it is removed, and nothing is disrupted", pod.Status.Phase)
		return x
	}
	target, why := targetNode(f, r)
	if r.To == ToECI && target == nil {
		return stay("%s", why)
	}
	if target != nil {
		target = f.nodeFor(r, pod, f.wanted(r, pod))
		x.Node = target.Name
	}
	if pod.Spec.NodeName == "" {
		x.Strategy, x.Why = Place, "it has no node: it is let onto ECI as it is, and nothing is disrupted"
		x.Checks = podChecks(f, r, pod, pod, target)
		x.becomes(f, r, pod, 1)
		return x.judged(stay)
	}
	if kind == "ReplicaSet" && f.ReplicaSets[owner.UID] == nil {
		return stay("%s", f.lacks("its ReplicaSet "+owner.Name, owner.UID, "it will be deleted"))
	}
	if kind == "ReplicaSet" && r.How != Restart {
		rs := f.ReplicaSets[owner.UID]
		x.Strategy, x.Why = Swap, "a surge pod is Ready before it is evicted"
		if x.Workload.Kind == "Deployment" {
			if d := f.Deployments[pod.Namespace+"/"+w.Name]; d != nil {
				x.Workload.UID = d.UID
			}
		} else {
			x.Workload.UID = rs.UID
		}
		space := f.space(pod.Namespace)
		x.Hidden = hidden(rs, space)
		surge := SurgePod(rs, &x, r.To, "0", f.Virtual)
		for _, s := range selecting(space.Services, surge) {
			x.Services = append(x.Services, s.Name)
			if s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(surge.Spec.ReadinessGates) == 0 {
				x.Settle = loadBalancerSettle
			}
		}
		x.Settle = max(x.Settle, int(rs.Spec.MinReadySeconds))
		x.Hasty = r.Hasty
		switch {
		case slices.ContainsFunc(space.Placers, func(p Placer) bool { return p.governs(pod, x.Workload) }):
		case target == nil || ours(target):
			x.Cost = CostForTheMove
		default:
			x.Cost = CostKept
		}
		x.Checks = slices.Concat(swapChecks(f, rs, &x, pod, surge, ill[rs.UID]), podChecks(f, r, pod, surge, target))
		x.becomes(f, r, surge, 1)
		if drain && r.To == Anywhere && blocked(x.Checks) != "" {
			// What can't be surged is still to leave the node, as kubectl drain has it.
			x.Strategy, x.Why = Evict, "it is evicted before its successor runs: "+blocked(x.Checks)
			for i := range x.Checks {
				if x.Checks[i].Level == Block {
					x.Checks[i].Level = Warn
				}
			}
			return x
		}
		return x.judged(stay)
	}
	if drain && r.To == Anywhere {
		x.Strategy, x.Why = Evict, "it is evicted, and its "+cmp.Or(kind, "nobody")+" makes another one"
		switch kind {
		case "":
			x.Why = "it is evicted for good (--force): nobody makes another one"
		case "StatefulSet":
			x.Why = "it is evicted, one pod of its StatefulSet at a time, and comes back under its name"
			x.Workload.UID = owner.UID
		case "Job":
			x.Checks = append(x.Checks, Check{"job", Warn, "its work since it started is lost, and counts against backoffLimit unless the Job ignores DisruptionTarget", ""})
		}
		x.Checks = append(append(x.Checks, budgetChecks(f, pod)...), never(f, pod)...)
		return x.judged(stay)
	}
	switch {
	case kind == "":
		return cloned(f, r, x, pod, target)
	case kind == "Job":
		return stay("Job %s would start its work anew: let it end; or `ecideck migrate job/%[1]s --how suspend` ends its pods, changes its template and resumes it", owner.Name)
	case r.How == Swap:
		return stay("it can't be swapped: only pods of Deployments and ReplicaSets have a successor that runs beside them")
	}
	return restarted(f, r, x, pod, target)
}

// kindOf is a controller's kind, which tells Kubernetes' own from others of that name.
func kindOf(owner *metav1.OwnerReference) string { return burst.KindOf(owner.APIVersion, owner.Kind) }

// lacks says why a controller is not among the facts: it is gone, so that its pods will be, or
// it could not be read.
func (f *Facts) lacks(who string, uid types.UID, end string) string {
	if why := f.Withheld[uid]; why != "" {
		return who + " can't be read, so what becomes of its pods is not known (" + why + "); ask for the right, or use another context"
	}
	return who + " is gone: " + end
}

// judged is the item, or that it stays because a check blocks it.
func (i Item) judged(stay func(string, ...any) Item) Item {
	if why := blocked(i.Checks); why != "" {
		checks := i.Checks
		i = stay("%s", why)
		i.Checks = checks
	}
	return i
}

// blocked is the first reason of a list of checks that says no, with its remedy; or "".
func blocked(checks []Check) string {
	for _, c := range checks {
		if c.Level == Block {
			return strings.TrimSuffix(c.Reason+"; "+c.Remedy, "; ")
		}
	}
	return ""
}

// ours tells a virtual node of ecideck-node from a vendor's.
func ours(n *corev1.Node) bool {
	return n.Annotations[burst.AnnotationSettings] != "" || slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == placement.TaintPreferReal })
}

// loadBalancerSettle is how long, in seconds, a load balancer that says nothing of itself in
// a readiness gate is given to know the surge pod.
const loadBalancerSettle = 15

// space is a namespace's surroundings, never nil.
func (f *Facts) space(name string) *Space {
	if s := f.Namespaces[name]; s != nil {
		return s
	}
	return &Space{}
}

func regionOf(f *Facts) string {
	for _, n := range f.Virtual {
		if region := n.Labels[corev1.LabelTopologyRegion]; region != "" {
			return region
		}
	}
	return ""
}

// hidden is the label that a surge pod goes without: no Service may select by it.
func hidden(rs *appsv1.ReplicaSet, space *Space) string {
	if rs.Spec.Selector == nil {
		return ""
	}
	keys := []string{}
	for key := range rs.Spec.Selector.MatchLabels {
		keys = append(keys, key)
	}
	rank := func(key string) int {
		switch key {
		case appsv1.DefaultDeploymentUniqueLabelKey:
			return 0
		case "rollouts-pod-template-hash":
			return 1
		}
		return 2
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	for _, key := range keys {
		if !slices.ContainsFunc(selecting(space.Services, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: rs.Spec.Template.Labels}}),
			func(s *corev1.Service) bool { _, selects := s.Spec.Selector[key]; return selects }) {
			return key
		}
	}
	return ""
}

// selecting are the Services that send traffic to a pod.
func selecting(services []*corev1.Service, pod *corev1.Pod) []*corev1.Service {
	var out []*corev1.Service
	for _, s := range services {
		if len(s.Spec.Selector) > 0 && s.Spec.Type != corev1.ServiceTypeExternalName && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			out = append(out, s)
		}
	}
	return out
}

// openNodes are the virtual nodes that take pods now, in their order.
func openNodes(f *Facts, r Request) []*corev1.Node {
	if r.To != ToECI {
		return nil
	}
	var nodes []*corev1.Node
	for _, n := range f.Virtual {
		if (f.Drained == nil || n.UID != f.Drained.UID) && closed(n) == "" {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// targetNode is the first virtual node that is open, or why there is none.
func targetNode(f *Facts, r Request) (*corev1.Node, string) {
	if r.To != ToECI {
		return nil, ""
	}
	if nodes := openNodes(f, r); len(nodes) > 0 {
		return nodes[0], ""
	}
	why := "there is no virtual node: see that ecideck-node runs"
	for _, n := range f.Virtual {
		if f.Drained == nil || n.UID != f.Drained.UID {
			why = closed(n)
		}
	}
	return nil, why
}

// nodeFor is the first open virtual node that takes what runs instead of a pod, and that has
// room for it beside what the plan sends there already. Where none has, it is one that would
// take it, and otherwise the first, whose refusals are the reason then. There has to be an
// open one.
func (f *Facts) nodeFor(r Request, old, next *corev1.Pod) *corev1.Node {
	nodes := openNodes(f, r)
	if len(nodes) == 1 {
		return nodes[0]
	}
	var takes *corev1.Node
	for _, n := range nodes {
		if f.Volumes[old.UID][n.Name] != "" || blocked(nodeChecks(f, old, next, n)) != "" {
			continue
		}
		if !full(n, f.OnVirtual[n.Name]+f.sent[n.Name]) {
			return n
		}
		if takes == nil {
			takes = n
		}
	}
	return cmp.Or(takes, nodes[0])
}

// wanted is about what would run instead of a pod, as far as it says where.
func (f *Facts) wanted(r Request, pod *corev1.Pod) *corev1.Pod {
	owner := controllerUID(pod)
	if pod.Spec.NodeName == "" {
		return pod
	}
	if rs := f.ReplicaSets[owner]; rs != nil && r.How != Restart {
		return podOf(&rs.Spec.Template)
	}
	if set := f.Sets[owner]; set != nil {
		return podOf(&set.Spec.Template)
	}
	return pod
}

// podOf is a pod as a template has it, to be read only.
func podOf(t *corev1.PodTemplateSpec) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: t.ObjectMeta, Spec: t.Spec}
}

// sends counts what an item sends to its virtual node.
func (f *Facts) sends(x *Item) {
	if x.Strategy != Stay && x.Node != "" {
		f.sent[x.Node] += x.Count()
	}
}

// tainted is a node with the taints of all virtual nodes that pods of StatefulSets are sent to by
// their template, which has to tolerate them: those of one set may go to several.
func (f *Facts) tainted(items []Item) *corev1.Node {
	node := &corev1.Node{}
	for _, n := range f.Virtual {
		if slices.ContainsFunc(items, func(x Item) bool { return x.Strategy == Ordinals && x.Node == n.Name }) {
			node.Spec.Taints = append(node.Spec.Taints, n.Spec.Taints...)
		}
	}
	return node
}

// parallel is how many of a workload may be on the way at once: of each move the surge pod
// and the ReplicaSet's short-lived replacement count in quotas, beside the old pod.
func parallel(f *Facts, x *Item) int {
	switch {
	case x.Strategy == Swap, x.Strategy == Place, x.Dead:
	default:
		return 1
	}
	most := perWorkload
	if x.Strategy != Swap {
		return most
	}
	rs := f.ReplicaSets[x.Owner.UID]
	if room, _ := quotaRoom(f.space(x.Pod.Namespace), rs); room >= 0 {
		most = min(most, max(1, room/2))
	}
	// No more than a tenth of a workload at once, so that a mistake shows early.
	return max(1, min(most, (int(replicas(rs))+9)/10))
}

// eta guesses how long it takes, from how long the workloads' own pods took to be Ready.
func (p *Plan) eta(f *Facts) {
	longest := 0
	byKey := map[string][]*Item{}
	for i := range p.Items {
		if x := &p.Items[i]; x.Strategy != Stay {
			byKey[x.Key()] = append(byKey[x.Key()], x)
		}
	}
	total := 0
	for key, items := range byKey {
		one := int(startup / time.Second)
		if took := tookToBeReady(f.Siblings[items[0].Owner.UID], f.Virtual, p.To == ToECI); took > 0 {
			one = took
		}
		seconds := items[0].seconds(one)
		if n := len(items); n > 1 {
			if items[0].Strategy == Swap {
				seconds += p.Soak
			}
			seconds += (n - 2 + p.Parallel[key]) / p.Parallel[key] * items[0].seconds(one)
		}
		pods := 0
		for _, x := range items {
			pods += x.Count()
		}
		longest = max(longest, seconds)
		total += pods * one / perCluster
	}
	p.ETA = max(longest, total)
}

// seconds is about how long an item takes, where a pod takes one to be Ready and those that are
// restarted use up their grace period.
func (i *Item) seconds(one int) int {
	n := i.Count()
	switch i.Strategy {
	case Ordinals: // one after the other
		return n * (i.Grace + one)
	case Rollout: // as many at once as it may have more
		rolling := i.Change.During.Deployment.RollingUpdate
		if rolling == nil { // all at once
			return one
		}
		surge, err := intstr.GetScaledValueFromIntOrPercent(rolling.MaxSurge, n, true)
		if surge = max(1, surge); err != nil {
			surge = 1
		}
		return (n + surge - 1) / surge * one
	}
	return i.Grace + one + i.Settle
}

// tookToBeReady is the median, in seconds; 0: not known.
func tookToBeReady(pods []*corev1.Pod, virtual []*corev1.Node, onECI bool) int {
	var all []int
	for _, pod := range pods {
		if slices.ContainsFunc(virtual, func(n *corev1.Node) bool { return n.Name == pod.Spec.NodeName }) != onECI {
			continue
		}
		for _, c := range pod.Status.Conditions {
			if took := c.LastTransitionTime.Sub(pod.CreationTimestamp.Time); c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && took > 0 && took < time.Hour {
				all = append(all, int(took/time.Second)+1)
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// budgets notes those that protect what moves.
func budgets(p *Plan, f *Facts) {
	pods := map[types.UID]*corev1.Pod{}
	for _, pod := range f.Pods {
		pods[pod.UID] = pod
	}
	seen := map[types.UID]bool{}
	for i := range p.Items {
		x := &p.Items[i]
		if x.Strategy == Stay {
			continue
		}
		for _, r := range append([]Ref{x.Pod}, x.Members...) {
			pod := pods[r.UID]
			if pod == nil {
				continue
			}
			for _, b := range f.space(pod.Namespace).Budgets {
				if !seen[b.UID] && covers(b, pod.Labels) {
					seen[b.UID] = true
					p.Budgets = append(p.Budgets, Budget{b.Namespace, b.Name, b.Status.DisruptionsAllowed, b.Status.CurrentHealthy, b.Status.DesiredHealthy})
				}
			}
		}
	}
}

func covers(b *policyv1.PodDisruptionBudget, set map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	return err == nil && selector.Matches(labels.Set(set))
}
