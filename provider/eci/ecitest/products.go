package ecitest

import (
	"fmt"
	"strconv"
	"time"
)

// eciVersion is the version of ECI's API. A request names its product by the version only.
const eciVersion = "2018-08-08"

// versionOf is the version of the product that an action is of.
func versionOf(action string) string {
	switch action {
	case "DescribeSpotPriceHistory", "DescribePrice", "DescribeInstances":
		return "2014-05-26" // ECS
	case "DescribeInstanceBill":
		return "2017-12-14" // BSS
	case "DescribeVSwitches":
		return "2016-04-28" // VPC
	case "GetCallerIdentity":
		return "2015-04-01" // STS
	}
	return eciVersion
}

// isVersion reports that a product that is emulated has the version.
func isVersion(version string) bool {
	return version == eciVersion || version == versionOf("DescribeSpotPriceHistory") || version == versionOf("GetCallerIdentity") ||
		version == versionOf("DescribeInstanceBill") || version == versionOf("DescribeVSwitches")
}

// The account that the access key is of.
const accountID = "1234567890123456"

// callerIdentity answers as for a RAM user of the account.
func (e *Emulator) callerIdentity(_ *call, _ time.Time) (any, *refusal) {
	return map[string]string{"RequestId": e.requestID(), "AccountId": accountID, "UserId": "200000000000000001",
		"PrincipalId": "200000000000000001", "IdentityType": "RAMUser", "Arn": "acs:ram::" + accountID + ":user/ecitest"}, nil
}

// spotHistory answers a type's spot prices of each zone, an hour apart and oldest first,
// of at most thirty days.
func (e *Emulator) spotHistory(c *call, now time.Time) (any, *refusal) {
	for _, name := range []string{"NetworkType", "InstanceType"} {
		if c.params[name] == "" {
			return nil, missing(name)
		}
	}
	if c.params["NetworkType"] != "vpc" {
		return nil, badRequest("InvalidParameter", "The parameter NetworkType must be vpc.")
	}
	instanceType := c.params["InstanceType"]
	size, _, ok := e.ecsType(instanceType)
	if !ok {
		return nil, badRequest("InvalidParameter", "The instance type "+instanceType+" is not known.")
	}
	end, refusal := c.time("EndTime", now)
	if refusal != nil {
		return nil, refusal
	}
	begin, refusal := c.time("StartTime", end.Add(-3*time.Hour))
	if refusal != nil {
		return nil, refusal
	}
	if end.After(now) {
		end = now
	}
	if begin.After(end) || now.Sub(begin) > 30*24*time.Hour+time.Minute {
		return nil, badRequest("InvalidParameter", "The parameter StartTime must be before EndTime and within the last 30 days.")
	}
	offset := 0
	if given := c.params["Offset"]; given != "" {
		if offset = c.integer("Offset"); offset < 0 {
			return nil, badRequest("InvalidParameter", fmt.Sprintf("The parameter Offset can't be %s.", strconv.Quote(given)))
		}
	}
	const most = 1000
	t, prices, seen, next := e.tariff(), []map[string]any{}, 0, 0
	for _, zone := range e.Zones() {
		if c.params["ZoneId"] != "" && c.params["ZoneId"] != zone {
			continue
		}
		for at := begin.Add(time.Hour - 1).Truncate(time.Hour); !at.After(end); at = at.Add(time.Hour) {
			if seen++; seen <= offset {
				continue
			}
			if len(prices) == most {
				next = offset + most
				break
			}
			prices = append(prices, map[string]any{"ZoneId": zone, "InstanceType": instanceType, "NetworkType": "vpc", "IoOptimized": "optimized",
				"SpotPrice": e.spotHour(zone, instanceType, size, at), "OriginPrice": e.ecsHour(instanceType, size), "Timestamp": stamp(at)})
		}
	}
	return map[string]any{"RequestId": e.requestID(), "Currency": t.currency, "NextOffset": next,
		"SpotPrices": map[string]any{"SpotPriceType": prices}}, nil
}
