package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
)

// An attentionItem is one thing that needs a person, as programs read it.
type attentionItem struct {
	Topic    string     `json:"topic"`
	Severity string     `json:"severity"` // broken, degraded, information
	Subject  string     `json:"subject"`
	Text     string     `json:"text"`
	Remedy   *string    `json:"remedy"`
	Target   refItem    `json:"target"`
	Count    int        `json:"count"`
	Since    *time.Time `json:"since"`
	Due      *time.Time `json:"due"` // when it gets worse by itself
	Waste    []sumItem  `json:"waste"`
}

// A placeItem is how a place stands.
type placeItem struct {
	Place       string    `json:"place"` // ecs, eci, acs, other, none
	Nodes       int       `json:"nodes"`
	Pods        int       `json:"pods"`
	Requested   specItem  `json:"requested"`
	Allocatable specItem  `json:"allocatable"` // of real nodes
	Billed      specItem  `json:"billed"`      // of groups that are paid for
	Usage       usageItem `json:"usage"`
	Costs       []sumItem `json:"costs"`
	Unpriced    int       `json:"unpriced"`
}

func severity(s fleet.Severity) string {
	switch s {
	case fleet.Broken:
		return "broken"
	case fleet.Degraded:
		return "degraded"
	}
	return "information"
}

func overviewTable(s *fleet.Snapshot, o listOptions) table {
	t := table{none: "Nothing needs a person.", columns: []column{{"SEVERITY", false}, {"SUBJECT", false}, {"FOR", false}, {"WHAT", false}, {"WHAT-HELPS", true}, {"TOPIC", true}}}
	for i := range s.Attention {
		a := &s.Attention[i]
		if o.namespace != "" && a.Target.Namespace != o.namespace {
			continue
		}
		lasts := age(a.Since, o.now)
		if !a.Due.IsZero() {
			lasts = "due"
			if a.Due.After(o.now) {
				lasts = "in " + format.Age(o.now, a.Due)
			}
		}
		t.rows = append(t.rows, row{item: attentionItem{
			Topic: string(a.Topic), Severity: severity(a.Severity), Subject: a.Subject, Text: a.Text, Remedy: known(a.Remedy), Target: newRefItem(a.Target),
			Count: a.Count, Since: knownTime(a.Since), Due: knownTime(a.Due), Waste: newSums(a.Waste, o.now),
		}, cells: []string{severity(a.Severity), a.Subject, lasts, a.Text, a.Remedy, string(a.Topic)}})
	}
	places := []placeItem{}
	main := s.Currency()
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "PLACE\tNODES\tPODS\tVCPU\tMEMORY-GIB\tCOST/H\tMONTH")
	for _, p := range s.Places {
		item := placeItem{Place: string(p.Place), Nodes: p.Nodes, Pods: p.Pods, Usage: newUsageSum(p.Usage), Costs: newSums(p.Cost, o.now), Unpriced: p.Cost.Unknown}
		cpu, memory := float64(p.RequestCPU)/1000, float64(p.RequestMemory)/gib
		item.Requested = specItem{&cpu, &memory}
		has, hasMemory := number(&cpu)+" requested", rounded(&memory)+" requested"
		if p.AllocCPU > 0 {
			cpu, memory := float64(p.AllocCPU)/1000, float64(p.AllocMemory)/gib
			item.Allocatable = specItem{&cpu, &memory}
			has, hasMemory = has+" of "+number(&cpu), hasMemory+" of "+rounded(&memory)
		}
		if p.Place == fleet.PlaceECI {
			cpu, memory := p.BilledCPU, p.BilledMemory
			item.Billed = specItem{&cpu, &memory}
			has, hasMemory = number(&cpu)+" billed", rounded(&memory)+" billed"
		}
		places = append(places, item)
		rate, month := format.SumRate(p.Cost, main), format.SumMonth(p.Cost, main)
		name := item.Place
		if p.Place == fleet.PlaceNone {
			name, rate, month = "pending", "<none>", "<none>"
		}
		fmt.Fprintln(w, strings.Join([]string{name, strconv.Itoa(p.Nodes), strconv.Itoa(p.Pods), has, hasMemory, rate, month}, "\t"))
	}
	fmt.Fprintf(w, "all\t\t\t\t\t%s\t%s\n", format.SumRate(s.Cost, main), format.SumMonth(s.Cost, main))
	_ = w.Flush() // into memory
	t.extra = []field{{"places", places}, {"total", totalItem{newSums(s.Cost, o.now), s.Cost.Unknown, s.Cost.Redated}}}
	t.footer = append([]string{""}, strings.Split(strings.TrimRight(b.String(), "\n"), "\n")...)
	return t
}
