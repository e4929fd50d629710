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
