package burst

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The marks. The first two are ACK's.
// https://help.aliyun.com/zh/eci/user-guide/schedule-pods-to-virtual-kubelet
const (
	// LabelECI is a label of pods and namespaces: "true" is ECI only; "false" on a pod takes
	// its namespace's back.
	LabelECI = "alibabacloud.com/eci"
	// KeyResource is an annotation or a label of pods and namespaces: "eci" is real nodes
	// first, "eci_only" ECI only.
	KeyResource = "alibabacloud.com/burst-resource"
	// AnnotationBurst is an annotation of pods and namespaces. "at-creation" lets a pod that
	// goes to real nodes first onto ECI without waiting until they are full, and leaves the
	// preferring to the scheduler; such a pod does not preempt others before it bursts.
	AnnotationBurst = "ecideck.io/burst"
	// AnnotationAfter is how long a pod stays pending before it bursts, such as 60s.
	AnnotationAfter = "ecideck.io/burst-after"
	// AnnotationMaxPods and AnnotationMaxRate limit the bursts of a workload or a namespace.
	AnnotationMaxPods = "ecideck.io/burst-max-pods"
	AnnotationMaxRate = "ecideck.io/burst-max-rate"
	// AnnotationSince is written on a pod that was let onto ECI, with the time.
	AnnotationSince = "ecideck.io/burst-since"
)

const (
	valueOnly       = "eci_only"
	valueFirst      = "eci"
	valueAtCreation = "at-creation"
)

// A Mode says where a pod may run.
type Mode int

// The modes.
const (
	Unmarked  Mode = iota // nothing is said: real nodes
	RealOnly              // it says that it does not want ECI
	RealFirst             // ECI when real nodes are full
	ECIOnly               // never a real node
)

// Marks are what a pod and its namespace say about ECI.
type Marks struct {
	Mode       Mode
	From       string // who says so: the pod's label alibabacloud.com/eci=true
	AtCreation bool
	After      time.Duration // how long it stays pending first; only with AfterSet
	AfterSet   bool
	Problems   []string // marks that contradict each other or say nothing, in words
}

// ReadMarks reads a pod's marks; what the pod itself says beats its namespace. namespace may
// be nil: then only the pod is read. Of two marks that contradict each other on one object
// the label alibabacloud.com/eci counts, as on ACK, and "false" beats "eci_only".
func ReadMarks(pod *corev1.Pod, namespace *corev1.Namespace) Marks {
	var m Marks
	own, from := m.level(pod, "the pod")
	m.Mode, m.From = own, from
	sources := []metav1.Object{pod}
	if namespace != nil {
		inherited, from := m.level(namespace, "the namespace")
		if own == Unmarked {
			m.Mode, m.From = inherited, from
		} else if inherited != Unmarked && inherited != own && (inherited != ECIOnly || pod.Labels[LabelECI] != "false") {
			m.Problems = append(m.Problems, fmt.Sprintf("%s says %s, and %s says %s: the pod's counts; remove one of them",
				m.From, own.words(), from, inherited.words()))
		}
		sources = append(sources, namespace)
	}
	for _, object := range sources {
		switch v := object.GetAnnotations()[AnnotationBurst]; v {
		case "":
			continue
		case valueAtCreation:
			m.AtCreation = true
		default:
			m.Problems = append(m.Problems, unknownValue(AnnotationBurst, v, valueAtCreation))
		}
		break
	}
	for _, object := range sources {
		v := object.GetAnnotations()[AnnotationAfter]
		if v == "" {
			continue
		}
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			m.Problems = append(m.Problems, fmt.Sprintf("%s=%q is not a duration such as 60s, and does not count", AnnotationAfter, v))
			continue
		}
		m.After, m.AfterSet = d, true
		break
	}
	return m
}

// level reads the marks of one object.
func (m *Marks) level(object metav1.Object, who string) (Mode, string) {
	eci := object.GetLabels()[LabelECI]
	if eci != "" && eci != "true" && eci != "false" {
		m.Problems = append(m.Problems, unknownValue(LabelECI, eci, "true", "false"))
		eci = ""
	}
	resource, kind := "", ""
	for _, source := range []struct {
		kind   string
		values map[string]string
	}{{"annotation", object.GetAnnotations()}, {"label", object.GetLabels()}} {
		switch v := source.values[KeyResource]; {
		case v == "":
		case v != valueFirst && v != valueOnly:
			m.Problems = append(m.Problems, unknownValue(KeyResource, v, valueFirst, valueOnly))
		case resource == "":
			resource, kind = v, source.kind
		case v != resource:
			m.Problems = append(m.Problems, fmt.Sprintf("%s has the annotation %s=%s and the label %s: the annotation counts; remove one of them", who, KeyResource, resource, v))
		}
	}
	label := fmt.Sprintf("%s's label %s=%s", who, LabelECI, eci)
	mark := fmt.Sprintf("%s's %s %s=%s", who, kind, KeyResource, resource)
	contradict := func(counts string) {
		m.Problems = append(m.Problems, fmt.Sprintf("%s and %s contradict each other: %s counts; remove the other", label, mark, counts))
	}
	switch {
	case eci == "true":
		if resource == valueFirst {
			contradict("the label " + LabelECI)
		}
		return ECIOnly, label
	case eci == "false" && resource == valueFirst:
		return RealFirst, mark // no ECI from the start, and ECI when it is needed
	case eci == "false":
		if resource == valueOnly {
			contradict("the label " + LabelECI)
		}
		return RealOnly, label
	case resource == valueOnly:
		return ECIOnly, mark
	case resource == valueFirst:
		return RealFirst, mark
	}
	return Unmarked, ""
}

func unknownValue(key, value string, known ...string) string {
	return fmt.Sprintf("%s=%q does not count: it takes %s", key, value, strings.Join(known, " or "))
}

// String says who wants what of the pod.
func (m Marks) String() string {
	if m.Mode == Unmarked {
		return "nobody: neither the pod nor its namespace says anything about ECI"
	}
	return m.From + ": " + m.Mode.words()
}

// words is the mode in a sentence.
func (m Mode) words() string {
	return [...]string{"nothing", "real nodes only", "real nodes first", "ECI only"}[m]
}

// A Policy says which pods may burst: --burst.
type Policy string

// The policies.
const (
	Marked Policy = "marked" // those that a mark lets
	All    Policy = "all"    // also those that say nothing, but for the cluster's own
	Off    Policy = "off"    // none
)

// ParsePolicy reads --burst.
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(s); p {
	case Marked, All, Off:
		return p, nil
	}
	return "", fmt.Errorf("--burst %q: use marked, all or off", s)
}

// apply is the marks under a policy. The cluster's own pods, which its real nodes need to
// work, never burst without a mark.
func (p Policy) apply(m Marks, pod *corev1.Pod) Marks {
	if p != All || m.Mode != Unmarked || pod.Namespace == metav1.NamespaceSystem || strings.HasPrefix(pod.Spec.PriorityClassName, "system-") {
		return m
	}
	m.Mode, m.From = RealFirst, "--burst=all"
	return m
}
