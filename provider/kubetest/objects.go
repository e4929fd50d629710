package kubetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
	"github.com/ecideck/ecideck/testdata"
)

const (
	kwokNodeAnnotation = "kwok.x-k8s.io/node"
	fieldManager       = "ecideck-lab"
)

// applyBase makes what every lab has: rights of its parts, metrics-server's API, the policies
// that `ecideck-node manifests` prints, nodes.
func (l *Lab) applyBase(ctx context.Context) error {
	base := bytes.ReplaceAll(testdata.LabBase, []byte("METRICS_SERVER_PORT"), fmt.Append(nil, l.layout.metricsPort))
	if err := l.Apply(ctx, base); err != nil {
		return fmt.Errorf("making the lab's own objects: %w", err)
	}
	// Who installs the node on an older Kubernetes gets an error here, and goes without them.
	if err := l.Apply(ctx, []byte(burst.AdmissionPolicies())); err != nil && (l.Scenario.Kubernetes == "" || !meta.IsNoMatchError(err)) {
		return fmt.Errorf("installing ecideck-node's admission policies: %w", err)
	}
	for _, group := range l.Scenario.Nodes {
		for i := range group.Count {
			if err := l.createNode(ctx, group, nodeName(group, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) applyScenario(ctx context.Context) error {
	for _, manifest := range l.Scenario.Manifests {
		if err := l.Apply(ctx, manifest.YAML); err != nil {
			return fmt.Errorf("applying %s of scenario %s: %w", manifest.File, l.Scenario.Name, err)
		}
	}
	return nil
}

// nodeName is the name of the i-th simulated node of a group, from 0.
func nodeName(group scenario.NodeGroup, i int) string { return fmt.Sprintf("%s-%02d", group.Name, i+1) }

// createNode makes a simulated ECS instance; kwok keeps it Ready and runs its pods.
func (l *Lab) createNode(ctx context.Context, g scenario.NodeGroup, name string) error {
	cpu, err := resource.ParseQuantity(g.CPU)
	if err != nil {
		return fmt.Errorf("cpu of node %s: %w", name, err)
	}
	memory, err := resource.ParseQuantity(g.Memory)
	if err != nil {
		return fmt.Errorf("memory of node %s: %w", name, err)
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Annotations: map[string]string{
				kwokNodeAnnotation: "fake",
				// Where metrics-server finds the usage that kwok makes up.
				"metrics.k8s.io/resource-metrics-path": "/metrics/nodes/" + name + "/metrics/resource",
			},
			Labels: map[string]string{
				corev1.LabelHostname:       name,
				corev1.LabelOSStable:       "linux",
				corev1.LabelArchStable:     "amd64",
				corev1.LabelTopologyRegion: l.Scenario.Region,
			},
		},
	}
	if g.InstanceType != "" { // else a machine of somebody's own
		node.Labels[corev1.LabelInstanceTypeStable] = g.InstanceType
		node.Spec.ProviderID = l.Scenario.Region + ".i-lab" + strings.ReplaceAll(name, "-", "")
	}
	if g.Zone != "" {
		node.Labels[corev1.LabelTopologyZone] = g.Zone
	}
	for key, value := range g.Labels {
		node.Labels[key] = value
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory,
		corev1.ResourcePods: *resource.NewQuantity(int64(g.Pods), resource.DecimalSI),
	}
	node.Status = corev1.NodeStatus{Capacity: capacity, Allocatable: capacity}
	if _, err := l.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating node %s: %w", name, err)
	}
	return nil
}

// Apply applies YAML documents as `kubectl apply --server-side` does, in their order. An owner
// reference without a UID gets the one of its owner, which stands before it: manifests can't
// know it, and the API server takes none.
func (l *Lab) Apply(ctx context.Context, documents []byte) error {
	client, err := dynamic.NewForConfig(l.config)
	if err != nil {
		return fmt.Errorf("making a dynamic client: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(l.config)
	if err != nil {
		return fmt.Errorf("making a discovery client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discoveryClient))
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading manifests: %w", err)
		}
		if len(object.Object) == 0 {
			continue
		}
		kind := object.GroupVersionKind()
		mapping, err := mappingOf(ctx, mapper, kind)
		if err != nil {
			return fmt.Errorf("finding the resource of %s: %w", kind, err)
		}
		if err := fillOwners(ctx, client, mapper, object); err != nil {
			return fmt.Errorf("applying %s %s: %w", kind.Kind, object.GetName(), err)
		}
		resources := besides(client, mapping, object)
		// A pod of a new namespace is refused until the controllers have made its service account.
		err = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			_, err := resources.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
			if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "service account") {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", kind.Kind, object.GetName(), err)
		}
	}
}

// mappingOf is a kind's resource. That of a definition that was made just now is waited for.
func mappingOf(ctx context.Context, mapper meta.RESTMapper, kind schema.GroupVersionKind) (mapping *meta.RESTMapping, err error) {
	ended := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		if mapping, err = mapper.RESTMapping(kind.GroupKind(), kind.Version); meta.IsNoMatchError(err) {
			meta.MaybeResetRESTMapper(mapper)
			return false, nil
		}
		return true, nil
	})
	if err == nil {
		err = ended
	}
	return mapping, err
}

// besides are the resources of a kind where an object is: in its namespace, or in none.
func besides(client dynamic.Interface, mapping *meta.RESTMapping, object *unstructured.Unstructured) dynamic.ResourceInterface {
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return client.Resource(mapping.Resource)
	}
	return client.Resource(mapping.Resource).Namespace(cmp.Or(object.GetNamespace(), metav1.NamespaceDefault))
}

// fillOwners gives owner references their UIDs.
func fillOwners(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapper, object *unstructured.Unstructured) error {
	owners := object.GetOwnerReferences()
	for i := range owners {
		o := &owners[i]
		if o.UID != "" {
			continue
		}
		mapping, err := mappingOf(ctx, mapper, schema.FromAPIVersionAndKind(o.APIVersion, o.Kind))
		if err != nil {
			return fmt.Errorf("finding the resource of its owner %s %s: %w", o.Kind, o.Name, err)
		}
		owner, err := besides(client, mapping, object).Get(ctx, o.Name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading its owner %s %s: %w", o.Kind, o.Name, err)
		}
		o.UID = owner.GetUID()
	}
	if len(owners) > 0 {
		object.SetOwnerReferences(owners)
	}
	return nil
}

// nodesReady says which node isn't, the virtual one included.
func (l *Lab) nodesReady(ctx context.Context) error {
	nodes, err := l.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	want := map[string]bool{}
	for _, node := range l.Scenario.VirtualNodes {
		want[node.Name] = true
	}
	for _, group := range l.Scenario.Nodes {
		for i := range group.Count {
			want[fmt.Sprintf("%s-%02d", group.Name, i+1)] = true
		}
	}
	for _, node := range nodes.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				delete(want, node.Name)
			}
		}
	}
	for name := range want {
		return fmt.Errorf("node %s is not Ready", name)
	}
	return nil
}

// dressNodes gives the virtual node that plays the vendor's the labels of his.
func (l *Lab) dressNodes(ctx context.Context) error {
	if l.Scenario.Identity == "" {
		return nil
	}
	labels := []byte(`{"metadata":{"labels":{"alibabacloud.com/virtual-node":"true","node-role.kubernetes.io/agent":""}}}`)
	for _, n := range l.Scenario.VirtualNodes {
		if _, err := l.client.CoreV1().Nodes().Patch(ctx, n.Name, types.MergePatchType, labels, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("labelling node %s as the vendor's: %w", n.Name, err)
		}
	}
	return nil
}

// Settle waits until no pod is Pending any more, or for that long: some scenarios have pods
// that never start.
func (l *Lab) Settle(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	// What it waited for in vain is there to be seen.
	_ = l.wait(ctx, "the pods to start", func(ctx context.Context) error {
		pods, err := l.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Pending"})
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("%d pods are Pending", len(pods.Items))
		}
		return err
	})
}

// metricsReady asks whether the aggregated metrics API answers.
func (l *Lab) metricsReady(ctx context.Context) error {
	_, err := l.client.Discovery().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1").DoRaw(ctx)
	return err
}

// writeKwokConfig joins what comes with kwok and what the lab adds to it.
func (l *Lab) writeKwokConfig() error {
	own := bytes.ReplaceAll(testdata.LabKwok, []byte("LOG_FILE"), []byte(l.layout.path("kwok-pod.log")))
	if err := os.WriteFile(l.layout.path("kwok-pod.log"), testdata.LabKwokLog, 0o600); err != nil {
		return fmt.Errorf("writing the log of simulated pods: %w", err)
	}
	stages, err := l.Command(context.Background(), "kwok-config").Output()
	if err != nil {
		return fmt.Errorf("asking kwok for its stages: %w", err)
	}
	// Simulated pods are Ready at once, and those of Jobs end at once, unless these annotations,
	// which are kwok's own, say when.
	for _, stage := range []string{"pod-ready", "pod-complete"} {
		head := "name: " + stage + "\nspec:\n"
		if bytes.Count(stages, []byte(head)) != 1 {
			return fmt.Errorf("kwok has no stage %s to delay", stage)
		}
		stages = bytes.Replace(stages, []byte(head), []byte(head+"  delay:\n    durationMilliseconds: 0\n    durationFrom:\n      expressionFrom: '.metadata.annotations[\""+stage+".stage.kwok.x-k8s.io/delay\"]'\n"), 1)
	}
	if err := os.WriteFile(l.layout.path("kwok.yaml"), append(stages, own...), 0o600); err != nil {
		return fmt.Errorf("writing kwok's configuration: %w", err)
	}
	return nil
}
