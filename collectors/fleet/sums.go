package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/ecideck/ecideck/provider/money"
)

// placesKnown is how many places there are; placeAt gives each its position.
const placesKnown = 6

func placeAt(p Place) int {
	switch p {
	case PlaceECS:
		return 0
	case PlaceECI:
		return 1
	case PlaceACS:
		return 2
	case PlaceOther:
		return 3
	case PlaceNone:
		return 4
	}
	return 5
}

// addTo counts a placement in its place, or takes it out again.
func (b *builder) addTo(places *[placesKnown]PlaceSum, p *Placement, by int) {
	s := &places[placeAt(p.Place)]
	s.Place = p.Place
	if p.Place == PlaceECI { // real nodes are measured whole
		u, running, known := b.in.usage(p)
		s.Usage.count(by, u, running, known)
	}
	s.Cost.count(p.Cost, by)
	if g := p.Group; g != nil && g.Status.Billed() {
		s.BilledCPU += float64(by) * g.CPU // sizes are multiples of 1/4: the sums are exact
		s.BilledMemory += float64(by) * g.Memory
	}
	if p.Pod != nil && !p.Pod.ended() {
		s.Pods += by
		s.RequestCPU += int64(by) * p.Pod.RequestCPU
		s.RequestMemory += int64(by) * p.Pod.RequestMemory
	}
}

// sumPlaces adds up the places, and from them what the cluster costs.
func (b *builder) sumPlaces() {
	k := &b.s.built
	if b.whole || !b.sameUsage {
		k.places = [placesKnown]PlaceSum{}
		for _, p := range b.s.Placements[:len(b.in.Pods.Items)] {
			b.addTo(&k.places, p, 1)
		}
	} else {
		for _, gone := range b.left {
			b.addTo(&k.places, gone, -1)
		}
		for t, j := range b.todo {
			if before, after := b.before[t], b.s.Placements[j]; before != after {
				if before != nil {
					b.addTo(&k.places, before, -1)
				}
				b.addTo(&k.places, after, 1)
			}
		}
	}
	sums := k.places
	for _, p := range b.s.Placements[len(b.in.Pods.Items):] {
		b.addTo(&sums, p, 1)
	}
	for _, g := range b.s.loose() {
		sums[placeAt(PlaceECI)].Place = PlaceECI
		sums[placeAt(PlaceECI)].Cost.Add(b.s.GroupCost(g))
		if g.Status.Billed() {
			sums[placeAt(PlaceECI)].BilledCPU += g.CPU
			sums[placeAt(PlaceECI)].BilledMemory += g.Memory
		}
	}
	for _, n := range b.s.Nodes {
		s := &sums[placeAt(n.Place)]
		s.Place = n.Place
		s.Nodes++
		if !n.Virtual {
			u, known := b.in.NodeUsage.ByName[n.Name]
			s.Usage.add(u, true, known)
			s.AllocCPU += n.AllocatableCPU
			s.AllocMemory += n.AllocatableMemory
			s.Cost.addIdle(n)
		}
	}
	for i := range sums {
		if s := sums[i]; s.Nodes > 0 || s.Pods > 0 || s.Cost != (Tally{}) {
			b.s.Places = append(b.s.Places, s)
			b.s.Cost.AddAll(s.Cost)
		}
	}
}

// addIdle counts the part of a real node's price that no pod takes. It accrues to nobody.
func (t *Tally) addIdle(n *Node) {
	t.Billed++
	r := n.Idle()
	s := (*sum)(nil)
	if r.Known() {
		s = t.sum(r.Currency)
	}
	if s == nil {
		t.Unknown++
		return
	}
	s.n++
	s.rate += r.MicrosPerHour
}

// loose are the groups of this cluster that no placement holds: earlier attempts, and those
// whose pod is not known yet.
func (s *Snapshot) loose() []*Group {
	out := make([]*Group, len(s.built.loose))
	for i, at := range s.built.loose {
		out[i] = s.Groups[at]
	}
	return out
}

// GroupCost is what a group of this cluster costs that no placement holds. Of a foreign one it
// is not ours to know.
func (s *Snapshot) GroupCost(g *Group) Cost {
	if g.Relation == Foreign {
		return Cost{}
	}
	if s.built.prices == nil { // Build did not make this Snapshot
		return Cost{State: Billed}
	}
	return s.built.prices.groupCost(g, nil)
}

// orphans are the placements without a pod, which are last.
func (s *Snapshot) orphans() []*Placement {
	n := len(s.Placements)
	for n > 0 && s.Placements[n-1].Pod == nil {
		n--
	}
	return s.Placements[n:]
}

// A Grouping is a way to split up what the cluster costs.
type Grouping string

// The groupings.
const (
	ByNamespace Grouping = "namespace"
	ByWorkload  Grouping = "workload"
	ByNode      Grouping = "node"
	BySpec      Grouping = "spec"
	ByPlace     Grouping = "place"
)

// Groupings are all of them.
func Groupings() []Grouping { return []Grouping{ByNamespace, ByWorkload, ByNode, BySpec, ByPlace} }

// A CostRow is one part of what the cluster costs.
type CostRow struct {
	Key    string // shop, deployment/checkout, ecs-07, 2c 4Gi
	Target Ref    // what it is; Kind "": nothing that can be opened
	Pods   int    // that have not ended
	Cost   Tally
	Usage  UsageSum // of rows by namespace and workload
}

// The keys of rows that are nobody's own.
const (
	KeyIdle    = "(idle)"    // what real nodes have free
	KeyOrphans = "(orphans)" // groups without a pod
	KeyLoose   = "(groups not joined)"
	KeyNoNode  = "(no node)"
)

// Costs splits up what the cluster costs; the rows' sum is s.Cost in each grouping. The
// dearest row is first. It takes some milliseconds for 100,000 pods: it is called when it is
// shown, not at every change.
func (s *Snapshot) Costs(by Grouping) []*CostRow {
	rows := map[Ref]*CostRow{}
	var order []*CostRow
	row := func(key string, target Ref) *CostRow {
		at := target
		at.UID = key
		r := rows[at]
		if r == nil {
			r = &CostRow{Key: key, Target: target}
			rows[at] = r
			order = append(order, r)
		}
		return r
	}
	orphans := s.orphans()
	switch by {
	case ByNamespace, ByWorkload:
		for _, w := range s.Workloads {
			r := (*CostRow)(nil)
			if by == ByNamespace {
				r = row(w.Namespace, Ref{Kind: "Namespace", Name: w.Namespace})
			} else {
				r = row(w.Kind+"/"+w.Name, Ref{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name})
			}
			r.Pods += w.Pods.All()
			r.Cost.AddAll(w.Cost)
			r.Usage.CPU, r.Usage.Memory = r.Usage.CPU+w.Usage.CPU, r.Usage.Memory+w.Usage.Memory
			r.Usage.Pods, r.Usage.Missing = r.Usage.Pods+w.Usage.Pods, r.Usage.Missing+w.Usage.Missing
		}
		for _, p := range orphans {
			if by == ByNamespace && p.Group.Identity.Namespace != "" {
				row(p.Group.Identity.Namespace, Ref{Kind: "Namespace", Name: p.Group.Identity.Namespace}).Cost.Add(p.Cost)
			} else {
				row(KeyOrphans, Ref{}).Cost.Add(p.Cost)
			}
		}
	case ByNode, BySpec, ByPlace:
		for i := range s.Placements {
			p := s.Placements[i]
			r := row(s.part(by, p))
			r.Cost.Add(p.Cost)
			if p.Pod != nil && !p.Pod.ended() {
				r.Pods++
			}
		}
	}
	for _, g := range s.loose() {
		key, target := KeyLoose, Ref{}
		switch by {
		case ByNamespace:
			if g.Identity.Namespace != "" {
				key, target = g.Identity.Namespace, Ref{Kind: "Namespace", Name: g.Identity.Namespace}
			}
		case BySpec:
			key = groupSpec(g)
		case ByPlace:
			key = string(PlaceECI)
		}
		row(key, target).Cost.Add(s.GroupCost(g))
	}
	for _, n := range s.Nodes {
		if n.Virtual {
			continue
		}
		switch by {
		case ByNode:
			row(n.Name, Ref{Kind: "Node", Name: n.Name, UID: n.UID}).Cost.addIdle(n)
		case BySpec:
			row(nodeSpec(n), Ref{}).Cost.addIdle(n)
		case ByPlace:
			row(string(n.Place), Ref{}).Cost.addIdle(n)
		default:
			row(KeyIdle, Ref{}).Cost.addIdle(n)
		}
	}
	order = slices.DeleteFunc(order, func(r *CostRow) bool { return r.Cost == (Tally{}) && r.Pods == 0 })
	main := s.Currency()
	slices.SortFunc(order, func(a, b *CostRow) int {
		return cmp.Or(cmp.Compare(b.Cost.Rate(main).MicrosPerHour, a.Cost.Rate(main).MicrosPerHour),
			cmp.Compare(a.Target.Namespace, b.Target.Namespace), cmp.Compare(a.Key, b.Key))
	})
	return order
}

// Currency is the one that most of the cluster's costs are in; "" while no price is known.
func (s *Snapshot) Currency() money.Currency {
	most, n := money.Currency(""), 0
	for i := range s.Cost.sums {
		if c := &s.Cost.sums[i]; c.n > n {
			most, n = c.currency, c.n
		}
	}
	return most
}

// part is the row that a placement counts in.
func (s *Snapshot) part(by Grouping, p *Placement) (string, Ref) {
	switch by {
	case ByPlace:
		return cmp.Or(string(p.Place), "(unknown)"), Ref{}
	case BySpec:
		switch {
		case p.Group != nil:
			return groupSpec(p.Group), Ref{}
		case p.Node != nil && !p.Node.Virtual:
			return nodeSpec(p.Node), Ref{}
		}
		return KeyNoNode, Ref{}
	}
	if p.Node != nil {
		return p.Node.Name, Ref{Kind: "Node", Name: p.Node.Name, UID: p.Node.UID}
	}
	if p.Pod == nil {
		return KeyOrphans, Ref{}
	}
	return KeyNoNode, Ref{}
}

func groupSpec(g *Group) string {
	key := PriceKeyOf(g)
	text := key.InstanceType
	if text == "" {
		text = strconv.FormatFloat(g.CPU, 'f', -1, 64) + "c " + strconv.FormatFloat(g.Memory, 'f', -1, 64) + "Gi"
	}
	if key.Disk > 0 {
		text += fmt.Sprintf(" +%dGi disk", key.Disk)
	}
	if key.Category != "" {
		text += " " + key.Category
	}
	if key.Spot {
		text += " spot"
	}
	return text
}

func nodeSpec(n *Node) string { return cmp.Or(n.InstanceType, string(n.Place)+" node") }
