package placement

import (
	"fmt"
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci/spec"
)

// A Size is what a pod asks of ECI, and what will be billed for it.
type Size struct {
	CPU    float64 // vCPU; 0: not said
	Memory float64 // GiB; 0: not said
	// InstanceTypes are the sizes or machine types to try, in order: 2-4Gi, ecs.c6.large.
	// They beat CPU and Memory.
	InstanceTypes []string
	Disk          int32 // GiB of ephemeral storage above the 30 that are free
	GPU           int64
	// Billed is the size that ECI rounds up to. The zero Spec: unknown, because a machine
	// type or the first of several that has stock decides.
	Billed spec.Spec
}

// Spec is the billed size as the annotation k8s.aliyun.com/eci-instance-spec has it:
// 2.0-4.0Gi, or the machine type; "" when it is not known before the group exists.
func (s Size) Spec() string {
	switch {
	case s.Billed != spec.Spec{}:
		return s.Billed.String()
	case len(s.InstanceTypes) == 1:
		return s.InstanceTypes[0]
	}
	return ""
}

// SizeOf computes a pod's size as ACK's virtual nodes do: per container the limit, else the
// request, added up; nothing said at all is 2 vCPU and 4 GiB. Init containers have the group
// to themselves, so the largest of them counts where it is larger than that sum; sidecars
// run beside the others and are added to them. Containers with the variable
// __ECI_RESOURCE_IGNORE__=TRUE are left out. The pod's own resources beat its containers',
// and the annotation eci-use-specs beats all. region decides which sizes are sold.
// https://help.aliyun.com/zh/eci/user-guide/specify-the-number-of-vcpus-and-memory-size-to-create-a-pod
func SizeOf(pod *corev1.Pod, region string) (Size, *Refusal) {
	settings := Settings{}
	settings.annotations(pod)
	request := &settings.Request
	s := Size{GPU: int64(ask(pod, GPU))}
	disk := math.Ceil(gib(ask(pod, corev1.ResourceEphemeralStorage))) - spec.FreeDisk
	s.Disk = int32(max(disk, 0, float64(request.EphemeralStorage)))
	if disk > maxExtraDisk {
		return s, &Refusal{"resources.ephemeral-storage", fmt.Sprintf("%g GiB more than the %d GiB of a group, and ECI sells %d", disk, spec.FreeDisk, maxExtraDisk),
			"ask for less, or mount a volume"}
	}
	spot := request.SpotStrategy != "" && request.SpotStrategy != "NoSpot"
	if request.InstanceType != "" {
		s.InstanceTypes = strings.Split(request.InstanceType, ",")
		if cpu, memory, ok := parseSpec(s.InstanceTypes[0]); ok && len(s.InstanceTypes) == 1 {
			s.Billed, _ = spec.Round(cpu, memory, region, spot)
		}
		return s, nil
	}
	s.CPU, s.Memory = milli(ask(pod, corev1.ResourceCPU)), milli(gib(ask(pod, corev1.ResourceMemory)))
	if s.CPU != 0 || s.Memory != 0 {
		if s.CPU == 0 {
			s.CPU = spec.Default().CPU
		}
		if s.Memory == 0 {
			s.Memory = spec.Default().Memory
		}
	}
	if math.IsInf(s.CPU, 0) || math.IsInf(s.Memory, 0) {
		return s, &Refusal{"spec.containers", "the sum of the resources is no number", "correct the limits"}
	}
	billed, err := spec.Round(s.CPU, s.Memory, region, spot)
	if err != nil && spot && s.CPU < spotCPU {
		return s, &Refusal{"spec.containers", err.Error(), "ask for 2 vCPU, or remove the annotation " + annotationSpot}
	}
	if err != nil {
		return s, &Refusal{"spec.containers", err.Error(), "ask for less, or name a machine type in the annotation " + annotationUseSpecs}
	}
	s.Billed = billed
	return s, nil
}

// spotCPU is the fewest vCPU of a spot instance.
const spotCPU = 2

// maxExtraDisk is the most ephemeral storage above the free ones that a group can have, in
// GiB. CreateContainerGroup, EphemeralStorage.
const maxExtraDisk = 5000

// ask is how much of a resource the pod asks for, in units (cores, bytes).
func ask(pod *corev1.Pod, name corev1.ResourceName) float64 {
	if r := pod.Spec.Resources; r != nil {
		if v := pick(*r, name); v > 0 {
			return v
		}
	}
	together, alone := 0.0, 0.0
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; !isIgnored(c) {
			together += pick(c.Resources, name)
		}
	}
	for i := range pod.Spec.InitContainers {
		switch c := &pod.Spec.InitContainers[i]; {
		case isIgnored(c):
		case isSidecar(c):
			together += pick(c.Resources, name)
		default:
			alone = max(alone, pick(c.Resources, name))
		}
	}
	return max(together, alone)
}

// isIgnored tells that ECI leaves a container out of the group's size.
// https://help.aliyun.com/zh/eci/user-guide/ignore-specific-containers-during-resource-adjustment
func isIgnored(c *corev1.Container) bool {
	for i := range c.Env {
		if c.Env[i].Name == "__ECI_RESOURCE_IGNORE__" {
			return strings.EqualFold(c.Env[i].Value, "true")
		}
	}
	return false
}

// pick is the limit, else the request.
func pick(r corev1.ResourceRequirements, name corev1.ResourceName) float64 {
	q, ok := r.Limits[name]
	if !ok {
		q = r.Requests[name]
	}
	return max(q.AsApproximateFloat64(), 0)
}

func gib(bytes float64) float64 { return bytes / (1 << 30) }

// milli rounds up to three decimals, which is what ECI reads.
func milli(v float64) float64 { return math.Ceil(v*1000-1e-6) / 1000 }
