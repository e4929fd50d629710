package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// Annotations with a meaning outside of the table too.
const (
	prefix    = "k8s.aliyun.com/"
	prefixECI = prefix + "eci-"

	annotationUseSpecs     = prefixECI + "use-specs"
	annotationInstanceType = prefixECI + "instance-type"
	annotationHostSysctls  = prefixECI + "host-sysctls"
	annotationSpot         = prefixECI + "spot-strategy"
	annotationEIP          = prefixECI + "with-eip"
)

// Settings are what a pod's annotations ask for.
type Settings struct {
	// Request holds the parameters that annotations set; all others are zero.
	Request eci.CreateRequest
	// What the virtual node itself does.
	SpotFallback bool // without stock for spot, pay as you go
	FailFast     bool // a group that can't be created fails the pod at once
	DNS          bool // the group's resolver is Request.DnsConfig alone
	NoProxy      bool // no kube-proxy of ours beside the containers
}

// An annotation is a row of the table: a name that ACK's virtual nodes honour.
// https://help.aliyun.com/zh/eci/user-guide/pod-annotations-1
type annotation struct {
	key   string
	older []string // names that mean the same; key beats them
	takes string   // the values, in words
	does  string   // what it becomes
	// apply parses a value that is not empty and applies it; false: it is not among takes.
	apply func(*Settings, string) bool
	// idle: this virtual node does nothing for the value, and a warning says does.
	idle func(string) bool
	// refuse: the pod can't run with the value; does is the reason and remedy helps.
	refuse func(string) bool
	remedy string
}

// ReadSettings is what the pod's annotations ask for. A value that can't be is left out:
// Check refuses it.
func ReadSettings(pod *corev1.Pod) Settings {
	var s Settings
	s.annotations(pod)
	return s
}

// annotations reads the pod's annotations into empty settings and says what is wrong with
// them.
func (s *Settings) annotations(pod *corev1.Pod) []Finding {
	var findings []Finding
	for _, row := range annotations() {
		key, value := row.key, strings.TrimSpace(pod.Annotations[row.key])
		for _, name := range row.older {
			if value == "" {
				key, value = name, strings.TrimSpace(pod.Annotations[name])
			}
		}
		if value == "" {
			continue
		}
		field := "metadata.annotations[" + key + "]"
		switch {
		case row.refuse != nil && row.refuse(value):
			findings = append(findings, Finding{Field: field, Verdict: Refuses, Reason: row.does, Remedy: row.remedy})
		case row.idle != nil && row.idle(value):
			findings = append(findings, Finding{Field: field, Verdict: Warns, Event: "AnnotationIgnored", Reason: row.does})
		case row.apply != nil && !row.apply(s, value):
			findings = append(findings, Finding{Field: field, Verdict: Refuses, Reason: fmt.Sprintf("%q is no value of it", value), Remedy: "use " + row.takes})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(pod.Annotations)) {
		if strings.HasPrefix(key, prefixECI) && !known()[key] {
			findings = append(findings, Finding{Field: "metadata.annotations[" + key + "]", Verdict: Warns, Event: "AnnotationIgnored",
				Reason: "this virtual node does not know it"})
		}
	}
	if arm(pod) {
		s.Request.CpuArchitecture = "ARM64"
	}
	if r := s.contradiction(); r != nil {
		findings = append(findings, Finding{Field: r.Field, Verdict: Refuses, Reason: r.Reason, Remedy: r.Remedy})
	}
	return findings
}

// contradiction finds annotations that ECI does not take together.
func (s *Settings) contradiction() *Refusal {
	r := &s.Request
	spot := r.SpotStrategy != "" && r.SpotStrategy != "NoSpot"
	field := func(key string) string { return "metadata.annotations[" + prefixECI + key + "]" }
	switch {
	case len(r.ComputeCategory) > 0 && spot:
		return &Refusal{field("compute-category"), "spot instances have no compute category", "remove it or eci-spot-strategy"}
	case len(r.ComputeCategory) > 0 && strings.Contains(r.InstanceType, "ecs."):
		return &Refusal{field("compute-category"), "a machine type has a category of its own", "remove it or the machine type"}
	case len(r.ComputeCategory) > 0 && r.CpuArchitecture == "ARM64":
		return &Refusal{field("compute-category"), "ARM groups have no compute category", "remove it"}
	case r.SpotStrategy == "SpotWithPriceLimit" && r.SpotPriceLimit == 0:
		return &Refusal{field("spot-strategy"), "SpotWithPriceLimit needs a price", "name the highest price per hour in eci-spot-price-limit"}
	case r.EipInstanceId != "" && r.AutoCreateEip != nil && *r.AutoCreateEip:
		return &Refusal{field("with-eip"), "eci-eip-instanceid names an address already", "remove one of the two"}
	case (r.AutoCreateEip == nil || !*r.AutoCreateEip) && (r.EipBandwidth != 0 || r.EipISP != "" || r.EipCommonBandwidthPackage != ""):
		return &Refusal{"metadata.annotations", "the eip- annotations are about a public address that is made, and none is", "add " + annotationEIP + ": \"true\", or remove them"}
	}
	return nil
}

// arm tells that the pod asks for ARM machines, as it would on real nodes.
func arm(pod *corev1.Pod) bool {
	if pod.Spec.NodeSelector[corev1.LabelArchStable] == "arm64" {
		return true
	}
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for _, term := range terms {
		only := slices.ContainsFunc(term.MatchExpressions, func(r corev1.NodeSelectorRequirement) bool {
			return r.Key == corev1.LabelArchStable && r.Operator == corev1.NodeSelectorOpIn && slices.Equal(r.Values, []string{"arm64"})
		})
		if !only {
			return false
		}
	}
	return len(terms) > 0
}

// known are the annotations of ECI that mean something here: the table's, and those that a
// virtual node writes on a pod, ACK's and ours, which ask for nothing.
var known = sync.OnceValue(func() map[string]bool {
	known := map[string]bool{}
	for _, key := range []string{"instance-id", "instance-spec", "instance-cpu", "instance-mem", "instance-zone", "instance-compute-category", "request-id",
		"client-token", "created-by-template", "schedule-result", "vpc", "matched-image-cache", "attempt", "zone"} {
		known[prefixECI+key] = true
	}
	for _, key := range Annotations() {
		known[key] = true
	}
	return known
})

// Annotations are the names that the table knows, older ones too.
func Annotations() []string {
	var keys []string
	for _, a := range annotations() {
		keys = append(append(keys, a.key), a.older...)
	}
	return keys
}

// WithoutSpot is the pod without the annotations that ask for spot instances.
func WithoutSpot(pod *corev1.Pod) *corev1.Pod {
	out := pod.DeepCopy()
	for _, key := range []string{"spot-strategy", "spot-price-limit", "spot-duration"} {
		delete(out.Annotations, prefixECI+key)
	}
	return out
}
