package provider

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// Reasons that a pod's status carries beside Kubernetes' own.
const (
	ReasonNoStock      = "NoStock"
	ReasonNotSupported = "NotSupported"
	ReasonGroupGone    = "GroupGone"
	ReasonSpotReleased = "BidFailed" // ACK's word for a reclaimed spot group
)

// ConditionGroupVisible is a pod condition: False while ECI's answers do not show the pod's
// group and nothing proves that it is gone. The pod keeps its phase and its readiness.
const ConditionGroupVisible corev1.PodConditionType = "ecideck.io/GroupVisible"

// killedExitCode is what the kubelet reports for a container whose end nobody saw.
const killedExitCode = 137

// Status computes a pod's status from its group. pod carries the previous status, of which
// everything that is not ours stays: conditions of others, PodScheduled, qosClass. A nil
// group means that there is none yet. Times of conditions change only with the condition.
// The rules are the kubelet's where ECI leaves a choice.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
func Status(pod *corev1.Pod, group *eci.Group, now time.Time) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.ObservedGeneration = pod.Generation
	if finished(status.Phase) {
		return status // terminal is final
	}
	if group == nil {
		group = &eci.Group{Status: eci.Scheduling}
	}
	if status.StartTime == nil {
		start := metav1.NewTime(now.Truncate(time.Second))
		status.StartTime = &start
	}
	if group.IP != "" {
		status.PodIP, status.PodIPs = group.IP, []corev1.PodIP{{IP: group.IP}}
		// A group is its own host; ACK's virtual nodes report the same.
		status.HostIP, status.HostIPs = group.IP, []corev1.HostIP{{IP: group.IP}}
	}
	status.Phase, status.Reason, status.Message = phase(pod, withoutSidecars(pod, group))

	initDone := true
	previousInit := status.InitContainerStatuses
	status.InitContainerStatuses = nil
	ready := true
	var unready []string
	for i := range pod.Spec.InitContainers {
		spec := &pod.Spec.InitContainers[i]
		seen := find(group.InitContainers, spec.Name)
		if isSidecar(spec) {
			seen = find(group.Containers, spec.Name) // ECI runs it beside the others
		}
		c := containerStatus(spec, seen, previous(previousInit, spec.Name), pod, group, status.Phase, "PodInitializing")
		switch t := c.State.Terminated; {
		case isSidecar(spec):
			initDone = initDone && c.State.Waiting == nil
			if !c.Ready {
				ready = false
				unready = append(unready, spec.Name)
			}
		default:
			c.Ready = t != nil && t.ExitCode == 0
			initDone = initDone && c.Ready
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, c)
	}
	waiting := "ContainerCreating"
	if len(pod.Spec.InitContainers) > 0 && !initDone {
		waiting = "PodInitializing"
	}
	previousContainers := status.ContainerStatuses
	status.ContainerStatuses = nil
	for i := range pod.Spec.Containers {
		name := pod.Spec.Containers[i].Name
		c := containerStatus(&pod.Spec.Containers[i], find(group.Containers, name), previous(previousContainers, name), pod, group, status.Phase, waiting)
		if !c.Ready {
			ready = false
			unready = append(unready, name)
		}
		status.ContainerStatuses = append(status.ContainerStatuses, c)
	}
	setConditions(&status, pod, group, initDone, ready, unready, now)
	return status
}

func finished(p corev1.PodPhase) bool { return p == corev1.PodSucceeded || p == corev1.PodFailed }

// phase maps the group's status. https://help.aliyun.com/zh/eci/user-guide/lifecycle-of-an-elastic-container-instance
func phase(pod *corev1.Pod, group *eci.Group) (p corev1.PodPhase, reason, message string) {
	switch group.Status {
	case eci.Running:
		return corev1.PodRunning, "", ""
	case eci.Succeeded:
		return corev1.PodSucceeded, "", ""
	case eci.Failed:
		reason, message = lastWarning(group)
		if d := pod.Spec.ActiveDeadlineSeconds; d != nil && pod.Status.StartTime != nil && !group.Failed.IsZero() &&
			group.Failed.Sub(pod.Status.StartTime.Time) >= time.Duration(*d)*time.Second {
			return corev1.PodFailed, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
		}
		return corev1.PodFailed, reason, message
	case eci.Expired:
		return corev1.PodFailed, ReasonSpotReleased, "the group " + group.ID + " was a spot instance and has been released" + at(group.Expired)
	case eci.ScheduleFailed:
		// Not the pod's end: the next attempt may find stock.
		reason, message = lastWarning(group)
		if reason == "" {
			reason, message = ReasonNoStock, "ECI could not place the group; it is tried again"
		}
		return corev1.PodPending, reason, message
	case eci.Terminating:
		if len(group.Containers) > 0 && allEnded(group) {
			if p := endPhase(group); p != "" {
				return p, "", ""
			}
		}
		return running(pod), "", ""
	case eci.Restarting, eci.Updating:
		return running(pod), string(group.Status), "the container group is " + strings.ToLower(string(group.Status))
	}
	if group.Status == eci.Scheduling {
		reason, message = lastWarning(group)
	}
	return running(pod), reason, message
}

// running keeps a pod that ran in that phase: a pod never goes back to Pending.
func running(pod *corev1.Pod) corev1.PodPhase {
	if pod.Status.Phase == corev1.PodRunning {
		return corev1.PodRunning
	}
	return corev1.PodPending
}

func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " at " + t.UTC().Format(time.RFC3339)
}

// withoutSidecars is the group without the pod's sidecars and ours, which don't decide its phase.
func withoutSidecars(pod *corev1.Pod, group *eci.Group) *eci.Group {
	own := *group
	own.Containers = slices.DeleteFunc(slices.Clone(group.Containers), func(c eci.Container) bool {
		return c.Name == proxyName || slices.ContainsFunc(pod.Spec.InitContainers, func(i corev1.Container) bool { return i.Name == c.Name && isSidecar(&i) })
	})
	return &own
}

func allEnded(group *eci.Group) bool {
	for i := range group.Containers {
		if group.Containers[i].Current.State != "Terminated" {
			return false
		}
	}
	return true
}

// contradictory tells that the group has ended and a container of it runs.
func contradictory(group *eci.Group) bool {
	return group.Status.Ended() && slices.ContainsFunc(group.Containers, func(c eci.Container) bool { return c.Current.State == "Running" })
}

func endPhase(group *eci.Group) corev1.PodPhase {
	for i := range group.Containers {
		if group.Containers[i].Current.ExitCode != 0 {
			return corev1.PodFailed
		}
	}
	return corev1.PodSucceeded
}

// lastWarning is ECI's own newest reason, such as NoStock.
func lastWarning(group *eci.Group) (reason, message string) {
	var newest *eci.Event
	for i := range group.Events {
		e := &group.Events[i]
		if e.Type == corev1.EventTypeWarning && !strings.EqualFold(e.Reason, "BackOff") && (newest == nil || !e.Last.Before(newest.Last)) {
			newest = e
		}
	}
	if newest == nil {
		return "", ""
	}
	return strings.TrimPrefix(newest.Reason, "ContainerGroup."), newest.Message
}

func find(list []eci.Container, name string) *eci.Container {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func previous(list []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func containerStatus(spec *corev1.Container, seen *eci.Container, before *corev1.ContainerStatus, pod *corev1.Pod, group *eci.Group,
	phase corev1.PodPhase, waiting string) corev1.ContainerStatus {
	out := corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, ImageID: ""}
	if before != nil {
		out.RestartCount, out.LastTerminationState = before.RestartCount, before.LastTerminationState
		out.ContainerID, out.ImageID = before.ContainerID, before.ImageID
	}
	switch {
	case seen != nil && seen.Current.State != "":
		out.RestartCount = max(out.RestartCount, seen.RestartCount)
		out.State = containerState(&seen.Current, waiting, group, spec.Name, out.RestartCount)
		if last := containerState(&seen.Previous, waiting, group, spec.Name, out.RestartCount-1); last.Terminated != nil {
			out.LastTerminationState = last
		}
		out.Ready = seen.Ready && out.State.Running != nil
	case before != nil && (before.State.Running != nil || before.State.Terminated != nil) && group.Status != eci.Restarting:
		// An answer without this container says nothing about it.
		out.State, out.Ready = before.State, before.Ready
	default:
		out.State.Waiting = &corev1.ContainerStateWaiting{Reason: waiting}
	}
	if before != nil && before.State.Terminated != nil && neverAgain(pod, before.State.Terminated) && out.State.Terminated == nil {
		out.State, out.Ready = before.State, false // the API server refuses terminated → running
	}
	if finished(phase) && out.State.Terminated == nil {
		out.State, out.Ready = ended(out.State, phase, group), false
	}
	if out.State.Running != nil || out.State.Terminated != nil {
		out.ContainerID, out.ImageID = containerID(group.ID, spec.Name, out.RestartCount), spec.Image
	}
	started := out.State.Running != nil
	out.Started = &started
	return out
}

// containerID names one run of a container; ECI gives none, and a restart must change it.
func containerID(group, container string, run int32) string {
	return fmt.Sprintf("eci://%s/%s/%d", group, container, max(run, 0))
}

// neverAgain tells that a container that ended like this stays ended.
func neverAgain(pod *corev1.Pod, end *corev1.ContainerStateTerminated) bool {
	switch pod.Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return true
	case corev1.RestartPolicyOnFailure:
		return end.ExitCode == 0
	}
	return false
}

// ended is the end of a container that nobody saw.
func ended(state corev1.ContainerState, phase corev1.PodPhase, group *eci.Group) corev1.ContainerState {
	end := &corev1.ContainerStateTerminated{Reason: "Completed"}
	if t := group.Ended(); !t.IsZero() {
		end.FinishedAt = seconds(t)
	}
	if phase == corev1.PodFailed {
		end.Reason, end.ExitCode = "ContainerStatusUnknown", killedExitCode
		end.Message = "The container group ended before the container's own end was seen"
	}
	if state.Running != nil {
		end.StartedAt = state.Running.StartedAt
	}
	return corev1.ContainerState{Terminated: end}
}

func containerState(s *eci.ContainerState, waiting string, group *eci.Group, name string, run int32) corev1.ContainerState {
	switch s.State {
	case "Running":
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: seconds(s.Started)}}
	case "Terminated":
		reason := s.Reason
		if reason == "" {
			reason = "Completed"
			if s.ExitCode != 0 {
				reason = "Error"
			}
		}
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: s.ExitCode, Signal: s.Signal, Reason: reason, Message: s.Message,
			StartedAt: seconds(s.Started), FinishedAt: seconds(s.Finished), ContainerID: containerID(group.ID, name, run),
		}}
	case "":
		return corev1.ContainerState{}
	}
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: waitingReason(s, waiting), Message: s.Message}}
}

// waitingReason is Kubernetes' word for why a container waits; ECI sometimes has it in the
// message only ("Back-off 5m0s restarting failed container=…").
func waitingReason(s *eci.ContainerState, otherwise string) string {
	text := strings.ToLower(s.Reason + " " + s.DetailStatus + " " + s.Message)
	switch {
	case strings.Contains(text, "crashloopbackoff"), strings.Contains(text, "restarting failed container"):
		return "CrashLoopBackOff"
	case strings.Contains(text, "imagepullbackoff"), strings.Contains(text, "back-off pulling image"):
		return "ImagePullBackOff"
	case strings.Contains(text, "errimagepull"), strings.Contains(text, "failed to pull image"):
		return "ErrImagePull"
	case s.Reason != "":
		return s.Reason
	}
	return otherwise
}

// seconds cuts a time as Kubernetes stores it, so that an unchanged status compares equal.
func seconds(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }

// setConditions writes the kubelet's four conditions and leaves all others.
func setConditions(status *corev1.PodStatus, pod *corev1.Pod, group *eci.Group, initDone, ready bool, unready []string, now time.Time) {
	set := func(kind corev1.PodConditionType, on bool, reason, message string) {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, ObservedGeneration: pod.Generation,
			LastTransitionTime: seconds(now), Reason: reason, Message: message}
		if on {
			c.Status = corev1.ConditionTrue
		}
		setCondition(status, c)
	}
	sandbox := group.IP != "" && !finished(status.Phase)
	if !sandbox && status.Phase == corev1.PodRunning {
		sandbox = true // an answer without the address
	}
	set(corev1.PodReadyToStartContainers, sandbox, "", "")
	switch {
	case initDone, status.Phase == corev1.PodSucceeded:
		reason := ""
		if status.Phase == corev1.PodSucceeded {
			reason = "PodCompleted"
		}
		set(corev1.PodInitialized, true, reason, "")
	default:
		set(corev1.PodInitialized, false, "ContainersNotInitialized", "containers with incomplete status: "+incomplete(status))
	}
	switch status.Phase {
	case corev1.PodSucceeded:
		set(corev1.ContainersReady, false, "PodCompleted", "")
		set(corev1.PodReady, false, "PodCompleted", "")
		return
	case corev1.PodFailed:
		set(corev1.ContainersReady, false, "PodFailed", "")
		set(corev1.PodReady, false, "PodFailed", "")
		return
	}
	if !ready {
		text := "containers with unready status: [" + strings.Join(unready, " ") + "]"
		set(corev1.ContainersReady, false, "ContainersNotReady", text)
		set(corev1.PodReady, false, "ContainersNotReady", text)
		return
	}
	set(corev1.ContainersReady, true, "", "")
	for _, gate := range pod.Spec.ReadinessGates {
		if c := condition(status, gate.ConditionType); c == nil || c.Status != corev1.ConditionTrue {
			set(corev1.PodReady, false, "ReadinessGatesNotReady", fmt.Sprintf("the readiness gate %q is not true", gate.ConditionType))
			return
		}
	}
	set(corev1.PodReady, true, "", "")
}

func incomplete(status *corev1.PodStatus) string {
	var names []string
	for _, c := range status.InitContainerStatuses {
		if c.State.Terminated == nil || c.State.Terminated.ExitCode != 0 {
			names = append(names, c.Name)
		}
	}
	return "[" + strings.Join(names, " ") + "]"
}

func condition(status *corev1.PodStatus, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range status.Conditions {
		if status.Conditions[i].Type == kind {
			return &status.Conditions[i]
		}
	}
	return nil
}

// setCondition keeps the transition time of a condition whose status did not change:
// minReadySeconds counts from it.
func setCondition(status *corev1.PodStatus, c corev1.PodCondition) {
	old := condition(status, c.Type)
	if old == nil {
		status.Conditions = append(status.Conditions, c)
		return
	}
	if old.Status == c.Status && !old.LastTransitionTime.IsZero() {
		c.LastTransitionTime = old.LastTransitionTime
	}
	c.LastProbeTime = old.LastProbeTime
	*old = c
}

// refusedStatus is the status of a pod that can never run here. A bare pod, a Job's or a
// DaemonSet's fails at once; a pod of any other controller waits, because those replace
// failed pods without back-off.
func refusedStatus(pod *corev1.Pod, why *Refusal, now time.Time) corev1.PodStatus {
	status := waitingStatus(pod, ReasonNotSupported, why.Error(), now)
	if failsWhenRefused(pod) && !finished(status.Phase) {
		// As after a kubelet's refusal: no container was ever made, and kubectl shows the reason.
		status.Phase, status.ContainerStatuses, status.InitContainerStatuses = corev1.PodFailed, nil, nil
		setConditions(&status, pod, &eci.Group{}, false, false, nil, now)
	}
	return status
}

// failsWhenRefused looks at the pod's controller.
func failsWhenRefused(pod *corev1.Pod) bool {
	return metav1.GetControllerOf(pod) == nil || isOwnedBy(pod, "Job") || isOwnedBy(pod, "DaemonSet")
}

// waitingStatus is Pending with a reason, on the pod and on its containers.
func waitingStatus(pod *corev1.Pod, reason, message string, now time.Time) corev1.PodStatus {
	status := Status(pod, nil, now)
	if finished(status.Phase) {
		return status
	}
	status.Reason, status.Message = reason, message
	for i := range status.ContainerStatuses {
		if w := status.ContainerStatuses[i].State.Waiting; w != nil {
			w.Reason, w.Message = reason, message
		}
	}
	if c := condition(&status, corev1.PodReady); c != nil {
		c.Reason, c.Message = reason, message
	}
	return status
}

// failedStatus ends a pod whose containers nobody saw end.
func failedStatus(pod *corev1.Pod, reason, message string, now time.Time) corev1.PodStatus {
	status := Status(pod, &eci.Group{Status: eci.Failed, ID: pod.Annotations[eci.AnnotationInstanceID]}, now)
	if !finished(pod.Status.Phase) {
		status.Reason, status.Message = reason, message
	}
	return status
}
