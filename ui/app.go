package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/view"
)

// A Store hands out the newest Snapshot.
type Store interface {
	// Latest is the newest Snapshot; it is never nil.
	Latest() *fleet.Snapshot
	// Changed receives after Latest has changed; one value may stand for many changes.
	Changed() <-chan struct{}
}

// Objects reads what a snapshot does not hold. Its methods may block; they are called off
// the UI goroutine with a context that Esc cancels.
type Objects = view.Objects

// A LogRequest asks for a container's log.
type LogRequest = view.LogRequest

// Logs opens a container's log. The caller closes it; cancelling ctx ends it too.
type Logs = view.Logs

// An Adviser knows more of an object than a snapshot does, for the key w.
type Adviser = view.Adviser

// An Operator changes the cluster for the console; see view.Operator.
type Operator = view.Operator

// An Order is what a person asks an Operator for.
type Order = view.Order

// A Plan is what would happen if an Order were run.
type Plan = view.Plan

// A Progress is how far an operation has come.
type Progress = view.Progress

// Options are what the console needs to run.
type Options struct {
	Store   Store
	Objects Objects
	Logs    Logs
	Adviser Adviser // nil: nobody knows more
	// Operator changes the cluster; nil: nothing can be changed.
	Operator Operator
	Title    string // the kubeconfig context
	View     string // the main view that is opened first, as commands name it; "": overview
	// Namespace is the only one whose pods and events the Store has; "": all.
	Namespace string
	ASCII     bool             // no line-drawing or other non-ASCII characters
	NoColor   bool             // the NO_COLOR convention
	Screen    tcell.Screen     // nil: the terminal; otherwise initialized by the caller, finished by Run
	Now       func() time.Time // nil: time.Now; for ages
	ReadOnly  bool             // nothing is changed, until :readonly turns it off
	// SetReadOnly is told when that is turned off or on, so that what holds the clients keeps
	// them from changing anything; nil: nobody has to know. It must not block.
	SetReadOnly func(bool)
	// Production says that Title is a context where a slip costs: it is marked.
	Production bool
}

// errStuck is returned when the terminal takes no more output, so that it can't be restored.
var errStuck = errors.New("the terminal takes no output; it could not be restored (stty sane, reset)")

// quitGrace is how long a terminal may take to be restored.
const quitGrace = 5 * time.Second

// Run shows the console until the user quits or ctx ends, and restores the terminal. It
// also ends on SIGHUP, SIGTERM and SIGINT, and returns nil then: the terminal's end is a
// normal way for a console to end. A terminal that is lost while the console runs is an
// error.
func Run(ctx context.Context, o Options) error {
	screen := o.Screen
	if screen == nil {
		var err error
		if screen, err = terminal(); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	defer stop()
	// Without a UTF-8 locale the terminal would show our marks as question marks.
	o.ASCII = o.ASCII || !strings.EqualFold(screen.CharacterSet(), "UTF-8")
	return newConsole(o).run(ctx, screen)
}

// terminal opens the terminal and enters its full-screen mode.
func terminal() (tcell.Screen, error) {
	term := os.Getenv("TERM")
	if term == "" || term == "dumb" {
		return nil, fmt.Errorf("opening the terminal: TERM is %q, which can't show a full screen; `ecideck get pods` prints the same as text", term)
	}
	screen, err := tcell.NewScreen()
	if err == nil {
		err = screen.Init()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the terminal (TERM=%s): %w; TERM=xterm-256color often works, and `ecideck get pods` prints the same as text", term, err)
	}
	return screen, nil
}
