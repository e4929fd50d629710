package collectors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// TestMain takes away client-go's own handling of errors: it sleeps until a real time has
// come, which in a synctest bubble is decades away.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	os.Exit(m.Run())
}

// A cloud is a groupLister whose answers tests change.
type cloud struct {
	mu     sync.Mutex
	groups []eci.Group
	denied bool  // answers 200 with nothing, as ECI does when RAM denies
	err    error // of every call
	calls  int
}

func (c *cloud) Groups(_ context.Context, q eci.GroupQuery) ([]eci.Group, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.err != nil || c.denied {
		return nil, c.err
	}
	if len(q.IDs) > groupsPerCall {
		return nil, fmt.Errorf("InvalidParameter: %d ids", len(q.IDs))
	}
	if q.IDs == nil {
		return c.groups, nil
	}
	var out []eci.Group
	for _, g := range c.groups {
		for _, id := range q.IDs {
			if g.ID == id {
				out = append(out, g)
			}
		}
	}
	return out, nil
}

// A bench is a cluster and a cloud with the collectors running, inside a synctest bubble.
type bench struct {
	t      *testing.T
	kube   *fakeapi.API
	cloud  *cloud
	down   atomic.Bool // the API server does not answer
	store  *Store
	cancel context.CancelFunc
}

func podUID(name string) types.UID { return types.UID("uid-" + name) }

func kubePod(name, node, group string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: podUID(name), ResourceVersion: "1", Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "app"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}},
	}
	if group != "" {
		p.Annotations[eci.AnnotationInstanceID] = group
	}
	return p
}

func group(id, pod string) eci.Group {
	return eci.Group{ID: id, Status: eci.Running, Tags: eci.Identity{
		ManagedBy: eci.ManagedBy, ClusterID: "cluster-uid", Namespace: "shop", PodName: pod, PodUID: string(podUID(pod))}.Tags()}
}

func virtualNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"type": "virtual-kubelet"}}}
}

// newAPI is a cluster with two pods on ECI and one on a real node.
func newAPI() *fakeapi.API {
	return fakeapi.New(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "cluster-uid"}},
		virtualNode("virtual-1"), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "real-1"}},
		kubePod("web-0", "virtual-1", "eci-0"), kubePod("web-1", "virtual-1", "eci-1"), kubePod("db-0", "real-1", ""),
	)
}

// start runs the collectors over a healthy fleet: two pods on ECI, one on a real node.
func start(t *testing.T, change func(*bench)) *bench {
	b := &bench{t: t, cloud: &cloud{groups: []eci.Group{group("eci-0", "web-0"), group("eci-1", "web-1")}}}
	b.kube = newAPI()
	if change != nil {
		change(b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	b.store = NewStore()
	all := All(Sources{Kubernetes: b.kube, ECI: b.cloud, Latest: b.store.Latest, Probe: func(context.Context) error {
		if b.down.Load() {
			return errors.New("the API server does not answer")
		}
		return nil
	}})
	b.store.Expect(all)
	done := make(chan struct{})
	go func() {
		Run(ctx, b.store, all, nil)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func (b *bench) after(d time.Duration) *fleet.Snapshot {
	time.Sleep(d)
	synctest.Wait()
	return b.store.Latest()
}

func (b *bench) source(name string) fleet.Source {
	b.t.Helper()
	for _, s := range b.store.Latest().Sources {
		if s.Name == name {
			return s
		}
	}
	b.t.Fatalf("no source %s", name)
	return fleet.Source{}
}

func (b *bench) pod(name string) *fleet.Placement {
	b.t.Helper()
	for _, p := range b.store.Latest().Placements {
		if p.Pod != nil && p.Pod.Name == name {
			return p
		}
	}
	b.t.Fatalf("no pod %s", name)
	return nil
}

func TestHoursOfWatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		s := b.after(10 * time.Second)
		if len(s.Placements) != 3 || len(s.Nodes) != 2 || len(s.Groups) != 2 || s.Cluster != "cluster-uid" {
			t.Fatalf("%d placements, %d nodes, %d groups, cluster %q", len(s.Placements), len(s.Nodes), len(s.Groups), s.Cluster)
		}
		if p := b.pod("web-0"); p.Group == nil || p.Group.ID != "eci-0" || p.Place != fleet.PlaceECI || p.Status != "Running" {
			t.Errorf("web-0 is %+v", p)
		}
		before := s.Placements[0]
		s = b.after(2 * time.Hour)
		if s.Placements[0] != before {
			t.Error("two quiet hours made a new placement")
		}
		for _, source := range s.Sources {
			if source.Stale(time.Now()) {
				t.Errorf("%s is stale: %+v", source.Name, source)
			}
		}
		if err := b.kube.CoreV1().Pods("shop").Delete(t.Context(), "db-0", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if s = b.after(time.Second); len(s.Placements) != 2 {
			t.Errorf("%d placements after a delete", len(s.Placements))
		}
	})
}

func TestServerAwayAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.after(10 * time.Second)
		b.down.Store(true)
		s := b.after(5 * time.Second)
		for _, name := range []string{"pods", "nodes", "events"} {
			if got := b.source(name); !strings.Contains(got.Error, "does not answer") || !got.Stale(time.Now()) {
				t.Errorf("5 s after the server went away %s is %+v", name, got)
			}
		}
		if len(s.Placements) != 3 {
			t.Errorf("an error became %d placements", len(s.Placements))
		}
		b.after(15 * time.Second)
		b.down.Store(false)
		b.after(5 * time.Second)
		for _, source := range b.store.Latest().Sources {
			if source.Error != "" || source.Stale(time.Now()) {
				t.Errorf("5 s after the server came back %s is %+v", source.Name, source)
			}
		}
	})
}

func TestListFailsThenRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refuse atomic.Bool
		refuse.Store(true)
		b := start(t, func(b *bench) {
			b.kube.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				return refuse.Load(), nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New(`User "eve" cannot list resource "pods"`))
			})
		})
		b.after(30 * time.Second)
		got := b.source("pods")
		if !got.Read.IsZero() || !strings.Contains(got.Error, "may not list and watch pods in all namespaces") || !strings.Contains(got.Error, "-n") {
			t.Errorf("pods is %+v", got)
		}
		if n := b.source("nodes"); n.Error != "" {
			t.Errorf("nodes fails too: %s", n.Error)
		}
		refuse.Store(false)
		if s := b.after(10 * time.Second); len(s.Placements) != 3 || b.source("pods").Error != "" {
			t.Errorf("%d placements, %+v", len(s.Placements), b.source("pods"))
		}
	})
}

func TestGroupsAreNotBelievedGoneLightly(t *testing.T) {
	tests := []struct {
		name   string
		change func(*cloud)
		status string // of web-0
		err    string // part of the source's error
	}{
		{"a group that is not in the list and not found by id is gone", func(c *cloud) { c.groups = c.groups[1:] }, "Lost", ""},
		{"an empty list with 200 is what RAM denial looks like", func(c *cloud) { c.denied = true }, "Running", "eci:DescribeContainerGroups"},
		{"an error keeps what was known", func(c *cloud) { c.err = errors.New("connection refused") }, "Running", "connection refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, nil)
				b.after(20 * time.Second)
				b.cloud.mu.Lock()
				test.change(b.cloud)
				b.cloud.mu.Unlock()
				b.after(30 * time.Second)
				if got := b.pod("web-0"); got.Status != test.status {
					t.Errorf("web-0 is %s (%s), want %s", got.Status, got.Reason, test.status)
				}
				if got := b.pod("web-1"); got.Status != "Running" || got.Group == nil {
					t.Errorf("web-1 is %s", got.Status)
				}
				if got := b.source("groups").Error; !strings.Contains(got, test.err) || (test.err == "") != (got == "") {
					t.Errorf("error %q does not say %q", got, test.err)
				}
			})
		})
	}
}

func TestOrphanIsSeenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.after(20*time.Second + 100*time.Millisecond)
		if err := b.kube.CoreV1().Pods("shop").Delete(t.Context(), "web-0", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := b.after(time.Second).Groups[0].Relation; got != fleet.Unjoined {
			t.Errorf("at once: %s", got)
		}
		if got := b.after(15 * time.Second).Groups[0].Relation; got != fleet.Orphan {
			t.Errorf("after two more sweeps: %s", got)
		}
	})
}

func TestSweepsSlowDownWithTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, func(b *bench) {
			for i := range 10_000 {
				g := group(fmt.Sprint("eci-x", i), fmt.Sprint("x", i))
				g.Tags = eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: "another"}.Tags() // lost pods would cost time
				b.cloud.groups = append(b.cloud.groups, g)
			}
		})
		b.after(4 * time.Minute)
		b.cloud.mu.Lock()
		defer b.cloud.mu.Unlock()
		if b.cloud.calls < 3 || b.cloud.calls > 6 {
			t.Errorf("%d sweeps in four minutes, want one a minute", b.cloud.calls)
		}
		if got := b.source("groups"); got.Every < time.Minute || got.Stale(time.Now()) {
			t.Errorf("groups is %+v", got)
		}
	})
}

// A rogue panics, then reports, then returns.
type rogue struct{ runs int }

func (r *rogue) Collect(_ context.Context, report func(fleet.Part, error)) {
	if r.runs++; r.runs == 1 {
		panic("out of cheese")
	}
	report(fleet.Cluster{UID: "u"}, nil)
}

func TestAPanicIsTheSourcesError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := NewStore()
		all := []Named{{Name: "rogue", Every: time.Second, Collector: &rogue{}}}
		store.Expect(all)
		go Run(ctx, store, all, nil)
		time.Sleep(500 * time.Millisecond)
		if got := store.Latest().Sources[0].Error; !strings.Contains(got, "out of cheese") {
			t.Errorf("error %q", got)
		}
		time.Sleep(time.Second)
		if got := store.Latest(); got.Cluster != "u" || !strings.Contains(got.Sources[0].Error, "stopped by itself") {
			t.Errorf("cluster %q, source %+v", got.Cluster, got.Sources[0])
		}
	})
}

func TestStoreCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := NewStore()
		go store.keep(ctx)
		built := map[*fleet.Snapshot]bool{}
		for i := range 1000 {
			store.Report("cluster", fleet.Cluster{UID: fmt.Sprint(i)}, nil)
			time.Sleep(time.Millisecond)
			built[store.Latest()] = true
		}
		time.Sleep(time.Second)
		if len(built) > 12 {
			t.Errorf("%d snapshots in a second", len(built))
		}
		if got := store.Latest().Cluster; got != "999" {
			t.Errorf("the last report is not in the snapshot: %s", got)
		}
		<-store.Changed()
	})
}
