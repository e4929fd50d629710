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

// Timeline shows what happened, Kubernetes' and ECI's side in one, newest first. Events that
// say the same of the same thing are one line; Enter opens them one by one.
type Timeline struct {
	list[*fleet.Moment]
	moments []*fleet.Moment
	none    string // what it says without a row
}

// NewTimeline shows everything that happened.
func NewTimeline(env *Env) *Timeline {
	t := &Timeline{}
	t.list = list[*fleet.Moment]{
		env: env, object: momentObject,
		reason: func(m *fleet.Moment) string {
			text := m.Message
			if m.Objects > 1 {
				text = fmt.Sprintf("%d objects, the newest %s: %s", m.Objects, m.Name, text)
			}
			if !t.table.Whole("OBJECT") {
				text = momentAbout(m) + ": " + text
			}
			return text
		},
		table: table.New(table.Config[*fleet.Moment]{Theme: env.Theme, Now: env.Now, Key: momentKey, Role: momentRole}, t.columns()),
	}
	return t
}

// Title is "Events".
func (t *Timeline) Title() string { return "Events" }

// Show takes the timeline of the snapshot.
func (t *Timeline) Show(s *fleet.Snapshot) {
	told := relayed(s.Events)
	pods := podsOfGroups(s)
	t.moments = t.moments[:0:0]
	for _, m := range s.Timeline {
		if m.Kind == KindGroup && allRelayed(m.Events, pods, told) {
			continue
		}
		t.moments = append(t.moments, m)
	}
	t.none = t.explain(s, "events", "no events")
	t.table.Set(t.moments)
}

func allRelayed(events []*fleet.Event, pods map[string]string, told map[[3]string]bool) bool {
	for _, e := range events {
		if !told[[3]string{pods[e.Name], e.Reason, e.Message}] {
			return false
		}
	}
	return true
}

// Actions are the keys on the timeline.
func (t *Timeline) Actions() []keymap.Action {
	return append([]keymap.Action{
		{Keys: []string{"Enter", "e"}, Name: "single events", Bar: true, Disabled: nothing, Help: "Show the events behind the line one by one.",
			Run: t.with(func(m *fleet.Moment) { t.env.Shell.Open(EventsIn(t.env, m)) })},
		t.describe(), t.why(), t.events(nil),
	}, t.table.Actions()...)
}

// routine reports whether a line only says that a pod starts or ends as it should: a fleet
// that scales says that all the time.
func routine(m *fleet.Moment) bool {
	switch {
	case m.Type == "Warning":
		return false
	case m.Kind == KindPod, m.Kind == KindGroup:
		return true
	}
	switch m.Reason {
	case "SuccessfulCreate", "SuccessfulDelete", "SawCompletedJob", "Completed", "LeaderElection":
		return true
	}
	return false
}

// momentKey is what events of one line share.
func momentKey(m *fleet.Moment) string {
	return strings.Join([]string{m.Source, m.Reason, m.Kind, m.Namespace, m.Subject.Kind, m.Subject.Name}, "\x00")
}

// momentObject is what a line is about: the one object, or what several have in common.
func momentObject(m *fleet.Moment) keymap.Object {
	if m.Objects == 1 || m.Subject.Kind == "" {
		o := keymap.Object{Kind: m.Kind, Namespace: m.Namespace, Name: m.Name, UID: m.UID}
		if m.Kind == KindGroup {
			o.Namespace, o.UID = "", m.Name
		}
		return o
	}
	return keymap.Object{Kind: m.Subject.Kind, Namespace: m.Namespace, Name: m.Subject.Name}
}

// momentAbout names what a line is about: the object, or the workload that several have in
// common, and how many.
func momentAbout(m *fleet.Moment) string {
	owner, name := m.Subject, ""
	if m.Objects == 1 && m.Kind == KindPod {
		owner = fleet.Owner{Kind: m.Kind, Name: m.Name}
	}
	name = owner.Name
	if m.Namespace != "" {
		name = m.Namespace + "/" + name
	}
	name = format.Kind(owner.Kind) + " " + name
	if m.Objects > 1 {
		name += fmt.Sprintf(" (%d)", m.Objects)
	}
	return name
}

func momentRole(m *fleet.Moment) theme.Role { return eventRole(&m.Event) }

func (t *Timeline) columns() []table.Column[*fleet.Moment] {
	return []table.Column[*fleet.Moment]{
		{
			Title: "LAST", Aliases: []string{"age"}, Sort: 'A', Right: true, Live: true, Importance: 0, Min: 5,
			Cell: func(m *fleet.Moment, now time.Time) string { return format.Age(m.Time, now) },
			Number: func(m *fleet.Moment, now time.Time) (float64, bool) {
				return now.Sub(m.Time).Seconds(), !m.Time.IsZero()
			},
		},
		{
			Title: "FIRST", Sort: 'I', Right: true, Live: true, Importance: 6, Min: 5,
			Cell: func(m *fleet.Moment, now time.Time) string { return format.Age(m.First, now) },
			Number: func(m *fleet.Moment, now time.Time) (float64, bool) {
				return now.Sub(m.First).Seconds(), !m.First.IsZero()
			},
		},
		{
			Title: "FROM", Aliases: []string{"source"}, Sort: 'F', Words: true, Importance: 4,
			Cell: func(m *fleet.Moment, _ time.Time) string { return known(m.Source) },
		},
		{
			Title: "TYPE", Sort: 'T', Words: true, Importance: 7,
			Cell: func(m *fleet.Moment, _ time.Time) string { return known(m.Type) },
		},
		{
			Title: "REASON", Sort: 'R', Words: true, Importance: 1, Min: 8, Max: 22,
			Cell: func(m *fleet.Moment, _ time.Time) string { return known(m.Reason) },
		},
		{
			Title: "COUNT", Sort: 'C', Largest: true, Right: true, Importance: 1,
			Cell: func(m *fleet.Moment, _ time.Time) string { return fmt.Sprint(max(m.Total, 1)) },
			Number: func(m *fleet.Moment, _ time.Time) (float64, bool) {
				return float64(max(m.Total, 1)), true
			},
		},
		{
			Title: "OBJECT", Aliases: []string{"name"}, Sort: 'O', Words: true, Middle: true, Importance: 1, Min: 10, Max: 28,
			Cell: func(m *fleet.Moment, _ time.Time) string { return momentAbout(m) },
			// A line is found by each of its objects' names, and by what they have in common.
			Match: func(m *fleet.Moment) string {
				names := momentAbout(m)
				for i, e := range m.Events {
					if i == 50 {
						break // a filter must not cost more than the events are worth
					}
					names += " " + e.Name
				}
				return names
			},
		},
		{
			Title: "MESSAGE", Sort: 'M', Words: true, Importance: 2, Min: 10, Max: 12,
			Cell: func(m *fleet.Moment, _ time.Time) string { return format.Plain(m.Message) },
		},
	}
}
