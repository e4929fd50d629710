package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
	"github.com/ecideck/ecideck/provider/placement"
)

// TestBurstsKeepTheRules holds everything about bursting that needs full real nodes or a
// server in trouble. Its checks share one lab and its 24 slots: those that touch only their own
// namespace run beside each other, the others one after the other.
func TestBurstsKeepTheRules(t *testing.T) {
	t.Parallel()
	c, client := startSlots(t, func(s *scenario.Scenario) {
		s.VirtualNodes[0].Standby = true
		s.VirtualNodes[0].Webhook = true
		s.VirtualNodes[0].Args = append(s.VirtualNodes[0].Args, quickLease...)
	})
	node := c.lab.Scenario.VirtualNodes[0].Name
	check := func(name string, beside bool, check func(*tenant)) func(*testing.T) {
		return func(t *testing.T) {
			t.Run(name, func(t *testing.T) {
				if beside {
					t.Parallel()
				}
				x := newTenant(t, c.lab, client, node)
				defer func() {
					if t.Failed() { // the next check must not find bursts stopped
						_, _ = x.ecideck("burst", "start")
					}
					x.clear()
				}()
				check(x)
			})
		}
	}
	together := func(name string, checks ...func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			for _, check := range checks {
				check(t)
			}
		})
	}
	alone := func(name string, f func(*tenant)) { check(name, false, f)(t) }

	together("real nodes have room",
		check("the policy says what the webhook's rule says", true, policyIsTheRule),
		check("marks that can't be followed are said", true, marksThatCannotBeFollowed))
	alone("a namespace for ECI only is a serverless cluster in small", func(x *tenant) { serverlessNamespace(x, x.killLeader) })
	alone("who never asked for ECI is placed as without it", harmsNobody)
	alone("impact names who would suffer without that", namesVictims)

	// From here on real nodes are full.
	full := newTenant(t, c.lab, client, node)
	full.deploy("web", 24, "1", "", "")
	full.places("web", 24, 0, 0)
	together("real nodes are full",
		check("guardrails hold", true, guardrails),
		check("a spread over hosts is no obstacle", true, spreadsOverHosts),
		check("a policy engine that refuses is said", true, policyEngine))
	alone("a crowd at once", crowd)
	alone("a pod that finds room while it waits stays on real nodes", func(x *tenant) { findsRoom(x, full) })
	alone("a pod of a higher priority preempts before it bursts", func(x *tenant) { preempts(x, full) })
	alone("without the network nothing bursts", networkUnreachable)
	alone("a process that lacks rights says which", withoutRights)
	alone("an autoscaler has the first word", autoscalersFirst)
	alone("a limit that was passed before the start costs nobody a pod", limitsPassedBefore)
	alone("a killed controller and a restarted API server", func(x *tenant) { killedInTheMiddle(x, 60, 80) })
	alone("without policies the controller binds, or the webhook decides", withoutPolicies)
}

// quickLease has a killed leader replaced within seconds; what is shown with it does not depend
// on how long a lease lasts.
var quickLease = []string{"--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms"}

// killLeader kills the process that serves the node and starts it again when another leads, as
// its Deployment would. It does not wait: what it returns does.
func (x *tenant) killLeader() (wait func()) {
	x.t.Helper()
	killed := x.leader()
	if err := x.lab.Kill(killed); err != nil {
		x.t.Fatal(err)
	}
	begin := time.Now()
	return func() {
		x.t.Helper()
		x.eventually(20*slack*time.Second, "the other process leads", func() (bool, string) {
			now := x.leader()
			return now != killed, now
		})
		x.t.Logf("%s was killed, and the other process led %.1f s later", killed, time.Since(begin).Seconds())
		if err := x.lab.StartPart(killed); err != nil {
			x.t.Fatal(err)
		}
	}
}

// ecideck runs a command of ours on the lab.
func (x *tenant) ecideck(args ...string) (string, int) {
	x.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"--kubeconfig", x.lab.Kubeconfig, "-n", x.namespace}, args...)
	code := run(x.t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &errs})
	return out.String() + errs.String(), code
}

// why waits until `ecideck why pod` says something of a pod. These tests run beside others in
// one process and can't set credentials in its environment, so the groups are unread: exit
// code 3, and all that is said about bursting comes from the cluster.
func (x *tenant) why(pod string, want ...string) {
	x.t.Helper()
	x.eventually(10*slack*time.Second, "why says it of "+pod, func() (bool, string) {
		out, code := x.ecideck("why", "pod", pod)
		for _, text := range want {
			// Partial, because these tests name no region; the one test that sets the region for all
			// that run in this process may run beside them.
			if code != 0 && code != setup.ExitPartial || !strings.Contains(out, text) {
				return false, fmt.Sprintf("exit code %d, no %q in\n%s", code, text, out)
			}
		}
		return true, ""
	})
}

// pendingOf is one of an app's pods without a node.
func (x *tenant) pendingOf(app string) string {
	x.t.Helper()
	for _, pod := range x.list("app=" + app) {
		if pod.Spec.NodeName == "" {
			return pod.Name
		}
	}
	x.t.Fatalf("no pod of %s is pending", app)
	return ""
}

// says waits for an event with a reason and a text in the tenant's namespace.
func (x *tenant) says(reason, text string) {
	x.t.Helper()
	x.eventually(10*slack*time.Second, "an event "+reason, func() (bool, string) {
		events, err := x.client.CoreV1().Events(x.namespace).List(x.t.Context(), metav1.ListOptions{FieldSelector: "reason=" + reason})
		if err != nil {
			return false, err.Error()
		}
		for i := range events.Items {
			if strings.Contains(events.Items[i].Message, text) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d events of that reason", len(events.Items))
	})
}

// markNamespace sets labels and annotations of the tenant's namespace, and waits until the
// API server's admission has seen them.
func (x *tenant) markNamespace(labels, annotations string) {
	x.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%s},"annotations":{%s}}}`, labels, annotations)
	if _, err := x.client.CoreV1().Namespaces().Patch(x.t.Context(), x.namespace, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		x.t.Fatal(err)
	}
}

// policyIsTheRule asks the API server what it makes of pods, and the rule that the webhook
// serves.
func policyIsTheRule(x *tenant) {
	const container = "containers: [{name: a, image: lab/serve}]"
	only := `labels: {alibabacloud.com/eci: "true"}`
	pods := []struct{ name, metadata, spec string }{
		{"unmarked", "", ""},
		{"only-label", only, ""},
		{"only-annotation", "annotations: {alibabacloud.com/burst-resource: eci_only}", ""},
		{"only-resource-label", "labels: {alibabacloud.com/burst-resource: eci_only}", ""},
		{"first", "annotations: {alibabacloud.com/burst-resource: eci}", ""},
		{"first-at-creation", "annotations: {alibabacloud.com/burst-resource: eci, ecideck.io/burst: at-creation}", ""},
		{"opted-out", `labels: {alibabacloud.com/eci: "false"}`, ""},
		{"out-but-first", `labels: {alibabacloud.com/eci: "false"}, annotations: {alibabacloud.com/burst-resource: eci}`, ""},
		{"out-and-only", `labels: {alibabacloud.com/eci: "false"}, annotations: {alibabacloud.com/burst-resource: eci_only}`, ""},
		{"both", `labels: {alibabacloud.com/eci: "true"}, annotations: {alibabacloud.com/burst-resource: eci}`, ""},
		{"nonsense", `labels: {alibabacloud.com/eci: "yes", alibabacloud.com/burst-resource: eci_only}, annotations: {alibabacloud.com/burst-resource: always, ecideck.io/burst: later}`, ""},
		{"selector", only, "nodeSelector: {disk: ssd}"},
		{"own-type", only, "nodeSelector: {type: ssd}"},
		{"own-tolerations", only, "tolerations: [{key: team, operator: Exists}]"},
		{"tolerates-already", only, "tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}], nodeSelector: {type: virtual-kubelet}"},
		{"tolerates-all", only, "tolerations: [{operator: Exists}]"},
		{"host-network", only, "hostNetwork: true"},
		{"host-pid", only, "hostPID: true"},
		{"host-path", only, "volumes: [{name: h, hostPath: {path: /}}]"},
		{"host-alone", only, "nodeName: ecs-01"},
		{"empty-dir", only, "volumes: [{name: e, emptyDir: {}}]"},
		{"operation", `labels: {alibabacloud.com/eci: "true", ecideck.io/op: op-1}`, ""},
		{"daemonset", only + ", ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: d, uid: d}]", ""},
		{"replicaset", only + ", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: r}]", ""},
		{"keeps-off", only, "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: type, operator: NotIn, values: [virtual-kubelet]}]}]}}}"},
		{"affinity", only, "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: Exists}]}]}}}"},
		{"pod-affinity", only, "affinity: {podAntiAffinity: {}}"},
	}
	spaces := []struct{ labels, annotations string }{
		{"", ""},
		{`"alibabacloud.com/eci":"true"`, ""},
		{`"alibabacloud.com/eci":"false"`, `"alibabacloud.com/burst-resource":"eci_only"`},
		{`"alibabacloud.com/eci":null`, `"alibabacloud.com/burst-resource":"eci","ecideck.io/burst":"at-creation"`},
	}
	mutated := 0
	for i, space := range spaces {
		x.markNamespace(space.labels, space.annotations)
		namespace, err := x.client.CoreV1().Namespaces().Get(x.t.Context(), x.namespace, metav1.GetOptions{})
		if err != nil {
			x.t.Fatal(err)
		}
		for _, p := range pods {
			var pod corev1.Pod
			text := fmt.Sprintf("{metadata: {name: %s, namespace: %s, %s}, spec: {%s, %s}}", p.name, x.namespace, p.metadata, container, p.spec)
			if err := yaml.UnmarshalStrict([]byte(text), &pod); err != nil {
				x.t.Fatalf("%v in %s", err, text)
			}
			patch, err := burst.Admit(&pod, namespace)
			if err != nil {
				x.t.Fatal(err)
			}
			want := pod.DeepCopy()
			if patch != nil {
				mutated++
				want = applied(x.t, &pod, patch)
			}
			// The API server sees a changed namespace a moment later.
			x.eventually(10*slack*time.Second, fmt.Sprintf("pod %s in namespace %d is as the rule says", p.name, i), func() (bool, string) {
				got, err := x.client.CoreV1().Pods(x.namespace).Create(x.t.Context(), &pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
				if err != nil {
					return false, err.Error()
				}
				ours := slices.DeleteFunc(got.Spec.Tolerations, func(t corev1.Toleration) bool { return strings.HasPrefix(t.Key, "node.kubernetes.io/") })
				return maps.Equal(got.Spec.NodeSelector, want.Spec.NodeSelector) && slices.EqualFunc(ours, want.Spec.Tolerations, sameToleration),
					fmt.Sprintf("selector %v, want %v; tolerations %v, want %v", got.Spec.NodeSelector, want.Spec.NodeSelector, ours, want.Spec.Tolerations)
			})
		}
	}
	if mutated < 20 {
		x.t.Errorf("the rule changed only %d pods", mutated)
	}
}

func sameToleration(a, b corev1.Toleration) bool {
	return a.Key == b.Key && a.Operator == b.Operator && a.Value == b.Value && a.Effect == b.Effect
}

func applied(t testing.TB, pod *corev1.Pod, patch []byte) *corev1.Pod {
	t.Helper()
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = decoded.Apply(raw); err != nil {
		t.Fatal(err)
	}
	var out corev1.Pod
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// serverlessNamespace has every kind of workload in a namespace for ECI only; disturb is called in
// the middle of it, and what it returns at the end.
func serverlessNamespace(x *tenant, disturb func() (after func())) {
	x.markNamespace(`"alibabacloud.com/eci":"true"`, "")
	x.eventually(10*slack*time.Second, "the API server sees the mark", func() (bool, string) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "lab/serve"}}}}
		got, err := x.client.CoreV1().Pods(x.namespace).Create(x.t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err == nil && got.Spec.NodeSelector[placement.NodeTypeLabel] != "", fmt.Sprint(err)
	})
	x.deploy("web", 3, "1", "", "")
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: out, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: out}}
  template:
    metadata: {labels: {app: out, alibabacloud.com/eci: "false"}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: out, image: lab/serve}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: NAMESPACE}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: db, image: lab/serve}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: NAMESPACE}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: report}}
        spec: {restartPolicy: Never, containers: [{name: job, image: lab/job, env: [{name: SECONDS, value: "1"}]}]}
`)
	x.do("create", "job", "once", "--from=cronjob/report")
	after := disturb()
	x.places("web", 0, 3, 0)
	x.places("db", 0, 2, 0)
	x.eventually(20*slack*time.Second, "the pods that opted out are on real nodes", func() (bool, string) {
		r, e, p := x.placed("out")
		return r == 2 && e == 0 && p == 0, fmt.Sprint(r, e, p)
	})
	x.eventually(20*slack*time.Second, "the job is done", func() (bool, string) {
		out, _ := x.try("get", "job", "once", "-o", "jsonpath={.status.succeeded}")
		return out == "1", out
	})
	after()
	if r, e, p := x.placed("report"); r != 0 || e != 1 || p != 0 {
		x.t.Errorf("the job's pods: %d on real nodes, %d on ECI, %d pending", r, e, p)
	}
	if n := len(x.groups()); n != 5 {
		x.t.Errorf("%d groups run for 5 pods", n)
	}
	for _, pod := range x.list("app in (web,db,report)") {
		if n := strings.Count(fmt.Sprint(pod.Spec.Tolerations), placement.TaintProvider); n != 1 {
			x.t.Errorf("pod %s has the toleration %d times", pod.Name, n)
		}
	}
}

func marksThatCannotBeFollowed(x *tenant) {
	x.apply(`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}, annotations: {alibabacloud.com/burst-resource: eci}}
    spec: {tolerations: [{operator: Exists}], containers: [{name: agent, image: lab/serve}]}
`)
	x.deploy("host", 1, "100m", realFirst, "volumes: [{name: h, hostPath: {path: /tmp}}],")
	x.deploy("torn", 1, "100m", `alibabacloud.com/burst-resource: eci, ecideck.io/burst-after: soon`, "")
	x.places("agent", 3, 0, 0) // a mark does not bring a DaemonSet to the virtual node
	x.places("host", 1, 0, 0)
	x.places("torn", 1, 0, 0)
	x.says(burst.ReasonNotEligible, "DaemonSet")
	x.says(burst.ReasonNotEligible, "hostPath")
	x.says(burst.ReasonContradictory, "not a duration")
	x.why(x.list("app=torn")[0].Name, "not a duration", "real nodes first", "on node ecs")
}

// waitingCrowd has n pods of a Deployment found unschedulable while bursts are stopped.
func (x *tenant) waitingCrowd(app string, n int, cpu string) {
	x.t.Helper()
	if out, code := x.ecideck("burst", "stop", "--reason", "all of them at once"); code != 0 || !strings.Contains(out, "bursts are stopped by") {
		x.t.Fatalf("exit code %d: %s", code, out)
	}
	x.deploy(app, n, cpu, realFirst, "")
	x.eventually(60*slack*time.Second, fmt.Sprintf("%d are unschedulable", n), func() (bool, string) {
		waiting := 0
		for _, pod := range x.watched().list("app=" + app) {
			if isUnschedulable(pod) {
				waiting++
			}
		}
		return waiting == n, fmt.Sprint(waiting)
	})
}

// startBursts ends the halt.
func (x *tenant) startBursts() {
	x.t.Helper()
	if out, code := x.ecideck("burst", "start"); code != 0 || !strings.Contains(out, "not stopped") {
		x.t.Fatalf("exit code %d: %s", code, out)
	}
}

// crowd lets a hundred pods go at once; three hundred are let go in a soak and in a benchmark.
func crowd(x *tenant) {
	const many = 100
	x.waitingCrowd("crowd", many, "100m")
	x.why(x.pendingOf("crowd"), "all of them at once", "ecideck burst start")
	baseline := x.patchAll("crowd")
	begin := time.Now()
	x.startBursts()
	bound := time.Duration(0)
	x.eventually(30*slack*time.Second, "all are bound", func() (bool, string) {
		_, onECI, pending := x.placed("crowd")
		bound = time.Since(begin)
		return onECI == many, fmt.Sprintf("%d, %d pending", onECI, pending)
	})
	x.t.Logf("%d pods were bound %.1f s after the start; as many patches alone took %.1f s", many, bound.Seconds(), baseline.Seconds())
	// Three seconds, or on a busy machine what ten times as many calls would take: each pod is
	// patched, bound, started and told of, by processes that watch for races.
	if bound > 3*time.Second && bound > 10*baseline {
		x.t.Errorf("that is too slow")
	}
}

// patchAll patches each pod of an app once, as many at a time as the controller does.
func (x *tenant) patchAll(app string) time.Duration {
	x.t.Helper()
	pods := x.watched().list("app=" + app)
	return timed(func() {
		var group errgroup.Group
		group.SetLimit(32)
		for i := range pods {
			group.Go(func() error {
				_, err := x.client.CoreV1().Pods(x.namespace).Patch(x.t.Context(), pods[i].Name, types.MergePatchType, []byte(`{"metadata":{"annotations":{"test":"baseline"}}}`), metav1.PatchOptions{})
				return err
			})
		}
		if err := group.Wait(); err != nil {
			x.t.Fatal(err)
		}
	})
}

func guardrails(x *tenant) {
	x.markNamespace("", `"ecideck.io/burst-max-pods":"3"`)
	x.deploy("web", 5, "1", realFirst, "")
	x.places("web", 0, 3, 2)
	x.says(burst.ReasonGuard, "its limit is 3")
	x.why(x.pendingOf("web"), "namespace "+x.namespace+" has 3 pods on ECI by bursting, and its limit is 3")
	// A workload's own limit, while the namespace's is raised.
	x.do("annotate", "deployment/web", "ecideck.io/burst-max-pods=4")
	x.markNamespace("", `"ecideck.io/burst-max-pods":"10"`)
	x.places("web", 0, 4, 1)
	x.why(x.pendingOf("web"), "Deployment "+x.namespace+"/web has 4 pods")
	// Money: a pod of 1 vCPU and 1 GiB, billed as 1 vCPU and 2 GiB, costs 0.22 CNY an hour.
	x.do("annotate", "deployment/web", "ecideck.io/burst-max-pods-")
	x.markNamespace("", `"ecideck.io/burst-max-rate":"0.9 CNY"`)
	x.why(x.pendingOf("web"), "CNY/h by the list price", "its limit is 0.90 CNY/h")
	x.markNamespace("", `"ecideck.io/burst-max-rate":null`)
	x.places("web", 0, 5, 0)
}

// limitsPassedBefore has the node's processes start under a limit that was passed already: it costs
// nobody a pod and lets nobody go.
func limitsPassedBefore(x *tenant) {
	x.markNamespace("", `"ecideck.io/burst-max-pods":"2"`)
	x.deploy("web", 3, "1", realFirst+", ecideck.io/burst-after: 0s", "") // the leader still knows Karpenter
	x.places("web", 0, 2, 1)
	if out, code := x.ecideck("burst", "stop"); code != 0 {
		x.t.Fatal(out)
	}
	x.why(x.pendingOf("web"), "bursts are stopped by")
	x.markNamespace("", `"ecideck.io/burst-max-pods":"1"`)
	x.restartNode()
	x.startBursts()
	x.why(x.pendingOf("web"), "has 2 pods on ECI by bursting, and its limit is 1")
	x.places("web", 0, 2, 1)
	x.markNamespace("", `"ecideck.io/burst-max-pods":null`)
	x.places("web", 0, 3, 0)
}

// restartNode kills both processes of the node and waits until one leads again.
func (x *tenant) restartNode() {
	x.t.Helper()
	for _, part := range []string{kubetest.Node, kubetest.Standby} {
		if err := x.lab.Kill(part); err != nil {
			x.t.Fatal(err)
		}
	}
	before := x.renewed()
	for _, part := range []string{kubetest.Node, kubetest.Standby} {
		if err := x.lab.StartPart(part); err != nil {
			x.t.Fatal(err)
		}
	}
	x.eventually(20*slack*time.Second, "a process leads", func() (bool, string) { return x.renewed().After(before), "" })
}

func (x *tenant) renewed() time.Time {
	x.t.Helper()
	lease, err := x.client.CoordinationV1().Leases(metav1.NamespaceSystem).Get(x.t.Context(), "ecideck-node-"+x.node, metav1.GetOptions{})
	if err != nil || lease.Spec.RenewTime == nil {
		return time.Time{}
	}
	return lease.Spec.RenewTime.Time
}

func findsRoom(x, full *tenant) {
	x.deploy("web", 2, "1", realFirst+", ecideck.io/burst-after: 5s", "")
	x.places("web", 0, 0, 2)
	x.says(burst.ReasonWaiting, "ecideck.io/burst-after=5s")
	x.why(x.pendingOf("web"), "burst-after=5s")
	full.scale("web", 23)
	x.eventually(20*slack*time.Second, "one found room, the other bursts", func() (bool, string) {
		r, e, p := x.placed("web")
		return r == 1 && e == 1 && p == 0, fmt.Sprint(r, e, p)
	})
	for _, pod := range x.list("app=web") {
		if onECI := pod.Spec.NodeName == x.node; onECI != (pod.Annotations[burst.AnnotationSince] != "") {
			x.t.Errorf("pod %s is on %s and has %v", pod.Name, pod.Spec.NodeName, pod.Annotations)
		}
	}
	x.clear()
	full.scale("web", 24)
	full.places("web", 24, 0, 0)
}

// preempts has a pod of a high priority take a real node, and another one, opened at creation,
// take ECI and leave everybody alone.
func preempts(x, full *tenant) {
	x.apply("{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: NAMESPACE}, value: 1000}")
	x.deploy("calm", 1, "1", realFirst+", ecideck.io/burst: at-creation", "priorityClassName: "+x.namespace+",")
	x.places("calm", 0, 1, 0)
	full.places("web", 24, 0, 0)
	x.deploy("urgent", 1, "1", realFirst, "priorityClassName: "+x.namespace+",")
	x.places("urgent", 1, 0, 0)
	if pod := x.list("app=urgent")[0]; strings.Contains(fmt.Sprint(pod.Spec.Tolerations), placement.TaintProvider) {
		x.t.Errorf("pod %s was let go and preempted too", pod.Name)
	}
	x.clear()
	x.do("delete", "priorityclass", x.namespace)
	full.places("web", 24, 0, 0)
}

func spreadsOverHosts(x *tenant) {
	x.deploy("web", 3, "1", realFirst, "topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}],")
	x.places("web", 0, 3, 0)
	x.says(burst.ReasonBound, "missing hostname label")
	x.deploy("anti", 3, "1", realFirst, "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: anti}}}]}},")
	x.places("anti", 0, 3, 0)
	x.deploy("both", 1, "1", realFirst, "topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: both}}},"+
		" {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: both}}}],")
	x.says(burst.ReasonKept, "--hostname-label")
	x.places("both", 0, 0, 1)
}

// policyEngine has the API server refuse what the controller does, as Kyverno or Gatekeeper
// may, or PodTolerationRestriction.
func policyEngine(x *tenant) {
	policy := `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAMESPACE}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [pods]}]
  validations: [{expression: "object.spec.tolerations == oldObject.spec.tolerations", message: "tolerations are the platform team's"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAMESPACE}
spec: {policyName: NAMESPACE, validationActions: [Deny]}
`
	x.apply(policy)
	x.eventually(10*slack*time.Second, "the policy is in force", func() (bool, string) {
		probe := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "lab/serve"}}}}
		if _, err := x.client.CoreV1().Pods(x.namespace).Create(x.t.Context(), probe, metav1.CreateOptions{}); err != nil && !strings.Contains(err.Error(), "exists") {
			return false, err.Error()
		}
		_, err := x.client.CoreV1().Pods(x.namespace).Patch(x.t.Context(), "probe", types.JSONPatchType,
			[]byte(`[{"op":"add","path":"/spec/tolerations/-","value":{"key":"x","operator":"Exists"}}]`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "platform team"), fmt.Sprint(err)
	})
	x.deploy("web", 1, "1", realFirst, "")
	x.says(burst.ReasonRefused, "tolerations are the platform team's")
	x.why(x.pendingOf("web"), "tolerations are the platform team's")
	x.do("delete", "validatingadmissionpolicybinding", x.namespace)
	x.do("delete", "validatingadmissionpolicy", x.namespace)
	x.places("web", 0, 1, 0)
}

func networkUnreachable(x *tenant) {
	condition := func(status corev1.ConditionStatus) {
		x.t.Helper()
		patch := fmt.Sprintf(`{"status":{"conditions":[{"type":%q,"status":%q,"reason":"Probed","message":"10.96.0.10 does not answer"}]}}`, burst.ConditionClusterNetworkReachable, status)
		if _, err := x.client.CoreV1().Nodes().Patch(x.t.Context(), x.node, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
			x.t.Fatal(err)
		}
	}
	condition(corev1.ConditionFalse)
	x.deploy("web", 1, "1", realFirst, "")
	x.says(burst.ReasonNoNode, "10.96.0.10 does not answer")
	x.why(x.pendingOf("web"), "10.96.0.10 does not answer")
	x.places("web", 0, 0, 1)
	condition(corev1.ConditionTrue)
	x.places("web", 0, 1, 0)
}

// withoutRights takes rights from the lab's processes one after the other: each says which it
// lacks and what helps, and goes on by itself when it has them.
func withoutRights(x *tenant) {
	roles := x.client.RbacV1().ClusterRoles()
	whole, err := roles.Get(x.t.Context(), "ecideck-node", metav1.GetOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	write := func(rules []rbacv1.PolicyRule) {
		x.t.Helper()
		role, err := roles.Get(x.t.Context(), whole.Name, metav1.GetOptions{})
		if err == nil {
			role.Rules = rules
			_, err = roles.Update(x.t.Context(), role, metav1.UpdateOptions{})
		}
		if err != nil {
			x.t.Fatal(err)
		}
	}
	restore := func() { x.t.Helper(); write(whole.Rules) }
	defer restore()
	lacking := func(resource string, verbs ...string) {
		x.t.Helper()
		var rules []rbacv1.PolicyRule
		found := false
		for _, rule := range whole.DeepCopy().Rules {
			if !slices.Contains(rule.Resources, resource) {
				rules = append(rules, rule)
				continue
			}
			for _, r := range rule.Resources {
				one := rule
				one.Resources = []string{r}
				if r == resource {
					one.Verbs = slices.DeleteFunc(slices.Clone(rule.Verbs), func(v string) bool { return slices.Contains(verbs, v) })
					found = found || len(one.Verbs) < len(rule.Verbs)
				}
				if len(one.Verbs) > 0 {
					rules = append(rules, one)
				}
			}
		}
		if !found {
			x.t.Fatalf("no rule has %v of %s", verbs, resource)
		}
		write(rules)
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "ecideck-node", ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: x.namespace, Verb: verbs[0]}}}
		review.Spec.ResourceAttributes.Resource, review.Spec.ResourceAttributes.Subresource, _ = strings.Cut(resource, "/")
		if resource == "deployments" {
			review.Spec.ResourceAttributes.Group = "apps"
		}
		x.eventually(10*slack*time.Second, "the API server takes the right to "+verbs[0]+" "+resource, func() (bool, string) {
			got, err := x.client.AuthorizationV1().SubjectAccessReviews().Create(x.t.Context(), review, metav1.CreateOptions{})
			return err == nil && !got.Status.Allowed, fmt.Sprint(err)
		})
	}
	// loggedAnew waits until a line with all these words stands in a log that was not there before.
	loggedAnew := func(before int, want ...string) {
		x.t.Helper()
		x.eventually(20*slack*time.Second, "a log says it", func() (bool, string) { return x.logged(want...) > before, fmt.Sprintf("no line with %q", want) })
	}
	const remedy = "ecideck-node manifests"

	lacking("pods", "patch")
	x.deploy("patch", 1, "1", realFirst, "")
	x.says(burst.ReasonRefused, "cannot patch resource \"pods\"")
	x.why(x.pendingOf("patch"), "cannot patch resource", remedy)
	restore()
	x.places("patch", 0, 1, 0)

	lacking("pods/binding", "create")
	x.deploy("bind", 2, "1", realFirst, "topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: bind}}}],")
	x.says(burst.ReasonRefused, "cannot create resource \"pods/binding\"")
	restore()
	x.places("bind", 0, 2, 0)

	lacking("deployments", "get")
	x.deploy("limits", 1, "1", realFirst, "")
	x.says(burst.ReasonGuard, "its limits can't be read")
	x.places("limits", 0, 0, 1)
	restore()
	x.markNamespace("", `"seen":"yes"`) // instead of half a minute
	x.places("limits", 0, 1, 0)

	before := x.logged("events can't be written", remedy)
	lacking("events", "create", "patch")
	x.deploy("mute", 1, "1", realFirst, "")
	x.places("mute", 0, 1, 0)
	loggedAnew(before, "events can't be written", remedy)
	restore()

	lacking("secrets", "create", "update")
	x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: ends, namespace: NAMESPACE}
spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "0"}, {name: EXIT_CODE, value: "3"}]}]}
`)
	x.says("LastWordsNotKept", remedy)

	// A process that begins so says all of it at once.
	all := []string{"this process lacks rights", "create secrets", "update secrets ecideck-last-words", remedy}
	before = x.logged(all...)
	x.killLeader()()
	loggedAnew(before, all...)
}

// logged counts the lines with all these words in the logs of the node's two processes.
func (x *tenant) logged(words ...string) (n int) {
	x.t.Helper()
	for _, part := range []string{kubetest.Node, kubetest.Standby} {
		raw, err := os.ReadFile(x.lab.LogFile(part))
		if err != nil {
			x.t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				n++
			}
		}
	}
	return n
}

// autoscalersFirst plays autoscalers: no real one can add a node here. What is theirs, the
// status, the kinds and the events, goes through the real API server.
func autoscalersFirst(x *tenant) {
	say := func(app, from, reason string) {
		x.t.Helper()
		pod := x.list("app=" + app)[0]
		if _, err := x.client.CoreV1().Events(x.namespace).Create(x.t.Context(), &corev1.Event{ObjectMeta: metav1.ObjectMeta{GenerateName: app + "-"}, Reason: reason, LastTimestamp: metav1.Now(),
			Type: corev1.EventTypeNormal, Source: corev1.EventSource{Component: from}, ReportingController: from,
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: x.namespace, Name: pod.Name, UID: pod.UID}}, metav1.CreateOptions{}); err != nil {
			x.t.Fatal(err)
		}
	}
	const status = "cluster-autoscaler-status"
	x.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: ` + status + `, namespace: kube-system, annotations: {cluster-autoscaler.kubernetes.io/last-updated: "` + time.Now().UTC().Format("2006-01-02 15:04:05.999999999 -0700 MST") + `"}}
`)
	x.deploy("web", 1, "1", realFirst, "")
	x.says(burst.ReasonWaiting, "the Cluster Autoscaler may add a node for it")
	x.why(x.pendingOf("web"), "the Cluster Autoscaler may add a node for it")
	say("web", "cluster-autoscaler", "NotTriggerScaleUp")
	x.places("web", 0, 1, 0)
	x.deploy("more", 1, "1", realFirst, "")
	x.eventually(20*slack*time.Second, "more waits", func() (bool, string) { _, _, p := x.placed("more"); return p == 1, "" })
	say("more", "cluster-autoscaler", "TriggeredScaleUp")
	x.why(x.pendingOf("more"), "the Cluster Autoscaler adds a node for it")
	x.do("delete", "configmap", "-n", "kube-system", status) // it is uninstalled
	x.places("more", 0, 1, 0)

	x.apply(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodepools.karpenter.sh}
spec:
  group: karpenter.sh
  scope: Cluster
  names: {plural: nodepools, singular: nodepool, kind: NodePool}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`)
	defer x.do("delete", "customresourcedefinition", "nodepools.karpenter.sh")
	x.eventually(20*slack*time.Second, "the server knows Karpenter's kinds", func() (bool, string) {
		out, code := x.try("get", "nodepools.karpenter.sh")
		return code == 0, out
	})
	x.killLeader()()
	x.deploy("pool", 1, "1", realFirst, "")
	x.says(burst.ReasonWaiting, "Karpenter may add a node for it")
	say("pool", "karpenter", "FailedScheduling")
	x.places("pool", 0, 1, 0)
}

// killedInTheMiddle kills the leader while n pods burst, then the API server while there come to
// be more of them, and looks at every change of every pod: none is let go twice, none forgotten.
func killedInTheMiddle(x *tenant, n, more int) {
	watcher, err := x.client.CoreV1().Pods(x.namespace).Watch(x.t.Context(), metav1.ListOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	most := make(chan int, 1)
	go func() {
		worst := 0
		for event := range watcher.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				worst = max(worst, strings.Count(fmt.Sprint(pod.Spec.Tolerations), placement.TaintProvider))
			}
		}
		most <- worst
	}()
	x.waitingCrowd("web", n, "100m")
	x.startBursts()
	x.eventually(20*slack*time.Second, "some have been let go", func() (bool, string) {
		_, onECI, _ := x.placed("web")
		return onECI > 0, ""
	})
	led := x.killLeader()
	_, onECI, _ := x.placed("web")
	x.t.Logf("killed with %d of %d on ECI", onECI, n)
	x.places("web", 0, n, 0)
	watcher.Stop()
	if worst := <-most; worst != 1 {
		x.t.Errorf("a pod had the toleration %d times", worst)
	}
	// Its API server goes and comes back while more pods wait.
	x.scale("web", more)
	if err := x.lab.Kill(kubetest.APIServer); err != nil {
		x.t.Fatal(err)
	}
	if err := x.lab.StartPart(kubetest.APIServer); err != nil {
		x.t.Fatal(err)
	}
	x.places("web", 0, more, 0)
	for _, pod := range x.list("app=web") {
		if n := strings.Count(fmt.Sprint(pod.Spec.Tolerations), placement.TaintProvider); n != 1 {
			x.t.Errorf("pod %s has the toleration %d times", pod.Name, n)
		}
	}
	led() // last: a process that finds no API server ends, and here nobody starts it again
	if n := len(x.groups()); n != more {
		x.t.Errorf("%d groups for %d pods", n, more)
	}
}

// withoutPolicies is a server before 1.36: the controller binds what is marked for ECI only;
// the webhook, where it is installed, does what the policy did.
func withoutPolicies(x *tenant) {
	x.do("delete", "mutatingadmissionpolicybinding", "ecideck-burst", "ecideck-daemonsets")
	x.do("delete", "mutatingadmissionpolicy", "ecideck-burst", "ecideck-daemonsets")
	probe := func() (*corev1.Pod, error) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe", Labels: map[string]string{burst.LabelECI: "true"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "lab/serve"}}}}
		return x.client.CoreV1().Pods(x.namespace).Create(x.t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	}
	x.eventually(10*slack*time.Second, "the policies are gone", func() (bool, string) {
		got, err := probe()
		return err == nil && len(got.Spec.NodeSelector) == 0, fmt.Sprint(err)
	})
	x.deploy("only", 3, "1", "alibabacloud.com/burst-resource: eci_only", "")
	x.places("only", 0, 3, 0) // real nodes are full: the controller has all the time

	// The webhook, with the rights and the configuration that the manifests have.
	x.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: ecideck-node-webhook}
rules:
- {apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], resourceNames: [ecideck-burst], verbs: [get, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ecideck-node-webhook}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ecideck-node-webhook}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: ecideck-node}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: ecideck-node-webhook, namespace: kube-system}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [create]}
- {apiGroups: [""], resources: [secrets], resourceNames: [ecideck-burst], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: ecideck-node-webhook, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ecideck-node-webhook}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: ecideck-node}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: ecideck-burst}
webhooks:
- name: burst.ecideck.io
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  reinvocationPolicy: Never
  timeoutSeconds: 5
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}]
  clientConfig: {url: "` + x.lab.WebhookURL() + `"}
`)
	x.eventually(30*slack*time.Second, "the webhook decides", func() (bool, string) {
		got, err := probe()
		return err == nil && got.Spec.NodeSelector[placement.NodeTypeLabel] == placement.NodeType, fmt.Sprint(err)
	})
	x.deploy("more", 3, "1", "alibabacloud.com/burst-resource: eci_only", "")
	x.places("more", 0, 3, 0)
	for _, pod := range x.list("app=more") {
		if n := strings.Count(fmt.Sprint(pod.Spec.Tolerations), placement.TaintProvider); n != 1 || pod.Spec.NodeSelector[placement.NodeTypeLabel] == "" {
			x.t.Errorf("pod %s: %d tolerations, selector %v", pod.Name, n, pod.Spec.NodeSelector)
		}
	}
	x.do("delete", "mutatingwebhookconfiguration", "ecideck-burst")

	// A DaemonSet from before the policies is left as it is until its template changes.
	x.apply(`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {rollingUpdate: {maxUnavailable: 100%}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      tolerations: [{operator: Exists}]
      terminationGracePeriodSeconds: 1
      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}]}, {matchFields: [{key: metadata.name, operator: NotIn, values: [nobody]}]}]}}}
      containers: [{name: agent, image: lab/serve}]
`)
	x.eventually(20*slack*time.Second, "without the policy it has a pod on the virtual node", func() (bool, string) {
		_, onECI, _ := x.placed("agent")
		return onECI == 1, fmt.Sprint(onECI)
	})
	if err := x.lab.Apply(x.t.Context(), []byte(burst.AdmissionPolicies())); err != nil {
		x.t.Fatal(err)
	}
	template := func(args ...string) string {
		return x.do(append(args, "-o", "jsonpath={.spec.template.spec.affinity}")...)
	}
	before := template("get", "daemonset", "agent")
	x.eventually(10*slack*time.Second, "a changed template keeps off virtual nodes", func() (bool, string) {
		out := template("set", "image", "daemonset/agent", "agent=lab/serve:2", "--dry-run=server")
		return strings.Count(out, "virtual-kubelet") == 2, out
	})
	if after := template("annotate", "daemonset", "agent", "seen=yes"); after != before {
		x.t.Errorf("an annotation changed the template: %s", after)
	}
	x.do("set", "image", "daemonset/agent", "agent=lab/serve:2")
	x.eventually(20*slack*time.Second, "the new template has no pod on the virtual node", func() (bool, string) {
		onReal, onECI, _ := x.placed("agent")
		return onReal == 3 && onECI == 0, fmt.Sprint(onReal, onECI)
	})
}
