package format

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

// Rate is what an hour costs, with its currency and no more digits than are worth reading:
// "¥0.353", "¥41.20", "¥12,040". What is less than a thousandth is "<¥0.001": it is not
// nothing. An unknown rate is Unknown.
func Rate(r money.Rate) string {
	if !r.Known() {
		return Unknown
	}
	return amount(r.MicrosPerHour, r.Currency, 3)
}

// Amount is an amount, to the hundredth below a thousand and whole from there on.
func Amount(m money.Money) string {
	if !m.Known() {
		return Unknown
	}
	return amount(m.Micros, m.Currency, 2)
}

// Signed is a difference of rates: "+¥0.35", "-¥1.20".
func Signed(r money.Rate) string {
	text := Rate(r)
	if r.MicrosPerHour > 0 {
		return "+" + text
	}
	return text
}

// SignedAmount is a difference of amounts.
func SignedAmount(m money.Money) string {
	text := Amount(m)
	if m.Micros > 0 {
		return "+" + text
	}
	return text
}

// symbol stands before an amount of the currency.
func symbol(c money.Currency) string {
	switch c {
	case money.CNY:
		return "¥"
	case money.USD:
		return "$"
	}
	return string(c) + " "
}

// amount writes millionths with so many decimals below one, two below a thousand and none
// from there on.
func amount(micros int64, c money.Currency, decimals int) string {
	f := math.Abs(float64(micros)) / 1e6
	sign := ""
	if micros < 0 {
		sign = "-"
	}
	least := math.Pow10(-decimals)
	switch {
	case micros == 0:
		return symbol(c) + "0"
	case f < least/2:
		if micros < 0 {
			return fmt.Sprintf(">-%s%g", symbol(c), least)
		}
		return fmt.Sprintf("<%s%g", symbol(c), least)
	case f < 0.9995:
		return sign + symbol(c) + strconv.FormatFloat(f, 'f', decimals, 64)
	case f < 999.995:
		return sign + symbol(c) + strconv.FormatFloat(f, 'f', 2, 64)
	}
	return sign + symbol(c) + thousands(strconv.FormatFloat(f, 'f', 0, 64))
}

// thousands puts a comma before every third digit from the end.
func thousands(digits string) string {
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Sum is one figure of a Tally in each of its currencies: "¥41.20", "¥41.20+$0.50". Where so
// many costs are not in it for want of a price, it is at least that: "≥¥41.20". A Tally in
// which nothing has a price is Unknown; an empty one is nothing in main, where that is known.
func Sum(t fleet.Tally, main money.Currency, unknown int, figure func(money.Currency) string) string {
	var parts []string
	for _, c := range t.Currencies() {
		parts = append(parts, figure(c))
	}
	switch {
	case len(parts) == 0 && unknown == 0 && main != "":
		parts = append(parts, figure(main))
	case len(parts) == 0:
		return Unknown
	}
	if unknown > 0 {
		return "≥" + strings.Join(parts, "+")
	}
	return strings.Join(parts, "+")
}

// SumRate is what a Tally costs an hour now, as Sum writes it.
func SumRate(t fleet.Tally, main money.Currency) string {
	return Sum(t, main, t.Unknown, func(c money.Currency) string { return Rate(t.Rate(c)) })
}

// SumAccrued is what a Tally came to until now, as Sum writes it.
func SumAccrued(t fleet.Tally, main money.Currency, now time.Time) string {
	return Sum(t, main, t.Unknown+t.Undated, func(c money.Currency) string { return Amount(t.Accrued(c, now)) })
}

// SumMonth is what a Tally comes to in a month of fleet.MonthHours if nothing changes.
func SumMonth(t fleet.Tally, main money.Currency) string {
	return Sum(t, main, t.Unknown, func(c money.Currency) string { return Amount(t.Month(c)) })
}

// Amounts are several currencies' amounts: "¥41.20 + $0.50"; none is Unknown.
func Amounts(list []money.Money) string {
	if len(list) == 0 {
		return Unknown
	}
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = Amount(m)
	}
	return strings.Join(texts, " + ")
}
