package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/migrate"
)

// A day is the scenario drain-day: a node that is to be emptied, and its pods.
type day struct {
	*cluster
	client kubernetes.Interface
	node   string
	all    int            // pods of the scenario, on all nodes
	wanted map[string]int // how many Ready pods each app has
}

// newDay waits until the scenario's pods run.
func newDay(t *testing.T, c *cluster, client kubernetes.Interface) *day {
	t.Helper()
	d := &day{cluster: c, client: client, node: "ecs-01", wanted: map[string]int{"web": 4, "search": 4, "checkout": 4, "edge": 6, "mail": 4, "ledger": 1, "cache": 2, "scanner": 1, "db": 3, "debug": 1, "logs": 3,
		"report": 2, "nightly": 1, "broker": 1, "lb": 1}}
	d.eventually(60*slack*time.Second, "the scenario's pods are Ready", func() (bool, string) {
		got := d.ready()
		return maps.Equal(got, d.wanted), fmt.Sprint(got)
	})
	for _, n := range d.wanted {
		d.all += n
	}
	d.gather()
	return d
}

// gather brings what only likes to be on the node there: where another node was Ready first, the
// scheduler had no choice.
func (d *day) gather() {
	d.t.Helper()
	ctx := context.Background()
	nodes, err := d.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "type!=virtual-kubelet"})
	if err != nil {
		d.t.Fatal(err)
	}
	close := func(on bool) {
		for i := range nodes.Items {
			if name := nodes.Items[i].Name; name != d.node {
				if _, err := migrate.SetUnschedulable(ctx, d.client, name, "", on); err != nil {
					d.t.Fatal(err)
				}
			}
		}
	}
	close(true)
	defer close(false)
	for _, p := range d.pods() {
		owner := metav1.GetControllerOf(&p)
		if p.Spec.NodeName == d.node || owner == nil || owner.Kind != "ReplicaSet" && owner.Kind != "StatefulSet" {
			continue
		}
		if err := d.client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{}); err != nil {
			d.t.Fatal(err)
		}
	}
	d.eventually(60*slack*time.Second, "the scenario's pods are on "+d.node, func() (bool, string) {
		on := 0
		for _, n := range d.on(d.node) {
			on += n
		}
		got := d.ready()
		return on >= 30 && maps.Equal(got, d.wanted), fmt.Sprint(on, got)
	})
}

// pods are the scenario's.
func (d *day) pods() []corev1.Pod {
	d.t.Helper()
	var pods []corev1.Pod
	for _, namespace := range []string{"shop", "pay"} {
		list, err := d.client.CoreV1().Pods(namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			d.t.Fatal(err)
		}
		pods = append(pods, list.Items...)
	}
	return pods
}

// ready is how many pods of each app are Ready.
func (d *day) ready() map[string]int {
	got := map[string]int{}
	for _, p := range d.pods() {
		// A simulated pod that has ended keeps its condition.
		if p.DeletionTimestamp == nil && isReady(&p) && p.Status.Phase == corev1.PodRunning {
			got[p.Labels["app"]]++
		}
	}
	return got
}

// on is what is on a node, by app.
func (d *day) on(node string) map[string]int {
	got := map[string]int{}
	for _, p := range d.pods() {
		if p.DeletionTimestamp == nil && p.Spec.NodeName == node && p.Status.Phase == corev1.PodRunning {
			got[p.Labels["app"]]++
		}
	}
	return got
}

// A lookout sees the fewest Ready pods of each app, by watching.
type lookout struct {
	stop  func()
	mu    sync.Mutex
	pods  map[string]*corev1.Pod
	least map[string]int
}

func (d *day) lookout(t *testing.T) *lookout {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &lookout{pods: map[string]*corev1.Pod{}, least: maps.Clone(d.wanted)}
	var watching sync.WaitGroup
	for _, namespace := range []string{"shop", "pay"} {
		list, err := d.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		for i := range list.Items {
			l.pods[namespace+"/"+list.Items[i].Name] = &list.Items[i]
		}
		l.mu.Unlock()
		events, err := d.client.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
		if err != nil {
			t.Fatal(err)
		}
		watching.Go(func() {
			for e := range events.ResultChan() {
				pod, ok := e.Object.(*corev1.Pod)
				if !ok {
					return
				}
				l.see(pod, e.Type == "DELETED")
			}
		})
	}
	l.stop = func() { cancel(); watching.Wait() }
	t.Cleanup(l.stop)
	return l
}

func (l *lookout) see(pod *corev1.Pod, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pods[pod.Namespace+"/"+pod.Name] = pod
	if gone {
		delete(l.pods, pod.Namespace+"/"+pod.Name)
	}
	app, n := pod.Labels["app"], 0
	for _, p := range l.pods {
		if p.Labels["app"] == app && p.DeletionTimestamp == nil && isReady(p) {
			n++
		}
	}
	l.least[app] = min(l.least[app], n)
}

// A drain is one that runs.
type drain struct {
	*day
	look   *lookout
	before map[string]int // what was on the node
	begin  time.Time
	end    func(testing.TB) (operation, int, string)
}

// drains begins to empty the node to ECI, and returns when nothing new comes to the node: what
// others deploy from then on is not drained with it.
func (d *day) drains(x *movingTenant) *drain {
	x.t.Helper()
	r := &drain{day: d, before: d.on(d.node), look: d.lookout(x.t.(*testing.T)), begin: time.Now()}
	r.end = x.starts("drain", d.node, "--to", "eci", "--yes", "--soak", "0s")
	d.eventually(30*slack*time.Second, "the node is cordoned", func() (bool, string) {
		n, err := d.client.CoreV1().Nodes().Get(x.t.Context(), d.node, metav1.GetOptions{})
		return err == nil && n.Spec.Unschedulable, fmt.Sprint(err)
	})
	return r
}

// goesAndComes waits until the node is empty, and takes that back.
func (d *drain) goesAndComes(x *movingTenant) {
	before, l := d.before, d.look
	sum := 0
	for _, n := range before {
		sum += n
	}
	if sum < 25 {
		x.t.Errorf("%d pods are on %s, too few for a test: %v", sum, d.node, before)
	}
	o, code, errs := d.end(x.t)
	if o.State != "done" || code != 1 || !strings.Contains(errs, "node "+d.node+" is not empty: ") { // much of this node stays
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, o.State, o.Reason, errs)
	}
	took := time.Since(d.begin)
	stays := map[string]string{}
	moved := 0
	for _, item := range o.Items {
		app := item.Pod.Name
		if item.State == migrate.Done {
			moved++
			continue
		}
		if item.Why == "" {
			x.t.Errorf("%s stays, and nobody says why", app)
		}
		stays[app] = item.Why
	}
	left := d.on(d.node)
	for app, why := range map[string]string{"ledger": "Recreate", "cache": "local storage", "scanner": "hostPath", "debug": "declare no controller", "logs": "DaemonSet",
		"report": "would start its work anew", "nightly": "would start its work anew", "broker": "is an operator's, no budget protects its pods", "lb": "static pod"} {
		if left[app] != before[app] {
			x.t.Errorf("%d of %s are left on the node, before %d", left[app], app, before[app])
		}
		said := slices.ContainsFunc(slices.Collect(maps.Keys(stays)), func(name string) bool {
			return strings.HasPrefix(name, app) && strings.Contains(stays[name], why)
		})
		if app != "scanner" && before[app] == 0 { // which only likes to be there
			x.t.Errorf("no pod of %s was on the node", app)
		}
		if before[app] > 0 && !said {
			x.t.Errorf("why %s stays is not said: %v", app, stays)
		}
	}
	for _, app := range []string{"web", "search", "checkout", "edge", "mail", "db"} {
		if left[app] != 0 {
			x.t.Errorf("%d of %s are left on the node", left[app], app)
		}
	}
	x.t.Logf("%d pods on %s: %d moved to ECI in %s, %d stay", sum, d.node, moved, took.Round(time.Second), len(stays))
	begin := time.Now()
	back, code, errs := x.ecideck("ops", "undo", o.ID, "--yes", "--soak", "0s")
	if code != 0 || back.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, back.State, back.Reason, errs)
	}
	x.t.Logf("undone in %s", time.Since(begin).Round(time.Second))
	if on := d.on(x.node); len(on) > 0 {
		x.t.Errorf("left on ECI: %v", on)
	}
	l.stop()
	for app, n := range d.wanted {
		want := n
		if app == "db" {
			want-- // one at a time
		}
		if l.least[app] < want {
			x.t.Errorf("of %s %d were Ready at one time, want %d", app, l.least[app], want)
		}
	}
	if n, err := d.client.CoreV1().Nodes().Get(x.t.Context(), d.node, metav1.GetOptions{}); err != nil || n.Spec.Unschedulable {
		x.t.Errorf("node %s is still cordoned: %v", d.node, err)
	}
	x.noPolicies(o.ID)
	x.noPolicies(back.ID)
}
