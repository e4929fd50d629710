package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func killCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "kill PART",
		Short: "End one process at once, as a crash would",
		Long:  "End one process at once, as a crash would (SIGKILL); `start PART` brings it back.\nParts: etcd, apiserver, scheduler, controllers, metrics-server, kwok, node, eci.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			remote, err := kubetest.Find(l.name)
			if err != nil {
				return err
			}
			if err := remote.Kill(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("killing %s: %w", args[0], err)
			}
			return nil
		},
	}
}
