package migrate

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// skewSaid is how far this machine's clock may be from the API server's before a plan says
	// so: from there on it is wrong whether another operator is still at work.
	skewSaid = 15 * time.Second
	// skewMost is how far at most: leases and the policies that steer successors last minutes.
	skewMost = leaseDead / 2
)

// skew is how far the API server's clock is ahead of this machine's; 0 where it can't be told.
// The API server dates its answer to who am I, which anybody may ask.
func skew(ctx context.Context, client kubernetes.Interface) time.Duration {
	before := time.Now()
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	after := time.Now()
	if err != nil || review.CreationTimestamp.IsZero() {
		return 0
	}
	// It is cut to whole seconds: what is said is the least that it can be.
	first := review.CreationTimestamp.Time
	last := first.Add(time.Second)
	switch {
	case last.Before(before):
		return last.Sub(before)
	case first.After(after):
		return first.Sub(after)
	}
	return 0
}

// clockChecks are about that.
func clockChecks(ahead time.Duration) []Check {
	off, way := ahead, "behind"
	if off < 0 {
		off, way = -off, "ahead of"
	}
	text := fmt.Sprintf("this machine's clock is %s %s the API server's", off.Round(time.Second), way)
	const remedy = "set it (timedatectl, chronyc makestep), or work from another machine"
	switch {
	case off >= skewMost:
		return []Check{{"clock", Block, text + ": whether another operator is at work can't be told, and what steers successors would be over before it begins, or last too long", remedy}}
	case off >= skewSaid:
		return []Check{{"clock", Warn, text + ": times are wrong by that much, and a process that is at work may look dead, or a dead one alive", remedy}}
	}
	return nil
}
