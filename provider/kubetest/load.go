package kubetest

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// usageAnnotation is where a simulated pod says what it uses: see testdata/lab/kwok.yaml.
const usageAnnotation = "kwok.x-k8s.io/usage-cpu"

// respread is how soon the load is spread anew over pods that came or went.
const respread = 3 * time.Second

// SetLoad changes what pods on ECI use of their CPU: load is a share from 0 to 1, a curve as
// the emulator takes it, or empty for their own. pods is a name, or a prefix that ends in *.
func (a Access) SetLoad(ctx context.Context, namespace, pods, load string) error {
	l := ecitest.Load{Tags: map[string]string{eci.TagNamespace: namespace, eci.TagPodName: pods}, Load: load}
	if err := a.Admin(ctx, http.MethodPost, "/_ecitest/loads", l, nil); err != nil {
		return fmt.Errorf("setting the load of %s/%s: %w", namespace, pods, err)
	}
	return nil
}

// Load gives a workload's pods vcpu to use together, on ECI and on simulated nodes alike,
// until ctx ends. What they used last stays with them.
func (l *Lab) Load(ctx context.Context, namespace, kind, name string, vcpu float64) {
	l.runLoad(ctx, scenario.Traffic{Namespace: namespace, Kind: kind, Name: name, Every: metav1.Duration{Duration: time.Hour}, VCPU: []float64{vcpu}})
}

// runLoad spreads the curve's vCPU over the workload's running pods, on ECI and on simulated
// nodes alike, as a Service would: more pods have less each.
func (l *Lab) runLoad(ctx context.Context, t scenario.Traffic) {
	begin, said := time.Now(), -1.0
	tick := time.NewTicker(respread)
	defer tick.Stop()
	for {
		step := int(time.Since(begin) / t.Every.Duration)
		share, err := l.spread(ctx, t, t.VCPU[step%len(t.VCPU)], said)
		if err == nil { // an outage of the API server, usually wanted: the next look tries again
			said = share
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// spread gives each pod its share of vcpu; said is the share that ECI was told last, which a
// hundredth more or less does not change.
func (l *Lab) spread(ctx context.Context, t scenario.Traffic, vcpu, said float64) (float64, error) {
	scale, err := l.scaler(t).GetScale(ctx, t.Name, metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	pods, err := l.client.CoreV1().Pods(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: scale.Status.Selector, FieldSelector: "status.phase=Running"})
	if err != nil {
		return 0, err
	}
	total := 0.0
	for i := range pods.Items {
		total += requested(&pods.Items[i])
	}
	if total == 0 {
		return said, nil
	}
	share := math.Round(100*min(1, vcpu/total)) / 100
	for i := range pods.Items {
		pod := &pods.Items[i]
		use := resource.NewMilliQuantity(int64(1000*share*requested(pod)), resource.DecimalSI).String()
		if slices.ContainsFunc(l.Scenario.VirtualNodes, func(n scenario.VirtualNode) bool { return n.Name == pod.Spec.NodeName }) || pod.Annotations[usageAnnotation] == use {
			continue
		}
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, usageAnnotation, use)
		if _, err := l.client.CoreV1().Pods(t.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			continue // it went meanwhile
		}
	}
	if share == said {
		return share, nil
	}
	return share, l.Access.SetLoad(ctx, t.Namespace, t.Name+"-*", strconv.FormatFloat(share, 'f', -1, 64))
}

// requested is the CPU that a pod asks for, in vCPU.
func requested(pod *corev1.Pod) (vcpu float64) {
	for i := range pod.Spec.Containers {
		vcpu += pod.Spec.Containers[i].Resources.Requests.Cpu().AsApproximateFloat64()
	}
	return vcpu
}
