package fleet

import (
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

// A Snapshot is everything known at one moment. It is never changed after Build made it.
// Ages grow by themselves, so they are not stored: readers take them from the times below.
type Snapshot struct {
	Built      time.Time
	Cluster    string       // the cluster id that groups of this cluster carry; "": not known yet
	Placements []*Placement // by namespace, name, UID; groups without a pod last, by group id
	Nodes      []*Node      // by name
	Groups     []*Group     // every group of the region, by id, foreign ones included
	Events     []*Event     // newest first
	Sources    []Source     // in the collectors' order

	Workloads   []*Workload   // by namespace, kind, name; bare pods are of kind Pod
	Autoscalers []*Autoscaler // by namespace, name, kind
	Budgets     []*Budget     // by namespace, name
	Attention   []Attention   // what needs a person, the most urgent first
	Timeline    []*Moment     // Events, grouped, newest first

	// Cost is what this cluster costs: every placement, every group of it that has no
	// placement, and what its real nodes have free. Costs splits it up.
	Cost   Tally
	Places []PlaceSum // one for each place that has nodes or pods, in the order ecs, eci, acs, other, none

	Quota      *Quota       // nil: not known
	VSwitches  []VSwitch    // by id
	Stocks     []Stock      // what the zones were last known to have
	NodeGroups []NodeGroup  // the cluster autoscaler's; empty where there is none
	Policies   []Policy     // ACK's ResourcePolicies
	Namespaces []string     // sorted; of those that this user may list, or nil
	Services   []*Service   // by namespace, name
	Operations []*Operation // migrations and drains, the newest first
	Bursts     Bursts       // whether they are stopped
	Bill       Bill
	History    History

	built built // what the next Build re-uses
}

// A PlaceSum adds up a place: the rows of the overview.
type PlaceSum struct {
	Place         Place
	Nodes         int
	Pods          int
	RequestCPU    int64   // millicores, of pods that have not ended
	RequestMemory int64   // bytes
	AllocCPU      int64   // millicores of real nodes; of virtual ones it says nothing and is 0
	AllocMemory   int64   // bytes
	BilledCPU     float64 // vCPU of groups that are paid for
	BilledMemory  float64 // GiB
	Usage         UsageSum
	Cost          Tally
}

// A Placement is one pod and the place it runs, or a group that should have a pod and has
// none. It is the row behind every table of pods.
type Placement struct {
	Pod   *Pod   // nil: an orphan, a group of this cluster without its pod; it costs money
	Group *Group // nil: no group, or none known yet
	// Node is nil while the pod is not bound or the node is not known. Its sums are zero:
	// only the records in Snapshot.Nodes carry them, so that a pod that changes does not
	// change the placements of its neighbours.
	Node  *Node
	Place Place // "": not known, as when this user may not read nodes
	// Status is the one word of the STATUS column: kubectl's for a pod without trouble
	// between the two sides, otherwise ours (Lost, Orphan, NoStock, or "K8S/ECI" words that
	// disagree).
	Status string
	// Trouble says that Status needs a person's eye: 0 no, 1 degraded, 2 broken or paid for nothing.
	Trouble Severity
	Reason  string // the sentence behind Status; "" when there is nothing to say
	Cost    Cost

	join join // how Group was found
}

// Severity orders what a person should look at first.
type Severity int

// The severities: a word and a mark beside each, never colour alone.
const (
	Fine Severity = iota
	Degraded
	Broken
)

// Place says what kind of thing runs a pod.
type Place string

// The places. PlaceNone is a pod that is not bound to a node yet; PlaceOther a real node
// that is not an ECS instance; PlaceACS a pod of ACK's compute service, which has no group.
const (
	PlaceECS   Place = "ecs"
	PlaceECI   Place = "eci"
	PlaceACS   Place = "acs"
	PlaceOther Place = "other"
	PlaceNone  Place = "none"
)

// A Pod is the compact record of a Kubernetes pod. The full object is fetched when a person
// opens it.
type Pod struct {
	UID, Namespace, Name string
	ResourceVersion      string
	NodeName             string // "": not bound
	Workload             Owner
	InstanceID           string // annotation k8s.aliyun.com/eci-instance-id; "": none
	ACS                  bool   // label alibabacloud.com/acs: "true"
	Phase                string // Pending, Running, Succeeded, Failed, Unknown
	Status               string // what kubectl prints as STATUS
	Reason               string // sentence behind a Status that is not fine: scheduler's or kubelet's message
	ReadyContainers      int
	TotalContainers      int      // what READY counts: app containers and restartable init containers
	Containers           []string // names of app containers, in the spec's order
	InitContainers       []string
	Restarts             int
	IP                   string
	RequestCPU           int64 // millicores; what the scheduler counts: sidecars and the pod's own resources included
	RequestMemory        int64 // bytes
	Asked                Ask   // of ECI
	Created              time.Time
	Started              time.Time // zero: not started
	Changed              time.Time // when a condition or container last changed; zero: not known
	Unready              time.Time // since when it isn't ready; zero: it is, or never was, or none says
	Deleting             time.Time // zero: not being deleted
	Burst                time.Time // when it was let onto ECI because real nodes were full; zero: it was not
}

// An Ask is the size that a pod asks of ECI, which is billed for it, rounded up: limits before
// requests (placement.SizeOf). The zero Ask is of a pod that asks for nothing, or of a record
// that is older than this field.
type Ask struct {
	CPU, Memory float64 // vCPU, GiB
	Disk        int     // GiB of ephemeral storage above the free ones
	Open        bool    // one of several sizes, or a machine type: what is billed is known when it runs
}

// A Group is the compact record of an ECI container group.
type Group struct {
	ID, Name     string
	Status       eci.Status
	Zone         string
	VSwitch      string
	IP           string
	CPU          float64 // vCPU, billed
	Memory       float64 // GiB, billed
	InstanceType string  // "": billed by vCPU and GiB
	Spot         string  // "", SpotAsPriceGo, SpotWithPriceLimit
	Category     string  // economy, general; "": general
	Disk         int     // GiB of ephemeral storage above the free ones
	Identity     eci.Identity
	Restarts     int
	Created      time.Time
	Started      time.Time // when it began to be paid for, as far as is known; zero: not yet
	Ended        time.Time // zero: not ended
	// Notice is why the cloud will take or restart it (SpotToBeReleased, SystemReboot); ""
	// for none. Due is when, zero where it did not say.
	Notice  string
	Due     time.Time
	Reason  string // of the newest warning event or waiting container; "": none
	Message string
	// Relation says how the group stands to this cluster.
	Relation Relation
}

// Relation says how a group stands to this cluster.
type Relation string

// The relations. Joined: its pod is known. Orphan: of this cluster, its pod is gone, seen in
// two reports: it costs money. Unjoined: of this cluster, its pod not seen yet. Foreign: of
// another cluster or nobody's we know: shown, never touched.
const (
	Joined   Relation = "joined"
	Unjoined Relation = "unjoined"
	Orphan   Relation = "orphan"
	Foreign  Relation = "foreign"
)

// A Node is the compact record of a Kubernetes node.
type Node struct {
	UID, Name         string
	ResourceVersion   string
	Virtual           bool   // label type=virtual-kubelet
	By                string // who runs a virtual node: ecideck, ack, vnode; "": a real node, or not known
	Place             Place  // what its pods' place is: ecs, eci, other
	Zone              string // topology.kubernetes.io/zone
	InstanceType      string // node.kubernetes.io/instance-type
	Status            string // Ready, NotReady, Unknown; ",SchedulingDisabled" as kubectl
	Unschedulable     bool
	Unreached         string // what a virtual node's pods do not reach of the cluster, by its own word; "": it says nothing
	ClusterID         string // that a virtual node says its groups carry; "": it says nothing
	VSwitches         string // that a virtual node says it takes addresses from, comma-separated; "": it says nothing
	KubeletVersion    string
	AllocatableCPU    int64 // millicores
	AllocatableMemory int64 // bytes
	AllocatablePods   int64
	Created           time.Time

	// Sums over the pods bound to it that have not ended; filled by Build.
	Pods          int
	RequestCPU    int64 // millicores
	RequestMemory int64 // bytes
	// Cost is a real node's own price; of a virtual node its State is NotBilled, since only
	// its pods cost. Shares is what its pods cost: parts of Cost on a real node.
	Cost   Cost
	Shares Tally
}

// Idle is the part of a real node's price that no pod asks for; unknown where its price is.
// It is negative where its pods ask for more than it has.
func (n *Node) Idle() money.Rate {
	r := n.Cost.Rate()
	if n.Virtual || !r.Known() {
		return money.Rate{}
	}
	return money.PerHour(r.MicrosPerHour-n.Shares.Rate(r.Currency).MicrosPerHour, r.Currency)
}

// An Event is one line of the timeline.
type Event struct {
	Time      time.Time // when it was last seen
	First     time.Time // when it was first seen; zero: not said
	Count     int
	Source    string // k8s, eci, or ecideck for operations
	Type      string // Normal, Warning
	Reason    string
	Message   string
	Namespace string
	Kind      string // Pod, Node, …; ContainerGroup for ECI's; Operation
	Name      string // the object's name; the group id for ECI's
	UID       string // the object's UID; "" where there is none
}

// A Source says how fresh one collector's part is.
type Source struct {
	Name  string        // cluster, pods, nodes, events, groups
	Read  time.Time     // when it was last read whole; zero: never
	Every time.Duration // how often it reports when all is well
	Quiet bool          // its age says nothing while it is fresh: it hardly ever changes
	// Absent says that the cluster does not have what it would read (KEDA, metrics-server):
	// that is no error and nothing is missing.
	Absent bool
	// Note says what of it could not be read, or is doubtful, although the rest is fresh; "": nothing.
	Note string
	// Partial says that the note tells of things that are missing: this user may not read them.
	Partial bool
	Error   string // why the newest try failed; "" when it did not
}

// Stale reports whether the part is older than it should be at now.
func (s Source) Stale(now time.Time) bool {
	return s.Error != "" || s.Read.IsZero() || now.Sub(s.Read) > 3*s.Every
}
