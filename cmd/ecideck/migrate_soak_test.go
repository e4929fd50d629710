//go:build soak

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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
	table := "who       pods on it  evictions  of them refused  time  emptied  left  fewest Ready of web, search\n"
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
			if app != "logs" { // a DaemonSet's
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
	l := d.lookout(t)
	begin := time.Now()
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
	l.stop()
	t.Logf("%s told:\n%s", who, told)
	sent, refused := r.evictions()
	left := onIt()
	if who != "kubectl" && left > 0 {
		t.Errorf("%d pods are left on the node", left)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%-9s %10d  %9d  %15d  %3.0fs  %7t  %4d  %d, %d\n", who, before, sent, refused, took.Seconds(), left == 0, left, l.least["web"], l.least["search"])
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
