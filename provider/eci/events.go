package eci

import (
	"context"
	"fmt"
)

// An EventQuery selects events for GroupEvents.
type EventQuery struct {
	IDs          []string // at most 20
	Tags         map[string]string
	SinceSeconds int // 60 to 3600; 0: all that ECI keeps
	// Source is EciService for what ECI itself says (no stock, a spot instance reclaimed) or
	// K8sAgent for the containers'; "": both.
	Source string
}

// GroupEvents are the events of one group.
type GroupEvents struct {
	ID        string
	Name      string
	Namespace string
	Events    []Event
}

type eventsRequest struct {
	selection
	SinceSecond int
	EventSource string
	paging
}

func (*eventsRequest) action() string { return "DescribeContainerGroupEvents" }

type eventsPage struct {
	head
	NextToken text
	Data      list[struct {
		ContainerGroupId, Name, Namespace text
		Events                            list[wireGroupEvent]
	}]
}

func (p *eventsPage) nextToken() string { return string(p.NextToken) }

// A wireGroupEvent is like a Kubernetes event. The documentation has its names in one case
// and its sample in another.
type wireGroupEvent struct {
	Type, Reason, Message, ReportingComponent, ReportingInstance text
	Count                                                        number
	FirstTimestamp, LastTimestamp                                instant
	Source                                                       object[struct{ Component, Host text }]
	InvolvedObject                                               object[struct{ Kind, Name, Namespace, Uid, ApiVersion text }]
	Metadata                                                     object[struct{ Name, Namespace text }]
}

func (w *wireGroupEvent) event() Event {
	e := Event{
		Type: string(w.Type), Reason: string(w.Reason), Name: string(w.Metadata.V.Name), Message: string(w.Message), Count: w.Count.Int32(),
		First: w.FirstTimestamp.Time, Last: w.LastTimestamp.Time, Source: string(w.Source.V.Component),
		ObjectKind: string(w.InvolvedObject.V.Kind), ObjectName: string(w.InvolvedObject.V.Name), ObjectUID: string(w.InvolvedObject.V.Uid),
	}
	if e.Source == "" {
		e.Source = string(w.ReportingComponent)
	}
	return e
}

// GroupEvents returns the events of the groups that the query selects, every page. As with
// Groups, an empty result proves nothing.
func (c *Client) GroupEvents(ctx context.Context, q EventQuery) ([]GroupEvents, error) {
	selected, err := (&GroupQuery{IDs: q.IDs, Tags: q.Tags}).selection()
	if err != nil {
		return nil, fmt.Errorf("listing group events: %w", err)
	}
	r := &eventsRequest{selection: selected, SinceSecond: q.SinceSeconds, EventSource: q.Source, paging: paging{Limit: eventsPerPage}}
	var out []GroupEvents
	seen := map[string]bool{}
	err = c.pages(ctx, r, func() page { return &eventsPage{} }, func(p page) {
		for _, w := range p.(*eventsPage).Data {
			if seen[string(w.ContainerGroupId)] {
				continue
			}
			seen[string(w.ContainerGroupId)] = true
			g := GroupEvents{ID: string(w.ContainerGroupId), Name: string(w.Name), Namespace: string(w.Namespace)}
			for i := range w.Events {
				g.Events = append(g.Events, w.Events[i].event())
			}
			out = append(out, g)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing group events: %w", err)
	}
	return out, nil
}
