package migrate

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Who really lacks a right is told so at once; who only seems to, because the API server has
// just started, is not.
func TestARefusalOfAnAPIServerThatIsReadyIsBelieved(t *testing.T) {
	const body = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"nodes is forbidden: User \"alice\" cannot list resource \"nodes\""}`
	for name, c := range map[string]struct {
		starts int64 // so many questions after readiness are answered with no
		mends  bool  // then what was refused is allowed
		calls  int64
	}{
		"ready":            {calls: 2}, // once before it was known to be ready, and once after
		"starting":         {starts: 2, mends: true, calls: 3},
		"starting, and no": {starts: 2, calls: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var calls, asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == "/readyz" {
					if asked.Add(1) <= c.starts {
						w.WriteHeader(http.StatusInternalServerError)
					}
					return
				}
				if calls.Add(1); c.mends && asked.Load() >= c.starts {
					_, _ = w.Write([]byte(`{"kind":"NodeList","apiVersion":"v1","items":[]}`))
					return
				}
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(body))
			}))
			defer server.Close()
			client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			err = Persist(t.Context(), client, func(string) {}, func(ctx context.Context) error {
				_, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
				return err
			})
			if c.mends && err != nil || !c.mends && !apierrors.IsForbidden(err) {
				t.Errorf("%v", err)
			}
			if got := calls.Load(); got != c.calls || time.Since(begin) > warmUp/2 {
				t.Errorf("%d calls in %s, want %d", got, time.Since(begin), c.calls)
			}
		})
	}
}
