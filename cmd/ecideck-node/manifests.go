package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/ecideck/ecideck/provider/burst"
)

//go:embed manifests.yaml
var manifestsYAML string

// manifests are what the installation's YAML is filled with.
type manifests struct {
	Image, Namespace, Version                  string
	Region, VSwitches, SecurityGroup, NodeName string
	ClusterDNS, APIServer                      string
	ServiceNetwork, ProxyImage, ProbeImage     string
	Admission                                  string
	Burst, BurstMaxRate                        string
	BurstMaxPods                               int
}

// Policies are the admission policies, without the line's end that they come with.
func (m manifests) Policies() string { return strings.TrimSpace(burst.AdmissionPolicies()) }

func manifestsCommand() *cobra.Command {
	m := manifests{Version: version()}
	c := &cobra.Command{
		Use:   "manifests --image IMAGE --region REGION --vswitch-ids ID[,ID…] --security-group-id ID",
		Short: "Print what installs ecideck-node into a cluster",
		Long: `Prints a namespace, the rights that the node needs and no more, its settings, a Deployment of
two (one serves, the other stands by), a PodDisruptionBudget, and two admission policies: one
sends pods that are marked for ECI only there when they are created, one keeps DaemonSets on
real nodes. For kubectl apply -f -. Servers before Kubernetes 1.36 don't have policies: use
--admission=webhook there, which ecideck-node serves.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return m.print(c.OutOrStdout()) },
	}
	s := c.Flags()
	s.StringVar(&m.Image, "image", "", "image that holds ecideck-node (required)")
	s.StringVar(&m.Namespace, "namespace", "ecideck", "namespace to install into")
	s.StringVar(&m.Region, "region", "", "ECI region, such as cn-hangzhou (required)")
	s.StringVar(&m.VSwitches, "vswitch-ids", "", "vSwitches for new groups, comma-separated (required)")
	s.StringVar(&m.SecurityGroup, "security-group-id", "", "security group of new groups (required)")
	s.StringVar(&m.NodeName, "node-name", "", "name of the node (default virtual-kubelet-<region>)")
	s.StringVar(&m.ClusterDNS, "cluster-dns", "", "DNS servers of the cluster that the vSwitches can reach, comma-separated")
	s.StringVar(&m.APIServer, "apiserver-address", "", "host:port of the API server as groups reach it")
	s.StringVar(&m.ServiceNetwork, "service-network", "none", "how pods on ECI reach ClusterIPs: none, sidecar or routes")
	s.StringVar(&m.ProxyImage, "kube-proxy-image", "", "with --service-network=sidecar: image of kube-proxy, of the cluster's version, that ECI can pull")
	s.StringVar(&m.ProbeImage, "network-probe-image", "", "image with sh, nc and nslookup that ECI can pull (default: busybox of the region's public registry)")
	s.StringVar(&m.Admission, "admission", "policy", "how pods for ECI only are sent there at creation: policy (Kubernetes 1.36), webhook, or none (ecideck-node then binds them, if it is faster than the scheduler)")
	s.StringVar(&m.Burst, "burst", string(burst.Marked), "which pods may run on ECI when real nodes are full: marked, all or off")
	s.IntVar(&m.BurstMaxPods, "burst-max-pods", -1, "most pods on ECI by bursting at the same time; less than 0: no limit")
	s.StringVar(&m.BurstMaxRate, "burst-max-rate", "", "most that bursts may cost an hour by the list prices, such as '12.5 CNY'; empty: no limit")
	return c
}

// print writes the YAML.
func (m manifests) print(out io.Writer) error {
	for _, required := range []struct{ flag, value string }{
		{"--image", m.Image}, {"--region", m.Region}, {"--vswitch-ids", m.VSwitches}, {"--security-group-id", m.SecurityGroup},
	} {
		if required.value == "" {
			return fmt.Errorf("%s is missing: the virtual node can't run without it", required.flag)
		}
	}
	if m.NodeName == "" {
		m.NodeName = "virtual-kubelet-" + m.Region
	}
	if problems := validation.IsDNS1123Label(m.Namespace); len(problems) > 0 {
		return fmt.Errorf("--namespace %q: %w", m.Namespace, errors.New(strings.Join(problems, "; ")))
	}
	if problems := validation.IsDNS1123Subdomain(m.NodeName); len(problems) > 0 {
		return fmt.Errorf("--node-name %q: %w", m.NodeName, errors.New(strings.Join(problems, "; ")))
	}
	switch m.Admission {
	case "policy", "webhook", "none":
	default:
		return fmt.Errorf("--admission %q: use policy, webhook or none", m.Admission)
	}
	network := flags{serviceNetwork: m.ServiceNetwork, proxyImage: m.ProxyImage, apiserver: m.APIServer}
	if err := network.completeNetwork(); err != nil {
		return err
	}
	m.ServiceNetwork = network.serviceNetwork
	if _, err := (&flags{burst: m.Burst, burstMaxRate: m.BurstMaxRate}).bursts(); err != nil {
		return err
	}
	// A quoted Go string is a quoted YAML string.
	text, err := template.New("manifests").Funcs(template.FuncMap{"quote": func(v any) string { return strconv.Quote(fmt.Sprint(v)) }}).Parse(manifestsYAML)
	if err != nil {
		return fmt.Errorf("reading the built-in manifests: %w", err)
	}
	if err := text.Execute(out, m); err != nil {
		return fmt.Errorf("writing the manifests: %w", err)
	}
	return nil
}
