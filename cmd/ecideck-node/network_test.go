package main

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider"
)

func TestAddressesThatNoGroupReachesAreRefused(t *testing.T) {
	services := []corev1.Service{
		{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", Namespace: "default"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Namespace: "kube-system"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.10", ClusterIPs: []string{"10.96.0.10", "fd00::a"}}},
	}
	for _, c := range []struct {
		name, network, dns, api, want string
	}{
		{"addresses of the VPC", "none", "172.16.0.2", "172.16.0.5", ""},
		{"none at all", "none", "", "", ""},
		{"kube-dns's ClusterIP", "none", "10.96.0.10", "", "kube-system/kube-dns"},
		{"its second one", "none", "fd00::a", "", "kube-system/kube-dns"},
		{"it is reached with the sidecar", "sidecar", "10.96.0.10", "172.16.0.5", ""},
		{"it is reached by routes", "routes", "10.96.0.10", "10.96.0.1", ""},
		{"the API server's ClusterIP, with which kube-proxy can't begin", "sidecar", "", "10.96.0.1", "default/kubernetes"},
		{"the API server's ClusterIP", "none", "", "10.96.0.1", "load balancer"},
	} {
		var dns []string
		if c.dns != "" {
			dns = []string{c.dns}
		}
		err := checkClusterIPs(services, provider.ServiceNetwork(c.network), dns, c.api)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestASidecarNeedsWhatItNeeds(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--service-network=everything", "--service-network"},
		{"--service-network=sidecar", "--kube-proxy-image"},
		{"--service-network=sidecar --kube-proxy-image=x", "--apiserver-address"},
		{"--service-network=sidecar --kube-proxy-image=x --apiserver-address=1.2.3.4:6443 --kube-proxy-cpu=much", "--kube-proxy-cpu"},
	} {
		cmd := command()
		cmd.SetArgs(strings.Fields(c.args))
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetErr(&bytes.Buffer{})
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}

func TestTheManifestsHaveAnAccountForKubeProxyOnlyWhereItRuns(t *testing.T) {
	if bytes.Contains(printed(t), []byte("ecideck-kube-proxy")) {
		t.Error("without the sidecar there is its account")
	}
	all := objects(t, printed(t, "--service-network=sidecar", "--kube-proxy-image=registry.example.com/kube-proxy:1", "--apiserver-address=172.16.0.5:6443"))
	first(t, all, func(a *corev1.ServiceAccount) bool { return a.Name == proxyAccount && a.Namespace == "ecideck" })
	for _, rule := range first(t, all, func(r *rbacv1.ClusterRole) bool { return r.Name == proxyAccount }).Rules {
		for _, verb := range rule.Verbs {
			if verb != "get" && verb != "list" && verb != "watch" {
				t.Errorf("it may %s %v", verb, rule.Resources)
			}
		}
		for _, resource := range rule.Resources {
			if resource == "secrets" || resource == "configmaps" || resource == "pods" {
				t.Errorf("it reads %s", resource)
			}
		}
	}
}
