package collectors

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ecideck/ecideck/collectors/fleet"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Policies polls ACK's ResourcePolicies, where they are installed.
// https://help.aliyun.com/zh/ack/ack-managed-and-ack-dedicated/user-guide/configure-priority-based-resource-scheduling
func Policies(client dynamic.Interface, scope Scope) Collector {
	resource := schema.GroupVersionResource{Group: "scheduling.alibabacloud.com", Version: "v1alpha1", Resource: "resourcepolicies"}
	return installed(client, scope, resource, "policies", "ACK's ResourcePolicies", func(items []unstructured.Unstructured, absent bool) fleet.Part {
		part := fleet.Policies{Absent: absent}
		for i := range items {
			part.Items = append(part.Items, policyRecord(&items[i]))
		}
		return part
	})
}

func policyRecord(u *unstructured.Unstructured) fleet.Policy {
	p := fleet.Policy{Namespace: intern(u.GetNamespace()), Name: u.GetName()}
	selector, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector")
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		pairs = append(pairs, key+"="+selector[key])
	}
	p.Selector = strings.Join(pairs, ",")
	var units []string
	for _, unit := range nestedMaps(u.Object, "spec", "units") {
		text := nestedString(unit, "resource")
		if most := nestedInt(unit, "max"); most > 0 {
			text += fmt.Sprintf(" (max %d)", most)
		}
		units = append(units, text)
	}
	p.Units = strings.Join(units, " → ")
	return p
}
