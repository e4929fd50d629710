package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/placement"
)

func newDoctor(o *options) *cobra.Command {
	doctor := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong, and say what to do about it",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	doctor.AddCommand(&cobra.Command{
		Use: "network", Short: "Say what pods on ECI reach of the cluster",
		Long: `network reads what the virtual nodes have found out by themselves: whether a group in each
vSwitch reaches DNS, a ClusterIP, a pod on a real node, the API server and the registry. It
starts nothing; ` + "`ecideck-node probe`" + ` tries it now.

Exit codes: 0 all is reached, 1 something is not, 3 of some node it is not known.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return o.doctorNetwork(c.Context()) },
	})
	return doctor
}

func (o *options) doctorNetwork(ctx context.Context) error {
	kube, err := setup.NewKube(o.kube)
	if err != nil {
		return err
	}
	nodes, err := kube.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: labels.Set{placement.NodeTypeLabel: placement.NodeType}.String()})
	if err != nil {
		return fmt.Errorf("reading the virtual nodes: %w", err)
	}
	if len(nodes.Items) == 0 {
		return errors.New("there is no virtual node: see that ecideck-node runs")
	}
	broken, unknown := 0, 0
	for i := range nodes.Items {
		switch o.networkOf(&nodes.Items[i], time.Now()) {
		case corev1.ConditionFalse:
			broken++
		case corev1.ConditionUnknown:
			unknown++
		}
	}
	switch {
	case broken > 0:
		return fmt.Errorf("pods of %d of %d virtual nodes do not reach all of the cluster", broken, len(nodes.Items))
	case unknown > 0:
		return setup.Exit(setup.ExitPartial, fmt.Errorf("of %d of %d virtual nodes it is not known what their pods reach", unknown, len(nodes.Items)))
	}
	return nil
}

// networkOf prints what is known of a node's network.
func (o *options) networkOf(node *corev1.Node, now time.Time) corev1.ConditionStatus {
	services := provider.ServiceNetwork(node.Annotations[provider.AnnotationServiceNetwork])
	var said *corev1.NodeCondition
	for i := range node.Status.Conditions {
		if c := &node.Status.Conditions[i]; c.Type == provider.ConditionNetwork {
			said = c
		}
	}
	switch {
	case services == "" && said == nil:
		fmt.Fprintf(o.out, "node %s: a virtual node of somebody else's, which says nothing about its network\n", node.Name)
		return corev1.ConditionUnknown
	case said == nil:
		fmt.Fprintf(o.out, "node %s: not probed (ecideck-node --network-probe=0); try it with `ecideck-node probe`\n", node.Name)
	default:
		fmt.Fprintf(o.out, "node %s: %s=%s for %s: %s\n", node.Name, said.Type, said.Status, duration.HumanDuration(now.Sub(said.LastTransitionTime.Time)), said.Reason)
	}
	if services != "" {
		fmt.Fprintf(o.out, "  Services: %s: %s\n", services, services.Words())
	}
	if result := provider.ProbeOf(node); result != nil {
		fmt.Fprintf(o.out, "  probed %s ago\n", duration.HumanDuration(now.Sub(result.At)))
		for _, v := range result.VSwitches {
			if v.Error != "" {
				fmt.Fprintf(o.out, "  ? %s: %s\n", v.VSwitch, printable(v.Error))
			}
			for _, t := range v.Targets {
				mark := map[string]string{provider.ProbeOK: "ok    ", provider.ProbeFailed: "failed"}[t.State]
				if mark == "" {
					mark = t.State
				}
				fmt.Fprintf(o.out, "  %s  %s: %s %s %s\n", mark, v.VSwitch, t.Name, t.To, printable(t.Detail))
				if t.Remedy != "" {
					fmt.Fprintf(o.out, "          %s\n", printable(t.Remedy))
				}
			}
		}
	} else if said != nil {
		fmt.Fprintf(o.out, "  %s\n", printable(said.Message))
	}
	if said == nil {
		return corev1.ConditionUnknown
	}
	return said.Status
}
