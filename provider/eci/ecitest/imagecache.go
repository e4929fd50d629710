package ecitest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// cacheEvent is what the vendor says when a group uses an image cache.
const cacheEvent = "Successfully check image cache resource."

// matchCache finds the image cache that a group begins with: the one that is named, or with
// AutoMatchImageCache the newest of those that have most of its images. What it has need not
// be pulled.
func (e *Emulator) matchCache(c *call, g *group, now time.Time) *refusal {
	var images []string
	for _, list := range [][]container{g.Inits, g.Containers} {
		for _, x := range list {
			images = append(images, x.Image)
		}
	}
	var best *resource
	most := 0
	id := c.params["ImageSnapshotId"]
	for _, r := range e.of(imageCaches(), now) {
		status, _ := r.status(imageCaches(), now, e.timing)
		if id != "" {
			if r.ID == id || r.snapshot() == id {
				if status != "Ready" {
					return badRequest("ImageSnapshot.IncorrectStatus", "The image cache "+id+" is "+status+" and not Ready.")
				}
				best = r
			}
			continue
		}
		if status != "Ready" || !c.boolean("AutoMatchImageCache") {
			continue
		}
		has := 0
		for _, image := range images {
			if slices.Contains(r.Images, image) {
				has++
			}
		}
		if has > 0 && has >= most {
			best, most = r, has
		}
	}
	if id != "" && best == nil {
		return &refusal{http.StatusNotFound, "ImageSnapshot.NotFound", "The specified image cache " + id + " is not found."}
	}
	if best == nil || c.boolean("DryRun") {
		return nil
	}
	best.Matched = now
	g.Cached = slices.Clone(best.Images)
	g.Notices = append(g.Notices, event{"Normal", "Started", cacheEvent, 1, now, now})
	return nil
}

func (r *resource) snapshot() string { return "s-" + digest(r.ID, "/snapshot")[:20] }

// built is when an image cache or another resource is done with what it was told last.
func (r *resource) built(t Timing) time.Time { return r.Changed.Add(t.Schedule + 4*t.Pull) }

// builder is the group that pulls a cache's images: an ordinary one, which is listed and paid
// for until the cache is done.
func (e *Emulator) builder(r *resource, c *call, now time.Time) *refusal {
	g := &group{ID: r.builderID(), Name: "eci-" + strings.ReplaceAll(r.ID, "-", ""), RestartPolicy: "Never", SpotStrategy: "NoSpot",
		CPU: 2, Memory: 4, SecurityGroup: c.params["SecurityGroupId"], ResourceGroup: r.ResourceGroup,
		Containers: []container{{Name: "imagecache", Image: "imagecache", CPU: 2, Memory: 4}}}
	if refusal := e.place(c, g, now); refusal != nil {
		return refusal
	}
	g.NoStock = false // it is the cache that fails
	e.add(g, now)
	g.Gone = r.built(e.timing)
	if e.nextGone.IsZero() || g.Gone.Before(e.nextGone) {
		e.nextGone = g.Gone
	}
	return nil
}

func (r *resource) builderID() string { return "eci-" + digest(r.ID)[:20] }
