package collectors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// probeTimeout is how long an API server may take to say that it lives.
const probeTimeout = 3 * time.Second

// ProbeReady makes a Probe of GET /readyz. Any answer below 500 is a living server, also
// one that this user may not read. Watches that share a Probe share its answers: one
// request serves all that ask within two seconds.
func ProbeReady(client rest.Interface) Probe {
	var (
		mu   sync.Mutex
		at   time.Time
		last error
	)
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if !at.IsZero() && time.Since(at) < 2*time.Second {
			return last
		}
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		err := client.Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).Error()
		var status apierrors.APIStatus
		switch {
		case errors.As(err, &status) && status.Status().Code > 0 && status.Status().Code < 500:
			err = nil
		case errors.Is(err, context.DeadlineExceeded):
			err = fmt.Errorf("the API server does not answer within %s", probeTimeout)
		case err != nil:
			err = explainKubernetes("asking whether the API server is ready", err)
		}
		at, last = time.Now(), err
		return err
	}
}
