package migrate

import (
	"maps"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// deployed are a Deployment, its ReplicaSet and a pod of that, with these labels.
func deployed(name string, set map[string]string) []runtime.Object {
	meta := func(suffix string, owner *metav1.OwnerReference) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Namespace: "shop", Name: name + suffix, UID: types.UID("u-" + name + suffix), Labels: maps.Clone(set)}
		if owner != nil {
			m.OwnerReferences = []metav1.OwnerReference{*owner}
		}
		return m
	}
	d := &appsv1.Deployment{ObjectMeta: meta("", nil), Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: set}}}
	rs := &appsv1.ReplicaSet{ObjectMeta: meta("-6c", metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))),
		Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: set}}}
	pod := &corev1.Pod{ObjectMeta: meta("-6c-a", metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))), Spec: corev1.PodSpec{NodeName: realNode}}
	return []runtime.Object{d, rs, pod}
}

// TestADeploymentsPodsAreThoseOfItsReplicaSets: another one's may bear the labels of its selector,
// and a name that begins alike.
func TestADeploymentsPodsAreThoseOfItsReplicaSets(t *testing.T) {
	api := fakeapi.New(append(deployed("web", map[string]string{"app": "web"}), deployed("web-canary", map[string]string{"app": "web", "track": "canary"})...)...)
	for name, want := range map[string]string{"web": "web-6c-a", "web-canary": "web-canary-6c-a"} {
		f, err := Read(t.Context(), api, nil, Request{To: ToECI, Targets: []Ref{{Kind: "Deployment", Namespace: "shop", Name: name}}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Pods) != 1 || f.Pods[0].Name != want {
			t.Errorf("of %s: %v, want %s alone", name, f.Pods, want)
		}
	}
}
