package fleet

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// whole is bigWorld with all that is read beside pods and groups: 5,000 Deployments with
// their ReplicaSets, a tenth of them scaled, usage of every pod, 20,000 events.
func whole(pods int) Inputs {
	w := bigWorld(pods)
	in := w.priced(1)
	deployments, sets := Controllers{Kind: "Deployment"}, Controllers{Kind: "ReplicaSet"}
	hpas, budgets := Autoscalers{Kind: KindHPA}, Budgets{}
	usage := map[PodName]Usage{}
	events := Events{}
	for i, p := range w.pods {
		usage[PodName{p.Namespace, p.Name}] = Usage{CPU: 100, Memory: 1 << 28, Read: noon}
		if i%5 == 0 {
			events.Items = append(events.Items, &Event{Time: noon.Add(-time.Duration(i) * time.Second), Count: 1, Source: "k8s", Type: "Normal", Reason: "Pulled", Kind: "Pod", Namespace: p.Namespace, Name: p.Name})
		}
		if i%20 > 0 {
			continue
		}
		name, labels := p.Workload.Name, "app="+p.Workload.Name
		deployments.Items = append(deployments.Items, &Controller{Kind: "Deployment", Namespace: p.Namespace, Name: name, Labels: labels, Desired: 20, Current: 20, Updated: 20, Ready: 20, Available: 20, Observed: true})
		sets.Items = append(sets.Items, &Controller{Kind: "ReplicaSet", Namespace: p.Namespace, Name: name + "-1", Owner: p.Workload, Desired: 20, Current: 20, Observed: true})
		if i%200 == 0 {
			hpas.Items = append(hpas.Items, &Autoscaler{Kind: KindHPA, Namespace: p.Namespace, Name: name, Target: p.Workload, Min: 2, Max: 30, Metrics: "cpu 50%/60%"})
			budgets.Items = append(budgets.Items, &Budget{Namespace: p.Namespace, Name: name, Selector: labels, Allowed: 1})
		}
	}
	for _, part := range []Part{deployments, sets, hpas, budgets, events, PodUsage{Source: "pod-metrics", ByPod: usage}} {
		in.Apply(part)
	}
	return in
}

// BenchmarkHeap is what a pod takes, all in: its record and its group's, its placement, its
// usage, its part of the indexes, nodes and workloads.
func BenchmarkHeap(b *testing.B) {
	const pods = 100_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		in := whole(pods)
		s := Build(in, noon, nil)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/pods, "B/pod")
		runtime.KeepAlive(s)
		runtime.KeepAlive(in)
	}
}

func BenchmarkCosts(b *testing.B) {
	s := Build(whole(100_000), noon, nil)
	for _, by := range Groupings() {
		b.Run(string(by), func(b *testing.B) {
			for b.Loop() {
				if len(s.Costs(by)) == 0 {
					b.Fatal("no rows")
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	s := Build(whole(10_000), noon, nil)
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("gzip=%v", compress), func(b *testing.B) {
			var n counter
			for b.Loop() {
				n = 0
				if err := s.Encode(&n, compress); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/10_000, "B/pod")
		})
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
