package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/kubetest"
)

// bystanders are twenty workloads that never asked for ECI and that a virtual node could harm: one
// more host or zone for a spread, one more node for a DaemonSet.
func bystanders() string {
	const hosts, zones = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
	spread := func(key, when string) func(string) string {
		return func(app string) string {
			return fmt.Sprintf("topologySpreadConstraints: [{maxSkew: 1, topologyKey: %s, whenUnsatisfiable: %s, labelSelector: {matchLabels: {app: %s}}}],", key, when, app)
		}
	}
	anti := func(how, key string) func(string) string {
		return func(app string) string {
			term := fmt.Sprintf("{topologyKey: %s, labelSelector: {matchLabels: {app: %s}}}", key, app)
			if strings.HasPrefix(how, "preferred") {
				term = "{weight: 100, podAffinityTerm: " + term + "}"
			}
			return fmt.Sprintf("affinity: {podAntiAffinity: {%s: [%s]}},", how, term)
		}
	}
	text := func(s string) func(string) string { return func(string) string { return s } }
	var out strings.Builder
	for i, w := range []struct {
		replicas int
		extra    func(app string) string
	}{
		{3, spread(hosts, "DoNotSchedule")}, {6, spread(hosts, "DoNotSchedule")}, {12, spread(hosts, "DoNotSchedule")},
		{2, spread(zones, "DoNotSchedule")}, {4, spread(zones, "DoNotSchedule")}, {6, spread(zones, "DoNotSchedule")},
		{3, spread(hosts, "ScheduleAnyway")}, {4, spread(zones, "ScheduleAnyway")},
		{3, anti("requiredDuringSchedulingIgnoredDuringExecution", hosts)}, {2, anti("requiredDuringSchedulingIgnoredDuringExecution", zones)},
		{3, anti("preferredDuringSchedulingIgnoredDuringExecution", hosts)}, {4, anti("preferredDuringSchedulingIgnoredDuringExecution", zones)},
		{1, text("volumes: [{name: h, hostPath: {path: /tmp}}],")}, {3, text("hostNetwork: true,")},
		{2, text("nodeSelector: {topology.kubernetes.io/zone: cn-hangzhou-i},")}, {4, text("")},
	} {
		app := fmt.Sprintf("w%02d", i)
		fmt.Fprintf(&out, `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: NAMESPACE}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {%[3]s terminationGracePeriodSeconds: 1, containers: [{name: c, image: lab/serve, resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
`, app, w.replicas, w.extra(app))
	}
	for i, affinity := range []string{"", "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}]}, {matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]}]}}},",
		"affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: disk, operator: Exists}]}}]}},", "hostNetwork: true,"} {
		fmt.Fprintf(&out, `---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d%02[1]d, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: d%02[1]d}}
  template:
    metadata: {labels: {app: d%02[1]d}}
    spec: {%[2]s tolerations: [{operator: Exists}], terminationGracePeriodSeconds: 1, containers: [{name: c, image: lab/serve, resources: {requests: {cpu: 10m, memory: 16Mi}}}]}
`, i, affinity)
	}
	return out.String()
}

// fleetPods is how many pods the bystanders have on three real nodes.
const fleetPods = 3 + 6 + 12 + 2 + 4 + 6 + 3 + 4 + 3 + 2 + 3 + 4 + 1 + 3 + 2 + 4 + 4*3

// placements are, for each workload, how many of its pods each zone has, those of the virtual
// node apart, once all are placed. Which of two equal nodes a pod takes is the scheduler's dice.
// during happens while they are being placed.
func (x *tenant) placements(during func()) map[string]string {
	x.t.Helper()
	x.apply(bystanders())
	during()
	x.eventually(30*slack*time.Second, fmt.Sprintf("%d pods run", fleetPods), func() (bool, string) {
		n, waits := 0, ""
		for _, pod := range x.list("") {
			if isReady(&pod) {
				n++
			} else {
				waits = pod.Name
			}
		}
		return n == fleetPods && waits == "", fmt.Sprintf("%d, and %s is not ready", n, waits)
	})
	nodes, err := x.client.CoreV1().Nodes().List(x.t.Context(), metav1.ListOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	zone := map[string]string{}
	for i := range nodes.Items {
		zone[nodes.Items[i].Name] = nodes.Items[i].Labels["topology.kubernetes.io/zone"]
	}
	zone[x.node] = "ECI"
	counts := map[string]map[string]int{}
	for _, pod := range x.list("") {
		app := pod.Labels["app"]
		if counts[app] == nil {
			counts[app] = map[string]int{}
		}
		counts[app][zone[pod.Spec.NodeName]]++
	}
	out := map[string]string{}
	for app, c := range counts {
		for _, z := range slices.Sorted(maps.Keys(c)) {
			out[app] += fmt.Sprintf("%s %d ", z, c[z])
		}
	}
	return out
}

// harmsNobody places the bystanders without the virtual node and with it, whose leader is killed
// meanwhile. Of the workloads that leave the choice to the scheduler only where they are not is
// compared.
func harmsNobody(x *tenant) {
	led := func() {}
	with := x.placements(func() { led = x.killLeader() })
	led()
	x.clear()
	for _, part := range []string{kubetest.Standby, kubetest.Node} {
		if err := x.lab.Kill(part); err != nil {
			x.t.Fatal(err)
		}
	}
	x.do("delete", "node", x.node)
	without := x.placements(func() {})
	x.clear()
	for _, part := range []string{kubetest.Node, kubetest.Standby} {
		if err := x.lab.StartPart(part); err != nil {
			x.t.Fatal(err)
		}
	}
	x.eventually(20*slack*time.Second, "the virtual node is back", func() (bool, string) {
		out, code := x.try("get", "node", x.node)
		return code == 0 && strings.Contains(out, " Ready"), out
	})
	for app, where := range with {
		if strings.Contains(where, "ECI") {
			t := x.t
			t.Errorf("%s has pods on ECI: %s", app, where)
		}
	}
	for _, free := range []string{"w06", "w07", "w10", "w11", "w15"} { // preferences and none
		delete(with, free)
		delete(without, free)
	}
	if diff := cmp.Diff(without, with); diff != "" {
		x.t.Errorf("placed otherwise with the virtual node (+) than without (-):\n%s", diff)
	}
}
