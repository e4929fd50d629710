package migrate

import (
	"cmp"
	"fmt"
	"time"
)

const (
	// perCluster is how many items are on the way at once, and perWorkload those of one
	// workload; quotas may allow fewer.
	perCluster  = 10
	perWorkload = 3
	// DefaultSoak is how long the first pod of a workload is watched before the second goes.
	DefaultSoak = 60 * time.Second
)

// A Health is what is seen of the first pod of a workload after it was moved.
type Health struct {
	Gone     bool
	Ready    bool
	Restarts int32
}

// Next says which items to start now, by index, and which must not be started any more, with
// the reason. It is pure. health is of workloads' first moved pods, by Key; what is not in
// it isn't known yet.
func Next(o *Operation, health map[string]Health, now time.Time) (start []int, give map[int]string) {
	give = map[int]string{}
	flying, busy := 0, map[string]int{}
	canary := o.canaries()
	failures := map[string]int{} // in a row
	latest := map[string]time.Time{}
	harmed, ordinary := "", false // in a drain: what needs a look; what is to go before critical pods
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		key := x.Key()
		ordinary = ordinary || x.Strategy != Stay && !x.Critical && !x.State.Ended()
		at, moved := x.moved()
		switch {
		case x.Strategy == Stay || x.State == Planned:
		case !moved && !x.State.Ended():
			flying++
			busy[key]++
		case x.State == Failed && o.Plan.Drain != nil:
			if !x.Stuck { // what a dead node holds is no reason to leave the others there
				harmed = x.Subject().String()
			}
		case moved:
			if at.After(latest[key]) {
				latest[key] = at
			}
		}
	}
	for i := range o.Plan.Items {
		if x := &o.Plan.Items[i]; (x.State == Aborted && !x.Gone || x.State == Failed) && !x.Dead && !x.Began.IsZero() && x.Ended.After(latest[x.Key()]) {
			failures[x.Key()]++
		}
	}
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		if x.State != Planned {
			continue
		}
		key := x.Key()
		if o.State == Aborting {
			give[i] = "the operation was aborted before it began"
			continue
		}
		// A workload is left alone at the second failure in a row, in a drain at the first. What
		// is not as before ends the whole drain: somebody is to look.
		if n := failures[key]; n >= 2 || n == 1 && latest[key].IsZero() || n > 0 && o.Plan.Drain != nil {
			give[i] = "others of " + x.Workload.String() + " could not be moved, so it was not begun"
			continue
		}
		if harmed != "" {
			give[i] = harmed + " needs a look first, so it was not begun"
			continue
		}
		if o.Plan.Drain != nil && x.Critical && ordinary {
			continue
		}
		if flying >= perCluster || busy[key] >= max(1, min(cmp.Or(o.Plan.Parallel[key], perWorkload), perWorkload)) {
			continue
		}
		if x.Strategy == Swap {
			soaked, why := soak(o, canary[key], health, now)
			if why != "" {
				give[i] = why
				continue
			}
			if canary[key] == nil && busy[key] > 0 || !soaked {
				continue
			}
		}
		start = append(start, i)
		flying++
		busy[key]++
	}
	return start, give
}

// soak tells whether the first pod that was moved has been well for long enough; why says
// that it hasn't and no other is to follow.
func soak(o *Operation, first *Item, health map[string]Health, now time.Time) (soaked bool, why string) {
	if first == nil {
		return true, ""
	}
	long := time.Duration(o.Plan.Soak) * time.Second
	if o.Plan.Soak == 0 {
		return true, ""
	}
	since, _ := first.moved()
	h, known := health[first.Key()]
	switch {
	case !known:
		return false, ""
	case h.Gone:
		// It was scaled away, or its workload has a new revision: each item looks for itself.
	case h.Restarts > 0:
		return false, fmt.Sprintf("the first pod of %s that was moved, %s, has restarted %d times since: see its log", first.Workload, first.Surge.Name, h.Restarts)
	case !h.Ready:
		if now.Sub(since) >= long {
			return false, fmt.Sprintf("the first pod of %s that was moved, %s, is not Ready any more: see its log", first.Workload, first.Surge.Name)
		}
		return false, ""
	}
	return now.Sub(since) >= long, ""
}

// canaries are the items that were swapped first, by their workloads' Key.
func (o *Operation) canaries() map[string]*Item {
	first := map[string]*Item{}
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		at, moved := x.moved()
		if !moved || x.Strategy != Swap {
			continue
		}
		if was := first[x.Key()]; was != nil {
			if before, _ := was.moved(); !at.Before(before) {
				continue
			}
		}
		first[x.Key()] = x
	}
	return first
}

// moved tells whether, and since when, an item's successor serves. One whose old pod ends its
// grace period holds nobody up, but where quotas count it.
func (i *Item) moved() (time.Time, bool) {
	switch {
	case i.State == Done:
		return i.Ended, true
	case i.State == Leaving && !i.Quota && len(i.Steps) > 0:
		return i.Steps[len(i.Steps)-1].At, true
	}
	return time.Time{}, false
}

// Key is the item's workload as maps of a Plan have it.
func (i *Item) Key() string {
	return i.Workload.Kind + "/" + i.Workload.Namespace + "/" + i.Workload.Name
}
