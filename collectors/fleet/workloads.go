package fleet

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// A workloadKey names a workload.
type workloadKey struct{ namespace, kind, name string }

func (k workloadKey) compare(o workloadKey) int {
	return cmp.Or(strings.Compare(k.namespace, o.namespace), strings.Compare(k.kind, o.kind), strings.Compare(k.name, o.name))
}

func (w *Workload) key() workloadKey { return workloadKey{w.Namespace, w.Kind, w.Name} }

// kindPod is the kind of a bare pod's workload: the pod itself.
const kindPod = "Pod"

// workloads is what Build keeps of workloads for the next one.
type workloads struct {
	budgets    map[string][]budgetOf // by namespace
	autoscaled map[workloadKey]*Autoscaler
	conflicts  map[workloadKey]string // the CronHPA that changes the same number as a workload's HPA
	places     [placesKnown]PlaceSum
}

type budgetOf struct {
	*Budget
	selector labels.Selector
}

// controller finds the object of a kind.
func (in *Inputs) controller(kind, namespace, name string) *Controller {
	for i := range in.Controllers {
		if in.Controllers[i].Kind != kind {
			continue
		}
		items := in.Controllers[i].Items
		at, found := slices.BinarySearchFunc(items, name, func(c *Controller, name string) int {
			return compareNames(c.Namespace, c.Name, namespace, name)
		})
		if found {
			return items[at]
		}
	}
	return nil
}

// ownerOf is the workload that a pod belongs to: the topmost owner that is known.
func (in *Inputs) ownerOf(p *Pod) workloadKey {
	k := workloadKey{p.Namespace, p.Workload.Kind, p.Workload.Name}
	switch k.kind {
	case "":
		return workloadKey{p.Namespace, kindPod, p.Name}
	case "ReplicaSet", "Job":
		if c := in.controller(k.kind, k.namespace, k.name); c != nil && c.Owner.Kind != "" {
			k.kind, k.name = c.Owner.Kind, c.Owner.Name
		}
	}
	return k
}

// topmost reports whether an object is a row of its own. An old ReplicaSet with no pods and
// none wanted is nothing that anybody looks for.
func topmost(c *Controller) bool {
	return c.Owner.Kind == "" && (c.Kind != "ReplicaSet" || c.Desired > 0 || c.Current > 0)
}

// buildWorkloads makes the rows of workloads. A row whose pods, object, autoscaler, budget
// and usage are the same as before, and of which time changes nothing, is the same pointer.
func (b *builder) buildWorkloads() {
	k, old := &b.s.built, &b.old.built
	sameObjects := len(b.in.Controllers) == len(old.in.Controllers)
	for i := range b.in.Controllers {
		sameObjects = sameObjects && same(b.in.Controllers[i].Items, old.in.Controllers[i].Items)
	}
	b.sameOwners = sameObjects && len(b.left) == 0
	for t, j := range b.todo {
		before := b.before[t]
		b.sameOwners = b.sameOwners && before != nil && before.Pod.Workload == b.in.Pods.Items[j].Workload
	}
	k.workloads = old.workloads
	k.held = old.held
	if !same(b.in.Events.Items, old.in.Events.Items) {
		k.held = heldBack(b.in.Events.Items)
	}
	b.sameAround = same(b.in.NodeGroups.Items, old.in.NodeGroups.Items) && maps.Equal(k.held, old.held)
	around := sameObjects && b.old.built.prices != nil && b.sameAround
	if sameBudgets := same(b.in.Budgets.Items, old.in.Budgets.Items); !sameBudgets || k.budgets == nil {
		k.budgets, around = indexBudgets(b.in.Budgets.Items), false
	}
	sameScalers := len(b.in.Autoscalers) == len(old.in.Autoscalers)
	for i := range b.in.Autoscalers {
		sameScalers = sameScalers && same(b.in.Autoscalers[i].Items, old.in.Autoscalers[i].Items)
	}
	if !sameScalers || k.autoscaled == nil {
		k.autoscaled, k.conflicts = b.in.indexAutoscalers()
		around = false
		b.sameAround = b.sameAround && len(k.conflicts) == 0 && len(old.conflicts) == 0
	}
	b.s.Autoscalers, b.s.Budgets = b.old.Autoscalers, b.in.Budgets.Items
	if !sameScalers {
		b.s.Autoscalers = nil
		for _, a := range b.in.Autoscalers {
			b.s.Autoscalers = append(b.s.Autoscalers, a.Items...)
		}
		slices.SortStableFunc(b.s.Autoscalers, CompareAutoscalers)
	}
	b.sameUsage = b.in.sameUsage(&old.in)

	members := b.members(sameObjects)
	if around && b.sameUsage && !b.whole && b.changeRows(members) {
		return
	}
	b.allRows(members, sameObjects)
}

// members are the placements of each workload whose placements are not those of before; a
// nil list is a workload that has none left.
func (b *builder) members(sameObjects bool) map[workloadKey][]*Placement {
	out := map[workloadKey][]*Placement{}
	if b.whole || !sameObjects {
		for _, p := range b.s.Placements[:len(b.in.Pods.Items)] {
			key := b.in.ownerOf(p.Pod)
			out[key] = append(out[key], p)
		}
		return out
	}
	of := func(key workloadKey) []*Placement {
		list, changed := out[key]
		if !changed {
			if w := b.old.workload(key); w != nil {
				list = slices.Clone(w.members)
			}
		}
		return list
	}
	for _, gone := range b.left {
		key := b.in.ownerOf(gone.Pod)
		list := of(key)
		if at, found := slices.BinarySearchFunc(list, gone, comparePlacements); found {
			list = slices.Delete(list, at, at+1)
		}
		out[key] = list
	}
	for t, j := range b.todo {
		before, after := b.before[t], b.s.Placements[j]
		if before == after {
			continue
		}
		key := b.in.ownerOf(after.Pod)
		if before != nil {
			if was := b.in.ownerOf(before.Pod); was != key {
				list := of(was)
				if at, found := slices.BinarySearchFunc(list, before, comparePlacements); found {
					list = slices.Delete(list, at, at+1)
				}
				out[was] = list
			}
		}
		list := of(key)
		at, found := slices.BinarySearchFunc(list, after, comparePlacements)
		if found {
			list[at] = after
		} else {
			list = slices.Insert(list, at, after)
		}
		out[key] = list
	}
	return out
}

func comparePlacements(a, b *Placement) int { return ComparePods(a.Pod, b.Pod) }

// workload finds a row.
func (s *Snapshot) workload(key workloadKey) *Workload {
	at, found := s.workloadAt(key)
	if !found {
		return nil
	}
	return s.Workloads[at]
}

func (s *Snapshot) workloadAt(key workloadKey) (position int, found bool) {
	return slices.BinarySearchFunc(s.Workloads, key, func(w *Workload, k workloadKey) int { return w.key().compare(k) })
}

// changeRows makes the rows anew whose pods changed or whose time has come, when no row
// comes or goes; otherwise it reports false.
func (b *builder) changeRows(members map[workloadKey][]*Placement) bool {
	changed := make(map[int][]*Placement, len(members)) // by position
	for key, list := range members {
		at, found := b.old.workloadAt(key)
		if !found || len(list) == 0 && b.old.Workloads[at].Object == nil {
			return false
		}
		changed[at] = list
	}
	for i, w := range b.old.Workloads {
		if !w.recheck.IsZero() && !b.now.Before(w.recheck) {
			if _, also := changed[i]; !also {
				changed[i] = w.members
			}
		}
	}
	if b.s.Workloads = b.old.Workloads; len(changed) == 0 {
		return true
	}
	b.s.Workloads = slices.Clone(b.old.Workloads)
	for i, list := range changed {
		w := b.s.Workloads[i]
		b.s.Workloads[i] = b.row(w.key(), w.Object, w.controls, list)
	}
	return true
}

// allRows makes the whole list of rows.
func (b *builder) allRows(members map[workloadKey][]*Placement, sameObjects bool) {
	if !b.whole && sameObjects {
		for _, w := range b.old.Workloads {
			if _, changed := members[w.key()]; !changed && len(w.members) > 0 {
				members[w.key()] = w.members
			}
		}
	}
	objects := map[workloadKey]*Controller{}
	controls := map[workloadKey][]*Controller{}
	keys := make([]workloadKey, 0, len(members))
	for i := range b.in.Controllers {
		for _, c := range b.in.Controllers[i].Items {
			key := workloadKey{c.Namespace, c.Kind, c.Name}
			if c.Owner.Kind != "" {
				if c.Failure.Status != "" || c.Kind == "Job" {
					up := workloadKey{c.Namespace, c.Owner.Kind, c.Owner.Name}
					controls[up] = append(controls[up], c)
				}
				continue
			}
			objects[key] = c
			if topmost(c) || len(members[key]) > 0 {
				keys = append(keys, key)
			}
		}
	}
	for key, list := range members {
		if len(list) > 0 && objects[key] == nil {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, workloadKey.compare)
	b.s.Workloads = make([]*Workload, 0, len(keys))
	for _, key := range keys {
		was, list := b.old.workload(key), members[key]
		if was != nil && !b.whole && b.sameAround && b.sameUsage && slices.Equal(was.members, list) && was.Object == objects[key] && slices.Equal(was.controls, controls[key]) &&
			was.Autoscaler == b.s.built.autoscaled[key] && was.Budget == b.budget(key, objects[key]) && (was.recheck.IsZero() || b.now.Before(was.recheck)) {
			b.s.Workloads = append(b.s.Workloads, was)
			continue
		}
		b.s.Workloads = append(b.s.Workloads, b.row(key, objects[key], controls[key], list))
	}
}

// row makes one workload's row from its pods and objects.
func (b *builder) row(key workloadKey, object *Controller, controls []*Controller, members []*Placement) *Workload {
	w := &Workload{
		Owner: Owner{key.kind, key.name}, Namespace: key.namespace, Object: object, Desired: -1,
		Autoscaler: b.s.built.autoscaled[key], Budget: b.budget(key, object), members: members, controls: controls,
	}
	switch {
	case object != nil:
		w.UID, w.Desired = object.UID, object.Desired
	case key.kind == kindPod && len(members) == 1:
		w.UID, w.Desired = members[0].Pod.UID, 1
		if members[0].Pod.ended() {
			w.Desired = 0
		}
	}
	for _, p := range members {
		w.Cost.Add(p.Cost)
		if p.Pod.ended() {
			w.Ended++
			if at := p.reclaimed(); at.After(w.reclaimed) {
				w.reclaimed = at
			}
			if p.Cost.Waste {
				w.Trouble = max(w.Trouble, p.Trouble)
			}
			continue
		}
		w.Pods.Add(p.Place, 1)
		if p.bursts() {
			w.BurstPods++
			if w.BurstSince.IsZero() || p.Pod.Burst.Before(w.BurstSince) {
				w.BurstSince = p.Pod.Burst
			}
		}
		if p.serves() {
			w.ReadyPods++
		}
		w.Trouble = max(w.Trouble, p.Trouble)
		w.Usage.add(b.in.usage(p))
	}
	w.Rollout = rollout(object)
	b.scale(w)
	return w
}

// ready reports whether all containers are.
func (p *Pod) ready() bool {
	return p.Phase == "Running" && p.TotalContainers > 0 && p.ReadyContainers == p.TotalContainers && p.Deleting.IsZero()
}

// serves reports whether a pod is ready by what both sides say: Kubernetes calls one whose
// group is gone ready for as long as nobody tells it.
func (p *Placement) serves() bool { return p.Pod.ready() && p.Status != StatusLost }

// Members are the placements of the workload's pods, ended ones included, by name. They
// must not be changed.
func (w *Workload) Members() []*Placement { return w.members }

// WorkloadOf is the row of what owns a pod; nil for an orphan, which nothing owns.
func (s *Snapshot) WorkloadOf(p *Placement) *Workload {
	if p.Pod == nil {
		return nil
	}
	return s.workload(s.built.in.ownerOf(p.Pod))
}

// Workload finds a row; nil when there is none.
func (s *Snapshot) Workload(namespace, kind, name string) *Workload {
	return s.workload(workloadKey{namespace, kind, name})
}

func indexBudgets(items []*Budget) map[string][]budgetOf {
	out := map[string][]budgetOf{}
	for _, item := range items {
		selector := labels.Nothing()
		switch parsed, err := labels.Parse(item.Selector); {
		case item.All:
			selector = labels.Everything()
		case err == nil && item.Selector != "":
			selector = parsed
		}
		out[item.Namespace] = append(out[item.Namespace], budgetOf{item, selector})
	}
	return out
}

// budget is the budget that allows least of those that select the workload's pods.
func (b *builder) budget(key workloadKey, object *Controller) *Budget {
	if object == nil || object.Labels == "" {
		return nil
	}
	var set labels.Set
	var least *Budget
	for _, budget := range b.s.built.budgets[key.namespace] {
		if set == nil {
			set = labelSet(object.Labels)
		}
		if budget.selector.Matches(set) && (least == nil || budget.Allowed < least.Allowed) {
			least = budget.Budget
		}
	}
	return least
}

// labelSet reads what Controller.Labels holds.
func labelSet(text string) labels.Set {
	set := labels.Set{}
	for pair := range strings.SplitSeq(text, ",") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			set[key] = value
		}
	}
	return set
}

// indexAutoscalers finds each workload's autoscaler. A KEDA object works through a
// HorizontalPodAutoscaler of its own, whose numbers it takes over; a CronHPA that targets a
// HorizontalPodAutoscaler changes that one's bounds.
func (in *Inputs) indexAutoscalers() (out map[workloadKey]*Autoscaler, conflicts map[workloadKey]string) {
	out, conflicts = map[workloadKey]*Autoscaler{}, map[workloadKey]string{}
	for _, kind := range []string{KindHPA, KindCron, KindKEDA} {
		for i := range in.Autoscalers {
			if in.Autoscalers[i].Kind != kind {
				continue
			}
			for _, a := range in.Autoscalers[i].Items {
				key := workloadKey{a.Namespace, a.Target.Kind, a.Target.Name}
				was := out[key]
				switch {
				case kind == KindCron && was != nil:
					conflicts[key] = a.Name
					continue
				case kind == KindKEDA && was != nil && was.Kind == KindHPA:
					merged := *a
					merged.Current, merged.Desired, merged.Metrics, merged.LastScale = was.Current, was.Desired, was.Metrics, was.LastScale
					merged.Min, merged.Max = was.Min, was.Max
					if merged.Limited.Status == "" || merged.Limited.Status == "False" {
						merged.Limited = was.Limited
					}
					a = &merged
				}
				out[key] = a
			}
		}
	}
	return out, conflicts
}

// The kinds of autoscalers.
const (
	KindHPA  = "HorizontalPodAutoscaler"
	KindKEDA = "ScaledObject"
	KindCron = "CronHorizontalPodAutoscaler"
)

// rollout says how far a change of the template has come, in the order of kubectl's checks
// (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).
func rollout(c *Controller) Rollout {
	if c == nil {
		return Rollout{}
	}
	r := Rollout{Since: c.Progressing.Since}
	switch c.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
	default:
		return Rollout{}
	}
	switch {
	case c.Paused:
		r.State, r.Message = RolloutPaused, "the rollout is paused: kubectl rollout resume continues it"
	case !c.Observed:
		r.State, r.Message = RolloutRunning, "waiting for the change to be observed"
	case c.Progressing.Reason == "ProgressDeadlineExceeded":
		r.State, r.Message = RolloutStuck, firstOf(c.Progressing.Message, "it exceeded its progress deadline")
	case c.Kind == "StatefulSet" && c.Partition > 0 && c.Updated < c.Desired-c.Partition,
		c.Partition == 0 && c.Updated < c.Desired:
		r.State, r.Message = RolloutRunning, count(c.Updated, c.Desired)+" new pods have been made"
	case c.Kind == "Deployment" && c.Current > c.Updated:
		r.State, r.Message = RolloutRunning, plural(c.Current-c.Updated, "old pod")+" to end"
	case c.Available < c.Updated:
		r.State, r.Message = RolloutRunning, count(c.Available, c.Updated)+" new pods are available"
	default:
		r.State, r.Message = RolloutComplete, "complete"
	}
	return r
}

// recheckAt notes when a row will say something else by time alone.
func (w *Workload) recheckAt(at time.Time) {
	if w.recheck.IsZero() || at.Before(w.recheck) {
		w.recheck = at
	}
}
