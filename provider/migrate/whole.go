package migrate

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/burst"
)

// Hows are the strategies that a Request may ask for.
func Hows() []Strategy { return []Strategy{Swap, Rollout, Restart, Suspend, Clone} }

// wholes are the items of workloads that are moved as a whole, and the pods that they take
// care of.
func wholes(f *Facts, r Request) (items []Item, covered map[types.UID]bool) {
	covered = map[types.UID]bool{}
	for _, t := range f.Whole {
		switch t.Kind {
		case "Deployment":
			d := f.Deployments[t.Namespace+"/"+t.Name]
			if d == nil || !rollsOut(f, r, d) {
				continue
			}
			x := rolloutItem(f, r, d)
			for _, p := range f.podsOf(d) {
				covered[p.UID] = true
			}
			items = append(items, x)
			f.sends(&x)
		case "Job":
			if r.How == Suspend && f.Jobs[t.UID] != nil {
				items = append(items, jobItem(f, r, f.Jobs[t.UID]))
				f.sends(&items[len(items)-1])
				for _, p := range f.Pods {
					if c := controllerUID(p); c == t.UID {
						covered[p.UID] = true
					}
				}
			}
		case "CronJob":
			if j := f.CronJobs[t.UID]; j != nil {
				items = append(items, cronJobItem(f, r, j))
			}
		}
	}
	return items, covered
}

func controllerUID(p *corev1.Pod) types.UID {
	for _, o := range p.OwnerReferences {
		if o.Controller != nil && *o.Controller {
			return o.UID
		}
	}
	return ""
}

// podsOf are the pods of the request that a Deployment has.
func (f *Facts) podsOf(d *appsv1.Deployment) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range f.Pods {
		if p.Namespace != d.Namespace {
			continue
		}
		if rs := f.ReplicaSets[controllerUID(p)]; rs != nil && metav1.IsControlledBy(rs, d) {
			pods = append(pods, p)
		} else if w := burst.WorkloadOf(p); rs == nil && w.Kind == "Deployment" && w.Name == d.Name {
			pods = append(pods, p)
		}
	}
	return pods
}

func (f *Facts) onECI(p *corev1.Pod) bool {
	return slices.ContainsFunc(f.Virtual, func(n *corev1.Node) bool { return n.Name == p.Spec.NodeName })
}

// rollsOut tells that a Deployment that is asked for as a whole is moved by its template. One
// whose pods have no node yet is let onto ECI as it is; one whose template says real nodes
// already has its pods swapped home.
func rollsOut(f *Facts, r Request, d *appsv1.Deployment) bool {
	switch r.How {
	case Rollout:
		return true
	case "":
	case Restart:
		return d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
	default:
		return false
	}
	if r.To == ToECS {
		return !off(&d.Spec.Template.Spec).placedAs(templateFields(&d.Spec.Template.Spec)) && slices.ContainsFunc(f.podsOf(d), f.onECI)
	}
	return slices.ContainsFunc(f.podsOf(d), func(p *corev1.Pod) bool { return p.Spec.NodeName != "" && !f.onECI(p) && alive(p) })
}

// placeAt is where a template's pods are to go.
func placeAt(spec *corev1.PodSpec, to Destination, node *corev1.Node) Fields {
	if to == ToECI {
		return onto(spec, node)
	}
	return off(spec)
}

// templated is a pod of a template with other placement.
func templated(namespace, name string, t *corev1.PodTemplateSpec, placed Fields) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: *t.ObjectMeta.DeepCopy(), Spec: *t.Spec.DeepCopy()}
	pod.Namespace, pod.Name = namespace, name
	pod.Spec.Tolerations, pod.Spec.NodeSelector, pod.Spec.Affinity = placed.Tolerations, placed.NodeSelector, placed.Affinity
	return pod
}

// staying makes an item stay.
func (i Item) staying(format string, args ...any) Item {
	i.Why = fmt.Sprintf(format, args...)
	i.Strategy, i.After, i.Change, i.Danger = Stay, i.Before, nil, ""
	return i
}

// settled is staying where that is as it should be.
func (i Item) settled(format string, args ...any) Item {
	i = i.staying(format, args...)
	i.Settled = true
	return i
}

func rolloutItem(f *Facts, r Request, d *appsv1.Deployment) Item {
	pods := f.podsOf(d)
	x := Item{Workload: Ref{"Deployment", d.Namespace, d.Name, d.UID}, Strategy: Rollout, Pods: len(pods), Why: "its template is changed, for good, and rolls out: no old pod goes before a new one is available"}
	x.Owner = x.Workload
	x.costs(f, r, pods...)
	target, why := targetNode(f, r)
	if r.To == ToECI && target == nil {
		return x.staying("%s", why)
	}
	if target != nil {
		next := podOf(&d.Spec.Template)
		target = f.nodeFor(r, next, next)
		x.Node = target.Name
	}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		x.Why, x.Danger = "its template is changed, for good: all its pods end before a new one starts (strategy Recreate)", "all its pods end before a new one starts"
		if r.How != Restart {
			return x.staying("Deployment %s has the strategy Recreate: two of its pods must not run at once; --how restart ends them all first", d.Name)
		}
	}
	placed := placeAt(&d.Spec.Template.Spec, r.To, target)
	if placed.placedAs(templateFields(&d.Spec.Template.Spec)) {
		return x.settled("its template says so already")
	}
	x.Change = rolloutChange(d, placed)
	next := templated(d.Namespace, d.Name, &d.Spec.Template, placed)
	old := next.DeepCopy()
	if len(pods) > 0 {
		old = pods[0]
	}
	x.Checks = slices.Concat(rolloutChecks(f, d, next), podChecks(f, r, old, next, target))
	n := int64(1)
	if d.Spec.Replicas != nil {
		n = int64(*d.Spec.Replicas)
	}
	x.becomes(f, r, next, n)
	return x.judged(x.staying)
}

func jobItem(f *Facts, r Request, j *batchv1.Job) Item {
	x := Item{Workload: Ref{"Job", j.Namespace, j.Name, j.UID}, Strategy: Suspend, Pods: int(j.Status.Active), Danger: "its pods end, and their work since they started is lost",
		Why: "it is suspended, its template is changed, and it is resumed: its pods begin anew"}
	x.Owner = x.Workload
	x.costs(f, r, slices.DeleteFunc(slices.Clone(f.Pods), func(p *corev1.Pod) bool { return controllerUID(p) != j.UID })...)
	target, why := targetNode(f, r)
	switch {
	case r.To == ToECI && target == nil:
		return x.staying("%s", why)
	case f.Minor > 0 && f.Minor < 36 && j.Status.StartTime != nil:
		return x.staying("the API server is of version 1.%d, and before 1.36 a Job that has started can't be changed", f.Minor)
	}
	if target != nil {
		next := podOf(&j.Spec.Template)
		target = f.nodeFor(r, next, next)
		x.Node = target.Name
	}
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return x.settled("it has ended")
		}
	}
	placed := placeAt(&j.Spec.Template.Spec, r.To, target)
	if placed.placedAs(templateFields(&j.Spec.Template.Spec)) {
		return x.settled("its template says so already")
	}
	x.Change = jobChange(j, placed)
	next := templated(j.Namespace, j.Name, &j.Spec.Template, placed)
	x.Checks = podChecks(f, r, next, next, target)
	x.becomes(f, r, next, int64(max(1, j.Status.Active)))
	return x.judged(x.staying)
}

func cronJobItem(f *Facts, r Request, j *batchv1.CronJob) Item {
	x := Item{Workload: Ref{"CronJob", j.Namespace, j.Name, j.UID}, Strategy: Template, Pods: 1, Why: "its template is changed, for its future runs; what runs now is left to end"}
	x.Owner = x.Workload
	target, why := targetNode(f, r)
	if r.To == ToECI && target == nil {
		return x.staying("%s", why)
	}
	if target != nil {
		next := podOf(&j.Spec.JobTemplate.Spec.Template)
		target = f.nodeFor(r, next, next)
		x.Node = target.Name
	}
	t := &j.Spec.JobTemplate.Spec.Template
	placed := placeAt(&t.Spec, r.To, target)
	if placed.placedAs(templateFields(&t.Spec)) {
		return x.settled("its template says so already")
	}
	x.Change = &Change{Before: cronJobFields(j), During: placed, After: placed}
	next := templated(j.Namespace, j.Name, t, placed)
	x.Checks = append(podChecks(f, r, next, next, target), gitOps("CronJob "+j.Name, j.Annotations, j.Labels, true)...)
	// It costs nothing between its runs, so that no sum has what one costs an hour.
	x.costs(f, r)
	if r.To == ToECI {
		x.Size = f.size(next)
	}
	return x.judged(x.staying)
}

// restarted decides how a pod is moved whose successor can't run beside it.
func restarted(f *Facts, r Request, x Item, pod *corev1.Pod, target *corev1.Node) Item {
	x.Strategy, x.Danger = Restart, "it ends before its successor starts"
	x.Grace = int(graceOf(pod) / time.Second)
	x.Why = "it is evicted, and an admission policy sends its successor to " + cmpOr(x.Node, "real nodes") + ": it is missing until then"
	next := pod.DeepCopy()
	next.Spec.NodeName = ""
	set := f.Sets[x.Owner.UID]
	switch {
	case x.Owner.Kind == "StatefulSet" && set == nil:
		return x.staying("%s", f.lacks("its StatefulSet "+x.Owner.Name, x.Owner.UID, "it will be deleted"))
	case x.Owner.Kind == "StatefulSet":
		x.Workload.UID = set.UID
		next = templated(pod.Namespace, pod.Name, &set.Spec.Template, placeAt(&set.Spec.Template.Spec, r.To, target))
		next.Spec.Volumes = pod.Spec.Volumes // with those of its claim templates
	case x.Owner.Kind != "ReplicaSet" && !slices.ContainsFunc(f.space(pod.Namespace).Budgets, func(b *policyv1.PodDisruptionBudget) bool { return covers(b, pod.Labels) }):
		return x.staying("%s %s is an operator's, no budget protects its pods, and it may not bear to lose one: give them a PodDisruptionBudget, or change the template there", x.Owner.Kind, x.Owner.Name)
	}
	home := r.To == ToECS && set != nil
	atHome := home && off(&set.Spec.Template.Spec).placedAs(templateFields(&set.Spec.Template.Spec))
	switch {
	case home && !atHome:
		x.Strategy, x.Why = Ordinals, "the template of StatefulSet "+set.Name+" lets it onto ECI and is changed; then its pods are evicted one by one"
	case f.NoPolicy == "":
		x.Policy = "policy" // named when the operation is
	case atHome:
		x.Why = "it is evicted, and comes back where its template says: it is missing until then"
	case set != nil:
		x.Strategy, x.Why = Ordinals, "the template of StatefulSet "+set.Name+" is changed, for good, and its pods are evicted one by one ("+f.NoPolicy+")"
	default:
		return x.staying("%s, so its successor can't be sent anywhere", f.NoPolicy)
	}
	if set != nil {
		x.Checks = append(x.Checks, setChecks(set, x.Strategy)...)
	} else if r.To == ToECI {
		// While the policy steers, whatever pod that controller makes goes there.
		x.Checks = append(x.Checks, Check{"steering", Info, "until it has moved every pod that " + x.Owner.Kind + " " + x.Owner.Name + " makes goes to ECI", ""})
	}
	x.Checks = append(x.Checks, Check{"gap", Warn, "it is missing from its eviction until its successor is Ready: " + x.gap(pod, f, r), ""})
	if why := f.Volumes[pod.UID][x.Node]; why != "" {
		x.Checks = append(x.Checks, Check{"volumes", Block, why, "use a shared file system (NAS), or a virtual node in that zone"})
	}
	if r.To == ToECS {
		if why := f.roomFor(next); why != "" {
			x.Checks = append(x.Checks, Check{"room", Block, "no real node has room for it now: " + why, "make room first: what ends before its successor starts can't be taken back"})
		}
	}
	if x.Strategy == Ordinals || x.Policy != "" && r.To == ToECI {
		open2(&next.Spec, target)
	}
	x.Checks = append(append(x.Checks, never(f, pod)...), podChecks(f, r, pod, next, target)...)
	x.becomes(f, r, next, 1)
	return x.judged(x.staying)
}

// open2 is open, for a node that may be none.
func open2(spec *corev1.PodSpec, node *corev1.Node) {
	if node != nil {
		open(spec, node)
	}
}

// gap is how long a restarted pod will be missing, in words.
func (i *Item) gap(pod *corev1.Pod, f *Facts, r Request) string {
	start := int(startup.Seconds())
	if took := tookToBeReady(f.Siblings[controllerUID(pod)], f.Virtual, r.To == ToECI); took > 0 {
		start = took
	}
	return fmt.Sprintf("up to %d s to end and about %d s to start", i.Grace, start)
}

// graceOf is how long a pod may take to end.
func graceOf(pod *corev1.Pod) time.Duration {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	for _, given := range []*int64{pod.Spec.TerminationGracePeriodSeconds, pod.DeletionGracePeriodSeconds} {
		if given != nil {
			seconds = *given
		}
	}
	return time.Duration(seconds) * time.Second
}

// cloned decides about a pod that has no controller.
func cloned(f *Facts, r Request, x Item, pod *corev1.Pod, target *corev1.Node) Item {
	name := cloneName(pod.Name, r.To)
	if r.How != Clone {
		return x.staying("nobody would make it anew: it has no controller, and its name is its identity; --how clone makes a copy %s, and evicts it then", name)
	}
	x.Strategy, x.Why, x.Danger = Clone, "a copy "+name+" is Ready before it is evicted; its name changes", "its name changes, and nobody makes it anew"
	next := cloneOf(pod, &x, r.To, "0", f.Virtual)
	for _, s := range selecting(f.space(pod.Namespace).Services, next) {
		x.Services = append(x.Services, s.Name)
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(next.Spec.ReadinessGates) == 0 {
			x.Settle = loadBalancerSettle
		}
	}
	x.Checks = slices.Concat(sharedVolumes(f.space(pod.Namespace), next), lostData(pod), podChecks(f, r, pod, next, target))
	x.becomes(f, r, next, 1)
	return x.judged(x.staying)
}
