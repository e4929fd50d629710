package ecitest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// A world is an emulator on a clock that the test moves, and a client of it.
type world struct {
	*ecitest.Emulator
	t      *testing.T
	client *eci.Client
	mu     sync.Mutex
	now    time.Time
}

func newWorld(t *testing.T, change ...func(*ecitest.Options)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	o := ecitest.Options{Seed: 7, Clock: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }}
	for _, f := range change {
		f(&o)
	}
	w.Emulator = ecitest.New(o)
	w.client = w.clientOf(ecitest.DefaultAccessKeyID)
	return w
}

// clientOf is a client that signs with another access key's id.
func (w *world) clientOf(accessKeyID string) *eci.Client {
	w.t.Helper()
	client, err := eci.New(eci.Options{Region: w.Region(), Endpoint: "http://ecitest", AccessKeyID: accessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: w.Transport(), Attempts: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) create(change ...func(*eci.CreateRequest)) string {
	w.t.Helper()
	r := &eci.CreateRequest{ContainerGroupName: "web-0", Container: []eci.ContainerRequest{{Name: "main", Image: "lab/serve"}}}
	for _, f := range change {
		f(r)
	}
	id, err := w.client.CreateGroup(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) group(id string) eci.Group {
	w.t.Helper()
	groups, err := w.client.Groups(w.t.Context(), eci.GroupQuery{IDs: []string{id}, WithEvents: true})
	if err != nil || len(groups) != 1 {
		w.t.Fatalf("%d groups %s, %v", len(groups), id, err)
	}
	return groups[0]
}

func (w *world) log(r eci.LogRequest) string {
	w.t.Helper()
	text, err := w.client.Log(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func image(name string, env ...string) func(*eci.CreateRequest) {
	return func(r *eci.CreateRequest) {
		c := &r.Container[0]
		c.Image = "registry.example.com/lab/" + name + ":1"
		for i := 0; i < len(env); i += 2 {
			c.EnvironmentVar = append(c.EnvironmentVar, eci.EnvironmentVar{Key: env[i], Value: &env[i+1]})
		}
	}
}

func restart(policy string) func(*eci.CreateRequest) {
	return func(r *eci.CreateRequest) { r.RestartPolicy = policy }
}

// summary is a group in one line: status, and of each container state, reason, exit code,
// restarts and readiness.
func summary(g eci.Group) string {
	parts := []string{string(g.Status)}
	for _, c := range append(g.InitContainers, g.Containers...) {
		s := fmt.Sprintf("%s=%s/%s", c.Name, c.Current.State, c.Current.Reason)
		if c.Current.State == "Terminated" {
			s += fmt.Sprintf("(%d)", c.Current.ExitCode)
		}
		if c.RestartCount > 0 {
			s += fmt.Sprintf(" x%d", c.RestartCount)
		}
		if c.Ready {
			s += " ready"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func TestLives(t *testing.T) {
	type step struct {
		after time.Duration
		want  string
	}
	probe := func(r *eci.CreateRequest) {
		delay := int32(20)
		r.Container[0].ReadinessProbe = &eci.Probe{TcpSocket: &eci.TCPSocketProbe{Port: 80}, InitialDelaySeconds: &delay}
	}
	initJob := func(env ...string) func(*eci.CreateRequest) {
		return func(r *eci.CreateRequest) {
			c := eci.ContainerRequest{Name: "init", Image: "lab/job"}
			for i := 0; i < len(env); i += 2 {
				c.EnvironmentVar = append(c.EnvironmentVar, eci.EnvironmentVar{Key: env[i], Value: &env[i+1]})
			}
			r.InitContainer = []eci.ContainerRequest{c}
		}
	}
	tests := []struct {
		name    string
		request []func(*eci.CreateRequest)
		steps   []step
	}{
		{name: "a server runs for ever", steps: []step{
			{0, "Scheduling main=Waiting/ContainerCreating"},
			{time.Second, "Pending main=Waiting/ContainerCreating"},
			{1500 * time.Millisecond, "Running main=Running/Started ready"},
			{1000 * time.Hour, "Running main=Running/Started ready"},
		}},
		{name: "a job that never restarts succeeds", request: []func(*eci.CreateRequest){image("job"), restart("Never")}, steps: []step{
			{2500 * time.Millisecond, "Running main=Running/Started ready"},
			{10 * time.Second, "Succeeded main=Terminated/Completed(0)"},
		}},
		{name: "a job with an exit code fails", request: []func(*eci.CreateRequest){image("job", "SECONDS", "3", "EXIT_CODE", "42"), restart("Never")}, steps: []step{
			{6 * time.Second, "Failed main=Terminated/Error(42)"},
		}},
		{name: "OnFailure ends at the first success", request: []func(*eci.CreateRequest){image("job"), restart("OnFailure")}, steps: []step{
			{13 * time.Second, "Succeeded main=Terminated/Completed(0)"},
		}},
		{name: "OnFailure tries a failure again", request: []func(*eci.CreateRequest){image("job", "EXIT_CODE", "1"), restart("OnFailure")}, steps: []step{
			{13 * time.Second, "Running main=Waiting/CrashLoopBackOff"},
			{time.Second, "Running main=Running/Started x1 ready"},
		}},
		{name: "a crash loop backs off", request: []func(*eci.CreateRequest){image("crashloop")}, steps: []step{
			{2500 * time.Millisecond, "Running main=Running/Started ready"},
			{2 * time.Second, "Running main=Waiting/CrashLoopBackOff"},
			{time.Second, "Running main=Running/Started x1 ready"},
			{2 * time.Second, "Running main=Waiting/CrashLoopBackOff x1"},
			{9 * time.Second, "Running main=Waiting/CrashLoopBackOff x1"},
			{time.Second, "Running main=Running/Started x2 ready"},
			{2 * time.Second, "Running main=Waiting/CrashLoopBackOff x2"},
			{20 * time.Second, "Running main=Running/Started x3 ready"},
			{24 * time.Hour, "Running main=Waiting/CrashLoopBackOff x291"},
		}},
		{name: "a slow start is ready late", request: []func(*eci.CreateRequest){image("slowstart", "SECONDS", "5")}, steps: []step{
			{2500 * time.Millisecond, "Running main=Running/Started"},
			{4900 * time.Millisecond, "Running main=Running/Started"},
			{100 * time.Millisecond, "Running main=Running/Started ready"},
		}},
		{name: "a readiness probe waits for its delay", request: []func(*eci.CreateRequest){probe}, steps: []step{
			{2500 * time.Millisecond, "Running main=Running/Started"},
			{20 * time.Second, "Running main=Running/Started ready"},
		}},
		{name: "an init container comes first", request: []func(*eci.CreateRequest){initJob("SECONDS", "4")}, steps: []step{
			{time.Second, "Pending init=Waiting/ContainerCreating main=Waiting/PodInitializing"},
			{1500 * time.Millisecond, "Pending init=Running/Started main=Waiting/PodInitializing"},
			{4 * time.Second, "Pending init=Terminated/Completed(0) main=Waiting/ContainerCreating"},
			{1500 * time.Millisecond, "Running init=Terminated/Completed(0) main=Running/Started ready"},
		}},
		{name: "an init container that fails ends a group that never restarts", request: []func(*eci.CreateRequest){initJob("SECONDS", "1", "EXIT_CODE", "9"), restart("Never")}, steps: []step{
			{4 * time.Second, "Failed init=Terminated/Error(9) main=Waiting/PodInitializing"},
		}},
		{name: "an init container that fails is tried again otherwise", request: []func(*eci.CreateRequest){initJob("SECONDS", "1", "EXIT_CODE", "9")}, steps: []step{
			{5 * time.Second, "Pending init=Running/Started x1 main=Waiting/PodInitializing"},
		}},
		{name: "an image that is missing stays Pending", request: []func(*eci.CreateRequest){image("missing")}, steps: []step{
			{2500 * time.Millisecond, "Pending main=Waiting/ImagePullBackOff"},
			{time.Hour, "Pending main=Waiting/ImagePullBackOff"},
		}},
		{name: "a deadline kills", request: []func(*eci.CreateRequest){func(r *eci.CreateRequest) { s := int64(30); r.ActiveDeadlineSeconds = &s }}, steps: []step{
			{30 * time.Second, "Running main=Running/Started ready"},
			{time.Second, "Failed main=Terminated/DeadlineExceeded(137)"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.create(test.request...)
			elapsed := time.Duration(0)
			for _, s := range test.steps {
				w.pass(s.after)
				elapsed += s.after
				if got := summary(w.group(id)); got != s.want {
					t.Fatalf("after %v: %s\nwant %s", elapsed, got, s.want)
				}
			}
		})
	}
}

func TestAskingOftenChangesNothing(t *testing.T) {
	often, once := newWorld(t), newWorld(t)
	a, b := often.create(image("crashloop")), once.create(image("crashloop"))
	for range 1500 {
		often.group(a)
		often.pass(700 * time.Millisecond)
		once.pass(700 * time.Millisecond)
	}
	if diff := cmp.Diff(once.group(b), often.group(a)); diff != "" {
		t.Errorf("asked once and often (-once +often):\n%s", diff)
	}
}

func TestStatusTimes(t *testing.T) {
	w := newWorld(t)
	start := w.Now()
	id := w.create(image("job"), restart("Never"))
	w.pass(time.Hour)
	g := w.group(id)
	if !g.Created.Equal(start) || !g.Ended().Equal(start.Add(12*time.Second)) { // 12.5 s, written in whole seconds
		t.Errorf("created %v, ended %v", g.Created, g.Ended())
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	id := w.create(image("crashloop"))
	w.pass(20 * time.Second)
	got := map[string]int32{}
	for _, e := range w.group(id).Events {
		got[e.Type+" "+e.Reason] += e.Count
	}
	want := map[string]int32{"Normal Pulling": 1, "Normal Pulled": 3, "Normal Created": 3, "Normal Started": 3, "Warning BackOff": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	groups, err := w.client.Groups(t.Context(), eci.GroupQuery{})
	if err != nil || len(groups[0].Events) != 0 {
		t.Errorf("events without asking for them: %v, %v", groups, err)
	}
}

func TestAsynchronousNoStockEndsInScheduleFailed(t *testing.T) {
	w := newWorld(t)
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultNoStock, Async: true, Zone: "cn-hangzhou-h", ForSeconds: 60}); err != nil {
		t.Fatal(err)
	}
	id := w.create()
	if got := w.group(id).Status; got != eci.Scheduling {
		t.Errorf("at first %s", got)
	}
	w.pass(time.Second)
	g := w.group(id)
	if g.Status != eci.ScheduleFailed || len(g.Events) != 1 || g.Events[0].Reason != "NoStock" || g.IP != "" {
		t.Errorf("a second later: %+v", g)
	}
	rows, err := w.client.GroupStatuses(t.Context(), eci.StatusQuery{})
	if err != nil || len(rows) != 1 || rows[0].Phase != "Failed" {
		t.Errorf("status rows: %v, %v", rows, err)
	}
	w.pass(time.Minute)
	if g := w.group(w.create()); g.Status != eci.Scheduling {
		t.Errorf("after the fault: %s", g.Status)
	}
	w.pass(23 * time.Hour)
	w.group(id)
	w.pass(time.Hour)
	if groups := w.Groups(); len(groups) != 1 {
		t.Errorf("after a day there are %v", groups)
	}
}

func TestTerminatingTakesWhatTheContainersNeedAndNoMoreThanTheGracePeriod(t *testing.T) {
	grace := func(seconds int64) func(*eci.CreateRequest) {
		return func(r *eci.CreateRequest) { r.TerminationGracePeriodSeconds = &seconds }
	}
	for _, test := range []struct {
		name    string
		request []func(*eci.CreateRequest)
		want    time.Duration
	}{
		{"a container that stops when told", nil, 500 * time.Millisecond},
		{"a slow one", []func(*eci.CreateRequest){image("serve", "STOP_SECONDS", "7")}, 7 * time.Second},
		{"a slow one and a short grace period", []func(*eci.CreateRequest){image("serve", "STOP_SECONDS", "7"), grace(3)}, 3 * time.Second},
		{"no grace period", []func(*eci.CreateRequest){image("serve", "STOP_SECONDS", "7"), grace(0)}, 0},
		{"a job that is over", []func(*eci.CreateRequest){image("job"), restart("Never")}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.create(test.request...)
			w.pass(time.Minute)
			if err := w.client.DeleteGroup(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if test.want > 0 {
				w.pass(test.want - time.Millisecond)
				if got := w.group(id).Status; got != eci.Terminating {
					t.Errorf("before %v: %s", test.want, got)
				}
				w.pass(time.Millisecond)
			}
			if groups := w.Groups(); len(groups) != 0 {
				t.Errorf("after %v: %v", test.want, groups)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	id := w.create()
	if err := w.client.RestartGroup(t.Context(), id); err == nil || !strings.Contains(err.Error(), "IncorrectStatus") {
		t.Errorf("restarting a group that is Scheduling: %v", err)
	}
	w.pass(time.Minute)
	if err := w.client.RestartGroup(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := w.group(id).Status; got != eci.Restarting {
		t.Errorf("right after: %s", got)
	}
	w.pass(time.Second)
	if g := w.group(id); g.Status != eci.Running || !g.Containers[0].Current.Started.Equal(w.Now()) {
		t.Errorf("a second later: %s", summary(g))
	}
}

func TestEndedGroupsAreKeptAnHourAndThenTheNewestHundred(t *testing.T) {
	w := newWorld(t, func(o *ecitest.Options) { o.Instant = true })
	for range 130 {
		w.create(image("job", "SECONDS", "0"), restart("Never"))
		w.pass(time.Second)
	}
	server := w.create()
	w.pass(30 * time.Minute)
	if n := len(w.Groups()); n != 131 {
		t.Errorf("within the hour %d groups, want 131", n)
	}
	w.pass(time.Hour)
	groups := w.Groups()
	if len(groups) != 101 || groups[100].ID != server {
		t.Errorf("after the hour %d groups, want the newest 100 and the server", len(groups))
	}
}

func TestLogs(t *testing.T) {
	w := newWorld(t)
	id := w.create(image("job", "SECONDS", "5"), restart("Never"))
	w.pass(2500*time.Millisecond + 2*time.Second)
	request := eci.LogRequest{GroupID: id, Container: "main", Timestamps: true}
	early := w.log(request)
	if n := strings.Count(early, "\n"); n != 3 || !strings.HasPrefix(early, "2026-05-01T12:00:02.5Z starting main, run 1\n") {
		t.Errorf("after two seconds:\n%s", early)
	}
	w.pass(time.Minute)
	all := w.log(request)
	if !strings.HasPrefix(all, early) || !strings.HasSuffix(all, "2026-05-01T12:00:07.5Z done, exit code 0\n") || strings.Count(all, "\n") != 7 {
		t.Errorf("at the end:\n%s", all)
	}
	one := 1
	request.Tail = &one
	if got := w.log(request); got != "2026-05-01T12:00:07.5Z done, exit code 0\n" {
		t.Errorf("the last line is %q", got)
	}
	request.Tail, request.StartTime = nil, "2026-05-01T12:00:06Z"
	if got := w.log(request); strings.Count(got, "\n") != 3 || !strings.HasPrefix(got, "2026-05-01T12:00:06.5Z step 4") {
		t.Errorf("since a time:\n%s", got)
	}
	request.StartTime, request.SinceSeconds = "", 3600
	if got := w.log(request); got != all {
		t.Errorf("since an hour:\n%s", got)
	}
	request.SinceSeconds, request.LimitBytes = 0, 12
	if got := w.log(request); got != "exit code 0\n" {
		t.Errorf("twelve bytes: %q", got)
	}
	if _, err := w.client.Log(t.Context(), eci.LogRequest{GroupID: "eci-none", Container: "main"}); !eci.IsNotFound(err) {
		t.Errorf("of no group: %v", err)
	}
	if _, err := w.client.Log(t.Context(), eci.LogRequest{GroupID: id, Container: "none"}); err == nil || eci.IsNotFound(err) {
		t.Errorf("of no container: %v", err)
	}
}

func TestThePreviousRunsLog(t *testing.T) {
	w := newWorld(t)
	id := w.create(image("crashloop"))
	w.pass(6 * time.Second) // the second run
	request := eci.LogRequest{GroupID: id, Container: "main"}
	if got := w.log(request); !strings.HasPrefix(got, "starting main, run 2\n") || strings.Contains(got, "panic") {
		t.Errorf("the current log:\n%s", got)
	}
	request.Previous = true
	if got := w.log(request); !strings.HasPrefix(got, "starting main, run 1\n") || !strings.HasSuffix(got, "panic: cannot reach the database: connection refused\n") {
		t.Errorf("the previous log:\n%s", got)
	}
}

func TestALongLogIsCheapAndItsTailLimited(t *testing.T) {
	w := newWorld(t)
	id := w.create(image("chatter"))
	w.pass(365 * 24 * time.Hour)
	if n := strings.Count(w.log(eci.LogRequest{GroupID: id, Container: "main"}), "\n"); n != 500 {
		t.Errorf("%d lines by default, want 500", n)
	}
	most := 2000
	if n := strings.Count(w.log(eci.LogRequest{GroupID: id, Container: "main", Tail: &most}), "\n"); n != 2000 {
		t.Errorf("%d lines at most, want 2000", n)
	}
}

func TestSinceSecondsShowsWhatChanged(t *testing.T) {
	w := newWorld(t)
	old := w.create()
	w.pass(time.Hour)
	young := w.create()
	w.pass(30 * time.Second)
	rows, err := w.client.GroupStatuses(t.Context(), eci.StatusQuery{SinceSeconds: 60})
	if err != nil || len(rows) != 1 || rows[0].ID != young {
		t.Errorf("%v, %v; want %s and not %s", rows, err, young, old)
	}
}
