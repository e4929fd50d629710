package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// An account answers what a test says.
type account struct {
	mu    sync.Mutex
	usage eci.Usage
	err   error
	free  map[string]int // nil: refused
	calls int
}

func (a *account) set(change func(*account)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *account) Usage(context.Context) (eci.Usage, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.usage, a.err
}

func (a *account) FreeAddresses(context.Context, []string) (map[string]int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if a.free == nil {
		return nil, &eci.Error{Action: "DescribeVSwitches", Code: "Forbidden.RAM", HTTPStatus: 403}
	}
	return a.free, nil
}

// inAccount runs a test with a node whose capacity follows an account of 100 vCPU.
func inAccount(t *testing.T, flags NodeSpec, test func(*bed, *account)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, a := newBed(t), &account{usage: eci.Usage{MaxCPU: 100}}
		b.change = func(c *Config, s *NodeSpec) {
			c.Quota = a
			flags.Name = s.Name
			*s = flags
		}
		b.start()
		defer func() { b.stop() }()
		b.until("the node", time.Minute, func() bool { return b.nodeObject() != nil })
		test(b, a)
	})
}

func (b *bed) nodeObject() *corev1.Node {
	node, err := b.client.CoreV1().Nodes().Get(b.ctx, testNode, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return node
}

// offer is what the node object has of vCPU, memory and pods: capacity, then allocatable.
func (b *bed) offer() string {
	var lines []string
	for _, list := range []corev1.ResourceList{b.nodeObject().Status.Capacity, b.nodeObject().Status.Allocatable} {
		lines = append(lines, fmt.Sprint(list.Cpu(), " ", list.Memory(), " ", list.Pods()))
	}
	return strings.Join(lines, ", ")
}

func (b *bed) quotaCondition() corev1.NodeCondition {
	for _, c := range b.nodeObject().Status.Conditions {
		if c.Type == ConditionQuotaRead {
			return c
		}
	}
	return corev1.NodeCondition{}
}

func TestTheNodeOffersTheAccountsQuotaAndFollowsIt(t *testing.T) {
	inAccount(t, NodeSpec{}, func(b *bed, a *account) {
		if got := b.offer(); got != "100 800Gi 2k, 100 800Gi 2k" {
			t.Errorf("at the start %s", got)
		}
		b.untilReady(b.create(healthyPod("web")))
		a.set(func(a *account) { a.usage = eci.Usage{MaxCPU: 200, UsedCPU: 52} }) // 2 of them are the pod's
		time.Sleep(2 * time.Minute)
		if got := b.offer(); got != "200 1600Gi 2k, 150 1200Gi 2k" {
			t.Errorf("with a larger quota and 50 vCPU of others %s", got)
		}
		if c := b.quotaCondition(); c.Status != corev1.ConditionTrue || !strings.Contains(c.Message, "200 vCPU") || !strings.Contains(c.Message, "others use 50") {
			t.Errorf("condition %+v", c)
		}
	})
}

func TestAQuotaThatCannotBeReadKeepsTheLastOneAndSaysSo(t *testing.T) {
	for name, fail := range map[string]func(*account){
		"refused": func(a *account) {
			a.err = &eci.Error{Action: "ListUsage", Code: "Forbidden.RAM", Message: "no", HTTPStatus: 403}
		},
		"no answer":    func(a *account) { a.err = &eci.Error{Action: "ListUsage", Err: errors.New("reset")} },
		"a 200 for no": func(a *account) { a.usage = eci.Usage{} },
	} {
		t.Run(name, func(t *testing.T) {
			inAccount(t, NodeSpec{}, func(b *bed, a *account) {
				a.set(fail)
				time.Sleep(time.Hour)
				if got := b.offer(); got != "100 800Gi 2k, 100 800Gi 2k" {
					t.Errorf("the node offers %s", got)
				}
				if c := b.quotaCondition(); c.Status != corev1.ConditionFalse || !strings.Contains(c.Message, "last known") {
					t.Errorf("condition %+v", c)
				}
				// A restart remembers it by the node object.
				b.stop()
				b.start()
				time.Sleep(time.Minute)
				if got := b.offer(); got != "100 800Gi 2k, 100 800Gi 2k" {
					t.Errorf("after a restart the node offers %s", got)
				}
				a.set(func(a *account) { a.usage, a.err = eci.Usage{MaxCPU: 50}, nil })
				time.Sleep(2 * time.Minute)
				if c := b.quotaCondition(); c.Status != corev1.ConditionTrue || b.offer() != "50 400Gi 2k, 50 400Gi 2k" {
					t.Errorf("afterwards %s, condition %+v", b.offer(), c)
				}
			})
		})
	}
}

func TestFlagsBeatTheQuota(t *testing.T) {
	inAccount(t, NodeSpec{CPU: resource.MustParse("10"), Pods: resource.MustParse("7"), MemoryPerCPU: resource.MustParse("4Gi")}, func(b *bed, _ *account) {
		if got := b.offer(); got != "10 400Gi 7, 10 400Gi 7" {
			t.Errorf("the node offers %s", got)
		}
	})
}

func TestPodsNeverExceedTheAddresses(t *testing.T) {
	inAccount(t, NodeSpec{}, func(b *bed, a *account) {
		for range 3 {
			time.Sleep(time.Minute)
		}
		if a.set(func(a *account) {
			if a.calls != 1 {
				t.Errorf("asked %d times for what was refused", a.calls)
			}
			a.free = map[string]int{"vsw-h": 40}
		}); !strings.Contains(b.quotaCondition().Message, "can't be read") {
			t.Errorf("condition %+v", b.quotaCondition())
		}
		b.untilReady(b.create(healthyPod("web")))
		time.Sleep(15 * time.Minute)
		if got := b.offer(); got != "100 800Gi 41, 100 800Gi 41" { // 40 are free, and the pod has one
			t.Errorf("the node offers %s", got)
		}
		a.set(func(a *account) { a.free = map[string]int{} }) // an answer without the vSwitch
		time.Sleep(2 * time.Minute)
		if got := b.offer(); got != "100 800Gi 2k, 100 800Gi 2k" {
			t.Errorf("an answer that says nothing makes %s", got)
		}
	})
}
