// Package table is the console's table: rows of any kind under columns that say everything
// about themselves in one literal. It filters and sorts on values, paints only the rows
// that are visible, and holds cursor and marks by the rows' keys, so that both stay on
// their objects when rows move.
//
// A Table lives on the UI goroutine; it has no locks.
package table

import (
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/ui/theme"
)

// A Column is one column of a table of T.
type Column[T any] struct {
	Title   string
	Aliases []string // further names in a filter
	Sort    rune     // with Shift it sorts by this column; 0: only Shift-arrows do

	// Cell is what is painted. It is called for visible rows only.
	Cell func(row T, now time.Time) string
	// Match is the text a filter looks at; nil: Cell. It must not depend on the time.
	Match func(row T) string
	// Number is the value to sort by and to compare with in a filter; false: not known,
	// which sorts last in both directions. nil: the column sorts as text.
	Number func(row T, now time.Time) (float64, bool)
	// Rank orders rows of a text column before their text does, the smallest first: a status
	// sorts by how bad it is. nil: the text alone.
	Rank func(row T) int
	// Role is how a cell looks; nil: as the row does.
	Role func(row T) theme.Role

	Words   bool // a filter's plain words look here
	Largest bool // sorts largest first when chosen
	Right   bool // aligned right, as numbers are
	Middle  bool // cut in the middle when too narrow, as names are
	Live    bool // the cell changes by itself as time passes

	// Importance is the order in which columns get room: 0 always has it, the largest is
	// dropped first.
	Importance int
	// Min and Max bound the width that the column asks for; Max 0: what its texts need. A
	// column gets more than Max only from room that is left over.
	Min, Max int
	// Whole is the importance from which on the column's texts are shown whole, as far as
	// there is room, rather than columns that are less important. 0: Max holds until all
	// columns have room.
	Whole int
}

// match is the text a filter looks at.
func (c *Column[T]) match(row T) string {
	if c.Match != nil {
		return c.Match(row)
	}
	return c.Cell(row, time.Time{})
}

// named reports whether a filter that says name means the column, and whether exactly.
func (c *Column[T]) named(name string) (prefix, exact bool) {
	for _, n := range append([]string{c.Title}, c.Aliases...) {
		n = strings.ToLower(n)
		if n == name {
			return true, true
		}
		prefix = prefix || strings.HasPrefix(n, name)
	}
	return prefix, false
}

// number reads what a person types to compare a column with: 3, 1.5, 4Gi, 80%, 2c, 90s,
// 5m, 2h, 7d. Times are seconds.
func number(s string) (float64, bool) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, true
	}
	for _, unit := range []string{"gi", "%", "c"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			f, err := strconv.ParseFloat(rest, 64)
			return f, err == nil
		}
	}
	if rest, ok := strings.CutSuffix(s, "d"); ok {
		f, err := strconv.ParseFloat(rest, 64)
		return f * 24 * 3600, err == nil
	}
	d, err := time.ParseDuration(s)
	return d.Seconds(), err == nil
}
