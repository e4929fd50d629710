//go:build soak

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
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// What takes long of migrations runs with `make soak`.

func soaking(t *testing.T) (*movingTenant, *cluster) {
	c := startLab(t, "drain-day")
	client, err := kubernetes.NewForConfig(c.lab.Config())
	if err != nil {
		t.Fatal(err)
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return &movingTenant{newTenant(t, c.lab, client, c.lab.Scenario.VirtualNodes[0].Name), bin, t.TempDir()}, c
}

// TestTwoHundredSwaps is manySwaps, long, in four namespaces at once.
func TestTwoHundredSwaps(t *testing.T) {
	first, c := soaking(t)
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; again with -soak.seed=%[1]d", seed)
	var working sync.WaitGroup // not t.Parallel, which runs only as many at once as there are processors
	for i := range uint64(4) {
		working.Go(func() {
			t.Run(fmt.Sprintf("fifty of seed %d", seed+i), func(t *testing.T) {
				x := &movingTenant{newTenant(t, c.lab, first.client, first.node), first.bin, t.TempDir()}
				// Its users keep its pods busy, so that the autoscaler has something to do.
				const vcpu = 1.5
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go x.lab.Load(ctx, x.namespace, "Deployment", "web", vcpu)
				if most := manySwaps(x, 50, seed+i); most <= 6 {
					t.Errorf("there were never more than %d replicas: the autoscaler had no part in it", most)
				}
			})
		})
	}
	working.Wait()
}

// TestDrainsSideBySide prints kubectl's drain and ours of the same node in a table, each in a
// lab of its own: what one has emptied the other could not.
func TestDrainsSideBySide(t *testing.T) {
	table := "who       pods on it  evictions  of them refused  of a wrong pod  time  emptied  left  fewest Ready of web, search\n"
	for _, who := range []string{"kubectl", "ecideck"} {
		t.Run(who, func(t *testing.T) { table += drainsAs(t, who) })
	}
	t.Log("\n" + table)
}

// drainsAs gives a line of the table.
func drainsAs(t *testing.T, who string) string {
	x, c := soaking(t)
	d := newDay(t, c, x.client)
	onIt := func() int {
		n := 0
		for app, pods := range d.on(d.node) {
			if app != "logs" && app != "lb" { // a DaemonSet's, and a static pod
				n += pods
			}
		}
		return n
	}
	before := onIt()
	if before < 25 {
		t.Fatalf("%d pods are on %s, too few to compare", before, d.node)
	}
	r := x.recorder()
	token := strings.TrimSpace(x.do("create", "token", "default"))
	x.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: admin-NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: default, namespace: NAMESPACE}]
`)
	config := r.kubeconfig(x, token)
	bait := newBait(x, d.node)
	wrong := countsWrong(x, d.node)
	l := d.lookout(t)
	begin := time.Now()
	springs := make(chan struct{})
	go func() { defer close(springs); bait.spring(r) }()
	told := ""
	if who == "kubectl" {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		out, err := x.lab.Command(ctx, "kubectl", "--kubeconfig", config, "drain", d.node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s").CombinedOutput()
		told = fmt.Sprintf("%v\n%s", err, out)
	} else {
		o, code, errs := x.ecideck("--kubeconfig", config, "drain", d.node, "--delete-emptydir-data", "--force", "--yes", "--soak", "0s")
		told = fmt.Sprintf("exit code %d, %s: %s\n%s", code, o.State, o.Reason, errs)
	}
	took := time.Since(begin)
	<-springs
	l.stop()
	evicted := wrong()
	t.Logf("%s evicted pods that were not on %s when it began: %v", who, d.node, evicted)
	if who == "ecideck" && len(evicted) > 0 {
		t.Errorf("evicted, and not of the node: %v", evicted)
	}
	t.Logf("%s told:\n%s", who, told)
	sent, refused := r.evictions()
	left := onIt()
	if who != "kubectl" && left > 0 {
		t.Errorf("%d pods are left on the node", left)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%-9s %10d  %9d  %15d  %14d  %3.0fs  %7t  %4d  %d, %d\n", who, before, sent, refused, len(evicted), took.Seconds(), left == 0, left, l.least["web"], l.least["search"])
}

// A bait is a StatefulSet's pod on a node that is drained, whose budget does not let it go while
// its sibling is sick. Somebody deletes it, and it comes back on another node under its name,
// healthy: who evicts by name evicts that one.
type bait struct {
	x    *movingTenant
	sick *corev1.Pod
}

func newBait(x *movingTenant, node string) *bait {
	x.t.Helper()
	x.apply(strings.ReplaceAll(`
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: bait, namespace: NAMESPACE}
spec: {minAvailable: 1, selector: {matchLabels: {app: bait}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: bait, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: bait}}
  template:
    metadata: {labels: {app: bait}}
    spec:
      affinity:
        nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [NODE]}]}}]}
        podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: bait}}}]}
      terminationGracePeriodSeconds: 1
      containers: [{name: bait, image: lab/serve}]
`, "NODE", node))
	b := &bait{x: x}
	x.eventually(60*slack*time.Second, "the bait is laid", func() (bool, string) {
		on, other := x.get("bait-0"), x.get("bait-1")
		b.sick = other
		return on != nil && isReady(on) && on.Spec.NodeName == node && other != nil && isReady(other), fmt.Sprint(on, other)
	})
	b.set(corev1.ConditionFalse)
	return b
}

// set makes the sibling sick or well.
func (b *bait) set(ready corev1.ConditionStatus) {
	for i := range b.sick.Status.Conditions {
		if c := &b.sick.Status.Conditions[i]; c.Type == corev1.PodReady || c.Type == corev1.ContainersReady {
			c.Status = ready
		}
	}
	now, err := b.x.client.CoreV1().Pods(b.x.namespace).UpdateStatus(context.Background(), b.sick, metav1.UpdateOptions{})
	if err != nil {
		b.x.t.Error(err)
		return
	}
	b.sick = now
}

// spring waits until the pod's eviction was asked for and refused, or was not for a quarter of a
// minute, since its sibling is sick, and lets it come back elsewhere.
func (b *bait) spring(r *recorder) {
	x := b.x
	asked := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.ContainsFunc(r.changes, func(c string) bool { return strings.HasSuffix(c, "/bait-0/eviction") })
	}
	for end := time.Now().Add(15 * time.Second); !asked() && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	old := x.get("bait-0")
	if err := x.client.CoreV1().Pods(x.namespace).Delete(context.Background(), "bait-0", metav1.DeleteOptions{}); err != nil {
		x.t.Error(err)
		return
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		now := x.get("bait-0")
		if now != nil && old != nil && now.UID != old.UID && isReady(now) {
			break
		}
		if time.Now().After(end) {
			x.t.Errorf("bait-0 did not come back: %v", now)
			return
		}
	}
	b.set(corev1.ConditionTrue)
}

// countsWrong watches all pods; what it gives, called once, names those that were evicted and
// were not on the node when it was called.
func countsWrong(x *movingTenant, node string) func() []string {
	x.t.Helper()
	ctx, cancel := context.WithCancel(x.t.Context())
	x.t.Cleanup(cancel)
	list, err := x.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	of := map[types.UID]bool{}
	for i := range list.Items {
		if list.Items[i].Spec.NodeName == node {
			of[list.Items[i].UID] = true
		}
	}
	events, err := x.client.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		x.t.Fatal(err)
	}
	evicted := map[string]bool{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range events.ResultChan() {
			pod, ok := e.Object.(*corev1.Pod)
			if !ok {
				return
			}
			for _, c := range pod.Status.Conditions {
				if c.Type == corev1.DisruptionTarget && c.Reason == "EvictionByEvictionAPI" && !of[pod.UID] {
					evicted[pod.Namespace+"/"+pod.Name+" on "+pod.Spec.NodeName] = true
				}
			}
		}
	}()
	return func() []string { cancel(); <-done; return slices.Sorted(maps.Keys(evicted)) }
}

// evictions are how many were sent, and how many of them refused.
func (r *recorder) evictions() (sent, refused int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.changes {
		if strings.HasSuffix(c, "/eviction") {
			sent++
		}
	}
	return sent, r.refused
}
