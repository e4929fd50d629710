package ecitest_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func number3(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }

// spotPrices are the spot prices an hour of 2 vCPU and 4 GiB in zone h, every five minutes of a
// day from now on; the world is left at the day's end.
func spotPrices(w *world, a *asker) (prices []float64) {
	for range 24 * 12 {
		prices = append(prices, number(w.t, a.ok("DescribeContainerGroupPrice", "Cpu", "2", "Memory", "4", "SpotStrategy", "SpotAsPriceGo", "ZoneId", "cn-hangzhou-h"),
			"PriceInfo", "SpotPrices", "SpotPrice", 0, "SpotPrice"))
		w.pass(5 * time.Minute)
	}
	return prices
}

func TestASpotGroupIsReleasedWhenTheMarketPassesItsBid(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	prices := spotPrices(w, a) // the market's wave is a day long: tomorrow costs the same
	lowest := 0
	for i, p := range prices {
		if p < prices[lowest] {
			lowest = i
		}
	}
	bid := prices[lowest] + 0.02
	passed := lowest
	for prices[passed%len(prices)] <= bid {
		passed++
	}
	w.pass(time.Duration(lowest) * 5 * time.Minute)
	create := func(r *eci.CreateRequest) {
		r.SpotStrategy, r.SpotPriceLimit, r.VSwitchId = "SpotWithPriceLimit", 0, "vsw-h"
		r.SpotPriceLimit = float64(int(bid*1000)) / 1000
	}
	id := w.create(create)
	begin := w.Now()
	release := begin.Add(time.Duration(passed-lowest) * 5 * time.Minute)
	w.pass(release.Sub(begin) - time.Second)
	same(t, "before the market passes the bid", w.group(id).Status, eci.Running)
	w.pass(2 * time.Second)
	g := w.group(id)
	same(t, "with its notice", g.Status, eci.Running)
	same(t, "notice", g.Events[len(g.Events)-1].Reason, "SpotToBeReleased")
	w.pass(3 * time.Minute)
	g = w.group(id)
	same(t, "three minutes later", g.Status, eci.Expired)
	same(t, "when it expired", g.Expired, release.Add(3*time.Minute))
	a.refused("Spot.NotMatched", "CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve",
		"SpotStrategy", "SpotWithPriceLimit", "SpotPriceLimit", "0.001")
}

func TestProtectionKeepsASpotGroup(t *testing.T) {
	for _, test := range []struct {
		duration string
		want     eci.Status
	}{{"1", eci.Running}, {"0", eci.Expired}} {
		w := newWorld(t)
		a := newAsker(t, w.Emulator)
		prices := spotPrices(w, a)
		rising := 0 // a time whose price is the last for long that is so low
		for i := range prices[:len(prices)-12] {
			if prices[i+3]-prices[i] > prices[rising+3]-prices[rising] {
				rising = i
			}
		}
		w.pass(time.Duration(rising) * 5 * time.Minute)
		id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve", "VSwitchId", "vsw-h",
			"SpotStrategy", "SpotWithPriceLimit", "SpotPriceLimit", number3(prices[rising]), "SpotDuration", test.duration)["ContainerGroupId"].(string)
		w.pass(45 * time.Minute)
		same(t, "after 45 minutes with a protection of "+test.duration+" hours", w.group(id).Status, test.want)
		w.pass(time.Hour)
		same(t, "after the protection", w.group(id).Status, eci.Expired)
	}
}

func TestWhatIsNotSoldAsSpot(t *testing.T) {
	a := newAsker(t, ecitest.New(ecitest.Options{}))
	for _, test := range []struct {
		code   string
		params []string
	}{
		{"InvalidParameter", []string{"SpotStrategy", "Cheap"}},
		{"MissingParameter", []string{"SpotStrategy", "SpotWithPriceLimit"}},
		{"InvalidParameter", []string{"SpotStrategy", "SpotWithPriceLimit", "SpotPriceLimit", "0.1234"}},
		{"InvalidInstanceTypeForEciSpotDurationBuy", []string{"SpotStrategy", "SpotAsPriceGo", "SpotDuration", "7"}},
		{"InvalidSpotCpuMemorySpec", []string{"SpotStrategy", "SpotAsPriceGo", "Cpu", "1", "Memory", "2"}},
		{"InvalidSpotCpuMemorySpec", []string{"SpotStrategy", "SpotAsPriceGo", "Cpu", "99", "Memory", "2"}},
		{"FeatureBasedConstraintConflict", []string{"SpotStrategy", "SpotAsPriceGo", "ComputeCategory.1", "economy"}},
	} {
		a.refused(test.code, "CreateContainerGroup", append([]string{"ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve"}, test.params...)...)
	}
}
