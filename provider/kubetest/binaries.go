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
// directory is in, and returns their folder. With race what is ours to ship, ecideck and
// ecideck-node, watches for data races, which needs a C compiler. The folder is in the user's
// cache, so that only what changed is built and linked again; several processes may ask at once.
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
	kind, plain, raced := "plain", []string{"./cmd/ecideck", "./cmd/ecideck-node", "./cmd/ecideck-lab"}, []string(nil)
	if race {
		// The emulator is watched for races where it is tested, in one process with its clients.
		kind, plain, raced = "race", plain[2:], plain[:2]
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
	build := func(flags, packages []string, env ...string) error {
		args := append([]string{"build"}, flags...)
		cmd := goCommand(ctx, root, append(append(args, "-o", bin+string(filepath.Separator)), packages...)...)
		cmd.Env = append(cmd.Env, env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", strings.Join(packages, ", "), err, out)
		}
		return nil
	}
	if err := build(buildFlags, plain); err != nil {
		return "", err
	}
	if raced != nil {
		if err := build([]string{"-race", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, raced, "CGO_ENABLED=1"); err != nil {
			return "", err
		}
	}
	return bin, nil
}
