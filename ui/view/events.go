package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Events shows what happened, Kubernetes' and ECI's side in one timeline, newest first.
type Events struct {
	list[*fleet.Event]
	of    keymap.Object // only events of this object; zero: all
	group string        // and of this group, the one behind the pod; "": none
	// pods are the pods of the groups that have one, by the group's id: ECI names groups in
	// its events, a person looks for the pod.
	pods map[string]string
}

// NewEvents shows the events of one object, or all with a zero one. group is the id of the
// group behind a pod, whose events belong to the pod too.
func NewEvents(env *Env, of keymap.Object, group string) *Events {
	e := &Events{of: of, group: group}
	e.list = list[*fleet.Event]{
		env: env, object: eventObject, reason: e.sentence,
		table: table.New(table.Config[*fleet.Event]{
			Theme: env.Theme, Now: env.Now, Key: eventKey, Role: eventRole,
		}, eventColumns(e.about)),
	}
	return e
}

// about names what an event is about.
func (e *Events) about(ev *fleet.Event) string {
	if ev.Kind == KindGroup {
		if pod := e.pods[ev.Name]; pod != "" {
			return "pod " + pod
		}
		return "group " + ev.Name
	}
	name := ev.Name
	if ev.Namespace != "" {
		name = ev.Namespace + "/" + name
	}
	return strings.ToLower(ev.Kind) + " " + name
}

// sentence is the whole message, and before it what the event is about where the column
// had to cut that.
func (e *Events) sentence(ev *fleet.Event) string {
	if e.table.Whole("OBJECT") {
		return ev.Message
	}
	return e.about(ev) + ": " + ev.Message
}

// Title is "Events", or "Events of" an object.
func (e *Events) Title() string {
	if e.of != (keymap.Object{}) {
		return "Events of " + strings.ToLower(e.of.Kind) + " " + e.of.Name
	}
	return "Events"
}

// Show takes the events of the snapshot.
func (e *Events) Show(s *fleet.Snapshot) {
	e.pods = map[string]string{}
	for _, g := range s.Groups {
		// Its tags name the pod before the pod itself is known to name the group.
		if g.Relation == fleet.Unjoined && g.Identity.PodName != "" && !strings.HasPrefix(g.Identity.PodName, "sha256-") {
			e.pods[g.ID] = g.Identity.Namespace + "/" + g.Identity.PodName
		}
	}
	for _, p := range s.Placements {
		if p.Pod != nil && p.Group != nil {
			e.pods[p.Group.ID] = p.Pod.Namespace + "/" + p.Pod.Name
		}
	}
	told := relayed(s.Events)
	var rows []*fleet.Event
	for i := range s.Events {
		ev := s.Events[i]
		if ev.Kind == KindGroup && told[[3]string{e.pods[ev.Name], ev.Reason, ev.Message}] {
			continue
		}
		if e.concerns(ev) {
			rows = append(rows, s.Events[i])
		}
	}
	e.explain(s, "events", "no events")
	e.table.Set(rows)
}

// relayed are the events of pods as Kubernetes has them, by pod, reason and message. A virtual
// node tells on the pod what happens to its group: such an event is shown once.
func relayed(events []*fleet.Event) map[[3]string]bool {
	told := map[[3]string]bool{}
	for _, ev := range events {
		if ev.Kind == KindPod && ev.Source == "k8s" {
			told[[3]string{ev.Namespace + "/" + ev.Name, ev.Reason, ev.Message}] = true
		}
	}
	return told
}

func (e *Events) concerns(ev *fleet.Event) bool {
	switch {
	case e.of == (keymap.Object{}):
		return true
	case e.group != "" && ev.Kind == KindGroup && ev.Name == e.group:
		return true
	case ev.Kind != e.of.Kind || ev.Name != e.of.Name:
		return false
	}
	// Events of a node carry no namespace and often the node's name as UID.
	return ev.Namespace == e.of.Namespace || e.of.Kind != KindPod
}

// Actions are the keys on events.
func (e *Events) Actions() []keymap.Action {
	describe := e.describe()
	describe.Keys = append(describe.Keys, "Enter")
	describe.Disabled = func(s keymap.Selection) string {
		switch s.Cursor.Kind {
		case KindPod, KindNode, KindGroup:
			return ""
		case "":
			return "nothing is selected"
		}
		return "a " + s.Cursor.Kind + " can't be described here"
	}
	return append([]keymap.Action{describe}, e.table.Actions()...)
}

func eventKey(e *fleet.Event) string {
	return strings.Join([]string{e.Source, e.Kind, e.Namespace, e.Name, e.UID, e.Reason, e.Message}, "\x00")
}

func eventObject(e *fleet.Event) keymap.Object {
	return keymap.Object{Kind: e.Kind, Namespace: e.Namespace, Name: e.Name, UID: e.UID}
}

func eventRole(e *fleet.Event) theme.Role {
	if e.Type == "Warning" {
		return theme.Degraded
	}
	return theme.Plain
}

func eventColumns(about func(*fleet.Event) string) []table.Column[*fleet.Event] {
	return []table.Column[*fleet.Event]{
		{
			Title: "LAST", Aliases: []string{"age"}, Sort: 'A', Right: true, Live: true, Importance: 0, Min: 5,
			Cell: func(e *fleet.Event, now time.Time) string { return format.Age(e.Time, now) },
			Number: func(e *fleet.Event, now time.Time) (float64, bool) {
				return now.Sub(e.Time).Seconds(), !e.Time.IsZero()
			},
		},
		{
			Title: "FROM", Aliases: []string{"source"}, Sort: 'F', Words: true, Importance: 5,
			Cell: func(e *fleet.Event, _ time.Time) string { return known(e.Source) },
		},
		{
			Title: "TYPE", Sort: 'T', Words: true, Importance: 4,
			Cell: func(e *fleet.Event, _ time.Time) string { return known(e.Type) },
		},
		{
			Title: "REASON", Sort: 'R', Words: true, Importance: 1, Min: 8, Max: 22,
			Cell: func(e *fleet.Event, _ time.Time) string { return known(e.Reason) },
		},
		{
			Title: "COUNT", Sort: 'C', Largest: true, Right: true, Importance: 3,
			Cell: func(e *fleet.Event, _ time.Time) string { return fmt.Sprint(max(e.Count, 1)) },
			Number: func(e *fleet.Event, _ time.Time) (float64, bool) {
				return float64(max(e.Count, 1)), true
			},
		},
		{
			Title: "OBJECT", Aliases: []string{"name"}, Sort: 'O', Words: true, Middle: true, Importance: 1, Min: 10, Max: 30, Whole: 1,
			Cell: func(e *fleet.Event, _ time.Time) string { return about(e) },
			// A group's event is found by the pod's name and by the group's id.
			Match: func(e *fleet.Event) string { return about(e) + " " + e.Name },
		},
		{
			Title: "MESSAGE", Sort: 'M', Words: true, Importance: 2, Min: 10, Max: 30,
			Cell: func(e *fleet.Event, _ time.Time) string { return format.Plain(e.Message) },
		},
	}
}
