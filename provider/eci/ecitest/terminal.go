package ecitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// execPath is where the emulator serves the WebSockets of executions.
const execPath = "/exec/"

// browserPath is where it serves the terminal for browsers, the HttpUrl of an execution.
const browserPath = "/terminal/"

// browserPage is a terminal of the plainest kind: lines go out, output comes in.
const browserPage = `<!doctype html><meta charset="utf-8"><title>ECI container</title>
<pre id="out"></pre><form id="in"><input size="100" autofocus autocomplete="off"></form>
<script>
const socket = new WebSocket(location.href.replace(/^http/, 'ws').replace('/terminal/', '/exec/'));
const out = document.getElementById('out'), form = document.getElementById('in'), decoder = new TextDecoder();
socket.binaryType = 'arraybuffer';
socket.onmessage = m => { const b = new Uint8Array(m.data); if (b[0] < 3) out.textContent += decoder.decode(b.subarray(1)); };
socket.onclose = () => out.textContent += '\n[the command has ended]';
form.onsubmit = e => { e.preventDefault(); socket.send(new TextEncoder().encode('\0' + form[0].value + '\n')); form[0].value = ''; };
</script>`

// serveBrowser answers the page; the connection that it opens uses the address up.
func serveBrowser(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(browserPage)) // a client that went away can't be told anything
}

// idle is how long a terminal waits for the next line, in real time.
const idle = 10 * time.Minute

// The socket's framing. The vendor documents none, and this was not verified against the
// real service: it is Kubernetes' channel protocol, which is what clients of the real one
// that strip a byte from each binary message suggest.
const (
	channelStdin  = 0
	channelStdout = 1
	channelStderr = 2
	channelStatus = 3
	channelResize = 4
	channelClose  = 255
)

// The subprotocols, as a client may offer them. Without one there is no status of a success,
// and text in place of a structured status of a failure.
const (
	protocolV5 = "v5.channel.k8s.io"
	protocolV4 = "v4.channel.k8s.io"
)

// serveTerminal runs one execution over one connection. The end of the command closes the
// connection normally.
func (e *Emulator) serveTerminal(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("s")
	e.mu.Lock()
	run := e.executions[token]
	delete(e.executions, token) // one connection for one address
	e.mu.Unlock()
	if run == nil || time.Now().After(run.expires) {
		http.Error(w, "this address was used or is over: ask for a new one with ExecContainerCommand", http.StatusForbidden)
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{protocolV5, protocolV4},
		CheckOrigin: func(*http.Request) bool { return true }} // the token is the right to connect
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = conn.Close() }()
	conn.SetReadLimit(64 << 10)
	code, ok := run.serve(context.WithoutCancel(r.Context()), conn)
	if !ok {
		return // nobody is there to be told
	}
	if status := exitStatus(conn.Subprotocol(), code); status != nil && !run.silent {
		if conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelStatus}, status...)) != nil {
			return
		}
	}
	end := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// A client that went away can't be told anything.
	_ = conn.WriteControl(websocket.CloseMessage, end, time.Now().Add(time.Second))
}

// A channel is one of a connection's outputs.
type channel struct {
	conn   *websocket.Conn
	write  *sync.Mutex // a connection takes one writer at a time
	number byte
	tty    bool // lines end as a terminal in raw mode needs it
	gone   context.CancelFunc
}

func (c channel) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	text := b
	if c.tty {
		text = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(idle)); err != nil {
		return 0, err
	}
	if err := c.conn.WriteMessage(websocket.BinaryMessage, append([]byte{c.number}, text...)); err != nil {
		c.gone()
		return 0, err
	}
	return len(b), nil
}

// serve runs the command between the connection's streams; ok is false when the connection
// went away first.
func (x *execution) serve(ctx context.Context, conn *websocket.Conn) (code int, ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := atomic.Bool{}
	leave := func() { gone.Store(true); cancel() }
	var write sync.Mutex
	out := channel{conn, &write, channelStdout, x.tty, leave}
	errs := out
	if !x.tty {
		errs.number = channelStderr
	}
	input := keyboard{press: func([]byte) {}, end: func() {}}
	var in io.Reader
	switch {
	case x.stdin && x.tty:
		terminal := newTTY(func(text string) { _, _ = io.WriteString(out, text) })
		in, input = terminal, keyboard{terminal.press, terminal.hangUp}
	case x.stdin:
		reader, writer, err := os.Pipe()
		if err != nil {
			_, _ = io.WriteString(errs, err.Error()+"\n")
			return 126, true
		}
		defer func() { _, _ = reader.Close(), writer.Close() }()
		in, input = reader, keyboard{func(b []byte) { _, _ = writer.Write(b) }, func() { _ = writer.Close() }}
	}
	go x.listen(conn, input, leave)
	code = x.run(ctx, in, out, errs)
	return code, !gone.Load()
}

// A keyboard is where input goes.
type keyboard struct {
	press func([]byte)
	end   func()
}

// listen takes input and sizes until the connection ends, which is told to leave.
func (x *execution) listen(conn *websocket.Conn, input keyboard, leave func()) {
	for conn.SetReadDeadline(time.Now().Add(idle)) == nil {
		_, message, err := conn.ReadMessage()
		if err != nil {
			break
		}
		if len(message) == 0 {
			continue
		}
		switch message[0] {
		case channelStdin:
			input.press(message[1:])
		case channelResize:
			var size struct{ Width, Height uint16 }
			if json.Unmarshal(message[1:], &size) == nil {
				x.resize(size.Width, size.Height)
			}
		case channelClose:
			input.end()
		}
	}
	leave()
	input.end()
}

// exitStatus is what channel 3 carries at the end: a metav1.Status, or text with the oldest
// protocol, where a success says nothing.
func exitStatus(protocol string, code int) []byte {
	message := "command terminated with exit code " + strconv.Itoa(code)
	switch {
	case protocol == "" && code == 0:
		return nil
	case protocol == "":
		return []byte(message)
	case code == 0:
		return []byte(`{"metadata":{},"status":"Success"}`)
	}
	return fmt.Appendf(nil, `{"metadata":{},"status":"Failure","message":%q,"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"%d"}]}}`, message, code)
}
