package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/migrate"
)

// rescuedByTheNode: ECI announces that it will restart a group's host, and ecideck-node moves
// the pod before that.
func rescuedByTheNode(x *movingTenant) {
	names := x.deploy(2, "0", "lab/serve")
	x.do("annotate", "namespace", x.namespace, "ecideck.io/rescue=auto")
	if o, code, errs := x.ecideck("migrate", names[0], "--to", "eci", "--yes"); code != 0 {
		x.t.Fatalf("exit code %d, %s\n%s", code, o.Reason, errs)
	}
	x.settled(2, 1)
	threatened, stays := x.names(true)[0], x.names(false)[0]
	group := ""
	for _, g := range x.groups() {
		if g.Tags[eci.TagPodName] == threatened {
			group = g.ID
		}
	}
	w := x.guard()
	if err := x.lab.Access.Inject(x.t.Context(), ecitest.Fault{Kind: ecitest.FaultMaintenance, Group: group, Count: 1}); err != nil {
		x.t.Fatal(err)
	}
	x.eventually(90*slack*time.Second, "the pod has another group", func() (bool, string) {
		now := x.names(true)
		return len(now) == 1 && now[0] != threatened, fmt.Sprint(now, x.do("get", "events", "--field-selector=reason=SystemReboot"))
	})
	x.settled(2, 1)
	w.kept(2, stays)
	all, err := migrate.Load(x.t.Context(), x.client, "", x.namespace)
	if err != nil || !slices.ContainsFunc(all, func(o *migrate.Operation) bool { return strings.Contains(o.By, "rescue") }) {
		x.t.Errorf("no operation says that it was a rescue: %v", err)
	}
}

// keeper runs a keeper that brings home what real nodes have room for, as ecideck-node has one,
// with less patience. ended is told of each operation that is over, and may stop it.
func (x *movingTenant) keeper(client kubernetes.Interface, holder string, ended func(o *migrate.Operation, stop func())) program {
	ctx, stop := context.WithCancel(x.t.Context())
	k := &migrate.Keeper{Client: client, Holder: holder, Return: migrate.ReturnPolicy{Settled: time.Second, Fits: time.Second},
		Ended: func(o *migrate.Operation) {
			if o.Plan.Home == x.namespace { // as a new leader it goes on with others' in this lab, too
				ended(o, stop)
			}
		},
		Pods: func() []*corev1.Pod {
			list, err := x.client.CoreV1().Pods(x.namespace).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + x.node})
			if err != nil {
				return nil
			}
			var pods []*corev1.Pod
			for i := range list.Items {
				pods = append(pods, &list.Items[i])
			}
			return pods
		}}
	over := make(chan struct{})
	go func() { defer close(over); _ = k.Run(ctx) }()
	return program{kill: stop, wait: func() { <-over }}
}

// comesHomeByItself: what real nodes have room for leaves ECI, under the real controllers. The
// lab's node would wait for ten minutes, so that a keeper with less patience does it.
func comesHomeByItself(x *movingTenant) {
	names := x.deploy(2, "0", "lab/serve")
	if o, code, errs := x.ecideck("migrate", names[0], "--to", "eci", "--yes"); code != 0 {
		x.t.Fatalf("exit code %d, %s\n%s", code, o.Reason, errs)
	}
	x.settled(2, 1)
	x.do("annotate", "deployment", "web", "ecideck.io/return=auto")
	w := x.guard()
	ended := make(chan *migrate.Operation, 1)
	k := x.keeper(x.client, "test/1", func(o *migrate.Operation, _ func()) { ended <- o })
	defer func() { k.kill(); k.wait() }()
	timer := time.NewTimer(2 * time.Minute * slack)
	defer timer.Stop()
	select {
	case o := <-ended:
		if o.State != migrate.Done || !strings.Contains(o.By, "return") {
			x.t.Errorf("operation of %s is %s: %s", o.By, o.State, o.Reason)
		}
	case <-timer.C:
		x.t.Fatal("nothing came home")
	}
	x.settled(2, 0)
	w.kept(2, names[1])
}
