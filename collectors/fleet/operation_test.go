package fleet

import (
	"strings"
	"testing"
	"time"
)

// attention is what of a topic needs a person.
func attention(s *Snapshot, topic Topic) []Attention {
	var out []Attention
	for _, a := range s.Attention {
		if a.Topic == topic {
			out = append(out, a)
		}
	}
	return out
}

func TestOperationsThatNeedAPerson(t *testing.T) {
	running := func() *Operation {
		return &Operation{ID: "1123-1", Kind: "drain", Target: "node/ecs-1", To: "eci", State: "running", Done: 3, Total: 12, By: "ann", Began: noon.Add(-time.Hour)}
	}
	for _, c := range []struct {
		name     string
		change   func(*Operation)
		severity Severity
		text     string
		remedy   string
	}{
		{"one that runs is said", func(*Operation) {}, Fine, "running: 3 of 12 pods moved", "ann runs it"},
		{"one that nobody is at work on", func(o *Operation) { o.Resumable = true }, Broken, "cut off, 3 of 12 pods moved, and nobody is at work", "r goes on, x goes back; or ecideck ops resume|abort 1123-1"},
		{"one whose journal is on one machine", func(o *Operation) { o.Resumable, o.Local, o.Runner = true, true, "ann@bastion" }, Broken, "cut off", "on the machine of ann@bastion"},
		{"one that failed today", func(o *Operation) {
			o.State, o.Ended, o.Message = "failed", noon.Add(-time.Minute), "11 moved, 1 need a look"
		}, Degraded, "11 moved, 1 need a look", "ecideck ops show 1123-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := running()
			c.change(o)
			in := healthy().inputs(1)
			in.Apply(Operations{Items: []*Operation{o}})
			s := Build(in, noon, nil)
			got := attention(s, TopicOperation)
			if len(got) != 1 || got[0].Severity != c.severity || !strings.Contains(got[0].Text, c.text) || !strings.Contains(got[0].Remedy, c.remedy) {
				t.Errorf("%+v", got)
			}
			if len(s.Operations) != 1 {
				t.Errorf("%d operations", len(s.Operations))
			}
		})
	}
	for _, c := range []struct {
		name   string
		change func(*Operation)
	}{
		{"one that is done", func(o *Operation) { o.State, o.Ended = "done", noon }},
		{"one that was taken back", func(o *Operation) { o.State, o.Ended = "aborted", noon }},
		{"one that failed long ago", func(o *Operation) { o.State, o.Ended = "failed", noon.Add(-48*time.Hour) }},
	} {
		t.Run(c.name+" needs nobody", func(t *testing.T) {
			o := running()
			c.change(o)
			in := healthy().inputs(1)
			in.Apply(Operations{Items: []*Operation{o}})
			if got := attention(Build(in, noon, nil), TopicOperation); len(got) != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestOperationsAreInTheTimeline(t *testing.T) {
	in := healthy().inputs(1)
	in.Apply(Events{Items: []*Event{{Time: noon.Add(-time.Minute), Count: 1, Source: "k8s", Reason: "Pulled", Kind: "Pod", Namespace: "shop", Name: "web-0"}}})
	in.Apply(Operations{Events: []*Event{
		{Time: noon.Add(-2 * time.Minute), Count: 1, Source: "ecideck", Reason: "OperationBegan", Kind: KindOperation, Name: "1123-1"},
		{Time: noon, Count: 1, Source: "ecideck", Reason: "MoveDone", Kind: "Pod", Namespace: "shop", Name: "web-0"},
	}})
	s := Build(in, noon, nil)
	var got []string
	for _, e := range s.Events {
		got = append(got, e.Reason)
	}
	if strings.Join(got, " ") != "MoveDone Pulled OperationBegan" || len(s.Timeline) != 3 {
		t.Errorf("%v, %d moments", got, len(s.Timeline))
	}
	if next := Build(in, noon.Add(time.Second), s); &next.Events[0] != &s.Events[0] {
		t.Error("the same events were merged anew")
	}
}

// waiting is a Deployment's pod that no node takes.
func waiting(name string) *Pod {
	p := ecsPod(name)
	p.NodeName, p.Phase, p.Status, p.ReadyContainers = "", "Pending", "Pending", 0
	p.Reason = "0/2 nodes are available: 2 Insufficient cpu."
	p.Workload = Owner{"Deployment", "web"}
	return p
}

func TestABurstAtItsGuardrailNeedsAPerson(t *testing.T) {
	told := func(name string) *Event {
		return &Event{Time: noon.Add(-time.Minute), Count: 1, Source: "k8s", Type: "Warning", Reason: "BurstLimitReached", Kind: "Pod", Namespace: "shop", Name: name, UID: "uid-" + name,
			Message: "Deployment shop/web has 3 pods on ECI by bursting, and its limit is 3: raise its annotation ecideck.io/burst-max-pods, or wait until one ends"}
	}
	w := healthy()
	w.pods = append(w.pods, waiting("web-1"), waiting("web-2"))
	in := w.inputs(1)
	in.Apply(Events{Items: []*Event{told("web-1"), told("web-2"), told("gone")}})
	s := Build(in, noon, nil)
	got := attention(s, TopicBurst)
	if len(got) != 1 || got[0].Severity != Broken || got[0].Count != 2 || got[0].Subject != "shop/web" ||
		got[0].Text != "2 pods held back by a guardrail: Deployment shop/web has 3 pods on ECI by bursting, and its limit is 3" ||
		got[0].Remedy != "raise its annotation ecideck.io/burst-max-pods, or wait until one ends" {
		t.Errorf("%+v", got)
	}
	if stuck := attention(s, TopicStuck); len(stuck) != 0 {
		t.Errorf("it is said twice: %+v", stuck)
	}
	w.pods[len(w.pods)-1] = waiting("web-3") // no guardrail holds this one
	in.Apply(Pods{Items: w.pods})
	s = Build(in, noon, s)
	if got, stuck := attention(s, TopicBurst), attention(s, TopicStuck); len(got) != 1 || got[0].Count != 1 || len(stuck) != 1 {
		t.Errorf("%+v\n%+v", got, stuck)
	}
}

func TestABurstThatLastsIsSaid(t *testing.T) {
	for _, c := range []struct {
		since time.Duration
		want  int
	}{{23 * time.Hour, 0}, {25 * time.Hour, 1}} {
		w := healthy()
		w.pods[0].Burst, w.pods[0].Workload = noon.Add(-c.since), Owner{"Deployment", "web"}
		s := Build(w.inputs(1), noon, nil)
		if got := attention(s, TopicBurst); len(got) != c.want {
			t.Errorf("after %s: %+v", c.since, got)
		}
		if w := s.Workload("shop", "Deployment", "web"); w.BurstPods != 1 || !w.BurstSince.Equal(noon.Add(-c.since)) {
			t.Errorf("%d pods since %v", w.BurstPods, w.BurstSince)
		}
	}
}

func TestStoppedBurstsAreSaid(t *testing.T) {
	in := healthy().inputs(1)
	in.Apply(Bursts{Stopped: true, By: "ann", At: noon.Add(-time.Hour), Reason: "the bill"})
	got := attention(Build(in, noon, nil), TopicBurst)
	if len(got) != 1 || got[0].Text != "ann stopped them: nothing new bursts to ECI, but for pods marked at-creation (the bill)" || !got[0].Since.Equal(noon.Add(-time.Hour)) {
		t.Errorf("%+v", got)
	}
}

func TestASpotGroupTakenBackIsSaidForAnHour(t *testing.T) {
	for _, c := range []struct {
		owner    Owner
		ago      time.Duration
		severity Severity
		said     bool
	}{
		{Owner{"Deployment", "web"}, time.Minute, Degraded, true},
		{Owner{}, time.Minute, Broken, true},
		{Owner{"Deployment", "web"}, 2 * time.Hour, 0, false},
	} {
		w := healthy()
		p := w.pods[0]
		p.Phase, p.Status, p.Reason, p.Changed, p.Workload = "Failed", "BidFailed", "BidFailed: released", noon.Add(-c.ago), c.owner
		w.groups[0].Status, w.groups[0].Ended = "Expired", noon.Add(-c.ago)
		got := attention(Build(w.inputs(1), noon, nil), TopicNotice)
		if (len(got) == 1) != c.said || c.said && (got[0].Severity != c.severity || got[0].Target.Name != "web-0") {
			t.Errorf("%+v after %s: %+v", c.owner, c.ago, got)
		}
	}
}
