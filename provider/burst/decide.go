package burst

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/placement"
)

// A Verb is what to do with a pod now.
type Verb int

// The verbs.
const (
	Leave    Verb = iota // nothing, and nothing to say on the pod
	Wait                 // nothing before Until
	Hold                 // nothing until something changes; why is said on the pod, once
	Tolerate             // add the virtual node's toleration: the scheduler does the rest
	Bind                 // bind it to Node
)

// Reasons of decisions, which are the reasons of the events too.
const (
	ReasonBurst         = "Burst"             // it may run on ECI from now on
	ReasonBound         = "BoundToECI"        // it was bound to the virtual node
	ReasonNotEligible   = "NotEligibleForECI" // it can't run there
	ReasonWaiting       = "BurstWaiting"      // not yet
	ReasonStopped       = "BurstStopped"      // somebody has stopped bursts
	ReasonNoNode        = "BurstNoNode"       // no virtual node takes pods now
	ReasonGuard         = "BurstLimitReached" // a guardrail
	ReasonNoStock       = "BurstNoStock"      // ECI has refused others like it a moment ago
	ReasonRefused       = "BurstRefused"      // the API server refused it
	ReasonKept          = "BurstKeptAway"     // its own constraints keep it from the virtual node
	ReasonContradictory = "ContradictingMarks"
	ReasonMissed        = "ECIOnlyMissed" // it belongs on ECI only, and a real node was faster
)

// A Decision is what to do with a pod now, and why.
type Decision struct {
	Verb    Verb
	Node    string    // to bind to, or that is looked at
	Until   time.Time // of Wait
	Reason  string    // "" where nothing is said
	Message string    // never empty
}

// A Situation is everything that a decision rests on.
type Situation struct {
	Now        time.Time
	Pod        *corev1.Pod
	Namespace  *corev1.Namespace
	Policy     Policy
	After      time.Duration  // --burst-after; less than zero: by the autoscaler
	Region     string         // for the sizes that are sold there
	Nodes      []*corev1.Node // the virtual nodes, the one to be preferred first
	Switch     Switch
	Autoscaler Autoscaler
}

// An Autoscaler is what is known about one that could add real nodes for the pod.
type Autoscaler struct {
	Name    string    // Cluster Autoscaler, Karpenter; "": there is none
	Adding  time.Time // it has said that it adds a node for the pod, at this time
	Refused time.Time // it has said that it adds none, at this time
}

const (
	// autoscalerAfter is how long an autoscaler has to say what it does.
	autoscalerAfter = 60 * time.Second
	// autoscalerAdds is how long a node that it adds is waited for.
	autoscalerAdds = 5 * time.Minute
)

// Decide says what to do with a pod that has no node. It is pure. The guardrails come after
// it (Limits.Allow), and before a binding the volumes and Room; these need more reading.
func Decide(s Situation) Decision {
	pod := s.Pod
	m := s.Policy.apply(ReadMarks(pod, s.Namespace), pod)
	switch {
	case pod.Spec.NodeName != "":
		return Decision{Message: "it is on node " + pod.Spec.NodeName}
	case pod.DeletionTimestamp != nil:
		return Decision{Message: "it is being deleted"}
	case pod.Status.Phase != corev1.PodPending && pod.Status.Phase != "":
		return Decision{Message: "it has ended: " + string(pod.Status.Phase)}
	case operated(pod):
		return Decision{Message: "it belongs to the operation " + pod.Labels[placement.LabelOperation] + ", which places it"}
	case s.Policy == Off:
		return Decision{Message: "bursting is off (--burst=off)"}
	case m.Mode == RealOnly:
		return Decision{Message: m.From + " keeps it on real nodes"}
	case m.Mode == Unmarked && !names(pod):
		return Decision{Message: fmt.Sprintf("neither the pod nor its namespace is marked for ECI: annotate the workload's template or the namespace with %s=%s", KeyResource, valueFirst)}
	case len(pod.Spec.SchedulingGates) > 0:
		return Decision{Message: "it is held by the scheduling gate " + pod.Spec.SchedulingGates[0].Name}
	}
	// Where a real node may still take it, ECI is not looked at.
	if condition, _ := unschedulable(pod); condition == nil && m.Mode != ECIOnly {
		return Decision{Message: "the scheduler has not said that no real node takes it"}
	}
	var d Decision
	if refusal := placement.First(placement.Check(pod, s.Region)); refusal != nil {
		d = ineligible(refusal)
	} else if m.Mode == ECIOnly {
		d = s.eciOnly(m)
	} else {
		d = s.realFirst(m)
	}
	if m.Mode == Unmarked && d.Verb != Bind {
		// It only tolerates the virtual node: what is not done for it is nobody's news.
		d.Reason = ""
		if d.Verb != Wait {
			d.Verb = Leave
		}
	}
	return d
}

// eciOnly is for pods that the admission policy has missed, or that the scheduler can't
// place. As on ACK the mark beats what the pod says about nodes.
func (s Situation) eciOnly(m Marks) Decision {
	if excludesVirtual(s.Pod) {
		return Decision{Verb: Hold, Reason: ReasonKept, Message: "its node affinity takes no virtual node, and " + m.From + ": remove one of them"}
	}
	if condition, _ := unschedulable(s.Pod); condition == nil && stays(s.Pod) {
		return Decision{Message: m.From + ": the scheduler places it on the virtual node"}
	}
	node, why := s.open(true)
	if node == nil {
		return Decision{Verb: Hold, Reason: ReasonNoNode, Message: why}
	}
	return Decision{Verb: Bind, Node: node.Name, Reason: ReasonBound, Message: m.From + ": bound to node " + node.Name}
}

// ineligible is for pods that ECI can't run.
func ineligible(refusal *placement.Refusal) Decision {
	return Decision{Verb: Hold, Reason: ReasonNotEligible, Message: "it can't run on ECI and is left alone: " + refusal.Error()}
}

func (s Situation) realFirst(m Marks) Decision {
	pod := s.Pod
	condition, nominated := unschedulable(pod)
	switch {
	case nominated != "":
		return Decision{Message: fmt.Sprintf("the scheduler has nominated it to node %s, where pods of a lower priority make room; a pod of a higher priority preempts before it bursts (unless %s=%s)",
			nominated, AnnotationBurst, valueAtCreation)}
	case s.Switch.Stopped:
		return Decision{Verb: Hold, Reason: ReasonStopped, Message: s.Switch.words()}
	}
	node, why := s.open(false)
	if node == nil {
		return Decision{Verb: Hold, Reason: ReasonNoNode, Message: why}
	}
	if why := repelled(pod, node, true); why != "" {
		return Decision{Verb: Hold, Node: node.Name, Reason: ReasonKept, Message: "it can't burst: " + why}
	}
	direct := needsHostname(pod, node)
	// A toleration opens every virtual node, also one that takes nobody now.
	shut := s.shut(node)
	if shut != "" && !direct {
		if why := weighed(pod); why != "" {
			return Decision{Verb: Hold, Node: node.Name, Reason: ReasonNoNode, Message: fmt.Sprintf(
				"a toleration would let it go to another virtual node too, and only the scheduler can weigh that %s: %s", why, shut)}
		}
	} else if direct {
		if why := weighed(pod); why != "" {
			return Decision{Verb: Hold, Node: node.Name, Reason: ReasonKept, Message: fmt.Sprintf(
				"it can't burst: node %s has no hostname label, and only the scheduler can weigh that %s; start ecideck-node with --hostname-label, or make the spread over hosts ScheduleAnyway", node.Name, why)}
		}
	}
	if tolerates(pod) && !direct {
		return Decision{Node: node.Name, Message: "it may run on node " + node.Name + ", and the scheduler says: " + condition.Message}
	}
	pending := s.Now.Sub(condition.LastTransitionTime.Time)
	if until, why := s.patience(m, condition.LastTransitionTime.Time); until.After(s.Now) {
		return Decision{Verb: Wait, Until: until, Reason: ReasonWaiting, Message: fmt.Sprintf("%s (pending for %s, bursts at %s)", why, seconds(pending), until.UTC().Format(time.TimeOnly)+"Z")}
	}
	if direct {
		return Decision{Verb: Bind, Node: node.Name, Reason: ReasonBound, Message: fmt.Sprintf(
			"no real node takes it, and only the missing hostname label keeps it from node %s, where every group is a host of its own: bound after %s", node.Name, seconds(pending))}
	}
	if shut != "" {
		return Decision{Verb: Bind, Node: node.Name, Reason: ReasonBound, Message: fmt.Sprintf(
			"no real node takes it, and it is bound to node %s after %s, since a toleration would let it go to another virtual node too: %s", node.Name, seconds(pending), shut)}
	}
	return Decision{Verb: Tolerate, Node: node.Name, Reason: ReasonBurst, Message: fmt.Sprintf(
		"no real node takes it (%s), so it may run on ECI after %s pending", strings.TrimSuffix(condition.Message, "."), seconds(pending))}
}

// patience is until when a pod waits that has been unschedulable since then, and why.
func (s Situation) patience(m Marks, since time.Time) (time.Time, string) {
	switch a := s.Autoscaler; {
	case m.AfterSet:
		return since.Add(m.After), fmt.Sprintf("%s=%s", AnnotationAfter, m.After)
	case s.After >= 0:
		return since.Add(s.After), fmt.Sprintf("--burst-after=%s", s.After)
	case a.Name == "":
		return since, ""
	// What it said before the pod was pending this time is about another time.
	case a.Adding.After(a.Refused) && !a.Adding.Before(since):
		return a.Adding.Add(autoscalerAdds), a.Name + " adds a node for it"
	case !a.Refused.IsZero() && !a.Refused.Before(since):
		return since, ""
	default:
		return since.Add(autoscalerAfter), a.Name + " may add a node for it"
	}
}

// open is the virtual node that takes pods now, or nil and why none does. The region's zones
// are not weighed: the scheduler does that among the nodes that the toleration opens.
func (s Situation) open(only bool) (*corev1.Node, string) {
	if len(s.Nodes) == 0 {
		return nil, "there is no virtual node: see that ecideck-node runs"
	}
	var best *corev1.Node
	var why []string
	for _, node := range s.Nodes {
		if text := closed(node, only); text != "" {
			why = append(why, text)
			continue
		}
		if repelled(s.Pod, node, true) == "" {
			return node, ""
		}
		if best == nil {
			best = node
		}
	}
	return best, strings.Join(why, "; ")
}

// shut says why a virtual node other than the one that is meant takes nobody, though the
// scheduler would use it, or "". What is cordoned or not Ready has a taint of Kubernetes' own.
func (s Situation) shut(meant *corev1.Node) string {
	for _, node := range s.Nodes {
		if node.Name != meant.Name && NodeReady(node) && !node.Spec.Unschedulable && repelled(s.Pod, node, false) == "" {
			if why := closed(node, false); why != "" {
				return why
			}
		}
	}
	return ""
}

// unschedulable is the scheduler's word that no node takes the pod, or nil, and the node
// that it has nominated the pod to.
func unschedulable(pod *corev1.Pod) (*corev1.PodCondition, string) {
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return c, pod.Status.NominatedNodeName
		}
	}
	return nil, ""
}

// operated tells that the pod belongs to an operation.
func operated(pod *corev1.Pod) bool {
	_, has := pod.Labels[placement.LabelOperation]
	return has
}

func seconds(d time.Duration) string { return max(d, 0).Round(time.Second).String() }

// Tolerated is a pod's tolerations with the one that lets it burst.
func Tolerated(pod *corev1.Pod) []corev1.Toleration {
	return append(append([]corev1.Toleration(nil), pod.Spec.Tolerations...), placement.Toleration())
}
