package placement

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci/spec"
)

// shape judges what no single field says.
func shape(pod *corev1.Pod) []Finding {
	var findings []Finding
	refuse := func(field, reason, remedy string) {
		findings = append(findings, Finding{Field: field, Verdict: Refuses, Reason: reason, Remedy: remedy})
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "DaemonSet" {
		refuse("metadata.ownerReferences", "pods of a DaemonSet belong on real nodes",
			"add a node affinity `type NotIn [virtual-kubelet]` to the DaemonSet's template")
	}
	if n := len(pod.Spec.Containers) + len(pod.Spec.InitContainers); n > spec.MaxContainers {
		refuse("spec.containers", fmt.Sprintf("%d containers with the init containers, and a group holds at most %d", n, spec.MaxContainers), "split the pod")
	}
	if len(pod.Spec.Containers) == 0 {
		refuse("spec.containers", "a group needs a container", "name one")
	}
	if n := len(pod.Spec.Volumes); n > spec.MaxVolumes {
		refuse("spec.volumes", fmt.Sprintf("%d volumes, and a group holds at most %d", n, spec.MaxVolumes),
			"merge config volumes into one projected volume")
	}
	sidecar := ""
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if isSidecar(c) {
			sidecar = c.Name
		} else if sidecar != "" {
			refuse(fmt.Sprintf("spec.initContainers[%d]", i),
				fmt.Sprintf("it follows the sidecar %s and may need it, and ECI runs every init container before the sidecars", sidecar),
				"list the sidecars after the init containers")
			break
		}
	}
	return findings
}

// shapeWords are shape's rules for the list in words.
func shapeWords() []row {
	return []row{
		refuses("metadata.ownerReferences", "pods of a DaemonSet belong on real nodes", "add a node affinity `type NotIn [virtual-kubelet]`"),
		runs("spec.containers[], spec.initContainers[]", "at most 20 together").except("more", nil, Refuses, "a group holds 20 containers", "split the pod"),
		runs("spec.containers[].resources, their sum", "the smallest size that ECI sells for it").
			except("none holds it", nil, Refuses, "the largest size has 64 vCPU or 512 GiB", "ask for less, or name a machine type in the annotation "+annotationUseSpecs).
			except("ephemeral-storage over 5030 GiB", nil, Refuses, "a group has 30 GiB, and ECI sells 5000 more", "ask for less, or mount a volume"),
		runs("spec.volumes[]", "at most 20").except("more", nil, Refuses, "a group holds 20 volumes", "merge config volumes into one projected volume"),
		runs("spec.initContainers[], their order", "init containers run one after the other, then sidecars start, then the containers").
			except("an init container after a sidecar", nil, Refuses, "it may need the sidecar, which starts after it on ECI", "list the sidecars after the init containers"),
	}
}
