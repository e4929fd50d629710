package eci

import (
	"context"
	"math/rand/v2"
	"time"
)

// A retryPolicy says how often and after which pauses a call is repeated.
type retryPolicy struct {
	attempts int
	base     time.Duration // the first pause is at most this
	most     time.Duration // no pause is longer than this
}

func newRetryPolicy(attempts int) retryPolicy {
	if attempts <= 0 {
		attempts = 10
	}
	return retryPolicy{attempts: attempts, base: 200 * time.Millisecond, most: 10 * time.Second}
}

// badAnswerAttempts is how often a call is tried whose answers can't be read: half a body or
// a proxy's page comes once or twice, an answer that this client doesn't understand always.
const badAnswerAttempts = 3

// pause is how long to wait after the attempt-th try failed: anything up to an exponential
// bound ("full jitter"), so that many callers that failed together don't return together.
func (p retryPolicy) pause(attempt int) time.Duration {
	bound := p.most
	if shift := attempt - 1; shift < 16 {
		bound = min(bound, p.base<<shift)
	}
	return rand.N(bound + 1)
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
