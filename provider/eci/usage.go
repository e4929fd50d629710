package eci

import (
	"context"
	"fmt"
)

// A Usage is what the account uses of its quota in the region. ECI counts vCPU only: there
// is no quota of memory or of groups. A Max of 0 is one that the answer didn't say.
type Usage struct {
	UsedCPU, MaxCPU                         float64 // vCPU
	UsedImageCaches, MaxImageCaches         int32   // made by hand
	UsedAutoImageCaches, MaxAutoImageCaches int32   // made by ECI itself
	UsedDataCaches, MaxDataCaches           int32
}

type usageRequest struct{}

func (*usageRequest) action() string { return "ListUsage" }

type usageAnswer struct {
	head
	Attributes object[struct {
		UsedCpu, MaxCpu, UsedImageCacheCount, MaxImageCacheCount, UsedAutoImageCacheCount, MaxAutoImageCacheCount,
		UsedDataCacheCount, MaxDataCacheCount number
	}]
}

// Usage asks for the account's quota.
func (c *Client) Usage(ctx context.Context) (Usage, error) {
	var answer usageAnswer
	if err := c.do(ctx, &usageRequest{}, true, &answer); err != nil {
		return Usage{}, fmt.Errorf("asking for the quota: %w", err)
	}
	a := &answer.Attributes.V
	return Usage{
		UsedCPU: float64(a.UsedCpu), MaxCPU: float64(a.MaxCpu),
		UsedImageCaches: a.UsedImageCacheCount.Int32(), MaxImageCaches: a.MaxImageCacheCount.Int32(),
		UsedAutoImageCaches: a.UsedAutoImageCacheCount.Int32(), MaxAutoImageCaches: a.MaxAutoImageCacheCount.Int32(),
		UsedDataCaches: a.UsedDataCacheCount.Int32(), MaxDataCaches: a.MaxDataCacheCount.Int32(),
	}, nil
}
