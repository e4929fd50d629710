package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A listing is one kind that `ecideck get` prints.
type listing struct {
	name    string // pods
	kind    string // PodList, in the output
	sources []string
	// whole says that the kind belongs to no namespace, so that -n only filters and all of
	// the cluster is read without it.
	whole bool
	// orphans says that groups without a pod are part of it: it waits for the second look
	// that makes an orphan of one.
	orphans bool
	table   func(s *fleet.Snapshot, o listOptions) table
}

// listOptions are what a listing is made with.
type listOptions struct {
	namespace string // "": all
	now       time.Time
	by        fleet.Grouping // of costs
	single    bool           // events one by one
}

// listings are all kinds. Their own source stands first in what they read.
func listings() []listing {
	placing := []string{"pods", "nodes", "cluster", "groups"}
	pricing := []string{"price-book", "prices", "node-prices"}
	using := []string{"pod-metrics", "group-metrics"}
	owning := []string{"deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs"}
	scaling := []string{"hpas", "keda", "cronhpa", "budgets", "policies", "node-groups"}
	costed := slices.Concat(placing, pricing, using)
	owned := slices.Concat(costed, owning, scaling)
	return []listing{
		{name: "overview", kind: "AttentionList", sources: slices.Concat(owned, []string{"events", "node-metrics", "account", "subnets", "operations", "bursts"}), whole: true, orphans: true, table: overviewTable},
		{name: "pods", kind: "PodList", sources: costed, table: podTable},
		{name: "groups", kind: "GroupList", sources: append([]string{"groups", "pods", "nodes", "cluster"}, slices.Concat(pricing, using)...), whole: true, orphans: true, table: groupTable},
		{name: "nodes", kind: "NodeList", sources: append([]string{"nodes", "pods", "cluster", "groups", "node-metrics"}, pricing...), whole: true, table: nodeTable},
		{name: "workloads", kind: "WorkloadList", sources: owned, table: workloadTable},
		{name: "scaling", kind: "ScalingList", sources: owned, table: scalingTable},
		{name: "events", kind: "EventList", sources: append([]string{"events", "groups", "pods", "nodes", "cluster", "operations"}, owning...), table: eventTable},
		{name: "cost", kind: "CostList", sources: slices.Concat(costed, owning, []string{"bills", "history"}), whole: true, orphans: true, table: costTable},
		{name: "operations", kind: "OperationList", sources: []string{"operations"}, whole: true, table: operationTable},
	}
}

type getOptions struct {
	*options
	output  string
	all     bool
	timeout time.Duration
	watch   bool
	by      string
	single  bool
}

func newGet(o *options) *cobra.Command {
	g := &getOptions{options: o}
	var names []string
	for _, l := range listings() {
		names = append(names, l.name)
	}
	get := &cobra.Command{
		Use: "get {" + strings.Join(names, "|") + "}", Short: "Print a view of the console once, or as it changes",
		Long: `get waits until every source has answered, or --timeout, and prints what is known.
A source that failed is named on stderr, with the reason; what it would have
said is null (json, yaml), empty (csv) or <none> (table). An amount of money
that is not all of it, because something has no price, is written >=.

With --watch it prints again whenever something changed: a terminal is drawn
anew, json and yaml are a stream of documents. Ctrl-C ends it.

Exit codes: 0 all sources answered, or a watch was ended; 1 the listing itself
could not be read; 2 wrong usage; 3 printed, but a source failed.`,
		ValidArgs: names, Args: usage(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		RunE: func(c *cobra.Command, args []string) error {
			for _, l := range listings() {
				if l.name == args[0] {
					return g.run(c.Context(), l)
				}
			}
			return setup.Exit(setup.ExitUsage, fmt.Errorf("nothing is called %q", args[0]))
		},
	}
	get.Flags().StringVarP(&g.output, "output", "o", "table", strings.Join(formats, "|"))
	get.Flags().BoolVarP(&g.all, "all-namespaces", "A", false, "all namespaces")
	get.Flags().DurationVar(&g.timeout, "timeout", 15*time.Second, "how long to wait for the sources")
	get.Flags().BoolVarP(&g.watch, "watch", "w", false, "print again whenever something changed, until Ctrl-C")
	get.Flags().StringVar(&g.by, "by", string(fleet.ByNamespace), "split costs up by "+strings.Join(groupings(), "|"))
	get.Flags().BoolVar(&g.single, "single", false, "events one by one, not those that say the same in one line")
	return get
}

func groupings() []string {
	var names []string
	for _, by := range fleet.Groupings() {
		names = append(names, string(by))
	}
	return names
}

func (g *getOptions) check() error {
	switch {
	case !slices.Contains(formats, g.output):
		return setup.Exit(setup.ExitUsage, fmt.Errorf("-o %s: choose one of %s", g.output, strings.Join(formats, ", ")))
	case g.timeout <= 0:
		return setup.Exit(setup.ExitUsage, errors.New("--timeout must be more than 0"))
	case !slices.Contains(groupings(), g.by):
		return setup.Exit(setup.ExitUsage, fmt.Errorf("--by %s: choose one of %s", g.by, strings.Join(groupings(), ", ")))
	case g.watch && g.output == "csv":
		return setup.Exit(setup.ExitUsage, errors.New("-o csv can't be watched, since rows change; -o json is a stream of documents"))
	}
	return nil
}

func (g *getOptions) run(ctx context.Context, l listing) error {
	if err := g.check(); err != nil {
		return err
	}
	kube, err := setup.NewKube(g.kube)
	if err != nil {
		return err
	}
	namespace := kube.Namespace
	if g.all || l.whole && !kube.NamespaceGiven {
		namespace = ""
	}
	scope := namespace
	if l.name == "nodes" {
		scope = "" // the sums are over all pods of a node
	}
	if g.watch {
		return g.follow(ctx, g.sources(kube, scope), l, namespace)
	}
	s := read(ctx, g.sources(kube, scope), l.sources, l.orphans, g.timeout, g.progress)
	if ctx.Err() != nil {
		return setup.Exit(setup.ExitError, errors.New("interrupted"))
	}
	return g.print(s, l, namespace)
}

// progress says on stderr why the answer takes longer, when a person waits there.
func (g *getOptions) progress(text string) {
	if f, ok := g.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(g.err, text)
	}
}

// sources are what the collectors read from. A missing region or missing credentials are
// the groups source's error, nobody else's.
func (o *options) sources(kube *setup.Kube, namespace string) collectors.Sources {
	s := collectors.Sources{Kubernetes: kube.Client, Dynamic: kube.Dynamic, Metrics: kube.Metrics, Namespace: namespace, Named: kube.Namespaces(), State: setup.StateDir("history"), Audit: setup.StateDir("ops"), Probe: kube.Probe}
	region := ""
	s.Book = func() (fleet.PriceBook, error) {
		book, err := setup.Prices(setup.ConfigFile())
		book.Region = region
		return book, err
	}
	if client, err := o.cloud(); err != nil {
		s.NoECI = err
	} else {
		region = client.Region()
		s.ECI, s.Cloud = client, client
	}
	return s
}

// secondLook is when a person who waits has the groups listed again: a group whose pod, or
// a pod whose group, is missing counts only when it is missing twice.
const secondLook = 2 * time.Second

// A reading is the collectors of one command, running.
type reading struct {
	store   *collectors.Store
	orphans bool   // see listing
	scope   string // the namespace that is read; "": all
	asked   chan struct{}
	done    chan struct{}
	stop    context.CancelFunc
}

// dependent are the sources that ask about what others have read first.
func dependent(name string) bool {
	return slices.Contains([]string{"group-metrics", "prices", "node-prices", "subnets"}, name)
}

// late starts a collector when what it asks about is there: prices are asked once per size,
// and a first round that knows no size would say that none has a price.
type late struct {
	collectors.Collector
	ready <-chan struct{}
}

// Collect implements collectors.Collector.
func (l late) Collect(ctx context.Context, report func(fleet.Part, error)) {
	select {
	case <-l.ready:
		l.Collector.Collect(ctx, report)
	case <-ctx.Done():
	}
}

// startReading runs the named sources' collectors until stop is called.
func startReading(ctx context.Context, from collectors.Sources, names []string, orphans bool) *reading {
	r := &reading{store: collectors.NewStore(), orphans: orphans, scope: from.Namespace, asked: make(chan struct{}), done: make(chan struct{})}
	from.Latest, from.SweepPause = r.store.Latest, secondLook
	wanted := slices.DeleteFunc(collectors.All(from), func(n collectors.Named) bool { return !slices.Contains(names, n.Name) })
	for i := range wanted {
		if dependent(wanted[i].Name) {
			wanted[i].Collector = late{wanted[i].Collector, r.asked}
		}
	}
	r.store.Expect(wanted)
	ctx, r.stop = context.WithCancel(ctx)
	go func() {
		collectors.Run(ctx, r.store, wanted, nil)
		close(r.done)
	}()
	return r
}

// end stops the collectors and waits for them.
func (r *reading) end() {
	r.stop()
	<-r.done
}

// settle waits until each source has answered and what they say has settled, or until ctx
// ends. When it has to wait for a second listing it says so through progress.
func (r *reading) settle(ctx context.Context, progress func(string)) *fleet.Snapshot {
	asked := false
	var complete time.Time // when the groups were read that the pods are joined with first
	for {
		s := r.store.Latest()
		if !asked && answered(s, func(name string) bool { return !dependent(name) }) {
			asked = true
			close(r.asked)
		}
		if answered(s, func(string) bool { return true }) {
			groups := groupsRead(s)
			first := complete.IsZero()
			if first {
				complete = groups
			}
			// A missing pod or group is believed in the second listing after the first whole
			// picture.
			if !unsettled(s, r.orphans, r.scope) || groups.Sub(complete) > 3*secondLook {
				return s
			}
			if first {
				progress("a pod or its group is missing: listing the groups once more to be sure…")
			}
		}
		select {
		case <-ctx.Done():
			if !asked {
				close(r.asked) // who watches goes on with what there is
			}
			return r.store.Latest()
		case <-r.store.Changed():
		}
	}
}

// read runs the named sources' collectors until what they say has settled, or until the
// timeout. orphans is as in listing.
func read(ctx context.Context, from collectors.Sources, names []string, orphans bool, timeout time.Duration, progress func(string)) *fleet.Snapshot {
	r := startReading(ctx, from, names, orphans)
	defer r.end()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return r.settle(ctx, progress)
}

// answered reports whether every source of those that count has been read or has failed.
func answered(s *fleet.Snapshot, counts func(name string) bool) bool {
	for _, source := range s.Sources {
		if source.Read.IsZero() && source.Error == "" && counts(source.Name) {
			return false
		}
	}
	return true
}

func groupsRead(s *fleet.Snapshot) time.Time {
	for _, source := range s.Sources {
		if source.Name == "groups" {
			return source.Read
		}
	}
	return time.Time{}
}

// unsettled reports whether another listing of groups will say more: of a pod whose group is
// missing so far, or, where orphans count, of a group whose pod is.
func unsettled(s *fleet.Snapshot, orphans bool, namespace string) bool {
	for _, source := range s.Sources {
		if source.Name == "groups" && (source.Error != "" || source.Read.IsZero()) {
			return false
		}
	}
	if groupsRead(s).IsZero() {
		return false
	}
	for _, g := range s.Groups {
		if orphans && g.Relation == fleet.Unjoined && !g.Status.Ended() && (namespace == "" || g.Identity.Namespace == namespace) {
			return true
		}
	}
	for _, p := range s.Placements {
		if p.Pod != nil && p.Place == fleet.PlaceECI && p.Pod.InstanceID != "" && p.Group == nil &&
			p.Status != fleet.StatusLost && p.Pod.Phase != "Succeeded" && p.Pod.Phase != "Failed" && p.Pod.Deleting.IsZero() {
			return true
		}
	}
	return false
}

// print writes what is known, says which sources failed, and decides the exit code.
func (g *getOptions) print(s *fleet.Snapshot, l listing, namespace string) error {
	t, known := g.made(s, l, namespace, time.Now())
	code := setup.ExitOK
	for _, text := range failures(s, g.timeout) {
		fmt.Fprintln(g.err, text)
		code = setup.ExitPartial
	}
	if !known {
		code = setup.ExitError
	}
	if err := t.write(g.out, g.output, known); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if l.name == "pods" && namespace == "" {
		switch n := podless(s, time.Now()); {
		case n == 1:
			fmt.Fprintln(g.err, "1 container group of this cluster has no pod and costs money: see `ecideck get groups`")
		case n > 1:
			fmt.Fprintf(g.err, "%d container groups of this cluster have no pod and cost money: see `ecideck get groups`\n", n)
		}
	}
	if code != setup.ExitOK {
		return setup.Exit(code, nil)
	}
	return nil
}

// made is the listing as of now, and whether its own source has been read at all.
func (g *getOptions) made(s *fleet.Snapshot, l listing, namespace string, now time.Time) (t table, known bool) {
	t = l.table(s, listOptions{namespace: namespace, now: now, by: fleet.Grouping(g.by), single: g.single})
	t.kind, t.sources, t.namespaces = l.kind, sourcesOf(s, now), namespace == ""
	if namespace != "" && t.none == "" && !l.whole {
		t.none = "No resources found in namespace " + namespace + "; -A is all of them."
	}
	known = true
	for _, source := range s.Sources {
		if source.Name == l.sources[0] && source.Read.IsZero() {
			known = false
		}
	}
	if !known {
		t.rows, t.footer = nil, nil
	}
	return t, known
}

// failures are the sources that failed or did not answer in time, those of one reason in
// one line.
func failures(s *fleet.Snapshot, timeout time.Duration) []string {
	failed := map[string][]string{} // error -> the sources that have it
	var order []string
	for _, source := range s.Sources {
		why := source.Error
		switch {
		case why != "":
		case source.Partial:
			why = source.Note
		case source.Read.IsZero():
			why = fmt.Sprintf("no answer within %s", timeout)
		default:
			continue
		}
		if failed[why] == nil {
			order = append(order, why)
		}
		failed[why] = append(failed[why], source.Name)
	}
	for i, why := range order {
		order[i] = strings.Join(failed[why], ", ") + ": " + why
	}
	return order
}

// podless counts the groups of this cluster that are paid for and have no pod. A listing of
// pods does not wait for the second look that makes an orphan of one; so a group younger
// than its pod's way into the API may be does not count.
func podless(s *fleet.Snapshot, now time.Time) int {
	n := 0
	for _, g := range s.Groups {
		switch {
		case !g.Status.Billed():
		case g.Relation == fleet.Orphan, g.Relation == fleet.Unjoined && now.Sub(g.Created) > time.Minute:
			n++
		}
	}
	return n
}
