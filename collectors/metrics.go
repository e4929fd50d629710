package collectors

import (
	"context"
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"
)

// metricsEvery is how often usage is read: metrics-server measures every 15 seconds.
// metricsTimeout bounds one reading: it has no watch and no pages, so a large cluster's is
// one long answer. While a reading takes long, they are made more rarely.
const (
	metricsEvery   = 15 * time.Second
	metricsTimeout = 30 * time.Second
	metricsShare   = 10 // a reading may take a tenth of the time
)

// metricsMissing reports whether the cluster has no metrics API at all: nothing is
// registered, or what is registered has no server behind it yet.
func metricsMissing(err error) bool { return apierrors.IsNotFound(err) }

func explainMetrics(what string, err error) error {
	switch {
	case apierrors.IsServiceUnavailable(err):
		return fmt.Errorf("the metrics API does not answer: look whether metrics-server runs: %w", err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("this user may not list the usage of %s in metrics.k8s.io (ask for a role with this right): %w", what, err)
	}
	return explainKubernetes("reading the usage of "+what, err)
}

// PodMetrics polls what metrics-server measured of pods.
func PodMetrics(client metrics.Interface, scope Scope) Collector {
	c := &measured{}
	roam := &roamer{scope: scope}
	return poll{every: c.pause, fetch: func(ctx context.Context) (fleet.Part, error) {
		defer c.start()()
		ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
		defer cancel()
		part := fleet.PodUsage{Source: "pod-metrics", ByPod: map[fleet.PodName]fleet.Usage{}}
		note, err := roam.each(ctx, func(namespace string) error {
			list, err := client.MetricsV1beta1().PodMetricses(namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			for i := range list.Items {
				m := &list.Items[i]
				part.ByPod[fleet.PodName{Namespace: intern(m.Namespace), Name: m.Name}] = podUsage(m)
			}
			return nil
		})
		switch {
		case metricsMissing(err), apierrors.IsForbidden(err) && !scope.Access.installed(metricsv1beta1.SchemeGroupVersion, "pods"):
			return fleet.PodUsage{Source: "pod-metrics", Absent: true}, nil
		case err != nil:
			return nil, explainMetrics("pods", err)
		}
		return fleet.Noted{Source: "pod-metrics", Part: part, Note: note, Partial: note != ""}, nil
	}}
}

func podUsage(m *metricsv1beta1.PodMetrics) fleet.Usage {
	u := fleet.Usage{Read: m.Timestamp.Time, From: "metrics-server"}
	for i := range m.Containers {
		u.CPU += m.Containers[i].Usage.Cpu().MilliValue()
		u.Memory += m.Containers[i].Usage.Memory().Value()
	}
	return u
}

// NodeMetrics polls what metrics-server measured of nodes.
func NodeMetrics(client metrics.Interface, scope Scope) Collector {
	c := &measured{}
	return poll{every: c.pause, fetch: func(ctx context.Context) (fleet.Part, error) {
		defer c.start()()
		ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
		defer cancel()
		list, err := client.MetricsV1beta1().NodeMetricses().List(ctx, metav1.ListOptions{})
		switch {
		case metricsMissing(err), apierrors.IsForbidden(err) && !scope.Access.installed(metricsv1beta1.SchemeGroupVersion, "nodes"):
			return fleet.NodeUsage{Absent: true}, nil
		case err != nil:
			return nil, explainMetrics("nodes", err)
		}
		part := fleet.NodeUsage{ByName: make(map[string]fleet.Usage, len(list.Items))}
		for i := range list.Items {
			m := &list.Items[i]
			part.ByName[intern(m.Name)] = fleet.Usage{
				CPU: m.Usage.Cpu().MilliValue(), Memory: m.Usage.Memory().Value(), Read: m.Timestamp.Time, From: "metrics-server",
			}
		}
		return part, nil
	}}
}

// measured makes polls rarer the longer one takes.
type measured struct{ took time.Duration }

func (m *measured) start() (end func()) {
	began := time.Now()
	return func() { m.took = time.Since(began) }
}

func (m *measured) pause() time.Duration { return max(metricsEvery, metricsShare*m.took) }
