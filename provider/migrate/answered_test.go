package migrate

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	k8stesting "k8s.io/client-go/testing"
)

// An answer is a case of a row of PREFLIGHT.md on which the API server has a say.
type answer struct {
	check  string
	level  Level
	says   string
	whole  bool           // the Deployment is asked for, not one pod
	change func(w *world) // makes the API server say it
	undoes func(t *testing.T, w *world) *Operation
}

// answered are the cases of rows that only the API server answers.
func answered() []answer {
	dryCreate := func(a k8stesting.Action) bool {
		c, ok := a.(k8stesting.CreateActionImpl)
		return ok && a.GetResource().Resource == "pods" && a.GetSubresource() == "" && len(c.CreateOptions.DryRun) > 0
	}
	// admits has an admission webhook change the pods that are rehearsed.
	admits := func(w *world, change func(*corev1.Pod)) {
		w.api.PrependReactor("create", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
			if !dryCreate(a) {
				return false, nil, nil
			}
			pod := a.(k8stesting.CreateAction).GetObject().DeepCopyObject().(*corev1.Pod)
			change(pod)
			return true, pod, nil
		})
	}
	sick := func(w *world, desired int32) {
		w.add(policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"), &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "b"},
			Spec:   policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
			Status: policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 3, DesiredHealthy: desired}})
		w.api.PrependReactor("create", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
			return a.GetSubresource() == "eviction", nil, apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		})
	}
	budget := func(w *world, allowed int32) {
		w.add(policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"), &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "b"},
			Spec:   policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
			Status: policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 3, DesiredHealthy: 3 - allowed, DisruptionsAllowed: allowed}})
		w.api.PrependReactor("create", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
			if allowed > 0 || a.GetSubresource() != "eviction" {
				return false, nil, nil
			}
			return true, nil, apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		})
	}
	sidecar := func(cpu, memory string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "mesh", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)}}})
		}
	}
	moved := func(items ...Item) *Operation {
		for i := range items {
			items[i].State = Done
		}
		return &Operation{ID: "before", State: Done, Plan: Plan{To: ToECI, Home: "shop", Items: items}}
	}
	// denies has the API server let its caller do all but some things.
	denies := func(rights ...string) func(*world) {
		return func(w *world) {
			w.api.PrependReactor("create", "selfsubjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
				review := a.(k8stesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
				r := review.Spec.ResourceAttributes
				review.Status.Allowed = !slices.Contains(rights, strings.TrimSuffix(r.Verb+" "+r.Resource+"/"+r.Subresource, "/"))
				return true, review, nil
			})
		}
	}
	// rolled is an operation by which a Deployment was rolled out to ECI.
	rolled := func(t *testing.T, w *world) *Operation {
		d, err := w.api.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		x := Item{Strategy: Rollout, Workload: Ref{"Deployment", "shop", "web", d.UID}, Change: &Change{Before: deploymentFields(d)}}
		x.Change.Before.Tolerations = []corev1.Toleration{{Key: "before"}}
		x.Change.After = deploymentFields(d)
		return moved(x)
	}
	return []answer{
		{check: "rights", level: Block, says: "you may not create pods/eviction in namespace shop", change: denies("create pods/eviction")},
		{check: "rights", level: Block, says: "you may not create, patch and delete pods in namespace shop", change: denies("create pods", "patch pods", "delete pods")},
		{check: "rights", level: Block, says: "you may not list endpointslices in namespace shop", change: denies("list endpointslices")},
		{check: "rights", level: Block, says: "you may not delete leases in namespace shop", change: denies("delete leases")},
		{check: "rights", level: Block, says: "you may not patch configmaps in namespace shop", change: denies("patch configmaps")},
		{check: "rights", level: Block, says: "you may not patch deployments in namespace shop", change: denies("patch deployments"), whole: true},
		{check: "rights", level: Warn, says: "you may not create configmaps in namespace shop, so the operation is written down on this machine only", change: denies("create configmaps", "patch configmaps")},
		{check: "rights", level: Block, says: "you may not patch deployments in namespace shop", change: denies("patch deployments"), undoes: rolled},
		{check: "rights", level: Warn, says: "you may not create configmaps in namespace shop, so", change: denies("create configmaps"), undoes: rolled},
		{check: "rights", level: Block, says: "you may not patch nodes", change: denies("patch nodes"), undoes: func(*testing.T, *world) *Operation {
			return &Operation{ID: "before", State: Done, Plan: Plan{To: Anywhere, Home: "kube-system", Drain: &Drained{Node: Ref{"Node", "", realNode, "n-1"}}}}
		}},
		{check: "rehearsal", level: Block, says: "a surge pod would be refused: pods \"it\" is forbidden: exceeded quota", change: func(w *world) {
			w.refuse = func(a k8stesting.Action) error {
				if !dryCreate(a) {
					return nil
				}
				return apierrors.NewForbidden(podsResource.GroupResource(), "it", errors.New("exceeded quota: small"))
			}
		}},
		{check: "rehearsal", level: Block, says: "its ReplicaSet would delete the surge pod at once", change: func(w *world) {
			admits(w, func(pod *corev1.Pod) { pod.Labels["pod-template-hash"] = "6c" })
		}},
		{check: "rehearsal", level: Block, says: "the change would be refused: denied by policy", whole: true, change: func(w *world) {
			w.api.PrependReactor("patch", "deployments", func(a k8stesting.Action) (bool, runtime.Object, error) {
				if p, ok := a.(k8stesting.PatchActionImpl); !ok || len(p.PatchOptions.DryRun) == 0 {
					return false, nil, nil
				}
				return true, nil, errors.New("denied by policy")
			})
		}},
		{check: "injected", level: Info, says: "(mesh) it is billed as 12.0-24.0Gi instead of 8.0-16.0Gi", change: func(w *world) {
			w.rs.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("16Gi")}
			w.update2(appsv1.SchemeGroupVersion.WithResource("replicasets"), w.rs, w.rs)
			admits(w, sidecar("4", "8Gi"))
		}},
		{check: "injected", level: Warn, says: "(mesh) it is billed as 2.0-4.0Gi instead of 1.0-2.0Gi", change: func(w *world) { admits(w, sidecar("500m", "512Mi")) }},
		{check: "injected", level: Warn, says: "limits that admission sets it is billed as 4.0-8.0Gi", change: func(w *world) {
			admits(w, func(pod *corev1.Pod) {
				pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("8Gi")}
			})
		}},
		{check: "eviction", level: Info, says: "would be allowed now", change: func(w *world) { budget(w, 1) }},
		{check: "eviction", level: Info, says: "is allowed once the surge pod is Ready", change: func(w *world) { budget(w, 0) }},
		{check: "eviction", level: Warn, says: "would be refused now, and with a surge pod still: budget web has 3 healthy pods and needs 4", change: func(w *world) { sick(w, 4) }},
		{check: "held", level: Block, says: "has stopped halfway on deployment/web in shop", change: func(w *world) {
			if _, err := (&Engine{Client: w.api, Holder: "bob@bastion/1"}).Enroll(w.t.Context(), w.plan(ToECI, w.names()[0])); err != nil {
				w.t.Fatal(err)
			}
		}},
		{check: "changed", level: Warn, says: "which took the place of web-1, is gone", undoes: func(*testing.T, *world) *Operation {
			return moved(Item{Strategy: Swap, Pod: Ref{"Pod", "shop", "web-1", "old"}, Surge: Ref{"Pod", "shop", "web-2", "new"}})
		}},
		{check: "changed", level: Warn, says: "has had another rollout since", undoes: func(t *testing.T, w *world) *Operation {
			d, err := w.api.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			node, err := w.api.CoreV1().Nodes().Get(t.Context(), virtualNode, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			x := Item{Strategy: Rollout, Workload: Ref{"Deployment", "shop", "web", d.UID}, Revision: "7", Change: rolloutChange(d, onto(&d.Spec.Template.Spec, node))}
			to := x.Change.After
			d.Spec.Template.Spec.Tolerations, d.Spec.Template.Spec.NodeSelector, d.Spec.Template.Spec.Affinity = to.Tolerations, to.NodeSelector, to.Affinity
			w.update2(appsv1.SchemeGroupVersion.WithResource("deployments"), d, d)
			return moved(x)
		}},
		{check: "changed", level: Warn, says: "update strategy was changed since, and stays", undoes: func(t *testing.T, w *world) *Operation {
			w.withStatefulSet(2, appsv1.RollingUpdateStatefulSetStrategyType)
			set, err := w.api.AppsV1().StatefulSets("shop").Get(t.Context(), "db", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			node, err := w.api.CoreV1().Nodes().Get(t.Context(), virtualNode, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			x := Item{Strategy: Ordinals, Workload: Ref{"StatefulSet", "shop", "db", set.UID}, Change: ordinalsChange(set, onto(&set.Spec.Template.Spec, node), []int{0, 1})}
			to := x.Change.After
			set.Spec.Template.Spec.Tolerations, set.Spec.Template.Spec.NodeSelector, set.Spec.Template.Spec.Affinity = to.Tolerations, to.NodeSelector, to.Affinity
			set.Spec.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
			w.update2(appsv1.SchemeGroupVersion.WithResource("statefulsets"), set, set)
			return moved(x)
		}},
		{check: "cordon", level: Warn, says: "is not there any more", undoes: func(*testing.T, *world) *Operation {
			o := moved(Item{Strategy: Swap, Pod: Ref{"Pod", "shop", "web-1", "old"}, Surge: Ref{"Pod", "shop", "web-2", "new"}})
			o.Plan.Drain = &Drained{Node: Ref{Kind: "Node", Name: realNode, UID: "of another machine"}}
			return o
		}},
		{check: "changed", level: Warn, says: "ran on ECI before, too", undoes: func(_ *testing.T, w *world) *Operation {
			pod := w.list()[0]
			return moved(Item{Strategy: Swap, From: virtualNode, Pod: Ref{"Pod", "shop", "web-1", "old"}, Surge: Ref{"Pod", "shop", pod.Name, pod.UID}})
		}},
	}
}

// test plans with the API server as it is and, unless the row is about an undo, as it says
// what the row is about: only then the row is found.
func (c *answer) test(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		defer w.stop()
		find := func() bool {
			var o *Operation
			var err error
			if c.undoes != nil {
				o, err = ProposeUndo(t.Context(), w.api, nil, "alice", c.undoes(t, w), Request{}, time.Now())
			} else {
				r := Request{To: ToECI, Targets: []Ref{{Kind: "Pod", Namespace: "shop", Name: w.names()[0]}}}
				if c.whole {
					r.Targets = []Ref{{Kind: "Deployment", Namespace: "shop", Name: "web"}}
				}
				o, err = Propose(t.Context(), w.api, nil, "alice", r, time.Now())
			}
			if err != nil {
				t.Fatal(err)
			}
			all := slices.Clone(o.Plan.Checks)
			for i := range o.Plan.Items {
				all = append(all, o.Plan.Items[i].Checks...)
			}
			at := slices.IndexFunc(all, func(k Check) bool { return k.Name == c.check && strings.Contains(k.Reason, c.says) })
			if at < 0 {
				t.Logf("checks: %+v", all)
				return false
			}
			if all[at].Level != c.level {
				t.Errorf("it is said as %s, want %s: %s", all[at].Level, c.level, all[at].Reason)
			}
			if c.level == Block && o.Plan.Blocked() == "" {
				t.Error("the plan is not blocked")
			}
			if !slices.Contains(o.Checked(), Row{c.check, map[bool]Level{true: OK, false: c.level}[c.level == Info]}) {
				t.Errorf("looked at: %v", o.Checked())
			}
			return true
		}
		if c.change != nil {
			if find() {
				t.Error("it is found where nothing is the matter")
			}
			c.change(w)
		}
		if !find() {
			t.Error("it is not found")
		}
	})
}

// TestAnUndoFindsASuccessorThatNobodySaw: a pod of a StatefulSet that was Ready in its new place
// at the first look has its name and no entry in the journal.
func TestAnUndoFindsASuccessorThatNobodySaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.stop()
		w.mu.Lock()
		w.withStatefulSet(2, appsv1.RollingUpdateStatefulSetStrategyType)
		w.mu.Unlock()
		w.until("db-0 is there", func() bool { return w.get("db-0") != nil })
		pod := w.pod("db-0")
		x := Item{Strategy: Restart, State: Done, Pod: Ref{"Pod", "shop", "db-0", "before"}, Owner: Ref{"StatefulSet", "shop", "db", controllerUID(pod)}}
		for _, c := range []struct {
			owner string
			want  int
		}{{string(x.Owner.UID), 1}, {"another", 0}} {
			x.Owner.UID = types.UID(c.owner)
			o, err := ProposeUndo(t.Context(), w.api, nil, "alice", &Operation{ID: "before", State: Done, Plan: Plan{To: ToECI, Home: "shop", Items: []Item{x}}}, Request{}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if len(o.Plan.Items) != c.want || c.want > 0 && o.Plan.Items[0].Pod.UID != pod.UID {
				t.Errorf("of %s: %+v", c.owner, o.Plan.Items)
			}
		}
	})
}

// TestWhatAdmissionPutsInIsPaid: the plan's cost is that of the pod as it would run.
func TestWhatAdmissionPutsInIsPaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		defer w.stop()
		for _, c := range answered() {
			if c.check == "injected" && strings.Contains(c.says, "2.0-4.0Gi instead of 1.0-2.0Gi") {
				c.change(w)
			}
		}
		p := w.plan(ToECI, w.names()[0]).Plan
		// 2 vCPU and 4 GiB: 2 × 0.1764 + 4 × 0.022068.
		if x := p.Items[0]; x.After.MicrosPerHour != 441_072 || x.Size.String() != "2c 4Gi billed (asked 1.5c 2.5Gi)" || p.After[0] != x.After {
			t.Errorf("%s for %s, in all %v", x.After, x.Size, p.After)
		}
	})
}

func TestTheClockIsComparedWithTheAPIServers(t *testing.T) {
	for _, c := range []struct{ ahead, want time.Duration }{{0, 0}, {900 * time.Millisecond, 0}, {-90 * time.Second, -89 * time.Second}, {10 * time.Minute, 10 * time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.stop()
			w.api.PrependReactor("create", "selfsubjectreviews", func(k8stesting.Action) (bool, runtime.Object, error) {
				return true, &authenticationv1.SelfSubjectReview{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(time.Now().Add(c.ahead)).Rfc3339Copy()}}, nil
			})
			if got := skew(t.Context(), w.api); (got - c.want).Abs() >= time.Second {
				t.Errorf("the API server is ahead by %s: %s", c.ahead, got)
			}
		})
	}
}
