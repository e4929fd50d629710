package eci_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// everything is a request with every field that there is. ECI would refuse it: a group can't
// be spot and economy at once.
func everything() *eci.CreateRequest {
	r := fullRequest()
	r.InstanceType, r.ZoneId = "2-4Gi,ecs.c6.large", "cn-hangzhou-h"
	r.SpotStrategy, r.SpotPriceLimit, r.SpotDuration = "SpotWithPriceLimit", 0.125, ptr(int32(0))
	r.ComputeCategory, r.CpuArchitecture, r.GpuDriverVersion = []string{"economy", "general"}, "AMD64", "tesla=525.85.12"
	r.MaxPendingMinute, r.AutoMatchImageCache, r.ImageSnapshotId = 30, ptr(true), "imc-1"
	r.EipInstanceId, r.AutoCreateEip, r.EipBandwidth = "eip-1", ptr(false), 5
	r.NtpServer, r.PlainHttpRegistry, r.InsecureRegistry = []string{"100.100.5.1", "100.100.5.2"}, "registry.local:5000", "registry.local:5443"
	r.HostSecurityContext = &eci.GroupSecurityContext{Sysctl: []eci.Sysctl{{Name: "net.core.somaxconn", Value: "1024"}}}
	r.CorePattern, r.CpuOptionsCore, r.CpuOptionsThreadsPerCore = "/tmp/core", 2, 1
	r.EipISP, r.EipCommonBandwidthPackage = "BGP", "cbwp-1"
	r.Ipv6AddressCount, r.Ipv6GatewayBandwidthEnable, r.Ipv6GatewayBandwidth = 1, ptr(true), "100M"
	r.IngressBandwidth, r.EgressBandwidth = 40_000_000, 20_000_000
	r.PrivateIpAddress, r.FixedIp, r.FixedIpRetainHour = "10.0.0.9", "true", 48
	r.DataCacheBucket, r.DataCachePL, r.DataCacheProvisionedIops, r.DataCacheBurstingEnabled = "default", "PL1", 1000, ptr(true)
	r.AcrRegistryInfo = []eci.ACRRegistry{{InstanceId: "cri-1", InstanceName: "shop", RegionId: "cn-hangzhou", Domain: []string{"shop-registry.cn-hangzhou.cr.aliyuncs.com"},
		ArnService: "acs:ram::1:role/service", ArnUser: "acs:ram::1:role/user"}}
	c := &r.Container[0]
	c.Gpu = 1
	c.SecurityContextRunAsGroup, c.SecurityContextRunAsNonRoot, c.SecurityContextPrivileged = ptr(int64(1000)), ptr(true), ptr(false)
	for _, p := range []*eci.Probe{c.ReadinessProbe, c.LivenessProbe} {
		p.Exec = &eci.ExecProbe{Command: []string{"cat", "/tmp/ok"}}
		p.HttpGet, p.TcpSocket = &eci.HTTPGetProbe{Path: "/healthz", Port: 8080, Scheme: "HTTPS"}, &eci.TCPSocketProbe{Port: 8081}
		p.InitialDelaySeconds, p.PeriodSeconds, p.TimeoutSeconds = ptr(int32(1)), ptr(int32(2)), ptr(int32(3))
		p.SuccessThreshold, p.FailureThreshold = ptr(int32(1)), ptr(int32(5))
	}
	c.LifecyclePostStartHandlerExec = []string{"/bin/up"}
	c.LifecyclePostStartHandlerHttpGetHost, c.LifecyclePostStartHandlerHttpGetScheme = "127.0.0.1", "HTTP"
	c.LifecyclePostStartHandlerHttpGetHttpHeader = []eci.HTTPHeader{{Name: "X-Up", Value: "1"}}
	c.LifecyclePostStartHandlerTcpSocketHost, c.LifecyclePostStartHandlerTcpSocketPort = "127.0.0.1", 81
	c.LifecyclePreStopHandlerHttpGetHost, c.LifecyclePreStopHandlerHttpGetPath = "127.0.0.1", "/down"
	c.LifecyclePreStopHandlerHttpGetPort, c.LifecyclePreStopHandlerHttpGetScheme = 82, "HTTP"
	c.LifecyclePreStopHandlerHttpGetHttpHeader = []eci.HTTPHeader{{Name: "X-Down", Value: "1"}}
	c.LifecyclePreStopHandlerTcpSocketHost, c.LifecyclePreStopHandlerTcpSocketPort = "127.0.0.1", 83
	c.VolumeMount[0].MountPropagation = "HostToContainer"
	r.Volume[2].NFSVolume.ReadOnly = true

	i := &r.InitContainer[0]
	i.Cpu, i.Memory, i.Gpu, i.WorkingDir, i.ImagePullPolicy = 0.5, 1, 1, "/", "Always"
	i.Command, i.Arg = []string{"/bin/init"}, []string{"--once"}
	i.EnvironmentVar = append(i.EnvironmentVar, eci.EnvironmentVar{Key: "POD_IP", FieldRef: &eci.FieldRef{FieldPath: "status.podIP"}})
	i.Port = []eci.Port{{Port: 90, Protocol: "UDP"}}
	i.VolumeMount = []eci.VolumeMount{{Name: "tmp", MountPath: "/tmp", SubPath: "y", ReadOnly: true, MountPropagation: "None"}}
	i.SecurityContext = &eci.SecurityContext{Capability: &eci.Capability{Add: []string{"CHOWN"}}, RunAsUser: ptr(int64(1000)), ReadOnlyRootFilesystem: ptr(true)}
	i.TerminationMessagePath, i.TerminationMessagePolicy = "/dev/termination-log", "File"
	return r
}

type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_, err := io.WriteString(w, `{"ContainerGroupId":"eci-1"}`)
	return w.Result(), err
}

func TestARequestWithEverythingOnTheWire(t *testing.T) {
	e := ecitest.New(ecitest.Options{})
	r := &recorder{base: accepting{}}
	c := newClient(t, e, func(o *eci.Options) { o.Transport = r })
	if _, err := c.CreateGroup(t.Context(), everything()); err != nil {
		t.Fatal(err)
	}
	schema, err := ecitest.LoadSchema()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	sent := map[string]bool{}
	position := regexp.MustCompile(`\.\d+`)
	for name, values := range r.forms[0] {
		lines = append(lines, fmt.Sprintf("%s=%s\n", name, strings.Join(values, "|")))
		sent[position.ReplaceAllString(name, ".N")] = true
		if err := schema.Check("CreateContainerGroup", name, values[0]); err != nil {
			t.Error(err)
		}
	}
	for _, name := range eci.ParametersOf(reflect.TypeFor[eci.CreateRequest]()) {
		if !sent[name] {
			t.Errorf("%s isn't sent: set it in everything()", name)
		}
	}
	slices.Sort(lines)
	golden(t, "create-everything.txt", strings.Join(lines, ""))
}
