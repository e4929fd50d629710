package provider

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func annotated(pairs ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Annotations = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			p.Annotations["k8s.aliyun.com/eci-"+pairs[i]] = pairs[i+1]
		}
	}
}

func TestAPodThatFailsFastFailsWithTheReason(t *testing.T) {
	for name, fault := range map[string]ecitest.Fault{"at once": {Kind: ecitest.FaultNoStock}, "after it was created": {Kind: ecitest.FaultNoStock, Async: true}} {
		t.Run(name, func(t *testing.T) {
			inBed(t, func(b *bed) {
				b.fault(fault)
				pod := b.create(healthyPod("web", annotated("fail-strategy", "fail-fast")))
				b.until("the pod failed", time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodFailed })
				if got := b.get(pod).Status; got.Reason != ReasonScheduleFailed || len(b.live()) != 0 {
					t.Errorf("%s: %s, live %v", got.Reason, got.Message, b.live())
				}
			})
		})
	}
}

func TestAPodThatFailsFastSurvivesThrottling(t *testing.T) {
	inBed(t, func(b *bed) {
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultThrottling, Action: "CreateContainerGroup"})
		pod := b.create(healthyPod("web", annotated("fail-strategy", "fail-fast")))
		b.until("throttled", time.Minute, func() bool { return b.events.count("Throttled") > 0 })
		clear()
		b.untilReady(pod)
	})
}

// A recorder keeps the spot strategies that groups were asked for with.
type recorder struct {
	Cloud
	mu    sync.Mutex
	asked []string
}

func (r *recorder) CreateGroup(ctx context.Context, request *eci.CreateRequest) (string, error) {
	r.mu.Lock()
	r.asked = append(r.asked, cmp.Or(request.SpotStrategy, "none"))
	r.mu.Unlock()
	return r.Cloud.CreateGroup(ctx, request)
}

func TestSpotWithoutStockFallsBackWhereThePodAllowsIt(t *testing.T) {
	for name, async := range map[string]bool{"at once": false, "after it was created": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, r := newBed(t), &recorder{}
				b.wrap = func(c Cloud) Cloud { r.Cloud = c; return r }
				b.start()
				defer func() { b.stop() }()
				b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Async: async, Count: 1})
				pod := b.create(healthyPod("web", annotated("spot-strategy", "SpotAsPriceGo", "spot-fallback", "true")))
				b.untilReady(pod)
				if got := b.get(pod).Annotations[eci.AnnotationAttempt]; got != "2" || b.events.count("SpotDegraded") != 1 || len(b.live()) != 1 {
					t.Errorf("attempt %s, live %v, events %s", got, b.live(), strings.Join(b.events.list, "\n"))
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				if got := strings.Join(r.asked, ","); got != "SpotAsPriceGo,none" {
					t.Errorf("asked for %s", got)
				}
			})
		})
	}
}

func TestSpotWithoutStockWaitsOtherwise(t *testing.T) {
	inBed(t, func(b *bed) {
		b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Count: 1})
		pod := b.create(healthyPod("web", annotated("spot-strategy", "SpotAsPriceGo")))
		b.untilReady(pod)
		if got := b.get(pod).Annotations[eci.AnnotationAttempt]; got != "" || b.events.count("SpotDegraded") != 0 {
			t.Errorf("attempt %s", got)
		}
	})
}
