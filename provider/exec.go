package provider

import (
	"context"
	"errors"
	"io"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
)

// What a kubelet's port offers and this node does not is refused in words that kubectl
// shows, each with what to do instead.
var (
	errExec        = errors.New("exec is not available on this virtual node; use kubectl logs, or open the group's terminal in the ECI console")
	errAttach      = errors.New("attach is not available on this virtual node; use kubectl logs -f")
	errPortForward = errors.New("port-forward is not available on this virtual node; the pod's address can be reached from within its VPC")
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
