package eci

import (
	"context"
	"fmt"
)

// A Region is one region and its zones.
type Region struct {
	ID       string
	Endpoint string   // host of its API
	Zones    []string // all of them
	// Recommended are the zones with stock, best first.
	Recommended []string
	Unavailable []string // zones without stock
}

type regionsRequest struct{}

func (*regionsRequest) action() string { return "DescribeRegions" }

type regionsAnswer struct {
	head
	Regions list[struct {
		RegionId, RegionEndpoint                text
		Zones, RecommendZones, UnavailableZones list[text]
	}]
}

// Regions lists the regions that the API knows.
func (c *Client) Regions(ctx context.Context) ([]Region, error) {
	var answer regionsAnswer
	if err := c.do(ctx, &regionsRequest{}, true, &answer); err != nil {
		return nil, fmt.Errorf("listing regions: %w", err)
	}
	var regions []Region
	for _, r := range answer.Regions {
		regions = append(regions, Region{ID: string(r.RegionId), Endpoint: string(r.RegionEndpoint), Zones: plain(r.Zones),
			Recommended: plain(r.RecommendZones), Unavailable: plain(r.UnavailableZones)})
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
