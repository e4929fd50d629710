package billing_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/provider/billing"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/money"
)

// The bill of a group that ran for two hours, and is gone, is its list price for two hours.
func TestTheEmulatorsBillIsWhatWasRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble's clock begins at midnight UTC, eight hours into China's day.
		e := ecitest.New(ecitest.Options{Instant: true})
		c, err := eci.New(eci.Options{Region: e.Region(), Endpoint: "http://ecitest", AccessKeyID: ecitest.DefaultAccessKeyID,
			AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: e.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		id, err := c.CreateGroup(t.Context(), &eci.CreateRequest{ContainerGroupName: "web", Cpu: 2, Memory: 4, ZoneId: e.Region() + "-h",
			Container: []eci.ContainerRequest{{Name: "app", Image: "serve"}}})
		if err != nil {
			t.Fatal(err)
		}
		day := time.Now()
		time.Sleep(2 * time.Hour)
		if err := c.DeleteGroup(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		query := billing.Query{Site: billing.ChinaSite, Day: day, InstanceID: id}
		early, err := billing.Bills(t.Context(), c, query, time.Now())
		if err != nil || early.Final {
			t.Errorf("a bill at once: %+v, %v", early, err)
		}
		time.Sleep(48 * time.Hour)
		bill, err := billing.Bills(t.Context(), c, query, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		total, err := bill.Total().Total()
		if err != nil || !bill.Final {
			t.Errorf("%+v, %v", bill, err)
		}
		// 2 x 0.000049 + 4 x 0.00000613 yuan a second, for 7,200 seconds, rounded to the fen in
		// each hour: 0.44 + 0.44.
		if want := money.Of(880_000, money.CNY); total != want {
			t.Errorf("the bill is %s, want %s: %+v", total, want, bill.Items)
		}
		codes := map[string]bool{}
		for _, item := range bill.Items {
			codes[item.Code] = true
		}
		if !codes["cpu"] || !codes["mem"] {
			t.Errorf("items %v", codes)
		}
	})
}

func TestAnInstancesPriceOfTheEmulator(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c, err := eci.New(eci.Options{Region: e.Region(), Endpoint: "http://ecitest", AccessKeyID: ecitest.DefaultAccessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: e.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	price, err := billing.InstancePrice(t.Context(), c, billing.InstanceQuery{Region: e.Region(), InstanceType: "ecs.g7.xlarge"})
	if err != nil || !price.Rate.Known() || price.Rate.MicrosPerHour <= 0 {
		t.Errorf("%+v, %v", price, err)
	}
	if _, err := billing.InstancePrice(t.Context(), c, billing.InstanceQuery{Region: e.Region(), InstanceType: "ecs.none"}); err == nil {
		t.Error("a type that is not sold has a price")
	}
}
