package fleet

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// stuckAfter is how long a workload may go without getting on before it counts as stuck: a
// start on ECI with a large image takes about a minute.
const stuckAfter = 2 * time.Minute

// A block is why one pod isn't ready.
type block struct {
	layer  Layer
	word   string // short, for the line: "NoStock cn-hangzhou-h"
	reason string // a sentence
	remedy string
	since  time.Time
	// wait says that this is usual for a while: it is no reason before stuckAfter.
	wait bool
}

// blocked are the blocks of one kind of a workload.
type blocked struct {
	block
	pods int
}

// scale says why a workload is or isn't scaling, from the top.
func (b *builder) scale(w *Workload) {
	s := &w.Scaling
	s.By = w.decider()
	want := w.Desired
	all := w.blocks()
	for i := range all {
		if all[i].layer == LayerSchedule && strings.HasPrefix(all[i].reason, "no node fits") {
			all[i].reason += b.noNewNodes()
			if why := b.notOnECI(w); why != "" {
				all[i].reason += "; not on ECI: " + why
				all[i].remedy = "add nodes, or do what it says about ECI (w on one of its pods asks anew: ecideck why pod)"
			}
		}
	}
	if cron := b.s.built.conflicts[w.key()]; cron != "" {
		all = append([]blocked{{block: block{layer: LayerWants, word: "two autoscalers",
			reason: fmt.Sprintf("CronHPA %s and HPA %s change the same number in turn", cron, w.Autoscaler.Name),
			remedy: "let the CronHPA target the HorizontalPodAutoscaler instead of the workload"}}}, all...)
	}
	if top := w.wants(); top != nil {
		all = append([]blocked{{block: *top}}, all...)
	}
	if top := w.refused(); top != nil {
		all = append([]blocked{{block: *top}}, all...)
	}
	s.State = ScalingSteady
	if want < 0 {
		s.State = ScalingUnknown
	}
	if w.limited() {
		s.State, s.Layer = ScalingLimited, LayerWants
		s.Reason, s.Remedy = w.atMaximum()
		s.Since = w.Autoscaler.Limited.Since
	}
	moving := want >= 0 && w.needsReplicas() && (w.ReadyPods != want || w.Pods.All() != want)
	if moving || w.Rollout.State == RolloutRunning {
		s.State = firstState(s.State, ScalingMoving)
	}
	for i, one := range all {
		due := one.since.Add(stuckAfter)
		stuck := !one.since.IsZero() && !b.now.Before(due)
		if !stuck && !one.since.IsZero() {
			w.recheckAt(due)
		}
		if one.wait && !stuck {
			s.State = firstState(s.State, ScalingMoving)
			continue
		}
		if stuck {
			s.State = ScalingStuck
		} else {
			s.State = firstState(s.State, ScalingMoving)
		}
		if s.Reason == "" || i == 0 || s.State == ScalingStuck && s.Layer == LayerWants && one.layer != LayerWants {
			s.Layer, s.Reason, s.Remedy, s.Since = one.layer, one.reason, one.remedy, one.since
		}
		break // the first layer that does not get on is the reason for all below it
	}
	if s.State == ScalingStuck {
		w.Trouble = max(w.Trouble, Broken)
	}
	s.Line = w.line(all)
}

// noNewNodes says why the cluster autoscaler adds none, as the tail of a sentence.
func (b *builder) noNewNodes() string {
	var parts []string
	for _, g := range b.in.NodeGroups.Items {
		switch {
		case g.ScaleUp == "Backoff":
			parts = append(parts, fmt.Sprintf("node group %s backs off: %s", g.Name, joinSentences(g.Code, g.Message)))
		case g.Max > 0 && g.Target >= g.Max:
			parts = append(parts, fmt.Sprintf("node group %s is at its maximum of %d", g.Name, g.Max))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// firstState is the one that a person should rather know of.
func firstState(a, b ScalingState) ScalingState {
	order := []ScalingState{ScalingStuck, ScalingLimited, ScalingMoving, ScalingUnknown, ScalingSteady}
	if slices.Index(order, a) <= slices.Index(order, b) {
		return a
	}
	return b
}

func (w *Workload) decider() string {
	switch {
	case w.Autoscaler == nil && (w.Kind == "CronJob" || w.Kind == "Job"):
		return "job"
	case w.Autoscaler == nil && w.Kind == "DaemonSet":
		return "nodes"
	case w.Autoscaler == nil:
		return "person"
	}
	return map[string]string{KindHPA: "hpa", KindKEDA: "keda", KindCron: "cron"}[w.Autoscaler.Kind]
}

// needsReplicas reports whether a number of ready pods is what the workload is after.
func (w *Workload) needsReplicas() bool {
	switch w.Kind {
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController":
		return true
	}
	return false
}

// limited reports whether an autoscaler would give more than its maximum allows.
func (w *Workload) limited() bool {
	a := w.Autoscaler
	return a != nil && a.Max > 0 && a.Limited.Status == "True" && a.Limited.Reason == "TooManyReplicas" && a.Current >= a.Max
}

func (w *Workload) atMaximum() (reason, remedy string) {
	reason = fmt.Sprintf("%s is at its maximum of %d and wants more", w.Autoscaler.Name, w.Autoscaler.Max)
	if w.Autoscaler.Metrics != "" {
		reason += " (" + w.Autoscaler.Metrics + ")"
	}
	return reason, "raise maxReplicas, or find why the load is so high"
}

// wants is why the autoscaler can't say how many; nil when it can.
func (w *Workload) wants() *block {
	a := w.Autoscaler
	switch {
	case a == nil:
		return nil
	case a.Paused:
		return &block{layer: LayerWants, word: "paused", reason: a.Kind + " " + a.Name + " is paused and changes nothing",
			remedy: "remove its annotation autoscaling.keda.sh/paused", wait: true}
	case a.Active.Status == "False" && a.Active.Reason == "ScalingDisabled":
		return nil // scaled to zero by hand: it says so in the line
	case a.Kind == KindHPA && a.Active.Status == "False":
		return &block{layer: LayerWants, word: a.Active.Reason, since: a.Active.Since,
			reason: fmt.Sprintf("hpa %s can't tell how many it needs: %s", a.Name, joinSentences(a.Active.Reason, a.Active.Message)),
			remedy: metricRemedy(a.Active.Reason)}
	case a.Kind == KindHPA && a.Able.Status == "False":
		return &block{layer: LayerWants, word: a.Able.Reason, since: a.Able.Since,
			reason: fmt.Sprintf("hpa %s can't change the replicas: %s", a.Name, joinSentences(a.Able.Reason, a.Able.Message)),
			remedy: "look at its target (scaleTargetRef) and at the rights of the controller"}
	case a.Kind == KindKEDA && a.Able.Status == "False":
		return &block{layer: LayerWants, word: a.Able.Reason, since: a.Able.Since,
			reason: fmt.Sprintf("ScaledObject %s is not ready: %s", a.Name, joinSentences(a.Able.Reason, a.Able.Message)),
			remedy: "look at its triggers and their authentication"}
	case a.Kind == KindCron:
		for _, job := range a.Schedules {
			if job.State == "Failed" {
				return &block{layer: LayerWants, word: "cron failed", since: job.Last,
					reason: fmt.Sprintf("job %s of CronHPA %s failed: %s", job.Name, a.Name, job.Message),
					remedy: "look at its target; where a HorizontalPodAutoscaler scales the same workload, the CronHPA must target that one"}
			}
		}
	}
	return nil
}

func metricRemedy(reason string) string {
	switch {
	case strings.HasPrefix(reason, "FailedGetResource"), strings.HasPrefix(reason, "FailedGetContainerResource"):
		return "check that metrics-server runs and sees these pods, and that their containers have requests"
	case strings.HasPrefix(reason, "FailedGet"):
		return "check the adapter that serves this metric"
	case reason == "AmbiguousSelector":
		return "two autoscalers select the same pods: remove one"
	}
	return "kubectl describe hpa says more"
}

// refused is why the pods are not even made; nil when they are.
func (w *Workload) refused() *block {
	failure := Condition{}
	if w.Object != nil && w.Object.Failure.Status == "True" {
		failure = w.Object.Failure
	}
	var newest *Controller // of a CronJob's Jobs: an old one that failed was followed by others
	for _, c := range w.controls {
		switch {
		case c.Kind == "ReplicaSet" && c.Failure.Status == "True" && c.Desired > 0:
			failure = c.Failure
		case c.Kind == "Job" && (newest == nil || c.Created.After(newest.Created)):
			newest = c
		}
	}
	if newest != nil && newest.Failure.Status == "True" {
		failure = newest.Failure
	}
	if failure.Status == "" {
		return nil
	}
	if w.Kind == "Job" || w.Kind == "CronJob" {
		return &block{layer: LayerReady, word: failure.Reason, since: failure.Since,
			reason: "the Job failed: " + joinSentences(failure.Reason, failure.Message), remedy: "its last pods' logs say why"}
	}
	remedy := "the message names what refuses them: a quota, a webhook, a policy"
	switch {
	case strings.Contains(failure.Message, "exceeded quota"):
		remedy = "raise the namespace's ResourceQuota, or lower what the pods ask for"
	case strings.Contains(failure.Message, "PodSecurity"):
		remedy = "the namespace's Pod Security level forbids it: change the pod's security context"
	case strings.Contains(failure.Message, "webhook"):
		remedy = "an admission webhook refuses or does not answer: look at its pods"
	}
	return &block{layer: LayerCreate, word: failure.Reason, since: failure.Since,
		reason: "its pods can't be made: " + joinSentences(failure.Reason, failure.Message), remedy: remedy}
}

// blocks are why its pods aren't ready: the layers from the top, and within one the most
// pods first.
func (w *Workload) blocks() []blocked {
	var out []blocked
	for _, p := range w.members {
		if p.Pod.ended() || !p.Pod.Deleting.IsZero() || p.serves() {
			continue
		}
		one := blockOf(p)
		at := slices.IndexFunc(out, func(o blocked) bool { return o.layer == one.layer && o.word == one.word })
		if at < 0 {
			out = append(out, blocked{one, 1})
			continue
		}
		out[at].pods++
		if !one.since.IsZero() && (out[at].since.IsZero() || one.since.Before(out[at].since)) {
			out[at].since = one.since
		}
	}
	layers := []Layer{LayerWants, LayerCreate, LayerSchedule, LayerProvider, LayerReady}
	slices.SortStableFunc(out, func(a, b blocked) int {
		switch {
		case a.wait != b.wait && a.wait:
			return 1
		case a.wait != b.wait:
			return -1
		case a.layer != b.layer:
			return slices.Index(layers, a.layer) - slices.Index(layers, b.layer)
		}
		return b.pods - a.pods
	})
	return out
}

// blockOf says why one pod isn't ready.
func blockOf(p *Placement) block {
	pod := p.Pod
	// A container that crashes again and again changes all the time: since when the pod isn't
	// ready is what is asked.
	since := firstTime(pod.Unready, pod.Created)
	zone := ""
	if p.Group != nil && p.Group.Zone != "" {
		zone = " " + p.Group.Zone
	}
	text := pod.Status + " " + pod.Reason + " " + p.Reason
	if p.Group != nil {
		text += " " + p.Group.Reason + " " + p.Group.Message
	}
	switch {
	case pod.Status == "SchedulingGated":
		return block{layer: LayerSchedule, word: "gated", since: since,
			reason: "a scheduling gate holds its pods back", remedy: "what set the gate must remove it: kubectl get pod -o yaml shows spec.schedulingGates"}
	case p.Place == PlaceNone && pod.Reason == "":
		return block{layer: LayerSchedule, word: "not scheduled yet", since: since, wait: true,
			reason: "the scheduler has not looked at its pods", remedy: "is the scheduler running? the pod may ask for another one (spec.schedulerName)"}
	case p.Place == PlaceNone:
		return unschedulable(pod.Reason, pod.Created)
	case p.Status == StatusLost:
		return block{layer: LayerProvider, word: StatusLost, since: pod.Changed, reason: p.Reason,
			remedy: "delete the pod: its owner makes a new one"}
	case p.Place == PlaceECI || p.Place == PlaceACS:
		for _, c := range cloudCauses {
			if c.found.MatchString(text) {
				return block{layer: LayerProvider, word: c.word + zone, since: since, reason: firstOf(p.Reason, pod.Reason), remedy: c.remedy}
			}
		}
	}
	switch {
	case strings.Contains(pod.Status, "ImagePull") || strings.Contains(pod.Status, "InvalidImageName"):
		return block{layer: LayerProvider, word: strings.TrimPrefix(pod.Status, "Init:"), since: since, reason: firstOf(p.Reason, pod.Status),
			remedy: "check the image's name, its pull secret, and that the registry is reachable from where the pod runs"}
	case brokenWord(pod.Status):
		return block{layer: LayerReady, word: strings.TrimPrefix(pod.Status, "Init:"), since: since, reason: firstOf(p.Reason, pod.Status),
			remedy: "its log says why (p: of the run before)"}
	case pod.Phase == "Running":
		return block{layer: LayerReady, word: "not ready", since: since, wait: true, reason: firstOf(p.Reason, "its readiness probe fails"),
			remedy: "its events and its log say why"}
	}
	word := "starting"
	if g := p.Group; g != nil && g.Status == eci.Scheduling {
		word = "being placed" + zone
	}
	return block{layer: LayerProvider, word: word, since: since, wait: true, reason: firstOf(p.Reason, fmt.Sprintf("it has been %s", pod.Status)),
		remedy: "its events say how far it is"}
}

// A cloudCause is one way in which ECI refuses or delays a pod.
type cloudCause struct {
	found        *regexp.Regexp
	word, remedy string
}

// cloudCauses are matched in order; the words are those of ECI's events, conditions and error codes.
var cloudCauses = []cloudCause{
	{regexp.MustCompile(`NoStock|StockExhaust|StockClose|NotOnSale`), StatusNoStock, "let it retry, give the virtual node another zone's vSwitch, or ask for another size (k8s.aliyun.com/eci-use-specs)"},
	{regexp.MustCompile(`QuotaExceeded|vcpu quota|ExceedQuota`), "quota", "raise the region's vCPU quota by a ticket, or end what is not needed"},
	{regexp.MustCompile(`IpNotEnough|IPNotEnough`), "no addresses", "give the virtual node another vSwitch, or free addresses in this one"},
	{regexp.MustCompile(`Arrearage|InsufficientBalance|BalanceNotEnough`), "balance", "the account has no credit: pay the bill"},
	{regexp.MustCompile(`Throttling`), "throttled", "it is tried again within a minute; lower the rate of creates where it lasts"},
	{regexp.MustCompile(`BidFailed|SpotToBeReleased|Spot\.`), "spot", "the market took the spot group: it is made anew, or set k8s.aliyun.com/eci-spot-fallback"},
	{regexp.MustCompile(`DiskCapacityQuotaFull|AttachDiskFailed`), "disk", "look at the disk's quota and zone"},
	{regexp.MustCompile(`Forbidden\.RAM|NoPermission|Unauthorized`), "no rights", "the virtual node's RAM identity lacks a right: its log and the pod's events name it"},
	{regexp.MustCompile(`ProviderFailed|ProviderCreateFailed|InvalidParameter|ScheduleFailed`), "refused", "the message names what ECI does not take"},
}

var predicate = regexp.MustCompile(`(\d+) ([^,.]+)`)

// unschedulable splits the scheduler's message, "0/24 nodes are available: 21 Insufficient
// cpu, 3 node(s) were unschedulable. preemption: …", by predicate. Taints are last: those of
// virtual nodes are meant for pods that may not go there.
func unschedulable(message string, since time.Time) block {
	b := block{layer: LayerSchedule, word: "no node fits", since: since, reason: "no node fits: " + message, remedy: "add nodes, or let it run on ECI (m, or ecideck migrate)"}
	head, list, ok := strings.Cut(message, " nodes are available: ")
	if !ok {
		return b
	}
	list, _, _ = strings.Cut(list, "preemption:")
	type refusal struct {
		nodes int
		why   string
	}
	var all []refusal
	for _, m := range predicate.FindAllStringSubmatch(list, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			continue
		}
		why := strings.TrimSpace(m[2])
		for _, lead := range []string{"node(s) had ", "node(s) were ", "node(s) ", "Node(s) "} {
			why = strings.TrimPrefix(why, lead)
		}
		all = append(all, refusal{n, strings.ToLower(why[:1]) + why[1:]})
	}
	if len(all) == 0 {
		return b
	}
	tainted := func(r refusal) int {
		if strings.Contains(r.why, "taint") {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b refusal) int { return cmp.Or(tainted(a)-tainted(b), b.nodes-a.nodes) })
	var parts []string
	for _, r := range all {
		parts = append(parts, fmt.Sprintf("%d %s", r.nodes, r.why))
	}
	_, nodes, _ := strings.Cut(head, "/")
	b.reason = fmt.Sprintf("no node fits (%s nodes: %s)", nodes, strings.Join(parts, ", "))
	most := all[0].why
	for _, p := range []struct{ found, word, remedy string }{
		{"insufficient", most, "add nodes, let it run on ECI (m, or ecideck migrate), or ask for less"},
		{"taint", "taint", "it tolerates none of the nodes: a toleration of virtual-kubelet.io/provider lets it run on ECI"},
		{"affinity", "affinity", "no node has what its node selector or affinity asks for"},
		{"topology spread", "spread", "its topology spread allows no node"},
		{"volume", "volume", "its volume can't be used in the nodes' zones"},
		{"unschedulable", "cordoned", "uncordon a node, or let it run on ECI (m, or ecideck migrate)"},
		{"too many pods", most, "the nodes have as many pods as they may: add nodes, or let it run on ECI (m, or ecideck migrate)"},
	} {
		if strings.Contains(most, p.found) {
			b.word, b.remedy = p.word, p.remedy
			break
		}
	}
	return b
}

// line is the whole of it, for one row.
func (w *Workload) line(all []blocked) string {
	var parts []string
	head := ""
	switch {
	case w.Kind == kindPod && len(w.members) == 1 && w.members[0].Pod.ended():
		head = w.members[0].Status
	case w.Kind == "CronJob" && w.Object != nil:
		head = "at " + w.Object.Schedule
		if w.Object.Suspended {
			head += " suspended"
		}
		head += fmt.Sprintf(", %d running", w.Pods.All())
	case w.Kind == "Job" && w.Object != nil:
		head = fmt.Sprintf("%d of %d done", w.Object.Succeeded, max(w.Object.Completions, 1))
		if w.Object.Failed > 0 {
			head += fmt.Sprintf(", %d failed", w.Object.Failed)
		}
		if w.Object.Suspended {
			head += ", suspended"
		}
	case w.Desired < 0:
		head = plural(w.Pods.All(), "pod") + ", how many are wanted is not known"
	case w.Pods.All() != w.Desired:
		head = fmt.Sprintf("%d→%d", w.Pods.All(), w.Desired)
	default:
		head = fmt.Sprint(w.Desired)
	}
	if a := w.Autoscaler; a != nil {
		head += " " + w.Scaling.By
		if a.Metrics != "" {
			head += " " + a.Metrics
		}
		if a.Desired > 0 && a.Desired != w.Desired && w.Desired >= 0 {
			head += fmt.Sprintf(" wants %d", a.Desired)
		}
	}
	parts = append(parts, head)
	if w.needsReplicas() || w.Kind == kindPod && w.Ended == 0 {
		ready := fmt.Sprintf("%d ready", w.ReadyPods)
		if waiting := w.Pods.All() - w.ReadyPods; waiting > 0 {
			ready += fmt.Sprintf(", %d not", waiting)
		}
		parts = append(parts, ready)
	}
	var why []string
	for _, one := range all {
		if one.pods == 0 {
			why = append(why, one.word)
		} else {
			why = append(why, fmt.Sprintf("%d × %s", one.pods, one.word))
		}
	}
	if len(why) > 0 {
		last := len(parts) - 1
		parts[last] += ": " + strings.Join(why[:min(3, len(why))], ", ")
	}
	if w.Rollout.State == RolloutRunning || w.Rollout.State == RolloutStuck || w.Rollout.State == RolloutPaused {
		parts = append(parts, "rollout "+string(w.Rollout.State))
	}
	if w.Budget != nil && w.Budget.Allowed == 0 {
		parts = append(parts, "budget allows 0")
	}
	if a := w.Autoscaler; a != nil && a.Max > 0 {
		text := fmt.Sprintf("max %d", a.Max)
		if w.limited() {
			text = fmt.Sprintf("AT MAX %d", a.Max)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " | ")
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func firstTime(a, b time.Time) time.Time {
	if !a.IsZero() {
		return a
	}
	return b
}

func count(part, whole int) string { return fmt.Sprintf("%d of %d", part, whole) }

// plural is "1 pod", "2 pods".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
