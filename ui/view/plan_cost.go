package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/format"
)

// sentence says what an hour costs before and after, and the difference a month.
func (c *PlanCost) sentence(to string) string {
	var parts []string
	seen := map[money.Currency]bool{}
	of := func(rates []money.Rate, currency money.Currency) int64 {
		for _, r := range rates {
			if r.Currency == currency {
				return r.MicrosPerHour
			}
		}
		return 0
	}
	for _, r := range append(slices.Clone(c.Before), c.After...) {
		if seen[r.Currency] || !r.Known() {
			continue
		}
		seen[r.Currency] = true
		before, after := of(c.Before, r.Currency), of(c.After, r.Currency)
		diff := money.PerHour(after-before, r.Currency)
		text := fmt.Sprintf("ECI %s/h → %s/h: ", format.Rate(money.PerHour(before, r.Currency)), format.Rate(money.PerHour(after, r.Currency)))
		month, err := diff.For(fleet.MonthHours * time.Hour)
		if err != nil || after == before {
			text += "no change"
		} else {
			text += fmt.Sprintf("%s/h, %s a month", format.Signed(diff), format.SignedAmount(month))
		}
		parts = append(parts, text)
	}
	switch {
	case to == ToAny:
		parts = []string{"ECI bills what the scheduler sends there, and nothing for the rest"}
	case len(parts) == 0:
		parts = append(parts, "nothing known")
	default:
		parts[len(parts)-1] += " (list price)"
	}
	if c.Unpriced > 0 {
		parts = append(parts, fmt.Sprintf("%d without a known price, which comes on top", c.Unpriced))
	}
	switch text := c.nodes(); {
	case text != "":
		parts = append(parts, text)
	case to == ToECS:
		parts = append(parts, "real nodes are paid anyway")
	}
	return strings.Join(parts, "; ")
}

// nodes says what of the real nodes' prices those take that move: that is no saving while the
// nodes stay. "": none of them is on a real node.
func (c *PlanCost) nodes() string {
	var rates []string
	for _, r := range c.Share {
		rates = append(rates, format.Rate(r)+"/h")
	}
	switch {
	case len(rates) > 0 && c.Unshared > 0:
		return fmt.Sprintf("the nodes stay and are paid, of which %s is for these, without %d of which it is not known (%s)", strings.Join(rates, " and "), c.Unshared, strings.Join(c.Why, "; "))
	case len(rates) > 0:
		return fmt.Sprintf("the nodes stay and are paid, of which %s is for these", strings.Join(rates, " and "))
	case c.Unshared > 0:
		return "the nodes stay and are paid; what of them is for these is not known: " + strings.Join(c.Why, "; ")
	}
	return ""
}

// costs is what a move costs before and after: "¥0.078 of its node → ¥0.055/h".
func costs(m *Move) string {
	before := format.Rate(m.Before)
	if m.Before.MicrosPerHour == 0 && m.Share.Known() {
		before = format.Rate(m.Share) + " of its node"
	}
	switch {
	case m.Stays:
		return ""
	case !m.After.Known() && !m.Share.Known() && m.Before.MicrosPerHour == 0:
		return ""
	case !m.After.Known():
		return before + "/h"
	case m.Before.MicrosPerHour == 0 && !m.Share.Known():
		return format.Rate(m.After) + "/h"
	}
	return before + " → " + format.Rate(m.After) + "/h"
}
