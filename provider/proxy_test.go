package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/placement"
)

// withServices is a placement whose groups reach Services by a kube-proxy of their own.
func withServices(p *Placement) {
	p.Region, p.APIServerHost, p.APIServerPort = "cn-hangzhou", "172.16.0.5", "6443"
	p.ClusterDNS = []string{"10.96.0.10"}
	p.Proxy = &Proxy{Image: "registry.example.com/kube-proxy:v1.37.2", CPU: resource.MustParse("50m"), Memory: resource.MustParse("64Mi"),
		Account: types.NamespacedName{Namespace: "kube-system", Name: "ecideck-kube-proxy"}}
}

func TestTheKubeProxyBesideAPod(t *testing.T) {
	data := plainData()
	data.Secrets[proxySecret] = &corev1.Secret{Data: map[string][]byte{"kubeconfig": []byte("server: https://172.16.0.5:6443")}}
	data.ProxyUntil = time.Now().Add(365 * 24 * time.Hour)
	soon := data
	soon.ProxyUntil = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	base := wire(t, must(Build(plainPod(), plainData(), testPlacement(), 1)))
	sized := "spec: {containers: [{name: main, resources: {limits: {cpu: 900m, memory: 1900Mi}}}]}"
	for _, c := range []struct {
		name, pod string
		data      Data
	}{
		{"plain", "spec: {}", data},
		{"counted-in-the-size", sized, data},
		{"job-with-init-container-and-sidecar", "spec: {restartPolicy: Never, initContainers: [{name: init, image: busybox}, {name: log, image: log, restartPolicy: Always}]}", data},
		{"opt-out", "metadata: {annotations: {k8s.aliyun.com/eci-kube-proxy-enabled: 'false'}}", data},
		{"a-container-of-its-name", "spec: {containers: [{name: ecideck-kube-proxy, image: x}]}", data},
		{"a-token-that-ends-soon", "spec: {}", soon},
		{"own-dns", "spec: {dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1], searches: [example.com], options: [{name: ndots, value: '2'}]}}", data},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := txtar.Format(&txtar.Archive{Files: append([]txtar.File{{Name: "pod.yaml", Data: []byte(c.pod)}},
				outcomeOf(t, base, patched(t, []byte(c.pod)), c.data, withServices)...)})
			file := filepath.Join("testdata", "proxy", c.name+".txtar")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPodThatLeavesItsSizeToTheDefaultKeepsIt(t *testing.T) {
	where := testPlacement()
	withServices(&where)
	before, _ := placement.SizeOf(plainPod(), where.Region)
	after, _ := placement.SizeOf(where.beside(plainPod()), where.Region)
	if before.Billed != after.Billed {
		t.Errorf("billed %v without, %v with the proxy", before.Billed, after.Billed)
	}
	sized := patched(t, []byte("spec: {containers: [{name: main, resources: {limits: {cpu: '1', memory: 2Gi}}}]}"))
	one, _ := placement.SizeOf(sized, where.Region)
	two, _ := placement.SizeOf(where.beside(sized), where.Region)
	where.Proxy.CPU, where.Proxy.Memory = resource.Quantity{}, resource.Quantity{}
	none, _ := placement.SizeOf(where.beside(sized), where.Region)
	if two.CPU <= one.CPU || none.Billed != one.Billed {
		t.Errorf("%v without, %v with the proxy counted, %v uncounted", one, two, none)
	}
}

// TestAPodIsSizedAsItsGroup has defaults that give a kube-proxy's pod another size, and asks the
// stock for that.
func TestAPodIsSizedAsItsGroup(t *testing.T) {
	inBedWith(t, func(c *Config, _ *NodeSpec) {
		withServices(&c.Placement)
		c.Placement.Profile = types.NamespacedName{Namespace: "kube-system", Name: "eci-profile"}
	}, func(b *bed) {
		pod := patched(t, []byte("spec: {containers: [{name: main, resources: {limits: {cpu: '2', memory: 4Gi}}}]}"))
		sized := func() string {
			size, _ := placement.SizeOf(b.node.Provider.Sized(pod), "cn-hangzhou")
			return size.Spec()
		}
		if got := sized(); got != "4.0-6.0Gi" {
			t.Errorf("with a kube-proxy %s", got)
		}
		adds := placement.AddsOf(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{placement.AnnotationAdds: b.node.Provider.Placement.Adds().String()}}})
		if size, _ := placement.SizeOf(adds.To(pod, "cn-hangzhou"), "cn-hangzhou"); size.Spec() != "4.0-6.0Gi" || adds.Profile != "kube-system/eci-profile" {
			t.Errorf("by the node's own word %s, defaults of %q", size.Spec(), adds.Profile)
		}
		b.node.Provider.stock.refused(&order{spec: "4.0-6.0Gi", vswitches: b.node.Provider.Placement.VSwitchIDs}, Note{ReasonNoStock, "none"})
		if b.node.Provider.OutOfStock(pod) == "" {
			t.Error("the size that is asked of ECI has no stock, and the pod is let go to it")
		}
		profile := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "eci-profile"}, Data: map[string]string{
			"selectors": `[{"name": "all", "objectSelector": {}, "effect": {"annotations": {"k8s.aliyun.com/eci-use-specs": "8-16Gi"}}}]`}}
		if _, err := b.client.CoreV1().ConfigMaps("kube-system").Create(b.ctx, profile, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(profileTTL)
		if got := sized(); got != "8.0-16.0Gi" {
			t.Errorf("with defaults %s", got)
		}
	})
}

func TestAGroupsKubeProxyHasATokenOfItsOwnAndThePodItsState(t *testing.T) {
	inBedWith(t, func(c *Config, _ *NodeSpec) { withServices(&c.Placement) }, func(b *bed) {
		ca := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt", Namespace: "kube-system"}, Data: map[string]string{"ca.crt": "CA"}}
		pod := b.create(healthyPod("web"))
		b.until("it waits for the CA", time.Minute, func() bool { return strings.Contains(b.get(pod).Status.Message, "kube-root-ca.crt") })
		if _, err := b.client.CoreV1().ConfigMaps("kube-system").Create(b.ctx, ca, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		pod = b.untilReady(pod)
		if n := len(pod.Status.ContainerStatuses) + len(pod.Status.InitContainerStatuses); n != 1 {
			t.Errorf("the pod's status has %d containers: %+v", n, pod.Status)
		}
		job := b.create(jobPod("report"))
		b.until("the job succeeded, though its kube-proxy goes on", time.Minute, func() bool { return b.get(job).Status.Phase == corev1.PodSucceeded })
		tokens := 0
		for _, a := range b.client.Actions() {
			if a.GetVerb() == "create" && a.GetSubresource() == "token" && a.GetNamespace() == "kube-system" {
				tokens++
			}
		}
		if tokens != 1 {
			t.Errorf("%d tokens for two groups", tokens)
		}
	})
}
