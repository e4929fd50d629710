package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func downCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the lab; no process, port or file of it is left",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			remote, err := kubetest.Find(l.name)
			if err != nil {
				return err
			}
			if err := remote.Down(cmd.Context()); err != nil {
				return fmt.Errorf("ending lab %s: %w", l.name, err)
			}
			fmt.Fprintf(l.out, "lab %s ended\n", l.name)
			return nil
		},
	}
}
