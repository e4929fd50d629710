package placement

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/node/util/sysctl"
)

func podRows() []row {
	const (
		s         = "spec."
		scheduler = "the scheduler acts on it"
		ownHost   = "a container group has a network and a host of its own"
		isolated  = "ECI has no parameter for it; every group is isolated in a virtual machine of its own"
		own       = "remove it, or " + keep
	)
	yes := when(func(b bool) bool { return b })
	sc := s + "securityContext."
	return []row{
		runs(s+"restartPolicy", "RestartPolicy"),
		runs(s+"terminationGracePeriodSeconds", "TerminationGracePeriodSeconds"),
		runs(s+"activeDeadlineSeconds", "ActiveDeadlineSeconds"),
		runs(s+"dnsPolicy", "None with the cluster's servers and searches (ClusterFirst), else the VPC's"),
		runs(s+"dnsConfig.nameservers", "DnsConfig.NameServer"), runs(s+"dnsConfig.searches", "DnsConfig.Search"),
		runs(s+"dnsConfig.options[].name", "DnsConfig.Option"), runs(s+"dnsConfig.options[].value", "DnsConfig.Option"),
		runs(s+"hostAliases[].ip", "HostAliase"), runs(s+"hostAliases[].hostnames", "HostAliase"),
		runs(s+"hostname", "HostName"),
		runs(s+"hostnameOverride", "HostName"),
		runs(s+"subdomain", "the headless Service publishes the name").except("without setHostnameAsFQDN", func(a at) (string, string, bool) {
			return "", "", a.pod.Spec.SetHostnameAsFQDN == nil || !*a.pod.Spec.SetHostnameAsFQDN
		}, Warns, "SubdomainOutsideOnly", "DNS serves the full name, and inside the group `hostname -f` answers the short one"),
		runs(s+"setHostnameAsFQDN", "HostName is the full name").except("a name over 64 characters", func(a at) (string, string, bool) {
			return "", "", a.value.(bool) && len(Hostname(a.pod, "")) > maxKernelHostname
		}, Refuses, "the full name has more than 64 characters, Linux's limit", "shorten the pod's name or its subdomain"),
		runs(s+"shareProcessNamespace", "ShareProcessNamespace"),
		runs(s+"imagePullSecrets[].name", "ImageRegistryCredential"),
		runs(s+"serviceAccountName", "whose token is asked for"), runs(s+"serviceAccount", "the same, by its old name"),
		runs(s+"automountServiceAccountToken", "Kubernetes adds the token's volume or leaves it out"),
		runs(s+"enableServiceLinks", "the Services' variables"),
		runs(s+"readinessGates[].conditionType", "kept: the pod is Ready when they are met"),
		runs(s+"resources.limits", "the group's size"), runs(s+"resources.requests", "the group's size without limits"),
		refuses(s+"resources.claims/**", "dynamically allocated devices do not exist on a virtual node", keep),
		refuses(s+"resourceClaims/**", "dynamically allocated devices do not exist on a virtual node", keep),

		runs(s+"nodeSelector", scheduler+"; kubernetes.io/arch: arm64 makes CpuArchitecture ARM64"),
		runs(s+"affinity/**", scheduler), runs(s+"schedulerName", scheduler), runs(s+"tolerations/**", scheduler),
		runs(s+"topologySpreadConstraints/**", scheduler), runs(s+"schedulingGates/**", scheduler), runs(s+"schedulingGroup/**", scheduler),
		runs(s+"priorityClassName", scheduler), runs(s+"priority", scheduler), runs(s+"preemptionPolicy", scheduler), runs(s+"nodeName", scheduler),
		runs(s+"overhead", scheduler+"; ECI's own overhead is not billed"),
		runs(s+"evictionResponders/**", "the eviction API acts on it"),
		warns(s+"runtimeClassName", "RuntimeClassIgnored", "it does not apply; every group runs in a virtual machine of its own"),
		runs(s+"os.name", "linux").except("windows", when(func(os corev1.OSName) bool { return os != corev1.Linux }), Refuses,
			"this virtual node runs Linux groups", "keep the pod on Windows nodes"),
		runs(s+"hostUsers", "true, as without it").except("false", when(func(b bool) bool { return !b }), Warns, "SecurityContextIgnored", isolated),
		runs(s+"hostNetwork", "false").except("true", yes, Refuses, ownHost, own),
		runs(s+"hostPID", "false").except("true", yes, Refuses, ownHost, own),
		runs(s+"hostIPC", "false").except("true", yes, Refuses, ownHost, own),
		warns(s+"ephemeralContainers/**", "EphemeralContainerIgnored", "ECI can't add a container to a running group; use kubectl exec"),

		runs(sc+"runAsUser", "SecurityContext.RunAsUser of each container"), runs(sc+"runAsGroup", "SecurityContextRunAsGroup of each container but init containers"),
		runs(sc+"runAsNonRoot", "SecurityContextRunAsNonRoot of each container but init containers"),
		runs(sc+"sysctls[].name", "SecurityContext.Sysctl, or HostSecurityContext.Sysctl where ECI calls it unsafe").
			except("outside of kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, net.*, vm.min_free_kbytes; net.ipv4.tcp_syncookies",
				when(func(name string) bool { return !settable(name) }), Refuses, "ECI does not let a pod set %s",
				"remove it, or have it allowed by ticket and use the annotation "+annotationHostSysctls),
		runs(sc+"sysctls[].value", "the value"),
		warns(sc+"fsGroup", "FSGroupIgnored", "ECI has no parameter for it; config files are readable for everyone in the group instead, and files of a persistent volume keep their owner"),
		runs(sc+"fsGroupChangePolicy", "goes with fsGroup"),
		warns(sc+"supplementalGroups", "SupplementalGroupsIgnored", "ECI has no parameter for it; files that only these groups may use can't be used"),
		runs(sc+"supplementalGroupsPolicy", "Merge").except("Strict", when(func(p corev1.SupplementalGroupsPolicy) bool { return p == corev1.SupplementalGroupsPolicyStrict }),
			Warns, "SecurityContextIgnored", isolated),
		warns(sc+"seccompProfile/**", "SecurityContextIgnored", isolated),
		warns(sc+"appArmorProfile/**", "SecurityContextIgnored", isolated),
		warns(sc+"seLinuxOptions/**", "SecurityContextIgnored", isolated),
		runs(sc+"seLinuxChangePolicy", "goes with seLinuxOptions"),
		runs(sc+"windowsOptions/**", "for Windows containers only"),
	}
}

// maxKernelHostname is the longest name that Linux takes.
const maxKernelHostname = 64

// maxShortHostname is where the kubelet cuts a pod's name.
const maxShortHostname = 63

// Hostname is the name that the kubelet would give the pod's containers. domain is the
// cluster's; "" is cluster.local.
// https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
func Hostname(pod *corev1.Pod, domain string) string {
	spec := &pod.Spec
	if spec.HostnameOverride != nil && *spec.HostnameOverride != "" {
		return *spec.HostnameOverride
	}
	name := spec.Hostname
	if name == "" {
		name = strings.Trim(pod.Name[:min(len(pod.Name), maxShortHostname)], "-.")
	}
	if spec.SetHostnameAsFQDN == nil || !*spec.SetHostnameAsFQDN || spec.Subdomain == "" {
		return name
	}
	if domain == "" {
		domain = "cluster.local"
	}
	return name + "." + spec.Subdomain + "." + pod.Namespace + ".svc." + domain
}

// settable tells that a pod may set a kernel parameter on ECI.
// https://help.aliyun.com/zh/eci/user-guide/configure-a-security-context-for-a-pod-or-container
func settable(name string) bool {
	name = sysctl.NormalizeName(name)
	if name == "net.ipv4.tcp_syncookies" {
		return false
	}
	for _, prefix := range []string{"kernel.shm", "kernel.msg", "fs.mqueue.", "net."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "kernel.sem" || name == "vm.min_free_kbytes"
}

// IsSafeSysctl tells that a parameter goes into SecurityContext.Sysctl; what ECI lets a pod
// set besides goes into HostSecurityContext.Sysctl.
// https://help.aliyun.com/zh/eci/user-guide/configure-a-security-context-for-an-elastic-container-instance-or-a-container
func IsSafeSysctl(name string) bool {
	switch sysctl.NormalizeName(name) {
	case "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start":
		return true
	}
	return false
}
