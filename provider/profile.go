package provider

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/placement"
)

// profileTTL is how long a profile is used before it is read again: changes count for pods
// created a few seconds later, and a Deployment's hundred pods ask once.
const profileTTL = 5 * time.Second

// A readProfile is a profile as it was last read.
type readProfile struct {
	profile placement.Profile
	err     error
	until   time.Time
}

// profile reads and parses the profile. None, or no right to read one, is an empty profile:
// it is optional, and the manifests grant the right where it is used. A broken one is an
// error, and pods wait until it is corrected.
func (r *resolver) profile(ctx context.Context, name types.NamespacedName) (placement.Profile, error) {
	if name.Name == "" {
		return placement.Profile{}, nil
	}
	r.mu.Lock()
	last := r.read
	r.mu.Unlock()
	if r.now().Before(last.until) {
		return last.profile, last.err
	}
	next := readProfile{until: r.now().Add(profileTTL)}
	config, err := r.client.CoreV1().ConfigMaps(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
	case err != nil:
		return placement.Profile{}, fmt.Errorf("reading the profile %s: %w", name, err)
	default:
		if next.profile, err = placement.ParseProfile(config.Data); err != nil {
			next.err = &Missing{"InvalidProfile", fmt.Sprintf("the ConfigMap %s can't be used, and no pod starts until it is corrected: %v", name, err)}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = next
	return next.profile, next.err
}

// profiled is the pod and the node's settings with the profile's defaults.
func (r *resolver) profiled(ctx context.Context, pod *corev1.Pod, where Placement) (*corev1.Pod, Placement, error) {
	profile, err := r.profile(ctx, where.Profile)
	if err != nil {
		return nil, where, err
	}
	var labels map[string]string
	if profile.ByNamespace() {
		namespace, err := fetch(r, "namespace/"+pod.Namespace, func() (*corev1.Namespace, error) {
			return r.client.CoreV1().Namespaces().Get(ctx, pod.Namespace, metav1.GetOptions{})
		})
		if err != nil {
			return nil, where, fmt.Errorf("reading the namespace %s for the profile: %w", pod.Namespace, err)
		}
		if namespace != nil {
			labels = namespace.Labels
		}
	}
	if len(profile.VSwitchIDs) > 0 {
		where.VSwitchIDs = profile.VSwitchIDs
	}
	if profile.SecurityGroupID != "" {
		where.SecurityGroupID = profile.SecurityGroupID
	}
	if profile.ResourceGroupID != "" {
		where.ResourceGroupID = profile.ResourceGroupID
	}
	return profile.Apply(pod, labels), where, nil
}
