package provider

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/lastwords"
)

// remembers is a node that keeps last words.
func remembers(c *Config, _ *NodeSpec) { c.LastWords = lastwords.NewStore(c.Client.CoreV1()) }

// record is what is kept of a pod now, or nil.
func (b *bed) record(pod *corev1.Pod) *lastwords.Record {
	b.t.Helper()
	r, err := lastwords.NewStore(b.client.CoreV1()).Of(b.ctx, pod.Namespace, string(pod.UID))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bed) log(pod *corev1.Pod, o api.ContainerLogOpts) (string, error) {
	r, err := b.node.Provider.GetContainerLogs(b.ctx, pod.Namespace, pod.Name, "main", o)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// forget lets the cloud forget a group, as it does after an hour.
func (b *bed) forget(id string) {
	b.t.Helper()
	if !b.cloud.Remove(id) {
		b.t.Fatalf("there is no group %s", id)
	}
}

func jobPod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	return healthyPod(name, append([]func(*corev1.Pod){image("job"), ownedBy("Job"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }}, change...)...)
}

func TestAJobOfTenSecondsIsExplainedWhenItsGroupIsGone(t *testing.T) {
	inBedWith(t, remembers, func(b *bed) {
		pod := b.create(jobPod("report", env("EXIT_CODE", "3")))
		b.until("it failed", 2*time.Minute, func() bool { p := b.get(pod); return p != nil && p.Status.Phase == corev1.PodFailed })
		b.until("its end is kept", 30*time.Second, func() bool { return b.record(pod) != nil })
		r := b.record(pod)
		if c := r.Container("main"); r.Why != lastwords.Ended || r.Phase != "Failed" || c.ExitCode != 3 || !strings.Contains(c.Log, "exit code 3") || r.Owner != "Job/owner" || len(r.Events) == 0 {
			t.Errorf("%+v", r)
		}
		if s := b.get(pod).Status.ContainerStatuses[0].State.Terminated; s == nil || s.ExitCode != 3 {
			t.Errorf("the pod's own status: %+v", b.get(pod).Status)
		}
		b.forget(r.Group)
		time.Sleep(2 * time.Minute)
		for _, restarted := range []bool{false, true} {
			if restarted {
				b.stop()
				b.start()
				time.Sleep(20 * time.Second)
			}
			text, err := b.log(pod, api.ContainerLogOpts{})
			if err != nil || !strings.Contains(text, "exit code 3") || strings.Contains(text, "Z done") {
				t.Errorf("kubectl logs, restarted %v: %q, %v", restarted, text, err)
			}
			if last, err := b.log(pod, api.ContainerLogOpts{Tail: 1}); err != nil || last != "done, exit code 3\n" {
				t.Errorf("--tail=1: %q, %v", last, err)
			}
			if _, err := b.log(pod, api.ContainerLogOpts{Previous: true}); err == nil {
				t.Error("there was no run before, and its log is read")
			}
		}
		b.delete(pod)
		b.until("the pod is gone", time.Minute, func() bool { return b.get(pod) == nil })
		if r := b.record(pod); r == nil || r.Why != lastwords.Ended {
			t.Errorf("after the pod's deletion: %+v", r)
		}
	})
}

func TestACrashAtNightIsExplainedThoughThePodWentOnAndAway(t *testing.T) {
	inBedWith(t, remembers, func(b *bed) {
		pod := b.create(healthyPod("web", image("crashloop")))
		b.until("the crash is kept", 2*time.Minute, func() bool { return b.record(pod) != nil })
		if r := b.record(pod); r.Why != lastwords.Restarted || r.Container("main").Previous+r.Container("main").Log == "" || r.Container("main").Restarts == 0 {
			t.Errorf("%+v", r)
		}
		time.Sleep(time.Hour)
		if reads := b.cloud.Calls("DescribeContainerLog"); reads > 40 {
			t.Errorf("%d logs were read in an hour", reads)
		}
		id := b.get(pod).Annotations[eci.AnnotationInstanceID]
		b.create(healthyPod("witness")) // another group proves that the first is gone
		time.Sleep(time.Minute)
		b.forget(id)
		b.until("it failed", 10*time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodFailed })
		b.until("that is kept", time.Minute, func() bool { return b.record(pod).Why == lastwords.Gone })
		c := b.record(pod).Container("main")
		if !strings.Contains(c.Log+c.Previous, "panic: cannot reach the database") {
			t.Errorf("the log that was read before is lost: %+v", c)
		}
	})
}

func TestAPodThatIsDeletedWhileItRunsLeavesItsLastLines(t *testing.T) {
	inBedWith(t, remembers, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web", ownedBy("ReplicaSet"))))
		time.Sleep(30 * time.Second)
		b.delete(pod)
		took := b.until("the pod is gone", time.Minute, func() bool { return b.get(pod) == nil })
		if took > 5*time.Second {
			t.Errorf("the deletion took %v", took)
		}
		r := b.record(pod)
		if r == nil || r.Why != lastwords.Deleted || !strings.Contains(r.Container("main").Log, "GET ") || r.Owner != "ReplicaSet/owner" {
			t.Errorf("%+v", r)
		}
	})
}

func TestAProcessThatIsKilledBeforeItReadThemReadsThemLater(t *testing.T) {
	inBedWith(t, remembers, func(b *bed) {
		pod := b.create(jobPod("report"))
		b.until("it runs", time.Minute, func() bool { return b.get(pod).Status.Phase == corev1.PodRunning })
		b.stop() // it ends while nobody looks
		time.Sleep(time.Minute)
		if b.record(pod) != nil {
			t.Fatal("kept by nobody")
		}
		b.start()
		b.until("its end is kept", time.Minute, func() bool {
			r := b.record(pod)
			return r != nil && strings.Contains(r.Container("main").Log, "exit code 0")
		})
		reads := b.cloud.Calls("DescribeContainerLog")
		b.stop()
		b.start()
		time.Sleep(2 * time.Minute)
		if again := b.cloud.Calls("DescribeContainerLog"); again != reads {
			t.Errorf("the next process read %d logs again", again-reads)
		}
	})
}

func TestAGroupWhosePodWentWhileNobodyLookedIsExplainedToo(t *testing.T) {
	inBedWith(t, remembers, func(b *bed) {
		pod := b.untilReady(b.create(healthyPod("web")))
		b.untilReady(b.create(healthyPod("witness")))
		b.stop()
		if err := b.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "default", "web"); err != nil {
			t.Fatal(err)
		}
		b.start()
		b.until("the orphan is gone", 5*time.Minute, func() bool { return len(b.live()) == 1 })
		if r := b.record(pod); r == nil || r.Why != lastwords.Orphaned || !strings.Contains(r.Container("main").Log, "starting main") || r.Pod != "web" {
			t.Errorf("%+v", r)
		}
	})
}

func TestWithoutRightsToKeepThemPodsEndAsEver(t *testing.T) {
	inBedWith(t, remembers, func(b *bed) {
		b.client.PrependReactor("create", "secrets", func(k8stesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), lastwords.SecretName, nil)
		})
		web, job := b.untilReady(b.create(healthyPod("web"))), b.create(jobPod("report"))
		b.delete(web)
		if took := b.until("web is gone", time.Minute, func() bool { return b.get(web) == nil }); took > 5*time.Second {
			t.Errorf("the deletion took %v", took)
		}
		b.until("the job succeeded", time.Minute, func() bool { return b.get(job).Status.Phase == corev1.PodSucceeded })
		time.Sleep(time.Hour)
		if n := b.events.count("report LastWordsNotKept"); n != 1 {
			t.Errorf("said %d times on the pod", n)
		}
		if b.events.count("ecideck-node manifests") == 0 {
			t.Error("no remedy")
		}
	})
}

func TestALogThatCantBeReadDelaysNoDeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.change = remembers
		b.wrap = func(c Cloud) Cloud { return slowLogs{c} }
		b.start()
		defer func() { b.stop() }()
		pod := b.untilReady(b.create(healthyPod("web")))
		b.delete(pod)
		if took := b.until("the pod is gone", time.Minute, func() bool { return b.get(pod) == nil }); took > 2*wordsWithin+4*time.Second {
			t.Errorf("the deletion took %v", took)
		}
		if r := b.record(pod); r == nil || len(r.Missing) == 0 {
			t.Errorf("%+v", r)
		}
	})
}

// slowLogs is a cloud whose logs never come.
type slowLogs struct{ Cloud }

func (slowLogs) Log(ctx context.Context, _ eci.LogRequest) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func TestThreeHundredPodsThatEndAtOnceDontUseUpTheLogCalls(t *testing.T) {
	t.Parallel()
	var a allowance
	synctest.Test(t, func(t *testing.T) {
		n := 0
		for range 300 {
			if a.take(1, logReads) {
				n++
			}
		}
		time.Sleep(time.Minute)
		if !a.take(1, logReads) || n != logReads {
			t.Errorf("%d at once, and the next after a minute", n)
		}
	})
}
