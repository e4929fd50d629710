package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
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
  standby: true
  args: [--poll-min=250ms, --network-probe=1m, --network-probe-image=registry.example.com/busybox:1, --leader-elect-lease-duration=3s, --leader-elect-renew-deadline=2s, --leader-elect-retry-period=500ms]
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
	c := startScenario(t, "joined", joined)
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

	// A node that counts on routes, which are not there yet. It tries its network again in a minute.
	routed, routedStandsBy := x.pair("vk-r", api, "--cluster-dns=10.96.0.10", "--service-network=routes", "--burst=all", "--network-probe=1m", "--network-probe-image=registry.example.com/busybox:1")
	x.eventually(30*slack*time.Second, "vk-r says that there are no routes", func() (bool, string) {
		status, message := network("vk-r")
		return status == corev1.ConditionFalse && strings.Contains(message, "ClusterIP"), string(status) + " " + message
	})

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
	serves, standsBy := x.pair("vk-s", append(proxy, "--kube-proxy-cpu=0", "--kube-proxy-memory=0")...)
	x.apply(on("vk-s", "with"))
	x.eventually(20*slack*time.Second, "its group is being made", func() (bool, string) { return len(c.groups("with")) > 0, "" })
	serves.kill()
	x.untilReady("with")
	asks("with", "code=0")
	if n := len(x.groups()); n != 2 { // and that of the pod without
		t.Errorf("%d groups for two pods", n)
	}
	x.do("delete", "pod", "with", "without")
	standsBy.stop()

	// Somebody adds routes, and the condition and the bursts follow, though the process that waits
	// for them is killed. Here every pod may burst that does not opt out.
	x.do("cordon", "vk-h", "vk-i") // their own process would let nobody go there; this one does not know them
	x.deploy("unmarked", 2, "1", "", "")
	x.deploy("out", 1, "1", "", "nodeSelector: {nobody: here},") // no virtual node has it
	x.says(burst.ReasonNoNode, "node vk-r has ClusterNetworkReachable=False")
	if err := c.lab.Access.Admin(t.Context(), http.MethodPut, "/_ecitest/routes", append(routes, ecitest.Route{To: "10.96.0.0/16", Reachable: true}), nil); err != nil {
		t.Fatal(err)
	}
	routed.kill()
	probe(0, "pod         10.88.", api, "--cluster-dns=10.96.0.10", "--service-network=routes")
	x.eventually(60*slack*time.Second, "the unmarked pods burst", func() (bool, string) {
		there := 0
		for _, pod := range x.watched().list("app=unmarked") {
			if pod.Spec.NodeName == "vk-r" && isReady(pod) {
				there++
			}
		}
		status, message := network("vk-r")
		return there == 2, fmt.Sprintf("%d; %s %s", there, status, message)
	})
	x.says(burst.ReasonKept, "nobody=here")
	x.clear()
	routedStandsBy.stop()
	x.do("uncordon", "vk-h", "vk-i")
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

// A nodeProcess is one more ecideck-node in the lab.
type nodeProcess struct {
	x    *tenant
	node string
	cmd  *exec.Cmd
	log  *lockedText
}

// pair starts two processes of one more node, of which the first serves it.
func (x *tenant) pair(node string, flags ...string) (serves, standsBy *nodeProcess) {
	x.t.Helper()
	flags = append(slices.Clone(quickLease), flags...)
	return x.another(node, flags...), x.another(node, flags...)
}

// another starts a process, and waits until its node is Ready.
func (x *tenant) another(node string, flags ...string) *nodeProcess {
	x.t.Helper()
	bin, err := programs()
	if err != nil {
		x.t.Fatal(err)
	}
	cmd := exec.CommandContext(x.t.Context(), filepath.Join(bin, "ecideck-node"), append([]string{"--kubeconfig=" + x.lab.Kubeconfig, "--node-name=" + node, "--region=cn-hangzhou",
		"--vswitch-ids=vsw-h", "--security-group-id=sg-lab", "--listen=127.0.0.1:0", "--health-listen=", "--node-ip=127.0.0.1", "--kubelet-anonymous", "--burst=off",
		"--leader-elect-namespace=kube-system", "--network-probe=0", "--poll-min=250ms"}, flags...)...)
	cmd.Env = append(os.Environ(), x.lab.Access.Environment()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	p := &nodeProcess{x, node, cmd, &lockedText{}}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.eventually(20*slack*time.Second, node+" is Ready", func() (bool, string) {
		out, _ := x.try("get", "node", node)
		return strings.Contains(out, " Ready"), out + p.log.String()
	})
	return p
}

// kill ends the process as a crash does.
func (p *nodeProcess) kill() {
	p.x.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.x.t.Error(err)
	}
	_ = p.cmd.Wait() // it says that it was killed
}

// stop ends the process as its owner does, and removes the node.
func (p *nodeProcess) stop() {
	p.x.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.x.t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil || strings.Contains(p.log.String(), "DATA RACE") {
		p.x.t.Errorf("%s ended with %v\n%s", p.node, err, p.log.String())
	}
	p.x.do("delete", "node", p.node)
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

	// Both nodes go on in the other process, with the groups that they have.
	groups := map[string]string{}
	for _, pod := range []string{"in-h", "in-i"} {
		groups[pod] = x.get(pod).Annotations[eci.AnnotationInstanceID]
	}
	led := x.killLeader()
	for _, zone := range []string{"h", "i"} {
		x.apply(on("vk-"+zone, "after-"+zone)) // while nobody serves it
	}
	led()
	for _, zone := range []string{"h", "i"} {
		x.untilReady("after-" + zone)
		if id := x.untilReady("in-" + zone).Annotations[eci.AnnotationInstanceID]; id != groups["in-"+zone] {
			x.t.Errorf("in-%s had the group %s and has %s", zone, groups["in-"+zone], id)
		}
		x.eventually(20*slack*time.Second, "logs of node vk-"+zone+" work through the other process", func() (bool, string) {
			out, code := x.try("logs", "in-"+zone, "--tail=1")
			return code == 0 && strings.Count(out, "\n") == 1, out
		})
	}
	if n := len(x.groups()); n != 4 {
		x.t.Errorf("%d groups for four pods", n)
	}
	x.do("delete", "pod", "in-h", "in-i", "after-h", "after-i")
	x.eventually(60*slack*time.Second, "all groups are gone, and were one a pod", func() (bool, string) {
		return len(x.groups()) == 0, fmt.Sprint(x.groups())
	})
}
