// Ecideck-node is a virtual node: it joins a Kubernetes cluster and runs every pod that is
// bound to it as an Alibaba Cloud ECI container group.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ecideck/ecideck/cmd/internal/setup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		os.Exit(setup.ExitCode(err)) // cobra has printed it
	}
}
