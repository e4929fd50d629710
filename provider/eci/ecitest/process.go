package ecitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The most that one line of a shell, or one command, may use.
const (
	maxCalls    = 20_000   // commands
	maxOutput   = 64 << 20 // bytes written, read words included
	maxVars     = 64 << 10 // bytes in a shell's variables, which may be arithmetic and are parsed then
	maxFrames   = 4_000    // of Go, some ten for a function of a shell
	maxRunning  = 10 * time.Minute
	maxScript   = 32 << 10 // bytes of a script: the library calls itself for what is nested
	maxLine     = 4 << 10  // bytes typed in a line
	killed      = 137
	interrupted = 130
)

var errKilled = errors.New("it used more than an emulated container has")

// A budget ends what goes on without end.
type budget struct {
	mu           sync.Mutex
	calls, bytes int
	end          context.CancelCauseFunc
}

// newBudget is one whose exhaustion ends the context.
func newBudget(ctx context.Context) (*budget, context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	return &budget{end: end}, ctx
}

// exhausted reports that the budget ended the context.
func (*budget) exhausted(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errKilled) }

// spend reports that there is enough left.
func (b *budget) spend(calls, bytes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.bytes = b.calls+calls, b.bytes+bytes
	if b.calls <= maxCalls && b.bytes <= maxOutput {
		return true
	}
	b.end(errKilled)
	return false
}

// due reports now and then that it is time for what costs more.
func (b *budget) due() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls%32 == 0
}

// A process is one command that runs: one of the small programs of commands.
type process struct {
	x         *execution
	ctx       context.Context //nolint:containedctx // it is the process's own life
	args      []string        // without its name
	dir       string
	env       []string // KEY=value
	in        io.Reader
	out, errs io.Writer
	budget    *budget
	failed    error // of writing to out
}

// path makes a name absolute.
func (p *process) path(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(p.dir, name)
}

func (p *process) printf(format string, args ...any) { p.write(p.out, fmt.Sprintf(format, args...)) }

func (p *process) write(to io.Writer, text string) {
	if !p.budget.spend(0, len(text)) {
		return
	}
	if _, err := io.WriteString(to, text); err != nil && to == p.out {
		p.failed = err
	}
}

// fail prints a complaint and is an exit code.
func (p *process) fail(name string, code int, format string, args ...any) int {
	p.write(p.errs, name+": "+fmt.Sprintf(format, args...)+"\n")
	return code
}

// Read reads the process's input; the process's end ends it.
func (p *process) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, io.EOF
	}
	if p.in == nil {
		return 0, io.EOF
	}
	if terminal, ok := p.in.(*tty); ok {
		return terminal.read(p.ctx, b)
	}
	if file, ok := p.in.(*os.File); ok {
		// Only a deadline ends a read of a pipe; it is taken back for who reads next.
		stop := context.AfterFunc(p.ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })
		defer func() {
			if !stop() {
				_ = file.SetReadDeadline(time.Time{})
			}
		}()
	}
	n, err := p.in.Read(b)
	if n > 0 && !p.budget.spend(0, n) {
		return n, io.EOF
	}
	return n, err
}

// content is a file's, or the input's with "-" or "".
func (p *process) content(name string) ([]byte, error) {
	if name == "" || name == "-" || name == "/dev/stdin" {
		return io.ReadAll(io.LimitReader(p, maxDiskBytes))
	}
	return p.x.files.read(p.path(name))
}

// inputs calls do with each file's content, or the input's without files, and tells how it
// went as an exit code.
func (p *process) inputs(command string, files []string, do func(name string, content []byte)) int {
	if len(files) == 0 {
		files = []string{"-"}
	}
	code := 0
	for _, name := range files {
		content, err := p.content(name)
		if err != nil {
			code = p.fail(command, 1, "%s", said(name, err))
			continue
		}
		do(name, content)
	}
	return code
}

// said is an error of a file in the words of a Unix program.
func said(name string, err error) string {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	text := err.Error()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = "No such file or directory"
	case errors.Is(err, fs.ErrExist):
		text = "File exists"
	case text != "":
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return name + ": " + text
}

// flags splits arguments into the letters before the first that is no flag, and the rest.
// Letters in valued take a value, attached or as the next argument.
func flags(args []string, valued string) (letters map[byte]string, rest []string) {
	letters = map[byte]string{}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		if strings.HasPrefix(arg, "--") {
			continue // a long option changes nothing here
		}
		for i := 1; i < len(arg); i++ {
			if !strings.Contains(valued, string(arg[i])) {
				letters[arg[i]] = "true"
				continue
			}
			value := arg[i+1:]
			if value == "" && len(args) > 0 {
				value, args = args[0], args[1:]
			}
			letters[arg[i]] = value
			break
		}
	}
	return letters, args
}

// lookup finds a command as execvp does: its program, or its script, or why it can't run.
func (x *execution) lookup(name, dir, search string) (run func(*process) int, script []byte, code int) {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, folder := range strings.Split(search, ":") {
			candidates = append(candidates, path.Join(folder, name))
		}
	}
	code = 127
	for _, candidate := range candidates {
		if !path.IsAbs(candidate) {
			candidate = path.Join(dir, candidate)
		}
		info, err := x.files.stat(candidate, true)
		if err != nil {
			continue
		}
		if info.IsDir() || info.mode&0o111 == 0 {
			code = 126
			continue
		}
		content, err := x.files.read(candidate)
		if err != nil {
			continue
		}
		if len(content) > 0 {
			return nil, content, 0
		}
		if program := commands()[path.Base(candidate)]; program != nil {
			return program, nil, 0
		}
		code = 126
	}
	return nil, nil, code
}

// usualPath is PATH where the container's environment has none.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func envValue(env []string, key string) string {
	value := ""
	for _, v := range env {
		if k, val, _ := strings.Cut(v, "="); k == key {
			value = val
		}
	}
	return value
}

// start runs a command to its end. The code is 127 when there is none of the name, 126 when
// it can't be run.
func (x *execution) start(p *process, command []string) int {
	name := command[0]
	search := envValue(p.env, "PATH")
	program, script, code := x.lookup(name, p.dir, search)
	p.args = command[1:]
	switch {
	case program != nil:
		code := program(p)
		if p.failed != nil && code == 0 && !errors.Is(p.failed, syscall.EPIPE) && p.ctx.Err() == nil {
			return p.fail(path.Base(name), 1, "%s", said("write error", p.failed))
		}
		return code
	case script != nil && bytes.HasPrefix(script, []byte("\x7fELF")):
		return p.fail("sh", 126, "%s: an emulated container runs no programs of its own", name)
	case script != nil:
		return x.interpret(p, path.Base(name), string(script), command[1:])
	case code == 126:
		return p.fail("sh", 126, "%s: Permission denied", name)
	}
	return p.fail("sh", 127, "%s: not found", name)
}
