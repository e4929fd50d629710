package ecitest

import (
	"fmt"
	"strconv"
	"time"
)

// Containers run scripts, chosen by the last element of the image's path:
//
//	serve      runs for ever and logs a request now and then; also every other image
//	job        ends after SECONDS (10) with EXIT_CODE (0)
//	crashloop  fails with exit code 1 after SECONDS (2)
//	slowstart  serves, ready only after SECONDS (30)
//	chatter    serves, twenty log lines a second
//	missing    is an image that can't be pulled: the group stays Pending
//
// What they use of their CPU follows the environment variable LOAD: see load.
//
// An init container whose image is none of these ends after a second: otherwise no group
// with an ordinary init image would ever start.

// pullable reports that the image can be pulled.
func (c *container) pullable() bool { return c.script() != "missing" }

// behaviour is how long a run of the container lasts and how it ends.
func (c *container) behaviour() (length time.Duration, exitCode int, forever bool) {
	switch c.script() {
	case "job":
		return c.seconds(10), c.exitCode(0), false
	case "crashloop":
		return c.seconds(2), c.exitCode(1), false
	case "serve", "slowstart", "chatter":
		return 0, 0, true
	}
	if c.Init {
		return c.seconds(1), c.exitCode(0), false
	}
	return 0, 0, true
}

// readyAt is when a container that started at start becomes ready.
func (c *container) readyAt(start time.Time) (time.Time, bool) {
	var delay time.Duration
	if c.Readiness {
		delay = c.ReadinessDelay
	}
	if c.script() == "slowstart" {
		delay = max(delay, c.seconds(30))
	}
	return start.Add(delay), !c.Init
}

func (c *container) seconds(otherwise float64) time.Duration {
	s, err := strconv.ParseFloat(c.lookup("SECONDS"), 64)
	if err != nil || s < 0 || s > 1e9 {
		s = otherwise
	}
	return time.Duration(s * float64(time.Second))
}

func (c *container) exitCode(otherwise int) int {
	if code, err := strconv.Atoi(c.lookup("EXIT_CODE")); err == nil && code >= 0 && code <= 255 {
		return code
	}
	return otherwise
}

// stopTime is how long the container takes to end once it is told to; least is what any
// takes.
func (c *container) stopTime(least time.Duration) time.Duration {
	if s, err := strconv.ParseFloat(c.lookup("STOP_SECONDS"), 64); err == nil && s >= 0 && s < 1e6 {
		return max(least, time.Duration(s*float64(time.Second)))
	}
	if c.PreStop {
		return max(least, 2*time.Second)
	}
	return least
}

// interval is the time between two log lines.
func (c *container) interval() time.Duration {
	switch c.script() {
	case "chatter":
		return 50 * time.Millisecond
	case "job":
		return time.Second
	case "crashloop":
		return 500 * time.Millisecond
	}
	return 3 * time.Second
}

// lines is how many lines a run has logged when it is age old; ended says that it is over.
func (c *container) lines(age time.Duration, ended bool) int {
	n := 1 + int(age/c.interval())
	if ended {
		n++ // its last words
	}
	return n
}

// line is the i-th line of a run, from 0, of the total it will have had when it is over.
// The same arguments give the same line, so that nothing needs to be kept.
func (c *container) line(groupID string, number, i, total int, ended bool) string {
	switch {
	case i == 0:
		return fmt.Sprintf("starting %s, run %d", c.Name, number+1)
	case ended && i == total-1 && c.script() == "crashloop":
		return "panic: cannot reach the database: connection refused"
	case ended && i == total-1:
		_, code, _ := c.behaviour()
		return fmt.Sprintf("done, exit code %d", code)
	}
	mix := digest(groupID, "/", c.Name, "/", number, "/", i)
	n, err := strconv.ParseUint(mix[:8], 16, 64)
	if err != nil {
		return mix // eight hexadecimal digits always parse
	}
	switch c.script() {
	case "job":
		return fmt.Sprintf("step %d: %d records", i, n%1000)
	case "crashloop":
		return fmt.Sprintf("connecting to the database, try %d", i)
	case "chatter":
		return fmt.Sprintf("event %d %s", i, mix[:16])
	}
	paths := []string{"/", "/api/orders", "/api/users", "/healthz", "/static/app.js"}
	status := 200
	if n%97 == 0 {
		status = 500
	}
	return fmt.Sprintf("GET %s %d %dms", paths[n%uint64(len(paths))], status, 1+n/7%250)
}
