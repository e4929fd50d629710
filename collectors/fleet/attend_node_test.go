package fleet

import (
	"strings"
	"testing"
)

func TestANodeWhosePodsReachNothingNeedsAPerson(t *testing.T) {
	reached := &Node{Name: "vk-h", UID: "n1", Virtual: true, Place: PlaceECI, Status: "Ready", Created: noon}
	unreached := &Node{Name: "vk-i", UID: "n2", Virtual: true, Place: PlaceECI, Status: "Ready", Created: noon, Unreached: "pods on ECI do not reach ClusterIP 10.96.0.1:443"}
	w := &world{uid: clusterUID, nodes: []*Node{reached, unreached}}
	var found []Attention
	for _, a := range Build(w.inputs(1), noon, nil).Attention {
		if a.Topic == TopicNode {
			found = append(found, a)
		}
	}
	if len(found) != 1 || found[0].Subject != "node vk-i" || found[0].Text != unreached.Unreached || !strings.Contains(found[0].Remedy, "ecideck doctor network") {
		t.Errorf("%+v", found)
	}
}
