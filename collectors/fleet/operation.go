package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

// An Operation is a migration or a drain, running or past, as its journal has it.
type Operation struct {
	ID        string
	Kind      string // migrate, drain, undo
	Target    string // what was asked for: deployment/checkout, node/ecs-1
	To        string // eci, ecs, away
	Namespace string // where its journal lies
	State     string // running, aborting, interrupted; done, aborted, failed when it has ended
	Message   string // why it is so, or what it does now; "": nothing is said
	Done      int    // pods moved
	Failed    int    // pods that need a look
	Total     int    // pods to be moved
	By        string // who began it
	Runner    string // the process that runs it, or did last
	Undoes    string // the operation that it takes back; "": none
	Began     time.Time
	Ended     time.Time // zero: it has not
	Changed   time.Time // its newest step; zero: none
	// Resumable says that it has not ended and that nobody is at work on it: it waits for a
	// person to resume or abort it.
	Resumable bool
	Local     bool // its journal is on the machine that began it only
}

// HasEnded tells that nothing more happens to it by itself.
func (o *Operation) HasEnded() bool {
	return !o.Ended.IsZero() || o.State == OperationDone || o.State == OperationAborted || o.State == OperationFailed
}

// The states of operations that fleet judges by; provider/migrate has them all.
const (
	OperationDone    = "done"
	OperationAborted = "aborted"
	OperationFailed  = "failed"
)

// Operations are all operations that this user may read, the newest first, and what they did
// as lines of the timeline, newest first.
type Operations struct {
	Items  []*Operation
	Events []*Event
}

func (o Operations) apply(in *Inputs) {
	if !slices.IsSortedFunc(o.Events, CompareEvents) { // what is sorted stays the same slice
		o.Events = slices.Clone(o.Events)
		slices.SortStableFunc(o.Events, CompareEvents)
	}
	newest := func(a, b *Operation) int { return cmp.Or(b.Began.Compare(a.Began), strings.Compare(a.ID, b.ID)) }
	if !slices.IsSortedFunc(o.Items, newest) {
		o.Items = slices.Clone(o.Items)
		slices.SortStableFunc(o.Items, newest)
	}
	in.Operations = o
}

// A Bursts part says whether bursts are stopped, cluster-wide, by a person.
type Bursts struct {
	Stopped bool
	By      string    // who; "": not said
	At      time.Time // since when; zero: not said
	Reason  string
}

func (s Bursts) apply(in *Inputs) { in.Bursts = s }

// failedFor is how long an operation that failed is something for a person: whoever began it
// was told.
const failedFor = 24 * time.Hour

// attendOperations: those that nobody is at work on, that need a look, and that run.
func (b *builder) attendOperations() []Attention {
	var out []Attention
	for _, o := range b.s.Operations {
		a := Attention{Topic: TopicOperation, Subject: o.Kind + " " + o.Target, Count: max(o.Total, 1), Since: firstTime(o.Changed, o.Began),
			Target: Ref{Kind: KindOperation, Namespace: o.Namespace, Name: o.ID, UID: o.ID}}
		progress := count(o.Done, o.Total) + " pods moved"
		switch {
		case o.HasEnded() && o.State == OperationFailed && b.now.Sub(firstTime(o.Ended, o.Began)) < failedFor:
			a.Severity, a.Since = Degraded, firstTime(o.Ended, o.Began)
			a.Text = fmt.Sprintf("it ended with pods that need a look: %s", cmp.Or(o.Message, progress))
			a.Remedy = fmt.Sprintf("Enter says which, or ecideck ops show %s", o.ID)
		case o.HasEnded():
			continue
		case o.Resumable:
			a.Severity = Broken
			a.Text = fmt.Sprintf("it was cut off, %s, and nobody is at work on it", progress)
			a.Remedy = fmt.Sprintf("r goes on, x goes back; or ecideck ops resume|abort %s", o.ID)
			if o.Local {
				a.Remedy += ", on the machine of " + cmp.Or(o.Runner, o.By)
			}
		default:
			a.Severity, a.Since = Fine, o.Began
			a.Text = fmt.Sprintf("%s: %s", cmp.Or(o.State, "running"), progress)
			if o.Message != "" {
				a.Text += "; " + o.Message
			}
			a.Remedy = fmt.Sprintf("%s runs it; x takes back what can be, or ecideck ops abort %s", cmp.Or(o.By, "somebody"), o.ID)
		}
		out = append(out, a)
	}
	return out
}

// heldByGuardrail is the reason of the events that say which guardrail holds a pod back
// (provider/burst, ReasonGuard).
const heldByGuardrail = "BurstLimitReached"

// heldFor is how long such an event speaks of a pod that still waits: it is told again while
// the pod is looked at.
const heldFor = time.Hour

// attendBurst: pods that a guardrail holds back, and a burst that lasts longer than a day.
// all tells that no pod of the workload waits for anything else.
func (b *builder) attendBurst(w *Workload) (out []Attention, all bool) {
	self := Ref{w.Kind, w.Namespace, w.Name, w.UID}
	subject := w.Namespace + "/" + w.Name
	if len(b.s.built.held) > 0 && w.Pods.None > 0 {
		var first *Event
		var since time.Time
		n := 0
		for _, p := range w.members {
			e := b.s.built.held[podName{p.Pod.Namespace, p.Pod.Name, p.Pod.UID}]
			if p.Place != PlaceNone || p.Pod.ended() || e == nil || e.Reason != heldByGuardrail || b.now.Sub(e.Time) > heldFor {
				continue
			}
			if n++; first == nil {
				first = e
			}
			if since.IsZero() || p.Pod.Created.Before(since) {
				since = p.Pod.Created
			}
		}
		if first != nil {
			text, remedy := first.Message, "raise the guardrail, or wait until a burst ends"
			if before, after, ok := strings.Cut(text, ": raise "); ok {
				text, remedy = before, "raise "+after
			}
			out = append(out, Attention{Topic: TopicBurst, Severity: Broken, Subject: subject, Target: self, Count: n, Since: since,
				Text: fmt.Sprintf("%s held back by a guardrail: %s", plural(n, "pod"), text), Remedy: remedy})
			all = n == w.Pods.None
		}
	}
	if w.BurstPods == 0 || b.now.Sub(w.BurstSince) < 24*time.Hour {
		return out, all
	}
	var cost Tally
	for _, p := range w.members {
		if p.bursts() {
			cost.Add(p.Cost)
		}
	}
	a := Attention{Topic: TopicBurst, Severity: Fine, Subject: subject, Target: self, Count: w.BurstPods, Since: w.BurstSince,
		Text:   fmt.Sprintf("%s on ECI by bursting for longer than a day", plural(w.BurstPods, "pod")),
		Remedy: "m, or ecideck migrate --to ecs, brings them home, where real nodes have room"}
	if main := b.s.Currency(); cost.Rate(main).MicrosPerHour > 0 {
		a.Text += ", for " + cost.String()
		node := cost.Rate(main).MicrosPerHour - cost.OverECS(main).MicrosPerHour
		if cost.NoECS == 0 && cost.Unknown == 0 {
			a.Text += fmt.Sprintf("; on a node it would be %s", money.PerHour(node, main))
			if node < cost.Rate(main).MicrosPerHour {
				a.Remedy = "it is cheaper as a node: add one; " + a.Remedy
			}
		}
	}
	return append(out, a), all
}

// bursts tells that a pod runs on ECI because real nodes were full.
func (p *Placement) bursts() bool {
	return p.Pod != nil && p.Place == PlaceECI && !p.Pod.Burst.IsZero() && !p.Pod.ended()
}

// attendSwitch: bursts that somebody has stopped for the whole cluster.
func (b *builder) attendSwitch() []Attention {
	s := b.in.Bursts
	if !s.Stopped {
		return nil
	}
	text := "nothing new bursts to ECI, but for pods marked at-creation"
	if s.By != "" {
		text = s.By + " stopped them: " + text
	}
	if s.Reason != "" {
		text += " (" + s.Reason + ")"
	}
	return []Attention{{Topic: TopicBurst, Severity: Degraded, Subject: "bursts stopped", Count: 1, Since: s.At, Text: text,
		Remedy: "ecideck burst start lets them go on", Target: Ref{Kind: KindAccount, Name: "bursts"}}}
}
