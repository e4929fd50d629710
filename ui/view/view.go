// Package view holds the console's screens, one file each. A View shows the snapshot it was
// given and nothing else: no client, no lock. What a snapshot doesn't hold comes through
// Objects and Logs, off the UI goroutine.
package view

import (
	"context"
	"io"
	"time"

	"github.com/rivo/tview"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
)

// A View is one screen. All methods run on the UI goroutine.
type View interface {
	// Title names the screen: "Pods", "Pods on ecs-07".
	Title() string
	// Show takes the newest snapshot. It is called when the view is opened and whenever the
	// world changed or the view asked for it with Shell.Wake.
	Show(*fleet.Snapshot)
	// Actions are the keys that the view has now.
	Actions() []keymap.Action
	// Primitive is what is painted; it is always the same one.
	Primitive() tview.Primitive
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

// Shell is what views may ask of the console around them.
type Shell interface {
	// Open puts a view on top of this one; Esc comes back.
	Open(View)
	// Back closes the view on top.
	Back()
	// Go runs f in a goroutine that restores the terminal when it panics. Shell ends ctx
	// when the console ends.
	Go(f func(ctx context.Context))
	// Wake asks for a Show and a redraw. It may be called from any goroutine and never blocks.
	Wake()
	// Notice shows a short text until the next key.
	Notice(text string)
}

// An Env is what every view is made from.
type Env struct {
	Theme *theme.Theme
	// Namespace is the only one whose pods and events are known; "": all.
	Namespace string
	Now       func() time.Time
	Objects   Objects
	Logs      Logs
	Adviser   Adviser // nil: nobody knows more than the snapshot
	Shell     Shell
	Operator  Operator // nil: nothing can be changed
	Works     Works
}

// KindPod, KindNode and KindGroup are the kinds of objects that views select.
const (
	KindPod   = "Pod"
	KindNode  = "Node"
	KindGroup = "ContainerGroup"
)
