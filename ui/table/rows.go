package table

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// rows are a table's data: what there is, which of it is shown in which order, where the
// cursor is and what is marked.
type rows[T comparable] struct {
	columns []Column[T]
	key     func(T) string
	now     func() time.Time

	all   []T
	shown []int32 // indices into all, in the order of the screen
	hays  haystacks[T]

	filterText string
	filter     filter[T]
	sortBy     int // index into columns; -1: the order of all
	largest    bool

	cursor  int    // index into shown
	at      string // key of the row under the cursor
	touched bool   // the cursor was moved: it belongs to its row, no longer to the top
	marks   map[string]bool
	// tally is what marked answers, kept while rows and marks stay: it is asked for several
	// times in every frame. nil: to be counted again.
	tally *tally[T]
}

// A tally is the marked rows and how many of them are not shown.
type tally[T any] struct {
	rows   []T
	hidden []T // of rows, those that the filter hides
}

// set takes new rows. They are only read.
func (r *rows[T]) set(all []T) {
	r.all = all
	if len(r.marks) > 0 {
		alive := make(map[string]bool, len(r.marks))
		for _, row := range all {
			if k := r.key(row); r.marks[k] {
				alive[k] = true
			}
		}
		r.marks = alive // a mark must not outlive its object and fall on one of the same name
	}
	r.arrange()
}

// arrange filters and sorts again, and puts the cursor back on its row if that is shown.
func (r *rows[T]) arrange() (found bool) {
	r.tally = nil
	now := r.now()
	shown := r.shown[:0]
	if len(r.filter.terms) == 0 {
		shown = slices.Grow(shown, len(r.all))
		for i := range r.all {
			shown = append(shown, int32(i))
		}
	} else {
		if r.filter.words {
			r.hays.follow(r.all, r.columns)
		}
		for i, row := range r.all {
			hay := ""
			if r.filter.words {
				hay = r.hays.hay[i]
			}
			if r.filter.holds(row, hay, now) {
				shown = append(shown, int32(i))
			}
		}
	}
	r.shown = shown
	r.sort(now)
	return r.find()
}

// sort orders shown by the sort column. Rows that compare equal keep the order of all.
func (r *rows[T]) sort(now time.Time) {
	if r.sortBy < 0 {
		return
	}
	c := &r.columns[r.sortBy]
	sign := 1
	if r.largest {
		sign = -1
	}
	if c.Number != nil {
		type keyed struct {
			value   float64
			unknown bool
			i       int32
		}
		keys := make([]keyed, len(r.shown))
		for n, i := range r.shown {
			v, ok := c.Number(r.all[i], now)
			keys[n] = keyed{v, !ok, i}
		}
		slices.SortFunc(keys, func(a, b keyed) int {
			switch {
			case a.unknown != b.unknown:
				if a.unknown {
					return 1
				}
				return -1
			case a.value < b.value:
				return -sign
			case a.value > b.value:
				return sign
			}
			return cmp.Compare(a.i, b.i)
		})
		for n := range keys {
			r.shown[n] = keys[n].i
		}
		return
	}
	type keyed struct {
		rank  int
		value string
		i     int32
	}
	keys := make([]keyed, len(r.shown))
	for n, i := range r.shown {
		keys[n] = keyed{0, c.match(r.all[i]), i}
		if c.Rank != nil {
			keys[n].rank = c.Rank(r.all[i])
		}
	}
	slices.SortFunc(keys, func(a, b keyed) int {
		if n := cmp.Compare(a.rank, b.rank); n != 0 {
			return sign * n
		}
		if n := strings.Compare(a.value, b.value); n != 0 {
			return sign * n
		}
		return cmp.Compare(a.i, b.i)
	})
	for n := range keys {
		r.shown[n] = keys[n].i
	}
}

// find puts the cursor on the row it belongs to, or says that it is not shown. Then the
// cursor stays at its place on the screen and belongs to the row that took it.
func (r *rows[T]) find() bool {
	if r.touched && r.at != "" {
		if r.cursor < len(r.shown) && r.key(r.all[r.shown[r.cursor]]) == r.at {
			return true
		}
		for n, i := range r.shown {
			if r.key(r.all[i]) == r.at {
				r.cursor = n
				return true
			}
		}
	} else {
		r.cursor = 0
	}
	r.moveTo(r.cursor)
	return false
}

// moveTo puts the cursor on the nth shown row, or the nearest there is.
func (r *rows[T]) moveTo(n int) {
	r.cursor = max(0, min(n, len(r.shown)-1))
	r.at = ""
	if row, ok := r.current(); ok {
		r.at = r.key(row)
	}
}

// current is the row under the cursor.
func (r *rows[T]) current() (row T, ok bool) {
	if r.cursor < 0 || r.cursor >= len(r.shown) {
		return row, false
	}
	return r.all[r.shown[r.cursor]], true
}

// marked are the marked rows in the order of all, and how many of them are not shown. The
// caller must not change the slice.
func (r *rows[T]) marked() (marked, hidden []T) {
	if len(r.marks) == 0 {
		return nil, nil
	}
	if r.tally == nil {
		t := &tally[T]{}
		for _, row := range r.all {
			if r.marks[r.key(row)] {
				t.rows = append(t.rows, row)
			}
		}
		shown := make(map[string]bool, len(r.marks))
		for _, i := range r.shown {
			if key := r.key(r.all[i]); r.marks[key] {
				shown[key] = true
			}
		}
		for _, row := range t.rows {
			if !shown[r.key(row)] {
				t.hidden = append(t.hidden, row)
			}
		}
		r.tally = t
	}
	return r.tally.rows, r.tally.hidden
}

// mark changes the mark of the row under the cursor and moves on, so that holding the key
// marks a run.
func (r *rows[T]) mark() {
	if _, ok := r.current(); !ok {
		return
	}
	if r.marks == nil {
		r.marks = map[string]bool{}
	}
	r.tally = nil
	if r.marks[r.at] {
		delete(r.marks, r.at)
	} else {
		r.marks[r.at] = true
	}
	r.touched = true
	r.moveTo(r.cursor + 1)
}

// markTo marks every row from the nearest mark above or below the cursor to the cursor.
func (r *rows[T]) markTo() {
	if _, ok := r.current(); !ok || len(r.marks) == 0 {
		return
	}
	r.tally = nil
	for d := 0; d < len(r.shown); d++ {
		for _, n := range []int{r.cursor - d, r.cursor + d} {
			if n < 0 || n >= len(r.shown) || !r.marks[r.key(r.all[r.shown[n]])] {
				continue
			}
			for i := min(n, r.cursor); i <= max(n, r.cursor); i++ {
				r.marks[r.key(r.all[r.shown[i]])] = true
			}
			return
		}
	}
}
