package collectors

import (
	"context"
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/burst"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
)

// burstsEvery is how often it is looked whether somebody has stopped bursts.
const burstsEvery = 15 * time.Second

// Bursts polls the switch by which bursts are stopped. What holds single pods back comes with
// the events.
func Bursts(client kubernetes.Interface) Collector {
	return Poll(burstsEvery, func(ctx context.Context) (fleet.Part, error) {
		ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
		defer cancel()
		s, err := burst.LoadSwitch(ctx, client.CoreV1())
		switch {
		case apierrors.IsForbidden(err):
			return nil, fmt.Errorf("this user may not read whether bursts are stopped, ConfigMap kube-system/%s (ask for a role with this right): %w", burst.SwitchName, err)
		case err != nil:
			return nil, explainKubernetes("looking whether bursts are stopped", err)
		}
		return fleet.Bursts{Stopped: s.Stopped, By: s.By, At: s.At, Reason: s.Reason}, nil
	})
}
