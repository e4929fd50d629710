package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

func usual() pace { return pace{leaseDuration, renewDeadline, retryPeriod} }

// A process is one election with a count of its terms.
type process struct {
	*election
	terms   atomic.Int32
	serving atomic.Bool
	ended   chan error
	stop    context.CancelFunc
}

// terms of this test's processes last until they are told to end, and then take a while.
func startProcess(t *testing.T, client *fakeapi.API, name string, together *atomic.Int32) *process {
	ctx, stop := context.WithCancel(t.Context())
	p := &process{ended: make(chan error, 1), stop: stop, election: &election{client: client, namespace: "kube-system", name: "node", identity: name, pace: usual(), log: slog.New(slog.DiscardHandler)}}
	go func() {
		p.ended <- p.run(ctx, func(ctx context.Context) error {
			if n := together.Add(1); n != 1 {
				t.Errorf("%d terms at once", n)
			}
			defer together.Add(-1)
			p.terms.Add(1)
			p.serving.Store(true)
			defer p.serving.Store(false)
			<-ctx.Done()
			time.Sleep(3 * time.Second)
			return ctx.Err()
		})
	}()
	return p
}

func TestAStoppedLeaderIsReplacedAsSoonAsItsTermHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var together atomic.Int32
		client := fakeapi.New()
		first := startProcess(t, client, "first", &together)
		time.Sleep(time.Second)
		second := startProcess(t, client, "second", &together)
		time.Sleep(time.Minute)
		if !first.serving.Load() || second.serving.Load() || !second.standingBy.Load() || first.standingBy.Load() {
			t.Fatalf("first serves %v, second %v", first.serving.Load(), second.serving.Load())
		}
		first.stop()
		time.Sleep(3*time.Second + 2*retryPeriod*11/5)
		if !second.serving.Load() || second.standingBy.Load() {
			t.Error("the second does not serve")
		}
		if err := <-first.ended; err != nil {
			t.Error(err)
		}
		second.stop()
		if err := <-second.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAKilledLeaderIsReplacedBeforeItsNodeIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var together atomic.Int32
		var killed atomic.Bool
		client := fakeapi.New()
		client.PrependReactor("update", "leases", func(a k8stesting.Action) (bool, runtime.Object, error) {
			if o, ok := a.(k8stesting.UpdateAction); ok && killed.Load() && holder(o) == "killed" {
				return true, nil, errors.New("killed")
			}
			return false, nil, nil
		})
		lease := &election{client: client, namespace: "kube-system", name: "node", identity: "killed", pace: usual(), log: slog.New(slog.DiscardHandler)}
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		frozen := make(chan struct{})
		go func() {
			_ = lease.lead(ctx, func(context.Context) error { <-frozen; return nil })
		}()
		time.Sleep(time.Second)
		second := startProcess(t, client, "second", &together)
		killed.Store(true) // from here on the first process does not renew any more
		start := time.Now()
		for !second.serving.Load() && time.Since(start) < time.Minute {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took > 45*time.Second {
			t.Errorf("replaced after %s", took)
		}
		close(frozen)
		second.stop()
		if err := <-second.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestALeaderThatCannotRenewEndsItsTermAndLeadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var together atomic.Int32
		var away atomic.Bool
		client := fakeapi.New()
		client.PrependReactor("*", "leases", func(k8stesting.Action) (bool, runtime.Object, error) {
			if away.Load() {
				return true, nil, errors.New("connection refused")
			}
			return false, nil, nil
		})
		p := startProcess(t, client, "only", &together)
		time.Sleep(10 * time.Second)
		away.Store(true)
		time.Sleep(15 * time.Second)
		if !p.serving.Load() {
			t.Error("15 s without an API server ended the term")
		}
		time.Sleep(15 * time.Second)
		if p.serving.Load() {
			t.Error("the term goes on without a lease")
		}
		away.Store(false)
		time.Sleep(2 * retryPeriod * 11 / 5)
		if !p.serving.Load() || p.terms.Load() != 2 {
			t.Errorf("serving %v after %d terms", p.serving.Load(), p.terms.Load())
		}
		p.stop()
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestATermThatFailsEndsTheProcessWithItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &election{client: fakeapi.New(), namespace: "kube-system", name: "node", identity: "only", pace: usual(), log: slog.New(slog.DiscardHandler)}
		broken := errors.New("broken")
		if err := e.run(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if err := e.run(t.Context(), func(context.Context) error { return nil }); err == nil {
			t.Error("controllers that end by themselves are an error")
		}
	})
}

func holder(a k8stesting.UpdateAction) string {
	lease, ok := a.GetObject().(*coordinationv1.Lease)
	if !ok || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
