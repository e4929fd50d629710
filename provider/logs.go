package provider

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"

	"github.com/ecideck/ecideck/provider/eci"
)

// What DescribeContainerLog gives at most: the last lines, no offset and no stream.
const (
	maxLogLines  = 2000
	maxLogBytes  = 1 << 20
	followEvery  = time.Second
	missingLines = "[ecideck-node: lines may be missing here; ECI gives at most the last 2000, or 1 MB]\n"
)

// full tells that a log may have had more lines before the ones that ECI gave. Where ECI
// cuts within a mebibyte is documented nowhere, so a little less counts as full too.
func full(text string) bool {
	return len(text) > maxLogBytes-64<<10 || strings.Count(text, "\n") >= maxLogLines
}

// wantsAll tells that a reader asked for more than ECI gives at most.
func wantsAll(o api.ContainerLogOpts) bool { return o.Tail == 0 || o.Tail > maxLogLines }

// tailZero marks a request for --tail=0, which Virtual Kubelet's options can't tell from
// no --tail at all.
type tailZero struct{}

// withTailZero is set by the kubelet server from the query.
func withTailZero(ctx context.Context) context.Context {
	return context.WithValue(ctx, tailZero{}, true)
}

// GetContainerLogs reads a container's log. With Follow it polls until the container has
// ended or the reader is closed; no line comes twice, and where lines may be missing the
// stream says so.
func (p *Provider) GetContainerLogs(ctx context.Context, namespace, name, container string, o api.ContainerLogOpts) (io.ReadCloser, error) {
	none := ctx.Value(tailZero{}) != nil
	request, err := p.logRequest(namespace, name, container, o)
	if err != nil {
		if text, ok := p.keptLog(ctx, namespace, name, container, o, none); ok {
			return text, nil
		}
		return nil, err
	}
	if !o.Follow {
		if none {
			return io.NopCloser(strings.NewReader("")), nil
		}
		text, err := p.Cloud.Log(ctx, request)
		if err != nil {
			if text, ok := p.keptLog(ctx, namespace, name, container, o, none); ok && eci.IsNotFound(err) {
				return text, nil
			}
			return nil, logError(err)
		}
		if wantsAll(o) && full(text) {
			text = missingLines + text
		}
		return io.NopCloser(strings.NewReader(limitBytes(text, o.LimitBytes))), nil
	}
	request.Timestamps = true // they tell which lines are new
	if request.SinceSeconds > 0 && request.StartTime == "" {
		// As a moment and not an age: a later look would else begin at the log's start while
		// nothing was written yet.
		request.StartTime = time.Now().Add(-time.Duration(request.SinceSeconds) * time.Second).UTC().Format(time.RFC3339)
		request.SinceSeconds = 0
	}
	text, err := p.Cloud.Log(ctx, request)
	if err != nil {
		if text, ok := p.keptLog(ctx, namespace, name, container, o, none); ok && eci.IsNotFound(err) {
			return text, nil
		}
		return nil, logError(err)
	}
	reader, writer := io.Pipe()
	f := &follower{p: p, request: request, out: writer, timestamps: o.Timestamps, left: o.LimitBytes, all: wantsAll(o), namespace: namespace, pod: name}
	go func() { writer.CloseWithError(f.run(ctx, text, none)) }()
	return reader, nil
}

// logRequest finds the container's group and translates the options.
func (p *Provider) logRequest(namespace, name, container string, o api.ContainerLogOpts) (eci.LogRequest, error) {
	pod, err := p.Pods.Pods(namespace).Get(name)
	if err != nil {
		return eci.LogRequest{}, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, name)
	}
	exists := false
	for i := range pod.Spec.Containers {
		exists = exists || pod.Spec.Containers[i].Name == container
	}
	for i := range pod.Spec.InitContainers {
		exists = exists || pod.Spec.InitContainers[i].Name == container
	}
	if !exists {
		return eci.LogRequest{}, errdefs.NotFoundf("pod %s/%s has no container %q", namespace, name, container)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[pod.UID]
	if e == nil || e.groupID == "" {
		return eci.LogRequest{}, errdefs.InvalidInputf("container %q in pod %q is waiting to start: it has no container group yet", container, name)
	}
	if e.gone {
		return eci.LogRequest{}, errdefs.NotFoundf("the container group %s of pod %s/%s no longer exists", e.groupID, namespace, name)
	}
	state := groupContainer(e.group, container)
	if state == nil || state.Current.State == "Waiting" && state.RestartCount == 0 {
		return eci.LogRequest{}, errdefs.InvalidInputf("container %q in pod %q is waiting to start", container, name)
	}
	if o.Previous && state.RestartCount == 0 {
		return eci.LogRequest{}, errdefs.InvalidInputf("previous terminated container %q in pod %q not found", container, name)
	}
	tail := maxLogLines
	if o.Tail > 0 {
		tail = min(o.Tail, maxLogLines)
	}
	request := eci.LogRequest{GroupID: e.groupID, Container: container, Tail: &tail, SinceSeconds: o.SinceSeconds,
		Timestamps: o.Timestamps, Previous: o.Previous}
	if !o.SinceTime.IsZero() {
		request.StartTime = o.SinceTime.UTC().Format(time.RFC3339)
	}
	return request, nil
}

func groupContainer(g *eci.Group, name string) *eci.Container {
	if g == nil {
		return nil
	}
	if c := find(g.Containers, name); c != nil {
		return c
	}
	return find(g.InitContainers, name)
}

func logError(err error) error {
	if eci.IsNotFound(err) {
		return errdefs.AsNotFound(err)
	}
	return err
}

// limitBytes cuts a log at its start plus n bytes, as the kubelet does; 0: no limit.
func limitBytes(text string, n int) string {
	if n > 0 && len(text) > n {
		return text[:n]
	}
	return text
}

// A follower repeats one log request and writes what is new.
type follower struct {
	p              *Provider
	request        eci.LogRequest
	out            io.Writer
	timestamps     bool // wanted by the reader
	left           int  // bytes; 0: no limit
	all            bool // wanted, from the first line on
	namespace, pod string
	mark           logMark
}

// run ends when the container has ended, the context is cancelled or the reader is closed.
func (f *follower) run(ctx context.Context, text string, skipFirst bool) error {
	limited := f.left > 0
	for first, last := true, false; ; first = false {
		lines, gap := f.mark.fresh(text)
		if gap && !first || first && f.all && full(text) {
			lines = append([]string{missingLines}, lines...)
		}
		if first && skipFirst {
			lines = nil
		}
		for _, line := range lines {
			if !f.timestamps && line != missingLines {
				_, line, _ = strings.Cut(line, " ")
			}
			if limited {
				line = line[:min(len(line), f.left)]
				f.left -= len(line)
			}
			if _, err := io.WriteString(f.out, line); err != nil {
				return nil // the reader went away
			}
			if limited && f.left == 0 {
				return nil
			}
		}
		if last || f.request.Previous {
			return nil
		}
		if !pauseFor(ctx, followEvery) {
			return nil
		}
		last = f.ended()
		again := f.request
		tail := maxLogLines
		again.Tail = &tail
		if !f.mark.at.IsZero() {
			again.StartTime = f.mark.at.UTC().Format(time.RFC3339)
		}
		more, err := f.p.Cloud.Log(ctx, again)
		switch {
		case eci.IsNotFound(err):
			return nil
		case err != nil && last:
			return fmt.Errorf("reading the end of the log: %w", err)
		case err != nil:
			text = "" // the next look makes up for it
		default:
			text = more
		}
	}
}

// ended tells that the container will write no more.
func (f *follower) ended() bool {
	pod, err := f.p.Pods.Pods(f.namespace).Get(f.pod)
	if err != nil {
		return true
	}
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	e := f.p.entries[pod.UID]
	if e == nil || e.gone || e.group == nil || e.groupID != f.request.GroupID {
		return true
	}
	c := groupContainer(e.group, f.request.Container)
	return e.group.Status.Ended() || c != nil && c.Current.State == "Terminated"
}

// A logMark remembers the last line that was written: its time, and how many lines of that
// time were.
type logMark struct {
	at    time.Time
	count int
}

// fresh returns the lines after the mark and moves it. Every line starts with its time; one
// that does not belongs to the line before it. gap tells that the answer was full and
// starts after the mark, so that lines between may be missing.
func (m *logMark) fresh(text string) (lines []string, gap bool) {
	var previous time.Time
	same, total := 0, 0
	was := *m
	for line := range strings.Lines(text) {
		total++
		stamp, _, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(stamp, "\n"))
		if err != nil && total == 1 && full(text) {
			total = 0 // the end of a line that was cut
			continue
		}
		if err != nil {
			at = previous
			line = previous.UTC().Format(time.RFC3339Nano) + " " + line
		}
		if total == 1 && !was.at.IsZero() && at.After(was.at) {
			gap = true
		}
		if at.Equal(previous) {
			same++
		} else {
			previous, same = at, 1
		}
		if at.Before(was.at) || at.Equal(was.at) && same <= was.count {
			continue
		}
		lines = append(lines, line)
		m.at, m.count = at, same
	}
	return lines, gap && full(text)
}
