package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func statusCommand(l *lab) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the lab is ready, its processes and how to reach it",
		Long:  "Show whether the lab is ready, its processes and how to reach it.\nThe exit code is 1 when no lab runs; with -o json it is printed as not ready.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "json" && output != "text" {
				return usageError{fmt.Errorf("-o %s: want text or json", output)}
			}
			status := kubetest.Status{Name: l.name, Processes: []kubetest.Process{}}
			remote, err := kubetest.Find(l.name)
			if err == nil {
				status, err = remote.Status(cmd.Context())
			}
			if err != nil && !errors.Is(err, kubetest.ErrNotRunning) {
				return err
			}
			if output == "json" {
				status.Name = l.name
				encoder := json.NewEncoder(l.out)
				encoder.SetIndent("", "  ")
				if printErr := encoder.Encode(status); printErr != nil {
					return printErr
				}
				return err
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(l.out, "lab %s, scenario %s, ready: %t\nKUBECONFIG=%s\nECI %s://%s, region %s\n",
				status.Name, status.Scenario, status.Ready, status.Kubeconfig, status.ECI.Scheme, status.ECI.Endpoint, status.ECI.Region)
			w := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "PROCESS\tPID\tSTATE\tREASON")
			for _, p := range status.Processes {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", p.Name, p.PID, p.State, p.Reason)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
