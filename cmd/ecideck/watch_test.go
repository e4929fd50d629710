package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// TestWatchIsAStreamOfDocuments holds that a change comes as a document of its own, that what
// only grew older does not, and that an interrupt is the normal end.
func TestWatchIsAStreamOfDocuments(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"get", "groups", "--watch", "-o", "json"}, streams{strings.NewReader(""), w, t.Output()})
		_ = w.Close()
	}()
	stop := time.AfterFunc(60*time.Second, cancel) // a test that hangs says so
	defer stop.Stop()
	documents := json.NewDecoder(r)
	var ids []string
	next := func() {
		t.Helper()
		var list struct {
			Kind  string
			Items []struct{ ID string }
		}
		if err := documents.Decode(&list); err != nil || list.Kind != "GroupList" {
			t.Fatalf("a document of kind %q: %v", list.Kind, err)
		}
		ids = nil
		for _, item := range list.Items {
			ids = append(ids, item.ID)
		}
	}
	next()
	if len(ids) != 3 {
		t.Errorf("the first document has %v", ids)
	}
	if _, err := l.cloud.Seed(ecitest.SeedGroup{ID: "eci-new", Name: "new", Status: eci.Running}); err != nil {
		t.Fatal(err)
	}
	for len(ids) != 4 { // one may come before it that says less: usage, a price
		next()
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, r) }()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	case <-time.After(20 * time.Second):
		t.Error("the watch did not end")
	}
}

func TestWhatCannotBeWatchedIsRefused(t *testing.T) {
	newLab(t)
	if code, _, errors := ecideck(t, "get", "pods", "-w", "-o", "csv"); code != 2 || !strings.Contains(errors, "-o json is a stream") {
		t.Errorf("exit code %d: %s", code, errors)
	}
	if code, _, errors := ecideck(t, "get", "cost", "--by", "colour"); code != 2 || !strings.Contains(errors, "namespace, workload") {
		t.Errorf("exit code %d: %s", code, errors)
	}
}

func TestAPageFitsItsTerminal(t *testing.T) {
	if got, want := page([]string{"short", "much too long", "a\x1b[2Jb"}, 8), "short\x1b[K\r\nmuch to…\x1b[K\r\na [2Jb\x1b[K\r\n"; got != want {
		t.Errorf("the page is %q, want %q", got, want)
	}
}
