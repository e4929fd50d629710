package migrate

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/kubernetes"
)

// Undo plans to take an operation back: what it moved and is still there goes the other way,
// by the same strategies and under the same budgets, and a node that it cordoned is opened.
// It changes nothing. What has changed since is a Check of the plan that warns, so that
// somebody is asked. An operation that has not ended can't be undone: abort it.
func Undo(ctx context.Context, client kubernetes.Interface, o *Operation, r Request, now time.Time) (*Facts, *Plan, error) {
	if !o.State.Ended() {
		return nil, nil, fmt.Errorf("operation %s has not ended (%s): abort it instead", o.ID, o.State)
	}
	var gone []Check
	r.To, r.Targets = o.Plan.To.Reverse(), nil
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		if x.State != Done || o.Plan.To == Anywhere {
			continue
		}
		target := x.Pod
		if x.Surge.UID != "" {
			target = x.Surge
		}
		pod, err := (&Engine{Client: client}).pod(ctx, target)
		switch {
		case err != nil:
			return nil, nil, err
		case pod == nil:
			gone = append(gone, Check{"changed", Warn, fmt.Sprintf("pod %s, which took the place of %s, is gone: its workload has changed since", target.Name, x.Pod.Name), ""})
		default:
			r.Targets = append(r.Targets, target)
		}
	}
	f, err := Read(ctx, client, r, now)
	if err != nil {
		return nil, nil, err
	}
	p := Make(f, r)
	p.Checks = append(p.Checks, gone...)
	if d := o.Plan.Drain; d != nil && !d.Cordoned {
		p.Open = &d.Node
		p.Locks = append(p.Locks, d.Node)
		if p.Home == "" {
			p.Home = o.Plan.Home
		}
		p.Checks = append(p.Checks, Check{"cordon", Info, "node " + d.Node.Name + " is uncordoned, which operation " + o.ID + " has cordoned", ""})
	}
	return f, p, nil
}

// Alive tells that a process is at work on an operation, by its leases.
func Alive(ctx context.Context, client kubernetes.Interface, o *Operation) (bool, error) {
	if o.State.Ended() || len(o.Plan.Locks) == 0 {
		return false, nil
	}
	l := &lock{client: client, target: o.Plan.Locks[0]}
	return l.alive(ctx, o.ID, time.Now())
}
