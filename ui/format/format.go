// Package format turns values into the short texts of the console: ages as kubectl writes
// them, sizes in Gi, vCPU. What is not known is Unknown, never zero and never blank.
package format

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Unknown stands for a value that is not known. In ASCII mode the painter writes "-".
const Unknown = "–"

// Age is how long ago t was, at now, as kubectl writes it. A zero t is Unknown; a t in the
// future (clocks differ) is "0s".
func Age(t, now time.Time) string {
	if t.IsZero() {
		return Unknown
	}
	d := now.Sub(t)
	if d < 0 {
		d = 0
	}
	return duration.HumanDuration(d)
}

// Number is f with at most decimals digits after the point and no trailing zeros.
func Number(f float64, decimals int) string {
	s := strconv.FormatFloat(f, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Cores is a number of millicores in vCPU: "0.25", "1.5", "96".
func Cores(milli int64) string {
	f := float64(milli) / 1000
	if math.Abs(f) >= 10 {
		return Number(f, 0)
	}
	return Number(f, 2)
}

// GiB is a number of bytes in Gi, without the unit: "0.5", "16", "502".
func GiB(bytes int64) string {
	f := float64(bytes) / (1 << 30)
	if math.Abs(f) >= 10 {
		return Number(f, 0)
	}
	return Number(f, 1)
}

// Spec is what a group is billed for, cpu in vCPU and memory in GiB: "2c 4Gi".
func Spec(cpu, memory float64) string {
	if cpu == 0 && memory == 0 {
		return Unknown
	}
	return Number(cpu, 2) + "c " + Number(memory, 2) + "Gi"
}

// Percent is part of whole: "94%". A whole of zero has none: Unknown.
func Percent(part, whole int64) string {
	if whole <= 0 {
		return Unknown
	}
	return strconv.FormatInt(int64(math.Round(100*float64(part)/float64(whole))), 10) + "%"
}

// Plain is one line of foreign text made safe to paint: terminal escape sequences are left
// out, tabs become spaces up to the next multiple of 8, other control characters vanish.
// A program that writes its log to a terminal must not be able to drive ours.
func Plain(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	column := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == 0x1b:
			i += escapeLength(s[i:])
		case c == '\t':
			for n := 8 - column%8; n > 0; n-- {
				b.WriteByte(' ')
				column++
			}
			i++
		case c < ' ' || c == 0x7f:
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r < 0x80 || r > 0x9f { // C1 controls drive some terminals too
				b.WriteRune(r)
				column++
			}
			i += n
		}
	}
	return b.String()
}

// escapeLength is how many bytes of s, which starts with ESC, belong to one sequence.
func escapeLength(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // CSI: parameters, then one byte from @ to ~
		for i := 2; i < len(s); i++ {
			if s[i] >= '@' && s[i] <= '~' {
				return i + 1
			}
		}
		return len(s)
	case ']', 'P', '_', '^', 'X': // strings: up to BEL or ESC \
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return len(s)
	}
	return 2
}
