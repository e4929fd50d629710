package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/provider/placement"
)

// Each way to move something is cut off at each of its calls that change anything, under the
// real control plane: the program is killed there and followed by another one, or the API
// server is. Whether all is well then is judged by what is in the cluster, which others than
// the engine have put there.

// A way is a strategy on a workload of its own. What is moved has the label app=web.
type way struct {
	name    string
	objects string                 // in the tenant's namespace; NODE is the node that is to be drained
	args    []string               // of the program; NODE as above
	pods    int                    // with app=web, in the end
	least   int                    // of them Ready at every moment; -1: it is not promised
	onECI   int                    // of them before; done items come or go
	targets []string               // pods that may go; "*": all
	keeps   bool                   // an item that is aborted has the pod that it had, unless that was evicted before
	begin   func(*journey) program // nil: the program with the arguments
	rights  string                 // of whoever runs it; "": all
	spec    func(*journey) any     // of its workload
	shipped bool                   // done, the workload's spec is another one
	own     bool                   // it needs a real node of its own
	by      func(*journey) func()  // somebody else who works there; the function ends that
}

// A program runs until it is killed or ends.
type program struct {
	kill func()
	wait func()
}

// A journey is a way in a namespace, and what was there before.
type journey struct {
	*movingTenant
	*way
	config string // the kubeconfig of whoever runs it, through the proxy
	direct string // and past it
	proxy  *recorder
	drains string // a real node
	free   func() // gives the node back

	look   *watcher
	sent   []string // changes that were made until it was killed
	before string   // the workload's spec
	uids   map[string]types.UID
	mine   []string // pods that are not to go
}

const service = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: NAMESPACE}
spec: {BUDGET, selector: {matchLabels: {app: web}}}
---
`

const container = `containers: [{name: web, image: lab/serve, resources: {requests: {cpu: 250m, memory: 256Mi}}}]`

// stateless is a Deployment whose pods take their time; stateful has two pods.
var (
	stateless = strings.Replace(service, "BUDGET", "maxUnavailable: 0", 1) + `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {pod-ready.stage.kwok.x-k8s.io/delay: 3s}}
    spec: {terminationGracePeriodSeconds: 1, ` + container + `}
`
	stateful = strings.Replace(service, "BUDGET", "maxUnavailable: 1", 1) + `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, namespace: NAMESPACE}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 1, ` + container + `}
`
	draining = strings.ReplaceAll(stateless, "terminationGracePeriodSeconds: 1,", `tolerations: [{key: own, operator: Equal, value: NODE}], affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [NODE]}]}}]}}, terminationGracePeriodSeconds: 1,`) + `
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db, namespace: NAMESPACE}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: db}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: NAMESPACE}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {tolerations: [{key: own, operator: Equal, value: NODE}], affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [NODE]}]}}]}}, terminationGracePeriodSeconds: 1, ` + container + `}
`
)

// waysToMove are all strategies, each as it is chosen by what a person types.
func waysToMove() []*way {
	deployment := func(m *journey) any {
		d, err := m.client.AppsV1().Deployments(m.namespace).Get(m.t.Context(), "web", metav1.GetOptions{})
		return m.marked(d, err, func() any { return d.Spec })
	}
	set := func(m *journey) any {
		s, err := m.client.AppsV1().StatefulSets(m.namespace).Get(m.t.Context(), "web", metav1.GetOptions{})
		return m.marked(s, err, func() any { return s.Spec })
	}
	all := []string{"*"}
	return []*way{
		{name: "swap", objects: strings.Replace(stateless, "replicas: 2", "replicas: 3", 1), args: []string{"migrate", "FIRST", "--to", "eci", "--yes", "--soak", "0s"},
			pods: 3, least: 3, targets: []string{"FIRST"}, keeps: true, spec: deployment},
		{name: "rollout", objects: stateless, args: []string{"migrate", "deploy/web", "--to", "eci", "--yes"}, pods: 2, least: 2, targets: all, spec: deployment, shipped: true},
		{name: "restart", objects: stateful, args: []string{"migrate", "web-1", "--to", "eci", "--yes"}, pods: 2, least: 1, targets: []string{"web-1"}, spec: set},
		{name: "restart of an operator's", objects: operators, args: []string{"migrate", "web-1", "--to", "eci", "--yes"}, pods: 2, least: 1, targets: []string{"web-1"}, by: (*journey).operate,
			spec: func(m *journey) any { return nil }},
		{name: "partition", objects: stateful, args: []string{"migrate", "web-1", "--to", "eci", "--yes"}, pods: 2, least: 1, targets: []string{"web-1"}, rights: editsOnly, spec: set, shipped: true},
		{name: "OnDelete", objects: stateful, args: []string{"migrate", "web-0", "--to", "eci", "--yes"}, pods: 2, least: 1, targets: []string{"web-0"}, rights: editsOnly, spec: set, shipped: true},
		{name: "clone", objects: strings.Replace(service, "BUDGET", "minAvailable: 1", 1) + `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: NAMESPACE, labels: {app: web}}
spec: {terminationGracePeriodSeconds: 1, ` + container + `}
`, args: []string{"migrate", "pod/web", "--to", "eci", "--how", "clone", "--yes"}, pods: 1, least: 1, targets: []string{"web"}, keeps: true, spec: func(m *journey) any { return nil }},
		{name: "place", objects: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 1, ` + strings.Replace(container, "250m", `"17"`, 1) + `}
`, args: []string{"migrate", "deploy/web", "--to", "eci", "--yes"}, pods: 1, least: -1, targets: nil, keeps: true, spec: deployment},
		{name: "suspend", objects: `
apiVersion: batch/v1
kind: Job
metadata: {name: web, namespace: NAMESPACE}
spec:
  parallelism: 2
  completions: 2
  template:
    metadata: {labels: {app: web}}
    spec: {ECI, restartPolicy: Never, terminationGracePeriodSeconds: 1, ` + container + `}
`, args: []string{"migrate", "job/web", "--to", "ecs", "--how", "suspend", "--yes"}, pods: 2, least: -1, onECI: 2, targets: all, shipped: true,
			spec: func(m *journey) any {
				j, err := m.client.BatchV1().Jobs(m.namespace).Get(m.t.Context(), "web", metav1.GetOptions{})
				return m.marked(j, err, func() any { return j.Spec })
			}},
		{name: "template", objects: `
apiVersion: batch/v1
kind: CronJob
metadata: {name: web, namespace: NAMESPACE}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate: {spec: {template: {metadata: {labels: {app: web}}, spec: {restartPolicy: Never, ` + container + `}}}}
`, args: []string{"migrate", "cronjob/web", "--to", "eci", "--yes"}, least: -1, shipped: true,
			spec: func(m *journey) any {
				j, err := m.client.BatchV1().CronJobs(m.namespace).Get(m.t.Context(), "web", metav1.GetOptions{})
				return m.marked(j, err, func() any { return j.Spec })
			}},
		{name: "drain to ECI", objects: draining, args: []string{"drain", "NODE", "--to", "eci", "--yes", "--soak", "0s"}, pods: 2, least: 2, targets: all, keeps: true, spec: deployment, own: true},
		{name: "drain", objects: draining, args: []string{"drain", "NODE", "--yes", "--soak", "0s"}, pods: 2, least: 2, targets: all, keeps: true, spec: deployment, own: true},
		{name: "return", objects: strings.NewReplacer("metadata: {name: web, namespace: NAMESPACE}\nspec:\n  replicas", "metadata: {name: web, namespace: NAMESPACE, annotations: {ecideck.io/return: auto}}\nspec:\n  replicas",
			"spec: {terminationGracePeriodSeconds: 1, ", "spec: {tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}], affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: {matchExpressions: [{key: type, operator: In, values: [virtual-kubelet]}]}}]}}, terminationGracePeriodSeconds: 1, ").Replace(stateless),
			pods: 2, least: 2, onECI: 2, targets: all, keeps: true, spec: deployment, begin: (*journey).keep},
	}
}

const editsOnly = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editor, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: default, namespace: NAMESPACE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: mover-NAMESPACE}
rules:
- {apiGroups: [""], resources: [nodes, persistentvolumes, namespaces], verbs: [get, list]}
- {apiGroups: [""], resources: [pods/eviction, events], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: ["*"]}
- {apiGroups: [""], resources: [configmaps], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: mover-NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mover-NAMESPACE}
subjects: [{kind: ServiceAccount, name: default, namespace: NAMESPACE}]
`

// marked is an object's spec, and what there is of ours on the object itself.
func (m *journey) marked(o metav1.Object, err error, spec func() any) any {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	ours := map[string]string{}
	for _, all := range []map[string]string{o.GetLabels(), o.GetAnnotations()} {
		for k, v := range all {
			if strings.HasPrefix(k, "ecideck.io/") {
				ours[k] = v
			}
		}
	}
	return map[string]any{"spec": spec(), "ours": ours, "finalizers": o.GetFinalizers()}
}

func (m *journey) now() string {
	m.t.Helper()
	raw, err := json.Marshal(m.spec(m))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(raw)
}

// prepare makes the way's workload and waits until it runs.
func (y *way) prepare(x *movingTenant, nodes chan string) *journey {
	x.t.Helper()
	m := &journey{movingTenant: x, way: y, uids: map[string]types.UID{}, free: func() {}}
	if y.own {
		select {
		case m.drains = <-nodes:
			m.free = func() { nodes <- m.drains }
		case <-x.t.Context().Done():
			x.t.Fatal("no node is free")
		}
	}
	m.proxy = x.recorder()
	token := ""
	if y.rights != "" {
		x.apply(y.rights)
		token = m.token()
	}
	m.config = m.proxy.kubeconfig(x, token)
	if m.direct = x.lab.Kubeconfig; token != "" {
		m.direct = x.login(token)
	}
	if y.by != nil {
		x.t.Cleanup(y.by(m))
	}
	x.apply(strings.ReplaceAll(y.objects, "NODE", m.drains))
	x.eventually(60*slack*time.Second, "the pods run", func() (bool, string) {
		pods := x.list("app=web")
		on := 0
		for i := range pods {
			if p := &pods[i]; p.Spec.NodeName == "" && y.name == "place" {
				return isUnschedulable(p), "the scheduler has not seen it"
			} else if !isReady(p) {
				return false, p.Name + " is not Ready"
			} else if p.Spec.NodeName == x.node {
				on++
			}
		}
		db := x.list("app=db")
		return len(pods) == y.pods && on == y.onECI && (m.drains == "" || len(db) == 1 && isReady(&db[0]) && db[0].Spec.NodeName == m.drains), fmt.Sprintf("%d pods, %d on ECI", len(pods), on)
	})
	for _, pod := range append(x.list("app=web"), x.list("app=db")...) {
		m.uids[pod.Name] = pod.UID
		if m.drains != "" && pod.Spec.NodeName != m.drains {
			x.t.Fatalf("pod %s is on %s", pod.Name, pod.Spec.NodeName)
		}
	}
	first := ""
	if pods := x.list("app=web"); len(pods) > 0 {
		first = pods[0].Name
	}
	m.way = &way{}
	*m.way = *y
	replace := strings.NewReplacer("NODE", m.drains, "FIRST", first)
	m.args, m.targets = slices.Clone(y.args), slices.Clone(y.targets)
	for i := range m.args {
		m.args[i] = replace.Replace(m.args[i])
	}
	for i := range m.targets {
		m.targets[i] = replace.Replace(m.targets[i])
	}
	for name := range m.uids {
		if !slices.Contains(m.targets, "*") && !slices.Contains(m.targets, name) {
			m.mine = append(m.mine, name)
		}
	}
	m.before = m.now()
	if y.least >= 0 {
		m.look = x.guard()
	}
	return m
}

// token is of the namespace's service account, once it has its rights.
func (m *journey) token() string {
	m.t.Helper()
	made, err := m.client.CoreV1().ServiceAccounts(m.namespace).CreateToken(m.t.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		m.t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(m.lab.Config())
	config.BearerToken = made.Status.Token
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		m.t.Fatal(err)
	}
	m.eventually(30*slack*time.Second, "the rights are there", func() (bool, string) {
		_, err := client.CoreV1().Nodes().List(m.t.Context(), metav1.ListOptions{Limit: 1})
		if err == nil {
			_, err = client.AppsV1().StatefulSets(m.namespace).List(m.t.Context(), metav1.ListOptions{Limit: 1})
		}
		return err == nil, fmt.Sprint(err)
	})
	return made.Status.Token
}

// run starts what moves.
func (m *journey) run() program {
	m.t.Helper()
	if m.begin != nil {
		return m.begin(m)
	}
	cmd := m.command(m.t.Context(), append([]string{"--kubeconfig", m.config}, m.args...)...)
	var told strings.Builder
	cmd.Stdout, cmd.Stderr = &told, &told
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = cmd.Wait() // how it ended is in the journal
		m.t.Logf("%v\n%s", m.args, told.String())
	}()
	return program{kill: func() { _ = cmd.Process.Kill() }, wait: func() { <-over }}
}

// keep is a keeper that brings home what real nodes have room for, as ecideck-node has one.
func (m *journey) keep() program {
	m.t.Helper()
	config := &rest.Config{Host: m.proxy.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: 100, Burst: 200}
	// A keeper goes on with what any keeper has left. There are many of them here, and each is to
	// see its own.
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return transport(func(q *http.Request) (*http.Response, error) {
			if q.URL.Path == "/api/v1/configmaps" {
				q = q.Clone(q.Context())
				q.URL.Path = "/api/v1/namespaces/" + m.namespace + "/configmaps"
			}
			return next.RoundTrip(q)
		})
	})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.keeper(client, "keeper/1", func(_ *migrate.Operation, stop func()) { stop() })
}

// operation is the one that was begun, or nil.
func (m *journey) operation() *migrate.Operation {
	m.t.Helper()
	home := m.namespace
	if m.drains != "" {
		home = metav1.NamespaceSystem
	}
	all, err := migrate.Load(m.t.Context(), m.client, "", home)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, o := range all { // the newest first
		if m.drains == "" || o.Plan.Drain != nil && o.Plan.Drain.Node.Name == m.drains && slices.ContainsFunc(o.Plan.Items, func(i migrate.Item) bool { return i.Pod.Namespace == m.namespace }) {
			return o
		}
	}
	return nil
}

// cut kills what moves at its n-th change. It gives the operation as it was left, nil where it
// had not begun, and where that was, "" where it ended by itself.
func (m *journey) cut(n int) (o *migrate.Operation, where string) {
	m.t.Helper()
	die := make(chan func(), 1)
	told := m.proxy.dieAt(n, func() { (<-die)() })
	p := m.run()
	die <- p.kill
	p.wait()
	where, killed, changes := told()
	m.sent = changes
	o = m.operation()
	switch {
	case !killed:
		m.t.Logf("it ended by itself after %d changes", len(changes))
	case o == nil:
		m.t.Logf("killed at %s: it had not begun", where)
	default:
		m.t.Logf("killed at %s: %s, %s", where, o.ID, o.State)
	}
	m.t.Cleanup(func() {
		if m.t.Failed() {
			m.t.Logf("killed at %s\n%s", where, strings.Join(changes, "\n"))
		}
	})
	return o, where
}

// dies kills what moves at its n-th change and lets another machine follow it. It tells
// whether there was an n-th one.
func (y *way) dies(x *movingTenant, nodes chan string, n int, follow string) bool {
	x.t.Helper()
	m := y.prepare(x, nodes)
	o, where := m.cut(n)
	killed := where != ""
	how := ""
	if o != nil && !o.State.Ended() {
		x.state = x.t.TempDir() // another machine
		got, code, errs := x.ecideck("ops", follow, o.ID, "--yes")
		how = fmt.Sprintf("ops %s: exit code %d, %s: %s\n%s", follow, code, got.State, got.Reason, errs)
		if (code == 0) != (got.State == string(migrate.Done) || follow == "abort" && got.State == string(migrate.Aborted)) {
			x.t.Errorf("exit code %d for %s", code, got.State)
		}
		o = m.operation()
	}
	m.judge(o, killed)
	if o == nil && follow == "resume" && y.begin == nil {
		// What was never begun is begun anew, by somebody else.
		x.state = x.t.TempDir()
		_, code, errs := x.ecideck(append([]string{"--kubeconfig", m.direct}, m.args...)...)
		if code != 0 {
			x.t.Errorf("beginning anew: exit code %d\n%s", code, errs)
		}
		m.judge(m.operation(), false)
	}
	if x.t.Failed() {
		x.t.Log(how)
	}
	m.leave()
	return killed
}

// judge says whether all is well once an operation has ended; nil: none was begun. killed: the
// process that began it died, which may have been before it gave its leases back.
func (m *journey) judge(o *migrate.Operation, killed bool) {
	m.t.Helper()
	done, aborted := 0, true
	id := "none"
	if o != nil {
		id = o.ID
		if aborted = o.State == migrate.Aborted; !aborted && o.State != migrate.Done {
			m.t.Errorf("operation %s is %s: %s", o.ID, o.State, o.Reason)
		}
		for i := range o.Plan.Items {
			x := &o.Plan.Items[i]
			switch {
			case x.State == migrate.Done && x.Subject().Name != "db-0":
				done += x.Count()
			case x.State == migrate.Failed, !x.State.Ended() && x.State != migrate.Stays:
				m.t.Errorf("item %s of %s is %s: %s: %+v", x.ID, x.Subject(), x.State, x.Reason, *x)
			case x.State == migrate.Aborted && x.Reason == "":
				m.t.Errorf("why item %s is as before is not said", x.ID)
			case x.State == migrate.Aborted && m.keeps:
				evicted := slices.Contains(m.sent, "POST /api/v1/namespaces/"+m.namespace+"/pods/"+x.Pod.Name+"/eviction") && strings.Contains(x.Reason, "the old pod is gone")
				if pod := m.get(x.Pod.Name); (pod == nil || pod.UID != x.Pod.UID || pod.DeletionTimestamp != nil) && !evicted {
					m.t.Errorf("item %s is as before (%s), and its pod %s is gone: %+v", x.ID, x.Reason, x.Pod.Name, *x)
				}
			}
		}
	}
	if m.pods == 0 {
		done = 0 // there will be some one day
	}
	want := m.onECI + done
	if m.onECI > 0 {
		want = m.onECI - done
	}
	if m.drains != "" && !slices.Contains(m.args, "eci") {
		want = 0
	}
	finished := m.name == "suspend" && done > 0 // simulated pods of Jobs end at once
	m.eventually(60*slack*time.Second, fmt.Sprintf("%d pods, %d of them on ECI", m.pods, want), func() (bool, string) {
		on, pods := 0, m.list("app=web")
		text := ""
		for i := range pods {
			p := &pods[i]
			text += fmt.Sprintf("%s on %s, Ready %t, ending %t; ", p.Name, p.Spec.NodeName, isReady(p), p.DeletionTimestamp != nil)
			if p.Spec.NodeName == m.node {
				on++
			}
			pending := m.name == "place" && p.Spec.NodeName == "" && aborted
			if !isReady(p) && !finished && !pending || p.DeletionTimestamp != nil || metav1.GetControllerOf(p) == nil && m.name != "clone" {
				return false, text
			}
		}
		// A pending pod that was let onto ECI goes there when it will.
		return len(pods) == m.pods && (on == want || m.name == "place" && aborted), text
	})
	if now := m.now(); aborted && now != m.before {
		m.t.Errorf("its workload is not as before:\n%s\n%s", now, m.before)
	} else if !aborted && m.shipped != (now != m.before) {
		m.t.Errorf("its workload is\n%s\nbefore\n%s", now, m.before)
	}
	if m.look != nil {
		m.look.kept(m.least, m.mine...)
	}
	for _, name := range m.mine {
		if pod := m.get(name); pod == nil || pod.UID != m.uids[name] {
			m.t.Errorf("the bystander %s is another pod", name)
		}
	}
	m.nothingLeft(id, killed)
	if m.drains != "" {
		n, err := m.client.CoreV1().Nodes().Get(m.t.Context(), m.drains, metav1.GetOptions{})
		if err != nil || n.Spec.Unschedulable == aborted {
			m.t.Errorf("%v: the node is unschedulable: %t, the operation was aborted: %t", err, n.Spec.Unschedulable, aborted)
		}
		if pods := m.list("app=db"); !aborted && (len(pods) != 1 || pods[0].Spec.NodeName == m.drains) {
			m.t.Errorf("db-0 is still on %s", m.drains)
		}
	}
}

// nothingLeft fails where something of an operation is left that serves nobody any more. A
// lease of one that never began, or has ended, binds nobody.
func (m *journey) nothingLeft(id string, killed bool) {
	m.t.Helper()
	ctx := m.t.Context()
	ours := metav1.ListOptions{LabelSelector: placement.LabelOperation + "=" + id}
	policies, err := m.client.AdmissionregistrationV1().MutatingAdmissionPolicies().List(ctx, ours)
	if err != nil && !apierrors.IsNotFound(err) {
		m.t.Error(err)
	} else if err == nil && len(policies.Items) > 0 {
		m.t.Errorf("admission policy %s is left", policies.Items[0].Name)
	}
	bindings, err := m.client.AdmissionregistrationV1().MutatingAdmissionPolicyBindings().List(ctx, ours)
	if err != nil && !apierrors.IsNotFound(err) {
		m.t.Error(err)
	} else if err == nil && len(bindings.Items) > 0 {
		m.t.Errorf("binding %s is left", bindings.Items[0].Name)
	}
	for _, pod := range m.list("") {
		if metav1.GetControllerOf(&pod) == nil && pod.Labels[placement.LabelOperation] != "" && m.name != "clone" {
			m.t.Errorf("pod %s of the operation is nobody's", pod.Name)
		}
		// Ours; what runs on ECI has another one, the virtual node's.
		if cost := pod.Annotations[corev1.PodDeletionCost]; strings.HasPrefix(cost, "-2147") {
			m.t.Errorf("pod %s has the deletion cost %s", pod.Name, cost)
		}
		if slices.ContainsFunc(pod.Finalizers, func(f string) bool { return strings.Contains(f, "ecideck") }) {
			m.t.Errorf("pod %s has the finalizers %v", pod.Name, pod.Finalizers)
		}
	}
	for _, namespace := range []string{m.namespace, metav1.NamespaceSystem} {
		leases, err := m.client.CoordinationV1().Leases(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			m.t.Fatal(err)
		}
		for _, l := range leases.Items {
			if l.Annotations[placement.LabelOperation] == id && !killed {
				m.t.Errorf("lease %s is left", l.Name)
			}
		}
	}
}

// leave takes the workload away, so that the next one has room.
func (m *journey) leave() {
	m.t.Helper()
	if m.look != nil {
		m.look.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute*slack)
	defer cancel()
	if err := m.client.CoreV1().Namespaces().Delete(ctx, m.namespace, metav1.DeleteOptions{}); err != nil {
		m.t.Error(err)
	}
	if m.drains == "" {
		return
	}
	if _, err := migrate.SetUnschedulable(ctx, m.client, m.drains, "", false); err != nil {
		m.t.Error(err)
	}
	m.eventually(60*slack*time.Second, "the node is free", func() (bool, string) {
		list, err := m.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + m.drains})
		return err == nil && len(list.Items) == 0, fmt.Sprint(err)
	})
	m.free()
}

// operators are two pods of a controller that isn't Kubernetes' own.
const operators = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: NAMESPACE}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: lab.example.com/v1
kind: Database
metadata: {name: web, namespace: NAMESPACE}
`

// databases are what the operator's custom resource is called.
const databases = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: databases.lab.example.com}
spec:
  group: lab.example.com
  scope: Namespaced
  names: {kind: Database, plural: databases, singular: database, listKind: DatabaseList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`

// operate is a small operator: it makes each of its two pods anew, under the same name and
// from its own template, whenever one is missing.
func (m *journey) operate() (stop func()) {
	m.t.Helper()
	m.apply(databases)
	resources, err := dynamic.NewForConfig(m.lab.Config())
	if err != nil {
		m.t.Fatal(err)
	}
	own := resources.Resource(schema.GroupVersionResource{Group: "lab.example.com", Version: "v1", Resource: "databases"}).Namespace(m.namespace)
	m.eventually(30*slack*time.Second, "there are databases", func() (bool, string) {
		_, err := m.client.Discovery().ServerResourcesForGroupVersion("lab.example.com/v1")
		return err == nil, fmt.Sprint(err)
	})
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			m.reconcile(ctx, own)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return func() { cancel(); working.Wait() }
}

// reconcile is one look of the operator; what fails is tried again at the next.
func (m *journey) reconcile(ctx context.Context, resources dynamic.ResourceInterface) {
	own, err := resources.Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return
	}
	yes, grace := true, int64(1)
	for _, name := range []string{"web-0", "web-1"} {
		if _, err := m.client.CoreV1().Pods(m.namespace).Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			continue
		}
		_, _ = m.client.CoreV1().Pods(m.namespace).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: m.namespace, Labels: map[string]string{"app": "web"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "lab.example.com/v1", Kind: "Database", Name: "web", UID: own.GetUID(), Controller: &yes}}},
			Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{{Name: "web", Image: "lab/serve"}}}}, metav1.CreateOptions{})
	}
}

// diesSomewhere is one of all those deaths, by chance: of a swap, or of another strategy. All of
// them are the soak test's.
func diesSomewhere(x *movingTenant, swap bool) {
	x.t.Helper()
	seed := uint64(time.Now().UnixNano())
	chance := rand.New(rand.NewPCG(seed, 0))
	all := slices.DeleteFunc(waysToMove(), func(y *way) bool { return y.own || y.begin != nil || (y.name == "swap") != swap })
	follow := []string{"resume", "abort"}[chance.IntN(2)]
	y := all[chance.IntN(len(all))]
	const most = 12 // steps that each of them has
	n := 1 + chance.IntN(most)
	x.t.Logf("seed %d: %s, killed at step %d, then %s", seed, y.name, n, follow)
	y.dies(x, nil, n, follow)
}
