package main

import (
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func kubectlCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl [--name NAME] -- ARGS…",
		Short: "Run the lab's own kubectl on the lab; everything after it is kubectl's",
		// kubectl's flags are not ours to parse, except a leading --name.
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 && args[0] == "--name" {
				l.name, args = args[1], args[2:]
			}
			if len(args) > 0 && args[0] == "--" {
				args = args[1:]
			}
			status, err := l.status(cmd)
			if err != nil {
				return err
			}
			controlPlane, err := kubetest.ControlPlane(cmd.Context(), l.errOut)
			if err != nil {
				return err
			}
			kubectl := exec.CommandContext(cmd.Context(), controlPlane, append([]string{"kubectl"}, args...)...)
			kubectl.Env = append(os.Environ(), "KUBECONFIG="+status.Kubeconfig)
			kubectl.Stdin, kubectl.Stdout, kubectl.Stderr = l.in, l.out, l.errOut
			kubectl.Cancel = func() error { return kubectl.Process.Signal(os.Interrupt) }
			return kubectl.Run()
		},
	}
}
