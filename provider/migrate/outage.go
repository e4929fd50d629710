package migrate

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
)

// An API server may be away, be restarted, or refuse everybody because it has just started. What
// an operation does then is decided here: which errors pass, and how long they are waited for.

const (
	// perCall bounds one call; a lost answer is found out by looking.
	perCall = 30 * time.Second
	// patience is how long the API server may be away before the operation stops where it is.
	patience = 15 * time.Minute
	// farewell is how long an API server may be away before it is given up to begin an operation,
	// or to write down how one has ended; whoever loads it then sees that nobody is at work on it.
	farewell = 2 * time.Minute
	// warmUp is how long a refusal is not believed from an API server that may have just started.
	warmUp = time.Minute
)

// again tries a call until it is answered, or the context ends; then it gives the last error.
func again(ctx context.Context, call func(context.Context) error) error {
	for {
		one, cancel := context.WithTimeout(ctx, perCall)
		err := call(one)
		cancel()
		if err == nil || !transient(err) || sleep(ctx, glance) != nil {
			return err
		}
	}
}

// Persist makes a call until the API server answers, or has not for two minutes, or the context
// ends; then it gives the last error, which is Away. The call has to bear being made again where
// it was carried out and its answer was lost. notice is told once that it waits.
func Persist(ctx context.Context, client kubernetes.Interface, notice func(string), call func(context.Context) error) error {
	return tenacious(ctx, client, farewell, notice, call)
}

// tenacious is Persist with its own patience.
func tenacious(ctx context.Context, client kubernetes.Interface, long time.Duration, notice func(string), call func(context.Context) error) error {
	var away time.Time // since when it is
	var r refusals
	for {
		err := call(ctx)
		believed := r.believe(ctx, client, err)
		switch {
		case err == nil || ctx.Err() != nil || believed:
			return err
		case Away(err):
			if away.IsZero() {
				away = time.Now()
				notice("the API server does not answer; trying for up to " + long.String())
			}
		case !starting(err):
			return err
		}
		if !away.IsZero() && time.Since(away) > long || sleep(ctx, glance) != nil {
			return err
		}
	}
}

// refusals are those since the last answer of another kind. An API server that has just started
// refuses everybody but the system's masters until it has read who may do what.
type refusals struct {
	since   time.Time
	settled bool // it was ready when the last one came
}

// believe tells that an error is a refusal for good: one of an API server that was ready before
// it came, or one that lasts.
func (r *refusals) believe(ctx context.Context, client kubernetes.Interface, err error) bool {
	if !starting(err) {
		*r = refusals{}
		return false
	}
	if r.settled || !r.since.IsZero() && time.Since(r.since) > warmUp {
		return true
	}
	if r.since.IsZero() {
		r.since = time.Now()
	}
	r.settled = settled(ctx, client)
	return false
}

// settled tells that the API server says of itself that it is ready: everybody may ask that.
func settled(ctx context.Context, client kubernetes.Interface) bool {
	if client == nil || client.Discovery().RESTClient() == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
}

// Away tells that an error is an API server's that was not reached, or could not answer.
func Away(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Code >= http.StatusInternalServerError || apierrors.IsTooManyRequests(err)
	}
	return unreached(err)
}

// unreached tells that no API server has seen a call, or none has answered it: its connection
// broke, or what is before it says so.
func unreached(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return slices.Contains([]int32{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, status.Status().Code)
	}
	return errors.As(err, new(net.Error)) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// starting tells that an error may be an API server's that has just started: before it has read
// who may do what, everybody but the system's masters is refused. Admission refuses in other words.
func starting(err error) bool {
	return apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), `forbidden: User "`)
}

// transient tells that trying again may help.
func transient(err error) bool {
	if errors.Is(err, ErrTaken) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return !errors.As(err, new(*fs.PathError)) // the local journal's disk
	}
	switch code := status.Status().Code; {
	case apierrors.IsConflict(err), apierrors.IsTooManyRequests(err), starting(err):
		return true
	case code >= 400 && code < 500:
		return false
	}
	return true
}
