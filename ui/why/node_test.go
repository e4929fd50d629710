package why

import (
	"strings"
	"testing"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

func TestANodesPriceSaysWhatItIsOf(t *testing.T) {
	for from, said := range map[fleet.PriceSource]bool{fleet.PriceAPI: true, fleet.PriceConfig: false} {
		n := &fleet.Node{Cost: fleet.Cost{State: fleet.Billed, Quote: &fleet.Quote{Rate: money.PerHour(960_000, money.CNY), From: from}}}
		if text := strings.Join(nodeCost(n), "\n"); strings.Contains(text, "pay-as-you-go, with a system disk of 40 GiB") != said {
			t.Errorf("%s: %s", from, text)
		}
	}
}
