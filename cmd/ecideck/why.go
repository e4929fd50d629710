package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/ui"
	"github.com/ecideck/ecideck/ui/why"
)

// A whyKind is a kind of things that can be asked about.
type whyKind struct {
	kind  string   // Deployment
	names []string // as they may be typed
	whole bool     // it belongs to no namespace
}

func whyKinds() []whyKind {
	return []whyKind{
		{"Pod", []string{"pod", "pods", "po"}, false},
		{"Deployment", []string{"deploy", "deployment", "deployments"}, false},
		{"StatefulSet", []string{"sts", "statefulset", "statefulsets"}, false},
		{"DaemonSet", []string{"ds", "daemonset", "daemonsets"}, false},
		{"Job", []string{"job", "jobs"}, false},
		{"CronJob", []string{"cj", "cronjob", "cronjobs"}, false},
		{"HorizontalPodAutoscaler", []string{"hpa", "horizontalpodautoscaler"}, false},
		{"Node", []string{"node", "nodes", "no"}, true},
		{fleet.KindGroup, []string{"group", "groups", "containergroup"}, true},
	}
}

func newWhy(o *options) *cobra.Command {
	var timeout time.Duration
	var kinds []string
	for _, k := range whyKinds() {
		kinds = append(kinds, k.names[0])
	}
	cmd := &cobra.Command{
		Use:   "why {" + strings.Join(kinds, "|") + "} NAME",
		Short: "Say why something is as it is, and what helps",
		Long: `why is the shortest way to an answer: why a pod is pending, why a workload does
or doesn't scale, what a node or a container group is doing, what it costs, what
happened to it, and what helps. Of a pod that waits it also says what the
virtual node makes of it: whether it may run on ECI, and why not. It changes nothing.

Exit codes: 0 answered, 1 there is no such thing or nothing could be read,
2 wrong usage, 3 answered, but a source failed and the answer may lack something.`,
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error { return o.why(c.Context(), args, timeout) },
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Second, "how long to wait for the sources")
	return cmd
}

// named reads "deploy web" or "deploy/web".
func named(args []string) (whyKind, string, error) {
	if len(args) == 1 {
		kind, name, _ := strings.Cut(args[0], "/")
		args = []string{kind, name}
	}
	kind, name := strings.ToLower(args[0]), args[1]
	_, inner, both := strings.Cut(name, "/")
	if both { // pod pod/web-0
		name = inner
	}
	for _, k := range whyKinds() {
		if slices.Contains(k.names, kind) {
			if name == "" {
				return k, "", fmt.Errorf("which %s? give its name", k.names[0])
			}
			return k, name, nil
		}
	}
	var all []string
	for _, k := range whyKinds() {
		all = append(all, k.names[0])
	}
	return whyKind{}, "", fmt.Errorf("nothing is known of the kind %q: ask about %s", args[0], strings.Join(all, ", "))
}

// An adviser knows more of an object than a Snapshot does; see ui.Adviser.
type adviser = ui.Adviser

func (o *options) why(ctx context.Context, args []string, timeout time.Duration) error {
	kind, name, err := named(args)
	if err != nil {
		return setup.Exit(setup.ExitUsage, fmt.Errorf("%w (see ecideck why --help)", err))
	}
	if timeout <= 0 {
		return setup.Exit(setup.ExitUsage, errors.New("--timeout must be more than 0"))
	}
	kube, err := setup.NewKube(o.kube)
	if err != nil {
		return err
	}
	scope := kube.Namespace
	ref := fleet.Ref{Kind: kind.kind, Namespace: kube.Namespace, Name: name}
	if kind.whole {
		scope, ref.Namespace = "", ""
	}
	var sources []string
	for _, l := range listings() {
		if l.name == "overview" {
			sources = append(l.sources, "zones")
		}
	}
	g := &getOptions{options: o}
	s := read(ctx, o.sources(kube, scope), sources, kind.kind == fleet.KindGroup, timeout, g.progress)
	if ctx.Err() != nil {
		return setup.Exit(setup.ExitError, errors.New("interrupted"))
	}
	failed := failures(s, timeout)
	for _, text := range failed {
		fmt.Fprintln(o.err, text)
	}
	now := time.Now()
	a, found := why.Of(s, ref, now)
	if !found {
		where := ""
		if !kind.whole {
			where = " in namespace " + kube.Namespace + " (-n chooses another)"
		}
		text := fmt.Sprintf("there is no %s %s%s", kind.names[0], name, where)
		if len(failed) > 0 {
			text += ", or it could not be read"
		}
		return setup.Exit(setup.ExitError, errors.New(text))
	}
	var lines []string
	for line := range strings.SplitSeq(a.String(), "\n") {
		lines = append(lines, printable(line))
	}
	fmt.Fprint(o.out, strings.Join(lines, "\n"))
	advised := true
	for _, more := range []adviser{burstAdviser{kube.Client}} {
		text, err := more.Advise(ctx, ref)
		if err != nil {
			fmt.Fprintln(o.err, err)
			advised = false
		}
		fmt.Fprint(o.out, text)
	}
	if len(failed) > 0 || !advised {
		return setup.Exit(setup.ExitPartial, nil)
	}
	return nil
}

// A burstAdviser says what ecideck-node makes of a pod that waits: who marked it, what the
// scheduler says, what it waits for. It reads the cluster as it is now.
type burstAdviser struct{ client kubernetes.Interface }

// Advise implements ui.Adviser. What could not be read is an error beside what was.
func (b burstAdviser) Advise(ctx context.Context, ref fleet.Ref) (string, error) {
	if ref.Kind != "Pod" {
		return "", nil
	}
	pod, err := b.client.CoreV1().Pods(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading pod %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return "", nil
	}
	now := time.Now()
	e, err := burst.Explain(ctx, b.client, b.client.Discovery(), pod, now)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("Burst to ECI:\n")
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(&out, "  %-10s %s\n", what, printable(text))
		}
	}
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
		return out.String(), fmt.Errorf("not all could be read, so this may be wrong: %s", strings.Join(e.Unread, "; "))
	}
	return out.String(), nil
}

func latest(e *corev1.Event) time.Time {
	if e.LastTimestamp.IsZero() {
		return e.CreationTimestamp.Time
	}
	return e.LastTimestamp.Time
}
