package why

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// policies are the ResourcePolicies that say where a workload's pods go; "" where none does,
// or where its pods' labels are not known.
func policies(s *fleet.Snapshot, w *fleet.Workload) string {
	var names []string
	for _, p := range s.Policies {
		if p.Namespace != w.Namespace {
			continue
		}
		if p.Selector != "" {
			if w.Object == nil || w.Object.Labels == "" {
				continue
			}
			selector, err := labels.Parse(p.Selector)
			if err != nil || !selector.Matches(template(w.Object.Labels)) {
				continue
			}
		}
		names = append(names, "ResourcePolicy "+p.Name+" sends its pods to "+p.Units)
	}
	return strings.Join(names, "; ")
}

// template reads the labels of a pod template, a=b,c=d.
func template(text string) labels.Set {
	set := labels.Set{}
	for pair := range strings.SplitSeq(text, ",") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			set[key] = value
		}
	}
	return set
}
