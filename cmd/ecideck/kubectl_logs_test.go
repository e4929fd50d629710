package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// logChecks are about what containers write.
func logChecks() []check {
	return []check{
		{"logs tail, since, timestamps, limits, selectors and all containers", readsLogs},
		{"logs -f gives every line once and ends with the container", followsLogs},
		{"logs --previous is the run before the restart", readsPreviousLogs},
		{"attach carries output only and says so", attaches},
		{"port-forward is refused in words", forwardsNoPort},
		{"logs of a finished pod and of a deleted one are there when their groups are gone", readsLastWords},
	}
}

const twoContainers = `
apiVersion: v1
kind: Pod
metadata: {name: two, namespace: NAMESPACE, labels: {app: two}}
spec: {ECI, containers: [{name: web, image: lab/serve}, {name: side, image: lab/chatter}]}
`

func readsLogs(x *tenant) {
	x.apply(twoContainers)
	x.untilReady("two")
	x.eventually(20*slack*time.Second, "the log of side has a hundred lines", func() (bool, string) {
		n := strings.Count(x.do("logs", "two", "-c", "side"), "\n")
		return n > 100, fmt.Sprint(n)
	})
	if out := x.do("logs", "two", "-c", "side", "--tail=7"); strings.Count(out, "\n") != 7 {
		x.t.Errorf("--tail=7 gave\n%s", out)
	}
	if out := x.do("logs", "two", "-c", "side", "--tail=0"); out != "" {
		x.t.Errorf("--tail=0 gave\n%s", out)
	}
	// Twenty lines a second; kubectl takes a while too.
	if n := strings.Count(x.do("logs", "two", "-c", "side", "--since=2s"), "\n"); n < 20 || n > 60 {
		x.t.Errorf("--since=2s gave %d lines, want about 40", n)
	}
	for line := range strings.Lines(x.do("logs", "two", "-c", "side", "--tail=3", "--timestamps")) {
		if stamp, _, _ := strings.Cut(line, " "); !isTime(stamp) {
			x.t.Errorf("no timestamp in %q", line)
		}
	}
	if out := x.do("logs", "two", "-c", "side", "--limit-bytes=10"); len(out) != 10 {
		x.t.Errorf("--limit-bytes=10 gave %q", out)
	}
	x.contains(x.do("logs", "-l", "app=two", "--all-containers", "--prefix", "--tail=1"), "[pod/two/web] ", "[pod/two/side] ")
	if out, code := x.try("logs", "two", "-c", "nobody"); code == 0 || !strings.Contains(out, "nobody") {
		x.t.Errorf("a container that is not there: exit code %d\n%s", code, out)
	}
}

func followsLogs(x *tenant) {
	x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: work, namespace: NAMESPACE}
spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "6"}]}]}
`)
	x.until("work", "runs", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodRunning })
	var out string
	took := timed(func() { out = x.do("logs", "work", "-f") })
	lines := strings.Split(strings.TrimSpace(out), "\n")
	seen := map[string]bool{}
	for _, line := range lines {
		if seen[line] {
			x.t.Errorf("%q came twice", line)
		}
		seen[line] = true
	}
	if lines[0] != "starting main, run 1" || lines[len(lines)-1] != "done, exit code 0" || len(lines) != 8 {
		x.t.Errorf("after %v the stream ended with %d lines, want 8 from the first to the last:\n%s", took, len(lines), out)
	}
}

func readsPreviousLogs(x *tenant) {
	x.apply(twoContainers + `
---
apiVersion: v1
kind: Pod
metadata: {name: crash, namespace: NAMESPACE}
spec: {ECI, containers: [{name: main, image: lab/crashloop, env: [{name: SECONDS, value: "1"}, {name: EXIT_CODE, value: "3"}]}]}
`)
	pod := x.until("crash", "was started again", func(pod *corev1.Pod) bool {
		return len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].RestartCount > 0
	})
	if end := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated; end == nil || end.ExitCode != 3 || end.Reason != "Error" {
		x.t.Errorf("last state %+v, want exit code 3", end)
	}
	x.contains(x.do("logs", "crash", "--previous"), "starting main, run ", "panic: ")
	x.untilReady("two")
	if out, code := x.try("logs", "two", "-c", "web", "--previous"); code == 0 || !strings.Contains(out, "previous terminated container") {
		x.t.Errorf("a container that never ended: exit code %d\n%s", code, out)
	}
	x.tells("pod", "crash", "Exit Code:    3", "Restart Count:", "Back-off restarting failed container")
}

func attaches(x *tenant) {
	x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: work, namespace: NAMESPACE}
spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, stdin: true, env: [{name: SECONDS, value: "12"}]}]}
`)
	x.until("work", "runs", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodRunning })
	out, code := x.try("attach", "work", "-i")
	if code != 0 {
		x.t.Errorf("exit code %d\n%s", code, out)
	}
	x.contains(out, "output only", "kubectl exec", "done, exit code 0")
}

func forwardsNoPort(x *tenant) {
	x.apply(twoContainers)
	x.untilReady("two")
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute*slack)
	defer cancel()
	cmd := x.lab.Command(ctx, "kubectl", "-n", x.namespace, "port-forward", "two", ":80")
	out := &transcript{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var address string
	x.eventually(20*slack*time.Second, "kubectl listens", func() (bool, string) {
		_, rest, found := strings.Cut(out.String(), "Forwarding from ")
		address, _, _ = strings.Cut(rest, " ->")
		return found && strings.HasPrefix(address, "127.0.0.1:"), out.String()
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		x.t.Fatal(err)
	}
	defer conn.Close()
	select {
	case err := <-ended:
		if err == nil {
			x.t.Error("kubectl port-forward ended well")
		}
	case <-time.After(30 * slack * time.Second):
		x.t.Error("kubectl port-forward did not end")
	}
	x.contains(out.String(), "port-forward is not available on this virtual node", "from within its VPC")
}

// A transcript is what a process writes while it runs.
type transcript struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(b)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

const twoThatEnd = `
apiVersion: v1
kind: Pod
metadata: {name: report, namespace: NAMESPACE}
spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "2"}, {name: EXIT_CODE, value: "3"}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: NAMESPACE}
spec: {ECI, containers: [{name: main, image: lab/chatter}]}
`

// printed is what ecideck prints in the tenant's namespace, on both streams.
func (x *tenant) printed(args ...string) (out, errs string, code int) {
	x.t.Helper()
	var o, e bytes.Buffer
	code = run(x.t.Context(), append(args, "--kubeconfig="+x.lab.Kubeconfig, "-n", x.namespace), streams{in: strings.NewReader(""), out: &o, err: &e})
	return o.String(), e.String(), code
}

func readsLastWords(x *tenant) {
	x.apply(twoThatEnd)
	ended := x.until("report", "has failed", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
	x.eventually(20*slack*time.Second, "its end is kept", func() (bool, string) {
		out, code := x.try("get", "secret", "ecideck-last-words", "-o", "jsonpath={.data}")
		return code == 0 && strings.Contains(out, string(ended.UID)), out
	})
	if err := x.lab.Access.Admin(x.t.Context(), http.MethodDelete, "/_ecitest/groups?id="+ended.Annotations[eci.AnnotationInstanceID], nil, nil); err != nil {
		x.t.Fatal(err)
	}
	if out := x.do("logs", "report", "--tail=1"); out != "done, exit code 3\n" {
		x.t.Errorf("kubectl logs: %q", out)
	}
	x.untilReady("web")
	x.eventually(10*slack*time.Second, "web writes", func() (bool, string) {
		out := x.do("logs", "web")
		return strings.Count(out, "event ") > 20, out
	})
	if out, errs, code := x.printed("logs", "web", "--tail=2"); code != 0 || strings.Count(out, "\n") != 2 || errs != "" {
		x.t.Errorf("of a running pod: exit code %d, %q, %q", code, out, errs)
	}
	x.do("delete", "pod", "web", "report")
	for name, want := range map[string][2]string{"web": {"event 10 ", "when it was deleted"}, "report": {"done, exit code 3\n", "exit code 3"}} {
		out, errs, code := x.printed("logs", name)
		if code != 0 || !strings.Contains(out, want[0]) || !strings.Contains(errs, want[1]) || !strings.Contains(errs, "group eci-") {
			x.t.Errorf("of %s, which is gone: exit code %d, %q, %q", name, code, out, errs)
		}
	}
	if out, errs, code := x.printed("logs", "nobody"); code != 1 || out != "" || !strings.Contains(errs, "keeps no last words") {
		x.t.Errorf("of a pod that never was: exit code %d, %q, %q", code, out, errs)
	}
}
