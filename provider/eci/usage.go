package eci

import (
	"context"
	"fmt"
)

// A Usage is what the account uses of its quota in the region. ECI counts vCPU only: there
// is no quota of memory or of groups.
type Usage struct {
	UsedCPU float64 // vCPU
	MaxCPU  float64 // vCPU; 0: the answer didn't say
}

// Usage asks for the account's quota.
func (c *Client) Usage(ctx context.Context) (Usage, error) {
	var answer struct {
		head
		Attributes object[struct{ UsedCpu, MaxCpu number }]
	}
	if err := c.do(ctx, "ListUsage", map[string]string{}, true, &answer); err != nil {
		return Usage{}, fmt.Errorf("asking for the quota: %w", err)
	}
	return Usage{UsedCPU: float64(answer.Attributes.V.UsedCpu), MaxCPU: float64(answer.Attributes.V.MaxCpu)}, nil
}

// A Region is one region and its zones.
type Region struct {
	ID    string
	Zones []string // all of them
	// Recommended are the zones with stock, best first.
	Recommended []string
}

// Regions lists the regions that the API knows.
func (c *Client) Regions(ctx context.Context) ([]Region, error) {
	var answer struct {
		head
		Regions list[struct {
			RegionId              text
			Zones, RecommendZones list[text]
		}]
	}
	if err := c.do(ctx, "DescribeRegions", map[string]string{}, true, &answer); err != nil {
		return nil, fmt.Errorf("listing regions: %w", err)
	}
	var regions []Region
	for _, r := range answer.Regions {
		regions = append(regions, Region{ID: string(r.RegionId), Zones: plain(r.Zones), Recommended: plain(r.RecommendZones)})
	}
	return regions, nil
}

func plain(texts []text) []string {
	var out []string
	for _, t := range texts {
		out = append(out, string(t))
	}
	return out
}
