package provider

import (
	"context"
	"errors"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	statsv1alpha1 "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// What a kubelet's port offers and this node does not is refused in words that kubectl
// shows, each with what to do instead.
var (
	errExec        = errors.New("exec is not available on this virtual node; use kubectl logs, or open the group's terminal in the ECI console")
	errAttach      = errors.New("attach is not available on this virtual node; use kubectl logs -f")
	errPortForward = errors.New("port-forward is not available on this virtual node; the pod's address can be reached from within its VPC")
	errUsage       = errdefs.InvalidInput("resource usage is not available on this virtual node; the ECI console shows it per group")
)

// RunInContainer refuses exec.
func (p *Provider) RunInContainer(context.Context, string, string, string, []string, api.AttachIO) error {
	return errExec
}

// AttachToContainer refuses attach.
func (p *Provider) AttachToContainer(context.Context, string, string, string, api.AttachIO) error {
	return errAttach
}

// PortForward refuses port-forward.
func (p *Provider) PortForward(context.Context, string, string, int32, io.ReadWriteCloser) error {
	return errPortForward
}

// GetStatsSummary refuses /stats/summary.
func (p *Provider) GetStatsSummary(context.Context) (*statsv1alpha1.Summary, error) {
	return nil, errUsage
}

// GetMetricsResource refuses /metrics/resource.
func (p *Provider) GetMetricsResource(context.Context) ([]*dto.MetricFamily, error) {
	return nil, errUsage
}
