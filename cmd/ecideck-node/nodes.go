package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// each are the flags of every node that this process serves: copies that differ in name,
// vSwitches, zone and kubelet port. Without --node it is the one node of the other flags.
func (f *flags) each() ([]*flags, error) {
	if len(f.nodes) == 0 {
		return []*flags{f}, nil
	}
	if len(f.vswitches) > 0 || f.zone != "" {
		return nil, errors.New("--node takes the place of --vswitch-ids and --zone: give each node its own")
	}
	var all []*flags
	for i, text := range f.nodes {
		n := *f
		n.nodeName, n.vswitches, n.nodes, n.listen = "", nil, nil, ""
		if err := n.readNode(text); err != nil {
			return nil, fmt.Errorf("--node %q: %w", text, err)
		}
		if n.listen == "" {
			host, port, err := net.SplitHostPort(f.listen)
			number, bad := strconv.Atoi(port)
			if err != nil || bad != nil {
				return nil, fmt.Errorf("--listen %q: give address:port", f.listen)
			}
			if number != 0 {
				number += i
			}
			n.listen = net.JoinHostPort(host, strconv.Itoa(number))
		}
		for _, o := range all {
			_, port, _ := net.SplitHostPort(n.listen)
			switch {
			case o.nodeName == n.nodeName:
				return nil, fmt.Errorf("--node: two are named %s", n.nodeName)
			case o.listen == n.listen && port != "0":
				return nil, fmt.Errorf("--node: %s and %s have the same kubelet port %s", o.nodeName, n.nodeName, n.listen)
			}
		}
		all = append(all, &n)
	}
	return all, nil
}

// readNode takes one value of --node.
func (f *flags) readNode(text string) error {
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return fmt.Errorf("%q is not key=value", part)
		}
		switch key {
		case "name":
			f.nodeName = value
		case "vswitch":
			f.vswitches = append(f.vswitches, value)
		case "zone":
			f.zone = value
		case "listen":
			f.listen = value
		default:
			return fmt.Errorf("there is no %s: use name, vswitch, zone and listen", key)
		}
	}
	switch {
	case f.nodeName == "":
		return errors.New("it has no name")
	case len(f.vswitches) == 0:
		return errors.New("it has no vswitch")
	case len(f.vswitches) > 10:
		return fmt.Errorf("ECI takes at most 10 vSwitches, these are %d", len(f.vswitches))
	}
	if problems := validation.IsDNS1123Subdomain(f.nodeName); len(problems) > 0 {
		return fmt.Errorf("the name %s: %w", f.nodeName, errors.New(strings.Join(problems, "; ")))
	}
	slices.Sort(f.vswitches)
	f.vswitches = slices.Compact(f.vswitches)
	return nil
}
