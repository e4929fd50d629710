package eci

import (
	"context"
	"fmt"
)

// A ResourceQuery asks which sizes or ECS types are in stock.
type ResourceQuery struct {
	ZoneID       string // "": every zone
	Category     string // InstanceTypeFamily, InstanceType
	Value        string // ecs.c6, ecs.c6.large; "": all of the category
	Cores        int32
	Memory       float64 // GiB
	SpotStrategy string  // "" or NoSpot: not as spot
	SpotDuration *int32  // hours
}

// A Stock is what a zone has of an ECS type or family.
type Stock struct {
	ZoneID string
	Type   string // the query's category
	Value  string // ecs.c6.large
	// Status is WithStock, ClosedWithStock, WithoutStock or ClosedWithoutStock. A closed one
	// is not sold to new customers of the zone.
	Status string
}

// Available reports that a group can be created from it.
func (s Stock) Available() bool { return s.Status == "WithStock" }

type resourcesRequest struct {
	ZoneId              string
	DestinationResource *destinationResource
	SpotResource        *spotResource
}

type destinationResource struct {
	Category, Value string
	Cores           int32
	Memory          float64
}

type spotResource struct {
	SpotStrategy string
	SpotDuration *int32
}

func (*resourcesRequest) action() string { return "DescribeAvailableResource" }

type resourcesAnswer struct {
	head
	AvailableZones object[struct {
		AvailableZone list[struct {
			ZoneId             text
			AvailableResources object[struct {
				AvailableResource list[struct {
					Type               text
					SupportedResources object[struct {
						SupportedResource list[struct{ Value, StatusCategory text }]
					}]
				}]
			}]
		}]
	}]
}

// AvailableResources says what the zones have in stock.
func (c *Client) AvailableResources(ctx context.Context, q ResourceQuery) ([]Stock, error) {
	r := &resourcesRequest{ZoneId: q.ZoneID, DestinationResource: &destinationResource{Category: q.Category, Value: q.Value, Cores: q.Cores, Memory: q.Memory}}
	if q.SpotStrategy != "" {
		r.SpotResource = &spotResource{SpotStrategy: q.SpotStrategy, SpotDuration: q.SpotDuration}
	}
	var answer resourcesAnswer
	if err := c.do(ctx, r, true, &answer); err != nil {
		return nil, fmt.Errorf("asking what is in stock: %w", err)
	}
	var out []Stock
	for _, zone := range answer.AvailableZones.V.AvailableZone {
		for _, resource := range zone.AvailableResources.V.AvailableResource {
			for _, s := range resource.SupportedResources.V.SupportedResource {
				out = append(out, Stock{ZoneID: string(zone.ZoneId), Type: string(resource.Type), Value: string(s.Value), Status: string(s.StatusCategory)})
			}
		}
	}
	return out, nil
}
