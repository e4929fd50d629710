package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Overview shows what needs a person now, each one Enter away from its cause; then how ECS
// and ECI stand side by side; then what happened last.
type Overview struct {
	list[*fleet.Attention]
	places *table.Table[*placeRow]
	events *table.Table[*fleet.Moment]
	feed   *Timeline // whose events the lowest part shows
	s      *fleet.Snapshot
	sheet  *sheet
}

// A placeRow is one line of the places: a place, or all of them.
type placeRow struct {
	fleet.PlaceSum
	all bool
}

// NewOverview is the first screen.
func NewOverview(env *Env) *Overview {
	o := &Overview{s: &fleet.Snapshot{}, feed: NewTimeline(env)}
	o.list = list[*fleet.Attention]{
		env: env,
		object: func(a *fleet.Attention) keymap.Object {
			return keymap.Object(a.Target)
		},
		reason: func(a *fleet.Attention) string { return withRemedy(a.Text, a.Remedy) },
		table: table.New(table.Config[*fleet.Attention]{
			Theme: env.Theme, Now: env.Now, Key: attentionKey, Role: func(a *fleet.Attention) theme.Role { return attentionRole(a.Severity) },
		}, attentionColumns()),
	}
	o.places = table.New(table.Config[*placeRow]{
		Theme: env.Theme, Now: env.Now, Key: func(r *placeRow) string { return string(r.Place) }, Still: true,
		Role: func(r *placeRow) theme.Role {
			switch {
			case r.all:
				return theme.Strong
			case r.Place == fleet.PlaceNone:
				return theme.Degraded
			}
			return theme.Plain
		},
	}, o.placeColumns())
	o.events = table.New(table.Config[*fleet.Moment]{
		Theme: env.Theme, Now: env.Now, Key: momentKey, Role: momentRole, Still: true,
	}, o.feed.columns())
	o.sheet = &sheet{Box: tview.NewBox(), o: o}
	return o
}

// Title is "Overview".
func (o *Overview) Title() string { return "Overview" }

// Primitive is all three parts.
func (o *Overview) Primitive() tview.Primitive { return o.sheet }

// Summary says how much needs a person.
func (o *Overview) Summary() string {
	n, fine := 0, 0
	for _, a := range o.s.Attention {
		if a.Severity == fleet.Fine {
			fine++
		} else {
			n++
		}
	}
	switch {
	case o.table.Filter() != "":
		return o.list.Summary()
	case o.unread:
		return ""
	case n == 0:
		return "all is well"
	case n == 1:
		return "1 needs you"
	}
	return fmt.Sprintf("%d need you", n)
}

// Aged reports whether a text in any part changed only because time passed.
func (o *Overview) Aged() bool {
	return o.list.Aged() || o.places.Aged() || o.events.Aged() || o.sheet.aged()
}

// Show takes what needs a person, the places and the newest events of the snapshot.
func (o *Overview) Show(s *fleet.Snapshot) {
	o.s = s
	o.explain(s, "pods", "nothing needs you")
	rows := make([]*fleet.Attention, len(s.Attention))
	for i := range s.Attention {
		rows[i] = &s.Attention[i]
	}
	o.table.Set(rows)
	var places []*placeRow
	total := placeRow{all: true}
	for _, p := range s.Places {
		places = append(places, &placeRow{PlaceSum: p})
		total.Nodes += p.Nodes
		total.Pods += p.Pods
	}
	total.Cost = s.Cost
	if len(places) > 1 {
		places = append(places, &total)
	}
	o.places.SetEmpty("")
	o.places.Set(places)
	o.feed.Show(s)
	o.events.SetEmpty(o.feed.none)
	if len(o.feed.moments) > 0 {
		o.events.SetEmpty("nothing but pods that start and end as they should (7 shows them)")
	}
	o.events.Set(slices.DeleteFunc(slices.Clone(o.feed.moments), routine))
}

// Actions are the keys on what needs a person.
func (o *Overview) Actions() []keymap.Action {
	cause := o.why()
	cost := o.cost()
	cost.Disabled = func(s keymap.Selection) string {
		switch s.Cursor.Kind {
		case "":
			return "nothing is selected"
		case fleet.KindVSwitch, fleet.KindAccount, fleet.KindSource, fleet.KindOperation:
			return "it has no cost of its own"
		}
		return ""
	}
	describe := o.describe()
	describe.Disabled = func(s keymap.Selection) string {
		switch s.Cursor.Kind {
		case "":
			return "nothing is selected"
		case fleet.KindVSwitch, fleet.KindAccount, fleet.KindSource, fleet.KindOperation:
			return "there is no such object in the cluster; w says what is known"
		}
		return ""
	}
	events := o.list.events(nil)
	events.Disabled = describe.Disabled
	return append([]keymap.Action{
		{Keys: []string{"Enter"}, Name: "cause", Bar: true, Disabled: nothing, Help: "Open the cause: the orphan groups, the steps of an operation, or the reasons and what helps.",
			Run: o.with(func(a *fleet.Attention) {
				switch {
				case a.Topic == fleet.TopicOrphans:
					o.env.Shell.Open(GroupsThat(o.env, "relation:=orphan"))
					return
				case a.Target.Kind == fleet.KindOperation:
					o.env.Shell.Open(NewSteps(o.env, a.Target.Name, a.Subject))
					return
				}
				o.env.Shell.Open(Why(o.env, keymap.Object(a.Target)))
			})},
		o.migrate(), o.resume(), cause, describe, events, cost,
	}, o.table.Actions()...)
}

// resume is the r key on an operation that was cut off.
func (o *Overview) resume() keymap.Action {
	a := OperationActions(o.env, func(verb Verb, s keymap.Selection) (string, string) {
		for _, op := range o.s.Operations {
			if s.Cursor.Kind == fleet.KindOperation && op.ID == s.Cursor.Name {
				return op.ID, verb.Unfit(op.HasEnded(), op.Resumable, op.Done)
			}
		}
		return "", "no operation is selected"
	})[0]
	a.Bar = o.Selection().Cursor.Kind == fleet.KindOperation
	return a
}

func attentionKey(a *fleet.Attention) string {
	return strings.Join([]string{string(a.Topic), a.Subject, a.Target.Kind, a.Target.Namespace, a.Target.Name, a.Target.UID}, "\x00")
}

// attentionRole: what is only information steps back.
func attentionRole(s fleet.Severity) theme.Role {
	if s == fleet.Fine {
		return theme.Dim
	}
	return severityRole(s)
}

// lasts is the time that is left, or how long it has lasted.
func lasts(a *fleet.Attention, now time.Time) string {
	switch {
	case a.Due.After(now):
		return "in " + format.Age(now, a.Due)
	case !a.Due.IsZero():
		return "due"
	}
	return format.Age(a.Since, now)
}

func attentionColumns() []table.Column[*fleet.Attention] {
	return []table.Column[*fleet.Attention]{
		{
			Title: "NEEDS YOU", Aliases: []string{"subject"}, Sort: 'N', Words: true, Middle: true, Importance: 0, Min: 14, Max: 26,
			Cell: func(a *fleet.Attention, _ time.Time) string { return a.Subject },
		},
		{
			Title: "FOR", Aliases: []string{"since"}, Sort: 'A', Largest: true, Right: true, Live: true, Importance: 2, Min: 5,
			Cell: lasts,
			Number: func(a *fleet.Attention, now time.Time) (float64, bool) {
				if !a.Due.IsZero() {
					return -a.Due.Sub(now).Seconds(), true
				}
				return now.Sub(a.Since).Seconds(), !a.Since.IsZero()
			},
			Role: func(a *fleet.Attention) theme.Role {
				if !a.Due.IsZero() {
					return theme.Broken
				}
				return attentionRole(a.Severity)
			},
		},
		{
			Title: "WHAT", Aliases: []string{"text"}, Sort: 'W', Words: true, Importance: 1, Min: 30, Max: 46,
			Cell: func(a *fleet.Attention, _ time.Time) string { return a.Text },
		},
		{
			Title: "WHAT HELPS", Aliases: []string{"helps"}, Sort: 'R', Words: true, Importance: 3, Min: 20, Max: 46,
			Cell: func(a *fleet.Attention, _ time.Time) string { return known(a.Remedy) },
			Role: func(a *fleet.Attention) theme.Role { return theme.Plain },
		},
	}
}

// placeName is a place as people write it.
func placeName(p fleet.Place) string {
	switch p {
	case fleet.PlaceNone:
		return "pending"
	case fleet.PlaceOther:
		return "other"
	case "":
		return "unknown"
	}
	return strings.ToUpper(string(p))
}

func (o *Overview) placeColumns() []table.Column[*placeRow] {
	const gib = 1 << 30
	real := func(r *placeRow) bool { return r.AllocCPU > 0 }
	return []table.Column[*placeRow]{
		{Title: "PLACE", Importance: 0, Min: 7, Cell: func(r *placeRow, _ time.Time) string {
			if r.all {
				return "all"
			}
			return placeName(r.Place)
		}},
		{Title: "NODES", Right: true, Importance: 3, Cell: func(r *placeRow, _ time.Time) string { return countCell(r.Nodes) }},
		{Title: "PODS", Right: true, Importance: 1, Min: 4, Cell: func(r *placeRow, _ time.Time) string { return fmt.Sprint(r.Pods) }},
		{Title: "VCPU", Right: true, Importance: 2, Cell: func(r *placeRow, _ time.Time) string {
			switch {
			case r.all:
				return ""
			case real(r):
				return share(format.Cores(r.RequestCPU), format.Cores(r.AllocCPU), r.RequestCPU, r.AllocCPU)
			case r.Place == fleet.PlaceECI:
				return format.Number(r.BilledCPU, 2) + " billed"
			}
			return format.Cores(r.RequestCPU) + " wanted"
		}},
		{Title: "MEMORY Gi", Right: true, Importance: 4, Cell: func(r *placeRow, _ time.Time) string {
			switch {
			case r.all:
				return ""
			case real(r):
				return share(format.GiB(r.RequestMemory), format.GiB(r.AllocMemory), r.RequestMemory, r.AllocMemory)
			case r.Place == fleet.PlaceECI:
				return format.Number(r.BilledMemory, 1) + " billed"
			}
			return format.GiB(r.RequestMemory) + " wanted"
		}},
		{Title: "CPU", Right: true, Importance: 3, Min: 5, Cell: func(r *placeRow, _ time.Time) string {
			return placeUse(r, r.Usage.CPU, r.AllocCPU, int64(r.BilledCPU*1000))
		}},
		{Title: "MEM", Right: true, Importance: 3, Min: 5, Cell: func(r *placeRow, _ time.Time) string {
			return placeUse(r, r.Usage.Memory, r.AllocMemory, int64(r.BilledMemory*gib))
		}},
		{Title: "COST/H", Right: true, Importance: 1, Min: 7, Cell: func(r *placeRow, _ time.Time) string {
			if r.Place == fleet.PlaceNone && !r.all {
				return format.Unknown // what it will cost, its place decides
			}
			return format.SumRate(r.Cost, o.s.Currency())
		}},
		{Title: "MONTH", Right: true, Importance: 4, Min: 7, Cell: func(r *placeRow, _ time.Time) string {
			if r.Place == fleet.PlaceNone && !r.all {
				return format.Unknown
			}
			return format.SumMonth(r.Cost, o.s.Currency())
		}},
		{Title: "PODS, 1 h", Importance: 5, Cell: func(r *placeRow, _ time.Time) string {
			return podSpark(o.s.History, historyPlace(r), 12)
		}},
		{Title: "COST, 1 h", Importance: 6, Cell: func(r *placeRow, _ time.Time) string {
			if r.Place == fleet.PlaceNone && !r.all {
				return ""
			}
			return costSpark(o.s.History, historyPlace(r), 12)
		}},
	}
}

func historyPlace(r *placeRow) fleet.Place {
	if r.all {
		return ""
	}
	return r.Place
}

// placeUse is what a place uses: on real nodes of what they can give, on ECI of what is
// billed. A question mark says that some of it was not measured.
func placeUse(r *placeRow, used, alloc, billed int64) string {
	whole := alloc
	if whole == 0 {
		whole = billed
	}
	switch {
	case r.all:
		return ""
	case r.Usage.Pods == 0:
		return format.Unknown
	case r.Usage.Missing > 0:
		return format.Percent(used, whole) + "?"
	}
	return format.Percent(used, whole)
}

// account is a line about what the next burst needs: quota and addresses.
func (o *Overview) account() string {
	var parts []string
	if text := lacking(o.s.Stocks); text != "" {
		parts = append(parts, text)
	}
	if q := o.s.Quota; q != nil && q.MaxCPU > 0 {
		parts = append(parts, fmt.Sprintf("vCPU quota %g of %g used", q.UsedCPU, q.MaxCPU))
	}
	for i, v := range o.s.VSwitches {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d vSwitches more", len(o.s.VSwitches)-i))
			break
		}
		text := v.ID
		if v.Zone != "" {
			text += " (" + shortZone(v.Zone) + ")"
		}
		text += fmt.Sprintf(" %d", v.Free)
		if v.Total > 0 {
			text += fmt.Sprintf(" of %d", v.Total)
		}
		parts = append(parts, text+" addresses free")
	}
	if len(parts) == 0 {
		return "vCPU quota and free addresses are not known"
	}
	return strings.Join(parts, " · ")
}

// shortZone is the letter of a zone: the region is the same for all.
func shortZone(zone string) string { return zone[strings.LastIndexByte(zone, '-')+1:] }

// lacking says which zones have nothing in stock, and which sizes lack in others; "" where
// nothing is known to lack.
func lacking(stocks []fleet.Stock) string {
	empty := map[string]bool{}
	var zones, sizes []string
	for _, s := range stocks {
		if s.CPU == 0 && !s.Available {
			empty[s.Zone] = true
			zones = append(zones, shortZone(s.Zone))
		}
	}
	for _, s := range stocks {
		if s.CPU > 0 && !s.Available && !empty[s.Zone] {
			sizes = append(sizes, format.Spec(s.CPU, s.Memory)+" in "+shortZone(s.Zone))
		}
	}
	var parts []string
	if len(zones) > 0 {
		parts = append(parts, "no stock in zone "+strings.Join(zones, ", "))
	}
	if len(sizes) > 0 {
		parts = append(parts, "no "+strings.Join(sizes, ", "))
	}
	return strings.Join(parts, " · ")
}

// A sheet paints the three parts of the overview, one above the other.
type sheet struct {
	*tview.Box
	o       *Overview
	painted string
}

// Draw divides the height: what needs a person has as much as it needs, as long as the
// places are seen whole and some events too.
func (s *sheet) Draw(screen tcell.Screen) {
	x, y, width, height := s.GetRect()
	o := s.o
	rows := len(o.s.Places)
	if rows > 1 {
		rows++ // all of them
	}
	places := rows + 1
	if rows == 0 {
		places = 0
	}
	account, events := 1, 5
	needs := max(1, len(o.s.Attention)) + 1
	if len(o.s.Attention) == 0 {
		needs = 4 // the table says in its third line that it is empty
	}
	rest := height - places - account - 2
	if rest-events < min(needs, 6) {
		events = max(0, rest-min(needs, 6)-1)
	}
	if events < 3 { // one title and one event are not worth their lines
		events = 0
	}
	top := min(needs, rest-events)
	part := func(p tview.Primitive, height int) {
		if height > 0 {
			p.SetRect(x, y, width, height)
			p.Draw(screen)
			y += height
		}
	}
	bottom := y + height
	part(o.table, max(top, 2))
	y++
	if y+places <= bottom {
		part(o.places, places)
	}
	s.painted = o.account()
	if y < bottom && places > 0 {
		o.env.Theme.Print(screen, x+gutterOf, y, width-gutterOf, theme.Fit(s.painted, width-gutterOf-1), o.env.Theme.Style(theme.Dim))
		y++
	}
	if y++; bottom-y >= 2 {
		part(o.events, bottom-y)
	}
}

// gutterOf is how far a table's first column is from its left.
const gutterOf = 3

func (s *sheet) aged() bool { return s.painted != "" && s.painted != s.o.account() }
