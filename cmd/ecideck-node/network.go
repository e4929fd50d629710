package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider"
)

// proxyAccount is the service account whose token the kube-proxy of a group has; the manifests
// make it where this program runs.
const proxyAccount = "ecideck-kube-proxy"

// completeNetwork refuses what can't be among the flags of the groups' network.
func (f *flags) completeNetwork() error {
	f.serviceNetwork = cmp.Or(f.serviceNetwork, string(provider.ServicesNone))
	switch provider.ServiceNetwork(f.serviceNetwork) {
	case provider.ServicesNone, provider.ServicesRoutes:
	case provider.ServicesSidecar:
		if f.proxyImage == "" {
			return errors.New("--service-network=sidecar needs --kube-proxy-image: an image of kube-proxy, of the cluster's version, that ECI can pull")
		}
		if f.apiserver == "" {
			return errors.New("--service-network=sidecar needs --apiserver-address: kube-proxy asks the API server for the Services, and can't do so at a ClusterIP")
		}
	default:
		return fmt.Errorf("--service-network %q: use none, sidecar or routes", f.serviceNetwork)
	}
	return nil
}

// proxy is the kube-proxy of the groups, or nil.
func (f *flags) proxy() *provider.Proxy {
	if provider.ServiceNetwork(f.serviceNetwork) != provider.ServicesSidecar {
		return nil
	}
	cpu, _ := quantity(f.proxyCPU) // complete has refused what is none
	memory, _ := quantity(f.proxyMemory)
	return &provider.Proxy{Image: f.proxyImage, CPU: cpu, Memory: memory, Account: types.NamespacedName{Namespace: f.leaseNamespace, Name: proxyAccount}}
}

// checkAddresses refuses addresses that groups can't reach, as far as the cluster says so: a
// ClusterIP is dead in a group without a kube-proxy, and the API server's is dead for the
// kube-proxy itself.
func (f *flags) checkAddresses(ctx context.Context, client kubernetes.Interface, log *slog.Logger) error {
	if len(f.clusterDNS) == 0 {
		log.WarnContext(ctx, "no --cluster-dns: pods with dnsPolicy ClusterFirst get the VPC's DNS and do not resolve Services")
	}
	if f.apiserver == "" {
		log.WarnContext(ctx, "no --apiserver-address: pods on ECI look for the API server at its ClusterIP", "serviceNetwork", f.serviceNetwork)
	}
	host, _, _ := net.SplitHostPort(f.apiserver) // complete has refused what is none
	if len(f.clusterDNS) == 0 && host == "" {
		return nil
	}
	services, err := client.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		log.WarnContext(ctx, "it is not known whether --cluster-dns and --apiserver-address are ClusterIPs, which groups don't reach", "err", err)
		return nil
	}
	return checkClusterIPs(services.Items, provider.ServiceNetwork(f.serviceNetwork), f.clusterDNS, host)
}

func checkClusterIPs(services []corev1.Service, network provider.ServiceNetwork, dns []string, apiserver string) error {
	owner := func(address string) *corev1.Service {
		i := slices.IndexFunc(services, func(s corev1.Service) bool {
			return s.Spec.ClusterIP == address || slices.Contains(s.Spec.ClusterIPs, address)
		})
		if address == "" || i < 0 {
			return nil
		}
		return &services[i]
	}
	for _, address := range dns {
		if s := owner(address); s != nil && network == provider.ServicesNone {
			return fmt.Errorf("--cluster-dns %s is the ClusterIP of the Service %s/%s, which no group reaches with --service-network=none: "+
				"give addresses of DNS servers that the vSwitches reach (such as an internal load balancer before kube-dns, or NodeLocal DNS of a node), or choose --service-network=sidecar or routes",
				address, s.Namespace, s.Name)
		}
	}
	if s := owner(apiserver); s != nil && network != provider.ServicesRoutes {
		return fmt.Errorf("--apiserver-address %s is the ClusterIP of the Service %s/%s, which no group reaches by itself: give the address of the API server's load balancer in the VPC, or of a control plane node",
			apiserver, s.Namespace, s.Name)
	}
	return nil
}

// prober finds out what groups reach.
func (f *flags) prober(cloud provider.ProbeCloud, client kubernetes.Interface) provider.Prober {
	return provider.Prober{Cloud: cloud, Client: client, Placement: f.placement(), Services: provider.ServiceNetwork(f.serviceNetwork),
		Namespace: f.leaseNamespace, Image: f.probeImage, Registry: f.probeRegistry}
}

// networkWatch does so again and again; nil: the flags say never.
func (f *flags) networkWatch(cloud provider.ProbeCloud, client kubernetes.Interface) *provider.NetworkWatch {
	if f.probeEvery == 0 {
		return nil
	}
	return &provider.NetworkWatch{Prober: f.prober(cloud, client), Every: f.probeEvery, Override: f.ignoreNetwork}
}
