package eci

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/provider/money"
)

// canned answers every call with one body.
type canned string

func (b canned) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_, err := w.WriteString(string(b))
	return w.Result(), err
}

func cannedClient(t *testing.T, body string) *Client {
	t.Helper()
	c, err := New(Options{Region: "cn-hangzhou", AccessKeyID: "a", AccessKeySecret: "s", Transport: canned(body)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sample is an answer that has every documented field, none of them empty.
func sample(name string, node any) any {
	switch n := node.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, child := range n {
			out[key] = sample(key, child)
		}
		return out
	case []any:
		return []any{sample(name, n[0])}
	case string:
		switch {
		case n == "boolean":
			return true
		case n == "number":
			return len(name) // so that two fields seldom have the same
		case strings.HasSuffix(name, "Time") || strings.HasSuffix(name, "Timestamp") || strings.HasSuffix(strings.ToLower(name), "edat"):
			return "2024-05-01T02:03:04Z"
		case name == "NextToken":
			return ""
		case name == "Progress":
			return "40%"
		}
	}
	return "a " + name
}

// respelled is an answer with other names and with numbers and booleans as strings.
func respelled(v any, spell func(string) string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, child := range v {
			out[spell(key)] = respelled(child, spell)
		}
		return out
	case []any:
		var out []any
		for _, child := range v {
			out = append(out, respelled(child, spell))
		}
		return out
	case string:
		return v
	}
	return fmt.Sprint(v)
}

func lowerCamel(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// empty are the fields of a result that are zero, as paths.
func empty(v reflect.Value, path string) []string {
	switch v.Kind() {
	case reflect.Slice:
		if v.Len() == 0 {
			return []string{path}
		}
		return empty(v.Index(0), path)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[money.Rate]() {
			break
		}
		var out []string
		for i := range v.NumField() {
			out = append(out, empty(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
		return out
	case reflect.Map:
		if v.Len() == 0 {
			return []string{path}
		}
		return empty(v.MapIndex(v.MapKeys()[0]), path)
	}
	if v.IsZero() {
		return []string{path}
	}
	return nil
}

func TestEveryDocumentedFieldArrives(t *testing.T) {
	var vendor map[string]struct{ Response map[string]any }
	readJSON(t, "ecitest/schema/eci-20180808.json", &vendor)
	any1 := func(v any, err error) (any, error) { return v, err }
	tests := []struct {
		action string
		call   func(context.Context, *Client) (any, error)
		// response is what the vendor's schema lacks, by hand.
		response map[string]any
		// lacks are the fields that this answer doesn't have, with all their own.
		lacks []string
	}{
		{action: "DescribeContainerGroups", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.Groups(ctx, GroupQuery{})) },
			response: map[string]any{"ContainerGroups": []any{map[string]any{"ComputeCategory": "string"}}},
			lacks:    []string{".Events.Source", ".Events.ObjectKind", ".Events.ObjectName", ".Events.ObjectUID"}},
		{action: "DescribeContainerGroupStatus", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.GroupStatuses(ctx, StatusQuery{})) },
			lacks: []string{".Containers.Current.DetailStatus", ".Containers.Previous.DetailStatus"}},
		{action: "DescribeContainerGroupEvents", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.GroupEvents(ctx, EventQuery{})) }},
		{action: "DescribeContainerGroupPrice", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.Price(ctx, PriceQuery{})) }},
		{action: "DescribeContainerGroupMetric", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.MetricHistory(ctx, MetricQuery{})) }},
		{action: "DescribeMultiContainerGroupMetric", call: func(ctx context.Context, c *Client) (any, error) {
			return any1(c.LatestMetrics(ctx, []string{"eci-1"}))
		}, lacks: []string{".Filesystems.Category"}},
		{action: "DescribeAvailableResource", call: func(ctx context.Context, c *Client) (any, error) {
			return any1(c.AvailableResources(ctx, ResourceQuery{}))
		}},
		{action: "DescribeRegions", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.Regions(ctx)) },
			response: map[string]any{"Regions": []any{map[string]any{"UnavailableZones": []any{"string"}}}}},
		{action: "DescribeImageCaches", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.ImageCaches(ctx, ImageCacheQuery{})) },
			lacks: []string{".Events.Source", ".Events.ObjectKind", ".Events.ObjectName", ".Events.ObjectUID"}},
		{action: "ExecContainerCommand", call: func(ctx context.Context, c *Client) (any, error) {
			return any1(c.Exec(ctx, ExecRequest{Command: []string{"true"}}))
		}},
		{action: "DescribeContainerLog", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.Log(ctx, LogRequest{})) }},
		{action: "CreateContainerGroup", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.CreateGroup(ctx, &CreateRequest{})) }},
		{action: "ListUsage", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.Usage(ctx)) },
			response: map[string]any{"Attributes": map[string]any{"UsedCpu": "number", "MaxCpu": "number", "UsedImageCacheCount": "number", "MaxImageCacheCount": "number",
				"UsedAutoImageCacheCount": "number", "MaxAutoImageCacheCount": "number", "UsedDataCacheCount": "number", "MaxDataCacheCount": "number"}}},
		{action: "ListTagResources", call: func(ctx context.Context, c *Client) (any, error) { return any1(c.GroupTags(ctx, nil, nil)) },
			response: map[string]any{"RequestId": "string", "NextToken": "string", "TagResources": []any{map[string]any{"ResourceType": "string", "ResourceId": "string", "TagKey": "string", "TagValue": "string"}}}},
	}
	tested := map[string]bool{}
	for _, test := range tests {
		tested[test.action] = true
	}
	for _, r := range requestTypes() {
		if len(vendor[r.action()].Response) > 1 && !tested[r.action()] { // more than its RequestId
			t.Errorf("the answer of %s is not tested", r.action())
		}
	}
	for _, test := range tests {
		t.Run(test.action, func(t *testing.T) {
			response := merge(vendor[test.action].Response, test.response).(map[string]any)
			full := sample("", response)
			read := func(answer any) any {
				body, err := json.Marshal(answer)
				if err != nil {
					t.Fatal(err)
				}
				got, err := test.call(t.Context(), cannedClient(t, string(body)))
				if err != nil {
					t.Fatalf("%v, from %s", err, body)
				}
				return got
			}
			want := read(full)
			missing := slices.DeleteFunc(empty(reflect.ValueOf(want), ""), func(path string) bool { return slices.Contains(test.lacks, path) })
			if len(missing) > 0 {
				t.Errorf("fields that didn't arrive: %v", missing)
			}
			for name, spell := range map[string]func(string) string{"lowerCamel": lowerCamel, "lower": strings.ToLower, "UPPER": strings.ToUpper} {
				if diff := cmp.Diff(want, read(respelled(full, spell)), cmp.Transformer("exec", func(a ExecAnswer) [3]string {
					return [3]string{a.WebSocketURI, a.HTTPURL, a.Output}
				})); diff != "" {
					t.Errorf("in %s (-documented +respelled):\n%s", name, diff)
				}
			}
		})
	}
}

// merge is a schema with what another has besides.
func merge(a, b any) any {
	switch b := b.(type) {
	case nil:
		return a
	case map[string]any:
		out := map[string]any{}
		if a, ok := a.(map[string]any); ok {
			for key, value := range a {
				out[key] = value
			}
		}
		for key, value := range b {
			out[key] = merge(out[key], value)
		}
		return out
	case []any:
		if a, ok := a.([]any); ok {
			return []any{merge(a[0], b[0])}
		}
	}
	return b
}

func TestAPriceIsPerSecondAndASpotPricePerHour(t *testing.T) {
	cny := func(micros int64) money.Rate { return money.PerHour(micros, money.CNY) }
	tests := []struct {
		name, body string
		want       Price
		wantErr    bool
	}{
		{name: "as documented for 2 vCPU and 4 GiB", body: `{"PriceInfo":{"Price":{"OriginalPrice":0.00012252,"DiscountPrice":0.0,"TradePrice":0.00012252,"Currency":"CNY",
			"DetailInfos":{"DetailInfo":[{"Resource":"cpu","OriginalPrice":0.000098,"TradePrice":9.8E-5}]}},
			"SpotPrices":{"SpotPrice":[{"ZoneId":"cn-beijing-f","InstanceType":"ecs.c5.large","SpotPrice":0.056,"OriginPrice":"0.622"}]}}}`,
			want: Price{Rate: cny(441_072), List: cny(441_072), Parts: []PricePart{{"cpu", cny(352_800), cny(352_800)}},
				Spot: []SpotPrice{{"cn-beijing-f", "ecs.c5.large", cny(56_000), cny(622_000)}}}},
		{name: "a discount", body: `{"PriceInfo":{"Price":{"OriginalPrice":0.0001,"TradePrice":0.00009,"Currency":"CNY"}}}`, want: Price{Rate: cny(324_000), List: cny(360_000)}},
		{name: "free is known", body: `{"PriceInfo":{"Price":{"TradePrice":0,"Currency":"USD"}}}`, want: Price{Rate: money.PerHour(0, money.USD)}},
		{name: "no price is unknown", body: `{"PriceInfo":{"Price":{"Currency":"CNY","TradePrice":""},"SpotPrices":null}}`},
		{name: "no currency is unknown", body: `{"PriceInfo":{"Price":{"TradePrice":1}}}`},
		{name: "nothing at all is unknown", body: `{"RequestId":"r"}`},
		{name: "an amount that is none", body: `{"PriceInfo":{"Price":{"Currency":"CNY","TradePrice":"cheap"}}}`, wantErr: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := cannedClient(t, test.body).Price(t.Context(), PriceQuery{CPU: 2, Memory: 4})
			if (err != nil) != test.wantErr {
				t.Fatalf("error is %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("price (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAContainersStateIsTheOneThatTheAnswerHas(t *testing.T) {
	at := time.Date(2024, 5, 1, 2, 3, 4, 0, time.UTC)
	for state, want := range map[string]ContainerState{
		`{"Waiting":{"Reason":"ImagePull","Message":"m"}}`:                                           {State: "Waiting", Reason: "ImagePull", Message: "m"},
		`{"Running":{"StartedAtstartedAt":"2024-05-01T02:03:04Z"}}`:                                  {State: "Running", Started: at},
		`{"running":{"startedAt":"2024-05-01T02:03:04Z"},"waiting":null}`:                            {State: "Running", Started: at},
		`{"Terminated":{"ExitCode":"137","Reason":"OOMKilled","FinishedAt":"2024-05-01T02:03:04Z"}}`: {State: "Terminated", ExitCode: 137, Reason: "OOMKilled", Finished: at},
		`{}`:   {},
		`""`:   {},
		`null`: {},
	} {
		rows, err := cannedClient(t, `{"Data":[{"ContainerGroupId":"eci-1","PodStatus":{"ContainerStatuses":[{"Name":"web","State":`+state+`}]}}]}`).GroupStatuses(t.Context(), StatusQuery{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rows[0].Containers[0].Current); diff != "" {
			t.Errorf("%s (-want +got):\n%s", state, diff)
		}
	}
}
