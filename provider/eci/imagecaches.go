package eci

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An ImageCacheQuery selects image caches; the zero one is all of the region's.
type ImageCacheQuery struct {
	ID, Name, SnapshotID, Image string
	Tags                        map[string]string
}

// An ImageCache is images that groups start from without pulling them.
type ImageCache struct {
	ID, Name        string
	Status          string // Preparing, Creating, Ready, Failed, Updating, UpdateFailed
	Progress        int32  // percent; -1: not said
	Images          []string
	Size            int32 // GiB
	SnapshotID      string
	FlashSnapshotID string
	GroupID         string // of the group that built it
	RegionID        string
	ResourceGroupID string
	Elimination     string // LRU: the least used one makes room
	Created         time.Time
	Expires         time.Time // zero: never
	LastMatched     time.Time
	Tags            map[string]string
	Events          []Event
}

type imageCachesRequest struct {
	ImageCacheId, ImageCacheName, SnapshotId, Image string
	Tag                                             []Tag
	paging
}

func (*imageCachesRequest) action() string { return "DescribeImageCaches" }

type imageCachesPage struct {
	head
	NextToken   text
	ImageCaches list[struct {
		ImageCacheId, ImageCacheName, Status, Progress, SnapshotId, FlashSnapshotId text
		ContainerGroupId, RegionId, ResourceGroupId, EliminationStrategy            text
		Images                                                                      list[text]
		ImageCacheSize                                                              number
		CreationTime, ExpireDateTime, LastMatchedTime                               instant
		Tags                                                                        list[wireTag]
		Events                                                                      list[wireEvent]
	}]
}

func (p *imageCachesPage) nextToken() string { return string(p.NextToken) }

// ImageCaches lists image caches, every page.
func (c *Client) ImageCaches(ctx context.Context, q ImageCacheQuery) ([]ImageCache, error) {
	r := &imageCachesRequest{ImageCacheId: q.ID, ImageCacheName: q.Name, SnapshotId: q.SnapshotID, Image: q.Image, Tag: sortedTags(q.Tags), paging: paging{Limit: cachesPerPage}}
	var out []ImageCache
	err := c.pages(ctx, r, func() page { return &imageCachesPage{} }, func(p page) {
		for _, w := range p.(*imageCachesPage).ImageCaches {
			cache := ImageCache{
				ID: string(w.ImageCacheId), Name: string(w.ImageCacheName), Status: string(w.Status), Progress: -1, Images: plain(w.Images),
				Size: w.ImageCacheSize.Int32(), SnapshotID: string(w.SnapshotId), FlashSnapshotID: string(w.FlashSnapshotId), GroupID: string(w.ContainerGroupId),
				RegionID: string(w.RegionId), ResourceGroupID: string(w.ResourceGroupId), Elimination: string(w.EliminationStrategy),
				Created: w.CreationTime.Time, Expires: w.ExpireDateTime.Time, LastMatched: w.LastMatchedTime.Time, Tags: tagMap(w.Tags), Events: events(w.Events),
			}
			if percent, err := strconv.Atoi(strings.TrimSuffix(string(w.Progress), "%")); err == nil && percent >= 0 && percent <= 100 {
				cache.Progress = int32(percent)
			}
			out = append(out, cache)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing image caches: %w", err)
	}
	return out, nil
}
