package billing_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/provider/billing"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/money"
)

// api answers with one body after another and keeps what was asked.
type api struct {
	bodies []string
	mu     sync.Mutex
	asked  []url.Values
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.asked = append(a.asked, r.Form)
	_, _ = io.WriteString(w, a.bodies[min(len(a.asked), len(a.bodies))-1])
}

func serve(t *testing.T, bodies ...string) (*eci.Client, *api) {
	t.Helper()
	a := &api{bodies: bodies}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	c, err := eci.New(eci.Options{Region: "cn-hangzhou", Endpoint: server.URL, AccessKeyID: "a", AccessKeySecret: "s", Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c, a
}

func cny(micros int64) money.Money { return money.Of(micros, money.CNY) }

var (
	china = time.FixedZone("UTC+8", 8*3600)
	now   = time.Date(2026, 11, 23, 12, 0, 0, 0, china)
	day   = time.Date(2026, 11, 20, 9, 0, 0, 0, china)
)

func row(id, code string, rest string) string {
	return fmt.Sprintf(`{"InstanceID":%q,"BillingItemCode":%q,"BillingItem":"vCPU","Region":"cn-hangzhou","Currency":"CNY"%s}`, id, code, rest)
}

func pageOf(next string, rows ...string) string {
	return fmt.Sprintf(`{"Code":"Success","Success":true,"Message":"Successful!","RequestId":"r","Data":{"NextToken":%q,"TotalCount":3,"Items":[%s]}}`, next, strings.Join(rows, ","))
}

func TestABillIsReadToItsEnd(t *testing.T) {
	c, a := serve(t,
		pageOf("p2", row("eci-1", "cpu", `,"ServicePeriod":"630","ServicePeriodUnit":"秒","Usage":"1260","UsageUnit":"核*秒","PretaxGrossAmount":0.06174,"PretaxAmount":0.05,"PaymentAmount":"0.050000"`),
			row("eci-1", "mem", `,"PretaxAmount":1.5E-2`)),
		pageOf("", row("eci-2", "instance_type", `,"PretaxAmount":0`), row("eci-2", "systemdisk", "")))
	bill, err := billing.Bills(t.Context(), c, billing.Query{Site: billing.ChinaSite, Day: day}, now)
	if err != nil {
		t.Fatal(err)
	}
	item := func(id, code string, change func(*billing.Item)) billing.Item {
		i := billing.Item{InstanceID: id, Code: code, Label: "vCPU", Region: "cn-hangzhou"}
		change(&i)
		return i
	}
	want := billing.Bill{
		From: time.Date(2026, 11, 20, 0, 0, 0, 0, china), To: time.Date(2026, 11, 21, 0, 0, 0, 0, china), Final: true,
		Items: []billing.Item{
			item("eci-1", "cpu", func(i *billing.Item) {
				i.Usage, i.UsageUnit, i.Seconds, i.List, i.Amount, i.Paid = "1260", "核*秒", 630, cny(61_740), cny(50_000), cny(50_000)
			}),
			item("eci-1", "mem", func(i *billing.Item) { i.Amount = cny(15_000) }),
			item("eci-2", "instance_type", func(i *billing.Item) { i.Amount = cny(0) }), // free, which is known
			item("eci-2", "systemdisk", func(*billing.Item) {}),
		},
	}
	if diff := cmp.Diff(want, bill); diff != "" {
		t.Errorf("bill (-want +got):\n%s", diff)
	}
	if got := bill.Total().String(); got != "0.065 CNY (1 unknown)" {
		t.Errorf("the total is %s", got)
	}
	if got := bill.ByInstance()["eci-2"].String(); got != "0.00 CNY (1 unknown)" {
		t.Errorf("the total of eci-2 is %s", got)
	}
	if len(a.asked) != 2 {
		t.Fatalf("%d calls, want 2", len(a.asked))
	}
	for name, want := range map[string]string{"Action": "DescribeInstanceBill", "Version": "2017-12-14", "BillingCycle": "2026-11", "BillingDate": "2026-11-20", "Granularity": "DAILY",
		"ProductCode": "eci", "IsBillingItem": "true", "MaxResults": "300", "NextToken": "p2"} {
		if got := a.asked[1].Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestWhichBillIsRead(t *testing.T) {
	tests := []struct {
		name            string
		query           billing.Query
		cycle, date     string
		from, to        time.Time
		final, mustFail bool
	}{
		{name: "a bill of yesterday may still grow", query: billing.Query{Day: now.AddDate(0, 0, -1)}, cycle: "2026-11", date: "2026-11-22",
			from: time.Date(2026, 11, 22, 0, 0, 0, 0, china), to: time.Date(2026, 11, 23, 0, 0, 0, 0, china)},
		{name: "one of the day before is final", query: billing.Query{Day: now.AddDate(0, 0, -2)}, cycle: "2026-11", date: "2026-11-21",
			from: time.Date(2026, 11, 21, 0, 0, 0, 0, china), to: time.Date(2026, 11, 22, 0, 0, 0, 0, china), final: true},
		{name: "days are China's", query: billing.Query{Day: time.Date(2026, 10, 31, 20, 0, 0, 0, time.UTC)}, cycle: "2026-11", date: "2026-11-01",
			from: time.Date(2026, 11, 1, 0, 0, 0, 0, china), to: time.Date(2026, 11, 2, 0, 0, 0, 0, china), final: true},
		{name: "a month", query: billing.Query{Day: time.Date(2026, 10, 15, 0, 0, 0, 0, china), Month: true}, cycle: "2026-10",
			from: time.Date(2026, 10, 1, 0, 0, 0, 0, china), to: time.Date(2026, 11, 1, 0, 0, 0, 0, china), final: true},
		{name: "this month", query: billing.Query{Day: now, Month: true}, cycle: "2026-11",
			from: time.Date(2026, 11, 1, 0, 0, 0, 0, china), to: time.Date(2026, 12, 1, 0, 0, 0, 0, china)},
		{name: "tomorrow", query: billing.Query{Day: now.AddDate(0, 0, 1)}, mustFail: true},
		{name: "two years ago", query: billing.Query{Day: now.AddDate(-2, 0, 0)}, mustFail: true},
		{name: "no such site", query: billing.Query{Day: day, Site: "moon"}, mustFail: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, a := serve(t, pageOf(""))
			if test.query.Site == "" {
				test.query.Site = billing.InternationalSite
			}
			bill, err := billing.Bills(t.Context(), c, test.query, now)
			if test.mustFail {
				if err == nil || len(a.asked) != 0 {
					t.Errorf("%v after %d calls", err, len(a.asked))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.asked[0].Get("BillingCycle") != test.cycle || a.asked[0].Get("BillingDate") != test.date {
				t.Errorf("asked for %s, %s", a.asked[0].Get("BillingCycle"), a.asked[0].Get("BillingDate"))
			}
			if !bill.From.Equal(test.from) || !bill.To.Equal(test.to) || bill.Final != test.final {
				t.Errorf("%v to %v, final %v", bill.From, bill.To, bill.Final)
			}
		})
	}
}

func TestABillThatCannotBeReadIsNoBill(t *testing.T) {
	for name, bodies := range map[string][]string{
		"a token that repeats":      {pageOf("again", row("eci-1", "cpu", ""))},
		"an amount that is none":    {pageOf("", row("eci-1", "cpu", `,"PretaxAmount":"much"`))},
		"a refusal on the 2nd page": {pageOf("p2", row("eci-1", "cpu", "")), `{"Code":"NotAuthorized","Message":"no","RequestId":"r","Success":false}`},
		"HTML":                      {"<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, bodies...)
			if bill, err := billing.Bills(t.Context(), c, billing.Query{Site: billing.ChinaSite, Day: day}, now); err == nil || len(bill.Items) != 0 {
				t.Errorf("%+v, %v", bill, err)
			}
		})
	}
}

func TestInstancePrice(t *testing.T) {
	rate := func(micros int64) money.Rate { return money.PerHour(micros, money.CNY) }
	for name, test := range map[string]struct {
		body    string
		want    billing.ListPrice
		wantErr bool
	}{
		"with a discount": {`{"RequestId":"r","PriceInfo":{"Price":{"OriginalPrice":0.622,"TradePrice":0.56,"DiscountPrice":0.062,"Currency":"CNY"},"Rules":{"Rule":[]}}}`,
			billing.ListPrice{InstanceType: "ecs.c6.large", Rate: rate(560_000), List: rate(622_000)}, false},
		"as strings, odd casing": {`{"priceInfo":{"price":{"originalPrice":"0.622","tradePrice":"0.622","currency":"CNY"}}}`,
			billing.ListPrice{InstanceType: "ecs.c6.large", Rate: rate(622_000), List: rate(622_000)}, false},
		"unknown is not zero": {`{"PriceInfo":{"Price":{"Currency":"CNY"}}}`, billing.ListPrice{InstanceType: "ecs.c6.large"}, false},
		"refused":             {`{"Code":"InvalidInstanceType.ValueNotSupported","Message":"no"}`, billing.ListPrice{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := serve(t, test.body)
			got, err := billing.InstancePrice(t.Context(), c, billing.InstanceQuery{Region: "cn-hangzhou", InstanceType: "ecs.c6.large"})
			if (err != nil) != test.wantErr || got != test.want {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
			if q := a.asked[0]; q.Get("Action") != "DescribePrice" || q.Get("Version") != "2014-05-26" || q.Get("PriceUnit") != "Hour" || q.Get("SystemDisk.Size") != "40" || q.Get("RegionId") != "cn-hangzhou" {
				t.Errorf("asked %v", q)
			}
		})
	}
}

func TestSpotHistory(t *testing.T) {
	point := func(zone, at string, price string) string {
		return fmt.Sprintf(`{"ZoneId":%q,"InstanceType":"ecs.c6.large","SpotPrice":%s,"OriginPrice":0.622,"Timestamp":%q}`, zone, price, at)
	}
	body := func(next int, points ...string) string {
		return fmt.Sprintf(`{"Currency":"CNY","NextOffset":%d,"SpotPrices":{"SpotPriceType":[%s]}}`, next, strings.Join(points, ","))
	}
	query := billing.SpotQuery{Region: "cn-hangzhou", InstanceType: "ecs.c6.large", Start: day}
	c, a := serve(t,
		body(2, point("h", "2026-11-20T02:00:00Z", "0.3"), point("i", "2026-11-20T01:00:00Z", `"0.056"`)),
		body(0, point("h", "2026-11-20T01:00:00Z", "0.1"), point("j", "2026-11-20T01:00:00Z", `""`)))
	points, err := billing.SpotHistory(t.Context(), c, query)
	if err != nil || len(points) != 4 || a.asked[1].Get("Offset") != "2" || a.asked[0].Get("StartTime") != "2026-11-20T01:00:00Z" {
		t.Fatalf("%v, %v; asked %v", points, err, a.asked)
	}
	var got []string
	for _, p := range billing.SpotNow(points) {
		got = append(got, p.ZoneID+" "+p.Rate.String())
	}
	if diff := cmp.Diff([]string{"i 0.056 CNY/h", "h 0.30 CNY/h", "j unknown"}, got); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
	for name, bodies := range map[string][]string{
		"pages that turn in a circle": {body(2, point("h", "2026-11-20T02:00:00Z", "0.3")), body(1, point("h", "2026-11-20T02:00:00Z", "0.3"))},
		"a price that is none":        {body(0, point("h", "2026-11-20T02:00:00Z", `"low"`))},
	} {
		c, _ := serve(t, bodies...)
		if _, err := billing.SpotHistory(t.Context(), c, query); err == nil {
			t.Errorf("%s are no error", name)
		}
	}
	if _, err := billing.SpotHistory(t.Context(), c, billing.SpotQuery{}); err == nil {
		t.Error("no region is accepted")
	}
}

func TestSpotPricesOfTheEmulator(t *testing.T) {
	e := ecitest.New(ecitest.Options{})
	c, err := eci.New(eci.Options{Region: e.Region(), Endpoint: "http://ecitest", AccessKeyID: ecitest.DefaultAccessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: e.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-29 * 24 * time.Hour) // more than one page of an hour each
	points, err := billing.SpotHistory(t.Context(), c, billing.SpotQuery{Region: e.Region(), InstanceType: "ecs.c6.large", Start: begin})
	if err != nil || len(points) < 2*28*24 {
		t.Fatalf("%d points, %v", len(points), err)
	}
	if zones := billing.SpotNow(points); len(zones) != 2 || !zones[0].Rate.Known() || zones[0].Rate.MicrosPerHour > zones[1].Rate.MicrosPerHour {
		t.Errorf("now: %v", zones)
	}
}
