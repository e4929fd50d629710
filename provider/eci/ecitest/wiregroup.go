package ecitest

import (
	"strconv"
	"strings"
)

type wireDNS struct {
	NameServers, Searches []string
	Options               []wireOption
}

type wireOption struct{ Name, Value string }

type wireAlias struct {
	Ip        string
	Hostnames []string
}

type wireSecurity struct{ Sysctls []wireOption }

type wireContainerSecurity struct {
	Capability             struct{ Adds []string }
	RunAsUser              int64
	ReadOnlyRootFilesystem bool
}

type wireProbe struct {
	Execs     []string       `json:",omitempty"`
	HttpGet   *wireHTTPGet   `json:",omitempty"`
	TcpSocket *wireTCPSocket `json:",omitempty"`

	InitialDelaySeconds, PeriodSeconds, TimeoutSeconds, SuccessThreshold, FailureThreshold int
}

type wireHTTPGet struct {
	Path, Scheme string
	Port         int
}

type wireTCPSocket struct {
	Host string `json:",omitempty"`
	Port int
}

// given picks the parameters that are only answered again: their names begin with one of the
// prefixes after a common one, which is cut off.
func (c *call) given(common string, prefixes ...string) map[string]string {
	params := map[string]string{}
	for name, value := range c.params {
		rest, ok := strings.CutPrefix(name, common)
		if !ok {
			continue
		}
		for _, prefix := range prefixes {
			if strings.HasPrefix(rest, prefix) {
				params[rest] = value
			}
		}
	}
	return params
}

func (c *call) options(list string) []wireOption {
	options := []wireOption{}
	for i := range c.count(list) {
		prefix := list + "." + strconv.Itoa(i+1) + "."
		options = append(options, wireOption{c.params[prefix+"Name"], c.params[prefix+"Value"]})
	}
	return options
}

// wireGiven sets what the group was given and nothing here uses.
func (g *group) wireGiven(w *wireGroup) {
	c := &call{params: g.Given}
	if c.hasPrefix("DnsConfig.") {
		w.DnsConfig = &wireDNS{c.list("DnsConfig.NameServer"), c.list("DnsConfig.Search"), c.options("DnsConfig.Option")}
	}
	if c.hasPrefix("SecurityContext.") {
		w.EciSecurityContext = &wireSecurity{c.options("SecurityContext.Sysctl")}
	}
	for i := range c.count("HostAliase") {
		prefix := "HostAliase." + strconv.Itoa(i+1) + "."
		w.HostAliases = append(w.HostAliases, wireAlias{c.params[prefix+"Ip"], c.list(prefix + "Hostname")})
	}
}

func (x *container) wireGiven(w *wireContainer) {
	c := &call{params: x.Given}
	w.ReadinessProbe, w.LivenessProbe = c.probe("ReadinessProbe."), c.probe("LivenessProbe.")
	if c.hasPrefix("SecurityContext.") {
		w.SecurityContext = &wireContainerSecurity{RunAsUser: int64(c.integer("SecurityContext.RunAsUser")), ReadOnlyRootFilesystem: c.boolean("SecurityContext.ReadOnlyRootFilesystem")}
		w.SecurityContext.Capability.Adds = append([]string{}, c.list("SecurityContext.Capability.Add")...)
	}
}

// probe is one of a container's with the defaults that the vendor documents; nil: none.
func (c *call) probe(prefix string) *wireProbe {
	if !c.hasPrefix(prefix) {
		return nil
	}
	or := func(name string, otherwise int) int {
		if _, ok := c.params[prefix+name]; ok {
			return c.integer(prefix + name)
		}
		return otherwise
	}
	w := &wireProbe{Execs: c.list(prefix + "Exec.Command"), InitialDelaySeconds: or("InitialDelaySeconds", 0), PeriodSeconds: or("PeriodSeconds", 10),
		TimeoutSeconds: or("TimeoutSeconds", 1), SuccessThreshold: or("SuccessThreshold", 1), FailureThreshold: or("FailureThreshold", 3)}
	if c.hasPrefix(prefix + "HttpGet.") {
		w.HttpGet = &wireHTTPGet{c.params[prefix+"HttpGet.Path"], c.params[prefix+"HttpGet.Scheme"], c.integer(prefix + "HttpGet.Port")}
	}
	if c.hasPrefix(prefix + "TcpSocket.") {
		w.TcpSocket = &wireTCPSocket{Port: c.integer(prefix + "TcpSocket.Port")}
	}
	return w
}
