package ecitest

import (
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/spec"
)

// A charge is a time in which a group of one size was paid for. Charges of groups that left
// the list are kept: a bill comes when many of its groups are gone.
type charge struct {
	Group, Name, Zone, IP      string
	ResourceGroup              string
	InstanceType, SpotStrategy string
	Tags                       []tag
	CPU, Memory                float64 // as billed
	Disk                       int     // GiB beyond the free ones
	Economy                    bool
	Start                      time.Time // of the group's payment, whatever sizes it had since
	Protected                  time.Duration
	From, To                   time.Time
}

// keepCharges is how far bills can be asked for: eighteen months.
const keepCharges = 18 * 31 * 24 * time.Hour

// charges are all times in which the group was paid for, up to now: from when its images
// are pulled until it ended or left.
func (g *group) charges(now time.Time, t Timing) []charge {
	v := g.at(now, t)
	if v.started.IsZero() || v.status == eci.Scheduling || v.status == eci.ScheduleFailed {
		return nil
	}
	end := now
	for _, at := range []time.Time{v.ended, g.Gone} {
		if !at.IsZero() && at.Before(end) {
			end = at
		}
	}
	start := v.started
	if g.Pinned == "" {
		start = g.Created.Add(t.Schedule) // the view's moves with every restart
	}
	begin := start
	if g.Resized.After(begin) {
		begin = g.Resized
	}
	all := slices.Clone(g.Past)
	if !end.After(begin) {
		return all
	}
	return append(all, charge{Group: g.ID, Name: g.Name, Zone: g.Zone, IP: g.IP, ResourceGroup: g.ResourceGroup, InstanceType: g.InstanceType,
		SpotStrategy: g.SpotStrategy, Tags: g.Tags, CPU: g.CPU, Memory: g.Memory, Disk: g.Disk, Economy: g.Economy,
		Start: start, Protected: g.protection(), From: begin, To: end})
}

// settle keeps the charges of a group that leaves.
func (e *Emulator) settle(g *group, now time.Time) {
	e.ledger = append(e.ledger, g.charges(now, e.timing)...)
	if len(e.ledger) > 0 && now.Sub(e.ledger[0].To) > keepCharges {
		e.ledger = slices.DeleteFunc(e.ledger, func(c charge) bool { return now.Sub(c.To) > keepCharges })
	}
}

// protection is how long a spot group keeps its first price and is not released.
func (g *group) protection() time.Duration { return time.Duration(g.SpotHours) * time.Hour }

// A charged is one item of a bill and what it costs.
type charged struct {
	code, name  string
	usage       float64
	usageUnit   string
	price       float64 // of a unit
	priceUnit   string
	gross, paid float64
}

// items are what the seconds from a time on cost, all within one hour of settlement. The
// amount of a group and hour is rounded to hundredths, less than half a hundredth being
// free, and spread over the items.
// https://help.aliyun.com/zh/eci/product-overview/billing-overview
func (e *Emulator) items(c *charge, from time.Time, seconds float64) []charged {
	t, items := e.tariff(), []charged(nil)
	add := func(code, name string, amount, price float64, unit string) {
		items = append(items, charged{code: code, name: name, usage: amount, usageUnit: unit, price: price,
			priceUnit: t.currency + "/" + unit, gross: amount * price})
	}
	spot := c.SpotStrategy != "" && c.SpotStrategy != "NoSpot"
	switch size := (spec.Spec{CPU: c.CPU, Memory: c.Memory}); {
	case spot:
		at := from
		if from.Before(c.Start.Add(c.Protected)) {
			at = c.Start
		}
		add("instance_type", "Instance type", seconds/3600, e.spotHour(c.Zone, c.spotType(), size, at), "Hour")
	case c.ecs():
		add("instance_type", "Instance type", seconds/3600, e.ecsHour(firstType(c.InstanceType), size), "Hour")
	default:
		cpu := t.cpu
		if c.Economy {
			cpu = t.economyCPU
		}
		add("cpu", "vCPU", c.CPU*seconds, cpu, "vCPU*Second")
		add("mem", "Memory", c.Memory*seconds, t.memory, "GiB*Second")
	}
	if c.Disk > 0 && t.disk > 0 {
		add("systemdisk", "Temporary storage", float64(c.Disk)*seconds, t.disk, "GiB*Second")
	}
	gross := 0.0
	for _, i := range items {
		gross += i.gross
	}
	for i := range items {
		if gross > 0 {
			items[i].paid = items[i].gross * cents(gross, 100) / gross
		}
	}
	return items
}

// ecs reports that the group is of an ECS type and not of a size.
func (c *charge) ecs() bool {
	return strings.HasPrefix(c.InstanceType, "ecs.")
}

func (c *charge) spotType() string {
	if c.ecs() {
		return firstType(c.InstanceType)
	}
	return ecsType(spec.Spec{CPU: c.CPU, Memory: c.Memory})
}
