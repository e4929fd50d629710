package ui

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/uitest"
)

var _ = flag.Bool("update", false, "write the golden screens instead of comparing with them")

// A memory is a Store that tests change.
type memory struct {
	latest  atomic.Pointer[fleet.Snapshot]
	changed chan struct{}
}

func newMemory(s *fleet.Snapshot) *memory {
	m := &memory{changed: make(chan struct{}, 1)}
	m.latest.Store(s)
	return m
}

func (m *memory) Latest() *fleet.Snapshot  { return m.latest.Load() }
func (m *memory) Changed() <-chan struct{} { return m.changed }

func (m *memory) put(s *fleet.Snapshot) {
	m.latest.Store(s)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// library is Objects that answers at once, or when asked to hold, when ctx ends.
type library struct {
	fail  error
	hold  bool
	ended chan struct{} // closed when a held read ended
}

func (l library) Describe(ctx context.Context, kind, namespace, name string) (string, error) {
	if l.hold {
		<-ctx.Done()
		close(l.ended)
		return "", ctx.Err()
	}
	if l.fail != nil {
		return "", l.fail
	}
	if kind == "ContainerGroup" {
		return "ContainerGroupId:  " + name + "\nStatus:            Running\nCpu:               2\nMemory:            4\n", nil
	}
	text := "Name:         " + name + "\nNamespace:    " + namespace + "\nStatus:       Running\nContainers:\n  app:\n    State:\tRunning\n"
	for i := range 6 {
		text += fmt.Sprintf("    Line %02d:    value\n", i)
	}
	return text, nil
}

func (l library) YAML(_ context.Context, kind, _, name string) (string, error) {
	return "apiVersion: v1\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n", l.fail
}

// journal is Logs: every container has the lines that were put into it; a followed log
// stays open until ctx ends.
type journal struct {
	mu       sync.Mutex
	lines    string
	requests []LogRequest
}

func (j *journal) Log(ctx context.Context, r LogRequest) (io.ReadCloser, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requests = append(j.requests, r)
	if r.Previous && r.Container != "istio-proxy" {
		return nil, fmt.Errorf("previous terminated container %q in pod %q not found", r.Container, r.Pod)
	}
	text := strings.ReplaceAll(j.lines, "CONTAINER", r.Container)
	if r.Timestamps {
		text = "2026-11-23T03:11:00Z " + text
	}
	if !r.Follow {
		return io.NopCloser(strings.NewReader(text)), nil
	}
	out, in := io.Pipe()
	go func() {
		_, _ = io.WriteString(in, text)
		<-ctx.Done()
		_ = in.Close()
	}()
	return out, nil
}

func (j *journal) asked() []LogRequest {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]LogRequest(nil), j.requests...)
}

// A desk is a running console with a user in front of it.
type desk struct {
	*uitest.Driver
	c      *console
	store  *memory
	screen tcell.SimulationScreen
	clock  *atomic.Int64 // seconds after sampleNow
	done   chan error
	cancel context.CancelFunc
}

// open starts a console; it is ended when the test ends.
func open(t testing.TB, width, height int, s *fleet.Snapshot, change func(*Options)) *desk {
	t.Helper()
	d := &desk{store: newMemory(s), screen: uitest.Screen(t, width, height), clock: &atomic.Int64{}, done: make(chan error, 1)}
	o := Options{
		Store: d.store, Objects: library{}, Operator: &crew{}, Title: "prod-hz", View: "pods",
		Logs: &journal{lines: "started CONTAINER\nready\nGET /healthz 200\n\x1b[31mERROR\x1b[0m no route to host\nGET /orders 200\n"},
		Now:  func() time.Time { return sampleNow().Add(time.Duration(d.clock.Load()) * time.Second) },
	}
	if change != nil {
		change(&o)
	}
	d.c = newConsole(o)
	ctx, cancel := context.WithCancel(t.Context())
	d.cancel = cancel
	go func() { d.done <- d.c.run(ctx, d.screen) }()
	d.Driver = uitest.New(t, d.c.app, d.screen)
	t.Cleanup(func() {
		cancel()
		if err := d.wait(t); err != nil {
			t.Errorf("the console ended with: %v", err)
		}
	})
	return d
}

// wait waits until the console ended; it may be called again.
func (d *desk) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-d.done:
		d.done <- err
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the console did not end")
		return nil
	}
}

func TestGoldenScreens(t *testing.T) {
	sizes := []struct {
		name          string
		width, height int
		change        func(*Options)
	}{
		{"80x24", 80, 24, nil},
		{"120x40", 120, 40, nil},
		{"80x24-ascii", 80, 24, func(o *Options) { o.ASCII, o.NoColor = true, true }},
	}
	screens := []struct {
		name     string
		snapshot func() *fleet.Snapshot
		do       func(*desk)
	}{
		{"overview", sample, func(d *desk) { d.Press("1") }},
		{"overview-well", wellSample, func(d *desk) { d.Press("1") }},
		{"overview-stale", staleSample, func(d *desk) { d.Press("1") }},
		{"workloads", sample, func(d *desk) { d.Press("5") }},
		{"scaling", sample, func(d *desk) { d.Press("6") }},
		{"cost", sample, func(d *desk) { d.Press("8") }},
		{"cost-workload", sample, func(d *desk) { d.Press("8", "Tab") }},
		{"cost-node", sample, func(d *desk) { d.Press("8", "Shift-Tab", "Shift-Tab") }},
		{"cost-spec", sample, func(d *desk) { d.Press("8", "Shift-Tab") }},
		{"cost-stale", staleSample, func(d *desk) { d.Press("8") }},
		{"why", sample, func(d *desk) { d.Press("5", "/"); d.Type("checkout"); d.Press("Enter", "w") }},
		{"why-pod", sample, func(d *desk) { d.Press("/"); d.Type("p8vmz"); d.Press("Enter", "w") }},
		{"cost-of", sample, func(d *desk) { d.Press("/"); d.Type("checkout"); d.Press("Enter", "Space", "Space", "$") }},
		{"pods", sample, func(d *desk) { d.See("ledger-2") }},
		{"nodes", sample, func(d *desk) { d.Press("4") }},
		{"node-pods", sample, func(d *desk) { d.Press("4", "j", "Enter") }},
		{"groups", sample, func(d *desk) { d.Press("3") }},
		{"events", sample, func(d *desk) { d.Press("7") }},
		{"help", sample, func(d *desk) { d.Press("3", "?") }},
		{"filter", sample, func(d *desk) { d.Press("Space", "Space", "/"); d.Type("shop place:eci !nostock") }},
		{"filter-error", sample, func(d *desk) { d.Press("/"); d.Type("zone:h") }},
		{"sorted-marked", sample, func(d *desk) { d.Press("j", "Space", "Shift-A") }},
		{"columns-right", sample, func(d *desk) { d.Press("Right", "Right", "Right", "Right") }},
		{"describe", sample, func(d *desk) { d.Press("j", "j", "j", "d"); d.See("ContainerGroupId"); d.See("Line 05") }},
		{"yaml", sample, func(d *desk) { d.Press("y"); d.See("apiVersion") }},
		{"logs", sample, func(d *desk) { d.Press("/"); d.Type("search"); d.Press("Enter", "l"); d.See("GET /orders") }},
		{"logs-search", sample, func(d *desk) {
			d.Press("l")
			d.See("GET /orders")
			d.Press("/")
			d.Type("get")
			d.Press("Enter", "o")
		}},
		{"stale", staleSample, func(d *desk) { d.See("STALE") }},
		{"messages", staleSample, func(d *desk) { d.Press("!") }},
		{"command", sample, func(d *desk) { d.Press(":"); d.Type("pods sh") }},
		{"plan", sample, func(d *desk) { d.Press("j", "j", "m"); d.See("Enter runs it") }},
		{"plan-checks", sample, func(d *desk) { d.Press("j", "j", "m"); d.See("Enter runs it"); d.Press("d") }},
		{"plan-node", sample, func(d *desk) {
			d.Press("4", "j", "r")
			d.See("then type ecs-07")
			d.Press("Enter")
			d.Type("ecs-0")
		}},
		{"plan-cordon", sample, func(d *desk) { d.Press("4", "j", "c"); d.See("Enter runs it") }},
		{"operations", busySample, func(d *desk) { d.Press("9") }},
		{"overview-operations", busySample, func(d *desk) { d.Press("1") }},
		{"steps", busySample, func(d *desk) {
			d.Press("9", "/")
			d.Type("drain")
			d.Press("Enter", "Enter")
			d.See("nobody is at work")
		}},
		{"steps-all", busySample, func(d *desk) {
			d.Press("9", "/")
			d.Type("good")
			d.Press("Enter", "Enter")
			d.See("it took")
			d.Press("d")
		}},
		{"empty", func() *fleet.Snapshot { return &fleet.Snapshot{Sources: []fleet.Source{{Name: "pods"}}} }, func(d *desk) { d.See("loading") }},
	}
	for _, size := range sizes {
		for _, s := range screens {
			t.Run(s.name+"-"+size.name, func(t *testing.T) {
				d := open(t, size.width, size.height, s.snapshot(), size.change)
				s.do(d)
				if size.name == "80x24-ascii" {
					for _, r := range d.Text() {
						if r >= 0x80 {
							t.Errorf("the ASCII screen shows %q:\n%s", r, d.Text())
							break
						}
					}
				}
				d.Golden(s.name + "-" + size.name)
			})
		}
	}
}

func TestTroubleHasColourOnlyWhereColourIsWanted(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("j") // off the broken row, which is reversed under the cursor
	if fg, _, _ := d.Style("Lost").Decompose(); fg != tcell.PaletteColor(1) {
		t.Errorf("a broken pod is painted in colour %v, want red", fg)
	}
	if fg, bg, _ := d.Style("checkout").Decompose(); fg != tcell.ColorDefault || bg != tcell.ColorDefault {
		t.Errorf("a fine pod is painted in %v on %v, want the terminal's own colours", fg, bg)
	}
	plain := open(t, 80, 24, sample(), func(o *Options) { o.NoColor = true })
	plain.Press("j")
	if fg, _, attributes := plain.Style("Lost").Decompose(); fg != tcell.ColorDefault || attributes == 0 {
		t.Errorf("without colour a broken pod is painted in %v with attributes %v, want the default colour and some attribute", fg, attributes)
	}
}

func TestCursorAndMarksStayOnTheirObjects(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("j", "j", "Space") // marks ledger-0, the cursor moves to ledger-2
	s := sample()
	first := *s.Placements[0]
	pod := *first.Pod
	pod.UID, pod.Name, pod.Namespace = "uid-new", "aaa-new", "aaa"
	first.Pod = &pod
	s.Placements = append([]*fleet.Placement{&first}, s.Placements...)
	d.store.put(s)
	d.See("aaa-new")
	d.Do(func() {
		selection := d.c.selection()
		if selection.Cursor.Name != "ledger-2" {
			t.Errorf("the cursor is on %s, want ledger-2", selection.Cursor.Name)
		}
		if len(selection.Marked) != 1 || selection.Marked[0].Name != "ledger-0" {
			t.Errorf("marked are %v, want ledger-0", selection.Marked)
		}
	})
	// A pod of the same name that replaces a marked one is another object.
	s = sample()
	i := slices.IndexFunc(s.Placements, func(p *fleet.Placement) bool { return p.Pod != nil && p.Pod.UID == "uid-pay-ledger-0" })
	again := *s.Placements[i]
	replaced := *again.Pod
	replaced.UID = "uid-replaced"
	again.Pod = &replaced
	s.Placements[i] = &again
	d.store.put(s)
	d.Miss("aaa-new")
	d.Do(func() {
		if marked := d.c.selection().Marked; len(marked) != 0 {
			t.Errorf("marked are %v, want none: the marked pod is gone", marked)
		}
	})
}

func TestLongSentenceIsReadWholeAt80Columns(t *testing.T) {
	s := sample()
	s.Placements[0].Reason = "OperationDenied.NoStock: the resource is out of stock in zone cn-hangzhou-h, choose another zone or another instance type"
	d := open(t, 80, 24, s, nil)
	d.See("\n batch/report-28491-4kx2l: OperationDenied.NoStock: the resource is out of\n stock in zone cn-hangzhou-h, choose another zone or another instance type\n m migrate")
	d.Resize(80, 12) // rows are worth more there
	d.See("the resource is out of sto…\n m migrate")
}

func TestPodIsToldApartWhereItsNamespaceHasNoRoom(t *testing.T) {
	s := sample()
	s.Placements[0].Node.Name = "a-node-with-a-long-name"
	for _, p := range s.Placements[:2] {
		p.Place, p.Pod.NodeName, p.Pod.Name = fleet.PlaceECS, "a-node-with-a-long-name", "the-same-name-in-two-namespaces-0"
	}
	d := open(t, 80, 24, s, nil)
	d.See("\n batch/the-same-name-in-two-namespaces-0: its container group")
	d.Resize(160, 24)
	d.See("\n its container group eci-bp1fe0040000e004 does not exist any more")
}

func TestTroubleIsOneKeyAway(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("j")
	d.See("batch/report-by-hand-9qqwz · 5 rows need a look (Shift-S)\n")
	d.Press("g", "Shift-S")
	d.See("AGE\n ✗ report-28491-4kx2l         0/1 Lost")
	if text := d.Text(); strings.Index(text, "Orphan") > strings.Index(text, "Completed") || strings.Contains(text, "need a look") {
		t.Errorf("the orphan stands below what is fine:\n%s", text)
	}
}

func TestWhatWasNeverReadIsNotZero(t *testing.T) {
	s := sample()
	pods := sourceOf(s, "pods")
	s.Placements, pods.Read, pods.Error = nil, time.Time{}, "forbidden, "+strings.Repeat("and a long reason ", 5)+"LASTWORD"
	d := open(t, 80, 24, s, nil)
	d.See("pods ECS ? ECI ?")
	d.See("[2 Pods] 3 Group 4 Node 5 Work 6 Scale 7 Event 8 Cost 9 Ops\n")
	d.See("LASTWORD\n\n")
}

func TestOneNamespaceIsSaid(t *testing.T) {
	d := open(t, 80, 24, sample(), func(o *Options) { o.Namespace = "shop" })
	d.See("prod-hz  only ns shop")
	d.Press("4")
	d.See("pods and requests are those of namespace shop alone")
}

func TestEscClearsTheFilterThenGoesBack(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("4", "j", "Enter", "/")
	d.Type("ledger")
	d.Press("Enter")
	d.See("1 of 3")
	d.Press("Esc")
	d.See("Nodes › Pods on ecs-07")
	d.Miss("1 of 3")
	d.Press("Esc")
	d.See("[4 Node]")
}

func TestEscInTheFilterBringsBackTheFilterBefore(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("/")
	d.Type("ledger")
	d.Press("Enter", "/")
	d.Type("-0")
	d.See("1 of 11")
	d.Press("Esc")
	d.See("2 of 11")
}

func TestCommandGoesToANamespace(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("4", ":")
	d.Type("po sh")
	d.Press("Tab", "Enter")
	d.See("/namespace:=shop")
	d.See("7 of 11")
	d.Press(":")
	d.Type("secrets")
	d.Press("Enter")
	d.See(`no command "secrets"`)
	d.Press("Esc", "-")
	d.See("[4 Node]")
	d.Press("-")
	d.See("/namespace:=shop")
}

func TestUnusableKeySaysWhy(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("Shift-G", "l") // the orphan group
	d.See("l logs: this group has no pod")
	d.See("(l logs)")
	d.Press("x")
	d.See("x abort: no operation runs")
	d.Press("%")
	d.See("% does nothing here")
}

func TestHelpPressesTheKey(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("4", "?", "/")
	d.Type("wrap")
	d.See("nothing matches")
	d.Press("Esc", "/")
	d.Type("pods on the node")
	d.Press("Enter", "Enter")
	d.See("Pods on eci-cn-hangzhou")
}

func TestDescribeShowsWhatFailedBesideWhatWorked(t *testing.T) {
	d := open(t, 80, 24, sample(), func(o *Options) {
		o.Objects = library{fail: errors.New(`pods "ledger-2" is forbidden`)}
	})
	d.Press("j", "j", "d")
	d.See(`can't be read: pods "ledger-2" is forbidden`)
}

func TestErrorOfAReadIsReadWholeAt80Columns(t *testing.T) {
	long := `previous terminated container "app" in pod "report-28491-4kx2l" not found, because the container has not been restarted yet: LASTWORD`
	d := open(t, 80, 24, sample(), func(o *Options) {
		o.Objects, o.Logs = library{fail: errors.New(long)}, refusal(long)
	})
	d.Press("d")
	d.See("LASTWORD")
	d.Press("Esc", "p")
	d.See("LASTWORD")
	if n := strings.Count(d.Text(), "can't be read"); n != 1 {
		t.Errorf("the screen says %d times that the log can't be read:\n%s", n, d.Text())
	}
}

// A refusal is Logs that always fails.
type refusal string

func (r refusal) Log(context.Context, LogRequest) (io.ReadCloser, error) {
	return nil, errors.New(string(r))
}

func TestEscCancelsARead(t *testing.T) {
	l := library{hold: true, ended: make(chan struct{})}
	d := open(t, 80, 24, sample(), func(o *Options) { o.Objects = l })
	d.Press("d")
	d.See("reading")
	d.Press("Esc")
	d.See("[2 Pods]")
	select {
	case <-l.ended:
	case <-time.After(20 * time.Second):
		t.Error("the read still runs after Esc")
	}
}

func TestLogsChangeContainerRunAndTimestamps(t *testing.T) {
	var j *journal
	d := open(t, 80, 24, sample(), func(o *Options) { j = o.Logs.(*journal) })
	d.Press("/")
	d.Type("77tqn place:ecs")
	d.Press("Enter", "l")
	d.See("started search")
	d.See("[search 1/3]")
	d.Press("Tab")
	d.See("started istio-proxy")
	d.Press("t")
	d.See("2026-11-23T03:11:00Z started istio-proxy")
	d.Press("p")
	d.See("Previous logs [istio-proxy 2/3]")
	d.See("the log ended")
	d.Press("Tab")
	d.See("can't be read: istio-init: previous terminated container")
	d.Press("p", "Tab")
	d.See("[all 3]")
	for _, c := range []string{"search", "istio-proxy", "istio-init"} {
		d.See("[" + c + "] 2026-11-23T03:11:00Z started " + c)
	}
	last := j.asked()[len(j.asked())-1]
	if !last.Follow || last.Previous || !last.Timestamps || last.Tail != 1000 || last.Namespace != "shop" {
		t.Errorf("the log was asked for with %+v", last)
	}
}

func TestSourceErrorStaysUntilRead(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	bad := sample()
	sourceOf(bad, "groups").Error = "throttled"
	d.store.put(bad)
	d.See("groups STALE 3s")
	d.See("groups shown as of 3s ago: throttled")
	d.store.put(sample())
	d.Miss("STALE")
	d.See("unread error: groups: throttled")
	d.Press("!")
	d.See("groups: read again")
	d.Press("Esc")
	d.Miss("unread")
}

func TestPastedTextIsNoKeys(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	paste := func(s string) { d.Do(func() { d.c.app.GetFocus().PasteHandler()(s, nil) }) }
	paste("qqq")
	d.See("pasted text was ignored")
	d.Press("/")
	paste("ledger-2\nrm -rf")
	d.See("/ledger-2")
	d.See("1 of 11")
}

func TestCopyNamesTheMarked(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("Space", "Space", "c")
	d.See("sent 2 names")
	if got, want := string(d.screen.GetClipboardData()), "report-28491-4kx2l\nreport-by-hand-9qqwz"; got != want {
		t.Errorf("the clipboard holds %q, want %q", got, want)
	}
}

func TestResizeChoosesOtherColumns(t *testing.T) {
	d := open(t, 120, 40, sample(), nil)
	d.See("BILLED")
	d.Resize(60, 20)
	d.Miss("BILLED")
	d.See("STATUS")
	d.Resize(10, 3)
	d.See("terminal")
	d.Resize(120, 40)
	d.See("BILLED")
}

func TestQuitEndsTheConsole(t *testing.T) {
	for _, key := range []string{"q", "Ctrl-C"} {
		d := open(t, 80, 24, sample(), nil)
		d.Press(key)
		if err := d.wait(t); err != nil {
			t.Errorf("after %s the console ended with %v", key, err)
		}
	}
}

func TestConsoleThatIsEndedBeforeItBeganEnds(t *testing.T) {
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := &desk{screen: uitest.Screen(t, 80, 24), done: make(chan error, 1)}
		go func() { d.done <- Run(ctx, Options{Store: newMemory(sample()), Screen: d.screen, Now: sampleNow}) }()
		if err := d.wait(t); err != nil {
			t.Fatalf("the console ended with %v", err)
		}
	}
}

func TestConsoleWithoutReadersSaysSo(t *testing.T) {
	d := open(t, 80, 24, sample(), func(o *Options) { o.Objects, o.Logs = nil, nil })
	d.Press("d")
	d.See("can't be read: this console was started without a way to read objects")
	d.Press("Esc", "l")
	d.See("started without a way to read logs")
}

func TestLostTerminalEndsTheConsole(t *testing.T) {
	d := &desk{screen: uitest.Screen(t, 80, 24), done: make(chan error, 1)}
	c := newConsole(Options{Store: newMemory(sample()), Now: sampleNow})
	go func() { d.done <- c.run(t.Context(), d.screen) }()
	if err := d.screen.PostEvent(tcell.NewEventError(io.ErrUnexpectedEOF)); err != nil {
		t.Fatal(err)
	}
	if err := d.wait(t); !errors.Is(err, errLost) {
		t.Errorf("the console ended with %v, want %v", err, errLost)
	}
}

func TestUnchangedWorldIsNotDrawn(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.See("ledger")
	d.Do(func() {
		if d.c.aged() {
			t.Error("the screen counts as aged though no time passed")
		}
		d.clock.Store(1)
		if !d.c.aged() {
			t.Error("the screen does not count as aged though a second passed and ages of sources show")
		}
	})
	d.Do(func() {})
	d.Do(func() {
		if d.c.aged() {
			t.Error("the screen counts as aged right after it was drawn")
		}
	})
}

func TestWhatHappenedToAGroupAndIsToldOnItsPodIsShownOnce(t *testing.T) {
	s := sample()
	last := s.Events[len(s.Events)-1] // a group's
	i := slices.IndexFunc(s.Placements, func(p *fleet.Placement) bool { return p.Pod != nil && p.Group != nil && p.Group.ID == last.Name })
	if i < 0 {
		t.Fatalf("the sample's group %s has no pod", last.Name)
	}
	pod := s.Placements[i].Pod
	s.Events = append(s.Events, &fleet.Event{Time: last.Time, Count: 1, Source: "k8s", Type: "Normal", Reason: last.Reason, Message: last.Message,
		Namespace: pod.Namespace, Kind: "Pod", Name: pod.Name})
	d := open(t, 160, 40, s, nil)
	d.Press("7")
	d.See("Started container app")
	if n := strings.Count(d.Text(), "Started container app"); n != 1 {
		t.Errorf("shown %d times, want once:\n%s", n, d.Text())
	}
}

func TestEveryNeedIsOneEnterAwayFromItsCause(t *testing.T) {
	s := sample()
	for i, a := range s.Attention {
		d := open(t, 120, 40, s, func(o *Options) { o.View = "overview" })
		for range i {
			d.Press("j")
		}
		d.Press("Enter")
		d.Do(func() {
			if title := d.c.top().Title(); title == "Overview" {
				t.Errorf("Enter on %q opens nothing", a.Subject)
			}
		})
		if a.Topic == fleet.TopicOrphans {
			d.See("/relation:=orphan")
			continue
		}
		d.Miss("the console does not read it")
		d.Press("Esc")
		d.See("[1 Overview]")
	}
}

func TestLinesOfTheTimelineOpenToSingleEvents(t *testing.T) {
	d := open(t, 120, 40, sample(), func(o *Options) { o.View = "events" })
	d.Press("/")
	d.Type("started")
	d.Press("Enter", "e")
	d.See("Events › Started of deploy shop/checkout (3)")
	d.See("po shop/checkout-7d9f8b6c5-m0d3l")
	if n := strings.Count(d.Text(), "eci  Normal Started"); n != 3 {
		t.Errorf("%d single events are shown, want 3:\n%s", n, d.Text())
	}
	d.Press("Esc", "5", "/")
	d.Type("checkout")
	d.Press("Enter", "v") // the workload's own and its pods'
	d.See("Events of deployment checkout")
	d.See("NoStock")
	d.See("Started container app")
}

func TestCostTurnsAndOpensWhatIsBehindARow(t *testing.T) {
	d := open(t, 120, 40, sample(), func(o *Options) { o.View = "cost" })
	for _, by := range []string{"NAMESPACE", "WORKLOAD", "NODE ", "SPEC"} {
		d.See("   " + by)
		d.Press("Tab")
	}
	d.See("   NAMESPACE")
	d.Press("Enter")
	d.See("Cost by namespace › Pods in shop")
	d.Press("Esc", "j") // what nodes have free
	d.See("(Enter open)")
	d.Press("Tab", "/")
	d.Type("orphans")
	d.Press("Enter", "Enter")
	d.See("Groups")
	d.See("/relation:=orphan")
	d.Press("Esc", "Esc", "Esc", "Tab", "Tab", "j", "Enter")
	d.See("Cost by spec › Pods")
	d.See(`/billed:="2c 4Gi"`)
	d.See("3 of 11")
}

func TestACostWithoutPriceIsSaidAndNeverZero(t *testing.T) {
	d := open(t, 120, 40, sample(), func(o *Options) { o.View = "nodes" })
	d.See("✗ ecs-09          NotReady       ecs      ecs.r7.2xlarge    0     0/8   0%     0/32   0%    –    –      –      –")
	d.See("ECS ≥¥1.92/h")
	d.Press("8", "w")
	d.See("1 cost has no known price")
	d.See("1 × nodes of type ecs.r7.2xlarge")
}

func TestAdviceIsAppendedToWhy(t *testing.T) {
	d := open(t, 120, 40, sample(), func(o *Options) { o.Adviser = counsel{} })
	d.Press("w")
	d.See("What helps:")
	d.See("Burst to ECI: not marked")
	d.See("more can't be read: forbidden")
}

// counsel is an Adviser that knows a little.
type counsel struct{}

func (counsel) Advise(context.Context, fleet.Ref) (string, error) {
	return "Burst to ECI: not marked\n", errors.New("forbidden")
}

func TestWhyFollowsTheSnapshot(t *testing.T) {
	d := open(t, 120, 40, sample(), nil)
	d.Press("/")
	d.Type("p8vmz")
	d.Press("Enter", "w")
	d.See("is NoStock, since 6m")
	d.clock.Store(60)
	d.store.put(sample())
	d.See("is NoStock, since 7m")
	w := sampleWorld()
	w.pods = slices.DeleteFunc(w.pods, func(p *fleet.Pod) bool { return strings.HasSuffix(p.Name, "p8vmz") })
	d.store.put(w.build())
	d.See("or it is gone")
}

func TestEscAndAKeyInOnePacketAreTwoKeys(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press("w")
	d.Do(func() { d.c.key(tcell.NewEventKey(tcell.KeyRune, '4', tcell.ModAlt)) })
	d.See("[4 Node]")
}

// TestEscAndEnterInOnePacketMigrateNothing: tcell calls the two an m with Alt and Ctrl.
func TestEscAndEnterInOnePacketMigrateNothing(t *testing.T) {
	escEnter := func(d *desk) func() {
		return func() { d.c.key(tcell.NewEventKey(tcell.KeyRune, 'm', tcell.ModAlt|tcell.ModCtrl)) }
	}
	c := &crew{}
	d := staffed(t, c, sample(), nil)
	d.Press("w")
	d.See("Pods › Why")
	d.Do(escEnter(d))
	d.See("Pods › Describe") // as Enter does
	if orders, _ := c.asked(); len(orders) != 0 {
		t.Errorf("ordered: %v", orders)
	}
	d.Press("Esc", "/")
	d.Type("search")
	d.Do(func() { d.c.key(tcell.NewEventKey(tcell.KeyUp, 0, tcell.ModAlt)) })
	d.Miss("/search") // the filter is not kept
	d.Do(func() {
		if d.c.prompt != nil {
			t.Error("Esc and an arrow leave the prompt open")
		}
	})
}

// TestCtrlCOverAPromptIsReadBeforeItQuits: what it warns of stands above what is typed.
func TestCtrlCOverAPromptIsReadBeforeItQuits(t *testing.T) {
	c := &crew{end: make(chan error, 1)}
	d := begun(t, c, sample())
	d.Press(":")
	d.Type("pods")
	d.Press("Ctrl-C")
	d.See("Again quits")
	d.See(":pods")
	c.end <- nil
	d.See("is done: 2 moved")
}

// TestTheCommandQuitsTheSecondTime: its own keys are none between the two.
func TestTheCommandQuitsTheSecondTime(t *testing.T) {
	c := &crew{end: make(chan error, 1)}
	d := begun(t, c, sample())
	quit := func() {
		d.Press(":")
		d.Type("q")
		d.Press("Enter")
	}
	quit()
	d.See("Again quits")
	d.Press(":", "Esc", "j") // another command was meant
	quit()
	d.See("Again quits")
	d.Press(":")
	d.Type("q")
	go d.Press("Enter") // the console is gone when it would return
	if err := d.wait(t); err != nil {
		t.Error(err)
	}
}

// TestWhatIsWrongWithACommandIsReadWhole where it has no room beside it.
func TestWhatIsWrongWithACommandIsReadWhole(t *testing.T) {
	d := open(t, 80, 24, sample(), nil)
	d.Press(":")
	d.Type("podz")
	d.Press("Enter")
	d.See("operations, help, messages, readonly, quit")
	d.See(":podz")
}

func TestMainViewsHaveDigitsAndNames(t *testing.T) {
	d := open(t, 120, 40, sample(), nil)
	for i, name := range Views() {
		d.Press(fmt.Sprint(i + 1))
		var label string
		d.Do(func() { label = d.c.mains[i].label })
		d.See(fmt.Sprintf("[%d %s]", i+1, label))
		d.Press(":")
		d.Type(name)
		d.Press("Enter")
		d.See(fmt.Sprintf("[%d %s]", i+1, label))
	}
	for _, command := range []string{"workloads shop", "scaling shop", "cost shop", "pods shop"} {
		d.Press(":")
		d.Type(command)
		d.Press("Enter")
		d.See("shop ")
		d.Miss("no column")
	}
}
