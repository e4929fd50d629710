package eci

// The answers as the wire has them, and how they become this package's types. Fields that
// nobody reads are left out: an answer may carry anything.

type groupPage struct {
	head
	NextToken       text
	TotalCount      number
	ContainerGroups list[wireGroup]
}

func (p *groupPage) nextToken() string { return string(p.NextToken) }

type wireGroup struct {
	ContainerGroupId, ContainerGroupName, Status         text
	RegionId, ZoneId, VpcId, VSwitchId, SecurityGroupId  text
	ResourceGroupId, RamRoleName, RestartPolicy          text
	InstanceType, ComputeCategory, SpotStrategy          text
	IntranetIp, InternetIp, Ipv6Address, EniInstanceId   text
	Cpu, Memory, SpotPriceLimit, EphemeralStorage        number
	CreationTime, SucceededTime, FailedTime, ExpiredTime instant
	Tags                                                 list[wireTag]
	Containers, InitContainers                           list[wireContainer]
	Events                                               list[wireEvent]
}

type wireTag struct{ Key, Value text }

type wireContainer struct {
	Name, Image                 text
	Cpu, Memory, Gpu            number
	RestartCount                number
	Ready                       boolean
	CurrentState, PreviousState object[wireState]
}

type wireState struct {
	State, DetailStatus, Reason, Message text
	ExitCode, Signal                     number
	StartTime, FinishTime                instant
}

type wireEvent struct {
	Type, Reason, Name, Message   text
	Count                         number
	FirstTimestamp, LastTimestamp instant
}

func (w *wireGroup) group() Group {
	g := Group{
		ID: string(w.ContainerGroupId), Name: string(w.ContainerGroupName), Status: Status(w.Status),
		RegionID: string(w.RegionId), ZoneID: string(w.ZoneId), VPCID: string(w.VpcId), VSwitchID: string(w.VSwitchId),
		SecurityGroupID: string(w.SecurityGroupId), ResourceGroupID: string(w.ResourceGroupId), RAMRole: string(w.RamRoleName),
		RestartPolicy: string(w.RestartPolicy), CPU: float64(w.Cpu), Memory: float64(w.Memory), InstanceType: string(w.InstanceType),
		ComputeCategory: string(w.ComputeCategory), SpotStrategy: string(w.SpotStrategy), SpotPriceLimit: float64(w.SpotPriceLimit),
		EphemeralStorage: w.EphemeralStorage.Int32(),
		IP:               string(w.IntranetIp), PublicIP: string(w.InternetIp), IPv6: string(w.Ipv6Address), ENI: string(w.EniInstanceId),
		Created: w.CreationTime.Time, Succeeded: w.SucceededTime.Time, Failed: w.FailedTime.Time, Expired: w.ExpiredTime.Time,
		Containers: containers(w.Containers), InitContainers: containers(w.InitContainers), Events: events(w.Events), Tags: tagMap(w.Tags),
	}
	return g
}

func tagMap(wire list[wireTag]) map[string]string {
	if len(wire) == 0 {
		return nil
	}
	tags := make(map[string]string, len(wire))
	for _, tag := range wire {
		tags[string(tag.Key)] = string(tag.Value)
	}
	return tags
}

func events(wire list[wireEvent]) []Event {
	var out []Event
	for _, e := range wire {
		out = append(out, Event{
			Type: string(e.Type), Reason: string(e.Reason), Name: string(e.Name), Message: string(e.Message),
			Count: e.Count.Int32(), First: e.FirstTimestamp.Time, Last: e.LastTimestamp.Time,
		})
	}
	return out
}

func containers(wire list[wireContainer]) []Container {
	if len(wire) == 0 {
		return nil
	}
	out := make([]Container, len(wire))
	for i := range wire {
		w := &wire[i]
		out[i] = Container{
			Name: string(w.Name), Image: string(w.Image), CPU: float64(w.Cpu), Memory: float64(w.Memory), GPU: w.Gpu.Int32(),
			Ready: bool(w.Ready), RestartCount: w.RestartCount.Int32(),
			Current: w.CurrentState.V.state(), Previous: w.PreviousState.V.state(),
		}
	}
	return out
}

func (w *wireState) state() ContainerState {
	return ContainerState{
		State: string(w.State), DetailStatus: string(w.DetailStatus), Reason: string(w.Reason), Message: string(w.Message),
		ExitCode: w.ExitCode.Int32(), Signal: w.Signal.Int32(), Started: w.StartTime.Time, Finished: w.FinishTime.Time,
	}
}

type statusPage struct {
	head
	NextToken text
	Data      list[wireStatus]
}

func (p *statusPage) nextToken() string { return string(p.NextToken) }

type wireStatus struct {
	ContainerGroupId, Name, Namespace, Status, Uuid text
	PodStatus                                       object[struct {
		Phase, PodIp, HostIp text
		StartTime            instant
		Conditions           list[struct {
			Type, Status, Reason, Message text
			LastTransitionTime            instant
		}]
		ContainerStatuses list[struct {
			Name, Image, ImageID text
			Ready, Started       boolean
			RestartCount         number
			State, LastState     object[wirePodState]
		}]
	}]
}

// A wirePodState has at most one of its three. That a running container's start is called
// StartedAtstartedAt is the documentation's, which may be a slip of it.
type wirePodState struct {
	Waiting    *struct{ Reason, Message text }
	Running    *struct{ StartedAt, StartedAtstartedAt instant }
	Terminated *struct {
		Reason, Message       text
		ExitCode, Signal      number
		StartedAt, FinishedAt instant
	}
}

func (w *wirePodState) state() ContainerState {
	switch {
	case w.Terminated != nil:
		t := w.Terminated
		return ContainerState{State: "Terminated", Reason: string(t.Reason), Message: string(t.Message), ExitCode: t.ExitCode.Int32(),
			Signal: t.Signal.Int32(), Started: t.StartedAt.Time, Finished: t.FinishedAt.Time}
	case w.Running != nil && !w.Running.StartedAt.IsZero():
		return ContainerState{State: "Running", Started: w.Running.StartedAt.Time}
	case w.Running != nil:
		return ContainerState{State: "Running", Started: w.Running.StartedAtstartedAt.Time}
	case w.Waiting != nil:
		return ContainerState{State: "Waiting", Reason: string(w.Waiting.Reason), Message: string(w.Waiting.Message)}
	}
	return ContainerState{}
}

func (w *wireStatus) status() GroupStatus {
	s := GroupStatus{
		ID: string(w.ContainerGroupId), Name: string(w.Name), Namespace: string(w.Namespace), UID: string(w.Uuid), Status: Status(w.Status),
		Phase: string(w.PodStatus.V.Phase), IP: string(w.PodStatus.V.PodIp), HostIP: string(w.PodStatus.V.HostIp), Started: w.PodStatus.V.StartTime.Time,
	}
	for _, c := range w.PodStatus.V.Conditions {
		s.Conditions = append(s.Conditions, Condition{Type: string(c.Type), Status: string(c.Status), Reason: string(c.Reason),
			Message: string(c.Message), Changed: c.LastTransitionTime.Time})
	}
	for _, c := range w.PodStatus.V.ContainerStatuses {
		s.Containers = append(s.Containers, ContainerStatus{Name: string(c.Name), Image: string(c.Image), ImageID: string(c.ImageID), Ready: bool(c.Ready),
			Started: bool(c.Started), RestartCount: c.RestartCount.Int32(), Current: c.State.V.state(), Previous: c.LastState.V.state()})
	}
	return s
}
