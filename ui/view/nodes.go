package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Nodes shows real and virtual nodes side by side.
type Nodes struct {
	list[*fleet.Node]
	s *fleet.Snapshot // whose usage the cells show
}

// NewNodes shows all nodes.
func NewNodes(env *Env) *Nodes {
	n := &Nodes{s: &fleet.Snapshot{}}
	n.list = list[*fleet.Node]{
		env: env, object: nodeObject,
		reason: func(n *fleet.Node) string {
			reason := nodeReason(n)
			if env.Namespace != "" {
				if reason != "" {
					reason += "; "
				}
				reason += "pods and requests are those of namespace " + env.Namespace + " alone"
			}
			return reason
		},
		table: table.New(table.Config[*fleet.Node]{
			Theme: env.Theme, Now: env.Now, Key: func(n *fleet.Node) string { return n.UID },
			Role: nodeRole,
		}, n.columns()),
	}
	return n
}

// Title is "Nodes".
func (n *Nodes) Title() string { return "Nodes" }

// Show takes the nodes of the snapshot.
func (n *Nodes) Show(s *fleet.Snapshot) {
	n.s = s
	n.explain(s, "nodes", "no nodes")
	n.table.Set(s.Nodes)
}

// Actions are the keys on nodes.
func (n *Nodes) Actions() []keymap.Action {
	keys := append([]keymap.Action{
		{Keys: []string{"Enter"}, Name: "pods", Bar: true, Disabled: nothing, Help: "Show the pods on the node.",
			Run: n.with(func(row *fleet.Node) { n.env.Shell.Open(PodsOn(n.env, row.Name)) })},
		n.migrate(),
	}, n.onNodes()...)
	return append(append(keys, n.describe(), n.why(), n.events(nil), n.yaml(), n.cost()), n.table.Actions()...)
}

func nodeObject(n *fleet.Node) keymap.Object {
	return keymap.Object{Kind: KindNode, Name: n.Name, UID: n.UID}
}

// nodeRole: a node that is not Ready needs a person, a cordoned one is amber.
func nodeRole(n *fleet.Node) theme.Role {
	switch {
	case !strings.HasPrefix(n.Status, "Ready"):
		return theme.Broken
	case n.Unschedulable:
		return theme.Degraded
	}
	return theme.Plain
}

func nodeReason(n *fleet.Node) string {
	switch {
	case !strings.HasPrefix(n.Status, "Ready"):
		return "the node does not report Ready; d shows its conditions"
	case n.Unschedulable:
		return "cordoned: no new pods are scheduled here"
	}
	return ""
}

// cpu is what a real node uses of what it can give.
func (n *Nodes) cpu(row *fleet.Node) use {
	u, known := n.s.NodeUsage(row)
	return use{used: u.CPU, whole: row.AllocatableCPU, known: known && !row.Virtual, unit: cpuUnit}
}

// memory is cpu for memory.
func (n *Nodes) memory(row *fleet.Node) use {
	u, known := n.s.NodeUsage(row)
	return use{used: u.Memory, whole: row.AllocatableMemory, known: known && !row.Virtual, unit: memoryUnit}
}

// rate is what a node costs: a real one its price, a virtual one what its pods cost.
func (n *Nodes) rate(row *fleet.Node) string {
	if row.Virtual {
		return format.SumRate(row.Shares, n.s.Currency())
	}
	return format.Rate(row.Cost.Rate())
}

func (n *Nodes) columns() []table.Column[*fleet.Node] {
	return []table.Column[*fleet.Node]{
		{
			Title: "NAME", Aliases: []string{"node"}, Sort: 'N', Words: true, Middle: true, Importance: 0, Min: 12, Max: 24, Whole: 3,
			Cell: func(n *fleet.Node, _ time.Time) string { return n.Name },
		},
		{
			Title: "STATUS", Sort: 'S', Words: true, Importance: 1, Min: 8, Max: 14,
			// "Ready,cordoned" fits where kubectl's word would be cut.
			Cell: func(n *fleet.Node, _ time.Time) string {
				return strings.Replace(n.Status, "SchedulingDisabled", "cordoned", 1)
			},
			Match: func(n *fleet.Node) string {
				return n.Status + " " + strings.Replace(n.Status, "SchedulingDisabled", "cordoned", 1)
			},
		},
		{
			Title: "PLACE", Sort: 'L', Words: true, Importance: 2, Min: 5, Max: 12,
			Cell: func(n *fleet.Node, _ time.Time) string {
				if n.Virtual {
					return string(n.Place) + " virt"
				}
				return string(n.Place)
			},
			Match: func(n *fleet.Node) string {
				if n.Virtual {
					return string(n.Place) + " virtual"
				}
				return string(n.Place) + " real"
			},
		},
		{
			Title: "ZONE", Sort: 'Z', Words: true, Importance: 9, Max: 16,
			Cell: func(n *fleet.Node, _ time.Time) string { return known(n.Zone) },
		},
		{
			Title: "TYPE", Sort: 'Y', Words: true, Importance: 8, Max: 18,
			Cell: func(n *fleet.Node, _ time.Time) string { return known(n.InstanceType) },
		},
		{
			Title: "PODS", Sort: 'O', Largest: true, Right: true, Importance: 2,
			Cell: func(n *fleet.Node, _ time.Time) string { return fmt.Sprint(n.Pods) },
			Number: func(n *fleet.Node, _ time.Time) (float64, bool) {
				return float64(n.Pods), true
			},
		},
		{
			Title: "CPU REQ", Aliases: []string{"requests"}, Sort: 'C', Largest: true, Right: true, Importance: 3,
			Cell: func(n *fleet.Node, _ time.Time) string {
				return share(format.Cores(n.RequestCPU), format.Cores(n.AllocatableCPU), n.RequestCPU, n.AllocatableCPU)
			},
			Number: func(n *fleet.Node, _ time.Time) (float64, bool) {
				return percent(n.RequestCPU, n.AllocatableCPU)
			},
		},
		{
			Title: "MEM REQ Gi", Aliases: []string{"memory"}, Sort: 'M', Largest: true, Right: true, Importance: 4,
			Cell: func(n *fleet.Node, _ time.Time) string {
				return share(format.GiB(n.RequestMemory), format.GiB(n.AllocatableMemory), n.RequestMemory, n.AllocatableMemory)
			},
			Number: func(n *fleet.Node, _ time.Time) (float64, bool) {
				return percent(n.RequestMemory, n.AllocatableMemory)
			},
		},
		{
			Title: "CPU", Aliases: []string{"use"}, Sort: 'U', Largest: true, Right: true, Importance: 5, Min: 4,
			Cell:   func(row *fleet.Node, _ time.Time) string { return n.cpu(row).cell() },
			Number: func(row *fleet.Node, _ time.Time) (float64, bool) { return n.cpu(row).percent() },
		},
		{
			Title: "MEM", Sort: 'E', Largest: true, Right: true, Importance: 5, Min: 4,
			Cell:   func(row *fleet.Node, _ time.Time) string { return n.memory(row).cell() },
			Number: func(row *fleet.Node, _ time.Time) (float64, bool) { return n.memory(row).percent() },
		},
		{
			Title: "COST/H", Aliases: []string{"rate"}, Sort: 'D', Largest: true, Right: true, Importance: 3, Min: 6,
			Cell: func(row *fleet.Node, _ time.Time) string { return n.rate(row) },
			Number: func(row *fleet.Node, _ time.Time) (float64, bool) {
				if row.Virtual {
					main := n.s.Currency()
					return tallyNumber(row.Shares, main, row.Shares.Rate(main).MicrosPerHour)
				}
				return rateNumber(row.Cost.Rate())
			},
		},
		{
			// What no pod asks for; a virtual node has nothing that could be idle.
			Title: "IDLE/H", Sort: 'I', Largest: true, Right: true, Importance: 6, Min: 6,
			Cell:   func(row *fleet.Node, _ time.Time) string { return format.Rate(row.Idle()) },
			Number: func(row *fleet.Node, _ time.Time) (float64, bool) { return rateNumber(row.Idle()) },
		},
		{
			Title: "AGE", Sort: 'A', Right: true, Live: true, Importance: 7, Min: 4,
			Cell: func(n *fleet.Node, now time.Time) string { return format.Age(n.Created, now) },
			Number: func(n *fleet.Node, now time.Time) (float64, bool) {
				return now.Sub(n.Created).Seconds(), !n.Created.IsZero()
			},
		},
		{
			Title: "VERSION", Sort: 'V', Words: true, Importance: 10, Max: 18,
			Cell: func(n *fleet.Node, _ time.Time) string { return known(n.KubeletVersion) },
		},
	}
}

// known is s, or the sign for what is not known.
func known(s string) string {
	if s == "" {
		return format.Unknown
	}
	return s
}

// share is "3.5/4  88%". Nodes that say nothing about their capacity have no share.
func share(part, whole string, p, w int64) string {
	if w <= 0 {
		return part + "/" + format.Unknown + " " + fmt.Sprintf("%4s", format.Unknown)
	}
	return part + "/" + whole + " " + fmt.Sprintf("%4s", format.Percent(p, w))
}

func percent(part, whole int64) (float64, bool) {
	if whole <= 0 {
		return 0, false
	}
	return 100 * float64(part) / float64(whole), true
}
