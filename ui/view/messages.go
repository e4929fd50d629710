package view

import (
	"strings"
	"time"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
)

// A Message is something the console said.
type Message struct {
	Time  time.Time
	Error bool
	Text  string
}

// Messages is the log of everything the console said, newest last.
type Messages struct {
	pager *pager
}

// NewMessages shows the messages, and above them what is wrong with the sources now.
func NewMessages(env *Env, troubles []string, messages []Message) *Messages {
	var b strings.Builder
	for _, t := range troubles {
		b.WriteString("now      ! " + t + "\n")
	}
	for _, m := range messages {
		mark := "  "
		if m.Error {
			mark = "! "
		}
		b.WriteString(m.Time.Format("15:04:05") + " " + mark + format.Plain(m.Text) + "\n")
	}
	v := &Messages{pager: newPager(env.Theme, 0)}
	v.pager.wrap = true
	if b.Len() > 0 {
		v.pager.set(b.String())
	} else {
		v.pager.status = "nothing was said yet"
	}
	return v
}

// Title is "Messages".
func (m *Messages) Title() string { return "Messages" }

// Show does nothing: the messages are those of the moment it was opened.
func (m *Messages) Show(*fleet.Snapshot) {}

// Primitive is the text.
func (m *Messages) Primitive() tview.Primitive { return m.pager }

// Filter is the search as it was typed.
func (m *Messages) Filter() string { return m.pager.Filter() }

// SetFilter searches in the messages.
func (m *Messages) SetFilter(s string) error { return m.pager.SetFilter(s) }

// FilterHelp says how a search is written.
func (m *Messages) FilterHelp() string { return searchHelp }

// Summary says which lines are on screen.
func (m *Messages) Summary() string { return m.pager.Summary() }

// Actions are the keys in the messages.
func (m *Messages) Actions() []keymap.Action { return m.pager.actions() }
