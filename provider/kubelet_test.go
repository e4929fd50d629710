package provider

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestThePortOfItsOwnTellsLifeReadinessAndMetrics(t *testing.T) {
	p := New(Config{Meter: &meter{}})
	defer p.shutDown()
	metrics := NewMetrics()
	defer metrics.watch(p)()
	var unready error
	handler := HealthHandler(metrics, func() error { return unready })
	get := func(path string) (int, string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return answer.Code, answer.Body.String()
	}
	expect := func(path string, code int, text string) {
		t.Helper()
		if got, body := get(path); got != code || !strings.Contains(body, text) {
			t.Errorf("%s: HTTP status %d, %s", path, got, body)
		}
	}
	expect("/healthz", http.StatusOK, "ok")
	expect("/readyz", http.StatusOK, "ok")
	expect("/metrics", http.StatusOK, "# HELP ecideck_")
	unready = errors.New("its groups are not listed yet")
	expect("/healthz", http.StatusOK, "ok") // it lives, and a restart would not help
	expect("/readyz", http.StatusServiceUnavailable, "not listed yet")
	expect("/pods", http.StatusNotFound, "")
}
