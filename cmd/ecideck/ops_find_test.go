package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/ui"
	"github.com/ecideck/ecideck/ui/view"
)

// confined is a cluster whose user may read ConfigMaps in some namespaces only, of which the
// kubeconfig names shop and team-b. Each of others has one operation more.
func confined(t *testing.T, others ...string) (*setup.Kube, *genericclioptions.ConfigFlags) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(`{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],
"contexts":[{"name":"c","context":{"cluster":"c","namespace":"shop"}},{"name":"d","context":{"cluster":"c","namespace":"team-b"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := genericclioptions.NewConfigFlags(true)
	flags.KubeConfig = &file
	kube, err := setup.NewKube(flags)
	if err != nil {
		t.Fatal(err)
	}
	api := fakeapi.New()
	for _, at := range append(others, "shop", "team-b") {
		o := &migrate.Operation{ID: "op-" + at, By: "alice", State: migrate.Interrupted, Began: time.Now(), Plan: migrate.Plan{To: migrate.ToECI, Home: at,
			Targets: []string{"deployment/web in " + at}, Items: []migrate.Item{{ID: "1", Strategy: migrate.Swap, State: migrate.Planned, Pod: migrate.Ref{Kind: "Pod", Namespace: at, Name: "web-1"}}}}}
		j, err := migrate.Begin(t.Context(), api, "", o)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	api.PrependReactor("list", "configmaps", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if at := a.GetNamespace(); at == "" || at == metav1.NamespaceSystem {
			return true, nil, apierrors.NewForbidden(corev1.Resource("configmaps"), "", errors.New("not yours"))
		}
		return false, nil, nil
	})
	kube.Client = api
	return kube, flags
}

// TestOperationsAreFoundByWhoMayNotLookInAllNamespaces: in those of the kubeconfig, without -n.
func TestOperationsAreFoundByWhoMayNotLookInAllNamespaces(t *testing.T) {
	kube, _ := confined(t, "elsewhere")
	for _, c := range []struct{ id, want string }{{"op-shop", "op-shop"}, {"op-team-b", "op-team-b"}, {"op-t", "op-team-b"}} {
		o, err := find(t.Context(), kube, c.id)
		if err != nil || o.ID != c.want {
			t.Errorf("%s: %v, %v", c.id, o, err)
		}
	}
	if o, err := find(t.Context(), kube, "op-elsewhere"); err == nil || !strings.Contains(err.Error(), "-n chooses one") {
		t.Errorf("of a namespace that nothing names: %v, %v", o, err)
	}
	if o, err := find(t.Context(), kube, "op-elsewhere", "elsewhere"); err != nil || o.Plan.Home != "elsewhere" {
		t.Errorf("of a namespace that the caller knows: %v, %v", o, err)
	}
	var out bytes.Buffer
	m := &mover{options: &options{streams: streams{out: &out, err: io.Discard}}, output: "table"}
	if err := m.listOps(t.Context(), kube, nil); setup.ExitCode(err) != setup.ExitPartial || !strings.Contains(out.String(), "op-shop") || !strings.Contains(out.String(), "op-team-b") || strings.Contains(out.String(), "elsewhere") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestAProcessOfItsOwnLooksWhereItsOperationIs: in its namespace, whatever this one was given.
func TestAProcessOfItsOwnLooksWhereItsOperationIs(t *testing.T) {
	_, flags := confined(t)
	given := "team-b"
	flags.Namespace = &given
	got := (&mover{options: &options{kube: flags}}).again(&migrate.Operation{ID: "x", Plan: migrate.Plan{Home: "shop"}}, "resume")
	if !slices.Equal(got[:4], []string{"ops", "resume", "x", "--yes"}) || !slices.Contains(got, "--namespace=shop") || slices.Contains(got, "--namespace=team-b") || !slices.Contains(got, "--kubeconfig="+*flags.KubeConfig) {
		t.Errorf("%v", got)
	}
}

// TestTheConsoleFindsWhatItShows: an operation of a namespace that only its collectors know, and
// one that it runs itself, of which nothing has to be asked.
func TestTheConsoleFindsWhatItShows(t *testing.T) {
	kube, _ := confined(t, "elsewhere")
	o := &operator{kube: kube, latest: func() *fleet.Snapshot {
		return &fleet.Snapshot{Operations: []*fleet.Operation{{ID: "op-elsewhere", Namespace: "elsewhere"}}}
	}}
	p, err := o.Progress(t.Context(), "op-elsewhere")
	if err != nil || p.ID != "op-elsewhere" {
		t.Errorf("%+v, %v", p, err)
	}
	began := make(chan *migrate.Engine, 1)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	op := &migrate.Operation{ID: "op-here", State: migrate.Running, Plan: migrate.Plan{Home: "nowhere", To: migrate.ToECI, Locks: []migrate.Ref{{Kind: "Deployment", Namespace: "nowhere", Name: "web"}}}}
	go func() {
		done <- o.engine(op, func(ctx context.Context, e *migrate.Engine) (*migrate.Operation, error) {
			e.Report(op)
			began <- e
			<-ctx.Done()
			return op, nil
		})(ctx, func(*ui.Progress) {})
	}()
	<-began
	calls := len(kube.Client.(*fakeapi.API).Actions())
	if p, err := o.Progress(t.Context(), "op-here"); err != nil || p.State != "running" || p.Alone {
		t.Errorf("%+v, %v", p, err)
	}
	plan, err := o.Plan(t.Context(), ui.Order{Verb: view.Abort, Operation: "op-here"})
	if err != nil || plan.Blocked != "" || plan.Handle == nil {
		t.Errorf("%+v, %v", plan, err)
	}
	if more := kube.Client.(*fakeapi.API).Actions()[calls:]; len(more) > 0 {
		t.Errorf("the API server was asked: %v", more)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := o.Progress(t.Context(), "op-here"); err == nil {
		t.Error("it is still taken for one that runs here")
	}
}
