package ecitest_test

import (
	"testing"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestPrices(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	for _, test := range []struct {
		name      string
		params    []string
		want      float64
		resources []string
	}{
		{"the vendor's sample", []string{"Cpu", "2", "Memory", "4"}, 0.00012252, []string{"cpu", "mem"}},
		{"a size that is rounded up", []string{"Cpu", "7", "Memory", "13"}, 0.00047782, []string{"cpu", "mem"}},
		{"a size as an instance type, which overrides", []string{"Cpu", "7", "Memory", "13", "InstanceType", "2-4Gi"}, 0.00012252, []string{"cpu", "mem"}},
		{"an ECS type", []string{"InstanceType", "ecs.c5.large"}, 0.00017277778, []string{"instance_type"}},
		{"economy", []string{"Cpu", "2", "Memory", "4", "ComputeCategory.1", "economy"}, 0.00007852, []string{"cpu", "mem"}},
		{"a larger disk", []string{"Cpu", "2", "Memory", "4", "EphemeralStorage", "20"}, 0.00013432, []string{"cpu", "mem", "systemdisk"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			price := dig(a.ok("DescribeContainerGroupPrice", test.params...), "PriceInfo", "Price")
			same(t, "price a second", dig(price, "TradePrice"), any(test.want))
			same(t, "currency", dig(price, "Currency"), any("CNY"))
			var resources []string
			for i := range test.resources {
				resource, _ := dig(price, "DetailInfos", "DetailInfo", i, "Resource").(string)
				resources = append(resources, resource)
			}
			same(t, "details", resources, test.resources)
		})
	}
	for _, test := range []struct {
		code   string
		params []string
	}{
		{"InvalidParam.CpuOrMemorySpec", []string{"Cpu", "99", "Memory", "4"}},
		{"InvalidParam.CpuOrMemorySpec", []string{"InstanceType", "ecs.x"}},
		{"InvalidSpotCpuMemorySpec", []string{"Cpu", "1", "Memory", "2", "SpotStrategy", "SpotAsPriceGo"}},
		{"InvalidParameter", []string{"SpotStrategy", "Cheap"}},
		{"MissingParameter", []string{"SpotStrategy", "SpotWithPriceLimit"}},
		{"Spot.NotMatched", []string{"SpotStrategy", "SpotWithPriceLimit", "SpotPriceLimit", "0.001"}},
		{"FeatureBasedConstraintConflict", []string{"Cpu", "16", "Memory", "32", "ComputeCategory.1", "economy"}},
		{"FeatureBasedConstraintConflict", []string{"Cpu", "0.5", "Memory", "1", "ComputeCategory.1", "general"}},
		{"InvalidParameter", []string{"ZoneId", "cn-beijing-a"}},
		{"InvalidParameter.ValueExceeded", []string{"EphemeralStorage", "5001"}},
	} {
		a.refused(test.code, "DescribeContainerGroupPrice", test.params...)
	}
}

func TestSpotPricesAreHourlyAndByZone(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	info := dig(a.ok("DescribeContainerGroupPrice", "Cpu", "2", "Memory", "4", "SpotStrategy", "SpotAsPriceGo"), "PriceInfo")
	for i := range 2 {
		spot, origin := number(t, info, "SpotPrices", "SpotPrice", i, "SpotPrice"), number(t, info, "SpotPrices", "SpotPrice", i, "OriginPrice")
		if spot <= 0 || spot >= origin || origin != 0.622 {
			t.Errorf("spot %v of %v", spot, origin)
		}
	}
	one := a.ok("DescribeContainerGroupPrice", "SpotStrategy", "SpotAsPriceGo", "ZoneId", "cn-hangzhou-i")
	same(t, "zone", dig(one, "PriceInfo", "SpotPrices", "SpotPrice", 0, "ZoneId"), any("cn-hangzhou-i"))
	same(t, "no second zone", dig(one, "PriceInfo", "SpotPrices", "SpotPrice", 1), nil)
}

func TestPricesAbroadAreInDollars(t *testing.T) {
	a := newAsker(t, ecitest.New(ecitest.Options{Region: "ap-southeast-1"}))
	price := dig(a.ok("DescribeContainerGroupPrice", "RegionId", "ap-southeast-1", "Cpu", "2", "Memory", "4"), "PriceInfo", "Price")
	same(t, "price a second", dig(price, "TradePrice"), any(0.00001924))
	same(t, "currency", dig(price, "Currency"), any("USD"))
}
