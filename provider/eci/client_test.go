package eci_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func ptr[T any](v T) *T { return &v }

func create(t *testing.T, c *eci.Client, change ...func(*eci.CreateRequest)) string {
	t.Helper()
	id, err := c.CreateGroup(t.Context(), healthy(change...))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func fault(t *testing.T, e *ecitest.Emulator, f ecitest.Fault) {
	t.Helper()
	if _, err := e.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

// recorder keeps the forms of the requests that pass through it.
type recorder struct {
	base  http.RoundTripper
	mu    sync.Mutex
	forms []url.Values
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.forms = append(r.forms, form)
	r.mu.Unlock()
	q.Body = io.NopCloser(bytes.NewReader(body))
	return r.base.RoundTrip(q)
}

func fullRequest() *eci.CreateRequest {
	return healthy(func(r *eci.CreateRequest) {
		r.ClientToken = "uid-1"
		r.SecurityGroupId, r.ResourceGroupId, r.RamRoleName = "sg-1", "rg-1", "role"
		r.Cpu, r.Memory = 2, 4
		r.DnsPolicy = "None"
		r.DnsConfig = &eci.DNSConfig{NameServer: []string{"172.21.0.10"}, Search: []string{"default.svc.cluster.local"}, Option: []eci.DNSOption{{Name: "ndots", Value: "5"}}}
		r.HostAliase = []eci.HostAlias{{Ip: "10.0.0.1", Hostname: []string{"a", "b"}}}
		r.HostName = "web-0"
		r.ShareProcessNamespace = ptr(false)
		r.TerminationGracePeriodSeconds, r.ActiveDeadlineSeconds = ptr(int64(0)), ptr(int64(3600))
		r.EphemeralStorage = 20
		r.SecurityContext = &eci.GroupSecurityContext{Sysctl: []eci.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}}}
		r.ImageRegistryCredential = []eci.RegistryCredential{{Server: "registry.example.com", UserName: "u", Password: "p+ %~*&="}}
		r.InitContainer = []eci.ContainerRequest{{Name: "init", Image: "job", EnvironmentVar: []eci.EnvironmentVar{{Key: "SECONDS", Value: ptr("1")}}}}
		c := &r.Container[0]
		c.Cpu, c.Memory, c.WorkingDir, c.ImagePullPolicy = 0.25, 0.5, "/srv", "IfNotPresent"
		c.Command, c.Arg = []string{"/bin/sh"}, []string{"-c", "", "echo ä"}
		c.EnvironmentVar = []eci.EnvironmentVar{{Key: "EMPTY", Value: ptr("")}, {Key: "A", Value: ptr("b")}, {Key: "POD_IP", FieldRef: &eci.FieldRef{FieldPath: "status.podIP"}}}
		c.Port = []eci.Port{{Port: 80, Protocol: "TCP"}}
		c.VolumeMount = []eci.VolumeMount{{Name: "cm", MountPath: "/etc/cfg", ReadOnly: true}, {Name: "tmp", MountPath: "/tmp", SubPath: "x"}}
		c.Tty, c.Stdin, c.StdinOnce = true, true, true
		c.TerminationMessagePath, c.TerminationMessagePolicy = "/dev/termination-log", "File"
		c.ReadinessProbe = &eci.Probe{HttpGet: &eci.HTTPGetProbe{Path: "/healthz", Port: 80, Scheme: "HTTP"}, InitialDelaySeconds: ptr(int32(0)), PeriodSeconds: ptr(int32(10))}
		c.LivenessProbe = &eci.Probe{Exec: &eci.ExecProbe{Command: []string{"cat", "/tmp/ok"}}}
		c.SecurityContext = &eci.SecurityContext{Capability: &eci.Capability{Add: []string{"NET_ADMIN"}}, RunAsUser: ptr(int64(0)), ReadOnlyRootFilesystem: ptr(true)}
		c.LifecyclePreStopHandlerExec = []string{"sleep", "1"}
		c.LifecyclePostStartHandlerHttpGetPath, c.LifecyclePostStartHandlerHttpGetPort = "/up", 8080
		r.Volume = []eci.Volume{
			{Name: "cm", Type: "ConfigFileVolume", ConfigFileVolume: &eci.ConfigFileVolume{DefaultMode: "0644", ConfigFileToPath: []eci.ConfigFile{{Path: "a.conf", Content: "aGVsbG8=", Mode: "0400"}, {Path: "empty"}}}},
			{Name: "tmp", Type: "EmptyDirVolume", EmptyDirVolume: &eci.EmptyDirVolume{Medium: "Memory", SizeLimit: "256Mi"}},
			{Name: "nas", Type: "NFSVolume", NFSVolume: &eci.NFSVolume{Server: "nas.example.com", Path: "/"}},
			{Name: "disk", Type: "FlexVolume", FlexVolume: &eci.FlexVolume{Driver: "alicloud/disk", FsType: "ext4", Options: `{"volumeId":"d-1"}`}},
		}
	})
}

func TestAFullRequestOnTheWire(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	r := &recorder{base: e.Transport()}
	c := newClient(t, e, func(o *eci.Options) { o.Transport = r })
	if _, err := c.CreateGroup(t.Context(), fullRequest()); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for name, values := range r.forms[0] {
		lines = append(lines, fmt.Sprintf("%s=%s\n", name, strings.Join(values, "|")))
	}
	slices.Sort(lines)
	golden(t, "create-full.txt", strings.Join(lines, ""))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "eci", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

func TestARepeatedClientTokenGivesTheSameGroup(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	token := func(r *eci.CreateRequest) { r.ClientToken = "uid-1" }
	first := create(t, c, token)
	if again := create(t, c, token); again != first {
		t.Errorf("the second create gave %s, the first %s", again, first)
	}
	_, err := c.CreateGroup(t.Context(), healthy(token, func(r *eci.CreateRequest) { r.Cpu = 4 }))
	var typed *eci.Error
	if !errors.As(err, &typed) || typed.Code != "IdempotentParameterMismatch" || typed.RequestID == "" {
		t.Errorf("the same token with another size: %v", err)
	}
	if n := len(e.Groups()); n != 1 {
		t.Errorf("%d groups, want 1", n)
	}
}

func TestListingsReadEveryPage(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	want := map[string]bool{}
	for i := range 45 {
		want[create(t, c, func(r *eci.CreateRequest) {
			r.ContainerGroupName = fmt.Sprintf("web-%d", i)
			r.Tag = append(r.Tag, eci.Tag{Key: "Odd", Value: fmt.Sprint(i % 2)})
		})] = true
	}
	groups, err := c.Groups(t.Context(), eci.GroupQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		delete(want, g.ID)
	}
	if len(groups) != 45 || len(want) != 0 || e.Calls("DescribeContainerGroups") != 3 {
		t.Errorf("%d groups in %d calls, missing %v; want 45 in 3", len(groups), e.Calls("DescribeContainerGroups"), want)
	}
	rows, err := c.GroupStatuses(t.Context(), eci.StatusQuery{})
	if err != nil || len(rows) != 45 || e.Calls("DescribeContainerGroupStatus") != 1 {
		t.Errorf("%d rows in %d calls, %v; want 45 in 1", len(rows), e.Calls("DescribeContainerGroupStatus"), err)
	}
	odd, err := c.Groups(t.Context(), eci.GroupQuery{Tags: map[string]string{"Odd": "1", eci.TagManagedBy: eci.ManagedBy}})
	if err != nil || len(odd) != 22 {
		t.Errorf("%d groups with both tags, %v; want 22", len(odd), err)
	}
	none, err := c.Groups(t.Context(), eci.GroupQuery{Tags: map[string]string{"Odd": "1", eci.TagManagedBy: "someone"}})
	if err != nil || len(none) != 0 {
		t.Errorf("%d groups with one of two tags, %v; want none", len(none), err)
	}
}

func TestNoStockInOneZoneFallsToTheOther(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	fault(t, e, ecitest.Fault{Kind: ecitest.FaultNoStock, Zone: "cn-hangzhou-h"})
	if g := one(t, c, create(t, c)); g.ZoneID != "cn-hangzhou-i" || g.VSwitchID != "vsw-i" {
		t.Errorf("the group is in %s, %s", g.ZoneID, g.VSwitchID)
	}
	_, err := c.CreateGroup(t.Context(), healthy(func(r *eci.CreateRequest) { r.VSwitchId = "vsw-h" }))
	if !eci.IsNoStock(err) || eci.IsRetryable(err) {
		t.Errorf("only the zone without stock: %v", err)
	}
	e.ClearFaults()
	if g := one(t, c, create(t, c)); g.ZoneID != "cn-hangzhou-h" {
		t.Errorf("with stock again the group is in %s", g.ZoneID)
	}
}

func TestThrottlingDelaysAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{Seed: 1})
		c := newClient(t, e)
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultThrottling, Rate: 0.3})
		const n = 60
		var wg sync.WaitGroup
		ids := make([]string, n)
		for i := range n {
			wg.Go(func() {
				id, err := c.CreateGroup(t.Context(), healthy(func(r *eci.CreateRequest) { r.ClientToken = fmt.Sprintf("uid-%d", i) }))
				if err != nil {
					t.Error(err)
				}
				ids[i] = id
			})
		}
		wg.Wait()
		slices.Sort(ids)
		if got := len(slices.Compact(ids)); got != n || len(e.Groups()) != n {
			t.Errorf("%d ids and %d groups, want %d", got, len(e.Groups()), n)
		}
		if calls := e.Calls("CreateContainerGroup"); calls <= n {
			t.Errorf("%d calls: nothing was throttled", calls)
		}
	})
}

func TestACreateThatTimedOutIsNotPaidTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{})
		c := newClient(t, e)
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Count: 2})
		id := create(t, c, func(r *eci.CreateRequest) { r.ClientToken = "uid-1" })
		if groups := e.Groups(); len(groups) != 1 || groups[0].ID != id || e.Calls("CreateContainerGroup") != 3 {
			t.Errorf("%v after %d calls; want one group after 3", groups, e.Calls("CreateContainerGroup"))
		}
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Count: 1})
		if _, err := c.CreateGroup(t.Context(), healthy()); !eci.IsRetryable(err) || e.Calls("CreateContainerGroup") != 4 {
			t.Errorf("without a token: %v after %d calls; want an error at once", err, e.Calls("CreateContainerGroup"))
		}
		time.Sleep(time.Minute) // the emulator's hanging answers end
	})
}

func TestARefusalAfterALostAnswerIsUncertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{})
		c := newClient(t, e)
		uncertain := func() bool {
			t.Helper()
			r := healthy()
			r.ClientToken = "uid-1"
			_, err := c.CreateGroup(t.Context(), r)
			var typed *eci.Error
			if !errors.As(err, &typed) || !eci.IsForbidden(err) {
				t.Fatalf("error is %v", err)
			}
			return typed.Uncertain
		}
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultDenied, Count: 1})
		if uncertain() {
			t.Error("the only try was refused: nothing came of it")
		}
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultTimeoutAfterAccept, Count: 1})
		time.AfterFunc(time.Second, func() { fault(t, e, ecitest.Fault{Kind: ecitest.FaultDenied}) })
		if !uncertain() || len(e.Groups()) != 1 {
			t.Errorf("the first try made %d groups, and the refusal of the second says nothing about it", len(e.Groups()))
		}
		time.Sleep(time.Minute) // the emulator's hanging answers end
	})
}

func TestServerErrorsAreRetriedAndThenGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{})
		c := newClient(t, e)
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultError500})
		_, err := c.Groups(t.Context(), eci.GroupQuery{})
		var typed *eci.Error
		if !errors.As(err, &typed) || typed.HTTPStatus != 500 || typed.Action != "DescribeContainerGroups" || !eci.IsRetryable(err) {
			t.Errorf("error is %v", err)
		}
		if n := e.Calls("DescribeContainerGroups"); n != 10 {
			t.Errorf("%d calls, want 10", n)
		}
	})
}

func TestDeniedIsSaidAtOnce(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	fault(t, e, ecitest.Fault{Kind: ecitest.FaultDenied})
	if _, err := c.CreateGroup(t.Context(), healthy()); !eci.IsForbidden(err) || e.Calls("CreateContainerGroup") != 1 {
		t.Errorf("%v after %d calls", err, e.Calls("CreateContainerGroup"))
	}
}

func TestAnEmptyListIsNoError(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	create(t, c)
	fault(t, e, ecitest.Fault{Kind: ecitest.FaultEmptyList, Count: 1})
	if groups, err := c.Groups(t.Context(), eci.GroupQuery{}); err != nil || len(groups) != 0 {
		t.Errorf("denied as an empty list: %v, %v", groups, err)
	}
	if groups, err := c.Groups(t.Context(), eci.GroupQuery{}); err != nil || len(groups) != 1 {
		t.Errorf("afterwards: %v, %v", groups, err)
	}
}

func TestACancelledCallReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{Latency: 10 * time.Second})
		c := newClient(t, e)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Groups(ctx, eci.GroupQuery{})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("%v after %v; want the deadline after 1s", err, took)
		}
	})
}

func TestASlowAnswerEndsAtTheReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{Latency: time.Hour})
		c := newClient(t, e, func(o *eci.Options) { o.Attempts, o.ReadTimeout = 1, 3*time.Second })
		start := time.Now()
		_, err := c.Groups(t.Context(), eci.GroupQuery{})
		if took := time.Since(start); !eci.IsRetryable(err) || took != 3*time.Second {
			t.Errorf("%v after %v; want a retryable error after 3s", err, took)
		}
	})
}

func TestCancelledCallsLeaveRoomForOthers(t *testing.T) {
	for name, transport := range map[string]http.RoundTripper{"the client's own transport": nil, "a given one": &http.Transport{}} {
		t.Run(name, func(t *testing.T) {
			var hanging atomic.Int32
			var quick atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or the server doesn't notice that the client left
				if !quick.Load() {
					hanging.Add(1)
					<-r.Context().Done()
					return
				}
				_, _ = io.WriteString(w, `{"ContainerGroups":[]}`)
			}))
			defer server.Close()
			c, err := eci.New(eci.Options{Region: "cn-hangzhou", Endpoint: server.URL, AccessKeyID: "a", AccessKeySecret: "s", Transport: transport, ReadTimeout: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			for range 50 { // three times what runs at once
				wg.Go(func() {
					if _, err := c.Groups(ctx, eci.GroupQuery{}); !errors.Is(err, context.Canceled) {
						t.Errorf("error is %v", err)
					}
				})
			}
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for hanging.Load() < 16 {
				<-tick.C
			}
			cancel()
			wg.Wait()
			quick.Store(true)
			later, stop := context.WithTimeout(t.Context(), 5*time.Second)
			defer stop()
			if _, err := c.Groups(later, eci.GroupQuery{}); err != nil {
				t.Errorf("the next call: %v; the cancelled ones still hold their slots", err)
			}
		})
	}
}

func TestTheClientStaysUnderTheRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{})
		c := newClient(t, e, func(o *eci.Options) { o.Attempts = 1 }) // a throttled call would fail
		start := time.Now()
		for range 1001 {
			if err := c.DeleteGroup(t.Context(), "eci-none"); !eci.IsNotFound(err) {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("1001 deletes took %v, want a minute", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for err := error(nil); !errors.Is(err, context.DeadlineExceeded); {
			err = c.DeleteGroup(ctx, "eci-none")
		}
	})
}

func TestCallsAreObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{})
		var seen []string
		c := newClient(t, e, func(o *eci.Options) {
			o.Observe = func(action, code string, _ time.Duration) { seen = append(seen, action+" "+code) }
		})
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultThrottling, Count: 1})
		if _, err := c.Usage(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ListUsage Throttling", "ListUsage "}, seen); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

func TestACancelledCallOverASocketReturnsAtOnce(t *testing.T) {
	e := ecitest.New(ecitest.Options{Latency: time.Minute})
	server := httptest.NewServer(e)
	defer server.Close()
	c := newClient(t, e, func(o *eci.Options) {
		o.Transport, o.Endpoint, o.ReadTimeout = nil, server.URL, 2*time.Second
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := c.Groups(ctx, eci.GroupQuery{})
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
		t.Errorf("%v after %v; want the deadline at once", err, took)
	}
}

func TestManyGoroutinesShareAClient(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			id, err := c.CreateGroup(t.Context(), healthy())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := c.Groups(t.Context(), eci.GroupQuery{IDs: []string{id}}); err != nil {
				t.Error(err)
			}
			if err := c.DeleteGroup(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(e.Groups()); n != 0 {
		t.Errorf("%d groups are left", n)
	}
}

func TestMoreIDsThanTheAPITakesAreAnError(t *testing.T) {
	e := ecitest.New(ecitest.Options{})
	c := newClient(t, e)
	if _, err := c.Groups(t.Context(), eci.GroupQuery{IDs: make([]string, 21)}); err == nil || e.Calls("DescribeContainerGroups") != 0 {
		t.Errorf("error is %v", err)
	}
}

func TestUsageAndRegions(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true, MaxCPU: 3})
	c := newClient(t, e)
	create(t, c)
	if u, err := c.Usage(t.Context()); err != nil || u != (eci.Usage{UsedCPU: 1, MaxCPU: 3, MaxImageCaches: 500, MaxAutoImageCaches: 25, MaxDataCaches: 100}) {
		t.Errorf("Usage = %v, %v", u, err)
	}
	if _, err := c.CreateGroup(t.Context(), healthy(func(r *eci.CreateRequest) { r.Cpu, r.Memory = 4, 8 })); !eci.IsQuotaExceeded(err) {
		t.Errorf("over the quota: %v", err)
	}
	want := []eci.Region{{ID: "cn-hangzhou", Endpoint: "eci.cn-hangzhou.aliyuncs.com", Zones: []string{"cn-hangzhou-h", "cn-hangzhou-i"}, Recommended: []string{"cn-hangzhou-h", "cn-hangzhou-i"}}}
	if regions, err := c.Regions(t.Context()); err != nil || cmp.Diff(want, regions) != "" {
		t.Errorf("Regions = %v, %v", regions, err)
	}
}

func TestARequestNeverPrintsItsSecrets(t *testing.T) {
	r := fullRequest()
	r.ImageRegistryCredential[0].Password = "hunter2"
	r.Container[0].EnvironmentVar[1].Value = ptr("hunter2")
	r.Volume[0].ConfigFileVolume.ConfigFileToPath[0].Content = "hunter2"
	r.Volume[3].FlexVolume.Options = "hunter2"
	r.Container[0].LifecyclePreStopHandlerHttpGetHttpHeader = []eci.HTTPHeader{{Name: "Authorization", Value: "hunter2"}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		fmt.Fprintf(&out, verb+verb, r, *r)
		fmt.Fprintf(&out, verb, r.ImageRegistryCredential)
		fmt.Fprintf(&out, verb, r.Container[0].EnvironmentVar)
		fmt.Fprintf(&out, verb, r.Volume[0].ConfigFileVolume.ConfigFileToPath)
		fmt.Fprintf(&out, verb, *r.Volume[3].FlexVolume)
		fmt.Fprintf(&out, verb, r.Container[0].LifecyclePreStopHandlerHttpGetHttpHeader)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("creating", "request", r, "copy", *r)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("a secret is in:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "default-web-0") || !strings.Contains(out.String(), "lab/serve:1") {
		t.Errorf("name and image are missing in:\n%s", out.String())
	}
}

func TestAWrongSecretDoesNotPrintTheRequest(t *testing.T) {
	e := ecitest.New(ecitest.Options{})
	c := newClient(t, e, func(o *eci.Options) { o.AccessKeySecret = "wrong" })
	_, err := c.CreateGroup(t.Context(), healthy(func(r *eci.CreateRequest) {
		r.Container[0].EnvironmentVar = []eci.EnvironmentVar{{Key: "PASSWORD", Value: ptr("hunter2")}}
	}))
	if err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error is %v", err)
	}
}

func TestNewRefusesHalfAConfiguration(t *testing.T) {
	for name, o := range map[string]eci.Options{
		"no region":             {},
		"half a key":            {Region: "cn-hangzhou", AccessKeyID: "ak"},
		"an endpoint of ftp":    {Region: "cn-hangzhou", Endpoint: "ftp://x"},
		"a region with a slash": {Region: "cn/hangzhou"},
	} {
		if _, err := eci.New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// A latter fails every page of a listing but the first.
type latter struct{ http.RoundTripper }

func (l latter) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(body), "NextToken=") {
		return nil, errors.New("the line broke")
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return l.RoundTripper.RoundTrip(r)
}

func TestAPageThatFailsIsNoEndOfAListing(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e, func(o *eci.Options) { o.Transport, o.Attempts = latter{e.Transport()}, 1 })
	for i := range 21 { // a page and one
		create(t, c, func(r *eci.CreateRequest) { r.ContainerGroupName = fmt.Sprintf("web-%d", i) })
	}
	if groups, err := c.Groups(t.Context(), eci.GroupQuery{}); err == nil || groups != nil {
		t.Errorf("%d groups of 21, %v: who takes them for all loses one", len(groups), err)
	}
}
