package collectors

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
)

// A guard is an API server's authorizer: of namespaced kinds it lets those be read that are
// in the namespaces granted, or all.
type guard struct {
	mu       sync.Mutex
	granted  []string
	all      bool
	noList   bool // the namespaces can't be listed
	reviewed map[string]int
}

func (g *guard) grant(all bool, namespaces ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all, g.granted = all, namespaces
}

func (g *guard) check(action clienttesting.Action) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	resource := action.GetResource()
	switch {
	case resource.Resource == "namespaces" && !g.noList, g.all, slices.Contains(g.granted, action.GetNamespace()):
		return nil
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: resource.Group, Resource: resource.Resource}, "", errors.New("not yours"))
}

func (g *guard) over(b *bench) {
	g.reviewed = map[string]int{}
	b.kube.PrependReactor("list", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		err := g.check(a)
		return err != nil, nil, err
	})
	b.kube.PrependWatchReactor("*", func(a clienttesting.Action) (bool, watch.Interface, error) {
		err := g.check(a)
		return err != nil, nil, err
	})
	b.kube.PrependReactor("create", "selfsubjectrulesreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectRulesReview).DeepCopy()
		g.reviewed[review.Spec.Namespace]++
		rule := authorizationv1.ResourceRule{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{"*"}, Resources: []string{"*"}}
		if !g.all && !slices.Contains(g.granted, review.Spec.Namespace) {
			rule.ResourceNames = []string{"one"} // one object by its name is not a list
		}
		review.Status.ResourceRules = []authorizationv1.ResourceRule{rule}
		return true, review, nil
	})
	b.kube.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		review.Status.Allowed = g.all
		return true, review, nil
	})
}

func podIn(namespace, name string) *corev1.Pod {
	p := kubePod(name, "real-1", "")
	p.Namespace = namespace
	return p
}

// seen are the pods in the newest Snapshot.
func (b *bench) seen() string {
	var names []string
	for _, p := range b.store.Latest().Placements {
		if p.Pod != nil {
			names = append(names, p.Pod.Namespace+"/"+p.Pod.Name)
		}
	}
	return strings.Join(names, " ")
}

func TestAUserOfSomeNamespacesSeesEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guard{granted: []string{"shop", "bank"}}
		b := startWhole(t, &account{}, customKinds(), measures(), func(b *bench) {
			g.over(b)
			for _, name := range []string{"shop", "bank", "secret"} {
				if err := b.kube.Tracker().Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []*corev1.Pod{podIn("bank", "ledger-0"), podIn("secret", "key-0")} {
				if err := b.kube.Tracker().Add(p); err != nil {
					t.Fatal(err)
				}
			}
		})
		b.after(10 * time.Second)
		if got, want := b.seen(), "bank/ledger-0 shop/db-0 shop/web-0 shop/web-1"; got != want {
			t.Errorf("sees %s, want %s", got, want)
		}
		for _, name := range []string{"pods", "events", "deployments", "budgets", "services"} {
			got := b.source(name)
			if got.Error != "" || !got.Partial || !strings.Contains(got.Note, "only those of namespaces bank and shop") || got.Stale(time.Now()) {
				t.Errorf("%s is %+v", name, got)
			}
		}
		if n := g.reviewed["shop"]; n != 1 {
			t.Errorf("asked %d times what may be read in one namespace", n)
		}
		var said []fleet.Attention
		for _, a := range b.store.Latest().Attention {
			if strings.Contains(a.Text, "only those of") {
				said = append(said, a)
			}
		}
		if len(said) != 1 {
			t.Errorf("it is said in %d lines: %+v", len(said), said)
		}

		// A change in one namespace, and a failure of one, which leaves the others alive.
		if err := b.kube.Tracker().Add(podIn("bank", "ledger-1")); err != nil {
			t.Fatal(err)
		}
		b.after(10 * time.Second)
		if !strings.Contains(b.seen(), "bank/ledger-1") {
			t.Errorf("sees %s", b.seen())
		}

		g.grant(false, "shop", "bank", "secret")
		b.after(2 * accessEvery)
		if !strings.Contains(b.seen(), "secret/key-0") {
			t.Errorf("a right that was granted: sees %s", b.seen())
		}
		g.grant(false, "shop")
		b.after(2 * accessEvery)
		if got := b.source("pods"); strings.Contains(b.seen(), "bank/") || got.Error != "" {
			t.Errorf("rights that were taken: sees %s, pods is %+v", b.seen(), got)
		}
		g.grant(true)
		b.after(2 * accessEvery)
		if got := b.source("pods"); got.Partial || got.Note != "" || got.Error != "" || !strings.Contains(b.seen(), "secret/key-0") {
			t.Errorf("all may be read now: %+v, sees %s", got, b.seen())
		}
	})
}

func TestWhatIsWatchedByNamespaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guard{}
		b := startWhole(t, &account{}, customKinds(), measures(), func(b *bench) {
			g.over(b)
			for i := range namespacesWalked + 5 {
				name := fmt.Sprintf("team-%02d", i)
				g.granted = append(g.granted, name)
				if err := b.kube.Tracker().Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
					t.Fatal(err)
				}
			}
		})
		b.after(10 * time.Second)
		if got := b.source("pods").Note; !strings.Contains(got, "only those of 32 namespaces") || !strings.Contains(got, "5 more may be read") {
			t.Errorf("pods says %q", got)
		}
	})
}

func TestAUserWithoutRightsIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startWhole(t, &account{}, customKinds(), measures(), (&guard{noList: true}).over)
		b.after(30 * time.Second)
		if got := b.source("pods").Error; !strings.Contains(got, "may not list and watch pods in namespace shop") {
			t.Errorf("pods says %q", got)
		}
	})
}

func TestRulesCoverAKindByAllVerbs(t *testing.T) {
	rule := func(verbs, groups, resources, names string) authorizationv1.ResourceRule {
		list := func(s string) []string { return strings.Fields(s) }
		return authorizationv1.ResourceRule{Verbs: list(verbs), APIGroups: groupsOf(groups), Resources: list(resources), ResourceNames: list(names)}
	}
	for _, c := range []struct {
		name  string
		rules []authorizationv1.ResourceRule
		want  bool
	}{
		{"none", nil, false},
		{"both verbs in one rule", []authorizationv1.ResourceRule{rule("get list watch", "apps", "deployments", "")}, true},
		{"the verbs in two rules", []authorizationv1.ResourceRule{rule("list", "apps", "deployments", ""), rule("watch", "*", "*", "")}, true},
		{"no watch", []authorizationv1.ResourceRule{rule("get list", "apps", "deployments", "")}, false},
		{"another group", []authorizationv1.ResourceRule{rule("*", "core", "deployments", "")}, false},
		{"a subresource", []authorizationv1.ResourceRule{rule("*", "apps", "deployments/scale", "")}, false},
		{"one object by name", []authorizationv1.ResourceRule{rule("*", "*", "*", "web")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := covers(c.rules, "apps", "deployments", []string{"list", "watch"}); got != c.want {
				t.Errorf("covers: %v", got)
			}
		})
	}
}

func groupsOf(text string) []string {
	if text == "core" {
		return []string{""}
	}
	return []string{text}
}
