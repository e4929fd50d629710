package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// TestAKilledLeaderIsReplacedUnderItsPods runs two processes of one node with a lease of
// three seconds instead of thirty: what is proven does not depend on the lease's length.
func TestAKilledLeaderIsReplacedUnderItsPods(t *testing.T) {
	const lease = 3 * time.Second
	c := startQuickLab(t, func(s *scenario.Scenario) {
		s.VirtualNodes[0].Standby = true
		s.VirtualNodes[0].Args = append(s.VirtualNodes[0].Args, quickLease...)
	})
	client, err := kubernetes.NewForConfig(c.lab.Config())
	if err != nil {
		t.Fatal(err)
	}
	x := newTenant(t, c.lab, client, c.lab.Scenario.VirtualNodes[0].Name)
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 6
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {ECI, containers: [{name: web, image: lab/serve}]}
`)
	x.do("rollout", "status", "deployment/web", "--timeout="+strconv.Itoa(60*slack)+"s")
	before := map[string]string{} // group by pod
	for _, pod := range x.list("app=web") {
		before[pod.Name] = pod.Annotations[eci.AnnotationInstanceID]
	}
	unready := x.watchReadiness("app=web")

	killed := x.leader()
	begin := time.Now()
	if err := c.lab.Kill(killed); err != nil {
		t.Fatal(err)
	}
	// While nobody serves the node somebody wants more pods, and one less of the old.
	x.do("scale", "deployment/web", "--replicas=9")
	victim := x.list("app=web")[0].Name
	x.do("delete", "pod", victim, "--wait=false")
	x.eventually(4*lease+10*slack*time.Second, "the other process leads", func() (bool, string) {
		now := x.leader()
		return now != killed, now
	})
	t.Logf("led again %.1f s after the kill", time.Since(begin).Seconds())
	// The victim may be Ready until its object goes, which is after its group.
	alive := func() []corev1.Pod {
		return slices.DeleteFunc(x.list("app=web"), func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	}
	x.eventually(30*slack*time.Second, "nine pods are ready, each with one group", func() (bool, string) {
		ready := 0
		for _, pod := range alive() {
			if isReady(&pod) {
				ready++
			}
		}
		groups := x.groups()
		return ready == 9 && len(groups) == 9, fmt.Sprintf("%d ready, %d groups", ready, len(groups))
	})
	for _, pod := range alive() {
		id := pod.Annotations[eci.AnnotationInstanceID]
		if old, known := before[pod.Name]; known && old != id {
			t.Errorf("pod %s had the group %s and has %s", pod.Name, old, id)
		}
		if !slices.ContainsFunc(x.groups(), func(g ecitest.GroupInfo) bool { return g.ID == id && g.Tags[eci.TagPodUID] == string(pod.UID) }) {
			t.Errorf("pod %s names the group %s, which is not its own", pod.Name, id)
		}
	}
	if lost := unready(); len(lost) > 1 || len(lost) == 1 && lost[0] != victim {
		t.Errorf("pods that stopped being ready: %v; only %s was deleted", lost, victim)
	}
	for _, pod := range alive() {
		if before[pod.Name] != "" {
			x.eventually(20*slack*time.Second, "logs work through the other process", func() (bool, string) {
				out, code := x.try("logs", pod.Name, "--tail=1")
				return code == 0 && strings.Count(out, "\n") == 1, out
			})
			break
		}
	}

	// The killed process comes back and stands by.
	if err := c.lab.StartPart(killed); err != nil {
		t.Fatal(err)
	}
	x.do("scale", "deployment/web", "--replicas=2")
	x.eventually(30*slack*time.Second, "two groups are left", func() (bool, string) {
		return len(x.groups()) == 2, fmt.Sprint(len(x.groups()))
	})
	if now := x.leader(); now == killed {
		t.Errorf("%s took the lease from a living leader", now)
	}
}

// leader is the part that holds the node's lease.
func (x *tenant) leader() string {
	x.t.Helper()
	name := x.node
	if len(x.lab.Scenario.VirtualNodes) > 1 {
		name = "virtual-kubelet-" + x.lab.Scenario.Region // of all that the process serves
	}
	lease, err := x.client.CoordinationV1().Leases(metav1.NamespaceSystem).Get(x.t.Context(), "ecideck-node-"+name, metav1.GetOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	if h := lease.Spec.HolderIdentity; h != nil && *h == "ecideck-"+kubetest.Standby {
		return kubetest.Standby
	}
	return kubetest.Node
}

// watchReadiness notes which pods that were ready stop being so, until stop is called.
func (x *tenant) watchReadiness(selector string) (stop func() (lost []string)) {
	x.t.Helper()
	watcher, err := x.client.CoreV1().Pods(x.namespace).Watch(x.t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		x.t.Fatal(err)
	}
	result := make(chan []string, 1)
	go func() {
		was, lost := map[string]bool{}, []string(nil)
		for event := range watcher.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			if was[pod.Name] && !isReady(pod) && !slices.Contains(lost, pod.Name) {
				lost = append(lost, pod.Name)
			}
			was[pod.Name] = isReady(pod)
		}
		result <- lost
	}()
	return func() []string { watcher.Stop(); return <-result }
}
