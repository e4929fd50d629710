package migrate

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// crowded is a Deployment of n pods, each of which is to be swapped: the most that one key asks
// of a plan, which is there within a second.
func crowded(n int) *Facts {
	f := healthy()
	first, replicas := f.Pods[0], int32(n)
	f.ReplicaSets["rs"].Spec.Replicas = &replicas
	d := f.Deployments["shop/web"]
	d.Spec.Replicas, d.Status.Replicas, d.Status.UpdatedReplicas = &replicas, replicas, replicas
	f.Pods, f.Siblings["rs"] = nil, nil
	for i := range n {
		pod := first.DeepCopy()
		pod.Name, pod.UID = fmt.Sprintf("web-6c-%d", i), types.UID(fmt.Sprintf("pod-%d", i))
		f.Pods = append(f.Pods, pod)
	}
	f.Siblings["rs"] = append([]*corev1.Pod(nil), f.Pods...)
	return f
}

// BenchmarkMake is a plan for so many pods.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
			f := crowded(n)
			if p := Make(f, Request{To: ToECI, Soak: time.Minute}); p.Moves() != n {
				b.Fatalf("%d of %d pods move", p.Moves(), n)
			}
			b.ReportAllocs()
			for b.Loop() {
				Make(f, Request{To: ToECI, Soak: time.Minute})
			}
		})
	}
}

// BenchmarkWays is what else could be done with them, which a plan in the console says too.
func BenchmarkWays(b *testing.B) {
	f := crowded(1000)
	b.ReportAllocs()
	for b.Loop() {
		Ways(f, Request{To: ToECI, Soak: time.Minute})
	}
}
