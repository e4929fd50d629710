package ui

import (
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
)

// sampleNow is the moment at which the sample was seen.
func sampleNow() time.Time { return time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC) }

// sample is a small fleet in which everything is that a screen must show: both places,
// trouble of both severities, an orphan, an unbound pod, an ended one.
func sample() *fleet.Snapshot {
	now := sampleNow()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	node := func(name, zone, kind string, virtual bool, cpu, memory int64) *fleet.Node {
		place := fleet.PlaceECS
		if virtual {
			place = fleet.PlaceECI
		}
		return &fleet.Node{
			UID: "uid-" + name, Name: name, Virtual: virtual, Place: place, Zone: zone, InstanceType: kind, Status: "Ready",
			KubeletVersion: "v1.37.2", AllocatableCPU: cpu * 1000, AllocatableMemory: memory << 30, AllocatablePods: 110,
			Created: ago(40 * 24 * time.Hour),
		}
	}
	ecs07 := node("ecs-07", "cn-hangzhou-i", "ecs.g7.xlarge", false, 4, 16)
	ecs08 := node("ecs-08", "cn-hangzhou-h", "ecs.g7.xlarge", false, 4, 16)
	ecs08.Status, ecs08.Unschedulable = "Ready,SchedulingDisabled", true
	ecs09 := node("ecs-09", "cn-hangzhou-h", "ecs.g7.2xlarge", false, 8, 32)
	ecs09.Status = "NotReady"
	virtual := node("eci-cn-hangzhou", "cn-hangzhou-i", "", true, 10000, 40000)

	s := &fleet.Snapshot{
		Built: now, Cluster: "c0ffee", Nodes: []*fleet.Node{virtual, ecs07, ecs08, ecs09},
		Sources: []fleet.Source{
			{Name: "pods", Read: ago(time.Second), Every: 5 * time.Second},
			{Name: "nodes", Read: ago(2 * time.Second), Every: 5 * time.Second},
			{Name: "events", Read: ago(time.Second), Every: 5 * time.Second},
			{Name: "groups", Read: ago(3 * time.Second), Every: 10 * time.Second},
		},
	}
	add := func(namespace, name, status string, n *fleet.Node, age time.Duration) *fleet.Placement {
		p := &fleet.Placement{Status: status, Node: n, Place: fleet.PlaceNone, Pod: &fleet.Pod{
			UID: "uid-" + namespace + "-" + name, Namespace: namespace, Name: name, Phase: "Running", Status: status,
			Containers: []string{"app"}, ReadyContainers: 1, Created: ago(age), Started: ago(age - 10*time.Second),
			RequestCPU: 1000, RequestMemory: 2 << 30, IP: fmt.Sprintf("10.0.1.%d", 10+len(s.Placements)),
		}}
		if n != nil {
			p.Pod.NodeName, p.Place = n.Name, n.Place
			n.Pods++
			n.RequestCPU += p.Pod.RequestCPU
			n.RequestMemory += p.Pod.RequestMemory
		}
		s.Placements = append(s.Placements, p)
		return p
	}
	group := func(id string, cpu, memory float64, status eci.Status, age time.Duration) *fleet.Group {
		g := &fleet.Group{
			ID: id, Name: "group", Status: status, Zone: "cn-hangzhou-i", VSwitch: "vsw-bp1vswitchi0001", IP: "10.0.2.7",
			CPU: cpu, Memory: memory, Created: ago(age), Relation: fleet.Joined,
		}
		s.Groups = append(s.Groups, g)
		return g
	}
	join := func(p *fleet.Placement, g *fleet.Group) {
		p.Group = g
		p.Pod.InstanceID = g.ID
		g.Name = p.Pod.Namespace + "-" + p.Pod.Name
		g.Identity = eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: s.Cluster, Namespace: p.Pod.Namespace, PodName: p.Pod.Name, PodUID: p.Pod.UID}
	}

	report := add("batch", "report-28491-4kx2l", "Lost", virtual, 31*time.Minute)
	report.Trouble, report.Reason = fleet.Broken, "group eci-bp1fe0040000e004 is gone, but the pod says Running; its work is lost"
	report.Pod.InstanceID, report.Pod.ReadyContainers = "eci-bp1fe0040000e004", 0
	done := add("batch", "report-28490-9qqwz", "Completed", ecs07, 3*time.Hour)
	done.Pod.Phase, done.Pod.ReadyContainers = "Succeeded", 0

	ledger := add("pay", "ledger-2", "Running", virtual, 6*time.Hour)
	join(ledger, group("eci-bp19aa0001bc01bc", 2, 4, eci.Running, 6*time.Hour))
	ledger.Group.Spot = "SpotAsPriceGo"
	ledger.Trouble, ledger.Reason = fleet.Degraded, "SpotToBeReleased: the spot instance will be released in about 3 minutes"
	add("pay", "ledger-0", "Running", ecs07, 6*time.Hour)

	for i, suffix := range []string{"x2k4q", "77tqn", "m0d3l"} {
		p := add("shop", "checkout-7d9f8b6c5-"+suffix, "Running", virtual, time.Duration(20+i)*time.Minute)
		join(p, group(fmt.Sprintf("eci-bp1a00000%d9f1%d", i, i), 2, 4, eci.Running, time.Duration(20+i)*time.Minute))
		p.Pod.Workload = fleet.Owner{Kind: "Deployment", Name: "checkout"}
	}
	stock := add("shop", "checkout-7d9f8b6c5-p8vmz", "NoStock", virtual, 6*time.Minute)
	stock.Pod.Phase, stock.Pod.ReadyContainers = "Pending", 0
	stock.Trouble, stock.Reason = fleet.Broken, "OperationDenied.NoStock: no 2c 4Gi in zone cn-hangzhou-h, tried 14 times"
	search := add("shop", "search-5c4b9d7f88-77tqn", "Running", ecs07, 5*time.Hour)
	search.Pod.Restarts, search.Pod.Containers, search.Pod.ReadyContainers = 2, []string{"search", "istio-proxy"}, 2
	search.Pod.InitContainers = []string{"istio-init"}
	waits := add("shop", "search-5c4b9d7f88-wq8rr", "Pending", nil, 40*time.Second)
	waits.Pod.Phase, waits.Pod.ReadyContainers, waits.Pod.IP = "Pending", 0, ""
	waits.Trouble, waits.Reason = fleet.Degraded, "0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu."

	orphan := group("eci-bp1dead00000beef", 4, 8, eci.Running, 4*24*time.Hour)
	orphan.Name, orphan.Relation = "shop-old-job-55555", fleet.Orphan
	orphan.Identity = eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: s.Cluster, Namespace: "shop", PodName: "old-job-55555"}
	s.Placements = append(s.Placements, &fleet.Placement{
		Group: orphan, Place: fleet.PlaceECI, Status: "Orphan", Trouble: fleet.Broken,
		Reason: "the pod of this group is gone; the group is paid for nothing",
	})
	foreign := group("eci-bp1ffff00000cafe", 1, 2, eci.Succeeded, 9*24*time.Hour)
	foreign.Name, foreign.Relation = "image-cache-builder", fleet.Foreign

	event := func(age time.Duration, count int, source, kind, namespace, name, reason, message string) {
		typ := "Normal"
		if reason == "NoStock" || reason == "FailedScheduling" {
			typ = "Warning"
		}
		s.Events = append(s.Events, &fleet.Event{
			Time: ago(age), Count: count, Source: source, Type: typ, Reason: reason, Message: message,
			Namespace: namespace, Kind: kind, Name: name,
		})
	}
	event(9*time.Second, 14, "eci", "Pod", "shop", stock.Pod.Name, "NoStock", "OperationDenied.NoStock: no 2c 4Gi in zone cn-hangzhou-h")
	event(40*time.Second, 1, "k8s", "Pod", "shop", waits.Pod.Name, "FailedScheduling", waits.Reason)
	event(3*time.Minute, 1, "k8s", "Node", "", "ecs-08", "NodeNotSchedulable", "Node ecs-08 status is now: NodeNotSchedulable")
	event(20*time.Minute, 1, "eci", "ContainerGroup", "", "eci-bp1a0000009f10", "Started", "Started container app")
	return s
}

// staleSample is the sample with two sources that failed a while ago, one of them never
// having answered.
func staleSample() *fleet.Snapshot {
	s := sample()
	s.Sources[0].Read, s.Sources[0].Error = sampleNow().Add(-23*time.Second), "listing pods: dial tcp 10.0.0.1:6443: connect: connection refused"
	s.Sources[3].Read, s.Sources[3].Error = time.Time{}, "reading container groups: Forbidden.RAM: the RAM user may not call DescribeContainerGroups"
	return s
}

// bigFleet has n pods in the order of a snapshot.
func bigFleet(n int) *fleet.Snapshot {
	now := sampleNow()
	s := &fleet.Snapshot{Built: now}
	for i := range n {
		namespace := fmt.Sprintf("team-%03d", i*200/n)
		s.Placements = append(s.Placements, &fleet.Placement{
			Status: "Running", Place: fleet.PlaceECS,
			Pod: &fleet.Pod{
				UID: fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i), Namespace: namespace,
				Name: fmt.Sprintf("web-%05x-%06d", i/50, i), NodeName: fmt.Sprintf("ecs-%04d", i*7919%2000), Phase: "Running", Status: "Running",
				Containers: []string{"app"}, ReadyContainers: 1, Restarts: i % 7, IP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
				Created: now.Add(-time.Duration(i*7919%1000000) * time.Second),
			},
		})
	}
	return s
}
