package provider

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestADefaultPodRunsAndItsDeletionEndsWithItsContainers(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" || pod.Status.HostIP != pod.Status.PodIP {
			t.Errorf("status %+v", pod.Status)
		}
		if got := pod.Annotations[eci.AnnotationInstanceID]; len(b.live()) != 1 || got != b.live()[0].ID {
			t.Errorf("instance id %q, groups %+v", got, b.live())
		}
		b.delete(pod)
		if took := b.until("pod gone", time.Minute, func() bool { return b.get(pod) == nil }); took > 5*time.Second {
			t.Errorf("the deletion took %v of a grace period of 30s; its containers stop in 500ms", took)
		}
		b.until("group gone", time.Minute, func() bool { return len(b.live()) == 0 })
	})
}

func TestStatusWritesKeepLabelsAnnotationsAndFinalizers(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.create(healthyPod("web"))
		b.until("a group", time.Minute, func() bool { return len(b.live()) == 1 })
		marked := b.get(pod).DeepCopy()
		marked.Labels["late"], marked.Finalizers = "yes", []string{"batch.kubernetes.io/job-tracking"}
		marked.Annotations = map[string]string{"late": "yes"}
		if _, err := b.client.CoreV1().Pods("default").Update(b.ctx, marked, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		pod = b.untilReady(pod)
		if pod.Labels["late"] != "yes" || pod.Annotations["late"] != "yes" || len(pod.Finalizers) != 1 {
			t.Errorf("labels %v, annotations %v, finalizers %v", pod.Labels, pod.Annotations, pod.Finalizers)
		}
	})
}

func TestAPodOfTheSameNameIsNotTakenForItsPredecessor(t *testing.T) {
	inBed(t, func(b *bed) {
		first := b.untilReady(b.create(healthyPod("db-0", ownedBy("StatefulSet"))))
		now := int64(0)
		if err := b.client.CoreV1().Pods("default").Delete(b.ctx, "db-0", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			t.Fatal(err)
		}
		second := b.untilReady(b.create(healthyPod("db-0", ownedBy("StatefulSet"))))
		if second.Annotations[eci.AnnotationInstanceID] == first.Annotations[eci.AnnotationInstanceID] {
			t.Error("the new pod runs in the old pod's group")
		}
		b.until("the old group gone", time.Minute, func() bool { return len(b.live()) == 1 })
		if b.live()[0].Tags[eci.TagPodUID] != string(second.UID) {
			t.Errorf("the wrong group was deleted: %+v", b.live())
		}
	})
}

func TestALostAnswerDoesNotCreateATwin(t *testing.T) {
	inBed(t, func(b *bed) {
		b.fault(ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Action: "CreateContainerGroup", Count: 3})
		b.untilReady(b.create(healthyPod("web")))
		if n := len(b.cloud.Groups()); n != 1 {
			t.Errorf("%d groups for one pod", n)
		}
	})
}

func TestAProcessKilledDuringTheCreateLeavesNoTwin(t *testing.T) {
	inBed(t, func(b *bed) {
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Action: "CreateContainerGroup"})
		pod := b.create(healthyPod("web"))
		b.until("a group", time.Minute, func() bool { return len(b.live()) == 1 })
		b.stop()
		if b.get(pod).Annotations[eci.AnnotationInstanceID] != "" {
			t.Fatalf("annotations %v: this tests a process that did not know the group", b.get(pod).Annotations)
		}
		clear()
		b.start()
		b.untilReady(pod)
		if n := len(b.cloud.Groups()); n != 1 {
			t.Errorf("%d groups for one pod", n)
		}
	})
}

func TestARestartFindsRunningPodsAgain(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		b.stop()
		creates := b.cloud.Calls("CreateContainerGroup")
		b.start()
		time.Sleep(2 * time.Minute)
		if n := b.cloud.Calls("CreateContainerGroup"); n != creates || len(b.live()) != 1 || !ready(b.get(pod)) {
			t.Errorf("%d more creates, groups %+v, ready %v", n-creates, b.live(), ready(b.get(pod)))
		}
	})
}

func TestAFailedListingDelaysTheStartAndCreatesNothingTwice(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		b.stop()
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultError500, Action: "DescribeContainerGroups"})
		b.start()
		time.Sleep(5 * time.Minute)
		select {
		case <-b.node.Ready():
			t.Error("the node started without knowing its groups")
		default:
		}
		clear()
		b.until("the node ready", 2*time.Minute, func() bool {
			select {
			case <-b.node.Ready():
				return true
			default:
				return false
			}
		})
		if n := len(b.cloud.Groups()); n != 1 || !ready(b.get(pod)) {
			t.Errorf("%d groups, ready %v", n, ready(b.get(pod)))
		}
	})
}

func TestAnEmptyAnswerNeverMeansGone(t *testing.T) {
	inBed(t, func(b *bed) {
		pods := []*corev1.Pod{b.create(healthyPod("a")), b.create(healthyPod("b"))}
		for _, pod := range pods {
			b.untilReady(pod)
		}
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultEmptyList})
		time.Sleep(10 * time.Minute)
		for _, pod := range pods {
			if !ready(b.get(pod)) {
				t.Errorf("pod %s is %s %s during a RAM denial", pod.Name, b.get(pod).Status.Phase, b.get(pod).Status.Reason)
			}
		}
		clear()
		time.Sleep(time.Minute)
		if len(b.live()) != 2 {
			t.Errorf("groups %+v", b.live())
		}
	})
}

func TestAPodWhoseGroupIsProvenGoneFailsAndIsNotRunAgain(t *testing.T) {
	inBed(t, func(b *bed) {
		lost, other := b.create(healthyPod("lost")), b.create(healthyPod("other"))
		lost = b.untilReady(lost)
		b.untilReady(other)
		creates := b.cloud.Calls("CreateContainerGroup")
		b.cloud.Remove(lost.Annotations[eci.AnnotationInstanceID])
		b.until("the pod failed", 2*time.Minute, func() bool { return b.get(lost).Status.Phase == corev1.PodFailed })
		if got := b.get(lost).Status; got.Reason != ReasonGroupGone || got.ContainerStatuses[0].State.Terminated == nil {
			t.Errorf("status %+v", got)
		}
		time.Sleep(10 * time.Minute)
		if n := b.cloud.Calls("CreateContainerGroup"); n != creates || !ready(b.get(other)) {
			t.Errorf("%d more creates, other ready %v", n-creates, ready(b.get(other)))
		}
	})
}

func TestAGroupLostWhileTheNodeWasDownFailsItsPod(t *testing.T) {
	inBed(t, func(b *bed) {
		lost, other := b.create(healthyPod("lost")), b.create(healthyPod("other"))
		lost = b.untilReady(lost)
		b.untilReady(other)
		b.stop()
		b.cloud.Remove(lost.Annotations[eci.AnnotationInstanceID])
		b.start()
		b.until("the pod failed", 2*time.Minute, func() bool { return b.get(lost).Status.Phase == corev1.PodFailed })
		if b.get(lost).Status.Reason != ReasonGroupGone || len(b.live()) != 1 {
			t.Errorf("reason %q, groups %+v", b.get(lost).Status.Reason, b.live())
		}
	})
}

func TestGroupsOfOtherClustersAndNodesAreNeverTouched(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		mine := eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: testCluster, NodeName: testNode, Namespace: "default", PodName: "gone", PodUID: "gone-uid", Attempt: 1}
		cluster, node, unnamed := mine, mine, mine
		cluster.ClusterID, node.NodeName = "c-other", "other-node"
		unnamed.PodName, unnamed.Namespace = "", ""
		ids := map[string]string{}
		for name, tags := range map[string]map[string]string{"orphan": mine.Tags(), "other cluster": cluster.Tags(), "other node": node.Tags(),
			"without a name": unnamed.Tags(), "without tags": nil, "by hand": {eci.TagPodName: "gone"}} {
			id, err := b.cloud.Seed(ecitest.SeedGroup{Name: "seeded", Tags: tags})
			if err != nil {
				t.Fatal(err)
			}
			ids[id] = name
		}
		time.Sleep(10 * time.Second)
		if n := len(b.live()); n != 7 {
			t.Errorf("%d groups after one look, of 7: an orphan needs two", n)
		}
		time.Sleep(10 * time.Minute)
		left := map[string]bool{}
		for _, g := range b.live() {
			left[ids[g.ID]] = true
		}
		if left["orphan"] || len(left) != 6 || !ready(b.get(pod)) {
			t.Errorf("left are %v; only the orphan had to go", left)
		}
	})
}

func TestATombstoneDeletesTheGroup(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		b.node.removed(cache.DeletedFinalStateUnknown{Key: "default/web", Obj: pod})
		b.until("the group gone", 10*time.Second, func() bool { return len(b.live()) == 0 })
	})
}

func TestAPodReplacedWhileTheWatchWasClosedRuns(t *testing.T) {
	inBed(t, func(b *bed) {
		old := b.untilReady(b.create(healthyPod("db-0")))
		fresh := healthyPod("db-0")
		fresh.UID = "uid-new"
		// The informer sees one update; the API server has the new pod only.
		if err := b.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), fresh, "default"); err != nil {
			t.Fatal(err)
		}
		b.untilReady(fresh)
		b.until("the old group gone", time.Minute, func() bool { return len(b.live()) == 1 })
		if b.live()[0].Tags[eci.TagPodUID] != "uid-new" || old.UID == fresh.UID {
			t.Errorf("groups %+v", b.live())
		}
	})
}

func TestATransientFailureNeverFailsAJobsPod(t *testing.T) {
	for _, fault := range []ecitest.Fault{
		{Kind: ecitest.FaultNoStock}, {Kind: ecitest.FaultNoStock, Async: true}, {Kind: ecitest.FaultThrottling, Action: "CreateContainerGroup"},
		{Kind: ecitest.FaultError500, Action: "CreateContainerGroup"}, {Kind: ecitest.FaultDenied, Action: "CreateContainerGroup"},
	} {
		t.Run(fault.Kind, func(t *testing.T) {
			inBed(t, func(b *bed) {
				clear := b.fault(fault)
				pod := b.create(healthyPod("job", ownedBy("Job"), image("job"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
				time.Sleep(30 * time.Minute)
				got := b.get(pod).Status
				if got.Phase != corev1.PodPending || got.Reason == "" || got.Message == "" {
					t.Errorf("after half an hour: %s %q %q", got.Phase, got.Reason, got.Message)
				}
				if fault.Kind == ecitest.FaultNoStock && got.Reason != ReasonNoStock {
					t.Errorf("reason %q", got.Reason)
				}
				if n := b.events.count("job " + got.Reason); n > 40 {
					t.Errorf("%d events in half an hour", n)
				}
				if n := b.cloud.Calls("CreateContainerGroup"); n > 60 {
					t.Errorf("%d creates in half an hour", n)
				}
				clear()
				b.until("the job done", 10*time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodSucceeded })
				if term := b.get(pod).Status.ContainerStatuses[0].State.Terminated; term == nil || term.ExitCode != 0 || term.FinishedAt.IsZero() {
					t.Errorf("the first terminal status lacks how it ended: %+v", b.get(pod).Status.ContainerStatuses)
				}
				if n := len(b.live()); n != 0 {
					t.Errorf("%d groups still cost money", n)
				}
			})
		})
	}
}

func TestAPodDeletedWhileItsCreateIsInFlightLeaksNoGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.cloud = ecitest.New(ecitest.Options{Seed: 1, Latency: 5 * time.Second})
		b.start()
		defer func() { b.stop() }()
		b.until("the node ready", time.Minute, func() bool {
			select {
			case <-b.node.Ready():
				return true
			default:
				return false
			}
		})
		pod := b.create(healthyPod("web"))
		b.until("the create in flight", time.Minute, func() bool { return b.cloud.Calls("CreateContainerGroup") == 1 })
		b.delete(pod)
		time.Sleep(3 * time.Minute)
		if b.get(pod) != nil || len(b.live()) != 0 || b.cloud.Calls("CreateContainerGroup") != 1 {
			t.Errorf("pod there %v, groups %+v", b.get(pod) != nil, b.live())
		}
	})
}

func TestAPodThatStartsIsKeptUntilItsGroupHasEnded(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.create(healthyPod("web"))
		b.until("a group", time.Minute, func() bool { return len(b.live()) == 1 })
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultError500, Action: "DeleteContainerGroup"})
		b.delete(pod)
		time.Sleep(5 * time.Minute) // long after the grace period
		if b.get(pod) == nil {
			t.Error("the pod's object went while its group may run: a StatefulSet would start a second one")
		}
		clear()
		b.until("pod and group gone", 5*time.Minute, func() bool { return b.get(pod) == nil && len(b.live()) == 0 })
	})
}

func TestASecretThatAppearsAnHourLaterStartsThePod(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.create(healthyPod("web", func(p *corev1.Pod) {
			p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "late"}}}}
		}))
		time.Sleep(time.Hour)
		got := b.get(pod).Status
		if got.Phase != corev1.PodPending || len(got.ContainerStatuses) != 1 || got.ContainerStatuses[0].State.Waiting.Reason != "CreateContainerConfigError" {
			t.Errorf("status %+v", got)
		}
		if b.events.count(`MandatorySecretNotFound: secret "late" not found`) != 1 || len(b.cloud.Groups()) != 0 {
			t.Errorf("events %v, groups %v", b.events.list, b.cloud.Groups())
		}
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "late", Namespace: "default"}, Data: map[string][]byte{"A": []byte("b")}}
		if _, err := b.client.CoreV1().Secrets("default").Create(b.ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.until("ready", 5*time.Minute, func() bool { return ready(b.get(pod)) })
	})
}

func TestPodsThatCannotRunSayWhyAndCauseNoStorm(t *testing.T) {
	hostNetwork := func(p *corev1.Pod) { p.Spec.HostNetwork = true }
	for _, c := range []struct {
		name   string
		change []func(*corev1.Pod)
		phase  corev1.PodPhase
	}{
		{"a bare pod fails", []func(*corev1.Pod){hostNetwork}, corev1.PodFailed},
		{"a job's pod fails", []func(*corev1.Pod){hostNetwork, ownedBy("Job")}, corev1.PodFailed},
		{"a daemon set's pod fails", []func(*corev1.Pod){ownedBy("DaemonSet")}, corev1.PodFailed},
		{"a replica set's pod waits", []func(*corev1.Pod){hostNetwork, ownedBy("ReplicaSet")}, corev1.PodPending},
		{"a pod of a controller that we do not know waits", []func(*corev1.Pod){hostNetwork, ownedBy("CloneSet")}, corev1.PodPending},
		{"a stateful set's pod waits", []func(*corev1.Pod){hostNetwork, ownedBy("StatefulSet")}, corev1.PodPending},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBed(t, func(b *bed) {
				pod := b.create(healthyPod("p", c.change...))
				time.Sleep(10 * time.Minute)
				got := b.get(pod).Status
				if got.Phase != c.phase || got.Reason != ReasonNotSupported || got.Message == "" {
					t.Errorf("%s %q %q", got.Phase, got.Reason, got.Message)
				}
				if r := condition(&got, corev1.PodReady); r == nil || r.Status != corev1.ConditionFalse {
					t.Errorf("conditions %+v", got.Conditions)
				}
				if c.phase == corev1.PodPending {
					w := got.ContainerStatuses[0].State.Waiting
					if r := condition(&got, corev1.PodReady); w == nil || w.Reason != ReasonNotSupported || w.Message != got.Message || r.Reason != ReasonNotSupported {
						t.Errorf("containers %+v, conditions %+v", got.ContainerStatuses, got.Conditions)
					}
				}
				if n := b.events.count(ReasonNotSupported); n != 1 || b.cloud.Calls("CreateContainerGroup") != 0 {
					t.Errorf("%d events, %d creates", n, b.cloud.Calls("CreateContainerGroup"))
				}
				b.delete(pod)
				b.until("pod gone", time.Minute, func() bool { return b.get(pod) == nil })
			})
		})
	}
}

func TestAReadyConditionFlippedByTheNodeControllerIsWrittenAgain(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web"))).DeepCopy()
		condition(&pod.Status, corev1.PodReady).Status = corev1.ConditionFalse
		pod.ResourceVersion = "2" // which the fake API server does not count
		if _, err := b.client.CoreV1().Pods("default").UpdateStatus(b.ctx, pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.until("ready again", 10*time.Second, func() bool { return ready(b.get(pod)) })
	})
}

func TestACloudOutageKeepsTheLeaseAndShowsOnTheNode(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		clear := b.fault(ecitest.Fault{Kind: ecitest.FaultError500})
		time.Sleep(30 * time.Minute)
		lease, err := b.client.CoordinationV1().Leases("kube-node-lease").Get(b.ctx, testNode, metav1.GetOptions{})
		if err != nil || time.Since(lease.Spec.RenewTime.Time) > 20*time.Second {
			t.Errorf("lease %v, %v", lease, err)
		}
		if c := b.nodeCondition(ConditionCloudAPI); c == nil || c.Status != corev1.ConditionFalse || !strings.Contains(c.Message, "InternalError") {
			t.Errorf("condition %+v", c)
		}
		if c := b.nodeCondition(corev1.NodeReady); c == nil || c.Status != corev1.ConditionTrue || !ready(b.get(pod)) {
			t.Errorf("node ready %+v, pod ready %v", c, ready(b.get(pod)))
		}
		clear()
		b.until("the node says that the API answers", time.Minute, func() bool { return b.nodeCondition(ConditionCloudAPI).Status == corev1.ConditionTrue })
	})
}

func (b *bed) nodeCondition(kind corev1.NodeConditionType) *corev1.NodeCondition {
	node, err := b.client.CoreV1().Nodes().Get(b.ctx, testNode, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == kind {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

func TestANodeDeletedByHandComesBackWithItsTaintsAndNoHostname(t *testing.T) {
	inBed(t, func(b *bed) {
		b.until("the node", time.Minute, func() bool { return b.nodeCondition(corev1.NodeReady) != nil })
		if err := b.client.CoreV1().Nodes().Delete(b.ctx, testNode, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.until("the node again", 2*time.Minute, func() bool { return b.nodeCondition(corev1.NodeReady) != nil })
		node, err := b.client.CoreV1().Nodes().Get(b.ctx, testNode, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, there := node.Labels[corev1.LabelHostname]; there || len(node.Spec.Taints) != 2 {
			t.Errorf("labels %v, taints %v", node.Labels, node.Spec.Taints)
		}
		// Somebody removes one of our taints and adds one of their own.
		node.Spec.Taints = []corev1.Taint{node.Spec.Taints[0], {Key: "theirs", Effect: corev1.TaintEffectNoSchedule}}
		if _, err := b.client.CoreV1().Nodes().Update(b.ctx, node, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.until("three taints", time.Minute, func() bool {
			node, err := b.client.CoreV1().Nodes().Get(b.ctx, testNode, metav1.GetOptions{})
			return err == nil && len(node.Spec.Taints) == 3
		})
	})
}

func TestEphemeralContainersAreAnsweredWithAnEvent(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web"))).DeepCopy()
		pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "busybox"}}}
		if _, err := b.client.CoreV1().Pods("default").Update(b.ctx, pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := b.events.count("EphemeralContainersIgnored"); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

func TestAHundredPodsCostPagesNotCallsEach(t *testing.T) {
	inBed(t, func(b *bed) {
		var pods []*corev1.Pod
		for i := range 100 {
			pods = append(pods, b.create(healthyPod("p"+string(rune('a'+i/26))+string(rune('a'+i%26)))))
		}
		for _, pod := range pods {
			b.untilReady(pod)
		}
		time.Sleep(time.Minute)
		before := b.cloud.Calls("DescribeContainerGroups") + b.cloud.Calls("DescribeContainerGroupStatus")
		time.Sleep(5 * time.Minute)
		calls := b.cloud.Calls("DescribeContainerGroups") + b.cloud.Calls("DescribeContainerGroupStatus") - before
		if calls > 180 { // a full listing is five pages, six times a minute at the most
			t.Errorf("%d calls in five idle minutes for 100 pods", calls)
		}
	})
}

func TestGetPodAnswersNotFoundForAnotherUID(t *testing.T) {
	inBed(t, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		if _, err := b.node.Provider.GetPod(context.Background(), "default", "web"); err != nil {
			t.Error(err)
		}
		other := pod.DeepCopy()
		other.UID = types.UID("another")
		if err := b.node.Provider.DeletePod(context.Background(), other); err == nil || len(b.live()) != 1 {
			t.Errorf("deleting a pod of another UID: %v, groups %v", err, b.live())
		}
	})
}

func TestEverythingThatBuildSendsIsAcceptedOnTheWire(t *testing.T) {
	inBed(t, func(b *bed) {
		data := testData()
		for _, name := range []string{"settings"} {
			if _, err := b.client.CoreV1().ConfigMaps("default").Create(b.ctx, data.ConfigMaps[name], metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"login", "pull", "oldpull"} {
			if _, err := b.client.CoreV1().Secrets("default").Create(b.ctx, data.Secrets[name], metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		pod := goldenPods()["full"]
		delete(pod.Annotations, "k8s.aliyun.com/eci-vswitch") // the emulator has no such vSwitch
		b.until("running", time.Minute, func() func() bool {
			b.create(pod)
			return func() bool { return b.get(pod).Status.Phase == corev1.PodRunning }
		}())
	})
}

func TestAForcedDeletionDoesNotWaitForTheContainers(t *testing.T) {
	now := int64(0)
	for name, c := range map[string]struct {
		graceful time.Duration // how long before a graceful one came; 0: none did
		slow     float64       // how many seconds the answer to that one takes
		within   time.Duration
	}{
		"at once":                        {within: 3 * time.Second},
		"after a graceful one":           {graceful: 10 * time.Second, within: 3 * time.Second},
		"in the midst of a graceful one": {graceful: time.Second, slow: 5, within: 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBed(t, func(b *bed) {
				// Its containers take a minute to stop when they are asked to.
				pod := b.untilReady(b.create(healthyPod("web", env("STOP_SECONDS", "60"), func(p *corev1.Pod) {
					grace := int64(120)
					p.Spec.TerminationGracePeriodSeconds = &grace
				})))
				if c.graceful > 0 {
					if c.slow > 0 {
						clear := b.fault(ecitest.Fault{Kind: ecitest.FaultSlow, Action: "DeleteContainerGroup", DelaySeconds: c.slow})
						defer clear()
					}
					b.delete(pod)
					time.Sleep(c.graceful)
					if b.get(pod) == nil || len(b.live()) != 1 {
						t.Fatal("the container stopped at once; this proves nothing")
					}
				}
				// The API server removes the object, and its last version says so.
				gone := b.get(pod).DeepCopy()
				when := metav1.Now()
				gone.DeletionTimestamp, gone.DeletionGracePeriodSeconds = &when, &now
				b.node.removed(gone)
				if took := b.until("the group gone", 2*time.Minute, func() bool { return len(b.live()) == 0 }); took > c.within {
					t.Errorf("the group took %v", took)
				}
			})
		})
	}
}
