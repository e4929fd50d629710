// Package fleet joins what the collectors saw into one immutable Snapshot: every pod with
// the place it runs (an ECS node or an ECI container group), every group with its pod, the
// nodes, the events, and how fresh each source is.
//
// Build is pure: no I/O, no clock, no state. Readers share a Snapshot without locks; nobody
// changes one after Build returned it.
package fleet
