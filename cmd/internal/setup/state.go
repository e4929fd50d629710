package setup

import (
	"os"
	"path/filepath"
)

// StateDir is a folder for what ecideck keeps between its runs: under $XDG_STATE_HOME, or
// ~/.local/state where that is not set. It is not made here. "" where there is no home.
func StateDir(name string) string {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) { // the specification: relative ones are ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "ecideck", name)
}
