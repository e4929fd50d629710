package ui

import (
	"slices"
	"strings"
	"unicode"

	"github.com/gdamore/tcell/v2"

	"github.com/ecideck/ecideck/ui/theme"
)

// A prompt is the line at the bottom while something is typed.
type prompt struct {
	sign   string                   // "/" or ":", or what is to be typed
	ask    func(text string) string // of the last: what is wrong with what was typed; ""
	text   []rune
	pos    int
	ghost  string // what Tab would add
	err    string // why the text can't be understood yet
	before string // the filter before, for Esc
	help   string // how a filter is written here
	recall int    // how far back in the history
}

func (p *prompt) String() string { return string(p.text) }

func (p *prompt) set(s string) {
	p.text = []rune(s)
	p.pos = len(p.text)
}

func (p *prompt) insert(r []rune) {
	r = slices.DeleteFunc(slices.Clone(r), unicode.IsControl)
	p.text = slices.Insert(p.text, p.pos, r...)
	p.pos += len(r)
}

// edit handles the keys of a line editor and reports whether the text changed.
func (p *prompt) edit(name string, ev *tcell.EventKey) bool {
	switch name {
	case "Left", "Ctrl-B":
		p.pos = max(0, p.pos-1)
	case "Right", "Ctrl-F":
		if p.pos == len(p.text) && p.ghost != "" {
			return p.complete()
		}
		p.pos = min(len(p.text), p.pos+1)
	case "Home", "Ctrl-A":
		p.pos = 0
	case "End", "Ctrl-E":
		p.pos = len(p.text)
	case "Tab":
		return p.complete()
	case "Backspace", "Ctrl-H":
		if p.pos == 0 {
			return false
		}
		p.text = slices.Delete(p.text, p.pos-1, p.pos)
		p.pos--
		return true
	case "Delete", "Ctrl-D":
		if p.pos == len(p.text) {
			return false
		}
		p.text = slices.Delete(p.text, p.pos, p.pos+1)
		return true
	case "Ctrl-U":
		p.text, p.pos = slices.Delete(p.text, 0, p.pos), 0
		return true
	case "Ctrl-K":
		p.text = p.text[:p.pos]
		return true
	case "Ctrl-W":
		start := p.pos
		for start > 0 && p.text[start-1] == ' ' {
			start--
		}
		for start > 0 && p.text[start-1] != ' ' {
			start--
		}
		p.text, p.pos = slices.Delete(p.text, start, p.pos), start
		return true
	default:
		if ev.Key() != tcell.KeyRune || ev.Modifiers()&(tcell.ModAlt|tcell.ModCtrl) != 0 {
			return false
		}
		p.insert([]rune{ev.Rune()})
		return true
	}
	return false
}

// complete takes the ghost text over.
func (p *prompt) complete() bool {
	if p.ghost == "" {
		return false
	}
	p.set(p.String() + p.ghost)
	return true
}

// hints are the keys of the prompt.
func (p *prompt) hints() []segment {
	var h []segment
	switch {
	case p.ask != nil:
		h = append(h, segment{"Enter go", theme.Plain}, segment{"Esc cancel", theme.Plain})
	case p.sign == ":":
		h = append(h, segment{"Tab complete", theme.Plain}, segment{"Up history", theme.Plain},
			segment{"Enter go", theme.Plain}, segment{"Esc cancel", theme.Plain})
	default:
		h = append(h, segment{p.help, theme.Dim}, segment{"Enter keep", theme.Plain}, segment{"Esc cancel", theme.Plain})
	}
	return h
}

// draw paints the prompt with the terminal's cursor in it. Text that is too long scrolls.
func (p *prompt) draw(t *theme.Theme, screen tcell.Screen, y, w int) {
	errRoom := p.beside(w - 2)
	room := w - 2 - errRoom - theme.Width(p.sign)
	x := 1 + t.Print(screen, 1, y, w, p.sign, t.Style(theme.Accent))
	front := string(p.text[:p.pos])
	shown := p.String()
	if over := theme.Width(front) - room; over > 0 {
		front = theme.Tail(front, room)
		shown = front + string(p.text[p.pos:])
	}
	used := t.Print(screen, x, y, room, shown, tcell.StyleDefault)
	if p.pos == len(p.text) {
		t.Print(screen, x+used, y, room-used, p.ghost, t.Style(theme.Dim))
	}
	screen.ShowCursor(x+theme.Width(front), y)
	if errRoom > 0 {
		t.Print(screen, w-1-theme.Width(p.err), y, errRoom, p.err, t.Style(theme.Broken))
	}
}

// beside is how much of a line what is wrong takes of it, the space before it included; 0: nothing
// is wrong, or it would take more than half, and stands above.
func (p *prompt) beside(width int) int {
	if need := theme.Width(p.err) + 2; p.err != "" && need <= width/2 {
		return need
	}
	return 0
}

// openFilter starts typing a filter.
func (c *console) openFilter() {
	v := c.top().(searchable) // the action is disabled otherwise
	c.prompt = &prompt{sign: "/", before: v.Filter(), help: v.FilterHelp()}
	c.prompt.set(v.Filter())
}

// openCommand starts typing a command.
func (c *console) openCommand() {
	c.prompt = &prompt{sign: ":"}
	c.typed()
}

// edit handles a key while the prompt is open.
func (c *console) edit(name string, ev *tcell.EventKey) {
	p := c.prompt
	switch name {
	case "Esc":
		c.prompt = nil
		if p.sign == "/" {
			_ = c.top().(searchable).SetFilter(p.before) // was understood before
		}
	case "Enter":
		c.enter()
	case "Up", "Ctrl-P":
		c.recall(1)
	case "Down", "Ctrl-N":
		c.recall(-1)
	default:
		if name == "Backspace" && len(p.text) == 0 { // as in vi: nothing left to delete closes it
			c.prompt = nil
			return
		}
		if p.edit(name, ev) {
			c.typed()
		}
	}
}

// typed follows every change of the prompt's text.
func (c *console) typed() {
	p := c.prompt
	p.err = ""
	if p.ask != nil {
		return
	}
	if p.sign == "/" {
		if err := c.top().(searchable).SetFilter(p.String()); err != nil {
			p.err = err.Error()
		}
		return
	}
	p.ghost = complete(p.String(), c.commandNames(), c.namespaces())
}

// enter ends typing.
func (c *console) enter() {
	p := c.prompt
	if p.sign == "/" {
		if p.err == "" {
			c.prompt = nil
		}
		return
	}
	if p.ask != nil {
		if p.err = p.ask(p.String()); p.err == "" && c.prompt == p {
			c.prompt = nil
		}
		return
	}
	line := strings.TrimSpace(p.String())
	if line == "" {
		c.prompt = nil
		return
	}
	c.prompt = nil // a command may open another one
	if err := c.command(line); err != nil {
		p.err = err.Error()
		c.prompt = p
		return
	}
	c.history = append(slices.DeleteFunc(c.history, func(s string) bool { return s == line }), line)
}

// recall brings back an earlier command.
func (c *console) recall(by int) {
	p := c.prompt
	if p.sign != ":" {
		return
	}
	p.recall = max(0, min(p.recall+by, len(c.history)))
	p.set("")
	if p.recall > 0 {
		p.set(c.history[len(c.history)-p.recall])
	}
	c.typed()
}
