package table

import (
	"strings"

	"github.com/ecideck/ecideck/ui/keymap"
)

// Actions are the keys that every table has: moving, marking, sorting.
func (t *Table[T]) Actions() []keymap.Action {
	do := func(f func()) func(keymap.Selection) { return func(keymap.Selection) { f() } }
	move := func(n func() int) func(keymap.Selection) {
		return do(func() { t.touched = true; t.moveTo(n()) })
	}
	actions := []keymap.Action{
		{Keys: []string{"Space"}, Name: "mark", Bar: true, Help: "Mark the row, or take its mark away; marks stay on their objects when rows move.", Run: do(t.mark)},
		{Keys: []string{"Ctrl-Space"}, Name: "mark range", Help: "Mark every row between the nearest mark and the cursor.", Run: do(t.markTo)},
		{Keys: []string{"Ctrl-\\"}, Name: "unmark", Help: "Take all marks away.", Run: do(func() { t.marks = nil })},
		{Keys: []string{"j", "Down"}, Name: "down", Help: "Next row.", Run: move(func() int { return t.cursor + 1 })},
		{Keys: []string{"k", "Up"}, Name: "up", Help: "Row before.", Run: move(func() int { return t.cursor - 1 })},
		{Keys: []string{"g", "Home"}, Name: "top", Help: "First row.", Run: do(func() { t.touched = false; t.moveTo(0) })},
		{Keys: []string{"Shift-G", "End"}, Name: "bottom", Help: "Last row.", Run: move(func() int { return len(t.shown) - 1 })},
		{Keys: []string{"Ctrl-F", "PgDn"}, Name: "page down", Help: "One screen down.", Run: move(func() int { return t.cursor + t.page() })},
		{Keys: []string{"Ctrl-B", "PgUp"}, Name: "page up", Help: "One screen up.", Run: move(func() int { return t.cursor - t.page() })},
		{Keys: []string{"Right"}, Name: "columns", Help: "Scroll to the columns that had no room.", Run: do(func() { t.scroll(1) })},
		{Keys: []string{"Left"}, Name: "columns back", Help: "Scroll the columns back.", Run: do(func() { t.scroll(-1) })},
		{Keys: []string{"Shift-Right"}, Name: "sort right", Help: "Sort by the next column; one that had no room is brought in.", Run: do(func() { t.step(1) })},
		{Keys: []string{"Shift-Left"}, Name: "sort left", Help: "Sort by the column before.", Run: do(func() { t.step(-1) })},
		{Keys: []string{"Shift-Up"}, Name: "smallest first", Help: "Sort the smallest first.", Run: do(func() { t.turn(false) })},
		{Keys: []string{"Shift-Down"}, Name: "largest first", Help: "Sort the largest first.", Run: do(func() { t.turn(true) })},
	}
	for i := range t.columns {
		c := &t.columns[i]
		if c.Sort == 0 {
			continue
		}
		title := strings.ToLower(c.Title)
		actions = append(actions, keymap.Action{
			Keys: []string{"Shift-" + string(c.Sort)}, Name: "sort " + title,
			Help: "Sort by " + title + "; again turns the direction.",
			Run:  do(func() { t.choose(i) }),
		})
	}
	return actions
}

// scroll moves the columns sideways.
func (t *Table[T]) scroll(by int) {
	last := 0
	for i := range t.columns {
		if t.columns[i].Importance > 0 {
			last++
		}
	}
	if by > 0 && len(t.layout) == len(t.columns) {
		return // everything is on screen
	}
	t.reveal = -1
	t.pan = max(0, min(t.pan+by, last-1))
}

// step sorts by the next or the previous column.
func (t *Table[T]) step(by int) {
	next := t.sortBy + by
	if t.sortBy < 0 {
		next = 0
		if by < 0 {
			next = len(t.columns) - 1
		}
	}
	next = (next + len(t.columns)) % len(t.columns)
	t.sortBy = -1
	t.choose(next)
}

// turn sets the direction; without a sort column it sorts by the first.
func (t *Table[T]) turn(largest bool) {
	if t.sortBy < 0 {
		t.sortBy = 0
	}
	t.largest = largest
	t.arrange()
}
