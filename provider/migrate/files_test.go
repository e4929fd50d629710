package migrate

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// narrow is a cluster whose user may not have ConfigMaps.
func narrow(uid string) *fakeapi.API {
	api := fakeapi.New(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: types.UID(uid)}})
	api.PrependReactor("*", "configmaps", func(a k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
	})
	return api
}

// writes writes an operation down and ends it, where it has a state that has ended.
func writes(t *testing.T, client kubernetes.Interface, audit AuditDir, id string, state State) *Operation {
	t.Helper()
	o := long(2)
	o.ID, o.State = id, state
	j, err := Begin(t.Context(), client, audit, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return o
}

func ids(all []*Operation) string {
	var out []string
	for _, o := range all {
		out = append(out, o.ID)
	}
	return strings.Join(out, " ")
}

// TestALocalJournalIsOfItsCluster: two clusters, one machine. Nobody resumes on one what was begun
// on the other.
func TestALocalJournalIsOfItsCluster(t *testing.T) {
	audit := AuditDir(t.TempDir())
	one, other := narrow("uid-1"), narrow("uid-2")
	if o := writes(t, one, audit, "first", Running); !o.Local {
		t.Fatal("the cluster has it")
	}
	for api, want := range map[kubernetes.Interface]string{one: "first", other: ""} {
		all, _ := Load(t.Context(), api, audit, "") // it may not list ConfigMaps
		if ids(all) != want {
			t.Errorf("%q, want %q", ids(all), want)
		}
		if o, _ := Find(t.Context(), api, audit, "", "first"); (o != nil) != (want != "") {
			t.Errorf("%+v, want %q", o, want)
		}
	}
	if _, err := os.Stat(filepath.Join(string(audit), "uid-1", "first.jsonl")); err != nil {
		t.Error(err)
	}
}

// TestAClusterIsNamedByItsAddressWhereItsIdIsNotKnown: paths, too, since a proxy may have several behind
// one host; an API server that does not answer is no cluster without an id.
func TestAClusterIsNamedByItsAddressWhereItsIdIsNotKnown(t *testing.T) {
	api := fakeapi.New()
	if name, err := clusterOf(t.Context(), api); err != nil || name != "server-unknown" {
		t.Errorf("%q, %v", name, err)
	}
	api.PrependReactor("get", "namespaces", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewInternalError(os.ErrClosed)
	})
	if name, err := clusterOf(t.Context(), api); err == nil {
		t.Errorf("%q", name)
	}
	refuses := func(host string) kubernetes.Interface {
		real, err := kubernetes.NewForConfig(&rest.Config{Host: host, Transport: forbidding{}})
		if err != nil {
			t.Fatal(err)
		}
		return real
	}
	for host, want := range map[string]string{"https://api.lab:6443": "server-api.lab_6443", "https://proxy.lab/k8s/clusters/c-1": "server-proxy.lab_k8s_clusters_c-1"} {
		if name, err := clusterOf(t.Context(), refuses(host)); err != nil || name != want {
			t.Errorf("%q, %v, want %q", name, err, want)
		}
	}
}

// TestAReaderReadsAFileAgainWhenItHasChanged and not otherwise, nor those that the cluster has.
func TestAReaderReadsAFileAgainWhenItHasChanged(t *testing.T) {
	audit := AuditDir(t.TempDir())
	api := narrow("uid-1")
	writes(t, api, audit, "first", Running)
	r := &Reader{Client: api, Audit: audit}
	first, _ := r.Load(t.Context(), "")
	again, _ := r.Load(t.Context(), "")
	if len(first) != 1 || len(again) != 1 || first[0] != again[0] {
		t.Fatalf("%v and %v", first, again)
	}
	j, err := Resume(t.Context(), api, audit, first[0].clone(), "bob@two/2")
	if err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	if now, _ := r.Load(t.Context(), ""); len(now) != 1 || now[0].Runner != "bob@two/2" {
		t.Errorf("%+v", now)
	}
	if err := os.WriteFile(r.kept.path("known"), []byte(`{"operation":`+strings.Repeat("x", 5<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.locals(t.Context(), func(id string) bool { return id == "known" }); err != nil {
		t.Errorf("a file of what the cluster has is read: %v", err)
	}
	if _, err := r.locals(t.Context(), func(string) bool { return false }); err == nil {
		t.Error("a file that can't be read is no error")
	}
}

// TestOldFilesOfWhatIsOverAreRemoved when something new is begun: beyond the newest 200, and after
// 90 days. What is not over stays.
func TestOldFilesOfWhatIsOverAreRemoved(t *testing.T) {
	audit := AuditDir(t.TempDir())
	api := narrow("uid-1")
	log := filepath.Join(string(audit), "over.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-filesKeptFor - time.Hour)
	for _, x := range []struct {
		id    string
		state State
		at    time.Time
	}{{"over", Done, old}, {"cut-off", Interrupted, old}, {"aborted", Aborted, time.Now()}} {
		writes(t, api, audit, x.id, x.state)
		in, _ := audit.of(t.Context(), api)
		if err := os.Chtimes(in.path(x.id), x.at, x.at); err != nil {
			t.Fatal(err)
		}
	}
	writes(t, api, audit, "new", Running)
	all, _ := Load(t.Context(), api, audit, "")
	if got := ids(all); strings.Contains(got, "over") || !strings.Contains(got, "cut-off") || !strings.Contains(got, "aborted") || !strings.Contains(got, "new") {
		t.Errorf("there are %s", got)
	}
	if _, err := os.Stat(log); err == nil {
		t.Error("its log is left")
	}
	in, _ := audit.of(t.Context(), api)
	whole, err := os.ReadFile(in.path("aborted"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range filesKeptAt {
		if err := os.WriteFile(in.path(fmt.Sprint("more-", i)), []byte(strings.ReplaceAll(string(whole), `"aborted","state"`, fmt.Sprintf(`"more-%d","state"`, i))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writes(t, api, audit, "newest", Running)
	all, _ = Load(t.Context(), api, audit, "")
	ended := 0
	for _, o := range all {
		if o.State.Ended() {
			ended++
		}
	}
	if got := ids(all); ended != filesKeptAt || !strings.Contains(got, "cut-off") {
		t.Errorf("%d that are over: %s", ended, got)
	}
}

// TestAPodsManifestHasRoomInItsConfigMap: of a pod that is copied the item keeps it.
func TestAPodsManifestHasRoomInItsConfigMap(t *testing.T) {
	api := fakeapi.New()
	o := long(8)
	for i := range o.Plan.Items {
		o.Plan.Items[i].Strategy = Clone
	}
	j, err := Begin(t.Context(), api, "", o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range o.Plan.Items {
		o.Plan.Items[i].Manifest = strings.Repeat("m", manifestRoom)
		if err := j.Item(t.Context(), i, &o.Plan.Items[i], false); err != nil {
			t.Fatal(err)
		}
	}
	all, err := journals(t.Context(), api, "shop", o.ID)
	if err != nil || len(all) < 3 {
		t.Fatalf("%d ConfigMaps, %v", len(all), err)
	}
	for i := range all {
		size := 0
		for _, text := range all[i].Data {
			size += len(text)
		}
		if size > 1<<20 {
			t.Errorf("%s has %d bytes", all[i].Name, size)
		}
	}
}

// TestFindReadsNoOtherOperation.
func TestFindReadsNoOtherOperation(t *testing.T) {
	api := fakeapi.New()
	writes(t, api, "", "one", Running)
	writes(t, api, "", "two", Running)
	for id, want := range map[string]string{"one": "one", "on": "", "": "", "no id at all": "", "../one": ""} {
		if o, err := Find(t.Context(), api, AuditDir(t.TempDir()), "", id); err != nil || (o != nil) != (want != "") || o != nil && o.ID != want {
			t.Errorf("%q: %+v, %v", id, o, err)
		}
	}
	for _, a := range api.Actions() {
		if l, ok := a.(k8stesting.ListAction); ok && !strings.Contains(l.GetListRestrictions().Labels.String(), "ecideck.io/op=") {
			t.Errorf("it lists %s", l.GetListRestrictions().Labels)
		}
	}
}

// forbidding is an API server that refuses everything.
type forbidding struct{}

func (forbidding) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`))}, nil
}
