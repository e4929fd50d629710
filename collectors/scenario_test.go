package collectors

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/money"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	scenarioDir = "../testdata/scenarios"
	goldenDir   = "../testdata/fleet"
)

// facts are state/facts.yaml: what is not an object of Kubernetes or a group.
type facts struct {
	Now             time.Time
	Cluster, Region string
	GroupPrices     []struct {
		CPU, Memory   float64
		PerHour, Spot string
	}
	SpotPrices map[string]string // of 2c 4Gi, by zone
	NodeTypes  map[string]string
	Quota      *fleet.Quota
	Subnets    []fleet.VSwitch
	Zones      map[string]bool
	Gone       []string
	Failing    map[string]string
	Age        map[string]string
	Never      []string // of the failing ones, those that never were read
	Book       struct{ VCPU, GiB string }
	Usage      map[string]struct{ CPU, MemoryMi int64 } // namespace/name
	GroupUsage map[string]struct{ CPU, MemoryMi int64 }
	NodeUsage  map[string]struct{ CPU, MemoryMi int64 }
	Bills      []struct {
		Day    string
		Final  bool
		Groups map[string]string
	}
}

func rate(t *testing.T, text string) money.Rate {
	t.Helper()
	if text == "" {
		return money.Rate{}
	}
	amount, currency, ok := strings.Cut(text, " ")
	if !ok {
		currency = "CNY"
	}
	micros, err := money.ParseMicros(amount)
	if err != nil {
		t.Fatal(err)
	}
	return money.PerHour(micros, money.Currency(currency))
}

// stateOf makes the inputs of a scenario's moment, through the collectors' own converting.
func stateOf(t *testing.T, archive *txtar.Archive) (in fleet.Inputs, now time.Time) {
	t.Helper()
	files := map[string][]byte{}
	for _, file := range archive.Files {
		files[file.Name] = file.Data
	}
	var f facts
	if err := yaml.UnmarshalStrict(files["state/facts.yaml"], &f); err != nil {
		t.Fatal("facts:", err)
	}
	var groups []eci.Group
	if err := yaml.UnmarshalStrict(files["state/groups.yaml"], &groups); err != nil {
		t.Fatal("groups:", err)
	}
	now = f.Now
	for _, name := range []string{"cluster", "pods", "nodes", "events", "groups", "prices", "account"} {
		in.Sources = append(in.Sources, fleet.Source{Name: name, Every: 10 * time.Minute})
		in.Succeeded(name, now.Add(-2*time.Second))
	}
	in.Apply(fleet.Cluster{UID: f.Cluster})
	in.Apply(fleet.PriceBook{Region: f.Region, VCPU: rate(t, f.Book.VCPU), GiB: rate(t, f.Book.GiB)})
	applyObjects(t, &in, files["state/objects.yaml"])

	part := (&groupSweep{}).part(groups)
	part.Sweep = 2
	for _, id := range f.Gone {
		if part.Gone == nil {
			part.Gone = map[string]bool{}
		}
		part.Gone[id] = true
	}
	if !slices.Contains(f.Never, "groups") {
		in.Apply(part)
	}
	prices := fleet.Prices{Groups: map[fleet.PriceKey]fleet.GroupPrice{}}
	for _, p := range f.GroupPrices {
		prices.Groups[fleet.PriceKey{CPU: p.CPU, Memory: p.Memory}] = fleet.GroupPrice{Rate: rate(t, p.PerHour), List: rate(t, p.PerHour), Spot: rate(t, p.Spot), Read: now}
	}
	for zone, p := range f.SpotPrices {
		prices.Groups[fleet.PriceKey{CPU: 2, Memory: 4, Zone: zone, Spot: true}] = fleet.GroupPrice{Rate: rate(t, p), Read: now}
	}
	in.Apply(prices)
	types := fleet.NodePrices{Types: map[string]fleet.GroupPrice{}}
	for name, p := range f.NodeTypes {
		types.Types[name] = fleet.GroupPrice{Rate: rate(t, p), List: rate(t, p), Read: now}
	}
	in.Apply(types)
	if f.Quota != nil {
		in.Apply(fleet.Account{Quota: *f.Quota})
	}
	in.Apply(fleet.Subnets{Items: f.Subnets})
	zones := fleet.Zones{}
	for zone, available := range f.Zones {
		zones.Stocks = append(zones.Stocks, fleet.Stock{Zone: zone, Available: available})
	}
	slices.SortFunc(zones.Stocks, func(a, b fleet.Stock) int { return strings.Compare(a.Zone, b.Zone) })
	in.Apply(zones)
	usage := func(u struct{ CPU, MemoryMi int64 }, from string) fleet.Usage {
		return fleet.Usage{CPU: u.CPU, Memory: u.MemoryMi << 20, Read: now, From: from}
	}
	pods, ids, nodes := map[fleet.PodName]fleet.Usage{}, map[string]fleet.Usage{}, map[string]fleet.Usage{}
	for name, u := range f.Usage {
		namespace, pod, _ := strings.Cut(name, "/")
		pods[fleet.PodName{Namespace: namespace, Name: pod}] = usage(u, "metrics-server")
	}
	for id, u := range f.GroupUsage {
		ids[id] = usage(u, "eci")
	}
	for name, u := range f.NodeUsage {
		nodes[name] = usage(u, "metrics-server")
	}
	in.Apply(fleet.PodUsage{Source: "pod-metrics", ByPod: pods})
	in.Apply(fleet.PodUsage{Source: "group-metrics", ByID: ids})
	in.Apply(fleet.NodeUsage{ByName: nodes})
	bills := fleet.Bills{}
	for _, b := range f.Bills {
		day, err := time.ParseInLocation(time.DateOnly, b.Day, time.FixedZone("UTC+8", 8*60*60))
		if err != nil {
			t.Fatal(err)
		}
		read := fleet.BillDay{Day: day.UTC(), Final: b.Final}
		for id, amount := range b.Groups {
			r := rate(t, amount)
			read.Groups = append(read.Groups, fleet.BilledGroup{ID: id, Amount: money.Of(r.MicrosPerHour, r.Currency)})
		}
		slices.SortFunc(read.Groups, func(a, b fleet.BilledGroup) int { return strings.Compare(a.ID, b.ID) })
		bills.Days = append(bills.Days, read)
	}
	in.Apply(bills)
	for i := range in.Sources {
		s := &in.Sources[i]
		if why := f.Failing[s.Name]; why != "" {
			s.Error = why
		}
		if age, err := time.ParseDuration(f.Age[s.Name]); err == nil {
			s.Read = now.Add(-age)
		}
		if slices.Contains(f.Never, s.Name) {
			s.Read = time.Time{}
		}
	}
	return in, now
}

func applyObjects(t *testing.T, in *fleet.Inputs, text []byte) {
	t.Helper()
	pods, nodes, events := fleet.Pods{}, fleet.Nodes{}, fleet.Events{}
	controllers := map[string][]*fleet.Controller{}
	hpas, budgets := fleet.Autoscalers{Kind: fleet.KindHPA}, fleet.Budgets{}
	own := func(c *fleet.Controller) { controllers[c.Kind] = append(controllers[c.Kind], c) }
	for i, one := range strings.Split("\n"+string(text), "\n---\n") {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(one), nil, nil)
		if err != nil {
			t.Fatalf("object %d: %v\n%s", i, err, one)
		}
		switch o := object.(type) {
		case *corev1.Pod:
			pods.Items = append(pods.Items, podRecord(o))
		case *corev1.Node:
			nodes.Items = append(nodes.Items, nodeRecord(o))
		case *corev1.Event:
			events.Items = append(events.Items, &eventRecordOf(o).event)
		case *appsv1.Deployment:
			own(deploymentRecord(o))
		case *appsv1.ReplicaSet:
			own(replicaSetRecord(o))
		case *appsv1.StatefulSet:
			own(statefulSetRecord(o))
		case *batchv1.CronJob:
			own(cronJobRecord(o))
		case *batchv1.Job:
			own(jobRecord(o))
		case *autoscalingv2.HorizontalPodAutoscaler:
			hpas.Items = append(hpas.Items, hpaRecord(o))
		case *policyv1.PodDisruptionBudget:
			budgets.Items = append(budgets.Items, budgetRecord(o))
		default:
			t.Fatalf("object %d is a %T, which no collector reads", i, object)
		}
	}
	in.Apply(pods)
	in.Apply(nodes)
	in.Apply(events)
	for kind, items := range controllers {
		in.Apply(fleet.Controllers{Kind: kind, Items: items})
	}
	in.Apply(hpas)
	in.Apply(budgets)
}

// TestScenarios builds each scenario's moment and compares all that is said of it with a
// text for people, and the Snapshot's encoding with a file that older versions wrote.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(scenarioDir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	states := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "state/") }) {
			continue
		}
		states++
		t.Run(name, func(t *testing.T) {
			in, now := stateOf(t, archive)
			before := in
			before.Groups.Sweep = 1
			s := fleet.Build(in, now, fleet.Build(before, now, nil))
			golden(t, name+".txt", []byte(described(s, now)))

			var kept bytes.Buffer
			if err := s.Encode(&kept, false); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", kept.Bytes())
			again, err := fleet.Decode(&kept)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := described(again, now), described(s, now); got != want {
				t.Errorf("what was read back says something else:\n%s", cmp.Diff(want, got))
			}
			if diff := cmp.Diff(s.Placements, again.Placements, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
				t.Error(diff)
			}
		})
	}
	if states < 7 {
		t.Errorf("%d scenarios have a state", states)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(goldenDir, name)
	if *update {
		if err := os.MkdirAll(goldenDir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (go test ./collectors -update writes it anew):\n%s", path, diff)
	}
}

// described is all that a Snapshot says, for people to read.
func described(s *fleet.Snapshot, now time.Time) string {
	var b strings.Builder
	table := func(title string, rows [][]string) {
		if len(rows) < 2 {
			return
		}
		fmt.Fprintf(&b, "%s\n", title)
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range rows {
			for i, cell := range row {
				if cell == "" {
					row[i] = "–"
				}
			}
			fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
		}
		_ = w.Flush()
		b.WriteString("\n")
	}
	rates := func(t fleet.Tally) string { return t.String() }
	known := func(r money.Rate) string {
		if !r.Known() {
			return "–"
		}
		return r.String()
	}
	ago := func(at time.Time) string {
		if at.IsZero() {
			return "–"
		}
		return now.Sub(at).String()
	}

	rows := [][]string{{"SOURCE", "AGE", "ERROR"}}
	for _, source := range s.Sources {
		rows = append(rows, []string{source.Name, ago(source.Read), source.Error + source.Note})
	}
	table("SOURCES", rows)

	rows = [][]string{{"SEVERITY", "TOPIC", "SUBJECT", "TEXT", "REMEDY", "OPENS", "SINCE", "DUE IN"}}
	for _, a := range s.Attention {
		due := "–"
		if !a.Due.IsZero() {
			due = a.Due.Sub(now).String()
		}
		rows = append(rows, []string{[]string{"info", "degraded", "broken"}[a.Severity], string(a.Topic), a.Subject, a.Text, a.Remedy,
			strings.Trim(a.Target.Kind+" "+a.Target.Namespace+"/"+a.Target.Name, "/"), ago(a.Since), due})
	}
	table("NEEDS YOU", rows)

	rows = [][]string{{"NAMESPACE", "NAME", "STATUS", "PLACE", "NODE", "GROUP", "RATE", "FROM", "ACCRUED", "REASON"}}
	for _, p := range s.Placements {
		row := []string{"", "", p.Status, string(p.Place), "", "", "", "", "", p.Reason}
		if p.Pod != nil {
			row[0], row[1], row[4] = p.Pod.Namespace, p.Pod.Name, p.Pod.NodeName
		}
		if p.Group != nil {
			row[5] = p.Group.ID + " " + string(p.Group.Status)
		}
		row[6] = known(p.Cost.Rate())
		if p.Cost.State == fleet.NotBilled && !p.Cost.Rate().Known() {
			row[6] = "not billed"
		}
		if p.Cost.Quote != nil {
			row[7] = string(p.Cost.Quote.From)
		}
		if accrued := p.Cost.Accrued(now); accrued.Known() {
			row[8] = accrued.String()
		}
		rows = append(rows, row)
	}
	table("PODS", rows)

	rows = [][]string{{"ID", "RELATION", "STATUS", "SIZE", "NAME"}}
	for _, g := range s.Groups {
		rows = append(rows, []string{g.ID, string(g.Relation), string(g.Status), fmt.Sprintf("%gc %gGi", g.CPU, g.Memory), g.Name})
	}
	table("GROUPS", rows)

	rows = [][]string{{"NAME", "PLACE", "STATUS", "PODS", "RATE", "PODS' PART", "IDLE"}}
	for _, n := range s.Nodes {
		rows = append(rows, []string{n.Name, string(n.Place), n.Status, fmt.Sprint(n.Pods), known(n.Cost.Rate()), rates(n.Shares), known(n.Idle())})
	}
	table("NODES", rows)

	rows = [][]string{{"WORKLOAD", "STATE", "LINE", "REASON", "REMEDY", "STUCK FOR", "RATE"}}
	for _, w := range s.Workloads {
		rows = append(rows, []string{w.Namespace + "/" + w.Kind + "/" + w.Name, string(w.Scaling.State), w.Scaling.Line, w.Scaling.Reason, w.Scaling.Remedy, ago(w.Scaling.Since), rates(w.Cost)})
	}
	table("SCALING", rows)

	rows = [][]string{{"PLACE", "NODES", "PODS", "REQUESTS", "BILLED", "USE", "RATE"}}
	for _, p := range s.Places {
		rows = append(rows, []string{string(p.Place), fmt.Sprint(p.Nodes), fmt.Sprint(p.Pods), fmt.Sprintf("%gc", float64(p.RequestCPU)/1000),
			fmt.Sprintf("%gc %gGi", p.BilledCPU, p.BilledMemory), fmt.Sprintf("%gc of %d, %d unknown", float64(p.Usage.CPU)/1000, p.Usage.Pods, p.Usage.Missing), rates(p.Cost)})
	}
	table("PLACES", rows)

	for _, by := range fleet.Groupings() {
		rows = [][]string{{strings.ToUpper(string(by)), "PODS", "RATE", "MONTH", "ACCRUED", "WASTE", "ROUNDED UP", "OVER ECS", "SPOT SAVES"}}
		list := s.Costs(by)
		list = append(list, &fleet.CostRow{Key: "all", Cost: s.Cost})
		for _, row := range list {
			cells := []string{row.Key, fmt.Sprint(row.Pods), rates(row.Cost), "", "", "", "", "", ""}
			for _, c := range row.Cost.Currencies() {
				add := func(at int, text string) {
					if cells[at] != "" {
						cells[at] += " + "
					}
					cells[at] += text
				}
				add(3, row.Cost.Month(c).String())
				add(4, row.Cost.Accrued(c, now).String())
				add(5, row.Cost.Waste(c).String())
				rounded, err := money.Of(row.Cost.Rate(c).MicrosPerHour, c).Sub(money.Of(row.Cost.Asked(c).MicrosPerHour, c))
				if err == nil {
					add(6, rounded.String())
				}
				add(7, row.Cost.OverECS(c).String())
				add(8, row.Cost.OverSpot(c).String())
			}
			rows = append(rows, cells)
		}
		table("COST BY "+strings.ToUpper(string(by)), rows)
	}
	if !s.Bill.Through.IsZero() {
		fmt.Fprintf(&b, "BILL %s to %s: ours %v, others %v, unsure %v, final to %s: %v, estimated %v in %v; %d groups unknown\n\n", s.Bill.From.Format(time.DateOnly), s.Bill.Through.Format(time.DateOnly),
			s.Bill.Ours, s.Bill.Others, s.Bill.Unsure, s.Bill.Final.Format(time.DateOnly), s.Bill.Settled, s.Bill.Estimated, s.Bill.Seen, s.Bill.Unknown)
	}
	rows = [][]string{{"SEEN", "SOURCE", "SUBJECT", "REASON", "TIMES", "OBJECTS", "MESSAGE"}}
	for _, m := range s.Timeline {
		rows = append(rows, []string{ago(m.Time) + " ago", m.Source, m.Namespace + "/" + m.Subject.Kind + "/" + m.Subject.Name, m.Reason, fmt.Sprint(m.Total), fmt.Sprint(m.Objects), m.Message})
	}
	table("TIMELINE", rows)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// TestOlderSnapshotsAreReadable reads a file of each version of the encoding. These files
// are never written anew.
func TestOlderSnapshotsAreReadable(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "older", "v*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := fleet.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		got := []string{s.Cluster, s.Built.Format(time.RFC3339)}
		for _, p := range s.Placements {
			name := ""
			if p.Pod != nil {
				name = p.Pod.Name
			}
			group := ""
			if p.Group != nil {
				group = p.Group.ID
			}
			got = append(got, strings.Join([]string{name, p.Status, string(p.Place), group, p.Cost.Rate().String(), p.Cost.Accrued(s.Built).String()}, " "))
		}
		want := []string{
			"0c0ffee0-0000-4000-8000-00000000c1d1", "2026-11-23T03:12:00Z",
			"ledger-0 Running ecs  0.16 CNY/h 0.352 CNY",
			"ledger-1 Lost eci  unknown unknown",
			"checkout-6c-r0 Running ecs  0.20 CNY/h 0.44 CNY",
			"checkout-6c-r1 Running ecs  0.20 CNY/h 0.44 CNY",
			"checkout-6c-v0 Running eci eci-bp1cc0 0.220536 CNY/h 0.484873 CNY",
			"checkout-6c-v1 CrashLoopBackOff eci eci-bp1cc1 0.220536 CNY/h 0.080802 CNY",
			"tool Completed/Running eci eci-bp1ctool 0.441072 CNY/h 0.970358 CNY",
			" Orphan eci eci-bp1cgone 0.441072 CNY/h 42.872198 CNY",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		if len(s.History.Minutes) != 1 || len(s.Bill.Ours) != 1 {
			t.Errorf("%s: history %+v, bill %+v", path, s.History, s.Bill)
		}
	}
}
