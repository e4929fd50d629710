package view

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
)

// planTimeout ends a plan that nobody answers.
const planTimeout = time.Minute

// planLasts is how old a plan may be that is run: the cluster goes on meanwhile.
const planLasts = 2 * time.Minute

// A PlanPanel shows what would happen, before anything does; Enter runs it.
type PlanPanel struct {
	env    *Env
	order  Order
	asked  []keymap.Object // what was selected
	hidden []keymap.Object // of asked, what a filter hides
	left   []string        // of asked, what can't be part of it, with the reason
	body   *scroll
	opened bool
	taken  bool // the cloud announced that it takes the groups of all of it
	all    bool // every check, and the commands
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
	if age := p.env.Now().Sub(made); age > planLasts {
		p.env.Shell.Notice("the plan was " + format.Age(made, p.env.Now()) + " old: it is made again; look at it, then Enter")
		p.replan()
		return
	}
	if plan.Confirm == "" {
		p.run(plan)
		return
	}
	p.env.Works.Ask("Type "+plan.Confirm+" to run it: ", func(text string) string {
		now, _, _ := p.now()
		switch why := p.notReady(); {
		case why != "":
			return why
		case now != plan:
			return "there is another plan now"
		case strings.TrimSpace(text) != plan.Confirm:
			return "that is not " + plan.Confirm
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

// lines are what is known of the plan, and what to press.
func (p *PlanPanel) lines(width int) (body, foot []line) {
	plan, made, err := p.now()
	say := func(role theme.Role, indent int, format string, args ...any) {
		body = append(body, line{role, indent, fmt.Sprintf(format, args...)})
	}
	if len(p.hidden) > 0 {
		say(theme.Degraded, 0, "! %d of the %d marked are hidden by the filter, and part of it: %s", len(p.hidden), len(p.asked), names(p.hidden))
	}
	for _, text := range p.left {
		say(theme.Degraded, 0, "! left out: %s", text)
	}
	switch {
	case err != nil:
		say(theme.Broken, 0, "There is no plan: %s", err.Error())
		return body, []line{{theme.Strong, 0, "Ctrl-R plans again · Esc"}}
	case plan == nil:
		say(theme.Plain, 0, "reading the cluster and planning… %s", format.Age(made, p.env.Now()))
		return body, []line{{theme.Strong, 0, "Esc cancels; nothing is changed"}}
	}
	head := plan.Title
	if plan.Manner != "" {
		head += " · " + plan.Manner
	}
	say(theme.Accent, 0, "%s", capital(head))
	if plan.Blocked != "" {
		say(theme.Broken, 0, "%s It can't be run: %s", p.env.Theme.Glyphs.Broken, plan.Blocked)
	}
	if plan.Danger != "" {
		say(theme.Degraded, 0, "! %s", plan.Danger)
	}
	for _, note := range plan.Notes {
		say(theme.Plain, 0, "%s", note)
	}
	body = append(body, findings(p.env.Theme, "", plan.Checks, p.all)...)
	body = append(body, moves(p.env.Theme, plan.Moves, width, p.all)...)
	for _, b := range plan.Budgets {
		say(theme.Plain, 0, "budget %s", b)
	}
	if p.all && len(plan.Commands) > 0 {
		say(theme.Strong, 0, "The same by hand")
		for _, c := range plan.Commands {
			say(theme.Plain, 2, "%s", c)
		}
	}
	return body, p.foot(plan)
}

// foot is what it costs, how long it takes, how it is taken back, and what to press.
func (p *PlanPanel) foot(plan *Plan) (foot []line) {
	if c := plan.Cost; c != nil {
		foot = append(foot, line{theme.Plain, 0, "Cost    " + c.sentence(plan.To)})
	}
	if plan.Time != "" {
		foot = append(foot, line{theme.Plain, 0, "Time    " + plan.Time})
	}
	if plan.Undo != "" {
		foot = append(foot, line{theme.Plain, 0, "Undo    " + plan.Undo})
	}
	if text := tally(plan); text != "" {
		if !p.all {
			text += " · d shows them all"
		}
		foot = append(foot, line{theme.Plain, 0, "Checks  " + text})
	}
	turn := ""
	switch p.other() {
	case ToECI:
		turn = " · Tab to ECI instead"
	case ToECS:
		turn = " · Tab to real nodes instead"
	case ToAny:
		turn = " · Tab to anywhere instead"
	case ToAnew:
		turn = " · Tab to another group of ECI instead"
	}
	press := line{theme.Strong, 0, "Enter runs it" + turn + " · Esc leaves it"}
	switch {
	case p.stop != nil:
		press.text = "it runs… Esc cancels"
	case p.ended:
		press.text = "Done · Esc"
	case p.failed != nil:
		press = line{theme.Broken, 0, "It failed: " + p.failed.Error() + " · Ctrl-R plans again · Esc"}
	case plan.Blocked != "":
		press = line{theme.Strong, 0, "It can't be run" + turn + " · Esc"}
	case p.env.readOnly() != "":
		press = line{theme.Degraded, 0, capital(p.env.readOnly()) + turn + " · Esc"}
	case plan.Confirm != "":
		press.text = "Enter, then type " + plan.Confirm + ", runs it" + turn + " · Esc leaves it"
	}
	return append(foot, press)
}

// sentence says what an hour costs before and after, and the difference a month.
func (c *PlanCost) sentence(to string) string {
	var parts []string
	seen := map[money.Currency]bool{}
	of := func(rates []money.Rate, currency money.Currency) int64 {
		for _, r := range rates {
			if r.Currency == currency {
				return r.MicrosPerHour
			}
		}
		return 0
	}
	for _, r := range append(slices.Clone(c.Before), c.After...) {
		if seen[r.Currency] || !r.Known() {
			continue
		}
		seen[r.Currency] = true
		before, after := of(c.Before, r.Currency), of(c.After, r.Currency)
		diff := money.PerHour(after-before, r.Currency)
		text := fmt.Sprintf("ECI %s/h → %s/h: ", format.Rate(money.PerHour(before, r.Currency)), format.Rate(money.PerHour(after, r.Currency)))
		month, err := diff.For(fleet.MonthHours * time.Hour)
		if err != nil || after == before {
			text += "no change"
		} else {
			text += fmt.Sprintf("%s/h, %s a month", format.Signed(diff), format.SignedAmount(month))
		}
		parts = append(parts, text)
	}
	switch {
	case len(parts) == 0 && to == ToAny:
		parts = append(parts, "none on real nodes, which are paid; whether any goes to ECI the scheduler decides")
	case len(parts) == 0:
		parts = append(parts, "nothing known")
	default:
		parts[len(parts)-1] += " (list price)"
	}
	if c.Unpriced > 0 {
		parts = append(parts, fmt.Sprintf("%d without a known price, which comes on top", c.Unpriced))
	}
	if to == ToECI && len(seen) > 0 {
		parts = append(parts, "the nodes stay, and are paid")
	}
	return strings.Join(parts, "; ")
}

// tally counts a plan's findings.
func tally(plan *Plan) string {
	n := map[Level]int{}
	count := func(checks []Check) {
		for _, c := range checks {
			n[c.Level]++
		}
	}
	count(plan.Checks)
	for i := range plan.Moves {
		count(plan.Moves[i].Checks)
	}
	var parts []string
	for _, l := range []struct {
		level Level
		word  string
	}{{Blocks, "block"}, {Warns, "warn"}, {Tells, "inform"}} {
		switch n[l.level] {
		case 0:
		case 1:
			parts = append(parts, "1 "+l.word+"s")
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n[l.level], l.word))
		}
	}
	if len(parts) == 0 && len(plan.Moves) > 0 && plan.Verb == Migrate {
		return "none has anything against it"
	}
	return strings.Join(parts, ", ")
}

// findings are checks as lines. What only informs is left out unless all are asked for.
func findings(t *theme.Theme, of string, checks []Check, all bool) (out []line) {
	for _, c := range checks {
		l := line{theme.Degraded, 2, t.Glyphs.Degraded + " "}
		switch c.Level {
		case Blocks:
			l = line{theme.Broken, 2, t.Glyphs.Broken + " "}
		case Tells:
			if !all {
				continue
			}
			l = line{theme.Dim, 2, "· "}
		}
		if all {
			l.text += c.Name + ": "
		}
		if of != "" {
			l.text += of + ": "
		}
		l.text += c.Reason
		if c.Remedy != "" {
			l.text += "; " + c.Remedy
		}
		out = append(out, l)
	}
	return out
}

// moves are the rows of a plan by their strategy, those that stay last; then what was found,
// once for all that it was found for.
func moves(t *theme.Theme, all []Move, width int, every bool) (out []line) {
	prefix := commonNamespace(all)
	widest := 0
	for i := range all {
		widest = max(widest, theme.Width(all[i].Name)-len(prefix))
	}
	widest = min(widest, max(20, width*2/5))
	order := []string{}
	byHow := map[string][]*Move{}
	for i := range all {
		m := &all[i]
		how := m.How
		if m.Stays {
			how = ""
		}
		if byHow[how] == nil && !m.Stays {
			order = append(order, how)
		}
		byHow[how] = append(byHow[how], m)
	}
	if len(byHow[""]) > 0 {
		order = append(order, "")
	}
	for _, how := range order {
		rows := byHow[how]
		shared := rows[0].Why
		for _, m := range rows {
			if m.Why != shared {
				shared = ""
			}
		}
		head := line{theme.Strong, 0, fmt.Sprintf("%s %d", cmp.Or(how, "stays"), len(rows))}
		if shared != "" {
			head.text += ": " + shared
		}
		out = append(out, head)
		for _, m := range rows {
			name := theme.FitMiddle(strings.TrimPrefix(m.Name, prefix), widest)
			name += strings.Repeat(" ", max(0, widest-theme.Width(name)))
			l := line{theme.Plain, 2, name}
			switch {
			case m.Stays:
				l.role = theme.Dim
				if m.From != "" && shared != "" {
					l.text += "  " + m.From
				}
			case m.From != "" || m.To != "":
				l.text += "  " + cmp.Or(m.From, "no node") + " → " + cmp.Or(m.To, "the scheduler's choice")
			}
			if shared == "" && m.Why != "" {
				l.text += "  " + m.Why
			}
			l.text = strings.TrimRight(l.text, " ")
			out = append(out, l)
		}
	}
	type finding struct {
		check Check
		of    []string
	}
	var found []*finding
	for i := range all {
		for _, c := range all[i].Checks {
			if all[i].Stays && !every && strings.Contains(all[i].Why, c.Reason) {
				continue // it stands beside its name
			}
			at := slices.IndexFunc(found, func(f *finding) bool { return f.check == c })
			if at < 0 {
				found, at = append(found, &finding{check: c}), len(found)
			}
			found[at].of = append(found[at].of, strings.TrimPrefix(all[i].Name, prefix))
		}
	}
	slices.SortStableFunc(found, func(a, b *finding) int { return cmp.Compare(rank(a.check.Level), rank(b.check.Level)) })
	for _, f := range found {
		of := few(f.of)
		switch {
		case len(all) == 1:
			of = "" // it stands right above
		case len(f.of) == len(all):
			of = "all"
		}
		out = append(out, findings(t, of, []Check{f.check}, every)...)
	}
	return out
}

func rank(l Level) int { return slices.Index([]Level{Blocks, Warns, Tells}, l) }

// commonNamespace is the namespace, with its slash, that all names begin with; or "".
func commonNamespace(all []Move) string {
	prefix := ""
	for i := range all {
		namespace, _, ok := strings.Cut(all[i].Name, "/")
		if !ok || i > 0 && prefix != namespace+"/" {
			return ""
		}
		prefix = namespace + "/"
	}
	return prefix
}

// few are the first of many names.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// names are the first objects' names.
func names(objects []keymap.Object) string {
	list := make([]string, len(objects))
	for i, o := range objects {
		list[i] = label(o)
	}
	return few(list)
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// resolve turns what is selected into what can be asked for: a group stands for its pod.
func resolve(s *fleet.Snapshot, objects []keymap.Object) (targets []fleet.Ref, left []string) {
	for _, o := range objects {
		if o.Kind != KindGroup {
			targets = append(targets, fleet.Ref(o))
			continue
		}
		at := slices.IndexFunc(s.Placements, func(p *fleet.Placement) bool { return p.Group != nil && p.Group.ID == o.Name && p.Pod != nil })
		if at < 0 {
			left = append(left, "group "+o.Name+" has no pod")
			continue
		}
		targets = append(targets, fleet.Ref(podObject(s.Placements[at])))
	}
	return targets, left
}

// announced reports whether the cloud said of the groups of all targets that it takes them.
func announced(s *fleet.Snapshot, targets []fleet.Ref) bool {
	for _, t := range targets {
		if t.Kind != KindPod || !slices.ContainsFunc(s.Placements, func(p *fleet.Placement) bool {
			return p.Pod != nil && p.Pod.Namespace == t.Namespace && p.Pod.Name == t.Name && p.Place == fleet.PlaceECI && noticed(p)
		}) {
			return false
		}
	}
	return len(targets) > 0
}

// direction is where what is selected goes if nobody says: home if all of it is on ECI, to
// ECI otherwise.
func direction(s *fleet.Snapshot, targets []fleet.Ref) string {
	pods := map[string]fleet.Place{}
	if slices.ContainsFunc(targets, func(t fleet.Ref) bool { return t.Kind == KindPod }) {
		for _, p := range s.Placements {
			if p.Pod != nil {
				pods[p.Pod.UID] = p.Place
				pods[p.Pod.Namespace+"/"+p.Pod.Name] = p.Place
			}
		}
	}
	for _, t := range targets {
		switch t.Kind {
		case KindPod:
			place, ok := pods[t.UID]
			if !ok {
				place = pods[t.Namespace+"/"+t.Name]
			}
			if place != fleet.PlaceECI {
				return ToECI
			}
		case KindNode:
			if !slices.ContainsFunc(s.Nodes, func(n *fleet.Node) bool { return n.Name == t.Name && n.Virtual }) {
				return ToECI
			}
		default:
			w := s.Workload(t.Namespace, t.Kind, t.Name)
			if w == nil || w.Pods.ECI == 0 || w.Pods.ECI != w.Pods.All() {
				return ToECI
			}
		}
	}
	return ToECS
}
