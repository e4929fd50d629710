package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	utilexec "k8s.io/utils/exec"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// What TRAPS.md names and no test of a feature holds.

func (b *bed) isReady() bool {
	select {
	case <-b.node.Ready():
		return true
	default:
		return false
	}
}

// The bubble fails where a goroutine is left.
func TestANodeThatIsStoppedBeforeItCouldListItsGroupsLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.fault(ecitest.Fault{Kind: ecitest.FaultError500})
		b.start()
		time.Sleep(time.Minute)
		if b.isReady() {
			t.Error("the node is ready without having listed its groups")
		}
		b.stop()
	})
}

func TestPodsThatAreSyncedDuringACloudOutageGetNoTwin(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		creates, created := b.cloud.Calls("CreateContainerGroup"), b.logged.count("Created pod in provider")
		b.fault(ecitest.Fault{Kind: ecitest.FaultError500})
		for i := range 10 {
			changed := b.get(pod).DeepCopy()
			changed.Spec.Tolerations = append(changed.Spec.Tolerations, corev1.Toleration{Key: fmt.Sprint(i), Operator: corev1.TolerationOpExists})
			if _, err := b.client.CoreV1().Pods("default").Update(b.ctx, changed, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if n := b.cloud.Calls("CreateContainerGroup") - creates; n != 0 || b.logged.count("Created pod in provider") != created {
			t.Errorf("%d more creates were tried, the library had %d pods created", n, b.logged.count("Created pod in provider"))
		}
	})
}

func TestAStartTouchesNoGroupOfOthersAndCollectsAnOrphanOnlyAtTheSecondSight(t *testing.T) {
	inBed(t, func(b *bed) {
		kept, evicted := b.create(healthyPod("kept")), b.create(healthyPod("evicted"))
		kept, evicted = b.untilReady(kept), b.untilReady(evicted)
		b.stop()
		if err := b.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "default", "evicted"); err != nil {
			t.Fatal(err)
		}
		mine := eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: testCluster, NodeName: testNode, Namespace: "default", PodName: "gone", PodUID: "gone-uid", Attempt: 1}
		cluster, node := mine, mine
		cluster.ClusterID, node.NodeName = "c-other", "other-node"
		for _, tags := range []map[string]string{cluster.Tags(), node.Tags(), nil} {
			if _, err := b.cloud.Seed(ecitest.SeedGroup{Name: "foreign", Tags: tags}); err != nil {
				t.Fatal(err)
			}
		}
		deletes := b.cloud.Calls("DeleteContainerGroup")
		b.start()
		b.until("the node ready", time.Minute, b.isReady)
		if n := b.cloud.Calls("DeleteContainerGroup") - deletes; n != 0 {
			t.Errorf("%d groups were deleted by the start itself", n)
		}
		b.until("the evicted pod's group gone", 10*time.Minute, func() bool { return len(b.live()) == 4 })
		time.Sleep(10 * time.Minute)
		if n := b.cloud.Calls("DeleteContainerGroup") - deletes; n != 1 || len(b.live()) != 4 || !ready(b.get(kept)) {
			t.Errorf("%d deletes, groups %+v", n, b.live())
		}
		for _, g := range b.live() {
			if g.ID == evicted.Annotations[eci.AnnotationInstanceID] {
				t.Error("the wrong group was deleted")
			}
		}
	})
}

// A blunt cloud answers with every group of the account, whatever is asked for.
type blunt struct{ Cloud }

func (c blunt) Groups(ctx context.Context, q eci.GroupQuery) ([]eci.Group, error) {
	q.Tags = nil
	return c.Cloud.Groups(ctx, q)
}

func TestGroupsOfOthersAreLeftAloneAlsoInAnAnswerThatIsNotNarrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.wrap = func(c Cloud) Cloud { return blunt{c} }
		for _, id := range []eci.Identity{
			{ManagedBy: eci.ManagedBy, ClusterID: "c-other", NodeName: testNode, Namespace: "default", PodName: "gone", PodUID: "gone-uid", Attempt: 1},
			{ManagedBy: eci.ManagedBy, ClusterID: testCluster, NodeName: "other-node", Namespace: "default", PodName: "gone", PodUID: "gone-uid", Attempt: 1},
		} {
			if _, err := b.cloud.Seed(ecitest.SeedGroup{Tags: id.Tags()}); err != nil {
				t.Fatal(err)
			}
		}
		b.start()
		defer func() { b.stop() }()
		pod := b.untilReady(b.create(healthyPod("web")))
		time.Sleep(10 * time.Minute)
		if len(b.live()) != 3 || b.cloud.Calls("DeleteContainerGroup") != 0 || !ready(b.get(pod)) {
			t.Errorf("%d deletes, groups %+v", b.cloud.Calls("DeleteContainerGroup"), b.live())
		}
	})
}

func TestASyncOfAPodWhoseGroupNeedNotChangeIsNoUpdate(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		time.Sleep(time.Minute)
		before := b.logged.count("Updated pod in provider")
		if before > 3 {
			t.Errorf("%d updates while the pod started: its annotations are ours", before)
		}
		for i := range 10 { // each is a sync
			changed := b.get(pod).DeepCopy()
			changed.Labels["n"] = fmt.Sprint(i)
			if _, err := b.client.CoreV1().Pods("default").Update(b.ctx, changed, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if n := b.logged.count("Updated pod in provider") - before; n != 0 {
			t.Errorf("the library handed over %d updates for ten labels", n)
		}
	})
}

func TestNoFailureReachesTheLibraryWhichWouldWriteItIntoTheCache(t *testing.T) {
	for name, c := range map[string]struct {
		fault ecitest.Fault
		pod   *corev1.Pod
	}{
		"out of stock": {ecitest.Fault{Kind: ecitest.FaultNoStock}, healthyPod("p")},
		"denied":       {ecitest.Fault{Kind: ecitest.FaultDenied, Action: "CreateContainerGroup"}, healthyPod("p")},
		"can't run":    {ecitest.Fault{}, healthyPod("p", func(p *corev1.Pod) { p.Spec.HostNetwork = true })},
		"never again":  {ecitest.Fault{Kind: ecitest.FaultThrottling}, healthyPod("p", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever })},
	} {
		t.Run(name, func(t *testing.T) {
			inBed(t, func(b *bed) {
				b.until("the node ready", time.Minute, b.isReady)
				if c.fault.Kind != "" {
					b.fault(c.fault)
				}
				b.create(c.pod)
				var cached *corev1.Pod
				b.until("the pod in the cache", time.Minute, func() bool {
					var err error
					cached, err = b.node.Pods().Pods("default").Get("p")
					return err == nil
				})
				before := cached.DeepCopy()
				time.Sleep(2 * time.Minute)
				if diff := cmp.Diff(before, cached); diff != "" {
					t.Errorf("the informer's own pod was changed: %s", diff)
				}
				if n := b.events.count("ProviderCreateFailed"); n != 0 {
					t.Errorf("%d failures were handed to the library, which fails pods that are not restarted", n)
				}
			})
		})
	}
}

func TestARunningPodsStatusLacksNothingThatAKubeletTells(t *testing.T) {
	pod := healthyPod("web", func(p *corev1.Pod) {
		p.Generation = 2
		p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "i"}}
	})
	got := Status(pod, runningGroup(func(g *eci.Group) {
		g.InitContainers = []eci.Container{{Name: "init", Image: "i", Current: eci.ContainerState{State: "Terminated", Started: statusTime, Finished: statusTime}}}
	}), statusTime)
	if len(got.PodIPs) != 1 || got.PodIPs[0].IP != got.PodIP || len(got.HostIPs) != 1 || got.HostIPs[0].IP != got.HostIP || got.HostIP == "" {
		t.Errorf("addresses %s %v %s %v", got.PodIP, got.PodIPs, got.HostIP, got.HostIPs)
	}
	if got.StartTime == nil || got.ObservedGeneration != 2 || got.QOSClass == "" {
		t.Errorf("started %v, generation %d, class %q", got.StartTime, got.ObservedGeneration, got.QOSClass)
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady, corev1.PodScheduled} {
		if c := condition(&got, kind); c == nil || c.Status != corev1.ConditionTrue || kind != corev1.PodScheduled && c.LastTransitionTime.IsZero() {
			t.Errorf("condition %s is %+v", kind, c)
		}
	}
	if len(got.InitContainerStatuses) != 1 || got.InitContainerStatuses[0].State.Terminated == nil || !got.InitContainerStatuses[0].Ready {
		t.Errorf("init containers %+v", got.InitContainerStatuses)
	}
	if c := got.ContainerStatuses[0]; !strings.HasPrefix(c.ContainerID, "eci://") || c.ImageID == "" || c.Started == nil || !*c.Started || c.State.Running.StartedAt.IsZero() {
		t.Errorf("container %+v", c)
	}
}

func TestAPodWithoutAGroupKeepsItsConditionsAndHasAStartTime(t *testing.T) {
	got := Status(healthyPod("web"), nil, statusTime)
	if got.StartTime == nil || !got.StartTime.Time.Equal(statusTime) || got.Phase != corev1.PodPending {
		t.Errorf("started %v, phase %s", got.StartTime, got.Phase)
	}
	if c := condition(&got, corev1.PodScheduled); c == nil || c.Status != corev1.ConditionTrue {
		t.Errorf("the scheduler's condition is %+v", c)
	}
	if c := condition(&got, corev1.PodReady); c == nil || c.Status != corev1.ConditionFalse {
		t.Errorf("ready is %+v", c)
	}
	later := Status(healthyPod("web", func(p *corev1.Pod) { p.Status = got }), nil, statusTime.Add(time.Hour))
	if !later.StartTime.Equal(got.StartTime) {
		t.Errorf("the start moved to %v", later.StartTime)
	}
}

// Where the pod before has no annotations of ours yet, the library sees no difference between
// the two, and only their UIDs tell.
func TestAPodReplacedByItsEqualWhileTheWatchWasClosedRuns(t *testing.T) {
	inBed(t, func(b *bed) {
		waits := func(uid string) *corev1.Pod {
			return healthyPod("db-0", func(p *corev1.Pod) {
				p.UID = types.UID(uid)
				p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "late"}}}}
			})
		}
		old := b.create(waits("uid-old"))
		b.until("it waits", time.Minute, func() bool { return b.events.count("db-0 MandatorySecretNotFound") == 1 })
		fresh := waits("uid-new")
		fresh.Status = b.get(old).Status
		if err := b.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), fresh, "default"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "late", Namespace: "default"}, Data: map[string][]byte{"A": []byte("b")}}
		if _, err := b.client.CoreV1().Secrets("default").Create(b.ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.untilReady(fresh)
		if len(b.cloud.Groups()) != 1 || b.live()[0].Tags[eci.TagPodUID] != "uid-new" {
			t.Errorf("groups %+v", b.cloud.Groups())
		}
	})
}

func TestAFinishedPodIsNotRunByAStart(t *testing.T) {
	inBed(t, func(b *bed) {
		other := b.untilReady(b.create(healthyPod("other")))
		pod := b.create(healthyPod("job", image("job"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
		b.until("done", 2*time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodSucceeded })
		b.stop()
		b.cloud.Remove(b.get(pod).Annotations[eci.AnnotationInstanceID]) // ECI forgets ended groups
		creates := b.cloud.Calls("CreateContainerGroup")
		b.start()
		time.Sleep(10 * time.Minute)
		if n := b.cloud.Calls("CreateContainerGroup") - creates; n != 0 || b.get(pod).Status.Phase != corev1.PodSucceeded || !ready(b.get(other)) {
			t.Errorf("%d creates, the pod is %s", n, b.get(pod).Status.Phase)
		}
	})
}

func TestLogsOfAGroupThatIsGoneAreNotFound(t *testing.T) {
	inBed(t, func(b *bed) {
		lost, other := b.create(healthyPod("lost")), b.create(healthyPod("other"))
		lost = b.untilReady(lost)
		b.untilReady(other)
		b.cloud.Remove(lost.Annotations[eci.AnnotationInstanceID])
		read := func() (io.ReadCloser, error) {
			return b.node.Provider.GetContainerLogs(b.ctx, "default", "lost", "main", api.ContainerLogOpts{})
		}
		if r, err := read(); !errdefs.IsNotFound(err) || r != nil {
			t.Errorf("before it is known: %v, %v", r, err)
		}
		b.until("the pod failed", 3*time.Minute, func() bool { return b.get(lost).Status.Phase == corev1.PodFailed })
		if r, err := read(); !errdefs.IsNotFound(err) || r != nil {
			t.Errorf("afterwards: %v, %v", r, err)
		}
	})
}

func TestALogThatCannotBeReadIsAnErrorAndNotAnEmptyLog(t *testing.T) {
	inBed(t, func(b *bed) {
		b.untilReady(b.create(healthyPod("web")))
		b.fault(ecitest.Fault{Kind: ecitest.FaultError500, Action: "DescribeContainerLog"})
		if r, err := b.node.Provider.GetContainerLogs(b.ctx, "default", "web", "main", api.ContainerLogOpts{}); err == nil || r != nil {
			t.Errorf("got %v, %v", r, err)
		}
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		begin := time.Now()
		if _, err := b.node.Provider.GetContainerLogs(ctx, "default", "web", "main", api.ContainerLogOpts{}); err == nil || time.Since(begin) > time.Second {
			t.Errorf("after the reader left: %v after %v", err, time.Since(begin))
		}
	})
}

// ECI gives a mebibyte at most, which may be few lines, the first of them cut.
func TestAGapIsSeenAlsoWhereLinesAreLong(t *testing.T) {
	var m logMark
	if _, gap := m.fresh("2026-01-01T00:00:00Z first\n"); gap {
		t.Error("a gap before the first line")
	}
	text := "rest of a line that was cut\n"
	for i := range 16 {
		text += fmt.Sprintf("2026-01-01T00:01:%02dZ %s\n", i, strings.Repeat("x", 64<<10))
	}
	lines, gap := m.fresh(text)
	if !gap || len(lines) != 16 || !strings.HasPrefix(lines[0], "2026-01-01T00:01:00Z x") {
		t.Errorf("gap %v, %d lines, the first is %.40q", gap, len(lines), lines[0])
	}
}

// A full log has as many lines as ECI gives at most, and each second as many new ones.
type torrent struct{ Cloud }

func (torrent) Log(_ context.Context, r eci.LogRequest) (string, error) {
	var text strings.Builder
	now := time.Now()
	for i := range *r.Tail {
		at := now.Add(-time.Duration(*r.Tail-i) * 100 * time.Microsecond)
		fmt.Fprintf(&text, "%s line\n", at.UTC().Format(time.RFC3339Nano))
	}
	return text.String(), nil
}

func TestAReaderIsToldWhereLinesMayBeMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.wrap = func(c Cloud) Cloud { return torrent{c} }
		b.start()
		defer func() { b.stop() }()
		b.untilReady(b.create(healthyPod("web")))
		ctx, cancel := context.WithTimeout(b.ctx, 2500*time.Millisecond)
		defer cancel()
		r, err := b.node.Provider.GetContainerLogs(ctx, "default", "web", "main", api.ContainerLogOpts{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || strings.Count(string(text), missingLines) != 3 || !strings.HasPrefix(string(text), missingLines) {
			t.Errorf("three looks each missed lines; it is said %d times, %v", strings.Count(string(text), missingLines), err)
		}
		for _, c := range []struct {
			tail int
			said bool
		}{{0, true}, {5000, true}, {2000, false}, {10, false}} {
			r, err := b.node.Provider.GetContainerLogs(b.ctx, "default", "web", "main", api.ContainerLogOpts{Tail: c.tail})
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil || strings.HasPrefix(string(text), missingLines) != c.said {
				t.Errorf("--tail=%d begins with %.80q, %v", c.tail, text, err)
			}
		}
	})
}

func TestADaemonSetsPodIsKnownAlsoWhereTheOwnerIsNotTheFirst(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.create(healthyPod("agent", ownedBy("DaemonSet"), func(p *corev1.Pod) {
			p.OwnerReferences = append([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "settings", UID: "u"}}, p.OwnerReferences...)
		}))
		b.until("refused", time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodFailed })
		if got := b.get(pod).Status; got.Reason != ReasonNotSupported || !strings.Contains(got.Message, "DaemonSet") || b.cloud.Calls("CreateContainerGroup") != 0 {
			t.Errorf("%s: %s", got.Reason, got.Message)
		}
	})
}

func TestWhatIsWrongWithAnInitContainerIsNotLost(t *testing.T) {
	_, _, err := Build(healthyPod("web", uid, func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "i", Env: []corev1.EnvVar{{Name: "LONG", Value: strings.Repeat("x", 257)}}}}
	}), testData(), testPlacement(), 1)
	if err == nil || !strings.Contains(err.Error(), "initContainers[0]") {
		t.Errorf("got %v", err)
	}
}

// A curious cloud keeps what groups were asked for.
type curious struct {
	Cloud
	mu      sync.Mutex
	queries []eci.GroupQuery
}

func (c *curious) Groups(ctx context.Context, q eci.GroupQuery) ([]eci.Group, error) {
	c.mu.Lock()
	c.queries = append(c.queries, q)
	c.mu.Unlock()
	return c.Cloud.Groups(ctx, q)
}

func TestNoListingReadsTheWholeAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c := newBed(t), &curious{}
		b.wrap = func(cloud Cloud) Cloud { c.Cloud = cloud; return c }
		b.start()
		defer func() { b.stop() }()
		for i := range 30 {
			if _, err := b.cloud.Seed(ecitest.SeedGroup{Name: fmt.Sprintf("other-%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
		b.untilReady(b.create(healthyPod("web")))
		time.Sleep(5 * time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, q := range c.queries {
			if q.Tags[eci.TagClusterID] != testCluster && len(q.IDs) == 0 {
				t.Errorf("a listing is not narrowed: %+v", q)
			}
		}
		if len(c.queries) < 3 {
			t.Errorf("%d listings", len(c.queries))
		}
	})
}

func TestSlowAndRepeatedPagesDeclareNobodyDead(t *testing.T) {
	for name, fault := range map[string]ecitest.Fault{
		"slow":     {Kind: ecitest.FaultSlow, Action: "DescribeContainerGroups", DelaySeconds: 50},
		"repeated": {Kind: ecitest.FaultRepeatPage},
	} {
		t.Run(name, func(t *testing.T) {
			inBed(t, func(b *bed) {
				var pods []*corev1.Pod
				for i := range 45 { // three pages
					pods = append(pods, b.create(healthyPod(fmt.Sprintf("p-%d", i))))
				}
				for _, pod := range pods {
					b.untilReady(pod)
				}
				creates := b.cloud.Calls("CreateContainerGroup")
				clear := b.fault(fault)
				time.Sleep(10 * time.Minute)
				for _, pod := range pods {
					if !ready(b.get(pod)) {
						t.Errorf("pod %s is %s %s", pod.Name, b.get(pod).Status.Phase, b.get(pod).Status.Reason)
					}
				}
				clear()
				time.Sleep(2 * time.Minute)
				if n := b.cloud.Calls("CreateContainerGroup") - creates; n != 0 || len(b.live()) != 45 || b.cloud.Calls("DeleteContainerGroup") != 0 {
					t.Errorf("%d creates, %d groups, %d deletes", n, len(b.live()), b.cloud.Calls("DeleteContainerGroup"))
				}
			})
		})
	}
}

func TestAReclaimedSpotGroupIsAnnouncedOnItsPodAndFailsIt(t *testing.T) {
	inBed(t, func(b *bed) {
		other := b.untilReady(b.create(healthyPod("other")))
		pod := b.untilReady(b.create(healthyPod("web", annotated("spot-strategy", "SpotAsPriceGo"))))
		b.fault(ecitest.Fault{Kind: ecitest.FaultSpotReclaim, Group: pod.Annotations[eci.AnnotationInstanceID]})
		b.until("the notice on the pod", time.Minute, func() bool { return b.events.count("web SpotToBeReleased: ") == 1 })
		if !ready(b.get(pod)) {
			t.Error("the pod ended with the notice: it has three minutes more")
		}
		b.until("the pod failed", 10*time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodFailed })
		if got := b.get(pod).Status; got.Reason != ReasonSpotReleased || got.ContainerStatuses[0].State.Terminated == nil || !ready(b.get(other)) {
			t.Errorf("%s: %s", got.Reason, got.Message)
		}
		if len(b.live()) != 1 {
			t.Errorf("groups %+v", b.live())
		}
	})
}

func TestAMaintenanceNoticeIsToldOnThePod(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		b.fault(ecitest.Fault{Kind: ecitest.FaultMaintenance, Group: pod.Annotations[eci.AnnotationInstanceID]})
		b.until("the notice on the pod", time.Minute, func() bool { return b.events.count("web SystemReboot: ") == 1 })
		if !ready(b.get(pod)) {
			t.Error("the pod ended with the notice")
		}
	})
}

// An actor plays what a command in a container does.
type actor struct {
	request eci.ExecRequest
	err     error
}

func (a *actor) Run(_ context.Context, r eci.ExecRequest, s eci.Streams) error {
	a.request = r
	_, err := io.WriteString(s.Stdout, "output\n")
	if err != nil {
		return err
	}
	return a.err
}

// A pipe is kubectl's end of a command.
type pipe struct{ out, errs strings.Builder }

func (*pipe) Stdin() io.Reader            { return nil }
func (p *pipe) Stdout() io.WriteCloser    { return closer{&p.out} }
func (p *pipe) Stderr() io.WriteCloser    { return closer{&p.errs} }
func (*pipe) TTY() bool                   { return false }
func (*pipe) Resize() <-chan api.TermSize { return nil }

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

func TestAnExecNeverSucceedsWithoutHavingRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := newBed(t), &actor{}
		b.change = func(c *Config, _ *NodeSpec) { c.Shells = a }
		b.start()
		defer func() { b.stop() }()
		exec := func(name, container string) (*pipe, error) {
			p := &pipe{}
			return p, b.node.Provider.RunInContainer(b.ctx, "default", name, container, []string{"ls"}, p)
		}
		pod := b.untilReady(b.create(healthyPod("web")))
		if p, err := exec("web", "main"); err != nil || p.out.String() != "output\n" || a.request.GroupID != pod.Annotations[eci.AnnotationInstanceID] || a.request.Container != "main" {
			t.Errorf("got %q of %+v, %v", p.out.String(), a.request, err)
		}
		a.err = &eci.ExitError{Code: 42}
		_, err := exec("web", "main")
		if exit, ok := err.(utilexec.ExitError); !ok || exit.ExitStatus() != 42 { //nolint:errorlint // the library asserts this very type
			t.Errorf("an exit code becomes %v", err)
		}
		a.err = fmt.Errorf("running: %w", eci.ErrNoExitCode)
		if p, err := exec("web", "main"); err != nil || p.errs.String() != noCodeNotice {
			t.Errorf("a code that nobody told: %v, %q", err, p.errs.String())
		}
		for _, c := range [][2]string{{"nobody", "main"}, {"web", "nobody"}} {
			if _, err := exec(c[0], c[1]); !errdefs.IsNotFound(err) {
				t.Errorf("%v: %v", c, err)
			}
		}
		job := b.create(healthyPod("job", image("job"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
		b.until("done", 2*time.Minute, func() bool { return b.get(job).Status.Phase == corev1.PodSucceeded })
		if _, err := exec("job", "main"); !errdefs.IsInvalidInput(err) {
			t.Errorf("a container that has ended: %v", err)
		}
		b.node.Provider.Shells = nil
		if _, err := exec("web", "main"); err == nil {
			t.Error("exec succeeds where there is none")
		}
	})
}

func TestTheKubeletPortTurnsAwayWhoHasNoRight(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch {
		case strings.HasSuffix(r.URL.Path, "/tokenreviews"):
			var review authenticationv1.TokenReview
			if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
				t.Error(err)
			}
			review.Status.Authenticated = review.Spec.Token != "unknown"
			review.Status.User.Username = review.Spec.Token
			answer = review
		case strings.HasSuffix(r.URL.Path, "/subjectaccessreviews"):
			var review authorizationv1.SubjectAccessReview
			if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
				t.Error(err)
			}
			asked := review.Spec.ResourceAttributes
			review.Status.Allowed = review.Spec.User == "admin" && asked.Resource == "nodes" && asked.Name == testNode
			answer = review
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer api.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	node := NewVirtualNode(Config{Client: client, Recorder: &events{}}, NodeSpec{Name: testNode})
	handler, err := node.KubeletHandler(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token string
		want  int
	}{{"", http.StatusUnauthorized}, {"unknown", http.StatusUnauthorized}, {"guest", http.StatusForbidden}, {"admin", http.StatusNotFound}} {
		paths := []string{"/containerLogs/default/web/main", "/exec/default/web/main?command=ls&output=1"}
		if c.token != "admin" {
			paths = append(paths, "/attach/default/web/main?output=1", "/portForward/default/web", "/pods", "/runningpods/", "/stats/summary", "/metrics/resource")
		}
		for _, path := range paths {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			if c.token != "" {
				request.Header.Set("Authorization", "Bearer "+c.token)
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			if refused := answer.Code == http.StatusUnauthorized || answer.Code == http.StatusForbidden; refused != (c.token != "admin") || refused && answer.Code != c.want {
				t.Errorf("%q asks for %s: HTTP status %d", c.token, path, answer.Code)
			}
		}
	}
}

// TestNoFilterHidesPodsFromTheLibrary reads the source: the library panics when a pod is
// updated that a filter kept from it before, and nothing else tells.
func TestNoFilterHidesPodsFromTheLibrary(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "node.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if name, ok := literal.Type.(*ast.SelectorExpr); ok && name.Sel.Name == "PodControllerConfig" {
			found = true
			for _, e := range literal.Elts {
				if field, ok := e.(*ast.KeyValueExpr); ok && field.Key.(*ast.Ident).Name == "PodEventFilterFunc" {
					t.Error("the pod controller is given a filter")
				}
			}
		}
		return true
	})
	if !found {
		t.Error("node.go makes no PodControllerConfig: where is it?")
	}
}
