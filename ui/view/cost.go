package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/table"
	"github.com/ecideck/ecideck/ui/theme"
)

// Cost splits up what the cluster costs by namespace, workload, node or size. Above the
// table stands the whole, the bill so far beside it, what is wasted and what could be saved.
type Cost struct {
	*list[*fleet.CostRow] // that of the grouping on screen
	lists                 []*list[*fleet.CostRow]
	by                    int // index into costGroupings
	paper                 *paper
	s                     *fleet.Snapshot
	split                 *fleet.Snapshot // whose rows the table has
}

// costGroupings are the groupings that Tab goes through.
func costGroupings() []fleet.Grouping {
	return []fleet.Grouping{fleet.ByNamespace, fleet.ByWorkload, fleet.ByNode, fleet.BySpec}
}

// NewCost shows costs by namespace first.
func NewCost(env *Env) *Cost {
	c := &Cost{s: &fleet.Snapshot{}}
	for _, by := range costGroupings() {
		c.lists = append(c.lists, &list[*fleet.CostRow]{
			env: env, object: func(r *fleet.CostRow) keymap.Object { return keymap.Object(r.Target) }, reason: c.sentence,
			table: table.New(table.Config[*fleet.CostRow]{Theme: env.Theme, Now: env.Now, Key: costKey, Role: costRole}, c.columns(by)),
		})
	}
	c.list = c.lists[0]
	c.paper = newPaper(env.Theme, c.lines, func() tview.Primitive { return c.table })
	return c
}

// Title says how costs are split up.
func (c *Cost) Title() string { return "Cost by " + string(costGroupings()[c.by]) }

// Primitive is the lines about the whole and the table below them.
func (c *Cost) Primitive() tview.Primitive { return c.paper }

// Show splits up the costs of the snapshot.
func (c *Cost) Show(s *fleet.Snapshot) {
	c.s = s
	c.explain(s, "pods", "nothing costs anything")
	if c.split == s {
		return // woken for something else: the rows are those of this snapshot
	}
	c.split = s
	c.table.Set(s.Costs(costGroupings()[c.by]))
}

// Aged reports whether a text changed only because time passed.
func (c *Cost) Aged() bool { return c.list.Aged() || c.paper.aged() }

// turn goes on to another grouping.
func (c *Cost) turn(by int) {
	c.by = (c.by + by + len(c.lists)) % len(c.lists)
	c.list = c.lists[c.by]
	c.split = nil
	c.Show(c.s)
}

func costKey(r *fleet.CostRow) string {
	return r.Key + "\x00" + r.Target.Kind + "\x00" + r.Target.Namespace + "\x00" + r.Target.Name
}

func costRole(r *fleet.CostRow) theme.Role {
	for _, c := range r.Cost.Currencies() {
		if r.Cost.Waste(c).MicrosPerHour > 0 {
			return theme.Degraded
		}
	}
	return theme.Plain
}

// costName is what a row is called.
func costName(r *fleet.CostRow) string {
	switch r.Target.Kind {
	case "", "Namespace", KindNode:
		return r.Key
	}
	return r.Target.Namespace + " " + ownerName(fleet.Owner{Kind: r.Target.Kind, Name: r.Target.Name})
}

func (c *Cost) sentence(r *fleet.CostRow) string {
	var parts []string
	switch r.Key {
	case fleet.KeyIdle:
		parts = append(parts, "what real nodes cost and no pod asks for")
	case fleet.KeyOrphans:
		parts = append(parts, "container groups of this cluster whose pods are gone: Enter lists them")
	case fleet.KeyLoose:
		parts = append(parts, "container groups of this cluster that are no pod's yet, or an earlier attempt's")
	}
	for _, currency := range r.Cost.Currencies() {
		if w := r.Cost.Waste(currency); w.MicrosPerHour > 0 {
			parts = append(parts, format.Rate(w)+"/h of it is paid for nothing: w or $ says more")
		}
	}
	if r.Cost.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d without a known price are not in the sum", r.Cost.Unknown))
	}
	if r.Cost.NoECS > 0 && r.Cost.NoECS < r.Cost.Billed {
		parts = append(parts, fmt.Sprintf("%d can't be compared with ECS", r.Cost.NoECS))
	}
	return strings.Join(parts, "; ")
}

// lines are the whole, in so many lines as it takes: what is paid now, what was billed, what
// could be less.
func (c *Cost) lines(width int) []paperLine {
	s, main := c.s, c.s.Currency()
	var places []string
	for _, p := range s.Places {
		if p.Cost != (fleet.Tally{}) {
			places = append(places, placeName(p.Place)+" "+format.SumRate(p.Cost, main)+"/h")
		}
	}
	whole := "now " + format.SumRate(s.Cost, main) + "/h"
	if len(places) > 1 {
		whole += " = " + strings.Join(places, " + ")
	}
	whole += fmt.Sprintf("; in a month of %d h %s", fleet.MonthHours, format.SumMonth(s.Cost, main))
	if width >= 100 {
		if line := costSpark(s.History, "", 24); line != "" {
			whole += "; last hour " + line
		}
	}
	out := []paperLine{{theme.Strong, whole}, {theme.Plain, BillLine(s.Bill)}}
	var less []string
	role := theme.Plain
	for _, currency := range s.Cost.Currencies() {
		if w := s.Cost.Waste(currency); w.MicrosPerHour > 0 {
			less = append(less, format.Rate(w)+"/h is paid for nothing")
			role = theme.Degraded
		}
		if up := money.PerHour(s.Cost.Rate(currency).MicrosPerHour-s.Cost.Asked(currency).MicrosPerHour, currency); up.MicrosPerHour > 0 {
			less = append(less, format.Rate(up)+"/h nobody asked for (rounded up, or idle)")
		}
		if over := s.Cost.OverECS(currency); over.MicrosPerHour != 0 {
			word := "dearer"
			if over.MicrosPerHour < 0 {
				over.MicrosPerHour, word = -over.MicrosPerHour, "cheaper"
			}
			less = append(less, format.Rate(over)+"/h "+word+" than on ECS")
		}
		if spot := s.Cost.OverSpot(currency); spot.MicrosPerHour > 0 {
			less = append(less, format.Rate(spot)+"/h less as spot")
		}
	}
	if len(less) > 0 {
		out = append(out, paperLine{role, strings.Join(less, "; ")})
	}
	if n := s.Cost.Unknown; n > 0 {
		text := "1 cost has no known price and is in no sum: w says which"
		if n > 1 {
			text = fmt.Sprintf("%d costs have no known price and are in no sum: w says which", n)
		}
		out = append(out, paperLine{theme.Degraded, text})
	}
	return out
}

// BillLine is the bill so far beside what this program saw being spent.
func BillLine(b fleet.Bill) string {
	if len(b.Ours)+len(b.Others)+b.Unknown == 0 {
		return "bill: nothing is known of this month's"
	}
	day := func(end time.Time) string { return end.Add(-time.Second).Format("Jan 2") }
	text := fmt.Sprintf("bill %s to %s: %s for this cluster's groups", b.From.Format("Jan 2"), day(b.Through), format.Amounts(b.Ours))
	if len(b.Others) > 0 {
		text += ", " + format.Amounts(b.Others) + " for others"
	}
	if b.Unknown > 0 {
		text += fmt.Sprintf(", %s for groups of which is not known whose they are (%d)", format.Amounts(b.Unsure), b.Unknown)
	}
	least, most := "", ""
	if b.Partly {
		least, most = "≥", "at most "
	}
	switch {
	case b.Final.IsZero():
		text += "; none of it is final yet, so there is no difference to tell"
	case b.Seen == 0:
		text += "; nothing of that time was seen here, so there is no difference to tell"
	case !b.Told():
		text += fmt.Sprintf("; seen here %s%s in %d of the %d hours to %s: too little to tell a difference", least, format.Amounts(b.Estimated),
			int(b.Seen.Hours()), int(b.Final.Sub(b.From).Hours()), day(b.Final))
	default:
		if !b.Final.Equal(b.Through) {
			text += "; of it " + format.Amounts(b.Settled) + " to " + day(b.Final) + ", which is final"
		}
		text += "; by list and time it was " + least + format.Amounts(b.Estimated)
		differences, _ := b.Difference()
		for _, d := range differences {
			text += ", difference " + most + format.SignedAmount(d)
		}
	}
	if b.Unpriced > 0 {
		text += fmt.Sprintf("; %d items without an amount", b.Unpriced)
	}
	return text
}

// Actions are the keys on costs.
func (c *Cost) Actions() []keymap.Action {
	opens := func(s keymap.Selection) string {
		if row, ok := c.table.Current(); !ok || c.behind(row) == nil {
			return "there is nothing behind this row"
		}
		return ""
	}
	whyRow := c.why()
	whyRow.Disabled = func(s keymap.Selection) string {
		if c.s.Cost.Unknown > 0 {
			return "" // says what has no price
		}
		return whyNothing(s)
	}
	whyRow.Run = func(s keymap.Selection) {
		if whyNothing(s) != "" || s.Cursor.Kind == "Namespace" {
			c.env.Shell.Open(Why(c.env, keymap.Object{Kind: fleet.KindAccount, Name: "prices"}))
			return
		}
		c.env.Shell.Open(Why(c.env, s.Cursor))
	}
	whyRow.Help = "Say why it costs that; for a namespace or a size, what has no price."
	cost := c.cost()
	cost.Disabled = whyNothing
	return append([]keymap.Action{
		{Keys: []string{"Tab"}, Name: "turn", Bar: true, Help: "Split the costs up by the next of namespace, workload, node and size.", Run: func(keymap.Selection) { c.turn(1) }},
		{Keys: []string{"Shift-Tab"}, Name: "turn back", Help: "Split the costs up by the one before.", Run: func(keymap.Selection) { c.turn(-1) }},
		{Keys: []string{"Enter"}, Name: "open", Bar: true, Disabled: opens, Help: "Show the pods behind the row; for orphans the groups.",
			Run: c.with(func(row *fleet.CostRow) {
				if v := c.behind(row); v != nil {
					c.env.Shell.Open(v)
				}
			})},
		c.migrate(), whyRow, cost,
	}, c.table.Actions()...)
}

// with runs f on the row under the cursor of the table on screen.
func (c *Cost) with(f func(*fleet.CostRow)) func(keymap.Selection) {
	return func(s keymap.Selection) { c.list.with(f)(s) }
}

func whyNothing(s keymap.Selection) string {
	if s.Cursor.Kind == "" {
		return "this row is no object"
	}
	return ""
}

// behind is the view of what a row sums up; nil: there is none.
func (c *Cost) behind(row *fleet.CostRow) View {
	switch {
	case row.Key == fleet.KeyOrphans:
		return GroupsThat(c.env, "relation:=orphan")
	case row.Key == fleet.KeyLoose:
		return GroupsThat(c.env, "relation:=unjoined")
	case row.Target.Kind != "":
		return podsBehind(c.env, c.s, keymap.Object(row.Target))
	}
	if slices.ContainsFunc(c.s.Nodes, func(n *fleet.Node) bool { return n.InstanceType == row.Key }) {
		v := NewNodes(c.env)
		_ = v.SetFilter(`type:="` + row.Key + `"`) // is understood
		return v
	}
	if costGroupings()[c.by] == fleet.BySpec && strings.HasSuffix(row.Key, "Gi") {
		v := NewPods(c.env)
		_ = v.SetFilter(`billed:="` + row.Key + `"`) // is understood
		return v
	}
	return nil
}

func (c *Cost) columns(by fleet.Grouping) []table.Column[*fleet.CostRow] {
	// figure is a column of one figure of the sums, in every currency; unknown says how many
	// costs are not in it. nil: those are counted beside it, and nothing of it is the rule.
	known := func(r *fleet.CostRow) int { return r.Cost.Unknown }
	figure := func(title string, sort rune, importance int, unknown func(*fleet.CostRow) int, of func(fleet.Tally, money.Currency, time.Time) (int64, string)) table.Column[*fleet.CostRow] {
		return table.Column[*fleet.CostRow]{
			Title: title, Sort: sort, Largest: true, Right: true, Importance: importance, Min: 6, Live: title == "ACCRUED",
			Cell: func(r *fleet.CostRow, now time.Time) string {
				if unknown == nil {
					return quietly(r.Cost, func(cur money.Currency) (int64, string) { return of(r.Cost, cur, now) })
				}
				if r.Key == fleet.KeyIdle && title == "ACCRUED" {
					return format.Unknown // when it began is not known
				}
				return format.Sum(r.Cost, c.s.Currency(), unknown(r), func(cur money.Currency) string {
					_, text := of(r.Cost, cur, now)
					return text
				})
			},
			Number: func(r *fleet.CostRow, now time.Time) (float64, bool) {
				main := c.s.Currency()
				micros, _ := of(r.Cost, main, now)
				return tallyNumber(r.Cost, main, micros)
			},
		}
	}
	rate := func(get func(fleet.Tally, money.Currency) money.Rate, write func(money.Rate) string) func(fleet.Tally, money.Currency, time.Time) (int64, string) {
		return func(t fleet.Tally, cur money.Currency, _ time.Time) (int64, string) {
			r := get(t, cur)
			return r.MicrosPerHour, write(r)
		}
	}
	// Two currencies have no sum that one could have a share of.
	shared := func() bool { return len(c.s.Cost.Currencies()) < 2 }
	columns := []table.Column[*fleet.CostRow]{
		{
			Title: strings.ToUpper(string(by)), Aliases: []string{"name"}, Sort: 'N', Words: true, Middle: true, Importance: 0, Min: 14, Max: 40,
			Cell: func(r *fleet.CostRow, _ time.Time) string { return costName(r) },
		},
		{
			Title: "PODS", Sort: 'O', Largest: true, Right: true, Importance: 4, Min: 4,
			Cell:   func(r *fleet.CostRow, _ time.Time) string { return countCell(r.Pods) },
			Number: func(r *fleet.CostRow, _ time.Time) (float64, bool) { return float64(r.Pods), true },
		},
		figure("COST/H", 'D', 1, known, rate(fleet.Tally.Rate, format.Rate)),
		{
			Title: "SHARE", Sort: 'S', Largest: true, Right: true, Importance: 3, Min: 5,
			Cell: func(r *fleet.CostRow, _ time.Time) string {
				main := c.s.Currency()
				if _, ok := tallyNumber(r.Cost, main, 0); !ok || !shared() {
					return format.Unknown
				}
				return format.Percent(r.Cost.Rate(main).MicrosPerHour, c.s.Cost.Rate(main).MicrosPerHour)
			},
			Number: func(r *fleet.CostRow, _ time.Time) (float64, bool) {
				main := c.s.Currency()
				share, ok := percent(r.Cost.Rate(main).MicrosPerHour, c.s.Cost.Rate(main).MicrosPerHour)
				return share, ok && shared()
			},
		},
		figure("MONTH", 'K', 2, known, func(t fleet.Tally, cur money.Currency, _ time.Time) (int64, string) {
			m := t.Month(cur)
			return m.Micros, format.Amount(m)
		}),
		figure("ACCRUED", 'E', 3, func(r *fleet.CostRow) int { return r.Cost.Unknown + r.Cost.Undated }, func(t fleet.Tally, cur money.Currency, now time.Time) (int64, string) {
			m := t.Accrued(cur, now)
			return m.Micros, format.Amount(m)
		}),
		figure("WASTE/H", 'W', 2, nil, rate(fleet.Tally.Waste, format.Rate)),
		{
			Title: "NO PRICE", Aliases: []string{"unpriced"}, Sort: 'U', Largest: true, Right: true, Importance: 5,
			Cell:   func(r *fleet.CostRow, _ time.Time) string { return countCell(r.Cost.Unknown) },
			Number: func(r *fleet.CostRow, _ time.Time) (float64, bool) { return float64(r.Cost.Unknown), true },
			Role: func(r *fleet.CostRow) theme.Role {
				if r.Cost.Unknown > 0 {
					return theme.Degraded
				}
				return theme.Dim
			},
		},
		figure("NOT ASKED/H", 'A', 6, nil, rate(func(t fleet.Tally, cur money.Currency) money.Rate {
			return money.PerHour(t.Rate(cur).MicrosPerHour-t.Asked(cur).MicrosPerHour, cur)
		}, format.Rate)),
		{
			Title: "VS ECS/H", Sort: 'C', Largest: true, Right: true, Importance: 6, Min: 6,
			Cell: func(r *fleet.CostRow, _ time.Time) string {
				return overCell(r.Cost, r.Cost.Billed, r.Cost.NoECS, r.Cost.OverECS, format.Signed)
			},
			Number: func(r *fleet.CostRow, _ time.Time) (float64, bool) {
				main := c.s.Currency()
				f, ok := tallyNumber(r.Cost, main, r.Cost.OverECS(main).MicrosPerHour)
				return f, ok && r.Cost.NoECS < r.Cost.Billed
			},
		},
		{
			Title: "SPOT SAVES", Sort: 'T', Largest: true, Right: true, Importance: 7, Min: 6,
			Cell: func(r *fleet.CostRow, _ time.Time) string {
				return overCell(r.Cost, r.Cost.Groups, r.Cost.NoSpot, r.Cost.OverSpot, format.Rate)
			},
			Number: func(r *fleet.CostRow, _ time.Time) (float64, bool) {
				main := c.s.Currency()
				f, ok := tallyNumber(r.Cost, main, r.Cost.OverSpot(main).MicrosPerHour)
				return f, ok && r.Cost.NoSpot < r.Cost.Groups
			},
		},
	}
	if by == fleet.ByNamespace {
		columns = append(columns, table.Column[*fleet.CostRow]{
			Title: "BILLED", Sort: 'B', Right: true, Importance: 5, Min: 6,
			Cell: func(r *fleet.CostRow, _ time.Time) string { return format.Amounts(c.s.Bill.Namespace(r.Key)) },
		})
	}
	return columns
}

// quietly is a figure that is nothing as a rule: a dot then, as what is not there must not
// shout. Where nothing has a price it is Unknown.
func quietly(t fleet.Tally, of func(money.Currency) (int64, string)) string {
	var parts []string
	for _, c := range t.Currencies() {
		if micros, text := of(c); micros != 0 {
			parts = append(parts, text)
		}
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, "+")
	case t.Unknown > 0 && len(t.Currencies()) == 0:
		return format.Unknown
	}
	return "·"
}

// overCell is a difference that only those are in that can be compared: Unknown where none of
// all can, of which some can't (without).
func overCell(t fleet.Tally, all, without int, of func(money.Currency) money.Rate, write func(money.Rate) string) string {
	var parts []string
	for _, c := range t.Currencies() {
		if r := of(c); r.MicrosPerHour != 0 {
			parts = append(parts, write(r))
		}
	}
	switch {
	case all == 0:
		return "·"
	case len(parts) == 0 && without >= all:
		return format.Unknown
	case len(parts) == 0:
		return "·"
	}
	return strings.Join(parts, " ")
}

// A paperLine is one of the sentences above a table.
type paperLine struct {
	role theme.Role
	text string
}

// A paper is lines of text and something below them.
type paper struct {
	*tview.Box
	theme   *theme.Theme
	lines   func(width int) []paperLine
	below   func() tview.Primitive
	painted string
	width   int
}

func newPaper(t *theme.Theme, lines func(int) []paperLine, below func() tview.Primitive) *paper {
	return &paper{Box: tview.NewBox(), theme: t, lines: lines, below: below}
}

// Draw paints the lines, each broken at most once, and gives the rest to what is below. On
// a low screen the rows are worth more than the last lines.
func (p *paper) Draw(screen tcell.Screen) {
	x, y, width, height := p.GetRect()
	p.width = width
	p.painted = ""
	used := 0
	for _, line := range p.lines(width) {
		p.painted += line.text + "\n"
		for _, part := range theme.Wrap(line.text, width-2, 2) {
			if used < height-6 {
				p.theme.Print(screen, x+1, y+used, width-1, part, p.theme.Style(line.role))
				used++
			}
		}
	}
	if used > 0 {
		used++
	}
	b := p.below()
	b.SetRect(x, y+used, width, height-used)
	b.Draw(screen)
}

// aged reports whether the lines would say something else now.
func (p *paper) aged() bool {
	text := ""
	for _, line := range p.lines(p.width) {
		text += line.text + "\n"
	}
	return text != p.painted
}
