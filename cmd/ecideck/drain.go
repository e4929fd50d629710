package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/migrate"
)

func newDrain(o *options) *cobra.Command {
	m := &mover{options: o}
	r := migrate.Request{}
	to := ""
	c := &cobra.Command{
		Use: "drain NODE", Short: "Empty a node, make before break",
		Long: `drain cordons a node and moves its pods away: pods of Deployments and ReplicaSets are
swapped (their successor is Ready first), others are evicted one at a time as kubectl drain
would, by kubectl's own rules about what may be evicted. With --to eci they go to ECI, and
what can't be swapped stays, with its reason. A drain that fails leaves the node cordoned;
one that is aborted leaves it as it was.

Exit codes: 0 the node is empty but for what belongs to it (pods of DaemonSets, static pods)
and what has ended, 1 something is left on it, also what came there while it was planned, or
nothing could be done, 2 wrong usage.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := m.check(); err != nil {
				return err
			}
			r.To = migrate.Anywhere
			switch to {
			case "":
			case string(migrate.ToECI), string(migrate.ToECS):
				r.To = migrate.Destination(to)
			default:
				return setup.Exit(setup.ExitUsage, fmt.Errorf("--to %q: say eci, ecs or nothing (see ecideck drain --help)", to))
			}
			r.Soak, r.Targets = m.soak, []migrate.Ref{{Kind: "Node", Name: args[0]}}
			kube, err := setup.NewKube(o.kube)
			if err != nil {
				return err
			}
			return m.plan(c.Context(), kube, r)
		},
	}
	c.Flags().StringVar(&to, "to", "", "eci, ecs, or nothing: wherever the scheduler likes")
	c.Flags().BoolVar(&r.Force, "force", false, "also evict pods that nobody makes anew")
	c.Flags().BoolVar(&r.IgnoreDaemonSets, "ignore-daemonsets", true, "leave pods of DaemonSets, which always stay")
	c.Flags().BoolVar(&r.DeleteEmptyDirData, "delete-emptydir-data", false, "also move pods that have an emptyDir, whose data is lost")
	m.addFlags(c, true, true)
	return c
}

func newCordon(o *options) *cobra.Command {
	return o.cordons("cordon NODE", "Let no new pods onto a node", true)
}

func newUncordon(o *options) *cobra.Command {
	return o.cordons("uncordon NODE", "Let new pods onto a node again", false)
}

func (o *options) cordons(use, short string, on bool) *cobra.Command {
	m := &mover{options: o}
	c := &cobra.Command{Use: use, Short: short, Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			kube, err := setup.NewKube(o.kube)
			if err != nil {
				return err
			}
			return m.setCordon(c.Context(), kube, args[0], on)
		}}
	c.Flags().BoolVar(&m.yes, "yes", false, "do not ask, in a production context either")
	return c
}

// setCordon closes a node or opens it. It asks in production contexts only.
func (m *mover) setCordon(ctx context.Context, kube *setup.Kube, name string, on bool) error {
	why, word, err := production(kube)
	if err != nil {
		return err
	}
	if why != "" && !m.yes {
		fmt.Fprintln(m.err, printable(why))
		if err := m.ask(ctx, word); err != nil {
			return err
		}
	}
	before, err := migrate.SetUnschedulable(ctx, kube.Client, name, "", on)
	if err != nil {
		return err
	}
	already, done := "", "uncordoned"
	if on {
		done = "cordoned"
	}
	if before == on {
		already = "already "
	}
	_, err = fmt.Fprintf(m.out, "node/%s %s%s\n", name, already, done)
	return err
}
