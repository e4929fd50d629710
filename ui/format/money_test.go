package format

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

func TestMoneyIsNoMorePreciseThanItIsRead(t *testing.T) {
	for _, c := range []struct {
		micros       int64
		rate, amount string
	}{
		{0, "¥0", "¥0"},
		{300, "<¥0.001", "<¥0.01"},
		{353_100, "¥0.353", "¥0.35"},
		{999_900, "¥1.00", "¥1.00"},
		{41_200_000, "¥41.20", "¥41.20"},
		{999_994_000, "¥999.99", "¥999.99"},
		{86_140_400_000, "¥86,140", "¥86,140"},
		{1_234_567_000_000, "¥1,234,567", "¥1,234,567"},
		{-353_100, "-¥0.353", "-¥0.35"},
		{-300, ">-¥0.001", ">-¥0.01"},
	} {
		if got := Rate(money.PerHour(c.micros, money.CNY)); got != c.rate {
			t.Errorf("a rate of %d millionths is %q, want %q", c.micros, got, c.rate)
		}
		if got := Amount(money.Of(c.micros, money.CNY)); got != c.amount {
			t.Errorf("an amount of %d millionths is %q, want %q", c.micros, got, c.amount)
		}
	}
	for _, c := range []struct{ name, got, want string }{
		{"an unknown rate", Rate(money.Rate{}), Unknown},
		{"an unknown amount", Amount(money.Money{}), Unknown},
		{"dollars", Rate(money.PerHour(1_500_000, money.USD)), "$1.50"},
		{"another currency", Rate(money.PerHour(1_500_000, "EUR")), "EUR 1.50"},
		{"dearer", Signed(money.PerHour(350_000, money.CNY)), "+¥0.350"},
		{"cheaper", Signed(money.PerHour(-350_000, money.CNY)), "-¥0.350"},
		{"no amounts", Amounts(nil), Unknown},
		{"two amounts", Amounts([]money.Money{money.Of(1_000_000, money.CNY), money.Of(2_000_000, money.USD)}), "¥1.00 + $2.00"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestASumSaysWhatIsNotInIt(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)
	cost := func(micros int64, c money.Currency, since time.Duration) fleet.Cost {
		return fleet.Cost{State: fleet.Billed, Quote: &fleet.Quote{Rate: money.PerHour(micros, c)}, Since: now.Add(-since)}
	}
	var t1, t2 fleet.Tally
	t1.Add(cost(500_000, money.CNY, 2*time.Hour))
	t1.Add(cost(250_000, money.USD, 4*time.Hour))
	t1.Add(fleet.Cost{State: fleet.Billed})
	t2.Add(fleet.Cost{State: fleet.Billed})
	for _, c := range []struct{ name, got, want string }{
		{"now", SumRate(t1, money.CNY), "≥¥0.500+$0.250"},
		{"accrued", SumAccrued(t1, money.CNY, now), "≥¥1.00+$1.00"},
		{"a month", SumMonth(t1, money.CNY), "≥¥365.00+$182.50"},
		{"nothing has a price", SumRate(t2, money.CNY), Unknown},
		{"nothing is paid for", SumRate(fleet.Tally{}, money.CNY), "¥0"},
		{"no price is known at all", SumRate(fleet.Tally{}, ""), Unknown},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
}
