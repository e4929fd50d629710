package view

import (
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// A helpRow is one key on the help screen.
type helpRow struct {
	keys, where, does string
	why               string // the reason why it can't be used now; "": it can
	key               string // the first key, for Enter
}

// Help lists the keys of the view below it, made from the very actions that the keys run.
type Help struct {
	list[*helpRow]
	press func(key string)
}

// NewHelp lists the sections' keys as they stand for the selection. press runs a key on the
// view below, after the help screen closed.
func NewHelp(env *Env, sections []keymap.Section, s keymap.Selection, press func(key string)) *Help {
	h := &Help{}
	h.list = list[*helpRow]{
		env:    env,
		object: func(r *helpRow) keymap.Object { return keymap.Object{Kind: "key", Name: r.key} },
		reason: func(r *helpRow) string {
			if r.why != "" {
				return "can't be used now: " + r.why
			}
			return r.does
		},
		table: table.New(table.Config[*helpRow]{
			Theme: env.Theme, Now: env.Now,
			Key: func(r *helpRow) string { return r.where + "\x00" + r.keys },
			Role: func(r *helpRow) theme.Role {
				if r.why != "" {
					return theme.Dim
				}
				return theme.Plain
			},
			Empty: "no keys",
		}, helpColumns()),
	}
	var rows []*helpRow
	for _, section := range sections {
		for _, a := range section.Actions {
			rows = append(rows, &helpRow{
				keys: strings.Join(a.Keys, " "), where: section.Title, does: a.Help, why: a.Why(s), key: a.Keys[0],
			})
		}
	}
	h.table.Set(rows)
	h.press = press
	return h
}

// Title is "Help".
func (h *Help) Title() string { return "Help: / searches, Enter presses the key" }

// Show does nothing: the help is about the moment it was opened.
func (h *Help) Show(*fleet.Snapshot) {}

// Actions are the keys on the help screen.
func (h *Help) Actions() []keymap.Action {
	return append([]keymap.Action{{
		Keys: []string{"Enter"}, Name: "press it", Bar: true, Disabled: nothing, Help: "Close the help and press the key.",
		Run: h.with(func(r *helpRow) {
			h.env.Shell.Back()
			h.press(r.key)
		}),
	}}, h.table.Actions()...)
}

func helpColumns() []table.Column[*helpRow] {
	text := func(f func(*helpRow) string) func(*helpRow, time.Time) string {
		return func(r *helpRow, _ time.Time) string { return f(r) }
	}
	return []table.Column[*helpRow]{
		{Title: "KEY", Words: true, Min: 8, Max: 16, Cell: text(func(r *helpRow) string { return r.keys })},
		{Title: "WHERE", Words: true, Importance: 2, Cell: text(func(r *helpRow) string { return r.where })},
		{Title: "DOES", Words: true, Importance: 1, Min: 20, Max: 56, Cell: text(func(r *helpRow) string {
			if r.why != "" {
				return "(" + r.why + ") " + r.does
			}
			return r.does
		})},
	}
}
