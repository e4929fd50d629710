package billing

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ecideck/ecideck/provider/eci/wire"
	"github.com/ecideck/ecideck/provider/money"
)

// Limits of DescribeInstanceBill.
const (
	billsPerPage = 300
	keptMonths   = 18
	// maxPages bounds a bill to 3 million items, more than one day of an account has; a
	// token that never ends would otherwise be read for ever.
	maxPages = 10_000
)

// delay is how long after a day's end the bill of the day may still grow.
// https://help.aliyun.com/zh/user-center/developer-reference/api-bssopenapi-2017-12-14-describeinstancebill
const delay = 24 * time.Hour

// zone is where the bill's days begin: those of both sites are China's.
func zone() *time.Location { return time.FixedZone("UTC+8", 8*60*60) }

// A Query says which bill is read.
type Query struct {
	Site Site
	// Day is any time in the day, which is China's (UTC+8). Months is the same for a whole
	// month's bill.
	Day   time.Time
	Month bool
	// InstanceID is one group's id; "": all groups of the account.
	InstanceID string
}

// A Bill is one day's or one month's.
type Bill struct {
	From, To time.Time // the first second, and the first one after
	Items    []Item
	// Final is false while the bill may still grow: it is written up to a day late. A bill
	// that isn't final and has no items says nothing.
	Final bool
}

// An Item is what one billing item of one group came to.
type Item struct {
	InstanceID string // the group
	Name       string
	Region     string
	Zone       string
	Spec       string // InstanceSpec as the bill has it
	Tags       string // as the bill has it: key:a value:b; key:c value:d
	// Code is cpu, mem, instance_type or systemdisk; Label is its name for people.
	Code, Label string
	Usage       string // with UsageUnit; a number as the bill has it
	UsageUnit   string
	Seconds     int64       // billed; 0: the bill's unit is another
	List        money.Money // before discounts
	Amount      money.Money // after discounts, before coupons and taxes
	Paid        money.Money // what was or will be paid
}

// An item of the answer; its amounts are numbers in some versions and strings in others.
type wireItem struct {
	InstanceID, NickName, Region, Zone, InstanceSpec, Tag    wire.Text
	BillingItem, BillingItemCode, Usage, UsageUnit           wire.Text
	ServicePeriod, ServicePeriodUnit                         wire.Text
	PretaxGrossAmount, PretaxAmount, PaymentAmount, Currency wire.Text
}

type billAnswer struct {
	Data wire.Object[struct {
		NextToken wire.Text
		Items     wire.List[wireItem]
	}]
}

// Bills reads a bill, every page of it, or fails; never a part. now decides what is final.
func Bills(ctx context.Context, c Caller, q Query, now time.Time) (Bill, error) {
	product, err := bss(q.Site)
	if err != nil {
		return Bill{}, fmt.Errorf("reading the bill: %w", err)
	}
	bill := Bill{}
	day := q.Day.In(zone())
	params := map[string]string{
		"BillingCycle": day.Format("2006-01"), "ProductCode": "eci", "IsBillingItem": "true", "MaxResults": strconv.Itoa(billsPerPage),
	}
	if q.Month {
		params["Granularity"] = "MONTHLY"
		bill.From = time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, zone())
		bill.To = bill.From.AddDate(0, 1, 0)
	} else {
		params["Granularity"], params["BillingDate"] = "DAILY", day.Format(time.DateOnly)
		bill.From = time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone())
		bill.To = bill.From.AddDate(0, 0, 1)
	}
	what := day.Format(time.DateOnly)
	if q.Month {
		what = params["BillingCycle"]
	}
	switch {
	case bill.From.After(now):
		return Bill{}, fmt.Errorf("reading the bill of %s: it is in the future", what)
	case bill.From.Before(now.In(zone()).AddDate(0, -keptMonths, 0)):
		return Bill{}, fmt.Errorf("reading the bill of %s: bills are kept %d months", what, keptMonths)
	}
	bill.Final = now.Sub(bill.To) >= delay
	if q.InstanceID != "" {
		params["InstanceID"] = q.InstanceID
	}
	tokens := map[string]bool{}
	for range maxPages {
		var answer billAnswer
		if err := c.Call(ctx, product, "DescribeInstanceBill", params, &answer); err != nil {
			return Bill{}, fmt.Errorf("reading the bill of %s: %w", what, err)
		}
		for i := range answer.Data.V.Items {
			item, err := answer.Data.V.Items[i].item()
			if err != nil {
				return Bill{}, fmt.Errorf("reading the bill of %s: %w", what, err)
			}
			bill.Items = append(bill.Items, item)
		}
		token := string(answer.Data.V.NextToken)
		if token == "" {
			return bill, nil
		}
		if tokens[token] {
			return Bill{}, fmt.Errorf("reading the bill of %s: the page token %q came twice; the bill can't be completed", what, token)
		}
		tokens[token] = true
		params["NextToken"] = token
	}
	return Bill{}, fmt.Errorf("reading the bill of %s: it has more than %d pages", what, maxPages)
}

func (w *wireItem) item() (Item, error) {
	item := Item{
		InstanceID: string(w.InstanceID), Name: string(w.NickName), Region: string(w.Region), Zone: string(w.Zone), Spec: string(w.InstanceSpec),
		Tags: string(w.Tag), Code: string(w.BillingItemCode), Label: string(w.BillingItem), Usage: string(w.Usage), UsageUnit: string(w.UsageUnit),
	}
	if unit := string(w.ServicePeriodUnit); unit == "秒" || unit == "Second" || unit == "Seconds" {
		if seconds, err := strconv.ParseFloat(string(w.ServicePeriod), 64); err == nil && seconds >= 0 && seconds < 1e12 {
			item.Seconds = int64(seconds)
		}
	}
	for _, field := range []struct {
		to   *money.Money
		from wire.Text
	}{{&item.List, w.PretaxGrossAmount}, {&item.Amount, w.PretaxAmount}, {&item.Paid, w.PaymentAmount}} {
		m, err := amount(field.from, money.Currency(w.Currency))
		if err != nil {
			return Item{}, fmt.Errorf("item %s of %s: %w", w.BillingItemCode, w.InstanceID, err)
		}
		*field.to = m
	}
	return item, nil
}

// Total is what all items came to after discounts; an item without an amount counts as
// unknown, not as zero.
func (b *Bill) Total() *money.Sum {
	var sum money.Sum
	for _, item := range b.Items {
		sum.Add(item.Amount)
	}
	return &sum
}

// ByInstance is the totals of each group, by its id.
func (b *Bill) ByInstance() map[string]*money.Sum {
	out := map[string]*money.Sum{}
	for _, item := range b.Items {
		if out[item.InstanceID] == nil {
			out[item.InstanceID] = &money.Sum{}
		}
		out[item.InstanceID].Add(item.Amount)
	}
	return out
}
