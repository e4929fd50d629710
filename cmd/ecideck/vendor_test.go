package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ecideck/ecideck/collectors"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"
)

// watch runs every collector on the lab until the test ends.
func (c *cluster) watch() *collectors.Store {
	c.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.lab.Kubeconfig)
	if err != nil {
		c.t.Fatal(err)
	}
	config.QPS, config.Burst = 50, 100
	a := c.lab.Access
	cloud, err := eci.New(eci.Options{Region: a.Region, Endpoint: a.Scheme + "://" + a.Endpoint, AccessKeyID: a.AccessKeyID, AccessKeySecret: a.AccessKeySecret})
	if err != nil {
		c.t.Fatal(err)
	}
	store := collectors.NewStore()
	all := collectors.All(collectors.Sources{
		Kubernetes: kubernetes.NewForConfigOrDie(config), Dynamic: dynamic.NewForConfigOrDie(config), Metrics: metrics.NewForConfigOrDie(config),
		ECI: cloud, Cloud: cloud, Latest: store.Latest, State: c.t.TempDir(),
	})
	store.Expect(all)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		collectors.Run(ctx, store, all, nil)
		close(done)
	}()
	c.t.Cleanup(func() { cancel(); <-done })
	return store
}

// TestTheVendorsVirtualNode meets what a managed ACK cluster has: groups with the vendor's
// tags, which name no pod's UID, on a node with his labels, and an image cache's builder.
func TestTheVendorsVirtualNode(t *testing.T) {
	t.Parallel()
	c := startLab(t, "ack-managed")
	store := c.watch()
	c.eventually(30*slack*time.Second, "all pods placed, joined, priced and measured; every source fresh", func() (bool, string) {
		s := store.Latest()
		places := map[fleet.Place]int{}
		for _, p := range s.Placements {
			if p.Pod == nil || p.Pod.Namespace != "shop" {
				continue
			}
			_, measured := s.Usage(p)
			if p.Status != "Running" || !p.Cost.Rate().Known() || !measured || p.Place == fleet.PlaceECI && p.Group == nil {
				return false, fmt.Sprintf("%s is %s at %q, costs %v, measured %v", p.Pod.Name, p.Status, p.Place, p.Cost.Rate(), measured)
			}
			places[p.Place]++
		}
		for _, source := range s.Sources {
			if source.Error != "" || source.Read.IsZero() {
				return false, fmt.Sprintf("source %s: %s", source.Name, source.Error)
			}
		}
		return places[fleet.PlaceECS] == 4 && places[fleet.PlaceECI] == 3, fmt.Sprint(places)
	})
	s := store.Latest()
	foreign := 0
	for _, g := range s.Groups {
		switch {
		case g.Relation == fleet.Foreign:
			foreign++
		case g.Relation != fleet.Joined || g.Identity.ManagedBy == eci.ManagedBy || g.Identity.PodUID != "":
			t.Errorf("group %s is %s with %+v", g.ID, g.Relation, g.Identity)
		}
	}
	if foreign != 1 {
		t.Errorf("%d foreign groups, want the image cache's builder", foreign)
	}
	if want := ecitest.VendorClusterID(c.mustKubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")); s.Cluster != want {
		t.Errorf("the cluster is %q, want ACK's own id %q", s.Cluster, want)
	}
	for _, w := range s.Workloads {
		if w.Namespace == "shop" && (w.Object == nil || w.Scaling.State != fleet.ScalingSteady || w.Cost.Unknown != 0) {
			t.Errorf("%s: %+v, %s", w.Name, w.Scaling, w.Cost)
		}
	}
	if s.Quota == nil || len(s.VSwitches) == 0 || len(s.Stocks) != 2 || len(s.Namespaces) == 0 {
		t.Errorf("quota %v, vSwitches %v, zones %v", s.Quota, s.VSwitches, s.Stocks)
	}
	// A pod that is deleted leaves no orphan that is called so too early.
	c.mustKubectl("delete", "pod", "-n", "shop", "-l", "app=web", "--wait=false")
	c.eventually(20*slack*time.Second, "web runs again and nothing is an orphan", func() (bool, string) {
		s := store.Latest()
		w := s.Workload("shop", "Deployment", "web")
		for _, a := range s.Attention {
			if a.Topic == fleet.TopicOrphans {
				t.Errorf("%+v", a)
			}
		}
		return w != nil && w.ReadyPods == 3 && w.Pods.All() == 3, fmt.Sprintf("%+v", w)
	})
}
