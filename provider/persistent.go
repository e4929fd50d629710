package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// A Claim is a PersistentVolumeClaim of the pod's namespace, its volume once it is bound,
// and the Secret that the volume's driver logs in with, if it names one.
type Claim struct {
	Claim  *corev1.PersistentVolumeClaim
	Volume *corev1.PersistentVolume
	Secret *corev1.Secret
}

// claimName is the claim that a volume mounts: the one it names, or the one that Kubernetes
// makes for a generic ephemeral volume; "" for other volumes.
func claimName(pod *corev1.Pod, v *corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return pod.Name + "-" + v.Name
	}
	return ""
}

// secretOf is the Secret that a volume's driver logs in with; nil: it needs none.
func secretOf(volume *corev1.PersistentVolume) *corev1.SecretReference {
	switch {
	case volume.Spec.CSI != nil:
		return volume.Spec.CSI.NodePublishSecretRef
	case volume.Spec.FlexVolume != nil:
		return volume.Spec.FlexVolume.SecretRef
	}
	return nil
}

// persistent fills in a volume that outlives the group.
func (b *builder) persistent(v *corev1.Volume, field string, out *eci.Volume) error {
	name := claimName(b.pod, v)
	if name == "" {
		return b.inline(v, field, out)
	}
	claim := b.data.Claims[name]
	switch {
	case claim.Claim == nil:
		return &Missing{"MandatoryPersistentVolumeClaimNotFound", fmt.Sprintf("persistentvolumeclaim %q not found", name)}
	case v.Ephemeral != nil && !metav1.IsControlledBy(claim.Claim, b.pod):
		return &Refusal{Field: field + ".ephemeral", Reason: fmt.Sprintf("the claim %s exists already and is not this pod's", name), Remedy: "rename the pod or the volume"}
	case claim.Claim.Spec.VolumeName == "" || claim.Claim.Status.Phase != corev1.ClaimBound || claim.Volume == nil:
		return &Missing{"PersistentVolumeClaimNotBound", fmt.Sprintf("persistentvolumeclaim %q is not bound to a volume yet (%s)", name, claim.Claim.Status.Phase)}
	}
	at := field + ".persistentVolumeClaim"
	if v.Ephemeral != nil {
		at = field + ".ephemeral"
	}
	if ref := secretOf(claim.Volume); ref != nil && claim.Secret == nil {
		return &Missing{"MandatorySecretNotFound", fmt.Sprintf("secret \"%s/%s\" of the volume %s not found", ref.Namespace, ref.Name, claim.Volume.Name)}
	}
	if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ReadOnly {
		b.protect(v.Name)
	}
	return b.volume(claim, v.Name, at, out)
}

// protect lets containers read a volume only.
func (b *builder) protect(volume string) {
	if b.readOnly == nil {
		b.readOnly = map[string]bool{}
	}
	b.readOnly[volume] = true
}

// inline fills in a volume that the pod describes itself.
func (b *builder) inline(v *corev1.Volume, field string, out *eci.Volume) error {
	secret := func(ref *corev1.LocalObjectReference) (*corev1.Secret, error) {
		if ref == nil || ref.Name == "" {
			return nil, nil
		}
		return b.secret(ref.Name, nil)
	}
	switch {
	case v.FlexVolume != nil:
		login, err := secret(v.FlexVolume.SecretRef)
		if err != nil {
			return err
		}
		if v.FlexVolume.ReadOnly {
			b.protect(v.Name)
		}
		return flex(out, v.FlexVolume.Driver, v.FlexVolume.FSType, v.FlexVolume.Options, login)
	default:
		login, err := secret(v.CSI.NodePublishSecretRef)
		if err != nil {
			return err
		}
		if v.CSI.ReadOnly != nil && *v.CSI.ReadOnly {
			b.protect(v.Name)
		}
		fsType := ""
		if v.CSI.FSType != nil {
			fsType = *v.CSI.FSType
		}
		return driver(out, field+".csi", v.CSI.Driver, "", fsType, v.CSI.VolumeAttributes, nil, login)
	}
}

// volume fills in a bound volume.
func (b *builder) volume(claim Claim, name, field string, out *eci.Volume) error {
	pv := claim.Volume
	if pv.Spec.VolumeMode != nil && *pv.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		return &Refusal{Field: field, Reason: fmt.Sprintf("the volume %s is a raw block device, and ECI mounts file systems", pv.Name), Remedy: "use a claim with volumeMode Filesystem"}
	}
	switch {
	case pv.Spec.CSI != nil:
		if pv.Spec.CSI.ReadOnly {
			b.protect(name)
		}
		return driver(out, field, pv.Spec.CSI.Driver, pv.Spec.CSI.VolumeHandle, pv.Spec.CSI.FSType, pv.Spec.CSI.VolumeAttributes, pv.Spec.MountOptions, claim.Secret)
	case pv.Spec.FlexVolume != nil && isFlex(pv.Spec.FlexVolume.Driver):
		if pv.Spec.FlexVolume.ReadOnly {
			b.protect(name)
		}
		return flex(out, pv.Spec.FlexVolume.Driver, pv.Spec.FlexVolume.FSType, pv.Spec.FlexVolume.Options, claim.Secret)
	case pv.Spec.NFS != nil:
		out.Type = "NFSVolume"
		out.NFSVolume = &eci.NFSVolume{Server: pv.Spec.NFS.Server, Path: pv.Spec.NFS.Path, ReadOnly: pv.Spec.NFS.ReadOnly}
		return nil
	}
	return &Refusal{Field: field, Reason: fmt.Sprintf("the volume %s is neither a cloud disk nor NAS, OSS or NFS, and ECI mounts nothing else", pv.Name),
		Remedy: "use a storage class of one of these, or keep the pod on real nodes"}
}

func isFlex(driver string) bool {
	return driver == placement.FlexDisk || driver == placement.FlexNAS || driver == placement.FlexOSS
}

// driver translates a volume of ACK's CSI drivers into the options of its FlexVolume
// drivers, which are the ones that ECI has.
// https://help.aliyun.com/zh/eci/user-guide/mount-a-disk-volume
// https://help.aliyun.com/zh/eci/user-guide/mount-a-nas-volume
// https://help.aliyun.com/zh/eci/user-guide/mount-an-oss-bucket-as-a-volume
func driver(out *eci.Volume, field, name, handle, fsType string, attributes map[string]string, mountOptions []string, login *corev1.Secret) error {
	refuse := func(reason, remedy string) error { return &Refusal{Field: field, Reason: reason, Remedy: remedy} }
	switch name {
	case placement.DiskDriver:
		if handle == "" {
			return refuse("the disk has no id", "name it in the volume's volumeHandle")
		}
		if fsType == "" {
			fsType = "ext4" // the driver's default
		}
		return flex(out, placement.FlexDisk, fsType, map[string]string{"volumeId": handle}, nil)
	case placement.NASDriver:
		if attributes["server"] == "" {
			return refuse("the NAS volume names no server, and ECI does not know CNFS", "name server and path in its volumeAttributes")
		}
		options := pass(attributes, "server", "path", "vers", "options")
		var rest []string
		for _, o := range mountOptions {
			if vers, ok := strings.CutPrefix(o, "vers="); ok {
				options["vers"] = vers
			} else {
				rest = append(rest, o)
			}
		}
		if len(rest) > 0 {
			options["options"] = strings.Join(rest, ",")
		}
		return flex(out, placement.FlexNAS, fsType, options, nil)
	case placement.OSSDriver:
		if attributes["bucket"] == "" || attributes["url"] == "" {
			return refuse("the OSS volume names no bucket and url", "name both in its volumeAttributes")
		}
		if fuse := attributes["fuseType"]; fuse != "" && fuse != "ossfs" {
			return refuse(fmt.Sprintf("ECI mounts OSS with ossfs, not with %s", fuse), "use fuseType ossfs")
		}
		options := pass(attributes, "bucket", "url", "path", "otherOpts", "akId", "akSecret", "ramRole")
		if role := attributes["roleName"]; role != "" {
			options["ramRole"] = role
		}
		return flex(out, placement.FlexOSS, fsType, options, login)
	}
	return refuse(fmt.Sprintf("the volume is of the driver %s, and ECI mounts cloud disks, NAS, OSS and NFS", name), "use a storage class of one of these, or keep the pod on real nodes")
}

func pass(attributes map[string]string, keys ...string) map[string]string {
	options := map[string]string{}
	for _, key := range keys {
		if v := attributes[key]; v != "" {
			options[key] = v
		}
	}
	return options
}

// flex fills in a FlexVolume; the keys of the Secret are added to its options.
func flex(out *eci.Volume, driver, fsType string, options map[string]string, login *corev1.Secret) error {
	all := maps.Clone(options)
	if all == nil {
		all = map[string]string{}
	}
	if login != nil {
		for key, value := range login.Data {
			all[key] = string(value)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("writing the options of volume %s: %w", out.Name, err)
	}
	out.Type, out.FlexVolume = "FlexVolume", &eci.FlexVolume{Driver: driver, FsType: fsType, Options: string(text)}
	return nil
}
