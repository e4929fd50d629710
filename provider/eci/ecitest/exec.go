package ecitest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

type execAnswer struct {
	RequestId    string
	WebSocketUri string `json:",omitempty"`
	SyncResponse string `json:",omitempty"`
}

// An execution is a command that waits for the one connection that may run it.
type execution struct {
	command     []string
	env         []variable
	hostname    string
	stdin, tty  bool
	interactive bool // the command is a shell
	expires     time.Time
}

// execLife is how long the address of an execution is good for.
const execLife = 30 * time.Second

// execCommand answers a command's output with Sync, and otherwise the address of a
// WebSocket that the emulator serves: see terminal.go. It gives no HttpUrl, the vendor's
// terminal for browsers.
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
		stdin: c.params["Stdin"] != "false", expires: time.Now().Add(execLife)}
	run.interactive = run.stdin && len(command) == 1 && isShell(command[0])
	if c.boolean("Sync") {
		return execAnswer{RequestId: e.requestID(), SyncResponse: run.output(command)}, nil
	}
	for token, other := range e.executions {
		if time.Now().After(other.expires) {
			delete(e.executions, token)
		}
	}
	token := digest(e.requestID(), "/exec")[:32]
	e.executions[token] = run
	return execAnswer{RequestId: e.requestID(), WebSocketUri: c.socket + execPath + "?s=" + token}, nil
}

func isShell(command string) bool {
	switch command[strings.LastIndexByte(command, '/')+1:] {
	case "sh", "bash", "ash":
		return true
	}
	return false
}

// output is what a command prints. The emulated containers have the commands echo, env,
// hostname, pwd, true and a shell without syntax: words, no quotes.
func (x *execution) output(command []string) string {
	if len(command) == 0 {
		return ""
	}
	name := command[0][strings.LastIndexByte(command[0], '/')+1:]
	switch name {
	case "echo":
		return strings.Join(command[1:], " ") + "\n"
	case "env", "printenv":
		var b strings.Builder
		for _, v := range x.env {
			b.WriteString(v.Key + "=" + v.Value + "\n")
		}
		return b.String()
	case "hostname":
		return x.hostname + "\n"
	case "pwd":
		return "/\n"
	case "true":
		return ""
	case "sh", "bash", "ash":
		if len(command) == 3 && command[1] == "-c" {
			return x.output(strings.Fields(command[2]))
		}
		return ""
	}
	return "sh: " + name + ": not found\n"
}
