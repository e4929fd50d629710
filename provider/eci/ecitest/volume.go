package ecitest

import (
	"fmt"
	"strings"
)

// A wireVolume has the fields of every type flattened, as the vendor answers them.
type wireVolume struct {
	Name, Type                                            string
	NFSVolumePath, NFSVolumeServer                        string     `json:",omitempty"`
	NFSVolumeReadOnly                                     *bool      `json:",omitempty"`
	ConfigFileVolumeConfigFileToPaths                     []wireFile `json:",omitempty"`
	EmptyDirVolumeMedium, EmptyDirVolumeSizeLimit         string     `json:",omitempty"`
	DiskVolumeDiskId, DiskVolumeFsType                    string     `json:",omitempty"`
	FlexVolumeDriver, FlexVolumeFsType, FlexVolumeOptions string     `json:",omitempty"`
}

type wireFile struct{ Path, Content string }

func wireVolumes(volumes []volume) []wireVolume {
	out := []wireVolume{}
	for _, v := range volumes {
		p := v.Params
		w := wireVolume{Name: v.Name, Type: v.Type, NFSVolumePath: p["NFSVolume.Path"], NFSVolumeServer: p["NFSVolume.Server"],
			EmptyDirVolumeMedium: p["EmptyDirVolume.Medium"], EmptyDirVolumeSizeLimit: p["EmptyDirVolume.SizeLimit"],
			DiskVolumeDiskId: p["DiskVolume.DiskId"], DiskVolumeFsType: p["DiskVolume.FsType"],
			FlexVolumeDriver: p["FlexVolume.Driver"], FlexVolumeFsType: p["FlexVolume.FsType"], FlexVolumeOptions: p["FlexVolume.Options"]}
		if v.Type == "NFSVolume" {
			readOnly := strings.EqualFold(p["NFSVolume.ReadOnly"], "true")
			w.NFSVolumeReadOnly = &readOnly
		}
		for i := 1; ; i++ {
			path, ok := p[fmt.Sprintf("ConfigFileVolume.ConfigFileToPath.%d.Path", i)]
			if !ok {
				break
			}
			w.ConfigFileVolumeConfigFileToPaths = append(w.ConfigFileVolumeConfigFileToPaths,
				wireFile{path, p[fmt.Sprintf("ConfigFileVolume.ConfigFileToPath.%d.Content", i)]})
		}
		out = append(out, w)
	}
	return out
}
