package why

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func ago(d time.Duration) time.Time { return noon().Add(-d) }

// cluster is a deployment of which one pod runs on ECI and one finds no stock there, a real
// node with a pod, a cordoned one without a price, and an orphan.
func cluster() *fleet.Snapshot {
	var in fleet.Inputs
	for _, name := range []string{"pods", "nodes", "groups", "prices", "account"} {
		in.Sources = append(in.Sources, fleet.Source{Name: name, Read: ago(time.Second), Every: 5 * time.Second})
	}
	in.Sources[3].Error = "throttled"
	web := fleet.Owner{Kind: "Deployment", Name: "web"}
	pod := func(name, node string) *fleet.Pod {
		return &fleet.Pod{UID: "uid-" + name, Namespace: "shop", Name: name, NodeName: node, Workload: web, Phase: "Running", Status: "Running",
			Containers: []string{"app"}, ReadyContainers: 1, TotalContainers: 1, RequestCPU: 1000, RequestMemory: 2 << 30,
			Created: ago(time.Hour), Started: ago(time.Hour), Changed: ago(time.Hour)}
	}
	runs, waits, real := pod("web-1", "virtual"), pod("web-2", "virtual"), pod("web-3", "ecs-1")
	runs.InstanceID = "eci-1"
	waits.Phase, waits.Status, waits.ReadyContainers, waits.Created = "Pending", "Pending", 0, ago(6*time.Minute)
	waits.Reason = "OperationDenied.NoStock: no 1c 2Gi in zone h, the next try is in 8 s"
	group := func(id, pod string) *fleet.Group {
		return &fleet.Group{ID: id, Status: eci.Running, Zone: "cn-hangzhou-h", VSwitch: "vsw-h", CPU: 2, Memory: 4, Created: ago(time.Hour), Started: ago(time.Hour),
			Identity: eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: "c", NodeName: "virtual", Namespace: "shop", PodName: pod, PodUID: "uid-" + pod}}
	}
	node := func(name string, virtual bool, kind string) *fleet.Node {
		n := &fleet.Node{UID: name, Name: name, Place: fleet.PlaceECS, Status: "Ready", InstanceType: kind, AllocatableCPU: 4000, AllocatableMemory: 16 << 30}
		if virtual {
			n.Virtual, n.Place = true, fleet.PlaceECI
		}
		return n
	}
	cordoned := node("ecs-2", false, "ecs.unheard-of")
	cordoned.Status, cordoned.Unschedulable = "Ready,SchedulingDisabled", true
	in.Apply(fleet.Cluster{UID: "c"})
	in.Apply(fleet.Pods{Items: []*fleet.Pod{runs, waits, real}})
	in.Apply(fleet.Nodes{Items: []*fleet.Node{node("virtual", true, ""), node("ecs-1", false, "ecs.g7.xlarge"), cordoned}})
	in.Apply(fleet.Controllers{Kind: "Deployment", Items: []*fleet.Controller{{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "uid-web", Labels: "app=web",
		Desired: 3, Current: 3, Updated: 3, Ready: 2, Available: 2, Observed: true}}})
	in.Apply(fleet.Autoscalers{Kind: fleet.KindHPA, Items: []*fleet.Autoscaler{{Kind: fleet.KindHPA, Namespace: "shop", Name: "web", Target: web, Min: 1, Max: 9,
		Current: 3, Desired: 3, Metrics: "cpu 80%/60%", LastScale: ago(6 * time.Minute)}}})
	in.Apply(fleet.Policies{Items: []fleet.Policy{{Namespace: "shop", Name: "spill", Selector: "app=web", Units: "ecs → eci"}, {Namespace: "shop", Name: "other", Selector: "app=db", Units: "ecs"}}})
	in.Apply(fleet.Events{Items: []*fleet.Event{
		{Time: ago(9 * time.Second), Count: 14, Source: "k8s", Type: "Warning", Reason: "NoStock", Message: "OperationDenied.NoStock: no 1c 2Gi in zone h, the next try is in 20 s", Namespace: "shop", Kind: "Pod", Name: "web-2"},
		{Time: ago(time.Minute), Count: 1, Source: "k8s", Type: "Warning", Reason: "Unhealthy", Message: "Readiness probe failed", Namespace: "shop", Kind: "Pod", Name: "web-1"},
	}})
	in.Apply(fleet.PriceBook{Region: "cn-hangzhou"})
	in.Apply(fleet.NodePrices{Types: map[string]fleet.GroupPrice{"ecs.g7.xlarge": {Rate: money.PerHour(960_000, money.CNY)}}})
	in.Apply(fleet.Prices{Groups: map[fleet.PriceKey]fleet.GroupPrice{
		{CPU: 2, Memory: 4}: {Rate: money.PerHour(441_072, money.CNY), Spot: money.PerHour(106_000, money.CNY), Read: ago(2 * time.Hour)}}})
	in.Apply(fleet.Account{Quota: fleet.Quota{UsedCPU: 44, MaxCPU: 50}})
	in.Apply(fleet.Subnets{Items: []fleet.VSwitch{{ID: "vsw-h", Zone: "cn-hangzhou-h", Free: 17, Total: 251}}})
	groups := []*fleet.Group{group("eci-1", "web-1"), group("eci-9", "old")}
	in.Apply(fleet.Groups{Items: groups, Sweep: 1})
	first := fleet.Build(in, ago(10*time.Second), nil)
	in.Apply(fleet.Groups{Items: groups, Sweep: 2})
	return fleet.Build(in, noon(), first)
}

func TestAnswers(t *testing.T) {
	s := cluster()
	for _, test := range []struct {
		name string
		ref  fleet.Ref
		want string
	}{
		{"a pod that finds no stock", fleet.Ref{Kind: "Pod", Namespace: "shop", Name: "web-2"}, `
pod shop/web-2 is NoStock, since 6m.
  OperationDenied.NoStock: no 1c 2Gi in zone h, the next try is in 8 s
  it belongs on ECI by node virtual and has no container group
  deployment web: 3 hpa cpu 80%/60% | 2 ready, 1 not: 1 × NoStock | rollout running | max 9
  ResourcePolicy spill sends its pods to ecs → eci
  cost: it is not paid for yet
  9s ago, k8s: NoStock ×14
What helps:
  let it retry, give the virtual node another zone's vSwitch, or ask for another size (k8s.aliyun.com/eci-use-specs)
`},
		{"a pod that is well", fleet.Ref{Kind: "Pod", Namespace: "shop", Name: "web-1", UID: "uid-web-1"}, `
pod shop/web-1 is Running: nothing is wrong with it.
  it runs as container group eci-1: Running, billed 2c 4Gi, zone cn-hangzhou-h
  deployment web: 3 hpa cpu 80%/60% | 2 ready, 1 not: 1 × NoStock | rollout running | max 9
  ResourcePolicy spill sends its pods to ecs → eci
  cost: ¥0.441/h, ¥0.44 so far, ¥321.98 a month of 730 h
  ¥0.221/h of it was not asked for: ECI rounds up
  as requests on an ECS node of this cluster: ¥0.200/h
  as spot: ¥0.106/h
  the price is the price API's, asked 120m ago
  60s ago, k8s: Unhealthy: Readiness probe failed
`},
		{"a workload", fleet.Ref{Kind: "Deployment", Namespace: "shop", Name: "web"}, `
deployment shop/web wants 3 (hpa cpu 80%/60%), has 2 ready: stuck for 6m.
  OperationDenied.NoStock: no 1c 2Gi in zone h, the next try is in 8 s
  1 pod NoStock
  its pods: 1 on ECS, 2 on ECI
  hpa web: has 3, wants 3, may go from 1 to 9, scaled 6m ago
  rollout running: 2 of 3 new pods are available
  ResourcePolicy spill sends its pods to ecs → eci
  cost: ¥0.641/h now, ¥467.98 a month of 730 h if nothing changes, ¥0.64 so far (1 partly at a price read later)
  9s ago, k8s: NoStock ×14
  60s ago, k8s: Unhealthy: Readiness probe failed
What helps:
  let it retry, give the virtual node another zone's vSwitch, or ask for another size (k8s.aliyun.com/eci-use-specs)
`},
		{"a cordoned node without a price", fleet.Ref{Kind: "Node", Name: "ecs-2"}, `
node ecs-2 is Ready,SchedulingDisabled.
  it is cordoned: no new pods are scheduled here
  0 pods on it ask for 0 of 4 vCPU (0%) and 0 of 16 Gi (0%)
  what it costs is not known: the config file can say it
What helps:
  kubectl uncordon, when whoever cordoned it is done
`},
		{"a virtual node", fleet.Ref{Kind: "Node", Name: "virtual"}, `
virtual node virtual is Ready.
  2 pods on it ask for 2 vCPU and 4 Gi
  it costs nothing itself, its pods ¥0.441/h now, ¥321.98 a month of 730 h if nothing changes, ¥0.44 so far
  shop/web-2 is NoStock: OperationDenied.NoStock: no 1c 2Gi in zone h, the next try is in 8 s
`},
		{"an orphan", fleet.Ref{Kind: fleet.KindGroup, Name: "eci-9"}, `
container group eci-9 is Running.
  it is an orphan: of this cluster, seen twice without its pod shop/old
  billed 2c 4Gi in zone cn-hangzhou-h, made 60m ago by virtual
  cost: ¥0.441/h, ¥0.44 so far, ¥321.98 a month of 730 h
  it is paid for nothing
  as spot: ¥0.106/h
  the price is the price API's, asked 120m ago
What helps:
  make sure that nothing needs it, then delete it in ECI
`},
		{"a vSwitch", fleet.Ref{Kind: fleet.KindVSwitch, Name: "vsw-h"}, `
vSwitch vsw-h gives container groups their addresses.
  2 container groups are in it
  vsw-h, zone cn-hangzhou-h: 17 of 251 addresses are free
  17 of 251 addresses are free (6 %)
What helps:
  give the virtual node another vSwitch before the next burst
`},
		{"the quota", fleet.Ref{Kind: fleet.KindAccount, Name: "quota"}, `
44 of 50 vCPU are used in the region, by the account's quota.
  4 vCPU: namespace shop
What helps:
  raise it by a ticket before the next burst, or end what is not needed
`},
		{"what has no price", fleet.Ref{Kind: fleet.KindAccount, Name: "prices"}, `
1 cost has no known price and is in no sum.
  1 × nodes of type ecs.unheard-of, and the pods on them
What helps:
  prices of nodes that ECS does not sell come from the config file, section prices
`},
		{"a source", fleet.Ref{Kind: fleet.KindSource, Name: "prices"}, `
source prices is stale: what is shown is 1s old.
  throttled
  it is read every 5s when all is well
What helps:
  what depends on it is as old as its age says
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, found := Of(s, test.ref, noon())
			if !found {
				t.Fatal("not found")
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), a.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAnAutoscalerIsAnsweredByItsWorkload(t *testing.T) {
	s := cluster()
	a, found := Of(s, fleet.Ref{Kind: fleet.KindHPA, Namespace: "shop", Name: "web"}, noon())
	b, _ := Of(s, fleet.Ref{Kind: "Deployment", Namespace: "shop", Name: "web"}, noon())
	if !found || a.String() != b.String() {
		t.Errorf("the answer is\n%s", a)
	}
}

func TestWhatIsNotThereIsNotAnswered(t *testing.T) {
	s := cluster()
	for _, ref := range []fleet.Ref{
		{Kind: "Pod", Namespace: "pay", Name: "web-1"}, {Kind: "Pod", Namespace: "shop", Name: "web-1", UID: "another"}, {Kind: "Node", Name: "x"},
		{Kind: "Deployment", Namespace: "shop", Name: "x"}, {Kind: fleet.KindGroup, Name: "x"}, {Kind: fleet.KindSource, Name: "x"}, {},
	} {
		if a, found := Of(s, ref, noon()); found {
			t.Errorf("%+v is answered: %s", ref, a)
		}
	}
}

func TestCostOfWhatIsSelected(t *testing.T) {
	s := cluster()
	pod := func(name string) fleet.Ref { return fleet.Ref{Kind: "Pod", Namespace: "shop", Name: name} }
	for _, test := range []struct {
		name string
		refs []fleet.Ref
		want string
	}{
		{"one on a real node", []fleet.Ref{pod("web-3")}, `
shop/web-3: ¥0.200/h now, ¥146.00 a month of 730 h if nothing changes, ¥0.20 so far (1 partly at a price read later)
  as a container group of its own: ¥0.221/h
  the price is its part of its node's, by what it asks for
`},
		{"two and one that is gone", []fleet.Ref{pod("web-1"), pod("web-3"), pod("web-0")}, `
3 selected: ¥0.641/h now, ¥467.98 a month of 730 h if nothing changes, ¥0.64 so far (1 partly at a price read later)
  ¥0.221/h of it was not asked for: ECI's rounding up, and what nodes have free
  ¥0.241/h dearer than the same requests on ECS nodes as this cluster has them
  ¥0.335/h would be saved as spot
  shop/web-1: ¥0.441/h, ¥0.44 so far
  shop/web-3: ¥0.200/h, ¥0.20 so far
  Pod web-0 is gone
`},
		{"a node without a price", []fleet.Ref{{Kind: "Node", Name: "ecs-2"}}, `
ecs-2: what it costs is not known (1 without a price)
  what it costs is not known: the config file can say it
`},
		{"a namespace with an orphan", []fleet.Ref{{Kind: "Namespace", Name: "shop"}}, `
shop: ¥1.08/h now, ¥789.97 a month of 730 h if nothing changes, ¥1.08 so far (1 partly at a price read later)
  ¥0.441/h of it is paid for nothing
  ¥0.221/h of it was not asked for: ECI's rounding up, and what nodes have free
  ¥0.241/h dearer than the same requests on ECS nodes as this cluster has them (1 can't be compared)
  ¥0.670/h would be saved as spot
`},
		{"nothing that is still there", []fleet.Ref{pod("x")}, `
nothing that is selected is still there
  Pod x is gone
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), Cost(s, test.refs, noon()).String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
