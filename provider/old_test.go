package provider

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestWhatTheProviderOf2020GotWrong holds that the request lacks the defects of the public
// provider of 2020, each by its name.
func TestWhatTheProviderOf2020GotWrong(t *testing.T) {
	build := func(t *testing.T, data Data, pod *corev1.Pod) map[string]string {
		t.Helper()
		request, _, err := Build(pod, data, testPlacement(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return wire(t, request)
	}
	plain := func(change string) *corev1.Pod { return patched(t, []byte(change)) }
	t.Run("the last bytes of a file are lost when its length is no multiple of three", func(t *testing.T) {
		for n := range 8 {
			data := plainData()
			content := strings.Repeat("x", n)
			data.ConfigMaps["sized"] = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "sized"}, Data: map[string]string{"f": content}}
			params := build(t, data, plain("spec: {volumes: [{name: v, configMap: {name: sized}}]}"))
			got, err := base64.StdEncoding.DecodeString(params["Volume.1.ConfigFileVolume.ConfigFileToPath.1.Content"])
			if err != nil || string(got) != content {
				t.Errorf("%d bytes became %q, %v", n, got, err)
			}
		}
	})
	t.Run("binary data, items and modes of a volume are left out", func(t *testing.T) {
		params := build(t, plainData(), plain("spec: {volumes: [{name: v, configMap: {name: settings, defaultMode: 256, items: [{key: blob, path: a/b, mode: 292}]}}]}"))
		got := fmt.Sprint(params["Volume.1.ConfigFileVolume.DefaultMode"], params["Volume.1.ConfigFileVolume.ConfigFileToPath.1.Path"],
			params["Volume.1.ConfigFileVolume.ConfigFileToPath.1.Mode"], params["Volume.1.ConfigFileVolume.ConfigFileToPath.1.Content"])
		if want := fmt.Sprint("0400", "a/b", "0444", base64.StdEncoding.EncodeToString([]byte{0, 1, 2, 255})); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("an empty ConfigMap has no volume while its mount stays", func(t *testing.T) {
		data := plainData()
		data.ConfigMaps["empty"] = &corev1.ConfigMap{}
		params := build(t, data, plain("spec: {containers: [{name: main, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, configMap: {name: empty}}]}"))
		if params["Volume.1.Name"] != "v" || params["Volume.1.Type"] != "EmptyDirVolume" {
			t.Errorf("%v", params)
		}
	})
	t.Run("every pod since Kubernetes 1.21 fails by its token's volume", func(t *testing.T) {
		if got := build(t, testData(), healthyPod("web", uid))["Volume.1.ConfigFileVolume.ConfigFileToPath.1.Path"]; got != "token" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("arguments replace the image's command", func(t *testing.T) {
		params := build(t, plainData(), plain("spec: {containers: [{name: main, args: [a]}]}"))
		if _, ok := params["Container.1.Command.1"]; ok || params["Container.1.Arg.1"] != "a" {
			t.Errorf("%v", params)
		}
	})
	t.Run("the address of the pod in a variable is lost", func(t *testing.T) {
		params := build(t, plainData(), plain("spec: {containers: [{name: main, env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}]}"))
		if params["Container.1.EnvironmentVar.1.FieldRef.FieldPath"] != "status.podIP" {
			t.Errorf("%v", params)
		}
	})
	t.Run("a container that asks for nothing gets 1 vCPU and 2 GiB of its own", func(t *testing.T) {
		params := build(t, plainData(), plain("spec: {}"))
		for _, name := range []string{"Container.1.Cpu", "Container.1.Memory", "Cpu", "Memory"} {
			if v, ok := params[name]; ok {
				t.Errorf("%s=%s", name, v)
			}
		}
	})
	t.Run("the auth field of a docker config and one with credential helpers give no password", func(t *testing.T) {
		params := build(t, plainData(), plain("spec: {imagePullSecrets: [{name: pull}]}"))
		if params["ImageRegistryCredential.1.UserName"] != "user" || params["ImageRegistryCredential.1.Password"] != "pa:ss" || params["ImageRegistryCredential.1.Server"] != "registry.example.com" {
			t.Errorf("%v", params)
		}
	})
	t.Run("a limit without a value reads as 2 vCPU and 4 GiB whatever the group has", func(t *testing.T) {
		params := build(t, plainData(), plain("spec: {containers: [{name: main, resources: {requests: {cpu: 7, memory: 20Gi}}, env: [{name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}]}"))
		if params["Container.1.EnvironmentVar.1.Value"] != "8" {
			t.Errorf("got %s", params["Container.1.EnvironmentVar.1.Value"])
		}
	})
}

func TestATokenIsAskedForAsTheVolumeSays(t *testing.T) {
	got := needs(patched(t, []byte("spec: {volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: a}}, {serviceAccountToken: {path: b, audience: vault, expirationSeconds: 600}}]}}]}"))).tokens
	want := []tokenRequest{{tokenKey{"v", "a"}, "", defaultTokenSeconds}, {tokenKey{"v", "b"}, "vault", 600}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
