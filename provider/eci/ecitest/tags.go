package ecitest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// tagged are the tags of the resources that a call names, by id. ListTagResources needs
// no ids: without them it is about all.
func (e *Emulator) tagged(c *call, now time.Time, all bool) ([]string, map[string]*[]tag, *refusal) {
	typ, ids := c.params["ResourceType"], c.list("ResourceId")
	if typ == "" {
		return nil, nil, missing("ResourceType")
	}
	if len(ids) == 0 && !all {
		return nil, nil, missing("ResourceId")
	}
	if len(ids) > 50 {
		return nil, nil, badRequest("InvalidParameter", "At most 50 resources can be given.")
	}
	have, order := map[string]*[]tag{}, []string{}
	switch typ {
	case "ContainerGroup":
		for _, g := range e.order {
			have[g.ID], order = &g.Tags, append(order, g.ID)
		}
	case "ImageCache", "DataCache", "VirtualNode":
		for _, r := range e.of(&resourceKind{tagType: typ}, now) {
			have[r.ID], order = &r.Tags, append(order, r.ID)
		}
	default:
		return nil, nil, badRequest("InvalidParameter", "The parameter ResourceType must be ContainerGroup, ImageCache, DataCache or VirtualNode.")
	}
	if len(ids) == 0 {
		return order, have, nil
	}
	for _, id := range ids {
		if have[id] == nil {
			return nil, nil, &refusal{http.StatusNotFound, "InvalidParameter.NotFound", "The " + typ + " " + id + " is not found."}
		}
	}
	return ids, have, nil
}

func (e *Emulator) tagResources(c *call, now time.Time) (any, *refusal) {
	ids, have, refusal := e.tagged(c, now, false)
	if refusal != nil {
		return nil, refusal
	}
	if c.count("Tag") == 0 {
		return nil, missing("Tag")
	}
	merged := map[string][]tag{}
	for _, id := range ids {
		merged[id] = mergeTags(*have[id], c.tags())
		if len(merged[id]) > 20 {
			return nil, badRequest("NumberExceed.Tags", "A resource has at most 20 tags.")
		}
		if refusal := checkTags(c, &group{Tags: merged[id]}); refusal != nil {
			return nil, refusal
		}
	}
	for id, tags := range merged {
		*have[id] = tags
	}
	return plainAnswer{e.requestID()}, nil
}

func (e *Emulator) untagResources(c *call, now time.Time) (any, *refusal) {
	ids, have, refusal := e.tagged(c, now, false)
	if refusal != nil {
		return nil, refusal
	}
	keys := c.list("TagKey")
	if len(keys) == 0 && !c.boolean("All") {
		return nil, missing("TagKey")
	}
	for _, id := range ids {
		*have[id] = slices.DeleteFunc(slices.Clone(*have[id]), func(t tag) bool { return len(keys) == 0 || slices.Contains(keys, t.Key) })
	}
	return plainAnswer{e.requestID()}, nil
}

type tagsAnswer struct {
	RequestId, NextToken string
	TagResources         []wireTagResource
}

type wireTagResource struct{ ResourceType, ResourceId, TagKey, TagValue string }

// tagsPage is how many tags a page of ListTagResources has.
const tagsPage = 50

func (e *Emulator) listTagResources(c *call, now time.Time) (any, *refusal) {
	ids, have, refusal := e.tagged(c, now, true)
	if refusal != nil {
		return nil, refusal
	}
	after := 0
	if token := c.params["NextToken"]; token != "" {
		var err error
		if after, err = strconv.Atoi(token); err != nil || after < 0 {
			return nil, badRequest("InvalidParameter", "The parameter NextToken is not one that was given.")
		}
	}
	answer, seen := tagsAnswer{RequestId: e.requestID(), TagResources: []wireTagResource{}}, 0
	wanted := c.tags()
	for _, id := range ids {
		for _, t := range *have[id] {
			matches := func(w tag) bool { return w.Key == t.Key && (w.Value == "" || w.Value == t.Value) }
			if len(wanted) > 0 && !slices.ContainsFunc(wanted, matches) {
				continue
			}
			switch seen++; {
			case seen <= after:
			case len(answer.TagResources) < tagsPage:
				answer.TagResources = append(answer.TagResources, wireTagResource{c.params["ResourceType"], id, t.Key, t.Value})
			default:
				answer.NextToken = strconv.Itoa(after + tagsPage)
				return answer, nil
			}
		}
	}
	return answer, nil
}
