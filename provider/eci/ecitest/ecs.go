package ecitest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci/spec"
)

// An InstanceType is one of ECS's, for Options.InstanceTypes.
type InstanceType struct {
	CPU    float64 `json:"cpu"`    // vCPU
	Memory float64 `json:"memory"` // GiB
	Hour   float64 `json:"hour"`   // list price an hour, in the region's currency
}

// An ECSInstance is a real node of the scenario: what DescribeInstances answers of it.
type ECSInstance struct {
	ID           string            `json:"id"`
	Name         string            `json:"name,omitempty"` // "": the id
	HostName     string            `json:"hostName,omitempty"`
	InstanceType string            `json:"instanceType"`
	Zone         string            `json:"zone"`
	VSwitch      string            `json:"vSwitch,omitempty"`      // "": the zone's first
	IP           string            `json:"ip,omitempty"`           // private
	Status       string            `json:"status,omitempty"`       // "": Running
	SpotStrategy string            `json:"spotStrategy,omitempty"` // "": NoSpot
	ChargeType   string            `json:"chargeType,omitempty"`   // "": PostPaid
	Tags         map[string]string `json:"tags,omitempty"`
	Created      time.Time         `json:"created,omitzero"`
}

// ecsType is the size and the list price an hour of an ECS type: the catalogue's, or without
// a catalogue those that its name says.
func (e *Emulator) ecsType(name string) (spec.Spec, float64, bool) {
	if e.options.InstanceTypes != nil {
		t, ok := e.options.InstanceTypes[name]
		return spec.Spec{CPU: t.CPU, Memory: t.Memory}, t.Hour, ok
	}
	size, ok := ecsSize(name)
	return size, e.ecsHour(name, size), ok
}

// SetECSInstances replaces the account's ECS instances.
func (e *Emulator) SetECSInstances(instances []ECSInstance) error {
	now := e.Now()
	seen := map[string]bool{}
	instances = slices.Clone(instances)
	for i := range instances {
		x := &instances[i]
		if x.ID == "" || seen[x.ID] {
			return fmt.Errorf("ECS instance %q: every one needs an id of its own", x.ID)
		}
		seen[x.ID] = true
		if _, _, ok := e.ecsType(x.InstanceType); !ok {
			return fmt.Errorf("ECS instance %s: the type %q is not in the catalogue", x.ID, x.InstanceType)
		}
		for _, d := range []struct {
			field *string
			value string
		}{{&x.Name, x.ID}, {&x.HostName, x.ID}, {&x.Status, "Running"}, {&x.SpotStrategy, "NoSpot"}, {&x.ChargeType, "PostPaid"}} {
			if *d.field == "" {
				*d.field = d.value
			}
		}
		if x.Created.IsZero() {
			x.Created = now
		}
		for _, id := range sortedKeys(e.options.VSwitches) {
			if x.VSwitch == "" && e.options.VSwitches[id] == x.Zone {
				x.VSwitch = id
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ecs = instances
	e.changed()
	return nil
}

// ECSInstances are the account's ECS instances.
func (e *Emulator) ECSInstances() []ECSInstance {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]ECSInstance{}, e.ecs...)
}

// The limits of DescribeInstances.
const (
	fewInstances  = 10
	mostInstances = 100
)

// describeInstances pages by token, or by number as older callers do.
// https://help.aliyun.com/zh/ecs/developer-reference/api-ecs-2014-05-26-describeinstances
func (e *Emulator) describeInstances(c *call, _ time.Time) (any, *refusal) {
	var ids []string
	if list := c.params["InstanceIds"]; list != "" {
		if err := json.Unmarshal([]byte(list), &ids); err != nil || len(ids) > mostInstances {
			return nil, &refusal{http.StatusBadRequest, "InvalidParameter", "The parameter InstanceIds must be a JSON list of at most 100 ids."}
		}
	}
	limit, page, after := fewInstances, 1, 0
	for _, name := range []string{"PageSize", "MaxResults"} {
		if _, ok := c.params[name]; ok {
			if limit = c.integer(name); limit < 1 || limit > mostInstances {
				return nil, badRequest("InvalidParameter", "The parameter "+name+" must be 1 to 100.")
			}
		}
	}
	if _, ok := c.params["PageNumber"]; ok {
		if page = c.integer("PageNumber"); page < 1 {
			return nil, badRequest("InvalidParameter", "The parameter PageNumber must be 1 or more.")
		}
	}
	after = (page - 1) * limit
	if token := c.params["NextToken"]; token != "" {
		var err error
		if after, err = strconv.Atoi(token); err != nil || after < 0 {
			return nil, badRequest("InvalidParameter", "The parameter NextToken is not one that was given.")
		}
	}
	wanted, found := c.tags(), []ECSInstance{}
	for _, x := range e.ecs {
		family := x.InstanceType
		if i := strings.LastIndexByte(family, '.'); i > 0 {
			family = family[:i]
		}
		w := wireResource{"ZoneId": x.Zone, "InstanceType": x.InstanceType, "Status": x.Status, "InstanceName": x.Name, "VSwitchId": x.VSwitch,
			"VpcId": vpcID, "InstanceChargeType": x.ChargeType, "InstanceTypeFamily": family, "InstanceNetworkType": "vpc"}
		if len(ids) > 0 && !slices.Contains(ids, x.ID) || !w.matches(c, sortedNames(w)...) {
			continue
		}
		if slices.ContainsFunc(wanted, func(t tag) bool { v, ok := x.Tags[t.Key]; return !ok || t.Value != "" && v != t.Value }) {
			continue
		}
		found = append(found, x)
	}
	after = min(after, len(found))
	end, next := min(len(found), after+limit), ""
	if end < len(found) {
		next = strconv.Itoa(end)
	}
	rows := []map[string]any{}
	for _, x := range found[after:end] {
		rows = append(rows, x.wire(e))
	}
	return map[string]any{"RequestId": e.requestID(), "TotalCount": len(found), "PageNumber": page, "PageSize": limit, "NextToken": next,
		"Instances": map[string]any{"Instance": rows}}, nil
}

// vpcID is the one VPC of the account.
const vpcID = "vpc-ecitest"

func (x ECSInstance) wire(e *Emulator) map[string]any {
	size, _, _ := e.ecsType(x.InstanceType)
	tags := []map[string]string{}
	for _, key := range sortedKeys(x.Tags) {
		tags = append(tags, map[string]string{"TagKey": key, "TagValue": x.Tags[key]})
	}
	addresses := []string{}
	if x.IP != "" {
		addresses = append(addresses, x.IP)
	}
	return map[string]any{"InstanceId": x.ID, "InstanceName": x.Name, "HostName": x.HostName, "InstanceType": x.InstanceType,
		"InstanceTypeFamily": x.InstanceType[:strings.LastIndexByte(x.InstanceType, '.')], "Cpu": int(size.CPU), "CPU": int(size.CPU), "Memory": int(math.Round(size.Memory * 1024)),
		"ZoneId": x.Zone, "RegionId": e.options.Region, "Status": x.Status, "SpotStrategy": x.SpotStrategy, "SpotPriceLimit": 0.0,
		"InstanceChargeType": x.ChargeType, "InstanceNetworkType": "vpc", "IoOptimized": true, "OSType": "linux", "DeletionProtection": false,
		"CreationTime": x.Created.UTC().Format("2006-01-02T15:04Z"), "StartTime": x.Created.UTC().Format("2006-01-02T15:04Z"), "ExpiredTime": "2099-12-31T15:59Z",
		"VpcAttributes": map[string]any{"VpcId": vpcID, "VSwitchId": x.VSwitch, "NatIpAddress": "", "PrivateIpAddress": map[string]any{"IpAddress": addresses}},
		"Tags":          map[string]any{"Tag": tags}, "SecurityGroupIds": map[string]any{"SecurityGroupId": []string{}}}
}

func sortedNames(w wireResource) []string {
	names := make([]string, 0, len(w))
	for name := range w {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ecsPrice answers an instance's price for PriceUnit times Period, an hour without them. A
// month costs as much as three hundred hours, which is about what the vendor's lists say.
// https://help.aliyun.com/zh/ecs/developer-reference/api-ecs-2014-05-26-describeprice
func (e *Emulator) ecsPrice(c *call, now time.Time) (any, *refusal) {
	if typ := c.params["ResourceType"]; typ != "" && typ != "instance" {
		return nil, badRequest("InvalidResourceType.ValueNotSupported", "The specified ResourceType "+typ+" is not emulated: only instance is.")
	}
	instanceType := c.params["InstanceType"]
	if instanceType == "" {
		return nil, missing("InstanceType")
	}
	size, hour, ok := e.ecsType(instanceType)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "InvalidInstanceType.ValueNotSupported", "The specified InstanceType " + instanceType + " does not exist or beyond the permitted range."}
	}
	zone := c.params["ZoneId"]
	if zone != "" && !slices.Contains(e.Zones(), zone) {
		return nil, &refusal{http.StatusNotFound, "InvalidZoneId.NotFound", "The zone " + zone + " is not one of the region's."}
	}
	hours, ok := map[string]float64{"": 1, "Hour": 1, "Week": 84, "Month": 300, "Year": 3000}[c.params["PriceUnit"]]
	if !ok {
		return nil, badRequest("InvalidPriceUnit.ValueNotSupported", "The parameter PriceUnit must be Hour, Week, Month or Year.")
	}
	times := 1.0
	for _, name := range []string{"Period", "Amount"} {
		if _, ok := c.params[name]; ok {
			if n := c.integer(name); n >= 1 && n <= 1000 {
				times *= float64(n)
			} else {
				return nil, badRequest("InvalidParameter", "The parameter "+name+" must be 1 to 1000.")
			}
		}
	}
	t, trade := e.tariff(), hour
	switch c.params["SpotStrategy"] {
	case "", "NoSpot":
	case "SpotAsPriceGo", "SpotWithPriceLimit":
		if zone == "" {
			zone = e.Zones()[0]
		}
		trade = e.spotHour(zone, instanceType, size, now)
	default:
		return nil, badRequest("InvalidParameter", "The parameter SpotStrategy must be NoSpot, SpotWithPriceLimit or SpotAsPriceGo.")
	}
	original, trade := cents(hour*hours*times, 1e6), cents(trade*hours*times, 1e6)
	prices := func() map[string]any {
		return map[string]any{"OriginalPrice": original, "DiscountPrice": cents(original-trade, 1e6), "TradePrice": trade}
	}
	detail, price := prices(), prices()
	detail["Resource"], detail["SubRules"] = "instanceType", wireRules{[]wireRule{}}
	price["Currency"], price["ReservedInstanceHourPrice"] = t.currency, 0.0
	price["DetailInfos"] = map[string]any{"DetailInfo": []any{detail}}
	return map[string]any{"RequestId": e.requestID(), "PriceInfo": map[string]any{"Price": price, "Rules": wireRules{[]wireRule{}}}}, nil
}
