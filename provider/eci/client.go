package eci

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say how a Client reaches the API.
type Options struct {
	Region string // cn-hangzhou
	// Endpoint is a host[:port] or a URL; without a scheme HTTPS is used. Empty: the
	// region's public endpoint.
	Endpoint string
	// AccessKeyID and AccessKeySecret are for the emulator and tests. Empty: the SDK's
	// credential chain (environment, OIDC, CLI profile, credentials file, instance role).
	AccessKeyID, AccessKeySecret string
	Transport                    http.RoundTripper // nil: the SDK's own
	Logger                       *slog.Logger      // nil: silent

	// ConnectTimeout and ReadTimeout bound one attempt of a call; 0: 5 and 15 seconds.
	ConnectTimeout, ReadTimeout time.Duration
	// Attempts is how often a call is tried in all; 0: 10, about half a minute of waiting.
	Attempts int
	// Observe is told of every attempt: the action, the API's error code ("" when it went
	// well, "Network" when there was no answer) and how long it took. nil: nobody. It is
	// called from the goroutine of the call and must not block.
	Observe func(action, code string, took time.Duration)
}

// The API's page sizes: asking for more is an error there.
const (
	groupsPerPage   = 20
	statusesPerPage = 200
	eventsPerPage   = 200
	cachesPerPage   = 50
	maxIDs          = 20
)

// A Client calls the API. It may be used by many goroutines.
type Client struct {
	region  string
	caller  *caller
	limits  *limiter
	retries retryPolicy
	log     *slog.Logger
	observe func(action, code string, took time.Duration)
	codes   exitCodes // of commands in containers
}

// New makes a Client; it makes no call.
func New(o Options) (*Client, error) {
	caller, err := newCaller(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		region:  o.Region,
		caller:  caller,
		limits:  newLimiter(),
		retries: newRetryPolicy(o.Attempts),
		log:     o.Logger,
		observe: o.Observe,
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.observe == nil {
		c.observe = func(string, string, time.Duration) {}
	}
	return c, nil
}

// CreateGroup asks for a group and returns its id. Creation is asynchronous: the group
// starts in Scheduling and may still end in ScheduleFailed.
//
// With a ClientToken the call is retried whatever happened to it, since the API answers a
// repeated token with the same group. Without one it is retried only when it was throttled:
// a second try after a lost answer could pay for a second group.
func (c *Client) CreateGroup(ctx context.Context, r *CreateRequest) (string, error) {
	var answer struct {
		head
		ContainerGroupId text
	}
	if err := c.do(ctx, r, r.ClientToken != "", &answer); err != nil {
		return "", fmt.Errorf("creating group %s: %w", r.ContainerGroupName, err)
	}
	if answer.ContainerGroupId == "" {
		return "", fmt.Errorf("creating group %s: %w", r.ContainerGroupName,
			&Error{Action: "CreateContainerGroup", Code: codeBadAnswer, Message: "the answer has no ContainerGroupId", HTTPStatus: http.StatusOK})
	}
	return string(answer.ContainerGroupId), nil
}

// DeleteGroup deletes a group; IsNotFound tells that it was gone already. With preStop hooks
// it is Terminating until they ended or the grace period did.
func (c *Client) DeleteGroup(ctx context.Context, id string) error {
	return c.deleteGroup(ctx, &deleteRequest{ContainerGroupId: id})
}

// DeleteGroupNow deletes a group without waiting for the end of its grace period.
func (c *Client) DeleteGroupNow(ctx context.Context, id string) error {
	return c.deleteGroup(ctx, &deleteRequest{ContainerGroupId: id, Force: true})
}

func (c *Client) deleteGroup(ctx context.Context, r *deleteRequest) error {
	if err := c.do(ctx, r, true, &head{}); err != nil {
		return fmt.Errorf("deleting group %s: %w", r.ContainerGroupId, err)
	}
	return nil
}

// RestartGroup restarts all containers of a group that is Pending or Running. Scratch
// volumes are emptied; the group keeps its id and address.
func (c *Client) RestartGroup(ctx context.Context, id string) error {
	if err := c.do(ctx, &restartRequest{ContainerGroupId: id}, false, &head{}); err != nil {
		return fmt.Errorf("restarting group %s: %w", id, err)
	}
	return nil
}

// Groups returns all groups that the query selects, every page of them, or an error; never
// a part. ECI answers 200 with nothing where a RAM identity lacks rights, so an empty result
// proves nothing.
func (c *Client) Groups(ctx context.Context, q GroupQuery) ([]Group, error) {
	selected, err := q.selection()
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	r := &groupsRequest{selection: selected, ContainerGroupName: q.Name, Status: string(q.Status), SecurityGroupId: q.SecurityGroupID,
		WithEvent: q.WithEvents, paging: paging{Limit: groupsPerPage}}
	var groups []Group
	var seen map[string]bool
	err = c.pages(ctx, r, func() page { return &groupPage{} }, func(p page) {
		page := p.(*groupPage)
		if seen == nil {
			// What the first page says is worth an allocation, not an unbounded one.
			most := min(int(max(0, page.TotalCount)), 1<<16)
			groups, seen = slices.Grow(groups, most), make(map[string]bool, most)
		}
		for i := range page.ContainerGroups {
			// A group that moves to the next page while pages are read comes twice.
			if w := &page.ContainerGroups[i]; !seen[string(w.ContainerGroupId)] {
				groups = append(groups, w.group())
				seen[groups[len(groups)-1].ID] = true
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	return groups, nil
}

// GroupStatuses returns the status of the groups that the query selects, every page.
func (c *Client) GroupStatuses(ctx context.Context, q StatusQuery) ([]GroupStatus, error) {
	selected, err := (&GroupQuery{IDs: q.IDs, Tags: q.Tags}).selection()
	if err != nil {
		return nil, fmt.Errorf("listing group statuses: %w", err)
	}
	r := &statusRequest{selection: selected, SinceSecond: q.SinceSeconds, paging: paging{Limit: statusesPerPage}}
	var rows []GroupStatus
	seen := map[string]bool{}
	err = c.pages(ctx, r, func() page { return &statusPage{} }, func(p page) {
		data := p.(*statusPage).Data
		for i := range data {
			if row := data[i].status(); !seen[row.ID] {
				seen[row.ID] = true
				rows = append(rows, row)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing group statuses: %w", err)
	}
	return rows, nil
}

// Log returns a container's last lines.
func (c *Client) Log(ctx context.Context, r LogRequest) (string, error) {
	params := &logRequest{
		ContainerGroupId: r.GroupID, ContainerName: r.Container, Tail: r.Tail, SinceSeconds: r.SinceSeconds,
		StartTime: r.StartTime, LimitBytes: r.LimitBytes, Timestamps: r.Timestamps, LastTime: r.Previous,
	}
	var answer struct {
		head
		Content text
	}
	if err := c.do(ctx, params, true, &answer); err != nil {
		return "", fmt.Errorf("reading the log of %s in group %s: %w", r.Container, r.GroupID, err)
	}
	return string(answer.Content), nil
}

// A page is one answer of a listing.
type page interface {
	answer
	nextToken() string
}

// A pagedRequest is the request of a listing.
type pagedRequest interface {
	request
	from(token string)
}

// pages reads a listing to its end. A token that comes twice would loop for ever, and a
// listing that stopped there would look complete: it is an error.
func (c *Client) pages(ctx context.Context, r pagedRequest, empty func() page, add func(page)) error {
	tokens := map[string]bool{}
	for {
		p := empty()
		if err := c.do(ctx, r, true, p); err != nil {
			return err
		}
		add(p)
		token := p.nextToken()
		if token == "" {
			return nil
		}
		if tokens[token] {
			return &Error{Action: r.action(), Code: codeBadAnswer, HTTPStatus: http.StatusOK,
				Message: "the page token " + strconv.Quote(token) + " came twice; the listing can't be completed"}
		}
		tokens[token] = true
		r.from(token)
	}
}

// do makes one call of ECI, with rate limit and retries, and decodes its answer into out.
// repeatable says that a call whose fate is unknown may be sent again.
func (c *Client) do(ctx context.Context, r request, repeatable bool, out answer) error {
	params, err := flatten(r)
	if err != nil {
		return fmt.Errorf("%s: %w", r.action(), err)
	}
	return c.send(ctx, &call{product: eciProduct(), action: r.action(), params: params}, repeatable, func(status int, body []byte) error {
		return decodeAnswer(r.action(), status, body, out)
	})
}

// send makes one call with rate limit and retries; read decodes its answer.
func (c *Client) send(ctx context.Context, call *call, repeatable bool, read func(status int, body []byte) error) error {
	lost := false // an earlier try may have taken effect
	for attempt := 1; ; attempt++ {
		if err := c.limits.wait(ctx, call.action); err != nil {
			return fmt.Errorf("%s: %w", call.action, err)
		}
		start := time.Now()
		status, body, err := c.caller.call(ctx, c.region, call)
		if err == nil {
			err = read(status, body)
		}
		c.observe(call.action, codeOf(err), time.Since(start))
		if err == nil {
			return nil
		}
		var e *Error
		if errors.As(err, &e) {
			e.Uncertain = lost
			lost = lost || failedInTransit(e) || e.Code == codeBadAnswer
		}
		most := c.retries.attempts
		if e != nil && e.Code == codeBadAnswer {
			most = min(most, badAnswerAttempts)
		}
		if ctx.Err() != nil || attempt >= most || !worthRepeating(err, repeatable) {
			return err
		}
		pause := c.retries.pause(attempt)
		c.log.DebugContext(ctx, "eci call is tried again", "action", call.action, "attempt", attempt, "pause", pause, "err", err)
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s: %w", call.action, err)
		}
	}
}

func codeOf(err error) string {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && e.Code != "":
		return e.Code
	case errors.As(err, &e) && e.HTTPStatus != 0:
		return "HTTP" + strconv.Itoa(e.HTTPStatus)
	case errors.Is(err, context.Canceled):
		return "Canceled"
	}
	return "Network"
}

// endpointOf splits an endpoint into scheme and host; the region's public one when empty.
func endpointOf(endpoint, region string) (scheme, host string, err error) {
	if endpoint == "" {
		return "https", "eci." + region + ".aliyuncs.com", nil
	}
	scheme, host, found := strings.Cut(endpoint, "://")
	if !found {
		scheme, host = "https", endpoint
	}
	host = strings.TrimSuffix(host, "/")
	if (scheme != "http" && scheme != "https") || host == "" || strings.ContainsAny(host, "/?#@ ") {
		return "", "", fmt.Errorf("eci endpoint %q: want host[:port] or http(s)://host[:port]", endpoint)
	}
	return scheme, host, nil
}
