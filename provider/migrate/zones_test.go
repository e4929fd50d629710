package migrate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// zoned is the healthy fleet with a virtual node in each of two zones.
func zoned() *Facts {
	f := healthy()
	h := f.Virtual[0]
	i := h.DeepCopy()
	h.Name, h.UID, h.Labels[corev1.LabelTopologyZone] = "vk-h", "n-h", "h"
	i.Name, i.UID, i.Labels[corev1.LabelTopologyZone] = "vk-i", "n-i", "i"
	f.Virtual, f.OnVirtual = append(f.Virtual, i), map[string]int{}
	return f
}

// TestEachPodGoesToTheFirstVirtualNodeThatTakesIt: of several that are open.
func TestEachPodGoesToTheFirstVirtualNodeThatTakesIt(t *testing.T) {
	template := func(f *Facts) *corev1.PodTemplateSpec { return &f.ReplicaSets["rs"].Spec.Template }
	inI := map[string]string{corev1.LabelTopologyZone: "i"}
	stateful := func(f *Facts) {
		three := int32(3)
		for _, p := range f.Pods {
			p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = "StatefulSet", "db", "set"
		}
		f.Sets = map[types.UID]*appsv1.StatefulSet{"set": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "set"},
			Spec: appsv1.StatefulSetSpec{Replicas: &three, Template: *template(f)}, Status: appsv1.StatefulSetStatus{ReadyReplicas: 3}}}
	}
	for _, c := range []struct {
		name   string
		change func(*Facts)
		want   string // the nodes of those that move, in order
		says   string // a part of a check, or of why they stay
	}{
		{"the first, where all would do", nil, "vk-h vk-h vk-h", ""},
		{"a node selector on the second's zone", func(f *Facts) { template(f).Spec.NodeSelector = inI }, "vk-i vk-i vk-i", ""},
		{"a node selector on no zone of theirs", func(f *Facts) {
			template(f).Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "k"}
		}, "", "does not take node vk-h"},
		{"the first is full", func(f *Facts) { f.OnVirtual["vk-h"] = 100 }, "vk-i vk-i vk-i", ""},
		{"the first is full after one", func(f *Facts) { f.OnVirtual["vk-h"] = 99 }, "vk-h vk-i vk-i", ""},
		{"both are full after one", func(f *Facts) { f.OnVirtual["vk-h"], f.OnVirtual["vk-i"] = 99, 99 }, "vk-h vk-i vk-h", "2 pods are to move to node vk-h, which has 99 and takes 100"},
		{"both are full", func(f *Facts) { f.OnVirtual["vk-h"], f.OnVirtual["vk-i"] = 100, 100 }, "", "node vk-h has 100 pods"},
		{"the first offers too little", func(f *Facts) { f.Virtual[0].Status.Allocatable["cpu"] = resource.MustParse("1") }, "vk-i vk-i vk-i", ""},
		{"the first is closed to it by a taint", func(f *Facts) {
			f.Virtual[0].Spec.Taints = append(f.Virtual[0].Spec.Taints, corev1.Taint{Key: "maintenance", Effect: corev1.TaintEffectNoSchedule})
		}, "vk-i vk-i vk-i", ""},
		{"the first's cloud does not answer", func(f *Facts) {
			f.Virtual[0].Status.Conditions = append(slices.Clone(f.Virtual[0].Status.Conditions), corev1.NodeCondition{Type: "CloudAPIReachable", Status: corev1.ConditionFalse})
		}, "vk-i vk-i vk-i", ""},
		{"a claim of the second's zone", func(f *Facts) {
			stateful(f)
			f.Volumes = map[types.UID]map[string]string{"web-6c-a": {"vk-h": "it is in another zone"}}
		}, "vk-h vk-h vk-i", ""}, // the highest names go first
		{"a claim of no zone of theirs", func(f *Facts) {
			stateful(f)
			for _, p := range f.Pods {
				if f.Volumes == nil {
					f.Volumes = map[types.UID]map[string]string{}
				}
				f.Volumes[p.UID] = map[string]string{"vk-h": "it is in another zone than vk-h", "vk-i": "it is in another zone than vk-i"}
			}
		}, "", "another zone than vk-h"},
		{"a pod without a node, with such a claim", func(f *Facts) {
			f.Pods = f.Pods[:1]
			f.Pods[0].Spec.NodeName, f.Pods[0].Status.Phase = "", corev1.PodPending
			f.Volumes = map[types.UID]map[string]string{"web-6c-a": {"vk-h": "it is in another zone"}}
		}, "vk-i", ""},
		{"a rollout", func(f *Facts) {
			d := f.Deployments["shop/web"]
			d.Spec.Template, d.Spec.Replicas, d.Status.AvailableReplicas = *template(f).DeepCopy(), ptr(int32(3)), 3
			d.Spec.Template.Spec.NodeSelector = inI
			f.ReplicaSets["rs"].OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
			f.Whole = []Ref{{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "d"}}
		}, "vk-i", ""},
		{"a CronJob", func(f *Facts) {
			f.Pods = nil
			j := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly", UID: "cron"}}
			j.Spec.JobTemplate.Spec.Template = *template(f).DeepCopy()
			j.Spec.JobTemplate.Spec.Template.Spec.NodeSelector = inI
			f.CronJobs = map[types.UID]*batchv1.CronJob{"cron": j}
			f.Whole = []Ref{{Kind: "CronJob", Namespace: "shop", Name: "nightly", UID: "cron"}}
		}, "vk-i", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := zoned()
			if c.change != nil {
				c.change(f)
			}
			p := Make(f, Request{To: ToECI, Soak: time.Minute})
			var got []string
			text := fmt.Sprint(p.Checks)
			for _, x := range p.Items {
				if x.Strategy != Stay {
					got = append(got, x.Node)
				}
				text += x.Why + fmt.Sprint(x.Checks)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("to %v, want %s: %s", got, c.want, text)
			}
			if !strings.Contains(text, c.says) {
				t.Errorf("it does not say %q: %s", c.says, text)
			}
			if again := Make(f, Request{To: ToECI, Soak: time.Minute}); mustJSON(again) != mustJSON(p) {
				t.Error("the same facts make another plan")
			}
		})
	}
}

// TestAStatefulSetIsLetOntoEveryVirtualNodeThatItGoesTo: its pods may go to several, with other
// taints.
func TestAStatefulSetIsLetOntoEveryVirtualNodeThatItGoesTo(t *testing.T) {
	f := zoned()
	f.NoPolicy = "no policies"
	f.Virtual[1].Spec.Taints = []corev1.Taint{{Key: "k8s.aliyun.com/vnode", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	f.Sets = map[types.UID]*appsv1.StatefulSet{"set": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "set"},
		Spec: appsv1.StatefulSetSpec{Replicas: ptr(int32(3)), Template: f.ReplicaSets["rs"].Spec.Template}, Status: appsv1.StatefulSetStatus{ReadyReplicas: 3}}}
	for i, p := range f.Pods {
		p.Name = fmt.Sprintf("db-%d", i)
		p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = "StatefulSet", "db", "set"
	}
	f.Volumes = map[types.UID]map[string]string{"web-6c-a": {"vk-h": "it is in another zone"}}
	p := Make(f, Request{To: ToECI})
	if len(p.Items) != 1 || p.Items[0].Strategy != Ordinals {
		t.Fatalf("items %+v", p.Items)
	}
	for _, n := range f.Virtual {
		for i := range n.Spec.Taints {
			if taint := &n.Spec.Taints[i]; taint.Effect == corev1.TaintEffectNoSchedule && !toleratesTaint(p.Items[0].Change.After.Tolerations, taint) {
				t.Errorf("its template does not tolerate %s of node %s", taint.ToString(), n.Name)
			}
		}
	}
}

// TestVolumesAreHeldAgainstEveryOpenNode: by one reading of each claim.
func TestVolumesAreHeldAgainstEveryOpenNode(t *testing.T) {
	virtual := zoned().Virtual
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}, Spec: corev1.PersistentVolumeSpec{NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"i"}}}}}}}}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data-db-0"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0", UID: "db-0"}, Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "data",
		VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}}}}}
	api := fakeapi.New(virtual[0], virtual[1], volume, claim, pod)
	f, err := Read(t.Context(), api, nil, Request{To: ToECI, Targets: []Ref{{Kind: "Pod", Namespace: "shop", Name: "db-0"}}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Volumes["db-0"]; len(got) != 1 || !strings.Contains(got["vk-h"], "another zone") {
		t.Errorf("volumes %v", got)
	}
	reads := 0
	for _, a := range api.Actions() {
		if a.GetVerb() == "get" && a.GetResource().Resource == "persistentvolumes" {
			reads++
		}
	}
	if reads != 1 {
		t.Errorf("the volume was read %d times", reads)
	}
}
