package fleet

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
)

// priced are the inputs of a fleet in which every kind of cost is: two currencies, nodes
// with and without a price, spot, economy, orphans, loose groups, ended pods.
func priced(r *rand.Rand, pods int) *world {
	w := &world{uid: clusterUID}
	for i := range 6 {
		n := &Node{Name: fmt.Sprint("ecs-", i), UID: fmt.Sprint("n", i), Place: PlaceECS, Status: "Ready", InstanceType: "ecs.g7.xlarge",
			AllocatableCPU: 4000, AllocatableMemory: 16 << 30, Created: noon.Add(-240 * time.Hour)}
		switch i {
		case 3:
			n.InstanceType = "ecs.unknown"
		case 4:
			n.Name, n.Place = "rack-4", PlaceOther
		case 5:
			n.Name, n.Virtual, n.Place = "virtual-1", true, PlaceECI
		}
		w.nodes = append(w.nodes, n)
	}
	for i := range pods {
		w.add(r, i)
	}
	return w
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (w *world) add(r *rand.Rand, i int) {
	p := eciPod(fmt.Sprintf("p-%d", i))
	p.Namespace = pick(r, "shop", "pay", "batch")
	p.Workload = pick(r, Owner{"Deployment", "web"}, Owner{"Job", "report"}, Owner{})
	p.NodeName = w.nodes[r.IntN(len(w.nodes))].Name
	p.RequestCPU, p.RequestMemory = pick[int64](r, 0, 250, 1000, 3500), pick[int64](r, 0, 1<<29, 2<<30)
	p.Started = noon.Add(-time.Duration(r.IntN(9000)) * time.Second)
	switch r.IntN(6) {
	case 0:
		p.Phase, p.Status, p.Changed = "Succeeded", "Completed", noon.Add(-time.Minute)
	case 1:
		p.Phase, p.Status, p.NodeName = "Pending", "Pending", ""
	}
	if p.NodeName != "virtual-1" {
		p.InstanceID = ""
		w.pods = append(w.pods, p)
		return
	}
	if r.IntN(4) > 0 {
		w.pods = append(w.pods, p) // else an orphan
	}
	g := ourGroup(p.InstanceID, p.Name)
	g.Identity.Namespace = p.Namespace
	g.Status = pick(r, eci.Running, eci.Running, eci.Pending, eci.Scheduling, eci.Succeeded, eci.Status("Frozen"))
	g.CPU, g.Memory = pick(r, 0.25, 1, 2, 4), pick(r, 2.0, 4, 8)
	g.Spot, g.Category = pick(r, "", "", "SpotAsPriceGo"), pick(r, "", "", "economy")
	g.Zone, g.Disk = pick(r, "cn-hangzhou-h", "cn-hangzhou-i"), pick(r, 0, 0, 20)
	g.Started = pick(r, time.Time{}, g.Created.Add(3*time.Second), noon.Add(3*time.Second))
	if g.Status == eci.Succeeded {
		g.Ended = noon.Add(-time.Minute)
	}
	if r.IntN(8) == 0 {
		g.Identity.ClusterID = "another"
	}
	w.groups = append(w.groups, g)
}

func (w *world) priced(sweep int) Inputs {
	in := w.inputs(sweep)
	in.Apply(PriceBook{Region: "cn-hangzhou", VCPU: money.PerHour(30_000, "EUR"), GiB: money.PerHour(4_000, "EUR"),
		Nodes: []NodePrice{{Name: "rack-*", Rate: money.PerHour(500_000, money.USD)}}})
	in.Apply(NodePrices{Types: map[string]GroupPrice{"ecs.g7.xlarge": {Rate: money.PerHour(960_000, money.CNY)}}})
	spot := PriceKey{CPU: 2, Memory: 4, Zone: "cn-hangzhou-h", Spot: true}
	in.Apply(Prices{Groups: map[PriceKey]GroupPrice{
		spot:                {Rate: money.PerHour(110_000, money.CNY)},
		{CPU: 1, Memory: 2}: {Rate: money.PerHour(200_000, money.CNY), Spot: money.PerHour(60_000, money.CNY)},
	}})
	return in
}

// TestTheSumIsTheSumOfItsParts holds for rates, accruals, waste and what is unknown, in
// every grouping, for any fleet, after any change, in each currency.
func TestTheSumIsTheSumOfItsParts(t *testing.T) {
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 9))
		w := priced(r, 40)
		var s *Snapshot
		now := noon
		for step := range 12 {
			in := w.priced(step)
			if s != nil {
				in.Nodes, in.Groups, in.Events = s.built.in.Nodes, s.built.in.Groups, s.built.in.Events
			}
			if step%4 == 3 {
				in.Apply(Groups{Items: slices.Clone(w.groups), Sweep: step})
			}
			s = Build(in, now, s)
			for _, by := range Groupings() {
				var sum Tally
				for _, row := range s.Costs(by) {
					sum.AddAll(row.Cost)
				}
				if sum != s.Cost {
					t.Fatalf("seed %d, step %d: by %s the parts are\n%+v, the whole is\n%+v", seed, step, by, sum, s.Cost)
				}
				for _, c := range s.Cost.Currencies() {
					if sum.Accrued(c, now) != s.Cost.Accrued(c, now) || !s.Cost.Accrued(c, now).Known() {
						t.Fatalf("seed %d: by %s %s accrued", seed, by, c)
					}
				}
			}
			// One by one, with nothing but money's own sum: no two currencies meet, nothing
			// unknown is added.
			var rates money.Sum
			unknown := 0
			for _, p := range s.Placements {
				rate := p.Cost.Rate()
				if rate.Known() {
					rates.AddRate(rate)
				} else if p.Cost.State != NotBilled {
					unknown++
				}
			}
			for _, g := range s.loose() {
				c := s.GroupCost(g)
				if rate := c.Rate(); rate.Known() {
					rates.AddRate(rate)
				} else if c.State != NotBilled {
					unknown++
				}
			}
			for _, n := range s.Nodes {
				if !n.Virtual && n.Idle().Known() {
					rates.AddRate(n.Idle())
				} else if !n.Virtual {
					unknown++
				}
			}
			totals, err := rates.Totals()
			if err != nil {
				t.Fatal(err)
			}
			for _, total := range totals {
				if got := s.Cost.Rate(total.Currency).MicrosPerHour; got != total.Micros {
					t.Fatalf("seed %d, step %d: %s: %d, one by one %d", seed, step, total.Currency, got, total.Micros)
				}
			}
			if s.Cost.Unknown != unknown {
				t.Fatalf("seed %d, step %d: %d unknown, one by one %d", seed, step, s.Cost.Unknown, unknown)
			}
			whole := in
			whole.Nodes.Items = slices.Clone(in.Nodes.Items) // new nodes: everything is looked at again
			again := Build(whole, now, s)
			for name, pair := range map[string][2]any{
				"placements": {s.Placements, again.Placements}, "nodes": {s.Nodes, again.Nodes}, "workloads": {s.Workloads, again.Workloads},
				"places": {s.Places, again.Places}, "cost": {s.Cost, again.Cost}, "attention": {s.Attention, again.Attention},
			} {
				if !reflect.DeepEqual(pair[0], pair[1]) {
					t.Fatalf("seed %d, step %d: %s built by the change differ from those built whole", seed, step, name)
				}
			}
			now = now.Add(time.Duration(r.IntN(400)) * time.Second)
			switch r.IntN(4) {
			case 0:
				w.add(r, 100+step)
			case 1:
				w.pods = slices.Delete(slices.Clone(w.pods), 0, 1)
			default:
				w.pods = slices.Clone(w.pods)
				at := r.IntN(len(w.pods))
				p := *w.pods[at]
				p.ResourceVersion, p.RequestCPU = fmt.Sprint(step), pick[int64](r, 0, 500)
				p.Workload = pick(r, p.Workload, Owner{"Deployment", "other"})
				w.pods[at] = &p
			}
		}
	}
}

func TestWhatAPlacementCosts(t *testing.T) {
	healthyPriced := func(change func(*world)) *Snapshot {
		w := healthy()
		for _, n := range w.nodes {
			n.AllocatableCPU, n.AllocatableMemory, n.InstanceType = 4000, 16<<30, "ecs.g7.xlarge"
		}
		w.groups[0].CPU, w.groups[0].Memory, w.groups[0].Started = 2, 4, noon.Add(-30*time.Minute)
		if change != nil {
			change(w)
		}
		return Build(w.priced(1), noon, nil)
	}
	list := money.PerHour(2*176_400+4*22_068, money.CNY) // 0.441072 CNY/h, the vendor's list
	tests := []struct {
		name    string
		change  func(*world)
		pod     string
		rate    money.Rate
		accrued money.Money
		from    PriceSource
	}{
		{"a group costs its billed size, by the embedded list", nil, "web-0", list, money.Of(220_536, money.CNY), PriceTable},
		{"the price API beats the list", func(w *world) { w.groups[0].CPU, w.groups[0].Memory = 1, 2 }, "web-0",
			money.PerHour(200_000, money.CNY), money.Of(100_000, money.CNY), PriceAPI},
		{"a spot group costs its zone's spot price", func(w *world) {
			w.groups[0].Spot, w.groups[0].Zone = "SpotAsPriceGo", "cn-hangzhou-h"
		}, "web-0", money.PerHour(110_000, money.CNY), money.Of(55_000, money.CNY), PriceAPI},
		{"a spot group whose zone has no price is unknown, not listed", func(w *world) {
			w.groups[0].Spot, w.groups[0].Zone = "SpotAsPriceGo", "cn-hangzhou-k"
		}, "web-0", money.Rate{}, money.Money{}, ""},
		{"an ended group costs nothing now and what it cost", func(w *world) {
			w.pods[0].Phase, w.pods[0].Status = "Succeeded", "Completed"
			w.groups[0].Status, w.groups[0].Ended = eci.Succeeded, noon.Add(-20*time.Minute)
		}, "web-0", money.PerHour(0, money.CNY), money.Of(73_512, money.CNY), PriceTable},
		{"a group that is being placed costs nothing", func(w *world) {
			w.pods[0].Phase, w.pods[0].Status = "Pending", "Pending"
			w.groups[0].Status, w.groups[0].Started = eci.Scheduling, time.Time{}
		}, "web-0", money.PerHour(0, money.CNY), money.Of(0, money.CNY), PriceTable},
		{"a pod of a real node costs its part of the node", nil, "db-0",
			money.PerHour(100_000, money.CNY), money.Of(100_000, money.CNY), PriceShare}, // (8*0.5+1)/(8*4+16) of 0.96
		{"a pod of a node without a price is unknown where the config has none either", func(w *world) {
			w.nodes[1].InstanceType, w.nodes[1].AllocatableCPU = "ecs.unheard-of", 0
		}, "db-0", money.Rate{}, money.Money{}, ""},
		{"a node elsewhere is priced by the config file", func(w *world) { w.nodes[1].Place, w.nodes[1].InstanceType = PlaceOther, "" }, "db-0",
			money.PerHour(19_167, "EUR"), money.Of(19_167, "EUR"), PriceShare}, // of 4*0.03+16*0.004
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := row(t, healthyPriced(test.change), test.pod).Cost
			if got := c.Rate(); got != test.rate {
				t.Errorf("rate %v, want %v", got, test.rate)
			}
			if got := c.Accrued(noon); got != test.accrued {
				t.Errorf("accrued %v, want %v", got, test.accrued)
			}
			from := PriceSource("")
			if c.Quote != nil {
				from = c.Quote.From
			}
			if from != test.from {
				t.Errorf("from %q, want %q", from, test.from)
			}
		})
	}
	t.Run("it grows when it is read", func(t *testing.T) {
		c := row(t, healthyPriced(nil), "web-0").Cost
		if got := c.Accrued(noon.Add(time.Hour)); got != money.Of(661_608, money.CNY) {
			t.Errorf("an hour later %v", got)
		}
		if got := c.Month(); got != money.Of(321_982_560, money.CNY) {
			t.Errorf("a month %v", got)
		}
	})
	t.Run("a discount of the config file comes off ECI's price", func(t *testing.T) {
		in := healthy().priced(1)
		in.Book.Discount = 850
		in.Groups.Items[0].CPU, in.Groups.Items[0].Memory = 1, 2
		q := row(t, Build(in, noon, nil), "web-0").Cost.Quote
		if q.Rate != money.PerHour(170_000, money.CNY) {
			t.Errorf("rate %v", q.Rate)
		}
		if q.Spot != money.PerHour(60_000, money.CNY) {
			t.Errorf("as spot %v", q.Spot)
		}
	})
	t.Run("a discount does not come off spot prices", func(t *testing.T) {
		in := healthy().priced(1)
		in.Book.Discount = 850
		g := in.Groups.Items[0]
		g.CPU, g.Memory, g.Spot, g.Zone, g.Started = 2, 4, "SpotAsPriceGo", "cn-hangzhou-h", noon.Add(-time.Hour)
		at := PriceKeyOf(g)
		price := in.Prices.Groups[at]
		price.Track = (*PriceTrack)(nil).With(noon.Add(-2*time.Hour), money.PerHour(100_000, money.CNY)).With(noon.Add(-30*time.Minute), price.Rate)
		in.Prices.Groups[at] = price
		c := row(t, Build(in, noon, nil), "web-0").Cost
		if c.Rate() != money.PerHour(110_000, money.CNY) || c.Quote.Spot != c.Rate() || c.Accrued(noon) != money.Of(105_000, money.CNY) {
			t.Errorf("rate %v, as spot %v, accrued %v", c.Rate(), c.Quote.Spot, c.Accrued(noon))
		}
	})
	t.Run("a group stuck in Pending is waste, and that by time alone", func(t *testing.T) {
		w := healthy()
		w.groups[0].CPU, w.groups[0].Memory = 2, 4
		w.groups[0].Status, w.groups[0].Started = eci.Pending, noon.Add(-stuckPending+time.Minute)
		w.pods[0].Phase, w.pods[0].Status = "Pending", "ContainerCreating"
		in := w.priced(1)
		s := Build(in, noon, nil)
		if waste := s.Cost.Waste(money.CNY); waste.MicrosPerHour != 0 {
			t.Fatalf("waste %v already", waste)
		}
		if waste := Build(in, noon.Add(time.Minute), s).Cost.Waste(money.CNY); waste != list {
			t.Errorf("waste %v", waste)
		}
	})
	t.Run("limits are asked for, and cost as much on ECI, though requests are less", func(t *testing.T) {
		s := healthyPriced(func(w *world) {
			for _, p := range w.pods {
				p.Asked = Ask{CPU: 4, Memory: 8}
			}
			w.groups[0].CPU, w.groups[0].Memory = 4, 8
		})
		if q := row(t, s, "web-0").Cost.Quote; q.Asked != q.Rate || q.Rate != money.PerHour(882_144, money.CNY) || q.ECS != money.PerHour(100_000, money.CNY) {
			t.Errorf("%v, asked %v, on ECS %v", q.Rate, q.Asked, q.ECS)
		}
		if q := row(t, s, "db-0").Cost.Quote; q.ECI != money.PerHour(882_144, money.CNY) || q.Rate != money.PerHour(100_000, money.CNY) {
			t.Errorf("on its node %v, on ECI %v", q.Rate, q.ECI)
		}
	})
	t.Run("what is billed for a machine type is not guessed from requests", func(t *testing.T) {
		s := healthyPriced(func(w *world) { w.pods[0].Asked, w.pods[1].Asked = Ask{Open: true}, Ask{Open: true} })
		if q := row(t, s, "web-0").Cost.Quote; q.Asked.Known() || q.ECS != money.PerHour(100_000, money.CNY) {
			t.Errorf("asked %v, on ECS %v", q.Asked, q.ECS)
		}
		if q := row(t, s, "db-0").Cost.Quote; q.ECI.Known() || q.Spot.Known() {
			t.Errorf("on ECI %v, as spot %v", q.ECI, q.Spot)
		}
	})
	t.Run("only groups are saved on as spot", func(t *testing.T) {
		s := healthyPriced(func(w *world) {
			w.pods[1].Asked = Ask{CPU: 1, Memory: 2} // db-0, on a real node: as a spot group it would cost 0.06
			w.groups[0].CPU, w.groups[0].Memory = 1, 2
		})
		if q := row(t, s, "db-0").Cost.Quote; q.Spot != money.PerHour(60_000, money.CNY) {
			t.Fatalf("db-0 as spot %v", q.Spot)
		}
		if saved := s.Cost.OverSpot(money.CNY); saved != money.PerHour(140_000, money.CNY) || s.Cost.Groups != 1 || s.Cost.NoSpot != 0 {
			t.Errorf("spot saves %v with %d of %d groups", saved, s.Cost.Groups-s.Cost.NoSpot, s.Cost.Groups)
		}
	})
	t.Run("what ECI rounded up is not what was asked", func(t *testing.T) {
		q := row(t, healthyPriced(nil), "web-0").Cost.Quote // 0.5c 1Gi of 2c 4Gi
		if q.Asked != money.PerHour(110_268, money.CNY) {
			t.Errorf("asked %v of %v", q.Asked, q.Rate)
		}
		if q.ECS != money.PerHour(100_000, money.CNY) {
			t.Errorf("on ECS %v", q.ECS)
		}
	})
}

func TestInt128(t *testing.T) {
	for _, c := range []struct{ a, b, add, want int64 }{
		{3600, 5, 0, 5}, {-3600, 5, 0, -5}, {1, 1800, 0, 1}, {1, 1799, 0, 0}, {-1, 1800, 0, -1}, {1, -1799, 0, 0},
		{1 << 50, 3600, 7 * 3600, 1<<50 + 7}, {-(1 << 50), 3600, 7 * 3600, -(1 << 50) + 7}, {0, 0, -3600, -1},
	} {
		if got, ok := product(c.a, c.b).add(product(c.add, 1)).perHour(); !ok || got != c.want {
			t.Errorf("(%d×%d+%d)/3600 = %d %v, want %d", c.a, c.b, c.add, got, ok, c.want)
		}
	}
	if _, ok := product(1<<62, 1<<62).perHour(); ok {
		t.Error("2^124/3600 fits")
	}
}
