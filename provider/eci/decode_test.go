package eci

import (
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestGroupsAreDecodedHoweverTheAPISpellsThem(t *testing.T) {
	tests := []struct {
		name, body string
		want       []Group
	}{
		{name: "as documented", body: `{"ContainerGroups":[{"ContainerGroupId":"eci-1","Status":"Running","Cpu":2.0,"Memory":4,
			"CreationTime":"2024-05-01T02:03:04Z","Tags":[{"Key":"a","Value":"b"}],
			"Containers":[{"Name":"web","Ready":true,"RestartCount":3,"CurrentState":{"State":"Running"},"PreviousState":{}}]}]}`,
			want: []Group{{ID: "eci-1", Status: Running, CPU: 2, Memory: 4, Created: time.Date(2024, 5, 1, 2, 3, 4, 0, time.UTC),
				Tags:       map[string]string{"a": "b"},
				Containers: []Container{{Name: "web", Ready: true, RestartCount: 3, Current: ContainerState{State: "Running"}}}}}},
		{name: "odd casing", body: `{"containerGroups":[{"containergroupid":"eci-1","STATUS":"Failed"}]}`,
			want: []Group{{ID: "eci-1", Status: Failed}}},
		{name: "numbers and booleans as strings", body: `{"ContainerGroups":[{"ContainerGroupId":"eci-1","Cpu":"0.25","Memory":"","Containers":[{"Ready":"true","RestartCount":"2"}]}]}`,
			want: []Group{{ID: "eci-1", CPU: 0.25, Containers: []Container{{Ready: true, RestartCount: 2}}}}},
		{name: "empty times and null lists", body: `{"ContainerGroups":[{"ContainerGroupId":"eci-1","CreationTime":"","FailedTime":null,"Tags":null,"Containers":null,"Events":""}]}`,
			want: []Group{{ID: "eci-1"}}},
		{name: "an empty string for an object", body: `{"ContainerGroups":[{"ContainerGroupId":"eci-1","Containers":[{"Name":"web","PreviousState":""}]}]}`,
			want: []Group{{ID: "eci-1", Containers: []Container{{Name: "web"}}}}},
		{name: "no list at all", body: `{"RequestId":"r"}`},
		{name: "fields nobody knows", body: `{"ContainerGroups":[{"ContainerGroupId":"eci-1","Tenant":{"X":[1]}}],"More":1}`,
			want: []Group{{ID: "eci-1"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var page groupPage
			if err := decodeAnswer("DescribeContainerGroups", 200, []byte(test.body), &page); err != nil {
				t.Fatal(err)
			}
			var got []Group
			for i := range page.ContainerGroups {
				got = append(got, page.ContainerGroups[i].group())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheVendorsSampleAnswer(t *testing.T) {
	body, err := os.ReadFile("../../testdata/eci/describe-groups.json")
	if err != nil {
		t.Fatal(err)
	}
	var page groupPage
	if err := decodeAnswer("DescribeContainerGroups", 200, body, &page); err != nil {
		t.Fatal(err)
	}
	started := time.Date(2024, 5, 1, 2, 3, 30, 0, time.UTC)
	want := Group{
		ID: "eci-bp1jrgfqqy54kg5hcxyz", Name: "default-web-0", Status: Running, RegionID: "cn-hangzhou", ZoneID: "cn-hangzhou-h",
		VPCID: "vpc-1", ENI: "eni-1", VSwitchID: "vsw-a", SecurityGroupID: "sg-1", RestartPolicy: "Always", CPU: 2, Memory: 4, SpotStrategy: "NoSpot", IP: "172.16.0.5",
		Created: time.Date(2024, 5, 1, 2, 3, 4, 0, time.UTC), Tags: map[string]string{"PodName": "web-0"},
		Containers: []Container{{Name: "web", Image: "nginx:1.27", CPU: 2, Memory: 4, Ready: true,
			Current: ContainerState{State: "Running", DetailStatus: "working", Reason: "Started", Started: started}}},
		Events: []Event{{Type: "Normal", Reason: "Started", Name: "default-web-0.17a1", Message: "Started container", Count: 1, First: started, Last: started}},
	}
	if diff := cmp.Diff(want, page.ContainerGroups[0].group()); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
}

func TestBadAnswersAreTypedErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   Error
		retry  bool
	}{
		{name: "the API's error", status: 403, body: `{"RequestId":"r1","HostId":"h","Code":"OperationDenied.NoStock","Message":"sold out","Recommend":"x"}`,
			want: Error{Code: "OperationDenied.NoStock", Message: "sold out", RequestID: "r1"}},
		{name: "a numeric code, on which the SDK panics", status: 400, body: `{"Code":42,"Message":7}`, want: Error{Code: "42", Message: "7"}},
		{name: "a gateway's HTML", status: 502, body: `<html>Bad Gateway</html>`, want: Error{Message: `not the API's error format: "<html>Bad Gateway</html>"`}, retry: true},
		{name: "an error without a body", status: 503, want: Error{Message: "not the API's error format: (empty)"}, retry: true},
		{name: "200 with an error in it", status: 200, body: `{"Code":"Throttling.User","Message":"slow down","RequestId":"r2"}`,
			want: Error{Code: "Throttling.User", Message: "slow down", RequestID: "r2"}, retry: true},
		{name: "200 with HTML", status: 200, body: `<html>login</html>`, want: Error{Code: codeBadAnswer, Message: `the answer is not a JSON object: "<html>login</html>"`}, retry: true},
		{name: "200 with half an answer", status: 200, body: `{"ContainerGroups":[{"Contai`, want: Error{Code: codeBadAnswer, Message: `the answer is not a JSON object: "{\"ContainerGroups\":[{\"Contai"`}, retry: true},
		{name: "200 with nothing", status: 200, want: Error{Code: codeBadAnswer, Message: "the answer is not a JSON object: (empty)"}, retry: true},
		{name: "200 with null", status: 200, body: "null", want: Error{Code: codeBadAnswer, Message: `the answer is not a JSON object: "null"`}, retry: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := decodeAnswer("X", test.status, []byte(test.body), &groupPage{})
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("error is %v, want an *Error", err)
			}
			if IsRetryable(err) != test.retry {
				t.Errorf("IsRetryable = %v", !test.retry)
			}
			test.want.Action, test.want.HTTPStatus = "X", test.status
			if diff := cmp.Diff(&test.want, got, cmpopts.IgnoreFields(Error{}, "Err")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPredicates(t *testing.T) {
	type flags struct{ NotFound, Throttled, NoStock, NoAddress, Forbidden, Quota, Retryable bool }
	tests := []struct {
		err  error
		want flags
	}{
		{&Error{Code: "InvalidParameter.NotFound", HTTPStatus: 404}, flags{NotFound: true}},
		{&Error{Code: "InvalidAccessKeyId.NotFound", HTTPStatus: 404}, flags{}},
		{&Error{Code: "InvalidAction.NotFound", HTTPStatus: 404}, flags{}},
		{&Error{Action: "CreateContainerGroup", Code: "InvalidParameter.NotFound", HTTPStatus: 404}, flags{}},
		{&Error{Code: "Throttling", HTTPStatus: 400}, flags{Throttled: true, Retryable: true}},
		{&Error{Code: "Throttling.User", HTTPStatus: 400}, flags{Throttled: true, Retryable: true}},
		{&Error{Code: "Throttling.Vcpu.PerDay", HTTPStatus: 403}, flags{Quota: true}},
		{&Error{HTTPStatus: 429}, flags{Throttled: true, Retryable: true}},
		{&Error{Code: "OperationDenied.NoStock", HTTPStatus: 403}, flags{NoStock: true}},
		{&Error{Code: "Zone.NotOnSale", HTTPStatus: 403}, flags{NoStock: true}},
		{&Error{Code: "InvalidVSwitchId.IpNotEnough", HTTPStatus: 403}, flags{NoAddress: true}},
		{&Error{Code: "QuotaExceeded.PrivateIpAddress", HTTPStatus: 403}, flags{NoAddress: true}},
		{&Error{Code: "Forbidden.RAM", HTTPStatus: 403}, flags{Forbidden: true}},
		{&Error{Code: "NoPermission", HTTPStatus: 403}, flags{Forbidden: true}},
		{&Error{Code: "Forbidden.AccountClosed", HTTPStatus: 403}, flags{}},
		{&Error{Code: "QuotaExceeded", HTTPStatus: 403}, flags{Quota: true}},
		{&Error{Code: "InternalError", HTTPStatus: 500}, flags{Retryable: true}},
		{&Error{Code: "Account.Arrearage", HTTPStatus: 400}, flags{}},
		{&Error{Err: errors.New("connection reset by peer")}, flags{Retryable: true}},
		{&Error{Code: codeNoCredentials}, flags{Retryable: true}},
		{errors.New("something else"), flags{}},
		{nil, flags{}},
	}
	for _, test := range tests {
		got := flags{IsNotFound(test.err), IsThrottled(test.err), IsNoStock(test.err), IsNoAddress(test.err), IsForbidden(test.err), IsQuotaExceeded(test.err), IsRetryable(test.err)}
		if got != test.want {
			t.Errorf("%v: %+v, want %+v", test.err, got, test.want)
		}
	}
}

func TestTheStringToSignIsNotRepeatedInErrors(t *testing.T) {
	err := decodeAnswer("X", 400, []byte(`{"Code":"SignatureDoesNotMatch","Message":"Not matched. server string to sign is:POST&Password%3Dhunter2"}`), &groupPage{})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("error is %v", err)
	}
}

func TestEndpoints(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                           "https://eci.cn-hangzhou.aliyuncs.com",
		"eci.example.com":            "https://eci.example.com",
		"127.0.0.1:8080":             "https://127.0.0.1:8080",
		"http://127.0.0.1:8080":      "http://127.0.0.1:8080",
		"https://eci.example.com/":   "https://eci.example.com",
		"ftp://x":                    "",
		"http://":                    "",
		"http://host/path":           "",
		"http://user:secret@host":    "",
		"eci.example.com with space": "",
	} {
		scheme, host, err := endpointOf(endpoint, "cn-hangzhou")
		got := scheme + "://" + host
		if want == "" && err == nil || want != "" && (err != nil || got != want) {
			t.Errorf("endpointOf(%q) = %s, %v; want %q", endpoint, got, err, want)
		}
	}
}

func TestPausesGrowAndStayBounded(t *testing.T) {
	p := newRetryPolicy(0)
	for attempt := 1; attempt < 40; attempt++ {
		bound := min(p.most, time.Duration(float64(p.base)*math.Pow(2, float64(min(attempt, 20)-1))))
		for range 50 {
			if got := p.pause(attempt); got < 0 || got > bound {
				t.Fatalf("pause(%d) = %v, want at most %v", attempt, got, bound)
			}
		}
	}
}

// failingOnce is a provider whose chain has nothing the first time.
type failingOnce struct{ made *int }

func (f failingOnce) GetCredentials() (*credentials.Credentials, error) {
	if *f.made == 1 {
		return nil, errors.New("no provider has any")
	}
	return &credentials.Credentials{AccessKeyId: "ak"}, nil
}
func (failingOnce) GetProviderName() string { return "test" }

func TestAFailedCredentialChainIsMadeAnew(t *testing.T) {
	made := 0
	c := &chain{fresh: func() credentials.CredentialsProvider { made++; return failingOnce{&made} }}
	if _, err := c.GetCredentials(); err == nil {
		t.Fatal("want the first failure")
	} else if e := transportError("X", err); !IsRetryable(e) || !strings.Contains(e.Error(), "ALIBABA_CLOUD_ACCESS_KEY_ID") {
		t.Errorf("the error %v doesn't say what to do", e)
	}
	if cc, err := c.GetCredentials(); err != nil || cc.AccessKeyId != "ak" {
		t.Fatalf("second time: %v, %v", cc, err)
	}
	if _, err := c.GetCredentials(); err != nil || made != 2 {
		t.Fatalf("third time: %v, %d chains made; want the second to be kept", err, made)
	}
}

func TestALimiterLetsNoMoreThanItsLimitIntoAnyMinute(t *testing.T) {
	l := newLimiter()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var times []time.Time
	now := start
	for len(times) < 2500 {
		if wait := l.reserve("CreateContainerGroup", now); wait > 0 {
			now = now.Add(wait)
			continue
		}
		times = append(times, now)
		now = now.Add(7 * time.Millisecond)
	}
	for i := 1000; i < len(times); i++ {
		if d := times[i].Sub(times[i-1000]); d < time.Minute {
			t.Fatalf("calls %d and %d are %v apart", i-1000, i, d)
		}
	}
	if took := times[len(times)-1].Sub(start); took > 3*time.Minute {
		t.Errorf("2500 calls took %v: the limit is 1000 a minute", took)
	}
}

func TestFlattenRefusesWhatInitContainersCannotHave(t *testing.T) {
	_, err := flatten(&CreateRequest{InitContainer: []ContainerRequest{{Name: "init", Tty: true}}})
	if err == nil || !strings.Contains(err.Error(), "InitContainer.1.Tty") {
		t.Errorf("error is %v", err)
	}
	if _, err := flatten(&CreateRequest{Container: []ContainerRequest{{Name: "app", Tty: true}}}); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(200, []byte(`{"ContainerGroups":[{"Cpu":"2","Tags":null}],"NextToken":"x"}`))
	f.Add(200, []byte(`{"Code":"X"}`))
	f.Add(404, []byte(`{"Code":1,"Message":[]}`))
	f.Add(200, []byte(`{"ContainerGroups":{},"Data":""}`))
	matches, err := filepath.Glob("../../testdata/eci/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range matches {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(200, body)
	}
	f.Add(200, []byte(`{"PriceInfo":{"Price":{"TradePrice":"1e-5","Currency":"CNY"},"SpotPrices":{"SpotPrice":[{"SpotPrice":0.056}]}}}`))
	f.Add(200, []byte(`{"Records":[{"CPU":{"UsageCoreNanoSeconds":"9223372036854775808"},"Network":[],"Disk":{}}],"MonitorDatas":[{"Records":null}]}`))
	f.Add(200, []byte(`{"Data":[{"PodStatus":{"ContainerStatuses":[{"State":{"Running":{"StartedAtstartedAt":""}}}]},"events":[{"involvedObject":{"uid":1}}]}]}`))
	f.Add(200, []byte("{\"ContainerGroups\":[{\"Status\":\"a\xff\\u0000\\ud800\"}]}"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, out := range []answer{
			&groupPage{}, &statusPage{}, &eventsPage{}, &priceAnswer{}, &historyAnswer{}, &latestAnswer{}, &resourcesAnswer{}, &regionsAnswer{},
			&imageCachesPage{}, &tagsPage{}, &usageAnswer{}, &execAnswer{},
		} {
			err := decodeAnswer("X", status, body, out)
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("untyped error %v", err)
			}
			if err == nil && (status < 200 || status > 299) {
				t.Fatalf("status %d is no error", status)
			}
			if err != nil {
				if !utf8.ValidString(e.Error()) {
					t.Fatalf("the error %q isn't text", e.Error())
				}
				CauseOf(err)
				continue
			}
			switch out := out.(type) {
			case *groupPage:
				for i := range out.ContainerGroups {
					if g := out.ContainerGroups[i].group(); !utf8.ValidString(g.ID + string(g.Status)) {
						t.Fatalf("%q isn't text", g.ID+string(g.Status))
					}
				}
			case *statusPage:
				for i := range out.Data {
					out.Data[i].status()
				}
			case *eventsPage:
				for i := range out.Data {
					for j := range out.Data[i].Events {
						out.Data[i].Events[j].event()
					}
				}
			case *priceAnswer:
				if p, err := out.price(); err != nil && p.Rate.Known() {
					t.Fatal("a price that can't be read is known")
				}
			case *historyAnswer:
				for i := range out.Records {
					out.Records[i].metrics()
				}
			}
		}
	})
}

func FuzzFlatten(f *testing.F) {
	f.Add("name", "key", "", "arg", 0.25, true, uint8(3))
	f.Add("", "\x00", "=&", "%", -1.0, false, uint8(0))
	f.Fuzz(func(t *testing.T, name, key, value, arg string, cpu float64, readOnly bool, n uint8) {
		r := &CreateRequest{ContainerGroupName: name, Cpu: cpu}
		for range n % 5 {
			r.Container = append(r.Container, ContainerRequest{Name: name, Arg: []string{arg, ""},
				EnvironmentVar: []EnvironmentVar{{Key: key, Value: &value}}, VolumeMount: []VolumeMount{{Name: name, ReadOnly: readOnly}}})
		}
		params, err := flatten(r)
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Container {
			prefix := "Container." + string(rune('1'+i)) + "."
			if got, ok := params[prefix+"EnvironmentVar.1.Value"]; !ok || got != value {
				t.Fatalf("the variable's value is %q, %v; want %q", got, ok, value)
			}
			if _, ok := params[prefix+"Arg.2"]; !ok {
				t.Fatal("an empty argument is lost")
			}
		}
		command, err := flatten(&execRequest{ContainerGroupId: name, Command: arg, Stdin: &readOnly})
		if err != nil || command["Stdin"] == "" {
			t.Fatalf("%v, %v", command, err)
		}
		selected, err := (&GroupQuery{IDs: []string{name, key}, Tags: map[string]string{key: value, name: arg}}).selection()
		if err != nil {
			t.Fatal(err)
		}
		listing, err := flatten(&groupsRequest{selection: selected, paging: paging{Limit: 20, NextToken: arg}})
		if err != nil || listing["Limit"] != "20" || listing["NextToken"] != arg {
			t.Fatalf("%v, %v", listing, err)
		}
		for name := range listing {
			params["listing."+name] = ""
		}
		for name := range params {
			if strings.Contains(name, "..") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
				t.Fatalf("no parameter can be called %q", name)
			}
		}
	})
}

// tokens answers every page with the same token.
type tokens struct{ calls int }

func (s *tokens) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls++
	w := httptest.NewRecorder()
	_, err := w.WriteString(`{"ContainerGroups":[{"ContainerGroupId":"eci-1"}],"NextToken":"again"}`)
	return w.Result(), err
}

func TestAPageTokenThatRepeatsIsAnError(t *testing.T) {
	transport := &tokens{}
	c, err := New(Options{Region: "cn-hangzhou", AccessKeyID: "a", AccessKeySecret: "s", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := c.Groups(t.Context(), GroupQuery{})
	if err == nil || groups != nil || transport.calls != 2 {
		t.Errorf("%v, %v after %d calls; want an error after 2", groups, err, transport.calls)
	}
}
