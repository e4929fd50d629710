package spec

// The limits of one group.
// https://help.aliyun.com/zh/eci/product-overview/limits
const (
	MaxCPU        = 64  // vCPU
	MaxMemory     = 512 // GiB; the largest size of the table
	MaxContainers = 20
	MaxVolumes    = 20
	MaxTags       = 20
	MaxTagKey     = 64  // characters
	MaxTagValue   = 128 // characters
)

// The limits of config files.
// https://help.aliyun.com/zh/eci/user-guide/mount-a-configfile-volume
const (
	MaxConfigFile  = 32 << 10 // bytes of one file, before base64
	MaxConfigFiles = 60 << 10 // bytes of all files of a group, before base64
)

// A CallLimit is how often an account may call an action in a region.
type CallLimit struct {
	Action    string
	PerMinute int
}

// CallLimits are the documented limits; of other actions none is known. An account's own may
// be higher: they are raised by ticket.
// https://help.aliyun.com/zh/eci/product-overview/limits
func CallLimits() []CallLimit {
	return []CallLimit{
		{"DescribeContainerGroups", 2000},
		{"DescribeContainerGroupMetric", 2000},
		{"CreateContainerGroup", 1000},
		{"DeleteContainerGroup", 1000},
		{"DescribeContainerGroupPrice", 1000},
		{"ExecContainerCommand", 500},
		{"DescribeContainerLog", 500},
		{"RestartContainerGroup", 500},
		{"UpdateContainerGroup", 500},
		{"DescribeMultiContainerGroupMetric", 500},
		{"CreateImageCache", 200},
	}
}
