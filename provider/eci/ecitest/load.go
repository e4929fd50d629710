package ecitest

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A curve is the share of its CPU that a container uses, over a period that repeats. It
// is straight between its points, so that what was used between two times is exact without
// adding anything up.
type curve []loadPoint

type loadPoint struct {
	at    time.Duration // from the period's begin; the first is 0, the last ends the period
	share float64       // 0 to 1
}

// load is the container's curve. The environment variable LOAD gives it, as one share
// (0.3) or as points (0s:0.1,5m:0.9,10m:0.1), which repeat after the last; every container
// with the same points rises and falls at the same time. Without one, or with one that
// can't be read, it is a gentle wave of ten minutes, from 20 to 40 %, that begins at
// another time for each container.
func (c *container) load(groupID string) (_ curve, phase time.Duration) {
	if given, ok := parseCurve(c.lookup("LOAD")); ok {
		return given, 0
	}
	n, err := strconv.ParseUint(digest(groupID, "/", c.Name)[:8], 16, 64)
	if err != nil {
		n = 0 // eight hexadecimal digits always parse
	}
	return curve{{0, 0.2}, {5 * time.Minute, 0.4}, {10 * time.Minute, 0.2}}, time.Duration(n%600) * time.Second
}

func parseCurve(s string) (curve, bool) {
	if share, ok := parseShare(s); ok {
		return curve{{0, share}, {time.Minute, share}}, true
	}
	var c curve
	for part := range strings.SplitSeq(s, ",") {
		at, share, ok := strings.Cut(strings.TrimSpace(part), ":")
		offset, err := time.ParseDuration(at)
		value, valid := parseShare(share)
		if !ok || err != nil || !valid || len(c) == 0 && offset != 0 || len(c) > 0 && offset <= c[len(c)-1].at {
			return nil, false
		}
		c = append(c, loadPoint{offset, value})
	}
	return c, len(c) > 1
}

func parseShare(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && f >= 0 && f <= 1
}

// position is where in its period the curve is at a time, and how many periods came before.
func (c curve) position(at time.Time, phase time.Duration) (periods float64, in time.Duration) {
	period := c[len(c)-1].at
	since := time.Duration(at.UnixNano()) + phase
	return float64(since / period), since % period
}

// share is how much is used at a time.
func (c curve) share(at time.Time, phase time.Duration) float64 {
	_, in := c.position(at, phase)
	for i := 1; i < len(c); i++ {
		if a, b := c[i-1], c[i]; in <= b.at {
			return a.share + (b.share-a.share)*float64(in-a.at)/float64(b.at-a.at)
		}
	}
	return c[len(c)-1].share
}

// used is the share times seconds between two times.
func (c curve) used(from, to time.Time, phase time.Duration) float64 {
	n0, in0 := c.position(from, phase)
	n1, in1 := c.position(to, phase)
	return (n1-n0)*c.area(c[len(c)-1].at) + c.area(in1) - c.area(in0)
}

// area is the share times seconds of a period up to in.
func (c curve) area(in time.Duration) float64 {
	sum := 0.0
	for i := 1; i < len(c) && in > c[i-1].at; i++ {
		a, b := c[i-1], c[i]
		end := min(in, b.at)
		share := a.share + (b.share-a.share)*float64(end-a.at)/float64(b.at-a.at)
		sum += (a.share + share) / 2 * (end - a.at).Seconds()
	}
	return sum
}

// A usage is what a container, or a group, uses at a moment.
type usage struct {
	cpu     float64 // vCPU
	seconds float64 // vCPU seconds since it started
	limit   float64 // vCPU
	memory  float64 // GiB
	most    float64 // GiB, its limit
}

// usage is what the i-th container uses at a time at which it runs as r says. One that
// said no limit has an even share of the group. Of loads, those that were set by then count.
func (g *group) usage(i int, r *run, at time.Time, loads []setLoad) usage {
	c := &g.Containers[i]
	u := usage{limit: c.CPU, most: c.Memory}
	if u.limit == 0 {
		u.limit = g.CPU / float64(len(g.Containers))
	}
	if u.most == 0 {
		u.most = g.Memory / float64(len(g.Containers))
	}
	if r.state.name != "Running" {
		return u
	}
	share, used := c.used(g.ID, r.state.started, at, loads)
	u.cpu, u.seconds = u.limit*share, u.limit*used
	u.memory = u.most * (0.25 + 0.5*share) // some is there without load, some is never reached
	return u
}

func (u *usage) add(o usage) {
	u.cpu, u.seconds, u.memory = u.cpu+o.cpu, u.seconds+o.seconds, u.memory+o.memory
}

func gib(f float64) int64   { return int64(math.Round(f * (1 << 30))) }
func nanos(f float64) int64 { return int64(math.Round(f * 1e9)) }
