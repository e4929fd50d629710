package ui

import (
	"strings"
	"testing"

	"github.com/gdamore/tcell/v2"
)

func TestCompletion(t *testing.T) {
	commands, namespaces := []string{"pods", "groups", "nodes"}, []string{"pay", "shop"}
	for line, want := range map[string]string{
		"": "", "p": "ods", "po": "ds", "pods": "", "x": "", "n": "odes",
		"pods ": "", "pods s": "hop", "po p": "ay", "pods a": "ll", "pods shop ": "", "nodes s": "", "pods /s": "",
	} {
		if got := complete(line, commands, namespaces); got != want {
			t.Errorf("Tab adds %q to %q, want %q", got, line, want)
		}
	}
}

func TestCommandArgumentsBecomeAFilter(t *testing.T) {
	for _, c := range []struct{ name, rest, want string }{
		{"pods", "shop", "namespace:=shop"},
		{"pods", "shop /place:eci", "namespace:=shop place:eci"},
		{"pods", "all", ""},
		{"pods", "/crash", "crash"},
		{"groups", "shop", "pod:shop/"},
		{"nodes", "/cordon", "cordon"},
	} {
		if got, err := commandFilter(c.name, c.rest); err != nil || got != c.want {
			t.Errorf(":%s %s filters %q (%v), want %q", c.name, c.rest, got, err, c.want)
		}
	}
	if _, err := commandFilter("nodes", "shop"); err == nil {
		t.Error(":nodes shop is accepted though nodes have no namespace")
	}
}

func TestPromptIsALineEditor(t *testing.T) {
	p := &prompt{sign: "/"}
	for _, key := range []struct {
		name string
		want string
	}{
		{"a", "a"}, {"b", "ab"}, {"Left", "ab"}, {"c", "acb"}, {"Home", "acb"}, {"Delete", "cb"}, {"End", "cb"},
		{"Backspace", "c"}, {" ", "c "}, {"d", "c d"}, {"Ctrl-W", "c "}, {"Ctrl-U", ""},
	} {
		ev := tcell.NewEventKey(tcell.KeyF1, 0, tcell.ModNone)
		if len(key.name) == 1 {
			ev = tcell.NewEventKey(tcell.KeyRune, rune(key.name[0]), tcell.ModNone)
		}
		p.edit(key.name, ev)
		if p.String() != key.want {
			t.Errorf("after %s the text is %q, want %q", key.name, p, key.want)
		}
	}
}

func TestClipboardSequencePassesThroughMultiplexers(t *testing.T) {
	const plain = "\x1b]52;c;cG9k\x07"
	for _, c := range []struct {
		name         string
		tmux, screen bool
		want         string
	}{
		{"alone", false, false, plain},
		{"tmux", true, false, plain + "\x1bPtmux;\x1b" + plain + "\x1b\\"},
		{"screen", false, true, "\x1bP" + plain + "\x1b\\"},
	} {
		if got := osc52("pod", c.tmux, c.screen); got != c.want {
			t.Errorf("in %s the sequence is %q, want %q", c.name, got, c.want)
		}
	}
	long := osc52(strings.Repeat("x", 3000), false, true)
	for _, chunk := range strings.Split(long, "\x1b\\") {
		if len(chunk) > 768 {
			t.Errorf("screen would drop a string of %d bytes", len(chunk))
		}
	}
	if err := copyText(nil, strings.Repeat("x", 100_000)); err == nil {
		t.Error("100,000 bytes are sent though terminals don't take so many")
	}
}

func TestKeyTableListsSharedKeysOnce(t *testing.T) {
	table := KeyTable()
	for _, want := range []string{"### Everywhere", "### Every table", "### Pods", "### Nodes", "### Logs", "| `l` |", "| `Shift-G` `End` |", "| `Tab` |", "| `Enter` | Show the pods on the node. |", "| `d` | Describe"} {
		if !strings.Contains(table, want) {
			t.Errorf("the key table lacks %q", want)
		}
	}
	if n := strings.Count(table, "Mark every row between"); n != 1 {
		t.Errorf("a key of every table is listed %d times", n)
	}
}
