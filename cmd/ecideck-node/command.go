package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/migrate"
)

// flags are what the command line says; credentials are not among them, because `ps` shows
// flags.
type flags struct {
	kubeconfig, nodeName               string
	nodes                              []string
	region, endpoint, zone             string
	vswitches                          []string
	profile                            string
	strategy, securityGroup            string
	listen, nodeIP, healthListen       string
	clusterDNS                         []string
	clusterDomain, apiserver           string
	serviceNetwork, proxyImage         string
	proxyCPU, proxyMemory              string
	cpu, memory, pods, memoryPerCPU    string
	clusterID                          string
	pollMin, pollMax                   time.Duration
	hostnameLabel, noTaints, anonymous bool
	certFile, keyFile, clientCA        string
	servingCertificate                 string
	leaderElect                        bool
	leaseNamespace                     string
	pace                               pace
	burst                              string
	burstMaxPods                       int
	burstMaxRate                       string
	burstAfter                         time.Duration
	returns                            string
	returnHours, returnMinSaving       string
	webhookListen                      string
	logLevel, logFormat                string
	probeEvery                         time.Duration
	probeImage, probeRegistry          string
	ignoreNetwork                      bool
}

func command() *cobra.Command {
	f := &flags{}
	c := &cobra.Command{
		Use:   "ecideck-node",
		Short: "Run the pods of a virtual node as Alibaba Cloud ECI container groups",
		Long: `ecideck-node registers a virtual node in a Kubernetes cluster and runs every pod that is
bound to it as an Alibaba Cloud ECI container group.

Credentials come from the SDK's chain, never from flags: ALIBABA_CLOUD_ACCESS_KEY_ID and
ALIBABA_CLOUD_ACCESS_KEY_SECRET, OIDC (RRSA), a CLI profile, a credentials file, or the
instance's role.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: false,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.complete(); err != nil {
				return err
			}
			return run(c.Context(), f)
		},
	}
	c.AddCommand(manifestsCommand(), probeCommand(), impactCommand())
	f.bind(c.Flags())
	return c
}

// bind are the flags of the node; `ecideck-node probe` has the same.
func (f *flags) bind(s *pflag.FlagSet) {
	s.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file (default: KUBECONFIG, or the pod's service account)")
	s.StringVar(&f.nodeName, "node-name", "", "name of the node (default virtual-kubelet-<region>)")
	s.StringArrayVar(&f.nodes, "node", nil, "one of several nodes that this process serves, instead of --node-name, --vswitch-ids and --zone: name=NAME,vswitch=ID[,vswitch=ID…][,zone=ZONE][,listen=ADDRESS]; repeated; each has a kubelet port of its own, by default --listen's and those after it")
	s.StringVar(&f.region, "region", "", "ECI region, such as cn-hangzhou (env "+setup.EnvRegion+")")
	s.StringVar(&f.endpoint, "endpoint", "", "ECI endpoint, host[:port] or URL (env "+setup.EnvEndpoint+"; default: the region's public one)")
	s.StringVar(&f.zone, "zone", "", "topology zone label of the node; only where real nodes have that zone too")
	s.StringSliceVar(&f.vswitches, "vswitch-ids", nil, "vSwitches for new groups, at most ten")
	s.StringVar(&f.strategy, "schedule-strategy", "", "order of the vSwitches: VSwitchOrdered or VSwitchRandom")
	s.StringVar(&f.securityGroup, "security-group-id", "", "security group of new groups")
	s.StringVar(&f.profile, "eci-profile", "kube-system/eci-profile", "namespace/name of a ConfigMap with defaults, as ACK's; read anew for each pod; empty: none")
	s.StringVar(&f.listen, "listen", ":10250", "address of the kubelet port (logs)")
	s.StringVar(&f.nodeIP, "node-ip", "", "address at which the API server reaches the kubelet port (env POD_IP)")
	s.StringVar(&f.healthListen, "health-listen", ":10255", "address of /healthz, /readyz and /metrics; empty: none")
	s.StringSliceVar(&f.clusterDNS, "cluster-dns", nil, "DNS servers of the cluster that the vSwitch can reach; not a ClusterIP (default: the VPC's DNS)")
	s.StringVar(&f.clusterDomain, "cluster-domain", "cluster.local", "DNS domain of the cluster")
	s.StringVar(&f.apiserver, "apiserver-address", "", "host:port of the API server as pods reach it, instead of its ClusterIP")
	s.StringVar(&f.serviceNetwork, "service-network", string(provider.ServicesNone), "how pods on ECI reach ClusterIPs: none, sidecar (a kube-proxy in every group) or routes (the VPC routes the Services' addresses to nodes)")
	s.StringVar(&f.proxyImage, "kube-proxy-image", "", "with --service-network=sidecar: image of kube-proxy that ECI can pull, of the cluster's version")
	s.StringVar(&f.proxyCPU, "kube-proxy-cpu", "50m", "what kube-proxy adds to a group's size; 0: nothing")
	s.StringVar(&f.proxyMemory, "kube-proxy-memory", "64Mi", "what kube-proxy adds to a group's size; 0: nothing")
	s.StringVar(&f.cpu, "cpu", "", "vCPUs that the node offers (default: the account's quota in the region, read every minute; 1000 until it could be read)")
	s.StringVar(&f.memory, "memory", "", "memory that the node offers (default: --memory-per-cpu for each vCPU)")
	s.StringVar(&f.memoryPerCPU, "memory-per-cpu", "8Gi", "memory that the node offers for each vCPU of the quota, which ECI counts in vCPU only")
	s.StringVar(&f.pods, "pods", "", "pods that the node takes (default 2000); never more than the vSwitches have addresses for, where they can be read")
	s.StringVar(&f.clusterID, "cluster-id", "", "id of the cluster in the groups' tags (default: the UID of the namespace kube-system)")
	s.DurationVar(&f.pollMin, "poll-min", time.Second, "pause between looks at ECI while something changes")
	s.DurationVar(&f.pollMax, "poll-max", 10*time.Second, "pause between looks at ECI while nothing changes")
	s.BoolVar(&f.hostnameLabel, "hostname-label", false, "label the node with kubernetes.io/hostname; it then counts as one more host in every spread")
	s.BoolVar(&f.noTaints, "no-taints", false, "register the node without taints, such as for conformance tests")
	s.BoolVar(&f.anonymous, "kubelet-anonymous", false, "serve the kubelet port to everyone; for tests only")
	s.StringVar(&f.certFile, "tls-cert-file", "", "serving certificate of the kubelet port; read again when it changes")
	s.StringVar(&f.keyFile, "tls-private-key-file", "", "key of --tls-cert-file")
	s.StringVar(&f.servingCertificate, "serving-certificate", "self-signed", "without --tls-cert-file: self-signed, or csr: signed by the cluster (kubernetes.io/kubelet-serving) once somebody has approved the request, self-signed until then")
	s.StringVar(&f.clientCA, "client-ca-file", "", "CA of client certificates (default: what the cluster publishes in kube-system/extension-apiserver-authentication)")
	s.BoolVar(&f.leaderElect, "leader-elect", true, "serve the node only while holding a lease, so that a second process may stand by")
	s.StringVar(&f.leaseNamespace, "leader-elect-namespace", "", "namespace of the lease (env POD_NAMESPACE; default kube-system)")
	s.DurationVar(&f.pace.leaseDuration, "leader-elect-lease-duration", leaseDuration, "how long after a leader's last sign another process leads; the node is NotReady after 50s without a leader")
	s.DurationVar(&f.pace.renewDeadline, "leader-elect-renew-deadline", renewDeadline, "how long the API server may be away before the leader gives up")
	s.DurationVar(&f.pace.retryPeriod, "leader-elect-retry-period", retryPeriod, "pause between tries to take or renew the lease")
	s.StringVar(&f.burst, "burst", string(burst.Marked), "which pods may run on ECI when real nodes are full: marked (by the pod's or namespace's alibabacloud.com/burst-resource), all or off")
	s.IntVar(&f.burstMaxPods, "burst-max-pods", -1, "most pods on ECI by bursting at the same time; less than 0: no limit")
	s.StringVar(&f.burstMaxRate, "burst-max-rate", "", "most that bursts may cost an hour by the list prices, such as '12.5 CNY'; empty: no limit")
	s.DurationVar(&f.burstAfter, "burst-after", -1, "how long a pod is pending before it bursts (default: at once, and 60s where the Cluster Autoscaler or Karpenter runs, which has the first word)")
	s.StringVar(&f.returns, "return", returnMarked, "which pods on ECI come home when real nodes have had room for 5m, make before break: marked (by "+migrate.AnnotationReturn+"=auto on the workload or namespace), all or off")
	s.StringVar(&f.returnHours, "return-hours", "", "when they do, such as 22:00-06:00 in this process's time zone; empty: always")
	s.StringVar(&f.returnMinSaving, "return-min-saving", "", "what the pods of a workload that come home together must save an hour by the list prices, such as '0.5 CNY'; empty: anything")
	s.StringVar(&f.webhookListen, "webhook-listen", "", "address of the admission webhook, for servers before Kubernetes 1.36; empty: none")
	s.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	s.StringVar(&f.logFormat, "log-format", "text", "text or json")
	s.DurationVar(&f.probeEvery, "network-probe", 6*time.Hour, "how often a group of a minute finds out what pods on ECI reach, at the start too; sooner where something is not reached; 0: never")
	s.StringVar(&f.probeImage, "network-probe-image", "", "image with sh, nc and nslookup, which ECI can pull (default: busybox of the region's public registry)")
	s.StringVar(&f.probeRegistry, "network-probe-registry", "", "registry that pods must reach, host[:port] (default: that of --network-probe-image)")
	s.BoolVar(&f.ignoreNetwork, "ignore-network", false, "let pods burst though the network probe says that they don't reach the cluster")
}

// complete fills in what the environment says and refuses what can't be.
func (f *flags) complete() error {
	f.region = cmp.Or(f.region, os.Getenv(setup.EnvRegion))
	f.leaseNamespace = cmp.Or(f.leaseNamespace, os.Getenv("POD_NAMESPACE"), metav1.NamespaceSystem)
	f.nodeIP = cmp.Or(f.nodeIP, os.Getenv("POD_IP"))
	if f.nodeName == "" && f.region != "" {
		f.nodeName = "virtual-kubelet-" + f.region
	}
	if _, err := f.each(); err != nil {
		return err
	}
	if (f.certFile == "") != (f.keyFile == "") {
		return errors.New("--tls-cert-file and --tls-private-key-file go together")
	}
	switch f.servingCertificate {
	case "self-signed", "csr":
	default:
		return fmt.Errorf("--serving-certificate %q: use self-signed or csr", f.servingCertificate)
	}
	if namespace, name, ok := strings.Cut(f.profile, "/"); f.profile != "" && (!ok || namespace == "" || name == "" || strings.Contains(name, "/")) {
		return fmt.Errorf("--eci-profile %q: give namespace/name", f.profile)
	}
	if len(f.vswitches) > 10 {
		return fmt.Errorf("--vswitch-ids: ECI takes at most 10, these are %d", len(f.vswitches))
	}
	switch f.strategy {
	case "", "VSwitchOrdered", "VSwitchRandom":
	default:
		return fmt.Errorf("--schedule-strategy %q: use VSwitchOrdered or VSwitchRandom", f.strategy)
	}
	if f.apiserver != "" {
		host, port, err := net.SplitHostPort(f.apiserver)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host == "" {
			return fmt.Errorf("--apiserver-address %q: give host:port, such as 10.0.0.5:6443", f.apiserver)
		}
	}
	if err := f.completeNetwork(); err != nil {
		return err
	}
	if f.probeEvery < 0 || f.probeEvery > 0 && f.probeEvery < time.Minute {
		return fmt.Errorf("--network-probe %s: at least 1m, since each starts a group that is paid for; 0: never", f.probeEvery)
	}
	if f.probeImage == "" && f.region != "" {
		f.probeImage = "registry-vpc." + f.region + ".aliyuncs.com/eci_open/busybox:1.30"
	}
	if err := f.pace.check(); err != nil {
		return err
	}
	f.burst = cmp.Or(f.burst, string(burst.Marked))
	if _, err := f.bursts(); err != nil {
		return err
	}
	f.returns = cmp.Or(f.returns, returnMarked)
	if _, err := f.returnPolicy(); err != nil {
		return err
	}
	for _, server := range f.clusterDNS {
		if net.ParseIP(server) == nil {
			return fmt.Errorf("--cluster-dns %q: not an IP address", server)
		}
	}
	if f.nodeIP != "" && net.ParseIP(f.nodeIP) == nil {
		return fmt.Errorf("--node-ip %q: not an IP address", f.nodeIP)
	}
	for name, value := range map[string]string{"--cpu": f.cpu, "--memory": f.memory, "--pods": f.pods, "--memory-per-cpu": f.memoryPerCPU,
		"--kube-proxy-cpu": f.proxyCPU, "--kube-proxy-memory": f.proxyMemory} {
		if _, err := quantity(value); err != nil {
			return fmt.Errorf("%s %q: not a quantity such as 1000 or 8000Gi", name, value)
		}
	}
	return nil
}

// bursts are the flags of bursting.
func (f *flags) bursts() (burst.Settings, error) {
	policy, err := burst.ParsePolicy(f.burst)
	if err != nil {
		return burst.Settings{}, err
	}
	s := burst.Settings{Policy: policy, After: f.burstAfter, MaxPods: f.burstMaxPods}
	if f.burstMaxRate != "" {
		if s.MaxRate, err = burst.ParseRate(f.burstMaxRate); err != nil {
			return s, fmt.Errorf("--burst-max-rate %q: %w", f.burstMaxRate, err)
		}
	}
	return s, nil
}

// What --return takes.
const (
	returnMarked = "marked"
	returnAll    = "all"
	returnOff    = "off"
)

// returnPolicy are the flags of coming home.
func (f *flags) returnPolicy() (migrate.ReturnPolicy, error) {
	p := migrate.ReturnPolicy{All: f.returns == returnAll}
	switch f.returns {
	case returnMarked, returnAll, returnOff:
	default:
		return p, fmt.Errorf("--return %q: use marked, all or off", f.returns)
	}
	var err error
	if p.Hours, err = migrate.ParseHours(f.returnHours); err != nil {
		return p, fmt.Errorf("--return-hours: %w", err)
	}
	if f.returnMinSaving != "" {
		if p.MinSaving, err = burst.ParseRate(f.returnMinSaving); err != nil {
			return p, fmt.Errorf("--return-min-saving %q: %w", f.returnMinSaving, err)
		}
	}
	p.Off = f.returns == returnOff
	return p, nil
}

// quantity reads a flag; an empty one is zero.
func quantity(value string) (resource.Quantity, error) {
	if value == "" {
		return resource.Quantity{}, nil
	}
	q, err := resource.ParseQuantity(value)
	if err == nil && q.Sign() < 0 {
		return q, fmt.Errorf("%s is negative", value)
	}
	return q, err
}
