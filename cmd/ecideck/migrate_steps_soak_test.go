//go:build soak

package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
	"github.com/ecideck/ecideck/provider/migrate"
)

// roomy is a scenario with real nodes to drain beside those that all share.
const roomy = `Many real nodes, some of which are drained, and a cloud that is quick.
-- lab.yaml --
region: cn-hangzhou
zones:
- {id: cn-hangzhou-h, vSwitch: vsw-h}
virtualNodes:
- name: virtual-kubelet-cn-hangzhou
  vSwitches: [vsw-h]
  args: [--poll-min=250ms]
nodes:
- {name: ecs, count: 4, instanceType: ecs.g7.4xlarge, zone: cn-hangzhou-h, cpu: "16", memory: 64Gi, pods: 100}
- {name: own, count: 20, instanceType: ecs.g7.4xlarge, zone: cn-hangzhou-h, cpu: "16", memory: 64Gi, pods: 100, labels: {own: "true"}}
eci: {scheduling: 200ms, starting: 800ms, sampling: 60s}
`

// A ground is a lab where many journeys go on at once.
type ground struct {
	*cluster
	client kubernetes.Interface
	bin    string
	nodes  chan string // real ones that nobody drains now
}

func newGround(t *testing.T, change ...func(*scenario.Scenario)) *ground {
	t.Helper()
	g := &ground{cluster: startScenario(t, "roomy", roomy, change...), nodes: make(chan string, 100)}
	config := g.lab.Config()
	config.QPS, config.Burst = 500, 1000
	var err error
	if g.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if g.bin, err = programs(); err != nil {
		t.Fatal(err)
	}
	own, err := g.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "own"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range own.Items {
		if _, err := g.client.CoreV1().Nodes().Patch(t.Context(), n.Name, types.StrategicMergePatchType, fmt.Appendf(nil, `{"spec":{"taints":[{"key":"own","value":%q,"effect":"NoSchedule"}]}}`, n.Name), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		g.nodes <- n.Name
	}
	return g
}

func (g *ground) tenant(t *testing.T) *movingTenant {
	return &movingTenant{newTenant(t, g.lab, g.client, g.lab.Scenario.VirtualNodes[0].Name), g.bin, t.TempDir()}
}

// atOnce is how many journeys go on at once.
const atOnce = 32

// A series is a way that is cut off at one step after the other.
type series struct {
	*way
	follow string
	next   int // step
	flying int
	over   bool // it has no further step
}

// inTurn runs each series, step after step, until it says that there was no such step, many at
// once and each as a test of its own.
func inTurn(t *testing.T, all []*series, each func(t *testing.T, s *series, step int) bool) {
	t.Helper()
	var mu sync.Mutex
	var working sync.WaitGroup
	for range atOnce {
		working.Go(func() {
			for {
				mu.Lock()
				var s *series
				for _, x := range all {
					if !x.over && (s == nil || x.flying < s.flying || x.flying == s.flying && x.next < s.next) {
						s = x
					}
				}
				if s == nil {
					mu.Unlock()
					return
				}
				s.next++
				s.flying++
				step := s.next
				const most = 100 // no way has as many
				if s.over = step >= most; s.over {
					t.Errorf("%s never comes to an end", s.name)
				}
				mu.Unlock()
				met := false // also where nobody asked for this one
				ok := t.Run(fmt.Sprintf("%s then %s, step %d", s.name, s.follow, step), func(t *testing.T) { met = each(t, s, step) })
				mu.Lock()
				s.flying--
				s.over = s.over || !met || !ok
				mu.Unlock()
			}
		})
	}
	working.Wait()
}

// TestKilledAtEveryStep kills the program at each of its calls that change something, for
// every strategy, and lets another machine resume, and again abort.
func TestKilledAtEveryStep(t *testing.T) {
	g := newGround(t)
	var all []*series
	for _, y := range waysToMove() {
		for _, follow := range []string{"resume", "abort"} {
			all = append(all, &series{way: y, follow: follow})
		}
	}
	var mu sync.Mutex
	steps, deaths := map[string]int{}, map[string]int{}
	begin := time.Now()
	inTurn(t, all, func(t *testing.T, s *series, step int) bool {
		killed := s.dies(g.tenant(t), g.nodes, step, s.follow)
		if killed {
			mu.Lock()
			steps[s.name] = max(steps[s.name], step)
			deaths[s.follow]++
			mu.Unlock()
		}
		return killed
	})
	t.Logf("steps %v; killed, and then %v; in %s", steps, deaths, time.Since(begin).Round(time.Second))
}

// A restarter restarts a lab's API server.
type restarter struct {
	lab     *kubetest.Lab
	away    time.Duration // longer than it takes to start again
	once    time.Time     // of what is after this there is one outage
	working sync.WaitGroup

	mu     sync.Mutex
	up     chan struct{} // closes when it is back; nil: it is there
	killed time.Time
	times  int
	failed error
}

// after restarts the API server, unless it was killed since it gave an answer: those who are
// cut off together need one restart. It returns when the API server is dead.
func (r *restarter) after(answer time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.killed.After(answer) || r.failed != nil {
			return
		}
		if r.up == nil {
			break
		}
		up := r.up
		r.mu.Unlock()
		<-up
		r.mu.Lock()
	}
	if r.failed = r.lab.Kill(kubetest.APIServer); r.failed != nil {
		return
	}
	up := make(chan struct{})
	r.up, r.killed, r.times = up, time.Now(), r.times+1
	r.working.Go(func() {
		timer := time.NewTimer(r.away)
		<-timer.C
		err := r.lab.StartPart(kubetest.APIServer)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.up, r.failed = nil, err
		close(up)
	})
}

// restarts are the steps of a way at which the API server was restarted.
type restarts struct {
	mu    sync.Mutex
	hit   map[int]bool
	total int // steps that it took at the least
}

// left are the steps at which it was not.
func (r *restarts) left() (steps []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := 1; n <= r.total; n++ {
		if !r.hit[n] {
			steps = append(steps, n)
		}
	}
	return steps
}

// TestTheAPIServerRestartedAtEveryStep restarts the API server at each of the calls that change
// something, of every strategy, once it has carried the call out: the program, which never gets
// the answer, comes to its end all the same. All strategies are at work at once, and each
// restart is everybody's.
func TestTheAPIServerRestartedAtEveryStep(t *testing.T) {
	g := newGround(t)
	const apart, most = 5, 12 // of five steps one is hit in a round; when all had their turn, those that are left
	all := map[string]*restarts{}
	for _, y := range waysToMove() {
		all[y.name] = &restarts{hit: map[int]bool{}}
	}
	r := &restarter{lab: g.lab}
	begin := time.Now()
	resumed := 0
	for round := range most {
		var prepared, ran, working sync.WaitGroup
		var mu sync.Mutex
		for _, y := range waysToMove() {
			hits := all[y.name]
			if round >= apart && len(hits.left()) == 0 {
				continue
			}
			prepared.Add(1)
			ran.Add(1)
			working.Go(func() {
				ready, over := sync.OnceFunc(prepared.Done), sync.OnceFunc(ran.Done)
				defer over()
				defer ready()
				t.Run(fmt.Sprintf("%s, round %d", y.name, round+1), func(t *testing.T) {
					m := y.prepare(g.tenant(t), g.nodes)
					defer m.leave()
					m.proxy.loseAt(func(step int) bool {
						hits.mu.Lock()
						defer hits.mu.Unlock()
						return !hits.hit[step] && (round >= apart || step%apart == round%apart)
					}, func(step int, _ string, code int) {
						if code < http.StatusInternalServerError {
							hits.mu.Lock()
							hits.hit[step] = true
							hits.mu.Unlock()
						}
						r.after(time.Now())
					})
					ready()
					prepared.Wait()
					p := m.run()
					p.wait()
					hits.mu.Lock()
					m.proxy.mu.Lock()
					if hits.total == 0 || m.proxy.steps < hits.total {
						hits.total = m.proxy.steps
					}
					m.proxy.mu.Unlock()
					t.Logf("restarted at %v by now, of at least %d steps", slices.Sorted(maps.Keys(hits.hit)), hits.total)
					hits.mu.Unlock()
					over()
					ran.Wait()
					r.working.Wait()
					o := m.operation()
					if o == nil {
						t.Fatal("it was not begun")
					}
					if !o.State.Ended() {
						mu.Lock()
						resumed++
						mu.Unlock()
						t.Logf("it stopped: %s", o.Reason)
						m.state = t.TempDir()
						if got, code, errs := m.ecideck("ops", "resume", o.ID, "--yes"); code != 0 {
							t.Errorf("exit code %d, %s: %s\n%s", code, got.State, got.Reason, errs)
						}
						o = m.operation()
					}
					if o.State != migrate.Done {
						t.Errorf("it is %s: %s", o.State, o.Reason)
					}
					m.judge(o, false)
				})
			})
		}
		working.Wait()
		if r.failed != nil {
			t.Fatal(r.failed)
		}
		if round >= apart-1 && !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(r *restarts) bool { return len(r.left()) > 0 }) {
			break
		}
		if t.Failed() {
			break
		}
	}
	for name, hits := range all {
		t.Logf("%s: restarted at %d steps, of at least %d", name, len(hits.hit), hits.total)
		if left := hits.left(); len(left) > 0 && hits.total > 0 {
			t.Errorf("%s: not restarted at steps %v", name, left)
		}
	}
	t.Logf("%d restarts, %d programs that had to be followed by another, in %s", r.times, resumed, time.Since(begin).Round(time.Second))
}

// TestAnAbortInALongOutage has the API server away for half a minute when killed programs are
// to be taken back, and again in the middle of that.
func TestAnAbortInALongOutage(t *testing.T) {
	g := newGround(t)
	r := &restarter{lab: g.lab, away: 30 * time.Second}
	for _, middle := range []bool{false, true} {
		var killed, judged, working sync.WaitGroup
		for _, y := range waysToMove() {
			killed.Add(1)
			judged.Add(1)
			working.Go(func() {
				dead, over := sync.OnceFunc(killed.Done), sync.OnceFunc(judged.Done)
				defer over()
				defer dead()
				t.Run(fmt.Sprintf("%s, in its middle %t", y.name, middle), func(t *testing.T) {
					m := y.prepare(g.tenant(t), g.nodes)
					defer m.leave()
					const halfway = 6
					o, _ := m.cut(halfway)
					if o == nil || o.State.Ended() {
						t.Fatalf("it is %+v", o)
					}
					m.state = t.TempDir() // another machine
					config := m.lab.Kubeconfig
					if middle {
						follower := m.recorder()
						config = follower.kubeconfig(m.movingTenant, "")
						follower.loseAt(func(step int) bool { return step == 2 }, func(int, string, int) { r.after(r.once) })
					}
					dead()
					killed.Wait()
					if !middle {
						r.after(r.once)
					}
					got, code, errs := m.ecideck("--kubeconfig", config, "ops", "abort", o.ID, "--yes")
					if code != 0 {
						t.Errorf("exit code %d, %s: %s\n%s", code, got.State, got.Reason, errs)
					}
					over()
					judged.Wait()
					r.working.Wait()
					m.judge(m.operation(), false)
				})
			})
		}
		working.Wait()
		r.once = time.Now()
		if r.failed != nil {
			t.Fatal(r.failed)
		}
	}
	t.Logf("away %d times", r.times)
}

// TestWithoutAdmissionPolicies moves pods of a StatefulSet on an API server that has none, as
// before Kubernetes 1.36, and back.
func TestWithoutAdmissionPolicies(t *testing.T) {
	g := newGround(t, func(s *scenario.Scenario) { s.Kubernetes = "1.35" })
	for _, target := range []string{"web-0", "web-1"} {
		t.Run(target, func(t *testing.T) {
			x := g.tenant(t)
			for _, y := range waysToMove() {
				if y.name != "partition" && y.name != "OnDelete" || y.targets[0] != target {
					continue
				}
				y.rights = "" // all that there are
				m := y.prepare(x, g.nodes)
				o, code, errs := x.ecideck(m.args...)
				if code != 0 || o.State != "done" || o.Items[0].Strategy != migrate.Ordinals || !strings.Contains(o.Items[0].Why, "1.36") {
					t.Fatalf("exit code %d, %s: %s\n%s\n%+v", code, o.State, o.Reason, errs, o.Items)
				}
				m.judge(m.operation(), false)
				if back, code, errs := x.ecideck("ops", "undo", o.ID, "--yes"); code != 0 || back.State != "done" {
					t.Fatalf("exit code %d, %s: %s\n%s", code, back.State, back.Reason, errs)
				}
				if now := m.now(); now != m.before {
					t.Errorf("after the undo its StatefulSet is\n%s\nbefore\n%s", now, m.before)
				}
				for _, pod := range x.list("app=web") {
					if pod.Spec.NodeName == x.node || !isReady(&pod) {
						t.Errorf("after the undo %s is on %s, Ready %t", pod.Name, pod.Spec.NodeName, isReady(&pod))
					}
				}
			}
		})
	}
}
