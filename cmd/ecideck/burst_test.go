package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// slots is a scenario with 24 slots for pods of one vCPU on real nodes in two zones, and a
// virtual node beside them. A vSwitch has 252 addresses, and the node takes no more pods than
// there are addresses: two hold three hundred.
const slots = `Three real nodes with 24 slots, and ECI.
-- lab.yaml --
region: cn-hangzhou
zones:
- {id: cn-hangzhou-h, vSwitch: vsw-h}
- {id: cn-hangzhou-i, vSwitch: vsw-i}
virtualNodes:
- name: virtual-kubelet-cn-hangzhou
  vSwitches: [vsw-h, vsw-i]
  args: [--poll-min=250ms]
nodes:
- {name: ecs, count: 2, instanceType: ecs.g7.2xlarge, zone: cn-hangzhou-h, cpu: "8", memory: 64Gi, pods: 110}
- {name: ecs-i, count: 1, instanceType: ecs.g7.2xlarge, zone: cn-hangzhou-i, cpu: "8", memory: 64Gi, pods: 110}
eci: {scheduling: 200ms, starting: 300ms, sampling: 5s}
`

// startSlots starts the scenario above, with changes.
func startSlots(t testing.TB, change ...func(*scenario.Scenario)) (*cluster, kubernetes.Interface) {
	t.Helper()
	c := startScenario(t, "slots", slots, change...)
	config := rest.CopyConfig(c.lab.Config())
	config.QPS, config.Burst = 1000, 2000
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c, client
}

// web is a Deployment whose pods need a slot each.
const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {MARKS}}
    spec: {EXTRA terminationGracePeriodSeconds: 1, containers: [{name: web, image: lab/serve, env: [{name: LOAD, value: "0.3"}], resources: {requests: {cpu: CPU, memory: 1Gi}}}]}
`

const realFirst = "alibabacloud.com/burst-resource: eci"

// deploy applies a Deployment of some name, as the one above.
func (x *tenant) deploy(name string, replicas int, cpu, marks, extra string) {
	x.t.Helper()
	x.apply(strings.NewReplacer("web", name, "REPLICAS", strconv.Itoa(replicas), "CPU", strconv.Quote(cpu), "MARKS", marks, "EXTRA", extra).Replace(web))
}

// placed is how many pods of an app have a real node, the virtual node, and none.
func (x *tenant) placed(app string) (onReal, onECI, pending int) {
	x.t.Helper()
	for _, pod := range x.watched().list("app=" + app) {
		switch {
		case pod.DeletionTimestamp != nil:
		case pod.Spec.NodeName == "":
			pending++
		case pod.Spec.NodeName == x.node:
			onECI++
		default:
			onReal++
		}
	}
	return onReal, onECI, pending
}

// places waits until an app's pods are placed so, and the Ready ones are as many as have a node.
func (x *tenant) places(app string, onReal, onECI, pending int) {
	x.t.Helper()
	x.eventually(20*slack*time.Second, fmt.Sprintf("%s has %d pods on real nodes, %d on ECI, %d without a node", app, onReal, onECI, pending), func() (bool, string) {
		r, e, p := x.placed(app)
		ready := 0
		for _, pod := range x.watched().list("app=" + app) {
			if pod.DeletionTimestamp == nil && isReady(pod) {
				ready++
			}
		}
		return r == onReal && e == onECI && p == pending && ready == r+e, fmt.Sprintf("%d, %d, %d; %d ready", r, e, p, ready)
	})
}

func (x *tenant) scale(name string, replicas int) {
	x.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	if _, err := x.client.AppsV1().Deployments(x.namespace).Patch(x.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}, "scale"); err != nil {
		x.t.Fatal(err)
	}
}

// clear ends what the tenant has, so that the next one finds the slots free.
func (x *tenant) clear() {
	x.t.Helper()
	ctx := x.t.Context()
	apps, batch, background := x.client.AppsV1(), x.client.BatchV1(), metav1.DeletePropagationBackground
	how, all := metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{}
	for _, err := range []error{
		x.client.AutoscalingV2().HorizontalPodAutoscalers(x.namespace).DeleteCollection(ctx, how, all),
		apps.Deployments(x.namespace).DeleteCollection(ctx, how, all),
		apps.StatefulSets(x.namespace).DeleteCollection(ctx, how, all),
		apps.DaemonSets(x.namespace).DeleteCollection(ctx, how, all),
		batch.CronJobs(x.namespace).DeleteCollection(ctx, how, all),
		batch.Jobs(x.namespace).DeleteCollection(ctx, how, all),
		x.client.CoreV1().Pods(x.namespace).DeleteCollection(ctx, how, all),
	} {
		if err != nil {
			x.t.Fatal(err)
		}
	}
	x.eventually(30*slack*time.Second, "all pods are gone", func() (bool, string) {
		left := x.watched().list("")
		if len(left) == 0 {
			return true, ""
		}
		return false, fmt.Sprintf("%d, such as %s on %s, %s", len(left), left[0].Name, left[0].Spec.NodeName, left[0].Status.Phase)
	})
	x.eventually(30*slack*time.Second, "all groups are gone", func() (bool, string) {
		g := x.groups()
		return len(g) == 0, fmt.Sprintf("%d: %v", len(g), g)
	})
}

// uids are those of an app's pods on real nodes.
func (x *tenant) realUIDs(app string) map[types.UID]bool {
	m := map[types.UID]bool{}
	for _, pod := range x.list("app=" + app) {
		if pod.Spec.NodeName != "" && pod.Spec.NodeName != x.node && pod.DeletionTimestamp == nil {
			m[pod.UID] = true
		}
	}
	return m
}

func (x *tenant) kept(app string, before map[types.UID]bool) {
	x.t.Helper()
	now := x.realUIDs(app)
	for uid := range before {
		if !now[uid] {
			x.t.Errorf("pod %s of %s ran on a real node and is gone", uid, app)
		}
	}
}

// TestLoadSpillsToECIAndLeavesItAgain is the sentence that the product exists for. With make soak
// it goes on, and the node's leader is killed at ever other moments.
func TestLoadSpillsToECIAndLeavesItAgain(t *testing.T) {
	t.Parallel()
	c, client := startSlots(t, func(s *scenario.Scenario) {
		s.VirtualNodes[0].Standby = true
		s.VirtualNodes[0].Args = append(s.VirtualNodes[0].Args, quickLease...)
	})
	node := c.lab.Scenario.VirtualNodes[0].Name
	t.Run("by hand", func(t *testing.T) {
		x := newTenant(t, c.lab, client, node)
		defer x.clear()
		x.deploy("web", 6, "1", realFirst, "")
		x.places("web", 6, 0, 0)
		x.scale("web", 20)
		x.places("web", 20, 0, 0)
		x.scale("web", 40)
		x.places("web", 24, 16, 0)
		bystanders := x.realUIDs("web")
		begin := time.Now()
		x.scale("web", 24)
		x.places("web", 24, 0, 0)
		x.eventually(20*slack*time.Second, "the bill has stopped", func() (bool, string) { return len(x.groups()) == 0, fmt.Sprint(len(x.groups())) })
		t.Logf("scaled down by 16, and nothing was billed %.1f s later", time.Since(begin).Seconds())
		x.kept("web", bystanders)
		x.scale("web", 12)
		x.places("web", 12, 0, 0)
	})
	// The leader is killed as soon as the autoscaler has decided, up and down.
	t.Run("by an autoscaler", func(t *testing.T) {
		x := newTenant(t, c.lab, client, node)
		followsTheLoad(x, x.killLeader)
	})
	if *soakFor < time.Minute {
		return
	}
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	later := func(x *tenant) func() func() {
		return func() func() {
			pause(chance, nil, 0, 4*time.Second)
			return x.killLeader()
		}
	}
	for begin := time.Now(); time.Since(begin) < *soakFor && !t.Failed(); {
		t.Run("by an autoscaler that nobody disturbs", func(t *testing.T) {
			followsTheLoad(newTenant(t, c.lab, client, node), func() func() { return func() {} })
		})
		t.Run("by an autoscaler, killed later", func(t *testing.T) {
			x := newTenant(t, c.lab, client, node)
			followsTheLoad(x, later(x))
		})
		t.Run("three hundred at once", func(t *testing.T) {
			x := newTenant(t, c.lab, client, node)
			defer x.clear()
			x.deploy("full", 24, "1", "", "")
			x.places("full", 24, 0, 0)
			killedInTheMiddle(x, 300, 320)
		})
		t.Run("a namespace for ECI only", func(t *testing.T) {
			x := newTenant(t, c.lab, client, node)
			defer x.clear()
			serverlessNamespace(x, later(x))
		})
	}
}

// followsTheLoad has a HorizontalPodAutoscaler take a Deployment from 6 to 40 pods, to 24 and
// back to 6. Six vCPU are all that the first six pods have, and 15 % of what forty have. disturb
// is called when the autoscaler has decided; what it returns, when its decision is done.
func followsTheLoad(x *tenant, disturb func() (after func())) {
	defer x.clear()
	x.deploy("web", 6, "1", realFirst, "")
	x.apply(`
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: NAMESPACE}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 6
  maxReplicas: 40
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 15}}}]
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 40, periodSeconds: 5}]}
    scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 40, periodSeconds: 5}]}
`)
	x.places("web", 6, 0, 0)
	if n := len(x.groups()); n != 0 {
		x.t.Errorf("%d groups with 6 pods", n)
	}
	begin := time.Now()
	step := func(what string) {
		x.t.Logf("step: %s after %.1f s", what, time.Since(begin).Seconds())
		begin = time.Now()
	}
	var load sync.WaitGroup
	under := func(vcpu float64) (stop func()) {
		ctx, cancel := context.WithCancel(x.t.Context())
		load.Go(func() { x.lab.Load(ctx, x.namespace, "Deployment", "web", vcpu) })
		return func() { cancel(); load.Wait() }
	}
	wants := func(want int) {
		x.t.Helper()
		x.eventually(60*slack*time.Second, fmt.Sprintf("the autoscaler wants %d", want), func() (bool, string) {
			hpa, err := x.client.AutoscalingV2().HorizontalPodAutoscalers(x.namespace).Get(x.t.Context(), "web", metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			return hpa.Status.DesiredReplicas == int32(want), fmt.Sprintf("%d; %s", hpa.Status.DesiredReplicas, said(hpa))
		})
	}
	stop := under(6)
	wants(40)
	step("load up: the autoscaler wanted 40")
	after := disturb()
	x.places("web", 24, 16, 0)
	step("24 on real nodes and 16 on ECI, all Ready")
	after()
	bystanders := x.realUIDs("web")
	x.do("patch", "hpa", "web", "--patch", `{"spec":{"minReplicas":24}}`)
	stop()
	begin = time.Now()
	stop = under(0.5)
	wants(24)
	step("load down: the autoscaler wanted 24")
	after = disturb()
	x.places("web", 24, 0, 0)
	step("nothing was on ECI")
	x.eventually(20*slack*time.Second, "the bill has stopped", func() (bool, string) { return len(x.groups()) == 0, fmt.Sprint(len(x.groups())) })
	step("nothing was billed")
	after()
	x.kept("web", bystanders)
	x.do("patch", "hpa", "web", "--patch", `{"spec":{"minReplicas":6}}`)
	wants(6)
	x.places("web", 6, 0, 0)
	step("six again")
	stop()
}
