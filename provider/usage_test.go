package provider

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

func measuredPod() measured {
	start := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	pod := healthyPod("web")
	pod.Status.StartTime = &start
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start.Add(5 * time.Second))}}}}
	return measured{pod, eci.Metrics{
		At:         start.Add(time.Minute),
		CPU:        eci.CPUMetrics{NanoCores: 250_000_000, CoreNanoseconds: 1_500_000_000},
		Memory:     eci.MemoryMetrics{Usage: 300, WorkingSet: 200, RSS: 100, Available: 700},
		Interfaces: []eci.InterfaceMetrics{{Name: "eth0", RxBytes: 10, TxBytes: 20}},
		Containers: []eci.ContainerMetrics{{Name: "app", CPU: eci.CPUMetrics{NanoCores: 200_000_000, CoreNanoseconds: 1_250_000_000}, Memory: eci.MemoryMetrics{WorkingSet: 150}}},
	}}
}

func TestMetricsAreWrittenAsAKubeletDoes(t *testing.T) {
	var out bytes.Buffer
	for _, family := range resourceMetrics(time.Date(2026, 1, 1, 0, 2, 0, 0, time.UTC), []measured{measuredPod()}) {
		if _, err := expfmt.MetricFamilyToText(&out, family); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	want := []string{
		`node_cpu_usage_seconds_total 1.5 1767225720000`,
		`node_memory_working_set_bytes 200 1767225720000`,
		`pod_cpu_usage_seconds_total{namespace="default",pod="web"} 1.5 1767225660000`,
		`pod_memory_working_set_bytes{namespace="default",pod="web"} 200 1767225660000`,
		`container_cpu_usage_seconds_total{namespace="default",pod="web",container="app"} 1.25 1767225660000`,
		`container_memory_working_set_bytes{namespace="default",pod="web",container="app"} 150 1767225660000`,
		`container_start_time_seconds{namespace="default",pod="web",container="app"} 1.767225605e+09`,
		`resource_scrape_error 0`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

func TestTheSummaryHasEachPodAndTheirSum(t *testing.T) {
	other := measuredPod()
	other.pod = other.pod.DeepCopy()
	other.pod.Name, other.pod.Status = "other", corev1.PodStatus{}
	s := summary("node", time.Time{}, time.Now(), []measured{measuredPod(), other})
	if len(s.Pods) != 2 || *s.Node.CPU.UsageNanoCores != 500_000_000 || *s.Node.Memory.WorkingSetBytes != 400 {
		t.Errorf("%+v", s)
	}
	pod := s.Pods[0]
	if pod.PodRef.Name != "web" || *pod.CPU.UsageNanoCores != 250_000_000 || *pod.Memory.RSSBytes != 100 || *pod.Network.TxBytes != 20 ||
		len(pod.Containers) != 1 || *pod.Containers[0].Memory.WorkingSetBytes != 150 || pod.Containers[0].StartTime.IsZero() {
		t.Errorf("%+v", pod)
	}
	if empty := summary("node", time.Time{}, time.Now(), nil); empty.Pods == nil || *empty.Node.CPU.UsageNanoCores != 0 {
		t.Errorf("%+v", empty)
	}
	pod0 := measuredPod().pod
	early := summary("node", time.Time{}, time.Now(), []measured{{pod0, unmeasured(pod0)}}).Pods[0]
	if len(early.Containers) != 1 || early.Containers[0].Memory != nil || *early.CPU.UsageCoreNanoSeconds != 0 {
		t.Errorf("a pod that was not measured yet: %+v", early)
	}
}

// A meter counts its calls and fails when told to.
type meter struct {
	calls int
	err   error
}

func (m *meter) LatestMetrics(_ context.Context, ids []string) (map[string]eci.Metrics, error) {
	m.calls++
	if m.err != nil {
		return nil, m.err
	}
	out := map[string]eci.Metrics{}
	for _, id := range ids {
		out[id] = eci.Metrics{CPU: eci.CPUMetrics{NanoCores: int64(m.calls)}}
	}
	return out, nil
}

func TestUsageIsReadOnceForManyReadersAndNeverServedAsFreshWhenOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{Meter: &meter{}})
		defer p.shutDown()
		m := p.Meter.(*meter)
		p.entries["uid"] = &entry{uid: "uid", pod: healthyPod("web"), groupID: "eci-1", group: &eci.Group{Status: eci.Running}}
		p.entries["ended"] = &entry{uid: "ended", pod: healthyPod("ended"), groupID: "eci-2", group: &eci.Group{Status: "Succeeded"}}
		for range 5 {
			if pods, err := p.measure(t.Context()); err != nil || len(pods) != 1 || pods[0].pod.Name != "web" {
				t.Fatalf("%v, %v", pods, err)
			}
		}
		if m.calls != 1 {
			t.Errorf("%d calls for five readers", m.calls)
		}
		p.entries["new"] = &entry{uid: "new", pod: healthyPod("new"), groupID: "eci-3", group: &eci.Group{Status: eci.Running}}
		time.Sleep(2 * time.Second)
		if pods, err := p.measure(t.Context()); err != nil || len(pods) != 2 || m.calls != 2 {
			t.Fatalf("a group that started since is missing: %v, %v, %d calls", pods, err, m.calls)
		}
		delete(p.entries, "new")
		time.Sleep(15 * time.Second)
		m.err = errors.New("the API is away")
		if pods, err := p.measure(t.Context()); err != nil || len(pods) != 1 {
			t.Errorf("a short outage lost the numbers: %v, %v", pods, err)
		}
		time.Sleep(time.Minute)
		if _, err := p.measure(t.Context()); err == nil {
			t.Error("numbers older than a minute were served")
		}
		m.err = nil
		if pods, err := p.measure(t.Context()); err != nil || len(pods) != 1 {
			t.Errorf("%v, %v", pods, err)
		}
	})
}
