package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deleteChecks are about how pods end.
func deleteChecks() []check {
	return []check{
		{"delete waits for the containers and not for the grace period", deletesGracefully},
		{"delete --force returns at once, and the group goes without waiting for its containers", deletesByForce},
	}
}

func deletesGracefully(x *tenant) {
	for _, name := range []string{"quick", "slow"} {
		stop := map[string]string{"quick": "0", "slow": "6"}[name]
		x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: ` + name + `, namespace: NAMESPACE}
spec: {ECI, terminationGracePeriodSeconds: 300, containers: [{name: main, image: lab/serve, env: [{name: STOP_SECONDS, value: "` + stop + `"}]}]}
`)
	}
	x.untilReady("quick")
	x.untilReady("slow")
	if took := timed(func() { x.do("delete", "pod", "quick") }); took > 5*slack*time.Second {
		x.t.Errorf("kubectl delete took %v of a grace period of 300s", took)
	}
	took := timed(func() { x.do("delete", "pod", "slow", "--grace-period=200") })
	if took < 6*time.Second || took > 10*slack*time.Second {
		x.t.Errorf("kubectl delete took %v of a grace period of 200s; its container stops in 6s", took)
	}
	x.eventually(10*slack*time.Second, "no group is left", func() (bool, string) {
		return len(x.groups()) == 0, fmt.Sprint(x.groups())
	})
}

func deletesByForce(x *tenant) {
	x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: stuck, namespace: NAMESPACE}
spec: {ECI, terminationGracePeriodSeconds: 600, containers: [{name: main, image: lab/serve, env: [{name: STOP_SECONDS, value: "600"}]}]}
`)
	x.untilReady("stuck")
	x.do("delete", "pod", "stuck", "--grace-period=0", "--force")
	if x.get("stuck") != nil {
		x.t.Error("the object is still there")
	}
	x.eventually(20*slack*time.Second, "its group is gone", func() (bool, string) {
		return len(x.groups()) == 0, fmt.Sprint(x.groups())
	})
}

// drainsTheNode drains the virtual node as somebody does who replaces it.
func drainsTheNode(x *tenant) {
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {ECI, containers: [{name: web, image: lab/serve}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: NAMESPACE}
spec: {minAvailable: 3, selector: {matchLabels: {app: web}}}
`)
	x.do("rollout", "status", "deployment/web")
	x.eventually(20*slack*time.Second, "the budget counts the pods", func() (bool, string) {
		pdb, err := x.client.PolicyV1().PodDisruptionBudgets(x.namespace).Get(x.t.Context(), "web", metav1.GetOptions{})
		return err == nil && pdb.Status.CurrentHealthy == 3, fmt.Sprint(err)
	})
	drain := []string{"drain", x.node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--pod-selector=app=web"}
	out, code := x.try(append(drain, "--timeout=3s")...)
	if code == 0 || !strings.Contains(out, "violate the pod's disruption budget") {
		x.t.Errorf("a budget without room: exit code %d\n%s", code, out)
	}
	for _, pod := range x.list("app=web") {
		if !isReady(&pod) || pod.DeletionTimestamp != nil {
			x.t.Errorf("pod %s was evicted against the budget", pod.Name)
		}
	}
	if pods := x.list("app=web"); len(pods) != 3 {
		x.t.Errorf("%d pods, want 3", len(pods))
	}
	x.contains(x.do("get", "node", x.node), "SchedulingDisabled")

	x.do("patch", "pdb", "web", "-p", `{"spec":{"minAvailable":0}}`)
	x.eventually(20*slack*time.Second, "the budget has room", func() (bool, string) {
		pdb, err := x.client.PolicyV1().PodDisruptionBudgets(x.namespace).Get(x.t.Context(), "web", metav1.GetOptions{})
		return err == nil && pdb.Status.DisruptionsAllowed == 3 && observed(pdb), fmt.Sprint(err)
	})
	evicted := map[string]bool{}
	for _, pod := range x.list("app=web") {
		evicted[string(pod.UID)] = true
	}
	took := timed(func() { x.do(append(drain, "--timeout="+strconv.Itoa(30*slack)+"s")...) })
	x.t.Logf("draining 3 pods took %.1f s", took.Seconds())
	x.eventually(20*slack*time.Second, "three new pods wait for a node", func() (bool, string) {
		waiting := 0
		for _, pod := range x.list("app=web") {
			if evicted[string(pod.UID)] {
				return false, pod.Name + " is still there"
			}
			if pod.Spec.NodeName == "" && pod.Status.Phase == corev1.PodPending {
				waiting++
			}
		}
		return waiting == 3 && len(x.groups()) == 0, fmt.Sprintf("%d wait, groups %v", waiting, x.groups())
	})
	x.do("uncordon", x.node)
	x.do("rollout", "status", "deployment/web", "--timeout="+strconv.Itoa(60*slack)+"s")
}

func observed(pdb *policyv1.PodDisruptionBudget) bool {
	return pdb.Status.ObservedGeneration == pdb.Generation
}
