package migrate

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// long is an operation with a journal of several ConfigMaps.
func long(items int) *Operation {
	o := &Operation{ID: "long", State: Running, By: "alice", Began: time.Now(), Plan: Plan{To: ToECI, Home: "shop", Locks: []Ref{{Kind: "Deployment", Namespace: "shop", Name: "web"}}}}
	for i := range items {
		o.Plan.Items = append(o.Plan.Items, Item{ID: strconv.Itoa(i + 1), Strategy: Swap, State: Planned, Pod: Ref{"Pod", "shop", fmt.Sprintf("web-%d", i), "u"}, Steps: []Step{}})
	}
	return o
}

// configs are the ConfigMaps of the operation, the first one first.
func configs(t *testing.T, w *world) []corev1.ConfigMap {
	t.Helper()
	all, err := journals(t.Context(), w.api, "shop", "long")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A process that is killed while it writes down a new operation has begun none, or one with all
// its items: another one never takes a part for the whole.
func TestAJournalThatWasNotWrittenDownWholeIsNone(t *testing.T) {
	const items, most = 100, 20
	for end := 1; ; end++ {
		died := false
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer func() { w.stop() }()
			l := newLife(end)
			j, err := Begin(t.Context(), w.another(l), "", long(items))
			if err == nil {
				_ = j.Close()
			}
			died = l.dead()
			parts := len(configs(t, w))
			if parts != min(end, parts) || parts == 0 {
				t.Fatalf("killed at call %d it has %d ConfigMaps", end, parts)
			}
			all, err := Load(t.Context(), w.api, "", "")
			if err != nil {
				t.Errorf("with %d ConfigMaps: %v", parts, err)
			}
			if len(all) == 1 && len(all[0].Plan.Items) != items || len(all) > 1 {
				t.Errorf("with %d ConfigMaps %d of %d items are left", parts, len(all[0].Plan.Items), items)
			}
			whole := !died || len(all) == 1
			if _, err := Prune(t.Context(), w.api, time.Now().Add(straySo-time.Second)); err != nil || len(configs(t, w)) != parts {
				t.Errorf("of one that may be about to begin, %d of %d ConfigMaps are left: %v", len(configs(t, w)), parts, err)
			}
			if _, err := Prune(t.Context(), w.api, time.Now().Add(straySo+time.Minute)); err != nil || (len(configs(t, w)) == parts) != whole {
				t.Errorf("whole %t: %d of %d ConfigMaps are left: %v", whole, len(configs(t, w)), parts, err)
			}
		})
		if !died {
			if end < 4 {
				t.Errorf("its journal has %d ConfigMaps", end-1)
			}
			return
		}
		if t.Failed() || end > most {
			t.Fatalf("killed at call %d", end)
		}
	}
}

// Somebody has deleted one of the ConfigMaps of an operation that is under way: nobody goes on
// with the rest of it, nor takes its workload.
func TestAJournalWithAPartMissingIsRefused(t *testing.T) {
	for _, c := range []struct {
		gone  int // -1: the last
		says  string
		ended bool
	}{
		{0, "its first ConfigMap was deleted", false},
		{1, "is missing, since one of its ConfigMaps was deleted", false},
		{-1, "is missing, since one of its ConfigMaps was deleted", false},
		{-1, "", true}, // it is about to be removed
	} {
		t.Run(fmt.Sprintf("%d of ended %t", c.gone, c.ended), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer func() { w.stop() }()
				o := long(100)
				for i := range o.Plan.Items {
					o.Plan.Items[i].State, o.Plan.Items[i].Began = Surging, time.Now()
				}
				if c.ended {
					o.State, o.Ended = Done, time.Now()
				}
				if _, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).lockFor(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				j, err := Begin(t.Context(), w.api, "", o)
				if err != nil {
					t.Fatal(err)
				}
				_ = j.Close()
				parts := configs(t, w)
				gone := parts[(c.gone+len(parts))%len(parts)]
				if err := discardOne(t.Context(), w.api, &gone); err != nil {
					t.Fatal(err)
				}
				all, err := Load(t.Context(), w.api, "", "")
				if c.ended {
					if err != nil || len(all) != 1 {
						t.Errorf("%d operations: %v", len(all), err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "kubectl delete configmap -n shop -l ecideck.io/op=long") || len(all) > 0 {
					t.Errorf("%d operations: %v", len(all), err)
				}
				if got, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).Resume(t.Context(), o, false); err == nil || !strings.Contains(err.Error(), c.says) || len(w.deleted) > 0 {
					t.Errorf("resumed, it is %s: %v", got.State, err)
				}
				other := w.plan(ToECI, w.names()...)
				if got, err := (&Engine{Client: w.api, Holder: "bob@two/2"}).Run(t.Context(), other); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("another operation on its workload is %s: %v", got.State, err)
				}
			})
		})
	}
}

// lockFor takes the leases of an operation that is not run.
func (e *Engine) lockFor(ctx context.Context, o *Operation) ([]*lock, error) {
	e.op = o
	return e.lock(ctx, false)
}

// The file of an operation that only it has is whole, too.
func TestALocalJournalWithAPartMissingIsRefused(t *testing.T) {
	const items = 5
	audit := AuditDir(t.TempDir())
	o := long(items)
	o.Local = true
	api := fakeapi.New()
	f, err := audit.open(t.Context(), api, o.ID)
	if err != nil {
		t.Fatal(err)
	}
	j := &Journal{file: f, local: true, id: o.ID}
	r := &Reader{Client: api, Audit: audit}
	load := func() ([]*Operation, error) {
		return r.locals(t.Context(), func(string) bool { return false })
	}
	for i := range o.Plan.Items {
		if all, err := load(); err != nil || len(all) > 0 {
			t.Errorf("cut off after %d items it has %d operations: %v", i, len(all), err)
		}
		if err := j.Item(t.Context(), i, &o.Plan.Items[i], false); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Operation(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	if all, err := load(); err != nil || len(all) != 1 || len(all[0].Plan.Items) != items {
		t.Fatalf("%d operations: %v", len(all), err)
	}
	raw, err := os.ReadFile(r.kept.path(o.ID))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(raw), "\n")
	if err := os.WriteFile(r.kept.path(o.ID), []byte(strings.Join(slices.Delete(lines, items-1, items), "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := load(); err == nil || !strings.Contains(err.Error(), "item 5 of operation long is missing") || len(all) > 0 {
		t.Errorf("%d operations: %v", len(all), err)
	}
}

// Leases of processes that were killed before their operation had begun, or after its end, are
// removed with old journals; those of operations that have not ended, of other machines, and
// of others than us are not.
func TestLeasesThatKeepNobodyAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer func() { w.stop() }()
		take := func(name, id string, state State) *lock {
			o := &Operation{ID: id, State: state, Began: time.Now(), Ended: time.Now(), Plan: Plan{Home: "shop", Items: []Item{{ID: "1", State: Done}}, Locks: []Ref{{Kind: "Deployment", Namespace: "shop", Name: name}}}}
			locks, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).lockFor(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if state != "" {
				j, err := Begin(t.Context(), w.api, "", o)
				if err != nil {
					t.Fatal(err)
				}
				_ = j.Close()
			}
			return locks[0]
		}
		take("begun", "1", Interrupted)
		take("ended", "2", Done)
		take("unbegun", "3", "")
		file := take("local", "4", "")
		file.local()
		if err := file.rest(t.Context()); err != nil {
			t.Fatal(err)
		}
		leader := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "leader", UID: "l"}}
		if _, err := w.api.CoordinationV1().Leases("shop").Create(t.Context(), leader, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		const before = "ecideck-deployment-begun ecideck-deployment-local "
		for _, c := range []struct {
			later time.Duration
			want  string
		}{
			{straySo - time.Minute, "ecideck-deployment-begun ecideck-deployment-ended ecideck-deployment-local ecideck-deployment-unbegun leader"},
			{straySo + time.Minute, before + "leader"},
			{keptFor + time.Hour, "ecideck-deployment-begun leader"},
		} {
			if _, err := Prune(t.Context(), w.api, time.Now().Add(c.later)); err != nil {
				t.Error(err)
			}
			list, err := w.api.CoordinationV1().Leases("shop").List(t.Context(), listAll)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for i := range list.Items {
				names = append(names, list.Items[i].Name)
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("after %s there are\n%s, want\n%s", c.later, got, c.want)
			}
		}
	})
}

// Who is asked to end while it waits for the process that it was to follow leaves the leases
// that it has taken meanwhile to the operation.
func TestAResumeThatIsInterruptedLeavesTheLeasesToTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer func() { w.stop() }()
		o := long(1)
		o.Plan.Locks = append(o.Plan.Locks, Ref{Kind: "Deployment", Namespace: "shop", Name: "xyz"})
		locks, err := (&Engine{Client: w.api, Holder: "alice@one/1"}).lockFor(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		j, err := Begin(t.Context(), w.api, "", o)
		if err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
		if err := locks[0].rest(t.Context()); err != nil { // the other one's process is alive
			t.Fatal(err)
		}
		ctx, hangUp := context.WithTimeout(t.Context(), 5*time.Second)
		defer hangUp()
		if _, err := (&Engine{Client: w.api, Holder: "carol@three/3"}).Resume(ctx, o, false); err == nil {
			t.Fatal("it was resumed")
		}
		_, err = (&Engine{Client: w.api, Holder: "bob@two/2"}).Run(t.Context(), w.plan(ToECI, w.names()...))
		if err == nil || !strings.Contains(err.Error(), "operation long") || !strings.Contains(err.Error(), "has stopped halfway") {
			t.Errorf("another operation on the first one's target: %v", err)
		}
	})
}
