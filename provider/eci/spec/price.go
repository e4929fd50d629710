package spec

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

// A Category is the way a group's size is paid for.
type Category string

// The categories. General and Economy are the API's ComputeCategory, Spot is any
// SpotStrategy but NoSpot.
const (
	General Category = "general"
	Economy Category = "economy"
	Spot    Category = "spot"
)

// A Site is where the account was opened, which decides in which currency it is billed.
type Site string

// The sites.
const (
	ChinaSite         Site = "china"         // aliyun.com, CNY
	InternationalSite Site = "international" // alibabacloud.com, USD
)

// A PriceRow is one row of the list prices. A rate that the vendor doesn't publish is
// unknown.
type PriceRow struct {
	Site     Site
	Regions  RegionClass
	Category Category
	VCPU     money.Rate // of one vCPU
	GiB      money.Rate // of one GiB of memory
	Disk     money.Rate // of one GiB of ephemeral storage above the free ones
	Read     time.Time  // the day on which the source was read
	Source   string     // the page
}

// A RegionClass is the regions that share prices.
type RegionClass string

// The classes. For regions outside the Chinese mainland the vendor publishes no unit price:
// his pages say one that holds "subject to the purchase page", and DescribeContainerGroupPrice
// knows the actual one.
const (
	Mainland RegionClass = "mainland"
	HongKong RegionClass = "hong-kong"
	Overseas RegionClass = "overseas"
)

// ClassOf is the class of a region.
func ClassOf(region string) RegionClass {
	switch {
	case region == "cn-hongkong":
		return HongKong
	case strings.HasPrefix(region, "cn-"):
		return Mainland
	}
	return Overseas
}

// The pages that the prices are from.
const (
	pagePricesCN  = "https://help.aliyun.com/zh/eci/product-overview/elastic-container-instances"
	pagePricesINT = "https://www.alibabacloud.com/help/en/eci/product-overview/elastic-container-instances"
	pageDisk      = "https://help.aliyun.com/zh/eci/product-overview/temporary-storage-space"
	pageEconomy   = "https://help.aliyun.com/document_detail/324246.html"
)

// FreeDisk is how many GiB of ephemeral storage a group has for nothing.
const FreeDisk = 30

// Prices is the list prices. The vendor gives them per second; per hour they are these
// exactly (0.00000613 × 3600 = 0.022068, which his pages round to 0.0221).
func Prices() []PriceRow {
	read := time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)
	cny := func(micros int64) money.Rate { return money.PerHour(micros, money.CNY) }
	usd := func(micros int64) money.Rate { return money.PerHour(micros, money.USD) }
	row := func(site Site, class RegionClass, category Category, source string) PriceRow {
		return PriceRow{Site: site, Regions: class, Category: category, Read: read, Source: source}
	}
	priced := func(r PriceRow, vcpu, gib, disk money.Rate) PriceRow {
		r.VCPU, r.GiB, r.Disk = vcpu, gib, disk
		return r
	}
	const (
		general = pagePricesCN + " " + pageDisk
		economy = pageEconomy + " " + pageDisk
	)
	rows := []PriceRow{
		priced(row(ChinaSite, Mainland, General, general), cny(176_400), cny(22_068), cny(2_124)),
		priced(row(ChinaSite, Mainland, Economy, economy), cny(97_200), cny(22_068), cny(2_124)),
		priced(row(InternationalSite, Mainland, General, pagePricesINT), usd(27_720), usd(3_456), money.Rate{}),
		priced(row(InternationalSite, Mainland, Economy, pagePricesINT), usd(15_264), usd(3_456), money.Rate{}),
		row(ChinaSite, Mainland, Spot, pagePricesCN), // the market's, which moves
		row(InternationalSite, Mainland, Spot, pagePricesINT),
	}
	for _, class := range []RegionClass{HongKong, Overseas} {
		for _, category := range []Category{General, Economy, Spot} {
			rows = append(rows, row(ChinaSite, class, category, pagePricesCN), row(InternationalSite, class, category, pagePricesINT))
		}
	}
	return rows
}

// PriceOf is what an hour of a size costs an account of the China site; see PriceAt.
func PriceOf(s Spec, region string, category Category) (money.Rate, error) {
	return PriceAt(ChinaSite, s, region, category)
}

// PriceAt is what an hour of a size costs by the list: vCPU and memory, and no more than the
// FreeDisk. A price that the vendor doesn't publish is unknown, which is no error; a size
// that makes no sense and a category that doesn't exist are errors. The list knows no
// discounts.
func PriceAt(site Site, s Spec, region string, category Category) (money.Rate, error) {
	r, err := rowFor(site, region, category)
	if err != nil {
		return money.Rate{}, err
	}
	if !r.VCPU.Known() || !r.GiB.Known() {
		return money.Rate{}, nil
	}
	vcpu, err := part(r.VCPU, s.CPU)
	if err != nil {
		return money.Rate{}, fmt.Errorf("pricing the vCPU of %v: %w", s, err)
	}
	memory, err := part(r.GiB, s.Memory)
	if err != nil {
		return money.Rate{}, fmt.Errorf("pricing the memory of %v: %w", s, err)
	}
	return vcpu.Add(memory)
}

// DiskPriceAt is what an hour of a group's ephemeral storage costs, extra being the GiB
// above the FreeDisk (CreateContainerGroup's EphemeralStorage).
func DiskPriceAt(site Site, extra int, region string, category Category) (money.Rate, error) {
	r, err := rowFor(site, region, category)
	if err != nil {
		return money.Rate{}, err
	}
	return part(r.Disk, float64(extra))
}

func rowFor(site Site, region string, category Category) (PriceRow, error) {
	class := ClassOf(region)
	for _, r := range Prices() {
		if r.Site == site && r.Regions == class && r.Category == category {
			return r, nil
		}
	}
	return PriceRow{}, fmt.Errorf("no prices for category %q of site %q", category, site)
}

// part is what n units cost, n in whole thousandths.
func part(one money.Rate, n float64) (money.Rate, error) {
	// The comparison is also false for NaN.
	if !(n >= 0 && n <= 1e9) {
		return money.Rate{}, fmt.Errorf("%g units make no sense", n)
	}
	return one.Times(int64(math.Round(n * 1000)))
}
