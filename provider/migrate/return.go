package migrate

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/money"
)

// The marks of what is moved without being asked for each time, on a workload or a namespace.
const (
	// AnnotationReturn "auto" lets what is on ECI come home when real nodes have room again.
	AnnotationReturn = "ecideck.io/return"
	// AnnotationRescue "auto" moves a pod whose group ECI is about to take.
	AnnotationRescue = "ecideck.io/rescue"
	valueAuto        = "auto"
	valueOff         = "off"
)

// A ReturnPolicy says what comes home by itself.
type ReturnPolicy struct {
	All       bool       // also what no annotation marks
	Off       bool       // nothing, whatever is marked
	Hours     Hours      // when
	MinSaving money.Rate // of a workload's pods together; unknown: any
	// How long a pod must have been on ECI, and real nodes must have had room for it; 0: ten and
	// five minutes.
	Settled, Fits time.Duration
}

const (
	// settledFor is how long a pod must have been on ECI, and fitsFor how long real nodes must
	// have had room for it.
	settledFor = 10 * time.Minute
	fitsFor    = 5 * time.Minute
	// quietFor is how long its autoscaler must not have moved.
	quietFor = 5 * time.Minute
	// perMinute is how many come home in a minute.
	perMinute = 10
)

// Hours are a part of each day, in the process's time zone; the zero value is all of it.
type Hours struct {
	From, To time.Duration // since midnight; To before From: over midnight
	Set      bool
}

// ParseHours reads 22:00-06:00; "" is always.
func ParseHours(s string) (Hours, error) {
	if s == "" {
		return Hours{}, nil
	}
	from, to, ok := strings.Cut(s, "-")
	h := Hours{Set: true}
	for _, x := range []struct {
		text string
		into *time.Duration
	}{{from, &h.From}, {to, &h.To}} {
		at, err := time.Parse("15:04", strings.TrimSpace(x.text))
		if err != nil || !ok {
			return Hours{}, fmt.Errorf("%q: give hours such as 22:00-06:00", s)
		}
		*x.into = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	return h, nil
}

// Has tells that a moment is within the hours.
func (h Hours) Has(now time.Time) bool {
	at := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute
	switch {
	case !h.Set || h.From == h.To:
		return true
	case h.From < h.To:
		return at >= h.From && at < h.To
	}
	return at >= h.From || at < h.To
}

// A Homebound is a pod on ECI that may come home, and what is around it.
type Homebound struct {
	Pod      *corev1.Pod
	Next     *corev1.Pod // what its controller's template would have run instead; nil: the same
	Workload Ref
	Mark     string     // what the workload or its namespace says: auto, off or nothing
	Busy     string     // why nothing of the workload is to move now; "": it may
	Scaled   time.Time  // when its autoscaler last moved; zero: never, or it has none
	Only     bool       // it belongs on ECI only
	Saving   money.Rate // what ECI bills for the pod in an hour; unknown: no list price
}

// Decide says which pods come home now, and of each of the others why it doesn't. rooms are
// the real nodes; fits holds since when each pod would fit there, and is brought up to date;
// lately is how many came home within the last minute. But for fits it is pure.
func (p ReturnPolicy) Decide(all []Homebound, rooms []Room, fits map[types.UID]time.Time, lately int, now time.Time) (home []Homebound, why map[types.UID]string) {
	why = map[types.UID]string{}
	settled, room := cmp.Or(p.Settled, settledFor), cmp.Or(p.Fits, fitsFor)
	seen := map[types.UID]bool{}
	var able []Homebound
	for _, x := range all {
		text := ""
		switch {
		case x.Mark == valueOff, x.Mark != valueAuto && !p.All:
			text = "it is not marked " + AnnotationReturn + "=" + valueAuto
		case x.Only:
			text = "it belongs on ECI only"
		case !ready(x.Pod):
			text = "it is not Ready"
		case now.Sub(x.Pod.CreationTimestamp.Time) < settled:
			text = fmt.Sprintf("it has been on ECI for less than %s", settled)
		}
		if text == "" {
			node, next := "", x.Pod
			if x.Next != nil {
				next = x.Next
			}
			if node, text = Fit(next, rooms); node != "" {
				seen[x.Pod.UID] = true
				if fits[x.Pod.UID].IsZero() {
					fits[x.Pod.UID] = now
				}
				switch {
				case now.Sub(fits[x.Pod.UID]) < room:
					text = fmt.Sprintf("real nodes have room for it, for less than %s yet", room)
				case x.Busy != "":
					text = x.Busy
				case now.Sub(x.Scaled) < quietFor:
					text = fmt.Sprintf("its autoscaler moved %s ago", now.Sub(x.Scaled).Round(time.Second))
				case !p.Hours.Has(now):
					text = "it is not within the hours of --return-hours"
				}
			} else {
				text = "no real node has room for it: " + text
			}
		}
		if text != "" {
			why[x.Pod.UID] = text
			continue
		}
		able = append(able, x)
	}
	for uid := range fits {
		if !seen[uid] {
			delete(fits, uid) // it is gone, or doesn't fit any more: the time begins anew
		}
	}
	saving, unpriced := map[Ref]money.Rate{}, map[Ref]bool{}
	for _, x := range able {
		if !x.Saving.Known() {
			unpriced[x.Workload] = true // what the others save is at least saved
			continue
		}
		saving[x.Workload] = addRates(saving[x.Workload], x.Saving)
	}
	for _, x := range able {
		s := saving[x.Workload]
		enough := !p.MinSaving.Known() || s.Currency == p.MinSaving.Currency && s.MicrosPerHour >= p.MinSaving.MicrosPerHour
		switch {
		case !enough && unpriced[x.Workload]:
			why[x.Pod.UID] = unknownSaving
		case !enough:
			why[x.Pod.UID] = fmt.Sprintf("its workload would save %s, less than %s", s, p.MinSaving)
		case lately+len(home) >= perMinute:
			why[x.Pod.UID] = fmt.Sprintf("%d a minute come home, and others are before it", perMinute)
		default:
			home = append(home, x)
		}
	}
	return home, why
}

// unknownSaving holds back what a policy with a MinSaving can't judge.
const unknownSaving = "what its workload would save is not known, since the embedded list has no price of it (outside of the mainland, or a machine type): --return-min-saving lets it come home never"

// markOf is what a workload says, or else its namespace.
func markOf(key string, workload, namespace map[string]string) string {
	if v := workload[key]; v != "" {
		return v
	}
	return namespace[key]
}
