package ui

import (
	"slices"
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/ui/theme"
	"github.com/ecideck/ecideck/ui/view"
)

// A frame paints everything: two lines of header, the view, what went wrong, the sentence
// about the selected row or the prompt, and the keys.
type frame struct {
	*tview.Box
	c *console
}

const (
	wide      = 100 // from here on the first lines have room for more
	minWidth  = 20
	minHeight = 7
	// sentenceLines is how many lines the sentence about a row may take, and what went wrong:
	// a cause that is cut is no cause. Below roomy lines of screen it is one.
	sentenceLines = 2
	roomy         = 16
)

// Draw paints the whole screen.
func (f *frame) Draw(screen tcell.Screen) {
	c := f.c
	width, height := screen.Size()
	screen.HideCursor()
	if width < minWidth || height < minHeight {
		c.theme.Print(screen, 0, 0, width, "terminal too small", tcell.StyleDefault)
		return
	}
	c.headLine(screen, width)
	p := c.top().Primitive()
	p.SetRect(0, 2, width, height-4) // what the sentence says depends on which columns have room
	lines := sentenceLines
	if height < roomy {
		lines = 1
	}
	info, style := c.info(width-2, lines)
	c.painted.alert = c.alert()
	alert := theme.Wrap(c.painted.alert, width-4, lines)
	rows := max(1, len(info)) // the sentence or the prompt, then the keys
	if c.prompt != nil {
		rows = len(info) + 1
	}
	bottom := height - 1 - rows
	bottom -= len(alert)
	for i, line := range alert {
		if i == 0 {
			c.theme.Print(screen, 1, bottom, 1, c.theme.Glyphs.Degraded, c.theme.Style(theme.Broken))
		}
		c.theme.Print(screen, 3, bottom+i, width-4, line, c.theme.Style(theme.Broken))
	}
	p.SetRect(0, 2, width, bottom-2)
	p.Draw(screen)
	c.titleLine(screen, 1, width) // after the view, which knows then what had room
	if c.prompt != nil {
		c.prompt.draw(c.theme, screen, height-2, width)
	}
	for i, line := range info {
		c.theme.Print(screen, 1, bottom+len(alert)+i, width-2, line, style)
	}
	c.keyLine(screen, height-1, width)
}

// PasteHandler puts pasted text into the prompt. Elsewhere it is refused: each of its
// characters would be a key.
func (f *frame) PasteHandler() func(string, func(tview.Primitive)) {
	return func(text string, _ func(tview.Primitive)) {
		c := f.c
		if c.prompt == nil {
			c.Notice("pasted text was ignored; open / or : first")
			return
		}
		line, _, _ := strings.Cut(text, "\n")
		c.prompt.insert([]rune(line))
		c.typed()
	}
}

// segments paints segments.
func (c *console) segments(screen tcell.Screen, x, y, width int, segments []segment) {
	for i, s := range segments {
		x += gap(segments, i)
		x += c.theme.Print(screen, x, y, width-x, s.text, c.theme.Style(s.role))
	}
}

// head is the first line's content.
func (c *console) head(width int) (left, right []segment) {
	var name []segment
	if width >= wide {
		name = append(name, segment{"ecideck", theme.Accent})
	}
	if c.readOnly {
		name = append(name, segment{"read-only", theme.Dim})
	}
	if c.o.Title != "" {
		title := segment{c.o.Title, theme.Strong}
		if c.o.Production {
			title = segment{c.o.Title + " " + c.theme.Glyphs.Alarm + "PROD", theme.Broken}
		}
		name = append(name, title)
	}
	if c.o.Namespace != "" {
		name = append(name, segment{"only ns " + c.o.Namespace, theme.Degraded})
	}
	return headline(name, c.snapshot.Sources, c.counts, c.o.Now(), width-2)
}

func (c *console) headText(width int) string {
	left, right := c.head(width)
	return text(left) + text(right)
}

func (c *console) headLine(screen tcell.Screen, w int) {
	left, right := c.head(w)
	c.painted.head = text(left) + text(right)
	c.segments(screen, 1, 0, w, left)
	c.segments(screen, w-1-width(right), 0, w, right)
}

// titleLine says which view this is, what is filtered and how much is shown.
func (c *console) titleLine(screen tcell.Screen, y, w int) {
	summary := c.summary()
	filter := c.filter()
	room := w - 2
	x := 1
	tabs, gap := c.tabs(false), 2
	if width(tabs)+2+theme.Width(filter)+3+theme.Width(summary) > room {
		tabs, gap = c.tabs(true), 1
	}
	if need := width(tabs) - (2-gap)*(len(tabs)-1); len(c.stack) == 1 && need+2+theme.Width(filter)+3*min(1, len(filter))+theme.Width(summary) <= room {
		for _, tab := range tabs {
			x += c.theme.Print(screen, x, y, w-x, tab.text, c.theme.Style(tab.role)) + gap
		}
		x += 2 - gap
	} else {
		keep := 0
		if summary != "" {
			keep = theme.Width(summary) + 2
		}
		if filter != "" {
			keep += min(20, theme.Width(filter)+3)
		}
		title := c.crumbs()
		if theme.Width(title) > room-keep { // where we are matters more than the way back
			title = theme.FitMiddle(c.top().Title(), max(24, room-keep))
		}
		x += c.theme.Print(screen, x, y, w-x, title, c.theme.Style(theme.Accent)) + 2
	}
	if left := w - 1 - theme.Width(summary); left >= x {
		c.theme.Print(screen, left, y, w-left, summary, tcell.StyleDefault)
		w = left - 1
	}
	if filter != "" {
		c.theme.Print(screen, x, y, w-x, theme.Fit("/"+filter, w-x-1), c.theme.Style(theme.Strong))
	}
}

// tabs are the main views with their keys, short where there is little room.
func (c *console) tabs(short bool) []segment {
	var tabs []segment
	for _, m := range c.mains {
		name := m.label
		if short {
			name = m.short
		}
		tab := segment{m.key + " " + name, theme.Plain}
		if m.view == c.stack[0] {
			tab = segment{"[" + tab.text + "]", theme.Accent}
		}
		tabs = append(tabs, tab)
	}
	return tabs
}

// crumbs name the way back: "Nodes › Pods on ecs-07". Deep stacks name the last two.
func (c *console) crumbs() string {
	views := c.stack[max(0, len(c.stack)-2):]
	titles := make([]string, len(views))
	for i, v := range views {
		titles[i] = v.Title()
	}
	return strings.Join(titles, " › ")
}

// info is a notice, otherwise the sentence about the row under the cursor, in so many lines
// of width cells. While something is typed its place is the prompt's, and what is wrong with
// that stands above it where it has no room beside it.
func (c *console) info(width, lines int) ([]string, tcell.Style) {
	switch {
	case c.notice != "":
		return theme.Wrap(c.notice, width, lines), c.theme.Style(theme.Strong)
	case c.prompt != nil && c.prompt.err != "" && c.prompt.beside(width) == 0:
		return theme.Wrap(c.prompt.err, width, lines), c.theme.Style(theme.Broken)
	case c.prompt != nil:
		return nil, tcell.StyleDefault
	}
	return theme.Wrap(strings.Join(strings.Fields(c.reason()), " "), width, lines), tcell.StyleDefault
}

// keyLine shows the keys that fit; help and quit always do. A key that can't be used now
// stands in parentheses.
func (c *console) keyLine(screen tcell.Screen, y, w int) {
	s := c.selection()
	var hints []segment
	if c.prompt != nil {
		hints = c.prompt.hints()
	} else {
		for _, a := range append(c.top().Actions(), c.actions()...) {
			if !a.Bar {
				continue
			}
			h := segment{a.Keys[0] + " " + a.Name, theme.Plain}
			if a.Why(s) != "" {
				h = segment{"(" + h.text + ")", theme.Dim}
			}
			hints = append(hints, h)
		}
	}
	always := min(2, len(hints))
	if c.prompt == nil {
		// The filter's key comes to everybody's help: it has room as help and quit do.
		if i := slices.IndexFunc(hints, func(h segment) bool { return strings.HasPrefix(h.text, "/ ") }); i >= 0 {
			h := hints[i]
			hints = slices.Insert(slices.Delete(hints, i, i+1), len(hints)-3, h)
			always = 3
		}
	}
	tail := hints[len(hints)-always:]
	fit := hints[:0:0]
	for _, h := range hints[:len(hints)-always] {
		if width(append(append(fit[:len(fit):len(fit)], h), tail...)) > w-2 {
			continue
		}
		fit = append(fit, h)
	}
	c.segments(screen, 1, y, w, append(fit, tail...))
}

var _ view.Shell = (*console)(nil)
