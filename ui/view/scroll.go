package view

import (
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
)

// A line is one sentence of a panel. What doesn't fit goes on below, two cells further in.
type line struct {
	role   theme.Role
	indent int
	text   string
}

// A scroll shows lines above and, at its bottom, lines that always stay in sight.
type scroll struct {
	*tview.Box
	theme *theme.Theme
	// lines gives both kinds for a width.
	lines func(width int) (body, foot []line)

	top          int // the first row painted of the body
	rows, height int // of the body, as painted last
	painted      string
}

func newScroll(t *theme.Theme, lines func(width int) (body, foot []line)) *scroll {
	return &scroll{Box: tview.NewBox(), theme: t, lines: lines}
}

// wrapped breaks lines into rows of width cells.
func wrapped(lines []line, width int) []line {
	const most = 30 // rows of one sentence
	var rows []line
	for _, l := range lines {
		parts := theme.Wrap(format.Plain(l.text), max(10, width-l.indent-2), most)
		if len(parts) == 0 {
			parts = []string{""}
		}
		for i, part := range parts {
			indent := l.indent
			if i > 0 {
				indent += 2
			}
			rows = append(rows, line{l.role, indent, part})
		}
	}
	return rows
}

// Draw paints the rows that have room. The foot is whole as long as it leaves the body a
// third of the height.
func (s *scroll) Draw(screen tcell.Screen) {
	x, y, width, height := s.GetRect()
	if width <= 0 || height <= 0 {
		return
	}
	body, foot := s.lines(width)
	s.painted = said(body, foot)
	below := wrapped(foot, width-2)
	if most := max(1, height*2/3); len(below) > most {
		below = below[len(below)-most:] // the last says what to press
	}
	if len(below) > 0 {
		rule := y + height - len(below) - 1
		for i := range width {
			screen.SetContent(x+i, rule, s.theme.Glyphs.Line, nil, s.theme.Style(theme.Dim))
		}
		s.paint(screen, x, rule+1, width, below)
		height -= len(below) + 1
	}
	rows := wrapped(body, width-2)
	s.rows, s.height = len(rows), height
	s.top = max(0, min(s.top, len(rows)-height))
	s.paint(screen, x, y, width, rows[s.top:min(len(rows), s.top+max(0, height))])
}

func (s *scroll) paint(screen tcell.Screen, x, y, width int, rows []line) {
	for i, row := range rows {
		s.theme.Print(screen, x+1+row.indent, y+i, width-1-row.indent, row.text, s.theme.Style(row.role))
	}
}

// aged reports whether the lines would say something else now.
func (s *scroll) aged() bool {
	_, _, width, _ := s.GetRect()
	body, foot := s.lines(width)
	return said(body, foot) != s.painted
}

func said(lists ...[]line) string {
	var b strings.Builder
	for _, lines := range lists {
		for _, l := range lines {
			b.WriteString(l.text + "\n")
		}
	}
	return b.String()
}

// actions are the keys that scroll.
func (s *scroll) actions() []keymap.Action {
	move := func(by func() int) func(keymap.Selection) {
		return func(keymap.Selection) { s.top = max(0, min(s.top+by(), s.rows-s.height)) }
	}
	page := func() int { return max(1, s.height-1) }
	return []keymap.Action{
		{Keys: []string{"j", "Down"}, Name: "down", Help: "One line down.", Run: move(func() int { return 1 })},
		{Keys: []string{"k", "Up"}, Name: "up", Help: "One line up.", Run: move(func() int { return -1 })},
		{Keys: []string{"Ctrl-F", "PgDn", "Space"}, Name: "page down", Help: "One screen down.", Run: move(page)},
		{Keys: []string{"Ctrl-B", "PgUp"}, Name: "page up", Help: "One screen up.", Run: move(func() int { return -page() })},
		{Keys: []string{"g", "Home"}, Name: "top", Help: "First line.", Run: move(func() int { return -s.rows })},
		{Keys: []string{"Shift-G", "End"}, Name: "bottom", Help: "Last line.", Run: move(func() int { return s.rows })},
	}
}
