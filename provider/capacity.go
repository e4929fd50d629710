package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// A Quota tells what the account may run; *eci.Client is one.
type Quota interface {
	Usage(context.Context) (eci.Usage, error)
	// FreeAddresses is how many addresses each of the vSwitches has left. What the answer
	// does not have is unknown.
	FreeAddresses(ctx context.Context, vswitchIDs []string) (map[string]int, error)
}

// ConditionQuotaRead is the node condition that tells whether the node's capacity is the
// account's quota as last read, and what it is made of.
const ConditionQuotaRead corev1.NodeConditionType = "AccountQuotaRead"

// What a node offers where neither a flag nor the quota says it.
const (
	assumedCPU   = 1000 // vCPU
	assumedPods  = 2000
	gibPerCPU    = 8
	quotaEvery   = time.Minute
	quotaTimeout = 15 * time.Second
	// addressesPause is how long free addresses are not asked for again after a refusal.
	addressesPause = 10 * time.Minute
)

// A capacity is what the node offers, in vCPU and pods. The zero one is unknown.
type capacity struct {
	cpu     float64 // the quota
	others  float64 // of it, used by groups that are not this node's
	free    int     // addresses of the vSwitches; -1: unknown
	holding int     // addresses that groups of this node hold
}

// A quotaWatch keeps the capacity current. An answer that can't be had, or says nothing,
// keeps the last one: a node that shrank to nothing for an outage would stop the scheduler.
type quotaWatch struct {
	quota    Quota
	provider *Provider
	spec     NodeSpec

	mu      sync.Mutex
	last    capacity
	known   bool      // last was read from the quota by this process
	failure string    // why the newest reading failed; "": it did not
	since   time.Time // since when known and failure are as they are
	later   time.Time // no addresses are asked for before
}

func newQuotaWatch(quota Quota, p *Provider, spec NodeSpec) *quotaWatch {
	return &quotaWatch{quota: quota, provider: p, spec: spec, last: capacity{cpu: assumedCPU, free: -1}, since: time.Now()}
}

// recall takes what the node object offers from before this process: that was the quota.
func (w *quotaWatch) recall(node *corev1.Node) {
	if cpu := node.Status.Capacity.Cpu().AsApproximateFloat64(); cpu > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last.cpu = cpu
	}
}

// run reads the quota until the context ends.
func (w *quotaWatch) run(ctx context.Context) {
	for pauseFor(ctx, quotaEvery) {
		w.read(ctx)
	}
}

// read reads the quota and the free addresses once.
func (w *quotaWatch) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, quotaTimeout)
	defer cancel()
	next, err := w.reckon(ctx)
	if errors.Is(err, context.Canceled) {
		return
	}
	failure := ""
	if err != nil {
		failure = words(err)
		if errors.Is(err, context.DeadlineExceeded) {
			failure = "ECI gave no answer" // and not how long which call took
		}
	}
	w.mu.Lock()
	changed := failure != w.failure || err == nil && !w.known
	if (failure == "") != (w.failure == "") || changed && err == nil {
		w.since = time.Now()
	}
	w.failure = failure
	if err == nil {
		w.last, w.known = next, true
	}
	w.mu.Unlock()
	switch log := w.provider.log; {
	case changed && err != nil:
		log.WarnContext(ctx, "the account's quota can't be read, the node offers what it offered (grant eci:ListUsage, or give --cpu, --memory and --pods)", "err", err)
	case changed:
		log.InfoContext(ctx, "the account's quota is read", "vCPU", next.cpu, "usedByOthers", next.others, "freeAddresses", next.free)
	}
}

// reckon asks for the quota. Groups of this node are counted before and after: one that is
// created meanwhile counts as ours, and so never as somebody else's.
func (w *quotaWatch) reckon(ctx context.Context) (capacity, error) {
	before, _ := w.provider.holding()
	usage, err := w.quota.Usage(ctx)
	if err != nil {
		return capacity{}, err
	}
	if usage.MaxCPU <= 0 {
		return capacity{}, errors.New("the answer of ListUsage has no quota, which is how a missing right looks")
	}
	after, groups := w.provider.holding()
	free, err := w.addresses(ctx)
	if err != nil {
		return capacity{}, err
	}
	return capacity{cpu: usage.MaxCPU, others: max(0, usage.UsedCPU-max(before, after)), free: free, holding: groups}, nil
}

// addresses is how many addresses the node's vSwitches have left; -1: that can't be read. It
// is no failure: few policies allow vpc:DescribeVSwitches, and ECI says itself when a vSwitch
// is out of addresses.
func (w *quotaWatch) addresses(ctx context.Context) (int, error) {
	ids := w.provider.Placement.VSwitchIDs
	profile, err := w.provider.resolver.profile(ctx, w.provider.Placement.Profile)
	if err == nil && len(profile.VSwitchIDs) > 0 {
		ids = profile.VSwitchIDs
	}
	w.mu.Lock()
	last, later := w.last.free, w.later
	w.mu.Unlock()
	if len(ids) == 0 || time.Now().Before(later) {
		return -1, nil
	}
	free, err := w.quota.FreeAddresses(ctx, ids)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil && eci.IsRetryable(err):
		return last, nil
	case err != nil:
		w.provider.log.InfoContext(ctx, "free addresses of the vSwitches can't be read, pods are not limited by them (grant vpc:DescribeVSwitches)", "err", err)
		w.mu.Lock()
		w.later = time.Now().Add(addressesPause)
		w.mu.Unlock()
		return -1, nil
	}
	sum := 0
	for _, id := range ids {
		n, ok := free[id]
		if !ok {
			return -1, nil
		}
		sum += n
	}
	return sum, nil
}

// holding is the vCPU and the number of this node's groups that are not over, or may exist.
func (p *Provider) holding() (cpu float64, groups int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.entries {
		if e.gone || e.refusal != nil || e.ended() || !e.mayRun() {
			continue
		}
		groups++
		if e.group != nil && e.group.CPU > 0 {
			cpu += e.group.CPU
		} else if size, refusal := placement.SizeOf(e.pod, p.Placement.Region); refusal == nil {
			cpu += size.Billed.CPU
		}
	}
	return cpu, groups
}

// apply writes capacity, allocatable and the condition on the node object. What a flag says
// beats the quota; free addresses limit the pods whoever says how many.
func (w *quotaWatch) apply(node *corev1.Node, now time.Time) {
	if w.quota == nil {
		return
	}
	w.mu.Lock()
	c, known, failure, since := w.last, w.known, w.failure, w.since
	w.mu.Unlock()
	offers := func(cpu float64) corev1.ResourceList {
		list := corev1.ResourceList{}
		cores := *resource.NewMilliQuantity(int64(cpu*1000), resource.DecimalSI)
		list[corev1.ResourceCPU] = cores
		list[corev1.ResourceMemory] = *resource.NewQuantity(int64(cpu*w.spec.memoryPerCPU()), resource.BinarySI)
		list[corev1.ResourcePods] = *resource.NewQuantity(assumedPods, resource.DecimalSI)
		for name, flag := range map[corev1.ResourceName]resource.Quantity{corev1.ResourceCPU: w.spec.CPU, corev1.ResourceMemory: w.spec.Memory, corev1.ResourcePods: w.spec.Pods} {
			if !flag.IsZero() {
				list[name] = flag
			}
		}
		if most := int64(c.free + c.holding); c.free >= 0 && list.Pods().Value() > most {
			list[corev1.ResourcePods] = *resource.NewQuantity(most, resource.DecimalSI)
		}
		return list
	}
	for name, quantity := range offers(c.cpu) {
		node.Status.Capacity[name] = quantity
	}
	for name, quantity := range offers(max(0, c.cpu-c.others)) {
		node.Status.Allocatable[name] = quantity
	}
	condition := corev1.NodeCondition{Type: ConditionQuotaRead, Status: corev1.ConditionTrue, Reason: "QuotaRead", Message: c.String(),
		LastHeartbeatTime: metav1.NewTime(now.Truncate(time.Second)), LastTransitionTime: metav1.NewTime(since.Truncate(time.Second))}
	switch {
	case failure != "" && known:
		condition.Status, condition.Reason, condition.Message = corev1.ConditionFalse, "QuotaUnreadable", "last known: "+c.String()+". Now: "+failure
	case failure != "":
		condition.Status, condition.Reason = corev1.ConditionFalse, "QuotaUnreadable"
		condition.Message = fmt.Sprintf("%g vCPU are assumed; grant eci:ListUsage, or give --cpu, --memory and --pods. Now: %s", c.cpu, failure)
	case !known:
		condition.Status, condition.Reason, condition.Message = corev1.ConditionUnknown, "QuotaNotReadYet", fmt.Sprintf("%g vCPU are assumed", c.cpu)
	}
	node.Status.Conditions = append(node.Status.Conditions, condition)
}

// String says what the capacity is made of.
func (c capacity) String() string {
	addresses := "free addresses of the vSwitches can't be read"
	if c.free >= 0 {
		addresses = strconv.Itoa(c.free) + " addresses of the vSwitches are free"
	}
	return fmt.Sprintf("the account's quota is %g vCPU, of which others use %g; %s", c.cpu, c.others, addresses)
}

// memoryPerCPU is in bytes.
func (s NodeSpec) memoryPerCPU() float64 {
	if s.MemoryPerCPU.IsZero() {
		return gibPerCPU << 30
	}
	return s.MemoryPerCPU.AsApproximateFloat64()
}

// sameOffer tells that two node objects offer the same and say the same about it.
func sameOffer(a, b *corev1.Node) bool {
	said := func(n *corev1.Node) []string {
		var lines []string
		for _, list := range []corev1.ResourceList{n.Status.Capacity, n.Status.Allocatable} {
			lines = append(lines, list.Cpu().String(), list.Memory().String(), list.Pods().String())
		}
		for _, c := range n.Status.Conditions {
			lines = append(lines, string(c.Type), string(c.Status), c.Reason, c.Message)
		}
		return lines
	}
	return slices.Equal(said(a), said(b))
}
