package view

import (
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Operations shows migrations and drains, running and past, whoever began them.
type Operations struct {
	list[*fleet.Operation]
}

// NewOperations shows all operations.
func NewOperations(env *Env) *Operations {
	v := &Operations{}
	v.list = list[*fleet.Operation]{
		env: env, object: operationObject,
		reason: operationReason,
		table:  table.New(table.Config[*fleet.Operation]{Theme: env.Theme, Now: env.Now, Key: func(o *fleet.Operation) string { return o.ID }, Role: operationRole}, operationColumns()),
	}
	return v
}

// Title is "Operations".
func (v *Operations) Title() string { return "Operations" }

// Show takes the operations of the snapshot, the newest first.
func (v *Operations) Show(s *fleet.Snapshot) {
	v.explain(s, "operations", "no operations: m migrates, r drains a node")
	v.table.Set(s.Operations)
}

// Actions are the keys on operations.
func (v *Operations) Actions() []keymap.Action {
	keys := []keymap.Action{{Keys: []string{"Enter"}, Name: "steps", Bar: true, Disabled: nothing, Help: "Show the operation's pods and steps, as they happen.",
		Run: v.with(func(o *fleet.Operation) { v.env.Shell.Open(NewSteps(v.env, o.ID, o.Kind+" "+o.Target)) })}}
	keys = append(keys, OperationActions(v.env, func(verb Verb, _ keymap.Selection) (string, string) {
		o, ok := v.table.Current()
		if !ok {
			return "", "nothing is selected"
		}
		return o.ID, verb.Unfit(o.HasEnded(), o.Resumable, o.Done)
	})...)
	return append(append(keys, v.why(), v.events(nil)), v.table.Actions()...)
}

// Unfit is why a verb can't be said to an operation; "": it can.
func (v Verb) Unfit(ended, alone bool, done int) string {
	switch {
	case v == Undo && !ended:
		return "it has not ended: x aborts it"
	case v == Undo && done == 0:
		return "it moved nothing"
	case v != Undo && ended:
		return "it has ended"
	case v == Resume && !alone:
		return "somebody is at work on it, or was half a minute ago"
	}
	return ""
}

func operationObject(o *fleet.Operation) keymap.Object {
	return keymap.Object{Kind: fleet.KindOperation, Namespace: o.Namespace, Name: o.ID, UID: o.ID}
}

func operationReason(o *fleet.Operation) string {
	text := o.Message
	switch {
	case o.Resumable:
		text = "nobody is at work on it: r goes on, x goes back"
		if o.Local {
			text += ", on the machine of " + o.Runner + " only"
		}
		if o.Message != "" {
			text += " (" + o.Message + ")"
		}
	case o.Failed > 0 && o.HasEnded():
		text += " · Enter says which need a look"
	}
	return text
}

// operationRole: one that nobody is at work on needs a person, one that failed a look.
func operationRole(o *fleet.Operation) theme.Role {
	switch {
	case o.Resumable:
		return theme.Broken
	case o.State == fleet.OperationFailed:
		return theme.Degraded
	case o.HasEnded():
		return theme.Dim
	}
	return theme.Strong
}

// operationState is an operation's state in a word.
func operationState(o *fleet.Operation) string {
	if o.Resumable {
		return "cut off"
	}
	return known(o.State)
}

func operationColumns() []table.Column[*fleet.Operation] {
	return []table.Column[*fleet.Operation]{
		{Title: "STATE", Sort: 'S', Words: true, Importance: 0, Min: 8,
			Cell: func(o *fleet.Operation, _ time.Time) string { return operationState(o) },
			Rank: func(o *fleet.Operation) int { return -int(operationRole(o)) }},
		{Title: "WHAT", Aliases: []string{"kind", "target"}, Sort: 'N', Words: true, Middle: true, Importance: 0, Min: 16, Max: 36,
			Cell: func(o *fleet.Operation, _ time.Time) string { return o.Kind + " " + o.Target }},
		{Title: "TO", Sort: 'O', Words: true, Importance: 2, Min: 4, Cell: func(o *fleet.Operation, _ time.Time) string { return known(o.To) }},
		{Title: "MOVED", Aliases: []string{"done"}, Sort: 'M', Right: true, Importance: 1, Min: 6,
			Cell:   func(o *fleet.Operation, _ time.Time) string { return fmt.Sprintf("%d/%d", o.Done, o.Total) },
			Number: func(o *fleet.Operation, _ time.Time) (float64, bool) { return float64(o.Done), true }},
		{Title: "FAILED", Sort: 'F', Largest: true, Right: true, Importance: 4,
			Cell:   func(o *fleet.Operation, _ time.Time) string { return countCell(o.Failed) },
			Number: func(o *fleet.Operation, _ time.Time) (float64, bool) { return float64(o.Failed), true }},
		{Title: "BY", Sort: 'B', Words: true, Importance: 2, Min: 8, Max: 20, Cell: func(o *fleet.Operation, _ time.Time) string { return known(o.By) }},
		{Title: "BEGAN", Aliases: []string{"age"}, Sort: 'A', Right: true, Live: true, Importance: 1, Min: 5,
			Cell: func(o *fleet.Operation, now time.Time) string { return format.Age(o.Began, now) },
			Number: func(o *fleet.Operation, now time.Time) (float64, bool) {
				return now.Sub(o.Began).Seconds(), !o.Began.IsZero()
			}},
		{Title: "TOOK", Sort: 'T', Largest: true, Right: true, Live: true, Importance: 5, Min: 5,
			Cell: func(o *fleet.Operation, now time.Time) string {
				switch {
				case !o.Ended.IsZero():
					return format.Age(o.Began, o.Ended)
				case o.Resumable || o.HasEnded():
					return format.Unknown
				}
				return format.Age(o.Began, now)
			},
			Number: func(o *fleet.Operation, now time.Time) (float64, bool) {
				return o.Ended.Sub(o.Began).Seconds(), !o.Ended.IsZero()
			}},
		{Title: "ID", Sort: 'I', Words: true, Importance: 3, Min: 16, Cell: func(o *fleet.Operation, _ time.Time) string { return o.ID }},
		{Title: "MESSAGE", Sort: 'E', Words: true, Importance: 6, Min: 20, Max: 40, Cell: func(o *fleet.Operation, _ time.Time) string { return known(format.Plain(o.Message)) }},
	}
}
