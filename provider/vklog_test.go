package provider

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/virtual-kubelet/virtual-kubelet/log"
)

// A counter counts how often it was turned into text.
type counter struct{ n *int }

func (c counter) String() string { *c.n++; return "counted" }

func TestTheLibraryLogsThroughTheNodesLogger(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	n := 0
	l := log.G(WithLogger(t.Context(), logger))
	l.Debug(counter{&n})
	l.Debugf("%v", counter{&n})
	if n != 0 || out.Len() != 0 {
		t.Errorf("made text %d times for a level that is off: %s", n, out.String())
	}
	l.Error(errors.New("an error and no text")) // on which the library's own adapter panics
	l.WithError(nil).Info("went well")
	l.WithError(errors.New("refused")).WithField("key", "ns/pod").WithFields(log.Fields{"b": 2, "a": 1}).Warnf("try %d", 3)
	l.Fatal("the process lives")
	want := []string{
		`level=ERROR msg="an error and no text"`,
		`level=INFO msg="went well"`,
		`level=WARN msg="try 3" err=refused key=ns/pod a=1 b=2`,
		`level=ERROR msg="the process lives"`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("logged\n%s", got)
	}
}
