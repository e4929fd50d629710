package view

import (
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
)

// A list is what all screens with a table have in common.
type list[T comparable] struct {
	env   *Env
	table *table.Table[T]
	// object is what a row stands for.
	object func(T) keymap.Object
	// reason is the sentence behind the row under the cursor.
	reason func(T) string
	unread bool // nobody read the rows' source yet: no rows are not 0 rows
}

// Primitive is the table.
func (l *list[T]) Primitive() tview.Primitive { return l.table }

// Filter is the filter as it was typed.
func (l *list[T]) Filter() string { return l.table.Filter() }

// SetFilter filters the table.
func (l *list[T]) SetFilter(s string) error { return l.table.SetFilter(s) }

// FilterHelp says how a filter is written.
func (l *list[T]) FilterHelp() string { return table.FilterHelp }

// Summary says how much of what is on screen.
func (l *list[T]) Summary() string {
	if l.unread {
		return ""
	}
	return l.table.Summary()
}

// Aged reports whether a visible text changed only because time passed.
func (l *list[T]) Aged() bool { return l.table.Aged() }

// Reason is the sentence for the row under the cursor, "" when there is nothing to say.
func (l *list[T]) Reason() string {
	if row, ok := l.table.Current(); ok && l.reason != nil {
		return l.reason(row)
	}
	return ""
}

// Selection is what actions work on.
func (l *list[T]) Selection() keymap.Selection {
	var s keymap.Selection
	if row, ok := l.table.Current(); ok {
		s.Cursor = l.object(row)
	}
	marked, hidden := l.table.Marked()
	for _, row := range marked {
		s.Marked = append(s.Marked, l.object(row))
	}
	for _, row := range hidden {
		s.Hidden = append(s.Hidden, l.object(row))
	}
	return s
}

// with runs f on the row under the cursor.
func (l *list[T]) with(f func(T)) func(keymap.Selection) {
	return func(keymap.Selection) {
		if row, ok := l.table.Current(); ok {
			f(row)
		}
	}
}

// nothing says why an action that needs a row can't be used without one.
func nothing(s keymap.Selection) string {
	if s.Cursor == (keymap.Object{}) {
		return "nothing is selected"
	}
	return ""
}

// needsPod says why an action on a pod can't be used.
func needsPod(s keymap.Selection) string {
	if why := nothing(s); why != "" {
		return why
	}
	if s.Cursor.Kind != KindPod {
		return "this group has no pod"
	}
	return ""
}

// object is why the cursor's object can't be read from the API server; "" where it can.
func object(s keymap.Selection) string {
	if s.Cursor.Kind == fleet.KindOperation {
		return "an operation is no object; Enter shows its steps"
	}
	return nothing(s)
}

// describe is the d key.
func (l *list[T]) describe() keymap.Action {
	return keymap.Action{
		Keys: []string{"d"}, Name: "describe", Bar: true, Disabled: object,
		Help: "Describe the object, as kubectl describe does; for pods on ECI the group too.",
		Run:  l.with(func(row T) { l.env.Shell.Open(Describe(l.env, l.object(row), "")) }),
	}
}

// yaml is the y key.
func (l *list[T]) yaml() keymap.Action {
	return keymap.Action{
		Keys: []string{"y"}, Name: "yaml", Bar: true,
		Help: "Show the object as YAML.",
		Disabled: func(s keymap.Selection) string {
			if s.Cursor.Kind == KindGroup {
				return "a group has no YAML; d describes it"
			}
			return nothing(s)
		},
		Run: l.with(func(row T) { l.env.Shell.Open(YAML(l.env, l.object(row))) }),
	}
}

// why is the w key.
func (l *list[T]) why() keymap.Action {
	return keymap.Action{
		Keys: []string{"w"}, Name: "why", Bar: true, Disabled: nothing,
		Help: "Say why it is as it is: what it waits for, why it does or doesn't scale, what helps.",
		Run:  l.with(func(row T) { l.env.Shell.Open(Why(l.env, l.object(row))) }),
	}
}

// cost is the $ key.
func (l *list[T]) cost() keymap.Action {
	return keymap.Action{
		Keys: []string{"$"}, Name: "cost", Bar: true, Disabled: nothing,
		Help: "Say what the marked rows, or the one under the cursor, cost, and what they would on ECS, on ECI and as spot.",
		Run:  func(s keymap.Selection) { l.env.Shell.Open(CostOf(l.env, s.Objects())) },
	}
}

// explain says why a table without rows has none: that may be the truth, or nobody read the
// source yet. It returns what the table says then.
func (l *list[T]) explain(s *fleet.Snapshot, name, none string) string {
	l.unread = false
	for _, source := range s.Sources {
		if source.Name != name || !source.Read.IsZero() {
			continue
		}
		l.unread = true
		none = "reading " + name + "…"
		if source.Error != "" {
			none = name + " can't be read: " + format.Plain(source.Error)
		}
	}
	l.table.SetEmpty(none)
	return none
}

// events is the v key. group is the id of the group behind a row, "" without one.
func (l *list[T]) events(group func(T) string) keymap.Action {
	return keymap.Action{
		Keys: []string{"v"}, Name: "events", Bar: true, Disabled: nothing,
		Help: "Show the events of the object, Kubernetes' and ECI's together.",
		Run: l.with(func(row T) {
			id := ""
			if group != nil {
				id = group(row)
			}
			l.env.Shell.Open(NewEvents(l.env, l.object(row), id))
		}),
	}
}
