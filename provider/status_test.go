package provider

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

var statusTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// runningGroup is a healthy group; change makes it what a case is about.
func runningGroup(change ...func(*eci.Group)) *eci.Group {
	g := &eci.Group{ID: "eci-1", Status: eci.Running, IP: "172.16.0.5", Containers: []eci.Container{{
		Name: "main", Image: "x", Ready: true, Current: eci.ContainerState{State: "Running", Started: statusTime.Add(-time.Minute)}}}}
	for _, f := range change {
		f(g)
	}
	return g
}

func status(s eci.Status) func(*eci.Group) { return func(g *eci.Group) { g.Status = s } }

func current(c eci.ContainerState) func(*eci.Group) {
	return func(g *eci.Group) { g.Containers[0].Current, g.Containers[0].Ready = c, false }
}

func TestStatusByGroup(t *testing.T) {
	exit := func(code int32) func(*eci.Group) {
		return current(eci.ContainerState{State: "Terminated", ExitCode: code, Started: statusTime, Finished: statusTime})
	}
	waiting := func(reason, message string) func(*eci.Group) {
		return current(eci.ContainerState{State: "Waiting", Reason: reason, Message: message})
	}
	event := func(reason string) func(*eci.Group) {
		return func(g *eci.Group) {
			g.Events = []eci.Event{{Type: "Warning", Reason: reason, Message: "out of stock", Last: statusTime}}
		}
	}
	for _, c := range []struct {
		name   string
		group  *eci.Group
		was    corev1.PodPhase
		phase  corev1.PodPhase
		reason string
		state  string // of the container, with its reason
		ready  bool
	}{
		{name: "no group yet", phase: corev1.PodPending, state: "ContainerCreating"},
		{name: "scheduling", group: &eci.Group{Status: eci.Scheduling}, phase: corev1.PodPending, state: "ContainerCreating"},
		{name: "scheduling without stock says so", group: &eci.Group{Status: eci.Scheduling, Events: []eci.Event{{Type: "Warning", Reason: "ContainerGroup.NoStock"}}}, phase: corev1.PodPending, reason: "NoStock", state: "ContainerCreating"},
		{name: "schedule failed is not the end", group: &eci.Group{Status: eci.ScheduleFailed}, phase: corev1.PodPending, reason: "NoStock", state: "ContainerCreating"},
		{name: "pulling", group: runningGroup(status(eci.Pending), waiting("", "")), phase: corev1.PodPending, state: "ContainerCreating"},
		{name: "image missing", group: runningGroup(status(eci.Pending), waiting("", `Back-off pulling image "x"`)), phase: corev1.PodPending, state: "ImagePullBackOff"},
		{name: "running", group: runningGroup(), phase: corev1.PodRunning, state: "Running", ready: true},
		{name: "running, not ready", group: runningGroup(func(g *eci.Group) { g.Containers[0].Ready = false }), phase: corev1.PodRunning, state: "Running"},
		{name: "crash loop", group: runningGroup(waiting("", "Back-off 5m0s restarting failed container=main")), phase: corev1.PodRunning, state: "CrashLoopBackOff"},
		{name: "succeeded", group: runningGroup(status(eci.Succeeded), exit(0)), phase: corev1.PodSucceeded, state: "Completed"},
		{name: "failed", group: runningGroup(status(eci.Failed), exit(7)), phase: corev1.PodFailed, state: "Error"},
		{name: "failed without a container's end", group: runningGroup(status(eci.Failed)), phase: corev1.PodFailed, state: "ContainerStatusUnknown"},
		{name: "failed with a reason of ECI", group: runningGroup(status(eci.Failed), exit(1), event("OOMKilled")), phase: corev1.PodFailed, reason: "OOMKilled", state: "Error"},
		{name: "spot reclaimed", group: runningGroup(status(eci.Expired)), phase: corev1.PodFailed, reason: ReasonSpotReleased, state: "ContainerStatusUnknown"},
		{name: "a restart keeps the phase", group: runningGroup(status(eci.Restarting), waiting("", "")), was: corev1.PodRunning, phase: corev1.PodRunning, reason: "Restarting", state: "ContainerCreating"},
		{name: "terminating, still running", group: runningGroup(status(eci.Terminating)), was: corev1.PodRunning, phase: corev1.PodRunning, state: "Running", ready: true},
		{name: "terminating, all ended", group: runningGroup(status(eci.Terminating), exit(0)), was: corev1.PodRunning, phase: corev1.PodSucceeded, state: "Completed"},
		{name: "a group without containers does not panic", group: &eci.Group{Status: eci.Failed}, phase: corev1.PodFailed, state: "ContainerStatusUnknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := healthyPod("web", func(p *corev1.Pod) {
				if c.was != "" {
					p.Status.Phase = c.was
				}
			})
			got := Status(pod, c.group, statusTime)
			state := got.ContainerStatuses[0].State
			word := "Running"
			if state.Waiting != nil {
				word = state.Waiting.Reason
			}
			if state.Terminated != nil {
				word = state.Terminated.Reason
			}
			isReady := condition(&got, corev1.PodReady).Status == corev1.ConditionTrue
			if got.Phase != c.phase || got.Reason != c.reason || word != c.state || isReady != c.ready {
				t.Errorf("got %s %q, container %s, ready %v", got.Phase, got.Reason, word, isReady)
			}
			if finished(got.Phase) && state.Terminated == nil {
				t.Error("an ended pod has a container that did not end")
			}
		})
	}
}

func TestStatusKeepsWhatIsNotOurs(t *testing.T) {
	foreign := corev1.PodCondition{Type: "example.com/gate", Status: corev1.ConditionFalse, Reason: "Theirs"}
	pod := healthyPod("web", func(p *corev1.Pod) {
		p.Generation = 3
		p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.com/gate"}}
		p.Status.Conditions = append(p.Status.Conditions, foreign)
	})
	got := Status(pod, runningGroup(), statusTime)
	if diff := cmp.Diff(foreign, *condition(&got, "example.com/gate")); diff != "" {
		t.Error(diff)
	}
	if condition(&got, corev1.PodScheduled) == nil || got.QOSClass != corev1.PodQOSBestEffort || got.ObservedGeneration != 3 {
		t.Errorf("status %+v", got)
	}
	if c := condition(&got, corev1.PodReady); c.Status != corev1.ConditionFalse || c.Reason != "ReadinessGatesNotReady" {
		t.Errorf("a pod whose gate is closed is ready: %+v", c)
	}
	condition(&pod.Status, "example.com/gate").Status = corev1.ConditionTrue
	if got := Status(pod, runningGroup(), statusTime); condition(&got, corev1.PodReady).Status != corev1.ConditionTrue {
		t.Error("a pod whose gate is open is not ready")
	}
}

func TestReadySinceStaysWhileThePodIsReady(t *testing.T) {
	pod := healthyPod("web")
	pod.Status = Status(pod, runningGroup(), statusTime)
	later := Status(pod, runningGroup(), statusTime.Add(time.Hour))
	if diff := cmp.Diff(pod.Status, later); diff != "" {
		t.Errorf("an unchanged group changed the status: %s", diff)
	}
	if since := condition(&later, corev1.PodReady).LastTransitionTime; !since.Time.Equal(statusTime) {
		t.Errorf("ready since %v: minReadySeconds counts from it", since)
	}
}

func TestAnEndedContainerDoesNotRunAgain(t *testing.T) {
	pod := healthyPod("job", func(p *corev1.Pod) {
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", RestartCount: 2, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, FinishedAt: metav1.NewTime(statusTime)}}}}
	})
	got := Status(pod, runningGroup(), statusTime).ContainerStatuses[0]
	if got.State.Terminated == nil || got.State.Terminated.ExitCode != 3 || got.RestartCount != 2 || got.Ready {
		t.Errorf("the API server refuses this: %+v", got)
	}
}

func TestAnEndedPodStaysAsItEnded(t *testing.T) {
	pod := healthyPod("job")
	pod.Status = Status(pod, runningGroup(status(eci.Failed)), statusTime)
	if diff := cmp.Diff(pod.Status, Status(pod, runningGroup(), statusTime.Add(time.Minute))); diff != "" {
		t.Error(diff)
	}
}

func TestAnAnswerWithoutContainersOrAddressForgetsNothing(t *testing.T) {
	pod := healthyPod("web")
	pod.Status = Status(pod, runningGroup(func(g *eci.Group) { g.Containers[0].RestartCount = 4 }), statusTime)
	got := Status(pod, &eci.Group{ID: "eci-1", Status: eci.Running}, statusTime)
	if got.PodIP != "172.16.0.5" || got.ContainerStatuses[0].RestartCount != 4 || got.ContainerStatuses[0].State.Running == nil {
		t.Errorf("status %+v", got)
	}
}

func TestAPodThatRanNeverGoesBackToPending(t *testing.T) {
	for _, s := range []eci.Status{eci.Pending, eci.Scheduling, eci.Restarting, eci.Updating, "", "New"} {
		pod := healthyPod("web")
		pod.Status = Status(pod, runningGroup(), statusTime)
		if got := Status(pod, runningGroup(status(s)), statusTime); got.Phase != corev1.PodRunning {
			t.Errorf("group %q: pod %s", s, got.Phase)
		}
	}
}

func TestAnEndThatNobodySawHasTheGroupsTime(t *testing.T) {
	pod := healthyPod("job", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever })
	pod.Status = Status(pod, runningGroup(), statusTime)
	end := statusTime.Add(time.Minute)
	got := Status(pod, &eci.Group{ID: "eci-1", Status: eci.Succeeded, Succeeded: end}, end).ContainerStatuses[0].State.Terminated
	if got == nil || !got.FinishedAt.Time.Equal(end) {
		t.Errorf("ended %+v", got)
	}
}

func TestASidecarIsReportedAsAnInitContainerThatRuns(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := healthyPod("web", func(p *corev1.Pod) {
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		p.Spec.InitContainers = []corev1.Container{{Name: "proxy", Image: "p", RestartPolicy: &always}}
	})
	proxy := func(ready bool, c eci.ContainerState) func(*eci.Group) {
		return func(g *eci.Group) {
			g.Containers = append(g.Containers, eci.Container{Name: "proxy", Ready: ready, Current: c})
		}
	}
	running := eci.ContainerState{State: "Running", Started: statusTime}
	killed := eci.ContainerState{State: "Terminated", ExitCode: 137, Started: statusTime, Finished: statusTime}
	done := current(eci.ContainerState{State: "Terminated", Started: statusTime, Finished: statusTime})
	for _, c := range []struct {
		name               string
		group              *eci.Group
		phase              corev1.PodPhase
		initialized, ready corev1.ConditionStatus
	}{
		{"it runs", runningGroup(proxy(true, running)), corev1.PodRunning, corev1.ConditionTrue, corev1.ConditionTrue},
		{"it is not ready", runningGroup(proxy(false, running)), corev1.PodRunning, corev1.ConditionTrue, corev1.ConditionFalse},
		{"it has not started", runningGroup(proxy(false, eci.ContainerState{State: "Waiting"})), corev1.PodRunning, corev1.ConditionFalse, corev1.ConditionFalse},
		{"it is killed after the Job's container", runningGroup(status(eci.Succeeded), done, proxy(false, killed)), corev1.PodSucceeded, corev1.ConditionTrue, corev1.ConditionFalse},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Status(pod, c.group, statusTime)
			initialized, ready := condition(&got, corev1.PodInitialized), condition(&got, corev1.PodReady)
			if got.Phase != c.phase || initialized.Status != c.initialized || ready.Status != c.ready || len(got.InitContainerStatuses) != 1 || len(got.ContainerStatuses) != 1 {
				t.Errorf("phase %s, initialized %s, ready %s, %+v", got.Phase, initialized.Status, ready.Status, got.InitContainerStatuses)
			}
		})
	}
}
