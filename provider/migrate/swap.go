package migrate

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/ecideck/ecideck/provider/placement"
)

// AnnotationItem is written on a surge pod: which pod of its operation it is there for.
const AnnotationItem = "ecideck.io/op-item"

// ECI gives up on a surge pod by itself, also when nobody follows a killed process: the group
// is not tried again for ever, and is not paid for while it can't start.
// https://help.aliyun.com/zh/eci/user-guide/pod-annotations-1
const (
	annotationFailStrategy = "k8s.aliyun.com/eci-fail-strategy"
	annotationMaxPending   = "k8s.aliyun.com/eci-max-pending-minute"
)

// SurgePod renders the pod that takes an item's place: from the ReplicaSet's template, not
// from the old pod, which has what admission has put in. Without the label that it hides the
// ReplicaSet doesn't see it, while Services and budgets do. Its owner reference is no
// controller's, so that it goes with the ReplicaSet, and is completed when it is adopted. It
// is patched once in its life, and a second time where its deletion cost is taken off. virtual are the cluster's virtual nodes.
func SurgePod(rs *appsv1.ReplicaSet, x *Item, to Destination, operation string, virtual []*corev1.Node) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: *rs.Spec.Template.ObjectMeta.DeepCopy(), Spec: *rs.Spec.Template.Spec.DeepCopy()}
	pod.Namespace, pod.Name = rs.Namespace, surgeName(rs.Name, operation, x)
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	delete(pod.Labels, x.Hidden)
	pod.Labels[placement.LabelOperation] = operation
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[AnnotationItem] = x.ID
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "ReplicaSet", Name: rs.Name, UID: rs.UID}}
	if x.Cost != "" && pod.Annotations[corev1.PodDeletionCost] == "" {
		pod.Annotations[corev1.PodDeletionCost] = firstCost
	}
	var target *corev1.Node
	for _, node := range virtual {
		if node.Name == x.Node {
			target = node
		}
	}
	switch {
	case target != nil:
		if pod.Annotations[annotationFailStrategy] == "" {
			pod.Annotations[annotationFailStrategy] = "fail-fast"
		}
		if pod.Annotations[annotationMaxPending] == "" {
			pod.Annotations[annotationMaxPending] = "10"
		}
		open(&pod.Spec, target)
		// Of field selectors a term takes one value: the node's name.
		require(&pod.Spec, nil, []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{target.Name}}})
	case to == ToECS:
		var names []corev1.NodeSelectorRequirement
		for _, node := range virtual {
			names = append(names, corev1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpNotIn, Values: []string{node.Name}})
		}
		require(&pod.Spec, []corev1.NodeSelectorRequirement{{Key: placement.NodeTypeLabel, Operator: corev1.NodeSelectorOpNotIn, Values: []string{placement.NodeType}}}, names)
	case x.From != "":
		require(&pod.Spec, nil, []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpNotIn, Values: []string{x.From}}})
	}
	return pod
}

// firstCost makes a pod the first to go of those that are Ready.
const firstCost = "-2147483647"

// surgeName is the same for every try to create the same surge pod: a lost answer makes no
// second one. It is as long as names that the API server generates.
func surgeName(base, operation string, x *Item) string {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(operation + "/" + x.ID + "/" + strconv.Itoa(x.Try))) // never fails
	suffix := rand.SafeEncodeString(strconv.FormatUint(uint64(hash.Sum32()), 10))
	const most = 63
	return strings.TrimRight(base[:min(len(base), most-1-len(suffix))], "-.") + "-" + suffix
}

// open adds the tolerations that a node's taints ask for, from the node itself: vendors' nodes
// have others than ours.
func open(spec *corev1.PodSpec, node *corev1.Node) {
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		if taint.Key != placement.TaintProvider && taint.Key != "k8s.aliyun.com/vnode" || taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if !toleratesTaint(spec.Tolerations, taint) {
			spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Key: taint.Key, Operator: corev1.TolerationOpEqual, Value: taint.Value, Effect: taint.Effect})
		}
	}
}

// require adds to each of a pod's node selector terms, which are alternatives.
func require(spec *corev1.PodSpec, expressions, fields []corev1.NodeSelectorRequirement) {
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	if spec.Affinity.NodeAffinity == nil {
		spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	a := spec.Affinity.NodeAffinity
	if a.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		a.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{}
	}
	s := a.RequiredDuringSchedulingIgnoredDuringExecution
	if len(s.NodeSelectorTerms) == 0 {
		s.NodeSelectorTerms = []corev1.NodeSelectorTerm{{}}
	}
	for i := range s.NodeSelectorTerms {
		t := &s.NodeSelectorTerms[i]
		t.MatchExpressions, t.MatchFields = append(t.MatchExpressions, expressions...), append(t.MatchFields, fields...)
	}
}

// A verb is what a decision wants of the engine.
type verb int

const (
	wait     verb = iota // look again later
	create               // the surge pod
	evict                // the old pod
	adopt                // hand the surge pod to its ReplicaSet
	remove               // the surge pod
	settle               // take the deletion cost off the adopted pod
	retarget             // move the ReplicaSet's own replacement, which was faster
	admit                // add the virtual node's toleration
	bind                 // bind the pod to the node
	end                  // nothing more: state says how
	linger               // wait for the old pod to be gone, in state: nothing is in a hurry
)

// An action is a decision about one item.
type action struct {
	verb   verb
	state  State  // of end and linger
	reason string // a sentence
	stuck  bool   // of end: Item.Stuck
	gone   bool   // of end: Item.Gone
}

// A swapView is what a decision about a swap rests on: what the API server said just now.
type swapView struct {
	aborting   bool
	anywhere   bool               // any node will do but the one that the pod leaves
	old        *corev1.Pod        // nil: it is gone, or another pod has its name
	surge      *corev1.Pod        // nil: there is none
	owner      *appsv1.ReplicaSet // nil: it is gone
	changed    string             // why the owner isn't what was planned with; "": it is
	controlled []*corev1.Pod      // the owner's pods that live
	unserved   string             // what the surge pod is not an endpoint of yet; "": it serves
	readyFor   time.Duration      // how long the surge pod has been Ready
	spent      time.Duration      // in the item's present state, as far as this process saw
	refused    string             // what the last eviction was refused with; "": it wasn't
	awaited    bool               // somebody waits for the old pod to be gone
	overdue    time.Duration      // since the old pod's grace period is over, by the API server's clock
}

const (
	// surgeDeadline is how long a surge pod may take to serve, and its eviction to be allowed.
	surgeDeadline = 10 * time.Minute
	// roomDeadline is how long a pinned surge pod may be without a node.
	roomDeadline = 90 * time.Second
	// hastyDeadline is the same for one that is in a hurry.
	hastyDeadline = 5 * time.Second
	// mostAgain is how often a replacement that was faster is moved in its turn.
	mostAgain = 3
	// verifyDeadline is how long a ReplicaSet may take to adopt.
	verifyDeadline = 2 * time.Minute
	// endDeadline is how long a pod may be there after its grace period, while its kubelet
	// clears up.
	endDeadline = 5 * time.Minute
	// awayDeadline is how long where its kubelet is away, which ends nothing.
	awayDeadline = 30 * time.Second
)

// decideSwap says what to do next about a swap. It is pure. Up to the eviction everything
// leads back to how it was; from then on to an adopted surge pod, or, where the ReplicaSet's
// own replacement was Ready first, to none. Where somebody waits for that, it is done when the
// old pod is gone.
func decideSwap(x *Item, v swapView) action {
	ends := ending(v.old, v.overdue)
	if x.State == Leaving {
		// What becomes of its successor is the workload's own affair from now on.
		done := strings.TrimSuffix(x.Reason, endsItsGrace)
		switch {
		case ends && !v.aborting:
			return action{verb: linger, state: Leaving, reason: x.Reason}
		case ends:
			done += "; the old pod still ends its grace period"
		case v.old != nil && v.old.DeletionTimestamp != nil:
			done += "; the old pod " + undead(v.old)
		}
		return action{verb: end, state: Done, reason: done}
	}
	a := v.decide(x)
	switch {
	case !v.awaited:
	case a.verb == end && a.state == Aborted && ends && !v.aborting: // its node is not empty yet
		return action{verb: linger, state: x.State, reason: "it is ending"}
	case a.verb == end && a.state == Done && v.old != nil && v.old.DeletionTimestamp != nil:
		return action{verb: linger, state: Leaving, reason: a.reason + endsItsGrace}
	case a.verb == retarget && ends:
		return action{verb: linger, state: x.State, reason: "its ReplicaSet's own replacement was Ready first, and is moved in its place when the old pod has ended its grace period"}
	}
	return a
}

// endsItsGrace follows what an item that is Leaving has come to.
const endsItsGrace = "; the old pod ends its grace period"

// ending tells that a pod is being deleted, and may yet be there.
func ending(p *corev1.Pod, overdue time.Duration) bool {
	return p != nil && p.DeletionTimestamp != nil && overdue < endDeadline
}

// undead says of a pod that it does not end, and what is to be done.
func undead(p *corev1.Pod) string {
	return fmt.Sprintf("%s is still there %s and more after its grace period: node %s is away, or a finalizer holds it (kubectl -n %[4]s describe pod %[1]s); where the node is off for certain, kubectl -n %[4]s delete pod %[1]s --force ends it",
		p.Name, awayDeadline, p.Spec.NodeName, p.Namespace)
}

func (v swapView) decide(x *Item) action {
	if v.surge == nil || owned(v.surge, v.owner) && !alive(v.surge) {
		return v.withoutSurge(x)
	}
	if v.surge.DeletionTimestamp != nil {
		return action{verb: wait, reason: "the surge pod is being removed"}
	}
	if owned(v.surge, v.owner) {
		if alive(v.old) && x.State != Adopting {
			return action{verb: end, state: Failed, reason: "somebody else has adopted the surge pod " + v.surge.Name + ": its ReplicaSet has one pod too many for a moment"}
		}
		if n := int32(len(v.controlled)); n > replicas(v.owner) && v.spent < verifyDeadline {
			return action{verb: wait, reason: "the ReplicaSet deletes the replacement that it made meanwhile"}
		}
		if v.surge.Annotations[corev1.PodDeletionCost] == firstCost && x.Cost != CostKept {
			return action{verb: settle}
		}
		return action{verb: end, state: Done, reason: "replaced by " + v.surge.Name + " on " + v.surge.Spec.NodeName}
	}
	if v.owner == nil {
		return action{verb: remove, reason: "its ReplicaSet is gone"}
	}
	if !alive(v.old) {
		return v.critical(x)
	}
	if x.State == Removing {
		return action{verb: remove, reason: x.Reason}
	}
	if why := broken(v.surge, x.Node != "" && v.spent > roomDeadline || x.Hasty && v.spent > hastyDeadline); why != "" {
		return action{verb: remove, reason: "the surge pod " + v.surge.Name + " " + why + "; nothing was disrupted"}
	}
	switch {
	case v.aborting:
		return action{verb: remove, reason: "aborted; nothing was disrupted"}
	case v.changed != "":
		return action{verb: remove, reason: v.changed + "; nothing was disrupted"}
	}
	why := ""
	switch {
	case !ready(v.surge):
		why = "the surge pod " + v.surge.Name + " is not Ready yet: " + condition(v.surge)
	case v.unserved != "":
		why = "the surge pod is Ready, and not among the endpoints of Service " + v.unserved + " yet"
	case v.readyFor < time.Duration(x.Settle)*time.Second:
		why = fmt.Sprintf("the surge pod is Ready, and is given %d s to be known everywhere", x.Settle)
	case v.hasty():
		why = "a pod of its ReplicaSet is not Ready, and the others were Ready at once: before the surge pod is handed over the replacement would be Ready, and the ReplicaSet would delete the one that isn't"
	default:
		if p := slices.IndexFunc(v.controlled, func(p *corev1.Pod) bool {
			return p.Status.Phase == corev1.PodPending && p.UID != x.Pod.UID && v.bystander(p)
		}); p >= 0 {
			why = fmt.Sprintf("pod %s of the same ReplicaSet is Pending, and the ReplicaSet would delete it instead of its replacement", v.controlled[p].Name)
		} else if v.refused != "" {
			why = v.refused
		}
	}
	if why != "" && v.spent > surgeDeadline {
		return action{verb: remove, reason: fmt.Sprintf("given up after %s: %s; nothing was disrupted", surgeDeadline, why)}
	}
	if why != "" && v.refused != why {
		return action{verb: wait, reason: why}
	}
	return action{verb: evict, reason: why}
}

// withoutSurge is where there is no surge pod, or one that its ReplicaSet has adopted and deleted.
func (v swapView) withoutSurge(x *Item) action {
	successor := v.successor(x)
	handed := !alive(v.old) && x.handedOver()
	switch {
	case successor != nil && handed:
		return action{verb: end, state: Done, reason: "replaced by " + successor.Name + " on " + successor.Spec.NodeName + ", which its ReplicaSet has made itself"}
	case v.anywhere && handed && v.whole():
		// Which pod it is can't be told where it was made within the surge pod's own second.
		return action{verb: end, state: Done, reason: fmt.Sprintf("its ReplicaSet has made its successor itself: all %d pods are Ready", replicas(v.owner))}
	case x.State == Removing:
		return action{verb: end, state: Aborted, reason: x.Reason}
	case handed && !v.aborting && x.Again < mostAgain && v.replacement(x) != nil:
		return action{verb: retarget, reason: "its ReplicaSet deleted the surge pod upon the adoption, because its own replacement was Ready first: that is moved in its place"}
	case x.State == Adopting:
		return action{verb: end, state: Aborted, reason: "it was evicted, and its ReplicaSet deleted the surge pod upon the adoption: its own replacement was Ready first, or it was scaled down"}
	case x.State == Evicting && !alive(v.old):
		return action{verb: end, state: Aborted, reason: "it was evicted, and somebody has deleted the surge pod: its ReplicaSet makes another pod by itself"}
	case x.Surge.UID != "":
		return action{verb: end, state: Aborted, reason: "somebody has deleted the surge pod " + x.Surge.Name + "; nothing was disrupted"}
	case !alive(v.old):
		return action{verb: end, state: Aborted, reason: "the pod is gone already"}
	case v.aborting:
		return action{verb: end, state: Aborted, reason: "aborted; nothing was disrupted"}
	case v.owner == nil:
		return action{verb: end, state: Aborted, reason: "its ReplicaSet is gone"}
	case v.changed != "":
		return action{verb: end, state: Aborted, reason: v.changed + "; nothing was disrupted"}
	}
	return action{verb: create}
}

// handedOver tells that the old pod was evicted, as far as we know, and its surge pod handed over
// or taken away. Of an adoption whose answer was lost it isn't known whether it took place.
func (i *Item) handedOver() bool {
	return i.State == Evicting || i.State == Adopting || i.State == Removing
}

// critical is after the old pod has gone, by us or by somebody else: its ReplicaSet has made,
// or is about to make, a replacement.
func (v swapView) critical(x *Item) action {
	if v.surge.Labels[x.Hidden] != "" {
		return action{verb: wait, reason: "the ReplicaSet adopts the surge pod"}
	}
	if !ready(v.surge) {
		return action{verb: remove, reason: "the old pod is gone and the surge pod is not Ready: its ReplicaSet replaces it by itself"}
	}
	if v.whole() {
		return v.spare(x)
	}
	// With the surge pod there may be one too many. Who goes then must be a replacement.
	if int32(len(v.controlled))+1 > replicas(v.owner) {
		if first := firstToGo(append(slices.Clone(v.controlled), v.surge)); first.UID != v.surge.UID && v.bystander(first) {
			if v.replaced() {
				return v.spare(x)
			}
			why := fmt.Sprintf("the ReplicaSet would delete pod %s, which is not ready, instead of the replacement", first.Name)
			if v.spent > surgeDeadline {
				return action{verb: end, state: Failed, reason: why + fmt.Sprintf("; the surge pod %s serves and was left: label it %s=%s, or delete it", v.surge.Name, x.Hidden, v.owner.Spec.Selector.MatchLabels[x.Hidden])}
			}
			return action{verb: wait, reason: why}
		}
	}
	return action{verb: adopt}
}

// spare is what becomes of a surge pod that nothing lacks without. It serves all the same, so
// the replacement is what is to be moved now.
func (v swapView) spare(x *Item) action {
	if r := v.replacement(x); r != nil && !v.aborting && x.Again < mostAgain {
		return action{verb: retarget, reason: "its ReplicaSet's own replacement, " + r.Name + ", was Ready first, and is moved in its place"}
	}
	return action{verb: remove, reason: "the old pod is gone, and its ReplicaSet's own replacement was Ready first"}
}

// replaced tells that all that the ReplicaSet has made because of us is Ready: what is not
// Ready then was so before.
func (v swapView) replaced() bool {
	made := slices.DeleteFunc(slices.Clone(v.controlled), v.bystander)
	return len(made) > 0 && !slices.ContainsFunc(made, func(p *corev1.Pod) bool { return !ready(p) })
}

// whole tells that the ReplicaSet has all its pods without the surge pod, and they are Ready.
func (v swapView) whole() bool {
	serving := 0
	for _, p := range v.controlled {
		if ready(p) {
			serving++
		}
	}
	return v.owner != nil && int32(serving) >= replicas(v.owner)
}

// hasty tells that a swap is a race that a bystander could lose: one is not Ready, and pods
// of this ReplicaSet are Ready so soon that the replacement may be so before the adoption.
// The ReplicaSet then deletes the one that isn't. Times are the API server's and a kubelet's,
// in whole seconds.
func (v swapView) hasty() bool {
	sick, quickest := false, time.Hour
	for _, p := range v.controlled {
		if !ready(p) && v.bystander(p) {
			sick = true
		}
		for _, c := range p.Status.Conditions {
			// Where a replacement goes shows in those that the ReplicaSet has made itself.
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.Labels[placement.LabelOperation] == "" {
				quickest = min(quickest, c.LastTransitionTime.Sub(p.CreationTimestamp.Time))
			}
		}
	}
	const unhurried = 3 * time.Second
	return sick && quickest < unhurried
}

// replacement is a pod that the ReplicaSet has made because of us, and that isn't where it
// should be; or nil.
func (v swapView) replacement(x *Item) *corev1.Pod { return v.made(x, false) }

// successor is such a pod that is where it should be: nothing has to be moved any more.
func (v swapView) successor(x *Item) *corev1.Pod { return v.made(x, true) }

func (v swapView) made(x *Item, there bool) *corev1.Pod {
	for _, p := range v.controlled {
		arrived := x.Node != "" && p.Spec.NodeName == x.Node || v.anywhere && p.Spec.NodeName != x.From
		if ready(p) && p.Labels[placement.LabelOperation] == "" && p.CreationTimestamp.After(x.Made) && arrived == there {
			return p
		}
	}
	return nil
}

// bystander tells that a pod of the ReplicaSet is none that it made because of us: it was
// there before the surge pod, by the API server's own clock, or is another surge pod. Nothing
// has to be remembered for that.
func (v swapView) bystander(p *corev1.Pod) bool {
	return p.Labels[placement.LabelOperation] != "" || !p.CreationTimestamp.After(v.surge.CreationTimestamp.Time)
}

// firstToGo is whom the ReplicaSet controller deletes first of pods on nodes that it finds
// alike: without a node, pending, not ready, of a lower deletion cost, younger.
// k8s.io/kubernetes/pkg/controller/controller_utils.go, ActivePodsWithRanks
func firstToGo(pods []*corev1.Pod) *corev1.Pod {
	rank := func(yes bool) int {
		if yes {
			return 1
		}
		return 0
	}
	return slices.MinFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(
			cmp.Compare(rank(a.Spec.NodeName != ""), rank(b.Spec.NodeName != "")),
			cmp.Compare(rank(a.Status.Phase == corev1.PodRunning), rank(b.Status.Phase == corev1.PodRunning)),
			cmp.Compare(rank(ready(a)), rank(ready(b))),
			cmp.Compare(cost(a), cost(b)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time))
	})
}

func cost(p *corev1.Pod) int64 {
	n, _ := strconv.ParseInt(p.Annotations[corev1.PodDeletionCost], 10, 32) // the controller takes nonsense for 0 too
	return n
}

func replicas(rs *appsv1.ReplicaSet) int32 {
	if rs.Spec.Replicas == nil {
		return 1
	}
	return *rs.Spec.Replicas
}

// alive tells that a controller counts the pod.
func alive(p *corev1.Pod) bool {
	return p != nil && p.DeletionTimestamp == nil && !hasEnded(p)
}

func ready(p *corev1.Pod) bool {
	return alive(p) && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func owned(p *corev1.Pod, rs *appsv1.ReplicaSet) bool {
	return rs != nil && metav1.IsControlledBy(p, rs)
}

// conditionCreated is ECI's word on a group that is being created.
// https://help.aliyun.com/zh/eci/user-guide/eci-custom-condition
const conditionCreated = "ContainerInstanceCreated"

// broken says why a surge pod will not become Ready by itself, or "". late: it is pinned to a
// node and should have it by now.
func broken(p *corev1.Pod, late bool) string {
	if hasEnded(p) {
		return strings.TrimSpace(fmt.Sprintf("has ended: %s %s", p.Status.Reason, p.Status.Message))
	}
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == conditionCreated && c.Status == corev1.ConditionFalse && slices.Contains([]string{"NoStock", "StockClose", "DiskCapacityQuotaFull", "FailedScheduling", "QuotaExceeded"}, c.Reason):
			return fmt.Sprintf("got no place: %s: %s", c.Reason, c.Message)
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable && late:
			return "found no node: " + c.Message
		}
	}
	if reason := p.Status.Reason; reason == "NoStock" || reason == "ProviderFailed" || reason == "ContainerInstanceScheduleFailed" {
		return fmt.Sprintf("got no place: %s: %s", reason, p.Status.Message)
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		w := s.State.Waiting
		if w != nil && slices.Contains([]string{"ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}, w.Reason) {
			return strings.TrimSpace(fmt.Sprintf("has %s in container %s: %s", w.Reason, s.Name, w.Message))
		}
	}
	return ""
}

// condition is how far a pod has come that is not Ready.
func condition(p *corev1.Pod) string {
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Waiting != nil && s.State.Waiting.Reason != "" {
			return s.State.Waiting.Reason
		}
	}
	if p.Spec.NodeName == "" {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Message != "" {
				return c.Message
			}
		}
		return "it has no node"
	}
	return strings.TrimSpace(string(p.Status.Phase) + " " + p.Status.Reason)
}
