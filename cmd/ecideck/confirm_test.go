package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/ui/view"
)

// A talk is a person at a terminal, and what is said there.
type talk struct {
	*mover
	keys *os.File
	news chan struct{} // something was said
	mu   sync.Mutex
	text bytes.Buffer
	out  bytes.Buffer
}

func (k *talk) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case k.news <- struct{}{}:
	default: // it is known already
	}
	return k.text.Write(p)
}

func (k *talk) said() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text.String()
}

// sees waits until something was said so many times.
func (k *talk) sees(t *testing.T, text string, times int) {
	t.Helper()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	for strings.Count(k.said(), text) < times {
		select {
		case <-k.news:
		case <-late.C:
			t.Fatalf("%q was not said %d times:\n%s", text, times, k.said())
		}
	}
}

func (k *talk) types(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(k.keys, text); err != nil {
		t.Fatal(err)
	}
}

func newTalk(t *testing.T) *talk {
	t.Helper()
	keys, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = keys.Close(), terminal.Close() })
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	k := &talk{keys: keys, news: make(chan struct{}, 1)}
	k.mover = &mover{options: &options{streams: streams{in: terminal, out: &k.out, err: k}, kube: genericclioptions.NewConfigFlags(true)}, output: "table", wait: true}
	return k
}

func kubeOf(context string) *setup.Kube {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-01", UID: "n", ResourceVersion: "1"}}
	return &setup.Kube{Client: fakeapi.New(node), Context: context}
}

func movesOne(began time.Time) *migrate.Operation {
	return &migrate.Operation{ID: "op", By: "alice", Began: began, State: migrate.Interrupted, Reason: "its session was cut", Plan: migrate.Plan{To: migrate.ToECI, Home: "shop", Targets: []string{"deployment/web in shop"},
		Items: []migrate.Item{{ID: "1", Strategy: migrate.Swap, State: migrate.Planned, Why: "a surge pod is Ready first", Pod: migrate.Ref{Kind: "Pod", Namespace: "shop", Name: "web-1"}}}}}
}

func stays(settled bool, why string) *migrate.Operation {
	o := movesOne(time.Now())
	x := &o.Plan.Items[0]
	x.Strategy, x.State, x.Settled, x.Why = migrate.Stay, migrate.Stays, settled, why
	return o
}

func always(o *migrate.Operation) func(context.Context) (*migrate.Operation, error) {
	return func(context.Context) (*migrate.Operation, error) { return o, nil }
}

// TestCtrlCAtAQuestionEndsAtOnce: nobody has to press Enter first.
func TestCtrlCAtAQuestionEndsAtOnce(t *testing.T) {
	k := newTalk(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.confirmed(ctx, kubeOf("lab"), always(movesOne(time.Now()))) }()
	k.sees(t, "Type yes to go on: ", 1)
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, errNothing) || setup.ExitCode(err) != setup.ExitError {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it still waits for an answer")
	}
}

// TestAnOldPlanIsMadeAndAskedAboutAgain: the answer was to what was so when it was asked.
func TestAnOldPlanIsMadeAndAskedAboutAgain(t *testing.T) {
	k := newTalk(t)
	made := 0
	ended := make(chan error, 1)
	go func() {
		ended <- k.confirmed(t.Context(), kubeOf("prod-1"), func(context.Context) (*migrate.Operation, error) {
			made++
			if made == 1 {
				return movesOne(time.Now().Add(-view.PlanLasts - time.Second)), nil
			}
			return movesOne(time.Now()), nil
		})
	}()
	k.sees(t, "Type prod-1 to go on: ", 1)
	k.types(t, "prod-1\n")
	k.sees(t, "Type prod-1 to go on: ", 2)
	k.types(t, "no\n")
	if err := <-ended; !errors.Is(err, errNothing) || made != 2 || !strings.Contains(k.said(), "older than two minutes") {
		t.Errorf("%v after %d plans:\n%s", err, made, k.said())
	}
}

// TestWhoIsAskedSeesThePlan: also where programs get the operation on stdout.
func TestWhoIsAskedSeesThePlan(t *testing.T) {
	k := newTalk(t)
	k.output = "json"
	ended := make(chan error, 1)
	go func() { ended <- k.confirmed(t.Context(), kubeOf("lab"), always(movesOne(time.Now()))) }()
	k.sees(t, "Type yes to go on: ", 1)
	if text := k.said(); !strings.Contains(text, "shop/web-1") || !strings.Contains(text, "preflight: ") || k.out.Len() > 0 {
		t.Errorf("%s\nstdout: %s", text, k.out.String())
	}
	k.types(t, "no\n")
	if err := <-ended; !errors.Is(err, errNothing) {
		t.Error(err)
	}
}

func TestTheExitCodeSaysWhetherAllIsThere(t *testing.T) {
	for _, c := range []struct {
		name string
		op   *migrate.Operation
		dry  bool
		want int
		says string
	}{
		{"a dry run of what can be done", movesOne(time.Now()), true, setup.ExitOK, ""},
		{"a dry run of what is blocked", stays(false, "nobody would make it anew"), true, setup.ExitError, "nobody would make it anew"},
		{"what is blocked", stays(false, "nobody would make it anew"), false, setup.ExitError, "nobody would make it anew"},
		{"what is there already", stays(true, "it runs on ECI already"), false, setup.ExitOK, "nothing is to be moved: it runs on ECI already"},
		{"a dry run of what is there already", stays(true, "it runs on ECI already"), true, setup.ExitOK, "it runs on ECI already"},
	} {
		for _, output := range []string{"table", "json"} {
			t.Run(c.name+" "+output, func(t *testing.T) {
				k := newTalk(t)
				k.output, k.dryRun = output, c.dry
				err := k.confirmed(t.Context(), kubeOf("lab"), always(c.op))
				if err != nil {
					_, _ = io.WriteString(k, err.Error())
				}
				if code := setup.ExitCode(err); code != c.want || !strings.Contains(k.said(), c.says) || k.out.Len() == 0 {
					t.Errorf("exit code %d: %s\n%s", code, k.said(), k.out.String())
				}
			})
		}
	}
}

func TestAnOperationThatLeftSomethingIsNoSuccess(t *testing.T) {
	left := []migrate.Left{{Object: migrate.Ref{Kind: "Pod", Namespace: "shop", Name: "lone"}, Why: "kubectl drain would not delete it"}}
	for _, c := range []struct {
		name  string
		op    migrate.Operation
		abort bool
		want  int
		says  string
	}{
		{"an empty node", migrate.Operation{State: migrate.Done, Plan: migrate.Plan{Drain: &migrate.Drained{}}}, false, setup.ExitOK, ""},
		{"a node with a pod", migrate.Operation{State: migrate.Done, Left: left, LeftCount: 1, Plan: migrate.Plan{Drain: &migrate.Drained{Node: migrate.Ref{Name: "ecs-01"}}}}, false, setup.ExitError,
			"node ecs-01 is not empty: 1 stay on it: pod/lone in shop (kubectl drain would not delete it)"},
		{"more than are named", migrate.Operation{ID: "x", State: migrate.Done, Left: left, LeftCount: 7}, false, setup.ExitError, "not all could be moved: 7 stay: pod/lone in shop (kubectl drain would not delete it) and 6 more: see `ecideck ops show x`"},
		{"an abort that came too late", migrate.Operation{State: migrate.Done, Left: left, LeftCount: 1}, true, setup.ExitOK, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t)
			err := k.ended(&c.op, c.abort, nil)
			if code := setup.ExitCode(err); code != c.want || err != nil && err.Error() != c.says {
				t.Errorf("exit code %d: %v", code, err)
			}
		})
	}
}

// TestAProductionNodeIsCordonedByWhoTypesItsContext and by nobody else.
func TestAProductionNodeIsCordonedByWhoTypesItsContext(t *testing.T) {
	for _, c := range []struct {
		context, types string
		yes, want      bool
	}{
		{"lab", "", false, true},
		{"prod-1", "yes\n", false, false},
		{"prod-1", "prod-1\n", false, true},
		{"prod-1", "", true, true},
	} {
		k, kube := newTalk(t), kubeOf(c.context)
		k.yes = c.yes
		if c.types != "" {
			k.types(t, c.types)
		}
		err := k.setCordon(t.Context(), kube, "ecs-01", true)
		node, failed := kube.Client.CoreV1().Nodes().Get(t.Context(), "ecs-01", metav1.GetOptions{})
		if failed != nil || (err == nil) != c.want || node.Spec.Unschedulable != c.want {
			t.Errorf("%+v: %v, cordoned %t, %v", c, err, node.Spec.Unschedulable, failed)
		}
	}
	k, kube := newTalk(t), kubeOf("prod-1")
	k.in = strings.NewReader("prod-1\n")
	if err := k.setCordon(t.Context(), kube, "ecs-01", true); setup.ExitCode(err) != setup.ExitUsage {
		t.Errorf("without a terminal: %v", err)
	}
}

// TestWhoGoesOnSeesWithWhat: an id may be given by its first characters.
func TestWhoGoesOnSeesWithWhat(t *testing.T) {
	for _, abort := range []bool{false, true} {
		k := newTalk(t)
		kube := kubeOf("prod-1")
		k.types(t, "yes\n")
		err := k.asksToGoOn(t.Context(), kube, movesOne(time.Now().Add(-3*time.Hour)), abort)
		verb := map[bool]string{true: "abort", false: "resume"}[abort]
		want := verb + " operation op: migrate deployment/web in shop, which alice began 3h"
		if text := k.said(); !errors.Is(err, errNothing) || !strings.Contains(text, want) || !strings.Contains(text, "it is interrupted, 0 of 1 pods moved: its session was cut") || !strings.Contains(text, "Type prod-1 to go on") {
			t.Errorf("%v: %s", err, text)
		}
	}
}

func TestWhatShowsOnlyHasNoFlagsOfWhatRuns(t *testing.T) {
	for _, sub := range newOps(&options{kube: genericclioptions.NewConfigFlags(true)}).Commands() {
		runs := sub.Name() != "list" && sub.Name() != "show"
		for _, flag := range []string{"yes", "wait"} {
			if (sub.Flags().Lookup(flag) != nil) != runs {
				t.Errorf("ops %s has --%s: %t", sub.Name(), flag, !runs)
			}
		}
	}
}

// TestASecondCtrlCDoesNotWait: the first stops in order and says so, as a lost terminal does, however
// often it is lost.
func TestASecondCtrlCDoesNotWait(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan os.Signal, 1) // also where the tests were begun by nohup
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	for _, c := range []struct {
		first, second os.Signal
		waits         bool
	}{{os.Interrupt, os.Interrupt, false}, {syscall.SIGHUP, syscall.SIGHUP, true}} {
		k := newTalk(t)
		o := movesOne(time.Now())
		o.Plan.Items[0].State = migrate.Evicting
		asked, goes := make(chan error, 1), make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- k.engine(t.Context(), fakeapi.New(), o, false, func(ctx context.Context, e *migrate.Engine) (*migrate.Operation, error) {
				e.Report(o)
				<-ctx.Done()
				asked <- context.Cause(ctx)
				<-goes
				done := movesOne(time.Now())
				done.State = migrate.Done
				return done, nil
			})
		}()
		k.sees(t, "operation op; ", 1)
		if err := self.Signal(c.first); err != nil {
			t.Fatal(err)
		}
		if err := <-asked; !strings.Contains(err.Error(), "was asked to end") {
			t.Errorf("%v", err)
		}
		k.sees(t, "stopping in order: nothing new is begun, and what takes the place of web-1 is handed over first", 1)
		if err := self.Signal(c.second); err != nil {
			t.Fatal(err)
		}
		if c.waits {
			select {
			case err := <-ended:
				t.Errorf("it did not wait: %v", err)
			case <-time.After(300 * time.Millisecond):
			}
			close(goes)
			if err := <-ended; err != nil {
				t.Error(err)
			}
			continue
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "`ecideck ops resume op` goes on") || setup.ExitCode(err) != setup.ExitError {
			t.Errorf("%v", err)
		}
		close(goes)
	}
}

// TestABrokenPipeIsNotTheEndOfAnOperation: its reader is gone, as tee is at Ctrl-C, and it is told
// what happens.
func TestABrokenPipeIsNotTheEndOfAnOperation(t *testing.T) {
	const name = "ECIDECK_TEST_TOLD_TO_NOBODY"
	if file := os.Getenv(name); file != "" {
		m := &mover{options: &options{streams: streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}}, output: "table"}
		_ = m.engine(t.Context(), fakeapi.New(), movesOne(time.Now()), false, func(_ context.Context, e *migrate.Engine) (*migrate.Operation, error) {
			e.Notice("one")
			e.Notice("two")
			return movesOne(time.Now()), os.WriteFile(file, []byte("it went on"), 0o600)
		})
		return
	}
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = reads.Close()
	defer writes.Close()
	file := filepath.Join(t.TempDir(), "end")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), name+"="+file, "XDG_STATE_HOME="+t.TempDir())
	child.Stdout, child.Stderr = writes, writes
	ended := child.Run()
	if text, err := os.ReadFile(file); err != nil || string(text) != "it went on" {
		t.Errorf("%v, %v", err, ended)
	}
}
