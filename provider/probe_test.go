package provider

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// all is every route that a well-connected vSwitch has.
func all() []ecitest.Route {
	return []ecitest.Route{{To: "10.96.0.1:443", Reachable: true}, {To: "10.88.0.0/16", Reachable: true}, {To: "172.16.0.5:6443", Reachable: true},
		{To: "registry.example.com:443", Reachable: true}}
}

// watches is a node that probes its network.
func watches(c *Config, s *NodeSpec) {
	c.Placement.ClusterDNS, c.Placement.APIServerHost, c.Placement.APIServerPort = []string{"172.16.0.10"}, "172.16.0.5", "6443"
	c.Network = &NetworkWatch{Every: time.Hour, Prober: Prober{Cloud: c.Cloud.(ProbeCloud), Client: c.Client, Services: ServicesRoutes,
		Namespace: "kube-system", Image: "registry.example.com/busybox:1"}}
	c.Network.Prober.Placement = c.Placement
	c.Network.Prober.Placement.NodeName = s.Name
}

// inNetwork is a bed with a real node and a pod on it, whose node probes; routes are what
// groups reach.
func inNetwork(t *testing.T, routes []ecitest.Route, change func(*Config, *NodeSpec), test func(*bed)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		if err := b.cloud.SetRoutes(routes); err != nil {
			t.Fatal(err)
		}
		for _, add := range []func() error{
			func() error {
				return b.client.Tracker().Add(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ecs-1"}})
			},
			func() error {
				return b.client.Tracker().Add(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "coredns", Namespace: "kube-system", UID: "dns"},
					Spec:   corev1.PodSpec{NodeName: "ecs-1", Containers: []corev1.Container{{Name: "dns", Ports: []corev1.ContainerPort{{ContainerPort: 53, Protocol: corev1.ProtocolUDP}, {ContainerPort: 9153}}}}},
					Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.88.0.2", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}})
			},
		} {
			if err := add(); err != nil {
				t.Fatal(err)
			}
		}
		b.change = func(c *Config, s *NodeSpec) {
			watches(c, s)
			if change != nil {
				change(c, s)
			}
		}
		b.start()
		defer func() { b.stop() }()
		test(b)
	})
}

// network is the node's condition now.
func (b *bed) network() corev1.NodeCondition {
	b.t.Helper()
	node, err := b.client.CoreV1().Nodes().Get(b.ctx, testNode, metav1.GetOptions{})
	if err != nil {
		return corev1.NodeCondition{}
	}
	for _, c := range node.Status.Conditions {
		if c.Type == ConditionNetwork {
			return c
		}
	}
	return corev1.NodeCondition{}
}

func (b *bed) untilNetwork(status corev1.ConditionStatus, reason string) string {
	b.t.Helper()
	b.until("the network is "+string(status)+" "+reason, 5*time.Minute, func() bool { c := b.network(); return c.Status == status && c.Reason == reason })
	return b.network().Message
}

func TestWhereAllIsReachedTheNodeSaysSoAndPaysForAMinute(t *testing.T) {
	inNetwork(t, all(), nil, func(b *bed) {
		b.untilNetwork(corev1.ConditionTrue, "Reached")
		if n := len(b.live()); n != 0 {
			t.Errorf("%d groups are left", n)
		}
		creates := b.cloud.Calls("CreateContainerGroup")
		b.stop()
		b.start() // again and again
		b.untilNetwork(corev1.ConditionTrue, "Reached")
		time.Sleep(30 * time.Minute)
		if again := b.cloud.Calls("CreateContainerGroup"); again != creates {
			t.Errorf("a restart started %d groups", again-creates)
		}
		time.Sleep(5 * time.Hour)
		if n := b.cloud.Calls("CreateContainerGroup") - creates; n < 4 || n > 6 {
			t.Errorf("%d groups in five hours", n)
		}
	})
}

func TestBeforeAnythingIsKnownNothingBursts(t *testing.T) {
	inNetwork(t, all(), nil, func(b *bed) {
		b.until("the node is there", time.Minute, func() bool { return b.network().Type != "" })
		if c := b.network(); c.Status != corev1.ConditionFalse || c.Reason != "NotProbedYet" {
			t.Errorf("%+v", c)
		}
	})
}

func TestEachTargetThatIsNotReachedHasItsRemedy(t *testing.T) {
	for _, c := range []struct{ name, to, want, remedy string }{
		{"DNS", "172.16.0.10:53", "DNS 172.16.0.10:53: ;; connection timed out", "--cluster-dns"},
		{"a ClusterIP", "10.96.0.1:443", "ClusterIP 10.96.0.1:443: nc: connect to", "--service-network=sidecar"},
		{"the overlay", "10.88.0.0/16", "pod 10.88.0.2:9153: nc: connect to", "Terway"},
		{"the API server", "172.16.0.5:6443", "API server 172.16.0.5:6443: nc", "--apiserver-address"},
		{"the registry", "registry.example.com:443", "registry registry.example.com:443: nc", "NAT gateway"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inNetwork(t, append(all(), ecitest.Route{To: c.to}), nil, func(b *bed) {
				said := b.untilNetwork(corev1.ConditionFalse, "NotReached")
				if !strings.Contains(said, c.want) || !strings.Contains(said, c.remedy) || strings.Contains(said, " | ") {
					t.Errorf("%q does not say %q and %q alone", said, c.want, c.remedy)
				}
				if b.events.count("ClusterNetworkNotReached") != 1 || len(b.live()) != 0 {
					t.Errorf("events %v, groups %v", b.events.list, b.live())
				}
				if err := b.cloud.SetRoutes(all()); err != nil { // somebody sees to it
					t.Fatal(err)
				}
				b.until("it is seen", 15*time.Minute, func() bool { return b.network().Status == corev1.ConditionTrue })
			})
		})
	}
}

func TestByDefaultAGroupReachesNoServiceAndNoPod(t *testing.T) {
	inNetwork(t, nil, func(c *Config, _ *NodeSpec) {
		c.Network.Prober.Services = ServicesNone
		c.Network.Prober.Placement.ClusterDNS, c.Network.Prober.Placement.APIServerHost = nil, ""
	}, func(b *bed) {
		said := b.untilNetwork(corev1.ConditionFalse, "NotReached")
		for _, want := range []string{"DNS: pods get the VPC's DNS", "ClusterIP 10.96.0.1:443", "pod 10.88.0.2:9153", "API server: pods look for it at its ClusterIP", "registry"} {
			if !strings.Contains(said, want) {
				t.Errorf("no %q in %q", want, said)
			}
		}
	})
}

func TestTheGateCanBeOpenedByHand(t *testing.T) {
	inNetwork(t, nil, func(c *Config, _ *NodeSpec) { c.Network.Override = true }, func(b *bed) {
		if said := b.untilNetwork(corev1.ConditionUnknown, "Overridden"); !strings.Contains(said, "ClusterIP 10.96.0.1:443") {
			t.Errorf("%q", said)
		}
	})
}

func TestWhatCantBeFoundOutIsUnknown(t *testing.T) {
	for name, fault := range map[string]ecitest.Fault{
		"no stock":           {Kind: ecitest.FaultNoStock},
		"no right to create": {Kind: ecitest.FaultDenied, Action: "CreateContainerGroup"},
		"no right to ask":    {Kind: ecitest.FaultDenied, Action: "ExecContainerCommand"},
		"it never starts":    {Kind: ecitest.FaultNoStock, Async: true},
	} {
		t.Run(name, func(t *testing.T) {
			inNetwork(t, all(), nil, func(b *bed) {
				b.fault(fault)
				if said := b.untilNetwork(corev1.ConditionUnknown, "ProbeFailed"); !strings.Contains(said, "vsw-h") {
					t.Errorf("%q", said)
				}
				b.until("no group is left", 10*time.Minute, func() bool { return len(b.live()) == 0 })
			})
		})
	}
}

func TestAProbeThatWasKilledLeavesNothing(t *testing.T) {
	inNetwork(t, all(), nil, func(b *bed) {
		b.untilNetwork(corev1.ConditionTrue, "Reached")
		// A process that was killed in its probe: its group stays, and nobody asks it.
		p := b.node.Provider.Network.Prober
		p.Cloud = immortal{p.Cloud}
		ctx, cancel := context.WithTimeout(b.ctx, 100*time.Millisecond)
		defer cancel()
		if _, err := p.Run(ctx); err == nil || len(b.live()) != 1 {
			t.Fatalf("%v, %d groups", err, len(b.live()))
		}
		time.Sleep(2 * time.Minute)
		if len(b.live()) != 1 {
			t.Error("somebody's probe was taken for an orphan")
		}
		if took := b.until("the orphan is gone", 10*time.Minute, func() bool { return len(b.live()) == 0 }); took > probeLife {
			t.Errorf("after %v more", took)
		}
	})
}

// immortal is a cloud whose groups can't be deleted, as by a process that is no more.
type immortal struct{ ProbeCloud }

func (immortal) DeleteGroupNow(context.Context, string) error { return nil }

func TestAProbeWithAKubeProxyReachesServices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.cloud = ecitest.New(ecitest.Options{Seed: 1, ServiceCIDR: "10.96.0.0/16", Routes: append(all(), ecitest.Route{To: "10.96.0.0/16"})})
		if err := b.client.Tracker().Add(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt", Namespace: "kube-system"}, Data: map[string]string{"ca.crt": "CA"}}); err != nil {
			t.Fatal(err)
		}
		b.change = func(c *Config, s *NodeSpec) {
			withServices(&c.Placement)
			c.Network = &NetworkWatch{Every: time.Hour, Prober: Prober{Cloud: c.Cloud.(*eci.Client), Client: c.Client, Services: ServicesSidecar, Namespace: "kube-system", Image: "registry.example.com/busybox:1"}}
			c.Network.Prober.Placement = c.Placement
			c.Network.Prober.Placement.NodeName = s.Name
		}
		b.start()
		defer func() { b.stop() }()
		b.untilNetwork(corev1.ConditionTrue, "Reached")
		if n := b.cloud.Calls("CreateContainerGroup"); n != 1 {
			t.Errorf("%d groups", n)
		}
	})
}

func TestAnImagesRegistry(t *testing.T) {
	for image, want := range map[string]string{"busybox": "registry-1.docker.io", "library/busybox:1": "registry-1.docker.io", "registry.example.com/a/b:1": "registry.example.com",
		"localhost:5000/a": "localhost:5000"} {
		if got := hostOf(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}
