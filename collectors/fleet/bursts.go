package fleet

import "slices"

// burstReasons are those of ecideck-node's events about pods that it does not let onto ECI; a test
// holds them to what it says.
var burstReasons = []string{"NotEligibleForECI", "BurstWaiting", "BurstStopped", "BurstNoNode", "BurstLimitReached", "BurstNoStock", "BurstRefused", "BurstKeptAway"}

// A podName is a pod of the cluster; the UID tells pods of one name apart.
type podName struct{ namespace, name, uid string }

// heldBack are the newest words of ecideck-node about pods that it does not let onto ECI, nil
// where there are none. items are the newest first.
func heldBack(items []*Event) map[podName]*Event {
	var held map[podName]*Event
	for _, e := range items {
		if e.Kind != "Pod" || !slices.Contains(burstReasons, e.Reason) {
			continue
		}
		if held == nil {
			held = map[podName]*Event{}
		}
		if key := (podName{e.Namespace, e.Name, e.UID}); held[key] == nil {
			held[key] = e
		}
	}
	return held
}

// notOnECI says why the pods of a workload that wait are not let onto ECI, or "". It is said on
// the first pods of a workload only, and holds for all of them.
func (b *builder) notOnECI(w *Workload) string {
	var newest *Event
	for _, p := range w.members {
		if p.Place != PlaceNone {
			continue
		}
		if e := b.s.built.held[podName{p.Pod.Namespace, p.Pod.Name, p.Pod.UID}]; e != nil && (newest == nil || e.Time.After(newest.Time)) {
			newest = e
		}
	}
	if newest == nil {
		return ""
	}
	return newest.Message
}
