package migrate

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8stesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// TestAReaderReadsWhatHasEndedOnceAMinute: what still runs it sees at each look, also how it ends.
func TestAReaderReadsWhatHasEndedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := fakeapi.New()
		begin := func(id string, items int) (*Operation, *Journal) {
			o := long(items)
			o.ID = id
			j, err := Begin(t.Context(), api, "", o)
			if err != nil {
				t.Fatal(err)
			}
			return o, j
		}
		end := func(o *Operation, j *Journal) {
			o.State, o.Ended = Done, time.Now()
			if err := j.Operation(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		r := &Reader{Client: api}
		look := func(want string, wholly bool) {
			t.Helper()
			before := len(api.Actions())
			all, err := r.Load(t.Context(), "")
			var got []string
			for _, o := range all {
				got = append(got, o.ID+" "+string(o.State))
			}
			slices.Sort(got)
			if err != nil || strings.Join(got, ", ") != want {
				t.Errorf("%v: %v, want %s", err, got, want)
			}
			whole := false
			for _, a := range api.Actions()[before:] {
				l, ok := a.(k8stesting.ListAction)
				whole = whole || ok && l.GetListRestrictions().Labels.String() == labelJournal
			}
			if whole != wholly {
				t.Errorf("all are read: %t, for %s", whole, want)
			}
		}
		a, ja := begin("a", 1)
		b, jb := begin("b", 100) // of several ConfigMaps
		end(b, jb)
		look("a running, b done", true)
		look("a running, b done", false)
		c, jc := begin("c", 1)
		look("a running, b done, c running", false)
		end(a, ja)
		look("a done, b done, c running", true)
		look("a done, b done, c running", false)
		// Half of one that has ended is in sight, as while its process ends it.
		parts, err := journals(t.Context(), api, "shop", "b")
		if err != nil || len(parts) < 2 || parts[0].Labels[labelEnded] == "" {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		delete(parts[1].Labels, labelEnded)
		if _, err := api.CoreV1().ConfigMaps("shop").Update(t.Context(), &parts[1], metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		look("a done, b done, c running", false)
		end(c, jc)
		_, _ = begin("d", 1)
		look("a done, b done, c done, d running", true)
		d, jd := begin("e", 1) // begins and ends between two looks
		end(d, jd)
		look("a done, b done, c done, d running", false)
		time.Sleep(allEvery)
		look("a done, b done, c done, d running, e done", true)
		if o, err := Find(t.Context(), api, "", "shop", "b"); err != nil || len(o.Plan.Items) != 100 {
			t.Errorf("%v", err)
		}
	})
}
