package provider

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// Limits of config files. https://help.aliyun.com/zh/eci/user-guide/mount-a-configfile-volume
const (
	maxFileBytes  = 32 << 10
	maxFilesBytes = 60 << 10
	maxPaths      = 90
)

const defaultFileMode int32 = 0o644

// files collects what one volume will contain.
type files struct {
	list  []eci.ConfigFile
	field string
	mode  int32 // of a file that names none
	wide  int32 // permissions that every file gets besides
	bytes *int  // shared by all volumes of the pod
}

// readable is what fsGroup gives to config files: ECI can't give them to a group, so
// everyone in the pod may read them, which is what the field is set for.
const readable int32 = 0o444

func (f *files) add(path string, content []byte, mode *int32) error {
	if len(content) > maxFileBytes {
		return &Refusal{Field: f.field, Reason: fmt.Sprintf("the file %s has %d bytes, and ECI takes %d a file", path, len(content), maxFileBytes), Remedy: "split it, or put it on an NFS volume"}
	}
	// A later source of a projected volume wins, as on a real node.
	at := slices.IndexFunc(f.list, func(file eci.ConfigFile) bool { return file.Path == path })
	if at >= 0 {
		*f.bytes -= base64.StdEncoding.DecodedLen(len(f.list[at].Content)) - strings.Count(f.list[at].Content, "=")
	}
	if *f.bytes += len(content); *f.bytes > maxFilesBytes {
		return &Refusal{Field: f.field, Reason: fmt.Sprintf("with the file %s the pod's config files have %d bytes, and ECI takes %d a pod", path, *f.bytes, maxFilesBytes),
			Remedy: "select the keys that the pod needs with items, or use an NFS volume"}
	}
	file := eci.ConfigFile{Path: path, Content: base64.StdEncoding.EncodeToString(content)}
	if mode != nil {
		file.Mode = octal(*mode | f.wide)
	}
	if at >= 0 {
		f.list[at] = file
		return nil
	}
	f.list = append(f.list, file)
	if len(f.list) > maxPaths {
		return &Refusal{Field: f.field, Reason: fmt.Sprintf("more than %d files in one volume", maxPaths), Remedy: "select keys with items, or split the volume"}
	}
	return nil
}

func octal(mode int32) string { return fmt.Sprintf("%04o", mode) }

// volumes translates the pod's volumes; a volume that no container mounts is sent too, so
// that a missing object is found as on a real node.
func (b *builder) volumes(req *eci.CreateRequest) error {
	for i := range b.pod.Spec.Volumes {
		v := &b.pod.Spec.Volumes[i]
		field := fmt.Sprintf("spec.volumes[%d]", i)
		out := eci.Volume{Name: v.Name}
		switch {
		case v.EmptyDir != nil:
			out.Type, out.EmptyDirVolume = "EmptyDirVolume", &eci.EmptyDirVolume{}
			out.EmptyDirVolume.Medium = string(v.EmptyDir.Medium)
			if v.EmptyDir.SizeLimit != nil && !v.EmptyDir.SizeLimit.IsZero() {
				out.EmptyDirVolume.SizeLimit = v.EmptyDir.SizeLimit.String()
			}
		case v.NFS != nil:
			out.Type = "NFSVolume"
			out.NFSVolume = &eci.NFSVolume{Server: v.NFS.Server, Path: v.NFS.Path, ReadOnly: v.NFS.ReadOnly}
		case v.PersistentVolumeClaim != nil, v.Ephemeral != nil, v.FlexVolume != nil, v.CSI != nil:
			if err := b.persistent(v, field, &out); err != nil {
				return err
			}
		default:
			config, err := b.configFiles(v, field)
			if err != nil {
				return err
			}
			if len(config.ConfigFileToPath) == 0 {
				// ECI has no config volume without files; an empty directory looks the same.
				out.Type, out.EmptyDirVolume = "EmptyDirVolume", &eci.EmptyDirVolume{}
			} else {
				out.Type, out.ConfigFileVolume = "ConfigFileVolume", config
			}
		}
		req.Volume = append(req.Volume, out)
	}
	return nil
}

// configFiles turns the volumes whose content Kubernetes knows into files.
func (b *builder) configFiles(v *corev1.Volume, field string) (*eci.ConfigFileVolume, error) {
	f := &files{field: field, mode: defaultFileMode, bytes: &b.files}
	if sc := b.pod.Spec.SecurityContext; sc != nil && sc.FSGroup != nil {
		f.wide = readable
	}
	set := func(m *int32) {
		if m != nil {
			f.mode = *m
		}
	}
	var err error
	switch {
	case v.ConfigMap != nil:
		set(v.ConfigMap.DefaultMode)
		err = b.configMapFiles(f, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional)
	case v.Secret != nil:
		set(v.Secret.DefaultMode)
		err = b.secretFiles(f, v.Secret.SecretName, v.Secret.Items, v.Secret.Optional)
	case v.DownwardAPI != nil:
		set(v.DownwardAPI.DefaultMode)
		err = b.downwardFiles(f, v.DownwardAPI.Items)
	case v.Projected != nil:
		set(v.Projected.DefaultMode)
		err = b.projectedFiles(f, v.Name, v.Projected)
	default:
		return nil, &Refusal{Field: field, Reason: "the volume says nothing that ECI can do", Remedy: "name a source, or keep the pod on real nodes"}
	}
	return &eci.ConfigFileVolume{DefaultMode: octal(f.mode | f.wide), ConfigFileToPath: f.list}, err
}

func (b *builder) projectedFiles(f *files, volume string, projected *corev1.ProjectedVolumeSource) error {
	base := f.field
	for i, source := range projected.Sources {
		f.field = fmt.Sprintf("%s.projected.sources[%d]", base, i)
		var err error
		switch {
		case source.ConfigMap != nil:
			err = b.configMapFiles(f, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional)
		case source.Secret != nil:
			err = b.secretFiles(f, source.Secret.Name, source.Secret.Items, source.Secret.Optional)
		case source.DownwardAPI != nil:
			err = b.downwardFiles(f, source.DownwardAPI.Items)
		case source.ServiceAccountToken != nil:
			token := b.data.Tokens[tokenKey{volume, source.ServiceAccountToken.Path}]
			if token.fixed {
				b.note("TokenNotRenewed", "%s: a file of a running group can't be renewed; the service account token ends at %s",
					f.field, token.expires.UTC().Format("2006-01-02T15:04:05Z"))
			}
			err = f.add(source.ServiceAccountToken.Path, []byte(token.value), nil)
		default:
			err = &Refusal{Field: f.field, Reason: "the source says nothing that ECI can do", Remedy: "name a source, or keep the pod on real nodes"}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) configMapFiles(f *files, name string, items []corev1.KeyToPath, optional *bool) error {
	object, err := b.configMap(name, optional)
	if err != nil || object == nil {
		return err
	}
	content := map[string][]byte{}
	for key, value := range object.Data {
		content[key] = []byte(value)
	}
	for key, value := range object.BinaryData {
		content[key] = value
	}
	return b.keyFiles(f, "ConfigMap", name, content, items, optional)
}

func (b *builder) secretFiles(f *files, name string, items []corev1.KeyToPath, optional *bool) error {
	object, err := b.secret(name, optional)
	if err != nil || object == nil {
		return err
	}
	return b.keyFiles(f, "Secret", name, object.Data, items, optional)
}

// keyFiles adds all keys, or those that items select under the paths they name.
func (b *builder) keyFiles(f *files, kind, name string, content map[string][]byte, items []corev1.KeyToPath, optional *bool) error {
	if len(items) == 0 {
		for _, key := range sortedKeys(content) {
			if err := f.add(key, content[key], nil); err != nil {
				return err
			}
		}
		return nil
	}
	for _, item := range items {
		value, ok := content[item.Key]
		if !ok {
			if err := b.missingKey(kind, name, item.Key, optional); err != nil {
				return err
			}
			continue
		}
		if err := f.add(item.Path, value, item.Mode); err != nil {
			return err
		}
	}
	return nil
}

// downwardFiles writes fields of the pod. The pod's address is not known before the group
// exists, and a file can't refer to it as a variable can.
func (b *builder) downwardFiles(f *files, items []corev1.DownwardAPIVolumeFile) error {
	for i := range items {
		item := &items[i]
		var value string
		var err error
		switch {
		case item.FieldRef != nil && strings.HasPrefix(item.FieldRef.FieldPath, "status."):
			err = &Refusal{Field: f.field, Reason: fmt.Sprintf("the field %s has no value before the group exists", item.FieldRef.FieldPath), Remedy: "use an environment variable"}
		case item.FieldRef != nil:
			value, err = b.podField(item.FieldRef.FieldPath, f.field)
		case item.ResourceFieldRef != nil:
			value, err = b.resourceField(item.ResourceFieldRef, nil, f.field)
		}
		if err == nil {
			err = f.add(item.Path, []byte(value), item.Mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
