package migrate

import (
	"cmp"
	"context"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/placement"
)

// held are the operations that have a plan's targets already, as checks that block: taking
// the leases would find the same, after somebody has said yes. What can't be read blocks
// nothing, since the leases are taken all the same.
func held(ctx context.Context, client kubernetes.Interface, p *Plan, now time.Time) []Check {
	var checks []Check
	said := map[string]bool{}
	var all []*Operation // the journals, once one is needed
	var unknown error    // why not all are known
	read := false
	leases := map[string]map[string]*coordinationv1.Lease{} // by namespace and name
	for _, target := range p.Locks {
		home := leaseHome(target)
		if leases[home] == nil {
			leases[home] = map[string]*coordinationv1.Lease{}
			list, err := client.CoordinationV1().Leases(home).List(ctx, metav1.ListOptions{})
			if err != nil {
				continue
			}
			for i := range list.Items {
				leases[home][list.Items[i].Name] = &list.Items[i]
			}
		}
		lease := leases[home][leaseName(target)]
		if lease == nil {
			continue
		}
		other := lease.Annotations[placement.LabelOperation]
		if other == "" || said[other] {
			continue
		}
		if !read {
			read = true
			all, unknown = journalsAround(ctx, client, p)
		}
		holder := ""
		if lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		alive := lease.Spec.RenewTime != nil && now.Sub(lease.Spec.RenewTime.Time) < leaseDuration
		if unknown != nil && alive && holder != "" && !slices.ContainsFunc(all, func(o *Operation) bool { return o.ID == other }) {
			// Its journal is where this user may not look, and it is at work.
			all = append(all, &Operation{ID: other, By: holder, State: Running})
		}
		for _, o := range all {
			if o.ID != other || o.State.Ended() {
				continue
			}
			said[other] = true
			h := &Held{Target: target, Operation: other, By: cmp.Or(holder, o.By), Alive: alive}
			reason, remedy := h.sentence()
			checks = append(checks, Check{"held", Block, reason, remedy})
		}
	}
	return checks
}

// journalsAround are the operations that are written down in the cluster; where the caller may
// not look in all namespaces, those of the namespaces of a plan's targets, and the drains. The
// error is about what was not read.
func journalsAround(ctx context.Context, client kubernetes.Interface, p *Plan) ([]*Operation, error) {
	all, err := Load(ctx, client, "", metav1.NamespaceAll)
	if !apierrors.IsForbidden(err) {
		return all, err
	}
	asked := map[string]bool{}
	for _, target := range append(slices.Clone(p.Locks), Ref{}) { // the last is of nodes
		if home := leaseHome(target); !asked[home] {
			asked[home] = true
			more, _ := Load(ctx, client, "", home) // err tells already that some are not known
			all = append(all, more...)
		}
	}
	return all, err
}
