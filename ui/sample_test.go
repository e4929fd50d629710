package ui

import (
	"fmt"
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

// sampleNow is the moment at which the sample was seen.
func sampleNow() time.Time { return time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC) }

// A world is what the collectors saw, before it is joined.
type world struct {
	nodes  []*fleet.Node
	pods   []*fleet.Pod
	groups []*fleet.Group
	events []*fleet.Event
	gone   map[string]bool
	usage  map[fleet.PodName]fleet.Usage
	nodeU  map[string]fleet.Usage
	in     fleet.Inputs
}

const sampleCluster = "c0ffee"

// build joins the world; groups are seen twice, so that an orphan is one.
func (w *world) build() *fleet.Snapshot {
	in := w.in
	in.Apply(fleet.Cluster{UID: sampleCluster})
	in.Apply(fleet.Pods{Items: w.pods})
	in.Apply(fleet.Nodes{Items: w.nodes})
	in.Apply(fleet.Events{Items: w.events})
	in.Apply(fleet.PodUsage{Source: "pod-metrics", ByPod: w.usage})
	in.Apply(fleet.NodeUsage{ByName: w.nodeU})
	in.Apply(fleet.Groups{Items: w.groups, Sweep: 1, Gone: w.gone})
	first := fleet.Build(in, sampleNow().Add(-10*time.Second), nil)
	in.Apply(fleet.Groups{Items: w.groups, Sweep: 2, Gone: w.gone})
	s := fleet.Build(in, sampleNow(), first)
	s.History = sampleHistory()
	return s
}

// sampleHistory is an hour in which pods came to ECI.
func sampleHistory() fleet.History {
	var h fleet.History
	for i := range 60 {
		p := fleet.Point{At: sampleNow().Add(time.Duration(i-59) * time.Minute)}
		p.Pods = fleet.PlaceCounts{ECS: 2, ECI: 1 + i/12, None: i / 50}
		p.Rates = []fleet.PlaceRate{
			{Place: fleet.PlaceECS, Rate: money.PerHour(3_840_000, money.CNY)},
			{Place: fleet.PlaceECI, Rate: money.PerHour(int64(1+i/12)*353_000, money.CNY)},
		}
		h.Minutes = append(h.Minutes, p)
	}
	return h
}

// sample is a small fleet in which everything is that a screen must show: both places,
// trouble of both severities, an orphan, an unbound pod, an ended one, a stuck workload, a
// limited one, prices known and unknown, a bill.
func sample() *fleet.Snapshot { return sampleWorld().build() }

func sampleWorld() *world {
	now := sampleNow()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	w := &world{gone: map[string]bool{}, usage: map[fleet.PodName]fleet.Usage{}, nodeU: map[string]fleet.Usage{}}
	node := func(name, zone, kind string, virtual bool, cpu, memory int64) *fleet.Node {
		place := fleet.PlaceECS
		if virtual {
			place = fleet.PlaceECI
		}
		n := &fleet.Node{
			UID: "uid-" + name, Name: name, Virtual: virtual, Place: place, Zone: zone, InstanceType: kind, Status: "Ready",
			KubeletVersion: "v1.37.2", AllocatableCPU: cpu * 1000, AllocatableMemory: memory << 30, AllocatablePods: 110,
			Created: ago(40 * 24 * time.Hour),
		}
		w.nodes = append(w.nodes, n)
		return n
	}
	virtual := node("eci-cn-hangzhou", "cn-hangzhou-i", "", true, 10000, 40000)
	ecs07 := node("ecs-07", "cn-hangzhou-i", "ecs.g7.xlarge", false, 4, 16)
	ecs08 := node("ecs-08", "cn-hangzhou-h", "ecs.g7.xlarge", false, 4, 16)
	ecs08.Status, ecs08.Unschedulable = "Ready,SchedulingDisabled", true
	ecs09 := node("ecs-09", "cn-hangzhou-h", "ecs.r7.2xlarge", false, 8, 32)
	ecs09.Status = "NotReady"
	w.nodeU["ecs-07"] = fleet.Usage{CPU: 2840, Memory: 9 << 30, Read: ago(12 * time.Second), From: "metrics-server"}
	w.nodeU["ecs-08"] = fleet.Usage{CPU: 210, Memory: 2 << 30, Read: ago(12 * time.Second), From: "metrics-server"}

	add := func(namespace, name string, owner fleet.Owner, n *fleet.Node, age time.Duration) *fleet.Pod {
		p := &fleet.Pod{
			UID: "uid-" + namespace + "-" + name, Namespace: namespace, Name: name, Workload: owner, Phase: "Running", Status: "Running",
			Containers: []string{"app"}, ReadyContainers: 1, TotalContainers: 1, Created: ago(age), Started: ago(age - 10*time.Second),
			Changed: ago(age - 10*time.Second), RequestCPU: 1000, RequestMemory: 2 << 30, IP: fmt.Sprintf("10.0.1.%d", 10+len(w.pods)),
		}
		if n != nil {
			p.NodeName = n.Name
		}
		w.pods = append(w.pods, p)
		return p
	}
	group := func(p *fleet.Pod, id string, cpu, memory float64) *fleet.Group {
		g := &fleet.Group{
			ID: id, Name: p.Namespace + "-" + p.Name, Status: eci.Running, Zone: "cn-hangzhou-i", VSwitch: "vsw-bp1vswitchi0001", IP: "10.0.2.7",
			CPU: cpu, Memory: memory, Created: p.Created, Started: p.Created.Add(8 * time.Second),
			Identity: eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: sampleCluster, NodeName: virtual.Name, Namespace: p.Namespace, PodName: p.Name, PodUID: p.UID},
		}
		p.InstanceID = id
		w.groups = append(w.groups, g)
		return g
	}
	uses := func(p *fleet.Pod, cpu int64, memory float64) {
		w.usage[fleet.PodName{Namespace: p.Namespace, Name: p.Name}] = fleet.Usage{CPU: cpu, Memory: int64(memory * (1 << 30)), Read: ago(12 * time.Second), From: "metrics-server"}
	}
	report, ledger := fleet.Owner{Kind: "CronJob", Name: "report"}, fleet.Owner{Kind: "StatefulSet", Name: "ledger"}
	checkout, search := fleet.Owner{Kind: "Deployment", Name: "checkout"}, fleet.Owner{Kind: "Deployment", Name: "search"}

	lost := add("batch", "report-28491-4kx2l", report, virtual, 31*time.Minute)
	lost.InstanceID, lost.ReadyContainers = "eci-bp1fe0040000e004", 0
	w.gone[lost.InstanceID] = true
	done := add("batch", "report-by-hand-9qqwz", report, ecs07, 3*time.Hour)
	done.Phase, done.Status, done.ReadyContainers = "Succeeded", "Completed", 0
	done.Changed = ago(2 * time.Hour)

	uses(add("pay", "ledger-0", ledger, ecs07, 6*time.Hour), 120, 0.4)
	ledger2 := add("pay", "ledger-2", ledger, virtual, 6*time.Hour)
	spot := group(ledger2, "eci-bp19aa0001bc01bc", 2, 4)
	spot.Spot, spot.Notice, spot.Due = "SpotAsPriceGo", "SpotToBeReleased", now.Add(160*time.Second)
	uses(ledger2, 160, 0.9)

	for i, suffix := range []string{"77tqn", "m0d3l", "x2k4q"} {
		p := add("shop", "checkout-7d9f8b6c5-"+suffix, checkout, virtual, time.Duration(20+i)*time.Minute)
		group(p, fmt.Sprintf("eci-bp1a00000%d9f1%d", i, i), 2, 4)
		uses(p, int64(1220+200*i), 1.9)
	}
	stock := add("shop", "checkout-7d9f8b6c5-p8vmz", checkout, virtual, 6*time.Minute)
	stock.Phase, stock.Status, stock.ReadyContainers = "Pending", "Pending", 0
	stock.Reason = "OperationDenied.NoStock: no 2c 4Gi in zone cn-hangzhou-h, tried 14 times"
	stock.Started, stock.IP = time.Time{}, ""
	s := add("shop", "search-5c4b9d7f88-77tqn", search, ecs07, 5*time.Hour)
	s.Restarts, s.Containers, s.ReadyContainers, s.TotalContainers = 2, []string{"search", "istio-proxy"}, 2, 2
	s.InitContainers = []string{"istio-init"}
	uses(s, 960, 1.4)
	waits := add("shop", "search-5c4b9d7f88-wq8rr", search, nil, 40*time.Second)
	waits.Phase, waits.Status, waits.ReadyContainers, waits.IP, waits.Started = "Pending", "Pending", 0, "", time.Time{}
	waits.Reason = "0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu."

	orphan := group(&fleet.Pod{UID: "uid-old", Namespace: "shop", Name: "old-job-55555", Created: ago(4 * 24 * time.Hour)}, "eci-bp1dead00000beef", 4, 8)
	orphan.Identity.NodeName = "vk-old"
	w.groups = append(w.groups, &fleet.Group{ID: "eci-bp1ffff00000cafe", Name: "image-cache-builder", Status: eci.Succeeded, Zone: "cn-hangzhou-i",
		CPU: 1, Memory: 2, Created: ago(9 * 24 * time.Hour), Ended: ago(9*24*time.Hour - 5*time.Minute)})

	event := func(age time.Duration, count int, source, kind, namespace, name, reason, message string) {
		typ := "Normal"
		if reason == "NoStock" || reason == "FailedScheduling" || reason == "NodeNotReady" {
			typ = "Warning"
		}
		w.events = append(w.events, &fleet.Event{
			Time: ago(age), First: ago(age + time.Duration(count)*20*time.Second), Count: count, Source: source, Type: typ, Reason: reason, Message: message,
			Namespace: namespace, Kind: kind, Name: name,
		})
	}
	event(9*time.Second, 14, "eci", "Pod", "shop", stock.Name, "NoStock", "OperationDenied.NoStock: no 2c 4Gi in zone cn-hangzhou-h")
	event(40*time.Second, 1, "k8s", "Pod", "shop", waits.Name, "FailedScheduling", waits.Reason)
	event(3*time.Minute, 1, "k8s", "Node", "", "ecs-08", "NodeNotSchedulable", "Node ecs-08 status is now: NodeNotSchedulable")
	event(7*time.Minute, 1, "k8s", "Node", "", "ecs-09", "NodeNotReady", "Node ecs-09 status is now: NodeNotReady")
	for i := range 3 {
		event(time.Duration(20+i)*time.Minute, 1, "eci", "ContainerGroup", "", fmt.Sprintf("eci-bp1a00000%d9f1%d", i, i), "Started", "Started container app")
	}

	controller := func(kind, namespace, name string, desired, ready int) *fleet.Controller {
		return &fleet.Controller{Kind: kind, Namespace: namespace, Name: name, UID: "uid-" + namespace + "-" + name, Labels: "app=" + name, Created: ago(30 * 24 * time.Hour),
			Desired: desired, Current: desired, Updated: desired, Ready: ready, Available: ready, Observed: true}
	}
	cron := controller("CronJob", "batch", "report", 0, 0)
	cron.Schedule, cron.Active, cron.LastSchedule, cron.Labels = "*/30 * * * *", 1, ago(31*time.Minute), ""
	w.in.Apply(fleet.Controllers{Kind: "CronJob", Items: []*fleet.Controller{cron}})
	w.in.Apply(fleet.Controllers{Kind: "StatefulSet", Items: []*fleet.Controller{controller("StatefulSet", "pay", "ledger", 2, 2)}})
	w.in.Apply(fleet.Controllers{Kind: "Deployment", Items: []*fleet.Controller{
		controller("Deployment", "shop", "checkout", 4, 3), controller("Deployment", "shop", "search", 2, 1), controller("Deployment", "shop", "web", 0, 0)}})
	w.in.Apply(fleet.Autoscalers{Kind: fleet.KindHPA, Items: []*fleet.Autoscaler{
		{Kind: fleet.KindHPA, Namespace: "shop", Name: "checkout", UID: "uid-hpa-checkout", Target: checkout, Min: 2, Max: 30, Current: 4, Desired: 4,
			Metrics: "cpu 92%/60%", LastScale: ago(6 * time.Minute)},
		{Kind: fleet.KindHPA, Namespace: "shop", Name: "search", UID: "uid-hpa-search", Target: search, Min: 1, Max: 2, Current: 2, Desired: 2,
			Metrics: "cpu 96%/60%", LastScale: ago(41 * time.Second),
			Limited: fleet.Condition{Status: "True", Reason: "TooManyReplicas", Message: "the desired replica count is more than the maximum replica count", Since: ago(31 * time.Minute)}},
	}})
	w.in.Apply(fleet.Budgets{Items: []*fleet.Budget{{Namespace: "pay", Name: "ledger", UID: "uid-pdb", Selector: "app=ledger", Allowed: 1, Current: 2, Desired: 1, Expected: 2}}})
	w.in.Apply(fleet.PriceBook{Region: "cn-hangzhou"})
	w.in.Apply(fleet.NodePrices{Types: map[string]fleet.GroupPrice{"ecs.g7.xlarge": {Rate: money.PerHour(960_000, money.CNY), Read: ago(2 * time.Hour)}}})
	w.in.Apply(fleet.Prices{Groups: map[fleet.PriceKey]fleet.GroupPrice{
		{CPU: 2, Memory: 4}: {Rate: money.PerHour(441_072, money.CNY), List: money.PerHour(441_072, money.CNY), Spot: money.PerHour(106_000, money.CNY), Read: ago(2 * time.Hour)},
		{CPU: 4, Memory: 8}: {Rate: money.PerHour(882_144, money.CNY), List: money.PerHour(882_144, money.CNY), Read: ago(2 * time.Hour)},
		{CPU: 2, Memory: 4, Zone: "cn-hangzhou-i", Spot: true}: {Rate: money.PerHour(106_000, money.CNY), Read: ago(2 * time.Hour)},
	}})
	w.in.Apply(fleet.Account{Quota: fleet.Quota{UsedCPU: 44, MaxCPU: 500}})
	w.in.Apply(fleet.Subnets{Items: []fleet.VSwitch{{ID: "vsw-bp1vswitchh0002", Zone: "cn-hangzhou-h", Free: 17, Total: 251}, {ID: "vsw-bp1vswitchi0001", Zone: "cn-hangzhou-i", Free: 190, Total: 251}}})
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.FixedZone("UTC+8", 8*3600))
	var bills fleet.Bills
	for i := range 21 {
		bills.Days = append(bills.Days, fleet.BillDay{Day: day.AddDate(0, 0, i), Final: true, Groups: []fleet.BilledGroup{
			{ID: "eci-x", ClusterID: sampleCluster, Namespace: "shop", Amount: money.Of(28_400_000, money.CNY)},
			{ID: "eci-y", ClusterID: sampleCluster, Namespace: "pay", Amount: money.Of(2_540_000, money.CNY)}}})
	}
	w.in.Apply(bills)

	for _, src := range []struct {
		name       string
		age, every time.Duration
		quiet      bool
	}{
		{"cluster", time.Minute, 5 * time.Minute, true},
		{"pods", time.Second, 5 * time.Second, false}, {"nodes", 2 * time.Second, 5 * time.Second, false},
		{"events", time.Second, 5 * time.Second, false}, {"groups", 3 * time.Second, 10 * time.Second, false},
		{"deployments", time.Second, 5 * time.Second, true}, {"hpas", time.Second, 5 * time.Second, true},
		{"pod-metrics", 12 * time.Second, 15 * time.Second, true}, {"prices", 3 * time.Second, 5 * time.Second, true},
		{"account", 20 * time.Second, time.Minute, true}, {"bills", 2 * time.Hour, 6 * time.Hour, true},
	} {
		w.in.Sources = append(w.in.Sources, fleet.Source{Name: src.name, Read: ago(src.age), Every: src.every, Quiet: src.quiet})
	}
	return w
}

// wellSample is a fleet in which nothing needs a person.
func wellSample() *fleet.Snapshot {
	w := sampleWorld()
	w.nodes, w.groups, w.gone, w.events = w.nodes[:2], w.groups[1:4], nil, w.events[len(w.events)-3:]
	w.pods = slices.DeleteFunc(w.pods, func(p *fleet.Pod) bool { return p.Phase == "Pending" || p.Name == "ledger-2" || p.Namespace == "batch" })
	w.in.Controllers, w.in.Autoscalers, w.in.Budgets = nil, nil, fleet.Budgets{}
	w.in.Subnets.Items = w.in.Subnets.Items[1:]
	return w.build()
}

// sourceOf is one of a snapshot's sources, to be changed before the snapshot is shown.
func sourceOf(s *fleet.Snapshot, name string) *fleet.Source {
	for i := range s.Sources {
		if s.Sources[i].Name == name {
			return &s.Sources[i]
		}
	}
	panic("the sample has no source " + name)
}

// staleSample is the sample with two sources that failed a while ago, one of them never
// having answered.
func staleSample() *fleet.Snapshot {
	w := sampleWorld()
	for i := range w.in.Sources {
		switch src := &w.in.Sources[i]; src.Name {
		case "pods":
			src.Read, src.Error = sampleNow().Add(-23*time.Second), "listing pods: dial tcp 10.0.0.1:6443: connect: connection refused"
		case "groups":
			src.Read, src.Error = time.Time{}, "reading container groups: Forbidden.RAM: the RAM user may not call DescribeContainerGroups"
		}
	}
	return w.build()
}

// bigFleet has n pods in the order of a snapshot, each with what it uses and costs.
func bigFleet(n int) *fleet.Snapshot {
	now := sampleNow()
	w := &world{usage: make(map[fleet.PodName]fleet.Usage, n)}
	for i := range 2000 {
		w.nodes = append(w.nodes, &fleet.Node{UID: fmt.Sprintf("n-%04d", i), Name: fmt.Sprintf("ecs-%04d", i), Place: fleet.PlaceECS, Status: "Ready",
			InstanceType: "ecs.g7.xlarge", AllocatableCPU: 4000, AllocatableMemory: 16 << 30, Created: now.Add(-240 * time.Hour)})
	}
	for i := range n {
		p := &fleet.Pod{
			UID: fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i), Namespace: fmt.Sprintf("team-%03d", i*200/n),
			Name: fmt.Sprintf("web-%05x-%06d", i/50, i), NodeName: fmt.Sprintf("ecs-%04d", i*7919%2000), Phase: "Running", Status: "Running",
			Workload:   fleet.Owner{Kind: "Deployment", Name: fmt.Sprintf("web-%05x", i/50)},
			Containers: []string{"app"}, ReadyContainers: 1, TotalContainers: 1, Restarts: i % 7, IP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
			RequestCPU: 50, RequestMemory: 64 << 20, Created: now.Add(-time.Duration(i*7919%1000000) * time.Second),
		}
		w.pods = append(w.pods, p)
		w.usage[fleet.PodName{Namespace: p.Namespace, Name: p.Name}] = fleet.Usage{CPU: int64(i % 50), Memory: int64(i%64) << 20, Read: now}
	}
	w.in.Apply(fleet.NodePrices{Types: map[string]fleet.GroupPrice{"ecs.g7.xlarge": {Rate: money.PerHour(960_000, money.CNY)}}})
	w.in.Sources = []fleet.Source{{Name: "pods", Read: now, Every: 5 * time.Second}, {Name: "groups", Read: now, Every: 5 * time.Second}, {Name: "nodes", Read: now, Every: 5 * time.Second}}
	return w.build()
}
