package ecitest_test

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestUpdatingAGroup(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create(func(r *eci.CreateRequest) { r.Tag = []eci.Tag{{Key: "a", Value: "1"}} })
	a.refused("IncorrectStatus", "UpdateContainerGroup", "ContainerGroupId", id, "Cpu", "4")
	w.pass(time.Minute)
	a.refused("NoNeedUpdate", "UpdateContainerGroup", "ContainerGroupId", id)
	a.refused("InvalidParameter", "UpdateContainerGroup", "ContainerGroupId", id, "UpdateType", "Some")
	a.refused("InvalidParameter", "UpdateContainerGroup", "ContainerGroupId", id, "UpdateType", "IncrementalUpdate", "Container.1.Name", "other")
	a.refused("InvalidParameter", "UpdateContainerGroup", "ContainerGroupId", id, "Volume.1.Name", "v", "Volume.1.Type", "DiskVolume")
	a.refused("InvalidParameter.CPU.Memory", "UpdateContainerGroup", "ContainerGroupId", id, "Cpu", "99")
	a.refused("InvalidParameter.NotFound", "UpdateContainerGroup", "ContainerGroupId", "eci-none", "Cpu", "4")
	same(t, "a group whose updates were refused", w.group(id).Status, eci.Running)

	a.ok("UpdateContainerGroup", "ContainerGroupId", id, "UpdateType", "IncrementalUpdate", "Tag.1.Key", "b", "Tag.1.Value", "2")
	same(t, "tags", w.group(id).Tags, map[string]string{"a": "1", "b": "2"})
	same(t, "after tags only", w.group(id).Status, eci.Running)

	a.ok("UpdateContainerGroup", "ContainerGroupId", id, "UpdateType", "IncrementalUpdate", "Cpu", "3", "Memory", "5",
		"Container.1.Name", "main", "Container.1.EnvironmentVar.1.Key", "A", "Container.1.EnvironmentVar.1.Value", "b")
	g := w.group(id)
	same(t, "status", g.Status, eci.Updating)
	same(t, "rounded size", []float64{g.CPU, g.Memory}, []float64{4, 6})
	w.pass(time.Minute)
	g = w.group(id)
	same(t, "status later", g.Status, eci.Running)
	same(t, "the image that was not given", g.Containers[0].Image, "lab/serve")

	a.ok("UpdateContainerGroup", "ContainerGroupId", id, "Container.1.Name", "new", "Container.1.Image", "job:2", "Tag.1.Key", "c", "Tag.1.Value", "3")
	w.pass(2 * time.Second)
	g = w.group(id)
	same(t, "renewed container", g.Containers[0].Name, "new")
	same(t, "renewed tags", g.Tags, map[string]string{"c": "3"})
}

func TestAGroupThatIsPendingTooLongFails(t *testing.T) {
	for _, test := range []struct {
		policy, phase string
	}{{"Always", "Pending"}, {"Never", "Failed"}} {
		w := newWorld(t)
		a := newAsker(t, w.Emulator)
		a.refused("InvalidParameter.ValueExceeded", "CreateContainerGroup", "ContainerGroupName", "web", "MaxPendingMinute", "9",
			"Container.1.Name", "main", "Container.1.Image", "missing")
		id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web", "MaxPendingMinute", "10", "RestartPolicy", test.policy,
			"Container.1.Name", "main", "Container.1.Image", "missing")["ContainerGroupId"].(string)
		four := w.create(image("missing"))
		w.pass(9 * time.Minute)
		same(t, "after nine minutes", w.group(id).Status, eci.Pending)
		w.pass(2 * time.Minute)
		g := w.group(id)
		same(t, "after eleven minutes", g.Status, eci.Failed)
		same(t, "when it failed", g.Failed, g.Created.Add(10*time.Minute+time.Second))
		same(t, "phase", dig(a.ok("DescribeContainerGroupStatus", "ContainerGroupIds", `["`+id+`"]`), "Data", 0, "PodStatus", "Phase"), any(test.phase))
		w.pass(3*time.Hour + 48*time.Minute)
		same(t, "one without a limit before four hours", w.group(four).Status, eci.Pending)
		w.pass(2 * time.Minute)
		same(t, "and after", w.group(four).Status, eci.Failed)
	}
}

func TestASpotGroupIsReclaimedThreeMinutesAfterItsNotice(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	spot := w.create(func(r *eci.CreateRequest) { r.SpotStrategy = "SpotAsPriceGo" })
	paid := w.create()
	w.pass(time.Minute)
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultSpotReclaim}); err != nil {
		t.Fatal(err)
	}
	noticed := w.Now()
	g := w.group(spot)
	same(t, "with its notice", g.Status, eci.Running)
	same(t, "event", g.Events[len(g.Events)-1].Reason, "SpotToBeReleased")
	same(t, "who says so", dig(a.ok("DescribeContainerGroupEvents", "ContainerGroupIds", `["`+spot+`"]`, "EventSource", "EciService"), "Data", 0, "Events", 0, "reason"), any("SpotToBeReleased"))
	same(t, "condition", dig(a.ok("DescribeContainerGroupStatus", "ContainerGroupIds", `["`+spot+`"]`), "Data", 0, "PodStatus", "Conditions", 5, "type"), any("ContainerInstanceExpired"))
	w.pass(3 * time.Minute)
	g = w.group(spot)
	same(t, "later", g.Status, eci.Expired)
	same(t, "when", g.Expired, noticed.Add(3*time.Minute))
	same(t, "one that is no spot group", w.group(paid).Status, eci.Running)
	a.refused("IncorrectStatus", "RestartContainerGroup", "ContainerGroupId", spot)
}

func TestFaultsOfGroupsHitEachGroupOnce(t *testing.T) {
	w := newWorld(t)
	one, two := w.create(), w.create()
	w.pass(time.Minute)
	for _, f := range []ecitest.Fault{{Kind: ecitest.FaultRestart, Group: one}, {Kind: ecitest.FaultMaintenance, Count: 1, Zone: "cn-hangzhou-h"}} {
		if _, err := w.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "restarted", w.group(one).Status, eci.Restarting)
	g := w.group(two)
	same(t, "not restarted", g.Status, eci.Running)
	same(t, "notice", g.Events[len(g.Events)-1].Reason, "SystemReboot")
	w.pass(10 * time.Second)
	same(t, "restarted once", w.group(one).Status, eci.Running)
}

func TestFaultsOfCreatingAndOfCalls(t *testing.T) {
	for kind, want := range map[string]string{
		ecitest.FaultArrears: "Account.Arrearage", ecitest.FaultQuota: "QuotaExceeded", ecitest.FaultNoIPs: "InvalidVSwitchId.IpNotEnough",
		ecitest.FaultNotOnSale: "Zone.NotOnSale", ecitest.FaultUnavailable: "ServiceUnavailable",
	} {
		w := newWorld(t)
		a := newAsker(t, w.Emulator)
		if _, err := w.AddFault(ecitest.Fault{Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		create := []string{"ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve"}
		a.refused(want, "CreateContainerGroup", create...)
		a.ok("CreateContainerGroup", create...)
	}
}

func TestAPageThatRepeats(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	for range 3 {
		w.create()
	}
	first := a.ok("DescribeContainerGroups", "Limit", "1")
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultRepeatPage, Count: 1}); err != nil {
		t.Fatal(err)
	}
	token, _ := first["NextToken"].(string)
	same(t, "the page after", dig(a.ok("DescribeContainerGroups", "Limit", "1", "NextToken", token), "ContainerGroups"), dig(first, "ContainerGroups"))
	second := a.ok("DescribeContainerGroups", "Limit", "1", "NextToken", token)
	if second["NextToken"] == token {
		t.Error("the page repeats without the fault")
	}
}

func TestASlowAnswerTakesItsTime(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultSlow, DelaySeconds: 0.05}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	a.ok("DescribeRegions")
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}
