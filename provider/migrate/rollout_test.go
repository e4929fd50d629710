package migrate

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rolling3 is a rollout of three pods whose template is set, and two of whose pods are new.
func rolling3(recreate bool) (*Item, *rolloutView) {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api"}, Spec: appsv1.DeploymentSpec{Replicas: ptr(int32(3)), Template: podTemplate("api")}}
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: intOf(1), MaxSurge: intOf(1)}}
	if recreate {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	x := &Item{Strategy: Rollout, State: Changed, Workload: Ref{Kind: "Deployment", Namespace: "shop", Name: "api"}, Change: rolloutChange(d, onto(&d.Spec.Template.Spec, healthy().Virtual[0])), Steps: []Step{{Verb: "change"}}}
	v := &rolloutView{d: d.DeepCopy()}
	v.set(x.Change.During)
	v.d.Status = appsv1.DeploymentStatus{Replicas: 4, UpdatedReplicas: 2, AvailableReplicas: 4}
	return x, v
}

// set makes a Deployment's fields what a step made them.
func (v *rolloutView) set(f Fields) {
	s := &v.d.Spec.Template.Spec
	s.Tolerations, s.NodeSelector, s.Affinity, v.d.Spec.Strategy = f.Tolerations, f.NodeSelector, f.Affinity, *f.Deployment
}

func TestDecideRollout(t *testing.T) {
	over := func(v *rolloutView) {
		v.d.Status = appsv1.DeploymentStatus{Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3}
	}
	back := func(x *Item, v *rolloutView) {
		x.State, x.Reason = Reverting, "why"+wayBack+"what it waited for"
		f := x.Change.Before
		f.Deployment = x.Change.During.Deployment
		v.set(f)
	}
	const resume = "kubectl -n shop rollout resume deployment/api"
	for _, c := range []struct {
		name     string
		recreate bool
		change   func(*Item, *rolloutView)
		want     verb
		state    State
		says     string
		not      string
	}{
		{"on its way", false, nil, wait, "", "2 of 3 pods are new", "paused"},
		{"paused", false, func(_ *Item, v *rolloutView) { v.d.Spec.Paused = true }, wait, "", resume, ""},
		{"paused for long", false, func(_ *Item, v *rolloutView) { v.d.Spec.Paused, v.still = true, time.Hour }, revert, "", resume, ""},
		{"paused when all is done", false, func(_ *Item, v *rolloutView) { v.d.Spec.Paused = true; over(v) }, restore, "", "", "paused"},
		{"on its way back", false, back, wait, "", "2 of 3 pods are new", "paused"},
		{"on its way back, and paused", false, func(x *Item, v *rolloutView) { back(x, v); v.d.Spec.Paused = true }, wait, "", resume, ""},
		{"on its way back, and paused for long", false, func(x *Item, v *rolloutView) { back(x, v); v.d.Spec.Paused, v.still = true, time.Hour }, end, Failed, resume, "no pod was missing"},
		{"that, and its strategy is not its own", false, func(x *Item, v *rolloutView) { back(x, v); v.d.Spec.Paused, v.still = true, time.Hour }, end, Failed, "maxUnavailable 1, maxSurge 1", ""},
		{"that, and its strategy is", false, func(x *Item, v *rolloutView) {
			back(x, v)
			v.set(x.Change.Before)
			v.d.Spec.Paused, v.still = true, time.Hour
		}, end, Failed, "why", "maxSurge"},
		{"on its way back, which does not move", false, func(x *Item, v *rolloutView) { back(x, v); v.still = time.Hour }, end, Failed, "2 of 3 pods are new", "paused"},
		{"back", false, func(x *Item, v *rolloutView) { back(x, v); v.set(x.Change.Before); over(v) }, end, Aborted, "why; the template is as before, and no pod was missing", ""},
		{"back, where all ended first", true, func(x *Item, v *rolloutView) { back(x, v); over(v) }, end, Aborted, "strategy Recreate", "no pod was missing"},
		{"aborted before anything was changed, where all would end first", true, func(x *Item, v *rolloutView) {
			x.State, x.Steps, v.aborting = Changing, nil, true
			v.set(x.Change.Before)
			over(v)
		}, end, Aborted, "as before", "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, v := rolling3(c.recreate)
			if c.change != nil {
				c.change(x, v)
			}
			a := decideRollout(x, *v)
			if a.verb != c.want || a.state != c.state || !strings.Contains(a.reason, c.says) || c.not != "" && strings.Contains(a.reason, c.not) {
				t.Errorf("got %d %s %q, want %d %s %q", a.verb, a.state, a.reason, c.want, c.state, c.says)
			}
		})
	}
}

// Somebody pauses the Deployment while it rolls out, and forgets it.
func TestARolloutOfAPausedDeploymentComesToAnEnd(t *testing.T) {
	y := ways()[0]
	synctest.Test(t, func(t *testing.T) {
		w, o, least := y.begin(t)
		defer func() { w.stop() }()
		pause := func(paused bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			d := stored[*appsv1.Deployment](w, deploymentsResource, "api")
			d.Spec.Paused = paused
			d.Generation++
			w.update2(deploymentsResource, d, d)
		}
		done := make(chan *Operation, 1)
		go func() {
			got, err := (&Engine{Client: w.api, Holder: "a"}).Run(t.Context(), o)
			if err != nil {
				t.Error(err)
			}
			done <- got
		}()
		w.until("it rolls out", func() bool { return len(w.where("api")) > 3 })
		pause(true)
		begin := time.Now()
		got := <-done
		if took := time.Since(begin); got.State != Failed || took > 2*stillDeadline+2*time.Minute || !strings.Contains(got.Plan.Items[0].Reason, "rollout resume") {
			t.Errorf("after %s %s: %s", took, got.State, got.Plan.Items[0].Reason)
		}
		pause(false)
		time.Sleep(time.Minute)
		for name, node := range w.where("api") {
			if node != realNode {
				t.Errorf("%s is on %s", name, node)
			}
		}
		if n := least(); n < 3 {
			t.Errorf("%d were Ready at one time", n)
		}
	})
}
