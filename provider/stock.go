package provider

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/eci"
)

// How long a combination that ECI refused is left alone: twice as long each time.
const (
	firstLack = 10 * time.Second
	longest   = 3 * time.Minute
	// probeFor is how long the one pod that tries again is waited for.
	probeFor = time.Minute
)

// A shelf is what may be out of stock: a size in a vSwitch. Without a size it is the vSwitch
// (its addresses), without a vSwitch the account (its quota), without both the account's
// balance.
type shelf struct{ vswitch, spec string }

// byDefault stands for the vSwitch of a request that names none.
const byDefault = "the default vSwitch"

// A lack is a shelf that was found empty.
type lack struct {
	round   int // how often, one after the other
	until   time.Time
	why     Note      // in ECI's words
	prober  types.UID // the pod that tries again now
	probing time.Time
}

// A stock remembers for all pods what ECI refused for want of capacity, addresses or quota.
// Without it each of 300 pods would find out by itself, again and again. When a pause is
// over one pod tries; the others follow when it got its group.
type stock struct {
	mu    sync.Mutex
	lacks map[shelf]*lack
	zones map[string]string // of vSwitches, as far as seen
}

// An order is what one create asks for: a size in any of some vSwitches.
type order struct {
	spec      string
	vswitches []string
	rounds    map[shelf]int // as they were: an answer counts once, however many asked together
}

// A shortage says what keeps an order back, and until when.
type shortage struct {
	Note
	spec  string
	where []string
	until time.Time
}

// admit is what of an order may be asked for now; nil: nothing, and the shortage says why.
// Vswitches that may be tried again come along in their place with those that are not
// known to lack anything: ECI itself falls from one to the next.
func (s *stock) admit(uid types.UID, spec string, vswitches []string) (*order, *shortage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(vswitches) == 0 {
		vswitches = []string{byDefault}
	}
	now, o := time.Now(), &order{spec: spec, rounds: map[shelf]int{}}
	short := &shortage{spec: spec}
	var due []*lack
	clean := false
	for _, vswitch := range vswitches {
		open, fresh := true, true
		for _, on := range shelvesOf(vswitch, spec) {
			l := s.lacks[on]
			if l == nil {
				continue
			}
			fresh = false
			o.rounds[on] = l.round
			if next := l.next(uid, now); next.After(now) {
				open = false
				if short.until.IsZero() || next.Before(short.until) {
					short.until = next
				}
				short.Note = l.why
			} else {
				due = append(due, l)
			}
		}
		if !open {
			short.where = append(short.where, s.named(vswitch))
			continue
		}
		clean = clean || fresh
		o.vswitches = append(o.vswitches, vswitch)
	}
	if len(o.vswitches) == 0 {
		return nil, short
	}
	if !clean {
		for _, l := range due {
			l.prober, l.probing = uid, now
		}
	}
	return o, nil
}

// lacking says what keeps a size back in every one of some vSwitches now, without asking for
// it, or "".
func (s *stock) lacking(spec string, vswitches []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(vswitches) == 0 {
		vswitches = []string{byDefault}
	}
	now, short := time.Now(), &shortage{spec: spec}
	for _, vswitch := range vswitches {
		open := true
		for _, on := range shelvesOf(vswitch, spec) {
			if l := s.lacks[on]; l != nil && now.Before(l.until) {
				open = false
				short.Note = l.why
			}
		}
		if open {
			return ""
		}
		short.where = append(short.where, s.named(vswitch))
	}
	return short.Reason + ": " + short.what() + ": " + short.Message
}

// next is when the pod may ask.
func (l *lack) next(uid types.UID, now time.Time) time.Time {
	if now.Before(l.until) {
		return l.until
	}
	if l.prober != "" && l.prober != uid {
		return l.probing.Add(probeFor)
	}
	return now
}

// shelvesOf are those that a size in a vSwitch comes from.
func shelvesOf(vswitch, spec string) []shelf {
	return []shelf{{vswitch, spec}, {vswitch, ""}, {"", spec}, {"", ""}}
}

// refused notes that ECI refused an order, and says until when it is left alone. Of several
// vSwitches ECI does not say which one was asked last: all of them lack the size then.
func (s *stock) refused(o *order, why Note) *shortage {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, short := time.Now(), &shortage{Note: why, spec: o.spec}
	for _, vswitch := range o.vswitches {
		short.where = append(short.where, s.named(vswitch))
		on := shelf{vswitch, o.spec}
		switch {
		case why.Reason == reasonArrears:
			on = shelf{}
		case why.Reason == reasonQuota:
			on = shelf{spec: o.spec}
		case why.Reason == reasonNoAddress && len(o.vswitches) == 1:
			on = shelf{vswitch: vswitch}
		}
		l := s.lacks[on]
		if l == nil {
			l = &lack{}
			s.lacks[on] = l
		}
		l.why = why
		if l.round == o.rounds[on] { // and not the answer to another call made at the same time
			l.until = now.Add(min(firstLack<<min(l.round, 10), longest))
			l.round++
		}
		l.prober = ""
		if short.until.IsZero() || l.until.Before(short.until) {
			short.until = l.until
		}
	}
	return short
}

// placed notes that a size was had in a vSwitch, and tells whether that was news.
func (s *stock) placed(vswitch, zone, spec string) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if vswitch != "" && zone != "" {
		s.zones[vswitch] = zone
	}
	if len(s.lacks) == 0 || spec == "" {
		return false
	}
	for _, at := range []string{vswitch, byDefault} {
		for _, on := range shelvesOf(at, spec) {
			if s.lacks[on] != nil {
				delete(s.lacks, on)
				news = true
			}
		}
	}
	return news
}

// leave ends a pod's try that told nothing about the stock.
func (s *stock) leave(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lacks {
		if l.prober == uid {
			l.prober = ""
		}
	}
}

// count is how many combinations are left alone.
func (s *stock) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lacks)
}

func (s *stock) named(vswitch string) string {
	if zone := s.zones[vswitch]; zone != "" {
		return vswitch + " (" + zone + ")"
	}
	return vswitch
}

// said is the event about a shortage: the pause and not its end, or every pod would have
// another event each time.
func (s *shortage) said() Note {
	return Note{s.Reason, fmt.Sprintf("%s: %s; the next try is in %v", s.what(), s.Message, time.Until(s.until).Round(time.Second))}
}

// status is what the pod's status says while it waits.
func (s *shortage) status() Note {
	return Note{s.Reason, fmt.Sprintf("%s: %s; the next try is at %s", s.what(), s.Message, s.until.UTC().Format(time.RFC3339))}
}

func (s *shortage) what() string {
	return s.spec + " was refused in " + strings.Join(s.where, ", ")
}

// specOf names what a request asks for, as far as the stock depends on it.
func specOf(billed string, r *eci.CreateRequest) string {
	words := []string{billed}
	if billed == "" {
		words = []string{r.InstanceType}
	}
	if r.SpotStrategy != "" && r.SpotStrategy != "NoSpot" {
		words = append(words, "spot")
		if r.SpotPriceLimit > 0 {
			words = append(words, fmt.Sprintf("up to %g", r.SpotPriceLimit))
		}
	}
	words = append(words, r.ComputeCategory...)
	words = append(words, r.CpuArchitecture)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// newStock is a stock that lacks nothing.
func newStock() *stock { return &stock{lacks: map[shelf]*lack{}, zones: map[string]string{}} }
