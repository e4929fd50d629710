package setup

import (
	"errors"
	"net/http"
	"syscall"
	"time"
)

// patience is how often a refused watch is tried again.
const patience = time.Second

// PatientWatches makes watches wait for an API server that refuses connections, instead of
// failing: client-go's reflectors back off from failures up to a minute, and for that long a
// virtual node would not see that its pods were deleted, and go on paying for them. Other
// requests, and other errors, pass unchanged. It fits rest.Config.Wrap.
func PatientWatches(next http.RoundTripper) http.RoundTripper {
	return patientTransport{next}
}

type patientTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper; it ends with the request's context.
func (p patientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		answer, err := p.next.RoundTrip(r)
		if !errors.Is(err, syscall.ECONNREFUSED) || r.Method != http.MethodGet || r.URL.Query().Get("watch") == "" {
			return answer, err
		}
		again := time.NewTimer(patience)
		select {
		case <-again.C:
		case <-r.Context().Done():
			again.Stop()
			return nil, err
		}
	}
}
