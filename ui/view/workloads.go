package view

import (
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Workloads shows what owns pods: where its replicas run, how its rollout and its autoscaler
// stand, what it costs, and for how long it has not got on.
type Workloads struct {
	list[*fleet.Workload]
	s        *fleet.Snapshot
	troubled int
}

// NewWorkloads shows all workloads; bare pods are workloads of their own.
func NewWorkloads(env *Env) *Workloads {
	w := &Workloads{s: &fleet.Snapshot{}}
	w.list = list[*fleet.Workload]{
		env: env, object: workloadObject,
		table: table.New(table.Config[*fleet.Workload]{Theme: env.Theme, Now: env.Now, Key: workloadKey, Role: workloadRole}, w.columns()),
	}
	return w
}

// Title is "Workloads".
func (w *Workloads) Title() string { return "Workloads" }

// Show takes the workloads of the snapshot.
func (w *Workloads) Show(s *fleet.Snapshot) {
	w.s = s
	w.explain(s, "pods", "no workloads")
	w.troubled = 0
	for _, row := range s.Workloads {
		if workloadRole(row) == theme.Broken || workloadRole(row) == theme.Degraded {
			w.troubled++
		}
	}
	w.table.Set(s.Workloads)
}

// Reason is why the workload under the cursor does not get on, or else how those that don't
// are found.
func (w *Workloads) Reason() string {
	row, ok := w.table.Current()
	switch {
	case !ok:
		return ""
	case row.Scaling.Reason != "":
		return withRemedy(row.Scaling.Reason, row.Scaling.Remedy)
	case row.Rollout.State == fleet.RolloutStuck || row.Rollout.State == fleet.RolloutPaused:
		return row.Rollout.Message
	case w.troubled > 0 && w.table.Sorted() != "STUCK":
		if w.troubled == 1 {
			return "1 workload needs a look (Shift-S)"
		}
		return fmt.Sprintf("%d workloads need a look (Shift-S)", w.troubled)
	}
	return row.Scaling.Line
}

func withRemedy(reason, remedy string) string {
	if remedy == "" {
		return reason
	}
	return reason + ". What helps: " + remedy
}

// Actions are the keys on workloads.
func (w *Workloads) Actions() []keymap.Action {
	return append(workloadActions(&w.list), w.table.Actions()...)
}

// workloadActions are the keys on rows that are workloads.
func workloadActions(l *list[*fleet.Workload]) []keymap.Action {
	return []keymap.Action{
		{Keys: []string{"Enter"}, Name: "pods", Bar: true, Disabled: nothing, Help: "Show the pods of the workload.",
			Run: l.with(func(row *fleet.Workload) { l.env.Shell.Open(PodsOf(l.env, row.Namespace, row.Owner)) })},
		l.migrate(), l.restart(), l.why(), l.describe(), l.events(nil), l.yaml(), l.cost(),
	}
}

func workloadKey(w *fleet.Workload) string {
	return w.Namespace + "\x00" + w.Kind + "\x00" + w.Name
}

func workloadObject(w *fleet.Workload) keymap.Object {
	return keymap.Object{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name, UID: w.UID}
}

// workloadRole: stuck needs a person, limited or stopped on its way is amber, what has no
// pods and wants none steps back.
func workloadRole(w *fleet.Workload) theme.Role {
	switch {
	case w.Scaling.State == fleet.ScalingStuck, w.Trouble == fleet.Broken:
		return theme.Broken
	case w.Scaling.State == fleet.ScalingLimited, w.Trouble == fleet.Degraded, w.Rollout.State == fleet.RolloutStuck:
		return theme.Degraded
	case w.Pods.All() == 0 && w.Desired <= 0:
		return theme.Dim
	}
	return theme.Plain
}

// stuckNumber is for how many seconds a workload has not got on; what gets on is last.
func stuckNumber(w *fleet.Workload, now time.Time) (float64, bool) {
	if w.Scaling.Since.IsZero() {
		switch workloadRole(w) {
		case theme.Broken:
			return 0, true
		case theme.Degraded:
			return -1, true
		}
		return 0, false
	}
	return now.Sub(w.Scaling.Since).Seconds(), true
}

func readyCell(w *fleet.Workload) string {
	switch {
	case w.Kind == "CronJob" || w.Kind == "Job":
		return fmt.Sprint(w.ReadyPods)
	case w.Desired < 0:
		return fmt.Sprintf("%d/%s", w.ReadyPods, format.Unknown)
	}
	return fmt.Sprintf("%d/%d", w.ReadyPods, w.Desired)
}

// countCell is a count in which a zero is a dot: where nothing is must not shout.
func countCell(n int) string {
	if n == 0 {
		return "·"
	}
	return fmt.Sprint(n)
}

func (w *Workloads) columns() []table.Column[*fleet.Workload] {
	counts := func(title string, sort rune, importance int, n func(fleet.PlaceCounts) int) table.Column[*fleet.Workload] {
		return table.Column[*fleet.Workload]{
			Title: title, Sort: sort, Largest: true, Right: true, Importance: importance, Min: 3,
			Cell:   func(row *fleet.Workload, _ time.Time) string { return countCell(n(row.Pods)) },
			Number: func(row *fleet.Workload, _ time.Time) (float64, bool) { return float64(n(row.Pods)), true },
		}
	}
	return []table.Column[*fleet.Workload]{
		{
			Title: "NAMESPACE", Aliases: []string{"ns"}, Sort: 'P', Words: true, Importance: 3, Min: 9, Max: 16,
			Cell: func(row *fleet.Workload, _ time.Time) string { return row.Namespace },
		},
		{
			Title: "WORKLOAD", Aliases: []string{"name", "kind"}, Sort: 'N', Words: true, Middle: true, Importance: 0, Min: 14, Max: 30,
			Cell:  func(row *fleet.Workload, _ time.Time) string { return ownerName(row.Owner) },
			Match: func(row *fleet.Workload) string { return ownerName(row.Owner) + " " + row.Kind },
		},
		{
			Title: "READY", Sort: 'R', Right: true, Importance: 1, Min: 5,
			Cell: func(row *fleet.Workload, _ time.Time) string { return readyCell(row) },
			Number: func(row *fleet.Workload, _ time.Time) (float64, bool) {
				if row.Desired <= 0 {
					return 0, false
				}
				return float64(row.ReadyPods) / float64(row.Desired), true
			},
		},
		counts("ECS", 'L', 4, func(c fleet.PlaceCounts) int { return c.ECS }),
		counts("ECI", 'I', 2, func(c fleet.PlaceCounts) int { return c.ECI }),
		counts("PEND", 'U', 2, func(c fleet.PlaceCounts) int { return c.None }),
		counts("ELSE", 0, 11, func(c fleet.PlaceCounts) int { return c.ACS + c.Other + c.Unknown }),
		{
			Title: "ROLLOUT", Sort: 'O', Words: true, Importance: 5, Min: 8,
			Cell: func(row *fleet.Workload, _ time.Time) string { return known(string(row.Rollout.State)) },
		},
		{
			Title: "AUTOSCALER", Aliases: []string{"hpa"}, Sort: 'H', Words: true, Importance: 6, Max: 24,
			Cell: func(row *fleet.Workload, _ time.Time) string { return autoscalerCell(row.Autoscaler) },
		},
		{
			Title: "CPU", Sort: 'C', Largest: true, Right: true, Importance: 8, Min: 4,
			Cell: func(row *fleet.Workload, _ time.Time) string { return sumCell(row.Usage, row.Usage.CPU, cpuUnit) },
			Number: func(row *fleet.Workload, _ time.Time) (float64, bool) {
				return float64(row.Usage.CPU) / 1000, row.Usage.Pods > 0
			},
		},
		{
			Title: "MEM", Aliases: []string{"memory"}, Sort: 'M', Largest: true, Right: true, Importance: 8, Min: 5,
			Cell: func(row *fleet.Workload, _ time.Time) string {
				return sumCell(row.Usage, row.Usage.Memory, memoryUnit)
			},
			Number: func(row *fleet.Workload, _ time.Time) (float64, bool) {
				return float64(row.Usage.Memory) / (1 << 30), row.Usage.Pods > 0
			},
		},
		{
			Title: "COST/H", Aliases: []string{"rate"}, Sort: 'D', Largest: true, Right: true, Importance: 3, Min: 6,
			Cell: func(row *fleet.Workload, _ time.Time) string { return format.SumRate(row.Cost, w.s.Currency()) },
			Number: func(row *fleet.Workload, _ time.Time) (float64, bool) {
				main := w.s.Currency()
				return tallyNumber(row.Cost, main, row.Cost.Rate(main).MicrosPerHour)
			},
		},
		{
			Title: "MONTH", Sort: 'K', Largest: true, Right: true, Importance: 9, Min: 6,
			Cell: func(row *fleet.Workload, _ time.Time) string { return format.SumMonth(row.Cost, w.s.Currency()) },
			Number: func(row *fleet.Workload, _ time.Time) (float64, bool) {
				main := w.s.Currency()
				return tallyNumber(row.Cost, main, row.Cost.Month(main).Micros)
			},
		},
		{
			Title: "BUDGET", Sort: 'B', Right: true, Importance: 7,
			Cell: func(row *fleet.Workload, _ time.Time) string {
				if row.Budget == nil {
					return format.Unknown
				}
				return fmt.Sprint(row.Budget.Allowed)
			},
			Number: func(row *fleet.Workload, _ time.Time) (float64, bool) {
				if row.Budget == nil {
					return 0, false
				}
				return float64(row.Budget.Allowed), true
			},
		},
		{
			Title: "STUCK", Sort: 'S', Largest: true, Right: true, Live: true, Importance: 1, Min: 5,
			Cell:   func(row *fleet.Workload, now time.Time) string { return stuckCell(row, now) },
			Number: stuckNumber,
		},
	}
}

// stuckCell is for how long a workload has not got on.
func stuckCell(w *fleet.Workload, now time.Time) string {
	if w.Scaling.Since.IsZero() {
		return "·"
	}
	return format.Age(w.Scaling.Since, now)
}

// sumCell is what pods use together; a question mark says that some are not in it.
func sumCell(u fleet.UsageSum, used int64, unit func(int64) string) string {
	switch {
	case u.Pods == 0 && u.Missing == 0:
		return "·"
	case u.Pods == 0:
		return format.Unknown
	case u.Missing > 0:
		return unit(used) + "+?"
	}
	return unit(used)
}

// autoscalerCell is "2–30 cpu 92%/60%".
func autoscalerCell(a *fleet.Autoscaler) string {
	if a == nil {
		return "·"
	}
	text := ""
	if a.Max > 0 {
		text = fmt.Sprintf("%d-%d", a.Min, a.Max)
		if a.Current >= a.Max {
			text += " max"
		}
	}
	if a.Metrics != "" {
		text += " " + a.Metrics
	}
	if text == "" {
		return a.Kind
	}
	return text
}
