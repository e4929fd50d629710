// Package billing reads what was billed (BSS OpenAPI) and what ECS instance types cost (the
// ECS API's list prices and spot prices), so that estimates can stand beside the bill and a
// pod's place on ECI beside the node it would have.
//
// Who calls it: the console's collectors and commands. It calls provider/eci for the calls
// themselves and provider/money for amounts.
package billing

import (
	"context"
	"fmt"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/wire"
	"github.com/ecideck/ecideck/provider/money"
)

// A Caller makes calls that only read; *eci.Client is one.
type Caller interface {
	Call(ctx context.Context, p eci.Product, action string, params map[string]string, out any) error
}

// A Site is where the account was opened; each has its own host of the billing API.
type Site string

// The sites.
const (
	ChinaSite         Site = "china"
	InternationalSite Site = "international"
)

// bss is the billing API.
// https://help.aliyun.com/zh/user-center/developer-reference/api-bssopenapi-2017-12-14-overview
func bss(site Site) (eci.Product, error) {
	p := eci.Product{Name: "BssOpenApi", Version: "2017-12-14"}
	switch site {
	case ChinaSite:
		p.Host = "business.aliyuncs.com"
	case InternationalSite:
		p.Host = "business.ap-southeast-1.aliyuncs.com"
	default:
		return p, fmt.Errorf("there is no site %q: want %s or %s", site, ChinaSite, InternationalSite)
	}
	return p, nil
}

// ecs is the API of ECS instances.
func ecs(region string) (eci.Product, error) {
	if region == "" {
		return eci.Product{}, fmt.Errorf("no region given, for example cn-hangzhou")
	}
	return eci.Product{Name: "Ecs", Version: "2014-05-26", Host: "ecs." + region + ".aliyuncs.com"}, nil
}

// amount is an answer's amount with the answer's currency: unknown where either is missing.
func amount(t wire.Text, currency money.Currency) (money.Money, error) {
	if t == "" || currency == "" {
		return money.Money{}, nil
	}
	micros, err := money.ParseMicros(string(t))
	if err != nil {
		return money.Money{}, fmt.Errorf("reading an amount: %w", err)
	}
	return money.Of(micros, currency), nil
}

// hourly is amount for prices an hour.
func hourly(t wire.Text, currency money.Currency) (money.Rate, error) {
	m, err := amount(t, currency)
	return money.PerHour(m.Micros, m.Currency), err
}
