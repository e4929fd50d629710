package provider

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	corev1listers "k8s.io/client-go/listers/core/v1"
)

// A podClient is the pods client that Virtual Kubelet's controller writes through. It
// replaces two writes of the library: UpdateStatus, which is left to errors that this provider
// never returns, would send a copy of the whole pod and wipe labels, annotations and
// finalizers; Delete would remove a pod whose containers still run.
type podClient struct {
	corev1client.PodsGetter
	lister corev1listers.PodLister
	// held reports that the pod's group may still run; the provider then removes the pod
	// itself when the group has ended.
	held func(types.UID) bool
}

func (c podClient) Pods(namespace string) corev1client.PodInterface {
	return pods{c.PodsGetter.Pods(namespace), c, namespace}
}

type pods struct {
	corev1client.PodInterface
	c         podClient
	namespace string
}

// UpdateStatus writes the difference to the cached status, and only to the same pod: one
// of the same name with another UID is left alone.
func (p pods) UpdateStatus(ctx context.Context, pod *corev1.Pod, _ metav1.UpdateOptions) (*corev1.Pod, error) {
	old, err := p.c.lister.Pods(p.namespace).Get(pod.Name)
	if err != nil {
		return nil, err
	}
	if old.UID != pod.UID {
		return old, nil
	}
	return patchStatus(ctx, p.PodInterface, old, pod.Status, nil, "")
}

// Delete refuses nothing: a pod whose group may still run is deleted later, by the provider.
func (p pods) Delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	if pre := options.Preconditions; pre != nil && pre.UID != nil && p.c.held(*pre.UID) {
		return nil
	}
	return p.PodInterface.Delete(ctx, name, options)
}

// patchStatus writes status over old's as a strategic merge patch of the status subresource,
// with the UID as precondition, and annotations with it: the subresource takes them, and one
// call instead of two is a fifth of what a pod's start costs the API server. A version that is
// not empty must be the pod's resource version still. Where nothing differs nothing is written.
func patchStatus(ctx context.Context, client corev1client.PodInterface, old *corev1.Pod, status corev1.PodStatus, annotations map[string]string, version string) (*corev1.Pod, error) {
	before, err := json.Marshal(corev1.Pod{Status: old.Status})
	if err != nil {
		return nil, fmt.Errorf("encoding a pod's status: %w", err)
	}
	after, err := json.Marshal(corev1.Pod{Status: status})
	if err != nil {
		return nil, fmt.Errorf("encoding a pod's status: %w", err)
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before, after, corev1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("comparing a pod's status: %w", err)
	}
	if string(patch) == "{}" && len(annotations) == 0 {
		return old, nil
	}
	withUID := map[string]any{}
	if err := json.Unmarshal(patch, &withUID); err != nil {
		return nil, fmt.Errorf("comparing a pod's status: %w", err)
	}
	metadata := map[string]any{"uid": old.UID}
	if version != "" {
		metadata["resourceVersion"] = version
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	withUID["metadata"] = metadata
	if patch, err = json.Marshal(withUID); err != nil {
		return nil, fmt.Errorf("encoding a pod's status: %w", err)
	}
	return client.Patch(ctx, old.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
}

// patchAnnotations sets annotations; an empty value removes one. Nothing else of the pod
// is touched, and a pod with another UID is refused by the API server with a conflict.
func patchAnnotations(ctx context.Context, client corev1client.PodInterface, pod *corev1.Pod, values map[string]string) error {
	annotations := map[string]any{}
	for key, value := range values {
		if value == "" {
			annotations[key] = nil
		} else {
			annotations[key] = value
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID, "annotations": annotations}})
	if err != nil {
		return fmt.Errorf("encoding annotations: %w", err)
	}
	_, err = client.Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// removePod ends a pod's object at once, if it is still the same pod.
func removePod(ctx context.Context, client corev1client.PodInterface, pod *corev1.Pod) error {
	options := metav1.NewDeleteOptions(0)
	options.Preconditions = metav1.NewUIDPreconditions(string(pod.UID))
	return client.Delete(ctx, pod.Name, *options)
}
