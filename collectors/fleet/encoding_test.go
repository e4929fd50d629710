package fleet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// everything compares unexported fields too.
func everything() cmp.Option { return cmp.Exporter(func(reflect.Type) bool { return true }) }

// shown is a Snapshot without what it keeps for the next Build.
func shown(s *Snapshot) *Snapshot {
	bare := *s
	bare.built = built{}
	return &bare
}

func TestASnapshotIsReadBackEqual(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := priced(r, 30)
		var s *Snapshot
		now := noon
		for sweep := range 4 {
			in := w.priced(sweep)
			in.Apply(PodUsage{Source: "pod-metrics", ByPod: map[PodName]Usage{{"shop", "p-1"}: {CPU: 5, Memory: 6, Read: noon, From: "metrics-server"}}})
			in.Apply(Events{Items: []*Event{{Time: noon, Count: 2, Source: "k8s", Reason: "Failed", Kind: "Pod", Namespace: "shop", Name: "p-1"}}})
			in.Apply(Controllers{Kind: "Deployment", Items: []*Controller{{Kind: "Deployment", Namespace: "shop", Name: "web", Labels: "app=web", Desired: 9}}})
			in.Apply(Autoscalers{Kind: KindHPA, Items: []*Autoscaler{{Kind: KindHPA, Namespace: "shop", Name: "web", Target: Owner{"Deployment", "web"}, Max: 9}}})
			in.Apply(Past{History{Hours: []Hour{{Start: noon.Add(-3 * time.Hour), Seen: time.Hour, Last: Point{At: noon.Add(-2 * time.Hour)}}}}})
			s = Build(in, now, s)
			now = now.Add(70 * time.Second)
		}
		for _, compress := range []bool{false, true} {
			var file bytes.Buffer
			if err := s.Encode(&file, compress); err != nil {
				t.Fatal(err)
			}
			got, err := Decode(&file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shown(s), shown(got), everything()); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			// It goes on from there as the original does.
			next, nextGot := Build(s.built.in, now, s), Build(got.built.in, now, got)
			if diff := cmp.Diff(shown(next), shown(nextGot), everything()); diff != "" {
				t.Fatalf("seed %d, the next one: %s", seed, diff)
			}
		}
	}
}

func TestWhatIsNoSnapshotIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"":   "EOF",
		"{}": "not a snapshot",
		`{"Kind":"ecideck-snapshot","Version":99}`:                    "newer ecideck",
		`{"Kind":"ecideck-snapshot"}`:                                 "version 0",
		`{"Kind":"ecideck-snapshot","Version":1,"Unknown":{"a":[1]}}`: "",
		`{"Kind":"ecideck-snapshot","Version":1,"Inputs":{"Pods":{"Items":[null]},"Groups":{"Items":[null]}},"Strikes":{"x":1},"Orphans":["x"]}`: "",
		"\x1f\x8b\x00": "reading a snapshot",
	} {
		_, err := Decode(strings.NewReader(text))
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%q: %s, want %q", text, got, want)
		}
	}
}
