package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// Undo plans to take an operation back: what it moved and is still there goes the other way,
// by the same strategies and under the same budgets, and a node that it cordoned is opened.
// It changes nothing. What has changed since is a Check of the plan that warns, so that
// somebody is asked. An operation that has not ended can't be undone: abort it.
func Undo(ctx context.Context, client kubernetes.Interface, extra dynamic.Interface, o *Operation, r Request, now time.Time) (*Facts, *Plan, error) {
	if !o.State.Ended() {
		return nil, nil, fmt.Errorf("operation %s has not ended (%s): abort it instead", o.ID, o.State)
	}
	var gone []Check
	var back []*Item // whose fields are set back
	r.To, r.Targets = o.Plan.To.Reverse(), nil
	virtual, err := virtualNodes(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	cloned := false
	for i := range o.Plan.Items {
		x := &o.Plan.Items[i]
		if x.State != Done || o.Plan.To == Anywhere {
			continue
		}
		cloned = cloned || x.Strategy == Clone
		// Where the ReplicaSet's replacement was moved in its place, From is where that one was.
		if o.Plan.To == ToECI && x.Again == 0 && slices.ContainsFunc(virtual, func(n *corev1.Node) bool { return n.Name == x.From }) {
			gone = append(gone, Check{"changed", Warn, fmt.Sprintf("pod %s ran on ECI before, too, in another group, which is gone: what took its place stays there", x.Pod.Name), ""})
			continue
		}
		if x.Change != nil {
			back = append(back, x)
			continue
		}
		target := x.Pod
		if x.Surge.UID != "" {
			target = x.Surge
		}
		pod, err := (&Engine{Client: client}).pod(ctx, target)
		if err == nil && pod == nil && x.Strategy == Restart && x.Surge.UID == "" {
			// Its successor was Ready before anybody had seen it, and was not written down.
			if pod, err = namesake(ctx, client, x); pod != nil {
				target.UID = pod.UID
			}
		}
		switch {
		case err != nil:
			return nil, nil, err
		case pod == nil:
			gone = append(gone, Check{"changed", Warn, fmt.Sprintf("pod %s, which took the place of %s, is gone: its workload has changed since", target.Name, x.Pod.Name), ""})
		default:
			r.Targets = append(r.Targets, target)
		}
	}
	// By the strategy that moved it: what was cloned is cloned back, and nothing is restarted
	// that was swapped.
	if r.How == "" && cloned {
		r.How = Clone
	}
	f, err := Read(ctx, client, extra, r, now)
	if err != nil {
		return nil, nil, err
	}
	p := Make(f, r)
	p.Checks = append(p.Checks, gone...)
	for _, x := range back {
		y, err := takeBack(ctx, client, x)
		if err != nil {
			return nil, nil, err
		}
		p.add(y)
	}
	p.sum()
	if d := o.Plan.Drain; d != nil && !d.Cordoned {
		there, err := stands(ctx, client, d.Node)
		if err != nil {
			return nil, nil, err
		}
		if !there {
			p.Checks = append(p.Checks, Check{"cordon", Warn, "node " + d.Node.Name + ", which operation " + o.ID + " has cordoned, is not there any more, so it is not uncordoned", ""})
			return f, p, nil
		}
		p.Open = &d.Node
		p.Locks = append(p.Locks, d.Node)
		if p.Home == "" {
			p.Home = o.Plan.Home
		}
		p.Checks = append(p.Checks, Check{"cordon", Info, "node " + d.Node.Name + " is uncordoned, which operation " + o.ID + " has cordoned", ""})
	}
	return f, p, nil
}

// stands tells that a node is there, and no other one under its name.
func stands(ctx context.Context, client kubernetes.Interface, r Ref) (bool, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	node, err := client.CoreV1().Nodes().Get(call, r.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading node %s: %w", r.Name, err)
	}
	return r.UID == "" || node.UID == r.UID, nil
}

// namesake is the pod that the controller of a restarted one has made under the same name, or nil.
func namesake(ctx context.Context, client kubernetes.Interface, x *Item) (*corev1.Pod, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	pod, err := client.CoreV1().Pods(x.Pod.Namespace).Get(call, x.Pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", x.Pod, err)
	case x.Owner.UID == "" || controllerUID(pod) != x.Owner.UID:
		return nil, nil
	}
	return pod, nil
}

// Alive tells that a process is at work on an operation, by its leases.
func Alive(ctx context.Context, client kubernetes.Interface, o *Operation) (bool, error) {
	if o.State.Ended() || len(o.Plan.Locks) == 0 {
		return false, nil
	}
	l := &lock{client: client, target: o.Plan.Locks[0]}
	return l.alive(ctx, o.ID, time.Now())
}

// takeBack is the item that sets a workload's fields back to what they were before another
// item, if they are still what that one has made them: fields of others are not looked at.
func takeBack(ctx context.Context, client kubernetes.Interface, x *Item) (Item, error) {
	y := Item{Workload: x.Workload, Owner: x.Owner, Strategy: x.Strategy, Pods: x.Pods, Members: x.Members, Grace: x.Grace, Size: x.Size, Before: x.After, After: x.Before, Danger: x.Danger,
		Why: "its fields are set back to what they were, and nothing else of it"}
	e := &Engine{Client: client}
	var live Fields
	gone, changed := false, ""
	switch x.Strategy {
	case Rollout:
		d, err := e.deployment(ctx, x.Workload)
		if err != nil {
			return y, err
		}
		if gone = d == nil; gone {
			break
		}
		live = deploymentFields(d)
		y.Change = rolloutChange(d, x.Change.Before)
		if why := rolledOut(d); why != "" {
			return y.staying("a rollout of Deployment %s is under way: %s", d.Name, why), nil
		}
		if d.Annotations[revision] != x.Revision && x.Revision != "" {
			changed = "Deployment " + d.Name + " has had another rollout since: what that changed stays"
		}
	case Ordinals:
		set, err := e.statefulSet(ctx, x.Workload)
		if err != nil {
			return y, err
		}
		if gone = set == nil; gone {
			break
		}
		live = setFields(set)
		y.Change = &Change{Before: live, During: live.placed(x.Change.Before), After: live.placed(x.Change.Before)}
		y.Change.During.StatefulSet, y.Change.After.StatefulSet = x.Change.During.StatefulSet, x.Change.Before.StatefulSet
		if !same(live.StatefulSet, x.Change.After.StatefulSet) {
			y.Change.After.StatefulSet = live.StatefulSet
			changed = "StatefulSet " + set.Name + "'s update strategy was changed since, and stays"
		}
	case Suspend:
		call, cancel := context.WithTimeout(ctx, perCall)
		defer cancel()
		job, err := client.BatchV1().Jobs(x.Workload.Namespace).Get(call, x.Workload.Name, metav1.GetOptions{})
		if gone = apierrors.IsNotFound(err); gone {
			break
		}
		if err != nil {
			return y, fmt.Errorf("reading Job %s: %w", x.Workload.Name, err)
		}
		live = jobFields(job)
		y.Change = jobChange(job, x.Change.Before)
	case Template:
		call, cancel := context.WithTimeout(ctx, perCall)
		defer cancel()
		job, err := client.BatchV1().CronJobs(x.Workload.Namespace).Get(call, x.Workload.Name, metav1.GetOptions{})
		if gone = apierrors.IsNotFound(err); gone {
			break
		}
		if err != nil {
			return y, fmt.Errorf("reading CronJob %s: %w", x.Workload.Name, err)
		}
		live = cronJobFields(job)
		y.Change = &Change{Before: live, During: x.Change.Before, After: x.Change.Before}
	}
	switch {
	case gone:
		return y.settled("%s is gone", x.Workload), nil
	case live.placedAs(x.Change.Before):
		return y.settled("somebody has set it back already"), nil
	case !live.placedAs(x.Change.After):
		return y.staying("somebody else has changed where its template puts pods since: set its node affinity and tolerations by hand"), nil
	}
	if changed != "" {
		y.Checks = append(y.Checks, Check{"changed", Warn, changed, ""})
	}
	return y, nil
}

// add puts one more item into a plan.
func (p *Plan) add(x Item) {
	x.ID, x.State, x.Steps = strconv.Itoa(len(p.Items)+1), Planned, []Step{}
	if x.Strategy == Stay {
		x.State = Stays
	} else {
		if !slices.Contains(p.Locks, x.Workload) {
			p.Locks = append(p.Locks, x.Workload)
		}
		p.Home = cmp.Or(p.Home, x.Workload.Namespace)
		p.Parallel[x.Key()] = 1
		p.ETA = max(p.ETA, x.seconds(int(startup.Seconds())))
	}
	p.Items = append(p.Items, x)
}
