package ecitest_test

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestAnImageCacheIsBuiltByAGroupThatIsListedMeanwhile(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	made := a.ok("CreateImageCache", "ImageCacheName", "web", "Image.1", "nginx:1")
	builder, _ := made["ContainerGroupId"].(string)
	w.pass(3 * time.Second)
	same(t, "its status while it builds", w.group(builder).Status, eci.Running)
	w.pass(time.Minute)
	same(t, "groups when it is built", len(w.Groups()), 0)
	w.pass(26 * time.Hour)
	same(t, "the builder on the bill", dig(a.bill(), "Data", "Items", 0, "InstanceID"), any(builder))
	other, _ := a.ok("CreateImageCache", "ImageCacheName", "other", "Image.1", "nginx:1")["ImageCacheId"].(string)
	a.ok("DeleteImageCache", "ImageCacheId", other)
	same(t, "groups when the cache was deleted while it was built", len(w.Groups()), 0)
}

func TestAGroupThatMatchesAnImageCacheStartsSooner(t *testing.T) {
	params := []string{"ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "nginx:1"}
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	cache, _ := a.ok("CreateImageCache", "ImageCacheName", "web", "Image.1", "nginx:1", "Image.2", "redis:7")["ImageCacheId"].(string)
	a.refused("ImageSnapshot.IncorrectStatus", "CreateContainerGroup", append(params, "ImageSnapshotId", cache)...)
	a.refused("ImageSnapshot.NotFound", "CreateContainerGroup", append(params, "ImageSnapshotId", "imc-none")...)
	w.pass(time.Minute)
	create := func(more ...string) string {
		id, _ := a.ok("CreateContainerGroup", append(params, more...)...)["ContainerGroupId"].(string)
		return id
	}
	named, matched, plain := create("ImageSnapshotId", cache), create("AutoMatchImageCache", "true"), create()
	unmatched := create("AutoMatchImageCache", "true", "Container.1.Image", "nginx:2")
	w.pass(1200 * time.Millisecond) // scheduled after one second, pulled after two and a half
	for id, want := range map[string]eci.Status{named: eci.Running, matched: eci.Running, plain: eci.Pending, unmatched: eci.Pending} {
		g := w.group(id)
		same(t, "status", g.Status, want)
		same(t, "says that it was matched", g.Events[0].Message == "Successfully check image cache resource.", want == eci.Running)
	}
	if dig(a.ok("DescribeImageCaches"), "ImageCaches", 0, "LastMatchedTime") == "" {
		t.Error("the cache doesn't say when it was matched")
	}
}

func TestAnImageCacheCanFail(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultCacheFails, Count: 1}); err != nil {
		t.Fatal(err)
	}
	id, _ := a.ok("CreateImageCache", "ImageCacheName", "web", "Image.1", "nginx:1")["ImageCacheId"].(string)
	status := func() any { return dig(a.ok("DescribeImageCaches"), "ImageCaches", 0, "Status") }
	same(t, "at first", status(), any("Preparing"))
	w.pass(time.Minute)
	same(t, "in the end", status(), any("Failed"))
	a.ok("UpdateImageCache", "ImageCacheId", id, "Image.1", "nginx:2")
	w.pass(time.Minute)
	same(t, "after an update", status(), any("Ready"))
}

func TestAnyCodeCanBeInjected(t *testing.T) {
	for _, test := range []struct {
		code   string
		status int
	}{
		{"Forbidden.RiskControl", 403}, {"OperationDenied.SecurityGroupMisMatch", 403}, {"InvalidDiskId.NotFound", 404},
		{"ServiceNotEnabled", 400}, {"Spot.NotMatched", 403}, {"containerRepositoryAuthorizationFailed", 503},
	} {
		e := ecitest.New(ecitest.Options{})
		a := newAsker(t, e)
		if _, err := e.AddFault(ecitest.Fault{Kind: ecitest.FaultCode, Code: test.code, Action: "CreateContainerGroup"}); err != nil {
			t.Fatal(err)
		}
		got := a.ask("CreateContainerGroup")
		same(t, test.code, []any{got.status, got.code()}, []any{test.status, test.code})
		a.ok("DescribeContainerGroups")
	}
	e := ecitest.New(ecitest.Options{})
	for _, f := range []ecitest.Fault{{Kind: "code"}, {Kind: "slow", Code: "X"}, {Kind: "code", Code: "X", Status: 200}} {
		if _, err := e.AddFault(f); err == nil {
			t.Errorf("fault %+v is taken", f)
		}
	}
}
