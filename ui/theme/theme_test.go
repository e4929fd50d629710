package theme

import (
	"strings"
	"testing"

	"github.com/gdamore/tcell/v2"
)

func TestFitCutsWhatIsTooWide(t *testing.T) {
	for _, c := range []struct {
		text         string
		width        int
		fits, middle string
	}{
		{"short", 10, "short", "short"},
		{"checkout-7d9f8b6c5-x2k4q", 12, "checkout-7d…", "checkou…2k4q"},
		{"日本語テキスト", 7, "日本語…", "日本語…"},
		{"abc", 0, "", ""},
	} {
		if got := Fit(c.text, c.width); got != c.fits || Width(got) > c.width {
			t.Errorf("Fit(%q, %d) is %q, want %q", c.text, c.width, got, c.fits)
		}
		if got := FitMiddle(c.text, c.width); got != c.middle || Width(got) > c.width {
			t.Errorf("FitMiddle(%q, %d) is %q, want %q", c.text, c.width, got, c.middle)
		}
	}
}

// painted prints text on a screen of 12 cells and returns what the screen holds.
func painted(t *testing.T, theme *Theme, text string, width int) string {
	t.Helper()
	s := tcell.NewSimulationScreen("UTF-8")
	if err := s.Init(); err != nil {
		t.Fatal(err)
	}
	defer s.Fini()
	s.SetSize(12, 1)
	s.Clear()
	theme.Print(s, 0, 0, width, text, tcell.StyleDefault)
	s.Show()
	cells, _, _ := s.GetContents()
	var b strings.Builder
	for _, c := range cells {
		b.WriteString(string(c.Runes))
	}
	return strings.TrimRight(b.String(), " X")
}

func TestPrintNeverPassesControlCharactersOn(t *testing.T) {
	if got, want := painted(t, New(false, false), "a\x1b[31mb\x07c", 12), "a [31mb c"; got != want {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
}

func TestASCIIModePaintsOnlyASCII(t *testing.T) {
	if got, want := painted(t, New(true, true), "– … 日é→", 12), "- ~ ???>"; got != want {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
}

func TestPrintStaysInItsWidth(t *testing.T) {
	if got, want := painted(t, New(false, false), "日本語", 5), "日本"; strings.ReplaceAll(got, " ", "") != want {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
}

func TestNoRoleNeedsColour(t *testing.T) {
	plain := New(false, true)
	for _, r := range []Role{Plain, Dim, Strong, Accent, Degraded, Broken, Found} {
		if fg, bg, _ := plain.Style(r).Decompose(); fg != tcell.ColorDefault || bg != tcell.ColorDefault {
			t.Errorf("without colour, role %d is painted in %v on %v", r, fg, bg)
		}
	}
}

func TestWrapBreaksBetweenWords(t *testing.T) {
	for _, c := range []struct {
		text         string
		width, lines int
		want         string
	}{
		{"", 10, 2, ""},
		{"short", 10, 2, "short"},
		{"one two three", 8, 2, "one two|three"},
		{"one two three", 7, 2, "one two|three"},
		{"one two three four", 8, 2, "one two|three f…"},
		{"one two three four", 8, 3, "one two|three|four"},
		{"unbreakable", 4, 3, "unbr|eaka|ble"},
		{"one two", 8, 1, "one two"},
		{"anything", 0, 2, ""},
	} {
		if got := strings.Join(Wrap(c.text, c.width, c.lines), "|"); got != c.want {
			t.Errorf("%q in %dx%d is %q, want %q", c.text, c.width, c.lines, got, c.want)
		}
	}
}
