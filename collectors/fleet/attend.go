package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// What is little: less than a fifth is left.
const littleLeft = 0.2

// attend collects what needs a person, the most urgent first.
func (b *builder) attend() {
	var out []Attention
	out = append(out, b.attendGroups()...)
	for _, w := range b.s.Workloads {
		out = append(out, b.attendWorkload(w)...)
	}
	out = append(out, b.attendNodes()...)
	out = append(out, b.attendAccount()...)
	out = append(out, b.attendSwitch()...)
	out = append(out, b.attendOperations()...)
	out = append(out, b.attendSources()...)
	main := b.s.Currency()
	topics := []Topic{TopicLost, TopicNotice, TopicOrphans, TopicDisagree, TopicStuck, TopicBroken, TopicNode, TopicMaximum,
		TopicBudget, TopicBurst, TopicOperation, TopicQuota, TopicAddresses, TopicRollout, TopicSource, TopicPrice}
	slices.SortStableFunc(out, func(x, y Attention) int {
		due := 0
		switch {
		case x.Due.IsZero() && !y.Due.IsZero():
			due = 1
		case !x.Due.IsZero() && y.Due.IsZero():
			due = -1
		default:
			due = x.Due.Compare(y.Due)
		}
		return cmp.Or(int(y.Severity-x.Severity), due,
			cmp.Compare(y.Waste.Waste(main).MicrosPerHour, x.Waste.Waste(main).MicrosPerHour),
			slices.Index(topics, x.Topic)-slices.Index(topics, y.Topic),
			x.Since.Compare(y.Since), strings.Compare(x.Subject, y.Subject))
	})
	b.s.Attention = out
}

// attendGroups: orphans, grouped by the node that made them, and what the cloud announced.
func (b *builder) attendGroups() []Attention {
	var out []Attention
	byMaker := map[string]*Attention{}
	oldest := map[string]time.Time{} // their first group's creation: since when it is an orphan nobody knows
	var makers []string
	for _, p := range b.s.Placements[len(b.in.Pods.Items):] {
		g := p.Group
		maker := g.Identity.NodeName
		a := byMaker[maker]
		if a == nil {
			a = &Attention{Topic: TopicOrphans, Severity: Broken, Target: Ref{Kind: KindGroup, Name: g.ID, UID: g.ID}}
			byMaker[maker] = a
			makers = append(makers, maker)
		}
		a.Count++
		a.Waste.Add(p.Cost)
		if made := oldest[maker]; !g.Created.IsZero() && (made.IsZero() || g.Created.Before(made)) {
			oldest[maker] = g.Created
		}
	}
	slices.Sort(makers)
	for _, maker := range makers {
		a := byMaker[maker]
		a.Subject = plural(a.Count, "orphan group")
		a.Text = "paid for nothing: its pod is gone"
		if a.Count > 1 {
			a.Text = "paid for nothing: their pods are gone"
		}
		them := "it"
		if a.Count > 1 {
			them = "them"
		}
		a.Remedy = fmt.Sprintf("make sure that nothing needs %s, then delete %[1]s in ECI", them)
		switch _, there := b.s.built.nodes[maker]; {
		case there:
			a.Remedy = fmt.Sprintf("the virtual node %s should remove %s: look at its log", maker, them)
		case maker != "":
			a.Text += fmt.Sprintf(", and so is the node that made %s, %s", them, maker)
		}
		if made := oldest[maker]; !made.IsZero() {
			a.Text += fmt.Sprintf("; %s was made %s ago", map[bool]string{false: "it", true: "the oldest"}[a.Count > 1], duration.HumanDuration(max(0, b.now.Sub(made))))
		}
		out = append(out, *a)
	}
	noticed := map[*Group]bool{}
	for _, at := range b.s.built.groups.noticed {
		if g := b.s.Groups[at]; g.Relation == Joined || g.Relation == Orphan {
			noticed[g] = true
		}
	}
	if len(noticed) == 0 {
		return out
	}
	for _, p := range b.s.Placements {
		g := p.Group
		if !noticed[g] {
			continue
		}
		subject := "group " + g.ID
		target := Ref{Kind: KindGroup, Name: g.ID, UID: g.ID}
		if p.Pod != nil {
			subject = p.Pod.Namespace + "/" + p.Pod.Name
			target = Ref{Kind: kindPod, Namespace: p.Pod.Namespace, Name: p.Pod.Name, UID: p.Pod.UID}
		}
		text, remedy := "ECI will restart it: "+g.Notice, "m migrates it before, or ecideck migrate"
		if strings.HasPrefix(g.Notice, "SpotToBeReleased") {
			text = "its spot group will be released"
		}
		if w := b.s.WorkloadOf(p); w != nil && w.Budget != nil {
			text += fmt.Sprintf("; %s ready, its budget allows %d", count(w.ReadyPods, max(w.Desired, w.Pods.All())), w.Budget.Allowed)
		}
		out = append(out, Attention{Topic: TopicNotice, Severity: Broken, Subject: subject, Text: text, Remedy: remedy, Target: target, Count: 1, Due: g.Due})
	}
	return out
}

// attendWorkload: why it is stuck, pods that are lost or that the two sides disagree about,
// an autoscaler at its maximum, a budget that blocks.
func (b *builder) attendWorkload(w *Workload) []Attention {
	taken := !w.reclaimed.IsZero() && b.now.Sub(w.reclaimed) < time.Hour
	if !taken && w.Trouble == Fine && w.Scaling.State != ScalingStuck && !w.limited() && w.Rollout.State != RolloutStuck && w.BurstPods == 0 {
		if w.Budget == nil || w.Budget.Allowed > 0 {
			return nil
		}
	}
	var out []Attention
	subject := w.Namespace + "/" + w.Name
	self := Ref{w.Kind, w.Namespace, w.Name, w.UID}
	var lost, apart, broken, paid, reclaimed []*Placement
	for _, p := range w.members {
		if p.Cost.Waste {
			paid = append(paid, p)
		}
		switch {
		case !p.reclaimed().IsZero():
			if b.now.Sub(p.reclaimed()) < time.Hour {
				reclaimed = append(reclaimed, p)
			}
		case p.Status == StatusLost:
			lost = append(lost, p)
		case p.Trouble == Broken && strings.Contains(p.Status, "/"):
			apart = append(apart, p)
		case p.Trouble == Broken && p.Status != StatusNoStock && !p.Pod.ended():
			broken = append(broken, p)
		case p.Pod.Phase == "Failed" && !w.needsReplicas() && b.now.Sub(p.Pod.Changed) < time.Hour:
			broken = append(broken, p)
		}
	}
	add := func(topic Topic, severity Severity, list []*Placement, what, remedy string) {
		if len(list) == 0 {
			return
		}
		a := Attention{Topic: topic, Severity: severity, Subject: subject, Count: len(list), Remedy: remedy, Target: podRef(list[0].Pod)}
		if len(list) > 1 {
			a.Target = self
		}
		a.Text = fmt.Sprintf("%s %s: %s", plural(len(list), "pod"), what, list[0].Reason)
		for _, p := range list {
			if t := firstTime(p.Pod.Unready, p.Pod.Changed); !t.IsZero() && (a.Since.IsZero() || t.Before(a.Since)) {
				a.Since = t
			}
			if p.Cost.Waste {
				a.Waste.Add(p.Cost)
			}
		}
		out = append(out, a)
	}
	add(TopicLost, Broken, lost, "lost", "delete the pod: its owner makes a new one")
	add(TopicDisagree, Broken, apart, "of which Kubernetes and ECI say different things", "look whether the virtual node runs: it brings the two together")
	if len(reclaimed) > 0 {
		a := Attention{Topic: TopicNotice, Severity: Degraded, Subject: subject, Target: self, Count: len(reclaimed), Since: w.reclaimed,
			Text:   fmt.Sprintf("the cloud took back the spot group of %s (BidFailed)", plural(len(reclaimed), "pod")),
			Remedy: "its owner makes a new one; the annotation k8s.aliyun.com/eci-spot-fallback lets that start without spot stock"}
		if len(reclaimed) == 1 {
			a.Target = podRef(reclaimed[0].Pod)
		}
		if !w.needsReplicas() {
			a.Severity, a.Remedy = Broken, "nothing makes it again: make it anew, or let it run without spot"
		}
		out = append(out, a)
	}
	// A Job that failed is not tried again: after a day it is history.
	old := (w.Kind == "Job" || w.Kind == kindPod) && b.now.Sub(w.Scaling.Since) > 24*time.Hour && w.Pods.All() == 0
	bursts, held := b.attendBurst(w)
	out = append(out, bursts...)
	held = held && w.Scaling.Layer == LayerSchedule
	if said := held || len(lost) > 0 && w.Scaling.Reason == lost[0].Reason; w.Scaling.State == ScalingStuck && !old && !said {
		a := Attention{Topic: TopicStuck, Severity: Broken, Subject: subject, Remedy: w.Scaling.Remedy, Target: self, Since: w.Scaling.Since}
		a.Text = w.Scaling.Reason
		if w.needsReplicas() && w.Desired >= 0 {
			a.Text = fmt.Sprintf("%s ready: %s", count(w.ReadyPods, w.Desired), w.Scaling.Reason)
			a.Count = w.Desired - w.ReadyPods
		}
		for _, p := range paid {
			a.Waste.Add(p.Cost)
		}
		out = append(out, a)
	} else if len(broken) > 0 {
		add(TopicBroken, Broken, broken, "broken", "l shows its log, p that of the run before")
	}
	if len(paid) > 0 && w.Scaling.State != ScalingStuck && len(apart) == 0 {
		add(TopicDisagree, Degraded, paid, "paid for without running", "delete what is not needed")
	}
	switch {
	case w.limited():
		reason, remedy := w.atMaximum()
		out = append(out, Attention{Topic: TopicMaximum, Severity: Degraded, Subject: subject, Text: reason, Remedy: remedy,
			Target: Ref{w.Autoscaler.Kind, w.Autoscaler.Namespace, w.Autoscaler.Name, w.Autoscaler.UID}, Count: 1, Since: w.Autoscaler.Limited.Since})
	case w.Rollout.State == RolloutStuck && w.Scaling.State != ScalingStuck:
		out = append(out, Attention{Topic: TopicRollout, Severity: Degraded, Subject: subject, Text: w.Rollout.Message,
			Remedy: "kubectl rollout undo goes back; w says what is wrong with the new pods", Target: self, Count: 1, Since: w.Rollout.Since})
	}
	if budget := w.Budget; budget != nil && budget.Allowed == 0 && budget.Expected > 0 {
		a := Attention{Topic: TopicBudget, Severity: Degraded, Subject: subject, Count: 1,
			Target: Ref{"PodDisruptionBudget", budget.Namespace, budget.Name, budget.UID}}
		switch {
		case budget.Failure.Status == "False" && budget.Failure.Reason == "SyncFailed":
			a.Text, a.Remedy = fmt.Sprintf("budget %s can't be computed: %s", budget.Name, budget.Failure.Message), "its pods need a controller with a scale"
		case budget.Desired >= budget.Expected:
			a.Severity = Fine // by design: it never allows any, and only a drain minds
		default:
			a.Text = fmt.Sprintf("budget %s allows no disruption: %s healthy, %d needed", budget.Name, count(budget.Current, budget.Expected), budget.Desired)
			a.Remedy = "bring its pods back to health; a drain waits until then"
		}
		if a.Severity != Fine {
			out = append(out, a)
		}
	}
	return out
}

func podRef(p *Pod) Ref { return Ref{kindPod, p.Namespace, p.Name, p.UID} }

func (b *builder) attendNodes() []Attention {
	var out []Attention
	for _, n := range b.s.Nodes {
		if strings.HasPrefix(n.Status, "Ready") {
			if n.Unreached != "" {
				out = append(out, Attention{Topic: TopicNode, Severity: Degraded, Subject: "node " + n.Name, Count: n.Pods, Target: Ref{"Node", "", n.Name, n.UID},
					Text: n.Unreached, Remedy: "nothing bursts there until it is mended: ecideck doctor network says what to do about each"})
			}
			continue
		}
		a := Attention{Topic: TopicNode, Severity: Broken, Subject: "node " + n.Name, Count: n.Pods, Target: Ref{"Node", "", n.Name, n.UID},
			Text: fmt.Sprintf("it is %s; %s on it", n.Status, plural(n.Pods, "pod")), Remedy: "d shows its conditions"}
		if n.Virtual {
			a.Remedy = "its groups run on, but nothing new starts there: look whether the virtual node's process runs"
		}
		out = append(out, a)
	}
	return out
}

func (b *builder) attendAccount() []Attention {
	var out []Attention
	if q := b.s.Quota; q != nil && q.MaxCPU > 0 && q.MaxCPU-q.UsedCPU < littleLeft*q.MaxCPU {
		a := Attention{Topic: TopicQuota, Severity: Degraded, Subject: "vCPU quota", Count: 1, Target: Ref{Kind: KindAccount, Name: "quota"},
			Text:   fmt.Sprintf("%g of %g vCPU are used in the region", q.UsedCPU, q.MaxCPU),
			Remedy: "raise it by a ticket before the next burst, or end what is not needed"}
		if q.UsedCPU >= q.MaxCPU {
			a.Severity = Broken
		}
		out = append(out, a)
	}
	for _, v := range b.s.VSwitches {
		if v.Total > 0 && float64(v.Free) >= littleLeft*float64(v.Total) || v.Total == 0 && v.Free >= 20 {
			continue
		}
		a := Attention{Topic: TopicAddresses, Severity: Degraded, Subject: v.ID, Count: v.Free, Target: Ref{Kind: KindVSwitch, Name: v.ID},
			Text: plural(v.Free, "free address") + " left", Remedy: "give the virtual node another vSwitch before the next burst"}
		if v.Free != 1 {
			a.Text = fmt.Sprintf("%d free addresses left", v.Free)
		}
		if v.Total > 0 {
			a.Text = fmt.Sprintf("%d of %d addresses are free (%d %%)", v.Free, v.Total, 100*v.Free/v.Total)
		}
		if v.Free == 0 {
			a.Severity = Broken
		}
		out = append(out, a)
	}
	return out
}

func (b *builder) attendSources() []Attention {
	var out []Attention
	failed := map[string]int{}
	for _, s := range b.s.Sources {
		why := s.Error
		severity := Degraded
		switch {
		case why == "" && s.Note != "" && !s.Absent:
			why = s.Note
		case why == "":
			continue
		}
		if at, there := failed[why]; there { // one cause, several sources
			switch out[at].Count++; {
			case out[at].Count <= 3:
				out[at].Subject += ", " + s.Name
			default:
				out[at].Subject = fmt.Sprintf("%s and %d more", out[at].Target.Name, out[at].Count-1)
			}
			continue
		}
		failed[why] = len(out)
		out = append(out, Attention{Topic: TopicSource, Severity: severity, Subject: s.Name, Text: why, Count: 1, Since: s.Read,
			Remedy: "what depends on it is as old as its age says", Target: Ref{Kind: KindSource, Name: s.Name}})
		switch {
		case s.Error == "" && s.Partial:
			out[len(out)-1].Remedy = "what is counted is of these; the others are not shown"
		case s.Read.IsZero():
			out[len(out)-1].Remedy = "nothing that it would say is known until then"
		}
	}
	if n := b.s.Cost.Unknown; n > 0 && b.priced() {
		out = append(out, Attention{Topic: TopicPrice, Severity: Fine, Subject: plural(n, "unknown price"), Count: n, Target: Ref{Kind: KindAccount, Name: "prices"},
			Text: "what costs it is in no sum", Remedy: "prices of nodes that ECS does not price come from the config file (prices.nodes)"})
	}
	return out
}

// priced reports whether prices have been asked for, so that their lack says something.
func (b *builder) priced() bool {
	asked := false
	for _, s := range b.s.Sources {
		switch s.Name {
		case "prices":
			asked = !s.Read.IsZero()
		case "groups", "nodes":
			if s.Error != "" {
				return false // that is why, and it is said
			}
		}
	}
	return asked
}
