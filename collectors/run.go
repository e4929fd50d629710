package collectors

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// Run runs the collectors, one goroutine each, and keeps the Store's Snapshot up to date. It
// returns when ctx has ended and all of them have stopped. A collector that panics, or stops
// by itself, has that as its source's error and is started again after its usual interval.
// A nil logger is silent.
func Run(ctx context.Context, store *Store, all []Named, logger *slog.Logger) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	var wait sync.WaitGroup
	for _, c := range all {
		wait.Go(func() {
			for {
				err := collect(ctx, store, c, logger)
				if ctx.Err() != nil {
					return
				}
				store.Report(c.Name, nil, err)
				if !pause(ctx, c.Every) {
					return
				}
			}
		})
	}
	wait.Go(func() { store.keep(ctx) })
	wait.Wait()
}

// collect runs one collector until it ends and says why it did.
func collect(ctx context.Context, store *Store, c Named, logger *slog.Logger) (err error) {
	defer func() {
		if r := recover(); r != nil {
			logger.Error("collector panicked", "source", c.Name, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("reading %s: internal error: %v", c.Name, r)
		}
	}()
	c.Collect(ctx, func(part fleet.Part, err error) { store.Report(c.Name, part, err) })
	return fmt.Errorf("reading %s: the collector stopped by itself", c.Name)
}
