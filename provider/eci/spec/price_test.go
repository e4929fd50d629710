package spec

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

func TestPriceOf(t *testing.T) {
	cny, usd := money.CNY, money.USD
	tests := []struct {
		name     string
		site     Site
		spec     Spec
		region   string
		category Category
		want     money.Rate
		wantErr  bool
	}{
		{name: "one vCPU and nothing else", spec: Spec{1, 0}, want: money.PerHour(176_400, cny)},
		// DescribeContainerGroupPrice's documented answer for this size is 0.00012252 a second.
		{name: "the vendor's example", spec: Spec{2, 4}, want: money.PerHour(441_072, cny)},
		{name: "a quarter of a vCPU", spec: Spec{0.25, 0.5}, want: money.PerHour(55_134, cny)},
		{name: "the largest", spec: Spec{64, 512}, want: money.PerHour(64*176_400+512*22_068, cny)},
		{name: "economy has cheaper vCPU", spec: Spec{2, 4}, category: Economy, want: money.PerHour(282_672, cny)},
		{name: "the international site pays dollars", site: InternationalSite, spec: Spec{2, 4}, want: money.PerHour(69_264, usd)},
		{name: "economy in dollars", site: InternationalSite, spec: Spec{2, 4}, category: Economy, want: money.PerHour(44_352, usd)},
		{name: "the market makes spot prices", spec: Spec{2, 4}, category: Spot},
		{name: "no unit price is published for Hong Kong", spec: Spec{2, 4}, region: "cn-hongkong"},
		{name: "nor overseas", site: InternationalSite, spec: Spec{2, 4}, region: "eu-central-1"},
		{name: "nothing costs nothing, which is known", spec: Spec{}, want: money.PerHour(0, cny)},
		{name: "a category that isn't", spec: Spec{2, 4}, category: "cheap", wantErr: true},
		{name: "a negative size", spec: Spec{-2, 4}, wantErr: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			site, region, category := test.site, test.region, test.category
			if site == "" {
				site = ChinaSite
			}
			if region == "" {
				region = "cn-hangzhou"
			}
			if category == "" {
				category = General
			}
			got, err := PriceAt(site, test.spec, region, category)
			if (err != nil) != test.wantErr || got != test.want {
				t.Errorf("price of %v is %v, %v; want %v, error %v", test.spec, got, err, test.want, test.wantErr)
			}
			if site == ChinaSite {
				if short, _ := PriceOf(test.spec, region, category); short != got {
					t.Errorf("PriceOf gives %v, PriceAt %v", short, got)
				}
			}
		})
	}
}

func TestTheDocumentedBillsComeOut(t *testing.T) {
	rate, err := PriceOf(Spec{2, 4}, "cn-hangzhou", General)
	if err != nil {
		t.Fatal(err)
	}
	// The vendor's example of a group that runs across an hour's end: 630 and 1,205 seconds.
	for seconds, want := range map[int]int64{630: 77_188, 1205: 147_637} {
		if got, err := rate.For(time.Duration(seconds) * time.Second); err != nil || got != money.Of(want, money.CNY) {
			t.Errorf("%d seconds cost %v, %v", seconds, got, err)
		}
	}
}

func TestEverySizeHasAnExactPrice(t *testing.T) {
	for _, category := range []Category{General, Economy} {
		for _, site := range []Site{ChinaSite, InternationalSite} {
			for _, s := range Specs("cn-hangzhou", false) {
				one, err := PriceAt(site, s, "cn-hangzhou", category)
				if err != nil || !one.Known() {
					t.Fatalf("%v: %v, %v", s, one, err)
				}
				four, err := PriceAt(site, Spec{4 * s.CPU, 4 * s.Memory}, "cn-hangzhou", category)
				if err != nil || four.MicrosPerHour != 4*one.MicrosPerHour {
					t.Errorf("%v is rounded: four cost %v, one %v (%v)", s, four, one, err)
				}
			}
		}
	}
}

func TestDiskAboveTheFreeOne(t *testing.T) {
	if got, err := DiskPriceAt(ChinaSite, 20, "cn-hangzhou", General); err != nil || got != money.PerHour(42_480, money.CNY) {
		t.Errorf("20 GiB cost %v, %v", got, err)
	}
	if got, err := DiskPriceAt(InternationalSite, 20, "cn-hangzhou", General); err != nil || got.Known() {
		t.Errorf("the international site has a price of %v, %v", got, err)
	}
	if got, err := DiskPriceAt(ChinaSite, -1, "cn-hangzhou", General); err == nil {
		t.Errorf("-1 GiB costs %v", got)
	}
}

func TestEveryPriceHasADateASourceAndOneCurrency(t *testing.T) {
	type key struct {
		site     Site
		class    RegionClass
		category Category
	}
	seen := map[key]bool{}
	for _, r := range Prices() {
		k := key{r.Site, r.Regions, r.Category}
		if seen[k] || r.Source == "" || r.Read.IsZero() {
			t.Errorf("%v twice, or without source or date", k)
		}
		seen[k] = true
		want := map[Site]money.Currency{ChinaSite: money.CNY, InternationalSite: money.USD}[r.Site]
		for _, rate := range []money.Rate{r.VCPU, r.GiB, r.Disk} {
			if rate.Known() && rate.Currency != want {
				t.Errorf("%v is in %s", k, rate.Currency)
			}
		}
	}
	if len(seen) != 2*3*3 {
		t.Errorf("%d rows, want one for each of 18 combinations", len(seen))
	}
}
