package provider

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	dto "github.com/prometheus/client_model/go"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// measuredNode is a node whose metrics are kept, and that may ask for prices.
func measuredNode(b *bed) *Metrics {
	metrics := NewMetrics()
	b.stop()
	b.change = func(c *Config, _ *NodeSpec) {
		c.Metrics, c.Prices = metrics, c.Cloud.(Prices)
	}
	b.start()
	<-b.node.Ready()
	return metrics
}

// value is the sum of a metric's lines whose labels have the pair; a histogram counts as how
// often it was observed. ok: there is such a line.
func value(t *testing.T, m *Metrics, name, pair string) (sum float64, ok bool) {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, line := range family.Metric {
			if pair != "" && !strings.Contains(labelsOf(line), pair) {
				continue
			}
			ok = true
			sum += line.GetGauge().GetValue() + line.GetCounter().GetValue() + float64(line.GetHistogram().GetSampleCount())
		}
	}
	return sum, ok
}

func labelsOf(m *dto.Metric) string {
	var text []string
	for _, l := range m.Label {
		text = append(text, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(text, ",")
}

func TestMetricsTellWhatThePodsCostAndForgetThemWhenTheyEnd(t *testing.T) {
	inBed(t, func(b *bed) {
		m := measuredNode(b)
		var pods []*corev1.Pod
		for _, name := range []string{"a", "b"} {
			pods = append(pods, b.untilReady(b.create(healthyPod(name, annotated("use-specs", "2-4Gi")))))
		}
		b.until("the price is known", 2*time.Minute, func() bool {
			unknown, _ := value(t, m, "ecideck_groups_without_price", "")
			return unknown == 0
		})
		// Twice 2 vCPU and 4 GiB at the list price, 0.441072 each.
		if rate, ok := value(t, m, "ecideck_cost_per_hour", "currency=CNY"); !ok || rate < 0.882143 || rate > 0.882145 {
			t.Errorf("cost rate %v, %v", rate, ok)
		}
		if n := b.cloud.Calls("DescribeContainerGroupPrice"); n != 1 {
			t.Errorf("%d price calls for two pods of one size", n)
		}
		if n, _ := value(t, m, "ecideck_pod_start_seconds", ""); n != 2 {
			t.Errorf("%v pods were seen to start", n)
		}
		for _, pod := range pods {
			b.delete(pod)
		}
		b.until("no pods", time.Minute, func() bool { return len(b.pods()) == 0 && len(b.live()) == 0 })
		b.until("both ends are counted", time.Minute, func() bool { n, _ := value(t, m, "ecideck_pod_end_seconds", ""); return n == 2 })
		if rate, ok := value(t, m, "ecideck_cost_per_hour", ""); ok && rate != 0 {
			t.Errorf("a rate of %v without a group", rate)
		}
	})
}

func TestAGroupWithoutAPriceIsCountedAndNotFree(t *testing.T) {
	inBed(t, func(b *bed) {
		m := measuredNode(b)
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultDenied, Action: "DescribeContainerGroupPrice"})
		b.untilReady(b.create(healthyPod("web")))
		time.Sleep(2 * time.Minute)
		if n, _ := value(t, m, "ecideck_groups_without_price", ""); n != 1 {
			t.Errorf("%v groups without a price", n)
		}
		if _, ok := value(t, m, "ecideck_cost_per_hour", ""); ok {
			t.Error("a cost rate is told, though no price is known")
		}
		if n := b.cloud.Calls("DescribeContainerGroupPrice"); n != 1 {
			t.Errorf("%d refused price calls in two minutes", n)
		}
		clear()
		b.until("the price is known", 10*time.Minute, func() bool { _, ok := value(t, m, "ecideck_cost_per_hour", ""); return ok })
	})
}

func TestMetricsCountThrottlesAndTheWorkOfTheQueues(t *testing.T) {
	inBed(t, func(b *bed) {
		m := measuredNode(b)
		pod := b.untilReady(b.create(healthyPod("web")))
		for name, least := range map[string]float64{"workqueue_adds_total": 1, "workqueue_queue_duration_seconds": 1, "workqueue_work_duration_seconds": 1} {
			for _, queue := range []string{queueGroups, queueStatuses} {
				if n, ok := value(t, m, name, "name="+queue); !ok || n < least {
					t.Errorf("%s of %s: %v, %v", name, queue, n, ok)
				}
			}
		}
		m.Observe("CreateContainerGroup", "Throttling.User", time.Second)
		m.Observe("CreateContainerGroup", "OperationDenied.NoStock", time.Second)
		if n, _ := value(t, m, "ecideck_cloud_throttled_total", "action=CreateContainerGroup"); n != 1 {
			t.Errorf("%v throttles counted of one", n)
		}
		// A node that gave its lease back has nothing in its queues, whatever they held.
		b.fault(ecitest.Fault{Kind: ecitest.FaultError500})
		b.delete(pod)
		b.stop()
		if n, _ := value(t, m, "workqueue_depth", ""); n != 0 {
			t.Errorf("depth %v of a node that does not lead", n)
		}
		if _, ok := value(t, m, "ecideck_cost_per_hour", ""); ok {
			t.Error("a node that does not lead tells a cost")
		}
	})
}

func TestAnECSTypeIsPricedAsOneAndASizeIsNot(t *testing.T) {
	for text, want := range map[string]string{"ecs.c6.large": "ecs.c6.large", "2.0-4.0Gi": "", "": ""} {
		if got := priceOf(&eci.Group{InstanceType: text}).InstanceType; got != want {
			t.Errorf("%q is priced as type %q", text, got)
		}
	}
}

func TestMetricsCountPodsByStateAndCallsByCode(t *testing.T) {
	inBed(t, func(b *bed) {
		m := measuredNode(b)
		expect := func(name, pair string, want float64) {
			t.Helper()
			if got, ok := value(t, m, name, pair); !ok || got != want {
				t.Errorf("%s of %s: %v, %v; want %v", name, pair, got, ok, want)
			}
		}
		b.untilReady(b.create(healthyPod("web")))
		b.create(healthyPod("refused", func(p *corev1.Pod) { p.Spec.HostNetwork = true }))
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock})
		failed := b.create(healthyPod("failed", annotated("fail-strategy", "fail-fast")))
		b.until("failed", time.Minute, func() bool { return b.get(failed).Status.Phase == corev1.PodFailed })
		clear()
		for state, want := range map[string]float64{stateRunning: 1, stateRefused: 1, stateEnded: 1, stateCreating: 0, stateStarting: 0, stateDeleting: 0} {
			expect("ecideck_pods", "state="+state, want)
		}
		expect("ecideck_leading", "", 1)
		expect("ecideck_cloud_healthy", "", 1)
		defer b.fault(ecitest.Fault{Kind: ecitest.FaultError500})()
		b.until("the outage shows", 10*time.Minute, func() bool { n, _ := value(t, m, "ecideck_cloud_healthy", ""); return n == 0 })
		m.Observe("DescribeSomething", "", time.Second)
		m.Observe("DescribeSomething", "Forbidden.RAM", time.Second)
		expect("ecideck_cloud_calls_total", "code=Forbidden.RAM", 1)
		expect("ecideck_cloud_calls_total", "action=DescribeSomething", 2)
		expect("ecideck_cloud_call_seconds", "action=DescribeSomething", 2)
	})
}
