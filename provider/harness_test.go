package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

const (
	testNode    = "virtual-kubelet-cn-hangzhou"
	testCluster = "c-1234"
)

// A bed is a virtual node between client-go's fake API server and the ECI emulator, in a
// synctest bubble: its hours cost nothing.
type bed struct {
	t       *testing.T
	ctx     context.Context
	client  *fakeapi.API
	cloud   *ecitest.Emulator
	events  *events
	node    *VirtualNode
	stop    func()
	wrap    func(Cloud) Cloud // nil: the client as it is
	change  func(*Config, *NodeSpec)
	serials int
	tokens  atomic.Int64
	life    *life // nil: the process is not killed
	logged  logged
}

// logged counts the messages of the node's log, the library's among them.
type logged struct {
	mu sync.Mutex
	by map[string]int
}

func (*logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *logged) WithGroup(string) slog.Handler          { return l }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]int{}
	}
	l.by[r.Message]++
	return nil
}

func (l *logged) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[message]
}

// events records what is said about pods.
type events struct {
	mu   sync.Mutex
	list []string
}

func (e *events) Event(object runtime.Object, _, reason, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, object.(metav1.Object).GetName()+" "+reason+": "+message)
}

func (e *events) Eventf(object runtime.Object, kind, reason, format string, args ...any) {
	e.Event(object, kind, reason, fmt.Sprintf(format, args...))
}

func (e *events) AnnotatedEventf(object runtime.Object, _ map[string]string, kind, reason, format string, args ...any) {
	e.Eventf(object, kind, reason, format, args...)
}

func (e *events) count(text string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range e.list {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// inBed runs a test in a bubble with a started node.
func inBed(t *testing.T, test func(*bed)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.start()
		defer func() { b.stop() }()
		test(b)
	})
}

// inBedWith is inBed with another configuration.
func inBedWith(t *testing.T, change func(*Config, *NodeSpec), test func(*bed)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.change = change
		b.start()
		defer func() { b.stop() }()
		test(b)
	})
}

func newBed(t *testing.T) *bed {
	b := &bed{t: t, ctx: t.Context(), events: &events{}, stop: func() {}}
	b.client = fakeapi.New(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: testCluster}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", Namespace: "default"},
			Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []corev1.ServicePort{{Name: "https", Port: 443}}}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt", Namespace: "default"}, Data: map[string]string{"ca.crt": "CA"}},
	)
	b.react(b.client)
	b.cloud = ecitest.New(ecitest.Options{Seed: 1})
	return b
}

// react plays what the API server does and its fake does not.
func (b *bed) react(api *fakeapi.API) {
	api.PrependReactor("delete", "pods", b.deletePod)
	api.PrependReactor("patch", "pods", b.checkUID)
	api.PrependReactor("create", "serviceaccounts", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "token" {
			return false, nil, nil
		}
		return true, &authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: fmt.Sprintf("token-%d", b.tokens.Add(1))}}, nil
	})
}

func (b *bed) start() {
	b.t.Helper()
	transport, api := b.cloud.Transport(), b.client
	if b.life != nil {
		transport, api = b.life.over(transport), b.client.Another()
		b.react(api)
		b.life.overAPI(api)
	}
	client, err := eci.New(eci.Options{Region: b.cloud.Region(), Endpoint: "http://eci.test", AccessKeyID: ecitest.DefaultAccessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: transport, Attempts: 2})
	if err != nil {
		b.t.Fatal(err)
	}
	logger := slog.New(&b.logged)
	if testing.Verbose() && os.Getenv("ECIDECK_TEST_LOG") != "" {
		logger = slog.New(slog.NewTextHandler(b.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var cloud Cloud = client
	if b.wrap != nil {
		cloud = b.wrap(client)
	}
	config := Config{Cloud: cloud, Client: api, Recorder: b.events, Logger: logger, Workers: 4,
		Placement: Placement{ClusterID: testCluster, VSwitchIDs: []string{"vsw-h"},
			Profile: types.NamespacedName{Namespace: "kube-system", Name: "eci-profile"}}}
	spec := NodeSpec{Name: testNode, CPU: resource.MustParse("1000"), Memory: resource.MustParse("8000Gi"), Pods: resource.MustParse("2000")}
	if b.change != nil {
		b.change(&config, &spec)
	}
	b.node = NewVirtualNode(config, spec)
	ctx, cancel := context.WithCancel(WithLogger(b.ctx, logger))
	done := make(chan error, 1)
	go func() { done <- b.node.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, errDead) {
			b.t.Errorf("the node ended with %v", err)
		}
		b.stop = func() {}
	}
}

// deletePod plays the API server's graceful deletion, which the fake lacks.
func (b *bed) deletePod(a k8stesting.Action) (bool, runtime.Object, error) {
	d := a.(k8stesting.DeleteActionImpl)
	object, err := b.client.Tracker().Get(corev1.SchemeGroupVersion.WithResource("pods"), d.Namespace, d.Name)
	if err != nil {
		return true, nil, err
	}
	pod := object.(*corev1.Pod).DeepCopy()
	if pre := d.DeleteOptions.Preconditions; pre != nil && pre.UID != nil && *pre.UID != pod.UID {
		return true, nil, apierrors.NewConflict(corev1.Resource("pods"), pod.Name, fmt.Errorf("UID differs"))
	}
	grace := int64(30)
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = *pod.Spec.TerminationGracePeriodSeconds
	}
	if d.DeleteOptions.GracePeriodSeconds != nil {
		grace = *d.DeleteOptions.GracePeriodSeconds
	}
	if grace == 0 {
		return false, nil, nil
	}
	if pod.DeletionTimestamp == nil {
		when := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second))
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &when, &grace
		return true, nil, b.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), pod, d.Namespace)
	}
	return true, nil, nil
}

// checkUID plays the API server's precondition on metadata.uid.
func (b *bed) checkUID(a k8stesting.Action) (bool, runtime.Object, error) {
	p := a.(k8stesting.PatchActionImpl)
	var patch struct{ Metadata struct{ UID types.UID } }
	if err := json.Unmarshal(p.Patch, &patch); err != nil {
		return true, nil, err
	}
	object, err := b.client.Tracker().Get(corev1.SchemeGroupVersion.WithResource("pods"), p.Namespace, p.Name)
	if err != nil {
		return true, nil, err
	}
	if uid := object.(*corev1.Pod).UID; patch.Metadata.UID != "" && patch.Metadata.UID != uid {
		return true, nil, apierrors.NewConflict(corev1.Resource("pods"), p.Name, fmt.Errorf("UID differs"))
	}
	return false, nil, nil
}

// create adds a pod as a scheduler would have bound it.
func (b *bed) create(pod *corev1.Pod) *corev1.Pod {
	b.t.Helper()
	b.serials++
	if pod.UID == "" {
		pod.UID = types.UID(fmt.Sprintf("uid-%d", b.serials))
	}
	created, err := b.client.CoreV1().Pods(pod.Namespace).Create(b.ctx, pod, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return created
}

func (b *bed) delete(pod *corev1.Pod) {
	b.t.Helper()
	if err := b.client.CoreV1().Pods(pod.Namespace).Delete(b.ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

// get is the pod with this UID now, or nil.
func (b *bed) get(pod *corev1.Pod) *corev1.Pod {
	current, err := b.client.CoreV1().Pods(pod.Namespace).Get(b.ctx, pod.Name, metav1.GetOptions{})
	if err != nil || current.UID != pod.UID {
		return nil
	}
	return current
}

// until waits for something that has to become true, and says how long it took.
func (b *bed) until(what string, limit time.Duration, ok func() bool) time.Duration {
	b.t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			b.t.Fatalf("after %v still not: %s\ngroups: %+v\nevents: %s", limit, what, b.cloud.Groups(), strings.Join(b.events.list, "\n"))
		}
		// The bubble's clock. What takes long need not be known to a hundredth.
		time.Sleep(max(50*time.Millisecond, min(time.Second, time.Since(start)/50)))
	}
	return time.Since(start)
}

func (b *bed) untilReady(pod *corev1.Pod) *corev1.Pod {
	b.t.Helper()
	b.until("pod "+pod.Name+" ready", time.Minute, func() bool { return ready(b.get(pod)) })
	return b.get(pod)
}

func ready(pod *corev1.Pod) bool {
	if pod == nil {
		return false
	}
	c := condition(&pod.Status, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// pods are all pods of the default namespace.
func (b *bed) pods() []corev1.Pod {
	b.t.Helper()
	list, err := b.client.CoreV1().Pods("default").List(b.ctx, metav1.ListOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return list.Items
}

// live are the groups that cost money.
func (b *bed) live() (list []ecitest.GroupInfo) {
	for _, g := range b.cloud.Groups() {
		if !g.Status.Ended() {
			list = append(list, g)
		}
	}
	return list
}

func (b *bed) fault(f ecitest.Fault) (clear func()) {
	b.t.Helper()
	id, err := b.cloud.AddFault(f)
	if err != nil {
		b.t.Fatal(err)
	}
	return func() { b.cloud.ClearFaults(id) }
}

// healthyPod is a pod as the API server defaults it.
func healthyPod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	grace, links, seconds, mode := int64(30), true, int64(3607), int32(0o644)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Generation: 1, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			NodeName: testNode, RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst,
			ServiceAccountName: "default", TerminationGracePeriodSeconds: &grace, EnableServiceLinks: &links,
			Containers: []corev1.Container{{
				Name: "main", Image: "registry.example.com/serve:1", ImagePullPolicy: corev1.PullIfNotPresent,
				TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
				VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access-x", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{Name: "kube-api-access-x", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				DefaultMode: &mode,
				Sources: []corev1.VolumeProjection{
					{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: &seconds}},
					{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
						Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
					{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
						{Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}}}}},
				}}}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBestEffort,
			Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}},
	}
	for _, f := range change {
		f(pod)
	}
	return pod
}

func ownedBy(kind string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		yes := true
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: "owner", UID: "owner", Controller: &yes}}
	}
}

func image(name string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "registry.example.com/" + name + ":1" }
}

func env(name, value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Env = append(pod.Spec.Containers[0].Env, corev1.EnvVar{Name: name, Value: value})
	}
}
