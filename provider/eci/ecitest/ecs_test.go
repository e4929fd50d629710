package ecitest_test

import (
	"testing"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestPricesOfECSTypes(t *testing.T) {
	w := newWorld(t, func(o *ecitest.Options) {
		o.InstanceTypes = map[string]ecitest.InstanceType{"ecs.gn7i-c8g1.2xlarge": {CPU: 8, Memory: 30, Hour: 9.5}}
	})
	a := newAsker(t, w.Emulator)
	ask := func(params ...string) any {
		return dig(a.ok("DescribePrice", append([]string{"Version", "2014-05-26", "InstanceType", "ecs.gn7i-c8g1.2xlarge"}, params...)...), "PriceInfo", "Price")
	}
	same(t, "an hour", dig(ask(), "TradePrice"), any(9.5))
	same(t, "currency", dig(ask(), "Currency"), any("CNY"))
	same(t, "detail", dig(ask(), "DetailInfos", "DetailInfo", 0, "Resource"), any("instanceType"))
	same(t, "two months", dig(ask("PriceUnit", "Month", "Period", "2"), "TradePrice"), any(5700.0))
	if spot := number(t, ask("SpotStrategy", "SpotAsPriceGo"), "TradePrice"); spot <= 0 || spot >= 9.5 {
		t.Errorf("spot costs %v of 9.5", spot)
	}
	a.refused("InvalidInstanceType.ValueNotSupported", "DescribePrice", "Version", "2014-05-26", "InstanceType", "ecs.c5.large")
	a.refused("MissingParameter", "DescribePrice", "Version", "2014-05-26")
	a.refused("InvalidPriceUnit.ValueNotSupported", "DescribePrice", "Version", "2014-05-26", "InstanceType", "ecs.gn7i-c8g1.2xlarge", "PriceUnit", "Day")
	a.refused("InvalidAction.NotFound", "DescribePrice", "InstanceType", "ecs.gn7i-c8g1.2xlarge")
}

func TestECSInstancesAreThoseThatWereSet(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	if err := w.SetECSInstances([]ecitest.ECSInstance{{ID: "i-1", InstanceType: "ecs.g6.xlarge", Zone: "cn-hangzhou-i", IP: "10.0.0.7", Tags: map[string]string{"a": "1"}},
		{ID: "i-2", InstanceType: "ecs.c6.large", Zone: "cn-hangzhou-h", HostName: "node-2", SpotStrategy: "SpotAsPriceGo"}}); err != nil {
		t.Fatal(err)
	}
	ask := func(params ...string) map[string]any {
		return a.ok("DescribeInstances", append([]string{"Version", "2014-05-26"}, params...)...)
	}
	one := dig(ask("InstanceIds", `["i-1"]`), "Instances", "Instance", 0)
	for name, want := range map[string]any{"InstanceId": "i-1", "InstanceType": "ecs.g6.xlarge", "ZoneId": "cn-hangzhou-i", "RegionId": "cn-hangzhou",
		"Status": "Running", "HostName": "i-1", "SpotStrategy": "NoSpot", "Cpu": 4.0, "Memory": 16384.0} {
		same(t, name, dig(one, name), want)
	}
	same(t, "address", dig(one, "VpcAttributes", "PrivateIpAddress", "IpAddress", 0), any("10.0.0.7"))
	same(t, "vSwitch", dig(one, "VpcAttributes", "VSwitchId"), any("vsw-i"))
	same(t, "by tag", dig(ask("Tag.1.Key", "a"), "TotalCount"), any(1.0))
	same(t, "by zone", dig(ask("ZoneId", "cn-hangzhou-h"), "Instances", "Instance", 0, "HostName"), any("node-2"))
	first := ask("MaxResults", "1")
	token, _ := first["NextToken"].(string)
	same(t, "second page by token", dig(ask("MaxResults", "1", "NextToken", token), "Instances", "Instance", 0, "InstanceId"), any("i-2"))
	same(t, "second page by number", dig(ask("PageSize", "1", "PageNumber", "2"), "Instances", "Instance", 0, "InstanceId"), any("i-2"))
	a.refused("InvalidParameter", "DescribeInstances", "Version", "2014-05-26", "PageSize", "101")
	if w.SetECSInstances([]ecitest.ECSInstance{{ID: "i-1", InstanceType: "m5.large"}}) == nil {
		t.Error("a type that is not ECS's is taken")
	}
}
