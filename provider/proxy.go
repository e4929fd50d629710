package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ecideck/ecideck/provider/placement"
)

// A ServiceNetwork is how a group reaches ClusterIPs. ECI has no kube-proxy, and no parameter
// for one.
type ServiceNetwork string

// What may be chosen: nothing, which is the default; a kube-proxy in every group; or routes of
// the VPC that lead the Services' addresses to nodes, which only whoever made them knows.
const (
	ServicesNone    ServiceNetwork = "none"
	ServicesSidecar ServiceNetwork = "sidecar"
	ServicesRoutes  ServiceNetwork = "routes"
)

// Words say what a service network means for pods.
func (n ServiceNetwork) Words() string {
	switch n {
	case ServicesSidecar:
		return "a kube-proxy in every group brings it the Services' addresses"
	case ServicesRoutes:
		return "the VPC's routes are said to lead the Services' addresses to nodes"
	}
	return "pods on ECI reach no ClusterIP: start ecideck-node with --service-network=sidecar or routes if they need one"
}

// A Proxy is the kube-proxy that is added to every group.
type Proxy struct {
	Image       string
	CPU, Memory resource.Quantity    // counted in the group's size; zero: not
	Account     types.NamespacedName // whose token it has
}

// The container that brings Services to a group, and its files. A Secret can't have the name.
const (
	proxyName       = "ecideck-kube-proxy"
	proxySecret     = "ecideck/kube-proxy"
	proxyFolder     = "/etc/ecideck-kube-proxy"
	proxyHealthPort = 10256
	annotationProxy = "k8s.aliyun.com/eci-kube-proxy-enabled"
)

// Adds is what is added to the groups of this node's pods.
func (w *Placement) Adds() placement.Adds {
	a := placement.Adds{}
	if w.Profile.Name != "" {
		a.Profile = w.Profile.String()
	}
	if w.Proxy != nil {
		a.CPU, a.Memory = w.Proxy.CPU, w.Proxy.Memory
	}
	return a
}

// Sized is a pod as its group is sized and billed: with the profile's defaults and the
// kube-proxy beside it. The profile is read at most once in a few seconds, and waited for no
// longer than sizedWait; where it can't be read, the pod is without its defaults.
func (p *Provider) Sized(pod *corev1.Pod) *corev1.Pod {
	sized, _ := p.sized(pod)
	return sized
}

// sizedWait is how long a size is kept waiting for the profile.
const sizedWait = 2 * time.Second

// sized is Sized, and where the group goes.
func (p *Provider) sized(pod *corev1.Pod) (*corev1.Pod, Placement) {
	ctx, cancel := context.WithTimeout(context.Background(), sizedWait)
	defer cancel()
	with, where, err := p.resolver.profiled(ctx, pod, p.Placement)
	if err != nil {
		with, where = pod, p.Placement
	}
	return where.beside(with), where
}

// beside is the pod with the proxy as a sidecar, which starts before all others and ends after
// them. The pod itself is not changed; without a proxy it is returned as it is.
func (w *Placement) beside(pod *corev1.Pod) *corev1.Pod {
	if w.Proxy == nil || placement.ReadSettings(pod).NoProxy {
		return pod
	}
	always := corev1.ContainerRestartPolicyAlways
	requests := w.Adds().Sidecar(pod, w.Region)
	out := pod.DeepCopy()
	out.Spec.InitContainers = append(out.Spec.InitContainers, corev1.Container{
		Name: proxyName, Image: w.Proxy.Image, RestartPolicy: &always, ImagePullPolicy: corev1.PullIfNotPresent,
		// Nothing is written to /proc/sys, which a group may not.
		Command: []string{"kube-proxy", "--kubeconfig=" + proxyFolder + "/kubeconfig", "--hostname-override=" + w.NodeName, "--proxy-mode=iptables",
			"--iptables-localhost-nodeports=false", "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s",
			fmt.Sprintf("--healthz-bind-address=0.0.0.0:%d", proxyHealthPort), "--metrics-bind-address=127.0.0.1:10249"},
		Resources:    corev1.ResourceRequirements{Requests: requests},
		VolumeMounts: []corev1.VolumeMount{{Name: proxyName, MountPath: proxyFolder, ReadOnly: true}},
		SecurityContext: &corev1.SecurityContext{
			Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 30,
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(proxyHealthPort), Scheme: corev1.URISchemeHTTP}}},
	})
	mode := int32(0o400)
	out.Spec.Volumes = append(out.Spec.Volumes, corev1.Volume{Name: proxyName, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: proxySecret, DefaultMode: &mode}}})
	return out
}

// withProxy adds the proxy to the pod that is being built, or refuses it.
func (b *builder) withProxy() error {
	pod := b.where.beside(b.pod)
	if pod == b.pod {
		return nil
	}
	for i := range b.pod.Spec.Containers {
		if b.pod.Spec.Containers[i].Name == proxyName {
			return &Refusal{Field: fmt.Sprintf("spec.containers[%d].name", i), Reason: "ecideck-node adds a container of this name to every group (--service-network=sidecar)",
				Remedy: "rename it, or annotate the pod with " + annotationProxy + "=false"}
		}
	}
	for i := range b.pod.Spec.InitContainers {
		if !isSidecar(&b.pod.Spec.InitContainers[i]) {
			b.note("InitContainersWithoutServices", "init containers run before the group's kube-proxy, and reach no ClusterIP")
			break
		}
	}
	if end := b.data.ProxyUntil; !end.IsZero() && time.Until(end) < proxyTerm/12 {
		b.note("ServicesFollowedUntil", "the group's kube-proxy follows changes of Services until %s, when its token ends; the API server grants no longer one", end.UTC().Format(time.RFC3339))
	}
	b.pod = pod
	return nil
}

// What the proxy's token is asked for, and how long it is given to further groups: a token in
// a running group can't be renewed.
const (
	proxyTerm  = 365 * 24 * time.Hour
	proxyReuse = time.Hour
)

// proxyKubeconfig is the proxy's way to the API server, and when it ends. It is secret.
func (r *resolver) proxyKubeconfig(ctx context.Context, where Placement) ([]byte, time.Time, error) {
	type made struct {
		config []byte
		until  time.Time
	}
	const key = "proxy"
	r.mu.Lock()
	hit, ok := r.cache[key]
	r.mu.Unlock()
	if ok && r.now().Before(hit.until) {
		m := hit.object.(*made)
		return m.config, m.until, nil
	}
	account := where.Proxy.Account
	core := r.client.CoreV1()
	ca, err := core.ConfigMaps(account.Namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("reading the cluster's CA for the group's kube-proxy: %w", err)
	}
	seconds := int64(proxyTerm / time.Second)
	answer, err := core.ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("requesting a token of service account %s for the group's kube-proxy: %w", account, err)
	}
	until := answer.Status.ExpirationTimestamp.Time
	named := func(kind string, value map[string]string) []any {
		return []any{map[string]any{"name": "ecideck", kind: value}}
	}
	config, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Config", "current-context": "ecideck",
		"clusters": named("cluster", map[string]string{"server": "https://" + net.JoinHostPort(where.APIServerHost, where.APIServerPort),
			"certificate-authority-data": base64.StdEncoding.EncodeToString([]byte(ca.Data["ca.crt"]))}),
		"users":    named("user", map[string]string{"token": answer.Status.Token}),
		"contexts": named("context", map[string]string{"cluster": "ecideck", "user": "ecideck"})})
	if err != nil {
		return nil, until, fmt.Errorf("writing the kubeconfig of the group's kube-proxy: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cache[key] = cached{&made{config, until}, r.now().Add(proxyReuse)}
	return config, until, nil
}

// withProxyFiles adds what the proxy needs to what the pod refers to.
func (r *resolver) withProxyFiles(ctx context.Context, pod *corev1.Pod, where Placement, data *Data) error {
	if where.Proxy == nil || placement.ReadSettings(pod).NoProxy {
		return nil
	}
	config, until, err := r.proxyKubeconfig(ctx, where)
	if err != nil {
		return err
	}
	data.Secrets[proxySecret] = &corev1.Secret{Data: map[string][]byte{"kubeconfig": config}}
	data.ProxyUntil = until
	return nil
}
