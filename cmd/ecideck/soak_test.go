package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// `make soak` makes it long.
var (
	soakFor  = flag.Duration("soak.for", 15*time.Second, "how long TestSoak churns")
	soakSeed = flag.Uint64("soak.seed", 1, "what TestSoak's chances begin with; 0: another each time")
)

// TestSoak churns workloads while both processes of the node are killed at random moments and
// the cloud fails now and then. Afterwards every live pod has exactly one live group, every
// group of ours exactly one pod, and nobody else's group was touched.
func TestSoak(t *testing.T) {
	t.Parallel()
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; again with -soak.seed=%[1]d -soak.for=%v", seed, *soakFor)
	c := startQuickLab(t, func(s *scenario.Scenario) {
		s.VirtualNodes[0].Standby = true
		s.VirtualNodes[0].Args = append(s.VirtualNodes[0].Args, "--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")
	})
	client, err := kubernetes.NewForConfig(c.lab.Config())
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{tenant: newTenant(t, c.lab, client, c.lab.Scenario.VirtualNodes[0].Name), done: map[string]int{}, seen: map[string]bool{}, workloads: map[string]string{}}
	s.bystanders()

	stop := make(chan struct{})
	timer := time.AfterFunc(*soakFor, func() { close(stop) })
	defer timer.Stop()
	var work sync.WaitGroup
	for i, actor := range []func(*rand.Rand, <-chan struct{}){s.churn, s.churn, s.kill, s.fail, s.watch} {
		work.Go(func() { actor(rand.New(rand.NewPCG(seed, uint64(i))), stop) })
	}
	work.Wait()
	if err := s.lab.Access.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("in %v: %v, %d groups seen", *soakFor, s.done, len(s.seen))
	for _, wrong := range s.wrong {
		t.Error(wrong)
	}
	if s.done["kill"] == 0 || len(s.seen) < 5 {
		t.Errorf("nothing was tried")
	}

	// An orphan is deleted when it was one for half a minute.
	begin, before := time.Now(), ""
	s.eventually(90*slack*time.Second, "every pod has its group and every group its pod", func() (bool, string) {
		ok, why := s.agree()
		if what, _, _ := strings.Cut(why, " "); what != before {
			before = what
			t.Logf("%4.1f s: %s", time.Since(begin).Seconds(), why)
		}
		return ok, why
	})
	for _, key := range s.names() {
		s.do("delete", strings.SplitN(key, "/", 2)[0], strings.SplitN(key, "/", 2)[1], "--wait=false")
	}
	s.do("delete", "pods", "--all", "--wait=false")
	s.eventually(60*slack*time.Second, "nothing is left", func() (bool, string) {
		own := s.own()
		pods := len(s.list(""))
		return len(own) == 0 && pods == 0, fmt.Sprintf("%d pods, groups %v", pods, own)
	})
	s.bystandersStand()
}

// A soak is a tenant whose workloads come and go. Its mutex guards all that follows it.
type soak struct {
	*tenant
	clusterID string
	others    []string // groups of nobody here

	mu        sync.Mutex
	workloads map[string]string // kind/name → kind
	serial    int
	done      map[string]int  // what was done how often
	seen      map[string]bool // ids of groups
	wrong     []string
}

// bystanders puts groups into the cloud that are not this node's.
func (s *soak) bystanders() {
	s.t.Helper()
	system, err := s.client.CoreV1().Namespaces().Get(s.t.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.clusterID = string(system.UID)
	tags := func(cluster, node string) map[string]string {
		return map[string]string{eci.TagManagedBy: eci.ManagedBy, eci.TagClusterID: cluster, eci.TagNodeName: node, eci.TagNamespace: s.namespace, eci.TagPodName: "web-0", eci.TagPodUID: "5d0c7a52-0000-4000-8000-000000000001"}
	}
	for _, seed := range []ecitest.SeedGroup{
		{Name: "other-cluster", Tags: tags("c-other", s.node), AgeSeconds: 3600},
		{Name: "other-node", Tags: tags(s.clusterID, "virtual-kubelet-other"), AgeSeconds: 3600},
		{Name: "no-tags", AgeSeconds: 3600},
	} {
		var added struct{ ID string }
		if err := s.lab.Access.Admin(s.t.Context(), http.MethodPost, "/_ecitest/groups", seed, &added); err != nil {
			s.t.Fatal(err)
		}
		s.others = append(s.others, added.ID)
	}
}

func (s *soak) bystandersStand() {
	s.t.Helper()
	for _, g := range s.cluster.groups("") {
		if i := slices.Index(s.others, g.ID); i >= 0 && g.Status == eci.Running {
			s.others = slices.Delete(s.others, i, i+1)
		}
	}
	if len(s.others) > 0 {
		s.t.Errorf("groups that are not this node's were touched: %v", s.others)
	}
}

// own are all groups with this node's tags, by the emulator's own list.
func (s *soak) own() []ecitest.GroupInfo {
	return slices.DeleteFunc(s.cluster.groups(""), func(g ecitest.GroupInfo) bool {
		return g.Tags[eci.TagClusterID] != s.clusterID || g.Tags[eci.TagNodeName] != s.node
	})
}

// agree tells whether pods and groups belong together one by one.
func (s *soak) agree() (bool, string) {
	groups := map[types.UID][]ecitest.GroupInfo{}
	for _, g := range s.own() {
		uid := types.UID(g.Tags[eci.TagPodUID])
		groups[uid] = append(groups[uid], g)
	}
	for _, pod := range s.list("") {
		own := groups[pod.UID]
		delete(groups, pod.UID)
		over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		switch {
		case pod.DeletionTimestamp != nil:
			return false, pod.Name + " is being deleted"
		case pod.Spec.NodeName == "":
			return false, pod.Name + " has no node"
		case over && len(own) <= 1:
		case len(own) != 1:
			return false, fmt.Sprintf("%s (%s) has the groups %v", pod.Name, pod.Status.Phase, own)
		case own[0].ID != pod.Annotations[eci.AnnotationInstanceID]:
			return false, fmt.Sprintf("%s names the group %q and has %s", pod.Name, pod.Annotations[eci.AnnotationInstanceID], own[0].ID)
		case own[0].Status.Ended() || pod.Status.Phase != corev1.PodRunning:
			return false, fmt.Sprintf("%s is %s, its group %s is %s", pod.Name, pod.Status.Phase, own[0].ID, own[0].Status)
		}
	}
	for uid, left := range groups {
		return false, fmt.Sprintf("no pod %s for %v", uid, left)
	}
	return true, ""
}

// watch looks at the cloud all the time: no pod may ever have two groups that are paid.
func (s *soak) watch(_ *rand.Rand, stop <-chan struct{}) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		alive := map[string]string{} // pod's UID → its group
		for _, g := range s.own() {
			s.mu.Lock()
			s.seen[g.ID] = true
			uid := g.Tags[eci.TagPodUID]
			if !g.Status.Ended() && g.Status != eci.Terminating {
				if first, double := alive[uid]; double {
					s.wrong = append(s.wrong, fmt.Sprintf("pod %s (%s) has two live groups: %s and %s", g.Tags[eci.TagPodName], uid, first, g.ID))
				}
				alive[uid] = g.ID
			}
			s.mu.Unlock()
		}
	}
}

// pause waits for a random time; false: stop.
func pause(chance *rand.Rand, stop <-chan struct{}, least, most time.Duration) bool {
	timer := time.NewTimer(least + time.Duration(chance.Int64N(int64(most-least))))
	defer timer.Stop()
	select {
	case <-stop:
		return false
	case <-timer.C:
		return true
	}
}

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[what]++
}

// kill ends one of the two processes as a crash would, and starts it again a little later.
func (s *soak) kill(chance *rand.Rand, stop <-chan struct{}) {
	for pause(chance, stop, time.Second, 7*time.Second) {
		parts := []string{kubetest.Node, kubetest.Standby}
		if chance.IntN(4) > 0 {
			leader := s.leader()
			parts = []string{leader}
		}
		for _, part := range parts {
			if err := s.lab.Kill(part); err != nil {
				s.t.Error(err)
			}
			s.count("kill")
		}
		pause(chance, stop, time.Millisecond, 4*time.Second)
		for _, part := range parts {
			if err := s.lab.StartPart(part); err != nil {
				s.t.Error(err)
			}
		}
	}
}

// fail lets the cloud have a bad moment.
func (s *soak) fail(chance *rand.Rand, stop <-chan struct{}) {
	for pause(chance, stop, time.Second, 8*time.Second) {
		fault := []ecitest.Fault{
			{Kind: ecitest.FaultThrottling, Rate: 0.4, ForSeconds: 4},
			{Kind: ecitest.FaultNoStock, ForSeconds: 4},
			{Kind: ecitest.FaultNoStock, ForSeconds: 3, Async: true},
			{Kind: ecitest.FaultError500, Rate: 0.4, ForSeconds: 4},
			{Kind: ecitest.FaultTimeoutAfterAccept, Count: 3, Action: "CreateContainerGroup"},
			{Kind: ecitest.FaultTimeoutAfterAccept, Count: 2, Action: "DeleteContainerGroup"},
			{Kind: ecitest.FaultUnavailable, ForSeconds: 3},
			{Kind: ecitest.FaultEmptyList, ForSeconds: 3},
			{Kind: ecitest.FaultSlow, Rate: 0.3, DelaySeconds: 2, ForSeconds: 4},
		}[chance.IntN(9)]
		if err := s.lab.Access.Inject(s.t.Context(), fault); err != nil {
			s.t.Error(err)
		}
		s.count("fault " + fault.Kind)
	}
}

func (s *soak) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.workloads))
	for name := range s.workloads {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// most is how many workloads there are at the same time; with at most six pods each.
const most = 8

// churn makes, scales and deletes.
func (s *soak) churn(chance *rand.Rand, stop <-chan struct{}) {
	for pause(chance, stop, 50*time.Millisecond, 700*time.Millisecond) {
		names := s.names()
		switch what := chance.IntN(10); {
		case len(names) == 0 || what < 3 && len(names) < most:
			s.add(chance)
		case what < 6:
			s.scale(chance, names[chance.IntN(len(names))])
		case what < 7:
			key := names[chance.IntN(len(names))]
			s.mu.Lock()
			_, there := s.workloads[key]
			delete(s.workloads, key)
			s.mu.Unlock()
			if there {
				kind, name, _ := strings.Cut(key, "/")
				s.remove(kind, name)
			}
		default:
			s.endPod(chance)
		}
	}
}

func (s *soak) add(chance *rand.Rand) {
	s.mu.Lock()
	s.serial++
	name := fmt.Sprintf("w%d", s.serial)
	s.mu.Unlock()
	template := fmt.Sprintf(`spec: {ECI, terminationGracePeriodSeconds: %d, containers: [{name: main, image: lab/serve, env: [{name: STOP_SECONDS, value: "%d"}]}]}`, chance.IntN(20), chance.IntN(3))
	kind := []string{"deployment", "statefulset", "job"}[chance.IntN(3)]
	switch kind {
	case "job":
		s.apply(fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: %s, namespace: NAMESPACE}
spec:
  completions: %d
  parallelism: 2
  backoffLimit: 2
  template:
    spec: {ECI, restartPolicy: %s, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "%d"}, {name: EXIT_CODE, value: "%d"}]}]}
`, name, 1+chance.IntN(3), []string{"Never", "OnFailure"}[chance.IntN(2)], 1+chance.IntN(5), chance.IntN(2)))
	default:
		s.apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: %s
metadata: {name: %s, namespace: NAMESPACE}
spec:
  %s
  replicas: %d
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %[2]s}}
    %[6]s
`, map[string]string{"deployment": "Deployment", "statefulset": "StatefulSet"}[kind], name,
			map[string]string{"deployment": "progressDeadlineSeconds: 600", "statefulset": "serviceName: x\n  podManagementPolicy: Parallel"}[kind], chance.IntN(7), name, template))
	}
	s.mu.Lock()
	s.workloads[kind+"/"+name] = kind
	s.mu.Unlock()
	s.count("create " + kind)
}

func (s *soak) scale(chance *rand.Rand, key string) {
	kind, name, _ := strings.Cut(key, "/")
	if kind == "job" {
		return
	}
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, chance.IntN(7))
	var err error
	if kind == "deployment" {
		_, err = s.client.AppsV1().Deployments(s.namespace).Patch(s.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	} else {
		_, err = s.client.AppsV1().StatefulSets(s.namespace).Patch(s.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err == nil { // the other actor may have deleted it
		s.count("scale")
	}
}

func (s *soak) remove(kind, name string) {
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	var err error
	switch kind {
	case "deployment":
		err = s.client.AppsV1().Deployments(s.namespace).Delete(s.t.Context(), name, options)
	case "statefulset":
		err = s.client.AppsV1().StatefulSets(s.namespace).Delete(s.t.Context(), name, options)
	default:
		err = s.client.BatchV1().Jobs(s.namespace).Delete(s.t.Context(), name, options)
	}
	if err != nil {
		s.t.Errorf("deleting %s %s: %v", kind, name, err)
	}
	s.count("delete " + kind)
}

// endPod deletes a pod, sometimes without grace.
func (s *soak) endPod(chance *rand.Rand) {
	pods := s.list("")
	if len(pods) == 0 {
		return
	}
	options := metav1.DeleteOptions{}
	if chance.IntN(4) == 0 {
		now := int64(0)
		options.GracePeriodSeconds = &now
	}
	if err := s.client.CoreV1().Pods(s.namespace).Delete(s.t.Context(), pods[chance.IntN(len(pods))].Name, options); err == nil {
		s.count("delete pod")
	}
}
