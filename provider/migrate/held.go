package migrate

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
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
			all, _ = Load(ctx, client, "", metav1.NamespaceAll) // one that can't be read has no say here
		}
		for _, o := range all {
			if o.ID != other || o.State.Ended() {
				continue
			}
			said[other] = true
			h := &Held{Target: target, Operation: other, By: o.By}
			if lease.Spec.HolderIdentity != nil {
				h.By = *lease.Spec.HolderIdentity
			}
			h.Alive = lease.Spec.RenewTime != nil && now.Sub(lease.Spec.RenewTime.Time) < leaseDuration
			reason, remedy := h.sentence()
			checks = append(checks, Check{"held", Block, reason, remedy})
		}
	}
	return checks
}
