package eci_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/money"
)

func TestPricesOfTheEmulatorAreThoseOfTheList(t *testing.T) {
	c := newClient(t, ecitest.New(ecitest.Options{}))
	cny := func(micros int64) money.Rate { return money.PerHour(micros, money.CNY) }
	for name, test := range map[string]struct {
		query eci.PriceQuery
		want  money.Rate
	}{
		"2 vCPU and 4 GiB":    {eci.PriceQuery{CPU: 2, Memory: 4}, cny(441_072)},
		"rounded up":          {eci.PriceQuery{CPU: 7, Memory: 13}, cny(8*176_400 + 14*22_068)},
		"economy":             {eci.PriceQuery{CPU: 2, Memory: 4, ComputeCategory: "economy"}, cny(2*97_200 + 4*22_068)},
		"with 20 GiB of disk": {eci.PriceQuery{CPU: 2, Memory: 4, EphemeralStorage: 20}, cny(441_072 + 20*2_124)},
	} {
		price, err := c.Price(t.Context(), test.query)
		if err != nil || price.Rate != test.want {
			t.Errorf("%s costs %v, %v; want %v", name, price.Rate, err, test.want)
		}
	}
	spot, err := c.Price(t.Context(), eci.PriceQuery{CPU: 2, Memory: 4, SpotStrategy: "SpotAsPriceGo"})
	if err != nil || len(spot.Spot) == 0 {
		t.Fatalf("spot: %+v, %v", spot, err)
	}
	// The group's price is that of the cheapest zone; a second's is rounded to 11 places.
	if difference := spot.Rate.MicrosPerHour - spot.Spot[0].Rate.MicrosPerHour; difference < -1 || difference > 1 {
		t.Errorf("the group costs %v, its cheapest zone %v", spot.Rate, spot.Spot[0].Rate)
	}
	if _, err := c.Price(t.Context(), eci.PriceQuery{CPU: 1, Memory: 2, SpotStrategy: "SpotAsPriceGo"}); err == nil || !strings.Contains(err.Error(), "InvalidSpotCpuMemorySpec") {
		t.Errorf("a spot group of 1 vCPU: %v", err)
	}
}

func TestEventsOfTwoHundredGroupsAreOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{})
		c := newClient(t, e)
		want := map[string]bool{}
		for range 45 {
			want[create(t, c)] = true
		}
		time.Sleep(10 * time.Second)
		groups, err := c.GroupEvents(t.Context(), eci.EventQuery{Tags: map[string]string{eci.TagManagedBy: eci.ManagedBy}})
		if err != nil || len(groups) != 45 || e.Calls("DescribeContainerGroupEvents") != 1 {
			t.Fatalf("%d groups in %d calls, %v", len(groups), e.Calls("DescribeContainerGroupEvents"), err)
		}
		for _, g := range groups {
			if !want[g.ID] || len(g.Events) == 0 || g.Events[0].Reason == "" || g.Events[0].First.IsZero() || g.Events[0].ObjectUID == "" {
				t.Fatalf("%+v", g)
			}
		}
	})
}

func TestMetricsOfManyGroupsAreOneCallForTwenty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{})
		c := newClient(t, e)
		var ids []string
		for range 41 {
			ids = append(ids, create(t, c))
		}
		time.Sleep(10 * time.Minute)
		latest, err := c.LatestMetrics(t.Context(), append(ids, "eci-unknown"))
		if err != nil || len(latest) != 41 || e.Calls("DescribeMultiContainerGroupMetric") != 3 {
			t.Fatalf("%d groups in %d calls, %v; want 41 in 3", len(latest), e.Calls("DescribeMultiContainerGroupMetric"), err)
		}
		if m := latest[ids[0]]; m.CPU.Limit != 1000 || m.Memory.Available <= 0 || len(m.Containers) != 1 || time.Since(m.At) > time.Minute {
			t.Errorf("%+v", m)
		}
		history, err := c.MetricHistory(t.Context(), eci.MetricQuery{GroupID: ids[0], Start: time.Now().Add(-5 * time.Minute), Period: 30 * time.Second})
		if err != nil || len(history) < 9 || len(history) > 11 {
			t.Fatalf("%d records, %v", len(history), err)
		}
		for i := 1; i < len(history); i++ {
			if !history[i].At.After(history[i-1].At) || history[i].CPU.CoreNanoseconds < history[i-1].CPU.CoreNanoseconds {
				t.Errorf("record %d is not after the one before", i)
			}
		}
		for name, q := range map[string]eci.MetricQuery{
			"a period that the API lacks": {GroupID: ids[0], Period: time.Hour},
			"an end before the start":     {GroupID: ids[0], Start: time.Now(), End: time.Now().Add(-time.Minute)},
		} {
			before := e.Calls("DescribeContainerGroupMetric")
			if _, err := c.MetricHistory(t.Context(), q); err == nil || e.Calls("DescribeContainerGroupMetric") != before {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestStockByZone(t *testing.T) {
	c := newClient(t, ecitest.New(ecitest.Options{}))
	stock, err := c.AvailableResources(t.Context(), eci.ResourceQuery{Category: "InstanceType", Value: "ecs.c6.large"})
	if err != nil || len(stock) != 2 || !stock[0].Available() || stock[0].Value != "ecs.c6.large" {
		t.Errorf("%+v, %v", stock, err)
	}
	if _, err := c.AvailableResources(t.Context(), eci.ResourceQuery{}); err == nil {
		t.Error("a query without a category is accepted")
	}
}

func TestTagsAreSetListedAndTaken(t *testing.T) {
	c := newClient(t, ecitest.New(ecitest.Options{Instant: true}))
	a, b := create(t, c), create(t, c)
	if err := c.TagGroups(t.Context(), []string{a, b}, map[string]string{"Team": "shop", "Shift": "night"}); err != nil {
		t.Fatal(err)
	}
	if err := c.UntagGroups(t.Context(), []string{b}, []string{"Shift"}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GroupTags(t.Context(), []string{a, b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := map[string]string{eci.TagManagedBy: eci.ManagedBy, eci.TagPodName: "web-0", "Team": "shop"}
	want := map[string]map[string]string{a: {"Shift": "night"}, b: {}}
	for _, tags := range want {
		for key, value := range base {
			tags[key] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	only, err := c.GroupTags(t.Context(), nil, map[string]string{"Shift": "night"})
	if err != nil || len(only) != 1 || only[a] == nil {
		t.Errorf("by tag: %v, %v", only, err)
	}
}

func TestAnUpdateChangesTheImage(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	id := create(t, c)
	err := c.UpdateGroup(t.Context(), &eci.UpdateRequest{ContainerGroupId: id, ClientToken: "update-1",
		Container: []eci.UpdateContainer{{Name: "web", Image: "registry.example.com/lab/serve:2"}}})
	if err != nil {
		t.Fatal(err)
	}
	if g := one(t, c, id); g.Containers[0].Image != "registry.example.com/lab/serve:2" {
		t.Errorf("the image is %s", g.Containers[0].Image)
	}
}

func TestExecWithAndWithoutASession(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	c := newClient(t, e)
	id := create(t, c)
	run := eci.ExecRequest{GroupID: id, Container: "web", Command: []string{"echo", "a b", ""}, Sync: true}
	if answer, err := c.Exec(t.Context(), run); err != nil || strings.TrimSpace(answer.Output) != "a b" {
		t.Errorf("output %q, %v", answer.Output, err)
	}
	run.Sync, run.Stdin, run.TTY, run.Command = false, true, true, []string{"/bin/sh"}
	answer, err := c.Exec(t.Context(), run)
	if err != nil || !strings.Contains(answer.WebSocketURI, "://") {
		t.Errorf("address %q, %v", answer.WebSocketURI, err)
	}
	if printed := fmt.Sprintf("%v %+v %#v %v", answer, answer, answer, run); strings.Contains(printed, "://") || strings.Contains(printed, "/bin/sh") {
		t.Errorf("printed: %s", printed)
	}
	calls := e.Calls("ExecContainerCommand")
	for name, command := range map[string][]string{"no command": nil, "21 words": make([]string, 21), "a long word": {strings.Repeat("x", 257)}} {
		if _, err := c.Exec(t.Context(), eci.ExecRequest{GroupID: id, Container: "web", Command: command}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if e.Calls("ExecContainerCommand") != calls {
		t.Error("what the API can't take was sent to it")
	}
}

func TestDeletingNowDoesNotWaitForTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, ecitest.New(ecitest.Options{}))
		slow := func(r *eci.CreateRequest) {
			r.TerminationGracePeriodSeconds = ptr(int64(600))
			r.Container[0].EnvironmentVar = []eci.EnvironmentVar{{Key: "STOP_SECONDS", Value: ptr("300")}}
		}
		waiting, now := create(t, c, slow), create(t, c, slow)
		time.Sleep(time.Minute)
		if err := c.DeleteGroup(t.Context(), waiting); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteGroupNow(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		groups, err := c.Groups(t.Context(), eci.GroupQuery{})
		if err != nil {
			t.Fatal(err)
		}
		if len(groups) != 1 || groups[0].ID != waiting || groups[0].Status != eci.Terminating {
			t.Errorf("after 5 s there are %+v; want only the group whose container takes its time", groups)
		}
	})
}

func TestGroupsCanBeSelectedByMoreThanTags(t *testing.T) {
	c := newClient(t, ecitest.New(ecitest.Options{Instant: true}))
	h := create(t, c, func(r *eci.CreateRequest) { r.VSwitchId = "vsw-h" })
	create(t, c, func(r *eci.CreateRequest) { r.VSwitchId, r.ContainerGroupName = "vsw-i", "other" })
	for name, q := range map[string]eci.GroupQuery{
		"zone": {ZoneID: "cn-hangzhou-h"}, "vSwitch": {VSwitchID: "vsw-h"}, "name": {Name: "default-web-0"},
	} {
		if groups, err := c.Groups(t.Context(), q); err != nil || len(groups) != 1 || groups[0].ID != h {
			t.Errorf("by %s: %v, %v", name, groups, err)
		}
	}
	if groups, err := c.Groups(t.Context(), eci.GroupQuery{Status: eci.Failed}); err != nil || len(groups) != 0 {
		t.Errorf("by status: %v, %v", groups, err)
	}
}

func TestImageCaches(t *testing.T) {
	c := newClient(t, ecitest.New(ecitest.Options{}))
	if caches, err := c.ImageCaches(t.Context(), eci.ImageCacheQuery{Tags: map[string]string{"a": "b"}}); err != nil || len(caches) != 0 {
		t.Errorf("%v, %v", caches, err)
	}
}

// garbled answers the first calls with what is no answer.
type garbled struct {
	body  string
	first int32
	calls atomic.Int32
	base  http.RoundTripper
}

func (g *garbled) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.calls.Add(1) > g.first {
		return g.base.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	_, err := w.WriteString(g.body)
	return w.Result(), err
}

func TestAnAnswerThatCannotBeReadIsAskedForAgain(t *testing.T) {
	for name, body := range map[string]string{
		"a proxy's page": "<html>captive portal</html>", "half an answer": `{"ContainerGroups":[{"Conta`, "nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := ecitest.New(ecitest.Options{})
				g := &garbled{body: body, first: 2, base: e.Transport()}
				c := newClient(t, e, func(o *eci.Options) { o.Transport = g })
				if _, err := c.Groups(t.Context(), eci.GroupQuery{}); err != nil || g.calls.Load() != 3 {
					t.Errorf("reading: %v after %d calls; want success at the third", err, g.calls.Load())
				}
				g.calls.Store(0)
				id, err := c.CreateGroup(t.Context(), healthy(func(r *eci.CreateRequest) { r.ClientToken = "uid-1" }))
				if err != nil || len(e.Groups()) != 1 || e.Groups()[0].ID != id {
					t.Errorf("creating with a token: %v, %d groups", err, len(e.Groups()))
				}
				g.calls.Store(0)
				if _, err := c.CreateGroup(t.Context(), healthy()); !eci.IsRetryable(err) || g.calls.Load() != 1 {
					t.Errorf("creating without a token: %v after %d calls; want one, for it may have gone through", err, g.calls.Load())
				}
				g.calls.Store(0)
				g.first = 100
				if _, err := c.Groups(t.Context(), eci.GroupQuery{}); !eci.IsRetryable(err) || g.calls.Load() != 3 {
					t.Errorf("never an answer: %v after %d calls; want three", err, g.calls.Load())
				}
			})
		})
	}
}

func TestAnAnswerThatBreaksOffIsAskedForAgain(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Content-Length", "1000") // and then less: the connection is cut
		}
		_, _ = io.WriteString(w, `{"ContainerGroups":[{"ContainerGroupId":"eci-1"}]}`)
	}))
	defer server.Close()
	c, err := eci.New(eci.Options{Region: "cn-hangzhou", Endpoint: server.URL, AccessKeyID: "a", AccessKeySecret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if groups, err := c.Groups(t.Context(), eci.GroupQuery{}); err != nil || len(groups) != 1 || calls.Load() != 2 {
		t.Errorf("%v, %v after %d calls; want one group after 2", groups, err, calls.Load())
	}
}

// endless is an answer that never ends.
type endless struct{}

func (endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(spaces{})}, nil
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestAnAnswerWithoutEndIsNotKept(t *testing.T) {
	c, err := eci.New(eci.Options{Region: "cn-hangzhou", AccessKeyID: "a", AccessKeySecret: "s", Attempts: 1, Transport: endless{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Groups(t.Context(), eci.GroupQuery{}); err == nil || !strings.Contains(err.Error(), "longer than 64 MiB") {
		t.Errorf("error is %v", err)
	}
}

func TestAnyNoProxyIsGood(t *testing.T) {
	t.Setenv("NO_PROXY", "+10.0.0.0/8,*.svc,[::1],(")
	c := newClient(t, ecitest.New(ecitest.Options{}))
	if _, err := c.Usage(t.Context()); err != nil {
		t.Error(err)
	}
}
