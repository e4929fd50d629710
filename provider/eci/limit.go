package eci

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ecideck/ecideck/provider/eci/spec"
)

const minute = time.Minute

// perMinute is how many calls of an action this client makes in a minute at most: the
// documented limit, for a Describe action without one what the busiest of them may; 0: no
// bound.
func perMinute(action string) int {
	for _, limit := range spec.CallLimits() {
		if limit.Action == action {
			return limit.PerMinute
		}
	}
	if strings.HasSuffix(action, "InstanceBill") {
		return 500 // of BSS, which takes about ten a second
	}
	if strings.HasPrefix(action, "Describe") {
		return 2000
	}
	return 0
}

// A limiter keeps every action under its limit in any sixty seconds. It is stricter than
// one that counts calendar minutes, so it holds however the API counts.
type limiter struct {
	mu    sync.Mutex
	calls map[string]*window // by action
}

// A window holds when the last calls were made, oldest at next once it is full.
type window struct {
	at   []time.Time
	next int
}

func newLimiter() *limiter { return &limiter{calls: map[string]*window{}} }

// wait returns when the action may be called, and counts that call. It fails when ctx ends,
// at once if ctx would end before the action's turn.
func (l *limiter) wait(ctx context.Context, action string) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		pause := l.reserve(action, time.Now())
		if pause <= 0 {
			return nil
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return fmt.Errorf("the rate limit of %d calls a minute leaves no room for %v: %w", perMinute(action), pause, context.DeadlineExceeded)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// reserve counts a call made now, or says how long to wait before asking again.
func (l *limiter) reserve(action string, now time.Time) time.Duration {
	limit := perMinute(action)
	if limit == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.calls[action]
	if w == nil {
		w = &window{}
		l.calls[action] = w
	}
	if len(w.at) < limit {
		w.at = append(w.at, now)
		return 0
	}
	if pause := w.at[w.next].Add(minute).Sub(now); pause > 0 {
		return pause
	}
	w.at[w.next] = now
	w.next = (w.next + 1) % limit
	return 0
}
