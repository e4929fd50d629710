package ecitest

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// A Load is what the containers of some groups use of their CPU from the moment at which it
// is set, those of groups that come later too.
type Load struct {
	// Tags select the groups: all must match; a value that ends in * matches whatever begins
	// so. None: every group.
	Tags map[string]string `json:"tags,omitempty"`
	// Load is as in the environment variable LOAD: a share from 0 to 1, or points that repeat.
	// Empty: what each container had before any was set.
	Load string `json:"load"`
}

// A setLoad is kept for good: what a container has used since it started depends on it.
type setLoad struct {
	Load
	Since time.Time
}

// SetLoad changes what containers use from now on. Of several that match a group, the one
// that was set last counts.
func (e *Emulator) SetLoad(l Load) error {
	if _, ok := parseCurve(l.Load); l.Load != "" && !ok {
		return fmt.Errorf("load %q: want a share from 0 to 1, or points such as 0s:0.1,5m:0.9,10m:0.1", l.Load)
	}
	l.Tags = maps.Clone(l.Tags)
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loads = append(e.loads, setLoad{l, now})
	e.changed()
	return nil
}

// Loads are those that were set, in their order.
func (e *Emulator) Loads() []Load {
	e.mu.Lock()
	defer e.mu.Unlock()
	loads := make([]Load, 0, len(e.loads))
	for _, s := range e.loads {
		loads = append(loads, s.Load)
	}
	return loads
}

func (l *Load) matches(g *group) bool {
	for key, want := range l.Tags {
		prefix, open := strings.CutSuffix(want, "*")
		found := false
		for _, t := range g.Tags {
			found = found || t.Key == key && (t.Value == want || open && strings.HasPrefix(t.Value, prefix))
		}
		if !found {
			return false
		}
	}
	return true
}

// loadsOf are the loads that were ever set for a group.
func loadsOf(g *group, all []setLoad) []setLoad {
	var own []setLoad
	for i := range all {
		if all[i].matches(g) {
			own = append(own, all[i])
		}
	}
	return own
}

// used is the share of its CPU that a container uses at a time, and the share times seconds
// since it started.
func (c *container) used(groupID string, started, at time.Time, loads []setLoad) (share, seconds float64) {
	own, phase := c.load(groupID)
	now, nowPhase, from := own, phase, started
	for i := range loads {
		l := &loads[i]
		if l.Since.After(at) {
			break
		}
		if l.Since.After(from) {
			seconds += now.used(from, l.Since, nowPhase)
			from = l.Since
		}
		now, nowPhase = own, phase
		if given, ok := parseCurve(l.Load.Load); ok {
			now, nowPhase = given, 0
		}
	}
	return now.share(at, nowPhase), seconds + now.used(from, at, nowPhase)
}
