package migrate

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
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
		p.Checks = append(p.Checks, unreadCheck(what))
	}
	p.Checks = append(p.Checks, clockChecks(f.Skew)...)
	if r.To == ToECI {
		if _, why := targetNode(f, r); why != "" {
			add("virtual-node", Block, why, "")
		}
		if !f.NoStock.IsZero() && f.Now.Sub(f.NoStock) < time.Hour {
			why := ""
			if why, _, _ = strings.Cut(f.Lacked, ", it is tried again"); why != "" {
				why = ": " + why
			}
			add("stock", Warn, fmt.Sprintf("ECI had no stock for a pod %s ago%s", f.Now.Sub(f.NoStock).Round(time.Second), why), "a surge pod that finds none is taken away again, and nothing is disrupted; more vSwitches in other zones, or several sizes in "+placementUseSpecs+", find stock more often")
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

const placementUseSpecs = "k8s.aliyun.com/eci-use-specs"

func unreadCheck(what string) Check {
	return Check{"unread", Warn, "not all could be read, so the plan may lack something: " + what, ""}
}

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
		checks = append(checks, nodeChecks(f, old, next, node)...)
		region := node.Labels[corev1.LabelTopologyRegion]
		size, refusal := placement.SizeOf(next, region)
		grown := f.sizedOn(next, node)
		billed, too := placement.SizeOf(grown, region)
		if refusal == nil && too == nil && billed.Spec() != "" {
			asked := fmt.Sprintf("%g vCPU and %g GiB", size.CPU, size.Memory)
			if size.CPU == 0 && size.Memory == 0 {
				asked = "nothing"
			}
			level, remedy := Info, ""
			if size.CPU > 0 && size.Memory > 0 && (billed.Billed.CPU >= 2*size.CPU || billed.Billed.Memory >= 2*size.Memory) {
				level, remedy = Warn, "name a size in the annotation "+placementUseSpecs+", or ask for what ECI sells"
			}
			with := ""
			if grown != next {
				with = ", with what node " + node.Name + " adds to each group (a kube-proxy, or defaults of eci-profile)"
			}
			add("size", level, fmt.Sprintf("it asks for %s and is billed as %s%s", asked, billed.Spec(), with), remedy)
		}
		checks = append(checks, placeChecks(f, space, next)...)
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
	w := burst.WorkloadOf(old)
	if r.To == ToECS && virtualOnly(&next.Spec) {
		remedy := "change its node selector or required node affinity"
		if w.Kind == "Deployment" {
			remedy = "`ecideck migrate deploy/" + w.Name + " --to ecs` changes the template"
		}
		add("node-selector", Block, "its template sends it to ECI: it requires virtual nodes", remedy)
	}
	checks = append(checks, aroundChecks(f, space, old, Ref{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name})...)
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

// nodeChecks are what one virtual node has against a pod that would go there, and another one
// may not have. They are cheap: every pod of a plan is held against every node.
func nodeChecks(f *Facts, old, next *corev1.Pod, node *corev1.Node) []Check {
	var checks []Check
	refuse := func(name, reason, remedy string) { checks = append(checks, Check{name, Block, reason, remedy}) }
	if !selected(next, node) {
		refuse("node-selector", "its node selector or required node affinity does not take node "+node.Name, "change the template's node selector")
	}
	opened := corev1.PodSpec{Tolerations: slices.Clone(next.Spec.Tolerations)}
	open(&opened, node)
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !toleratesTaint(opened.Tolerations, taint) {
			refuse("taints", "node "+node.Name+" has the taint "+taint.ToString()+", which it does not tolerate", "")
		}
	}
	for name, q := range burst.Requests(next) {
		if offered, has := node.Status.Allocatable[name]; !q.IsZero() && (!has || q.Cmp(offered) > 0) {
			refuse("resources", fmt.Sprintf("node %s does not offer %s %s", node.Name, q.String(), name), "")
		}
	}
	if why := f.Volumes[old.UID][node.Name]; why != "" && old.Spec.NodeName == "" {
		refuse("volumes", why, "")
	}
	if full(node, f.OnVirtual[node.Name]) {
		refuse("addresses", fmt.Sprintf("node %s has %d pods and takes %d: its vSwitches have no more free addresses, or it was told so", node.Name, f.OnVirtual[node.Name], node.Status.Allocatable.Pods().Value()),
			"a vSwitch more, or a greater one (--vswitch-ids), or --pods")
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "CloudAPIReachable" && c.Status == corev1.ConditionFalse {
			refuse("cloud", "node "+node.Name+" says that the ECI API does not answer: "+c.Message, "wait until it does")
		}
	}
	return checks
}

// full tells that a node with so many pods takes no more.
func full(n *corev1.Node, pods int) bool {
	most := n.Status.Allocatable.Pods().Value()
	return most > 0 && int64(pods) >= most
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

// never are the budgets of a pod that forbid every eviction while all is well: what can't have a
// successor beside it would be waited for without end.
func never(f *Facts, pod *corev1.Pod) []Check {
	var checks []Check
	for _, b := range f.space(pod.Namespace).Budgets {
		if s := b.Status; covers(b, pod.Labels) && s.ExpectedPods > 0 && s.DesiredHealthy >= s.ExpectedPods && s.CurrentHealthy >= s.DesiredHealthy {
			checks = append(checks, Check{"budget", Block, fmt.Sprintf("budget %s wants %d of %d pods healthy, so it never allows an eviction", b.Name, s.DesiredHealthy, s.ExpectedPods),
				"let it allow one (maxUnavailable: 1) for the time of the move"})
		}
	}
	return checks
}

// An illness is how many of a ReplicaSet's pods can't serve.
type illness struct{ pending, unready int }

// unwell counts them for all ReplicaSets, once for a plan: each may have thousands of pods.
func unwell(f *Facts) map[types.UID]illness {
	ill := map[types.UID]illness{}
	for uid, pods := range f.Siblings {
		var n illness
		for _, p := range pods {
			if p.Status.Phase == corev1.PodPending {
				n.pending++
			}
			if !ready(p) {
				n.unready++
			}
		}
		ill[uid] = n
	}
	return ill
}

// swapChecks are about a ReplicaSet whose pod is swapped.
func swapChecks(f *Facts, rs *appsv1.ReplicaSet, x *Item, old, surge *corev1.Pod, ill illness) []Check {
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
		var uid types.UID
		if above := metav1.GetControllerOf(rs); above != nil {
			uid = above.UID
		}
		add("owner", Block, f.lacks("Deployment "+x.Workload.Name, uid, "its pods will be deleted"), "")
	default:
		if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			add("strategy", Block, "Deployment "+d.Name+" has the strategy Recreate: two of its pods must not run at once", "change the template, which restarts it")
		}
		if why := rolling(d, rs); why != "" {
			add("rollout", Block, why, "wait until it is over: kubectl rollout status deployment/"+d.Name)
		} else if d.Status.Replicas > d.Status.UpdatedReplicas { // fewer new ones than wanted: it was scaled up
			add("rollout", Block, "a rollout of Deployment "+d.Name+" is under way", "wait until it is over: kubectl rollout status deployment/"+d.Name)
		}
		checks = append(checks, gitOps("Deployment "+d.Name, d.Annotations, d.Labels, false)...)
		add("template", Info, "the template of Deployment "+d.Name+" is not changed: pods that it makes later go where it says", "")
	}
	for i := range surge.Spec.Containers {
		for _, port := range surge.Spec.Containers[i].Ports {
			if port.HostPort != 0 && x.Node == "" {
				add("host-port", Warn, fmt.Sprintf("it has the host port %d, so its surge pod needs another node", port.HostPort), "")
			}
		}
	}
	checks = append(checks, sharedVolumes(space, surge)...)
	checks = append(checks, lostData(old)...)
	if replicas(rs) == 1 {
		add("singleton", Warn, "it is the only one of its ReplicaSet: for a moment two run at once", "where that is one too many, --how restart ends it first")
	}
	if old.Status.Phase == corev1.PodPending {
		ill.pending--
	}
	if ill.pending > 0 {
		add("siblings", Warn, "another pod of ReplicaSet "+rs.Name+" is Pending: nothing is evicted until it runs", "ecideck why pod says what it waits for; move it first where it has no node")
	} else if ill.unready > 0 {
		add("siblings", Warn, fmt.Sprintf("%d of the %d pods of ReplicaSet %s are not Ready", ill.unready, len(f.Siblings[rs.UID]), rs.Name), "")
	}
	if room, why := quotaRoom(space, rs); room == 0 {
		add("quota", Block, why, "raise the quota by two pods for the time of the move")
	} else if room == 1 {
		add("quota", Warn, why+": one pod more has room, and its ReplicaSet's short-lived replacement has none", "")
	}
	for _, s := range selecting(space.Services, old) {
		if !slices.Contains(x.Services, s.Name) {
			add("services", Block, "Service "+s.Name+" selects it by the label that a surge pod goes without", "select by other labels")
		}
	}
	return checks
}

// sharedVolumes are about claims that two pods would have to use at once.
func sharedVolumes(space *Space, next *corev1.Pod) []Check {
	var checks []Check
	for _, v := range next.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := space.Claims[v.PersistentVolumeClaim.ClaimName]
		switch {
		case claim == nil:
			checks = append(checks, Check{"volumes", Block, "the claim " + v.PersistentVolumeClaim.ClaimName + " can't be read or does not exist", ""})
		case !slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteMany) && !slices.Contains(claim.Spec.AccessModes, corev1.ReadOnlyMany):
			checks = append(checks, Check{"volumes", Block, "the volume of claim " + claim.Name + " can be used by one node at a time, so two pods can't run at once", "use a shared file system (NAS), or --how restart, which ends it first"})
		}
	}
	return checks
}

func lostData(old *corev1.Pod) []Check {
	var checks []Check
	for _, v := range old.Spec.Volumes {
		if v.EmptyDir != nil {
			checks = append(checks, Check{"local-data", Warn, "what it has in the emptyDir " + v.Name + " is lost", ""})
		}
	}
	return checks
}

// gitOps are about who writes a workload's template from a repository.
func gitOps(who string, annotations, set map[string]string, changed bool) []Check {
	for _, mark := range []struct{ key, value, who string }{{"argocd.argoproj.io/tracking-id", "", "Argo CD"}, {"argocd.argoproj.io/instance", "", "Argo CD"},
		{"kustomize.toolkit.fluxcd.io/name", "", "Flux"}, {"helm.toolkit.fluxcd.io/name", "", "Flux"}, {"app.kubernetes.io/managed-by", "Helm", "Helm"}} {
		v := cmpOr(annotations[mark.key], set[mark.key])
		if v == "" || mark.value != "" && v != mark.value {
			continue
		}
		if !changed {
			return []Check{{"gitops", Info, who + " is managed by " + mark.who + ", which a swap leaves alone: its template is not changed", ""}}
		}
		return []Check{{"gitops", Warn, who + " is managed by " + mark.who + ", which may set its template back", "make the change in its repository, or pause its synchronization; --how swap does not touch the template"}}
	}
	return nil
}

// rolloutChecks are about a Deployment whose template is changed.
func rolloutChecks(f *Facts, d *appsv1.Deployment, next *corev1.Pod) []Check {
	var checks []Check
	add := func(name string, level Level, reason, remedy string) {
		checks = append(checks, Check{name, level, reason, remedy})
	}
	space := f.space(d.Namespace)
	recreate := d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
	if d.Spec.Paused {
		add("rollout", Block, "Deployment "+d.Name+" is paused", "kubectl rollout resume deployment/"+d.Name)
	} else if why := rolledOut(d); why != "" {
		add("rollout", Block, "a rollout of Deployment "+d.Name+" is under way, or its pods are not well: "+why, "wait until it is over: kubectl rollout status deployment/"+d.Name+"; where it is over and some pods are not well, --how swap moves the others")
	}
	checks = append(checks, gitOps("Deployment "+d.Name, d.Annotations, d.Labels, true)...)
	if !recreate {
		checks = append(checks, sharedVolumes(space, next)...)
		rs := &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Template: d.Spec.Template}}
		if room, why := quotaRoom(space, rs); room == 0 {
			add("quota", Block, why+", and a rollout needs room for one pod more", "raise the quota for the time of the rollout")
		}
		add("budget", Info, "a rollout asks no budget: it keeps all replicas by its strategy, which is maxUnavailable 0 until it is over", "")
	}
	if p := d.Spec.ProgressDeadlineSeconds; p != nil && *p < 120 {
		add("deadline", Warn, fmt.Sprintf("it gives a rollout %d s to make progress, and a pod on ECI may take longer to start", *p), "raise progressDeadlineSeconds")
	}
	add("template", Warn, "the template of Deployment "+d.Name+" is changed for good: whatever it makes later goes there, too", "undo sets it back; --how swap moves the pods of now only")
	return checks
}

// setChecks are about a StatefulSet whose pods are restarted.
func setChecks(set *appsv1.StatefulSet, how Strategy) []Check {
	var checks []Check
	add := func(name string, level Level, reason, remedy string) {
		checks = append(checks, Check{name, level, reason, remedy})
	}
	s := set.Status
	if s.ObservedGeneration < set.Generation || s.UpdateRevision != "" && s.CurrentRevision != s.UpdateRevision {
		level, remedy := Warn, "wait until it is over: kubectl rollout status statefulset/"+set.Name
		if how == Ordinals {
			level = Block
		}
		add("rollout", level, "a rollout of StatefulSet "+set.Name+" is under way, or a partition holds it", remedy)
	}
	if why := unready(set); why != "" {
		add("siblings", Warn, why+": no other is evicted until all are", "")
	}
	checks = append(checks, gitOps("StatefulSet "+set.Name, set.Annotations, set.Labels, how == Ordinals)...)
	if how == Ordinals {
		add("template", Warn, "the template of StatefulSet "+set.Name+" is changed for good", "undo sets it back")
	} else {
		add("template", Info, "the template of StatefulSet "+set.Name+" is not changed: a pod that is made anew later goes where it says", "")
	}
	return checks
}

// placeChecks are the rows about what is around a pod that goes to a virtual node.
func placeChecks(f *Facts, space *Space, next *corev1.Pod) []Check {
	var checks []Check
	add := func(name string, level Level, reason, remedy string) {
		checks = append(checks, Check{name, level, reason, remedy})
	}
	var public, odd []string
	for i := range next.Spec.Containers {
		switch host := registry(next.Spec.Containers[i].Image); {
		case slices.Contains([]string{"docker.io", "gcr.io", "ghcr.io", "quay.io", "registry.k8s.io", "public.ecr.aws", "mcr.microsoft.com"}, host):
			public = append(public, host)
		case strings.Contains(host, ":") || !strings.Contains(host, ".") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".svc") || net.ParseIP(host) != nil:
			odd = append(odd, host)
		}
	}
	slices.Sort(public)
	slices.Sort(odd)
	if public = slices.Compact(public); len(public) > 0 {
		add("registry", Warn, "its image comes from "+strings.Join(public, " and ")+": the vSwitch needs a NAT gateway, or the pod a public address", "put the image into a registry of the VPC, or an image cache")
	}
	if odd = slices.Compact(odd); len(odd) > 0 {
		add("registry", Warn, "its image comes from "+strings.Join(odd, " and ")+", which looks like one of the cluster or without a public certificate: ECI pulls from the vSwitch and trusts public certificates only",
			"k8s.aliyun.com/insecure-registry or plain-http-registry name such a one; `ecideck-node --network-probe-registry` finds out whether it is reached")
	}
	if next.Annotations["k8s.aliyun.com/eci-image-cache"] == "" && next.Annotations["k8s.aliyun.com/eci-image-snapshot-id"] == "" {
		add("image-cache", Info, "no image cache is named, so ECI pulls its images anew", "k8s.aliyun.com/eci-image-cache: \"true\" takes one that fits")
	}
	for _, l := range space.Ranges {
		for _, item := range l.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer || len(item.Default) == 0 && len(item.DefaultRequest) == 0 {
				continue
			}
			for i := range next.Spec.Containers {
				if c := &next.Spec.Containers[i]; len(c.Resources.Limits) == 0 {
					add("limit-range", Warn, fmt.Sprintf("LimitRange %s gives container %s its default limits, and ECI bills limits where there are any", l.Name, c.Name),
						"say what it needs in the template, or name a size in "+placementUseSpecs)
				}
			}
		}
	}
	if len(f.Agents) > 0 {
		names := slices.Clone(f.Agents)
		slices.Sort(names)
		add("agents", Info, "on ECI no DaemonSet has a pod, so these agents of its node are missing there: "+few(names, 6), "a sidecar, or what ECI offers instead (logs, metrics, DNS)")
	}
	for i := range next.Spec.Containers {
		c := &next.Spec.Containers[i]
		for _, env := range c.Env {
			if strings.Contains(env.Value, "169.254.") {
				add("node-agents", Warn, "its variable "+env.Name+" has a link-local address ("+env.Value+"), where an agent of its node is expected: ECI has none", "use a sidecar or a Service")
			}
		}
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
			add("pre-stop", Info, "its preStop hook runs on ECI while the group is ending, which is billed", "")
		}
	}
	if q, has := burst.Requests(next)[corev1.ResourceEphemeralStorage]; has && q.Value() > 30<<30 {
		add("disk", Warn, "it asks for "+q.String()+" of ephemeral storage, and 30 GiB of a group are free: the rest is paid for", "")
	}
	return checks
}

// aroundChecks are the rows about others that move a pod or change how many there are.
func aroundChecks(f *Facts, space *Space, pod *corev1.Pod, workload Ref) []Check {
	var checks []Check
	add := func(name string, level Level, reason, remedy string) {
		checks = append(checks, Check{name, level, reason, remedy})
	}
	for _, h := range space.HPAs {
		if t := h.Spec.ScaleTargetRef; burst.KindOf(t.APIVersion, t.Kind) == workload.Kind && t.Name == workload.Name && h.Status.LastScaleTime != nil && f.Now.Sub(h.Status.LastScaleTime.Time) < 5*time.Minute {
			add("autoscaler", Warn, fmt.Sprintf("HorizontalPodAutoscaler %s scaled it %s ago and may do so again", h.Name, f.Now.Sub(h.Status.LastScaleTime.Time).Round(time.Second)), "")
		}
	}
	const soon = 10 * time.Minute
	for _, s := range space.Scalers {
		if s.Target.Kind != workload.Kind || s.Target.Name != workload.Name {
			continue
		}
		switch {
		case s.Kind == "CronHPA" && !s.Next.IsZero() && s.Next.Sub(f.Now) < soon:
			add("autoscaler", Warn, fmt.Sprintf("CronHPA %s scales it in %s", s.Name, s.Next.Sub(f.Now).Round(time.Second)), "begin after that")
		case s.Kind == "VerticalPodAutoscaler":
			add("autoscaler", Warn, "VerticalPodAutoscaler "+s.Name+" may evict it and change its size", "")
		case s.Kind == "ScaledObject":
			add("autoscaler", Info, "KEDA's ScaledObject "+s.Name+" changes how many there are", "")
		}
	}
	for _, p := range space.Placers {
		if p.governs(pod, workload) {
			add("placer", Warn, p.Kind+" "+p.Name+" has a say where it goes and which of its siblings leave first", "change that instead, or know that what it makes later goes where it says")
		}
	}
	return checks
}

// registry is the host of an image's registry.
func registry(image string) string {
	host, _, found := strings.Cut(image, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "docker.io"
	}
	return host
}

// few are the first of many.
func few(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
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
