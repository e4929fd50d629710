package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
)

// An eventItem is one line of the timeline: events that say the same of the same thing, or
// with --single one of them.
type eventItem struct {
	Last    time.Time   `json:"last"`
	First   *time.Time  `json:"first"`
	Count   int         `json:"count"`
	Objects int         `json:"objects"` // how many objects they are about
	Source  string      `json:"source"`  // k8s, eci, or ecideck for operations
	Type    *string     `json:"type"`    // Normal, Warning
	Reason  *string     `json:"reason"`
	Message *string     `json:"message"` // of the newest
	Object  refItem     `json:"object"`  // of the newest
	Subject workloadRef `json:"subject"` // what the objects have in common
}

// A refItem names an object.
type refItem struct {
	Kind      *string `json:"kind"`
	Namespace *string `json:"namespace"`
	Name      *string `json:"name"`
	UID       *string `json:"uid"`
}

func newRefItem(r fleet.Ref) refItem {
	return refItem{known(r.Kind), known(r.Namespace), known(r.Name), known(r.UID)}
}

func eventTable(s *fleet.Snapshot, o listOptions) table {
	t := table{namespaced: true, columns: []column{
		{"LAST", false}, {"FROM", false}, {"TYPE", false}, {"REASON", false}, {"COUNT", false}, {"OBJECT", false}, {"MESSAGE", false}, {"FIRST", true}, {"OBJECTS", true},
	}}
	moments := s.Timeline
	if o.single {
		moments = nil
		for _, e := range s.Events {
			moments = append(moments, &fleet.Moment{Event: *e, First: e.First, Total: e.Count, Objects: 1, Subject: fleet.Owner{Kind: e.Kind, Name: e.Name}})
		}
	}
	for _, m := range moments {
		if o.namespace != "" && m.Namespace != o.namespace {
			continue
		}
		count := max(m.Total, 1)
		item := eventItem{
			Last: m.Time.UTC(), First: knownTime(m.First), Count: count, Objects: m.Objects, Source: m.Source, Type: known(m.Type), Reason: known(m.Reason),
			Message: known(m.Message), Object: newRefItem(fleet.Ref{Kind: m.Kind, Namespace: m.Namespace, Name: m.Name, UID: m.UID}),
			Subject: workloadRef{m.Subject.Kind, m.Subject.Name},
		}
		about := format.Kind(m.Kind) + "/" + m.Name
		if m.Objects > 1 {
			about = fmt.Sprintf("%s/%s (%d)", format.Kind(m.Subject.Kind), m.Subject.Name, m.Objects)
		}
		t.rows = append(t.rows, row{item: item, namespace: m.Namespace, cells: []string{
			age(m.Time, o.now), m.Source, m.Type, m.Reason, strconv.Itoa(count), about, strings.Join(strings.Fields(m.Message), " "), age(m.First, o.now), strconv.Itoa(m.Objects),
		}, exact: map[int]string{0: m.Time.UTC().Format(time.RFC3339), 7: exactTime(m.First)}})
	}
	return t
}

// exactTime is a time as programs read it; "" is unknown.
func exactTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
