package collectors

import (
	"context"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// A Collector reports what its source knows, whenever that may have changed, until ctx ends.
// A report is either the whole of what is known now, or the error that kept it from being
// read. The same part may be reported again: it says that the part is still true.
type Collector interface {
	Collect(ctx context.Context, report func(fleet.Part, error))
}

// A source that fails is asked again after firstBackOff, then after twice that, up to
// maxBackOff: soon enough for who waits for it, rarely enough for a service in trouble.
const (
	firstBackOff = 2 * time.Second
	maxBackOff   = 30 * time.Second
)

// Poll makes a Collector of a function that reads its whole source once. It is called every
// so often; while it fails, after a pause that doubles from 2 to 30 seconds.
func Poll(every time.Duration, fetch func(context.Context) (fleet.Part, error)) Collector {
	return poll{every: func() time.Duration { return every }, fetch: fetch}
}

type poll struct {
	every func() time.Duration // asked after each fetch
	fetch func(context.Context) (fleet.Part, error)
}

func (p poll) Collect(ctx context.Context, report func(fleet.Part, error)) {
	failures := 0
	for {
		part, err := p.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		report(part, err)
		wait := p.every()
		if err != nil {
			failures++
			wait = backOff(failures)
		} else {
			failures = 0
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// backOff is the pause after a number of failures in a row.
func backOff(failures int) time.Duration {
	wait := firstBackOff
	for range failures - 1 {
		wait = min(2*wait, maxBackOff)
	}
	return wait
}

// pause waits; false says that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
