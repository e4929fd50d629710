package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// built is what a Snapshot keeps for the next Build: its inputs, the indexes made from them,
// and counts that are adjusted by what changed instead of being made anew.
type built struct {
	in       Inputs
	groups   *groupIndex
	nodes    map[string]int // position in in.Nodes.Items
	ids      clusterIDs
	votes    map[string]int // how many annotated groups carry which cluster id
	claims   []int32        // per group: how many pods chose it
	loose    []int          // positions of the groups of this cluster that no placement holds and that have not ended
	strikes  map[string]int // per group without a pod: the sweep that first missed the pod
	rechecks map[*Pod]time.Time
	prices   *pricer
	held     map[podName]*Event // pods that ecideck-node does not let onto ECI, by its newest words
	past     bool               // the history that was kept is in this one's
	workloads
}

// Build joins what the collectors last saw into one Snapshot. previous is the Snapshot of an
// earlier Build, or nil: each of its Placements whose inputs did not change is in the result
// again as the same pointer, so the cost follows the change. Nothing that is passed in is
// changed, and the Parts must not be changed afterwards.
func Build(in Inputs, now time.Time, previous *Snapshot) *Snapshot {
	b := &builder{now: now, in: in, old: previous, s: &Snapshot{Built: now, Sources: slices.Clone(in.Sources)}}
	if previous == nil {
		b.old = &Snapshot{}
	}
	b.s.built.in = in
	b.index()
	b.pricing()
	b.matchPods()
	b.vote()
	b.chooseGroups()
	b.relateGroups()
	b.placePods()
	b.placeOrphans()
	b.sumNodes()
	b.mergeEvents()
	b.buildWorkloads()
	b.sumPlaces()
	b.groupEvents()
	b.remember()
	b.account()
	b.s.Operations, b.s.Bursts = b.in.Operations.Items, b.in.Bursts
	b.attend()
	b.s.built.prices.frozen = true
	return b.s
}

type builder struct {
	now time.Time
	in  Inputs
	old *Snapshot // never nil
	s   *Snapshot

	whole      bool // every pod is looked at again
	sameAround bool // nothing beside their own objects changed that says why workloads scale
	sameUsage  bool
	sameOwners bool         // no pod came, went or changed its owner
	todo       []int        // the pods to look at, by position
	before     []*Placement // parallel to todo: its placement in old, also when the pod changed; nil: it is new
	joins      []join       // parallel to todo
	left       []*Placement // placements of old whose pod is gone
	shared     bool         // s.Placements is old's slice as long as none of them is another
}

func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// index makes the indexes of groups and nodes, or takes over the old ones.
func (b *builder) index() {
	old, k := &b.old.built, &b.s.built
	k.groups, k.nodes = old.groups, old.nodes
	if old.groups == nil || !same(b.in.Groups.Items, old.in.Groups.Items) {
		k.groups = indexGroups(b.in.Groups.Items)
		b.whole = true
	}
	if old.nodes == nil || !same(b.in.Nodes.Items, old.in.Nodes.Items) {
		k.nodes = make(map[string]int, len(b.in.Nodes.Items))
		for i, n := range b.in.Nodes.Items {
			k.nodes[n.Name] = i
		}
		b.whole = true
	}
	if !maps.Equal(b.in.Groups.Gone, old.in.Groups.Gone) {
		b.whole = true
	}
}

// matchPods walks the old and the new pods side by side. Both are sorted, so a pod that did
// not change is found by comparing pointers alone, without touching its memory, and whole
// runs of them are copied at once: with a collector marking, each pointer that is stored by
// itself costs more than the comparison.
func (b *builder) matchPods() {
	was, is, old := b.old.built.in.Pods.Items, b.in.Pods.Items, b.old.Placements
	b.todo, b.before, b.left, b.shared = nil, nil, nil, false
	if same(was, is) && len(old) >= len(is) && !b.whole {
		b.s.Placements, b.shared = old[:len(is):len(is)], true
	} else {
		b.s.Placements = make([]*Placement, len(is), len(is)+8)
	}
	i, j := 0, 0
	for !b.shared && (i < len(was) || j < len(is)) {
		if n := commonRun(was[i:], is[j:]); n > 0 {
			copy(b.s.Placements[j:j+n], old[i:i+n])
			for k := 0; b.whole && k < n; k++ {
				b.look(j+k, old[i+k])
			}
			i, j = i+n, j+n
			continue
		}
		switch {
		case j == len(is) || i < len(was) && ComparePods(was[i], is[j]) < 0:
			b.left = append(b.left, old[i])
			i++
		case i == len(was) || ComparePods(was[i], is[j]) > 0:
			b.look(j, nil)
			j++
		default:
			b.look(j, old[i])
			i, j = i+1, j+1
		}
	}
	if b.whole {
		return
	}
	for p, at := range b.old.built.rechecks {
		if b.now.Before(at) {
			continue
		}
		if j, found := slices.BinarySearchFunc(is, p, ComparePods); found && is[j] == p {
			b.look(j, b.s.Placements[j])
		}
	}
}

// look notes that a pod has to be looked at; before is its placement in old, or nil.
func (b *builder) look(j int, before *Placement) {
	b.todo, b.before = append(b.todo, j), append(b.before, before)
}

// commonRun is how many of the first items are the same pointers.
func commonRun[T any](a, b []*T) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// vote finds the vendor's cluster id. When that changes, every pod is looked at again.
func (b *builder) vote() {
	k := &b.s.built
	if b.whole {
		k.votes = map[string]int{}
		for _, p := range b.in.Pods.Items {
			if p.InstanceID != "" {
				if id := k.groups.byAnnotation(p).vote(); id != "" {
					k.votes[id]++
				}
			}
		}
	} else {
		k.votes = b.old.built.votes
		for _, gone := range b.left {
			k.votes = recount(k.votes, gone.join.vote(), "")
		}
		for t, j := range b.todo {
			out := ""
			if b.before[t] != nil {
				out = b.before[t].join.vote()
			}
			k.votes = recount(k.votes, out, k.groups.byAnnotation(b.in.Pods.Items[j]).vote())
		}
	}
	k.ids = clusterIDs{uid: b.in.Cluster.UID, vendor: vendorID(k.votes), named: namedID(b.in.Nodes.Items)}
	b.s.Cluster = k.ids.uid
	if k.ids.vendor != "" {
		b.s.Cluster = k.ids.vendor
	}
	if k.ids != b.old.built.ids && !b.whole {
		b.whole = true
		b.matchPods()
	}
}

// node is the node a pod is bound to, as its collector holds it.
func (b *builder) node(p *Pod) *Node {
	if p.NodeName == "" {
		return nil
	}
	if i, ok := b.s.built.nodes[p.NodeName]; ok {
		return b.in.Nodes.Items[i]
	}
	return nil
}

// chooseGroups asks each pod to be looked at for its group and counts who chose which. A
// group that a second pod chose, or no longer chooses, brings its other pods into todo.
func (b *builder) chooseGroups() {
	k := &b.s.built
	k.claims = make([]int32, len(k.groups.items))
	touched := map[*Group]bool{}
	claim := func(g *Group, by int32) {
		if i, ok := k.groups.position[g]; ok && g != nil {
			k.claims[i] += by
			touched[g] = true
		}
	}
	if !b.whole {
		copy(k.claims, b.old.built.claims)
		for _, gone := range b.left {
			claim(gone.join.group, -1)
		}
	}
	b.joins = make([]join, len(b.todo))
	for t, j := range b.todo {
		p := b.in.Pods.Items[j]
		b.joins[t] = k.groups.choose(p, b.node(p), k.ids)
		if !b.whole && b.before[t] != nil {
			claim(b.before[t].join.group, -1)
		}
		if g := b.joins[t].group; g != nil {
			if b.whole {
				k.claims[k.groups.position[g]]++
			} else {
				claim(g, 1)
			}
		}
	}
	if b.whole {
		return
	}
	contested := map[*Group]bool{}
	for g := range touched {
		i := k.groups.position[g]
		if (k.claims[i] > 1) != (b.old.built.claims[i] > 1) || k.claims[i] > 1 {
			contested[g] = true
		}
	}
	if len(contested) == 0 {
		return
	}
	looked := make(map[int]bool, len(b.todo))
	for _, j := range b.todo {
		looked[j] = true
	}
	for j, before := range b.s.Placements { // of the pods; nil for those that changed
		if before != nil && !looked[j] && contested[before.join.group] {
			b.look(j, before)
			b.joins = append(b.joins, before.join)
		}
	}
}

// relateGroups makes the snapshot's groups: the part's with their relation.
func (b *builder) relateGroups() {
	k := &b.s.built
	old := &b.old.built
	sameGroups := old.groups == k.groups
	k.strikes = map[string]int{}
	owned := !sameGroups // b.s.Groups is not old's any more
	if b.s.Groups = b.old.Groups; owned {
		b.s.Groups = make([]*Group, len(k.groups.items))
	}
	// Only a fresh and whole list of pods says that a pod is missing.
	believed := b.in.fresh("pods", b.now)
	for i, g := range k.groups.items {
		var before *Group
		switch {
		case sameGroups && k.claims[i] == 1 && len(old.claims) > i && old.claims[i] == 1:
			continue // joined before and now, found out without touching the group
		case sameGroups:
			before = b.old.Groups[i]
		case old.groups != nil:
			if was := old.groups.byID[g.ID]; was != nil && was == g {
				before = b.old.Groups[old.groups.position[was]]
			}
		}
		relation := b.relation(i, g, believed)
		if relation == Unjoined && !g.Status.Ended() {
			k.loose = append(k.loose, i)
		}
		if before != nil && before.Relation == relation {
			if owned {
				b.s.Groups[i] = before
			}
			continue
		}
		related := *g
		related.Relation = relation
		if !owned {
			b.s.Groups, owned = slices.Clone(b.s.Groups), true
		}
		b.s.Groups[i] = &related
	}
}

func (b *builder) relation(i int, g *Group, believed bool) Relation {
	k := &b.s.built
	switch {
	case k.claims[i] == 1:
		return Joined
	case k.claims[i] > 1:
		return Unjoined
	case !k.ids.has(g.Identity.ClusterID), g.Identity.PodUID == "" && g.Identity.PodName == "":
		return Foreign // also a group of this cluster that never was a pod's, like an image cache's
	case g.Status.Ended(), !b.in.Pods.reads(g.Identity.Namespace),
		b.hasPod(g):
		return Unjoined
	}
	first, struck := b.old.built.strikes[g.ID]
	switch {
	case !struck && !believed:
		return Unjoined
	case !struck:
		first = b.in.Groups.Sweep
	}
	k.strikes[g.ID] = first
	if b.in.Groups.Sweep > first && (believed || b.wasOrphan(g.ID)) {
		return Orphan
	}
	return Unjoined
}

func (b *builder) wasOrphan(id string) bool {
	x := b.old.built.groups
	if x == nil || x.byID[id] == nil {
		return false
	}
	return b.old.Groups[x.position[x.byID[id]]].Relation == Orphan
}

// hasPod reports whether the pod that a group's tags name is there, although it did not
// choose this group: an earlier attempt, or one of several candidates. Such a group is the
// pod's business, not an orphan.
func (b *builder) hasPod(g *Group) bool {
	pods := b.in.Pods.Items
	first := &Pod{Namespace: g.Identity.Namespace, Name: g.Identity.PodName}
	hashed := strings.HasPrefix(first.Name, "sha256-") // no pod is found by it: look at all
	if hashed {
		first.Name = ""
	}
	i, _ := slices.BinarySearchFunc(pods, first, ComparePods)
	for ; i < len(pods) && pods[i].Namespace == first.Namespace && (hashed || pods[i].Name == first.Name); i++ {
		if contradiction(pods[i], g) == "" {
			return true
		}
	}
	return false
}

// placePods makes the placements of the pods to be looked at, and keeps the old one where
// nothing about it is new.
func (b *builder) placePods() {
	k := &b.s.built
	k.rechecks = make(map[*Pod]time.Time, len(b.old.built.rechecks))
	if !b.whole {
		maps.Copy(k.rechecks, b.old.built.rechecks)
		for _, gone := range b.left {
			delete(k.rechecks, gone.Pod)
		}
	}
	for t, j := range b.todo {
		p, chosen := b.in.Pods.Items[j], b.joins[t]
		if b.before[t] != nil {
			delete(k.rechecks, b.before[t].Pod)
		}
		placement := Placement{Pod: p, Node: b.node(p), join: chosen}
		note := chosen.note
		if chosen.group != nil {
			i := k.groups.position[chosen.group]
			if k.claims[i] == 1 {
				placement.Group = b.s.Groups[i]
			} else {
				note = fmt.Sprintf("group %s is named by %d pods: whose it is is not known", chosen.group.ID, k.claims[i])
			}
		}
		placement.Place = placeOf(&placement)
		v := judge(&placement, b.in.Groups.Gone, b.now)
		placement.Status, placement.Trouble, placement.Reason = v.status, v.trouble, v.reason
		if note != "" {
			placement.Reason = joinSentences(note, v.reason)
			placement.Trouble = max(placement.Trouble, Degraded)
		}
		cost, recheck := b.cost(&placement)
		placement.Cost = cost
		if !recheck.IsZero() && (v.recheck.IsZero() || recheck.Before(v.recheck)) {
			v.recheck = recheck
		}
		if !v.recheck.IsZero() {
			k.rechecks[p] = v.recheck
		}
		if before := b.before[t]; before == nil || *before != placement {
			b.place(j, &placement)
		} else if b.s.Placements[j] != before {
			b.place(j, before)
		}
	}
}

// place puts a placement at a pod's position, in a slice that no other Snapshot has.
func (b *builder) place(j int, p *Placement) {
	if b.shared {
		b.s.Placements, b.shared = append(make([]*Placement, 0, len(b.s.Placements)+8), b.s.Placements...), false
	}
	b.s.Placements[j] = p
}

// placeOrphans appends the groups of this cluster that have lost their pod.
func (b *builder) placeOrphans() {
	pods := len(b.in.Pods.Items)
	was := b.old.Placements[min(len(b.old.built.in.Pods.Items), len(b.old.Placements)):]
	before := map[*Group]*Placement{}
	for _, p := range was {
		before[p.Group] = p
	}
	var orphans []*Placement
	for id := range b.s.built.strikes {
		g := b.s.Groups[b.s.built.groups.position[b.s.built.groups.byID[id]]]
		if g.Relation != Orphan {
			continue
		}
		made := before[g]
		if made == nil {
			made = orphan(g)
		}
		if cost, _ := b.cost(made); cost != made.Cost {
			priced := *made // the one before belongs to another Snapshot
			made, priced.Cost = &priced, cost
		}
		orphans = append(orphans, made)
	}
	slices.SortFunc(orphans, func(x, y *Placement) int { return strings.Compare(x.Group.ID, y.Group.ID) })
	if b.shared && slices.Equal(orphans, was) {
		b.s.Placements = b.old.Placements
		return
	}
	b.s.Placements = append(b.s.Placements[:pods], orphans...)
}

// sumNodes adds up what is bound to each node. Only nodes whose pods changed get a new
// record.
func (b *builder) sumNodes() {
	items := b.in.Nodes.Items
	k := &b.s.built
	if b.whole {
		b.s.Nodes = make([]*Node, len(items))
		sums := make([]Node, len(items))
		for j, p := range b.in.Pods.Items {
			if i, ok := k.nodes[p.NodeName]; ok {
				addPod(&sums[i], p, b.s.Placements[j].Cost, 1)
			}
		}
		for i, n := range items {
			summed := *n
			summed.Pods, summed.RequestCPU, summed.RequestMemory = sums[i].Pods, sums[i].RequestCPU, sums[i].RequestMemory
			summed.Shares = sums[i].Shares
			summed.Cost = Cost{State: NotBilled}
			if !n.Virtual {
				summed.Cost = Cost{State: Billed, Quote: k.prices.node(n), Since: n.Created}
			}
			b.s.Nodes[i] = &summed
			if was, ok := b.old.built.nodes[n.Name]; ok && *b.old.Nodes[was] == summed {
				b.s.Nodes[i] = b.old.Nodes[was]
			}
		}
		return
	}
	b.s.Nodes = b.old.Nodes
	owned := map[int]bool{}
	change := func(p *Placement, by int) {
		i, ok := k.nodes[p.Pod.NodeName]
		if !ok {
			return
		}
		if !owned[i] {
			if len(owned) == 0 {
				b.s.Nodes = slices.Clone(b.s.Nodes)
			}
			summed := *b.s.Nodes[i]
			b.s.Nodes[i], owned[i] = &summed, true
		}
		addPod(b.s.Nodes[i], p.Pod, p.Cost, by)
	}
	for _, gone := range b.left {
		change(gone, -1)
	}
	for t, j := range b.todo {
		before, after := b.before[t], b.s.Placements[j]
		if before == after {
			continue
		}
		if before != nil {
			change(before, -1)
		}
		change(after, 1)
	}
}

func addPod(n *Node, p *Pod, c Cost, by int) {
	n.Shares.count(c, by)
	if p.ended() {
		return
	}
	n.Pods += by
	n.RequestCPU += int64(by) * p.RequestCPU
	n.RequestMemory += int64(by) * p.RequestMemory
}

// mergeEvents puts Kubernetes', ECI's and our operations' events into one timeline.
func (b *builder) mergeEvents() {
	k8s, cloud, ours := b.in.Events.Items, b.in.Groups.Events, b.in.Operations.Events
	if old := b.old.built.in; same(k8s, old.Events.Items) && same(cloud, old.Groups.Events) && same(ours, old.Operations.Events) {
		b.s.Events = b.old.Events
		return
	}
	b.s.Events = mergedEvents(mergedEvents(k8s, cloud), ours)
}

// mergedEvents is two lists as one; neither is changed.
func mergedEvents(x, y []*Event) []*Event {
	out := make([]*Event, 0, len(x)+len(y))
	for len(x) > 0 && len(y) > 0 {
		if CompareEvents(x[0], y[0]) <= 0 {
			out, x = append(out, x[0]), x[1:]
		} else {
			out, y = append(out, y[0]), y[1:]
		}
	}
	return append(append(out, x...), y...)
}
