package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// A recorder is an API server before the real one that writes down what would change
// something: everything but reads, dry runs and questions. At one of the changes it can cut
// its client off.
type recorder struct {
	*httptest.Server
	mu      sync.Mutex
	changes []string
	refused int // evictions
	steps   int // changes without renewals of leases
	// cut, if any, is asked at each step whether its answer gets lost; lost is called before
	// that, when the step was carried out.
	cut   func(step int) bool
	lost  func(step int, change string, code int)
	ended bool          // nothing passes any more: its client is dead
	ahead time.Duration // of its client's clock
}

// dieAt kills whoever talks through the recorder at its n-th step, once the API server has
// carried that out and before its answer arrives. What it gives tells where that was, whether
// it was, and what was asked for until then.
func (r *recorder) dieAt(n int, kill func()) (told func() (at string, killed bool, changes []string)) {
	at := ""
	r.loseAt(func(step int) bool { return step == n }, func(step int, change string, code int) {
		r.mu.Lock()
		r.ended, at = true, fmt.Sprintf("step %d, %s (%d)", step, change, code)
		r.mu.Unlock()
		kill()
	})
	return func() (string, bool, []string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return at, r.ended, slices.Clone(r.changes)
	}
}

// loseAt keeps the answers of some steps from whoever talks through the recorder, and calls
// lost before that.
func (r *recorder) loseAt(cut func(step int) bool, lost func(step int, change string, code int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut, r.lost = cut, lost
}

// isEviction marks a request's context: an eviction that is no dry run.
type isEviction struct{}

func (x *movingTenant) recorder() *recorder {
	x.t.Helper()
	config := x.lab.Config()
	target, err := url.Parse(config.Host)
	if err != nil {
		x.t.Fatal(err)
	}
	// Who brings no token is the lab's admin.
	nobody, err := rest.TransportFor(&rest.Config{Host: config.Host, TLSClientConfig: rest.TLSClientConfig{CAData: config.CAData, CAFile: config.CAFile}})
	if err != nil {
		x.t.Fatal(err)
	}
	admin, err := rest.TransportFor(config)
	if err != nil {
		x.t.Fatal(err)
	}
	r := &recorder{}
	proxy := &httputil.ReverseProxy{Transport: transport(func(q *http.Request) (*http.Response, error) {
		if q.Header.Get("Authorization") == "" {
			return admin.RoundTrip(q)
		}
		return nobody.RoundTrip(q)
	}), Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
		// An API server that is away answers nothing.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: func(a *http.Response) error {
			if strings.HasSuffix(a.Request.URL.Path, "/selfsubjectreviews") {
				return r.date(a)
			}
			if a.Request.Context().Value(isEviction{}) != nil && a.StatusCode == http.StatusTooManyRequests {
				r.mu.Lock()
				r.refused++
				r.mu.Unlock()
			}
			return nil
		}}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.serve(w, q, proxy) }))
	x.t.Cleanup(r.Close)
	return r
}

// A transport is a function that is one.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(q *http.Request) (*http.Response, error) { return t(q) }

func (r *recorder) serve(w http.ResponseWriter, q *http.Request, proxy http.Handler) {
	reads := q.Method == http.MethodGet || q.Method == http.MethodHead || strings.Contains(q.URL.Path, "subjectaccessreviews") || strings.Contains(q.URL.Path, "selfsubjectreviews")
	dry := q.URL.Query().Get("dryRun") == "All"
	if strings.HasSuffix(q.URL.Path, "/eviction") && !dry { // its dry run is said in the body
		raw, err := io.ReadAll(q.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		dry = bytes.Contains(raw, []byte("All"))
		q.Body = io.NopCloser(bytes.NewReader(raw))
	}
	change := q.Method + " " + q.URL.Path
	step, cut := 0, false
	r.mu.Lock()
	lost := r.lost
	if r.ended {
		r.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	if !reads && !dry {
		r.changes = append(r.changes, change)
		if strings.HasSuffix(q.URL.Path, "/eviction") {
			q = q.WithContext(context.WithValue(q.Context(), isEviction{}, true))
		}
		if q.Method != http.MethodPut || !strings.Contains(q.URL.Path, "/leases/") {
			r.steps++
			step, cut = r.steps, r.cut != nil && r.cut(r.steps)
		}
	}
	r.mu.Unlock()
	if !cut {
		proxy.ServeHTTP(w, q)
		return
	}
	answer := httptest.NewRecorder()
	proxy.ServeHTTP(answer, q)
	lost(step, change, answer.Code)
	panic(http.ErrAbortHandler)
}

// wrong sets how far the API server's clock is ahead of its client's.
func (r *recorder) wrong(ahead time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead = ahead
}

// date changes when the API server says that it answered who one is.
func (r *recorder) date(a *http.Response) error {
	r.mu.Lock()
	ahead := r.ahead
	r.mu.Unlock()
	if ahead == 0 || a.StatusCode != http.StatusCreated {
		return nil
	}
	raw, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
	if err != nil {
		return err
	}
	review, ok := object.(*authenticationv1.SelfSubjectReview)
	if !ok {
		return fmt.Errorf("who one is was answered by %T", object)
	}
	review.CreationTimestamp.Time = review.CreationTimestamp.Add(ahead)
	review.APIVersion, review.Kind = authenticationv1.SchemeGroupVersion.String(), "SelfSubjectReview"
	if raw, err = json.Marshal(review); err != nil {
		return err
	}
	a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	a.Header.Set("Content-Type", "application/json")
	a.Header.Set("Content-Length", strconv.Itoa(len(raw)))
	return nil
}

// kubeconfig is of somebody who talks through the recorder. Without TLS no client sends a token.
func (r *recorder) kubeconfig(x *movingTenant, token string) string {
	x.t.Helper()
	return x.kubeconfig(r.URL, func(auth *clientcmdapi.AuthInfo, cluster *clientcmdapi.Cluster) {
		auth.Token = token
		cluster.CertificateAuthorityData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	})
}
