package burst

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/provider/placement"
)

func load(n int, c Cost) (l Load) {
	for range n {
		l.Add(c)
	}
	return l
}

// TestGuardrailsCountWhatIsBilled has a virtual node that adds to each group.
func TestGuardrailsCountWhatIsBilled(t *testing.T) {
	c := &Controller{Config: Config{Region: "cn-hangzhou", Sized: func(pod *corev1.Pod) *corev1.Pod {
		return placement.Adds{CPU: resource.MustParse("50m"), Memory: resource.MustParse("64Mi")}.To(pod, "cn-hangzhou")
	}}, ledger: newLedger()}
	if got, bare := c.cost(pendingPod("web-1")).CNY, CostOf(pendingPod("web-1"), "cn-hangzhou").CNY; got != money.PerHour(441_072, money.CNY) || bare == got {
		t.Errorf("counted %v, bare %v", got, bare)
	}
	c.count(pendingPod("web-1"), true)
	for _, known := range c.ledger.pods {
		if known.cost.CNY != money.PerHour(441_072, money.CNY) {
			t.Errorf("on ECI it counts %v", known.cost.CNY)
		}
	}
}

// A pod of 1 vCPU and 2 GiB costs 0.1764 + 2 × 0.022068 CNY an hour.
func TestLimits(t *testing.T) {
	cost := CostOf(pendingPod("web-1"), "cn-hangzhou")
	if want := money.PerHour(220_536, money.CNY); cost.CNY != want {
		t.Fatalf("an hour costs %v, want %v", cost.CNY, want)
	}
	abroad := CostOf(pendingPod("web-1"), "ap-southeast-1")
	for _, c := range []struct {
		name        string
		annotations map[string]string
		load        Load
		cost        Cost
		says        string // "": it may burst
	}{
		{name: "no limit", load: load(1000, cost)},
		{name: "below", annotations: map[string]string{AnnotationMaxPods: "3"}, load: load(2, cost)},
		{name: "reached", annotations: map[string]string{AnnotationMaxPods: "3"}, load: load(3, cost), says: "has 3 pods on ECI by bursting, and its limit is 3"},
		{name: "passed before it was set", annotations: map[string]string{AnnotationMaxPods: "3"}, load: load(16, cost), says: "has 16 pods"},
		{name: "nothing may", annotations: map[string]string{AnnotationMaxPods: "0"}, says: "its limit is 0"},
		{name: "not a number", annotations: map[string]string{AnnotationMaxPods: "many"}, says: "until it is corrected"},
		{name: "less than nothing", annotations: map[string]string{AnnotationMaxPods: "-1"}, says: "until it is corrected"},
		{name: "below the rate", annotations: map[string]string{AnnotationMaxRate: "0.67"}, load: load(2, cost)},
		{name: "above the rate", annotations: map[string]string{AnnotationMaxRate: "0.66 CNY"}, load: load(2, cost), says: "its limit is 0.66 CNY/h"},
		{name: "in dollars", annotations: map[string]string{AnnotationMaxRate: "0.07 USD/h"}, load: load(2, cost), says: "its limit is 0.07 USD/h"},
		{name: "in dollars, below", annotations: map[string]string{AnnotationMaxRate: "0.11 USD"}, load: load(2, cost)},
		{name: "no price", annotations: map[string]string{AnnotationMaxRate: "10"}, cost: abroad, says: "no price"},
		{name: "one that bursts has no price", annotations: map[string]string{AnnotationMaxRate: "10"}, load: load(1, abroad), says: "no price"},
		{name: "a currency that there is not", annotations: map[string]string{AnnotationMaxRate: "10 EUR"}, says: "CNY and USD"},
		{name: "no money", annotations: map[string]string{AnnotationMaxRate: "cheap"}, says: "such as 12.5 CNY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cost == (Cost{}) && c.name != "no price" {
				c.cost = cost
			}
			why := ReadLimits(Workload{Namespace: "shop"}, c.annotations).Allow(c.load, c.cost)
			if (why == "") != (c.says == "") || !strings.Contains(why, c.says) {
				t.Errorf("%q, want %q", why, c.says)
			}
			if why != "" && !strings.Contains(why, "namespace shop") {
				t.Errorf("%q does not say whose limit it is", why)
			}
		})
	}
}

func TestALimitCountsItsOwnScope(t *testing.T) {
	l := newLedger()
	cost := CostOf(pendingPod("web-1"), "cn-hangzhou")
	shop, pay := Workload{"Deployment", "shop", "web"}, Workload{"Deployment", "pay", "web"}
	for i, w := range []Workload{shop, shop, {"Deployment", "shop", "api"}, pay} {
		l.put(types.UID(string(rune('a'+i))), w, true, func() Cost { return cost })
	}
	for _, c := range []struct {
		limits Limits
		passes bool
	}{
		{Limits{HasPods: true, Pods: 5}, true},
		{Limits{HasPods: true, Pods: 4}, false},
		{Limits{Of: Workload{Namespace: "shop"}, HasPods: true, Pods: 4}, true},
		{Limits{Of: Workload{Namespace: "shop"}, HasPods: true, Pods: 3}, false},
		{Limits{Of: shop, HasPods: true, Pods: 3}, true},
		{Limits{Of: shop, HasPods: true, Pods: 2}, false},
		{Limits{Of: pay, HasPods: true, Pods: 2}, true},
	} {
		if why := l.reserve("new", shop, cost, []Limits{c.limits}, epoch); (why == "") != c.passes {
			t.Errorf("%v of %d: %q", c.limits.Of, c.limits.Pods, why)
		}
		l.drop("new")
	}
}

// The pod that leaves for a node counts until the node shows it, or until it has settled.
func TestAPodOnItsWayCounts(t *testing.T) {
	l, w := newLedger(), Workload{"Deployment", "shop", "web"}
	limits := []Limits{{HasPods: true, Pods: 1}}
	if why := l.reserve("a", w, Cost{}, limits, epoch); why != "" {
		t.Fatal(why)
	}
	if !l.leave("a", epoch) {
		t.Error("it was not counted")
	}
	if why := l.reserve("b", w, Cost{}, limits, epoch.Add(settle)); why == "" {
		t.Error("two passed a limit of one")
	}
	if why := l.reserve("b", w, Cost{}, limits, epoch.Add(settle+1)); why != "" {
		t.Error(why)
	}
	l.put("b", w, true, nil)
	if l.leave("b", epoch) {
		t.Error("the watch of pods without a node ends later than the virtual node's begins")
	}
}

func TestTheWorkloadsOwnLimitBeatsItsPods(t *testing.T) {
	p := pendingPod("web-1")
	p.Annotations[AnnotationMaxPods], p.Annotations[AnnotationMaxRate] = "1", "5"
	limits := PodLimits(Settings{MaxPods: 9}.Limits(), map[string]string{AnnotationMaxPods: "7"},
		WorkloadOf(p), map[string]string{AnnotationMaxPods: "3"}, p)
	if len(limits) != 3 || limits[0].Pods != 9 || limits[1].Pods != 7 || limits[2].Pods != 3 || limits[2].Rate != money.PerHour(5_000_000, money.CNY) {
		t.Errorf("%+v", limits)
	}
	if limits[2].Of != (Workload{"Deployment", "shop", "web"}) {
		t.Errorf("the workload is %v", limits[2].Of)
	}
}
