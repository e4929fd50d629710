package migrate

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestTheWayHomeOfAStatefulSetIsNotWaitedForWithoutEnd: what stands still ends in words, and what
// moves is waited for.
func TestTheWayHomeOfAStatefulSetIsNotWaitedForWithoutEnd(t *testing.T) {
	pod := func(name, revision string, change func(*corev1.Pod)) *corev1.Pod {
		p := healthy().Pods[0].DeepCopy()
		p.Name, p.Labels = name, map[string]string{appsv1.ControllerRevisionHashLabelKey: revision}
		if change != nil {
			change(p)
		}
		return p
	}
	ending := func(p *corev1.Pod) {
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = ptr(metav1.NewTime(noon)), ptr(int64(600))
	}
	for _, c := range []struct {
		name  string
		pod   *corev1.Pod // db-0
		ready int32
		still time.Duration
		want  State // "": it waits
		says  string
	}{
		{"back", pod("db-0", "new", nil), 2, 0, Aborted, "are as before"},
		{"being made", nil, 1, time.Minute, "", "is to come back"},
		{"never made", nil, 1, 11 * time.Minute, Failed, "db-0 is to come back"},
		{"ending, within its grace period", pod("db-0", "old", ending), 1, 11 * time.Minute, "", "is ending"},
		{"it never ends", pod("db-0", "old", ending), 1, 21 * time.Minute, Failed, "db-0 is ending"},
		{"never Ready", pod("db-0", "new", func(p *corev1.Pod) { p.Status.Conditions = nil }), 1, 11 * time.Minute, Failed, "not Ready yet"},
		{"its sibling is never Ready", pod("db-0", "old", nil), 1, 11 * time.Minute, Failed, "waits for the others: 1 of 2"},
		{"its turn comes, and no budget allows it", pod("db-0", "old", nil), 2, 11 * time.Minute, Failed, "budget"},
		{"its turn comes", pod("db-0", "old", nil), 2, time.Minute, "", "is to come back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			two := int32(2)
			set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Spec: appsv1.StatefulSetSpec{Replicas: &two},
				Status: appsv1.StatefulSetStatus{Replicas: 2, ReadyReplicas: c.ready, UpdateRevision: "new"}}
			x := &Item{Strategy: Ordinals, State: Reverting, Reason: "aborted", Members: []Ref{{Kind: "Pod", Namespace: "shop", Name: "db-0"}}, Change: &Change{Before: setFields(set), After: onto2(set), During: onto2(set)}}
			v := ordinalsView{aborting: true, set: set, pods: map[string]*corev1.Pod{"db-1": pod("db-1", "new", nil)}, still: c.still}
			if c.pod != nil {
				v.pods["db-0"] = c.pod
			}
			if c.says == "budget" {
				set.Spec.UpdateStrategy.Type, v.refused = appsv1.OnDeleteStatefulSetStrategyType, "the budget allows nothing"
			}
			a, _ := decideOrdinals(x, v)
			if (a.verb == end) != (c.want != "") || a.state != c.want || !strings.Contains(a.reason, c.says) {
				t.Errorf("got %d %s %q", a.verb, a.state, a.reason)
			}
		})
	}
}

// onto2 are a StatefulSet's fields when its template says ECI.
func onto2(set *appsv1.StatefulSet) Fields {
	return setFields(set).placed(onto(&set.Spec.Template.Spec, healthy().Virtual[0]))
}
