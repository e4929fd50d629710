package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// An operationRow is a migration or a drain as programs read it; its items and steps are in
// `ecideck ops show`.
type operationRow struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`   // migrate, drain, undo
	Target    string     `json:"target"` // what was asked for
	To        *string    `json:"to"`     // eci, ecs, away
	Namespace *string    `json:"namespace"`
	State     string     `json:"state"`
	Resumable bool       `json:"resumable"` // it has not ended, and nobody is at work on it
	Message   *string    `json:"message"`
	Moved     int        `json:"moved"`
	Failed    int        `json:"failed"`
	Total     int        `json:"total"`
	By        *string    `json:"by"`
	Runner    *string    `json:"runner"`
	Undoes    *string    `json:"undoes"`
	Began     *time.Time `json:"began"`
	Ended     *time.Time `json:"ended"`
	LocalOnly bool       `json:"localOnly"`
}

func operationTable(s *fleet.Snapshot, o listOptions) table {
	t := table{columns: []column{
		{"ID", false}, {"STATE", false}, {"KIND", false}, {"TARGET", false}, {"TO", false}, {"MOVED", false}, {"FAILED", false}, {"BY", false}, {"AGE", false},
		{"ENDED", true}, {"RUNNER", true}, {"MESSAGE", true},
	}}
	for _, x := range s.Operations {
		if o.namespace != "" && x.Namespace != o.namespace {
			continue
		}
		state := x.State
		if x.Resumable {
			state = "cut-off"
		}
		t.rows = append(t.rows, row{namespace: x.Namespace, item: operationRow{ID: x.ID, Kind: x.Kind, Target: x.Target, To: known(x.To), Namespace: known(x.Namespace), State: x.State,
			Resumable: x.Resumable, Message: known(x.Message), Moved: x.Done, Failed: x.Failed, Total: x.Total, By: known(x.By), Runner: known(x.Runner), Undoes: known(x.Undoes),
			Began: knownTime(x.Began), Ended: knownTime(x.Ended), LocalOnly: x.Local},
			cells: []string{x.ID, state, x.Kind, printable(x.Target), x.To, fmt.Sprintf("%d/%d", x.Done, x.Total), strconv.Itoa(x.Failed), printable(x.By), age(x.Began, o.now),
				age(x.Ended, o.now), printable(x.Runner), printable(x.Message)},
			exact: map[int]string{8: exactTime(x.Began), 9: exactTime(x.Ended)}})
	}
	return t
}
