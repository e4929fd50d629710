package ecitest_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An asker makes calls without a client, each signed anew.
type asker struct {
	t      *testing.T
	h      http.Handler
	nonces atomic.Int64
}

func newAsker(t *testing.T, h http.Handler) *asker { return &asker{t: t, h: h} }

// ask calls an action with parameters given as names and values.
func (a *asker) ask(action string, params ...string) answer {
	a.t.Helper()
	return send(a.t, a.h, "POST", signed("POST", action, int(a.nonces.Add(1)), func(p map[string]string) {
		for i := 0; i < len(params); i += 2 {
			p[params[i]] = params[i+1]
		}
	}), nil)
}

// ok is ask for an answer that has to be good.
func (a *asker) ok(action string, params ...string) map[string]any {
	a.t.Helper()
	got := a.ask(action, params...)
	if got.status != 200 {
		a.t.Fatalf("%s %v: HTTP %d %s: %v", action, params, got.status, got.code(), got.body["Message"])
	}
	return got.body
}

// refused is ask for an answer that has to be a refusal with that code.
func (a *asker) refused(code, action string, params ...string) {
	a.t.Helper()
	if got := a.ask(action, params...); got.code() != code {
		a.t.Errorf("%s %v: HTTP %d %v; want %s", action, params, got.status, got.body, code)
	}
}

// dig follows names and list positions into a decoded JSON value; nil: there is nothing.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

func number(t *testing.T, v any, path ...any) float64 {
	t.Helper()
	f, ok := dig(v, path...).(float64)
	if !ok {
		t.Fatalf("%v of %v is no number", path, v)
	}
	return f
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
