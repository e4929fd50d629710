package migrate

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// What a caller needs, command and console alike, is:
//
//	Propose or ProposeUndo      an Operation that is only a plan: Plan.Items with their checks,
//	                            costs and states, Plan.Blocked, Plan.Danger, Plan.ETA
//	Engine.Run, Engine.Resume   run it; Engine.Report gets a copy of the Operation after each
//	                            change, with each item's steps
//	Engine.Abort                take back what can be; the same from elsewhere: AskAbort
//	Load, Alive                 which operations there are, and whether anybody is at work on one

// Propose plans what is asked for: it reads the cluster, and rehearses what the API server
// would say. It changes nothing. by is who asks. extra may be nil; see Read.
func Propose(ctx context.Context, client kubernetes.Interface, extra dynamic.Interface, by string, r Request, now time.Time) (*Operation, error) {
	f, err := Read(ctx, client, extra, r, now)
	if err != nil {
		return nil, remedied(err)
	}
	p := Make(f, r)
	p.Ways = Ways(f, r)
	if err := admitted(ctx, client, p, now); err != nil {
		return nil, err
	}
	if p.Blocked() == "" {
		if err := Rehearse(ctx, client, f, p); err != nil {
			return nil, err
		}
	}
	return &Operation{ID: NewID(now), By: by, Began: now, Plan: *p}, nil
}

// ProposeUndo plans to take an operation back; see Undo. Of the request only Soak and Site count.
func ProposeUndo(ctx context.Context, client kubernetes.Interface, extra dynamic.Interface, by string, o *Operation, r Request, now time.Time) (*Operation, error) {
	f, p, err := Undo(ctx, client, extra, o, r, now)
	if err != nil {
		return nil, remedied(err)
	}
	p.Targets = o.Plan.Targets // what it is about for a person, not the pods that took their places
	if err := admitted(ctx, client, p, now); err != nil {
		return nil, err
	}
	if p.Blocked() == "" {
		if err := Rehearse(ctx, client, f, p); err != nil {
			return nil, err
		}
	}
	return &Operation{ID: NewID(now), By: by, Began: now, Undoes: o.ID, Plan: *p}, nil
}

// admitted notes in a plan what keeps its caller from running it: missing rights, and the
// operations of others.
func admitted(ctx context.Context, client kubernetes.Interface, p *Plan, now time.Time) error {
	rights, err := Rights(ctx, client, p)
	if err != nil {
		return err
	}
	p.Checks = append(append(p.Checks, rights...), held(ctx, client, p, now)...)
	return nil
}

// remedied says what helps where something that a plan rests on may not be read.
func remedied(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w; ask for the right, or use another context", err)
	}
	return err
}
