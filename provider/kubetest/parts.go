package kubetest

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// The parts of a lab, by the names that `ecideck-lab kill`, `start`, `logs` and `status` use.
const (
	Etcd          = "etcd"
	APIServer     = "apiserver"
	Scheduler     = "scheduler"
	Controllers   = "controllers"
	MetricsServer = "metrics-server"
	Kwok          = "kwok"
	Node          = "node"
	Standby       = "standby" // a second ecideck-node of the same node, where a scenario has one
	ECI           = "eci"
)

// Parts are all parts in the order they start.
var partOrder = []string{ECI, Etcd, APIServer, Controllers, Scheduler, Kwok, MetricsServer, Node, Standby}

// serviceCIDR is the range of the lab's ClusterIPs. Nothing routes them: the lab has no
// kube-proxy, as ECI has none.
const serviceCIDR = "10.96.0.0/16"

// A layout says where a lab's parts find each other and their files.
type layout struct {
	dir          string // the lab's state
	controlPlane string // the multi-call executable
	bin          string // the folder of ecideck-lab and ecideck-node
	name         string

	etcdPort, etcdPeerPort, apiPort, controllersPort, schedulerPort int
	metricsPort, kwokPort, nodeHealthPort, eciPort                  int
	standbyHealthPort, webhookPort, standbyWebhookPort              int
	nodePorts, standbyPorts                                         [scenario.MaxVirtualNodes]int
	reserved                                                        reservations
}

func newLayout(dir, name, controlPlane, bin string) (layout, error) {
	l := layout{dir: dir, name: name, controlPlane: controlPlane, bin: bin}
	targets := []*int{&l.etcdPort, &l.etcdPeerPort, &l.apiPort, &l.controllersPort, &l.schedulerPort,
		&l.metricsPort, &l.kwokPort, &l.nodeHealthPort, &l.eciPort, &l.standbyHealthPort, &l.webhookPort, &l.standbyWebhookPort}
	for i := range scenario.MaxVirtualNodes {
		targets = append(targets, &l.nodePorts[i], &l.standbyPorts[i])
	}
	ports, reserved, err := freePorts(len(targets))
	if err != nil {
		return layout{}, err
	}
	l.reserved = reserved
	for i, target := range targets {
		*target = ports[i]
	}
	return l, nil
}

func (l layout) path(elements ...string) string {
	return filepath.Join(append([]string{l.dir}, elements...)...)
}
func (l layout) pki(file string) string        { return l.path("pki", file) }
func (l layout) kubeconfig(part string) string { return l.path("kubeconfigs", part) }
func (l layout) server() string                { return loopbackURL(l.apiPort) }
func (l layout) eciEndpoint() string           { return loopback(l.eciPort) }

func loopback(port int) string    { return "127.0.0.1:" + strconv.Itoa(port) }
func loopbackURL(port int) string { return "https://" + loopback(port) }

// part makes a part that runs an applet of the control plane, or where applet is empty, argv.
func (l layout) part(name, applet string, argv []string, env ...string) *part {
	if applet != "" {
		argv = append([]string{l.controlPlane, applet}, argv...)
	}
	return &part{name: name, argv: argv, env: env, log: l.path("logs", name+".log"), state: Stopped}
}

func (l layout) etcd() *part {
	return l.part(Etcd, "etcd", []string{
		"--name=lab",
		"--data-dir=" + l.path("etcd"),
		"--listen-client-urls=" + loopbackURL(l.etcdPort),
		"--advertise-client-urls=" + loopbackURL(l.etcdPort),
		"--listen-peer-urls=" + loopbackURL(l.etcdPeerPort),
		"--initial-advertise-peer-urls=" + loopbackURL(l.etcdPeerPort),
		"--initial-cluster=lab=" + loopbackURL(l.etcdPeerPort),
		"--cert-file=" + l.pki("etcd.crt"), "--key-file=" + l.pki("etcd.key"),
		"--trusted-ca-file=" + l.pki("ca.crt"), "--client-cert-auth",
		"--peer-cert-file=" + l.pki("etcd.crt"), "--peer-key-file=" + l.pki("etcd.key"),
		"--peer-trusted-ca-file=" + l.pki("ca.crt"), "--peer-client-cert-auth",
		// A lab is thrown away: it may lose its last writes in a power cut.
		"--unsafe-no-fsync",
		"--log-level=warn",
	})
}

func (l layout) apiServer(s *scenario.Scenario) *part {
	argv := []string{
		"--etcd-servers=" + loopbackURL(l.etcdPort),
		"--etcd-cafile=" + l.pki("ca.crt"), "--etcd-certfile=" + l.pki("apiserver.crt"), "--etcd-keyfile=" + l.pki("apiserver.key"),
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(l.apiPort),
		// Where there is no default route the API server can't guess an address to announce;
		// and nothing would reach it there.
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--cert-dir=" + l.path("apiserver"),
		"--tls-cert-file=" + l.pki("apiserver.crt"), "--tls-private-key-file=" + l.pki("apiserver.key"),
		"--client-ca-file=" + l.pki("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + l.pki("service-account.key"),
		"--service-account-signing-key-file=" + l.pki("service-account.key"),
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=" + serviceCIDR,
		"--allow-privileged",
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + l.pki("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + l.pki("apiserver-kubelet-client.key"),
		"--requestheader-client-ca-file=" + l.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + l.pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + l.pki("front-proxy-client.key"),
	}
	if s.Kubernetes != "" {
		argv = append(argv, "--emulated-version="+s.Kubernetes)
	}
	return l.part(APIServer, "kube-apiserver", argv)
}

func (l layout) controllers() *part {
	return l.part(Controllers, "kube-controller-manager", []string{
		"--kubeconfig=" + l.kubeconfig(Controllers),
		"--authentication-kubeconfig=" + l.kubeconfig(Controllers),
		"--authorization-kubeconfig=" + l.kubeconfig(Controllers),
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(l.controllersPort),
		"--cert-dir=" + l.path("controllers"),
		"--service-account-private-key-file=" + l.pki("service-account.key"),
		"--use-service-account-credentials",
		"--root-ca-file=" + l.pki("ca.crt"),
		"--cluster-signing-cert-file=" + l.pki("ca.crt"), "--cluster-signing-key-file=" + l.pki("ca.key"),
		"--leader-elect=false",
		// Quick reactions make short tests and a lively demo; all else is the default.
		"--horizontal-pod-autoscaler-sync-period=2s",
		"--horizontal-pod-autoscaler-cpu-initialization-period=10s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=5s",
		"--kube-api-qps=200", "--kube-api-burst=400",
	})
}

func (l layout) scheduler() *part {
	return l.part(Scheduler, "kube-scheduler", []string{
		"--kubeconfig=" + l.kubeconfig(Scheduler),
		"--authentication-kubeconfig=" + l.kubeconfig(Scheduler),
		"--authorization-kubeconfig=" + l.kubeconfig(Scheduler),
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(l.schedulerPort),
		"--cert-dir=" + l.path("scheduler"),
		"--leader-elect=false",
		"--kube-api-qps=200", "--kube-api-burst=400",
	})
}

func (l layout) metricsServer() *part {
	return l.part(MetricsServer, "metrics-server", []string{
		"--kubeconfig=" + l.kubeconfig(MetricsServer),
		"--authentication-kubeconfig=" + l.kubeconfig(MetricsServer),
		"--authorization-kubeconfig=" + l.kubeconfig(MetricsServer),
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(l.metricsPort),
		"--cert-dir=" + l.path("metrics-server"),
		// kwok's certificate names no node.
		"--kubelet-insecure-tls",
		"--kubelet-use-node-status-port",
		"--kubelet-preferred-address-types=InternalIP",
		"--metric-resolution=10s", "--kubelet-request-timeout=5s",
	})
}

func (l layout) kwok() *part {
	return l.part(Kwok, "kwok", []string{
		"--kubeconfig=" + l.kubeconfig(Kwok),
		"--config=" + l.path("kwok.yaml"),
		"--manage-all-nodes=false",
		"--manage-nodes-with-annotation-selector=" + kwokNodeAnnotation + "=fake",
		"--cidr=10.88.0.1/16",
		"--node-ip=127.0.0.1", "--node-port=" + strconv.Itoa(l.kwokPort),
		"--server-address=" + loopback(l.kwokPort),
		"--tls-cert-file=" + l.pki("apiserver.crt"), "--tls-private-key-file=" + l.pki("apiserver.key"),
		"--node-lease-duration-seconds=40",
	})
}

// eci is the emulator; its settings, which hold the access key, are in a file.
func (l layout) eci() *part {
	return l.part(ECI, "", []string{filepath.Join(l.bin, "ecideck-lab"), "eci",
		"--listen=" + l.eciEndpoint(), "--config=" + l.path("eci.json"), "--state=" + l.path("eci", "state.json")})
}

// node is the virtual node as it runs in production, with the scenario's vSwitches.
func (l layout) node(s *scenario.Scenario, access Access) *part {
	return l.nodeProcess(Node, s, access, l.nodePorts[:], l.nodeHealthPort, l.webhookPort)
}

// standby is the process that takes over when the first one is gone.
func (l layout) standby(s *scenario.Scenario, access Access) *part {
	return l.nodeProcess(Standby, s, access, l.standbyPorts[:], l.standbyHealthPort, l.standbyWebhookPort)
}

// nodeProcess is one process for all virtual nodes, with a kubelet port for each.
func (l layout) nodeProcess(name string, s *scenario.Scenario, access Access, ports []int, healthPort, webhookPort int) *part {
	n := s.VirtualNodes[0]
	argv := []string{filepath.Join(l.bin, "ecideck-node"),
		"--kubeconfig=" + l.kubeconfig(Node),
		"--region=" + access.Region,
		"--security-group-id=sg-lab",
		"--node-ip=127.0.0.1",
		"--health-listen=" + loopback(healthPort),
		"--tls-cert-file=" + l.pki("node-serving.crt"), "--tls-private-key-file=" + l.pki("node-serving.key"),
		"--client-ca-file=" + l.pki("ca.crt"),
	}
	if len(s.VirtualNodes) == 1 {
		argv = append(argv, "--node-name="+n.Name, "--vswitch-ids="+strings.Join(n.VSwitches, ","), "--listen="+loopback(ports[0]))
	} else {
		for i, node := range s.VirtualNodes {
			argv = append(argv, "--node=name="+node.Name+",vswitch="+strings.Join(node.VSwitches, ",vswitch=")+",zone="+s.ZoneOf(node.VSwitches[0])+",listen="+loopback(ports[i]))
		}
	}
	if !n.Probe {
		argv = append(argv, "--network-probe=0")
	}
	if n.Webhook {
		argv = append(argv, "--webhook-listen="+loopback(webhookPort))
	}
	if n.ScheduleStrategy != "" {
		argv = append(argv, "--schedule-strategy="+n.ScheduleStrategy)
	}
	// A pod's name makes a process that is started again the same candidate for the lease.
	for _, arg := range n.Args {
		argv = append(argv, strings.ReplaceAll(arg, APIServerAddress, loopback(l.apiPort)))
	}
	return l.part(name, "", argv, append(access.Environment(), "POD_NAME=ecideck-"+name, "POD_NAMESPACE=kube-system")...)
}

// kubeconfigs lists who logs in with what.
func (l layout) writeKubeconfigs() error {
	for _, part := range []string{Controllers, Scheduler, MetricsServer, Kwok, Node} {
		if err := writeKubeconfig(l.kubeconfig(part), "lab", l.server(), l.path("pki"), part); err != nil {
			return err
		}
	}
	return writeKubeconfig(l.path("kubeconfig"), "ecideck-lab-"+l.name, l.server(), l.path("pki"), "admin")
}

// An Access is how the lab's emulated cloud is reached. The names are those of
// `ecideck-lab status -o json`.
type Access struct {
	Endpoint        string `json:"endpoint"` // 127.0.0.1:PORT
	Scheme          string `json:"scheme"`   // http
	Region          string `json:"region"`
	AccessKeyID     string `json:"accessKeyId"`
	AccessKeySecret string `json:"accessKeySecret"`
}

// player is the access of a virtual node that plays the vendor's: it alone sees the tags by
// which it works.
func (a Access) player() Access {
	a.AccessKeyID += "NODE"
	return a
}

// Environment are the variables by which ecideck, ecideck-node and the vendor's SDKs find
// the emulated cloud.
func (a Access) Environment() []string {
	return []string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID=" + a.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + a.AccessKeySecret,
		fmt.Sprintf("ECIDECK_ECI_ENDPOINT=%s://%s", a.Scheme, a.Endpoint),
		"ECIDECK_REGION=" + a.Region,
	}
}
