package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	vke2e "github.com/virtual-kubelet/virtual-kubelet/test/e2e"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// The suite reaches the node through the API server's proxies, which refuse loopback
// addresses since Kubernetes 1.37. So the test runs itself again in a network namespace of
// its own, where an address that is not loopback leads nowhere but here.
const (
	inNamespace = "ECIDECK_TEST_IN_NAMESPACE"
	nodeAddress = "10.99.7.1"
)

// TestVirtualKubeletsOwnSuite is what Virtual Kubelet asks of every provider.
func TestVirtualKubeletsOwnSuite(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		// What needs the network of the machine, a module proxy perhaps, is done out here.
		if _, err := programs(); err != nil {
			t.Fatal(err)
		}
		again(t)
		return
	}
	openLoopback(t)
	c := startQuickLab(t, func(s *scenario.Scenario) { // the suite gives a deletion one second
		s.VirtualNodes[0].Args = append(s.VirtualNodes[0].Args, "--node-ip="+nodeAddress, "--listen="+nodeAddress+":10250", "--kubelet-anonymous")
	})
	node := c.lab.Scenario.VirtualNodes[0].Name
	c.eventually(time.Minute, "the service account is there", func() (bool, string) {
		out, err := c.kubectl("get", "serviceaccount", "default")
		return err == nil, out
	})
	c.addPodOfTheNode(node)
	vke2e.NewEndToEndTestSuite(vke2e.EndToEndTestSuiteConfig{
		Kubeconfig: c.lab.Kubeconfig, Namespace: metav1.NamespaceDefault, NodeName: node, WatchTimeout: time.Minute,
	}).Run(t)
}

// again runs this test once more in a network namespace. Without root a user namespace lends
// the right to make one.
func again(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := strings.Count(string(out), "    --- PASS: "+t.Name()+"/")
	t.Logf("%d of the suite's tests passed", passed)
	if passed != 9 || strings.Contains(string(out), "--- SKIP") {
		t.Errorf("want all 9 of the suite's tests to pass:\n%s", out)
	}
}

// openLoopback brings the namespace's loopback interface up, with the node's address on it.
func openLoopback(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(socket) }()
	up, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, up); err != nil {
		t.Fatalf("bringing the loopback interface up: %v", err)
	}
	alias, err := unix.NewIfreq("lo:node")
	if err != nil {
		t.Fatal(err)
	}
	if err := alias.SetInet4Addr([]byte{10, 99, 7, 1}); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFADDR, alias); err != nil {
		t.Fatalf("adding the node's address: %v", err)
	}
}

// addPodOfTheNode makes the pod through whose proxy the suite reads statistics: it has the
// node's name and address, and nobody runs it.
func (c *cluster) addPodOfTheNode(node string) {
	c.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.lab.Kubeconfig)
	if err != nil {
		c.t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		c.t.Fatal(err)
	}
	mount := false
	pods := client.CoreV1().Pods(metav1.NamespaceDefault)
	pod, err := pods.Create(c.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: node},
		Spec: corev1.PodSpec{SchedulerName: "none", AutomountServiceAccountToken: &mount,
			Containers: []corev1.Container{{Name: "vk", Image: "vk"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: nodeAddress, PodIPs: []corev1.PodIP{{IP: nodeAddress}}}
	if _, err := pods.UpdateStatus(c.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}
