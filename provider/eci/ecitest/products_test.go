package ecitest_test

import "testing"

func TestActionsOfOtherProducts(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	same(t, "kind of identity", a.ok("GetCallerIdentity", "Version", "2015-04-01")["IdentityType"], any("RAMUser"))
	a.refused("InvalidAction.NotFound", "GetCallerIdentity")
	a.refused("InvalidAction.NotFound", "DescribeRegions", "Version", "2015-04-01")

	query := []string{"Version", "2014-05-26", "NetworkType", "vpc", "InstanceType", "ecs.c5.large"}
	body := a.ok("DescribeSpotPriceHistory", append(query, "ZoneId", "cn-hangzhou-h", "StartTime", "2026-05-01T09:30:00Z")...)
	prices, _ := dig(body, "SpotPrices", "SpotPriceType").([]any)
	same(t, "prices of ten, eleven and twelve", len(prices), 3)
	same(t, "the first", dig(prices, 0, "Timestamp"), any("2026-05-01T10:00:00Z"))
	same(t, "the type's price", dig(prices, 0, "OriginPrice"), any(0.622))
	page := a.ok("DescribeSpotPriceHistory", append(query, "StartTime", "2026-04-02T00:00:00Z")...)
	same(t, "the next page", page["NextOffset"], any(1000.0))
	last := a.ok("DescribeSpotPriceHistory", append(query, "StartTime", "2026-04-02T00:00:00Z", "Offset", "1000")...)
	same(t, "after the last page", last["NextOffset"], any(0.0))
	a.refused("InvalidParameter", "DescribeSpotPriceHistory", append(query, "StartTime", "2026-01-01T00:00:00Z")...)
	a.refused("MissingParameter", "DescribeSpotPriceHistory", "Version", "2014-05-26")
}
