package view

import (
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

// sparkSpan is the time that a sparkline covers.
const sparkSpan = time.Hour

// spark draws values in one line of text, a space where nothing is known. The lowest mark
// is zero, the highest the largest value.
func spark(values []float64, known []bool) string {
	marks := []rune("▁▂▃▄▅▆▇█")
	most := 0.0
	for i, v := range values {
		if known[i] {
			most = max(most, v)
		}
	}
	out := make([]rune, len(values))
	for i, v := range values {
		switch {
		case !known[i]:
			out[i] = ' '
		case most == 0:
			out[i] = marks[0]
		default:
			out[i] = marks[min(len(marks)-1, int(v/most*float64(len(marks)-1)+0.5))]
		}
	}
	return string(out)
}

// sparkOf is a sparkline of the last hour of the history, in so many cells; "" where
// nothing is known of it. Each cell is the mean of what was seen in its time.
func sparkOf(h fleet.History, cells int, of func(fleet.Point) (float64, bool)) string {
	if len(h.Minutes) < 2 {
		return ""
	}
	sums, n := make([]float64, cells), make([]int, cells)
	end := h.Minutes[len(h.Minutes)-1].At
	start := end.Add(-sparkSpan)
	for _, p := range slices.Backward(h.Minutes) {
		if !p.At.After(start) {
			break
		}
		if v, ok := of(p); ok {
			i := min(cells-1, int(p.At.Sub(start)*time.Duration(cells)/sparkSpan))
			sums[i], n[i] = sums[i]+v, n[i]+1
		}
	}
	known := make([]bool, cells)
	any := false
	for i := range sums {
		if n[i] > 0 {
			sums[i], known[i], any = sums[i]/float64(n[i]), true, true
		}
	}
	if !any {
		return ""
	}
	return spark(sums, known)
}

// podSpark is how many pods a place had.
func podSpark(h fleet.History, place fleet.Place, cells int) string {
	return sparkOf(h, cells, func(p fleet.Point) (float64, bool) {
		c := p.Pods
		switch place {
		case fleet.PlaceECS:
			return float64(c.ECS), true
		case fleet.PlaceECI:
			return float64(c.ECI), true
		case fleet.PlaceACS:
			return float64(c.ACS), true
		case fleet.PlaceOther:
			return float64(c.Other), true
		case fleet.PlaceNone:
			return float64(c.None), true
		}
		return float64(c.All()), true
	})
}

// costSpark is what a place cost an hour, or with "" all of them, in the currency that most
// of it is in.
func costSpark(h fleet.History, place fleet.Place, cells int) string {
	currency := money.Currency("")
	for _, p := range h.Minutes {
		for _, r := range p.Rates {
			if currency == "" && (place == "" || r.Place == place) {
				currency = r.Rate.Currency
			}
		}
	}
	return sparkOf(h, cells, func(p fleet.Point) (float64, bool) {
		sum, known := 0.0, false
		for _, r := range p.Rates {
			if (place == "" || r.Place == place) && r.Rate.Currency == currency && currency != "" {
				sum, known = sum+float64(r.Rate.MicrosPerHour), true
			}
		}
		return sum, known
	})
}
