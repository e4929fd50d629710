package fleet

import (
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/money"
)

// Controllers are all objects of one kind that owns pods; Sorted as in Pods, by namespace
// and name.
type Controllers struct {
	Kind   string
	Items  []*Controller
	Sorted bool
}

// Autoscalers are all objects of one kind of autoscaler; Sorted as in Pods.
type Autoscalers struct {
	Kind   string
	Source string // its source's name, which Absent marks
	Items  []*Autoscaler
	Sorted bool
	Absent bool // the cluster has no such kind
}

// Budgets are all PodDisruptionBudgets; Sorted as in Pods.
type Budgets struct {
	Items  []*Budget
	Sorted bool
}

// Services are all Services; Sorted as in Pods.
type Services struct {
	Items  []*Service
	Sorted bool
}

// An EndpointSlice counts the endpoints of one slice of a Service's.
type EndpointSlice struct {
	Namespace, Name, Service string
	Ready, NotReady          int
}

// Endpoints are all EndpointSlices.
type Endpoints struct{ Items []*EndpointSlice }

// Namespaces are the names of all namespaces.
type Namespaces struct{ Names []string }

// A PodName is how metrics-server knows a pod.
type PodName struct{ Namespace, Name string }

// PodUsage is what pods use, as one source measured it: metrics-server knows pods by their
// names, ECI by their groups.
type PodUsage struct {
	Source string // metrics, eci-metrics
	ByPod  map[PodName]Usage
	ByID   map[string]Usage // group id
	Absent bool             // the cluster has no metrics API
}

// NodeUsage is what nodes use, by name.
type NodeUsage struct {
	ByName map[string]Usage
	Absent bool
}

// A PriceKey is what a container group's price is asked for. Two groups with equal keys cost
// the same.
type PriceKey struct {
	CPU, Memory  float64 // vCPU and GiB, billed
	InstanceType string  // "": billed by vCPU and GiB
	Zone         string  // "" where the price is the same in all zones: not spot
	Category     string
	Spot         bool
	Disk         int
}

// A GroupPrice is what a price API answered for a PriceKey.
type GroupPrice struct {
	Rate, List money.Rate
	// Spot is the price of the same size as a spot group; unknown: it was not asked for, or
	// the size is not sold as spot.
	Spot money.Rate
	Read time.Time
	Note string // why it has no rate; "": it has
	// Track is Rate over time, as far as it was seen; nil: only now.
	Track *PriceTrack
}

// Prices are what ECI's price API said.
type Prices struct{ Groups map[PriceKey]GroupPrice }

// NodePrices are what ECS' price API said of instance types.
type NodePrices struct {
	Types map[string]GroupPrice
}

// Account is what the cloud says of the account in the region.
type Account struct{ Quota Quota }

// Subnets are the vSwitches that groups are in or may get into, by id.
type Subnets struct{ Items []VSwitch }

// Zones are what the zones have in stock of the sizes that this cluster uses.
type Zones struct{ Stocks []Stock }

// Bills are the days of this month and the last one that were billed, oldest first.
type Bills struct{ Days []BillDay }

// NodeGroups are the cluster autoscaler's.
type NodeGroups struct {
	Items  []NodeGroup
	Absent bool
}

// Policies are ACK's ResourcePolicies.
type Policies struct {
	Items  []Policy
	Absent bool
}

// Noted is a part with what is missing in it, or doubtful, although it was read; "" takes an
// earlier note back.
type Noted struct {
	Source string
	Part   Part
	Note   string
	// Partial says that the note tells of things that are missing, not of doubtful ones.
	Partial bool
}

// Past is the history that was kept before this process began.
type Past struct{ History History }

func (p PriceBook) apply(in *Inputs) { in.Book = p }

func (c Controllers) apply(in *Inputs) {
	if !c.Sorted {
		c.Items, c.Sorted = sorted(c.Items, CompareControllers), true
	}
	in.Controllers = replaced(in.Controllers, c, func(c Controllers) string { return c.Kind })
}

func (a Autoscalers) apply(in *Inputs) {
	if !a.Sorted {
		a.Items, a.Sorted = sorted(a.Items, CompareAutoscalers), true
	}
	in.Autoscalers = replaced(in.Autoscalers, a, func(a Autoscalers) string { return a.Kind })
	in.absent(a.Source, a.Absent)
}

func (n Noted) apply(in *Inputs) {
	n.Part.apply(in)
	in.source(n.Source, func(s *Source) { s.Note, s.Partial = n.Note, n.Partial })
}

func (b Budgets) apply(in *Inputs) {
	if !b.Sorted {
		b.Items, b.Sorted = sorted(b.Items, func(a, b *Budget) int { return compareNames(a.Namespace, a.Name, b.Namespace, b.Name) }), true
	}
	in.Budgets = b
}

func (s Services) apply(in *Inputs) {
	if !s.Sorted {
		s.Items, s.Sorted = sorted(s.Items, func(a, b *Service) int { return compareNames(a.Namespace, a.Name, b.Namespace, b.Name) }), true
	}
	in.Services = s
}

func (e Endpoints) apply(in *Inputs) { in.Endpoints = e }

func (n Namespaces) apply(in *Inputs) { in.Namespaces = n }

func (u PodUsage) apply(in *Inputs) {
	in.PodUsage = replaced(in.PodUsage, u, func(u PodUsage) string { return u.Source })
	in.absent(u.Source, u.Absent)
}

func (u NodeUsage) apply(in *Inputs) {
	in.NodeUsage = u
	in.absent("node-metrics", u.Absent)
}

func (p Prices) apply(in *Inputs)     { in.Prices = p }
func (p NodePrices) apply(in *Inputs) { in.NodePrices = p }
func (a Account) apply(in *Inputs)    { in.Account = a }
func (s Subnets) apply(in *Inputs)    { in.Subnets = s }
func (z Zones) apply(in *Inputs)      { in.Zones = z }
func (b Bills) apply(in *Inputs)      { in.Bills = b }
func (p Past) apply(in *Inputs)       { in.Past = p }

func (n NodeGroups) apply(in *Inputs) {
	in.NodeGroups = n
	in.absent("node-groups", n.Absent)
}

func (p Policies) apply(in *Inputs) {
	in.Policies = p
	in.absent("policies", p.Absent)
}

// absent notes whether the cluster has what a source reads.
func (in *Inputs) absent(source string, absent bool) {
	for i := range in.Sources {
		if in.Sources[i].Name == source && in.Sources[i].Absent != absent {
			in.source(source, func(s *Source) { s.Absent = absent })
		}
	}
}

// replaced is parts with one of them new, by key; parts itself stays.
func replaced[P any](parts []P, part P, key func(P) string) []P {
	i, found := slices.BinarySearchFunc(parts, key(part), func(p P, k string) int { return strings.Compare(key(p), k) })
	parts = slices.Clone(parts)
	if found {
		parts[i] = part
		return parts
	}
	return slices.Insert(parts, i, part)
}

// CompareControllers is the order of Controllers.Items: namespace, name.
func CompareControllers(a, b *Controller) int {
	return compareNames(a.Namespace, a.Name, b.Namespace, b.Name)
}

// CompareAutoscalers is the order of Autoscalers.Items: namespace, name.
func CompareAutoscalers(a, b *Autoscaler) int {
	return compareNames(a.Namespace, a.Name, b.Namespace, b.Name)
}

func compareNames(namespaceA, nameA, namespaceB, nameB string) int {
	if c := strings.Compare(namespaceA, namespaceB); c != 0 {
		return c
	}
	return strings.Compare(nameA, nameB)
}
