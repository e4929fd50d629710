package cmd_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/ecideck/ecideck/ui"
)

var update = flag.Bool("update", false, "rewrite README's table of keys")

func TestTheReadmeListsTheKeysThatWork(t *testing.T) {
	const file, begin, end = "../README.md", "<!-- keys: written by `make golden` -->\n", "<!-- /keys -->"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(raw), begin)
	table, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("README has no %q and %q", begin, end)
	}
	want := "\n" + strings.TrimSpace(ui.KeyTable()) + "\n\n"
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Error("README's table of keys is stale: run make golden")
	}
}
