package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ecideck/ecideck/provider/kubetest"
)

// settling is how long a demo without a terminal waits for pods that start.
const settling = 30 * time.Second

func demoCommand(l *lab) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start the lab, open the console on it, and end the lab when the console is left",
		Long: `Start the lab, open the console on it, and end the lab when the console is left.
Where stdout is not a terminal, what the console would show is printed once instead.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return l.withLab(cmd.Context(), name, l.errOut, func(ctx context.Context, running *kubetest.Lab) error {
				if isTerminal(l.out) {
					return l.ecideck(ctx, running)
				}
				fmt.Fprintln(l.errOut, "stdout is not a terminal, so no console: this is what it shows once the pods have started")
				running.Settle(ctx, settling)
				for _, kind := range []string{"pods", "groups", "nodes"} {
					fmt.Fprintf(l.out, "\n# ecideck get %s -A -o wide\n", kind)
					if err := l.ecideck(ctx, running, "get", kind, "-A", "-o", "wide"); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&name, "scenario", "night-burst", "what the lab runs; `ecideck-lab scenario list` names them")
	return cmd
}

// ecideck runs the program beside this one on the lab; without arguments it is the console.
func (l *lab) ecideck(ctx context.Context, running *kubetest.Lab, args ...string) error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	program := exec.CommandContext(ctx, filepath.Join(bin, "ecideck"), args...)
	program.Env = append(os.Environ(), "KUBECONFIG="+running.Kubeconfig)
	program.Env = append(program.Env, running.Access.Environment()...)
	program.Stdin, program.Stdout, program.Stderr = l.in, l.out, l.errOut
	// The console restores the terminal when asked to end.
	program.Cancel = func() error { return program.Process.Signal(os.Interrupt) }
	program.WaitDelay = 5 * time.Second
	if err := program.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("running ecideck: %w", err)
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
