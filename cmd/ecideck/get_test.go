package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A lab is an API server that knows three kinds, and ECI's emulator.
type lab struct {
	lists  map[string]string // path → the list's JSON; a kind that is in none is an empty list
	denied map[string]bool   // paths that this user may not read
	cloud  *ecitest.Emulator
	kube   string // path of the kubeconfig
	eci    string // URL
}

const podList = `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[
 {"metadata":{"name":"web-5d8f-x","namespace":"shop","uid":"uid-web","resourceVersion":"3","creationTimestamp":"2026-11-23T11:00:00Z",
   "labels":{"pod-template-hash":"5d8f"},"annotations":{"k8s.aliyun.com/eci-instance-id":"eci-web"},
   "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-5d8f","uid":"u","controller":true}]},
  "spec":{"nodeName":"virtual-1","containers":[{"name":"app","image":"nginx"}]},
  "status":{"phase":"Running","startTime":"2026-11-23T11:00:01Z","containerStatuses":[{"name":"app","ready":true,"restartCount":2,"image":"","imageID":"","state":{"running":{}}}]}},
 {"metadata":{"name":"new","namespace":"shop","uid":"uid-new","resourceVersion":"4","creationTimestamp":"2026-11-23T11:00:00Z"},
  "spec":{"containers":[{"name":"app","image":"nginx"}]},
  "status":{"phase":"Pending"}}]}`

const nodeList = `{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[
 {"metadata":{"name":"virtual-1","uid":"uid-node","resourceVersion":"2","creationTimestamp":"2026-11-23T10:00:00Z","labels":{"type":"virtual-kubelet","topology.kubernetes.io/zone":"cn-hangzhou-h"}},
  "status":{"allocatable":{"cpu":"100","memory":"200Gi","pods":"1000"},"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1.37.2"}}}]}`

// newLab has one pod on ECI, one that is not bound, an orphan and a foreign group.
func newLab(t *testing.T) *lab {
	// Nothing is measured while a test runs, however slow the machine is.
	emulator := ecitest.New(ecitest.Options{Timing: ecitest.Timing{Sample: 24 * time.Hour}})
	l := &lab{denied: map[string]bool{}, cloud: emulator, lists: map[string]string{
		"/api/v1/pods": podList, "/api/v1/namespaces/shop/pods": podList, "/api/v1/nodes": nodeList,
	}}
	for _, g := range []ecitest.SeedGroup{
		{ID: "eci-web", Tags: eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: "uid-cluster", Namespace: "shop", PodName: "web-5d8f-x", PodUID: "uid-web"}.Tags()},
		{ID: "eci-orphan", Tags: eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: "uid-cluster", Namespace: "shop", PodName: "old", PodUID: "uid-old"}.Tags()},
		{ID: "eci-foreign"},
	} {
		g.Name, g.Status = "g-"+g.ID, eci.Running
		if _, err := l.cloud.Seed(g); err != nil {
			t.Fatal(err)
		}
	}
	kube, cloud := httptest.NewServer(l), httptest.NewServer(l.cloud)
	t.Cleanup(cloud.Close)
	t.Cleanup(func() { kube.CloseClientConnections(); kube.Close() })
	l.eci = cloud.URL
	l.kube = filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"lab",
"clusters":[{"name":"lab","cluster":{"server":%q}}],"users":[{"name":"me","user":{}}],
"contexts":[{"name":"lab","context":{"cluster":"lab","user":"me","namespace":"shop"}}]}`, kube.URL)
	if err := os.WriteFile(l.kube, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", l.kube)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("ECIDECK_REGION", "cn-hangzhou")
	t.Setenv("ECIDECK_ECI_ENDPOINT", l.eci)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", ecitest.DefaultAccessKeyID)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ecitest.DefaultAccessKeySecret)
	return l
}

func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(code int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
	list := l.lists[r.URL.Path]
	if list == "" {
		list = emptyList(r.URL.Path)
	}
	switch {
	case l.denied[r.URL.Path]:
		answer(http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"forbidden: User \"eve\" cannot list it"}`)
	case r.URL.Path == "/readyz":
		answer(http.StatusOK, "ok")
	case r.URL.Path == "/api/v1/namespaces/kube-system":
		answer(http.StatusOK, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"uid-cluster"}}`)
	case list == "":
		answer(http.StatusNotFound, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	case r.URL.Query().Get("sendInitialEvents") == "true": // an older server: lists are not streamed
		answer(http.StatusUnprocessableEntity, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
	case r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1":
		answer(http.StatusOK, "")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	default:
		answer(http.StatusOK, list)
	}
}

// emptyList is what an API server says of a kind of which there is nothing; "" of one that
// it does not know.
func emptyList(path string) string {
	for suffix, list := range map[string][2]string{
		"/deployments": {"DeploymentList", "apps/v1"}, "/replicasets": {"ReplicaSetList", "apps/v1"}, "/statefulsets": {"StatefulSetList", "apps/v1"},
		"/daemonsets": {"DaemonSetList", "apps/v1"}, "/jobs": {"JobList", "batch/v1"}, "/cronjobs": {"CronJobList", "batch/v1"},
		"/horizontalpodautoscalers": {"HorizontalPodAutoscalerList", "autoscaling/v2"}, "/poddisruptionbudgets": {"PodDisruptionBudgetList", "policy/v1"},
		"/events": {"EventList", "v1"}, "/configmaps": {"ConfigMapList", "v1"},
	} {
		if strings.HasSuffix(path, suffix) {
			return fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"7"},"items":[]}`, list[0], list[1])
		}
	}
	return ""
}

// ecideck runs the program.
func ecideck(t *testing.T, args ...string) (code int, out, errors string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(""), &o, &e})
	return code, o.String(), e.String()
}

// moving is what the clocks of this machine and of the emulator decide.
var moving = regexp.MustCompile(`"(ageSeconds|createdAt|accrued|since|from|through|final|last|overSpotPerHour)": [^n,\n][^,\n]*`)

func TestGetJSON(t *testing.T) {
	for _, kind := range []string{"overview", "pods", "groups", "nodes", "workloads", "scaling", "events", "cost"} {
		t.Run(kind, func(t *testing.T) {
			newLab(t)
			code, out, errors := ecideck(t, "get", kind, "-A", "-o", "json")
			if code != 0 || errors != "" && kind != "pods" {
				t.Errorf("exit code %d: %s", code, errors)
			}
			golden(t, "get-"+kind+".json", moving.ReplaceAllString(out, `"$1": "MOVING"`))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; run with -update if this is meant):\n%s", name, diff)
	}
}

// TestPodNames holds the names that UX.md releases, in their order.
func TestPodNames(t *testing.T) {
	data, err := json.Marshal(podItem{
		Workload: &workloadRef{}, Group: &groupRef{},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"namespace":"","name":"","uid":"","workload":{"kind":"","name":""},"place":null,"node":null,"zone":null,"status":null,"ready":null,"restarts":null,` +
		`"group":{"id":"","status":null},"billed":{"vcpu":null,"memoryGiB":null},"usage":{"vcpu":null,"memoryGiB":null},` +
		`"cost":{"currency":null,"perHour":null,"accrued":null},"startedAt":null}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
}

// TestNames holds the names of what the goldens have only as null or not at all: they stay
// once released.
func TestNames(t *testing.T) {
	sums := `[{"currency":"","perHour":null,"perMonth":null,"accrued":null,"wastePerHour":null,"askedPerHour":null,"overEcsPerHour":null,"overSpotPerHour":null}]`
	scaling := `"state":"","by":null,"layer":null,"line":null,"reason":null,"remedy":null,"since":null`
	for _, c := range []struct {
		item any
		want string
	}{
		{workloadItem{Rollout: &rolloutItem{}, Autoscaler: &autoscalerItem{}, Budget: &budgetItem{}, Costs: []sumItem{{}}},
			`{"namespace":"","kind":"","name":"","uid":null,"desired":null,"ready":0,"pods":{"ecs":0,"eci":0,"acs":0,"other":0,"none":0,"unknown":0},"ended":0,` +
				`"rollout":{"state":"","message":null},"autoscaler":{"kind":"","name":"","min":null,"max":null,"current":0,"desired":0,"metrics":null},` +
				`"budget":{"name":"","allowed":0,"healthy":0,"needed":0,"of":0},"usage":{"vcpu":null,"memoryGiB":null,"missing":0},"costs":` + sums + `,"unpriced":0,"scaling":{` + scaling + `}}`},
		{scalingItem{}, `{"namespace":"","workload":{"kind":"","name":""},"desired":null,"ready":0,` + scaling + `}`},
		{eventItem{}, `{"last":"0001-01-01T00:00:00Z","first":null,"count":0,"objects":0,"source":"","type":null,"reason":null,"message":null,` +
			`"object":{"kind":null,"namespace":null,"name":null,"uid":null},"subject":{"kind":"","name":""}}`},
		{costRow{Costs: []sumItem{{}}, Billed: []moneyRow{{}}}, `{"key":"","kind":null,"namespace":null,"name":null,"pods":0,"costs":` + sums + `,"unpriced":0,"accruedAtLaterPrice":0,"billed":[{"currency":"","amount":0}]}`},
		{operationRow{}, `{"id":"","kind":"","target":"","to":null,"namespace":null,"state":"","resumable":false,"message":null,"moved":0,"failed":0,"total":0,"by":null,"runner":null,` +
			`"undoes":null,"began":null,"ended":null,"localOnly":false}`},
		{attentionItem{}, `{"topic":"","severity":"","subject":"","text":"","remedy":null,"target":{"kind":null,"namespace":null,"name":null,"uid":null},"count":0,"since":null,"due":null,"waste":null}`},
	} {
		data, err := json.Marshal(c.item)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(data)); diff != "" {
			t.Errorf("%T: %s", c.item, diff)
		}
	}
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name   string
		change func(*testing.T, *lab)
		args   []string
		code   int
		out    string // part of it
		errors string // part of it
	}{
		{"all well", nil, []string{"get", "pods"}, 0, "web-5d8f-x", ""},
		{"-n chooses the namespace", nil, []string{"get", "pods", "-n", "elsewhere"}, 1, "", "pods in namespace elsewhere"},
		{"wide", nil, []string{"get", "pods", "-o", "wide"}, 0, "Deployment/web", ""},
		{"csv", nil, []string{"get", "pods", "-o", "csv"}, 0, "namespace,name,ready,status", ""},
		{"yaml", nil, []string{"get", "pods", "-o", "yaml"}, 0, "kind: PodList", ""},
		{"an unknown kind", nil, []string{"get", "podz"}, 2, "", "podz"},
		{"an unknown format", nil, []string{"get", "pods", "-o", "xml"}, 2, "", "table, wide, json, yaml, csv"},
		{"an unknown flag", nil, []string{"get", "pods", "--nope"}, 2, "", "--nope"},
		{"an unknown command", nil, []string{"gett"}, 2, "", "gett"},
		{"no region", func(t *testing.T, _ *lab) { t.Setenv("ECIDECK_REGION", "") }, []string{"get", "pods"}, 3, "web-5d8f-x", "groups: no region: give --region, or set ECIDECK_REGION"},
		{"wrong credentials", func(t *testing.T, _ *lab) { t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong") }, []string{"get", "pods"}, 3, "web-5d8f-x", "groups: "},
		{"nodes may not be read", func(_ *testing.T, l *lab) { l.denied["/api/v1/nodes"] = true }, []string{"get", "pods"}, 3, "web-5d8f-x", "may not list and watch nodes"},
		{"pods may not be read in all namespaces", func(_ *testing.T, l *lab) { l.denied["/api/v1/pods"] = true }, []string{"get", "pods", "-A"}, 1, "", "choose a namespace with -n"},
		{"nor the namespaces be listed: the kubeconfig's is", func(_ *testing.T, l *lab) { l.denied["/api/v1/pods"], l.denied["/api/v1/namespaces"] = true, true }, []string{"get", "pods", "-A"}, 3, "web-5d8f-x", "pods: only those of namespace shop: this user may not read all namespaces"},
		{"but in one", func(_ *testing.T, l *lab) { l.denied["/api/v1/pods"] = true }, []string{"get", "pods", "-n", "shop"}, 0, "web-5d8f-x", ""},
		{"no kubeconfig", func(t *testing.T, _ *lab) {
			t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
			t.Setenv("HOME", t.TempDir())
		}, []string{"get", "pods"}, 1, "", "kubeconfig"},
		{"an unknown context", nil, []string{"get", "pods", "--context", "nope"}, 1, "", "nope"},
		{"a dead API server", nil, []string{"get", "pods", "--server", "http://127.0.0.1:1"}, 1, "", "is not reachable"},
		{"no terminal", nil, nil, 0, "web-5d8f-x", "stdout is not a terminal"},
		{"no terminal, one namespace", func(_ *testing.T, l *lab) { l.denied["/api/v1/pods"] = true }, []string{"-n", "shop"}, 0, "web-5d8f-x", "this is `ecideck get pods -n shop`"},
		{"version", nil, []string{"version"}, 0, "ecideck ", ""},
		{"completion", nil, []string{"completion", "zsh"}, 0, "compdef", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			if test.change != nil {
				test.change(t, l)
			}
			code, out, errors := ecideck(t, test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(out, test.out) || test.out == "" && out != "" {
				t.Errorf("stdout does not say %q:\n%s", test.out, out)
			}
			if !strings.Contains(errors, test.errors) || test.errors == "" && errors != "" {
				t.Errorf("stderr does not say %q:\n%s", test.errors, errors)
			}
		})
	}
}

// TestUnreadIsNull holds that a listing that could not be read is not an empty one.
func TestUnreadIsNull(t *testing.T) {
	newLab(t)
	_, out, _ := ecideck(t, "get", "pods", "--server", "http://127.0.0.1:1", "-o", "json")
	if !strings.Contains(out, `"items": null`) {
		t.Error(out)
	}
}

// TestPodsNameGroupsWithoutAPod holds that the listing of pods, which waits for no second
// look, still says that something costs money for nothing.
func TestPodsNameGroupsWithoutAPod(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	group := func(relation fleet.Relation, status eci.Status, age time.Duration) *fleet.Group {
		return &fleet.Group{Relation: relation, Status: status, Created: now.Add(-age)}
	}
	for _, c := range []struct {
		name string
		g    *fleet.Group
		want int
	}{
		{"an orphan", group(fleet.Orphan, eci.Running, time.Second), 1},
		{"an old group whose pod is missing", group(fleet.Unjoined, eci.Running, time.Hour), 1},
		{"a new group, whose pod may still come", group(fleet.Unjoined, eci.Pending, time.Second), 0},
		{"one that has ended", group(fleet.Unjoined, eci.Succeeded, time.Hour), 0},
		{"one with its pod", group(fleet.Joined, eci.Running, time.Hour), 0},
		{"one of somebody else", group(fleet.Foreign, eci.Running, time.Hour), 0},
	} {
		if got := podless(&fleet.Snapshot{Groups: []*fleet.Group{c.g}}, now); got != c.want {
			t.Errorf("%s counts %d, want %d", c.name, got, c.want)
		}
	}
}

func TestGroupsListedWithOrphansFirst(t *testing.T) {
	newLab(t)
	_, out, _ := ecideck(t, "get", "groups", "-o", "csv")
	if lines := strings.Split(out, "\n"); len(lines) < 4 || !strings.HasPrefix(lines[1], "eci-orphan,") || !strings.HasPrefix(lines[3], "eci-foreign,") {
		t.Errorf("the order is\n%s", out)
	}
}

func TestCellsCannotMoveTheCursor(t *testing.T) {
	if got := printable("a\x1b[2Jb\nc\u009bd"); got != "a [2Jb c d" {
		t.Errorf("%q", got)
	}
}

func TestDescribeGroup(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	got := describeGroup(&eci.Group{
		ID: "eci-1", Name: "shop-web", Status: eci.Pending, CPU: 2, Memory: 4, Created: now.Add(-time.Minute),
		Tags:       map[string]string{"b": "2", "a": "1"},
		Containers: []eci.Container{{Name: "app", Image: "nginx", Current: eci.ContainerState{State: "Waiting", Reason: "ErrImagePull"}}},
		Events:     []eci.Event{{Type: "Warning", Reason: "Failed", Message: "no such image", Count: 3, Last: now.Add(-10 * time.Second)}},
	}, now)
	golden(t, "describe-group.txt", got)
}
