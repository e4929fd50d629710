package provider

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// inTwoZones runs a test with a node that has a vSwitch in each of two zones.
func inTwoZones(t *testing.T, test func(*bed)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.change = func(c *Config, _ *NodeSpec) { c.Placement.VSwitchIDs = []string{"vsw-h", "vsw-i"} }
		b.start()
		defer func() { b.stop() }()
		test(b)
	})
}

func (b *bed) burst(n int, change ...func(*corev1.Pod)) (pods []*corev1.Pod) {
	for i := range n {
		pods = append(pods, b.create(healthyPod(fmt.Sprintf("burst-%d", i), change...)))
		if i%50 == 49 {
			synctest.Wait() // the fake's watch holds a hundred events
		}
	}
	return pods
}

func (b *bed) ready(pods []*corev1.Pod) (n int) {
	for _, pod := range pods {
		if ready(b.get(pod)) {
			n++
		}
	}
	return n
}

func TestABurstAtEmptyZonesAsksSeldomAndRunsWhenThereIsStock(t *testing.T) {
	for _, c := range []struct {
		fault  ecitest.Fault
		reason string
		many   int
	}{
		{ecitest.Fault{Kind: ecitest.FaultNoStock}, ReasonNoStock, 30},
		{ecitest.Fault{Kind: ecitest.FaultNotOnSale}, ReasonNoStock, 12},
		{ecitest.Fault{Kind: ecitest.FaultNoIPs}, reasonNoAddress, 12},
		{ecitest.Fault{Kind: ecitest.FaultCode, Action: "CreateContainerGroup", Code: "QuotaExceeded.PrivateIpAddress"}, reasonNoAddress, 12},
		{ecitest.Fault{Kind: ecitest.FaultQuota}, reasonQuota, 12},
		{ecitest.Fault{Kind: ecitest.FaultArrears}, reasonArrears, 12},
	} {
		t.Run(c.fault.Kind+c.fault.Code, func(t *testing.T) {
			inTwoZones(t, func(b *bed) {
				clear := b.fault(c.fault)
				pods := b.burst(c.many)
				time.Sleep(6 * time.Minute)
				// Four workers ask at once, then one pod at a time: after 10, 20, 40, 80 and 160 seconds.
				if n := b.cloud.Calls("CreateContainerGroup"); n > 10 {
					t.Errorf("%d creates in six minutes for %d pods", n, c.many)
				}
				for _, pod := range pods {
					got := b.get(pod).Status
					if got.Phase != corev1.PodPending || got.Reason != c.reason || !strings.Contains(got.Message, "vsw-h, vsw-i") || !strings.Contains(got.Message, "the next try is at 2000-01-01T00:") {
						t.Fatalf("%s: %s %q %q", pod.Name, got.Phase, got.Reason, got.Message)
					}
				}
				if n := b.events.count("burst-7 " + c.reason); n < 1 || n > maxSaid {
					t.Errorf("%d events of one pod", n)
				}
				clear()
				b.until("all ready", 5*time.Minute, func() bool { return b.ready(pods) == len(pods) })
				if n := len(b.live()); n != c.many {
					t.Errorf("%d groups for %d pods", n, c.many)
				}
			})
		})
	}
}

func TestABurstWhoseGroupsFindNoStockLaterTriesOneByOne(t *testing.T) {
	inTwoZones(t, func(b *bed) {
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Async: true})
		pods := b.burst(20)
		time.Sleep(time.Minute)
		first := b.cloud.Calls("CreateContainerGroup")
		time.Sleep(8 * time.Minute)
		if n := b.cloud.Calls("CreateContainerGroup") - first; first > 25 || n > 8 {
			t.Errorf("%d creates in the first minute, %d in the eight minutes after it, for 20 pods", first, n)
		}
		clear()
		b.until("all ready", 5*time.Minute, func() bool { return b.ready(pods) == len(pods) })
		if n := len(b.live()); n != 20 {
			t.Errorf("%d groups for 20 pods", n)
		}
	})
}

func TestAZoneWithoutStockIsLeftOutForThatSizeAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock()
		// The pod's annotation names the empty zone's vSwitch alone, so its answer is about that one.
		o, _ := s.admit("a", "2.0-4.0Gi", []string{"vsw-h"})
		s.refused(o, Note{ReasonNoStock, "sold out"})
		s.placed("vsw-h", "cn-hangzhou-h", "")
		admitted := func(spec string) string {
			o, short := s.admit("b", spec, []string{"vsw-h", "vsw-i"})
			if o == nil {
				return short.status().Message
			}
			return strings.Join(o.vswitches, ",")
		}
		if got := admitted("2.0-4.0Gi"); got != "vsw-i" {
			t.Errorf("another pod of that size asks for %s", got)
		}
		if got := admitted("4.0-8.0Gi"); got != "vsw-h,vsw-i" {
			t.Errorf("a pod of another size asks for %s", got)
		}
		time.Sleep(firstLack)
		if got := admitted("2.0-4.0Gi"); got != "vsw-h,vsw-i" {
			t.Errorf("after the pause a pod asks for %s", got)
		}
	})
}

func TestAVSwitchWithoutAddressesIsLeftOutForEverySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock()
		o, _ := s.admit("a", "2.0-4.0Gi", []string{"vsw-h"})
		s.refused(o, Note{reasonNoAddress, "none left"})
		if o, short := s.admit("b", "1.0-2.0Gi", []string{"vsw-h"}); o != nil || short.Reason != reasonNoAddress {
			t.Errorf("another size may ask for %+v", o)
		}
		if o, _ := s.admit("b", "1.0-2.0Gi", []string{"vsw-h", "vsw-i"}); o == nil || o.vswitches[0] != "vsw-i" {
			t.Errorf("another vSwitch is not asked for: %+v", o)
		}
	})
}

func TestPausesDoubleUpToABoundHoweverManyAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock()
		var got []time.Duration
		for range 7 {
			var orders []*order
			for _, uid := range []types.UID{"a", "b", "c"} { // the first time all may ask, afterwards one
				if o, _ := s.admit(uid, "2.0-4.0Gi", []string{"vsw-h"}); o != nil {
					orders = append(orders, o)
				}
			}
			var short *shortage
			for _, o := range orders {
				short = s.refused(o, Note{ReasonNoStock, "sold out"})
			}
			got = append(got, time.Until(short.until))
			time.Sleep(time.Until(short.until))
		}
		if want := fmt.Sprint([]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 180 * time.Second, 180 * time.Second}); fmt.Sprint(got) != want {
			t.Errorf("pauses %v", got)
		}
	})
}

func TestOnePodTriesAgainAndTheOthersWaitForItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock()
		o, _ := s.admit("a", "2.0-4.0Gi", []string{"vsw-h"})
		s.refused(o, Note{ReasonNoStock, "sold out"})
		time.Sleep(firstLack)
		if o, _ := s.admit("a", "2.0-4.0Gi", []string{"vsw-h"}); o == nil {
			t.Fatal("nobody may try again")
		}
		if o, _ := s.admit("b", "2.0-4.0Gi", []string{"vsw-h"}); o != nil {
			t.Error("a second pod tries at the same time")
		}
		s.leave("a") // deleted, say
		if o, _ := s.admit("b", "2.0-4.0Gi", []string{"vsw-h"}); o == nil {
			t.Error("nobody tries when the first one is gone")
		}
		time.Sleep(probeFor) // b never answers
		if o, _ := s.admit("c", "2.0-4.0Gi", []string{"vsw-h"}); o == nil {
			t.Error("a pod that never answers keeps all others")
		}
		if !s.placed("vsw-h", "cn-hangzhou-h", "2.0-4.0Gi") || s.count() != 0 {
			t.Error("a group that was placed is no news")
		}
	})
}

func TestOneVSwitchThatIsShortSendsTheOthersPodsOnAnotherAttempt(t *testing.T) {
	inTwoZones(t, func(b *bed) {
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultNoStock, Zone: "cn-hangzhou-h"})
		alone := b.create(healthyPod("alone", func(p *corev1.Pod) {
			p.Annotations = map[string]string{"k8s.aliyun.com/eci-vswitch": "vsw-h"}
		}))
		b.until("refused", time.Minute, func() bool { return b.get(alone).Status.Reason == ReasonNoStock })
		other := b.untilReady(b.create(healthyPod("other")))
		large := b.untilReady(b.create(healthyPod("large", func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")}
		})))
		for _, pod := range []*corev1.Pod{other, large} {
			if zone := pod.Annotations[eci.AnnotationZone]; zone != "cn-hangzhou-i" {
				t.Errorf("%s runs in %q", pod.Name, zone)
			}
		}
		clear()
		b.untilReadyIn(alone, 5*time.Minute)
	})
}

func (b *bed) untilReadyIn(pod *corev1.Pod, limit time.Duration) {
	b.t.Helper()
	b.until("pod "+pod.Name+" ready", limit, func() bool { return ready(b.get(pod)) })
}

func TestWhatIsLackingIsKnownWithoutAskingForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStock()
		one, _ := s.admit("a", "1-2Gi", []string{"vsw-h", "vsw-i"})
		if why := s.lacking("1-2Gi", []string{"vsw-h", "vsw-i"}); why != "" {
			t.Error(why)
		}
		s.refused(one, Note{ReasonNoStock, "create ECI failed"})
		if why := s.lacking("1-2Gi", []string{"vsw-h", "vsw-i"}); why != "NoStock: 1-2Gi was refused in vsw-h, vsw-i: create ECI failed" {
			t.Errorf("%q", why)
		}
		for _, other := range []struct {
			spec      string
			vswitches []string
		}{{"2-4Gi", []string{"vsw-h"}}, {"1-2Gi", []string{"vsw-h", "vsw-j"}}, {"1-2Gi", nil}} {
			if why := s.lacking(other.spec, other.vswitches); why != "" {
				t.Errorf("%v: %s", other, why)
			}
		}
		time.Sleep(firstLack)
		if why := s.lacking("1-2Gi", []string{"vsw-h"}); why != "" {
			t.Errorf("after the pause: %s", why)
		}
	})
}
