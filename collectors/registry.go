package collectors

import "time"

// A Named is a collector with its source's name and how often it reports when all is well.
type Named struct {
	Name  string
	Every time.Duration
	Collector
}
