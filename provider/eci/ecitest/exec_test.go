package ecitest_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestACommandsOutputInTheAnswer(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	id := w.create(image("serve", "A", "b"))
	exec := func(command string, more ...string) []string {
		return append([]string{"ContainerGroupId", id, "ContainerName", "main", "Command", command, "Sync", "true"}, more...)
	}
	a.refused("IncorrectStatus", "ExecContainerCommand", exec(`["env"]`)...)
	w.pass(time.Minute)
	for command, want := range map[string]string{
		`["/bin/echo","a","b"]`:       "a b\n",
		`["env"]`:                     "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/root\nHOSTNAME=web-0\nA=b\n",
		`["printenv","A"]`:            "b\n",
		`["sh","-c","echo  one two"]`: "one two\n",
		`["hostname"]`:                "web-0\n",
		`["vim"]`:                     "sh: vim: not found\n",
	} {
		same(t, command, a.ok("ExecContainerCommand", exec(command)...)["SyncResponse"], any(want))
	}
	a.refused("InvalidParameter", "ExecContainerCommand", exec(`env`)...)
	a.refused("InvalidParameter.ValueExceeded", "ExecContainerCommand", exec(`["`+strings.Repeat("x", 257)+`"]`)...)
	a.refused("InvalidParameter", "ExecContainerCommand", "ContainerGroupId", id, "ContainerName", "none", "Command", `["env"]`)
	a.refused("MissingParameter", "ExecContainerCommand", "ContainerGroupId", id, "ContainerName", "main")
}

func TestATerminalOverAWebSocket(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.Emulator)
	defer server.Close()
	id := w.create()
	w.pass(time.Minute)
	a := newAsker(t, w.Emulator)
	uri, _ := a.ok("ExecContainerCommand", "ContainerGroupId", id, "ContainerName", "main", "Command", `["/bin/sh"]`, "TTY", "true")["WebSocketUri"].(string)
	if !strings.HasPrefix(uri, "ws://eci.cn-hangzhou.aliyuncs.com/exec/?s=") {
		t.Fatalf("the address is %q", uri)
	}
	uri = "ws" + strings.TrimPrefix(server.URL, "http") + strings.TrimPrefix(uri, "ws://eci.cn-hangzhou.aliyuncs.com")
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), uri, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, input := range []string{"\x04{\"Width\":80,\"Height\":24}", "\x00echo hello\r", "\x00stty size\r", "\x00exit 3\r"} {
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(input)); err != nil {
			t.Fatal(err)
		}
	}
	for {
		_, out, err := conn.ReadMessage()
		if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[0] == 3 { // the status
			got.WriteString("[" + string(out[1:]) + "]")
			continue
		}
		got.Write(out[1:])
	}
	same(t, "the terminal", got.String(), "# echo hello\r\nhello\r\n# stty size\r\n24 80\r\n# exit 3\r\n[command terminated with exit code 3]")
	if _, response, err := websocket.DefaultDialer.DialContext(t.Context(), uri, nil); err == nil || response.StatusCode != 403 {
		t.Errorf("the address works twice: %v", err)
	}
}
