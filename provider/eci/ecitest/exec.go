package ecitest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
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
	env               []variable
	hostname          string
	stdin, tty        bool
	interactive       bool // the command is a shell
	vswitch, resolver string
	routes            []Route
	expires           time.Time
	width, height     uint16 // of the terminal, as last told
}

// execLife is how long the address of an execution is good for.
const execLife = 30 * time.Second

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
	run := &execution{command: command, env: x.Env, hostname: g.Name, tty: c.boolean("TTY"),
		vswitch: g.VSwitch, routes: e.routes, resolver: g.Given["DnsConfig.NameServer.1"],
		stdin: c.params["Stdin"] != "false", expires: time.Now().Add(execLife)}
	if run.resolver == "" {
		run.resolver = "100.100.2.136" // the VPC's own
	}
	run.interactive = run.stdin && len(command) == 1 && isShell(command[0])
	if c.boolean("Sync") {
		return execAnswer{RequestId: e.requestID(), SyncResponse: run.output(command)}, nil
	}
	for token, other := range e.executions {
		if time.Now().After(other.expires) {
			delete(e.executions, token)
		}
	}
	// One connection for one address, so the browser's terminal has an address of its own.
	plain, browser := digest(e.requestID(), "/exec")[:32], digest(e.requestID(), "/browser")[:32]
	forBrowser := *run
	forBrowser.tty = true
	e.executions[plain], e.executions[browser] = run, &forBrowser
	return execAnswer{RequestId: e.requestID(), WebSocketUri: c.socket + execPath + "?s=" + plain,
		HttpUrl: "http" + strings.TrimPrefix(c.socket, "ws") + browserPath + "?s=" + url.QueryEscape(browser)}, nil
}

func isShell(command string) bool {
	switch command[strings.LastIndexByte(command, '/')+1:] {
	case "sh", "bash", "ash":
		return true
	}
	return false
}

// output is what a command prints on both of its streams.
func (x *execution) output(command []string) string {
	text, _ := x.run(command)
	return text
}

// run is a command's output and exit code. The emulated containers have echo, env, hostname,
// pwd, true, false, stty size, those that answer by routes (nslookup, nc, curl, wget), and a
// shell that knows ; && || $? and exit, but no quotes and no pipes.
func (x *execution) run(command []string) (string, int) {
	if len(command) == 0 {
		return "", 0
	}
	name := command[0][strings.LastIndexByte(command[0], '/')+1:]
	switch name {
	case "echo":
		return strings.Join(command[1:], " ") + "\n", 0
	case "env", "printenv":
		var b strings.Builder
		for _, v := range x.env {
			b.WriteString(v.Key + "=" + v.Value + "\n")
		}
		return b.String(), 0
	case "hostname":
		return x.hostname + "\n", 0
	case "pwd":
		return "/\n", 0
	case "true":
		return "", 0
	case "false":
		return "", 1
	case "stty":
		if len(command) == 2 && command[1] == "size" {
			return fmt.Sprintf("%d %d\n", x.height, x.width), 0
		}
		return "stty: only size is known here\n", 1
	case "nslookup":
		return x.nslookup(command[1:])
	case "nc":
		return x.connect(command[1:])
	case "curl", "wget":
		return x.get(name, command[1:])
	case "sh", "bash", "ash":
		if len(command) == 3 && command[1] == "-c" {
			text, code, _ := x.script(command[2])
			return text, code
		}
		return "", 0
	}
	return "sh: " + name + ": not found\n", 127
}

// script runs the commands of a line; exit tells that one of them ended the shell.
func (x *execution) script(line string) (text string, code int, exit bool) {
	for _, operator := range []string{";", "&&", "||"} {
		line = strings.ReplaceAll(line, operator, " "+operator+" ")
	}
	var out strings.Builder
	var words []string
	skip := false
	flush := func() {
		switch {
		case skip || exit || len(words) == 0:
		case words[0] == "exit":
			exit = true
			if len(words) > 1 {
				if n, err := strconv.ParseUint(words[1], 10, 8); err == nil {
					code = int(n)
				} else {
					code = 2
				}
			}
		default:
			var text string
			text, code = x.run(words)
			out.WriteString(text)
		}
		words = nil
	}
	for _, word := range strings.Fields(line) {
		switch word {
		case ";":
			flush()
			skip = false
		case "&&":
			flush()
			skip = code != 0
		case "||":
			flush()
			skip = code == 0
		case "2>&1", "2>/dev/null":
		default:
			words = append(words, strings.ReplaceAll(word, "$?", strconv.Itoa(code)))
		}
	}
	flush()
	return out.String(), code, exit
}
