package collectors

import (
	"context"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/burst"
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
		if err != nil {
			return nil, explainKubernetes("looking whether bursts are stopped", err)
		}
		return fleet.Bursts{Stopped: s.Stopped, By: s.By, At: s.At, Reason: s.Reason}, nil
	})
}
