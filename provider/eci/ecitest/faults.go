package ecitest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of faults.
const (
	FaultNoStock            = "nostock"              // a zone has no capacity: OperationDenied.NoStock, or with Async ScheduleFailed
	FaultThrottling         = "throttling"           // Throttling
	FaultError500           = "error500"             // InternalError
	FaultDenied             = "denied"               // Forbidden.RAM
	FaultEmptyList          = "emptylist"            // listings answer 200 with nothing, as for a RAM identity without rights
	FaultTimeoutAfterAccept = "timeout-after-accept" // the call takes effect and is never answered
)

// A Fault makes calls fail until it is removed, used up or over.
type Fault struct {
	ID     string `json:"id,omitempty"` // given by AddFault
	Kind   string `json:"kind"`
	Zone   string `json:"zone,omitempty"`   // nostock: this zone; "": all
	Action string `json:"action,omitempty"` // this action; "": all (nostock: creating)
	// Rate is the share of calls that fail, 0 to 1; 0 is 1.
	Rate float64 `json:"rate,omitempty"`
	// Count is after how many failed calls it is used up; 0: never.
	Count int `json:"count,omitempty"`
	// ForSeconds is how long it lasts, in emulated seconds; 0: until it is removed.
	ForSeconds float64 `json:"forSeconds,omitempty"`
	// Async lets nostock show after the group was created: it ends in ScheduleFailed.
	Async bool `json:"async,omitempty"`

	until time.Time // zero: no end
	left  int       // meaningful where Count > 0
}

// AddFault switches a fault on and returns its id.
func (e *Emulator) AddFault(f Fault) (string, error) {
	switch f.Kind {
	case FaultNoStock, FaultThrottling, FaultError500, FaultDenied, FaultEmptyList, FaultTimeoutAfterAccept:
	default:
		return "", fmt.Errorf("unknown fault kind %q: there are %s", f.Kind, strings.Join([]string{FaultNoStock, FaultThrottling,
			FaultError500, FaultDenied, FaultEmptyList, FaultTimeoutAfterAccept}, ", "))
	}
	if f.Rate < 0 || f.Rate > 1 || f.Count < 0 || f.ForSeconds < 0 {
		return "", fmt.Errorf("fault %s: rate must be 0 to 1, count and forSeconds not negative", f.Kind)
	}
	if f.Zone != "" && !slices.Contains(e.Zones(), f.Zone) {
		return "", fmt.Errorf("fault %s: no zone %q here: there are %s", f.Kind, f.Zone, strings.Join(e.Zones(), ", "))
	}
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.Rate == 0 {
		f.Rate = 1
	}
	if f.ForSeconds > 0 {
		f.until = now.Add(time.Duration(f.ForSeconds * float64(time.Second)))
	}
	e.faultID++
	f.ID, f.left = "fault-"+strconv.Itoa(e.faultID), f.Count
	e.faults = append(e.faults, &f)
	return f.ID, nil
}

// Faults are those that are on.
func (e *Emulator) Faults() []Fault {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropFaults(now)
	faults := make([]Fault, 0, len(e.faults))
	for _, f := range e.faults {
		faults = append(faults, *f)
	}
	return faults
}

// ClearFaults switches all faults off, or those with the given ids.
func (e *Emulator) ClearFaults(ids ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = slices.DeleteFunc(e.faults, func(f *Fault) bool { return len(ids) == 0 || slices.Contains(ids, f.ID) })
}

func (e *Emulator) dropFaults(now time.Time) {
	e.faults = slices.DeleteFunc(e.faults, func(f *Fault) bool {
		return f.Count > 0 && f.left == 0 || !f.until.IsZero() && !now.Before(f.until)
	})
}

// fires decides by chance whether a fault hits now, and counts it if so.
func (e *Emulator) fires(f *Fault) bool {
	if f.Rate < 1 && e.random.Float64() >= f.Rate {
		return false
	}
	if f.Count > 0 {
		f.left--
	}
	return true
}

// firing are the faults that hit a call of an action, those of stock left out.
func (e *Emulator) firing(now time.Time, action string) []*Fault {
	e.dropFaults(now)
	var hit []*Fault
	for _, f := range e.faults {
		if f.Kind == FaultNoStock || f.Action != "" && f.Action != action {
			continue
		}
		if f.Kind == FaultEmptyList && emptyAnswer(action, "") == nil {
			continue
		}
		if e.fires(f) {
			hit = append(hit, f)
		}
	}
	return hit
}

// stock says how creating in a zone goes now.
func (e *Emulator) stock(now time.Time, zone string) (none, later bool) {
	e.dropFaults(now)
	for _, f := range e.faults {
		if f.Kind == FaultNoStock && (f.Zone == "" || f.Zone == zone) && e.fires(f) {
			if !f.Async {
				return true, false
			}
			later = true
		}
	}
	return false, later
}
