package impact

import (
	"net/netip"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/placement"
)

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: map[string]string{}, Annotations: map[string]string{}}
}

// healthy is a cluster of three nodes in two zones whose workloads a virtual node harms in
// nothing.
func healthy() Cluster {
	c := Cluster{ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")}}
	for i, zone := range []string{"h", "h", "i"} {
		n := corev1.Node{ObjectMeta: meta([]string{"a", "b", "c"}[i])}
		n.Labels[corev1.LabelHostname], n.Labels[corev1.LabelTopologyZone] = n.Name, zone
		n.Spec.PodCIDR = "10.88.0.0/24"
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.168.0.7"}}
		c.Nodes = append(c.Nodes, n)
	}
	three := int32(3)
	c.Deployments = []appsv1.Deployment{{ObjectMeta: meta("web"), Spec: appsv1.DeploymentSpec{Replicas: &three}}}
	c.DaemonSets = []appsv1.DaemonSet{{ObjectMeta: meta("agent")}}
	c.Services = []corev1.Service{{ObjectMeta: meta("web")}}
	return c
}

func settings() Settings {
	return Settings{Node: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "vk", Labels: map[string]string{placement.NodeTypeLabel: placement.NodeType, "kubernetes.io/os": "linux"}},
		Spec: corev1.NodeSpec{Taints: placement.Taints()}}}
}

func everything() []corev1.Toleration {
	return []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
}

func spread(key string) []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule}}
}

func TestWhomAVirtualNodeHarms(t *testing.T) {
	honor, ignore := corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore
	for _, test := range []struct {
		name   string
		change func(*Cluster, *Settings)
		want   []string // level, object and a text of what or remedy, one a finding
	}{
		{"nobody", func(*Cluster, *Settings) {}, nil},
		{"a DaemonSet that tolerates everything", func(c *Cluster, _ *Settings) { c.DaemonSets[0].Spec.Template.Spec.Tolerations = everything() },
			[]string{"harm|DaemonSet shop/agent|kubectl patch daemonset -n shop agent"}},
		{"a DaemonSet kept from virtual nodes", func(c *Cluster, _ *Settings) {
			s := &c.DaemonSets[0].Spec.Template.Spec
			s.Tolerations = everything()
			s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
				{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "type", Operator: corev1.NodeSelectorOpNotIn, Values: []string{"virtual-kubelet"}}}}}}}}
		}, nil},
		{"its other terms are kept", func(c *Cluster, _ *Settings) {
			s := &c.DaemonSets[0].Spec.Template.Spec
			s.Tolerations = everything()
			s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
				{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "kubernetes.io/os", Operator: corev1.NodeSelectorOpIn, Values: []string{"linux"}}}}}}}}
		}, []string{`harm|DaemonSet shop/agent|"values":["linux"]},{"key":"type","operator":"NotIn"`}},
		{"a spread over hosts", func(c *Cluster, _ *Settings) {
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelHostname)
		}, []string{"would|Deployment shop/web|no more than 3 of its pods"}},
		{"a spread over hosts, with the label", func(c *Cluster, s *Settings) {
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelHostname)
			s.HostnameLabel = true
		}, []string{"harm|Deployment shop/web|without --hostname-label"}},
		{"a spread that more pods have than domains", func(c *Cluster, _ *Settings) {
			five := int32(5)
			c.StatefulSets = []appsv1.StatefulSet{{ObjectMeta: meta("db"), Spec: appsv1.StatefulSetSpec{Replicas: &five}}}
			c.StatefulSets[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelTopologyZone)
		}, []string{"would|StatefulSet shop/db|3 of its 5 would be pending"}},
		{"a spread over zones, and the node in one that is there", func(c *Cluster, s *Settings) {
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelTopologyZone)
			s.Zone = "h"
		}, nil},
		{"a spread that looks at taints", func(c *Cluster, s *Settings) {
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelHostname)
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints[0].NodeTaintsPolicy = &honor
			s.HostnameLabel = true
		}, nil},
		{"a spread whose pods select other nodes", func(c *Cluster, s *Settings) {
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelHostname)
			c.Deployments[0].Spec.Template.Spec.NodeSelector = map[string]string{"disk": "ssd"}
			s.HostnameLabel = true
		}, nil},
		{"a spread that does not look at that", func(c *Cluster, s *Settings) {
			k := spread(corev1.LabelHostname)
			k[0].NodeAffinityPolicy = &ignore
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = k
			c.Deployments[0].Spec.Template.Spec.NodeSelector = map[string]string{"disk": "ssd"}
		}, []string{"would|Deployment shop/web|0 real domains"}},
		{"a spread that may be broken", func(c *Cluster, s *Settings) {
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelHostname)
			c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints[0].WhenUnsatisfiable = corev1.ScheduleAnyway
			s.HostnameLabel = true
		}, nil},
		{"a CronJob", func(c *Cluster, _ *Settings) {
			c.CronJobs = []batchv1.CronJob{{ObjectMeta: meta("night")}}
			c.CronJobs[0].Spec.JobTemplate.Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelHostname)
		}, []string{"would|CronJob shop/night|/spec/jobTemplate/spec/template/spec/topologySpreadConstraints/0/"}},
		{"a Deployment that tolerates everything", func(c *Cluster, _ *Settings) { c.Deployments[0].Spec.Template.Spec.Tolerations = everything() },
			[]string{"beware|Deployment shop/web|cost money"}},
		{"a Deployment that asks for ECI", func(c *Cluster, _ *Settings) {
			c.Deployments[0].Spec.Template.Spec.Tolerations = []corev1.Toleration{{Key: placement.TaintProvider, Operator: corev1.TolerationOpExists}}
		}, nil},
		{"topology hints", func(c *Cluster, _ *Settings) {
			c.Services[0].Annotations["service.kubernetes.io/topology-mode"] = "Auto"
		}, []string{"harm|Service shop/web|trafficDistribution"}},
		{"an autoscaler", func(c *Cluster, _ *Settings) { c.Autoscaler = "Karpenter" }, []string{"beware|Karpenter|--burst-after"}},
		{"a VNode", func(c *Cluster, _ *Settings) { c.Nodes[2].Labels["k8s.aliyun.com/vnode"] = "true" }, []string{"beware|Node c|VNode"}},
		{"a vendor's virtual node", func(c *Cluster, _ *Settings) { c.Nodes[2].Labels["type"] = "virtual-kubelet" }, []string{"beware|Node c|--burst=off"}},
		{"the node itself, once it is installed", func(c *Cluster, _ *Settings) {
			c.Nodes = append(c.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "vk", Labels: map[string]string{"type": "virtual-kubelet"}}})
		}, nil},
		{"Services in the cloud's own addresses", func(c *Cluster, _ *Settings) { c.ServiceCIDRs[0] = netip.MustParsePrefix("100.96.0.0/16") },
			[]string{"harm|CIDR 100.96.0.0/16|100.64.0.0/10"}},
		{"pods in the vSwitch's addresses", func(_ *Cluster, s *Settings) { s.VSwitchCIDRs = []netip.Prefix{netip.MustParsePrefix("10.88.0.0/16")} },
			[]string{"harm|CIDR 10.88.0.0/24|choose a vSwitch"}},
		{"nodes in the vSwitch are neighbours", func(_ *Cluster, s *Settings) {
			s.VSwitchCIDRs = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/24")}
		}, nil},
		{"nothing may be read", func(c *Cluster, _ *Settings) { *c = Cluster{} }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, s := healthy(), settings()
			test.change(&c, &s)
			got := Assess(c, s)
			if len(got) != len(test.want) {
				t.Fatalf("got %+v, want %d", got, len(test.want))
			}
			for i, want := range test.want {
				parts := strings.SplitN(want, "|", 3)
				f := got[i]
				if string(f.Level) != parts[0] || f.Object != parts[1] || !strings.Contains(f.What+" "+f.Remedy, parts[2]) || f.Remedy == "" {
					t.Errorf("got %+v, want %s", f, want)
				}
			}
		})
	}
}

func TestHarmComesFirst(t *testing.T) {
	c, s := healthy(), settings()
	c.Autoscaler = "Karpenter"
	c.DaemonSets[0].Spec.Template.Spec.Tolerations = everything()
	c.Deployments[0].Spec.Template.Spec.TopologySpreadConstraints = spread(corev1.LabelHostname)
	var levels []string
	for _, f := range Assess(c, s) {
		levels = append(levels, string(f.Level))
	}
	if got := strings.Join(levels, " "); got != "harm would beware" {
		t.Errorf("got %s", got)
	}
}
