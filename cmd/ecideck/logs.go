package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/lastwords"
	"github.com/ecideck/ecideck/ui"
)

// podLogs opens logs through the API server, as kubectl does; so they work for pods on real
// and on virtual nodes alike. What is gone from there it reads from the last words that
// ecideck-node keeps.
type podLogs struct{ client kubernetes.Interface }

// Log implements ui.Logs.
func (l podLogs) Log(ctx context.Context, r ui.LogRequest) (io.ReadCloser, error) {
	stream, err := l.live(ctx, r)
	if err == nil {
		return stream, nil
	}
	kept, record, failed := l.kept(ctx, r, "")
	if failed != nil {
		return nil, err // the first one says more to somebody who looks at a pod
	}
	return io.NopCloser(strings.NewReader("--- " + strings.Join(introduce(record, time.Now()), "\n--- ") + "\n" + kept)), nil
}

func (l podLogs) live(ctx context.Context, r ui.LogRequest) (io.ReadCloser, error) {
	o := &corev1.PodLogOptions{Container: r.Container, Follow: r.Follow, Previous: r.Previous, Timestamps: r.Timestamps}
	if r.Tail > 0 {
		lines := int64(r.Tail)
		o.TailLines = &lines
	}
	if r.Since > 0 {
		seconds := int64(math.Ceil(r.Since.Seconds()))
		o.SinceSeconds = &seconds
	}
	stream, err := l.client.CoreV1().Pods(r.Namespace).GetLogs(r.Pod, o).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the log of %s/%s container %s: %w", r.Namespace, r.Pod, r.Container, err)
	}
	return stream, nil
}

// errNotKept says that nothing is kept of a pod.
var errNotKept = errors.New("ecideck-node keeps no last words of it: it did not run on a virtual node of ecideck-node, it is long ago, or many pods ended since")

// kept is the log that is kept of a pod, the newest of its name unless uid names one.
func (l podLogs) kept(ctx context.Context, r ui.LogRequest, uid string) (string, lastwords.Record, error) {
	all, err := lastwords.NewStore(l.client.CoreV1()).All(ctx, r.Namespace)
	if err != nil {
		if apierrors.IsForbidden(err) {
			err = fmt.Errorf("%w; last words are kept in a Secret, since logs may hold secrets: ask for the right to get secrets named %s", err, lastwords.SecretName)
		}
		return "", lastwords.Record{}, err
	}
	i := slices.IndexFunc(all, func(k lastwords.Record) bool {
		return k.Pod == r.Pod && (uid == "" || k.UID == uid)
	})
	if i < 0 {
		return "", lastwords.Record{}, errNotKept
	}
	record := all[i]
	name := r.Container
	if name == "" { // as kubectl: the first one that is no init container
		for _, c := range record.Containers {
			if !c.Init {
				name = c.Name
				break
			}
		}
	}
	c := record.Container(name)
	if c == nil {
		return "", record, fmt.Errorf("the pod had no container %q; it had %s", name, containerNames(record))
	}
	s := lastwords.Selection{Previous: r.Previous, Timestamps: r.Timestamps, Tail: -1}
	if r.Tail > 0 {
		s.Tail = r.Tail
	}
	if r.Since > 0 {
		s.Since = time.Now().Add(-r.Since)
	}
	text, cut := c.Select(s)
	switch {
	case cut:
		record.Missing = append(record.Missing, "earlier lines: the last ones alone are kept")
	case text == "" && r.Previous:
		record.Missing = append(record.Missing, "a log of a run before the last")
	case text == "":
		record.Missing = append(record.Missing, "lines of this container's log")
	}
	return text, record, nil
}

func containerNames(r lastwords.Record) string {
	var names []string
	for _, c := range r.Containers {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// introduce says in a few lines what is kept of a pod.
func introduce(r lastwords.Record, now time.Time) []string {
	ago := duration.HumanDuration(now.Sub(r.At)) + " ago"
	how := map[lastwords.Why]string{
		lastwords.Ended: "its containers had ended", lastwords.Deleted: "it was deleted", lastwords.Restarted: "a container of it had failed",
		lastwords.Gone: "its container group was gone", lastwords.Orphaned: "its group was found without the pod",
	}[r.Why]
	lines := []string{fmt.Sprintf("the log is not there any more; these are the last words of pod %s/%s (group %s), kept %s when %s: %s", r.Namespace, r.Pod, r.Group, ago, how, r.Phase)}
	if r.Reason != "" {
		lines = append(lines, strings.TrimSuffix(printable(r.Reason+": "+r.Message), ": "))
	}
	for _, c := range r.Containers {
		text := "container " + c.Name + ": " + c.State
		switch c.State {
		case "Terminated":
			text = fmt.Sprintf("container %s: exit code %d", c.Name, c.ExitCode)
			if c.Signal != 0 {
				text += fmt.Sprintf(", signal %d", c.Signal)
			}
		case "":
			text = "container " + c.Name + ": unknown"
		}
		if c.Reason != "" {
			text += ", " + c.Reason
		}
		if c.Restarts > 0 {
			text += fmt.Sprintf(", %d restarts", c.Restarts)
		}
		if c.Message != "" {
			text += ": " + strings.TrimSpace(c.Message)
		}
		lines = append(lines, printable(text))
	}
	for _, e := range r.Events {
		if e.Type == corev1.EventTypeWarning {
			lines = append(lines, printable(fmt.Sprintf("event %s ago: %s: %s", duration.HumanDuration(now.Sub(e.Last)), e.Reason, e.Message)))
		}
	}
	for _, m := range r.Missing {
		lines = append(lines, printable("not kept: "+m))
	}
	return lines
}

type logsOptions struct {
	*options
	request ui.LogRequest
	uid     string
}

func newLogs(o *options) *cobra.Command {
	l := &logsOptions{options: o}
	c := &cobra.Command{
		Use: "logs POD", Short: "Print a pod's log, also when its container group is gone",
		Long: `logs prints the log of a pod's container, as kubectl does. When the pod or its container
group is gone, it prints the last words that ecideck-node has kept: the last lines, and on
stderr the exit codes, reasons and events. They are in a Secret of the pod's namespace
(` + lastwords.SecretName + `), the newest hundred pods of a week.

Exit codes: 0 printed, 1 there is nothing, 2 wrong usage, 3 printed, but some of it was not kept.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			l.request.Pod = strings.TrimPrefix(args[0], "pod/")
			return l.run(c.Context())
		},
	}
	s := c.Flags()
	s.StringVarP(&l.request.Container, "container", "c", "", "container (default: the pod's first)")
	s.BoolVarP(&l.request.Previous, "previous", "p", false, "the log of the container's run before this one")
	s.BoolVarP(&l.request.Follow, "follow", "f", false, "print new lines as they come, until the container ends")
	s.BoolVar(&l.request.Timestamps, "timestamps", false, "print when each line was written")
	s.IntVar(&l.request.Tail, "tail", 0, "the last lines only (default: all)")
	s.DurationVar(&l.request.Since, "since", 0, "lines newer than this only, such as 10m")
	s.StringVar(&l.uid, "uid", "", "of the kept pods of this name, the one with this UID (default: the newest)")
	return c
}

func (l *logsOptions) run(ctx context.Context) error {
	if l.request.Tail < 0 || l.request.Since < 0 {
		return setup.Exit(setup.ExitUsage, errors.New("--tail and --since must not be less than 0"))
	}
	kube, err := setup.NewKube(l.kube)
	if err != nil {
		return err
	}
	l.request.Namespace = kube.Namespace
	logs := podLogs{kube.Client}
	if l.uid == "" {
		err = l.live(ctx, logs)
		if err == nil {
			return nil
		}
	}
	return l.kept(ctx, logs, err)
}

func (l *logsOptions) live(ctx context.Context, logs podLogs) error {
	if l.request.Container == "" {
		pod, err := logs.client.CoreV1().Pods(l.request.Namespace).Get(ctx, l.request.Pod, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading pod %s/%s: %w", l.request.Namespace, l.request.Pod, err)
		}
		l.request.Container = pod.Spec.Containers[0].Name
		if name := pod.Annotations["kubectl.kubernetes.io/default-container"]; name != "" {
			l.request.Container = name
		}
		if n := len(pod.Spec.Containers); n > 1 {
			fmt.Fprintf(l.err, "container %s of %d; choose with -c\n", l.request.Container, n)
		}
	}
	stream, err := logs.live(ctx, l.request)
	if err != nil {
		return err
	}
	defer stream.Close()
	if _, err := io.Copy(l.out, stream); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	return nil
}

// kept prints the last words; instead is why there is no log, or nil.
func (l *logsOptions) kept(ctx context.Context, logs podLogs, instead error) error {
	text, record, err := logs.kept(ctx, l.request, l.uid)
	if err != nil {
		return errors.Join(instead, err)
	}
	for _, line := range introduce(record, time.Now()) {
		fmt.Fprintln(l.err, line)
	}
	if _, err := io.WriteString(l.out, text); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	if len(record.Missing) > 0 {
		return setup.Exit(setup.ExitPartial, nil)
	}
	return nil
}
