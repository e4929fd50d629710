package ui

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/gdamore/tcell/v2"
)

// maxCopy is how many bytes many terminals take in one OSC 52, base64 included.
const maxCopy = 74994

// copyText sends text to the terminal's clipboard, which works over SSH. Whether the
// terminal takes it can't be known.
func copyText(screen tcell.Screen, text string) error {
	if n := base64.StdEncoding.EncodedLen(len(text)); n > maxCopy {
		return fmt.Errorf("%d bytes are more than terminals take at once", len(text))
	}
	tty, ok := screen.Tty()
	if !ok {
		screen.SetClipboard([]byte(text))
		return nil
	}
	// tcell writes only on this goroutine, so the sequence can't land inside another.
	_, err := tty.Write([]byte(osc52(text, os.Getenv("TMUX") != "", os.Getenv("STY") != "")))
	return err
}

// osc52 is the escape sequence that sets the clipboard. tmux takes it itself where
// set-clipboard is on, and passes it to the terminal around it where allow-passthrough is;
// screen only passes it on.
func osc52(text string, tmux, screen bool) string {
	seq := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\x07"
	switch {
	case tmux:
		return seq + "\x1bPtmux;" + strings.ReplaceAll(seq, "\x1b", "\x1b\x1b") + "\x1b\\"
	case screen:
		// screen takes at most 768 bytes in one string.
		var b strings.Builder
		for len(seq) > 0 {
			n := min(len(seq), 700)
			b.WriteString("\x1bP" + seq[:n] + "\x1b\\")
			seq = seq[n:]
		}
		return b.String()
	}
	return seq
}
