package ecitest

import (
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

type statusAnswer struct {
	RequestId, NextToken string
	TotalCount           int
	Data                 []wireStatus
}

// A wireStatus has the key casing of the vendor's schema, which is of both kinds.
type wireStatus struct {
	ContainerGroupId, Name, Namespace, Status, Annotations string
	UUID                                                   string `json:"uuid"`
	PodStatus                                              wirePodStatus
}

type wirePodStatus struct {
	Phase, PodIp, HostIp, QosClass, StartTime string
	PodIps                                    []wireIP
	Conditions                                []wireCondition
	ContainerStatuses                         []wireContainerStatus
}

type wireIP struct{ Ip string }

type wireCondition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	Reason, Message    string
	LastTransitionTime string `json:"lastTransitionTime"`
}

type wireContainerStatus struct {
	Name, Image, ImageID string
	Ready, Started       bool
	RestartCount         int
	State, LastState     wirePodState
}

type wirePodState struct {
	Waiting    *wireWaiting    `json:",omitempty"`
	Running    *wireRunning    `json:",omitempty"`
	Terminated *wireTerminated `json:",omitempty"`
}

type wireWaiting struct{ Reason, Message string }

type wireRunning struct {
	StartedAt string `json:"StartedAtstartedAt"` // the vendor's schema really says so
}

type wireTerminated struct {
	ContainerID, Reason, Message, StartedAt, FinishedAt string
	ExitCode, Signal                                    int
}

func (e *Emulator) describeStatus(c *call, now time.Time) (any, *refusal) {
	l, refusal := e.list(c, now, 200, 200)
	if refusal != nil {
		return nil, refusal
	}
	answer := statusAnswer{RequestId: e.requestID(), NextToken: l.next, TotalCount: l.total, Data: []wireStatus{}}
	for _, g := range l.groups {
		answer.Data = append(answer.Data, g.wireStatus(g.at(now, e.timing)))
	}
	return answer, nil
}

func (g *group) wireStatus(v *view) wireStatus {
	w := wireStatus{ContainerGroupId: g.ID, Name: g.Name, Namespace: "default", Status: string(v.status), Annotations: "{}", UUID: g.ID,
		PodStatus: wirePodStatus{Phase: v.phase, QosClass: "Guaranteed", StartTime: stamp(v.started), Conditions: g.conditions(v),
			PodIps: []wireIP{}, ContainerStatuses: []wireContainerStatus{}}}
	if v.status != eci.Scheduling && v.status != eci.ScheduleFailed {
		w.PodStatus.PodIp, w.PodStatus.HostIp, w.PodStatus.PodIps = g.IP, g.IP, []wireIP{{g.IP}}
	}
	for i, c := range g.Containers {
		r := v.containers[i]
		w.PodStatus.ContainerStatuses = append(w.PodStatus.ContainerStatuses, wireContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: c.Image, Ready: r.ready, Started: r.state.name == "Running", RestartCount: r.restarts,
			State: r.state.podState(), LastState: r.previous.podState()})
	}
	return w
}

func (s state) podState() wirePodState {
	switch s.name {
	case "Waiting":
		return wirePodState{Waiting: &wireWaiting{s.reason, s.message}}
	case "Running":
		return wirePodState{Running: &wireRunning{stamp(s.started)}}
	case "Terminated":
		return wirePodState{Terminated: &wireTerminated{Reason: s.reason, Message: s.message, StartedAt: stamp(s.started),
			FinishedAt: stamp(s.finished), ExitCode: s.exitCode}}
	}
	return wirePodState{}
}

// conditions are the pod's, with ECI's own among them.
// https://help.aliyun.com/zh/eci/user-guide/eci-custom-condition
func (g *group) conditions(v *view) []wireCondition {
	at := stamp(v.changed)
	condition := func(typ string, is bool, reason, message string) wireCondition {
		c := wireCondition{Type: typ, Status: "False", Reason: reason, Message: message, LastTransitionTime: at}
		if is {
			c.Status = "True"
		}
		return c
	}
	if v.status == eci.ScheduleFailed {
		return []wireCondition{
			condition("PodScheduled", false, "Unschedulable", v.message),
			condition("ContainerInstanceCreated", false, "ContainerGroup.NoStock", v.message),
		}
	}
	ready := v.status == eci.Running
	for _, r := range v.containers {
		ready = ready && r.ready
	}
	created := v.status != eci.Scheduling
	conditions := []wireCondition{
		condition("PodScheduled", created, "", ""),
		condition("ContainerInstanceCreated", created, "", ""),
		condition("Initialized", v.initialized, "", ""),
		condition("ContainersReady", ready, "", ""),
		condition("Ready", ready, "", ""),
	}
	for _, ev := range v.events {
		if ev.Reason == "SpotToBeReleased" {
			conditions = append(conditions, condition("ContainerInstanceExpired", true, ev.Reason, ev.Message))
		}
	}
	return conditions
}

type eventsAnswer struct {
	RequestId, NextToken string
	TotalCount           int
	Data                 []wireGroupEvents
}

type wireGroupEvents struct {
	ContainerGroupId, Name, Namespace string
	UUID                              string `json:"uuid"`
	Events                            []wirePodEvent
}

// A wirePodEvent has every key twice, since callers of the real service meet both: in lower
// camel case as in the vendor's sample, and as in its schema, by which its SDKs decode with
// regard to case.
type wirePodEvent map[string]any

func newPodEvent(ev event, component, group, id, name string) wirePodEvent {
	w := wirePodEvent{}
	both := func(key string, value any) {
		w[key], w[strings.ToUpper(key[:1])+key[1:]] = value, value
	}
	twice := func(values map[string]string) map[string]string {
		all := map[string]string{}
		for key, value := range values {
			all[key], all[strings.ToUpper(key[:1])+key[1:]] = value, value
		}
		return all
	}
	both("type", ev.Typ)
	both("count", ev.Count)
	both("firstTimestamp", stamp(ev.First))
	both("lastTimestamp", stamp(ev.Last))
	both("message", ev.Message)
	both("reason", ev.Reason)
	both("reportingComponent", component)
	both("reportingInstance", "")
	both("source", twice(map[string]string{"component": component, "host": ""}))
	both("metadata", twice(map[string]string{"name": name, "namespace": "default"}))
	// In lower camel case in both; only its keys differ.
	w["involvedObject"] = twice(map[string]string{"kind": "Pod", "apiVersion": "v1", "name": group, "namespace": "default", "uid": id})
	return w
}

// ofService reports that ECI itself says it, and not the kubelet in the group.
// https://help.aliyun.com/zh/eci/user-guide/custom-events-of-elastic-container-instance
func (ev event) ofService() bool {
	switch ev.Reason {
	case "NoStock", "SpotToBeReleased", "SystemReboot", "SystemFailureReboot":
		return true
	}
	return false
}

func (e *Emulator) describeEvents(c *call, now time.Time) (any, *refusal) {
	l, refusal := e.list(c, now, 50, 200)
	if refusal != nil {
		return nil, refusal
	}
	answer := eventsAnswer{RequestId: e.requestID(), NextToken: l.next, TotalCount: l.total, Data: []wireGroupEvents{}}
	for _, g := range l.groups {
		w := wireGroupEvents{ContainerGroupId: g.ID, Name: g.Name, Namespace: "default", UUID: g.ID, Events: []wirePodEvent{}}
		for i, ev := range g.at(now, e.timing).events {
			component := "kubelet"
			if ev.ofService() {
				component = "EciService"
			}
			if want := c.params["EventSource"]; want != "" && (want == "EciService") != (component == "EciService") {
				continue
			}
			w.Events = append(w.Events, newPodEvent(ev, component, g.Name, g.ID, g.Name+"."+digest(g.ID, "/", i)[:16]))
		}
		answer.Data = append(answer.Data, w)
	}
	return answer, nil
}
