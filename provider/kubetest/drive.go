package kubetest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// Inject switches a fault on.
func (a Access) Inject(ctx context.Context, f ecitest.Fault) error {
	if err := a.Admin(ctx, http.MethodPost, "/_ecitest/faults", f, nil); err != nil {
		return fmt.Errorf("injecting fault %s: %w", f.Kind, err)
	}
	return nil
}

// Heal switches all faults off.
func (a Access) Heal(ctx context.Context) error {
	if err := a.Admin(ctx, http.MethodDelete, "/_ecitest/faults", nil, nil); err != nil {
		return fmt.Errorf("clearing faults: %w", err)
	}
	return nil
}

// seedGroups puts the scenario's groups into the cloud.
func (l *Lab) seedGroups(ctx context.Context) error {
	if len(l.Scenario.Groups) == 0 {
		return nil
	}
	namespace, err := l.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the cluster's id: %w", err)
	}
	for _, group := range l.Scenario.Groups {
		tags := map[string]string{}
		for key, value := range group.Tags {
			if value == "CLUSTER" {
				value = string(namespace.UID)
			}
			tags[key] = value
		}
		seed := ecitest.SeedGroup{
			Name: group.Name, Zone: group.Zone, CPU: group.CPU, Memory: group.Memory,
			AgeSeconds: group.Age.Seconds(), Tags: tags,
		}
		if err := l.Access.Admin(ctx, http.MethodPost, "/_ecitest/groups", seed, nil); err != nil {
			return fmt.Errorf("putting group %s into the cloud: %w", group.Name, err)
		}
	}
	return nil
}

// drive runs the scenario's traffic and faults until ctx ends.
func (l *Lab) drive(ctx context.Context) {
	for _, traffic := range l.Scenario.Traffic {
		if len(traffic.VCPU) > 0 {
			l.work.Go(func() { l.runLoad(ctx, traffic) })
		} else {
			l.work.Go(func() { l.runTraffic(ctx, traffic) })
		}
	}
	for _, fault := range l.Scenario.Faults {
		l.work.Go(func() { l.runFault(ctx, fault) })
	}
}

// note keeps what happens while the lab runs in a log of its own (`ecideck-lab logs lab`):
// the terminal may belong to a console by then.
func (l *Lab) note(text string) {
	f, err := os.OpenFile(l.LogFile("lab"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return // the lab's folder is gone: it is ending
	}
	defer f.Close()
	fmt.Fprintln(f, time.Now().UTC().Format(time.RFC3339), text)
}

func (l *Lab) runFault(ctx context.Context, f scenario.Fault) {
	timer := time.NewTimer(f.After.Duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	err := l.Access.Inject(ctx, ecitest.Fault{
		Kind: f.Kind, Zone: f.Zone, Rate: f.Rate, Count: f.Count, ForSeconds: f.For.Seconds(), Async: f.Async,
	})
	if err != nil && ctx.Err() == nil {
		l.note(err.Error())
	}
}

// runTraffic moves replicas along the curve. It stops for good when somebody else scales the
// workload: a person who types `kubectl scale` must get what they asked for.
func (l *Lab) runTraffic(ctx context.Context, t scenario.Traffic) {
	tick := time.NewTicker(t.Every.Duration)
	defer tick.Stop()
	last := l.replicas(ctx, t)
	for step := 0; ; step++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		want := t.Replicas[step%len(t.Replicas)]
		found, err := l.scale(ctx, t, last, want)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // an outage of the API server, usually wanted: the next step tries again
			step--
		case last >= 0 && found != last:
			l.note(fmt.Sprintf("%s %s/%s was scaled to %d by someone else: its traffic curve stops here", t.Kind, t.Namespace, t.Name, found))
			return
		default:
			last = want
		}
	}
}

// scaler is what Deployments and StatefulSets have in common.
type scaler interface {
	GetScale(context.Context, string, metav1.GetOptions) (*autoscalingv1.Scale, error)
	UpdateScale(context.Context, string, *autoscalingv1.Scale, metav1.UpdateOptions) (*autoscalingv1.Scale, error)
}

func (l *Lab) scaler(t scenario.Traffic) scaler {
	if t.Kind == "StatefulSet" {
		return l.client.AppsV1().StatefulSets(t.Namespace)
	}
	return l.client.AppsV1().Deployments(t.Namespace)
}

// replicas is what the workload has now, or -1 when that can't be read.
func (l *Lab) replicas(ctx context.Context, t scenario.Traffic) int32 {
	current, err := l.scaler(t).GetScale(ctx, t.Name, metav1.GetOptions{})
	if err != nil {
		return -1
	}
	return current.Spec.Replicas
}

// scale sets the replicas to want unless they are not what was set last (negative: anything);
// it returns what it found.
func (l *Lab) scale(ctx context.Context, t scenario.Traffic, last, want int32) (found int32, err error) {
	current, err := l.scaler(t).GetScale(ctx, t.Name, metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	found = current.Spec.Replicas
	if last >= 0 && found != last || found == want {
		return found, nil
	}
	current.Spec.Replicas = want
	_, err = l.scaler(t).UpdateScale(ctx, t.Name, current, metav1.UpdateOptions{})
	return found, err
}
