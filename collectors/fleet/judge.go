package fleet

import (
	"fmt"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// Status words of ours, for what neither side can say alone.
const (
	StatusLost    = "Lost"    // the pod's group is gone, the pod does not know
	StatusOrphan  = "Orphan"  // the group's pod is gone, the group does not know
	StatusNoStock = "NoStock" // ECI has no capacity for it
)

// startLag is how long the two sides may differ while a pod starts: the virtual node polls,
// and a start is several seconds of ECI running what Kubernetes still calls Pending.
const startLag = time.Minute

// settleLag is how long the two sides may differ after either changed: the pod comes by a
// watch, the group by a listing every few seconds, and the virtual node polls too.
const settleLag = 15 * time.Second

// A verdict is what judge says of a placement.
type verdict struct {
	status  string
	trouble Severity
	reason  string
	recheck time.Time // when the same inputs will mean something else; zero: never
}

func (p *Pod) ended() bool { return p.Phase == "Succeeded" || p.Phase == "Failed" }

// placeOf says what runs a pod.
func placeOf(p *Placement) Place {
	switch {
	case p.Pod.ACS:
		return PlaceACS
	case p.Pod.NodeName == "":
		return PlaceNone
	case p.Node != nil:
		return p.Node.Place
	case p.Group != nil || p.Pod.InstanceID != "":
		return PlaceECI
	}
	return ""
}

// judge finds the one word for a pod, from both sides. gone are the group ids that are
// confirmed not to exist.
func judge(p *Placement, gone map[string]bool, now time.Time) verdict {
	pod, g := p.Pod, p.Group
	v := alone(pod)
	switch {
	case p.Place == PlaceACS:
		return v
	case g != nil:
		return together(v, pod, g, now)
	case pod.ended() || !pod.Deleting.IsZero():
		return v // ended groups are removed by ECI after a while
	case pod.InstanceID != "" && p.Place == PlaceECI && gone[pod.InstanceID]:
		return verdict{status: StatusLost, trouble: Broken,
			reason: fmt.Sprintf("its container group %s does not exist any more; Kubernetes still says %s", pod.InstanceID, pod.Status)}
	case p.Place == PlaceECI && (saysNoStock(pod.Status) || saysNoStock(pod.Reason)):
		return verdict{status: StatusNoStock, trouble: Broken, reason: pod.Reason}
	}
	return v
}

// alone judges a pod by what Kubernetes says.
func alone(p *Pod) verdict {
	v := verdict{status: p.Status, reason: p.Reason}
	switch {
	case p.Phase == "Succeeded":
	case p.Phase == "Failed":
		v.trouble = Broken
	case p.Status == "Unknown", p.Status == "NodeLost", brokenWord(p.Status):
		v.trouble = Broken
	case p.Status == "NotReady", p.Phase == "Pending" && p.Reason != "":
		v.trouble = Degraded
	case p.Phase == "Running" && p.Deleting.IsZero() && p.ReadyContainers < p.TotalContainers:
		v.trouble = Degraded
		if v.reason == "" {
			v.reason = fmt.Sprintf("%d of %d containers are ready", p.ReadyContainers, p.TotalContainers)
		}
	}
	return v
}

// brokenWord reports whether a container's waiting or terminated reason, which kubectl shows
// as the pod's status, means that it does not work: CrashLoopBackOff, Init:ErrImagePull,
// CreateContainerConfigError, OOMKilled, Error, InvalidImageName.
func brokenWord(status string) bool {
	word := strings.TrimPrefix(status, "Init:")
	for _, part := range []string{"BackOff", "Err", "OOMKilled", "Invalid", "CannotRun", "Failed", "ExitCode:", "Signal:", "Evicted"} {
		if strings.Contains(word, part) {
			return true
		}
	}
	return false
}

// reclaimed is when the cloud took the pod's spot group, ECI's BidFailed, as far as one of both
// sides says; zero: it did not.
func (p *Placement) reclaimed() time.Time {
	switch {
	case p.Pod == nil || p.Pod.Phase != "Failed" || !strings.HasPrefix(p.Pod.Status, "BidFailed"):
		return time.Time{}
	case !p.Pod.Changed.IsZero():
		return p.Pod.Changed
	case p.Group != nil && !p.Group.Ended.IsZero():
		return p.Group.Ended
	}
	return p.Pod.Created
}

func saysNoStock(s string) bool {
	return strings.Contains(s, "NoStock") || strings.Contains(s, "StockExhaust") || strings.Contains(s, "StockClose")
}

// together judges a pod and its group. A disagreement is a status of its own, "K8S/ECI".
func together(v verdict, p *Pod, g *Group, now time.Time) verdict {
	apart := func(trouble Severity, format string, args ...any) verdict {
		return verdict{status: p.Status + "/" + string(g.Status), trouble: trouble, reason: fmt.Sprintf(format, args...)}
	}
	// unsettled is whether one side may just not have been heard of yet.
	unsettled := func(since time.Time) bool {
		due := since.Add(settleLag)
		if now.Before(due) {
			v.recheck = due
			return true
		}
		return false
	}
	waiting := g.Status == eci.Scheduling || g.Status == eci.ScheduleFailed
	switch {
	case waiting && !p.ended() && saysNoStock(g.Reason):
		return verdict{status: StatusNoStock, trouble: Broken, reason: joinSentences(g.Reason, g.Message)}
	case p.ended() && g.Status.Billed():
		if g.Ended.IsZero() && g.Status == eci.Terminating || unsettled(p.Changed) {
			return v
		}
		return apart(Broken, "Kubernetes says the pod has ended, ECI says group %s is %s and it is paid for", g.ID, g.Status)
	case p.ended():
		return v
	case !p.Deleting.IsZero():
		return v // the group ends with the pod; either may be first
	case g.Status.Ended():
		if unsettled(g.Ended) {
			return v
		}
		return apart(Broken, "ECI says group %s is %s%s; Kubernetes has not seen it", g.ID, g.Status, because(g))
	case g.Status == eci.Terminating:
		return apart(Broken, "group %s is being deleted, the pod is not", g.ID)
	case p.Phase == "Running" && (g.Status == eci.Restarting || g.Status == eci.Updating):
		return apart(Degraded, "group %s is %s%s", g.ID, g.Status, because(g))
	case p.Phase == "Running" && (g.Status == eci.Pending || g.Status == eci.Scheduling):
		if unsettled(p.Changed) {
			return v
		}
		return apart(Degraded, "Kubernetes says Running, ECI says group %s is %s%s", g.ID, g.Status, because(g))
	case p.Phase == "Pending" && g.Status == eci.Running && !brokenWord(p.Status):
		since := p.Created
		if g.Created.After(since) {
			since = g.Created
		}
		if due := since.Add(startLag); now.Before(due) {
			v.recheck = due
			return v
		}
		if strings.HasPrefix(p.Status, "Init:") || p.Reason != "" {
			return v // init containers run while ECI says Running
		}
		return apart(Degraded, "ECI runs group %s, Kubernetes still says Pending: is the virtual node running?", g.ID)
	case p.Phase == "Pending" && v.reason == "" && g.Reason != "":
		v.reason = joinSentences(g.Reason, g.Message)
		if g.Reason == "ContainerCreating" || g.Reason == "PodInitializing" {
			// Every container says this while it starts: it is trouble only when it lasts.
			if due := p.Created.Add(startLag); now.Before(due) {
				v.recheck = due
				return v
			}
		}
		v.trouble = max(v.trouble, Degraded)
	}
	return v
}

// because is the group's own explanation as the tail of a sentence.
func because(g *Group) string {
	switch {
	case g.Reason == "" && g.Message == "":
		return ""
	case g.Message == "":
		return " (" + g.Reason + ")"
	case g.Reason == "":
		return " (" + g.Message + ")"
	}
	return " (" + g.Reason + ": " + g.Message + ")"
}

func joinSentences(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + ": " + second
}

// orphan is the placement of a group without its pod.
func orphan(g *Group) *Placement {
	whose := "its tags name no pod"
	if g.Identity.PodName != "" {
		whose = fmt.Sprintf("its pod %s/%s does not exist", g.Identity.Namespace, g.Identity.PodName)
	}
	paid := "and it is paid for"
	if !g.Status.Billed() {
		paid = "and it is not paid for yet"
	}
	return &Placement{
		Group: g, Place: PlaceECI, Status: StatusOrphan, Trouble: Broken,
		Reason: fmt.Sprintf("group %s is %s, %s, %s", g.ID, g.Status, whose, paid),
	}
}
