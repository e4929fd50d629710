package eci

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnIdentitySurvivesItsTags(t *testing.T) {
	id := Identity{ManagedBy: ManagedBy, ClusterID: "c", NodeName: "n", Namespace: "ns", PodName: "p", PodUID: "u", Attempt: 3}
	if diff := cmp.Diff(id, IdentityOf(id.Tags())); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if tags := (Identity{PodName: "p"}).Tags(); len(tags) != 1 {
		t.Errorf("what is empty has tags: %v", tags)
	}
	if got := IdentityOf(map[string]string{TagAttempt: "third"}); got.Attempt != 0 {
		t.Errorf("an attempt in words is %d", got.Attempt)
	}
}

func TestLongTagValuesAreHashedApart(t *testing.T) {
	a, b := TagValue(strings.Repeat("a", 200)), TagValue(strings.Repeat("a", 199)+"b")
	if a == b || len(a) > maxTagValue || !strings.HasPrefix(a, "sha256-") {
		t.Errorf("%q and %q", a, b)
	}
	if s := strings.Repeat("a", maxTagValue); TagValue(s) != s {
		t.Error("a value at the limit is changed")
	}
}

func TestEveryStatusIsBilledOrNotAndEndedOrNot(t *testing.T) {
	for status, want := range map[Status][2]bool{
		Scheduling: {false, false}, Pending: {true, false}, Running: {true, false}, Restarting: {true, false}, Updating: {true, false},
		Terminating: {true, false}, Succeeded: {false, true}, Failed: {false, true}, Expired: {false, true}, ScheduleFailed: {false, true},
	} {
		if got := [2]bool{status.Billed(), status.Ended()}; got != want {
			t.Errorf("%s: billed, ended = %v, want %v", status, got, want)
		}
	}
}
