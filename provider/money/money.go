// Package money is amounts and hourly rates as integers, each with its currency. One unit is
// a millionth of the currency's: every price that ECI lists per second is a whole number of
// millionths per hour.
//
// Unknown is a value of its own, neither zero nor blank: it is the zero Money and the zero
// Rate, and it has no currency. Amounts of two currencies are never added.
//
// Who calls it: the price table, the bills, the collectors and the console. It calls nobody.
package money

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// A Currency is an ISO 4217 code, such as CNY. The empty one stands for "unknown".
type Currency string

// The currencies that ECI is billed in, on the China site and on the international site.
const (
	CNY Currency = "CNY"
	USD Currency = "USD"
)

// scale is how many units make one of a currency.
const scale = 1_000_000

// ErrOverflow marks an amount that doesn't fit 64 bits: more than nine billion billions.
var ErrOverflow = errors.New("the amount is too large")

// ErrMixed marks an operation on two currencies.
var ErrMixed = errors.New("amounts of two currencies can't be added")

// ErrUnknown marks an operation on an unknown amount, which would hide that it is unknown.
var ErrUnknown = errors.New("the amount is unknown")

// A Money is an amount in millionths of its currency's unit. The zero value is unknown.
type Money struct {
	Micros   int64
	Currency Currency
}

// Of is an amount in millionths.
func Of(micros int64, c Currency) Money { return Money{Micros: micros, Currency: c} }

// Known reports whether the amount is known; a known one may be zero.
func (m Money) Known() bool { return m.Currency != "" }

// Add is m plus n. The error wraps ErrUnknown, ErrMixed or ErrOverflow; to add many amounts,
// of which some may be unknown, use a Sum.
func (m Money) Add(n Money) (Money, error) {
	sum, err := add(m.Micros, n.Micros, m.Currency, n.Currency)
	if err != nil {
		return Money{}, fmt.Errorf("adding %v and %v: %w", m, n, err)
	}
	return Money{sum, m.Currency}, nil
}

// Sub is m minus n, with the errors of Add.
func (m Money) Sub(n Money) (Money, error) {
	switch {
	case !m.Known() || !n.Known():
		return Money{}, fmt.Errorf("subtracting %v from %v: %w", n, m, ErrUnknown)
	case m.Currency != n.Currency:
		return Money{}, fmt.Errorf("subtracting %v from %v: %w", n, m, ErrMixed)
	}
	difference := m.Micros - n.Micros
	if (difference < m.Micros) != (n.Micros > 0) {
		return Money{}, fmt.Errorf("subtracting %v from %v: %w", n, m, ErrOverflow)
	}
	return Money{difference, m.Currency}, nil
}

func add(a, b int64, ca, cb Currency) (int64, error) {
	switch {
	case ca == "" || cb == "":
		return 0, ErrUnknown
	case ca != cb:
		return 0, ErrMixed
	}
	sum := a + b
	if (sum > a) != (b > 0) {
		return 0, ErrOverflow
	}
	return sum, nil
}

// A Rate is what an hour costs, in millionths of the currency's unit. The zero value is
// unknown.
type Rate struct {
	MicrosPerHour int64
	Currency      Currency
}

// PerHour is a rate in millionths an hour.
func PerHour(micros int64, c Currency) Rate { return Rate{MicrosPerHour: micros, Currency: c} }

// Known reports whether the rate is known; a known one may be zero.
func (r Rate) Known() bool { return r.Currency != "" }

// Add is r plus s, with the errors of Money's Add.
func (r Rate) Add(s Rate) (Rate, error) {
	sum, err := add(r.MicrosPerHour, s.MicrosPerHour, r.Currency, s.Currency)
	if err != nil {
		return Rate{}, fmt.Errorf("adding %v and %v: %w", r, s, err)
	}
	return Rate{sum, r.Currency}, nil
}

// For is what the rate comes to in d, as whole seconds the way ECI bills: rate × seconds /
// 3600, rounded once, halves away from zero. The part of a second that d ends with is
// dropped. An unknown rate gives an unknown amount and no error; a negative d and an amount
// that doesn't fit (ErrOverflow) are errors.
func (r Rate) For(d time.Duration) (Money, error) {
	if !r.Known() {
		return Money{}, nil
	}
	if d < 0 {
		return Money{}, fmt.Errorf("%v for %v: a duration can't be negative", r, d)
	}
	micros, ok := mulDiv(r.MicrosPerHour, int64(d/time.Second), 3600)
	if !ok {
		return Money{}, fmt.Errorf("%v for %v: %w", r, d, ErrOverflow)
	}
	return Money{micros, r.Currency}, nil
}

// Times is n units of something of which one costs r, n given in thousandths (a quarter of a
// vCPU is 250), rounded once. An unknown rate stays unknown.
func (r Rate) Times(thousandths int64) (Rate, error) {
	if !r.Known() {
		return Rate{}, nil
	}
	micros, ok := mulDiv(r.MicrosPerHour, thousandths, 1000)
	if !ok {
		return Rate{}, fmt.Errorf("%d thousandths of %v: %w", thousandths, r, ErrOverflow)
	}
	return Rate{micros, r.Currency}, nil
}

// mulDiv is a × b / c with 128 bits in between, rounded, halves away from zero; c is
// positive. It reports false when the result doesn't fit.
func mulDiv(a, b, c int64) (int64, bool) {
	negative := (a < 0) != (b < 0)
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	low, carry := bits.Add64(low, uint64(c)/2, 0)
	high += carry
	if high >= uint64(c) {
		return 0, false
	}
	q, _ := bits.Div64(high, low, uint64(c))
	switch {
	case negative && q <= 1<<63:
		return int64(-q), true // of 1<<63, that is the least int64
	case negative || q >= 1<<63:
		return 0, false
	}
	return int64(q), true
}

func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}
