package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// GPU is the resource of NVIDIA's device plugin.
const GPU = corev1.ResourceName("nvidia.com/gpu")

// Limits of a container. CreateContainerGroup, Container.N.
const (
	maxImage   = 255 // characters
	maxCommand = 101 // words
)

// containerRows are the rows of spec.containers[] or spec.initContainers[].
func containerRows(prefix string, init bool) []row {
	const (
		isolated = "ECI has no parameter for it; every group is isolated in a virtual machine of its own"
		own      = "remove it, or " + keep
	)
	p := prefix + "."
	yes := when(func(b bool) bool { return b })
	words := when(func(list []string) bool { return len(list) > maxCommand })
	sc := p + "securityContext."
	privileged := runs(sc+"privileged", "SecurityContextPrivileged")
	if init {
		privileged = privileged.except("true of an init container", func(a at) (string, string, bool) {
			return "", "", a.init && a.value == true
		}, Refuses, "ECI has no parameter for a privileged init container", own)
	}
	rows := []row{
		runs(p+"name", "Name"),
		runs(p+"image", "Image").except("over 255 characters", when(func(s string) bool { return len(s) > maxImage }), Refuses,
			"ECI takes image names of 255 characters", "use a shorter name"),
		runs(p+"command", "Command").except("over 101 words", words, Refuses, "ECI takes 101 words", "put the command into a script"),
		runs(p+"args", "Arg").except("over 101 words", words, Refuses, "ECI takes 101 words", "put the command into a script"),
		runs(p+"workingDir", "WorkingDir"),
		runs(p+"ports[].name", "probes and hooks may name it"), runs(p+"ports[].containerPort", "Port.Port").
			except("111, 998, 10250, 10255", when(func(n int32) bool { return slices.Contains([]int32{111, 998, 10250, 10255}, n) }), Refuses,
				"ECI itself uses port %s in every group", "let the container listen on another port"),
		refuses(p+"ports[].hostPort", "a container group is not behind a host's ports", "remove it: the pod's own address serves containerPort"),
		warns(p+"ports[].hostIP", "HostIPIgnored", "a container group has no host address"),
		runs(p+"ports[].protocol", "Port.Protocol").except("SCTP", when(func(s corev1.Protocol) bool { return s == corev1.ProtocolSCTP }), Refuses,
			"ECI knows TCP and UDP only", keep),

		runs(p+"envFrom[].prefix", "before each name"),
		runs(p+"envFrom[].configMapRef.name", "EnvironmentVar"), runs(p+"envFrom[].configMapRef.optional", "a missing one gives no variables"),
		runs(p+"envFrom[].secretRef.name", "EnvironmentVar"), runs(p+"envFrom[].secretRef.optional", "a missing one gives no variables"),
		runs(p+"env[].name", "EnvironmentVar.Key, 128 letters, digits and _"), runs(p+"env[].value", "EnvironmentVar.Value, 256 characters, with $(NAME) expanded"),
		runs(p+"env[].valueFrom.fieldRef.apiVersion", "v1"), runs(p+"env[].valueFrom.fieldRef.fieldPath", "the value; podIP and hostIP are filled in by ECI, and are the same"),
		runs(p+"env[].valueFrom.resourceFieldRef.containerName", "whose resources"),
		runs(p+"env[].valueFrom.resourceFieldRef.resource", "the value; without a limit, what the container can use of its group"),
		runs(p+"env[].valueFrom.resourceFieldRef.divisor", "the unit"),
		runs(p+"env[].valueFrom.configMapKeyRef.name", "the value"), runs(p+"env[].valueFrom.configMapKeyRef.key", "the value"), runs(p+"env[].valueFrom.configMapKeyRef.optional", "a missing one is left out"),
		runs(p+"env[].valueFrom.secretKeyRef.name", "the value"), runs(p+"env[].valueFrom.secretKeyRef.key", "the value"), runs(p+"env[].valueFrom.secretKeyRef.optional", "a missing one is left out"),
		refuses(p+"env[].valueFrom.fileKeyRef/**", "ECI reads no variables from files that a container writes", "read the file in the container"),

		runs(p+"resources.limits", "Cpu, Memory and Gpu, and the group's size").except("another resource", foreignResource, Refuses,
			"no container group has %s", "keep the pod on nodes that have it").except("nvidia.com/gpu without an instance type", unsizedGPU, Refuses,
			"a group gets GPUs by its instance type", "name one in the annotation "+annotationUseSpecs),
		runs(p+"resources.requests", "the group's size where there is no limit").except("another resource", foreignResource, Refuses,
			"no container group has %s", "keep the pod on nodes that have it").except("nvidia.com/gpu without an instance type", unsizedGPU, Refuses,
			"a group gets GPUs by its instance type", "name one in the annotation "+annotationUseSpecs),
		refuses(p+"resources.claims/**", "dynamically allocated devices do not exist on a virtual node", keep),
		runs(p+"resizePolicy/**", "a group keeps its size; the API server defaults this field"),
		refuses(p+"restartPolicyRules/**", "ECI has one restart policy for a group", own),

		runs(p+"volumeMounts[].name", "VolumeMount.Name"), runs(p+"volumeMounts[].mountPath", "VolumeMount.MountPath"), runs(p+"volumeMounts[].readOnly", "VolumeMount.ReadOnly"),
		runs(p+"volumeMounts[].subPath", "VolumeMount.SubPath"), runs(p+"volumeMounts[].subPathExpr", "VolumeMount.SubPath, with $(NAME) expanded"),
		runs(p+"volumeMounts[].mountPropagation", "VolumeMount.MountPropagation"),
		runs(p+"volumeMounts[].recursiveReadOnly", "ECI's volumes hold no other mounts"),
		warns(p+"volumeMounts[].bindMountOptions", "SecurityContextIgnored", isolated),
		refuses(p+"volumeDevices/**", "raw block devices can't be attached to a group", "mount a file system instead"),

		runs(p+"terminationMessagePath", "TerminationMessagePath"), runs(p+"terminationMessagePolicy", "TerminationMessagePolicy"),
		runs(p+"imagePullPolicy", "ImagePullPolicy"),

		runs(sc+"capabilities.add", "SecurityContext.Capability.Add").except("not among "+strings.Join(capabilities(), ", "), forbiddenCapability, Refuses,
			"ECI does not grant the capability %s", own),
		warns(sc+"capabilities.drop", "SecurityContextIgnored", isolated),
		privileged.except("true", yes, Warns, "PrivilegedInBeta",
			"privileged containers are a beta of ECI: an account that is not in it gets a refusal, or a container without the privileges"),
		runs(sc+"runAsUser", "SecurityContext.RunAsUser"), runs(sc+"readOnlyRootFilesystem", "SecurityContext.ReadOnlyRootFilesystem"),
		runs(sc+"allowPrivilegeEscalation", "true, as without it").except("false", when(func(b bool) bool { return !b }), Warns, "SecurityContextIgnored", isolated),
		runs(sc+"procMount", "Default").except("Unmasked", when(func(t corev1.ProcMountType) bool { return t == corev1.UnmaskedProcMount }), Refuses,
			"ECI masks /proc in every container", own),
		warns(sc+"seccompProfile/**", "SecurityContextIgnored", isolated),
		warns(sc+"appArmorProfile/**", "SecurityContextIgnored", isolated),
		warns(sc+"seLinuxOptions/**", "SecurityContextIgnored", isolated),
		runs(sc+"windowsOptions/**", "for Windows containers only"),
	}
	// Terminals, groups, probes and hooks: CreateContainerGroup has them for containers, and
	// so for sidecars, which become containers.
	onInit := func(a at) (string, string, bool) { return "", "", a.init }
	groupOfInit, terminal := runs(sc+"runAsGroup", "SecurityContextRunAsGroup"), func(path, to string) row {
		r := runs(path, to)
		if init {
			r = r.except("of an init container", onInit, Warns, "TerminalIgnored", "ECI gives init containers neither stdin nor a terminal")
		}
		return r
	}
	nonRoot := runs(sc+"runAsNonRoot", "SecurityContextRunAsNonRoot")
	policy := runs(p+"restartPolicy", "the group's, where it is the same").except("not the pod's", func(a at) (string, string, bool) {
		own := a.value.(corev1.ContainerRestartPolicy)
		return "", string(own), string(own) != string(a.pod.Spec.RestartPolicy)
	}, Refuses, "ECI has one restart policy for a group, and this container's is %s", own)
	if init {
		groupOfInit = groupOfInit.except("of an init container", onInit, Warns, "SecurityContextIgnored", "ECI has no parameter for it in init containers; they run with the image's")
		nonRoot = nonRoot.except("of an init container", onInit, Warns, "SecurityContextIgnored", "ECI has no parameter for it in init containers; they run with the image's")
		policy = runs(p+"restartPolicy", "").except("Always (a sidecar)", when(func(own corev1.ContainerRestartPolicy) bool { return own == corev1.ContainerRestartPolicyAlways }), Warns,
			"SidecarTranslated", "it becomes a container that starts before the others, ends after them and does not keep a Job from ending; it is restarted as the pod's restartPolicy says").
			except("another", nil, Refuses, "ECI restarts init containers as the pod's restartPolicy says", own)
	}
	rows = append(rows, groupOfInit, nonRoot, policy, terminal(p+"stdin", "Stdin"), terminal(p+"stdinOnce", "StdinOnce"), terminal(p+"tty", "Tty"))
	for _, kind := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		rows = append(rows, probeRows(p+kind+".", kind)...)
	}
	for _, hook := range []string{"postStart", "preStop"} {
		rows = append(rows, hookRows(p+"lifecycle."+hook+".", hook)...)
	}
	return append(rows, runs(p+"lifecycle.stopSignal", "SIGTERM").except("another", when(func(s corev1.Signal) bool { return s != corev1.SIGTERM }), Refuses,
		"ECI has no parameter for the signal %s", "set STOPSIGNAL in the image"))
}

// probeRows are a probe's. ECI has no startup probes: a liveness probe waits for as long as
// the startup probe would, and where there is no readiness probe the startup probe is it,
// because otherwise traffic would arrive before the start is over.
func probeRows(p, kind string) []row {
	ownAddress := "ECI probes the group's own address only"
	http2 := when(func(s corev1.HTTPProtocol) bool { return s == corev1.HTTPProtocolHTTP2 })
	rows := []row{
		runs(p+"exec.command", "Exec.Command"),
		runs(p+"httpGet.path", "HttpGet.Path"), runs(p+"httpGet.port", "HttpGet.Port"), runs(p+"httpGet.scheme", "HttpGet.Scheme"),
		runs(p+"httpGet.protocol", "HTTP/1.1").except("another", http2, Refuses, "ECI probes with HTTP/1.1", "remove it, or use an exec probe"),
		refuses(p+"httpGet.host", ownAddress, "remove it"),
		refuses(p+"httpGet.httpHeaders/**", "ECI's probes send no headers of yours", "remove them, or use an exec probe"),
		runs(p+"tcpSocket.port", "TcpSocket.Port"), refuses(p+"tcpSocket.host", ownAddress, "remove it"),
		refuses(p+"grpc/**", "ECI has no gRPC probes", "use httpGet, tcpSocket or exec"),
		runs(p+"initialDelaySeconds", "InitialDelaySeconds"), runs(p+"timeoutSeconds", "TimeoutSeconds"),
		runs(p+"periodSeconds", "PeriodSeconds"), runs(p+"failureThreshold", "FailureThreshold"),
		runs(p+"successThreshold", "1").except("more", when(func(n int32) bool { return n > 1 }), Warns, "ProbeAdjusted", "ECI takes a success threshold of 1 only; one success is enough"),
		warns(p+"terminationGracePeriodSeconds", "ProbeAdjusted", "ECI has no grace period of a probe; the pod's own applies"),
	}
	if kind == "startupProbe" {
		at := strings.TrimSuffix(p, ".")
		rows = append(rows, warns(at, "StartupProbeTranslated",
			"ECI has no startup probes: a liveness probe starts when the startup probe would have given up, the readiness probe (or else this one in its place) keeps traffic away until then, and a start that hangs is not restarted before"))
	}
	return rows
}

func hookRows(p, hook string) []row {
	wire := "Lifecycle" + strings.ToUpper(hook[:1]) + hook[1:] + "Handler"
	rows := []row{
		runs(p+"exec.command", wire+"Exec"),
		runs(p+"httpGet.path", wire+"HttpGetPath"), runs(p+"httpGet.port", wire+"HttpGetPort"), runs(p+"httpGet.host", wire+"HttpGetHost"),
		runs(p+"httpGet.scheme", wire+"HttpGetScheme"), runs(p+"httpGet.httpHeaders[].name", wire+"HttpGetHttpHeader"), runs(p+"httpGet.httpHeaders[].value", wire+"HttpGetHttpHeader"),
		runs(p+"httpGet.protocol", "HTTP/1.1").except("another", when(func(s corev1.HTTPProtocol) bool { return s == corev1.HTTPProtocolHTTP2 }), Refuses,
			"ECI's hooks use HTTP/1.1", "remove it, or use exec"),
		runs(p+"tcpSocket.port", wire+"TcpSocketPort"), runs(p+"tcpSocket.host", wire+"TcpSocketHost"),
	}
	if hook == "preStop" {
		return append(rows, warns(p+"sleep.seconds", "SleepTranslated", "ECI has no sleep action; it becomes the command sleep, which the image must have (without it the container is stopped at once)"))
	}
	return append(rows, refuses(p+"sleep.seconds", "ECI has no sleep action, and the command sleep in its place would kill the container of an image without it",
		"use exec with the command sleep"))
}

// capabilities are what ECI grants.
// https://help.aliyun.com/zh/eci/user-guide/configure-a-security-context-for-an-elastic-container-instance-or-a-container
func capabilities() []string {
	return []string{"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
		"SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "SYS_PTRACE", "SYS_RAWIO"}
}

func forbiddenCapability(a at) (string, string, bool) {
	for i, c := range a.value.([]corev1.Capability) {
		if !slices.Contains(capabilities(), strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_")) {
			return fmt.Sprintf("[%d]", i), string(c), true
		}
	}
	return "", "", false
}

// foreignResource finds a resource that no group has. One of which nothing is asked for
// does no harm.
func foreignResource(a at) (string, string, bool) {
	list := a.value.(corev1.ResourceList)
	for _, name := range slices.Sorted(maps.Keys(list)) {
		q := list[name]
		switch name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, GPU:
		default:
			if !q.IsZero() {
				return "[" + string(name) + "]", string(name), true
			}
		}
	}
	return "", "", false
}

func unsizedGPU(a at) (string, string, bool) {
	q, ok := a.value.(corev1.ResourceList)[GPU]
	return "[" + string(GPU) + "]", "", ok && !q.IsZero() && !HasInstanceType(a.pod)
}
