package eci_test

import (
	"context"
	"fmt"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// A client that talks to an emulator in the same process. Against the real API leave out
// the keys, the endpoint and the transport.
func Example() {
	ctx := context.Background()
	emulator := ecitest.New(ecitest.Options{Instant: true})
	client, err := eci.New(eci.Options{
		Region:          "cn-hangzhou",
		Endpoint:        "http://ecitest",
		AccessKeyID:     ecitest.DefaultAccessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret,
		Transport:       emulator.Transport(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := client.CreateGroup(ctx, &eci.CreateRequest{
		ContainerGroupName: "default-web-0",
		ClientToken:        "the pod's uid and the attempt",
		Cpu:                7,
		Memory:             13,
		Container:          []eci.ContainerRequest{{Name: "web", Image: "registry.example.com/serve:1"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	groups, err := client.Groups(ctx, eci.GroupQuery{IDs: []string{id}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range groups {
		fmt.Printf("%s is %s and billed as %g vCPU, %g GiB\n", g.Name, g.Status, g.CPU, g.Memory)
	}
	// Output: default-web-0 is Running and billed as 8 vCPU, 14 GiB
}
