package collectors

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unique"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/placement"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// labelACS marks a pod of ACK's compute service on a virtual node: it has no ECI group.
const labelACS = "alibabacloud.com/acs"

// Pods watches the pods.
func Pods(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return &watcher[fleet.Pod]{
		kind: "pods", scope: scope, client: client, probe: probe, every: buildEvery,
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.CoreV1().Pods(namespace).List(ctx, o)
		},
		watch: func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
			return client.CoreV1().Pods(namespace).Watch(ctx, o)
		},
		convert: func(o runtime.Object) *fleet.Pod { return podRecord(o.(*corev1.Pod)) },
		compare: func(a, b *fleet.Pod) int {
			if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
				return c
			}
			return strings.Compare(a.Name, b.Name)
		},
		equal: func(a, b *fleet.Pod) bool { return a.UID == b.UID && a.ResourceVersion == b.ResourceVersion },
		part: func(items []*fleet.Pod, namespaces []string) fleet.Part {
			return fleet.Pods{Items: items, Sorted: true, Namespace: scope.Namespace, Namespaces: namespaces}
		},
	}
}

// intern makes equal strings share their memory: 100,000 pods have few different node,
// namespace, workload and container names.
func intern(s string) string { return unique.Make(s).Value() }

// podRecord makes the compact record. Status, Restarts and the ready counts are computed as
// kubectl's printer does (kubernetes/pkg/printers/internalversion/printers.go, printPod).
func podRecord(p *corev1.Pod) *fleet.Pod {
	r := &fleet.Pod{
		UID: string(p.UID), Namespace: intern(p.Namespace), Name: p.Name, ResourceVersion: p.ResourceVersion,
		NodeName: intern(p.Spec.NodeName), Workload: workloadOf(p), InstanceID: p.Annotations[eci.AnnotationInstanceID],
		ACS: p.Labels[labelACS] == "true", Phase: intern(string(p.Status.Phase)), IP: p.Status.PodIP,
		Created: p.CreationTimestamp.Time,
	}
	if at, err := time.Parse(time.RFC3339, p.Annotations[burst.AnnotationSince]); err == nil {
		r.Burst = at
	}
	if p.Status.StartTime != nil {
		r.Started = p.Status.StartTime.Time
	}
	if p.DeletionTimestamp != nil {
		r.Deleting = p.DeletionTimestamp.Time
	}
	for i := range p.Spec.Containers {
		r.Containers = append(r.Containers, intern(p.Spec.Containers[i].Name))
	}
	for i := range p.Spec.InitContainers {
		r.InitContainers = append(r.InitContainers, intern(p.Spec.InitContainers[i].Name))
	}
	requests := burst.Requests(p)
	r.RequestCPU, r.RequestMemory, r.Asked = requests.Cpu().MilliValue(), requests.Memory().Value(), askOf(p)
	s := printed(p)
	r.Status, r.ReadyContainers, r.TotalContainers, r.Restarts = intern(s.status), s.ready, s.total, s.restarts
	r.Reason = podReason(p)
	r.Changed = lastChange(&p.Status)
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == corev1.PodReady && c.Status == corev1.ConditionFalse {
			r.Unready = c.LastTransitionTime.Time
		}
	}
	return r
}

// askOf is the size that the pod asks of ECI. The sizes differ by region only in what a request
// is rounded up to, which is not in it.
func askOf(p *corev1.Pod) fleet.Ask {
	size, _ := placement.SizeOf(p, "") // what no size holds asks for it all the same
	ask := fleet.Ask{CPU: size.CPU, Memory: size.Memory, Disk: int(size.Disk)}
	if len(size.InstanceTypes) > 0 {
		ask.CPU, ask.Memory = size.Billed.CPU, size.Billed.Memory
		ask.Open = size.Billed == spec.Spec{}
	}
	if math.IsInf(ask.CPU+ask.Memory, 0) {
		return fleet.Ask{}
	}
	return ask
}

// lastChange is when a condition or a container last changed; zero when none says.
func lastChange(s *corev1.PodStatus) time.Time {
	var last time.Time
	later := func(t metav1.Time) {
		if t.After(last) {
			last = t.Time
		}
	}
	for i := range s.Conditions {
		later(s.Conditions[i].LastTransitionTime)
	}
	for i := range s.ContainerStatuses {
		switch state := &s.ContainerStatuses[i].State; {
		case state.Running != nil:
			later(state.Running.StartedAt)
		case state.Terminated != nil:
			later(state.Terminated.FinishedAt)
		}
	}
	return last
}

// workloadOf is the pod's topmost owner as far as the pod itself tells: a ReplicaSet whose
// name ends in the pod's template hash is a Deployment's.
func workloadOf(p *corev1.Pod) fleet.Owner {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return fleet.Owner{}
	}
	kind, name := owner.Kind, owner.Name
	if hash := p.Labels["pod-template-hash"]; kind == "ReplicaSet" && hash != "" {
		if deployment, ok := strings.CutSuffix(name, "-"+hash); ok {
			kind, name = "Deployment", deployment
		}
	}
	return fleet.Owner{Kind: intern(kind), Name: intern(name)}
}

// podReason is the sentence behind a status that is not fine: the scheduler's, the
// kubelet's, or the first container's that does not run.
func podReason(p *corev1.Pod) string {
	if p.Status.Message != "" || p.Status.Reason != "" {
		return joined(p.Status.Reason, p.Status.Message)
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			before := ""
			if t := c.LastTerminationState.Terminated; t != nil && !c.Ready && t.ExitCode != 0 {
				before = fmt.Sprintf("ended last time with %s", joined(t.Reason, fmt.Sprintf("exit code %d", t.ExitCode)))
			}
			switch w, t := c.State.Waiting, c.State.Terminated; {
			case w != nil && w.Message != "" && before != "":
				return fmt.Sprintf("container %s %s; %s", c.Name, before, w.Message)
			case w != nil && w.Message != "":
				return fmt.Sprintf("container %s: %s", c.Name, w.Message)
			case t != nil && t.ExitCode != 0:
				return fmt.Sprintf("container %s: %s", c.Name, joined(t.Reason, fmt.Sprintf("exit code %d", t.ExitCode)))
			case before != "":
				return fmt.Sprintf("container %s %s", c.Name, before)
			}
		}
	}
	return ""
}

func joined(reason, message string) string {
	if reason == "" || message == "" {
		return reason + message
	}
	return reason + ": " + message
}

// A printout is what kubectl prints of a pod.
type printout struct {
	status                 string
	ready, total, restarts int
}

func printed(p *corev1.Pod) printout {
	out := printout{status: string(p.Status.Phase), total: len(p.Spec.Containers)}
	if p.Status.Reason != "" {
		out.status = p.Status.Reason
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonSchedulingGated {
			out.status = corev1.PodReasonSchedulingGated
		}
	}
	sidecars := map[string]bool{}
	for i := range p.Spec.InitContainers {
		if policy := p.Spec.InitContainers[i].RestartPolicy; policy != nil && *policy == corev1.ContainerRestartPolicyAlways {
			sidecars[p.Spec.InitContainers[i].Name] = true
			out.total++
		}
	}
	sidecarRestarts, initializing := 0, false
	for i := range p.Status.InitContainerStatuses {
		c := &p.Status.InitContainerStatuses[i]
		out.restarts += int(c.RestartCount)
		if sidecars[c.Name] {
			sidecarRestarts += int(c.RestartCount)
		}
		if t := c.State.Terminated; t != nil && t.ExitCode == 0 {
			continue
		}
		if sidecars[c.Name] && c.Started != nil && *c.Started {
			if c.Ready {
				out.ready++
			}
			continue
		}
		initializing = true
		switch t, w := c.State.Terminated, c.State.Waiting; {
		case t != nil:
			out.status = "Init:" + ended(t)
		case w != nil && w.Reason != "" && w.Reason != "PodInitializing":
			out.status = "Init:" + w.Reason
		default:
			out.status = fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
		}
		break
	}
	if !initializing || condition(p, corev1.PodInitialized) {
		out.restarts = sidecarRestarts
		running, failed := false, ""
		for i := len(p.Status.ContainerStatuses) - 1; i >= 0; i-- {
			c := &p.Status.ContainerStatuses[i]
			out.restarts += int(c.RestartCount)
			switch t, w := c.State.Terminated, c.State.Waiting; {
			case w != nil && w.Reason != "":
				out.status = w.Reason
			case t != nil:
				out.status = ended(t)
				if t.ExitCode != 0 {
					failed = out.status
				}
			case c.Ready && c.State.Running != nil:
				running = true
				out.ready++
			}
		}
		if out.status == "Completed" {
			switch {
			case running && condition(p, corev1.PodReady):
				out.status = "Running"
			case failed != "":
				out.status = failed
			case running:
				out.status = "NotReady"
			}
		}
	}
	if p.DeletionTimestamp != nil {
		switch terminal := p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded; {
		case p.Status.Reason == "NodeLost":
			out.status = "Unknown"
		case !terminal:
			out.status = "Terminating"
		}
	}
	return out
}

// ended is the word for a container that terminated.
func ended(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
