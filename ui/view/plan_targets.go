package view

import (
	"slices"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/keymap"
)

// resolve turns what is selected into what can be asked for: a group stands for its pod.
func resolve(s *fleet.Snapshot, objects []keymap.Object) (targets []fleet.Ref, left []string) {
	for _, o := range objects {
		if o.Kind != KindGroup {
			targets = append(targets, fleet.Ref(o))
			continue
		}
		at := slices.IndexFunc(s.Placements, func(p *fleet.Placement) bool { return p.Group != nil && p.Group.ID == o.Name && p.Pod != nil })
		if at < 0 {
			left = append(left, "group "+o.Name+" has no pod")
			continue
		}
		targets = append(targets, fleet.Ref(podObject(s.Placements[at])))
	}
	return targets, left
}

// announced reports whether the cloud said of the groups of all targets that it takes them.
func announced(s *fleet.Snapshot, targets []fleet.Ref) bool {
	for _, t := range targets {
		if t.Kind != KindPod || !slices.ContainsFunc(s.Placements, func(p *fleet.Placement) bool {
			return p.Pod != nil && p.Pod.Namespace == t.Namespace && p.Pod.Name == t.Name && p.Place == fleet.PlaceECI && noticed(p)
		}) {
			return false
		}
	}
	return len(targets) > 0
}

// direction is where what is selected goes if nobody says: home if all of it is on ECI, to
// ECI otherwise.
func direction(s *fleet.Snapshot, targets []fleet.Ref) string {
	pods := map[string]fleet.Place{}
	if slices.ContainsFunc(targets, func(t fleet.Ref) bool { return t.Kind == KindPod }) {
		for _, p := range s.Placements {
			if p.Pod != nil {
				pods[p.Pod.UID] = p.Place
				pods[p.Pod.Namespace+"/"+p.Pod.Name] = p.Place
			}
		}
	}
	for _, t := range targets {
		switch t.Kind {
		case KindPod:
			place, ok := pods[t.UID]
			if !ok {
				place = pods[t.Namespace+"/"+t.Name]
			}
			if place != fleet.PlaceECI {
				return ToECI
			}
		case KindNode:
			if !slices.ContainsFunc(s.Nodes, func(n *fleet.Node) bool { return n.Name == t.Name && n.Virtual }) {
				return ToECI
			}
		default:
			w := s.Workload(t.Namespace, t.Kind, t.Name)
			if w == nil || w.Pods.ECI == 0 || w.Pods.ECI != w.Pods.All() {
				return ToECI
			}
		}
	}
	return ToECS
}
