package migrate

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAPodThatTakesLongToEndIsRestartedOnce: what follows is given its time from when the old pod
// is gone, and the policy lasts until then.
func TestAPodThatTakesLongToEndIsRestartedOnce(t *testing.T) {
	for _, grace := range []time.Duration{2 * time.Minute, 12 * time.Minute, 25 * time.Minute} {
		for _, y := range ways() {
			if !strings.HasPrefix(y.name, "restart") {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s", y.name, grace), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w, o, least := y.begin(t)
					defer func() { w.stop() }()
					names, before := w.where(y.app), y.change(w)
					w.mu.Lock()
					w.grace = grace
					w.mu.Unlock()
					got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
					if err != nil || got.State != Done {
						t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items)
					}
					time.Sleep(time.Minute)
					y.judge(t, w, got, before, names, least())
					w.mu.Lock()
					defer w.mu.Unlock()
					if len(w.deleted) != y.moved {
						t.Errorf("deleted were %v", w.deleted)
					}
				})
			})
		}
	}
}

// An abort while the old pod ends costs no second restart: its successor comes back unsteered.
func TestAnAbortWhileTheOldPodEndsRestartsItOnce(t *testing.T) {
	y := ways()[1]
	synctest.Test(t, func(t *testing.T) {
		w, o, least := y.begin(t)
		defer func() { w.stop() }()
		names, before := w.where(y.app), y.change(w)
		w.mu.Lock()
		w.grace = time.Minute
		w.mu.Unlock()
		e := &Engine{Client: w.api, Holder: "alice@one/1"}
		done := make(chan *Operation, 1)
		go func() {
			got, err := e.Run(t.Context(), o)
			if err != nil {
				t.Error(err)
			}
			done <- got
		}()
		w.until("one is evicted", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.deleted) > 0
		})
		e.Abort()
		got := <-done
		time.Sleep(time.Minute)
		y.judge(t, w, got, before, names, least())
		if r := got.Plan.Items[0].Reason; got.State != Aborted || !strings.Contains(r, "it was restarted") {
			t.Errorf("%s, %s", got.State, r)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.deleted) != 1 {
			t.Errorf("deleted were %v", w.deleted)
		}
	})
}

func TestADrainWaitsForAPodThatTakesLongToEnd(t *testing.T) {
	y := ways()[2]
	synctest.Test(t, func(t *testing.T) {
		w, _, least := y.begin(t)
		defer func() { w.stop() }()
		w.mu.Lock()
		w.grace, w.minimum = 12*time.Minute, 0 // what is made from now on goes to the other node
		w.mu.Unlock()
		o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: Anywhere, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
		if err != nil || got.State != Done {
			t.Fatalf("%v, %s: %s\n%+v", err, got.State, got.Reason, got.Plan.Items)
		}
		for name, node := range w.where(y.app) {
			if node != otherNode {
				t.Errorf("%s is on %s", name, node)
			}
		}
		if n := least(); n < y.pods-1 {
			t.Errorf("%d were Ready at one time", n)
		}
	})
}

// The plan's time and what it says of the gap are the same.
func TestAPlanReckonsWithTheGracePeriodOfWhatIsRestarted(t *testing.T) {
	for _, y := range ways() {
		if !strings.HasPrefix(y.name, "restart") {
			continue
		}
		t.Run(y.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, plain, _ := y.begin(t)
				defer func() { w.stop() }()
				w.mu.Lock()
				for _, p := range w.list() {
					p.Spec.TerminationGracePeriodSeconds = ptr(int64(600))
					w.put(p)
				}
				w.mu.Unlock()
				o, err := Propose(t.Context(), w.api, nil, "alice", y.request, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if more, want := o.Plan.ETA-plain.Plan.ETA, (600-30)*y.moved; more != want {
					t.Errorf("%d s longer than with 30 s, want %d", more, want)
				}
				said := ""
				for _, c := range o.Plan.Items[0].Checks {
					if c.Name == "gap" {
						said = c.Reason
					}
				}
				if !strings.Contains(said, "up to 600 s to end") {
					t.Errorf("it says %q", said)
				}
			})
		})
	}
}
