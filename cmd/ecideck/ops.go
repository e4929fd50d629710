package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/migrate"
)

func newOps(o *options) *cobra.Command {
	c := &cobra.Command{Use: "ops", Short: "List, resume, abort and undo migrations and drains",
		Long: `ops shows what migrate and drain have begun, whoever did, and goes on with what was cut
off: resume to the end, abort to where it began, undo once it has ended. Operations are known
by the ConfigMaps ecideck-op-… of the cluster.`, Args: usage(cobra.NoArgs)}
	command := func(use, short string, runs, plans bool, args cobra.PositionalArgs, run func(*mover, context.Context, *setup.Kube, []string) error) {
		m := &mover{options: o}
		sub := &cobra.Command{Use: use, Short: short, Args: usage(args), RunE: func(c *cobra.Command, args []string) error {
			if err := m.check(); err != nil {
				return err
			}
			kube, err := setup.NewKube(o.kube)
			if err != nil {
				return err
			}
			return run(m, c.Context(), kube, args)
		}}
		m.addFlags(sub, runs, plans)
		c.AddCommand(sub)
	}
	command("list", "List operations, the newest first", false, false, cobra.NoArgs, (*mover).listOps)
	command("show ID", "Show an operation's items and steps", false, false, cobra.ExactArgs(1), (*mover).showOp)
	command("resume ID", "Go on with an operation whose process is gone", true, false, cobra.ExactArgs(1), (*mover).resumeOp)
	command("abort ID", "Take back what of an operation can be taken back", true, false, cobra.ExactArgs(1), (*mover).abortOp)
	command("undo ID", "Move back what an operation that has ended moved", true, true, cobra.ExactArgs(1), (*mover).undoOp)
	return c
}

// scope is the namespace to look for operations in: all, unless one was given.
func scope(kube *setup.Kube) string {
	if kube.NamespaceGiven {
		return kube.Namespace
	}
	return ""
}

func (m *mover) listOps(ctx context.Context, kube *setup.Kube, _ []string) error {
	all, failed := operations(ctx, kube)
	if at := scope(kube); at != "" {
		all, failed = migrate.Load(ctx, kube.Client, audits(), at)
	}
	if m.output != "table" {
		items := make([]operationItem, len(all))
		for i, o := range all {
			items[i] = operationObject("Operation", o)
		}
		raw, err := json.Marshal(map[string]any{"kind": "OperationList", "items": items})
		if err == nil {
			err = m.print(raw)
		}
		if err != nil {
			return err
		}
	} else {
		if len(all) == 0 && failed == nil {
			fmt.Fprintln(m.out, "No operations found.")
		}
		out := tabwriter.NewWriter(m.out, 0, 0, 3, ' ', 0)
		if len(all) > 0 {
			fmt.Fprintln(out, "ID\tSTATE\tTO\tTARGETS\tDONE\tBY\tBEGAN")
		}
		now := time.Now()
		for _, o := range all {
			state := string(o.State)
			if alive, err := migrate.Alive(ctx, kube.Client, o); err == nil && !alive && !o.State.Ended() {
				state += " (nobody is at work: resume or abort it)"
			}
			if o.LeftCount > 0 {
				state += fmt.Sprintf(" (%d stay)", o.LeftCount)
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d/%d\t%s\t%s\n", o.ID, state, o.Plan.To, printable(about(o, all)), o.Count()[migrate.Done], o.Plan.Moves(), printable(o.By), age(o.Began, now))
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if failed != nil {
		return setup.Exit(setup.ExitPartial, failed)
	}
	return nil
}

// about is what an operation is about, short enough for a row.
func about(o *migrate.Operation, all []*migrate.Operation) string {
	if o.Undoes != "" {
		return "undo " + o.Subject(all)
	}
	return few(o.Plan.Targets)
}

// operations are those of the cluster, the newest first. Where this user may not look for them
// in all namespaces, they are those of the namespaces that the kubeconfig names, of others that
// the caller knows, and of kube-system, which has the drains; the error says so, unless it is nil.
func operations(ctx context.Context, kube *setup.Kube, others ...string) ([]*migrate.Operation, error) {
	all, err := migrate.Load(ctx, kube.Client, audits(), "")
	if !apierrors.IsForbidden(err) {
		return all, err
	}
	known := map[string]bool{}
	for _, o := range all {
		known[o.ID] = true // those that are written down on this machine only
	}
	asked := map[string]bool{"": true}
	for _, namespace := range slices.Concat(others, kube.Namespaces(), []string{metav1.NamespaceSystem}) {
		if asked[namespace] {
			continue
		}
		asked[namespace] = true
		more, refused := migrate.Load(ctx, kube.Client, audits(), namespace)
		if refused != nil && !apierrors.IsForbidden(refused) {
			err = errors.Join(err, refused)
		}
		for _, o := range more {
			if !known[o.ID] {
				known[o.ID] = true
				all = append(all, o)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *migrate.Operation) int { return b.Began.Compare(a.Began) })
	return all, err
}

// find is the operation with an id, or that begins with it. It may be in other namespaces than
// those that operations looks in.
func find(ctx context.Context, kube *setup.Kube, id string, others ...string) (*migrate.Operation, error) {
	for _, namespace := range append(others, metav1.NamespaceAll) {
		if o, err := migrate.Find(ctx, kube.Client, audits(), namespace, id); o != nil || err != nil && !apierrors.IsForbidden(err) {
			return o, err
		}
	}
	all, err := operations(ctx, kube, others...)
	var found []*migrate.Operation
	for _, o := range all {
		if o.ID == id {
			return o, nil
		}
		if id != "" && strings.HasPrefix(o.ID, id) {
			found = append(found, o)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("%d operations begin with %q: give the whole id (see ecideck ops list)", len(found), id)
	case err != nil:
		return nil, fmt.Errorf("operation %q was not found, and not all could be read (-n chooses one namespace): %w", id, err)
	}
	return nil, fmt.Errorf("there is no operation %q (see ecideck ops list)", id)
}

func (m *mover) showOp(ctx context.Context, kube *setup.Kube, args []string) error {
	o, err := find(ctx, kube, args[0])
	if err != nil {
		return err
	}
	if m.output != "table" {
		return m.object("Operation", o)
	}
	fmt.Fprintf(m.out, "Operation %s of %s: %s %s\n", o.ID, printable(o.By), o.State, printable(o.Reason))
	for _, s := range o.Steps {
		fmt.Fprintf(m.out, "%s  %s %s: %s\n", s.At.UTC().Format(time.RFC3339), s.Verb, s.Object, printable(cmp.Or(s.Answer, "no answer known")))
	}
	for _, l := range o.Left {
		fmt.Fprintf(m.out, "left  %s: %s\n", l.Object, printable(l.Why))
	}
	if n := o.LeftCount - len(o.Left); n > 0 {
		fmt.Fprintf(m.out, "left  %d more\n", n)
	}
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		fmt.Fprintf(m.out, "%s  %s  %s  %s\n", x.ID, x.Subject(), x.State, printable(cmp.Or(x.Reason, x.Why)))
		for _, s := range x.Steps {
			times := ""
			if s.Times > 1 {
				times = fmt.Sprintf(" (%d times)", s.Times)
			}
			fmt.Fprintf(m.out, "    %s  %s %s%s: %s\n", s.At.UTC().Format(time.RFC3339), s.Verb, s.Object, times, printable(cmp.Or(s.Answer, "no answer known")))
		}
	}
	return nil
}

func (m *mover) resumeOp(ctx context.Context, kube *setup.Kube, args []string) error {
	return m.goOn(ctx, kube, args[0], false)
}

// persist makes a call again while the API server is away, for two minutes: what was cut off by
// an outage is gone on with in its middle.
func (m *mover) persist(ctx context.Context, client kubernetes.Interface, call func(context.Context) error) error {
	err := migrate.Persist(ctx, client, func(text string) { fmt.Fprintln(m.err, printable(text)) }, call)
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil && migrate.Away(err) {
		return fmt.Errorf("nothing was done, because the API server does not answer; what was begun before stays as it is, so say it again when it does: %w", err)
	}
	return err
}

func (m *mover) goOn(ctx context.Context, kube *setup.Kube, id string, abort bool) error {
	var o *migrate.Operation
	if err := m.persist(ctx, kube.Client, func(ctx context.Context) (err error) { o, err = find(ctx, kube, id); return err }); err != nil {
		return err
	}
	if o.State.Ended() {
		return fmt.Errorf("operation %s has ended: %s: %s", o.ID, o.State, o.Reason)
	}
	client, err := m.client(kube, o.ID)
	if err != nil {
		return err
	}
	alive := false
	if err := m.persist(ctx, kube.Client, func(ctx context.Context) (err error) { alive, err = migrate.Alive(ctx, client, o); return err }); err != nil {
		return err
	}
	if alive && !abort && !o.Local {
		fmt.Fprintf(m.err, "%s may still be at work on it\n", printable(o.Runner))
	}
	if !m.yes {
		if err := m.asksToGoOn(ctx, kube, o, abort); err != nil {
			return err
		}
	}
	if alive && abort {
		return m.askAbort(ctx, client, o)
	}
	if !m.wait {
		return m.leave(o, map[bool]string{true: "abort", false: "resume"}[abort])
	}
	return m.engine(ctx, client, o, abort, func(ctx context.Context, e *migrate.Engine) (*migrate.Operation, error) {
		return e.Resume(ctx, o, abort)
	})
}

// asksToGoOn asks whether it is this operation that is to be resumed or aborted.
func (m *mover) asksToGoOn(ctx context.Context, kube *setup.Kube, o *migrate.Operation, abort bool) error {
	why, word, err := production(kube)
	if err != nil {
		return err
	}
	verb := map[bool]string{true: "abort", false: "resume"}[abort]
	fmt.Fprintln(m.err, printable(fmt.Sprintf("%s operation %s: %s, which %s began %s ago; it is %s", verb, o.ID, operationTitle(o), cmp.Or(o.By, "somebody"), age(o.Began, time.Now()), standing(o))))
	if why != "" {
		fmt.Fprintln(m.err, printable(why))
	}
	return m.ask(ctx, cmp.Or(word, "yes"))
}

// standing is how far an operation has come, and why it stopped.
func standing(o *migrate.Operation) string {
	text := fmt.Sprintf("%s, %d of %d pods moved", o.State, o.Count()[migrate.Done], o.Plan.Moves())
	if o.State == migrate.Interrupted && o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// askAbort leaves the abort to the process that is at work, and waits for it, or for its lease
// to run out: then it is done here.
func (m *mover) askAbort(ctx context.Context, client kubernetes.Interface, o *migrate.Operation) error {
	if o.Local {
		return fmt.Errorf("operation %s is written down on its machine only, where %s is at work: interrupt it there", o.ID, o.Runner)
	}
	if err := m.persist(ctx, client, func(ctx context.Context) error { return migrate.AskAbort(ctx, client, o, whoami(ctx, client)) }); err != nil {
		return err
	}
	if !m.wait {
		fmt.Fprintf(m.err, "asked %s to abort it; `ecideck ops show %s` shows how that goes\n", printable(o.Runner), o.ID)
		return nil
	}
	fmt.Fprintf(m.err, "asked %s to abort it; waiting\n", printable(o.Runner))
	// Whoever has the leases ends it, or is seen to be gone.
	return m.engine(ctx, client, o, true, func(ctx context.Context, e *migrate.Engine) (*migrate.Operation, error) {
		return e.Resume(ctx, o, true)
	})
}

func (m *mover) abortOp(ctx context.Context, kube *setup.Kube, args []string) error {
	return m.goOn(ctx, kube, args[0], true)
}

func (m *mover) undoOp(ctx context.Context, kube *setup.Kube, args []string) error {
	site, err := site()
	if err != nil {
		return err
	}
	r := migrate.Request{Soak: m.soak, Site: site, Share: m.nodeShares(ctx, kube)}
	return m.confirmed(ctx, kube, func(ctx context.Context) (*migrate.Operation, error) {
		o, err := find(ctx, kube, args[0])
		if err != nil {
			return nil, err
		}
		return migrate.ProposeUndo(ctx, kube.Client, kube.Dynamic, whoami(ctx, kube.Client), o, r, time.Now())
	})
}
