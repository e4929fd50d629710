package kubetest

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile takes an exclusive lock that the kernel gives back when this process ends, however
// it ends. It calls waiting once if somebody else holds it; a nil waiting means: don't wait.
func lockFile(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	retry := time.NewTicker(500 * time.Millisecond)
	defer retry.Stop()
	for first := true; ; first = false {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return func() { _ = f.Close() }, nil
		}
		if waiting == nil {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for the lock %s: %w", path, ctx.Err())
		case <-retry.C:
		}
	}
}

// enoughSpace refuses to begin what would fill the disk halfway through.
func enoughSpace(dir string, need uint64, what string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("looking at the free space of %s: %w", dir, err)
	}
	free := stat.Bavail * uint64(stat.Bsize)
	if free >= need {
		return nil
	}
	return fmt.Errorf("%s needs %.1f GiB free under %s, there are %.1f: free some, or set XDG_CACHE_HOME and XDG_STATE_HOME to a larger disk",
		what, float64(need)/(1<<30), dir, float64(free)/(1<<30))
}
