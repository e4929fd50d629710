package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	statsv1alpha1 "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/ecideck/ecideck/provider/eci"
)

// Meter measures groups; *eci.Client is one.
type Meter interface {
	// LatestMetrics returns the newest measurement of each group by its id. Groups that are
	// not measured are not in it.
	LatestMetrics(ctx context.Context, ids []string) (map[string]eci.Metrics, error)
}

// ECI measures every 15 seconds; asking more often gives the same numbers. Numbers that
// could not be renewed are served for a minute, which is how long metrics-server's own last
// as well.
const (
	usageLeast = time.Second // however many groups start
	usageFresh = 10 * time.Second
	usageStale = time.Minute
)

// usage remembers the groups' newest measurements, so that metrics-server, Prometheus and a
// person together cost one call for every twenty groups.
type usage struct {
	mu   sync.Mutex
	when time.Time
	of   map[string]bool // the groups that were asked for
	last map[string]eci.Metrics
}

// A measured pod is a pod on this node with its newest measurement.
type measured struct {
	pod     *corev1.Pod
	metrics eci.Metrics
}

// measure returns the running pods with their newest measurement, by namespace and name. Of
// one that ECI has not measured yet only what is sure is told: at its start it had used no
// CPU time. Its memory is unknown, so metrics-server waits for the first measurement.
func (p *Provider) measure(ctx context.Context) ([]measured, error) {
	if p.Meter == nil {
		return nil, errdefs.InvalidInput("this virtual node was started without a source of resource usage")
	}
	byGroup := map[string]*corev1.Pod{}
	p.mu.Lock()
	for _, e := range p.entries {
		if e.group != nil && e.group.Status == eci.Running && !e.gone {
			byGroup[e.groupID] = e.pod
		}
	}
	p.mu.Unlock()
	metrics, err := p.usage.read(ctx, p.Meter, byGroup)
	if err != nil {
		return nil, err
	}
	var out []measured
	for id, pod := range byGroup {
		m, ok := metrics[id]
		if !ok {
			m = unmeasured(pod)
		}
		out = append(out, measured{pod, m})
	}
	slices.SortFunc(out, func(a, b measured) int {
		return cmp.Or(cmp.Compare(a.pod.Namespace, b.pod.Namespace), cmp.Compare(a.pod.Name, b.pod.Name))
	})
	return out, nil
}

func unmeasured(pod *corev1.Pod) eci.Metrics {
	var m eci.Metrics
	for _, c := range pod.Spec.Containers {
		m.Containers = append(m.Containers, eci.ContainerMetrics{Name: c.Name})
		if start := containerStart(pod, c.Name); m.At.IsZero() || start.Before(m.At) {
			m.At = start
		}
	}
	return m
}

// read asks for measurements that are not fresh. Callers wait for one another: the second
// finds what the first has read.
func (u *usage) read(ctx context.Context, meter Meter, byGroup map[string]*corev1.Pod) (map[string]eci.Metrics, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(byGroup) == 0 || !u.when.IsZero() && (time.Since(u.when) < usageLeast || time.Since(u.when) < usageFresh && u.covers(byGroup)) {
		return u.last, nil
	}
	ids := make([]string, 0, len(byGroup))
	for id := range byGroup {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	asked := time.Now()
	metrics, err := meter.LatestMetrics(ctx, ids)
	if err != nil {
		if !u.when.IsZero() && time.Since(u.when) < usageStale && !errors.Is(err, context.Canceled) {
			return u.last, nil
		}
		return nil, fmt.Errorf("asking ECI for resource usage: %w", err)
	}
	u.when, u.last, u.of = asked, metrics, make(map[string]bool, len(ids))
	for _, id := range ids {
		u.of[id] = true
	}
	return metrics, nil
}

// covers tells that all groups were asked for; those that started since were not.
func (u *usage) covers(byGroup map[string]*corev1.Pod) bool {
	for id := range byGroup {
		if !u.of[id] {
			return false
		}
	}
	return true
}

// GetStatsSummary is the kubelet's /stats/summary: CPU, memory, network and disk of the
// pods that ECI has measured, and their sum as the node's.
func (p *Provider) GetStatsSummary(ctx context.Context) (*statsv1alpha1.Summary, error) {
	pods, err := p.measure(ctx)
	if err != nil {
		return nil, err
	}
	return summary(p.Placement.NodeName, p.started, time.Now(), pods), nil
}

// GetMetricsResource is the kubelet's /metrics/resource, which metrics-server reads. It is
// in the format of Prometheus; the second label of a pod's and of a container's numbers is
// the pod's name, which Virtual Kubelet's own tests count on.
func (p *Provider) GetMetricsResource(ctx context.Context) ([]*dto.MetricFamily, error) {
	pods, err := p.measure(ctx)
	if err != nil {
		return nil, err
	}
	return resourceMetrics(time.Now(), pods), nil
}

// summary is pure. CPU seconds of ended pods leave the node's sum, as they leave ECI's
// answers: readers of the node's counter see a restart.
func summary(node string, started, now time.Time, pods []measured) *statsv1alpha1.Summary {
	s := &statsv1alpha1.Summary{Node: statsv1alpha1.NodeStats{NodeName: node, StartTime: metav1.NewTime(started)}}
	var cpu eci.CPUMetrics
	var memory eci.MemoryMetrics
	for _, m := range pods {
		stats := statsv1alpha1.PodStats{
			PodRef: statsv1alpha1.PodReference{Name: m.pod.Name, Namespace: m.pod.Namespace, UID: string(m.pod.UID)},
			CPU:    cpuStats(m.metrics.At, m.metrics.CPU), Memory: memoryStats(m.metrics.At, m.metrics.Memory),
			Containers: []statsv1alpha1.ContainerStats{},
			Network:    networkStats(m.metrics), EphemeralStorage: diskStats(m.metrics),
		}
		if start := m.pod.Status.StartTime; start != nil {
			stats.StartTime = *start
		}
		for _, c := range m.metrics.Containers {
			stats.Containers = append(stats.Containers, statsv1alpha1.ContainerStats{
				Name: c.Name, StartTime: metav1.NewTime(containerStart(m.pod, c.Name)),
				CPU: cpuStats(m.metrics.At, c.CPU), Memory: memoryStats(m.metrics.At, c.Memory),
			})
		}
		s.Pods = append(s.Pods, stats)
		cpu.NanoCores += m.metrics.CPU.NanoCores
		cpu.CoreNanoseconds += m.metrics.CPU.CoreNanoseconds
		memory.Usage += m.metrics.Memory.Usage
		memory.WorkingSet += m.metrics.Memory.WorkingSet
		memory.RSS += m.metrics.Memory.RSS
		memory.Available += m.metrics.Memory.Available
	}
	if s.Pods == nil {
		s.Pods = []statsv1alpha1.PodStats{}
	}
	s.Node.CPU, s.Node.Memory = cpuStats(now, cpu), memoryStats(now, memory)
	return s
}

func cpuStats(at time.Time, m eci.CPUMetrics) *statsv1alpha1.CPUStats {
	return &statsv1alpha1.CPUStats{Time: metav1.NewTime(at), UsageNanoCores: unsigned(m.NanoCores), UsageCoreNanoSeconds: unsigned(m.CoreNanoseconds)}
}

// memoryStats is nil where nothing was measured: a container that uses none can't run.
func memoryStats(at time.Time, m eci.MemoryMetrics) *statsv1alpha1.MemoryStats {
	if m == (eci.MemoryMetrics{}) {
		return nil
	}
	return &statsv1alpha1.MemoryStats{Time: metav1.NewTime(at), AvailableBytes: unsigned(m.Available), UsageBytes: unsigned(m.Usage),
		WorkingSetBytes: unsigned(m.WorkingSet), RSSBytes: unsigned(m.RSS)}
}

func networkStats(m eci.Metrics) *statsv1alpha1.NetworkStats {
	if len(m.Interfaces) == 0 {
		return nil
	}
	stats := &statsv1alpha1.NetworkStats{Time: metav1.NewTime(m.At)}
	for _, i := range m.Interfaces {
		stats.Interfaces = append(stats.Interfaces, statsv1alpha1.InterfaceStats{Name: i.Name,
			RxBytes: unsigned(i.RxBytes), RxErrors: unsigned(i.RxErrors), TxBytes: unsigned(i.TxBytes), TxErrors: unsigned(i.TxErrors)})
	}
	stats.InterfaceStats = stats.Interfaces[0]
	return stats
}

func diskStats(m eci.Metrics) *statsv1alpha1.FsStats {
	if len(m.Filesystems) == 0 {
		return nil
	}
	var capacity, available, used int64
	for _, f := range m.Filesystems {
		capacity, available, used = capacity+f.Capacity, available+f.Available, used+f.Usage
	}
	return &statsv1alpha1.FsStats{Time: metav1.NewTime(m.At), CapacityBytes: unsigned(capacity), AvailableBytes: unsigned(available), UsedBytes: unsigned(used)}
}

// unsigned takes what the API says; a negative count would be a fault of it, and is zero.
func unsigned(n int64) *uint64 {
	u := uint64(max(n, 0))
	return &u
}

// containerStart is when a container's current run began; the pod's start where its status
// does not say.
func containerStart(pod *corev1.Pod, name string) time.Time {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == name && c.State.Running != nil {
			return c.State.Running.StartedAt.Time
		}
	}
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}

// resourceMetrics is pure.
func resourceMetrics(now time.Time, pods []measured) []*dto.MetricFamily {
	family := func(name, help string, kind dto.MetricType) *dto.MetricFamily {
		return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
	}
	const (
		cpuHelp    = "Cumulative cpu time consumed in core-seconds"
		memoryHelp = "Current working set in bytes"
	)
	nodeCPU := family("node_cpu_usage_seconds_total", cpuHelp, dto.MetricType_COUNTER)
	nodeMemory := family("node_memory_working_set_bytes", memoryHelp, dto.MetricType_GAUGE)
	podCPU := family("pod_cpu_usage_seconds_total", cpuHelp, dto.MetricType_COUNTER)
	podMemory := family("pod_memory_working_set_bytes", memoryHelp, dto.MetricType_GAUGE)
	cpu := family("container_cpu_usage_seconds_total", cpuHelp, dto.MetricType_COUNTER)
	memory := family("container_memory_working_set_bytes", memoryHelp, dto.MetricType_GAUGE)
	starts := family("container_start_time_seconds", "Start time of the container since unix epoch in seconds", dto.MetricType_GAUGE)

	add := func(f *dto.MetricFamily, value float64, at time.Time, labels ...string) {
		m := &dto.Metric{}
		if !at.IsZero() {
			ms := at.UnixMilli()
			m.TimestampMs = &ms
		}
		for i := 0; i < len(labels); i += 2 {
			m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
		}
		if f.GetType() == dto.MetricType_COUNTER {
			m.Counter = &dto.Counter{Value: &value}
		} else {
			m.Gauge = &dto.Gauge{Value: &value}
		}
		f.Metric = append(f.Metric, m)
	}
	var nodeSeconds, nodeBytes float64
	for _, m := range pods {
		namespace, name, at := m.pod.Namespace, m.pod.Name, m.metrics.At
		seconds, bytes := float64(m.metrics.CPU.CoreNanoseconds)/1e9, float64(m.metrics.Memory.WorkingSet)
		nodeSeconds, nodeBytes = nodeSeconds+seconds, nodeBytes+bytes
		add(podCPU, seconds, at, "namespace", namespace, "pod", name)
		if m.metrics.Memory != (eci.MemoryMetrics{}) {
			add(podMemory, bytes, at, "namespace", namespace, "pod", name)
		}
		for _, c := range m.metrics.Containers {
			labels := []string{"namespace", namespace, "pod", name, "container", c.Name}
			add(cpu, float64(c.CPU.CoreNanoseconds)/1e9, at, labels...)
			if c.Memory != (eci.MemoryMetrics{}) {
				add(memory, float64(c.Memory.WorkingSet), at, labels...)
			}
			if start := containerStart(m.pod, c.Name); !start.IsZero() {
				add(starts, float64(start.UnixMilli())/1e3, time.Time{}, labels...)
			}
		}
	}
	add(nodeCPU, nodeSeconds, now)
	add(nodeMemory, nodeBytes, now)
	failed := family("resource_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise", dto.MetricType_GAUGE)
	add(failed, 0, time.Time{})
	all := []*dto.MetricFamily{nodeCPU, nodeMemory, podCPU, podMemory, cpu, memory, starts, failed}
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 })
}
