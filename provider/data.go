package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// defaultTokenSeconds is what the ServiceAccount admission writes; the API server extends
// exactly this lifetime, with the default audience, to a year.
const defaultTokenSeconds = 3607

// Data is what a pod refers to. A map entry that is nil means: looked for, not there.
type Data struct {
	ConfigMaps map[string]*corev1.ConfigMap
	Secrets    map[string]*corev1.Secret
	Services   []corev1.Service
	Tokens     map[tokenKey]token
	Claims     map[string]Claim // by the claim's name
	ProxyUntil time.Time        // when the token of the group's kube-proxy ends; zero: it has none
}

// A tokenKey is a projected service account token: its volume and its path.
type tokenKey struct{ volume, path string }

type token struct {
	value   string // secret
	expires time.Time
	fixed   bool // the API server will not extend it
}

// Missing says that an object the pod needs does not exist (yet). EventReason is Virtual
// Kubelet's.
type Missing struct {
	EventReason string
	Message     string
}

func (m *Missing) Error() string { return m.Message }

func (b *builder) configMap(name string, optional *bool) (*corev1.ConfigMap, error) {
	if object := b.data.ConfigMaps[name]; object != nil {
		return object, nil
	}
	return nil, b.missingObject("ConfigMap", "configmap", name, optional)
}

func (b *builder) secret(name string, optional *bool) (*corev1.Secret, error) {
	if object := b.data.Secrets[name]; object != nil {
		return object, nil
	}
	return nil, b.missingObject("Secret", "secret", name, optional)
}

func (b *builder) missingObject(kind, word, name string, optional *bool) error {
	if optional != nil && *optional {
		b.note("Optional"+kind+"NotFound", "%s %q not found", word, name)
		return nil
	}
	return &Missing{"Mandatory" + kind + "NotFound", fmt.Sprintf("%s %q not found", word, name)}
}

func (b *builder) missingKey(kind, name, key string, optional *bool) error {
	if optional != nil && *optional {
		b.note("Optional"+kind+"KeyNotFound", "key %q does not exist in %s %q", key, kind, name)
		return nil
	}
	return &Missing{"Mandatory" + kind + "KeyNotFound", fmt.Sprintf("key %q does not exist in %s %q", key, kind, name)}
}

// references are the names of everything Build will look up.
type references struct {
	configMaps, secrets []string
	claims              []string
	tokens              []tokenRequest
}

type tokenRequest struct {
	key      tokenKey
	audience string
	seconds  int64
}

func needs(pod *corev1.Pod) references {
	var r references
	configMap := func(name string) {
		if !slices.Contains(r.configMaps, name) {
			r.configMaps = append(r.configMaps, name)
		}
	}
	secret := func(name string) {
		if !slices.Contains(r.secrets, name) {
			r.secrets = append(r.secrets, name)
		}
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			for _, from := range list[i].EnvFrom {
				if from.ConfigMapRef != nil {
					configMap(from.ConfigMapRef.Name)
				}
				if from.SecretRef != nil {
					secret(from.SecretRef.Name)
				}
			}
			for _, e := range list[i].Env {
				if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
					configMap(e.ValueFrom.ConfigMapKeyRef.Name)
				}
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
					secret(e.ValueFrom.SecretKeyRef.Name)
				}
			}
		}
	}
	for _, ref := range pod.Spec.ImagePullSecrets {
		secret(ref.Name)
	}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.ConfigMap != nil {
			configMap(v.ConfigMap.Name)
		}
		if v.Secret != nil {
			secret(v.Secret.SecretName)
		}
		if v.FlexVolume != nil && v.FlexVolume.SecretRef != nil && v.FlexVolume.SecretRef.Name != "" {
			secret(v.FlexVolume.SecretRef.Name)
		}
		if v.CSI != nil && v.CSI.NodePublishSecretRef != nil && v.CSI.NodePublishSecretRef.Name != "" {
			secret(v.CSI.NodePublishSecretRef.Name)
		}
		if name := claimName(pod, v); name != "" && !slices.Contains(r.claims, name) {
			r.claims = append(r.claims, name)
		}
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			switch {
			case source.ConfigMap != nil:
				configMap(source.ConfigMap.Name)
			case source.Secret != nil:
				secret(source.Secret.Name)
			case source.ServiceAccountToken != nil:
				t := tokenRequest{tokenKey{v.Name, source.ServiceAccountToken.Path}, source.ServiceAccountToken.Audience, defaultTokenSeconds}
				if s := source.ServiceAccountToken.ExpirationSeconds; s != nil {
					t.seconds = *s
				}
				r.tokens = append(r.tokens, t)
			}
		}
	}
	return r
}

// resolver reads what pods refer to, one object at a time: a virtual node has no business
// watching every Secret of the cluster. Answers are kept for a few seconds, so that a
// Deployment's hundred pods ask once.
type resolver struct {
	client kubernetes.Interface
	ttl    time.Duration
	now    func() time.Time

	mu    sync.Mutex
	cache map[string]cached
	read  readProfile
}

type cached struct {
	object any
	until  time.Time
}

func newResolver(client kubernetes.Interface) *resolver {
	return &resolver{client: client, ttl: 5 * time.Second, now: time.Now, cache: map[string]cached{}}
}

// fetch returns the cached object, or gets it; nil without an error is "not found", which
// is never cached: the object may be what a waiting pod is retried for.
func fetch[T any](r *resolver, key string, get func() (*T, error)) (*T, error) {
	r.mu.Lock()
	hit, ok := r.cache[key]
	r.mu.Unlock()
	if ok && r.now().Before(hit.until) {
		return hit.object.(*T), nil
	}
	object, err := get()
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, c := range r.cache {
		if !r.now().Before(c.until) {
			delete(r.cache, k)
		}
	}
	r.cache[key] = cached{object, r.now().Add(r.ttl)}
	return object, nil
}

// resolve gets everything the pod refers to. The error is the API server's.
func (r *resolver) resolve(ctx context.Context, pod *corev1.Pod) (Data, error) {
	data := Data{ConfigMaps: map[string]*corev1.ConfigMap{}, Secrets: map[string]*corev1.Secret{}, Tokens: map[tokenKey]token{}, Claims: map[string]Claim{}}
	refs, ns, core := needs(pod), pod.Namespace, r.client.CoreV1()
	for _, name := range refs.configMaps {
		object, err := fetch(r, "configmap/"+ns+"/"+name, func() (*corev1.ConfigMap, error) {
			return core.ConfigMaps(ns).Get(ctx, name, metav1.GetOptions{})
		})
		if err != nil {
			return data, fmt.Errorf("reading configmap %s: %w", name, err)
		}
		data.ConfigMaps[name] = object
	}
	for _, name := range refs.secrets {
		object, err := fetch(r, "secret/"+ns+"/"+name, func() (*corev1.Secret, error) {
			return core.Secrets(ns).Get(ctx, name, metav1.GetOptions{})
		})
		if err != nil {
			return data, fmt.Errorf("reading secret %s: %w", name, err)
		}
		data.Secrets[name] = object
	}
	for _, name := range refs.claims {
		claim, err := r.claim(ctx, ns, name)
		if err != nil {
			return data, err
		}
		data.Claims[name] = claim
	}
	api, err := fetch(r, "service/default/kubernetes", func() (*corev1.Service, error) {
		return core.Services("default").Get(ctx, "kubernetes", metav1.GetOptions{})
	})
	if err != nil {
		return data, fmt.Errorf("reading service kubernetes: %w", err)
	}
	if api != nil {
		data.Services = append(data.Services, *api)
	}
	if pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks {
		list, err := fetch(r, "services/"+ns, func() (*corev1.ServiceList, error) {
			return core.Services(ns).List(ctx, metav1.ListOptions{})
		})
		if err != nil {
			return data, fmt.Errorf("reading services of namespace %s: %w", ns, err)
		}
		data.Services = append(data.Services, list.Items...)
	}
	for _, t := range refs.tokens {
		if data.Tokens[t.key], err = r.token(ctx, pod, t); err != nil {
			return data, err
		}
	}
	return data, nil
}

// claim reads a claim and, once it is bound, its volume and the Secret of its driver. The
// claim is read anew each time: a waiting pod waits for it to be bound.
func (r *resolver) claim(ctx context.Context, namespace, name string) (Claim, error) {
	core := r.client.CoreV1()
	claim, err := core.PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Claim{}, nil
	}
	if err != nil {
		return Claim{}, fmt.Errorf("reading persistentvolumeclaim %s: %w", name, err)
	}
	out := Claim{Claim: claim}
	if claim.Spec.VolumeName == "" {
		return out, nil
	}
	if out.Volume, err = fetch(r, "volume/"+claim.Spec.VolumeName, func() (*corev1.PersistentVolume, error) {
		return core.PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	}); err != nil || out.Volume == nil {
		return out, wrap("reading persistentvolume "+claim.Spec.VolumeName, err)
	}
	if ref := secretOf(out.Volume); ref != nil {
		out.Secret, err = fetch(r, "secret/"+ref.Namespace+"/"+ref.Name, func() (*corev1.Secret, error) {
			return core.Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		})
	}
	return out, wrap("reading the secret of persistentvolume "+claim.Spec.VolumeName, err)
}

// wrap says what failed, if something did.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// token asks for a service account token that dies with the pod.
func (r *resolver) token(ctx context.Context, pod *corev1.Pod, t tokenRequest) (token, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &t.seconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	if t.audience != "" {
		request.Spec.Audiences = []string{t.audience}
	}
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	answer, err := r.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return token{}, fmt.Errorf("requesting a token of service account %s: %w", account, err)
	}
	out := token{
		value: answer.Status.Token, expires: answer.Status.ExpirationTimestamp.Time,
		fixed: t.audience != "" || t.seconds != defaultTokenSeconds,
	}
	// The answer tells when the token is due for renewal, the token itself when it ends:
	// they are the same where it is not extended, or the API server's extension is off. A
	// token that names the API server's own audience is extended as well.
	if ends, ok := tokenEnd(out.value); ok {
		out.fixed = ends.Sub(out.expires) < time.Minute
		out.expires = ends
	}
	return out, nil
}

// tokenEnd reads the claim exp of a JWT, whose signature is the API server's business.
func tokenEnd(jwt string) (time.Time, bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if json.Unmarshal(raw, &claims) != nil || claims.Exp <= 0 {
		return time.Time{}, false
	}
	return time.Unix(claims.Exp, 0).UTC(), true
}
