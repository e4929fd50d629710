package ecitest_test

import (
	"testing"
	"time"
)

func TestTheLifeOfCachesAndVirtualNodes(t *testing.T) {
	for _, test := range []struct {
		name, list, id string // of actions and of the list in answers
		create         []string
		first, ready   string
	}{
		{"ImageCache", "ImageCaches", "ImageCacheId", []string{"ImageCacheName", "web", "Image.1", "nginx:1", "RetentionDays", "2"}, "Preparing", "Ready"},
		{"DataCache", "DataCaches", "DataCacheId", []string{"Name", "model", "Path", "/m", "DataSource.Type", "NAS", "DataSource.Options.server", "x"}, "Pending", "Available"},
		{"VirtualNode", "VirtualNodes", "VirtualNodeId", []string{"SecurityGroupId", "sg-1", "VSwitchId", "vsw-h", "VirtualNodeName", "vn"}, "Pending", "Ready"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			a := newAsker(t, w.Emulator)
			a.refused("MissingParameter", "Create"+test.name)
			params := append([]string{"ClientToken", "once", "Tag.1.Key", "a", "Tag.1.Value", "1"}, test.create...)
			id, _ := a.ok("Create"+test.name, params...)[test.id].(string)
			same(t, "the same token", a.ok("Create"+test.name, params...)[test.id], any(id))
			a.refused("IdempotentParameterMismatch", "Create"+test.name, append(params, "Tag.1.Value", "2")...)
			row := func() any { return dig(a.ok("Describe"+test.list), test.list, 0) }
			same(t, "status", dig(row(), "Status"), any(test.first))
			w.pass(time.Minute)
			same(t, "status later", dig(row(), "Status"), any(test.ready))
			same(t, "none has another tag", len(dig(a.ok("Describe"+test.list, "Tag.1.Key", "a", "Tag.1.Value", "2"), test.list).([]any)), 0)
			a.ok("Update"+test.name, test.id, id)
			if dig(row(), "Status") == test.ready {
				t.Error("an update takes no time")
			}
			w.pass(time.Minute)
			a.ok("TagResources", "ResourceType", test.name, "ResourceId.1", id, "Tag.1.Key", "b", "Tag.1.Value", "2")
			same(t, "tags", dig(row(), "Tags"), any([]any{map[string]any{"Key": "a", "Value": "1"}, map[string]any{"Key": "b", "Value": "2"}}))
			a.ok("Delete"+test.name, test.id, id)
			same(t, "deleted", row(), nil)
			a.refused("InvalidParameter.NotFound", "Delete"+test.name, test.id, id)
			a.refused("MissingParameter", "Delete"+test.name)
		})
	}
}

func TestACacheLeavesWithItsRetention(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	a.ok("CreateImageCache", "ImageCacheName", "web", "Image.1", "nginx:1", "RetentionDays", "2")
	same(t, "counted", number(t, a.ok("ListUsage"), "Attributes", "UsedImageCacheCount"), 1.0)
	w.pass(48 * time.Hour)
	same(t, "counted after", number(t, a.ok("ListUsage"), "Attributes", "UsedImageCacheCount"), 0.0)
}

func TestTagsOfGroups(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create()
	tags := func() any {
		return dig(a.ok("ListTagResources", "ResourceType", "ContainerGroup", "ResourceId.1", id), "TagResources")
	}
	a.ok("TagResources", "ResourceType", "ContainerGroup", "ResourceId.1", id, "Tag.1.Key", "a", "Tag.1.Value", "1", "Tag.2.Key", "b", "Tag.2.Value", "2")
	same(t, "tags of the group", w.group(id).Tags, map[string]string{"a": "1", "b": "2"})
	a.ok("UntagResources", "ResourceType", "ContainerGroup", "ResourceId.1", id, "TagKey.1", "a")
	same(t, "tags", tags(), any([]any{map[string]any{"ResourceType": "ContainerGroup", "ResourceId": id, "TagKey": "b", "TagValue": "2"}}))
	a.ok("UntagResources", "ResourceType", "ContainerGroup", "ResourceId.1", id, "All", "true")
	same(t, "no tags", tags(), any([]any{}))
	a.refused("InvalidParameter", "TagResources", "ResourceType", "Disk", "ResourceId.1", id)
	a.refused("InvalidParameter.NotFound", "TagResources", "ResourceType", "ContainerGroup", "ResourceId.1", "eci-none")
	a.refused("MissingParameter", "UntagResources", "ResourceType", "ContainerGroup", "ResourceId.1", id)
}
