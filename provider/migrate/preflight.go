package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/placement"
)

// whole judges what is true of all items.
func whole(p *Plan, f *Facts, r Request) {
	add := func(name string, level Level, reason, remedy string) {
		p.Checks = append(p.Checks, Check{name, level, reason, remedy})
	}
	for _, what := range f.Unread {
		add("unread", Warn, "not all could be read, so the plan may lack something: "+what, "")
	}
	for _, verb := range f.Denied {
		if strings.HasSuffix(verb, optional) {
			add("rights", Warn, "you may not "+strings.TrimSuffix(verb, optional)+", so the operation is written down on this machine only and can't be resumed from another", "ask for the right, or stay on this machine until it has ended")
			continue
		}
		add("rights", Block, "you may not "+verb, "ask for the right, or use another context")
	}
	if r.To == ToECI {
		if _, why := targetNode(f, r); why != "" {
			add("virtual-node", Block, why, "")
		}
		if !f.NoStock.IsZero() && f.Now.Sub(f.NoStock) < time.Hour {
			add("stock", Warn, fmt.Sprintf("ECI had no stock for a pod %s ago", f.Now.Sub(f.NoStock).Round(time.Second)), "more vSwitches in other zones, or several sizes in "+placementUseSpecs+", find stock more often")
		}
	}
	if r.To == ToECS {
		if len(f.Virtual) == 0 {
			add("virtual-node", Block, "there is no virtual node, so nothing runs on ECI", "")
		}
		add("room", Info, "whether real nodes have room shows when a surge pod is placed; where they haven't, nothing is disrupted", "")
	}
	if f.Drained != nil && !f.Drained.Spec.Unschedulable {
		add("cordon", Info, "node "+f.Drained.Name+" is cordoned first, and stays so", "")
	}
}

const (
	placementUseSpecs = "k8s.aliyun.com/eci-use-specs"
	// optional marks a right in Facts.Denied that there is a way without.
	optional = " (optional)"
)

// closed says why a virtual node takes nothing now, or "".
func closed(n *corev1.Node) string {
	ready := false
	for _, c := range n.Status.Conditions {
		switch {
		case c.Type == corev1.NodeReady:
			ready = c.Status == corev1.ConditionTrue
		case c.Type == burst.ConditionClusterNetworkReachable && c.Status == corev1.ConditionFalse:
			return fmt.Sprintf("node %s has %s=False, so pods on ECI would not reach the cluster: %s; see `ecideck-node probe`", n.Name, c.Type, c.Message)
		}
	}
	switch {
	case !ready:
		return fmt.Sprintf("node %s is not Ready: see that ecideck-node runs", n.Name)
	case n.Spec.Unschedulable:
		return fmt.Sprintf("node %s is cordoned: ecideck uncordon %[1]s", n.Name)
	}
	return ""
}

func toleratesTaint(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	_, found := schedulinghelper.FindMatchingUntoleratedTaint(klog.Background(), []corev1.Taint{*taint}, tolerations, nil, false)
	return !found
}

// selected tells that a pod's node selector and required node affinity take a node.
func selected(pod *corev1.Pod, node *corev1.Node) bool {
	ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node)
	return ok && err == nil
}

// podChecks are the rows about one pod: old is there now, next is what would run instead.
func podChecks(f *Facts, r Request, old, next *corev1.Pod, node *corev1.Node) []Check {
	var checks []Check
	add := func(name string, level Level, reason, remedy string) {
		checks = append(checks, Check{name, level, reason, remedy})
	}
	space := f.space(old.Namespace)
	marks := burst.ReadMarks(old, space.Object)
	if node != nil {
		for _, finding := range placement.Check(next, node.Labels[corev1.LabelTopologyRegion]) {
			level := Warn
			if finding.Verdict == placement.Refuses {
				level = Block
			}
			add("runs-on-eci", level, finding.Field+": "+finding.Reason, finding.Remedy)
		}
		if marks.Mode == burst.RealOnly {
			add("marks", Block, marks.From+" keeps it on real nodes", "remove the mark")
		}
		if !selected(next, node) {
			add("node-selector", Block, "its node selector or required node affinity does not take node "+node.Name, "change the template's node selector")
		}
		for i := range node.Spec.Taints {
			taint := &node.Spec.Taints[i]
			spec := next.Spec.DeepCopy()
			open(spec, node)
			if taint.Effect != corev1.TaintEffectPreferNoSchedule && !toleratesTaint(spec.Tolerations, taint) {
				add("taints", Block, "node "+node.Name+" has the taint "+taint.ToString()+", which it does not tolerate", "")
			}
		}
		size, refusal := placement.SizeOf(next, node.Labels[corev1.LabelTopologyRegion])
		if refusal == nil && size.Spec() != "" {
			asked := fmt.Sprintf("%g vCPU and %g GiB", size.CPU, size.Memory)
			if size.CPU == 0 && size.Memory == 0 {
				asked = "nothing"
			}
			level, remedy := Info, ""
			if size.CPU > 0 && size.Memory > 0 && (size.Billed.CPU >= 2*size.CPU || size.Billed.Memory >= 2*size.Memory) {
				level, remedy = Warn, "name a size in the annotation "+placementUseSpecs+", or ask for what ECI sells"
			}
			add("size", level, fmt.Sprintf("it asks for %s and is billed as %s", asked, size.Spec()), remedy)
		}
		for name, q := range burst.Requests(next) {
			if offered, has := node.Status.Allocatable[name]; !q.IsZero() && (!has || q.Cmp(offered) > 0) {
				add("resources", Block, fmt.Sprintf("node %s does not offer %s %s", node.Name, q.String(), name), "")
			}
		}
		checks = append(checks, networkChecks(space, next)...)
		checks = append(checks, topologyChecks(next)...)
		for _, s := range selecting(space.Services, next) {
			if s.Spec.Type == corev1.ServiceTypeNodePort || s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
				add("services", Warn, fmt.Sprintf("Service %s is reached through node ports or with externalTrafficPolicy Local, which does not find pods on ECI", s.Name), "use a load balancer that reaches pods directly")
			}
		}
		for i := range next.Spec.Containers {
			for _, env := range next.Spec.Containers[i].Env {
				if env.ValueFrom != nil && env.ValueFrom.FieldRef != nil && env.ValueFrom.FieldRef.FieldPath == "status.hostIP" {
					add("node-agents", Warn, "its variable "+env.Name+" is the node's address, where agents of a DaemonSet are expected: ECI has none", "use a sidecar or a Service")
				}
			}
		}
	}
	if r.To == ToECS && marks.Mode == burst.ECIOnly {
		add("marks", Block, marks.From+": it belongs on ECI only", "remove the mark first")
	}
	if old.Spec.NodeName != "" {
		if grace := old.Spec.TerminationGracePeriodSeconds; grace != nil && *grace > 60 {
			add("grace", Info, fmt.Sprintf("the old pod has up to %d s to end, and gets no new connections meanwhile", *grace), "")
		}
		checks = append(checks, budgetChecks(f, old)...)
	}
	if old.Namespace == metav1.NamespaceSystem || strings.HasPrefix(old.Spec.PriorityClassName, "system-") {
		add("critical", Warn, "it is one of the cluster's own pods", "")
	}
	return checks
}

// networkChecks are about NetworkPolicies, which ECI does not enforce.
func networkChecks(space *Space, pod *corev1.Pod) []Check {
	for _, n := range space.Policies {
		selector, err := metav1.LabelSelectorAsSelector(&n.Spec.PodSelector)
		if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		deny := slices.Contains(n.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) && len(n.Spec.Ingress) == 0 ||
			slices.Contains(n.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) && len(n.Spec.Egress) == 0
		if deny {
			return []Check{{"network-policy", Block, "NetworkPolicy " + n.Name + " denies by default, and on ECI only security groups are enforced", "say the same in a security group and name it in k8s.aliyun.com/eci-security-group, and take the pod out of the policy's selector"}}
		}
		return []Check{{"network-policy", Warn, "NetworkPolicy " + n.Name + " selects it, and on ECI only security groups are enforced", "say the same in a security group"}}
	}
	return nil
}

func topologyChecks(pod *corev1.Pod) []Check {
	const reason = "all pods of a virtual node have one hostname for the scheduler, so the second one may find no place"
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey == corev1.LabelHostname {
			return []Check{{"spread", Warn, "it must be spread over hosts: " + reason, "make the constraint ScheduleAnyway"}}
		}
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for _, t := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if t.TopologyKey == corev1.LabelHostname {
				return []Check{{"spread", Warn, "it must not share a host: " + reason, "make the anti-affinity preferred"}}
			}
		}
	}
	return nil
}

// budgetChecks are about the budgets that protect a pod.
func budgetChecks(f *Facts, pod *corev1.Pod) []Check {
	var names []string
	var checks []Check
	for _, b := range f.space(pod.Namespace).Budgets {
		if !covers(b, pod.Labels) {
			continue
		}
		names = append(names, b.Name)
		for _, c := range b.Status.Conditions {
			if c.Type == "DisruptionAllowed" && c.Reason == "SyncFailed" {
				checks = append(checks, Check{"budget", Warn, "budget " + b.Name + " can't be computed and allows nothing: " + c.Message, "a pod that it selects has a controller without a scale"})
			}
		}
		if b.Status.CurrentHealthy < b.Status.DesiredHealthy {
			checks = append(checks, Check{"budget", Warn, fmt.Sprintf("budget %s needs %d healthy pods and has %d, so evictions wait until there are more", b.Name, b.Status.DesiredHealthy, b.Status.CurrentHealthy), "make the unhealthy pods well first"})
		}
	}
	if len(names) > 1 {
		checks = append(checks, Check{"budget", Block, "the budgets " + strings.Join(names, " and ") + " both select it, which the eviction API does not support", "let only one select it"})
	}
	return checks
}

// swapChecks are about a ReplicaSet whose pod is swapped.
func swapChecks(f *Facts, rs *appsv1.ReplicaSet, x *Item, old, surge *corev1.Pod) []Check {
	var checks []Check
	add := func(name string, level Level, reason, remedy string) {
		checks = append(checks, Check{name, level, reason, remedy})
	}
	space := f.space(rs.Namespace)
	if x.Hidden == "" {
		add("selector", Block, "a Service selects by every label of ReplicaSet "+rs.Name+"'s selector, so a surge pod can't serve without being counted", "add a label to the selector that no Service uses")
	}
	d := f.Deployments[x.Workload.Namespace+"/"+x.Workload.Name]
	switch {
	case x.Workload.Kind != "Deployment":
	case d == nil:
		add("owner", Block, "Deployment "+x.Workload.Name+" is gone: its pods will be deleted", "")
	default:
		if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			add("strategy", Block, "Deployment "+d.Name+" has the strategy Recreate: two of its pods must not run at once", "change the template, which restarts it")
		}
		if why := rolling(d, rs); why != "" {
			add("rollout", Block, why, "wait until it is over: kubectl rollout status deployment/"+d.Name)
		} else if d.Status.UpdatedReplicas < replicas(rs) || d.Status.Replicas > d.Status.UpdatedReplicas {
			add("rollout", Block, "a rollout of Deployment "+d.Name+" is under way", "wait until it is over: kubectl rollout status deployment/"+d.Name)
		}
		for _, mark := range []struct{ key, who string }{{"argocd.argoproj.io/tracking-id", "Argo CD"}, {"kustomize.toolkit.fluxcd.io/name", "Flux"}, {"helm.toolkit.fluxcd.io/name", "Flux"}} {
			if d.Annotations[mark.key] != "" || d.Labels[mark.key] != "" {
				add("gitops", Info, "Deployment "+d.Name+" is managed by "+mark.who+", which a swap leaves alone: its template is not changed", "")
			}
		}
		add("template", Info, "the template of Deployment "+d.Name+" is not changed: pods that it makes later go where it says", "")
	}
	for i := range surge.Spec.Containers {
		for _, port := range surge.Spec.Containers[i].Ports {
			if port.HostPort != 0 && x.Node == "" {
				add("host-port", Warn, fmt.Sprintf("it has the host port %d, so its surge pod needs another node", port.HostPort), "")
			}
		}
	}
	for _, v := range surge.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := space.Claims[v.PersistentVolumeClaim.ClaimName]
		switch {
		case claim == nil:
			add("volumes", Block, "the claim "+v.PersistentVolumeClaim.ClaimName+" can't be read or does not exist", "")
		case !slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteMany) && !slices.Contains(claim.Spec.AccessModes, corev1.ReadOnlyMany):
			add("volumes", Block, "the volume of claim "+claim.Name+" can be used by one node at a time, so two pods can't run at once", "use a shared file system (NAS)")
		}
	}
	for _, v := range old.Spec.Volumes {
		if v.EmptyDir != nil {
			add("local-data", Warn, "what it has in the emptyDir "+v.Name+" is lost", "")
		}
	}
	if slices.ContainsFunc(f.Siblings[rs.UID], func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodPending && p.UID != old.UID }) {
		add("siblings", Warn, "another pod of ReplicaSet "+rs.Name+" is Pending: nothing is evicted until it runs", "ecideck why pod says what it waits for; move it first where it has no node")
	} else if n := len(slices.DeleteFunc(slices.Clone(f.Siblings[rs.UID]), ready)); n > 0 {
		add("siblings", Warn, fmt.Sprintf("%d of the %d pods of ReplicaSet %s are not Ready", n, len(f.Siblings[rs.UID]), rs.Name), "")
	}
	if room, why := quotaRoom(space, rs); room == 0 {
		add("quota", Block, why, "raise the quota by two pods for the time of the move")
	} else if room == 1 {
		add("quota", Warn, why+": one pod more has room, and its ReplicaSet's short-lived replacement has none", "")
	}
	for _, h := range space.HPAs {
		if h.Spec.ScaleTargetRef.Kind == x.Workload.Kind && h.Spec.ScaleTargetRef.Name == x.Workload.Name {
			if h.Status.LastScaleTime != nil && f.Now.Sub(h.Status.LastScaleTime.Time) < 5*time.Minute {
				add("autoscaler", Warn, fmt.Sprintf("HorizontalPodAutoscaler %s scaled it %s ago and may do so again", h.Name, f.Now.Sub(h.Status.LastScaleTime.Time).Round(time.Second)), "")
			}
		}
	}
	for _, s := range selecting(space.Services, old) {
		if !slices.Contains(x.Services, s.Name) {
			add("services", Block, "Service "+s.Name+" selects it by the label that a surge pod goes without", "select by other labels")
		}
	}
	return checks
}

// quotaRoom is how many pods more a namespace's quotas let a ReplicaSet have, and by which
// quota; -1: any number.
func quotaRoom(space *Space, rs *appsv1.ReplicaSet) (int, string) {
	room, why := -1, ""
	if rs == nil {
		return room, why
	}
	pod := &corev1.Pod{Spec: rs.Spec.Template.Spec}
	needs := map[corev1.ResourceName]int64{corev1.ResourcePods: 1000, "count/pods": 1000}
	for name, q := range burst.Requests(pod) {
		needs[name], needs["requests."+name] = q.MilliValue(), q.MilliValue()
	}
	for i := range pod.Spec.Containers {
		for name, q := range pod.Spec.Containers[i].Resources.Limits {
			needs["limits."+name] += q.MilliValue()
		}
	}
	for _, quota := range space.Quotas {
		if len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil {
			continue // it may not count these pods; creating the surge pod will tell
		}
		for _, name := range slices.Sorted(maps.Keys(quota.Status.Hard)) {
			need := needs[name]
			if need == 0 {
				continue
			}
			hard, used := quota.Status.Hard[name], quota.Status.Used[name]
			left := max(0, int((hard.MilliValue()-used.MilliValue())/need))
			if room < 0 || left < room {
				room, why = left, fmt.Sprintf("ResourceQuota %s has %s of %s %s in use", quota.Name, used.String(), hard.String(), name)
			}
		}
	}
	return room, why
}
