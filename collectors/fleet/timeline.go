package fleet

import "time"

// A Moment is one line of the grouped timeline: events that say the same of the same thing.
type Moment struct {
	Event             // the newest of them
	First   time.Time // when the oldest of them was first seen
	Total   int       // how often in all
	Objects int       // how many objects they are about
	Subject Owner     // what the objects have in common: their workload, or the object itself
	Events  []*Event  // newest first
}
