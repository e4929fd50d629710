// Package theme holds the console's colours by meaning, its glyphs, and the painter that
// every screen uses. Colour says only what state a thing is in, and never says it alone: a
// word or a mark stands beside it. Only the terminal's own 16 colours and its default
// background are used, so light and dark terminals both work.
package theme

import "github.com/gdamore/tcell/v2"

// A Role is what a piece of text means; a Theme gives it a look.
type Role int

// The roles. Broken needs a person, Degraded is amber, Dim is fine and boring.
const (
	Plain Role = iota
	Dim
	Strong
	Accent
	Degraded
	Broken
	Found // the text a search found
)

// A Theme is how roles and glyphs look on this terminal. It is not changed after New.
type Theme struct {
	ASCII   bool
	NoColor bool
	Glyphs  Glyphs
}

// Glyphs are the marks beside words. Each is one cell wide.
type Glyphs struct {
	Marked, Broken, Degraded string
	Up, Down                 string // sort directions: smallest first, largest first
	More                     string // there is more to the right
	Done, Running            string // of steps
	Alarm                    string // beside the name of a production context
	Line                     rune   // a horizontal line
	Caret                    string // where typed text goes
}

// New is the theme for a terminal. ascii keeps every character that we add or pass on in
// 7-bit ASCII; noColor leaves bold, dim, underline and reverse.
func New(ascii, noColor bool) *Theme {
	t := &Theme{ASCII: ascii, NoColor: noColor}
	if ascii {
		t.Glyphs = Glyphs{Marked: "*", Broken: "x", Degraded: "!", Up: "^", Down: "v", More: ">", Done: "+", Running: ">", Alarm: "!", Line: '-', Caret: "_"}
	} else {
		t.Glyphs = Glyphs{Marked: "●", Broken: "✗", Degraded: "!", Up: "↑", Down: "↓", More: "→", Done: "✓", Running: "▸", Alarm: "▲", Line: '─', Caret: "▏"}
	}
	return t
}

// Style is how a role looks.
func (t *Theme) Style(r Role) tcell.Style {
	s := tcell.StyleDefault
	switch r {
	case Dim:
		return s.Dim(true)
	case Strong:
		return s.Bold(true)
	case Accent:
		if t.NoColor {
			return s.Bold(true)
		}
		return s.Foreground(tcell.PaletteColor(6)).Bold(true)
	case Degraded:
		if t.NoColor {
			return s.Bold(true)
		}
		return s.Foreground(tcell.PaletteColor(3))
	case Broken:
		if t.NoColor {
			return s.Bold(true).Underline(true)
		}
		return s.Foreground(tcell.PaletteColor(1)).Bold(true)
	case Found:
		return s.Reverse(true)
	}
	return s
}

// Mark is the glyph that stands beside text of the role, or a space.
func (t *Theme) Mark(r Role) string {
	switch r {
	case Broken:
		return t.Glyphs.Broken
	case Degraded:
		return t.Glyphs.Degraded
	}
	return " "
}
