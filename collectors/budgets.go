package collectors

import (
	"context"

	"github.com/ecideck/ecideck/collectors/fleet"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// Budgets watches the PodDisruptionBudgets.
func Budgets(client kubernetes.Interface, scope Scope, probe Probe) Collector {
	return &watcher[fleet.Budget]{
		kind: "budgets", scope: scope, client: client, probe: probe, every: objectsEvery,
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.PolicyV1().PodDisruptionBudgets(namespace).List(ctx, o)
		},
		watch: func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
			return client.PolicyV1().PodDisruptionBudgets(namespace).Watch(ctx, o)
		},
		convert: func(o runtime.Object) *fleet.Budget { return budgetRecord(o.(*policyv1.PodDisruptionBudget)) },
		compare: func(a, b *fleet.Budget) int { return compareNames(a.Namespace, a.Name, b.Namespace, b.Name) },
		equal:   func(a, b *fleet.Budget) bool { return a.UID == b.UID && a.ResourceVersion == b.ResourceVersion },
		part: func(items []*fleet.Budget, _ []string) fleet.Part {
			return fleet.Budgets{Items: items, Sorted: true}
		},
	}
}

func budgetRecord(p *policyv1.PodDisruptionBudget) *fleet.Budget {
	b := &fleet.Budget{
		Namespace: intern(p.Namespace), Name: p.Name, UID: string(p.UID), ResourceVersion: p.ResourceVersion,
		Allowed: int(p.Status.DisruptionsAllowed), Current: int(p.Status.CurrentHealthy), Desired: int(p.Status.DesiredHealthy), Expected: int(p.Status.ExpectedPods),
	}
	b.Selector, b.All = selectorText(p.Spec.Selector)
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == policyv1.DisruptionAllowedCondition {
			b.Failure = conditionOf(string(c.Status), c.Reason, c.Message, c.LastTransitionTime)
		}
	}
	return b
}
