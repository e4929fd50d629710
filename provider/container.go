package provider

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// container translates one container; field is its path in the pod, for refusals.
func (b *builder) container(c *corev1.Container, field string, init bool) (*eci.ContainerRequest, error) {
	env, lookup, err := b.environment(c, field)
	if err != nil {
		return nil, err
	}
	out := &eci.ContainerRequest{
		Name: c.Name, Image: c.Image, WorkingDir: c.WorkingDir,
		ImagePullPolicy: string(c.ImagePullPolicy), EnvironmentVar: env,
		TerminationMessagePath:   c.TerminationMessagePath,
		TerminationMessagePolicy: string(c.TerminationMessagePolicy),
	}
	for _, s := range c.Command {
		out.Command = append(out.Command, expand(s, lookup))
	}
	for _, s := range c.Args {
		out.Arg = append(out.Arg, expand(s, lookup))
	}
	// Only a limit caps a container inside its group; requests just add up to the size.
	if q, ok := c.Resources.Limits[corev1.ResourceCPU]; ok {
		out.Cpu = milli(q.AsApproximateFloat64())
	}
	if q, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
		out.Memory = milli(gib(q.AsApproximateFloat64()))
	}
	if q, ok := c.Resources.Limits[placement.GPU]; ok {
		out.Gpu = int32(q.Value())
	}
	for _, port := range c.Ports {
		out.Port = append(out.Port, eci.Port{Port: port.ContainerPort, Protocol: string(port.Protocol)})
	}
	if out.VolumeMount, err = b.mounts(c, field, lookup); err != nil {
		return nil, err
	}
	if !init {
		out.Stdin, out.StdinOnce, out.Tty = c.Stdin, c.StdinOnce, c.TTY
		if err := b.probes(c, field, out); err != nil {
			return nil, err
		}
		if err := lifecycle(c, field, out); err != nil {
			return nil, err
		}
	}
	b.securityContext(c, init, out)
	return out, nil
}

func (b *builder) mounts(c *corev1.Container, field string, lookup func(string) (string, bool)) ([]eci.VolumeMount, error) {
	var mounts []eci.VolumeMount
	for i, m := range c.VolumeMounts {
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expand(m.SubPathExpr, lookup)
			if strings.Contains(sub, "$(") {
				return nil, &Refusal{Field: fmt.Sprintf("%s.volumeMounts[%d].subPathExpr", field, i),
					Reason: "it names a variable whose value is unknown before the group exists", Remedy: "use variables other than the pod's address"}
			}
		}
		mount := eci.VolumeMount{Name: m.Name, MountPath: m.MountPath, SubPath: sub, ReadOnly: m.ReadOnly || b.readOnly[m.Name]}
		if m.MountPropagation != nil {
			mount.MountPropagation = string(*m.MountPropagation)
		}
		mounts = append(mounts, mount)
	}
	return mounts, nil
}

// probes translates readiness and liveness probes. ECI has no startup probe: its time is
// given to the liveness probe as a delay, and without a readiness probe it is the one that
// keeps traffic away, because a container without one is ready at once.
func (b *builder) probes(c *corev1.Container, field string, out *eci.ContainerRequest) error {
	var err error
	if out.ReadinessProbe, err = b.probe(c, c.ReadinessProbe, field+".readinessProbe"); err != nil {
		return err
	}
	if out.LivenessProbe, err = b.probe(c, c.LivenessProbe, field+".livenessProbe"); err != nil {
		return err
	}
	s := c.StartupProbe
	startup, err := b.probe(c, s, field+".startupProbe")
	if err != nil || s == nil {
		return err
	}
	if out.LivenessProbe != nil {
		tries := cmp.Or(s.FailureThreshold, defaultFailures)
		wait := int64(s.InitialDelaySeconds) + int64(cmp.Or(s.PeriodSeconds, defaultPeriod))*int64(tries)
		out.LivenessProbe.InitialDelaySeconds = new(int32(min(int64(*out.LivenessProbe.InitialDelaySeconds)+wait, math.MaxInt32)))
	}
	if out.ReadinessProbe == nil {
		startup.FailureThreshold = nil // of readiness: the start's patience is not the traffic's
		out.ReadinessProbe = startup
	}
	return nil
}

// Kubernetes' defaults of a probe.
const (
	defaultPeriod   int32 = 10 // seconds
	defaultFailures int32 = 3
)

func (b *builder) probe(c *corev1.Container, p *corev1.Probe, field string) (*eci.Probe, error) {
	if p == nil {
		return nil, nil
	}
	out := &eci.Probe{InitialDelaySeconds: new(p.InitialDelaySeconds), SuccessThreshold: new(int32(1)),
		PeriodSeconds: given(p.PeriodSeconds), TimeoutSeconds: given(p.TimeoutSeconds), FailureThreshold: given(p.FailureThreshold)}
	switch {
	case p.HTTPGet != nil:
		port, err := portNumber(c, p.HTTPGet.Port, field+".httpGet.port")
		if err != nil {
			return nil, err
		}
		out.HttpGet = &eci.HTTPGetProbe{Path: p.HTTPGet.Path, Port: port, Scheme: string(p.HTTPGet.Scheme)}
	case p.TCPSocket != nil:
		port, err := portNumber(c, p.TCPSocket.Port, field+".tcpSocket.port")
		if err != nil {
			return nil, err
		}
		out.TcpSocket = &eci.TCPSocketProbe{Port: port}
	case p.Exec != nil:
		out.Exec = &eci.ExecProbe{Command: p.Exec.Command}
	default:
		return nil, &Refusal{Field: field, Reason: "the probe says nothing that ECI can do", Remedy: "use httpGet, tcpSocket or exec"}
	}
	return out, nil
}

// given is a number that Kubernetes has no zero for: zero means that the default applies.
func given(n int32) *int32 {
	if n == 0 {
		return nil
	}
	return &n
}

// portNumber resolves a named port.
func portNumber(c *corev1.Container, port intstr.IntOrString, field string) (int32, error) {
	if port.Type == intstr.Int {
		return port.IntVal, nil
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return p.ContainerPort, nil
		}
	}
	return 0, &Refusal{Field: field, Reason: fmt.Sprintf("the container has no port named %q", port.StrVal), Remedy: "name one of its ports, or use a number"}
}

func lifecycle(c *corev1.Container, field string, out *eci.ContainerRequest) error {
	if c.Lifecycle == nil {
		return nil
	}
	if h := c.Lifecycle.PostStart; h != nil {
		path := field + ".lifecycle.postStart"
		switch {
		case h.Exec != nil:
			out.LifecyclePostStartHandlerExec = h.Exec.Command
		case h.HTTPGet != nil:
			port, err := portNumber(c, h.HTTPGet.Port, path+".httpGet.port")
			if err != nil {
				return err
			}
			out.LifecyclePostStartHandlerHttpGetHttpHeader = headers(h.HTTPGet)
			out.LifecyclePostStartHandlerHttpGetHost, out.LifecyclePostStartHandlerHttpGetPath = h.HTTPGet.Host, h.HTTPGet.Path
			out.LifecyclePostStartHandlerHttpGetPort, out.LifecyclePostStartHandlerHttpGetScheme = port, string(h.HTTPGet.Scheme)
		case h.TCPSocket != nil:
			port, err := portNumber(c, h.TCPSocket.Port, path+".tcpSocket.port")
			if err != nil {
				return err
			}
			out.LifecyclePostStartHandlerTcpSocketHost, out.LifecyclePostStartHandlerTcpSocketPort = h.TCPSocket.Host, port
		}
	}
	if h := c.Lifecycle.PreStop; h != nil {
		path := field + ".lifecycle.preStop"
		switch {
		case h.Exec != nil:
			out.LifecyclePreStopHandlerExec = h.Exec.Command
		case h.HTTPGet != nil:
			port, err := portNumber(c, h.HTTPGet.Port, path+".httpGet.port")
			if err != nil {
				return err
			}
			out.LifecyclePreStopHandlerHttpGetHttpHeader = headers(h.HTTPGet)
			out.LifecyclePreStopHandlerHttpGetHost, out.LifecyclePreStopHandlerHttpGetPath = h.HTTPGet.Host, h.HTTPGet.Path
			out.LifecyclePreStopHandlerHttpGetPort, out.LifecyclePreStopHandlerHttpGetScheme = port, string(h.HTTPGet.Scheme)
		case h.TCPSocket != nil:
			port, err := portNumber(c, h.TCPSocket.Port, path+".tcpSocket.port")
			if err != nil {
				return err
			}
			out.LifecyclePreStopHandlerTcpSocketHost, out.LifecyclePreStopHandlerTcpSocketPort = h.TCPSocket.Host, port
		case h.Sleep != nil && h.Sleep.Seconds > 0:
			out.LifecyclePreStopHandlerExec = []string{"sleep", strconv.FormatInt(h.Sleep.Seconds, 10)}
		}
	}
	return nil
}

func headers(get *corev1.HTTPGetAction) []eci.HTTPHeader {
	var out []eci.HTTPHeader
	for _, h := range get.HTTPHeaders {
		out = append(out, eci.HTTPHeader{Name: h.Name, Value: h.Value})
	}
	return out
}

// securityContext passes on what ECI has; the container's own values beat the pod's. The
// table of provider/placement warns of the rest.
func (b *builder) securityContext(c *corev1.Container, init bool, out *eci.ContainerRequest) {
	sc := cmp.Or(c.SecurityContext, &corev1.SecurityContext{})
	pod := cmp.Or(b.pod.Spec.SecurityContext, &corev1.PodSecurityContext{})
	context := &eci.SecurityContext{RunAsUser: cmp.Or(sc.RunAsUser, pod.RunAsUser), ReadOnlyRootFilesystem: sc.ReadOnlyRootFilesystem}
	if sc.Capabilities != nil && len(sc.Capabilities.Add) > 0 {
		context.Capability = &eci.Capability{}
		for _, name := range sc.Capabilities.Add {
			context.Capability.Add = append(context.Capability.Add, strings.TrimPrefix(strings.ToUpper(string(name)), "CAP_"))
		}
	}
	if *context != (eci.SecurityContext{}) {
		out.SecurityContext = context
	}
	if !init {
		out.SecurityContextRunAsGroup, out.SecurityContextRunAsNonRoot = cmp.Or(sc.RunAsGroup, pod.RunAsGroup), cmp.Or(sc.RunAsNonRoot, pod.RunAsNonRoot)
		if sc.Privileged != nil && *sc.Privileged {
			out.SecurityContextPrivileged = sc.Privileged // false is what ECI does anyway
		}
	}
}
