package view

import (
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Groups shows the container groups from ECI's side; those that cost money for nothing
// stand on top.
type Groups struct {
	list[*fleet.Group]
	placed map[*fleet.Group]*fleet.Placement // of the groups that are a pod's, or an orphan
	s      *fleet.Snapshot                   // that is shown
}

// NewGroups shows all groups of the region.
func NewGroups(env *Env) *Groups {
	g := &Groups{}
	g.list = list[*fleet.Group]{
		env: env, object: groupObject, reason: groupReason,
		table: table.New(table.Config[*fleet.Group]{
			Theme: env.Theme, Now: env.Now, Key: func(g *fleet.Group) string { return g.ID },
			Role: groupRole,
		}, g.columns()),
	}
	return g
}

// GroupsThat shows the groups that satisfy a filter, which must be one.
func GroupsThat(env *Env, filter string) *Groups {
	g := NewGroups(env)
	_ = g.SetFilter(filter) // is understood
	return g
}

// Title is "Groups".
func (g *Groups) Title() string { return "Groups" }

// Show takes the groups of the snapshot, orphans first, foreign ones last.
func (g *Groups) Show(s *fleet.Snapshot) {
	g.s = s
	g.placed = make(map[*fleet.Group]*fleet.Placement, len(s.Groups))
	for _, p := range s.Placements {
		if p.Group != nil {
			g.placed[p.Group] = p
		}
	}
	sorted := slices.Clone(s.Groups)
	slices.SortStableFunc(sorted, func(a, b *fleet.Group) int { return relationOrder(a) - relationOrder(b) })
	g.explain(s, "groups", "no container groups in this region")
	g.table.Set(sorted)
}

func relationOrder(g *fleet.Group) int {
	switch g.Relation {
	case fleet.Orphan:
		return 0
	case fleet.Unjoined:
		return 1
	case fleet.Foreign:
		return 3
	}
	return 2
}

// Actions are the keys on groups.
func (g *Groups) Actions() []keymap.Action {
	describe := g.describe()
	describe.Keys = append(describe.Keys, "Enter")
	noPod := func(keymap.Selection) string {
		if row, ok := g.table.Current(); !ok || g.placed[row] == nil || g.placed[row].Pod == nil {
			return "this group has no pod"
		}
		return ""
	}
	move := g.migrate()
	able := move.Disabled
	move.Disabled = func(s keymap.Selection) string {
		if why := able(s); why != "" {
			return why
		}
		if len(s.Marked) == 0 {
			return noPod(s)
		}
		return ""
	}
	return append([]keymap.Action{
		describe, move,
		{Keys: []string{"l"}, Name: "logs", Bar: true, Disabled: noPod, Help: "Follow the log of the group's pod.",
			Run: g.with(func(row *fleet.Group) {
				if p := g.placed[row]; p != nil && p.Pod != nil {
					g.env.Shell.Open(NewLogs(g.env, p.Pod, false))
				}
			})},
		g.why(), g.events(nil), g.yaml(), g.cost(),
	}, g.table.Actions()...)
}

func groupObject(g *fleet.Group) keymap.Object {
	return keymap.Object{Kind: KindGroup, Name: g.ID, UID: g.ID}
}

func groupRole(g *fleet.Group) theme.Role {
	switch {
	case g.Relation == fleet.Orphan && g.Status.Billed():
		return theme.Broken
	case g.Relation == fleet.Orphan, g.Relation == fleet.Unjoined:
		return theme.Degraded
	case g.Relation == fleet.Foreign, g.Status.Ended():
		return theme.Dim
	}
	return theme.Plain
}

func groupReason(g *fleet.Group) string {
	reason := ""
	switch g.Relation {
	case fleet.Orphan:
		reason = "of this cluster, but its pod is gone"
		if g.Status.Billed() {
			reason += ": it is paid for nothing"
		}
	case fleet.Unjoined:
		reason = "of this cluster; its pod was not seen yet"
	case fleet.Foreign:
		reason = "not this cluster's: shown, never touched"
	}
	for _, more := range []string{g.Reason, g.Message} {
		if more != "" {
			if reason != "" {
				reason += "; "
			}
			reason += more
		}
	}
	return reason
}

// costOf is what a group costs as far as it is this cluster's: what others cost is theirs to
// know.
func (g *Groups) costOf(row *fleet.Group) fleet.Cost {
	if p := g.placed[row]; p != nil {
		return p.Cost
	}
	return g.s.GroupCost(row)
}

func (g *Groups) columns() []table.Column[*fleet.Group] {
	return []table.Column[*fleet.Group]{
		{
			Title: "ID", Aliases: []string{"group"}, Sort: 'I', Words: true, Middle: true, Importance: 0, Min: 8, Max: 14, Whole: 4,
			Cell: func(g *fleet.Group, _ time.Time) string { return g.ID },
		},
		{
			Title: "NAME", Sort: 'N', Words: true, Middle: true, Importance: 7, Min: 8, Max: 30,
			Cell: func(g *fleet.Group, _ time.Time) string { return known(g.Name) },
		},
		{
			Title: "STATUS", Sort: 'S', Words: true, Importance: 1, Min: 8, Max: 16,
			Cell: func(g *fleet.Group, _ time.Time) string { return known(string(g.Status)) },
		},
		{
			Title: "ZONE", Sort: 'Z', Words: true, Importance: 6, Max: 15,
			Cell: func(g *fleet.Group, _ time.Time) string { return known(g.Zone) },
		},
		{
			Title: "BILLED", Sort: 'B', Largest: true, Importance: 3, Min: 6, Max: 16,
			Cell:   func(g *fleet.Group, _ time.Time) string { return billedCell(g) },
			Number: func(g *fleet.Group, _ time.Time) (float64, bool) { return billedNumber(g) },
		},
		{
			Title: "POD", Sort: 'P', Words: true, Middle: true, Importance: 2, Min: 8, Max: 24, Whole: 4,
			Cell: func(g *fleet.Group, _ time.Time) string {
				if g.Identity.PodName == "" {
					return format.Unknown
				}
				return g.Identity.Namespace + "/" + g.Identity.PodName
			},
		},
		{
			Title: "RELATION", Sort: 'R', Words: true, Importance: 1, Min: 8,
			Cell: func(g *fleet.Group, _ time.Time) string { return known(string(g.Relation)) },
		},
		{
			Title: "COST/H", Aliases: []string{"rate"}, Sort: 'D', Largest: true, Right: true, Importance: 2, Min: 6,
			Cell:   func(row *fleet.Group, _ time.Time) string { return costCell(g.costOf(row)) },
			Number: func(row *fleet.Group, _ time.Time) (float64, bool) { return rateNumber(g.costOf(row).Rate()) },
			Role:   func(row *fleet.Group) theme.Role { return wasteRole(g.costOf(row), groupRole(row)) },
		},
		{
			Title: "ACCRUED", Aliases: []string{"spent"}, Sort: 'E', Largest: true, Right: true, Live: true, Importance: 5, Min: 6,
			Cell:   func(row *fleet.Group, now time.Time) string { return format.Amount(g.costOf(row).Accrued(now)) },
			Number: func(row *fleet.Group, now time.Time) (float64, bool) { return amountNumber(g.costOf(row).Accrued(now)) },
		},
		{
			Title: "AGE", Sort: 'A', Right: true, Live: true, Importance: 4, Min: 5,
			Cell: func(g *fleet.Group, now time.Time) string { return format.Age(g.Created, now) },
			Number: func(g *fleet.Group, now time.Time) (float64, bool) {
				return now.Sub(g.Created).Seconds(), !g.Created.IsZero()
			},
		},
		{
			Title: "IP", Words: true, Importance: 8, Max: 15,
			Cell: func(g *fleet.Group, _ time.Time) string { return known(g.IP) },
		},
		{
			Title: "VSWITCH", Sort: 'V', Words: true, Middle: true, Importance: 9, Max: 16,
			Cell: func(g *fleet.Group, _ time.Time) string { return known(g.VSwitch) },
		},
	}
}
