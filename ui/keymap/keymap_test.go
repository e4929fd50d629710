package keymap

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/gdamore/tcell/v2/terminfo"
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

// A line is a terminal that sends bytes, all that are written at once in one read.
type line struct {
	io.Reader
}

func (line) Start() error        { return nil }
func (line) Stop() error         { return nil }
func (line) Drain() error        { return nil }
func (line) NotifyResize(func()) {}
func (line) WindowSize() (tcell.WindowSize, error) {
	return tcell.WindowSize{Width: 80, Height: 24}, nil
}
func (line) Write(p []byte) (int, error) { return len(p), nil }
func (line) Close() error                { return nil }

// TestEscAndAKeyInOneReadAreTwoKeys sends what terminals send to tcell's own parser.
func TestEscAndAKeyInOneReadAreTwoKeys(t *testing.T) {
	r, w := io.Pipe()
	screen, err := tcell.NewTerminfoScreenFromTtyTerminfo(line{r}, &terminfo.Terminfo{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := screen.Init(); err != nil {
		t.Fatal(err)
	}
	defer screen.Fini()
	defer w.Close()
	events := make(chan tcell.Event, 16)
	go screen.ChannelEvents(events, nil)
	for _, c := range []struct {
		bytes string
		want  []string
	}{
		{"j", []string{"j"}},
		{"\r", []string{"Enter"}},
		{"\x12", []string{"Ctrl-R"}},
		{"\x1b[A", []string{"Up"}},
		{"\x1bj", []string{"Esc", "j"}},
		{"\x1bG", []string{"Esc", "Shift-G"}},
		{"\x1b\r", []string{"Esc", "Enter"}}, // and not m
		{"\x1b\x12", []string{"Esc", "Ctrl-R"}},
		{"\x1b\x1a", []string{"Esc", "Ctrl-Z"}},
		{"\x1b\x03", []string{"Esc", "Ctrl-C"}},
		{"\x1b\x00", []string{"Esc", "Ctrl-Space"}},
		{"\x1b\x1c", []string{"Esc", "Ctrl-\\"}},
		{"\x1b\x08", []string{"Esc", "Backspace"}},
		{"\x1b\x7f", []string{"Esc", "Backspace"}},
		{"\x1b\x1b[A", []string{"Esc", "Up"}},
		{"\x1b\x1bOB", []string{"Esc", "Down"}},
	} {
		if _, err := io.WriteString(w, c.bytes); err != nil {
			t.Fatal(err)
		}
		var got []string
		for len(got) == 0 {
			select {
			case ev := <-events:
				if key, ok := ev.(*tcell.EventKey); ok {
					for _, k := range Apart(key) {
						got = append(got, Name(k))
					}
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("nothing came of %q", c.bytes)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q is %q, want %q", c.bytes, got, c.want)
		}
	}
}
