package cmd_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ecideck/ecideck/ui"
)

var update = flag.Bool("update", false, "rewrite what README has of the program")

// holds fails where README has something else between two marks than what is wanted there.
func holds(t *testing.T, begin, end, want string) {
	t.Helper()
	const file = "../README.md"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(raw), begin)
	got, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("README has no %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Error("README is stale: run make golden")
	}
}

func TestTheReadmeListsTheKeysThatWork(t *testing.T) {
	holds(t, "<!-- keys: written by `make golden` -->\n", "<!-- /keys -->", "\n"+strings.TrimSpace(ui.KeyTable())+"\n\n")
}

// TestTheReadmeShowsTheOverviewAsItIs, without most of its empty lines.
func TestTheReadmeShowsTheOverviewAsItIs(t *testing.T) {
	screen, err := os.ReadFile("../testdata/screens/overview-120x40.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.CompactFunc(strings.Split(strings.TrimRight(string(screen), "\n"), "\n"), func(a, b string) bool { return a == "" && b == "" })
	holds(t, "<!-- overview: written by `make golden` -->\n```\n", "```\n", strings.Join(lines, "\n")+"\n")
}
