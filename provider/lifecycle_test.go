package provider

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

func TestADefaultPodRunsAndItsDeletionEndsWithItsContainers(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" || pod.Status.HostIP != pod.Status.PodIP {
			t.Errorf("status %+v", pod.Status)
		}
		if got := pod.Annotations[eci.AnnotationInstanceID]; len(b.live()) != 1 || got != b.live()[0].ID {
			t.Errorf("instance id %q, groups %+v", got, b.live())
		}
		b.delete(pod)
		if took := b.until("pod gone", time.Minute, func() bool { return b.get(pod) == nil }); took > 5*time.Second {
			t.Errorf("the deletion took %v of a grace period of 30s; its containers stop in 500ms", took)
		}
		b.until("group gone", time.Minute, func() bool { return len(b.live()) == 0 })
	})
}
