package placement

import (
	corev1 "k8s.io/api/core/v1"
)

// The taints of the virtual node: only pods meant for ECI come there, and among those the
// ones that fit on real nodes stay there. The first is ACK's, so that manifests move between
// ACK and us unchanged.
const (
	TaintProvider   = "virtual-kubelet.io/provider"
	TaintPreferReal = "ecideck.io/prefer-real"
)

// NodeType is the label that tells a virtual node, and its value.
const (
	NodeTypeLabel = "type"
	NodeType      = "virtual-kubelet"
)

// LabelOperation marks a pod that belongs to a running operation (a migration's surge pod),
// with the operation's id as its value. Nobody but that operation places or changes it.
const LabelOperation = "ecideck.io/op"

// Taints are those that the virtual node carries.
func Taints() []corev1.Taint {
	return []corev1.Taint{
		{Key: TaintProvider, Value: "alibabacloud", Effect: corev1.TaintEffectNoSchedule},
		{Key: TaintPreferReal, Value: "true", Effect: corev1.TaintEffectPreferNoSchedule},
	}
}

// Toleration lets a pod onto the virtual node. It leaves TaintPreferReal as it is, so that
// the scheduler still takes a real node where one has room.
func Toleration() corev1.Toleration {
	return corev1.Toleration{Key: TaintProvider, Operator: corev1.TolerationOpEqual, Value: "alibabacloud", Effect: corev1.TaintEffectNoSchedule}
}

// IsVirtual tells that a node runs its pods on ECI: ours, ACK's or another one that carries
// the taint. Only such a node may be left out where real nodes are counted.
func IsVirtual(node *corev1.Node) bool {
	if node.Labels[NodeTypeLabel] == NodeType {
		return true
	}
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].Key == TaintProvider {
			return true
		}
	}
	return false
}
