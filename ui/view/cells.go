package view

import (
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/theme"
)

// A use is how much of something is used. A whole of zero is that there is no such limit,
// known is whether the use is.
type use struct {
	used, whole int64
	known       bool
	unit        func(int64) string
}

// cell is "61%", or the plain number where there is nothing to compare it with.
func (u use) cell() string {
	switch {
	case !u.known:
		return format.Unknown
	case u.whole <= 0:
		return u.unit(u.used)
	}
	return format.Percent(u.used, u.whole)
}

func (u use) percent() (float64, bool) {
	if !u.known {
		return 0, false
	}
	return percent(u.used, u.whole)
}

func cpuUnit(milli int64) string { return format.Cores(milli) + "c" }

func memoryUnit(bytes int64) string { return format.GiB(bytes) + "Gi" }

// cpu is how much of its vCPU a placement uses: of what is billed, or else was asked for.
func (p *Pods) cpu(row *fleet.Placement) use {
	u, known := p.s.Usage(row)
	out := use{used: u.CPU, known: known, unit: cpuUnit}
	switch {
	case row.Group != nil:
		out.whole = int64(row.Group.CPU * 1000)
	case row.Pod != nil:
		out.whole = row.Pod.RequestCPU
	}
	return out
}

// memory is cpu for memory.
func (p *Pods) memory(row *fleet.Placement) use {
	u, known := p.s.Usage(row)
	out := use{used: u.Memory, known: known, unit: memoryUnit}
	switch {
	case row.Group != nil:
		out.whole = int64(row.Group.Memory * (1 << 30))
	case row.Pod != nil:
		out.whole = row.Pod.RequestMemory
	}
	return out
}

// costCell is what an hour costs now. What is not paid for is nothing, where its price is
// known; before it was ever paid for it is Unknown, as that says more than a zero.
func costCell(c fleet.Cost) string {
	if c.State == fleet.NotBilled && c.Quote == nil {
		return format.Unknown
	}
	return format.Rate(c.Rate())
}

// rateNumber and amountNumber are in units of the currency, as a person types them in a
// filter.
func rateNumber(r money.Rate) (float64, bool) { return float64(r.MicrosPerHour) / 1e6, r.Known() }

func amountNumber(m money.Money) (float64, bool) { return float64(m.Micros) / 1e6, m.Known() }

// wasteRole is role, or amber where a cost is paid for nothing.
func wasteRole(c fleet.Cost, role theme.Role) theme.Role {
	if c.Waste && role != theme.Broken {
		return theme.Degraded
	}
	return role
}

// tallyNumber sorts by one figure of a Tally in the main currency; unknown where nothing in
// it has a price.
func tallyNumber(t fleet.Tally, main money.Currency, micros int64) (float64, bool) {
	return float64(micros) / 1e6, main != "" && (len(t.Currencies()) > 0 || t.Unknown == 0)
}

// ownerName is "deploy/checkout", in kubectl's short words.
func ownerName(o fleet.Owner) string { return format.Kind(o.Kind) + "/" + o.Name }
