package burst

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// The names by which autoscalers are known.
const (
	nameClusterAutoscaler = "the Cluster Autoscaler"
	nameKarpenter         = "Karpenter"

	clusterAutoscalerStatus = "cluster-autoscaler-status" // ConfigMap in kube-system
	clusterAutoscalerAlive  = 10 * time.Minute            // without an update it is gone
	karpenterGroup          = "karpenter.sh"
)

// statusAlive tells that a ConfigMap is a living Cluster Autoscaler's status. It is written every
// few seconds and stays behind when the autoscaler goes.
func statusAlive(config *corev1.ConfigMap, now time.Time) bool {
	if config == nil {
		return false
	}
	text := config.Annotations["cluster-autoscaler.kubernetes.io/last-updated"]
	at, err := time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", text)
	return err != nil || now.Sub(at) < clusterAutoscalerAlive
}

// hasKarpenter tells that the server knows Karpenter's kinds; nil knows none.
func hasKarpenter(groups Groups) (bool, error) {
	if groups == nil {
		return false, nil
	}
	list, err := groups.ServerGroups()
	if err != nil {
		return false, fmt.Errorf("listing the server's API groups: %w", err)
	}
	return slices.ContainsFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == karpenterGroup }), nil
}

// Heard is what an autoscaler's event about a pod says; ok is false for any other event.
// https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
func Heard(e *corev1.Event) (adds, ok bool) {
	if e.InvolvedObject.Kind != "Pod" {
		return false, false
	}
	switch from := e.ReportingController + e.Source.Component; e.Reason {
	case "TriggeredScaleUp":
		return true, true
	case "NotTriggerScaleUp":
		return false, true
	case "Nominated":
		return true, strings.Contains(from, "karpenter")
	case "FailedScheduling":
		return false, strings.Contains(from, "karpenter")
	}
	return false, false
}

// eventTime is when an event happened last.
func eventTime(e *corev1.Event) time.Time {
	latest := e.CreationTimestamp.Time
	for _, t := range []time.Time{e.LastTimestamp.Time, e.EventTime.Time, e.FirstTimestamp.Time} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

// Hear adds an event to what is known of a pod's autoscaler.
func (a *Autoscaler) Hear(e *corev1.Event) {
	adds, ok := Heard(e)
	if !ok {
		return
	}
	at := &a.Refused
	if adds {
		at = &a.Adding
	}
	if t := eventTime(e); t.After(*at) {
		*at = t
	}
}

// hearsay remembers what autoscalers said about pods. Their events are watched only where
// there is an autoscaler.
type hearsay struct {
	client kubernetes.Interface
	tell   func(pod types.NamespacedName) // something was said

	mu        sync.Mutex
	status    *corev1.ConfigMap
	karpenter bool
	listening bool
	said      map[types.UID]Autoscaler
}

func newHearsay(client kubernetes.Interface, tell func(types.NamespacedName)) *hearsay {
	return &hearsay{client: client, tell: tell, said: map[types.UID]Autoscaler{}}
}

// about is what is known for a pod.
func (h *hearsay) about(uid types.UID, now time.Time) Autoscaler {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.said[uid]
	switch {
	case statusAlive(h.status, now):
		a.Name = nameClusterAutoscaler
	case h.karpenter:
		a.Name = nameKarpenter
	default:
		return Autoscaler{}
	}
	return a
}

func (h *hearsay) forget(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.said, uid)
}

// clusterAutoscaler takes the autoscaler's status; nil: it is gone.
func (h *hearsay) clusterAutoscaler(ctx context.Context, status *corev1.ConfigMap) {
	h.mu.Lock()
	h.status = status
	h.mu.Unlock()
	if status != nil {
		h.listen(ctx)
	}
}

// karpenterWorks says that the cluster has Karpenter's kinds.
func (h *hearsay) karpenterWorks(ctx context.Context) {
	h.mu.Lock()
	h.karpenter = true
	h.mu.Unlock()
	h.listen(ctx)
}

// listen watches what autoscalers say from now on, until ctx ends. A second call does nothing.
func (h *hearsay) listen(ctx context.Context) {
	h.mu.Lock()
	listening := h.listening
	h.listening = true
	h.mu.Unlock()
	if listening {
		return
	}
	for _, selector := range []string{
		"involvedObject.kind=Pod,reason=TriggeredScaleUp", "involvedObject.kind=Pod,reason=NotTriggerScaleUp",
		"involvedObject.kind=Pod,reason=Nominated", "involvedObject.kind=Pod,reason=FailedScheduling,reportingComponent=karpenter",
	} {
		factory := informers.NewSharedInformerFactoryWithOptions(h.client, 0, informers.WithTransform(slim),
			informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = selector }))
		// An error is only of an informer that was stopped.
		_, _ = factory.Core().V1().Events().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { h.hear(o.(*corev1.Event)) },
			UpdateFunc: func(_, o any) { h.hear(o.(*corev1.Event)) },
		})
		factory.Start(ctx.Done())
	}
}

func (h *hearsay) hear(e *corev1.Event) {
	if _, ok := Heard(e); !ok {
		return
	}
	h.mu.Lock()
	if len(h.said) > 20_000 { // events outlive their pods
		clear(h.said)
	}
	a := h.said[e.InvolvedObject.UID]
	a.Hear(e)
	h.said[e.InvolvedObject.UID] = a
	h.mu.Unlock()
	h.tell(types.NamespacedName{Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name})
}
