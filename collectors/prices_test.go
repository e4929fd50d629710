package collectors

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

// TestAPriceThatFailsIsInNobodysWay has groups of seven sizes, of which the smallest, which are
// asked for first, fail with a code that is no answer, until they are gone.
func TestAPriceThatFailsIsInNobodysWay(t *testing.T) {
	broken := map[float64]bool{2: true, 4: true, 6: true, 8: true}
	asked := 0
	ask := asker(func(q eci.PriceQuery) (eci.Price, error) {
		if asked++; broken[q.CPU] {
			return eci.Price{}, errors.New("InternalBrokenSize")
		}
		return eci.Price{Rate: money.PerHour(100_000, money.CNY)}, nil
	})
	s := &fleet.Snapshot{}
	for _, cpu := range []float64{2, 4, 6, 8, 12, 16, 24} {
		s.Groups = append(s.Groups, &fleet.Group{ID: "eci", CPU: cpu, Memory: 2 * cpu, Relation: fleet.Joined})
	}
	c := &priceList{client: ask, latest: func() *fleet.Snapshot { return s }, known: map[fleet.PriceKey]fleet.GroupPrice{}, vain: map[fleet.PriceKey]time.Time{}}
	if _, err := c.ask(t.Context()); err == nil || asked != pricesInVain {
		t.Fatalf("%d calls and the error %v: an API that answers nothing is given up, and said", asked, err)
	}
	part, err := c.ask(t.Context())
	noted, ok := part.(fleet.Noted)
	if err != nil || !ok || !strings.Contains(noted.Note, "InternalBrokenSize") {
		t.Fatalf("%+v, %v", part, err)
	}
	if got := noted.Part.(fleet.Prices).Groups; len(got) != 3 {
		t.Errorf("prices of %d sizes, want those of three: %v", len(got), got)
	}
	clear(broken)
	s = &fleet.Snapshot{Groups: s.Groups[:5]}
	if part, err = c.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := part.(fleet.Noted); len(got.Part.(fleet.Prices).Groups) != 5 || got.Note != "" {
		t.Errorf("of five sizes that are left: %+v", got)
	}
}

type asker func(eci.PriceQuery) (eci.Price, error)

func (a asker) Price(_ context.Context, q eci.PriceQuery) (eci.Price, error) { return a(q) }
