package uitest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/ecideck/ecideck/ui/keymap"
)

// A Terminal is a simulated terminal for a whole program, whose application is out of a
// test's reach: it keeps what was last shown, so that it can be read while the program draws.
type Terminal struct {
	tcell.SimulationScreen
	t testing.TB

	mu    sync.Mutex
	shown string // by the last Show or Sync
}

// NewTerminal is an initialized Terminal of this size.
func NewTerminal(t testing.TB, width, height int) *Terminal {
	t.Helper()
	return &Terminal{SimulationScreen: Screen(t, width, height), t: t}
}

// Show implements tcell.Screen.
func (s *Terminal) Show() {
	s.SimulationScreen.Show()
	s.keep()
}

// Sync implements tcell.Screen.
func (s *Terminal) Sync() {
	s.SimulationScreen.Sync()
	s.keep()
}

func (s *Terminal) keep() {
	text := Contents(s.SimulationScreen)
	s.mu.Lock()
	s.shown = text
	s.mu.Unlock()
}

// Text is what the terminal shows.
func (s *Terminal) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// Press presses keys, named as keymap names them. It does not wait for their effect.
func (s *Terminal) Press(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		ev, err := keymap.Event(key)
		if err != nil {
			s.t.Fatal(err)
		}
		s.post(ev, "pressing "+key)
	}
}

// Type types text; it does not wait for its effect.
func (s *Terminal) Type(text string) {
	s.t.Helper()
	for _, r := range text {
		s.post(tcell.NewEventKey(tcell.KeyRune, r, tcell.ModNone), fmt.Sprintf("typing %q", text))
	}
}

// post waits while the queue of keys is full, as a real terminal keeps what is typed: it
// holds ten, and a console that starts on a busy machine is slower than a test's fingers.
func (s *Terminal) post(ev tcell.Event, what string) {
	s.t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.PostEvent(ev)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			s.t.Fatalf("%s: %v", what, err)
		}
	}
}

// Until waits until what is shown holds.
func (s *Terminal) Until(within time.Duration, what string, holds func(screen string) bool) {
	s.t.Helper()
	begin := time.Now()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		text := s.Text()
		if holds(text) {
			s.t.Logf("a screen that %s after %.1f s", what, time.Since(begin).Seconds())
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			s.t.Fatalf("not within %s: a screen that %s; it is:\n%s", within, what, text)
		}
	}
}

// See waits until the text is shown.
func (s *Terminal) See(within time.Duration, text string) {
	s.t.Helper()
	s.Until(within, "shows "+text, func(screen string) bool { return strings.Contains(screen, text) })
}
