package eci

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrNoExitCode says that a command has ended and nothing told how: the service's socket
// carried no status, and no shell in the container could tell.
var ErrNoExitCode = errors.New("the command has ended; ECI told no exit code, and no sh in the container could tell it")

// Nothing documents whether the socket of a command carries its exit code. So it is found
// out: a shell that exits with a code of its own is asked once, in the first container that
// has one. Where no code arrives, commands are run by a shell that prints it after the
// output, from where it is taken out again.

const (
	probeCode    = 7
	probeTimeout = 10 * time.Second
	maxShells    = 1000 // containers that are remembered
)

// exitCodes is what was found out. Its zero value knows nothing.
type exitCodes struct {
	mu     sync.Mutex
	told   bool                // the socket tells them
	shells map[execTarget]bool // containers of a service that doesn't: whether sh can tell
}

type execTarget struct{ group, container string }

// learn notes that the socket tells exit codes.
func (e *exitCodes) learn() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told, e.shells = true, nil
}

// byShell reports that commands in a container need a shell to tell their exit code, and
// whether it has one. It may run a command there to find out.
func (c *Client) byShell(ctx context.Context, r ExecRequest) (need, has bool) {
	target := execTarget{r.GroupID, r.Container}
	c.codes.mu.Lock()
	told := c.codes.told
	has, known := c.codes.shells[target]
	c.codes.mu.Unlock()
	if told || known {
		return !told, has
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	printed := &sieve{mark: newMark()}
	probe := ExecRequest{GroupID: r.GroupID, Container: r.Container, Command: []string{"sh", "-c", fmt.Sprintf("printf '%%s%%d]' '%s' %d; exit %[2]d", printed.mark, probeCode)}}
	status, err := c.session(ctx, probe, Streams{Stdout: printed})
	if err != nil {
		return false, false // the command itself will meet the same, and says it better
	}
	if len(status) > 0 {
		c.codes.learn()
		return false, false
	}
	_, has = printed.end()
	c.codes.mu.Lock()
	defer c.codes.mu.Unlock()
	if c.codes.shells == nil || len(c.codes.shells) >= maxShells {
		c.codes.shells = map[execTarget]bool{}
	}
	c.codes.shells[target] = has
	return true, has
}

func newMark() string { return "[ecideck-exit " + rand.Text() + " " }

// A sieve passes output on and keeps the exit code that a shell printed at its end.
type sieve struct {
	out  io.Writer // nil: nobody wants it
	mark string
	held []byte // what may be the mark's beginning, or is the mark
	seen bool
}

// wrap has a shell run a command and print its exit code behind the mark; an interrupt ends the
// command and not the shell. false: it is too long then for the API.
func (s *sieve) wrap(command []string) ([]string, bool) {
	wrapped := append([]string{"sh", "-c", "trap : INT; \"$@\"; printf '%s%d]' '" + s.mark + "' $?", "sh"}, command...)
	return wrapped, checkCommand(wrapped) == nil
}

func (s *sieve) Write(b []byte) (int, error) {
	s.held = append(s.held, b...)
	if s.seen {
		return len(b), nil
	}
	pass := len(s.held)
	if i := bytes.Index(s.held, []byte(s.mark)); i >= 0 {
		s.seen, pass = true, i
	} else {
		// Hold back what may become the mark.
		for n := min(len(s.mark)-1, len(s.held)); n > 0; n-- {
			if strings.HasPrefix(s.mark, string(s.held[len(s.held)-n:])) {
				pass = len(s.held) - n
				break
			}
		}
	}
	if err := s.pass(pass); err != nil {
		return 0, err
	}
	return len(b), nil
}

// pass lets the first n bytes through.
func (s *sieve) pass(n int) error {
	text := s.held[:n]
	s.held = bytes.Clone(s.held[n:])
	if s.out == nil || len(text) == 0 {
		return nil
	}
	_, err := s.out.Write(text)
	return err
}

// end is the exit code, if it came; otherwise what was held back goes through.
func (s *sieve) end() (code int, ok bool) {
	if s.seen {
		digits, _, found := strings.Cut(strings.TrimPrefix(string(s.held), s.mark), "]")
		if code, err := strconv.Atoi(digits); found && err == nil {
			return code, true
		}
	}
	_ = s.pass(len(s.held)) // the reader went away, which the session has told
	return 0, false
}
