package eci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A socket answers an exec call with its own address and serves it by handler.
func socket(t *testing.T, protocols []string, handler func(*websocket.Conn)) *Client {
	t.Helper()
	var address string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/exec/" {
			_ = json.NewEncoder(w).Encode(map[string]string{"RequestId": "r", "WebSocketUri": strings.Replace(address, "http", "ws", 1) + "/exec/?s=secret"})
			return
		}
		upgrader := websocket.Upgrader{Subprotocols: protocols}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		handler(conn)
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	}))
	t.Cleanup(server.Close)
	address = server.URL
	c, err := New(Options{Region: "cn-hangzhou", Endpoint: server.URL, AccessKeyID: "id", AccessKeySecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c.codes.learn() // these tests are about one session
	return c
}

func say(t *testing.T, conn *websocket.Conn, messages ...string) {
	for _, m := range messages {
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(m)); err != nil {
			t.Error(err)
		}
	}
}

func TestACommandsEndIsItsExitCode(t *testing.T) {
	const failed = "\x03" + `{"status":"Failure","message":"command terminated with exit code 7","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}`
	for _, c := range []struct {
		name     string
		messages []string
		out, err string
		code     int    // of an ExitError; 0: none
		want     string // in another error; "": none
	}{
		{"success", []string{"\x01hello ", "\x01world\n", "\x02warning\n", "\x03" + `{"status":"Success"}`}, "hello world\n", "warning\n", 0, ""},
		{"a failure", []string{"\x01x", failed}, "x", "", 7, ""},
		{"a failure in two messages", []string{failed[:40], "\x03" + failed[40:]}, "", "", 7, ""},
		{"an older protocol's failure", []string{"\x03command terminated with exit code 126"}, "", "", 126, ""},
		{"an older protocol's success", []string{"\x01fine"}, "fine", "", 0, ""},
		{"no such command", []string{"\x03" + `{"status":"Failure","message":"executable not found","reason":"InternalError"}`}, "", "", 0, "executable not found"},
		{"no channels at all", []string{"plain output"}, "plain output", "", 0, ""},
		{"empty messages", []string{"", "\x01", "\x01x"}, "x", "", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := socket(t, []string{"v4.channel.k8s.io"}, func(conn *websocket.Conn) { say(t, conn, c.messages...) })
			var out, errs bytes.Buffer
			err := client.Run(t.Context(), ExecRequest{GroupID: "eci-1", Container: "app", Command: []string{"x"}}, Streams{Stdout: &out, Stderr: &errs})
			if out.String() != c.out || errs.String() != c.err {
				t.Errorf("out %q, err %q", out.String(), errs.String())
			}
			var exit *ExitError
			switch {
			case c.code != 0 && (!errors.As(err, &exit) || exit.Code != c.code):
				t.Errorf("got %v, want exit code %d", err, c.code)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v", err)
			case c.code == 0 && c.want == "" && err != nil:
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInputItsEndAndSizesReachTheCommand(t *testing.T) {
	got := make(chan string, 10)
	client := socket(t, []string{protocolV5}, func(conn *websocket.Conn) {
		for {
			_, m, err := conn.ReadMessage()
			if err != nil {
				return
			}
			got <- string(m)
			if string(m) == "\xff\x00" {
				say(t, conn, "\x03"+`{"status":"Success"}`)
				return
			}
		}
	})
	sizes := make(chan TerminalSize, 1)
	sizes <- TerminalSize{Width: 80, Height: 24}
	reader, writer := io.Pipe()
	go func() {
		if m := <-got; m != "\x04"+`{"Width":80,"Height":24}` {
			t.Errorf("size %q", m)
		}
		_, _ = io.WriteString(writer, "ls\n")
		if m := <-got; m != "\x00ls\n" {
			t.Errorf("input %q", m)
		}
		_ = writer.Close()
	}()
	if err := client.Run(t.Context(), ExecRequest{GroupID: "eci-1", Container: "app", Command: []string{"sh"}, TTY: true}, Streams{Stdin: reader, Stdout: io.Discard, Resize: sizes}); err != nil {
		t.Error(err)
	}
	if m := <-got; m != "\xff\x00" {
		t.Errorf("end %q", m)
	}
}

func TestABrokenSessionIsAnErrorAndACancelledOneEnds(t *testing.T) {
	broken := socket(t, nil, func(conn *websocket.Conn) {
		say(t, conn, "\x01half")
		_ = conn.UnderlyingConn().Close()
	})
	request := ExecRequest{GroupID: "eci-1", Container: "app", Command: []string{"x"}}
	if err := broken.Run(t.Context(), request, Streams{Stdout: io.Discard}); err == nil || !strings.Contains(err.Error(), "broke") {
		t.Errorf("got %v", err)
	}
	waiting := socket(t, nil, func(conn *websocket.Conn) { _, _, _ = conn.ReadMessage() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := waiting.Run(ctx, request, Streams{Stdout: io.Discard}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNoErrorPrintsATerminalsAddress(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"WebSocketUri": "wss://127.0.0.1:1/exec/?s=topsecret"})
	}))
	defer server.Close()
	c, err := New(Options{Region: "cn-hangzhou", Endpoint: server.URL, AccessKeyID: "id", AccessKeySecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Run(t.Context(), ExecRequest{GroupID: "eci-1", Container: "app", Command: []string{"x"}}, Streams{Stdout: io.Discard})
	if err == nil || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("got %v", err)
	}
}

func FuzzOutcome(f *testing.F) {
	f.Add([]byte(`{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}`))
	f.Add([]byte("command terminated with exit code 99999999999999999999"))
	f.Fuzz(func(t *testing.T, status []byte) {
		err := outcome(status)
		if len(status) == 0 && err != nil {
			t.Error(err)
		}
		for _, binary := range []bool{true, false} {
			if channel, payload := frame(binary, status); len(payload) > len(status) || channel > channelResize && channel != channelClose {
				t.Errorf("%d %q", channel, payload)
			}
		}
	})
}
