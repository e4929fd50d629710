// Package why says in sentences why something is as it is: why a pod waits, why a workload
// does not scale, what an object costs and what it would cost elsewhere. It knows what a
// Snapshot knows and makes no call; the console's panels and `ecideck why` print the same.
//
// All its functions are pure. Text that comes from elsewhere (events, conditions) is passed
// on as it is: who paints it makes it safe.
package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
)

// An Answer is the shortest way to understanding one thing.
type Answer struct {
	Head  string   // one sentence: what it is, and what is the matter
	Lines []string // what is known of it, the most telling first
	Helps []string // what helps; empty: nothing is wrong, or nothing is known
}

// String is the answer as it is printed, lines of any length.
func (a Answer) String() string {
	var b strings.Builder
	b.WriteString(a.Head + "\n")
	for _, l := range a.Lines {
		b.WriteString("  " + l + "\n")
	}
	for i, h := range a.Helps {
		if i == 0 {
			b.WriteString("What helps:\n")
		}
		b.WriteString("  " + h + "\n")
	}
	return b.String()
}

func (a *Answer) say(form string, args ...any) { a.Lines = append(a.Lines, fmt.Sprintf(form, args...)) }

// tell adds a sentence that may be empty, once.
func (a *Answer) tell(text string) {
	if text != "" && !slices.Contains(a.Lines, text) {
		a.Lines = append(a.Lines, text)
	}
}

// help adds a remedy that may be empty, once.
func (a *Answer) help(text string) {
	if text != "" && !slices.Contains(a.Helps, text) {
		a.Helps = append(a.Helps, text)
	}
}

// Of says why the thing that ref names is as it is; false where the Snapshot does not have
// it. An autoscaler and a disruption budget are answered by their workload.
func Of(s *fleet.Snapshot, ref fleet.Ref, now time.Time) (Answer, bool) {
	a, found := Answer{}, false
	switch ref.Kind {
	case "Pod":
		if p := Placement(s, ref); p != nil {
			a, found = pod(s, p, now), true
		}
	case "Node":
		for _, n := range s.Nodes {
			if n.Name == ref.Name {
				a, found = node(s, n, now), true
			}
		}
	case fleet.KindGroup:
		for _, g := range s.Groups {
			if g.ID == ref.Name {
				a, found = group(s, g, now), true
			}
		}
	case fleet.KindVSwitch:
		a, found = vSwitch(s, ref.Name), true
	case fleet.KindAccount:
		a, found = account(s, ref.Name), true
	case fleet.KindSource:
		a, found = source(s, ref.Name, now)
	case fleet.KindOperation:
		a, found = operation(s, ref.Name, now)
	default:
		if w := Workload(s, ref); w != nil {
			a, found = workload(s, w, now), true
			ref = fleet.Ref{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
		}
	}
	if !found {
		return a, false
	}
	for _, t := range s.Attention {
		if t.Topic == fleet.TopicOrphans || t.Topic == fleet.TopicPrice {
			continue // they are about all orphans, and about what is said above
		}
		if about(t.Target, ref) {
			if !a.said(t.Text) {
				a.tell(t.Text)
			}
			a.help(t.Remedy)
		}
	}
	return a, true
}

// said reports whether a text, or the cause at its end, was told already. Texts that begin
// alike say the same at different times: they end in when it is tried again.
func (a *Answer) said(text string) bool {
	const alike = 40
	for _, l := range append([]string{a.Head}, a.Lines...) {
		if strings.Contains(l, text) || len(l) > 20 && strings.Contains(text, l) || len(text) > alike && strings.Contains(l, text[:alike]) {
			return true
		}
	}
	return false
}

// about reports whether two refs name the same thing; a UID that either lacks does not count.
func about(a, b fleet.Ref) bool {
	return a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name && (a.UID == b.UID || a.UID == "" || b.UID == "")
}

// Placement is the placement of the pod that a ref names; nil: there is none.
func Placement(s *fleet.Snapshot, ref fleet.Ref) *fleet.Placement {
	for _, p := range s.Placements {
		if p.Pod != nil && p.Pod.Name == ref.Name && p.Pod.Namespace == ref.Namespace && (ref.UID == "" || p.Pod.UID == ref.UID) {
			return p
		}
	}
	return nil
}

// Workload is the row of the workload that a ref names, or whose autoscaler, budget,
// ReplicaSet, Job or bare pod it is; nil: there is none.
func Workload(s *fleet.Snapshot, ref fleet.Ref) *fleet.Workload {
	if w := s.Workload(ref.Namespace, ref.Kind, ref.Name); w != nil {
		return w
	}
	for _, w := range s.Workloads {
		if w.Namespace != ref.Namespace {
			continue
		}
		if x := w.Autoscaler; x != nil && x.Kind == ref.Kind && x.Name == ref.Name {
			return w
		}
		if x := w.Budget; x != nil && ref.Kind == "PodDisruptionBudget" && x.Name == ref.Name {
			return w
		}
	}
	for _, p := range s.Placements {
		if p.Pod != nil && p.Pod.Namespace == ref.Namespace && p.Pod.Workload == (fleet.Owner{Kind: ref.Kind, Name: ref.Name}) {
			return s.WorkloadOf(p)
		}
	}
	return nil
}

func pod(s *fleet.Snapshot, p *fleet.Placement, now time.Time) Answer {
	a := Answer{Head: fmt.Sprintf("pod %s/%s is %s", p.Pod.Namespace, p.Pod.Name, cmp.Or(p.Status, "in an unknown state"))}
	ended := p.Pod.Phase == "Succeeded" || p.Pod.Phase == "Failed"
	ready := p.Pod.TotalContainers > 0 && p.Pod.ReadyContainers == p.Pod.TotalContainers
	switch since := p.Pod.Changed; {
	case p.Trouble == fleet.Fine && ended:
		a.Head += ": it has ended."
	case p.Trouble == fleet.Fine && ready:
		a.Head += ": nothing is wrong with it."
	default:
		if since.IsZero() || p.Pod.Phase == "Pending" {
			since = p.Pod.Created
		}
		a.Head += ", since " + format.Age(since, now) + "."
	}
	a.tell(p.Reason)
	switch g := p.Group; {
	case g != nil:
		a.say("it runs as container group %s: %s, billed %s, zone %s", g.ID, g.Status, format.Spec(g.CPU, g.Memory), unknown(g.Zone))
		if g.Notice != "" {
			a.say("ECI announced %s%s", g.Notice, due(g.Due, now))
		}
	case p.Place == fleet.PlaceNone:
		a.say("it is bound to no node yet")
	case p.Place == fleet.PlaceECI:
		a.say("it belongs on ECI by node %s and has no container group", p.Pod.NodeName)
	default:
		a.say("it is on node %s (%s)", unknown(p.Pod.NodeName), unknown(string(p.Place)))
	}
	if w := s.WorkloadOf(p); w != nil && w.Kind != "Pod" {
		a.say("%s %s: %s", strings.ToLower(w.Kind), w.Name, w.Scaling.Line)
		if p.Trouble != fleet.Fine || !ready && !ended {
			a.help(w.Scaling.Remedy)
		}
		a.tell(policies(s, w))
	} else if w != nil {
		a.help(w.Scaling.Remedy)
	}
	a.Lines = append(a.Lines, placed(p, now)...)
	id := ""
	if p.Group != nil {
		id = p.Group.ID
	}
	a.happened(s, now, func(e *fleet.Event) bool {
		return e.Kind == "Pod" && e.Namespace == p.Pod.Namespace && e.Name == p.Pod.Name || e.Kind == fleet.KindGroup && e.Name == id
	})
	return a
}

func due(t, now time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Before(now):
		return ", which was due " + format.Age(t, now) + " ago"
	}
	return ", in " + format.Age(now, t)
}

func unknown(s string) string { return cmp.Or(s, "unknown") }

func workload(s *fleet.Snapshot, w *fleet.Workload, now time.Time) Answer {
	c := w.Scaling
	a := Answer{Head: fmt.Sprintf("%s %s/%s", strings.ToLower(w.Kind), w.Namespace, w.Name)}
	switch {
	case w.Kind == "Job" || w.Kind == "CronJob":
		a.Head += ": " + c.Line
	case w.Desired < 0:
		a.Head += fmt.Sprintf(" has %d ready of %s; how many it wants is not known", w.ReadyPods, pods(w.Pods.All()))
	default:
		by := ""
		if x := w.Autoscaler; x != nil {
			by = " (" + c.By
			if x.Metrics != "" {
				by += " " + x.Metrics
			}
			by += ")"
		}
		a.Head += fmt.Sprintf(" wants %d%s, has %d ready", w.Desired, by, w.ReadyPods)
	}
	switch c.State {
	case fleet.ScalingStuck:
		a.Head += ": stuck"
		if !c.Since.IsZero() {
			a.Head += " for " + format.Age(c.Since, now)
		}
	case fleet.ScalingLimited:
		a.Head += ": at its limit"
	case fleet.ScalingMoving:
		a.Head += ": on its way"
	case fleet.ScalingSteady:
		if w.Trouble == fleet.Fine {
			a.Head += ": it has what it wants"
		}
	}
	a.Head += "."
	a.tell(c.Reason)
	a.help(c.Remedy)
	for _, l := range waiting(w, c.Reason) {
		a.tell(l)
	}
	if text := Places(w.Pods); text != "" {
		a.say("its pods: %s", text)
	}
	if x := w.Autoscaler; x != nil {
		text := fmt.Sprintf("%s %s: has %d, wants %d", c.By, x.Name, x.Current, x.Desired)
		if x.Max > 0 {
			text += fmt.Sprintf(", may go from %d to %d", x.Min, x.Max)
		}
		if !x.LastScale.IsZero() {
			text += ", scaled " + format.Age(x.LastScale, now) + " ago"
		}
		a.tell(text)
	}
	if r := w.Rollout; r.State != fleet.RolloutNone && r.State != fleet.RolloutComplete {
		a.say("rollout %s: %s", r.State, r.Message)
	}
	if b := w.Budget; b != nil {
		a.say("budget %s allows %d disruptions: %d of %d healthy, %d needed", b.Name, b.Allowed, b.Current, b.Expected, b.Desired)
	}
	a.tell(policies(s, w))
	a.Lines = append(a.Lines, tally(s, w.Cost, now)...)
	members := map[string]bool{}
	for _, p := range w.Members() {
		members[p.Pod.Name] = true
	}
	a.happened(s, now, func(e *fleet.Event) bool {
		return e.Namespace == w.Namespace && (e.Kind == w.Kind && e.Name == w.Name || e.Kind == "Pod" && members[e.Name])
	})
	return a
}

// Places are counts of pods in words: "8 on ECS, 4 on ECI, 2 pending".
func Places(c fleet.PlaceCounts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{{c.ECS, "on ECS"}, {c.ECI, "on ECI"}, {c.ACS, "on ACS"}, {c.Other, "elsewhere"}, {c.None, "without a node"}, {c.Unknown, "where is not known"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	return strings.Join(parts, ", ")
}

func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// waiting groups the pods that do not run as they should by what is said of them; the
// reason that was told already is not repeated.
func waiting(w *fleet.Workload, told string) []string {
	type key struct{ status, reason string }
	n := map[key]int{}
	var order []key
	for _, p := range w.Members() {
		if p.Trouble == fleet.Fine {
			continue
		}
		k := key{p.Status, p.Reason}
		if n[k] == 0 {
			order = append(order, k)
		}
		n[k]++
	}
	slices.SortStableFunc(order, func(a, b key) int { return n[b] - n[a] })
	var out []string
	for i, k := range order {
		if i == 4 {
			out = append(out, fmt.Sprintf("and %d more kinds of trouble", len(order)-i))
			break
		}
		text := fmt.Sprintf("%s %s", pods(n[k]), k.status)
		if k.reason != "" && !strings.Contains(told, k.reason) {
			text += ": " + k.reason
		}
		out = append(out, text)
	}
	return out
}

func node(s *fleet.Snapshot, n *fleet.Node, now time.Time) Answer {
	kind := "node"
	if n.Virtual {
		kind = "virtual node"
	}
	a := Answer{Head: fmt.Sprintf("%s %s is %s.", kind, n.Name, unknown(n.Status))}
	switch {
	case !strings.HasPrefix(n.Status, "Ready"):
		a.help("kubectl describe shows its conditions (d)")
	case n.Unschedulable:
		a.say("it is cordoned: no new pods are scheduled here")
		a.help("kubectl uncordon, when whoever cordoned it is done")
	}
	if n.Virtual {
		a.say("%s on it ask for %s vCPU and %s Gi", pods(n.Pods), format.Cores(n.RequestCPU), format.GiB(n.RequestMemory))
		a.tell("it costs nothing itself, its pods " + costs(s, n.Shares, now))
	} else {
		a.say("%s on it ask for %s of %s vCPU (%s) and %s of %s Gi (%s)", pods(n.Pods),
			format.Cores(n.RequestCPU), format.Cores(n.AllocatableCPU), format.Percent(n.RequestCPU, n.AllocatableCPU),
			format.GiB(n.RequestMemory), format.GiB(n.AllocatableMemory), format.Percent(n.RequestMemory, n.AllocatableMemory))
		if u, ok := s.NodeUsage(n); ok {
			a.say("it uses %s vCPU (%s) and %s Gi (%s)", format.Cores(u.CPU), format.Percent(u.CPU, n.AllocatableCPU),
				format.GiB(u.Memory), format.Percent(u.Memory, n.AllocatableMemory))
		}
		a.Lines = append(a.Lines, nodeCost(n)...)
	}
	listed := 0
	more := 0
	for _, p := range s.Placements {
		if p.Pod == nil || p.Pod.NodeName != n.Name || p.Trouble == fleet.Fine {
			continue
		}
		if listed == 5 {
			more++
			continue
		}
		listed++
		text := fmt.Sprintf("%s/%s is %s", p.Pod.Namespace, p.Pod.Name, p.Status)
		if p.Reason != "" {
			text += ": " + p.Reason
		}
		a.tell(text)
	}
	if more > 0 {
		a.say("and %d more pods in trouble", more)
	}
	a.happened(s, now, func(e *fleet.Event) bool { return e.Kind == "Node" && e.Name == n.Name })
	return a
}

func group(s *fleet.Snapshot, g *fleet.Group, now time.Time) Answer {
	a := Answer{Head: fmt.Sprintf("container group %s is %s.", g.ID, unknown(string(g.Status)))}
	var of *fleet.Placement
	for _, p := range s.Placements {
		if p.Group == g {
			of = p
		}
	}
	switch g.Relation {
	case fleet.Orphan:
		a.say("it is an orphan: of this cluster, seen twice without its pod%s", named(g))
		a.help("make sure that nothing needs it, then delete it in ECI")
	case fleet.Unjoined:
		a.say("it is of this cluster; its pod%s was not seen yet", named(g))
	case fleet.Foreign:
		a.say("it is not this cluster's: shown, never touched")
	}
	if of != nil && of.Pod != nil {
		a.say("it runs pod %s/%s, which is %s", of.Pod.Namespace, of.Pod.Name, of.Status)
		a.tell(of.Reason)
		if w := s.WorkloadOf(of); w != nil && of.Trouble != fleet.Fine {
			a.help(w.Scaling.Remedy)
		}
	}
	for _, text := range []string{g.Reason, g.Message} {
		a.tell(text)
	}
	a.say("billed %s in zone %s, made %s ago by %s", format.Spec(g.CPU, g.Memory), unknown(g.Zone), format.Age(g.Created, now), cmp.Or(g.Identity.NodeName, g.Identity.ManagedBy, "somebody who left no tag"))
	if g.Notice != "" {
		a.say("ECI announced %s%s", g.Notice, due(g.Due, now))
	}
	if of != nil {
		a.Lines = append(a.Lines, placed(of, now)...)
	}
	a.happened(s, now, func(e *fleet.Event) bool { return e.Kind == fleet.KindGroup && e.Name == g.ID })
	return a
}

// named is the pod that a group's tags name, as a part of a sentence.
func named(g *fleet.Group) string {
	if g.Identity.PodName == "" {
		return ""
	}
	return " " + g.Identity.Namespace + "/" + g.Identity.PodName
}

func vSwitch(s *fleet.Snapshot, id string) Answer {
	a := Answer{Head: "vSwitch " + id + " gives container groups their addresses."}
	used := 0
	for _, g := range s.Groups {
		if g.VSwitch == id && !g.Status.Ended() {
			used++
		}
	}
	a.say("%d container groups are in it", used)
	for _, v := range s.VSwitches {
		size := ""
		if v.Total > 0 {
			size = fmt.Sprintf(" of %d", v.Total)
		}
		a.say("%s, zone %s: %d%s addresses are free", v.ID, unknown(v.Zone), v.Free, size)
	}
	return a
}

func account(s *fleet.Snapshot, what string) Answer {
	switch what {
	case "prices":
		return unpriced(s)
	case "bursts":
		return bursts(s)
	}
	a := Answer{Head: "the account's vCPU quota in the region is not known."}
	if q := s.Quota; q != nil {
		a.Head = fmt.Sprintf("%g vCPU are used in the region; how many the account's quota allows is not known.", q.UsedCPU)
		if q.MaxCPU > 0 {
			a.Head = fmt.Sprintf("%g of %g vCPU are used in the region, by the account's quota.", q.UsedCPU, q.MaxCPU)
		}
	}
	type user struct {
		name string
		cpu  float64
	}
	var users []user
	at := map[string]int{}
	for _, g := range s.Groups {
		if !g.Status.Billed() {
			continue
		}
		name := "groups that are not this cluster's"
		if g.Relation != fleet.Foreign {
			name = "namespace " + unknown(g.Identity.Namespace)
		}
		i, ok := at[name]
		if !ok {
			i = len(users)
			at[name] = i
			users = append(users, user{name: name})
		}
		users[i].cpu += g.CPU
	}
	slices.SortStableFunc(users, func(x, y user) int { return cmp.Compare(y.cpu, x.cpu) })
	for i, u := range users {
		if i == 8 {
			a.say("and %d more", len(users)-i)
			break
		}
		a.say("%g vCPU: %s", u.cpu, u.name)
	}
	return a
}

// bursts says whether they are stopped, and who is on ECI by one.
func bursts(s *fleet.Snapshot) Answer {
	a := Answer{Head: "bursts to ECI are not stopped."}
	if s.Bursts.Stopped {
		a.Head = "bursts to ECI are stopped: pods that wait for a node do not go there."
	}
	n := 0
	for _, w := range s.Workloads {
		n += w.BurstPods
	}
	a.say("%d pods are on ECI by bursting; they stay there", n)
	return a
}

// unpriced says what has no price.
func unpriced(s *fleet.Snapshot) Answer {
	a := Answer{Head: "1 cost has no known price and is in no sum."}
	if n := s.Cost.Unknown; n != 1 {
		a.Head = fmt.Sprintf("%d costs have no known price and are in no sum.", n)
	}
	what := map[string]int{}
	var order []string
	count := func(text string) {
		if what[text] == 0 {
			order = append(order, text)
		}
		what[text]++
	}
	for _, n := range s.Nodes {
		if !n.Virtual && n.Cost.State != fleet.NotBilled && !n.Cost.Rate().Known() {
			count("nodes of type " + unknown(n.InstanceType) + ", and the pods on them")
		}
	}
	for _, p := range s.Placements {
		switch {
		case p.Cost.State == fleet.NotBilled || p.Cost.Rate().Known():
		case p.Place == fleet.PlaceACS:
			count("pods on ACS, whose prices no API tells")
		case p.Group != nil:
			count("container groups of " + format.Spec(p.Group.CPU, p.Group.Memory) + " " + p.Group.InstanceType)
		case p.Cost.State == fleet.BillingUnknown:
			count("pods of which it is not known whether they are paid for: their node or their group can't be read")
		}
	}
	for i, text := range order {
		if i == 10 {
			a.say("and %d more kinds", len(order)-i)
			break
		}
		a.say("%d × %s", what[text], strings.TrimSpace(text))
	}
	a.help("prices of nodes that ECS does not sell come from the config file, section prices")
	return a
}

func source(s *fleet.Snapshot, name string, now time.Time) (Answer, bool) {
	for _, src := range s.Sources {
		if src.Name != name {
			continue
		}
		a := Answer{Head: "source " + name}
		switch {
		case src.Absent:
			a.Head += ": this cluster has nothing like it."
		case src.Read.IsZero():
			a.Head += " was never read."
		case src.Stale(now):
			a.Head += " is stale: what is shown is " + format.Age(src.Read, now) + " old."
		default:
			a.Head += " is fresh: read " + format.Age(src.Read, now) + " ago."
		}
		a.tell(src.Error)
		a.tell(src.Note)
		a.say("it is read every %s when all is well", src.Every)
		return a, true
	}
	return Answer{}, false
}

// happened tells the newest events that say something is wrong, at most three, those of one
// reason once; a message that was told already is left out.
func (a *Answer) happened(s *fleet.Snapshot, now time.Time, concerns func(*fleet.Event) bool) {
	told := 0
	seen := map[string]bool{}
	for _, e := range s.Events { // newest first
		if e.Type != "Warning" || seen[e.Reason] || !concerns(e) {
			continue
		}
		seen[e.Reason] = true
		text := fmt.Sprintf("%s ago, %s: %s", format.Age(e.Time, now), e.Source, e.Reason)
		if e.Count > 1 {
			text += fmt.Sprintf(" ×%d", e.Count)
		}
		if message := strings.Join(strings.Fields(e.Message), " "); message != "" && !a.said(message) {
			text += ": " + message
		}
		a.tell(text)
		if told++; told == 3 {
			break
		}
	}
}
