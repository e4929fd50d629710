package ecitest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// stateVersion is the version of what Save writes. Load reads no other.
const stateVersion = 1

// A savedState is an account as a file.
type savedState struct {
	Version       int
	Region        string
	Saved         time.Time // in real time
	Now           time.Time // the same moment on the emulator's clock
	Seed          uint64
	Seq, FaultSeq int
	Groups        []group
	Tokens        map[string]tokenUse
	Faults        []savedFault
	Resources     []resource
	Ops           []opsTask
	Commits       []commitTask
	Ledger        []charge
	ECS           []ECSInstance
	Routes        []Route
	Loads         []setLoad
}

type savedFault struct {
	Fault
	Since, Until time.Time
	Drawn        []string
	Left         int
}

// Save writes everything the account has as JSON: groups, caches, tags, ClientTokens,
// faults, bills. Connections and the count of calls are not kept. It may be called while
// calls are answered.
func (e *Emulator) Save(w io.Writer) error {
	s, _ := e.snapshot()
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("saving the emulator's state: %w", err)
	}
	return nil
}

// snapshot is the state and the number of changes in it. What it points to is never written
// to afterwards: lists of groups are replaced and not changed in place.
func (e *Emulator) snapshot() (*savedState, uint64) {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &savedState{Version: stateVersion, Region: e.options.Region, Saved: time.Now(), Now: now, Seed: e.options.Seed, Seq: e.seq, FaultSeq: e.faultID,
		Tokens: maps.Clone(e.tokens), Ledger: slices.Clone(e.ledger), ECS: e.ecs, Routes: e.routes, Loads: slices.Clone(e.loads)}
	for _, g := range e.order {
		s.Groups = append(s.Groups, *g)
	}
	for _, r := range e.resources {
		s.Resources = append(s.Resources, *r)
	}
	for _, t := range e.ops {
		s.Ops = append(s.Ops, *t)
	}
	for _, t := range e.commits {
		s.Commits = append(s.Commits, *t)
	}
	for _, f := range e.faults {
		s.Faults = append(s.Faults, savedFault{*f, f.since, f.until, slices.Sorted(maps.Keys(f.drawn)), f.left})
	}
	return s, e.changes
}

// Load replaces the account by one that Save wrote, of the same region. The clock goes on
// from there, and as much further as real time did, unless Options.Clock gives the time. It
// must not be called while calls are answered.
func (e *Emulator) Load(r io.Reader) error {
	var s savedState
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("loading the emulator's state: %w", err)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("loading the emulator's state: it has version %d, this program reads %d: begin a new one", s.Version, stateVersion)
	}
	if s.Region != e.options.Region {
		return fmt.Errorf("loading the emulator's state: it is of the region %s and not of %s", s.Region, e.options.Region)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.start, e.epoch = time.Now(), s.Now
	if passed := time.Since(s.Saved); passed > 0 {
		e.epoch = e.epoch.Add(time.Duration(float64(passed) * e.options.Speed))
	}
	e.options.Seed, e.seq, e.faultID = s.Seed, s.Seq, s.FaultSeq
	// Not the chances that the seed began with: those were drawn before.
	e.random = rand.New(rand.NewPCG(s.Seed, uint64(s.Saved.UnixNano())))
	e.groups, e.order = map[string]*group{}, nil
	for i := range s.Groups {
		g := &s.Groups[i]
		e.groups[g.ID], e.order = g, append(e.order, g)
	}
	e.tokens = s.Tokens
	if e.tokens == nil {
		e.tokens = map[string]tokenUse{}
	}
	e.resources, e.ops, e.commits, e.faults = nil, nil, nil, nil
	for i := range s.Resources {
		e.resources = append(e.resources, &s.Resources[i])
	}
	for i := range s.Ops {
		e.ops = append(e.ops, &s.Ops[i])
	}
	for i := range s.Commits {
		e.commits = append(e.commits, &s.Commits[i])
	}
	for _, f := range s.Faults {
		fault := f.Fault
		fault.since, fault.until, fault.left, fault.drawn = f.Since, f.Until, f.Left, map[string]bool{}
		for _, id := range f.Drawn {
			fault.drawn[id] = true
		}
		e.faults = append(e.faults, &fault)
	}
	e.ledger, e.ecs, e.routes, e.loads = s.Ledger, s.ECS, s.Routes, s.Loads
	e.remove(s.Now, func(*group) bool { return false }) // learns who leaves next
	e.changed()
	return nil
}
