package placement

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Drivers of the volumes that ECI has.
const (
	DiskDriver = "diskplugin.csi.alibabacloud.com"
	NASDriver  = "nasplugin.csi.alibabacloud.com"
	OSSDriver  = "ossplugin.csi.alibabacloud.com"

	FlexDisk = "alicloud/disk"
	FlexNAS  = "alicloud/nas"
	FlexOSS  = "alicloud/oss"
)

const keep = "keep the pod on real nodes"

func volumeRows() []row {
	const v = "spec.volumes[]."
	const owner = "files of a group belong to root, and ECI has no parameter for another owner"
	notRoot := when(func(uid int64) bool { return uid != 0 })
	owned := func(path string) row {
		return runs(path, "files belong to root").except("not 0", notRoot, Refuses, owner, "give the file a mode that the container's user can read")
	}
	var rows []row
	add := func(r ...row) { rows = append(rows, r...) }
	items := func(path string) {
		add(runs(path+"items[].key", "selects a key"), runs(path+"items[].path", "the file's path"), runs(path+"items[].mode", "the file's mode"), owned(path+"items[].user"))
	}
	downward := func(path string) {
		add(runs(path+"items[].path", "the file's path"), runs(path+"items[].mode", "the file's mode"), owned(path+"items[].user"),
			runs(path+"items[].fieldRef.apiVersion", "v1"), runs(path+"items[].fieldRef.fieldPath", "the value when the group is made; later changes don't arrive"),
			runs(path+"items[].resourceFieldRef.containerName", "whose resources"), runs(path+"items[].resourceFieldRef.resource", "the value; without a limit, what the container can use of its group"),
			runs(path+"items[].resourceFieldRef.divisor", "the unit"))
	}
	add(
		runs(v+"name", "Volume.Name"),
		runs(v+"emptyDir.medium", "EmptyDirVolume.Medium").except("HugePages", when(func(m corev1.StorageMedium) bool {
			return m != corev1.StorageMediumDefault && m != corev1.StorageMediumMemory && m != "LocalRaid0"
		}), Refuses, "the medium %s is not available on ECI", `use "", Memory or LocalRaid0`),
		runs(v+"emptyDir.sizeLimit", "EmptyDirVolume.SizeLimit"),
		runs(v+"emptyDir.mode", "0777, as without it").except("another", when(func(m int32) bool { return m != 0o777 }), Warns,
			"VolumeModeIgnored", "ECI has no mode for an emptyDir; it is 0777"),
		runs(v+"nfs.server", "NFSVolume.Server"), runs(v+"nfs.path", "NFSVolume.Path"), runs(v+"nfs.readOnly", "NFSVolume.ReadOnly"),

		runs(v+"configMap.name", "ConfigFileVolume: 32 KB a file, 60 KB a pod, checked before the call; later changes don't arrive"),
		runs(v+"configMap.defaultMode", "ConfigFileVolume.DefaultMode"), runs(v+"configMap.optional", "a missing one is an empty directory"), owned(v+"configMap.defaultUser"),
		runs(v+"secret.secretName", "ConfigFileVolume, as a ConfigMap"),
		runs(v+"secret.defaultMode", "ConfigFileVolume.DefaultMode"), runs(v+"secret.optional", "a missing one is an empty directory"), owned(v+"secret.defaultUser"),
		runs(v+"downwardAPI.defaultMode", "ConfigFileVolume.DefaultMode"), owned(v+"downwardAPI.defaultUser"),
		runs(v+"projected.defaultMode", "ConfigFileVolume.DefaultMode"), owned(v+"projected.defaultUser"),
	)
	items(v + "configMap.")
	items(v + "secret.")
	downward(v + "downwardAPI.")
	const s = v + "projected.sources[]."
	items(s + "configMap.")
	items(s + "secret.")
	downward(s + "downwardAPI.")
	add(
		runs(s+"configMap.name", "files"), runs(s+"configMap.optional", "a missing one gives no files"),
		runs(s+"secret.name", "files"), runs(s+"secret.optional", "a missing one gives no files"),
		runs(s+"serviceAccountToken.path", "a file; it is not renewed in a running group, and a token that ends is said with its day"),
		runs(s+"serviceAccountToken.audience", "asked for; only the default one lives for a year"),
		runs(s+"serviceAccountToken.expirationSeconds", "asked for; only the default one, 3607, is extended to a year"),
		owned(s+"serviceAccountToken.user"),
		refuses(s+"clusterTrustBundle/**", "certificates of a ClusterTrustBundle change, and files of a running group can't", "put them into a ConfigMap"),
		refuses(s+"podCertificate/**", "a certificate has to be renewed, and files of a running group can't", keep),

		runs(v+"persistentVolumeClaim.claimName", "a bound cloud disk, NAS or OSS volume becomes a FlexVolume, NFS an NFSVolume; an unbound one is waited for, another kind refused when it is read"),
		runs(v+"persistentVolumeClaim.readOnly", "its mounts are read-only"),
		runs(v+"ephemeral.volumeClaimTemplate/**", "Kubernetes makes the claim, which then mounts as any other"),
		runs(v+"flexVolume.driver", "FlexVolume.Driver").except("not alicloud/disk, nas or oss",
			when(func(d string) bool { return !slices.Contains([]string{FlexDisk, FlexNAS, FlexOSS}, d) }),
			Refuses, "ECI has no driver %s", "use a cloud disk, NAS or OSS, or "+keep),
		runs(v+"flexVolume.fsType", "FlexVolume.FsType"), runs(v+"flexVolume.options", "FlexVolume.Options"),
		runs(v+"flexVolume.readOnly", "its mounts are read-only"), runs(v+"flexVolume.secretRef.name", "its keys are added to FlexVolume.Options"),
		runs(v+"csi.driver", "a NAS or OSS volume becomes a FlexVolume").except("another driver",
			when(func(d string) bool { return d != NASDriver && d != OSSDriver }), Refuses, "ECI has no inline volumes of %s", keep),
		runs(v+"csi.readOnly", "its mounts are read-only"), runs(v+"csi.fsType", "FlexVolume.FsType"), runs(v+"csi.volumeAttributes", "FlexVolume.Options"),
		runs(v+"csi.nodePublishSecretRef.name", "its keys are added to FlexVolume.Options"),

		refuses(v+"hostPath/**", "a container group has a host of its own, and its files are not the node's", "use an emptyDir or a ConfigMap, or "+keep),
		refuses(v+"image/**", "ECI mounts no images", "copy the files with an init container"),
		refuses(v+"gitRepo/**", "ECI clones no repositories", "clone it with an init container into an emptyDir"),
	)
	for _, kind := range []string{"gcePersistentDisk", "awsElasticBlockStore", "iscsi", "glusterfs", "rbd", "cinder", "cephfs", "flocker", "fc", "azureFile",
		"vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos"} {
		add(refuses(v+kind+"/**", "ECI mounts cloud disks, NAS, OSS and NFS only", "use one of them, or "+keep))
	}
	return rows
}

// HasInstanceType tells that the pod names the machine types that it runs on, ecs.….
func HasInstanceType(pod *corev1.Pod) bool {
	for _, key := range []string{annotationUseSpecs, annotationInstanceType} {
		for _, s := range strings.Split(pod.Annotations[key], ",") {
			if strings.HasPrefix(strings.TrimSpace(s), "ecs.") {
				return true
			}
		}
	}
	return false
}
