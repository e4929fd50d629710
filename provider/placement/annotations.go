package placement

import (
	"encoding/json"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ecideck/ecideck/provider/eci"
)

// annotations is the table. Names and meanings are ACK's, so that a manifest moves between
// ACK's virtual nodes and this one unchanged.
var annotations = sync.OnceValue(func() []annotation {
	e, k := prefixECI, prefix
	rows := []annotation{
		// Where.
		{key: e + "vswitch", takes: "up to ten vSwitch ids with commas", does: "VSwitchId", apply: list(10, "vsw-", func(s *Settings, ids string) { s.Request.VSwitchId = ids })},
		{key: e + "schedule-strategy", takes: "VSwitchOrdered or VSwitchRandom", does: "ScheduleStrategy",
			apply: one(func(s *Settings, v string) { s.Request.ScheduleStrategy = v }, "VSwitchOrdered", "VSwitchRandom")},
		{key: e + "security-group", takes: "up to five security group ids with commas", does: "SecurityGroupId", apply: list(5, "sg-", func(s *Settings, ids string) { s.Request.SecurityGroupId = ids })},
		{key: e + "private-ip-address", takes: "an IPv4 address of the vSwitch", does: "PrivateIpAddress", apply: func(s *Settings, v string) bool {
			a, err := netip.ParseAddr(v)
			s.Request.PrivateIpAddress = v
			return err == nil && a.Is4()
		}},
		{key: e + "fixed-ip", takes: "true or false", does: "FixedIp", apply: truth(func(s *Settings, on bool) {
			if on {
				s.Request.FixedIp = "true"
			}
		})},
		{key: e + "fixed-ip-retain-hour", takes: "a number of hours", does: "FixedIpRetainHour", apply: number(1, math.MaxInt32, func(s *Settings, n int32) { s.Request.FixedIpRetainHour = n })},

		// What size, and how it is paid for.
		{key: annotationUseSpecs, older: []string{annotationInstanceType}, takes: "up to five of 2-4Gi or ecs.c6.xlarge with commas",
			does: "InstanceType; it beats requests and limits", apply: specs},
		{key: e + "instance-family", does: "this virtual node does not choose machine types by family", refuse: anything, remedy: "name the types in " + annotationUseSpecs},
		{key: e + "instance-generation", does: "this virtual node does not choose machine types by generation", refuse: anything, remedy: "name the types in " + annotationUseSpecs},
		{key: e + "compute-category", takes: "economy, general or both with a comma", does: "ComputeCategory", apply: categories},
		{key: e + "gpu-driver-version", takes: "tesla=525.85.12", does: "GpuDriverVersion", apply: pattern(`^[a-z]+=[0-9.]+$`, func(s *Settings, v string) { s.Request.GpuDriverVersion = v })},
		{key: e + "cpu-option-core", takes: "a number of cores", does: "CpuOptionsCore", apply: number(1, math.MaxInt32, func(s *Settings, n int32) { s.Request.CpuOptionsCore = n })},
		{key: e + "cpu-option-ht", takes: "1 (no hyper-threading) or 2", does: "CpuOptionsThreadsPerCore", apply: number(1, 2, func(s *Settings, n int32) { s.Request.CpuOptionsThreadsPerCore = n })},
		{key: e + "spot-strategy", takes: "NoSpot, SpotAsPriceGo or SpotWithPriceLimit", does: "SpotStrategy",
			apply: one(func(s *Settings, v string) { s.Request.SpotStrategy = v }, "NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit")},
		{key: e + "spot-price-limit", takes: "a price per hour with up to three decimals", does: "SpotPriceLimit", apply: pattern(`^[0-9]+(\.[0-9]{1,3})?$`, func(s *Settings, v string) {
			s.Request.SpotPriceLimit, _ = strconv.ParseFloat(v, 64) // the pattern is a number's
		})},
		{key: e + "spot-duration", takes: "0 or 1 hour", does: "SpotDuration", apply: number(0, 1, func(s *Settings, n int32) { s.Request.SpotDuration = &n })},
		{key: e + "spot-fallback", takes: "true or false", does: "without stock for spot, the group is paid as you go", apply: truth(func(s *Settings, on bool) { s.SpotFallback = on })},
		{key: e + "kube-proxy-enabled", takes: "true or false", does: "false keeps the kube-proxy of --service-network=sidecar out of the group", apply: truth(func(s *Settings, on bool) { s.NoProxy = !on })},
		{key: e + "spot-release-strategy", takes: "api-evict", does: "this virtual node does not evict a pod before its spot instance is released", idle: anything},
		{key: e + "privatepool-matchcriteria", takes: "Open", does: "CreateContainerGroup has no parameter for a private pool", refuse: is("Target"), remedy: "remove it",
			apply: one(func(*Settings, string) {}, "Open", "None")},
		{key: e + "privatepool-id", does: "CreateContainerGroup has no parameter for a private pool", refuse: anything, remedy: "remove it"},

		// When it can't be had.
		{key: e + "fail-strategy", takes: "fail-back, fail-over or fail-fast", does: "fail-fast fails the pod when its group can't be created; the others try again",
			apply: one(func(s *Settings, v string) { s.FailFast = v == "fail-fast" }, "fail-back", "fail-over", "fail-fast")},
		{key: e + "reschedule-enable", takes: "true or false", does: "false fails the pod when its group can't be created", apply: truth(func(s *Settings, on bool) { s.FailFast = s.FailFast || !on })},
		{key: k + "pod-fail-on-create-err", takes: "true or false", does: "true fails the pod when its group can't be created", apply: truth(func(s *Settings, on bool) { s.FailFast = s.FailFast || on })},
		{key: e + "max-pending-minute", takes: "10 to 1440 minutes", does: "MaxPendingMinute", apply: number(10, 1440, func(s *Settings, n int32) { s.Request.MaxPendingMinute = n })},

		// Identity.
		{key: e + "ram-role-name", takes: "a role's name", does: "RamRoleName", apply: text(func(s *Settings, v string) { s.Request.RamRoleName = v })},
		{key: e + "custom-tags", takes: "up to three of key:value with commas", does: "Tag", apply: tags},
		{key: e + "resource-group-id", takes: "a resource group's id", does: "ResourceGroupId", apply: text(func(s *Settings, v string) { s.Request.ResourceGroupId = v })},

		// Images.
		{key: e + "auto-imc", older: []string{e + "image-cache"}, takes: "true or false", does: "AutoMatchImageCache", apply: truth(func(s *Settings, on bool) { s.Request.AutoMatchImageCache = &on })},
		{key: e + "imc-id", older: []string{e + "image-snapshot-id"}, takes: "an image cache's id", does: "ImageSnapshotId", apply: text(func(s *Settings, v string) { s.Request.ImageSnapshotId = v })},
		{key: k + "imc-perfect-match", takes: "false", does: "CreateContainerGroup has no parameter for it; ECI takes the best match", idle: unlessFalse},
		{key: k + "imc-match-count-request", does: "CreateContainerGroup has no parameter for it; ECI takes the best match", idle: anything},
		{key: k + "acr-instance-ids", older: []string{k + "acr-instance-id"}, takes: "cri-… or cn-beijing:cri-… with commas", does: "AcrRegistryInfo: images without a password", apply: registries},
		{key: k + "acr-service-arns", takes: "acs:ram::…:role/… with commas, one for each registry", does: "AcrRegistryInfo.ArnService", apply: roles(func(r *eci.ACRRegistry, arn string) { r.ArnService = arn })},
		{key: k + "acr-user-arns", takes: "acs:ram::…:role/… with commas, one for each registry", does: "AcrRegistryInfo.ArnUser", apply: roles(func(r *eci.ACRRegistry, arn string) { r.ArnUser = arn })},
		{key: k + "plain-http-registry", takes: "host[:port] with commas", does: "PlainHttpRegistry", apply: text(func(s *Settings, v string) { s.Request.PlainHttpRegistry = v })},
		{key: k + "insecure-registry", takes: "host[:port] with commas", does: "InsecureRegistry", apply: text(func(s *Settings, v string) { s.Request.InsecureRegistry = v })},

		// Data.
		{key: e + "data-cache-bucket", takes: "a bucket's name", does: "DataCacheBucket", apply: text(func(s *Settings, v string) { s.Request.DataCacheBucket = v })},
		{key: e + "data-cache-pl", takes: "PL0, PL1, PL2 or PL3", does: "DataCachePL", apply: one(func(s *Settings, v string) { s.Request.DataCachePL = v }, "PL0", "PL1", "PL2", "PL3")},
		{key: e + "data-cache-provisionedIops", takes: "a number", does: "DataCacheProvisionedIops", apply: number(0, math.MaxInt32, func(s *Settings, n int32) { s.Request.DataCacheProvisionedIops = n })},
		{key: e + "data-cache-burstingEnabled", takes: "true or false", does: "DataCacheBurstingEnabled", apply: truth(func(s *Settings, on bool) { s.Request.DataCacheBurstingEnabled = &on })},
		{key: e + "extra-ephemeral-storage", takes: "up to 5000Gi", does: "EphemeralStorage, above the free 30 GiB", apply: func(s *Settings, v string) bool {
			bytes, ok := amount(v)
			size := math.Ceil(gib(bytes))
			if !ok || size > maxExtraDisk {
				return false
			}
			s.Request.EphemeralStorage = int32(size)
			return true
		}},
		{key: e + "ephemeral-storage-options", takes: `{"encrypted":"false"}`, does: "CreateContainerGroup has no parameter for an encrypted system disk",
			refuse: func(v string) bool { return strings.Contains(v, "true") }, remedy: "keep the data on an encrypted cloud disk"},
		{key: e + "eviction-enable", takes: "false", does: "this virtual node does not evict a pod whose disk is full", idle: unlessFalse},
		{key: e + "core-pattern", takes: "a path", does: "CorePattern", apply: pattern(`^/`, func(s *Settings, v string) { s.Request.CorePattern = v })},
		{key: annotationHostSysctls, takes: `[{"name":"…","value":"…"}]`, does: "HostSecurityContext.Sysctl, for accounts that have it by ticket", apply: hostSysctls},

		// Network.
		{key: e + "custom-hosts", takes: `[{"host":"a","ip":"1.2.3.4"}]`, does: "HostAliase", apply: hosts},
		{key: e + "custom-dnsconfig", takes: `{"nameservers":"1.2.3.4,…","searches":"a,…","options":"ndots:2,…"}, at most two servers and 32 searches`, does: "DnsConfig, with DnsPolicy None", apply: dns},
		{key: e + "ntp-server", takes: "addresses with commas", does: "NtpServer", apply: text(func(s *Settings, v string) { s.Request.NtpServer = strings.Split(v, ",") })},
		{key: e + "eip-instanceid", takes: "an EIP's id", does: "EipInstanceId", apply: text(func(s *Settings, v string) { s.Request.EipInstanceId = v })},
		{key: e + "with-eip", takes: "true or false", does: "AutoCreateEip", apply: truth(func(s *Settings, on bool) { s.Request.AutoCreateEip = &on })},
		{key: k + "eip-bandwidth", takes: "Mbit/s", does: "EipBandwidth", apply: number(1, 100_000, func(s *Settings, n int32) { s.Request.EipBandwidth = n })},
		{key: k + "eip-common-bandwidth-package-id", takes: "a package's id", does: "EipCommonBandwidthPackage", apply: text(func(s *Settings, v string) { s.Request.EipCommonBandwidthPackage = v })},
		{key: k + "eip-isp", takes: "BGP or BGP_PRO", does: "EipISP", apply: one(func(s *Settings, v string) { s.Request.EipISP = v }, "BGP", "BGP_PRO")},
		{key: k + "eip-internet-charge-type", takes: "PayByBandwidth or PayByTraffic", does: "CreateContainerGroup has no parameter for it; ECI chooses", idle: anything},
		{key: k + "eip-public-ip-address-pool-id", does: "CreateContainerGroup has no parameter for an address pool", refuse: anything, remedy: "make the EIP yourself and name it in eci-eip-instanceid"},
		{key: e + "enable-ipv6", takes: "true or false", does: "Ipv6AddressCount", apply: truth(func(s *Settings, on bool) {
			if on {
				s.Request.Ipv6AddressCount = 1
			}
		})},
		{key: e + "ipv6-bandwidth-enable", takes: "true or false", does: "Ipv6GatewayBandwidthEnable", apply: truth(func(s *Settings, on bool) { s.Request.Ipv6GatewayBandwidthEnable = &on })},
		{key: e + "ipv6-bandwidth", takes: "100M", does: "Ipv6GatewayBandwidth", apply: pattern(`^[0-9]+[MG]?$`, func(s *Settings, v string) { s.Request.Ipv6GatewayBandwidth = v })},
		{key: "kubernetes.io/ingress-bandwidth", takes: "40M", does: "IngressBandwidth", apply: bandwidth(func(s *Settings, bits int64) { s.Request.IngressBandwidth = bits })},
		{key: "kubernetes.io/egress-bandwidth", takes: "40M", does: "EgressBandwidth", apply: bandwidth(func(s *Settings, bits int64) { s.Request.EgressBandwidth = bits })},
		{key: e + "wait-clusterip-ready", does: "a group of this virtual node has no Service rules to wait for", idle: anything},
		{key: e + "network-policy-enable", takes: "false", does: "no NetworkPolicy is enforced in a group of this virtual node", refuse: unlessFalse, remedy: "use a security group, or " + keep},
		{key: e + "sls-enable", takes: "false", does: "this virtual node starts no log agent", idle: unlessFalse},
	}
	return rows
})

// What values look like.

func anything(string) bool          { return true }
func is(v string) func(string) bool { return func(s string) bool { return s == v } }
func unlessFalse(v string) bool     { return v != "false" }
func squeeze(v string) string       { return strings.ReplaceAll(v, " ", "") }

func text(set func(*Settings, string)) func(*Settings, string) bool {
	return func(s *Settings, v string) bool { set(s, squeeze(v)); return true }
}

func one(set func(*Settings, string), values ...string) func(*Settings, string) bool {
	return func(s *Settings, v string) bool {
		if !slices.Contains(values, v) {
			return false
		}
		set(s, v)
		return true
	}
}

func truth(set func(*Settings, bool)) func(*Settings, string) bool {
	return func(s *Settings, v string) bool {
		on, err := strconv.ParseBool(strings.ToLower(v))
		if err == nil {
			set(s, on)
		}
		return err == nil
	}
}

func number(least, most int64, set func(*Settings, int32)) func(*Settings, string) bool {
	return func(s *Settings, v string) bool {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < least || n > most {
			return false
		}
		set(s, int32(n))
		return true
	}
}

func pattern(re string, set func(*Settings, string)) func(*Settings, string) bool {
	compiled := regexp.MustCompile(re)
	return func(s *Settings, v string) bool {
		if !compiled.MatchString(v) {
			return false
		}
		set(s, v)
		return true
	}
}

func list(most int, prefix string, set func(*Settings, string)) func(*Settings, string) bool {
	return func(s *Settings, v string) bool {
		ids := strings.Split(squeeze(v), ",")
		for _, id := range ids {
			if !strings.HasPrefix(id, prefix) {
				return false
			}
		}
		if len(ids) > most {
			return false
		}
		set(s, strings.Join(ids, ","))
		return true
	}
}

func bandwidth(set func(*Settings, int64)) func(*Settings, string) bool {
	return func(s *Settings, v string) bool {
		bits, ok := amount(v)
		if !ok || bits < 1 || bits > math.MaxInt32*1000 {
			return false
		}
		set(s, int64(bits))
		return true
	}
}

// amounts are the quantities that annotations take. An exponent is not among them: parsing
// 1e-2147483647 takes hours, and the API server looks at no annotation's value.
var amounts = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,9})?([kMGT]|[KMGT]i)?$`)

// amount reads a quantity such as 50Gi or 40M.
func amount(v string) (float64, bool) {
	if !amounts.MatchString(v) {
		return 0, false
	}
	q, err := resource.ParseQuantity(v)
	return q.AsApproximateFloat64(), err == nil
}

func specs(s *Settings, v string) bool {
	list := strings.Split(squeeze(v), ",")
	for _, one := range list {
		if _, _, ok := parseSpec(one); !ok && !strings.HasPrefix(one, "ecs.") {
			return false
		}
	}
	s.Request.InstanceType = strings.Join(list, ",")
	return len(list) <= 5
}

// parseSpec reads 2-4Gi as vCPU and GiB.
func parseSpec(v string) (cpu, memory float64, ok bool) {
	a, b, dash := strings.Cut(v, "-")
	b, gi := strings.CutSuffix(b, "Gi")
	cpu, err1 := strconv.ParseFloat(a, 64)
	memory, err2 := strconv.ParseFloat(b, 64)
	return cpu, memory, dash && gi && err1 == nil && err2 == nil && cpu > 0 && memory > 0 && !math.IsInf(cpu+memory, 0)
}

func categories(s *Settings, v string) bool {
	s.Request.ComputeCategory = strings.Split(squeeze(v), ",")
	for i, c := range s.Request.ComputeCategory {
		if c != "economy" && c != "general" || slices.Contains(s.Request.ComputeCategory[:i], c) {
			return false
		}
	}
	return true
}

func tags(s *Settings, v string) bool {
	pairs := strings.Split(v, ",")
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		reserved := slices.ContainsFunc([]string{"aliyun", "acs:", "http://", "https://"}, func(p string) bool { return strings.HasPrefix(key, p) })
		if !ok || key == "" || len(key) > 64 || len(value) > 128 || reserved || isIdentity(key) {
			return false
		}
		s.Request.Tag = append(s.Request.Tag, eci.Tag{Key: key, Value: value})
	}
	return len(pairs) <= 3
}

// isIdentity tells that a tag says whose the group is.
func isIdentity(key string) bool {
	return slices.Contains([]string{eci.TagManagedBy, eci.TagClusterID, eci.TagNodeName, eci.TagNamespace, eci.TagPodName, eci.TagPodUID, eci.TagAttempt}, key)
}

func registries(s *Settings, v string) bool {
	for _, one := range strings.Split(squeeze(v), ",") {
		region, id, ok := strings.Cut(one, ":")
		if !ok {
			region, id = "", one
		}
		if !strings.HasPrefix(id, "cri-") {
			return false
		}
		s.Request.AcrRegistryInfo = append(s.Request.AcrRegistryInfo, eci.ACRRegistry{InstanceId: id, RegionId: region})
	}
	return true
}

func roles(set func(*eci.ACRRegistry, string)) func(*Settings, string) bool {
	return func(s *Settings, v string) bool {
		arns := strings.Split(squeeze(v), ",")
		if len(arns) != len(s.Request.AcrRegistryInfo) {
			return false
		}
		for i, arn := range arns {
			if !strings.HasPrefix(arn, "acs:ram::") {
				return false
			}
			set(&s.Request.AcrRegistryInfo[i], arn)
		}
		return true
	}
}

func hosts(s *Settings, v string) bool {
	var list []struct{ Host, IP string }
	if json.Unmarshal([]byte(v), &list) != nil {
		return false
	}
	for _, h := range list {
		if _, err := netip.ParseAddr(h.IP); err != nil || h.Host == "" {
			return false
		}
		s.Request.HostAliase = append(s.Request.HostAliase, eci.HostAlias{Ip: h.IP, Hostname: []string{h.Host}})
	}
	return true
}

func hostSysctls(s *Settings, v string) bool {
	var list []struct{ Name, Value string }
	if json.Unmarshal([]byte(v), &list) != nil {
		return false
	}
	context := &eci.GroupSecurityContext{}
	for _, x := range list {
		if x.Name == "" || x.Value == "" {
			return false
		}
		context.Sysctl = append(context.Sysctl, eci.Sysctl{Name: x.Name, Value: x.Value})
	}
	s.Request.HostSecurityContext = context
	return len(list) > 0
}

func dns(s *Settings, v string) bool {
	var c struct{ Nameservers, Searches, Options string }
	if json.Unmarshal([]byte(v), &c) != nil {
		return false
	}
	words := func(v string) []string {
		return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	}
	config := &eci.DNSConfig{NameServer: words(c.Nameservers), Search: words(c.Searches)}
	for _, server := range config.NameServer {
		if _, err := netip.ParseAddr(server); err != nil {
			return false
		}
	}
	for _, option := range words(c.Options) {
		name, value, _ := strings.Cut(option, ":")
		config.Option = append(config.Option, eci.DNSOption{Name: name, Value: value})
	}
	s.DNS, s.Request.DnsConfig = true, config
	return len(config.NameServer) > 0 && len(config.NameServer) <= 2 && len(config.Search) <= 32
}
