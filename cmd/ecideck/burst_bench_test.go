package main

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

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
	w, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		x.t.Fatal(err)
	}
	defer w.Stop()
	begin := time.Now()
	var creates errgroup.Group
	creates.SetLimit(32)
	grace := int64(1)
	for i := range n {
		creates.Go(func() error {
			_, err := pods.Create(ctx, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p-%04d", i)},
				Spec: corev1.PodSpec{NodeName: x.node, TerminationGracePeriodSeconds: &grace,
					Containers: []corev1.Container{{Name: "web", Image: "lab/serve"}}},
			}, metav1.CreateOptions{})
			return err
		})
	}
	created := make(chan error, 1)
	go func() { created <- creates.Wait() }()
	running := map[string]bool{}
	x.watchUntil(w, 10*time.Minute, func(e watch.Event, pod *corev1.Pod) bool {
		if pod.Status.Phase == corev1.PodRunning {
			running[pod.Name] = true
		}
		return len(running) == n
	})
	ran = time.Since(begin)
	if err := <-created; err != nil {
		x.t.Fatal(err)
	}

	begin = time.Now()
	var deletes errgroup.Group
	deletes.SetLimit(32)
	for name := range running {
		deletes.Go(func() error { return pods.Delete(ctx, name, metav1.DeleteOptions{}) })
	}
	deleted := make(chan error, 1)
	go func() { deleted <- deletes.Wait() }()
	x.watchUntil(w, 10*time.Minute, func(e watch.Event, pod *corev1.Pod) bool {
		if e.Type == watch.Deleted {
			delete(running, pod.Name)
		}
		return len(running) == 0
	})
	if err := <-deleted; err != nil {
		x.t.Fatal(err)
	}
	x.eventually(time.Minute, "no group is left", func() (bool, string) {
		left := len(x.groups())
		return left == 0, fmt.Sprint(left)
	})
	return ran, time.Since(begin)
}

// watchUntil hands a watch's events on until they have said enough.
func (x *tenant) watchUntil(w watch.Interface, limit time.Duration, enough func(watch.Event, *corev1.Pod) bool) {
	x.t.Helper()
	deadline := time.After(limit)
	for {
		select {
		case <-deadline:
			x.t.Fatalf("not within %s", limit)
		case e, open := <-w.ResultChan():
			pod, ok := e.Object.(*corev1.Pod)
			if !open || !ok {
				x.t.Fatalf("the watch ended: %+v", e.Object)
			}
			if enough(e, pod) {
				return
			}
		}
	}
}
