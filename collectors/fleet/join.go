package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// clockSkew is how far the API server's clock and ECI's may be apart when a group's
// creation is compared with its pod's. Both are kept by NTP and stamp whole seconds.
const clockSkew = 5 * time.Second

// A join says which group a pod chose and why.
type join struct {
	group     *Group // as the part holds it; nil: none
	annotated *Group // the group that the annotation names, when it is really this pod's
	note      string // what is ambiguous or contradicts itself; "": nothing
}

// A groupIndex finds groups by what pods and tags say. It is made once for a groups part
// and shared by the snapshots built from it.
type groupIndex struct {
	items    []*Group
	position map[*Group]int
	byID     map[string]*Group
	byUID    map[string][]*Group // tag PodUID
	byName   map[string][]*Group // tags NameSpace and PodName, of groups without a PodUID
	noticed  []int               // positions of those that run and that the cloud announced to take or restart
}

func indexGroups(items []*Group) *groupIndex {
	x := &groupIndex{
		items:    items,
		position: make(map[*Group]int, len(items)),
		byID:     make(map[string]*Group, len(items)),
		byUID:    map[string][]*Group{},
		byName:   map[string][]*Group{},
	}
	for i, g := range items {
		x.position[g], x.byID[g.ID] = i, g
		if g.Notice != "" && !g.Status.Ended() {
			x.noticed = append(x.noticed, i)
		}
		switch id := g.Identity; {
		case id.PodUID != "":
			x.byUID[id.PodUID] = append(x.byUID[id.PodUID], g)
		case id.PodName != "":
			key := nameKey(id.Namespace, id.PodName)
			x.byName[key] = append(x.byName[key], g)
		}
	}
	return x
}

// nameKey joins with a character that neither a namespace nor a name can hold.
func nameKey(namespace, name string) string { return namespace + "/" + name }

// A clusterIDs is the set of cluster ids that groups of this cluster carry: the UID of
// kube-system, on ACK the id that the vendor's virtual nodes write, and the one that a virtual
// node of ours names, as a tag has it.
type clusterIDs struct{ uid, vendor, named string }

func (c clusterIDs) has(id string) bool {
	return id != "" && (id == c.uid || id == c.vendor || id == c.named)
}

// namedID is the id of the first node that names one: all processes of a cluster are given the same.
func namedID(nodes []*Node) string {
	for _, n := range nodes {
		if n.ClusterID != "" {
			return eci.TagValue(n.ClusterID)
		}
	}
	return ""
}

// vendorID is the id that all groups named by our pods' annotations agree on. Pods restored
// from another cluster's backup carry that cluster's annotations; where the groups do not
// agree, none of the ids is believed, and nothing is called an orphan because of it.
func vendorID(votes map[string]int) string {
	if len(votes) != 1 {
		return ""
	}
	for id := range votes {
		return id
	}
	return ""
}

// vote is the cluster id for which a pod's annotated group speaks; "" for none.
func (j join) vote() string {
	if j.annotated == nil || j.annotated.Identity.ManagedBy == eci.ManagedBy {
		return ""
	}
	return j.annotated.Identity.ClusterID
}

// byAnnotation finds the group that the pod's annotation names, unless its tags or its time
// say that it is another pod's.
func (x *groupIndex) byAnnotation(p *Pod) join {
	if p.InstanceID == "" {
		return join{}
	}
	g := x.byID[p.InstanceID]
	if g == nil {
		return join{}
	}
	if why := contradiction(p, g); why != "" {
		return join{note: fmt.Sprintf("the pod's annotation names group %s, but %s", g.ID, why)}
	}
	return join{group: g, annotated: g}
}

// contradiction says why a group cannot be the pod's; "" when it can.
func contradiction(p *Pod, g *Group) string {
	id := g.Identity
	switch {
	case id.PodUID != "" && id.PodUID != eci.TagValue(p.UID):
		return "its tag PodUID is another pod's"
	case id.Namespace != "" && id.Namespace != eci.TagValue(p.Namespace),
		id.PodName != "" && id.PodName != eci.TagValue(p.Name):
		return fmt.Sprintf("its tags name the pod %s/%s", id.Namespace, id.PodName)
	case id.PodUID == "" && !timesMatch(p, g):
		return "it was created before the pod"
	}
	return ""
}

// timesMatch reports whether a group can have been made for a pod: not before it was.
func timesMatch(p *Pod, g *Group) bool {
	return p.Created.IsZero() || g.Created.IsZero() || !g.Created.Before(p.Created.Add(-clockSkew))
}

// choose finds the pod's group: by the annotation, then the UID tag, then the name tags.
func (x *groupIndex) choose(p *Pod, n *Node, ids clusterIDs) join {
	j := x.byAnnotation(p)
	if j.group != nil {
		return j
	}
	if found := x.byUID[eci.TagValue(p.UID)]; p.UID != "" && len(found) > 0 {
		g, note := newestAttempt(found)
		if g != nil && contradiction(p, g) == "" {
			return join{group: g, note: note}
		}
		if note != "" {
			return join{note: note}
		}
	}
	if n == nil || !n.Virtual || p.ACS {
		return j // a pod of a real node never has a group by its name alone
	}
	var candidates, live []*Group
	for _, g := range x.byName[nameKey(eci.TagValue(p.Namespace), eci.TagValue(p.Name))] {
		if ids.has(g.Identity.ClusterID) && timesMatch(p, g) {
			candidates = append(candidates, g)
			if !g.Status.Ended() {
				live = append(live, g)
			}
		}
	}
	if len(live) == 1 {
		candidates = live
	}
	switch len(candidates) {
	case 0:
	case 1:
		j.group = candidates[0]
	default:
		j.note = fmt.Sprintf("groups %s carry this pod's name and no UID: which one is its own is not known", idsOf(candidates))
	}
	return j
}

// newestAttempt picks among groups with the same pod UID the one of the highest attempt.
// Two of the same attempt are not told apart.
func newestAttempt(groups []*Group) (g *Group, note string) {
	if len(groups) == 1 {
		return groups[0], ""
	}
	best := groups[0]
	same := 0
	for _, g := range groups {
		switch {
		case g.Identity.Attempt > best.Identity.Attempt:
			best, same = g, 1
		case g.Identity.Attempt == best.Identity.Attempt:
			same++
		}
	}
	if same > 1 {
		return nil, fmt.Sprintf("groups %s carry this pod's UID and the same attempt: which one is its own is not known", idsOf(groups))
	}
	var others []*Group
	for _, g := range groups {
		if g != best && !g.Status.Ended() {
			others = append(others, g)
		}
	}
	if len(others) > 0 {
		note = fmt.Sprintf("earlier attempts of this pod still run and cost money: %s", idsOf(others))
	}
	return best, note
}

func idsOf(groups []*Group) string {
	var ids []string
	for _, g := range groups {
		ids = append(ids, g.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

// recount returns votes with some removed and some added; votes itself stays.
func recount(votes map[string]int, out, in string) map[string]int {
	if out == in {
		return votes
	}
	votes = maps.Clone(votes)
	if votes == nil {
		votes = map[string]int{}
	}
	if out != "" {
		if votes[out]--; votes[out] <= 0 {
			delete(votes, out)
		}
	}
	if in != "" {
		votes[in]++
	}
	return votes
}
