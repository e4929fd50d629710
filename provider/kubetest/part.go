package kubetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// State is what a part's process does.
type State string

// The states of a part. Exited means that it ended without being asked to.
const (
	Stopped State = "stopped"
	Running State = "running"
	Exited  State = "exited"
)

// A part is one process of the lab. Its command line stays the same over stops and starts.
type part struct {
	name string
	argv []string
	env  []string // added to a minimal environment
	log  string   // file that takes its output

	mu     sync.Mutex
	cmd    *exec.Cmd
	done   chan struct{} // closed when cmd ended
	state  State
	reason string // of an unasked end
}

// spawner starts processes from one thread that lives as long as the spawner: the kernel
// kills a child when the thread that started it ends, so no other thread may start one.
type spawner struct {
	requests chan spawnRequest
	done     <-chan struct{} // closed: no more processes
}

type spawnRequest struct {
	cmd    *exec.Cmd
	result chan<- error
}

func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	select {
	case s.requests <- spawnRequest{cmd, result}:
		return <-result
	case <-s.done:
		return errors.New("the lab is ending")
	}
}

// start runs the part; it returns once the process exists.
func (p *part) start(s *spawner) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == Running {
		return fmt.Errorf("%s is running already (pid %d)", p.name, p.cmd.Process.Pid)
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", p.name, err)
	}
	defer out.Close() // the process has its own copy
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(baseEnv(), p.env...)
	cmd.SysProcAttr = childAttributes()
	if err := s.start(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done, p.state, p.reason = cmd, done, Running, ""
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		if p.cmd == cmd && p.state == Running {
			p.state, p.reason = Exited, describeExit(err)
		}
		p.mu.Unlock()
		close(done)
	}()
	return nil
}

// stop ends the process: with a request and grace, or at once where grace is zero. Stopping
// a part that doesn't run is no error.
func (p *part) stop(grace time.Duration) {
	p.mu.Lock()
	if p.state != Running {
		p.state = Stopped
		p.mu.Unlock()
		return
	}
	p.state = Stopped
	process, done := p.cmd.Process, p.done
	p.mu.Unlock()
	if grace > 0 {
		_ = process.Signal(syscall.SIGTERM) // it may have ended meanwhile
		select {
		case <-done:
			return
		case <-time.After(grace):
		}
	}
	_ = process.Kill()
	<-done
}

// status is the part's state, its process id (0: none) and why it exited.
func (p *part) status() (state State, pid int, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == Running {
		pid = p.cmd.Process.Pid
	}
	return p.state, pid, p.reason
}

// exited is an error when the part ended unasked, with the end of its log, which is where
// the reason stands (a port taken, a disk full).
func (p *part) exited() error {
	state, _, reason := p.status()
	if state != Exited {
		return nil
	}
	return fmt.Errorf("%s ended (%s); the last lines of %s:\n%s", p.name, reason, p.log, tail(p.log, 12))
}

func describeExit(err error) string {
	if err == nil {
		return "exit code 0"
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.String()
	}
	return err.Error()
}

// tail returns the last n lines of a file, or why it can't be read.
func tail(file string, n int) string {
	const most = 16 << 10
	f, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd) // reading from the start instead is only slower
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// baseEnv is the environment every part needs; credentials and proxies of the user's shell
// must not reach the lab.
func baseEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ", "GOMAXPROCS", "GOGC", "GORACE"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// newSpawner starts the thread that starts processes; it ends with ctx, and with it, on
// Linux, every process it started.
func newSpawner(ctx context.Context) *spawner {
	s := &spawner{requests: make(chan spawnRequest), done: ctx.Done()}
	go s.run()
	return s
}
