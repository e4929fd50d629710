package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func faultCommand(l *lab) *cobra.Command {
	var fault ecitest.Fault
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "fault KIND|clear",
		Short: "Make the emulated cloud do something wrong: nostock, throttling, error500 …",
		Long: `Make the emulated cloud do something wrong, or with "clear" nothing any more.

  ecideck-lab fault nostock --zone cn-hangzhou-h --for 2m
  ecideck-lab fault throttling --rate 0.3
  ecideck-lab fault code --code Forbidden.RiskControl --action CreateContainerGroup
  ecideck-lab fault clear

Kinds: ` + faultHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := l.status(cmd)
			if err != nil {
				return err
			}
			if args[0] == "clear" {
				return status.ECI.Heal(cmd.Context())
			}
			fault.Kind, fault.ForSeconds = args[0], lasts.Seconds()
			if fault.Rate < 0 || fault.Rate > 1 {
				return usageError{fmt.Errorf("--rate %g: want 0 to 1", fault.Rate)}
			}
			return status.ECI.Inject(cmd.Context(), fault)
		},
	}
	cmd.Flags().StringVar(&fault.Zone, "zone", "", "only in this zone")
	cmd.Flags().StringVar(&fault.Action, "action", "", "only this API action, such as CreateContainerGroup")
	cmd.Flags().StringVar(&fault.Group, "group", "", "only this container group, by id")
	cmd.Flags().Float64Var(&fault.DelaySeconds, "delay-seconds", 0, "slow: how much longer an answer takes")
	cmd.Flags().StringVar(&fault.Code, "code", "", "code: what calls are refused with")
	cmd.Flags().IntVar(&fault.Status, "status", 0, "code: its HTTP status; 0: the documented one, or 400")
	cmd.Flags().StringVar(&fault.Message, "message", "", "code: its message")
	cmd.Flags().Float64Var(&fault.Rate, "rate", 0, "share of calls, 0 to 1; 0: all")
	cmd.Flags().IntVar(&fault.Count, "count", 0, "this many calls; 0: no end")
	cmd.Flags().DurationVar(&lasts, "for", 0, "this long; 0: until cleared")
	cmd.Flags().BoolVar(&fault.Async, "async", false, "the call succeeds, the group fails later")
	return cmd
}
