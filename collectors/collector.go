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

// maxBackOff is the longest pause of a Poll whose source keeps failing.
const maxBackOff = 30 * time.Second

// Poll makes a Collector of a function that reads its whole source once. It is called every
// so often, and less often while it fails: the pause doubles up to 30 seconds, or stays at
// every where that is longer.
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
		if err != nil {
			failures++
			report(nil, err)
		} else {
			failures = 0
			report(part, nil)
		}
		if !pause(ctx, backOff(p.every(), failures)) {
			return
		}
	}
}

// backOff is the pause after a number of failures in a row.
func backOff(every time.Duration, failures int) time.Duration {
	wait := every
	for range failures - 1 {
		if wait >= maxBackOff {
			break
		}
		wait *= 2
	}
	return max(every, min(wait, maxBackOff))
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
