package eci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// The API's limits for a command.
const (
	maxCommand     = 20
	maxCommandWord = 256 // bytes
)

// An ExecRequest is a command to run in a container.
type ExecRequest struct {
	GroupID   string
	Container string
	Command   []string // at most 20 words of at most 256 bytes; may be secret
	TTY       bool
	Stdin     bool // the API's own default is true
	// Sync runs the command to its end and returns its output, without a way to write to it.
	Sync bool
}

// String hides the command.
func (r ExecRequest) String() string {
	return "a command in container " + r.Container + " of group " + r.GroupID
}

// Format makes every verb print String.
func (r ExecRequest) Format(s fmt.State, _ rune) { fmt.Fprint(s, r.String()) }

// An ExecAnswer is where a command runs. Both addresses are keys to the container: who has
// one, within half a minute, is in it. They never belong in a log.
type ExecAnswer struct {
	WebSocketURI string // good for one connection
	HTTPURL      string // the vendor's terminal for browsers; audited
	Output       string // with Sync
}

// String hides the addresses and the output.
func (a ExecAnswer) String() string { return "an exec session" }

// Format makes every verb print String.
func (a ExecAnswer) Format(s fmt.State, _ rune) { fmt.Fprint(s, a.String()) }

type execRequest struct {
	ContainerGroupId, ContainerName string
	Command                         string // a JSON list
	TTY                             bool
	Stdin                           *bool
	Sync                            bool
}

func (*execRequest) action() string { return "ExecContainerCommand" }

type execAnswer struct {
	head
	WebSocketUri, HttpUrl, SyncResponse text
}

// Exec starts a command in a running container. It is not tried again when its answer is
// lost: the command may have run.
func (c *Client) Exec(ctx context.Context, r ExecRequest) (ExecAnswer, error) {
	if err := checkCommand(r.Command); err != nil {
		return ExecAnswer{}, fmt.Errorf("running %s: %w", r, err)
	}
	command, err := json.Marshal(r.Command)
	if err != nil {
		return ExecAnswer{}, fmt.Errorf("running %s: %w", r, err)
	}
	wire := &execRequest{ContainerGroupId: r.GroupID, ContainerName: r.Container, Command: string(command), TTY: r.TTY, Stdin: &r.Stdin, Sync: r.Sync}
	var answer execAnswer
	if err := c.do(ctx, wire, false, &answer); err != nil {
		return ExecAnswer{}, fmt.Errorf("running %s: %w", r, err)
	}
	return ExecAnswer{WebSocketURI: string(answer.WebSocketUri), HTTPURL: string(answer.HttpUrl), Output: string(answer.SyncResponse)}, nil
}

func checkCommand(command []string) error {
	if len(command) == 0 {
		return errors.New("no command was given")
	}
	if len(command) > maxCommand {
		return fmt.Errorf("the command has %d words; ECI takes %d: put the rest into a script or one sh -c", len(command), maxCommand)
	}
	for i, word := range command {
		if len(word) > maxCommandWord {
			return fmt.Errorf("word %d of the command has %d bytes; ECI takes %d", i+1, len(word), maxCommandWord)
		}
	}
	return nil
}
