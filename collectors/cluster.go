package collectors

import (
	"context"
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// clusterTimeout bounds one read of the namespace.
const clusterTimeout = 10 * time.Second

// Cluster reads which cluster this is: the UID of the namespace kube-system. It never
// changes, so it is read rarely.
func Cluster(client kubernetes.Interface, every time.Duration) Collector {
	return Poll(every, func(ctx context.Context) (fleet.Part, error) {
		ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
		defer cancel()
		namespace, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		switch {
		case apierrors.IsForbidden(err):
			return nil, fmt.Errorf("this user may not get the namespace kube-system, whose UID marks this cluster's container groups; orphans of our virtual nodes stay unknown (ask for a role with this right): %w", err)
		case err != nil:
			return nil, explainKubernetes("reading the cluster's id", err)
		}
		return fleet.Cluster{UID: string(namespace.UID)}, nil
	})
}
