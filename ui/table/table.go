package table

import (
	"fmt"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/ui/theme"
)

// A Table paints rows. Make one with New.
type Table[T comparable] struct {
	*tview.Box
	theme *theme.Theme
	role  func(T) theme.Role
	empty string
	still bool
	rows[T]

	offset int   // the first painted row, an index into shown
	pan    int   // how many columns are scrolled out to the left; 0: columns by importance
	reveal int   // the column that must be visible because it was chosen; -1: none
	widths []int // what each column's texts need, as far as seen; they only grow while scrolling

	layout  []slot // the columns of the last draw
	painted [][]string
}

// A slot is one painted column.
type slot struct{ column, x, width int }

// gutter is the room for the two marks left of every row.
const gutter = 3

// Config is what New needs beside the columns.
type Config[T comparable] struct {
	Theme *theme.Theme
	Now   func() time.Time
	Key   func(T) string     // identifies a row for ever: a UID
	Role  func(T) theme.Role // how the row looks, and its mark
	Empty string             // what an empty table says
	Still bool               // it is only read: no cursor is painted
}

// New returns an empty table in the order in which its rows come.
func New[T comparable](c Config[T], columns []Column[T]) *Table[T] {
	return &Table[T]{
		Box: tview.NewBox(), theme: c.Theme, role: c.Role, empty: c.Empty, still: c.Still, reveal: -1,
		rows: rows[T]{columns: columns, key: c.Key, now: c.Now, sortBy: -1},
	}
}

// Set shows other rows; it keeps the slice and only reads it. A row that did not change
// should be the same T as before: what was computed for it is used again.
func (t *Table[T]) Set(all []T) {
	above := t.cursor - t.offset
	t.set(all)
	// The cursor's row stays where it is on the screen while rows above it come and go.
	if t.touched {
		t.offset = max(0, t.cursor-above)
	}
	t.measureAll()
}

// measureAll widens the columns to what the rows need, by a sample where they are many.
func (t *Table[T]) measureAll() {
	if t.widths == nil {
		t.widths = make([]int, len(t.columns))
	}
	step := max(1, len(t.all)/256)
	for i := 0; i < len(t.all); i += step {
		t.measure(t.all[i])
	}
}

// measure widens the columns to what a row needs.
func (t *Table[T]) measure(row T) {
	now := t.now()
	for i := range t.columns {
		t.widths[i] = max(t.widths[i], theme.Width(t.columns[i].Cell(row, now)))
	}
}

// SetEmpty changes what the table says when it has no rows at all.
func (t *Table[T]) SetEmpty(text string) { t.empty = text }

// Filter is the filter as it was typed.
func (t *Table[T]) Filter() string { return t.filterText }

// SetFilter shows only the rows that satisfy the filter. A filter that can't be understood
// is an error that says how to write it, and the last good one stays.
func (t *Table[T]) SetFilter(s string) error {
	f, err := parse(s, t.columns)
	if err != nil {
		return err
	}
	t.filterText, t.filter = strings.TrimSpace(s), f
	t.forget()
	if !f.words {
		t.hays = haystacks[T]{}
	}
	if !t.arrange() {
		t.moveTo(0) // its row is filtered out: the best match is on top
	}
	return nil
}

// SortBy sorts by the column with this title; a title that is none brings back the rows'
// own order.
func (t *Table[T]) SortBy(title string, largest bool) {
	t.sortBy = -1
	for i := range t.columns {
		if t.columns[i].Title == title {
			t.sortBy, t.largest = i, largest
		}
	}
	t.arrange()
}

// choose sorts by a column, or turns the direction when it is sorted by already.
func (t *Table[T]) choose(column int) {
	if t.sortBy == column {
		t.largest = !t.largest
	} else {
		t.sortBy, t.largest = column, t.columns[column].Largest
	}
	t.reveal = column
	t.forget()
	t.arrange()
}

// forget measures the columns anew: the person changes the screen, so that a width which
// one long text once needed can be given back without a column jumping by itself.
func (t *Table[T]) forget() {
	t.widths = nil
	t.measureAll()
}

// Whole reports whether the cell of the row under the cursor in the column with this title
// is painted and not cut.
func (t *Table[T]) Whole(title string) bool {
	row, ok := t.current()
	if !ok {
		return true
	}
	_, _, width, _ := t.GetRect()
	for _, s := range t.arrangeColumns(width) {
		if c := &t.columns[s.column]; c.Title == title {
			return theme.Width(c.Cell(row, t.now())) <= s.width
		}
	}
	return false
}

// Sorted is the title of the column that the rows are sorted by; "": their own order.
func (t *Table[T]) Sorted() string {
	if t.sortBy < 0 {
		return ""
	}
	return t.columns[t.sortBy].Title
}

// Current is the row under the cursor.
func (t *Table[T]) Current() (T, bool) { return t.current() }

// Marked are the marked rows, and those of them that the filter hides.
func (t *Table[T]) Marked() (rows, hidden []T) { return t.marked() }

// Go puts the cursor on the row with this key, if it is shown.
func (t *Table[T]) Go(key string) bool {
	for n, i := range t.shown {
		if t.key(t.all[i]) == key {
			t.touched = true
			t.moveTo(n)
			return true
		}
	}
	return false
}

// Summary says what is on screen: "96 of 526, 2 marked (1 hidden), AGE ↓, +3 columns →".
func (t *Table[T]) Summary() string {
	var b strings.Builder
	if len(t.filter.terms) > 0 {
		fmt.Fprintf(&b, "%d of %d, %d hidden", len(t.shown), len(t.all), len(t.all)-len(t.shown))
	} else {
		fmt.Fprintf(&b, "%d", len(t.all))
	}
	if marked, hidden := t.marked(); len(marked) > 0 {
		fmt.Fprintf(&b, ", %d marked", len(marked))
		if len(hidden) > 0 {
			fmt.Fprintf(&b, " (%d hidden)", len(hidden))
		}
	}
	if t.sortBy >= 0 {
		b.WriteString(", by " + t.columns[t.sortBy].Title + " " + t.direction())
	}
	if n := len(t.columns) - len(t.layout); n > 0 && len(t.layout) > 0 {
		fmt.Fprintf(&b, ", +%d %s", n, t.theme.Glyphs.More)
	}
	return b.String()
}

func (t *Table[T]) direction() string {
	if t.largest {
		return t.theme.Glyphs.Down
	}
	return t.theme.Glyphs.Up
}

// Aged reports whether a text that is on screen would be painted differently now, only
// because time passed.
func (t *Table[T]) Aged() bool {
	now := t.now()
	for line, texts := range t.painted {
		n := t.offset + line
		if n >= len(t.shown) {
			return true
		}
		row := t.all[t.shown[n]]
		for i, s := range t.layout {
			if c := &t.columns[s.column]; c.Live && c.Cell(row, now) != texts[i] {
				return true
			}
		}
	}
	return false
}

// page is how many rows fit.
func (t *Table[T]) page() int {
	_, _, _, height := t.GetRect()
	return max(1, height-1)
}

// Draw paints the header and the visible rows.
func (t *Table[T]) Draw(screen tcell.Screen) {
	x, y, width, height := t.GetRect()
	if width <= 0 || height <= 0 {
		return
	}
	page := max(0, height-1)
	if t.cursor < t.offset {
		t.offset = t.cursor
	}
	if page > 0 && t.cursor >= t.offset+page {
		t.offset = t.cursor - page + 1
	}
	t.offset = max(0, min(t.offset, len(t.shown)-page))
	visible := t.shown[t.offset:min(t.offset+page, len(t.shown))]
	if t.widths == nil {
		t.widths = make([]int, len(t.columns))
	}
	for _, i := range visible {
		t.measure(t.all[i])
	}
	t.layout = t.arrangeColumns(width)

	for _, s := range t.layout {
		c := &t.columns[s.column]
		title, style := c.Title, t.theme.Style(theme.Strong)
		if s.column == t.sortBy {
			title += t.direction()
			style = t.theme.Style(theme.Accent)
		}
		t.cell(screen, x+s.x, y, s.width, title, c.Right, false, style)
	}
	if len(t.shown) == 0 && height > 2 {
		for i, line := range theme.Wrap(t.nothing(), width-gutter-1, height-2) {
			t.theme.Print(screen, x+gutter, y+2+i, width-gutter, line, t.theme.Style(theme.Dim))
		}
	}
	now := t.now()
	t.painted = t.painted[:0]
	for line, i := range visible {
		t.painted = append(t.painted, t.paint(screen, x, y+1+line, width, t.all[i], t.offset+line == t.cursor && !t.still, now))
	}
}

// nothing says why the table is empty.
func (t *Table[T]) nothing() string {
	if len(t.all) > 0 {
		return fmt.Sprintf("nothing matches %q; %d rows are hidden, Esc shows them", t.filterText, len(t.all))
	}
	return t.empty
}

// paint paints one row and returns its texts.
func (t *Table[T]) paint(screen tcell.Screen, x, y, width int, row T, cursor bool, now time.Time) []string {
	role := t.role(row)
	base := t.theme.Style(role)
	if cursor {
		base = base.Reverse(true).Dim(false)
		t.theme.Fill(screen, x, y, width, base)
	}
	if t.marks[t.key(row)] {
		style := t.theme.Style(theme.Accent)
		if cursor {
			style = base
		}
		t.theme.Print(screen, x, y, 1, t.theme.Glyphs.Marked, style)
	}
	t.theme.Print(screen, x+1, y, 1, t.theme.Mark(role), base)
	texts := make([]string, len(t.layout))
	for i, s := range t.layout {
		c := &t.columns[s.column]
		texts[i] = c.Cell(row, now)
		style := base
		if c.Role != nil && !cursor {
			style = t.theme.Style(c.Role(row))
		}
		t.cell(screen, x+s.x, y, s.width, texts[i], c.Right, c.Middle, style)
	}
	return texts
}

func (t *Table[T]) cell(screen tcell.Screen, x, y, width int, text string, right, middle bool, style tcell.Style) {
	if middle {
		text = theme.FitMiddle(text, width)
	} else {
		text = theme.Fit(text, width)
	}
	if right {
		x += width - theme.Width(text)
		width = theme.Width(text)
	}
	t.theme.Print(screen, x, y, width, text, style)
}

// want is the width a column asks for.
func (t *Table[T]) want(i int) int {
	c := &t.columns[i]
	w := max(t.widths[i], theme.Width(c.Title), c.Min)
	if i == t.sortBy {
		w = max(w, theme.Width(c.Title)+1)
	}
	if c.Max > 0 {
		w = min(w, max(c.Max, theme.Width(c.Title)))
	}
	return w
}

// arrangeColumns decides which columns are painted and how wide. Columns get room in the
// order of their importance, those that are to be whole before less important ones come, and
// stand in the order of the table. When the person scrolled
// sideways, the columns of importance 0 stay and the others follow from the pan on.
func (t *Table[T]) arrangeColumns(width int) []slot {
	room := width - gutter
	if t.widths == nil {
		t.widths = make([]int, len(t.columns))
	}
	chosen := make([]bool, len(t.columns))
	more := make([]int, len(t.columns)) // than a column asks for
	grow := func(i int) {
		more[i] += max(0, min(t.widths[i]-t.want(i)-more[i], room))
		room -= more[i]
	}
	take := func(i int) bool {
		w := t.want(i) + 1
		if chosen[i] || w > room+1 { // the last column needs no space after it
			return chosen[i]
		}
		chosen[i] = true
		room -= w
		return true
	}
	levels := 0
	for i := range t.columns {
		levels = max(levels, t.columns[i].Importance)
		if t.columns[i].Importance == 0 {
			take(i)
		}
	}
	if t.reveal >= 0 {
		take(t.reveal)
	}
	if t.pan > 0 {
		skip := t.pan
		for i := range t.columns {
			if t.columns[i].Importance == 0 {
				continue
			}
			if skip--; skip >= 0 {
				continue
			}
			if !take(i) {
				break
			}
		}
	} else {
		for level := 1; level <= levels; level++ {
			for i := range t.columns {
				if t.columns[i].Importance == level {
					take(i)
				}
			}
			for i := range t.columns {
				if chosen[i] && t.columns[i].Whole == level {
					grow(i)
				}
			}
		}
	}
	var slots []slot
	x := gutter
	for i := range t.columns {
		if !chosen[i] {
			continue
		}
		if more[i] == 0 {
			grow(i)
		}
		w := t.want(i) + more[i]
		slots = append(slots, slot{i, x, min(w, max(0, width-x))})
		x += w + 1
	}
	return slots
}
