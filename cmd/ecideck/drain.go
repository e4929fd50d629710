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
one that is aborted leaves it as it was.`,
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
	m.addFlags(c, true)
	return c
}

func newCordon(o *options) *cobra.Command {
	return &cobra.Command{Use: "cordon NODE", Short: "Let no new pods onto a node", Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return o.setCordon(c.Context(), args[0], true) }}
}

func newUncordon(o *options) *cobra.Command {
	return &cobra.Command{Use: "uncordon NODE", Short: "Let new pods onto a node again", Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return o.setCordon(c.Context(), args[0], false) }}
}

func (o *options) setCordon(ctx context.Context, name string, on bool) error {
	kube, err := setup.NewKube(o.kube)
	if err != nil {
		return err
	}
	before, err := migrate.SetUnschedulable(ctx, kube.Client, name, "", on)
	if err != nil {
		return err
	}
	already, word := "", "uncordoned"
	if on {
		word = "cordoned"
	}
	if before == on {
		already = "already "
	}
	_, err = fmt.Fprintf(o.out, "node/%s %s%s\n", name, already, word)
	return err
}
