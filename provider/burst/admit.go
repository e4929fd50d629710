package burst

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/placement"
)

//go:embed policies.yaml
var policies string

// AdmissionPolicies are the MutatingAdmissionPolicies for servers that have them (Kubernetes 1.36),
// as YAML documents: the rule of Admit, and the one that keeps DaemonSets on real nodes.
func AdmissionPolicies() string { return policies }

// Admit is what a new pod that belongs on ECI is given: a JSON patch, or nil. It is the rule
// of the policy ecideck-burst, for servers without policies; a test holds them equal. A pod
// that ECI can't run because it needs its host, that belongs to an operation, or that says
// itself that it wants no virtual node, is left as it is.
func Admit(pod *corev1.Pod, namespace *corev1.Namespace) ([]byte, error) {
	if pod.Spec.NodeName != "" || pod.Spec.HostNetwork || pod.Spec.HostPID || pod.Spec.HostIPC || excludesVirtual(pod) || operated(pod) {
		return nil, nil
	}
	if slices.ContainsFunc(pod.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "DaemonSet" }) ||
		slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil }) {
		return nil, nil
	}
	m := ReadMarks(pod, namespace)
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	var patch []operation
	if _, has := pod.Spec.NodeSelector[placement.NodeTypeLabel]; m.Mode == ECIOnly && !has {
		if pod.Spec.NodeSelector == nil {
			patch = append(patch, operation{"add", "/spec/nodeSelector", map[string]string{placement.NodeTypeLabel: placement.NodeType}})
		} else {
			patch = append(patch, operation{"add", "/spec/nodeSelector/" + placement.NodeTypeLabel, placement.NodeType})
		}
	}
	tolerated := slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
		return t.Key == placement.TaintProvider || t.Key == "" && t.Operator == corev1.TolerationOpExists
	})
	if (m.Mode == ECIOnly || m.Mode == RealFirst && m.AtCreation) && !tolerated {
		if pod.Spec.Tolerations == nil {
			patch = append(patch, operation{"add", "/spec/tolerations", []corev1.Toleration{placement.Toleration()}})
		} else {
			patch = append(patch, operation{"add", "/spec/tolerations/-", placement.Toleration()})
		}
	}
	if patch == nil {
		return nil, nil
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("encoding a pod's patch: %w", err)
	}
	return raw, nil
}

// excludesVirtual tells that a pod's required node affinity keeps it from virtual nodes, as
// the Deployment of ecideck-node itself does.
func excludesVirtual(pod *corev1.Pod) bool {
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	return slices.ContainsFunc(a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool {
		return slices.ContainsFunc(t.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
			return e.Key == placement.NodeTypeLabel && e.Operator == corev1.NodeSelectorOpNotIn && slices.Contains(e.Values, placement.NodeType)
		})
	})
}
