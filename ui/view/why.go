package view

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
	"github.com/ecideck/ecideck/ui/why"
)

// An Adviser knows more of an object than a Snapshot holds, such as what the virtual node
// makes of a pod that waits. Advise may block; it is called off the UI goroutine with a
// context that Esc cancels. What it could tell comes beside an error
// too; "" is that it has nothing to say.
type Adviser interface {
	Advise(ctx context.Context, ref fleet.Ref) (string, error)
}

// An Answer is a panel of sentences about something, which follow the newest snapshot.
type Answer struct {
	env    *Env
	pager  *pager
	title  string
	object keymap.Object
	answer func(s *fleet.Snapshot, now time.Time) string
	s      *fleet.Snapshot
	text   string
	cancel context.CancelFunc // of the adviser's read; nil: it was not asked

	mu     sync.Mutex
	advice string
}

// Why says why an object is as it is.
func Why(env *Env, o keymap.Object) *Answer {
	return newAnswer(env, "Why "+label(o), o, func(s *fleet.Snapshot, now time.Time) string {
		a, found := why.Of(s, fleet.Ref(o), now)
		if !found {
			return label(o) + ": the console does not read it, or it is gone; d describes it, v shows its events."
		}
		return a.String()
	})
}

// CostOf says what objects cost, together and each.
func CostOf(env *Env, objects []keymap.Object) *Answer {
	refs := make([]fleet.Ref, len(objects))
	for i, o := range objects {
		refs[i] = fleet.Ref(o)
	}
	title, o := "Cost of the selection", keymap.Object{}
	if len(objects) == 1 {
		title, o = "Cost of "+label(objects[0]), objects[0]
	}
	a := newAnswer(env, title, o, func(s *fleet.Snapshot, now time.Time) string { return why.Cost(s, refs, now).String() })
	a.cancel = func() {} // nobody else knows more of it
	return a
}

func newAnswer(env *Env, title string, o keymap.Object, answer func(*fleet.Snapshot, time.Time) string) *Answer {
	a := &Answer{env: env, pager: newPager(env.Theme, 0), title: title, object: o, answer: answer}
	a.pager.reflow = func(width int) string { return prose(a.text, width) }
	return a
}

// prose breaks lines between words; what goes on is indented further than where it began.
func prose(text string, width int) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.TrimLeft(line, " ")
		indent := strings.Repeat(" ", len(line)-len(words)+1)
		parts := theme.Wrap(words, max(20, width-len(indent)-3), 1000)
		for i, part := range parts {
			if i > 0 {
				part = "  " + part
			}
			out = append(out, indent+part)
		}
		if len(parts) == 0 {
			out = append(out, "")
		}
	}
	return strings.Join(out, "\n")
}

// Title says what is asked of what.
func (a *Answer) Title() string { return a.title }

// Primitive is the text.
func (a *Answer) Primitive() tview.Primitive { return a.pager }

// Filter is the search as it was typed.
func (a *Answer) Filter() string { return a.pager.Filter() }

// SetFilter searches in the text.
func (a *Answer) SetFilter(s string) error { return a.pager.SetFilter(s) }

// FilterHelp says how a search is written.
func (a *Answer) FilterHelp() string { return searchHelp }

// Selection is what the answer is about.
func (a *Answer) Selection() keymap.Selection { return keymap.Selection{Cursor: a.object} }

// Show answers again.
func (a *Answer) Show(s *fleet.Snapshot) {
	a.s = s
	if a.cancel == nil {
		a.ask()
	}
	a.renew()
}

// Aged answers again with the time that it is now, and reports whether that is another text.
func (a *Answer) Aged() bool { return a.s != nil && a.renew() }

// Close cancels what is still read.
func (a *Answer) Close() {
	if a.cancel != nil {
		a.cancel()
	}
}

func (a *Answer) renew() bool {
	a.mu.Lock()
	advice := a.advice
	a.mu.Unlock()
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(a.answer(a.s, a.env.Now())+advice, "\n"), "\n") {
		lines = append(lines, format.Plain(line))
	}
	text := strings.Join(lines, "\n")
	if text == a.text {
		return false
	}
	a.text, a.pager.reflowed = text, 0
	return true
}

// ask reads what the adviser knows.
func (a *Answer) ask() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	if a.env.Adviser == nil {
		return
	}
	a.env.Shell.Go(func(console context.Context) {
		ctx, stop := context.WithTimeout(ctx, readTimeout)
		defer stop()
		defer context.AfterFunc(console, stop)()
		advice, err := a.env.Adviser.Advise(ctx, fleet.Ref(a.object))
		if err != nil {
			advice += "more can't be read: " + err.Error()
		}
		a.mu.Lock()
		a.advice = advice
		a.mu.Unlock()
		a.env.Shell.Wake()
	})
}

// Actions are the keys in an answer: those on its object, then those of a text.
func (a *Answer) Actions() []keymap.Action {
	o := a.object
	real := func(keymap.Selection) string {
		switch o.Kind {
		case "", fleet.KindVSwitch, fleet.KindAccount, fleet.KindSource, fleet.KindOperation:
			return "there is no such object in the cluster"
		}
		return ""
	}
	return append([]keymap.Action{
		{Keys: []string{"Enter"}, Name: "pods", Bar: true, Help: "Show the pods of the workload or node.",
			Disabled: func(keymap.Selection) string {
				if podsBehind(a.env, a.s, o) == nil {
					return "it has no pods of its own"
				}
				return ""
			},
			Run: func(keymap.Selection) { a.env.Shell.Open(podsBehind(a.env, a.s, o)) }},
		{Keys: []string{"d"}, Name: "describe", Bar: true, Disabled: real, Help: "Describe the object, as kubectl describe does.",
			Run: func(keymap.Selection) { a.env.Shell.Open(Describe(a.env, o, "")) }},
		{Keys: []string{"v"}, Name: "events", Bar: true, Disabled: real, Help: "Show the events of the object, Kubernetes' and ECI's together.",
			Run: func(keymap.Selection) { a.env.Shell.Open(NewEvents(a.env, o, "")) }},
		{Keys: []string{"$"}, Name: "cost", Disabled: real, Help: "Say what it costs.",
			Run: func(keymap.Selection) { a.env.Shell.Open(CostOf(a.env, []keymap.Object{o})) }},
	}, slices.DeleteFunc(a.pager.actions(), func(k keymap.Action) bool { return k.Keys[0] == "Ctrl-W" })...) // prose is always wrapped
}

// podsBehind is the view of the pods that belong to an object; nil: it has none.
func podsBehind(env *Env, s *fleet.Snapshot, o keymap.Object) View {
	switch {
	case o.Kind == KindNode:
		return PodsOn(env, o.Name)
	case o.Kind == "Namespace":
		return PodsIn(env, o.Name)
	case s == nil || o.Kind == KindPod || o.Kind == KindGroup:
		return nil
	}
	if w := why.Workload(s, fleet.Ref(o)); w != nil {
		return PodsOf(env, w.Namespace, w.Owner)
	}
	return nil
}
