package eci_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// The client against the emulator: both have the framing from the same guess, so this shows
// that they agree, and nothing about the real service.
func TestACommandRunsInAnEmulatedContainer(t *testing.T) {
	t.Run("whose socket tells exit codes", func(t *testing.T) { runsCommands(t, ecitest.New(ecitest.Options{Instant: true})) })
	t.Run("whose socket tells none", func(t *testing.T) {
		e := ecitest.New(ecitest.Options{Instant: true})
		if _, err := e.AddFault(ecitest.Fault{Kind: ecitest.FaultSilentExec}); err != nil {
			t.Fatal(err)
		}
		runsCommands(t, e)
		if n := e.Calls("ExecContainerCommand"); n != 11 {
			t.Errorf("%d calls for 10 commands in one container, want one more", n)
		}
	})
}

// A container without a shell, behind a socket that tells no exit codes, leaves nobody to tell.
func TestNobodyTellsAnExitCode(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	if _, err := e.AddFault(ecitest.Fault{Kind: ecitest.FaultSilentExec}); err != nil {
		t.Fatal(err)
	}
	c, id := shellOf(t, e)
	run := func(command ...string) (string, error) {
		var out strings.Builder
		err := c.Run(t.Context(), eci.ExecRequest{GroupID: id, Container: "app", Command: command}, eci.Streams{Stdout: &out})
		return out.String(), err
	}
	// A command of more words than ECI takes once a shell is put before it.
	words := []string{"echo", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17"}
	if out, err := run(words...); !errors.Is(err, eci.ErrNoExitCode) || out != strings.Join(words[1:], " ")+"\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if out, err := run("rm", "/bin/sh"); out != "" || err != nil {
		t.Fatal(out, err)
	}
	other := client(t, e) // which knows of no shell
	var out strings.Builder
	err := other.Run(t.Context(), eci.ExecRequest{GroupID: id, Container: "app", Command: []string{"false"}}, eci.Streams{Stdout: &out})
	if !errors.Is(err, eci.ErrNoExitCode) || out.Len() > 0 {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func client(t *testing.T, e *ecitest.Emulator) *eci.Client {
	t.Helper()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	c, err := eci.New(eci.Options{Region: e.Region(), Endpoint: server.URL, AccessKeyID: ecitest.DefaultAccessKeyID, AccessKeySecret: ecitest.DefaultAccessKeySecret})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shellOf makes a group with a container to run commands in.
func shellOf(t *testing.T, e *ecitest.Emulator) (*eci.Client, string) {
	t.Helper()
	c := client(t, e)
	id, err := c.CreateGroup(t.Context(), &eci.CreateRequest{ContainerGroupName: "web", Container: []eci.ContainerRequest{{Name: "app", Image: "serve",
		EnvironmentVar: []eci.EnvironmentVar{{Key: "COLOUR", Value: ptr("green")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return c, id
}

func runsCommands(t *testing.T, e *ecitest.Emulator) {
	c, id := shellOf(t, e)
	for _, c2 := range []struct {
		name    string
		command []string
		tty     bool
		stdin   string
		size    eci.TerminalSize
		out     string
		errs    string
		code    int
	}{
		{"output", []string{"echo", "a", "b"}, false, "", eci.TerminalSize{}, "a b\n", "", 0},
		{"environment", []string{"env"}, false, "", eci.TerminalSize{}, "COLOUR=green", "", 0},
		{"an exit code", []string{"sh", "-c", "echo x; exit 7; echo y"}, false, "", eci.TerminalSize{}, "x\n", "", 7},
		{"a failure", []string{"false"}, false, "", eci.TerminalSize{}, "", "", 1},
		{"no such command", []string{"vim"}, false, "", eci.TerminalSize{}, "", "sh: vim: not found\n", 127},
		{"both streams", []string{"sh", "-c", "echo out; echo err >&2; exit 3"}, false, "", eci.TerminalSize{}, "out\n", "err\n", 3},
		{"what can't be run", []string{"/etc"}, false, "", eci.TerminalSize{}, "", "Permission denied", 126},
		{"input that ends", []string{"wc", "-c"}, false, "12345", eci.TerminalSize{}, "5\n", "", 0},
		{"a script by stdin", []string{"sh"}, false, "echo one\nfalse\n", eci.TerminalSize{}, "one\n", "", 1},
		{"a terminal", []string{"sh"}, true, "stty size\nexit 5\n", eci.TerminalSize{Width: 132, Height: 43}, "43 132\r\n", "", 5},
	} {
		t.Run(c2.name, func(t *testing.T) {
			var out, errs strings.Builder
			streams := eci.Streams{Stdout: &out, Stderr: &errs}
			if c2.stdin != "" {
				reader, writer := io.Pipe()
				streams.Stdin = reader
				sizes := make(chan eci.TerminalSize)
				streams.Resize = sizes
				go func() {
					if c2.tty {
						sizes <- c2.size
						sizes <- c2.size // taken only when the first was sent
					}
					_, _ = io.WriteString(writer, c2.stdin)
					_ = writer.Close()
				}()
			}
			err := c.Run(t.Context(), eci.ExecRequest{GroupID: id, Container: "app", Command: c2.command, TTY: c2.tty}, streams)
			var exit *eci.ExitError
			if errors.As(err, &exit) && exit.Code != c2.code || err == nil && c2.code != 0 || err != nil && exit == nil {
				t.Errorf("got %v, want exit code %d", err, c2.code)
			}
			if !strings.Contains(out.String(), c2.out) {
				t.Errorf("got %q, want %q in it", out.String(), c2.out)
			}
			if !strings.Contains(errs.String(), c2.errs) || c2.errs == "" && errs.Len() > 0 {
				t.Errorf("got the errors %q, want %q", errs.String(), c2.errs)
			}
		})
	}
}
