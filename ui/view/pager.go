package view

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
)

// A pager shows lines of text: it scrolls, wraps, follows the end, searches and, when
// asked, leaves out what doesn't match. It computes visible lines only.
type pager struct {
	*tview.Box
	theme *theme.Theme

	lines   []string
	dropped int // lines forgotten at the front because of limit
	limit   int // 0: keep all

	wrap   bool
	follow bool // stay at the end
	only   bool // leave out lines that don't match

	search  string
	pattern *regexp.Regexp
	matches []int // indices of matching lines

	top    int // the first painted line, an index into what is shown
	sub    int // with wrap: how many of its screen rows are scrolled out
	shift  int // without wrap: how many cells are scrolled out to the left
	widest int // of the lines painted last
	status string

	// reflow makes the text for a width, of what is to be read as prose; nil: lines are what
	// they are. It is asked when the width is another one than reflowed.
	reflow   func(width int) string
	reflowed int
}

// searchHelp says how a search is written.
const searchHelp = "text in any case  /regex/  then n, Shift-N, o only matches"

func newPager(t *theme.Theme, limit int) *pager {
	return &pager{Box: tview.NewBox(), theme: t, limit: limit}
}

// set replaces the text.
func (p *pager) set(text string) {
	p.lines, p.dropped, p.matches = nil, 0, nil
	p.add(strings.Split(strings.TrimRight(text, "\n"), "\n"))
}

// add appends lines. Beyond the limit the oldest are forgotten, a tenth at a time.
func (p *pager) add(lines []string) {
	from := len(p.lines)
	p.lines = append(p.lines, lines...)
	if p.pattern != nil {
		for i, l := range lines {
			if p.pattern.MatchString(l) {
				p.matches = append(p.matches, from+i)
			}
		}
	}
	if p.limit == 0 || len(p.lines) <= p.limit {
		return
	}
	n := len(p.lines) - p.limit + p.limit/10
	p.lines = append([]string(nil), p.lines[n:]...)
	p.dropped += n
	old := len(p.matches)
	kept := p.matches[:0]
	for _, m := range p.matches {
		if m >= n {
			kept = append(kept, m-n)
		}
	}
	p.matches = kept
	if p.only {
		p.top = max(0, p.top-(old-len(kept)))
	} else {
		p.top = max(0, p.top-n)
	}
}

// count is how many lines are shown.
func (p *pager) count() int {
	if p.only && p.pattern != nil {
		return len(p.matches)
	}
	return len(p.lines)
}

// line is the nth shown line.
func (p *pager) line(n int) string {
	if p.only && p.pattern != nil {
		return p.lines[p.matches[n]]
	}
	return p.lines[n]
}

// Filter is the search as it was typed.
func (p *pager) Filter() string { return p.search }

// SetFilter searches: words in any case, or /regex/. It moves to the first match below.
func (p *pager) SetFilter(s string) error {
	var pattern *regexp.Regexp
	if s != "" {
		expr := regexp.QuoteMeta(s)
		if strings.HasPrefix(s, "/") {
			expr = strings.TrimSuffix(s[1:], "/")
		}
		var err error
		if pattern, err = regexp.Compile("(?i)" + expr); err != nil {
			return fmt.Errorf("/%s/ is no regular expression: %s", expr, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		if expr == "" {
			pattern = nil
		}
	}
	at := p.absolute()
	p.search, p.pattern, p.matches = s, pattern, nil
	if pattern == nil {
		p.only = false
	} else {
		for i, l := range p.lines {
			if pattern.MatchString(l) {
				p.matches = append(p.matches, i)
			}
		}
	}
	p.show(at)
	if pattern != nil && len(p.matches) > 0 && !p.follow && !p.only {
		p.jump(at - 1)
	}
	return nil
}

// absolute is the index of the top line among all lines.
func (p *pager) absolute() int {
	if p.only && p.pattern != nil && p.top < len(p.matches) {
		return p.matches[p.top]
	}
	return p.top
}

// show puts the line with this index among all, or the next shown one, on top.
func (p *pager) show(absolute int) {
	p.sub, p.top = 0, absolute
	if p.only && p.pattern != nil {
		p.top = 0
		for i, m := range p.matches {
			if m >= absolute {
				p.top = i
				break
			}
		}
	}
}

// jump goes to the first match after a line, from the start again after the last.
func (p *pager) jump(after int) {
	if len(p.matches) == 0 {
		return
	}
	p.follow = false
	for _, m := range p.matches {
		if m > after {
			p.show(m)
			return
		}
	}
	p.show(p.matches[0])
}

// jumpBack goes to the last match before a line, from the end again before the first.
func (p *pager) jumpBack(before int) {
	if len(p.matches) == 0 {
		return
	}
	p.follow = false
	for i := len(p.matches) - 1; i >= 0; i-- {
		if p.matches[i] < before {
			p.show(p.matches[i])
			return
		}
	}
	p.show(p.matches[len(p.matches)-1])
}

// Summary says where we are: "1-20 of 526, 3 match".
func (p *pager) Summary() string {
	n := p.count()
	_, _, _, height := p.GetRect()
	var b strings.Builder
	switch {
	case p.status != "" && n == 0:
	case n == 0:
		b.WriteString("no lines")
	default:
		fmt.Fprintf(&b, "%d-%d of %d", min(p.top+1, n), min(p.top+max(1, height), n), n)
	}
	if p.pattern != nil {
		fmt.Fprintf(&b, ", %d match", len(p.matches))
		if p.only {
			fmt.Fprintf(&b, ", %d hidden", len(p.lines)-len(p.matches))
		}
	}
	if p.dropped > 0 {
		fmt.Fprintf(&b, ", %d older gone", p.dropped)
	}
	if p.follow {
		b.WriteString(", following")
	}
	return strings.TrimPrefix(b.String(), ", ")
}

// Draw paints the visible lines.
func (p *pager) Draw(screen tcell.Screen) {
	x, y, width, height := p.GetRect()
	if width <= 0 || height <= 0 {
		return
	}
	if p.reflow != nil && p.reflowed != width {
		at := p.top
		p.reflowed = width
		p.set(p.reflow(width))
		p.top = max(0, min(at, p.count()-1))
	}
	if p.count() == 0 {
		text := p.status
		if text == "" && p.only {
			text = "no line matches"
		}
		for i, line := range theme.Wrap(text, width-2, height-1) {
			p.theme.Print(screen, x+1, y+1+i, width-1, line, p.theme.Style(theme.Dim))
		}
		return
	}
	lastTop, lastSub := p.end(width, height)
	if p.follow || p.top > lastTop || (p.top == lastTop && p.sub > lastSub) {
		p.top, p.sub = lastTop, lastSub
	}
	row := 0
	p.widest = 0
	for n := p.top; n < p.count() && row < height; n++ {
		line := p.line(n)
		if !p.wrap {
			p.widest = max(p.widest, theme.Width(line))
			p.paint(screen, x, y+row, width, line, p.shift)
			row++
			continue
		}
		from := 0
		if n == p.top {
			from = p.sub
		}
		for r := from; r < rowsOf(line, width) && row < height; r++ {
			p.paint(screen, x, y+row, width, line, r*width)
			row++
		}
	}
}

// end is the scroll position at which the last line is at the bottom.
func (p *pager) end(width, height int) (top, sub int) {
	n := p.count()
	if !p.wrap {
		return max(0, n-height), 0
	}
	left := height
	for top = n - 1; top >= 0; top-- {
		rows := rowsOf(p.line(top), width)
		if rows >= left {
			return top, rows - left
		}
		left -= rows
	}
	return 0, 0
}

func rowsOf(line string, width int) int {
	return max(1, (theme.Width(line)+width-1)/width)
}

// paint paints a line from cell skip on, with what the search found marked.
func (p *pager) paint(screen tcell.Screen, x, y, width int, line string, skip int) {
	plain := p.theme.Style(theme.Plain)
	column := -skip
	put := func(text string, style tcell.Style) {
		w := theme.Width(text)
		if column+w > 0 && column < width {
			if column < 0 {
				text = theme.Tail(text, w+column)
				w, column = theme.Width(text), 0
			}
			p.theme.Print(screen, x+column, y, width-column, text, style)
		}
		column += w
	}
	if p.pattern != nil {
		at := 0
		for _, m := range p.pattern.FindAllStringIndex(line, -1) {
			if m[0] == m[1] {
				continue
			}
			put(line[at:m[0]], plain)
			put(line[m[0]:m[1]], p.theme.Style(theme.Found))
			at = m[1]
		}
		line = line[at:]
	}
	put(line, plain)
}

// scroll moves by screen rows.
func (p *pager) scroll(by int) {
	_, _, width, _ := p.GetRect()
	if by < 0 {
		p.follow = false
	}
	if !p.wrap || width <= 0 {
		p.top = max(0, min(p.top+by, p.count()-1))
		return
	}
	for ; by > 0; by-- {
		if p.top < p.count() && p.sub+1 < rowsOf(p.line(p.top), width) {
			p.sub++
		} else if p.top+1 < p.count() {
			p.top, p.sub = p.top+1, 0
		}
	}
	for ; by < 0; by++ {
		if p.sub > 0 {
			p.sub--
		} else if p.top > 0 {
			p.top--
			p.sub = rowsOf(p.line(p.top), width) - 1
		}
	}
}

// page is one screen less one line, so that a reader keeps the thread.
func (p *pager) page() int {
	_, _, _, height := p.GetRect()
	return max(1, height-1)
}

// actions are the keys of every pager.
func (p *pager) actions() []keymap.Action {
	do := func(f func()) func(keymap.Selection) { return func(keymap.Selection) { f() } }
	needsSearch := func(keymap.Selection) string {
		switch {
		case p.pattern == nil:
			return "search first, with /"
		case len(p.matches) == 0:
			return "nothing matches " + p.search
		}
		return ""
	}
	return []keymap.Action{
		{Keys: []string{"Ctrl-W"}, Name: "wrap", Bar: true, Help: "Wrap long lines, or cut them.", Run: do(func() { p.wrap = !p.wrap; p.sub, p.shift = 0, 0 })},
		{Keys: []string{"n"}, Name: "next match", Help: "Go to the next match of the search.", Disabled: needsSearch, Run: do(func() { p.jump(p.absolute()) })},
		{Keys: []string{"Shift-N"}, Name: "match before", Help: "Go to the match before.", Disabled: needsSearch, Run: do(func() { p.jumpBack(p.absolute()) })},
		{Keys: []string{"o"}, Name: "only matches", Help: "Leave out the lines that don't match the search, or bring them back.", Disabled: needsSearch,
			Run: do(func() { at := p.absolute(); p.only = !p.only; p.show(at) })},
		{Keys: []string{"j", "Down"}, Name: "down", Help: "One line down.", Run: do(func() { p.scroll(1) })},
		{Keys: []string{"k", "Up"}, Name: "up", Help: "One line up.", Run: do(func() { p.scroll(-1) })},
		{Keys: []string{"Ctrl-F", "PgDn", "Space"}, Name: "page down", Help: "One screen down.", Run: do(func() { p.scroll(p.page()) })},
		{Keys: []string{"Ctrl-B", "PgUp"}, Name: "page up", Help: "One screen up.", Run: do(func() { p.scroll(-p.page()) })},
		{Keys: []string{"g", "Home"}, Name: "top", Help: "First line.", Run: do(func() { p.follow = false; p.top, p.sub = 0, 0 })},
		{Keys: []string{"Shift-G", "End"}, Name: "bottom", Help: "Last line.", Run: do(func() { p.top, p.sub = max(0, p.count()-1), 1<<30 })},
		{Keys: []string{"Right"}, Name: "right", Help: "Scroll right.", Run: do(func() {
			_, _, width, _ := p.GetRect()
			if !p.wrap && p.widest > width {
				p.shift = min(p.shift+width/2, p.widest-width)
			}
		})},
		{Keys: []string{"Left"}, Name: "left", Help: "Scroll left.", Run: do(func() {
			_, _, width, _ := p.GetRect()
			p.shift = max(0, p.shift-max(1, width/2))
		})},
	}
}
