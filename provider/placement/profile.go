package placement

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// A Profile is a cluster's defaults for pods on ECI: ACK's ConfigMap kube-system/eci-profile.
// https://help.aliyun.com/zh/eci/user-guide/configure-an-eci-profile
type Profile struct {
	VSwitchIDs      []string // nil: the virtual node's own
	SecurityGroupID string   // "": the virtual node's own
	ResourceGroupID string
	// Ignored are the settings that this virtual node does not act on, as key=value, sorted.
	Ignored   []string
	selectors []selector
}

// A selector adds annotations and labels to the pods that it matches.
type selector struct {
	name              string
	namespace, object labels.Selector // nil: every one
	effect            effect
}

type effect struct {
	Annotations map[string]string `json:"annotations"`
	Labels      map[string]string `json:"labels"`
}

// ParseProfile reads the ConfigMap's data. It is strict: a key that ACK does not know, a
// selector that is no selector and an annotation with a bad value are errors that name what
// is wrong, because a default that is silently not applied is found on the bill.
func ParseProfile(data map[string]string) (Profile, error) {
	var p Profile
	for _, key := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[key])
		if value == "" {
			continue
		}
		switch key {
		case "vSwitchIds":
			for id := range strings.SplitSeq(squeeze(value), ",") {
				if !strings.HasPrefix(id, "vsw-") {
					return Profile{}, fmt.Errorf("vSwitchIds: %q is no vSwitch; give vsw-… with commas", id)
				}
				p.VSwitchIDs = append(p.VSwitchIDs, id)
			}
			if len(p.VSwitchIDs) > maxVSwitches {
				return Profile{}, fmt.Errorf("vSwitchIds: these are %d, and ECI takes %d", len(p.VSwitchIDs), maxVSwitches)
			}
		case "securityGroupId":
			if !strings.HasPrefix(value, "sg-") {
				return Profile{}, fmt.Errorf("securityGroupId: %q is no security group; give sg-…", value)
			}
			p.SecurityGroupID = value
		case "resourceGroupId":
			p.ResourceGroupID = value
		case "vpcId": // the vSwitches' own
		case "selectors":
			var err error
			if p.selectors, err = parseSelectors(value); err != nil {
				return Profile{}, fmt.Errorf("selectors: %w", err)
			}
		case "slsMachineGroup", "featureGates":
			p.Ignored = append(p.Ignored, key+"="+value)
		case "enableClusterIp", "enableHybridMode", "enableLinuxArm64Node", "enableLogController", "enablePVCController", "enablePrivateZone", "enableReuseSSLKey":
			on, err := strconv.ParseBool(value)
			if err != nil {
				return Profile{}, fmt.Errorf("%s: %q is neither true nor false", key, value)
			}
			if on {
				p.Ignored = append(p.Ignored, key+"="+value)
			}
		default:
			return Profile{}, fmt.Errorf("%s: no such setting; known are vSwitchIds, securityGroupId, resourceGroupId, selectors and ACK's enable… switches", key)
		}
	}
	return p, nil
}

// maxVSwitches is how many CreateContainerGroup takes.
const maxVSwitches = 10

func parseSelectors(text string) ([]selector, error) {
	var list []struct {
		Name              string                `json:"name"`
		NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector"`
		ObjectSelector    *metav1.LabelSelector `json:"objectSelector"`
		Effect            effect                `json:"effect"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("not a JSON list of selectors: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("something follows the JSON list")
	}
	var out []selector
	for i, s := range list {
		switch {
		case s.Name == "":
			return nil, fmt.Errorf("the selector at position %d has no name", i+1)
		case slices.ContainsFunc(out, func(o selector) bool { return o.name == s.Name }):
			return nil, fmt.Errorf("two selectors are named %s", s.Name)
		case s.NamespaceSelector == nil && s.ObjectSelector == nil:
			return nil, fmt.Errorf(`%s selects nothing; write "objectSelector":{} for every pod`, s.Name)
		}
		x := selector{name: s.Name, effect: s.Effect}
		for into, from := range map[*labels.Selector]*metav1.LabelSelector{&x.namespace: s.NamespaceSelector, &x.object: s.ObjectSelector} {
			if from == nil {
				continue
			}
			parsed, err := metav1.LabelSelectorAsSelector(from)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			*into = parsed
		}
		var settings Settings
		findings := settings.annotations(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: s.Effect.Annotations}})
		for _, f := range findings {
			if f.Verdict == Refuses {
				return nil, fmt.Errorf("%s: %s: %s; %s", s.Name, f.Field, f.Reason, f.Remedy)
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// ByNamespace tells that the profile has to know the labels of a pod's namespace.
func (p Profile) ByNamespace() bool {
	return slices.ContainsFunc(p.selectors, func(s selector) bool { return s.namespace != nil })
}

// Selectors are the names of the selectors that match a pod, in the profile's order. On ACK
// a pod that one matches goes to ECI.
func (p Profile) Selectors(pod *corev1.Pod, namespaceLabels map[string]string) []string {
	var names []string
	for _, s := range p.selectors {
		if s.matches(pod, namespaceLabels) {
			names = append(names, s.name)
		}
	}
	return names
}

func (s selector) matches(pod *corev1.Pod, namespaceLabels map[string]string) bool {
	return (s.namespace == nil || s.namespace.Matches(labels.Set(namespaceLabels))) && (s.object == nil || s.object.Matches(labels.Set(pod.Labels)))
}

// Apply is the pod with the annotations and labels of the selectors that match it. The pod's
// own values win, then those of the selector that comes first. The pod is not changed; it is
// returned itself where nothing is added.
func (p Profile) Apply(pod *corev1.Pod, namespaceLabels map[string]string) *corev1.Pod {
	out := pod
	for _, s := range p.selectors {
		if !s.matches(pod, namespaceLabels) || len(s.effect.Annotations)+len(s.effect.Labels) == 0 {
			continue
		}
		if out == pod {
			out = pod.DeepCopy()
		}
		out.Annotations, out.Labels = under(out.Annotations, s.effect.Annotations), under(out.Labels, s.effect.Labels)
	}
	return out
}

// under adds what is not there yet.
func under(own, defaults map[string]string) map[string]string {
	for key, value := range defaults {
		if _, ok := own[key]; !ok {
			if own == nil {
				own = map[string]string{}
			}
			own[key] = value
		}
	}
	return own
}
