package collectors

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var noon = metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func terminated(reason string, code int32) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
}

// TestPrinted holds that a pod's words are kubectl's. Each case is a healthy pod with one
// change; the wanted words were read from printPod.
func TestPrinted(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	yes := true
	initPod := func(p *corev1.Pod, states ...corev1.ContainerState) {
		p.Status.Phase, p.Status.ContainerStatuses = corev1.PodPending, nil
		for i, s := range states {
			name := fmt.Sprint("init", i)
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: name})
			p.Status.InitContainerStatuses = append(p.Status.InitContainerStatuses, corev1.ContainerStatus{Name: name, State: s})
		}
	}
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		want   printout
	}{
		{"running", func(*corev1.Pod) {}, printout{"Running", 1, 1, 0}},
		{"restarts are counted", func(p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount = 4 }, printout{"Running", 1, 1, 4}},
		{"not ready", func(p *corev1.Pod) { p.Status.ContainerStatuses[0].Ready = false }, printout{"Running", 0, 1, 0}},
		{"crash loop", func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{State: waiting("CrashLoopBackOff"), RestartCount: 7}
		}, printout{"CrashLoopBackOff", 0, 1, 7}},
		{"pending without statuses", func(p *corev1.Pod) { p.Status = corev1.PodStatus{Phase: corev1.PodPending} }, printout{"Pending", 0, 1, 0}},
		{"scheduling gated", func(p *corev1.Pod) {
			p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Reason: "SchedulingGated"}}}
		}, printout{"SchedulingGated", 0, 1, 0}},
		{"completed", func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodSucceeded
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{State: terminated("Completed", 0)}
		}, printout{"Completed", 0, 1, 0}},
		{"an exit code without a reason", func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodFailed
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{State: terminated("", 3)}
		}, printout{"ExitCode:3", 0, 1, 0}},
		{"a signal", func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodFailed
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Signal: 9, ExitCode: 137}}
		}, printout{"Signal:9", 0, 1, 0}},
		{"evicted", func(p *corev1.Pod) {
			p.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}
		}, printout{"Evicted", 0, 1, 0}},
		{"one container completed, the other runs and is ready", func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "b"})
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: terminated("Completed", 0)}, {Ready: true, State: running()}}
		}, printout{"Running", 1, 2, 0}},
		{"one container completed, the other runs, the pod is not ready", func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "b"})
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: terminated("Completed", 0)}, {Ready: true, State: running()}}
		}, printout{"NotReady", 1, 2, 0}},
		{"one container completed, the other failed", func(p *corev1.Pod) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "b"})
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: terminated("Completed", 0)}, {State: terminated("OOMKilled", 137)}}
		}, printout{"OOMKilled", 0, 2, 0}},
		{"the second init container runs", func(p *corev1.Pod) { initPod(p, terminated("Completed", 0), running(), waiting("PodInitializing")) },
			printout{"Init:1/3", 0, 1, 0}},
		{"an init container cannot pull", func(p *corev1.Pod) { initPod(p, waiting("ImagePullBackOff")) }, printout{"Init:ImagePullBackOff", 0, 1, 0}},
		{"an init container failed", func(p *corev1.Pod) { initPod(p, terminated("Error", 1)) }, printout{"Init:Error", 0, 1, 0}},
		{"init containers are done", func(p *corev1.Pod) {
			initPod(p, terminated("Completed", 0))
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: waiting("PodInitializing")}}
		}, printout{"PodInitializing", 0, 1, 0}},
		{"a sidecar counts in ready and restarts", func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "mesh", RestartPolicy: &always}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "mesh", Ready: true, Started: &yes, RestartCount: 2, State: running()}}
		}, printout{"Running", 2, 2, 2}},
		{"terminating", func(p *corev1.Pod) { p.DeletionTimestamp = &noon }, printout{"Terminating", 1, 1, 0}},
		{"an ended pod being deleted keeps its word", func(p *corev1.Pod) {
			p.DeletionTimestamp = &noon
			p.Status.Phase = corev1.PodSucceeded
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{State: terminated("Completed", 0)}
		}, printout{"Completed", 0, 1, 0}},
		{"on a lost node", func(p *corev1.Pod) { p.DeletionTimestamp, p.Status.Reason = &noon, "NodeLost" }, printout{"Unknown", 1, 1, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := kubePod("web-0", "n", "")
			test.change(p)
			if got := printed(p); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestPodRecord(t *testing.T) {
	yes := true
	p := kubePod("web-5d8f-x", "virtual-1", "eci-1")
	p.Labels = map[string]string{"pod-template-hash": "5d8f", "alibabacloud.com/acs": "true"}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-5d8f", Controller: &yes}}
	p.CreationTimestamp, p.Status.StartTime = noon, &noon
	p.Spec.InitContainers = []corev1.Container{{Name: "migrate"}}
	p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("250m"), "memory": resource.MustParse("1Gi")}
	want := &fleet.Pod{
		UID: "uid-web-5d8f-x", Namespace: "shop", Name: "web-5d8f-x", ResourceVersion: "1", NodeName: "virtual-1",
		Workload: fleet.Owner{Kind: "Deployment", Name: "web"}, InstanceID: "eci-1", ACS: true, Phase: "Running", Status: "Running",
		ReadyContainers: 1, TotalContainers: 1, Containers: []string{"app"}, InitContainers: []string{"migrate"},
		RequestCPU: 250, RequestMemory: 1 << 30, Asked: fleet.Ask{CPU: 0.25, Memory: 1}, Created: noon.Time, Started: noon.Time,
	}
	if diff := cmp.Diff(want, podRecord(p)); diff != "" {
		t.Error(diff)
	}
}

// TestWhatAPodAsksFor has a pod that requests half a vCPU and a GiB, and one change in each case.
func TestWhatAPodAsksFor(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)}
	}
	for _, c := range []struct {
		name        string
		change      func(*corev1.Pod)
		cpu, memory int64 // requests: millicores, MiB
		asked       fleet.Ask
	}{
		{"requests alone", nil, 500, 1024, fleet.Ask{CPU: 0.5, Memory: 1}},
		{"limits are what ECI bills", func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Limits = list("4", "8Gi") }, 500, 1024, fleet.Ask{CPU: 4, Memory: 8}},
		{"a sidecar", func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "mesh", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: list("250m", "512Mi"), Limits: list("1", "1Gi")}}}
		}, 750, 1536, fleet.Ask{CPU: 1.5, Memory: 2}},
		{"the pod's own resources", func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: list("1", "2Gi"), Limits: list("2", "3Gi")}
		}, 1000, 2048, fleet.Ask{CPU: 2, Memory: 3}},
		{"a size by annotation", func(p *corev1.Pod) { p.Annotations["k8s.aliyun.com/eci-use-specs"] = "8-16Gi" }, 500, 1024, fleet.Ask{CPU: 8, Memory: 16}},
		{"a machine type", func(p *corev1.Pod) { p.Annotations["k8s.aliyun.com/eci-use-specs"] = "ecs.c6.large" }, 500, 1024, fleet.Ask{Open: true}},
		{"disk beyond what is free", func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests["ephemeral-storage"] = resource.MustParse("50Gi")
		}, 500, 1024, fleet.Ask{CPU: 0.5, Memory: 1, Disk: 20}},
		{"nothing", func(p *corev1.Pod) { p.Spec.Containers[0].Resources = corev1.ResourceRequirements{} }, 0, 0, fleet.Ask{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := kubePod("web-0", "n", "eci-1")
			p.Spec.Containers[0].Resources.Requests = list("500m", "1Gi")
			if c.change != nil {
				c.change(p)
			}
			if r := podRecord(p); r.RequestCPU != c.cpu || r.RequestMemory != c.memory<<20 || r.Asked != c.asked {
				t.Errorf("requests %d millicores and %d MiB, asked %+v", r.RequestCPU, r.RequestMemory>>20, r.Asked)
			}
		})
	}
}

func TestWorkloadOf(t *testing.T) {
	yes := true
	tests := []struct {
		name, kind, owner, hash string
		want                    fleet.Owner
	}{
		{"a bare pod", "", "", "", fleet.Owner{}},
		{"a Deployment's", "ReplicaSet", "web-abc", "abc", fleet.Owner{Kind: "Deployment", Name: "web"}},
		{"a ReplicaSet nobody owns", "ReplicaSet", "web", "", fleet.Owner{Kind: "ReplicaSet", Name: "web"}},
		{"a ReplicaSet whose name is not the hash's", "ReplicaSet", "web", "abc", fleet.Owner{Kind: "ReplicaSet", Name: "web"}},
		{"a StatefulSet's", "StatefulSet", "db", "", fleet.Owner{Kind: "StatefulSet", Name: "db"}},
		{"a Job's", "Job", "backup-2911", "", fleet.Owner{Kind: "Job", Name: "backup-2911"}},
	}
	for _, test := range tests {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"pod-template-hash": test.hash}}}
		if test.kind != "" {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: test.kind, Name: test.owner, Controller: &yes}}
		}
		if got := workloadOf(p); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestPodReason(t *testing.T) {
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		want   string
	}{
		{"nothing to say", func(*corev1.Pod) {}, ""},
		{"the pod's own", func(p *corev1.Pod) { p.Status.Reason, p.Status.Message = "Evicted", "low on memory" }, "Evicted: low on memory"},
		{"the scheduler's", func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available"}}
		}, "0/3 nodes are available"},
		{"a waiting container's", func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}
		}, "container app: no such image"},
		{"how a container ended last time", func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].Ready = false
			p.Status.ContainerStatuses[0].LastTerminationState = terminated("OOMKilled", 137)
		}, "container app ended last time with OOMKilled: exit code 137"},
		{"why it waits to be started again", func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].Ready = false
			p.Status.ContainerStatuses[0].LastTerminationState = terminated("Error", 1)
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 5m0s restarting"}}
		}, "container app ended last time with Error: exit code 1; back-off 5m0s restarting"},
	}
	for _, test := range tests {
		p := kubePod("web-0", "n", "")
		test.change(p)
		if got := podReason(p); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestNodePlace(t *testing.T) {
	tests := []struct {
		name   string
		change func(*corev1.Node)
		want   fleet.Place
	}{
		{"a real node of nobody we know", func(*corev1.Node) {}, fleet.PlaceOther},
		{"a virtual node", func(n *corev1.Node) { n.Labels["type"] = "virtual-kubelet" }, fleet.PlaceECI},
		{"a VNode", func(n *corev1.Node) { n.Labels["k8s.aliyun.com/vnode"] = "true" }, fleet.PlaceECI},
		{"ECS by the provider id", func(n *corev1.Node) { n.Spec.ProviderID = "cn-hangzhou.i-bp1abc" }, fleet.PlaceECS},
		{"ECS by the provider id with a scheme", func(n *corev1.Node) { n.Spec.ProviderID = "alicloud://cn-shanghai.i-uf6abc" }, fleet.PlaceECS},
		{"ECS by the instance type", func(n *corev1.Node) { n.Labels[corev1.LabelInstanceTypeStable] = "ecs.g7.large" }, fleet.PlaceECS},
		{"another cloud's", func(n *corev1.Node) { n.Spec.ProviderID = "aws:///us-east-1a/i-0abc" }, fleet.PlaceOther},
		{"an edge node with its own type", func(n *corev1.Node) { n.Labels[corev1.LabelInstanceTypeStable] = "edge" }, fleet.PlaceOther},
	}
	for _, test := range tests {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}}}
		test.change(n)
		if got := nodeRecord(n).Place; got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestAVirtualNodeSaysWhatItsPodsDoNotReach(t *testing.T) {
	for _, status := range []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown} {
		for _, virtual := range []bool{true, false} {
			n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}}}
			if virtual {
				n.Labels["type"] = "virtual-kubelet"
			}
			n.Status.Conditions = []corev1.NodeCondition{{Type: "ClusterNetworkReachable", Status: status, Message: "pods on ECI do not reach DNS"}}
			want := ""
			if virtual && status == corev1.ConditionFalse {
				want = "pods on ECI do not reach DNS"
			}
			if got := nodeRecord(n).Unreached; got != want {
				t.Errorf("%s, virtual %v: %q", status, virtual, got)
			}
		}
	}
}

func TestNodeStatus(t *testing.T) {
	ready := []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	unknown := []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}
	tests := []struct {
		conditions []corev1.NodeCondition
		cordoned   bool
		want       string
	}{
		{ready, false, "Ready"}, {ready, true, "Ready,SchedulingDisabled"}, {unknown, false, "NotReady"}, {nil, false, "Unknown"},
	}
	for _, test := range tests {
		n := &corev1.Node{Spec: corev1.NodeSpec{Unschedulable: test.cordoned}, Status: corev1.NodeStatus{Conditions: test.conditions}}
		if got := nodeStatus(n); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestGroupRecord(t *testing.T) {
	got := groupRecord(&eci.Group{
		ID: "eci-1", Name: "shop-web", Status: eci.Scheduling, ZoneID: "cn-hangzhou-h", CPU: 2, Memory: 4, SpotStrategy: "NoSpot",
		Tags:       eci.Identity{ClusterID: "c", Namespace: "shop", PodName: "web"}.Tags(),
		Containers: []eci.Container{{RestartCount: 2, Current: eci.ContainerState{State: "Waiting", Reason: "ContainerCreating"}}, {RestartCount: 1}},
		Events: []eci.Event{
			{Type: "Warning", Reason: "NoStock", Message: "out of stock", Last: noon.Time},
			{Type: "Warning", Reason: "Older", Last: noon.Add(-time.Hour)},
			{Type: "Normal", Reason: "Newer", Last: noon.Add(time.Hour)},
		},
	})
	want := &fleet.Group{
		ID: "eci-1", Name: "shop-web", Status: eci.Scheduling, Zone: "cn-hangzhou-h", CPU: 2, Memory: 4, Restarts: 3,
		Identity: eci.Identity{ClusterID: "c", Namespace: "shop", PodName: "web"}, Reason: "NoStock", Message: "out of stock",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBackOffIsBounded(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 4: 16 * time.Second, 5: 30 * time.Second, 900: 30 * time.Second} {
		if got := backOff(failures); got != want {
			t.Errorf("after %d failures %s, want %s", failures, got, want)
		}
	}
}

// BenchmarkPodMemory says how many bytes one held pod takes, record and pointer.
func BenchmarkPodMemory(b *testing.B) {
	for b.Loop() {
		const pods = 100_000
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		k := &kept[fleet.Pod]{compare: fleet.ComparePods, equal: func(a, b *fleet.Pod) bool { return a == b }, dirty: make(chan struct{}, 1)}
		for i := range pods {
			p := kubePod(fmt.Sprintf("web-5d8f7c-%06d", i), fmt.Sprint("node-", i%5000), fmt.Sprintf("eci-bp1%013d", i))
			if err := k.Add(&record[fleet.Pod]{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}, item: podRecord(p)}); err != nil {
				b.Fatal(err)
			}
		}
		_, _, _, _ = k.take()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/pods, "B/pod")
		runtime.KeepAlive(k)
	}
}
