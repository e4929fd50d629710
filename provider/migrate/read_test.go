package migrate

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	k8stesting "k8s.io/client-go/testing"

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

// TestWhatMayNotBeReadIsNotGone: an API server's refusal is told apart from there being nothing.
func TestWhatMayNotBeReadIsNotGone(t *testing.T) {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "u-db"}, Spec: appsv1.StatefulSetSpec{Selector: &metav1.LabelSelector{}}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0", UID: "u-db-0",
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}}, Spec: corev1.PodSpec{NodeName: realNode}}
	for _, c := range []struct {
		resource, pod string
		uid           types.UID
	}{{"replicasets", "web-6c-a", "u-web-6c"}, {"deployments", "web-6c-a", "u-web"}, {"statefulsets", "db-0", "u-db"}} {
		for _, forbidden := range []bool{false, true} {
			api := fakeapi.New(append(deployed("web", map[string]string{"app": "web"}), set, pod)...)
			api.PrependReactor("get", c.resource, func(a k8stesting.Action) (bool, runtime.Object, error) {
				if forbidden {
					return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "it", errors.New("not yours"))
				}
				return true, nil, apierrors.NewNotFound(a.GetResource().GroupResource(), "it")
			})
			f, err := Read(t.Context(), api, nil, Request{To: ToECI, Targets: []Ref{{Kind: "Pod", Namespace: "shop", Name: c.pod}}}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Withheld[c.uid]; strings.Contains(got, "forbidden") != forbidden || got == "" == forbidden {
				t.Errorf("%s, forbidden %t: %q", c.resource, forbidden, got)
			}
		}
	}
}
