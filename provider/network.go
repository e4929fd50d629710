package provider

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// maxResolver is how many servers, searches and options each the group's resolver takes.
// CreateContainerGroup, DnsConfig.
const maxResolver = 20

// network fills in the name, the resolver and /etc/hosts. ECI knows the policies None and
// Default only, so ClusterFirst becomes None with the cluster's servers and searches;
// without --cluster-dns it is the VPC's resolver, which the node says once. own: an
// annotation has set the resolver, and nothing is added to it.
func (b *builder) network(req *eci.CreateRequest, own bool) error {
	spec := &b.pod.Spec
	req.HostName = placement.Hostname(b.pod, b.where.ClusterDomain)
	for _, alias := range spec.HostAliases {
		req.HostAliase = append(req.HostAliase, eci.HostAlias{Ip: alias.IP, Hostname: alias.Hostnames})
	}

	if own {
		req.DnsPolicy = string(corev1.DNSNone)
		return nil
	}
	dns := &eci.DNSConfig{}
	req.DnsPolicy = string(corev1.DNSDefault)
	switch spec.DNSPolicy {
	case corev1.DNSNone:
		req.DnsPolicy = string(corev1.DNSNone)
	case corev1.DNSDefault:
	default: // ClusterFirst and ClusterFirstWithHostNet, which means the same here
		if len(b.where.ClusterDNS) > 0 {
			domain := b.where.ClusterDomain
			req.DnsPolicy = string(corev1.DNSNone)
			dns.NameServer = append(dns.NameServer, b.where.ClusterDNS...)
			dns.Search = []string{b.pod.Namespace + ".svc." + domain, "svc." + domain, domain}
			dns.Option = []eci.DNSOption{{Name: "ndots", Value: "5"}}
		}
	}
	if extra := spec.DNSConfig; extra != nil {
		dns.NameServer = append(dns.NameServer, extra.Nameservers...)
		dns.Search = append(dns.Search, extra.Searches...)
		for _, option := range extra.Options {
			value := ""
			if option.Value != nil {
				value = *option.Value
			}
			dns.Option = setOption(dns.Option, eci.DNSOption{Name: option.Name, Value: value})
		}
	}
	if len(dns.NameServer)+len(dns.Search)+len(dns.Option) > 0 {
		req.DnsConfig = dns
	}
	if n := max(len(dns.NameServer), len(dns.Search), len(dns.Option)); n > maxResolver {
		return &Refusal{Field: "spec.dnsConfig", Reason: fmt.Sprintf("%d entries with the cluster's own, and ECI takes %d", n, maxResolver), Remedy: "name fewer"}
	}
	return nil
}

// setOption lets a later option replace an earlier one of the same name, as the kubelet does.
func setOption(options []eci.DNSOption, option eci.DNSOption) []eci.DNSOption {
	for i := range options {
		if options[i].Name == option.Name {
			options[i] = option
			return options
		}
	}
	return append(options, option)
}

// registryLogin is one entry of a docker config; auth is base64 of user:password.
type registryLogin struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Auth     string `json:"auth"`
}

// registryCredentials reads the pod's imagePullSecrets in both forms. As on a real node a
// missing secret is no error: the image may be public.
func (b *builder) registryCredentials(req *eci.CreateRequest) error {
	for _, ref := range b.pod.Spec.ImagePullSecrets {
		secret := b.data.Secrets[ref.Name]
		if secret == nil {
			b.note("FailedToRetrieveImagePullSecret", "image pull secret %q not found; images that need it can't be pulled", ref.Name)
			continue
		}
		logins, err := registryLogins(secret)
		if err != nil {
			b.note("InvalidImagePullSecret", "image pull secret %q can't be read as a docker config", ref.Name)
			continue
		}
		for _, server := range sortedKeys(logins) {
			login := logins[server]
			if login.Username == "" && login.Password == "" {
				if decoded, err := base64.StdEncoding.DecodeString(login.Auth); err == nil {
					login.Username, login.Password, _ = strings.Cut(string(decoded), ":")
				}
			}
			if login.Username == "" && login.Password == "" {
				b.note("InvalidImagePullSecret", "image pull secret %q has no user and password for %s; ECI takes no other login", ref.Name, registryHost(server))
				continue
			}
			req.ImageRegistryCredential = append(req.ImageRegistryCredential, eci.RegistryCredential{
				Server: registryHost(server), UserName: login.Username, Password: login.Password})
		}
	}
	if n := len(req.ImageRegistryCredential); n > maxCredentials {
		return &Refusal{Field: "spec.imagePullSecrets", Reason: "more than 11 registries, which is ECI's limit", Remedy: "name only the secrets that the pod's images need"}
	}
	return nil
}

// registryLogins decodes kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg.
func registryLogins(secret *corev1.Secret) (map[string]registryLogin, error) {
	if raw, ok := secret.Data[corev1.DockerConfigJsonKey]; ok {
		var config struct {
			Auths map[string]registryLogin `json:"auths"`
		}
		err := json.Unmarshal(raw, &config)
		return config.Auths, err
	}
	logins := map[string]registryLogin{}
	err := json.Unmarshal(secret.Data[corev1.DockerConfigKey], &logins)
	return logins, err
}

// registryHost is the host[:port] of a server as docker configs write it, such as
// https://index.docker.io/v1/.
func registryHost(server string) string {
	server = strings.TrimPrefix(strings.TrimPrefix(server, "https://"), "http://")
	host, _, _ := strings.Cut(server, "/")
	return host
}
