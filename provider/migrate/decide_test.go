package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// serving is a swap whose surge pod serves and whose old pod is there.
func serving() (*Item, *swapView) {
	f := healthy()
	x := &Item{ID: "1", Pod: Ref{"Pod", "shop", "web-6c-a", "web-6c-a"}, Owner: Ref{"ReplicaSet", "shop", "web-6c", "rs"}, Strategy: Swap, State: Surging,
		Node: "vk", Hidden: "pod-template-hash", Workload: Ref{Kind: "Deployment", Namespace: "shop", Name: "web"}, Surge: Ref{UID: "surge"}, Made: noon}
	v := &swapView{awaited: true, old: f.Pods[0], owner: f.ReplicaSets["rs"], controlled: f.Pods, readyFor: time.Second}
	v.surge = SurgePod(v.owner, x, ToECI, "op", f.Virtual)
	v.surge.UID, v.surge.Spec.NodeName, v.surge.CreationTimestamp = "surge", "vk", metav1.NewTime(noon)
	v.surge.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	return x, v
}

// another is a pod that the ReplicaSet has made for the old one.
func another(v *swapView, phase corev1.PodPhase, node string) *corev1.Pod {
	p := v.controlled[1].DeepCopy()
	p.Name, p.UID, p.Spec.NodeName, p.CreationTimestamp = "web-6c-r", "r", node, metav1.NewTime(noon.Add(5*time.Second))
	p.Status = corev1.PodStatus{Phase: phase}
	return p
}

func TestDecideSwap(t *testing.T) {
	gone := func(v *swapView) { v.old, v.controlled = nil, v.controlled[1:] }
	faster := func(v *swapView) {
		gone(v)
		r := another(v, corev1.PodRunning, "ecs-1")
		r.Status = v.controlled[0].Status
		v.controlled = append(v.controlled, r)
	}
	unready := func(p *corev1.Pod) { p.Status.Conditions = nil }
	for _, c := range []struct {
		name   string
		change func(*Item, *swapView)
		want   verb
		state  State
		why    string
	}{
		{"it serves", nil, evict, "", ""},
		{"no surge pod yet", func(x *Item, v *swapView) { v.surge, x.Surge, x.State = nil, Ref{}, Planned }, create, "", ""},
		{"not Ready", func(_ *Item, v *swapView) { unready(v.surge) }, wait, "", "not Ready yet"},
		{"not Ready for too long", func(_ *Item, v *swapView) { unready(v.surge); v.spent = 11 * time.Minute }, remove, "", "given up"},
		{"not an endpoint", func(_ *Item, v *swapView) { v.unserved = "web" }, wait, "", "Service web"},
		{"behind a load balancer", func(x *Item, _ *swapView) { x.Settle = 15 }, wait, "", "15 s"},
		{"refused by the budget", func(x *Item, v *swapView) { x.State, v.refused = Evicting, "needs 3 healthy pods" }, evict, "", ""},
		{"refused by the budget for too long", func(x *Item, v *swapView) {
			x.State, v.refused, v.spent = Evicting, "needs 3 healthy pods", 11*time.Minute
		}, remove, "", "needs 3"},
		{"an image that isn't there", func(_ *Item, v *swapView) {
			unready(v.surge)
			v.surge.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
		}, remove, "", "ImagePullBackOff"},
		{"no stock", func(_ *Item, v *swapView) {
			unready(v.surge)
			v.surge.Status.Conditions = []corev1.PodCondition{{Type: conditionCreated, Status: corev1.ConditionFalse, Reason: "NoStock"}}
		}, remove, "", "NoStock"},
		{"failed fast", func(_ *Item, v *swapView) {
			v.surge.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "ProviderFailed"}
		}, remove, "", "ProviderFailed"},
		{"a rollout began", func(_ *Item, v *swapView) { v.changed = "a rollout has begun" }, remove, "", "rollout"},
		{"aborted", func(_ *Item, v *swapView) { v.aborting = true }, remove, "", "aborted"},
		{"being removed", func(x *Item, _ *swapView) { x.State, x.Reason = Removing, "why" }, remove, "", "why"},
		{"removed", func(x *Item, v *swapView) { x.State, x.Reason, v.surge = Removing, "why", nil }, end, Aborted, "why"},
		{"the surge pod was deleted by somebody", func(_ *Item, v *swapView) { v.surge = nil }, end, Aborted, "somebody has deleted"},
		{"evicted, and the surge pod is gone", func(x *Item, v *swapView) { gone(v); x.State, v.surge = Evicting, nil }, end, Aborted, "by itself"},
		{"a sibling waits for a node", func(_ *Item, v *swapView) { v.controlled[1].Status.Phase = corev1.PodPending }, wait, "", "Pending"},
		{"a sibling is not Ready, and pods are Ready at once", func(_ *Item, v *swapView) { unready(v.controlled[1]) }, wait, "", "would delete the one that isn't"},
		{"a sibling is not Ready, and pods take their time", func(_ *Item, v *swapView) {
			unready(v.controlled[1])
			for _, p := range v.controlled {
				for i := range p.Status.Conditions {
					p.Status.Conditions[i].LastTransitionTime = metav1.NewTime(p.CreationTimestamp.Add(5 * time.Second))
				}
			}
		}, evict, "", ""},
		{"the ReplicaSet is gone", func(_ *Item, v *swapView) { v.owner = nil }, remove, "", "gone"},

		{"the old pod has gone", func(x *Item, v *swapView) { gone(v); x.State = Evicting }, adopt, "", ""},
		{"it is ending", func(x *Item, v *swapView) {
			x.State, v.old = Evicting, v.old.DeepCopy()
			v.old.DeletionTimestamp, v.controlled = ptr(metav1.NewTime(noon)), v.controlled[1:]
		}, adopt, "", ""},
		{"aborted beyond the point of no return", func(x *Item, v *swapView) { gone(v); x.State, v.aborting = Evicting, true }, adopt, "", ""},
		{"a replacement is pending", func(x *Item, v *swapView) {
			gone(v)
			v.controlled = append(v.controlled, another(v, corev1.PodPending, "ecs-1"))
		}, adopt, "", ""},
		{"the replacement was Ready first", func(_ *Item, v *swapView) { faster(v) }, retarget, "", "moved in its place"},
		{"the replacement was Ready first, and it is aborted", func(_ *Item, v *swapView) { faster(v); v.aborting = true }, remove, "", "Ready first"},
		{"the replacement was Ready first, again and again", func(x *Item, v *swapView) { faster(v); x.Again = 3 }, remove, "", "Ready first"},
		{"the replacement was Ready first, off the node that is drained", func(x *Item, v *swapView) {
			faster(v)
			x.Node, x.From, v.anywhere = "", "ecs-0", true
		}, remove, "", "Ready first"},
		{"then the surge pod is gone", func(x *Item, v *swapView) {
			faster(v)
			x.Node, x.From, v.anywhere, x.State, v.surge = "", "ecs-0", true, Removing, nil
		}, end, Done, "web-6c-r on ecs-1"},
		{"deleted upon the adoption, because the replacement was Ready off the node that is drained", func(x *Item, v *swapView) {
			faster(v)
			x.Node, x.From, v.anywhere, x.State, v.surge = "", "ecs-0", true, Adopting, nil
		}, end, Done, "web-6c-r on ecs-1"},
		{"the replacement was Ready first, on the node that is drained", func(x *Item, v *swapView) {
			faster(v)
			x.Node, x.From, v.anywhere = "", "ecs-1", true
		}, retarget, "", "moved in its place"},
		{"the replacement was Ready first, and where it should be", func(x *Item, v *swapView) {
			faster(v)
			x.Node, x.State, v.surge = "ecs-1", Adopting, nil
		}, end, Done, "web-6c-r on ecs-1"},
		{"the successor was made within the surge pod's second", func(x *Item, v *swapView) {
			faster(v)
			v.controlled[len(v.controlled)-1].CreationTimestamp = metav1.NewTime(noon)
			x.Node, x.From, v.anywhere, x.State, v.surge = "", "ecs-0", true, Removing, nil
		}, end, Done, "all 3 pods are Ready"},
		{"its ReplicaSet lacks a pod", func(x *Item, v *swapView) {
			gone(v)
			x.Node, x.From, v.anywhere, x.State, x.Reason, v.surge = "", "ecs-0", true, Removing, "by itself", nil
		}, end, Aborted, "by itself"},
		{"removed before anything was evicted", func(x *Item, v *swapView) {
			x.State, x.Reason, v.surge = Removing, "nothing was disrupted", nil
		}, end, Aborted, "nothing was disrupted"},
		{"gone before the surge pod was Ready", func(_ *Item, v *swapView) { gone(v); unready(v.surge) }, remove, "", "by itself"},
		{"a bystander would go instead of the replacement", func(x *Item, v *swapView) {
			gone(v)
			v.controlled[0].Status, v.controlled[0].Spec.NodeName = corev1.PodStatus{Phase: corev1.PodPending}, ""
			v.controlled = append(v.controlled, another(v, corev1.PodPending, "ecs-1"))
		}, wait, "", "web-6c-b"},
		{"an unhealthy sibling that runs goes after the replacement", func(x *Item, v *swapView) {
			gone(v)
			unready(v.controlled[0])
			v.controlled = append(v.controlled, another(v, corev1.PodPending, "ecs-1"))
		}, adopt, "", ""},
		{"the replacement was Ready first, and a sibling never is", func(_ *Item, v *swapView) { faster(v); unready(v.controlled[0]) }, retarget, "", "moved in its place"},
		{"that, and it is aborted", func(_ *Item, v *swapView) { faster(v); unready(v.controlled[0]); v.aborting = true }, remove, "", "Ready first"},
		{"that, again and again", func(x *Item, v *swapView) { faster(v); unready(v.controlled[0]); x.Again = 3 }, remove, "", "Ready first"},
		{"that, where the replacement should be", func(x *Item, v *swapView) {
			faster(v)
			unready(v.controlled[0])
			x.Node = "ecs-1"
		}, remove, "", "Ready first"},
		{"that, and the ReplicaSet has one pod less", func(_ *Item, v *swapView) {
			faster(v)
			unready(v.controlled[0])
			v.controlled = v.controlled[1:]
		}, adopt, "", ""},
		{"a sibling is Pending, and another pod was made meanwhile and is Ready", func(_ *Item, v *swapView) {
			faster(v)
			v.owner.Spec.Replicas = ptr(int32(4))
			v.controlled[0].Status, v.controlled[0].Spec.NodeName = corev1.PodStatus{Phase: corev1.PodPending}, ""
			v.controlled = append(v.controlled, another(v, corev1.PodPending, "ecs-1"))
		}, wait, "", "web-6c-b"},
		{"labelled", func(x *Item, v *swapView) { gone(v); v.surge.Labels["pod-template-hash"] = "6c" }, wait, "", "adopts"},
		{"adopted", func(x *Item, v *swapView) {
			gone(v)
			x.State = Adopting
			v.surge.OwnerReferences[0].Controller = ptr(true)
			v.controlled = append(v.controlled, v.surge)
		}, end, Done, "web-6c-"},
		{"adopted on a real node", func(x *Item, v *swapView) {
			gone(v)
			x.State = Adopting
			v.surge.OwnerReferences[0].Controller = ptr(true)
			v.surge.Annotations[corev1.PodDeletionCost] = firstCost
			v.controlled = append(v.controlled, v.surge)
		}, settle, "", ""},
		{"adopted, and the old pod ends", func(x *Item, v *swapView) {
			x.State, v.controlled = Adopting, append(v.controlled[1:], v.surge)
			v.old.DeletionTimestamp = ptr(metav1.NewTime(noon))
			v.surge.OwnerReferences[0].Controller = ptr(true)
		}, linger, Leaving, "ends its grace period"},
		{"adopted, and nobody waits for the old pod to end", func(x *Item, v *swapView) {
			x.State, v.controlled, v.awaited = Adopting, append(v.controlled[1:], v.surge), false
			v.old.DeletionTimestamp = ptr(metav1.NewTime(noon))
			v.surge.OwnerReferences[0].Controller = ptr(true)
		}, end, Done, "replaced by"},
		{"its successor serves, and it ends", func(x *Item, v *swapView) {
			x.State, x.Reason, v.surge, v.old.DeletionTimestamp = Leaving, "replaced"+endsItsGrace, nil, ptr(metav1.NewTime(noon))
		}, linger, Leaving, "ends its grace period"},
		{"its successor serves, and it is gone", func(x *Item, v *swapView) {
			x.State, x.Reason, v.surge, v.old = Leaving, "replaced"+endsItsGrace, nil, nil
		}, end, Done, "replaced"},
		{"its successor serves, and it does not end", func(x *Item, v *swapView) {
			x.State, x.Reason, v.surge, v.old.DeletionTimestamp, v.overdue = Leaving, "replaced"+endsItsGrace, nil, ptr(metav1.NewTime(noon)), endDeadline
		}, end, Done, "is still there"},
		{"its successor serves, it ends, and it is aborted", func(x *Item, v *swapView) {
			x.State, x.Reason, v.surge, v.old.DeletionTimestamp, v.aborting = Leaving, "replaced"+endsItsGrace, nil, ptr(metav1.NewTime(noon)), true
		}, end, Done, "still ends"},
		{"the replacement was Ready first, and the old pod ends", func(_ *Item, v *swapView) {
			old := v.old
			faster(v)
			v.old, old.DeletionTimestamp = old, ptr(metav1.NewTime(noon))
		}, linger, Surging, "when the old pod has ended"},
		{"deleted upon the adoption", func(x *Item, v *swapView) { gone(v); x.State, v.surge = Adopting, nil }, end, Aborted, "upon the adoption"},
		{"deleted upon the adoption, because the replacement was Ready", func(x *Item, v *swapView) { faster(v); x.State, v.surge = Adopting, nil }, retarget, "", "moved in its place"},
		{"adopted without an answer, and deleted upon that, because the replacement was Ready", func(x *Item, v *swapView) { faster(v); x.State, v.surge = Evicting, nil }, retarget, "", "moved in its place"},
		{"adopted, and its ReplicaSet deletes it, because the replacement was Ready", func(x *Item, v *swapView) {
			faster(v)
			x.State, v.surge.OwnerReferences[0].Controller, v.surge.DeletionTimestamp = Adopting, ptr(true), ptr(metav1.NewTime(noon))
		}, retarget, "", "moved in its place"},
		{"adopted, and has ended since", func(x *Item, v *swapView) {
			gone(v)
			x.State, v.surge.OwnerReferences[0].Controller, v.surge.Status.Phase = Adopting, ptr(true), corev1.PodFailed
		}, end, Aborted, "upon the adoption"},
		{"adopted, and the replacement is not deleted yet", func(x *Item, v *swapView) {
			gone(v)
			x.State = Adopting
			v.surge.OwnerReferences[0].Controller = ptr(true)
			v.controlled = append(v.controlled, v.surge, another(v, corev1.PodPending, "ecs-1"))
		}, wait, "", "deletes the replacement"},
		{"scaled to nothing after the eviction", func(x *Item, v *swapView) { gone(v); v.owner.Spec.Replicas, v.controlled = ptr(int32(0)), nil }, remove, "", "Ready first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, v := serving()
			if c.change != nil {
				c.change(x, v)
			}
			a := decideSwap(x, *v)
			if a.verb != c.want || a.state != c.state || !strings.Contains(a.reason, c.why) {
				t.Errorf("got %d %s %q, want %d %s %q", a.verb, a.state, a.reason, c.want, c.state, c.why)
			}
		})
	}
}

func TestNext(t *testing.T) {
	operation := func(states ...State) *Operation {
		o := &Operation{State: Running, Plan: Plan{To: ToECI, Soak: 60, Parallel: map[string]int{}}}
		for i, s := range states {
			x := Item{ID: strconv.Itoa(i + 1), Strategy: Swap, State: s, Workload: Ref{Kind: "Deployment", Namespace: "shop", Name: "web"}, Surge: Ref{Name: "s"}}
			if s != Planned {
				x.Began, x.Ended = noon.Add(-3*time.Minute), noon.Add(time.Duration(i-120)*time.Second)
			}
			o.Plan.Items = append(o.Plan.Items, x)
		}
		return o
	}
	well := map[string]Health{"Deployment/shop/web": {Ready: true}}
	for _, c := range []struct {
		name   string
		o      *Operation
		change func(*Operation)
		health map[string]Health
		start  []int
		give   []int
	}{
		{"the canary alone", operation(Planned, Planned, Planned), nil, nil, []int{0}, nil},
		{"while the canary is on its way", operation(Surging, Planned), nil, nil, nil, nil},
		{"the canary soaks", operation(Done, Planned), func(o *Operation) { o.Plan.Items[0].Ended = noon.Add(-time.Second) }, well, nil, nil},
		{"nothing is known of the canary", operation(Done, Planned), nil, nil, nil, nil},
		{"the canary is well", operation(Done, Planned, Planned, Planned, Planned), nil, well, []int{1, 2, 3}, nil},
		{"as many as a workload may", operation(Done, Surging, Surging, Planned, Planned), nil, well, []int{3}, nil},
		{"as many as quotas let", operation(Done, Planned, Planned), func(o *Operation) { o.Plan.Parallel["Deployment/shop/web"] = 1 }, well, []int{1}, nil},
		{"the canary restarts", operation(Done, Planned), nil, map[string]Health{"Deployment/shop/web": {Ready: true, Restarts: 1}}, nil, []int{1}},
		{"the canary is not Ready any more", operation(Done, Planned), nil, map[string]Health{"Deployment/shop/web": {}}, nil, []int{1}},
		{"the canary failed", operation(Aborted, Planned), nil, nil, nil, []int{1}},
		{"one failed after others", operation(Done, Aborted, Planned), nil, well, []int{2}, nil},
		{"two failed in a row", operation(Done, Aborted, Failed, Planned), nil, well, nil, []int{3}},
		{"one failed in a drain", operation(Done, Aborted, Planned), func(o *Operation) { o.Plan.Drain = &Drained{} }, well, nil, []int{2}},
		{"one that needs a look ends a drain", operation(Done, Failed, Planned), func(o *Operation) {
			o.Plan.Drain, o.Plan.Items[2].Workload.Name = &Drained{}, "other"
		}, well, nil, []int{2}},
		{"an old pod that ends holds nobody up", operation(Leaving, Leaving, Planned, Planned), func(o *Operation) {
			for i := range 2 {
				o.Plan.Items[i].Ended, o.Plan.Items[i].Steps = time.Time{}, []Step{{At: noon.Add(-2 * time.Minute)}}
			}
		}, well, []int{2, 3}, nil},
		{"but where a quota counts it", operation(Done, Leaving, Planned, Planned), func(o *Operation) {
			o.Plan.Items[1].Quota, o.Plan.Parallel["Deployment/shop/web"] = true, 1
		}, well, nil, nil},
		{"the canary soaks while the old pod ends", operation(Leaving, Planned), func(o *Operation) {
			o.Plan.Items[0].Ended, o.Plan.Items[0].Steps = time.Time{}, []Step{{At: noon.Add(-time.Second)}}
		}, well, nil, nil},
		{"what had ended already is none either", operation(Done, Aborted, Planned), func(o *Operation) {
			o.Plan.Drain, o.Plan.Items[1].Dead = &Drained{}, true
		}, well, []int{2}, nil},
		{"one that was scaled away is no failure", operation(Done, Aborted, Planned), func(o *Operation) {
			o.Plan.Drain, o.Plan.Items[1].Gone = &Drained{}, true
		}, well, []int{2}, nil},
		{"one whose dead node holds it does not", operation(Done, Failed, Planned), func(o *Operation) {
			o.Plan.Drain, o.Plan.Items[1].Stuck, o.Plan.Items[2].Workload.Name = &Drained{}, true, "other"
		}, well, []int{2}, nil},
		{"one as before ends its workload's part of a drain", operation(Done, Aborted, Planned, Planned), func(o *Operation) {
			o.Plan.Drain, o.Plan.Items[2].Workload.Name = &Drained{}, "other"
		}, well, []int{2}, []int{3}},
		{"one that was let onto ECI is no canary", operation(Done, Planned, Planned), func(o *Operation) {
			o.Plan.Items[0].Strategy, o.Plan.Items[0].Surge = Place, Ref{}
		}, nil, []int{1}, nil},
		{"critical ones are the last of a drain", operation(Done, Surging, Planned, Planned), func(o *Operation) {
			o.Plan.Drain = &Drained{}
			for i := range o.Plan.Items {
				o.Plan.Items[i].Workload.Name, o.Plan.Items[i].Critical = strconv.Itoa(i), i > 1
			}
		}, nil, nil, nil},
		{"they go when the others have gone", operation(Done, Aborted, Planned, Planned), func(o *Operation) {
			o.Plan.Drain = &Drained{}
			for i := range o.Plan.Items {
				o.Plan.Items[i].Workload.Name, o.Plan.Items[i].Critical = strconv.Itoa(i), i > 1
			}
		}, nil, []int{2, 3}, nil},
		{"without a drain nobody waits for that", operation(Done, Surging, Planned), func(o *Operation) {
			o.Plan.Items[2].Workload.Name, o.Plan.Items[2].Critical = "other", true
		}, well, []int{2}, nil},
		{"aborted", operation(Done, Surging, Planned), func(o *Operation) { o.State = Aborting }, well, nil, []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil {
				c.change(c.o)
			}
			start, give := Next(c.o, c.health, noon)
			if !slices.Equal(start, c.start) || !slices.Equal(slices.Sorted(maps.Keys(give)), c.give) {
				t.Errorf("start %v, give up %v", start, give)
			}
		})
	}
	t.Run("never more than ten", func(t *testing.T) {
		o := operation(slices.Repeat([]State{Planned}, 30)...)
		for i := range o.Plan.Items {
			o.Plan.Items[i].Workload.Name = fmt.Sprint(i)
		}
		if start, _ := Next(o, nil, noon); len(start) != 10 {
			t.Errorf("%d start", len(start))
		}
	})
}

func TestDecidePlace(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Item, *placeView)
		want   verb
		state  State
	}{
		{"it does not tolerate the virtual node", nil, admit, ""},
		{"it tolerates it since a moment", func(x *Item, v *placeView) {
			open(&v.pod.Spec, v.node)
			x.Steps = []Step{{}}
		}, wait, ""},
		{"the scheduler does not take it", func(x *Item, v *placeView) {
			open(&v.pod.Spec, v.node)
			x.Steps, v.waited = []Step{{}}, time.Minute
		}, bind, ""},
		{"its node selector does not take it", func(_ *Item, v *placeView) { v.pod.Spec.NodeSelector = map[string]string{"a": "b"} }, bind, ""},
		{"its claim waits", func(_ *Item, v *placeView) {
			v.pod.Spec.NodeSelector, v.keeps = map[string]string{"a": "b"}, "claim"
		}, end, Aborted},
		{"the node was closed since the plan", func(x *Item, v *placeView) {
			x.Steps = []Step{{}}
			open(&v.pod.Spec, v.node)
			v.node.Spec.Taints = append(v.node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
		}, wait, ""},
		{"it stays closed", func(_ *Item, v *placeView) {
			v.waited = time.Hour
			v.node.Spec.Taints = append(v.node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
		}, end, Aborted},
		{"it has a node", func(_ *Item, v *placeView) { v.pod.Spec.NodeName = "vk" }, end, Done},
		{"it is gone", func(_ *Item, v *placeView) { v.pod = nil }, end, Aborted},
		{"gated", func(_ *Item, v *placeView) { v.pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "g"}} }, end, Aborted},
		{"aborted", func(_ *Item, v *placeView) { v.aborting = true }, end, Aborted},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			x, v := &Item{Node: "vk", State: Placing}, placeView{pod: f.Pods[0], node: f.Virtual[0]}
			v.pod.Spec.NodeName, v.pod.Status = "", corev1.PodStatus{Phase: corev1.PodPending}
			if c.change != nil {
				c.change(x, &v)
			}
			if a := decidePlace(x, v); a.verb != c.want || a.state != c.state {
				t.Errorf("got %d %s %q", a.verb, a.state, a.reason)
			}
		})
	}
}

func TestFirstToGoIsWhomTheControllerTakes(t *testing.T) {
	pod := func(name string, change func(*corev1.Pod)) *corev1.Pod {
		p := healthy().Pods[0]
		p.Name, p.UID, p.CreationTimestamp = name, types.UID(name), metav1.NewTime(noon)
		change(p)
		return p
	}
	nobody := pod("without a node", func(p *corev1.Pod) { p.Spec.NodeName = "" })
	pending := pod("pending", func(p *corev1.Pod) { p.Status = corev1.PodStatus{Phase: corev1.PodPending} })
	sick := pod("not ready", func(p *corev1.Pod) { p.Status.Conditions = nil })
	cheap := pod("cheap", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.PodDeletionCost: "-1000"} })
	young := pod("young", func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour)) })
	old := pod("old", func(*corev1.Pod) {})
	all := []*corev1.Pod{old, young, cheap, sick, pending, nobody}
	for len(all) > 0 {
		if first := firstToGo(all); first != all[len(all)-1] {
			t.Errorf("%s goes before %s", first.Name, all[len(all)-1].Name)
		}
		all = all[:len(all)-1]
	}
}

func TestDecideEvict(t *testing.T) {
	set := func(ready int32) *appsv1.StatefulSet {
		return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: appsv1.StatefulSetSpec{Replicas: ptr(int32(3))}, Status: appsv1.StatefulSetStatus{ReadyReplicas: ready}}
	}
	for _, c := range []struct {
		name   string
		change func(*evictView)
		want   verb
		state  State
	}{
		{"it is there", nil, evict, ""},
		{"of a StatefulSet that is Ready", func(v *evictView) { v.set = set(3) }, evict, ""},
		{"a sibling is not Ready", func(v *evictView) { v.set = set(2) }, wait, ""},
		{"it is the one that is not Ready", func(v *evictView) { v.set, v.old.Status.Conditions = set(2), nil }, evict, ""},
		{"a sibling is not Ready for too long", func(v *evictView) { v.set, v.spent = set(2), time.Hour }, end, Aborted},
		{"refused by the budget", func(v *evictView) { v.refused = "needs 3" }, evict, ""},
		{"refused by the budget for too long", func(v *evictView) { v.refused, v.spent = "needs 3", time.Hour }, end, Aborted},
		{"it is ending", func(v *evictView) { v.asked, v.old.DeletionTimestamp = true, ptr(metav1.NewTime(noon)) }, wait, ""},
		{"it has gone", func(v *evictView) { v.asked, v.old = true, nil }, end, Done},
		{"it has gone by itself", func(v *evictView) { v.old = nil }, end, Aborted},
		{"its successor is not Ready", func(v *evictView) { v.asked, v.old, v.set = true, nil, set(2) }, wait, ""},
		{"its successor is never Ready", func(v *evictView) { v.asked, v.old, v.set, v.spent = true, nil, set(2), time.Hour }, end, Failed},
		{"aborted", func(v *evictView) { v.aborting = true }, end, Aborted},
		{"aborted when it has gone", func(v *evictView) { v.asked, v.old, v.set, v.aborting = true, nil, set(3), true }, end, Done},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := evictView{old: healthy().Pods[0]}
			if c.change != nil {
				c.change(&v)
			}
			if a := decideEvict(v); a.verb != c.want || a.state != c.state {
				t.Errorf("got %d %s %q", a.verb, a.state, a.reason)
			}
		})
	}
}

func TestDecideClone(t *testing.T) {
	pod := func(phase corev1.PodPhase) *corev1.Pod {
		p := healthy().Pods[0].DeepCopy()
		p.Status.Phase = phase
		return p
	}
	for _, c := range []struct {
		name  string
		view  cloneView
		want  verb
		state State
	}{
		{"it serves", cloneView{old: pod(corev1.PodRunning), clone: pod(corev1.PodRunning)}, evict, ""},
		{"the old pod is gone, and it serves", cloneView{clone: pod(corev1.PodRunning)}, end, Done},
		{"the old pod is gone, and it starts", cloneView{clone: pod(corev1.PodPending)}, end, Done},
		{"the old pod is gone, and it has failed", cloneView{clone: pod(corev1.PodFailed)}, end, Failed},
		{"it has failed", cloneView{old: pod(corev1.PodRunning), clone: pod(corev1.PodFailed)}, remove, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a := decideClone(&Item{State: Evicting, Surge: Ref{UID: "c"}}, c.view); a.verb != c.want || a.state != c.state {
				t.Errorf("%+v", a)
			}
		})
	}
}
