package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/ui"
	"github.com/ecideck/ecideck/ui/view"
)

// An operator does for the console what migrate, drain, cordon and ops do for the shell, by
// the same code. It implements ui.Operator.
type operator struct {
	kube       *setup.Kube
	production bool
	latest     func() *fleet.Snapshot // for what nodes cost; nil: nobody knows

	running sync.WaitGroup

	mu   sync.Mutex
	here map[string]*work // the operations that run here, by id
}

// A work is an operation that runs in this console, as its engine reported it last.
type work struct {
	engine *migrate.Engine
	op     *migrate.Operation
}

// find is the operation with an id, and the engine that runs it here, or nil. What runs here is
// known, and what the console shows is looked for where it saw it.
func (o *operator) find(ctx context.Context, id string) (*migrate.Operation, *migrate.Engine, error) {
	o.mu.Lock()
	if w := o.here[id]; w != nil {
		defer o.mu.Unlock()
		return w.op, w.engine, nil
	}
	o.mu.Unlock()
	var others []string
	if o.latest != nil {
		if s := o.latest(); s != nil {
			for _, x := range s.Operations {
				if x.ID == id {
					others = append(others, x.Namespace)
				}
			}
		}
	}
	op, err := find(ctx, o.kube, id, others...)
	return op, nil, err
}

// A planRun is what runs a plan; it is the plan's Handle.
type planRun func(ctx context.Context, report func(*ui.Progress)) error

// Plan implements ui.Operator.
func (o *operator) Plan(ctx context.Context, order ui.Order) (*ui.Plan, error) {
	var p *ui.Plan
	var err error
	switch order.Verb {
	case view.Migrate, view.Drain:
		p, err = o.move(ctx, order)
	case view.Undo:
		p, err = o.undo(ctx, order)
	case view.Resume, view.Abort:
		p, err = o.goOn(ctx, order)
	case view.Cordon, view.Uncordon:
		p, err = o.cordon(ctx, order)
	case view.Restart:
		p, err = o.restart(ctx, order)
	default:
		err = fmt.Errorf("nobody knows how to %s", order.Verb)
	}
	if err != nil {
		return nil, err
	}
	p.Order = order
	if p.Confirm == "" && o.production {
		p.Confirm, p.Danger = o.kube.Context, "context "+o.kube.Context+" is production"
	}
	return p, nil
}

// Run implements ui.Operator.
func (o *operator) Run(ctx context.Context, p *ui.Plan, report func(*ui.Progress)) error {
	run, ok := p.Handle.(planRun)
	if !ok {
		return errors.New("this plan was made by somebody else")
	}
	o.running.Add(1)
	defer o.running.Done()
	return run(ctx, report)
}

// Progress implements ui.Operator.
func (o *operator) Progress(ctx context.Context, id string) (*ui.Progress, error) {
	op, here, err := o.find(ctx, id)
	if err != nil {
		return nil, err
	}
	p := progressOf(op, o.kube.Command("kubectl"))
	if !p.Over && here == nil {
		alive, err := migrate.Alive(ctx, o.kube.Client, op)
		p.Alone = err == nil && !alive
		if err != nil {
			p.Problem = "whether anybody is at work on it is not known: " + err.Error()
		}
	}
	return p, nil
}

// wait waits until what was running has stopped in order, and says on w that it does.
func (o *operator) wait(w io.Writer) {
	done := make(chan struct{})
	go func() { o.running.Wait(); close(done) }()
	soon := time.NewTimer(300 * time.Millisecond)
	defer soon.Stop()
	select {
	case <-done:
		return
	case <-soon.C:
		fmt.Fprintln(w, "ecideck: stopping what runs in order, half a minute at most; `ecideck ops list` shows it, `ecideck ops resume` goes on")
	}
	<-done
}

// request is what migrate is asked for, and the soak that commands have by default too.
func (o *operator) request(order ui.Order) (migrate.Request, error) {
	site, err := site()
	r := migrate.Request{To: migrate.Destination(order.To), Anew: order.To == view.ToAnew, Soak: migrate.DefaultSoak, Site: site, IgnoreDaemonSets: true}
	if r.Anew {
		r.To = migrate.ToECI
	}
	if r.How = migrate.Strategy(order.How); o.latest != nil {
		r.Share = shares(o.latest)
	}
	for _, t := range order.Targets {
		r.Targets = append(r.Targets, migrate.Ref{Kind: t.Kind, Namespace: t.Namespace, Name: t.Name})
		if t.Kind == "Pod" {
			r.Targets[len(r.Targets)-1].UID = uidOf(t)
		}
	}
	return r, err
}

// move plans a migration or a drain.
func (o *operator) move(ctx context.Context, order ui.Order) (*ui.Plan, error) {
	r, err := o.request(order)
	if err != nil {
		return nil, err
	}
	var nodes []string // that are migrated and not drained
	if order.Verb == view.Migrate {
		var targets []migrate.Ref
		for _, t := range r.Targets {
			switch t.Kind {
			case "Node":
				nodes = append(nodes, t.Name)
				pods, err := o.pods(ctx, metav1.NamespaceAll, "spec.nodeName="+t.Name)
				if err != nil {
					return nil, err
				}
				targets = append(targets, pods...)
			default:
				targets = append(targets, t)
			}
		}
		r.Targets = targets
	}
	op, err := migrate.Propose(ctx, o.kube.Client, o.kube.Dynamic, whoami(ctx, o.kube.Client), r, time.Now())
	if err != nil {
		return nil, err
	}
	p := o.planned(op)
	p.Title = title(order, counted(op))
	if len(nodes) > 0 {
		aboutNodes(p, nodes)
	}
	confirmsAll(p, order.Targets)
	p.Commands = commands(order, o.kube)
	if order.Verb == view.Drain {
		for i := range p.Moves {
			p.Moves[i].Why = flagged(p.Moves[i].Why, p.Commands[0])
		}
	}
	return p, nil
}

// aboutNodes adds to what is dangerous about a plan that it is about all pods of some nodes.
func aboutNodes(p *ui.Plan, nodes []string) {
	why, note := "it is about all pods of node "+nodes[0], "node "+nodes[0]+" stays open: r drains it, so that nothing new comes"
	if len(nodes) > 1 {
		why = fmt.Sprintf("it is about all pods of %d nodes: %s", len(nodes), strings.Join(nodes, ", "))
		note = "the nodes stay open: r drains one, so that nothing new comes"
	}
	p.Notes = append([]string{note}, p.Notes...)
	p.Danger = strings.TrimSuffix(why+"; "+p.Danger, "; ")
	p.Confirm = nodes[0]
}

// confirmsAll has what is typed stand for all targets, where there are several.
func confirmsAll(p *ui.Plan, targets []fleet.Ref) {
	if p.Confirm != "" && len(targets) > 1 {
		p.Confirm = several(targets)
	}
}

// several is how many targets there are: "3 nodes", or where they are of different kinds "3 targets".
func several(targets []fleet.Ref) string {
	kind := strings.ToLower(targets[0].Kind)
	if slices.ContainsFunc(targets, func(t fleet.Ref) bool { return t.Kind != targets[0].Kind }) {
		kind = "target"
	}
	return fmt.Sprintf("%d %ss", len(targets), kind)
}

// pods are those that a field selector chooses.
func (o *operator) pods(ctx context.Context, namespace, fields string) ([]migrate.Ref, error) {
	list, err := o.kube.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: fields})
	if err != nil {
		return nil, fmt.Errorf("listing the pods with %s: %w", fields, err)
	}
	var out []migrate.Ref
	for i := range list.Items {
		pod := &list.Items[i]
		out = append(out, migrate.Ref{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID})
	}
	return out, nil
}

// undo plans to take an operation back.
func (o *operator) undo(ctx context.Context, order ui.Order) (*ui.Plan, error) {
	before, _, err := o.find(ctx, order.Operation)
	if err != nil {
		return nil, err
	}
	r, err := o.request(order)
	if err != nil {
		return nil, err
	}
	op, err := migrate.ProposeUndo(ctx, o.kube.Client, o.kube.Dynamic, whoami(ctx, o.kube.Client), before, r, time.Now())
	if err != nil {
		return nil, err
	}
	p := o.planned(op)
	p.Title = "undo " + operationTitle(before)
	p.Notes = append([]string{fmt.Sprintf("%s began it %s ago; it is %s: %s", cmp.Or(before.By, "somebody"), age(before.Began, time.Now()), before.State, before.Reason)}, p.Notes...)
	if d := before.Plan.Drain; d != nil {
		p.Danger, p.Confirm = strings.TrimSuffix("it is about node "+d.Node.Name+"; "+p.Danger, "; "), d.Node.Name
	}
	p.Commands = []string{o.kube.Command("ecideck") + " ops undo " + before.ID}
	return p, nil
}

// goOn plans to resume or abort an operation.
func (o *operator) goOn(ctx context.Context, order ui.Order) (*ui.Plan, error) {
	op, here, err := o.find(ctx, order.Operation)
	if err != nil {
		return nil, err
	}
	alive := here != nil
	if !alive {
		if alive, err = migrate.Alive(ctx, o.kube.Client, op); err != nil {
			return nil, err
		}
	}
	abort := order.Verb == view.Abort
	p := &ui.Plan{Title: string(order.Verb) + " " + operationTitle(op), ID: op.ID, Commands: []string{o.kube.Command("ecideck") + " ops " + string(order.Verb) + " " + op.ID}}
	p.Notes = append(p.Notes, fmt.Sprintf("%s began it %s ago; it is %s", cmp.Or(op.By, "somebody"), age(op.Began, time.Now()), op.State))
	for i := range op.Plan.Items {
		x := &op.Plan.Items[i]
		m := view.Move{Name: itemName(x), From: x.From, To: cmp.Or(x.Node, string(op.Plan.To)), How: "goes on"}
		switch {
		case x.Strategy == migrate.Stay:
			continue
		case x.State.Ended():
			m.Stays, m.Why = true, "it is "+string(x.State)
		case abort && slices.Contains([]migrate.State{migrate.Adopting, migrate.Evicting, migrate.Leaving}, x.State):
			m.How, m.Why = "is brought to its end", "it may be beyond the point of no return"
		case abort:
			m.How, m.Why, m.From, m.To = "goes back", "it stays where it is, and what was made for it is taken away", "", ""
		}
		p.Moves = append(p.Moves, m)
	}
	if abort && op.Plan.Drain != nil && !op.Plan.Drain.Cordoned {
		p.Notes = append(p.Notes, "node "+op.Plan.Drain.Node.Name+" is uncordoned again")
	}
	switch {
	case op.State.Ended():
		p.Blocked = fmt.Sprintf("it has ended: %s: %s", op.State, op.Reason)
	case abort && here != nil:
		p.ID = "" // it is told, and goes on to its end by itself
		p.Handle = planRun(func(context.Context, func(*ui.Progress)) error { here.Abort(); return nil })
	case abort && alive && op.Local:
		p.Blocked = "it is written down on its machine only, where " + op.Runner + " is at work: interrupt it there"
	case abort && alive:
		p.ID = ""
		p.Notes = append(p.Notes, op.Runner+" is at work on it and is asked to abort it")
		p.Handle = planRun(func(ctx context.Context, _ func(*ui.Progress)) error {
			return migrate.AskAbort(ctx, o.kube.Client, op, whoami(ctx, o.kube.Client))
		})
	case alive && here != nil:
		p.Blocked = "it runs in this console"
	default:
		if alive {
			p.Checks = append(p.Checks, view.Check{Name: "runner", Level: view.Warns, Reason: op.Runner + " may still be at work on it: its leases are waited for"})
		}
		p.Handle = o.engine(op, func(ctx context.Context, e *migrate.Engine) (*migrate.Operation, error) {
			return e.Resume(ctx, op, abort)
		})
	}
	return p, nil
}

// planned is the plan of an operation that would be.
func (o *operator) planned(op *migrate.Operation) *ui.Plan {
	plan := &op.Plan
	p := &ui.Plan{ID: op.ID, Blocked: plan.Blocked(), Checks: checksOf(plan.Checks),
		Cost: &view.PlanCost{Before: plan.Before, After: plan.After, Unpriced: plan.Unpriced, Share: plan.Share, Unshared: plan.Unshared},
		Undo: takenBack(plan)}
	p.Danger, p.Confirm = plan.Danger()
	for _, row := range op.Checked() {
		level := view.Level(row.Level)
		if row.Level == migrate.OK {
			level = view.Tells
		}
		p.Looked = append(p.Looked, view.Looked{Name: row.Name, Level: level})
	}
	for _, w := range plan.Ways {
		p.Ways = append(p.Ways, view.Way{How: string(w.How), Text: w.String()})
	}
	swaps, breaks, soaks := false, false, map[string]int{}
	for i := range plan.Items {
		x := &plan.Items[i]
		m := view.Move{Name: itemName(x), From: x.From, To: x.Node, How: string(x.Strategy), Why: x.Why, Checks: checksOf(x.Checks), Stays: x.Strategy == migrate.Stay,
			Before: x.Before, After: x.After, Share: x.Share}
		if x.NoShare != "" && !m.Stays && !slices.Contains(p.Cost.Why, x.NoShare) {
			p.Cost.Why = append(p.Cost.Why, x.NoShare)
		}
		if !m.Stays {
			m.Size = x.Size.String()
		}
		if m.Stays {
			m.To = ""
		} else if m.To == "" && plan.To == migrate.ToECS {
			m.To = "a real node"
		}
		if n := x.Count(); n > 1 {
			m.Name += fmt.Sprintf(" (%d pods)", n)
		}
		if x.Strategy == migrate.Swap {
			soaks[x.Key()]++
		}
		switch {
		case x.Strategy == migrate.Swap, x.Strategy == migrate.Rollout && x.Danger == "":
			swaps = true
		case x.Strategy == migrate.Evict, x.Strategy != migrate.Stay && x.Danger != "":
			breaks = true
		}
		p.Moves = append(p.Moves, m)
	}
	switch {
	case swaps && !breaks:
		p.Manner = "make before break"
	case swaps:
		p.Manner = "make before break where that can be"
	case breaks:
		p.Manner = "break before make, within the budgets"
	}
	if plan.Moves() == 0 && plan.Drain == nil && plan.Open == nil {
		p.Cost, p.Undo = nil, "" // nothing happens
	}
	for _, b := range plan.Budgets {
		text := fmt.Sprintf("%s/%s: %d healthy, %d needed, %d disruptions allowed", b.Namespace, b.Name, b.Healthy, b.Desired, b.Allowed)
		if b.Allowed == 0 && b.Healthy >= b.Desired && swaps {
			text += " until a surge pod is Ready"
		}
		p.Budgets = append(p.Budgets, text)
	}
	if plan.Drain != nil {
		text := "node " + plan.Drain.Node.Name + " is cordoned first, and stays so"
		if plan.Drain.Cordoned {
			text = "node " + plan.Drain.Node.Name + " is cordoned already, and stays so"
		}
		p.Notes = append(p.Notes, text)
	}
	if plan.Moves() > 0 {
		p.Time = "about " + lasts(plan.ETA)
		if plan.Soak > 0 && slices.ContainsFunc(slices.Collect(maps.Values(soaks)), func(n int) bool { return n > 1 }) {
			p.Time += fmt.Sprintf(", with %s in which the first of a workload is watched", lasts(plan.Soak))
		}
	}
	p.Handle = o.engine(op, func(ctx context.Context, e *migrate.Engine) (*migrate.Operation, error) { return e.Run(ctx, op) })
	return p
}

func lasts(seconds int) string {
	return strings.TrimSuffix((time.Duration(seconds)*time.Second).String(), "m0s") + map[bool]string{true: "m", false: ""}[seconds >= 60 && seconds%60 == 0]
}

// engine runs an operation by an engine of its own.
func (o *operator) engine(op *migrate.Operation, run func(context.Context, *migrate.Engine) (*migrate.Operation, error)) planRun {
	return func(ctx context.Context, report func(*ui.Progress)) error {
		client, err := (&mover{}).client(o.kube, op.ID)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		last := op
		waits := ""
		tell := func(op *migrate.Operation, text string) {
			mu.Lock()
			defer mu.Unlock()
			if waits = text; op != nil {
				last = op
			}
			p := progressOf(last, o.kube.Command("kubectl"))
			p.Waits = cmp.Or(p.Waits, waits)
			report(p)
		}
		e := &migrate.Engine{Client: client, Audit: audits(), Holder: holder(),
			Notice: func(text string) { tell(nil, text) }}
		w := &work{engine: e, op: op}
		e.Report = func(now *migrate.Operation) {
			o.mu.Lock()
			w.op = now
			o.mu.Unlock()
			tell(now, "")
		}
		o.mu.Lock()
		if o.here == nil {
			o.here = map[string]*work{}
		}
		o.here[op.ID] = w
		o.mu.Unlock()
		end, err := run(ctx, e)
		o.mu.Lock()
		delete(o.here, op.ID)
		o.mu.Unlock()
		tell(end, "")
		if err != nil && end != nil && end.State == migrate.Interrupted {
			return fmt.Errorf("it stopped halfway: %w; r in the operations goes on, x goes back", err)
		}
		return err
	}
}

// progressOf is how far an operation has come, as the console shows it. kubectl is how that is called.
func progressOf(op *migrate.Operation, kubectl string) *ui.Progress {
	p := &ui.Progress{ID: op.ID, Title: operationTitle(op), To: string(op.Plan.To), State: string(op.State), Reason: op.Reason, By: op.By, Runner: op.Runner, Undoes: op.Undoes,
		Began: op.Began, Ended: op.Ended, Over: op.State.Ended(), Local: op.Local, Steps: stepsOf(op.Steps, kubectl)}
	for i := range op.Plan.Items {
		x := &op.Plan.Items[i]
		item := view.Item{Name: itemName(x), From: x.From, To: cmp.Or(x.Node, string(op.Plan.To)), How: string(x.Strategy), State: string(x.State), Reason: x.Reason,
			Began: x.Began, Ended: x.Ended, Stays: x.State == migrate.Stays, Over: x.State.Ended(), Steps: stepsOf(x.Steps, kubectl)}
		switch x.State {
		case migrate.Failed:
			item.Trouble = fleet.Broken
		case migrate.Stays:
			item.Reason = cmp.Or(x.Reason, x.Why)
		}
		p.Items = append(p.Items, item)
	}
	p.Waits = watched(op)
	switch op.State {
	case "":
		p.State = "about to begin"
	case migrate.Planned:
		p.State, p.Over = "not begun", true
	case migrate.Running, migrate.Aborting:
		p.Reason = "" // it is of the time before somebody went on
	}
	return p
}

// watched says until when the others of an operation wait for the first that was moved; "":
// they don't.
func watched(op *migrate.Operation) string {
	var first time.Time
	waits := false
	for i := range op.Plan.Items {
		switch x := &op.Plan.Items[i]; {
		case x.State == migrate.Planned:
			waits = true
		case !x.State.Ended():
			return ""
		case x.State == migrate.Done && x.Ended.After(first):
			first = x.Ended
		}
	}
	if !waits || first.IsZero() || op.State != migrate.Running || op.Plan.Soak == 0 {
		return ""
	}
	return "the first that was moved of a workload is watched before the next goes, until " + first.Add(time.Duration(op.Plan.Soak)*time.Second).Local().Format(time.TimeOnly)
}

func stepsOf(steps []migrate.Step, kubectl string) []view.Step {
	var out []view.Step
	for _, s := range steps {
		out = append(out, view.Step{At: s.At.Local(), Text: s.Verb + " " + s.Object.String(), Answer: s.Answer, Times: s.Times, Command: equivalent(kubectl, s.Verb, s.Object)})
	}
	return out
}

func checksOf(checks []migrate.Check) []view.Check {
	var out []view.Check
	for _, c := range checks {
		out = append(out, view.Check{Name: c.Name, Level: view.Level(c.Level), Reason: c.Reason, Remedy: c.Remedy})
	}
	return out
}

// itemName tells an item apart from the others: a pod by its name, a workload by its kind too.
func itemName(x *migrate.Item) string {
	r := x.Subject()
	if r.Kind != "Pod" {
		return r.Namespace + "/" + r.Name + " " + strings.ToLower(r.Kind)
	}
	return r.Namespace + "/" + r.Name
}

// counted is how many pods an operation is about.
func counted(op *migrate.Operation) (n int) {
	for i := range op.Plan.Items {
		n += op.Plan.Items[i].Count()
	}
	return n
}

// operationTitle is what an operation does, in a few words.
func operationTitle(op *migrate.Operation) string {
	verb := "migrate"
	switch {
	case op.Undoes != "":
		verb = "undo"
	case op.Plan.Drain != nil:
		verb = "drain"
	}
	return verb + " " + few(op.Plan.Targets)
}

// title is what an order comes to.
func title(order ui.Order, pods int) string {
	what := fmt.Sprintf("%d pods", pods)
	if pods == 1 {
		what = "1 pod"
	}
	namespaces := map[string]bool{}
	for _, t := range order.Targets {
		namespaces[t.Namespace] = true
	}
	first := order.Targets[0]
	switch {
	case order.Verb == view.Drain:
		what = "node " + first.Name + " (" + what + ")"
	case len(order.Targets) == 1 && first.Kind == "Namespace":
		what += " of namespace " + first.Name + " without a node"
	case len(order.Targets) == 1 && first.Kind == "Pod":
		what = "pod " + first.Name + " of " + first.Namespace
	case len(order.Targets) == 1 && first.Kind == "Node":
		what += " of node " + first.Name
	case len(order.Targets) == 1:
		what += " of " + strings.ToLower(first.Kind) + " " + first.Name + " in " + first.Namespace
	case first.Namespace == "": // nodes or namespaces are among them
		what += " of " + several(order.Targets)
	case len(namespaces) == 1:
		what += " of " + first.Namespace
	}
	to := map[string]string{view.ToECI: " to ECI", view.ToECS: " to real nodes", view.ToAnew: " to another group of ECI", view.ToAny: ""}[order.To]
	return string(order.Verb) + " " + what + to
}

// takenBack says how a plan is taken back, and what of it can't be.
func takenBack(p *migrate.Plan) string {
	text := "z once it has ended"
	switch {
	case p.To == migrate.Anywhere && p.Drain != nil && p.Drain.Cordoned:
		text = "none once it has ended: what left the node is not moved back"
	case p.To == migrate.Anywhere && p.Drain != nil:
		text = "z once it has ended opens the node and moves nothing back"
	}
	text += "; x before that takes back what still can be"
	if slices.ContainsFunc(p.Items, func(x migrate.Item) bool {
		return x.Strategy == migrate.Suspend || x.Strategy == migrate.Evict && x.Owner.Kind == "Job"
	}) {
		text += "; a Job's work so far is lost"
	}
	return text
}

// flagged is kubectl's reason why a pod stays on a drained node, with the whole command in the
// place of the flag that would move it: the console has none.
func flagged(why, drain string) string {
	for _, flag := range []string{" --delete-emptydir-data", " --force"} {
		why = strings.ReplaceAll(why, "use"+flag+" to override", "`"+drain+flag+"` moves them")
	}
	return why
}

// commands are those of the shell that do what a migration or a drain does: one for each
// namespace, and a drain for each node, which is opened again where it was not to be drained. They
// say all themselves: what is current in the shell where they are pasted does not count.
func commands(order ui.Order, kube *setup.Kube) []string {
	if order.To == view.ToAnew {
		return nil // what the node does by itself for pods with ecideck.io/rescue: auto
	}
	drain := func(node string) string {
		text := kube.Command("ecideck") + " drain " + node
		if order.To != view.ToAny {
			text += " --to " + order.To
		}
		return text
	}
	if order.Verb == view.Drain {
		return []string{drain(order.Targets[0].Name)}
	}
	var out []string
	in := map[string][]string{}
	var spaces []string
	for _, t := range order.Targets {
		if t.Kind == "Node" {
			out = append(out, drain(t.Name), kube.Command("ecideck")+" uncordon "+t.Name)
			continue
		}
		if in[t.Namespace] == nil {
			spaces = append(spaces, t.Namespace)
		}
		in[t.Namespace] = append(in[t.Namespace], strings.ToLower(t.Kind)+"/"+t.Name)
	}
	for _, namespace := range spaces {
		args := []string{kube.Command("ecideck"), "migrate"}
		if namespace != "" {
			args = append(args, "-n", namespace)
		}
		args = append(args, in[namespace]...)
		if order.How != "" {
			args = append(args, "--how", order.How)
		}
		out = append(out, strings.Join(append(args, "--to", order.To), " "))
	}
	return out
}

// equivalent is the kubectl command that does the same as a step. kubectl is how that is called.
func equivalent(kubectl, verb string, r migrate.Ref) string {
	object := strings.ToLower(r.Kind) + " " + r.Name
	if r.Namespace != "" {
		object = "-n " + r.Namespace + " " + object
	}
	in := "/api/v1/namespaces/" + r.Namespace + "/pods/" + r.Name
	switch verb {
	case "cordon", "uncordon":
		return kubectl + " " + verb + " " + r.Name
	case "create":
		return kubectl + " create -n " + r.Namespace + " -f " + r.Name + ".yaml (the workload's template, without its template hash)"
	case "evict":
		return kubectl + " create --raw " + in + "/eviction -f eviction.json (with the pod's UID)"
	case "bind":
		return kubectl + " create --raw " + in + "/binding -f binding.json (with the pod's UID)"
	case "adopt":
		return kubectl + " label " + object + " pod-template-hash=… (its ReplicaSet's)"
	case "settle":
		return kubectl + " annotate " + object + " controller.kubernetes.io/pod-deletion-cost-"
	case "delete":
		return kubectl + " delete " + object
	case "steer":
		return kubectl + " apply -f " + r.Name + ".yaml (an admission policy that steers the successor, and its binding)"
	case "unsteer":
		return kubectl + " delete mutatingadmissionpolicy " + r.Name
	}
	return kubectl + " patch " + object + " …"
}
