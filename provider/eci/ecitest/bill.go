package ecitest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// beijing is the time zone of bills: their days and months begin there.
func beijing() *time.Location { return time.FixedZone("UTC+8", 8*3600) }

// The limits of DescribeInstanceBill's pages.
const (
	fewestRows = 20
	mostRows   = 300
)

// A billKey is what one row of a bill is about; item is empty without IsBillingItem.
type billKey struct{ group, size, item string }

type billRow struct {
	key     billKey
	of      charge
	item    charged
	seconds float64
}

// wireBill are the fields that the vendor documents: amounts are numbers, the others strings.
type wireBill struct {
	InstanceID, NickName, InstanceSpec, InstanceConfig, InternetIP, IntranetIP, Region, Zone, Tag, ResourceGroup string

	BillingItem, BillingItemCode, Usage, UsageUnit, ListPrice, ListPriceUnit, ServicePeriod, ServicePeriodUnit string

	PretaxGrossAmount, InvoiceDiscount, PretaxAmount, DeductedByCoupons, DeductedByPrepaidCard, DeductedByCashCoupons float64

	DeductedByResourcePackage                    string
	PaymentAmount, CashAmount, OutstandingAmount float64

	Currency, SubscriptionType, ProductCode, ProductType, ProductName, ProductDetail, CommodityCode string

	PipCode, BillingDate, BillingType, CostUnit, Item, OwnerID, BillAccountID, AdjustAmount string
}

type billAnswer struct {
	RequestId, Code, Message string
	Success                  bool
	Data                     struct {
		NextToken, BillingCycle, AccountID, AccountName string
		TotalCount, MaxResults                          int
		Items                                           []wireBill
	}
}

// describeBill answers what the account's groups cost in a month or on a day, by group or by
// billing item, those that are gone included. An hour is on the bill when it has ended
// Timing.Bill ago.
// https://help.aliyun.com/zh/user-center/developer-reference/api-bssopenapi-2017-12-14-describeinstancebill
func (e *Emulator) describeBill(c *call, now time.Time) (any, *refusal) {
	from, to, refusal := c.billed(now)
	if refusal != nil {
		return nil, refusal
	}
	most, after := fewestRows, 0
	if _, ok := c.params["MaxResults"]; ok {
		if most = c.integer("MaxResults"); most < fewestRows || most > mostRows {
			return nil, badRequest("InvalidParameter", fmt.Sprintf("The parameter MaxResults must be %d to %d.", fewestRows, mostRows))
		}
	}
	if token := c.params["NextToken"]; token != "" {
		var err error
		if after, err = strconv.Atoi(token); err != nil || after < 0 {
			return nil, badRequest("InvalidParameter", "The parameter NextToken is not one that was given.")
		}
	}
	if cut := now.Add(-e.timing.Bill).Truncate(time.Hour); cut.Before(to) {
		to = cut
	}
	answer := billAnswer{RequestId: e.requestID(), Code: "Success", Message: "Successful!", Success: true}
	data := &answer.Data
	data.BillingCycle, data.AccountID, data.AccountName, data.MaxResults, data.Items = c.params["BillingCycle"], accountID, "ecitest", most, []wireBill{}
	var rows []*billRow
	product, subscription := c.params["ProductCode"], c.params["SubscriptionType"]
	if (product == "" || product == "eci") && (subscription == "" || subscription == "PayAsYouGo") {
		rows = e.bill(c, from, to, now)
	}
	data.TotalCount = len(rows)
	after = min(after, len(rows))
	end := min(len(rows), after+most)
	for _, r := range rows[after:end] {
		data.Items = append(data.Items, r.wire(e, c))
	}
	if end < len(rows) {
		data.NextToken = strconv.Itoa(end)
	}
	return answer, nil
}

// billed is the time that a call asks the bill of.
func (c *call) billed(now time.Time) (from, to time.Time, _ *refusal) {
	cycle := c.params["BillingCycle"]
	if cycle == "" {
		return from, to, missing("BillingCycle")
	}
	month, err := time.ParseInLocation("2006-01", cycle, beijing())
	if err != nil {
		return from, to, badRequest("InvalidParameter", "The parameter BillingCycle must be YYYY-MM.")
	}
	if now.Sub(month) > keepCharges {
		return from, to, badRequest("InvalidParameter", "The parameter BillingCycle must be within the last 18 months.")
	}
	switch date := c.params["BillingDate"]; c.params["Granularity"] {
	case "", "MONTHLY":
		if date != "" {
			return from, to, badRequest("InvalidParameter", "The parameter BillingDate is for the granularity DAILY only.")
		}
		return month, month.AddDate(0, 1, 0), nil
	case "DAILY":
		if date == "" {
			return from, to, missing("BillingDate")
		}
		day, err := time.ParseInLocation("2006-01-02", date, beijing())
		if err != nil || day.Format("2006-01") != cycle {
			return from, to, badRequest("InvalidParameter", "The parameter BillingDate must be YYYY-MM-DD and within BillingCycle.")
		}
		return day, day.AddDate(0, 0, 1), nil
	}
	return from, to, badRequest("InvalidParameter", "The parameter Granularity must be MONTHLY or DAILY.")
}

// bill adds up rows, ordered by group, size and item.
func (e *Emulator) bill(c *call, from, to, now time.Time) []*billRow {
	rows := map[billKey]*billRow{}
	add := func(of *charge, at time.Time, seconds, times float64) {
		for _, item := range e.items(of, at, seconds) {
			key := billKey{group: of.Group}
			if c.boolean("IsBillingItem") {
				key.size, key.item = of.spec(), item.code
			}
			r := rows[key]
			if r == nil {
				r = &billRow{key: key, of: *of, item: item}
				r.item.usage, r.item.gross, r.item.paid = 0, 0, 0
				rows[key] = r
			}
			r.item.usage += item.usage * times
			r.item.gross += item.gross * times
			r.item.paid += item.paid * times
			if item.code != "mem" && item.code != "systemdisk" || key.item != "" {
				r.seconds += seconds * times // once for a group
			}
		}
	}
	each := func(of charge) {
		if id := c.params["InstanceID"]; id != "" && id != of.Group {
			return
		}
		begin, end := of.From, of.To
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		spot := of.SpotStrategy != "" && of.SpotStrategy != "NoSpot"
		for begin.Before(end) {
			next := begin.Truncate(time.Hour).Add(time.Hour)
			if full := end.Sub(begin).Truncate(time.Hour); !spot && full > 0 && begin.Equal(begin.Truncate(time.Hour)) {
				add(&of, begin, 3600, full.Hours()) // hours of the same price at once
				begin = begin.Add(full)
				continue
			}
			if next.After(end) {
				next = end
			}
			add(&of, begin, next.Sub(begin).Seconds(), 1)
			begin = next
		}
	}
	for _, of := range e.ledger {
		each(of)
	}
	for _, g := range e.order {
		for _, of := range g.charges(now, e.timing) {
			each(of)
		}
	}
	sorted := make([]*billRow, 0, len(rows))
	for _, r := range rows {
		if !c.boolean("IsHideZeroCharge") || cents(r.item.paid, 1e6) != 0 {
			sorted = append(sorted, r)
		}
	}
	slices.SortFunc(sorted, func(a, b *billRow) int {
		return cmp.Or(cmp.Compare(a.key.group, b.key.group), cmp.Compare(a.key.size, b.key.size), cmp.Compare(a.key.item, b.key.item))
	})
	return sorted
}

func (c *charge) spec() string {
	if c.ecs() {
		return firstType(c.InstanceType)
	}
	return fmt.Sprintf("%g-%gGi", c.CPU, c.Memory)
}

func (r *billRow) wire(e *Emulator, c *call) wireBill {
	var tags []string
	for _, t := range e.shownTags(c, r.of.Tags) {
		tags = append(tags, "key:"+t.Key+" value:"+t.Value)
	}
	gross, paid := cents(r.item.gross, 1e6), cents(r.item.paid, 1e6)
	w := wireBill{InstanceID: r.of.Group, NickName: r.of.Name, InstanceSpec: r.of.spec(), IntranetIP: r.of.IP, Region: e.options.Region, Zone: r.of.Zone,
		Tag: strings.Join(tags, "; "), ResourceGroup: r.of.ResourceGroup, ServicePeriod: amount(r.seconds), ServicePeriodUnit: "Second",
		PretaxGrossAmount: gross, InvoiceDiscount: cents(gross-paid, 1e6), PretaxAmount: paid, PaymentAmount: paid, CashAmount: paid,
		DeductedByResourcePackage: "0", Currency: e.tariff().currency, SubscriptionType: "PayAsYouGo", ProductCode: "eci", ProductType: "eci",
		ProductName: "Elastic Container Instance", ProductDetail: "Elastic Container Instance - Pay-As-You-Go", CommodityCode: "eci", PipCode: "eci",
		BillingDate: c.params["BillingDate"], BillingType: "Other", Item: "PayAsYouGoBill", OwnerID: accountID, BillAccountID: accountID, AdjustAmount: "0"}
	if r.key.item != "" {
		w.BillingItem, w.BillingItemCode, w.Usage, w.UsageUnit = r.item.name, r.item.code, amount(r.item.usage), r.item.usageUnit
		w.ListPrice, w.ListPriceUnit = amount(r.item.price), r.item.priceUnit
	}
	return w
}

// amount writes a number without an exponent.
func amount(f float64) string { return strconv.FormatFloat(cents(f, 1e9), 'f', -1, 64) }
