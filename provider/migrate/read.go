package migrate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/placement"

	appsv1 "k8s.io/api/apps/v1"
)

// Read asks the API server for all that a plan rests on. It changes nothing. A target that
// does not exist is an error, and so is an API server that is not reached: a plan that lacks
// half of the cluster would move what it must not. What else can't be read is in Facts.Unread.
//
// extra reads what others have installed: CronHPAs, ScaledObjects, ResourcePolicies and the
// like; nil reads none of it.
func Read(ctx context.Context, client kubernetes.Interface, extra dynamic.Interface, r Request, now time.Time) (*Facts, error) {
	f := &Facts{Now: now, Site: r.Site, Siblings: map[types.UID][]*corev1.Pod{}, ReplicaSets: map[types.UID]*appsv1.ReplicaSet{},
		Deployments: map[string]*appsv1.Deployment{}, Sets: map[types.UID]*appsv1.StatefulSet{}, Jobs: map[types.UID]*batchv1.Job{}, CronJobs: map[types.UID]*batchv1.CronJob{},
		Volumes: map[types.UID]map[string]string{}, OnVirtual: map[string]int{}, Namespaces: map[string]*Space{}, Filtered: map[string]string{}, Skipped: map[string]string{}, Withheld: map[types.UID]string{}, profiles: map[string]placement.Profile{}}
	var err error
	if f.Virtual, err = virtualNodes(ctx, client); err != nil {
		return nil, err
	}
	for _, node := range f.Virtual {
		profile, err := burst.Defaults(ctx, client, node)
		if !f.unread("the defaults of pods on node "+node.Name+", without which sizes and prices are told", err) {
			f.profiles[node.Name] = profile
		}
	}
	seen := map[types.UID]bool{}
	for _, t := range r.Targets {
		pods, err := podsOf(ctx, client, f, t, r)
		if err != nil {
			return nil, err
		}
		for _, pod := range pods {
			if !seen[pod.UID] {
				seen[pod.UID] = true
				f.Pods = append(f.Pods, pod)
			}
		}
	}
	targets := openNodes(f, r)
	for _, pod := range f.Pods {
		f.surround(ctx, client, extra, pod, targets)
	}
	for _, t := range f.Whole {
		if f.Namespaces[t.Namespace] == nil {
			f.Namespaces[t.Namespace] = f.readSpace(ctx, client, extra, t.Namespace)
		}
	}
	f.readNodes(ctx, client, r)
	f.Skew = skew(ctx, client)
	if info, err := client.Discovery().ServerVersion(); !f.unread("the API server's version", err) {
		f.Minor, _ = strconv.Atoi(strings.TrimRight(info.Minor, "+")) // of what is no number nothing is known
	}
	if r.To == ToECI {
		// The second is the reason of pods that fail at once where others wait, as surge pods do.
		for _, reason := range []string{"NoStock", "ContainerInstanceScheduleFailed"} {
			events, err := client.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason, Limit: 500})
			if f.unread("events about missing stock", err) {
				break
			}
			for i := range events.Items {
				if e := &events.Items[i]; e.Reason == reason && e.LastTimestamp.After(f.NoStock) {
					f.NoStock, f.Lacked = e.LastTimestamp.Time, e.Message
				}
			}
		}
	}
	if r.How == Restart || slices.ContainsFunc(f.Pods, func(p *corev1.Pod) bool {
		c := metav1.GetControllerOf(p)
		return c != nil && !slices.Contains([]string{"ReplicaSet", "DaemonSet", "Job"}, kindOf(c))
	}) {
		f.NoPolicy = f.steering(ctx, client)
	}
	if f.away != nil {
		return nil, fmt.Errorf("reading what a plan rests on: %w", f.away)
	}
	return f, nil
}

func (f *Facts) unread(what string, err error) bool {
	if unreached(err) {
		f.away = fmt.Errorf("%s: %w", what, err)
	}
	if err != nil {
		text := fmt.Sprintf("%s: %v", what, err)
		if !slices.Contains(f.Unread, text) {
			f.Unread = append(f.Unread, text)
		}
	}
	return err != nil
}

// podsOf are the pods of one target.
func podsOf(ctx context.Context, client kubernetes.Interface, f *Facts, t Ref, r Request) ([]*corev1.Pod, error) {
	list := func(selector *metav1.LabelSelector, owner func(*corev1.Pod) bool) ([]*corev1.Pod, error) {
		all, err := client.CoreV1().Pods(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector)})
		if err != nil {
			return nil, fmt.Errorf("listing the pods of %s: %w", t, err)
		}
		var pods []*corev1.Pod
		for i := range all.Items {
			if owner(&all.Items[i]) {
				pods = append(pods, &all.Items[i])
			}
		}
		return pods, nil
	}
	read := func(err error) error {
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("there is no %s: it is gone, or has another name or namespace (-n): %w", t, err)
		}
		return fmt.Errorf("reading %s: %w", t, err)
	}
	by := func(uid types.UID) func(*corev1.Pod) bool {
		return func(p *corev1.Pod) bool { c := metav1.GetControllerOf(p); return c != nil && c.UID == uid }
	}
	switch t.Kind {
	case "Pod":
		pod, err := client.CoreV1().Pods(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, read(err)
		}
		if t.UID != "" && pod.UID != t.UID {
			return nil, fmt.Errorf("pod %s is another one than before: it was made anew", t.Name)
		}
		return []*corev1.Pod{pod}, nil
	case "Deployment":
		d, err := client.AppsV1().Deployments(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, read(err)
		}
		f.Deployments[d.Namespace+"/"+d.Name] = d
		f.Whole = append(f.Whole, Ref{"Deployment", d.Namespace, d.Name, d.UID})
		// By UID: the selector may take pods of another Deployment, too, whose name begins alike.
		all, err := client.AppsV1().ReplicaSets(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
		if err != nil {
			return nil, fmt.Errorf("listing the ReplicaSets of %s: %w", t, err)
		}
		own := map[types.UID]bool{}
		for i := range all.Items {
			own[all.Items[i].UID] = metav1.IsControlledBy(&all.Items[i], d)
		}
		return list(d.Spec.Selector, func(p *corev1.Pod) bool { return own[controllerUID(p)] })
	case "ReplicaSet":
		rs, err := client.AppsV1().ReplicaSets(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, read(err)
		}
		return list(rs.Spec.Selector, by(rs.UID))
	case "StatefulSet":
		s, err := client.AppsV1().StatefulSets(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, read(err)
		}
		return list(s.Spec.Selector, by(s.UID))
	case "Job":
		j, err := client.BatchV1().Jobs(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, read(err)
		}
		f.Jobs[j.UID] = j
		f.Whole = append(f.Whole, Ref{"Job", j.Namespace, j.Name, j.UID})
		return list(j.Spec.Selector, by(j.UID))
	case "CronJob":
		j, err := client.BatchV1().CronJobs(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, read(err)
		}
		f.CronJobs[j.UID] = j
		f.Whole = append(f.Whole, Ref{"CronJob", j.Namespace, j.Name, j.UID})
		return nil, nil
	case "Namespace":
		all, err := client.CoreV1().Pods(t.Name).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=,status.phase=Pending"})
		if err != nil {
			return nil, fmt.Errorf("listing the pods without a node of %s: %w", t, err)
		}
		var pods []*corev1.Pod
		for i := range all.Items {
			if p := &all.Items[i]; p.Spec.NodeName == "" && p.Status.Phase == corev1.PodPending {
				pods = append(pods, p)
			}
		}
		return pods, nil
	case "Node":
		node, err := client.CoreV1().Nodes().Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, read(err)
		}
		if f.Drained != nil {
			return nil, fmt.Errorf("one node at a time: drain %s when %s is empty", t.Name, f.Drained.Name)
		}
		f.Drained = node
		return f.onNode(ctx, client, r)
	}
	return nil, fmt.Errorf("a %s can't be moved: name pods, a Deployment, a ReplicaSet, a StatefulSet, a Job, a CronJob, a namespace or a node", t.Kind)
}

// onNode are the pods of the drained node, judged by kubectl drain's own filters.
func (f *Facts) onNode(ctx context.Context, client kubernetes.Interface, r Request) ([]*corev1.Pod, error) {
	all, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + f.Drained.Name})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of node %s: %w", f.Drained.Name, err)
	}
	var pods []*corev1.Pod
	for i := range all.Items {
		if all.Items[i].Spec.NodeName == f.Drained.Name {
			pods = append(pods, &all.Items[i])
		}
	}
	helper := &drain.Helper{Ctx: ctx, Client: client, Force: r.Force, IgnoreAllDaemonSets: r.IgnoreDaemonSets, DeleteEmptyDirData: r.DeleteEmptyDirData,
		GracePeriodSeconds: -1, ChunkSize: 500}
	passed, refused := helper.GetPodsForDeletion(f.Drained.Name)
	if passed == nil {
		return nil, fmt.Errorf("asking kubectl's filters about node %s: %w", f.Drained.Name, refused[0])
	}
	goes := map[string]bool{}
	for _, pod := range passed.Pods() {
		goes[pod.Namespace+"/"+pod.Name] = true
	}
	for _, err := range refused {
		text := strings.TrimPrefix(err.Error(), "cannot delete ")
		if at := strings.LastIndex(text, ": "); at > 0 {
			for name := range strings.SplitSeq(text[at+2:], ", ") {
				f.Filtered[name] = "kubectl drain would not delete " + text[:at]
			}
		}
	}
	for _, pod := range pods {
		if name := pod.Namespace + "/" + pod.Name; !goes[name] && f.Filtered[name] == "" {
			f.Skipped[name] = "kubectl drain leaves it: a pod of a DaemonSet or a static pod"
		}
	}
	return pods, nil
}

// surround reads what is around a pod.
func (f *Facts) surround(ctx context.Context, client kubernetes.Interface, extra dynamic.Interface, pod *corev1.Pod, targets []*corev1.Node) {
	space := f.Namespaces[pod.Namespace]
	if space == nil {
		space = f.readSpace(ctx, client, extra, pod.Namespace)
		f.Namespaces[pod.Namespace] = space
	}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil || space.Claims[v.PersistentVolumeClaim.ClaimName] != nil {
			continue
		}
		claim, err := client.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, v.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if !f.unread("claim "+v.PersistentVolumeClaim.ClaimName, err) {
			space.Claims[claim.Name] = claim
		}
	}
	owner, kind := metav1.GetControllerOf(pod), ""
	if owner != nil {
		kind = kindOf(owner)
	}
	if len(targets) > 0 && (kind != "ReplicaSet" || pod.Spec.NodeName == "") {
		if why, err := burst.Reach(ctx, client, pod, targets...); !f.unread("the volumes of pod "+pod.Name, err) {
			for i, n := range targets {
				if why[i] != "" && f.Volumes[pod.UID] == nil {
					f.Volumes[pod.UID] = map[string]string{}
				}
				if why[i] != "" {
					f.Volumes[pod.UID][n.Name] = why[i]
				}
			}
		}
	}
	if kind == "StatefulSet" && f.Sets[owner.UID] == nil {
		set, err := client.AppsV1().StatefulSets(pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
		if f.lost("StatefulSet", owner, err) || set.UID != owner.UID {
			return
		}
		f.Sets[set.UID] = set
		f.readSiblings(ctx, client, pod.Namespace, set.UID, set.Spec.Selector, "StatefulSet "+set.Name)
		return
	}
	if kind != "ReplicaSet" || f.ReplicaSets[owner.UID] != nil {
		return
	}
	rs, err := client.AppsV1().ReplicaSets(pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	if f.lost("ReplicaSet", owner, err) || rs.UID != owner.UID {
		return
	}
	f.ReplicaSets[rs.UID] = rs
	f.readSiblings(ctx, client, rs.Namespace, rs.UID, rs.Spec.Selector, "ReplicaSet "+rs.Name)
	if above := metav1.GetControllerOf(rs); above != nil && kindOf(above) == "Deployment" {
		d, err := client.AppsV1().Deployments(rs.Namespace).Get(ctx, above.Name, metav1.GetOptions{})
		if !f.lost("Deployment", above, err) && d.UID == above.UID {
			f.Deployments[d.Namespace+"/"+d.Name] = d
		}
	}
}

// lost tells that there is no controller in an answer: it is gone, or it could not be read.
func (f *Facts) lost(kind string, owner *metav1.OwnerReference, err error) bool {
	if apierrors.IsNotFound(err) {
		return true
	}
	if f.unread(kind+" "+owner.Name, err) {
		f.Withheld[owner.UID] = err.Error()
		return true
	}
	return false
}

// readSiblings reads the living pods of a controller.
func (f *Facts) readSiblings(ctx context.Context, client kubernetes.Interface, namespace string, owner types.UID, selector *metav1.LabelSelector, who string) {
	list, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector)})
	if f.unread("the pods of "+who, err) {
		return
	}
	for i := range list.Items {
		if p := &list.Items[i]; alive(p) && controllerUID(p) == owner {
			f.Siblings[owner] = append(f.Siblings[owner], p)
		}
	}
}

// readNodes reads what the virtual nodes hold, which agents real nodes have, and, where pods
// that end before their successors start are to go there, the room on real nodes.
func (f *Facts) readNodes(ctx context.Context, client kubernetes.Interface, r Request) {
	if r.To == ToECI {
		for _, n := range f.Virtual {
			// Metadata would do, but the fields of pods can't be selected without pods.
			list, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + n.Name, ResourceVersion: "0"})
			if !f.unread("the pods of node "+n.Name, err) {
				for i := range list.Items {
					if list.Items[i].Spec.NodeName == n.Name && alive(&list.Items[i]) {
						f.OnVirtual[n.Name]++
					}
				}
			}
		}
		list, err := client.AppsV1().DaemonSets(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if !f.unread("DaemonSets", err) {
			for i := range list.Items {
				if list.Items[i].Status.DesiredNumberScheduled > 0 {
					f.Agents = append(f.Agents, list.Items[i].Name)
				}
			}
		}
	}
	if r.To != ToECS || !slices.ContainsFunc(f.Pods, func(p *corev1.Pod) bool { c := metav1.GetControllerOf(p); return c != nil && kindOf(c) != "ReplicaSet" }) {
		return
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if f.unread("the nodes", err) {
		return
	}
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if f.unread("the pods of all nodes", err) {
		return
	}
	f.Real = rooms(pointers(nodes.Items), pointers(pods.Items))
}

func (f *Facts) readSpace(ctx context.Context, client kubernetes.Interface, extra dynamic.Interface, name string) *Space {
	s := &Space{Claims: map[string]*corev1.PersistentVolumeClaim{}}
	o := metav1.ListOptions{}
	if namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); !f.unread("namespace "+name, err) {
		s.Object = namespace
	}
	if list, err := client.CoreV1().Services(name).List(ctx, o); !f.unread("the Services of namespace "+name, err) {
		s.Services = pointers(list.Items)
	}
	if list, err := client.PolicyV1().PodDisruptionBudgets(name).List(ctx, o); !f.unread("the budgets of namespace "+name, err) {
		s.Budgets = pointers(list.Items)
	}
	if list, err := client.CoreV1().ResourceQuotas(name).List(ctx, o); !f.unread("the quotas of namespace "+name, err) {
		s.Quotas = pointers(list.Items)
	}
	if list, err := client.NetworkingV1().NetworkPolicies(name).List(ctx, o); !f.unread("the network policies of namespace "+name, err) {
		s.Policies = pointers(list.Items)
	}
	if list, err := client.CoreV1().LimitRanges(name).List(ctx, o); !f.unread("the limit ranges of namespace "+name, err) {
		s.Ranges = pointers(list.Items)
	}
	f.readExtras(ctx, extra, s, name)
	if list, err := client.AutoscalingV2().HorizontalPodAutoscalers(name).List(ctx, o); !f.unread("the autoscalers of namespace "+name, err) {
		s.HPAs = pointers(list.Items)
	}
	return s
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}

// policies says why the API server has no mutating admission policies, or "".
func (f *Facts) policies(client kubernetes.Interface) string {
	list, err := client.Discovery().ServerResourcesForGroupVersion(admissionv1.SchemeGroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		f.unread("the kinds of the API server", err)
	}
	if list != nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == "mutatingadmissionpolicies" }) {
		return ""
	}
	return "the API server has no MutatingAdmissionPolicy, which is from Kubernetes 1.36 on"
}

// Rehearse tells a plan's API server what would be created, as a dry run: quotas, policies
// and webhooks have their say before anything happens. What they refuse becomes a check that
// blocks, and items that depend on it stay. That nobody answered is an error, and no refusal.
func Rehearse(ctx context.Context, client kubernetes.Interface, f *Facts, p *Plan) error {
	type answer struct {
		why   string
		check *Check
		made  *corev1.Pod // as admission changed it, where ECI bills it otherwise
	}
	refused := map[types.UID]answer{}
	for i := range p.Items {
		x := &p.Items[i]
		why := ""
		switch x.Strategy {
		case Swap:
			said, tried := refused[x.Owner.UID]
			if !tried {
				pod := SurgePod(f.ReplicaSets[x.Owner.UID], x, p.To, "rehearsal", f.Virtual)
				made, err := client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: Manager})
				switch {
				case unreached(err):
					return fmt.Errorf("rehearsing the creation of a surge pod: %w", err)
				case err != nil:
					said.why = "a surge pod would be refused: " + err.Error()
				case made.Labels[x.Hidden] != "":
					said.why = "a webhook or policy adds the label " + x.Hidden + " to new pods, so that its ReplicaSet would delete the surge pod at once"
				default:
					if said.check = injected(f.sized(pod), f.sized(made), regionOf(f), p.To); said.check != nil {
						said.made = made
					}
				}
				refused[x.Owner.UID] = said
			}
			if why = said.why; said.check != nil {
				x.Checks = append(x.Checks, *said.check)
				x.becomes(f, Request{To: p.To, Site: f.Site}, said.made, 1) // what is paid is what runs
			}
		case Rollout:
			d := f.Deployments[x.Workload.Namespace+"/"+x.Workload.Name]
			if d == nil {
				continue // an undo; its first step tells
			}
			_, err := client.AppsV1().Deployments(d.Namespace).Patch(ctx, d.Name, types.JSONPatchType, jsonPatch(d.UID, d.ResourceVersion, "/spec/template/spec", deploymentFields(d), x.Change.During),
				metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: Manager})
			if unreached(err) {
				return fmt.Errorf("rehearsing the change of Deployment %s: %w", d.Name, err)
			}
			if err != nil && !lost(err) {
				why = "the change would be refused: " + err.Error()
			}
		}
		if why != "" {
			x.Checks = append(x.Checks, Check{"rehearsal", Block, why, ""})
			x.Strategy, x.State, x.Why, x.After = Stay, Stays, why, x.Before
		}
	}
	err := verdicts(ctx, client, f, p)
	p.sum()
	return err
}

// verdicts ask what would be said of each eviction now, of a few pods of each workload: a
// refusal is no obstacle to a swap, whose surge pod counts for the budget.
func verdicts(ctx context.Context, client kubernetes.Interface, f *Facts, p *Plan) error {
	const most = 2
	asked := map[string]int{}
	for i := range p.Items {
		x := &p.Items[i]
		if x.Strategy != Swap && x.Strategy != Restart && x.Strategy != Evict && x.Strategy != Clone || asked[x.Key()] >= most {
			continue
		}
		if len(f.space(x.Pod.Namespace).Budgets) == 0 {
			continue
		}
		at := slices.IndexFunc(f.Pods, func(pod *corev1.Pod) bool { return pod.UID == x.Pod.UID })
		if at < 0 || !slices.ContainsFunc(f.space(x.Pod.Namespace).Budgets, func(b *policyv1.PodDisruptionBudget) bool { return covers(b, f.Pods[at].Labels) }) {
			continue
		}
		asked[x.Key()]++
		err := client.CoreV1().Pods(x.Pod.Namespace).EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: x.Pod.Namespace, Name: x.Pod.Name},
			DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}, Preconditions: &metav1.Preconditions{UID: &x.Pod.UID}}})
		switch {
		case err == nil:
			x.Checks = append(x.Checks, Check{"eviction", Info, "its eviction would be allowed now", ""})
		case apierrors.IsTooManyRequests(err) && (x.Strategy == Swap || x.Strategy == Clone):
			if why := tooSick(f, f.Pods[at]); why != "" {
				x.Checks = append(x.Checks, Check{"eviction", Warn, "its eviction would be refused now, and with a surge pod still: " + why, "make its pods well first"})
				continue
			}
			x.Checks = append(x.Checks, Check{"eviction", Info, "its eviction would be refused now, and is allowed once the surge pod is Ready: " + refusal(err), ""})
		case apierrors.IsTooManyRequests(err):
			x.Checks = append(x.Checks, Check{"eviction", Warn, "its eviction would be refused now: " + refusal(err), "make the budget allow one, or its pods well"})
		case unreached(err):
			return fmt.Errorf("rehearsing the eviction of pod %s: %w", x.Pod.Name, err)
		}
	}
	return nil
}

// tooSick is a budget of a pod that one pod more does not let an eviction happen under; "": none.
func tooSick(f *Facts, pod *corev1.Pod) string {
	for _, b := range f.space(pod.Namespace).Budgets {
		missing := b.Status.DesiredHealthy - b.Status.CurrentHealthy
		if !ready(pod) {
			missing-- // whose eviction takes nothing from what is healthy
		}
		if covers(b, pod.Labels) && missing > 0 {
			return fmt.Sprintf("budget %s has %d healthy pods and needs %d", b.Name, b.Status.CurrentHealthy, b.Status.DesiredHealthy)
		}
	}
	return ""
}

// injected says what admission adds to a pod that ECI would bill, or nil.
func injected(asked, made *corev1.Pod, region string, to Destination) *Check {
	if to != ToECI {
		return nil
	}
	before, refusal := placement.SizeOf(asked, region)
	after, too := placement.SizeOf(made, region)
	if refusal != nil || too != nil || before.Spec() == after.Spec() {
		return nil
	}
	var names []string
	for i := range made.Spec.Containers {
		c := &made.Spec.Containers[i]
		if !slices.ContainsFunc(asked.Spec.Containers, func(a corev1.Container) bool { return a.Name == c.Name }) {
			names = append(names, c.Name)
		}
	}
	who := "limits that admission sets"
	if len(names) > 0 {
		who = "the containers that admission puts in (" + few(names, 5) + ")"
	}
	level := Info
	if after.Billed.CPU >= 2*before.Billed.CPU || after.Billed.Memory >= 2*before.Billed.Memory {
		level = Warn
	}
	return &Check{"injected", level, fmt.Sprintf("with %s it is billed as %s instead of %s", who, after.Spec(), before.Spec()), "name a size in the annotation " + placementUseSpecs + ", or say the limits in the template"}
}
