package placement

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// AnnotationAdds is where a virtual node says what its groups are larger by than their pods:
// whoever plans from outside of its process knows none of its flags.
const AnnotationAdds = "ecideck.io/adds-to-groups"

// Adds is what a virtual node adds to the groups of its pods. The zero Adds is nothing, or that
// a node says nothing of it.
type Adds struct {
	CPU    resource.Quantity `json:"cpu,omitzero"`    // of the kube-proxy beside each pod; zero: not counted
	Memory resource.Quantity `json:"memory,omitzero"` // the same
	// Profile is the namespace/name of the ConfigMap with the pods' defaults, which may be missing.
	Profile string `json:"profile,omitempty"`
}

// AddsOf is what a node says in AnnotationAdds; nothing where it can't be read, as of a vendor's.
func AddsOf(node *corev1.Node) Adds {
	var a Adds
	if json.Unmarshal([]byte(node.Annotations[AnnotationAdds]), &a) != nil {
		return Adds{}
	}
	return a
}

// String is the annotation's value.
func (a Adds) String() string {
	text, _ := json.Marshal(a) // quantities and a string
	return string(text)
}

// Sidecar is what the kube-proxy beside a pod asks for. Where the pod leaves its size to the
// default, the kube-proxy must not become all of it, and asks for nothing.
func (a Adds) Sidecar(pod *corev1.Pod, region string) corev1.ResourceList {
	size, _ := SizeOf(pod, region) // what has no size is refused elsewhere
	requests := corev1.ResourceList{}
	if size.CPU > 0 && !a.CPU.IsZero() {
		requests[corev1.ResourceCPU] = a.CPU
	}
	if size.Memory > 0 && !a.Memory.IsZero() {
		requests[corev1.ResourceMemory] = a.Memory
	}
	return requests
}

// To is the pod in the size of its group, to be sized and priced and nothing else: with a
// container in the kube-proxy's place. The pod is not changed; it is returned itself where
// nothing is added. Defaults of the profile are to be applied before.
func (a Adds) To(pod *corev1.Pod, region string) *corev1.Pod {
	if a.CPU.IsZero() && a.Memory.IsZero() || ReadSettings(pod).NoProxy {
		return pod
	}
	requests := a.Sidecar(pod, region)
	if len(requests) == 0 {
		return pod
	}
	always := corev1.ContainerRestartPolicyAlways
	out := pod.DeepCopy()
	out.Spec.InitContainers = append(out.Spec.InitContainers, corev1.Container{RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: requests}})
	return out
}
