package ecitest_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// signed are the parameters of a call with a valid signature, which change may spoil
// before it is made and spoil after.
func signed(method, action string, nonce int, change func(map[string]string)) url.Values {
	p := map[string]string{
		"Action": action, "Version": "2018-08-08", "Format": "JSON", "RegionId": "cn-hangzhou",
		"AccessKeyId": ecitest.DefaultAccessKeyID, "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureType": "",
		"SignatureNonce": fmt.Sprint("nonce-", nonce), "Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05Z"),
	}
	if change != nil {
		change(p)
	}
	encode := strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~")
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		pairs = append(pairs, encode.Replace(url.QueryEscape(name)+"="+url.QueryEscape(p[name])))
	}
	mac := hmac.New(sha1.New, []byte(ecitest.DefaultAccessKeySecret+"&"))
	_, _ = io.WriteString(mac, method+"&%2F&"+encode.Replace(url.QueryEscape(strings.Join(pairs, "&"))))
	v := url.Values{"Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	for name, value := range p {
		v.Set(name, value)
	}
	return v
}

// answer is an error body as the vendor's SDK reads it: strings only.
type answer struct {
	status int
	body   map[string]any
}

func (a answer) code() string { s, _ := a.body["Code"].(string); return s }

func send(t *testing.T, h http.Handler, method string, query, form url.Values, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, "http://eci.cn-hangzhou.aliyuncs.com/?"+query.Encode(), strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
		t.Fatalf("HTTP %d with %q", w.Code, w.Body)
	}
	return a
}

func TestWhatTheGatewayRefuses(t *testing.T) {
	set := func(name, value string) func(map[string]string) {
		return func(p map[string]string) { p[name] = value }
	}
	unset := func(name string) func(map[string]string) { return func(p map[string]string) { delete(p, name) } }
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02T15:04:05Z") }
	tests := []struct {
		name, method, action string
		change               func(map[string]string)
		spoil                func(url.Values)
		wantStatus           int
		wantCode             string
	}{
		{name: "nothing of a valid POST", wantStatus: 200},
		{name: "nothing of a valid GET", method: "GET", wantStatus: 200},
		{name: "another method", method: "PUT", wantStatus: 400, wantCode: "UnsupportedHTTPMethod"},
		{name: "a parameter that was changed after signing", spoil: func(v url.Values) { v.Set("Limit", "5") }, wantStatus: 400, wantCode: "SignatureDoesNotMatch"},
		{name: "a signature of another method", spoil: func(v url.Values) { v.Set("Signature", "x") }, wantStatus: 400, wantCode: "SignatureDoesNotMatch"},
		{name: "no signature", spoil: func(v url.Values) { v.Del("Signature") }, wantStatus: 400, wantCode: "MissingParameter"},
		{name: "no action", change: unset("Action"), wantStatus: 400, wantCode: "MissingParameter"},
		{name: "an unknown access key", change: set("AccessKeyId", "LTAIother"), wantStatus: 404, wantCode: "InvalidAccessKeyId.NotFound"},
		{name: "another signature method", change: set("SignatureMethod", "HMAC-MD5"), wantStatus: 400, wantCode: "IncompleteSignature"},
		{name: "another version", change: set("Version", "2017-01-01"), wantStatus: 400, wantCode: "InvalidVersion"},
		{name: "an old timestamp", change: set("Timestamp", at(-16*time.Minute)), wantStatus: 400, wantCode: "InvalidTimeStamp.Expired"},
		{name: "a timestamp of the future", change: set("Timestamp", at(16*time.Minute)), wantStatus: 400, wantCode: "InvalidTimeStamp.Expired"},
		{name: "nothing of a clock that is ten minutes off", change: set("Timestamp", at(-10*time.Minute)), wantStatus: 200},
		{name: "a timestamp in words", change: set("Timestamp", "yesterday"), wantStatus: 400, wantCode: "InvalidTimeStamp.Format"},
		{name: "an unknown action", action: "DescribeWeather", wantStatus: 404, wantCode: "InvalidAction.NotFound"},
		{name: "status by GET", method: "GET", action: "DescribeContainerGroupStatus", wantStatus: 400, wantCode: "UnsupportedHTTPMethod"},
		{name: "events by GET", method: "GET", action: "DescribeContainerGroupEvents", wantStatus: 400, wantCode: "UnsupportedHTTPMethod"},
		{name: "an unknown parameter", change: set("Limits", "5"), wantStatus: 400, wantCode: "InvalidParameter"},
		{name: "the vendor's Go SDK's junk", action: "CreateContainerGroup", change: set("Container.1.LivenessProbe.Exec.Command.1", "<[]string Value>"), wantStatus: 400, wantCode: "InvalidParameter"},
		{name: "no region", change: unset("RegionId"), wantStatus: 400, wantCode: "MissingParameter"},
		{name: "another region", change: set("RegionId", "cn-beijing"), wantStatus: 404, wantCode: "InvalidRegionId.NotFound"},
		{name: "a page of 21", change: set("Limit", "21"), wantStatus: 400, wantCode: "InvalidParameter"},
		{name: "a page of 201 statuses", action: "DescribeContainerGroupStatus", change: set("Limit", "201"), wantStatus: 400, wantCode: "InvalidParameter"},
		{name: "nothing of a page of 200 statuses", action: "DescribeContainerGroupStatus", change: set("Limit", "200"), wantStatus: 200},
		{name: "a made-up page token", change: set("NextToken", "x"), wantStatus: 400, wantCode: "InvalidParameter"},
		{name: "ids that are no JSON", change: set("ContainerGroupIds", "eci-1"), wantStatus: 400, wantCode: "InvalidParameter"},
		{name: "signed characters that URLs encode differently", change: set("ContainerGroupName", "a b*c~d+e%7E/ä"), wantStatus: 200},
	}
	e := ecitest.New(ecitest.Options{})
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method, action := "POST", "DescribeContainerGroups"
			if test.method != "" {
				method = test.method
			}
			if test.action != "" {
				action = test.action
			}
			params := signed(method, action, i, test.change)
			if test.spoil != nil {
				test.spoil(params)
			}
			a := send(t, e, method, params, nil)
			if a.status != test.wantStatus || a.code() != test.wantCode {
				t.Errorf("HTTP %d %s: %v; want %d %s", a.status, a.code(), a.body["Message"], test.wantStatus, test.wantCode)
			}
			if a.status == 200 {
				return
			}
			for key, value := range a.body {
				if _, ok := value.(string); !ok {
					t.Errorf("%s is %v, on which the vendor's SDK panics", key, value)
				}
			}
			if a.body["RequestId"] == "" || a.body["HostId"] != "eci.cn-hangzhou.aliyuncs.com" {
				t.Errorf("the error body is %v", a.body)
			}
		})
	}
}

func TestParametersMayComeInQueryAndForm(t *testing.T) {
	e := ecitest.New(ecitest.Options{})
	all := signed("POST", "DescribeContainerGroups", 1, func(p map[string]string) { p["Limit"] = "5" })
	query, form := url.Values{}, url.Values{}
	for name, values := range all {
		if name == "Limit" || name == "RegionId" {
			form[name] = values
		} else {
			query[name] = values
		}
	}
	if a := send(t, e, "POST", query, form); a.status != 200 {
		t.Errorf("HTTP %d %v", a.status, a.body)
	}
}

func TestANonceWorksOnce(t *testing.T) {
	e := ecitest.New(ecitest.Options{})
	params := signed("POST", "DescribeContainerGroups", 1, nil)
	if a := send(t, e, "POST", params, nil); a.status != 200 {
		t.Fatalf("HTTP %d %v", a.status, a.body)
	}
	if a := send(t, e, "POST", params, nil); a.code() != "SignatureNonceUsed" {
		t.Errorf("the second time: HTTP %d %s", a.status, a.code())
	}
}

// acs3 signs a call as the vendor's newer SDKs do, in the headers.
func acs3(method, action, nonce, secret string, query, form url.Values) []string {
	body := form.Encode()
	sum := sha256.Sum256([]byte(body))
	headers := map[string]string{
		"host": "eci.cn-hangzhou.aliyuncs.com", "x-acs-action": action, "x-acs-version": "2018-08-08", "x-acs-signature-nonce": nonce,
		"x-acs-date": time.Now().UTC().Format("2006-01-02T15:04:05Z"), "x-acs-content-sha256": hex.EncodeToString(sum[:]),
	}
	names := slices.Sorted(maps.Keys(headers))
	canonical := method + "\n/\n" + strings.ReplaceAll(query.Encode(), "+", "%20") + "\n"
	var flat []string
	for _, name := range names {
		canonical += name + ":" + headers[name] + "\n"
		flat = append(flat, name, headers[name])
	}
	canonical += "\n" + strings.Join(names, ";") + "\n" + headers["x-acs-content-sha256"]
	digest := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, "ACS3-HMAC-SHA256\n"+hex.EncodeToString(digest[:]))
	return append(flat, "Authorization", fmt.Sprintf("ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s",
		ecitest.DefaultAccessKeyID, strings.Join(names, ";"), hex.EncodeToString(mac.Sum(nil))))
}

func TestHeaderSignaturesOfNewerSDKs(t *testing.T) {
	e := ecitest.New(ecitest.Options{})
	query := url.Values{"RegionId": {"cn-hangzhou"}, "ContainerGroupName": {"a b"}}
	form := url.Values{"Limit": {"5"}}
	if a := send(t, e, "POST", query, form, acs3("POST", "DescribeContainerGroups", "1", ecitest.DefaultAccessKeySecret, query, form)...); a.status != 200 {
		t.Errorf("HTTP %d %v", a.status, a.body)
	}
	if a := send(t, e, "POST", query, form, acs3("POST", "DescribeContainerGroups", "1", ecitest.DefaultAccessKeySecret, query, form)...); a.code() != "SignatureNonceUsed" {
		t.Errorf("the same nonce: HTTP %d %v", a.status, a.body)
	}
	if a := send(t, e, "POST", query, form, acs3("POST", "DescribeContainerGroups", "2", "wrong", query, form)...); a.code() != "SignatureDoesNotMatch" {
		t.Errorf("a wrong secret: HTTP %d %v", a.status, a.body)
	}
	if a := send(t, e, "POST", query, url.Values{"Limit": {"6"}}, acs3("POST", "DescribeContainerGroups", "3", ecitest.DefaultAccessKeySecret, query, form)...); a.code() != "SignatureDoesNotMatch" {
		t.Errorf("another body: HTTP %d %v", a.status, a.body)
	}
}

func TestWhatCreateRefuses(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name   string
		change func(*eci.CreateRequest)
		want   string
	}{
		{"a name in capitals", func(r *eci.CreateRequest) { r.ContainerGroupName = "Web" }, "InvalidParameter"},
		{"no name", func(r *eci.CreateRequest) { r.ContainerGroupName = "" }, "MissingParameter"},
		{"no container", func(r *eci.CreateRequest) { r.Container = nil }, "MissingParameter"},
		{"no image", func(r *eci.CreateRequest) { r.Container[0].Image = "" }, "InvalidParameter"},
		{"21 containers", func(r *eci.CreateRequest) {
			for i := range 20 {
				r.Container = append(r.Container, eci.ContainerRequest{Name: fmt.Sprint("c", i), Image: "serve"})
			}
		}, "InvalidParameter"},
		{"two containers of one name", func(r *eci.CreateRequest) { r.Container = append(r.Container, r.Container[0]) }, "InvalidParameter.DuplicatedName"},
		{"two volumes of one name", func(r *eci.CreateRequest) {
			v := eci.Volume{Name: "v", Type: "EmptyDirVolume", EmptyDirVolume: &eci.EmptyDirVolume{}}
			r.Volume = []eci.Volume{v, v}
		}, "InvalidParameter.DuplicatedVolumeName"},
		{"a mount of no volume", func(r *eci.CreateRequest) {
			r.Container[0].VolumeMount = []eci.VolumeMount{{Name: "none", MountPath: "/x"}}
		}, "InvalidParameter"},
		{"a file over 32 KB", func(r *eci.CreateRequest) {
			r.Volume = []eci.Volume{{Name: "v", Type: "ConfigFileVolume", ConfigFileVolume: &eci.ConfigFileVolume{ConfigFileToPath: []eci.ConfigFile{
				{Path: "a", Content: base64.StdEncoding.EncodeToString(make([]byte, 33<<10))}}}}}
		}, "InvalidParameter"},
		{"a long variable", func(r *eci.CreateRequest) {
			v := text(257)
			r.Container[0].EnvironmentVar = []eci.EnvironmentVar{{Key: "A", Value: &v}}
		}, "InvalidParameter.LengthExceeded"},
		{"a field that ECI can't fill in", func(r *eci.CreateRequest) {
			r.Container[0].EnvironmentVar = []eci.EnvironmentVar{{Key: "A", FieldRef: &eci.FieldRef{FieldPath: "metadata.name"}}}
		}, "InvalidParameter"},
		{"21 tags", func(r *eci.CreateRequest) {
			for i := range 21 {
				r.Tag = append(r.Tag, eci.Tag{Key: fmt.Sprint("k", i)})
			}
		}, "InvalidParameter"},
		{"a reserved tag", func(r *eci.CreateRequest) { r.Tag = []eci.Tag{{Key: "acs:x"}} }, "InvalidParameter"},
		{"a long tag value", func(r *eci.CreateRequest) { r.Tag = []eci.Tag{{Key: "k", Value: text(129)}} }, "InvalidParameter"},
		{"a long client token", func(r *eci.CreateRequest) { r.ClientToken = text(65) }, "InvalidParameter.LengthExceeded"},
		{"an unknown vSwitch", func(r *eci.CreateRequest) { r.VSwitchId = "vsw-none" }, "InvalidVSwitchId.NotFound"},
		{"a zone that the vSwitch isn't in", func(r *eci.CreateRequest) { r.VSwitchId, r.ZoneId = "vsw-h", "cn-hangzhou-i" }, "OperationDenied.VswZoneMisMatch"},
		{"a restart policy of its own", func(r *eci.CreateRequest) { r.RestartPolicy = "Sometimes" }, "InvalidParameter"},
		{"ClusterFirst", func(r *eci.CreateRequest) { r.DnsPolicy = "ClusterFirst" }, "InvalidParameter"},
		{"more than any size", func(r *eci.CreateRequest) { r.Cpu = 65 }, "InvalidParameter.CPU.Memory"},
		{"a small spot instance", func(r *eci.CreateRequest) { r.Cpu, r.Memory, r.SpotStrategy = 1, 2, "SpotAsPriceGo" }, "InvalidSpotCpuMemorySpec"},
		{"over the quota", func(r *eci.CreateRequest) { r.Cpu, r.Memory = 64, 128 }, "QuotaExceeded"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, func(o *ecitest.Options) { o.MaxCPU = 60 })
			r := &eci.CreateRequest{ContainerGroupName: "web-0", Container: []eci.ContainerRequest{{Name: "main", Image: "lab/serve"}}}
			if _, err := w.client.CreateGroup(t.Context(), r); err != nil {
				t.Fatalf("the healthy request: %v", err)
			}
			test.change(r)
			_, err := w.client.CreateGroup(t.Context(), r)
			if err == nil || !strings.Contains(err.Error(), ": "+test.want+": ") {
				t.Errorf("error is %v, want %s", err, test.want)
			}
			if n := len(w.Groups()); n != 1 {
				t.Errorf("%d groups, want the healthy one", n)
			}
		})
	}
}

func TestBilledSizes(t *testing.T) {
	for _, test := range []struct {
		name        string
		change      func(*eci.CreateRequest)
		cpu, memory float64
	}{
		{"nothing asked for", func(*eci.CreateRequest) {}, 2, 4},
		{"rounded up", func(r *eci.CreateRequest) { r.Cpu, r.Memory = 7, 13 }, 8, 14},
		{"the sum of the containers", func(r *eci.CreateRequest) { r.Container[0].Cpu, r.Container[0].Memory = 0.6, 1 }, 1, 2},
		{"an instance type in ECI's words", func(r *eci.CreateRequest) { r.InstanceType = "4-8Gi,ecs.c6.xlarge" }, 4, 8},
		{"an ECS type", func(r *eci.CreateRequest) { r.InstanceType = "ecs.r6.2xlarge" }, 8, 64},
	} {
		w := newWorld(t)
		if g := w.group(w.create(test.change)); g.CPU != test.cpu || g.Memory != test.memory {
			t.Errorf("%s: %g vCPU, %g GiB; want %g, %g", test.name, g.CPU, g.Memory, test.cpu, test.memory)
		}
	}
}

func TestRandomVSwitchesUseEveryZone(t *testing.T) {
	w := newWorld(t)
	zones := map[string]int{}
	for range 40 {
		zones[w.group(w.create(func(r *eci.CreateRequest) { r.VSwitchId, r.ScheduleStrategy = "vsw-h,vsw-i", "VSwitchRandom" })).ZoneID]++
	}
	if zones["cn-hangzhou-h"] == 0 || zones["cn-hangzhou-i"] == 0 || len(zones) != 2 {
		t.Errorf("groups per zone: %v", zones)
	}
}

func TestTheAPIsRateLimitHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock stands still
		e := ecitest.New(ecitest.Options{})
		throttled := 0
		for i := range 510 {
			if a := send(t, e, "POST", signed("POST", "RestartContainerGroup", i, nil), nil); a.code() == "Throttling" {
				throttled++
			}
		}
		if throttled != 10 {
			t.Errorf("%d of 510 calls were throttled, want 10", throttled)
		}
		time.Sleep(time.Minute)
		if a := send(t, e, "POST", signed("POST", "RestartContainerGroup", 511, nil), nil); a.code() == "Throttling" {
			t.Error("a minute later it still is")
		}
	})
}

func TestAdmin(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	server := httptest.NewServer(e)
	defer server.Close()
	call := func(method, path, body, secret string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(bytes.TrimSpace(b))
	}
	secret := ecitest.DefaultAccessKeySecret
	steps := []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "faults", "", 200, "[]"},
		{"POST", "faults", `{"kind":"nostock","zone":"cn-hangzhou-h","rate":0.5,"count":3,"forSeconds":60,"async":true}`, 201, `{"id":"fault-1"}`},
		{"GET", "faults", "", 200, `{"id":"fault-1","kind":"nostock","zone":"cn-hangzhou-h","rate":0.5,"count":3,"forSeconds":60,"async":true}`},
		{"POST", "faults", `{"kind":"gremlins"}`, 400, "there are nostock, throttling"},
		{"POST", "faults", `{"kind":"nostock","zone":"mars"}`, 400, "cn-hangzhou-i"},
		{"POST", "faults", `{"kind":"nostock","rate":2}`, 400, "0 to 1"},
		{"POST", "faults", `{"sort":"nostock"}`, 400, "unknown field"},
		{"POST", "faults", `{`, 400, "reading the body"},
		{"DELETE", "faults", "", 200, "[]"},
		{"POST", "groups", `{"id":"eci-orphan","name":"lost","tags":{"ManagedBy":"ecideck"},"zone":"cn-hangzhou-i","ageSeconds":3600}`, 201, "eci-orphan"},
		{"POST", "groups", `{"id":"eci-orphan"}`, 400, "taken"},
		{"POST", "groups", `{"status":"Sleeping"}`, 400, "Sleeping"},
		{"GET", "groups", "", 200, `"id":"eci-orphan","name":"lost","status":"Running","tags":{"ManagedBy":"ecideck"},"zone":"cn-hangzhou-i"`},
		{"DELETE", "groups?id=eci-orphan", "", 200, "eci-orphan"},
		{"DELETE", "groups?id=eci-orphan", "", 404, "no group"},
		{"GET", "groups", "", 200, "[]"},
		{"PUT", "groups", "", 404, "GET, POST and DELETE"},
	}
	for _, s := range steps {
		status, body := call(s.method, "/_ecitest/"+s.path, s.body, secret)
		if status != s.status || !strings.Contains(body, s.contains) {
			t.Errorf("%s %s %s: HTTP %d %s; want %d with %s", s.method, s.path, s.body, status, body, s.status, s.contains)
		}
	}
	if status, body := call("GET", "/_ecitest/groups", "", "wrong"); status != 401 || strings.Contains(body, secret) {
		t.Errorf("with a wrong secret: HTTP %d %s", status, body)
	}
}

func TestSeededGroupsKeepTheirStatus(t *testing.T) {
	w := newWorld(t)
	for _, status := range []eci.Status{eci.Scheduling, eci.ScheduleFailed, eci.Pending, eci.Running, eci.Succeeded, eci.Failed,
		eci.Restarting, eci.Updating, eci.Terminating, eci.Expired} {
		id, err := w.Seed(ecitest.SeedGroup{Status: status, AgeSeconds: 7200, Tags: map[string]string{"ClusterId": "other"}})
		if err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Minute)
		g := w.group(id)
		if g.Status != status || g.Tags["ClusterId"] != "other" || g.Status.Ended() != !g.Ended().IsZero() {
			t.Errorf("seeded as %s: %+v", status, g)
		}
	}
}

func TestTheRealClientOverASocket(t *testing.T) {
	before := runtime.NumGoroutine()
	e := ecitest.New(ecitest.Options{Instant: true})
	server := httptest.NewServer(e)
	c, err := eci.New(eci.Options{Region: e.Region(), Endpoint: server.URL, AccessKeyID: ecitest.DefaultAccessKeyID, AccessKeySecret: ecitest.DefaultAccessKeySecret})
	if err != nil {
		t.Fatal(err)
	}
	value := "a+b c*~%7E&=ä"
	id, err := c.CreateGroup(t.Context(), &eci.CreateRequest{ContainerGroupName: "web-0", Container: []eci.ContainerRequest{
		{Name: "main", Image: "serve", Arg: []string{"", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"},
			EnvironmentVar: []eci.EnvironmentVar{{Key: "A", Value: &value}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if groups, err := c.Groups(t.Context(), eci.GroupQuery{}); err != nil || len(groups) != 1 || groups[0].ID != id {
		t.Errorf("groups: %v, %v", groups, err)
	}
	server.Close()
	if _, err := e.AddFault(ecitest.Fault{Kind: ecitest.FaultThrottling}); err != nil {
		t.Fatal(err)
	}
	// The server is gone, so its connections are too, and the emulator has no goroutines.
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-deadline:
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestTheClockRunsAtItsSpeed(t *testing.T) {
	e := ecitest.New(ecitest.Options{Speed: 1e6})
	begin := e.Now()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for e.Now().Sub(begin) < time.Hour { // 3.6 ms
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("only %v passed", e.Now().Sub(begin))
		}
	}
}

func BenchmarkListingAHundredThousandGroups(b *testing.B) {
	e := ecitest.New(ecitest.Options{NoRateLimits: true})
	for i := range 100_000 {
		if _, err := e.Seed(ecitest.SeedGroup{Name: fmt.Sprint("g", i), AgeSeconds: 60, Tags: map[string]string{"ManagedBy": "ecideck", "ClusterId": "c"}}); err != nil {
			b.Fatal(err)
		}
	}
	c, err := eci.New(eci.Options{Region: e.Region(), Endpoint: "http://ecitest", AccessKeyID: ecitest.DefaultAccessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: e.Transport()})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		rows, err := c.GroupStatuses(b.Context(), eci.StatusQuery{Tags: map[string]string{"ClusterId": "c"}})
		if err != nil || len(rows) != 100_000 {
			b.Fatal(len(rows), err)
		}
	}
}
