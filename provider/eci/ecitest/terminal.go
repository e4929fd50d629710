package ecitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	code := 0
	if run.interactive {
		var ended bool
		if code, ended = run.shell(conn); !ended {
			return // nobody is there to be told
		}
	} else {
		var out string
		if out, code = run.run(run.command); !say(conn, out) {
			return
		}
	}
	if status := exitStatus(conn.Subprotocol(), code); status != nil {
		if conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelStatus}, status...)) != nil {
			return
		}
	}
	end := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// A client that went away can't be told anything.
	_ = conn.WriteControl(websocket.CloseMessage, end, time.Now().Add(time.Second))
}

// say writes output and tells whether anybody is there.
func say(conn *websocket.Conn, text string) bool {
	return text == "" || conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelStdout}, text...)) == nil
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

// input reads the next bytes of a person or a pipe; sizes are noted on the way. more is false
// at the input's end; gone says that the connection ended.
func (x *execution) input(conn *websocket.Conn) (text string, more, gone bool) {
	for {
		if conn.SetReadDeadline(time.Now().Add(idle)) != nil {
			return "", false, true
		}
		_, message, err := conn.ReadMessage()
		if err != nil {
			return "", false, true
		}
		if len(message) == 0 {
			continue
		}
		switch message[0] {
		case channelStdin:
			return string(message[1:]), true, false
		case channelResize:
			var size struct{ Width, Height uint16 }
			if json.Unmarshal(message[1:], &size) == nil {
				x.width, x.height = size.Width, size.Height
			}
		case channelClose:
			return "", false, false
		}
	}
}

// shell answers lines until exit or the input's end, and returns the exit code; ended is
// false when the connection went away first.
func (x *execution) shell(conn *websocket.Conn) (code int, ended bool) {
	prompt := ""
	if x.tty {
		prompt = "# "
	}
	show := func(text string) bool {
		if x.tty {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		return say(conn, text)
	}
	if !show(prompt) {
		return 0, false
	}
	line := ""
	for {
		input, more, gone := x.input(conn)
		if gone {
			return 0, false
		}
		if !more {
			return code, true
		}
		var out strings.Builder
		echo := func(text string) {
			if x.tty {
				out.WriteString(text)
			}
		}
		for _, b := range []byte(input) {
			switch b {
			case '\r', '\n':
				echo("\n")
				text, result, exit := x.script(line)
				line, code = "", result
				out.WriteString(text)
				if exit {
					return code, show(out.String())
				}
				out.WriteString(prompt)
			case 4: // end of transmission
				return code, show(out.String())
			case 3: // interrupt
				line, code = "", 130
				out.WriteString("^C\n" + prompt)
			case 127, 8: // erase
				if line != "" {
					line = line[:len(line)-1]
					echo("\b \b")
				}
			default:
				line += string(b)
				echo(string(b))
			}
		}
		if !show(out.String()) {
			return 0, false
		}
	}
}
