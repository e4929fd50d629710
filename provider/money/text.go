package money

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Decimal is the amount with all its decimals and at least two: 0.1764, 12.50, -0.003456.
// Of an unknown amount it is "unknown".
func (m Money) Decimal() string {
	if !m.Known() {
		return "unknown"
	}
	return decimal(m.Micros, 2)
}

// String is the amount and its currency: 0.1764 CNY.
func (m Money) String() string {
	if !m.Known() {
		return "unknown"
	}
	return m.Decimal() + " " + string(m.Currency)
}

// String is the rate and its currency: 0.1764 CNY/h.
func (r Rate) String() string {
	if !r.Known() {
		return "unknown"
	}
	return decimal(r.MicrosPerHour, 2) + " " + string(r.Currency) + "/h"
}

// decimal writes millionths as a decimal number with no fewer than least decimals.
func decimal(micros int64, least int) string {
	digits := strconv.FormatUint(magnitude(micros), 10)
	if missing := 7 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, part := digits[:len(digits)-6], digits[len(digits)-6:]
	part = strings.TrimRight(part, "0")
	if missing := least - len(part); missing > 0 {
		part += strings.Repeat("0", missing)
	}
	sign := ""
	if micros < 0 {
		sign = "-"
	}
	if part == "" {
		return sign + whole
	}
	return sign + whole + "." + part
}

// ParseMicros reads a decimal number, such as 0.1764 or 4.9e-05, as millionths, exactly or
// rounded once (halves away from zero) where it has more than six decimals.
func ParseMicros(s string) (int64, error) { return ParseScaled(s, 1) }

// ParseScaled is ParseMicros of s × factor, rounded once after the multiplication: a price
// per second × 3600 is exact where the price alone has too many decimals.
func ParseScaled(s string, factor int64) (int64, error) {
	// big.Rat also reads fractions, other bases and exponents that fill the memory.
	if s == "" || len(s) > 64 || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, fmt.Errorf("%.64q isn't an amount", s)
	}
	if _, exponent, found := strings.Cut(strings.ToLower(s), "e"); found {
		if e, err := strconv.Atoi(exponent); err != nil || e < -64 || e > 64 {
			return 0, fmt.Errorf("%q isn't an amount", s)
		}
	}
	amount, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, fmt.Errorf("%q isn't an amount", s)
	}
	amount.Mul(amount, new(big.Rat).SetInt64(scale))
	amount.Mul(amount, new(big.Rat).SetInt64(factor))
	text := amount.FloatString(0) // halves away from zero
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, ErrOverflow)
	}
	return micros, nil
}

// wire is a Money or a Rate in JSON.
type wire struct {
	Amount   json.Number `json:"amount"`
	Currency Currency    `json:"currency"`
}

// MarshalJSON writes {"amount":0.1764,"currency":"CNY"}, the number with all its decimals,
// and null for an unknown amount.
func (m Money) MarshalJSON() ([]byte, error) { return marshal(m.Micros, m.Currency) }

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Money) UnmarshalJSON(b []byte) (err error) {
	m.Micros, m.Currency, err = unmarshal(b)
	return err
}

// MarshalJSON writes a rate as its amount an hour, like a Money.
func (r Rate) MarshalJSON() ([]byte, error) { return marshal(r.MicrosPerHour, r.Currency) }

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Rate) UnmarshalJSON(b []byte) (err error) {
	r.MicrosPerHour, r.Currency, err = unmarshal(b)
	return err
}

func marshal(micros int64, c Currency) ([]byte, error) {
	if c == "" {
		return []byte("null"), nil
	}
	return json.Marshal(wire{json.Number(decimal(micros, 0)), c})
}

func unmarshal(b []byte) (int64, Currency, error) {
	if string(bytes.TrimSpace(b)) == "null" {
		return 0, "", nil
	}
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return 0, "", fmt.Errorf("reading an amount: %w", err)
	}
	if w.Currency == "" {
		return 0, "", errors.New("reading an amount: it has no currency")
	}
	micros, err := ParseMicros(string(w.Amount))
	if err != nil {
		return 0, "", fmt.Errorf("reading an amount: %w", err)
	}
	return micros, w.Currency, nil
}

// Float is the amount in the currency's unit, for charts and comparisons, where a rounding
// error does no harm; NaN when it is unknown.
func (m Money) Float() float64 {
	if !m.Known() {
		return math.NaN()
	}
	return float64(m.Micros) / scale
}
