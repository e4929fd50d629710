package eci_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// A listing of 10,000 groups as the API answers it: every documented field that a pod of one
// container and one config file has. It is rendered before the clock starts and handed out
// without a socket, so that what is measured is the client alone.
const (
	benchGroups  = 10_000
	benchPerPage = 20
)

// pages hands out pre-rendered pages in turn.
type pages struct {
	bodies [][]byte
	next   int
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	body := p.bodies[p.next%len(p.bodies)]
	p.next++
	return &http.Response{StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}, nil
}

func benchGroup(i int) map[string]any {
	at := time.Date(2026, 11, 23, 9, 0, i%60, 0, time.UTC).Format(time.RFC3339)
	id, name := fmt.Sprintf("eci-bp1%017d", i), fmt.Sprintf("shop-web-7d9c8b6f5-%05d", i)
	variables := []map[string]any{}
	for k := range 6 {
		variables = append(variables, map[string]any{"Key": "SETTING_" + strconv.Itoa(k), "Value": "value of setting " + strconv.Itoa(k)})
	}
	variables = append(variables, map[string]any{"Key": "POD_IP", "ValueFrom": map[string]any{"FieldRef": map[string]any{"FieldPath": "status.podIP"}}})
	return map[string]any{
		"ContainerGroupId": id, "ContainerGroupName": name, "Status": "Running", "RegionId": "cn-hangzhou", "ZoneId": "cn-hangzhou-h",
		"VpcId": "vpc-bp1", "VSwitchId": "vsw-bp1", "SecurityGroupId": "sg-bp1", "ResourceGroupId": "rg-acf", "RamRoleName": "", "RestartPolicy": "Always",
		"Cpu": 2.0, "Memory": 4.0, "InstanceType": "", "ComputeCategory": "general", "Discount": 0, "SpotStrategy": "NoSpot", "SpotPriceLimit": 0.0, "EphemeralStorage": 0,
		"CreationTime": at, "EniInstanceId": "eni-bp1" + strconv.Itoa(i), "IntranetIp": fmt.Sprintf("172.16.%d.%d", i>>8&255, i&255), "InternetIp": "", "Ipv6Address": "",
		"DnsPolicy": "None", "DnsConfig": map[string]any{"NameServers": []string{"172.21.0.10"}, "Searches": []string{"shop.svc.cluster.local", "svc.cluster.local"}, "Options": []map[string]string{{"Name": "ndots", "Value": "5"}}},
		"EciSecurityContext": map[string]any{"Sysctls": []any{}}, "HostAliases": []any{}, "Events": []any{}, "InitContainers": []any{},
		"Tags": []map[string]string{{"Key": "ManagedBy", "Value": "ecideck"}, {"Key": "ClusterId", "Value": "0b6e5f0e-7f3a-4f7e-9d5b-1f0a"}, {"Key": "NodeName", "Value": "virtual-node-h"},
			{"Key": "NameSpace", "Value": "shop"}, {"Key": "PodName", "Value": name}, {"Key": "PodUID", "Value": fmt.Sprintf("5d0c9c4e-54f5-4b07-8f1c-%012d", i)}, {"Key": "Attempt", "Value": "1"}},
		"Containers": []map[string]any{{
			"Name": "web", "Image": "registry-vpc.cn-hangzhou.aliyuncs.com/shop/web:1.27.4", "ImagePullPolicy": "IfNotPresent", "Cpu": 2.0, "Memory": 4.0, "Gpu": 0, "WorkingDir": "/srv",
			"Commands": []string{"/bin/web"}, "Args": []string{"--listen=:8080"}, "Stdin": false, "StdinOnce": false, "Tty": false, "Ready": true, "RestartCount": 0,
			"EnvironmentVars": variables, "Ports": []map[string]any{{"Port": 8080, "Protocol": "TCP"}},
			"VolumeMounts":    []map[string]any{{"Name": "config", "MountPath": "/etc/web", "ReadOnly": true}, {"Name": "tmp", "MountPath": "/tmp", "ReadOnly": false}},
			"SecurityContext": map[string]any{"Capability": map[string]any{"Adds": []string{}}, "ReadOnlyRootFilesystem": true, "RunAsUser": 1000},
			"ReadinessProbe":  map[string]any{"HttpGet": map[string]any{"Path": "/ready", "Port": 8080, "Scheme": "HTTP"}, "InitialDelaySeconds": 0, "PeriodSeconds": 10, "TimeoutSeconds": 1, "SuccessThreshold": 1, "FailureThreshold": 3},
			"CurrentState":    map[string]any{"State": "Running", "DetailStatus": "working", "Reason": "Started", "StartTime": at}, "PreviousState": map[string]any{},
		}},
		"Volumes": []map[string]any{{"Name": "config", "Type": "ConfigFileVolume", "ConfigFileVolumeConfigFileToPaths": []map[string]string{{"Path": "web.conf", "Content": "bGlzdGVuIDgwODAKd29ya2VycyA0Cg=="}}},
			{"Name": "tmp", "Type": "EmptyDirVolume", "EmptyDirVolumeMedium": "", "EmptyDirVolumeSizeLimit": "256Mi"}},
	}
}

func benchPages(tb testing.TB, total int) [][]byte {
	var bodies [][]byte
	for first := 0; first < total; first += benchPerPage {
		page := map[string]any{"RequestId": "89945DD3-9072-47D0-A318-353284CFC7B3", "TotalCount": total}
		var groups []any
		for i := range benchPerPage {
			groups = append(groups, benchGroup(first+i))
		}
		page["ContainerGroups"] = groups
		if page["NextToken"] = ""; first+benchPerPage < total {
			page["NextToken"] = "after-" + strconv.Itoa(first)
		}
		body, err := json.Marshal(page)
		if err != nil {
			tb.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDescribeTenThousandGroups lists 500 pages; the goal is below 300 ms of CPU,
// garbage collection included, which cpu-ms/op is.
func BenchmarkDescribeTenThousandGroups(b *testing.B) {
	transport := &pages{bodies: benchPages(b, benchGroups)}
	b.SetBytes(int64(len(bytes.Join(transport.bodies, nil))))
	b.ReportAllocs()
	var used time.Duration
	for b.Loop() {
		b.StopTimer()
		// A client of its own for each round, for its rate limit would make the fifth wait.
		c, err := eci.New(eci.Options{Region: "cn-hangzhou", Endpoint: "http://pages", AccessKeyID: "ak", AccessKeySecret: "secret", Transport: transport})
		if err != nil {
			b.Fatal(err)
		}
		transport.next = 0
		before := cpuTime(b)
		b.StartTimer()
		groups, err := c.Groups(b.Context(), eci.GroupQuery{})
		if err != nil || len(groups) != benchGroups {
			b.Fatalf("%d groups, %v", len(groups), err)
		}
		used += cpuTime(b) - before
	}
	b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// TestReadingAPageAllocatesLittle holds what the benchmark found, where figures of time would
// depend on the machine.
func TestReadingAPageAllocatesLittle(t *testing.T) {
	transport := &pages{bodies: benchPages(t, benchPerPage)}
	c, err := eci.New(eci.Options{Region: "cn-hangzhou", Endpoint: "http://pages", AccessKeyID: "ak", AccessKeySecret: "secret", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	const most = 75 // a group; 54 were measured, encoding/json needed 111
	if n := testing.AllocsPerRun(10, func() {
		if groups, err := c.Groups(t.Context(), eci.GroupQuery{}); err != nil || len(groups) != benchPerPage {
			t.Errorf("%d groups, %v", len(groups), err)
		}
	}); n > most*benchPerPage {
		t.Errorf("%g allocations for a page, want at most %d", n, most*benchPerPage)
	}
}
