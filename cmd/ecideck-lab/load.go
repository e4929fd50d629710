package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func loadCommand(l *lab) *cobra.Command {
	return &cobra.Command{
		Use:   "load NAMESPACE/PODS SHARE|CURVE|own",
		Short: "Change what running pods on ECI use of their CPU",
		Long: `Change what pods on ECI use of their CPU from now on, those that start later too.

  ecideck-lab load 'shop/checkout-*' 0.9                     nine tenths
  ecideck-lab load 'shop/checkout-*' 0s:0.1,5m:0.9,10m:0.1   up and down, again and again
  ecideck-lab load 'shop/checkout-*' own                     as their variable LOAD says

A pod on a simulated node says itself what it uses, by its annotation
kwok.x-k8s.io/usage-cpu. A workload whose scenario has a curve of vCPU is set anew by it.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			namespace, pods, ok := strings.Cut(args[0], "/")
			if !ok || namespace == "" || pods == "" {
				return usageError{fmt.Errorf("%q: want NAMESPACE/PODS, such as 'shop/checkout-*'", args[0])}
			}
			status, err := l.status(cmd)
			if err != nil {
				return err
			}
			load := args[1]
			if load == "own" {
				load = ""
			}
			return status.ECI.SetLoad(cmd.Context(), namespace, pods, load)
		},
	}
}
