package view

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

// TestBillLine has a month that was seen whole, and one change in each case.
func TestBillLine(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	cny := func(micros int64) []money.Money { return []money.Money{money.Of(micros, money.CNY)} }
	for _, c := range []struct {
		name, want string
		change     func(*fleet.Bill)
	}{
		{"all of it final", "bill Nov 1 to Nov 3: ¥12.00 for this cluster's groups; by list and time it was ¥13.00, difference -¥1.00", nil},
		{"a newest day that may grow", "bill Nov 1 to Nov 3: ¥12.00 for this cluster's groups; of it ¥9.00 to Nov 2, which is final; by list and time it was ¥13.00, difference -¥4.00",
			func(b *fleet.Bill) { b.Final, b.Settled = day(3), cny(9_000_000) }},
		{"nothing final", "bill Nov 1 to Nov 3: ¥12.00 for this cluster's groups; none of it is final yet, so there is no difference to tell",
			func(b *fleet.Bill) { b.Final, b.Settled = time.Time{}, nil }},
		{"something had no price", "bill Nov 1 to Nov 3: ¥12.00 for this cluster's groups; by list and time it was ≥¥13.00, difference at most -¥1.00",
			func(b *fleet.Bill) { b.Partly = true }},
		{"others' and nobody's", "bill Nov 1 to Nov 3: ¥12.00 for this cluster's groups, ¥5.00 for others, ¥3.00 for groups of which is not known whose they are (2); by list and time it was ¥13.00, difference -¥1.00",
			func(b *fleet.Bill) { b.Others, b.Unsure, b.Unknown = cny(5_000_000), cny(3_000_000), 2 }},
		{"too little seen", "bill Nov 1 to Nov 3: ¥12.00 for this cluster's groups; seen here ≥¥13.00 in 40 of the 72 hours to Nov 3: too little to tell a difference",
			func(b *fleet.Bill) { b.Seen, b.Partly = 40*time.Hour, true }},
		{"nothing seen", "bill Nov 1 to Nov 3: ¥12.00 for this cluster's groups; nothing of that time was seen here, so there is no difference to tell",
			func(b *fleet.Bill) { b.Seen = 0 }},
		{"nothing known", "bill: nothing is known of this month's", func(b *fleet.Bill) { *b = fleet.Bill{From: day(1)} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fleet.Bill{From: day(1), Through: day(4), Final: day(4), Ours: cny(12_000_000), Settled: cny(12_000_000), Estimated: cny(13_000_000), Seen: 72 * time.Hour}
			if c.change != nil {
				c.change(&b)
			}
			if got := BillLine(b); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
