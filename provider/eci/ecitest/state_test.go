package ecitest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// reborn is another emulator with what the world's saves, on the world's clock.
func (w *world) reborn() *ecitest.Emulator {
	w.t.Helper()
	var state bytes.Buffer
	if err := w.Save(&state); err != nil {
		w.t.Fatal(err)
	}
	e := ecitest.New(ecitest.Options{Clock: w.Now})
	if err := e.Load(&state); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// answers are those of every listing, without the ids of the answers.
func answers(a *asker) map[string]any {
	all := map[string]any{}
	for action, params := range map[string][]string{
		"DescribeContainerGroups":      {"WithEvent", "true"},
		"DescribeContainerGroupStatus": nil, "DescribeContainerGroupEvents": nil, "DescribeImageCaches": nil, "DescribeDataCaches": nil,
		"DescribeVirtualNodes": nil, "ListUsage": nil, "ListTagResources": {"ResourceType", "ContainerGroup"},
		"DescribeInstanceBill": {"Version", "2017-12-14", "BillingCycle", "2026-05", "IsBillingItem", "true"},
		"DescribeInstances":    {"Version", "2014-05-26"},
	} {
		all[action] = a.ok(action, params...)
		delete(all[action].(map[string]any), "RequestId")
	}
	return all
}

func TestALoadedStateAnswersAsTheSavedOneAndGoesOn(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	once := []string{"ClientToken", "once", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "job",
		"Container.1.EnvironmentVar.1.Key", "SECONDS", "Container.1.EnvironmentVar.1.Value", "100000", "InitContainer.1.Name", "init", "InitContainer.1.Image", "busybox"}
	id := a.ok("CreateContainerGroup", once...)["ContainerGroupId"]
	gone := w.create()
	spot := w.create(func(r *eci.CreateRequest) { r.SpotStrategy = "SpotAsPriceGo" })
	crashing := w.create(image("crashloop"))
	w.pass(time.Hour)
	if err := w.client.DeleteGroup(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	a.ok("TagResources", "ResourceType", "ContainerGroup", "ResourceId.1", spot, "Tag.1.Key", "a", "Tag.1.Value", "1")
	a.ok("UpdateContainerGroup", "ContainerGroupId", crashing, "Cpu", "4", "Memory", "8")
	a.ok("CreateImageCache", "ImageCacheName", "web", "Image.1", "nginx:1")
	a.ok("CreateVirtualNode", "SecurityGroupId", "sg-1", "VSwitchId", "vsw-h", "VirtualNodeName", "vn")
	if err := w.SetECSInstances([]ecitest.ECSInstance{{ID: "i-1", InstanceType: "ecs.g6.large", Zone: "cn-hangzhou-h"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultSpotReclaim, ForSeconds: 3600}); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)

	e := w.reborn()
	b := newAsker(t, e)
	same(t, "the group of the token", b.ok("CreateContainerGroup", once...)["ContainerGroupId"], id)
	for _, later := range []time.Duration{0, 2 * time.Minute, 26 * time.Hour} {
		w.pass(later)
		same(t, "what is answered "+later.String()+" later", answers(b), answers(a))
	}
	same(t, "a group after the fault", e.Groups()[1].Status, eci.Expired)
	fresh := b.ok("CreateContainerGroup", append(once, "ClientToken", "twice")...)["ContainerGroupId"]
	for _, g := range w.Groups() {
		if g.ID == fresh {
			t.Errorf("a new group has the id %s of an old one", fresh)
		}
	}
}

func TestTheClockGoesOnWhileNobodyRuns(t *testing.T) {
	first := ecitest.New(ecitest.Options{Speed: 1e6})
	var state bytes.Buffer
	if err := first.Save(&state); err != nil {
		t.Fatal(err)
	}
	saved := first.Now()
	second := ecitest.New(ecitest.Options{Speed: 1e6})
	if err := second.Load(&state); err != nil {
		t.Fatal(err)
	}
	if now := second.Now(); now.Before(saved.Add(-time.Hour)) || now.Before(time.Now()) {
		t.Errorf("the clock stands at %v, it was at %v", now, saved)
	}
}

func TestAStateThatCantBeLoadedSaysWhy(t *testing.T) {
	for _, test := range []struct{ state, want string }{
		{`{"Version":1,`, "unexpected EOF"},
		{`{"Version":2,"Region":"cn-hangzhou"}`, "version 2"},
		{`{"Version":1,"Region":"cn-beijing"}`, "cn-beijing"},
	} {
		if err := ecitest.New(ecitest.Options{}).Load(strings.NewReader(test.state)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.state, err, test.want)
		}
	}
}

func TestAKilledEmulatorForgetsNothingThatItAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Keep(ctx, path, func(err error) { t.Error(err) })
	}()
	for kept := false; !kept; {
		_, err := os.Stat(path)
		kept = err == nil
	}
	for n := range 20 {
		w.create()
		// As a kill at this moment would leave it.
		e := ecitest.New(ecitest.Options{Clock: w.Now})
		if err := e.LoadFile(path); err != nil {
			t.Fatal(err)
		}
		same(t, "groups that the file knows of", len(e.Groups()), n+1)
	}
	cancel()
	<-ended
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v: want nothing but the state", files, err)
	}
}

func TestAFullDiskStopsNothing(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	reports := make(chan error, 9)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Keep(ctx, filepath.Join(t.TempDir(), "gone", "state.json"), func(err error) { reports <- err })
	}()
	if err := <-reports; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	same(t, "status of a group that is created then", w.group(w.create()).Status, eci.Scheduling)
	cancel()
	<-ended
	same(t, "times that the same error was told", len(reports), 0)
}
