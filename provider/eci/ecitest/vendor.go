package ecitest

import "slices"

// The vendor's own virtual nodes tag groups with the cluster's id on ACK and with names, and
// not with a pod's UID.
// https://help.aliyun.com/zh/eci/user-guide/bind-custom-tags-to-a-pod
const vendorManagedBy = "ACK"

// shownTags are a group's tags as a caller sees them. Where a virtual node plays the vendor's
// (Options.PlayedBy) it alone sees its own tags, by which it works; everybody else sees what
// ACK's would have written.
func (e *Emulator) shownTags(c *call, tags []tag) []tag {
	own := func(key string) string {
		for _, t := range tags {
			if t.Key == key {
				return t.Value
			}
		}
		return ""
	}
	if e.options.PlayedBy == "" || c.accessKeyID == e.options.PlayedBy || own("ManagedBy") != "ecideck" {
		return slices.Clone(tags)
	}
	shown := []tag{{Key: "ManagedBy", Value: vendorManagedBy}, {Key: "ClusterId", Value: VendorClusterID(own("ClusterId"))}}
	for _, t := range tags {
		switch t.Key {
		case "ManagedBy", "ClusterId", "NodeName", "PodUID", "Attempt":
		default:
			shown = append(shown, t)
		}
	}
	return shown
}

// VendorClusterID is the id that ACK's virtual nodes would write for a cluster of ours: a c
// and 32 digits.
func VendorClusterID(uid string) string { return "c" + digest("cluster", uid)[:32] }

// knownKey reports whether an access key exists. The node that plays the vendor's has one of
// its own with the same secret.
func (e *Emulator) knownKey(id string) bool {
	return id == e.options.AccessKeyID || id != "" && id == e.options.PlayedBy
}

func (e *Emulator) shownGroup(c *call, w wireGroup) wireGroup {
	w.Tags = e.shownTags(c, w.Tags)
	return w
}
