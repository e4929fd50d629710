package provider

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// What a start costs the API server is what limits a burst.
func TestAPodThatStartsAtOnceCostsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.cloud = ecitest.New(ecitest.Options{Seed: 1, Instant: true})
		b.start()
		defer func() { b.stop() }()
		b.until("the node ready", time.Minute, b.isReady)
		pod := b.untilReady(b.create(healthyPod("web", ownedBy("ReplicaSet"))))
		time.Sleep(time.Minute)
		writes := 0
		for _, a := range b.client.Actions() {
			if verb := a.GetVerb(); a.GetResource().Resource == "pods" && (verb == "patch" || verb == "update") {
				writes++
			}
		}
		if writes != 1 || pod.Annotations[eci.AnnotationInstanceID] == "" || pod.Annotations[eci.AnnotationInstanceSpec] == "" || pod.Annotations[corev1.PodDeletionCost] == "" {
			t.Errorf("%d writes, annotations %v", writes, pod.Annotations)
		}
	})
}

func TestOnlyWhatANodeActsOnMatters(t *testing.T) {
	now, later := int64(0), int64(30)
	for _, c := range []struct {
		name   string
		change func(*corev1.Pod)
		want   bool
	}{
		{"nothing", func(*corev1.Pod) {}, false},
		{"a status", func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }, false},
		{"an annotation and a label", func(p *corev1.Pod) { p.Annotations, p.Labels = map[string]string{"a": "b"}, nil }, false},
		{"an image", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "other" }, true},
		{"a toleration", func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Key: "k"}} }, true},
		{"a deadline", func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = &later }, true},
		{"an ephemeral container", func(p *corev1.Pod) { p.Spec.EphemeralContainers = make([]corev1.EphemeralContainer, 1) }, true},
		{"a deletion", func(p *corev1.Pod) { p.DeletionTimestamp = &p.CreationTimestamp }, true},
		{"a shorter grace period", func(p *corev1.Pod) { p.DeletionGracePeriodSeconds = &now }, true},
		{"another pod of the name", func(p *corev1.Pod) { p.UID = "other" }, true},
	} {
		old := healthyPod("web", func(p *corev1.Pod) { p.DeletionGracePeriodSeconds = &later })
		current := old.DeepCopy()
		if c.change(current); matters(old, current) != c.want {
			t.Errorf("%s matters: %v", c.name, !c.want)
		}
	}
}
