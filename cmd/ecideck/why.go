package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/burst"
)

func newWhy(o *options) *cobra.Command {
	why := &cobra.Command{
		Use: "why", Short: "Say why something is as it is",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	why.AddCommand(&cobra.Command{
		Use: "pod NAME", Short: "Say why a pod is pending, and why it does or does not run on ECI",
		Long: `why pod reads the pod, its namespace, the virtual nodes and the limits as they are now, and
says what ecideck-node makes of them: who marked the pod, what the scheduler says, what it
waits for and what to do about it. It changes nothing.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return o.whyPod(c.Context(), strings.TrimPrefix(args[0], "pod/"))
		},
	})
	return why
}

func (o *options) whyPod(ctx context.Context, name string) error {
	kube, err := setup.NewKube(o.kube)
	if err != nil {
		return err
	}
	pod, err := kube.Client.CoreV1().Pods(kube.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading pod %s/%s: %w", kube.Namespace, name, err)
	}
	now := time.Now()
	e, err := burst.Explain(ctx, kube.Client, kube.Client.Discovery(), pod, now)
	if err != nil {
		return err
	}
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(o.out, "  %-10s %s\n", what, text)
		}
	}
	fmt.Fprintf(o.out, "pod %s/%s is %s for %s\n", pod.Namespace, pod.Name, pod.Status.Phase, duration.HumanDuration(now.Sub(pod.CreationTimestamp.Time)))
	line("marked", e.Marks.String())
	for _, problem := range e.Marks.Problems {
		line("beware", problem)
	}
	line("scheduler", e.Scheduler)
	line("ECI", e.Decision.Message)
	for i := range e.Events {
		event := &e.Events[i]
		line("event", fmt.Sprintf("%s ago %s: %s", duration.HumanDuration(now.Sub(latest(event))), event.Reason, event.Message))
	}
	if len(e.Unread) > 0 {
		fmt.Fprintf(o.err, "not all could be read, so this may be wrong: %s\n", strings.Join(e.Unread, "; "))
		return setup.Exit(setup.ExitPartial, nil)
	}
	return nil
}

func latest(e *corev1.Event) time.Time {
	if e.LastTimestamp.IsZero() {
		return e.CreationTimestamp.Time
	}
	return e.LastTimestamp.Time
}
