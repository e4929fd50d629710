package ecitest_test

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestANodeThatPlaysTheVendorsSeesItsOwnTagsAlone(t *testing.T) {
	w := newWorld(t, func(o *ecitest.Options) { o.PlayedBy = "LTAInode" })
	ours := eci.Identity{ManagedBy: eci.ManagedBy, ClusterID: "uid-1", NodeName: "vk", Namespace: "shop", PodName: "web", PodUID: "p-1", Attempt: 1}
	id := w.create(func(r *eci.CreateRequest) {
		r.Tag = nil
		for key, value := range ours.Tags() {
			r.Tag = append(r.Tag, eci.Tag{Key: key, Value: value})
		}
	})
	theirs := w.create()
	w.pass(time.Minute)
	groups, err := w.client.Groups(t.Context(), eci.GroupQuery{IDs: []string{id, theirs}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g.ID == id {
			same(t, "as others see it", eci.IdentityOf(g.Tags), eci.Identity{ManagedBy: "ACK", ClusterID: ecitest.VendorClusterID("uid-1"), Namespace: "shop", PodName: "web"})
		}
	}
	node := w.clientOf("LTAInode")
	groups, err = node.Groups(t.Context(), eci.GroupQuery{Tags: map[string]string{eci.TagPodUID: "p-1"}})
	if err != nil || len(groups) != 1 {
		t.Fatalf("%d groups, %v", len(groups), err)
	}
	same(t, "as the node sees it", eci.IdentityOf(groups[0].Tags), ours)
}
