package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/migrate"
)

// webWithBudget is a Deployment behind a Service and a budget. Simulated pods are Ready within
// milliseconds; an annotation makes them take their time, as real ones do.
const webWithBudget = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: NAMESPACE}
spec: {maxUnavailable: BUDGET, selector: {matchLabels: {app: web}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {pod-ready.stage.kwok.x-k8s.io/delay: 4s}}
    spec:
      terminationGracePeriodSeconds: 2
      containers: [{name: web, image: IMAGE, resources: {requests: {cpu: 250m, memory: 512Mi}}}]
`

// A movingTenant moves its workload with the program itself.
type movingTenant struct {
	*tenant
	bin   string // where the programs are
	state string // XDG_STATE_HOME
}

// deploy makes the Deployment and waits until it is Ready. It is deleted when the test ends:
// a node that another test drains may run some of it.
func (x *movingTenant) deploy(replicas int, budget, image string) (names []string) {
	x.t.Helper()
	x.apply(strings.NewReplacer("REPLICAS", fmt.Sprint(replicas), "BUDGET", budget, "IMAGE", image).Replace(webWithBudget))
	x.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := x.client.AppsV1().Deployments(x.namespace).Delete(ctx, "web", metav1.DeleteOptions{}); err != nil {
			x.t.Error(err)
		}
		again := time.NewTicker(200 * time.Millisecond)
		defer again.Stop()
		for {
			list, err := x.client.CoreV1().Pods(x.namespace).List(ctx, metav1.ListOptions{})
			if err != nil || len(list.Items) == 0 {
				return
			}
			<-again.C
		}
	})
	x.do("rollout", "status", "deployment/web")
	return x.names()
}

// command is an ecideck process that is not started yet.
func (x *movingTenant) command(ctx context.Context, args ...string) *exec.Cmd {
	flags := []string{"-n", x.namespace}
	if !slices.Contains(args, "--kubeconfig") {
		flags = append(flags, "--kubeconfig", x.lab.Kubeconfig)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(x.bin, "ecideck"), append(flags, args...)...)
	cmd.Env = append(cmd.Environ(), "XDG_STATE_HOME="+x.state)
	return cmd
}

// An operation is what the program prints of one.
type operation struct {
	ID, State, Reason string
	Items             []migrate.Item
	Checks            []migrate.Check // a plan's
}

// ecideck runs the program to its end.
func (x *movingTenant) ecideck(args ...string) (o operation, code int, errs string) {
	x.t.Helper()
	return x.starts(args...)(x.t)
}

// starts starts the program; end, called once, waits for its end.
func (x *movingTenant) starts(args ...string) (end func(testing.TB) (o operation, code int, errs string)) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), 3*time.Minute*slack)
	cmd := x.command(ctx, append(args, "-o", "json")...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if err := cmd.Start(); err != nil {
		cancel()
		x.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { defer cancel(); ended <- cmd.Wait() }()
	return func(t testing.TB) (o operation, code int, errs string) {
		t.Helper()
		failed := <-ended
		if exit := new(exec.ExitError); errors.As(failed, &exit) {
			code = exit.ExitCode()
		} else if failed != nil {
			t.Fatal(failed)
		}
		if out.Len() > 0 {
			if e := json.Unmarshal(out.Bytes(), &o); e != nil {
				t.Fatalf("%v in\n%s\n%s", e, out.String(), err.String())
			}
		}
		return o, code, err.String()
	}
}

// A watcher looks at a workload's pods by itself, and knows nothing of the engine.
type watcher struct {
	t    testing.TB
	stop func()

	mu      sync.Mutex
	begun   bool
	pods    map[string]*corev1.Pod
	least   int
	deleted []string
	slices  map[string]int // ready endpoints of the Service web, by slice
	serving int            // at the least, once there were any
}

// guard begins to watch the pods with app=web: how many are Ready at the least, and which go.
// After an API server that was restarted it looks at all of them at once: what comes one after
// the other then has not happened in that order, which is why it is no informer.
func (x *movingTenant) guard() *watcher {
	x.t.Helper()
	w := &watcher{t: x.t}
	ctx, cancel := context.WithCancel(x.t.Context())
	pods, endpoints := x.client.CoreV1().Pods(x.namespace), x.client.DiscoveryV1().EndpointSlices(x.namespace)
	var watching sync.WaitGroup
	follow(ctx, &watching, "app=web", func(o metav1.ListOptions) (watch.Interface, error) { return pods.Watch(ctx, o) },
		func(o metav1.ListOptions) (string, []runtime.Object, error) {
			list, err := pods.List(ctx, o)
			if err != nil {
				return "", nil, err
			}
			all, err := meta.ExtractList(list)
			return list.ResourceVersion, all, err
		}, w.seesPods)
	follow(ctx, &watching, discoveryv1.LabelServiceName+"=web", func(o metav1.ListOptions) (watch.Interface, error) { return endpoints.Watch(ctx, o) },
		func(o metav1.ListOptions) (string, []runtime.Object, error) {
			list, err := endpoints.List(ctx, o)
			if err != nil {
				return "", nil, err
			}
			all, err := meta.ExtractList(list)
			return list.ResourceVersion, all, err
		}, w.seesEndpoints)
	w.stop = func() { cancel(); watching.Wait() }
	x.t.Cleanup(w.stop)
	x.eventually(30*slack*time.Second, "the Service has endpoints", func() (bool, string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.served() > 0 && w.ready() > 0, ""
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.least, w.serving, w.deleted, w.begun = w.ready(), w.served(), nil, true
	return w
}

// follow calls sees with all that there is at one moment, now and after each change.
func follow(ctx context.Context, watching *sync.WaitGroup, label string, begin func(metav1.ListOptions) (watch.Interface, error),
	list func(metav1.ListOptions) (string, []runtime.Object, error), sees func(map[string]runtime.Object)) {
	once := func() {
		version, all, err := list(metav1.ListOptions{LabelSelector: label})
		if err != nil {
			return
		}
		seen := map[string]runtime.Object{}
		put := func(o runtime.Object, gone bool) {
			m, err := meta.Accessor(o)
			if err != nil {
				panic(err) // a slip in a test
			}
			if seen[m.GetName()] = o; gone {
				delete(seen, m.GetName())
			}
		}
		for _, o := range all {
			put(o, false)
		}
		sees(maps.Clone(seen))
		events, err := begin(metav1.ListOptions{LabelSelector: label, ResourceVersion: version})
		if err != nil {
			return
		}
		defer events.Stop()
		for e := range events.ResultChan() {
			if e.Type == watch.Error {
				return
			}
			put(e.Object, e.Type == watch.Deleted)
			sees(maps.Clone(seen))
		}
	}
	watching.Go(func() {
		again := time.NewTicker(100 * time.Millisecond)
		defer again.Stop()
		for ctx.Err() == nil {
			once()
			select {
			case <-ctx.Done():
			case <-again.C:
			}
		}
	})
}

func (w *watcher) seesPods(all map[string]runtime.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := map[string]*corev1.Pod{}
	for name, o := range all {
		now[name] = o.(*corev1.Pod)
	}
	for name, before := range w.pods {
		if after := now[name]; before.DeletionTimestamp == nil && (after == nil || after.UID != before.UID || after.DeletionTimestamp != nil) {
			w.deleted = append(w.deleted, name)
		}
	}
	if w.pods = now; w.begun {
		w.least = min(w.least, w.ready())
	}
}

func (w *watcher) seesEndpoints(all map[string]runtime.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slices = map[string]int{}
	for name, o := range all {
		s := o.(*discoveryv1.EndpointSlice)
		for i := range s.Endpoints {
			if ready := s.Endpoints[i].Conditions.Ready; ready == nil || *ready {
				w.slices[name] += len(s.Endpoints[i].Addresses)
			}
		}
	}
	if w.begun {
		w.serving = min(w.serving, w.served())
	}
}

func (w *watcher) served() (n int) {
	for _, ready := range w.slices {
		n += ready
	}
	return n
}

func (w *watcher) ready() int {
	n := 0
	for _, pod := range w.pods {
		if pod.DeletionTimestamp == nil && isReady(pod) {
			n++
		}
	}
	return n
}

// kept fails unless at least so many were Ready all the time and no bystander was deleted.
func (w *watcher) kept(least int, bystanders ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.least < least {
		w.t.Errorf("%d were Ready at one time, want %d", w.least, least)
	}
	if w.serving == 0 {
		w.t.Error("the Service had no endpoint at one time")
	}
	for _, name := range bystanders {
		if slices.Contains(w.deleted, name) {
			w.t.Errorf("the bystander %s was deleted; all: %v", name, w.deleted)
		}
	}
}

// names are the living pods' names on a node, or on all; sorted.
func (x *movingTenant) names(virtual ...bool) []string {
	x.t.Helper()
	var names []string
	for _, pod := range x.list("app=web") {
		if pod.DeletionTimestamp == nil && (len(virtual) == 0 || (pod.Spec.NodeName == x.node) == virtual[0]) {
			names = append(names, pod.Name)
		}
	}
	slices.Sort(names)
	return names
}

// settled waits until the Deployment has so many pods, all Ready, so many of them on ECI.
func (x *movingTenant) settled(all, onECI int) {
	x.t.Helper()
	x.eventually(30*slack*time.Second, fmt.Sprintf("%d pods, %d on ECI", all, onECI), func() (bool, string) {
		for _, pod := range x.list("app=web") {
			if !isReady(&pod) || metav1.GetControllerOf(&pod) == nil {
				return false, pod.Name + " is not Ready or nobody's"
			}
		}
		return len(x.names()) == all && len(x.names(true)) == onECI, fmt.Sprint(x.names(), x.names(true))
	})
}

// TestMigrationsKeepEveryReplica moves pods with the program itself under the real
// controllers, and a watcher of its own holds the promises. One lab serves all.
func TestMigrationsKeepEveryReplica(t *testing.T) {
	t.Parallel()
	c := startLab(t, "drain-day")
	client, err := kubernetes.NewForConfig(c.lab.Config())
	if err != nil {
		t.Fatal(err)
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	tenant := func(t *testing.T) *movingTenant {
		return &movingTenant{newTenant(t, c.lab, client, c.lab.Scenario.VirtualNodes[0].Name), bin, t.TempDir()}
	}
	// The scenario's node is drained while the others work on the other nodes.
	draining := newDay(t, c, client).drains(tenant(t))
	t.Run("while others work", func(t *testing.T) {
		for _, check := range []struct {
			name string
			of   func(*movingTenant)
		}{
			{"a node with thirty pods of every owner drains to ECI and the drain is undone", draining.goesAndComes},
			{"many swaps with a sick sibling and an autoscaler", func(x *movingTenant) { _ = manySwaps(x, 9, 1) }},
			{"a Deployment goes to ECI and comes home under a budget that allows nothing", migratesThereAndBack},
			{"a swap that is killed at one of its steps is followed by another process", func(x *movingTenant) { diesSomewhere(x, true) }},
			{"so is one of the other strategies", func(x *movingTenant) { diesSomewhere(x, false) }},
			{"what real nodes have room for comes home by itself", comesHomeByItself},
			{"pods of a StatefulSet are restarted in place", restartsInPlace},
			{"a whole Deployment rolls out and back", rollsOutAndBack},
			{"ecideck-node rescues what ECI is about to take", rescuedByTheNode},
			{"Jobs, CronJobs and lone pods are moved if asked for", movesJobsAndLonePods},
			{"a dry run, and who lacks a right, change nothing", changesNothing},
			{"a wrong clock is said, or stops it", tellsOfTheClock},
			{"an unhealthy sibling is left alone", leavesTheSibling},
			{"an image that can't be pulled on ECI changes nothing", survivesTheImage},
			{"an evicted surge pod changes nothing", survivesAnEviction},
			{"a pending pod is let onto ECI", placesThePending},
		} {
			t.Run(check.name, func(t *testing.T) {
				t.Parallel()
				check.of(tenant(t))
			})
		}
	})
	t.Run("ECI without stock changes nothing", func(t *testing.T) { survivesNoStock(tenant(t)) })
}

func migratesThereAndBack(x *movingTenant) {
	before := x.deploy(4, "0", "lab/serve")
	w := x.guard()
	plan, code, errs := x.ecideck("migrate", "deploy/web", "--to", "eci", "--how", "swap", "--dry-run")
	if code != 0 || len(plan.Items) != 4 || plan.Items[0].Strategy != migrate.Swap || plan.Items[0].After.MicrosPerHour == 0 {
		x.t.Fatalf("the plan: %d %s\n%+v", code, errs, plan)
	}
	o, code, errs := x.ecideck("migrate", "deploy/web", "--to", "eci", "--how", "swap", "--yes", "--soak", "2s")
	if code != 0 || o.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, o.State, o.Reason, errs)
	}
	x.settled(4, 4)
	w.kept(4)
	for _, item := range o.Items {
		if item.State != migrate.Done || len(item.Steps) < 3 || !slices.Contains(before, item.Pod.Name) {
			x.t.Errorf("item %+v", item)
		}
	}
	// The API server's audit: every pod says which operation made it.
	for _, pod := range x.list("app=web") {
		if pod.Labels["ecideck.io/op"] != o.ID {
			x.t.Errorf("pod %s has labels %v", pod.Name, pod.Labels)
		}
	}
	back, code, errs := x.ecideck("ops", "undo", o.ID, "--yes", "--soak", "1s")
	if code != 0 || back.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, back.State, back.Reason, errs)
	}
	x.settled(4, 0)
	w.kept(4)
	if out, _, errs := x.ecideck("migrate", "deploy/web", "--to", "ecs", "--yes"); out.State == "done" || !strings.Contains(errs, "nothing is to be moved") {
		x.t.Errorf("moving home again: %+v\n%s", out, errs)
	}
}

// leavesTheSibling: of pods that are not Ready a ReplicaSet deletes one without a node first.
func leavesTheSibling(x *movingTenant) {
	names := x.deploy(4, "1", "lab/serve")
	sick := x.get(names[0])
	for i := range sick.Status.Conditions {
		if c := &sick.Status.Conditions[i]; c.Type == corev1.PodReady || c.Type == corev1.ContainersReady {
			c.Status, c.Reason = corev1.ConditionFalse, "ContainersNotReady"
		}
	}
	if _, err := x.client.CoreV1().Pods(x.namespace).UpdateStatus(x.t.Context(), sick, metav1.UpdateOptions{}); err != nil {
		x.t.Fatal(err)
	}
	w := x.guard()
	o, code, errs := x.ecideck("migrate", names[1], names[2], "--to", "eci", "--yes", "--soak", "1s")
	if code != 0 || o.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, o.State, o.Reason, errs)
	}
	w.kept(3, names[0], names[3])
	if now := x.get(names[0]); now == nil || now.UID != sick.UID || isReady(now) {
		x.t.Errorf("the sick sibling is %+v", now)
	}
}

func survivesTheImage(x *movingTenant) {
	before := x.deploy(3, "0", "lab/missing")
	w := x.guard()
	o, code, _ := x.ecideck("migrate", "deploy/web", "--to", "eci", "--how", "swap", "--yes", "--soak", "0s")
	if code == 0 || o.State != "aborted" || len(o.Items) == 0 || !strings.Contains(o.Items[0].Reason, "ImagePullBackOff") {
		x.t.Errorf("exit code %d, %s: %+v", code, o.State, o.Items)
	}
	x.settled(3, 0)
	w.kept(3, before...)
	if now := x.names(); !slices.Equal(now, before) {
		x.t.Errorf("%v, before %v", now, before)
	}
}

// survivesAnEviction: somebody drains the virtual node while the surge pod starts.
func survivesAnEviction(x *movingTenant) {
	before := x.deploy(2, "0", "lab/serve")
	w := x.guard()
	end := x.starts("migrate", before[0], "--to", "eci", "--yes", "--soak", "0s")
	surge := ""
	x.eventually(30*slack*time.Second, "the surge pod is evicted", func() (bool, string) {
		for _, pod := range x.watched().list("ecideck.io/op") {
			surge = pod.Name
			if pod.Spec.NodeName == x.node {
				return x.client.CoreV1().Pods(x.namespace).EvictV1(x.t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: surge, Namespace: x.namespace}}) == nil, ""
			}
		}
		return false, surge
	})
	o, code, errs := end(x.t)
	if code == 0 || o.State != "aborted" || len(o.Items) == 0 || !strings.Contains(o.Items[0].Reason, surge) || !strings.Contains(o.Items[0].Reason, "nothing was disrupted") {
		x.t.Errorf("exit code %d, %s: %+v\n%s", code, o.State, o.Items, errs)
	}
	x.settled(2, 0)
	w.kept(2, before...)
	if now := x.names(); !slices.Equal(now, before) {
		x.t.Errorf("%v, before %v", now, before)
	}
}

func placesThePending(x *movingTenant) {
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: lab/serve, resources: {requests: {cpu: "17", memory: 2Gi}}}]}
`)
	x.eventually(10*slack*time.Second, "the pod waits", func() (bool, string) {
		pods := x.list("app=web")
		return len(pods) == 1 && slices.ContainsFunc(pods[0].Status.Conditions, func(c corev1.PodCondition) bool { return c.Reason == corev1.PodReasonUnschedulable }), ""
	})
	uid := x.list("app=web")[0].UID
	o, code, errs := x.ecideck("migrate", "deploy/web", "--to", "eci", "--yes")
	if code != 0 || o.State != "done" || o.Items[0].Strategy != migrate.Place {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, o.State, o.Reason, errs)
	}
	x.settled(1, 1)
	if now := x.list("app=web")[0].UID; now != uid {
		x.t.Error("the pod was made anew")
	}
}

func survivesNoStock(x *movingTenant) {
	before := x.deploy(3, "0", "lab/serve")
	if err := x.lab.Access.Inject(x.t.Context(), ecitest.Fault{Kind: ecitest.FaultNoStock}); err != nil {
		x.t.Fatal(err)
	}
	defer func() {
		if err := x.lab.Access.Heal(context.Background()); err != nil {
			x.t.Error(err)
		}
	}()
	w := x.guard()
	o, code, _ := x.ecideck("migrate", "deploy/web", "--to", "eci", "--how", "swap", "--yes", "--soak", "0s")
	if code == 0 || o.State != "aborted" || !strings.Contains(o.Items[0].Reason, "nothing was disrupted") {
		x.t.Errorf("exit code %d, %s: %+v", code, o.State, o.Items)
	}
	x.t.Logf("told: %s", o.Items[0].Reason)
	x.settled(3, 0)
	w.kept(3, before...)
	if now := x.names(); !slices.Equal(now, before) {
		x.t.Errorf("%v, before %v", now, before)
	}
}
