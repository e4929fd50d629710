package eci

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
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
}

// A Client calls the API. It may be used by many goroutines.
type Client struct{}

var errUnfinished = errors.New("eci: not built yet")

// New makes a Client; it makes no call.
func New(Options) (*Client, error) { return nil, errUnfinished }

// CreateGroup asks for a group and returns its id. Creation is asynchronous: the group
// starts in Scheduling and may still end in ScheduleFailed.
func (c *Client) CreateGroup(context.Context, *CreateRequest) (string, error) {
	return "", errUnfinished
}

// DeleteGroup deletes a group; IsNotFound tells that it was gone already.
func (c *Client) DeleteGroup(ctx context.Context, id string) error { return errUnfinished }

// Groups returns all groups that the query selects, every page of them, or an error; never
// a part. ECI answers 200 with nothing where a RAM identity lacks rights, so an empty result
// proves nothing.
func (c *Client) Groups(context.Context, GroupQuery) ([]Group, error) { return nil, errUnfinished }

// GroupStatuses returns the status of the groups that the query selects, every page.
func (c *Client) GroupStatuses(context.Context, StatusQuery) ([]GroupStatus, error) {
	return nil, errUnfinished
}

// Log returns a container's last lines.
func (c *Client) Log(context.Context, LogRequest) (string, error) { return "", errUnfinished }

// IsNotFound reports that the group does not exist.
func IsNotFound(err error) bool { return false }

// IsThrottled reports that the API's rate limit refused the call.
func IsThrottled(err error) bool { return false }

// IsNoStock reports that no zone asked for has the capacity.
func IsNoStock(err error) bool { return false }

// IsForbidden reports that the RAM identity lacks a right.
func IsForbidden(err error) bool { return false }

// IsQuotaExceeded reports that the account's quota is used up.
func IsQuotaExceeded(err error) bool { return false }

// IsRetryable reports that the same call may succeed later without anything being changed.
func IsRetryable(err error) bool { return false }
