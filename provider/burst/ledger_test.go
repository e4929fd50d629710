package burst

import (
	"testing"
	"time"
)

func TestAFailedSecondTryDoesNotUncountAPodThatWasLetGo(t *testing.T) {
	l, now := newLedger(), time.Now()
	w := Workload{Namespace: "shop", Kind: "Deployment", Name: "web"}
	limits := []Limits{{Pods: 1, HasPods: true}}
	if why := l.reserve("a", w, Cost{}, limits, now); why != "" {
		t.Fatal(why)
	}
	l.confirm("a")
	l.reserve("a", w, Cost{}, limits, now) // by a cache that has not seen the first
	l.release("a")                         // the conflict
	if l.reserve("b", w, Cost{}, limits, now) == "" {
		t.Error("a second pod passed a limit of one")
	}
	if l.drop("a"); l.reserve("b", w, Cost{}, limits, now) != "" {
		t.Error("a pod that has ended makes no room")
	}
	if l.release("b"); l.reserve("c", w, Cost{}, limits, now) != "" {
		t.Error("a reservation that was not used makes no room")
	}
}
