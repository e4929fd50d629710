package table

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// FilterHelp says how a filter is written, in a few words for the bar.
const FilterHelp = `word  column:value  :=exact  :>5  !not  /regex/`

// A filter is what a person typed after "/", understood. All its terms must hold.
type filter[T any] struct {
	terms []term[T]
	// words reports whether plain words or expressions occur, which look at the haystack.
	words bool
}

// A term is one of a filter's conditions.
type term[T any] struct {
	not    bool
	column *Column[T]     // nil: the haystack
	text   string         // lower case; "" where another field says what to look for
	exact  bool           // the whole value, not a part of it
	re     *regexp.Regexp // looks instead of text
	op     string         // "<", ">", "<=", ">=": compares with number
	number float64
}

// parse understands a filter. Half-typed filters are common, because each keystroke is
// parsed: an empty value or a lone "!" is no condition yet, not an error.
func parse[T any](s string, columns []Column[T]) (filter[T], error) {
	var f filter[T]
	for _, token := range tokens(s) {
		t := term[T]{}
		token, t.not = strings.CutPrefix(token, "!")
		if !strings.HasPrefix(token, `"`) && !strings.HasPrefix(token, "/") {
			if name, value, ok := strings.Cut(token, ":"); ok && name != "" {
				c, err := find(name, columns)
				if err != nil {
					return f, err
				}
				t.column, token = c, value
			}
		}
		switch {
		case strings.HasPrefix(token, "/"):
			pattern := strings.TrimSuffix(token[1:], "/")
			if pattern == "" {
				continue
			}
			re, err := regexp.Compile("(?im)" + pattern)
			if err != nil {
				return f, fmt.Errorf("/%s/ is no regular expression: %s", pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			}
			t.re = re
		case t.column != nil && strings.IndexAny(token, "<>") == 0:
			t.op = token[:1]
			token = token[1:]
			if strings.HasPrefix(token, "=") {
				t.op += "="
				token = token[1:]
			}
			if token == "" {
				continue
			}
			if t.column.Number == nil {
				return f, fmt.Errorf("%s holds text: it can't be compared with %s", strings.ToLower(t.column.Title), t.op)
			}
			n, ok := number(strings.ToLower(token))
			if !ok {
				return f, fmt.Errorf("%q is no number; write 3, 4Gi, 80%%, 90s, 5m, 2h or 7d", token)
			}
			t.number = n
		default:
			if t.column != nil {
				token, t.exact = strings.CutPrefix(token, "=")
			}
			t.text = strings.ToLower(strings.Trim(token, `"`))
			if t.text == "" && !t.exact {
				continue
			}
		}
		f.words = f.words || t.column == nil
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// tokens splits at spaces, but not inside "…" or /…/.
func tokens(s string) []string {
	var out []string
	for {
		s = strings.TrimLeft(s, " ")
		if s == "" {
			return out
		}
		end := strings.IndexByte(s, ' ')
		for _, q := range []byte{'"', '/'} {
			start := strings.IndexByte(s, q)
			// A quote counts where a value starts: at the front, after "!" or after ":".
			if start < 0 || (end >= 0 && start > end) || (start > 0 && s[start-1] != ':' && s[start-1] != '!' && s[start-1] != '=') {
				continue
			}
			end = -1
			if n := strings.IndexByte(s[start+1:], q); n >= 0 {
				end = start + 1 + n + 1
			}
			break
		}
		if end < 0 || end >= len(s) {
			return append(out, s)
		}
		out = append(out, s[:end])
		s = s[end:]
	}
}

// find is the column that a filter's name means: its title, an alias, or the start of
// exactly one of them.
func find[T any](name string, columns []Column[T]) (*Column[T], error) {
	name = strings.ToLower(name)
	var found *Column[T]
	several := false
	titles := make([]string, len(columns))
	for i := range columns {
		c := &columns[i]
		titles[i] = strings.ToLower(c.Title)
		prefix, exact := c.named(name)
		if exact {
			return c, nil
		}
		if prefix {
			several = several || found != nil
			found = c
		}
	}
	if found == nil || several {
		what := "no column is called"
		if several {
			what = "several columns start with"
		}
		return nil, fmt.Errorf("%s %s: use %s; or \"%s:…\" in quotes for text", what, name, strings.Join(titles, " "), name)
	}
	return found, nil
}

// holds reports whether a row satisfies all terms. hay is the row's haystack.
func (f *filter[T]) holds(row T, hay string, now time.Time) bool {
	for i := range f.terms {
		if t := &f.terms[i]; t.holds(row, hay, now) == t.not {
			return false
		}
	}
	return true
}

func (t *term[T]) holds(row T, hay string, now time.Time) bool {
	if t.op != "" {
		n, ok := t.column.Number(row, now)
		if !ok {
			return false
		}
		switch t.op {
		case "<":
			return n < t.number
		case "<=":
			return n <= t.number
		case ">":
			return n > t.number
		}
		return n >= t.number
	}
	if t.column != nil {
		hay = strings.ToLower(t.column.match(row))
	}
	switch {
	case t.re != nil:
		return t.re.MatchString(hay)
	case t.exact:
		return hay == t.text
	}
	return strings.Contains(hay, t.text)
}

// haystacks keeps for every row the text that plain words look at: the columns marked
// Words, lower case, one a line, so that ^ and $ of an expression mean one column's text.
// It is built with the first filter and re-used for rows that did not change.
type haystacks[T comparable] struct {
	rows []T
	hay  []string
}

// lookahead bounds how far follow looks for a row that moved because others went.
const lookahead = 16

// follow brings the haystacks up to date with rows, which are in the same order as before,
// give or take. New texts go into one string together: 100,000 rows would be as many small
// allocations otherwise, on the first keystroke of a filter.
func (h *haystacks[T]) follow(rows []T, columns []Column[T]) {
	if len(rows) == len(h.rows) && (len(rows) == 0 || &rows[0] == &h.rows[0]) {
		return // the very same rows
	}
	hay := make([]string, len(rows))
	var fresh []int32 // rows without a known haystack
	var ends []int    // where each of theirs ends in text
	var text []byte
	old := 0
	for i, row := range rows {
		found := false
		for j := old; j < len(h.rows) && j < old+lookahead; j++ {
			if h.rows[j] == row {
				hay[i], old, found = h.hay[j], j+1, true
				break
			}
		}
		if found {
			continue
		}
		text = haystack(text, row, columns)
		fresh, ends = append(fresh, int32(i)), append(ends, len(text))
		// A changed row stands where its older version stood.
		if old < len(h.rows) && i+1 < len(rows) && old+1 < len(h.rows) && h.rows[old+1] == rows[i+1] {
			old++
		}
	}
	whole, start := string(text), 0
	for n, i := range fresh {
		hay[i], start = whole[start:ends[n]], ends[n]
	}
	h.rows, h.hay = rows, hay
}

// haystack appends a row's haystack to text.
func haystack[T any](text []byte, row T, columns []Column[T]) []byte {
	first := true
	for i := range columns {
		c := &columns[i]
		if !c.Words {
			continue
		}
		if !first {
			text = append(text, '\n')
		}
		first = false
		text = appendLower(text, c.match(row))
	}
	return text
}

func appendLower(text []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return append(text, strings.ToLower(s[i:])...)
		}
		b := s[i]
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		text = append(text, b)
	}
	return text
}
