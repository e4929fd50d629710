package ecitest

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

type execAnswer struct {
	RequestId    string
	WebSocketUri string `json:",omitempty"`
	HttpUrl      string `json:",omitempty"`
	SyncResponse string `json:",omitempty"`
}

// An execution is a command that waits for the one connection that may run it.
type execution struct {
	command           []string
	main              []string // what the container itself runs
	env               []variable
	hostname, address string
	dir               string
	cpu               float64
	files             *files
	now               func() time.Time
	random            uint32
	stdin, tty        bool
	silent            bool // its socket tells no exit code
	vswitch, resolver string
	routes            []Route
	services          string // ClusterIPs that a kube-proxy in the group brings; "": none
	expires           time.Time
	shells            atomic.Int32

	mu            sync.Mutex
	width, height uint16 // of the terminal, as last told
}

func (x *execution) size() (width, height uint16) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.width, x.height
}

func (x *execution) resize(width, height uint16) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.width, x.height = width, height
}

// environment is what a command finds; values of the container's come last and win.
func (x *execution) environment() []string {
	env := []string{"PATH=" + usualPath, "HOME=/root", "HOSTNAME=" + x.hostname}
	if x.tty {
		env = append(env, "TERM=xterm")
	}
	for _, v := range x.env {
		if v.FieldPath == "status.podIP" {
			v.Value = x.address
		}
		env = append(env, v.Key+"="+v.Value)
	}
	return env
}

// execLife is how long the address of an execution is good for.
const execLife = 30 * time.Second

// A silent socket is one that tells no exit code. Nothing says that the real service's does,
// so both are played: see FaultSilentExec.

// execCommand answers a command's output with Sync, and otherwise the address of a
// WebSocket and of a page for browsers that the emulator serves: see terminal.go.
func (e *Emulator) execCommand(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.find(c)
	if refusal != nil {
		return nil, refusal
	}
	for _, name := range []string{"ContainerName", "Command"} {
		if c.params[name] == "" {
			return nil, missing(name)
		}
	}
	x, r := g.container(c.params["ContainerName"], g.at(now, e.timing))
	if x == nil {
		return nil, badRequest("InvalidParameter", "The container group has no container "+c.params["ContainerName"]+".")
	}
	var command []string
	if err := json.Unmarshal([]byte(c.params["Command"]), &command); err != nil || len(command) == 0 {
		return nil, badRequest("InvalidParameter", "The parameter Command must be a JSON list of strings.")
	}
	if len(command) > 20 {
		return nil, badRequest("InvalidParameter.ValueExceeded", "The parameter Command has more than 20 elements.")
	}
	for _, word := range command {
		if len(word) > 256 {
			return nil, badRequest("InvalidParameter.ValueExceeded", "An element of the parameter Command has more than 256 characters.")
		}
	}
	if status := g.at(now, e.timing).status; status != eci.Running || r.state.name != "Running" {
		return nil, badRequest("IncorrectStatus", "The container "+x.Name+" is not running.")
	}
	main := append(append([]string{}, x.Command...), x.Args...)
	if len(main) == 0 {
		main = []string{x.script()}
	}
	dir := x.WorkingDir
	if dir == "" {
		dir = "/"
	}
	begin := func(tty bool) *execution {
		run := &execution{command: command, main: main, env: x.Env, hostname: g.Name, address: g.IP, dir: dir, cpu: g.CPU, tty: tty,
			files: e.filesOf(g, x, r.state.started), now: e.Now, random: e.random.Uint32(), silent: c.silent,
			vswitch: g.VSwitch, routes: e.routes, resolver: g.Given["DnsConfig.NameServer.1"],
			stdin: c.params["Stdin"] != "false", expires: time.Now().Add(execLife)}
		if e.options.ServiceCIDR != "" && e.proxied(g, now) {
			run.services = e.options.ServiceCIDR
		}
		if run.resolver == "" {
			run.resolver = "100.100.2.136" // the VPC's own
		}
		return run
	}
	run := begin(c.boolean("TTY"))
	if c.boolean("Sync") {
		id := e.requestID()
		return deferred(func(ctx context.Context) any { return execAnswer{RequestId: id, SyncResponse: run.output(ctx)} }), nil
	}
	for token, other := range e.executions {
		if time.Now().After(other.expires) {
			delete(e.executions, token)
		}
	}
	// One connection for one address, so the browser's terminal has an address of its own.
	plain, browser := digest(e.requestID(), "/exec")[:32], digest(e.requestID(), "/browser")[:32]
	e.executions[plain], e.executions[browser] = run, begin(true)
	return execAnswer{RequestId: e.requestID(), WebSocketUri: c.socket + execPath + "?s=" + plain,
		HttpUrl: "http" + strings.TrimPrefix(c.socket, "ws") + browserPath + "?s=" + url.QueryEscape(browser)}, nil
}

// A deferred answer is made when the emulator's lock is free again: it may take long.
type deferred func(context.Context) any

// output is what a command without input prints on both of its streams.
func (x *execution) output(ctx context.Context) string {
	var out lockedBuffer
	x.run(ctx, nil, &out, &out)
	return out.b.String()
}

// lockedBuffer takes what a command and those it started write, the first MiB of it.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len()+len(b) > maxLogBytes && len(b) > 100 { // a complaint has its place still
		return len(b), nil
	}
	return l.b.Write(b)
}

// run runs the execution's command to its end and returns its exit code. What it uses is
// limited: see process.go.
func (x *execution) run(ctx context.Context, in io.Reader, out, errs io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, maxRunning)
	defer cancel()
	b, ctx := newBudget(ctx)
	defer b.end(nil)
	p := &process{x: x, ctx: ctx, dir: x.dir, env: x.environment(), in: in, out: out, errs: errs, budget: b}
	if terminal, ok := in.(*tty); ok && !isShell(x.command[0]) {
		defer terminal.runs(func() { b.end(context.Canceled) })()
	}
	if info, err := x.files.stat(x.dir, true); err != nil || !info.IsDir() {
		_ = x.files.mkdir(x.dir, true) // as a container's runtime does; where it can't be, commands say so
	}
	code := x.start(p, x.command)
	if b.exhausted(ctx) {
		_, _ = io.WriteString(errs, "Killed\n")
		return killed
	}
	if ctx.Err() != nil {
		return interrupted
	}
	return code
}

func isShell(command string) bool {
	switch command[strings.LastIndexByte(command, '/')+1:] {
	case "sh", "bash", "ash":
		return true
	}
	return false
}
