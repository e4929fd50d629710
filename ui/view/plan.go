package view

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
)

// planTimeout ends a plan that nobody answers.
const planTimeout = time.Minute

// PlanLasts is how old a plan may be that is run: the cluster goes on meanwhile.
const PlanLasts = 2 * time.Minute

// A PlanPanel shows what would happen, before anything does; Enter runs it.
type PlanPanel struct {
	env    *Env
	order  Order
	asked  []keymap.Object // what was selected
	hidden []keymap.Object // of asked, what a filter hides
	left   []string        // of asked, what can't be part of it, with the reason
	body   *scroll
	opened bool
	taken  bool            // the cloud announced that it takes the groups of all of it
	all    bool            // every check, and the commands
	seen   map[string]bool // the strategies that had their turn, by the Order's How
	read   func()
	stop   func() // interrupts what runs; nil: nothing does
	failed error  // how it ended
	ended  bool   // without an error

	mu     sync.Mutex
	turn   int // counts the plans that were asked for
	plan   *Plan
	err    error
	made   time.Time // when plan or err came
	closed bool
}

// NewPlan plans an order for what is selected. To "" is the way that suits what is selected.
func NewPlan(env *Env, verb Verb, s keymap.Selection) *PlanPanel {
	p := &PlanPanel{env: env, order: Order{Verb: verb}, asked: s.Objects(), hidden: s.Hidden}
	if len(s.Marked) == 0 {
		p.hidden = nil
	}
	p.body = newScroll(env.Theme, p.lines)
	return p
}

// PlanOn plans to resume, abort or undo an operation.
func PlanOn(env *Env, verb Verb, id string) *PlanPanel {
	p := NewPlan(env, verb, keymap.Selection{})
	p.order.Operation = id
	return p
}

// Title says what is planned.
func (p *PlanPanel) Title() string {
	what := "operation " + p.order.Operation
	if n := len(p.asked); n == 1 {
		what = label(p.asked[0])
	} else if n > 1 {
		what = fmt.Sprintf("%d %ss", n, strings.ToLower(p.asked[0].Kind))
	}
	return "Plan: " + string(p.order.Verb) + " " + what
}

// Primitive is the panel.
func (p *PlanPanel) Primitive() tview.Primitive { return p.body }

// Aged reports whether a text changed only because time passed.
func (p *PlanPanel) Aged() bool { return p.body.aged() }

// Summary says which lines are on screen, where not all are.
func (p *PlanPanel) Summary() string {
	if p.body.rows <= p.body.height {
		return ""
	}
	return fmt.Sprintf("%d-%d of %d (j, Space)", p.body.top+1, min(p.body.rows, p.body.top+p.body.height), p.body.rows)
}

// Show plans, the first time.
func (p *PlanPanel) Show(s *fleet.Snapshot) {
	if p.opened {
		return
	}
	p.opened = true
	if p.order.Operation == "" {
		p.order.Targets, p.left = resolve(s, p.asked)
		switch p.order.Verb {
		case Migrate:
			p.order.To = direction(s, p.order.Targets)
			if p.taken = announced(s, p.order.Targets); p.taken {
				p.order.To = ToAnew
			}
		case Drain:
			p.order.To = ToAny
		}
	}
	p.replan()
}

// Close cancels what is planned. What runs as an operation goes on; a single write ends.
func (p *PlanPanel) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	if p.read != nil {
		p.read()
	}
	if p.stop != nil && p.failed == nil {
		p.stop()
	}
}

// replan asks for a plan; one that was asked for before does not count any more.
func (p *PlanPanel) replan() {
	if p.read != nil {
		p.read()
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), planTimeout, fmt.Errorf("no answer within %s", planTimeout))
	p.read, p.failed, p.ended = cancel, nil, false
	p.mu.Lock()
	p.turn++
	turn := p.turn
	p.plan, p.err = nil, nil
	p.made = p.env.Now()
	p.mu.Unlock()
	order := p.order
	set := func(plan *Plan, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.turn == turn && !p.closed {
			p.plan, p.err, p.made = plan, err, p.env.Now()
		}
	}
	switch {
	case p.env.Operator == nil:
		set(nil, errNoOperator)
	case len(order.Targets) == 0 && order.Operation == "":
		set(nil, errors.New("nothing of what is selected can be part of it"))
	default:
		p.env.Shell.Go(func(console context.Context) {
			defer context.AfterFunc(console, cancel)()
			defer cancel()
			plan, err := p.env.Operator.Plan(ctx, order)
			if err != nil && ctx.Err() != nil {
				err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
			}
			set(plan, err)
			p.env.Shell.Wake()
		})
	}
}

// now is what is known of the plan.
func (p *PlanPanel) now() (plan *Plan, made time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plan, p.made, p.err
}

// other is the direction that Tab turns to; "": there is none.
func (p *PlanPanel) other() string {
	switch {
	case p.order.Verb == Migrate && p.taken && p.order.To == ToECS:
		return ToAnew
	case p.order.Verb == Migrate && p.order.To != ToECS:
		return ToECS
	case p.order.Verb == Migrate:
		return ToECI
	case p.order.Verb == Drain && p.order.To == ToAny:
		return ToECI
	case p.order.Verb == Drain && p.order.To == ToECI:
		return ToECS
	case p.order.Verb == Drain:
		return ToAny
	}
	return ""
}

// way is the one that h takes next; false: there is no other one.
func (p *PlanPanel) way() (Way, bool) {
	plan, _, _ := p.now()
	if plan == nil || len(plan.Ways) == 0 {
		return Way{}, false
	}
	// The others come in one order, "" first: after the present one comes the next, then the first.
	for _, w := range plan.Ways {
		if p.seen[w.How] {
			continue
		}
		return w, true
	}
	return plan.Ways[0], true
}

// takeWay plans by another strategy.
func (p *PlanPanel) takeWay() {
	w, ok := p.way()
	if !ok {
		return
	}
	if p.seen[w.How] { // all had their turn
		p.seen = nil
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[p.order.How] = true
	p.order.How = w.How
	p.body.top = 0
	p.replan()
}

// noWay is why there is no other strategy to take; "": there is one.
func (p *PlanPanel) noWay() string {
	plan, _, _ := p.now()
	switch _, ok := p.way(); {
	case p.stop != nil:
		return "it runs already"
	case p.order.Verb != Migrate:
		return "only a migration is asked for by one strategy or another"
	case plan == nil:
		return "there is no plan yet"
	case !ok:
		return "there is one way only to do this"
	}
	return ""
}

// notReady is why the plan can't be run now; "": it can.
func (p *PlanPanel) notReady() string {
	plan, _, err := p.now()
	switch {
	case p.stop != nil:
		return "it runs already"
	case p.ended:
		return "it is done"
	case err != nil:
		return "there is no plan: " + err.Error()
	case plan == nil:
		return "it is still planned"
	case plan.Blocked != "":
		return plan.Blocked
	}
	return p.env.readOnly()
}

// Actions are the keys on a plan.
func (p *PlanPanel) Actions() []keymap.Action {
	return append([]keymap.Action{
		{Keys: []string{"Enter"}, Name: "run it", Bar: true, Danger: true, Help: "Run the plan; where it is dangerous, after a name has been typed. A plan that is older than two minutes is made again first.",
			Disabled: func(keymap.Selection) string { return p.notReady() }, Run: func(keymap.Selection) { p.confirm() }},
		{Keys: []string{"Tab"}, Name: "turn", Bar: true, Help: "Plan the other direction: to ECI or home; a drain to anywhere, to ECI, or to real nodes.",
			Disabled: func(keymap.Selection) string {
				switch {
				case p.stop != nil:
					return "it runs already"
				case p.other() == "":
					return "it has one direction only"
				}
				return ""
			},
			Run: func(keymap.Selection) { p.order.To = p.other(); p.body.top = 0; p.replan() }},
		{Keys: []string{"h"}, Name: "how", Bar: true, Help: "Plan by another strategy, where there is one: rollout, swap or restart of a Deployment, a copy of a pod without a controller, suspending a Job. The panel says which is next.",
			Disabled: func(keymap.Selection) string { return p.noWay() }, Run: func(keymap.Selection) { p.takeWay() }},
		{Keys: []string{"d"}, Name: "all checks", Bar: true, Help: "Show every check, and the same as kubectl commands; again shows what matters.",
			Run: func(keymap.Selection) { p.all = !p.all; p.body.top = 0 }},
		{Keys: []string{"Ctrl-R"}, Name: "plan again", Bar: true, Help: "Read the cluster and plan again.",
			Disabled: func(keymap.Selection) string {
				if p.stop != nil {
					return "it runs already"
				}
				return ""
			},
			Run: func(keymap.Selection) { p.replan() }},
	}, p.body.actions()...)
}

// confirm runs the plan, after the name has been typed where it has one.
func (p *PlanPanel) confirm() {
	plan, made, _ := p.now()
	old := func() string {
		if p.env.Now().Sub(made) <= PlanLasts {
			return ""
		}
		p.replan()
		return "the plan was " + format.Age(made, p.env.Now()) + " old: it is made again; look at it, then Enter"
	}
	if why := old(); why != "" {
		p.env.Shell.Notice(why)
		return
	}
	if plan.Confirm == "" {
		p.run(plan)
		return
	}
	p.env.Works.Ask("Type "+plan.Confirm+" to run it: ", func(text string) string {
		if strings.TrimSpace(text) != plan.Confirm {
			return "that is not " + plan.Confirm
		}
		// Nothing else that is typed here helps: what is wrong is said where Enter asks anew.
		now, _, _ := p.now()
		why := p.notReady()
		switch {
		case why != "":
		case now != plan:
			why = "there is another plan now: look at it, then Enter"
		default:
			why = old()
		}
		if why != "" {
			p.env.Shell.Notice(why)
			return ""
		}
		p.run(plan)
		return ""
	})
}

// run begins the plan. Of an operation the steps are shown; a single write is waited for.
func (p *PlanPanel) run(plan *Plan) {
	if plan.ID != "" {
		p.env.Works.Begin(plan, nil)
		p.env.Shell.Back()
		p.env.Shell.Open(NewSteps(p.env, plan.ID, plan.Title))
		return
	}
	p.stop = p.env.Works.Begin(plan, func(err error) {
		p.stop, p.failed, p.ended = nil, err, err == nil
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if err == nil && !closed {
			p.env.Works.Leave(p)
		}
	})
}
