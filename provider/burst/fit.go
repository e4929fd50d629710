package burst

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/ecideck/ecideck/provider/placement"
)

// ConditionClusterNetworkReachable is the node condition that says whether groups reach the
// cluster: DNS, Services, pods, the API server. Nobody bursts while it is False; without the
// condition nothing is known, and nothing is held back.
const ConditionClusterNetworkReachable corev1.NodeConditionType = "ClusterNetworkReachable"

// conditionCloudAPI is written by package provider.
const conditionCloudAPI corev1.NodeConditionType = "CloudAPIReachable"

// closed says why nothing may go to a virtual node now, or "". A pod that belongs on ECI only
// (only) has nowhere else to go: it does not wait for the network or the cloud.
func closed(node *corev1.Node, only bool) string {
	for i := range node.Status.Conditions {
		switch c := &node.Status.Conditions[i]; c.Type {
		case ConditionClusterNetworkReachable:
			if c.Status == corev1.ConditionFalse && !only {
				return fmt.Sprintf("node %s has %s=False, so pods on ECI would not reach the cluster: %s; see `ecideck-node probe`", node.Name, c.Type, c.Message)
			}
		case conditionCloudAPI:
			if c.Status == corev1.ConditionFalse && !only {
				return fmt.Sprintf("node %s says that the ECI API does not answer: %s", node.Name, c.Message)
			}
		}
	}
	switch {
	case !NodeReady(node):
		return fmt.Sprintf("node %s is not Ready: see that ecideck-node runs", node.Name)
	case node.Spec.Unschedulable:
		return fmt.Sprintf("node %s is cordoned: kubectl uncordon %[1]s", node.Name)
	}
	return ""
}

// NodeReady tells that a node's kubelet is there, and well.
func NodeReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// repelled says what of a pod keeps the scheduler from a virtual node for good, or "": its
// node selector, its required node affinity, or a taint of the node's that is not ours. With
// hostname the node is looked at as if it had the label kubernetes.io/hostname.
func repelled(pod *corev1.Pod, node *corev1.Node, hostname bool) string {
	if _, has := node.Labels[corev1.LabelHostname]; hostname && !has {
		named := *node // the rest is only read
		if named.Labels = maps.Clone(node.Labels); named.Labels == nil {
			named.Labels = map[string]string{}
		}
		named.Labels[corev1.LabelHostname] = node.Name
		node = &named
	}
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); err != nil {
		return fmt.Sprintf("its node affinity can't be read: %v", err)
	} else if !ok {
		return fmt.Sprintf("its node selector or required node affinity (%s) does not take node %s", selects(pod), node.Name)
	}
	taint, found := schedulinghelper.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, pod.Spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Key != placement.TaintProvider && t.Effect != corev1.TaintEffectPreferNoSchedule
	}, false)
	if found {
		return fmt.Sprintf("node %s has the taint %s, which it does not tolerate", node.Name, taint.ToString())
	}
	return ""
}

// selects is a pod's node selector and required node affinity in a line.
func selects(pod *corev1.Pod) string {
	var terms []string
	for key, value := range pod.Spec.NodeSelector {
		terms = append(terms, key+"="+value)
	}
	slices.Sort(terms)
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, e := range slices.Concat(term.MatchExpressions, term.MatchFields) {
				terms = append(terms, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Key, e.Operator, strings.Join(e.Values, ","))))
			}
		}
	}
	return strings.Join(terms, ", ")
}

// tolerates tells that the virtual node's own taint does not keep the pod away.
func tolerates(pod *corev1.Pod) bool {
	taints := placement.Taints()[:1]
	_, found := schedulinghelper.FindMatchingUntoleratedTaint(klog.Background(), taints, pod.Spec.Tolerations, nil, false)
	return !found
}

// names tells that a toleration names the virtual node's taint: its owner means ECI, and not
// just every node.
func names(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return t.Key == placement.TaintProvider }) && tolerates(pod)
}

// stays tells that the scheduler may take a virtual node only.
func stays(pod *corev1.Pod) bool {
	return pod.Spec.NodeSelector[placement.NodeTypeLabel] == placement.NodeType && tolerates(pod)
}

// Topology that only the scheduler can weigh, which knows where the other pods are.
func weighed(pod *corev1.Pod) string {
	for i := range pod.Spec.TopologySpreadConstraints {
		if c := &pod.Spec.TopologySpreadConstraints[i]; c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey != corev1.LabelHostname {
			return "it spreads over " + c.TopologyKey
		}
	}
	if pod.Spec.Affinity == nil {
		return ""
	}
	if a := pod.Spec.Affinity.PodAffinity; a != nil && len(a.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
		return "it must be where other pods are (required pod affinity)"
	}
	if a := pod.Spec.Affinity.PodAntiAffinity; a != nil {
		for i := range a.RequiredDuringSchedulingIgnoredDuringExecution {
			if key := a.RequiredDuringSchedulingIgnoredDuringExecution[i].TopologyKey; key != corev1.LabelHostname {
				return "it must not be where other pods are (required anti-affinity over " + key + ")"
			}
		}
	}
	return ""
}

// spreadsOverHosts tells that a pod must be spread over hosts. The scheduler takes no node
// for it that has no hostname label; on ECI every group is a host of its own, so the
// constraint is met by itself.
func spreadsOverHosts(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
		return c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey == corev1.LabelHostname
	})
}

// needsHostname tells that a virtual node without the label kubernetes.io/hostname is kept
// from a pod by that alone.
func needsHostname(pod *corev1.Pod, node *corev1.Node) bool {
	if _, has := node.Labels[corev1.LabelHostname]; has {
		return false
	}
	return spreadsOverHosts(pod) || repelled(pod, node, false) != "" && repelled(pod, node, true) == ""
}

// Requests are what the scheduler counts for a pod.
func Requests(pod *corev1.Pod) corev1.ResourceList {
	return resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
}

// Room says what a virtual node lacks for one pod more, or "". used is what the pods on it
// request, and pods how many they are. A direct binding passes the scheduler by, which would
// ask the same.
func Room(pod *corev1.Pod, node *corev1.Node, used corev1.ResourceList, pods int) string {
	allocatable := node.Status.Allocatable
	if most := allocatable.Pods(); int64(pods) >= most.Value() {
		return fmt.Sprintf("node %s has %d pods and takes %d", node.Name, pods, most.Value())
	}
	for name, quantity := range Requests(pod) {
		if quantity.IsZero() {
			continue
		}
		has, offered := allocatable[name]
		if !offered {
			return fmt.Sprintf("node %s offers no %s", node.Name, name)
		}
		sum := used[name].DeepCopy()
		sum.Add(quantity)
		if sum.Cmp(has) > 0 {
			u := used[name]
			return fmt.Sprintf("node %s has %s of %s %s in use, and the pod asks for %s", node.Name, u.String(), has.String(), name, quantity.String())
		}
	}
	return ""
}
