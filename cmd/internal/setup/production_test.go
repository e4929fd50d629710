package setup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestProduction(t *testing.T) {
	for _, c := range []struct {
		file, context string
		want, fails   bool
	}{
		{"", "prod-hangzhou", true, false},
		{"", "lab", false, false},
		{"prices: {}\n", "my-production", true, false},
		{"production: [live-*]\n", "live-1", true, false},
		{"production: [live-*]\n", "prod-1", false, false},
		{"production: []\n", "prod-1", false, false},
		{"production: ['[']\n", "prod-1", false, true},
		{"production: {}\n", "prod-1", false, true},
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if c.file != "" {
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Production(path, c.context)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%q, context %s: %t, %v", c.file, c.context, got, err)
		}
	}
}
