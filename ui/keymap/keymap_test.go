package keymap

import (
	"testing"

	"github.com/gdamore/tcell/v2"
)

func TestEveryNameLeadsBackToItsKey(t *testing.T) {
	for _, name := range []string{
		"j", "?", "/", "2", "Shift-G", "Ctrl-F", "Ctrl-C", "Ctrl-Z", "Space", "Ctrl-Space", "Enter", "Esc", "Tab", "Shift-Tab",
		"Left", "Shift-Left", "Shift-Down", "PgUp", "Home", "Backspace", "Ctrl-\\",
	} {
		ev, err := Event(name)
		if err != nil {
			t.Errorf("Event(%q): %v", name, err)
			continue
		}
		if got := Name(ev); got != name {
			t.Errorf("the key named %q is called %q when pressed", name, got)
		}
	}
	if _, err := Event("Hyper-X"); err == nil {
		t.Error("Event gave a key for a name that is none")
	}
}

func TestBothBackspacesHaveOneName(t *testing.T) {
	for _, key := range []tcell.Key{tcell.KeyBackspace, tcell.KeyBackspace2} {
		if got := Name(tcell.NewEventKey(key, 0, tcell.ModNone)); got != "Backspace" {
			t.Errorf("key %d is called %q, want Backspace", key, got)
		}
	}
}

func TestSelectionIsTheMarkedOrTheCursor(t *testing.T) {
	a, b := Object{Kind: "Pod", Name: "a"}, Object{Kind: "Pod", Name: "b"}
	if got := (Selection{Cursor: a}).Objects(); len(got) != 1 || got[0] != a {
		t.Errorf("without marks the selection is %v, want the cursor's", got)
	}
	if got := (Selection{Cursor: a, Marked: []Object{b}}).Objects(); len(got) != 1 || got[0] != b {
		t.Errorf("with a mark the selection is %v, want the marked", got)
	}
	if got := (Selection{}).Objects(); got != nil {
		t.Errorf("an empty table's selection is %v, want none", got)
	}
}

func TestTheFirstListWins(t *testing.T) {
	view := []Action{{Keys: []string{"c"}, Name: "cordon"}}
	everywhere := []Action{{Keys: []string{"c"}, Name: "copy"}, {Keys: []string{"q"}, Name: "quit"}}
	if a, ok := Find("c", view, everywhere); !ok || a.Name != "cordon" {
		t.Errorf("c runs %q, want the view's own cordon", a.Name)
	}
	if a, ok := Find("q", view, everywhere); !ok || a.Name != "quit" {
		t.Errorf("q runs %q, want quit", a.Name)
	}
	if _, ok := Find("x", view, everywhere); ok {
		t.Error("x runs something")
	}
}

func TestMarkdown(t *testing.T) {
	got := Markdown([]Section{{Title: "Pods", Actions: []Action{
		{Keys: []string{"d", "Enter"}, Help: "Describe | show."},
		{Keys: []string{"m"}, Help: "Migrate.", Danger: true},
	}}})
	want := "### Pods\n\n| key | does |\n|---|---|\n| `d` `Enter` | Describe \\| show. |\n| `m` | Migrate. Asks first. |\n"
	if got != want {
		t.Errorf("Markdown is\n%s\nwant\n%s", got, want)
	}
}
