package collectors

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/migrate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestOperationsAreReadFromTheirJournals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o := &migrate.Operation{ID: "0101-000000-abcd", State: migrate.Running, By: "ann", Runner: "ann@bastion:1", Began: began, Plan: migrate.Plan{
			To: migrate.ToECI, Targets: []string{"deployment/web"}, Home: "shop", Locks: []migrate.Ref{{Kind: "Deployment", Namespace: "shop", Name: "web"}},
			Items: []migrate.Item{
				{ID: "1", Pod: migrate.Ref{Kind: "Pod", Namespace: "shop", Name: "web-0"}, Strategy: migrate.Swap, State: migrate.Done, Ended: began},
				{ID: "2", Pod: migrate.Ref{Kind: "Pod", Namespace: "shop", Name: "web-1"}, Strategy: migrate.Swap, State: migrate.Surging, Reason: "waits for stock"},
				{ID: "3", Pod: migrate.Ref{Kind: "Pod", Namespace: "shop", Name: "web-2"}, Strategy: migrate.Stay, State: migrate.Stays},
			}}}
		b := startWhole(t, &account{}, customKinds(), measures(), func(b *bench) {
			if _, err := migrate.Begin(t.Context(), b.kube, "", o); err != nil {
				t.Fatal(err)
			}
		})
		s := b.after(10 * time.Second)
		if got := b.source("operations"); got.Error != "" || got.Note != "" {
			t.Fatalf("%+v", got)
		}
		if len(s.Operations) != 1 {
			t.Fatalf("%d operations", len(s.Operations))
		}
		got := *s.Operations[0]
		want := fleet.Operation{ID: o.ID, Kind: "migrate", Target: "deployment/web", To: "eci", Namespace: "shop", State: "running", Message: "web-1 surging: waits for stock",
			Done: 1, Total: 2, By: "ann", Runner: "ann@bastion:1", Began: got.Began, Resumable: true}
		if got != want || !got.Began.Equal(began) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		var reasons []string
		for _, e := range s.Events {
			if e.Source == "ecideck" {
				reasons = append(reasons, e.Reason+" "+e.Kind+" "+e.Name)
			}
		}
		if text := strings.Join(reasons, ", "); !strings.Contains(text, "OperationBegan Operation "+o.ID) || !strings.Contains(text, "MoveDone Pod web-0") {
			t.Errorf("timeline: %s", text)
		}

		// One that can't be read is named and leaves the others.
		broken, err := b.kube.CoreV1().ConfigMaps("shop").Get(t.Context(), "ecideck-op-"+o.ID, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		broken = broken.DeepCopy()
		broken.Name, broken.Data = "ecideck-op-other", map[string]string{"operation": "{"}
		for key := range broken.Labels {
			if broken.Labels[key] == o.ID {
				broken.Labels[key] = "other"
			}
		}
		if err := b.kube.Tracker().Add(broken); err != nil {
			t.Fatal(err)
		}
		s = b.after(10 * time.Second)
		if got := b.source("operations"); len(s.Operations) != 1 || !strings.Contains(got.Note, "other") {
			t.Errorf("%d operations, %+v", len(s.Operations), got)
		}
	})
}

func TestTheSwitchOfBurstsIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startWhole(t, &account{}, customKinds(), measures(), nil)
		if s := b.after(time.Minute); s.Bursts.Stopped {
			t.Errorf("nobody stopped them: %+v", s.Bursts)
		}
		if err := burst.SetSwitch(t.Context(), b.kube.CoreV1(), burst.Switch{Stopped: true, By: "ann", At: time.Now(), Reason: "the bill"}); err != nil {
			t.Fatal(err)
		}
		if s := b.after(time.Minute); !s.Bursts.Stopped || s.Bursts.By != "ann" || s.Bursts.Reason != "the bill" {
			t.Errorf("%+v", s.Bursts)
		}
	})
}
