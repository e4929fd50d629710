package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func demoCommand(l *lab) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start the lab, open the console on it, and end the lab when the console is left",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return l.withLab(cmd.Context(), name, l.errOut, func(ctx context.Context, running *kubetest.Lab) error {
				bin, err := binaries()
				if err != nil {
					return err
				}
				console := exec.CommandContext(ctx, filepath.Join(bin, "ecideck"))
				console.Env = append(os.Environ(), "KUBECONFIG="+running.Kubeconfig)
				console.Env = append(console.Env, running.Access.Environment()...)
				console.Stdin, console.Stdout, console.Stderr = l.in, l.out, l.errOut
				// The console restores the terminal when asked to end.
				console.Cancel = func() error { return console.Process.Signal(os.Interrupt) }
				console.WaitDelay = 5 * time.Second
				if err := console.Run(); err != nil && ctx.Err() == nil {
					return fmt.Errorf("running the console: %w", err)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&name, "scenario", "night-burst", "what the lab runs; `ecideck-lab scenario list` names them")
	return cmd
}
