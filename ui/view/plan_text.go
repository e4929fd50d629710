package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
)

// lines are what is known of the plan, and what to press.
func (p *PlanPanel) lines(width int) (body, foot []line) {
	plan, made, err := p.now()
	say := func(role theme.Role, indent int, format string, args ...any) {
		body = append(body, line{role, indent, fmt.Sprintf(format, args...)})
	}
	if len(p.hidden) > 0 {
		say(theme.Degraded, 0, "! %d of the %d marked are hidden by the filter, and part of it: %s", len(p.hidden), len(p.asked), names(p.hidden))
	}
	for _, text := range p.left {
		say(theme.Degraded, 0, "! left out: %s", text)
	}
	switch {
	case err != nil:
		say(theme.Broken, 0, "There is no plan: %s", err.Error())
		return body, []line{{theme.Strong, 0, "Ctrl-R plans again · Esc"}}
	case plan == nil:
		say(theme.Plain, 0, "reading the cluster and planning… %s", format.Age(made, p.env.Now()))
		return body, []line{{theme.Strong, 0, "Esc cancels; nothing is changed"}}
	}
	head := plan.Title
	if plan.Manner != "" {
		head += " · " + plan.Manner
	}
	say(theme.Accent, 0, "%s", capital(head))
	if plan.Blocked != "" {
		say(theme.Broken, 0, "%s It can't be run: %s", p.env.Theme.Glyphs.Broken, plan.Blocked)
	}
	if plan.Danger != "" {
		say(theme.Degraded, 0, "! %s", plan.Danger)
	}
	for _, note := range plan.Notes {
		say(theme.Plain, 0, "%s", note)
	}
	body = append(body, findings(p.env.Theme, "", plan.Checks, p.all)...)
	body = append(body, moves(p.env.Theme, plan.Moves, width, p.all)...)
	for _, b := range plan.Budgets {
		say(theme.Plain, 0, "budget %s", b)
	}
	if names := fine(plan.Looked); p.all && len(names) > 0 {
		say(theme.Dim, 0, "looked at and well: %s", strings.Join(names, ", "))
	}
	if p.all && len(plan.Commands) > 0 {
		say(theme.Strong, 0, "The same by hand")
		for _, c := range plan.Commands {
			say(theme.Plain, 2, "%s", c)
		}
	}
	return body, p.foot(plan)
}

// foot is what it costs, how long it takes, how it is taken back, and what to press.
func (p *PlanPanel) foot(plan *Plan) (foot []line) {
	if c := plan.Cost; c != nil {
		foot = append(foot, line{theme.Plain, 0, "Cost    " + c.sentence(plan.To)})
	}
	if plan.Time != "" {
		foot = append(foot, line{theme.Plain, 0, "Time    " + plan.Time})
	}
	if plan.Undo != "" {
		foot = append(foot, line{theme.Plain, 0, "Undo    " + plan.Undo})
	}
	if text := tally(plan.Looked); text != "" {
		if !p.all {
			text += " · d shows them all"
		}
		foot = append(foot, line{theme.Plain, 0, "Checks  " + text})
	}
	if w, ok := p.way(); ok && p.noWay() == "" {
		foot = append(foot, line{theme.Plain, 0, "How     " + p.hows(plan) + " · h takes " + w.Text + " instead"})
	}
	turn := ""
	switch p.other() {
	case ToECI:
		turn = " · Tab to ECI instead"
	case ToECS:
		turn = " · Tab to real nodes instead"
	case ToAny:
		turn = " · Tab to anywhere instead"
	case ToAnew:
		turn = " · Tab to another group of ECI instead"
	}
	press := line{theme.Strong, 0, "Enter runs it" + turn + " · Esc leaves it"}
	switch {
	case p.stop != nil:
		press.text = "it runs… Esc cancels"
	case p.ended:
		press.text = "Done · Esc"
	case p.failed != nil:
		press = line{theme.Broken, 0, "It failed: " + p.failed.Error() + " · Ctrl-R plans again · Esc"}
	case plan.Blocked != "":
		press = line{theme.Strong, 0, "It can't be run" + turn + " · Esc"}
	case p.env.readOnly() != "":
		press = line{theme.Degraded, 0, capital(p.env.readOnly()) + turn + " · Esc"}
	case plan.Confirm != "":
		press.text = "Enter, then type " + plan.Confirm + ", runs it" + turn + " · Esc leaves it"
	}
	return append(foot, press)
}

// hows are the strategies of a plan in a few words.
func (p *PlanPanel) hows(plan *Plan) string {
	var words []string
	for i := range plan.Moves {
		if m := &plan.Moves[i]; !m.Stays && !slices.Contains(words, m.How) {
			words = append(words, m.How)
		}
	}
	text := cmp.Or(strings.Join(words, " and "), "all stay as they are")
	if p.order.How == "" {
		text += ", what suits it"
	}
	return text
}

// tally counts what a plan was looked at for: "27 ok · 2 warn · 1 block".
func tally(looked []Looked) string {
	n := map[Level]int{}
	for _, l := range looked {
		n[l.Level]++
	}
	if len(looked) == 0 {
		return ""
	}
	text := fmt.Sprintf("%d ok", n[Tells])
	for _, l := range []Level{Warns, Blocks} {
		if n[l] > 0 {
			text += fmt.Sprintf(" · %d %s", n[l], l)
		}
	}
	return text
}

// fine are the names of what was looked at and has nothing against the plan.
func fine(looked []Looked) []string {
	var names []string
	for _, l := range looked {
		if l.Level == Tells {
			names = append(names, l.Name)
		}
	}
	return names
}

// findings are checks as lines. What only informs is left out unless all are asked for.
func findings(t *theme.Theme, of string, checks []Check, all bool) (out []line) {
	for _, c := range checks {
		l := line{theme.Degraded, 2, t.Glyphs.Degraded + " "}
		switch c.Level {
		case Blocks:
			l = line{theme.Broken, 2, t.Glyphs.Broken + " "}
		case Tells:
			if !all {
				continue
			}
			l = line{theme.Dim, 2, "· "}
		}
		if all {
			l.text += c.Name + ": "
		}
		if of != "" {
			l.text += of + ": "
		}
		l.text += c.Reason
		if c.Remedy != "" {
			l.text += "; " + c.Remedy
		}
		out = append(out, l)
	}
	return out
}

// moves are the rows of a plan by their strategy, those that stay last; then what was found,
// once for all that it was found for.
func moves(t *theme.Theme, all []Move, width int, every bool) (out []line) {
	prefix := commonNamespace(all)
	order, byHow := []string{}, map[string][]*Move{}
	for i := range all {
		m := &all[i]
		how := m.How
		if m.Stays {
			how = ""
		}
		if byHow[how] == nil && !m.Stays {
			order = append(order, how)
		}
		byHow[how] = append(byHow[how], m)
	}
	if len(byHow[""]) > 0 {
		order = append(order, "")
	}
	for _, how := range order {
		out = append(out, group(byHow[how], cmp.Or(how, "stays"), prefix, width)...)
	}
	return append(out, found(t, all, prefix, every)...)
}

// A column is what the rows of a group have beside their names, in order of importance.
type moveColumn struct {
	text func(*Move) string
	wide bool // only where there is room for it
}

// group are the rows of one strategy. What is the same for all of them is said once, above.
func group(rows []*Move, how, prefix string, width int) []line {
	way := func(m *Move) string {
		switch {
		case m.Stays:
			return m.From
		case m.From == "" && m.To == "":
			return ""
		case m.From == "" && m.How != "place":
			return "→ " + cmp.Or(m.To, "the scheduler's choice") // a workload, from wherever its pods are
		}
		return cmp.Or(m.From, "no node") + " → " + cmp.Or(m.To, "the scheduler's choice")
	}
	why := func(m *Move) string { return m.Why }
	shared := func(text func(*Move) string) string {
		for _, m := range rows {
			if text(m) != text(rows[0]) {
				return ""
			}
		}
		return text(rows[0])
	}
	head := line{theme.Strong, 0, fmt.Sprintf("%s %d", how, len(rows))}
	var columns []moveColumn
	if same := shared(way); same == "" || rows[0].Stays {
		columns = append(columns, moveColumn{way, rows[0].Stays})
	} else {
		head.text += "  " + same
	}
	columns = append(columns, moveColumn{func(m *Move) string { return m.Size }, false}, moveColumn{costs, true})
	if same := shared(why); same != "" {
		head.text += ": " + same
	} else {
		columns = append(columns, moveColumn{why, false})
	}
	out := []line{head}
	names := func(m *Move) string { return strings.TrimPrefix(m.Name, prefix) }
	widths := []int{min(widest(rows, names), max(20, width*2/5))}
	left := width - 6 - widths[0] // as wrapped breaks lines
	kept := columns[:0]
	for _, c := range columns {
		w := widest(rows, c.text)
		if w == 0 || c.wide && w+2 > left {
			continue
		}
		left -= w + 2
		widths, kept = append(widths, w), append(kept, c)
	}
	for _, m := range rows {
		l := line{theme.Plain, 2, pad(theme.FitMiddle(names(m), widths[0]), widths[0])}
		if m.Stays {
			l.role = theme.Dim
		}
		for i, c := range kept {
			l.text += "  " + pad(c.text(m), widths[i+1])
		}
		l.text = strings.TrimRight(l.text, " ")
		out = append(out, l)
	}
	return out
}

func widest(rows []*Move, text func(*Move) string) (n int) {
	for _, m := range rows {
		n = max(n, theme.Width(text(m)))
	}
	return n
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-theme.Width(text)))
}

// found are the checks of all moves, the worst first, each once with those that it is about.
func found(t *theme.Theme, all []Move, prefix string, every bool) (out []line) {
	type finding struct {
		check Check
		of    []string
	}
	var list []*finding
	for i := range all {
		for _, c := range all[i].Checks {
			if all[i].Stays && !every && strings.Contains(all[i].Why, c.Reason) {
				continue // it stands beside its name
			}
			at := slices.IndexFunc(list, func(f *finding) bool { return f.check == c })
			if at < 0 {
				list, at = append(list, &finding{check: c}), len(list)
			}
			list[at].of = append(list[at].of, strings.TrimPrefix(all[i].Name, prefix))
		}
	}
	slices.SortStableFunc(list, func(a, b *finding) int { return cmp.Compare(rank(a.check.Level), rank(b.check.Level)) })
	for _, f := range list {
		of := few(f.of)
		switch {
		case len(all) == 1:
			of = "" // it stands right above
		case len(f.of) == len(all):
			of = "all"
		}
		out = append(out, findings(t, of, []Check{f.check}, every)...)
	}
	return out
}

func rank(l Level) int { return slices.Index([]Level{Blocks, Warns, Tells}, l) }

// commonNamespace is the namespace, with its slash, that all names begin with; or "".
func commonNamespace(all []Move) string {
	prefix := ""
	for i := range all {
		namespace, _, ok := strings.Cut(all[i].Name, "/")
		if !ok || i > 0 && prefix != namespace+"/" {
			return ""
		}
		prefix = namespace + "/"
	}
	return prefix
}

// few are the first of many names.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// names are the first objects' names.
func names(objects []keymap.Object) string {
	list := make([]string, len(objects))
	for i, o := range objects {
		list[i] = label(o)
	}
	return few(list)
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
