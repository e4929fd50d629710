package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/spf13/cobra"
)

// A lab is what every command works on: its name, and the streams.
type lab struct {
	name        string
	in          io.Reader
	out, errOut io.Writer
}

// run executes one command line and returns the exit code: 0 done, 1 failed, 2 wrong usage,
// or that of the kubectl it ran.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	l := &lab{in: in, out: out, errOut: errOut}
	root := &cobra.Command{
		Use:   "ecideck-lab",
		Short: "A real Kubernetes cluster with an emulated Alibaba Cloud ECI, on this machine",
		Long: `A real Kubernetes control plane with the bundled virtual node as it runs in production,
simulated ECS nodes and an emulated ECI, all on this machine's loopback. Nothing is
downloaded but Go modules; the first start builds the control plane.

  ecideck-lab up --detach             start it
  eval "$(ecideck-lab env)"           point kubectl, k9s and ecideck at it
  ecideck-lab down                    end it, leaving nothing behind`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	root.PersistentFlags().StringVar(&l.name, "name", "default", "name of the lab; several can run beside each other")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		upCommand(l), downCommand(l), statusCommand(l), envCommand(l), logsCommand(l), kubectlCommand(l),
		killCommand(l), startCommand(l), faultCommand(l), loadCommand(l), scenarioCommand(l), eciCommand(l), demoCommand(l), buildCommand(l),
	)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var child *exec.ExitError
	if errors.As(err, &child) {
		return child.ExitCode() // it has told its own error
	}
	fmt.Fprintln(errOut, "ecideck-lab:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// A usageError is a command line that can't be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
