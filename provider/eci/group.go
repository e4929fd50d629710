package eci

import "time"

// A Status is the state of a container group.
// https://help.aliyun.com/zh/eci/user-guide/lifecycle-of-an-elastic-container-instance
type Status string

// The ten documented statuses. A deleted group has none: it leaves the list.
const (
	Scheduling     Status = "Scheduling"
	ScheduleFailed Status = "ScheduleFailed"
	Pending        Status = "Pending"
	Running        Status = "Running"
	Succeeded      Status = "Succeeded"
	Failed         Status = "Failed"
	Restarting     Status = "Restarting"
	Updating       Status = "Updating"
	Terminating    Status = "Terminating"
	Expired        Status = "Expired"
)

// Billed reports whether a group in this status is paid for: from Pending (image pull)
// until it ends; Scheduling and ended groups are free.
func (s Status) Billed() bool {
	switch s {
	case Pending, Running, Restarting, Updating, Terminating:
		return true
	}
	return false
}

// Ended reports whether a group in this status will never run again.
func (s Status) Ended() bool {
	switch s {
	case Succeeded, Failed, Expired, ScheduleFailed:
		return true
	}
	return false
}

// A Group is one container group as DescribeContainerGroups answers it. A zero time, an
// empty string or a nil map is what the answer did not contain.
type Group struct {
	ID              string
	Name            string // not unique; never an identity
	Status          Status
	RegionID        string
	ZoneID          string
	VPCID           string
	VSwitchID       string
	SecurityGroupID string
	ResourceGroupID string
	RAMRole         string
	RestartPolicy   string  // Always, OnFailure, Never
	CPU             float64 // vCPU, as billed: rounded up by ECI
	Memory          float64 // GiB, as billed: rounded up by ECI
	// InstanceType is an ECS type (ecs.c6.large), by which the group is then billed; "" or
	// a size such as 2.0-4.0Gi where it is billed by vCPU and memory.
	InstanceType     string
	ComputeCategory  string  // economy, general; "": not said, which is general
	SpotStrategy     string  // NoSpot, SpotWithPriceLimit, SpotAsPriceGo; "": not said, which is NoSpot
	SpotPriceLimit   float64 // an hour, in the region's currency; 0: none
	EphemeralStorage int32   // GiB above the free ones
	IP               string  // private address in the VPC
	PublicIP         string  // of an elastic IP bound to it
	IPv6             string
	ENI              string // the network interface
	Created          time.Time
	Succeeded        time.Time
	Failed           time.Time
	Expired          time.Time
	Tags             map[string]string
	Containers       []Container
	InitContainers   []Container
	Events           []Event
}

// Ended is when the group ended, or zero while it has not, or the answer did not say.
func (g *Group) Ended() time.Time {
	for _, t := range []time.Time{g.Succeeded, g.Failed, g.Expired} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// A Container is one container of a Group.
type Container struct {
	Name         string
	Image        string
	CPU          float64 // vCPU
	Memory       float64 // GiB
	GPU          int32
	Ready        bool
	RestartCount int32
	Current      ContainerState
	Previous     ContainerState
}

// A ContainerState is what a container does now, or did last.
type ContainerState struct {
	State        string // Waiting, Running, Terminated; "" when the answer had none
	DetailStatus string
	Reason       string
	Message      string
	ExitCode     int32
	Signal       int32
	Started      time.Time
	Finished     time.Time
}

// An Event is something that happened to a group, from the group's containers
// (kubelet-like) or from ECI itself (NoStock, SpotToBeReleased …).
type Event struct {
	Type    string // Normal, Warning
	Reason  string
	Name    string
	Message string
	Count   int32
	First   time.Time
	Last    time.Time
	// What only GroupEvents knows: who reported it (EciService, kubelet) and about what. The
	// object's UID is the group's id.
	Source, ObjectKind, ObjectName, ObjectUID string
}

// A GroupStatus is one row of DescribeContainerGroupStatus: the cheap way to see what
// changed, 200 groups a page. Its words are Kubernetes'.
type GroupStatus struct {
	ID         string
	Name       string
	Namespace  string
	UID        string
	Status     Status
	Phase      string // Kubernetes' pod phase as ECI sees it
	IP         string
	HostIP     string
	Started    time.Time
	Conditions []Condition
	Containers []ContainerStatus
}

// A Condition is one of a pod's, or one that ECI adds: ContainerInstanceCreated says why a
// group can't be scheduled.
// https://help.aliyun.com/zh/eci/user-guide/eci-custom-condition
type Condition struct {
	Type    string
	Status  string // True, False, Unknown
	Reason  string
	Message string
	Changed time.Time
}

// A ContainerStatus is one container of a GroupStatus.
type ContainerStatus struct {
	Name, Image, ImageID string
	Ready                bool
	Started              bool
	RestartCount         int32
	Current, Previous    ContainerState
}
