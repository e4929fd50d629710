package eci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Codes of errors that this package finds itself; the API's own are never spelled so.
const (
	codeBadAnswer     = "ecideck.BadAnswer"     // the answer can't be understood
	codeNoCredentials = "ecideck.NoCredentials" // the credential chain found none
)

// An Error is a call that failed. Code, Message and RequestID are the API's own words;
// HTTPStatus is 0 when there was no answer, and then Err says why.
type Error struct {
	Action     string
	Code       string
	Message    string
	RequestID  string
	HTTPStatus int
	// Uncertain: an earlier try of the same call got no answer. Whatever this answer says,
	// that try may have taken effect.
	Uncertain bool
	Err       error
}

// Error is what a person needs to search for the failure or to open a ticket.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Action)
	b.WriteString(": ")
	if e.Code != "" {
		b.WriteString(e.Code)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	switch {
	case e.HTTPStatus != 0 && e.RequestID != "":
		fmt.Fprintf(&b, " (HTTP %d, request id %s)", e.HTTPStatus, e.RequestID)
	case e.HTTPStatus != 0:
		fmt.Fprintf(&b, " (HTTP %d)", e.HTTPStatus)
	}
	return b.String()
}

// Unwrap gives the network's or the credential chain's error.
func (e *Error) Unwrap() error { return e.Err }

func coded(err error, match func(*Error) bool) bool {
	var e *Error
	return errors.As(err, &e) && match(e)
}

// IsNotFound reports that the group does not exist. A 404 about something else (an access
// key, an image snapshot, an unknown action) isn't meant: nothing may be declared gone for
// such a reason.
func IsNotFound(err error) bool {
	return coded(err, func(e *Error) bool {
		return e.Action != "CreateContainerGroup" && (e.Code == "InvalidParameter.NotFound" || e.Code == "ContainerGroupNotFound")
	})
}

// IsThrottled reports that the API's rate limit refused the call.
func IsThrottled(err error) bool {
	return coded(err, func(e *Error) bool {
		if e.Code == codeVCPUPerDay {
			return false
		}
		return e.Code == "Throttling" || strings.HasPrefix(e.Code, "Throttling.") || e.Code == "Rejected.Throttling" ||
			e.HTTPStatus == http.StatusTooManyRequests
	})
}

// codeVCPUPerDay is spelled like a rate limit and is a quota: it ends at midnight, not in a
// minute.
const codeVCPUPerDay = "Throttling.Vcpu.PerDay"

// IsNoStock reports that no zone asked for has the capacity.
func IsNoStock(err error) bool {
	return coded(err, func(e *Error) bool {
		return e.Code == "OperationDenied.NoStock" || e.Code == "Zone.NotOnSale" || e.Code == "Spot.NotMatched"
	})
}

// IsNoAddress reports that the vSwitch has no free address left; another one may.
func IsNoAddress(err error) bool {
	return coded(err, func(e *Error) bool {
		return e.Code == "InvalidVSwitchId.IpNotEnough" || e.Code == codeAddressQuota
	})
}

const codeAddressQuota = "QuotaExceeded.PrivateIpAddress"

// IsForbidden reports that the RAM identity lacks a right.
func IsForbidden(err error) bool {
	return coded(err, func(e *Error) bool {
		switch e.Code {
		case "Forbidden", "Forbidden.RAM", "Forbidden.SubUser", "Forbidden.Unauthorized", "InvalidUser.PassRoleForbidden", "CreateServiceLinkedRole.Denied":
			return true
		}
		return e.Code == "NoPermission" || strings.HasPrefix(e.Code, "NoPermission.")
	})
}

// IsQuotaExceeded reports that the account's quota is used up.
func IsQuotaExceeded(err error) bool {
	return coded(err, func(e *Error) bool {
		if e.Code == codeAddressQuota {
			return false
		}
		return e.Code == "QuotaExceeded" || strings.HasPrefix(e.Code, "QuotaExceeded.") || e.Code == codeVCPUPerDay
	})
}

// IsRetryable reports that the same call may succeed later without anything being changed:
// throttling, the API's own failures, no answer, no credentials yet. Lack of stock and of
// quota isn't counted: that is for the caller to weigh, who has other zones.
func IsRetryable(err error) bool {
	if IsThrottled(err) {
		return true
	}
	return coded(err, func(e *Error) bool {
		return e.Code == codeNoCredentials || failedInTransit(e) || e.Code == codeBadAnswer
	})
}

// worthRepeating reports that the call should be tried again now. A call that was throttled
// had no effect, so that is always safe; any other failure leaves its fate unknown. An answer
// that can't be read (a proxy's page, half a body) is most often read the next time.
func worthRepeating(err error, repeatable bool) bool {
	return IsThrottled(err) || repeatable && coded(err, func(e *Error) bool { return failedInTransit(e) || e.Code == codeBadAnswer })
}

// failedInTransit reports that the API didn't decide against the call: it failed itself, or
// its answer never came.
func failedInTransit(e *Error) bool {
	switch {
	case e.HTTPStatus >= 500 || e.HTTPStatus == http.StatusRequestTimeout:
		return true
	case e.HTTPStatus != 0 || e.Code != "":
		return false
	}
	var badCert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	return !errors.As(e.Err, &badCert) && !errors.As(e.Err, &authority) && !errors.Is(e.Err, context.Canceled)
}
