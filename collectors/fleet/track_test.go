package fleet

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

func cny(micros int64) money.Rate { return money.PerHour(micros, money.CNY) }

// halved is a price that was 200 until an hour ago and is 100 since.
func halved() *PriceTrack {
	return (&PriceTrack{[]PriceStep{{noon.Add(-3 * time.Hour), cny(200)}}}).With(noon.Add(-time.Hour), cny(100))
}

func TestAccruedIsAtThePriceOfThen(t *testing.T) {
	q := &Quote{Rate: cny(100), From: PriceAPI, Read: noon, Track: halved()}
	for _, c := range []struct {
		name    string
		cost    Cost
		want    int64
		redated int
	}{
		{"since before the change", Cost{State: Billed, Quote: q, Since: noon.Add(-2 * time.Hour)}, 300, 0},
		{"since after it", Cost{State: Billed, Quote: q, Since: noon.Add(-30 * time.Minute)}, 50, 0},
		{"since before anything was known: the oldest price", Cost{State: Billed, Quote: q, Since: noon.Add(-5 * time.Hour)}, 900, 1},
		{"ended before the change", Cost{State: NotBilled, Quote: q, Since: noon.Add(-3 * time.Hour), Until: noon.Add(-2 * time.Hour)}, 200, 0},
		{"ended after it", Cost{State: NotBilled, Quote: q, Since: noon.Add(-2 * time.Hour), Until: noon.Add(-30 * time.Minute)}, 250, 0},
		{"only the price of now is known", Cost{State: Billed, Quote: &Quote{Rate: cny(100), Read: noon}, Since: noon.Add(-2 * time.Hour)}, 200, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.cost.Accrued(noon); got != money.Of(c.want, money.CNY) {
				t.Errorf("accrued %v, want %d", got, c.want)
			}
			var sum Tally
			sum.Add(c.cost)
			if sum.Redated != c.redated {
				t.Errorf("%d are said to be reckoned at a later price", sum.Redated)
			}
			if sum.Remove(c.cost); sum != (Tally{}) {
				t.Errorf("taken out again: %+v", sum)
			}
		})
	}
}

func TestATrackGrowsByChangesOnly(t *testing.T) {
	track := halved()
	if same := track.With(noon, cny(100)); same != track {
		t.Errorf("the same price made %+v", same)
	}
	if same := track.With(noon, money.Rate{}); same != track {
		t.Errorf("an unknown price made %+v", same)
	}
	if usd := track.With(noon, money.PerHour(5, money.USD)); len(usd.Steps) != 1 {
		t.Errorf("another currency goes on with %+v", usd)
	}
	for i := range 2 * stepsKept {
		track = track.With(noon.Add(time.Duration(i+1)*time.Minute), cny(int64(i%2)))
	}
	if len(track.Steps) != stepsKept {
		t.Errorf("%d steps are kept", len(track.Steps))
	}
}

func TestPricesAreKeptOverARestart(t *testing.T) {
	key := PriceKey{CPU: 2, Memory: 4, Zone: "h", Spot: true}
	kept := History{}.priced(map[PriceKey]GroupPrice{key: {Rate: cny(100), Track: halved()}})
	if steps := kept.Price(key); len(steps) != 2 {
		t.Fatalf("kept %+v", steps)
	}
	restarted := (*PriceTrack)(nil).With(noon.Add(time.Hour), cny(100)).After(kept.Price(key))
	if len(restarted.Steps) != 2 || !restarted.Steps[0].From.Equal(noon.Add(-3*time.Hour)) {
		t.Errorf("continued: %+v", restarted.Steps)
	}
	changed := (*PriceTrack)(nil).With(noon.Add(time.Hour), cny(70)).After(kept.Price(key))
	if len(changed.Steps) != 3 || changed.Steps[2].Rate != cny(70) {
		t.Errorf("continued with another price: %+v", changed.Steps)
	}
	// A process that has not read the past yet does not shorten it.
	if again := kept.priced(map[PriceKey]GroupPrice{key: {Track: (*PriceTrack)(nil).With(noon, cny(70))}}); len(again.Price(key)) != 3 {
		t.Errorf("kept %+v", again.Price(key))
	}
	many := map[PriceKey]GroupPrice{}
	for i := range 2 * pricesKept {
		many[PriceKey{CPU: float64(i), Memory: 1}] = GroupPrice{Track: (*PriceTrack)(nil).With(noon, cny(1))}
	}
	if h := kept.priced(many); len(h.Prices) != pricesKept || len(h.Price(key)) != 2 {
		t.Errorf("%d prices are kept, of the oldest %d steps", len(h.Prices), len(h.Price(key)))
	}
}
