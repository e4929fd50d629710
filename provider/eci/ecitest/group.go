package ecitest

import (
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// A group is what was asked for and what was done to it since. What it is at a moment is
// computed from that: see at. The Emulator's lock guards it.
type group struct {
	ID, Name                     string
	Seq                          int
	Zone, VSwitch, SecurityGroup string
	ResourceGroup, RamRole       string
	RestartPolicy                string
	CPU, Memory                  float64 // as billed
	InstanceType, SpotStrategy   string
	IP                           string
	Tags                         []tag
	Volumes                      []volume
	Grace                        time.Duration
	Deadline                     time.Duration // 0: none
	Containers, Inits            []container
	Created                      time.Time
	NoStock                      bool      // it will end in ScheduleFailed
	Restarted                    time.Time // zero: never
	Updating                     bool      // restarted by an update
	Reclaimed                    time.Time // zero: never; when its spot instance is taken back
	Notices                      []event   // what the service said about it
	MaxPending                   time.Duration
	Deleted, Gone                time.Time  // zero: not deleted; gone: when it leaves the list
	Pinned                       eci.Status // "": lives on the clock
	PinnedSince                  time.Time
	DnsPolicy                    string

	Disk      int     // GiB of ephemeral storage beyond the free ones
	Economy   bool    // of the compute category
	SpotLimit float64 // the bid, an hour
	SpotHours int     // the protection period
	IPv6      string
	Given     map[string]string // what is only answered again
	Cached    []string          // images that an image cache has for it
	Checked   time.Time         // when the market was last compared with the bid
	Past      []charge          // of the sizes before this one
	Resized   time.Time         // zero: never

	cached *view
}

type tag struct{ Key, Value string }

type volume struct {
	Name, Type string
	Size       int               // GiB; 0: not said
	Params     map[string]string // as asked for, without Volume.N.
}

// A container is one of a group's, as asked for.
type container struct {
	Name, Image      string
	CPU, Memory      float64
	Command, Args    []string
	Env              []variable
	Ports            []port
	Mounts           []mount
	WorkingDir       string
	PullPolicy       string
	Readiness        bool
	ReadinessDelay   time.Duration
	PreStop          bool
	Init             bool
	Stdin, Tty, Once bool
	Given            map[string]string // what is only answered again
}

type variable struct{ Key, Value, FieldPath string }

type port struct {
	Port     int
	Protocol string
}

type mount struct {
	Name, MountPath, SubPath, MountPropagation string
	ReadOnly                                   bool
}

// lookup is the value of an environment variable.
func (c *container) lookup(key string) string {
	for _, v := range c.Env {
		if v.Key == key {
			return v.Value
		}
	}
	return ""
}

// A view is a group at a moment. It is not changed once it is made.
type view struct {
	from, until time.Time // true from from up to until; until zero: until the group is changed
	status      eci.Status
	phase       string // Kubernetes' pod phase
	changed     time.Time
	started     time.Time // when it left Scheduling
	ended       time.Time
	containers  []run
	inits       []run
	events      []event
	message     string
	initialized bool
	waits       time.Time // since when Pending counts towards the limit; zero: it doesn't
}

// A run is a container at a moment.
type run struct {
	state, previous state
	ready           bool
	restarts        int
	final           bool // it will not run again
	endedAt         time.Time
}

type state struct {
	name            string // Waiting, Running, Terminated; "": none
	reason, message string
	exitCode        int
	started         time.Time
	finished        time.Time
	number          int // which run of the container, from 0
}

type event struct {
	Typ, Reason, Message string
	Count                int
	First, Last          time.Time
}

// at is the group at now. Times before one that was asked for may be asked for too, as a
// clock that is injected can be set back.
func (g *group) at(now time.Time, t Timing) *view {
	if v := g.cached; v != nil && !now.Before(v.from) && (v.until.IsZero() || now.Before(v.until)) {
		return v
	}
	g.cached = g.compute(now, t)
	return g.cached
}

// restart stops the group's containers and starts them anew, for an update or for itself.
func (g *group) restart(now time.Time, update bool) {
	if g.Pinned != "" {
		g.Pinned, g.Created = "", now.Add(-time.Hour)
	}
	g.Restarted, g.Updating = now, update
	g.touch()
}

// touch forgets what was computed, after something was done to the group.
func (g *group) touch() { g.cached = nil }

// tag is the value of a tag and whether the group has it.
func (g *group) tag(key string) (string, bool) {
	for _, t := range g.Tags {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// script is the last element of the image's path, without tag and digest: the behaviours
// are named so.
func (c *container) script() string {
	image, _, _ := strings.Cut(c.Image, "@")
	image = image[strings.LastIndexByte(image, '/')+1:]
	name, _, _ := strings.Cut(image, ":")
	return name
}
