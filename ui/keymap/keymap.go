// Package keymap holds keys as data. One Action record feeds dispatch, the bar at the
// bottom, the help screen and README's key table, so that they can't disagree.
package keymap

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/gdamore/tcell/v2"
)

// An Object names one thing on the screen that an action can work on.
type Object struct{ Kind, Namespace, Name, UID string }

// A Selection is what an action works on.
type Selection struct {
	Cursor Object   // the row under the cursor; zero: the table is empty
	Marked []Object // the marked rows, hidden ones included
	Hidden []Object // of the marked rows, those that a filter hides
}

// Objects are the marked rows, or without any the one under the cursor.
func (s Selection) Objects() []Object {
	if len(s.Marked) > 0 {
		return s.Marked
	}
	if s.Cursor == (Object{}) {
		return nil
	}
	return []Object{s.Cursor}
}

// An Action is something a key does.
type Action struct {
	Keys   []string // names as Name gives them; the first is the one shown
	Name   string   // a word or two for the bar: "describe"
	Help   string   // one sentence for the help screen
	Bar    bool     // shown in the bar at the bottom, in the order of the actions
	Danger bool     // changes something outside the console
	// Disabled gives the reason why the action can't be used on the selection now, or "".
	// It is called for every draw and must be cheap. nil: always usable.
	Disabled func(Selection) string
	Run      func(Selection)
}

// Why is the reason why the action can't be used, or "".
func (a Action) Why(s Selection) string {
	if a.Disabled == nil {
		return ""
	}
	return a.Disabled(s)
}

// Find is the first action that has the key.
func Find(key string, lists ...[]Action) (Action, bool) {
	for _, actions := range lists {
		for _, a := range actions {
			for _, k := range a.Keys {
				if k == key {
					return a, true
				}
			}
		}
	}
	return Action{}, false
}

// named are the keys that are not characters.
func named() map[tcell.Key]string {
	return map[tcell.Key]string{
		tcell.KeyUp: "Up", tcell.KeyDown: "Down", tcell.KeyLeft: "Left", tcell.KeyRight: "Right",
		tcell.KeyPgUp: "PgUp", tcell.KeyPgDn: "PgDn", tcell.KeyHome: "Home", tcell.KeyEnd: "End",
		tcell.KeyEnter: "Enter", tcell.KeyEsc: "Esc", tcell.KeyTab: "Tab", tcell.KeyBacktab: "Shift-Tab",
		tcell.KeyBackspace: "Backspace", tcell.KeyBackspace2: "Backspace", tcell.KeyDelete: "Delete",
		tcell.KeyCtrlSpace: "Ctrl-Space", tcell.KeyCtrlBackslash: "Ctrl-\\",
	}
}

// Name is the name of a pressed key: "j", "Shift-G", "Ctrl-F", "Shift-Left", "Enter",
// "Space", "?".
func Name(ev *tcell.EventKey) string {
	mod := ev.Modifiers()
	if ev.Key() == tcell.KeyRune {
		r := ev.Rune()
		var name string
		switch {
		case r == ' ':
			name = "Space"
		case unicode.IsUpper(r):
			name = "Shift-" + string(r)
		default:
			name = string(r)
		}
		return name
	}
	if n, ok := named()[ev.Key()]; ok {
		if mod&tcell.ModShift != 0 && !strings.HasPrefix(n, "Shift-") {
			n = "Shift-" + n
		}
		if mod&tcell.ModCtrl != 0 && !strings.HasPrefix(n, "Ctrl-") {
			n = "Ctrl-" + n
		}
		return n
	}
	if ev.Key() >= tcell.KeyCtrlA && ev.Key() <= tcell.KeyCtrlZ {
		return "Ctrl-" + string(rune('A'+ev.Key()-tcell.KeyCtrlA))
	}
	return ev.Name()
}

// Apart are the keys that were pressed: Esc and another one, where a terminal's bytes for the two
// came together, as over a slow line or through tmux. tcell takes that for the other key with Alt
// held, and a control character behind Esc for a letter with Alt and Ctrl: Esc and Enter, which is
// Ctrl-M, would be an m. Nothing here is bound to Alt.
func Apart(ev *tcell.EventKey) []*tcell.EventKey {
	mod := ev.Modifiers()
	if mod&tcell.ModAlt == 0 {
		return []*tcell.EventKey{ev}
	}
	other := tcell.NewEventKey(ev.Key(), ev.Rune(), mod&^tcell.ModAlt)
	const letters = 0x60 // by which tcell shifts control characters
	if ev.Key() == tcell.KeyRune && mod&tcell.ModCtrl != 0 && ev.Rune() >= letters {
		switch control := ev.Rune() - letters; control {
		case '\r':
			other = tcell.NewEventKey(tcell.KeyEnter, 0, tcell.ModNone)
		case '\b':
			other = tcell.NewEventKey(tcell.KeyBackspace, 0, tcell.ModNone)
		default:
			other = tcell.NewEventKey(tcell.KeyCtrlSpace+tcell.Key(control), 0, tcell.ModCtrl)
		}
	}
	return []*tcell.EventKey{tcell.NewEventKey(tcell.KeyEsc, 0, tcell.ModNone), other}
}

// Event is the key press that Name would give this name to. It serves tests and Enter on a
// row of the help screen.
func Event(name string) (*tcell.EventKey, error) {
	if r := []rune(name); len(r) == 1 {
		return tcell.NewEventKey(tcell.KeyRune, r[0], tcell.ModNone), nil
	}
	if name == "Space" {
		return tcell.NewEventKey(tcell.KeyRune, ' ', tcell.ModNone), nil
	}
	for key, n := range named() {
		switch name {
		case n:
			return tcell.NewEventKey(key, 0, tcell.ModNone), nil
		case "Shift-" + n:
			return tcell.NewEventKey(key, 0, tcell.ModShift), nil
		case "Ctrl-" + n:
			return tcell.NewEventKey(key, 0, tcell.ModCtrl), nil
		}
	}
	rest, shift := strings.CutPrefix(name, "Shift-")
	if shift && len(rest) == 1 {
		return tcell.NewEventKey(tcell.KeyRune, rune(rest[0]), tcell.ModNone), nil
	}
	rest, ctrl := strings.CutPrefix(name, "Ctrl-")
	if ctrl && len(rest) == 1 && rest[0] >= 'A' && rest[0] <= 'Z' {
		return tcell.NewEventKey(tcell.KeyCtrlA+tcell.Key(rest[0]-'A'), rune(rest[0]-'A'+1), tcell.ModCtrl), nil
	}
	return nil, fmt.Errorf("keymap: no key is called %q", name)
}

// A Section is the keys of one screen.
type Section struct {
	Title   string
	Actions []Action
}

// Markdown is a key table for README: one heading and one table a section.
func Markdown(sections []Section) string {
	var b strings.Builder
	for i, s := range sections {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "### %s\n\n| key | does |\n|---|---|\n", s.Title)
		for _, a := range s.Actions {
			keys := make([]string, len(a.Keys))
			for i, k := range a.Keys {
				keys[i] = "`" + strings.ReplaceAll(k, "|", "\\|") + "`"
			}
			help := a.Help
			if a.Danger {
				help += " Asks first."
			}
			fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(keys, " "), strings.ReplaceAll(help, "|", "\\|"))
		}
	}
	return b.String()
}
