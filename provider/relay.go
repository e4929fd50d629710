package provider

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// A relayKey is what makes two sights of a group's event the same event.
type relayKey struct{ reason, message string }

// A relay is an event of a group that its pod has not been told of.
type relay struct {
	pod                   *corev1.Pod
	kind, reason, message string
}

// news are the group's events, as a kubelet would tell them on the pod, that are new or have
// happened again. Those from before this process started are left out: the process before
// has told them. Why a group could not be scheduled is left out too: that is said by who
// decides about the next attempt, with its time. It needs Provider.mu.
func (e *entry) news(since time.Time) []relay {
	if e.group.Status == eci.ScheduleFailed {
		return nil
	}
	var out []relay
	for i := range e.group.Events {
		event := &e.group.Events[i]
		key := relayKey{event.Reason, event.Message}
		told, known := e.relayed[key]
		if known && event.Count <= told || event.Reason == "" || event.Last.Before(since.Truncate(time.Second)) {
			continue
		}
		if e.relayed == nil {
			e.relayed = map[relayKey]int32{}
		}
		e.relayed[key] = event.Count
		if slices.Contains(e.noted[event.Reason], event.Message) {
			continue // said already, in the very words
		}
		kind := corev1.EventTypeNormal
		if event.Type == corev1.EventTypeWarning {
			kind = corev1.EventTypeWarning
		}
		out = append(out, relay{e.pod, kind, event.Reason, event.Message})
	}
	return out
}

// relay tells the pods. The recorder counts what comes again, and limits how much one pod says.
func (p *Provider) relay(news []relay) {
	for _, n := range news {
		p.Recorder.Event(n.pod, n.kind, n.reason, n.message)
	}
}
