package fleet

import (
	"slices"
	"strings"
	"time"
)

// Inputs are what the collectors last saw, and how fresh it is. A value is cheap to copy;
// the slices in it are shared and never changed.
type Inputs struct {
	Cluster Cluster
	Pods    Pods
	Nodes   Nodes
	Events  Events
	Groups  Groups

	Controllers []Controllers // one for each kind that was read, by kind
	Autoscalers []Autoscalers // one for each kind that was read, by kind
	Budgets     Budgets
	Services    Services
	Endpoints   Endpoints
	Namespaces  Namespaces
	PodUsage    []PodUsage // one for each source, by its name
	NodeUsage   NodeUsage
	Prices      Prices
	NodePrices  NodePrices
	Account     Account
	Subnets     Subnets
	Zones       Zones
	Bills       Bills
	NodeGroups  NodeGroups
	Policies    Policies
	Past        Past
	Book        PriceBook
	Operations  Operations
	Bursts      Bursts

	Sources []Source
}

// A Part is the whole of what one source knows now. There is no such thing as an empty part
// after an error: an error is no Part.
type Part interface{ apply(*Inputs) }

// Cluster says which cluster this is.
type Cluster struct {
	UID string // of the namespace kube-system
}

// Pods are all pods of the API server, or of one namespace.
type Pods struct {
	Items []*Pod
	// Sorted promises that Items are in the order of namespace, name, UID and each pod is
	// in it once. Without the promise Apply sorts a copy.
	Sorted bool
	// Namespace is the only one that was read; "" is all. A group of another namespace
	// then lacks its pod for a reason that says nothing about the group. Namespaces are the
	// only ones where this user may not read all; nil is all.
	Namespace  string
	Namespaces []string
}

// reads reports whether the pods of a namespace are in it.
func (p *Pods) reads(namespace string) bool {
	return (p.Namespace == "" || p.Namespace == namespace) && (p.Namespaces == nil || slices.Contains(p.Namespaces, namespace))
}

// Nodes are all nodes, by name; Sorted as in Pods.
type Nodes struct {
	Items  []*Node
	Sorted bool
}

// Events are Kubernetes' events, newest first; Sorted as in Pods.
type Events struct {
	Items  []*Event
	Sorted bool
}

// Groups are all container groups of the region, by id, with Relation empty; Sorted as in
// Pods.
type Groups struct {
	Items  []*Group
	Sorted bool
	// Events are ECI's events of these groups, newest first.
	Events []*Event
	// Sweep counts the successful listings. A group counts as an orphan when its pod is
	// missing in two of them.
	Sweep int
	// Every is how often a listing of this size is made; 0: as the registry says.
	Every time.Duration
	// Gone are group ids that pods name and that a look by id did not find, in a call that
	// found another group of ours. Only these are believed to be gone: ECI answers 200 with
	// an empty list to a RAM identity without rights.
	Gone map[string]bool
}

func (c Cluster) apply(in *Inputs) { in.Cluster = c }

func (p Pods) apply(in *Inputs) {
	if !p.Sorted {
		p.Items, p.Sorted = sorted(p.Items, ComparePods), true
	}
	in.Pods = p
}

func (n Nodes) apply(in *Inputs) {
	if !n.Sorted {
		n.Items, n.Sorted = sorted(n.Items, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) }), true
	}
	in.Nodes = n
}

func (e Events) apply(in *Inputs) {
	if !e.Sorted {
		e.Items, e.Sorted = slices.Clone(e.Items), true
		slices.SortStableFunc(e.Items, CompareEvents)
	}
	in.Events = e
}

func (g Groups) apply(in *Inputs) {
	if !g.Sorted {
		g.Items, g.Sorted = sorted(g.Items, func(a, b *Group) int { return strings.Compare(a.ID, b.ID) }), true
	}
	in.Groups = g
	if g.Every > 0 {
		in.source("groups", func(s *Source) { s.Every = g.Every })
	}
}

// Apply replaces one source's part.
func (in *Inputs) Apply(part Part) { part.apply(in) }

// Succeeded notes that a source was read whole at a time.
func (in *Inputs) Succeeded(source string, at time.Time) {
	in.source(source, func(s *Source) { s.Read, s.Error = at, "" })
}

// Failed notes why a source could not be read. What it last said stays.
func (in *Inputs) Failed(source string, err error) {
	in.source(source, func(s *Source) { s.Error = err.Error() })
}

// source changes one source's record in a copy: snapshots share the old slice.
func (in *Inputs) source(name string, change func(*Source)) {
	i := slices.IndexFunc(in.Sources, func(s Source) bool { return s.Name == name })
	in.Sources = slices.Clone(in.Sources)
	if i < 0 {
		in.Sources = append(in.Sources, Source{Name: name})
		i = len(in.Sources) - 1
	}
	change(&in.Sources[i])
}

// fresh reports whether a source may be believed at a time about what is missing in it.
func (in *Inputs) fresh(source string, now time.Time) bool {
	for _, s := range in.Sources {
		if s.Name == source {
			return !s.Stale(now)
		}
	}
	return false
}

// ComparePods is the order of Pods.Items: namespace, name, UID.
func ComparePods(a, b *Pod) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.UID, b.UID)
}

// CompareEvents is the order of Events.Items: newest first, then by what they are about.
func CompareEvents(a, b *Event) int {
	if c := b.Time.Compare(a.Time); c != 0 {
		return c
	}
	for _, pair := range [][2]string{
		{a.Namespace, b.Namespace}, {a.Kind, b.Kind}, {a.Name, b.Name}, {a.Reason, b.Reason}, {a.Message, b.Message},
	} {
		if c := strings.Compare(pair[0], pair[1]); c != 0 {
			return c
		}
	}
	return 0
}

// sorted is a sorted copy in which of equal items the last one stayed.
func sorted[T any](items []*T, compare func(a, b *T) int) []*T {
	out := slices.DeleteFunc(slices.Clone(items), func(item *T) bool { return item == nil })
	slices.SortStableFunc(out, compare)
	kept := out[:0]
	for i, item := range out {
		if i+1 < len(out) && compare(item, out[i+1]) == 0 {
			continue
		}
		kept = append(kept, item)
	}
	return kept
}

// read reports whether a source has been read at all.
func (in *Inputs) read(source string) bool {
	return slices.ContainsFunc(in.Sources, func(s Source) bool { return s.Name == source && !s.Read.IsZero() })
}
