package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const clusterUID = "11111111-0000-0000-0000-000000000000"

// A world is Inputs that tests change before Build.
type world struct {
	pods   []*Pod
	nodes  []*Node
	groups []*Group
	gone   map[string]bool
	scope  string
	uid    string
}

// healthy is one pod on a virtual node, joined with its group by everything there is, and
// one on an ECS node.
func healthy() *world {
	return &world{
		uid:  clusterUID,
		pods: []*Pod{eciPod("web-0"), ecsPod("db-0")},
		nodes: []*Node{
			{Name: "virtual-1", Virtual: true, Place: PlaceECI, Status: "Ready"},
			{Name: "ecs-1", Place: PlaceECS, Status: "Ready"},
		},
		groups: []*Group{ourGroup("eci-web-0", "web-0")},
	}
}

func eciPod(name string) *Pod {
	return &Pod{
		UID: "uid-" + name, Namespace: "shop", Name: name, NodeName: "virtual-1", InstanceID: "eci-" + name,
		Phase: "Running", Status: "Running", ReadyContainers: 1, TotalContainers: 1,
		RequestCPU: 500, RequestMemory: 1 << 30, Created: noon.Add(-time.Hour),
	}
}

func ecsPod(name string) *Pod {
	p := eciPod(name)
	p.NodeName, p.InstanceID = "ecs-1", ""
	return p
}

func ourGroup(id, pod string) *Group {
	return &Group{ID: id, Name: "shop-" + pod, Status: eci.Running, CPU: 0.5, Memory: 1, Created: noon.Add(-time.Hour + 2*time.Second),
		Identity: eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: clusterUID, Namespace: "shop", PodName: pod, PodUID: "uid-" + pod}}
}

// vendorGroup is tagged as ACK's own virtual nodes tag: no UID, the cluster's own id.
func vendorGroup(id, pod string) *Group {
	g := ourGroup(id, pod)
	g.Identity = eci.Identity{ManagedBy: "ack", ClusterID: "c-ack", Namespace: "shop", PodName: pod}
	return g
}

func (w *world) inputs(sweep int) Inputs {
	in := Inputs{}
	for _, name := range []string{"cluster", "pods", "nodes", "events", "groups"} {
		in.Sources = append(in.Sources, Source{Name: name, Every: time.Minute})
		in.Succeeded(name, noon)
	}
	in.Apply(Cluster{UID: w.uid})
	in.Apply(Pods{Items: w.pods, Namespace: w.scope})
	in.Apply(Nodes{Items: w.nodes})
	in.Apply(Groups{Items: w.groups, Sweep: sweep, Gone: w.gone})
	return in
}

// row finds a placement by pod name, or by group id for an orphan.
func row(t *testing.T, s *Snapshot, name string) *Placement {
	t.Helper()
	for _, p := range s.Placements {
		if p.Pod != nil && p.Pod.Name == name || p.Pod == nil && p.Group.ID == name {
			return p
		}
	}
	t.Fatalf("no placement of %s", name)
	return nil
}

func groupOf(p *Placement) string {
	if p.Group == nil {
		return ""
	}
	return p.Group.ID
}

func TestJoin(t *testing.T) {
	long := strings.Repeat("n", 200)
	tests := []struct {
		name   string
		change func(*world)
		pod    string
		want   string // group id
		reason string // part of it
	}{
		{"a pod is joined by its annotation", func(w *world) { w.groups[0].Identity = eci.Identity{} }, "web-0", "eci-web-0", ""},
		{"a pod without annotation is joined by the UID tag", func(w *world) { w.pods[0].InstanceID = "" }, "web-0", "eci-web-0", ""},
		{"the vendor's group is joined by name tags of the cluster id that annotations agree on", func(w *world) {
			w.groups[0] = vendorGroup("eci-web-0", "web-0")
			second := eciPod("web-1")
			second.InstanceID = ""
			w.pods = append(w.pods, second)
			w.groups = append(w.groups, vendorGroup("eci-x", "web-1"))
		}, "web-1", "eci-x", ""},
		{"name tags of a cluster id that nobody vouches for do not join", func(w *world) {
			w.pods[0].InstanceID = ""
			w.groups[0] = vendorGroup("eci-web-0", "web-0")
		}, "web-0", "", ""},
		{"an equal group name alone does not join", func(w *world) {
			w.pods[0].InstanceID = ""
			w.groups[0].Identity = eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: clusterUID}
		}, "web-0", "", ""},
		{"an annotation that names another pod's group is not believed", func(w *world) {
			w.groups[0].Identity.PodUID = "someone"
		}, "web-0", "", "its tag PodUID is another pod's"},
		{"an annotation from a backup names a group that is older than the pod", func(w *world) {
			w.groups[0] = vendorGroup("eci-web-0", "web-0")
			w.groups[0].Created = noon.Add(-24 * time.Hour)
		}, "web-0", "", "created before the pod"},
		{"a pod of the same name on a real node gets no group by its name", func(w *world) {
			w.pods[0].InstanceID, w.pods[0].NodeName = "", "ecs-1"
			w.groups[0].Identity.PodUID = ""
		}, "web-0", "", ""},
		{"a group of the pod's predecessor is not joined", func(w *world) {
			w.pods[0].InstanceID, w.groups[0].Identity.PodUID = "", ""
			w.groups[0].Created = noon.Add(-2 * time.Hour)
		}, "web-0", "", ""},
		{"clocks may be apart by a few seconds", func(w *world) {
			w.pods[0].InstanceID, w.groups[0].Identity.PodUID = "", ""
			w.groups[0].Created = w.pods[0].Created.Add(-3 * time.Second)
		}, "web-0", "eci-web-0", ""},
		{"two groups with the pod's name and no UID are not told apart", func(w *world) {
			w.pods[0].InstanceID, w.groups[0].Identity.PodUID = "", ""
			twin := ourGroup("eci-twin", "web-0")
			twin.Identity.PodUID = ""
			w.groups = append(w.groups, twin)
		}, "web-0", "", "eci-twin, eci-web-0 carry this pod's name"},
		{"of two groups with the pod's name the one that has not ended is its own", func(w *world) {
			w.pods[0].InstanceID, w.groups[0].Identity.PodUID = "", ""
			twin := ourGroup("eci-twin", "web-0")
			twin.Identity.PodUID, twin.Status = "", eci.Failed
			w.groups = append(w.groups, twin)
		}, "web-0", "eci-web-0", ""},
		{"the highest attempt wins and the earlier one is said", func(w *world) {
			w.pods[0].InstanceID = ""
			second := ourGroup("eci-second", "web-0")
			second.Identity.Attempt = 2
			w.groups = append(w.groups, second)
		}, "web-0", "eci-second", "earlier attempts of this pod still run"},
		{"two groups of one attempt are not told apart", func(w *world) {
			w.pods[0].InstanceID = ""
			w.groups = append(w.groups, ourGroup("eci-second", "web-0"))
		}, "web-0", "", "the same attempt"},
		{"a group that two pods name is nobody's", func(w *world) {
			w.groups[0].Identity = eci.Identity{}
			second := eciPod("web-1")
			second.InstanceID = "eci-web-0"
			w.pods = append(w.pods, second)
		}, "web-0", "", "named by 2 pods"},
		{"a name over the limit is compared by its hash", func(w *world) {
			p := eciPod(long)
			p.InstanceID = ""
			w.pods = append(w.pods, p)
			g := ourGroup("eci-long", long)
			g.Identity.PodUID, g.Identity.PodName = "", eci.TagValue(long)
			w.groups = append(w.groups, g)
		}, long, "eci-long", ""},
		{"a-b/c is not a/b-c", func(w *world) {
			w.pods[0].InstanceID, w.groups[0].Identity.PodUID = "", ""
			w.pods[0].Namespace, w.pods[0].Name = "a-b", "c"
			w.groups[0].Name, w.groups[0].Identity.Namespace, w.groups[0].Identity.PodName = "a-b-c", "a", "b-c"
		}, "c", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := healthy()
			test.change(w)
			got := row(t, Build(w.inputs(1), noon, nil), test.pod)
			if groupOf(got) != test.want {
				t.Errorf("group %q, want %q (reason %q)", groupOf(got), test.want, got.Reason)
			}
			if !strings.Contains(got.Reason, test.reason) {
				t.Errorf("reason %q does not say %q", got.Reason, test.reason)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*world)
		pod     string
		place   Place
		status  string
		trouble Severity
		reason  string
	}{
		{"a healthy pod on ECI", func(*world) {}, "web-0", PlaceECI, "Running", Fine, ""},
		{"a healthy pod on ECS", func(*world) {}, "db-0", PlaceECS, "Running", Fine, ""},
		{"a group that is confirmed gone makes its pod Lost", func(w *world) {
			w.groups, w.gone = nil, map[string]bool{"eci-web-0": true}
		}, "web-0", PlaceECI, "Lost", Broken, "eci-web-0 does not exist"},
		{"a group that is merely not in the list does not", func(w *world) { w.groups = nil }, "web-0", PlaceECI, "Running", Fine, ""},
		{"an ACS pod has no group and is never Lost", func(w *world) {
			w.groups, w.gone = nil, map[string]bool{"eci-web-0": true}
			w.pods[0].ACS = true
		}, "web-0", PlaceACS, "Running", Fine, ""},
		{"an ended pod is not Lost when ECI removed its group", func(w *world) {
			w.groups, w.gone = nil, map[string]bool{"eci-web-0": true}
			w.pods[0].Phase, w.pods[0].Status = "Succeeded", "Completed"
		}, "web-0", PlaceECI, "Completed", Fine, ""},
		{"a pod being deleted is not Lost", func(w *world) {
			w.groups, w.gone = nil, map[string]bool{"eci-web-0": true}
			w.pods[0].Deleting, w.pods[0].Status = noon, "Terminating"
		}, "web-0", PlaceECI, "Terminating", Fine, ""},
		{"a group that failed under a running pod", func(w *world) { w.groups[0].Status = eci.Failed },
			"web-0", PlaceECI, "Running/Failed", Broken, "Kubernetes has not seen it"},
		{"an ended pod whose group is paid for", func(w *world) {
			w.pods[0].Phase, w.pods[0].Status = "Succeeded", "Completed"
		}, "web-0", PlaceECI, "Completed/Running", Broken, "paid for"},
		{"no stock", func(w *world) {
			w.pods[0].Phase, w.pods[0].Status = "Pending", "Pending"
			w.groups[0].Status, w.groups[0].Reason, w.groups[0].Message = eci.ScheduleFailed, "NoStock", "out of stock in cn-hangzhou-i"
		}, "web-0", PlaceECI, "NoStock", Broken, "out of stock"},
		{"no stock when the create was refused and there is no group", func(w *world) {
			w.groups = nil
			w.pods[0].InstanceID, w.pods[0].Phase, w.pods[0].Status = "", "Pending", "Pending"
			w.pods[0].Reason = "OperationDenied.NoStock"
		}, "web-0", PlaceECI, "NoStock", Broken, "NoStock"},
		{"a pod that starts is not in trouble", func(w *world) {
			w.pods[0].Phase, w.pods[0].Status, w.groups[0].Created = "Pending", "Pending", noon.Add(-10*time.Second)
		}, "web-0", PlaceECI, "Pending", Fine, ""},
		{"a pod that Kubernetes calls Pending for long while ECI runs it", func(w *world) {
			w.pods[0].Phase, w.pods[0].Status = "Pending", "Pending"
		}, "web-0", PlaceECI, "Pending/Running", Degraded, "is the virtual node running?"},
		{"a crashing container", func(w *world) { w.pods[0].Status, w.pods[0].ReadyContainers = "CrashLoopBackOff", 0 },
			"web-0", PlaceECI, "CrashLoopBackOff", Broken, ""},
		{"a container that is not ready", func(w *world) { w.pods[1].ReadyContainers = 0 },
			"db-0", PlaceECS, "Running", Degraded, "0 of 1 containers are ready"},
		{"an unbound pod", func(w *world) {
			w.pods[1].NodeName, w.pods[1].Phase, w.pods[1].Status, w.pods[1].Reason = "", "Pending", "Pending", "0/2 nodes are available"
		}, "db-0", PlaceNone, "Pending", Degraded, "0/2 nodes"},
		{"a node that may not be read leaves the place unknown", func(w *world) { w.nodes = nil }, "db-0", "", "Running", Fine, ""},
		{"and ECI where the pod names a group", func(w *world) { w.nodes = nil }, "web-0", PlaceECI, "Running", Fine, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := healthy()
			test.change(w)
			got := row(t, Build(w.inputs(1), noon, nil), test.pod)
			if got.Place != test.place || got.Status != test.status || got.Trouble != test.trouble {
				t.Errorf("got %s %s %d (%s), want %s %s %d", got.Place, got.Status, got.Trouble, got.Reason, test.place, test.status, test.trouble)
			}
			if !strings.Contains(got.Reason, test.reason) {
				t.Errorf("reason %q does not say %q", got.Reason, test.reason)
			}
		})
	}
}

func TestOrphans(t *testing.T) {
	tests := []struct {
		name          string
		change        func(*world)
		first, second Relation
	}{
		{"a group whose pod is gone is an orphan in the second report", func(*world) {}, Unjoined, Orphan},
		{"an ended group costs nothing and is none", func(w *world) { w.groups[0].Status = eci.Succeeded }, Unjoined, Unjoined},
		{"another cluster's group is foreign", func(w *world) { w.groups[0].Identity.ClusterID = "other" }, Foreign, Foreign},
		{"a group with the id that a virtual node names is this cluster's", func(w *world) {
			w.groups[0].Identity.ClusterID = "mine"
			for _, n := range w.nodes {
				if n.Virtual {
					n.ClusterID = "mine"
				}
			}
		}, Unjoined, Orphan},
		{"a group without a pod's name is foreign", func(w *world) {
			w.groups[0].Identity.PodName, w.groups[0].Identity.PodUID = "", ""
		}, Foreign, Foreign},
		{"nothing is an orphan while the cluster's id is not known", func(w *world) { w.uid = "" }, Foreign, Foreign},
		{"a group of a namespace that was not read is none", func(w *world) { w.scope = "payments" }, Unjoined, Unjoined},
		{"a group whose tags name a present pod is the pod's business", func(w *world) {
			w.pods = append(w.pods, eciPod("web-0"))
			w.pods[1].InstanceID = ""
			w.groups = append(w.groups, ourGroup("eci-twin", "web-0"))
		}, Unjoined, Unjoined},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := healthy()
			w.pods = w.pods[1:]
			test.change(w)
			first := Build(w.inputs(1), noon, nil)
			again := Build(w.inputs(1), noon, first)
			second := Build(w.inputs(2), noon, again)
			got := []Relation{first.Groups[0].Relation, again.Groups[0].Relation, second.Groups[0].Relation}
			if diff := cmp.Diff([]Relation{test.first, test.first, test.second}, got); diff != "" {
				t.Error(diff)
			}
			last := second.Placements[len(second.Placements)-1]
			if orphan := last.Pod == nil; orphan != (test.second == Orphan) {
				t.Errorf("last placement is an orphan: %v", orphan)
			}
		})
	}
	t.Run("a source that failed says nothing about missing pods", func(t *testing.T) {
		w := healthy()
		w.pods = w.pods[1:]
		one, two := w.inputs(1), w.inputs(2)
		one.Failed("pods", errors.New("away"))
		two.Failed("pods", errors.New("away"))
		s := Build(two, noon, Build(one, noon, nil))
		if got := s.Groups[0].Relation; got != Unjoined {
			t.Errorf("got %s", got)
		}
	})
	t.Run("an orphan stays one while pods cannot be read", func(t *testing.T) {
		w := healthy()
		w.pods = w.pods[1:]
		s := Build(w.inputs(2), noon, Build(w.inputs(1), noon, nil))
		three := w.inputs(3)
		three.Failed("pods", errors.New("away"))
		if got := Build(three, noon, s).Groups[0].Relation; got != Orphan {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a pod that appears takes its group back", func(t *testing.T) {
		w := healthy()
		w.pods = w.pods[1:]
		s := Build(w.inputs(2), noon, Build(w.inputs(1), noon, nil))
		s = Build(healthy().inputs(2), noon, s)
		if got := s.Groups[0].Relation; got != Joined || len(s.Placements) != 2 {
			t.Errorf("got %s, %d placements", got, len(s.Placements))
		}
	})
}

func TestStartLagEnds(t *testing.T) {
	w := healthy()
	w.pods[0].Phase, w.pods[0].Status, w.groups[0].Created = "Pending", "Pending", noon.Add(-50*time.Second)
	in := w.inputs(1)
	s := Build(in, noon, nil)
	if got := row(t, s, "web-0").Status; got != "Pending" {
		t.Fatalf("got %s", got)
	}
	s = Build(in, noon.Add(11*time.Second), s)
	if got := row(t, s, "web-0").Status; got != "Pending/Running" {
		t.Errorf("got %s after the lag", got)
	}
}

func TestAStartIsNoTroubleUntilItLasts(t *testing.T) {
	w := healthy()
	w.pods[0].Phase, w.pods[0].Status, w.pods[0].Created = "Pending", "ContainerCreating", noon.Add(-50*time.Second)
	w.groups[0].Status, w.groups[0].Reason = eci.Pending, "ContainerCreating"
	in := w.inputs(1)
	s := Build(in, noon, nil)
	if got := row(t, s, "web-0"); got.Trouble != Fine {
		t.Errorf("while it starts: %+v", got)
	}
	s = Build(in, noon.Add(11*time.Second), s)
	if got := row(t, s, "web-0"); got.Trouble != Degraded {
		t.Errorf("after a minute: %+v", got)
	}
	w.groups[0].Reason = "FailedMount"
	if got := row(t, Build(w.inputs(1), noon, nil), "web-0"); got.Trouble != Degraded {
		t.Errorf("a warning: %+v", got)
	}
}

func TestNodeSums(t *testing.T) {
	w := healthy()
	ended := eciPod("job")
	ended.Phase = "Succeeded"
	w.pods = append(w.pods, ended, eciPod("web-1"))
	s := Build(w.inputs(1), noon, nil)
	n := s.Nodes[1]
	if n.Name != "virtual-1" || n.Pods != 2 || n.RequestCPU != 1000 || n.RequestMemory != 2<<30 {
		t.Errorf("got %+v", n)
	}
	if w.nodes[0].Pods != 0 {
		t.Error("Build changed its input")
	}
}

// bigWorld is a cluster with a number of pods: three in ten run on ECI.
func bigWorld(pods int) *world {
	w := &world{uid: clusterUID}
	for i := range pods / 20 {
		w.nodes = append(w.nodes, &Node{Name: fmt.Sprintf("node-%05d", i), Place: PlaceECS, Status: "Ready",
			InstanceType: "ecs.g7.8xlarge", AllocatableCPU: 32000, AllocatableMemory: 128 << 30})
	}
	w.nodes = append(w.nodes, &Node{Name: "virtual-1", Virtual: true, Place: PlaceECI, Status: "Ready"})
	for i := range pods {
		name := fmt.Sprintf("web-%06d", i)
		p := eciPod(name)
		p.Namespace, p.Workload = fmt.Sprintf("ns-%03d", i/500), Owner{"Deployment", fmt.Sprintf("web-%04d", i/20)}
		if i%10 >= 3 {
			p.InstanceID, p.NodeName = "", w.nodes[i%(len(w.nodes)-1)].Name
		} else {
			g := ourGroup("eci-"+name, name)
			g.Identity.Namespace = p.Namespace
			w.groups = append(w.groups, g)
		}
		w.pods = append(w.pods, p)
	}
	return w
}

func TestBuildReusesWhatDidNotChange(t *testing.T) {
	w := bigWorld(400)
	in := w.inputs(1)
	s := Build(in, noon, nil)
	changed := *in.Pods.Items[17]
	changed.Status, changed.ReadyContainers = "CrashLoopBackOff", 0
	next := in
	next.Pods.Items = slices.Clone(in.Pods.Items)
	next.Pods.Items[17] = &changed
	got := Build(next, noon, s)
	for i := range got.Placements {
		if reused := got.Placements[i] == s.Placements[i]; reused == (i == 17) {
			t.Errorf("placement %d reused: %v", i, reused)
		}
	}
	if diff := cmp.Diff(visible(Build(next, noon, nil)), visible(got)); diff != "" {
		t.Errorf("Build from a previous snapshot differs (-fresh +reused):\n%s", diff)
	}
}

// visible is what readers of a Snapshot see.
func visible(s *Snapshot) []string {
	var out []string
	for _, p := range s.Placements {
		name, node := "", ""
		if p.Pod != nil {
			name = p.Pod.Namespace + "/" + p.Pod.Name + "/" + p.Pod.UID
		}
		if p.Node != nil {
			node = p.Node.Name
		}
		out = append(out, fmt.Sprint("placement ", name, " ", groupOf(p), " ", node, " ", p.Place, " ", p.Status, " ", p.Trouble, " ", p.Reason))
	}
	for _, g := range s.Groups {
		out = append(out, fmt.Sprint("group ", g.ID, " ", g.Relation, " ", g.Status))
	}
	for _, n := range s.Nodes {
		out = append(out, fmt.Sprint("node ", n.Name, " ", n.Pods, " ", n.RequestCPU, " ", n.RequestMemory))
	}
	return append(out, "cluster "+s.Cluster)
}

// TestIncrementalBuildIsTheSame changes a world at random and holds that building from the
// snapshot before gives what building from nothing gives.
func TestIncrementalBuildIsTheSame(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := bigWorld(40)
		in := w.inputs(1)
		s := Build(in, noon, nil)
		for step := range 12 {
			next := in
			pods := slices.Clone(in.Pods.Items)
			for range 1 + r.IntN(3) {
				if len(pods) == 0 {
					break
				}
				i := r.IntN(len(pods))
				p := *pods[i]
				switch r.IntN(7) {
				case 0:
					pods = slices.Delete(pods, i, i+1)
					continue
				case 1:
					p.Status, p.Phase = "Completed", "Succeeded"
				case 2: // steal a neighbour's group
					p.InstanceID = pods[r.IntN(len(pods))].InstanceID
				case 3:
					p.InstanceID = ""
				case 4:
					p.NodeName = w.nodes[r.IntN(len(w.nodes))].Name
				case 5:
					p.UID += "'"
					p.Created = noon
				case 6:
					p.RequestCPU += 100
				}
				pods[i] = &p
			}
			next.Apply(Pods{Items: pods})
			if r.IntN(3) == 0 {
				groups := slices.Clone(in.Groups.Items)
				if len(groups) > 0 {
					i := r.IntN(len(groups))
					g := *groups[i]
					switch r.IntN(3) {
					case 0:
						g.Status = eci.Failed
					case 1:
						g.Identity = eci.Identity{}
					case 2:
						g.Identity = eci.Identity{ManagedBy: "ack", ClusterID: "c-ack", Namespace: g.Identity.Namespace, PodName: g.Identity.PodName}
					}
					groups[i] = &g
				}
				next.Apply(Groups{Items: groups, Sweep: in.Groups.Sweep, Gone: in.Groups.Gone})
			}
			got := Build(next, noon, s)
			want := Build(next, noon, nil)
			if diff := cmp.Diff(visible(want), visible(got)); diff != "" {
				t.Fatalf("seed %d, step %d (-fresh +incremental):\n%s", seed, step, diff)
			}
			in, s = next, got
		}
	}
}

func FuzzBuild(f *testing.F) {
	f.Add(uint64(1), 10, 5, 3)
	f.Add(uint64(7), 0, 9, 0)
	f.Fuzz(func(t *testing.T, seed uint64, pods, groups, spare int) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := &world{uid: clusterUID, nodes: []*Node{{Name: "virtual-1", Virtual: true, Place: PlaceECI}}}
		for i := range min(max(pods, 0), 40) {
			p := eciPod(fmt.Sprint("p", i))
			if r.IntN(2) == 0 {
				p.InstanceID = fmt.Sprint("eci-p", r.IntN(12))
			}
			p.Workload = pick(r, Owner{}, Owner{"Deployment", "web"}, Owner{"ReplicaSet", "web-1"}, Owner{"Job", "j"})
			w.pods = append(w.pods, p)
		}
		for i := range min(max(groups, 0), 40) {
			g := ourGroup(fmt.Sprint("eci-p", i), fmt.Sprint("p", r.IntN(12)))
			if r.IntN(3) == 0 {
				g.Identity.PodUID = ""
			}
			w.groups = append(w.groups, g)
		}
		var s *Snapshot
		for sweep := range 2 + min(max(spare, 0), 3) {
			r.Shuffle(len(w.pods), func(i, j int) { w.pods[i], w.pods[j] = w.pods[j], w.pods[i] })
			r.Shuffle(len(w.groups), func(i, j int) { w.groups[i], w.groups[j] = w.groups[j], w.groups[i] })
			s = Build(w.inputs(sweep), noon, s)
			uids, ids, used := map[string]int{}, map[string]int{}, map[string]int{}
			for _, p := range s.Placements {
				if p.Pod != nil {
					uids[p.Pod.UID]++
				}
				if p.Group != nil {
					used[p.Group.ID]++
				}
			}
			for _, g := range s.Groups {
				ids[g.ID]++
				if want := map[Relation]int{Joined: 1, Orphan: 1}[g.Relation]; used[g.ID] != want {
					t.Fatalf("group %s is %s and is in %d placements", g.ID, g.Relation, used[g.ID])
				}
			}
			owned := map[string]int{}
			for _, workload := range s.Workloads {
				for _, p := range workload.Members() {
					owned[p.Pod.UID]++
				}
			}
			for _, p := range w.pods {
				if owned[p.UID] != 1 {
					t.Fatalf("pod %s is in %d workloads", p.UID, owned[p.UID])
				}
				if uids[p.UID] != 1 {
					t.Fatalf("pod %s is there %d times", p.UID, uids[p.UID])
				}
			}
			for _, g := range w.groups {
				if ids[g.ID] != 1 {
					t.Fatalf("group %s is there %d times", g.ID, ids[g.ID])
				}
			}
			if len(uids) != len(w.pods) || len(ids) != len(w.groups) {
				t.Fatalf("%d pods of %d, %d groups of %d", len(uids), len(w.pods), len(ids), len(w.groups))
			}
		}
	})
}

func BenchmarkBuildWhole(b *testing.B) {
	in := whole(100_000)
	for b.Loop() {
		Build(in, noon, nil)
	}
}

func BenchmarkBuildOnePodChanged(b *testing.B) {
	in := whole(100_000)
	s := Build(in, noon, nil)
	for b.Loop() {
		p := *in.Pods.Items[50_000]
		p.Restarts++
		in.Pods.Items = slices.Clone(in.Pods.Items)
		in.Pods.Items[50_000] = &p
		s = Build(in, noon, s)
	}
}

func BenchmarkBuildOneGroupChanged(b *testing.B) {
	in := whole(100_000)
	s := Build(in, noon, nil)
	for b.Loop() {
		g := *in.Groups.Items[10_000]
		g.Restarts++
		in.Groups.Items = slices.Clone(in.Groups.Items)
		in.Groups.Items[10_000] = &g
		s = Build(in, noon, s)
	}
}

func TestADisagreementIsSaidOnlyWhenItLasts(t *testing.T) {
	changed := noon
	for _, c := range []struct {
		name  string
		pod   func(*Pod)
		group func(*Group)
	}{
		{"the group's listing is older than the pod's start", func(p *Pod) { p.Changed = changed }, func(g *Group) { g.Status = eci.Pending }},
		{"the pod ended, the listing is older", func(p *Pod) { p.Phase, p.Status, p.Changed = "Succeeded", "Completed", changed }, func(*Group) {}},
		{"the group ended, the virtual node has not polled yet", func(*Pod) {}, func(g *Group) { g.Status, g.Ended = eci.Failed, changed }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, g := eciPod("web-0"), ourGroup("eci-web-0", "web-0")
			c.pod(p)
			c.group(g)
			early := together(alone(p), p, g, changed.Add(settleLag-time.Second))
			if early.status != p.Status {
				t.Errorf("at once it says %q, want %q", early.status, p.Status)
			}
			if want := changed.Add(settleLag); !early.recheck.Equal(want) {
				t.Errorf("looked at again at %v, want %v", early.recheck, want)
			}
			if late := together(alone(p), p, g, changed.Add(settleLag)); late.status == p.Status {
				t.Errorf("after %s it still says %q", settleLag, late.status)
			}
		})
	}
}
