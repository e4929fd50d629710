package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/placement"
)

func inWorld(t *testing.T, replicas int32, test func(*testing.T, *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, replicas)
		defer func() { w.stop() }()
		test(t, w)
	})
}

// kept fails the test where fewer pods served than at first, or where others than the
// targets, and what was made because of them, were deleted.
func (w *world) kept(atFirst []string, targets ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := int(*w.rs.Spec.Replicas); w.minimum < want {
		w.t.Errorf("%d pods served at one time, want %d\n%s", w.minimum, want, strings.Join(w.deleted, ", "))
	}
	for _, name := range atFirst {
		if !slices.Contains(targets, name) && slices.ContainsFunc(w.deleted, func(d string) bool { return strings.HasSuffix(d, " "+name) }) {
			w.t.Errorf("the bystander %s was deleted: %s", name, strings.Join(w.deleted, ", "))
		}
	}
}

// on tells how many living pods are on a node; all must be Ready and the ReplicaSet's.
func (w *world) on(node string) int {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, pod := range w.list() {
		if !ready(pod) || !owned(pod, w.rs) {
			w.t.Errorf("pod %s is left: ready=%t, owned=%t", pod.Name, ready(pod), owned(pod, w.rs))
		}
		if pod.Spec.NodeName == node {
			n++
		}
	}
	return n
}

func TestSwapsUnderABudgetThatAllowsNothing(t *testing.T) {
	inWorld(t, 5, func(t *testing.T, w *world) {
		w.budget = 5
		before := w.names()
		o := w.plan(ToECI, before...)
		w.watch()
		e := &Engine{Client: w.api, Audit: AuditDir(t.TempDir()), Holder: "alice@bastion/1"}
		got, err := e.Run(t.Context(), o)
		if err != nil || got.State != Done {
			t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items)
		}
		time.Sleep(5 * time.Second)
		w.kept(before, before...)
		if n := w.on(virtualNode); n != 5 || len(w.names()) != 5 {
			t.Errorf("%d on ECI\n%s", n, w)
		}
		// What the journal has is what happened.
		all, err := Load(t.Context(), w.api, e.Audit, "")
		if err != nil || len(all) != 1 || all[0].State != Done || len(all[0].Plan.Items) != 5 {
			t.Fatalf("%v %+v", err, all)
		}
		for _, x := range all[0].Plan.Items {
			var verbs []string
			for _, s := range x.Steps {
				verbs = append(verbs, s.Verb+" "+s.Answer)
			}
			if want := "create ok, evict ok, adopt ok, settle ok"; strings.Join(verbs, ", ") != want {
				t.Errorf("item %s: %s, want %s", x.ID, strings.Join(verbs, ", "), want)
			}
		}
		if leases, _ := w.api.CoordinationV1().Leases("shop").List(t.Context(), listAll); len(leases.Items) != 0 {
			t.Errorf("leases are left: %+v", leases.Items)
		}

		// And home again.
		before = w.names()
		home := w.plan(ToECS, before...)
		w.mu.Lock()
		w.home = true
		w.mu.Unlock()
		w.watch()
		got, err = (&Engine{Client: w.api, Holder: "alice@bastion/1"}).Run(t.Context(), home)
		if err != nil || got.State != Done {
			t.Fatalf("%v, %s: %s", err, got.State, got.Reason)
		}
		time.Sleep(5 * time.Second)
		w.kept(before, before...)
		if n := w.on(realNode); n != 5 {
			t.Errorf("%d at home\n%s", n, w)
		}
	})
}

// TestAReplacementThatIsReadyJustBeforeTheAdoptionCostsNoBystander has the replacement Ready
// between the engine's last look and its patch, and siblings that rank lower than it.
func TestAReplacementThatIsReadyJustBeforeTheAdoptionCostsNoBystander(t *testing.T) {
	for name, node := range map[string]func(*corev1.Node){
		"our virtual node": func(*corev1.Node) {},
		"a vendor's":       func(n *corev1.Node) { n.Spec.Taints = n.Spec.Taints[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 4, func(t *testing.T, w *world) {
				w.mu.Lock()
				n, err := w.api.Tracker().Get(corev1.SchemeGroupVersion.WithResource("nodes"), "", virtualNode)
				if err != nil {
					t.Fatal(err)
				}
				changed := n.(*corev1.Node).DeepCopy()
				node(changed)
				if err := w.api.Tracker().Update(corev1.SchemeGroupVersion.WithResource("nodes"), changed, ""); err != nil {
					t.Fatal(err)
				}
				for _, p := range w.list()[:2] { // as those on ECI have it
					p.Annotations = map[string]string{corev1.PodDeletionCost: "-1000"}
					w.put(p)
				}
				w.rush = 9
				w.mu.Unlock()
				before := w.names()
				o := w.plan(ToECI, before[3])
				w.watch()
				if _, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				w.kept(before, before[3])
			})
		})
	}
}

// TestALostAnswerToAnAdoptionLosesNoMove has the replacement Ready just before the adoption, as
// above, whose answer is lost: that the surge pod is gone then is the ReplicaSet's doing.
func TestALostAnswerToAnAdoptionLosesNoMove(t *testing.T) {
	const calls = 16
	for at := 1; at <= calls; at++ {
		t.Run(fmt.Sprintf("call %d", at), func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				before := w.names()
				o := w.plan(ToECI, before[2])
				w.watch()
				w.mu.Lock()
				w.rush = 1
				w.mu.Unlock()
				api := w.api.Another()
				w.rules(api)
				w.outage(api, at, 5*time.Second)
				got, err := (&Engine{Client: api, Holder: "a"}).Run(t.Context(), o)
				if err != nil || got.State != Done {
					t.Errorf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items[0])
				}
				time.Sleep(time.Minute)
				w.kept(before, before[2])
				if n := w.on(virtualNode); n != 1 {
					t.Errorf("%d pods are on ECI: %s\n%+v", n, w, got.Plan.Items[0])
				}
			})
		})
	}
}

func TestTheFirstPodSoaksBeforeTheSecondGoes(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		o := w.plan(ToECI, w.names()[:2]...)
		got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
		if err != nil || got.State != Done {
			t.Fatal(err, got.Reason)
		}
		a, b := got.Plan.Items[0], got.Plan.Items[1]
		if gap := b.Began.Sub(a.Ended); gap < 10*time.Second {
			t.Errorf("the second began %s after the first ended", gap)
		}
	})
}

// Somebody drains the node that the surge pod is on.
func TestASurgePodThatIsEvictedLeavesEverythingAsBefore(t *testing.T) {
	for name, when := range map[string]func(*corev1.Pod) bool{
		"while it starts":  func(p *corev1.Pod) bool { return !ready(p) },
		"when it is Ready": ready,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				before := w.names()
				o := w.plan(ToECI, before[0])
				o.Plan.Items[0].Settle = 5 // it is Ready and not handed over for a while
				w.watch()
				evicted := make(chan string)
				go func() {
					for {
						w.mu.Lock()
						for _, p := range w.list() {
							if p.Labels[placement.LabelOperation] != "" && alive(p) && p.Spec.NodeName != "" && when(p) {
								w.kill("somebody", p)
								w.mu.Unlock()
								evicted <- p.Name
								return
							}
						}
						w.mu.Unlock()
						time.Sleep(10 * time.Millisecond) // the bubble's clock
					}
				}()
				got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
				if err != nil || got.State != Aborted {
					t.Fatalf("%v, %s: %s", err, got.State, got.Reason)
				}
				surge := <-evicted
				time.Sleep(5 * time.Second)
				w.kept(before)
				if now := w.names(); !slices.Equal(now, before) {
					t.Errorf("%v, before %v", now, before)
				}
				if r := got.Plan.Items[0].Reason; !strings.Contains(r, surge) || !strings.Contains(r, "nothing was disrupted") {
					t.Errorf("reason %q", r)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if len(w.deleted) != 1 {
					t.Errorf("deleted were %v", w.deleted)
				}
			})
		})
	}
}

func TestASurgePodThatNeverRunsLeavesEverythingAsBefore(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"ImagePullBackOff": func(w *world) { w.pull = "ImagePullBackOff" },
		"never ready":      func(w *world) { w.hold = true },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				before := w.names()
				o := w.plan(ToECI, before...)
				w.mu.Lock()
				spoil(w)
				w.mu.Unlock()
				w.watch()
				got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
				if err != nil || got.State != Aborted {
					t.Fatalf("%v, %s: %s", err, got.State, got.Reason)
				}
				time.Sleep(5 * time.Second)
				w.kept(before)
				if now := w.names(); !slices.Equal(now, before) {
					t.Errorf("%v, before %v", now, before)
				}
				if r := got.Plan.Items[0].Reason; !strings.Contains(r, "nothing was disrupted") {
					t.Errorf("reason %q", r)
				}
				if r := got.Plan.Items[1].Reason; !strings.Contains(r, "was not begun") {
					t.Errorf("the second: %q", r)
				}
			})
		})
	}
}

func TestTwoOperatorsDoNotActOnOneWorkload(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		first, second := w.plan(ToECI, w.names()...), w.plan(ToECI, w.names()...)
		second.ID += "b"
		done := make(chan error, 1)
		go func() {
			_, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), first)
			done <- err
		}()
		time.Sleep(time.Second)
		got, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Run(t.Context(), second)
		if err == nil || !strings.Contains(err.Error(), "alice") || !strings.Contains(err.Error(), first.ID) {
			t.Errorf("got %v", err)
		}
		if got.State != Planned || !got.Began.IsZero() || !strings.Contains(got.Reason, "it was not begun: operation "+first.ID) {
			t.Errorf("what was not begun is %s since %s: %s", got.State, got.Began, got.Reason)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Between its leases and its journal an operation is known by its leases alone.
func TestTwoOperatorsWhoBeginAtOnceDoNotActOnOneWorkload(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		first, second := w.plan(ToECI, w.names()...), w.plan(ToECI, w.names()...)
		second.ID += "b"
		slow := w.api.Another()
		w.rules(slow)
		slow.PrependReactor("create", "configmaps", func(k8stesting.Action) (bool, runtime.Object, error) {
			time.Sleep(5 * time.Second) // the bubble's clock
			return false, nil, nil
		})
		done := make(chan error, 1)
		go func() {
			_, err := (&Engine{Client: slow, Holder: "alice@one/1"}).Run(t.Context(), first)
			done <- err
		}()
		time.Sleep(time.Second)
		_, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Run(t.Context(), second)
		if err == nil || !strings.Contains(err.Error(), "alice") || !strings.Contains(err.Error(), first.ID) {
			t.Errorf("the second got %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("the first got %v", err)
		}
	})
}

// Who died between its leases and its journal keeps nobody from the workload for long.
func TestALeaseWithoutAnOperationRunsOut(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		first, second := w.plan(ToECI, w.names()...), w.plan(ToECI, w.names()...)
		second.ID += "b"
		l := newLife(1)
		_, _ = (&Engine{Client: w.another(l), Holder: "alice@one/1"}).Run(t.Context(), first) // it dies
		said, begin := "", time.Now()
		got, err := (&Engine{Client: w.api, Holder: "bob@two/2", Notice: func(text string) { said = text }}).Run(t.Context(), second)
		if err != nil || got.State != Done {
			t.Fatalf("%v, %s: %s", err, got.State, got.Reason)
		}
		if waited := got.Plan.Items[0].Began.Sub(begin); waited < leaseDuration || waited > leaseDuration+10*time.Second || !strings.Contains(said, "alice") {
			t.Errorf("it waited for %s, and said %q", waited, said)
		}
	})
}

// The API server is away for twenty seconds from each of the calls of a drain that change
// something.
func TestADrainSurvivesAnAPIServerThatIsRestarted(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 16; at++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 3)
			defer func() { w.stop() }()
			before := w.names()
			o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
			if err != nil || o.Plan.Blocked() != "" || o.Plan.Moves() == 0 {
				t.Fatal(err, o)
			}
			w.watch()
			api := w.api.Another()
			w.rules(api)
			w.outage(api, at, 20*time.Second)
			got, err := (&Engine{Client: api, Holder: "alice@one/1"}).Run(t.Context(), o)
			if err != nil || got.State != Done {
				t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Steps)
			}
			time.Sleep(time.Minute)
			w.kept(before, before...)
			if leases, _ := w.api.CoordinationV1().Leases("").List(t.Context(), listAll); len(leases.Items) != 0 {
				t.Errorf("leases are left: %+v", leases.Items)
			}
		})
		if t.Failed() {
			t.Logf("away at call %d", at)
			return
		}
	}
}

// A plan that lacks what the API server could not be asked for would leave some where they are,
// and move others all the same.
func TestNothingIsPlannedWithoutTheAPIServer(t *testing.T) {
	for what, call := range map[string][2]string{"a rehearsal": {"create", "pods"}, "rights": {"create", "selfsubjectaccessreviews"}, "budgets": {"list", "poddisruptionbudgets"}} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, 2, func(t *testing.T, w *world) {
				api := w.api.Another()
				w.rules(api)
				api.PrependReactor(call[0], call[1], func(k8stesting.Action) (bool, runtime.Object, error) {
					return true, nil, &url.Error{Op: "Post", URL: "https://api.lab", Err: io.EOF}
				})
				o, err := Propose(t.Context(), api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Pod", Namespace: "shop", Name: w.names()[0]}}}, time.Now())
				if err == nil || !Away(err) {
					t.Errorf("%v, planned: %+v", err, o)
				}
			})
		})
	}
}

// An API server that has just started refuses everybody until it has read who may do what.
func TestAnAPIServerThatStartsIsNotBelieved(t *testing.T) {
	for _, lasts := range []time.Duration{10 * time.Second, time.Hour} {
		t.Run(lasts.String(), func(t *testing.T) {
			inWorld(t, 2, func(t *testing.T, w *world) {
				before := w.names()
				o := w.plan(ToECI, before[0])
				w.watch()
				api := w.api.Another()
				w.rules(api)
				begin := time.Now().Add(2 * time.Second)
				api.PrependReactor("get", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
					if since := time.Since(begin); since < 0 || since > lasts {
						return false, nil, nil
					}
					return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", errors.New(`User "alice" cannot get resource "pods"`))
				})
				got, err := (&Engine{Client: api, Holder: "a"}).Run(t.Context(), o)
				if lasts < warmUp && (err != nil || got.State != Done) {
					t.Errorf("%v, %s: %s", err, got.State, got.Reason)
				}
				if lasts > warmUp && (err == nil || got.State != Interrupted || !strings.Contains(err.Error(), "cannot get")) {
					t.Errorf("%v, %s: %s", err, got.State, got.Reason)
				}
				w.kept(before, before[0])
			})
		})
	}
}

// A drain that was killed at any of its calls, and is gone on with or taken back, has its node
// closed where it is done, and open where all is as before: also where the abort came too late.
func TestADrainThatWasKilledLeavesItsNodeAsItSays(t *testing.T) {
	const most = 60 // such calls
	for _, abort := range []bool{false, true} {
		for end := 1; ; end++ {
			died := false
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer func() { w.stop() }()
				o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				l := newLife(end)
				ctx, cancel := contextOf(t)
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					_, _ = (&Engine{Client: w.another(l), Holder: "alice@one/1"}).Run(ctx, o)
				}()
				select {
				case <-l.died:
				case <-gone:
				}
				cancel()
				<-gone
				died = l.dead()
				all, err := Load(t.Context(), w.api, "", "")
				if err != nil || len(all) == 0 {
					if end > 3 {
						t.Errorf("the journal is empty: %v", err)
					}
					return
				}
				got := all[0]
				if !got.State.Ended() {
					if got, err = (&Engine{Client: w.api, Holder: "bob@two/2"}).Resume(t.Context(), got, abort); err != nil {
						t.Error(err)
					}
				}
				node, err := w.api.CoreV1().Nodes().Get(t.Context(), realNode, metav1.GetOptions{})
				if err != nil || node.Spec.Unschedulable != (got.State == Done) || got.State != Done && (got.State != Aborted || !abort) {
					t.Errorf("it is %s (%s), and the node closed: %t, %v; killed at the last of %v", got.State, got.Reason, node.Spec.Unschedulable, err, l.calls)
				}
			})
			if !died {
				t.Logf("abort %t: killed at each of %d calls", abort, end-1)
				break
			}
			if t.Failed() || end > most {
				t.Fatalf("abort %t, killed at call %d", abort, end)
			}
		}
	}
}

// All leases of a process that is gone run out at the same time.
func TestADrainIsAbortedAsSoonAsAPod(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
		if err != nil || len(o.Plan.Locks) < 2 {
			t.Fatal(err, o)
		}
		l := newLife(7)
		ctx, cancel := contextOf(t)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = (&Engine{Client: w.another(l), Holder: "alice@one/1"}).Run(ctx, o)
		}()
		<-l.died
		cancel()
		<-gone
		all, err := Load(t.Context(), w.api, "", "")
		if err != nil || len(all) != 1 {
			t.Fatal(err, all)
		}
		begin := time.Now()
		got, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Resume(t.Context(), all[0], true)
		if took := time.Since(begin); err != nil || got.State != Aborted || took > leaseDuration+15*time.Second {
			t.Errorf("%v, %s: %s after %s", err, got.State, got.Reason, took)
		}
	})
}

// Whoever resumes or aborts while the API server is restarted comes to the end, too.
func TestAResumedOperationSurvivesAnAPIServerThatIsRestarted(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 12; at++ {
		for _, abort := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				defer func() { w.stop() }()
				before := w.names()
				o := w.plan(ToECI, before[0])
				w.watch()
				_, _ = (&Engine{Client: w.another(newLife(5)), Holder: "alice@one/1"}).Run(t.Context(), o) // it dies
				all, err := Load(t.Context(), w.api, "", "")
				if err != nil || len(all) != 1 {
					t.Fatal(err, all)
				}
				api := w.api.Another()
				w.rules(api)
				w.outage(api, at, 20*time.Second)
				got, err := (&Engine{Client: api, Holder: "bob@two/2"}).Resume(t.Context(), all[0], abort)
				if err != nil || got.State != map[bool]State{false: Done, true: Aborted}[abort] {
					t.Errorf("abort %t: %v, %s: %s", abort, err, got.State, got.Reason)
				}
				time.Sleep(time.Minute)
				w.kept(before, before[0])
			})
			if t.Failed() {
				t.Logf("away at call %d", at)
				return
			}
		}
	}
}

func TestAnAbortFromAnotherProcessIsHeard(t *testing.T) {
	inWorld(t, 6, func(t *testing.T, w *world) {
		before := w.names()
		o := w.plan(ToECI, before...)
		o.Plan.Soak = 600
		w.watch()
		done := make(chan *Operation, 1)
		go func() {
			got, _ := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
			done <- got
		}()
		w.until("the first is moved", func() bool {
			all, _ := Load(t.Context(), w.api, "", "")
			return len(all) == 1 && all[0].Count()[Done] == 1
		})
		if err := AskAbort(t.Context(), w.api, o, "bob"); err != nil {
			t.Fatal(err)
		}
		got := <-done
		if n := got.Count(); got.State != Aborted || n[Done] != 1 || n[Aborted] != 5 {
			t.Errorf("%s %v", got.State, n)
		}
		w.kept(before, got.Plan.Items[0].Pod.Name)
	})
}

func TestAnInterruptedOperationIsKeptFromOthersAndResumedAtOnce(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		before := w.names()
		o := w.plan(ToECI, before...)
		w.watch()
		ctx, hangUp := context.WithTimeout(t.Context(), 7*time.Second) // the canary has gone
		defer hangUp()
		got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(ctx, o)
		if err == nil || got.State != Interrupted {
			t.Fatalf("%v, %s", err, got.State)
		}
		other := w.plan(ToECI, before[0])
		other.ID += "b"
		if _, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Run(t.Context(), other); err == nil || !strings.Contains(err.Error(), "stopped halfway") || !strings.Contains(err.Error(), "alice") {
			t.Errorf("another operation: %v", err)
		}
		begin := time.Now()
		got, err = (&Engine{Client: w.api, Holder: "bob@two/2", Notice: func(text string) { t.Errorf("it waits: %s after %s", text, time.Since(begin)) }}).Resume(t.Context(), got, false)
		if err != nil || got.State != Done {
			t.Fatalf("%v, %s: %s", err, got.State, got.Reason)
		}
		time.Sleep(5 * time.Second)
		w.kept(before, before...)
		if n := w.on(virtualNode); n != 3 {
			t.Errorf("%d on ECI\n%s", n, w)
		}
	})
}

func TestAProcessThatWasTakenOverStops(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		o := w.plan(ToECI, w.names()...)
		o.Plan.Soak = 30
		done := make(chan error, 1)
		go func() {
			_, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
			done <- err
		}()
		time.Sleep(10 * time.Second)
		all, err := Load(t.Context(), w.api, "", "")
		if err != nil || len(all) != 1 {
			t.Fatal(err, all)
		}
		// Somebody else resumes while it still runs, as after a long pause of its machine.
		j, err := Resume(t.Context(), w.api, "", all[0], "bob@two/2")
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if err := <-done; !errors.Is(err, ErrTaken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAForbiddenConfigMapLeavesTheLocalJournal(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		w.refuse = func(a k8stesting.Action) error {
			if a.GetResource().Resource == "configmaps" {
				return apierrors.NewForbidden(a.GetResource().GroupResource(), "x", nil)
			}
			return nil
		}
		audit := AuditDir(t.TempDir())
		o := w.plan(ToECI, w.names()[0])
		got, err := (&Engine{Client: w.api, Audit: audit, Holder: "a"}).Run(t.Context(), o)
		if err != nil || !got.Local || got.State != Done {
			t.Fatal(err, got.Local, got.State)
		}
		all, err := (&Reader{Client: w.api, Audit: audit}).locals(t.Context(), func(string) bool { return false })
		if err != nil || len(all) != 1 || all[0].State != Done || all[0].Plan.Items[0].State != Done {
			t.Errorf("%v %+v", err, all)
		}
	})
}

// TestWhatCanNotBeWrittenDownIsNotBegun: with neither a ConfigMap nor a file there is no journal.
func TestWhatCanNotBeWrittenDownIsNotBegun(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		o := w.plan(ToECI, w.names()[0])
		w.refuse = func(a k8stesting.Action) error {
			if a.GetResource().Resource == "configmaps" {
				return apierrors.NewForbidden(a.GetResource().GroupResource(), "x", nil)
			}
			return nil
		}
		got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
		if err == nil || got.State != Planned || !strings.HasPrefix(got.Reason, "it was not begun: ") {
			t.Errorf("%v, %s: %s", err, got.State, got.Reason)
		}
	})
}

// TestAProcessKilledAtAnyCallIsFollowed kills the process at each of its calls that change
// something, between its effect and its answer, and lets another one resume or abort, at once
// or after so long that the ReplicaSet's replacement is Ready.
func TestAProcessKilledAtAnyCallIsFollowed(t *testing.T) {
	const most = 60 // such calls; no case has as many
	for _, abort := range []bool{false, true} {
		for _, c := range []struct {
			later time.Duration
			rush  int // see world
		}{{later: 0}, {later: time.Minute}, {rush: 1}, {later: time.Minute, rush: 1}} {
			t.Run(fmt.Sprintf("abort=%t after %s, %d replacements faster", abort, c.later, c.rush), func(t *testing.T) {
				t.Parallel()
				for end := 1; end <= most; end++ {
					died := false
					synctest.Test(t, func(t *testing.T) { died = dies(t, end, abort, c.later, c.rush) })
					if t.Failed() {
						return
					}
					if !died {
						t.Logf("killed at each of %d calls", end-1)
						return
					}
				}
				t.Error("it never comes to an end")
			})
		}
	}
}

func dies(t *testing.T, end int, abort bool, later time.Duration, rush int) bool {
	w := newWorld(t, 4)
	defer func() { w.stop() }()
	w.budget, w.rush = 4, rush
	before := w.names()
	targets := before[2:] // of equals the first goes: a bystander
	o := w.plan(ToECI, targets...)
	w.watch()
	l := newLife(end)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = (&Engine{Client: w.another(l), Holder: "alice@one/1"}).Run(ctx, o) // it dies
	}()
	select {
	case <-l.died:
	case <-over:
	}
	cancel()
	<-over
	where := fmt.Sprintf("killed at the last of %v", l.calls)
	died := l.dead()
	time.Sleep(later)
	all, err := Load(t.Context(), w.api, "", "")
	if err != nil && len(l.calls) > 3 {
		t.Errorf("%s: %v", where, err)
	}
	if len(all) == 0 {
		if end > 2 {
			t.Errorf("%s: the journal is empty", where)
		}
	} else if died && !all[0].State.Ended() {
		got, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Resume(t.Context(), all[0], abort)
		if err != nil || !got.State.Ended() {
			t.Errorf("%s: %v, %s: %s", where, err, got.State, got.Reason)
		}
		for _, x := range got.Plan.Items {
			if x.State != Done && x.State != Aborted {
				t.Errorf("%s: item %s is %s: %s", where, x.ID, x.State, x.Reason)
			}
			if x.State == Done && x.Surge.UID == "" {
				t.Errorf("%s: what took the place of item %s is not written down: %s", where, x.ID, x.Reason)
			}
		}
	}
	time.Sleep(time.Minute)
	w.kept(before, targets...)
	if len(w.names()) != 4 {
		t.Errorf("%s:\n%s", where, w)
	}
	all, err = Load(t.Context(), w.api, "", "")
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for _, o := range all {
		moved += o.Count()[Done]
	}
	if n := w.on(virtualNode); n != moved {
		t.Errorf("%s: %d pods are on ECI, and %d were moved", where, n, moved)
	}
	if t.Failed() {
		t.Logf("%s\n%s", where, w)
	}
	return died
}

// TestAProcessKilledBesideASiblingThatIsNeverReadyIsFollowed kills it between the eviction and the
// adoption. Its ReplicaSet's own replacement is Ready then, and with the surge pod there would be
// one pod too many: not the sick sibling, which is none of ours.
func TestAProcessKilledBesideASiblingThatIsNeverReadyIsFollowed(t *testing.T) {
	for _, abort := range []bool{false, true} {
		t.Run(fmt.Sprintf("abort=%t", abort), func(t *testing.T) {
			inWorld(t, 5, func(t *testing.T, w *world) {
				time.Sleep(10 * time.Second)
				w.mu.Lock()
				w.starts = 5 * time.Second
				for i, p := range w.list() {
					p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(p.CreationTimestamp.Add(5 * time.Second)) // they take their time
					if i == 0 {
						p.Status.Conditions[0].Status = corev1.ConditionFalse
						p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
					}
					w.put(p)
				}
				w.mu.Unlock()
				before := w.names()
				o := w.plan(ToECI, before[4])
				w.watch()
				l := newLife(0)
				l.at = "create pods/eviction"
				ctx, cancel := contextOf(t)
				api := w.another(l)
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					_, _ = (&Engine{Client: api, Holder: "alice@one/1"}).Run(ctx, o)
				}()
				<-l.died
				cancel()
				<-gone
				time.Sleep(time.Minute)
				all, err := Load(t.Context(), w.api, "", "")
				if err != nil || len(all) != 1 || w.serving() != 5 {
					t.Fatal(err, all, w)
				}
				begin := time.Now()
				got, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Resume(t.Context(), all[0], abort)
				if want := map[bool]State{false: Done, true: Aborted}[abort]; err != nil || got.State != want {
					t.Errorf("%v, %s, want %s: %+v", err, got.State, want, got.Plan.Items)
				}
				if took := time.Since(begin); took > leaseDuration+time.Minute {
					t.Errorf("it took %s", took)
				}
				time.Sleep(time.Minute)
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.minimum < 4 {
					t.Errorf("%d served at one time", w.minimum)
				}
				for _, name := range before[:4] {
					if w.get(name) == nil {
						t.Errorf("the bystander %s was deleted", name)
					}
				}
				if n := len(w.list()); n != 5 || w.healthy() != 4 {
					t.Errorf("%d pods are left, %d Ready", n, w.healthy())
				}
			})
		})
	}
}

var listAll = metav1.ListOptions{}

// TestAScaleIsNoRollout: an autoscaler changes a Deployment at any time, and its controller needs
// a moment to see that; only another template makes other pods.
func TestAScaleIsNoRollout(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*appsv1.Deployment)
		want   State
	}{
		"scaled":           {func(d *appsv1.Deployment) { d.Spec.Replicas = ptr[int32](4) }, Done},
		"another template": {func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "web:2" }, Aborted},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				before := w.names()
				changed := func() {
					d, err := w.api.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
					if err != nil {
						t.Fatal(err)
					}
					d.Generation++ // which its controller has not seen
					c.change(d)
					w.update2(appsv1.SchemeGroupVersion.WithResource("deployments"), d, d)
				}
				o := w.plan(ToECI, before[0])
				w.watch()
				changed()
				got, err := (&Engine{Client: w.api, Holder: "alice@bastion/1"}).Run(t.Context(), o)
				if err != nil || got.State != c.want {
					t.Fatalf("%v, %s, want %s: %+v", err, got.State, c.want, got.Plan.Items)
				}
				time.Sleep(5 * time.Second)
				w.kept(before, before[0])
				checks := w.plan(ToECI, before[1]).Plan.Items[0].Checks
				blocks := slices.ContainsFunc(checks, func(k Check) bool { return k.Name == "rollout" && k.Level == Block })
				if blocks != (c.want == Aborted) {
					t.Errorf("the next plan has the checks %+v", checks)
				}
			})
		})
	}
}

// TestADrainOfAnotherMachineIsNotBegun: the plan was about the one that had the name before.
func TestADrainOfAnotherMachineIsNotBegun(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		before := w.names()
		o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		o.Plan.Drain.Node.UID = "of the machine before"
		got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
		if err == nil || got.State != Interrupted || !strings.Contains(got.Reason, "another machine") {
			t.Errorf("%v, %s: %s", err, got.State, got.Reason)
		}
		if got, err = (&Engine{Client: w.api, Holder: "alice@one/1"}).Resume(t.Context(), got, true); err != nil || got.State != Aborted {
			t.Errorf("its abort: %v, %s: %s", err, got.State, got.Reason)
		}
		if now := w.names(); !slices.Equal(now, before) {
			t.Errorf("%v, before %v", now, before)
		}
	})
}

// TestADrainOfANodeThatIsGoneComesToItsEnd: an autoscaler takes the machine away, or puts another
// one in its place, while nobody is at work on the drain.
func TestADrainOfANodeThatIsGoneComesToItsEnd(t *testing.T) {
	for _, abort := range []bool{false, true} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("abort %t, replaced %t", abort, replaced), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 2)
					defer w.stop()
					o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
					if err != nil {
						t.Fatal(err)
					}
					if replaced { // while its first pod was on the way
						o.Plan.Items[0].State, o.Plan.Items[0].Began = Surging, time.Now()
					}
					if o, err = (&Engine{Client: w.api, Holder: "alice@one/1"}).Enroll(t.Context(), o); err != nil {
						t.Fatal(err)
					}
					w.mu.Lock()
					nodes := corev1.SchemeGroupVersion.WithResource("nodes")
					node, err := w.api.Tracker().Get(nodes, "", realNode)
					if err == nil {
						err = w.api.Tracker().Delete(nodes, "", realNode)
					}
					if err == nil && replaced {
						another := node.DeepCopyObject().(*corev1.Node)
						another.UID = "of another machine"
						err = w.api.Tracker().Add(another)
					}
					w.mu.Unlock()
					if err != nil {
						t.Fatal(err)
					}
					got, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Resume(t.Context(), o, abort)
					want := map[bool]State{false: Done, true: Aborted}[abort]
					if err != nil || got.State != want {
						t.Errorf("it is %s: %s, %v", got.State, got.Reason, err)
					}
					if node, err := w.api.CoreV1().Nodes().Get(t.Context(), realNode, metav1.GetOptions{}); replaced && (err != nil || node.Spec.Unschedulable) {
						t.Errorf("the other machine is closed: %v", err)
					}
				})
			})
		}
	}
}
