package fleet

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/money"
	"github.com/google/go-cmp/cmp"
)

// point is one pod on ECI for 60 CNY an hour.
func point(at time.Time) Point {
	return Point{At: at, Groups: true, Pods: PlaceCounts{ECI: 1}, Rates: []PlaceRate{{PlaceECI, money.PerHour(60_000_000, money.CNY)}}}
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
	spent, seen, partly := h.Spent(PlaceECI, day, day.AddDate(0, 0, 1))
	if seen != 24*time.Hour || partly {
		t.Errorf("seen %v of a day, partly %v", seen, partly)
	}
	if diff := cmp.Diff([]money.Money{money.Of(1440_000_000, money.CNY)}, spent); diff != "" {
		t.Error(diff)
	}
	if spent, _, _ := h.Spent(PlaceECS, day, day.AddDate(0, 0, 1)); len(spent) != 0 {
		t.Errorf("ECS spent %v", spent)
	}
}

func TestATimeThatNobodyLookedAtIsNotSpent(t *testing.T) {
	h := History{}.with(point(noon)).with(point(noon.Add(time.Minute))).with(point(noon.Add(50 * time.Minute))).with(point(noon.Add(51 * time.Minute)))
	if got := h.Hours[0]; got.Seen != 2*time.Minute || got.Spent[0].Amount != money.Of(2_000_000, money.CNY) {
		t.Errorf("%+v", got)
	}
}

// TestTimeWithoutECIIsNotSeenOfECI has half an hour with ECI's groups, of which a part had no
// price, and half an hour without, in which real nodes are paid all the same.
func TestTimeWithoutECIIsNotSeenOfECI(t *testing.T) {
	var h History
	for i := range 61 {
		p := point(noon.Add(time.Duration(i) * time.Minute))
		p.Groups = i < 30
		if i == 10 {
			p.Unknown = 1
		}
		p.Rates = append(p.Rates, PlaceRate{PlaceECS, money.PerHour(6_000_000, money.CNY)})
		h = h.with(p)
	}
	cny := func(micros int64) []money.Money { return []money.Money{money.Of(micros, money.CNY)} }
	for _, c := range []struct {
		place  Place
		spent  []money.Money
		seen   time.Duration
		partly bool
	}{{PlaceECI, cny(30_000_000), 30 * time.Minute, true}, {PlaceECS, cny(6_000_000), time.Hour, false}, {"", cny(36_000_000), time.Hour, false}} {
		spent, seen, partly := h.Spent(c.place, noon, noon.Add(time.Hour))
		if diff := cmp.Diff(c.spent, spent); diff != "" || seen != c.seen || partly != c.partly {
			t.Errorf("%q: seen %v, partly %v %s", c.place, seen, partly, diff)
		}
	}
}

// TestAConsoleWithoutCredentialsTakesNothingAway has one that looked longer and did not see ECI.
func TestAConsoleWithoutCredentialsTakesNothingAway(t *testing.T) {
	var sees, blind History
	for i := range 60 {
		p := point(noon.Add(time.Duration(i) * time.Minute))
		p.Rates = append(p.Rates, PlaceRate{PlaceECS, money.PerHour(6_000_000, money.CNY)})
		if i < 31 {
			sees = sees.with(p)
		}
		p.Groups, p.Rates = false, p.Rates[1:]
		blind = blind.with(p)
	}
	for _, h := range []History{sees.Joined(blind), blind.Joined(sees)} {
		eci, seen, _ := h.Spent(PlaceECI, noon, noon.Add(time.Hour))
		ecs, all, _ := h.Spent(PlaceECS, noon, noon.Add(time.Hour))
		if seen != 30*time.Minute || len(eci) != 1 || eci[0].Micros != 30_000_000 || all != 59*time.Minute || len(ecs) != 1 || ecs[0].Micros != 5_900_000 {
			t.Errorf("ECI %v in %v, ECS %v in %v", eci, seen, ecs, all)
		}
	}
}

func TestPartsOfSecondsAreNotLost(t *testing.T) {
	var h History
	for i := range 60 {
		h = h.with(point(noon.Add(time.Duration(i) * 60_900 * time.Millisecond).Truncate(100 * time.Millisecond)))
	}
	if spent, _, _ := h.Spent(PlaceECI, noon, noon.Add(time.Hour)); len(spent) != 1 || spent[0].Micros < 59_883_000 {
		t.Errorf("%v of 59:53 at a yuan a minute", spent)
	}
}

func TestWhetherGroupsAreKnownIsKept(t *testing.T) {
	in := healthy().priced(1)
	in.Groups.Items[0].Spot, in.Groups.Items[0].Zone = "SpotAsPriceGo", "cn-hangzhou-k" // has no price; nor has the real node
	if p := Build(in, noon, nil).History.Minutes[0]; !p.Groups || p.Unknown != 1 {
		t.Errorf("%+v", p)
	}
	for i := range in.Sources {
		if in.Sources[i].Name == "groups" {
			in.Sources[i].Read = noon.Add(-time.Hour)
		}
	}
	if p := Build(in, noon, nil).History.Minutes[0]; p.Groups {
		t.Errorf("read an hour ago, and fresh: %+v", p)
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
	if spent, seen, _ := s.History.Spent("", noon.Add(-2*time.Hour), noon); seen != time.Minute || len(spent) != 1 {
		t.Errorf("spent %v in %v", spent, seen)
	}
}

func TestTheBillIsComparedWithWhatWasSeen(t *testing.T) {
	china := billZone()
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, china) }
	cny := func(micros int64) money.Money { return money.Of(micros, money.CNY) }
	first := []BilledGroup{
		{ID: "eci-web-0", Amount: cny(10)}, {ID: "eci-gone", ClusterID: clusterUID, Namespace: "pay", Amount: cny(5)},
		{ID: "eci-other", ClusterID: "c-other", Amount: cny(100)}, {ID: "eci-who", Amount: cny(1000)}, {ID: "eci-gone-2", ClusterID: clusterUID},
	}
	past := func(days ...int) (h History) {
		for _, n := range days {
			for i := range 24 {
				h.Hours = append(h.Hours, Hour{Start: day(n).Add(time.Duration(i) * time.Hour), Seen: time.Hour, Groups: time.Hour, Spent: []PlaceSpent{{PlaceECI, cny(1)}}})
			}
		}
		h.Hours[len(h.Hours)-1].Last.At = day(9)
		return h
	}
	for _, c := range []struct {
		name                  string
		days                  []BillDay
		seen                  []int
		through, final        time.Time
		ours, settled, differ []money.Money
	}{
		{"a day that may still grow is billed and not compared", []BillDay{{Day: day(1), Final: true, Groups: first}, {Day: day(2), Groups: []BilledGroup{{ID: "eci-web-0", Amount: cny(3)}}}}, []int{1, 2},
			day(3), day(2), []money.Money{cny(18)}, []money.Money{cny(15)}, []money.Money{cny(-9)}},
		{"a day that is not written yet says nothing", []BillDay{{Day: day(1), Final: true, Groups: first}, {Day: day(2)}}, []int{1, 2},
			day(2), day(2), []money.Money{cny(15)}, []money.Money{cny(15)}, []money.Money{cny(-9)}},
		{"what is not final hides what comes after", []BillDay{{Day: day(1)}, {Day: day(2), Final: true, Groups: first}}, []int{1, 2},
			day(3), time.Time{}, []money.Money{cny(15)}, nil, nil},
		{"a day that was not seen", []BillDay{{Day: day(1), Final: true, Groups: first}, {Day: day(2), Final: true}}, []int{2},
			day(3), day(3), []money.Money{cny(15)}, []money.Money{cny(15)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := healthy().priced(1)
			in.Groups.Items = append(in.Groups.Items, vendorGroup("eci-z", "z"))
			in.Apply(Past{past(c.seen...)})
			in.Apply(Bills{Days: append([]BillDay{{Day: time.Date(2026, 10, 31, 0, 0, 0, 0, china), Final: true, Groups: []BilledGroup{{ID: "eci-web-0", Amount: cny(900)}}}}, c.days...)})
			bill := Build(in, noon, nil).Bill
			differ, _ := bill.Difference()
			if !bill.From.Equal(day(1)) || !bill.Through.Equal(c.through) || !bill.Final.Equal(c.final) || bill.Unknown != 1 || bill.Unpriced != 1 {
				t.Errorf("%+v", bill)
			}
			want := [][]money.Money{c.ours, {cny(100)}, {cny(1000)}, {cny(5)}, c.settled, c.differ}
			if diff := cmp.Diff(want, [][]money.Money{bill.Ours, bill.Others, bill.Unsure, bill.Namespace("pay"), bill.Settled, differ}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
