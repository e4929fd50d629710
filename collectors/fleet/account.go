package fleet

import (
	"time"

	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
)

// A Quota is what the account uses of its vCPU quota in the region. Max 0: not said.
type Quota struct{ UsedCPU, MaxCPU float64 }

// A VSwitch is a subnet that groups get their addresses from. Free is what ECI can still
// take. Total is 0 where the answer did not say its size.
type VSwitch struct {
	ID, Zone    string
	Free, Total int
}

// A Stock says whether a zone has a size.
type Stock struct {
	Zone        string
	CPU, Memory float64 // vCPU, GiB
	Spot        bool
	Available   bool
}

// A BillDay is what was billed for a day to this cluster's groups, and to others of the account.
type BillDay struct {
	Day    time.Time // its first second
	Final  bool      // false: it may still grow
	Groups []BilledGroup
}

// A BilledGroup is one group's part of a day's bill.
type BilledGroup struct {
	ID     string
	Amount money.Money // after discounts, before coupons and taxes
}

// A PriceBook is what the config file says about prices.
type PriceBook struct {
	Site   spec.Site // "": china
	Region string    // for the embedded table
	// Discount is the part of ECI's price that is really paid, in thousandths, as with a
	// savings plan that its price API does not know; 0: all of it.
	Discount int64
	// Nodes are the prices of nodes, by instance type or by name (with * at the end for
	// many). The first that fits is taken, before ECS' own price.
	Nodes []NodePrice
	// VCPU and GiB price every real node that has no other price, as on-premises.
	VCPU, GiB money.Rate
}

// A NodePrice prices the nodes that it names.
type NodePrice struct {
	InstanceType, Name string
	Rate               money.Rate
}

// A NodeGroup is a group of nodes that the cluster autoscaler keeps, as its status says.
type NodeGroup struct {
	Name             string
	Min, Max, Target int
	Ready            int
	ScaleUp          string // InProgress, Backoff, NoActivity
	Code, Message    string // why it backs off; "": it does not
	Updated          time.Time
}

// A Policy is the compact record of an ACK ResourcePolicy: where pods go, in order.
type Policy struct {
	Namespace, Name string
	Selector        string // as label selectors are written; "": all pods of the namespace
	Units           string // ecs → eci (max 20)
}

// A Service is the compact record of a Service, with its endpoints.
type Service struct {
	Namespace, Name, Type string
	Selector              string // as label selectors are written; "": none, its endpoints are somebody else's
	Ready, NotReady       int    // endpoints
	ResourceVersion       string
}

// A Bill is the month so far as the vendor billed it, a day late, beside what was estimated.
type Bill struct {
	From    time.Time   // the first second of the month, which is China's
	Through time.Time   // the end of the newest day that is in it; zero: nothing is known
	Ours    money.Money // for groups that are this cluster's; unknown: no bill, or none of ours in it
	Others  money.Money // for other groups of the account and region
	// Estimated is what this program saw being spent on ECI from From to Through, and Seen
	// the part of that time that it looked at. The difference is meaningful where Seen is whole.
	Estimated money.Money
	Seen      time.Duration
	Unknown   int // billed groups of which is not known whose they are
}
