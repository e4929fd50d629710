package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/theme"
)

// source is short for what a snapshot says about one collector.
type source = fleet.Source

// A segment is a piece of a line with its meaning.
type segment struct {
	text string
	role theme.Role
}

// width is how many cells segments take.
func width(segments []segment) int {
	w := 0
	for i, s := range segments {
		w += gap(segments, i) + theme.Width(s.text)
	}
	return w
}

// gap is the space before the ith segment: one cell between dim ones, which belong
// together, two elsewhere.
func gap(segments []segment, i int) int {
	switch {
	case i == 0:
		return 0
	case segments[i].role == theme.Dim && segments[i-1].role == theme.Dim:
		return 1
	}
	return 2
}

// text is what segments say, for comparing with what is on screen.
func text(segments []segment) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString(s.text + "  ")
	}
	return b.String()
}

// A census is what the first line says of a snapshot: pods that have not ended by place,
// what is wrong, what is paid now, and how old the prices and the bill are.
type census struct {
	ecs, eci, acs, other, unbound, broken, degraded int
	unread                                          bool // the pods were never read: nothing is known
	rates                                           []segment
	prices, billed                                  time.Time // zero: none are known
}

func count(s *fleet.Snapshot) census {
	var c census
	for _, source := range s.Sources {
		c.unread = c.unread || source.Name == "pods" && source.Read.IsZero()
	}
	for _, p := range s.Places {
		switch p.Place {
		case fleet.PlaceECS:
			c.ecs = p.Pods
		case fleet.PlaceECI:
			c.eci = p.Pods
		case fleet.PlaceACS:
			c.acs = p.Pods
		case fleet.PlaceOther:
			c.other = p.Pods
		default:
			c.unbound += p.Pods
		}
	}
	for _, p := range s.Placements {
		switch p.Trouble {
		case fleet.Broken:
			c.broken++
		case fleet.Degraded:
			c.degraded++
		}
		if q := p.Cost.Quote; q != nil && q.From == fleet.PriceAPI && (c.prices.IsZero() || q.Read.Before(c.prices)) {
			c.prices = q.Read
		}
	}
	c.billed = s.Bill.Through
	main := s.Currency()
	for _, place := range []struct {
		place fleet.Place
		name  string
	}{{fleet.PlaceECI, "ECI"}, {fleet.PlaceECS, "ECS"}, {fleet.PlaceOther, "other"}} {
		for _, p := range s.Places {
			if p.Place == place.place && !c.unread {
				c.rates = append(c.rates, segment{place.name + " " + format.SumRate(p.Cost, main) + "/h", theme.Strong})
			}
		}
	}
	return c
}

// segments are the census in words, the most important first.
func (c census) segments() []segment {
	var out []segment
	add := func(n int, word string, role theme.Role) {
		if n > 0 {
			out = append(out, segment{fmt.Sprintf("%d %s", n, word), role})
		}
	}
	add(c.broken, "broken", theme.Broken)
	if c.unread {
		return append(out, segment{"pods ECS ? ECI ?", theme.Plain})
	}
	out = append(out, c.rates...)
	out = append(out, segment{fmt.Sprintf("pods ECS %d ECI %d", c.ecs, c.eci), theme.Plain})
	add(c.degraded, "degraded", theme.Degraded)
	add(c.unbound, "unbound", theme.Degraded)
	add(c.acs, "ACS", theme.Plain)
	add(c.other, "elsewhere", theme.Plain)
	return out
}

// together says once that all of Kubernetes is stale, which one dead API server makes it.
func together(troubled []segment, sources []source, now time.Time) []segment {
	all, stale, oldest := 0, 0, time.Time{}
	for _, s := range sources {
		if family(s.Name) != "k8s" {
			continue
		}
		if all++; s.Stale(now) && !s.Read.IsZero() {
			stale++
			if oldest.IsZero() || s.Read.Before(oldest) {
				oldest = s.Read
			}
		}
	}
	if all < 2 || stale < all {
		return troubled
	}
	rest := slices.DeleteFunc(troubled, func(s segment) bool { return family(strings.Fields(s.text)[0]) == "k8s" })
	return append([]segment{{"k8s STALE " + format.Age(oldest, now), theme.Broken}}, rest...)
}

// family is the word that the first line has for a source; "": it is only counted.
func family(name string) string {
	switch name {
	case "pods", "nodes", "events":
		return "k8s"
	case "groups":
		return "eci"
	case "pod-metrics", "node-metrics", "group-metrics":
		return "metrics"
	}
	return ""
}

// freshness says how old a source's part is.
func freshness(s source, now time.Time) segment {
	switch {
	case s.Read.IsZero() && s.Error != "":
		return segment{s.Name + " NO DATA", theme.Broken}
	case s.Read.IsZero():
		return segment{s.Name + " loading", theme.Degraded}
	case s.Stale(now):
		return segment{s.Name + " STALE " + format.Age(s.Read, now), theme.Broken}
	}
	return segment{s.Name + " " + format.Age(s.Read, now), theme.Dim}
}

// headline is the first line: where am I, how fresh is each source, how much is there. left
// and right together fit into room cells. First the less important counts give way, then
// the ages of what changes seldom, then those of fresh sources; what is stale or broken is
// the last to go.
func headline(name []segment, sources []source, c census, now time.Time, room int) (left, right []segment) {
	var ages, troubled []segment
	fresh, failing := 0, 0
	oldest := map[string]time.Time{} // family -> when the oldest of its fresh sources was read
	for _, s := range sources {
		f, of := freshness(s, now), family(s.Name)
		switch {
		case s.Absent:
		case f.role == theme.Dim && of != "":
			if !s.Quiet {
				fresh++
			}
			if at := oldest[of]; at.IsZero() || s.Read.Before(at) {
				oldest[of] = s.Read
			}
		case f.role == theme.Dim:
		case !s.Quiet:
			troubled = append(troubled, f)
		case s.Error != "" || !s.Read.IsZero(): // too many for one line: those in trouble are counted
			failing++
		}
	}
	troubled = together(troubled, sources, now)
	for _, of := range []string{"k8s", "metrics", "eci"} {
		if at := oldest[of]; !at.IsZero() {
			ages = append(ages, segment{of + " " + format.Age(at, now), theme.Dim})
		}
	}
	few := ages // without what changes once a day
	least := slices.DeleteFunc(slices.Clone(ages), func(s segment) bool { return strings.HasPrefix(s.text, "metrics ") })
	if !c.prices.IsZero() {
		ages = append(ages, segment{"price " + format.Age(c.prices, now), theme.Dim})
	}
	if !c.billed.IsZero() {
		ages = append(ages, segment{"bill " + format.Age(c.billed, now), theme.Dim})
	}
	if failing > 0 {
		troubled = append(troubled, segment{fmt.Sprintf("+%d failing", failing), theme.Broken})
	}
	short := troubled
	if fresh > 0 {
		short = append(troubled[:len(troubled):len(troubled)], segment{fmt.Sprintf("%d fresh", fresh), theme.Dim})
	}
	all, some, two := slices.Concat(troubled, ages), slices.Concat(troubled, few), slices.Concat(troubled, least)
	right = c.segments()
	needed := min(len(right), max(1, len(c.rates)))
	if c.broken > 0 {
		needed = min(len(right), needed+1)
	}
	for _, try := range []struct {
		sources []segment
		least   int
	}{{all, len(right)}, {all, needed}, {some, needed}, {two, needed}, {short, 0}} {
		left = append(append([]segment{}, name...), try.sources...)
		for keep := len(right); keep >= try.least; keep-- {
			if width(left)+2+width(right[:keep]) <= room {
				return left, right[:keep]
			}
		}
	}
	if width(left) > room && len(name) > 0 {
		excess := width(left) - room
		last := len(name) - 1
		left[last].text = theme.FitMiddle(left[last].text, max(4, theme.Width(left[last].text)-excess))
	}
	return left, nil
}

// troubles are the sources' errors in words. Sources that fail for one reason are one
// trouble, as old as the oldest of them.
func troubles(sources []source, now time.Time) []string {
	type trouble struct {
		names []string
		read  time.Time
		why   string
	}
	var all []*trouble
	for _, s := range sources {
		if !s.Stale(now) || s.Read.IsZero() && s.Error == "" {
			continue
		}
		why := format.Plain(strings.ReplaceAll(s.Error, "\n", " "))
		if why == "" {
			why = "no report for " + format.Age(s.Read, now) + ", expected every " + s.Every.String()
		}
		i := slices.IndexFunc(all, func(t *trouble) bool { return t.why == why && t.read.IsZero() == s.Read.IsZero() })
		if i < 0 {
			all = append(all, &trouble{[]string{s.Name}, s.Read, why})
			continue
		}
		all[i].names = append(all[i].names, s.Name)
		if s.Read.Before(all[i].read) {
			all[i].read = s.Read
		}
	}
	var out []string
	for _, t := range all {
		as := " never read: "
		if !t.read.IsZero() {
			as = " shown as of " + format.Age(t.read, now) + " ago: "
		}
		names := strings.Join(t.names, ", ")
		if len(t.names) > 4 {
			names = fmt.Sprintf("%s and %d more", strings.Join(t.names[:3], ", "), len(t.names)-3)
		}
		out = append(out, names+as+t.why)
	}
	return out
}
