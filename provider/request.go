package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// Annotations that a pod may carry, with ACK's names and meanings.
const (
	annotationPrefix           = "k8s.aliyun.com/eci-"
	annotationVSwitch          = "k8s.aliyun.com/eci-vswitch"
	annotationScheduleStrategy = "k8s.aliyun.com/eci-schedule-strategy"
	annotationSecurityGroup    = "k8s.aliyun.com/eci-security-group"
	annotationUseSpecs         = "k8s.aliyun.com/eci-use-specs"
	annotationRAMRole          = "k8s.aliyun.com/eci-ram-role-name"
	annotationInstanceCPU      = "k8s.aliyun.com/eci-instance-cpu"
	annotationInstanceMemory   = "k8s.aliyun.com/eci-instance-mem"
)

// Limits of one container group. https://help.aliyun.com/zh/eci/product-overview/limits
const (
	maxContainers  = 20
	maxVolumes     = 20
	maxCredentials = 11
	maxGroupName   = 128
	freeStorageGiB = 30
	gpuResource    = corev1.ResourceName("nvidia.com/gpu")
	defaultCPU     = 2.0 // vCPU, what ECI gives a group that names none
	defaultMemory  = 4.0 // GiB
)

// Placement says where groups are created and what they need to reach the cluster.
type Placement struct {
	ClusterID        string // UID of the namespace kube-system
	NodeName         string
	VSwitchIDs       []string // at most ten
	ScheduleStrategy string   // VSwitchOrdered, VSwitchRandom; "": ECI's default
	SecurityGroupID  string   // "": ECI's default
	ClusterDNS       []string // addresses that the vSwitch can reach; nil: the VPC's DNS
	ClusterDomain    string   // cluster.local
	// APIServerHost and APIServerPort replace the cluster's own address of the API server
	// in the pods' environment: a ClusterIP can't be reached from a group.
	APIServerHost, APIServerPort string
}

// A Refusal says why a pod can't run as a container group, and what to do about it.
type Refusal struct {
	Field  string // spec.containers[0].ports[1].hostPort
	Reason string
	Remedy string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: %s; %s", r.Field, r.Reason, r.Remedy)
}

// A Note is an event about something on the pod that is tolerated but not passed on.
type Note struct {
	Reason  string // the event's reason
	Message string
}

// A builder collects one request; its methods return the first refusal.
type builder struct {
	pod   *corev1.Pod
	data  Data
	where Placement
	notes []Note
	files int // bytes of config files so far, all volumes together
}

// Build translates a pod into the request for its container group. data must hold what
// needs(pod) names. The error is a *Refusal (this pod can never run here) or a *Missing
// (an object it needs does not exist yet: try again later); notes are events to emit once.
// Build makes no call and changes none of its arguments. ClientToken and tags are for the
// attempt-th group of this pod, counted from 1.
func Build(pod *corev1.Pod, data Data, where Placement, attempt int) (*eci.CreateRequest, []Note, error) {
	b := &builder{pod: pod, data: data, where: where}
	req, err := b.build(attempt)
	if err != nil {
		return nil, b.notes, err
	}
	return req, b.notes, nil
}

func (b *builder) build(attempt int) (*eci.CreateRequest, error) {
	pod := b.pod
	if r := refuseShape(pod); r != nil {
		return nil, r
	}
	req := &eci.CreateRequest{
		ContainerGroupName: groupName(pod.Namespace, pod.Name),
		ClientToken:        clientToken(pod, attempt),
		VSwitchId:          strings.Join(b.where.VSwitchIDs, ","),
		ScheduleStrategy:   b.where.ScheduleStrategy,
		SecurityGroupId:    b.where.SecurityGroupID,
		RestartPolicy:      string(pod.Spec.RestartPolicy),

		TerminationGracePeriodSeconds: pod.Spec.TerminationGracePeriodSeconds,
		ActiveDeadlineSeconds:         pod.Spec.ActiveDeadlineSeconds,
		ShareProcessNamespace:         pod.Spec.ShareProcessNamespace,
	}
	b.annotations(req)
	if err := b.size(req); err != nil {
		return nil, err
	}
	b.network(req)
	if err := b.registryCredentials(req); err != nil {
		return nil, err
	}
	if err := b.volumes(req); err != nil {
		return nil, err
	}
	for i := range pod.Spec.InitContainers {
		c, err := b.container(&pod.Spec.InitContainers[i], fmt.Sprintf("spec.initContainers[%d]", i), true)
		if err != nil {
			return nil, err
		}
		req.InitContainer = append(req.InitContainer, *c)
	}
	for i := range pod.Spec.Containers {
		c, err := b.container(&pod.Spec.Containers[i], fmt.Sprintf("spec.containers[%d]", i), false)
		if err != nil {
			return nil, err
		}
		req.Container = append(req.Container, *c)
	}
	b.podHardening()
	req.Tag = identityTags(pod, b.where, attempt)
	return req, nil
}

// refuseShape finds what makes a pod impossible on ECI, whatever its data.
func refuseShape(pod *corev1.Pod) *Refusal {
	spec := &pod.Spec
	ownHost := "a container group has a network and a host of its own"
	switch {
	case isOwnedBy(pod, "DaemonSet"):
		return &Refusal{"metadata.ownerReferences", "pods of a DaemonSet belong on real nodes",
			"add a node affinity `type NotIn [virtual-kubelet]` to the DaemonSet's template"}
	case spec.HostNetwork:
		return &Refusal{"spec.hostNetwork", ownHost, "remove it, or keep the pod on real nodes"}
	case spec.HostPID:
		return &Refusal{"spec.hostPID", ownHost, "remove it, or keep the pod on real nodes"}
	case spec.HostIPC:
		return &Refusal{"spec.hostIPC", ownHost, "remove it, or keep the pod on real nodes"}
	case len(spec.Containers)+len(spec.InitContainers) > maxContainers:
		return &Refusal{"spec.containers", fmt.Sprintf("%d containers with the init containers, and a group holds at most %d",
			len(spec.Containers)+len(spec.InitContainers), maxContainers), "split the pod"}
	case len(spec.Volumes) > maxVolumes:
		return &Refusal{"spec.volumes", fmt.Sprintf("%d volumes, and a group holds at most %d", len(spec.Volumes), maxVolumes),
			"merge config volumes into one projected volume"}
	case spec.OS != nil && spec.OS.Name == corev1.Windows:
		return &Refusal{"spec.os.name", "this virtual node runs Linux groups", "keep the pod on Windows nodes"}
	case spec.SecurityContext != nil && len(spec.SecurityContext.Sysctls) > 0:
		return &Refusal{"spec.securityContext.sysctls", "kernel parameters are not set on this virtual node", "remove them, or keep the pod on real nodes"}
	case len(spec.ResourceClaims) > 0:
		return &Refusal{"spec.resourceClaims", "dynamically allocated devices do not exist on a virtual node", "keep the pod on real nodes"}
	}
	for i := range spec.InitContainers {
		if p := spec.InitContainers[i].RestartPolicy; p != nil && *p == corev1.ContainerRestartPolicyAlways {
			return &Refusal{fmt.Sprintf("spec.initContainers[%d].restartPolicy", i),
				"ECI runs init containers one after the other until each has ended, so a sidecar would never let the pod start",
				"move the sidecar to spec.containers"}
		}
	}
	return nil
}

// annotations applies what ACK's pod annotations say and notes the ones not honoured here.
func (b *builder) annotations(req *eci.CreateRequest) {
	set := map[string]*string{
		annotationVSwitch: &req.VSwitchId, annotationScheduleStrategy: &req.ScheduleStrategy,
		annotationSecurityGroup: &req.SecurityGroupId, annotationUseSpecs: &req.InstanceType,
		annotationRAMRole: &req.RamRoleName,
	}
	var ignored []string
	for key, value := range b.pod.Annotations {
		if field := set[key]; field != nil {
			*field = strings.ReplaceAll(value, " ", "")
		} else if strings.HasPrefix(key, annotationPrefix) && !strings.HasPrefix(key, "k8s.aliyun.com/eci-instance-") {
			ignored = append(ignored, key)
		}
	}
	if len(ignored) > 0 {
		slices.Sort(ignored)
		b.note("AnnotationIgnored", "this virtual node does not act on %s", strings.Join(ignored, ", "))
	}
}

// size fills in the group's vCPU, memory and storage: per container the limit, else the
// request; init containers run before the others, so the larger of the two counts. ECI
// rounds the sum up to a size that it sells.
func (b *builder) size(req *eci.CreateRequest) error {
	spec := &b.pod.Spec
	if err := refuseResources(spec, req.InstanceType != ""); err != nil {
		return err
	}
	sum := func(name corev1.ResourceName) float64 {
		if r := spec.Resources; r != nil {
			if v := pick(corev1.ResourceRequirements{Limits: r.Limits, Requests: r.Requests}, name); v > 0 {
				return v
			}
		}
		total, largest := 0.0, 0.0
		for i := range spec.Containers {
			total += pick(spec.Containers[i].Resources, name)
		}
		for i := range spec.InitContainers {
			largest = max(largest, pick(spec.InitContainers[i].Resources, name))
		}
		return max(total, largest)
	}
	if extra := math.Ceil(gib(sum(corev1.ResourceEphemeralStorage))) - freeStorageGiB; extra > 0 {
		return &Refusal{"resources.ephemeral-storage", fmt.Sprintf("%g GiB more than the %d GiB of a group", extra, freeStorageGiB),
			"ask for less, or mount a volume"}
	}
	if req.InstanceType != "" {
		return nil // the annotation beats requests and limits
	}
	cpu, memory := sum(corev1.ResourceCPU), gib(sum(corev1.ResourceMemory))
	if cpu == 0 && memory == 0 {
		return nil // ECI's own default
	}
	if cpu == 0 {
		cpu = defaultCPU
	}
	if memory == 0 {
		memory = defaultMemory
	}
	req.Cpu, req.Memory = milli(cpu), milli(memory)
	return nil
}

// refuseResources finds a resource that no group has.
func refuseResources(spec *corev1.PodSpec, sized bool) error {
	for i := range spec.Containers {
		for _, list := range []corev1.ResourceList{spec.Containers[i].Resources.Limits, spec.Containers[i].Resources.Requests} {
			for name, q := range list {
				field := fmt.Sprintf("spec.containers[%d].resources[%s]", i, name)
				switch {
				case q.IsZero(), name == corev1.ResourceCPU, name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage:
				case name == gpuResource && sized:
				case name == gpuResource:
					return &Refusal{field, "a group gets GPUs by its instance type", "name one in the annotation " + annotationUseSpecs}
				default:
					return &Refusal{field, "no container group has this resource", "keep the pod on nodes that have it"}
				}
			}
		}
	}
	return nil
}

// pick is the limit, else the request, in units (cores, bytes).
func pick(r corev1.ResourceRequirements, name corev1.ResourceName) float64 {
	if q, ok := r.Limits[name]; ok {
		return q.AsApproximateFloat64()
	}
	q := r.Requests[name]
	return q.AsApproximateFloat64()
}

func gib(bytes float64) float64 { return bytes / (1 << 30) }

// milli rounds up to three decimals, which is what ECI reads.
func milli(v float64) float64 { return math.Ceil(v*1000-1e-6) / 1000 }

// podHardening notes pod-level settings that only harden or that ECI decides itself.
func (b *builder) podHardening() {
	var ignored []string
	if sc := b.pod.Spec.SecurityContext; sc != nil {
		if sc.FSGroup != nil {
			ignored = append(ignored, "fsGroup")
		}
		if len(sc.SupplementalGroups) > 0 {
			ignored = append(ignored, "supplementalGroups")
		}
		ignored = append(ignored, profiles(sc.SeccompProfile, sc.AppArmorProfile, sc.SELinuxOptions)...)
	}
	if len(ignored) > 0 {
		b.note("SecurityContextIgnored", "spec.securityContext: ECI has no parameter for %s; the group is isolated in a virtual machine of its own",
			strings.Join(ignored, ", "))
	}
	if b.pod.Spec.RuntimeClassName != nil {
		b.note("RuntimeClassIgnored", "spec.runtimeClassName: %s does not apply; every group runs in a virtual machine of its own", *b.pod.Spec.RuntimeClassName)
	}
}

// profiles names the security profiles that are set, of a pod or a container.
func profiles(seccomp *corev1.SeccompProfile, appArmor *corev1.AppArmorProfile, seLinux *corev1.SELinuxOptions) (names []string) {
	if seccomp != nil {
		names = append(names, "seccompProfile")
	}
	if appArmor != nil {
		names = append(names, "appArmorProfile")
	}
	if seLinux != nil {
		names = append(names, "seLinuxOptions")
	}
	return names
}

func (b *builder) note(reason, format string, args ...any) {
	n := Note{Reason: reason, Message: fmt.Sprintf(format, args...)}
	if !slices.Contains(b.notes, n) {
		b.notes = append(b.notes, n)
	}
}

// groupName is <namespace>-<name> in the letters ECI accepts, at most 128. Different pods
// may get one name: the tags are the identity.
func groupName(namespace, name string) string {
	full := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, namespace+"-"+name), "-")
	if len(full) <= maxGroupName {
		return full
	}
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return full[:maxGroupName-9] + "-" + hex.EncodeToString(sum[:4])
}

// clientToken makes a repeated create of the same attempt return the same group.
func clientToken(pod *corev1.Pod, attempt int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", pod.UID, attempt))
	return hex.EncodeToString(sum[:]) // 64 characters, the most that ECI takes
}

// identityTags name the pod on its group.
func identityTags(pod *corev1.Pod, where Placement, attempt int) []eci.Tag {
	id := eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: where.ClusterID, NodeName: where.NodeName,
		Namespace: pod.Namespace, PodName: pod.Name, PodUID: string(pod.UID), Attempt: attempt}
	var tags []eci.Tag
	for key, value := range id.Tags() {
		tags = append(tags, eci.Tag{Key: key, Value: value})
	}
	slices.SortFunc(tags, func(a, b eci.Tag) int { return strings.Compare(a.Key, b.Key) })
	return tags
}

func isOwnedBy(pod *corev1.Pod, kind string) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == kind
}
