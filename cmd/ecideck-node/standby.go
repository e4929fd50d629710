package main

import (
	"net/http"
	"sync"
	"time"
)

// standbyPatience is how long a request to a kubelet port waits for this process to lead, and to
// know the node's pods. A process that lost its lease because the API server was away leads again
// one jittered retry (4 to 9 seconds) after the API server is back, and `kubectl logs` of that
// moment is late then, and doesn't fail.
const standbyPatience = 10 * time.Second

// standby is the kubelet port of a process that may not lead. It is safe for concurrent use;
// its zero value leads nothing.
type standby struct {
	mu      sync.Mutex
	handler http.Handler
	leads   chan struct{} // closed when there is a handler; nil when nobody waits
}

// serves says what answers from now on; nil: this process leads no longer.
func (s *standby) serves(handler http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = handler
	if handler != nil && s.leads != nil {
		close(s.leads)
		s.leads = nil
	}
}

// current is the handler, or else what is closed when there is one.
func (s *standby) current() (http.Handler, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handler == nil && s.leads == nil {
		s.leads = make(chan struct{})
	}
	return s.handler, s.leads
}

// ServeHTTP implements http.Handler. It waits for the leadership as long as standbyPatience.
func (s *standby) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	patience := time.NewTimer(standbyPatience)
	defer patience.Stop()
	for {
		handler, leads := s.current()
		if handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
		select {
		case <-leads:
		case <-r.Context().Done():
			return
		case <-patience.C:
			// Not 503: of that the API server keeps the words from its client.
			http.Error(w, "this ecideck-node stands by, or has begun to lead and doesn't know the node's pods yet, for "+standbyPatience.String()+"; the node's address will be its leader's: try again", http.StatusInternalServerError)
			return
		}
	}
}
