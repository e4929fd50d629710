package provider

import (
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	corev1informers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// quietPods keeps from Virtual Kubelet the updates that mean nothing to it: it would compare
// the pods whole and by reflection to find that only a status or an annotation changed, of
// which each pod that starts has a few.
type quietPods struct{ corev1informers.PodInformer }

func (q quietPods) Informer() cache.SharedIndexInformer {
	return quietInformer{q.PodInformer.Informer()}
}

type quietInformer struct{ cache.SharedIndexInformer }

func (q quietInformer) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return q.SharedIndexInformer.AddEventHandler(quietHandler{handler})
}

type quietHandler struct{ cache.ResourceEventHandler }

func (h quietHandler) OnUpdate(old, current any) {
	if matters(old.(*corev1.Pod), current.(*corev1.Pod)) {
		h.ResourceEventHandler.OnUpdate(old, current)
	}
}

// matters tells that a running pod was changed in a way that its node may act on: another pod
// of the same name, a deletion, or what may be changed of a spec.
func matters(old, current *corev1.Pod) bool {
	return old.UID != current.UID ||
		!old.DeletionTimestamp.Equal(current.DeletionTimestamp) ||
		!apiequality.Semantic.DeepEqual(old.DeletionGracePeriodSeconds, current.DeletionGracePeriodSeconds) ||
		!apiequality.Semantic.DeepEqual(&old.Spec, &current.Spec)
}
