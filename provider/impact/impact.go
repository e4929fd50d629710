// Package impact says, before a virtual node is installed, whom it would harm and what to do
// about it. It is pure: it judges objects that were listed, and makes no call.
//
// Who calls it: cmd/ecideck-node. What it calls: nothing but types.
package impact

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/ecideck/ecideck/provider/placement"
)

// A Cluster is what was listed. What could not be listed is nil, and no finding comes of it.
type Cluster struct {
	Nodes        []corev1.Node
	DaemonSets   []appsv1.DaemonSet
	Deployments  []appsv1.Deployment
	StatefulSets []appsv1.StatefulSet
	Jobs         []batchv1.Job
	CronJobs     []batchv1.CronJob
	Services     []corev1.Service
	Autoscaler   string         // such as the Cluster Autoscaler; "": none was found
	ServiceCIDRs []netip.Prefix // of ClusterIPs
}

// Settings are those of the node that is to be installed.
type Settings struct {
	// Node is the node as it would be, without its labels for host and zone.
	Node *corev1.Node
	// HostnameLabel and Zone are the flags; Zone counts where a real node has it.
	HostnameLabel bool
	Zone          string
	VSwitchCIDRs  []netip.Prefix // none: overlaps with them are not looked for
}

// A Level is how bad a finding is.
type Level string

// Harm is what gets worse for somebody who never asked for ECI, with the settings as they are.
// Would is harm with a flag that is not set. Beware is nobody's harm.
const (
	Harm   Level = "harm"
	Would  Level = "would"
	Beware Level = "beware"
)

// A Finding is one object that a virtual node would change something for.
type Finding struct {
	Level  Level  `json:"level"`
	When   string `json:"when"`   // always, or the flag that makes it so
	Object string `json:"object"` // Deployment shop/web
	What   string `json:"what"`
	Remedy string `json:"remedy"` // a command, or what to do
}

// A template is the pods of a workload.
type template struct {
	kind, namespace, name string
	replicas              int
	spec                  *corev1.PodSpec
	labels                map[string]string
}

func (t *template) object() string { return t.kind + " " + t.namespace + "/" + t.name }

func (c *Cluster) templates() []template {
	var all []template
	add := func(kind, namespace, name string, replicas *int32, pod *corev1.PodTemplateSpec) {
		n := 1
		if replicas != nil {
			n = int(*replicas)
		}
		all = append(all, template{kind, namespace, name, n, &pod.Spec, pod.Labels})
	}
	for i := range c.Deployments {
		o := &c.Deployments[i]
		add("Deployment", o.Namespace, o.Name, o.Spec.Replicas, &o.Spec.Template)
	}
	for i := range c.StatefulSets {
		o := &c.StatefulSets[i]
		add("StatefulSet", o.Namespace, o.Name, o.Spec.Replicas, &o.Spec.Template)
	}
	for i := range c.CronJobs {
		o := &c.CronJobs[i]
		add("CronJob", o.Namespace, o.Name, o.Spec.JobTemplate.Spec.Parallelism, &o.Spec.JobTemplate.Spec.Template)
	}
	for i := range c.Jobs {
		if o := &c.Jobs[i]; o.Status.CompletionTime == nil && !slices.ContainsFunc(o.OwnerReferences, isCronJob) {
			add("Job", o.Namespace, o.Name, o.Spec.Parallelism, &o.Spec.Template)
		}
	}
	return all
}

func isCronJob(o metav1.OwnerReference) bool { return o.Kind == "CronJob" }

// Assess says what the node would change, the worst first.
func Assess(c Cluster, s Settings) []Finding {
	var real []corev1.Node
	for i := range c.Nodes {
		if !placement.IsVirtual(&c.Nodes[i]) {
			real = append(real, c.Nodes[i])
		}
	}
	var findings []Finding
	for i := range c.DaemonSets {
		findings = append(findings, daemonSet(&c.DaemonSets[i], s.Node)...)
	}
	for _, t := range c.templates() {
		findings = append(findings, spreads(&t, real, s)...)
		findings = append(findings, tolerant(&t, s.Node)...)
	}
	for i := range c.Services {
		findings = append(findings, hints(&c.Services[i], real, s)...)
	}
	if c.Autoscaler != "" {
		findings = append(findings, Finding{Beware, "always", c.Autoscaler, "it adds nodes for pending pods, so a pod waits 60 s for it before it bursts",
			"nothing to do; ecideck-node --burst-after=0s lets pods burst at once, and --burst-after=5m gives it longer"})
	}
	for i := range c.Nodes {
		findings = append(findings, virtual(&c.Nodes[i], s.Node)...)
	}
	findings = append(findings, overlaps(c, real, s)...)
	order := []Level{Harm, Would, Beware}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(slices.Index(order, a.Level)-slices.Index(order, b.Level), strings.Compare(a.When, b.When), strings.Compare(a.Object, b.Object))
	})
	return findings
}

// with is the node with some labels.
func with(node *corev1.Node, labels map[string]string) *corev1.Node {
	out := node.DeepCopy()
	for key, value := range labels {
		out.Labels[key] = value
	}
	return out
}

// takes tells that the node's labels fit the pods' selector and required affinity.
func takes(spec *corev1.PodSpec, node *corev1.Node) bool {
	ok, err := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: *spec}).Match(node)
	return err == nil && ok
}

// repelledBy is a taint of the node's that keeps the pods away, or nil.
func repelledBy(spec *corev1.PodSpec, node *corev1.Node) bool {
	_, untolerated := schedulinghelper.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, spec.Tolerations,
		func(t *corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }, false)
	return untolerated
}

// daemonSet is for a DaemonSet whose pods would be pinned to the virtual node, where they fail.
func daemonSet(d *appsv1.DaemonSet, node *corev1.Node) []Finding {
	spec := &d.Spec.Template.Spec
	if !takes(spec, node) || repelledBy(spec, node) {
		return nil
	}
	return []Finding{{Harm, "always", "DaemonSet " + d.Namespace + "/" + d.Name, "it tolerates the virtual node's taint, so one of its pods goes there and fails",
		keepOff("daemonset", d.Namespace, d.Name, spec) + " (the policy that `ecideck-node manifests` prints does so whenever a DaemonSet is written)"}}
}

// tolerant is for a workload that tolerates every taint, and so ECI's.
func tolerant(t *template, node *corev1.Node) []Finding {
	if !takes(t.spec, node) || repelledBy(t.spec, node) || asks(t) {
		return nil
	}
	kind := strings.ToLower(t.kind)
	return []Finding{{Beware, "always", t.object(), "it tolerates every taint, so its pods go to ECI when real nodes are full, and cost money there",
		"to keep it on real nodes: " + keepOff(kind, t.namespace, t.name, t.spec)}}
}

// asks tells that the workload is marked for ECI.
func asks(t *template) bool {
	return slices.ContainsFunc(t.spec.Tolerations, func(o corev1.Toleration) bool { return o.Key == placement.TaintProvider }) ||
		t.labels["alibabacloud.com/eci"] != "" || t.labels["alibabacloud.com/burst-resource"] != "" || t.spec.NodeSelector[placement.NodeTypeLabel] != ""
}

// keepOff is the command that keeps a workload's pods from virtual nodes. Terms that it has are
// kept, each with one more condition.
func keepOff(kind, namespace, name string, spec *corev1.PodSpec) string {
	off := corev1.NodeSelectorRequirement{Key: placement.NodeTypeLabel, Operator: corev1.NodeSelectorOpNotIn, Values: []string{placement.NodeType}}
	terms := []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{off}}}
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		terms = nil
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			term.MatchExpressions = append(slices.Clone(term.MatchExpressions), off)
			terms = append(terms, term)
		}
	}
	patch := map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"affinity": map[string]any{"nodeAffinity": map[string]any{
		"requiredDuringSchedulingIgnoredDuringExecution": map[string]any{"nodeSelectorTerms": terms}}}}}}}
	switch kind {
	case "job":
		return "it can't be changed; its next one needs node affinity type NotIn virtual-kubelet"
	case "cronjob":
		patch = map[string]any{"spec": map[string]any{"jobTemplate": patch}}
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return err.Error() // of strings and lists there is none
	}
	return fmt.Sprintf("kubectl patch %s -n %s %s --type=merge -p '%s'", kind, namespace, name, raw)
}

// spreads is for a workload that spreads its pods over hosts or zones and must: an empty virtual
// node is one more domain, with no pod and for none, and the others may then hold no more than
// maxSkew pods each.
// https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
func spreads(t *template, real []corev1.Node, s Settings) []Finding {
	var findings []Finding
	for i := range t.spec.TopologySpreadConstraints {
		k := &t.spec.TopologySpreadConstraints[i]
		if k.WhenUnsatisfiable != corev1.DoNotSchedule || k.NodeTaintsPolicy != nil && *k.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor && repelledBy(t.spec, s.Node) {
			continue
		}
		value, level, when, avoid := "", Would, "", ""
		switch k.TopologyKey {
		case corev1.LabelHostname:
			value, when, avoid = s.Node.Name, "--hostname-label", "start ecideck-node without --hostname-label (the default)"
			if s.HostnameLabel {
				level = Harm
			}
		case corev1.LabelTopologyZone:
			// A zone that real nodes have is no new domain; one that they don't is never labelled,
			// unless it is done by hand.
			value, when, avoid = cmp.Or(s.Zone, "a-new-zone"), "a zone label that no real node has", "leave the node's zone label to ecideck-node, which sets none that no real node has"
			if slices.ContainsFunc(real, func(n corev1.Node) bool { return n.Labels[corev1.LabelTopologyZone] == s.Zone }) && s.Zone != "" {
				continue
			}
		default:
			continue
		}
		if k.NodeAffinityPolicy == nil || *k.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
			if !takes(t.spec, with(s.Node, map[string]string{k.TopologyKey: value})) {
				continue
			}
		}
		domains := map[string]bool{}
		for j := range real {
			if v := real[j].Labels[k.TopologyKey]; v != "" && takes(t.spec, &real[j]) && !repelledBy(t.spec, &real[j]) {
				domains[v] = true
			}
		}
		most := int(k.MaxSkew) * len(domains)
		what := fmt.Sprintf("with one more, empty domain of %s no more than %d of its pods can be placed (maxSkew %d, %d real domains)", k.TopologyKey, most, k.MaxSkew, len(domains))
		if t.replicas > most {
			what += fmt.Sprintf(": %d of its %d would be pending after the next rollout", t.replicas-most, t.replicas)
		} else {
			what += fmt.Sprintf(": its %d fit, more or the surge of a rollout may not", t.replicas)
		}
		findings = append(findings, Finding{level, when, t.object(), what,
			avoid + ", or " + honor(t, i)})
	}
	return findings
}

// honor is the command that makes a spread look at taints.
func honor(t *template, i int) string {
	path := "/spec/template/spec"
	if t.kind == "CronJob" {
		path = "/spec/jobTemplate/spec/template/spec"
	}
	if t.kind == "Job" {
		return "give its next one nodeTaintsPolicy Honor"
	}
	return fmt.Sprintf(`kubectl patch %s -n %s %s --type=json -p '[{"op":"add","path":"%s/topologySpreadConstraints/%d/nodeTaintsPolicy","value":"Honor"}]'`,
		strings.ToLower(t.kind), t.namespace, t.name, path, i)
}

// hints is for a Service whose topology hints end: they need a zone on every node, and count
// each node's CPU, of which a virtual node has as much as its quota.
func hints(o *corev1.Service, real []corev1.Node, s Settings) []Finding {
	on := false
	for _, key := range []string{"service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"} {
		v := strings.ToLower(o.Annotations[key])
		on = on || v == "auto"
	}
	if !on {
		return nil
	}
	what := "it asks for topology hints, which need a zone on every node; the virtual node has none, so hints end for all Services"
	if s.Zone != "" && slices.ContainsFunc(real, func(n corev1.Node) bool { return n.Labels[corev1.LabelTopologyZone] == s.Zone }) {
		what = "it asks for topology hints by each zone's CPU; the virtual node's zone seems to have a whole quota more, so most hints go there or end"
	}
	return []Finding{{Harm, "always", "Service " + o.Namespace + "/" + o.Name, what,
		fmt.Sprintf("kubectl annotate service -n %s %s service.kubernetes.io/topology-mode- service.kubernetes.io/topology-aware-hints- && kubectl patch service -n %[1]s %[2]s -p '{\"spec\":{\"trafficDistribution\":\"PreferClose\"}}'", o.Namespace, o.Name)}}
}

// virtual is for virtual nodes that are there already.
func virtual(node, ours *corev1.Node) []Finding {
	vnode := node.Labels["k8s.aliyun.com/vnode"] == "true"
	if !vnode && !placement.IsVirtual(node) || node.Name == ours.Name {
		return nil
	}
	f := Finding{Beware, "always", "Node " + node.Name, "it is a virtual node already", "nothing to do: ecideck-node leaves it and its groups alone"}
	switch {
	case vnode:
		f.What = "it is a VNode (k8s.aliyun.com/vnode=true), whose pods run on ECI as a kubelet's"
	case node.Annotations["ecideck.io/service-network"] != "":
		f.What = "it is ecideck-node's own already"
		return []Finding{f}
	default:
		f.What = "it is a virtual node of the vendor or of somebody else"
	}
	f.Remedy += "; where the vendor's scheduler sends pods to ECI by the same marks, start ecideck-node with --burst=off"
	return []Finding{f}
}

// cloudServices are addresses that Alibaba Cloud keeps for itself in every VPC: its DNS, its
// metadata, its mirrors.
const cloudServices = "100.64.0.0/10"

// overlaps is for addresses that mean two things.
func overlaps(c Cluster, real []corev1.Node, s Settings) []Finding {
	type named struct {
		what string
		net  netip.Prefix
	}
	var cluster []named
	seen := map[netip.Prefix]bool{}
	add := func(what string, p netip.Prefix) {
		if !seen[p] {
			seen[p] = true
			cluster = append(cluster, named{what, p})
		}
	}
	for _, p := range c.ServiceCIDRs {
		add("Services", p)
	}
	for i := range real {
		for _, text := range append(slices.Clone(real[i].Spec.PodCIDRs), real[i].Spec.PodCIDR) {
			if p, err := netip.ParsePrefix(text); err == nil {
				add("pods of node "+real[i].Name, p)
			}
		}
		for _, a := range real[i].Status.Addresses {
			if ip, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP {
				if p, err := ip.Prefix(ip.BitLen()); err == nil {
					add("node "+real[i].Name, p)
				}
			}
		}
	}
	var findings []Finding
	cloud := netip.MustParsePrefix(cloudServices)
	for _, n := range cluster {
		if n.net.Overlaps(cloud) {
			findings = append(findings, Finding{Harm, "always", "CIDR " + n.net.String(),
				fmt.Sprintf("%s have addresses within %s, which are the cloud's own services in a VPC: pods on ECI don't reach them", n.what, cloudServices),
				"give the cluster other addresses; until then choose ecideck-node --burst=off, and only pods that need none of them for ECI"})
		}
		for _, v := range s.VSwitchCIDRs {
			// A node in the vSwitch is a neighbour and no overlap.
			if n.net.Overlaps(v) && !n.net.IsSingleIP() {
				findings = append(findings, Finding{Harm, "always", "CIDR " + n.net.String(),
					fmt.Sprintf("%s have addresses that overlap with the vSwitch's %s: a pod on ECI finds a neighbour where it means them", n.what, v),
					"choose a vSwitch of other addresses with --vswitch-ids (aliyun vpc CreateVSwitch --CidrBlock … makes one)"})
			}
		}
	}
	return findings
}
