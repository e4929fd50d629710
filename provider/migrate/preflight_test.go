package migrate

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// TestPreflight has, for each row of PREFLIGHT.md, the healthy fleet and one change.
func TestPreflight(t *testing.T) {
	template := func(f *Facts) *corev1.PodTemplateSpec { return &f.ReplicaSets["rs"].Spec.Template }
	main := func(f *Facts) *corev1.Container { return &template(f).Spec.Containers[0] }
	space := func(f *Facts) *Space { return f.Namespaces["shop"] }
	service := func(f *Facts) *corev1.ServiceSpec { return &space(f).Services[0].Spec }
	claim := func(f *Facts, modes ...corev1.PersistentVolumeAccessMode) {
		template(f).Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}}}
		space(f).Claims["c"] = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Spec: corev1.PersistentVolumeClaimSpec{AccessModes: modes}}
	}
	pending := func(f *Facts) {
		for _, p := range f.Pods {
			p.Spec.NodeName, p.Status.Phase, p.Status.Conditions = "", corev1.PodPending, nil
		}
	}
	stateful := func(f *Facts) {
		three := int32(3)
		for _, p := range f.Pods {
			p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = "StatefulSet", "db", "set"
		}
		f.Sets = map[types.UID]*appsv1.StatefulSet{"set": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "set"},
			Spec: appsv1.StatefulSetSpec{Replicas: &three, Template: *template(f)}, Status: appsv1.StatefulSetStatus{ReadyReplicas: 3}}}
	}
	home := func(f *Facts) {
		for _, p := range f.Pods {
			p.Spec.NodeName = "vk"
		}
	}
	whole := func(f *Facts) {
		d := f.Deployments["shop/web"]
		d.Namespace, d.Spec.Template, d.Spec.Replicas = "shop", *template(f).DeepCopy(), ptr(int32(3))
		d.Spec.Strategy.Type = appsv1.RollingUpdateDeploymentStrategyType
		d.Status.AvailableReplicas = 3
		f.ReplicaSets["rs"].OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
		f.Whole = []Ref{{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "d"}}
	}
	limits := func(l corev1.ResourceList) corev1.ResourceRequirements { return corev1.ResourceRequirements{Limits: l} }
	condition := func(f *Facts, kind corev1.NodeConditionType) {
		f.Virtual[0].Status.Conditions = append(f.Virtual[0].Status.Conditions, corev1.NodeCondition{Type: kind, Status: corev1.ConditionFalse, Message: "no route"})
	}
	type row struct {
		check  string
		level  Level
		says   string
		change func(*Facts)
		to     Destination
	}
	rows := []row{
		{"runs-on-eci", Block, "hostPath", func(f *Facts) {
			template(f).Spec.Volumes = []corev1.Volume{{Name: "h", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		}, ToECI},
		{"runs-on-eci", Block, "hostNetwork", func(f *Facts) { template(f).Spec.HostNetwork = true }, ToECI},
		{"runs-on-eci", Block, "hostPort", func(f *Facts) { main(f).Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}} }, ToECI},
		{"runs-on-eci", Block, "10250", func(f *Facts) { main(f).Ports = []corev1.ContainerPort{{ContainerPort: 10250}} }, ToECI},
		{"runs-on-eci", Block, "os.name", func(f *Facts) { template(f).Spec.OS = &corev1.PodOS{Name: corev1.Windows} }, ToECI},
		{"runs-on-eci", Block, "containers", func(f *Facts) {
			for i := range 21 {
				c := *main(f)
				c.Name = "c" + string(rune('a'+i))
				template(f).Spec.Containers = append(template(f).Spec.Containers, c)
			}
		}, ToECI},
		{"runs-on-eci", Block, "nvidia.com/gpu", func(f *Facts) {
			main(f).Resources = limits(corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")})
		}, ToECI},
		{"owner", Block, "is gone", func(f *Facts) { clear(f.Deployments) }, ToECI},
		{"services", Warn, "node ports", func(f *Facts) { service(f).Type = corev1.ServiceTypeNodePort }, ToECI},
		{"services", Warn, "Local", func(f *Facts) {
			service(f).Type, service(f).ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
		}, ToECI},
		{"size", Info, "2 vCPU and 4 GiB", nil, ToECI},
		{"size", Warn, "billed as 2.0-16.0Gi", func(f *Facts) {
			main(f).Resources = limits(corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("16Gi")})
		}, ToECI},
		{"limit-range", Warn, "LimitRange small", func(f *Facts) {
			space(f).Ranges = []*corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer,
				Default: corev1.ResourceList{"cpu": resource.MustParse("8")}}}}}}
		}, ToECI},
		{"resources", Block, "does not offer", func(f *Facts) {
			main(f).Resources.Requests["cpu"] = resource.MustParse("60")
			f.Virtual[0].Status.Allocatable["cpu"] = resource.MustParse("50")
		}, ToECI},
		{"disk", Warn, "40Gi", func(f *Facts) {
			main(f).Resources.Requests[corev1.ResourceEphemeralStorage] = resource.MustParse("40Gi")
			f.Virtual[0].Status.Allocatable[corev1.ResourceEphemeralStorage] = resource.MustParse("1Ti")
		}, ToECI},
		{"local-data", Warn, "scratch", func(f *Facts) {
			f.Pods[0].Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}, ToECI},
		{"volumes", Block, "one node at a time", func(f *Facts) { claim(f, corev1.ReadWriteOnce) }, ToECI},
		{"volumes", Block, "another zone", func(f *Facts) {
			stateful(f)
			f.Volumes = map[types.UID]map[string]string{"web-6c-a": {"vk": "it is in another zone"}}
		}, ToECI},
		{"volumes", Block, "not bound", func(f *Facts) {
			pending(f)
			f.Volumes = map[types.UID]map[string]string{"web-6c-a": {"vk": "the claim c is not bound yet"}}
		}, ToECI},
		{"node-selector", Block, "node selector", func(f *Facts) { template(f).Spec.NodeSelector = map[string]string{"kubernetes.io/arch": "arm64"} }, ToECI},
		{"node-selector", Block, "its template sends it to ECI: it requires virtual nodes; `ecideck migrate deploy/web --to ecs`", func(f *Facts) {
			home(f)
			placed := onto(&template(f).Spec, f.Virtual[0])
			template(f).Spec.Tolerations, template(f).Spec.Affinity = placed.Tolerations, placed.Affinity
		}, ToECS},
		{"taints", Block, "has the taint", func(f *Facts) {
			f.Virtual[0].Spec.Taints = append(f.Virtual[0].Spec.Taints, corev1.Taint{Key: "maintenance", Effect: corev1.TaintEffectNoSchedule})
		}, ToECI},
		{"spread", Warn, "share a host", func(f *Facts) {
			template(f).Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname}}}}
		}, ToECI},
		{"spread", Warn, "spread over hosts", func(f *Facts) {
			template(f).Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule}}
		}, ToECI},
		{"marks", Block, "keeps it on real nodes", func(f *Facts) {
			for _, p := range f.Pods {
				p.Labels = map[string]string{"app": "web", "alibabacloud.com/eci": "false"}
			}
		}, ToECI},
		{"critical", Warn, "the cluster's own", func(f *Facts) { f.Pods[0].Spec.PriorityClassName = "system-cluster-critical" }, ToECI},
		{"singleton", Warn, "the only one", func(f *Facts) { f.ReplicaSets["rs"].Spec.Replicas = ptr(int32(1)) }, ToECI},
		{"strategy", Block, "Recreate", func(f *Facts) { f.Deployments["shop/web"].Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }, ToECI},
		{"strategy", Warn, "keeps the strategy OnDelete", func(f *Facts) {
			stateful(f)
			f.NoPolicy = "no policies"
			f.Sets["set"].Spec.Replicas = ptr(int32(9))
			f.Sets["set"].Status.ReadyReplicas = 9
			for i, p := range f.Pods {
				p.Labels = map[string]string{appsv1.PodIndexLabel: string(rune('0' + i)), "app": "web"}
			}
		}, ToECI},
		{"node-agents", Warn, "node's address", func(f *Facts) {
			main(f).Env = []corev1.EnvVar{{Name: "AGENT", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.hostIP"}}}}
		}, ToECI},
		{"node-agents", Warn, "169.254.20.10", func(f *Facts) { main(f).Env = []corev1.EnvVar{{Name: "DNS", Value: "169.254.20.10"}} }, ToECI},
		{"agents", Info, "logtail", func(f *Facts) { f.Agents = []string{"logtail"} }, ToECI},
		{"registry", Warn, "docker.io", nil, ToECI},
		{"registry", Warn, "harbor.local", func(f *Facts) { main(f).Image = "harbor.local/web:1" }, ToECI},
		{"image-cache", Info, "anew", nil, ToECI},
		{"virtual-node", Block, "no virtual node", func(f *Facts) { f.Virtual = nil }, ToECI},
		{"virtual-node", Block, "cordoned", func(f *Facts) { f.Virtual[0].Spec.Unschedulable = true }, ToECI},
		{"virtual-node", Block, "would not reach the cluster", func(f *Facts) { condition(f, "ClusterNetworkReachable") }, ToECI},
		{"cloud", Block, "does not answer", func(f *Facts) { condition(f, "CloudAPIReachable") }, ToECI},
		{"addresses", Block, "no more free addresses", func(f *Facts) { f.OnVirtual = map[string]int{"vk": 100} }, ToECI},
		{"addresses", Warn, "3 pods are to move", func(f *Facts) { f.OnVirtual = map[string]int{"vk": 98} }, ToECI},
		{"stock", Warn, "no stock", func(f *Facts) { f.NoStock = noon.Add(-time.Minute) }, ToECI},
		{"network-policy", Warn, "selects it", func(f *Facts) {
			space(f).Policies = []*networkingv1.NetworkPolicy{{ObjectMeta: metav1.ObjectMeta{Name: "some"}, Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}}}}
		}, ToECI},
		{"network-policy", Block, "denies by default", func(f *Facts) {
			space(f).Policies = []*networkingv1.NetworkPolicy{{ObjectMeta: metav1.ObjectMeta{Name: "deny"}, Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}}}}
		}, ToECI},
		{"quota", Block, "3 of 3 pods", func(f *Facts) {
			space(f).Quotas = []*corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Status: corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{"pods": resource.MustParse("3")}, Used: corev1.ResourceList{"pods": resource.MustParse("3")}}}}
		}, ToECI},
		{"quota", Warn, "short-lived replacement", func(f *Facts) {
			space(f).Quotas = []*corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Status: corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{"pods": resource.MustParse("4")}, Used: corev1.ResourceList{"pods": resource.MustParse("3")}}}}
		}, ToECI},
		{"budget", Block, "both select it", func(f *Facts) { space(f).Budgets = append(space(f).Budgets, space(f).Budgets[0]) }, ToECI},
		{"budget", Warn, "evictions wait", func(f *Facts) { space(f).Budgets[0].Status.CurrentHealthy = 2 }, ToECI},
		{"budget", Warn, "can't be computed", func(f *Facts) {
			space(f).Budgets[0].Status.Conditions = []metav1.Condition{{Type: policyv1.DisruptionAllowedCondition, Reason: policyv1.SyncFailedReason}}
		}, ToECI},
		{"budget", Block, "never allows an eviction", func(f *Facts) { stateful(f); space(f).Budgets[0].Status.ExpectedPods = 3 }, ToECI},
		{"budget", Info, "asks no budget", whole, ToECI},
		{"autoscaler", Warn, "HorizontalPodAutoscaler h scaled it 1m0s ago", func(f *Facts) {
			space(f).HPAs = []*autoscalingv2.HorizontalPodAutoscaler{{ObjectMeta: metav1.ObjectMeta{Name: "h"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}},
				Status: autoscalingv2.HorizontalPodAutoscalerStatus{LastScaleTime: ptr(metav1.NewTime(noon.Add(-time.Minute)))}}}
		}, ToECI},
		{"autoscaler", Warn, "CronHPA night scales it in 5m0s", func(f *Facts) {
			space(f).Scalers = []Scaler{{Kind: "CronHPA", Name: "night", Target: Ref{Kind: "Deployment", Name: "web"}, Next: nextRun("0 5 12 * * *", noon)}}
		}, ToECI},
		{"autoscaler", Info, "ScaledObject", func(f *Facts) {
			space(f).Scalers = []Scaler{{Kind: "ScaledObject", Target: Ref{Kind: "Deployment", Name: "web"}}}
		}, ToECI},
		{"autoscaler", Warn, "VerticalPodAutoscaler", func(f *Facts) {
			space(f).Scalers = []Scaler{{Kind: "VerticalPodAutoscaler", Target: Ref{Kind: "Deployment", Name: "web"}}}
		}, ToECI},
		{"placer", Warn, "ResourcePolicy order", func(f *Facts) {
			space(f).Placers = []Placer{{Kind: "ResourcePolicy", Name: "order", Selects: labels.SelectorFromSet(labels.Set{"app": "web"})}}
		}, ToECI},
		{"placer", Warn, "WorkloadSpread halves", func(f *Facts) {
			space(f).Placers = []Placer{{Kind: "WorkloadSpread", Name: "halves", Target: Ref{Kind: "Deployment", Name: "web"}}}
		}, ToECI},
		{"rollout", Block, "under way", func(f *Facts) { f.Deployments["shop/web"].Status.Replicas = 4 }, ToECI},
		{"rollout", Block, "paused", func(f *Facts) { whole(f); f.Deployments["shop/web"].Spec.Paused = true }, ToECI},
		{"rollout", Warn, "StatefulSet", func(f *Facts) {
			stateful(f)
			f.Sets["set"].Status.CurrentRevision, f.Sets["set"].Status.UpdateRevision = "a", "b"
		}, ToECI},
		{"siblings", Warn, "not Ready", func(f *Facts) {
			f.Siblings["rs"][1] = f.Siblings["rs"][1].DeepCopy()
			f.Siblings["rs"][1].Status.Conditions = nil
		}, ToECI},
		{"siblings", Warn, "is Pending", func(f *Facts) {
			f.Siblings["rs"][1] = f.Siblings["rs"][1].DeepCopy()
			f.Siblings["rs"][1].Status.Phase = corev1.PodPending
		}, ToECI},
		{"gitops", Info, "Argo CD", func(f *Facts) { f.Deployments["shop/web"].Annotations["argocd.argoproj.io/tracking-id"] = "x" }, ToECI},
		{"gitops", Warn, "set its template back", func(f *Facts) {
			whole(f)
			f.Deployments["shop/web"].Labels = map[string]string{"app.kubernetes.io/managed-by": "Helm"}
		}, ToECI},
		{"template", Info, "is not changed", nil, ToECI},
		{"template", Warn, "changed for good", whole, ToECI},
		{"deadline", Warn, "60 s", func(f *Facts) { whole(f); f.Deployments["shop/web"].Spec.ProgressDeadlineSeconds = ptr(int32(60)) }, ToECI},
		{"grace", Info, "120 s", func(f *Facts) { f.Pods[0].Spec.TerminationGracePeriodSeconds = ptr(int64(120)) }, ToECI},
		{"pre-stop", Info, "preStop", func(f *Facts) { main(f).Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{}} }, ToECI},
		{"gap", Warn, "missing from its eviction", stateful, ToECI},
		{"steering", Info, "every pod that Database other", func(f *Facts) {
			for _, p := range f.Pods {
				p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = "Database", "other", "other"
			}
		}, ToECI},
		{"room", Info, "whether real nodes have room", home, ToECS},
		{"room", Block, "too full", func(f *Facts) {
			stateful(f)
			home(f)
			f.Real = rooms([]*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1"}, Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi"), "pods": resource.MustParse("9")},
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}}, nil)
		}, ToECS},
		{"host-port", Warn, "host port 80", func(f *Facts) { home(f); main(f).Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}} }, ToECS},
		{"selector", Block, "every label", func(f *Facts) { service(f).Selector = map[string]string{"app": "web", "pod-template-hash": "6c"} }, ToECI},
		{"clock", Warn, "20s behind the API server's", func(f *Facts) { f.Skew = 20 * time.Second }, ToECI},
		{"clock", Block, "10m0s ahead of the API server's", func(f *Facts) { f.Skew = -10 * time.Minute }, ToECI},
		{"unread", Warn, "the budgets", func(f *Facts) { f.Unread = []string{"the budgets of namespace shop: forbidden"} }, ToECI},
		{"job", Warn, "work since it started", func(f *Facts) {
			f.Drained = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1", UID: "n"}}
			f.Pods[0].OwnerReferences[0].Kind = "Job"
		}, Anywhere},
		{"cordon", Info, "is cordoned first", func(f *Facts) { f.Drained = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1", UID: "n"}} }, ToECI},
	}
	seen := map[string]bool{}
	for _, c := range answered() {
		seen[c.check] = true
		t.Run(c.check+" "+c.says, c.test)
	}
	for _, c := range rows {
		seen[c.check] = true
		t.Run(c.check+" "+c.says, func(t *testing.T) {
			f := healthy()
			if c.change != nil {
				c.change(f)
			}
			p := Make(f, Request{To: c.to, Soak: time.Minute})
			all := slices.Clone(p.Checks)
			for i := range p.Items {
				all = append(all, p.Items[i].Checks...)
			}
			found := slices.ContainsFunc(all, func(k Check) bool {
				return k.Name == c.check && k.Level == c.level && strings.Contains(k.Reason+"; "+k.Remedy, c.says)
			})
			if !found {
				t.Errorf("no such check among %+v\n%+v", all, p.Items)
			}
			if c.change == nil {
				return
			}
			// The healthy fleet does not have it.
			well := Make(healthy(), Request{To: c.to, Soak: time.Minute})
			for i := range well.Items {
				for _, k := range append(well.Checks, well.Items[i].Checks...) {
					if k.Name == c.check && k.Level == c.level && strings.Contains(k.Reason, c.says) && c.to == ToECI {
						t.Errorf("the healthy fleet has it, too: %+v", k)
					}
				}
			}
			if c.level == Block && p.Blocked() == "" {
				for i := range p.Items {
					if p.Items[i].Strategy == Stay {
						return
					}
				}
				t.Error("nothing stays")
			}
		})
	}
	raw, err := os.ReadFile("PREFLIGHT.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 3 && !strings.HasPrefix(line, "|---") && !strings.Contains(line, "| level |") {
			documented[strings.TrimSpace(cells[1])] = true
		}
	}
	for name := range seen {
		if !documented[name] {
			t.Errorf("PREFLIGHT.md has no row for %s", name)
		}
	}
	for name := range documented {
		if !seen[name] {
			t.Errorf("no case for the row %s of PREFLIGHT.md", name)
		}
	}
	var known []string
	for _, r := range preflight() {
		known = append(known, r.name)
	}
	if slices.Sort(known); !slices.Equal(known, slices.Sorted(maps.Keys(documented))) {
		t.Errorf("plans count the rows %v, PREFLIGHT.md has %v", known, slices.Sorted(maps.Keys(documented)))
	}
	// And what the code says is a row.
	for _, file := range []string{"preflight.go", "plan.go", "whole.go", "read.go", "undo.go", "ordinals.go", "clock.go", "held.go", "rights.go"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, before := range []string{`add("`, `refuse("`, `Check{"`, `[]Check{{"`} {
			for part := range strings.SplitSeq(string(raw), before) {
				if name, _, ok := strings.Cut(part, `"`); ok && name != "" && !strings.ContainsAny(name, " \n\t/") && part != string(raw) && !strings.HasPrefix(string(raw), part) && !documented[name] {
					t.Errorf("%s has a check %q, which PREFLIGHT.md lacks", file, name)
				}
			}
		}
	}
}
