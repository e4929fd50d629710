package kubetest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// Build builds ecideck, ecideck-node and ecideck-lab from the clone that the working
// directory is in, into dir. With race they watch for data races, which needs a C compiler.
func Build(ctx context.Context, dir string, race bool) error {
	source, err := findSource()
	if err != nil {
		return err
	}
	root := strings.TrimSuffix(source, string(filepath.Separator)+controlPlaneSource)
	// The control plane's flags, so that Go's cache serves both.
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, buildFlags...)
	if race {
		args = append(args, "-race")
	}
	cmd := goCommand(ctx, root, append(args, "./cmd/ecideck", "./cmd/ecideck-node", "./cmd/ecideck-lab")...)
	if race {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the programs: %w\n%s", err, out)
	}
	return nil
}
