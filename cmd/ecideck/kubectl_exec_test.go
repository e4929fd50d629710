package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/creack/pty"
)

// execChecks are about commands in containers and the files there.
func execChecks() []check {
	return []check{
		{"exec carries input, both outputs and the exit code", execs},
		{"exec -it is a terminal: it echoes, is interrupted, and follows the window's size", typesInATerminal},
		{"cp copies files and directories both ways", copies},
		{"a container finds its config files, its environment and what another wrote", findsItsFiles},
	}
}

// run runs kubectl with an input and gives each stream by itself.
func (x *tenant) run(input string, args ...string) (out, errs string, code int) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute*slack)
	defer cancel()
	cmd := x.lab.Command(ctx, "kubectl", append([]string{"-n", x.namespace}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		x.t.Fatalf("kubectl %v: %v", args, err)
	}
	return stdout.String(), stderr.String(), code
}

func execs(x *tenant) {
	x.apply(twoContainers)
	x.untilReady("two")
	for _, c := range []struct {
		input     string
		args      []string
		out, errs string // errs: in it; "": nothing
		code      int
	}{
		{"", []string{"exec", "two", "-c", "web", "--", "echo", "a  b"}, "a  b\n", "", 0},
		{"", []string{"exec", "two", "-c", "side", "--", "hostname"}, "", "", 0},
		{"one\ntwo\n", []string{"exec", "-i", "two", "-c", "web", "--", "cat"}, "one\ntwo\n", "", 0},
		{strings.Repeat("0123456789abcdef", 40_000), []string{"exec", "-i", "two", "-c", "web", "--", "wc", "-c"}, "640000\n", "", 0},
		{"", []string{"exec", "two", "-c", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 42"}, "out\n", "err\ncommand terminated with exit code 42", 42},
		{"echo $((6*7))\nfalse\n", []string{"exec", "-i", "two", "-c", "web", "--", "sh"}, "42\n", "exit code 1", 1},
		{"", []string{"exec", "two", "-c", "web", "--", "vim"}, "", "vim: not found", 127},
		{"", []string{"exec", "two", "-c", "web", "--", "/etc/hosts"}, "", "Permission denied", 126},
		{"", []string{"exec", "two", "-c", "nobody", "--", "true"}, "", "nobody", 1},
	} {
		out, errs, code := x.run(c.input, c.args...)
		if c.out != "" && out != c.out || !strings.Contains(errs, c.errs) || c.errs == "" && errs != "" || code != c.code {
			x.t.Errorf("kubectl %v: exit code %d, output %q, errors %q", c.args, code, out, errs)
		}
	}
	// A word of a command is at most 256 bytes: said, with the way around it.
	if _, errs, code := x.run("", "exec", "two", "-c", "web", "--", "echo", strings.Repeat("x", 300)); code == 0 || !strings.Contains(errs, "ECI takes 256") {
		x.t.Errorf("a word that is too long: exit code %d, %q", code, errs)
	}
	x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: over, namespace: NAMESPACE}
spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "0.1"}]}]}
`)
	x.do("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/over", "--timeout=60s")
	if _, errs, code := x.run("", "exec", "over", "--", "true"); code == 0 || !strings.Contains(errs, "completed pod") {
		x.t.Errorf("a pod that is over: exit code %d, %q", code, errs)
	}
}

func typesInATerminal(x *tenant) {
	x.apply(twoContainers)
	x.untilReady("two")
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute*slack)
	defer cancel()
	cmd := x.lab.Command(ctx, "kubectl", "-n", x.namespace, "exec", "-it", "two", "-c", "web", "--", "sh")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		x.t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	screen := &transcript{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			if _, _ = screen.Write(buffer[:n]); err != nil {
				return // the terminal's other end is closed
			}
		}
	}()
	shows := func(what, text string) {
		x.t.Helper()
		x.eventually(20*slack*time.Second, what, func() (bool, string) {
			return strings.Contains(screen.String(), text), fmt.Sprintf("%q", screen.String())
		})
	}
	enter := func(keys string) {
		x.t.Helper()
		if _, err := terminal.WriteString(keys); err != nil {
			x.t.Fatal(err)
		}
	}
	shows("a prompt", "# ")
	enter("stty size\r")
	shows("the size at the start", "stty size\r\n24 80\r\n")
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 50, Cols: 132}); err != nil {
		x.t.Fatal(err)
	}
	// The new size travels beside what is typed, and may come later.
	x.eventually(20*slack*time.Second, "the new size", func() (bool, string) {
		enter("stty size\r")
		return strings.Contains(screen.String(), "\r\n50 132\r\n"), fmt.Sprintf("%q", screen.String())
	})
	enter("sleep 600\r")
	shows("the command", "sleep 600\r\n")
	enter("\x03")
	shows("the interrupt", "^C")
	enter("echo code $?\r")
	shows("the interrupted command's exit code", "code 130\r\n")
	enter("tty; exit 9\r")
	shows("a terminal", "/dev/pts/0\r\n")
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 9 {
		x.t.Errorf("kubectl ended with %v, want exit code 9:\n%s", err, screen.String())
	}
	_ = terminal.Close() // its other end is closed already
	<-read
}

func copies(x *tenant) {
	x.apply(twoContainers)
	x.untilReady("two")
	dir := x.t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		x.t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			x.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			x.t.Fatal(err)
		}
	}
	large := strings.Repeat("a line of a file that is larger than a message\n", 20_000)
	write("out/one.txt", "one\n", 0o644)
	write("out/deep/run.sh", "#!/bin/sh\necho ran\n", 0o755)
	write("out/large", large, 0o600)
	x.do("cp", filepath.Join(dir, "out/one.txt"), "two:/tmp/renamed.txt", "-c", "web")
	x.do("cp", filepath.Join(dir, "out"), "two:/tmp", "-c", "web")
	out := x.do("exec", "two", "-c", "web", "--", "sh", "-c", "cat /tmp/renamed.txt; cd /tmp/out && find . -type f && ./deep/run.sh && wc -c large && stat -c %a large deep/run.sh")
	want := fmt.Sprintf("one\n./deep/run.sh\n./large\n./one.txt\nran\n%d large\n600\n755\n", len(large))
	if out != want {
		x.t.Errorf("in the container is\n%s\nwant\n%s", out, want)
	}
	// The other container has files of its own.
	if _, code := x.try("exec", "two", "-c", "side", "--", "ls", "/tmp/out"); code == 0 {
		x.t.Error("the other container has the files too")
	}
	x.do("cp", "two:/tmp/out/large", filepath.Join(dir, "back"), "-c", "web")
	x.do("cp", "two:/tmp/out", filepath.Join(dir, "all"), "-c", "web")
	for name, want := range map[string]string{"back": large, "all/one.txt": "one\n", "all/deep/run.sh": "#!/bin/sh\necho ran\n", "all/large": large} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			x.t.Errorf("%s came back with %d bytes of %d, %v", name, len(got), len(want), err)
		}
	}
	if out, code := x.try("cp", "two:/tmp/none", filepath.Join(dir, "none"), "-c", "web"); code == 0 || !strings.Contains(out, "No such file") {
		x.t.Errorf("a file that is not there: exit code %d\n%s", code, out)
	}
}

func findsItsFiles(x *tenant) {
	x.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NAMESPACE}
data: {app.conf: "colour = green\n", other: "x"}
binaryData: {raw: /wA=}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: NAMESPACE}
stringData: {password: s3cret}
---
apiVersion: v1
kind: Pod
metadata: {name: files, namespace: NAMESPACE, labels: {app: files}}
spec:
  nodeSelector: {type: virtual-kubelet}
  tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]
  containers:
  - name: main
    image: lab/serve
    env:
    - {name: MY_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: key, key: password}}}
    volumeMounts:
    - {name: settings, mountPath: /etc/app}
    - {name: settings, mountPath: /etc/one.conf, subPath: app.conf}
    - {name: key, mountPath: /etc/key, readOnly: true}
    - {name: about, mountPath: /etc/about}
    - {name: shared, mountPath: /shared}
  - name: side
    image: lab/serve
    volumeMounts: [{name: shared, mountPath: /data}]
  volumes:
  - {name: settings, configMap: {name: settings, defaultMode: 0444}}
  - {name: key, secret: {secretName: key, items: [{key: password, path: deep/pw, mode: 0400}]}}
  - {name: about, downwardAPI: {items: [{path: app, fieldRef: {fieldPath: "metadata.labels['app']"}}]}}
  - {name: shared, emptyDir: {}}
`)
	pod := x.untilReady("files")
	out := x.do("exec", "files", "-c", "main", "--", "sh", "-c", `cat /etc/app/app.conf /etc/one.conf /etc/about/app; echo; stat -c '%a %s' /etc/app/raw /etc/key/deep/pw; echo $MY_IP $(cat /etc/key/deep/pw) $PASSWORD`)
	want := fmt.Sprintf("colour = green\ncolour = green\nfiles\n444 2\n400 6\n%s s3cret s3cret\n", pod.Status.PodIP)
	if out != want {
		x.t.Errorf("in the container is\n%s\nwant\n%s", out, want)
	}
	if out, code := x.try("exec", "files", "-c", "main", "--", "sh", "-c", "echo x > /etc/app/app.conf"); code != 1 || !strings.Contains(strings.ToLower(out), "read-only") {
		x.t.Errorf("a config file is written: exit code %d\n%s", code, out)
	}
	x.do("exec", "files", "-c", "main", "--", "sh", "-c", "echo for you > /shared/letter")
	if out := x.do("exec", "files", "-c", "side", "--", "cat", "/data/letter"); out != "for you\n" {
		x.t.Errorf("the other container reads %q", out)
	}
	out = x.do("exec", "files", "-c", "main", "--", "sh", "-c", "test -s /var/run/secrets/kubernetes.io/serviceaccount/token && cat /var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if out != x.namespace {
		x.t.Errorf("the service account's namespace is %q", out)
	}
}
