package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/ui/view"
)

// errNothing is what is said where somebody ends it before anything has happened.
var errNothing = errors.New("nothing was begun")

// production is why the context's name has to be typed, and that name; "", "": it hasn't.
func production(kube *setup.Kube) (why, word string, err error) {
	is, err := setup.Production(setup.ConfigFile(), kube.Context)
	if err != nil || !is {
		return "", "", err
	}
	return "context " + kube.Context + " is production", kube.Context, nil
}

// confirmed makes a plan, shows it, and runs it once somebody has said yes. One that has grown
// old before that is made again, and asked about again.
func (m *mover) confirmed(ctx context.Context, kube *setup.Kube, propose func(context.Context) (*migrate.Operation, error)) error {
	for {
		var op *migrate.Operation
		err := m.persist(ctx, kube.Client, func(ctx context.Context) (err error) { op, err = propose(ctx); return err })
		switch {
		case err != nil && ctx.Err() != nil:
			return errNothing
		case err != nil:
			return err
		}
		why := op.Plan.Blocked()
		asks := why == "" && !m.dryRun && !m.yes
		if err := m.showPlan(op, asks); err != nil {
			return err
		}
		switch {
		case op.Plan.Settled():
			fmt.Fprintln(m.err, printable(why))
			return nil
		case why != "":
			return errors.New(why)
		case m.dryRun:
			return nil
		case asks:
			if err := m.agreed(ctx, kube, op); err != nil {
				return err
			}
			if time.Since(op.Began) > view.PlanLasts {
				fmt.Fprintln(m.err, "the plan is older than two minutes: it is made again")
				continue
			}
		}
		client, err := m.client(kube, op.ID)
		if err != nil {
			return err
		}
		if !m.wait {
			return m.detach(ctx, client, op)
		}
		return m.engine(ctx, client, op, false, func(ctx context.Context, e *migrate.Engine) (*migrate.Operation, error) { return e.Run(ctx, op) })
	}
}

// showPlan prints a plan: for programs where it is not run, and for who is asked in any case.
func (m *mover) showPlan(op *migrate.Operation, asks bool) error {
	w := m.out
	if m.output != "table" {
		if w = m.err; !asks {
			if op.Plan.Blocked() != "" || m.dryRun {
				return m.object("Plan", op)
			}
			return nil
		}
	}
	writePlan(w, &op.Plan)
	writePreflight(w, op)
	return nil
}

// agreed asks whether a plan is to be run.
func (m *mover) agreed(ctx context.Context, kube *setup.Kube, op *migrate.Operation) error {
	live, context, err := production(kube)
	if err != nil {
		return err
	}
	why, word := op.Plan.Danger()
	if why == "" {
		why, word = live, context
	}
	if why != "" {
		fmt.Fprintln(m.err, printable(why))
	}
	return m.ask(ctx, cmp.Or(word, "yes"))
}

// ask waits until a word is typed. Another one, and a context that ends, are errors.
func (m *mover) ask(ctx context.Context, word string) error {
	if file, ok := m.in.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return setup.Exit(setup.ExitUsage, errors.New("nobody is there to ask: give --yes, or --dry-run"))
	}
	fmt.Fprintf(m.err, "Type %s to go on: ", word)
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() { // it ends with the process, where nobody types any more
		line, err := bufio.NewReader(m.in).ReadString('\n')
		typed <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(m.err)
		return errNothing
	case a := <-typed:
		switch {
		case a.err != nil && !errors.Is(a.err, io.EOF):
			return fmt.Errorf("reading the answer: %w", a.err)
		case strings.TrimSpace(a.line) != word:
			return errNothing
		}
	}
	return nil
}
