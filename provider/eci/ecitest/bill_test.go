package ecitest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// bill asks for a bill, by default that of May 2026, which the world begins in.
func (a *asker) bill(params ...string) map[string]any {
	a.t.Helper()
	return a.ok("DescribeInstanceBill", append([]string{"Version", "2017-12-14", "BillingCycle", "2026-05", "ProductCode", "eci"}, params...)...)
}

func TestTheBillComesADayLateAndSurvivesTheGroup(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create(func(r *eci.CreateRequest) {
		r.Cpu, r.Memory = 7, 13
		r.Tag = []eci.Tag{{Key: "ClusterId", Value: "c1"}}
	})
	w.pass(time.Hour + time.Second) // the first second is Scheduling, which is free
	if err := w.client.DeleteGroup(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.pass(23 * time.Hour)
	same(t, "rows before a day has passed", dig(a.bill(), "Data", "TotalCount"), any(0.0))
	w.pass(2 * time.Hour)
	same(t, "groups that are left", len(w.Groups()), 0)
	got := a.bill("Granularity", "DAILY", "BillingDate", "2026-05-01", "IsBillingItem", "true", "MaxResults", "20")
	same(t, "envelope", []any{got["Code"], got["Success"], got["Message"]}, []any{"Success", true, "Successful!"})
	same(t, "account", dig(got, "Data", "AccountID"), any("1234567890123456"))
	for i, want := range []map[string]any{
		{"BillingItemCode": "cpu", "Usage": "28804", "UsageUnit": "vCPU*Second", "ListPrice": "0.000049"},
		{"BillingItemCode": "mem", "Usage": "50407", "UsageUnit": "GiB*Second", "ListPrice": "0.00000613"},
	} {
		row := dig(got, "Data", "Items", i)
		for name, value := range want {
			same(t, name, dig(row, name), value)
		}
		for name, value := range map[string]any{"InstanceID": id, "NickName": "web-0", "InstanceSpec": "8-14Gi", "Zone": "cn-hangzhou-h", "Currency": "CNY",
			"ServicePeriod": "3600.5", "BillingDate": "2026-05-01", "ProductCode": "eci", "SubscriptionType": "PayAsYouGo", "Tag": "key:ClusterId value:c1"} {
			same(t, name, dig(row, name), value)
		}
	}
	gross := number(t, got, "Data", "Items", 0, "PretaxGrossAmount") + number(t, got, "Data", "Items", 1, "PretaxGrossAmount")
	if want := 3600.5 * (8*0.000049 + 14*0.00000613); gross < want-1e-5 || gross > want+1e-5 {
		t.Errorf("gross %v, want %v", gross, want)
	}
	whole := dig(a.bill(), "Data", "Items", 0)
	same(t, "what the month's row has to be paid: rounded to hundredths", dig(whole, "PretaxAmount"), any(1.72))
	same(t, "the month's row has no item", dig(whole, "BillingItemCode"), any(""))
	same(t, "another day", dig(a.bill("Granularity", "DAILY", "BillingDate", "2026-05-03"), "Data", "TotalCount"), any(0.0))
	same(t, "another product", dig(a.bill("ProductCode", "ecs"), "Data", "TotalCount"), any(0.0))
}

func TestABillFollowsASizeThatChanged(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create()
	w.pass(time.Hour)
	a.ok("UpdateContainerGroup", "ContainerGroupId", id, "Cpu", "4", "Memory", "8")
	w.pass(49 * time.Hour)
	got := a.bill("IsBillingItem", "true")
	var specs []any
	for i := range 4 {
		specs = append(specs, dig(got, "Data", "Items", i, "InstanceSpec"))
	}
	same(t, "sizes on the bill", specs, []any{"2-4Gi", "2-4Gi", "4-8Gi", "4-8Gi"})
	same(t, "usage of the first size", dig(got, "Data", "Items", 0, "Usage"), any("7198"))
	same(t, "usage of the second: the newest day is missing", dig(got, "Data", "Items", 2, "Usage"), any(fmt.Sprint(4*25*3600)))
}

func TestThePagesOfABill(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	for range 25 {
		if _, err := w.Seed(ecitest.SeedGroup{AgeSeconds: 3600}); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(26 * time.Hour)
	first := a.bill()
	same(t, "rows of the first page", len(dig(first, "Data", "Items").([]any)), 20)
	token, _ := dig(first, "Data", "NextToken").(string)
	second := a.bill("NextToken", token)
	same(t, "rows of the second page", len(dig(second, "Data", "Items").([]any)), 5)
	same(t, "no third page", dig(second, "Data", "NextToken"), any(""))
	for _, test := range []struct {
		code   string
		params []string
	}{
		{"MissingParameter", []string{"BillingCycle", ""}},
		{"InvalidParameter", []string{"BillingCycle", "May"}},
		{"InvalidParameter", []string{"BillingCycle", "2020-01"}},
		{"MissingParameter", []string{"Granularity", "DAILY"}},
		{"InvalidParameter", []string{"Granularity", "DAILY", "BillingDate", "2026-06-01"}},
		{"InvalidParameter", []string{"Granularity", "YEARLY"}},
		{"InvalidParameter", []string{"BillingDate", "2026-05-01"}},
		{"InvalidParameter", []string{"MaxResults", "19"}},
		{"InvalidParameter", []string{"MaxResults", "301"}},
		{"InvalidParameter", []string{"NextToken", "x"}},
	} {
		a.refused(test.code, "DescribeInstanceBill", append([]string{"Version", "2017-12-14", "BillingCycle", "2026-05"}, test.params...)...)
	}
}
