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

	ZoneId           string
	SpotStrategy     string // NoSpot, SpotWithPriceLimit, SpotAsPriceGo
	SpotPriceLimit   float64
	SpotDuration     *int32   // hours; 0: no protection period
	ComputeCategory  []string // economy, general: in order of preference
	CpuArchitecture  string   // AMD64, ARM64
	GpuDriverVersion string
	EphemeralStorage int32 // GiB above the 30 that are free
	MaxPendingMinute int32
	SecurityContext  *GroupSecurityContext
	// HostSecurityContext sets the sysctls that ECI calls unsafe.
	HostSecurityContext *GroupSecurityContext
	CorePattern         string // where core dumps go

	CpuOptionsCore           int32 // physical cores
	CpuOptionsThreadsPerCore int32 // 1: no hyper-threading

	AutoMatchImageCache *bool
	ImageSnapshotId     string
	EipInstanceId       string
	AutoCreateEip       *bool
	EipBandwidth        int32  // Mbit/s
	EipISP              string // BGP, BGP_PRO

	EipCommonBandwidthPackage  string
	Ipv6AddressCount           int32 // at most 1
	Ipv6GatewayBandwidthEnable *bool
	Ipv6GatewayBandwidth       string // 100M
	IngressBandwidth           int64  // bit/s, as the vendor's English pages say; the Chinese ones say byte/s
	EgressBandwidth            int64  // as IngressBandwidth
	PrivateIpAddress           string
	FixedIp                    string // "true"
	FixedIpRetainHour          int32

	DataCacheBucket          string
	DataCachePL              string // of its disk: PL0, PL1…
	DataCacheProvisionedIops int32
	DataCacheBurstingEnabled *bool

	NtpServer         []string
	PlainHttpRegistry string // host[:port], comma-separated
	InsecureRegistry  string // host[:port], comma-separated
	AcrRegistryInfo   []ACRRegistry

	ImageRegistryCredential []RegistryCredential
	Container               []ContainerRequest
	InitContainer           []ContainerRequest
	Volume                  []Volume
	Tag                     []Tag
}

// A GroupSecurityContext sets the group's sysctls.
type GroupSecurityContext struct{ Sysctl []Sysctl }

// A Sysctl is one kernel parameter.
type Sysctl struct{ Name, Value string }

// An ACRRegistry is an instance of the vendor's registry from which images are pulled
// without a password.
type ACRRegistry struct {
	InstanceId   string
	InstanceName string
	RegionId     string
	Domain       []string
	ArnService   string
	ArnUser      string
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
	Gpu             int32
	SecurityContext *SecurityContext
	// Fields tagged app exist for app containers only: CreateGroup refuses an init
	// container that sets one.
	Stdin     bool `eci:"app"`
	StdinOnce bool `eci:"app"`
	Tty       bool `eci:"app"`

	TerminationMessagePath   string
	TerminationMessagePolicy string

	ReadinessProbe              *Probe `eci:"app"`
	LivenessProbe               *Probe `eci:"app"`
	SecurityContextRunAsGroup   *int64 `eci:"app"`
	SecurityContextRunAsNonRoot *bool  `eci:"app"`
	SecurityContextPrivileged   *bool  `eci:"app"`

	// The lifecycle hooks, which the API has as flat parameters: one kind of each.
	LifecyclePostStartHandlerExec              []string     `eci:"app"`
	LifecyclePostStartHandlerHttpGetHost       string       `eci:"app"`
	LifecyclePostStartHandlerHttpGetPath       string       `eci:"app"`
	LifecyclePostStartHandlerHttpGetPort       int32        `eci:"app"`
	LifecyclePostStartHandlerHttpGetScheme     string       `eci:"app"`
	LifecyclePostStartHandlerHttpGetHttpHeader []HTTPHeader `eci:"app"`
	LifecyclePostStartHandlerTcpSocketHost     string       `eci:"app"`
	LifecyclePostStartHandlerTcpSocketPort     int32        `eci:"app"`
	LifecyclePreStopHandlerExec                []string     `eci:"app"`
	LifecyclePreStopHandlerHttpGetHost         string       `eci:"app"`
	LifecyclePreStopHandlerHttpGetPath         string       `eci:"app"`
	LifecyclePreStopHandlerHttpGetPort         int32        `eci:"app"`
	LifecyclePreStopHandlerHttpGetScheme       string       `eci:"app"`
	LifecyclePreStopHandlerHttpGetHttpHeader   []HTTPHeader `eci:"app"`
	LifecyclePreStopHandlerTcpSocketHost       string       `eci:"app"`
	LifecyclePreStopHandlerTcpSocketPort       int32        `eci:"app"`
}

// A Probe has exactly one of Exec, HttpGet and TcpSocket. Durations are seconds. A nil
// number takes the API's default: delay 0, period 10, timeout 1, success 1, failure 3.
type Probe struct {
	Exec                *ExecProbe
	HttpGet             *HTTPGetProbe
	TcpSocket           *TCPSocketProbe
	InitialDelaySeconds *int32
	PeriodSeconds       *int32
	TimeoutSeconds      *int32
	SuccessThreshold    *int32 // the API takes 1 only
	FailureThreshold    *int32
}

// An ExecProbe runs a command in the container.
type ExecProbe struct{ Command []string }

// An HTTPGetProbe asks the group's own address.
type HTTPGetProbe struct {
	Path   string
	Port   int32
	Scheme string // HTTP, HTTPS
}

// A TCPSocketProbe connects to a port of the group's own address.
type TCPSocketProbe struct{ Port int32 }

// An HTTPHeader is sent by a lifecycle hook's request. Its value may be secret.
type HTTPHeader struct{ Name, Value string }

// A SecurityContext is a container's. The API has no way to drop capabilities.
type SecurityContext struct {
	Capability             *Capability
	RunAsUser              *int64
	ReadOnlyRootFilesystem *bool
}

// A Capability lists what is added, such as NET_ADMIN.
type Capability struct{ Add []string }

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
	Type             string // EmptyDirVolume, ConfigFileVolume, NFSVolume, FlexVolume
	EmptyDirVolume   *EmptyDirVolume
	ConfigFileVolume *ConfigFileVolume
	NFSVolume        *NFSVolume
	FlexVolume       *FlexVolume
}

// FlexVolume is a cloud disk, a NAS or an OSS bucket.
type FlexVolume struct {
	Driver  string // alicloud/disk, alicloud/nas, alicloud/oss
	FsType  string
	Options string // a JSON object; may be secret
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
	Content string `eci:"always"` // an empty file is a file
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
	// The others select too; empty ones don't.
	Name, ZoneID, VSwitchID, SecurityGroupID, ResourceGroupID string
	Status                                                    Status
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
