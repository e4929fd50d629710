package collectors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsfake "k8s.io/metrics/pkg/client/clientset/versioned/fake"
)

// An account is a Cloud whose answers tests change.
type account struct {
	mu    sync.Mutex
	err   error            // of every call
	asked []eci.PriceQuery // every price that was asked for
	price func(eci.PriceQuery) (eci.Price, error)
	calls map[string]int
}

func (a *account) called(what string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls == nil {
		a.calls = map[string]int{}
	}
	a.calls[what]++
	return a.err
}

func (a *account) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *account) LatestMetrics(_ context.Context, ids []string) (map[string]eci.Metrics, error) {
	if err := a.called("metrics"); err != nil {
		return nil, err
	}
	out := map[string]eci.Metrics{}
	for _, id := range ids {
		out[id] = eci.Metrics{At: time.Now(), CPU: eci.CPUMetrics{NanoCores: 250e6}, Memory: eci.MemoryMetrics{WorkingSet: 1 << 30}}
	}
	return out, nil
}

func (a *account) Price(_ context.Context, q eci.PriceQuery) (eci.Price, error) {
	if err := a.called("price"); err != nil {
		return eci.Price{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, q)
	if a.price != nil {
		return a.price(q)
	}
	rate := money.PerHour(100_000, money.CNY)
	if q.SpotStrategy != "" {
		return eci.Price{Rate: money.PerHour(7, money.CNY), Spot: []eci.SpotPrice{
			{ZoneID: "cn-hangzhou-h", Rate: money.PerHour(30_000, money.CNY)}, {ZoneID: "cn-hangzhou-i", Rate: money.PerHour(20_000, money.CNY)},
		}}, nil
	}
	return eci.Price{Rate: rate, List: rate}, nil
}

func (a *account) Usage(context.Context) (eci.Usage, error) {
	return eci.Usage{UsedCPU: 90, MaxCPU: 100}, a.called("usage")
}

func (a *account) FreeAddresses(_ context.Context, ids []string) (map[string]int, error) {
	return map[string]int{"vsw-h": 7}, a.called("addresses")
}

func (a *account) Regions(context.Context) ([]eci.Region, error) {
	return []eci.Region{{ID: "cn-hangzhou", Zones: []string{"cn-hangzhou-h", "cn-hangzhou-i"}, Unavailable: []string{"cn-hangzhou-h"}}}, a.called("regions")
}

func (a *account) AvailableResources(_ context.Context, q eci.ResourceQuery) ([]eci.Stock, error) {
	return []eci.Stock{
		{ZoneID: "cn-hangzhou-h", Value: "ecs.c6.large", Status: "WithoutStock"}, {ZoneID: "cn-hangzhou-h", Value: "ecs.c7.large", Status: "ClosedWithStock"},
		{ZoneID: "cn-hangzhou-i", Value: "ecs.c6.large", Status: "WithoutStock"}, {ZoneID: "cn-hangzhou-i", Value: "ecs.c7.large", Status: "WithStock"},
	}, a.called(fmt.Sprintf("stock of %dc %gGi", q.Cores, q.Memory))
}

func (a *account) Region() string { return "cn-hangzhou" }

func (a *account) Call(_ context.Context, _ eci.Product, action string, _ map[string]string, _ any) error {
	return a.called(action)
}

// startWhole is start with every source there is.
func startWhole(t *testing.T, a *account, custom dynamic.Interface, measured *metricsfake.Clientset, change func(*bench)) *bench {
	b := &bench{t: t, cloud: &cloud{groups: []eci.Group{group("eci-0", "web-0"), group("eci-1", "web-1")}}}
	for i := range b.cloud.groups {
		g := &b.cloud.groups[i]
		g.CPU, g.Memory, g.ZoneID, g.VSwitchID, g.Created = 2, 4, "cn-hangzhou-h", "vsw-h", time.Now()
	}
	b.kube = newAPI()
	for _, kind := range [][2]string{{"keda.sh/v1alpha1", "scaledobjects"}, {"autoscaling.alibabacloud.com/v1beta1", "cronhorizontalpodautoscalers"}, {"scheduling.alibabacloud.com/v1alpha1", "resourcepolicies"}} {
		b.kube.Resources = append(b.kube.Resources, &metav1.APIResourceList{GroupVersion: kind[0], APIResources: []metav1.APIResource{{Name: kind[1]}}})
	}
	if change != nil {
		change(b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.store = NewStore()
	all := All(Sources{Kubernetes: b.kube, Dynamic: custom, Metrics: measured, ECI: b.cloud, Cloud: a, Latest: b.store.Latest, Named: []string{"shop"}})
	b.store.Expect(all)
	done := make(chan struct{})
	go func() {
		Run(ctx, b.store, all, nil)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func customKinds(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}:                                    "ScaledObjectList",
		{Group: "autoscaling.alibabacloud.com", Version: "v1beta1", Resource: "cronhorizontalpodautoscalers"}: "CronHorizontalPodAutoscalerList",
		{Group: "scheduling.alibabacloud.com", Version: "v1alpha1", Resource: "resourcepolicies"}:             "ResourcePolicyList",
	}, objects...)
}

func podMetrics(name string, cpu, memory string) metricsv1beta1.PodMetrics {
	return metricsv1beta1.PodMetrics{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Timestamp: metav1.Now(),
		Containers: []metricsv1beta1.ContainerMetrics{{Name: "app", Usage: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}}}}
}

// measures are a metrics API that knows one pod and one node. The fake's own tracker files
// them under another resource than its client asks for.
func measures() *metricsfake.Clientset {
	c := metricsfake.NewSimpleClientset()
	c.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &metricsv1beta1.PodMetricsList{Items: []metricsv1beta1.PodMetrics{podMetrics("db-0", "300m", "512Mi")}}, nil
	})
	c.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &metricsv1beta1.NodeMetricsList{Items: []metricsv1beta1.NodeMetrics{{ObjectMeta: metav1.ObjectMeta{Name: "real-1"}, Timestamp: metav1.Now(),
			Usage: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1500m"), corev1.ResourceMemory: resource.MustParse("3Gi")}}}}, nil
	})
	return c
}

func TestEverySourceReportsFailsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * time.Hour) // the month has a day that was billed
		a := &account{}
		measured := measures()
		custom := customKinds()
		b := startWhole(t, a, custom, measured, nil)
		s := b.after(3 * time.Minute)
		for _, source := range s.Sources {
			if source.Read.IsZero() || source.Error != "" {
				t.Errorf("%s: read %v, error %q", source.Name, source.Read, source.Error)
			}
		}
		if s.Quota == nil || s.Quota.MaxCPU != 100 || len(s.Stocks) != 4 || s.Stocks[0].Available || s.Stocks[2] != (fleet.Stock{Zone: "cn-hangzhou-h", CPU: 2, Memory: 4}) || !s.Stocks[3].Available || len(s.VSwitches) != 1 || s.VSwitches[0].Free != 7 {
			t.Errorf("quota %+v, stocks %+v, subnets %+v", s.Quota, s.Stocks, s.VSwitches)
		}
		if u, ok := s.Usage(b.pod("db-0")); !ok || u.CPU != 300 || u.Memory != 512<<20 || u.From != "metrics-server" {
			t.Errorf("db-0 uses %+v %v", u, ok)
		}
		if u, ok := s.Usage(b.pod("web-0")); !ok || u.CPU != 250 || u.From != "eci" {
			t.Errorf("web-0, which metrics-server does not see, uses %+v %v", u, ok)
		}
		if c := b.pod("web-0").Cost; c.Rate() != money.PerHour(100_000, money.CNY) || c.Quote.Spot != money.PerHour(20_000, money.CNY) {
			t.Errorf("web-0 costs %v, as spot %+v", c.Rate(), c.Quote)
		}

		a.set(errors.New("connection reset"))
		away := apierrors.NewServiceUnavailable("no metrics-server")
		for _, verb := range []string{"pods", "nodes"} {
			measured.PrependReactor("list", verb, func(clienttesting.Action) (bool, runtime.Object, error) { return a.down(), nil, away })
		}
		custom.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			return a.down(), nil, apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, "", nil)
		})
		// Prices are not asked for again while they are known: one that has to be is made.
		b.cloud.mu.Lock()
		b.cloud.groups[0].CPU = 4
		b.cloud.mu.Unlock()
		s = b.after(70 * time.Minute)
		for _, name := range []string{"group-metrics", "prices", "account", "subnets", "zones", "bills", "pod-metrics", "node-metrics", "keda", "cronhpa", "policies"} {
			if got := b.source(name); got.Error == "" {
				t.Errorf("%s has no error", name)
			}
		}
		if s.Quota == nil || len(s.VSwitches) != 1 || len(s.Stocks) != 4 || len(s.Placements) != 3 {
			t.Error("an error became an empty part")
		}
		if got := b.source("account").Error; !strings.Contains(got, "connection reset") {
			t.Errorf("account says %q", got)
		}
		for _, at := range s.Attention {
			if at.Topic == fleet.TopicSource && at.Remedy == "" {
				t.Errorf("%+v has no remedy", at)
			}
		}

		a.set(nil)
		b.after(20 * time.Minute)
		for _, source := range b.store.Latest().Sources {
			if source.Error != "" {
				t.Errorf("%s is still %q", source.Name, source.Error)
			}
		}
	})
}

func (a *account) down() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil
}

func TestWhatIsNotInstalledIsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		measured := metricsfake.NewSimpleClientset()
		missing := apierrors.NewNotFound(schema.GroupResource{}, "")
		measured.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, missing })
		custom := customKinds()
		custom.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, missing })
		b := startWhole(t, &account{}, custom, measured, nil)
		b.after(time.Minute)
		for _, name := range []string{"keda", "cronhpa", "policies", "pod-metrics", "node-metrics", "node-groups"} {
			if got := b.source(name); !got.Absent || got.Error != "" || got.Stale(time.Now()) {
				t.Errorf("%s is %+v", name, got)
			}
		}
	})
}

func TestAUserOfOneNamespaceSeesThatOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startWhole(t, &account{}, customKinds(), measures(), func(b *bench) {
			forbid := func(action clienttesting.Action) (bool, runtime.Object, error) {
				if action.GetNamespace() == "shop" {
					return false, nil, nil
				}
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: action.GetResource().Resource}, "", errors.New("not yours"))
			}
			b.kube.PrependReactor("list", "*", forbid)
			b.kube.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
				_, _, err := forbid(action)
				return err != nil, nil, err
			})
		})
		s := b.after(30 * time.Second)
		if len(s.Placements) != 3 {
			t.Errorf("%d placements", len(s.Placements))
		}
		for _, name := range []string{"pods", "events", "deployments", "budgets"} {
			got := b.source(name)
			if got.Error != "" || !strings.Contains(got.Note, "only those of namespace shop") {
				t.Errorf("%s: error %q, note %q", name, got.Error, got.Note)
			}
		}
		if got := b.source("nodes").Error; !strings.Contains(got, "may not list and watch nodes") {
			t.Errorf("nodes: %q", got)
		}
		for _, g := range s.Groups {
			if g.Relation == fleet.Orphan {
				t.Errorf("%s is an orphan for one who does not see all pods", g.ID)
			}
		}
	})
}

func TestPricesAreAskedForOncePerSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{price: nil}
		b := startWhole(t, a, nil, nil, nil)
		count := func() int { a.mu.Lock(); defer a.mu.Unlock(); return len(a.asked) }
		b.after(20 * time.Second)
		first := count()
		if first != 2 { // one size, and what it would cost as spot
			t.Errorf("%d calls for one size: %+v", first, a.asked)
		}
		b.after(9 * time.Minute)
		if count() != first {
			t.Errorf("%d calls after nine minutes", count())
		}
		b.after(2 * time.Minute) // the spot price is older than ten minutes
		if count() != first+2 {
			t.Errorf("%d calls when the spot price is old", count())
		}
	})
	t.Run("a size that is not sold is a note, and hides no other price", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := &account{price: func(q eci.PriceQuery) (eci.Price, error) {
				if q.CPU == 3 {
					return eci.Price{}, &eci.Error{Code: "InvalidParam.CpuOrMemorySpec", HTTPStatus: 400, Message: "no such size"}
				}
				return eci.Price{Rate: money.PerHour(5, money.CNY)}, nil
			}}
			b := startWhole(t, a, nil, nil, func(b *bench) { b.cloud.groups[0].CPU = 3 })
			b.after(time.Minute)
			if got := b.source("prices"); got.Error != "" || !strings.Contains(got.Note, "no such size") {
				t.Errorf("%+v", got)
			}
			if rate := b.pod("web-1").Cost.Rate(); rate != money.PerHour(5, money.CNY) {
				t.Errorf("web-1 costs %v", rate)
			}
		})
	})
}

func at(minute int) time.Time { return time.Date(2026, 11, 23, 3, minute, 0, 0, time.UTC) }

func TestControllerRecords(t *testing.T) {
	two, one := int32(2), int32(1)
	partition := int32(1)
	suspended := true
	about := metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u", Generation: 3}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"b": "2", "app": "web"}}}
	owned := about
	isController := true
	owned.OwnerReferences = []metav1.OwnerReference{{Kind: "Deployment", Name: "web", Controller: &isController}}
	want := fleet.Controller{Namespace: "shop", Name: "web", UID: "u", Labels: "app=web,b=2"}
	tests := []struct {
		name   string
		got    *fleet.Controller
		change func(*fleet.Controller)
	}{
		{"a Deployment over its deadline", deploymentRecord(&appsv1.Deployment{ObjectMeta: about,
			Spec: appsv1.DeploymentSpec{Replicas: &two, Template: template},
			Status: appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 3, UpdatedReplicas: 1, ReadyReplicas: 2, AvailableReplicas: 2, Conditions: []appsv1.DeploymentCondition{
				{Type: appsv1.DeploymentProgressing, Status: "False", Reason: "ProgressDeadlineExceeded", Message: "timed out", LastTransitionTime: metav1.NewTime(at(1))}}}}),
			func(c *fleet.Controller) {
				c.Kind, c.Desired, c.Current, c.Updated, c.Ready, c.Available, c.Observed = "Deployment", 2, 3, 1, 2, 2, true
				c.Progressing = fleet.Condition{Status: "False", Reason: "ProgressDeadlineExceeded", Message: "timed out", Since: at(1)}
			}},
		{"a ReplicaSet whose pods are refused", replicaSetRecord(&appsv1.ReplicaSet{ObjectMeta: owned, Spec: appsv1.ReplicaSetSpec{Replicas: &two, Template: template},
			Status: appsv1.ReplicaSetStatus{ObservedGeneration: 2, Conditions: []appsv1.ReplicaSetCondition{
				{Type: appsv1.ReplicaSetReplicaFailure, Status: "True", Reason: "FailedCreate", Message: "exceeded quota", LastTransitionTime: metav1.NewTime(at(2))}}}}),
			func(c *fleet.Controller) {
				c.Kind, c.Owner, c.Labels, c.Desired = "ReplicaSet", fleet.Owner{Kind: "Deployment", Name: "web"}, "", 2
				c.Failure = fleet.Condition{Status: "True", Reason: "FailedCreate", Message: "exceeded quota", Since: at(2)}
			}},
		{"a StatefulSet with a partition", statefulSetRecord(&appsv1.StatefulSet{ObjectMeta: about,
			Spec: appsv1.StatefulSetSpec{Replicas: &two, Template: template, UpdateStrategy: appsv1.StatefulSetUpdateStrategy{
				RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &partition, MaxUnavailable: &intstr.IntOrString{}}}},
			Status: appsv1.StatefulSetStatus{ObservedGeneration: 3, Replicas: 2, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1, CurrentRevision: "a", UpdateRevision: "b"}}),
			func(c *fleet.Controller) {
				c.Kind, c.Desired, c.Current, c.Updated, c.Ready, c.Available, c.Observed = "StatefulSet", 2, 2, 1, 1, 1, true
				c.OrderedReady, c.Partition = true, 1
			}},
		{"a DaemonSet", daemonSetRecord(&appsv1.DaemonSet{ObjectMeta: about, Spec: appsv1.DaemonSetSpec{Template: template},
			Status: appsv1.DaemonSetStatus{ObservedGeneration: 3, DesiredNumberScheduled: 5, CurrentNumberScheduled: 5, UpdatedNumberScheduled: 4, NumberReady: 3, NumberAvailable: 3}}),
			func(c *fleet.Controller) {
				c.Kind, c.Desired, c.Current, c.Updated, c.Ready, c.Available, c.Observed = "DaemonSet", 5, 5, 4, 3, 3, true
			}},
		{"a Job that failed wants no more pods", jobRecord(&batchv1.Job{ObjectMeta: about, Spec: batchv1.JobSpec{Parallelism: &two, Completions: &two, BackoffLimit: &one, Template: template},
			Status: batchv1.JobStatus{Failed: 2, Conditions: []batchv1.JobCondition{
				{Type: batchv1.JobFailed, Status: "True", Reason: "BackoffLimitExceeded", Message: "reached", LastTransitionTime: metav1.NewTime(at(3))}}}}),
			func(c *fleet.Controller) {
				c.Kind, c.Completions, c.BackoffLimit, c.Failed, c.Observed = "Job", 2, 1, 2, true
				c.Failure = fleet.Condition{Status: "True", Reason: "BackoffLimitExceeded", Message: "reached", Since: at(3)}
			}},
		{"a suspended CronJob", cronJobRecord(&batchv1.CronJob{ObjectMeta: about, Spec: batchv1.CronJobSpec{Schedule: "* * * * *", Suspend: &suspended,
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template}}}, Status: batchv1.CronJobStatus{Active: []corev1.ObjectReference{{}}}}),
			func(c *fleet.Controller) {
				c.Kind, c.Schedule, c.Suspended, c.Active, c.Observed = "CronJob", "* * * * *", true, 1, true
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := want
			test.change(&w)
			if diff := cmp.Diff(&w, test.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHPARecord(t *testing.T) {
	percent, now := int32(60), int32(92)
	many := resource.MustParse("1k")
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}, MaxReplicas: 30,
			Metrics: []autoscalingv2.MetricSpec{
				{Type: "Resource", Resource: &autoscalingv2.ResourceMetricSource{Name: "cpu", Target: autoscalingv2.MetricTarget{Type: "Utilization", AverageUtilization: &percent}}},
				{Type: "Pods", Pods: &autoscalingv2.PodsMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "rps"}, Target: autoscalingv2.MetricTarget{Type: "AverageValue", AverageValue: &many}}},
			},
		},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 12, DesiredReplicas: 30,
			CurrentMetrics: []autoscalingv2.MetricStatus{{Type: "Resource", Resource: &autoscalingv2.ResourceMetricStatus{Name: "cpu", Current: autoscalingv2.MetricValueStatus{AverageUtilization: &now}}}},
			Conditions:     []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: "ScalingLimited", Status: "True", Reason: "TooManyReplicas", LastTransitionTime: metav1.NewTime(at(4))}}},
	}
	want := &fleet.Autoscaler{Kind: fleet.KindHPA, Namespace: "shop", Name: "web", Target: fleet.Owner{Kind: "Deployment", Name: "web"},
		Min: 1, Max: 30, Current: 12, Desired: 30, Metrics: "cpu 92%/60%, rps ?/1k",
		Limited: fleet.Condition{Status: "True", Reason: "TooManyReplicas", Since: at(4)}}
	if diff := cmp.Diff(want, hpaRecord(h)); diff != "" {
		t.Error(diff)
	}
}

func TestBudgetSelectors(t *testing.T) {
	for _, c := range []struct {
		name     string
		selector *metav1.LabelSelector
		text     string
		all      bool
	}{
		{"none selects nothing", nil, "", false},
		{"an empty one selects all", &metav1.LabelSelector{}, "", true},
		{"labels and expressions", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "In", Values: []string{"a", "b"}}}}, "app=web,tier in (a,b)", false},
	} {
		b := budgetRecord(&policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{Selector: c.selector}})
		if b.Selector != c.text || b.All != c.all {
			t.Errorf("%s: %q %v", c.name, b.Selector, b.All)
		}
	}
}

func TestCustomKindsAreReadTolerantly(t *testing.T) {
	keda := scaledObjectRecord(&unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"namespace": "shop", "name": "q", "annotations": map[string]any{"autoscaling.keda.sh/paused": "true"}},
		"spec":     map[string]any{"scaleTargetRef": map[string]any{"name": "web"}, "maxReplicaCount": int64(9), "minReplicaCount": "two"},
		"status": map[string]any{"hpaName": "keda-hpa-q", "conditions": []any{"odd",
			map[string]any{"type": "Ready", "status": "False", "reason": "ScaledObjectCheckFailed", "message": "no such trigger"}}},
	}})
	if keda.Target != (fleet.Owner{Kind: "Deployment", Name: "web"}) || keda.Max != 9 || keda.Min != 0 || !keda.Paused || keda.Able.Reason != "ScaledObjectCheckFailed" {
		t.Errorf("%+v", keda)
	}
	cron := cronHPARecord(&unstructured.Unstructured{Object: map[string]any{
		"spec":   map[string]any{"jobs": []any{map[string]any{"name": "night", "schedule": "0 0 22 * * *", "targetSize": int64(30)}}},
		"status": map[string]any{"conditions": []any{map[string]any{"name": "night", "state": "Failed", "message": "no scale", "lastProbeTime": "2026-11-23T03:01:00Z"}}},
	}})
	if diff := cmp.Diff([]fleet.Scheduled{{Name: "night", Schedule: "0 0 22 * * *", Size: 30, State: "Failed", Message: "no scale", Last: at(1)}}, cron.Schedules); diff != "" {
		t.Error(diff)
	}
	policy := policyRecord(&unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"selector": map[string]any{"app": "web"}, "units": []any{map[string]any{"resource": "ecs", "max": int64(10)}, map[string]any{"resource": "eci"}}}}})
	if policy.Selector != "app=web" || policy.Units != "ecs (max 10) → eci" {
		t.Errorf("%+v", policy)
	}
}

func TestClusterAutoscalerStatus(t *testing.T) {
	part, err := nodeGroups(`time: 2026-11-23 03:00:00 +0000 UTC
autoscalerStatus: Running
nodeGroups:
- name: asg-1
  health: {cloudProviderTarget: 10, minSize: 1, maxSize: 10, nodeCounts: {registered: {ready: 9, total: 10}}}
  scaleUp: {status: Backoff, backoffInfo: {errorCode: NoStock, errorMessage: out of stock}}
`, "2026-11-23 03:01:00.5 +0000 UTC")
	if err != nil {
		t.Fatal(err)
	}
	want := fleet.NodeGroup{Name: "asg-1", Min: 1, Max: 10, Target: 10, Ready: 9, ScaleUp: "Backoff", Code: "NoStock", Message: "out of stock", Updated: at(1).Add(500 * time.Millisecond)}
	if diff := cmp.Diff([]fleet.NodeGroup{want}, part.(fleet.NodeGroups).Items); diff != "" {
		t.Error(diff)
	}
	if _, err := nodeGroups("Cluster-autoscaler status at 2024:\nCluster-wide:", ""); err == nil || !strings.Contains(err.Error(), "free text") {
		t.Errorf("the old text: %v", err)
	}
}

func TestWhatAGroupsEventsTell(t *testing.T) {
	created := at(0)
	g := &eci.Group{ID: "eci-1", Status: eci.Running, Created: created, Events: []eci.Event{
		{Type: "Warning", Reason: "SpotToBeReleased", Message: "Spot ECI will be released in 5 minutes", First: at(20), Last: at(20)},
		{Reason: "Pulling", First: created.Add(4 * time.Second)}, {Reason: "Started", First: created.Add(30 * time.Second)},
	}}
	r := groupRecord(g)
	if !r.Started.Equal(created.Add(4*time.Second)) || r.Notice != "SpotToBeReleased" || !r.Due.Equal(at(25)) {
		t.Errorf("started %v, notice %q due %v", r.Started, r.Notice, r.Due)
	}
	g.Status = eci.Scheduling
	if r := groupRecord(g); !r.Started.IsZero() {
		t.Errorf("a group that is being placed is paid for since %v", r.Started)
	}
	g.Status, g.Events = eci.Running, nil
	if r := groupRecord(g); !r.Started.Equal(created) {
		t.Errorf("without events it is paid for since %v", r.Started)
	}
}

func TestBillTags(t *testing.T) {
	got := billTags("key:ClusterId value:c-1; key:NameSpace value:shop;key:odd")
	if diff := cmp.Diff(map[string]string{"ClusterId": "c-1", "NameSpace": "shop"}, got); diff != "" {
		t.Error(diff)
	}
	if len(billTags("")) != 0 {
		t.Error("nothing has tags")
	}
}

func TestAVSwitchIsKnownBeforeItsFirstGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := virtualNode("virtual-2")
		node.Annotations = map[string]string{provider.AnnotationVSwitches: "vsw-h,vsw-unknown"}
		b := startWhole(t, &account{}, customKinds(), measures(), func(b *bench) {
			b.cloud.groups = nil
			if err := b.kube.Tracker().Add(node); err != nil {
				t.Fatal(err)
			}
		})
		s := b.after(3 * time.Minute)
		if len(s.VSwitches) != 1 || s.VSwitches[0] != (fleet.VSwitch{ID: "vsw-h", Free: 7}) {
			t.Errorf("%+v: a vSwitch that the answer lacks is not known, and not free", s.VSwitches)
		}
	})
}
