package ui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
	"github.com/ecideck/ecideck/ui/view"
)

// A console is the running program: the stack of views, what is typed, what was said. All
// its fields belong to the UI goroutine, except wake and what is set before run starts.
type console struct {
	o     Options
	theme *theme.Theme
	env   *view.Env

	app     *tview.Application
	screen  tcell.Screen
	ctx     context.Context
	quit    context.CancelCauseFunc
	suspend func() // stops the process until the shell continues it
	wake    chan struct{}

	snapshot *fleet.Snapshot
	counts   census
	failing  map[string]string // source name -> its error at the last snapshot

	mains []main
	stack []view.View // the first is a main view; the last is on screen
	last  []view.View // the stack before the last change of main view

	readOnly bool
	works    map[string]*work // by the operation's id
	writes   int              // counts works that are no operation
	later    queue
	leaving  bool // the next key that quits does
	greeted  bool // unfinished operations were said

	prompt   *prompt // nil: closed
	history  []string
	notice   string // until the next key
	messages []view.Message
	unread   int // errors among messages that nobody opened

	painted struct{ head, alert string }
}

// A main is a view that a digit opens.
type main struct {
	key   string
	name  string // in commands: "pods"
	label string // on the second line and over its keys: "Pods"
	short string // the same where there is little room
	view  view.View
}

// mains are the main views in the order of their digits.
func mains(env *view.Env) []main {
	return []main{
		{"1", "overview", "Overview", "Over", view.NewOverview(env)},
		{"2", "pods", "Pods", "Pods", view.NewPods(env)},
		{"3", "groups", "Groups", "Group", view.NewGroups(env)},
		{"4", "nodes", "Nodes", "Node", view.NewNodes(env)},
		{"5", "workloads", "Workloads", "Work", view.NewWorkloads(env)},
		{"6", "scaling", "Scaling", "Scale", view.NewScaling(env)},
		{"7", "events", "Events", "Event", view.NewTimeline(env)},
		{"8", "cost", "Cost", "Cost", view.NewCost(env)},
		{"9", "operations", "Operations", "Ops", view.NewOperations(env)},
	}
}

// Views are the names of the main views, as Options.View and commands take them.
func Views() []string {
	var names []string
	for _, m := range newConsole(Options{Store: nothing{}}).mains {
		names = append(names, m.name)
	}
	return names
}

// messagesKept bounds the log of messages.
const messagesKept = 1000

func newConsole(o Options) *console {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &console{
		o: o, theme: theme.New(o.ASCII, o.NoColor), app: tview.NewApplication(),
		wake: make(chan struct{}, 1), failing: map[string]string{}, suspend: suspendProcess,
		ctx: context.Background(), quit: func(error) {}, works: map[string]*work{}, readOnly: o.ReadOnly,
	}
	c.env = &view.Env{Theme: c.theme, Namespace: o.Namespace, Now: o.Now, Objects: o.Objects, Logs: o.Logs, Adviser: o.Adviser, Shell: c, Operator: o.Operator, Works: c}
	c.mains = mains(c.env)
	c.stack = []view.View{c.mains[0].view}
	for _, m := range c.mains {
		if m.name == o.View {
			c.stack[0] = m.view
		}
	}
	return c
}

// run shows the console on an initialized screen.
func (c *console) run(ctx context.Context, screen tcell.Screen) error {
	ctx, c.quit = context.WithCancelCause(ctx)
	defer c.quit(nil)
	c.ctx = ctx
	var lost error
	var once sync.Once
	c.screen = &lostScreen{Screen: screen, lost: func(err error) {
		once.Do(func() {
			lost = err
			c.quit(errLost)
		})
	}}
	c.snapshot = c.o.Store.Latest()
	c.counts = count(c.snapshot)
	c.listen(c.snapshot.Sources)
	c.greet()
	c.top().Show(c.snapshot)

	c.app.SetScreen(c.screen).EnablePaste(true)
	c.app.SetRoot(&frame{Box: tview.NewBox(), c: c}, true).SetInputCapture(c.key)

	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		defer c.guard()
		c.pump(ctx)
	}()
	ended := make(chan error, 1)
	go func() { ended <- c.app.Run() }() // tview restores the terminal when it panics
	<-ctx.Done()
	// The order matters: after Stop nobody serves the pump, and it would wait for ever.
	go func() {
		<-pumped
		c.app.QueueUpdate(func() {}) // a Stop before tview's loop began would be lost
		c.app.Stop()
	}()
	timeout := time.NewTimer(quitGrace)
	defer timeout.Stop()
	var err error
	select {
	case err = <-ended:
	case <-timeout.C:
		return errStuck
	}
	for _, v := range append(slices.Clone(c.stack), c.last...) {
		shut(v)
	}
	if err == nil && errors.Is(context.Cause(ctx), errLost) {
		err = errors.Join(errLost, lost)
	}
	return err
}

// errLost says that the terminal went away while the console ran.
var errLost = errors.New("the terminal is gone")

// guard restores the terminal when a goroutine of ours panics, and lets it panic.
func (c *console) guard() {
	if p := recover(); p != nil {
		c.screen.Fini()
		panic(p)
	}
}

// top is the view on screen.
func (c *console) top() view.View { return c.stack[len(c.stack)-1] }

// Open puts a view on top.
func (c *console) Open(v view.View) {
	c.stack = append(c.stack, v)
	v.Show(c.snapshot)
}

// Back closes the view on top; a main view stays.
func (c *console) Back() {
	if len(c.stack) > 1 {
		shut(c.top())
		c.stack = c.stack[:len(c.stack)-1]
		c.top().Show(c.snapshot)
	}
}

// Go runs f in a guarded goroutine.
func (c *console) Go(f func(ctx context.Context)) {
	ctx := c.ctx
	go func() {
		defer c.guard()
		f(ctx)
	}()
}

// Wake asks the pump for a redraw.
func (c *console) Wake() {
	select {
	case c.wake <- struct{}{}:
	default: // it was asked already
	}
}

// Notice shows a short text until the next key.
func (c *console) Notice(text string) { c.notice = text }

// say adds to the log of messages.
func (c *console) say(text string, unread bool) {
	c.messages = append(c.messages, view.Message{Time: c.o.Now(), Error: unread, Text: text})
	if len(c.messages) > messagesKept {
		c.messages = slices.Clone(c.messages[len(c.messages)-messagesKept:])
	}
	if unread {
		c.unread++
	}
}

// shut ends what a view started.
func shut(v view.View) {
	if v, ok := v.(interface{ Close() }); ok {
		v.Close()
	}
}

// main opens a main view. The stack that is left stays for the key of the last view, but
// without reads and streams on its top.
func (c *console) main(v view.View) {
	if len(c.stack) == 1 && c.top() == v {
		return
	}
	kept := c.stack
	for len(kept) > 1 {
		if _, reads := kept[len(kept)-1].(interface{ Close() }); !reads {
			break
		}
		shut(kept[len(kept)-1])
		kept = kept[:len(kept)-1]
	}
	c.last, c.stack = kept, []view.View{v}
	v.Show(c.snapshot)
}

// searchable views have a filter or a search.
type searchable interface {
	Filter() string
	SetFilter(string) error
	FilterHelp() string
}

// selection is what actions of the view on screen work on.
func (c *console) selection() keymap.Selection {
	if v, ok := c.top().(interface{ Selection() keymap.Selection }); ok {
		return v.Selection()
	}
	return keymap.Selection{}
}

// reason is the sentence about what is under the cursor.
func (c *console) reason() string {
	if v, ok := c.top().(interface{ Reason() string }); ok {
		return v.Reason()
	}
	return ""
}

// summary says how much of what is on screen.
func (c *console) summary() string {
	if v, ok := c.top().(interface{ Summary() string }); ok {
		return v.Summary()
	}
	return ""
}

// filter is the filter of the view on screen.
func (c *console) filter() string {
	if v, ok := c.top().(searchable); ok {
		return v.Filter()
	}
	return ""
}

// key handles every key press. It always takes the event: tview has no keys of its own
// here, and its Ctrl-C would stop the application while the pump waits for it.
func (c *console) key(ev *tcell.EventKey) *tcell.EventKey {
	for _, ev := range keymap.Apart(ev) {
		c.pressed(ev)
	}
	return nil
}

// pressed handles one key.
func (c *console) pressed(ev *tcell.EventKey) {
	c.notice = ""
	name := keymap.Name(ev)
	leaving := c.leaving
	switch {
	case name == "Ctrl-C":
		c.leave()
	case c.prompt != nil:
		c.edit(name, ev)
	default:
		c.press(name)
	}
	commanding := c.prompt != nil && c.prompt.sign == ":" // what is typed may be the command that quits
	if leaving && c.leaving && !commanding {              // another key than the second of two
		c.leaving = false
	}
}

// press runs the action that a key has in the view on screen.
func (c *console) press(name string) {
	a, ok := keymap.Find(name, c.top().Actions(), c.actions())
	if !ok {
		c.Notice(name + " does nothing here; ? lists the keys")
		return
	}
	s := c.selection()
	if why := a.Why(s); why != "" {
		c.Notice(name + " " + a.Name + ": " + why)
		return
	}
	a.Run(s)
}

// aged reports whether a visible text changed only because time passed.
func (c *console) aged() bool {
	width, _ := c.screen.Size()
	if c.headText(width) != c.painted.head || c.alert() != c.painted.alert {
		return true
	}
	v, ok := c.top().(interface{ Aged() bool })
	return ok && v.Aged()
}

// alert is the line about what went wrong, "" when nothing did.
func (c *console) alert() string {
	now := c.troubles()
	switch {
	case len(now) > 1:
		return fmt.Sprintf("%d errors (! shows all): %s", len(now), now[0])
	case len(now) == 1:
		return now[0]
	case c.unread == 1:
		return "unread error: " + c.lastError() + "  (! opens the messages)"
	case c.unread > 1:
		return fmt.Sprintf("%d unread errors, last: %s  (! opens the messages)", c.unread, c.lastError())
	}
	return ""
}

func (c *console) troubles() []string {
	return troubles(c.snapshot.Sources, c.o.Now())
}

func (c *console) lastError() string {
	for i := len(c.messages) - 1; i >= 0; i-- {
		if c.messages[i].Error {
			return c.messages[i].Text
		}
	}
	return ""
}
