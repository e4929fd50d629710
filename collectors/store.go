package collectors

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// buildEvery is the shortest time between two Builds: a screen that is redrawn ten times a
// second needs no more, and a burst of reports becomes one Snapshot.
const buildEvery = 100 * time.Millisecond

// A Store holds what the collectors last reported and hands out the newest Snapshot. Its
// methods may be called by many goroutines.
type Store struct {
	mu    sync.Mutex // guards in
	in    fleet.Inputs
	dirty chan struct{}

	latest  atomic.Pointer[fleet.Snapshot]
	changed chan struct{}
}

// NewStore makes a Store whose Snapshot is empty.
func NewStore() *Store {
	s := &Store{dirty: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	s.latest.Store(fleet.Build(s.in, time.Now(), nil))
	return s
}

// Expect names the sources that will report, so that Snapshots hold all of them, also those
// that have not reported yet. It is called once, before Run.
func (s *Store) Expect(sources []Named) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range sources {
		s.in.Sources = append(s.in.Sources, fleet.Source{Name: c.Name, Every: c.Every, Quiet: c.Quiet})
	}
	s.latest.Store(fleet.Build(s.in, time.Now(), s.latest.Load()))
}

// Latest is the newest Snapshot; it is never nil.
func (s *Store) Latest() *fleet.Snapshot { return s.latest.Load() }

// Changed receives after Latest has changed; one value may stand for many changes. It
// serves one reader.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Report takes a source's newest part, or the error that kept it from being read; then its
// last part stays and is stale.
func (s *Store) Report(source string, part fleet.Part, err error) {
	if err == nil && part == nil {
		err = errors.New("the collector reported neither a part nor an error")
	}
	s.mu.Lock()
	if err != nil {
		s.in.Failed(source, err)
	} else {
		s.in.Apply(part)
		s.in.Succeeded(source, time.Now())
	}
	s.mu.Unlock()
	notify(s.dirty)
}

// keep builds a Snapshot after each change, until ctx ends.
func (s *Store) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
		}
		s.mu.Lock()
		in := s.in
		s.mu.Unlock()
		s.latest.Store(fleet.Build(in, time.Now(), s.latest.Load()))
		notify(s.changed)
		if !pause(ctx, buildEvery) {
			return
		}
	}
}

// notify sends unless one is waiting already.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
