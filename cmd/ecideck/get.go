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
	table func(s *fleet.Snapshot, namespace string, now time.Time) table
}

func listings() []listing {
	return []listing{
		{name: "pods", kind: "PodList", sources: []string{"pods", "nodes", "cluster", "groups"}, table: podTable},
		{name: "nodes", kind: "NodeList", sources: []string{"nodes", "pods"}, whole: true, table: nodeTable},
		{name: "groups", kind: "GroupList", sources: []string{"groups", "pods", "nodes", "cluster"}, whole: true, table: groupTable},
	}
}

type getOptions struct {
	*options
	output  string
	all     bool
	timeout time.Duration
}

func newGet(o *options) *cobra.Command {
	g := &getOptions{options: o}
	var names []string
	for _, l := range listings() {
		names = append(names, l.name)
	}
	get := &cobra.Command{
		Use: "get {" + strings.Join(names, "|") + "}", Short: "Print pods, nodes or container groups once",
		Long: `get waits until every source has answered, or --timeout, and prints what is known.
A source that failed is named on stderr, with the reason; what it would have
said is null (json, yaml), empty (csv) or <unknown> (table).

Exit codes: 0 all sources answered, 1 the listing itself could not be read,
2 wrong usage, 3 printed, but a source failed.`,
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
	return get
}

func (g *getOptions) run(ctx context.Context, l listing) error {
	if !slices.Contains(formats, g.output) {
		return setup.Exit(setup.ExitUsage, fmt.Errorf("-o %s: choose one of %s", g.output, strings.Join(formats, ", ")))
	}
	if g.timeout <= 0 {
		return setup.Exit(setup.ExitUsage, errors.New("--timeout must be more than 0"))
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
	s := read(ctx, g.sources(kube, scope), l.sources, g.timeout, g.progress)
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
	s := collectors.Sources{Kubernetes: kube.Client, Dynamic: kube.Dynamic, Metrics: kube.Metrics, Namespace: namespace, Probe: kube.Probe}
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

// read runs the named sources' collectors, of which the first is the kind's own, until each
// has answered and what they say has settled, or until the timeout. When it has to wait for
// a second listing it says so through progress.
func read(ctx context.Context, from collectors.Sources, names []string, timeout time.Duration, progress func(string)) *fleet.Snapshot {
	store := collectors.NewStore()
	from.Latest, from.SweepPause = store.Latest, secondLook
	wanted := slices.DeleteFunc(collectors.All(from), func(n collectors.Named) bool { return !slices.Contains(names, n.Name) })
	store.Expect(wanted)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		collectors.Run(ctx, store, wanted, nil)
		close(done)
	}()
	defer func() { cancel(); <-done }()
	var complete time.Time // when the groups were read that the pods are joined with first
	for {
		s := store.Latest()
		if answered(s) {
			groups := groupsRead(s)
			first := complete.IsZero()
			if first {
				complete = groups
			}
			// A missing pod or group is believed in the second listing after the first whole
			// picture.
			if !unsettled(s, names[0], from.Namespace) || groups.Sub(complete) > 3*secondLook {
				return s
			}
			if first {
				progress("a pod or its group is missing: listing the groups once more to be sure…")
			}
		}
		select {
		case <-ctx.Done():
			return store.Latest()
		case <-store.Changed():
		}
	}
}

// answered reports whether every source has been read or has failed.
func answered(s *fleet.Snapshot) bool {
	for _, source := range s.Sources {
		if source.Read.IsZero() && source.Error == "" {
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

// unsettled reports whether another listing of groups will say more of the kind: a group
// whose pod, or a pod whose group, is missing so far.
func unsettled(s *fleet.Snapshot, kind, namespace string) bool {
	for _, source := range s.Sources {
		if source.Name == "groups" && (source.Error != "" || source.Read.IsZero()) {
			return false
		}
	}
	if groupsRead(s).IsZero() {
		return false
	}
	for _, g := range s.Groups {
		if kind == "groups" && g.Relation == fleet.Unjoined && !g.Status.Ended() && (namespace == "" || g.Identity.Namespace == namespace) {
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
	now := time.Now()
	t := l.table(s, namespace, now)
	t.kind, t.sources, t.namespaces = l.kind, sourcesOf(s, now), namespace == ""
	code, known := setup.ExitOK, true
	failed := map[string][]string{} // error -> the sources that have it
	var order []string
	for _, source := range s.Sources {
		why := source.Error
		switch {
		case why != "":
		case source.Read.IsZero():
			why = fmt.Sprintf("no answer within %s", g.timeout)
		default:
			continue
		}
		if failed[why] == nil {
			order = append(order, why)
		}
		failed[why] = append(failed[why], source.Name)
		code = setup.ExitPartial
		if source.Name == l.sources[0] && source.Read.IsZero() {
			known = false
		}
	}
	for _, why := range order {
		fmt.Fprintf(g.err, "%s: %s\n", strings.Join(failed[why], ", "), why)
	}
	if !known {
		t.rows, code = nil, setup.ExitError
	}
	if err := t.write(g.out, g.output, known); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if l.name == "pods" && namespace == "" {
		switch n := podless(s, now); {
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
