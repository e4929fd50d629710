package provider

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

func TestTheProfileIsReadAnewForLaterPods(t *testing.T) {
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "eci-profile"}, Data: map[string]string{
		"vSwitchIds": "vsw-p", "selectors": `[{"name":"n","namespaceSelector":{"matchLabels":{"eci":"true"}},"effect":{"annotations":{"k8s.aliyun.com/eci-auto-imc":"true"}}}]`}}
	client := fakeapi.New(config, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", Labels: map[string]string{"eci": "true"}}})
	r, now := newResolver(client), time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r.now = func() time.Time { return now }
	where := testPlacement()
	where.Profile = types.NamespacedName{Namespace: "kube-system", Name: "eci-profile"}
	read := func() (string, string, error) {
		pod, where, err := r.profiled(t.Context(), healthyPod("web"), where)
		if err != nil {
			return "", "", err
		}
		return strings.Join(where.VSwitchIDs, ","), pod.Annotations["k8s.aliyun.com/eci-auto-imc"], nil
	}
	expect := func(vswitches, annotation string) {
		t.Helper()
		if v, a, err := read(); v != vswitches || a != annotation || err != nil {
			t.Errorf("%q, %q, %v", v, a, err)
		}
	}
	change := func(data map[string]string) {
		t.Helper()
		config.Data = data
		if _, err := client.CoreV1().ConfigMaps("kube-system").Update(t.Context(), config, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	expect("vsw-p", "true")
	change(map[string]string{"vSwitchIds": "vsw-q"})
	expect("vsw-p", "true")
	now = now.Add(profileTTL)
	expect("vsw-q", "")

	change(map[string]string{"vSwitchIds": "q"})
	now = now.Add(profileTTL)
	if _, _, err := read(); err == nil || !strings.Contains(err.Error(), "kube-system/eci-profile") || !strings.Contains(err.Error(), "no vSwitch") {
		t.Errorf("a broken profile: %v", err)
	}
	client.PrependReactor("get", "configmaps", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("configmaps"), "eci-profile", nil)
	})
	now = now.Add(profileTTL)
	expect("vsw-h,vsw-i", "")
}

func TestABrokenProfileIsSaidOnThePodAndWaitedFor(t *testing.T) {
	inBed(t, func(b *bed) {
		config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "eci-profile"}, Data: map[string]string{"vSwitchIds": "q"}}
		if _, err := b.client.CoreV1().ConfigMaps("kube-system").Create(b.ctx, config, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		pod := b.create(healthyPod("web"))
		b.until("the event", time.Minute, func() bool { return b.events.count("InvalidProfile") == 1 })
		config.Data["vSwitchIds"] = "vsw-h"
		if _, err := b.client.CoreV1().ConfigMaps("kube-system").Update(b.ctx, config, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.until("pod ready", 10*time.Minute, func() bool { return ready(b.get(pod)) })
	})
}
