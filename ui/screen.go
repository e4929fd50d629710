package ui

import "github.com/gdamore/tcell/v2"

// A lostScreen is a screen that tells when its terminal is gone. tview would stop at once
// on such an event, while the pump may be waiting for it, for ever; we end in our order.
type lostScreen struct {
	tcell.Screen
	lost func(error)
}

// Init does nothing: the screen is initialized, and tview would ignore the error.
func (s *lostScreen) Init() error { return nil }

// PollEvent returns the next event, or nil when the screen was finished.
func (s *lostScreen) PollEvent() tcell.Event {
	for {
		ev := s.Screen.PollEvent()
		if e, ok := ev.(*tcell.EventError); ok {
			s.lost(e)
			continue
		}
		return ev
	}
}
