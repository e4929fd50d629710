package fleet

import "math/bits"

// An int128 is an integer of 128 bits. A rate times seconds since 1970 doesn't fit 64 bits
// for a large cluster, and sums that are adjusted by what changed must stay exact.
type int128 struct {
	hi int64
	lo uint64
}

func product(a, b int64) int128 {
	negative := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	p := int128{int64(hi), lo} //nolint:gosec // below 2^126
	if negative {
		return p.negated()
	}
	return p
}

func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a) //nolint:gosec // two's complement, also of the smallest one
	}
	return uint64(a)
}

func (x int128) negated() int128 {
	lo, borrow := bits.Sub64(0, x.lo, 0)
	return int128{-x.hi - int64(borrow), lo} //nolint:gosec // 0 or 1
}

// signed is x, or less than nothing of it where by is negative.
func (x int128) signed(by int) int128 {
	if by < 0 {
		return x.negated()
	}
	return x
}

func (x int128) add(y int128) int128 {
	lo, carry := bits.Add64(x.lo, y.lo, 0)
	return int128{x.hi + y.hi + int64(carry), lo} //nolint:gosec // 0 or 1
}

// perHour is x / 3600, rounded once, halves away from zero; false when it doesn't fit.
func (x int128) perHour() (int64, bool) {
	const hour = 3600
	negative := x.hi < 0
	if negative {
		x = x.negated()
	}
	if x.hi >= hour/2 {
		return 0, false
	}
	quotient, rest := bits.Div64(uint64(x.hi), x.lo, hour) //nolint:gosec // not negative
	if rest >= hour/2 {
		quotient++
	}
	if quotient > 1<<63-1 {
		return 0, false
	}
	if negative {
		return -int64(quotient), true
	}
	return int64(quotient), true
}
