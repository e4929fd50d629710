package collectors

import (
	"context"
	"regexp"
	"strings"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// Labels of virtual nodes: ours and the vendor's have the first, VNodes the second.
const (
	labelType  = "type"
	labelVNode = "k8s.aliyun.com/vnode"
)

// Nodes watches the nodes.
func Nodes(client kubernetes.Interface, probe Probe) Collector {
	nodes := client.CoreV1().Nodes()
	return &watcher[fleet.Node]{
		kind: "nodes", cluster: true, client: client, probe: probe, every: buildEvery,
		list: func(ctx context.Context, _ string, o metav1.ListOptions) (runtime.Object, error) {
			return nodes.List(ctx, o)
		},
		watch: func(ctx context.Context, _ string, o metav1.ListOptions) (watch.Interface, error) {
			return nodes.Watch(ctx, o)
		},
		convert: func(o runtime.Object) *fleet.Node { return nodeRecord(o.(*corev1.Node)) },
		compare: func(a, b *fleet.Node) int { return strings.Compare(a.Name, b.Name) },
		equal:   sameNode,
		part:    func(items []*fleet.Node, _ []string) fleet.Part { return fleet.Nodes{Items: items, Sorted: true} },
	}
}

// sameNode leaves the version out: kubelets renew their node's status every few minutes with
// nothing new in it, 17 times a second among 5,000 nodes.
func sameNode(a, b *fleet.Node) bool {
	renewed := *b
	renewed.ResourceVersion = a.ResourceVersion
	return *a == renewed
}

// providerECS is the provider id of an ECS instance: cn-hangzhou.i-bp1234, with or without
// the scheme that newer cloud controllers write.
var providerECS = regexp.MustCompile(`^(alicloud://)?[a-z]+-[a-z0-9-]+\.i-[a-z0-9]+$`)

func nodeRecord(n *corev1.Node) *fleet.Node {
	r := &fleet.Node{
		UID: string(n.UID), Name: intern(n.Name), ResourceVersion: n.ResourceVersion,
		Virtual:      n.Labels[labelType] == "virtual-kubelet" || n.Labels[labelVNode] == "true",
		Zone:         intern(firstOf(n.Labels[corev1.LabelTopologyZone], n.Labels[corev1.LabelFailureDomainBetaZone])),
		InstanceType: intern(firstOf(n.Labels[corev1.LabelInstanceTypeStable], n.Labels[corev1.LabelInstanceType])),
		Status:       nodeStatus(n), Unschedulable: n.Spec.Unschedulable,
		KubeletVersion:    intern(n.Status.NodeInfo.KubeletVersion),
		AllocatableCPU:    n.Status.Allocatable.Cpu().MilliValue(),
		AllocatableMemory: n.Status.Allocatable.Memory().Value(),
		AllocatablePods:   n.Status.Allocatable.Pods().Value(),
		Created:           n.CreationTimestamp.Time,
	}
	switch {
	case r.Virtual:
		r.Place, r.By, r.Unreached = fleet.PlaceECI, runBy(n), unreached(n)
		r.VSwitches, r.ClusterID = intern(n.Annotations[provider.AnnotationVSwitches]), intern(n.Annotations[provider.AnnotationClusterID])
	case providerECS.MatchString(n.Spec.ProviderID), strings.HasPrefix(r.InstanceType, "ecs."):
		r.Place = fleet.PlaceECS
	default:
		r.Place = fleet.PlaceOther
	}
	return r
}

// unreached is what the node says that its pods do not reach, if it says so.
func unreached(n *corev1.Node) string {
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == provider.ConditionNetwork && c.Status == corev1.ConditionFalse {
			return c.Message
		}
	}
	return ""
}

// runBy says who runs a virtual node: the VNode product, ACK, or us, whose groups are ours.
func runBy(n *corev1.Node) string {
	switch {
	case n.Labels[labelVNode] == "true":
		return "vnode"
	case n.Labels["alibabacloud.com/virtual-node"] == "true", strings.Contains(n.Status.NodeInfo.KubeletVersion, "-aliyun"):
		return "ack"
	}
	return ""
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// nodeStatus is what kubectl prints as STATUS (printNode).
func nodeStatus(n *corev1.Node) string {
	status := "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			status = "NotReady"
			if c.Status == corev1.ConditionTrue {
				status = "Ready"
			}
		}
	}
	if n.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}
