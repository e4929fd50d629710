package migrate

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// TestAPlanNeedsWhatItsStrategiesDo: no more, so that nobody is kept from what needs less.
func TestAPlanNeedsWhatItsStrategiesDo(t *testing.T) {
	pod, web := Ref{Kind: "Pod", Namespace: "shop", Name: "web-1"}, Ref{Kind: "Deployment", Namespace: "shop", Name: "web"}
	db := Ref{Kind: "StatefulSet", Namespace: "shop", Name: "db"}
	for _, c := range []struct {
		name string
		plan Plan
		want []string
		not  []string
	}{
		{"nothing", Plan{Items: []Item{{Strategy: Stay, Pod: pod, Workload: web}}}, nil, []string{"get pods in namespace shop"}},
		{"a swap", Plan{Home: "shop", Locks: []Ref{web}, Items: []Item{{Strategy: Swap, Pod: pod, Workload: web, Services: []string{"web"}}}},
			[]string{"create pods/eviction in namespace shop", "patch pods in namespace shop", "list endpointslices in namespace shop", "get deployments in namespace shop",
				"delete leases in namespace shop", "get configmaps in namespace shop"}, []string{"patch deployments in namespace shop", "patch nodes"}},
		{"a swap that no Service selects", Plan{Items: []Item{{Strategy: Swap, Pod: pod, Workload: web}}}, []string{"list pods in namespace shop"}, []string{"list endpointslices in namespace shop"}},
		{"a pod without a node", Plan{Items: []Item{{Strategy: Place, Pod: pod, Workload: web}}}, []string{"create pods/binding in namespace shop", "patch pods in namespace shop"},
			[]string{"delete pods in namespace shop", "create pods/eviction in namespace shop"}},
		{"a rollout", Plan{Items: []Item{{Strategy: Rollout, Workload: web, Owner: web}}}, []string{"patch deployments in namespace shop", "list replicasets in namespace shop"}, []string{"create pods/eviction in namespace shop"}},
		{"ordinals", Plan{Items: []Item{{Strategy: Ordinals, Workload: db, Owner: db}}}, []string{"patch statefulsets in namespace shop", "get statefulsets in namespace shop", "create pods/eviction in namespace shop"}, nil},
		{"a restart", Plan{Items: []Item{{Strategy: Restart, Pod: pod, Workload: db, Owner: db, Policy: "policy"}}}, []string{"create pods in namespace shop", "get statefulsets in namespace shop"}, []string{"patch statefulsets in namespace shop"}},
		{"a Job", Plan{Items: []Item{{Strategy: Suspend, Workload: Ref{Kind: "Job", Namespace: "shop", Name: "j"}}}}, []string{"patch jobs in namespace shop"}, []string{"delete pods in namespace shop"}},
		{"a CronJob", Plan{Items: []Item{{Strategy: Template, Workload: Ref{Kind: "CronJob", Namespace: "shop", Name: "j"}}}}, []string{"patch cronjobs in namespace shop"}, nil},
		{"a clone", Plan{Items: []Item{{Strategy: Clone, Pod: pod, Workload: pod}}}, []string{"create pods in namespace shop", "delete pods in namespace shop"}, nil},
		{"a drain", Plan{Home: "kube-system", Drain: &Drained{}, Locks: []Ref{{Kind: "Node", Name: "ecs-1"}}, Items: []Item{{Strategy: Evict, Pod: pod}}},
			[]string{"patch nodes", "create pods/eviction in namespace shop", "delete leases in namespace kube-system", "create configmaps in namespace kube-system"}, []string{"create pods in namespace shop"}},
		{"a node that is opened", Plan{Open: &Ref{Kind: "Node", Name: "ecs-1"}}, []string{"patch nodes"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, r := range needs(&c.plan) {
				got = append(got, r.String())
			}
			for _, want := range c.want {
				if !slices.Contains(got, want) {
					t.Errorf("it does not need %q: %v", want, got)
				}
			}
			for _, not := range c.not {
				if slices.Contains(got, not) {
					t.Errorf("it needs %q: %v", not, got)
				}
			}
		})
	}
}

// TestRightsOfManyNamespacesAreAskedForAtOnce: who may do all everywhere is asked each thing once.
func TestRightsOfManyNamespacesAreAskedForAtOnce(t *testing.T) {
	p := &Plan{Home: "kube-system"}
	for n := range 40 {
		at := fmt.Sprintf("team-%d", n)
		p.Items = append(p.Items, Item{Strategy: Swap, Pod: Ref{"Pod", at, "web-1", ""}, Workload: Ref{"Deployment", at, "web", ""}, Services: []string{"web"}})
		p.Locks = append(p.Locks, p.Items[n].Workload)
	}
	for _, c := range []struct {
		name string
		may  func(*authorizationv1.ResourceAttributes) bool
		most int // calls
		want string
	}{
		{"everywhere", func(*authorizationv1.ResourceAttributes) bool { return true }, 20, "[]"},
		{"not in one", func(r *authorizationv1.ResourceAttributes) bool {
			return r.Resource != "leases" || r.Namespace != "" && r.Namespace != "team-7"
		}, 20 + 4*40, "[{rights block you may not get, create, update and delete leases in namespace team-7 ask for the right, or use another context}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := fakeapi.New()
			var mu sync.Mutex
			calls := 0
			api.PrependReactor("create", "selfsubjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
				mu.Lock()
				defer mu.Unlock()
				calls++
				review := a.(k8stesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
				review.Status.Allowed = c.may(review.Spec.ResourceAttributes)
				return true, review, nil
			})
			checks, err := Rights(t.Context(), api, p)
			if err != nil || fmt.Sprint(checks) != c.want || calls > c.most {
				t.Errorf("%d calls, %v, %v", calls, checks, err)
			}
		})
	}
}
