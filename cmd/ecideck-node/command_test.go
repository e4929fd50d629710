package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/ecideck/ecideck/provider"
)

func TestWrongFlagsAreRefusedWithARemedy(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--tls-cert-file=a", "go together"},
		{"--schedule-strategy=x", "VSwitchOrdered"},
		{"--eci-profile=eci-profile", "namespace/name"},
		{"--cpu=many", "--cpu"},
		{"--memory-per-cpu=-8Gi", "--memory-per-cpu"},
		{"--apiserver-address=host", "host:port"},
		{"--apiserver-address=https://10.0.0.5:6443", "host:port"},
		{"--apiserver-address=10.0.0.5:", "host:port"},
		{"--cluster-dns=kube-dns", "not an IP address"},
		{"--node-ip=node", "not an IP address"},
		{"--vswitch-ids=" + strings.Repeat("v,", 10) + "v", "at most 10"},
		{"--serving-certificate=none", "self-signed or csr"},
		{"--leader-elect-lease-duration=100ms", "at least 1s"},
		{"--leader-elect-renew-deadline=30s", "less than the lease"},
		{"--leader-elect-retry-period=19s", "--leader-elect-retry-period"},
		{"--log-level=loud", "debug, info, warn or error"},
		{"--log-format=xml", "text or json"},
		{"extra", "extra"},
	} {
		t.Run(c.args, func(t *testing.T) {
			command := command()
			command.SetArgs([]string{c.args})
			command.SetOut(io.Discard)
			command.SetErr(io.Discard)
			if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNoFlagTakesACredential(t *testing.T) {
	command().Flags().VisitAll(func(f *pflag.Flag) {
		if strings.Contains(f.Name, "secret") || strings.Contains(f.Name, "access-key") {
			t.Errorf("--%s would be shown by ps", f.Name)
		}
	})
}

func TestTheNodeIsNamedAfterItsRegion(t *testing.T) {
	f := &flags{region: "cn-hangzhou", servingCertificate: "csr", cpu: "1", memory: "1", pods: "1", pace: usual()}
	if err := f.complete(); err != nil || f.nodeName != "virtual-kubelet-cn-hangzhou" {
		t.Errorf("%q, %v", f.nodeName, err)
	}
}

// TestTheNodeSaysItsGroupsCluster: the console takes groups with another id for another cluster's.
func TestTheNodeSaysItsGroupsCluster(t *testing.T) {
	f := &flags{region: "cn-hangzhou", servingCertificate: "csr", cpu: "1", memory: "1", pods: "1", pace: usual(), clusterID: "mine"}
	if err := f.complete(); err != nil {
		t.Fatal(err)
	}
	node := provider.Node(f.nodeSpec(&net.TCPAddr{Port: 10250}), nil, time.Time{}, time.Now())
	if got := node.Annotations[provider.AnnotationClusterID]; got != "mine" {
		t.Errorf("it says %q", got)
	}
}

func TestTheFlagsOfComingHome(t *testing.T) {
	for _, c := range []struct {
		f    flags
		fail string
	}{
		{flags{returns: "marked"}, ""},
		{flags{returns: "all", returnHours: "22:00-06:00", returnMinSaving: "0.5 CNY"}, ""},
		{flags{returns: "off"}, ""},
		{flags{returns: "some"}, "--return"},
		{flags{returns: "all", returnHours: "night"}, "--return-hours"},
		{flags{returns: "all", returnMinSaving: "much"}, "--return-min-saving"},
	} {
		p, err := c.f.returnPolicy()
		if (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%+v: %v", c.f, err)
		}
		if err == nil && (p.All != (c.f.returns == "all") || p.Off != (c.f.returns == "off") || p.MinSaving.Known() != (c.f.returnMinSaving != "")) {
			t.Errorf("%+v: %+v", c.f, p)
		}
	}
}
