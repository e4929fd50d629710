package kubetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Programs builds ecideck, ecideck-node and ecideck-lab from the clone that the working
// directory is in, and returns their folder. With race they watch for data races, which
// needs a C compiler. The folder is in the user's cache, so that only what changed is built
// and linked again; several processes may ask at once.
func Programs(ctx context.Context, race bool) (bin string, err error) {
	source, err := findSource()
	if err != nil {
		return "", err
	}
	root := strings.TrimSuffix(source, string(filepath.Separator)+controlPlaneSource)
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	// Flags that somebody else builds with, so that Go's cache serves both: the control
	// plane's, or those of `go test -race`.
	kind, args := "plain", append([]string{"build"}, buildFlags...)
	if race {
		kind, args = "race", []string{"build", "-race", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	}
	// Two clones must not take each other's programs for their own.
	clone := sha256.Sum256([]byte(root))
	bin = filepath.Join(cache, "programs", kind+"-"+hex.EncodeToString(clone[:4]))
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of the built programs: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(bin, "lock"), func() {})
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := goCommand(ctx, root, append(args, "-o", bin+string(filepath.Separator), "./cmd/ecideck", "./cmd/ecideck-node", "./cmd/ecideck-lab")...)
	if race {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return bin, nil
}
