package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/view"
)

// actions are the keys that work everywhere, unless a view has the key itself.
func (c *console) actions() []keymap.Action {
	searches := func(keymap.Selection) string {
		if _, ok := c.top().(searchable); !ok {
			return "there is nothing to search here"
		}
		return ""
	}
	actions := []keymap.Action{
		{Keys: []string{"/"}, Name: "filter", Bar: true, Disabled: searches,
			Help: "Filter the table on every keystroke (word, column:value, column:=exact, column:>5, !word, /regex/), or search in a text.",
			Run:  func(keymap.Selection) { c.openFilter() }},
		{Keys: []string{":"}, Name: "command", Bar: true, Help: "Go to a view by name (overview, pods, groups, nodes, workloads, scaling, events, cost, operations), with a namespace and a /filter behind it; readonly turns read-only on, or, once it has been asked, off; Tab completes.",
			Run: func(keymap.Selection) { c.openCommand() }},
		{Keys: []string{"Esc"}, Name: "back", Help: "Clear the filter, then go back to the view before.", Run: func(keymap.Selection) { c.escape() }},
		{Keys: []string{"c"}, Name: "copy name", Help: "Copy the names of the marked objects, or of the one under the cursor, to the terminal's clipboard (OSC 52, through SSH, tmux and screen).",
			Disabled: func(s keymap.Selection) string {
				if len(s.Objects()) == 0 {
					return "nothing is selected"
				}
				return ""
			},
			Run: func(s keymap.Selection) { c.copyNames(s) }},
		{Keys: []string{"-"}, Name: "last view", Help: "Go to the main view before this one.",
			Disabled: func(keymap.Selection) string {
				if c.last == nil {
					return "there was no other view yet"
				}
				return ""
			},
			Run: func(keymap.Selection) {
				last := c.last
				c.main(last[0])
				c.stack = last
				c.top().Show(c.snapshot)
			}},
		{Keys: []string{"!"}, Name: "messages", Help: "Open the log of messages and errors.", Run: func(keymap.Selection) {
			c.unread = 0
			c.Open(view.NewMessages(c.env, c.troubles(), c.messages))
		}},
		{Keys: []string{"Ctrl-L"}, Name: "redraw", Help: "Paint the whole screen again.", Run: func(keymap.Selection) { c.screen.Sync() }},
		{Keys: []string{"Ctrl-Z"}, Name: "suspend", Help: "Stop the console; the shell's fg continues it. Not while it runs an operation, which would halt halfway.",
			Disabled: func(keymap.Selection) string {
				if what := c.busy(); what != "" {
					return "this console runs " + what + ", which would halt halfway; q stops it in order"
				}
				return ""
			}, Run: func(keymap.Selection) { c.app.Suspend(c.suspend) }},
	}
	actions = append(actions, c.operationActions()[1:]...)
	for _, m := range c.mains {
		actions = append(actions, keymap.Action{
			Keys: []string{m.key}, Name: m.name, Help: "Open the view " + m.label + ".",
			Run: func(keymap.Selection) { c.main(m.view) },
		})
	}
	return append(actions,
		keymap.Action{Keys: []string{"?"}, Name: "help", Bar: true, Help: "List the keys that work here.", Run: func(keymap.Selection) { c.help() }},
		keymap.Action{Keys: []string{"q"}, Name: c.quitName(), Bar: true, Help: "Leave this view; in a main view, quit.", Run: func(keymap.Selection) {
			if len(c.stack) > 1 {
				c.Back()
				return
			}
			c.leave()
		}},
		keymap.Action{Keys: []string{"Ctrl-C"}, Name: "quit", Help: "Quit from anywhere; what this console runs is said first.", Run: func(keymap.Selection) { c.leave() }},
	)
}

// quitName is what q does here.
func (c *console) quitName() string {
	if len(c.stack) > 1 {
		return "back"
	}
	return "quit"
}

// escape clears the filter, then goes back.
func (c *console) escape() {
	if v, ok := c.top().(searchable); ok && v.Filter() != "" {
		_ = v.SetFilter("") // no filter can't be misunderstood
		return
	}
	c.Back()
}

// help lists the keys of the view on screen.
func (c *console) help() {
	sections := []keymap.Section{{Title: c.name(), Actions: c.top().Actions()}, {Title: "everywhere", Actions: c.actions()}}
	c.Open(view.NewHelp(c.env, sections, c.selection(), c.press))
}

// name is one word for the view on screen.
func (c *console) name() string {
	name, _, _ := strings.Cut(strings.ToLower(c.top().Title()), " ")
	return strings.TrimSuffix(name, ":")
}

// copyNames sends the selected names to the terminal's clipboard.
func (c *console) copyNames(s keymap.Selection) {
	var names []string
	for _, o := range s.Objects() {
		names = append(names, o.Name)
	}
	if err := copyText(c.screen, strings.Join(names, "\n")); err != nil {
		c.say("copying: "+err.Error(), true)
		return
	}
	what := names[0]
	if len(names) > 1 {
		what = fmt.Sprintf("%d names", len(names))
	}
	if len(s.Hidden) > 0 {
		what += fmt.Sprintf(" (%d of them hidden by the filter)", len(s.Hidden))
	}
	c.Notice("sent " + what + " to the terminal's clipboard; a terminal without OSC 52 ignores it")
}

// KeyTable is README's table of keys, made from the actions that the keys run.
func KeyTable() string {
	c := newConsole(Options{Store: nothing{}})
	pod := &fleet.Pod{Containers: []string{"a", "b"}}
	text := view.Describe(c.env, keymap.Object{}, "")
	sections := []keymap.Section{
		{Title: "Everywhere", Actions: c.actions()},
		{Title: "Every table"},
	}
	// What all tables share is listed once.
	shared := func(a keymap.Action) bool {
		for _, m := range c.mains {
			if b, ok := keymap.Find(a.Keys[0], m.view.Actions()); !ok || b.Help != a.Help || !slices.Equal(b.Keys, a.Keys) {
				return false
			}
		}
		return true
	}
	for _, a := range c.mains[0].view.Actions() {
		if shared(a) {
			sections[1].Actions = append(sections[1].Actions, a)
		}
	}
	for _, m := range c.mains {
		own := slices.DeleteFunc(m.view.Actions(), shared)
		sections = append(sections, keymap.Section{Title: m.label, Actions: own})
	}
	own := func(v view.View) []keymap.Action { // without those of every text
		return slices.DeleteFunc(v.Actions(), func(a keymap.Action) bool {
			b, is := keymap.Find(a.Keys[0], text.Actions())
			return is && b.Help == a.Help
		})
	}
	sections = append(sections,
		keymap.Section{Title: "Why, and cost of the selection", Actions: own(view.Why(c.env, keymap.Object{}))},
		keymap.Section{Title: "Descriptions and YAML", Actions: text.Actions()},
		keymap.Section{Title: "A plan", Actions: own(view.NewPlan(c.env, view.Migrate, keymap.Selection{}))},
		keymap.Section{Title: "An operation's steps", Actions: own(view.NewSteps(c.env, "", ""))},
		keymap.Section{Title: "Logs", Actions: view.NewLogs(c.env, pod, false).Actions()},
	)
	return keymap.Markdown(sections)
}

// nothing is a Store that never saw a cluster.
type nothing struct{}

func (nothing) Latest() *fleet.Snapshot  { return &fleet.Snapshot{Built: time.Time{}} }
func (nothing) Changed() <-chan struct{} { return nil }
