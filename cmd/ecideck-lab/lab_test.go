package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
)

// programs builds ecideck-lab and ecideck-node and gives the lab a state folder of its own.
// The built control plane stays in the user's cache.
func programs(t *testing.T) (bin string) {
	t.Helper()
	if _, err := kubetest.ControlPlane(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}
	bin, err := kubetest.Programs(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	return bin
}

// labCommand runs one command line of the built program; it returns its output and exit code.
func labCommand(t *testing.T, bin string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "ecideck-lab"), args...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("ecideck-lab %v: %v", args, err)
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

func mustLab(t *testing.T, bin string, args ...string) string {
	t.Helper()
	out, code := labCommand(t, bin, args...)
	if code != 0 {
		t.Fatalf("ecideck-lab %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func labStatus(t *testing.T, bin, name string) kubetest.Status {
	t.Helper()
	out := mustLab(t, bin, "status", "--name", name, "-o", "json")
	var status kubetest.Status
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return status
}

// alive reports whether a process exists and is more than a zombie.
func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(syscall.Kill(pid, 0), nil) && !errors.Is(err, os.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func eventually(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}

func gone(t *testing.T, status kubetest.Status) {
	t.Helper()
	for _, p := range status.Processes {
		eventually(t, 10*time.Second, fmt.Sprintf("%s (pid %d) ends", p.Name, p.PID), func() bool { return !alive(p.PID) })
	}
	// A killed process is a zombie to look at while its last threads still hold its sockets.
	eventually(t, 10*time.Second, "port "+status.ECI.Endpoint+" is free", func() bool {
		conn, err := net.DialTimeout("tcp", status.ECI.Endpoint, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

func TestALabLeavesNothingBehindHoweverItEnds(t *testing.T) {
	bin := programs(t)
	t.Cleanup(func() {
		for _, name := range []string{"one", "two"} {
			labCommand(t, bin, "down", "--name", name)
		}
	})
	mustLab(t, bin, "up", "--detach", "--name", "one")
	one := labStatus(t, bin, "one")
	if !one.Ready || one.Scenario != "self-built" || len(one.Processes) != 8 {
		t.Fatalf("status %+v, want ready, self-built, 8 processes", one)
	}

	t.Run("the same name is refused while it runs", func(t *testing.T) {
		out, code := labCommand(t, bin, "up", "--detach", "--name", "one")
		if code != 1 || !strings.Contains(out, "--name") {
			t.Errorf("exit code %d\n%s", code, out)
		}
	})
	t.Run("env points any tool at it", func(t *testing.T) {
		out := mustLab(t, bin, "env", "--name", "one")
		for _, want := range []string{"export KUBECONFIG='" + one.Kubeconfig, "export ECIDECK_ECI_ENDPOINT='http://127.0.0.1:", "ALIBABA_CLOUD_ACCESS_KEY_SECRET='" + one.ECI.AccessKeySecret, "ECIDECK_REGION='cn-hangzhou'"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %s in\n%s", want, out)
			}
		}
	})
	t.Run("kubectl comes with it", func(t *testing.T) {
		if out := mustLab(t, bin, "kubectl", "--name", "one", "get", "nodes", "-o", "name"); !strings.Contains(out, "node/virtual-kubelet-cn-hangzhou") {
			t.Errorf("nodes:\n%s", out)
		}
		if _, code := labCommand(t, bin, "kubectl", "--name", "one", "get", "pod", "no-such-pod"); code != 1 {
			t.Errorf("exit code %d, want kubectl's 1", code)
		}
	})
	t.Run("a part can be killed and started", func(t *testing.T) {
		mustLab(t, bin, "kill", "--name", "one", "scheduler")
		if s := labStatus(t, bin, "one"); s.Ready {
			t.Error("ready without a scheduler")
		}
		mustLab(t, bin, "start", "--name", "one", "scheduler")
		if s := labStatus(t, bin, "one"); !s.Ready {
			t.Error("not ready with the scheduler back")
		}
		if out, code := labCommand(t, bin, "kill", "--name", "one", "toaster"); code != 1 || !strings.Contains(out, "apiserver") {
			t.Errorf("an unknown part: exit code %d\n%s", code, out)
		}
	})
	t.Run("a second lab stands beside it", func(t *testing.T) {
		mustLab(t, bin, "up", "--detach", "--name", "two", "--scenario", "night-burst")
		two := labStatus(t, bin, "two")
		if !two.Ready || two.Scenario != "night-burst" {
			t.Fatalf("second lab: %+v", two)
		}
		if !labStatus(t, bin, "one").Ready {
			t.Error("the first lab is not ready any more")
		}
		mustLab(t, bin, "down", "--name", "two")
		gone(t, two)
	})
	t.Run("a killed lab takes its processes with it", func(t *testing.T) {
		supervisor := parent(t, one.Processes[0].PID)
		if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		gone(t, one)
		out, code := labCommand(t, bin, "status", "--name", "one", "-o", "json")
		if code != 1 || !strings.Contains(out, `"ready": false`) {
			t.Errorf("status afterwards: exit code %d\n%s", code, out)
		}
	})
	t.Run("and its name is free again", func(t *testing.T) {
		mustLab(t, bin, "up", "--detach", "--name", "one")
		again := labStatus(t, bin, "one")
		mustLab(t, bin, "down", "--name", "one")
		gone(t, again)
		dir, err := kubetest.StateDir("one")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left (%v)", dir, err)
		}
		if out, code := labCommand(t, bin, "down", "--name", "one"); code != 1 || !strings.Contains(out, "no lab") {
			t.Errorf("down twice: exit code %d\n%s", code, out)
		}
	})
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	var state string
	var ppid int
	if _, err := fmt.Sscan(rest, &state, &ppid); err != nil || ppid <= 1 {
		t.Fatalf("parent of %d: %d, %v", pid, ppid, err)
	}
	return ppid
}

func TestCommandLinesThatCantBeMeantSayWhy(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name, line string
		code       int
		want       string
	}{
		{"unknown scenario", "up --scenario nope", 2, "scenario list"},
		{"unknown flag", "up --scenarios x", 2, "unknown flag"},
		{"unknown command", "upp", 1, "unknown command"},
		{"a name that leaves its folder", "status --name ../x", 1, "can't be a lab's name"},
		{"nothing runs", "down", 1, "ecideck-lab up"},
		{"unknown output", "status -o xml", 2, "text or json"},
		{"an address that others reach", "eci --listen 0.0.0.0:8443", 2, "loopback only"},
		{"a port that is taken", "eci --listen " + taken.Addr().String(), 1, "address already in use"},
		{"a load of no namespace", "load checkout 0.9", 2, "NAMESPACE/PODS"},
		{"time that stands still", "eci --speed 0", 2, "--speed"},
		{"unknown scheme", "eci --listen 127.0.0.1:0 --scheme gopher", 2, "http or https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), strings.Fields(c.line), strings.NewReader(""), &out, &out)
			if code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit code %d, want %d; output, want %q:\n%s", code, c.code, c.want, out.String())
			}
		})
	}
}

func TestTheEmulatorGoesOnWithTheStateOfTheOneBefore(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	var id string
	for round := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		reader, writer := io.Pipe()
		ended := make(chan int, 1)
		go func() {
			ended <- run(ctx, []string{"eci", "--listen", "127.0.0.1:0", "--state", state}, strings.NewReader(""), writer, io.Discard)
		}()
		line := make([]byte, 256)
		n, err := reader.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		url := strings.TrimSuffix(strings.Fields(string(line[:n]))[4], ",")
		client, err := eci.New(eci.Options{Region: "cn-hangzhou", Endpoint: url, AccessKeyID: ecitest.DefaultAccessKeyID, AccessKeySecret: ecitest.DefaultAccessKeySecret})
		if err != nil {
			t.Fatal(err)
		}
		request := &eci.CreateRequest{ContainerGroupName: "web", ClientToken: "once", Container: []eci.ContainerRequest{{Name: "main", Image: "serve"}}}
		created, err := client.CreateGroup(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if round > 0 && created != id {
			t.Errorf("the token gives the group %s after the restart, %s before", created, id)
		}
		id = created
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d after being ended, want 0", code)
		}
	}
	if err := os.WriteFile(state, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	if code := run(t.Context(), []string{"eci", "--listen", "127.0.0.1:0", "--state", state}, strings.NewReader(""), io.Discard, &errOut); code != 1 || !strings.Contains(errOut.String(), "move the file away") {
		t.Errorf("with a damaged state: exit code %d, %s", code, errOut.String())
	}
}

func TestTheEmulatorAloneSaysWhereItListens(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			ca := filepath.Join(t.TempDir(), "ca.crt")
			ctx, cancel := context.WithCancel(t.Context())
			reader, writer := io.Pipe()
			ended := make(chan int, 1)
			go func() {
				ended <- run(ctx, []string{"eci", "--listen", "127.0.0.1:0", "--scheme", scheme, "--ca-file", ca}, strings.NewReader(""), writer, io.Discard)
			}()
			line := make([]byte, 256)
			n, err := reader.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			url := strings.TrimSuffix(strings.Fields(string(line[:n]))[4], ",")
			if !strings.HasPrefix(url, scheme+"://127.0.0.1:") {
				t.Fatalf("it said %q", line[:n])
			}
			if scheme == "http" {
				answer, err := http.Get(url)
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
			} else if _, err := os.Stat(ca); err != nil {
				t.Errorf("the certificate to trust is missing: %v", err)
			}
			cancel()
			if code := <-ended; code != 0 {
				t.Errorf("exit code %d after being ended, want 0", code)
			}
		})
	}
}
