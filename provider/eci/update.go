package eci

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// An UpdateRequest changes a group that is Pending or Running; its containers then start
// again, and it is Updating until they did. Field names are the wire's, as in CreateRequest;
// what is zero stays as it is.
// https://help.aliyun.com/zh/eci/developer-reference/api-eci-2018-08-08-updatecontainergroup
type UpdateRequest struct {
	ContainerGroupId string
	ClientToken      string
	// UpdateType: RenewUpdate (the default) replaces what the request has,
	// IncrementalUpdate adds it to what the group has.
	UpdateType              string
	RestartPolicy           string
	ResourceGroupId         string
	Cpu                     float64 // vCPU
	Memory                  float64 // GiB
	Tag                     []Tag
	DnsConfig               *DNSConfig
	ImageRegistryCredential []RegistryCredential
	AcrRegistryInfo         []UpdateACRRegistry
	Container               []UpdateContainer
	InitContainer           []UpdateContainer
	Volume                  []UpdateVolume
}

func (*UpdateRequest) action() string { return "UpdateContainerGroup" }

// An UpdateACRRegistry is an ACRRegistry without roles, which can't be changed.
type UpdateACRRegistry struct {
	InstanceId, InstanceName, RegionId string
	Domain                             []string
}

// An UpdateContainer is one container with what can be changed of it. The API spells one of
// its names otherwise than on creation: the headers of the postStart hook.
type UpdateContainer struct {
	Name, Image, WorkingDir, ImagePullPolicy string
	Cpu                                      float64 // vCPU
	Memory                                   float64 // GiB
	Gpu                                      int32
	Command, Arg                             []string
	EnvironmentVar                           []EnvironmentVar
	Port                                     []Port
	VolumeMount                              []VolumeMount
	SecurityContext                          *SecurityContext
	Stdin, StdinOnce, Tty                    bool
	ReadinessProbe                           *Probe `eci:"app"`
	LivenessProbe                            *Probe `eci:"app"`

	LifecyclePostStartHandlerExec               []string     `eci:"app"`
	LifecyclePostStartHandlerHttpGetHost        string       `eci:"app"`
	LifecyclePostStartHandlerHttpGetPath        string       `eci:"app"`
	LifecyclePostStartHandlerHttpGetPort        int32        `eci:"app"`
	LifecyclePostStartHandlerHttpGetScheme      string       `eci:"app"`
	LifecyclePostStartHandlerHttpGetHttpHeaders []HTTPHeader `eci:"app"`
	LifecyclePostStartHandlerTcpSocketHost      string       `eci:"app"`
	LifecyclePostStartHandlerTcpSocketPort      int32        `eci:"app"`
	LifecyclePreStopHandlerExec                 []string     `eci:"app"`
	LifecyclePreStopHandlerHttpGetHost          string       `eci:"app"`
	LifecyclePreStopHandlerHttpGetPath          string       `eci:"app"`
	LifecyclePreStopHandlerHttpGetPort          int32        `eci:"app"`
	LifecyclePreStopHandlerHttpGetScheme        string       `eci:"app"`
	LifecyclePreStopHandlerHttpGetHttpHeader    []HTTPHeader `eci:"app"`
	LifecyclePreStopHandlerTcpSocketHost        string       `eci:"app"`
	LifecyclePreStopHandlerTcpSocketPort        int32        `eci:"app"`
}

// An UpdateVolume is a Volume; the modes of config files can't be changed.
type UpdateVolume struct {
	Name, Type       string
	EmptyDirVolume   *EmptyDirVolume
	ConfigFileVolume *UpdateConfigFileVolume
	NFSVolume        *NFSVolume
	FlexVolume       *FlexVolume
}

// An UpdateConfigFileVolume is a ConfigFileVolume without modes.
type UpdateConfigFileVolume struct{ ConfigFileToPath []UpdateConfigFile }

// An UpdateConfigFile is a file; Content is base64 and may be secret.
type UpdateConfigFile struct {
	Path    string
	Content string `eci:"always"`
}

// UpdateGroup changes a group. A second update with the same ClientToken is the same update.
func (c *Client) UpdateGroup(ctx context.Context, r *UpdateRequest) error {
	if err := c.do(ctx, r, r.ClientToken != "", &head{}); err != nil {
		return fmt.Errorf("updating group %s: %w", r.ContainerGroupId, err)
	}
	return nil
}

// LogValue is what may be logged of an update.
func (r UpdateRequest) LogValue() slog.Value {
	return slog.GroupValue(slog.String("group", r.ContainerGroupId), slog.String("images", r.images()))
}

// String is LogValue's as text.
func (r UpdateRequest) String() string {
	return "update of group " + r.ContainerGroupId + " to images " + r.images()
}

// Format makes every verb print String.
func (r UpdateRequest) Format(s fmt.State, _ rune) { fmt.Fprint(s, r.String()) }

func (r UpdateRequest) images() string {
	var images []string
	for _, list := range [][]UpdateContainer{r.InitContainer, r.Container} {
		for _, c := range list {
			images = append(images, c.Image)
		}
	}
	return strings.Join(images, ",")
}

// String hides the content.
func (f UpdateConfigFile) String() string { return "file " + f.Path }

// Format makes every verb print String.
func (f UpdateConfigFile) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }
