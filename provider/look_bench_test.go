package provider

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// BenchmarkLook shows what a look at ECI costs a node with 2,000 pods of which none changed:
// calls are pages, whatever the number of pods.
func BenchmarkLook(b *testing.B) {
	const pods = 2000
	cloud := ecitest.New(ecitest.Options{Seed: 1, Instant: true, NoRateLimits: true})
	client := func() *eci.Client {
		c, err := eci.New(eci.Options{Region: cloud.Region(), Endpoint: "http://eci.test", AccessKeyID: ecitest.DefaultAccessKeyID,
			AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: cloud.Transport()})
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	p := New(Config{Cloud: client(), Pods: corev1listers.NewPodLister(indexer), Recorder: &events{},
		Placement: Placement{ClusterID: testCluster, NodeName: testNode, VSwitchIDs: []string{"vsw-h"}}})
	for i := range pods {
		pod := healthyPod(fmt.Sprintf("p-%04d", i), func(p *corev1.Pod) { p.UID = types.UID(fmt.Sprintf("uid-%04d", i)) })
		if err := indexer.Add(pod); err != nil {
			b.Fatal(err)
		}
		id := eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: testCluster, NodeName: testNode, Namespace: "default", PodName: pod.Name, PodUID: string(pod.UID), Attempt: 1}
		if _, err := cloud.Seed(ecitest.SeedGroup{Name: pod.Name, Tags: id.Tags()}); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Recover(b.Context()); err != nil {
		b.Fatal(err)
	}
	calls := func() int {
		return cloud.Calls("DescribeContainerGroups") + cloud.Calls("DescribeContainerGroupStatus")
	}
	for _, look := range []struct {
		name string
		look func() error
	}{
		{"all", func() error { _, err := p.lookAtAll(b.Context()); return err }},
		{"changes", func() error { return p.lookAtChanges(b.Context()) }},
	} {
		b.Run(look.name, func(b *testing.B) {
			before := calls()
			for b.Loop() {
				p.Cloud = client() // one client makes no more calls a minute than ECI allows
				if err := look.look(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(calls()-before)/float64(b.N), "calls/op")
		})
	}
}
