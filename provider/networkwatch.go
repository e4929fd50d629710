package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// ConditionNetwork is the node condition that says whether groups reach the cluster. While it
// is False nothing bursts.
const ConditionNetwork corev1.NodeConditionType = "ClusterNetworkReachable"

// A NetworkWatch probes the network at a node's start and every so often, and has the node say
// what came of it.
type NetworkWatch struct {
	Prober   Prober
	Every    time.Duration // between two probes that reach all; those that don't come sooner
	Override bool          // what is not reached holds nothing back; it is said all the same
}

// soonest is how soon a probe that failed is repeated; the pause doubles up to Every.
const soonest = 10 * time.Minute

// network is the node's network as it was last found out.
type network struct {
	condition atomic.Pointer[corev1.NodeCondition] // nil: nothing is said
}

// apply sets the condition on a node that is about to be told.
func (n *network) apply(node *corev1.Node, now time.Time) {
	c := n.condition.Load()
	if c == nil {
		return
	}
	said := *c
	said.LastHeartbeatTime = metav1.NewTime(now.Truncate(time.Second))
	node.Status.Conditions = append(node.Status.Conditions, said)
}

// set changes what is said; the transition's time stays where the status does.
func (n *network) set(status corev1.ConditionStatus, reason, message string, at time.Time) (changed bool) {
	next := &corev1.NodeCondition{Type: ConditionNetwork, Status: status, Reason: reason, Message: cut(message, 2000), LastTransitionTime: metav1.NewTime(at.Truncate(time.Second))}
	if old := n.condition.Load(); old != nil && old.Status == status {
		next.LastTransitionTime, changed = old.LastTransitionTime, old.Reason != reason || old.Message != next.Message
	} else {
		changed = true
	}
	n.condition.Store(next)
	return changed
}

// judge is the condition that a result means.
func judge(r *ProbeResult, override bool) (status corev1.ConditionStatus, reason, message string) {
	failed, unknown := r.Failed(), r.Unknown()
	switch {
	case len(failed) > 0 && override:
		return corev1.ConditionUnknown, "Overridden", "--ignore-network lets pods burst all the same: " + strings.Join(failed, " | ")
	case len(failed) > 0:
		return corev1.ConditionFalse, "NotReached", "pods on ECI do not reach " + strings.Join(failed, " | ")
	case len(unknown) > 0:
		return corev1.ConditionUnknown, "ProbeFailed", "it is not known what pods on ECI reach: " + strings.Join(unknown, " | ")
	}
	return corev1.ConditionTrue, "Reached", "pods on ECI reach DNS, Services, pods, the API server and the registry"
}

// recall says what is known before the first probe, and how long that is good for. A result
// that an earlier process wrote on the node counts while it is new and of the same settings: a
// process that is started again and again starts no group each time. Without one nothing
// bursts until it is known, which takes a minute.
func (w *NetworkWatch) recall(ctx context.Context, n *network, nodes corev1client.NodeInterface, name string) (wait time.Duration) {
	if node, err := nodes.Get(ctx, name, metav1.GetOptions{}); err == nil {
		if r := ProbeOf(node); r != nil && r.Settings == w.Prober.settings() {
			status, reason, message := judge(r, w.Override)
			n.set(status, reason, message, r.At)
			if wait = w.Every; status != corev1.ConditionTrue {
				wait = min(soonest, w.Every)
			}
			return wait - time.Since(r.At)
		}
	}
	status := corev1.ConditionFalse
	if w.Override {
		status = corev1.ConditionUnknown
	}
	n.set(status, "NotProbedYet", "it is being found out what pods on ECI reach; bursts wait for it", time.Now())
	return 0
}

// run probes until the context ends, the first time after wait.
func (w *NetworkWatch) run(ctx context.Context, wait time.Duration, n *network, nodes corev1client.NodeInterface, name string, say func(kind, reason, message string), log *slog.Logger) {
	pause := soonest
	for pauseFor(ctx, max(wait, 0)) {
		result, err := w.Prober.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.WarnContext(ctx, "probing the network", "err", err)
			result.VSwitches = append(result.VSwitches, ProbedVSwitch{Error: err.Error()})
		}
		status, reason, message := judge(&result, w.Override)
		if n.set(status, reason, message, time.Now()) {
			kind := corev1.EventTypeWarning
			if status == corev1.ConditionTrue {
				kind = corev1.EventTypeNormal
			}
			say(kind, "ClusterNetwork"+reason, cut(message, 1000))
		}
		if err := writeProbe(ctx, nodes, name, &result); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "the network's probe is not kept", "err", err)
		}
		if status == corev1.ConditionTrue {
			pause, wait = soonest, w.Every
		} else {
			wait = min(pause, w.Every)
			pause *= 2
		}
	}
}

func writeProbe(ctx context.Context, nodes corev1client.NodeInterface, name string, r *ProbeResult) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding the network's probe: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{AnnotationProbe: string(text)}}})
	if err != nil {
		return fmt.Errorf("encoding the network's probe: %w", err)
	}
	if _, err := nodes.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("writing the network's probe on the node: %w", err)
	}
	return nil
}
