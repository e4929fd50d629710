// Package uitest drives the console in tests as a user does: keys in, screen out. Keys are
// pressed inside QueueUpdateDraw, on the UI goroutine: an event injected into the screen
// travels over another channel than updates, so that no barrier would order the two.
package uitest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/ui/keymap"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = 20 * time.Second

// A Driver is a user in front of one application.
type Driver struct {
	t      testing.TB
	app    *tview.Application
	screen tcell.SimulationScreen
}

// Screen is an initialized simulated terminal of this size.
func Screen(t testing.TB, width, height int) tcell.SimulationScreen {
	t.Helper()
	s := tcell.NewSimulationScreen("UTF-8")
	if err := s.Init(); err != nil {
		t.Fatalf("initializing the simulated screen: %v", err)
	}
	s.SetSize(width, height)
	return s
}

// New drives an application that runs on the screen.
func New(t testing.TB, app *tview.Application, screen tcell.SimulationScreen) *Driver {
	return &Driver{t: t, app: app, screen: screen}
}

// Press presses keys one after the other, named as keymap names them, and returns when the
// screen shows the outcome.
func (d *Driver) Press(keys ...string) {
	d.t.Helper()
	for _, key := range keys {
		ev, err := keymap.Event(key)
		if err != nil {
			d.t.Fatal(err)
		}
		d.send(ev)
	}
}

// Type types text.
func (d *Driver) Type(text string) {
	d.t.Helper()
	for _, r := range text {
		d.send(tcell.NewEventKey(tcell.KeyRune, r, tcell.ModNone))
	}
}

func (d *Driver) send(ev *tcell.EventKey) {
	d.app.QueueUpdateDraw(func() {
		if capture := d.app.GetInputCapture(); capture != nil {
			if ev = capture(ev); ev == nil {
				return
			}
		}
		if focus := d.app.GetFocus(); focus != nil {
			focus.InputHandler()(ev, func(p tview.Primitive) { d.app.SetFocus(p) })
		}
	})
}

// Resize changes the terminal's size.
func (d *Driver) Resize(width, height int) {
	d.app.QueueUpdateDraw(func() { d.screen.SetSize(width, height) })
}

// Do runs f on the UI goroutine and redraws.
func (d *Driver) Do(f func()) { d.app.QueueUpdateDraw(f) }

// Text is the screen as lines, without the spaces at their ends.
func (d *Driver) Text() string {
	var text string
	d.app.QueueUpdate(func() { text = Contents(d.screen) })
	return text
}

// Style is how the first cell of the first occurrence of text looks.
func (d *Driver) Style(text string) tcell.Style {
	d.t.Helper()
	style, found := tcell.StyleDefault, false
	d.app.QueueUpdate(func() {
		cells, width, _ := d.screen.GetContents()
		for y, line := range strings.Split(Contents(d.screen), "\n") {
			if before, _, ok := strings.Cut(line, text); ok && !found {
				style, found = cells[y*width+len([]rune(before))].Style, true
			}
		}
	})
	if !found {
		d.t.Fatalf("%q is not on the screen:\n%s", text, d.Text())
	}
	return style
}

// See waits until the text is on the screen.
func (d *Driver) See(text string) {
	d.t.Helper()
	d.until("shows "+text, func(screen string) bool { return strings.Contains(screen, text) })
}

// Miss waits until the text is not on the screen.
func (d *Driver) Miss(text string) {
	d.t.Helper()
	d.until("no longer shows "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

func (d *Driver) until(what string, holds func(string) bool) {
	d.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		text := d.Text()
		if holds(text) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			d.t.Fatalf("waited for a screen that %s, but it is:\n%s", what, text)
		}
	}
}

// Golden compares the screen with testdata/screens/name.txt at the repository's root; with
// -update it writes that file instead.
func (d *Driver) Golden(name string) {
	d.t.Helper()
	Golden(d.t, name, d.Text()+"\n")
}

// Contents is what a simulated screen shows, as lines without the spaces at their ends. It
// must not run while something is drawn.
func Contents(screen tcell.SimulationScreen) string {
	cells, width, height := screen.GetContents()
	var b strings.Builder
	for y := range height {
		var line strings.Builder
		for x := range width {
			if c := cells[y*width+x]; len(c.Runes) > 0 {
				line.WriteString(string(c.Runes))
			} else {
				line.WriteByte(' ')
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		if y < height-1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Golden compares text with testdata/screens/name.txt at the repository's root.
func Golden(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(root(t), "testdata", "screens", name+".txt")
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatalf("writing the golden screen: %v", err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading the golden screen: %v; `go test -update` writes it", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("the screen differs from %s (-want +got; `go test -update` accepts it):\n%s", path, diff)
	}
}

// root is the directory of go.mod above the test's.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = parent
	}
}
