package ecitest

import (
	"strings"
	"time"
)

type logAnswer struct{ RequestId, ContainerName, Content string }

// The API's limits for logs.
const (
	defaultTail = 500
	maxTail     = 2000
	maxLogBytes = 1 << 20
)

func (e *Emulator) describeLog(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	name := c.params["ContainerName"]
	if name == "" {
		return nil, missing("ContainerName")
	}
	x, r := g.container(name, g.at(now, e.timing))
	if x == nil {
		return nil, badRequest("InvalidParameter", "The container group has no container "+name+".")
	}
	tail := defaultTail
	if _, ok := c.params["Tail"]; ok {
		if tail = c.integer("Tail"); tail < 0 || tail > maxTail {
			return nil, badRequest("InvalidParameter.ValueExceeded", "The parameter Tail must be 0 to 2000.")
		}
	}
	limit := maxLogBytes
	if _, ok := c.params["LimitBytes"]; ok {
		if limit = c.integer("LimitBytes"); limit < 1 || limit > maxLogBytes {
			return nil, badRequest("InvalidParameter.ValueExceeded", "The parameter LimitBytes must be 1 to 1048576.")
		}
	}
	var since time.Time
	if s := c.params["StartTime"]; s != "" {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return nil, badRequest("InvalidParameter", "The parameter StartTime must be an RFC 3339 time.")
		}
		since = t
	} else if s := c.number("SinceSeconds"); s > 0 {
		since = now.Add(-time.Duration(s * float64(time.Second)))
	}
	content := x.log(g.ID, r.logged(c.boolean("LastTime")), now, tail, since, c.boolean("Timestamps"))
	if over := len(content) - limit; over > 0 {
		content = content[over:]
	}
	return logAnswer{e.requestID(), name, content}, nil
}

// container finds one of a group's containers and what it does now.
func (g *group) container(name string, v *view) (*container, *run) {
	for i := range g.Inits {
		if g.Inits[i].Name == name {
			return &g.Inits[i], &v.inits[i]
		}
	}
	for i := range g.Containers {
		if g.Containers[i].Name == name {
			return &g.Containers[i], &v.containers[i]
		}
	}
	return nil, nil
}

// logged is the run whose log is asked for: the one before, or the last one that wrote. A
// container that waits to be restarted still shows its last run.
func (r *run) logged(previous bool) state {
	if previous || r.state.name == "Waiting" {
		return r.previous
	}
	return r.state
}

// log renders the last lines of a run. Only the lines that are asked for are made.
func (c *container) log(groupID string, s state, now time.Time, tail int, since time.Time, timestamps bool) string {
	if s.started.IsZero() {
		return ""
	}
	ended := s.name == "Terminated"
	end := now
	if ended {
		end = s.finished
	}
	total := c.lines(end.Sub(s.started), ended)
	at := func(i int) time.Time {
		if ended && i == total-1 {
			return s.finished
		}
		return s.started.Add(time.Duration(i) * c.interval())
	}
	first := max(0, total-tail)
	if !since.IsZero() && since.After(s.started) {
		// The first line whose time is not before since, by arithmetic and not by search.
		i := int((since.Sub(s.started) + c.interval() - 1) / c.interval())
		if ended && !since.After(s.finished) {
			i = min(i, total-1)
		}
		first = max(first, i)
	}
	var b strings.Builder
	for i := first; i < total; i++ {
		if timestamps {
			b.WriteString(at(i).UTC().Format(time.RFC3339Nano))
			b.WriteByte(' ')
		}
		b.WriteString(c.line(groupID, s.number, i, total, ended))
		b.WriteByte('\n')
	}
	return b.String()
}
