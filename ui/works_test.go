package ui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/view"
)

// A crew is an Operator that writes down what it is asked for, plans something that looks
// like it, and runs until it is told to end.
type crew struct {
	fail error         // of plans
	hold chan struct{} // plans wait for it; nil: they don't
	end  chan error    // ends what runs; nil: it ends at once
	told bool          // an abort is only asked for
	over *Progress     // what is reported of what ends by an error; nil: nothing

	mu     sync.Mutex
	orders []Order
	ran    []Order
	left   []string  // how runs and plans ended that were cancelled
	read   *Progress // what Progress gives; nil: the sample
}

func (c *crew) note(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *crew) asked() (orders, ran []Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.orders), slices.Clone(c.ran)
}

// until waits until so many plans were run.
func (c *crew) until(t *testing.T, n int) []Order {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, ran := c.asked(); len(ran) >= n {
			return ran
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%d plans did not run", n)
		}
	}
}

func (c *crew) Plan(ctx context.Context, o Order) (*Plan, error) {
	c.note(func() { c.orders = append(c.orders, o) })
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			c.note(func() { c.left = append(c.left, "plan") })
			return nil, ctx.Err()
		}
	}
	if c.fail != nil {
		return nil, c.fail
	}
	p := &Plan{Order: o, Title: string(o.Verb) + " " + o.Operation, Commands: []string{"kubectl " + string(o.Verb)}}
	for _, t := range o.Targets {
		p.Title += t.Name
		p.Moves = append(p.Moves, view.Move{Name: t.Name, How: string(o.Verb), Why: "it was asked for"})
	}
	switch o.Verb {
	case view.Migrate:
		samplePlan(p)
	case view.Drain:
		samplePlan(p)
		p.Title, p.Confirm, p.Danger = "drain node ecs-07 to "+o.To, "ecs-07", "it empties node ecs-07"
	case view.Resume, view.Abort, view.Undo:
		p.ID = o.Operation
		switch {
		case o.Verb == view.Undo:
			p.ID = "1123-031500-undo"
		case o.Verb == view.Abort && c.told:
			p.ID = ""
		}
	}
	return p, nil
}

// samplePlan is what a migration says: one that moves, one that stays, findings of all levels.
func samplePlan(p *Plan) {
	budget := view.Check{Name: "budget", Level: view.Warns, Reason: "budget search allows 0 disruptions now: the surge pod comes first, then 1"}
	p.ID, p.Title, p.Manner = "1123-031200-ab12", "migrate 3 pods of shop to "+strings.ToUpper(p.To), "make before break"
	cny := func(micros int64) money.Rate { return money.PerHour(micros, money.CNY) }
	how := "swap"
	if p.How != "" {
		how = p.How
	}
	p.Moves = []view.Move{
		{Name: "shop/search-5c4b9d7f88-77tqn", From: "ecs-07", To: "eci-cn-hangzhou", How: how, Why: "a surge pod is Ready before it is evicted", Size: "4c 8Gi billed (asked 3.5c 7Gi)",
			Before: cny(0), After: cny(706_000), Share: cny(612_000), Checks: []view.Check{budget,
				{Name: "spread", Level: view.Warns, Reason: "it must be spread over hosts, and ECI counts as one more", Remedy: "make the constraint ScheduleAnyway"}}},
		{Name: "shop/search-5c4b9d7f88-wq8rr", To: "eci-cn-hangzhou", How: "place", Why: "it has no node: it is let onto ECI as it is, and nothing is disrupted", Size: "4c 8Gi billed (asked 3.5c 7Gi)", Before: cny(0), After: cny(706_000),
			Checks: []view.Check{budget, {Name: "size", Level: view.Tells, Reason: "asked 3.5c 7Gi, billed 4c 8Gi"}}},
		{Name: "shop/checkout-7d9f8b6c5-x2k4q", From: "eci-cn-hangzhou", Stays: true, Why: "it runs on ECI already"},
	}
	p.Checks = []view.Check{{Name: "stock", Level: view.Warns, Reason: "ECI lacked stock 6m ago", Remedy: "it is tried; nothing is disrupted if it lacks again"}}
	p.Budgets = []string{"shop/search: 1 healthy, 1 needed, 0 disruptions allowed"}
	p.Cost = &view.PlanCost{Before: []money.Rate{cny(441_072)}, After: []money.Rate{cny(1_853_072)}, Share: []money.Rate{cny(612_000)}}
	for _, name := range []string{"owner", "services", "size", "taints", "volumes", "quota", "rights"} {
		p.Looked = append(p.Looked, view.Looked{Name: name, Level: view.Tells})
	}
	for _, name := range []string{"budget", "spread", "stock"} {
		p.Looked = append(p.Looked, view.Looked{Name: name, Level: view.Warns})
	}
	p.Ways = []view.Way{{How: "restart", Text: "restart"}}
	if p.How != "" {
		p.Ways = []view.Way{{How: "", Text: "swap"}}
	}
	p.Time, p.Undo = "about 50s, the first of a workload is watched for 60s", "z once it has ended; x before that takes back what still can be"
	p.Commands = []string{"kubectl -n shop get pods"}
}

func (c *crew) Run(ctx context.Context, p *Plan, report func(*Progress)) error {
	c.note(func() { c.ran = append(c.ran, p.Order) })
	if p.ID != "" {
		report(sampleProgress(p.ID, false))
	}
	if c.end != nil {
		select {
		case err := <-c.end:
			if err != nil {
				if c.over != nil {
					report(c.over)
				}
				return err
			}
		case <-ctx.Done():
			c.note(func() { c.left = append(c.left, "run") })
			return ctx.Err()
		}
	}
	if p.ID != "" {
		report(sampleProgress(p.ID, true))
	}
	return nil
}

func (c *crew) Progress(_ context.Context, id string) (*Progress, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read != nil {
		return c.read, nil
	}
	if id == "1123-025800-cut0" {
		p := sampleProgress(id, false)
		p.Title, p.Alone, p.State, p.Runner, p.Waits = "drain node/ecs-07", true, "running", "ops@bastion/4711", ""
		return p, nil
	}
	return sampleProgress(id, true), nil
}

func sampleProgress(id string, over bool) *Progress {
	at := func(seconds int) time.Time { return sampleNow().Add(time.Duration(seconds-90) * time.Second) }
	p := &Progress{ID: id, Title: "migrate pod/search-5c4b9d7f88-77tqn in shop", To: "eci", State: "running", By: "ops", Runner: "ops@bastion/4711", Began: at(0),
		Waits: "budget search allows no disruption: tried again in 5s",
		Items: []view.Item{
			{Name: "shop/search-5c4b9d7f88-77tqn", From: "ecs-07", To: "eci-cn-hangzhou", How: "swap", State: "evicting", Began: at(1), Steps: []view.Step{
				{At: at(1), Text: "create pod/ecideck-ab12-1 in shop", Answer: "ok", Command: "kubectl -n shop create -f surge.yaml"},
				{At: at(40), Text: "evict pod/search-5c4b9d7f88-77tqn in shop", Times: 3, Answer: "429 Too Many Requests", Command: "kubectl create --raw …/eviction -f -"}}},
			{Name: "shop/search-5c4b9d7f88-wq8rr", To: "eci-cn-hangzhou", How: "place", State: "planned"},
			{Name: "shop/checkout-7d9f8b6c5-x2k4q", State: "stays", Stays: true, Over: true, Reason: "it runs on ECI already"},
		}}
	if over {
		p.State, p.Reason, p.Over, p.Ended = "done", "2 moved, 1 stay", true, at(80)
		for i := range p.Items[:2] {
			x := &p.Items[i]
			x.State, x.Over, x.Began, x.Ended = "done", true, at(1), at(60+10*i)
			x.Steps = append(x.Steps, view.Step{At: at(50 + i), Text: "evict " + x.Name, Answer: "ok", Command: "kubectl create --raw …/eviction -f -"})
		}
	}
	return p
}

// busySample is the sample with operations: one that was cut off, one that runs, past ones.
func busySample() *fleet.Snapshot {
	w := sampleWorld()
	ago := func(d time.Duration) time.Time { return sampleNow().Add(-d) }
	w.in.Apply(fleet.Operations{Items: []*fleet.Operation{
		{ID: "1123-031000-run1", Kind: "migrate", Target: "deployment/checkout in shop", To: "eci", Namespace: "shop", State: "running", Message: "checkout-7d9f-1 evicting: budget checkout allows no disruption",
			Done: 3, Total: 8, By: "eve", Runner: "eve@bastion-2/99", Began: ago(2 * time.Minute), Changed: ago(5 * time.Second)},
		{ID: "1123-025800-cut0", Kind: "drain", Target: "node/ecs-07", To: "eci", Namespace: "kube-system", State: "running", Done: 9, Total: 30, By: "ops", Runner: "ops@bastion/4711",
			Began: ago(14 * time.Minute), Changed: ago(11 * time.Minute), Resumable: true},
		{ID: "1122-220000-good", Kind: "migrate", Target: "pod/web-1 in shop", To: "eci", Namespace: "shop", State: "done", Message: "1 moved", Done: 1, Total: 1, By: "ops",
			Began: ago(5 * time.Hour), Ended: ago(5*time.Hour - 50*time.Second), Changed: ago(5*time.Hour - 50*time.Second)},
		{ID: "1122-210000-bad0", Kind: "migrate", Target: "deployment/web in shop", To: "eci", Namespace: "shop", State: "failed", Message: "2 moved, 1 need a look", Done: 2, Failed: 1, Total: 3, By: "ops",
			Began: ago(6 * time.Hour), Ended: ago(6*time.Hour - 4*time.Minute), Changed: ago(6*time.Hour - 4*time.Minute)},
	}})
	w.in.Sources = append(w.in.Sources, fleet.Source{Name: "operations", Read: ago(2 * time.Second), Every: 5 * time.Second, Quiet: true})
	return w.build()
}

// staffed is open with a crew.
func staffed(t *testing.T, c *crew, s *fleet.Snapshot, change func(*Options)) *desk {
	t.Helper()
	return open(t, 80, 24, s, func(o *Options) {
		o.Operator = c
		if change != nil {
			change(o)
		}
	})
}

// TestKeysOrderWhatTheySay presses each key that changes something, once with what it needs
// typed and once in a read-only console.
func TestKeysOrderWhatTheySay(t *testing.T) {
	pod := func(name string) fleet.Ref {
		return fleet.Ref{Kind: "Pod", Namespace: "shop", Name: name, UID: "uid-shop-" + name}
	}
	node := func(name string) fleet.Ref { return fleet.Ref{Kind: "Node", Name: name, UID: "uid-" + name} }
	for _, key := range []struct {
		name  string
		press []string // to the plan; what is longer than a key is typed
		word  string   // to be typed; "": Enter is enough
		want  Order
	}{
		{"m on a pod of a real node goes to ECI", []string{"/", "=search 77tqn", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{pod("search-5c4b9d7f88-77tqn")}}},
		{"m on a pod of ECI goes home", []string{"/", "=x2k4q", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "ecs", Targets: []fleet.Ref{pod("checkout-7d9f8b6c5-x2k4q")}}},
		{"Tab turns the direction", []string{"/", "=x2k4q", "Enter", "m", "Tab"}, "", Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{pod("checkout-7d9f8b6c5-x2k4q")}}},
		{"m on a pod that the cloud takes goes to another group", []string{"/", "=ledger-2", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "anew", Targets: []fleet.Ref{{Kind: "Pod", Namespace: "pay", Name: "ledger-2", UID: "uid-pay-ledger-2"}}}},
		{"h takes another strategy", []string{"/", "=search 77tqn", "Enter", "m", "h"}, "", Order{Verb: view.Migrate, To: "eci", How: "restart", Targets: []fleet.Ref{pod("search-5c4b9d7f88-77tqn")}}},
		{"h again takes the first one", []string{"/", "=search 77tqn", "Enter", "m", "h", "h"}, "", Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{pod("search-5c4b9d7f88-77tqn")}}},
		{"Tab brings it home", []string{"/", "=ledger-2", "Enter", "m", "Tab"}, "", Order{Verb: view.Migrate, To: "ecs", Targets: []fleet.Ref{{Kind: "Pod", Namespace: "pay", Name: "ledger-2", UID: "uid-pay-ledger-2"}}}},
		{"m on marked pods takes all", []string{"/", "=search", "Enter", "Space", "Space", "m"}, "", Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{pod("search-5c4b9d7f88-77tqn"), pod("search-5c4b9d7f88-wq8rr")}}},
		{"m on a group means its pod", []string{"3", "/", "=bp1a000002", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "ecs", Targets: []fleet.Ref{pod("checkout-7d9f8b6c5-x2k4q")}}},
		{"m on a workload", []string{"5", "/", "=search", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{{Kind: "Deployment", Namespace: "shop", Name: "search", UID: "uid-shop-search"}}}},
		{"m on a node", []string{"4", "/", "=ecs-07", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{node("ecs-07")}}},
		{"m on a virtual node brings home", []string{"4", "/", "=eci", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "ecs", Targets: []fleet.Ref{node("eci-cn-hangzhou")}}},
		{"m on a namespace", []string{"8", "/", "=shop", "Enter", "m"}, "", Order{Verb: view.Migrate, To: "eci", Targets: []fleet.Ref{{Kind: "Namespace", Name: "shop"}}}},
		{"r on a node drains it", []string{"4", "/", "=ecs-07", "Enter", "r"}, "ecs-07", Order{Verb: view.Drain, To: "away", Targets: []fleet.Ref{node("ecs-07")}}},
		{"r and Tab drain a node to ECI", []string{"4", "/", "=ecs-07", "Enter", "r", "Tab"}, "ecs-07", Order{Verb: view.Drain, To: "eci", Targets: []fleet.Ref{node("ecs-07")}}},
		{"r on a workload restarts it", []string{"5", "/", "=search", "Enter", "r"}, "", Order{Verb: view.Restart, Targets: []fleet.Ref{{Kind: "Deployment", Namespace: "shop", Name: "search", UID: "uid-shop-search"}}}},
		{"c on a node cordons it", []string{"4", "/", "=ecs-07", "Enter", "c"}, "", Order{Verb: view.Cordon, Targets: []fleet.Ref{node("ecs-07")}}},
		{"u on a node uncordons it", []string{"4", "/", "=ecs-08", "Enter", "u"}, "", Order{Verb: view.Uncordon, Targets: []fleet.Ref{node("ecs-08")}}},
		{"x anywhere aborts the newest that runs", []string{"x"}, "", Order{Verb: view.Abort, Operation: "1123-031000-run1"}},
		{"z anywhere undoes the newest that ended", []string{"z"}, "", Order{Verb: view.Undo, Operation: "1122-220000-good"}},
		{"x on an operation aborts that one", []string{"9", "/", "=drain", "Enter", "x"}, "", Order{Verb: view.Abort, Operation: "1123-025800-cut0"}},
		{"r on an operation resumes it", []string{"9", "/", "=drain", "Enter", "r"}, "", Order{Verb: view.Resume, Operation: "1123-025800-cut0"}},
		{"z on an operation undoes that one", []string{"9", "/", "=failed", "Enter", "z"}, "", Order{Verb: view.Undo, Operation: "1122-210000-bad0"}},
		{"r on the overview resumes", []string{"1", "/", "=drain", "Enter", "r"}, "", Order{Verb: view.Resume, Operation: "1123-025800-cut0"}},
		{"x on the overview aborts that one", []string{"1", "/", "=drain", "Enter", "x"}, "", Order{Verb: view.Abort, Operation: "1123-025800-cut0"}},
	} {
		for _, readOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, read-only %t", key.name, readOnly), func(t *testing.T) {
				c := &crew{}
				d := staffed(t, c, busySample(), func(o *Options) { o.ReadOnly = readOnly })
				for _, k := range key.press {
					if text, typed := strings.CutPrefix(k, "="); typed {
						d.Type(text)
					} else {
						if k == "Tab" || k == "h" { // the plan before has come
							d.Miss("planning…")
						}
						d.Press(k)
					}
				}
				if readOnly {
					d.See("Read-only")
				} else {
					d.See("Esc leaves it")
					d.Miss("planning…")
				}
				orders, _ := c.asked()
				if diff := cmp.Diff(key.want, orders[len(orders)-1]); diff != "" {
					t.Errorf("what was ordered (-want +got):\n%s", diff)
				}
				d.Press("Enter")
				if key.word != "" && !readOnly {
					d.Type("no")
					d.Press("Enter")
					d.See("that is not " + key.word)
					if _, ran := c.asked(); len(ran) != 0 {
						t.Errorf("ran without the name: %v", ran)
					}
					d.Press("Backspace", "Backspace")
					d.Type(key.word)
					d.Press("Enter")
				}
				if readOnly {
					d.See("read-only (:readonly turns it off)")
					if _, ran := c.asked(); len(ran) != 0 {
						t.Errorf("ran in a read-only console: %v", ran)
					}
					return
				}
				d.Miss("Plan: ")
				ran := c.until(t, 1)
				if diff := cmp.Diff([]Order{key.want}, ran); diff != "" {
					t.Errorf("what ran (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestWithoutAnOperatorNothingIsChanged(t *testing.T) {
	d := open(t, 80, 24, busySample(), func(o *Options) { o.Operator = nil })
	for _, key := range []string{"m", "x", "z"} {
		d.Press(key)
		d.See("without a way to change anything")
	}
}

func TestMarkedRowsThatAFilterHidesAreNamed(t *testing.T) {
	c := &crew{}
	d := staffed(t, c, sample(), nil)
	d.Press("/")
	d.Type("search")
	d.Press("Enter", "Space", "Space", "/", "Ctrl-U")
	d.Type("checkout")
	d.Press("Enter", "Space", "m")
	d.See("! 2 of the 3 marked are hidden by the filter, and part of it:")
	d.See("shop/search-5c4b9d7f88-77tqn")
	d.See("Enter runs it")
	if orders, _ := c.asked(); len(orders) != 1 || len(orders[0].Targets) != 3 {
		t.Errorf("ordered: %v", orders)
	}
}

func TestEscCancelsAPlanAndAnswersAtOnce(t *testing.T) {
	c := &crew{hold: make(chan struct{})}
	d := staffed(t, c, sample(), nil)
	d.Press("j", "j", "m")
	d.See("planning…")
	d.Press("Enter") // typed ahead: nothing runs that nobody saw
	d.See("it is still planned")
	d.Press("Esc")
	d.See("READY")
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		left := slices.Clone(c.left)
		c.mu.Unlock()
		if len(left) == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the plan was not cancelled")
		}
	}
}

func TestAPlanThatCannotBeMadeSaysWhy(t *testing.T) {
	d := staffed(t, &crew{fail: errors.New("reading deployment/web: forbidden: you may not get deployments")}, sample(), nil)
	d.Press("j", "j", "m")
	d.See("There is no plan: reading deployment/web: forbidden")
	d.Press("Enter")
	d.See("there is no plan")
}

func TestAnOldPlanIsMadeAgain(t *testing.T) {
	c := &crew{}
	d := staffed(t, c, sample(), nil)
	d.Press("j", "j", "m")
	d.See("Enter runs it")
	d.Do(func() { d.clock.Add(180) })
	d.Press("Enter")
	d.See("the plan was 3m old")
	d.See("Enter runs it")
	orders, ran := c.asked()
	if len(orders) != 2 || len(ran) != 0 {
		t.Errorf("%d plans, %d ran", len(orders), len(ran))
	}
	d.Press("Enter")
	d.See("Operation 1123-031200-ab12")
}

// TestAPlanThatGrowsOldWhileItsNameIsTypedIsMadeAgain: a prompt may stand open overnight.
func TestAPlanThatGrowsOldWhileItsNameIsTypedIsMadeAgain(t *testing.T) {
	c := &crew{}
	d := staffed(t, c, busySample(), nil)
	d.Press("4", "/")
	d.Type("ecs-07")
	d.Press("Enter", "r")
	d.See("Enter, then type ecs-07")
	d.Press("Enter")
	d.Type("ecs-07")
	d.Do(func() { d.clock.Add(180) })
	d.Press("Enter")
	d.See("the plan was 3m old")
	d.See("Enter, then type ecs-07") // the second one is there
	orders, ran := c.asked()
	if len(orders) != 2 || len(ran) != 0 {
		t.Errorf("%d plans, %d ran", len(orders), len(ran))
	}
	d.See("it is made again; look at it, then Enter")
	d.Press("Enter")
	d.Type("ecs-07")
	d.Press("Enter")
	if ran := c.until(t, 1); len(ran) != 1 {
		t.Errorf("%d ran", len(ran))
	}
}

func TestAnOperationGoesOnWhenItsViewIsLeft(t *testing.T) {
	c := &crew{end: make(chan error, 1)}
	d := begun(t, c, sample())
	d.See("evict pod/search-5c4b9d7f88-77tqn in shop (3 times): 429 Too\n")
	d.Press("Esc")
	d.See("READY")
	d.Press("q")
	d.See("this console runs: migrate 3 pods of shop to ECI")
	d.Press("j") // another key: nothing was meant
	d.Press("q")
	d.See("Again quits")
	d.Press("k")
	c.end <- nil
	d.See("migrate 3 pods of shop to ECI (1123-031200-ab12) is done: 2 moved, 1 stay")
	d.Press("!")
	d.See("kubectl create --raw …/eviction")
	d.Press("Esc", "q")
	if err := d.wait(t); err != nil {
		t.Error(err)
	}
}

func TestWhatFailsStaysUntilItIsRead(t *testing.T) {
	c := &crew{end: make(chan error, 1)}
	d := staffed(t, c, sample(), nil)
	d.Press("4", "/")
	d.Type("ecs-07")
	d.Press("Enter", "c")
	d.See("Enter runs it")
	d.Press("Enter")
	d.See("it runs… Esc cancels")
	c.end <- errors.New("cordoning node ecs-07: forbidden")
	d.See("It failed: cordoning node ecs-07: forbidden")
	d.Press("Esc", "j", "k")
	d.See("unread error: cordon ecs-07: cordoning node ecs-07: forbidden")
	d.Press("!")
	d.See("! cordon ecs-07: cordoning")
	d.Press("Esc")
	d.Miss("unread error")
}

func TestEscCancelsASingleWrite(t *testing.T) {
	c := &crew{end: make(chan error)}
	d := staffed(t, c, sample(), nil)
	d.Press("4", "/")
	d.Type("ecs-07")
	d.Press("Enter", "c")
	d.See("Enter runs it")
	d.Press("Enter")
	d.See("it runs…")
	d.Press("Esc")
	d.See("unread error: cordon ecs-07: context canceled")
}

func TestUnfinishedOperationsAreSaidAtTheStart(t *testing.T) {
	d := open(t, 120, 40, busySample(), func(o *Options) { o.Operator = &crew{} })
	d.See("unfinished: migrate deployment/checkout in shop by eve is running, 3 of 8 pods moved, begun 2m ago; and 1 more: 9")
	d.Press("!")
	d.See("unfinished: drain node/ecs-07 by ops was cut off, 9 of 30 pods moved")
}

func TestReadOnlyIsTurnedOffByTyping(t *testing.T) {
	var told []bool
	d := staffed(t, &crew{}, sample(), func(o *Options) {
		o.ReadOnly, o.Production = true, true
		o.SetReadOnly = func(on bool) { told = append(told, on) }
	})
	d.See("prod-hz ▲PROD")
	turn := func() {
		d.Press(":")
		d.Type("readonly")
		d.Press("Enter")
	}
	turn()
	d.Type("yes")
	d.Press("Enter")
	d.See("that is not prod-hz")
	d.Press("Ctrl-U")
	d.Type("prod-hz")
	d.Press("Enter")
	d.See("changes are allowed")
	turn()
	d.See("nothing is changed from here")
	d.Do(func() {
		if !slices.Equal(told, []bool{false, true}) {
			t.Errorf("told: %v", told)
		}
	})
}

// TestReadOnlyWaitsForWhatRunsHere: an operation whose writes are refused halfway would take the
// API server for dead.
func TestReadOnlyWaitsForWhatRunsHere(t *testing.T) {
	var told []bool
	c := &crew{end: make(chan error)}
	d := staffed(t, c, sample(), func(o *Options) { o.SetReadOnly = func(on bool) { told = append(told, on) } })
	turn := func() {
		d.Press(":")
		d.Type("readonly")
		d.Press("Enter")
	}
	d.Press("2", "m")
	d.See("Enter runs it")
	d.Press("Enter")
	d.See("1123-031200-ab12")
	turn()
	d.See("read-only stays off while this console runs: ")
	d.See("stops it first")
	c.end <- nil
	d.See("is done")
	turn()
	d.See("nothing is changed from here")
	d.Do(func() {
		if !slices.Equal(told, []bool{true}) {
			t.Errorf("told: %v", told)
		}
	})
}

// begun presses m and Enter on a pod.
func begun(t *testing.T, c *crew, s *fleet.Snapshot) *desk {
	d := staffed(t, c, s, nil)
	d.Press("j", "j", "m")
	d.See("Enter runs it")
	d.Press("Enter")
	d.See("this console runs it")
	return d
}

// TestWhatStoppedHalfwayIsReadAnew: what this console knew of it grows old once it runs it no more.
func TestWhatStoppedHalfwayIsReadAnew(t *testing.T) {
	stopped := sampleProgress("1123-031200-ab12", false)
	stopped.State, stopped.Alone, stopped.Waits = "interrupted", true, ""
	c := &crew{end: make(chan error, 1), read: stopped}
	d := begun(t, c, sample())
	c.end <- errors.New("it stopped halfway: the lease is another's")
	d.See("nobody is at work on it")
	d.See("r goes on · x goes back")
	d.Press("r")
	d.See("Plan: resume operation 1123-031200-ab12")
	d.Press("Esc")
	c.note(func() { c.read = sampleProgress("1123-031200-ab12", true) }) // on another machine
	d.See("z undoes it")
}

// TestWhatWasNotBegunIsSaidToBe: it does not run, and there is nothing to abort.
func TestWhatWasNotBegunIsSaidToBe(t *testing.T) {
	none := sampleProgress("1123-031200-ab12", false)
	none.State, none.Reason, none.Over, none.Began = "not begun", "it was not begun: operation y of eve is at work on it", true, time.Time{}
	c := &crew{end: make(chan error, 1), over: none}
	d := begun(t, c, busySample())
	c.end <- errors.New("operation y of eve is at work on it")
	d.See("not begun, 0 of 2 moved")
	d.See("it was not begun: operation y of eve")
	d.Miss("runs it")
	d.Miss("x takes back")
	d.Press("x")
	d.See("it has ended")
	d.Press("Esc", "x") // elsewhere it is another one's turn
	d.See("Plan: abort operation 1123-031000-run1")
}

// TestXMeansWhatThisConsoleRuns, which the snapshot doesn't know yet, before what others began.
func TestXMeansWhatThisConsoleRuns(t *testing.T) {
	c := &crew{end: make(chan error, 1)}
	later := busySample()
	later.Operations[0].Began = sampleNow().Add(time.Minute) // another machine's clock
	d := begun(t, c, later)
	d.Press("Esc", "x")
	d.See("Plan: abort operation 1123-031200-ab12")
	d.Press("Esc")
	c.end <- nil
	d.See("is done: 2 moved")
	d.Press("x")
	d.See("Plan: abort operation 1123-031000-run1")
	d.Press("Esc", "z") // nor does it know that it has ended
	d.See("Plan: undo operation 1123-031200-ab12")
}

// TestZMeansWhatIsNotTakenBackYet: an undo that failed or was aborted took nothing back for good.
func TestZMeansWhatIsNotTakenBackYet(t *testing.T) {
	for _, c := range []struct{ state, says string }{
		{"done", "Plan: undo operation 1122-210000-bad0"},
		{"failed", "Plan: undo operation 1122-220000-good"},
		{"aborted", "Plan: undo operation 1122-220000-good"},
		{"running", "operation 1123-000000-back takes the newest back and has not ended: x"},
		{"interrupted", "operation 1123-000000-back takes the newest back and has not ended: x"},
	} {
		t.Run(c.state, func(t *testing.T) {
			s := busySample()
			back := &fleet.Operation{ID: "1123-000000-back", Kind: "undo", Undoes: "1122-220000-good", State: c.state, Done: 1, Total: 2, Began: sampleNow().Add(-time.Hour)}
			s.Operations = slices.Insert(s.Operations, 2, back)
			d := staffed(t, &crew{}, s, nil)
			d.Press("z")
			d.See(c.says)
		})
	}
}

// TestAnAbortThatWasAskedForIsNotDone: whoever runs the operation takes minutes for it.
func TestAnAbortThatWasAskedForIsNotDone(t *testing.T) {
	c := &crew{told: true}
	d := staffed(t, c, busySample(), nil)
	d.Press("x")
	d.See("Enter runs it")
	d.Press("Enter")
	d.See("abort 1123-031000-run1: asked for; what can still go back does")
	d.Miss(": done")
}
