package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// TestScenariosOnScreen shows what the collectors' scenarios come to: every way in which a
// cluster meets ECI, and what goes wrong at night.
func TestScenariosOnScreen(t *testing.T) {
	files, err := filepath.Glob("../testdata/fleet/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := fleet.Decode(f)
		_ = f.Close() // it was only read
		if err != nil {
			t.Fatal(err)
		}
		for _, view := range []string{"overview", "pods", "cost"} {
			t.Run(name+"-"+view, func(t *testing.T) {
				d := open(t, 120, 32, s, func(o *Options) {
					o.View = view
					o.Now = func() time.Time { return s.Built }
				})
				d.Golden("scenario-" + name + "-" + view)
			})
		}
	}
}
