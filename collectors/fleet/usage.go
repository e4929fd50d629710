package fleet

import (
	"reflect"
	"time"
)

// A Usage is what a pod or node uses now.
type Usage struct {
	CPU    int64 // thousandths of a vCPU
	Memory int64 // bytes, the working set
	Read   time.Time
	From   string // metrics-server, eci
}

// A UsageSum is what several pods use together.
type UsageSum struct {
	CPU, Memory int64
	Pods        int // whose usage is in it
	Missing     int // that run and whose usage is not known
}

func (s *UsageSum) add(u Usage, running, known bool) { s.count(1, u, running, known) }

func (s *UsageSum) count(by int, u Usage, running, known bool) {
	switch {
	case known:
		s.CPU, s.Memory, s.Pods = s.CPU+int64(by)*u.CPU, s.Memory+int64(by)*u.Memory, s.Pods+by
	case running:
		s.Missing += by
	}
}

// usage finds what a placement uses: by metrics-server, and by ECI's own measurement for
// what that one can't see.
func (in *Inputs) usage(p *Placement) (u Usage, running, known bool) {
	running = p.Pod == nil || p.Pod.Phase == "Running" && p.Pod.Deleting.IsZero()
	for i := range in.PodUsage {
		part := &in.PodUsage[i]
		if p.Pod != nil {
			if u, ok := part.ByPod[PodName{p.Pod.Namespace, p.Pod.Name}]; ok && !u.Read.Before(p.Pod.Created) {
				return u, running, true
			}
		}
		if p.Group != nil {
			if u, ok := part.ByID[p.Group.ID]; ok {
				return u, running, true
			}
		}
	}
	return Usage{}, running, false
}

// Usage is what a placement uses; false when that is not known.
func (s *Snapshot) Usage(p *Placement) (Usage, bool) {
	u, _, known := s.built.in.usage(p)
	return u, known
}

// NodeUsage is what a real node uses; false when that is not known.
func (s *Snapshot) NodeUsage(n *Node) (Usage, bool) {
	u, known := s.built.in.NodeUsage.ByName[n.Name]
	return u, known
}

// sameUsage reports whether two inputs hold the same measurements: parts are replaced,
// never changed, so their maps are the same ones.
func (in *Inputs) sameUsage(o *Inputs) bool {
	if len(in.PodUsage) != len(o.PodUsage) || !sameMap(in.NodeUsage.ByName, o.NodeUsage.ByName) {
		return false
	}
	for i := range in.PodUsage {
		a, b := &in.PodUsage[i], &o.PodUsage[i]
		if a.Source != b.Source || !sameMap(a.ByPod, b.ByPod) || !sameMap(a.ByID, b.ByID) {
			return false
		}
	}
	return true
}

func sameMap[K comparable, V any](a, b map[K]V) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer())
}
