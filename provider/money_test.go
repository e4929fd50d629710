package provider

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// A shy cloud leaves groups out of its answers for as long as hides says so, and tells of
// the others what edits makes of them.
type shy struct {
	Cloud
	mu    sync.Mutex
	hides func(eci.Group) bool
	edits func(*eci.Group)
}

func (s *shy) hide(hides func(eci.Group) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hides = hides
}

func (s *shy) Groups(ctx context.Context, q eci.GroupQuery) ([]eci.Group, error) {
	groups, err := s.Cloud.Groups(ctx, q)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hides != nil {
		groups = slices.DeleteFunc(groups, s.hides)
	}
	for i := range groups {
		if s.edits != nil {
			s.edits(&groups[i])
		}
	}
	return groups, err
}

// inShyBed is inBed with a cloud that can leave groups out.
func inShyBed(t *testing.T, test func(*bed, *shy)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, s := newBed(t), &shy{}
		b.wrap = func(c Cloud) Cloud { s.Cloud = c; return s }
		b.start()
		defer func() { b.stop() }()
		test(b, s)
	})
}

func TestAPodDeletedBetweenTwoAttemptsGoesAway(t *testing.T) {
	inBed(t, func(b *bed) {
		b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Async: true})
		pod := b.create(healthyPod("web"))
		b.until("a group that could not be scheduled", 5*time.Minute, func() bool {
			return b.get(pod).Status.Reason == ReasonNoStock && len(b.cloud.Groups()) == 1 && len(b.live()) == 0
		})
		b.delete(pod)
		b.until("pod gone", time.Minute, func() bool { return b.get(pod) == nil })
		b.until("group gone", time.Minute, func() bool { return len(b.cloud.Groups()) == 0 })
	})
}

func TestATokenIsNotGivenUpOnTheWordOfAnEmptyAnswer(t *testing.T) {
	inBed(t, func(b *bed) {
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Action: "CreateContainerGroup"})
		pod := b.create(healthyPod("web"))
		b.until("a group", time.Minute, func() bool { return len(b.live()) == 1 })
		b.stop()
		clear()
		clear = b.fault(ecitest.Fault{Kind: ecitest.FaultEmptyList}) // a RAM right is missing
		b.start()
		time.Sleep(30 * time.Minute)
		if n := len(b.cloud.Groups()); n != 1 {
			t.Errorf("%d groups for one pod", n)
		}
		clear()
		b.until("ready", 5*time.Minute, func() bool { return ready(b.get(pod)) })
		if n := len(b.cloud.Groups()); n != 1 {
			t.Errorf("%d groups for one pod", n)
		}
	})
}

func TestATokenWhoseGroupIsGoneIsGivenUpWhereOtherGroupsAreSeen(t *testing.T) {
	inBed(t, func(b *bed) {
		b.untilReady(b.create(healthyPod("other")))
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Action: "CreateContainerGroup"})
		pod := b.create(healthyPod("web"))
		b.until("a group", time.Minute, func() bool { return len(b.live()) == 2 })
		b.stop()
		clear()
		for _, g := range b.live() {
			if g.Tags[eci.TagPodUID] == string(pod.UID) {
				b.cloud.Remove(g.ID)
			}
		}
		b.start()
		b.until("ready", 15*time.Minute, func() bool { return ready(b.get(pod)) })
		if got := b.get(pod).Annotations[eci.AnnotationAttempt]; got != "2" {
			t.Errorf("attempt %q", got)
		}
	})
}

func TestAnAnswerThatWasLostBeforeARefusalLeavesNoGroupBehind(t *testing.T) {
	inBed(t, func(b *bed) {
		// The first try takes effect and is never answered, the client's second one is refused.
		b.fault(ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Action: "CreateContainerGroup", Count: 1})
		b.until("the group accepted", time.Minute, func() func() bool {
			b.create(healthyPod("web"))
			return func() bool { return len(b.live()) == 1 }
		}())
		b.fault(ecitest.Fault{Kind: ecitest.FaultDenied, Action: "CreateContainerGroup"})
		pod := b.untilReady(&b.pods()[0])
		if n := len(b.cloud.Groups()); n != 1 || b.cloud.Calls("CreateContainerGroup") > 2 {
			t.Errorf("%d groups, %d creates for pod %s", n, b.cloud.Calls("CreateContainerGroup"), pod.Name)
		}
	})
}

func TestALoneGroupIsProvenGoneByAnotherOfItsVSwitch(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		if _, err := b.cloud.Seed(ecitest.SeedGroup{Name: "by-hand", Zone: b.live()[0].Zone}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		b.cloud.Remove(pod.Annotations[eci.AnnotationInstanceID])
		b.until("the pod failed", 3*time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodFailed })
		if got := b.get(pod).Status.Reason; got != ReasonGroupGone || len(b.live()) != 1 {
			t.Errorf("reason %q, groups %+v", got, b.live())
		}
	})
}

func TestALoneGroupThatNothingProvesGoneIsSaidOnThePodWithTheRemedy(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(map[bool]string{false: "seen while running", true: "lost while the node was down"}[restart], func(t *testing.T) {
			inBed(t, func(b *bed) {
				pod := b.untilReady(b.create(healthyPod("web")))
				// A group of another account's vSwitch proves nothing about this account's.
				if _, err := b.cloud.Seed(ecitest.SeedGroup{Name: "elsewhere", Zone: otherZone(b)}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				if restart {
					b.stop()
				}
				b.cloud.Remove(pod.Annotations[eci.AnnotationInstanceID])
				if restart {
					b.start()
				}
				time.Sleep(10 * time.Minute)
				got := b.get(pod).Status
				if got.Phase != corev1.PodRunning {
					t.Errorf("declared %s (%s) without a proof", got.Phase, got.Reason)
				}
				c := condition(&got, ConditionGroupVisible)
				if c == nil || c.Status != corev1.ConditionFalse || !strings.Contains(c.Message, "kubectl delete pod") {
					t.Fatalf("condition %+v", c)
				}
				if n := b.events.count("GroupNotVisible"); n != 1 || b.cloud.Calls("CreateContainerGroup") != 1 {
					t.Errorf("%d events, %d creates", n, b.cloud.Calls("CreateContainerGroup"))
				}
				// The remedy works.
				b.delete(pod)
				b.until("pod gone", 3*time.Minute, func() bool { return b.get(pod) == nil })
			})
		})
	}
}

// otherZone is a zone where the pod's group is not.
func otherZone(b *bed) string {
	zone := b.live()[0].Zone
	for _, other := range b.cloud.Zones() {
		if other != zone {
			return other
		}
	}
	b.t.Fatal("the emulator has one zone only")
	return ""
}

func TestAGroupThatIsSeenAgainIsSaidToBe(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultEmptyList})
		visible := func() corev1.ConditionStatus {
			status := b.get(pod).Status
			if c := condition(&status, ConditionGroupVisible); c != nil {
				return c.Status
			}
			return ""
		}
		b.until("said not to be seen", 5*time.Minute, func() bool { return visible() == corev1.ConditionFalse })
		if !ready(b.get(pod)) {
			t.Error("a pod is not ready because a RAM right is missing: its Service would lose it")
		}
		clear()
		b.until("said to be seen", time.Minute, func() bool { return visible() == corev1.ConditionTrue })
	})
}

func TestANewGroupThatTheListingLagsBehindIsNotGone(t *testing.T) {
	inShyBed(t, func(b *bed, s *shy) {
		b.untilReady(b.create(healthyPod("other")))
		s.hide(func(g eci.Group) bool { return strings.Contains(g.Name, "web") })
		pod := b.create(healthyPod("web"))
		b.until("a group", time.Minute, func() bool { return len(b.live()) == 2 })
		time.Sleep(30 * time.Second)
		s.hide(nil)
		b.until("ready", time.Minute, func() bool { return ready(b.get(pod)) })
	})
}

func TestAnOrphanCheckKnowsPodsWhoseNameIsHashedInTheTag(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod(strings.Repeat("long", 40))))
		// A lost entry: only Kubernetes knows the pod.
		p := b.node.Provider
		p.mu.Lock()
		delete(p.entries, pod.UID)
		p.mu.Unlock()
		time.Sleep(5 * time.Minute)
		if len(b.live()) != 1 {
			t.Error("the group of a living pod was deleted as an orphan")
		}
	})
}

func TestAPodWhoseRemovalWasNeverToldLeavesNoGroup(t *testing.T) {
	inBed(t, func(b *bed) {
		ghost := healthyPod("ghost", func(p *corev1.Pod) { p.UID = "uid-ghost" })
		id := eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: testCluster, NodeName: testNode, Namespace: "default", PodName: "ghost", PodUID: "uid-ghost", Attempt: 1}
		if _, err := b.cloud.Seed(ecitest.SeedGroup{Tags: id.Tags()}); err != nil {
			t.Fatal(err)
		}
		if err := b.node.Provider.CreatePod(b.ctx, ghost); err != nil {
			t.Fatal(err)
		}
		b.until("the group gone", 5*time.Minute, func() bool { return len(b.live()) == 0 })
		p := b.node.Provider
		b.until("the entry gone", time.Minute, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.entries[types.UID("uid-ghost")] == nil
		})
	})
}

func TestADeleteThatKeepsFailingIsSaidOnce(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		b.fault(ecitest.Fault{Kind: ecitest.FaultDenied, Action: "DeleteContainerGroup"})
		b.delete(pod)
		time.Sleep(30 * time.Minute)
		if n := b.events.count("DeleteFailed"); n != 1 || b.cloud.Calls("DeleteContainerGroup") < 10 {
			t.Errorf("%d events", n)
		}
	})
}

// accepts is a cloud that accepts its first deletes and carries none of them out.
type accepts struct {
	Cloud
	idle atomic.Int32
}

func (a *accepts) DeleteGroup(ctx context.Context, id string) error {
	if a.idle.Add(-1) >= 0 {
		return nil
	}
	return a.Cloud.DeleteGroup(ctx, id)
}

func TestADeleteThatIsAcceptedAndNotCarriedOutIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, c := newBed(t), &accepts{}
		c.idle.Store(2)
		b.wrap = func(cloud Cloud) Cloud { c.Cloud = cloud; return c }
		b.start()
		defer func() { b.stop() }()
		pod := b.untilReady(b.create(healthyPod("web")))
		b.delete(pod)
		time.Sleep(2 * time.Minute)
		if n := b.events.count("DeleteNotCarriedOut"); n != 0 || c.idle.Load() != 1 {
			t.Errorf("%d events and %d deletes, while it may yet be carried out", n, 2-c.idle.Load())
		}
		b.until("pod and group gone", 6*time.Minute, func() bool { return b.get(pod) == nil && len(b.live()) == 0 })
		if n := b.events.count("DeleteNotCarriedOut"); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

func TestADeletedPodWhoseGroupCannotBeLookedForSaysSo(t *testing.T) {
	inBed(t, func(b *bed) {
		b.fault(ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Action: "CreateContainerGroup"})
		pod := b.create(healthyPod("web"))
		b.until("a group", time.Minute, func() bool { return len(b.live()) == 1 })
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultDenied, Action: "DescribeContainerGroups"})
		b.delete(pod)
		time.Sleep(30 * time.Minute)
		if n := b.events.count("DeleteFailed"); n != 1 || b.get(pod) == nil {
			t.Errorf("%d events, pod there %v", n, b.get(pod) != nil)
		}
		clear()
		b.until("pod and group gone", 5*time.Minute, func() bool { return b.get(pod) == nil && len(b.live()) == 0 })
	})
}

func TestAnAnnouncedAttemptHoldsTheDeletedPodUntilItWasLookedFor(t *testing.T) {
	p := New(Config{})
	pod := healthyPod("web", func(p *corev1.Pod) {
		p.UID, p.Annotations = "uid", map[string]string{eci.AnnotationAttempt: "1"}
	})
	if err := p.CreatePod(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if !p.held("uid") {
		t.Error("another process announced a create, whose group may run")
	}
}

func TestUpdatesOfAPodRaceWithNothing(t *testing.T) {
	inBed(t, func(b *bed) {
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock})
		pod := b.create(healthyPod("web"))
		for range 200 {
			if err := b.node.Provider.UpdatePod(b.ctx, pod); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		clear()
		b.until("ready", 5*time.Minute, func() bool { return ready(b.get(pod)) })
	})
}

func TestAnEndIsToldWithItsExitCodesAlsoWhereTheStatusComesFirst(t *testing.T) {
	for _, late := range []time.Duration{5 * time.Second, time.Hour} {
		t.Run(late.String(), func(t *testing.T) {
			inShyBed(t, func(b *bed, s *shy) {
				var ended time.Time
				s.edits = func(g *eci.Group) {
					if !g.Status.Ended() {
						return
					}
					if ended.IsZero() {
						ended = time.Now()
					}
					if time.Since(ended) < late {
						g.Containers[0].Current = eci.ContainerState{State: "Running"}
					}
				}
				pod := b.create(healthyPod("job", ownedBy("Job"), image("crashloop"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
				b.until("failed", 2*time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodFailed })
				end := b.get(pod).Status.ContainerStatuses[0].State.Terminated
				if unseen := end.Reason == "ContainerStatusUnknown"; unseen != (late == time.Hour) {
					t.Errorf("ended %+v", end)
				}
			})
		})
	}
}

func TestAnAttemptIsNotKeptBackByItsPredecessorThatCannotBeDeleted(t *testing.T) {
	inBed(t, func(b *bed) {
		b.fault(ecitest.Fault{Kind: ecitest.FaultDenied, Action: "DeleteContainerGroup"})
		b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Async: true, Count: 1})
		pod := b.create(healthyPod("web"))
		b.until("ready", 5*time.Minute, func() bool { return ready(b.get(pod)) })
		if got := b.get(pod).Annotations[eci.AnnotationAttempt]; got != "2" || len(b.live()) != 1 || b.events.count("web NoStock") != 1 {
			t.Errorf("attempt %q, groups %+v, events %v", got, b.live(), b.events.list)
		}
	})
}

func TestNoEventClaimsASuccessThatDidNotHappen(t *testing.T) {
	inBed(t, func(b *bed) {
		b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock})
		pod := b.create(healthyPod("web"))
		time.Sleep(time.Minute)
		changed := b.get(pod).DeepCopy()
		changed.Labels["late"] = "yes"
		if _, err := b.client.CoreV1().Pods("default").Update(b.ctx, changed, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := b.events.count("Success"); n != 0 || b.events.count("web NoStock") == 0 {
			t.Errorf("events %v", b.events.list)
		}
	})
}
