package migrate

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/money"
)

func realRoom(cpu string) Room {
	return Room{Node: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: realNode, Labels: map[string]string{corev1.LabelHostname: realNode}},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse("60")},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}, Used: corev1.ResourceList{}}
}

// TestReturnDecides has a pod that comes home, and one change in each case.
func TestReturnDecides(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Homebound, *ReturnPolicy, *Room)
		why    string // "": it comes home
	}{
		{"healthy", nil, ""},
		{"not marked", func(x *Homebound, _ *ReturnPolicy, _ *Room) { x.Mark = "" }, "not marked"},
		{"not marked, and all do", func(x *Homebound, p *ReturnPolicy, _ *Room) { x.Mark, p.All = "", true }, ""},
		{"marked off, and all do", func(x *Homebound, p *ReturnPolicy, _ *Room) { x.Mark, p.All = "off", true }, "not marked"},
		{"ECI only", func(x *Homebound, _ *ReturnPolicy, _ *Room) { x.Only = true }, "ECI only"},
		{"not Ready", func(x *Homebound, _ *ReturnPolicy, _ *Room) { x.Pod.Status.Conditions = nil }, "not Ready"},
		{"young", func(x *Homebound, _ *ReturnPolicy, _ *Room) {
			x.Pod.CreationTimestamp = metav1.NewTime(noon.Add(-9 * time.Minute))
		}, "less than 10m"},
		{"no room", func(_ *Homebound, _ *ReturnPolicy, r *Room) {
			r.Node.Status.Allocatable["cpu"] = resource.MustParse("1")
		}, "1 too full"},
		{"a node that leaves", func(_ *Homebound, _ *ReturnPolicy, r *Room) {
			r.Node.Spec.Taints = []corev1.Taint{{Key: "DeletionCandidateOfClusterAutoscaler", Effect: corev1.TaintEffectPreferNoSchedule}}
		}, "1 leaving"},
		{"a cordoned node", func(_ *Homebound, _ *ReturnPolicy, r *Room) { r.Node.Spec.Unschedulable = true }, "1 cordoned"},
		{"a tainted node", func(_ *Homebound, _ *ReturnPolicy, r *Room) {
			r.Node.Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
		}, "1 tainted"},
		{"a node selector", func(x *Homebound, _ *ReturnPolicy, _ *Room) {
			x.Pod.Spec.NodeSelector = map[string]string{"disk": "ssd"}
		}, "1 not selected"},
		{"anti-affinity", func(x *Homebound, _ *ReturnPolicy, r *Room) {
			x.Pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}}}
			r.take(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", UID: "other", Labels: map[string]string{"app": "web"}}})
		}, "must not be near"},
		{"a rollout", func(x *Homebound, _ *ReturnPolicy, _ *Room) { x.Busy = "a rollout is under way" }, "rollout"},
		{"an autoscaler that moved", func(x *Homebound, _ *ReturnPolicy, _ *Room) { x.Scaled = noon.Add(-4 * time.Minute) }, "autoscaler moved 4m0s ago"},
		{"other hours", func(_ *Homebound, p *ReturnPolicy, _ *Room) { p.Hours, _ = ParseHours("22:00-06:00") }, "--return-hours"},
		{"within the hours", func(_ *Homebound, p *ReturnPolicy, _ *Room) { p.Hours, _ = ParseHours("11:00-13:30") }, ""},
		{"too little is saved", func(_ *Homebound, p *ReturnPolicy, _ *Room) { p.MinSaving = money.PerHour(2_000_000, "CNY") }, "less than 2"},
		{"enough is saved", func(_ *Homebound, p *ReturnPolicy, _ *Room) { p.MinSaving = money.PerHour(400_000, "CNY") }, ""},
		{"a saving that nobody knows", func(x *Homebound, p *ReturnPolicy, _ *Room) {
			x.Saving, p.MinSaving = money.Rate{}, money.PerHour(1, "CNY")
		}, "is not known"},
		{"a saving that nobody asks for", func(x *Homebound, _ *ReturnPolicy, _ *Room) { x.Saving = money.Rate{} }, ""},
		{"savings of another currency", func(_ *Homebound, p *ReturnPolicy, _ *Room) { p.MinSaving = money.PerHour(1, "USD") }, "would save"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := healthy().Pods[0]
			pod.Spec.NodeName, pod.CreationTimestamp = "vk", metav1.NewTime(noon.Add(-time.Hour))
			x := Homebound{Pod: pod, Workload: Ref{Kind: "Deployment", Namespace: "shop", Name: "web"}, Mark: "auto", Saving: money.PerHour(441_072, "CNY")}
			p, room := ReturnPolicy{}, realRoom("16")
			if c.change != nil {
				c.change(&x, &p, &room)
			}
			fits := map[types.UID]time.Time{pod.UID: noon.Add(-6 * time.Minute)}
			home, why := p.Decide([]Homebound{x}, []Room{room}, fits, 0, noon)
			if c.why == "" && len(home) != 1 || c.why != "" && (len(home) != 0 || !strings.Contains(why[pod.UID], c.why)) {
				t.Errorf("home %d, %q", len(home), why[pod.UID])
			}
		})
	}
}

func TestReturnWaitsUntilThereHasBeenRoomAndKeepsItsPace(t *testing.T) {
	fits := map[types.UID]time.Time{}
	var all []Homebound
	for i := range 20 {
		pod := healthy().Pods[0].DeepCopy()
		pod.UID, pod.Spec.NodeName, pod.CreationTimestamp = types.UID(string(rune('a'+i))), "vk", metav1.NewTime(noon.Add(-time.Hour))
		all = append(all, Homebound{Pod: pod, Workload: Ref{Name: "web"}, Mark: "auto"})
	}
	decide := func(cpu string, lately int, now time.Time) int {
		home, _ := ReturnPolicy{}.Decide(all, []Room{realRoom(cpu)}, fits, lately, now)
		return len(home)
	}
	if n := decide("60", 0, noon); n != 0 {
		t.Errorf("%d come home at once", n)
	}
	if n := decide("60", 0, noon.Add(5*time.Minute)); n != 10 {
		t.Errorf("%d come home after five minutes, want 10 a minute", n)
	}
	if n := decide("60", 7, noon.Add(5*time.Minute)); n != 3 {
		t.Errorf("%d come home after 7 others, want 3", n)
	}
	if n := decide("9", 0, noon.Add(6*time.Minute)); n != 4 {
		t.Errorf("%d come home to nine vCPU, want 4 of two each", n)
	}
	if n := decide("60", 0, noon.Add(7*time.Minute)); n != 4 {
		t.Errorf("%d come home, want the 4 that have fitted all the time", n)
	}
}

func TestHours(t *testing.T) {
	for _, bad := range []string{"22", "22:00", "22-6", "25:00-01:00", "a-b"} {
		if _, err := ParseHours(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	h, err := ParseHours("22:00-06:00")
	if err != nil || !h.Has(noon.Add(11*time.Hour)) || !h.Has(noon.Add(17*time.Hour)) || h.Has(noon) || h.Has(noon.Add(18*time.Hour)) {
		t.Error(h, err)
	}
}

// keeper is one over the world's virtual node.
func (w *world) keeper(p ReturnPolicy, ended func(*Operation)) *Keeper {
	return &Keeper{Client: w.api, Holder: "node/1", Return: p, Ended: ended, Pods: func() []*corev1.Pod {
		w.mu.Lock()
		defer w.mu.Unlock()
		var pods []*corev1.Pod
		for _, p := range w.list() {
			if p.Spec.NodeName == virtualNode {
				pods = append(pods, p.DeepCopy())
			}
		}
		return pods
	}}
}

// away has all of web's pods on ECI.
func (w *world) away(t *testing.T) {
	t.Helper()
	o := w.plan(ToECI, w.names()...)
	if got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o); err != nil || got.State != Done {
		t.Fatal(err, got.Reason)
	}
}

// marked puts an annotation on the namespace.
func (w *world) marked(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Annotations: map[string]string{key: "auto"}}}
	if err := w.api.Tracker().Update(corev1.SchemeGroupVersion.WithResource("namespaces"), space, ""); err != nil {
		w.t.Error(err)
	}
}

func TestPodsComeHomeByThemselves(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.budget = 3
		w.away(t)
		w.mu.Lock()
		w.home = true
		w.mu.Unlock()
		w.watch()
		before := w.names()
		var ended []*Operation
		k := w.keeper(ReturnPolicy{}, func(o *Operation) { ended = append(ended, o) })
		over := make(chan struct{})
		ctx, stop := contextOf(t)
		go func() { defer close(over); _ = k.Run(ctx) }()
		time.Sleep(30 * time.Minute)
		if n := w.on(virtualNode); n != 3 || len(ended) != 0 {
			t.Errorf("%d are on ECI and %d operations ended: nothing was marked", n, len(ended))
		}
		w.marked(AnnotationReturn)
		time.Sleep(20 * time.Minute)
		stop()
		<-over
		if n := w.on(virtualNode); n != 0 {
			t.Errorf("%d are on ECI\n%s", n, w)
		}
		w.kept(before, before...)
		if len(ended) == 0 || ended[0].State != Done || !strings.Contains(ended[0].By, "return") {
			t.Errorf("operations %+v", ended)
		}
	})
}

// TestASmallestSavingIsReckonedAtTheNodesPrices has two pods of a vCPU and two GiB, which ECI's
// list has at ¥0.220536 each in the virtual node's region, and at nothing in one abroad.
func TestASmallestSavingIsReckonedAtTheNodesPrices(t *testing.T) {
	for _, c := range []struct {
		name, region string
		least        int64 // micro-yuan an hour
		stay         int
		said         string
	}{
		{"enough", "cn-hangzhou", 441_072, 0, ""},
		{"too little", "cn-hangzhou", 441_073, 2, ""},
		{"no price", "ap-southeast-1", 1, 2, "is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, 2, func(t *testing.T, w *world) {
				w.away(t)
				w.mu.Lock()
				w.home = true
				w.mu.Unlock()
				node, err := w.api.CoreV1().Nodes().Get(t.Context(), virtualNode, metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				node = node.DeepCopy()
				node.Labels[corev1.LabelTopologyRegion] = c.region
				if _, err := w.api.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				w.marked(AnnotationReturn)
				var log bytes.Buffer
				k := w.keeper(ReturnPolicy{MinSaving: money.PerHour(c.least, money.CNY)}, nil)
				k.Logger = slog.New(slog.NewTextHandler(&log, nil))
				over := make(chan struct{})
				ctx, stop := contextOf(t)
				go func() { defer close(over); _ = k.Run(ctx) }()
				time.Sleep(30 * time.Minute)
				stop()
				<-over
				if n := w.on(virtualNode); n != c.stay {
					t.Errorf("%d stay on ECI, want %d\n%s", n, c.stay, &log)
				}
				if n := strings.Count(log.String(), "is not known"); c.said == "" && n != 0 || c.said != "" && n != 1 {
					t.Errorf("said %d times that a saving is not known\n%s", n, &log)
				}
			})
		})
	}
}

func TestAPodThatECITakesIsRescued(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.away(t)
		w.marked(AnnotationRescue)
		w.watch()
		before := w.names()
		taken := before[0]
		pod := w.pod(taken)
		event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "spot"}, Reason: "SpotToBeReleased", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: taken, UID: pod.UID}}
		if err := w.api.Tracker().Create(corev1.SchemeGroupVersion.WithResource("events"), event, "shop"); err != nil {
			t.Fatal(err)
		}
		var ended []*Operation
		k := w.keeper(ReturnPolicy{}, func(o *Operation) { ended = append(ended, o) })
		over := make(chan struct{})
		ctx, stop := contextOf(t)
		go func() { defer close(over); _ = k.Run(ctx) }()
		begin := time.Now()
		w.until("it has gone", func() bool { return !slices.Contains(w.names(), taken) })
		if took := time.Since(begin); took > 3*time.Minute {
			t.Errorf("it took %s, and ECI takes it after 3m", took)
		}
		time.Sleep(10 * time.Minute)
		stop()
		<-over
		if n := w.on(virtualNode); n != 3 {
			t.Errorf("%d are on ECI\n%s", n, w)
		}
		w.kept(before, taken)
		if len(ended) != 1 || ended[0].State != Done || !strings.Contains(ended[0].By, "rescue") {
			t.Errorf("operations %+v", ended)
		}
	})
}

// TestANewLeaderGoesOnWithWhatTheOldOneBegan ends a keeper in the middle.
func TestANewLeaderGoesOnWithWhatTheOldOneBegan(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.away(t)
		w.mu.Lock()
		w.home = true
		w.mu.Unlock()
		w.marked(AnnotationReturn)
		w.watch()
		before := w.names()
		over := make(chan struct{})
		ctx, stop := contextOf(t)
		go func() { defer close(over); _ = w.keeper(ReturnPolicy{}, nil).Run(ctx) }()
		time.Sleep(14 * time.Minute) // ten on ECI, of which some are over, and five of room
		w.until("one is on its way", func() bool {
			all, _ := Load(t.Context(), w.api, "", "")
			return slices.ContainsFunc(all, func(o *Operation) bool { return !o.State.Ended() })
		})
		stop()
		<-over
		over = make(chan struct{})
		ctx, stop = contextOf(t)
		k := w.keeper(ReturnPolicy{}, nil)
		k.Holder = "node/2"
		go func() { defer close(over); _ = k.Run(ctx) }()
		time.Sleep(30 * time.Minute)
		stop()
		<-over
		if n := w.on(virtualNode); n != 0 {
			t.Errorf("%d are on ECI\n%s", n, w)
		}
		w.kept(before, before...)
		all, err := Load(t.Context(), w.api, "", "")
		for _, o := range all {
			if !o.State.Ended() {
				t.Errorf("operation %s is %s: %v", o.ID, o.State, err)
			}
		}
	})
}

func TestJournalsOfOldOperationsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer func() { w.stop() }()
		now := time.Now()
		write := func(id string, state State, ended time.Time) {
			o := &Operation{ID: id, State: state, Began: ended, Ended: ended, Plan: Plan{Home: "shop", Items: []Item{{ID: "1", State: Done}}}}
			j, err := Begin(t.Context(), w.api, "", o)
			if err != nil {
				t.Fatal(err)
			}
			_ = j.Close()
		}
		for i := range keptAt + 5 {
			write("n"+time.Duration(i).String(), Done, now.Add(-time.Duration(i)*time.Minute))
		}
		write("old", Done, now.Add(-31*24*time.Hour))
		write("open", Running, now.Add(-90*24*time.Hour))
		gone, err := Prune(t.Context(), w.api, now)
		if err != nil || gone != 6 {
			t.Errorf("%d were removed, want 6: %v", gone, err)
		}
		all, err := Load(t.Context(), w.api, "", "")
		if err != nil || len(all) != keptAt+1 {
			t.Errorf("%d are left: %v", len(all), err)
		}
		if !slices.ContainsFunc(all, func(o *Operation) bool { return o.ID == "open" }) || !slices.ContainsFunc(all, func(o *Operation) bool { return o.ID == "n0s" }) {
			t.Error("the unfinished one, or the newest, is gone")
		}
	})
}
