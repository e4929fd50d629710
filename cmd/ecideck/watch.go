package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/ecideck/ecideck/collectors"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/theme"
)

// watchPause is the shortest time between two printings.
const watchPause = time.Second

// follow prints a listing again whenever it changed, until ctx ends, which is its normal
// end.
func (g *getOptions) follow(ctx context.Context, from collectors.Sources, l listing, namespace string) error {
	r := startReading(ctx, from, l.sources, l.orphans)
	defer r.end()
	first, cancel := context.WithTimeout(ctx, g.timeout)
	s := r.settle(first, g.progress)
	cancel()
	screen := g.screen()
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	epoch := time.Now()
	last, drawn := "", ""
	for ctx.Err() == nil {
		// At one time for all: what only grew older is no change.
		sign, err := g.signature(s, l, namespace, epoch)
		if err != nil {
			return err
		}
		if screen != nil {
			// Ages grow on a screen, where nothing is written that stands there already.
			if drawn, err = g.redraw(s, l, namespace, screen, drawn); err != nil {
				return err
			}
		} else if sign != last {
			if err := g.again(s, l, namespace, last == ""); err != nil {
				return err
			}
		}
		last = sign
		select {
		case <-ctx.Done():
		case <-tick.C:
			s = r.store.Latest()
		}
	}
	return nil
}

// screen is the terminal that a table is drawn on anew; nil where the output is no terminal,
// or not for people.
func (g *getOptions) screen() *os.File {
	f, ok := g.out.(*os.File)
	if g.output != "table" && g.output != "wide" || !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// signature is what a listing says beside the time: it is another one when something changed.
func (g *getOptions) signature(s *fleet.Snapshot, l listing, namespace string, at time.Time) (string, error) {
	t, known := g.made(s, l, namespace, at)
	for i := range t.sources {
		t.sources[i].AgeSeconds = nil
	}
	var b bytes.Buffer
	if err := t.write(&b, "json", known); err != nil {
		return "", err
	}
	return b.String(), nil
}

// again prints a listing once more, below the last one.
func (g *getOptions) again(s *fleet.Snapshot, l listing, namespace string, first bool) error {
	t, known := g.made(s, l, namespace, time.Now())
	switch {
	case first:
		for _, text := range failures(s, g.timeout) {
			fmt.Fprintln(g.err, text)
		}
	case g.output == "yaml":
		fmt.Fprintln(g.out, "---")
	case g.output != "json":
		fmt.Fprintln(g.out)
	}
	if err := t.write(g.out, g.output, known); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// redraw draws a listing on a screen in place of what was drawn before, if that is another
// text, and returns what is there then.
func (g *getOptions) redraw(s *fleet.Snapshot, l listing, namespace string, screen *os.File, before string) (string, error) {
	now := time.Now()
	t, known := g.made(s, l, namespace, now)
	var b bytes.Buffer
	if err := t.write(&b, g.output, known); err != nil {
		return "", fmt.Errorf("writing: %w", err)
	}
	width, height, err := term.GetSize(int(screen.Fd()))
	if err != nil {
		return "", fmt.Errorf("asking the terminal for its size: %w", err)
	}
	lines := append(failures(s, g.timeout), strings.Split(strings.TrimRight(b.String(), "\n"), "\n")...)
	if more := len(lines) + 2 - height; more > 0 {
		lines = append(lines[:max(0, height-3)], fmt.Sprintf("… and %d lines more: `ecideck` scrolls", more+1))
	}
	text := page(lines, width)
	if text == before {
		return before, nil
	}
	title := fmt.Sprintf("%s, changed at %s; Ctrl-C ends the watch", l.name, now.Format(time.TimeOnly))
	if _, err := io.WriteString(screen, "\x1b[H"+page([]string{title}, width)+text+"\x1b[J"); err != nil {
		return "", fmt.Errorf("writing: %w", err)
	}
	return text, nil
}

// page is lines for a terminal, each cut to its width, with what stood right of them
// cleared: without a blank screen in between it does not flicker.
func page(lines []string, width int) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(theme.Fit(printable(line), width) + "\x1b[K\r\n")
	}
	return b.String()
}
