package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
)

func envCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print the variables that point kubectl, ecideck and the vendor's SDKs at the lab",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := l.status(cmd)
			if err != nil {
				return err
			}
			for _, variable := range append([]string{"KUBECONFIG=" + status.Kubeconfig}, status.ECI.Environment()...) {
				name, value, _ := strings.Cut(variable, "=")
				fmt.Fprintf(l.out, "export %s=%s\n", name, shellQuote(value))
			}
			return nil
		},
	}
}

func (l *lab) status(cmd *cobra.Command) (kubetest.Status, error) {
	remote, err := kubetest.Find(l.name)
	if err != nil {
		return kubetest.Status{}, err
	}
	return remote.Status(cmd.Context())
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
