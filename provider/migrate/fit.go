package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/placement"
)

// A Room is a real node and what the pods on it ask for.
type Room struct {
	Node *corev1.Node
	Used corev1.ResourceList
	Pods []*corev1.Pod // those that have not ended
}

// rooms are the real nodes with what they hold.
func rooms(nodes []*corev1.Node, pods []*corev1.Pod) []Room {
	at := map[string]int{}
	var out []Room
	for _, n := range nodes {
		if !placement.IsVirtual(n) {
			at[n.Name] = len(out)
			out = append(out, Room{Node: n, Used: corev1.ResourceList{}})
		}
	}
	for _, p := range pods {
		if i, has := at[p.Spec.NodeName]; has && !hasEnded(p) {
			out[i].take(p)
		}
	}
	return out
}

func (r *Room) take(p *corev1.Pod) {
	r.Pods = append(r.Pods, p)
	used := maps.Clone(r.Used)
	for name, q := range burst.Requests(p) {
		sum := used[name].DeepCopy()
		sum.Add(q)
		used[name] = sum
	}
	r.Used = used
}

// Leaving are the marks of nodes that an autoscaler is about to remove: nothing goes there.
var leaving = []string{"ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler", "karpenter.sh/disrupted", "karpenter.sh/disruption", "goatscaler.io/to-be-deleted"}

// Fit schedules a pod dryly: the first of the rooms that would take it, which it then counts
// in, or why none does. Where it can't be known here (a pod affinity, a spread over zones) the
// pod does not fit. It is a guess, which the scheduler's own word on a surge pod confirms.
func Fit(pod *corev1.Pod, all []Room) (node, why string) {
	reasons := map[string]int{}
	best := -1
	for i := range all {
		if why := all[i].refuses(pod, all); why != "" {
			reasons[why]++
			continue
		}
		if best < 0 || freer(all[i], all[best]) {
			best = i
		}
	}
	if best >= 0 {
		all[best].take(pod)
		return all[best].Node.Name, ""
	}
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		parts = append(parts, fmt.Sprintf("%d %s", reasons[why], why))
	}
	if len(parts) == 0 {
		return "", "there is no real node"
	}
	return "", strings.Join(parts, ", ")
}

// freer tells which of two rooms has more CPU left.
func freer(a, b Room) bool {
	left := func(r Room) int64 {
		q := r.Node.Status.Allocatable.Cpu().DeepCopy()
		q.Sub(r.Used[corev1.ResourceCPU])
		return q.MilliValue()
	}
	return left(a) > left(b)
}

// refuses says why a room takes no such pod, as counted in Fit's answer; "": it does.
func (r *Room) refuses(pod *corev1.Pod, all []Room) string {
	n := r.Node
	switch {
	case !burst.NodeReady(n):
		return "not Ready"
	case n.Spec.Unschedulable:
		return "cordoned"
	case n.DeletionTimestamp != nil:
		return "leaving"
	}
	for i := range n.Spec.Taints {
		if slices.Contains(leaving, n.Spec.Taints[i].Key) {
			return "leaving"
		}
	}
	if _, found := schedulinghelper.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, pod.Spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule
	}, false); found {
		return "tainted"
	}
	if !selected(pod, n) {
		return "not selected by it"
	}
	if burst.Room(pod, n, r.Used, len(r.Pods)) != "" {
		return "too full"
	}
	if why := r.topology(pod, all); why != "" {
		return why
	}
	return ""
}

// topology is what a pod says about where others are.
func (r *Room) topology(pod *corev1.Pod, all []Room) string {
	near := func(t *corev1.PodAffinityTerm) bool {
		selector, err := metav1.LabelSelectorAsSelector(t.LabelSelector)
		if err != nil {
			return true
		}
		value := r.Node.Labels[t.TopologyKey]
		for i := range all {
			if all[i].Node.Labels[t.TopologyKey] != value || value == "" && all[i].Node.Name != r.Node.Name {
				continue
			}
			for _, p := range all[i].Pods {
				if p.UID != pod.UID && (p.Namespace == pod.Namespace || len(t.Namespaces) > 0 || t.NamespaceSelector != nil) && selector.Matches(labels.Set(p.Labels)) {
					return true
				}
			}
		}
		return false
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		for i := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if !near(&a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i]) {
				return "without the pods that it must be near"
			}
		}
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for i := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if near(&a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i]) {
				return "with pods that it must not be near"
			}
		}
	}
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		if c.WhenUnsatisfiable != corev1.DoNotSchedule {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
		if err != nil {
			return "with a spread that can't be read"
		}
		counts := map[string]int{}
		for j := range all {
			value, has := all[j].Node.Labels[c.TopologyKey]
			if !has {
				continue
			}
			counts[value] += 0
			for _, p := range all[j].Pods {
				if p.UID != pod.UID && p.Namespace == pod.Namespace && p.DeletionTimestamp == nil && selector.Matches(labels.Set(p.Labels)) {
					counts[value]++
				}
			}
		}
		value, has := r.Node.Labels[c.TopologyKey]
		if !has {
			return "without the label that it is spread over"
		}
		least := counts[value]
		for _, n := range counts {
			least = min(least, n)
		}
		if counts[value]+1-least > int(c.MaxSkew) {
			return "too full for its spread"
		}
	}
	return ""
}

// roomFor says why no real node takes a pod, or "". Where real nodes were not read it does
// not know, and says nothing.
func (f *Facts) roomFor(pod *corev1.Pod) string {
	if f.Real == nil {
		return ""
	}
	_, why := Fit(pod, f.Real)
	return why
}
