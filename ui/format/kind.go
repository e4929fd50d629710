package format

import "strings"

// Kind is an object's kind as kubectl abbreviates it, where it does: po, deploy, sts. In a
// column beside a long name a short kind leaves room for the name.
func Kind(kind string) string {
	switch kind {
	case "Pod":
		return "po"
	case "Node":
		return "no"
	case "Namespace":
		return "ns"
	case "Service":
		return "svc"
	case "ConfigMap":
		return "cm"
	case "ServiceAccount":
		return "sa"
	case "PersistentVolume":
		return "pv"
	case "PersistentVolumeClaim":
		return "pvc"
	case "ResourceQuota":
		return "quota"
	case "Deployment":
		return "deploy"
	case "ReplicaSet":
		return "rs"
	case "ReplicationController":
		return "rc"
	case "StatefulSet":
		return "sts"
	case "DaemonSet":
		return "ds"
	case "CronJob":
		return "cj"
	case "HorizontalPodAutoscaler":
		return "hpa"
	case "PodDisruptionBudget":
		return "pdb"
	case "ScaledObject":
		return "so"
	case "CronHorizontalPodAutoscaler":
		return "cronhpa"
	case "Ingress":
		return "ing"
	case "ContainerGroup":
		return "group"
	case "Operation":
		return "op"
	}
	return strings.ToLower(kind)
}
