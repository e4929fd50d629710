package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/migrate"
)

// An attendant tells how an operation goes, to a terminal that may go away meanwhile.
type attendant struct {
	m *mover

	mu     sync.Mutex
	gone   bool // nobody is to be told any more
	begun  bool
	said   string // what it waits for, told once as long as it is so
	states map[string]migrate.State
	last   *migrate.Operation
}

func (a *attendant) say(format string, args ...any) {
	if !a.gone {
		fmt.Fprintf(a.m.err, format+"\n", args...) // who can't be told does not hold the operation up
	}
}

func (a *attendant) notice(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if text != a.said {
		a.said = text
		a.say("%s", printable(text))
	}
}

func (a *attendant) report(o *migrate.Operation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = o
	if !a.begun {
		a.begun = true
		a.say("operation %s; `ecideck ops abort %[1]s` takes back what can be", o.ID)
	}
	for i := range o.Plan.Items {
		if x := &o.Plan.Items[i]; x.State != a.states[x.ID] && x.State != migrate.Planned && x.State != migrate.Stays {
			a.states[x.ID] = x.State
			a.say("%s  %-9s %s %s", time.Now().Format(time.TimeOnly), x.State, x.Subject().Name, printable(x.Reason))
		}
	}
}

// stopping says what is waited for before the process ends in order.
func (a *attendant) stopping() {
	a.mu.Lock()
	defer a.mu.Unlock()
	var first []string // beyond the point of no return
	for i := range a.last.Plan.Items {
		if x := &a.last.Plan.Items[i]; x.State == migrate.Evicting || x.State == migrate.Adopting {
			first = append(first, x.Subject().Name)
		}
	}
	text := "stopping in order: nothing new is begun"
	if len(first) > 0 {
		text += ", and what takes the place of " + few(first) + " is handed over first, half a minute at most"
	}
	a.say("%s; Ctrl-C again ends at once, and `ecideck ops resume %s` goes on", text, a.last.ID)
}

// leaves says that nobody waits any more.
func (a *attendant) leaves() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	return fmt.Errorf("operation %s was left at once, perhaps in the middle of a step: `ecideck ops resume %[1]s` goes on, `ecideck ops abort %[1]s` goes back", a.last.ID)
}

// engine runs an operation, or aborts it, and shows how it goes. Who asks the process to end, or
// takes its terminal away, interrupts it in order; a second Ctrl-C doesn't wait for that.
func (m *mover) engine(ctx context.Context, client kubernetes.Interface, op *migrate.Operation, abort bool, run func(context.Context, *migrate.Engine) (*migrate.Operation, error)) error {
	// What reads the output may end first, as tee does at Ctrl-C: the next line must not be the end
	// of a process that is between an eviction and its adoption.
	signal.Ignore(syscall.SIGPIPE)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		signals = append(signals, syscall.SIGHUP)
	}
	asked := make(chan os.Signal, len(signals))
	signal.Notify(asked, signals...)
	defer signal.Stop(asked)
	a := &attendant{m: m, states: map[string]migrate.State{}, last: op}
	e := &migrate.Engine{Client: client, Audit: audits(), Holder: holder(), Notice: a.notice, Report: a.report}
	if e.Audit == "" {
		a.notice("there is no home directory: no local journal is written")
	}
	work, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	type result struct {
		op  *migrate.Operation
		err error
	}
	over := make(chan result, 1)
	go func() {
		last, err := run(work, e)
		over <- result{last, err}
	}()
	stop := func() {
		if work.Err() == nil {
			a.stopping()
			// The reason is kept in the journal, for whoever goes on with it.
			end(errors.New("the process that ran it was asked to end, or lost its terminal"))
		}
	}
	ends := ctx.Done()
	for times := 0; ; {
		select {
		case r := <-over:
			return m.ended(r.op, abort, r.err)
		case <-ends:
			ends = nil // it comes with the first signal
			stop()
		case s := <-asked:
			if times++; times > 1 && s == os.Interrupt {
				return a.leaves()
			}
			stop() // a terminal that goes away may say so more than once
		}
	}
}

// ended prints how an operation ended, and gives the exit code. abort: it was to be taken back.
func (m *mover) ended(o *migrate.Operation, abort bool, err error) error {
	if errors.Is(err, migrate.ErrEnded) {
		err = nil // by the process that was at work on it
	}
	if m.output != "table" {
		if failed := m.object("Operation", o); failed != nil {
			return failed
		}
	} else if o.State.Ended() {
		fmt.Fprintf(m.out, "operation %s is %s: %s\n", o.ID, o.State, printable(o.Reason))
	}
	switch {
	case err != nil && o.State == migrate.Interrupted:
		return fmt.Errorf("operation %s stopped halfway: %w; `ecideck ops resume %[1]s` goes on, `ecideck ops abort %[1]s` goes back", o.ID, err)
	case err != nil:
		return err
	case o.State == migrate.Done && o.LeftCount > 0 && !abort:
		return errors.New(printable(remaining(o)))
	case o.State != migrate.Done && (o.State != migrate.Aborted || !abort):
		return setup.Exit(setup.ExitError, nil)
	}
	return nil
}

// remaining says what an operation that is done has left where it was.
func remaining(o *migrate.Operation) string {
	const most = 5
	var all []string
	for _, l := range o.Left[:min(len(o.Left), most)] {
		all = append(all, l.Object.String()+" ("+l.Why+")")
	}
	text := fmt.Sprintf("not all could be moved: %d stay", o.LeftCount)
	if d := o.Plan.Drain; d != nil {
		text = fmt.Sprintf("node %s is not empty: %d stay on it", d.Node.Name, o.LeftCount)
	}
	text += ": " + strings.Join(all, ", ")
	if n := o.LeftCount - len(all); n > 0 {
		text += fmt.Sprintf(" and %d more: see `ecideck ops show %s`", n, o.ID)
	}
	return text
}
