package provider

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

func TestDeletionCost(t *testing.T) {
	for _, c := range []struct {
		name   string
		group  *eci.Group
		change []func(*corev1.Pod)
		want   string
	}{
		{name: "of a ReplicaSet", change: []func(*corev1.Pod){ownedBy("ReplicaSet")}, want: "-1000"},
		{name: "of another workload", change: []func(*corev1.Pod){ownedBy("CloneSet")}, want: "-1000"},
		{name: "spot stays longer", change: []func(*corev1.Pod){ownedBy("ReplicaSet"), annotated("spot-strategy", "SpotAsPriceGo")}, want: "-900"},
		{name: "spot that fell back is paid as you go", group: &eci.Group{SpotStrategy: "NoSpot"}, change: []func(*corev1.Pod){ownedBy("ReplicaSet"), annotated("spot-strategy", "SpotAsPriceGo")}, want: "-1000"},
		{name: "spot by the region's profile", group: &eci.Group{SpotStrategy: "SpotAsPriceGo"}, change: []func(*corev1.Pod){ownedBy("ReplicaSet")}, want: "-900"},
		{name: "somebody else's value", change: []func(*corev1.Pod){ownedBy("ReplicaSet"), func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.PodDeletionCost: "0"} }}},
		{name: "a StatefulSet shrinks by its own order", change: []func(*corev1.Pod){ownedBy("StatefulSet")}},
		{name: "a Job ends", change: []func(*corev1.Pod){ownedBy("Job")}},
		{name: "nobody's"},
		{name: "an operation's, which nobody controls yet", change: []func(*corev1.Pod){func(p *corev1.Pod) {
			p.Labels[placement.LabelOperation] = "op-1"
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "rs"}}
		}}},
		{name: "on its way out", change: []func(*corev1.Pod){ownedBy("ReplicaSet"), func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }}},
	} {
		if got := deletionCost(healthyPod("web", c.change...), c.group); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// The cost is there before the pod is Ready: a pod that counts as Ready without it would be
// kept longer than one on a real node.
func TestAReadyPodOnECIGoesFirst(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.create(healthyPod("web", ownedBy("ReplicaSet")))
		other := b.create(healthyPod("api", ownedBy("ReplicaSet"), func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.PodDeletionCost: "5"} }))
		b.until("the pod has a cost", time.Minute, func() bool {
			current := b.get(pod)
			if ready(current) && current.Annotations[corev1.PodDeletionCost] == "" {
				t.Error("it was Ready without a cost")
			}
			return current.Annotations[corev1.PodDeletionCost] == costPayAsYouGo
		})
		b.untilReady(pod)
		if got := b.untilReady(other).Annotations[corev1.PodDeletionCost]; got != "5" {
			t.Errorf("somebody's value became %q", got)
		}
	})
}
