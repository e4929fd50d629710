package ecitest_test

import (
	"testing"
	"time"
)

func TestTheSameClientTokenGivesTheSameAnswer(t *testing.T) {
	for _, test := range []struct {
		action        string
		params, other []string
	}{
		{"UpdateContainerGroup", []string{"Cpu", "4"}, []string{"Cpu", "8"}},
		{"RestartContainerGroup", nil, []string{"ContainerGroupId", "eci-other"}},
		{"DeleteContainerGroup", nil, []string{"Force", "true"}},
		{"ResizeContainerGroupVolume", []string{"VolumeName", "v", "NewSize", "40"}, []string{"NewSize", "60"}},
	} {
		t.Run(test.action, func(t *testing.T) {
			w := newWorld(t)
			a := newAsker(t, w.Emulator)
			id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve",
				"Volume.1.Name", "v", "Volume.1.Type", "DiskVolume", "Volume.1.DiskVolume.DiskSize", "20")["ContainerGroupId"].(string)
			w.pass(time.Minute)
			params := append([]string{"ContainerGroupId", id, "ClientToken", "once"}, test.params...)
			first := a.ok(test.action, params...)
			w.pass(10 * time.Second)
			events := w.Groups()
			second := a.ok(test.action, params...)
			same(t, "the groups after the second", w.Groups(), events)
			if first["RequestId"] == second["RequestId"] {
				t.Error("both answers have the same RequestId")
			}
			a.refused("IdempotentParameterMismatch", test.action, append(params, test.other...)...)
			w.pass(25 * time.Hour)
			if again := a.ask(test.action, params...); test.action == "DeleteContainerGroup" && again.code() != "InvalidParameter.NotFound" {
				t.Errorf("a day later: %v", again.body)
			}
		})
	}
}

func TestATokenOfOneActionIsFreeForAnother(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id, _ := a.ok("CreateContainerGroup", "ClientToken", "uid", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve")["ContainerGroupId"].(string)
	a.ok("DeleteContainerGroup", "ClientToken", "uid", "ContainerGroupId", id)
}
