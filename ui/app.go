package ui

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/gdamore/tcell/v2"
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
type Objects interface {
	// Describe returns the text of `kubectl describe` for a Pod or Node, and for kind
	// ContainerGroup (name: the group id) the group as ECI sees it.
	Describe(ctx context.Context, kind, namespace, name string) (string, error)
	// YAML returns the object as YAML, without managed fields.
	YAML(ctx context.Context, kind, namespace, name string) (string, error)
}

// A LogRequest asks for a container's log.
type LogRequest struct {
	Namespace, Pod, Container string
	Follow, Previous          bool
	Timestamps                bool
	Tail                      int           // lines; 0: all
	Since                     time.Duration // 0: from the start
}

// Logs opens a container's log. The caller closes it; cancelling ctx ends it too.
type Logs interface {
	Log(ctx context.Context, r LogRequest) (io.ReadCloser, error)
}

// Options are what the console needs to run.
type Options struct {
	Store    Store
	Objects  Objects
	Logs     Logs
	Title    string           // the kubeconfig context
	ASCII    bool             // no line-drawing or other non-ASCII characters
	NoColor  bool             // the NO_COLOR convention
	Screen   tcell.Screen     // nil: the terminal
	Now      func() time.Time // nil: time.Now; for ages
	ReadOnly bool
}

// Run shows the console until the user quits or ctx ends, and restores the terminal.
func Run(ctx context.Context, o Options) error { return errors.New("ui: not built yet") }
