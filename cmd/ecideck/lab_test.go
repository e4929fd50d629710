package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
	"github.com/ecideck/ecideck/testdata"
	"github.com/ecideck/ecideck/ui/uitest"
)

// A cluster is a running lab with the real kubectl as the user's hand.
type cluster struct {
	t   testing.TB
	lab *kubetest.Lab
}

// programs builds the programs, with the race detector if these tests have it, once for all
// tests: even where nothing is left to build, Go needs a second to find that out.
var programs = sync.OnceValues(func() (bin string, err error) {
	return kubetest.Programs(context.Background(), raceEnabled)
})

// startLab builds the programs, with the race detector if this test has it, and starts a
// shipped scenario without its traffic: these tests scale by hand. The flags are further
// ones of its virtual node.
func startLab(t testing.TB, name string, flags ...string) *cluster {
	t.Helper()
	raw, err := testdata.Scenarios.ReadFile("scenarios/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse(name, raw)
	if err != nil {
		t.Fatal(err)
	}
	s.Traffic = nil
	s.VirtualNodes[0].Args = append(s.VirtualNodes[0].Args, flags...)
	return start(t, s)
}

// startScenario starts a scenario of the tests' own, with changes.
func startScenario(t testing.TB, name, text string, change ...func(*scenario.Scenario)) *cluster {
	t.Helper()
	s, err := scenario.Parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(s)
	}
	return start(t, s)
}

// start starts a lab, whose processes must all run at the test's end without a data race.
func start(t testing.TB, s *scenario.Scenario) *cluster {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	lab, err := kubetest.Start(t.Context(), kubetest.Options{Name: "test", Dir: filepath.Join(t.TempDir(), "lab"), Bin: bin, Scenario: s, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, part := range ours(lab) {
				raw, err := os.ReadFile(lab.LogFile(part))
				t.Logf("log of %s (%v):\n%s", part, err, raw[max(0, len(raw)-8000):])
			}
		}
		for _, process := range lab.Processes() {
			if process.State != kubetest.Running {
				t.Errorf("%s ended by itself: %s", process.Name, process.Reason)
			}
		}
		raceReports(t, lab)
		if err := lab.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &cluster{t, lab}
}

// setenv points ecideck, which tests run in their own process, at the lab. One test alone may
// do so: it runs beside others, which say to every process of theirs where to look.
func (c *cluster) setenv() {
	c.t.Helper()
	home := c.t.TempDir() // neither this user's config nor his history
	for _, variable := range append(c.lab.Access.Environment(), "KUBECONFIG="+c.lab.Kubeconfig, "XDG_STATE_HOME="+home, "XDG_CONFIG_HOME="+home) {
		name, value, _ := strings.Cut(variable, "=")
		before, set := os.LookupEnv(name)
		if err := os.Setenv(name, value); err != nil { //nolint:usetesting // t.Setenv refuses parallel tests
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() {
			if set {
				_ = os.Setenv(name, before) //nolint:usetesting // as above
			} else {
				_ = os.Unsetenv(name)
			}
		})
	}
}

// ours are the lab's parts that are built from this repository.
func ours(lab *kubetest.Lab) []string {
	parts := []string{kubetest.Node, kubetest.ECI}
	if lab.Scenario.VirtualNodes[0].Standby {
		parts = append(parts, kubetest.Standby)
	}
	return parts
}

// raceReports fails the test for data races in the processes of ours; the emulator is watched
// for them where it is tested.
func raceReports(t testing.TB, lab *kubetest.Lab) {
	t.Helper()
	for _, part := range ours(lab) {
		if part == kubetest.ECI {
			continue
		}
		raw, err := os.ReadFile(lab.LogFile(part))
		if err != nil {
			t.Error(err)
		}
		if i := bytes.Index(raw, []byte("WARNING: DATA RACE")); i >= 0 {
			t.Errorf("data race in %s:\n%s", part, raw[i:min(len(raw), i+6000)])
		}
	}
}

// kubectl runs the lab's kubectl and returns what it printed and whether it succeeded.
func (c *cluster) kubectl(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := c.lab.Command(ctx, "kubectl", args...).CombinedOutput()
	return string(out), err
}

func (c *cluster) mustKubectl(args ...string) string {
	c.t.Helper()
	out, err := c.kubectl(args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// pods are the pods of an app as kubectl sees them, with any further arguments.
func (c *cluster) pods(namespace, app string) []unstructured.Unstructured {
	c.t.Helper()
	var list unstructured.UnstructuredList
	out := c.mustKubectl("get", "pods", "-n", namespace, "-l", "app="+app, "-o", "json")
	if err := list.UnmarshalJSON([]byte(out)); err != nil {
		c.t.Fatalf("%v in\n%s", err, out)
	}
	return list.Items
}

// groups are the emulator's own list of the groups of pods that begin with a prefix.
func (c *cluster) groups(prefix string) []ecitest.GroupInfo {
	c.t.Helper()
	var all []ecitest.GroupInfo
	if err := c.lab.Access.Admin(context.Background(), http.MethodGet, "/_ecitest/groups", nil, &all); err != nil {
		c.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(g ecitest.GroupInfo) bool { return !strings.HasPrefix(g.Tags[eci.TagPodName], prefix) })
}

// get is what `ecideck get pods -A -o json` prints.
func (c *cluster) get() []podRow {
	c.t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"get", "pods", "-A", "-o", "json"}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != 0 {
		c.t.Fatalf("ecideck get pods: exit code %d\n%s", code, errs.String())
	}
	var list struct{ Items []podRow }
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		c.t.Fatalf("%v in\n%s", err, out.String())
	}
	return list.Items
}

type podRow struct {
	Namespace, Name, UID, Place, Status string
	Workload                            struct{ Kind, Name string }
	Group                               *struct{ ID, Status string }
}

func (c *cluster) eventually(within time.Duration, what string, done func() (bool, string)) {
	c.t.Helper()
	begin := time.Now()
	deadline := time.After(within)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, last := done()
		if ok {
			c.t.Logf("%s after %.1f s", what, time.Since(begin).Seconds())
			return
		}
		select {
		case <-deadline:
			c.t.Fatalf("not within %s: %s; last: %s", within, what, last)
		case <-tick.C:
		}
	}
}

func phase(pod unstructured.Unstructured) string {
	p, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	return p
}

// slack is how much longer things may take than a person is promised, because these tests
// share two cores with everything else and watch for races.
const slack = 4

func TestTheWalkingSkeleton(t *testing.T) {
	t.Parallel()
	c := startLab(t, "self-built")
	c.setenv()

	t.Run("pods of a Deployment run on ECS and on ECI, joined with their groups", func(t *testing.T) {
		c := &cluster{t, c.lab}
		c.mustKubectl("scale", "-n", "shop", "deployment/checkout", "--replicas=12")
		c.eventually(10*slack*time.Second, "12 running, some on each", func() (bool, string) {
			places := map[string]int{}
			for _, row := range c.get() {
				if row.Workload.Name != "checkout" || row.Workload.Kind != "Deployment" || row.Status != "Running" {
					continue
				}
				if row.Place == "eci" && (row.Group == nil || row.Group.Status != "Running") {
					continue
				}
				places[row.Place]++
			}
			return places["ecs"]+places["eci"] == 12 && places["ecs"] > 0 && places["eci"] > 0, fmt.Sprint(places)
		})
		for _, pod := range c.pods("shop", "checkout") {
			id := pod.GetAnnotations()[eci.AnnotationInstanceID]
			for _, group := range c.groups(pod.GetName()) {
				if group.ID != id || group.Tags[eci.TagPodUID] != string(pod.GetUID()) {
					t.Errorf("pod %s names group %q, the cloud has %+v", pod.GetName(), id, group)
				}
			}
		}
	})

	t.Run("logs are a kubelet's", func(t *testing.T) {
		c := &cluster{t, c.lab}
		pod := c.pods("shop", "preview")[0].GetName()
		c.eventually(10*slack*time.Second, "three lines", func() (bool, string) {
			out, err := c.kubectl("logs", "-n", "shop", pod, "--tail=3")
			return err == nil && strings.Count(out, "\n") == 3, fmt.Sprint(out, err)
		})
		out := c.mustKubectl("logs", "-n", "shop", pod, "--tail=1", "--timestamps")
		if stamp, _, _ := strings.Cut(out, " "); !isTime(stamp) {
			t.Errorf("no timestamp in %q", out)
		}
		if out, err := c.kubectl("logs", "-n", "shop", pod, "-c", "nobody"); err == nil || !strings.Contains(out, "nobody") {
			t.Errorf("a container that is not there: %v\n%s", err, out)
		}
	})

	t.Run("exec runs a command in a container on ECI", func(t *testing.T) {
		c := &cluster{t, c.lab}
		pod := c.pods("shop", "preview")[0].GetName()
		if out := c.mustKubectl("exec", "-n", "shop", pod, "--", "echo", "hello from ECI"); out != "hello from ECI\n" {
			t.Errorf("echo printed %q", out)
		}
		out, err := c.kubectl("exec", "-n", "shop", pod, "--", "sh", "-c", "echo out; exit 7")
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 7 || !strings.Contains(out, "out\n") {
			t.Errorf("got %v\n%s", err, out)
		}
		if out, err := c.kubectl("exec", "-n", "shop", pod, "-c", "none", "--", "true"); err == nil || !strings.Contains(out, "none") {
			t.Errorf("a container that is not there: %v\n%s", err, out)
		}
	})

	t.Run("a deleted pod goes when its group goes, not when its grace ends", func(t *testing.T) {
		c := &cluster{t, c.lab}
		pod := c.pods("shop", "preview")[0].GetName()
		begin := time.Now()
		c.mustKubectl("delete", "pod", "-n", "shop", pod, "--grace-period=600")
		t.Logf("kubectl delete took %.1f s", time.Since(begin).Seconds())
		c.eventually(5*slack*time.Second, "the group is gone", func() (bool, string) {
			return len(c.groups(pod)) == 0, fmt.Sprint(c.groups(pod))
		})
	})

	// Its container works for 20 s, so that it ends while the API server is away.
	t.Run("a Job starts on ECI", func(t *testing.T) {
		c := &cluster{t, c.lab}
		c.mustKubectl("create", "job", "-n", "batch", "once", "--from=cronjob/report")
		c.eventually(10*slack*time.Second, "the Job has a group", func() (bool, string) {
			groups := c.groups("once-")
			return len(groups) == 1, fmt.Sprint(groups)
		})
	})

	t.Run("screen, kubectl and cloud agree at 30 and at 3", func(t *testing.T) {
		c := &cluster{t, c.lab}
		console := openConsole(t)
		console.Type("/checkout")
		console.Press("Enter")
		for _, replicas := range []int{30, 3} {
			c.mustKubectl("scale", "-n", "shop", "deployment/checkout", "--replicas="+strconv.Itoa(replicas))
			c.eventually(5*slack*time.Second, fmt.Sprintf("all agree on %d", replicas), func() (bool, string) {
				pods := c.pods("shop", "checkout")
				onECI := 0
				for _, pod := range pods {
					if node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName"); strings.HasPrefix(node, "virtual-kubelet") {
						onECI++
					}
					if phase(pod) != "Running" {
						return false, pod.GetName() + " is " + phase(pod)
					}
				}
				groups := c.groups("checkout")
				shown := rowsOf(console.Text(), "checkout-")
				shownECI := rowsOf(console.Text(), "eci-")
				last := fmt.Sprintf("kubectl %d (%d on ECI), cloud %d, screen %d (%d on ECI)", len(pods), onECI, len(groups), shown, shownECI)
				return len(pods) == replicas && len(groups) == onECI && shown == replicas && shownECI == onECI, last
			})
		}
	})

	t.Run("m moves a pod to ECI and z brings it home", func(t *testing.T) { keysMoveAPodThereAndBack(t, &cluster{t, c.lab}) })

	t.Run("the API server away for 20 s leaves the console standing, stale, and back by itself", func(t *testing.T) {
		c := &cluster{t, c.lab}
		console := openConsole(t)
		console.See(20*time.Second, "checkout-")
		before := rowsOf(console.Text(), "checkout-")
		if err := c.lab.Kill(kubetest.APIServer); err != nil {
			t.Fatal(err)
		}
		console.See(15*time.Second, "k8s STALE")
		away := time.NewTimer(20 * time.Second)
		defer away.Stop()
		<-away.C
		console.See(time.Second, "k8s STALE")
		if got := rowsOf(console.Text(), "checkout-"); got != before {
			t.Errorf("%d rows of checkout while stale, %d before", got, before)
		}
		if err := c.lab.StartPart(kubetest.APIServer); err != nil {
			t.Fatal(err)
		}
		console.Until(60*time.Second, "is fresh again", func(s string) bool { return !strings.Contains(s, "STALE") })
		c.mustKubectl("scale", "-n", "shop", "deployment/checkout", "--replicas=4")
		console.Until(20*slack*time.Second, "shows four", func(s string) bool { return rowsOf(s, "checkout-") == 4 })
	})

	t.Run("the Job is complete and has its log, though it ended meanwhile", func(t *testing.T) {
		c := &cluster{t, c.lab}
		c.eventually(40*slack*time.Second, "the Job is complete", func() (bool, string) {
			out, err := c.kubectl("get", "job", "-n", "batch", "once", "-o", "jsonpath={.status.succeeded}")
			return err == nil && out == "1", fmt.Sprint(out, err)
		})
		if out := c.mustKubectl("logs", "-n", "batch", "job/once"); !strings.Contains(out, "exit code 0") {
			t.Errorf("log:\n%s", out)
		}
	})

	t.Run("the virtual node killed under churn comes back with one group a pod", func(t *testing.T) {
		c := &cluster{t, c.lab}
		for i, replicas := range []string{"24", "6", "20"} {
			c.mustKubectl("scale", "-n", "shop", "deployment/checkout", "--replicas="+replicas)
			wait := time.NewTimer(time.Duration(200+300*i) * time.Millisecond)
			<-wait.C
			if err := c.lab.Kill(kubetest.Node); err != nil {
				t.Fatal(err)
			}
			if err := c.lab.StartPart(kubetest.Node); err != nil {
				t.Fatal(err)
			}
		}
		c.eventually(60*slack*time.Second, "20 running, one group a pod", func() (bool, string) {
			uids := map[string]bool{}
			for _, pod := range c.pods("shop", "checkout") {
				if phase(pod) != "Running" {
					return false, pod.GetName() + " is " + phase(pod)
				}
				if node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName"); strings.HasPrefix(node, "virtual-kubelet") {
					uids[string(pod.GetUID())] = true
				}
			}
			groups := c.groups("checkout")
			for _, group := range groups {
				if !uids[group.Tags[eci.TagPodUID]] {
					return false, fmt.Sprintf("group %s (%s) has no pod", group.ID, group.Status)
				}
				delete(uids, group.Tags[eci.TagPodUID])
			}
			return len(uids) == 0 && len(c.pods("shop", "checkout")) == 20, fmt.Sprintf("%d groups, pods without one: %v", len(groups), uids)
		})
	})
}

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}

// openConsole shows the console on the lab; it is quit when the test ends.
func openConsole(t *testing.T) *uitest.Terminal {
	t.Helper()
	terminal := uitest.NewTerminal(t, 120, 60)
	ended := make(chan error, 1)
	go func() {
		o := &options{streams: streams{out: t.Output(), err: t.Output()}, kube: genericclioptions.NewConfigFlags(true),
			region: os.Getenv("ECIDECK_REGION"), endpoint: os.Getenv("ECIDECK_ECI_ENDPOINT")}
		ended <- showConsole(t.Context(), o, consoleOptions{}, terminal)
	}()
	t.Cleanup(func() {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the console ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the console did not end with its context")
		}
	})
	terminal.See(20*time.Second, "Pods")
	terminal.Press("2") // from the overview
	return terminal
}

// rowsOf counts the rows of the table on a screen that have a word beginning with prefix.
func rowsOf(screen, prefix string) int {
	word := regexp.MustCompile(`(^|\s)` + regexp.QuoteMeta(prefix) + `\S`)
	count := 0
	for i, line := range strings.Split(screen, "\n") {
		if i > 2 && word.MatchString(line) { // the header, the tabs and the columns' titles
			count++
		}
	}
	return count
}
