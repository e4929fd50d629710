package ui

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/view"
)

// Why a work was stopped before its end: it is kept in the journal, for whoever goes on with it.
var (
	errCancelled = errors.New("somebody cancelled it in the console")
	errLeft      = errors.New("the console that ran it was quit, or lost its terminal")
)

// A work is a plan that this console runs, or ran.
type work struct {
	plan    *view.Plan
	began   time.Time
	cancel  context.CancelFunc
	running bool
	said    map[string]bool // the steps that the log of messages has

	mu       sync.Mutex
	progress *view.Progress // the newest; nil: none came yet
}

func (w *work) latest() *view.Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress
}

// A queue holds what goroutines want done on the UI goroutine, at its next redraw.
type queue struct {
	mu   sync.Mutex
	todo []func()
}

func (q *queue) add(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.todo = append(q.todo, f)
}

func (q *queue) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	todo := q.todo
	q.todo = nil
	return todo
}

// ReadOnly implements view.Works.
func (c *console) ReadOnly() string {
	switch {
	case !c.readOnly:
		return ""
	case c.o.Production:
		return "read-only, since " + c.o.Title + " is production (:readonly turns it off)"
	}
	return "read-only (:readonly turns it off)"
}

// Begin implements view.Works.
func (c *console) Begin(p *view.Plan, done func(error)) func() {
	ctx, stop := context.WithCancelCause(context.WithoutCancel(c.ctx))
	context.AfterFunc(c.ctx, func() { stop(errLeft) })
	cancel := func() { stop(errCancelled) }
	w := &work{plan: p, began: c.o.Now(), cancel: cancel, running: true, said: map[string]bool{}}
	key := p.ID
	if key == "" {
		c.writes++
		key = fmt.Sprintf("write %d", c.writes)
	}
	c.works[key] = w
	c.say(p.Title+": begun", false)
	c.Go(func(context.Context) {
		err := c.o.Operator.Run(ctx, p, func(progress *view.Progress) {
			w.mu.Lock()
			w.progress = progress
			w.mu.Unlock()
			c.later.add(func() { c.tell(w) })
			c.Wake()
		})
		cancel()
		c.later.add(func() {
			w.running = false
			c.tell(w)
			c.ended(w, err)
			if p.ID == "" {
				delete(c.works, key)
			}
			if done != nil {
				done(err)
			}
		})
		c.Wake()
	})
	return cancel
}

// Current implements view.Works.
func (c *console) Current(id string) (*view.Progress, bool) {
	if w := c.works[id]; w != nil && (w.running || w.latest() != nil) {
		return w.latest(), w.running
	}
	return nil, false
}

// Leave implements view.Works.
func (c *console) Leave(v view.View) {
	if c.top() == v {
		c.Back()
	}
}

// Ask implements view.Works.
func (c *console) Ask(label string, done func(string) string) {
	c.prompt = &prompt{sign: label, ask: done}
}

// tell writes the API writes of a work that the log of messages lacks into it, each with the
// kubectl command that does the same.
func (c *console) tell(w *work) {
	p := w.latest()
	if p == nil {
		return
	}
	for _, s := range p.Steps {
		c.tellStep(w, p.ID, s)
	}
	for i := range p.Items {
		for _, s := range p.Items[i].Steps {
			c.tellStep(w, p.ID, s)
		}
	}
}

func (c *console) tellStep(w *work, id string, s view.Step) {
	key := s.At.String() + s.Text + s.Answer
	if s.Answer == "" || w.said[key] {
		return
	}
	w.said[key] = true
	text := s.Text + ": " + s.Answer
	if id != "" {
		text = "op " + id + ": " + text
	}
	c.say(text, false)
	if s.Command != "" {
		c.say("= "+s.Command, false)
	}
}

// ended says how a work ended. What went wrong stays until it is read.
func (c *console) ended(w *work, err error) {
	name := w.plan.Title
	if w.plan.ID != "" {
		name += " (" + w.plan.ID + ")"
	}
	p := w.latest()
	switch {
	case err != nil:
		c.say(name+": "+err.Error(), true)
	case p != nil && p.State == fleet.OperationFailed:
		c.say(name+" ended with pods that need a look: "+p.Reason, true)
	case p != nil && p.Over:
		text := name + " is " + p.State + ": " + p.Reason
		c.say(text, false)
		c.Notice(text)
	case w.plan.Verb == view.Abort && w.plan.ID == "": // whoever runs it was told
		text := name + ": asked for; what can still go back does, which may take minutes (9 shows it)"
		c.say(text, false)
		c.Notice(text)
	default:
		c.say(name+": done", false)
		for _, command := range w.plan.Commands {
			c.say("= "+command, false)
		}
		c.Notice(name + ": done")
	}
}

// busy names what runs in this console; "": nothing.
func (c *console) busy() string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(c.works)) {
		if w := c.works[key]; w.running {
			names = append(names, w.plan.Title)
		}
	}
	return strings.Join(names, ", ")
}

// leave quits; what this console runs is said first, since nobody else would go on with it.
func (c *console) leave() {
	if what := c.busy(); what != "" && !c.leaving {
		c.leaving = true
		c.Notice("this console runs: " + what + ". Again quits and stops it in order; nothing is lost, and `ecideck ops` resumes it")
		return
	}
	c.quit(nil)
}

// greet says, once, which operations have not ended, whoever began them.
func (c *console) greet() {
	if c.greeted {
		return
	}
	known := len(c.snapshot.Operations) > 0
	for _, s := range c.snapshot.Sources {
		known = known || s.Name == "operations" && !s.Read.IsZero()
	}
	if !known {
		return
	}
	c.greeted = true
	var open []string
	alone := 0
	for _, o := range c.snapshot.Operations {
		if o.HasEnded() {
			continue
		}
		state := "is " + o.State
		if o.Resumable {
			alone++
			state = "was cut off"
		}
		by := o.By
		if by == "" {
			by = "somebody"
		}
		open = append(open, fmt.Sprintf("%s %s by %s %s, %d of %d pods moved, begun %s ago", o.Kind, o.Target, by, state, o.Done, o.Total, format.Age(o.Began, c.o.Now())))
	}
	if len(open) == 0 {
		return
	}
	for _, text := range open {
		c.say("unfinished: "+text, false)
	}
	text := open[0]
	if n := len(open); n > 1 {
		text += fmt.Sprintf("; and %d more", n-1)
	}
	text += ": 9 shows"
	if alone > 0 {
		text += ", r there goes on, x goes back"
	}
	c.Notice("unfinished: " + text)
}

// operations are those of the snapshot, and those that this console runs or has brought to their
// end as it knows them, since the snapshot lags behind by seconds; the newest first.
func (c *console) operations() []*fleet.Operation {
	all := slices.Clone(c.snapshot.Operations)
	for id, w := range c.works {
		p := w.latest()
		if w.plan.ID == "" || !w.running && (p == nil || !p.Over) || p != nil && p.Began.IsZero() {
			continue
		}
		o := &fleet.Operation{ID: id, Began: w.began}
		at := slices.IndexFunc(all, func(o *fleet.Operation) bool { return o.ID == id })
		if at >= 0 {
			*o = *all[at]
		}
		o.Resumable = false
		if p != nil {
			o.State, o.Ended, o.Undoes, o.Done = p.State, p.Ended, p.Undoes, p.Done()
		}
		if at >= 0 {
			all[at] = o
		} else {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b *fleet.Operation) int { return b.Began.Compare(a.Began) })
	return all
}

// meant is the operation that a verb means where none is selected, or why there is none. Abort
// means what this console runs before what others do, the newest of each; Undo the newest that has
// ended and that no other has taken back.
func (c *console) meant(verb view.Verb) (id, why string) {
	all := c.operations()
	if verb == view.Undo {
		back := map[string]*fleet.Operation{} // by what they take back: those that do, or have
		for _, o := range all {
			if o.Undoes != "" && (o.State == fleet.OperationDone || !o.HasEnded()) {
				back[o.Undoes] = o
			}
		}
		for _, o := range all {
			by := back[o.ID]
			switch {
			case o.Undoes != "" || verb.Unfit(o.HasEnded(), o.Resumable, o.Done) != "":
			case by == nil:
				return o.ID, ""
			case !by.HasEnded():
				return "", "operation " + by.ID + " takes the newest back and has not ended: x aborts it"
			}
		}
		return "", "there is no operation to undo"
	}
	for _, o := range all {
		if o.HasEnded() {
			continue
		}
		if w := c.works[o.ID]; w != nil && w.running {
			return o.ID, ""
		}
		if id == "" {
			id = o.ID
		}
	}
	if id == "" {
		why = "no operation runs"
	}
	return id, why
}

// operationActions are x and z where no operation is selected; see meant. Their plans say which
// operation that is.
func (c *console) operationActions() []keymap.Action {
	pick := func(verb view.Verb, s keymap.Selection) (string, string) {
		if s.Cursor.Kind == fleet.KindOperation {
			for _, o := range c.operations() {
				if o.ID == s.Cursor.Name {
					return o.ID, verb.Unfit(o.HasEnded(), o.Resumable, o.Done)
				}
			}
			return "", "it is not read"
		}
		if verb == view.Resume {
			return "", "no operation is selected; 9 shows them"
		}
		return c.meant(verb)
	}
	actions := view.OperationActions(c.env, pick)
	for i := range actions {
		actions[i].Bar = false
	}

	actions[1].Help = "Abort the selected operation, or the newest one that runs, of this console before others: what is not beyond the point of no return goes back. Shows the plan."
	actions[2].Help = "Undo the selected operation, or the newest one that has ended and is not undone: what it moved goes the other way. Shows the plan."
	return actions
}

// turnReadOnly turns read-only on, or, once it has been asked, off.
func (c *console) turnReadOnly() {
	set := func(on bool) {
		c.readOnly = on
		if c.o.SetReadOnly != nil {
			c.o.SetReadOnly(on)
		}
		c.say("read-only is "+map[bool]string{true: "on", false: "off"}[on], false)
	}
	if !c.readOnly {
		if what := c.busy(); what != "" { // its writes would be refused, as if the API server were away
			c.Notice("read-only stays off while this console runs: " + what + "; x stops it first")
			return
		}
		set(true)
		c.Notice("read-only: nothing is changed from here")
		return
	}
	word := "yes"
	if c.o.Production {
		word = c.o.Title
	}
	c.Ask("Type "+word+" to allow changes: ", func(text string) string {
		if strings.TrimSpace(text) != word {
			return "that is not " + word
		}
		set(false)
		c.Notice("changes are allowed; every one is planned and confirmed first")
		return ""
	})
}

var _ view.Works = (*console)(nil)
