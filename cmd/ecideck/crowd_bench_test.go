package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/burst"
)

// BenchmarkBurstsAtOnce has 300 marked pods find full real nodes, on the real control plane and
// with groups that start beside it. "stopped" has all of them wait for `ecideck burst start`,
// and reports the seconds from there until the last was bound; "created" is a Deployment that
// is scaled up, and reports the seconds from the last pod's being marked Unschedulable (or, of
// those that were let go before, from the last's creation) until the last was bound.
func BenchmarkBurstsAtOnce(b *testing.B) {
	const n = 300
	c, client := startSlots(b)
	node := c.lab.Scenario.VirtualNodes[0].Name
	full := newTenant(b, c.lab, client, node)
	full.deploy("web", 24, "1", "", "")
	full.places("web", 24, 0, 0)
	for _, stopped := range []bool{true, false} {
		name := "created"
		if stopped {
			name = "stopped"
		}
		b.Run(name, func(b *testing.B) {
			var bound, all time.Duration
			for b.Loop() {
				x := newTenant(b, c.lab, client, node)
				d, whole := x.crowd(n, stopped)
				bound, all = bound+d, all+whole
			}
			b.ReportMetric(bound.Seconds()/float64(b.N), "s-bound")
			b.ReportMetric(all.Seconds()/float64(b.N), "s-ready")
			b.ReportMetric(0, "ns/op") // the two above are what there is to say
		})
	}
}

// crowd has n pods burst at once and ends them again.
func (x *tenant) crowd(n int, stopped bool) (bound, ready time.Duration) {
	x.t.Helper()
	defer x.clear()
	var mu sync.Mutex // guards the times
	created, refused, letGo, went, ran := firstTimes{}, firstTimes{}, firstTimes{}, firstTimes{}, firstTimes{}
	look(x.t, x.client, x.namespace, func(pod *corev1.Pod) {
		mu.Lock()
		defer mu.Unlock()
		created.note(pod, true)
		refused.note(pod, isUnschedulable(pod))
		letGo.note(pod, pod.Annotations[burst.AnnotationSince] != "")
		went.note(pod, pod.Spec.NodeName == x.node)
		ran.note(pod, isReady(pod))
	})
	until := func(what string, of firstTimes) {
		x.t.Helper()
		x.eventually(2*time.Minute, fmt.Sprintf("%d pods are %s", n, what), func() (bool, string) {
			mu.Lock()
			defer mu.Unlock()
			return len(of) == n, fmt.Sprint(len(of))
		})
	}
	flip := func(to burst.Switch) {
		x.t.Helper()
		if err := burst.SetSwitch(x.t.Context(), x.client.CoreV1(), to); err != nil {
			x.t.Fatal(err)
		}
	}
	if stopped {
		flip(burst.Switch{Stopped: true, By: "a benchmark", At: time.Now()})
	}
	x.deploy("crowd", n, "100m", realFirst, "")
	begin := time.Now()
	if stopped {
		until("unschedulable", refused)
		begin = time.Now()
		flip(burst.Switch{By: "a benchmark", At: time.Now()})
	}
	before := x.cpu()
	until("bound", went)
	x.t.Logf("CPU seconds until then: %s", x.cpu().since(before))
	until("ready", ran)
	x.t.Logf("CPU seconds until then: %s", x.cpu().since(before))
	mu.Lock()
	defer mu.Unlock()
	from := begin
	if !stopped {
		if from = refused.last(); created.last().After(from) {
			from = created.last()
		}
	}
	x.t.Logf("made in %.2f s; after %s the last was let go %.2f s, bound %.2f s, ready %.2f s", created.last().Sub(begin).Seconds(),
		map[bool]string{true: "the start", false: "the last was unschedulable"}[stopped], letGo.last().Sub(from).Seconds(), went.last().Sub(from).Seconds(), ran.last().Sub(from).Seconds())
	return went.last().Sub(from), ran.last().Sub(from)
}

// A cpuTimes is what each part of the lab has computed so far. A machine that others share is
// no measure of seconds; this is.
type cpuTimes map[string]time.Duration

// cpu reads them from Linux; elsewhere there are none.
func (x *tenant) cpu() cpuTimes {
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs
	times := cpuTimes{}
	for _, p := range x.lab.Processes() {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(raw), ") ") // a name may have blanks
		fields := strings.Fields(rest)
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		times[p.Name] = time.Duration(user+system) * tick
	}
	return times
}

// since is what was computed after before, in a line.
func (c cpuTimes) since(before cpuTimes) string {
	var parts []string
	var sum time.Duration
	for _, name := range slices.Sorted(maps.Keys(c)) {
		d := c[name] - before[name]
		sum += d
		parts = append(parts, fmt.Sprintf("%s %.2f", name, d.Seconds()))
	}
	return fmt.Sprintf("%s; in all %.2f", strings.Join(parts, ", "), sum.Seconds())
}
