// Package collectors reads: one file per source. A Collector reports what its source knows,
// Run gives each a goroutine, and the Store joins the reports into the newest
// fleet.Snapshot, which readers take without a lock.
//
// An error never becomes an empty part: the last part stays, marked stale with the error.
package collectors
