package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"
)

// A way is a strategy with a world that it works in, and what holds before it and after.
type way struct {
	name    string
	build   func(*world)
	request Request
	app     string // whose pods are looked at
	pods    int    // of it
	moved   int    // of them on ECI when it is done
	most    int    // how many of them may be missing at one time
	change  func(*world) Fields
	renamed bool // their names change
}

func ways() []way {
	deployment := func(w *world) Fields {
		return deploymentFields(stored[*appsv1.Deployment](w, deploymentsResource, "api"))
	}
	set := func(w *world) Fields { return setFields(stored[*appsv1.StatefulSet](w, statefulResource, "db")) }
	pods := func(names ...string) []Ref {
		var refs []Ref
		for _, name := range names {
			refs = append(refs, Ref{Kind: "Pod", Namespace: "shop", Name: name})
		}
		return refs
	}
	whole := func(kind, name string) []Ref { return []Ref{{Kind: kind, Namespace: "shop", Name: name}} }
	rolling, manual := appsv1.RollingUpdateStatefulSetStrategyType, appsv1.OnDeleteStatefulSetStrategyType
	return []way{
		{name: "rollout", build: func(w *world) { w.withDeployment(3) }, request: Request{To: ToECI, Targets: whole("Deployment", "api")}, app: "api", pods: 3, moved: 3, change: deployment, renamed: true},
		{name: "restart by a policy", build: func(w *world) { w.withPolicies(); w.withStatefulSet(3, rolling) }, request: Request{To: ToECI, Targets: pods("db-0", "db-2")}, app: "db", pods: 3, moved: 2, most: 1, change: set},
		{name: "restart of the last by the template", build: func(w *world) { w.withStatefulSet(3, rolling) }, request: Request{To: ToECI, Targets: pods("db-1", "db-2")}, app: "db", pods: 3, moved: 2, most: 1, change: set},
		{name: "restart of one in the middle by the template", build: func(w *world) { w.withStatefulSet(3, manual) }, request: Request{To: ToECI, Targets: pods("db-1")}, app: "db", pods: 3, moved: 1, most: 1, change: set},
		{name: "suspend", build: (*world).withJob, request: Request{To: ToECI, How: Suspend, Targets: whole("Job", "work")}, app: "work", pods: 2, moved: 2, most: 2, renamed: true,
			change: func(w *world) Fields { return jobFields(stored[*batchv1.Job](w, jobsResource, "work")) }},
		{name: "template", build: (*world).withCronJob, request: Request{To: ToECI, Targets: whole("CronJob", "report")}, app: "report",
			change: func(w *world) Fields { return cronJobFields(stored[*batchv1.CronJob](w, cronJobsResource, "report")) }},
		{name: "clone", build: (*world).withBarePod, request: Request{To: ToECI, How: Clone, Targets: pods("lone")}, app: "lone", pods: 1, moved: 1, renamed: true},
	}
}

// begin makes the world and the plan, and watches how many of its pods are Ready.
func (y *way) begin(t *testing.T) (w *world, o *Operation, least func() int) {
	w = newWorld(t, 1)
	w.mu.Lock()
	y.build(w)
	w.mu.Unlock()
	count := func() int {
		n := 0
		for _, p := range w.list() {
			if p.Labels["app"] == y.app && ready(p) {
				n++
			}
		}
		return n
	}
	w.until("all are Ready", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return count() == y.pods
	})
	time.Sleep(2 * time.Second) // controllers see it
	r := y.request
	r.Soak = 5 * time.Second
	o, err := Propose(t.Context(), w.api, nil, "alice", r, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if why := o.Plan.Blocked(); why != "" {
		t.Fatalf("%s: %+v", why, o.Plan.Items)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	low := y.pods
	w.also = append(w.also, func() { low = min(low, count()) })
	w.deleted = nil
	return w, o, func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return low
	}
}

// judge says that an operation that has ended is done or as before, in every respect.
func (y *way) judge(t *testing.T, w *world, got *Operation, before Fields, names map[string]string, least int) {
	t.Helper()
	done := 0
	for i := range got.Plan.Items {
		switch x := &got.Plan.Items[i]; x.State {
		case Done:
			done++
		case Aborted, Stays:
		default:
			t.Errorf("item %s is %s: %s", x.ID, x.State, x.Reason)
		}
	}
	at := w.where(y.app)
	onECI := 0
	for _, node := range at {
		if node == virtualNode {
			onECI++
		}
		if strings.Contains(node, "not Ready") {
			t.Errorf("pods %v", at)
		}
	}
	want := 0
	for i := range got.Plan.Items {
		if x := &got.Plan.Items[i]; x.State == Done && y.pods > 0 {
			want += y.moved / max(1, len(got.Plan.Items))
		}
	}
	if onECI != want || len(at) != y.pods {
		t.Errorf("pods %v: %d on ECI, want %d of %d", at, onECI, want, y.pods)
	}
	if !y.renamed && !slices.Equal(slices.Sorted(maps.Keys(at)), slices.Sorted(maps.Keys(names))) {
		t.Errorf("pods %v, before %v", at, names)
	}
	if least < y.pods-y.most {
		t.Errorf("%d were Ready at one time, want %d", least, y.pods-y.most)
	}
	if y.change != nil {
		w.mu.Lock()
		live := y.change(w)
		w.mu.Unlock()
		c := got.Plan.Items[0].Change
		switch {
		case c == nil && !live.equal(before):
			t.Errorf("its fields were changed: %+v", live)
		case c != nil && done > 0 && !live.equal(c.After):
			t.Errorf("its fields are %+v, want %+v", live, c.After)
		case c != nil && done == 0 && !live.equal(before):
			t.Errorf("its fields are %+v, before %+v", live, before)
		}
	}
	for _, left := range []int{len(policiesOf(t, w))} {
		if left > 0 {
			t.Errorf("%d admission policies are left", left)
		}
	}
	if bindings, err := w.api.AdmissionregistrationV1().MutatingAdmissionPolicyBindings().List(t.Context(), listAll); err != nil || len(bindings.Items) > 0 {
		t.Errorf("bindings of admission policies are left: %v %v", bindings.Items, err)
	}
	if t.Failed() {
		for _, x := range got.Plan.Items {
			t.Logf("%s %s: %s\n%+v", x.ID, x.State, x.Reason, x.Steps)
		}
		t.Logf("%s", w)
	}
}

func policiesOf(t *testing.T, w *world) []admissionv1.MutatingAdmissionPolicy {
	t.Helper()
	all, err := w.api.AdmissionregistrationV1().MutatingAdmissionPolicies().List(t.Context(), listAll)
	if err != nil {
		t.Fatal(err)
	}
	return all.Items
}

func TestEveryStrategyThereAndBack(t *testing.T) {
	for _, y := range ways() {
		t.Run(y.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, o, least := y.begin(t)
				defer func() { w.stop() }()
				names := w.where(y.app)
				before := Fields{}
				if y.change != nil {
					before = y.change(w)
				}
				got, err := (&Engine{Client: w.api, Holder: "alice@one/1", Report: func(o *Operation) {
					for _, x := range o.Plan.Items {
						if x.State == Removing || x.State == Reverting {
							t.Errorf("item %s is %s on its way there: %s", x.ID, x.State, x.Reason)
						}
					}
				}}).Run(t.Context(), o)
				if err != nil || got.State != Done {
					t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items)
				}
				time.Sleep(20 * time.Second)
				y.judge(t, w, got, before, names, least())
				undo, err := ProposeUndo(t.Context(), w.api, nil, "bob", got, Request{}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				back, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Run(t.Context(), undo)
				if err != nil || back.State != Done {
					t.Fatalf("undo: %v, %s: %s\n%+v", err, back.State, back.Reason, back.Plan.Items)
				}
				time.Sleep(20 * time.Second)
				for name, node := range w.where(y.app) {
					if node == virtualNode || strings.Contains(node, "not Ready") {
						t.Errorf("after the undo %s is on %s", name, node)
					}
				}
				if y.change != nil && !y.change(w).equal(before) {
					t.Errorf("after the undo its fields are %+v, before %+v", y.change(w), before)
				}
				if low := least(); low < y.pods-y.most {
					t.Errorf("%d were Ready at one time, want %d", low, y.pods-y.most)
				}
				if n := len(policiesOf(t, w)); n > 0 {
					t.Errorf("%d admission policies are left", n)
				}
			})
		})
	}
}

// TestEveryStrategyKilledAtAnyCallIsFollowed kills the process at each of its calls that
// change something, and lets another one resume or abort. After every other call that one is
// killed, too, and followed by a third.
func TestEveryStrategyKilledAtAnyCallIsFollowed(t *testing.T) {
	const most = 80 // such calls; no case has as many
	for _, y := range ways() {
		for _, follow := range []string{"resume", "abort"} {
			t.Run(y.name+", then "+follow, func(t *testing.T) {
				t.Parallel()
				for end := 1; end <= most; end++ {
					died := false
					synctest.Test(t, func(t *testing.T) { died = y.dies(t, end, follow) })
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

func (y *way) dies(t *testing.T, end int, follow string) bool {
	w, o, least := y.begin(t)
	defer func() { w.stop() }()
	names := w.where(y.app)
	before := Fields{}
	if y.change != nil {
		before = y.change(w)
	}
	live := func(end int, run func(context.Context, *Engine)) (died bool, calls []string) {
		l := newLife(end)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			run(ctx, &Engine{Client: w.another(l), Holder: fmt.Sprintf("alice@one/%d", end)})
		}()
		select {
		case <-l.died:
		case <-over:
		}
		cancel()
		<-over
		return l.dead(), l.calls
	}
	died, calls := live(end, func(ctx context.Context, e *Engine) { _, _ = e.Run(ctx, o) })
	abort := follow == "abort"
	if died && abort == (end%2 == 0) {
		// The second one dies soon, at another call each time.
		if all, _ := Load(t.Context(), w.api, "", ""); len(all) == 1 && !all[0].State.Ended() {
			_, more := live(1+end%7, func(ctx context.Context, e *Engine) {
				e.Holder += "b"
				_, _ = e.Resume(ctx, all[0], abort)
			})
			calls = append(append(calls, "and again"), more...)
		}
	}
	all, err := Load(t.Context(), w.api, "", "")
	if err != nil && end > 3 {
		t.Errorf("killed at the last of %v: %v", calls, err)
	}
	if len(all) == 0 {
		if end > 3 {
			t.Errorf("killed at the last of %v: the journal is empty", calls)
		}
		return died
	}
	got := all[0]
	if !got.State.Ended() {
		if got, err = (&Engine{Client: w.api, Holder: "carol@three/3"}).Resume(t.Context(), all[0], abort); err != nil || !got.State.Ended() {
			t.Errorf("killed at the last of %v: %v, %s: %s", calls, err, got.State, got.Reason)
		}
	}
	time.Sleep(time.Minute)
	y.judge(t, w, got, before, names, least())
	if t.Failed() {
		t.Logf("killed at the last of %v", calls)
	}
	return died
}

// TestEveryStrategySurvivesAnAPIServerThatIsRestarted has it away for twenty seconds from each
// of the calls that change something: the same process comes to the end.
func TestEveryStrategySurvivesAnAPIServerThatIsRestarted(t *testing.T) {
	for _, y := range ways() {
		t.Run(y.name, func(t *testing.T) {
			t.Parallel()
			for at := 1; at <= 12; at++ {
				synctest.Test(t, func(t *testing.T) {
					w, o, least := y.begin(t)
					defer func() { w.stop() }()
					names := w.where(y.app)
					before := Fields{}
					if y.change != nil {
						before = y.change(w)
					}
					api := w.api.Another()
					w.rules(api)
					w.outage(api, at, 20*time.Second)
					got, err := (&Engine{Client: api, Holder: "alice@one/1"}).Run(t.Context(), o)
					if err != nil || got.State != Done {
						t.Fatalf("away at call %d: %v, %s: %s\n%+v", at, err, got.State, got.Reason, got.Plan.Items)
					}
					time.Sleep(time.Minute)
					y.judge(t, w, got, before, names, least())
				})
				if t.Failed() {
					t.Logf("away at call %d", at)
					return
				}
			}
		})
	}
}

// TestWhatNeverRunsOnECIComesBack lets the successors on ECI fail: everything is as before.
func TestWhatNeverRunsOnECIComesBack(t *testing.T) {
	for _, y := range ways() {
		if y.name == "template" {
			continue // nothing of it runs now
		}
		for name, spoil := range map[string]func(*world){
			"ImagePullBackOff": func(w *world) { w.pull = "ImagePullBackOff" },
			"never ready":      func(w *world) { w.hold = true },
		} {
			t.Run(y.name+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, o, least := y.begin(t)
					defer func() { w.stop() }()
					names := w.where(y.app)
					before := Fields{}
					if y.change != nil {
						before = y.change(w)
					}
					w.mu.Lock()
					spoil(w)
					w.mu.Unlock()
					got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
					if err != nil || got.State != Aborted {
						t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items)
					}
					time.Sleep(time.Minute)
					y.judge(t, w, got, before, names, least())
				})
			})
		}
	}
}

// TestASuccessorIsKnownThoughItWasReadyAtTheFirstLook has an API server that answers nothing
// about pods for a while after each eviction: what took the pod's place is written down all the
// same.
func TestASuccessorIsKnownThoughItWasReadyAtTheFirstLook(t *testing.T) {
	for _, y := range ways() {
		if !strings.HasPrefix(y.name, "restart") {
			continue
		}
		t.Run(y.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, o, _ := y.begin(t)
				defer func() { w.stop() }()
				api := w.api.Another()
				w.rules(api)
				const away = 30 * time.Second // a pod is Ready long before
				until := time.Time{}
				api.PrependReactor("*", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
					if a.GetSubresource() == "eviction" {
						until = time.Now().Add(away)
					} else if time.Now().Before(until) && a.GetVerb() != "create" {
						return true, nil, &url.Error{Op: a.GetVerb(), URL: "https://api.lab", Err: errors.New("dial tcp: connection refused")}
					}
					return false, nil, nil
				})
				got, err := (&Engine{Client: api, Holder: "alice@one/1"}).Run(t.Context(), o)
				if err != nil || got.State != Done {
					t.Fatalf("%v, %s: %s", err, got.State, got.Reason)
				}
				for i := range got.Plan.Items {
					x := &got.Plan.Items[i]
					if pod := w.pod(x.Pod.Name); x.Surge.Name != x.Pod.Name || x.Surge.UID != pod.UID {
						t.Errorf("item %s: %s was replaced by %+v, which is %s", x.ID, x.Pod.Name, x.Surge, pod.UID)
					}
				}
				if all, err := Load(t.Context(), w.api, "", ""); err != nil || all[0].Plan.Items[0].Surge != got.Plan.Items[0].Surge {
					t.Errorf("%v: in the journal it is %+v", err, all[0].Plan.Items[0].Surge)
				}
			})
		})
	}
}
