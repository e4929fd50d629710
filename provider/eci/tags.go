package eci

import (
	"context"
	"fmt"
)

const groupResource = "ContainerGroup"

type tagRequest struct {
	ResourceType string
	ResourceId   []string
	Tag          []Tag
}

func (*tagRequest) action() string { return "TagResources" }

type untagRequest struct {
	ResourceType string
	ResourceId   []string
	TagKey       []string
}

func (*untagRequest) action() string { return "UntagResources" }

type tagsRequest struct {
	ResourceType string
	ResourceId   []string
	Tag          []Tag
	NextToken    string
}

func (*tagsRequest) action() string { return "ListTagResources" }

func (r *tagsRequest) from(token string) { r.NextToken = token }

type tagsPage struct {
	head
	NextToken    text
	TagResources list[struct{ ResourceId, TagKey, TagValue text }]
}

func (p *tagsPage) nextToken() string { return string(p.NextToken) }

// TagGroups sets tags on groups, at most 20 each; a tag that a group has is overwritten.
func (c *Client) TagGroups(ctx context.Context, ids []string, tags map[string]string) error {
	if err := c.do(ctx, &tagRequest{ResourceType: groupResource, ResourceId: ids, Tag: sortedTags(tags)}, true, &head{}); err != nil {
		return fmt.Errorf("tagging groups: %w", err)
	}
	return nil
}

// UntagGroups takes tags from groups, by their keys.
func (c *Client) UntagGroups(ctx context.Context, ids, keys []string) error {
	if err := c.do(ctx, &untagRequest{ResourceType: groupResource, ResourceId: ids, TagKey: keys}, true, &head{}); err != nil {
		return fmt.Errorf("taking tags from groups: %w", err)
	}
	return nil
}

// GroupTags returns the tags of groups, by id: of those with these ids, and with all of these
// tags; nil selects all.
func (c *Client) GroupTags(ctx context.Context, ids []string, tags map[string]string) (map[string]map[string]string, error) {
	r := &tagsRequest{ResourceType: groupResource, ResourceId: ids, Tag: sortedTags(tags)}
	out := map[string]map[string]string{}
	err := c.pages(ctx, r, func() page { return &tagsPage{} }, func(p page) {
		for _, w := range p.(*tagsPage).TagResources {
			id := string(w.ResourceId)
			if out[id] == nil {
				out[id] = map[string]string{}
			}
			out[id][string(w.TagKey)] = string(w.TagValue)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing tags: %w", err)
	}
	return out, nil
}
