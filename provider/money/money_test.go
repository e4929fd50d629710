package money

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestForIsRoundedOnce(t *testing.T) {
	tests := []struct {
		name string
		rate Rate
		d    time.Duration
		want Money
	}{
		{"an hour is the rate", PerHour(176400, CNY), time.Hour, Of(176400, CNY)},
		{"a second of a vCPU is exact", PerHour(176400, CNY), time.Second, Of(49, CNY)},
		// A second is 6.13 millionths: adding seconds one by one would lose 2 %.
		{"a hundred seconds of a GiB", PerHour(22068, CNY), 100 * time.Second, Of(613, CNY)},
		{"a half is rounded up", PerHour(1800, CNY), time.Second, Of(1, CNY)},
		{"less than a half is nothing", PerHour(1799, CNY), time.Second, Of(0, CNY)},
		{"a part of a second isn't billed", PerHour(176400, CNY), 1900 * time.Millisecond, Of(49, CNY)},
		{"no time", PerHour(176400, CNY), 0, Of(0, CNY)},
		{"a free thing stays known", PerHour(0, USD), time.Hour, Of(0, USD)},
		{"an unknown rate gives an unknown amount", Rate{}, time.Hour, Money{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.rate.For(test.d)
			if err != nil || got != test.want {
				t.Errorf("%v for %v = %v, %v; want %v", test.rate, test.d, got, err, test.want)
			}
		})
	}
}

func TestWhatCannotBeIsAnError(t *testing.T) {
	most := Of(math.MaxInt64, CNY)
	least := Of(math.MinInt64, CNY)
	tests := []struct {
		name string
		do   func() error
		want error
	}{
		{"two currencies", func() error { _, err := Of(1, CNY).Add(Of(1, USD)); return err }, ErrMixed},
		{"rates of two currencies", func() error { _, err := PerHour(1, CNY).Add(PerHour(1, USD)); return err }, ErrMixed},
		{"subtracting another currency", func() error { _, err := Of(1, CNY).Sub(Of(1, USD)); return err }, ErrMixed},
		{"an unknown amount", func() error { _, err := Of(1, CNY).Add(Money{}); return err }, ErrUnknown},
		{"subtracting an unknown amount", func() error { _, err := Of(1, CNY).Sub(Money{}); return err }, ErrUnknown},
		{"too much", func() error { _, err := most.Add(Of(1, CNY)); return err }, ErrOverflow},
		{"too little", func() error { _, err := least.Add(Of(-1, CNY)); return err }, ErrOverflow},
		{"too little by subtracting", func() error { _, err := least.Sub(Of(1, CNY)); return err }, ErrOverflow},
		{"the opposite of the least", func() error { _, err := Of(0, CNY).Sub(least); return err }, ErrOverflow},
		{"a rate for too long", func() error { _, err := PerHour(math.MaxInt64, CNY).For(2 * time.Hour); return err }, ErrOverflow},
		{"too many", func() error { _, err := PerHour(math.MaxInt64, CNY).Times(1001); return err }, ErrOverflow},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.do(); !errors.Is(err, test.want) {
				t.Errorf("error is %v, want %v", err, test.want)
			}
		})
	}
	if _, err := PerHour(1, CNY).For(-time.Second); err == nil {
		t.Error("a negative duration has a price")
	}
	if got, err := most.Add(Of(0, CNY)); err != nil || got != most {
		t.Errorf("the largest plus nothing = %v, %v", got, err)
	}
	if got, err := least.Sub(Of(0, CNY)); err != nil || got != least {
		t.Errorf("the least minus nothing = %v, %v", got, err)
	}
}

func TestASumCountsWhatItCouldNotAdd(t *testing.T) {
	var s Sum
	if total, err := s.Total(); err != nil || total.Known() || s.String() != "nothing" {
		t.Errorf("the empty sum is %v, %v, %q", total, err, s.String())
	}
	s.Add(Money{})
	if total, err := s.Total(); err != nil || total.Known() || s.String() != "unknown (1)" {
		t.Errorf("the sum of an unknown is %v, %v, %q", total, err, s.String())
	}
	s.Add(Of(12_500_000, CNY))
	s.AddRate(PerHour(0, CNY))
	if total, err := s.Total(); err != nil || total != Of(12_500_000, CNY) || s.Unknown() != 1 {
		t.Errorf("total is %v, %v with %d unknown", total, err, s.Unknown())
	}
	s.Add(Of(3_000_000, USD))
	if _, err := s.Total(); !errors.Is(err, ErrMixed) {
		t.Errorf("one total of two currencies: %v", err)
	}
	if got, want := s.String(), "12.50 CNY + 3.00 USD (1 unknown)"; got != want {
		t.Errorf("sum is %q, want %q", got, want)
	}
	s.Add(Of(math.MaxInt64, CNY))
	if _, err := s.Total(); !errors.Is(err, ErrOverflow) {
		t.Errorf("a sum that is too large: %v", err)
	}
}

func TestText(t *testing.T) {
	for m, want := range map[Money]string{
		{}:                         "unknown",
		Of(0, CNY):                 "0.00 CNY",
		Of(176_400, CNY):           "0.1764 CNY",
		Of(3_456, USD):             "0.003456 USD",
		Of(-1, CNY):                "-0.000001 CNY",
		Of(12_500_000, CNY):        "12.50 CNY",
		Of(math.MinInt64, CNY):     "-9223372036854.775808 CNY",
		Of(math.MaxInt64, CNY):     "9223372036854.775807 CNY",
		Of(1_234_567_000_000, "A"): "1234567.00 A",
	} {
		if got := m.String(); got != want {
			t.Errorf("%#v is %q, want %q", m, got, want)
		}
	}
	if got := PerHour(22068, CNY).String(); got != "0.022068 CNY/h" {
		t.Errorf("rate is %q", got)
	}
	if (Money{}).Decimal() != "unknown" || !math.IsNaN(Money{}.Float()) || Of(1_500_000, CNY).Float() != 1.5 || (Rate{}).String() != "unknown" {
		t.Error("unknown has a number")
	}
}

func TestJSON(t *testing.T) {
	type row struct {
		Rate  Rate  `json:"rate"`
		Cost  Money `json:"cost"`
		Spot  Rate  `json:"spot"`
		Orphs Money `json:"wasted"`
	}
	in := row{Rate: PerHour(176400, CNY), Cost: Of(-12_000_000, USD)}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"rate":{"amount":0.1764,"currency":"CNY"},"cost":{"amount":-12,"currency":"USD"},"spot":null,"wasted":null}`; string(b) != want {
		t.Errorf("JSON is %s, want %s", b, want)
	}
	var out row
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{"amount":1}`, `{"amount":"x","currency":"CNY"}`, `{"currency":"CNY"}`, `3`, `{"amount":1e30,"currency":"CNY"}`} {
		var m Money
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s is read as %v", bad, m)
		}
	}
}

func TestParseMicros(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "0.1764": 176400, "4.9e-05": 49, "-1.5": -1_500_000, "12": 12_000_000, "0.0000005": 1, "0.0000004": 0, ".5": 500_000} {
		if got, err := ParseMicros(s); err != nil || got != want {
			t.Errorf("ParseMicros(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	// 6.13 millionths a second would be 6.
	if got, err := ParseScaled("0.00000613", 3600); err != nil || got != 22068 {
		t.Errorf("a GiB an hour is %d, %v", got, err)
	}
	for _, s := range []string{"", "x", "1/3", "0x10", "NaN", "1e999999999", "1_000", "99999999999999"} {
		if got, err := ParseMicros(s); err == nil {
			t.Errorf("ParseMicros(%q) = %d", s, got)
		}
	}
}

func FuzzRateFor(f *testing.F) {
	f.Add(int64(176400), int64(3600))
	f.Add(int64(math.MinInt64), int64(3600))
	f.Add(int64(-1801), int64(1))
	f.Fuzz(func(t *testing.T, micros, seconds int64) {
		d := time.Duration(seconds) * time.Second
		if seconds < 0 || seconds > math.MaxInt64/int64(time.Second) {
			return
		}
		got, err := PerHour(micros, CNY).For(d)
		// Twice the exact amount differs from twice the rounded one by at most one.
		exact := new(big.Int).Mul(big.NewInt(micros), big.NewInt(seconds))
		if err != nil {
			hours := new(big.Int).Quo(exact, big.NewInt(3600))
			if hours.IsInt64() && hours.Int64() != math.MaxInt64 && hours.Int64() != math.MinInt64 {
				t.Fatalf("%d for %d s: %v, but it is %v", micros, seconds, err, hours)
			}
			return
		}
		back := new(big.Int).Mul(big.NewInt(got.Micros), big.NewInt(3600))
		if off := back.Sub(back, exact); off.CmpAbs(big.NewInt(1800)) > 0 {
			t.Fatalf("%d for %d s = %d", micros, seconds, got.Micros)
		}
	})
}

func FuzzParseMicros(f *testing.F) {
	for _, s := range []string{"0.1764", "-0.5", "4.9e-05", "1e5", "--1", "1e99999999", "9223372036854.775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		micros, err := ParseMicros(s)
		if err != nil {
			return
		}
		again, err := ParseMicros(Of(micros, CNY).Decimal())
		if err != nil || again != micros {
			t.Fatalf("%q is %d, whose text is read as %d, %v", s, micros, again, err)
		}
	})
}
