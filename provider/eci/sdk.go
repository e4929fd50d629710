package eci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
)

const apiVersion = "2018-08-08"

// poolSize is how many calls run at once. A call takes some 100 ms, so that is far above
// the 33 calls a second that the busiest rate limit allows.
const poolSize = 16

// A caller sends signed requests. The SDK's client has data races when two goroutines share
// one and knows no context: a caller lends one SDK client to one call at a time, and runs
// the call in a goroutine that the caller of call needn't wait for.
type caller struct {
	scheme, host string
	timeouts     [2]time.Duration // connect, read
	idle         chan *slot
}

// A slot is one SDK client and the context of the call that uses it.
type slot struct {
	client *sdk.Client
	ctx    *callContext // nil: the SDK's own transport
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
	c := &caller{scheme: scheme, host: host, timeouts: [2]time.Duration{o.ConnectTimeout, o.ReadTimeout}, idle: make(chan *slot, poolSize)}
	if c.timeouts[0] == 0 {
		c.timeouts[0] = 5 * time.Second
	}
	if c.timeouts[1] == 0 {
		c.timeouts[1] = 15 * time.Second
	}
	var provider credentials.CredentialsProvider = &chain{fresh: func() credentials.CredentialsProvider {
		return credentials.NewDefaultCredentialsProvider()
	}}
	if o.AccessKeyID != "" {
		provider = credentials.NewStaticAKCredentialsProvider(o.AccessKeyID, o.AccessKeySecret)
	}
	for range poolSize {
		s := &slot{}
		config := sdk.NewConfig().WithScheme(scheme)
		config.UserAgent = "ecideck"
		if o.Transport != nil {
			s.ctx = &callContext{base: o.Transport}
			config.Transport = s.ctx
		} else {
			// Of this type the SDK sets dialer, proxy and TLS itself, on every call; the idle
			// timeout, which it never sets, keeps a dropped Client from holding connections.
			config.Transport = &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second}
		}
		if s.client, err = sdk.NewClientWithOptions(o.Region, config, provider); err != nil {
			return nil, fmt.Errorf("making an SDK client for region %q: %w", o.Region, err)
		}
		c.idle <- s
	}
	return c, nil
}

// call sends one request and returns the answer's HTTP status and body, whatever they are;
// an error means that there was no answer. When ctx ends it returns at once: the request may
// still arrive, and its slot stays taken until the SDK gives up.
func (c *caller) call(ctx context.Context, region, action string, params map[string]string) (int, []byte, error) {
	var s *slot
	select {
	case s = <-c.idle:
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("%s: %w", action, ctx.Err())
	}
	// The SDK writes into the maps of its request, so each attempt gets a new one: a
	// request that is used twice also keeps parameters of the first time.
	request := requests.NewCommonRequest()
	request.Method = requests.POST
	request.Scheme, request.Domain = c.scheme, c.host
	request.Product, request.Version, request.ApiName = "Eci", apiVersion, action
	request.QueryParams["RegionId"] = region
	for key, value := range params {
		request.FormParams[key] = value
	}
	request.SetConnectTimeout(c.timeouts[0])
	request.SetReadTimeout(c.timeouts[1])

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
			return 0, nil, fmt.Errorf("%s: %w", action, ctx.Err())
		}
		if a.err != nil {
			return 0, nil, transportError(action, a.err)
		}
		return a.status, a.body, nil
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("%s: %w", action, ctx.Err())
	}
}

func (s *slot) send(ctx context.Context, request *requests.CommonRequest) (status int, body []byte, err error) {
	response := responses.NewCommonResponse()
	// The SDK panics on error bodies whose Code or Message isn't a string. By then the
	// response holds the body, which is decoded here and not by the SDK.
	defer func() {
		cause := recover()
		if status, body = response.GetHttpStatus(), response.GetHttpContentBytes(); status != 0 {
			err = nil
		} else if cause != nil {
			err = fmt.Errorf("the SDK failed: %v", cause)
		}
	}()
	if s.ctx != nil {
		s.ctx.set(ctx)
	}
	request.TransToAcsRequest()
	err = s.client.DoAction(request, response)
	return 0, nil, err
}

// callContext gives the requests of a slot the context of its call, which the SDK has no
// way to pass. It also hides the type of the transport, which the SDK would change and
// which the slots share.
type callContext struct {
	base http.RoundTripper
	mu   sync.Mutex
	ctx  context.Context
}

func (t *callContext) set(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx = ctx
}

func (t *callContext) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	call := t.ctx
	t.mu.Unlock()
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(call, func() { cancel(call.Err()) })
	response, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel(nil)
		return nil, err
	}
	response.Body = &callBody{ReadCloser: response.Body, end: func() { stop(); cancel(nil) }}
	return response, nil
}

// callBody ends a request's context when its body was read.
type callBody struct {
	io.ReadCloser
	end func()
}

func (b *callBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
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
