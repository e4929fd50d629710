package setup

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestReadOnlySendsNothingThatChanges asks a server that writes down what reaches it.
func TestReadOnlySendsNothingThatChanges(t *testing.T) {
	var mu sync.Mutex
	var reached []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, r.Method+" "+r.URL.RequestURI())
	}))
	t.Cleanup(server.Close)
	g := &Gate{}
	client := &http.Client{Transport: g.Wrap(http.DefaultTransport)}
	for _, c := range []struct {
		request string
		passes  bool
	}{
		{"GET /api/v1/pods", true},
		{"GET /api/v1/namespaces/a/pods/b/log?follow=true", true},
		{"HEAD /api", true},
		{"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true},
		{"POST /apis/authentication.k8s.io/v1/selfsubjectreviews", true},
		{"POST /api/v1/namespaces/a/pods?dryRun=All&fieldManager=ecideck", true},
		{"PATCH /api/v1/namespaces/a/pods/b?dryRun=All", true},
		{"POST /api/v1/namespaces/a/pods", false},
		{"POST /api/v1/namespaces/a/pods?dryRun=", false},
		{"POST /api/v1/namespaces/a/pods?dryRun=None", false},
		{"POST /api/v1/namespaces/a/pods/b/eviction", false},
		{"POST /api/v1/namespaces/a/pods/b/binding", false},
		{"PATCH /api/v1/nodes/n", false},
		{"PUT /api/v1/namespaces/a/configmaps/c", false},
		{"DELETE /api/v1/namespaces/a/pods/b", false},
		{"GET /api/v1/namespaces/a/pods/b/exec?command=sh", false},
		{"POST /api/v1/namespaces/a/pods/b/attach", false},
		{"GET /api/v1/namespaces/a/pods/b/portforward", false},
		{"GET /api/v1/namespaces/a/services/b/proxy/reload", false},
	} {
		for _, closed := range []bool{true, false} {
			g.Close(closed)
			method, uri, _ := strings.Cut(c.request, " ")
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+uri, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err == nil {
				_ = answer.Body.Close()
			} else if !strings.Contains(err.Error(), "read-only") {
				t.Fatal(err)
			}
			mu.Lock()
			got := slices.Contains(reached, c.request)
			reached = nil
			mu.Unlock()
			if want := c.passes || !closed; got != want || (err == nil) != want {
				t.Errorf("closed %t: %s reached the server: %t (%v), want %t", closed, c.request, got, err, want)
			}
		}
	}
}
