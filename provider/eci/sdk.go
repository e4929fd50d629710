package eci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
)

// A call is one action of a product and its parameters.
type call struct {
	product Product
	action  string
	params  map[string]string
}

// poolSize is how many calls run at once. A call takes some 100 ms, so that is far above
// the 33 calls a second that the busiest rate limit allows.
const poolSize = 16

// A caller sends signed requests. The SDK's client has data races when two goroutines share
// one and knows no context: a caller lends one SDK client to one call at a time, and runs
// the call in a goroutine that the caller of call needn't wait for.
type caller struct {
	scheme, host string
	readTimeout  time.Duration
	idle         chan *slot
}

// A slot is one SDK client and the transport that carries its calls.
type slot struct {
	client  *sdk.Client
	carrier *carrier
}

func newCaller(o Options) (*caller, error) {
	scheme, host, err := endpointOf(o.Endpoint, o.Region)
	if err != nil {
		return nil, err
	}
	if o.Region == "" {
		return nil, errors.New("eci: no region given, for example cn-hangzhou")
	}
	if (o.AccessKeyID == "") != (o.AccessKeySecret == "") {
		return nil, errors.New("eci: an access key needs both its id and its secret")
	}
	c := &caller{scheme: scheme, host: host, readTimeout: o.ReadTimeout, idle: make(chan *slot, poolSize)}
	if c.readTimeout == 0 {
		c.readTimeout = 15 * time.Second
	}
	base := o.Transport
	if base == nil {
		base = newTransport(o.ConnectTimeout)
	}
	var provider credentials.CredentialsProvider = &chain{fresh: func() credentials.CredentialsProvider {
		return credentials.NewDefaultCredentialsProvider()
	}}
	if o.AccessKeyID != "" {
		provider = credentials.NewStaticAKCredentialsProvider(o.AccessKeyID, o.AccessKeySecret)
	}
	for range poolSize {
		s := &slot{carrier: &carrier{base: base}}
		config := sdk.NewConfig().WithScheme(scheme)
		config.UserAgent = "ecideck"
		config.Transport = s.carrier
		if s.client, err = sdk.NewClientWithOptions(o.Region, config, provider); err != nil {
			return nil, fmt.Errorf("making an SDK client for region %q: %w", o.Region, err)
		}
		// The transport knows proxies. The SDK would read NO_PROXY as regular expressions on
		// every call and refuse the call for one that isn't.
		s.client.SetNoProxy("unused")
		c.idle <- s
	}
	return c, nil
}

// newTransport is what all slots share. The SDK would set dialer, proxy and TLS of an
// *http.Transport on every call; behind a carrier it leaves it alone.
func newTransport(connect time.Duration) *http.Transport {
	if connect == 0 {
		connect = 5 * time.Second
	}
	dialer := &net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: poolSize,
		// Keeps a Client that was dropped from holding connections.
		IdleConnTimeout: 30 * time.Second,
	}
}

// call sends one request and returns the answer's HTTP status and body, whatever they are;
// an error means that there was no answer. When ctx ends it returns at once and the request
// is given up with it, which says nothing about whether it arrived.
func (c *caller) call(ctx context.Context, region string, call *call) (int, []byte, error) {
	var s *slot
	select {
	case s = <-c.idle:
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("%s: %w", call.action, ctx.Err())
	}
	// The SDK writes into the maps of its request, so each attempt gets a new one: a
	// request that is used twice also keeps parameters of the first time.
	request := requests.NewCommonRequest()
	request.Method = requests.POST
	request.Scheme, request.Domain = c.scheme, c.hostOf(call.product)
	request.Product, request.Version, request.ApiName = call.product.Name, call.product.Version, call.action
	request.QueryParams["RegionId"] = region
	for key, value := range call.params {
		request.FormParams[key] = value
	}
	request.SetReadTimeout(c.readTimeout)

	type answer struct {
		status int
		body   []byte
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		status, body, err := s.send(ctx, request)
		c.idle <- s
		done <- answer{status, body, err}
	}()
	select {
	case a := <-done:
		if a.err != nil && ctx.Err() != nil {
			return 0, nil, fmt.Errorf("%s: %w", call.action, ctx.Err())
		}
		if a.err != nil {
			return 0, nil, transportError(call.action, a.err)
		}
		return a.status, a.body, nil
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("%s: %w", call.action, ctx.Err())
	}
}

func (s *slot) send(ctx context.Context, request *requests.CommonRequest) (status int, body []byte, err error) {
	s.carrier.begin(ctx)
	// The carrier has the answer; what the SDK makes of it is of no interest. It panics on
	// error bodies whose Code or Message isn't a string, and so might on others.
	defer func() {
		cause := recover()
		if status, body = s.carrier.end(); status != 0 {
			err = nil
		} else if cause != nil {
			err = fmt.Errorf("the SDK failed: %v", cause)
		}
	}()
	request.TransToAcsRequest()
	err = s.client.DoAction(request, responses.NewCommonResponse())
	return 0, nil, err
}

// maxBody is the longest answer that is read. The longest that the API gives is a page of
// twenty groups with their config files, some 2 MiB.
const maxBody = 64 << 20

// A carrier is a slot's way to the network. It gives the requests of a call the call's context,
// which the SDK has no way to pass, and keeps the answer, which the SDK would read twice over
// and take apart in ways that lose half of it.
type carrier struct {
	base http.RoundTripper

	mu     sync.Mutex
	ctx    context.Context
	status int
	body   []byte
}

func (w *carrier) begin(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx, w.status, w.body = ctx, 0, nil
}

// end gives the answer's status and body; the status is 0 when there was none.
func (w *carrier) end() (int, []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	status, body := w.status, w.body
	w.ctx, w.status, w.body = nil, 0, nil
	return status, body
}

// RoundTrip sends a request and reads its answer to the end. The SDK gets an empty one.
func (w *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	call := w.ctx
	w.mu.Unlock()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	if call != nil { // it is nil for nothing that this package sends
		defer context.AfterFunc(call, func() { cancel(call.Err()) })()
	}
	response, err := w.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	body, err := readBody(response)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	w.mu.Lock()
	w.status, w.body = response.StatusCode, body
	w.mu.Unlock()
	response.Body, response.ContentLength = http.NoBody, 0
	return response, nil
}

func readBody(response *http.Response) (body []byte, err error) {
	defer func() {
		if failed := response.Body.Close(); err == nil {
			err = failed
		}
	}()
	var buffer bytes.Buffer
	if n := response.ContentLength; n > 0 && n <= maxBody {
		buffer.Grow(int(n) + bytes.MinRead)
	}
	n, err := buffer.ReadFrom(io.LimitReader(response.Body, maxBody+1))
	if err == nil && n > maxBody {
		err = fmt.Errorf("it is longer than %d MiB", maxBody>>20)
	}
	return buffer.Bytes(), err
}

// A chain is the SDK's credential chain, made anew after a failure: the SDK's remembers the
// provider it tried last even when none had credentials, and asks no other ever again.
type chain struct {
	fresh func() credentials.CredentialsProvider

	mu      sync.Mutex
	current credentials.CredentialsProvider // nil: make one
}

// errCredentials marks an error of the credential chain.
type errCredentials struct{ err error }

func (e *errCredentials) Error() string { return e.err.Error() }
func (e *errCredentials) Unwrap() error { return e.err }

func (c *chain) GetCredentials() (*credentials.Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		c.current = c.fresh()
	}
	cc, err := c.current.GetCredentials()
	if err != nil {
		c.current = nil
		return nil, &errCredentials{err}
	}
	return cc, nil
}

func (c *chain) GetProviderName() string { return "chain" }

// transportError is the typed error of a call that got no answer.
func transportError(action string, err error) error {
	var missing *errCredentials
	if errors.As(err, &missing) {
		return &Error{Action: action, Code: codeNoCredentials, Err: missing.err,
			Message: "no credentials: set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or configure the aliyun CLI, RRSA or an instance role: " + missing.Error()}
	}
	// The text of a url.Error has the URL in it, and that has the access key id, the
	// signature and perhaps a security token.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &Error{Action: action, Message: "no answer: " + err.Error(), Err: err}
}
