package setup

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// A Gate keeps clients from changing anything while it is closed. It judges what a request
// does, not its verb alone: dry runs and access reviews pass though they are POSTs; shells and
// port forwards are refused though they may be GETs. The zero Gate is open. It may be used by
// several goroutines.
type Gate struct{ closed atomic.Bool }

// Close closes the gate, or opens it.
func (g *Gate) Close(on bool) { g.closed.Store(on) }

// Wrap puts the gate before a transport. It fits rest.Config.Wrap.
func (g *Gate) Wrap(next http.RoundTripper) http.RoundTripper { return gated{g, next} }

type gated struct {
	gate *Gate
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A refused request does not leave the process.
func (t gated) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.gate.closed.Load() && changes(r) {
		if r.Body != nil {
			_ = r.Body.Close() // a transport has to; nobody read it
		}
		return nil, fmt.Errorf("read-only: %s %s was not sent", r.Method, r.URL.Path)
	}
	return t.next.RoundTrip(r)
}

// changes reports whether a request to the API server changes something.
func changes(r *http.Request) bool {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch last := parts[len(parts)-1]; {
	case slices.Contains([]string{"exec", "attach", "portforward", "proxy"}, last) || slices.Contains(parts, "proxy"):
		return true
	case r.Method == http.MethodGet, r.Method == http.MethodHead, r.Method == http.MethodOptions:
		return false
	case r.Method == http.MethodPost && slices.Contains([]string{
		"selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews", "localsubjectaccessreviews", "selfsubjectreviews", "tokenreviews"}, last):
		return false
	}
	// A server that knows no dry run of a request refuses it, it doesn't act.
	dry := r.URL.Query()["dryRun"]
	return !slices.Equal(dry, []string{"All"})
}
