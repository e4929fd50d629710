package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/theme"
)

func TestHeadlineKeepsWhatIsStaleWhateverTheWidth(t *testing.T) {
	now := sampleNow()
	fresh := func(name string) fleet.Source {
		return fleet.Source{Name: name, Read: now.Add(-time.Second), Every: 5 * time.Second}
	}
	stale := fleet.Source{Name: "groups", Read: now.Add(-23 * time.Second), Every: 5 * time.Second}
	sources := []fleet.Source{fresh("pods"), fresh("nodes"), fresh("events"), stale}
	name := []segment{{"a-very-long-context-name-of-a-cluster", theme.Strong}}
	c := census{ecs: 412, eci: 96, broken: 3, degraded: 2, unbound: 18}
	for _, room := range []int{118, 78, 60, 40} {
		left, right := headline(name, sources, c, now, room)
		line := text(left) + text(right)
		if !strings.Contains(line, "groups STALE 23s") {
			t.Errorf("in %d cells the headline %q hides that groups are stale", room, line)
		}
		if w := width(left) + width(right); w > room {
			t.Errorf("in %d cells the headline takes %d: %q", room, w, line)
		}
	}
	left, right := headline(name[:0], sources, c, now, 118)
	if want := "groups STALE 23s  k8s 1s  3 broken  pods ECS 412 ECI 96  2 degraded  18 unbound  "; text(left)+text(right) != want {
		t.Errorf("the headline is\n%q, want\n%q", text(left)+text(right), want)
	}
}

func TestFreshnessIsSaidInWords(t *testing.T) {
	now := sampleNow()
	for _, c := range []struct {
		name   string
		source fleet.Source
		want   string
	}{
		{"fresh", fleet.Source{Name: "pods", Read: now.Add(-2 * time.Second), Every: 5 * time.Second}, "pods 2s"},
		{"late by more than three reports", fleet.Source{Name: "pods", Read: now.Add(-20 * time.Second), Every: 5 * time.Second}, "pods STALE 20s"},
		{"failed", fleet.Source{Name: "pods", Read: now.Add(-2 * time.Second), Every: 5 * time.Second, Error: "x"}, "pods STALE 2s"},
		{"not read yet", fleet.Source{Name: "pods", Every: 5 * time.Second}, "pods loading"},
		{"never readable", fleet.Source{Name: "pods", Error: "x"}, "pods NO DATA"},
	} {
		if got := freshness(c.source, now).text; got != c.want {
			t.Errorf("a source that is %s reads %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTroublesNameTheSourceItsAgeAndTheError(t *testing.T) {
	got := troubles(staleSample().Sources, sampleNow())
	want := []string{
		"pods shown as of 23s ago: listing pods: dial tcp 10.0.0.1:6443: connect: connection refused",
		"groups never read: reading container groups: Forbidden.RAM: the RAM user may not call DescribeContainerGroups",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the troubles are %q, want %q", got, want)
	}
	silent := []fleet.Source{{Name: "groups", Read: sampleNow().Add(-time.Minute), Every: 5 * time.Second}}
	if got := troubles(silent, sampleNow()); len(got) != 1 || !strings.Contains(got[0], "no report for 60s, expected every 5s") {
		t.Errorf("a source that fell silent gives %q", got)
	}
	if got := troubles(sample().Sources, sampleNow()); got != nil {
		t.Errorf("fresh sources give troubles: %q", got)
	}
}

func TestCensusCountsPodsThatHaveNotEndedAndWhatIsPaid(t *testing.T) {
	c := count(sample())
	want := "3 broken  ECI ¥2.31/h  ECS ≥¥1.92/h  pods ECS 2 ECI 6  1 degraded  1 unbound  "
	if got := text(c.segments()); got != want {
		t.Errorf("the census says\n%q, want\n%q", got, want)
	}
}

func TestSourcesThatFailForOneReasonAreOneTrouble(t *testing.T) {
	now := sampleNow()
	dead := "the API server is not reachable"
	sources := []source{
		{Name: "pods", Read: now.Add(-10 * time.Second), Every: 2 * time.Second, Error: dead},
		{Name: "nodes", Read: now.Add(-12 * time.Second), Every: 2 * time.Second, Error: dead},
		{Name: "cluster", Error: dead},
		{Name: "groups", Read: now.Add(-time.Minute), Every: 5 * time.Second, Error: "no credentials"},
	}
	want := []string{
		"pods, nodes shown as of 12s ago: the API server is not reachable",
		"cluster never read: the API server is not reachable",
		"groups shown as of 60s ago: no credentials",
	}
	if diff := cmp.Diff(want, troubles(sources, now)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
