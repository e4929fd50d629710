package burst

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/placement"
)

// An Explanation says why a pod does or does not burst, in words.
type Explanation struct {
	Marks     Marks
	Scheduler string // what it says of the pod; "": nothing
	Decision  Decision
	Events    []corev1.Event // of bursting, about the pod, the newest first
	Unread    []string       // what could not be read, and with it what may be wrong above
}

// Explain reads what the controller would know of a pod and asks the same functions. It reads
// the cluster as it is now and changes nothing. An error says that not even the beginning
// could be read; what else is missing is in Unread. groups says whether Karpenter is there; nil:
// it is not.
func Explain(ctx context.Context, client kubernetes.Interface, groups Groups, pod *corev1.Pod, now time.Time) (Explanation, error) {
	var e Explanation
	unread := func(what string, err error) bool {
		if err != nil {
			e.Unread = append(e.Unread, fmt.Sprintf("%s: %v", what, err))
		}
		return err != nil
	}
	s := Situation{Now: now, Pod: pod, Policy: Marked, After: -1}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: placement.NodeTypeLabel + "=" + placement.NodeType})
	if err != nil {
		return e, fmt.Errorf("looking for virtual nodes: %w", err)
	}
	settings, ours := Settings{MaxPods: -1}, false
	for i := range list.Items {
		node := &list.Items[i]
		text := node.Annotations[AnnotationSettings]
		if text == "" || unread("the settings of node "+node.Name, json.Unmarshal([]byte(text), &settings)) {
			continue // a vendor's own, which bursts by other rules
		}
		s.Nodes, ours = append(s.Nodes, node), true
		s.Region = node.Labels[corev1.LabelTopologyRegion]
	}
	if ours {
		s.Policy, s.After = settings.Policy, settings.After
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, pod.Namespace, metav1.GetOptions{})
	if !unread("the namespace's marks", err) {
		s.Namespace = namespace
	}
	var failed error
	s.Switch, failed = LoadSwitch(ctx, client.CoreV1())
	unread("whether bursts are stopped", failed)
	e.hear(ctx, client, groups, &s, unread)
	e.Marks = s.Policy.apply(ReadMarks(pod, s.Namespace), pod)
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			e.Scheduler = c.Message
		}
	}
	if e.Decision = Decide(s); !ours && e.Decision.Verb == Hold && e.Decision.Reason == ReasonNoNode {
		e.Decision.Message = "no virtual node of ecideck-node is in the cluster, which would let it burst; a vendor's virtual node decides by itself"
	}
	if e.Decision.Verb == Tolerate || e.Decision.Verb == Bind {
		e.further(ctx, client, s, settings, unread)
	}
	return e, nil
}

// hear reads the events about the pod: ours, and those of an autoscaler.
func (e *Explanation) hear(ctx context.Context, client kubernetes.Interface, groups Groups, s *Situation, unread func(string, error) bool) {
	status, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, clusterAutoscalerStatus, metav1.GetOptions{})
	switch {
	case err == nil && statusAlive(status, s.Now):
		s.Autoscaler.Name = nameClusterAutoscaler
	case !apierrors.IsNotFound(err) && unread("whether the Cluster Autoscaler runs", err):
	}
	if has, err := hasKarpenter(groups); s.Autoscaler.Name == "" && !unread("whether Karpenter runs", err) && has {
		s.Autoscaler.Name = nameKarpenter
	}
	events, err := client.CoreV1().Events(s.Pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(s.Pod.UID)})
	if unread("the pod's events", err) {
		return
	}
	ours := []string{ReasonBurst, ReasonBound, ReasonNotEligible, ReasonWaiting, ReasonStopped, ReasonNoNode, ReasonGuard, ReasonNoStock, ReasonRefused, ReasonKept, ReasonContradictory, ReasonMissed}
	for i := range events.Items {
		event := &events.Items[i]
		s.Autoscaler.Hear(event)
		if slices.Contains(ours, event.Reason) {
			e.Events = append(e.Events, *event)
		}
	}
	slices.SortStableFunc(e.Events, func(a, b corev1.Event) int { return eventTime(&b).Compare(eventTime(&a)) })
}

// further asks what the controller asks before it acts.
func (e *Explanation) further(ctx context.Context, client kubernetes.Interface, s Situation, settings Settings, unread func(string, error) bool) {
	i := slices.IndexFunc(s.Nodes, func(n *corev1.Node) bool { return n.Name == e.Decision.Node })
	if i < 0 {
		return
	}
	node := s.Nodes[i]
	hold := func(reason, why string) bool {
		if why != "" {
			e.Decision = Decision{Verb: Hold, Node: node.Name, Reason: reason, Message: why}
		}
		return why != ""
	}
	bursting, onNode, spaces, err := survey(ctx, client, s, settings)
	if unread("the pods on ECI", err) {
		return
	}
	if e.Decision.Verb == Bind {
		why, err := Volumes(ctx, client, s.Pod, node)
		if unread("the pod's volumes", err) || hold(ReasonKept, why) {
			return
		}
		used := corev1.ResourceList{}
		for _, other := range onNode {
			addRequests(used, Requests(other))
		}
		if hold(ReasonKept, Room(s.Pod, node, used, len(onNode))) {
			return
		}
	}
	if e.Marks.Mode != ECIOnly {
		w := WorkloadOf(s.Pod)
		annotations, err := WorkloadAnnotations(ctx, client, w)
		if unread("the limits of "+w.String(), err) {
			return
		}
		var namespace map[string]string
		if s.Namespace != nil {
			namespace = s.Namespace.Annotations
		}
		profile, err := Defaults(ctx, client, node)
		if unread("the pods' defaults", err) {
			return
		}
		cost := func(pod *corev1.Pod) Cost {
			var own map[string]string
			if space := spaces[pod.Namespace]; space != nil {
				own = space.Labels
			}
			return CostOf(placement.AddsOf(node).To(profile.Apply(pod, own), s.Region), s.Region)
		}
		for _, limits := range PodLimits(settings.Limits(), namespace, w, annotations, s.Pod) {
			var load Load
			for _, other := range bursting {
				if limits.covers(WorkloadOf(other)) {
					load.Add(cost(other))
				}
			}
			if hold(ReasonGuard, limits.Allow(load, cost(s.Pod))) {
				return
			}
		}
	}
	// What the API server refused and what ECI lacks only the controller knows: it has said so.
	if j := slices.IndexFunc(e.Events, func(event corev1.Event) bool { return event.Reason == ReasonRefused || event.Reason == ReasonNoStock }); j >= 0 {
		hold(e.Events[j].Reason, e.Events[j].Message)
		return
	}
	e.Decision.Message += "; ecideck-node does that at once: if it has not, see that it runs"
}

// Defaults is the profile whose defaults a virtual node gives to its pods; an empty one where
// the node names none, or there is none.
func Defaults(ctx context.Context, client kubernetes.Interface, node *corev1.Node) (placement.Profile, error) {
	namespace, name, ok := strings.Cut(placement.AddsOf(node).Profile, "/")
	if !ok {
		return placement.Profile{}, nil
	}
	config, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return placement.Profile{}, nil
	}
	if err != nil {
		return placement.Profile{}, fmt.Errorf("reading ConfigMap %s in %s: %w", name, namespace, err)
	}
	profile, err := placement.ParseProfile(config.Data)
	if err != nil {
		return placement.Profile{}, fmt.Errorf("ConfigMap %s in %s can't be used, and no pod starts on ECI until it is corrected: %w", name, namespace, err)
	}
	return profile, nil
}

// survey lists the pods that burst already, those on the node that is decided for, and the
// namespaces by name.
func survey(ctx context.Context, client kubernetes.Interface, s Situation, settings Settings) (bursting, onNode []*corev1.Pod, byName map[string]*corev1.Namespace, err error) {
	read := func(node string) ([]corev1.Pod, error) {
		list, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
		if err != nil {
			return nil, err
		}
		return list.Items, nil
	}
	spaces, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, nil, err
	}
	byName = map[string]*corev1.Namespace{}
	for i := range spaces.Items {
		byName[spaces.Items[i].Name] = &spaces.Items[i]
	}
	for _, node := range s.Nodes {
		pods, err := read(node.Name)
		if err != nil {
			return nil, nil, nil, err
		}
		for i := range pods {
			pod := &pods[i]
			if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
				continue
			}
			onNode = append(onNode, pod)
			if pod.Annotations[AnnotationSince] != "" || settings.Policy.apply(ReadMarks(pod, byName[pod.Namespace]), pod).Mode == RealFirst {
				bursting = append(bursting, pod)
			}
		}
	}
	waiting, err := read("")
	if err != nil {
		return nil, nil, nil, err
	}
	for i := range waiting {
		if waiting[i].Annotations[AnnotationSince] != "" && waiting[i].UID != s.Pod.UID {
			bursting = append(bursting, &waiting[i])
		}
	}
	return bursting, onNode, byName, nil
}

// addRequests adds requests to a sum.
func addRequests(sum, requests corev1.ResourceList) {
	for name, q := range requests {
		total, ok := sum[name]
		if !ok {
			total = *resource.NewQuantity(0, q.Format)
		}
		total.Add(q)
		sum[name] = total
	}
}
