package provider

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"
)

// queueMetrics are client-go's metrics of work queues under the names that every Kubernetes
// controller has, with the label name. It implements workqueue.MetricsProvider; a queue that
// takes the place of an earlier one of its name goes on with its numbers.
type queueMetrics struct {
	depth, unfinished, longest *prometheus.GaugeVec
	adds, retries              *prometheus.CounterVec
	latency, duration          *prometheus.HistogramVec
}

func newQueueMetrics(registry prometheus.Registerer) *queueMetrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "workqueue_" + name, Help: help}, []string{"name"})
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "workqueue_" + name, Help: help}, []string{"name"})
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "workqueue_" + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}, []string{"name"})
	}
	m := &queueMetrics{
		depth:      gauge("depth", "Pods that wait for a worker."),
		unfinished: gauge("unfinished_work_seconds", "How long the workers that are at it have been, added up."),
		longest:    gauge("longest_running_processor_seconds", "How long the slowest worker has been at its pod."),
		adds:       counter("adds_total", "Pods that were queued."),
		retries:    counter("retries_total", "Pods that were queued again because their work failed."),
		latency:    histogram("queue_duration_seconds", "How long a pod waited for a worker."),
		duration:   histogram("work_duration_seconds", "How long the work on a pod took."),
	}
	registry.MustRegister(m.depth, m.unfinished, m.longest, m.adds, m.retries, m.latency, m.duration)
	return m
}

// stop says that nothing waits: the queues of a term that ended are empty.
func (m *queueMetrics) stop(names ...string) {
	for _, name := range names {
		for _, gauge := range []*prometheus.GaugeVec{m.depth, m.unfinished, m.longest} {
			gauge.WithLabelValues(name).Set(0)
		}
	}
}

func (m *queueMetrics) NewDepthMetric(name string) workqueue.GaugeMetric {
	return m.depth.WithLabelValues(name)
}

func (m *queueMetrics) NewAddsMetric(name string) workqueue.CounterMetric {
	return m.adds.WithLabelValues(name)
}

func (m *queueMetrics) NewLatencyMetric(name string) workqueue.HistogramMetric {
	return m.latency.WithLabelValues(name)
}

func (m *queueMetrics) NewWorkDurationMetric(name string) workqueue.HistogramMetric {
	return m.duration.WithLabelValues(name)
}

func (m *queueMetrics) NewUnfinishedWorkSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return m.unfinished.WithLabelValues(name)
}

func (m *queueMetrics) NewLongestRunningProcessorSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return m.longest.WithLabelValues(name)
}

func (m *queueMetrics) NewRetriesMetric(name string) workqueue.CounterMetric {
	return m.retries.WithLabelValues(name)
}
