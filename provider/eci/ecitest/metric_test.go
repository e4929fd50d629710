package ecitest_test

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func instant(o *ecitest.Options) { o.Instant = true }

func TestUsageFollowsTheLoadCurve(t *testing.T) {
	w := newWorld(t, instant)
	a := newAsker(t, w.Emulator)
	id := w.create(image("serve", "LOAD", "0s:0,10m:1,20m:0"), func(r *eci.CreateRequest) { r.Cpu, r.Memory = 2, 4 })
	w.pass(20 * time.Minute) // noon is a multiple of the period
	body := a.ok("DescribeContainerGroupMetric", "ContainerGroupId", id, "Period", "600")
	var got []float64
	for i := range 3 {
		got = append(got, number(t, body, "Records", i, "CPU", "UsageNanoCores")/1e9, number(t, body, "Records", i, "CPU", "UsageCoreNanoSeconds")/1e9)
	}
	// Two vCPU, from 0 to 1 and back: at the top 600 vCPU seconds are used, then 1200.
	same(t, "vCPU and vCPU seconds", got, []float64{0, 0, 2, 600, 0, 1200})
	same(t, "no fourth record", dig(body, "Records", 3), nil)
	same(t, "limit", dig(body, "Records", 1, "CPU", "Limit"), any(2000.0))
	same(t, "memory", number(t, body, "Records", 1, "Memory", "UsageBytes"), 3.0*(1<<30))
	same(t, "container", dig(body, "Records", 1, "Containers", 0, "Name"), any("main"))
	for _, name := range []string{"Network", "Disk", "Filesystem"} {
		if dig(body, "Records", 1, name) == nil {
			t.Errorf("a record has no %s", name)
		}
	}
}

func TestUsageWithoutACurveStaysBelowTheLimits(t *testing.T) {
	w := newWorld(t, instant)
	a := newAsker(t, w.Emulator)
	one, two := w.create(), w.create()
	w.pass(time.Hour)
	body := a.ok("DescribeContainerGroupMetric", "ContainerGroupId", one, "Period", "60")
	records, _ := dig(body, "Records").([]any)
	if len(records) != 50 {
		t.Fatalf("%d records, want 50", len(records))
	}
	last := -1.0
	for i := range records {
		usage, used := number(t, body, "Records", i, "CPU", "UsageNanoCores")/1e9, number(t, body, "Records", i, "CPU", "UsageCoreNanoSeconds")
		if usage < 0.4 || usage > 0.8 || used <= last {
			t.Errorf("record %d: %v of 2 vCPU, %v after %v", i, usage, used, last)
		}
		last = used
	}
	latest := a.ok("DescribeMultiContainerGroupMetric", "ContainerGroupIds", `["`+one+`","`+two+`","eci-none"]`, "MetricType", "summary")
	datas, _ := dig(latest, "MonitorDatas").([]any)
	same(t, "groups", len(datas), 2)
	if a, b := number(t, latest, "MonitorDatas", 0, "Records", 0, "CPU", "UsageNanoCores"), number(t, latest, "MonitorDatas", 1, "Records", 0, "CPU", "UsageNanoCores"); a == b {
		t.Errorf("two groups are on one wave: %v", a)
	}
	if dig(latest, "MonitorDatas", 0, "Records", 0, "Disk", 0, "ReadIo") == nil {
		t.Error("the disk's counters have not the names of this action")
	}
}

func TestMetricsOfWhatDoesNotRun(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create()
	same(t, "records", dig(a.ok("DescribeContainerGroupMetric", "ContainerGroupId", id), "Records"), any([]any{}))
	same(t, "records", dig(a.ok("DescribeMultiContainerGroupMetric", "ContainerGroupIds", `["`+id+`"]`), "MonitorDatas", 0, "Records"), any([]any{}))
	a.refused("InvalidParameter.NotFound", "DescribeContainerGroupMetric", "ContainerGroupId", "eci-none")
	a.refused("InvalidParameter", "DescribeContainerGroupMetric", "ContainerGroupId", id, "Period", "7")
	a.refused("InvalidParameter", "DescribeContainerGroupMetric", "ContainerGroupId", id, "StartTime", "yesterday")
	a.refused("InvalidParameter", "DescribeContainerGroupMetric", "ContainerGroupId", id, "StartTime", "2026-01-01T00:00:00Z")
	a.refused("InvalidParameter", "DescribeMultiContainerGroupMetric", "ContainerGroupIds", `["`+id+`"]`, "MetricType", "all")
	a.refused("MissingParameter", "DescribeMultiContainerGroupMetric")
}
