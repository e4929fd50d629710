package ecitest_test

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestALoadThatIsSetHoldsFromThenOnAndOnlyForItsGroups(t *testing.T) {
	tagged := func(name string) func(*eci.CreateRequest) {
		return func(r *eci.CreateRequest) {
			r.Cpu, r.Memory = 2, 4
			r.Tag = []eci.Tag{{Key: "PodName", Value: name}}
		}
	}
	w := newWorld(t, instant)
	web := w.create(image("serve", "LOAD", "0.1"), tagged("web-1"))
	db := w.create(image("serve", "LOAD", "0.1"), tagged("db-1"))
	askers := map[*ecitest.Emulator]*asker{w.Emulator: newAsker(t, w.Emulator)}
	measure := func(e *ecitest.Emulator, id string) (vcpu, seconds float64) {
		t.Helper()
		if askers[e] == nil {
			askers[e] = newAsker(t, e)
		}
		body := askers[e].ok("DescribeMultiContainerGroupMetric", "ContainerGroupIds", `["`+id+`"]`, "MetricType", "summary")
		return number(t, body, "MonitorDatas", 0, "Records", 0, "CPU", "UsageNanoCores") / 1e9,
			number(t, body, "MonitorDatas", 0, "Records", 0, "CPU", "UsageCoreNanoSeconds") / 1e9
	}
	check := func(e *ecitest.Emulator, id string, vcpu, seconds float64) {
		t.Helper()
		gotCPU, gotSeconds := measure(e, id)
		near := func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }
		if !near(gotCPU, vcpu) || !near(gotSeconds, seconds) {
			t.Errorf("group %s uses %g vCPU and has used %g s, want %g and %g", id, gotCPU, gotSeconds, vcpu, seconds)
		}
	}
	w.pass(100 * time.Second)
	if err := w.SetLoad(ecitest.Load{Tags: map[string]string{"PodName": "web-*"}, Load: "0.8"}); err != nil {
		t.Fatal(err)
	}
	w.pass(100 * time.Second)
	check(w.Emulator, web, 1.6, 20+160)
	check(w.Emulator, db, 0.2, 40)
	if vcpu, used := measure(w.reborn(), web); vcpu != 1.6 || used < 20+160-15*1.6-1 {
		t.Errorf("from a saved state %g vCPU and %g s", vcpu, used) // that one measures every 15 s
	}
	later := w.create(image("serve"), tagged("web-2"))
	w.pass(100 * time.Second)
	check(w.Emulator, later, 1.6, 160)
	if err := w.SetLoad(ecitest.Load{Tags: map[string]string{"PodName": "web-*"}}); err != nil {
		t.Fatal(err)
	}
	w.pass(100 * time.Second)
	check(w.Emulator, web, 0.2, 20+320+20)
	if err := w.SetLoad(ecitest.Load{Load: "much"}); err == nil {
		t.Error("a load that can't be read is taken")
	}
}

func TestASidecarKeepsNoGroupFromEnding(t *testing.T) {
	sidecar := func(r *eci.CreateRequest) {
		value, ignore := "sidecar", "true"
		r.RestartPolicy = "Never"
		r.Container = append(r.Container, eci.ContainerRequest{Name: "helper", Image: "lab/serve", EnvironmentVar: []eci.EnvironmentVar{
			{Key: "ECI_CONTAINER_TYPE", Value: &value}, {Key: "ECI_CONTAINER_IGNORE_EXIT_CODE", Value: &ignore}}})
	}
	w := newWorld(t, instant)
	id := w.create(image("job", "SECONDS", "60"), sidecar)
	w.pass(59 * time.Second)
	same(t, "while the job works", w.group(id).Status, eci.Running)
	w.pass(time.Hour)
	g := w.group(id)
	same(t, "when it is done", g.Status, eci.Succeeded)
	same(t, "the sidecar", g.Containers[1].Current.State, "Terminated")
	same(t, "its exit code", g.Containers[1].Current.ExitCode, int32(0))

	failed := w.create(image("job", "SECONDS", "1", "EXIT_CODE", "3"), sidecar)
	w.pass(time.Hour)
	same(t, "a job that fails", w.group(failed).Status, eci.Failed)
}
