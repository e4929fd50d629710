package placement

import (
	"fmt"
	"slices"
	"strings"
)

// A Verdict says what becomes of something that a pod says.
type Verdict int

// The verdicts, from the best to the worst.
const (
	Runs    Verdict = iota // it arrives at ECI, or Kubernetes acts on it
	Warns                  // ECI has nothing for it; the pod runs, and an event says so
	Refuses                // the pod can't run on ECI
)

// String is the verdict as the list in ECI.md writes it.
func (v Verdict) String() string { return [...]string{"runs", "warns", "refuses"}[v] }

// A Finding is what the table says about one thing that a pod says.
type Finding struct {
	Field   string // spec.containers[0].ports[1].hostPort
	Verdict Verdict
	Event   string // of a warning: the event's reason, such as SecurityContextIgnored
	Reason  string // why, in words
	Remedy  string // of a refusal: what to do
}

// A Refusal says why a pod can't run as a container group, and what to do about it.
type Refusal struct {
	Field  string // spec.containers[0].ports[1].hostPort
	Reason string
	Remedy string
}

// Error is field, reason and remedy in one line.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s; %s", r.Field, r.Reason, r.Remedy) }

// A Note is an event about something on the pod that is tolerated but not passed on.
type Note struct {
	Reason  string // the event's reason
	Message string
}

// First is the first refusal among findings, or nil: the pod can run.
func First(findings []Finding) *Refusal {
	for _, f := range findings {
		if f.Verdict == Refuses {
			return &Refusal{f.Field, f.Reason, f.Remedy}
		}
	}
	return nil
}

// Notes are the warnings among findings, one for each reason: fields that share it are
// named together, so that a pod of twenty containers makes a handful of events.
func Notes(findings []Finding) []Note {
	var notes []Note
	var fields [][]string
	var reasons []string
	for _, f := range findings {
		if f.Verdict != Warns {
			continue
		}
		at := -1
		for i := range notes {
			if notes[i].Reason == f.Event && reasons[i] == f.Reason {
				at = i
			}
		}
		if at < 0 {
			notes, fields, reasons = append(notes, Note{Reason: f.Event}), append(fields, nil), append(reasons, f.Reason)
			at = len(notes) - 1
		}
		if !slices.Contains(fields[at], f.Field) {
			fields[at] = append(fields[at], f.Field)
		}
	}
	for i := range notes {
		notes[i].Message = strings.Join(fields[i], ", ") + ": " + reasons[i]
	}
	return notes
}
