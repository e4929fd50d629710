package fleet

import (
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

// A Point is the fleet at one time: the counts of pods and what was paid.
type Point struct {
	At    time.Time
	Pods  PlaceCounts
	Rates []PlaceRate
	// Groups says that ECI's groups were known: else what is on ECI is as it last was, or missing.
	Groups bool
	// Unknown is how many of ECI's had no price, or may be paid for.
	Unknown int
}

// A PlaceRate is what a place cost an hour.
type PlaceRate struct {
	Place Place
	Rate  money.Rate
}

// A History is the past in two rings, each bounded and oldest first: the last hours by the
// minute, and the last 35 days by the hour. Points may be missing where nobody looked.
type History struct {
	Minutes []Point     // at most 180
	Hours   []Hour      // at most 840
	Prices  []PastPrice // at most 64: what sizes cost over time
}

// An Hour is what one hour of the clock came to, as far as it was seen.
type Hour struct {
	Start time.Time
	Seen  time.Duration // how much of it was looked at
	// Groups is the part of Seen in which ECI's groups were known: ECI's Spent is of it only.
	Groups time.Duration
	Partly bool // something on ECI had no price: ECI's Spent is the least that it can be
	Last   Point
	Spent  []PlaceSpent // in the time that was seen, at the prices of then
}

// A PlaceSpent is what a place came to.
type PlaceSpent struct {
	Place  Place
	Amount money.Money
}
