// Package scenario reads the lab's scenarios: a cluster, its cloud and what happens to them,
// in one txtar file. Its first lines are a description; the file lab.yaml in it holds the
// settings below; every other file ending in .yaml holds Kubernetes manifests, applied in
// the archive's order. Files under state/ are one moment of the scenario as collectors see
// it, for the goldens of collectors/fleet; a lab runs without them.
package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// A Scenario is what a lab runs.
type Scenario struct {
	Name        string
	Description string // one line
	Settings
	Manifests []Manifest
}

// A Manifest is one file of Kubernetes objects.
type Manifest struct {
	File string
	YAML []byte
}

// Settings are lab.yaml.
type Settings struct {
	Region       string        `json:"region"`
	Zones        []Zone        `json:"zones"`
	VirtualNodes []VirtualNode `json:"virtualNodes"`
	Nodes        []NodeGroup   `json:"nodes"`
	// Identity is how the virtual node and its groups call themselves: "" as ours do, "ack"
	// as the vendor's closed ones, which ours then plays.
	Identity string `json:"identity"`
	// Kubernetes is an older version (1.35) as which the API server presents itself, with that
	// one's APIs and features; "": its own.
	Kubernetes string    `json:"kubernetes"`
	ECI        ECI       `json:"eci"`
	Traffic    []Traffic `json:"traffic"`
	Faults     []Fault   `json:"faults"`
	Groups     []Group   `json:"groups"`
	Reaches    []Reach   `json:"reaches"`
}

// A Reach is what groups reach, or don't, beyond ECI's default: their VPC (172.16.0.0/12) and the
// cloud's own services. The last that fits decides. ClusterIPs (10.96.0.0/16) are reached
// with a kube-proxy in the group, or where a Reach says so.
type Reach struct {
	To      string `json:"to"`      // a CIDR, an address or a name, with or without a port; APISERVER is the lab's own
	VSwitch string `json:"vSwitch"` // "": from all
	Not     bool   `json:"not"`
}

// A Zone is a zone of the region with the vSwitch in it.
type Zone struct {
	ID      string `json:"id"`      // cn-hangzhou-h
	VSwitch string `json:"vSwitch"` // vsw-h
}

// MaxVirtualNodes is how many nodes the one ecideck-node of a lab serves at the most.
const MaxVirtualNodes = 4

// A VirtualNode is run by ecideck-node. One process serves all of a lab's; what is beyond name
// and vSwitches is said by the first.
type VirtualNode struct {
	Name             string   `json:"name"`
	VSwitches        []string `json:"vSwitches"`
	ScheduleStrategy string   `json:"scheduleStrategy"` // VSwitchOrdered, VSwitchRandom; "": ECI's default
	Args             []string `json:"args"`             // further flags of ecideck-node
	Standby          bool     `json:"standby"`          // a second process waits to serve the node
	Probe            bool     `json:"probe"`            // it finds out what groups reach, and bursts wait for that
	Webhook          bool     `json:"webhook"`          // it serves the admission webhook, which nobody asks until it is configured
}

// A NodeGroup is a number of equal simulated ECS instances, NAME-01 and so on.
type NodeGroup struct {
	Name         string            `json:"name"`
	Count        int               `json:"count"`
	InstanceType string            `json:"instanceType"` // ecs.g7.2xlarge
	Zone         string            `json:"zone"`
	CPU          string            `json:"cpu"`    // quantity
	Memory       string            `json:"memory"` // quantity
	Pods         int               `json:"pods"`
	Labels       map[string]string `json:"labels"`
}

// ECI is how fast the emulated cloud is. A duration left out is the emulator's default.
type ECI struct {
	Scheduling *metav1.Duration `json:"scheduling"` // a group is placed
	Starting   *metav1.Duration `json:"starting"`   // images pulled, containers started
	Latency    *metav1.Duration `json:"latency"`    // of each call
	Sampling   *metav1.Duration `json:"sampling"`   // between two measurements of usage
}

// Traffic moves a workload along a curve, again and again: its replicas, until somebody else
// scales it, or the CPU that its pods use together, for an autoscaler to follow.
type Traffic struct {
	Namespace string          `json:"namespace"`
	Kind      string          `json:"kind"` // Deployment, StatefulSet
	Name      string          `json:"name"`
	Every     metav1.Duration `json:"every"`    // one step of the curve
	Replicas  []int32         `json:"replicas"` // either these
	VCPU      []float64       `json:"vCPU"`     // or these
}

// A Fault is something the cloud does wrong for a while.
type Fault struct {
	Kind  string          `json:"kind"` // as `ecideck-lab fault` names them
	Zone  string          `json:"zone"` // "": all
	After metav1.Duration `json:"after"`
	For   metav1.Duration `json:"for"` // 0: until the lab ends
	Rate  float64         `json:"rate"`
	Count int             `json:"count"`
	Async bool            `json:"async"`
}

// A Group is in the cloud before anything starts: an orphan, or somebody else's.
type Group struct {
	Name   string            `json:"name"`
	Zone   string            `json:"zone"`
	CPU    float64           `json:"cpu"`    // vCPU
	Memory float64           `json:"memory"` // GiB
	Age    metav1.Duration   `json:"age"`
	Tags   map[string]string `json:"tags"` // the value CLUSTER stands for this cluster's id
}

// ZoneOf is the zone of a vSwitch; "": it is in none.
func (s *Scenario) ZoneOf(vSwitch string) string {
	for _, zone := range s.Zones {
		if zone.VSwitch == vSwitch {
			return zone.ID
		}
	}
	return ""
}

// Parse reads a scenario. It refuses unknown settings, so that a misspelt one is seen.
func Parse(name string, data []byte) (*Scenario, error) {
	archive := txtar.Parse(data)
	s := &Scenario{Name: name}
	s.Description, _, _ = strings.Cut(strings.TrimSpace(string(archive.Comment)), "\n")
	if s.Description == "" {
		return nil, fmt.Errorf("scenario %s: the first line must say what it is", name)
	}
	found := false
	for _, file := range archive.Files {
		switch {
		case strings.HasPrefix(file.Name, "state/"):
		case file.Name == "lab.yaml":
			found = true
			if err := yaml.UnmarshalStrict(file.Data, &s.Settings); err != nil {
				return nil, fmt.Errorf("scenario %s: reading lab.yaml: %w", name, err)
			}
		case strings.HasSuffix(file.Name, ".yaml"):
			s.Manifests = append(s.Manifests, Manifest{File: file.Name, YAML: file.Data})
		default:
			return nil, fmt.Errorf("scenario %s: %s is neither lab.yaml nor a manifest", name, file.Name)
		}
	}
	if !found {
		return nil, fmt.Errorf("scenario %s: there is no lab.yaml", name)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("scenario %s: lab.yaml: %w", name, err)
	}
	return s, nil
}

func (s *Scenario) check() error {
	if s.Region == "" {
		return fmt.Errorf("region is missing")
	}
	if len(s.Zones) == 0 {
		return fmt.Errorf("zones is empty: ECI needs a vSwitch in at least one")
	}
	vSwitches := map[string]bool{}
	for _, zone := range s.Zones {
		if zone.ID == "" || zone.VSwitch == "" {
			return fmt.Errorf("a zone needs an id and a vSwitch, got %+v", zone)
		}
		vSwitches[zone.VSwitch] = true
	}
	if n := len(s.VirtualNodes); n < 1 || n > MaxVirtualNodes {
		return fmt.Errorf("a lab runs one to %d virtual nodes, got %d", MaxVirtualNodes, n)
	}
	for i, node := range s.VirtualNodes {
		if i > 0 && (node.ScheduleStrategy != "" || len(node.Args) > 0 || node.Standby || node.Webhook || node.Probe) {
			return fmt.Errorf("virtual node %s: one process serves all, so only the first says more than name and vSwitches", node.Name)
		}
		if slices.ContainsFunc(s.VirtualNodes[:i], func(o VirtualNode) bool { return o.Name == node.Name }) {
			return fmt.Errorf("two virtual nodes are named %s", node.Name)
		}
		if node.Name == "" || len(node.VSwitches) == 0 {
			return fmt.Errorf("a virtual node needs a name and vSwitches, got %+v", node)
		}
		if i := slices.IndexFunc(node.VSwitches, func(v string) bool { return !vSwitches[v] }); i >= 0 {
			return fmt.Errorf("virtual node %s: vSwitch %s is in no zone", node.Name, node.VSwitches[i])
		}
	}
	if s.Identity != "" && s.Identity != "ack" {
		return fmt.Errorf("identity is nothing or ack, got %q", s.Identity)
	}
	for _, node := range s.Nodes {
		if node.Name == "" || node.Count < 1 || node.CPU == "" || node.Memory == "" || node.Pods < 1 {
			return fmt.Errorf("a group of nodes needs name, count, cpu, memory and pods, got %+v", node)
		}
	}
	for _, traffic := range s.Traffic {
		if traffic.Every.Duration < time.Second || (len(traffic.Replicas) == 0) == (len(traffic.VCPU) == 0) || traffic.Name == "" || traffic.Namespace == "" {
			return fmt.Errorf("traffic needs namespace, name, either replicas or vCPU, and at least a second for every step, got %+v", traffic)
		}
		if traffic.Kind != "Deployment" && traffic.Kind != "StatefulSet" {
			return fmt.Errorf("traffic of %s: kind must be Deployment or StatefulSet, got %q", traffic.Name, traffic.Kind)
		}
	}
	for _, fault := range s.Faults {
		if fault.Kind == "" {
			return fmt.Errorf("a fault needs a kind, got %+v", fault)
		}
	}
	for _, reach := range s.Reaches {
		if reach.To == "" || reach.VSwitch != "" && !vSwitches[reach.VSwitch] {
			return fmt.Errorf("reaches needs a destination and one of the zones' vSwitches or none, got %+v", reach)
		}
	}
	for _, group := range s.Groups {
		if group.Name == "" || !slices.ContainsFunc(s.Zones, func(z Zone) bool { return z.ID == group.Zone }) {
			return fmt.Errorf("a group needs a name and one of the zones, got %+v", group)
		}
	}
	return nil
}
