package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/burst"
)

// scaled is a Deployment of three ready pods that nothing is wrong with, and what a test
// changes about it.
type scaled struct {
	world
	object  *Controller
	sets    []*Controller
	scaler  *Autoscaler
	cron    bool // a CronHPA targets it too
	budgets []*Budget

	nodeGroups []NodeGroup
	events     []*Event
}

func threeReady() *scaled {
	s := &scaled{world: *healthy(), object: &Controller{Kind: "Deployment", Namespace: "shop", Name: "web", Labels: "app=web",
		Desired: 3, Current: 3, Updated: 3, Ready: 3, Available: 3, Observed: true}}
	s.pods, s.groups = nil, nil
	for i := range 3 {
		p := ecsPod(fmt.Sprint("web-", i))
		p.Workload = Owner{"Deployment", "web"}
		s.pods = append(s.pods, p)
	}
	return s
}

func (s *scaled) pending(i int, minutes int, reason string) *Pod {
	p := s.pods[i]
	p.NodeName, p.Phase, p.Status, p.ReadyContainers, p.Reason = "", "Pending", "Pending", 0, reason
	p.Created = noon.Add(-time.Duration(minutes) * time.Minute)
	return p
}

func (s *scaled) onECI(i int, minutes int, reason string) *Pod {
	p := s.pending(i, minutes, reason)
	p.NodeName, p.InstanceID = "virtual-1", ""
	return p
}

func (s *scaled) build() *Workload {
	in := s.inputs(1)
	in.Apply(Controllers{Kind: "Deployment", Items: []*Controller{s.object}})
	in.Apply(Controllers{Kind: "ReplicaSet", Items: s.sets})
	if s.scaler != nil {
		s.scaler.Namespace, s.scaler.Target = "shop", Owner{"Deployment", "web"}
		in.Apply(Autoscalers{Kind: s.scaler.Kind, Items: []*Autoscaler{s.scaler}})
	}
	if s.cron {
		in.Apply(Autoscalers{Kind: KindCron, Items: []*Autoscaler{{Kind: KindCron, Namespace: "shop", Name: "night", Target: Owner{"Deployment", "web"}}}})
	}
	in.Apply(NodeGroups{Items: s.nodeGroups})
	if s.events != nil {
		in.Apply(Events{Items: s.events})
	}
	in.Apply(Budgets{Items: s.budgets})
	return Build(in, noon, nil).Workload("shop", "Deployment", "web")
}

func TestWhyAWorkloadScalesOrDoesNot(t *testing.T) {
	const unfit = "0/24 nodes are available: 21 Insufficient cpu, 3 node(s) were unschedulable. preemption: 0/24 nodes are available: 24 No preemption victims found."
	tests := []struct {
		name   string
		change func(*scaled)
		state  ScalingState
		layer  Layer
		line   string
		reason string // part of it
		since  time.Time
	}{
		{"it has what it wants", func(*scaled) {}, ScalingSteady, "", "3 | 3 ready", "", time.Time{}},
		{"its object is not known", func(s *scaled) { s.object.Name = "another" }, ScalingUnknown, "", "3 pods, how many are wanted is not known | 3 ready", "", time.Time{}},
		{"no node fits, for long", func(s *scaled) { s.pending(0, 6, unfit) }, ScalingStuck, LayerSchedule,
			"3 | 2 ready, 1 not: 1 × insufficient cpu", "no node fits (24 nodes: 21 insufficient cpu, 3 unschedulable)", noon.Add(-6 * time.Minute)},
		{"no node fits, since just now", func(s *scaled) { s.pending(0, 1, unfit) }, ScalingMoving, LayerSchedule,
			"3 | 2 ready, 1 not: 1 × insufficient cpu", "no node fits", noon.Add(-time.Minute)},
		{"taints of virtual nodes are not the reason while there is another", func(s *scaled) {
			s.pending(0, 6, "0/5 nodes are available: 4 node(s) had untolerated taint(s), 1 Too many pods.")
		}, ScalingStuck, LayerSchedule, "3 | 2 ready, 1 not: 1 × too many pods", "", noon.Add(-6 * time.Minute)},
		{"ECI has no stock", func(s *scaled) { s.onECI(0, 5, "OperationDenied.NoStock: sold out") }, ScalingStuck, LayerProvider,
			"3 | 2 ready, 1 not: 1 × NoStock", "sold out", noon.Add(-5 * time.Minute)},
		{"the account's quota is used up", func(s *scaled) { s.onECI(0, 5, "QuotaExceeded: vcpu quota") }, ScalingStuck, LayerProvider,
			"3 | 2 ready, 1 not: 1 × quota", "QuotaExceeded", noon.Add(-5 * time.Minute)},
		{"scheduling comes before the provider", func(s *scaled) {
			s.onECI(0, 9, "OperationDenied.NoStock")
			s.pending(1, 5, unfit)
		}, ScalingStuck, LayerSchedule, "3 | 1 ready, 2 not: 1 × insufficient cpu, 1 × NoStock", "no node fits", noon.Add(-5 * time.Minute)},
		{"its pods can't even be made", func(s *scaled) {
			s.pods = s.pods[:1]
			s.sets = []*Controller{{Kind: "ReplicaSet", Namespace: "shop", Name: "web-1", Owner: Owner{"Deployment", "web"}, Desired: 3,
				Failure: Condition{Status: "True", Reason: "FailedCreate", Message: "exceeded quota: compute", Since: noon.Add(-3 * time.Minute)}}}
		}, ScalingStuck, LayerCreate, "1→3 | 1 ready: FailedCreate", "exceeded quota: compute", noon.Add(-3 * time.Minute)},
		{"its autoscaler can't read its metric", func(s *scaled) {
			s.scaler = &Autoscaler{Kind: KindHPA, Name: "web", Max: 9, Active: Condition{Status: "False", Reason: "FailedGetResourceMetric", Message: "no metrics", Since: noon.Add(-time.Hour)}}
		}, ScalingStuck, LayerWants, "3 hpa | 3 ready: FailedGetResourceMetric | max 9", "can't tell how many", noon.Add(-time.Hour)},
		{"its autoscaler is at its maximum", func(s *scaled) {
			s.scaler = &Autoscaler{Kind: KindHPA, Name: "web", Max: 3, Current: 3, Desired: 3, Metrics: "cpu 96%/60%",
				Limited: Condition{Status: "True", Reason: "TooManyReplicas", Since: noon.Add(-time.Hour)}}
		}, ScalingLimited, LayerWants, "3 hpa cpu 96%/60% | 3 ready | AT MAX 3", "at its maximum of 3", noon.Add(-time.Hour)},
		{"it has fewer pods than its autoscaler wants", func(s *scaled) {
			s.scaler = &Autoscaler{Kind: KindHPA, Name: "web", Max: 9, Current: 3, Desired: 5, Metrics: "cpu 92%/60%"}
			s.object.Desired = 5
		}, ScalingMoving, "", "3→5 hpa cpu 92%/60% | 3 ready | rollout running | max 9", "", time.Time{}},
		{"a container crashes", func(s *scaled) {
			p := s.pods[2]
			p.Status, p.ReadyContainers, p.Reason, p.Changed = "CrashLoopBackOff", 0, "exit code 1", noon.Add(-1*time.Minute)
			p.Unready = noon.Add(-4 * time.Minute)
		}, ScalingStuck, LayerReady, "3 | 2 ready, 1 not: 1 × CrashLoopBackOff", "exit code 1", noon.Add(-4 * time.Minute)},
		{"a pod starts", func(s *scaled) {
			p := s.onECI(0, 1, "")
			p.Status = "ContainerCreating"
		}, ScalingMoving, "", "3 | 2 ready, 1 not: 1 × starting", "", time.Time{}},
		{"a pod starts for too long", func(s *scaled) {
			p := s.onECI(0, 7, "")
			p.Status = "ContainerCreating"
		}, ScalingStuck, LayerProvider, "3 | 2 ready, 1 not: 1 × starting", "ContainerCreating", noon.Add(-7 * time.Minute)},
		{"a rollout is over its deadline", func(s *scaled) {
			s.object.Updated = 1
			s.object.Progressing = Condition{Status: "False", Reason: "ProgressDeadlineExceeded", Message: "timed out"}
		}, ScalingSteady, "", "3 | 3 ready | rollout stuck", "", time.Time{}},
		{"the cluster autoscaler adds no nodes", func(s *scaled) {
			s.pending(0, 6, unfit)
			s.nodeGroups = []NodeGroup{{Name: "asg-1", Max: 10, Target: 10}, {Name: "asg-2", Max: 5, Target: 2, ScaleUp: "Backoff", Code: "NoStock"}}
		}, ScalingStuck, LayerSchedule, "3 | 2 ready, 1 not: 1 × insufficient cpu", "; node group asg-1 is at its maximum of 10, node group asg-2 backs off: NoStock", noon.Add(-6 * time.Minute)},
		{"ecideck-node does not let its pods onto ECI", func(s *scaled) {
			s.pending(0, 6, unfit)
			s.says("BurstStopped", "bursts are stopped by ann (the bill)", 5)
			s.says("BurstLimitReached", "its limit is 3", 1)
		}, ScalingStuck, LayerSchedule, "3 | 2 ready, 1 not: 1 × insufficient cpu", "; not on ECI: its limit is 3", noon.Add(-6 * time.Minute)},
		{"it said so of a pod that runs by now", func(s *scaled) {
			s.pending(0, 6, unfit)
			s.says("BurstStopped", "bursts are stopped", 5)
			s.events[0].Name, s.events[0].UID = s.pods[1].Name, s.pods[1].UID
		}, ScalingStuck, LayerSchedule, "3 | 2 ready, 1 not: 1 × insufficient cpu", "3 unschedulable)", noon.Add(-6 * time.Minute)},
		{"two autoscalers change it in turn", func(s *scaled) {
			s.scaler, s.cron = &Autoscaler{Kind: KindHPA, Name: "web", Max: 9}, true
		}, ScalingMoving, LayerWants, "3 hpa | 3 ready: two autoscalers | max 9", "CronHPA night and HPA web", time.Time{}},
		{"a budget that selects its pods allows none", func(s *scaled) {
			s.budgets = []*Budget{{Namespace: "shop", Name: "wide", All: true, Allowed: 2}, {Namespace: "shop", Name: "web", Selector: "app in (web)"}, {Namespace: "pay", Name: "x", All: true}}
		}, ScalingSteady, "", "3 | 3 ready | budget allows 0", "", time.Time{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := threeReady()
			test.change(s)
			w := s.build()
			if w == nil {
				t.Fatal("there is no such workload")
			}
			got := w.Scaling
			if got.State != test.state || got.Layer != test.layer || got.Line != test.line || !strings.Contains(got.Reason, test.reason) || !got.Since.Equal(test.since) {
				t.Errorf("state %s, layer %q, line %q, reason %q, since %v", got.State, got.Layer, got.Line, got.Reason, got.Since)
			}
			if got.Reason != "" && got.Remedy == "" {
				t.Error("there is a reason and no remedy")
			}
		})
	}
}

// says adds an event about the first pod.
func (s *scaled) says(reason, message string, minutes int) {
	p := s.pods[0]
	s.events = append(s.events, &Event{Time: noon.Add(-time.Duration(minutes) * time.Minute), Source: "k8s", Type: "Warning", Reason: reason, Message: message,
		Namespace: p.Namespace, Kind: "Pod", Name: p.Name, UID: p.UID})
}

// TestWhatHoldsPodsBackComesAndGoes holds that a row follows ecideck-node's words though nothing
// else of it changes, and that the words are those of ecideck-node.
func TestWhatHoldsPodsBackComesAndGoes(t *testing.T) {
	want := []string{burst.ReasonNotEligible, burst.ReasonWaiting, burst.ReasonStopped, burst.ReasonNoNode, burst.ReasonGuard, burst.ReasonNoStock, burst.ReasonRefused, burst.ReasonKept}
	if !slices.Equal(burstReasons, want) {
		t.Errorf("%q, and ecideck-node says %q", burstReasons, want)
	}
	s := threeReady()
	s.pending(0, 6, "0/2 nodes are available: 2 Insufficient cpu.")
	in := s.inputs(1)
	in.Apply(Controllers{Kind: "Deployment", Items: []*Controller{s.object}})
	last := Build(in, noon, nil)
	reason := func(events []*Event) string {
		in.Apply(Events{Items: events})
		last = Build(in, noon, last)
		return last.Workload("shop", "Deployment", "web").Scaling.Reason
	}
	s.says("BurstStopped", "bursts are stopped by ann", 1)
	if got := reason(s.events); !strings.Contains(got, "not on ECI: bursts are stopped by ann") {
		t.Errorf("stopped: %s", got)
	}
	if got := reason([]*Event{}); strings.Contains(got, "not on ECI") {
		t.Errorf("without the event: %s", got)
	}
}

func TestAWorkloadBecomesStuckByTimeAlone(t *testing.T) {
	s := threeReady()
	s.pending(0, 1, "0/2 nodes are available: 2 Insufficient cpu.")
	in := s.inputs(1)
	in.Apply(Controllers{Kind: "Deployment", Items: []*Controller{s.object}})
	first := Build(in, noon, nil)
	if len(first.Attention) != 0 {
		t.Fatalf("at once: %+v", first.Attention)
	}
	later := Build(in, noon.Add(time.Minute), first)
	if got := later.Workload("shop", "Deployment", "web").Scaling.State; got != ScalingStuck {
		t.Errorf("it is %s", got)
	}
	if len(later.Attention) != 1 || later.Attention[0].Topic != TopicStuck || later.Attention[0].Count != 1 {
		t.Errorf("%+v", later.Attention)
	}
}

func TestEventsOfAWorkloadsPodsAreOneLine(t *testing.T) {
	s := threeReady()
	in := s.inputs(1)
	event := func(pod, reason string, minute, count int) *Event {
		at := noon.Add(time.Duration(minute) * time.Minute)
		return &Event{Time: at, First: at.Add(-time.Minute), Count: count, Source: "k8s", Reason: reason, Kind: "Pod", Namespace: "shop", Name: pod}
	}
	in.Apply(Events{Items: []*Event{event("web-0", "Unhealthy", -9, 2), event("web-1", "Unhealthy", -1, 3), event("web-0", "Killing", -5, 1), event("gone", "Unhealthy", -2, 1)}})
	var got []string
	for _, m := range Build(in, noon, nil).Timeline {
		got = append(got, fmt.Sprintf("%s %s/%s ×%d of %d, %v to %v", m.Reason, m.Subject.Kind, m.Subject.Name, m.Total, m.Objects, noon.Sub(m.First), noon.Sub(m.Time)))
	}
	want := []string{"Unhealthy Deployment/web ×5 of 2, 10m0s to 1m0s", "Unhealthy Pod/gone ×1 of 1, 3m0s to 2m0s", "Killing Deployment/web ×1 of 1, 6m0s to 5m0s"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
