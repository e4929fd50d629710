package view

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
)

const (
	logTail    = 1000  // lines asked for at first
	logKept    = 20000 // lines held for scrolling back
	logPending = 20000 // lines that wait for the screen; older ones are counted and dropped
	logLine    = 8192  // bytes of one line that are kept
)

// A LogView follows the logs of a pod's containers, one at a time or all together.
type LogView struct {
	env        *Env
	pager      *pager
	pod        *fleet.Pod
	choices    []string // containers, in the spec's order; init containers last
	choice     int      // len(choices): all together
	previous   bool
	timestamps bool

	stream *stream // the running one; nil: not started
}

// NewLogs shows the log of a pod's first container.
func NewLogs(env *Env, pod *fleet.Pod, previous bool) *LogView {
	l := &LogView{env: env, pager: newPager(env.Theme, logKept), pod: pod, previous: previous}
	l.choices = append(append(l.choices, pod.Containers...), pod.InitContainers...)
	l.pager.follow = !previous
	return l
}

// Title names the pod, the container, and how to change it.
func (l *LogView) Title() string {
	title := "Logs"
	if l.previous {
		title = "Previous logs"
	}
	switch n := len(l.choices); {
	case n == 0:
	case l.choice == n:
		title += fmt.Sprintf(" [all %d]", n)
	case n == 1:
		title += " [" + l.choices[0] + "]"
	default:
		title += fmt.Sprintf(" [%s %d/%d]", l.choices[l.choice], l.choice+1, n)
	}
	return title + " " + l.pod.Namespace + "/" + l.pod.Name
}

// Primitive is the text.
func (l *LogView) Primitive() tview.Primitive { return l.pager }

// Filter is the search as it was typed.
func (l *LogView) Filter() string { return l.pager.Filter() }

// SetFilter searches in the log.
func (l *LogView) SetFilter(s string) error { return l.pager.SetFilter(s) }

// FilterHelp says how a search is written.
func (l *LogView) FilterHelp() string { return searchHelp }

// Summary says which lines are on screen.
func (l *LogView) Summary() string { return l.pager.Summary() }

// Reason says how the stream stands, unless that is all there is to read above.
func (l *LogView) Reason() string {
	if l.stream == nil || l.pager.count() == 0 {
		return ""
	}
	return l.stream.state()
}

// Selection is the pod.
func (l *LogView) Selection() keymap.Selection {
	return keymap.Selection{Cursor: keymap.Object{Kind: KindPod, Namespace: l.pod.Namespace, Name: l.pod.Name, UID: l.pod.UID}}
}

// Close ends the streams.
func (l *LogView) Close() {
	if l.stream != nil {
		l.stream.cancel()
	}
}

// Show starts the stream the first time, and takes over the lines that came since.
func (l *LogView) Show(*fleet.Snapshot) {
	if l.stream == nil {
		l.open()
	}
	lines, skipped := l.stream.take()
	if skipped > 0 {
		l.pager.add([]string{fmt.Sprintf("--- %d lines came faster than they could be shown and were left out ---", skipped)})
	}
	if len(lines) > 0 {
		l.pager.add(lines)
	}
	l.pager.status = l.stream.state()
}

// open starts the chosen containers' logs from the start.
func (l *LogView) open() {
	l.Close()
	l.pager.set("")
	l.pager.lines = nil
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{cancel: cancel, wake: l.env.Shell.Wake}
	l.stream = s
	chosen := l.choices
	if l.choice < len(l.choices) {
		chosen = l.choices[l.choice : l.choice+1]
	}
	s.open = len(chosen)
	for _, c := range chosen {
		prefix := ""
		if len(chosen) > 1 {
			prefix = "[" + c + "] "
		}
		r := LogRequest{
			Namespace: l.pod.Namespace, Pod: l.pod.Name, Container: c,
			Follow: !l.previous, Previous: l.previous, Timestamps: l.timestamps, Tail: logTail,
		}
		l.env.Shell.Go(func(console context.Context) {
			defer context.AfterFunc(console, cancel)()
			s.end(c, s.read(ctx, l.env.Logs, r, prefix))
		})
	}
}

// Actions are the keys in a log.
func (l *LogView) Actions() []keymap.Action {
	one := func(keymap.Selection) string {
		if len(l.choices) < 2 {
			return "the pod has one container"
		}
		return ""
	}
	turn := func(by int) func(keymap.Selection) {
		return func(keymap.Selection) {
			n := len(l.choices) + 1
			l.choice = (l.choice + by + n) % n
			l.open()
		}
	}
	return append([]keymap.Action{
		{Keys: []string{"Tab"}, Name: "container", Bar: true, Disabled: one, Help: "Show the next container's log; after the last, all together.", Run: turn(1)},
		{Keys: []string{"Shift-Tab"}, Name: "container before", Disabled: one, Help: "Show the log of the container before.", Run: turn(-1)},
		{Keys: []string{"f"}, Name: "follow", Bar: true, Help: "Stay at the end as lines come, or stop there.", Run: func(keymap.Selection) { l.pager.follow = !l.pager.follow }},
		{Keys: []string{"p"}, Name: "previous", Bar: true, Help: "Change between this and the previous run of the container.", Run: func(keymap.Selection) {
			l.previous = !l.previous
			l.pager.follow = !l.previous
			l.open()
		}},
		{Keys: []string{"t"}, Name: "timestamps", Bar: true, Help: "Show when each line was written, or not.", Run: func(keymap.Selection) {
			l.timestamps = !l.timestamps
			l.open()
		}},
		{Keys: []string{"Ctrl-R"}, Name: "read again", Help: "Open the log again.", Run: func(keymap.Selection) { l.open() }},
	}, l.pager.actions()...)
}

// A stream collects the lines of one or several logs until the screen takes them.
type stream struct {
	cancel context.CancelFunc
	wake   func()

	mu      sync.Mutex
	lines   []string
	skipped int
	any     bool // a line came
	open    int  // logs that still run
	ended   []string
	failed  bool
}

// read reads one log to its end.
func (s *stream) read(ctx context.Context, logs Logs, r LogRequest, prefix string) error {
	if logs == nil {
		return errors.New("this console was started without a way to read logs")
	}
	body, err := logs.Log(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	// A blocked Read ends when the log is closed, whatever the reader makes of ctx.
	defer context.AfterFunc(ctx, func() { _ = body.Close() })()
	in := bufio.NewReaderSize(body, logLine)
	for {
		line, cut, err := in.ReadLine()
		if err != nil {
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				return nil
			}
			return err
		}
		text := prefix + format.Plain(string(line))
		for cut && err == nil {
			_, cut, err = in.ReadLine()
		}
		s.put(text)
	}
}

func (s *stream) put(line string) {
	s.mu.Lock()
	s.any = true
	s.lines = append(s.lines, line)
	if len(s.lines) > logPending {
		n := len(s.lines) / 2
		s.skipped += n
		s.lines = append([]string(nil), s.lines[n:]...)
	}
	s.mu.Unlock()
	s.wake()
}

// end notes how one log ended.
func (s *stream) end(container string, err error) {
	s.mu.Lock()
	s.open--
	if err != nil {
		s.failed = true
		s.ended = append(s.ended, container+": "+format.Plain(strings.ReplaceAll(err.Error(), "\n", " ")))
	}
	s.mu.Unlock()
	s.wake()
}

// take hands over the lines that came since the last call.
func (s *stream) take() (lines []string, skipped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, skipped = s.lines, s.skipped
	s.lines, s.skipped = nil, 0
	return lines, skipped
}

// state says how the logs stand, "" while they flow.
func (s *stream) state() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed:
		return "can't be read: " + strings.Join(s.ended, "; ")
	case s.open == 0 && s.any:
		return "the log ended; Ctrl-R opens it again"
	case s.open == 0:
		return "the log is empty and has ended"
	case !s.any:
		return "waiting for the first line… Esc goes back"
	}
	return ""
}
