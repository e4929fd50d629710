package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// quick is a scenario of its own for tests that are about kubectl and not about waiting: one
// virtual node, no real ones, groups that start in half a second.
const quick = `Only a virtual node, and a cloud that is quick.
-- lab.yaml --
region: cn-hangzhou
zones:
- {id: cn-hangzhou-h, vSwitch: vsw-h}
virtualNodes:
- name: virtual-kubelet-cn-hangzhou
  vSwitches: [vsw-h]
  args: [--poll-min=250ms]
eci: {scheduling: 200ms, starting: 300ms, sampling: 5s}
`

// startQuickLab starts the scenario above, with changes.
func startQuickLab(t testing.TB, change ...func(*scenario.Scenario)) *cluster {
	t.Helper()
	return startScenario(t, "quick", quick, change...)
}

// TestKubectlFindsAKubelet shows with the real kubectl and the real controllers that the
// virtual node behaves as a kubelet does. One lab serves all checks, each in a namespace of
// its own.
func TestKubectlFindsAKubelet(t *testing.T) {
	t.Parallel()
	c := startQuickLab(t)
	client, err := kubernetes.NewForConfig(c.lab.Config())
	if err != nil {
		t.Fatal(err)
	}
	node := c.lab.Scenario.VirtualNodes[0].Name
	t.Run("while others work", func(t *testing.T) {
		for _, check := range slices.Concat(logChecks(), execChecks(), deleteChecks(), controllerChecks(), podChecks(), scaleChecks()) {
			t.Run(check.name, func(t *testing.T) {
				t.Parallel()
				check.run(newTenant(t, c.lab, client, node))
			})
		}
	})
	// It needs the node for itself.
	t.Run("drain respects a disruption budget, and uncordon opens the node", func(t *testing.T) {
		drainsTheNode(newTenant(t, c.lab, client, node))
	})
	t.Run("an API server that is killed and started again changes no pod", func(t *testing.T) {
		survivesTheAPIServer(newTenant(t, c.lab, client, node))
	})
}

// A check is one promise and the test that holds it.
type check struct {
	name string
	run  func(*tenant)
}

// A tenant is somebody with a namespace, kubectl, and a client that looks without the cost
// of a process.
type tenant struct {
	*cluster
	namespace string
	node      string // the virtual one
	client    kubernetes.Interface
	pods      *onlooker // see watched
}

func newTenant(t testing.TB, lab *kubetest.Lab, client kubernetes.Interface, node string) *tenant {
	t.Helper()
	namespace, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x := &tenant{cluster: &cluster{t, lab}, namespace: namespace.Name, node: node, client: client}
	x.eventually(30*slack*time.Second, "the namespace has its service account", func() (bool, string) {
		_, err := client.CoreV1().ServiceAccounts(x.namespace).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
	return x
}

// apply makes objects; NAMESPACE in them is the tenant's, and ECI is what sends a pod to the
// virtual node.
func (x *tenant) apply(manifests string) {
	x.t.Helper()
	text := strings.NewReplacer("NAMESPACE", x.namespace, "ECI", "nodeSelector: {type: virtual-kubelet}, tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]").Replace(manifests)
	if err := x.lab.Apply(x.t.Context(), []byte(text)); err != nil {
		x.t.Fatal(err)
	}
}

// try runs kubectl in the namespace; out has both streams.
func (x *tenant) try(args ...string) (out string, code int) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute*slack)
	defer cancel()
	raw, err := x.lab.Command(ctx, "kubectl", append([]string{"-n", x.namespace}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		x.t.Fatalf("kubectl %v: %v", args, err)
	}
	if err != nil {
		return string(raw), exit.ExitCode()
	}
	return string(raw), 0
}

// do runs kubectl, which must succeed, and returns what it printed to its output.
func (x *tenant) do(args ...string) string {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute*slack)
	defer cancel()
	cmd := x.lab.Command(ctx, "kubectl", append([]string{"-n", x.namespace}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	raw, err := cmd.Output()
	if err != nil {
		x.t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, raw, errs.String())
	}
	return string(raw)
}

// contains fails unless kubectl's output has every text.
func (x *tenant) contains(out string, want ...string) {
	x.t.Helper()
	for _, text := range want {
		if !strings.Contains(out, text) {
			x.t.Errorf("no %q in\n%s", text, out)
		}
	}
}

// tells waits until kubectl describes an object in these words: its events come later than
// what they tell of.
func (x *tenant) tells(kind, name string, want ...string) {
	x.t.Helper()
	x.eventually(10*slack*time.Second, kind+" "+name+" is described", func() (bool, string) {
		out := x.do("describe", kind, name)
		for _, text := range want {
			if !strings.Contains(out, text) {
				return false, fmt.Sprintf("no %q in\n%s", text, out)
			}
		}
		return true, ""
	})
}

// list are the pods with a label, oldest first.
func (x *tenant) list(selector string) []corev1.Pod {
	x.t.Helper()
	list, err := x.client.CoreV1().Pods(x.namespace).List(x.t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		x.t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return list.Items
}

// get is the pod now, or nil.
func (x *tenant) get(name string) *corev1.Pod {
	pod, err := x.client.CoreV1().Pods(x.namespace).Get(x.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return pod
}

// until waits for a pod to be as ok says and returns it.
func (x *tenant) until(name, what string, ok func(*corev1.Pod) bool) *corev1.Pod {
	x.t.Helper()
	var last *corev1.Pod
	x.eventually(30*slack*time.Second, "pod "+name+" "+what, func() (bool, string) {
		last = x.get(name)
		if last == nil {
			return false, "no such pod"
		}
		return ok(last), fmt.Sprintf("%s %s %s %+v", last.Status.Phase, last.Status.Reason, last.Status.Message, last.Status.ContainerStatuses)
	})
	return last
}

func (x *tenant) untilReady(name string) *corev1.Pod {
	x.t.Helper()
	return x.until(name, "is ready", isReady)
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// groups are those of the tenant's pods that cost money or may come to.
func (x *tenant) groups() []ecitest.GroupInfo {
	x.t.Helper()
	return slices.DeleteFunc(x.cluster.groups(""), func(g ecitest.GroupInfo) bool {
		return g.Tags[eci.TagNamespace] != x.namespace || g.Status.Ended()
	})
}

func timed(do func()) time.Duration {
	begin := time.Now()
	do()
	return time.Since(begin)
}
