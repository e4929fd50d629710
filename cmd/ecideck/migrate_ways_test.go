package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/ecideck/ecideck/provider/migrate"
)

// rollsOutAndBack moves a whole Deployment by its template, under the real controller.
func rollsOutAndBack(x *movingTenant) {
	x.deploy(3, "0", "lab/serve")
	before := x.do("get", "deployment", "web", "-o", "jsonpath={.spec.strategy}{.spec.template.spec.affinity}{.spec.template.spec.tolerations}")
	w := x.guard()
	o, code, errs := x.ecideck("migrate", "deploy/web", "--to", "eci", "--yes")
	if code != 0 || o.State != "done" || len(o.Items) != 1 || o.Items[0].Strategy != migrate.Rollout {
		x.t.Fatalf("exit code %d, %s: %s\n%s\n%+v", code, o.State, o.Reason, errs, o.Items)
	}
	x.settled(3, 3)
	w.kept(3)
	if s := x.do("get", "deployment", "web", "-o", "jsonpath={.spec.strategy}"); !strings.HasPrefix(before, s) {
		x.t.Errorf("its strategy is %s, before %s", s, before)
	}
	// Somebody ships another image meanwhile: the undo leaves that alone.
	x.do("set", "env", "deployment/web", "SHIPPED=yes")
	x.do("rollout", "status", "deployment/web")
	back, code, errs := x.ecideck("ops", "undo", o.ID, "--yes")
	if code != 0 || back.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, back.State, back.Reason, errs)
	}
	x.settled(3, 0)
	w.kept(3)
	if now := x.do("get", "deployment", "web", "-o", "jsonpath={.spec.strategy}{.spec.template.spec.affinity}{.spec.template.spec.tolerations}"); now != before {
		x.t.Errorf("its fields are %s, before %s", now, before)
	}
	x.contains(x.do("get", "deployment", "web", "-o", "yaml"), "SHIPPED")
}

const database = `
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
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: db, image: lab/serve, resources: {requests: {cpu: 250m, memory: 512Mi}}}]
`

// restartsInPlace steers pods of a StatefulSet by an admission policy of the real API server,
// and, where that is not to be had, by the template.
func restartsInPlace(x *movingTenant) {
	x.apply(database)
	x.do("rollout", "status", "statefulset/db")
	where := func() string {
		return x.do("get", "pods", "-l", "app=db", "--sort-by=.metadata.name", "-o", `jsonpath={range .items[*]}{.metadata.name}={.spec.nodeName} {end}`)
	}
	onECI := func() (names []string) {
		for _, pod := range x.list("app=db") {
			if pod.Spec.NodeName == x.node && isReady(&pod) {
				names = append(names, pod.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	hash := x.do("get", "statefulset", "db", "-o", "jsonpath={.status.updateRevision}")
	o, code, errs := x.ecideck("migrate", "db-0", "db-2", "--to", "eci", "--yes")
	if code != 0 || o.State != "done" || o.Items[0].Strategy != migrate.Restart || o.Items[0].Pod.Name != "db-2" {
		x.t.Fatalf("exit code %d, %s: %s\n%s\n%+v", code, o.State, o.Reason, errs, o.Items)
	}
	if got := onECI(); !slices.Equal(got, []string{"db-0", "db-2"}) {
		x.t.Errorf("on ECI are %v: %s", got, where())
	}
	if now := x.do("get", "statefulset", "db", "-o", "jsonpath={.status.updateRevision}"); now != hash {
		x.t.Errorf("it has another revision: %s, before %s", now, hash)
	}
	x.noPolicies(o.ID)
	back, code, errs := x.ecideck("ops", "undo", o.ID, "--yes")
	if code != 0 || back.State != "done" || len(onECI()) != 0 {
		x.t.Fatalf("exit code %d, %s: %s\n%s\n%s", code, back.State, back.Reason, errs, where())
	}
	x.noPolicies(back.ID)
	// A person who may not make policies.
	x.state = x.t.TempDir()
	config := x.as("editor", `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: editor-NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: editor, namespace: NAMESPACE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: mover-NAMESPACE}
rules:
- {apiGroups: [""], resources: [nodes, persistentvolumes, namespaces], verbs: [get, list]}
- {apiGroups: [""], resources: [pods/eviction, events], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: mover-NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mover-NAMESPACE}
subjects: [{kind: ServiceAccount, name: editor, namespace: NAMESPACE}]
`)
	o, code, errs = x.ecideck("--kubeconfig", config, "migrate", "db-2", "--to", "eci", "--yes")
	if code != 0 || o.State != "done" || o.Items[0].Strategy != migrate.Ordinals {
		x.t.Fatalf("exit code %d, %s: %s\n%s\n%+v", code, o.State, o.Reason, errs, o.Items)
	}
	if got := onECI(); !slices.Equal(got, []string{"db-2"}) {
		x.t.Errorf("on ECI are %v: %s", got, where())
	}
	back, code, errs = x.ecideck("--kubeconfig", config, "ops", "undo", o.ID, "--yes")
	if code != 0 || back.State != "done" || len(onECI()) != 0 {
		x.t.Errorf("exit code %d, %s: %s\n%s\n%s", code, back.State, back.Reason, errs, where())
	}
}

// noPolicies fails where an operation has left an admission policy.
func (x *movingTenant) noPolicies(id string) {
	x.t.Helper()
	list, err := x.client.AdmissionregistrationV1().MutatingAdmissionPolicies().List(x.t.Context(), metav1.ListOptions{LabelSelector: "ecideck.io/op=" + id})
	if err != nil || len(list.Items) > 0 {
		x.t.Errorf("%d admission policies are left: %v", len(list.Items), err)
	}
}

// as makes a service account with rights and gives the kubeconfig of it.
func (x *movingTenant) as(name, rights string) string {
	x.t.Helper()
	x.do("create", "serviceaccount", name)
	x.apply(rights)
	return x.login(strings.TrimSpace(x.do("create", "token", name)))
}

// login gives the kubeconfig of whoever has a token.
func (x *movingTenant) login(token string) string {
	x.t.Helper()
	c := x.lab.Config()
	return x.kubeconfig(c.Host, func(auth *clientcmdapi.AuthInfo, cluster *clientcmdapi.Cluster) {
		auth.Token = token
		cluster.CertificateAuthorityData = c.CAData
		cluster.CertificateAuthority = c.CAFile
	})
}

func (x *movingTenant) kubeconfig(host string, change func(*clientcmdapi.AuthInfo, *clientcmdapi.Cluster)) string {
	x.t.Helper()
	auth, cluster := &clientcmdapi.AuthInfo{}, &clientcmdapi.Cluster{Server: host}
	change(auth, cluster)
	path := filepath.Join(x.t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{Clusters: map[string]*clientcmdapi.Cluster{"lab": cluster}, AuthInfos: map[string]*clientcmdapi.AuthInfo{"me": auth},
		Contexts: map[string]*clientcmdapi.Context{"lab": {Cluster: "lab", AuthInfo: "me", Namespace: x.namespace}}, CurrentContext: "lab"}, path)
	if err != nil {
		x.t.Fatal(err)
	}
	return path
}

// movesJobsAndLonePods: a Job on ECI is suspended and begins anew on real nodes, where
// simulated pods of Jobs end at once; a CronJob's next run goes to ECI; a pod of nobody's is
// copied.
func movesJobsAndLonePods(x *movingTenant) {
	x.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: work, namespace: NAMESPACE}
spec:
  parallelism: 2
  completions: 2
  template:
    metadata: {labels: {app: work}}
    spec: {ECI, restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [{name: work, image: lab/serve, resources: {requests: {cpu: 250m, memory: 512Mi}}}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: NAMESPACE}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate: {spec: {template: {metadata: {labels: {app: report}}, spec: {restartPolicy: Never, containers: [{name: report, image: lab/serve, resources: {requests: {cpu: 250m, memory: 512Mi}}}]}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: lone, namespace: NAMESPACE, labels: {app: lone}}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: lone, image: lab/serve, resources: {requests: {cpu: 250m, memory: 512Mi}}}]}
`)
	on := func(app string, n int) func() (bool, string) {
		return func() (bool, string) {
			pods := x.list("app=" + app)
			for i := range pods {
				if !isReady(&pods[i]) || pods[i].Spec.NodeName != x.node {
					return false, fmt.Sprintf("%s on %s", pods[i].Name, pods[i].Spec.NodeName)
				}
			}
			return len(pods) == n, fmt.Sprint(len(pods))
		}
	}
	x.eventually(30*slack*time.Second, "the Job runs", on("work", 2))
	x.untilReady("lone")
	// Without being asked for it nothing of a Job or of a lone pod moves.
	if o, code, errs := x.ecideck("migrate", "job/work", "--to", "ecs", "--yes"); code == 0 || !strings.Contains(errs, "nothing is to be moved") {
		x.t.Errorf("exit code %d: %s\n%+v", code, errs, o.Items)
	}
	if o, code, errs := x.ecideck("migrate", "pod/lone", "--to", "eci", "--yes"); code == 0 || !strings.Contains(errs, "nothing is to be moved") {
		x.t.Errorf("exit code %d: %s\n%+v", code, errs, o.Items)
	}
	o, code, errs := x.ecideck("migrate", "job/work", "--to", "ecs", "--how", "suspend", "--yes")
	if code != 0 || o.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s\n%+v", code, o.State, o.Reason, errs, o.Items)
	}
	x.eventually(30*slack*time.Second, "the Job has ended well on real nodes", func() (bool, string) {
		out := x.do("get", "job", "work", "-o", "jsonpath={.status.succeeded} {.status.failed}")
		return strings.TrimSpace(out) == "2", out
	})
	o, code, errs = x.ecideck("migrate", "cronjob/report", "--to", "eci", "--yes")
	if code != 0 || o.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s\n%+v", code, o.State, o.Reason, errs, o.Items)
	}
	x.do("create", "job", "now", "--from=cronjob/report")
	x.eventually(30*slack*time.Second, "the CronJob's run is on ECI", on("report", 1))
	back, code, errs := x.ecideck("ops", "undo", o.ID, "--yes")
	if code != 0 || back.State != "done" || strings.Contains(x.do("get", "cronjob", "report", "-o", "yaml"), "virtual-kubelet") {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, back.State, back.Reason, errs)
	}
	c, code, errs := x.ecideck("migrate", "pod/lone", "--to", "eci", "--how", "clone", "--yes")
	if code != 0 || c.State != "done" {
		x.t.Fatalf("exit code %d, %s: %s\n%s", code, c.State, c.Reason, errs)
	}
	if pod := x.get("lone-eci"); pod == nil || pod.Spec.NodeName != x.node || !isReady(pod) {
		x.t.Errorf("the copy is %+v", pod)
	}
	// Somebody leaves it to a process of its own.
	if _, code, errs = x.ecideck("ops", "undo", c.ID, "--yes", "--wait=false"); code != 0 || !strings.Contains(errs, "process") {
		x.t.Fatalf("exit code %d: %s", code, errs)
	}
	x.eventually(60*slack*time.Second, "the lone pod is home", func() (bool, string) {
		pod := x.get("lone")
		return pod != nil && isReady(pod) && pod.Spec.NodeName != x.node && x.get("lone-eci") == nil, x.do("get", "pods")
	})
	x.eventually(30*slack*time.Second, "its operation has ended", func() (bool, string) {
		all, err := migrate.Load(x.t.Context(), x.client, "", x.namespace)
		return err == nil && len(all) > 0 && !slices.ContainsFunc(all, func(o *migrate.Operation) bool { return !o.State.Ended() }), fmt.Sprint(len(all), err)
	})
}

// changesNothing: a dry run, and who lacks a right, send no call that changes something; the
// plan names the right.
func changesNothing(x *movingTenant) {
	x.deploy(2, "0", "lab/serve")
	x.do("create", "serviceaccount", "looker")
	x.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: looker-NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: looker-NAMESPACE}
subjects: [{kind: ServiceAccount, name: looker, namespace: NAMESPACE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: looker-NAMESPACE}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: [get, list, watch]}]
`)
	r := x.recorder()
	token := strings.TrimSpace(x.do("create", "token", "looker"))
	config := r.kubeconfig(x, token)
	node := x.list("app=web")[0].Spec.NodeName
	for _, args := range [][]string{
		{"migrate", "deploy/web", "--to", "eci", "--dry-run"},
		{"migrate", "deploy/web", "--to", "eci", "--how", "swap", "--yes"},
		{"migrate", "deploy/web", "--to", "eci", "--yes"},
		{"drain", node, "--to", "eci", "--yes"},
		{"drain", node, "--dry-run"},
	} {
		o, code, errs := x.ecideck(append([]string{"--kubeconfig", config}, args...)...)
		if code == 0 || !strings.Contains(o.Reason+errs, "you may not") {
			x.t.Errorf("%v: exit code %d, %q %s", args, code, o.Reason, errs)
		}
	}
	// A token that may do all, and only looks.
	x.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: admin-NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: looker, namespace: NAMESPACE}]
`)
	for _, args := range [][]string{
		{"migrate", "deploy/web", "--to", "eci", "--dry-run"}, {"migrate", "deploy/web", "--to", "eci", "--how", "swap", "--dry-run"}, {"drain", node, "--dry-run"}, {"ops", "list"},
	} {
		// On the node there are others' pods, too, at which others are at work.
		if _, code, errs := x.ecideck(append([]string{"--kubeconfig", config}, args...)...); code != 0 && (args[0] != "drain" || !strings.Contains(errs, "is at work on")) {
			x.t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.changes) > 0 {
		x.t.Errorf("calls that change something: %v", r.changes)
	}
}

// tellsOfTheClock: a machine whose clock is wrong says so in its plan, and does nothing where
// it could not tell any more whether somebody else is at work.
func tellsOfTheClock(x *movingTenant) {
	x.deploy(2, "0", "lab/serve")
	r := x.recorder()
	config := r.kubeconfig(x, "")
	for _, c := range []struct {
		ahead time.Duration
		level migrate.Level
		says  string
	}{
		{0, "", ""},
		{2 * time.Minute, migrate.Warn, "behind the API server's"},
		{-time.Hour, migrate.Block, "ahead of the API server's"},
	} {
		r.wrong(c.ahead)
		o, code, errs := x.ecideck("--kubeconfig", config, "migrate", "deploy/web", "--to", "eci", "--how", "swap", "--dry-run")
		i := slices.IndexFunc(o.Checks, func(c migrate.Check) bool { return c.Name == "clock" })
		switch {
		case (code != 0) != (c.level == migrate.Block):
			x.t.Errorf("%s: exit code %d: %s", c.ahead, code, errs)
		case i < 0 && c.says != "":
			x.t.Errorf("%s: nothing is said of it: %+v", c.ahead, o.Checks)
		case i >= 0 && (o.Checks[i].Level != c.level || !strings.Contains(o.Checks[i].Reason, c.says)):
			x.t.Errorf("%s: %+v", c.ahead, o.Checks[i])
		}
	}
	o, code, errs := x.ecideck("--kubeconfig", config, "migrate", "deploy/web", "--to", "eci", "--how", "swap", "--yes")
	if code == 0 || !strings.Contains(o.Reason+errs, "clock") {
		x.t.Errorf("an hour off, it runs: exit code %d, %s %s", code, o.Reason, errs)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.changes) > 0 {
		x.t.Errorf("calls that change something: %v", r.changes)
	}
}
