package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	pods    map[string]*corev1.Pod
	least   int
	deleted []string
	slices  map[string]int // ready endpoints of the Service web, by slice
	serving int            // at the least, once there were any
}

// guard begins to watch the pods with app=web: how many are Ready at the least, and which go.
func (x *movingTenant) guard() *watcher {
	x.t.Helper()
	ctx, cancel := context.WithCancel(x.t.Context())
	list, err := x.client.CoreV1().Pods(x.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		x.t.Fatal(err)
	}
	w := &watcher{t: x.t, pods: map[string]*corev1.Pod{}}
	for i := range list.Items {
		w.pods[list.Items[i].Name] = &list.Items[i]
	}
	w.least = w.ready()
	events, err := x.client.CoreV1().Pods(x.namespace).Watch(ctx, metav1.ListOptions{LabelSelector: "app=web", ResourceVersion: list.ResourceVersion})
	if err != nil {
		x.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for e := range events.ResultChan() {
			pod, ok := e.Object.(*corev1.Pod)
			if !ok {
				return
			}
			w.mu.Lock()
			if before := w.pods[pod.Name]; pod.DeletionTimestamp != nil && (before == nil || before.DeletionTimestamp == nil) || e.Type == "DELETED" && before != nil && before.DeletionTimestamp == nil {
				w.deleted = append(w.deleted, pod.Name)
			}
			w.pods[pod.Name] = pod
			if e.Type == "DELETED" {
				delete(w.pods, pod.Name)
			}
			w.least = min(w.least, w.ready())
			w.mu.Unlock()
		}
	}()
	served := w.endpoints(ctx, x)
	w.stop = func() { cancel(); <-over; <-served }
	x.t.Cleanup(w.stop)
	return w
}

// endpoints watches the Service's endpoints; the channel closes when that has ended.
func (w *watcher) endpoints(ctx context.Context, x *movingTenant) <-chan struct{} {
	x.t.Helper()
	w.slices = map[string]int{}
	count := func(s *discoveryv1.EndpointSlice) int {
		n := 0
		for i := range s.Endpoints {
			if ready := s.Endpoints[i].Conditions.Ready; ready == nil || *ready {
				n += len(s.Endpoints[i].Addresses)
			}
		}
		return n
	}
	sum := func() int {
		n := 0
		for _, ready := range w.slices {
			n += ready
		}
		return n
	}
	web := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=web"}
	x.eventually(30*slack*time.Second, "the Service has endpoints", func() (bool, string) {
		list, err := x.client.DiscoveryV1().EndpointSlices(x.namespace).List(ctx, web)
		if err != nil {
			return false, err.Error()
		}
		for i := range list.Items {
			w.slices[list.Items[i].Name] = count(&list.Items[i])
		}
		web.ResourceVersion = list.ResourceVersion
		return sum() > 0, ""
	})
	w.serving = sum()
	events, err := x.client.DiscoveryV1().EndpointSlices(x.namespace).Watch(ctx, web)
	if err != nil {
		x.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for e := range events.ResultChan() {
			s, ok := e.Object.(*discoveryv1.EndpointSlice)
			if !ok {
				return
			}
			w.mu.Lock()
			if w.slices[s.Name] = count(s); e.Type == "DELETED" {
				delete(w.slices, s.Name)
			}
			w.serving = min(w.serving, sum())
			w.mu.Unlock()
		}
	}()
	return over
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
			{"many swaps with a sick sibling and an autoscaler", func(x *movingTenant) { manySwaps(x, 9, 1) }},
			{"a Deployment goes to ECI and comes home under a budget that allows nothing", migratesThereAndBack},
			{"a process that is killed is followed by another one", survivesItsDeath},
			{"what real nodes have room for comes home by itself", comesHomeByItself},
			{"pods of a StatefulSet are restarted in place", restartsInPlace},
			{"a whole Deployment rolls out and back", rollsOutAndBack},
			{"ecideck-node rescues what ECI is about to take", rescuedByTheNode},
			{"Jobs, CronJobs and lone pods are moved if asked for", movesJobsAndLonePods},
			{"a dry run, and who lacks a right, change nothing", changesNothing},
			{"an unhealthy sibling is left alone", leavesTheSibling},
			{"an image that can't be pulled on ECI changes nothing", survivesTheImage},
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

func survivesItsDeath(x *movingTenant) {
	x.deploy(4, "0", "lab/serve")
	w := x.guard()
	cmd := x.command(x.t.Context(), "migrate", "deploy/web", "--to", "eci", "--how", "swap", "--yes", "--soak", "1s")
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.eventually(30*slack*time.Second, "the first pod is on ECI", func() (bool, string) {
		return len(x.names(true)) > 0, fmt.Sprint(x.names())
	})
	if err := cmd.Process.Kill(); err != nil {
		x.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	var id string
	x.eventually(5*slack*time.Second, "the operation is in the cluster", func() (bool, string) {
		all, err := migrate.Load(x.t.Context(), x.client, "", x.namespace)
		if len(all) == 1 {
			id = all[0].ID
		}
		return len(all) == 1, fmt.Sprint(all, err)
	})
	x.state = x.t.TempDir() // another machine
	o, code, errs := x.ecideck("ops", "resume", id, "--yes")
	if code != 0 || o.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, o.State, o.Reason, errs)
	}
	x.settled(4, 4)
	w.kept(4)
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
