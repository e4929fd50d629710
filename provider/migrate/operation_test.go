package migrate

import (
	"testing"
	"time"
)

func TestAnUndoIsNamedAfterWhatItTakesBack(t *testing.T) {
	began := time.Now()
	drain := &Operation{ID: "a", Began: began, Plan: Plan{Targets: []string{"node/ecs-01"}, Drain: &Drained{}}}
	undo := &Operation{ID: "b", Began: began.Add(time.Minute), Undoes: "a", Plan: Plan{Targets: []string{"pod/x in shop", "pod/y in shop"}}}
	again := &Operation{ID: "c", Began: began.Add(time.Hour), Undoes: "b", Plan: Plan{Targets: []string{"pod/x in shop"}}}
	mad := &Operation{ID: "d", Began: began, Undoes: "d", Plan: Plan{Targets: []string{"pod/z in shop"}}}
	all := []*Operation{again, undo, drain, mad}
	for o, want := range map[*Operation]string{
		drain: "node/ecs-01", undo: "drain node/ecs-01", again: "undo drain node/ecs-01", mad: "pod/z in shop",
	} {
		if got := o.Subject(all); got != want {
			t.Errorf("%s is about %q, want %q", o.ID, got, want)
		}
	}
	if got := undo.Subject(nil); got != "pod/x in shop, pod/y in shop" {
		t.Errorf("where the other is gone it is about %q", got)
	}
}

func TestAnOperationIsDoneThoughPodsWereGone(t *testing.T) {
	item := func(s State, gone bool) Item { return Item{State: s, Gone: gone} }
	for _, c := range []struct {
		name  string
		state State
		drain bool
		items []Item
		want  State
		says  string
	}{
		{"moved, and gone", Running, false, []Item{item(Done, false), item(Aborted, true)}, Done, "1 moved, 1 gone already"},
		{"gone alone", Running, false, []Item{item(Aborted, true)}, Aborted, "0 moved, 1 gone already"},
		{"gone from a drained node", Running, true, []Item{item(Aborted, true)}, Done, "0 moved, 1 gone already"},
		{"gone from a drained node, then aborted", Aborting, true, []Item{item(Aborted, true)}, Aborted, "0 moved, 1 gone already"},
		{"moved, and not", Running, false, []Item{item(Done, false), item(Aborted, false), item(Aborted, true)}, Failed, "1 moved, 1 gone already, 1 as before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Operation{State: c.state, Plan: Plan{Items: c.items}}
			if c.drain {
				o.Plan.Drain = &Drained{}
			}
			if got, says := o.conclude(); got != c.want || says != c.says {
				t.Errorf("%s: %q, want %s: %q", got, says, c.want, c.says)
			}
		})
	}
}
