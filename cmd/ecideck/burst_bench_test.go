package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// BenchmarkPodsAtOnce binds pods to the virtual node at once, on the real control plane and a
// cloud that starts everything in milliseconds, and deletes them again. It reports the
// seconds from the first create until all are Running, and from the delete until all objects
// and groups are gone. Held against Virtual Kubelet's own wiring: 300 pods took 87 s and 152 s,
// with its queues opened 1.3 s and 11.4 s (reference: a provider without a cloud behind it).
func BenchmarkPodsAtOnce(b *testing.B) {
	c := startQuickLab(b, func(s *scenario.Scenario) {
		instant := metav1.Duration{Duration: time.Millisecond}
		s.ECI.Scheduling, s.ECI.Starting = &instant, &instant
	})
	config := rest.CopyConfig(c.lab.Config())
	config.QPS, config.Burst = 5000, 5000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{300, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var ran, gone time.Duration
			for b.Loop() {
				x := newTenant(b, c.lab, client, c.lab.Scenario.VirtualNodes[0].Name)
				r, g := x.runAndDelete(n)
				ran, gone = ran+r, gone+g
			}
			b.ReportMetric(ran.Seconds()/float64(b.N), "s-running")
			b.ReportMetric(gone.Seconds()/float64(b.N), "s-gone")
			b.ReportMetric(0, "ns/op") // the two above are what there is to say
		})
	}
}

// runAndDelete makes n pods that are bound already, and says how long it took until all of
// them ran, and until all were gone again.
func (x *tenant) runAndDelete(n int) (ran, gone time.Duration) {
	x.t.Helper()
	ctx := x.t.Context()
	pods := x.client.CoreV1().Pods(x.namespace)
	running := map[string]bool{}
	var mu sync.Mutex // guards running
	changed := make(chan struct{}, 1)
	see := func(object any, there bool) {
		pod, ok := object.(*corev1.Pod)
		if !ok {
			return // a tombstone: the watch missed it, and the count below waits in vain
		}
		mu.Lock()
		defer mu.Unlock()
		if there = there && pod.Status.Phase == corev1.PodRunning; there != running[pod.Name] {
			delete(running, pod.Name)
			if there {
				running[pod.Name] = true
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(x.client, 0, informers.WithNamespace(x.namespace))
	if _, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { see(o, true) },
		UpdateFunc: func(_, o any) { see(o, true) },
		DeleteFunc: func(o any) { see(o, false) },
	}); err != nil {
		x.t.Fatal(err)
	}
	stop := make(chan struct{})
	factory.Start(stop)
	defer factory.Shutdown()
	defer close(stop)
	factory.WaitForCacheSync(stop)
	until := func(want int) {
		x.t.Helper()
		deadline := time.After(3 * time.Minute)
		for {
			mu.Lock()
			now := len(running)
			mu.Unlock()
			if now == want {
				return
			}
			select {
			case <-changed:
			case <-deadline:
				x.t.Fatalf("after three minutes %d pods run, not %d", now, want)
			}
		}
	}
	each := func(do func(name string) error) {
		var group errgroup.Group
		group.SetLimit(32)
		for i := range n {
			group.Go(func() error { return do(fmt.Sprintf("p-%04d", i)) })
		}
		if err := group.Wait(); err != nil {
			x.t.Fatal(err)
		}
	}
	grace := int64(1)
	begin := time.Now()
	each(func(name string) error {
		_, err := pods.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PodSpec{NodeName: x.node, TerminationGracePeriodSeconds: &grace,
				Containers: []corev1.Container{{Name: "web", Image: "lab/serve", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("512Mi")}}}}}, // 2,000 of them fit the account
		}, metav1.CreateOptions{})
		return err
	})
	bound := time.Now()
	until(n)
	ran = time.Since(begin)
	x.t.Logf("%d pods made in %.2f s, the last of them ran %.2f s later", n, bound.Sub(begin).Seconds(), time.Since(bound).Seconds())
	begin = time.Now()
	each(func(name string) error { return pods.Delete(ctx, name, metav1.DeleteOptions{}) })
	until(0)
	x.eventually(time.Minute, "no group is left", func() (bool, string) {
		left := len(x.groups())
		return left == 0, fmt.Sprint(left)
	})
	return ran, time.Since(begin)
}
