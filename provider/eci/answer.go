package eci

// The answers as the wire has them, and how they become this package's types. Fields that
// nobody reads are left out: an answer may carry anything.

type groupPage struct {
	NextToken       text
	ContainerGroups list[object[wireGroup]]
}

func (p *groupPage) nextToken() string { return string(p.NextToken) }

type wireGroup struct {
	ContainerGroupId, ContainerGroupName, Status          text
	RegionId, ZoneId, VSwitchId, SecurityGroupId          text
	RestartPolicy, InstanceType, SpotStrategy, IntranetIp text
	Cpu, Memory                                           number
	CreationTime, SucceededTime, FailedTime, ExpiredTime  instant
	Tags                                                  list[object[wireTag]]
	Containers, InitContainers                            list[object[wireContainer]]
	Events                                                list[object[wireEvent]]
}

type wireTag struct{ Key, Value text }

type wireContainer struct {
	Name, Image                 text
	Cpu, Memory, RestartCount   number
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

func (w wireGroup) group() Group {
	g := Group{
		ID: string(w.ContainerGroupId), Name: string(w.ContainerGroupName), Status: Status(w.Status),
		RegionID: string(w.RegionId), ZoneID: string(w.ZoneId), VSwitchID: string(w.VSwitchId),
		SecurityGroupID: string(w.SecurityGroupId), RestartPolicy: string(w.RestartPolicy),
		CPU: float64(w.Cpu), Memory: float64(w.Memory),
		InstanceType: string(w.InstanceType), SpotStrategy: string(w.SpotStrategy), IP: string(w.IntranetIp),
		Created: w.CreationTime.Time, Succeeded: w.SucceededTime.Time, Failed: w.FailedTime.Time, Expired: w.ExpiredTime.Time,
		Containers: containers(w.Containers), InitContainers: containers(w.InitContainers),
	}
	for _, tag := range w.Tags {
		if g.Tags == nil {
			g.Tags = make(map[string]string, len(w.Tags))
		}
		g.Tags[string(tag.V.Key)] = string(tag.V.Value)
	}
	for _, e := range w.Events {
		g.Events = append(g.Events, Event{
			Type: string(e.V.Type), Reason: string(e.V.Reason), Name: string(e.V.Name), Message: string(e.V.Message),
			Count: e.V.Count.int32(), First: e.V.FirstTimestamp.Time, Last: e.V.LastTimestamp.Time,
		})
	}
	return g
}

func containers(wire list[object[wireContainer]]) []Container {
	var out []Container
	for _, o := range wire {
		w := o.V
		out = append(out, Container{
			Name: string(w.Name), Image: string(w.Image), CPU: float64(w.Cpu), Memory: float64(w.Memory),
			Ready: bool(w.Ready), RestartCount: w.RestartCount.int32(),
			Current: w.CurrentState.V.state(), Previous: w.PreviousState.V.state(),
		})
	}
	return out
}

func (w wireState) state() ContainerState {
	return ContainerState{
		State: string(w.State), DetailStatus: string(w.DetailStatus), Reason: string(w.Reason), Message: string(w.Message),
		ExitCode: w.ExitCode.int32(), Signal: w.Signal.int32(), Started: w.StartTime.Time, Finished: w.FinishTime.Time,
	}
}

type statusPage struct {
	NextToken text
	Data      list[object[wireStatus]]
}

func (p *statusPage) nextToken() string { return string(p.NextToken) }

type wireStatus struct {
	ContainerGroupId, Name, Status text
	PodStatus                      object[struct{ Phase, PodIp text }]
}

func (w wireStatus) status() GroupStatus {
	return GroupStatus{
		ID: string(w.ContainerGroupId), Name: string(w.Name), Status: Status(w.Status),
		Phase: string(w.PodStatus.V.Phase), IP: string(w.PodStatus.V.PodIp),
	}
}
