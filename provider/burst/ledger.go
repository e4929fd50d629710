package burst

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// A ledger knows the pods that burst: those on a virtual node and those that were let go and
// are on their way. The guardrails count by it. It may be used by many goroutines.
type ledger struct {
	mu   sync.Mutex
	pods map[types.UID]burster
}

// A burster is one pod that counts.
type burster struct {
	workload Workload
	cost     Cost
	there    bool      // a virtual node has it
	reserved bool      // it is about to be let go, and nothing else makes it count
	until    time.Time // counts until then; zero: until it is removed
}

// settle is how long a pod still counts that left the watch of pods without a node: it is on
// the virtual node a moment later, or on a real one, or gone.
const settle = 10 * time.Second

func newLedger() *ledger { return &ledger{pods: map[types.UID]burster{}} }

// put counts a pod for as long as nobody removes it. cost is asked only for a new one.
func (l *ledger) put(uid types.UID, workload Workload, there bool, cost func() Cost) {
	l.mu.Lock()
	_, ok := l.pods[uid]
	l.mu.Unlock()
	var price Cost
	if !ok {
		price = cost() // may ask the API server: others are not kept waiting
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.pods[uid]
	if !ok {
		known.cost = price
	}
	known.workload, known.there, known.until, known.reserved = workload, known.there || there, time.Time{}, false
	l.pods[uid] = known
}

// leave lets a pod that no virtual node has yet count until it has settled; it tells whether
// there is such a pod.
func (l *ledger) leave(uid types.UID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.pods[uid]
	if !ok || known.there {
		return false
	}
	known.until = now.Add(settle)
	l.pods[uid] = known
	return true
}

// drop stops counting a pod; it tells whether it counted.
func (l *ledger) drop(uid types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.pods[uid]
	delete(l.pods, uid)
	return ok
}

// reserve counts the pod, unless a limit speaks against it; then it says which. Asking and
// counting are one step, so that of 300 pods at once exactly as many pass as may.
func (l *ledger) reserve(uid types.UID, workload Workload, cost Cost, limits []Limits, now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, limit := range limits {
		if !limit.any() {
			continue
		}
		var load Load
		for other, b := range l.pods {
			if !b.until.IsZero() && now.After(b.until) {
				delete(l.pods, other)
				continue
			}
			if other != uid && limit.covers(b.workload) {
				load.Add(b.cost)
			}
		}
		if why := limit.Allow(load, cost); why != "" {
			return why
		}
	}
	if _, counts := l.pods[uid]; !counts {
		l.pods[uid] = burster{workload: workload, cost: cost, reserved: true}
	}
	return ""
}

// release takes a reservation back whose pod was not let go after all. A pod that counts for
// another reason stays: the failed try was a second one, by a cache that had not seen the first.
func (l *ledger) release(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pods[uid].reserved {
		delete(l.pods, uid)
	}
}

// confirm says that a reserved pod was let go.
func (l *ledger) confirm(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.pods[uid]; ok {
		known.reserved = false
		l.pods[uid] = known
	}
}
