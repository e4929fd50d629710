package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// joined is a small cluster that joins ECI: one real node, two virtual ones in a process, each
// with a zone of its own, of which one has the real node too. Nothing of the network is set up.
const joined = `One real node, and two virtual nodes of one process.
-- lab.yaml --
region: cn-hangzhou
zones:
- {id: cn-hangzhou-h, vSwitch: vsw-h}
- {id: cn-hangzhou-i, vSwitch: vsw-i}
virtualNodes:
- name: vk-h
  vSwitches: [vsw-h]
  probe: true
  args: [--poll-min=250ms, --network-probe=1m, --network-probe-image=registry.example.com/busybox:1]
- name: vk-i
  vSwitches: [vsw-i]
nodes:
- {name: ecs, count: 1, instanceType: ecs.g7.large, zone: cn-hangzhou-h, cpu: "2", memory: 8Gi, pods: 20}
eci: {scheduling: 200ms, starting: 300ms, sampling: 5s}
-- dns.yaml --
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system}
spec: {containers: [{name: dns, image: coredns, ports: [{containerPort: 9153}], resources: {requests: {cpu: 100m}}}]}
---
# What kube-proxy's token is of: as ecideck-node manifests prints it.
apiVersion: v1
kind: ServiceAccount
metadata: {name: ecideck-kube-proxy, namespace: kube-system}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
`

// TestAClusterJoins holds what a cluster meets that joins ECI: a network that reaches nothing,
// said before anything bursts; the ways to reach it; and a zone without stock.
func TestAClusterJoins(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("joined", []byte(joined))
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, s)
	client, err := kubernetes.NewForConfig(c.lab.Config())
	if err != nil {
		t.Fatal(err)
	}
	// What a real VPC has beside ECI's defaults: the API server's load balancer, the pods of a
	// CNI with VPC addresses, the registry.
	routes := []ecitest.Route{{To: strings.TrimPrefix(c.lab.Config().Host, "https://"), Reachable: true}, {To: "10.88.0.0/16", Reachable: true}, {To: "registry.example.com:443", Reachable: true}}
	if err := c.lab.Access.Admin(t.Context(), http.MethodPut, "/_ecitest/routes", routes, nil); err != nil {
		t.Fatal(err)
	}
	x := newTenant(t, c.lab, client, "vk-h")
	network := func(node string) (corev1.ConditionStatus, string) {
		n, err := client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
		if err != nil {
			return "", err.Error()
		}
		for _, c := range n.Status.Conditions {
			if c.Type == provider.ConditionNetwork && c.Reason != "NotProbedYet" {
				return c.Status, c.Message
			}
		}
		return "", "not probed yet"
	}

	// A full real node, and pods that may burst.
	x.apply(strings.NewReplacer("REPLICAS", "4", "CPU", `"1"`, "MARKS", realFirst, "EXTRA", "").Replace(web))
	for _, node := range []string{"vk-h", "vk-i"} {
		x.eventually(30*slack*time.Second, node+" says that Services are not reached", func() (bool, string) {
			status, message := network(node)
			return status == corev1.ConditionFalse && strings.Contains(message, "ClusterIP 10.96.0.1:443") && strings.Contains(message, "--service-network=sidecar") &&
				strings.Contains(message, "--cluster-dns"), string(status) + " " + message
		})
	}
	x.says(burst.ReasonNoNode, "ClusterNetworkReachable=False")
	if onReal, onECI, pending := x.placed("web"); onECI != 0 || pending == 0 {
		t.Errorf("%d on real nodes, %d on ECI, %d pending: something burst", onReal, onECI, pending)
	}
	if out, _, code := x.printed("doctor", "network"); code != 1 || !strings.Contains(out, "failed  vsw-i: ClusterIP 10.96.0.1:443") || !strings.Contains(out, "Services: none") {
		t.Errorf("doctor network: exit code %d\n%s", code, out)
	}

	probe := func(want int, text string, flags ...string) {
		t.Helper()
		args := append([]string{"probe", "--region=cn-hangzhou", "--node-name=by-hand", "--vswitch-ids=vsw-h", "--security-group-id=sg-lab",
			"--leader-elect-namespace=kube-system", "--network-probe-image=registry.example.com/busybox:1"}, flags...)
		out, errs, code := x.nodeOnce(args...)
		if code != want || !strings.Contains(out+errs, text) {
			t.Errorf("probe %v: exit code %d, want %d and %q\n%s%s", flags, code, want, text, out, errs)
		}
	}
	api := "--apiserver-address=" + strings.TrimPrefix(c.lab.Config().Host, "https://")
	probe(1, "is the ClusterIP of the Service kube-system/kube-dns", api, "--cluster-dns=10.96.0.10")
	probe(1, "DNS         172.31.255.1:53", api, "--cluster-dns=172.31.255.1") // nobody answers there
	proxy := []string{api, "--cluster-dns=10.96.0.10", "--service-network=sidecar", "--kube-proxy-image=registry.example.com/kube-proxy:1"}
	probe(0, "ClusterIP   10.96.0.1:443", proxy...)
	probe(1, "does not route the Services' addresses", api, "--cluster-dns=10.96.0.10", "--service-network=routes")

	// What the probe says is what pods meet: without a kube-proxy and with one.
	asks := func(pod, want string) {
		t.Helper()
		out, _ := x.try("exec", pod, "-c", "main", "--", "sh", "-c", "nc -z 10.96.0.1 443 && nslookup kubernetes.default; echo code=$?")
		if !strings.Contains(out, want) {
			t.Errorf("%s: %q, want %q", pod, out, want)
		}
	}
	x.apply(on("vk-i", "without"))
	x.untilReady("without")
	asks("without", "code=1")
	sidecar := x.another("vk-s", append(proxy, "--kube-proxy-cpu=0", "--kube-proxy-memory=0")...)
	x.apply(on("vk-s", "with"))
	x.untilReady("with")
	asks("with", "code=0")
	x.do("delete", "pod", "with", "without")
	sidecar()

	// Somebody adds routes, and the condition and the bursts follow.
	if err := c.lab.Access.Admin(t.Context(), http.MethodPut, "/_ecitest/routes", append(routes, ecitest.Route{To: "10.96.0.0/16", Reachable: true}), nil); err != nil {
		t.Fatal(err)
	}
	probe(0, "pod         10.88.", api, "--cluster-dns=10.96.0.10", "--service-network=routes")
	for _, g := range c.groups("ecideck-probe") {
		if !g.Status.Ended() && g.Tags["NodeName"] == "by-hand" {
			t.Errorf("a probe left group %s (%s)", g.ID, g.Status)
		}
	}

	t.Run("a zone that no real node has is no label, and a zone without stock holds nobody in the other", func(t *testing.T) { twoZones(newTenant(t, c.lab, client, "vk-h")) })
}

// on is a pod bound to a node.
func on(node, name string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: NAMESPACE, labels: {app: in}}
spec: {nodeName: %s, terminationGracePeriodSeconds: 1, containers: [{name: main, image: lab/chatter}]}
`, name, node)
}

// another starts one more ecideck-node in the lab, with its node; the function ends it.
func (x *tenant) another(node string, flags ...string) (stop func()) {
	x.t.Helper()
	bin, err := kubetest.Programs(x.t.Context(), raceEnabled)
	if err != nil {
		x.t.Fatal(err)
	}
	cmd := exec.CommandContext(x.t.Context(), filepath.Join(bin, "ecideck-node"), append([]string{"--kubeconfig=" + x.lab.Kubeconfig, "--node-name=" + node, "--region=cn-hangzhou",
		"--vswitch-ids=vsw-h", "--security-group-id=sg-lab", "--listen=127.0.0.1:0", "--health-listen=", "--node-ip=127.0.0.1", "--kubelet-anonymous", "--burst=off",
		"--leader-elect-namespace=kube-system", "--network-probe=0", "--poll-min=250ms"}, flags...)...)
	cmd.Env = append(os.Environ(), x.lab.Access.Environment()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	log := &lockedText{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.eventually(20*slack*time.Second, node+" is Ready", func() (bool, string) {
		out, _ := x.try("get", "node", node)
		return strings.Contains(out, " Ready"), out + log.String()
	})
	return func() {
		x.t.Helper()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			x.t.Error(err)
		}
		if err := cmd.Wait(); err != nil || strings.Contains(log.String(), "DATA RACE") {
			x.t.Errorf("%s ended with %v\n%s", node, err, log.String())
		}
		x.do("delete", "node", node)
	}
}

// lockedText is what a process prints.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// twoZones is about two virtual nodes of one process.
func twoZones(x *tenant) {
	for node, want := range map[string]string{"vk-h": "cn-hangzhou-h", "vk-i": ""} {
		x.eventually(40*slack*time.Second, node+" has the zone label that it may have", func() (bool, string) {
			n, err := x.client.CoreV1().Nodes().Get(x.t.Context(), node, metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			return n.Labels[corev1.LabelTopologyZone] == want, fmt.Sprint(n.Labels)
		})
	}
	ports := map[int32]bool{}
	for _, node := range []string{"vk-h", "vk-i"} {
		n, err := x.client.CoreV1().Nodes().Get(x.t.Context(), node, metav1.GetOptions{})
		if err != nil {
			x.t.Fatal(err)
		}
		ports[n.Status.DaemonEndpoints.KubeletEndpoint.Port] = true
	}
	if len(ports) != 2 {
		x.t.Errorf("kubelet ports %v", ports)
	}
	var fault struct{ ID string }
	if err := x.lab.Access.Admin(x.t.Context(), http.MethodPost, "/_ecitest/faults", map[string]any{"kind": ecitest.FaultNoStock, "zone": "cn-hangzhou-h"}, &fault); err != nil {
		x.t.Fatal(err)
	}
	for _, zone := range []string{"h", "i"} {
		x.apply(on("vk-"+zone, "in-"+zone))
	}
	x.untilReady("in-i")
	x.until("in-h", "waits for stock", func(p *corev1.Pod) bool { return p.Status.Reason == "NoStock" })
	if out := x.do("logs", "in-i", "--tail=1"); !strings.Contains(out, "event") && !strings.Contains(out, "starting") {
		x.t.Errorf("logs of a pod of the second node: %q", out)
	}
	if err := x.lab.Access.Admin(x.t.Context(), http.MethodDelete, "/_ecitest/faults?id="+fault.ID, nil, nil); err != nil {
		x.t.Fatal(err)
	}
	x.untilReady("in-h")
	if err := x.lab.Kill(kubetest.Node); err != nil {
		x.t.Fatal(err)
	}
	if err := x.lab.StartPart(kubetest.Node); err != nil {
		x.t.Fatal(err)
	}
	x.do("delete", "pod", "in-h", "in-i")
	x.eventually(60*slack*time.Second, "both groups are gone, and were one a pod", func() (bool, string) {
		return len(x.groups()) == 0, fmt.Sprint(x.groups())
	})
}
