package ecitest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestEveryActionOfTheSchemaIsAnswered(t *testing.T) {
	schema, err := ecitest.LoadSchema()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(schema.Actions()); n < 36 {
		t.Fatalf("the schema has %d actions, the vendor 36", n)
	}
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	for _, action := range schema.Actions() {
		got := a.ask(action, "Version", versionOf(action))
		if got.status == 200 && got.body["RequestId"] != nil {
			continue
		}
		switch got.code() {
		case "MissingParameter", "NoNeedUpdate":
		default:
			t.Errorf("%s without parameters: HTTP %d %v", action, got.status, got.body)
		}
	}
}

func versionOf(action string) string {
	switch action {
	case "DescribeSpotPriceHistory", "DescribePrice", "DescribeInstances":
		return "2014-05-26"
	case "DescribeInstanceBill":
		return "2017-12-14"
	case "GetCallerIdentity":
		return "2015-04-01"
	case "DescribeVSwitches":
		return "2016-04-28"
	}
	return "2018-08-08"
}

func TestOpsTasks(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create()
	a.refused("Ops.ExecuteTaskFail", "CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "coredump", "OpsValue", "enable")
	w.pass(time.Minute)
	a.ok("CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "coredump", "OpsValue", "enable")
	status := func() any {
		return dig(a.ok("DescribeInstanceOpsRecords", "ContainerGroupId", id, "OpsType", "coredump"), "Records", 0, "OpsStatus")
	}
	same(t, "on", status(), any("Ready"))
	w.pass(12 * time.Hour)
	same(t, "much later", status(), any("Expired"))
	a.ok("CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "coredump", "OpsValue", "disable")
	same(t, "off", status(), any("Closed"))
	a.refused("Ops.TypeNotSupport", "CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "strace", "OpsValue", "enable")
	a.refused("Tcpdump.InvalidValue", "CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "tcpdump", "OpsValue", "enable")
	a.refused("InvalidInstanceId.NotFound", "DescribeInstanceOpsRecords", "ContainerGroupId", "eci-none", "OpsType", "coredump")
}

func TestCommittingAContainer(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create()
	params := []string{"ContainerGroupId", id, "ContainerName", "main", "Image.Repository", "registry.example.com/a"}
	a.refused("IncorrectStatus", "CommitContainer", params...)
	w.pass(time.Minute)
	task, _ := a.ok("CommitContainer", params...)["TaskId"].(string)
	status := func() any {
		return dig(a.ok("DescribeCommitContainerTask", "ContainerGroupId", id, "TaskId.1", task), "CommitTasks", 0, "TaskStatus")
	}
	same(t, "at first", status(), any("Running"))
	w.pass(time.Minute)
	same(t, "later", status(), any("Succeeded"))
}

func TestResizingAVolume(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve",
		"Volume.1.Name", "disk", "Volume.1.Type", "FlexVolume", "Volume.1.FlexVolume.Driver", "alicloud/disk",
		"Volume.2.Name", "tmp", "Volume.2.Type", "EmptyDirVolume")["ContainerGroupId"].(string)
	a.ok("ResizeContainerGroupVolume", "ContainerGroupId", id, "VolumeName", "disk", "NewSize", "40")
	a.refused("InvalidParameter", "ResizeContainerGroupVolume", "ContainerGroupId", id, "VolumeName", "disk", "NewSize", "30")
	a.refused("InvalidVolumeType", "ResizeContainerGroupVolume", "ContainerGroupId", id, "VolumeName", "tmp", "NewSize", "40")
	a.refused("InvalidParameter", "ResizeContainerGroupVolume", "ContainerGroupId", id, "VolumeName", "none", "NewSize", "40")
}

func TestWhatTheZonesHaveInStock(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultNoStock, Zone: "cn-hangzhou-i"}); err != nil {
		t.Fatal(err)
	}
	body := a.ok("DescribeAvailableResource", "DestinationResource.Category", "InstanceType", "DestinationResource.Cores", "2", "DestinationResource.Memory", "8")
	for i, want := range []string{"WithStock", "WithoutStock"} {
		resource := dig(body, "AvailableZones", "AvailableZone", i, "AvailableResources", "AvailableResource", 0, "SupportedResources", "SupportedResource", 0)
		same(t, "stock", resource, any(map[string]any{"Value": "ecs.g6.large", "StatusCategory": want}))
	}
	a.refused("InvalidParameter", "DescribeAvailableResource", "DestinationResource.Category", "Disk")
}

func TestOpsTasksHaveResults(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create(image("crashloop", "SECONDS", "60"))
	record := func(typ, field string) any {
		return dig(a.ok("DescribeInstanceOpsRecords", "ContainerGroupId", id, "OpsType", typ), "Records", 0, field)
	}
	w.pass(30 * time.Second)
	a.ok("CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "coredump", "OpsValue", "enable")
	a.ok("CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "tcpdump", "OpsValue", `{"Enable":true}`)
	same(t, "a dump before the crash", record("coredump", "OpsStatus"), any("Ready"))
	a.ok("CreateInstanceOpsTask", "ContainerGroupId", id, "OpsType", "tcpdump", "OpsValue", `{"Enable":false}`)
	same(t, "a capture that was switched off", record("tcpdump", "OpsStatus"), any("Success"))
	w.pass(time.Minute)
	same(t, "a dump after the crash", record("coredump", "OpsStatus"), any("Success"))
	if address, _ := record("coredump", "ResultContent").(string); !strings.HasSuffix(address, "/ops/"+id+"/coredump") {
		t.Errorf("its result is at %q", address)
	}
}
