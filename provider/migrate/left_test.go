package migrate

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// lone puts a pod of nobody's, or of an owner, on a node.
func (w *world) lone(name, node string, phase corev1.PodPhase, owner ...metav1.OwnerReference) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("u-" + name), ResourceVersion: w.next(), OwnerReferences: owner, CreationTimestamp: metav1.Now()},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "x", Image: "x:1"}}}, Status: corev1.PodStatus{Phase: phase}}
	w.add(podsResource, pod)
}

func left(o *Operation) string {
	var all []string
	for _, l := range o.Left {
		all = append(all, l.Object.Name+": "+l.Why)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestADrainSaysWhatIsLeft: what kubectl refuses to delete, and what has come since the plan was
// made, is on the node when all of the plan is done; what belongs to the node, and what has ended,
// does not count. Who goes on with the drain sees the same.
func TestADrainSaysWhatIsLeft(t *testing.T) {
	for _, resumed := range []bool{false, true} {
		t.Run(map[bool]string{false: "at once", true: "resumed"}[resumed], func(t *testing.T) {
			inWorld(t, 2, func(t *testing.T, w *world) {
				w.lone("bare", realNode, corev1.PodRunning)
				w.lone("agent", realNode, corev1.PodRunning, metav1.OwnerReference{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "agent", UID: "ds", Controller: ptr(true)})
				w.lone("elsewhere", otherNode, corev1.PodRunning)
				o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Node", Name: realNode}}, IgnoreDaemonSets: true}, time.Now())
				if err != nil || o.Plan.Blocked() != "" || o.Plan.Moves() != 2 || o.Plan.Leaves() != 1 {
					t.Fatalf("%v: %+v", err, o)
				}
				w.watch()
				w.lone("late", realNode, corev1.PodRunning)
				w.lone("late-agent", realNode, corev1.PodRunning, metav1.OwnerReference{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "agent", UID: "ds", Controller: ptr(true)})
				w.lone("late-and-over", realNode, corev1.PodSucceeded)
				w.lone("late-and-ending", realNode, corev1.PodRunning)
				w.mu.Lock()
				w.grace = 90 * time.Second // longer than all else takes
				w.kill("somebody", w.get("late-and-ending"))
				w.grace = 0
				w.mu.Unlock()
				var got *Operation
				if e := (&Engine{Client: w.api, Holder: "alice@one/1"}); !resumed {
					got, err = e.Run(t.Context(), o)
				} else if got, err = e.Enroll(t.Context(), o); err == nil {
					got, err = (&Engine{Client: w.api, Holder: "bob@two/2"}).Resume(t.Context(), got, false)
				}
				if err != nil || got.State != Done || got.Reason != "2 moved, 2 stay on the node, 1 belong to the node" {
					t.Errorf("%v, %s: %q", err, got.State, got.Reason)
				}
				if l := left(got); got.LeftCount != 2 || !strings.Contains(l, "bare: kubectl drain would not delete") || !strings.HasSuffix(l, "late: it came to the node after the plan was made: drain again") {
					t.Errorf("%d are left:\n%s", got.LeftCount, l)
				}
				all, err := Load(t.Context(), w.api, "", "")
				if err != nil || len(all) != 1 || left(all[0]) != left(got) {
					t.Errorf("the journal: %v, %+v", err, all)
				}
			})
		})
	}
}

// TestAnEmptyNodeHasNothingLeft: with --force all go, and a pod that was moved is no pod that is left.
func TestAnEmptyNodeHasNothingLeft(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		w.lone("bare", realNode, corev1.PodRunning)
		o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: Anywhere, Force: true, Targets: []Ref{{Kind: "Node", Name: realNode}}}, time.Now())
		if err != nil || o.Plan.Moves() != 3 || o.Plan.Leaves() != 0 {
			t.Fatalf("%v: %+v", err, o)
		}
		w.watch()
		got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
		if err != nil || got.State != Done || got.LeftCount != 0 || got.Reason != "3 moved" {
			t.Errorf("%v, %s: %s\n%s", err, got.State, got.Reason, left(got))
		}
	})
}

// TestWhatWasAskedForAndStaysIsLeft: a pod that can't be moved is, one that is there already isn't.
func TestWhatWasAskedForAndStaysIsLeft(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		w.lone("bare", realNode, corev1.PodRunning)
		w.lone("there", virtualNode, corev1.PodRunning)
		o := w.plan(ToECI, w.names()...)
		if o.Plan.Moves() != 2 || o.Plan.Leaves() != 1 || o.Plan.Settled() {
			t.Fatalf("%+v", o.Plan.Items)
		}
		w.watch()
		got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Run(t.Context(), o)
		if err != nil || got.State != Done || got.LeftCount != 1 || !strings.HasPrefix(left(got), "bare: nobody would make it anew") || got.Reason != "2 moved, 1 stay, 1 as they should be" {
			t.Errorf("%v, %s: %s\n%s", err, got.State, got.Reason, left(got))
		}
		if p := w.plan(ToECI, "there").Plan; !p.Settled() || p.Blocked() == "" {
			t.Errorf("what is there already: %+v", p)
		}
		if p := w.plan(ToECI, "bare").Plan; p.Settled() || p.Blocked() == "" {
			t.Errorf("what can't be moved: %+v", p)
		}
	})
}
