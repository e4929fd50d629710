package lastwords

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Record is what is kept of one pod. Times are in UTC.
type Record struct {
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod"`
	UID       string    `json:"uid"`
	Owner     string    `json:"owner,omitempty"` // its controller, such as Job/report; "": none
	Node      string    `json:"node"`
	Group     string    `json:"group"` // the container group's id
	At        time.Time `json:"at"`    // when it was kept
	Why       Why       `json:"why"`
	Phase     string    `json:"phase"` // of the pod: Running, Succeeded, Failed…
	Reason    string    `json:"reason,omitempty"`
	Message   string    `json:"message,omitempty"`

	Containers []Container `json:"containers"`
	Events     []Event     `json:"events,omitempty"`  // of the group, the oldest first
	Missing    []string    `json:"missing,omitempty"` // what could not be read, in words
}

// A Why is what made a record be kept.
type Why string

// What makes a record be kept. A pod that is deleted while it runs is kept twice: before its
// group is deleted, and when its containers have ended.
const (
	Ended     Why = "ended"     // its containers ended by themselves
	Deleted   Why = "deleted"   // the pod was deleted
	Restarted Why = "restarted" // a container failed and was started again; the pod goes on
	Gone      Why = "gone"      // its group went behind Kubernetes' back
	Orphaned  Why = "orphaned"  // its pod was gone before its group
)

// Final tells that nothing more is to come.
func (w Why) Final() bool { return w != Restarted }

// A Container is how one container ended.
type Container struct {
	Name     string    `json:"name"`
	Init     bool      `json:"init,omitempty"`
	State    string    `json:"state"` // Waiting, Running, Terminated; "": unknown
	Reason   string    `json:"reason,omitempty"`
	Message  string    `json:"message,omitempty"` // its termination message
	ExitCode int32     `json:"exitCode"`          // of State Terminated
	Signal   int32     `json:"signal,omitempty"`
	Restarts int32     `json:"restarts,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// Log is of this run and Previous of the run before, with a timestamp at the start of
	// every line. Cut tells that earlier lines are not kept.
	Log         string `json:"log,omitempty"`
	Previous    string `json:"previous,omitempty"`
	Cut         bool   `json:"cut,omitempty"`
	PreviousCut bool   `json:"previousCut,omitempty"`
}

// An Event is one of the group's.
type Event struct {
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int32     `json:"count"`
	Last    time.Time `json:"last"`
}

// Limits of a record and of a namespace's records. A Secret holds 1 MiB at the most, and the
// whole of it is written for every record.
const (
	maxRecord  = 12 << 10  // bytes, compressed
	maxStored  = 384 << 10 // bytes of a namespace's records, compressed
	maxRecords = 100       // of a namespace
	maxAge     = 7 * 24 * time.Hour
	maxText    = 64 << 10 // bytes of one log before it is compressed
	maxEvents  = 30
	maxWords   = 1 << 10 // bytes of a message

	// Lines is how many lines of a log are worth asking for.
	Lines = 200
)

// Container finds a container by its name; nil: there is none.
func (r *Record) Container(name string) *Container {
	for i := range r.Containers {
		if r.Containers[i].Name == name {
			return &r.Containers[i]
		}
	}
	return nil
}

// encode makes a record small enough: the logs lose their first lines until it is.
func encode(r Record) ([]byte, error) {
	r.Containers, r.Message = slices.Clone(r.Containers), cut(r.Message)
	r.Events = slices.Clone(r.Events[max(0, len(r.Events)-maxEvents):])
	for i := range r.Events {
		r.Events[i].Message = cut(r.Events[i].Message)
	}
	for limit := maxText; ; limit /= 2 {
		for i := range r.Containers {
			c := &r.Containers[i]
			c.Message = cut(c.Message)
			c.Log, c.Cut = lastBytes(c.Log, limit, c.Cut)
			c.Previous, c.PreviousCut = lastBytes(c.Previous, limit, c.PreviousCut)
		}
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		if err := json.NewEncoder(zip).Encode(r); err != nil {
			return nil, fmt.Errorf("encoding the last words of %s/%s: %w", r.Namespace, r.Pod, err)
		}
		if err := zip.Close(); err != nil {
			return nil, fmt.Errorf("encoding the last words of %s/%s: %w", r.Namespace, r.Pod, err)
		}
		if out.Len() <= maxRecord || limit == 0 {
			return out.Bytes(), nil
		}
		if limit < 64 { // twenty containers with long messages
			limit = 0
			r.Events = nil
		}
	}
}

func cut(s string) string {
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "") + "…"
}

// lastBytes are the last whole lines that fit.
func lastBytes(text string, limit int, was bool) (string, bool) {
	if len(text) <= limit {
		return text, was
	}
	text = text[len(text)-limit:]
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return text[i+1:], true
	}
	return "", true
}

// decode reads what encode wrote. Somebody may have written it who can write Secrets, so what
// it may grow to is bounded.
func decode(raw []byte) (Record, error) {
	var r Record
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return r, fmt.Errorf("reading last words: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(zip, 50*maxText))
	if err != nil {
		return r, fmt.Errorf("reading last words: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("reading last words: %w", err)
	}
	return r, nil
}

// merge keeps of an earlier record of the same group what a later one could not read.
func merge(old, now Record) Record {
	if old.Group != now.Group || old.UID != now.UID {
		return now
	}
	now.Containers = slices.Clone(now.Containers)
	for i := range now.Containers {
		c := &now.Containers[i]
		was := old.Container(c.Name)
		if was == nil {
			continue
		}
		if c.Log == "" && was.Log != "" {
			if was.Restarts == c.Restarts {
				c.Log, c.Cut = was.Log, was.Cut
			} else if c.Previous == "" {
				c.Previous, c.PreviousCut = was.Log, was.Cut
			}
		}
		if c.Previous == "" && was.Restarts == c.Restarts {
			c.Previous, c.PreviousCut = was.Previous, was.PreviousCut
		}
		if c.State == "" {
			c.State, c.Reason, c.Message, c.ExitCode, c.Signal, c.Started, c.Finished = was.State, was.Reason, was.Message, was.ExitCode, was.Signal, was.Started, was.Finished
		}
	}
	if len(now.Containers) == 0 {
		now.Containers = old.Containers
	}
	if now.Owner == "" {
		now.Owner = old.Owner
	}
	if len(now.Events) == 0 {
		now.Events = old.Events
	}
	return now
}

// A Selection says which lines of a log are wanted.
type Selection struct {
	Previous   bool
	Timestamps bool
	Tail       int       // the last lines; less than zero: all
	Since      time.Time // zero: from the start
}

// Select is the log of a container, as much of it as is kept and wanted. cut tells that lines
// are missing at its start that were wanted too.
func (c *Container) Select(s Selection) (text string, cut bool) {
	text, cut = c.Log, c.Cut
	if s.Previous {
		text, cut = c.Previous, c.PreviousCut
	}
	var lines []string
	since := s.Since.IsZero()
	for line := range strings.Lines(text) {
		stamp, rest, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(stamp, "\n"))
		if err != nil {
			rest = line // a line that goes on
		} else if !s.Since.IsZero() {
			if since = !at.Before(s.Since); !since {
				cut = false // those before are not wanted
			}
		}
		if !since {
			continue
		}
		if s.Timestamps {
			rest = line
		}
		lines = append(lines, rest)
	}
	if s.Tail >= 0 && len(lines) > s.Tail {
		lines, cut = lines[len(lines)-s.Tail:], false
	} else if s.Tail >= 0 && len(lines) == s.Tail {
		cut = false
	}
	return strings.Join(lines, ""), cut
}
