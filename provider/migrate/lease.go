package migrate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/placement"
)

const (
	leaseDuration = 30 * time.Second
	leaseRenewal  = 10 * time.Second
	// leaseDead is how old a renewal must be to be taken for dead without watching it: clocks
	// of two machines may differ by that much.
	leaseDead = 10 * time.Minute
	// labelLease marks the Leases of targets, so that they are found.
	labelLease = "ecideck.io/lease"
	// leaseLocal is its value where the operation's journal is a file of its machine.
	leaseLocal = "local"
)

// A Held error says that somebody else acts on a target, or has begun to.
type Held struct {
	Target    Ref
	Operation string
	By        string
	Alive     bool // its process runs
}

func (h *Held) Error() string {
	reason, remedy := h.sentence()
	return reason + ": " + remedy
}

// sentence is what is the matter, and what helps.
func (h *Held) sentence() (reason, remedy string) {
	if h.Alive {
		return fmt.Sprintf("operation %s of %s is at work on %s", h.Operation, h.By, h.Target), fmt.Sprintf("see `ecideck ops show %s`, and wait until it has ended", h.Operation)
	}
	return fmt.Sprintf("operation %s of %s has stopped halfway on %s", h.Operation, h.By, h.Target), fmt.Sprintf("first `ecideck ops resume %[1]s` or `ecideck ops abort %[1]s`", h.Operation)
}

// A lock is the Lease of one target.
type lock struct {
	client kubernetes.Interface
	target Ref
	holder string
	op     string
	lease  *coordinationv1.Lease
}

// leaseName is a target's; long names are told apart by a hash.
func leaseName(target Ref) string {
	name := "ecideck-" + strings.ToLower(target.Kind) + "-" + target.Name
	const most = 200
	if len(name) > most {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name)) // never fails
		name = name[:most] + "-" + strconv.FormatUint(h.Sum64(), 36)
	}
	return name
}

func leaseHome(target Ref) string {
	if target.Namespace == "" {
		return metav1.NamespaceSystem
	}
	return target.Namespace
}

// A fate is what becomes of an operation.
type fate int

const (
	unknown fate = iota // it has no journal, or not yet: it may begin in a moment
	unended             // it has not ended
	over                // it needs nobody any more
)

// take acquires the lease. One that another process of the same operation holds, or one of an
// operation that is about to begin, is waited for, until it is seen not to be renewed for as
// long as it lasts: whether it has expired is judged by our own clock alone. An API server that
// is away is waited for, too.
func (l *lock) take(ctx context.Context, fateOf func(ctx context.Context, id string) (fate, error), waiting func(string)) error {
	return Persist(ctx, l.client, waiting, func(ctx context.Context) error { return l.try(ctx, fateOf, waiting) })
}

func (l *lock) try(ctx context.Context, fateOf func(ctx context.Context, id string) (fate, error), waiting func(string)) error {
	leases := l.client.CoordinationV1().Leases(leaseHome(l.target))
	var seen *coordinationv1.Lease
	var since time.Time
	for {
		now := time.Now()
		lease, err := leases.Get(ctx, leaseName(l.target), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName(l.target), Namespace: leaseHome(l.target)}}
			l.fill(lease, now)
			made, err := leases.Create(ctx, lease, metav1.CreateOptions{FieldManager: Manager})
			if err == nil {
				l.lease = made
				return nil
			}
			if !apierrors.IsAlreadyExists(err) {
				return fmt.Errorf("taking the lease of %s: %w", l.target, err)
			}
			continue
		case err != nil:
			return fmt.Errorf("reading the lease of %s: %w", l.target, err)
		}
		other, holder := lease.Annotations[placement.LabelOperation], ""
		if lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		if seen == nil || seen.ResourceVersion != lease.ResourceVersion {
			seen, since = lease, now
		}
		renewed := time.Time{}
		if lease.Spec.RenewTime != nil {
			renewed = lease.Spec.RenewTime.Time
		}
		dead := holder == "" || holder == l.holder || now.Sub(renewed) > leaseDead || now.Sub(since) >= leaseDuration
		what := over
		if other != "" && other != l.op {
			if what, err = fateOf(ctx, other); err != nil {
				return fmt.Errorf("looking for operation %s, which has the lease of %s: %w", other, l.target, err)
			}
		} else if other == l.op {
			what = unknown
		}
		if what == unended {
			return &Held{Target: l.target, Operation: other, By: holder, Alive: now.Sub(renewed) < leaseDuration}
		}
		// What is over needs nobody; its process may have died before it gave the lease back.
		if dead || what == over {
			l.fill(lease, now)
			made, err := leases.Update(ctx, lease, metav1.UpdateOptions{FieldManager: Manager})
			if err == nil {
				l.lease = made
				return nil
			}
			if !apierrors.IsConflict(err) {
				return fmt.Errorf("taking the lease of %s: %w", l.target, err)
			}
			continue
		}
		doing := "still be at work on"
		if other != l.op {
			doing = "be about to begin operation " + other + " on"
		}
		waiting(fmt.Sprintf("%s may %s %s: waiting until it ends, or has not been heard of for %s", holder, doing, l.target, leaseDuration))
		if err := sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

func (l *lock) fill(lease *coordinationv1.Lease, now time.Time) {
	at, duration := metav1.NewMicroTime(now), int32(leaseDuration/time.Second)
	lease.Spec.HolderIdentity, lease.Spec.AcquireTime, lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds = &l.holder, &at, &at, &duration
	if lease.Annotations == nil {
		lease.Annotations = map[string]string{}
	}
	lease.Annotations[placement.LabelOperation] = l.op
	metav1.SetMetaDataLabel(&lease.ObjectMeta, labelLease, "true")
}

// local has the lease say, from its next renewal on, that nobody finds its operation in the
// cluster.
func (l *lock) local() { metav1.SetMetaDataLabel(&l.lease.ObjectMeta, labelLease, leaseLocal) }

// pruneLeases removes the leases of operations that were killed before they had begun, or
// after they had ended. They keep nobody from anything, and would be there for ever.
func pruneLeases(ctx context.Context, client kubernetes.Interface, unended map[string]bool, now time.Time) error {
	list, err := client.CoordinationV1().Leases(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: labelLease})
	if err != nil {
		return fmt.Errorf("looking for leases of operations: %w", err)
	}
	for i := range list.Items {
		lease := &list.Items[i]
		last := lease.CreationTimestamp.Time
		if lease.Spec.RenewTime != nil {
			last = lease.Spec.RenewTime.Time
		}
		keep := straySo
		if lease.Labels[labelLease] == leaseLocal {
			keep = keptFor
		}
		if unended[lease.Annotations[placement.LabelOperation]] || now.Sub(last) < keep {
			continue
		}
		if err := (&lock{client: client, target: Ref{Kind: "Lease", Namespace: lease.Namespace, Name: lease.Name}, lease: lease}).release(ctx); err != nil {
			return err
		}
	}
	return nil
}

// errLost says that a lease has another holder.
var errLost = errors.New("the lease was taken by another process")

// renew keeps the lease. An API server that doesn't answer is an error too.
func (l *lock) renew(ctx context.Context) error {
	leases := l.client.CoordinationV1().Leases(leaseHome(l.target))
	at := metav1.NewMicroTime(time.Now())
	l.lease.Spec.RenewTime = &at
	lease, err := leases.Update(ctx, l.lease, metav1.UpdateOptions{FieldManager: Manager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		if err = l.reread(ctx); err == nil {
			return nil
		} else if errors.Is(err, errLost) {
			return fmt.Errorf("%s: %w", l.target, err)
		}
	}
	if err != nil {
		return fmt.Errorf("renewing the lease of %s: %w", l.target, err)
	}
	l.lease = lease
	return nil
}

// reread is for where the API server knows another version of the lease: the answer to a renewal
// was lost, or the lease is another's, which is errLost.
func (l *lock) reread(ctx context.Context) error {
	lease, err := l.client.CoordinationV1().Leases(leaseHome(l.target)).Get(ctx, l.lease.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != l.holder || lease.Annotations[placement.LabelOperation] != l.op {
		return errLost
	}
	metav1.SetMetaDataLabel(&lease.ObjectMeta, labelLease, l.lease.Labels[labelLease]) // see local
	l.lease = lease
	return nil
}

// leave makes a call that ends this process's hold of the lease, unless it is gone or another's.
func (l *lock) leave(ctx context.Context, call func() error) error {
	err := call()
	for apierrors.IsConflict(err) {
		if err = l.reread(ctx); err == nil {
			err = call()
		}
	}
	if apierrors.IsNotFound(err) || errors.Is(err, errLost) {
		return nil
	}
	return err
}

// rest leaves the lease with its holder's name on it and nobody at work: whoever resumes the
// operation need not wait, and no other operation takes it.
func (l *lock) rest(ctx context.Context) error {
	err := l.leave(ctx, func() error {
		at := metav1.NewMicroTime(time.Now().Add(-leaseDead - leaseDuration))
		l.lease.Spec.RenewTime = &at
		_, err := l.client.CoordinationV1().Leases(leaseHome(l.target)).Update(ctx, l.lease, metav1.UpdateOptions{FieldManager: Manager})
		return err
	})
	if err != nil {
		return fmt.Errorf("leaving the lease of %s: %w", l.target, err)
	}
	return nil
}

// release gives the lease back; the next one to want it does not wait.
func (l *lock) release(ctx context.Context) error {
	err := l.leave(ctx, func() error {
		version, uid := l.lease.ResourceVersion, l.lease.UID
		return l.client.CoordinationV1().Leases(leaseHome(l.target)).Delete(ctx, l.lease.Name,
			metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
	})
	if err != nil {
		return fmt.Errorf("giving the lease of %s back: %w", l.target, err)
	}
	return nil
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// alive tells that a process of an operation has renewed the lease lately.
func (l *lock) alive(ctx context.Context, operation string, now time.Time) (bool, error) {
	lease, err := l.client.CoordinationV1().Leases(leaseHome(l.target)).Get(ctx, leaseName(l.target), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the lease of %s: %w", l.target, err)
	}
	holder := lease.Spec.HolderIdentity
	return lease.Annotations[placement.LabelOperation] == operation && holder != nil && *holder != "" &&
		lease.Spec.RenewTime != nil && now.Sub(lease.Spec.RenewTime.Time) < leaseDuration, nil
}
