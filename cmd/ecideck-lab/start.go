package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func startCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "start PART",
		Short: "Start one process that was killed",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			remote, err := kubetest.Find(l.name)
			if err != nil {
				return err
			}
			if err := remote.StartPart(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("starting %s: %w", args[0], err)
			}
			return nil
		},
	}
}
