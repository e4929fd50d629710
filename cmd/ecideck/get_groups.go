package main

import (
	"slices"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// A groupItem is one container group as programs read it; null as in podItem.
type groupItem struct {
	ID           string     `json:"id"`
	Name         *string    `json:"name"`
	Relation     string     `json:"relation"` // joined, unjoined, orphan, foreign
	Status       *string    `json:"status"`
	Reason       *string    `json:"reason"`
	Message      *string    `json:"message"`
	Zone         *string    `json:"zone"`
	VSwitch      *string    `json:"vSwitch"`
	IP           *string    `json:"ip"`
	InstanceType *string    `json:"instanceType"`
	Spot         *string    `json:"spot"`
	Cluster      *string    `json:"cluster"` // the cluster id in its tags
	Pod          *podRef    `json:"pod"`     // in its tags
	Restarts     *int       `json:"restarts"`
	Billed       specItem   `json:"billed"`
	Usage        specItem   `json:"usage"`
	Cost         costItem   `json:"cost"`
	CreatedAt    *time.Time `json:"createdAt"`
	EndedAt      *time.Time `json:"endedAt"`
}

type podRef struct {
	Namespace *string `json:"namespace"`
	Name      *string `json:"name"`
	UID       *string `json:"uid"`
}

func relationOrder(r fleet.Relation) int {
	return slices.Index([]fleet.Relation{fleet.Orphan, fleet.Unjoined, fleet.Joined, fleet.Foreign}, r)
}

func groupTable(s *fleet.Snapshot, o listOptions) table {
	t := table{columns: []column{
		{"ID", false}, {"STATUS", false}, {"RELATION", false}, {"POD", false}, {"VCPU", false}, {"MEMORY-GIB", false}, {"ZONE", false}, {"COST/H", false}, {"AGE", false},
		{"NAME", true}, {"CLUSTER", true}, {"IP", true}, {"TYPE", true}, {"SPOT", true}, {"ACCRUED", true}, {"CURRENCY", true}, {"REASON", true}, {"MESSAGE", true},
	}}
	placed := make(map[*fleet.Group]*fleet.Placement, len(s.Groups))
	for _, p := range s.Placements {
		if p.Group != nil {
			placed[p.Group] = p
		}
	}
	// What is paid for nothing stands first, what is not ours last.
	groups := slices.Clone(s.Groups)
	slices.SortStableFunc(groups, func(a, b *fleet.Group) int { return relationOrder(a.Relation) - relationOrder(b.Relation) })
	for _, g := range groups {
		id := g.Identity
		if o.namespace != "" && id.Namespace != o.namespace {
			continue
		}
		restarts := g.Restarts
		item := groupItem{
			ID: g.ID, Name: known(g.Name), Relation: string(g.Relation), Status: known(string(g.Status)), Reason: known(g.Reason), Message: known(g.Message),
			Zone: known(g.Zone), VSwitch: known(g.VSwitch), IP: known(g.IP), InstanceType: known(g.InstanceType), Spot: known(g.Spot),
			Cluster: known(id.ClusterID), Restarts: &restarts, Billed: specItem{known(g.CPU), known(g.Memory)},
			CreatedAt: knownTime(g.Created), EndedAt: knownTime(g.Ended),
		}
		cost := fleet.Cost{} // of a group that is no pod's it is not ours to know
		if p := placed[g]; p != nil {
			cost = p.Cost
			item.Cost = newCostItem(cost, o.now)
			if u, ok := s.Usage(p); ok {
				item.Usage = newUsageItem(u)
			}
		} else if g.Relation != fleet.Foreign {
			cost = s.GroupCost(g)
			item.Cost = newCostItem(cost, o.now)
		}
		pod := ""
		if id.PodName != "" {
			item.Pod = &podRef{known(id.Namespace), known(id.PodName), known(id.PodUID)}
			pod = id.Namespace + "/" + id.PodName
		}
		t.rows = append(t.rows, row{item: item, cells: []string{
			g.ID, string(g.Status), string(g.Relation), pod, number(item.Billed.VCPU), number(item.Billed.MemoryGiB), g.Zone, rateCell(cost.Rate()), age(g.Created, o.now),
			g.Name, id.ClusterID, g.IP, g.InstanceType, g.Spot, amountCell(cost.Accrued(o.now)), text(item.Cost.Currency), g.Reason, g.Message,
		}, exact: map[int]string{7: number(item.Cost.PerHour), 14: number(item.Cost.Accrued)}})
	}
	return t
}
