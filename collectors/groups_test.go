package collectors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
)

// TestGroupErrorsBeginWithWhatIsWrong holds the first words: they are all that a narrow
// screen shows.
func TestGroupErrorsBeginWithWhatIsWrong(t *testing.T) {
	call := func(change func(*eci.Error)) error {
		e := &eci.Error{Action: "DescribeContainerGroups", Code: "InternalError", Message: "try later", HTTPStatus: 500, RequestID: "R1"}
		change(e)
		return fmt.Errorf("listing groups: %w", e)
	}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"a dead endpoint", call(func(e *eci.Error) {
			e.HTTPStatus, e.Code, e.Message, e.Err = 0, "", "no answer: connection refused", errors.New("connection refused")
		}), "ECI does not answer: connection refused (check the network, a proxy, --region and --endpoint)"},
		{"no credentials", call(func(e *eci.Error) {
			e.HTTPStatus, e.Code, e.Message = 0, "ecideck.NoCredentials", "no credentials: set A and B"
		}),
			"no credentials: set A and B"},
		{"a wrong secret", call(func(e *eci.Error) { e.HTTPStatus, e.Code, e.Message = 400, "SignatureDoesNotMatch", "Not matched." }),
			"ECI does not accept the access key (check its id and secret, or log in again where they are temporary): DescribeContainerGroups: SignatureDoesNotMatch: Not matched. (HTTP 400, request id R1)"},
		{"an unknown region", call(func(e *eci.Error) { e.HTTPStatus, e.Code, e.Message = 404, "InvalidRegionId.NotFound", "Not found." }),
			"ECI does not know the region (check --region or ECIDECK_REGION): DescribeContainerGroups: InvalidRegionId.NotFound: Not found. (HTTP 404, request id R1)"},
		{"a missing right", call(func(e *eci.Error) { e.HTTPStatus, e.Code, e.Message = 403, "Forbidden.RAM", "No." }),
			"the RAM identity may not read container groups (grant it eci:DescribeContainerGroups, as AliyunECIReadOnlyAccess does): DescribeContainerGroups: Forbidden.RAM: No. (HTTP 403, request id R1)"},
		{"anything else of the API", call(func(*eci.Error) {}),
			"reading container groups: DescribeContainerGroups: InternalError: try later (HTTP 500, request id R1)"},
		{"anything else", errors.New("odd"), "reading container groups: odd"},
	} {
		if got := explainGroups(c.err).Error(); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

// A barren is an ECI that lists nothing.
type barren struct{}

func (barren) Groups(context.Context, eci.GroupQuery) ([]eci.Group, error) { return nil, nil }

// TestAnEmptyFirstListWaitsForThePods holds that a list which is empty because RAM denies is
// not believed only because it came before the pods.
func TestAnEmptyFirstListWaitsForThePods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		latest := func() *fleet.Snapshot {
			s := &fleet.Snapshot{Sources: []fleet.Source{{Name: "pods"}}}
			if time.Since(began) > time.Second {
				s.Sources[0].Read = time.Now()
				s.Placements = []*fleet.Placement{{Place: fleet.PlaceECI, Pod: &fleet.Pod{InstanceID: "eci-1", Phase: "Running"}}}
			}
			return s
		}
		c := &groupSweep{client: barren{}, latest: latest}
		if part, err := c.sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "pods name theirs (1)") {
			t.Errorf("got %v, %v", part, err)
		}
	})
}
