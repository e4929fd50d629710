package ecitest

import (
	"context"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// A tty is the terminal of an execution, with the plainest of line editors: what is typed is
// shown when somebody reads it.
type tty struct {
	show func(string)

	mu        sync.Mutex
	typed     []byte
	ended     bool
	escape    bool // within an escape sequence, which is left out
	interrupt func()
	wake      chan struct{} // has an element when something was typed or ended
	left      string        // of a line that was read in part
}

func newTTY(show func(string)) *tty { return &tty{show: show, wake: make(chan struct{}, 1)} }

// Read is only here to make a tty a process's input: a process reads with its context.
func (t *tty) Read(b []byte) (int, error) { return t.read(context.Background(), b) }

// press takes what a person types. An interrupt reaches what runs at once.
func (t *tty) press(keys []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		switch {
		case t.escape:
			t.escape = key < '@' || key > '~' || key == '[' || key == 'O'
		case key == 0x1b:
			t.escape = true
		case key == 3 && t.interrupt != nil:
			t.typed = t.typed[:0]
			t.show("^C\n")
			t.interrupt()
		case len(t.typed) < maxScript:
			t.typed = append(t.typed, key)
		}
	}
	t.stir()
}

// hangUp ends the input.
func (t *tty) hangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.stir()
}

func (t *tty) stir() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// runs has interrupts end what runs, until the function it returns is called.
func (t *tty) runs(interrupt func()) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.interrupt
	t.interrupt = interrupt
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.interrupt = before
	}
}

// key waits for one; false: there will be none.
func (t *tty) key(ctx context.Context) (byte, bool) {
	for {
		t.mu.Lock()
		if len(t.typed) > 0 {
			key := t.typed[0]
			t.typed = t.typed[1:]
			t.mu.Unlock()
			return key, true
		}
		ended := t.ended
		t.mu.Unlock()
		if ended || ctx.Err() != nil {
			return 0, false
		}
		select {
		case <-ctx.Done():
		case <-t.wake:
		}
	}
}

// line reads one with its newline, and shows it as it is typed. "\x03" is an interrupt; ended
// is the input's end.
func (t *tty) line(ctx context.Context) (line string, ended bool) {
	var typed strings.Builder
	for {
		key, ok := t.key(ctx)
		if !ok {
			return typed.String(), true
		}
		switch text := typed.String(); {
		case key == '\r' || key == '\n':
			t.show("\n")
			return text + "\n", false
		case key == 3:
			t.show("^C\n")
			return "\x03", false
		case key == 4 && text == "":
			return "", true
		case key == 127 || key == 8:
			if text != "" {
				_, size := utf8.DecodeLastRuneInString(text)
				typed.Reset()
				typed.WriteString(text[:len(text)-size])
				t.show("\b \b")
			}
		case key >= ' ' && typed.Len() < maxLine:
			typed.WriteByte(key)
			t.show(string([]byte{key}))
		}
	}
}

// read gives lines to a process.
func (t *tty) read(ctx context.Context, b []byte) (int, error) {
	if n := t.rest(b, ""); n > 0 {
		return n, nil
	}
	line, ended := t.line(ctx)
	if line == "" && ended || line == "\x03" {
		return 0, io.EOF
	}
	return t.rest(b, line), nil
}

// rest gives what is left of lines, after more.
func (t *tty) rest(b []byte, more string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left += more
	n := copy(b, t.left)
	t.left = t.left[n:]
	return n
}
