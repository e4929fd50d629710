package collectors

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// CronHPA polls ACK's CronHorizontalPodAutoscalers, where their controller is installed.
// https://github.com/AliyunContainerService/kubernetes-cronhpa-controller
func CronHPA(client dynamic.Interface, scope Scope) Collector {
	resource := schema.GroupVersionResource{Group: "autoscaling.alibabacloud.com", Version: "v1beta1", Resource: "cronhorizontalpodautoscalers"}
	return installed(client, scope, resource, "cronhpa", "CronHorizontalPodAutoscalers", func(items []unstructured.Unstructured, absent bool) fleet.Part {
		part := fleet.Autoscalers{Kind: fleet.KindCron, Source: "cronhpa", Absent: absent}
		for i := range items {
			part.Items = append(part.Items, cronHPARecord(&items[i]))
		}
		return part
	})
}

func cronHPARecord(u *unstructured.Unstructured) *fleet.Autoscaler {
	o := u.Object
	a := &fleet.Autoscaler{
		Kind: fleet.KindCron, Namespace: intern(u.GetNamespace()), Name: u.GetName(), UID: string(u.GetUID()), ResourceVersion: u.GetResourceVersion(),
		Target: fleet.Owner{Kind: nestedString(o, "spec", "scaleTargetRef", "kind"), Name: nestedString(o, "spec", "scaleTargetRef", "name")},
	}
	for _, job := range nestedMaps(o, "spec", "jobs") {
		s := fleet.Scheduled{Name: nestedString(job, "name"), Schedule: nestedString(job, "schedule"), Size: nestedInt(job, "targetSize")}
		for _, c := range nestedMaps(o, "status", "conditions") {
			if nestedString(c, "name") == s.Name {
				s.State, s.Message, s.Last = nestedString(c, "state"), nestedString(c, "message"), nestedTime(c, "lastProbeTime")
			}
		}
		a.Schedules = append(a.Schedules, s)
	}
	return a
}
