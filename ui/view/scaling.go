package view

import (
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Scaling says in one line for every workload why it is or isn't scaling; what has not got
// on for longest stands on top, and only that has colour.
type Scaling struct{ list[*fleet.Workload] }

// NewScaling shows all workloads that can scale.
func NewScaling(env *Env) *Scaling {
	s := &Scaling{}
	s.list = list[*fleet.Workload]{
		env: env, object: workloadObject,
		reason: func(w *fleet.Workload) string {
			text := w.Scaling.Line
			if w.Scaling.Reason != "" {
				text = withRemedy(w.Scaling.Reason, w.Scaling.Remedy)
			}
			if !s.table.Whole("NAMESPACE") {
				text = w.Namespace + ": " + text
			}
			return text
		},
		table: table.New(table.Config[*fleet.Workload]{Theme: env.Theme, Now: env.Now, Key: workloadKey, Role: scalingRole}, scalingColumns()),
	}
	return s
}

// Title is "Scaling".
func (s *Scaling) Title() string { return "Scaling" }

// Show takes the lines of the snapshot.
func (s *Scaling) Show(snapshot *fleet.Snapshot) {
	s.explain(snapshot, "pods", "no workloads")
	s.table.Set(ScalingRows(snapshot))
}

// ScalingRows are the workloads in the order in which a person should look at them, without
// those that have no size: a pod of nobody's that is well, a Job that does what it should.
func ScalingRows(s *fleet.Snapshot) []*fleet.Workload {
	rows := slices.DeleteFunc(slices.Clone(s.Workloads), func(w *fleet.Workload) bool {
		return (w.Kind == KindPod || w.Kind == "Job") && w.Scaling.State == fleet.ScalingSteady
	})
	slices.SortStableFunc(rows, compareScaling)
	return rows
}

// compareScaling puts first what a person should look at: by state, then by how long it lasts.
func compareScaling(a, b *fleet.Workload) int {
	if d := scalingOrder(a.Scaling.State) - scalingOrder(b.Scaling.State); d != 0 {
		return d
	}
	x, y := a.Scaling.Since, b.Scaling.Since
	switch {
	case x.IsZero() && y.IsZero():
		return 0
	case x.IsZero():
		return 1
	case y.IsZero():
		return -1
	}
	return x.Compare(y)
}

func scalingOrder(s fleet.ScalingState) int {
	return slices.Index([]fleet.ScalingState{fleet.ScalingStuck, fleet.ScalingLimited, fleet.ScalingMoving, fleet.ScalingUnknown, fleet.ScalingSteady}, s)
}

// Actions are the keys on the lines.
func (s *Scaling) Actions() []keymap.Action {
	return append(workloadActions(&s.list), s.table.Actions()...)
}

func scalingRole(w *fleet.Workload) theme.Role {
	switch w.Scaling.State {
	case fleet.ScalingStuck:
		return theme.Broken
	case fleet.ScalingLimited:
		return theme.Degraded
	case fleet.ScalingSteady:
		return theme.Dim
	}
	return theme.Plain
}

func scalingColumns() []table.Column[*fleet.Workload] {
	return []table.Column[*fleet.Workload]{
		{
			Title: "NAMESPACE", Aliases: []string{"ns"}, Sort: 'P', Words: true, Importance: 3, Min: 9, Max: 16,
			Cell: func(w *fleet.Workload, _ time.Time) string { return w.Namespace },
		},
		{
			Title: "WORKLOAD", Aliases: []string{"name", "kind"}, Sort: 'N', Words: true, Middle: true, Importance: 0, Min: 14, Max: 26,
			Cell:  func(w *fleet.Workload, _ time.Time) string { return ownerName(w.Owner) },
			Match: func(w *fleet.Workload) string { return ownerName(w.Owner) + " " + w.Kind },
		},
		{
			Title: "STATE", Sort: 'S', Words: true, Importance: 1, Min: 7,
			Cell: func(w *fleet.Workload, _ time.Time) string { return known(string(w.Scaling.State)) },
			Rank: func(w *fleet.Workload) int { return scalingOrder(w.Scaling.State) },
		},
		{
			Title: "FOR", Aliases: []string{"stuck"}, Sort: 'A', Largest: true, Right: true, Live: true, Importance: 1, Min: 5,
			Cell:   func(w *fleet.Workload, now time.Time) string { return stuckCell(w, now) },
			Number: stuckNumber,
		},
		{
			Title: "BY", Sort: 'B', Words: true, Importance: 4, Min: 6,
			Cell: func(w *fleet.Workload, _ time.Time) string { return known(w.Scaling.By) },
		},
		{
			Title: "WHY", Aliases: []string{"line"}, Sort: 'W', Words: true, Importance: 1, Min: 20, Max: 44,
			Cell: func(w *fleet.Workload, _ time.Time) string { return known(w.Scaling.Line) },
		},
	}
}
