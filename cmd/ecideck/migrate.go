package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/migrate"
	"github.com/ecideck/ecideck/provider/money"
)

// A mover is what migrate, drain and ops share.
type mover struct {
	*options
	output string
	dryRun bool
	yes    bool
	wait   bool
	soak   time.Duration
	how    string
}

// addFlags adds the flags of a command that only shows, of one that goes on with something, or
// of one that makes a plan first, too.
func (m *mover) addFlags(c *cobra.Command, runs, plans bool) {
	c.Flags().StringVarP(&m.output, "output", "o", "table", "one of table, json, yaml")
	if plans {
		c.Flags().BoolVar(&m.dryRun, "dry-run", false, "only show the plan")
		c.Flags().DurationVar(&m.soak, "soak", migrate.DefaultSoak, "how long the first moved pod of a workload is watched before the second goes")
	}
	if !runs {
		return
	}
	c.Flags().BoolVar(&m.yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&m.wait, "wait", true, "stay until it has ended; with false a process of its own does the work, on this machine")
}

func (m *mover) check() error {
	switch {
	case !slices.Contains([]string{"table", "json", "yaml"}, m.output):
		return setup.Exit(setup.ExitUsage, fmt.Errorf("-o %q: use table, json or yaml", m.output))
	case m.soak < 0:
		return setup.Exit(setup.ExitUsage, errors.New("--soak must not be less than 0"))
	}
	return nil
}

func newMigrate(o *options) *cobra.Command {
	m := &mover{options: o}
	to := ""
	c := &cobra.Command{
		Use: "migrate TARGET… --to eci|ecs", Short: "Move pods to ECI, or back to real nodes, without losing one",
		Long: `migrate moves pods between real nodes and ECI. A target is pod/NAME (or NAME),
deploy/NAME, rs/NAME, sts/NAME, job/NAME, cronjob/NAME or namespace/NAME (its pods without a
node). It shows the plan first: who moves and how, who stays and why, what it costs an hour,
what speaks against it.

How depends on the target, and --how asks for another way:
  swap     pods of a Deployment or ReplicaSet: a surge pod is Ready and serves before the old
           one is evicted, within every PodDisruptionBudget; the template is not changed
  rollout  a whole Deployment (deploy/NAME): its template is changed for good, and rolls out with
           maxUnavailable 0
  restart  pods of StatefulSets and operators, one at a time: evicted, and the successor is
           steered by an admission policy that is over by itself, or by the template
  suspend  a Job, only if asked for: suspended, changed and resumed; its pods begin anew
  clone    a pod without a controller, only if asked for: a copy under another name
Pending pods are let onto ECI as they are; of a CronJob the future runs go there.

What was begun is written down in ConfigMaps ecideck-op-…:
` + "`ecideck ops`" + ` shows, resumes, aborts and undoes it, from any machine.

Exit codes: 0 done, or all was there already, 1 not all could be moved, or nothing, 2 wrong usage.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return m.migrate(c.Context(), args, to) },
	}
	c.Flags().StringVar(&to, "to", "", "eci or ecs (real nodes)")
	c.Flags().StringVar(&m.how, "how", "", "swap, rollout, restart, suspend or clone (default: what suits the target)")
	m.addFlags(c, true, true)
	return c
}

func (m *mover) migrate(ctx context.Context, args []string, to string) error {
	if err := m.check(); err != nil {
		return err
	}
	if to != string(migrate.ToECI) && to != string(migrate.ToECS) {
		return setup.Exit(setup.ExitUsage, fmt.Errorf("--to %q: say eci or ecs (see ecideck migrate --help)", to))
	}
	r := migrate.Request{To: migrate.Destination(to), Soak: m.soak, How: migrate.Strategy(m.how)}
	if m.how != "" && !slices.Contains(migrate.Hows(), r.How) {
		return setup.Exit(setup.ExitUsage, fmt.Errorf("--how %q: say swap, rollout, restart, suspend or clone (see ecideck migrate --help)", m.how))
	}
	kube, err := setup.NewKube(m.kube)
	if err != nil {
		return err
	}
	for _, arg := range args {
		if !strings.Contains(arg, "/") {
			arg = "pod/" + arg
		}
		kind, name, _ := strings.Cut(arg, "/")
		switch strings.ToLower(kind) {
		case "rs", "replicaset", "replicasets":
			r.Targets = append(r.Targets, migrate.Ref{Kind: "ReplicaSet", Namespace: kube.Namespace, Name: name})
			continue
		case "ns", "namespace", "namespaces":
			r.Targets = append(r.Targets, migrate.Ref{Kind: "Namespace", Name: name})
			continue
		}
		k, name, err := named([]string{arg})
		if err != nil {
			return setup.Exit(setup.ExitUsage, fmt.Errorf("%w (see ecideck migrate --help)", err))
		}
		if k.kind == "Node" {
			return setup.Exit(setup.ExitUsage, fmt.Errorf("a node is emptied by `ecideck drain %s --to %s`", name, to))
		}
		r.Targets = append(r.Targets, migrate.Ref{Kind: k.kind, Namespace: kube.Namespace, Name: name})
	}
	return m.plan(ctx, kube, r)
}

// plan makes a plan of a request, shows it, asks, and runs it.
func (m *mover) plan(ctx context.Context, kube *setup.Kube, r migrate.Request) error {
	site, err := site()
	if err != nil {
		return err
	}
	r.Site, r.Share = site, m.nodeShares(ctx, kube)
	return m.confirmed(ctx, kube, func(ctx context.Context) (*migrate.Operation, error) {
		return migrate.Propose(ctx, kube.Client, kube.Dynamic, whoami(ctx, kube.Client), r, time.Now())
	})
}

// site is where the account is, for prices.
func site() (spec.Site, error) {
	book, err := setup.Prices(setup.ConfigFile())
	return cmp.Or(book.Site, spec.ChinaSite), err
}

// client tells the API server's audit log which operation its calls belong to.
func (m *mover) client(kube *setup.Kube, id string) (kubernetes.Interface, error) {
	config := rest.CopyConfig(kube.Config)
	config.UserAgent = fmt.Sprintf("ecideck/%s op/%s", strings.ReplaceAll(version(), " ", "-"), id)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of the kubeconfig: %w", err)
	}
	return client, nil
}

// audits is the folder of the local journals.
func audits() migrate.AuditDir { return migrate.AuditDir(setup.StateDir("ops")) }

// holder is this process, for leases.
func holder() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s@%s/%d", name, host, os.Getpid())
}

// object prints a plan or an operation for programs. Both have items[].id, state and steps.
func (m *mover) object(kind string, o *migrate.Operation) error {
	raw, err := json.Marshal(operationObject(kind, o))
	if err != nil {
		return err
	}
	return m.print(raw)
}

func (m *mover) print(raw []byte) error {
	var err error
	if m.output == "yaml" {
		raw, err = yaml.JSONToYAML(raw)
	} else {
		var v any
		if err = json.Unmarshal(raw, &v); err == nil {
			raw, err = json.MarshalIndent(v, "", "  ")
			raw = append(raw, '\n')
		}
	}
	if err != nil {
		return err
	}
	_, err = m.out.Write(raw)
	return err
}

// An operationItem is an operation, or a plan that is none yet, with the plan's fields beside
// its own.
type operationItem struct {
	Kind   string        `json:"kind"`
	ID     string        `json:"id"`
	State  migrate.State `json:"state"`
	Reason string        `json:"reason"`
	By     string        `json:"by"`
	Undoes string        `json:"undoes,omitempty"`
	Began  *time.Time    `json:"began"`
	Ended  *time.Time    `json:"ended"`
	Local  bool          `json:"localOnly"`
	// Left is what was to be moved and was not; LeftCount counts those beyond the first hundred, too.
	Left      []migrate.Left `json:"left"`
	LeftCount int            `json:"leftCount"`
	Steps     []migrate.Step `json:"steps"`
	// Preflight is what it was looked at for.
	Preflight []migrate.Row `json:"preflight"`
	migrate.Plan
}

func operationObject(kind string, o *migrate.Operation) operationItem {
	x := operationItem{Kind: kind, ID: o.ID, State: o.State, Reason: o.Reason, By: o.By, Undoes: o.Undoes, Began: knownTime(o.Began), Ended: knownTime(o.Ended), Local: o.Local,
		Left: o.Left, LeftCount: o.LeftCount, Steps: o.Steps, Preflight: o.Checked(), Plan: o.Plan}
	if kind == "Plan" {
		x.State, x.Reason = migrate.Planned, o.Plan.Blocked()
	}
	if x.Steps == nil {
		x.Steps = []migrate.Step{}
	}
	if x.Left == nil {
		x.Left = []migrate.Left{}
	}
	if x.Items == nil {
		x.Items = []migrate.Item{}
	}
	return x
}

// writePlan shows a plan to a person.
func writePlan(w io.Writer, p *migrate.Plan) {
	out := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "ID\tPOD\tFROM\tHOW\tTO\tBILLED\tCOST BEFORE\tAFTER\tWHY")
	checks := map[migrate.Check][]string{}
	var order []migrate.Check
	for i := range p.Items {
		x := &p.Items[i]
		to := cmp.Or(x.Node, string(p.To))
		if x.Strategy == migrate.Stay {
			to = "<none>"
		}
		what := x.Subject().Namespace + "/" + x.Subject().Name
		if x.Subject().Kind != "Pod" {
			what += fmt.Sprintf(" (%s, %d pods)", strings.ToLower(x.Subject().Kind), x.Count())
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, what, cmp.Or(x.From, "<none>"), x.Strategy, to, billed(x),
			before(x), after(x, p.To), printable(x.Why))
		for _, c := range x.Checks {
			if checks[c] == nil {
				order = append(order, c)
			}
			checks[c] = append(checks[c], x.ID)
		}
	}
	_ = out.Flush() // the writer's own error comes with the next line
	say := func(c migrate.Check, of string) {
		text := fmt.Sprintf("%-5s %s: %s", c.Level, of, c.Reason)
		if c.Remedy != "" {
			text += "; " + c.Remedy
		}
		fmt.Fprintln(w, printable(text))
	}
	for _, c := range p.Checks {
		say(c, c.Name)
	}
	for _, c := range order {
		say(c, c.Name+" ("+few(checks[c])+")")
	}
	for _, b := range p.Budgets {
		fmt.Fprintf(w, "budget %s/%s: %d healthy, %d needed, %d disruptions allowed\n", b.Namespace, b.Name, b.Healthy, b.Desired, b.Allowed)
	}
	writeCost(w, p)
}

// billed is the size that ECI bills for, and what was asked for where that is another one.
func billed(x *migrate.Item) string {
	if x.Size == nil || x.Strategy == migrate.Stay && x.Before.MicrosPerHour == 0 {
		return "<none>"
	}
	return strings.Replace(x.Size.String(), " billed", "", 1)
}

// before is what an item costs now: what ECI bills, or its share of its node, which is marked.
func before(x *migrate.Item) string {
	switch {
	case x.Share.Known() && (x.Before.MicrosPerHour == 0 || !x.Before.Known()):
		return x.Share.String() + " (node)"
	case x.Share.Known():
		return x.Before.String() + " + " + x.Share.String() + " (node)"
	case x.NoShare != "":
		return "unknown"
	}
	return x.Before.String()
}

// after is what ECI bills for an item then.
func after(x *migrate.Item, to migrate.Destination) string {
	switch {
	case x.Strategy == migrate.Stay:
		return "<stays>"
	case x.Strategy == migrate.Template:
		return "<per run>"
	case to == migrate.Anywhere && !x.After.Known():
		return "<as placed>"
	}
	return x.After.String()
}

// writeCost says what a plan's costs come to, what they are, and what of them is not known.
func writeCost(w io.Writer, p *migrate.Plan) {
	unknown := map[string][]string{}
	var order []string
	all, shared := 0, false
	for i := range p.Items {
		x := &p.Items[i]
		all += x.Count()
		shared = shared || x.Share.Known()
		if x.NoShare != "" {
			if unknown[x.NoShare] == nil {
				order = append(order, x.NoShare)
			}
			unknown[x.NoShare] = append(unknown[x.NoShare], x.ID)
		}
	}
	if shared {
		fmt.Fprintln(w, "cost  (node): what its requests take of its node's price, which is paid for as long as the node is there")
	}
	for _, why := range order {
		fmt.Fprintf(w, "cost  unknown (%s): %s\n", few(unknown[why]), printable(why))
	}
	sum := func(rates []money.Rate) string {
		var parts []string
		for _, r := range rates {
			parts = append(parts, r.String())
		}
		return cmp.Or(strings.Join(parts, " and "), "nothing known")
	}
	fmt.Fprintf(w, "%d of %d pods move", p.Moves(), all)
	if n := p.Leaves(); n > 0 && p.Drain != nil {
		fmt.Fprintf(w, ", %d stay on the node, which is not empty then", n)
	}
	if p.Moves() > 0 {
		fmt.Fprintf(w, ", in about %s", time.Duration(p.ETA)*time.Second)
	}
	if p.To == migrate.Anywhere {
		fmt.Fprintf(w, "; ECI bills %s before, and after as much more as the scheduler sends there", sum(p.Before))
	} else {
		fmt.Fprintf(w, "; ECI bills %s before and %s after (list price)", sum(p.Before), sum(p.After))
	}
	if p.Unpriced > 0 {
		fmt.Fprintf(w, ", and %d without a known price", p.Unpriced)
	}
	if len(p.Share) > 0 {
		fmt.Fprintf(w, "; their nodes stay and are paid, of which %s is for what moves", sum(p.Share))
	}
	fmt.Fprintln(w)
}

// writePreflight says what a plan was looked at for.
func writePreflight(w io.Writer, o *migrate.Operation) {
	var ways []string
	for _, way := range o.Plan.Ways {
		text := "--how " + string(way.How) + " (" + way.String() + ")"
		if way.How == "" {
			text = "no --how (" + way.String() + ")"
		} else if text == "--how "+way.String()+" ("+way.String()+")" {
			text = "--how " + way.String()
		}
		ways = append(ways, text)
	}
	if len(ways) > 0 {
		fmt.Fprintf(w, "other ways: %s\n", strings.Join(ways, ", "))
	}
	fmt.Fprintf(w, "preflight: %s\n", tally(o))
}

// tally counts what was looked at: "27 ok, 2 warn, 1 block".
func tally(o *migrate.Operation) string {
	n := map[migrate.Level]int{}
	for _, row := range o.Checked() {
		n[row.Level]++
	}
	text := fmt.Sprintf("%d ok", n[migrate.OK])
	for _, level := range []migrate.Level{migrate.Warn, migrate.Block} {
		if n[level] > 0 {
			text += fmt.Sprintf(", %d %s", n[level], level)
		}
	}
	return text
}

// few are the first of many.
func few(ids []string) string {
	const most = 5
	if len(ids) > most {
		return strings.Join(ids[:most], " ") + fmt.Sprintf(" and %d more", len(ids)-most)
	}
	return strings.Join(ids, " ")
}
