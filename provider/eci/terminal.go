package eci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// The framing of ECI's exec socket. UNVERIFIED: the vendor documents none. That a binary
// message begins with one byte which is not output is known from public clients of the real
// service, and is what Kubernetes' own channel protocol looks like; everything here follows
// from that, and reads what follows it less strictly than it writes. If the real service
// turns out otherwise, this file is what changes.
const (
	channelStdin  = 0
	channelStdout = 1
	channelStderr = 2
	channelStatus = 3
	channelResize = 4
	channelClose  = 255 // protocol v5 only: the next byte is the channel that ends
)

const protocolV5 = "v5.channel.k8s.io"

const (
	terminalPing  = 20 * time.Second // keeps proxies from cutting an idle session
	terminalWrite = 30 * time.Second // how long one message may take to be sent
	maxMessage    = 4 << 20          // bytes
	maxStatus     = 64 << 10         // bytes
)

// Streams are a command's. nil: there is none.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer // with a TTY all output is Stdout
	Resize         <-chan TerminalSize
}

// A TerminalSize is in characters.
type TerminalSize struct{ Width, Height uint16 }

// An ExitError is the end of a command that ran and did not succeed.
type ExitError struct {
	Code    int
	Message string
}

func (e *ExitError) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return "command terminated with exit code " + strconv.Itoa(e.Code)
}

// Run starts a command in a running container and carries its streams until it has ended or
// the context ends. The error is an *ExitError when the command ran and failed. Where the
// service's socket tells no exit codes, a shell in the container does (see byShell), and the
// error is ErrNoExitCode when it has none: then nobody knows how the command ended.
//
// Run returns without waiting for a Read of Stdin that blocks: the caller closes it. Where
// the service does not speak protocol v5, the end of Stdin can't be told to the command.
func (c *Client) Run(ctx context.Context, r ExecRequest, s Streams) error {
	r.Sync, r.Stdin = false, s.Stdin != nil
	if err := checkCommand(r.Command); err != nil {
		return fmt.Errorf("running %s: %w", r, err)
	}
	need, has := c.byShell(ctx, r)
	printed := &sieve{out: s.Stdout, mark: newMark()}
	wrapped := false
	if command, fits := printed.wrap(r.Command); has && fits {
		r.Command, s.Stdout, wrapped = command, printed, true
	}
	status, err := c.session(ctx, r, s)
	if err != nil {
		return err
	}
	code, known := 0, !need
	if wrapped {
		code, known = printed.end()
	}
	if len(status) > 0 {
		c.codes.learn()
		err := outcome(status)
		var exit *ExitError
		if err != nil && !errors.As(err, &exit) {
			return fmt.Errorf("running %s: %w", r, err)
		}
		if err != nil || !wrapped {
			return err
		}
	}
	switch {
	case code != 0:
		return &ExitError{Code: code}
	case !known:
		return fmt.Errorf("running %s: %w", r, ErrNoExitCode)
	}
	return nil
}

// session runs a command over one connection and returns the status that it ended with, if
// the service told one.
func (c *Client) session(ctx context.Context, r ExecRequest, s Streams) ([]byte, error) {
	answer, err := c.Exec(ctx, r)
	if err != nil {
		return nil, err
	}
	if answer.WebSocketURI == "" {
		return nil, fmt.Errorf("running %s: the answer has no WebSocketUri", r)
	}
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 15 * time.Second,
		Subprotocols: []string{protocolV5, "v4.channel.k8s.io"}}
	// The address is a key to the container: no error may print it.
	conn, response, err := dialer.DialContext(ctx, answer.WebSocketURI, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("running %s: %w", r, ctx.Err())
		}
		if response != nil {
			return nil, fmt.Errorf("running %s: connecting to its terminal: HTTP status %d", r, response.StatusCode)
		}
		return nil, fmt.Errorf("running %s: connecting to its terminal failed; the terminal's address is not the API's: check proxy and firewall (%w)", r, withoutAddress(err))
	}
	defer func() { _ = conn.Close() }()
	t := &terminal{conn: conn, v5: conn.Subprotocol() == protocolV5}
	status, err := t.run(ctx, s)
	return status, wrap(r, err)
}

func wrap(r ExecRequest, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("running %s: %w", r, err)
}

// withoutAddress keeps an error's cause and drops the address that a dial error quotes.
func withoutAddress(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// A terminal is one session over one connection.
type terminal struct {
	conn  *websocket.Conn
	v5    bool
	write sync.Mutex // the connection takes one writer at a time
}

// run carries the streams until the connection ends, and returns the status that it told.
func (t *terminal) run(ctx context.Context, s Streams) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = t.conn.Close() })()
	t.conn.SetReadLimit(maxMessage)
	if s.Stdin != nil {
		go t.copyStdin(ctx, s.Stdin)
	}
	go t.keep(ctx, s.Resize)
	status, err := t.read(s)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return status, err
}

// read writes output where it belongs until the connection ends, and returns the status.
func (t *terminal) read(s Streams) (status []byte, err error) {
	for {
		kind, message, err := t.conn.ReadMessage()
		if err != nil {
			if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived) || len(status) > 0 {
				return status, nil
			}
			return nil, fmt.Errorf("the connection to the container broke: %w", err)
		}
		channel, payload := frame(kind == websocket.BinaryMessage, message)
		var out io.Writer
		switch channel {
		case channelStdout:
			out = s.Stdout
		case channelStderr:
			out = s.Stderr
		case channelStatus:
			if len(status)+len(payload) <= maxStatus {
				status = append(status, payload...)
			}
		}
		if out == nil || len(payload) == 0 {
			continue
		}
		if _, err := out.Write(payload); err != nil {
			return nil, fmt.Errorf("writing the command's output: %w", err)
		}
	}
}

// frame splits a message. One that does not begin with a known channel is output as it is.
func frame(binary bool, message []byte) (channel byte, payload []byte) {
	if len(message) == 0 {
		return channelStdin, nil // nothing: a connection's first message may be empty
	}
	if binary && (message[0] <= channelResize || message[0] == channelClose) {
		return message[0], message[1:]
	}
	return channelStdout, message
}

var exitCode = regexp.MustCompile(`exit code (\d+)`)

// outcome reads a status: JSON of a metav1.Status, the plain text of older protocols, or
// nothing, which is success.
func outcome(status []byte) error {
	if len(status) == 0 {
		return nil
	}
	var s struct {
		Status, Message, Reason string
		Details                 struct {
			Causes []struct{ Reason, Message string }
		}
	}
	if err := json.Unmarshal(status, &s); err == nil {
		if s.Status == "Success" {
			return nil
		}
		for _, cause := range s.Details.Causes {
			if code, err := strconv.Atoi(cause.Message); err == nil && cause.Reason == "ExitCode" {
				return &ExitError{Code: code, Message: s.Message}
			}
		}
		return fmt.Errorf("the command was not run: %s", s.Message)
	}
	if found := exitCode.FindSubmatch(status); found != nil {
		if code, err := strconv.Atoi(string(found[1])); err == nil && code != 0 {
			return &ExitError{Code: code}
		}
	}
	return fmt.Errorf("the command was not run: %s", status)
}

// copyStdin sends input until it ends, then says so where the protocol can.
func (t *terminal) copyStdin(ctx context.Context, stdin io.Reader) {
	buffer := make([]byte, 32<<10)
	buffer[0] = channelStdin
	for ctx.Err() == nil {
		n, err := stdin.Read(buffer[1:])
		if n > 0 && t.send(buffer[:n+1]) != nil {
			return // the reader of the connection sees the cause
		}
		if err != nil {
			if t.v5 {
				_ = t.send([]byte{channelClose, channelStdin})
			}
			return
		}
	}
}

// keep sends sizes, and pings against idle timeouts.
func (t *terminal) keep(ctx context.Context, resize <-chan TerminalSize) {
	ping := time.NewTicker(terminalPing)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ping.C:
			if t.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(terminalWrite)) != nil {
				return
			}
		case size, ok := <-resize:
			if !ok {
				resize = nil
				continue
			}
			message, err := json.Marshal(size)
			if err != nil || t.send(append([]byte{channelResize}, message...)) != nil {
				return
			}
		}
	}
}

func (t *terminal) send(message []byte) error {
	t.write.Lock()
	defer t.write.Unlock()
	if err := t.conn.SetWriteDeadline(time.Now().Add(terminalWrite)); err != nil {
		return err
	}
	return t.conn.WriteMessage(websocket.BinaryMessage, message)
}
