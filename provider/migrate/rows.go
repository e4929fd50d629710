package migrate

import "slices"

// A Row is one row of PREFLIGHT.md that a plan was looked at for.
type Row struct {
	Name  string `json:"check"`
	Level Level  `json:"level"` // Block, Warn, or "ok"
}

// OK is the level of a row that has nothing against the plan.
const OK Level = "ok"

// Checked is what a plan was looked at for, in the order of PREFLIGHT.md, each with the worst
// that was found. A row that is about other strategies or another direction is not among them.
func (o *Operation) Checked() []Row {
	worst := map[string]Level{}
	note := func(checks []Check) {
		for _, c := range checks {
			switch {
			case c.Level == Block, c.Level == Warn && worst[c.Name] != Block:
				worst[c.Name] = c.Level
			case worst[c.Name] == "":
				worst[c.Name] = OK
			}
		}
	}
	note(o.Plan.Checks)
	has := map[Strategy]bool{}
	for i := range o.Plan.Items {
		note(o.Plan.Items[i].Checks)
		has[o.Plan.Items[i].Strategy] = true
	}
	var out []Row
	for _, r := range preflight() {
		level := worst[r.name]
		if level == "" && len(o.Plan.Items) > 0 && r.about(o, has) {
			level = OK
		}
		if level != "" {
			out = append(out, Row{r.name, level})
		}
	}
	return out
}

// A row is a check's name, and which plans are looked at for it.
type row struct {
	name string
	to   Destination // "": wherever
	of   []Strategy  // any of these; none: all
}

func (r row) about(o *Operation, has map[Strategy]bool) bool {
	switch {
	case r.name == "changed":
		return o.Undoes != ""
	case r.name == "cordon":
		return o.Plan.Drain != nil || o.Plan.Open != nil
	case r.name == "job":
		return o.Plan.Drain != nil && o.Plan.To == Anywhere
	case r.to != "" && r.to != o.Plan.To:
		return false
	}
	return len(r.of) == 0 || slices.ContainsFunc(r.of, func(s Strategy) bool { return has[s] })
}

// preflight are the rows of PREFLIGHT.md.
func preflight() []row {
	changing := []Strategy{Swap, Rollout, Restart, Ordinals}
	return []row{
		{"runs-on-eci", ToECI, nil}, {"owner", "", []Strategy{Swap}}, {"services", "", nil}, {"size", ToECI, nil}, {"injected", ToECI, []Strategy{Swap}},
		{"limit-range", ToECI, nil}, {"resources", ToECI, nil}, {"disk", ToECI, nil}, {"local-data", "", []Strategy{Swap, Clone}}, {"volumes", "", nil},
		{"node-selector", ToECI, nil}, {"taints", ToECI, nil}, {"spread", ToECI, nil}, {"marks", "", nil}, {"critical", "", nil},
		{"singleton", "", []Strategy{Swap}}, {"strategy", "", []Strategy{Swap, Rollout, Ordinals}}, {"node-agents", ToECI, nil}, {"agents", ToECI, nil},
		{"registry", ToECI, nil}, {"image-cache", ToECI, nil}, {"virtual-node", ToECI, nil}, {"cloud", ToECI, nil}, {"addresses", ToECI, nil}, {"stock", ToECI, nil},
		{"network-policy", ToECI, nil}, {"quota", "", []Strategy{Swap, Rollout}}, {"rehearsal", "", []Strategy{Swap, Rollout}}, {"budget", "", nil},
		{"eviction", "", []Strategy{Swap, Restart, Evict, Clone}}, {"autoscaler", "", nil}, {"placer", "", nil}, {"rollout", "", changing}, {"siblings", "", []Strategy{Swap, Restart, Ordinals}},
		{"gitops", "", append(slices.Clone(changing), Template)}, {"template", "", changing}, {"deadline", "", []Strategy{Rollout}}, {"grace", "", nil}, {"pre-stop", ToECI, nil},
		{"gap", "", []Strategy{Restart, Ordinals}}, {"steering", "", []Strategy{Restart}}, {"room", ToECS, nil}, {"host-port", ToECS, []Strategy{Swap}}, {"selector", "", []Strategy{Swap}},
		{"rights", "", nil}, {"held", "", nil}, {"clock", "", nil}, {"unread", "", nil}, {"job", "", nil}, {"cordon", "", nil}, {"changed", "", nil},
	}
}
