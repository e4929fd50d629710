package view

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/format"
	"github.com/ecideck/ecideck/ui/keymap"
)

// readTimeout ends a read that nobody answers, so that a dead API says so on screen.
const readTimeout = 30 * time.Second

// errNoObjects says that the console has nobody to ask, as when a recording is replayed.
var errNoObjects = errors.New("this console was started without a way to read objects")

// A Text shows what one or two reads of Objects return: a description, YAML.
type Text struct {
	env    *Env
	pager  *pager
	title  string
	object keymap.Object
	parts  []part
	cancel context.CancelFunc

	mu     sync.Mutex
	loaded []result // per part; written by the readers
	fresh  bool     // loaded changed since the last Show
}

// A part is one read. Its heading stands above it when there are several.
type part struct {
	heading string
	read    func(ctx context.Context) (string, error)
}

type result struct {
	done bool
	text string
	err  error
}

// Describe shows an object's description, and below it that of the group with this id; "":
// none.
func Describe(env *Env, o keymap.Object, group string) *Text {
	describe := func(kind, namespace, name string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			if env.Objects == nil {
				return "", errNoObjects
			}
			return env.Objects.Describe(ctx, kind, namespace, name)
		}
	}
	parts := []part{{"", describe(o.Kind, o.Namespace, o.Name)}}
	if group != "" {
		parts[0].heading = o.Kind + " " + o.Namespace + "/" + o.Name + ", as Kubernetes sees it"
		parts = append(parts, part{"ContainerGroup " + group + ", as ECI sees it", describe(KindGroup, "", group)})
	}
	return newText(env, "Describe "+label(o), o, parts)
}

// YAML shows an object as YAML.
func YAML(env *Env, o keymap.Object) *Text {
	return newText(env, "YAML of "+label(o), o, []part{{"", func(ctx context.Context) (string, error) {
		if env.Objects == nil {
			return "", errNoObjects
		}
		return env.Objects.YAML(ctx, o.Kind, o.Namespace, o.Name)
	}}})
}

// label names an object in a title.
func label(o keymap.Object) string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	switch o.Kind {
	case KindPod:
		return name
	case KindGroup:
		return "group " + name
	}
	return strings.ToLower(o.Kind) + " " + name
}

func newText(env *Env, title string, o keymap.Object, parts []part) *Text {
	return &Text{env: env, pager: newPager(env.Theme, 0), title: title, object: o, parts: parts}
}

// Title says what is shown of what.
func (t *Text) Title() string { return t.title }

// Primitive is the text.
func (t *Text) Primitive() tview.Primitive { return t.pager }

// Filter is the search as it was typed.
func (t *Text) Filter() string { return t.pager.Filter() }

// SetFilter searches in the text.
func (t *Text) SetFilter(s string) error { return t.pager.SetFilter(s) }

// FilterHelp says how a search is written.
func (t *Text) FilterHelp() string { return searchHelp }

// Summary says which lines are on screen.
func (t *Text) Summary() string { return t.pager.Summary() }

// Selection is the object the text is about.
func (t *Text) Selection() keymap.Selection { return keymap.Selection{Cursor: t.object} }

// Close cancels reads that still run.
func (t *Text) Close() {
	if t.cancel != nil {
		t.cancel()
	}
}

// Show starts the reads the first time, and takes over what they returned since.
func (t *Text) Show(*fleet.Snapshot) {
	if t.cancel == nil {
		t.load()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.fresh {
		return
	}
	t.fresh = false
	top := t.pager.top
	t.pager.set(t.text())
	t.pager.top = top
	if t.pager.search != "" {
		_ = t.pager.SetFilter(t.pager.search) // was understood before
	}
}

// text is all that is known of the parts.
func (t *Text) text() string {
	var b strings.Builder
	for i, p := range t.parts {
		if p.heading != "" {
			if i > 0 {
				b.WriteString("\n")
			}
			b.WriteString("=== " + p.heading + "\n")
		}
		switch r := t.loaded[i]; {
		case !r.done:
			b.WriteString("reading…\n")
		case r.err != nil:
			b.WriteString("can't be read: " + r.err.Error() + "\n")
			t.pager.wrap = true // an error's cause stands at its end
		default:
			for line := range strings.SplitSeq(strings.TrimRight(r.text, "\n"), "\n") {
				b.WriteString(format.Plain(line) + "\n")
			}
		}
	}
	return b.String()
}

// load reads all parts, each in its own goroutine.
func (t *Text) load() {
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	t.pager.status = "reading… Esc cancels"
	t.mu.Lock()
	loaded := make([]result, len(t.parts))
	t.loaded = loaded
	t.mu.Unlock()
	for i, p := range t.parts {
		t.env.Shell.Go(func(console context.Context) {
			ctx, stop := context.WithTimeoutCause(ctx, readTimeout, errors.New("no answer within "+readTimeout.String()+"; Ctrl-R tries again"))
			defer stop()
			defer context.AfterFunc(console, stop)()
			text, err := p.read(ctx)
			if err != nil && context.Cause(ctx) != nil && ctx.Err() == context.DeadlineExceeded {
				err = context.Cause(ctx)
			}
			t.mu.Lock()
			loaded[i] = result{true, text, err}
			t.fresh = true
			t.mu.Unlock()
			t.env.Shell.Wake()
		})
	}
}

// Actions are the keys in a text.
func (t *Text) Actions() []keymap.Action {
	return append([]keymap.Action{
		{Keys: []string{"Ctrl-R"}, Name: "read again", Bar: true, Help: "Read the object again.", Run: func(keymap.Selection) {
			t.Close()
			t.load()
		}},
	}, t.pager.actions()...)
}
