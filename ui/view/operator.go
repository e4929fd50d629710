package view

import (
	"context"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

// An Operator changes the cluster for the console: it plans, runs what was planned, and
// knows the steps of every operation, whoever began it. Its methods may block; they are
// called off the UI goroutine with a context that Esc cancels, and several at the same time.
type Operator interface {
	// Plan says what an order would do. It changes nothing. An order that can't be planned is
	// an error; one that can't be run is a Plan that says why.
	Plan(ctx context.Context, o Order) (*Plan, error)
	// Run does what a Plan of this Operator says, and returns when that has ended. It calls
	// report with how far it has come, from goroutines of its own, one at a time; report does
	// not block. When ctx ends it stops in order: what it leaves can be resumed. The error
	// says why it could not begin or was left halfway.
	Run(ctx context.Context, p *Plan, report func(*Progress)) error
	// Progress reads how far the operation with an id has come.
	Progress(ctx context.Context, id string) (*Progress, error)
}

// A Verb is what is asked for.
type Verb string

// The verbs.
const (
	Migrate  Verb = "migrate"
	Drain    Verb = "drain"
	Restart  Verb = "restart" // a rolling restart of a workload
	Cordon   Verb = "cordon"
	Uncordon Verb = "uncordon"
	Resume   Verb = "resume"
	Abort    Verb = "abort"
	Undo     Verb = "undo"
)

// Where pods go. ToECS is to real nodes, whoever's they are; ToAny is where the scheduler
// likes; ToAnew is to another group of ECI, before the cloud takes the one that they have.
const (
	ToECI  = "eci"
	ToECS  = "ecs"
	ToAny  = "away"
	ToAnew = "anew"
)

// An Order is what a person asks for, before it is planned.
type Order struct {
	Verb      Verb
	To        string      // of Migrate and Drain
	Targets   []fleet.Ref // of all but those of operations
	Operation string      // the id, of Resume, Abort and Undo
	How       string      // of Migrate: the strategy that is asked for; "": what suits each target
}

// A Plan is what would happen if an Order were run.
type Plan struct {
	Order
	ID     string // of the operation that it would be, or goes on with; "": it is a single write, not an operation
	Title  string // "migrate 2 pods of shop to ECI"
	Manner string // how, in a few words: "make before break"
	Moves  []Move // those that stay included
	Notes  []string
	Checks []Check // of the whole
	// Looked is what it was looked at for, each with the worst that was found; nil: for nothing.
	Looked  []Looked
	Ways    []Way // to ask for instead
	Budgets []string
	Cost    *PlanCost // nil: it has nothing to do with cost
	Time    string    // how long it takes; "": at once
	Undo    string    // how it is taken back
	// Commands are the kubectl commands that do the same, as far as there are any.
	Commands []string
	Danger   string // why Confirm has to be typed; "": it hasn't
	Confirm  string // what is typed to run it; "": Enter is enough
	Blocked  string // why it can't be run; "": it can
	Handle   any    // what the Operator that made the plan needs to run it; nobody else looks at it
}

// A Move is one pod, or one other object, of a Plan.
type Move struct {
	Name   string // as it is told apart from the others: shop/web-1
	Stays  bool   // nothing happens to it; Why says why
	From   string // its node; "": none
	To     string
	How    string // the strategy
	Why    string
	Size   string     // of one pod on ECI, as it is billed: "4c 8Gi billed (asked 3.5c 7Gi)"; "": it is on none
	After  money.Rate // what ECI bills for it then, Before now
	Before money.Rate
	Share  money.Rate // what its requests take of its node's price
	Checks []Check
}

// A Way is a strategy that may be asked for instead of what a Plan has.
type Way struct {
	How  string // of the Order
	Text string // "swap"
}

// A Looked is one thing that a plan was looked at for: the name of its checks.
type Looked struct {
	Name  string
	Level Level // Tells: nothing is against it
}

// A Level says what a Check means.
type Level string

// The levels.
const (
	Blocks Level = "block"
	Warns  Level = "warn"
	Tells  Level = "info"
)

// A Check is a finding of the preflight.
type Check struct {
	Name, Reason, Remedy string
	Level                Level
}

// A PlanCost is what ECI bills an hour for all that the plan is about, one rate a currency.
type PlanCost struct {
	Before, After []money.Rate
	Unpriced      int // things of the plan whose price isn't known
	// Share is what those that move take of the price of their real nodes, which are paid on.
	Share    []money.Rate
	Unshared int      // those of which it isn't known
	Why      []string // why
}

// A Progress is how far an operation has come.
type Progress struct {
	ID      string
	Verb    Verb
	Title   string // "drain node/ecs-07"
	To      string
	State   string
	Reason  string
	By      string // who began it
	Runner  string // the process that runs it, or did last
	Undoes  string
	Began   time.Time // zero: it was not begun, and won't be
	Ended   time.Time // zero: it has not
	Waits   string    // what its process waits for now; "": nothing is said
	Over    bool      // nothing more happens to it by itself
	Alone   bool      // it is not over, and nobody is at work on it
	Local   bool      // its journal is on one machine only
	Items   []Item
	Steps   []Step // of the whole, such as the cordon of a drained node
	Problem string // what could not be read of it
}

// An Item is one object of an operation, and how far that has come.
type Item struct {
	Name, From, To, How string
	State               string
	Reason              string // of the end, of a wait, or of staying
	Began, Ended        time.Time
	Trouble             fleet.Severity
	Stays               bool
	Over                bool
	Steps               []Step
}

// A Step is one call that changed something, or was about to.
type Step struct {
	At      time.Time
	Text    string // "evict pod/web-1 in shop"
	Answer  string // what the API server said; "": not known
	Times   int    // how often it was made; 0 and 1: once
	Command string // the kubectl command that does the same
}

// Works is what views need of the console to have something changed. All methods run on the
// UI goroutine.
type Works interface {
	// ReadOnly is why nothing may be changed now; "": it may.
	ReadOnly() string
	// Begin runs a plan. The console goes on running it when the view that asked is closed,
	// and calls done when it has ended, on the UI goroutine. cancel interrupts it.
	Begin(p *Plan, done func(error)) (cancel func())
	// Current is how far an operation has come that this console runs, or had come when it stopped
	// running it: if it was not over, somebody else may have gone on with it since. nil: not known.
	Current(id string) (p *Progress, running bool)
	// Leave closes a view, if it is on top.
	Leave(View)
	// Ask has a person type something below the view; done gets what was typed, and gives what
	// is wrong with it, or "".
	Ask(label string, done func(text string) string)
}
