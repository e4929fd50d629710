package main

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOneProcessServesSeveralNodes(t *testing.T) {
	f := &flags{region: "cn-hangzhou", listen: ":10250", nodes: []string{"name=vk-h,vswitch=vsw-h,zone=cn-hangzhou-h", "name=vk-i,vswitch=vsw-j,vswitch=vsw-i", "name=vk-k,vswitch=vsw-k,listen=:9000"}}
	all, err := f.each()
	if err != nil || len(all) != 3 {
		t.Fatalf("%d nodes, %v", len(all), err)
	}
	for i, want := range []struct {
		name, zone, listen string
		vswitches          []string
	}{{"vk-h", "cn-hangzhou-h", ":10250", []string{"vsw-h"}}, {"vk-i", "", ":10251", []string{"vsw-i", "vsw-j"}}, {"vk-k", "", ":9000", []string{"vsw-k"}}} {
		if n := all[i]; n.nodeName != want.name || n.zone != want.zone || n.listen != want.listen || !slices.Equal(n.vswitches, want.vswitches) || n.region != f.region {
			t.Errorf("%+v, want %+v", n, want)
		}
	}
	if all, err := (&flags{nodeName: "vk"}).each(); err != nil || len(all) != 1 || all[0].nodeName != "vk" {
		t.Errorf("without --node: %v, %v", all, err)
	}
}

func TestNodesThatCantBeAreRefused(t *testing.T) {
	for _, c := range []struct {
		change func(*flags)
		want   string
	}{
		{func(f *flags) { f.nodes = []string{"vk-h"} }, "key=value"},
		{func(f *flags) { f.nodes = []string{"name=a,vswitch=v,size=1"} }, "there is no size"},
		{func(f *flags) { f.nodes = []string{"vswitch=v"} }, "no name"},
		{func(f *flags) { f.nodes = []string{"name=a"} }, "no vswitch"},
		{func(f *flags) { f.nodes = []string{"name=A_B,vswitch=v"} }, "A_B"},
		{func(f *flags) { f.nodes = []string{"name=a,vswitch=v", "name=a,vswitch=w"} }, "two are named a"},
		{func(f *flags) { f.nodes = []string{"name=a,vswitch=v", "name=b,vswitch=w,listen=:10250"} }, "same kubelet port"},
		{func(f *flags) { f.vswitches = []string{"v"} }, "--vswitch-ids"},
		{func(f *flags) { f.listen = "kubelet" }, "--listen"},
		{func(f *flags) { f.nodes = []string{"name=a" + strings.Repeat(",vswitch=v", 11)} }, "at most 10"},
	} {
		f := &flags{listen: ":10250", nodes: []string{"name=a,vswitch=v"}}
		c.change(f)
		if _, err := f.each(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// lacks is a stock that lacks something.
type lacks string

func (l lacks) OutOfStock(*corev1.Pod) string { return string(l) }

func TestAPodLacksStockWhereEveryNodeLacksIt(t *testing.T) {
	for want, s := range map[string]stocks{"": {lacks("zone h has none"), lacks("")}, "zone h has none; zone i has none": {lacks("zone h has none"), lacks("zone i has none")}, "both": {lacks("both"), lacks("both")}} {
		if got := s.OutOfStock(nil); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
