package collectors

import (
	"context"
	"fmt"
	"strings"

	"github.com/ecideck/ecideck/collectors/fleet"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// HPAs watches the HorizontalPodAutoscalers.
func HPAs(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return &watcher[fleet.Autoscaler]{
		kind: "hpas", scope: scope, client: client, probe: probe, every: objectsEvery,
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, o)
		},
		watch: func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
			return client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Watch(ctx, o)
		},
		convert: func(o runtime.Object) *fleet.Autoscaler { return hpaRecord(o.(*autoscalingv2.HorizontalPodAutoscaler)) },
		compare: fleet.CompareAutoscalers,
		equal:   func(a, b *fleet.Autoscaler) bool { return a.UID == b.UID && a.ResourceVersion == b.ResourceVersion },
		part: func(items []*fleet.Autoscaler, _ []string) fleet.Part {
			return fleet.Autoscalers{Kind: fleet.KindHPA, Source: "hpas", Items: items, Sorted: true}
		},
	}
}

func hpaRecord(h *autoscalingv2.HorizontalPodAutoscaler) *fleet.Autoscaler {
	a := &fleet.Autoscaler{
		Kind: fleet.KindHPA, Namespace: intern(h.Namespace), Name: h.Name, UID: string(h.UID), ResourceVersion: h.ResourceVersion,
		Target: fleet.Owner{Kind: intern(h.Spec.ScaleTargetRef.Kind), Name: h.Spec.ScaleTargetRef.Name},
		Min:    replicas(h.Spec.MinReplicas), Max: int(h.Spec.MaxReplicas),
		Current: int(h.Status.CurrentReplicas), Desired: int(h.Status.DesiredReplicas), Metrics: hpaMetrics(h),
	}
	if h.Status.LastScaleTime != nil {
		a.LastScale = h.Status.LastScaleTime.Time
	}
	for i := range h.Status.Conditions {
		c := &h.Status.Conditions[i]
		condition := conditionOf(string(c.Status), c.Reason, c.Message, c.LastTransitionTime)
		switch c.Type {
		case autoscalingv2.AbleToScale:
			a.Able = condition
		case autoscalingv2.ScalingActive:
			a.Active = condition
		case autoscalingv2.ScalingLimited:
			a.Limited = condition
		}
	}
	return a
}

// hpaMetrics is what each metric is against what it should be. The targets are the spec's,
// the current values the status', of which the controller writes one for each in order; one
// that it could not read is a question mark.
func hpaMetrics(h *autoscalingv2.HorizontalPodAutoscaler) string {
	var out []string
	for i := range h.Spec.Metrics {
		m := &h.Spec.Metrics[i]
		var now *autoscalingv2.MetricStatus
		if i < len(h.Status.CurrentMetrics) && h.Status.CurrentMetrics[i].Type == m.Type {
			now = &h.Status.CurrentMetrics[i]
		}
		var name string
		var target autoscalingv2.MetricTarget
		var current *autoscalingv2.MetricValueStatus
		switch {
		case m.Resource != nil:
			name, target = string(m.Resource.Name), m.Resource.Target
			if now != nil && now.Resource != nil {
				current = &now.Resource.Current
			}
		case m.ContainerResource != nil:
			name, target = m.ContainerResource.Container+" "+string(m.ContainerResource.Name), m.ContainerResource.Target
			if now != nil && now.ContainerResource != nil {
				current = &now.ContainerResource.Current
			}
		case m.Pods != nil:
			name, target = m.Pods.Metric.Name, m.Pods.Target
			if now != nil && now.Pods != nil {
				current = &now.Pods.Current
			}
		case m.Object != nil:
			name, target = m.Object.Metric.Name, m.Object.Target
			if now != nil && now.Object != nil {
				current = &now.Object.Current
			}
		case m.External != nil:
			name, target = m.External.Metric.Name, m.External.Target
			if now != nil && now.External != nil {
				current = &now.External.Current
			}
		default:
			continue
		}
		out = append(out, name+" "+metricValue(target.Type, current)+"/"+metricTarget(target))
	}
	return strings.Join(out, ", ")
}

func metricTarget(t autoscalingv2.MetricTarget) string {
	switch {
	case t.AverageUtilization != nil:
		return fmt.Sprintf("%d%%", *t.AverageUtilization)
	case t.AverageValue != nil:
		return t.AverageValue.String()
	case t.Value != nil:
		return t.Value.String()
	}
	return "?"
}

func metricValue(kind autoscalingv2.MetricTargetType, v *autoscalingv2.MetricValueStatus) string {
	switch {
	case v == nil:
	case kind == autoscalingv2.UtilizationMetricType && v.AverageUtilization != nil:
		return fmt.Sprintf("%d%%", *v.AverageUtilization)
	case kind == autoscalingv2.AverageValueMetricType && v.AverageValue != nil:
		return v.AverageValue.String()
	case kind == autoscalingv2.ValueMetricType && v.Value != nil:
		return v.Value.String()
	}
	return "?"
}
