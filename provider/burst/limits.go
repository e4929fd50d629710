package burst

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/provider/placement"
)

// Limits are the guardrails of one scope. The zero value has none.
type Limits struct {
	Of       Workload   // without a name: all of its namespace; without a namespace: the cluster
	Pods     int        // on ECI by bursting at the same time; only with HasPods
	HasPods  bool       // 0 is a limit too
	Rate     money.Rate // by the list prices; unknown: no limit
	Problems []string   // annotations that are no limits, in words
}

// ReadLimits reads the guardrails of an object's annotations. One that can't be read counts
// as zero: a guardrail with a slip of the pen must not be none.
func ReadLimits(of Workload, annotations map[string]string) Limits {
	l, scope := Limits{Of: of}, of.String()
	if v, ok := annotations[AnnotationMaxPods]; ok {
		n, err := strconv.Atoi(strings.TrimSpace(v))
		if err != nil || n < 0 {
			l.Problems = append(l.Problems, fmt.Sprintf("%s of %s is %q and takes a number of pods: nothing bursts until it is corrected", AnnotationMaxPods, scope, v))
			n = 0
		}
		l.Pods, l.HasPods = max(n, 0), true
	}
	if v, ok := annotations[AnnotationMaxRate]; ok {
		rate, err := ParseRate(v)
		if err != nil {
			l.Problems = append(l.Problems, fmt.Sprintf("%s of %s is %q: %v: nothing bursts until it is corrected", AnnotationMaxRate, scope, v, err))
			rate = money.PerHour(0, money.CNY)
		}
		l.Rate = rate
	}
	return l
}

// ParseRate reads money an hour: 12.5, 12.5 CNY or 12.5 USD, with or without /h. Without a
// currency it is CNY, in which the list prices are known for every region of the mainland.
func ParseRate(s string) (money.Rate, error) {
	amount, currency, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(s), "/h"), " ")
	micros, err := money.ParseMicros(amount)
	if err != nil || micros < 0 {
		return money.Rate{}, errors.New("give money an hour, such as 12.5 CNY")
	}
	switch c := money.Currency(strings.ToUpper(strings.TrimSpace(currency))); c {
	case "", money.CNY:
		return money.PerHour(micros, money.CNY), nil
	case money.USD:
		return money.PerHour(micros, money.USD), nil
	}
	return money.Rate{}, fmt.Errorf("the list prices are in %s and %s", money.CNY, money.USD)
}

// A Cost is what an hour of a pod on ECI costs by the list price, on either site of the
// vendor. Spot counts at the full price, which it does not exceed. Unknown where the list
// has no price: outside of the mainland, and for machine types.
type Cost struct{ CNY, USD money.Rate }

// CostOf is a pod's cost in a region.
func CostOf(pod *corev1.Pod, region string) Cost {
	size, refusal := placement.SizeOf(pod, region)
	if refusal != nil || size.Billed == (spec.Spec{}) {
		return Cost{}
	}
	at := func(site spec.Site) money.Rate {
		rate, err := spec.PriceAt(site, size.Billed, region, spec.General)
		if err != nil || size.Disk == 0 {
			return rate // unknown with an error
		}
		disk, err := spec.DiskPriceAt(site, int(size.Disk), region, spec.General)
		if err != nil {
			return money.Rate{}
		}
		if rate, err = rate.Add(disk); err != nil {
			return money.Rate{}
		}
		return rate
	}
	return Cost{CNY: at(spec.ChinaSite), USD: at(spec.InternationalSite)}
}

func (c Cost) in(currency money.Currency) money.Rate {
	if currency == money.USD {
		return c.USD
	}
	return c.CNY
}

// A Load is what bursts in a scope already.
type Load struct {
	Pods    int
	CNY     money.Rate // of the pods whose price is known
	USD     money.Rate
	Unknown struct{ CNY, USD int } // pods without a known price
}

// Add counts one pod more.
func (l *Load) Add(c Cost) {
	l.Pods++
	sum := func(total *money.Rate, unknown *int, one money.Rate, currency money.Currency) {
		if !total.Known() {
			*total = money.PerHour(0, currency)
		}
		next, err := total.Add(one)
		if err != nil { // unknown, or more than anybody can pay
			*unknown++
			return
		}
		*total = next
	}
	sum(&l.CNY, &l.Unknown.CNY, c.CNY, money.CNY)
	sum(&l.USD, &l.Unknown.USD, c.USD, money.USD)
}

// Allow says why one pod more would pass a limit, or "" when it may burst.
func (l Limits) Allow(load Load, c Cost) string {
	if len(l.Problems) > 0 {
		return strings.Join(l.Problems, "; ")
	}
	if l.HasPods && load.Pods >= l.Pods {
		return fmt.Sprintf("%s has %d pods on ECI by bursting, and its limit is %d: raise %s, or wait until one ends", l.Of, load.Pods, l.Pods, l.knob(AnnotationMaxPods, "--burst-max-pods"))
	}
	if !l.Rate.Known() {
		return ""
	}
	one, sum, unknown := c.in(l.Rate.Currency), load.CNY, load.Unknown.CNY
	if l.Rate.Currency == money.USD {
		sum, unknown = load.USD, load.Unknown.USD
	}
	if !one.Known() || unknown > 0 {
		return fmt.Sprintf("%s has a limit of %v and the list has no price for this pod or for one that bursts already: limit it by %s instead", l.Of, l.Rate, l.knob(AnnotationMaxPods, "--burst-max-pods"))
	}
	if !sum.Known() {
		sum = money.PerHour(0, l.Rate.Currency)
	}
	next, err := sum.Add(one)
	if err != nil || next.MicrosPerHour > l.Rate.MicrosPerHour {
		return fmt.Sprintf("%s bursts for %v by the list price, this pod would add %v, and its limit is %v: raise %s, or wait until one ends",
			l.Of, sum, one, l.Rate, l.knob(AnnotationMaxRate, "--burst-max-rate"))
	}
	return ""
}

func (l Limits) knob(annotation, flag string) string {
	if l.Of.Namespace == "" {
		return flag
	}
	return "its annotation " + annotation
}

// covers tells that the limits are for a workload's pods too.
func (l Limits) covers(w Workload) bool {
	return l.Of.Namespace == "" || l.Of.Namespace == w.Namespace && (l.Of.Name == "" || l.Of == w)
}

func (l Limits) any() bool { return l.HasPods || l.Rate.Known() || len(l.Problems) > 0 }

// A Workload is who a pod belongs to; as a scope it may stand for a namespace or the cluster.
type Workload struct{ Kind, Namespace, Name string }

// String is Deployment shop/web.
func (w Workload) String() string {
	switch {
	case w.Namespace == "":
		return "the cluster"
	case w.Name == "":
		return "namespace " + w.Namespace
	}
	return w.Kind + " " + w.Namespace + "/" + w.Name
}

// WorkloadOf is a pod's topmost owner as far as the pod itself tells: a ReplicaSet whose name
// ends in the pod's template hash is a Deployment's. A pod without an owner is its own.
func WorkloadOf(pod *corev1.Pod) Workload {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return Workload{"Pod", pod.Namespace, pod.Name}
	}
	kind := KindOf(owner.APIVersion, owner.Kind)
	if hash := pod.Labels["pod-template-hash"]; kind == "ReplicaSet" && hash != "" {
		if name, ok := strings.CutSuffix(owner.Name, "-"+hash); ok {
			return Workload{"Deployment", pod.Namespace, name}
		}
	}
	return Workload{kind, pod.Namespace, owner.Name}
}

// KindOf is a kind of workload by which it is told apart from Kubernetes' own of that name:
// OpenKruise's StatefulSet is "StatefulSet.apps.kruise.io", as kubectl takes it. A DaemonSet is
// one of whatever group: each of its pods belongs to its node.
func KindOf(apiVersion, kind string) string {
	group, _, _ := strings.Cut(apiVersion, "/")
	switch kind {
	case "Deployment", "ReplicaSet", "StatefulSet", "Job":
		if strings.Contains(group, ".") { // Kubernetes' own workloads are of groups without one
			return kind + "." + group
		}
	}
	return kind
}
