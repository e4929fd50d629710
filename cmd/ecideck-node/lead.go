package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// How long leadership lasts. Kubernetes calls a node NotReady, and takes its pods out of
// their Services, when its own lease is 40 s old and 10 s more have passed: a killed leader
// must be replaced before that. An API server that is away for less than renewDeadline costs
// nothing.
const (
	leaseDuration = 30 * time.Second
	renewDeadline = 20 * time.Second
	retryPeriod   = 4 * time.Second
)

// A pace is how an election keeps its lease, in the words of Kubernetes' own components.
type pace struct{ leaseDuration, renewDeadline, retryPeriod time.Duration }

// check refuses what the library would refuse only when the first term begins.
func (p pace) check() error {
	switch {
	case p.leaseDuration < time.Second:
		return fmt.Errorf("--leader-elect-lease-duration %s: at least 1s", p.leaseDuration)
	case p.renewDeadline >= p.leaseDuration:
		return fmt.Errorf("--leader-elect-renew-deadline %s: must be less than the lease's %s", p.renewDeadline, p.leaseDuration)
	case p.retryPeriod <= 0 || float64(p.renewDeadline) <= leaderelection.JitterFactor*float64(p.retryPeriod):
		return fmt.Errorf("--leader-elect-retry-period %s: must be more than 0, and %g times it less than the renew deadline's %s", p.retryPeriod, leaderelection.JitterFactor, p.renewDeadline)
	}
	return nil
}

// An election says which of several processes serves the node: only its leader creates and
// deletes groups.
type election struct {
	client    kubernetes.Interface
	namespace string // of the Lease
	name      string // of the Lease: one a node
	identity  string // of this process: unlike every other's
	pace      pace
	log       *slog.Logger

	standingBy atomic.Bool // another process leads
}

func newElection(client kubernetes.Interface, f *flags, log *slog.Logger) *election {
	return &election{client: client, namespace: f.leaseNamespace, name: "ecideck-node-" + f.nodeName, identity: identity(), pace: f.pace, log: log}
}

// identity is the pod's name where there is one: a container that is started again is the
// same candidate and goes on at once, and its predecessor is surely dead. Elsewhere it is
// the host's name with something that no other process has.
func identity() string {
	if pod := os.Getenv("POD_NAME"); pod != "" {
		return pod
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "_" + string(uuid.NewUUID())
}

// run leads term after term until the context ends. A term's context ends when the
// leadership is lost, and the next election begins only when the term has returned; the
// lease is given back after that too, so that no two terms ever overlap. An error of a term
// that lost nothing ends run with that error.
func (e *election) run(ctx context.Context, term func(context.Context) error) error {
	for ctx.Err() == nil {
		if err := e.lead(ctx, term); err != nil {
			return err
		}
	}
	return nil
}

// lead waits for the leadership and serves one term.
func (e *election) lead(ctx context.Context, term func(context.Context) error) error {
	// The lease outlives the context by the time that the term needs to end.
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var state atomic.Int32 // waiting, then either serving or abandoned
	const serving, abandoned = 1, 2
	defer context.AfterFunc(ctx, func() {
		if state.CompareAndSwap(0, abandoned) {
			release()
		}
	})()
	ended := make(chan error, 1)
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: e.namespace, Name: e.name},
		Client:     e.client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: e.identity},
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          lock,
		LeaseDuration: e.pace.leaseDuration, RenewDeadline: e.pace.renewDeadline, RetryPeriod: e.pace.retryPeriod,
		// The library would release the lease before it ends the term.
		ReleaseOnCancel: false,
		Name:            e.name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leadership context.Context) {
				if !state.CompareAndSwap(0, serving) {
					return
				}
				e.standingBy.Store(false)
				e.log.InfoContext(ctx, "leading", "lease", e.namespace+"/"+e.name)
				ended <- e.serve(ctx, leadership, term)
				release()
			},
			OnStoppedLeading: func() {},
			OnNewLeader: func(identity string) {
				if identity != "" && identity != e.identity {
					e.standingBy.Store(true)
					e.log.InfoContext(ctx, "standing by", "leader", identity)
				}
			},
		},
	})
	if err != nil {
		return fmt.Errorf("electing a leader: %w", err)
	}
	elector.Run(held)
	if !state.CompareAndSwap(0, abandoned) && state.Load() == serving {
		err = <-ended
	}
	if err != nil || ctx.Err() != nil {
		e.giveBack(ctx, lock)
		return err
	}
	e.log.WarnContext(ctx, "the leadership is lost: its lease could not be renewed; groups keep running", "lease", e.namespace+"/"+e.name)
	return nil
}

// serve runs a term until it fails, the leadership is lost or the process shall end; the
// last two are no errors.
func (e *election) serve(ctx, leadership context.Context, term func(context.Context) error) error {
	serving, stop := context.WithCancel(leadership)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	err := term(serving)
	switch {
	case serving.Err() != nil:
		return nil
	case err == nil:
		return errors.New("the node's controllers ended by themselves")
	}
	return err
}

// giveBack lets another process lead at once, instead of when the lease has run out.
func (e *election) giveBack(ctx context.Context, lock resourcelock.Interface) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	record, _, err := lock.Get(ctx)
	if err == nil && record.HolderIdentity == e.identity {
		record.HolderIdentity, record.LeaseDurationSeconds = "", 1
		err = lock.Update(ctx, *record)
	}
	if err != nil {
		e.log.DebugContext(ctx, "the lease was not given back and will run out", "err", err)
	}
}
