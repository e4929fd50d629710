package collectors

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestObjectsWithNothingInThemAreShown builds a fleet of empty objects: no field of theirs may
// be taken for there, and none of them may be left out or end the program.
func TestObjectsWithNothingInThemAreShown(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	in := fleet.Inputs{}
	for _, name := range []string{"cluster", "pods", "nodes", "events", "groups", "prices", "account"} {
		in.Sources = append(in.Sources, fleet.Source{Name: name, Every: time.Minute})
		in.Succeeded(name, now)
	}
	empty := &unstructured.Unstructured{Object: map[string]any{}}
	for _, part := range []fleet.Part{
		fleet.Pods{Items: []*fleet.Pod{podRecord(&corev1.Pod{}), podRecord(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Annotations: map[string]string{"ecideck.io/burst-since": "yesterday"}}})}},
		fleet.Nodes{Items: []*fleet.Node{nodeRecord(&corev1.Node{})}},
		fleet.Events{Items: []*fleet.Event{&eventRecordOf(&corev1.Event{}).event}},
		(&groupSweep{}).part([]eci.Group{{}, {ID: "eci-1"}}),
		fleet.Controllers{Kind: "Deployment", Items: []*fleet.Controller{deploymentRecord(&appsv1.Deployment{})}},
		fleet.Controllers{Kind: "ReplicaSet", Items: []*fleet.Controller{replicaSetRecord(&appsv1.ReplicaSet{})}},
		fleet.Controllers{Kind: "StatefulSet", Items: []*fleet.Controller{statefulSetRecord(&appsv1.StatefulSet{})}},
		fleet.Controllers{Kind: "Job", Items: []*fleet.Controller{jobRecord(&batchv1.Job{})}},
		fleet.Controllers{Kind: "CronJob", Items: []*fleet.Controller{cronJobRecord(&batchv1.CronJob{})}},
		fleet.Autoscalers{Kind: fleet.KindHPA, Items: []*fleet.Autoscaler{hpaRecord(&autoscalingv2.HorizontalPodAutoscaler{})}},
		fleet.Autoscalers{Kind: fleet.KindKEDA, Items: []*fleet.Autoscaler{scaledObjectRecord(empty)}},
		fleet.Autoscalers{Kind: fleet.KindCron, Items: []*fleet.Autoscaler{cronHPARecord(empty)}},
		fleet.Budgets{Items: []*fleet.Budget{budgetRecord(&policyv1.PodDisruptionBudget{})}},
		fleet.Endpoints{Items: []*fleet.EndpointSlice{sliceRecord(&discoveryv1.EndpointSlice{})}},
		fleet.Policies{Items: []fleet.Policy{policyRecord(empty)}},
		fleet.Operations{Items: []*fleet.Operation{{}}, Events: []*fleet.Event{{}}},
	} {
		in.Apply(part)
	}
	s := fleet.Build(in, now, nil)
	s = fleet.Build(in, now.Add(time.Hour), s)
	pods := 0
	for _, p := range s.Placements {
		if p.Pod != nil {
			pods++
			if !p.Pod.Burst.IsZero() || p.Cost.Accrued(now).Known() && p.Cost.Accrued(now).Micros != 0 {
				t.Errorf("something is known of nothing: %+v", p)
			}
		}
	}
	if pods != 2 || len(s.Groups) != 2 || len(s.Nodes) != 1 {
		t.Errorf("%d pods, %d groups, %d nodes", pods, len(s.Groups), len(s.Nodes))
	}
	for _, g := range s.Groups {
		if g.Relation != fleet.Foreign {
			t.Errorf("a group that says nothing is %s", g.Relation)
		}
	}
	for _, a := range s.Attention {
		if a.Topic == fleet.TopicLost || a.Topic == fleet.TopicOrphans || a.Topic == fleet.TopicAddresses {
			t.Errorf("nothing is known, and it is said that %+v", a)
		}
	}
	var kept bytes.Buffer
	if err := s.Encode(&kept, false); err != nil {
		t.Error(err)
	}
	if _, err := fleet.Decode(&kept); err != nil {
		t.Error(err)
	}
}

// TestClocksThatDisagree lets the cloud and the API server live an hour in the future: nothing
// has a negative age, has cost money that was not paid, or is gone for it.
func TestClocksThatDisagree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startWhole(t, &account{}, customKinds(), measures(), func(b *bench) {
			for i := range b.cloud.groups {
				b.cloud.groups[i].Created = time.Now().Add(time.Hour)
			}
			event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "e"}, Reason: "Future", LastTimestamp: metav1.NewTime(time.Now().Add(time.Hour)),
				InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-0"}}
			if err := b.kube.Tracker().Add(event); err != nil {
				t.Fatal(err)
			}
		})
		s := b.after(time.Minute)
		for _, p := range s.Placements {
			if accrued := p.Cost.Accrued(time.Now()); accrued.Known() && accrued.Micros < 0 {
				t.Errorf("%s has accrued %v", p.Pod.Name, accrued)
			}
			if p.Status != "Running" {
				t.Errorf("%s is %s", p.Pod.Name, p.Status)
			}
		}
		for _, g := range s.Groups {
			if g.Relation != fleet.Joined {
				t.Errorf("%s is %s", g.ID, g.Relation)
			}
		}
		if len(s.Events) == 0 {
			t.Error("the event is left out")
		}
	})
}
