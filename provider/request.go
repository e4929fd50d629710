package provider

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/node/util/sysctl"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// Annotations that say what a group was rounded up to, with ACK's names.
const (
	annotationInstanceCPU    = "k8s.aliyun.com/eci-instance-cpu"
	annotationInstanceMemory = "k8s.aliyun.com/eci-instance-mem"
)

// Limits of one container group. https://help.aliyun.com/zh/eci/product-overview/limits
const (
	maxCredentials = 11
	maxGroupName   = 128
)

// Placement says where groups are created and what they need to reach the cluster.
type Placement struct {
	ClusterID        string // UID of the namespace kube-system
	NodeName         string
	VSwitchIDs       []string // at most ten
	ScheduleStrategy string   // VSwitchOrdered, VSwitchRandom; "": ECI's default
	SecurityGroupID  string   // "": ECI's default
	Region           string   // decides which sizes are sold
	ResourceGroupID  string   // "": the account's default
	// Profile is the ConfigMap of defaults that beat the ones here; no name: none.
	Profile       types.NamespacedName
	ClusterDNS    []string // addresses that the vSwitch can reach; nil: the VPC's DNS
	ClusterDomain string   // cluster.local
	// APIServerHost and APIServerPort replace the cluster's own address of the API server
	// in the pods' environment: a ClusterIP can't be reached from a group.
	APIServerHost, APIServerPort string
	Proxy                        *Proxy // a kube-proxy in every group; nil: none
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
	pod      *corev1.Pod
	data     Data
	where    Placement
	size     placement.Size
	notes    []Note
	files    int             // bytes of config files so far, all volumes together
	readOnly map[string]bool // volumes that every mount may only read
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
	findings := placement.Check(b.pod, b.where.Region) // and not ours, which needs no word
	if err := b.withProxy(); err != nil {
		return nil, err
	}
	pod := b.pod
	if r := placement.First(placement.Check(pod, b.where.Region)); r != nil {
		return nil, (*Refusal)(r)
	}
	for _, n := range placement.Notes(findings) {
		b.notes = append(b.notes, Note(n))
	}
	b.size, _ = placement.SizeOf(pod, b.where.Region) // Check refuses what has no size

	settings := placement.ReadSettings(pod)
	req := &settings.Request
	req.ContainerGroupName = groupName(pod.Namespace, pod.Name)
	req.ClientToken = clientToken(pod, attempt)
	req.VSwitchId = cmp.Or(req.VSwitchId, strings.Join(b.where.VSwitchIDs, ","))
	req.ScheduleStrategy = cmp.Or(req.ScheduleStrategy, b.where.ScheduleStrategy)
	req.SecurityGroupId = cmp.Or(req.SecurityGroupId, b.where.SecurityGroupID)
	req.ResourceGroupId = cmp.Or(req.ResourceGroupId, b.where.ResourceGroupID)
	req.RestartPolicy = string(pod.Spec.RestartPolicy)
	req.TerminationGracePeriodSeconds = pod.Spec.TerminationGracePeriodSeconds
	req.ActiveDeadlineSeconds = pod.Spec.ActiveDeadlineSeconds
	req.ShareProcessNamespace = pod.Spec.ShareProcessNamespace
	req.Cpu, req.Memory, req.EphemeralStorage = b.size.CPU, b.size.Memory, b.size.Disk
	b.sysctls(req)
	if err := b.network(req, settings.DNS); err != nil {
		return nil, err
	}
	if err := b.registryCredentials(req); err != nil {
		return nil, err
	}
	if err := b.volumes(req); err != nil {
		return nil, err
	}
	if err := b.containers(req); err != nil {
		return nil, err
	}
	req.Tag = append(identityTags(pod, b.where, attempt), req.Tag...)
	return req, nil
}

// containers translates the pod's containers. Sidecars become containers: ECI would wait
// for the end of an init container.
func (b *builder) containers(req *eci.CreateRequest) error {
	spec := &b.pod.Spec
	for i := range spec.Containers {
		c, err := b.container(&spec.Containers[i], fmt.Sprintf("spec.containers[%d]", i), false)
		if err != nil {
			return err
		}
		req.Container = append(req.Container, *c)
	}
	var sidecars []*eci.ContainerRequest
	for i := range spec.InitContainers {
		init := &spec.InitContainers[i]
		c, err := b.container(init, fmt.Sprintf("spec.initContainers[%d]", i), !isSidecar(init))
		if err != nil {
			return err
		}
		switch {
		case init.Name == proxyName:
			sidecars = slices.Insert(sidecars, 0, c) // the others may need Services
		case isSidecar(init):
			sidecars = append(sidecars, c)
		default:
			req.InitContainer = append(req.InitContainer, *c)
		}
	}
	for i, c := range sidecars {
		sidecar(c, i, len(sidecars), b.pod.Spec.RestartPolicy)
		req.Container = append(req.Container, *c)
	}
	return nil
}

// sysctls sets the kernel parameters that ECI calls safe and unsafe, each in its place and
// with dots between its words: Kubernetes takes slashes as well.
func (b *builder) sysctls(req *eci.CreateRequest) {
	if b.pod.Spec.SecurityContext == nil {
		return
	}
	add := func(context **eci.GroupSecurityContext, s corev1.Sysctl) {
		if *context == nil {
			*context = &eci.GroupSecurityContext{}
		}
		(*context).Sysctl = append((*context).Sysctl, eci.Sysctl{Name: sysctl.NormalizeName(s.Name), Value: s.Value})
	}
	for _, s := range b.pod.Spec.SecurityContext.Sysctls {
		if placement.IsSafeSysctl(s.Name) {
			add(&req.SecurityContext, s)
		} else {
			add(&req.HostSecurityContext, s)
		}
	}
}

func gib(bytes float64) float64 { return bytes / (1 << 30) }

// milli rounds up to three decimals, which is what ECI reads.
func milli(v float64) float64 { return math.Ceil(v*1000-1e-6) / 1000 }

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
