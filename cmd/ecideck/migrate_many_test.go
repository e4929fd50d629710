package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/migrate"
)

// autoscaled is a real HorizontalPodAutoscaler that scales up while pods move, and never down:
// whoever is deleted is deleted by a move.
const autoscaled = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: NAMESPACE}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 6
  maxReplicas: 9
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 20}}}]
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 1, periodSeconds: 15}]}
    scaleDown: {selectPolicy: Disabled}
`

// manySwaps moves pods there and back in batches, chosen by a seed, until so many have moved:
// under a budget that allows nothing, and in every third batch with a sibling that is not
// Ready under one that allows that much. An HPA changes how many there are meanwhile; most is
// how many there were at the most.
func manySwaps(x *movingTenant, want int, seed uint64) (most int) {
	x.t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	x.deploy(6, "0", "lab/serve")
	x.apply(autoscaled)
	swapped, batches := 0, 0
	most = 6
	for swapped < want {
		sick := ""
		names := x.names()
		most = max(most, len(names))
		chance.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		least := 6
		if batches%3 == 2 {
			sick = names[len(names)-1]
			x.do("patch", "pdb", "web", "--type=merge", "-p", `{"spec":{"maxUnavailable":1}}`)
			x.unready(sick)
			least = 5
		}
		w := x.guard()
		targets, to := []string{}, "eci"
		if pod := x.get(names[0]); pod != nil && pod.Spec.NodeName == x.node {
			to = "ecs"
		}
		for _, name := range names[:len(names)-1] {
			if pod := x.get(name); pod != nil && (pod.Spec.NodeName == x.node) == (to == "ecs") && len(targets) < 3 && isReady(pod) {
				targets = append(targets, name)
			}
		}
		if len(targets) == 0 {
			targets = names[:1]
		}
		o, _, errs := x.ecideck(append(append([]string{"migrate"}, targets...), "--to", to, "--yes", "--soak", "0s")...)
		for _, item := range o.Items {
			switch item.State {
			case migrate.Done:
				swapped++
			case migrate.Aborted, migrate.Stays:
				x.t.Logf("batch %d: %s is as before: %s %s", batches, item.Pod.Name, item.Reason, item.Why)
			default:
				x.t.Errorf("batch %d: item %+v\n%s", batches, item, errs)
			}
		}
		if len(o.Items) == 0 {
			x.t.Fatalf("batch %d: %s", batches, errs)
		}
		bystanders := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(targets, name) })
		w.kept(least, bystanders...)
		w.stop()
		if sick != "" {
			// It is well again when its kubelet says so: it is made anew.
			x.do("delete", "pod", sick, "--wait=false")
			x.do("patch", "pdb", "web", "--type=merge", "-p", `{"spec":{"maxUnavailable":0}}`)
			x.eventually(60*slack*1e9, "all are Ready again", func() (bool, string) {
				pods := x.list("app=web")
				for i := range pods {
					if !isReady(&pods[i]) || pods[i].DeletionTimestamp != nil || pods[i].Name == sick {
						return false, pods[i].Name
					}
				}
				return len(pods) >= 6, fmt.Sprint(len(pods))
			})
		}
		batches++
		if x.t.Failed() {
			return most
		}
	}
	x.t.Logf("%d swaps in %d batches, up to %d replicas; HPA: %s", swapped, batches, most, strings.TrimSpace(x.do("get", "hpa", "web", "--no-headers")))
	return most
}

// unready says for a pod's kubelet that it isn't Ready.
func (x *movingTenant) unready(name string) {
	x.t.Helper()
	pod := x.get(name)
	if pod == nil {
		x.t.Fatalf("pod %s is gone", name)
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodReady || c.Type == corev1.ContainersReady {
			c.Status, c.Reason = corev1.ConditionFalse, "ContainersNotReady"
		}
	}
	if _, err := x.client.CoreV1().Pods(x.namespace).UpdateStatus(x.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		x.t.Fatal(err)
	}
}
