package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider"
)

func probeCommand() *cobra.Command {
	f := &flags{}
	var output string
	c := &cobra.Command{
		Use: "probe", Short: "Start a small group in each vSwitch and say what pods on ECI reach",
		Long: `probe takes the flags that ecideck-node itself is started with. In each vSwitch it starts the
smallest group for a minute at the most, asks from inside for DNS, a ClusterIP, a pod on a real
node, the API server and the registry, and deletes it. The groups are paid for; nothing else is
changed. The running node does the same by itself and says it as the node condition
ClusterNetworkReachable.

Exit codes: 0 all is reached, 1 something is not, or nothing could be found out, 3 reached, but
of some vSwitch it is not known.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output %q: use table or json", output)
			}
			if err := f.complete(); err != nil {
				return err
			}
			logger, err := newLogger("error", f.logFormat)
			if err != nil {
				return err
			}
			cloud, err := setup.Cloud(f.region, f.endpoint, logger)
			if err != nil {
				return err
			}
			client, _, err := kubernetesClient(f.kubeconfig)
			if err != nil {
				return err
			}
			if f.clusterID == "" {
				namespace, err := client.CoreV1().Namespaces().Get(c.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
				if err != nil {
					return fmt.Errorf("reading the cluster's id (the UID of namespace kube-system; or give --cluster-id): %w", err)
				}
				f.clusterID = string(namespace.UID)
			}
			if err := f.checkAddresses(c.Context(), client, logger); err != nil {
				return err
			}
			p := f.prober(cloud, client)
			fmt.Fprintf(c.ErrOrStderr(), "starting a group of %s in %d vSwitches, one after the other\n", p.Image, max(len(f.vswitches), 1))
			result, err := p.Run(c.Context())
			if err != nil {
				return err
			}
			return printProbe(c.OutOrStdout(), &result, output)
		},
	}
	f.bind(c.Flags())
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

func printProbe(out io.Writer, r *provider.ProbeResult, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	} else {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "VSWITCH\tTARGET\tADDRESS\tSTATE\tWHY AND WHAT TO DO")
		for _, v := range r.VSwitches {
			if v.Error != "" {
				fmt.Fprintf(w, "%s\t\t\tunknown\t%s\n", v.VSwitch, v.Error)
			}
			for _, t := range v.Targets {
				why := t.Detail
				if t.Remedy != "" {
					why += "; " + t.Remedy
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.VSwitch, t.Name, t.To, t.State, why)
			}
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
	failed, unknown := r.Failed(), r.Unknown()
	switch {
	case len(failed) > 0:
		return fmt.Errorf("%d targets are not reached", len(failed))
	case len(unknown) == len(r.VSwitches):
		return errors.New("nothing could be found out")
	case len(unknown) > 0:
		return setup.Exit(setup.ExitPartial, fmt.Errorf("of %d vSwitches it is not known", len(unknown)))
	}
	return nil
}
