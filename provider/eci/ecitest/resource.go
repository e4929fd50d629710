package ecitest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A resourceKind is one of the things besides groups that an account has. They are
// emulated minimally: they become ready on the clock, and nothing uses them.
type resourceKind struct {
	tagType, idParam, nameParam, prefix string
	required                            []string
	preparing, working, ready, updating string // statuses
	most                                int    // quota; 0: none
}

func imageCaches() *resourceKind {
	return &resourceKind{"ImageCache", "ImageCacheId", "ImageCacheName", "imc-", []string{"ImageCacheName", "Image"},
		"Preparing", "Creating", "Ready", "Updating", 500}
}

func dataCaches() *resourceKind {
	return &resourceKind{"DataCache", "DataCacheId", "Name", "edc-", []string{"Name", "Path", "DataSource"},
		"Pending", "Loading", "Available", "Updating", 100}
}

func virtualNodes() *resourceKind {
	return &resourceKind{"VirtualNode", "VirtualNodeId", "VirtualNodeName", "vnd-", []string{"SecurityGroupId", "VSwitchId"},
		"Pending", "Pending", "Ready", "Pending", 0}
}

// wrongStatus is the code for what can't be done to one in its status.
func (k *resourceKind) wrongStatus() string {
	if k.tagType == "ImageCache" {
		return "ImageCache.IncorrectStatus"
	}
	return "IncorrectStatus"
}

// A resource is an image cache, a data cache or a virtual node.
type resource struct {
	Kind, ID, Name, ResourceGroup string
	Seq                           int
	Created, Changed              time.Time
	Updated, Failed               bool
	Matched                       time.Time // image caches: when a group last used it
	Tags                          []tag
	Params                        map[string]string // as asked for
	Images                        []string
}

// status is what the resource is at a time, and how much of it is done in percent.
func (r *resource) status(k *resourceKind, now time.Time, t Timing) (string, int) {
	begin, end := r.Changed.Add(t.Schedule), r.built(t)
	switch {
	case !now.Before(end) && r.Failed && r.Updated:
		return "UpdateFailed", 0
	case !now.Before(end) && r.Failed:
		return "Failed", 0
	case !now.Before(end):
		return k.ready, 100
	case r.Updated:
		return k.updating, 0
	case now.Before(begin):
		return k.preparing, 0
	}
	return k.working, int(100 * now.Sub(begin) / end.Sub(begin))
}

// expires is when a cache with a retention leaves; zero: never.
func (r *resource) expires() time.Time {
	days, err := strconv.Atoi(r.Params["RetentionDays"])
	if err != nil || days <= 0 {
		return time.Time{}
	}
	return r.Created.AddDate(0, 0, days)
}

// of are the resources of a kind that are there now, oldest first.
func (e *Emulator) of(k *resourceKind, now time.Time) []*resource {
	e.resources = slices.DeleteFunc(e.resources, func(r *resource) bool {
		end := r.expires()
		return !end.IsZero() && !now.Before(end)
	})
	var out []*resource
	for _, r := range e.resources {
		if r.Kind == k.tagType {
			out = append(out, r)
		}
	}
	return out
}

func (e *Emulator) createResource(k *resourceKind) handler {
	return func(c *call, now time.Time) (any, *refusal) {
		for _, name := range k.required {
			if c.params[name] == "" && !c.hasPrefix(name+".") {
				return nil, missing(name)
			}
		}
		if have := e.of(k, now); k.most > 0 && len(have) >= k.most {
			return nil, forbidden("QuotaExceeded", fmt.Sprintf("%s quota exceeded. %d of %d are used.", k.tagType, len(have), k.most))
		}
		tags := c.tags()
		if refusal := checkTags(c, &group{Tags: tags}); refusal != nil {
			return nil, refusal
		}
		e.seq++
		r := &resource{Kind: k.tagType, Seq: e.seq, ID: k.prefix + digest(e.options.Seed, "/", k.prefix, e.seq)[:20], Name: c.params[k.nameParam],
			ResourceGroup: c.params["ResourceGroupId"], Created: now, Changed: now, Tags: tags, Params: c.params, Images: c.list("Image")}
		r.Failed = e.buildFails(now, k)
		if k.tagType == "ImageCache" {
			if refusal := e.builder(r, c, now); refusal != nil {
				return nil, refusal
			}
		}
		e.resources = append(e.resources, r)
		return k.created(e.requestID(), r.ID), nil
	}
}

func (k *resourceKind) created(requestID, id string) map[string]string {
	answer := map[string]string{"RequestId": requestID, k.idParam: id}
	if k.tagType == "ImageCache" {
		answer["ContainerGroupId"] = (&resource{ID: id}).builderID()
	}
	return answer
}

// findResource is the one that a call names: by id, or a data cache by bucket and path.
func (e *Emulator) findResource(k *resourceKind, c *call, now time.Time) (*resource, *refusal) {
	id, path := c.params[k.idParam], c.params["Path"]
	if id == "" && path == "" {
		return nil, missing(k.idParam)
	}
	for _, r := range e.of(k, now) {
		if id == r.ID || id == "" && path == r.Params["Path"] && c.params["Bucket"] == r.Params["Bucket"] {
			return r, nil
		}
	}
	return nil, &refusal{http.StatusNotFound, "InvalidParameter.NotFound", "The " + k.tagType + " " + id + path + " is not found."}
}

func (e *Emulator) updateResource(k *resourceKind) handler {
	return func(c *call, now time.Time) (any, *refusal) {
		r, refusal := e.findResource(k, c, now)
		if refusal != nil {
			return nil, refusal
		}
		if status, _ := r.status(k, now, e.timing); status != k.ready && status != "Failed" && status != "UpdateFailed" {
			return nil, badRequest(k.wrongStatus(), "The "+k.tagType+" is "+status+"; only one that is "+k.ready+" can be updated.")
		}
		tags := c.tags()
		if refusal := checkTags(c, &group{Tags: tags}); refusal != nil {
			return nil, refusal
		}
		if len(tags) > 0 {
			r.Tags = tags
		}
		if images := c.list("Image"); len(images) > 0 {
			r.Images = images
		}
		if name := c.params[k.nameParam]; name != "" {
			r.Name = name
		}
		params := map[string]string{}
		for _, from := range []map[string]string{r.Params, c.params} {
			for name, value := range from {
				params[name] = value
			}
		}
		r.Params, r.Changed, r.Updated, r.Failed = params, now, true, e.buildFails(now, k)
		return plainAnswer{e.requestID()}, nil
	}
}

func (e *Emulator) deleteResource(k *resourceKind) handler {
	return func(c *call, now time.Time) (any, *refusal) {
		r, refusal := e.findResource(k, c, now)
		if refusal != nil {
			return nil, refusal
		}
		e.resources = slices.DeleteFunc(e.resources, func(o *resource) bool { return o == r })
		e.remove(now, func(g *group) bool { return g.ID == r.builderID() })
		return plainAnswer{e.requestID()}, nil
	}
}

// copyDataCache copies within the region: this is an emulator of one region only.
func (e *Emulator) copyDataCache(c *call, now time.Time) (any, *refusal) {
	k := dataCaches()
	from, refused := e.findResource(k, &call{params: map[string]string{k.idParam: c.params[k.idParam]}}, now)
	if refused != nil {
		return nil, refused
	}
	if to := c.params["DestinationRegionId"]; to != e.options.Region {
		return nil, &refusal{http.StatusNotFound, "InvalidRegionId.NotFound", "The specified region " + to + " is not found; this is an emulator of " + e.options.Region + "."}
	}
	params := map[string]string{}
	for name, value := range from.Params {
		if name != "ClientToken" {
			params[name] = value
		}
	}
	for name, value := range c.params {
		params[name] = value
	}
	return e.createResource(k)(&call{action: c.action, params: params}, now)
}

// describeResources lists a kind under a name of the answer.
func (e *Emulator) describeResources(k *resourceKind, list string) handler {
	return func(c *call, now time.Time) (any, *refusal) {
		limit := 50
		if _, ok := c.params["Limit"]; ok {
			if limit = c.integer("Limit"); limit < 1 || limit > 100 {
				return nil, badRequest("InvalidParameter", "The parameter Limit must be 1 to 100.")
			}
		}
		after := 0
		if token := c.params["NextToken"]; token != "" {
			if _, err := fmt.Sscanf(token, "n%d", &after); err != nil {
				return nil, badRequest("InvalidParameter", "The parameter NextToken is not one that was given.")
			}
		}
		ids, refusal := c.ids("VirtualNodeIds")
		if refusal != nil {
			return nil, refusal
		}
		ids = append(ids, c.list(k.idParam)...)
		if id := c.params[k.idParam]; id != "" {
			ids = append(ids, id)
		}
		wanted, images := c.tags(), c.list("MatchImage")
		if image := c.params["Image"]; image != "" {
			images = append(images, image)
		}
		found, total, next := []wireResource{}, 0, ""
		last := 0
		for _, r := range e.of(k, now) {
			w := r.wire(k, e, now)
			if len(ids) > 0 && !slices.Contains(ids, r.ID) || !(&group{Tags: r.Tags}).hasTags(wanted) ||
				len(images) > 0 && !slices.ContainsFunc(images, func(i string) bool { return slices.Contains(r.Images, i) }) ||
				!w.matches(c, "Status", "ResourceGroupId", "SnapshotId", "ImageCacheName", "VirtualNodeName", "Bucket", "Path") {
				continue
			}
			total++
			switch {
			case r.Seq <= after:
			case len(found) < limit:
				found, last = append(found, w), r.Seq
			default:
				next = "n" + strconv.Itoa(last)
			}
		}
		return map[string]any{"RequestId": e.requestID(), list: found, "TotalCount": total, "NextToken": next}, nil
	}
}

type wireResource map[string]any

func (w wireResource) matches(c *call, names ...string) bool {
	for _, name := range names {
		if want := c.params[name]; want != "" && want != w[name] {
			return false
		}
	}
	return true
}

func (r *resource) wire(k *resourceKind, e *Emulator, now time.Time) wireResource {
	status, progress := r.status(k, now, e.timing)
	w := wireResource{k.idParam: r.ID, k.nameParam: r.Name, "Status": status, "RegionId": e.options.Region, "ResourceGroupId": r.ResourceGroup,
		"CreationTime": stamp(r.Created), "Tags": append([]tag{}, r.Tags...), "Events": []wireEvent{}}
	if k.tagType == "VirtualNode" {
		w["VirtualNodeSecurityGroupId"], w["VirtualNodeVSwitchId"], w["VpcId"] = r.Params["SecurityGroupId"], r.Params["VSwitchId"], vpcID
		w["IntranetIp"], w["InternetIp"] = fmt.Sprintf("172.31.%d.%d", r.Seq>>8&0xff, r.Seq&0xff), ""
		return w
	}
	size, err := strconv.Atoi(r.Params["ImageCacheSize"] + r.Params["Size"])
	if err != nil || size <= 0 {
		size = 20
	}
	w["Progress"], w["ExpireDateTime"], w["LastMatchedTime"], w["FlashSnapshotId"] = strconv.Itoa(progress)+"%", stamp(r.expires()), stamp(r.Matched), ""
	w["SnapshotId"], w["ContainerGroupId"] = r.snapshot(), r.builderID()
	w["Events"] = []wireEvent{{Count: 1, Type: "Normal", Name: r.ID + "." + digest(r.ID)[:16], Reason: "Started",
		Message: cacheEvent, FirstTimestamp: stamp(r.Changed), LastTimestamp: stamp(r.Changed)}}
	if k.tagType == "ImageCache" {
		w["Images"], w["ImageCacheSize"], w["EliminationStrategy"] = append([]string{}, r.Images...), size, r.Params["EliminationStrategy"]
		return w
	}
	w["Bucket"], w["Path"], w["Size"] = r.Params["Bucket"], r.Params["Path"], size
	w["DataSource"] = map[string]any{"Type": r.Params["DataSource.Type"]}
	w["Events"] = []wireEvent{}
	return w
}
