package kubetest

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newTestPart(t *testing.T, script string) (*part, *spawner) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	p := &part{name: "test", argv: []string{"/bin/sh", "-c", script}, log: filepath.Join(t.TempDir(), "test.log"), state: Stopped}
	t.Cleanup(func() { p.stop(0) })
	return p, newSpawner(ctx)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func TestAPartThatDiesTellsItsLastWords(t *testing.T) {
	p, spawn := newTestPart(t, "echo listen tcp 127.0.0.1:80: address already in use >&2; exit 3")
	if err := p.start(spawn); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the part ends", func() bool { return p.exited() != nil })
	err := p.exited()
	if !strings.Contains(err.Error(), "address already in use") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want its last line and its exit status", err)
	}
}

func TestAStoppedPartCanBeStartedAgain(t *testing.T) {
	p, spawn := newTestPart(t, "exec sleep 60")
	for range 2 {
		if err := p.start(spawn); err != nil {
			t.Fatal(err)
		}
		if state, pid, _ := p.status(); state != Running || pid == 0 {
			t.Fatalf("state %s, pid %d, want running", state, pid)
		}
		if err := p.start(spawn); err == nil {
			t.Error("starting a running part succeeded")
		}
		p.stop(0)
		if state, pid, _ := p.status(); state != Stopped || pid != 0 {
			t.Fatalf("state %s, pid %d, want stopped", state, pid)
		}
	}
	if err := p.exited(); err != nil {
		t.Errorf("a part that was stopped counts as dead: %v", err)
	}
}

func TestAPartThatIgnoresTheRequestIsKilledAfterItsGrace(t *testing.T) {
	p, spawn := newTestPart(t, "trap '' TERM; echo ready; while :; do sleep 1; done")
	if err := p.start(spawn); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the trap is set", func() bool { return tail(p.log, 1) == "ready" })
	p.stop(50 * time.Millisecond)
	if state, _, _ := p.status(); state != Stopped {
		t.Errorf("state %s, want stopped", state)
	}
}

func TestNothingStartsWhenTheLabEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	spawn := newSpawner(ctx)
	cancel()
	p, _ := newTestPart(t, "exec sleep 60")
	waitFor(t, "the spawner refuses", func() bool { err := p.start(spawn); p.stop(0); return err != nil })
}

func TestTwoLabsOfOneNameAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	release, err := Claim(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "--name") {
		t.Errorf("got %v, want a refusal that names the remedy", err)
	}
	release()
	release, err = Claim(t.Context(), dir)
	if err != nil {
		t.Fatalf("after the first ended: %v", err)
	}
	release()
}

func TestADiskWithoutRoomIsRefusedBeforeAnythingBegins(t *testing.T) {
	err := enoughSpace(t.TempDir(), 1<<62, "a test")
	if err == nil || !strings.Contains(err.Error(), "XDG_STATE_HOME") {
		t.Errorf("got %v, want a refusal that names the remedy", err)
	}
	if err := enoughSpace(t.TempDir(), 1, "a test"); err != nil {
		t.Errorf("one byte: %v", err)
	}
}

func TestAPrebuiltControlPlaneThatIsMissingIsNamed(t *testing.T) {
	t.Setenv(EnvControlPlane, filepath.Join(t.TempDir(), "missing"))
	if _, err := ControlPlane(t.Context(), t.Output()); err == nil || !strings.Contains(err.Error(), EnvControlPlane) {
		t.Errorf("got %v, want an error that names %s", err, EnvControlPlane)
	}
}

func TestTheControlPlaneOutsideACloneNamesTheRemedy(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := ControlPlane(t.Context(), t.Output()); err == nil || !strings.Contains(err.Error(), EnvControlPlane) {
		t.Errorf("got %v, want an error that names %s", err, EnvControlPlane)
	}
}

func TestALabsNameCantLeaveItsFolder(t *testing.T) {
	for _, name := range []string{"", "..", "a/b", ".hidden", "with space"} {
		if dir, err := StateDir(name); err == nil {
			t.Errorf("%q became %s", name, dir)
		}
	}
}

func TestBuildProgressCountsSourceAndKeepsComplaints(t *testing.T) {
	var said strings.Builder
	work := map[string]int64{"example.com/a": 100, "example.com/b": 300}
	other := reportBuild(strings.NewReader("example.com/a\n./x.go:1: oops\nexample.com/b\n"), work, time.Now(), &said)
	if len(other) != 1 || other[0] != "./x.go:1: oops" {
		t.Errorf("complaints %q", other)
	}
	if !strings.Contains(said.String(), "23 %") { // 100 of 400, and a twelfth more for linking
		t.Errorf("progress %q", said.String())
	}
}
