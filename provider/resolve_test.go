package provider

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// asked keeps the newest create request.
type asked struct {
	Cloud
	last *eci.CreateRequest
}

func (a *asked) CreateGroup(ctx context.Context, r *eci.CreateRequest) (string, error) {
	a.last = r
	return a.Cloud.CreateGroup(ctx, r)
}

// A claim is followed to its volume, and to the Secret of the volume's driver, whenever each
// of them appears.
func TestAPodWaitsForItsClaimItsVolumeAndTheVolumesSecret(t *testing.T) {
	seen := &asked{}
	inBedWith(t, func(c *Config, _ *NodeSpec) { seen.Cloud, c.Cloud = c.Cloud, seen }, func(b *bed) {
		core := b.client.CoreV1()
		done := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		pod := b.create(healthyPod("web", func(p *corev1.Pod) {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}})
			p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "data", MountPath: "/data"})
		}))
		waits := func(event, words string) {
			t.Helper()
			b.until(event, 10*time.Minute, func() bool {
				w := b.get(pod).Status.ContainerStatuses
				return b.events.count(event) == 1 && len(w) == 1 && w[0].State.Waiting != nil && strings.Contains(w[0].State.Waiting.Message, words)
			})
			if got := b.get(pod).Status; got.Phase != corev1.PodPending || got.ContainerStatuses[0].State.Waiting.Reason != "CreateContainerConfigError" {
				t.Errorf("status %+v", got)
			}
			if len(b.cloud.Groups()) != 0 {
				t.Errorf("groups %+v", b.cloud.Groups())
			}
		}
		waits("MandatoryPersistentVolumeClaimNotFound", `persistentvolumeclaim "data" not found`)
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "default"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}
		done(core.PersistentVolumeClaims("default").Create(b.ctx, claim, metav1.CreateOptions{}))
		waits("PersistentVolumeClaimNotBound", "not bound to a volume yet (Pending)")
		done(core.PersistentVolumes().Create(b.ctx, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-1"}, Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: placement.OSSDriver, VolumeHandle: "oss-1",
				VolumeAttributes:     map[string]string{"bucket": "b", "url": "oss-cn-hangzhou-internal.aliyuncs.com"},
				NodePublishSecretRef: &corev1.SecretReference{Namespace: "storage", Name: "oss"}}}}}, metav1.CreateOptions{}))
		bound := claim.DeepCopy()
		bound.Spec.VolumeName, bound.Status.Phase = "pv-1", corev1.ClaimBound
		done(core.PersistentVolumeClaims("default").Update(b.ctx, bound, metav1.UpdateOptions{}))
		waits("MandatorySecretNotFound", `secret "storage/oss" of the volume pv-1 not found`)
		done(core.Secrets("storage").Create(b.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "oss", Namespace: "storage"},
			Data: map[string][]byte{"akId": []byte("id"), "akSecret": []byte("key")}}, metav1.CreateOptions{}))
		b.until("ready", 10*time.Minute, func() bool { return ready(b.get(pod)) })

		at := slices.IndexFunc(seen.last.Volume, func(v eci.Volume) bool { return v.Name == "data" })
		if at < 0 || seen.last.Volume[at].FlexVolume == nil {
			t.Fatalf("volumes %+v", seen.last.Volume)
		}
		var options map[string]string
		if err := json.Unmarshal([]byte(seen.last.Volume[at].FlexVolume.Options), &options); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"bucket": "b", "url": "oss-cn-hangzhou-internal.aliyuncs.com", "akId": "id", "akSecret": "key"}
		if driver := seen.last.Volume[at].FlexVolume.Driver; driver != placement.FlexOSS || !maps.Equal(options, want) {
			t.Errorf("%s with %v", driver, slices.Sorted(maps.Keys(options)))
		}
	})
}

// What Build looks up is what is read for it, wherever the pod names it, and each once.
func TestEverythingThatAPodRefersToIsRead(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
	if err := yaml.UnmarshalStrict([]byte(`
spec:
  imagePullSecrets: [{name: s-pull}]
  initContainers:
  - name: i
    envFrom: [{configMapRef: {name: c-from-init}}, {secretRef: {name: s-from-init}}]
    env: [{name: A, valueFrom: {configMapKeyRef: {name: c-env-init, key: k}}}, {name: B, valueFrom: {secretKeyRef: {name: s-env-init, key: k}}}]
  containers:
  - name: main
    envFrom: [{configMapRef: {name: c-from}}, {secretRef: {name: s-from}}, {secretRef: {name: s-from}}]
    env: [{name: A, valueFrom: {configMapKeyRef: {name: c-env, key: k}}}, {name: B, valueFrom: {secretKeyRef: {name: s-env, key: k}}}]
  volumes:
  - {name: c, configMap: {name: c-volume}}
  - {name: s, secret: {secretName: s-volume}}
  - {name: p, projected: {sources: [{configMap: {name: c-projected}}, {secret: {name: s-projected}}, {serviceAccountToken: {path: token}}]}}
  - {name: f, flexVolume: {driver: alicloud/oss, secretRef: {name: s-flex}}}
  - {name: o, csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {name: s-csi}}}
  - {name: k, persistentVolumeClaim: {claimName: claim}}
  - {name: k2, persistentVolumeClaim: {claimName: claim}}
  - {name: scratch, ephemeral: {}}
`), pod); err != nil {
		t.Fatal(err)
	}
	got := needs(pod)
	slices.Sort(got.configMaps)
	slices.Sort(got.secrets)
	for _, c := range []struct{ got, want []string }{
		{got.configMaps, []string{"c-env", "c-env-init", "c-from", "c-from-init", "c-projected", "c-volume"}},
		{got.secrets, []string{"s-csi", "s-env", "s-env-init", "s-flex", "s-from", "s-from-init", "s-projected", "s-pull", "s-volume"}},
		{got.claims, []string{"claim", "web-scratch"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("(-want +got) %s", diff)
		}
	}
	if len(got.tokens) != 1 || got.tokens[0].key != (tokenKey{"p", "token"}) {
		t.Errorf("tokens %+v", got.tokens)
	}
}

// The size that is billed stands on the pod in ACK's form.
func TestTheBilledSizeIsWrittenOnThePod(t *testing.T) {
	inBed(t, func(b *bed) {
		one := b.create(healthyPod("default"))
		two := b.create(healthyPod("rounded", func(p *corev1.Pod) { p.Spec.Containers[0].Resources = limits("1500m", "3Gi") }))
		three := b.create(healthyPod("machine", func(p *corev1.Pod) { p.Annotations = map[string]string{"k8s.aliyun.com/eci-use-specs": "ecs.c6.large"} }))
		for pod, want := range map[*corev1.Pod][3]string{one: {"2.0-4.0Gi", "2.0", "4.0"}, two: {"2.0-4.0Gi", "2.0", "4.0"}, three: {"ecs.c6.large", "2.0", "4.0"}} {
			got := b.untilReady(pod).Annotations
			if have := [3]string{got[eci.AnnotationInstanceSpec], got[annotationInstanceCPU], got[annotationInstanceMemory]}; have != want {
				t.Errorf("%s: %v, want %v", pod.Name, have, want)
			}
			if got[eci.AnnotationInstanceID] == "" || got[eci.AnnotationZone] == "" {
				t.Errorf("%s: %v", pod.Name, got)
			}
		}
	})
}
