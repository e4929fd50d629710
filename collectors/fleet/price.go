package fleet

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
)

// stuckPending is how long a group may be paid for without anything running before that
// counts as waste: large images take minutes.
const stuckPending = 15 * time.Minute

// vcpuWeight is how much more one vCPU counts than one GiB when a price is split between
// requests: their ratio in ECI's list prices (0.1764 / 0.022068).
const vcpuWeight = 8

// maxRate bounds the prices that are believed, a billion an hour: what is larger is no price.
const maxRate = 1e15

// A quoteKey is everything that a Quote is made from, beside the prices.
type quoteKey struct {
	price       PriceKey
	node        *Quote  // a real node's own, for the part that a pod takes of it
	capacity    float64 // of that node, weighted
	cpu, memory int64   // the pod's request, millicores and bytes
	asked       Ask     // of ECI
}

// A pricer makes quotes from the prices that are known, each once.
type pricer struct {
	in     *Inputs
	quotes map[quoteKey]*Quote
	shared bool // quotes is an older snapshot's
	frozen bool // Build is over: readers share quotes
	nodes  map[nodeKey]*Quote
	equal  map[Quote]*Quote // nodes' quotes, each once: nodes of a type share theirs
	unit   money.Rate       // of one GiB, or an eighth of a vCPU, on the cheapest ECS node; unknown: none
}

type nodeKey struct{ name, kind string }

// weight is a request's or a node's size in GiB-equivalents.
func weight(milliCPU, bytes int64) float64 {
	return vcpuWeight*float64(milliCPU)/1000 + float64(bytes)/(1<<30)
}

// part is that part of a rate which a weight takes of another one.
func part(r money.Rate, of, whole float64) money.Rate {
	if !r.Known() || whole <= 0 {
		return money.Rate{}
	}
	return money.PerHour(int64(math.Round(float64(r.MicrosPerHour)*of/whole)), r.Currency)
}

// pricing takes over the old quotes when no price and no node changed.
func (b *builder) pricing() {
	old, k := &b.old.built, &b.s.built
	samePrices := old.prices != nil && maps.Equal(b.in.Prices.Groups, old.in.Prices.Groups) &&
		maps.Equal(b.in.NodePrices.Types, old.in.NodePrices.Types) && b.in.Book.equal(&old.in.Book)
	if samePrices && old.nodes != nil && same(b.in.Nodes.Items, old.in.Nodes.Items) {
		k.prices = &pricer{in: &k.in, quotes: old.prices.quotes, shared: true, nodes: old.prices.nodes, equal: old.prices.equal, unit: old.prices.unit}
		return
	}
	b.whole = true
	k.prices = &pricer{in: &k.in, quotes: map[quoteKey]*Quote{}, nodes: map[nodeKey]*Quote{}, equal: map[Quote]*Quote{}}
	cheapest := math.Inf(1)
	for _, n := range b.in.Nodes.Items {
		q := k.prices.node(n)
		if size := weight(n.AllocatableCPU, n.AllocatableMemory); q != nil && q.Rate.Known() && n.Place == PlaceECS && size > 0 {
			if unit := float64(q.Rate.MicrosPerHour) / size; unit < cheapest {
				cheapest, k.prices.unit = unit, money.PerHour(int64(math.Round(unit)), q.Rate.Currency)
			}
		}
	}
}

func (b *PriceBook) equal(o *PriceBook) bool {
	return b.Site == o.Site && b.Region == o.Region && b.Discount == o.Discount && b.VCPU == o.VCPU && b.GiB == o.GiB &&
		slices.Equal(b.Nodes, o.Nodes)
}

// quote makes a quote once for each key.
func (p *pricer) quote(key quoteKey, make func(*Quote)) *Quote {
	if q, ok := p.quotes[key]; ok {
		return q
	}
	q := &Quote{}
	make(q)
	if !q.Rate.Known() {
		q = nil
	}
	if p.frozen {
		return q
	}
	if p.shared {
		p.quotes, p.shared = maps.Clone(p.quotes), false
	}
	p.quotes[key] = q
	return q
}

// node is the price of a real node; nil when none is known.
func (p *pricer) node(n *Node) *Quote {
	if n.Virtual {
		return nil
	}
	key := nodeKey{n.Name, n.InstanceType}
	if q, ok := p.nodes[key]; ok {
		return q
	}
	var q *Quote
	for i := range p.in.Book.Nodes {
		if price := &p.in.Book.Nodes[i]; price.fits(n) {
			q = &Quote{Rate: price.Rate, From: PriceConfig}
			break
		}
	}
	if api, ok := p.in.NodePrices.Types[n.InstanceType]; q == nil && n.Place == PlaceECS && ok && believable(api.Rate) {
		q = &Quote{Rate: api.Rate, List: api.List, From: PriceAPI, Read: api.Read}
	}
	if book := &p.in.Book; q == nil && book.VCPU.Known() && book.GiB.Currency == book.VCPU.Currency && n.AllocatableCPU > 0 {
		gib := float64(n.AllocatableMemory) / (1 << 30)
		micros := float64(book.VCPU.MicrosPerHour)*float64(n.AllocatableCPU)/1000 + float64(book.GiB.MicrosPerHour)*gib
		q = &Quote{Rate: money.PerHour(int64(math.Round(micros)), book.VCPU.Currency), From: PriceConfig}
	}
	if q != nil {
		if p.equal[*q] == nil {
			p.equal[*q] = q
		}
		q = p.equal[*q]
	}
	p.nodes[key] = q
	return q
}

func (n *NodePrice) fits(node *Node) bool {
	switch prefix, many := strings.CutSuffix(n.Name, "*"); {
	case n.InstanceType != "" && n.InstanceType != node.InstanceType, !n.Rate.Known():
		return false
	case n.Name == "":
		return n.InstanceType != ""
	case many:
		return strings.HasPrefix(node.Name, prefix)
	}
	return n.Name == node.Name
}

func believable(r money.Rate) bool {
	return r.Known() && r.MicrosPerHour >= 0 && r.MicrosPerHour < maxRate
}

// PriceKeyOf is what a group's price is asked for.
func PriceKeyOf(g *Group) PriceKey {
	k := PriceKey{CPU: g.CPU, Memory: g.Memory, Category: g.Category, Spot: g.Spot != "", Disk: g.Disk}
	if strings.HasPrefix(g.InstanceType, "ecs.") { // else it is a size such as 2.0-4.0Gi
		k.InstanceType = g.InstanceType
	}
	if k.Spot || k.InstanceType != "" {
		k.Zone = g.Zone
	}
	if k.Category == string(spec.General) {
		k.Category = ""
	}
	return k
}

func comparePriceKeys(a, b PriceKey) int {
	spot := func(k PriceKey) int {
		if k.Spot {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Memory, b.Memory), cmp.Compare(a.InstanceType, b.InstanceType),
		cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Disk, b.Disk), spot(a)-spot(b))
}

// group is the price of a group that runs a pod's request; p nil: the request is not known.
func (p *pricer) group(g *Group, pod *Pod) *Quote {
	key := quoteKey{price: PriceKeyOf(g)}
	if pod != nil {
		key.cpu, key.memory, key.asked = pod.RequestCPU, pod.RequestMemory, pod.asked()
	}
	return p.quote(key, func(q *Quote) {
		p.price(q, key.price)
		q.ECI = q.Rate
		billed := vcpuWeight*g.CPU + g.Memory
		if asked := vcpuWeight*key.asked.CPU + key.asked.Memory; asked > 0 && billed > 0 {
			q.Asked = part(q.Rate, min(asked, billed), billed)
		}
		if weight(key.cpu, key.memory) > 0 {
			q.ECS = p.onECS(key)
		}
	})
}

// price finds what ECI is paid: its price API, the embedded list, both less the discount
// that the config file tells, but for spot: savings plans don't apply to it.
func (p *pricer) price(q *Quote, key PriceKey) {
	api, asked := p.in.Prices.Groups[key]
	if key.Spot && believable(api.Rate) {
		q.Rate, q.List, q.From, q.Read, q.Track = api.Rate, api.List, PriceAPI, api.Read, api.Track
	} else if asked && believable(api.Rate) {
		q.Rate, q.List, q.From, q.Read, q.Track = p.less(api.Rate), api.List, PriceAPI, api.Read, p.lessOver(api.Track)
	} else if !key.Spot && key.InstanceType == "" {
		q.Rate, q.Read = p.listed(key)
		q.List, q.From = q.Rate, PriceTable
		q.Rate = p.less(q.Rate)
	}
	if believable(api.Spot) {
		q.Spot = api.Spot
	}
	if key.Spot {
		q.Spot = q.Rate
	}
}

// lessOver is a track less the discount.
func (p *pricer) lessOver(t *PriceTrack) *PriceTrack {
	if d := p.in.Book.Discount; t == nil || d <= 0 || d >= 1000 {
		return t
	}
	out := &PriceTrack{slices.Clone(t.Steps)}
	for i := range out.Steps {
		out.Steps[i].Rate = p.less(out.Steps[i].Rate)
	}
	return out
}

func (p *pricer) less(r money.Rate) money.Rate {
	if d := p.in.Book.Discount; d > 0 && d < 1000 && r.Known() {
		if less, err := r.Times(d); err == nil {
			return less
		}
	}
	return r
}

// listed is the embedded list price of a size; unknown where the vendor publishes none.
func (p *pricer) listed(key PriceKey) (money.Rate, time.Time) {
	if key.CPU <= 0 || key.Memory <= 0 {
		return money.Rate{}, time.Time{}
	}
	site, category := p.in.Book.Site, spec.Category(key.Category)
	if site == "" {
		site = spec.ChinaSite
	}
	if category == "" {
		category = spec.General
	}
	r, err := spec.PriceAt(site, spec.Spec{CPU: key.CPU, Memory: key.Memory}, p.in.Book.Region, category)
	if err != nil || !r.Known() {
		return money.Rate{}, time.Time{}
	}
	if key.Disk > 0 {
		disk, err := spec.DiskPriceAt(site, key.Disk, p.in.Book.Region, category)
		if err != nil {
			return money.Rate{}, time.Time{}
		}
		if r, err = r.Add(disk); err != nil { // also where the disk's price is not published
			return money.Rate{}, time.Time{}
		}
	}
	read := time.Time{}
	for _, row := range spec.Prices() {
		if row.Site == site && row.Read.After(read) {
			read = row.Read
		}
	}
	return r, read
}

// asked is what the pod asks of ECI; of a record that doesn't say, its requests.
func (p *Pod) asked() Ask {
	if p.Asked.CPU == 0 && p.Asked.Memory == 0 && !p.Asked.Open {
		return Ask{CPU: float64(p.RequestCPU) / 1000, Memory: float64(p.RequestMemory) / (1 << 30), Disk: p.Asked.Disk}
	}
	return p.Asked
}

// onECS is what a request takes of this cluster's cheapest ECS node, by its weight.
func (p *pricer) onECS(key quoteKey) money.Rate {
	return part(p.unit, weight(key.cpu, key.memory), 1)
}

// share is a pod's part of its real node's price.
func (p *pricer) share(pod *Pod, n *Node) *Quote {
	own := p.node(n)
	if own == nil {
		return nil
	}
	key := quoteKey{node: own, capacity: weight(n.AllocatableCPU, n.AllocatableMemory), cpu: pod.RequestCPU, memory: pod.RequestMemory, asked: pod.asked()}
	return p.quote(key, func(q *Quote) {
		q.Rate = part(own.Rate, weight(key.cpu, key.memory), key.capacity)
		q.Asked, q.From, q.Read = q.Rate, PriceShare, own.Read
		if n.Place == PlaceECS {
			q.ECS = q.Rate
		}
		if size, err := spec.Round(key.asked.CPU, key.asked.Memory, p.in.Book.Region, false); err == nil && !key.asked.Open {
			var on Quote
			p.price(&on, PriceKey{CPU: size.CPU, Memory: size.Memory, Disk: key.asked.Disk})
			q.ECI, q.Spot = on.Rate, on.Spot
		}
	})
}

// Share is what a request of so many thousandths of a vCPU and bytes takes of the node's price;
// unknown where that is, and of a virtual node, which has none.
func (n *Node) Share(milliCPU, bytes int64) money.Rate {
	if n.Virtual {
		return money.Rate{}
	}
	return part(n.Cost.Rate(), weight(milliCPU, bytes), weight(n.AllocatableCPU, n.AllocatableMemory))
}

// cost says what a placement costs, and when the same inputs will cost something else; zero:
// never. What began in the future, by clocks that disagree, has no known beginning until then.
func (b *builder) cost(p *Placement) (c Cost, recheck time.Time) {
	c, recheck = b.costOf(p)
	if c.Since.After(b.now) {
		recheck, c.Since = c.Since, time.Time{}
	}
	return c, recheck
}

func (b *builder) costOf(p *Placement) (c Cost, recheck time.Time) {
	prices := b.s.built.prices
	pod := p.Pod
	if g := p.Group; g != nil {
		c := prices.groupCost(g, pod)
		switch {
		case c.State != Billed:
		case pod == nil, pod.ended() && strings.HasSuffix(p.Status, "/"+string(g.Status)):
			c.Waste = true
		case g.Status == eci.Pending && !g.Started.IsZero():
			recheck = g.Started.Add(stuckPending)
			if c.Waste = !b.now.Before(recheck); c.Waste {
				recheck = time.Time{}
			}
		}
		return c, recheck
	}
	c = Cost{Since: firstTime(pod.Started, pod.Created)}
	switch p.Place {
	case PlaceNone:
		return Cost{State: NotBilled}, recheck
	case PlaceECS, PlaceOther:
		c.State, c.Quote = Billed, prices.share(pod, p.Node)
	case PlaceACS:
		c.State = Billed // no price of ACS is known
	case PlaceECI:
		if pod.InstanceID == "" || p.Status == StatusLost || pod.ended() {
			return Cost{State: NotBilled}, recheck // no group, or one that is gone
		}
		return Cost{State: BillingUnknown}, recheck
	default:
		if pod.ended() {
			return Cost{State: NotBilled}, recheck
		}
		return Cost{State: BillingUnknown}, recheck
	}
	if pod.ended() {
		c.State, c.Until = NotBilled, pod.Changed
	}
	return c, recheck
}

func (p *pricer) groupCost(g *Group, pod *Pod) Cost {
	c := Cost{State: NotBilled, Quote: p.group(g, pod), Since: g.Started, Until: g.Ended}
	switch {
	case g.Status.Billed():
		c.State, c.Until = Billed, time.Time{}
		if c.Since.IsZero() {
			c.Since = g.Created
		}
	case g.Status.Ended() && c.Since.IsZero() && g.Status != eci.ScheduleFailed:
		c.Since = g.Created
	case !g.Status.Ended() && g.Status != eci.Scheduling:
		c.State = BillingUnknown // a status that this program does not know
	}
	if g.Status == eci.ScheduleFailed || g.Status == eci.Scheduling {
		c.Since, c.Until = time.Time{}, time.Time{}
	}
	return c
}
