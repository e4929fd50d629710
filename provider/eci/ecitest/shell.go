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
	"runtime"
	"slices"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// The shell of emulated containers is mvdan.cc/sh's interpreter, shut off from the machine
// that it runs on: commands, files, directories and permissions are the emulated container's,
// and what the library would do by itself on the host is taken out of each script before it
// runs (see tame) or never reached (see ownOfShell).

// limiter is a command that scripts are given where nothing else would count what they do.
const limiter = "\x00limit"

// otherwise marks builtins of the library that are run by our own commands instead.
const otherwise = "\x00run "

// ownOfShell reports that a command is one of the library's that touch nothing but the shell
// itself, or files through our handlers.
func ownOfShell(name string) bool {
	switch name {
	case ":", "true", "false", "exit", "set", "shift", "unset", "echo", "printf", "break", "continue", "cd", "wait", "test", "[", "exec", "return", "read", "getopts":
		return true
	}
	return false
}

// shellEnv is what a shell begins with. It answers for everything that the library would ask
// the host for.
type shellEnv struct {
	vars  []string
	begun bool // the library has asked where it may make named pipes
}

// nowhere is a directory that no system has.
const nowhere = "/\x00"

func (e *shellEnv) Get(name string) expand.Variable {
	hidden := func(value string) expand.Variable {
		return expand.Variable{Set: true, Kind: expand.String, Str: value}
	}
	if user, ok := strings.CutPrefix(name, "HOME "); ok { // ~user
		if user == "root" {
			return hidden("/root")
		}
		return hidden("~" + user)
	}
	if name == "TMPDIR" && !e.begun {
		return hidden(nowhere)
	}
	if value, ok := e.value(name); ok {
		return expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}
	}
	switch name {
	case "UID", "EUID", "GID":
		return hidden("0")
	case pidVariable:
		return hidden("7")
	}
	return expand.Variable{}
}

func (e *shellEnv) value(name string) (string, bool) {
	for _, v := range slices.Backward(e.vars) {
		if key, value, _ := strings.Cut(v, "="); key == name {
			return value, true
		}
	}
	return "", false
}

func (e *shellEnv) Each(yield func(string, expand.Variable) bool) {
	seen := map[string]bool{}
	for _, v := range slices.Backward(e.vars) {
		key, value, _ := strings.Cut(v, "=")
		if !seen[key] && !yield(key, expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}) {
			return
		}
		seen[key] = true
	}
}

// pidVariable stands for $$ and $PPID, which the library takes from the host.
const pidVariable = "EMULATED_PID"

// A shell is one interpreter. It is used by one goroutine.
type shell struct {
	x      *execution
	runner *interp.Runner
	budget *budget
	in     *os.File // what the library reads; nil: nothing
	// Of a terminal only what the shell's own read asks for goes through in: the library would
	// take everything that is typed.
	terminal *tty
	feed     *os.File
	done     map[syntax.Command]bool
}

// maxShells is how many shells one execution may have at once: they call each other.
const maxShells = 20

// newShell makes a shell whose input is in; nil: it has none.
func (x *execution) newShell(p *process, params []string) (*shell, error) {
	if x.shells.Add(1) > maxShells || !p.budget.spend(10, 0) {
		x.shells.Add(-1)
		return nil, errors.New("too many shells within each other")
	}
	s := &shell{x: x, budget: p.budget, done: map[syntax.Command]bool{}}
	var stdin io.Reader
	var err error
	switch in := p.in.(type) {
	case *os.File:
		s.in, stdin = in, in
	case *tty:
		if s.in, s.feed, err = os.Pipe(); err != nil {
			x.shells.Add(-1)
			return nil, err
		}
		s.terminal, stdin = in, s.in
	}
	env := &shellEnv{vars: p.env}
	runner, err := interp.New(
		interp.Env(env), interp.Dir("/"), interp.Params(append([]string{"--"}, params...)...),
		interp.StdIO(stdin, p.out, p.errs),
		interp.CallHandler(s.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
		interp.OpenHandler(s.open), interp.ReadDirHandler2(s.readDir), interp.StatHandler(s.stat), interp.AccessHandler(s.access),
		func(r *interp.Runner) error { r.Dir = p.dir; return nil },
	)
	if err != nil {
		s.close()
		return nil, err
	}
	s.runner = runner
	runner.Reset()
	env.begun = true
	// $RANDOM follows the emulator's seed.
	seed, err := parser().Parse(strings.NewReader(fmt.Sprintf("RANDOM=%d", x.random%32768)), "")
	if err == nil {
		err = runner.Run(p.ctx, seed.Stmts[0])
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close gives back what the shell had.
func (s *shell) close() {
	s.x.shells.Add(-1)
	if s.feed != nil {
		_, _ = s.feed.Close(), s.in.Close()
	}
}

// path makes a name absolute where the shell is.
func (s *shell) path(ctx context.Context, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(interp.HandlerCtx(ctx).Dir, name)
}

// call sees every command before it runs.
func (s *shell) call(ctx context.Context, args []string) ([]string, error) {
	size := 0
	for _, arg := range args {
		size += len(arg) + 1
	}
	if !s.budget.spend(1, size) || s.budget.due() && !s.fits(ctx) {
		return nil, interp.ExitStatus(killed)
	}
	hc := interp.HandlerCtx(ctx)
	for len(args) > 1 && args[0] == "command" && !strings.HasPrefix(args[1], "-") {
		args = args[1:]
	}
	switch {
	case args[0] == "read" && s.terminal != nil && hc.Stdin == io.Reader(s.in):
		line, _ := s.terminal.line(ctx)
		if _, err := io.WriteString(s.feed, line); err != nil {
			return nil, interp.ExitStatus(1)
		}
	case (args[0] == "test" || args[0] == "[") && (slices.Contains(args, "-O") || slices.Contains(args, "-G")):
		return []string{"true"}, nil // everything is root's, who the user is
	}
	if interp.IsBuiltin(args[0]) && !ownOfShell(args[0]) {
		return append([]string{otherwise + args[0]}, args[1:]...), nil
	}
	return args, nil
}

// fits reports that the shell's variables are not too much, nor its functions that call each
// other: the library calls itself for each.
func (s *shell) fits(ctx context.Context) bool {
	if runtime.Callers(maxFrames, make([]uintptr, 1)) > 0 {
		s.budget.end(errKilled)
		return false
	}
	size := 0
	for name, v := range interp.HandlerCtx(ctx).Env.Each {
		size += len(name) + len(v.Str)
		for _, item := range v.List {
			size += len(item)
		}
		for key, item := range v.Map {
			size += len(key) + len(item)
		}
	}
	if size > maxVars {
		s.budget.end(errKilled)
	}
	return size <= maxVars
}

// exec runs a command that is not the shell's own.
func (s *shell) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	if args[0] == limiter {
		if !s.fits(ctx) {
			return interp.ExitStatus(killed)
		}
		return interp.ExitStatus(hc.LastExitStatus) //nolint:gosec // exit codes are bytes
	}
	args[0] = strings.TrimPrefix(args[0], otherwise)
	p := &process{x: s.x, ctx: ctx, dir: hc.Dir, in: hc.Stdin, out: hc.Stdout, errs: hc.Stderr, budget: s.budget}
	if s.terminal != nil && hc.Stdin == io.Reader(s.in) {
		p.in = s.terminal
	}
	for name, v := range hc.Env.Each {
		if v.Exported && v.Kind == expand.String {
			p.env = append(p.env, name+"="+v.Str)
		}
	}
	code := 0
	switch own := shellCommand(args[0]); {
	case own != nil:
		p.args = args[1:]
		code = own(s, p)
	case interp.IsBuiltin(args[0]):
		code = p.fail("sh", 127, "%s: the shell of an emulated container does not have it", args[0])
	default:
		code = s.x.start(p, args)
	}
	if code != 0 {
		return interp.ExitStatus(code) //nolint:gosec // exit codes are bytes
	}
	return nil
}

// shellCommand is a command of ours that needs to know the shell; nil: there is none.
func shellCommand(name string) func(*shell, *process) int {
	switch name {
	case "command", "type":
		return which
	case "hash":
		return func(*shell, *process) int { return 0 }
	case "trap":
		return func(_ *shell, p *process) int {
			for _, signal := range p.args[min(1, len(p.args)):] {
				if signal == "EXIT" || signal == "0" || signal == "ERR" {
					return p.fail("sh", 127, "trap: the shell of an emulated container can't %s", signal)
				}
			}
			return 0 // no signal ever reaches it
		}
	case "pwd":
		return func(_ *shell, p *process) int { return runPwd(p) }
	}
	return nil
}

// which tells where commands are.
func which(s *shell, p *process) int {
	code := 0
	for _, name := range p.args {
		if strings.HasPrefix(name, "-") {
			continue
		}
		switch {
		case ownOfShell(name) || shellCommand(name) != nil:
			p.printf("%s\n", name)
		default:
			found := s.x.where(name, p.dir, envValue(p.env, "PATH"))
			if found == "" {
				code = 127
				continue
			}
			p.printf("%s\n", found)
		}
	}
	return code
}

// where is the path of a command; "": there is none.
func (x *execution) where(name, dir, search string) string {
	for _, folder := range strings.Split(search, ":") {
		candidate := path.Join(folder, name)
		if strings.Contains(name, "/") {
			candidate = name
		}
		if info, err := x.files.stat(path.Join(dir, candidate), true); !path.IsAbs(candidate) && err == nil && info.mode&0o111 != 0 {
			return candidate
		}
		if info, err := x.files.stat(candidate, true); path.IsAbs(candidate) && err == nil && !info.IsDir() && info.mode&0o111 != 0 {
			return candidate
		}
	}
	return ""
}

func (s *shell) open(ctx context.Context, name string, flag int, mode os.FileMode) (io.ReadWriteCloser, error) {
	hc := interp.HandlerCtx(ctx)
	switch name {
	case "/dev/stdout":
		return stream{hc.Stdout}, nil
	case "/dev/stderr":
		return stream{hc.Stderr}, nil
	}
	f, err := s.x.files.open(s.path(ctx, name), flag, mode)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			// The library prints it as it is.
			return nil, &fs.PathError{Op: "sh: can't open", Path: name, Err: cause.Err}
		}
		return nil, err
	}
	return measured{f, s.budget}, nil
}

// stream is one of the shell's outputs as a file.
type stream struct{ io.Writer }

func (stream) Read([]byte) (int, error) { return 0, io.EOF }
func (stream) Close() error             { return nil }

// measured counts what builtins write to files.
type measured struct {
	*openFile
	budget *budget
}

func (c measured) Write(b []byte) (int, error) {
	if !c.budget.spend(0, len(b)) {
		return 0, syscall.ENOSPC
	}
	return c.openFile.Write(b)
}

func (s *shell) readDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	return s.x.files.list(s.path(ctx, name))
}

func (s *shell) stat(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
	return s.x.files.stat(s.path(ctx, name), follow)
}

func (s *shell) access(ctx context.Context, name string, mode interp.AccessMode) error {
	info, err := s.x.files.stat(s.path(ctx, name), true)
	if err != nil {
		return err
	}
	if mode&interp.AccessExec != 0 && info.mode&0o111 == 0 {
		return fs.ErrPermission
	}
	if mode&interp.AccessWrite != 0 {
		s.x.files.disk.mu.Lock()
		defer s.x.files.disk.mu.Unlock()
		if at, err := s.x.files.walk(s.path(ctx, name), true); err != nil || at.readOnly {
			return syscall.EROFS
		}
	}
	return nil // the user is root
}

// tame takes out of a script what the library does on the host, and counts what would go on
// without a command.
func (s *shell) tame(script syntax.Node) error {
	var refused error
	refuse := func(what string) bool {
		if refused == nil {
			refused = errors.New("the shell of an emulated container has no " + what)
		}
		return false
	}
	syntax.Walk(script, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ProcSubst:
			return refuse("process substitution")
		case *syntax.CoprocClause:
			return refuse("coproc")
		case *syntax.UnaryTest:
			if n.Op == syntax.TsUsrOwn || n.Op == syntax.TsGrpOwn {
				return refuse("test of a file's owner in [[ ]]")
			}
		case *syntax.ParamExp:
			if n.Param != nil && (n.Param.Value == "$" || n.Param.Value == "PPID") {
				n.Param.Value = pidVariable
			}
		case *syntax.Word:
			literalBraces(n)
		case *syntax.Stmt:
			s.count(n)
		case *syntax.WhileClause:
			n.Do = append([]*syntax.Stmt{limit()}, n.Do...)
		case *syntax.ForClause:
			n.Do = append([]*syntax.Stmt{limit()}, n.Do...)
		}
		return true
	})
	return refused
}

// literalBraces keeps {a,b} as it is, as in the shells of small images.
func literalBraces(w *syntax.Word) {
	split := *w
	split.Parts = slices.Clone(w.Parts)
	if !syntax.SplitBraces(&split) {
		return
	}
	for _, part := range w.Parts {
		if lit, ok := part.(*syntax.Lit); ok {
			lit.Value = strings.ReplaceAll(lit.Value, "{", `\{`)
		}
	}
}

// limit is a statement that counts, and leaves $? as it was.
func limit() *syntax.Stmt {
	return &syntax.Stmt{Cmd: &syntax.CallExpr{Args: []*syntax.Word{{Parts: []syntax.WordPart{&syntax.SglQuoted{Value: limiter}}}}}}
}

// count has variables measured after a statement that only sets some.
func (s *shell) count(n *syntax.Stmt) {
	switch command := n.Cmd.(type) {
	case *syntax.CallExpr:
		if len(command.Args) > 0 {
			return
		}
	case *syntax.DeclClause:
	default:
		return
	}
	if !s.done[n.Cmd] {
		s.done[n.Cmd] = true
		n.Cmd = &syntax.Block{Stmts: []*syntax.Stmt{{Cmd: n.Cmd}, limit()}}
	}
}

func parser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }

// run executes a parsed script. exited tells that it ended the shell.
func (s *shell) run(ctx context.Context, script syntax.Node, errs io.Writer) (code int, exited bool) {
	if err := s.tame(script); err != nil {
		_, _ = fmt.Fprintf(errs, "sh: %v\n", err)
		return 2, false
	}
	err := s.runner.Run(ctx, script)
	if ctx.Err() != nil {
		return interrupted, false // or killed, which is told where the budget is
	}
	var status interp.ExitStatus
	switch {
	case errors.As(err, &status):
		code = int(status)
	case err != nil:
		_, _ = fmt.Fprintf(errs, "sh: %v\n", err)
		code = 1
	}
	return code, s.runner.Exited()
}

// interpret runs a script that is given as a whole.
func (x *execution) interpret(p *process, name, script string, params []string) int {
	if len(script) > maxScript {
		return p.fail("sh", 2, "can't run %s: the script is too long for an emulated container", name)
	}
	parsed, err := parser().Parse(strings.NewReader(script), name)
	if err != nil {
		return p.fail("sh", 2, "syntax error: %v", err)
	}
	s, err := x.newShell(p, params)
	if err != nil {
		return p.fail("sh", 2, "%v", err)
	}
	defer s.close()
	code, _ := s.run(p.ctx, parsed, p.errs)
	return code
}

// sh is the shell as a command: -c SCRIPT, a file, or what its input says.
func (x *execution) sh(p *process, name string) int {
	args := p.args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-" && args[0] != "--" {
		letters := args[0][1:]
		args = args[1:]
		if strings.HasPrefix(letters, "-") {
			continue
		}
		if strings.Contains(letters, "c") {
			if len(args) == 0 {
				return p.fail(name, 2, "-c requires an argument")
			}
			script := args[0]
			for _, option := range "ex" {
				if strings.ContainsRune(letters, option) {
					script = "set -" + string(option) + "\n" + script
				}
			}
			params := args[1:]
			if len(params) > 0 {
				params = params[1:] // the first is $0
			}
			return x.interpret(p, name, script, params)
		}
	}
	if len(args) > 0 && args[0] != "-" && args[0] != "--" {
		script, err := x.files.read(p.path(args[0]))
		if err != nil {
			return p.fail(name, 127, "can't open %s", said(args[0], err))
		}
		return x.interpret(p, args[0], string(script), args[1:])
	}
	return x.lines(p)
}

// lines runs a shell whose script is its input, statement by statement, so that the commands
// share the input. What is typed at a terminal has a budget for each line.
func (x *execution) lines(p *process) int {
	s, err := x.newShell(p, nil)
	if err != nil {
		return p.fail("sh", 2, "%v", err)
	}
	defer s.close()
	var text bytes.Buffer
	code := 0
	for {
		line, ended := s.next(p, text.Len() > 0)
		if line == "\x03" {
			text.Reset()
			code = interrupted
			continue
		}
		text.WriteString(line)
		if text.Len() > maxScript {
			return p.fail("sh", 2, "the statement is too long for an emulated container")
		}
		parsed, err := parser().Parse(bytes.NewReader(text.Bytes()), "")
		if err != nil && syntax.IsIncomplete(err) && !ended {
			continue
		}
		text.Reset()
		if err != nil {
			code = p.fail("sh", 2, "syntax error: %v", err)
			if s.terminal == nil {
				return code
			}
			continue
		}
		for _, statement := range parsed.Stmts {
			exited := false
			if s.terminal == nil {
				code, exited = s.run(p.ctx, statement, p.errs)
			} else {
				code, exited = s.typed(p, statement)
			}
			if exited || p.ctx.Err() != nil {
				return code
			}
		}
		if ended {
			return code
		}
	}
}

// next is the shell's next line.
func (s *shell) next(p *process, more bool) (line string, ended bool) {
	if s.terminal == nil {
		return readLine(p)
	}
	prompt := "# "
	if more {
		prompt = "> "
	}
	p.write(p.out, prompt)
	return s.terminal.line(p.ctx)
}

// typed runs what was typed; an interrupt ends it.
func (s *shell) typed(p *process, statement *syntax.Stmt) (code int, exited bool) {
	b, ctx := newBudget(p.ctx)
	defer b.end(nil)
	defer s.terminal.runs(func() { b.end(context.Canceled) })()
	outer := s.budget
	s.budget = b
	defer func() { s.budget = outer }()
	code, exited = s.run(ctx, statement, p.errs)
	if b.exhausted(ctx) {
		_, _ = io.WriteString(p.errs, "Killed\n")
		code = killed
	}
	return code, exited
}

// readLine takes bytes one by one, as a shell does that shares its input.
func readLine(in io.Reader) (line string, ended bool) {
	var b [1]byte
	var text []byte
	for len(text) < maxScript {
		n, err := in.Read(b[:])
		if n > 0 {
			text = append(text, b[0])
			if b[0] == '\n' {
				return string(text), false
			}
		}
		if err != nil {
			return string(text), true
		}
	}
	return string(text), true
}
