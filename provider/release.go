package provider

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// Pod deletion costs: a workload that shrinks gives up its Ready pods of the lowest cost
// first, and a pod without one counts as 0. So pods on ECI go before those on real nodes,
// and among them the cheaper spot ones stay longer.
// https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost
const (
	costPayAsYouGo = "-1000"
	costSpot       = "-900"
)

// deletionCost is what the pod's annotation shall be, or "" to leave it: a value that is
// there already is somebody else's or was written before, and a pod without such an owner
// has no use for one. A pod that is still an operation's (nobody controls it yet) is left
// to that operation.
func deletionCost(pod *corev1.Pod, group *eci.Group) string {
	owner := metav1.GetControllerOf(pod)
	if _, set := pod.Annotations[corev1.PodDeletionCost]; set || owner == nil || pod.DeletionTimestamp != nil {
		return ""
	}
	switch owner.Kind {
	case "StatefulSet", "Job", "DaemonSet": // these shrink by their own order, or not at all
		return ""
	}
	spot := placement.ReadSettings(pod).Request.SpotStrategy
	if group != nil && group.SpotStrategy != "" {
		spot = group.SpotStrategy
	}
	if spot != "" && spot != "NoSpot" {
		return costSpot
	}
	return costPayAsYouGo
}
