package billing

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/wire"
	"github.com/ecideck/ecideck/provider/money"
)

// A ListPrice is what an ECS instance costs an hour, pay-as-you-go. A rate that the answer
// doesn't have is unknown.
type ListPrice struct {
	InstanceType string
	Rate         money.Rate // what this account pays
	List         money.Rate // without discounts
}

// InstanceQuery is which ECS instance's price is asked for.
type InstanceQuery struct {
	Region, InstanceType string
	// The system disk, which the price includes: a category such as cloud_essd and GiB.
	// "" and 0: 40 GiB of cloud_essd, what a node has that says nothing.
	DiskCategory string
	DiskSize     int
}

type priceAnswer struct {
	PriceInfo wire.Object[struct {
		Price wire.Object[struct{ TradePrice, OriginalPrice, Currency wire.Text }]
	}]
}

// InstancePrice asks for the price of an ECS instance type, for instance that of a node that a
// pod could run on.
// https://help.aliyun.com/zh/ecs/developer-reference/api-ecs-2014-05-26-describeprice
func InstancePrice(ctx context.Context, c Caller, q InstanceQuery) (ListPrice, error) {
	product, err := ecs(q.Region)
	if err != nil {
		return ListPrice{}, fmt.Errorf("asking for the price of %s: %w", q.InstanceType, err)
	}
	category, size := q.DiskCategory, q.DiskSize
	if category == "" {
		category = "cloud_essd"
	}
	if size == 0 {
		size = 40
	}
	params := map[string]string{
		"ResourceType": "instance", "InstanceType": q.InstanceType, "PriceUnit": "Hour", "InstanceNetworkType": "vpc",
		"SystemDisk.Category": category, "SystemDisk.Size": strconv.Itoa(size),
	}
	var answer priceAnswer
	if err := c.Call(ctx, product, "DescribePrice", params, &answer); err != nil {
		return ListPrice{}, fmt.Errorf("asking for the price of %s: %w", q.InstanceType, err)
	}
	price := &answer.PriceInfo.V.Price.V
	p := ListPrice{InstanceType: q.InstanceType}
	if p.Rate, err = hourly(price.TradePrice, money.Currency(price.Currency)); err == nil {
		p.List, err = hourly(price.OriginalPrice, money.Currency(price.Currency))
	}
	if err != nil {
		return ListPrice{}, fmt.Errorf("asking for the price of %s: %w", q.InstanceType, err)
	}
	return p, nil
}

// A SpotPoint is what a type cost as a spot instance from a time on.
type SpotPoint struct {
	At     time.Time
	ZoneID string
	Rate   money.Rate
	List   money.Rate // of the same type, not as spot
}

// SpotQuery selects spot prices.
type SpotQuery struct {
	Region, InstanceType string
	ZoneID               string    // "": all zones
	Start, End           time.Time // at most 30 days back; zero: the API's default, the last three hours
}

type spotAnswer struct {
	Currency   wire.Text
	NextOffset wire.Integer
	SpotPrices wire.Object[struct {
		SpotPriceType wire.List[struct {
			ZoneId, SpotPrice, OriginPrice wire.Text
			Timestamp                      wire.Instant
		}]
	}]
}

// SpotHistory returns a type's spot prices, oldest first, every page of them.
// https://help.aliyun.com/zh/ecs/developer-reference/api-ecs-2014-05-26-describespotpricehistory
func SpotHistory(ctx context.Context, c Caller, q SpotQuery) ([]SpotPoint, error) {
	product, err := ecs(q.Region)
	if err != nil {
		return nil, fmt.Errorf("asking for the spot prices of %s: %w", q.InstanceType, err)
	}
	params := map[string]string{"NetworkType": "vpc", "InstanceType": q.InstanceType}
	if q.ZoneID != "" {
		params["ZoneId"] = q.ZoneID
	}
	for name, at := range map[string]time.Time{"StartTime": q.Start, "EndTime": q.End} {
		if !at.IsZero() {
			params[name] = at.UTC().Format("2006-01-02T15:04:05Z")
		}
	}
	var points []SpotPoint
	for offset := int64(0); ; {
		var answer spotAnswer
		if err := c.Call(ctx, product, "DescribeSpotPriceHistory", params, &answer); err != nil {
			return nil, fmt.Errorf("asking for the spot prices of %s: %w", q.InstanceType, err)
		}
		for _, w := range answer.SpotPrices.V.SpotPriceType {
			p := SpotPoint{At: w.Timestamp.Time, ZoneID: string(w.ZoneId)}
			if p.Rate, err = hourly(w.SpotPrice, money.Currency(answer.Currency)); err == nil {
				p.List, err = hourly(w.OriginPrice, money.Currency(answer.Currency))
			}
			if err != nil {
				return nil, fmt.Errorf("asking for the spot prices of %s: %w", q.InstanceType, err)
			}
			points = append(points, p)
		}
		next := int64(answer.NextOffset)
		if next == 0 || len(answer.SpotPrices.V.SpotPriceType) == 0 {
			break
		}
		if next <= offset {
			return nil, fmt.Errorf("asking for the spot prices of %s: %w", q.InstanceType, &eci.Error{Action: "DescribeSpotPriceHistory",
				HTTPStatus: http.StatusOK, Message: fmt.Sprintf("the page after %d begins at %d", offset, next)})
		}
		offset = next
		params["Offset"] = strconv.FormatInt(offset, 10)
	}
	slices.SortStableFunc(points, func(a, b SpotPoint) int { return a.At.Compare(b.At) })
	return points, nil
}

// SpotNow is the newest point of each zone, cheapest first.
func SpotNow(points []SpotPoint) []SpotPoint {
	newest := map[string]SpotPoint{}
	for _, p := range points {
		if have, ok := newest[p.ZoneID]; !ok || !p.At.Before(have.At) {
			newest[p.ZoneID] = p
		}
	}
	var out []SpotPoint
	for _, p := range newest {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b SpotPoint) int {
		switch {
		case a.Rate.Known() != b.Rate.Known():
			if a.Rate.Known() {
				return -1
			}
			return 1
		case a.Rate.MicrosPerHour != b.Rate.MicrosPerHour:
			return int(min(1, max(-1, a.Rate.MicrosPerHour-b.Rate.MicrosPerHour)))
		case a.ZoneID < b.ZoneID:
			return -1
		}
		return 1
	})
	return out
}
