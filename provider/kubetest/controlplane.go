package kubetest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// EnvControlPlane names a prebuilt control plane, so that only people who change it build it.
const EnvControlPlane = "ECIDECK_CONTROLPLANE"

// controlPlaneSource is the nested module, from the repository's root.
var controlPlaneSource = filepath.Join("cmd", "ecideck-lab", "controlplane")

// buildFlags are part of the hash: another way to build is another binary.
var buildFlags = []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"}

// ControlPlane returns the path of the control plane's executable: the one that
// ECIDECK_CONTROLPLANE names, the one built before from the same inputs, or one it builds
// now (7 to 10 minutes on two cores the first time), telling progress to w. Several
// processes may ask at once: one builds, the others wait.
func ControlPlane(ctx context.Context, w io.Writer) (string, error) {
	if path := os.Getenv(EnvControlPlane); path != "" {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return "", fmt.Errorf("%s=%s is not an executable file; unset it to build one", EnvControlPlane, path)
		}
		return path, nil
	}
	source, err := findSource()
	if err != nil {
		return "", err
	}
	hash, err := hashSource(ctx, source)
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "controlplane", hash)
	binary := filepath.Join(dir, "controlplane")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of the built control plane: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "lock"), func() {
		fmt.Fprintln(w, "another process is building the control plane; waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := buildControlPlane(ctx, source, dir, w); err != nil {
		return "", err
	}
	return binary, nil
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a place for the built control plane (set XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(base, "ecideck"), nil
}

// findSource looks for the nested module upwards from the working directory, then from the
// executable.
func findSource() (string, error) {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, dir := range starts {
		for {
			source := filepath.Join(dir, controlPlaneSource)
			if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
				return source, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", fmt.Errorf("the control plane is not built and its source (%s) is not above the working directory: run this in a clone of the repository, or set %s to a prebuilt one",
		controlPlaneSource, EnvControlPlane)
}

// hashSource names a build by everything that goes into it.
func hashSource(ctx context.Context, source string) (string, error) {
	version, err := goOutput(ctx, source, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, strings.TrimSpace(version), runtime.GOOS, runtime.GOARCH, buildFlags)
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", fmt.Errorf("listing the control plane's source: %w", err)
	}
	for _, file := range append(files, filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum")) {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading the control plane's source: %w", err)
		}
		fmt.Fprintln(h, filepath.Base(file), len(raw))
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// buildControlPlane builds into dir. The binary appears under its name only when it is whole.
func buildControlPlane(ctx context.Context, source, dir string, w io.Writer) error {
	started := time.Now()
	if err := enoughSpace(dir, 4<<30, "building the control plane"); err != nil {
		return err
	}
	fmt.Fprintln(w, "building the lab's control plane, once: 7 to 10 minutes on two cores, much less where Go's cache is warm")
	if _, err := goOutput(ctx, source, "mod", "download"); err != nil {
		return fmt.Errorf("downloading the control plane's modules: %w", err)
	}
	work, err := pendingWork(ctx, source)
	if err != nil {
		return err
	}
	unfinished := filepath.Join(dir, "unfinished")
	defer func() { _ = os.Remove(unfinished) }() // gone already when it became the binary
	args := append([]string{"build", "-v", "-o", unfinished}, buildFlags...)
	cmd := goCommand(ctx, source, append(args, ".")...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("building the control plane: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("building the control plane: %w", err)
	}
	other := reportBuild(stderr, work, started, w)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("building the control plane: %w", ctx.Err())
		}
		return fmt.Errorf("building the control plane: %w\n%s", err, strings.Join(other, "\n"))
	}
	if err := os.Rename(unfinished, filepath.Join(dir, "controlplane")); err != nil {
		return fmt.Errorf("keeping the built control plane: %w", err)
	}
	fmt.Fprintf(w, "control plane built in %s\n", time.Since(started).Round(time.Second))
	return nil
}

// reportBuild reads `go build -v` and tells progress: how much of the source, by size, has
// been started, and the time left at this pace. It returns the lines that name no package:
// what the compiler complained about.
func reportBuild(stderr io.Reader, work map[string]int64, started time.Time, w io.Writer) []string {
	var total, done int64
	for _, size := range work {
		total += size
	}
	// Linking takes about as long as compiling this share of it.
	total += total / 12
	var other []string
	var said time.Time
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		size, known := work[lines.Text()]
		if !known {
			if len(other) < 50 {
				other = append(other, lines.Text())
			}
			continue
		}
		done += size
		if time.Since(said) < 10*time.Second {
			continue
		}
		said = time.Now()
		share := float64(done) / float64(total)
		line := fmt.Sprintf("  %3.0f %%  %s", 100*share, time.Since(started).Round(time.Second))
		if spent := time.Since(started); spent > 20*time.Second && share > 0.02 {
			left := time.Duration(float64(spent) * (1 - share) / share)
			line += fmt.Sprintf(", about %s left", left.Round(10*time.Second))
		}
		fmt.Fprintln(w, line)
	}
	return other
}

// pendingWork lists the packages that are not in Go's build cache, with their source size.
func pendingWork(ctx context.Context, source string) (map[string]int64, error) {
	out, err := goOutput(ctx, source, append(append([]string{"list", "-deps", "-json=ImportPath,Dir,GoFiles,Stale,StaleReason"}, buildFlags...), ".")...)
	if err != nil {
		return nil, fmt.Errorf("listing what the control plane is built of: %w", err)
	}
	work := map[string]int64{} // import path -> bytes of Go source
	decoder := json.NewDecoder(strings.NewReader(out))
	for {
		var p struct {
			ImportPath, Dir, StaleReason string
			GoFiles                      []string
			Stale                        bool
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return work, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what the control plane is built of: %w", err)
		}
		if !p.Stale || strings.Contains(p.StaleReason, "available in build cache") {
			continue
		}
		size := int64(1)
		for _, file := range p.GoFiles {
			if info, err := os.Stat(filepath.Join(p.Dir, file)); err == nil {
				size += info.Size()
			}
		}
		work[p.ImportPath] = size
	}
}

func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// No C compiler is asked for, and a go.work above must not mix its modules in.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go removes its temporary files
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := goCommand(ctx, dir, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("go is not in PATH: install Go (https://go.dev/dl), or set %s to a prebuilt control plane", EnvControlPlane)
	}
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
