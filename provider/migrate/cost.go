package migrate

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/provider/placement"
)

// A Size is what one pod asks for, and what ECI bills for it.
type Size struct {
	Asked   *Spec  `json:"asked"`             // limits, else requests; null: nothing is asked for
	Billed  *Spec  `json:"billed"`            // null: not known before the group exists
	Machine string `json:"machine,omitempty"` // the machine type that is billed instead, where the pod names one
}

// A Spec is so many vCPU and GiB.
type Spec struct {
	CPU    float64 `json:"vcpu"`
	Memory float64 `json:"memoryGiB"`
}

// String is the size as people write it: "4c 8Gi billed (asked 3.5c 7Gi)". What ECI bills
// stands first, since that is what is paid.
func (s *Size) String() string {
	switch {
	case s == nil:
		return ""
	case s.Billed == nil && s.Machine != "":
		return s.Machine + " billed"
	case s.Billed == nil:
		return "its size is not known"
	case s.Asked == nil:
		return s.Billed.String() + " billed (nothing asked)"
	case *s.Asked != *s.Billed:
		return s.Billed.String() + " billed (asked " + s.Asked.String() + ")"
	}
	return s.Billed.String() + " billed"
}

// String is the spec as people write it: "4c 8Gi".
func (s *Spec) String() string { return fmt.Sprintf("%gc %gGi", s.CPU, s.Memory) }

// sizeOf is a pod's size on ECI; nil where ECI has none for it.
func sizeOf(pod *corev1.Pod, region string) *Size {
	size, refusal := placement.SizeOf(pod, region)
	if refusal != nil {
		return nil
	}
	s := &Size{}
	if size.CPU > 0 && size.Memory > 0 {
		s.Asked = &Spec{size.CPU, size.Memory}
	}
	switch {
	case size.Billed != spec.Spec{}:
		s.Billed = &Spec{size.Billed.CPU, size.Billed.Memory}
	default:
		s.Machine = size.Spec()
	}
	return s
}

// sized is a pod as its group is sized and billed: with the defaults and the kube-proxy that the
// virtual node adds, by its own word. It is to be priced, and nothing else.
func (f *Facts) sized(pod *corev1.Pod) *corev1.Pod {
	if len(f.Virtual) == 0 {
		return pod
	}
	if i := slices.IndexFunc(f.Virtual, func(n *corev1.Node) bool { return n.Name == pod.Spec.NodeName }); i >= 0 {
		return f.sizedOn(pod, f.Virtual[i])
	}
	return f.sizedOn(pod, f.Virtual[0])
}

// sizedOn is sized on a virtual node.
func (f *Facts) sizedOn(pod *corev1.Pod, node *corev1.Node) *corev1.Pod {
	var labels map[string]string
	if space := f.space(pod.Namespace).Object; space != nil {
		labels = space.Labels
	}
	return placement.AddsOf(node).To(f.profiles[node.Name].Apply(pod, labels), regionOf(f))
}

// size is a pod's size on ECI: what the pod asks for, and what is billed for its group.
func (f *Facts) size(pod *corev1.Pod) *Size { return sizeBilled(pod, f.sized(pod), regionOf(f)) }

// sizeBilled is size of a pod that is sized already.
func sizeBilled(pod, sized *corev1.Pod, region string) *Size {
	size, own := sizeOf(sized, region), sizeOf(pod, region)
	if size != nil && own != nil {
		size.Asked = own.Asked
	}
	return size
}

// price is what an hour of a pod on ECI costs by the list: its billed size.
func price(pod *corev1.Pod, region string, site spec.Site) money.Rate {
	cost := burst.CostOf(pod, region)
	if site == spec.InternationalSite {
		return cost.USD
	}
	return cost.CNY
}

// nothing is a rate of zero in a site's currency.
func nothing(site spec.Site) money.Rate {
	if site == spec.InternationalSite {
		return money.PerHour(0, money.USD)
	}
	return money.PerHour(0, money.CNY)
}

// costs notes what pods that an item is about cost where they are: what ECI bills for those
// that run there, and of the others the share of their nodes.
func (i *Item) costs(f *Facts, r Request, pods ...*corev1.Pod) {
	i.Before = nothing(r.Site)
	shared := 0
	for _, pod := range pods {
		switch {
		case f.onECI(pod):
			i.Before = both(i.Before, price(f.sized(pod), regionOf(f), r.Site))
		case pod.Spec.NodeName == "" || !alive(pod):
		case r.Share == nil:
			i.NoShare = "nobody was asked what nodes cost"
		default:
			requests := burst.Requests(pod)
			cpu, memory := requests[corev1.ResourceCPU], requests[corev1.ResourceMemory]
			rate, why := r.Share(pod.Spec.NodeName, cpu.MilliValue(), memory.Value())
			if shared++; shared == 1 {
				i.Share = rate
			} else if i.Share = both(i.Share, rate); !i.Share.Known() && why == "" {
				why = "its nodes' prices are in different currencies"
			}
			i.NoShare = cmp.Or(i.NoShare, why)
		}
	}
	if i.NoShare != "" {
		i.Share = money.Rate{} // a part of it would be read as the whole
	}
}

// becomes notes what n pods like next cost where the item takes them.
func (i *Item) becomes(f *Facts, r Request, next *corev1.Pod, n int64) {
	if r.To != ToECI {
		if r.To == ToECS {
			i.After = nothing(r.Site) // its real node is paid anyway
		}
		return
	}
	sized := f.sized(next)
	i.Size = sizeBilled(next, sized, regionOf(f))
	i.After = money.Rate{}
	if rate, err := price(sized, regionOf(f), r.Site).Times(n * 1000); err == nil {
		i.After = rate
	}
}

// join adds what another pod of the same item costs.
func (i *Item) join(o *Item) {
	i.Before, i.After = both(i.Before, o.Before), both(i.After, o.After)
	i.NoShare = cmp.Or(i.NoShare, o.NoShare)
	i.Share = both(i.Share, o.Share)
}

// both is the sum of two rates, unknown where one is.
func both(a, b money.Rate) money.Rate {
	sum, err := a.Add(b)
	if err != nil {
		return money.Rate{}
	}
	return sum
}

// addRates is the sum, or unknown where one is, but for what is not there yet.
func addRates(a, b money.Rate) money.Rate {
	if !a.Known() {
		return b
	}
	return both(a, b)
}

// sum adds up what an hour costs, before and after.
func (p *Plan) sum() {
	p.Before, p.After, p.Share, p.Unpriced, p.Unshared = nil, nil, nil, 0, 0
	add := func(to *[]money.Rate, r money.Rate) {
		for i := range *to {
			if (*to)[i].Currency == r.Currency {
				if sum, err := (*to)[i].Add(r); err == nil {
					(*to)[i] = sum
				}
				return
			}
		}
		*to = append(*to, r)
	}
	for i := range p.Items {
		x := &p.Items[i]
		moves := x.Strategy != Stay
		if x.Before.Known() {
			add(&p.Before, x.Before)
		}
		switch {
		case x.After.Known():
			add(&p.After, x.After)
		case moves && x.Strategy != Template && p.To == ToECI:
			p.Unpriced++
		}
		switch {
		case !moves:
		case x.Share.Known():
			add(&p.Share, x.Share)
		case x.NoShare != "":
			p.Unshared++
		}
	}
}
