package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/impact"
)

// impactOptions are the flags of `ecideck-node impact`.
type impactOptions struct {
	kubeconfig, nodeName, zone, output string
	hostnameLabel                      bool
	cidrs                              []string
}

func impactCommand() *cobra.Command {
	o := &impactOptions{}
	c := &cobra.Command{
		Use: "impact", Short: "Say whom a virtual node would harm in this cluster, before it is there",
		Long: `impact only reads, with any kubeconfig. It names the workloads that would be worse off with a
virtual node in the cluster, what would happen to them, and the command that prevents it:
DaemonSets that tolerate everything, spreads that must be kept, topology hints, autoscalers,
addresses that overlap, and virtual nodes that are there already.

Levels: harm (with the flags as they are), would (with a flag that is not set), beware.
Exit codes: 0 no harm, 1 harm, 2 wrong usage, 3 no harm in what could be read, and some could not.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr()) },
	}
	s := c.Flags()
	s.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file (default: KUBECONFIG, or the pod's service account)")
	s.StringVar(&o.nodeName, "node-name", "virtual-kubelet", "name that the node would have")
	s.StringVar(&o.zone, "zone", "", "as ecideck-node's: the zone label of the node")
	s.BoolVar(&o.hostnameLabel, "hostname-label", false, "as ecideck-node's: label the node with kubernetes.io/hostname")
	s.StringSliceVar(&o.cidrs, "vswitch-cidr", nil, "addresses of the vSwitches, such as 192.168.0.0/24, to look for overlaps")
	s.StringVarP(&o.output, "output", "o", "table", "table or json")
	return c
}

func (o *impactOptions) run(ctx context.Context, out, errs io.Writer) error {
	if o.output != "table" && o.output != "json" {
		return setup.Exit(setup.ExitUsage, fmt.Errorf("--output %q: use table or json", o.output))
	}
	settings := impact.Settings{Node: provider.Node(provider.NodeSpec{Name: o.nodeName}, nil, metav1.Now().Time, metav1.Now().Time),
		HostnameLabel: o.hostnameLabel, Zone: o.zone}
	for _, text := range o.cidrs {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return setup.Exit(setup.ExitUsage, fmt.Errorf("--vswitch-cidr %q: give an address and its length, such as 192.168.0.0/24", text))
		}
		settings.VSwitchCIDRs = append(settings.VSwitchCIDRs, p.Masked())
	}
	client, _, err := kubernetesClient(o.kubeconfig)
	if err != nil {
		return err
	}
	cluster, unread, err := listCluster(ctx, client)
	if err != nil {
		return err
	}
	if len(settings.VSwitchCIDRs) == 0 {
		fmt.Fprintln(errs, "not looked for: addresses that overlap with the vSwitches'; give them with --vswitch-cidr")
	}
	findings := impact.Assess(cluster, settings)
	if err := printFindings(out, findings, unread, o.output); err != nil {
		return err
	}
	for _, what := range unread {
		fmt.Fprintln(errs, "not read: "+what)
	}
	harm := 0
	for _, f := range findings {
		if f.Level == impact.Harm {
			harm++
		}
	}
	switch {
	case harm > 0:
		return fmt.Errorf("%d objects would be harmed; the remedies are above", harm)
	case len(unread) > 0:
		return setup.Exit(setup.ExitPartial, fmt.Errorf("no harm in what could be read; %d kinds could not", len(unread)))
	}
	return nil
}

// listCluster reads what is judged. What may not be read is named; an error says that the API
// server does not answer.
func listCluster(ctx context.Context, client kubernetes.Interface) (impact.Cluster, []string, error) {
	var c impact.Cluster
	var unread []string
	var failed error
	all := metav1.ListOptions{ResourceVersion: "0"}
	note := func(what string, err error) {
		switch {
		case err == nil || failed != nil:
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsUnauthorized(err):
			unread = append(unread, fmt.Sprintf("%s: %v", what, err))
		default:
			failed = fmt.Errorf("reading %s: %w", what, err)
		}
	}
	if l, err := client.CoreV1().Nodes().List(ctx, all); err == nil {
		c.Nodes = l.Items
	} else {
		note("nodes", err)
	}
	if l, err := client.AppsV1().DaemonSets("").List(ctx, all); err == nil {
		c.DaemonSets = l.Items
	} else {
		note("daemonsets", err)
	}
	if l, err := client.AppsV1().Deployments("").List(ctx, all); err == nil {
		c.Deployments = l.Items
		for i := range l.Items {
			if strings.Contains(l.Items[i].Name, "cluster-autoscaler") {
				c.Autoscaler = "Deployment " + l.Items[i].Namespace + "/" + l.Items[i].Name
			}
		}
	} else {
		note("deployments", err)
	}
	if l, err := client.AppsV1().StatefulSets("").List(ctx, all); err == nil {
		c.StatefulSets = l.Items
	} else {
		note("statefulsets", err)
	}
	if l, err := client.BatchV1().Jobs("").List(ctx, all); err == nil {
		c.Jobs = l.Items
	} else {
		note("jobs", err)
	}
	if l, err := client.BatchV1().CronJobs("").List(ctx, all); err == nil {
		c.CronJobs = l.Items
	} else {
		note("cronjobs", err)
	}
	if l, err := client.CoreV1().Services("").List(ctx, all); err == nil {
		c.Services = l.Items
	} else {
		note("services", err)
	}
	if l, err := client.NetworkingV1().ServiceCIDRs().List(ctx, all); err == nil { // from Kubernetes 1.33
		for _, o := range l.Items {
			for _, text := range o.Spec.CIDRs {
				if p, err := netip.ParsePrefix(text); err == nil {
					c.ServiceCIDRs = append(c.ServiceCIDRs, p)
				}
			}
		}
	} else {
		note("servicecidrs (the range of ClusterIPs; older servers have none)", err)
	}
	if groups, err := client.Discovery().ServerGroups(); err != nil {
		note("the server's API groups (Karpenter)", err)
	} else if slices.ContainsFunc(groups.Groups, func(g metav1.APIGroup) bool { return g.Name == "karpenter.sh" }) {
		c.Autoscaler = "Karpenter"
	}
	return c, unread, failed
}

func printFindings(out io.Writer, findings []impact.Finding, unread []string, output string) error {
	if output == "json" {
		if findings == nil {
			findings = []impact.Finding{}
		}
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(map[string]any{"findings": findings, "unread": unread}); err != nil {
			return fmt.Errorf("writing the findings: %w", err)
		}
		return nil
	}
	if len(findings) == 0 {
		fmt.Fprintln(out, "a virtual node would harm nobody here")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LEVEL\tWHEN\tOBJECT\tWHAT")
	for _, f := range findings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Level, f.When, f.Object, f.What)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	fmt.Fprintln(out, "\nremedies:")
	for _, f := range findings {
		fmt.Fprintf(out, "# %s\n%s\n", f.Object, f.Remedy)
	}
	return nil
}
