package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/ecideck/ecideck/provider/money"
)

// A Destination is where pods go.
type Destination string

// The destinations.
const (
	ToECI    Destination = "eci"
	ToECS    Destination = "ecs"  // real nodes, whoever's they are
	Anywhere Destination = "away" // off their node, the scheduler says where
)

// Reverse is where an undo goes.
func (d Destination) Reverse() Destination {
	switch d {
	case ToECI:
		return ToECS
	case ToECS:
		return ToECI
	}
	return Anywhere
}

// A Strategy is how one pod is moved.
type Strategy string

// The strategies.
const (
	Place    Strategy = "place"    // a pod without a node is let onto the virtual node
	Swap     Strategy = "swap"     // make before break, by a surge pod that its ReplicaSet adopts
	Rollout  Strategy = "rollout"  // a Deployment's template is changed and rolls out, make before break
	Restart  Strategy = "restart"  // a pod is evicted, and an admission policy steers its successor: break before make
	Ordinals Strategy = "ordinals" // pods of a StatefulSet are evicted one by one after its template was changed
	Suspend  Strategy = "suspend"  // a Job is suspended, changed and resumed: its pods begin anew
	Template Strategy = "template" // a CronJob's template is changed, for its future runs
	Clone    Strategy = "clone"    // a pod of nobody's gets a copy under another name
	Evict    Strategy = "evict"    // the pod is evicted and its controller makes another one
	Stay     Strategy = "stay"     // the pod is not moved; Item.Why says why
)

// A State is how far an Item or an Operation has come.
type State string

// The states of operations. A process that was killed leaves its operation Running, and one that
// was not begun is Planned.
const (
	Running     State = "running"
	Aborting    State = "aborting"    // what is not beyond the point of no return goes back
	Interrupted State = "interrupted" // its process was asked to end; it can be resumed
	Done        State = "done"
	Aborted     State = "aborted" // of an item: all is as before it
	Failed      State = "failed"  // somebody has to look: Reason says at what
)

// The states of items besides Done, Aborted and Failed.
const (
	Planned   State = "planned"
	Surging   State = "surging"  // its surge pod is on the way; nothing is disrupted
	Evicting  State = "evicting" // its eviction is asked for
	Adopting  State = "adopting" // the surge pod is handed to the ReplicaSet
	Leaving   State = "leaving"  // it is done, but for the old pod, which ends its grace period
	Removing  State = "removing" // the surge pod is taken away again
	Placing   State = "placing"
	Steering  State = "steering"  // the admission policy is made and takes effect; nothing is disrupted
	Changing  State = "changing"  // the workload's fields are changed and take effect
	Changed   State = "changed"   // its pods follow the changed fields
	Reverting State = "reverting" // the workload's fields are set back and take effect
	Stays     State = "stays"
)

// Ended tells that nothing more happens to it by itself.
func (s State) Ended() bool {
	return slices.Contains([]State{Done, Aborted, Failed, Stays}, s)
}

// A Ref names one object of the cluster. Another one of the same name has another UID.
type Ref struct {
	Kind      string    `json:"kind,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name,omitempty"`
	UID       types.UID `json:"uid,omitempty"`
}

// String is the reference without the UID, as kubectl would take it.
func (r Ref) String() string {
	name := r.Name
	if r.Kind != "" {
		name = strings.ToLower(r.Kind) + "/" + name
	}
	if r.Namespace != "" {
		name += " in " + r.Namespace
	}
	return name
}

// A Level says what a Check means for a plan.
type Level string

// The levels.
const (
	Block Level = "block" // it can't be done
	Warn  Level = "warn"
	Info  Level = "info"
)

// A Check is a row of the preflight table.
type Check struct {
	Name   string `json:"name"`
	Level  Level  `json:"level"`
	Reason string `json:"reason"`           // a sentence
	Remedy string `json:"remedy,omitempty"` // what helps; "": nothing is known to
}

// An Item is one pod of a Plan, or a workload that is moved as a whole, and how far it has
// come. See Subject.
type Item struct {
	ID       string     `json:"id"`
	Pod      Ref        `json:"pod,omitzero"`
	Pods     int        `json:"pods,omitempty"`     // of a workload: how many move
	Critical bool       `json:"critical,omitempty"` // the cluster itself needs it: of a drained node it goes last
	Members  []Ref      `json:"members,omitempty"`  // of a StatefulSet: which pods, in order
	Change   *Change    `json:"change,omitempty"`   // of a workload: its fields
	Revision string     `json:"revision,omitempty"` // of a Deployment, once it has rolled out
	Policy   string     `json:"policy,omitempty"`   // the admission policy that steers the successor
	Cost     Cost       `json:"deletionCost,omitempty"`
	Hasty    bool       `json:"hasty,omitempty"`  // see Request
	Danger   string     `json:"danger,omitempty"` // why it has to be confirmed by name; "": it hasn't
	From     string     `json:"from,omitempty"`   // its node; "": none
	Workload Ref        `json:"workload"`
	Owner    Ref        `json:"owner,omitzero"` // its controller
	Strategy Strategy   `json:"strategy"`
	Node     string     `json:"node,omitempty"` // to which virtual node; "": the scheduler's choice
	Hidden   string     `json:"hidden,omitempty"`
	Services []string   `json:"services,omitempty"` // whose endpoints the surge pod must be among
	Settle   int        `json:"settleSeconds,omitempty"`
	Grace    int        `json:"graceSeconds,omitempty"` // how long one that is restarted may take to end
	Quota    bool       `json:"quota,omitempty"`        // a quota has no room for all that move while its old pod is there
	Dead     bool       `json:"dead,omitempty"`         // its pod has ended, and is only removed
	Stuck    bool       `json:"stuck,omitempty"`        // it failed because its old pod does not end
	Gone     bool       `json:"gone,omitempty"`         // it was not moved, and the old pod is gone all the same: scaled away, or deleted by somebody
	Settled  bool       `json:"settled,omitempty"`      // it stays, and that is as it should be: it is there already, ends or has ended, or belongs to the drained node
	Why      string     `json:"why"`
	Checks   []Check    `json:"checks,omitempty"`
	Size     *Size      `json:"size"`       // of one pod on ECI; null: it has nothing to do with ECI
	Before   money.Rate `json:"costBefore"` // what ECI bills for it now
	After    money.Rate `json:"costAfter"`  // what ECI bills for it then
	// Share is what its requests take of its real nodes' prices, which are paid for as long as
	// the nodes are there: it is no saving. Unknown, NoShare says why.
	Share   money.Rate `json:"costShare"`
	NoShare string     `json:"costShareUnknown,omitempty"`

	State    State     `json:"state"`
	Reason   string    `json:"reason,omitempty"`   // of the end, or of a wait
	Surge    Ref       `json:"surge,omitzero"`     // what takes its place, once it was seen
	Manifest string    `json:"manifest,omitempty"` // of a pod that was copied: what it was
	Made     time.Time `json:"surgeMade,omitzero"` // the surge pod, by the API server's clock
	Try      int       `json:"try,omitempty"`      // counts surge pods
	Again    int       `json:"again,omitempty"`    // counts replacements that were moved instead
	Began    time.Time `json:"began,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Steps    []Step    `json:"steps"`
}

// A Cost says what becomes of the deletion cost by which a surge pod is the first to go while
// it is adopted: should the replacement be Ready just before, its ReplicaSet has one Ready pod
// too many, and that must not be a bystander.
type Cost string

// The costs. "" is none: somebody else's rule governs which pods leave first.
const (
	CostForTheMove Cost = "for the move" // it is taken off once the pod is adopted
	// CostKept stays: on a vendor's virtual node a pod is patched once only, because it isn't
	// known what a further change makes of it. Such a pod goes first when its workload shrinks,
	// as pods on ECI should.
	CostKept Cost = "kept"
)

// A Step is one call that changes something. It is written before it is made, without an
// Answer, and again after it.
type Step struct {
	At     time.Time `json:"at"`
	Verb   string    `json:"verb"` // create, evict, adopt, delete, bind, tolerate, cordon, uncordon
	Object Ref       `json:"object"`
	Answer string    `json:"answer"` // what the API server said; "": not known
	Times  int       `json:"times,omitempty"`
}

// maxSteps bounds what one item takes of a journal; the oldest of what repeats are joined.
const maxSteps = 40

// begin notes that a call is about to be made.
func (i *Item) begin(verb string, object Ref, now time.Time) {
	if n := len(i.Steps); n > 0 && i.Steps[n-1].Verb == verb && i.Steps[n-1].Object == object {
		i.Steps[n-1].At, i.Steps[n-1].Answer = now, ""
		i.Steps[n-1].Times = max(i.Steps[n-1].Times, 1) + 1
		return
	}
	if len(i.Steps) >= maxSteps {
		i.Steps = slices.Delete(i.Steps, 1, 2) // the first says how it began
	}
	i.Steps = append(i.Steps, Step{At: now, Verb: verb, Object: object})
}

// answer notes what became of the last call.
func (i *Item) answer(text string) {
	if n := len(i.Steps); n > 0 {
		const most = 300
		if len(text) > most {
			text = strings.ToValidUTF8(text[:most], "") + "…"
		}
		i.Steps[n-1].Answer = text
	}
}

// A Plan is what an operation would do.
type Plan struct {
	To       Destination    `json:"to"`
	Targets  []string       `json:"targets"` // as they were asked for
	Items    []Item         `json:"items"`
	Checks   []Check        `json:"checks,omitempty"` // of the whole
	Budgets  []Budget       `json:"budgets,omitempty"`
	Parallel map[string]int `json:"parallel"`   // by workload: how many at a time
	Before   []money.Rate   `json:"costBefore"` // one a currency: what ECI bills for these pods now
	After    []money.Rate   `json:"costAfter"`
	Unpriced int            `json:"unpriced"`  // items with a price that isn't known
	Share    []money.Rate   `json:"costShare"` // one a currency: what those that move take of their real nodes' prices
	Unshared int            `json:"unshared"`  // items with a share that isn't known
	ETA      int            `json:"etaSeconds"`
	Soak     int            `json:"soakSeconds"`
	How      Strategy       `json:"how,omitempty"`  // that was asked for
	Ways     []Way          `json:"ways,omitempty"` // to ask for instead
	Drain    *Drained       `json:"drain,omitempty"`
	Open     *Ref           `json:"uncordon,omitempty"` // a node to uncordon first
	Locks    []Ref          `json:"locks"`              // whose leases are held
	Home     string         `json:"namespace"`
}

// A Drained is the node that a plan empties.
type Drained struct {
	Node     Ref  `json:"node"`
	Cordoned bool `json:"cordonedBefore"`
}

// A Budget is a PodDisruptionBudget that selects pods of a plan.
type Budget struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Allowed   int32  `json:"disruptionsAllowed"`
	Healthy   int32  `json:"currentHealthy"`
	Desired   int32  `json:"desiredHealthy"`
}

// Moves are how many items are to be moved.
func (p *Plan) Moves() int {
	n := 0
	for i := range p.Items {
		if p.Items[i].Strategy != Stay {
			n += p.Items[i].Count()
		}
	}
	return n
}

// Leaves are how many items stay that were to be moved.
func (p *Plan) Leaves() int {
	n := 0
	for i := range p.Items {
		if x := &p.Items[i]; x.Strategy == Stay && !x.Settled {
			n += x.Count()
		}
	}
	return n
}

// Settled tells that nothing is to be moved because all is as it should be.
func (p *Plan) Settled() bool {
	return len(p.Items) > 0 && p.Moves() == 0 && p.Leaves() == 0 && p.Drain == nil && p.Open == nil &&
		!slices.ContainsFunc(p.Checks, func(c Check) bool { return c.Level == Block })
}

// Danger is all that somebody has to confirm by typing, in a sentence, and the word for it: the
// name of the node that is emptied, else of the namespace, else of the workload; of several how
// many they are. "", "": nothing of it is dangerous.
func (p *Plan) Danger() (why, word string) {
	const most = 3
	var reasons, spaces, dangers, workloads []string
	confirm := func(reason, name string, all []string, kinds string) {
		if len(all) > 1 {
			name = fmt.Sprintf("%d %s", len(all), kinds)
		}
		reasons, word = append(reasons, reason), cmp.Or(word, name)
	}
	if p.Drain != nil {
		confirm("it empties node "+p.Drain.Node.Name, p.Drain.Node.Name, nil, "")
	}
	for _, t := range p.Targets {
		if name, is := strings.CutPrefix(t, "namespace/"); is {
			spaces = append(spaces, name)
		}
	}
	if len(spaces) > 0 {
		confirm("it is about all pods without a node in "+few(spaces, most), spaces[0], spaces, "namespaces")
	}
	subjects, name := map[string][]string{}, ""
	for i := range p.Items {
		x := &p.Items[i]
		if x.Strategy == Stay || x.Danger == "" {
			continue
		}
		if subjects[x.Danger] == nil {
			dangers = append(dangers, x.Danger)
		}
		subjects[x.Danger] = append(subjects[x.Danger], x.Subject().String())
		if key := x.Workload.String(); !slices.Contains(workloads, key) {
			workloads, name = append(workloads, key), x.Workload.Name
		}
	}
	for _, danger := range dangers {
		confirm(few(subjects[danger], most)+": "+danger, name, workloads, "workloads")
	}
	return strings.Join(reasons, "; "), word
}

// Blocked is why nothing of the plan can be run, or "".
func (p *Plan) Blocked() string {
	for _, c := range p.Checks {
		if c.Level == Block {
			return strings.TrimSuffix(c.Reason+"; "+c.Remedy, "; ")
		}
	}
	if p.Moves() == 0 && p.Drain == nil && p.Open == nil {
		return "nothing is to be moved" + p.staying()
	}
	return ""
}

// staying is why nothing moves, to be said behind that nothing does.
func (p *Plan) staying() string {
	var reasons []string
	for i := range p.Items {
		if why := p.Items[i].Why; why != "" && !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	switch n := len(reasons); n {
	case 0:
		return ": there are no pods of it"
	case 1:
		return ": " + reasons[0]
	default:
		return fmt.Sprintf(": %s (and %d more reasons)", reasons[0], n-1)
	}
}

// An Operation is a plan that runs or has run.
type Operation struct {
	ID     string    `json:"id"`
	State  State     `json:"state"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by"`               // who began it
	Runner string    `json:"runner,omitempty"` // the process that runs it
	Undoes string    `json:"undoes,omitempty"` // the operation that it takes back
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`
	Local  bool      `json:"localOnly,omitempty"` // no ConfigMap: it can be resumed on its machine only
	Steps  []Step    `json:"steps,omitempty"`     // on the node of a drain
	// Left is what was to be moved and was not, once it is done: of a drain what its node has
	// then, whenever it came there. It names the first hundred; LeftCount is of all.
	Left      []Left `json:"left,omitempty"`
	LeftCount int    `json:"leftCount,omitempty"`
	Plan      Plan   `json:"plan"`
}

// Subject is what the operation is about, in words: its targets, or where it takes another of
// all back, that one.
func (o *Operation) Subject(all []*Operation) string {
	if o.Undoes != "" {
		for _, other := range all {
			if other.ID == o.Undoes && other.Began.Before(o.Began) {
				return other.Kind() + " " + other.Subject(all)
			}
		}
	}
	return strings.Join(o.Plan.Targets, ", ")
}

// Kind is migrate, drain or undo.
func (o *Operation) Kind() string {
	switch {
	case o.Undoes != "":
		return "undo"
	case o.Plan.Drain != nil:
		return "drain"
	}
	return "migrate"
}

// name gives the admission policies of an operation their names.
func (o *Operation) name() {
	for i := range o.Plan.Items {
		if x := &o.Plan.Items[i]; x.Policy == "policy" {
			x.Policy = "ecideck-op-" + o.ID + "-" + x.ID
		}
	}
}

// NewID is an operation's id: its day and something that no other has.
func NewID(now time.Time) string {
	return now.UTC().Format("0102-150405") + "-" + rand.String(4)
}

// clone is a copy that nobody else writes to.
func (o *Operation) clone() *Operation {
	c := *o
	c.Steps = slices.Clone(o.Steps)
	c.Plan.Items = slices.Clone(o.Plan.Items) // Members and Change are never written to
	for i := range c.Plan.Items {
		c.Plan.Items[i].Steps = slices.Clone(c.Plan.Items[i].Steps)
	}
	return &c
}

// Count is how many items are in each state.
func (o *Operation) Count() map[State]int {
	n := map[State]int{}
	for i := range o.Plan.Items {
		n[o.Plan.Items[i].State]++
	}
	return n
}

// conclude is the state of an operation whose items have all ended, and a sentence.
func (o *Operation) conclude() (State, string) {
	n, gone, settled := o.Count(), 0, 0
	for i := range o.Plan.Items {
		switch x := &o.Plan.Items[i]; {
		case x.State == Aborted && x.Gone:
			gone++
		case x.State == Stays && x.Settled:
			settled++
		}
	}
	n[Aborted] -= gone
	state := Done
	switch {
	case n[Failed] > 0:
		state = Failed
	case n[Aborted] > 0 && (o.State == Aborting || n[Done] == 0):
		state = Aborted
	case o.State == Aborting && n[Done] == 0 && o.Plan.Drain != nil: // its node is open
		state = Aborted
	case n[Aborted] > 0:
		state = Failed
	case gone > 0 && n[Done] == 0 && o.Plan.Drain == nil: // of a drain the node is empty
		state = Aborted
	}
	stays, where, still := n[Stays]-settled, "", "as they should be"
	if o.Plan.Drain != nil {
		where, still = " on the node", "belong to the node"
		if state == Done {
			stays = o.LeftCount
		}
	}
	text := fmt.Sprintf("%d moved", n[Done])
	for _, part := range []struct {
		n    int
		what string
	}{{gone, "gone already"}, {n[Aborted], "as before"}, {n[Failed], "need a look"}, {stays, "stay" + where}, {settled, still}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return state, text
}
