package provider

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/placement"
)

// node0 is the virtual node's object.
func (b *bed) node0() *corev1.Node {
	b.t.Helper()
	node, err := b.client.CoreV1().Nodes().Get(b.ctx, testNode, metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return node
}

func (b *bed) zone() string { return b.node0().Labels[corev1.LabelTopologyZone] }

func TestTheNodeHasAZoneOnlyWhereARealNodeHasIt(t *testing.T) {
	inBedWith(t, func(_ *Config, s *NodeSpec) { s.Zone = "cn-hangzhou-h" }, func(b *bed) {
		<-b.node.Ready()
		if zone := b.zone(); zone != "" {
			t.Errorf("it was registered with zone %q, which no real node has", zone)
		}
		real := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-01", Labels: map[string]string{corev1.LabelTopologyZone: "cn-hangzhou-h"}}}
		if _, err := b.client.CoreV1().Nodes().Create(b.ctx, real, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.until("the node has the zone", time.Minute, func() bool { return b.zone() == "cn-hangzhou-h" })
		if err := b.client.CoreV1().Nodes().Delete(b.ctx, "ecs-01", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.until("the node lost the zone", time.Minute, func() bool { return b.zone() == "" })
		time.Sleep(5 * time.Minute)
		if zone := b.zone(); zone != "" {
			t.Errorf("zone %q came back", zone)
		}
	})
}

func TestAnotherVirtualNodeIsNoRealOne(t *testing.T) {
	inBedWith(t, func(_ *Config, s *NodeSpec) { s.Zone = "cn-hangzhou-h" }, func(b *bed) {
		other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "acks", Labels: map[string]string{placement.NodeTypeLabel: placement.NodeType, corev1.LabelTopologyZone: "cn-hangzhou-h"}}}
		if _, err := b.client.CoreV1().Nodes().Create(b.ctx, other, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		<-b.node.Ready()
		time.Sleep(2 * time.Minute)
		if zone := b.zone(); zone != "" {
			t.Errorf("zone %q", zone)
		}
	})
}

// A taint that somebody takes away comes back at once: without it every pod may come.
func TestTaintsAndLabelsComeBackAtOnce(t *testing.T) {
	inBed(t, func(b *bed) {
		<-b.node.Ready()
		time.Sleep(time.Second)
		node := b.node0()
		node.Spec.Taints = []corev1.Taint{{Key: "mine", Effect: corev1.TaintEffectNoSchedule}}
		node.Labels[corev1.LabelHostname] = testNode
		delete(node.Labels, placement.NodeTypeLabel)
		if _, err := b.client.CoreV1().Nodes().Update(b.ctx, node, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		took := b.until("taints and labels are back", time.Minute, func() bool {
			n := b.node0()
			_, hostname := n.Labels[corev1.LabelHostname]
			return len(n.Spec.Taints) == 3 && n.Labels[placement.NodeTypeLabel] == placement.NodeType && !hostname
		})
		if took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
