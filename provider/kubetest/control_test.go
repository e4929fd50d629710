package kubetest

import (
	"context"
	"testing"

	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// TestWhoAsksForTheEndIsAnswered asks often, because the answer raced with the server's end.
func TestWhoAsksForTheEndIsAnswered(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir, err := StateDir("one")
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		release, err := Claim(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		l := &Lab{Name: "one", Dir: dir, Scenario: &scenario.Scenario{Name: "none"}, end: func() {}}
		ctx, cancel := context.WithCancel(t.Context())
		if err := l.Serve(ctx, cancel); err != nil {
			t.Fatal(err)
		}
		go func() {
			<-ctx.Done()
			l.work.Wait()
			release()
		}()
		remote, err := Find("one")
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Down(t.Context()); err != nil {
			t.Fatalf("asking for the end: %v", err)
		}
	}
}
