package collectors

import (
	"context"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"k8s.io/client-go/kubernetes"
)

// A Named is a collector with its source's name and how often it reports when all is well.
type Named struct {
	Name  string
	Every time.Duration
	Quiet bool // see fleet.Source
	Collector
}

// Sources are what the collectors read from.
type Sources struct {
	Kubernetes kubernetes.Interface
	// Namespace limits pods and events; "" is all of them.
	Namespace string
	// Probe tells whether the API server lives; nil: only the watches' own errors do.
	Probe Probe
	// ECI lists container groups. When it is nil, NoECI says why and what to do; the
	// source groups then carries that error, and all else works.
	ECI   groupLister
	NoECI error
	// SweepPause is the time between two listings of the groups of a small fleet; 0: 5 s.
	SweepPause time.Duration
	// Latest is the Store's newest Snapshot.
	Latest func() *fleet.Snapshot
}

// All is every collector: one line a source.
func All(s Sources) []Named {
	return []Named{
		{"cluster", 5 * time.Minute, true, Cluster(s.Kubernetes, 5*time.Minute)},
		{"pods", 2 * probeEvery, false, Pods(s.Kubernetes, s.Namespace, s.Probe)},
		{"nodes", 2 * probeEvery, false, Nodes(s.Kubernetes, s.Probe)},
		{"events", 2 * probeEvery, false, Events(s.Kubernetes, s.Namespace, s.Probe)},
		{"groups", sweepPause, false, s.groups()},
	}
}

func (s Sources) groups() Collector {
	if s.ECI == nil {
		return Poll(time.Minute, func(context.Context) (fleet.Part, error) { return nil, s.NoECI })
	}
	return Groups(s.ECI, s.Latest, s.SweepPause)
}
