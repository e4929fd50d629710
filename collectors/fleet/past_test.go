package fleet

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/money"
	"github.com/google/go-cmp/cmp"
)

// point is one pod on ECI for 60 CNY an hour.
func point(at time.Time) Point {
	return Point{At: at, Pods: PlaceCounts{ECI: 1}, Rates: []PlaceRate{{PlaceECI, money.PerHour(60_000_000, money.CNY)}}}
}

func TestHistory(t *testing.T) {
	var h History
	for i := range 24 * 12 * 40 { // forty days
		h = h.with(point(noon.Add(time.Duration(i) * maxGap)))
	}
	if len(h.Minutes) != minutesKept || len(h.Hours) != hoursKept {
		t.Fatalf("%d minutes and %d hours", len(h.Minutes), len(h.Hours))
	}
	day := noon.AddDate(0, 0, 30)
	spent, seen := h.Spent(PlaceECI, day, day.AddDate(0, 0, 1))
	if seen != 24*time.Hour {
		t.Errorf("seen %v of a day", seen)
	}
	if diff := cmp.Diff([]money.Money{money.Of(1440_000_000, money.CNY)}, spent); diff != "" {
		t.Error(diff)
	}
	if spent, _ := h.Spent(PlaceECS, day, day.AddDate(0, 0, 1)); len(spent) != 0 {
		t.Errorf("ECS spent %v", spent)
	}
}

func TestATimeThatNobodyLookedAtIsNotSpent(t *testing.T) {
	h := History{}.with(point(noon)).with(point(noon.Add(time.Minute))).with(point(noon.Add(50 * time.Minute))).with(point(noon.Add(51 * time.Minute)))
	if got := h.Hours[0]; got.Seen != 2*time.Minute || got.Spent[0].Amount != money.Of(2_000_000, money.CNY) {
		t.Errorf("%+v", got)
	}
}

func TestHistoriesOfTwoProcessesAreNotAddedUp(t *testing.T) {
	a, b := History{}, History{}
	for i := range 90 {
		a = a.with(point(noon.Add(time.Duration(i) * time.Minute)))
		if i >= 30 {
			b = b.with(point(noon.Add(time.Duration(i) * time.Minute)))
		}
	}
	for _, h := range []History{a.Joined(b), b.Joined(a)} {
		if len(h.Hours) != 2 || h.Hours[0].Seen != time.Hour || h.Hours[1].Seen != 29*time.Minute {
			t.Errorf("%+v", h.Hours)
		}
	}
	if h := merged(a, History{}.with(point(noon.Add(100*time.Minute))).with(point(noon.Add(101*time.Minute)))); h.Hours[1].Seen != 30*time.Minute || len(h.Minutes) != 92 {
		t.Errorf("continued: %v, %d minutes", h.Hours[1].Seen, len(h.Minutes))
	}
}

func TestThePastBeginsTheHistoryOnce(t *testing.T) {
	in := healthy().priced(1)
	s := Build(in, noon, nil)
	in.Apply(Past{History{}.with(point(noon.Add(-time.Hour))).with(point(noon.Add(-59 * time.Minute)))})
	for i := range 4 {
		s = Build(in, noon.Add(time.Duration(i)*time.Minute), s)
	}
	if n := len(s.History.Minutes); n != 2+4 {
		t.Errorf("%d minutes", n)
	}
	if spent, seen := s.History.Spent("", noon.Add(-2*time.Hour), noon); seen != time.Minute || len(spent) != 1 {
		t.Errorf("spent %v in %v", spent, seen)
	}
}

func TestTheBillIsComparedWithWhatWasSeen(t *testing.T) {
	in := healthy().priced(1)
	in.Groups.Items = append(in.Groups.Items, vendorGroup("eci-z", "z"))
	china := billZone()
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, china) }
	cny := func(micros int64) money.Money { return money.Of(micros, money.CNY) }
	in.Apply(Bills{Days: []BillDay{
		{Day: time.Date(2026, 10, 31, 0, 0, 0, 0, china), Final: true, Groups: []BilledGroup{{ID: "eci-web-0", Amount: cny(900)}}},
		{Day: day(1), Final: true, Groups: []BilledGroup{
			{ID: "eci-web-0", Amount: cny(10)}, {ID: "eci-gone", ClusterID: clusterUID, Namespace: "pay", Amount: cny(5)},
			{ID: "eci-other", ClusterID: "c-other", Amount: cny(100)}, {ID: "eci-who", Amount: cny(1000)}, {ID: "eci-gone-2", ClusterID: clusterUID},
		}},
		{Day: day(2)}, // not written yet: it says nothing
	}})
	bill := Build(in, noon, nil).Bill
	if !bill.From.Equal(day(1)) || !bill.Through.Equal(day(2)) || bill.Unknown != 1 || bill.Unpriced != 1 {
		t.Errorf("%+v", bill)
	}
	if diff := cmp.Diff([][]money.Money{{cny(15)}, {cny(1100)}, {cny(5)}}, [][]money.Money{bill.Ours, bill.Others, bill.Namespace("pay")}); diff != "" {
		t.Error(diff)
	}
}
