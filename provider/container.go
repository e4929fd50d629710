package provider

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ecideck/ecideck/provider/eci"
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
	if q, ok := c.Resources.Limits[gpuResource]; ok {
		out.Gpu = int32(q.Value())
	}
	for i, port := range c.Ports {
		if port.HostPort != 0 {
			return nil, &Refusal{fmt.Sprintf("%s.ports[%d].hostPort", field, i), "a container group is not behind a host's ports",
				"remove it: the pod's own address serves containerPort"}
		}
		if port.Protocol == corev1.ProtocolSCTP {
			return nil, &Refusal{fmt.Sprintf("%s.ports[%d].protocol", field, i), "ECI knows TCP and UDP only", "keep the pod on real nodes"}
		}
		out.Port = append(out.Port, eci.Port{Port: port.ContainerPort, Protocol: string(port.Protocol)})
	}
	if out.VolumeMount, err = b.mounts(c, field, lookup); err != nil {
		return nil, err
	}
	if init {
		if c.Stdin || c.TTY {
			b.note("TerminalIgnored", "%s: ECI gives init containers neither stdin nor a terminal", field)
		}
	} else {
		out.Stdin, out.StdinOnce, out.Tty = c.Stdin, c.StdinOnce, c.TTY
		if err := b.probes(c, field, out); err != nil {
			return nil, err
		}
		if err := lifecycle(c, field, out); err != nil {
			return nil, err
		}
	}
	return out, b.securityContext(c, field, init, out)
}

func (b *builder) mounts(c *corev1.Container, field string, lookup func(string) (string, bool)) ([]eci.VolumeMount, error) {
	var mounts []eci.VolumeMount
	if len(c.VolumeDevices) > 0 {
		return nil, &Refusal{field + ".volumeDevices", "raw block devices can't be attached to a group", "mount a file system instead"}
	}
	for i, m := range c.VolumeMounts {
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expand(m.SubPathExpr, lookup)
			if strings.Contains(sub, "$(") {
				return nil, &Refusal{fmt.Sprintf("%s.volumeMounts[%d].subPathExpr", field, i),
					"it names a variable whose value is unknown before the group exists", "use variables other than the pod's address"}
			}
		}
		mount := eci.VolumeMount{Name: m.Name, MountPath: m.MountPath, SubPath: sub, ReadOnly: m.ReadOnly}
		if m.MountPropagation != nil {
			mount.MountPropagation = string(*m.MountPropagation)
		}
		mounts = append(mounts, mount)
	}
	return mounts, nil
}

// probes translates readiness and liveness probes. ECI has no startup probe: its time is
// given to the liveness probe as a delay, which is what it protects.
func (b *builder) probes(c *corev1.Container, field string, out *eci.ContainerRequest) error {
	var err error
	if out.ReadinessProbe, err = b.probe(c, c.ReadinessProbe, field+".readinessProbe"); err != nil {
		return err
	}
	if out.LivenessProbe, err = b.probe(c, c.LivenessProbe, field+".livenessProbe"); err != nil {
		return err
	}
	if s := c.StartupProbe; s != nil {
		wait := s.InitialDelaySeconds + max(s.PeriodSeconds, 1)*max(s.FailureThreshold, 1)
		if out.LivenessProbe != nil {
			delay := *out.LivenessProbe.InitialDelaySeconds + wait
			out.LivenessProbe.InitialDelaySeconds = &delay
		}
		b.note("StartupProbeTranslated", "%s.startupProbe: ECI has no startup probes; a liveness probe starts %d s later instead", field, wait)
	}
	return nil
}

func (b *builder) probe(c *corev1.Container, p *corev1.Probe, field string) (*eci.Probe, error) {
	if p == nil {
		return nil, nil
	}
	out := &eci.Probe{InitialDelaySeconds: new(p.InitialDelaySeconds), SuccessThreshold: new(int32(1)),
		PeriodSeconds: given(p.PeriodSeconds), TimeoutSeconds: given(p.TimeoutSeconds), FailureThreshold: given(p.FailureThreshold)}
	if p.SuccessThreshold > 1 {
		b.note("ProbeAdjusted", "%s.successThreshold: ECI takes 1 only", field)
	}
	switch {
	case p.HTTPGet != nil:
		if p.HTTPGet.Host != "" {
			return nil, &Refusal{field + ".httpGet.host", "ECI probes the group's own address only", "remove it"}
		}
		if len(p.HTTPGet.HTTPHeaders) > 0 {
			return nil, &Refusal{field + ".httpGet.httpHeaders", "ECI's probes send no headers of yours", "remove them, or use an exec probe"}
		}
		port, err := portNumber(c, p.HTTPGet.Port, field+".httpGet.port")
		if err != nil {
			return nil, err
		}
		out.HttpGet = &eci.HTTPGetProbe{Path: p.HTTPGet.Path, Port: port, Scheme: string(p.HTTPGet.Scheme)}
	case p.TCPSocket != nil:
		if p.TCPSocket.Host != "" {
			return nil, &Refusal{field + ".tcpSocket.host", "ECI probes the group's own address only", "remove it"}
		}
		port, err := portNumber(c, p.TCPSocket.Port, field+".tcpSocket.port")
		if err != nil {
			return nil, err
		}
		out.TcpSocket = &eci.TCPSocketProbe{Port: port}
	case p.Exec != nil:
		out.Exec = &eci.ExecProbe{Command: p.Exec.Command}
	default:
		return nil, &Refusal{field + ".grpc", "ECI has no gRPC probes", "use httpGet, tcpSocket or exec"}
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
	return 0, &Refusal{field, fmt.Sprintf("the container has no port named %q", port.StrVal), "name one of its ports, or use a number"}
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
		default:
			return sleepRefusal(path)
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
		default:
			return sleepRefusal(path)
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

func sleepRefusal(path string) error {
	return &Refusal{path + ".sleep", "ECI has no sleep action", "use exec with the command sleep"}
}

// securityContext passes on what ECI has and notes what only hardens: ECI isolates every
// group in a virtual machine, and refusing would keep out every pod of a restricted namespace.
func (b *builder) securityContext(c *corev1.Container, field string, init bool, out *eci.ContainerRequest) error {
	sc := c.SecurityContext
	if sc == nil {
		sc = &corev1.SecurityContext{}
	}
	pod := b.pod.Spec.SecurityContext
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	if sc.Privileged != nil && *sc.Privileged {
		return &Refusal{field + ".securityContext.privileged", "containers of a group are not privileged", "remove it, or keep the pod on real nodes"}
	}
	user, group, nonRoot := sc.RunAsUser, sc.RunAsGroup, sc.RunAsNonRoot
	if user == nil {
		user = pod.RunAsUser
	}
	if group == nil {
		group = pod.RunAsGroup
	}
	if nonRoot == nil {
		nonRoot = pod.RunAsNonRoot
	}
	context := &eci.SecurityContext{RunAsUser: user, ReadOnlyRootFilesystem: sc.ReadOnlyRootFilesystem}
	if sc.Capabilities != nil && len(sc.Capabilities.Add) > 0 {
		context.Capability = &eci.Capability{}
		for _, name := range sc.Capabilities.Add {
			context.Capability.Add = append(context.Capability.Add, string(name))
		}
	}
	if *context != (eci.SecurityContext{}) {
		out.SecurityContext = context
	}
	var ignored []string
	if init {
		if group != nil {
			ignored = append(ignored, "runAsGroup")
		}
		if nonRoot != nil && *nonRoot {
			ignored = append(ignored, "runAsNonRoot")
		}
	} else {
		out.SecurityContextRunAsGroup, out.SecurityContextRunAsNonRoot = group, nonRoot
	}
	if sc.Capabilities != nil && len(sc.Capabilities.Drop) > 0 {
		ignored = append(ignored, "capabilities.drop")
	}
	if sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation {
		ignored = append(ignored, "allowPrivilegeEscalation")
	}
	ignored = append(ignored, profiles(sc.SeccompProfile, sc.AppArmorProfile, sc.SELinuxOptions)...)
	if sc.ProcMount != nil && *sc.ProcMount != corev1.DefaultProcMount {
		ignored = append(ignored, "procMount")
	}
	if len(ignored) > 0 {
		b.note("SecurityContextIgnored", "%s.securityContext: ECI has no parameter for %s; the group is isolated in a virtual machine of its own",
			field, strings.Join(ignored, ", "))
	}
	return nil
}
