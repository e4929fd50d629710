package burst

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	"github.com/ecideck/ecideck/provider/placement"
)

// A bed is a controller on client-go's fake API, which is taught the preconditions and the
// bindings of the real one, in a synctest bubble.
type bed struct {
	t       *testing.T
	client  *fakeapi.API
	events  *record.FakeRecorder
	stop    func()
	mu      sync.Mutex
	patches map[string]int // of pods that were let go
	bound   map[string]string
	version int
	before  func() // a patch is looked at
	refuse  func(verb string, pod *corev1.Pod) error
	lacks   string        // what ECI lacks
	late    time.Duration // how much later than its answer the watch tells of a patch
	lost    bool          // and the answer does not arrive
}

func (b *bed) OutOfStock(*corev1.Pod) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lacks
}

func inBed(t *testing.T, settings Settings, test func(*bed)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bed{t: t, events: record.NewFakeRecorder(10_000), patches: map[string]int{}, bound: map[string]string{}}
		b.client = fakeapi.New(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, virtualNode("vk"),
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}})
		b.client.PrependReactor("patch", "pods", b.patch)
		b.client.PrependReactor("create", "pods", b.bind)
		b.start(settings)
		defer func() { b.stop() }()
		test(b)
	})
}

func (b *bed) start(settings Settings) {
	ctx, cancel := context.WithCancel(b.t.Context())
	own := informers.NewSharedInformerFactory(b.client, 0) // the fake has no field selectors
	c := New(Config{Client: b.client, Recorder: b.events, Nodes: []Node{{"vk", own.Core().V1().Pods().Informer()}}, Region: "cn-hangzhou", Settings: settings, Stock: b})
	// The node's own informer shows its own pods; the fake shows all, so they are left out.
	_ = own.Core().V1().Pods().Informer().SetTransform(func(o any) (any, error) {
		if pod, ok := o.(*corev1.Pod); ok && pod.Spec.NodeName != "vk" {
			ended := pod.DeepCopy()
			ended.Status.Phase, ended.UID = corev1.PodSucceeded, "elsewhere"
			return ended, nil
		}
		return o, nil
	})
	own.Start(ctx.Done())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the controller ended with %v", err)
		}
		own.Shutdown()
	}
	time.Sleep(time.Second) // the caches are asked again and again whether they are filled
	synctest.Wait()
}

var podResource = corev1.SchemeGroupVersion.WithResource("pods")

func (b *bed) current(namespace, name string) *corev1.Pod {
	o, err := b.client.Tracker().Get(podResource, namespace, name)
	if err != nil {
		return nil
	}
	return o.(*corev1.Pod).DeepCopy()
}

// patch plays the API server: preconditions, and a version for each write.
func (b *bed) patch(a k8stesting.Action) (bool, runtime.Object, error) {
	p := a.(k8stesting.PatchActionImpl)
	if b.before != nil {
		b.before()
	}
	pod := b.current(p.Namespace, p.Name)
	if pod == nil {
		return true, nil, apierrors.NewNotFound(podResource.GroupResource(), p.Name)
	}
	var patch struct {
		Metadata struct {
			UID             types.UID
			ResourceVersion string
			Annotations     map[string]string
		}
		Spec struct{ Tolerations []corev1.Toleration }
	}
	if err := json.Unmarshal(p.Patch, &patch); err != nil {
		b.t.Error(err)
	}
	if patch.Metadata.UID == "" || patch.Metadata.ResourceVersion == "" {
		b.t.Errorf("a patch without preconditions: %s", p.Patch)
	}
	if patch.Metadata.UID != pod.UID || patch.Metadata.ResourceVersion != pod.ResourceVersion {
		return true, nil, apierrors.NewConflict(podResource.GroupResource(), p.Name, fmt.Errorf("the object has been modified"))
	}
	if err := b.refused("patch", pod); err != nil {
		return true, nil, err
	}
	pod.Spec.Tolerations = patch.Spec.Tolerations
	for key, value := range patch.Metadata.Annotations {
		pod.Annotations[key] = value
	}
	b.mu.Lock()
	b.patches[p.Name]++
	late, lost := b.late, b.lost
	b.mu.Unlock()
	if late > 0 {
		time.AfterFunc(late, func() {
			if err := b.write(pod); err != nil {
				b.t.Error(err)
			}
		})
		if lost {
			return true, nil, fmt.Errorf("connection reset by peer")
		}
		return true, pod, nil
	}
	return true, pod, b.write(pod)
}

func (b *bed) bind(a k8stesting.Action) (bool, runtime.Object, error) {
	if a.GetSubresource() != "binding" {
		return false, nil, nil
	}
	binding := a.(k8stesting.CreateActionImpl).Object.(*corev1.Binding)
	pod := b.current(binding.Namespace, binding.Name)
	if pod == nil || pod.UID != binding.UID {
		return true, nil, apierrors.NewConflict(podResource.GroupResource(), binding.Name, fmt.Errorf("another UID"))
	}
	if pod.Spec.NodeName != "" {
		return true, nil, apierrors.NewConflict(podResource.GroupResource(), binding.Name, fmt.Errorf("already assigned to %s", pod.Spec.NodeName))
	}
	if err := b.refused("bind", pod); err != nil {
		return true, nil, err
	}
	pod.Spec.NodeName = binding.Target.Name
	b.mu.Lock()
	b.bound[pod.Name] = pod.Spec.NodeName
	b.mu.Unlock()
	return true, binding, b.write(pod)
}

func (b *bed) refused(verb string, pod *corev1.Pod) error {
	b.mu.Lock()
	refuse := b.refuse
	b.mu.Unlock()
	if refuse == nil {
		return nil
	}
	return refuse(verb, pod)
}

func (b *bed) refusing(f func(verb string, pod *corev1.Pod) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = f
}

// letGo tells whether a pod was tolerated, and where it was bound.
func (b *bed) letGo(name string) (tolerated bool, node string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.patches[name] > 0, b.bound[name]
}

func (b *bed) write(pod *corev1.Pod) error {
	b.mu.Lock()
	b.version++
	pod.ResourceVersion = strconv.Itoa(1000 + b.version)
	b.mu.Unlock()
	return b.client.Tracker().Update(podResource, pod, pod.Namespace)
}

// pend makes an unschedulable marked pod.
func (b *bed) pend(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	b.t.Helper()
	pod := pendingPod(name)
	pod.UID = types.UID(name)
	pod.Status.Conditions[0].LastTransitionTime = metav1.Now()
	for _, f := range change {
		f(pod)
	}
	if err := b.client.Tracker().Create(podResource, pod, pod.Namespace); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
	return pod
}

// change edits a pod as somebody else would.
func (b *bed) change(name string, edit func(*corev1.Pod)) {
	b.t.Helper()
	pod := b.current("shop", name)
	edit(pod)
	if err := b.write(pod); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

func (b *bed) tolerated() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, n := range b.patches {
		if n > 1 {
			b.t.Errorf("pod %s was patched %d times", name, n)
		}
	}
	return len(b.patches)
}

// heard are the events so far that contain a text.
func (b *bed) heard(text string) (n int) {
	var rest []string
	for {
		select {
		case e := <-b.events.Events:
			if strings.Contains(e, text) {
				n++
			}
			rest = append(rest, e)
			continue
		default:
		}
		break
	}
	for _, e := range rest {
		b.events.Events <- e
	}
	return n
}

// sleep lets time pass and what it brings be done.
func (b *bed) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bed) set(s Switch) {
	b.t.Helper()
	if err := SetSwitch(b.t.Context(), b.client.CoreV1(), s); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

var anyNumber = Settings{Policy: Marked, After: -1, MaxPods: -1}

func TestAPendingPodIsToleratedOnce(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		b.pend("a")
		if b.tolerated() != 1 || b.heard("Normal Burst ") != 1 {
			t.Errorf("%d patches, %d events", b.tolerated(), b.heard("Burst"))
		}
		pod := b.current("shop", "a")
		if len(pod.Spec.Tolerations) != 1 || pod.Spec.Tolerations[0] != placement.Toleration() || pod.Annotations[AnnotationSince] == "" {
			t.Errorf("%+v", pod)
		}
		b.change("a", func(p *corev1.Pod) { p.Status.Conditions[0].Message = "still none" })
		b.sleep(time.Hour)
		b.tolerated()
	})
}

// Of a crowd's pods the watch tells a second later, and meanwhile everything is looked at anew.
func TestAPodWhosePatchTheWatchHasNotShownIsNotPatchedAgain(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		b.mu.Lock()
		b.late = time.Second
		b.mu.Unlock()
		b.pend("a")
		b.set(Switch{By: "ann", At: time.Now()})
		b.sleep(time.Minute)
		if b.tolerated() != 1 {
			t.Errorf("%d pods burst", b.tolerated())
		}
		// It was changed otherwise, and needs the toleration anew.
		b.change("a", func(p *corev1.Pod) { p.Spec.Tolerations = nil })
		b.sleep(time.Minute)
		if len(b.current("shop", "a").Spec.Tolerations) != 1 {
			t.Error("it is never looked at again")
		}
	})
}

// Nobody knows whether a patch went through whose answer is lost, so it counts.
func TestALostAnswerMakesNoRoomUnderALimit(t *testing.T) {
	inBed(t, Settings{Policy: Marked, After: -1, MaxPods: 1}, func(b *bed) {
		b.mu.Lock()
		b.late, b.lost = 500*time.Millisecond, true
		b.mu.Unlock()
		b.pend("a")
		b.pend("b")
		b.sleep(time.Minute)
		if tolerated, _ := b.letGo("b"); tolerated || b.tolerated() != 1 {
			t.Errorf("%d pods burst under a limit of 1", b.tolerated())
		}
	})
}

func TestAPodThatFoundRoomIsLeftAlone(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		b.pend("a", func(p *corev1.Pod) { p.Annotations[AnnotationAfter] = "10s" })
		if b.heard("BurstWaiting") != 1 {
			t.Error("it is not said that it waits")
		}
		b.sleep(9 * time.Second)
		b.change("a", func(p *corev1.Pod) { p.Spec.NodeName = "ecs-01" })
		b.sleep(time.Minute)
		if b.tolerated() != 0 {
			t.Error("it was tolerated on its node")
		}
	})
}

// Between the decision and the patch somebody else writes: the version protects the pod.
func TestAPodThatChangedMeanwhileIsJudgedAnew(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		once := true
		b.before = func() {
			if once {
				once = false
				pod := b.current("shop", "a")
				pod.Spec.NodeName = "ecs-01"
				if err := b.write(pod); err != nil {
					t.Error(err)
				}
			}
		}
		b.pend("a")
		if once || b.tolerated() != 0 {
			t.Errorf("%d patches went through", b.tolerated())
		}
		// Its place in the guardrails is free again.
		b.pend("b")
		if b.tolerated() != 1 {
			t.Error("the next pod did not burst")
		}
	})
}

func TestThreeHundredPodsAtOnceKeepTheLimit(t *testing.T) {
	inBed(t, Settings{Policy: Marked, After: -1, MaxPods: 120}, func(b *bed) {
		b.set(Switch{Stopped: true})
		for i := range 300 {
			b.pend(fmt.Sprint("p", i))
		}
		b.set(Switch{})
		if n := b.tolerated(); n != 120 {
			t.Errorf("%d burst, the limit is 120", n)
		}
		// The rest is said for the first pods of the owner only.
		if n := b.heard("BurstLimitReached"); n != 10 {
			t.Errorf("%d events", n)
		}
		// They get to the node, and still count; one ends, and one may follow.
		for i := range 300 {
			if pod := b.current("shop", fmt.Sprint("p", i)); len(pod.Spec.Tolerations) > 0 {
				b.change(pod.Name, func(p *corev1.Pod) { p.Spec.NodeName = "vk" })
			}
		}
		b.sleep(2 * time.Minute)
		if n := b.tolerated(); n != 120 {
			t.Errorf("%d burst after the first got there", n)
		}
		for i := range 300 {
			name := fmt.Sprint("p", i)
			if pod := b.current("shop", name); pod.Spec.NodeName == "vk" {
				b.change(name, func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })
				break
			}
		}
		if n := b.tolerated(); n != 121 {
			t.Errorf("%d burst after one had ended, want one more", n)
		}
	})
}

// A successor counts what its predecessor let go, on the node and on its way.
func TestASuccessorKeepsTheLimit(t *testing.T) {
	inBed(t, Settings{Policy: Marked, After: -1, MaxPods: 2}, func(b *bed) {
		b.pend("a")
		b.pend("b")
		b.pend("c")
		b.change("a", func(p *corev1.Pod) { p.Spec.NodeName = "vk" })
		b.stop()
		b.start(Settings{Policy: Marked, After: -1, MaxPods: 2})
		b.sleep(5 * time.Minute)
		if b.tolerated() != 2 {
			t.Errorf("%d burst under a limit of 2", b.tolerated())
		}
		b.stop()
		b.start(Settings{Policy: Marked, After: -1, MaxPods: 1})
		b.sleep(5 * time.Minute)
		if b.tolerated() != 2 || b.current("shop", "a").Spec.NodeName != "vk" || b.heard("2 pods on ECI by bursting, and its limit is 1") == 0 {
			t.Errorf("a limit that was passed already: %d burst", b.tolerated())
		}
	})
}

func TestARefusedPatchBacksOffAndIsSaid(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		var count atomic.Int32
		b.refusing(func(string, *corev1.Pod) error {
			count.Add(1)
			return apierrors.NewForbidden(podResource.GroupResource(), "a", fmt.Errorf("PodTolerationRestriction: pod tolerations conflict with its namespace whitelist"))
		})
		b.pend("a")
		b.sleep(time.Hour)
		if asked := count.Load(); asked < 5 || asked > 30 {
			t.Errorf("asked %d times in an hour", asked)
		}
		if b.heard("BurstRefused") != 1 || b.heard("PodTolerationRestriction") != 1 {
			t.Errorf("%d events", b.heard("BurstRefused"))
		}
		b.refusing(nil)
		b.sleep(6 * time.Minute)
		if b.tolerated() != 1 {
			t.Error("it does not burst when it may again")
		}
	})
}

func TestARefusalSaysWhatHelps(t *testing.T) {
	refuse := func(why string) error {
		return apierrors.NewForbidden(podResource.GroupResource(), "a", fmt.Errorf("%s", why))
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{refuse(`User "ecideck-node" cannot patch resource "pods" in API group "" in the namespace "shop"`), "ecideck-node manifests"},
		{refuse("pod tolerations conflict with its namespace whitelist"), "exempt ecideck-node"},
		{apierrors.NewBadRequest("admission webhook \"kyverno\" denied the request"), "exempt ecideck-node"},
	} {
		if got := remedy(test.err); !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

func TestAServerInTroubleLosesNoPod(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		b.refusing(func(string, *corev1.Pod) error { return apierrors.NewServiceUnavailable("restarting") })
		for i := range 20 {
			b.pend(fmt.Sprint("p", i))
		}
		b.sleep(30 * time.Second)
		b.refusing(nil)
		b.sleep(2 * time.Minute)
		if b.tolerated() != 20 || b.heard("BurstRefused") != 0 {
			t.Errorf("%d burst, %d events", b.tolerated(), b.heard("BurstRefused"))
		}
	})
}

func TestTheSwitchIsFollowedAtOnce(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		b.set(Switch{Stopped: true, By: "ann", At: time.Now(), Reason: "the bill"})
		b.pend("a")
		if b.tolerated() != 0 || b.heard("bursts are stopped by ann") != 1 {
			t.Errorf("%d burst, %d events", b.tolerated(), b.heard("stopped"))
		}
		if s, err := LoadSwitch(t.Context(), b.client.CoreV1()); err != nil || !s.Stopped || s.Reason != "the bill" {
			t.Errorf("%+v %v", s, err)
		}
		b.set(Switch{By: "bob", At: time.Now()})
		if b.tolerated() != 1 {
			t.Error("it does not burst after the start")
		}
	})
}

func TestWhatIsWrongWithMarksIsSaidOnce(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		for i := range 5 {
			b.pend(fmt.Sprint("agent-", i), notTried, func(p *corev1.Pod) {
				p.OwnerReferences[0].Kind, p.OwnerReferences[0].UID = "DaemonSet", "ds"
			})
		}
		if n := b.heard("NotEligibleForECI"); n != 1 {
			t.Errorf("%d events about a DaemonSet's pods", n)
		}
		b.pend("a", func(p *corev1.Pod) { p.Labels[LabelECI], p.Annotations[KeyResource] = "false", "eci_only" })
		if b.heard("ContradictingMarks") != 1 || b.tolerated() != 0 {
			t.Errorf("%d events, %d burst", b.heard("ContradictingMarks"), b.tolerated())
		}
	})
}

func TestPodsThatOnlyTheHostnameKeepsAwayAreBound(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		b.pend("a", overHosts)
		if tolerated, node := b.letGo("a"); node != "vk" || tolerated || b.heard("BoundToECI") != 1 {
			t.Errorf("bound to %q", node)
		}
		b.pend("b", overHosts, func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "d", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "none"}}}}
		})
		if _, node := b.letGo("b"); node != "" || b.heard("claim none does not exist") != 1 {
			t.Error("bound without its volume")
		}
	})
}

func TestAPodThatBelongsOnECIOnlyIsBoundAtSight(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		b.pend("a", eciOnly, notTried)
		if _, node := b.letGo("a"); node != "vk" {
			t.Error("not bound")
		}
		// The scheduler is faster.
		b.refusing(func(verb string, pod *corev1.Pod) error {
			pod.Spec.NodeName = "ecs-01"
			if err := b.write(pod); err != nil {
				t.Error(err)
			}
			return apierrors.NewConflict(podResource.GroupResource(), pod.Name, fmt.Errorf("already assigned"))
		})
		b.pend("b", eciOnly, notTried)
		if b.heard("ECIOnlyMissed") != 1 {
			t.Error("nobody says that it is on a real node")
		}
	})
}

// A node that has room for two more gets no third, though its informer shows none of them yet.
func TestBindingsSideBySideDoNotOverfillTheNode(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		node := virtualNode("vk")
		node.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("2")
		if err := b.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("nodes"), node, ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 5 {
			b.pend(fmt.Sprint("p", i), overHosts)
		}
		bound := 0
		for i := range 5 {
			if _, node := b.letGo(fmt.Sprint("p", i)); node != "" {
				bound++
			}
		}
		if bound != 2 {
			t.Errorf("%d bound, the node has room for 2", bound)
		}
	})
}

func TestAnAutoscalerHasTheFirstWord(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		if _, err := b.client.CoreV1().ConfigMaps("kube-system").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: clusterAutoscalerStatus, Namespace: "kube-system",
			Annotations: map[string]string{"cluster-autoscaler.kubernetes.io/last-updated": time.Now().Format("2006-01-02 15:04:05.999999999 -0700 MST")}}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		say := func(pod, reason string) {
			_, err := b.client.CoreV1().Events("shop").Create(t.Context(), &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: pod + reason, Namespace: "shop"}, Reason: reason,
				InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: pod, UID: types.UID(pod)}, LastTimestamp: metav1.Now()}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for _, name := range []string{"silent", "adds", "refuses"} {
			b.pend(name)
		}
		if b.tolerated() != 0 {
			t.Fatal("it did not wait for the autoscaler")
		}
		b.sleep(5 * time.Second)
		say("adds", "TriggeredScaleUp")
		say("refuses", "NotTriggerScaleUp")
		if went, _ := b.letGo("refuses"); b.tolerated() != 1 || !went {
			t.Errorf("%d burst after the autoscaler's word", b.tolerated())
		}
		b.sleep(56 * time.Second)
		if went, _ := b.letGo("silent"); b.tolerated() != 2 || !went {
			t.Errorf("%d burst after a minute", b.tolerated())
		}
		b.sleep(5 * time.Minute)
		if b.tolerated() != 3 {
			t.Errorf("%d burst when the node did not come", b.tolerated())
		}
	})
}

func TestTheNodeSaysWhoBursts(t *testing.T) {
	inBed(t, Settings{Policy: Marked, After: time.Minute, MaxPods: 7}, func(b *bed) {
		node, err := b.client.CoreV1().Nodes().Get(t.Context(), "vk", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var s Settings
		if err := json.Unmarshal([]byte(node.Annotations[AnnotationSettings]), &s); err != nil || s.MaxPods != 7 || s.After != time.Minute {
			t.Errorf("%+v %v", s, err)
		}
		b.pend("a")
		e, err := Explain(t.Context(), b.client, nil, b.current("shop", "a"), time.Now())
		if err != nil || e.Decision.Verb != Wait || !strings.Contains(e.Decision.Message, "--burst-after=1m0s") {
			t.Errorf("%+v %v", e, err)
		}
	})
}

func TestNobodyBurstsIntoAnEmptyZone(t *testing.T) {
	inBed(t, anyNumber, func(b *bed) {
		lack := func(what string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.lacks = what
		}
		lack("NoStock: 1-2Gi was refused in vsw-h")
		b.pend("a")
		b.pend("b", overHosts)
		if _, node := b.letGo("b"); b.tolerated() != 0 || node != "" || b.heard("BurstNoStock") != 2 {
			t.Errorf("%d burst, bound to %q, %d events", b.tolerated(), node, b.heard("BurstNoStock"))
		}
		b.pend("only", eciOnly) // has nowhere else to go
		if _, node := b.letGo("only"); node != "vk" {
			t.Error("a pod for ECI only waits elsewhere")
		}
		lack("")
		b.sleep(time.Minute)
		if _, node := b.letGo("b"); b.tolerated() != 1 || node != "vk" {
			t.Error("they don't burst when there is stock")
		}
	})
}

// Its watch was closed while a pod was replaced by another of its name.
func TestAPodOfTheSameNameIsAnotherOne(t *testing.T) {
	inBed(t, Settings{Policy: Marked, After: -1, MaxPods: 1}, func(b *bed) {
		b.pend("a")
		b.change("a", func(p *corev1.Pod) {
			p.UID, p.Spec.Tolerations = "second", nil
			delete(p.Annotations, AnnotationSince)
		})
		b.sleep(time.Minute)
		if pod := b.current("shop", "a"); len(pod.Spec.Tolerations) != 1 {
			t.Error("its predecessor's place in the limit was not given back")
		}
	})
}
