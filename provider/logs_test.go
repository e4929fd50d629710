package provider

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

func TestFreshLinesComeOnceAndGapsAreSeen(t *testing.T) {
	const a, b, c = "2026-01-01T00:00:00Z a\n", "2026-01-01T00:00:01Z b\n", "2026-01-01T00:00:01Z c\n"
	var m logMark
	for i, step := range []struct {
		text, want string
	}{
		{a, a}, {a, ""}, {a + b, b}, {b + c, c}, {b + c, ""}, {"", ""}, {c, ""},
	} {
		if lines, gap := m.fresh(step.text); strings.Join(lines, "") != step.want || gap {
			t.Errorf("step %d: got %q, gap %v", i, lines, gap)
		}
	}
	full := strings.Repeat("2026-01-01T00:01:00Z x\n", maxLogLines)
	if lines, gap := m.fresh(full); len(lines) != maxLogLines || !gap {
		t.Errorf("%d lines, gap %v: lines before them may be missing", len(lines), gap)
	}
}

func TestLogsOfARunningContainer(t *testing.T) {
	inBed(t, func(b *bed) {
		b.untilReady(b.create(healthyPod("web", image("chatter"))))
		time.Sleep(time.Minute)
		read := func(ctx context.Context, o api.ContainerLogOpts) string {
			t.Helper()
			r, err := b.node.Provider.GetContainerLogs(ctx, "default", "web", "main", o)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if n := strings.Count(read(b.ctx, api.ContainerLogOpts{Tail: 100}), "\n"); n != 100 {
			t.Errorf("--tail=100 gave %d lines", n)
		}
		if n := strings.Count(read(b.ctx, api.ContainerLogOpts{}), "\n"); n < 500 {
			t.Errorf("no --tail gave %d lines", n)
		}
		if text := read(withTailZero(b.ctx), api.ContainerLogOpts{}); text != "" {
			t.Errorf("--tail=0 gave %q", text)
		}
		if text := read(b.ctx, api.ContainerLogOpts{LimitBytes: 10}); len(text) != 10 {
			t.Errorf("--limit-bytes=10 gave %q", text)
		}
		if _, err := b.node.Provider.GetContainerLogs(b.ctx, "default", "web", "main", api.ContainerLogOpts{Previous: true}); !errdefs.IsInvalidInput(err) {
			t.Errorf("--previous of a container that never ended: %v", err)
		}
		for _, name := range [][2]string{{"nobody", "main"}, {"web", "nobody"}} {
			if _, err := b.node.Provider.GetContainerLogs(b.ctx, "default", name[0], name[1], api.ContainerLogOpts{}); !errdefs.IsNotFound(err) {
				t.Errorf("%v: %v", name, err)
			}
		}
	})
}

func TestFollowRepeatsNoLineAndEndsWithTheContainer(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.create(healthyPod("job", image("job"), env("SECONDS", "30"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
		b.untilReady(pod)
		r, err := b.node.Provider.GetContainerLogs(b.ctx, "default", "job", "main", api.ContainerLogOpts{Follow: true, Timestamps: true})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if seen[lines.Text()] {
				t.Errorf("twice: %s", lines.Text())
			}
			seen[lines.Text()] = true
		}
		if len(seen) == 0 || b.get(pod).Status.Phase != corev1.PodSucceeded {
			t.Errorf("%d lines, pod %s", len(seen), b.get(pod).Status.Phase)
		}
		all, err := b.node.Provider.GetContainerLogs(b.ctx, "default", "job", "main", api.ContainerLogOpts{})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(all); err != nil || strings.Count(string(text), "\n") != len(seen) {
			t.Errorf("followed %d lines of %q, %v", len(seen), text, err)
		}
	})
}

// A diary answers log requests from a list of timed lines, as ECI does.
type diary struct {
	Cloud
	lines map[time.Time]string
}

func (d *diary) Log(_ context.Context, r eci.LogRequest) (string, error) {
	from := time.Time{}
	if r.SinceSeconds > 0 {
		from = time.Now().Add(-time.Duration(r.SinceSeconds) * time.Second)
	}
	if r.StartTime != "" {
		from, _ = time.Parse(time.RFC3339, r.StartTime)
	}
	var text strings.Builder
	for _, at := range slices.SortedFunc(maps.Keys(d.lines), time.Time.Compare) {
		if !at.Before(from) && !at.After(time.Now()) {
			fmt.Fprintf(&text, "%s %s\n", at.UTC().Format(time.RFC3339Nano), d.lines[at])
		}
	}
	return text.String(), nil
}

func TestFollowingSinceLeavesOlderLinesOutAlsoWhileNothingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		d := &diary{lines: map[time.Time]string{time.Now(): "old", time.Now().Add(90 * time.Second): "new"}}
		b.wrap = func(c Cloud) Cloud { d.Cloud = c; return d }
		b.start()
		defer func() { b.stop() }()
		b.untilReady(b.create(healthyPod("web")))
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
		defer cancel()
		r, err := b.node.Provider.GetContainerLogs(ctx, "default", "web", "main", api.ContainerLogOpts{Follow: true, SinceSeconds: 10})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || string(text) != "new\n" {
			t.Errorf("followed %q, %v", text, err)
		}
	})
}
