package view

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
)

// stepsEvery is how often the steps of an operation are read that another process runs.
const stepsEvery = 2 * time.Second

// Steps shows one operation's pods and steps, as they happen. Leaving it ends nothing.
type Steps struct {
	env   *Env
	id    string
	title string
	body  *scroll
	every bool            // also the steps of what went as it should
	ctx   context.Context // of all reads; nil: there was none
	stop  func()

	mu      sync.Mutex
	reading bool
	read    *Progress
	err     error
	last    time.Time // when the last read ended, by the machine's clock
}

// NewSteps shows an operation.
func NewSteps(env *Env, id, title string) *Steps {
	v := &Steps{env: env, id: id, title: title}
	v.body = newScroll(env.Theme, v.lines)
	return v
}

// Title names the operation.
func (v *Steps) Title() string { return "Operation " + v.id }

// Primitive is the panel.
func (v *Steps) Primitive() tview.Primitive { return v.body }

// Aged reports whether a text changed only because time passed.
func (v *Steps) Aged() bool { return v.body.aged() }

// Selection is the operation.
func (v *Steps) Selection() keymap.Selection {
	return keymap.Selection{Cursor: keymap.Object{Kind: fleet.KindOperation, Name: v.id, UID: v.id}}
}

// Summary says which lines are on screen, where not all are.
func (v *Steps) Summary() string {
	if v.body.rows <= v.body.height {
		return ""
	}
	return fmt.Sprintf("%d-%d of %d (j, Space)", v.body.top+1, min(v.body.rows, v.body.top+v.body.height), v.body.rows)
}

// Close ends what is read.
func (v *Steps) Close() {
	if v.stop != nil {
		v.stop()
	}
}

// Show reads the steps, unless the console itself has them.
func (v *Steps) Show(*fleet.Snapshot) {
	if v.env.Operator == nil {
		return
	}
	ctx := v.reader()
	p, here := v.env.current(v.id)
	v.mu.Lock()
	defer v.mu.Unlock()
	if p != nil && (here || p.Over) {
		v.read = nil // it is older
		return
	}
	if v.reading || v.read != nil && v.read.Over || time.Since(v.last) < stepsEvery {
		return
	}
	v.reading = true
	v.env.Shell.Go(func(console context.Context) {
		defer context.AfterFunc(console, v.stop)()
		call, cancel := context.WithTimeout(ctx, readTimeout)
		p, err := v.env.Operator.Progress(call, v.id)
		cancel()
		v.mu.Lock()
		if v.err = err; err == nil {
			v.read = p
		}
		v.reading, v.last = false, time.Now()
		v.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		v.env.Shell.Wake()
		if err != nil || !p.Over {
			timer := time.AfterFunc(stepsEvery, v.env.Shell.Wake)
			context.AfterFunc(ctx, func() { timer.Stop() })
		}
	})
}

// reader is the context of all reads; Close ends it.
func (v *Steps) reader() context.Context {
	if v.ctx == nil {
		v.ctx, v.stop = context.WithCancel(context.Background())
	}
	return v.ctx
}

// now is the newest that is known.
func (v *Steps) now() (p *Progress, here bool, err error) {
	p, here = v.env.current(v.id)
	if p != nil && (here || p.Over) {
		return p, here, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.read != nil {
		p = v.read
	}
	return p, here, v.err
}

// current is how far an operation has come that this console runs or ran; nil: none.
func (e *Env) current(id string) (p *Progress, running bool) {
	if e.Works == nil {
		return nil, false
	}
	return e.Works.Current(id)
}

// Actions are the keys on an operation.
func (v *Steps) Actions() []keymap.Action {
	keys := []keymap.Action{{Keys: []string{"Enter", "d"}, Name: "all steps", Bar: true, Help: "Show the steps of every pod, with the kubectl commands that do the same; again shows those of what is on its way or went wrong.",
		Run: func(keymap.Selection) { v.every = !v.every; v.body.top = 0 }}}
	keys = append(keys, OperationActions(v.env, func(verb Verb, _ keymap.Selection) (string, string) {
		p, here, _ := v.now()
		if p == nil {
			return "", "it is not read yet"
		}
		return v.id, verb.Unfit(p.Over, p.Alone && !here, p.Done())
	})...)
	return append(keys, v.body.actions()...)
}

// Done is how many items were moved.
func (p *Progress) Done() int {
	n := 0
	for i := range p.Items {
		if p.Items[i].State == "done" {
			n++
		}
	}
	return n
}

func (v *Steps) lines(int) (body, foot []line) {
	p, here, err := v.now()
	if p == nil {
		text := v.title + ": reading its steps…"
		role := theme.Plain
		switch {
		case err != nil:
			text, role = "It can't be read: "+err.Error(), theme.Broken
		case v.env.Operator == nil:
			text = errNoOperator.Error()
		case here:
			text = v.title + ": it begins…"
		}
		return []line{{role, 0, text}}, []line{{theme.Strong, 0, "Esc"}}
	}
	now := v.env.Now()
	say := func(role theme.Role, format string, args ...any) {
		body = append(body, line{role, 0, fmt.Sprintf(format, args...)})
	}
	moving, failed, stays := 0, 0, 0
	for i := range p.Items {
		switch x := &p.Items[i]; {
		case x.Stays:
			stays++
		case x.Trouble == fleet.Broken:
			failed++
			moving++
		default:
			moving++
		}
	}
	head := fmt.Sprintf("%s: %s, %d of %d moved", p.Title, p.State, p.Done(), moving)
	if failed > 0 {
		head += fmt.Sprintf(", %d need a look", failed)
	}
	if stays > 0 {
		head += fmt.Sprintf(", %d stay", stays)
	}
	say(theme.Accent, "%s", head)
	who := fmt.Sprintf("%s began it %s ago", cmp.Or(p.By, "somebody"), format.Age(p.Began, now))
	switch {
	case !p.Ended.IsZero():
		who += fmt.Sprintf(", it took %s", format.Age(p.Began, p.Ended))
	case here:
		who += "; this console runs it"
	case p.Alone:
		who += "; nobody is at work on it, " + cmp.Or(p.Runner, "somebody") + " was last"
	case p.Runner != "":
		who += "; " + p.Runner + " runs it"
	}
	if p.Undoes != "" {
		who += "; it takes back " + p.Undoes
	}
	if !p.Began.IsZero() {
		say(theme.Plain, "%s", who)
	}
	if p.Reason != "" {
		say(theme.Plain, "%s", p.Reason)
	}
	if p.Waits != "" && !p.Over {
		say(theme.Plain, "now: %s", p.Waits)
	}
	if err != nil {
		say(theme.Degraded, "! it can't be read anew: %s", err.Error())
	}
	if p.Problem != "" {
		say(theme.Degraded, "! %s", p.Problem)
	}
	if p.Local {
		say(theme.Degraded, "! its journal is on one machine only: ConfigMaps could not be written, so that nobody can go on with it elsewhere")
	}
	for _, s := range p.Steps {
		v.step(&body, s, 2)
	}
	body = append(body, v.items(p, now)...)
	press := "z undoes it · Esc"
	switch {
	case !p.Over && p.Alone && !here:
		press = "r goes on · x goes back · Esc leaves it as it is"
	case !p.Over && here:
		press = "x takes back what still can be · Esc leaves it to run in this console"
	case !p.Over:
		press = "x aborts it · Esc"
	case p.Done() == 0:
		press = "Esc"
	}
	return body, []line{{theme.Strong, 0, press}}
}

// items are the lines of an operation's items: first what is on its way or went wrong.
func (v *Steps) items(p *Progress, now time.Time) (out []line) {
	widest := 0
	prefix := ""
	for i := range p.Items {
		namespace, _, _ := strings.Cut(p.Items[i].Name, "/")
		if i == 0 {
			prefix = namespace + "/"
		} else if prefix != namespace+"/" {
			prefix = ""
		}
	}
	for i := range p.Items {
		widest = max(widest, theme.Width(strings.TrimPrefix(p.Items[i].Name, prefix)))
	}
	widest = min(widest, 44)
	class := func(x *Item) int {
		switch {
		case x.Trouble == fleet.Broken:
			return 0
		case !x.Over && !x.Began.IsZero():
			return 1
		case !x.Over:
			return 2
		case x.Stays:
			return 4
		}
		return 3
	}
	way := func(x *Item) string { return cmp.Or(x.From, "no node") + " → " + x.To }
	same := ""
	for i := range p.Items {
		switch x := &p.Items[i]; {
		case x.Stays || x.To == "":
		case same == "":
			same = way(x)
		case same != way(x):
			same = "not the same"
		}
	}
	if same != "" && same != "not the same" && len(p.Items) > 1 {
		out = append(out, line{theme.Plain, 0, same})
	} else {
		same = ""
	}
	for want := range 5 {
		for i := range p.Items {
			x := &p.Items[i]
			if class(x) != want {
				continue
			}
			name := theme.FitMiddle(strings.TrimPrefix(x.Name, prefix), widest)
			l := line{theme.Plain, 0, v.mark(x) + " " + name + strings.Repeat(" ", max(0, widest-theme.Width(name)))}
			l.text += fmt.Sprintf("  %-9s", x.State)
			switch {
			case x.Trouble == fleet.Broken:
				l.role = theme.Broken
			case x.Stays:
				l.role = theme.Dim
			case want == 1:
				l.role = theme.Strong
			}
			if !x.Began.IsZero() {
				end := now
				if !x.Ended.IsZero() {
					end = x.Ended
				}
				l.text += fmt.Sprintf(" %5s", format.Age(x.Began, end))
			} else {
				l.text += "      "
			}
			if x.Reason != "" {
				l.text += "  " + x.Reason
			} else if x.To != "" && !x.Stays && same == "" {
				l.text += "  " + way(x)
			}
			l.text = strings.TrimRight(l.text, " ")
			out = append(out, l)
			if v.every || want <= 1 {
				for _, s := range x.Steps {
					v.step(&out, s, 4)
				}
			}
		}
	}
	return out
}

func (v *Steps) mark(x *Item) string {
	switch {
	case x.Trouble == fleet.Broken:
		return v.env.Theme.Glyphs.Broken
	case x.State == "done":
		return v.env.Theme.Glyphs.Done
	case x.Stays:
		return "="
	case !x.Over && !x.Began.IsZero():
		return v.env.Theme.Glyphs.Running
	case x.Over:
		return v.env.Theme.Glyphs.Degraded
	}
	return "·"
}

func (v *Steps) step(out *[]line, s Step, indent int) {
	text := s.At.Format("15:04:05") + " " + s.Text
	if s.Times > 1 {
		text += fmt.Sprintf(" (%d times)", s.Times)
	}
	role := theme.Dim
	switch s.Answer {
	case "ok":
		text += ": ok"
	case "":
		text += ": no answer yet"
	default:
		text += ": " + s.Answer
		role = theme.Plain
	}
	*out = append(*out, line{role, indent, text})
	if v.every && s.Command != "" {
		*out = append(*out, line{theme.Dim, indent + 9, s.Command})
	}
}
