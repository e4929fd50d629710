package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// glance is how often what is waited for is looked at, and tick how often new items are
	// thought of.
	glance = time.Second
	tick   = 500 * time.Millisecond
	// grace is how long a process that is asked to end goes on where an old pod has gone and
	// its successor is not handed over yet.
	grace = 30 * time.Second
)

// ErrEnded says that the process that was at work on an operation has brought it to its end
// before another one could go on with it.
var ErrEnded = errors.New("has ended meanwhile")

// errInterrupted says that the process was asked to end.
var errInterrupted = errors.New("interrupted")

// An Engine runs one operation. Its fields are set before Run and not changed.
type Engine struct {
	Client kubernetes.Interface
	Audit  AuditDir
	Holder string // who runs it: user@host/pid
	// Report gets a copy after each change, one at a time, from goroutines of the engine; it
	// must not block for long. nil: nobody looks.
	Report func(*Operation)
	// Notice gets a sentence on what the engine waits for; nil: nobody looks.
	Notice func(string)

	reporting sync.Mutex // held while Report runs

	ahead time.Duration // how far the API server's clock is ahead; set before items run

	mu       sync.Mutex
	op       *Operation
	journal  *Journal
	aborting bool
}

// Run begins an operation and runs it to its end. The error says why it could not begin, which
// leaves it Planned, or why it was left halfway: then it can be resumed. How it went is in what is
// returned, never nil.
// A context that ends interrupts it: no item is begun any more, those beyond the point of no
// return are brought to their end within half a minute, and the others stay where they are.
func (e *Engine) Run(ctx context.Context, o *Operation) (*Operation, error) {
	o = o.clone()
	o.Runner, o.State = e.Holder, Running
	o.name()
	e.mu.Lock()
	e.op = o
	e.mu.Unlock()
	locks, err := e.lock(ctx, false)
	if err != nil {
		return e.unbegun(err)
	}
	if e.journal, err = Begin(ctx, e.Client, e.Audit, o); err != nil {
		return e.unbegun(errors.Join(err, release(locks)))
	}
	return e.run(ctx, locks)
}

// unbegun is what Run returns of an operation of which it did nothing.
func (e *Engine) unbegun(err error) (*Operation, error) {
	o := e.copy()
	o.State, o.Reason, o.Began, o.Runner = Planned, "it was not begun: "+err.Error(), time.Time{}, ""
	return o, err
}

// Enroll writes an operation down and takes its targets' leases, and leaves it there: another
// process, which does not have to be this one's, begins it by Resume.
func (e *Engine) Enroll(ctx context.Context, o *Operation) (*Operation, error) {
	o = o.clone()
	o.Runner, o.State, o.Reason = e.Holder, Interrupted, "it is left to a process of its own to begin"
	o.name()
	e.mu.Lock()
	e.op = o
	e.mu.Unlock()
	locks, err := e.lock(ctx, false)
	if err != nil {
		return e.copy(), err
	}
	journal, err := Begin(ctx, e.Client, e.Audit, o)
	if err != nil {
		return e.copy(), errors.Join(err, release(locks))
	}
	for _, l := range locks {
		if journal.local {
			l.local()
		}
		err = errors.Join(err, l.rest(ctx))
	}
	return e.copy(), errors.Join(err, journal.Close())
}

// Resume goes on with an operation that was loaded. With abort what is not beyond the point
// of no return goes back. Where its process lives, that one is waited for, and ErrEnded tells
// that it has done it all.
func (e *Engine) Resume(ctx context.Context, o *Operation, abort bool) (*Operation, error) {
	o = o.clone()
	if o.State.Ended() {
		return o, fmt.Errorf("operation %s has ended: %s", o.ID, o.State)
	}
	e.mu.Lock()
	e.op, e.aborting = o, abort || o.State == Aborting
	e.mu.Unlock()
	locks, err := e.lock(ctx, true)
	if err != nil {
		return e.copy(), err
	}
	// Its process may have written since it was loaded.
	var fresh *Operation
	if err := Persist(ctx, e.Client, e.notice, func(ctx context.Context) (err error) { fresh, err = reload(ctx, e.Client, e.Audit, o); return err }); err != nil {
		return e.copy(), errors.Join(err, leave(locks))
	} else if fresh.State.Ended() {
		return fresh, errors.Join(fmt.Errorf("operation %s %w: %s", o.ID, ErrEnded, fresh.State), release(locks))
	} else {
		o = fresh
	}
	e.mu.Lock()
	o.State = Running
	if e.aborting {
		o.State = Aborting
	}
	e.op = o
	e.mu.Unlock()
	if err = Persist(ctx, e.Client, e.notice, func(ctx context.Context) (err error) {
		e.journal, err = Resume(ctx, e.Client, e.Audit, o, e.Holder)
		return err
	}); err != nil {
		return e.copy(), errors.Join(err, leave(locks))
	}
	return e.run(ctx, locks)
}

func reload(ctx context.Context, client kubernetes.Interface, audit AuditDir, o *Operation) (*Operation, error) {
	now, err := Find(ctx, client, audit, o.Plan.Home, o.ID)
	if now != nil {
		return now, nil
	}
	return nil, errors.Join(fmt.Errorf("operation %s is not in the journal any more", o.ID), err)
}

// Abort takes back what can be taken back; Run then returns. It may be called at any time.
func (e *Engine) Abort() {
	e.mu.Lock()
	e.aborting = true
	e.mu.Unlock()
}

// lock takes the leases of all targets, or none: one after the other in one order for all, so
// that two that want the same don't wait for each other. Those of an operation that is gone on
// with are taken together, because a process that is gone leaves all of them to run out at once.
func (e *Engine) lock(ctx context.Context, together bool) ([]*lock, error) {
	begin := time.Now()
	fateOf := func(ctx context.Context, id string) (fate, error) {
		var err error
		// Who may read one namespace only still finds most.
		for _, namespace := range []string{e.op.Plan.Home, metav1.NamespaceAll} {
			var o *Operation
			if o, err = Find(ctx, e.Client, e.Audit, namespace, id); o != nil {
				return map[bool]fate{false: unended, true: over}[o.State.Ended()], nil
			}
			if err != nil && !apierrors.IsForbidden(err) {
				return unknown, err
			}
		}
		if apierrors.IsForbidden(err) { // where its journal is can't be seen
			return unended, nil
		}
		return unknown, err
	}
	var telling sync.Mutex
	notice := func(text string) {
		telling.Lock()
		defer telling.Unlock()
		e.notice(text)
	}
	targets := slices.Clone(e.op.Plan.Locks)
	slices.SortFunc(targets, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(leaseHome(a), leaseHome(b)), cmp.Compare(leaseName(a), leaseName(b)))
	})
	locks := make([]*lock, len(targets))
	all, held := errgroup.WithContext(ctx)
	all.SetLimit(1)
	if together {
		const most = 20
		all.SetLimit(most)
	}
	for i, target := range targets {
		locks[i] = &lock{client: e.Client, target: target, holder: e.Holder, op: e.op.ID}
		all.Go(func() error {
			if err := held.Err(); err != nil {
				return err // another one could not be taken
			}
			return locks[i].take(held, fateOf, notice)
		})
	}
	err := all.Wait() // the first one
	// The first may have run out while the last was waited for.
	for _, l := range locks {
		if err == nil && time.Since(begin) > leaseRenewal {
			err = Persist(ctx, l.client, notice, l.renew)
		}
	}
	switch {
	case err != nil && together: // the operation is not over
		return nil, errors.Join(err, leave(locks))
	case err != nil:
		return nil, errors.Join(err, release(locks))
	}
	return locks, nil
}

func release(locks []*lock) error { return each(locks, (*lock).release) }

// leave gives up leases of an operation that another process is to go on with.
func leave(locks []*lock) error { return each(locks, (*lock).rest) }

// each makes a call for all leases, also when the process was asked to end.
func each(locks []*lock, call func(*lock, context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), perCall)
	defer cancel()
	var errs []error
	for _, l := range locks {
		if l.lease != nil {
			errs = append(errs, call(l, ctx))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) notice(text string) {
	if e.Notice != nil {
		e.Notice(text)
	}
}

// run is Run once everything is held.
func (e *Engine) run(outer context.Context, locks []*lock) (*Operation, error) {
	defer e.journal.Close() // every line was synced
	for _, l := range locks {
		if e.journal.local {
			l.local()
		}
	}
	ctx, stop := context.WithCancelCause(outer)
	call, cancel := context.WithTimeout(ctx, perCall)
	e.ahead = skew(call, e.Client)
	cancel()
	var keeper sync.WaitGroup
	keeper.Go(func() { e.keep(ctx, locks, stop) })
	err := e.work(ctx, stop)
	stop(errInterrupted)
	keeper.Wait()
	// Somebody who asked this process to end waits for it; otherwise there is time.
	left := perCall
	if outer.Err() == nil {
		left = farewell
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(outer), left)
	defer cancel()
	e.mu.Lock()
	if err != nil {
		e.op.State, e.op.Reason = Interrupted, err.Error()
	} else {
		e.op.State, e.op.Reason = e.op.conclude()
		e.op.Ended = time.Now()
	}
	last := e.op.clone()
	e.mu.Unlock()
	e.report()
	if errors.Is(err, ErrTaken) || errors.Is(err, errLost) {
		return last, err // the journal and the leases are another's
	}
	err = errors.Join(err, again(end, func(ctx context.Context) error { return e.journal.Operation(ctx, last) }))
	if last.State.Ended() {
		err = errors.Join(err, again(end, func(context.Context) error { return release(locks) }))
	} else {
		for _, l := range locks {
			err = errors.Join(err, again(end, l.rest))
		}
	}
	return last, err
}

// keep renews the leases and listens for an abort from elsewhere.
func (e *Engine) keep(ctx context.Context, locks []*lock, stop context.CancelCauseFunc) {
	renewed := time.Now()
	for n := 1; sleep(ctx, leaseRenewal/2) == nil; n++ {
		by, err := e.journal.Wanted(ctx)
		if errors.Is(err, ErrTaken) {
			stop(err)
			return
		}
		if by != "" {
			e.Abort()
		}
		if n%2 == 1 {
			continue
		}
		failed := false
		for _, l := range locks {
			if err := l.renew(ctx); errors.Is(err, errLost) {
				stop(err)
				return
			} else if err != nil {
				failed = true
			}
		}
		if !failed {
			renewed = time.Now()
		} else if time.Since(renewed) > leaseDuration {
			e.notice("the leases could not be renewed for " + time.Since(renewed).Round(time.Second).String() + ": the API server does not answer")
		}
	}
}

// work starts items until none is left, and returns when all that run have ended.
func (e *Engine) work(ctx context.Context, stop context.CancelCauseFunc) error {
	type result struct {
		i   int
		err error
	}
	results := make(chan result)
	flying := map[int]bool{}
	run := func(i int) {
		flying[i] = true
		go func() { results <- result{i, e.item(ctx, i)} }()
	}
	failed := e.cordon(ctx)
	if failed == nil {
		// Of an operation that is resumed: what was on the way.
		for i := range e.copy().Plan.Items {
			if s := e.get(i).State; s != Planned && !s.Ended() {
				run(i)
			}
		}
	}
	health := map[string]Health{}
	asked := time.Time{}
	for {
		if failed == nil && ctx.Err() != nil {
			failed = context.Cause(ctx)
		}
		left := false
		if failed == nil {
			e.mu.Lock()
			if e.aborting && e.op.State == Running {
				e.op.State = Aborting
			}
			e.mu.Unlock()
			o := e.copy()
			if time.Since(asked) > 2*time.Second {
				health, asked = e.health(ctx, o), time.Now()
			}
			start, give := Next(o, health, time.Now())
			for i, why := range give {
				if err := e.end(ctx, i, Aborted, why); err != nil && !transient(err) {
					failed = err
				}
			}
			for _, i := range start {
				e.change(i, func(x *Item) {
					x.State, x.Began = firstState(x.Strategy), time.Now()
				})
				run(i)
			}
			for _, x := range e.copy().Plan.Items {
				left = left || x.State == Planned
			}
		}
		if len(flying) == 0 && (failed != nil || !left) {
			break
		}
		timer := time.NewTimer(tick)
		select {
		case r := <-results:
			delete(flying, r.i)
			if r.err != nil && failed == nil {
				failed = r.err
				stop(r.err)
			}
		case <-timer.C:
		}
		timer.Stop()
	}
	if failed != nil {
		return failed
	}
	if err := e.uncordon(ctx); err != nil {
		return err
	}
	return e.remains(ctx)
}

// firstState is the state of an item that has just begun.
func firstState(s Strategy) State {
	switch s {
	case Swap, Clone:
		return Surging
	case Place:
		return Placing
	case Restart:
		return Steering
	case Rollout, Ordinals, Suspend, Template:
		return Changing
	}
	return Evicting
}

// health looks at the first moved pod of each workload that others wait for.
func (e *Engine) health(ctx context.Context, o *Operation) map[string]Health {
	waiting := map[string]bool{}
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		if x.State == Planned && x.Strategy == Swap {
			waiting[x.Key()] = true
		}
	}
	seen := map[string]Health{}
	for key, x := range o.canaries() {
		if !waiting[key] {
			continue
		}
		if x.Surge.Name == "" { // its ReplicaSet's own pod has taken its place
			seen[key] = Health{Gone: true}
			continue
		}
		pod, err := e.pod(ctx, x.Surge)
		if err != nil {
			continue // not known now
		}
		if pod == nil {
			seen[key] = Health{Gone: true}
			continue
		}
		h := Health{Ready: ready(pod)}
		for _, s := range pod.Status.ContainerStatuses {
			h.Restarts += s.RestartCount
		}
		seen[key] = h
	}
	return seen
}

// item runs one item to its end, or until it is interrupted, which is an error.
func (e *Engine) item(ctx context.Context, i int) error {
	var step func(context.Context, int, *memory) error
	switch x := e.get(i); x.Strategy {
	case Swap:
		step = e.swap
	case Place:
		step = e.place
	case Evict:
		step = e.evict
	case Rollout:
		step = e.rollout
	case Restart:
		step = e.restart
	case Ordinals:
		step = e.ordinals
	case Suspend:
		step = e.resume
	case Template:
		step = e.template
	case Clone:
		step = e.clone
	default:
		return fmt.Errorf("this version of ecideck knows no strategy %q: go on with the one that began the operation", x.Strategy)
	}
	m := &memory{state: e.get(i).State, since: time.Now()}
	work := ctx
	var trouble time.Time // since when the API server does not answer
	var refused refusals
	pause := glance
	for {
		if ctx.Err() != nil && work == ctx {
			if s := e.get(i).State; s != Evicting && s != Adopting {
				return context.Cause(ctx)
			}
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer cancel()
			work, m.hurry = late, true
		}
		if s := e.get(i).State; s != m.state {
			m.state, m.since, m.refused = s, time.Now(), ""
		}
		var err error
		if e.get(i).State.Ended() { // and could not be written down
			err = e.save(work, i, false)
		} else {
			err = step(work, i, m)
		}
		believed := refused.believe(work, e.Client, err)
		switch {
		case err == nil && e.get(i).State.Ended():
			return nil
		case errors.Is(err, errInterrupted) || work.Err() != nil && work != ctx:
			return context.Cause(ctx)
		case err != nil && !transient(err), believed:
			return fmt.Errorf("item %s (%s): %w", e.get(i).ID, subject(e.get(i)), err)
		case err != nil:
			if trouble.IsZero() {
				trouble = time.Now()
			}
			if time.Since(trouble) > patience {
				return fmt.Errorf("the API server has not answered for %s: %w", patience, err)
			}
			pause = min(2*pause, 10*time.Second)
			m.next = pause
		default:
			trouble, pause = time.Time{}, glance
		}
		if d := m.next; d > 0 {
			m.next = 0
			if sleep(work, d+rand.N(d/4+1)) != nil && work != ctx {
				return context.Cause(ctx)
			}
		}
	}
}

// A memory is what one process remembers of an item; nothing that must not be forgotten.
type memory struct {
	state      State
	since      time.Time // it entered state
	readySince time.Time
	refused    string        // what the eviction was refused with
	next       time.Duration // to wait before the next look; 0: look at once
	hurry      bool          // the process was asked to end
	seen       string        // of what is waited for, and since when it is so
	seenSince  time.Time
	hits       int // how often in a row a policy took effect
}

func subject(x Item) Ref { return x.Subject() }

func (e *Engine) copy() *Operation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.op.clone()
}

// get is a copy of an item.
func (e *Engine) get(i int) Item {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.op.Plan.Items[i]
}

// change edits an item in memory and reports it.
func (e *Engine) change(i int, edit func(*Item)) Item {
	e.mu.Lock()
	x := &e.op.Plan.Items[i]
	before := x.State
	steps := append([]Step(nil), x.Steps...) // copies were given out
	x.Steps = steps
	edit(x)
	now := *x
	changed := before != x.State
	e.mu.Unlock()
	if changed {
		e.report()
	}
	return now
}

// save writes an item to the journal.
func (e *Engine) save(ctx context.Context, i int, late bool) error {
	x := e.get(i)
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	return e.journal.Item(call, i, &x, late)
}

func (e *Engine) report() {
	if e.Report == nil {
		return
	}
	e.reporting.Lock()
	defer e.reporting.Unlock()
	e.Report(e.copy())
}

// before writes down that a call is about to be made; without that it must not be made.
func (e *Engine) before(ctx context.Context, i int, state State, reason, verb string, object Ref) error {
	e.change(i, func(x *Item) {
		x.State, x.Reason = state, reason
		x.begin(verb, object, time.Now())
	})
	return e.save(ctx, i, false)
}

// after writes down what became of it. A journal that can't be written now is written later:
// the next step is decided by what the API server says, not by this.
func (e *Engine) after(ctx context.Context, i int, err error, edit func(*Item)) error {
	text := "ok"
	if err != nil {
		text = err.Error()
	}
	e.change(i, func(x *Item) {
		x.answer(text)
		if edit != nil {
			edit(x)
		}
	})
	return e.save(ctx, i, true)
}

// ends closes an item as was decided.
func (e *Engine) ends(ctx context.Context, i int, a action) error {
	e.change(i, func(x *Item) { x.Stuck, x.Gone = a.stuck, a.gone })
	return e.end(ctx, i, a.state, a.reason)
}

// end closes an item.
func (e *Engine) end(ctx context.Context, i int, state State, reason string) error {
	x := e.change(i, func(x *Item) { x.State, x.Reason, x.Ended = state, reason, time.Now() })
	e.event(ctx, &x)
	return e.save(ctx, i, false)
}

// event tells the cluster how an item ended; that it could not be told is no failure.
func (e *Engine) event(ctx context.Context, x *Item) {
	reason, kind := map[State]string{Done: "Migrated", Aborted: "MigrationAborted", Failed: "MigrationFailed"}[x.State], corev1.EventTypeNormal
	if reason == "" || x.Began.IsZero() {
		return
	}
	if x.State == Failed {
		kind = corev1.EventTypeWarning
	}
	now := metav1.Now()
	e.mu.Lock()
	id := e.op.ID
	e.mu.Unlock()
	call, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	const most = 1000
	message := fmt.Sprintf("operation %s: %s: %s", id, x.Subject(), x.Reason)
	_, _ = e.Client.CoreV1().Events(x.Subject().Namespace).Create(call, &corev1.Event{ // see above
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "ecideck-", Namespace: x.Subject().Namespace},
		InvolvedObject: corev1.ObjectReference{Kind: x.Workload.Kind, Namespace: x.Workload.Namespace, Name: x.Workload.Name, UID: x.Workload.UID},
		Reason:         reason, Message: message[:min(len(message), most)], Type: kind, FirstTimestamp: now, LastTimestamp: now, Count: 1,
		Source: corev1.EventSource{Component: Manager}, ReportingController: Manager, ReportingInstance: e.Holder}, metav1.CreateOptions{FieldManager: Manager})
}

// pod reads a pod. It is nil where it is gone or another one has its name.
func (e *Engine) pod(ctx context.Context, r Ref) (*corev1.Pod, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	pod, err := e.Client.CoreV1().Pods(r.Namespace).Get(call, r.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading pod %s: %w", r.Name, err)
	case r.UID != "" && pod.UID != r.UID:
		return nil, nil
	}
	return pod, nil
}
