package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestARequestToAStandbyWaitsForTheLeadership(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("log")) })
	for name, c := range map[string]struct {
		leads, leaves time.Duration // when; 0: never
		code          int
		body          string
		after         time.Duration
	}{
		"leading already":   {leads: -1, code: 200, body: "log"},
		"leads soon":        {leads: 4 * time.Second, code: 200, body: "log", after: 4 * time.Second},
		"leads too late":    {leads: 11 * time.Second, code: 500, body: "stands by", after: 10 * time.Second},
		"never leads":       {code: 500, body: "the node's address will be its leader's", after: 10 * time.Second},
		"the client leaves": {leaves: 2 * time.Second, code: 200, after: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s standby
				switch {
				case c.leads < 0:
					s.serves(answer)
				case c.leads > 0:
					defer time.AfterFunc(c.leads, func() { s.serves(answer) }).Stop()
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.leaves > 0 {
					defer time.AfterFunc(c.leaves, cancel).Stop()
				}
				begin, w := time.Now(), httptest.NewRecorder()
				s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/containerLogs/a/b/c", nil))
				if w.Code != c.code || !strings.Contains(w.Body.String(), c.body) || time.Since(begin) != c.after {
					t.Errorf("%d %q after %s", w.Code, w.Body, time.Since(begin))
				}
			})
		})
	}
}

func TestALostLeadershipServesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s standby
		s.serves(http.NotFoundHandler())
		s.serves(nil)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
