package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func buildCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the control plane if it is not built yet, and print its path",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := kubetest.ControlPlane(cmd.Context(), l.errOut)
			if err != nil {
				return err
			}
			fmt.Fprintln(l.out, path)
			return nil
		},
	}
}
