package ecitest

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci/spec"
)

// The list prices of the vendor's price pages, in Currency a second.
// https://help.aliyun.com/zh/eci/product-overview/elastic-container-instances
type tariff struct {
	currency          string
	cpu, memory       float64 // of a vCPU, of a GiB
	economyCPU        float64
	disk              float64 // of a GiB of ephemeral storage beyond the free 30; 0: not published
	ecsCPU, ecsMemory float64 // of a vCPU and a GiB of an ECS type, an hour
}

// tariff are the region's list prices. Those of ECS types are made up, with the one type
// that the vendor's pages price in a region, ecs.c5.large at 0.622 CNY an hour, as measure.
func (e *Emulator) tariff() tariff {
	if strings.HasPrefix(e.options.Region, "cn-") && e.options.Region != "cn-hongkong" {
		return tariff{"CNY", 0.000049, 0.00000613, 0.000027, 0.00000059, 0.2488, 0.0311}
	}
	return tariff{"USD", 0.0000077, 0.00000096, 0.00000424, 0, 0.0391, 0.00489}
}

// ecsHour is the list price of an ECS type an hour.
func (e *Emulator) ecsHour(name string, size spec.Spec) float64 {
	if known, ok := e.options.InstanceTypes[name]; ok {
		return known.Hour
	}
	t := e.tariff()
	return cents(size.CPU*t.ecsCPU+size.Memory*t.ecsMemory, 1e3)
}

// cents rounds to a part of the currency, so that sums of list prices have no noise.
func cents(amount, parts float64) float64 { return math.Round(amount*parts) / parts }

// spotHour is what a type costs as spot in a zone at a time, an hour: 9 to 45 % of its
// price, on a slow wave of each zone's own that moves every five minutes, as often as the
// vendor checks it.
func (e *Emulator) spotHour(zone, instanceType string, size spec.Spec, at time.Time) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(zone + "/" + instanceType))
	phase := float64(h.Sum32()%1000) / 1000
	day := float64(at.Truncate(5*time.Minute).Unix()) / (24 * 3600)
	share := 0.27 + 0.18*math.Sin(2*math.Pi*(day+phase))
	return cents(e.ecsHour(instanceType, size)*share, 1e3)
}

// ecsType is the ECS type that a spot instance of a size becomes.
func ecsType(size spec.Spec) string {
	family := "c"
	switch ratio := size.Memory / size.CPU; {
	case ratio > 4:
		family = "r"
	case ratio > 2:
		family = "g"
	}
	name := map[float64]string{2: "large", 4: "xlarge"}[max(size.CPU, 2)]
	if name == "" {
		name = strconv.Itoa(int(math.Ceil(size.CPU/4))) + "xlarge"
	}
	return "ecs." + family + "6." + name
}

type priceAnswer struct {
	RequestId string
	PriceInfo wirePriceInfo
}

type wirePriceInfo struct {
	Price      wirePrice
	Rules      wireRules
	SpotPrices struct{ SpotPrice []wireSpotPrice }
}

type wirePrice struct {
	OriginalPrice, DiscountPrice, TradePrice float64
	Currency                                 string
	DetailInfos                              struct{ DetailInfo []wirePriceDetail }
	Rules                                    wireRules
}

type wirePriceDetail struct {
	Resource                                 string
	OriginalPrice, DiscountPrice, TradePrice float64
	Rules                                    wireRules
}

type wireRules struct{ Rule []wireRule }

type wireRule struct {
	RuleId      int
	Description string
}

type wireSpotPrice struct {
	ZoneId, InstanceType   string
	SpotPrice, OriginPrice float64
}

// describePrice answers Price in Currency a second and SpotPrices an hour, which is what
// the arithmetic of the vendor's sample says. Its sample has one detail, cpu; the names of
// the others are those of the items on bills.
func (e *Emulator) describePrice(c *call, now time.Time) (any, *refusal) {
	size, instanceType, refusal := e.pricedSize(c)
	if refusal != nil {
		return nil, refusal
	}
	zone := c.params["ZoneId"]
	if zone != "" && !slices.Contains(e.Zones(), zone) {
		return nil, badRequest("InvalidParameter", "The zone "+zone+" is not one of the region's.")
	}
	disk := c.number("EphemeralStorage")
	if disk < 0 || disk > 5000 {
		return nil, badRequest("InvalidParameter.ValueExceeded", "The parameter EphemeralStorage must be 0 to 5000.")
	}
	t := e.tariff()
	answer := priceAnswer{RequestId: e.requestID()}
	price := &answer.PriceInfo.Price
	price.Currency, price.Rules.Rule, answer.PriceInfo.Rules.Rule = t.currency, []wireRule{}, []wireRule{}
	answer.PriceInfo.SpotPrices.SpotPrice = []wireSpotPrice{}
	add := func(resource string, original, trade float64) {
		original, trade = cents(original, 1e11), cents(trade, 1e11)
		d := wirePriceDetail{Resource: resource, OriginalPrice: original, TradePrice: trade,
			DiscountPrice: cents(original-trade, 1e11), Rules: wireRules{Rule: []wireRule{}}}
		price.DetailInfos.DetailInfo = append(price.DetailInfos.DetailInfo, d)
		price.OriginalPrice = cents(price.OriginalPrice+d.OriginalPrice, 1e11)
		price.DiscountPrice = cents(price.DiscountPrice+d.DiscountPrice, 1e11)
		price.TradePrice = cents(price.TradePrice+d.TradePrice, 1e11)
	}
	switch strategy := c.params["SpotStrategy"]; {
	case strategy != "" && strategy != "NoSpot":
		prices, refusal := e.spotPrices(c, size, instanceType, now)
		if refusal != nil {
			return nil, refusal
		}
		answer.PriceInfo.SpotPrices.SpotPrice = prices
		add("instance_type", prices[0].OriginPrice/3600, prices[0].SpotPrice/3600)
	case instanceType != "":
		add("instance_type", e.ecsHour(instanceType, size)/3600, e.ecsHour(instanceType, size)/3600)
	default:
		cpu := t.cpu
		if categories := c.list("ComputeCategory"); len(categories) > 0 && categories[0] == "economy" {
			cpu = t.economyCPU
		}
		add("cpu", size.CPU*cpu, size.CPU*cpu)
		add("mem", size.Memory*t.memory, size.Memory*t.memory)
	}
	if disk > 0 && t.disk > 0 {
		add("systemdisk", disk*t.disk, disk*t.disk)
	}
	return answer, nil
}

// pricedSize is the size that a price is asked for, rounded to what is sold; instanceType
// is empty for one that is sold by vCPU and memory.
func (e *Emulator) pricedSize(c *call) (size spec.Spec, instanceType string, _ *refusal) {
	spot := false
	switch c.params["SpotStrategy"] {
	case "", "NoSpot":
	case "SpotAsPriceGo", "SpotWithPriceLimit":
		spot = true
	default:
		return size, "", badRequest("InvalidParameter", "The parameter SpotStrategy must be NoSpot, SpotWithPriceLimit or SpotAsPriceGo.")
	}
	cpu, memory := c.number("Cpu"), c.number("Memory")
	if first := firstType(c.params["InstanceType"]); first != "" {
		given, ok := parseSpec(first)
		if !ok {
			if size, _, ok = e.ecsType(first); !ok {
				return size, "", badRequest("InvalidParam.CpuOrMemorySpec", "The instance type "+first+" is not known.")
			}
			return size, first, nil
		}
		cpu, memory = given.CPU, given.Memory
	}
	if spot && cpu < 2 && (cpu > 0 || memory > 0) {
		return size, "", badRequest("InvalidSpotCpuMemorySpec", "The specified cpu and memory are not allowed for spot instances: they have at least 2 vCPU.")
	}
	size, err := spec.Round(cpu, memory, e.options.Region, spot)
	if err != nil {
		return size, "", badRequest("InvalidParam.CpuOrMemorySpec", "The specified cpu and memory are not allowed: "+err.Error()+".")
	}
	if refusal := checkCategories(c.list("ComputeCategory"), size, spot); refusal != nil {
		return size, "", refusal
	}
	return size, "", nil
}

// spotPrices are those of the zones asked for, cheapest first.
func (e *Emulator) spotPrices(c *call, size spec.Spec, instanceType string, now time.Time) ([]wireSpotPrice, *refusal) {
	limit := c.number("SpotPriceLimit")
	limited := c.params["SpotStrategy"] == "SpotWithPriceLimit"
	if limited && limit <= 0 {
		return nil, missing("SpotPriceLimit")
	}
	if instanceType == "" {
		instanceType = ecsType(size)
	}
	prices := []wireSpotPrice{}
	for _, zone := range e.Zones() {
		p := wireSpotPrice{zone, instanceType, e.spotHour(zone, instanceType, size, now), e.ecsHour(instanceType, size)}
		if (c.params["ZoneId"] == "" || c.params["ZoneId"] == zone) && (!limited || p.SpotPrice <= limit) {
			prices = append(prices, p)
		}
	}
	if len(prices) == 0 {
		return nil, forbidden("Spot.NotMatched", "No spot instance of this size is sold at or below the specified price.")
	}
	slices.SortStableFunc(prices, func(a, b wireSpotPrice) int { return cmp.Compare(a.SpotPrice, b.SpotPrice) })
	return prices, nil
}
