package provider

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	utilexec "k8s.io/utils/exec"

	"github.com/ecideck/ecideck/provider/eci"
)

// Shells runs commands in containers; *eci.Client is one.
type Shells interface {
	// Run returns when the command has ended; a command that failed is an *eci.ExitError.
	Run(context.Context, eci.ExecRequest, eci.Streams) error
}

// What a kubelet's port offers and ECI has no way for is refused in words that kubectl
// shows, each with what to do instead.
var (
	errExec        = errors.New("exec is not available: this virtual node was started without it")
	errPortForward = errors.New("port-forward is not available on this virtual node: ECI has no way to carry it; the pod's address can be reached from within its VPC")
)

// attachNotice is said where a person may type in vain.
const attachNotice = "[ecideck-node: output only; ECI can't write to the input of a running container. Use kubectl exec.]\r\n"

// noCodeNotice is said where a script may ask for the exit code in vain.
const noCodeNotice = "[ecideck-node: the command's exit code is unknown, 0 is not its own; ECI told none, and no sh in the container could tell it]\r\n"

// RunInContainer runs a command for kubectl exec and cp, with its exit code.
func (p *Provider) RunInContainer(ctx context.Context, namespace, name, container string, command []string, attach api.AttachIO) error {
	if p.Shells == nil {
		return errExec
	}
	request, err := p.execRequest(namespace, name, container)
	if err != nil {
		return err
	}
	request.Command, request.TTY = command, attach.TTY()
	streams := eci.Streams{Stdin: attach.Stdin()}
	if out := attach.Stdout(); out != nil {
		streams.Stdout = out
	}
	if out := attach.Stderr(); out != nil {
		streams.Stderr = out
	}
	if sizes := attach.Resize(); sizes != nil {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		streams.Resize = forwardSizes(ctx, sizes)
	}
	err = p.Shells.Run(ctx, request, streams)
	var exit *eci.ExitError
	if errors.As(err, &exit) {
		// The library looks for this very type, and kubectl exits with its code.
		return utilexec.CodeExitError{Err: err, Code: exit.Code}
	}
	if errors.Is(err, eci.ErrNoExitCode) {
		// Whether it failed is not known, so it is not called a failure, but not kept quiet.
		return say(streams, noCodeNotice)
	}
	return err
}

// say writes a notice where it is not taken for the command's output, if there is such a place.
func say(s eci.Streams, notice string) error {
	to := s.Stderr
	if to == nil {
		to = s.Stdout
	}
	if to == nil {
		return nil
	}
	if _, err := io.WriteString(to, notice); err != nil {
		return fmt.Errorf("writing to the client: %w", err)
	}
	return nil
}

// execRequest finds the container, which must be running.
func (p *Provider) execRequest(namespace, name, container string) (eci.ExecRequest, error) {
	found, err := p.logRequest(namespace, name, container, api.ContainerLogOpts{})
	if err != nil {
		return eci.ExecRequest{}, err
	}
	pod, err := p.Pods.Pods(namespace).Get(name)
	if err != nil {
		return eci.ExecRequest{}, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[pod.UID]
	if e == nil || e.groupID != found.GroupID {
		return eci.ExecRequest{}, errdefs.NotFoundf("pod %s/%s is not on this node", namespace, name)
	}
	if state := groupContainer(e.group, container); state == nil || state.Current.State != "Running" {
		return eci.ExecRequest{}, errdefs.InvalidInputf("container %q in pod %q is not running", container, name)
	}
	return eci.ExecRequest{GroupID: found.GroupID, Container: container}, nil
}

// forwardSizes translates sizes until the context ends.
func forwardSizes(ctx context.Context, sizes <-chan api.TermSize) <-chan eci.TerminalSize {
	out := make(chan eci.TerminalSize)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case size, ok := <-sizes:
				if !ok {
					return
				}
				select {
				case <-ctx.Done():
					return
				case out <- eci.TerminalSize{Width: size.Width, Height: size.Height}:
				}
			}
		}
	}()
	return out
}

// AttachToContainer carries what the container writes from now on, until it has ended.
func (p *Provider) AttachToContainer(ctx context.Context, namespace, name, container string, attach api.AttachIO) error {
	out := attach.Stdout()
	if out == nil {
		return errdefs.InvalidInput("attach without output: ECI can't write to the input of a running container")
	}
	if attach.Stdin() != nil {
		var notice io.Writer = out
		if errs := attach.Stderr(); errs != nil {
			notice = errs
		}
		if _, err := io.WriteString(notice, attachNotice); err != nil {
			return fmt.Errorf("writing to the client: %w", err)
		}
	}
	log, err := p.GetContainerLogs(withTailZero(ctx), namespace, name, container, api.ContainerLogOpts{Follow: true})
	if err != nil {
		return err
	}
	defer log.Close()
	defer context.AfterFunc(ctx, func() { log.Close() })()
	var to io.Writer = out
	if attach.TTY() {
		to = carriage{out}
	}
	if _, err := io.Copy(to, log); err != nil && ctx.Err() == nil {
		return fmt.Errorf("following the output: %w", err)
	}
	return nil
}

// carriage writes lines as a terminal in raw mode needs them.
type carriage struct{ out io.Writer }

func (c carriage) Write(b []byte) (int, error) {
	start := 0
	for i, char := range b {
		if char != '\n' {
			continue
		}
		if _, err := c.out.Write(b[start:i]); err != nil {
			return start, err
		}
		if _, err := io.WriteString(c.out, "\r\n"); err != nil {
			return i, err
		}
		start = i + 1
	}
	if _, err := c.out.Write(b[start:]); err != nil {
		return start, err
	}
	return len(b), nil
}

// PortForward refuses port-forward.
func (p *Provider) PortForward(context.Context, string, string, int32, io.ReadWriteCloser) error {
	return errPortForward
}
