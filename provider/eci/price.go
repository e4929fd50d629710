package eci

import (
	"context"
	"fmt"
	"net/http"

	"github.com/ecideck/ecideck/provider/money"
)

// A PriceQuery is what a price is asked for: a size, or an InstanceType, which outweighs it.
type PriceQuery struct {
	CPU, Memory      float64 // vCPU and GiB
	InstanceType     string  // ecs.c6.large
	ZoneID           string
	ComputeCategory  string // economy, general; "": general
	SpotStrategy     string // NoSpot, SpotWithPriceLimit, SpotAsPriceGo; "": NoSpot
	SpotPriceLimit   float64
	SpotDuration     *int32 // hours of protection; nil: the API's default
	EphemeralStorage int32  // GiB above the free ones
}

// A Price is what a group costs an hour. A rate that the answer doesn't have is unknown.
type Price struct {
	Rate  money.Rate // what is paid, after discounts
	List  money.Rate // the list price
	Parts []PricePart
	// Spot is the market's prices by zone, where the query was for a spot group.
	Spot []SpotPrice
}

// A PricePart is one item of a Price: cpu, mem, instance_type, systemdisk.
type PricePart struct {
	Resource   string
	Rate, List money.Rate
}

// A SpotPrice is what an ECS type costs as a spot instance now.
type SpotPrice struct {
	ZoneID, InstanceType string
	Rate                 money.Rate
	List                 money.Rate // of the same type, not as spot
}

type priceRequest struct {
	Cpu, Memory                        float64
	InstanceType, ZoneId, SpotStrategy string
	SpotPriceLimit                     float64
	SpotDuration                       *int32
	EphemeralStorage                   int32
	ComputeCategory                    []string
}

func (*priceRequest) action() string { return "DescribeContainerGroupPrice" }

type priceAnswer struct {
	head
	PriceInfo object[struct {
		Price object[struct {
			OriginalPrice, TradePrice, Currency text
			DetailInfos                         object[struct {
				DetailInfo list[struct{ Resource, OriginalPrice, TradePrice text }]
			}]
		}]
		SpotPrices object[struct {
			SpotPrice list[struct{ ZoneId, InstanceType, SpotPrice, OriginPrice text }]
		}]
	}]
}

// perSecond turns the API's price of a group, which is for a second, into a rate for an hour:
// its documented answer for 2 vCPU and 4 GiB, 0.00012252, is the list price of a second. Spot
// prices are for an hour: the documented one is that of an ECS type.
// https://help.aliyun.com/zh/eci/developer-reference/api-eci-2018-08-08-describecontainergroupprice
const (
	perSecond = 3600
	perHour   = 1
)

// Price asks what a group would cost. It is asked for once per size and kept by the caller:
// the limit is 1,000 calls a minute, and prices change seldom, but for those of spot groups.
func (c *Client) Price(ctx context.Context, q PriceQuery) (Price, error) {
	r := &priceRequest{
		Cpu: q.CPU, Memory: q.Memory, InstanceType: q.InstanceType, ZoneId: q.ZoneID, SpotStrategy: q.SpotStrategy,
		SpotPriceLimit: q.SpotPriceLimit, SpotDuration: q.SpotDuration, EphemeralStorage: q.EphemeralStorage,
	}
	if q.ComputeCategory != "" {
		r.ComputeCategory = []string{q.ComputeCategory}
	}
	var answer priceAnswer
	if err := c.do(ctx, r, true, &answer); err != nil {
		return Price{}, fmt.Errorf("asking for the price of %s: %w", q, err)
	}
	price, err := answer.price()
	if err != nil {
		return Price{}, fmt.Errorf("asking for the price of %s: %w", q, &Error{Action: r.action(), Code: codeBadAnswer,
			RequestID: string(answer.RequestId), HTTPStatus: http.StatusOK, Message: err.Error(), Err: err})
	}
	return price, nil
}

// String is what the price is of, for error texts.
func (q PriceQuery) String() string {
	what := fmt.Sprintf("%g vCPU and %g GiB", q.CPU, q.Memory)
	if q.InstanceType != "" {
		what = q.InstanceType
	}
	if q.ZoneID != "" {
		what += " in " + q.ZoneID
	}
	return what
}

func (a *priceAnswer) price() (p Price, err error) {
	wire := &a.PriceInfo.V.Price.V
	currency := money.Currency(wire.Currency)
	rate := func(amount text, factor int64) money.Rate {
		if amount == "" || currency == "" || err != nil {
			return money.Rate{}
		}
		var micros int64
		micros, err = money.ParseScaled(string(amount), factor)
		return money.PerHour(micros, currency)
	}
	p.Rate, p.List = rate(wire.TradePrice, perSecond), rate(wire.OriginalPrice, perSecond)
	for _, d := range wire.DetailInfos.V.DetailInfo {
		p.Parts = append(p.Parts, PricePart{Resource: string(d.Resource), Rate: rate(d.TradePrice, perSecond), List: rate(d.OriginalPrice, perSecond)})
	}
	for _, s := range a.PriceInfo.V.SpotPrices.V.SpotPrice {
		p.Spot = append(p.Spot, SpotPrice{ZoneID: string(s.ZoneId), InstanceType: string(s.InstanceType), Rate: rate(s.SpotPrice, perHour), List: rate(s.OriginPrice, perHour)})
	}
	if err != nil {
		return Price{}, fmt.Errorf("reading the price: %w", err)
	}
	return p, nil
}
