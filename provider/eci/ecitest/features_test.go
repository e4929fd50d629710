package ecitest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestWhatCreatingIsRefusedFor(t *testing.T) {
	many := func(n int, params ...string) []string {
		var all []string
		for i := range n {
			for j, p := range params {
				if j%2 == 0 {
					p = fmt.Sprintf(p, i+1)
				}
				all = append(all, p)
			}
		}
		return all
	}
	e := ecitest.New(ecitest.Options{SecurityGroups: map[string]string{"sg-1": "", "sg-other": "vpc-other"}, IPv6VSwitches: []string{"vsw-i"}})
	a := newAsker(t, e)
	for _, test := range []struct {
		code   string
		params []string
	}{
		{"", []string{"SecurityGroupId", "sg-1", "VSwitchId", "vsw-i", "Ipv6AddressCount", "1", "ComputeCategory.1", "economy", "PrivateIpAddress", "10.0.0.9"}},
		{"PrivateIpAddress.Already.InUse", []string{"PrivateIpAddress", "10.0.0.9"}},
		{"InvalidSecurityGroupId.NotFound", []string{"SecurityGroupId", "sg-none"}},
		{"OperationDenied.SecurityGroupMisMatch", []string{"SecurityGroupId", "sg-1,sg-other"}},
		{"InvalidParameter", []string{"SecurityGroupId", "a,b,c,d,e,f"}},
		{"Ipv6AddressNotSupportVsw", []string{"VSwitchId", "vsw-h", "Ipv6AddressCount", "1"}},
		{"InvalidParameter", []string{"Ipv6AddressCount", "2"}},
		{"OperationDenied.VswZoneMisMatch", []string{"VSwitchId", "vsw-h", "ZoneId", "cn-hangzhou-i"}},
		{"FeatureBasedConstraintConflict", []string{"ComputeCategory.1", "economy", "Cpu", "16", "Memory", "32"}},
		{"FeatureBasedConstraintConflict", []string{"ComputeCategory.1", "economy", "InstanceType", "ecs.c6.large"}},
		{"FeatureBasedConstraintConflict", []string{"ComputeCategory.1", "economy", "CpuArchitecture", "ARM64"}},
		{"InvalidParameter", []string{"ComputeCategory.1", "cheap"}},
		{"InstanceTypeNotMatchCpuArch", []string{"CpuArchitecture", "ARM64", "InstanceType", "ecs.c6.large"}},
		{"InstanceTypeNotMatchCpuArch", []string{"InstanceType", "ecs.c8y.large"}},
		{"InvalidParameter.CPU.Memory", []string{"Cpu", "65", "Memory", "4"}},
		{"InvalidParameter.DuplicatedName", []string{"Container.2.Name", "main", "Container.2.Image", "x"}},
		{"InvalidParameter.DuplicatedVolumeName", many(2, "Volume.%d.Name", "v", "Volume.%d.Type", "EmptyDirVolume")},
		{"InvalidParameter", []string{"Volume.1.Name", "v", "Volume.1.Type", "EmptyDirVolume", "Volume.1.EmptyDirVolume.Medium", "Tape"}},
		{"InvalidParameter", []string{"Container.1.ImagePullPolicy", "Sometimes"}},
		{"InvalidParameter", []string{"Container.1.Port.1.Port", "80", "Container.1.Port.1.Protocol", "SCTP"}},
		{"InvalidParameter", []string{"Container.1.SecurityContext.Capability.Add.1", "SYS_ADMIN"}},
		{"InvalidParameter.ValueExceeded", []string{"Container.1.EnvironmentVar.242.Key", "A"}},
		{"InvalidParameter.ValueExceeded", []string{"DnsConfig.NameServer.21", "10.0.0.1"}},
		{"InvalidParameter", many(21, "Container.%d.Name", "c", "Container.%d.Image", "x")},
		{"InvalidParameter.ValueExceeded", []string{"EphemeralStorage", "5001"}},
	} {
		params := append([]string{"ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve"}, test.params...)
		if test.code == "" {
			a.ok("CreateContainerGroup", params...)
			continue
		}
		a.refused(test.code, "CreateContainerGroup", params...)
	}
	row := dig(a.ok("DescribeContainerGroups"), "ContainerGroups", 0)
	same(t, "IPv6 address", dig(row, "Ipv6Address"), any("2408:4005:0::1"))
}

func TestAGroupIsAnsweredAsItWasAskedFor(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	a.ok("CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve",
		"DnsPolicy", "None", "DnsConfig.NameServer.1", "10.0.0.10", "DnsConfig.Search.1", "a.b", "DnsConfig.Option.1.Name", "ndots", "DnsConfig.Option.1.Value", "5",
		"HostAliase.1.Ip", "1.2.3.4", "HostAliase.1.Hostname.1", "h", "SecurityContext.Sysctl.1.Name", "net.core.somaxconn", "SecurityContext.Sysctl.1.Value", "1024",
		"Container.1.LivenessProbe.Exec.Command.1", "cat", "Container.1.LivenessProbe.PeriodSeconds", "7", "Container.1.ReadinessProbe.HttpGet.Port", "80",
		"Container.1.SecurityContext.RunAsUser", "1000", "Container.1.SecurityContext.Capability.Add.1", "NET_ADMIN",
		"Volume.1.Name", "v", "Volume.1.Type", "NFSVolume", "Volume.1.NFSVolume.Server", "nas", "Volume.1.NFSVolume.Path", "/")
	row := dig(a.ok("DescribeContainerGroups"), "ContainerGroups", 0)
	for _, test := range []struct {
		path []any
		want any
	}{
		{[]any{"DnsConfig", "NameServers", 0}, "10.0.0.10"},
		{[]any{"DnsConfig", "Options", 0, "Value"}, "5"},
		{[]any{"HostAliases", 0, "Hostnames", 0}, "h"},
		{[]any{"EciSecurityContext", "Sysctls", 0, "Name"}, "net.core.somaxconn"},
		{[]any{"Containers", 0, "LivenessProbe", "Execs", 0}, "cat"},
		{[]any{"Containers", 0, "LivenessProbe", "PeriodSeconds"}, 7.0},
		{[]any{"Containers", 0, "LivenessProbe", "FailureThreshold"}, 3.0},
		{[]any{"Containers", 0, "ReadinessProbe", "HttpGet", "Port"}, 80.0},
		{[]any{"Containers", 0, "SecurityContext", "RunAsUser"}, 1000.0},
		{[]any{"Containers", 0, "SecurityContext", "Capability", "Adds", 0}, "NET_ADMIN"},
		{[]any{"Volumes", 0, "NFSVolumeServer"}, "nas"},
	} {
		same(t, fmt.Sprint(test.path), dig(row, test.path...), test.want)
	}
	w.pass(time.Minute)
	for _, path := range [][]any{{"Reason"}, {"reason"}} {
		event := dig(a.ok("DescribeContainerGroupEvents"), "Data", 0, "Events", 0)
		same(t, fmt.Sprint(path), dig(event, path...), any("Pulling"))
	}
}

func TestThePagesOfTags(t *testing.T) {
	w := newWorld(t)
	a := newAsker(t, w.Emulator)
	for i := range 30 {
		if _, err := w.Seed(ecitest.SeedGroup{Name: fmt.Sprint("g", i), Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
			t.Fatal(err)
		}
	}
	first := a.ok("ListTagResources", "ResourceType", "ContainerGroup")
	same(t, "tags of the first page", len(dig(first, "TagResources").([]any)), 50)
	token, _ := first["NextToken"].(string)
	second := a.ok("ListTagResources", "ResourceType", "ContainerGroup", "NextToken", token)
	same(t, "tags of the second page", len(dig(second, "TagResources").([]any)), 10)
	same(t, "no third page", second["NextToken"], any(""))
	a.refused("InvalidParameter", "ListTagResources", "ResourceType", "ContainerGroup", "NextToken", "x")
}
