package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/ecideck/ecideck/provider/placement"
)

// ConditionCloudAPI is the node condition that tells whether ECI answers. It is not Ready:
// a node that is not ready loses its pods, and a cloud outage must not cost any.
const ConditionCloudAPI corev1.NodeConditionType = "CloudAPIReachable"

// NodeSpec describes the node object.
type NodeSpec struct {
	Name   string
	Region string
	// Zone is the node's zone label, which it has only while a real node has that zone too:
	// one more zone in the cluster is one more domain for every spread over zones. "": none.
	Zone    string
	Address string // where the API server reaches the kubelet port; "": none is announced
	Port    int32  // of the kubelet
	Version string // kubelet version shown on the node
	// HostnameLabel adds kubernetes.io/hostname, which makes the node one more domain for
	// every spread over hosts in the cluster, and strands pods that do not tolerate it.
	HostnameLabel bool
	// What the node offers. A zero one follows the account's quota where the Config has one:
	// CPU is the quota, Memory MemoryPerCPU a vCPU, Pods 2,000.
	CPU, Memory, Pods resource.Quantity
	MemoryPerCPU      resource.Quantity // of a vCPU; zero: 8Gi
	NoTaints          bool              // leave the taints out, such as for conformance tests
	ServiceNetwork    ServiceNetwork    // said on the node; "": nothing is said
	VSwitches         []string          // of new groups, said on the node
	Adds              placement.Adds    // to the groups of its pods, said on the node
	ClusterID         string            // in its groups' tags, said on the node; "": nothing is said
}

// AnnotationServiceNetwork is where a virtual node says how its pods reach ClusterIPs.
const AnnotationServiceNetwork = "ecideck.io/service-network"

// AnnotationVSwitches is where a virtual node says which vSwitches its groups get their addresses
// from, comma-separated: whoever watches the cluster can tell how many are free before a burst.
const AnnotationVSwitches = "ecideck.io/vswitches"

// AnnotationClusterID is where a virtual node says which cluster's id its groups carry: whoever
// watches the cluster can tell its groups from others', also where --cluster-id chose it.
const AnnotationClusterID = "ecideck.io/cluster-id"

// nodeAnnotations are what the node says of itself.
func nodeAnnotations(s NodeSpec) map[string]string {
	said := map[string]string{placement.AnnotationAdds: s.Adds.String()}
	if s.ServiceNetwork != "" {
		said[AnnotationServiceNetwork] = string(s.ServiceNetwork)
	}
	if len(s.VSwitches) > 0 {
		said[AnnotationVSwitches] = strings.Join(s.VSwitches, ",")
	}
	if s.ClusterID != "" {
		said[AnnotationClusterID] = s.ClusterID
	}
	return said
}

// Node is the node object as it shall be; cloud is nil while ECI answers, and since says
// since when it is as it is.
func Node(s NodeSpec, cloud error, since, now time.Time) *corev1.Node {
	labels := map[string]string{
		placement.NodeTypeLabel:         placement.NodeType,
		"kubernetes.io/os":              "linux",
		"kubernetes.io/arch":            "amd64",
		"kubernetes.io/role":            "agent",
		"node-role.kubernetes.io/agent": "",
		"node.kubernetes.io/exclude-from-external-load-balancers": "true",
	}
	if s.Region != "" {
		labels[corev1.LabelTopologyRegion] = s.Region
	}
	if s.Zone != "" {
		labels[corev1.LabelTopologyZone] = s.Zone
	}
	if s.HostnameLabel {
		labels[corev1.LabelHostname] = s.Name
	}
	capacity := corev1.ResourceList{corev1.ResourceCPU: s.CPU, corev1.ResourceMemory: s.Memory, corev1.ResourcePods: s.Pods,
		corev1.ResourceEphemeralStorage: resource.MustParse("100Ti")}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Labels: labels, Annotations: nodeAnnotations(s)},
		Spec:       corev1.NodeSpec{Taints: nodeTaints(s)},
		Status: corev1.NodeStatus{
			Phase: corev1.NodeRunning, Capacity: capacity, Allocatable: maps.Clone(capacity),
			Conditions: nodeConditions(cloud, since, now),
			NodeInfo: corev1.NodeSystemInfo{KubeletVersion: s.Version, OperatingSystem: "linux", Architecture: "amd64",
				ContainerRuntimeVersion: "eci://2018-08-08", OSImage: "Alibaba Cloud ECI"},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: s.Port}},
		},
	}
	if s.Address != "" {
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: s.Address}}
	}
	return node
}

func nodeTaints(s NodeSpec) []corev1.Taint {
	if s.NoTaints {
		return nil
	}
	return placement.Taints()
}

func nodeConditions(cloud error, since, now time.Time) []corev1.NodeCondition {
	if since.IsZero() {
		since = now
	}
	condition := func(kind corev1.NodeConditionType, on bool, reason, message string) corev1.NodeCondition {
		c := corev1.NodeCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message,
			LastHeartbeatTime: metav1.NewTime(now.Truncate(time.Second)), LastTransitionTime: metav1.NewTime(since.Truncate(time.Second))}
		if on {
			c.Status = corev1.ConditionTrue
		}
		return c
	}
	api := condition(ConditionCloudAPI, true, "CloudAPIAnswers", "the ECI API answers")
	if cloud != nil {
		api = condition(ConditionCloudAPI, false, "CloudAPIFails", "new pods wait and statuses are old: "+words(cloud))
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeReady, true, "VirtualNodeReady", "pods run as ECI container groups"),
		condition(corev1.NodeMemoryPressure, false, "GroupsHaveTheirOwn", "every group has its own memory"),
		condition(corev1.NodeDiskPressure, false, "GroupsHaveTheirOwn", "every group has its own disk"),
		condition(corev1.NodePIDPressure, false, "GroupsHaveTheirOwn", "every group has its own processes"),
		condition(corev1.NodeNetworkUnavailable, false, "VPC", "every group has its own address in the VPC"),
		api,
	}
}

// nodeStatus is Virtual Kubelet's node.NodeProvider.
type nodeStatus struct {
	spec     NodeSpec                 // as it was asked for
	now      atomic.Pointer[NodeSpec] // without the zone while no real node has it; nil: spec
	provider *Provider
	quota    *quotaWatch
	network  network
	started  time.Time
	first    *corev1.Node // what the node was registered as
}

// Ping never fails: a failing one stops the lease, and Kubernetes then evicts every pod.
func (n *nodeStatus) Ping(context.Context) error { return nil }

// NotifyNodeStatus tells the whole node whenever the cloud's health or the quota changed.
func (n *nodeStatus) NotifyNodeStatus(ctx context.Context, tell func(*corev1.Node)) {
	go func() {
		ticker := time.NewTicker(5 * time.Second)
		defer ticker.Stop()
		// Not what is so by now: what changed since the registration has to be told too.
		told := n.first
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if next := n.node(); !sameOffer(told, next) && ctx.Err() == nil {
				told = next
				tell(next.DeepCopy()) // the library writes heartbeats into what it is told
			}
		}
	}()
}

func (n *nodeStatus) node() *corev1.Node {
	since, err := n.provider.CloudHealth()
	node := Node(*cmp.Or(n.now.Load(), &n.spec), err, n.started, time.Now())
	for i := range node.Status.Conditions {
		if c := &node.Status.Conditions[i]; c.Type == ConditionCloudAPI && !since.IsZero() {
			c.LastTransitionTime = metav1.NewTime(since.Truncate(time.Second))
		}
	}
	n.quota.apply(node, time.Now())
	n.network.apply(node, time.Now())
	return node
}

// recreate answers an error of a status update: a node deleted by hand comes back.
func (n *nodeStatus) recreate(nodes corev1client.NodeInterface) func(context.Context, error) error {
	return func(ctx context.Context, err error) error {
		if !apierrors.IsNotFound(err) {
			return err
		}
		if _, err := nodes.Create(ctx, n.node(), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating the node again: %w", err)
		}
		return nil
	}
}

// keepSpec puts back what Virtual Kubelet writes at creation only, as soon as somebody has
// changed it: our taints and labels. Taints and labels of others stay. Whether a real node has
// the zone is looked at twice a minute.
func (n *nodeStatus) keepSpec(ctx context.Context, client kubernetes.Interface, log *slog.Logger) {
	changed := make(chan struct{}, 1)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = "metadata.name=" + n.spec.Name }))
	// An error is only of an informer that was stopped.
	_, _ = factory.Core().V1().Nodes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(old, current any) {
		a, b := old.(*corev1.Node), current.(*corev1.Node)
		if b.Name != n.spec.Name || maps.Equal(a.Labels, b.Labels) && sameTaints(a.Spec.Taints, b.Spec.Taints) {
			return
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}})
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		if err := n.correct(ctx, client.CoreV1().Nodes(), log); err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
			log.WarnContext(ctx, "correcting the node's taints and labels", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// correct finds out what the node shall be now, and sees to it.
func (n *nodeStatus) correct(ctx context.Context, nodes corev1client.NodeInterface, log *slog.Logger) error {
	spec, err := zoned(ctx, nodes, n.spec)
	if err != nil {
		return err
	}
	if before := cmp.Or(n.now.Load(), &n.spec); before.Zone != "" && spec.Zone == "" {
		log.WarnContext(ctx, "no real node has the zone, so the node has no zone label: it would be one more zone for every spread; Services can't prefer it by zone", "zone", n.spec.Zone)
	}
	n.now.Store(&spec)
	return correctNode(ctx, nodes, spec)
}

// zoned is the spec without a zone that no real node has.
func zoned(ctx context.Context, nodes corev1client.NodeInterface, s NodeSpec) (NodeSpec, error) {
	if s.Zone == "" {
		return s, nil
	}
	list, err := nodes.List(ctx, metav1.ListOptions{ResourceVersion: "0", LabelSelector: labels.Set{corev1.LabelTopologyZone: s.Zone}.String()})
	if err != nil {
		return s, fmt.Errorf("looking for real nodes in zone %s: %w", s.Zone, err)
	}
	if !slices.ContainsFunc(list.Items, func(n corev1.Node) bool { return !placement.IsVirtual(&n) }) {
		s.Zone = ""
	}
	return s, nil
}

// correctNode patches the node's taints and labels if they are not as they shall be.
func correctNode(ctx context.Context, nodes corev1client.NodeInterface, s NodeSpec) error {
	current, err := nodes.Get(ctx, s.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	want := nodeTaints(s)
	for _, taint := range current.Spec.Taints {
		if taint.Key != placement.TaintProvider && taint.Key != placement.TaintPreferReal {
			want = append(want, taint)
		}
	}
	wrong := map[string]any{}
	for key, value := range Node(s, nil, time.Time{}, time.Now()).Labels {
		if have, ok := current.Labels[key]; !ok || have != value {
			wrong[key] = value
		}
	}
	if _, there := current.Labels[corev1.LabelHostname]; there && !s.HostnameLabel {
		wrong[corev1.LabelHostname] = nil
	}
	if _, there := current.Labels[corev1.LabelTopologyZone]; there && s.Zone == "" {
		wrong[corev1.LabelTopologyZone] = nil
	}
	said := nodeAnnotations(s)
	maps.DeleteFunc(said, func(key, value string) bool { return current.Annotations[key] == value })
	if len(wrong) == 0 && len(said) == 0 && sameTaints(current.Spec.Taints, want) {
		return nil
	}
	// The resource version keeps a taint that somebody adds meanwhile.
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": wrong, "annotations": said, "resourceVersion": current.ResourceVersion},
		"spec":     map[string]any{"taints": want},
	})
	if err != nil {
		return fmt.Errorf("encoding the node's taints: %w", err)
	}
	_, err = nodes.Patch(ctx, s.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func sameTaints(a, b []corev1.Taint) bool {
	set := func(list []corev1.Taint) map[corev1.Taint]bool {
		m := map[corev1.Taint]bool{}
		for _, t := range list {
			t.TimeAdded = nil
			m[t] = true
		}
		return m
	}
	return reflect.DeepEqual(set(a), set(b))
}
