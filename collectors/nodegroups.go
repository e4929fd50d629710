package collectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"
)

// The cluster autoscaler writes what it does to a ConfigMap, as YAML since its version 1.30
// and as free text before.
// https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/clusterstate/api/types.go
const (
	autoscalerStatus  = "cluster-autoscaler-status"
	autoscalerUpdated = "cluster-autoscaler.kubernetes.io/last-updated"
)

// autoscalerText is the part of the status that is read.
type autoscalerText struct {
	Time       string `json:"time"`
	NodeGroups []struct {
		Name   string `json:"name"`
		Health struct {
			Target     int `json:"cloudProviderTarget"`
			Min        int `json:"minSize"`
			Max        int `json:"maxSize"`
			NodeCounts struct {
				Registered struct {
					Ready int `json:"ready"`
				} `json:"registered"`
			} `json:"nodeCounts"`
		} `json:"health"`
		ScaleUp struct {
			Status      string `json:"status"`
			BackoffInfo struct {
				Code    string `json:"errorCode"`
				Message string `json:"errorMessage"`
			} `json:"backoffInfo"`
		} `json:"scaleUp"`
	} `json:"nodeGroups"`
}

// NodeGroups polls the cluster autoscaler's status, where there is one.
func NodeGroups(client kubernetes.Interface) Collector {
	absent := false
	return poll{
		every: func() time.Duration {
			if absent {
				return absentEvery
			}
			return installedEvery
		},
		fetch: func(ctx context.Context) (fleet.Part, error) {
			ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
			defer cancel()
			m, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, autoscalerStatus, metav1.GetOptions{})
			absent = apierrors.IsNotFound(err)
			switch {
			case absent:
				return fleet.NodeGroups{Absent: true}, nil
			case apierrors.IsForbidden(err):
				return nil, fmt.Errorf("this user may not get the cluster autoscaler's status, ConfigMap kube-system/%s (ask for a role with this right): %w", autoscalerStatus, err)
			case err != nil:
				return nil, explainKubernetes("reading the cluster autoscaler's status", err)
			}
			return nodeGroups(m.Data["status"], m.Annotations[autoscalerUpdated])
		},
	}
}

func nodeGroups(status, updated string) (fleet.Part, error) {
	var text autoscalerText
	if err := yaml.Unmarshal([]byte(status), &text); err != nil || text.Time == "" {
		return nil, errors.New("the cluster autoscaler's status is in the free text of versions before 1.30, which is not read")
	}
	part := fleet.NodeGroups{}
	var at time.Time
	for _, layout := range []string{"2006-01-02 15:04:05.999999999 -0700 MST", time.RFC3339Nano} {
		if t, err := time.Parse(layout, updated); err == nil {
			at = t
		}
	}
	for i := range text.NodeGroups {
		g := &text.NodeGroups[i]
		part.Items = append(part.Items, fleet.NodeGroup{
			Name: g.Name, Min: g.Health.Min, Max: g.Health.Max, Target: g.Health.Target, Ready: g.Health.NodeCounts.Registered.Ready,
			ScaleUp: g.ScaleUp.Status, Code: g.ScaleUp.BackoffInfo.Code, Message: g.ScaleUp.BackoffInfo.Message, Updated: at,
		})
	}
	return part, nil
}
