package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/placement"
)

func newBurst(o *options) *cobra.Command {
	c := &cobra.Command{
		Use: "burst", Short: "Stop and start spilling to ECI, and say how it stands",
		Long: `burst halts new bursts in the whole cluster at once, and lets them go on. Pods that run
on ECI stay there, and pods that belong on ECI only are no bursts. Pods marked
` + burst.AnnotationBurst + `: at-creation are opened to ECI by the admission policy, which knows
neither the switch nor a guardrail: they go on to burst until the mark is removed. The switch is the
ConfigMap ` + metav1.NamespaceSystem + `/` + burst.SwitchName + `; ecideck-node follows it, not the vendor's own virtual nodes.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return o.burstStatus(c.Context()) },
	}
	reason := ""
	stop := &cobra.Command{
		Use: "stop", Short: "Halt new bursts", Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return o.setBurst(c.Context(), true, reason) },
	}
	stop.Flags().StringVar(&reason, "reason", "", "why, for whoever finds bursts stopped")
	c.AddCommand(stop,
		&cobra.Command{Use: "start", Short: "Let new bursts go on", Args: usage(cobra.NoArgs),
			RunE: func(c *cobra.Command, _ []string) error { return o.setBurst(c.Context(), false, "") }},
		&cobra.Command{Use: "status", Short: "Say whether bursts are stopped, and who may burst", Args: usage(cobra.NoArgs),
			RunE: func(c *cobra.Command, _ []string) error { return o.burstStatus(c.Context()) }})
	return c
}

func (o *options) setBurst(ctx context.Context, stopped bool, reason string) error {
	kube, err := setup.NewKube(o.kube)
	if err != nil {
		return err
	}
	if err := burst.SetSwitch(ctx, kube.Client.CoreV1(), burst.Switch{Stopped: stopped, By: whoami(ctx, kube.Client), At: time.Now(), Reason: reason}); err != nil {
		return err
	}
	return o.burstStatus(ctx)
}

// whoami is the name under which the API server knows the user, else the shell's.
func whoami(ctx context.Context, client kubernetes.Interface) string {
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err == nil && review.Status.UserInfo.Username != "" {
		return review.Status.UserInfo.Username
	}
	return cmp.Or(os.Getenv("USER"), "somebody")
}

func (o *options) burstStatus(ctx context.Context) error {
	kube, err := setup.NewKube(o.kube)
	if err != nil {
		return err
	}
	state, err := burst.LoadSwitch(ctx, kube.Client.CoreV1())
	if err != nil {
		return err
	}
	fmt.Fprintln(o.out, state)
	if state.Stopped {
		fmt.Fprintf(o.out, "pods marked %s: at-creation burst all the same, since admission opens ECI to them\n", burst.AnnotationBurst)
	}
	nodes, err := kube.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: placement.NodeTypeLabel + "=" + placement.NodeType})
	if err != nil {
		return fmt.Errorf("listing virtual nodes: %w", err)
	}
	found := false
	for i := range nodes.Items {
		node := &nodes.Items[i]
		var settings burst.Settings
		if json.Unmarshal([]byte(node.Annotations[burst.AnnotationSettings]), &settings) != nil {
			continue // a vendor's own
		}
		found = true
		fmt.Fprintf(o.out, "node %s: --burst=%s, %s\n", node.Name, settings.Policy, settings.Words())
	}
	if !found {
		fmt.Fprintln(o.out, "no node of ecideck-node is in the cluster: nothing follows the switch")
	}
	return nil
}
