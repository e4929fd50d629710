package burst

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// WorkloadAnnotations reads the annotations of a pod's workload, or of a namespace, from the
// API server. Of a kind that is not Kubernetes' own, and of a workload that is gone, there
// are none.
func WorkloadAnnotations(ctx context.Context, client kubernetes.Interface, w Workload) (map[string]string, error) {
	get := func(object metav1.Object, err error) (map[string]string, error) {
		switch {
		case apierrors.IsNotFound(err):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("reading the limits of %s: %w", w, err)
		}
		return object.GetAnnotations(), nil
	}
	o := metav1.GetOptions{}
	if w.Name == "" {
		return get(client.CoreV1().Namespaces().Get(ctx, w.Namespace, o))
	}
	switch w.Kind {
	case "Deployment":
		return get(client.AppsV1().Deployments(w.Namespace).Get(ctx, w.Name, o))
	case "ReplicaSet":
		return get(client.AppsV1().ReplicaSets(w.Namespace).Get(ctx, w.Name, o))
	case "StatefulSet":
		return get(client.AppsV1().StatefulSets(w.Namespace).Get(ctx, w.Name, o))
	case "Job":
		return get(client.BatchV1().Jobs(w.Namespace).Get(ctx, w.Name, o))
	}
	return nil, nil
}

// PodLimits are the guardrails that a pod's burst has to keep, the widest first: the
// cluster's, those of the annotations of its namespace, and of its workload's. What the
// workload's own object does not say its pods' template may.
func PodLimits(wide Limits, namespace map[string]string, w Workload, workload map[string]string, pod *corev1.Pod) []Limits {
	merged := map[string]string{}
	for _, from := range []map[string]string{pod.Annotations, workload} {
		for _, key := range []string{AnnotationMaxPods, AnnotationMaxRate} {
			if v, ok := from[key]; ok {
				merged[key] = v
			}
		}
	}
	return []Limits{wide, ReadLimits(Workload{Namespace: w.Namespace}, namespace), ReadLimits(w, merged)}
}

// Volumes says what of a pod's claims keeps a direct binding away, or "": the scheduler would
// wait for a claim to be bound, and take a node that its volume can be reached from.
func Volumes(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, node *corev1.Node) (string, error) {
	why, err := Reach(ctx, client, pod, node)
	return why[0], err
}

// Reach is Volumes for several nodes, of each what keeps the pod away from it. The claims and
// their volumes are read once.
func Reach(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, nodes ...*corev1.Node) ([]string, error) {
	why := make([]string, len(nodes))
	everywhere := func(format string, args ...any) ([]string, error) {
		for i := range why {
			why[i] = fmt.Sprintf(format, args...)
		}
		return why, nil
	}
	for i := range pod.Spec.Volumes {
		name := ""
		switch v := &pod.Spec.Volumes[i]; {
		case v.PersistentVolumeClaim != nil:
			name = v.PersistentVolumeClaim.ClaimName
		case v.Ephemeral != nil:
			name = pod.Name + "-" + v.Name
		default:
			continue
		}
		claim, err := client.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return everywhere("the claim %s does not exist", name)
		case err != nil:
			return make([]string, len(nodes)), fmt.Errorf("reading the claim %s: %w", name, err)
		case claim.Spec.VolumeName == "" || claim.Status.Phase != corev1.ClaimBound:
			return everywhere("the claim %s is not bound yet, and a direct binding would not wait for it: use a storage class with volumeBindingMode Immediate", name)
		}
		volume, err := client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return everywhere("the volume %s of the claim %s does not exist", claim.Spec.VolumeName, name)
		}
		if err != nil {
			return make([]string, len(nodes)), fmt.Errorf("reading the volume %s: %w", claim.Spec.VolumeName, err)
		}
		if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
			continue
		}
		zones := nodeaffinity.NewLazyErrorNodeSelector(volume.Spec.NodeAffinity.Required)
		for i, node := range nodes {
			if ok, err := zones.Match(node); why[i] == "" && (err != nil || !ok) {
				why[i] = fmt.Sprintf("the volume of the claim %s can't be reached from node %s: it is in another zone, or the node has no zone label", name, node.Name)
			}
		}
	}
	return why, nil
}

// workloads reads annotations of workloads and namespaces. Who asks gets what was read after they asked, and
// those who wait together share one call: of 300 pods of a workload hardly any asks itself,
// and none decides by an annotation that has been changed.
type workloads struct {
	client kubernetes.Interface
	mu     sync.Mutex
	known  map[Workload]*knownAnnotations
}

type knownAnnotations struct {
	mu     sync.Mutex // held while the API server is asked
	asked  time.Time
	values map[string]string
	err    error
}

func (w *workloads) annotations(ctx context.Context, of Workload) (map[string]string, error) {
	now := time.Now()
	w.mu.Lock()
	k := w.known[of]
	if k == nil {
		if len(w.known) > 1000 {
			clear(w.known)
		}
		k = &knownAnnotations{}
		w.known[of] = k
	}
	w.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asked.After(now) {
		k.asked = time.Now()
		k.values, k.err = WorkloadAnnotations(ctx, w.client, of)
	}
	return k.values, k.err
}
