package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/eci"
)

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// options are the flags that every command has.
type options struct {
	streams
	kube     *genericclioptions.ConfigFlags
	region   string
	endpoint string
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	root := newRoot(&options{streams: s, kube: genericclioptions.NewConfigFlags(true)})
	root.SetArgs(append([]string{}, args...)) // nil would be the process's own
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(s.err, "ecideck:", err)
	}
	return setup.ExitCode(err)
}

func newRoot(o *options) *cobra.Command {
	var console consoleOptions
	root := &cobra.Command{
		Use:   "ecideck",
		Short: "The flight deck for Kubernetes on Alibaba Cloud ECI",
		Long: `ecideck joins every pod with the ECI container group that runs it. Without a
command it opens the console; the commands below print the same, once.

Exit codes: 0 all is well, 1 nothing could be done or shown, 2 wrong usage,
3 shown, but a source failed and some of it is missing or old.`,
		Args:          usage(cobra.NoArgs),
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(c *cobra.Command, _ []string) error { return runConsole(c.Context(), o, console) },
	}
	o.kube.AddFlags(root.PersistentFlags())
	root.PersistentFlags().StringVar(&o.region, "region", os.Getenv("ECIDECK_REGION"), "Alibaba Cloud region of the container groups (environment ECIDECK_REGION)")
	root.PersistentFlags().StringVar(&o.endpoint, "endpoint", os.Getenv("ECIDECK_ECI_ENDPOINT"), "ECI endpoint, host[:port] or URL; empty is the region's (environment ECIDECK_ECI_ENDPOINT)")
	console.addFlags(root)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return setup.Exit(setup.ExitUsage, fmt.Errorf("%w (see %s --help)", err, c.CommandPath()))
	})
	root.AddCommand(newGet(o), newLogs(o), newWhy(o), newBurst(o), newMigrate(o), newDrain(o), newCordon(o), newUncordon(o), newOps(o), newConfig(o), newDoctor(o), newVersion(o))
	return root
}

// usage makes a wrong number or kind of arguments a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return setup.Exit(setup.ExitUsage, fmt.Errorf("%w (see %s --help)", err, c.CommandPath()))
		}
		return nil
	}
}

// cloud is the ECI client, or why there is none and what to do.
func (o *options) cloud() (*eci.Client, error) {
	// A person waits for the answer: say soon what is wrong, the next poll tries again.
	return setup.Cloud(o.region, o.endpoint, slog.New(slog.DiscardHandler), func(e *eci.Options) { e.Attempts = 3 })
}
