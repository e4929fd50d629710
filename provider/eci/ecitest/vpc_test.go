package ecitest_test

import (
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestFreeAddressesAreThoseThatNoGroupHas(t *testing.T) {
	w := newWorld(t)
	free := func() map[string]int {
		t.Helper()
		got, err := w.client.FreeAddresses(t.Context(), []string{"vsw-h", "vsw-i", "vsw-unknown"})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	same(t, "at first", free(), map[string]int{"vsw-h": 252, "vsw-i": 252})
	w.create()
	w.pass(time.Minute)
	got := free()
	same(t, "with one group", got["vsw-h"]+got["vsw-i"], 503)
	if _, err := w.AddFault(ecitest.Fault{Kind: ecitest.FaultNoIPs, Zone: "cn-hangzhou-h"}); err != nil {
		t.Fatal(err)
	}
	same(t, "when they were taken", free()["vsw-h"], 0)
}
