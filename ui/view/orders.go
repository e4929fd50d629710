package view

import (
	"errors"
	"fmt"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui/keymap"
)

// errNoOperator says that the console has nobody to have anything changed by, as when a
// recording is replayed.
var errNoOperator = errors.New("this console was started without a way to change anything")

// readOnly is why nothing may be changed now; "": it may.
func (e *Env) readOnly() string {
	if e.Works == nil {
		return ""
	}
	return e.Works.ReadOnly()
}

// movable is why nothing of a kind can be migrated; "": it can.
func movable(kind string) string {
	switch kind {
	case "":
		return "nothing is selected"
	case KindPod, KindGroup, KindNode, "Namespace", "Deployment", "ReplicaSet", "StatefulSet", "Job", "CronJob":
		return ""
	case "DaemonSet":
		return "a DaemonSet has one pod on each node: they can't move"
	case fleet.KindVSwitch, fleet.KindAccount, fleet.KindSource, fleet.KindOperation:
		return "it has no pods"
	}
	return "pods of a " + kind + " are marked in the view of pods"
}

// counted is a key's name with how many rows it works on, where some are marked.
func counted(name string, s keymap.Selection) string {
	if len(s.Marked) == 0 {
		return name
	}
	return fmt.Sprintf("%s %d", name, len(s.Marked))
}

// migrate is the m key.
func (l *list[T]) migrate() keymap.Action {
	return keymap.Action{
		Keys: []string{"m"}, Name: counted("migrate", l.Selection()), Bar: true, Danger: true,
		Help: "Migrate the marked rows, or the one under the cursor: from real nodes to ECI, from ECI home (before the cloud takes its group: to another one); of a namespace the pods without a node. Shows the plan, in which Tab turns the direction.",
		Disabled: func(s keymap.Selection) string {
			if l.env.Operator == nil {
				return errNoOperator.Error()
			}
			for _, o := range s.Objects() {
				if why := movable(o.Kind); why != "" {
					return why
				}
			}
			return nothing(s)
		},
		Run: func(s keymap.Selection) { l.env.Shell.Open(NewPlan(l.env, Migrate, s)) },
	}
}

// restart is the r key on workloads.
func (l *list[T]) restart() keymap.Action {
	return keymap.Action{
		Keys: []string{"r"}, Name: counted("restart", l.Selection()), Bar: true, Danger: true,
		Help: "Restart the workload by a rolling restart, as kubectl rollout restart does. Shows the plan.",
		Disabled: func(s keymap.Selection) string {
			if l.env.Operator == nil {
				return errNoOperator.Error()
			}
			for _, o := range s.Objects() {
				switch o.Kind {
				case "Deployment", "StatefulSet", "DaemonSet":
				default:
					return "a " + o.Kind + " has no rolling restart"
				}
			}
			return nothing(s)
		},
		Run: func(s keymap.Selection) { l.env.Shell.Open(NewPlan(l.env, Restart, s)) },
	}
}

// onNodes are the keys that close, open and empty nodes.
func (l *list[T]) onNodes() []keymap.Action {
	order := func(key string, verb Verb, help string, most int) keymap.Action {
		return keymap.Action{
			Keys: []string{key}, Name: counted(string(verb), l.Selection()), Bar: true, Danger: true, Help: help,
			Disabled: func(s keymap.Selection) string {
				switch {
				case l.env.Operator == nil:
					return errNoOperator.Error()
				case len(s.Objects()) > most:
					return "one node at a time"
				}
				return nothing(s)
			},
			Run: func(s keymap.Selection) { l.env.Shell.Open(NewPlan(l.env, verb, s)) },
		}
	}
	return []keymap.Action{
		order("r", Drain, "Drain the node: cordon it, then move its pods away, make before break. Shows the plan, in which Tab chooses where to: anywhere, ECI, real nodes.", 1),
		order("c", Cordon, "Cordon the node: no new pods are scheduled there. Shows the plan.", 100),
		order("u", Uncordon, "Uncordon the node: new pods may be scheduled there again. Shows the plan.", 100),
	}
}

// OperationActions are the keys on operations: r, x and z. pick gives the id of the one that a
// selection means, or why there is none.
func OperationActions(env *Env, pick func(verb Verb, s keymap.Selection) (id, why string)) []keymap.Action {
	order := func(key string, verb Verb, help string) keymap.Action {
		return keymap.Action{
			Keys: []string{key}, Name: string(verb), Bar: true, Danger: true, Help: help,
			Disabled: func(s keymap.Selection) string {
				if env.Operator == nil {
					return errNoOperator.Error()
				}
				_, why := pick(verb, s)
				return why
			},
			Run: func(s keymap.Selection) {
				if id, why := pick(verb, s); why == "" {
					env.Shell.Open(PlanOn(env, verb, id))
				}
			},
		}
	}
	return []keymap.Action{
		order("r", Resume, "Go on with an operation that was cut off. Shows the plan."),
		order("x", Abort, "Abort the operation that runs: what is not beyond the point of no return goes back. Shows the plan."),
		order("z", Undo, "Undo the operation that has ended: what it moved goes the other way. Shows the plan."),
	}
}
