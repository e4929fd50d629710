package eci_test

import (
	"testing"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func BenchmarkCreateDescribeDelete(b *testing.B) {
	e := ecitest.New(ecitest.Options{Instant: true, NoRateLimits: true})
	c, err := eci.New(eci.Options{Region: e.Region(), Endpoint: "http://ecitest", AccessKeyID: ecitest.DefaultAccessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: e.Transport()})
	if err != nil {
		b.Fatal(err)
	}
	r := fullRequest()
	r.ClientToken = ""
	for b.Loop() {
		// The client's own limit would turn the loop into a wait after 1000 rounds, so each
		// thousand has a client of its own.
		if e.Calls("CreateContainerGroup")%900 == 899 {
			if c, err = eci.New(eci.Options{Region: e.Region(), Endpoint: "http://ecitest", AccessKeyID: ecitest.DefaultAccessKeyID,
				AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: e.Transport()}); err != nil {
				b.Fatal(err)
			}
		}
		id, err := c.CreateGroup(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Groups(b.Context(), eci.GroupQuery{IDs: []string{id}}); err != nil {
			b.Fatal(err)
		}
		if err := c.DeleteGroup(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}
