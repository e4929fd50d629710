package setup

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// refusing is a server that refuses connections until a moment, and says how often it was asked.
type refusing struct {
	until time.Time
	err   error
	asked int
}

func (r *refusing) RoundTrip(*http.Request) (*http.Response, error) {
	r.asked++
	if time.Now().Before(r.until) {
		return nil, r.err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestAWatchWaitsForAServerThatIsAway(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		name, url string
		err       error
		answered  bool
	}{
		{"a refused watch", "https://lab/api/v1/pods?watch=true&resourceVersion=7", refused, true},
		{"a refused list", "https://lab/api/v1/pods", refused, false},
		{"a watch with another error", "https://lab/api/v1/pods?watch=true", errors.New("certificate has expired"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &refusing{until: time.Now().Add(20 * time.Second), err: c.err}
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, nil)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				answer, err := PatientWatches(server).RoundTrip(request)
				if (err == nil) != c.answered {
					t.Fatalf("error %v, want an answer: %t", err, c.answered)
				}
				if err == nil {
					_ = answer.Body.Close()
				}
				if waited := time.Since(begin); c.answered && waited > 21*time.Second || !c.answered && waited > 0 {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}

func TestAWaitingWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://lab/api/v1/pods?watch=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		server := &refusing{until: time.Now().Add(time.Hour), err: syscall.ECONNREFUSED}
		if _, err := PatientWatches(server).RoundTrip(request); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want what the server said last", err)
		}
		if server.asked < 4 {
			t.Errorf("asked %d times in 5 s", server.asked)
		}
	})
}
