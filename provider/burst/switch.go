package burst

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// SwitchName is the ConfigMap in kube-system by which bursts are stopped. It lives in the
// cluster, so that whoever is on call stops all bursts at once, from any machine, and sees
// who did before.
const SwitchName = "ecideck-burst"

const (
	switchState  = "state" // stopped, or running
	switchBy     = "by"
	switchAt     = "at"
	switchReason = "reason"
	stateStopped = "stopped"
	stateRunning = "running"
)

// A Switch says whether new bursts are stopped. Pods on ECI stay there, and so do pods that
// belong on ECI only: neither is a new burst.
type Switch struct {
	Stopped bool
	By      string // who has set it; "": nobody has
	At      time.Time
	Reason  string
}

func (s Switch) words() string {
	text := "bursts are stopped"
	if s.By != "" {
		text += " by " + s.By
	}
	if !s.At.IsZero() {
		text += " since " + s.At.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		text += " (" + s.Reason + ")"
	}
	return text + ": `ecideck burst start` lets them go on"
}

// String is the switch in words.
func (s Switch) String() string {
	if s.Stopped {
		return s.words()
	}
	if s.By == "" {
		return "bursts are not stopped"
	}
	return fmt.Sprintf("bursts are not stopped; %s started them at %s", s.By, s.At.UTC().Format(time.RFC3339))
}

// ReadSwitch reads the ConfigMap; nil is a switch that nobody has touched. A state that is
// neither of the two counts as stopped: whoever wrote it by hand meant something.
func ReadSwitch(config *corev1.ConfigMap) Switch {
	if config == nil {
		return Switch{}
	}
	at, _ := time.Parse(time.RFC3339, config.Data[switchAt]) // by hand: unknown
	state := config.Data[switchState]
	return Switch{Stopped: state != stateRunning && state != "", By: config.Data[switchBy], At: at, Reason: config.Data[switchReason]}
}

// LoadSwitch reads the switch from the cluster.
func LoadSwitch(ctx context.Context, client corev1client.ConfigMapsGetter) (Switch, error) {
	config, err := client.ConfigMaps(metav1.NamespaceSystem).Get(ctx, SwitchName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Switch{}, nil
	}
	if err != nil {
		return Switch{}, fmt.Errorf("reading whether bursts are stopped (ConfigMap %s/%s): %w", metav1.NamespaceSystem, SwitchName, err)
	}
	return ReadSwitch(config), nil
}

// SetSwitch writes the switch. Of two people at the same time the later one counts.
func SetSwitch(ctx context.Context, client corev1client.ConfigMapsGetter, s Switch) error {
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: SwitchName, Namespace: metav1.NamespaceSystem},
		Data: map[string]string{switchState: stateRunning, switchBy: s.By, switchAt: s.At.UTC().Format(time.RFC3339), switchReason: s.Reason}}
	if s.Stopped {
		config.Data[switchState] = stateStopped
	}
	maps := client.ConfigMaps(metav1.NamespaceSystem)
	_, err := maps.Create(ctx, config, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = maps.Update(ctx, config, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("writing the ConfigMap %s/%s: %w", metav1.NamespaceSystem, SwitchName, err)
	}
	return nil
}
