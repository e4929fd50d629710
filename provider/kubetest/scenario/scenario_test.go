package scenario

import (
	"strings"
	"testing"

	"github.com/ecideck/ecideck/testdata"
)

const healthy = `What it is, in a line.
-- lab.yaml --
region: cn-hangzhou
zones:
- {id: cn-hangzhou-h, vSwitch: vsw-h}
virtualNodes:
- {name: vk, vSwitches: [vsw-h]}
nodes:
- {name: ecs, count: 2, cpu: "4", memory: 16Gi, pods: 30}
traffic:
- {namespace: shop, kind: Deployment, name: web, every: 10s, replicas: [1, 2]}
-- web.yaml --
kind: Namespace
`

func TestAHealthyScenarioIsReadWhole(t *testing.T) {
	s, err := Parse("healthy", []byte(healthy))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "healthy" || s.Description != "What it is, in a line." {
		t.Errorf("name %q, description %q", s.Name, s.Description)
	}
	if len(s.Manifests) != 1 || s.Manifests[0].File != "web.yaml" {
		t.Errorf("manifests %v, want web.yaml", s.Manifests)
	}
	if got := s.Traffic[0].Every.Seconds(); got != 10 {
		t.Errorf("traffic every %g s, want 10", got)
	}
}

func TestABrokenScenarioSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"no description", "What it is, in a line.", "", "first line"},
		{"no settings", "-- lab.yaml --", "-- other.yaml --", "no lab.yaml"},
		{"misspelt setting", "region:", "regoin:", "regoin"},
		{"no region", "region: cn-hangzhou", "", "region"},
		{"vSwitch in no zone", "vSwitches: [vsw-h]", "vSwitches: [vsw-z]", "vsw-z"},
		{"two virtual nodes of one name", "- {name: vk, vSwitches: [vsw-h]}", "- {name: a, vSwitches: [vsw-h]}\n- {name: a, vSwitches: [vsw-h]}", "two virtual nodes"},
		{"a second virtual node with flags", "- {name: vk, vSwitches: [vsw-h]}", "- {name: a, vSwitches: [vsw-h]}\n- {name: b, vSwitches: [vsw-h], standby: true}", "one process"},
		{"no virtual node", "- {name: vk, vSwitches: [vsw-h]}", "", "one to 4 virtual nodes"},
		{"groups that reach from nowhere", "traffic:", "reaches: [{to: 10.0.0.1, vSwitch: vsw-z}]\ntraffic:", "vSwitch"},
		{"nodes without memory", "memory: 16Gi, ", "", "memory"},
		{"traffic too fast", "every: 10s", "every: 10ms", "second"},
		{"traffic on a kind that has no replicas", "kind: Deployment", "kind: DaemonSet", "DaemonSet"},
		{"traffic of neither kind", "replicas: [1, 2]", "", "vCPU"},
		{"traffic of both kinds", "replicas: [1, 2]", "replicas: [1, 2], vCPU: [0.5]", "vCPU"},
		{"a file of another kind", "-- web.yaml --", "-- web.txt --", "web.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(healthy, c.from) {
				t.Fatalf("the healthy scenario has no %q", c.from)
			}
			_, err := Parse("broken", []byte(strings.Replace(healthy, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestEveryScenarioThatIsShippedParses(t *testing.T) {
	files, err := testdata.Scenarios.ReadDir("scenarios")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		raw, err := testdata.Scenarios.ReadFile("scenarios/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(strings.TrimSuffix(file.Name(), ".txtar"), raw); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(healthy))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz", data)
		if (s == nil) == (err == nil) {
			t.Errorf("got scenario %v and error %v, want exactly one", s, err)
		}
	})
}
