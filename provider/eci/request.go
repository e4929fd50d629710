package eci

// A CreateRequest is CreateContainerGroup's parameters. Field names are the wire's: the
// flattener writes Container[0].EnvironmentVar[1].Key as Container.1.EnvironmentVar.2.Key.
// A zero value is not sent; a pointer is sent when it is not nil, also if it points to a
// zero value. RegionId comes from the client.
type CreateRequest struct {
	ContainerGroupName string
	ClientToken        string // at most 64 ASCII characters
	VSwitchId          string // up to ten, comma-separated
	ScheduleStrategy   string // VSwitchOrdered, VSwitchRandom
	SecurityGroupId    string
	ResourceGroupId    string
	RamRoleName        string
	RestartPolicy      string
	InstanceType       string
	Cpu                float64 // vCPU
	Memory             float64 // GiB

	DnsPolicy                     string // None, Default
	DnsConfig                     *DNSConfig
	HostAliase                    []HostAlias
	HostName                      string
	ShareProcessNamespace         *bool
	TerminationGracePeriodSeconds *int64
	ActiveDeadlineSeconds         *int64

	ImageRegistryCredential []RegistryCredential
	Container               []ContainerRequest
	InitContainer           []ContainerRequest
	Volume                  []Volume
	Tag                     []Tag
}

// DNSConfig is the group's resolver.
type DNSConfig struct {
	NameServer []string
	Search     []string
	Option     []DNSOption
}

// A DNSOption is one line of resolv.conf's options.
type DNSOption struct{ Name, Value string }

// A HostAlias is one line of /etc/hosts.
type HostAlias struct {
	Ip       string
	Hostname []string
}

// A RegistryCredential logs in to an image registry. It must never be logged.
type RegistryCredential struct{ Server, UserName, Password string }

// A Tag is one of at most 20.
type Tag struct{ Key, Value string }

// A ContainerRequest is one Container.N or InitContainer.N.
type ContainerRequest struct {
	Name            string
	Image           string
	Cpu             float64 // vCPU
	Memory          float64 // GiB
	WorkingDir      string
	ImagePullPolicy string
	Command         []string
	Arg             []string
	EnvironmentVar  []EnvironmentVar
	Port            []Port
	VolumeMount     []VolumeMount
	Stdin           bool
	StdinOnce       bool
	Tty             bool

	TerminationMessagePath   string
	TerminationMessagePolicy string

	Gpu             int64
	ReadinessProbe  *Probe
	LivenessProbe   *Probe
	SecurityContext *SecurityContext

	SecurityContextRunAsGroup   *int64
	SecurityContextRunAsNonRoot *bool

	LifecyclePostStartHandlerExec          []string
	LifecyclePostStartHandlerHttpGetHost   string
	LifecyclePostStartHandlerHttpGetPath   string
	LifecyclePostStartHandlerHttpGetPort   int32
	LifecyclePostStartHandlerHttpGetScheme string
	LifecyclePostStartHandlerTcpSocketHost string
	LifecyclePostStartHandlerTcpSocketPort int32
	LifecyclePreStopHandlerExec            []string
	LifecyclePreStopHandlerHttpGetHost     string
	LifecyclePreStopHandlerHttpGetPath     string
	LifecyclePreStopHandlerHttpGetPort     int32
	LifecyclePreStopHandlerHttpGetScheme   string
	LifecyclePreStopHandlerTcpSocketHost   string
	LifecyclePreStopHandlerTcpSocketPort   int32
}

// An EnvironmentVar has either a Value (which may be empty) or a FieldRef.
type EnvironmentVar struct {
	Key      string
	Value    *string
	FieldRef *FieldRef
}

// A FieldRef names a field that ECI fills in; it knows status.podIP only.
type FieldRef struct{ FieldPath string }

// A Port is a declared container port.
type Port struct {
	Port     int32
	Protocol string
}

// A VolumeMount mounts a Volume of the group by its name.
type VolumeMount struct {
	Name             string
	MountPath        string
	SubPath          string
	ReadOnly         bool
	MountPropagation string
}

// A Volume is one of the group's volumes; Type says which of the others is set.
type Volume struct {
	Name             string
	Type             string // EmptyDirVolume, ConfigFileVolume, NFSVolume
	EmptyDirVolume   *EmptyDirVolume
	ConfigFileVolume *ConfigFileVolume
	NFSVolume        *NFSVolume
}

// EmptyDirVolume is scratch space that lives as long as the group.
type EmptyDirVolume struct {
	Medium    string // "", Memory
	SizeLimit string // 256Mi
}

// ConfigFileVolume holds files that are sent with the request: 32 KB each, 60 KB in all.
type ConfigFileVolume struct {
	DefaultMode      string // octal digits, 0644
	ConfigFileToPath []ConfigFile
}

// A ConfigFile is one file of a ConfigFileVolume. Content is base64 and may be secret.
type ConfigFile struct {
	Path    string
	Content string
	Mode    string // octal digits; "": the volume's default
}

// NFSVolume mounts an NFS export.
type NFSVolume struct {
	Server   string
	Path     string
	ReadOnly bool
}

// A GroupQuery selects groups for Groups. The zero query is every group of the region.
type GroupQuery struct {
	IDs  []string // at most 20
	Tags map[string]string
	// WithEvents asks for each group's newest 50 events.
	WithEvents bool
}

// A StatusQuery selects rows for GroupStatuses.
type StatusQuery struct {
	IDs          []string // at most 20
	Tags         map[string]string
	SinceSeconds int // 60 to 3600: only what changed since; 0: all
}

// A LogRequest is DescribeContainerLog's parameters. The API returns at most the last
// 2,000 lines or 1 MiB, whichever is less.
type LogRequest struct {
	GroupID      string
	Container    string
	Tail         *int   // lines; nil: the API's default of 500
	SinceSeconds int    // 0: from the start
	StartTime    string // RFC 3339; "": from the start
	LimitBytes   int    // 0: the API's 1 MiB
	Timestamps   bool
	Previous     bool // of the container's previous run
}
