package migrate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/provider/placement"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// healthy is a fleet in which a Deployment of three pods on a real node can be swapped.
func healthy() *Facts {
	set := map[string]string{"app": "web", "pod-template-hash": "6c"}
	three := int32(3)
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1",
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi")}}}}}}
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-6c", UID: "rs", Annotations: map[string]string{revision: "1"}},
		Spec: appsv1.ReplicaSetSpec{Replicas: &three, Selector: &metav1.LabelSelector{MatchLabels: set}, Template: template}}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "d", Annotations: map[string]string{revision: "1"}},
		Status: appsv1.DeploymentStatus{Replicas: 3, UpdatedReplicas: 3}}
	f := &Facts{Now: noon, Siblings: map[types.UID][]*corev1.Pod{}, ReplicaSets: map[types.UID]*appsv1.ReplicaSet{"rs": rs}, Deployments: map[string]*appsv1.Deployment{"shop/web": d},
		Filtered: map[string]string{}, Skipped: map[string]string{},
		Namespaces: map[string]*Space{"shop": {Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, Claims: map[string]*corev1.PersistentVolumeClaim{},
			Services: []*corev1.Service{{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}}},
			Budgets: []*policyv1.PodDisruptionBudget{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "b"},
				Spec:   policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr(intstr.FromInt32(0)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
				Status: policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 3, DesiredHealthy: 3}}}}},
		Virtual: []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "vk", UID: "n-vk", Labels: map[string]string{placement.NodeTypeLabel: placement.NodeType, corev1.LabelTopologyRegion: "cn-hangzhou"}},
			Spec: corev1.NodeSpec{Taints: placement.Taints()}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
				Allocatable: corev1.ResourceList{"cpu": resource.MustParse("100"), "memory": resource.MustParse("400Gi"), "pods": resource.MustParse("100")}}}}}
	for _, name := range []string{"web-6c-a", "web-6c-b", "web-6c-c"} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), Labels: set,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}}, Spec: *template.Spec.DeepCopy(),
			Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
		pod.Spec.NodeName = "ecs-1"
		f.Pods = append(f.Pods, pod)
		f.Siblings["rs"] = append(f.Siblings["rs"], pod)
	}
	return f
}

// TestWhatANodeAddsIsInSizesAndPrices has a pod of 2 vCPU and 4 GiB.
func TestWhatANodeAddsIsInSizesAndPrices(t *testing.T) {
	profile, err := placement.ParseProfile(map[string]string{"selectors": `[{"name": "big", "objectSelector": {"matchLabels": {"app": "web"}}, "effect": {"annotations": {"k8s.aliyun.com/eci-use-specs": "4-8Gi"}}}]`})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, said, size string
		rate             int64
		profile          placement.Profile
	}{
		{"a node that says nothing", "", "2c 4Gi billed", 441_072, placement.Profile{}},
		{"one that adds nothing", "{}", "2c 4Gi billed", 441_072, placement.Profile{}},
		{"a kube-proxy", `{"cpu":"50m","memory":"64Mi"}`, "4c 6Gi billed (asked 2c 4Gi)", 838_008, placement.Profile{}},
		{"defaults that name a size", `{"profile":"kube-system/eci-profile"}`, "4c 8Gi billed (asked 2c 4Gi)", 882_144, profile},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			node := f.Virtual[0]
			node.Annotations = map[string]string{placement.AnnotationAdds: c.said}
			f.profiles = map[string]placement.Profile{node.Name: c.profile}
			p := Make(f, Request{To: ToECI, Site: spec.ChinaSite})
			for _, x := range p.Items {
				if x.Strategy != Swap || x.Size.String() != c.size || x.After != money.PerHour(c.rate, money.CNY) {
					t.Errorf("%s of %s: %s for %s", x.Strategy, x.Pod.Name, x.Size, x.After)
				}
			}
		})
	}
}

func TestMake(t *testing.T) {
	web := func(f *Facts) *corev1.Pod { return f.Pods[0] }
	template := func(f *Facts) *corev1.PodSpec { return &f.ReplicaSets["rs"].Spec.Template.Spec }
	owner := func(f *Facts, kind string) {
		for _, p := range f.Pods {
			p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = kind, "other", "other"
		}
	}
	set := func(f *Facts) {
		three := int32(3)
		f.Sets = map[types.UID]*appsv1.StatefulSet{"other": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "other", UID: "other"},
			Spec: appsv1.StatefulSetSpec{Replicas: &three, Template: f.ReplicaSets["rs"].Spec.Template}, Status: appsv1.StatefulSetStatus{ReadyReplicas: 3}}}
	}
	onECI := func(f *Facts) {
		for _, p := range f.Pods {
			p.Spec.NodeName = "vk"
		}
	}
	node := func(f *Facts) {
		f.Drained = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1", UID: "n-1"}}
	}
	for _, c := range []struct {
		name   string
		change func(*Facts)
		to     Destination
		want   Strategy
		why    string // in the first item's words or checks
	}{
		{"a healthy one is swapped", nil, ToECI, Swap, "surge pod"},
		{"home", onECI, ToECS, Swap, "surge pod"},
		{"on ECI already", onECI, ToECI, Stay, "on ECI already"},
		{"on a real node already", nil, ToECS, Stay, "real node already"},
		{"without a node", func(f *Facts) { web(f).Spec.NodeName = ""; web(f).Status.Phase = corev1.PodPending }, ToECI, Place, "has no node"},
		{"without a node, to real ones", func(f *Facts) { web(f).Spec.NodeName = "" }, ToECS, Stay, "scheduler"},
		{"being deleted", func(f *Facts) { web(f).DeletionTimestamp = ptr(metav1.NewTime(noon)) }, ToECI, Stay, "deleted"},
		{"ended", func(f *Facts) { web(f).Status.Phase = corev1.PodSucceeded }, ToECI, Stay, "ended"},
		{"of a DaemonSet", func(f *Facts) { owner(f, "DaemonSet") }, ToECI, Stay, "DaemonSet"},
		{"static", func(f *Facts) { web(f).Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }, ToECI, Stay, "static"},
		{"of a StatefulSet", func(f *Facts) { owner(f, "StatefulSet"); set(f) }, ToECI, Restart, "missing until then"},
		{"of a StatefulSet that is gone", func(f *Facts) { owner(f, "StatefulSet") }, ToECI, Stay, "gone"},
		{"of a Job", func(f *Facts) { owner(f, "Job") }, ToECI, Stay, "anew"},
		{"of an operator", func(f *Facts) { owner(f, "Database") }, ToECI, Restart, "policy"},
		{"of an operator without a budget", func(f *Facts) { owner(f, "Database"); f.Namespaces["shop"].Budgets = nil }, ToECI, Stay, "PodDisruptionBudget"},
		{"of an operator without policies", func(f *Facts) { owner(f, "Database"); f.NoPolicy = "no policies" }, ToECI, Stay, "no policies"},
		{"of OpenKruise's StatefulSet", func(f *Facts) {
			owner(f, "StatefulSet")
			set(f) // Kubernetes' own of that name is another one
			for _, p := range f.Pods {
				p.OwnerReferences[0].APIVersion, p.OwnerReferences[0].UID = "apps.kruise.io/v1beta1", "kruise"
			}
		}, ToECI, Restart, "StatefulSet.apps.kruise.io other"},
		{"of Volcano's Job", func(f *Facts) {
			owner(f, "Job")
			f.Namespaces["shop"].Budgets = nil
			for _, p := range f.Pods {
				p.OwnerReferences[0].APIVersion = "batch.volcano.sh/v1alpha1"
			}
		}, ToECI, Stay, "Job.batch.volcano.sh other is an operator's"},
		{"of OpenKruise's DaemonSet", func(f *Facts) {
			owner(f, "DaemonSet")
			for _, p := range f.Pods {
				p.OwnerReferences[0].APIVersion = "apps.kruise.io/v1alpha1"
			}
		}, ToECI, Stay, "one pod on each node"},
		{"its ReplicaSet is gone", func(f *Facts) { clear(f.ReplicaSets) }, ToECI, Stay, "web-6c is gone: it will be deleted"},
		{"its ReplicaSet may not be read", func(f *Facts) {
			clear(f.ReplicaSets)
			f.Withheld = map[types.UID]string{"rs": "forbidden to you"}
		}, ToECI, Stay, "web-6c can't be read, so what becomes of its pods is not known (forbidden to you); ask for the right"},
		{"its StatefulSet may not be read", func(f *Facts) {
			owner(f, "StatefulSet")
			f.Withheld = map[types.UID]string{"other": "forbidden to you"}
		}, ToECI, Stay, "StatefulSet other can't be read"},
		{"its Deployment may not be read", func(f *Facts) {
			f.ReplicaSets["rs"].OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(f.Deployments["shop/web"], appsv1.SchemeGroupVersion.WithKind("Deployment"))}
			clear(f.Deployments)
			f.Withheld = map[types.UID]string{"d": "forbidden to you"}
		}, ToECI, Stay, "Deployment web can't be read"},
		{"of nobody", func(f *Facts) { web(f).OwnerReferences = nil }, ToECI, Stay, "no controller"},
		{"dead, on a drained node", func(f *Facts) { node(f); web(f).Status.Phase = corev1.PodFailed }, Anywhere, Evict, "has ended"},
		{"dead, on a node that is drained to ECI", func(f *Facts) { node(f); web(f).Status.Phase = corev1.PodFailed }, ToECI, Stay, "has ended"},
		{"a surge pod of another operation", func(f *Facts) {
			web(f).OwnerReferences[0].Controller = nil
			web(f).Labels = map[string]string{placement.LabelOperation: "x"}
		}, ToECI, Stay, "ops show x"},
		{"hostPath", func(f *Facts) {
			template(f).Volumes = []corev1.Volume{{Name: "h", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		}, ToECI, Stay, "hostPath"},
		{"a claim of one node", func(f *Facts) {
			template(f).Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}}}
			f.Namespaces["shop"].Claims["c"] = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}}}
		}, ToECI, Stay, "one node at a time"},
		{"Recreate", func(f *Facts) { f.Deployments["shop/web"].Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }, ToECI, Stay, "Recreate"},
		{"a rollout has begun", func(f *Facts) { f.Deployments["shop/web"].Annotations[revision] = "2" }, ToECI, Stay, "rollout"},
		{"a rollout is under way", func(f *Facts) { f.Deployments["shop/web"].Status.Replicas = 4 }, ToECI, Stay, "under way"},
		{"it was scaled up a moment ago", func(f *Facts) {
			f.ReplicaSets["rs"].Spec.Replicas = ptr(int32(5)) // two of them are not made yet
			f.Deployments["shop/web"].Status = appsv1.DeploymentStatus{Replicas: 3, UpdatedReplicas: 3}
		}, ToECI, Swap, "surge pod"},
		{"its Deployment is gone", func(f *Facts) { clear(f.Deployments) }, ToECI, Stay, "gone"},
		{"two budgets", func(f *Facts) {
			s := f.Namespaces["shop"]
			s.Budgets = append(s.Budgets, s.Budgets[0])
		}, ToECI, Stay, "both select it"},
		{"a sick budget", func(f *Facts) { f.Namespaces["shop"].Budgets[0].Status.CurrentHealthy = 2 }, ToECI, Swap, "evictions wait"},
		{"a Service by the hash", func(f *Facts) {
			f.Namespaces["shop"].Services[0].Spec.Selector = map[string]string{"pod-template-hash": "6c", "app": "web"}
		}, ToECI, Stay, "Service"},
		{"the cluster's network is not reached", func(f *Facts) {
			f.Virtual[0].Status.Conditions = append(f.Virtual[0].Status.Conditions, corev1.NodeCondition{Type: "ClusterNetworkReachable", Status: corev1.ConditionFalse})
		}, ToECI, Stay, "would not reach"},
		{"the virtual node is cordoned", func(f *Facts) { f.Virtual[0].Spec.Unschedulable = true }, ToECI, Stay, "cordoned"},
		{"no virtual node", func(f *Facts) { f.Virtual = nil }, ToECI, Stay, "no virtual node"},
		{"its node selector wants disks", func(f *Facts) { template(f).NodeSelector = map[string]string{"disk": "ssd"} }, ToECI, Stay, "node selector"},
		{"denied by default", func(f *Facts) {
			f.Namespaces["shop"].Policies = []*networkingv1.NetworkPolicy{{ObjectMeta: metav1.ObjectMeta{Name: "deny"}, Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}}}}
		}, ToECI, Stay, "security groups"},
		{"belongs on ECI only", func(f *Facts) {
			onECI(f)
			web(f).Labels = map[string]string{"alibabacloud.com/eci": "true", "pod-template-hash": "6c"}
		}, ToECS, Stay, "ECI only"},
		{"home, though its template requires virtual nodes", func(f *Facts) {
			onECI(f)
			placed := onto(template(f), f.Virtual[0])
			template(f).Tolerations, template(f).Affinity = placed.Tolerations, placed.Affinity
		}, ToECS, Stay, "deploy/web --to ecs"},
		{"home, though its node selector is of virtual nodes", func(f *Facts) {
			onECI(f)
			template(f).NodeSelector = map[string]string{placement.NodeTypeLabel: placement.NodeType}
		}, ToECS, Stay, "deploy/web --to ecs"},
		{"home, its template tolerates virtual nodes", func(f *Facts) { onECI(f); open(template(f), f.Virtual[0]) }, ToECS, Swap, "surge pod"},
		{"home, its template takes virtual nodes or others", func(f *Facts) {
			onECI(f)
			placed := onto(template(f), f.Virtual[0])
			template(f).Tolerations, template(f).Affinity = placed.Tolerations, placed.Affinity
			terms := &template(f).Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
			*terms = append(*terms, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpExists}}})
		}, ToECS, Swap, "surge pod"},
		{"home, a clone of what requires virtual nodes", func(f *Facts) {
			onECI(f)
			web(f).OwnerReferences, web(f).Spec.NodeSelector = nil, map[string]string{placement.NodeTypeLabel: placement.NodeType}
		}, ToECS, Stay, "no controller"},
		{"a full quota", func(f *Facts) {
			f.Namespaces["shop"].Quotas = []*corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Status: corev1.ResourceQuotaStatus{
				Hard: corev1.ResourceList{"pods": resource.MustParse("3")}, Used: corev1.ResourceList{"pods": resource.MustParse("3")}}}}
		}, ToECI, Stay, "ResourceQuota q has 3 of 3 pods"},
		{"local data", func(f *Facts) {
			web(f).Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}, ToECI, Swap, "scratch is lost"},
		{"drained, of a StatefulSet", func(f *Facts) { node(f); owner(f, "StatefulSet") }, Anywhere, Evict, "comes back under its name"},
		{"drained, Recreate", func(f *Facts) {
			node(f)
			f.Deployments["shop/web"].Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		}, Anywhere, Evict, "Recreate"},
		{"drained, filtered", func(f *Facts) { node(f); f.Filtered["shop/web-6c-a"] = "kubectl drain would not delete it" }, Anywhere, Stay, "kubectl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			if c.change != nil {
				c.change(f)
			}
			p := Make(f, Request{To: c.to, Targets: []Ref{{Kind: "Deployment", Namespace: "shop", Name: "web"}}, Soak: time.Minute})
			var x *Item
			for i := range p.Items {
				if p.Items[i].Pod.UID == f.Pods[0].UID {
					x = &p.Items[i]
				}
			}
			text := x.Why
			for _, k := range x.Checks {
				text += "\n" + k.Reason
			}
			if x.Strategy != c.want || !strings.Contains(text, c.why) {
				t.Errorf("%s: %s", x.Strategy, text)
			}
			if x.Strategy == Stay && (x.State != Stays || p.Moves() == 3) {
				t.Errorf("it stays, and is %s; %d move", x.State, p.Moves())
			}
		})
	}
}

func TestAPlanSaysWhatItCostsAndTakes(t *testing.T) {
	p := Make(healthy(), Request{To: ToECI, Soak: time.Minute})
	// 2 vCPU and 4 GiB: 2 × 0.1764 + 4 × 0.022068, three times.
	if len(p.After) != 1 || p.After[0].MicrosPerHour != 3*441_072 || len(p.Before) != 1 || p.Before[0].MicrosPerHour != 0 || p.Unpriced != 0 {
		t.Errorf("before %v, after %v, %d unpriced", p.Before, p.After, p.Unpriced)
	}
	if p.Parallel["Deployment/shop/web"] != 1 || p.ETA != 60+60+2*60 {
		t.Errorf("%v at a time, %d s", p.Parallel, p.ETA)
	}
	if len(p.Locks) != 1 || p.Locks[0].Name != "web" || p.Home != "shop" {
		t.Errorf("locks %v at %s", p.Locks, p.Home)
	}
}

// TestQuotasBindAPlaceWithSwaps: a workload's pod that is let onto ECI does not lift what its
// swaps are held to.
func TestQuotasBindAPlaceWithSwaps(t *testing.T) {
	f := healthy()
	last := f.Pods[2]
	last.Spec.NodeName, last.Status = "", corev1.PodStatus{Phase: corev1.PodPending}
	p := Make(f, Request{To: ToECI})
	if n := p.Parallel["Deployment/shop/web"]; n != 1 || p.Moves() != 3 {
		t.Errorf("%d at a time, of %d", n, p.Moves())
	}
	last.Labels, f.Pods[0].Name = map[string]string{"app": "web", "pod-template-hash": "6c"}, "web-6c-z" // in another order
	if p := Make(f, Request{To: ToECI}); p.Parallel["Deployment/shop/web"] != 1 {
		t.Errorf("%v at a time", p.Parallel)
	}
}

// TestPodsThatHaveEndedSlowNobody: what is only removed from a node binds no sibling.
func TestPodsThatHaveEndedSlowNobody(t *testing.T) {
	f := crowded(30)
	f.Drained = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1", UID: "n-1"}}
	f.Pods[7].Status.Phase = corev1.PodFailed
	p := Make(f, Request{To: Anywhere})
	if n := p.Parallel["Deployment/shop/web"]; n != 3 {
		t.Errorf("%d at a time", n)
	}
}

// TestOnlyAScarceQuotaWaitsForOldPods: one with room for all that move holds nobody up.
func TestOnlyAScarceQuotaWaitsForOldPods(t *testing.T) {
	for pods, want := range map[string]bool{"": false, "6": true, "1000": false} {
		f := healthy()
		if pods != "" {
			f.Namespaces["shop"].Quotas = []*corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Status: corev1.ResourceQuotaStatus{
				Hard: corev1.ResourceList{"pods": resource.MustParse(pods)}, Used: corev1.ResourceList{"pods": resource.MustParse("3")}}}}
		}
		for _, x := range Make(f, Request{To: ToECI}).Items {
			if x.Quota != want {
				t.Errorf("%s pods: %t", pods, x.Quota)
			}
		}
	}
}

// TestAPlanNamesTheBudgetsOfWhatItEvicts: those of a StatefulSet's pods, too, which are one item.
func TestAPlanNamesTheBudgetsOfWhatItEvicts(t *testing.T) {
	f := healthy()
	three := int32(3)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "set"},
		Spec: appsv1.StatefulSetSpec{Replicas: &three, Template: f.ReplicaSets["rs"].Spec.Template}, Status: appsv1.StatefulSetStatus{Replicas: 3, ReadyReplicas: 3}}
	f.Sets, f.NoPolicy = map[types.UID]*appsv1.StatefulSet{"set": set}, "the server has no policies"
	for i, p := range f.Pods {
		p.Name = fmt.Sprintf("db-%d", i)
		p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
	}
	f.Namespaces["shop"].Budgets[0].Status.DesiredHealthy = 2
	f.Siblings["set"] = f.Pods
	p := Make(f, Request{To: ToECI})
	if len(p.Items) != 1 || p.Items[0].Strategy != Ordinals {
		t.Fatalf("items %+v", p.Items)
	}
	if len(p.Budgets) != 1 || p.Budgets[0].Name != "web" {
		t.Errorf("budgets %+v", p.Budgets)
	}
}

// TestAnItemTakesAsLongAsItsPodsOneAfterTheOther: a plan's time is of the pods, not of the items.
func TestAnItemTakesAsLongAsItsPodsOneAfterTheOther(t *testing.T) {
	rollout := func(replicas int32, recreate bool) Item {
		d := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &replicas}}
		if recreate {
			d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		}
		return Item{Strategy: Rollout, Pods: int(replicas), Change: rolloutChange(d, Fields{})}
	}
	for _, c := range []struct {
		name string
		item Item
		want int
	}{
		{"a pod", Item{Strategy: Swap}, 50},
		{"a pod behind a load balancer", Item{Strategy: Swap, Settle: 20}, 70},
		{"a StatefulSet of three", Item{Strategy: Ordinals, Pods: 3}, 150},
		{"a StatefulSet of three that take two minutes to end", Item{Strategy: Ordinals, Pods: 3, Grace: 120}, 510},
		{"a pod that takes two minutes to end before it is made anew", Item{Strategy: Restart, Grace: 120}, 170},
		{"a Job of three, all at once", Item{Strategy: Suspend, Pods: 3}, 50},
		{"a rollout of one", rollout(1, false), 50},
		{"a rollout of 20, two at once", rollout(20, false), 500},
		{"a rollout of 21, three at once", rollout(21, false), 350},
		{"a rollout that ends all first", rollout(20, true), 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.item.seconds(50); got != c.want {
				t.Errorf("%d s, want %d", got, c.want)
			}
		})
	}
}

// TestAPodOnARealNodeCostsItsShare: that is shown beside what ECI bills, and is in no sum with
// it, since the node is paid on.
func TestAPodOnARealNodeCostsItsShare(t *testing.T) {
	for _, c := range []struct {
		name   string
		share  func(node string, milliCPU, bytes int64) (money.Rate, string)
		change func(*Facts)
		to     Destination
		want   string
	}{
		{"known", func(node string, milliCPU, bytes int64) (money.Rate, string) {
			if node != "ecs-1" || milliCPU != 2000 || bytes != 4<<30 {
				return money.Rate{}, "asked for " + node
			}
			return money.PerHour(300_000, money.CNY), ""
		}, nil, ToECI, "before 0.00 CNY/h, its share 0.30 CNY/h , after 0.441072 CNY/h; in all [0.90 CNY/h] and 0 unknown"},
		{"not known", func(string, int64, int64) (money.Rate, string) { return money.Rate{}, "node ecs-1 has no price" }, nil, ToECI,
			"before 0.00 CNY/h, its share unknown node ecs-1 has no price, after 0.441072 CNY/h; in all [] and 3 unknown"},
		{"nobody knows", nil, nil, ToECI, "before 0.00 CNY/h, its share unknown nobody was asked what nodes cost, after 0.441072 CNY/h; in all [] and 3 unknown"},
		{"on ECI", func(string, int64, int64) (money.Rate, string) { return money.PerHour(1, money.CNY), "" }, func(f *Facts) {
			for _, p := range f.Pods {
				p.Spec.NodeName = "vk"
			}
		}, ToECS, "before 0.441072 CNY/h, its share unknown , after 0.00 CNY/h; in all [] and 0 unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			if c.change != nil {
				c.change(f)
			}
			p := Make(f, Request{To: c.to, Share: c.share})
			x := &p.Items[0]
			if got := fmt.Sprintf("before %s, its share %s %s, after %s; in all %v and %d unknown", x.Before, x.Share, x.NoShare, x.After, p.Share, p.Unshared); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			// The whole Deployment: the sum of its pods, or nothing.
			f.Whole = []Ref{{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "d"}}
			d := f.Deployments["shop/web"]
			d.Namespace, d.Spec.Template = "shop", f.ReplicaSets["rs"].Spec.Template
			f.ReplicaSets["rs"].OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
			whole := Make(f, Request{To: c.to, Share: c.share, How: Rollout})
			if y := &whole.Items[0]; len(whole.Items) != 1 || y.Share.MicrosPerHour != 3*x.Share.MicrosPerHour || y.Share.Known() != x.Share.Known() || y.NoShare != x.NoShare || y.Before.MicrosPerHour != 3*x.Before.MicrosPerHour {
				t.Errorf("of the whole: before %s, share %s %s", y.Before, y.Share, y.NoShare)
			}
		})
	}
}

func TestASizeIsSaidAsItIsBilled(t *testing.T) {
	for _, c := range []struct {
		asks map[corev1.ResourceName]string
		with map[string]string
		want string
	}{
		{map[corev1.ResourceName]string{"cpu": "2", "memory": "4Gi"}, nil, "2c 4Gi billed"},
		{map[corev1.ResourceName]string{"cpu": "3", "memory": "7Gi"}, nil, "4c 8Gi billed (asked 3c 7Gi)"},
		{nil, nil, "2c 4Gi billed (nothing asked)"},
		{nil, map[string]string{placementUseSpecs: "ecs.c6.large"}, "ecs.c6.large billed"},
		{nil, map[string]string{placementUseSpecs: "2-4Gi,4-8Gi"}, "its size is not known"},
		{map[corev1.ResourceName]string{"cpu": "900", "memory": "7Gi"}, nil, ""},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: c.with}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{}}}}}}
		for name, q := range c.asks {
			pod.Spec.Containers[0].Resources.Requests[name] = resource.MustParse(q)
		}
		if got := sizeOf(pod, "cn-hangzhou").String(); got != c.want {
			t.Errorf("%v %v: %q, want %q", c.asks, c.with, got, c.want)
		}
	}
}

// TestWaysAreWhatMovesItOtherwise: only what makes a difference to what is asked for is offered.
func TestWaysAreWhatMovesItOtherwise(t *testing.T) {
	one := func(kind string) func(*Facts) {
		return func(f *Facts) {
			f.Pods = f.Pods[:1]
			f.Pods[0].OwnerReferences[0].Kind, f.Pods[0].OwnerReferences[0].Name, f.Pods[0].OwnerReferences[0].UID = kind, "work", "job"
		}
	}
	whole := func(f *Facts) {
		d := f.Deployments["shop/web"]
		d.Namespace, d.Spec.Template, d.Spec.Replicas = "shop", f.ReplicaSets["rs"].Spec.Template, ptr(int32(3))
		d.Status.AvailableReplicas = 3
		f.ReplicaSets["rs"].OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
		f.Whole = []Ref{{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "d"}}
	}
	for _, c := range []struct {
		name   string
		change func(*Facts)
		how    Strategy
		want   string
	}{
		{"a pod of a Deployment", nil, "", "restart: restart"},
		{"restarted", nil, Restart, ": swap"},
		{"a Deployment", whole, "", "swap: swap, restart: restart"},
		{"swapped", whole, Swap, ": rollout, restart: restart"},
		{"nobody's", func(f *Facts) { f.Pods = f.Pods[:1]; f.Pods[0].OwnerReferences = nil }, "", "clone: clone"},
		{"nobody's, cloned", func(f *Facts) { f.Pods = f.Pods[:1]; f.Pods[0].OwnerReferences = nil }, Clone, ": leaving them as they are"},
		{"a Job", func(f *Facts) {
			one("Job")(f)
			f.Whole = []Ref{{Kind: "Job", Namespace: "shop", Name: "work", UID: "job"}}
			f.Jobs = map[types.UID]*batchv1.Job{"job": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "work", UID: "job"}, Spec: batchv1.JobSpec{Template: f.ReplicaSets["rs"].Spec.Template}, Status: batchv1.JobStatus{Active: 1}}}
		}, "", "suspend: suspend"},
		{"of a DaemonSet", one("DaemonSet"), "", ""},
		{"a drained node", func(f *Facts) { f.Drained = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1"}} }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			if c.change != nil {
				c.change(f)
			}
			var got []string
			for _, w := range Ways(f, Request{To: ToECI, How: c.how}) {
				got = append(got, string(w.How)+": "+w.String())
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%q, want %q", strings.Join(got, ", "), c.want)
			}
		})
	}
}

func TestASurgePodIsSeenByServicesAndNotByItsReplicaSet(t *testing.T) {
	f := healthy()
	rs := f.ReplicaSets["rs"]
	rs.Spec.Template.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "a", Operator: corev1.NodeSelectorOpDoesNotExist}}}, {}}}}}
	before := rs.DeepCopy()
	x := &Item{ID: "1", Node: "vk", Hidden: "pod-template-hash", Owner: Ref{Name: "web-6c"}}
	pod := SurgePod(rs, x, ToECI, "op", f.Virtual)
	if _, has := pod.Labels["pod-template-hash"]; has || pod.Labels["app"] != "web" || pod.Labels[placement.LabelOperation] != "op" {
		t.Errorf("labels %v", pod.Labels)
	}
	if o := pod.OwnerReferences; len(o) != 1 || o[0].UID != "rs" || o[0].Controller != nil {
		t.Errorf("owners %+v", o)
	}
	if pod.Annotations[annotationFailStrategy] != "fail-fast" || pod.Annotations[annotationMaxPending] != "10" {
		t.Errorf("annotations %v", pod.Annotations)
	}
	if !selected(pod, f.Virtual[0]) || selected(pod, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1"}}) {
		t.Error("it is not pinned to the virtual node in every term")
	}
	for i := range f.Virtual[0].Spec.Taints {
		if taint := &f.Virtual[0].Spec.Taints[i]; taint.Effect == corev1.TaintEffectNoSchedule && !toleratesTaint(pod.Spec.Tolerations, taint) {
			t.Errorf("it does not tolerate %v", taint)
		}
	}
	if pod.Name != surgeName("web-6c", "op", x) || pod.Name == surgeName("web-6c", "op", &Item{ID: "2"}) {
		t.Errorf("name %s", pod.Name)
	}
	if rs.Spec.Template.Labels["pod-template-hash"] != before.Spec.Template.Labels["pod-template-hash"] || len(rs.Spec.Template.Spec.Tolerations) != 0 {
		t.Error("the ReplicaSet was changed")
	}
	home := SurgePod(rs, &Item{ID: "1", Hidden: "pod-template-hash", Owner: Ref{Name: "web-6c"}}, ToECS, "op", f.Virtual)
	if selected(home, f.Virtual[0]) || !selected(home, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1"}}) {
		t.Error("on its way home it may go to the virtual node")
	}
}
