package money

import (
	"fmt"
	"slices"
	"strings"
)

// A Sum adds amounts of which some may be unknown and some may be in other currencies. It
// keeps a total for each currency and counts what it couldn't add, so that a total is never
// shown as if it were all. The zero Sum is empty. It isn't for concurrent use.
type Sum struct {
	totals   []Money // one for each currency, in the order they came
	unknown  int
	overflow bool
}

// Add counts m.
func (s *Sum) Add(m Money) {
	if !m.Known() {
		s.unknown++
		return
	}
	for i, total := range s.totals {
		if total.Currency != m.Currency {
			continue
		}
		sum, err := total.Add(m)
		if err != nil {
			s.overflow = true
			return
		}
		s.totals[i] = sum
		return
	}
	s.totals = append(s.totals, m)
}

// AddRate counts a rate, as what an hour costs.
func (s *Sum) AddRate(r Rate) { s.Add(Money{r.MicrosPerHour, r.Currency}) }

// Unknown is how many amounts were unknown and are in no total.
func (s *Sum) Unknown() int { return s.unknown }

// Totals are the sums, one for each currency, ordered by currency. The error wraps
// ErrOverflow: then one of them lacks what didn't fit.
func (s *Sum) Totals() ([]Money, error) {
	totals := slices.SortedFunc(slices.Values(s.totals), func(a, b Money) int {
		return strings.Compare(string(a.Currency), string(b.Currency))
	})
	if s.overflow {
		return totals, fmt.Errorf("summing up: %w", ErrOverflow)
	}
	return totals, nil
}

// Total is the sum where there is one currency, and unknown where nothing was known. The
// error wraps ErrMixed where there are several currencies, or ErrOverflow.
func (s *Sum) Total() (Money, error) {
	totals, err := s.Totals()
	switch {
	case err != nil:
		return Money{}, err
	case len(totals) > 1:
		return Money{}, fmt.Errorf("summing up: %w", ErrMixed)
	case len(totals) == 0:
		return Money{}, nil
	}
	return totals[0], nil
}

// String is the totals and how many amounts had no price: "12.50 CNY + 3.00 USD (2 unknown)".
func (s *Sum) String() string {
	totals, err := s.Totals()
	var parts []string
	for _, total := range totals {
		parts = append(parts, total.String())
	}
	text := strings.Join(parts, " + ")
	switch {
	case text == "" && s.unknown > 0:
		return fmt.Sprintf("unknown (%d)", s.unknown)
	case text == "":
		return "nothing"
	case s.unknown > 0:
		text += fmt.Sprintf(" (%d unknown)", s.unknown)
	}
	if err != nil {
		text += " (too large to add up)"
	}
	return text
}
