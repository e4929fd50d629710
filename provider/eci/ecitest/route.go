package ecitest

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Route says what containers reach. The emulator has no network: the commands nslookup,
// nc, curl and wget answer by the routes. The last route that fits decides; without one a
// group reaches its VPC (172.16.0.0/12) and the cloud's own services (100.64.0.0/10), and
// nothing else: no ClusterIP, no overlay, nothing outside.
type Route struct {
	VSwitch string `json:"vSwitch,omitempty"` // "": of all
	// To is a CIDR, an address or a host name, with or without a port (10.0.0.1:6443).
	To        string `json:"to"`
	Reachable bool   `json:"reachable"`
}

// split is the route's destination and port; port 0: any.
func (r Route) split() (to string, port int) {
	host, p, err := net.SplitHostPort(r.To)
	if err != nil {
		return r.To, 0
	}
	if port, err = strconv.Atoi(p); err != nil {
		return r.To, 0
	}
	return host, port
}

func (r Route) fits(vswitch, host string, port int) bool {
	to, p := r.split()
	if r.VSwitch != "" && r.VSwitch != vswitch || p != 0 && p != port {
		return false
	}
	return inside(to, host)
}

// inside reports that a host is the one named, or an address within a CIDR.
func inside(to, host string) bool {
	if to == host {
		return true
	}
	prefix, err := netip.ParsePrefix(to)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err == nil && prefix.Contains(address)
}

// SetRoutes replaces the routes, at any time.
func (e *Emulator) SetRoutes(routes []Route) error {
	for _, r := range routes {
		to, _ := r.split()
		if _, err := netip.ParsePrefix(to); to == "" || strings.Contains(to, "/") && err != nil {
			return fmt.Errorf("route to %q: want a CIDR, an address or a host name, with or without a port", r.To)
		}
		if _, ok := e.options.VSwitches[r.VSwitch]; r.VSwitch != "" && !ok {
			return fmt.Errorf("route to %s: no vSwitch %q here", r.To, r.VSwitch)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.routes = slices.Clone(routes)
	e.changed()
	return nil
}

// Routes are those that were set.
func (e *Emulator) Routes() []Route {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Route{}, e.routes...)
}

// reaches reports that a vSwitch's groups reach a host's port by the routes.
func reaches(routes []Route, vswitch, host string, port int) bool {
	for _, r := range slices.Backward(routes) {
		if r.fits(vswitch, host, port) {
			return r.Reachable
		}
	}
	return inside("172.16.0.0/12", host) || inside("100.64.0.0/10", host)
}

// reaches is what the command's own group reaches: by the routes, and ClusterIPs with a
// kube-proxy beside it.
func (x *execution) reaches(host string, port int) bool {
	if reaches(x.routes, x.vswitch, host, port) {
		return true
	}
	return x.services != "" && inside(x.services, host)
}

// proxied reports that a kube-proxy runs in the group that can do its work: it may change the
// group's network, and reaches the API server that its kubeconfig names.
func (e *Emulator) proxied(g *group, now time.Time) bool {
	for i := range g.Containers {
		c := &g.Containers[i]
		if len(c.Command) == 0 || path.Base(c.Command[0]) != "kube-proxy" {
			continue
		}
		_, r := g.container(c.Name, g.at(now, e.timing))
		admin := false
		for key, value := range c.Given {
			admin = admin || strings.HasPrefix(key, "SecurityContext.Capability.Add.") && value == "NET_ADMIN"
		}
		if r.state.name != "Running" || !admin {
			continue
		}
		for _, word := range append(slices.Clone(c.Command), c.Args...) {
			file, ok := strings.CutPrefix(word, "--kubeconfig=")
			if !ok {
				continue
			}
			raw, err := e.filesOf(g, c, r.state.started).read(file)
			if err != nil {
				return false
			}
			server := regexp.MustCompile(`https://[^"\s]+`).FindString(string(raw))
			u, err := url.Parse(server)
			if err != nil || u.Host == "" {
				return false
			}
			port, err := strconv.Atoi(u.Port())
			if err != nil {
				port = 443
			}
			return reaches(e.routes, g.VSwitch, u.Hostname(), port)
		}
	}
	return false
}

// nslookup answers for NAME, or NAME SERVER; the address is made of the name.
func (x *execution) nslookup(args []string) (string, int) {
	if len(args) == 0 {
		return "usage: nslookup NAME [SERVER]\n", 1
	}
	server := x.resolver
	if len(args) > 1 {
		server = args[1]
	}
	if !x.reaches(server, 53) {
		return ";; connection timed out; no servers could be reached\n", 1
	}
	sum := digest(args[0])
	last, err := strconv.ParseUint(sum[:2], 16, 8)
	if err != nil {
		return err.Error() + "\n", 1
	}
	return fmt.Sprintf("Server:\t\t%s\nAddress:\t%s:53\n\nName:\t%s\nAddress: 10.96.0.%d\n", server, server, args[0], last), 0
}

// connect is nc with HOST and PORT at the end.
func (x *execution) connect(args []string) (string, int) {
	if len(args) < 2 {
		return "usage: nc [-z] [-v] [-w SECONDS] HOST PORT\n", 1
	}
	host, given := args[len(args)-2], args[len(args)-1]
	port, err := strconv.Atoi(given)
	if err != nil {
		return "nc: bad port '" + given + "'\n", 1
	}
	if !x.reaches(host, port) {
		return fmt.Sprintf("nc: connect to %s port %d: Connection timed out\n", host, port), 1
	}
	return fmt.Sprintf("%s (%s:%d) open\n", host, host, port), 0
}

// get is curl and wget: the first word that is a URL is asked for.
func (x *execution) get(name string, args []string) (string, int) {
	for _, arg := range args {
		u, err := url.Parse(arg)
		if err != nil || u.Host == "" {
			continue
		}
		port := 80
		if u.Scheme == "https" {
			port = 443
		}
		if p, err := strconv.Atoi(u.Port()); err == nil {
			port = p
		}
		switch {
		case x.reaches(u.Hostname(), port):
			return "ok\n", 0
		case name == "curl":
			return fmt.Sprintf("curl: (28) Failed to connect to %s port %d: Connection timed out\n", u.Hostname(), port), 28
		}
		return "wget: download timed out\n", 1
	}
	return name + ": no URL specified\n", 2
}
