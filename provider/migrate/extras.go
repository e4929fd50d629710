package migrate

import (
	"context"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// What others have installed that moves pods or changes their number. Who has none of it pays
// one refused call for each.
var (
	cronHPAs         = schema.GroupVersionResource{Group: "autoscaling.alibabacloud.com", Version: "v1beta1", Resource: "cronhorizontalpodautoscalers"}
	scaledObjects    = schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
	verticalScalers  = schema.GroupVersionResource{Group: "autoscaling.k8s.io", Version: "v1", Resource: "verticalpodautoscalers"}
	resourcePolicies = schema.GroupVersionResource{Group: "scheduling.alibabacloud.com", Version: "v1alpha1", Resource: "resourcepolicies"}
	workloadSpreads  = schema.GroupVersionResource{Group: "apps.kruise.io", Version: "v1alpha1", Resource: "workloadspreads"}
)

// readExtras reads a namespace's scalers and placers. nil reads none.
func (f *Facts) readExtras(ctx context.Context, client dynamic.Interface, s *Space, namespace string) {
	if client == nil {
		return
	}
	list := func(what string, resource schema.GroupVersionResource) []unstructured.Unstructured {
		all, err := client.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) { // it isn't installed
			return nil
		}
		if f.unread(what+" of namespace "+namespace, err) {
			return nil
		}
		return all.Items
	}
	text := func(u *unstructured.Unstructured, path ...string) string {
		v, _, _ := unstructured.NestedString(u.Object, path...) // of another type it says nothing
		return v
	}
	target := func(u *unstructured.Unstructured, field string) Ref {
		return Ref{Kind: cmpOr(text(u, "spec", field, "kind"), "Deployment"), Namespace: namespace, Name: text(u, "spec", field, "name")}
	}
	for _, u := range list("CronHPAs", cronHPAs) {
		x := Scaler{Kind: "CronHPA", Name: u.GetName(), Target: target(&u, "scaleTargetRef")}
		jobs, _, _ := unstructured.NestedSlice(u.Object, "spec", "jobs")
		for _, job := range jobs {
			if m, ok := job.(map[string]any); ok {
				schedule, _, _ := unstructured.NestedString(m, "schedule")
				if next := nextRun(schedule, f.Now); !next.IsZero() && (x.Next.IsZero() || next.Before(x.Next)) {
					x.Next = next
				}
			}
		}
		s.Scalers = append(s.Scalers, x)
	}
	for _, u := range list("KEDA's ScaledObjects", scaledObjects) {
		s.Scalers = append(s.Scalers, Scaler{Kind: "ScaledObject", Name: u.GetName(), Target: target(&u, "scaleTargetRef")})
	}
	for _, u := range list("VerticalPodAutoscalers", verticalScalers) {
		if mode := text(&u, "spec", "updatePolicy", "updateMode"); mode != "Off" && mode != "Initial" {
			s.Scalers = append(s.Scalers, Scaler{Kind: "VerticalPodAutoscaler", Name: u.GetName(), Target: target(&u, "targetRef")})
		}
	}
	for _, u := range list("ResourcePolicies", resourcePolicies) {
		set, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector")
		s.Placers = append(s.Placers, Placer{Kind: "ResourcePolicy", Name: u.GetName(), Selects: labels.SelectorFromSet(set)})
	}
	for _, u := range list("WorkloadSpreads", workloadSpreads) {
		s.Placers = append(s.Placers, Placer{Kind: "WorkloadSpread", Name: u.GetName(), Target: target(&u, "targetRef")})
	}
}

// nextRun is when a CronHPA's schedule comes next: a second, minute, hour, day, month and day
// of the week. What can't be read is never.
// https://github.com/AliyunContainerService/kubernetes-cronhpa-controller
func nextRun(schedule string, now time.Time) time.Time {
	parser := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	if when, is := strings.CutPrefix(schedule, "@date "); is {
		at, err := time.ParseInLocation(time.DateTime, when, now.Location())
		if err != nil || at.Before(now) {
			return time.Time{}
		}
		return at
	}
	s, err := parser.Parse(schedule)
	if err != nil {
		return time.Time{}
	}
	return s.Next(now)
}

// governs tells that a placer has a say about a pod.
func (p Placer) governs(pod *corev1.Pod, workload Ref) bool {
	if p.Selects != nil {
		return p.Selects.Matches(labels.Set(pod.Labels))
	}
	return p.Target.Kind == workload.Kind && p.Target.Name == workload.Name
}
