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

// Events shows events one by one, newest first: those of an object, or those behind one line
// of the timeline.
type Events struct {
	list[*fleet.Event]
	title string
	none  string
	rows  func(*fleet.Snapshot) []*fleet.Event
	// pods are the pods of the groups that have one, by the group's id: ECI names groups in
	// its events, a person looks for the pod.
	pods map[string]string
}

// NewEvents shows the events of one object; of a workload those of its pods too. group is
// the id of the group behind a pod, whose events belong to the pod too; "": none.
func NewEvents(env *Env, of keymap.Object, group string) *Events {
	title := "Events of " + strings.ToLower(of.Kind) + " " + of.Name
	return newEvents(env, title, func(s *fleet.Snapshot) []*fleet.Event {
		concerns := concerning(s, of, group)
		var rows []*fleet.Event
		for _, e := range s.Events {
			if concerns(e) {
				rows = append(rows, e)
			}
		}
		return rows
	})
}

// EventsIn shows the events behind a line of the timeline, as it grows.
func EventsIn(env *Env, m *fleet.Moment) *Events {
	key := momentKey(m)
	return newEvents(env, m.Reason+" of "+momentAbout(m), func(s *fleet.Snapshot) []*fleet.Event {
		for _, m := range s.Timeline {
			if momentKey(m) == key {
				return m.Events
			}
		}
		return nil
	})
}

func newEvents(env *Env, title string, rows func(*fleet.Snapshot) []*fleet.Event) *Events {
	e := &Events{title: title, none: "no events", rows: rows}
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
			return format.Kind(KindPod) + " " + pod
		}
		return "group " + ev.Name
	}
	name := ev.Name
	if ev.Namespace != "" {
		name = ev.Namespace + "/" + name
	}
	return format.Kind(ev.Kind) + " " + name
}

// sentence is the whole message, and before it what the event is about where the column
// had to cut that.
func (e *Events) sentence(ev *fleet.Event) string {
	if e.table.Whole("OBJECT") {
		return ev.Message
	}
	return e.about(ev) + ": " + ev.Message
}

// Title says whose events these are.
func (e *Events) Title() string { return e.title }

// Show takes the events of the snapshot.
func (e *Events) Show(s *fleet.Snapshot) {
	e.pods = podsOfGroups(s)
	told := relayed(s.Events)
	var rows []*fleet.Event
	for _, ev := range e.rows(s) {
		if ev.Kind != KindGroup || !told[[3]string{e.pods[ev.Name], ev.Reason, ev.Message}] {
			rows = append(rows, ev)
		}
	}
	e.explain(s, "events", e.none)
	e.table.Set(rows)
}

// podsOfGroups are the pods of the groups that have one, namespace/name by group id.
func podsOfGroups(s *fleet.Snapshot) map[string]string {
	pods := map[string]string{}
	for _, g := range s.Groups {
		// Its tags name the pod before the pod itself is known to name the group.
		if g.Relation == fleet.Unjoined && g.Identity.PodName != "" && !strings.HasPrefix(g.Identity.PodName, "sha256-") {
			pods[g.ID] = g.Identity.Namespace + "/" + g.Identity.PodName
		}
	}
	for _, p := range s.Placements {
		if p.Pod != nil && p.Group != nil {
			pods[p.Group.ID] = p.Pod.Namespace + "/" + p.Pod.Name
		}
	}
	return pods
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

// concerning says which events are of an object, of the group behind it, or, where it is a
// workload, of its pods and their groups.
func concerning(s *fleet.Snapshot, of keymap.Object, group string) func(*fleet.Event) bool {
	pods, groups := map[string]bool{}, map[string]bool{}
	if group != "" {
		groups[group] = true
	}
	if w := s.Workload(of.Namespace, of.Kind, of.Name); w != nil && of.Kind != KindPod {
		for _, p := range w.Members() {
			pods[p.Pod.Name] = true
			if p.Group != nil {
				groups[p.Group.ID] = true
			}
		}
	}
	return func(ev *fleet.Event) bool {
		switch {
		case ev.Kind == KindGroup && groups[ev.Name]:
			return true
		case ev.Kind == KindPod && ev.Namespace == of.Namespace && pods[ev.Name]:
			return true
		case ev.Kind != of.Kind || ev.Name != of.Name:
			return false
		}
		// Events of a node carry no namespace and often the node's name as UID.
		return ev.Namespace == of.Namespace || of.Kind == KindNode || of.Kind == KindGroup
	}
}

// Actions are the keys on events.
func (e *Events) Actions() []keymap.Action {
	describe := e.describe()
	describe.Keys = append(describe.Keys, "Enter")
	return append([]keymap.Action{describe, e.why()}, e.table.Actions()...)
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
