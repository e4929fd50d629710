package theme

import (
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/uniseg"
)

// asciiFor says how ASCII mode writes the characters we use ourselves.
func asciiFor(r rune) rune {
	switch r {
	case '–', '—', '─':
		return '-'
	case '…':
		return '~'
	case '·', '●':
		return '*'
	case '×':
		return 'x'
	case '¥':
		return 'Y'
	case '≥':
		return '>'
	case '▁':
		return '_'
	case '▂':
		return '.'
	case '▃':
		return '-'
	case '▄':
		return '='
	case '▅':
		return '+'
	case '▆':
		return '*'
	case '▇':
		return '%'
	case '█':
		return '#'
	case '→', '›':
		return '>'
	case '↑':
		return '^'
	case '↓':
		return 'v'
	case '│':
		return '|'
	}
	return '?'
}

// Width is how many cells text takes on the screen.
func Width(text string) int {
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 {
			return uniseg.StringWidth(text)
		}
	}
	return len(text)
}

// Print paints text at x, y in at most width cells and returns how many it took. Longer
// text is cut without a sign; use Fit first where that matters. Control characters become
// spaces, so that foreign text can't drive the terminal.
func (t *Theme) Print(screen tcell.Screen, x, y, width int, text string, style tcell.Style) int {
	used := 0
	state := -1
	for len(text) > 0 && used < width {
		if c := text[0]; c < 0x80 && (len(text) == 1 || text[1] < 0x80) { // most text: no grapheme to look for
			if c < ' ' || c == 0x7f {
				c = ' '
			}
			screen.SetContent(x+used, y, rune(c), nil, style)
			used++
			text = text[1:]
			state = -1
			continue
		}
		var cluster string
		var w int
		cluster, text, w, state = uniseg.FirstGraphemeClusterInString(text, state)
		runes := []rune(cluster)
		if w == 0 || len(runes) == 0 {
			continue
		}
		if t.ASCII && runes[0] >= 0x80 {
			for range w {
				if used < width {
					screen.SetContent(x+used, y, asciiFor(runes[0]), nil, style)
					used++
				}
			}
			continue
		}
		if used+w > width {
			break
		}
		screen.SetContent(x+used, y, runes[0], runes[1:], style)
		used += w
	}
	return used
}

// Fill paints spaces.
func (t *Theme) Fill(screen tcell.Screen, x, y, width int, style tcell.Style) {
	for i := range max(width, 0) {
		screen.SetContent(x+i, y, ' ', nil, style)
	}
}

// Fit cuts text to width cells and says so with "…" at its end.
func Fit(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	if width <= 0 {
		return ""
	}
	return cut(text, width-1) + "…"
}

// FitMiddle cuts text to width cells and leaves out its middle: names of pods and groups
// differ at their ends.
func FitMiddle(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	if width < 8 {
		return Fit(text, width)
	}
	tail := (width - 1) * 2 / 5
	head := width - 1 - tail
	return cut(text, head) + "…" + cutFront(text, tail)
}

// Wrap breaks text between words into at most so many lines of width cells; a word that is
// wider than a line is broken too. What doesn't fit into the last line is cut.
func Wrap(text string, width, lines int) []string {
	var out []string
	text = strings.TrimSpace(text)
	for text != "" && width > 0 && len(out) < lines {
		if Width(text) <= width || len(out) == lines-1 {
			return append(out, Fit(text, width))
		}
		line := cut(text, width)
		if line == "" {
			return append(out, Fit(text, width))
		}
		if rest := text[len(line):]; !strings.HasPrefix(rest, " ") {
			if space := strings.LastIndexByte(line, ' '); space > 0 {
				line = line[:space]
			}
		}
		out = append(out, strings.TrimRight(line, " "))
		text = strings.TrimSpace(text[len(line):])
	}
	return out
}

// cut is the longest front of text that fits into width cells.
func cut(text string, width int) string {
	var b strings.Builder
	state := -1
	for len(text) > 0 {
		var cluster string
		var w int
		cluster, text, w, state = uniseg.FirstGraphemeClusterInString(text, state)
		if width -= w; width < 0 {
			break
		}
		b.WriteString(cluster)
	}
	return b.String()
}

// cutFront is the longest end of text that fits into width cells.
func cutFront(text string, width int) string {
	excess := Width(text) - width
	state := -1
	for len(text) > 0 && excess > 0 {
		var w int
		_, text, w, state = uniseg.FirstGraphemeClusterInString(text, state)
		excess -= w
	}
	return text
}

// Tail is the longest end of text that fits into width cells, without a sign of the cut.
func Tail(text string, width int) string { return cutFront(text, width) }
