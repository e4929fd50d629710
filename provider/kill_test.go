package provider

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// A life is one process of the node, which ends as by kill -9 at one of the calls that change
// something, when it took effect and before its answer is read. A process that dies before its
// next call leaves the same behind. Nothing that it does afterwards reaches anybody.
type life struct {
	end   int    // the call at which it ends, from 1; 0: at none
	asked func() // is called when ECI has served a call that changes something

	mu    sync.Mutex
	calls []string // those that change something, in words
	died  chan struct{}
}

func newLife(end int, asked func()) *life {
	return &life{end: end, asked: asked, died: make(chan struct{})}
}

var errDead = errors.New("this process was killed")

func (l *life) dead() bool {
	select {
	case <-l.died:
		return true
	default:
		return false
	}
}

// call counts a call and makes it, unless the process is dead; alive tells that it is still
// there to read the answer.
func (l *life) call(what string, changes bool, do func()) (alive bool) {
	l.mu.Lock()
	if l.dead() {
		l.mu.Unlock()
		return false
	}
	last := false
	if changes {
		l.calls = append(l.calls, what)
		last = len(l.calls) == l.end
	}
	if last {
		close(l.died)
	}
	l.mu.Unlock()
	do()
	return !last && !l.dead()
}

// over is the road to ECI.
func (l *life) over(cloud http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (response *http.Response, err error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		action := form.Get("Action") + r.URL.Query().Get("Action")
		reads := strings.HasPrefix(action, "Describe") || strings.HasPrefix(action, "List")
		if !l.call(action, !reads, func() {
			if response, err = cloud.RoundTrip(r); !reads {
				l.asked()
			}
		}) {
			return nil, errDead
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// overAPI is the road to the API server. Calls about nodes, their leases and events change
// nothing about a pod.
func (l *life) overAPI(api *fakeapi.API) {
	api.PrependReactor("*", "*", func(a k8stesting.Action) (handled bool, object runtime.Object, err error) {
		verb, resource := a.GetVerb(), a.GetResource().Resource
		changes := verb != "get" && verb != "list" && (resource == "pods" || resource == "serviceaccounts")
		what := strings.Trim(verb+" "+resource+"/"+a.GetSubresource(), "/")
		if !l.call(what, changes, func() {
			for _, next := range api.ReactionChain[1:] {
				if !next.Handles(a) {
					continue
				}
				if handled, object, err = next.React(a.DeepCopy()); handled {
					return
				}
			}
		}) {
			return true, nil, errDead
		}
		return handled, object, err
	})
	api.PrependWatchReactor("*", func(k8stesting.Action) (bool, watch.Interface, error) {
		if l.dead() {
			return true, nil, errDead
		}
		return false, nil, nil
	})
}

// A death is what goes on around a node while its process is killed.
type death struct {
	name   string
	before func(*bed) // before the process starts that is killed; nil: nothing
	// during happens while that process runs, or has died at some point of it.
	during func(*bed)
	pods   int // in the end; each has one group of its own
}

func deaths() []death {
	web := func(change ...func(*corev1.Pod)) func(*bed) {
		return func(b *bed) { b.create(healthyPod("web", change...)) }
	}
	fault := func(f ecitest.Fault) func(*bed) { return func(b *bed) { b.fault(f) } }
	return []death{
		{"creating", nil, web(), 2},
		{"creating where there is no stock", fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Count: 1}), web(), 2},
		{"creating what can't be scheduled", fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Async: true, Count: 1}), web(), 2},
		{"falling back from spot", fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Async: true, Count: 1}),
			web(annotated("spot-strategy", "SpotAsPriceGo", "spot-fallback", "true")), 2},
		{"creating with lost answers", fault(ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Action: "CreateContainerGroup", Count: 1}), web(), 2},
		{"deleting", nil, func(b *bed) {
			pod := b.create(healthyPod("web"))
			b.patiently(10*time.Second, func() bool { return ready(b.get(pod)) })
			b.delete(pod)
		}, 1},
		{"deleting what is being created", nil, func(b *bed) {
			pod := b.create(healthyPod("web"))
			b.patiently(10*time.Second, func() bool { return b.cloud.Calls("CreateContainerGroup") > 0 })
			b.delete(pod)
		}, 1},
		{"replacing by a pod of the same name", nil, func(b *bed) {
			pod := b.create(healthyPod("db-0", ownedBy("StatefulSet")))
			b.patiently(10*time.Second, func() bool { return ready(b.get(pod)) })
			now := int64(0)
			if err := b.client.CoreV1().Pods("default").Delete(b.ctx, "db-0", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				b.t.Fatal(err)
			}
			b.create(healthyPod("db-0", ownedBy("StatefulSet")))
		}, 2},
		{"collecting an orphan", func(b *bed) {
			gone := eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: testCluster, NodeName: testNode, Namespace: "default", PodName: "gone", PodUID: "gone-uid", Attempt: 1}
			if _, err := b.cloud.Seed(ecitest.SeedGroup{Name: "gone", Tags: gone.Tags()}); err != nil {
				b.t.Fatal(err)
			}
		}, func(*bed) {}, 1},
		{"running a job", nil, web(ownedBy("Job"), image("job"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }), 2},
	}
}

// patiently waits for something that will never come where the process has died.
func (b *bed) patiently(limit time.Duration, ok func() bool) {
	for start := time.Now(); !ok() && time.Since(start) < limit && !b.life.dead(); {
		time.Sleep(50 * time.Millisecond) // the bubble's clock
	}
}

// TestAProcessKilledAtAnyCallLeavesOneGroupAPod kills the process at each call that changes
// something, between its effect and its answer, and lets the next process go on.
func TestAProcessKilledAtAnyCallLeavesOneGroupAPod(t *testing.T) {
	const most = 60 // calls that change something; no death has as many
	for _, d := range deaths() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for end := 1; end <= most; end++ {
				var died bool
				synctest.Test(t, func(t *testing.T) { died = d.die(t, end) })
				if t.Failed() {
					return
				}
				if !died {
					if t.Logf("killed at each of %d calls", end-1); end == 1 {
						t.Error("no call changed anything")
					}
					return
				}
			}
			t.Error("the process never comes to an end")
		})
	}
}

// die kills the process at a call and lets another go on. It tells whether there was such a
// call.
func (d death) die(t *testing.T, end int) bool {
	b := newBed(t)
	b.start()
	bystander := b.untilReady(b.create(healthyPod("bystander")))
	b.stop()
	if d.before != nil {
		d.before(b)
	}
	var mu sync.Mutex
	var twins []string // UIDs of pods that had two groups at once; guarded by mu
	count := func() {
		mu.Lock()
		defer mu.Unlock()
		byUID := map[string]int{}
		for _, g := range b.live() {
			if uid := g.Tags[eci.TagPodUID]; g.Status != eci.Terminating {
				if byUID[uid]++; byUID[uid] > 1 {
					twins = append(twins, uid)
				}
			}
		}
	}
	b.life = newLife(end, count)
	b.start()
	d.during(b)
	// Long enough for all that this process would ever do, or it is dead by now.
	b.patiently(90*time.Second, func() bool { return false })
	killed := b.life
	b.stop()
	b.life = newLife(0, count)
	b.start()
	defer func() { b.stop() }()
	<-b.node.Ready()

	where := "at no call"
	if killed.dead() {
		where = "at the last of: " + strings.Join(killed.calls, ", ")
	}
	pairs := func() (wrong string) {
		left := b.cloud.Groups()
		pods := b.pods()
		if len(pods) != d.pods {
			return fmt.Sprintf("%d pods, want %d", len(pods), d.pods)
		}
		for i := range pods {
			pod := &pods[i]
			mine := slices.DeleteFunc(slices.Clone(left), func(g ecitest.GroupInfo) bool {
				return g.Tags[eci.TagPodUID] != string(pod.UID)
			})
			switch {
			case len(mine) != 1:
				return fmt.Sprintf("pod %s has groups %+v", pod.Name, mine)
			case pod.Annotations[eci.AnnotationInstanceID] != mine[0].ID:
				return fmt.Sprintf("pod %s is joined with %q", pod.Name, pod.Annotations[eci.AnnotationInstanceID])
			case !ready(pod) && pod.Status.Phase != corev1.PodSucceeded:
				return fmt.Sprintf("pod %s is %s %s: %s", pod.Name, pod.Status.Phase, pod.Status.Reason, pod.Status.Message)
			}
		}
		if len(left) != d.pods {
			return fmt.Sprintf("groups %+v", left)
		}
		return ""
	}
	for start := time.Now(); pairs() != ""; time.Sleep(time.Second) {
		if time.Since(start) > 15*time.Minute {
			t.Errorf("killed %s: after 15 minutes: %s\nevents: %s", where, pairs(), strings.Join(b.events.list, "\n"))
			break
		}
	}
	if now := b.get(bystander); now == nil || now.Annotations[eci.AnnotationInstanceID] != bystander.Annotations[eci.AnnotationInstanceID] ||
		now.Status.StartTime == nil || !now.Status.StartTime.Equal(bystander.Status.StartTime) || !ready(now) {
		t.Errorf("killed %s: the bystander was touched: %+v", where, now)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(twins) > 0 {
		t.Errorf("killed %s: pods %v had two groups at once", where, twins)
	}
	return killed.dead()
}
