package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
	"github.com/ecideck/ecideck/ui/uitest"
)

// page is what a pager shows at 10x4.
func page(t *testing.T, p *pager) string {
	t.Helper()
	s := uitest.Screen(t, 10, 4)
	defer s.Fini()
	s.Clear()
	p.SetRect(0, 0, 10, 4)
	p.Draw(s)
	s.Show()
	return strings.TrimRight(strings.ReplaceAll(uitest.Contents(s), "\n", "|"), "|")
}

func numbered(n int) *pager {
	p := newPager(theme.New(false, false), 0)
	for i := range n {
		p.add([]string{fmt.Sprint("line ", i)})
	}
	return p
}

func press(t *testing.T, p *pager, keys ...string) {
	t.Helper()
	for _, key := range keys {
		a, ok := keymap.Find(key, p.actions())
		if !ok {
			t.Fatalf("no key %s", key)
		}
		if a.Why(keymap.Selection{}) == "" {
			a.Run(keymap.Selection{})
		}
	}
}

func TestPagerScrolls(t *testing.T) {
	p := numbered(9)
	for _, c := range []struct{ keys, want string }{
		{"", "line 0|line 1|line 2|line 3"},
		{"j", "line 1|line 2|line 3|line 4"},
		{"Ctrl-F", "line 4|line 5|line 6|line 7"},
		{"Ctrl-F", "line 5|line 6|line 7|line 8"},
		{"k", "line 4|line 5|line 6|line 7"},
		{"g", "line 0|line 1|line 2|line 3"},
		{"Shift-G", "line 5|line 6|line 7|line 8"},
	} {
		if c.keys != "" {
			press(t, p, c.keys)
		}
		if got := page(t, p); got != c.want {
			t.Errorf("after %q the pager shows %q, want %q", c.keys, got, c.want)
		}
	}
}

func TestPagerWrapsAndCutsLongLines(t *testing.T) {
	p := newPager(theme.New(false, false), 0)
	p.set("0123456789abcdefghijKLM\nshort\n\nend")
	page(t, p)
	press(t, p, "Right")
	if got, want := page(t, p), "56789abcde"; got != want {
		t.Errorf("scrolled to the right the pager shows %q, want %q", got, want)
	}
	press(t, p, "Left", "Ctrl-W")
	if got, want := page(t, p), "0123456789|abcdefghij|KLM|short"; got != want {
		t.Errorf("wrapped, the pager shows %q, want %q", got, want)
	}
	press(t, p, "j")
	if got, want := page(t, p), "abcdefghij|KLM|short"; got != want {
		t.Errorf("one row down, the pager shows %q, want %q", got, want)
	}
	press(t, p, "Shift-G")
	if got, want := page(t, p), "KLM|short||end"; got != want {
		t.Errorf("at the end, the pager shows %q, want %q", got, want)
	}
}

func TestPagerFollowsTheEndUntilScrolledUp(t *testing.T) {
	p := numbered(9)
	p.follow = true
	page(t, p)
	p.add([]string{"new"})
	if got := page(t, p); !strings.HasSuffix(got, "line 8|new") {
		t.Errorf("following, the pager shows %q", got)
	}
	press(t, p, "k")
	p.add([]string{"newer"})
	if got := page(t, p); strings.Contains(got, "newer") {
		t.Errorf("scrolled up, the pager still follows: %q", got)
	}
}

func TestPagerForgetsTheOldestAndKeepsItsPlace(t *testing.T) {
	p := newPager(theme.New(false, false), 20)
	for i := range 20 {
		p.add([]string{fmt.Sprint("line ", i)})
	}
	p.top = 10
	if err := p.SetFilter("line 1"); err != nil {
		t.Fatal(err)
	}
	p.show(10)
	p.add([]string{"line 20"})
	if len(p.lines) > 20 || p.dropped == 0 {
		t.Errorf("%d lines are kept and %d forgotten, want at most 20", len(p.lines), p.dropped)
	}
	if got := page(t, p); !strings.HasPrefix(got, "line 10|") {
		t.Errorf("after lines were forgotten the pager shows %q, want line 10 on top", got)
	}
	for _, m := range p.matches {
		if !strings.Contains(p.lines[m], "line 1") {
			t.Errorf("the match %d is %q", m, p.lines[m])
		}
	}
}

func TestPagerSearches(t *testing.T) {
	p := newPager(theme.New(false, false), 0)
	p.set("a\nError 1\nb\nc\nd\nerror 2\ne\nf\ng\nh")
	page(t, p)
	if err := p.SetFilter("error"); err != nil {
		t.Fatal(err)
	}
	if got := page(t, p); !strings.HasPrefix(got, "Error 1|b") {
		t.Errorf("the search shows %q, want the first match on top with what follows", got)
	}
	press(t, p, "n")
	if got := page(t, p); !strings.HasPrefix(got, "error 2|e") {
		t.Errorf("n shows %q, want the second match on top", got)
	}
	press(t, p, "n")
	if got := page(t, p); !strings.HasPrefix(got, "Error 1|") {
		t.Errorf("n after the last match shows %q, want the first again", got)
	}
	press(t, p, "Shift-N")
	if got := page(t, p); !strings.HasPrefix(got, "error 2|") {
		t.Errorf("Shift-N before the first match shows %q, want the last", got)
	}
	press(t, p, "o")
	if got := page(t, p); got != "Error 1|error 2" {
		t.Errorf("only matches shows %q", got)
	}
	if err := p.SetFilter("/[/"); err == nil {
		t.Error("a broken expression is accepted")
	}
	if err := p.SetFilter(""); err != nil || p.count() != 10 {
		t.Errorf("without a search %d lines are shown (%v), want 10", p.count(), err)
	}
}

// floods gives a log of n lines.
type floods int

func (n floods) Log(context.Context, LogRequest) (io.ReadCloser, error) {
	var b strings.Builder
	for i := range int(n) {
		fmt.Fprintf(&b, "%d\n", i)
	}
	return io.NopCloser(strings.NewReader(b.String())), nil
}

func TestStreamCountsWhatItDrops(t *testing.T) {
	s := &stream{open: 1, wake: func() {}}
	if err := s.read(t.Context(), floods(3*logPending), LogRequest{}, ""); err != nil {
		t.Fatal(err)
	}
	lines, skipped := s.take()
	if len(lines) > logPending || len(lines)+skipped != 3*logPending {
		t.Errorf("%d lines wait and %d were dropped, want at most %d and %d together", len(lines), skipped, logPending, 3*logPending)
	}
	if last := lines[len(lines)-1]; last != fmt.Sprint(3*logPending-1) {
		t.Errorf("the newest line is %q; the oldest are to be dropped", last)
	}
}

// longLine gives one line that is longer than a screen will ever need, then a short one.
type longLine struct{}

func (longLine) Log(context.Context, LogRequest) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20) + "\nafter\n")), nil
}

func TestStreamCutsEndlessLines(t *testing.T) {
	s := &stream{open: 1, wake: func() {}}
	if err := s.read(t.Context(), longLine{}, LogRequest{}, ""); err != nil {
		t.Fatal(err)
	}
	lines, _ := s.take()
	if len(lines) != 2 || len(lines[0]) > logLine+4 || lines[1] != "after" {
		t.Errorf("%d lines came, the first with %d bytes; want 2, the first cut", len(lines), len(lines[0]))
	}
}

// stuck gives a log that never has a line and ignores its context.
type stuck struct{}

func (stuck) Log(context.Context, LogRequest) (io.ReadCloser, error) {
	out, _ := io.Pipe()
	return out, nil
}

func TestStreamEndsThoughTheLogIgnoresItsContext(t *testing.T) {
	s := &stream{open: 1, wake: func() {}}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the view was closed"))
	if err := s.read(ctx, stuck{}, LogRequest{}, ""); err != nil {
		t.Errorf("a log that was closed on purpose ends with %v", err)
	}
}
