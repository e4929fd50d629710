package ecitest

import (
	"net/http"
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
socket.onmessage = m => out.textContent += typeof m.data === 'string' ? m.data : decoder.decode(m.data);
socket.onclose = () => out.textContent += '\n[the command has ended]';
form.onsubmit = e => { e.preventDefault(); socket.send(form[0].value + '\n'); form[0].value = ''; };
</script>`

// serveBrowser answers the page; the connection that it opens uses the address up.
func serveBrowser(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(browserPage)) // a client that went away can't be told anything
}

// idle is how long a terminal waits for the next line, in real time.
const idle = 10 * time.Minute

// serveTerminal runs one execution over one connection. The vendor documents no framing:
// here output is binary frames of bytes and input frames of either kind, as a plain
// terminal would have them, which was not verified against the real service. The end of
// the command closes the connection normally.
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
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // the token is the right to connect
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = conn.Close() }()
	conn.SetReadLimit(64 << 10)
	if run.interactive {
		run.shell(conn)
	} else if out := run.output(run.command); out != "" {
		if conn.WriteMessage(websocket.BinaryMessage, []byte(out)) != nil {
			return
		}
	}
	end := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// A client that went away can't be told anything.
	_ = conn.WriteControl(websocket.CloseMessage, end, time.Now().Add(time.Second))
}

// shell answers lines until exit.
func (x *execution) shell(conn *websocket.Conn) {
	prompt := ""
	if x.tty {
		prompt = "# "
	}
	say := func(s string) bool {
		if x.tty {
			s = strings.ReplaceAll(s, "\n", "\r\n")
		}
		return s == "" || conn.WriteMessage(websocket.BinaryMessage, []byte(s)) == nil
	}
	if !say(prompt) {
		return
	}
	line := ""
	for {
		if conn.SetReadDeadline(time.Now().Add(idle)) != nil {
			return
		}
		_, input, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var out strings.Builder
		echo := func(s string) {
			if x.tty {
				out.WriteString(s)
			}
		}
		for _, b := range string(input) {
			switch b {
			case '\r', '\n':
				words := strings.Fields(line)
				text := ""
				if len(words) > 0 && words[0] != "exit" {
					text, _ = x.script(line)
				}
				line = ""
				if len(words) > 0 && words[0] == "exit" {
					echo("\n")
					say(out.String())
					return
				}
				echo("\n")
				out.WriteString(text + prompt)
			case 4: // end of transmission
				return
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
		if !say(out.String()) {
			return
		}
	}
}
