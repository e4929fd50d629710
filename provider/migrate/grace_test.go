package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8stesting "k8s.io/client-go/testing"
)

// TestAPodThatTakesLongToEndIsRestartedOnce: what follows is given its time from when the old pod
// is gone, and the policy lasts until then.
func TestAPodThatTakesLongToEndIsRestartedOnce(t *testing.T) {
	for _, grace := range []time.Duration{2 * time.Minute, 12 * time.Minute, 25 * time.Minute} {
		for _, y := range ways() {
			if !strings.HasPrefix(y.name, "restart") {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s", y.name, grace), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, o, least := y.begin(t)
					defer func() { w.stop() }()
					names, before := w.where(y.app), y.change(w)
					w.mu.Lock()
					w.grace = grace
					w.mu.Unlock()
					got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
					if err != nil || got.State != Done {
						t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items)
					}
					time.Sleep(time.Minute)
					y.judge(t, w, got, before, names, least())
					w.mu.Lock()
					defer w.mu.Unlock()
					if len(w.deleted) != y.moved {
						t.Errorf("deleted were %v", w.deleted)
					}
				})
			})
		}
	}
}

// An abort while the old pod ends costs no second restart: its successor comes back unsteered.
func TestAnAbortWhileTheOldPodEndsRestartsItOnce(t *testing.T) {
	y := ways()[1]
	synctest.Test(t, func(t *testing.T) {
		w, o, least := y.begin(t)
		defer func() { w.stop() }()
		names, before := w.where(y.app), y.change(w)
		w.mu.Lock()
		w.grace = time.Minute
		w.mu.Unlock()
		e := &Engine{Client: w.api, Holder: "alice@one/1"}
		done := make(chan *Operation, 1)
		go func() {
			got, err := e.Run(t.Context(), o)
			if err != nil {
				t.Error(err)
			}
			done <- got
		}()
		w.until("one is evicted", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.deleted) > 0
		})
		e.Abort()
		got := <-done
		time.Sleep(time.Minute)
		y.judge(t, w, got, before, names, least())
		if r := got.Plan.Items[0].Reason; got.State != Aborted || !strings.Contains(r, "it was restarted") {
			t.Errorf("%s, %s", got.State, r)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.deleted) != 1 {
			t.Errorf("deleted were %v", w.deleted)
		}
	})
}

func TestADrainWaitsForAPodThatTakesLongToEnd(t *testing.T) {
	y := ways()[2]
	synctest.Test(t, func(t *testing.T) {
		w, _, least := y.begin(t)
		defer func() { w.stop() }()
		w.mu.Lock()
		w.grace, w.minimum = 12*time.Minute, 0 // what is made from now on goes to the other node
		w.mu.Unlock()
		o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: Anywhere, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
		if err != nil || got.State != Done {
			t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items)
		}
		for name, node := range w.where(y.app) {
			if node != otherNode {
				t.Errorf("%s is on %s", name, node)
			}
		}
		if n := least(); n < y.pods-1 {
			t.Errorf("%d were Ready at one time", n)
		}
	})
}

// The plan's time and what it says of the gap are the same.
func TestAPlanReckonsWithTheGracePeriodOfWhatIsRestarted(t *testing.T) {
	for _, y := range ways() {
		if !strings.HasPrefix(y.name, "restart") {
			continue
		}
		t.Run(y.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, plain, _ := y.begin(t)
				defer func() { w.stop() }()
				w.mu.Lock()
				for _, p := range w.list() {
					p.Spec.TerminationGracePeriodSeconds = ptr(int64(600))
					w.put(p)
				}
				w.mu.Unlock()
				o, err := Propose(t.Context(), w.api, nil, "alice", y.request, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if more, want := o.Plan.ETA-plain.Plan.ETA, (600-30)*y.moved; more != want {
					t.Errorf("%d s longer than with 30 s, want %d", more, want)
				}
				said := ""
				for _, c := range o.Plan.Items[0].Checks {
					if c.Name == "gap" {
						said = c.Reason
					}
				}
				if !strings.Contains(said, "up to 600 s to end") {
					t.Errorf("it says %q", said)
				}
			})
		})
	}
}

// Whoever stops a machine when its drain is done cuts nothing off.
func TestADrainIsDoneWhenTheOldPodsAreGone(t *testing.T) {
	for _, to := range []Destination{ToECI, Anywhere} {
		t.Run(string(to), func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				w.mu.Lock()
				w.grace = 3 * time.Minute
				w.mu.Unlock()
				before := w.names()
				o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: to, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				w.watch()
				said := false
				got, err := (&Engine{Client: w.api, Holder: "a", Report: func(o *Operation) {
					for _, x := range o.Plan.Items {
						said = said || x.State == Leaving && strings.Contains(x.Reason, "ends its grace period")
					}
				}}).Run(t.Context(), o)
				if err != nil || got.State != Done || !said {
					t.Fatalf("%v, %s: %s; it said that it waits: %t", err, got.State, got.Reason, said)
				}
				for _, name := range before {
					if w.pod(name) != nil {
						t.Errorf("%s is still there", name)
					}
				}
				for _, x := range got.Plan.Items {
					if !strings.HasPrefix(x.Reason, "replaced by ") || strings.Contains(x.Reason, "grace") {
						t.Errorf("it ended with %q", x.Reason)
					}
				}
				w.kept(before, before...)
			})
		})
	}
}

// Pods that end count in quotas: the room that a surge pod took is there for the next. Where a
// quota has room, or there is none, nothing waits.
func TestPodsThatEndLeaveTheNextSurgePodItsRoom(t *testing.T) {
	for _, room := range []int{2, 50} {
		t.Run(fmt.Sprintf("room for %d", room), func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				quotas := corev1.SchemeGroupVersion.WithResource("resourcequotas")
				quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "few"}}
				count := func() {
					quota.Status.Hard = corev1.ResourceList{"pods": *resource.NewQuantity(int64(3+room), resource.DecimalSI)}
					quota.Status.Used = corev1.ResourceList{"pods": *resource.NewQuantity(int64(len(w.list())), resource.DecimalSI)}
				}
				w.mu.Lock()
				count()
				w.add(quotas, quota)
				w.also = append(w.also, func() {
					count()
					now := quota.DeepCopy()
					w.update2(quotas, now, now)
				})
				w.mu.Unlock()
				before := w.names()
				o := w.plan(ToECI, before...)
				w.mu.Lock()
				w.grace = 3 * time.Minute
				w.refuse = func(a k8stesting.Action) error {
					if a.GetVerb() == "create" && a.GetResource().Resource == "pods" && a.GetSubresource() == "" && len(w.list()) >= 3+room {
						return apierrors.NewForbidden(a.GetResource().GroupResource(), "surge", errors.New("exceeded quota"))
					}
					return nil
				}
				w.mu.Unlock()
				w.watch()
				begin := time.Now()
				got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
				took := time.Since(begin)
				if err != nil || got.State != Done || (took > 2*w.grace) != (room == 2) || (took < w.grace) != (room == 50) {
					t.Errorf("%v after %s, %s: %s\n%+v", err, took, got.State, got.Reason, got.Plan.Items)
				}
				w.kept(before, before...)
			})
		})
	}
}

// leaving runs a swap until its old pod ends.
func (w *world) leaving(t *testing.T) (interrupt context.CancelFunc, ended func() (*Operation, error)) {
	w.mu.Lock()
	w.grace = 5 * time.Minute
	w.mu.Unlock()
	ctx, cancel := contextOf(t)
	seen := make(chan struct{})
	over := make(chan struct{})
	var got *Operation
	var err error
	o := w.plan(ToECI, w.names()[2])
	o.Plan.Drain = &Drained{Node: Ref{Kind: "Node", Name: realNode, UID: "n-1"}}
	w.watch()
	go func() {
		defer close(over)
		once := false
		got, err = (&Engine{Client: w.api, Holder: "alice@one/1", Report: func(o *Operation) {
			if !once && o.Plan.Items[0].State == Leaving {
				once = true
				close(seen)
			}
		}}).Run(ctx, o)
	}()
	select {
	case <-seen:
	case <-over:
		t.Fatalf("it ended before: %v, %s", err, got.State)
	}
	time.Sleep(time.Second) // it is written down
	return cancel, func() (*Operation, error) { <-over; return got, err }
}

func TestAProcessThatIsAskedToEndDoesNotWaitForAPodThatEnds(t *testing.T) {
	for _, abort := range []bool{false, true} {
		t.Run(fmt.Sprintf("then abort=%t", abort), func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				before := w.names()
				interrupt, ended := w.leaving(t)
				begin := time.Now()
				interrupt()
				got, err := ended()
				if took := time.Since(begin); err == nil || got.State != Interrupted || took > 5*time.Second {
					t.Fatalf("%v, %s after %s", err, got.State, took)
				}
				got, err = (&Engine{Client: w.api, Holder: "bob@two/2"}).Resume(t.Context(), got, abort)
				if err != nil || got.Plan.Items[0].State != Done {
					t.Fatalf("%v, %s: %+v", err, got.State, got.Plan.Items)
				}
				r, there := got.Plan.Items[0].Reason, w.pod(before[2]) != nil
				if there != abort || strings.Contains(r, "still ends") != abort || !strings.HasPrefix(r, "replaced by") {
					t.Errorf("the old pod is there: %t; %q", there, r)
				}
				w.kept(before, before[2])
			})
		})
	}
}

// What becomes of the successor while the old pod ends is its workload's own affair: nothing else
// is moved in its place.
func TestASuccessorThatGoesWhileTheOldPodEndsIsNotMovedAgain(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		before := w.names()
		_, ended := w.leaving(t)
		w.mu.Lock()
		i := slices.IndexFunc(w.list(), func(p *corev1.Pod) bool { return p.Labels[labelOp] != "" })
		w.kill("somebody", w.list()[i])
		w.mu.Unlock()
		got, err := ended()
		if err != nil || got.State != Done {
			t.Errorf("%v, %s: %+v", err, got.State, got.Plan.Items)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.deleted) != 2 || !slices.Contains(w.deleted, "eviction "+before[2]) {
			t.Errorf("deleted were %v", w.deleted)
		}
	})
}

// A pod may stay for ever: its node is gone, or a finalizer holds it.
func TestAPodThatNeverEndsHoldsNothingUp(t *testing.T) {
	hold := func(w *world) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, p := range w.list() {
			p.Finalizers = []string{"example.com/hold"}
			w.put(p)
		}
	}
	said := func(t *testing.T, x *Item, want State) {
		t.Helper()
		if x.State != want || !strings.Contains(x.Reason, x.Pod.Name+" is still there") || !strings.Contains(x.Reason, "kubectl") {
			t.Errorf("it is %s, want %s: %q", x.State, want, x.Reason)
		}
	}
	t.Run("swap", func(t *testing.T) {
		inWorld(t, 3, func(t *testing.T, w *world) {
			before := w.names()
			hold(w)
			o := w.plan(ToECI, before[2])
			o.Plan.Drain = &Drained{Node: Ref{Kind: "Node", Name: realNode, UID: "n-1"}}
			w.watch()
			begin := time.Now()
			got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
			if took := time.Since(begin); err != nil || took > endDeadline+2*time.Minute {
				t.Errorf("%v after %s", err, took)
			}
			said(t, &got.Plan.Items[0], Done)
			w.kept(before, before[2])
		})
	})
	t.Run("drain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			y := ways()[2]
			w, _, _ := y.begin(t)
			defer func() { w.stop() }()
			hold(w)
			o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: Anywhere, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
			if err != nil || got.State != Failed {
				t.Fatalf("%v, %s", err, got.State)
			}
			for i := range got.Plan.Items {
				if x := &got.Plan.Items[i]; x.Strategy == Evict && x.State != Aborted {
					said(t, x, Failed)
				}
			}
		})
	})
	for _, y := range ways()[1:2] {
		t.Run(y.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, o, _ := y.begin(t)
				defer func() { w.stop() }()
				hold(w)
				got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
				if err != nil || got.State != Failed {
					t.Fatalf("%v, %s", err, got.State)
				}
				said(t, &got.Plan.Items[0], Failed)
				if n := len(policiesOf(t, w)); n > 0 {
					t.Errorf("%d admission policies are left", n)
				}
			})
		})
	}
	t.Run("clone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ways := ways()
			w, o, _ := ways[len(ways)-1].begin(t)
			defer func() { w.stop() }()
			o.Plan.Drain = &Drained{Node: Ref{Kind: "Node", Name: realNode, UID: "n-1"}}
			hold(w)
			got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
			if err != nil || got.State != Done {
				t.Fatalf("%v, %s", err, got.State)
			}
			said(t, &got.Plan.Items[0], Done)
		})
	})
}

// TestADeadNodeIsDrainedWithoutWaitingForIt: what is on it never ends, and its workloads are to
// run elsewhere soon, also those behind one that needs a look.
func TestADeadNodeIsDrainedWithoutWaitingForIt(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("gone=%t", gone), func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				w.mu.Lock()
				for _, p := range w.list() {
					p.Finalizers = []string{"example.com/hold"} // nobody ends it
					w.put(p)
				}
				nodes := corev1.SchemeGroupVersion.WithResource("nodes")
				object, err := w.api.Tracker().Get(nodes, "", realNode)
				if err == nil {
					node := object.DeepCopyObject().(*corev1.Node)
					node.Status.Conditions[0].Status = corev1.ConditionUnknown
					err = w.api.Tracker().Update(nodes, node, "")
				}
				w.mu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
				before := w.names()
				o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				w.watch()
				begin := time.Now()
				e := &Engine{Client: w.api, Holder: "a", Report: func(o *Operation) {
					if gone && o.Count()[Leaving] > 0 {
						_ = w.api.Tracker().Delete(nodes, "", realNode) // gone already at the second look
					}
				}}
				got, err := e.Run(t.Context(), o)
				// The canary, and the other two one after the other, as a tenth of so few is one.
				if took := time.Since(begin); err != nil || got.State != Done || took > 3*(awayDeadline+15*time.Second) {
					t.Errorf("%v, %s: %s after %s", err, got.State, got.Reason, took)
				}
				for i := range got.Plan.Items {
					if x := &got.Plan.Items[i]; !strings.Contains(x.Reason, "is still there") {
						t.Errorf("it says %q", x.Reason)
					}
				}
				w.kept(before, before...)
			})
		})
	}
}

// TestADrainWaitsForAPodThatSomebodyElseEnds: its node is not empty before.
func TestADrainWaitsForAPodThatSomebodyElseEnds(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		last := o.Plan.Items[len(o.Plan.Items)-1].Pod.Name
		w.mu.Lock()
		w.grace = 10 * time.Minute
		w.rs.Spec.Replicas = ptr(int32(2)) // it is scaled down
		w.update2(appsv1.SchemeGroupVersion.WithResource("replicasets"), w.rs, w.rs)
		w.kill("somebody", w.get(last))
		w.grace = 0
		w.mu.Unlock()
		got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
		x := &got.Plan.Items[len(got.Plan.Items)-1]
		if err != nil || got.State != Done || x.State != Aborted || !x.Gone || !strings.Contains(got.Reason, "1 gone already") {
			t.Errorf("%v, %s: %s; %s %q", err, got.State, got.Reason, x.State, x.Reason)
		}
		if w.pod(last) != nil {
			t.Errorf("%s is still there", last)
		}
	})
}

// TestAnEvictionThatMovedNothingIsAFailure: a pod that we evicted is not one that was gone.
func TestAnEvictionThatMovedNothingIsAFailure(t *testing.T) {
	for answer, want := range map[string]bool{"ok": true, "": true, "Post: EOF": true, "Cannot evict pod as it would violate the pod's disruption budget.": false} {
		x := Item{Steps: []Step{{Verb: "create", Answer: "ok"}, {Verb: "evict", Answer: answer}}}
		if got := x.evicted(); got != want {
			t.Errorf("%q: %t", answer, got)
		}
	}
}

// TestAPolicyThatMayNotBeProlongedIsNotLeftBehind: its pod comes back unsteered, in its own restart.
func TestAPolicyThatMayNotBeProlongedIsNotLeftBehind(t *testing.T) {
	y := ways()[1]
	synctest.Test(t, func(t *testing.T) {
		w, o, _ := y.begin(t)
		defer func() { w.stop() }()
		w.mu.Lock()
		w.grace = 25 * time.Minute
		w.refuse = func(a k8stesting.Action) error {
			if a.GetVerb() == "patch" && a.GetResource().Resource == "mutatingadmissionpolicies" {
				return apierrors.NewForbidden(a.GetResource().GroupResource(), "it", errors.New("denied by a webhook"))
			}
			return nil
		}
		w.mu.Unlock()
		got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
		if err != nil || !got.State.Ended() {
			t.Fatalf("%v, %s: %s", err, got.State, got.Reason)
		}
		if r := got.Plan.Items[0].Reason; !strings.Contains(r, "could not be prolonged") {
			t.Errorf("it says %q", r)
		}
		if n := len(policiesOf(t, w)); n > 0 {
			t.Errorf("%d admission policies are left", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.deleted) != 1 {
			t.Errorf("deleted were %v", w.deleted)
		}
	})
}

// TestAPodThatHasEndedIsNotWaitedFor: its controller may keep what is left of it.
func TestAPodThatHasEndedIsNotWaitedFor(t *testing.T) {
	y := ways()[1]
	synctest.Test(t, func(t *testing.T) {
		w, o, _ := y.begin(t)
		defer func() { w.stop() }()
		w.mu.Lock()
		pod := w.get(o.Plan.Items[0].Pod.Name)
		pod.Status.Phase = corev1.PodFailed
		w.put(pod)
		w.mu.Unlock()
		begin := time.Now()
		got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
		if took := time.Since(begin); err != nil || !got.State.Ended() || took > time.Hour {
			t.Errorf("%v, %s: %s after %s", err, got.State, got.Reason, took)
		}
		if x := &got.Plan.Items[0]; x.State != Aborted || !strings.Contains(x.Reason, "gone already") {
			t.Errorf("%s: %q", x.State, x.Reason)
		}
	})
}
