package burst

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/placement"
)

var epoch = time.Date(2026, 11, 25, 20, 0, 0, 0, time.UTC)

// situation is a marked pod that has been unschedulable for a second, in a healthy cluster,
// with changes.
func situation(change ...func(*Situation)) Situation {
	s := Situation{Now: epoch.Add(time.Second), Pod: pendingPod("web-1"), Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		Policy: Marked, After: -1, Region: "cn-hangzhou", Nodes: []*corev1.Node{virtualNode("vk")}}
	for _, f := range change {
		f(&s)
	}
	return s
}

func pendingPod(name string) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: "uid-" + "x", ResourceVersion: "7",
			Labels: map[string]string{"app": "web", "pod-template-hash": "5d8f"}, Annotations: map[string]string{KeyResource: "eci"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-5d8f", UID: "rs", Controller: &yes}}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("2Gi")}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
			Reason: corev1.PodReasonUnschedulable, Message: "0/4 nodes are available: 3 Insufficient cpu.", LastTransitionTime: metav1.NewTime(epoch)}}},
	}
}

func virtualNode(name string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{placement.NodeTypeLabel: placement.NodeType, corev1.LabelOSStable: "linux", corev1.LabelTopologyRegion: "cn-hangzhou"}},
		Spec:       corev1.NodeSpec{Taints: placement.Taints()},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("8000Gi"), corev1.ResourcePods: resource.MustParse("2000")}},
	}
}

func pod(change func(*corev1.Pod)) func(*Situation) { return func(s *Situation) { change(s.Pod) } }

func node(change func(*corev1.Node)) func(*Situation) {
	return func(s *Situation) { change(s.Nodes[0]) }
}

func space(change func(*corev1.Namespace)) func(*Situation) {
	return func(s *Situation) { change(s.Namespace) }
}

func unmarked(p *corev1.Pod) { p.Annotations = nil }

func eciOnly(p *corev1.Pod) {
	p.Annotations = nil
	p.Labels[LabelECI] = "true"
}

func notTried(p *corev1.Pod) { p.Status.Conditions = nil }

func toleratesIt(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{placement.Toleration()} }

func beside(s *Situation) { s.Nodes = append(s.Nodes, virtualNode("vk-2")) }

func overHosts(p *corev1.Pod) {
	p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, MaxSkew: 1})
}

func overZones(p *corev1.Pod) {
	p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, MaxSkew: 1})
}

func condition(kind corev1.NodeConditionType, status corev1.ConditionStatus, message string) func(*Situation) {
	return node(func(n *corev1.Node) {
		for i := range n.Status.Conditions {
			if n.Status.Conditions[i].Type == kind {
				n.Status.Conditions[i].Status = status
				return
			}
		}
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: kind, Status: status, Message: message})
	})
}

func affinity(terms ...corev1.NodeSelectorRequirement) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: terms}}}}}
	}
}

func autoscaler(a Autoscaler) func(*Situation) { return func(s *Situation) { s.Autoscaler = a } }

func at(d time.Duration) func(*Situation) { return func(s *Situation) { s.Now = epoch.Add(d) } }

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		change []func(*Situation)
		verb   Verb
		reason string
		says   string
		until  time.Duration // after the epoch
	}{
		{name: "a marked pod that no real node takes", verb: Tolerate, reason: ReasonBurst, says: "3 Insufficient cpu"},
		{name: "marked by its namespace", change: []func(*Situation){pod(unmarked), space(func(n *corev1.Namespace) { n.Annotations = map[string]string{KeyResource: "eci"} })}, verb: Tolerate, reason: ReasonBurst},
		{name: "marked by a label", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Annotations, p.Labels[KeyResource] = nil, "eci" })}, verb: Tolerate, reason: ReasonBurst},
		{name: "unmarked", change: []func(*Situation){pod(unmarked)}, says: "marked for ECI: annotate"},
		{name: "unmarked where all burst", change: []func(*Situation){pod(unmarked), func(s *Situation) { s.Policy = All }}, verb: Tolerate, reason: ReasonBurst},
		{name: "the cluster's own where all burst", change: []func(*Situation){pod(unmarked), pod(func(p *corev1.Pod) { p.Namespace = "kube-system" }), func(s *Situation) { s.Policy = All }}, says: "neither"},
		{name: "a critical one where all burst", change: []func(*Situation){pod(unmarked), pod(func(p *corev1.Pod) { p.Spec.PriorityClassName = "system-node-critical" }), func(s *Situation) { s.Policy = All }}, says: "neither"},
		{name: "marked where none bursts", change: []func(*Situation){func(s *Situation) { s.Policy = Off }}, says: "off"},
		{name: "opted out where all burst", change: []func(*Situation){pod(unmarked), pod(func(p *corev1.Pod) { p.Labels[LabelECI] = "false" }), func(s *Situation) { s.Policy = All }}, says: "keeps it on real nodes"},
		{name: "the scheduler has not tried", change: []func(*Situation){pod(notTried)}, says: "has not said"},
		{name: "nominated after preemption", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Status.NominatedNodeName = "ecs-01" })}, says: "nominated it to node ecs-01"},
		{name: "gated", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "quota"}} })}, says: "gate quota"},
		{name: "deleted", change: []func(*Situation){pod(func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: epoch} })}, says: "being deleted"},
		{name: "on a node", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Spec.NodeName = "ecs-01" })}, says: "on node ecs-01"},
		{name: "an operation's", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Labels[placement.LabelOperation] = "op-1" })}, says: "operation op-1"},
		{name: "an operation's, for ECI only", change: []func(*Situation){pod(eciOnly), pod(func(p *corev1.Pod) { p.Labels[placement.LabelOperation] = "op-1" })}, says: "operation op-1"},

		{name: "a hostPath", change: []func(*Situation){pod(func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "h", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		})}, verb: Hold, reason: ReasonNotEligible, says: "hostPath"},
		{name: "the host's network", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Spec.HostNetwork = true })}, verb: Hold, reason: ReasonNotEligible, says: "hostNetwork"},
		{name: "a DaemonSet's", change: []func(*Situation){pod(func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "DaemonSet" })}, verb: Hold, reason: ReasonNotEligible, says: "DaemonSet"},

		{name: "stopped", change: []func(*Situation){func(s *Situation) { s.Switch = Switch{Stopped: true, By: "ann", Reason: "bill"} }}, verb: Hold, reason: ReasonStopped, says: "stopped by ann (bill)"},
		{name: "no virtual node", change: []func(*Situation){func(s *Situation) { s.Nodes = nil }}, verb: Hold, reason: ReasonNoNode, says: "no virtual node"},
		{name: "not ready", change: []func(*Situation){condition(corev1.NodeReady, corev1.ConditionFalse, "")}, verb: Hold, reason: ReasonNoNode, says: "not Ready"},
		{name: "cordoned", change: []func(*Situation){node(func(n *corev1.Node) { n.Spec.Unschedulable = true })}, verb: Hold, reason: ReasonNoNode, says: "uncordon"},
		{name: "the network does not reach", change: []func(*Situation){condition(ConditionClusterNetworkReachable, corev1.ConditionFalse, "no DNS")}, verb: Hold, reason: ReasonNoNode, says: "no DNS"},
		{name: "the network reaches", change: []func(*Situation){condition(ConditionClusterNetworkReachable, corev1.ConditionTrue, "")}, verb: Tolerate, reason: ReasonBurst},
		{name: "nothing is known of the network", change: []func(*Situation){condition(ConditionClusterNetworkReachable, corev1.ConditionUnknown, "")}, verb: Tolerate, reason: ReasonBurst},
		{name: "the cloud does not answer", change: []func(*Situation){condition(conditionCloudAPI, corev1.ConditionFalse, "500")}, verb: Hold, reason: ReasonNoNode, says: "does not answer"},
		{name: "a second node is open", change: []func(*Situation){condition(corev1.NodeReady, corev1.ConditionFalse, ""), func(s *Situation) { s.Nodes = append(s.Nodes, virtualNode("vk-2")) }}, verb: Tolerate, reason: ReasonBurst},
		{name: "a second node is open beside one that reaches nothing", change: []func(*Situation){condition(ConditionClusterNetworkReachable, corev1.ConditionFalse, "no DNS"), beside}, verb: Bind, reason: ReasonBound, says: "bound to node vk-2"},
		{name: "the same, spread over zones", change: []func(*Situation){condition(ConditionClusterNetworkReachable, corev1.ConditionFalse, "no DNS"), beside, pod(overZones)}, verb: Hold, reason: ReasonNoNode, says: "no DNS"},
		{name: "the same, where the first is cordoned", change: []func(*Situation){condition(ConditionClusterNetworkReachable, corev1.ConditionFalse, "no DNS"), beside, node(func(n *corev1.Node) { n.Spec.Unschedulable = true })}, verb: Tolerate, reason: ReasonBurst},

		{name: "a selector of real nodes", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })}, verb: Hold, reason: ReasonKept, says: "disk=ssd"},
		{name: "pinned to a host", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelHostname: "ecs-01"} })}, verb: Hold, reason: ReasonKept, says: "hostname=ecs-01"},
		{name: "keeps off one host", change: []func(*Situation){pod(affinity(corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"ecs-01"}}))}, verb: Tolerate, reason: ReasonBurst},
		{name: "a taint of somebody", change: []func(*Situation){node(func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "team", Value: "ml", Effect: corev1.TaintEffectNoSchedule})
		})}, verb: Hold, reason: ReasonKept, says: "team=ml"},
		{name: "it tolerates already", change: []func(*Situation){pod(toleratesIt)}, says: "the scheduler says: 0/4"},

		{name: "spread over hosts", change: []func(*Situation){pod(overHosts)}, verb: Bind, reason: ReasonBound, says: "missing hostname label"},
		{name: "spread over hosts, the node has the label", change: []func(*Situation){pod(overHosts), node(func(n *corev1.Node) { n.Labels[corev1.LabelHostname] = "vk" })}, verb: Tolerate, reason: ReasonBurst},
		{name: "a host must be named", change: []func(*Situation){pod(affinity(corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpExists}))}, verb: Bind, reason: ReasonBound},
		{name: "spread over hosts and zones", change: []func(*Situation){pod(overHosts), pod(overZones)}, verb: Hold, reason: ReasonKept, says: "--hostname-label"},
		{name: "spread over zones is the scheduler's", change: []func(*Situation){pod(overZones)}, verb: Tolerate, reason: ReasonBurst},
		{name: "unmarked with a toleration, spread over hosts", change: []func(*Situation){pod(unmarked), pod(toleratesIt), pod(overHosts)}, verb: Bind, reason: ReasonBound},
		{name: "unmarked with a toleration", change: []func(*Situation){pod(unmarked), pod(toleratesIt)}, says: "the scheduler says"},
		{name: "unmarked with a toleration of everything, spread over hosts", change: []func(*Situation){pod(unmarked), pod(func(p *corev1.Pod) {
			p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}), pod(overHosts)}, says: "neither"},
		{name: "unmarked with a toleration and a selector: nobody's news", change: []func(*Situation){pod(unmarked), pod(toleratesIt), pod(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })}, says: "disk=ssd"},

		{name: "waits as it says", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Annotations[AnnotationAfter] = "90s" })}, verb: Wait, reason: ReasonWaiting, until: 90 * time.Second},
		{name: "has waited", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Annotations[AnnotationAfter] = "90s" }), at(90 * time.Second)}, verb: Tolerate, reason: ReasonBurst},
		{name: "waits as the flag says", change: []func(*Situation){func(s *Situation) { s.After = 20 * time.Second }}, verb: Wait, reason: ReasonWaiting, until: 20 * time.Second},
		{name: "the pod beats the flag", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Annotations[AnnotationAfter] = "0s" }), func(s *Situation) { s.After = time.Hour }}, verb: Tolerate, reason: ReasonBurst},
		{name: "an autoscaler has the first word", change: []func(*Situation){autoscaler(Autoscaler{Name: "CA"})}, verb: Wait, reason: ReasonWaiting, until: time.Minute, says: "CA may add"},
		{name: "it said nothing", change: []func(*Situation){autoscaler(Autoscaler{Name: "CA"}), at(time.Minute)}, verb: Tolerate, reason: ReasonBurst},
		{name: "it adds a node", change: []func(*Situation){autoscaler(Autoscaler{Name: "CA", Adding: epoch.Add(10 * time.Second)}), at(2 * time.Minute)}, verb: Wait, reason: ReasonWaiting, until: 10*time.Second + 5*time.Minute, says: "adds a node"},
		{name: "the node did not come", change: []func(*Situation){autoscaler(Autoscaler{Name: "CA", Adding: epoch.Add(10 * time.Second)}), at(6 * time.Minute)}, verb: Tolerate, reason: ReasonBurst},
		{name: "it adds none", change: []func(*Situation){autoscaler(Autoscaler{Name: "CA", Refused: epoch})}, verb: Tolerate, reason: ReasonBurst},
		{name: "it adds none after all", change: []func(*Situation){autoscaler(Autoscaler{Name: "CA", Adding: epoch, Refused: epoch.Add(time.Second)}), at(3 * time.Second)}, verb: Tolerate, reason: ReasonBurst},
		{name: "what it said was about another time", change: []func(*Situation){autoscaler(Autoscaler{Name: "CA", Refused: epoch.Add(-time.Hour)})}, verb: Wait, reason: ReasonWaiting, until: time.Minute},

		{name: "ECI only, the policy missed it", change: []func(*Situation){pod(eciOnly), pod(notTried)}, verb: Bind, reason: ReasonBound, says: "the pod's label alibabacloud.com/eci=true"},
		{name: "ECI only, the scheduler does it", change: []func(*Situation){pod(eciOnly), pod(notTried), pod(toleratesIt), pod(func(p *corev1.Pod) {
			p.Spec.NodeSelector = map[string]string{placement.NodeTypeLabel: placement.NodeType}
		})}, says: "the scheduler places it"},
		{name: "ECI only, the scheduler can't", change: []func(*Situation){pod(eciOnly), pod(toleratesIt), pod(overHosts), pod(func(p *corev1.Pod) {
			p.Spec.NodeSelector = map[string]string{placement.NodeTypeLabel: placement.NodeType}
		})}, verb: Bind, reason: ReasonBound},
		{name: "ECI only beats its selector, as on ACK", change: []func(*Situation){pod(eciOnly), pod(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })}, verb: Bind, reason: ReasonBound},
		{name: "ECI only and no virtual node", change: []func(*Situation){pod(eciOnly), pod(affinity(corev1.NodeSelectorRequirement{Key: "type", Operator: corev1.NodeSelectorOpNotIn, Values: []string{"virtual-kubelet"}}))}, verb: Hold, reason: ReasonKept, says: "remove one of them"},
		{name: "ECI only does not wait for the network", change: []func(*Situation){pod(eciOnly), condition(ConditionClusterNetworkReachable, corev1.ConditionFalse, "")}, verb: Bind, reason: ReasonBound},
		{name: "ECI only is no burst to be stopped", change: []func(*Situation){pod(eciOnly), func(s *Situation) { s.Switch.Stopped = true }}, verb: Bind, reason: ReasonBound},
		{name: "ECI only, cordoned", change: []func(*Situation){pod(eciOnly), node(func(n *corev1.Node) { n.Spec.Unschedulable = true })}, verb: Hold, reason: ReasonNoNode},
		{name: "ECI only by its namespace, opted out", change: []func(*Situation){pod(unmarked), pod(func(p *corev1.Pod) { p.Labels[LabelECI] = "false" }), space(func(n *corev1.Namespace) { n.Labels = map[string]string{LabelECI: "true"} })}, says: "keeps it on real nodes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(situation(c.change...))
			if d.Verb != c.verb || d.Reason != c.reason || !strings.Contains(d.Message, c.says) || d.Message == "" {
				t.Errorf("%+v; want verb %d, reason %q, a message with %q", d, c.verb, c.reason, c.says)
			}
			if c.verb == Wait && !d.Until.Equal(epoch.Add(c.until)) {
				t.Errorf("until %v, want %v", d.Until, epoch.Add(c.until))
			}
		})
	}
}

func TestContradictingMarksAreSaid(t *testing.T) {
	for _, c := range []struct {
		name   string
		change []func(*Situation)
		mode   Mode
		says   string // "": nothing
	}{
		{name: "one mark", mode: RealFirst},
		{name: "two that agree", change: []func(*Situation){pod(eciOnly), pod(func(p *corev1.Pod) { p.Labels[KeyResource] = "eci_only" })}, mode: ECIOnly},
		{name: "only by label, first by annotation", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Labels[LabelECI] = "true" })}, mode: ECIOnly, says: "contradict each other"},
		{name: "never and only", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Labels[LabelECI], p.Annotations[KeyResource] = "false", "eci_only" })}, mode: RealOnly, says: "contradict each other"},
		{name: "not from the start, but when it is needed", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Labels[LabelECI] = "false" })}, mode: RealFirst},
		{name: "annotation and label differ", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Labels[KeyResource] = "eci_only" })}, mode: RealFirst, says: "the annotation counts"},
		{name: "the namespace says only", change: []func(*Situation){space(func(n *corev1.Namespace) { n.Labels = map[string]string{LabelECI: "true"} })}, mode: RealFirst, says: "the pod's counts"},
		{name: "the namespace says the same", change: []func(*Situation){space(func(n *corev1.Namespace) { n.Annotations = map[string]string{KeyResource: "eci"} })}, mode: RealFirst},
		{name: "an opt-out is no contradiction", change: []func(*Situation){pod(unmarked), pod(func(p *corev1.Pod) { p.Labels[LabelECI] = "false" }), space(func(n *corev1.Namespace) { n.Labels = map[string]string{LabelECI: "true"} })}, mode: RealOnly},
		{name: "a value that is none", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Annotations[KeyResource] = "yes" })}, mode: Unmarked, says: "takes eci or eci_only"},
		{name: "a label that is none", change: []func(*Situation){pod(unmarked), pod(func(p *corev1.Pod) { p.Labels[LabelECI] = "yes" })}, mode: Unmarked, says: "takes true or false"},
		{name: "a duration that is none", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Annotations[AnnotationAfter] = "soon" })}, mode: RealFirst, says: "not a duration"},
		{name: "a time of burst that is none", change: []func(*Situation){pod(func(p *corev1.Pod) { p.Annotations[AnnotationBurst] = "now" })}, mode: RealFirst, says: "takes at-creation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := situation(c.change...)
			m := ReadMarks(s.Pod, s.Namespace)
			if m.Mode != c.mode || (c.says == "") != (len(m.Problems) == 0) || !strings.Contains(strings.Join(m.Problems, "\n"), c.says) {
				t.Errorf("%+v; want mode %d and %q", m, c.mode, c.says)
			}
		})
	}
}

func TestTheNamespaceSaysHowLongWhereThePodDoesNot(t *testing.T) {
	s := situation(space(func(n *corev1.Namespace) {
		n.Annotations = map[string]string{AnnotationAfter: "30s", AnnotationBurst: "at-creation"}
	}))
	if m := ReadMarks(s.Pod, s.Namespace); !m.AfterSet || m.After != 30*time.Second || !m.AtCreation {
		t.Errorf("%+v", m)
	}
	s.Pod.Annotations[AnnotationAfter], s.Pod.Annotations[AnnotationBurst] = "10s", "later"
	if m := ReadMarks(s.Pod, s.Namespace); m.After != 10*time.Second || m.AtCreation {
		t.Errorf("%+v", m)
	}
}

func TestRoom(t *testing.T) {
	full := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("999500m")}
	for _, c := range []struct {
		name   string
		used   corev1.ResourceList
		pods   int
		change func(*corev1.Pod)
		says   string
	}{
		{name: "an empty node"},
		{name: "too many pods", pods: 2000, says: "takes 2000"},
		{name: "too little CPU", used: full, says: "of 1k cpu in use"},
		{name: "a resource that it does not have", change: func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests["example.com/fpga"] = resource.MustParse("1")
		}, says: "no example.com/fpga"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pendingPod("web-1")
			if c.change != nil {
				c.change(p)
			}
			if why := Room(p, virtualNode("vk"), c.used, c.pods); (why == "") != (c.says == "") || !strings.Contains(why, c.says) {
				t.Errorf("%q, want %q", why, c.says)
			}
		})
	}
}
