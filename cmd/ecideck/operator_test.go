package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/ui"
	"github.com/ecideck/ecideck/ui/view"
)

// TestTheOperatorsWritesArePlannedGuardedAndRefusedWhenReadOnly plans single writes against an
// API server that writes down what reaches it, and runs them, first behind a closed gate.
func TestTheOperatorsWritesArePlannedGuardedAndRefusedWhenReadOnly(t *testing.T) {
	objects := map[string]string{
		"/api/v1/nodes/ecs-1":                                `{"kind":"Node","apiVersion":"v1","metadata":{"name":"ecs-1","uid":"uid-1","resourceVersion":"7"}}`,
		"/api/v1/nodes/ecs-2":                                `{"kind":"Node","apiVersion":"v1","metadata":{"name":"ecs-2","uid":"uid-2","resourceVersion":"8"},"spec":{"unschedulable":true}}`,
		"/apis/apps/v1/namespaces/shop/deployments/web":      `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"shop","uid":"uid-web","resourceVersion":"9"},"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":1}}},"status":{"replicas":4}}`,
		"/apis/apps/v1/namespaces/shop/deployments/stopped":  `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"stopped","namespace":"shop","uid":"uid-stopped"},"spec":{"paused":true}}`,
		"/apis/apps/v1/namespaces/shop/statefulsets/ledger":  `{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"name":"ledger","namespace":"shop","uid":"uid-ledger","resourceVersion":"3"},"spec":{"updateStrategy":{"type":"OnDelete"}},"status":{"replicas":2}}`,
		"/apis/apps/v1/namespaces/shop/daemonsets/collector": `{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"collector","namespace":"shop","uid":"uid-ds","resourceVersion":"3"},"status":{"currentNumberScheduled":3}}`,
		"/apis/apps/v1/namespaces/shop/statefulsets/db":      `{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"name":"db","namespace":"shop","uid":"uid-db","resourceVersion":"3"},"status":{"replicas":2}}`,
		"/apis/apps/v1/namespaces/shop/statefulsets/empty":   `{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"name":"empty","namespace":"shop","uid":"uid-empty","resourceVersion":"3"}}`,
		"/apis/apps/v1/namespaces/shop/deployments/cron":     `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"cron","namespace":"shop","uid":"uid-cron","resourceVersion":"9"},"spec":{"strategy":{"type":"Recreate"}},"status":{"replicas":1}}`,
		"/apis/apps/v1/namespaces/shop/deployments/tight":    `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"tight","namespace":"shop","uid":"uid-tight","resourceVersion":"9"},"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}}},"status":{"replicas":4}}`,
		"/apis/apps/v1/namespaces/shop/deployments/single":   `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"single","namespace":"shop","uid":"uid-single","resourceVersion":"9"},"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":1}}},"status":{"replicas":1}}`,
		"/apis/apps/v1/namespaces/shop/daemonsets/surging":   `{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"surging","namespace":"shop","uid":"uid-surging","resourceVersion":"3"},"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}},"status":{"currentNumberScheduled":3}}`,
		"/apis/apps/v1/namespaces/shop/statefulsets/theirs":  `{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"name":"theirs","namespace":"shop","uid":"uid-theirs"},"status":{"replicas":2}}`,
		"/api/v1/nodes/ecs-3":                                `{"kind":"Node","apiVersion":"v1","metadata":{"name":"ecs-3","uid":"uid-3","resourceVersion":"7"}}`,
	}
	// Of nodes and StatefulSets this user has a right by name only.
	may := func(a *authorizationv1.ResourceAttributes) bool {
		switch a.Resource {
		case "nodes", "statefulsets":
			return a.Name != "" && a.Name != "theirs" && a.Name != "ecs-3"
		}
		return a.Verb == "patch"
	}
	var mu sync.Mutex
	var writes []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body) // what is missing is seen below
		if strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews") {
			review, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(w, `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%t}}`, may(review.(*authorizationv1.SelfSubjectAccessReview).Spec.ResourceAttributes))
			return
		}
		if r.Method != http.MethodGet {
			mu.Lock()
			writes = append(writes, r.Method+" "+r.URL.Path+" "+string(body))
			mu.Unlock()
		}
		if objects[r.URL.Path] == "" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"there is no such thing"}`)
			return
		}
		fmt.Fprint(w, objects[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	gate := &setup.Gate{}
	flags := flagsFor(t, server.URL)
	flags.WrapConfigFn = func(c *rest.Config) *rest.Config { c.Wrap(gate.Wrap); return c }
	kube, err := setup.NewKube(flags)
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{kube: kube}
	in := func(kind, name string) fleet.Ref { return fleet.Ref{Kind: kind, Namespace: "shop", Name: name} }
	node := func(name string) fleet.Ref { return fleet.Ref{Kind: "Node", Name: name} }
	for _, c := range []struct {
		name    string
		verb    view.Verb
		targets []fleet.Ref
		blocked string // part of why it can't be run
		warns   string
		error   string
		want    []string // parts of the only writes
		command string
		confirm string // what is typed, and part of why
	}{
		{"a cordon is one of the node that was seen", view.Cordon, []fleet.Ref{node("ecs-1")}, "", "", "", []string{`PATCH /api/v1/nodes/ecs-1 `, `"uid":"uid-1"`, `"resourceVersion":"7"`, `"unschedulable":true`}, "KUBECTL cordon ecs-1", ""},
		{"what is cordoned is left alone", view.Cordon, []fleet.Ref{node("ecs-1"), node("ecs-2")}, "", "", "", []string{"nodes/ecs-1 "}, "KUBECTL cordon ecs-1", ""},
		{"nothing to cordon", view.Cordon, []fleet.Ref{node("ecs-2")}, "already", "", "", nil, "", ""},
		{"an uncordon", view.Uncordon, []fleet.Ref{node("ecs-2")}, "", "", "", []string{"nodes/ecs-2 ", `"uid":"uid-2"`, `"unschedulable":null`}, "KUBECTL uncordon ecs-2", ""},
		{"a node that is gone", view.Cordon, []fleet.Ref{node("ecs-9")}, "", "", "reading node ecs-9", nil, "", ""},
		{"a restart", view.Restart, []fleet.Ref{in("Deployment", "web")}, "", "", "", []string{"PATCH /apis/apps/v1/namespaces/shop/deployments/web ", `"uid":"uid-web"`, `"resourceVersion":"9"`, restartedAt}, "KUBECTL rollout restart -n shop deployment/web", ""},
		{"a paused rollout", view.Restart, []fleet.Ref{in("Deployment", "stopped")}, "paused", "", "", nil, "", ""},
		{"a StatefulSet that waits for hands", view.Restart, []fleet.Ref{in("StatefulSet", "ledger")}, "", "deleted by hand", "", []string{"statefulsets/ledger ", "uid-ledger"}, "KUBECTL rollout restart -n shop statefulset/ledger", ""},
		{"a DaemonSet", view.Restart, []fleet.Ref{in("DaemonSet", "collector")}, "", "", "", []string{"daemonsets/collector "}, "KUBECTL rollout restart -n shop daemonset/collector", "collector: daemonset/collector in shop: each of its pods ends before its successor runs"},
		{"a DaemonSet that surges", view.Restart, []fleet.Ref{in("DaemonSet", "surging")}, "", "", "", []string{"daemonsets/surging "}, "KUBECTL rollout restart -n shop daemonset/surging", ""},
		{"a StatefulSet", view.Restart, []fleet.Ref{in("StatefulSet", "db")}, "", "", "", []string{"statefulsets/db "}, "KUBECTL rollout restart -n shop statefulset/db", "db: statefulset/db in shop: each of its pods ends"},
		{"a StatefulSet without pods", view.Restart, []fleet.Ref{in("StatefulSet", "empty")}, "", "", "", []string{"statefulsets/empty "}, "KUBECTL rollout restart -n shop statefulset/empty", ""},
		{"strategy Recreate", view.Restart, []fleet.Ref{in("Deployment", "cron")}, "", "", "", []string{"deployments/cron "}, "KUBECTL rollout restart -n shop deployment/cron", "cron: deployment/cron in shop: all its pods end before the first new one runs"},
		{"no surge", view.Restart, []fleet.Ref{in("Deployment", "tight")}, "", "", "", []string{"deployments/tight "}, "KUBECTL rollout restart -n shop deployment/tight", "tight: deployment/tight in shop: each of its pods ends"},
		{"the only pod", view.Restart, []fleet.Ref{in("Deployment", "single")}, "", "", "", []string{"deployments/single "}, "KUBECTL rollout restart -n shop deployment/single", "single: deployment/single in shop: all its pods may end"},
		{"one of two that is forbidden", view.Restart, []fleet.Ref{in("Deployment", "web"), in("StatefulSet", "theirs")}, "you may not patch statefulsets in namespace shop: theirs; ask for the right", "", "", nil, "KUBECTL rollout restart -n shop deployment/webKUBECTL rollout restart -n shop statefulset/theirs", ""},
		{"a node that is forbidden", view.Cordon, []fleet.Ref{node("ecs-1"), node("ecs-3")}, "you may not patch nodes: ecs-3; ask for the right", "", "", nil, "KUBECTL cordon ecs-1KUBECTL cordon ecs-3", ""},
		{"two", view.Restart, []fleet.Ref{in("Deployment", "stopped"), in("Deployment", "cron")}, "", "", "", []string{"deployments/cron "}, "KUBECTL rollout restart -n shop deployment/cron", "2 deployments: deployment/cron in shop: all its pods end"},
		{"a workload of the same name that is another one", view.Restart, []fleet.Ref{{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "uid-before"}}, "", "", "made anew", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			gate.Close(true)
			p, err := o.Plan(t.Context(), ui.Order{Verb: c.verb, Targets: c.targets})
			if c.error != "" {
				if err == nil || !strings.Contains(err.Error(), c.error) {
					t.Errorf("the error is %v, want %q", err, c.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(p.Blocked, c.blocked) || (p.Blocked == "") != (c.blocked == "") {
				t.Errorf("blocked: %q, want %q", p.Blocked, c.blocked)
			}
			if c.warns != "" && (len(p.Moves[0].Checks) != 1 || !strings.Contains(p.Moves[0].Checks[0].Reason, c.warns)) {
				t.Errorf("checks: %v, want %q", p.Moves[0].Checks, c.warns)
			}
			// Wherever it is pasted it means this cluster.
			if got := strings.ReplaceAll(strings.Join(p.Commands, ""), "kubectl --kubeconfig "+*flags.KubeConfig+" --context c ", "KUBECTL "); got != c.command {
				t.Errorf("commands: %v, want %s", p.Commands, c.command)
			}
			if p.Blocked != "" {
				return
			}
			if got := p.Confirm + ": " + p.Danger; !strings.HasPrefix(got, c.confirm) || c.confirm == "" && got != ": " {
				t.Errorf("to be typed is %q, want %q", got, c.confirm)
			}
			run := func() error { return o.Run(t.Context(), p, func(*ui.Progress) {}) }
			mu.Lock()
			writes = nil
			mu.Unlock()
			if err := run(); err == nil || !strings.Contains(err.Error(), "read-only") {
				t.Errorf("behind a closed gate: %v", err)
			}
			mu.Lock()
			if len(writes) > 0 {
				t.Errorf("behind a closed gate: %v", writes)
			}
			mu.Unlock()
			gate.Close(false)
			if err := run(); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(writes) != 1 || slices.ContainsFunc(c.want, func(part string) bool { return !strings.Contains(writes[0], part) }) {
				t.Errorf("wrote %v, want %v", writes, c.want)
			}
		})
	}
}

// flagsFor are the flags of a kubeconfig with one server.
func flagsFor(t *testing.T, url string) *genericclioptions.ConfigFlags {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c"}}]}`, url)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := genericclioptions.NewConfigFlags(true)
	flags.KubeConfig = &file
	return flags
}

// TestInProductionTheContextIsTyped holds it for what else needs Enter only.
func TestInProductionTheContextIsTyped(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"Node","apiVersion":"v1","metadata":{"name":"ecs-1","uid":"uid-1","resourceVersion":"7"}}`)
	}))
	t.Cleanup(server.Close)
	flags := flagsFor(t, server.URL)
	kube, err := setup.NewKube(flags)
	if err != nil {
		t.Fatal(err)
	}
	kube.Context = "prod-hz"
	p, err := (&operator{kube: kube, production: true}).Plan(t.Context(), ui.Order{Verb: view.Cordon, Targets: []fleet.Ref{{Kind: "Node", Name: "ecs-1"}}})
	if err != nil || p.Confirm != "prod-hz" || !strings.Contains(p.Danger, "production") {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestTheSameByHandIsWhatTheShellTakes: each command is one that parses, and says all.
func TestTheSameByHandIsWhatTheShellTakes(t *testing.T) {
	flags := flagsFor(t, "http://localhost:1")
	kube, err := setup.NewKube(flags)
	if err != nil {
		t.Fatal(err)
	}
	kube.Namespace = "shop"
	pod := func(namespace, name string) fleet.Ref {
		return fleet.Ref{Kind: "Pod", Namespace: namespace, Name: name}
	}
	for _, c := range []struct {
		name  string
		order ui.Order
		want  []string
	}{
		{"pods of the console's own namespace", ui.Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{pod("shop", "a"), pod("shop", "b")}}, []string{"ECIDECK migrate -n shop pod/a pod/b --to eci"}},
		{"of several namespaces", ui.Order{Verb: view.Migrate, To: "ecs", How: "swap", Targets: []fleet.Ref{pod("shop", "a"), pod("pay", "b"), pod("shop", "c")}},
			[]string{"ECIDECK migrate -n shop pod/a pod/c --how swap --to ecs", "ECIDECK migrate -n pay pod/b --how swap --to ecs"}},
		{"a namespace", ui.Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{{Kind: "Namespace", Name: "pay"}}}, []string{"ECIDECK migrate namespace/pay --to eci"}},
		{"a node that stays open", ui.Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{{Kind: "Node", Name: "ecs-1"}}}, []string{"ECIDECK drain ecs-1 --to eci", "ECIDECK uncordon ecs-1"}},
		{"a drain", ui.Order{Verb: view.Drain, To: view.ToAny, Targets: []fleet.Ref{{Kind: "Node", Name: "ecs-1"}}}, []string{"ECIDECK drain ecs-1"}},
		{"another group", ui.Order{Verb: view.Migrate, To: view.ToAnew, Targets: []fleet.Ref{pod("shop", "a")}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := commands(c.order, kube)
			var want []string
			for _, text := range c.want {
				want = append(want, strings.Replace(text, "ECIDECK", "ecideck --kubeconfig "+*flags.KubeConfig+" --context c", 1))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			for _, text := range got {
				root := newRoot(&options{streams: streams{out: io.Discard, err: io.Discard}, kube: genericclioptions.NewConfigFlags(true)})
				found, rest, err := root.Find(strings.Fields(text)[1:])
				if err != nil || found == root {
					t.Fatalf("%s: %v", text, err)
				}
				if err := errors.Join(found.ParseFlags(rest), found.ValidateArgs(found.Flags().Args())); err != nil {
					t.Errorf("%s: %v", text, err)
				}
				for _, target := range found.Flags().Args() {
					if kind, _, is := strings.Cut(target, "/"); found.Name() == "migrate" && is && kind != "namespace" {
						if k, _, err := named([]string{target}); err != nil || k.kind == "Node" {
							t.Errorf("%s: the shell does not move a %s", text, kind)
						}
					}
				}
			}
		})
	}
}

// TestADrainsRemedyIsACommand: the console has no flags.
func TestADrainsRemedyIsACommand(t *testing.T) {
	for why, want := range map[string]string{
		"kubectl drain would not delete Pods with local storage (use --delete-emptydir-data to override)": "kubectl drain would not delete Pods with local storage (`ecideck drain ecs-1 --to eci --delete-emptydir-data` moves them)",
		"kubectl drain would not delete Pods that declare no controller (use --force to override)":        "kubectl drain would not delete Pods that declare no controller (`ecideck drain ecs-1 --to eci --force` moves them)",
		"it belongs to DaemonSet logs, which has one pod on each node":                                    "it belongs to DaemonSet logs, which has one pod on each node",
	} {
		if got := flagged(why, "ecideck drain ecs-1 --to eci"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestAPlanSaysHowItIsTakenBack: and what of it can't be.
func TestAPlanSaysHowItIsTakenBack(t *testing.T) {
	for _, c := range []struct {
		name string
		plan migrate.Plan
		want string
	}{
		{"a swap", migrate.Plan{To: migrate.ToECI, Items: []migrate.Item{{Strategy: migrate.Swap}}}, "z once it has ended; x before that takes back what still can be"},
		{"a Job", migrate.Plan{To: migrate.ToECI, Items: []migrate.Item{{Strategy: migrate.Suspend}}}, "z once it has ended; x before that takes back what still can be; a Job's work so far is lost"},
		{"a drain", migrate.Plan{To: migrate.Anywhere, Drain: &migrate.Drained{}, Items: []migrate.Item{{Strategy: migrate.Evict, Owner: migrate.Ref{Kind: "Job"}}}},
			"z once it has ended opens the node and moves nothing back; x before that takes back what still can be; a Job's work so far is lost"},
		{"a drain of a closed node", migrate.Plan{To: migrate.Anywhere, Drain: &migrate.Drained{Cordoned: true}, Items: []migrate.Item{{Strategy: migrate.Evict}}},
			"none once it has ended: what left the node is not moved back; x before that takes back what still can be"},
	} {
		if got := takenBack(&c.plan); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestAMigrationOfNodesNamesThemAll: what is typed for three of them is no single one's name, and
// what else is dangerous is said, too.
func TestAMigrationOfNodesNamesThemAll(t *testing.T) {
	node := func(name string) fleet.Ref { return fleet.Ref{Kind: "Node", Name: name} }
	pod := fleet.Ref{Kind: "Pod", Namespace: "shop", Name: "db-0"}
	space := func(name string) fleet.Ref { return fleet.Ref{Kind: "Namespace", Name: name} }
	for _, c := range []struct {
		name                string
		targets             []fleet.Ref
		plan                ui.Plan
		danger, word, title string
	}{
		{"one", []fleet.Ref{node("ecs-07")}, ui.Plan{}, "it is about all pods of node ecs-07", "ecs-07", "migrate 60 pods of node ecs-07 to ECI"},
		{"one, with what is restarted", []fleet.Ref{node("ecs-07")}, ui.Plan{Danger: "pod/db-0 in shop: it ends before its successor starts", Confirm: "db"},
			"it is about all pods of node ecs-07; pod/db-0 in shop: it ends before its successor starts", "ecs-07", "migrate 60 pods of node ecs-07 to ECI"},
		{"three", []fleet.Ref{node("ecs-07"), node("ecs-08"), node("ecs-09")}, ui.Plan{}, "it is about all pods of 3 nodes: ecs-07, ecs-08, ecs-09", "3 nodes", "migrate 60 pods of 3 nodes to ECI"},
		{"one and a pod", []fleet.Ref{node("ecs-07"), pod}, ui.Plan{}, "it is about all pods of node ecs-07", "2 targets", "migrate 60 pods of 2 targets to ECI"},
		{"namespaces", []fleet.Ref{space("shop"), space("pay")}, ui.Plan{Danger: "they are whole", Confirm: "2 namespaces"}, "they are whole", "2 namespaces", "migrate 60 pods of 2 namespaces to ECI"},
		{"pods of one", []fleet.Ref{pod, pod}, ui.Plan{}, "", "", "migrate 60 pods of shop to ECI"},
	} {
		var nodes []string
		for _, t := range c.targets {
			if t.Kind == "Node" {
				nodes = append(nodes, t.Name)
			}
		}
		p := c.plan
		if len(nodes) > 0 {
			aboutNodes(&p, nodes)
		}
		confirmsAll(&p, c.targets)
		if p.Danger != c.danger || p.Confirm != c.word {
			t.Errorf("%s: %q by typing %q, want %q by %q", c.name, p.Danger, p.Confirm, c.danger, c.word)
		}
		if got := title(ui.Order{Verb: view.Migrate, To: view.ToECI, Targets: c.targets}, 60); got != c.title {
			t.Errorf("%s: %q, want %q", c.name, got, c.title)
		}
	}
}

// TestAnOperationThatWasNotBegunIsOver: nobody finds it in a journal, so nothing becomes of it.
func TestAnOperationThatWasNotBegunIsOver(t *testing.T) {
	p := progressOf(&migrate.Operation{ID: "x", State: migrate.Planned, Reason: "it was not begun: held"}, "kubectl")
	if !p.Over || p.State != "not begun" || p.Reason != "it was not begun: held" {
		t.Errorf("%+v", p)
	}
	if p = progressOf(&migrate.Operation{ID: "x", State: migrate.Interrupted}, "kubectl"); p.Over {
		t.Errorf("what stopped halfway is over: %+v", p)
	}
}

func TestLasts(t *testing.T) {
	for seconds, want := range map[int]string{4: "4s", 60: "1m", 64: "1m4s", 600: "10m"} {
		if got := lasts(seconds); got != want {
			t.Errorf("%d s is %s, want %s", seconds, got, want)
		}
	}
}

// keysMoveAPodThereAndBack presses m, Enter, then z, Enter, and looks at the cluster.
func keysMoveAPodThereAndBack(t *testing.T, c *cluster) {
	file := filepath.Join(t.TempDir(), "web.yaml")
	manifest := strings.NewReplacer("NAMESPACE", "shop", "REPLICAS", "2", "BUDGET", "0", "IMAGE", "lab/serve").Replace(webWithBudget)
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	c.mustKubectl("apply", "-f", file)
	defer c.mustKubectl("delete", "--wait=false", "-f", file)
	c.mustKubectl("rollout", "status", "-n", "shop", "deployment/web")
	onECI := func() (n int) {
		for _, pod := range c.pods("shop", "web") {
			if node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName"); strings.HasPrefix(node, "virtual-kubelet") && pod.GetDeletionTimestamp() == nil {
				n++
			}
		}
		return n
	}
	if n := onECI(); n != 0 {
		t.Fatalf("%d pods run on ECI before anything was pressed", n)
	}
	console := openConsole(t)
	console.Type("/web place:ecs")
	console.Press("Enter")
	console.Until(20*time.Second, "shows the two pods alone", func(s string) bool { return rowsOf(s, "web-") == 2 && rowsOf(s, "checkout-") == 0 })
	console.Type("m")
	console.See(20*time.Second, "surge pod is Ready before it is evicted")
	console.See(20*time.Second, "Enter runs it")
	console.Press("Enter")
	console.See(60*slack*time.Second, "is done: 1 moved")
	if n := onECI(); n != 1 {
		t.Errorf("%d pods run on ECI, want 1", n)
	}
	console.Type("z")
	console.See(20*time.Second, "Undo migrate pod/web-")
	console.See(20*time.Second, "Enter runs it")
	console.Press("Enter")
	console.Until(60*slack*time.Second, "shows the undo done", func(s string) bool {
		return strings.Contains(s, "is done: 1 moved") && strings.Contains(s, "it takes back")
	})
	if n := onECI(); n != 0 {
		t.Errorf("%d pods run on ECI, want none", n)
	}
	console.Type("!")
	console.See(10*time.Second, "= kubectl --kubeconfig ")
	console.See(10*time.Second, "--raw /api/v1/namespaces/shop/pods/web-") // which may begin a line
}
