package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	appsv1 "k8s.io/api/apps/v1"
)

// Read asks the API server for all that a plan rests on. It changes nothing. A target that
// does not exist is an error; what else can't be read is in Facts.Unread.
func Read(ctx context.Context, client kubernetes.Interface, r Request, now time.Time) (*Facts, error) {
	f := &Facts{Now: now, Siblings: map[types.UID][]*corev1.Pod{}, ReplicaSets: map[types.UID]*appsv1.ReplicaSet{},
		Deployments: map[string]*appsv1.Deployment{}, Namespaces: map[string]*Space{}, Filtered: map[string]string{}, Skipped: map[string]string{}}
	var err error
	if f.Virtual, err = virtualNodes(ctx, client); err != nil {
		return nil, err
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
	for _, pod := range f.Pods {
		f.surround(ctx, client, pod)
	}
	if r.To == ToECI {
		events, err := client.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "reason=NoStock", Limit: 500})
		if !f.unread("events about missing stock", err) {
			for i := range events.Items {
				if e := &events.Items[i]; e.Reason == "NoStock" && e.LastTimestamp.After(f.NoStock) {
					f.NoStock = e.LastTimestamp.Time
				}
			}
		}
	}
	f.rights(ctx, client, r)
	return f, nil
}

func (f *Facts) unread(what string, err error) bool {
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
	read := func(err error) error { return fmt.Errorf("reading %s: %w", t, err) }
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
		return list(d.Spec.Selector, func(p *corev1.Pod) bool {
			c := metav1.GetControllerOf(p)
			return c != nil && c.Kind == "ReplicaSet" && strings.HasPrefix(c.Name, d.Name+"-")
		})
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
		return list(j.Spec.Selector, by(j.UID))
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
	return nil, fmt.Errorf("a %s can't be moved: name pods, a Deployment, a ReplicaSet, a StatefulSet, a Job or a node", t.Kind)
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
func (f *Facts) surround(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) {
	space := f.Namespaces[pod.Namespace]
	if space == nil {
		space = f.readSpace(ctx, client, pod.Namespace)
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
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != "ReplicaSet" || f.ReplicaSets[owner.UID] != nil {
		return
	}
	rs, err := client.AppsV1().ReplicaSets(pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || f.unread("ReplicaSet "+owner.Name, err) || rs.UID != owner.UID {
		return
	}
	f.ReplicaSets[rs.UID] = rs
	list, err := client.CoreV1().Pods(rs.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(rs.Spec.Selector)})
	if !f.unread("the pods of ReplicaSet "+rs.Name, err) {
		for i := range list.Items {
			if p := &list.Items[i]; alive(p) && metav1.IsControlledBy(p, rs) {
				f.Siblings[rs.UID] = append(f.Siblings[rs.UID], p)
			}
		}
	}
	if above := metav1.GetControllerOf(rs); above != nil && above.Kind == "Deployment" {
		d, err := client.AppsV1().Deployments(rs.Namespace).Get(ctx, above.Name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) && !f.unread("Deployment "+above.Name, err) && d.UID == above.UID {
			f.Deployments[d.Namespace+"/"+d.Name] = d
		}
	}
}

func (f *Facts) readSpace(ctx context.Context, client kubernetes.Interface, name string) *Space {
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

// rights asks beforehand for every right that the operation needs.
func (f *Facts) rights(ctx context.Context, client kubernetes.Interface, r Request) {
	type right struct {
		verb, group, resource, sub, namespace string
		optional                              bool
	}
	var all []right
	for _, namespace := range sortedKeys(f.Namespaces) {
		all = append(all,
			right{"create", "", "pods", "", namespace, false}, right{"delete", "", "pods", "", namespace, false}, right{"patch", "", "pods", "", namespace, false},
			right{"create", "", "pods", "eviction", namespace, false},
			right{"create", "coordination.k8s.io", "leases", "", namespace, false}, right{"update", "coordination.k8s.io", "leases", "", namespace, false})
		if slices.ContainsFunc(f.Pods, func(p *corev1.Pod) bool { return p.Spec.NodeName == "" }) && r.To == ToECI {
			all = append(all, right{"create", "", "pods", "binding", namespace, false})
		}
	}
	home := metav1.NamespaceSystem
	if f.Drained == nil && len(f.Pods) > 0 {
		home = f.Pods[0].Namespace
	}
	all = append(all, right{"create", "", "configmaps", "", home, true}, right{"patch", "", "configmaps", "", home, true})
	if f.Drained != nil {
		all = append(all, right{"patch", "", "nodes", "", "", false}, right{"create", "coordination.k8s.io", "leases", "", home, false})
	}
	for _, x := range all {
		review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: x.namespace, Verb: x.verb, Group: x.group, Resource: x.resource, Subresource: x.sub}}}, metav1.CreateOptions{})
		if f.unread("what you may do", err) {
			return
		}
		if review.Status.Allowed {
			continue
		}
		text := x.verb + " " + x.resource
		if x.sub != "" {
			text += "/" + x.sub
		}
		if x.namespace != "" {
			text += " in namespace " + x.namespace
		}
		if x.optional {
			text += optional
		}
		f.Denied = append(f.Denied, text)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Rehearse tells a plan's API server what would be created, as a dry run: quotas, policies
// and webhooks have their say before anything happens. What they refuse becomes a check that
// blocks, and items that depend on it stay.
func Rehearse(ctx context.Context, client kubernetes.Interface, f *Facts, p *Plan) {
	refused := map[types.UID]string{}
	for i := range p.Items {
		x := &p.Items[i]
		if x.Strategy != Swap {
			continue
		}
		why, tried := refused[x.Owner.UID]
		if !tried {
			pod := SurgePod(f.ReplicaSets[x.Owner.UID], x, p.To, "rehearsal", f.Virtual)
			made, err := client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: Manager})
			switch {
			case err != nil:
				why = "a surge pod would be refused: " + err.Error()
			case made.Labels[x.Hidden] != "":
				why = "a webhook or policy adds the label " + x.Hidden + " to new pods, so that its ReplicaSet would delete the surge pod at once"
			}
			refused[x.Owner.UID] = why
		}
		if why != "" {
			x.Checks = append(x.Checks, Check{"rehearsal", Block, why, ""})
			x.Strategy, x.State, x.Why, x.After = Stay, Stays, why, x.Before
		}
	}
	p.sum()
}
