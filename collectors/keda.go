package collectors

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// KEDA polls KEDA's ScaledObjects, where KEDA is installed.
// https://keda.sh/docs/latest/reference/scaledobject-spec/
func KEDA(client dynamic.Interface, scope Scope) Collector {
	resource := schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
	return installed(client, scope, resource, "keda", "KEDA's ScaledObjects", func(items []unstructured.Unstructured, absent bool) fleet.Part {
		part := fleet.Autoscalers{Kind: fleet.KindKEDA, Source: "keda", Absent: absent}
		for i := range items {
			part.Items = append(part.Items, scaledObjectRecord(&items[i]))
		}
		return part
	})
}

func scaledObjectRecord(u *unstructured.Unstructured) *fleet.Autoscaler {
	o := u.Object
	a := &fleet.Autoscaler{
		Kind: fleet.KindKEDA, Namespace: intern(u.GetNamespace()), Name: u.GetName(), UID: string(u.GetUID()), ResourceVersion: u.GetResourceVersion(),
		Target: fleet.Owner{Kind: nestedString(o, "spec", "scaleTargetRef", "kind"), Name: nestedString(o, "spec", "scaleTargetRef", "name")},
		Min:    nestedInt(o, "spec", "minReplicaCount"), Max: nestedInt(o, "spec", "maxReplicaCount"),
		HPA: nestedString(o, "status", "hpaName"),
	}
	if a.Target.Kind == "" {
		a.Target.Kind = "Deployment" // KEDA's default
	}
	if a.Max == 0 {
		a.Max = 100 // KEDA's default
	}
	paused, stopped := u.GetAnnotations()["autoscaling.keda.sh/paused"], u.GetAnnotations()["autoscaling.keda.sh/paused-replicas"]
	a.Paused = paused != "" && paused != "false" || stopped != ""
	for _, c := range nestedMaps(o, "status", "conditions") {
		condition := fleet.Condition{Status: nestedString(c, "status"), Reason: nestedString(c, "reason"), Message: nestedString(c, "message")}
		switch nestedString(c, "type") {
		case "Ready":
			a.Able = condition
		case "Active":
			a.Active = condition
		case "Fallback":
			a.Limited = condition
		}
	}
	return a
}
