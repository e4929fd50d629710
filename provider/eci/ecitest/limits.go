package ecitest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// longest is the vendor's maxItems of a list, named with N for every position and without the
// container that it is of; 0: none is documented. Containers, volumes and tags are counted
// where they are read.
func longest(list string) int {
	switch list {
	case "Command", "Arg":
		return 101
	case "EnvironmentVar":
		return 241
	case "ImageRegistryCredential":
		return 11
	case "DnsConfig.NameServer", "DnsConfig.Search", "DnsConfig.Option", "Taint":
		return 20
	case "Volume.N.ConfigFileVolume.ConfigFileToPath":
		return 90
	}
	return 0
}

// choices are the values that a parameter, named likewise, can have; nil: any.
func choices(name string) []string {
	switch name {
	case "ImagePullPolicy":
		return []string{"Always", "IfNotPresent", "Never"}
	case "Port.N.Protocol":
		return []string{"TCP", "UDP"}
	case "VolumeMount.N.MountPropagation":
		return []string{"None", "HostToContainer", "Bidirectional"}
	case "LivenessProbe.HttpGet.Scheme", "ReadinessProbe.HttpGet.Scheme":
		return []string{"HTTP", "HTTPS"}
	case "TerminationMessagePolicy":
		return []string{"File", "FallbackToLogsOnError"}
	case "Volume.N.EmptyDirVolume.Medium":
		return []string{"Memory", "LocalRaid0"}
	case "CpuArchitecture":
		return []string{"AMD64", "ARM64"}
	case "OsType":
		return []string{"Linux", "Windows"}
	case "EipISP":
		return []string{"BGP", "BGP_PRO"}
	case "ImageAccelerateMode":
		return []string{"nydus", "dadi", "p2p", "imc"}
	case "ComputeCategory.N":
		return []string{"economy", "general"}
	case "EventSource":
		return []string{"EciService", "K8sAgent"}
	case "SecurityContext.Capability.Add.N":
		return []string{"CHOWN", "KILL", "SYS_CHROOT", "MKNOD", "NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "SETGID", "SETUID", "SETPCAP", "SETFCAP",
			"DAC_OVERRIDE", "FOWNER", "FSETID", "AUDIT_WRITE", "SYS_PTRACE", "SYS_RAWIO"}
	}
	return nil
}

// checkLimits refuses values and positions that are not documented. The parameter is known to
// be in the schema.
func checkLimits(name, value string) *refusal {
	parts := strings.Split(name, ".")
	begin := 0
	if len(parts) > 2 && (parts[0] == "Container" || parts[0] == "InitContainer") {
		begin = 2
	}
	for i := begin; i < len(parts); i++ {
		position, err := strconv.Atoi(parts[i])
		if err != nil {
			continue
		}
		if most := longest(strings.Join(parts[begin:i], ".")); most > 0 && position > most {
			return badRequest("InvalidParameter.ValueExceeded", fmt.Sprintf("The parameter %s has more than %d elements.", strings.Join(parts[:i], "."), most))
		}
		parts[i] = "N"
	}
	allowed := choices(strings.Join(parts[begin:], "."))
	if allowed == nil || value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return badRequest("InvalidParameter", "The parameter "+name+" must be one of "+strings.Join(allowed, ", ")+".")
}
