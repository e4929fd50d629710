package provider

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

// Metrics are the virtual node's own numbers, in a registry of their own.
type Metrics struct {
	Registry  *prometheus.Registry
	calls     *prometheus.CounterVec
	throttled *prometheus.CounterVec
	took      *prometheus.HistogramVec
	started   prometheus.Histogram
	ended     prometheus.Histogram
	queues    *queueMetrics

	mu    sync.Mutex
	nodes []*Provider // whose numbers are shown, added up; none: nobody leads here
}

// NewMetrics registers the numbers that exist before a Provider does.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecideck_cloud_calls_total", Help: "Calls of the ECI API, by action and error code (empty: it went well)."}, []string{"action", "code"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecideck_cloud_throttled_total", Help: "Calls of the ECI API that it refused because there were too many, by action."}, []string{"action"}),
		started: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ecideck_pod_start_seconds", Help: "From a pod's creation until its group runs.", Buckets: prometheus.ExponentialBuckets(1, 2, 11)}),
		ended: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ecideck_pod_end_seconds", Help: "From a pod's deletion until its group is known to be gone, when it costs nothing any more.", Buckets: prometheus.ExponentialBuckets(0.25, 2, 12)}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ecideck_cloud_call_seconds", Help: "How long calls of the ECI API took.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}, []string{"action"}),
	}
	m.Registry.MustRegister(m.calls, m.throttled, m.took, m.started, m.ended, (*costCollector)(m))
	m.queues = newQueueMetrics(m.Registry)
	m.register()
	return m
}

// Observe counts one call; it fits eci.Options.Observe.
func (m *Metrics) Observe(action, code string, took time.Duration) {
	m.calls.WithLabelValues(action, code).Inc()
	m.took.WithLabelValues(action).Observe(took.Seconds())
	if throttled(code) {
		m.throttled.WithLabelValues(action).Inc()
	}
}

// throttled tells the codes by which ECI refuses a call because there were too many.
func throttled(code string) bool { return eci.IsThrottled(&eci.Error{Code: code}) }

// watch shows the numbers of a Provider too, until the returned function is called: a process
// that leads again after it had lost its lease has new ones.
func (m *Metrics) watch(p *Provider) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes = append(m.nodes, p)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.nodes = slices.DeleteFunc(m.nodes, func(o *Provider) bool { return o == p }); len(m.nodes) == 0 {
			m.queues.stop(queueGroups, queueStatuses, queueWords)
		}
	}
}

// watched are the Providers whose numbers are shown.
func (m *Metrics) watched() []*Provider {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.nodes)
}

// The queues, by the name in their metrics.
const (
	queueGroups   = "groups"   // to create or delete
	queueStatuses = "statuses" // to tell
	queueWords    = "words"    // last ones, to keep
)

// register adds the numbers that are read from the Provider when they are asked for.
func (m *Metrics) register() {
	gauge := func(name, help string, labels prometheus.Labels, join func(a, b float64) float64, read func(*Provider) float64) {
		m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() (v float64) {
			for i, p := range m.watched() {
				if n := read(p); i == 0 {
					v = n
				} else {
					v = join(v, n)
				}
			}
			return v
		}))
	}
	sum := func(a, b float64) float64 { return a + b }
	worst := func(a, b float64) float64 { return min(a, b) }
	for _, state := range []string{stateCreating, stateStarting, stateRunning, stateEnded, stateDeleting, stateRefused} {
		gauge("ecideck_pods", "Pods of this process's nodes by state.", prometheus.Labels{"state": state}, sum, func(p *Provider) float64 { return float64(p.count(state)) })
	}
	gauge("ecideck_leading", "1 while this process serves the node, 0 while it stands by.", nil, worst, func(*Provider) float64 { return 1 })
	gauge("ecideck_cloud_healthy", "1 while the ECI API answers.", nil, worst, func(p *Provider) float64 {
		if _, err := p.CloudHealth(); err != nil {
			return 0
		}
		return 1
	})
}

// costCollector tells what the node's groups cost now, a line for each currency.
type costCollector Metrics

var (
	costDesc = prometheus.NewDesc("ecideck_cost_per_hour", "What the groups of this node cost an hour, as far as their prices are known, by currency.", []string{"currency"}, nil)
	unpriced = prometheus.NewDesc("ecideck_groups_without_price", "Groups that cost money and whose price is not known: they are not in ecideck_cost_per_hour.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *costCollector) Describe(out chan<- *prometheus.Desc) {
	out <- costDesc
	out <- unpriced
}

// Collect implements prometheus.Collector. A total too large for its type is left out.
func (c *costCollector) Collect(out chan<- prometheus.Metric) {
	nodes := (*Metrics)(c).watched()
	if len(nodes) == 0 {
		return
	}
	var sum money.Sum
	for _, p := range nodes {
		p.addCosts(&sum)
	}
	if totals, err := sum.Totals(); err == nil {
		for _, total := range totals {
			out <- prometheus.MustNewConstMetric(costDesc, prometheus.GaugeValue, total.Float(), string(total.Currency))
		}
	}
	out <- prometheus.MustNewConstMetric(unpriced, prometheus.GaugeValue, float64(sum.Unknown()))
}

const (
	stateCreating = "creating"
	stateStarting = "starting"
	stateRunning  = "running"
	stateEnded    = "ended"
	stateDeleting = "deleting"
	stateRefused  = "refused"
)

func (p *Provider) count(state string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.entries {
		if e.state() == state {
			n++
		}
	}
	return n
}

func (e *entry) state() string {
	switch {
	case e.deleting:
		return stateDeleting
	case e.refusal != nil:
		return stateRefused
	case e.ended():
		return stateEnded
	case e.group == nil:
		return stateCreating
	case e.group.Status == "Running":
		return stateRunning
	}
	return stateStarting
}

// health remembers whether the last call was answered.
type health struct {
	mu   sync.Mutex
	when time.Time
	err  error
}

func (h *health) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if (err == nil) != (h.err == nil) || h.when.IsZero() {
		h.when = time.Now()
	}
	h.err = err
}

// CloudHealth is the last listing's error, or nil, and since when it is so.
func (p *Provider) CloudHealth() (since time.Time, err error) {
	p.health.mu.Lock()
	defer p.health.mu.Unlock()
	return p.health.when, p.health.err
}
