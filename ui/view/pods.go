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

// Pods shows every pod with its place, and groups that should have a pod and have none.
type Pods struct {
	list[*fleet.Placement]
	title    string
	none     string // what it says without a row
	rows     func(*fleet.Snapshot) []*fleet.Placement
	s        *fleet.Snapshot // whose usage the cells show
	troubled int             // rows that are not fine
}

// NewPods shows all pods.
func NewPods(env *Env) *Pods {
	return newPods(env, "Pods", "no pods", func(s *fleet.Snapshot) []*fleet.Placement { return s.Placements })
}

// PodsOn shows the pods bound to a node.
func PodsOn(env *Env, node string) *Pods {
	return podsThat(env, "Pods on "+node, "no pods on "+node, func(p *fleet.Pod) bool { return p.NodeName == node })
}

// PodsIn shows the pods of a namespace.
func PodsIn(env *Env, namespace string) *Pods {
	return podsThat(env, "Pods in "+namespace, "no pods in "+namespace, func(p *fleet.Pod) bool { return p.Namespace == namespace })
}

// PodsOf shows the pods of a workload.
func PodsOf(env *Env, namespace string, owner fleet.Owner) *Pods {
	name := strings.ToLower(owner.Kind) + " " + namespace + "/" + owner.Name
	return newPods(env, "Pods of "+name, name+" has no pods", func(s *fleet.Snapshot) []*fleet.Placement {
		if w := s.Workload(namespace, owner.Kind, owner.Name); w != nil {
			return w.Members()
		}
		return nil
	})
}

func podsThat(env *Env, title, none string, belongs func(*fleet.Pod) bool) *Pods {
	return newPods(env, title, none, func(s *fleet.Snapshot) []*fleet.Placement {
		var rows []*fleet.Placement
		for _, row := range s.Placements {
			if row.Pod != nil && belongs(row.Pod) {
				rows = append(rows, row)
			}
		}
		return rows
	})
}

func newPods(env *Env, title, none string, rows func(*fleet.Snapshot) []*fleet.Placement) *Pods {
	p := &Pods{title: title, none: none, rows: rows, s: &fleet.Snapshot{}}
	p.list = list[*fleet.Placement]{
		env: env, object: podObject,
		table: table.New(table.Config[*fleet.Placement]{
			Theme: env.Theme, Now: env.Now, Key: podKey, Role: podRole,
		}, p.columns()),
	}
	return p
}

// Title is "Pods", or says whose.
func (p *Pods) Title() string { return p.title }

// Show takes the placements of the snapshot.
func (p *Pods) Show(s *fleet.Snapshot) {
	p.s = s
	p.explain(s, "pods", p.none)
	rows := p.rows(s)
	p.troubled = 0
	for _, row := range rows {
		if podTrouble(row) != fleet.Fine {
			p.troubled++
		}
	}
	p.table.Set(rows)
}

// Reason is the sentence for the pod under the cursor. It begins with the pod's whole name
// where the columns don't tell it: two pods of one name in different namespaces must not
// look alike. A pod with nothing to say leaves room to say how trouble is found.
func (p *Pods) Reason() string {
	row, ok := p.table.Current()
	if !ok {
		return ""
	}
	var parts []string
	if row.Pod != nil && (!p.table.Whole("NAMESPACE") || !p.table.Whole("NAME")) {
		parts = append(parts, row.Pod.Namespace+"/"+row.Pod.Name)
	}
	switch {
	case row.Reason != "":
		parts = append(parts, row.Reason)
	case noticed(row):
		parts = append(parts, noticeSentence(row.Group, p.env.Now()))
	case p.troubled > 0 && p.table.Sorted() != "STATUS":
		what := "1 row needs a look (Shift-S)"
		if p.troubled > 1 {
			what = fmt.Sprintf("%d rows need a look (Shift-S)", p.troubled)
		}
		parts = append(parts, what)
	}
	sep := ": "
	if row.Reason == "" && !noticed(row) {
		sep = " · " // what follows is not about this pod
	}
	return strings.Join(parts, sep)
}

// Actions are the keys on pods.
func (p *Pods) Actions() []keymap.Action {
	logs := func(previous bool) func(keymap.Selection) {
		return p.with(func(row *fleet.Placement) {
			if row.Pod != nil {
				p.env.Shell.Open(NewLogs(p.env, row.Pod, previous))
			}
		})
	}
	describe := p.describe()
	describe.Keys = append(describe.Keys, "Enter")
	describe.Run = p.with(func(row *fleet.Placement) {
		group := ""
		if row.Pod != nil && row.Group != nil {
			group = row.Group.ID
		}
		p.env.Shell.Open(Describe(p.env, podObject(row), group))
	})
	group := func(row *fleet.Placement) string {
		if row.Group == nil {
			return ""
		}
		return row.Group.ID
	}
	return append([]keymap.Action{
		p.migrate(),
		{Keys: []string{"l"}, Name: "logs", Bar: true, Disabled: needsPod, Help: "Follow the pod's log; Tab changes the container.", Run: logs(false)},
		{Keys: []string{"p"}, Name: "previous", Bar: true, Disabled: needsPod, Help: "Show the log of the containers' previous run.", Run: logs(true)},
		describe, p.why(), p.events(group), p.yaml(), p.cost(),
	}, p.table.Actions()...)
}

// podKey identifies a placement for ever: the pod's UID, or the group's id for a group
// without a pod.
func podKey(p *fleet.Placement) string {
	if p.Pod != nil {
		return p.Pod.UID
	}
	if p.Group != nil {
		return p.Group.ID
	}
	return ""
}

func podObject(p *fleet.Placement) keymap.Object {
	if p.Pod != nil {
		return keymap.Object{Kind: KindPod, Namespace: p.Pod.Namespace, Name: p.Pod.Name, UID: p.Pod.UID}
	}
	if p.Group != nil {
		return keymap.Object{Kind: KindGroup, Name: p.Group.ID, UID: p.Group.ID}
	}
	return keymap.Object{}
}

// podRole is how a pod's row looks: trouble shows, what has ended steps back.
func podRole(p *fleet.Placement) theme.Role {
	if r := severityRole(podTrouble(p)); r != theme.Plain {
		return r
	}
	if p.Pod != nil && (p.Pod.Phase == "Succeeded" || p.Pod.Phase == "Failed") {
		return theme.Dim
	}
	return theme.Plain
}

// podTrouble is a placement's trouble, and that the cloud will take its group.
func podTrouble(p *fleet.Placement) fleet.Severity {
	if p.Trouble == fleet.Fine && noticed(p) {
		return fleet.Degraded
	}
	return p.Trouble
}

// noticed reports whether the cloud announced that it will take or restart the group.
func noticed(p *fleet.Placement) bool {
	return p.Group != nil && p.Group.Notice != "" && !p.Group.Status.Ended()
}

// statusCell is the one word for a pod. That the cloud will take its group comes first
// where nothing else is wrong: it is the only thing about it that will not wait.
func statusCell(p *fleet.Placement, now time.Time) string {
	if p.Trouble != fleet.Fine || !noticed(p) {
		return p.Status
	}
	word := "Reboot"
	if strings.HasPrefix(p.Group.Notice, "SpotToBeReleased") {
		word = "Released"
	}
	switch {
	case p.Group.Due.IsZero() || now.IsZero():
		return word + " soon"
	case p.Group.Due.Before(now):
		return word + " due"
	}
	return word + " " + format.Age(now, p.Group.Due)
}

// noticeWord lets a filter find what the cloud will take.
func noticeWord(p *fleet.Placement) string {
	if noticed(p) {
		return " " + statusCell(&fleet.Placement{Group: p.Group}, time.Time{})
	}
	return ""
}

func noticeSentence(g *fleet.Group, now time.Time) string {
	text := "ECI announced " + g.Notice + " of group " + g.ID
	if g.Due.After(now) {
		text += ", in " + format.Age(now, g.Due)
	}
	return text
}

func severityRole(s fleet.Severity) theme.Role {
	switch s {
	case fleet.Degraded:
		return theme.Degraded
	case fleet.Broken:
		return theme.Broken
	}
	return theme.Plain
}

// columns are the columns of Pods. The order is kubectl's, then where it runs and what
// that is; names of groups without a pod are taken from the groups' tags.
func (p *Pods) columns() []table.Column[*fleet.Placement] {
	return []table.Column[*fleet.Placement]{
		{
			Title: "NAMESPACE", Aliases: []string{"ns"}, Sort: 'P', Words: true, Importance: 5, Min: 9, Max: 16,
			Cell: func(p *fleet.Placement, _ time.Time) string { return podNamespace(p) },
		},
		{
			Title: "NAME", Aliases: []string{"pod"}, Sort: 'N', Words: true, Middle: true, Importance: 0, Min: 12, Max: 28, Whole: 7,
			Cell: func(p *fleet.Placement, _ time.Time) string { return podName(p) },
		},
		{
			Title: "READY", Sort: 'R', Importance: 2, Right: true,
			Cell: func(p *fleet.Placement, _ time.Time) string {
				if p.Pod == nil {
					return format.Unknown
				}
				return fmt.Sprintf("%d/%d", p.Pod.ReadyContainers, len(p.Pod.Containers))
			},
			Number: func(p *fleet.Placement, _ time.Time) (float64, bool) {
				if p.Pod == nil || len(p.Pod.Containers) == 0 {
					return 0, false
				}
				return float64(p.Pod.ReadyContainers) / float64(len(p.Pod.Containers)), true
			},
		},
		{
			// As wide as ContainerCreating from the start: it comes and goes all the time.
			Title: "STATUS", Sort: 'S', Words: true, Importance: 1, Min: 17, Max: 17, Live: true,
			Cell:  statusCell,
			Match: func(p *fleet.Placement) string { return p.Status + noticeWord(p) },
			Rank:  func(p *fleet.Placement) int { return -int(podTrouble(p)) },
		},
		{
			Title: "RST", Aliases: []string{"restarts"}, Sort: 'T', Largest: true, Right: true, Importance: 6,
			Cell: func(p *fleet.Placement, _ time.Time) string {
				if p.Pod == nil {
					return format.Unknown
				}
				return fmt.Sprint(p.Pod.Restarts)
			},
			Number: func(p *fleet.Placement, _ time.Time) (float64, bool) {
				if p.Pod == nil {
					return 0, false
				}
				return float64(p.Pod.Restarts), true
			},
			Role: func(p *fleet.Placement) theme.Role {
				if podTrouble(p) == fleet.Fine && p.Pod != nil && p.Pod.Restarts == 0 {
					return theme.Dim
				}
				return podRole(p)
			},
		},
		{
			Title: "PLACE", Sort: 'L', Words: true, Middle: true, Importance: 2, Min: 6, Max: 15,
			Cell:  func(p *fleet.Placement, _ time.Time) string { return placeCell(p) },
			Match: placeMatch,
		},
		{
			Title: "GROUP", Sort: 'U', Words: true, Middle: true, Importance: 9, Min: 5, Max: 14, Whole: 9,
			Cell: func(p *fleet.Placement, _ time.Time) string { return groupID(p) },
		},
		{
			Title: "BILLED", Sort: 'B', Largest: true, Importance: 8, Min: 6, Max: 16,
			Cell: func(p *fleet.Placement, _ time.Time) string { return billedCell(p.Group) },
			Number: func(p *fleet.Placement, _ time.Time) (float64, bool) {
				return billedNumber(p.Group)
			},
		},
		{
			// Against what is billed on ECI, against what was asked for elsewhere.
			Title: "CPU", Sort: 'C', Largest: true, Right: true, Importance: 7, Min: 4,
			Cell:   func(row *fleet.Placement, _ time.Time) string { return p.cpu(row).cell() },
			Number: func(row *fleet.Placement, _ time.Time) (float64, bool) { return p.cpu(row).percent() },
		},
		{
			Title: "MEM", Aliases: []string{"memory"}, Sort: 'M', Largest: true, Right: true, Importance: 7, Min: 4,
			Cell:   func(row *fleet.Placement, _ time.Time) string { return p.memory(row).cell() },
			Number: func(row *fleet.Placement, _ time.Time) (float64, bool) { return p.memory(row).percent() },
		},
		{
			Title: "COST/H", Aliases: []string{"rate"}, Sort: 'D', Largest: true, Right: true, Importance: 4, Min: 6,
			Cell:   func(row *fleet.Placement, _ time.Time) string { return costCell(row.Cost) },
			Number: func(row *fleet.Placement, _ time.Time) (float64, bool) { return rateNumber(row.Cost.Rate()) },
			Role:   func(row *fleet.Placement) theme.Role { return wasteRole(row.Cost, podRole(row)) },
		},
		{
			Title: "ACCRUED", Aliases: []string{"spent"}, Sort: 'E', Largest: true, Right: true, Live: true, Importance: 8, Min: 6,
			Cell:   func(row *fleet.Placement, now time.Time) string { return format.Amount(row.Cost.Accrued(now)) },
			Number: func(row *fleet.Placement, now time.Time) (float64, bool) { return amountNumber(row.Cost.Accrued(now)) },
		},
		{
			Title: "AGE", Sort: 'A', Right: true, Live: true, Importance: 3, Min: 5,
			Cell: func(p *fleet.Placement, now time.Time) string { return format.Age(podCreated(p), now) },
			Number: func(p *fleet.Placement, now time.Time) (float64, bool) {
				c := podCreated(p)
				return now.Sub(c).Seconds(), !c.IsZero()
			},
		},
		{
			Title: "NODE", Sort: 'O', Words: true, Middle: true, Importance: 11, Max: 20,
			Cell: func(p *fleet.Placement, _ time.Time) string {
				if p.Pod == nil || p.Pod.NodeName == "" {
					return format.Unknown
				}
				return p.Pod.NodeName
			},
		},
		{
			Title: "IP", Sort: 'I', Words: true, Importance: 10, Max: 15,
			Cell: func(p *fleet.Placement, _ time.Time) string {
				switch {
				case p.Pod != nil && p.Pod.IP != "":
					return p.Pod.IP
				case p.Pod == nil && p.Group != nil && p.Group.IP != "":
					return p.Group.IP
				}
				return format.Unknown
			},
		},
		{
			Title: "WORKLOAD", Sort: 'W', Words: true, Importance: 12, Max: 24,
			Cell: func(p *fleet.Placement, _ time.Time) string {
				if p.Pod == nil || p.Pod.Workload.Kind == "" {
					return format.Unknown
				}
				return strings.ToLower(p.Pod.Workload.Kind) + "/" + p.Pod.Workload.Name
			},
		},
	}
}

func podNamespace(p *fleet.Placement) string {
	if p.Pod != nil {
		return p.Pod.Namespace
	}
	if p.Group != nil && p.Group.Identity.Namespace != "" {
		return p.Group.Identity.Namespace
	}
	return format.Unknown
}

func podName(p *fleet.Placement) string {
	if p.Pod != nil {
		return p.Pod.Name
	}
	if p.Group == nil {
		return format.Unknown
	}
	if p.Group.Identity.PodName != "" {
		return p.Group.Identity.PodName
	}
	return p.Group.Name
}

func podCreated(p *fleet.Placement) time.Time {
	if p.Pod != nil {
		return p.Pod.Created
	}
	if p.Group != nil {
		return p.Group.Created
	}
	return time.Time{}
}

func groupID(p *fleet.Placement) string {
	switch {
	case p.Group != nil:
		return p.Group.ID
	case p.Pod != nil && p.Pod.InstanceID != "":
		return p.Pod.InstanceID // what the pod says, though the group is not known
	}
	return format.Unknown
}

// placeCell says where the pod runs in a few cells: the ECS node's name, or "eci-" and the
// end of the zone's.
func placeCell(p *fleet.Placement) string {
	zone := ""
	switch {
	case p.Group != nil:
		zone = p.Group.Zone
	case p.Node != nil:
		zone = p.Node.Zone
	}
	switch p.Place {
	case fleet.PlaceECI, fleet.PlaceACS:
		if zone == "" {
			return string(p.Place)
		}
		return string(p.Place) + "-" + zone[strings.LastIndexByte(zone, '-')+1:]
	case fleet.PlaceECS, fleet.PlaceOther:
		if p.Pod != nil && p.Pod.NodeName != "" {
			return p.Pod.NodeName
		}
		return string(p.Place)
	}
	return format.Unknown
}

// placeMatch lets place:eci, place:ecs, place:none, a node's name and a zone's match.
func placeMatch(p *fleet.Placement) string {
	text := string(p.Place) + " " + placeCell(p)
	if p.Group != nil {
		text += " " + p.Group.Zone
	}
	return text
}

func billedCell(g *fleet.Group) string {
	if g == nil {
		return format.Unknown
	}
	spec := format.Spec(g.CPU, g.Memory)
	if g.Spot != "" && g.Spot != "NoSpot" {
		spec += " spot"
	}
	return spec
}

// billedNumber orders specs by vCPU, then memory.
func billedNumber(g *fleet.Group) (float64, bool) {
	if g == nil || g.CPU == 0 && g.Memory == 0 {
		return 0, false
	}
	return g.CPU + g.Memory/1e6, true
}
